use gw_plan::plan::Baseline;
use parking_lot::Mutex;
use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::{
    approve,
    tell::sample::{allowed, links, waits_for_security, widens},
};

/// Remembers what it was told; some channels do not work.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Notifier for Heard {
    fn send<'a>(&'a self, channel: &'a Channel, notification: &'a Notification) -> Pending<'a> {
        let name = match channel {
            Channel::Webhook(name) | Channel::Email(name) => name.clone(),
        };
        let told = if name == "broken" {
            Err(NotifyError::NoChannel { name })
        } else {
            self.0.lock().push(format!("{name}: {}", notification.on.as_str()));
            Ok(())
        };
        Box::pin(std::future::ready(told))
    }
}

#[tokio::test]
async fn the_rules_in_force_say_who_is_told_of_what() {
    let mut rules = approve::tests::rules();
    let wish = |name: &str, on: &[Notice]| {
        let channel = Channel::Webhook(name.to_owned());
        Notify { channel, on: on.to_vec() }
    };
    rules.spec.notify = vec![
        wish("broken", &[Notice::Denied, Notice::Drift]),
        wish("chat", &[Notice::Denied, Notice::Waiting]),
        wish("pager", &[Notice::Failed, Notice::Drift]),
        Notify { channel: Channel::Email("team".to_owned()), on: vec![Notice::Denied] },
    ];
    let plan = widens("prod", waits_for_security());
    let rows = [
        (Notification::denied(&plan, &links()), vec!["chat: denied", "team: denied"], 1),
        (Notification::waiting(&plan, &links()).unwrap(), vec!["chat: waiting"], 0),
        (Notification::drift(&plan, &links()), vec!["pager: drift"], 1),
        (Notification::failed(&plan, None, "x", &links()), vec!["pager: failed"], 0),
    ];
    for (notification, told, failed) in rows {
        let heard = Heard::default();
        assert_eq!(notify(&heard, &rules.spec.notify, &notification).await.len(), failed);
        assert_eq!(*heard.0.lock(), told);
    }
}

#[test]
fn what_is_told_says_whom_it_waits_for_and_where_more_is() {
    let mut plan = widens("prod", waits_for_security());
    plan.compared_with = Some(Baseline { change: 41, at: datetime!(2026-09-06 08:00 UTC) });
    let all = [
        Notification::waiting(&plan, &links()).unwrap(),
        Notification::denied(&plan, &links()),
        Notification::failed(&plan, Some(42), "the gateway\ndoes not answer", &links()),
        Notification::failed(&plan, None, "the source cannot be read", &links()),
        Notification::drift(&plan, &links()),
    ];
    let told: Vec<String> = all
        .iter()
        .map(|it| format!("{}\n{}", it.id(), serde_json::to_string_pretty(&it.to_json()).unwrap()))
        .collect();
    insta::assert_snapshot!("told", told.join("\n\n"));
    assert_eq!(Notification::waiting(&widens("prod", allowed()), &links()), None);
}

#[test]
fn the_same_thing_has_the_same_id() {
    let plan = widens("prod", waits_for_security());
    let first = Notification::denied(&plan, &links());
    let mut again = plan.clone();
    again.made_at += time::Duration::hours(5);
    again.decision.id = gw_policy::decision::DecisionId::new(1_800_000_000_000, [9; 5]);
    assert_eq!(Notification::denied(&again, &links()).id(), first.id());
    let mut other = plan.clone();
    other.decision.why = Some("another reason".to_owned());
    let others = [
        Notification::denied(&other, &links()),
        Notification::denied(&widens("staging", waits_for_security()), &links()),
        Notification::waiting(&plan, &links()).unwrap(),
    ];
    for other in others {
        assert_ne!(other.id(), first.id());
    }
}

proptest! {
    #[test]
    fn nothing_is_hidden_in_what_is_told(text: String) {
        let mut plan = widens("prod", waits_for_security());
        plan.decision.why = Some(text.clone());
        for notice in &mut plan.notices {
            notice.text.clone_from(&text);
        }
        let all = [
            Notification::denied(&plan, &links()),
            Notification::failed(&plan, None, &text, &links()),
            Notification::drift(&plan, &links()),
        ];
        for told in all {
            prop_assert!(!told.text.chars().any(gw_model::terminal::is_hidden), "{:?}", told.text);
        }
    }
}
