//! One generation, ready to serve: compiled once, never changed, swapped whole.

use std::{fmt, sync::Arc};

use gw_model::{desired::Desired, environment::Target, secret::SecretStore, workspace::Identity};
use gw_net::address::{LoopbackReach, Reach};
use gw_policy::{
    gateway::Unready,
    generation::{Generation, PartRefusal, desired},
    service::{self, Edits, Origin, Protocol, ServiceFault},
    snapshot::{Api, Snapshot},
    token::TrustedIssuers,
};
use http::header::{HeaderName, HeaderValue};
use rustls::ClientConfig;

use crate::{
    certificate::Authorities,
    credential::Way,
    stage::cors::CorsPolicy,
    upstream::{Access, Place, tls::Trust},
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
    /// Where callers connect, as declared.
    pub(crate) listen: Option<String>,
    /// Which addresses may be reached beyond public ones.
    pub(crate) egress: Vec<String>,
    pub(crate) loopback: LoopbackReach,
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

/// Why a generation cannot be served. The former one stays.
#[derive(Debug)]
pub(crate) enum ServingRefusal {
    Parts(PartRefusal),
    /// The first of the findings, in words.
    Snapshot(String),
    Api {
        api: String,
        fault: ServiceFault,
    },
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
        let egress: Vec<String> = desired.spec.egress.iter().map(|it| it.0.clone()).collect();
        let loopback = LoopbackReach::from(&desired.source);
        let reach = Arc::new(Reach::new(egress.iter().map(String::as_str), loopback));
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
            listen: listen_of(&desired, &generation),
            egress,
            loopback,
            services,
            snapshot,
            generation,
        })
    }

    pub(crate) fn service(&self, api: &Api) -> Option<&Service> {
        self.services.get(api.index)
    }

    /// The APIs whose calls cannot be sent on now.
    pub(crate) fn unready(&self) -> Vec<Unready> {
        let unready = |api: &Api| {
            let way = self.service(api)?.way.now();
            let because = way.as_ref().as_ref().err()?.to_string();
            Some(Unready { api: api.name.to_string(), because })
        };
        self.snapshot.apis().iter().filter_map(unready).collect()
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
    ) -> Result<Self, ServiceFault> {
        let parsed =
            service::Service::parse(&api.upstream, &api.headers, api.cors.as_ref(), api.validate)?;
        let service::Service { origin, auth, cors, request, response, assertion_header } = parsed;
        let Origin { protocol, host, port, authority, base } = origin;
        let scheme = match protocol {
            Protocol::Http => Scheme::Http,
            Protocol::Https => Scheme::Https,
        };
        let place = Place { scheme, host, port, credential: 0 };
        let access =
            Access { place: Arc::new(place), tls: Arc::clone(anonymous), reach: Arc::clone(reach) };
        let cors = api.cors.as_ref().zip(cors);
        Ok(Self {
            way: Way::new(access, auth),
            authority,
            base,
            cors: cors.map(|(declared, headers)| CorsPolicy::new(declared, headers)),
            request,
            response,
            assertion_header,
        })
    }
}

fn listen_of(desired: &Desired, generation: &Generation) -> Option<String> {
    match desired.spec.targets.get(&generation.target)? {
        Target::Builtin(settings) => settings.listen.clone(),
        Target::Apim(_) | Target::Tyk(_) => None,
    }
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

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("number", &self.generation.number)
            .field("apis", &self.services.len())
            .finish_non_exhaustive()
    }
}
