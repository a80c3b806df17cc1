//! Webhooks: what is not genuine, what comes again, what is lost, and a storm.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::routing::get;
use gw_control::{
    host::bitbucket::webhook::{Delivery, Keys, Refused, read},
    schedule::schedule,
};
use gw_emulators::bitbucket::Outcome;
use gw_model::secret::Redacted;
use gw_testkit::{
    absent::not_run,
    attack::{
        self,
        delivery::{Attack, Bench, Burden},
    },
    forge::{HOOK_SECRET, signature},
    watch::{Program, Watcher},
    wire::Connection,
};
use serde_json::json;
use tokio::task::block_in_place;

use super::house::{House, post, signed};

const PATH: &str = "/v1/webhooks/bitbucket";
/// So often the work of one signature is measured.
const TIMES: usize = 12;

/// No genuine delivery comes twice.
static NUMBER: AtomicU64 = AtomicU64::new(1_000_000);

/// Whoever takes webhooks.
fn on_bench(house: &House, work: impl FnOnce(&Bench<'_>)) {
    let good = || house.delivery(NUMBER.fetch_add(1, Ordering::Relaxed));
    let (queued, entries) = (|| house.queued().values().sum(), || house.entries());
    let folder = house.forge.folder.path();
    let written = vec![folder.join("state"), folder.join("ledger")];
    // The ledger's own first entry is no doing of an attack.
    if house.entries().is_empty() {
        house.call("GET", "/v1/whoami", &[], b"");
    }
    let address = house.address;
    work(&Bench { address, written, good: &good, queued: &queued, entries: &entries });
}

/// Runs attacks one after the other, each in a minute of its own.
fn run(house: &House, attacks: &[(&str, Vec<u8>, u16, &str)]) {
    on_bench(house, |bench| {
        for (name, bytes, status, reason) in attacks {
            house.advance();
            let attacked = Attack { name, bytes, status: *status, reason, secrets: &[HOOK_SECRET] };
            block_in_place(|| attack::delivery::attack(bench, &attacked));
        }
    });
}

/// What is signed, and means harm all the same.
fn bear(house: &House, name: &str, deliveries: &[Vec<Vec<u8>>], hints: u64) {
    on_bench(house, |bench| {
        let burden = Burden { name, deliveries, hints, secrets: &[HOOK_SECRET] };
        block_in_place(|| attack::delivery::bear(bench, &burden));
    });
}

/// Shows W1: holds
/// Shows W5: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_once_and_by_sha256_is_refused() {
    let house = House::new().await;
    let body = house.body(0, "push", &json!({}));
    let good = signature(&body);
    let digits = good.strip_prefix("sha256=").unwrap();
    let (sha1, shout) = (format!("sha1={}", digits.get(..40).unwrap()), format!("SHA256={digits}"));
    let (upper, bare) = (good.to_uppercase().replace("SHA256", "sha256"), digits.to_owned());
    let short = good.get(..70).unwrap().to_owned();
    let wrong_at = |place: usize| {
        let turned = |digit| if digit == '0' { '1' } else { '0' };
        let digits = good.chars().enumerate();
        let digits = digits.map(|(at, it)| if at == place { turned(it) } else { it });
        digits.collect::<String>()
    };
    let (event, name) = (("x-event-key", "repo:push"), "x-hub-signature");
    let with = |values: &[&str]| {
        let signatures = values.iter().map(|value| (name, *value));
        let headers: Vec<_> = [event].into_iter().chain(signatures).collect();
        post(PATH, &headers, &body)
    };
    let newer = post(PATH, &[event, ("x-hub-signature-256", &good)], &body);
    let missing = "webhook-signature-missing";
    let form = "webhook-signature-form";
    run(
        &house,
        &[
            ("no signature", with(&[]), 401, missing),
            ("an empty one", with(&[""]), 401, missing),
            ("another header", newer, 401, missing),
            ("two", with(&[&good, &good]), 401, "webhook-signature-twice"),
            ("two, one wrong", with(&["sha256=0", &good]), 401, "webhook-signature-twice"),
            ("sha1", with(&[&sha1]), 401, form),
            ("another prefix", with(&[&shout]), 401, form),
            ("no prefix", with(&[&bare]), 401, form),
            ("upper case", with(&[&upper]), 401, form),
            ("too short", with(&[&short]), 401, form),
            ("wrong at the start", with(&[&wrong_at(7)]), 401, "webhook-signature"),
            ("wrong at the end", with(&[&wrong_at(70)]), 401, "webhook-signature"),
            ("a guess", with(&[&format!("sha256={}", "0".repeat(64))]), 401, "webhook-signature"),
        ],
    );
    house.end().await;
    let watcher = match Watcher::find(Program::Valgrind) {
        Ok(watcher) => watcher,
        Err(said) => return not_run(&said),
    };
    let test = "all::webhooks::a_signature_is_wrong_here_and_there";
    let function = "gw_control::host::bitbucket::webhook::read";
    let work = watcher.instructions(test, function);
    // The first round also wakes up the library, and where memory lies costs a little: each has its turn
    // in every round, so that none has all the luck.
    let rounds: Vec<&[u64]> = work.chunks(work.len() / TIMES).skip(1).collect();
    let least = (0..rounds[0].len()).map(|at| rounds.iter().map(|round| round[at]).min().unwrap());
    let least: Vec<u64> = least.collect();
    assert!(least.len() > 8 && least[0] > 1_000, "{work:?}");
    assert!(least.iter().all(|it| *it == least[0]), "where it is wrong shows: {work:?}");
}

