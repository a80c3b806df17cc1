//! The examples of `docs/policies.md` are policies that a workspace takes.

use std::fs;

use super::machine::Machine;

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let begun = page.split(&fence).skip(1);
    begun.filter_map(|rest| rest.split_once("```")).map(|(block, _)| block.to_owned()).collect()
}

#[test]
fn what_the_page_shows_passes_the_check_and_takes_away() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policies.md");
    let page = fs::read_to_string(page).expect("the page exists");
    let policies = blocks(&page, "cedar");
    assert_eq!(policies.len(), 4);
    for policy in &policies {
        let machine = Machine::with_shop();
        machine.folder.write("shop/policies/shown.cedar", policy);
        // A team that a policy asks for has to be there.
        let team = "  people: { mira: { subjects: { demo: mira } } }\n  teams: { security: { people: [mira] } }\n";
        let text = machine.folder.read("shop/gatewright.yaml");
        let text = text.replacen("  identities:\n", &format!("{team}  identities:\n"), 1);
        machine.folder.write("shop/gatewright.yaml", &text);
        let (told, code) = machine.tells(&["check"]);
        assert_eq!(code, 0, "{policy}{told}");
        assert!(told.contains("nothing to complain about"), "{policy}{told}");
    }
    let machine = Machine::with_shop();
    machine.folder.write("shop/policies/shown.cedar", &policies[1]);
    let team = ["can", "demo", "POST", "/orders", "--claim", "groups=orders-team"];
    assert_eq!(machine.ends("shop", &team), 0);
    let both = [&team[..], &["--claim", "groups=contractors"]].concat();
    let (told, code) = machine.tells(&both);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("Contractors may read and not write"), "{told}");
}

#[test]
fn the_condition_of_the_page_makes_a_rule_narrower() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policies.md");
    let page = fs::read_to_string(page).expect("the page exists");
    let [rules] = <[String; 1]>::try_from(blocks(&page, "yaml")).expect("one block");
    let machine = Machine::with_shop();
    let text = machine.folder.read("shop/gatewright.yaml");
    let (before, rest) = text.split_once("  access:\n").expect("the demo has rules");
    let (_, after) = rest.split_once("  limits:\n").expect("limits follow");
    let rules: String = rules.lines().map(|line| format!("  {line}\n")).collect();
    machine.folder.write("shop/gatewright.yaml", &format!("{before}{rules}  limits:\n{after}"));
    let team = ["can", "demo", "POST", "/orders", "--claim", "groups=orders-team"];
    assert_eq!(machine.ends("shop", &team), 3, "{}", machine.tells(&team).0);
    let senior = [&team[..], &["--claim", "level=senior"]].concat();
    assert_eq!(machine.ends("shop", &senior), 0, "{}", machine.tells(&senior).0);
}
