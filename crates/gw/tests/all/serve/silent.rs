//! What people read where everything is allowed and nobody has to do anything.

use gw_emulators::bitbucket::Uuid;
use gw_testkit::forge::api;

use super::stage::Stage;

const AUDIENCE: &str = "https://gatewright.test";
/// Words of rules, of what they miss and of what would help.
const LOUD: [&str; 6] = ["rule", "changes[", "needs", "approv", "waits", "cure"];

/// What stands there, without what is another one each time.
fn plain(stage: &Stage, text: &str, hashes: &[&str]) -> String {
    let bare = hashes.iter().fold(text.to_owned(), |text, hash| {
        text.replace(hash, "COMMIT").replace(hash.get(..7).unwrap(), "COMMIT")
    });
    let bare = bare.replace(stage.server.as_str(), "SERVER");
    let words = bare.split_inclusive([' ', '\n', ')', '(', '/']);
    words
        .map(|word| match word.strip_prefix("p-") {
            Some(rest) if rest.len() > 6 => format!("p-ID{}", rest.get(6..).unwrap_or_default()),
            _ => word.to_owned(),
        })
        .collect()
}

fn is_silent(text: &str) {
    for word in LOUD {
        assert!(!text.contains(word), "`{word}`: {text}");
    }
}

/// Shows S2.27: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_is_told_in_few_words() {
    // Narrower limits need nobody; only the step applies.
    let merges = "    - { event: merge, branch: main, do: apply }\n";
    let stage = Stage::declaring(|_, files| {
        let calm = |text: String| {
            text.replace(merges, "").replace(", approvals: 1", "").replace("every: 1s", "every: 1h")
        };
        files.into_iter().map(|(path, text)| (path, calm(text))).collect()
    })
    .await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0, "{}", stage.said());

    // Of a change that changes nothing one line is left, and where more is to be read.
    let same = format!("{}\n", api("orders-team", "100/1m"));
    stage.propose(&stage.bob, "same", &same).await;
    let nothing = stage.comment(1, "nothing changes").await;
    is_silent(&nothing);
    assert!(!nothing.contains('|'), "{nothing}");
    assert!(nothing.lines().count() <= 5, "{nothing}");

    let narrowed = stage.propose(&stage.bob, "narrow", &api("orders-team", "60/1m")).await;
    let comment = stage.comment(2, "may be applied").await;
    is_silent(&comment);
    assert!(comment.lines().count() <= 16, "{comment}");
    stage.status(&narrowed, "gatewright-plan", "may be applied").await;
    let report = stage.get(&format!("/commit/{narrowed}/reports/gatewright-plan")).await;
    assert_eq!(report["result"], "PASSED", "{report}");
    is_silent(&report["details"].to_string());
    stage.merge(2, "squash").await;

    // The step says what it does, line by line, and how it ended: nothing else.
    let none: Option<&Uuid> = None;
    let head = stage.head("main").await;
    let step = stage.run(AUDIENCE, none);
    let (told, code) = stage.shows(&step.token, &["apply", "--commit", &head]);
    assert_eq!(code, 0, "{told}");
    is_silent(&told);
    let lines: Vec<&str> = told.lines().collect();
    let [callers, lines @ .., last] = lines.as_slice() else { panic!("{told}") };
    assert_eq!(*last, "change 2 applied and verified");
    assert!(callers.contains("100/1m → 60/1m"), "{told}");
    assert!(lines.len() <= 8 && lines.iter().all(|line| line.starts_with("  ✔ ")), "{told}");
    // Once more: nothing is to be done, in one line.
    let step = stage.run(AUDIENCE, none);
    let (told, code) = stage.shows(&step.token, &["apply", "--commit", &head]);
    assert_eq!((told.as_str(), code), ("everything is as declared, and verified\n", 0));
    let plain = |text: &str| {
        let text = plain(&stage, text, &[&narrowed, &head]);
        let lines = text.lines().filter(|line| !line.starts_with("_Updated"));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("allowed", plain(&comment));
}