/// Signatures that are wrong at one place or at every place cost the same.
#[test]
fn a_signature_is_wrong_here_and_there() {
    let keys = Keys::parse(&[Redacted::new(HOOK_SECRET.as_bytes().to_vec())], &[]).unwrap();
    let body = b"{}";
    let right = signature(body);
    // A digit of the same kind, so that reading it costs the same.
    let turned = |digit: char| match digit {
        '9' | 'f' => char::from(digit as u8 - 1),
        _ => char::from(digit as u8 + 1),
    };
    let wrong_in = |places: std::ops::Range<usize>| -> String {
        let digits = right.char_indices();
        digits.map(|(at, it)| if places.contains(&at) { turned(it) } else { it }).collect()
    };
    let all = [7..71, 7..8, 8..9, 9..10, 20..21, 38..39, 39..40, 55..56, 69..70, 70..71, 7..71];
    for places in std::iter::repeat_n(all, TIMES).flatten() {
        let value = wrong_in(places);
        let headers = [("x-hub-signature", value.as_bytes()), ("x-event-key", &b"repo:push"[..])];
        let refused = read(&Delivery { headers: &headers, body }, &keys, "{1}");
        assert_eq!(refused, Err(Refused::Signature));
    }
}

/// Shows W2: holds
/// Shows S2.18: holds
/// Shows S2.31: holds
#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_are_signed_and_not_what_they_mean() {
    let house = House::new().await;
    let body = house.body(0, "push", &json!({ "changes": [1, 2] }));
    let signature = signature(&body);
    let headers = [("x-hub-signature", signature.as_str()), ("x-event-key", "repo:push")];
    let spaced = String::from_utf8(body.clone()).unwrap().replace(':', ": ");
    let ended = [body.as_slice(), b"\n"].concat();
    let begun = [b" ", body.as_slice()].concat();
    let marked = [b"\xef\xbb\xbf", body.as_slice()].concat();
    let short = body[..body.len() - 1].to_vec();
    let row = |name, body: &[u8]| (name, post(PATH, &headers, body), 401, "webhook-signature");
    let rewritten = |name, body| {
        let (name, bytes, status, _) = row(name, body);
        (name, bytes, status, "webhook-body-altered")
    };
    run(
        &house,
        &[
            rewritten("spaces", spaced.as_bytes()),
            rewritten("an end of line", &ended),
            rewritten("a blank in front", &begun),
            row("a mark of the order of bytes", &marked),
            row("cut", &short),
            row("nothing", b""),
        ],
    );
    // In pieces the bytes are the same.
    let mut pieces = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nx-hub-signature: {signature}\r\nx-event-key: \
         repo:push\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for byte in body.chunks(7) {
        pieces.extend(format!("{:x}\r\n", byte.len()).bytes());
        pieces.extend(byte);
        pieces.extend(b"\r\n");
    }
    pieces.extend(b"0\r\n\r\n");
    let reply = block_in_place(|| {
        let mut connection = Connection::open(house.address).unwrap();
        connection.send(&pieces).unwrap();
        connection.reply().unwrap().unwrap()
    });
    assert_eq!(reply.status, 202, "{}", reply.text());
    house.end().await;
}

