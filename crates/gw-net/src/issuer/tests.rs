use gw_testkit::{
    authority::Authority,
    issuer::{DISCOVERY, Document, Issuer as Publisher, KEYS},
    signer::Signer,
};
use serde_json::{Value, json};

use super::*;
use crate::client::ClientSettings;

/// The names of the keys, which is all that these tests need to know of them.
fn names(bytes: &[u8]) -> Result<Published<Vec<String>>, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|_| "not JSON".to_owned())?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("no keys")?;
    let name = |key: &Value| key.get("kid").and_then(Value::as_str).map(str::to_owned);
    if keys.is_empty() {
        return Ok(Published::Nothing("an empty set".to_owned()));
    }
    let names = keys.iter().map(|key| name(key).ok_or_else(|| "no name".to_owned()));
    names.collect::<Result<_, _>>().map(Published::Keys)
}

const QUICK: Timing = Timing {
    refresh: Duration::from_secs(300),
    stale: Duration::from_secs(600),
    nothing: Duration::from_secs(500),
    spacing: Duration::from_millis(200),
    retry: Duration::from_millis(10),
    wait: Duration::from_secs(5),
};

fn client() -> Client {
    let timeout = Duration::from_millis(400);
    Client::new(&ClientSettings { timeout, ..ClientSettings::here() })
}

fn start(publisher: &Publisher, timing: Timing) -> Issuer<Vec<String>> {
    Issuer::start(publisher.url(), client(), names, timing)
}

async fn first(issuer: &Issuer<Vec<String>>) -> Arc<Held<Vec<String>>> {
    issuer.newer(None).await.unwrap()
}

/// Time goes by in a moment.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Until an attempt after this many has ended.
async fn attempts(issuer: &Issuer<Vec<String>>, count: u64) {
    let mut progress = issuer.shared.progress.subscribe();
    let reached = progress.wait_for(|now| now.finished >= count);
    timeout(Duration::from_secs(20), reached).await.unwrap().unwrap();
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_read_once() {
    let publisher = Publisher::start(&[&Signer::es256("a"), &Signer::es256("b")]);
    let issuer = start(&publisher, QUICK);
    let held = first(&issuer).await;
    assert_eq!(*held.keys, ["a", "b"]);
    assert_eq!(issuer.generation(), Some(held.generation));
    assert_eq!(issuer.health().state, State::Fresh);
    assert_eq!((publisher.fetches(DISCOVERY), publisher.fetches(KEYS)), (1, 1));
}

#[tokio::test]
async fn a_new_key_is_read_when_a_token_names_it() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let issuer = start(&publisher, QUICK);
    let old = first(&issuer).await;
    publisher.publish(&[&Signer::es256("b")]);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let (issuer, seen) = (issuer.clone(), Some(old.generation));
            tokio::spawn(async move { issuer.newer(seen).await })
        })
        .collect();
    for answer in asking {
        let held = answer.await.unwrap().unwrap();
        assert_eq!(*held.keys, ["b"]);
        assert_ne!(held.generation, old.generation);
    }
    assert_eq!(publisher.fetches(KEYS), 2, "fifty requests, one reading");
    assert_eq!(publisher.fetches(DISCOVERY), 1);
}

#[tokio::test]
async fn made_up_names_cost_the_issuer_nothing() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let timing = Timing { spacing: Duration::from_secs(30), ..QUICK };
    let issuer = start(&publisher, timing);
    let held = first(&issuer).await;
    for _ in 0..100_000 {
        assert!(issuer.newer(Some(held.generation)).await.is_none());
    }
    assert_eq!(publisher.fetches(KEYS), 2, "one at the start, one for the first name");
}

#[tokio::test]
async fn keys_that_turn_while_they_are_read_are_read_again() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let timing = Timing { refresh: Duration::from_millis(20), ..QUICK };
    let issuer = start(&publisher, timing);
    let held = first(&issuer).await;
    publisher.set(KEYS, Document::Silent);
    let mut progress = issuer.shared.progress.subscribe();
    let before = progress.borrow_and_update().started;
    progress.wait_for(|now| now.started > before && now.finished == before).await.unwrap();
    publisher.publish(&[&Signer::es256("b")]);
    assert_eq!(*issuer.newer(Some(held.generation)).await.unwrap().keys, ["b"]);
}

#[tokio::test]
async fn a_silent_issuer_holds_no_request_for_long() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let timing = Timing { wait: Duration::from_millis(20), ..QUICK };
    let issuer = start(&publisher, timing);
    let held = first(&issuer).await;
    publisher.set(KEYS, Document::Silent);
    assert!(issuer.newer(Some(held.generation)).await.is_none());
    assert_eq!(issuer.held().unwrap().generation, held.generation);
    assert!(issuer.shared.progress.borrow().finished < 2, "the reading is still under way");
}

