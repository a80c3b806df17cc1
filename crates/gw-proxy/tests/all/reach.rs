//! Where the gateway must never connect to, however that is written: asked for by an upstream and by
//! an issuer, in a network where each such address is taken by somebody who counts.

use std::net::{IpAddr, TcpStream};

use gw_model::{
    environment::HostPattern,
    workspace::{Identity, Source},
};
use gw_net::client::{Ask, Client, ClientSettings};
use gw_policy::generation::Part;
use gw_testkit::{
    attack::{Attack, Request, attack},
    backend::{Answer, Backend},
    network::{self, Network},
};
use serde_json::json;
use url::Url;

use crate::{
    bench::{Bench, named, wait_until},
    issuers::QUICK,
};

/// Clouds answer here, other programs of this machine, and a private network.
const TAKEN: [&str; 6] =
    ["169.254.169.254", "100.100.100.200", "10.0.0.7", "127.0.0.2", "::1", "fd00::1"];
/// Where a proxy would be.
const PROXY: &str = "127.0.0.3";
const PORTS: [u16; 2] = [80, 443];

/// Hosts that are these addresses. What has a name is in the file of hosts.
const HOSTS: &[&str] = &[
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "100.100.100.200",
    "10.0.0.7",
    "167772167",
    "10.7",
    "127.0.0.2",
    "2130706434",
    "0177.0.0.2",
    "0x7f000002",
    "127.2",
    "[::ffff:127.0.0.2]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[fd00::1]",
    "metadata.test",
    "private.test",
    "here.test",
    "１６９.254.169.254",
    "169。254。169。254",
    "169.254.169.254.",
];
const NAMES: &[(&str, &str)] = &[
    ("metadata.test", "169.254.169.254"),
    ("private.test", "10.0.0.7"),
    ("here.test", "127.0.0.2"),
];

fn traps() -> Option<Network> {
    let network = network::own(&["169.254.169.254", "100.100.100.200", "10.0.0.7", "fd00::1"])?;
    for address in TAKEN.iter().chain([&PROXY]) {
        let address: IpAddr = address.parse().expect("an address");
        for port in PORTS {
            network.trap(address, port);
        }
    }
    network.resolve(NAMES);
    Some(network)
}

/// Nobody came, where whoever comes is seen.
fn nobody_came(network: &Network, what: &str) {
    assert_eq!(network.accepted(), 0, "{what}");
    let mut came = 0;
    for host in TAKEN.iter().chain([&PROXY]).chain(NAMES.iter().map(|(name, _)| name)) {
        for port in PORTS {
            TcpStream::connect((*host, port)).expect("somebody is there");
            came += 1;
        }
    }
    wait_until(|| network.accepted() == came);
}

/// APIs that come from a repository: the backend is listed, and so is whatever only looks like it.
fn guarded(bench: &Bench, apis: impl IntoIterator<Item = Part>) -> Vec<Part> {
    let mut parts = bench.parts(apis);
    if let Some(Part::Gateway(gateway)) = parts.first_mut() {
        gateway.source = Source::Bitbucket {
            repository: "acme/apis".to_owned(),
            repository_uuid: "{7c9e6679-7425-40de-944b-e07fc1f90ae7}".to_owned(),
            workspace_uuid: "{1b4e28ba-2fa1-41d2-883f-0016d3cca427}".to_owned(),
        };
        let listed = ["127.0.0.1", "169.254.*", "100.100.*", "moves.test", "metadata.test"];
        gateway.egress = listed.map(|it| HostPattern(it.to_owned())).to_vec();
    }
    parts
}

