//! Two gateways of one machine cannot listen at one address.
//!
//! The targets of an environment are served from one state, so from one machine. Two environments
//! are where the code lives on this machine (`source.local`); others may well be far apart.

use std::net::SocketAddr;

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::Node,
    environment::Builtin,
    load::discover::{Document, Found},
    source::Span,
};

/// A built-in gateway, and where its address is written.
#[derive(Clone, Copy, Debug)]
struct Listener<'a> {
    environment: &'a str,
    target: &'a str,
    address: SocketAddr,
    span: Span,
}

pub(crate) fn check(found: &Found, diagnostics: &mut Vec<Diagnostic>) {
    let source = found.workspace().and_then(|workspace| workspace.spec().get("source"));
    let on_this_machine = source.is_some_and(|source| source.get("local").is_some());
    let all: Vec<Listener<'_>> = found.environments().flat_map(listeners).collect();
    for (index, listener) in all.iter().enumerate() {
        let mut before = all.iter().take(index);
        let taken = before.find(|other| {
            (on_this_machine || other.environment == listener.environment)
                && meet(other.address, listener.address)
        });
        diagnostics.extend(taken.map(|other| listener.refuse(other)));
    }
}

fn listeners(document: &Document) -> impl Iterator<Item = Listener<'_>> {
    let targets = document.spec().get("targets").and_then(Node::as_map).unwrap_or_default();
    targets.iter().filter_map(|target| {
        let written = target.node.get("builtin")?.get("listen");
        let address = match written {
            Some(written) => written.as_text()?.parse().ok()?,
            None => Builtin::LISTEN,
        };
        Some(Listener {
            environment: &document.name,
            target: &target.key,
            address,
            span: written.map_or(target.key_span, |written| written.span),
        })
    })
}

/// Whether only one of two can listen. Port 0 is any port that is free.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (everywhere || one.ip() == other.ip())
}

impl Listener<'_> {
    fn refuse(&self, before: &Self) -> Diagnostic {
        let Self { environment, target, address, span } = *self;
        let told = if before.environment == environment {
            let other = before.target;
            let message =
                format!("targets `{other}` and `{target}` of `{environment}` share one address");
            Diagnostic::new(Code::SameListen, message)
        } else {
            let other = before.environment;
            let message = format!("environments `{other}` and `{environment}` share one address");
            Diagnostic::new(Code::SharedListen, message)
        };
        told.at(span, format!("listens at {address}"))
            .at(before.span, format!("listens at {}", before.address))
            .help("give one of them a `listen` of its own, such as `127.0.0.1:8081`")
    }
}
