//! One suite, written against the driver port. What is asked of a driver here holds for every kind.

use std::os::unix::fs::PermissionsExt;

use gw_model::{code::Code, desired::Desired, environment::Target};
use gw_plan::{
    difference::compare,
    digest::Digest,
    driver::{
        Condition, Driver, Object, Observed, Order, Served, Stamp, Step, TargetError, read_back,
    },
};
use gw_policy::generation::{Generation, desired};
use tempfile::TempDir;

use super::{
    gateway::Gateway,
    shop::{NOW, driver, files, registry, shop, target, workspace},
};

fn stamp(change: u64) -> Stamp {
    Stamp { change, effect: Digest::of_bytes(&change.to_be_bytes()), at: NOW }
}

fn condition(observed: &Observed) -> Condition {
    Condition { version: observed.version.clone() }
}

async fn take(
    driver: &dyn Driver,
    step: &Step,
    wanted: &[Object],
    change: u64,
    condition: &Condition,
) -> Result<(), TargetError> {
    driver.step(Order { step, wanted, stamp: &stamp(change), condition }).await
}

/// Every step that leads to a state, on the ground of now.
async fn apply(driver: &dyn Driver, wanted: &Desired, change: u64) -> Result<(), TargetError> {
    let condition = condition(&driver.observe().await?);
    let objects = driver.lower(wanted).objects;
    for step in driver.steps(&[]) {
        take(driver, &step, &objects, change, &condition).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_untouched_target_holds_nothing() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    assert_eq!(driver.observe().await, Ok(Observed::nothing(NOW)));
    assert_eq!(driver.import().await, Ok(vec![]));
}

#[tokio::test]
async fn what_is_written_is_what_is_read_back() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    let _gateway = Gateway::start(state.path(), 7, None).await;
    apply(&*driver, &shop("100/1m"), 1).await.unwrap();
    let observed = driver.observe().await.unwrap();
    assert_eq!((observed.served, &observed.owner), (Served::Live, &Some(workspace(7))));
    assert_eq!(read_back(&*driver, &driver.lower(&shop("100/1m")).objects, &observed), Ok(()));
    let other = read_back(&*driver, &driver.lower(&shop("60/1m")).objects, &observed);
    assert!(matches!(other, Err(TargetError::Differs { .. })));
}

#[tokio::test]
async fn nothing_differs_after_an_apply() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    for (change, rate) in [(1, "100/1m"), (2, "60/1m"), (3, "100/1m")] {
        apply(&*driver, &shop(rate), change).await.unwrap();
        let live = driver.observe().await.unwrap().objects;
        let wanted = driver.lower(&shop(rate)).objects;
        assert_eq!(compare(&*driver, &wanted, &wanted, &live), vec![], "{rate}");
    }
}

#[tokio::test]
async fn a_step_may_be_done_twice() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    let none = Condition::default();
    let objects = driver.lower(&shop("100/1m")).objects;
    for step in driver.steps(&[]) {
        take(&*driver, &step, &objects, 1, &none).await.unwrap();
        take(&*driver, &step, &objects, 1, &none).await.unwrap();
    }
    assert_eq!(driver.observe().await.unwrap().objects, objects);
    assert_eq!(files(state.path(), "generations").len(), 1);
}

#[tokio::test]
async fn staging_alone_changes_nothing_and_can_be_given_up() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    apply(&*driver, &shop("100/1m"), 1).await.unwrap();
    let before = driver.observe().await.unwrap();
    let (wanted, held) = (driver.lower(&shop("60/1m")).objects, condition(&before));
    take(&*driver, &Step::Stage, &wanted, 2, &held).await.unwrap();
    assert_eq!(driver.observe().await, Ok(before.clone()));
    take(&*driver, &Step::Abandon, &wanted, 2, &held).await.unwrap();
    assert_eq!(driver.observe().await, Ok(before));
    assert_eq!(files(state.path(), "generations").len(), 1);
}