#[tokio::test]
async fn equal_keys_keep_their_number() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let issuer = start(&publisher, Timing { refresh: Duration::from_millis(20), ..QUICK });
    let held = first(&issuer).await;
    attempts(&issuer, 3).await;
    let later = issuer.held().unwrap();
    assert_eq!(later.generation, held.generation);
    assert!(later.read_at > held.read_at);
    assert!(publisher.fetches(DISCOVERY) >= 2, "the document is read again in time");
}

#[tokio::test]
async fn whatever_goes_wrong_the_last_good_keys_stay() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let timing =
        Timing { refresh: Duration::from_millis(20), spacing: Duration::from_millis(5), ..QUICK };
    let issuer = start(&publisher, timing);
    let held = first(&issuer).await;
    let other =
        json!({"issuer": "http://127.0.0.1:1", "jwks_uri": format!("{}{KEYS}", publisher.url())});
    let unsafe_keys = json!({"issuer": publisher.url(), "jwks_uri": "http://example.com/keys"});
    let foreign_file = json!({"issuer": publisher.url(), "jwks_uri": "file:///etc/passwd"});
    let good = Document::json(&publisher.discovery());
    for (path, document, told) in [
        (KEYS, Document::Answer(500, vec![]), "its keys could not be read: it answered 500"),
        (KEYS, Document::Answer(200, b"garbage".to_vec()), "not JSON"),
        (KEYS, Document::Answer(200, b"{}".to_vec()), "no keys"),
        (
            KEYS,
            Document::Truncated(b"{\"keys\":[".to_vec()),
            "its keys could not be read: the connection failed",
        ),
        (
            KEYS,
            Document::Answer(200, vec![b' '; 300_000]),
            "its keys could not be read: its answer is longer than 262144 bytes",
        ),
        (KEYS, Document::Silent, "its keys could not be read: it did not answer in time"),
        (DISCOVERY, Document::Answer(404, vec![]), "it has no document under `/.well-known/`"),
        (
            DISCOVERY,
            Document::Answer(503, vec![]),
            "its document could not be read: it answered 503",
        ),
        (
            DISCOVERY,
            Document::Answer(200, b"<html>".to_vec()),
            "its document is not JSON with `issuer` and `jwks_uri`",
        ),
        (DISCOVERY, Document::json(&other), "its document names another `issuer`"),
        (
            DISCOVERY,
            Document::json(&unsafe_keys),
            "the `jwks_uri` of its document is not safe to read",
        ),
        (
            DISCOVERY,
            Document::json(&foreign_file),
            "the `jwks_uri` of its document is not safe to read",
        ),
    ] {
        publisher.set(path, document);
        let finished = issuer.shared.progress.borrow().started;
        attempts(&issuer, finished + 2).await;
        let health = issuer.health();
        assert_eq!(health.state, State::Stale, "{told}");
        let (failure, _) = health.failure.unwrap();
        assert!(failure.starts_with(told), "`{failure}` should be `{told}`");
        assert_eq!(issuer.held().unwrap().generation, held.generation, "{told}");
        publisher.set(DISCOVERY, good.clone());
        publisher.publish(&[&Signer::es256("a")]);
    }
}

#[tokio::test]
async fn keys_that_are_too_old_are_not_used() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let timing = Timing { stale: Duration::from_secs(200), ..QUICK };
    let issuer = start(&publisher, timing);
    first(&issuer).await;
    publisher.set(KEYS, Document::Answer(500, vec![]));
    pass(timing.stale - Duration::from_secs(1)).await;
    assert!(issuer.held().is_some());
    pass(Duration::from_secs(1)).await;
    assert!(issuer.held().is_none());
    assert_eq!((issuer.generation(), issuer.health().state), (None, State::Missing));
}

#[tokio::test]
async fn an_issuer_that_is_away_at_the_start_is_asked_until_it_answers() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    publisher.set(DISCOVERY, Document::Answer(500, vec![]));
    let issuer = start(&publisher, QUICK);
    assert!(issuer.newer(None).await.is_none());
    assert_eq!(issuer.health().state, State::Missing);
    publisher.set(DISCOVERY, Document::json(&publisher.discovery()));
    let mut progress = issuer.shared.progress.subscribe();
    let answered = progress.wait_for(|_| issuer.held().is_some());
    timeout(Duration::from_secs(20), answered).await.unwrap().unwrap();
    assert_eq!(issuer.health().failure, None);
}

#[tokio::test]
async fn the_document_may_lie_before_the_path() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let url = format!("{}/tenant/one", publisher.url());
    let document = json!({"issuer": url, "jwks_uri": format!("{}{KEYS}", publisher.url())});
    publisher.set("/.well-known/oauth-authorization-server/tenant/one", Document::json(&document));
    let issuer = Issuer::start(url, client(), names, QUICK);
    assert_eq!(*first(&issuer).await.keys, ["a"]);
}

#[tokio::test]
async fn a_final_slash_belongs_to_the_name_and_not_to_the_place() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let url = format!("{}/", publisher.url());
    let document = json!({"issuer": url, "jwks_uri": format!("{}{KEYS}", publisher.url())});
    publisher.set(DISCOVERY, Document::json(&document));
    let slash = Issuer::start(url, client(), names, QUICK);
    assert_eq!(*first(&slash).await.keys, ["a"]);
    let bare = start(&publisher, QUICK);
    assert!(bare.newer(None).await.is_none(), "another name is another issuer");
    assert_eq!(bare.health().failure.unwrap().0, "its document names another `issuer`");
}

