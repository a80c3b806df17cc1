use super::*;

fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

fn found(environment: &str, state: DeploymentState) -> ReadBack {
    ReadBack::Found(Deployment {
        environment: environment.to_owned(),
        state,
        run: Run::default(),
        release: Some("#12".to_owned()),
        url: None,
        at: None,
    })
}

#[test]
fn what_is_told_otherwise_is_said() {
    let why = |read: &ReadBack, outcome| read.why(&prod(), Some(outcome)).unwrap_or_default();
    use DeploymentState::{Done, Failed, Stopped, UnderWay};
    let rows = [
        (found("prod", Done), Outcome::Verified, ""),
        (found("Prod", Done), Outcome::Verified, ""),
        (found("prod", Failed), Outcome::Failed, ""),
        (
            found("prod", Failed),
            Outcome::Verified,
            "the step did not succeed, and the change is verified",
        ),
        (
            found("prod", Stopped),
            Outcome::Verified,
            "the step did not succeed, and the change is verified",
        ),
        (found("prod", Done), Outcome::Failed, "the step succeeded, and the change is failed"),
        (
            found("Production", Done),
            Outcome::Verified,
            "the host calls the environment `Production`, here it is `prod`",
        ),
        (
            found("Production", Failed),
            Outcome::Verified,
            "the step did not succeed, and the change is verified; the host calls the environment \
             `Production`, here it is `prod`",
        ),
        (
            found("prod", UnderWay),
            Outcome::Verified,
            "the step had not ended when it was looked for last",
        ),
        (ReadBack::Nothing, Outcome::Verified, "the host knows no deployment of that step"),
    ];
    for (read, outcome, told) in rows {
        assert_eq!(why(&read, outcome), told, "{read:?}");
    }
}

#[test]
fn what_has_not_ended_may_be_read_again() {
    assert!(found("prod", DeploymentState::UnderWay).is_open() && ReadBack::Nothing.is_open());
    let what = || "the deployments".to_owned();
    let withheld = ReadBack::Withheld(HostError::Missing { what: what() });
    assert!(!withheld.is_open() && !found("prod", DeploymentState::Stopped).is_open());
}