#[tokio::test]
async fn a_target_that_moved_is_not_written() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    let planned = condition(&driver.observe().await.unwrap());
    apply(&*driver, &shop("100/1m"), 1).await.unwrap();
    let wanted = driver.lower(&shop("60/1m")).objects;
    let moved = take(&*driver, &Step::Stage, &wanted, 2, &planned).await;
    assert!(matches!(moved, Err(TargetError::Moved { .. })), "{moved:?}");
    assert_eq!(files(state.path(), "generations").len(), 1);
}

#[tokio::test]
async fn a_target_of_another_workspace_is_not_written() {
    let state = TempDir::new().unwrap();
    apply(&*driver(state.path(), 7), &shop("100/1m"), 1).await.unwrap();
    let stranger = driver(state.path(), 8);
    let refused = apply(&*stranger, &shop("60/1m"), 2).await.unwrap_err();
    assert_eq!(refused.code(), Code::TargetOfAnother);
    assert_eq!(files(state.path(), "generations").len(), 1);
}

#[tokio::test]
async fn without_a_gateway_nothing_is_verified() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    apply(&*driver, &shop("100/1m"), 1).await.unwrap();
    let observed = driver.observe().await.unwrap();
    let refused = read_back(&*driver, &observed.objects, &observed).unwrap_err();
    assert_eq!(refused.code(), Code::TargetUnreachable);
    for probe in driver.probes(&shop("100/1m")) {
        let refused = driver.probe(&probe).await.unwrap_err();
        assert_eq!(refused.code(), Code::TargetUnreachable);
    }
}

#[tokio::test]
async fn probes_call_the_target_as_a_stranger_would() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    let _gateway = Gateway::start(state.path(), 7, None).await;
    let probes = driver.probes(&shop("100/1m"));
    for probe in &probes {
        let probed = driver.probe(probe).await.unwrap();
        assert_eq!(probe.judge(&probed, "here"), Ok(None), "{probe}");
    }
    let told: Vec<String> =
        probes.iter().map(|probe| format!("{probe} → {}", probe.expect)).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    no token: GET /orders/probe → 401
    token of another issuer: GET /orders/probe → 401
    public: GET /health → let through
    unlisted path: GET /gatewright-probe/no-such-path → 404
    ");
}

#[tokio::test]
async fn a_switch_that_the_gateway_refuses_is_turned_back() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    let _gateway = Gateway::start(state.path(), 7, Some(2)).await;
    apply(&*driver, &shop("100/1m"), 1).await.unwrap();
    let before = driver.observe().await.unwrap();
    let refused = apply(&*driver, &shop("60/1m"), 2).await.unwrap_err();
    assert_eq!(refused.code(), Code::TargetRefused);
    assert_eq!(driver.observe().await, Ok(before));
}

#[tokio::test]
async fn files_are_for_their_owner_and_old_generations_go() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    for change in 1..=14 {
        let rate = format!("{change}/1m");
        apply(&*driver, &shop(&rate), change).await.unwrap();
    }
    let folder = state.path().join("targets/dev/default");
    let mode = |name: &str| folder.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("generations"), mode("current")), (0o700, 0o700, 0o600));
    let kept = files(state.path(), "generations");
    assert_eq!(kept.len(), 11);
    assert_eq!(mode("generations/000000000014.json"), 0o600);
    assert!(!kept.contains("000000000003.json") && kept.contains("000000000004.json"));
}

#[tokio::test]
async fn numbers_grow_even_where_the_journal_was_lost() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    apply(&*driver, &shop("100/1m"), 40).await.unwrap();
    apply(&*driver, &shop("60/1m"), 1).await.unwrap();
    assert_eq!(driver.observe().await.unwrap().version.as_deref(), Some("41"));
}

#[tokio::test]
async fn an_altered_generation_is_not_believed() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    apply(&*driver, &shop("100/1m"), 1).await.unwrap();
    let path = state.path().join("targets/dev/default/generations/000000000001.json");
    let altered = std::fs::read_to_string(&path).unwrap().replace("100/1m", "900/1m");
    std::fs::write(&path, altered).unwrap();
    assert_eq!(driver.observe().await.unwrap_err().code(), Code::TargetBroken);
}