#[tokio::test]
async fn an_issuer_that_is_not_safe_is_never_asked() {
    for url in ["http://example.com", "ftp://127.0.0.1", "https://user@example.com", "nonsense"] {
        let issuer = Issuer::start(url.to_owned(), client(), names, QUICK);
        assert!(issuer.newer(None).await.is_none());
        let (failure, _) = issuer.health().failure.unwrap();
        assert_eq!(failure, "the issuer is neither https, nor http on this machine", "{url}");
    }
}

#[tokio::test]
async fn an_issuer_that_stays_keeps_its_keys() {
    let (one, two) =
        (Publisher::start(&[&Signer::es256("a")]), Publisher::start(&[&Signer::es256("b")]));
    let (one_url, two_url) = (one.url(), two.url());
    let issuers = Issuers::new(names, QUICK);
    issuers.set(&client(), [one_url.as_str()]);
    let before = first(&issuers.get(&one_url).unwrap()).await;
    issuers.set(&client(), [one_url.as_str(), two_url.as_str()]);
    assert_eq!(issuers.get(&one_url).unwrap().generation(), Some(before.generation));
    assert_eq!(*first(&issuers.get(&two_url).unwrap()).await.keys, ["b"]);
    issuers.set(&client(), [two_url.as_str()]);
    assert!(issuers.get(&one_url).is_none());
    let health = issuers.health();
    assert_eq!(health.iter().map(|one| one.url.as_str()).collect::<Vec<_>>(), [two_url.as_str()]);
    assert_eq!(one.fetches(KEYS), 1);
}

#[tokio::test]
async fn an_issuer_that_goes_on_saying_it_has_no_keys_is_believed() {
    let publisher = Publisher::start(&[&Signer::es256("a")]);
    let quick = Duration::from_millis(5);
    // Keys that are only old are not what this is about.
    let stale = 10 * QUICK.nothing;
    let timing = Timing { refresh: quick, spacing: quick, stale, ..QUICK };
    let issuer = start(&publisher, timing);
    let held = first(&issuer).await;
    let finished = || issuer.shared.progress.borrow().started;
    // For a moment it may be a mistake, and a mistake takes no API down.
    publisher.publish(&[]);
    attempts(&issuer, finished() + 3).await;
    assert_eq!(issuer.generation(), Some(held.generation));
    let (failure, _) = issuer.health().failure.unwrap();
    assert_eq!((issuer.health().state, failure.as_str()), (State::Stale, "an empty set"));
    // Keys between the two begin it anew, and an issuer that is away says nothing.
    publisher.publish(&[&Signer::es256("a")]);
    attempts(&issuer, finished() + 2).await;
    pass(timing.nothing).await;
    publisher.publish(&[]);
    attempts(&issuer, finished() + 2).await;
    assert_eq!(issuer.generation(), Some(held.generation));
    publisher.set(KEYS, Document::Answer(500, vec![]));
    attempts(&issuer, finished() + 2).await;
    pass(timing.nothing).await;
    attempts(&issuer, finished() + 2).await;
    assert_eq!(issuer.generation(), Some(held.generation));
    // It still says so: what it has taken back is not used any more.
    publisher.publish(&[]);
    attempts(&issuer, finished() + 2).await;
    assert_eq!((issuer.generation(), issuer.health().state), (None, State::Missing));
    publisher.publish(&[&Signer::es256("b")]);
    let mut progress = issuer.shared.progress.subscribe();
    let answered = progress.wait_for(|_| issuer.held().is_some());
    timeout(Duration::from_secs(20), answered).await.unwrap().unwrap();
    assert_eq!(*issuer.held().unwrap().keys, ["b"]);
}

#[tokio::test]
async fn an_issuer_that_stays_is_reached_as_the_newest_rules_say() {
    let authority = Authority::new();
    let publisher = Publisher::start_tls(&[&Signer::es256("a")], &authority);
    let (issuers, url) = (Issuers::new(names, QUICK), publisher.url());
    let listed = || ClientSettings {
        listed: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
        ..ClientSettings::default()
    };
    let trusting = ClientSettings { authorities: vec![authority.der()], ..listed() };
    issuers.set(&Client::new(&trusting), [url.as_str()]);
    let issuer = issuers.get(&url).unwrap();
    let held = first(&issuer).await;
    // One that does not know who certified it.
    issuers.set(&Client::new(&listed()), [url.as_str()]);
    publisher.publish(&[&Signer::es256("b")]);
    assert!(issuer.newer(Some(held.generation)).await.is_none());
    assert_eq!(issuer.health().state, State::Stale);
    assert_eq!(issuers.get(&url).unwrap().generation(), Some(held.generation), "it keeps its keys");
}
