mod laws;

use std::collections::BTreeSet;

use gw_model::{api::Claims, code::Code, id::EnvironmentName};
use gw_plan::{
    notice::{Class, Effect},
    plan::Decision,
};
use gw_policy::change::RuleEffect;
use url::Url;

use super::{
    sample::{
        AT, COMMIT, allowed, error, links, notice, origin, outcome, unchanged, waits_for_security,
        widens,
    },
    *,
};
use crate::{
    approve::Why,
    host::{
        approvals::Discounted,
        report::{Comment, Report},
    },
};

fn prospects(plans: &[Plan]) -> Vec<Prospect<'_>> {
    plans
        .iter()
        .map(|plan| Prospect { plan, refused: &[], absent: &[], median_wait: None })
        .collect()
}

fn told<'a>(news: News<'a>, links: &'a Links) -> Told<'a> {
    Told { pull_request: 7, commit: COMMIT, at: AT, links, news }
}

fn whole(comment: &Comment) -> String {
    format!("{}{}", comment.start, comment.text)
}

/// The comment about these plans.
fn comment_of(plans: &[Plan]) -> String {
    whole(&comment(told(News::Plans(&prospects(plans)), &links())))
}

fn head(comment: &str) -> &str {
    comment.lines().next().unwrap()
}

fn words(report: &Report) -> String {
    let Report { id, title, details, link, outcome, figures, annotations } = report;
    let mut lines = vec![format!("{id} · {title} · {outcome:?}"), details.clone()];
    lines.extend(link.clone());
    lines.extend(figures.iter().map(|it| format!("{}: {:?}", it.title, it.value)));
    lines.extend(annotations.iter().map(|it| format!("{it:?}")));
    lines.join("\n")
}

#[test]
fn a_change_that_waits_for_somebody() {
    let plans =
        [widens("staging", allowed()), unchanged("dev"), widens("prod", waits_for_security())];
    insta::assert_snapshot!("waits", comment_of(&plans));
    let (prospects, links) = (prospects(&plans), links());
    insta::assert_snapshot!("waits_report", words(&report(told(News::Plans(&prospects), &links))));
}

#[test]
fn how_long_others_waited_is_told() {
    let plan = widens("prod", waits_for_security());
    let waited = [Prospect {
        plan: &plan,
        refused: &[],
        absent: &[],
        median_wait: Some(Duration::minutes(190)),
    }];
    let comment = whole(&comment(told(News::Plans(&waited), &links())));
    let row = comment.lines().find(|line| line.starts_with("| prod")).unwrap();
    assert!(row.ends_with("✘ needs approval by team security (median wait 3 h 10 min) |"), "{row}");
}

#[test]
fn an_approval_that_does_not_count_is_told_with_its_reason() {
    let refused = |who: &str, why| Refused { who: who.to_owned(), why };
    let refused = [
        refused("bob", Why::Host(Discounted::Author)),
        refused("*erik*", Why::Host(Discounted::FormerHead)),
        refused("mira", Why::OtherEffect),
        refused("nils", Why::Unlisted),
        refused("eve", Why::Host(Discounted::Untold)),
        refused("ci", Why::Host(Discounted::Machine)),
        refused("ci", Why::Host(Discounted::Machine)),
    ];
    let told_of = |plan: &Plan| {
        let prospects = [Prospect { plan, refused: &refused, absent: &[], median_wait: None }];
        let comment = whole(&comment(told(News::Plans(&prospects), &links())));
        comment.lines().find(|line| line.starts_with("Approvals")).map(str::to_owned)
    };
    insta::assert_snapshot!(told_of(&widens("prod", waits_for_security())).unwrap(), @r"Approvals that do not count in prod: bob made part of this change; \*erik\* approved before the last push; mira approved something else than what would be done; nils is not one person under \`people\`; eve may or may not write to the repository: the Git host does not tell us; and 2 more");
    assert_eq!(told_of(&widens("prod", allowed())), None);
}

#[test]
fn the_first_line_says_what_matters_most() {
    let errors = Plan {
        notes: vec![error("`native` cannot be kept here", None)],
        ..widens("prod", waits_for_security())
    };
    let hopeless = |fact| {
        let missing = [("approvals", "1 approval (it has 0)"), (fact, "something")];
        let rules = vec![outcome("env/prod/changes[1]", RuleEffect::Permit, false, &missing)];
        Decision { rules, ..waits_for_security() }
    };
    let rows = [
        (vec![], "✔ nothing changes"),
        (vec![unchanged("dev")], "✔ nothing changes"),
        (vec![unchanged("dev"), widens("prod", allowed())], "✔ may be applied"),
        (
            vec![widens("dev", allowed()), widens("prod", waits_for_security())],
            "⚠ waits for security",
        ),
        (vec![widens("prod", hopeless("verifiedIn"))], "⚠ waits for 1 approval, something"),
        (vec![widens("prod", hopeless("claims.groups"))], "✘ not allowed"),
        (
            vec![widens("prod", waits_for_security()), widens("b", hopeless("deletes"))],
            "✘ not allowed",
        ),
        (vec![widens("dev", allowed()), errors], "✘ cannot be applied"),
    ];
    for (plans, state) in rows {
        let comment = comment_of(&plans);
        assert_eq!(head(&comment), format!("**Gatewright** · plan for commit 9f2c1e7 · {state}"));
    }
}

