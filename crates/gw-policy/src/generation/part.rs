//! The typed form of the objects of a generation, and the way back to what must hold.

use std::{collections::BTreeMap, fmt};

use gw_model::{
    desired::{Api, Desired, Intake, PolicyFile},
    environment::{
        Builtin, DeletionMode, Deletions, Drift, DriftThen, EnvironmentSpec, HostPattern, Secrets,
        Target,
    },
    id::{ApiName, EnvironmentName, IdentityName, TargetName, WorkspaceName},
    scalar::Period,
    workspace::{Identity, Source},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Body, Generation, Object};

/// One object of a generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Gateway(GatewayPart),
    Identity { name: IdentityName, identity: Identity },
    Policy(PolicyFile),
    Api { name: ApiName, api: Box<Api> },
}

/// What belongs to the gateway as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayPart {
    pub workspace: WorkspaceName,
    pub source: Source,
    pub settings: Builtin,
    pub egress: Vec<HostPattern>,
    pub secrets: Option<Secrets>,
}

/// Why the objects of a generation do not make a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartRefusal {
    UnknownKind {
        kind: String,
    },
    Unreadable {
        kind: String,
        name: String,
        because: String,
    },
    /// The one object of kind `gateway` is missing, or is there twice.
    NotOneGateway {
        found: usize,
    },
}

impl Part {
    pub const GATEWAY: &str = "gateway";
    pub const IDENTITY: &str = "identity";
    pub const POLICY: &str = "policy";
    pub const API: &str = "api";

    /// The name of the one object of kind `gateway`.
    pub const SETTINGS: &str = "settings";

    pub fn object(&self) -> Result<Object, serde_json::Error> {
        let (kind, name, body) = match self {
            Self::Gateway(gateway) => {
                (Self::GATEWAY, Self::SETTINGS.to_owned(), Body::write(gateway)?)
            }
            Self::Identity { name, identity } => {
                (Self::IDENTITY, name.to_string(), Body::write(identity)?)
            }
            Self::Policy(file) => (Self::POLICY, file.path.clone(), Body::write(file)?),
            Self::Api { name, api } => (Self::API, name.to_string(), Body::write(api)?),
        };
        Ok(Object { kind: kind.to_owned(), name, body })
    }

    pub fn parse(object: &Object) -> Result<Self, PartRefusal> {
        let unreadable = |because: String| PartRefusal::Unreadable {
            kind: object.kind.clone(),
            name: object.name.clone(),
            because,
        };
        match object.kind.as_str() {
            Self::GATEWAY => body(object).map(Self::Gateway).map_err(unreadable),
            Self::IDENTITY => {
                let name = IdentityName::parse(&object.name)
                    .map_err(|error| unreadable(error.to_string()))?;
                let identity = body(object).map_err(unreadable)?;
                Ok(Self::Identity { name, identity })
            }
            Self::POLICY => body(object).map(Self::Policy).map_err(unreadable),
            Self::API => {
                let name =
                    ApiName::parse(&object.name).map_err(|error| unreadable(error.to_string()))?;
                let api = body(object).map_err(unreadable)?;
                Ok(Self::Api { name, api })
            }
            other => Err(PartRefusal::UnknownKind { kind: other.to_owned() }),
        }
    }
}

impl GatewayPart {
    /// Of a generation without any object: its target was taken out of the environment, so that the
    /// gateway serves no API and reaches nothing.
    fn vacant() -> Option<Self> {
        Some(Self {
            workspace: WorkspaceName::parse("vacant").ok()?,
            source: Source::Local {},
            settings: Builtin { listen: None, replicas: None },
            egress: vec![],
            secrets: None,
        })
    }
}

fn body<T: DeserializeOwned>(object: &Object) -> Result<T, String> {
    object.body.read().map_err(|error| error.to_string())
}

/// What must hold, as far as a gateway needs it: nothing about who may change it.
pub fn desired(generation: &Generation) -> Result<Desired, PartRefusal> {
    desired_of(&generation.environment, &generation.target, &generation.objects)
}

/// The same of objects that are in no generation, or not all in one.
pub fn desired_of(
    environment: &EnvironmentName,
    target: &TargetName,
    objects: &[Object],
) -> Result<Desired, PartRefusal> {
    let mut gateways = vec![];
    let mut identities = BTreeMap::new();
    let mut policies = vec![];
    let mut apis = BTreeMap::new();
    for object in objects {
        match Part::parse(object)? {
            Part::Gateway(gateway) => gateways.push(gateway),
            Part::Identity { name, identity } => {
                identities.insert(name, identity);
            }
            Part::Policy(file) => policies.push(file),
            Part::Api { name, api } => {
                apis.insert(name, *api);
            }
        }
    }
    let found = gateways.len();
    if objects.is_empty() {
        gateways.extend(GatewayPart::vacant());
    }
    let [gateway] =
        <[GatewayPart; 1]>::try_from(gateways).map_err(|_| PartRefusal::NotOneGateway { found })?;
    let GatewayPart { workspace, source, settings, egress, secrets } = gateway;
    let targets = BTreeMap::from([(target.clone(), Target::Builtin(settings))]);
    Ok(Desired {
        workspace,
        source,
        intake: Intake::default(),
        environment: environment.clone(),
        spec: EnvironmentSpec {
            values: BTreeMap::new(),
            targets,
            secrets,
            egress,
            changes: vec![],
            identities: BTreeMap::new(),
            drift: Drift { every: Period::MAX, then: DriftThen::Report },
            on: None,
            deletions: Deletions { mode: DeletionMode::Refuse, ceiling: 0 },
            accept: vec![],
            notify: vec![],
        },
        identities,
        people: BTreeMap::new(),
        teams: BTreeMap::new(),
        apis,
        policies,
    })
}

impl fmt::Display for PartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind { kind } => write!(f, "the generation has an unknown kind `{kind}`"),
            Self::Unreadable { kind, name, because } => {
                write!(f, "the object `{kind} {name}` cannot be read: {because}")
            }
            Self::NotOneGateway { found } => {
                write!(f, "the generation has {found} objects of kind `gateway` instead of one")
            }
        }
    }
}

impl std::error::Error for PartRefusal {}
