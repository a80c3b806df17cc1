//! Whatever others write, what is told keeps its form and hides nothing.

use gw_model::terminal::is_hidden;
use proptest::prelude::*;

use super::*;
use crate::host::report::{Annotation, Status};

const HOSTILE: [&str; 26] = [
    "|",
    "`",
    "``` \n",
    "\\",
    "\\|",
    "](https://evil.test)",
    "[x](javascript:alert(1))",
    "![x](https://evil.test/x.png)",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "&lt;b&gt;",
    "&#8238;",
    "@{00000000-0000-0000-0000-000000000000}",
    "@all",
    "someone@acme.com",
    "\n# heading",
    "\r\n| a | b |",
    "\u{2028}",
    "\u{202e}detrever",
    "\u{200b}",
    "\u{1b}[31m",
    "**bold**",
    "_Updated_",
    "~~gone~~",
    "#1",
    "ordinary words",
];

fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// A plan in which everything that somebody may write is this, each time behind another sign so that
/// no two become one.
fn written(text: &str) -> Plan {
    let text = |sign: &str| format!("{sign}{text}");
    let mut decision = waits_for_security();
    for rule in &mut decision.rules {
        rule.id = text("i");
        rule.at.file = text("f");
        rule.met = vec![text("m")];
        rule.because = rule.because.as_ref().map(|_| text("b"));
        for missing in &mut rule.missing {
            missing.needs = text("n");
        }
    }
    decision.why = Some(text("w"));
    decision.cure = Some(text("c"));
    let mut plan = widens("prod", decision);
    for (notice, sign) in plan.notices.iter_mut().zip(["r", "s"]) {
        notice.text = text(sign);
        notice.at = Some(origin(&text("o"), 17));
        if let Some(operation) = &mut notice.operation {
            operation.path = text("/p");
        }
        notice.who = Some(Class { identity: None, claims: Claims::new(), text: text("t") });
    }
    let access = plan.access.as_mut().unwrap();
    access.classes = vec![text("k"), text("l")];
    access.rows[0].operation.path = text("/q");
    plan
}

/// What is markup in a text, when everything that was made harmless is gone.
fn markup(text: &str) -> String {
    let text = text.replace("&amp;", "");
    let mut signs = text.chars();
    let mut kept = String::new();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => drop(signs.next()),
            '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '~' | '&' | '\n' => {
                kept.push(sign);
            }
            _ => {}
        }
    }
    kept
}

fn assert_visible(text: &str) -> Result<(), TestCaseError> {
    let hidden = |sign: char| is_hidden(sign) && sign != '\n';
    let text = text.replace("@\u{2060}", "");
    prop_assert!(!text.contains('@') && !text.chars().any(hidden), "{text:?}");
    Ok(())
}

/// In a text without markup anything may be called that can be seen.
fn assert_shown(text: &str) -> Result<(), TestCaseError> {
    prop_assert!(!text.chars().any(|sign| is_hidden(sign) && sign != '\n'), "{text:?}");
    Ok(())
}

fn comments(text: &str) -> Vec<String> {
    let plan = written(text);
    let texts = |sign: &str| format!("{sign}{text}");
    let note = Note {
        code: "GW1101".to_owned(),
        text: texts("e"),
        help: vec![texts("h")],
        ..error("", Some(origin(&texts("f"), 3)))
    };
    let notes = [note];
    let broken = Plan { notes: notes.to_vec(), ..plan.clone() };
    let links = links();
    let both = [plan.clone(), broken];
    let refused = [Refused { who: texts("v"), why: Why::NotAdmitted { because: texts("u") } }];
    let absent = [Absent { name: texts("n"), near: Some(texts("m")) }];
    let prospect = |plan| Prospect { plan, refused: &refused, absent: &absent, median_wait: None };
    let prospects: Vec<Prospect<'_>> = both.iter().map(prospect).collect();
    let news = [
        News::Plans(&prospects[..1]),
        News::Plans(&prospects),
        News::Broken(&notes),
        News::Refused(&plan),
    ];
    news.into_iter().map(|news| whole(&comment(told(news, &links)))).collect()
}

proptest! {
    #[test]
    fn no_text_changes_the_form_of_a_comment(text in hostile()) {
        for (said, plain) in comments(&text).iter().zip(comments("")) {
            prop_assert_eq!(markup(said), markup(&plain), "{}", said);
            prop_assert!(said.lines().count() <= 60);
            assert_visible(said)?;
        }
    }

    #[test]
    fn nothing_is_hidden_in_reports_and_statuses(text in hostile()) {
        let plan = written(&text);
        let plans = [plan.clone()];
        let (prospects, links) = (prospects(&plans), links());
        let notes = [error(&text, Some(origin(&text, 0)))];
        for news in [News::Plans(&prospects), News::Broken(&notes), News::Refused(&plan)] {
            let told = told(news, &links);
            let Report { details, annotations, figures, .. } = report(told);
            assert_shown(&details)?;
            prop_assert_eq!(figures.len(), 6);
            for Annotation { id, severity: _, path, line, summary, details } in annotations {
                assert_shown(&summary)?;
                assert_shown(&details.unwrap_or_default())?;
                prop_assert!(!summary.contains('\n') && id.is_ascii());
                assert_shown(&path.unwrap_or_default())?;
                prop_assert!(line != Some(0));
            }
            let Status { description, .. } = of_plan(told, None);
            assert_shown(&description)?;
            prop_assert!(!description.contains('\n'));
        }
    }

    /// Reports come and go with each plan; what is the same is found again by its id.
    #[test]
    fn an_annotation_keeps_its_id(text in hostile(), environment in "[a-z]{1,8}") {
        let links = links();
        let ids = |plan: Plan| -> BTreeSet<String> {
            let plans = [plan];
            let prospects = prospects(&plans);
            let report = report(told(News::Plans(&prospects), &links));
            report.annotations.into_iter().map(|it| it.id).collect()
        };
        let plan = written(&text);
        let other = Plan {
            environment: EnvironmentName::parse(&environment).unwrap(),
            made_at: AT + Duration::hours(3),
            decision: allowed(),
            ..plan.clone()
        };
        prop_assert_eq!(ids(plan).len(), 2);
        prop_assert_eq!(ids(written(&text)), ids(other));
    }
}