#[test]
fn what_stands_in_the_way_is_told_with_its_place() {
    let plan = Plan {
        notes: vec![
            error("`native` cannot be kept here", Some(origin("apis/orders/api.yaml", 30))),
            Note { severity: Weight::Warning, ..error("counting is not exact", None) },
        ],
        ..widens("prod", allowed())
    };
    insta::assert_snapshot!("errors", comment_of(std::slice::from_ref(&plan)));
    let (plans, links) = ([plan], links());
    let prospects = prospects(&plans);
    insta::assert_snapshot!("errors_report", words(&report(told(News::Plans(&prospects), &links))));
}

#[test]
fn declarations_that_cannot_be_read() {
    let mut sources = Sources::default();
    let file = sources.add("apis/orders/api.yaml", "kind: Api\nspec:\n  ownr: x\n");
    let (start, end) = (
        gw_model::source::Position { line: 3, column: 3 },
        gw_model::source::Position { line: 3, column: 7 },
    );
    let span = gw_model::source::Span { file, start, end };
    let typo = Diagnostic::new(Code::UnknownField, "`ownr` is not a field of `spec`")
        .at(span, "here")
        .help("did you mean `owner`?");
    let lost = Diagnostic::new(Code::MisplacedDeclaration, "nothing says what this is");
    let notes = findings(&[lost, typo], &sources);
    let links = links();
    let told = told(News::Broken(&notes), &links);
    insta::assert_snapshot!("broken", whole(&comment(told)));
    insta::assert_snapshot!("broken_report", words(&report(told)));
    let many = vec![notes[0].clone(); 500];
    let comment = whole(&comment(Told { news: News::Broken(&many), ..told }));
    assert!(comment.contains("and 490 more") && comment.lines().count() <= 60, "{comment}");
}

#[test]
fn an_apply_that_was_refused() {
    let plan = widens("prod", waits_for_security());
    let links = links();
    let told = told(News::Refused(&plan), &links);
    insta::assert_snapshot!("refused", whole(&comment(told)));
    insta::assert_snapshot!("refused_report", words(&report(told)));
}

#[test]
fn statuses_say_in_a_line_how_far_it_is() {
    let links = links();
    let broken = [error("`native` cannot be kept here", None)];
    let plan = widens("prod", waits_for_security());
    let waits = [plan.clone()];
    let allows = [widens("prod", allowed())];
    let cannot = [Plan { notes: broken.to_vec(), ..plan.clone() }];
    let line = |status: crate::host::report::Status| {
        let crate::host::report::Status { key, name: _, description, state, url, branch } = status;
        format!("{key} {state:?} {description} {url} {}", branch.unwrap_or_default())
    };
    let mut lines = vec![];
    for plans in [&waits[..], &allows, &cannot, &[]] {
        let prospects = prospects(plans);
        lines.push(line(of_plan(told(News::Plans(&prospects), &links), Some("orders"))));
    }
    for news in [News::Broken(&broken), News::Refused(&plan)] {
        lines.push(line(of_plan(told(news, &links), None)));
    }
    let decision = &plan.decision.id;
    for progress in [
        Progress::UnderWay,
        Progress::Waits("security"),
        Progress::Verified { change: 42, decision: Some(decision) },
        Progress::Verified { change: 42, decision: None },
        Progress::Nothing,
        Progress::Refused { decision, why: "no rule holds\n" },
        Progress::Failed("stopped half way"),
        Progress::Abandoned,
    ] {
        lines.push(line(of_apply(&plan.environment, &plan.id, progress, &links)));
    }
    insta::assert_snapshot!("statuses", lines.join("\n"));
}

#[test]
fn links_lead_to_this_server_and_nowhere_else() {
    let rows = [
        ("https://gw.acme.com", "https://gw.acme.com/p/p-7Q"),
        ("https://gw.acme.com/a/b/?c=d#e", "https://gw.acme.com/a/b/p/p-7Q"),
        ("https://user:secret@gw.acme.com:8443/", "https://gw.acme.com:8443/p/p-7Q"),
        ("https://gw.acme.com/a)(b", "https://gw.acme.com/a%29%28b/p/p-7Q"),
    ];
    for (server, link) in rows {
        assert_eq!(Links::to(&Url::parse(server).unwrap()).plan("p-7Q"), link);
    }
    assert_eq!(links().plan("p-7Q)/../(x"), "https://gatewright.acme.com/p/p-7Qx");
}

#[test]
fn a_comment_about_everything_stays_short() {
    let names =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    let plans: Vec<Plan> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let mut plan = widens(name, waits_for_security());
            let more = (0..300).map(|line| notice(Effect::Setting, &format!("{number} {line}"), 1));
            plan.notices.extend(more);
            plan
        })
        .collect();
    let comment = comment_of(&plans);
    assert!(comment.lines().count() <= 60, "{}", comment.lines().count());
    assert!(comment.contains("| and 2 more |"), "{comment}");
}
