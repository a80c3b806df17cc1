use serde_json::{Value, json};
use time::macros::datetime;

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn read(part: Value) -> DeploymentPart {
    serde_json::from_value(part).unwrap()
}

fn state(state: &Value) -> DeploymentState {
    read(json!({ "state": state })).state.state()
}

#[test]
fn each_state_of_the_contract_is_one_of_ours() {
    let ended = |status: &str| state(&json!({ "name": "COMPLETED", "status": { "name": status } }));
    assert_eq!(ended("SUCCESSFUL"), DeploymentState::Done);
    assert_eq!(ended("FAILED"), DeploymentState::Failed);
    assert_eq!(ended("STOPPED"), DeploymentState::Stopped);
    for open in [
        json!({ "name": "UNDEPLOYED" }),
        json!({ "name": "IN_PROGRESS" }),
        json!({ "name": "COMPLETED" }),
        json!({ "name": "COMPLETED", "status": { "name": "SOMETHING_NEW" } }),
        json!({}),
    ] {
        assert_eq!(state(&open), DeploymentState::UnderWay);
    }
    assert_eq!(read(json!({})).state.state(), DeploymentState::UnderWay);
}

#[test]
fn a_deployment_is_of_the_commit_that_it_released() {
    let of = |hash: &str| read(json!({ "release": { "commit": { "hash": hash } } })).is_of(COMMIT);
    assert!(of(COMMIT) && of("0123456789ab"));
    assert!(!of("0123456789ac") && !of("01") && !of(""));
    assert!(!read(json!({ "release": {} })).is_of(COMMIT) && !read(json!({})).is_of(COMMIT));
}

#[test]
fn whatever_the_host_leaves_out_is_not_known() {
    let bare = read(json!({})).deployment(String::new());
    assert_eq!(bare.run, Run { pipeline: None, step: None });
    assert_eq!((bare.release, bare.url, bare.at), (None, None, None));
    let whole = read(json!({
        "step": { "uuid": "{STEP}" },
        "release": { "name": "#7\u{1b}[2J", "url": "https://a/7", "pipeline": { "uuid": "{RUN}" } },
        "state": { "url": "https://a/7/steps", "start_date": "2026-01-01T00:00:00Z" },
    }));
    let whole = whole.deployment("Production".to_owned());
    let run = Run { pipeline: Some("{run}".to_owned()), step: Some("{step}".to_owned()) };
    assert_eq!(whole.run, run);
    assert_eq!(whole.release.as_deref(), Some("#7 [2J"));
    assert_eq!(whole.url.as_deref(), Some("https://a/7/steps"));
    assert_eq!(whole.at, Some(datetime!(2026-01-01 00:00 UTC)));
}