#[test]
fn a_generation_leads_back_to_what_must_hold() {
    let state = TempDir::new().unwrap();
    let wanted = shop("100/1m");
    let generation = Generation {
        workspace_id: workspace(7),
        environment: wanted.environment.clone(),
        target: target(),
        number: 1,
        change: Some(1),
        effect: "sha256:00".to_owned(),
        made_at: NOW,
        objects: driver(state.path(), 7).lower(&wanted).objects,
    };
    let served = desired(&generation).unwrap();
    assert_eq!((&served.apis, &served.identities), (&wanted.apis, &wanted.identities));
    assert_eq!(served.spec.targets, wanted.spec.targets);
}

/// The order of lists that are sets, and the places of lines, mean nothing.
#[test]
fn what_means_the_same_is_the_same() {
    let state = TempDir::new().unwrap();
    let driver = driver(state.path(), 7);
    let mut one = shop("100/1m");
    let rule = |desired: &mut Desired, operations: &[&str]| {
        let api = desired.apis.get_mut("orders").unwrap();
        let operations = operations.iter().map(|it| (*it).to_owned()).collect();
        api.spec.access[0].operations = operations;
        api.spec.access[0].at.line += 1;
    };
    let mut other = one.clone();
    rule(&mut one, &["health", "createOrder"]);
    rule(&mut other, &["createOrder", "health"]);
    rule(&mut other, &["createOrder", "health"]);
    let (one, other) = (driver.lower(&one).objects, driver.lower(&other).objects);
    assert_ne!(one, other);
    assert_eq!(compare(&*driver, &one, &other, &other), vec![]);
}

#[test]
fn what_would_not_be_served_is_an_error_and_what_nobody_acts_on_is_told() {
    use gw_model::{
        api::{Health, NativeApim, UpstreamAuth, Validate},
        environment::{
            Builtin, Channel, DriftThen, Notice, Notify, Release, ReleaseAction, ReleaseEvent,
            SecretStore, Secrets,
        },
    };
    let state = TempDir::new().unwrap();
    let mut wanted = shop("100/1m");
    let replicas = Target::Builtin(Builtin { listen: None, replicas: Some(3) });
    wanted.spec.targets.insert(target(), replicas);
    wanted.spec.drift.then = DriftThen::Revert;
    let (event, then) = (ReleaseEvent::Merge, ReleaseAction::Apply);
    wanted.spec.on = Some(vec![Release { event, branch: None, tag: None, then }]);
    let channel = Channel::Webhook("chat".to_owned());
    wanted.spec.notify = vec![Notify { channel, on: vec![Notice::Drift] }];
    wanted.spec.secrets = Some(Secrets {
        store: SecretStore::AzureKeyVault { url: "https://kv.test".to_owned() },
        names: Default::default(),
        max_age: Some("30d".parse().unwrap()),
        allow: vec![],
    });
    let spec = &mut wanted.apis.get_mut("orders").unwrap().spec;
    spec.native.apim = Some(NativeApim::default());
    spec.validate = Validate::Enforce;
    spec.upstream.auth = Some(UpstreamAuth::ManagedIdentity { audience: "api://x".to_owned() });
    spec.upstream.health = Some(Health { operation: "health".to_owned() });
    let lowered = driver(state.path(), 7).lower(&wanted);
    let told: Vec<String> = lowered
        .diagnostics
        .into_iter()
        .map(|found| format!("{:?} {} {}", found.severity(), found.code, found.message))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn kinds_without_a_driver_are_refused_by_code() {
    use gw_model::environment::{Apim, Portal};
    let state = TempDir::new().unwrap();
    let apim = Target::Apim(Apim {
        service: "/subscriptions/x".to_owned(),
        gateways: vec![],
        host: None,
        portal: Portal::Keep,
    });
    let refused =
        registry(state.path(), 7).open(&shop("1/1s").environment, &target(), &apim).unwrap_err();
    assert_eq!(refused.code, Code::TargetKindUnavailable);
}
