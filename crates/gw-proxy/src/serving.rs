//! One generation, ready to serve: compiled once, never changed, swapped whole.

use std::{fmt, sync::Arc};

use gw_model::{
    api::{HeaderEdits, Headers, Upstream, Validate},
    desired::Desired,
    header,
    secret::SecretStore,
    workspace::{Identity, Source},
};
use gw_net::address::{LoopbackReach, Reach};
use gw_policy::{
    generation::{Generation, PartRefusal, desired},
    snapshot::{Api, Snapshot},
    token::TrustedIssuers,
};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use url::{Host, Url};

use crate::{
    certificate::Authorities,
    credential::{UnknownAuth, Way},
    stage::cors::{CorsPolicy, NotCors},
    upstream::{Access, Place, authority, tls::Trust},
    wire::head::Scheme,
};

pub(crate) struct Serving {
    pub(crate) generation: Generation,
    pub(crate) snapshot: Snapshot,
    pub(crate) issuers: TrustedIssuers,
    pub(crate) authorities: Vec<Authorities>,
    /// By the place of the API in the snapshot.
    services: Vec<Service>,
    pub(crate) store: Arc<dyn SecretStore>,
}

/// What the gateway needs of one API beyond deciding.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) way: Way,
    /// The `Host` that the upstream sees.
    pub(crate) authority: HeaderValue,
    /// In front of every path, without `/` at its end.
    pub(crate) base: String,
    pub(crate) cors: Option<CorsPolicy>,
    pub(crate) request: Edits,
    pub(crate) response: Edits,
    pub(crate) assertion_header: Option<HeaderName>,
}

#[derive(Debug, Default)]
pub(crate) struct Edits {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

/// Why a generation cannot be served. The former one stays.
#[derive(Debug)]
pub(crate) enum ServingRefusal {
    Parts(PartRefusal),
    /// The first of the findings, in words.
    Snapshot(String),
    Api {
        api: String,
        fault: ApiFault,
    },
}

#[derive(Debug)]
pub(crate) enum ApiFault {
    Url,
    Auth(&'static str),
    HeaderName(String),
    HeaderValue(String),
    ReservedHeader(String),
    Validate,
    Cors(String),
}

impl Serving {
    pub(crate) fn compile(
        generation: Generation,
        open: &dyn Fn(&Desired) -> Arc<dyn SecretStore>,
        anonymous: &Arc<ClientConfig>,
    ) -> Result<Self, ServingRefusal> {
        let desired = desired(&generation).map_err(ServingRefusal::Parts)?;
        let snapshot = Snapshot::compile(&desired, &generation.target).map_err(|findings| {
            let first = findings.first().map(|found| found.message.clone());
            ServingRefusal::Snapshot(first.unwrap_or_default())
        })?;
        let reach = Arc::new(reach_of(&desired));
        let mut services = Vec::with_capacity(snapshot.apis().len());
        for api in snapshot.apis() {
            let service = Service::compile(api, &reach, anonymous)
                .map_err(|fault| ServingRefusal::Api { api: api.name.to_string(), fault })?;
            services.push(service);
        }
        let authorities = desired.identities.iter().filter_map(|(name, identity)| match identity {
            Identity::ClientCertificate { authorities } => {
                Some(Authorities::new(name.clone(), authorities.clone()))
            }
            Identity::Oidc(_)
            | Identity::BitbucketPipelines { .. }
            | Identity::SignedWebhook { .. }
            | Identity::AwsIam { .. } => None,
        });
        Ok(Self {
            issuers: TrustedIssuers::of(&desired.identities),
            authorities: authorities.collect(),
            store: open(&desired),
            services,
            snapshot,
            generation,
        })
    }

    pub(crate) fn service(&self, api: &Api) -> Option<&Service> {
        self.services.get(api.index)
    }

