use gw_model::api::Assertion;

use super::*;
use crate::sample::{ORDERS, api};

fn parse(edit: impl FnOnce(&mut Upstream)) -> Result<Service, ServiceFault> {
    let mut spec = api(vec![], ORDERS).spec;
    edit(&mut spec.upstream);
    Service::parse(&spec.upstream, &spec.headers, spec.cors.as_ref(), spec.validate)
}

/// Whatever wrote a generation, no secret and no assertion goes into a header of the connection.
#[test]
fn a_reserved_header_carries_neither_secret_nor_assertion() {
    for (name, taken) in [("X-Api-Key", true), ("Content-Length", false), ("x_real_ip", false)] {
        let secret = SecretName::parse("key").unwrap();
        let auth = UpstreamAuth::Header { name: name.to_owned(), prefix: String::new(), secret };
        assert_eq!(parse(|upstream| upstream.auth = Some(auth)).is_ok(), taken, "{name}");
    }
    for (name, taken) in [("Gatewright-Assertion", true), ("X-Who", true), ("Host", false)] {
        let assertion = Assertion { audience: "orders".to_owned(), header: name.to_owned() };
        let parsed = parse(|upstream| upstream.assertion = Some(assertion));
        assert_eq!(parsed.is_ok(), taken, "{name}");
    }
}