/// Shows X1: part (git over ssh and managed identities are not tried)
#[test]
fn no_upstream_and_no_issuer_leads_to_what_is_not_for_callers() {
    let Some(network) = traps() else { return };
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.bounds.keys = QUICK;
    bench.publish(1, &guarded(&bench, [named("orders", bench.orders())]));
    let gateway = bench.start_with(settings);
    let good = Request::with_token("/orders", &bench.token("bob", &json!({})));
    let urls =
        HOSTS.iter().flat_map(|host| ["http", "https"].map(|way| format!("{way}://{host}/")));
    let mut number = 1;
    for url in urls {
        let mut open = bench.open();
        open.spec.upstream.url = url.clone();
        number += 1;
        let apis = [named("orders", bench.orders()), named("open", open)];
        bench.publish(number, &guarded(&bench, apis));
        gateway.await_generation(number);
        let request = Request::with_headers("/open", &[]);
        let (status, reason) = (502, "upstream_unreachable");
        attack(
            &gateway.under_attack(good.clone()),
            &Attack { name: &url, request, status, reason },
        );
    }
    let good = Request::with_headers("/open", &[]);
    let asked = HOSTS.iter().map(|host| format!("https://{host}"));
    for issuer in asked {
        number += 1;
        let apis = [named("orders", bench.orders()), named("open", bench.open())];
        let mut parts = guarded(&bench, apis);
        for part in &mut parts {
            if let Part::Identity { identity: Identity::Oidc(oidc), .. } = part {
                oidc.issuer.clone_from(&issuer);
            }
        }
        bench.publish(number, &parts);
        gateway.await_generation(number);
        let token = bench.token("bob", &json!({ "iss": issuer }));
        let request = Request::with_token("/orders", &token);
        let (status, reason) = (503, "keys_unavailable");
        let name = issuer.as_str();
        attack(&gateway.under_attack(good.clone()), &Attack { name, request, status, reason });
    }
    nobody_came(&network, "upstreams and issuers");
}

/// What a server asks goes by this client: Git hosts, vaults, identity providers, webhooks.
#[test]
fn nothing_that_a_server_asks_is_reached_by_another_spelling() {
    let Some(network) = traps() else { return };
    let (listed, led) = (vec!["127.0.0.1".to_owned()], Backend::start());
    let client = Client::new(&ClientSettings { listed, ..ClientSettings::default() });
    let wait = tokio::runtime::Runtime::new().expect("a runtime");
    let asks = |url: &str| {
        let url = Url::parse(url).ok()?;
        let asked = async { client.ask(&url, Ask::default()).await.map(|it| it.status()) };
        Some(wait.block_on(asked))
    };
    let ways = ["http", "https", "ftp", "gopher", "ws"];
    for url in HOSTS.iter().flat_map(|host| ways.map(|way| format!("{way}://{host}/"))) {
        let status = asks(&url);
        assert!(!matches!(status, Some(Ok(_))), "{url}: {status:?}");
    }
    for url in ["file:///etc/passwd", "unix:///run/docker.sock", "data:,x", "http:///", "http://"] {
        let status = asks(url);
        assert!(!matches!(status, Some(Ok(_))), "{url}: {status:?}");
    }
    let location = ("location".to_owned(), "http://169.254.169.254/".to_owned());
    led.set_answer(Answer { status: 302, headers: vec![location], ..Answer::default() });
    let status = asks(&led.url());
    assert!(!matches!(status, Some(Ok(200))), "{status:?}");
    assert_eq!(led.requests().len(), 1, "no proxy stood between");
    nobody_came(&network, "by the client");
}

/// Shows X1: part (git over ssh and managed identities are not tried)
#[test]
fn a_name_that_moves_and_an_answer_that_leads_elsewhere_are_not_followed() {
    let Some(network) = traps() else { return };
    let (bench, moving) = (Bench::new(), Backend::start());
    let port = moving.url().rsplit(':').next().expect("a port").to_owned();
    network.trap("169.254.169.254".parse().expect("an address"), port.parse().expect("a port"));
    let mut open = bench.open();
    open.spec.upstream.url = format!("http://moves.test:{port}");
    let moved = |address| [NAMES, &[("moves.test", address)]].concat();
    network.resolve(&moved("127.0.0.1"));
    bench.publish(1, &guarded(&bench, [named("orders", bench.orders()), named("open", open)]));
    let gateway = bench.start();
    let location = ("location".to_owned(), "http://169.254.169.254/".to_owned());
    let close = ("connection".to_owned(), "close".to_owned());
    moving.set_answer(Answer { status: 302, headers: vec![location, close], ..Answer::default() });
    let reply = gateway.call("GET", "/open", &[("connection", "close")]);
    assert_eq!((reply.status, moving.requests().len()), (302, 1), "{}", reply.text());

    // The next call needs a connection of its own.
    network.resolve(&moved("169.254.169.254"));
    let good = Request::with_token("/orders", &bench.token("bob", &json!({})));
    let request = Request::with_headers("/open", &[]);
    let (name, status, reason) = ("a name that moves", 502, "upstream_unreachable");
    attack(&gateway.under_attack(good), &Attack { name, request, status, reason });
    nobody_came(&network, "a name that moves");
}