/// Shows W3: holds
/// Shows S2.31: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_replays_are_one_run() {
    let house = House::new().await;
    let first = vec![vec![house.delivery(1)]];
    bear(&house, "a genuine one", &first, 1);
    bear(&house, "the same a thousand times", &[vec![house.delivery(1); 1_000]], 0);
    // Days later it is still the same.
    (0..5).for_each(|_| house.clock.advance(time::Duration::days(1)));
    let again = vec![vec![house.delivery(1)]; 4];
    bear(&house, "the same from four at once, days later", &again, 0);
    assert_eq!(house.queued().keys().collect::<Vec<_>>(), ["look"]);
    // The same body with a signature that is not its own is no replay.
    let body = house.body(1, "push", &json!({ "changes": [] }));
    let headers =
        [("x-hub-signature", signature(b"other")), ("x-event-key", "repo:push".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let forged = post(PATH, &headers, &body);
    run(&house, &[("a replay with another signature", forged, 401, "webhook-signature")]);
    house.end().await;
}

/// Shows W4: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_not_read_and_one_that_is_too_slow_not_waited_for() {
    let house = House::new().await;
    let head = |length: &str| {
        format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nx-event-key: repo:push\r\n{length}\r\n\r\n")
            .into_bytes()
    };
    let announced = head("content-length: 1073741824");
    let mut endless = head("transfer-encoding: chunked");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    (0..17).for_each(|_| endless.extend(&chunk));
    let commits = vec![0; 1_000_000];
    let many = house.body(0, "push", &json!({ "changes": commits }));
    let slow = [head("content-length: 100"), b"{".to_vec()].concat();
    run(
        &house,
        &[
            ("1 GB announced", announced, 413, "webhook-body"),
            ("more than may be, in pieces", endless, 413, "webhook-body"),
            ("a million commits", signed("repo:push", &many), 413, "webhook-body"),
            ("a body that does not come", slow, 408, "webhook-body"),
        ],
    );
    house.end().await;
}

/// Shows W6: holds
/// Shows S2.31: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_another_repository_is_refused_also_when_it_is_signed() {
    let house = House::new().await;
    let other = |uuid: &str| {
        let body = json!({ "repository": { "uuid": uuid }, "push": {} }).to_string();
        signed("repo:push", body.as_bytes())
    };
    let garbled = |body: &str| signed("repo:push", body.as_bytes());
    let fork = house.body(0, "fork", &json!({}));
    let push = house.body(0, "push", &json!({}));
    run(
        &house,
        &[
            (
                "another repository",
                other("{00000000-0000-4000-8000-000000000000}"),
                403,
                "webhook-repository",
            ),
            ("none", other(""), 403, "webhook-repository"),
            ("no JSON", garbled("repository"), 400, "webhook-garbled"),
            ("no repository", garbled("{\"push\":{}}"), 400, "webhook-garbled"),
            ("a class that means nothing", signed("repo:fork", &fork), 400, "webhook-class"),
            ("another event", signed("pullrequest:created", &push), 400, "webhook-header"),
        ],
    );
    house.end().await;
}

/// Shows W7: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_a_payload_names_is_not_believed() {
    let mut house = House::new().await;
    let forged = "f".repeat(40);
    let head = |branch: &str| {
        let changes =
            json!({ "changes": [{ "new": { "name": branch, "target": { "hash": forged } } }] });
        signed("repo:push", &house.body(77, "push", &changes))
    };
    let deliveries = ["main", "no-such-branch", "--upload-pack=x"].map(|it| vec![head(it)]);
    bear(&house, "a head that nobody pushed", &deliveries, 3);
    house.works();
    let real = house.push("The next");
    house.server.ask(gw_control::task::Task::Look).await.unwrap();
    let heads = until(&house, &real).await;
    assert_eq!(heads, [("refs/heads/main".to_owned(), real)]);
    assert!(!house.tasks().iter().any(|it| format!("{it:?}").contains(&forged)));
    house.end().await;
}