    /// Reads every secret again.
    pub(crate) async fn refresh(&self, trust: &Trust) {
        for service in &self.services {
            service.way.refresh(self.store.as_ref(), trust).await;
        }
        for authorities in &self.authorities {
            authorities.refresh(self.store.as_ref()).await;
        }
    }
}

impl Service {
    fn compile(
        api: &Api,
        reach: &Arc<Reach>,
        anonymous: &Arc<ClientConfig>,
    ) -> Result<Self, ApiFault> {
        let Upstream { url, auth, assertion, .. } = &api.upstream;
        if api.validate != Validate::Off {
            return Err(ApiFault::Validate);
        }
        let (scheme, host, port, base) = parse_url(url).ok_or(ApiFault::Url)?;
        let authority = authority(scheme, &host, port).ok_or(ApiFault::Url)?;
        let place = Place { scheme, host, port, credential: 0 };
        let access =
            Access { place: Arc::new(place), tls: Arc::clone(anonymous), reach: Arc::clone(reach) };
        let way = Way::parse(access, auth.as_ref());
        let cors = api.cors.as_ref().map(CorsPolicy::parse);
        let Headers { request, response } = &api.headers;
        let assertion_header = assertion.as_ref().map(|assertion| parse_name(&assertion.header));
        Ok(Self {
            way: way.map_err(|UnknownAuth(what)| ApiFault::Auth(what))?,
            authority,
            base,
            cors: cors.transpose().map_err(|NotCors(text)| ApiFault::Cors(text))?,
            request: Edits::parse(request)?,
            response: Edits::parse(response)?,
            assertion_header: assertion_header.transpose()?,
        })
    }
}

impl Edits {
    fn parse(declared: &HeaderEdits) -> Result<Self, ApiFault> {
        let mut edits = Self::default();
        for (name, value) in &declared.set {
            let parsed = HeaderValue::try_from(value.as_str());
            let parsed = parsed.map_err(|_| ApiFault::HeaderValue(name.clone()))?;
            edits.set.push((editable(name)?, parsed));
        }
        for name in &declared.remove {
            edits.remove.push(editable(name)?);
        }
        Ok(edits)
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }
}

/// Scheme, host, port and path of an upstream.
fn parse_url(text: &str) -> Option<(Scheme, Host<String>, u16, String)> {
    let url = Url::parse(text).ok()?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host().filter(|_| bare)?.to_owned();
    let port = url.port_or_known_default()?;
    Some((scheme, host, port, url.path().trim_end_matches('/').to_owned()))
}

/// Where upstreams of this environment may be. Where the code lives on this machine, so may they.
fn reach_of(desired: &Desired) -> Reach {
    let loopback = match &desired.source {
        Source::Local {} => LoopbackReach::Free,
        Source::Bitbucket { .. }
        | Source::BitbucketDataCenter { .. }
        | Source::Github { .. }
        | Source::Gitlab { .. } => LoopbackReach::Listed,
    };
    Reach::new(desired.spec.egress.iter().map(|pattern| pattern.0.as_str()), loopback)
}

fn parse_name(text: &str) -> Result<HeaderName, ApiFault> {
    HeaderName::try_from(text).map_err(|_| ApiFault::HeaderName(text.to_owned()))
}

/// A name that declarations may set or remove: not one that says who calls or where a body ends.
fn editable(text: &str) -> Result<HeaderName, ApiFault> {
    let name = parse_name(text)?;
    if header::is_reserved(text) {
        return Err(ApiFault::ReservedHeader(text.to_owned()));
    }
    Ok(name)
}

impl fmt::Display for ServingRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts(refusal) => refusal.fmt(f),
            Self::Snapshot(first) => write!(f, "it does not compile: {first}"),
            Self::Api { api, fault } => write!(f, "api `{api}`: {fault}"),
        }
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the upstream is not a URL of http or https with a host"),
            Self::Auth(what) => write!(f, "`upstream.auth`: {what} is not available here"),
            Self::HeaderName(name) => write!(f, "`{name}` is not the name of a header"),
            Self::HeaderValue(name) => write!(f, "the value of header `{name}` cannot be sent"),
            Self::ReservedHeader(name) => write!(f, "only the gateway itself sets `{name}`"),
            Self::Validate => f.write_str("`validate` is not available here"),
            Self::Cors(text) => write!(f, "`cors`: {text} cannot be answered"),
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("number", &self.generation.number)
            .field("apis", &self.services.len())
            .finish_non_exhaustive()
    }
}
