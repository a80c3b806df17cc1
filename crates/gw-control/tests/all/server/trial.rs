//! The table of access, tried on a gateway; and one that lies.

use gw_control::{
    reconcile,
    request::{Request, Wanted},
    trial::{Mint, Minted},
};
use gw_emulators::issuer::{Algorithm, Issuer, Wanted as Token};
use gw_model::{environment::ChangeAction, secret::Redacted, workspace::Oidc};

use super::*;

/// The test issuer of a server.
#[derive(Debug)]
struct TestIssuer(Issuer);

impl Mint for TestIssuer {
    fn mint<'a>(&'a self, oidc: &'a Oidc, claims: &'a BTreeMap<String, String>) -> Minted<'a> {
        let token = Token {
            subject: "gatewright-test".to_owned(),
            audience: oidc.audiences[0].clone(),
            claims: claims.iter().map(|(name, it)| (name.clone(), vec![it.clone()])).collect(),
            algorithm: Algorithm::default(),
            expired: false,
        };
        let token = self.0.mint(&token).map(Redacted::new);
        Box::pin(std::future::ready(token))
    }
}

/// A house whose staff is proved by the test issuer.
async fn house() -> House {
    let mut house = House::bare().await;
    let clock: Arc<dyn gw_model::clock::Clock> = Arc::new(house.stage.clock.clone());
    let issuer = Issuer::quiet(0, clock).await.unwrap();
    let path = house.desk.join("gatewright.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("staff:")).unwrap();
    let (url, ours) = (issuer.url().to_owned(), line.replace(ISSUER, issuer.url()));
    assert!(ours.contains(&url), "{line}");
    std::fs::write(&path, text.replace(line, &ours)).unwrap();
    let stage = &house.stage;
    stage.git(&house.desk, &["commit", "--quiet", "--all", "--message", "A test issuer"]).await;
    stage.push(&stage.ann, &house.desk, &["HEAD:refs/heads/main"]).await;
    // The server gets its issuer before anything else looks at it.
    house.stop.send(true).unwrap();
    house.working.take().unwrap().await.unwrap();
    let Some(server) = Arc::get_mut(&mut house.server) else { unreachable!("nobody else has it") };
    server.shared = Shared::default().minting(Some(Arc::new(TestIssuer(issuer))));
    let (stop, stopped) = watch::channel(false);
    (house.stop, house.working) =
        (stop, Some(tokio::spawn(work(Arc::clone(&house.server), stopped))));
    house.look().await;
    let aim = Aim::Head { reference: "refs/heads/main".to_owned() };
    let first = Order { environment: prod(), asker: somebody("owner"), aim };
    assert_eq!(reconcile(&house.server, &first).await.unwrap().end, End::Done);
    house.settle().await;
    house
}

async fn try_it(house: &House) -> Answer {
    let request = Request { environment: prod(), asker: somebody("bob"), wanted: Wanted::Test };
    let id = format!("r-{}", house.server.store.tasks(1000).await.unwrap().len());
    let request = Task::Request { id: id.clone(), request: Box::new(request) };
    house.server.ask(request).await.unwrap();
    house.settle().await;
    house.answer(&format!("request/{id}")).await
}

/// Where the files in force were verified, as the rules of another environment are told.
async fn verified_in(house: &House) -> usize {
    let sha = house.stage.head("main").await;
    let order = order(somebody("bob"), &sha);
    let ground = reconcile::ground(&house.server, &order).await.unwrap();
    let plan = reconcile::plan(&house.server, &order, &ground, ChangeAction::Plan).await;
    assert!(plan.is_ok());
    ground.facts.verified_in.len()
}

/// Shows S3.24: part (a gateway in memory)
/// Shows S0.11: part (by the digest of the files, where a rule names `verifiedIn`)
#[tokio::test(flavor = "multi_thread")]
async fn what_was_tried_counts_as_verified_and_a_gateway_that_lies_is_told() {
    let house = house().await;
    assert_eq!(verified_in(&house).await, 0, "it was applied and not tried");
    let answer = try_it(&house).await;
    assert_eq!(answer.end, End::Done, "{answer:?}");
    assert_eq!(answer.text, "prod, change 1: 6 calls, all as the rules say");
    assert_eq!(verified_in(&house).await, 1);

    house.live.tamper("orders-team", "sales");
    let answer = try_it(&house).await;
    assert_eq!(answer.end, End::Differs, "{answer:?}");
    insta::assert_snapshot!(answer.text, @"prod, change 1: 1 of 6 calls are decided otherwise than the rules say: default: POST /orders by staff groups=orders-team is to be let through, and is refused with 403");
    assert_eq!(verified_in(&house).await, 0);
    house.end().await;
}