async fn until(house: &House, commit: &str) -> Vec<(String, String)> {
    let wanted = async {
        loop {
            let settled = house.server.shared.settled.notified();
            let heads = house.server.store.heads().await.unwrap();
            if heads.iter().any(|(_, head)| head == commit) {
                return heads;
            }
            settled.await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wanted).await.unwrap()
}

/// Shows W8: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_or_out_of_order_changes_nothing_of_what_is_seen() {
    let mut house = House::new().await;
    let commits: Vec<String> = (0..10).map(|it| house.push(&format!("commit {it}"))).collect();
    // Three of ten are lost; the others come in another order, each naming its own commit.
    let late = [8, 1, 5, 0, 6, 3, 2].map(|number| {
        let head = json!({ "name": "main", "target": { "hash": commits[number] } });
        let body = house.body(500, "push", &json!({ "changes": [{ "new": head }] }));
        signed("repo:push", &body)
    });
    bear(&house, "lost and out of order", &[late.to_vec()], 7);
    house.works();
    let newest = commits.last().unwrap();
    let heads = until(&house, newest).await;
    assert_eq!(heads, [("refs/heads/main".to_owned(), newest.clone())]);

    // All of them are lost: whoever looks now and then sees it.
    let stop = tokio::sync::watch::Sender::new(false);
    let every = Duration::from_secs(1);
    let looking = tokio::spawn(schedule(house.server.clone(), every, stop.subscribe()));
    let unheard = house.push("nobody tells");
    until(&house, &unheard).await;
    stop.send(true).unwrap();
    looking.await.unwrap();
    house.end().await;
}

/// Shows W10: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_answered_and_nothing_of_it_is_lost() {
    const CALLERS: u64 = 50;
    const EACH: u64 = 200;
    let house = House::new().await;
    let deliveries: Vec<Vec<Vec<u8>>> = (0..CALLERS)
        .map(|caller| (0..EACH).map(|it| house.delivery(1_000 + caller * EACH + it)).collect())
        .collect();
    // Every one was heard, and together they are one thing to do.
    bear(&house, "a storm", &deliveries, CALLERS * EACH);
    assert_eq!(house.queued().keys().collect::<Vec<_>>(), ["look"]);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_leads_to_what_it_hints_at() {
    let house = House::new().await;
    let url = format!("http://{}{PATH}", house.address);
    let events = ["repo:push", "pullrequest:created", "pullrequest:comment_created"];
    house
        .forge
        .bitbucket
        .add_hook(&house.forge.repository, &url, &events, Some(HOOK_SECRET))
        .unwrap();
    house.push("The next");
    house.forge.bitbucket.settled().await;
    let answers: Vec<_> = house.forge.bitbucket.deliveries().iter().map(|it| it.outcome).collect();
    assert_eq!(answers, [Outcome::Answered(202)]);
    assert_eq!(house.queued(), [("look".to_owned(), 1)].into());

    let send = |event: &str, body: &[u8]| {
        block_in_place(|| {
            let mut connection = Connection::open(house.address).unwrap();
            connection.send(&signed(event, body)).unwrap();
            assert_eq!(connection.reply().unwrap().unwrap().status, 202);
        });
    };
    let of_pull_request = |state: &str, beside: Option<&str>| {
        let mut body = json!({
            "repository": { "uuid": house.forge.repository.to_string() },
            "pullrequest": { "id": 7, "state": state },
        });
        if let Some(beside) = beside {
            body[beside] = json!({ "id": 3 });
        }
        body.to_string().into_bytes()
    };
    send("pullrequest:created", &of_pull_request("OPEN", None));
    send("pullrequest:approved", &of_pull_request("OPEN", Some("approval")));
    send("pullrequest:comment_created", &of_pull_request("OPEN", Some("comment")));
    send("pullrequest:fulfilled", &of_pull_request("MERGED", None));
    send("repo:commit_status_created", &house.body(1, "commit_status", &json!({})));
    let queued = [("look", 2), ("pull-request/7", 3), ("remark/7/3", 1)];
    assert_eq!(house.queued(), queued.map(|(key, hints)| (key.to_owned(), hints)).into());
    house.end().await;
}

/// Shows F24: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_takes_nothing_with_it() {
    async fn fail() {
        panic!("on purpose, with {HOOK_SECRET}");
    }
    let house = House::with(|routes| routes.route("/panic", get(fail))).await;
    let bytes = b"GET /panic HTTP/1.1\r\nhost: gatewright.test\r\n\r\n";
    on_bench(&house, |bench| {
        for name in ["a panic", "another", "one more"] {
            house.advance();
            let secrets = &[HOOK_SECRET, "on purpose"];
            let attacked = Attack { name, bytes, status: 500, reason: "fault", secrets };
            block_in_place(|| attack::delivery::outlive(bench, &attacked));
            assert_eq!(house.call("GET", "/healthz", &[], b"").status, 200);
        }
    });
    house.end().await;
}
