//! Where an API sends its calls in one environment: a real address, one that it may have, and with
//! no secret that may not go there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::{
    api::{ApiSpec, UpstreamAuth},
    code::Code,
    diagnostic::Diagnostic,
    document::Node,
    environment::EnvironmentSpec,
    id::{ApiName, EnvironmentName, SecretName},
    load::{Declarations, Written},
    shape::shown,
    source::Span,
    workspace::Source,
};

/// An API in an environment, and where both were written.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub api: &'a ApiName,
    pub spec: &'a ApiSpec,
    pub written: &'a Written<ApiSpec>,
    pub environment: &'a Written<EnvironmentSpec>,
    pub name: &'a EnvironmentName,
    pub declarations: &'a Declarations,
}

pub(crate) fn check(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    match address(&seen.spec.upstream.url) {
        Ok(host) => {
            diagnostics.extend(seen.refuse_host(&host));
            diagnostics.extend(seen.refuse_secret(&host));
        }
        Err(expected) => {
            let message = format!("the upstream of API `{}` is not a URL", seen.api);
            let written = shown(&seen.spec.upstream.url);
            let told = Diagnostic::new(Code::UpstreamUrl, message)
                .at(seen.url_span(), format!("in environment `{}` this is {written}", seen.name));
            diagnostics.push(told.help(expected));
        }
    }
}

/// The host of an upstream: there is nothing else in its URL that could change its meaning.
fn address(text: &str) -> Result<Host, &'static str> {
    let expected = "write `https://`, a host, and a path if there is one";
    let url = Url::parse(text).map_err(|_| expected)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(expected);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password away: `upstream.auth` names the secret");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("leave query and fragment away: calls bring their own");
    }
    url.host().map(|host| host.to_owned()).ok_or(expected)
}

impl Seen<'_> {
    fn url_span(&self) -> Span {
        let spec = self.written.spec_node();
        let overridden = ["overrides", self.name.as_str(), "upstream", "url"];
        let places = [overridden.as_slice(), ["upstream", "url"].as_slice()];
        let found = places.iter().find_map(|place| spec?.at(place));
        found.unwrap_or(&self.written.document).span
    }

    fn secret_span(&self) -> Span {
        let spec = self.written.spec_node();
        let overridden = ["overrides", self.name.as_str(), "upstream", "auth"];
        let places = [overridden.as_slice(), ["upstream", "auth"].as_slice()];
        let auth = places.iter().find_map(|place| spec?.at(place));
        let secret = auth.and_then(Node::as_map).and_then(|auth| auth.first()?.node.get("secret"));
        secret.map_or_else(|| self.url_span(), |secret| secret.span)
    }

    fn refuse_host(&self, host: &Host) -> Option<Diagnostic> {
        let local = matches!(self.declarations.workspace.spec.source, Source::Local {});
        if is_public(host) || (local && is_loopback(host)) {
            return None;
        }
        let host = host.to_string();
        if self.environment.spec.egress.iter().any(|pattern| covers(&pattern.0, &host)) {
            return None;
        }
        let message = format!("`{host}` is not a public host, and `egress` does not list it");
        let told = Diagnostic::new(Code::UpstreamHost, message).at(
            self.url_span(),
            format!("upstream of `{}` in environment `{}`", self.api, self.name),
        );
        let wider = host.split_once('.').filter(|_| !host.starts_with('['));
        let wider = wider.filter(|(_, rest)| rest.parse::<f32>().is_err() && !rest.is_empty());
        let help = match wider {
            Some((_, rest)) if host.parse::<IpAddr>().is_err() => format!("`{host}` or `*.{rest}`"),
            _ => format!("`{host}`"),
        };
        Some(told.help(format!("add {help} to `egress` of environment `{}`", self.name)))
    }

    /// A secret goes to the API's own upstream if it bears the API's name, elsewhere by allowance.
    fn refuse_secret(&self, upstream: &Host) -> Option<Diagnostic> {
        let (secret, host) = match self.spec.upstream.auth.as_ref()? {
            UpstreamAuth::Header { secret, .. }
            | UpstreamAuth::Basic { secret, .. }
            | UpstreamAuth::ClientCertificate { secret } => (secret, upstream.to_string()),
            UpstreamAuth::ClientCredentials { secret, token_url, .. } => {
                (secret, address(token_url).ok()?.to_string())
            }
            UpstreamAuth::ManagedIdentity { .. } => return None,
        };
        let Some(store) = &self.environment.spec.secrets else {
            let message = format!("environment `{}` has no secret store", self.name);
            let told = Diagnostic::new(Code::NoSecretStore, message)
                .at(self.secret_span(), format!("API `{}` needs this secret", self.api));
            return Some(told.help(
                "add a store to the environment: `secrets: { files: { directory: .secrets } }`",
            ));
        };
        let own = secret.as_str().strip_prefix(self.api.as_str());
        let own = own.is_some_and(|rest| rest.starts_with('-')) && host == upstream.to_string();
        let allowed = store.allow.iter().any(|allowance| {
            allowance.apis.contains(self.api)
                && allowance.names.iter().any(|name| covers(name, secret.as_str()))
                && allowance.hosts.iter().any(|pattern| covers(&pattern.0, &host))
        });
        if own || allowed { None } else { Some(self.secret_not_allowed(secret, &host)) }
    }

    fn secret_not_allowed(&self, secret: &SecretName, host: &str) -> Diagnostic {
        let message = format!("API `{}` may not send secret `{secret}` to `{host}`", self.api);
        let allow = format!("{{ names: [{secret}], apis: [{}], hosts: [\"{host}\"] }}", self.api);
        Diagnostic::new(Code::SecretNotAllowed, message)
            .at(self.secret_span(), format!("in environment `{}`", self.name))
            .help(format!("call it `{}-…` if it is this API's own", self.api))
            .help(format!("or allow it under `secrets.allow` of the environment: {allow}"))
    }
}

/// Whether a pattern with `*` stands for this text. A pattern that ends like an address stands for
/// addresses only: `10.0.0.*` is not `10.0.0.example.com`.
fn covers(pattern: &str, text: &str) -> bool {
    let last = pattern.rsplit('.').next().unwrap_or_default();
    let address =
        !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*');
    let is_address = text.parse::<Ipv4Addr>().is_ok();
    (!address || is_address || !pattern.contains('.')) && matches(pattern, text)
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(before) else { return false };
    let parts: Vec<&str> = behind.split('*').collect();
    let Some((last, between)) = parts.split_last() else { return false };
    for part in between {
        let Some((_, found)) = rest.split_once(part) else { return false };
        rest = found;
    }
    rest.ends_with(last)
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => unmapped(*address).is_loopback(),
    }
}

/// Names that the public DNS knows, and addresses that the internet routes.
fn is_public(host: &Host) -> bool {
    const PRIVATE_NAMES: [&str; 10] = [
        "internal",
        "local",
        "localhost",
        "localdomain",
        "lan",
        "home",
        "corp",
        "intranet",
        "private",
        "svc",
    ];
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let last = name.rsplit('.').next().unwrap_or_default();
            name.contains('.') && !PRIVATE_NAMES.contains(&last) && !name.ends_with(".home.arpa")
        }
        Host::Ipv4(address) => is_public_address(IpAddr::V4(*address)),
        Host::Ipv6(address) => is_public_address(unmapped(*address)),
    }
}

fn unmapped(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = |address: Ipv4Addr| {
                let [first, second, ..] = address.octets();
                first == 100 && (64..128).contains(&second)
            };
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || address.is_documentation()
                || shared(address))
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}
