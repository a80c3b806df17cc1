//! Steps of Bitbucket pipelines: who issues their tokens, and what of a token is believed.
//!
//! The issuer's name holds the slug of the workspace, which changes hands: what is trusted are the two
//! UUIDs. What was built is read from the Git host; the branch that a token names is not looked at.

use std::collections::BTreeMap;

use gw_audit::entry::{Actor, Proof, Subject};
use gw_model::{
    form,
    id::IdentityName,
    scalar::Period,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use gw_policy::principal::Principal;

use super::refused::StepRefusal;
use crate::{
    asker::Asker,
    host::{Run, bitbucket::Place},
};

const WORKSPACE: &str = "workspaceUuid";
const REPOSITORY: &str = "repositoryUuid";
const PIPELINE: &str = "pipelineUuid";
pub(super) const STEP: &str = "stepUuid";
const ENVIRONMENT: &str = "deploymentEnvironmentUuid";

/// What rules and ledger may see of a token: ids that Bitbucket gave, and nothing that can be renamed.
const KEPT: [&str; 5] = [WORKSPACE, REPOSITORY, PIPELINE, STEP, ENVIRONMENT];

/// The identities that steps prove.
#[derive(Clone, Debug)]
pub(super) struct Pipelines {
    place: Place,
    workspace: String,
    /// The issuer by the workspace's declared name.
    pub(super) declared: String,
    /// The audience of each, and the repositories whose steps it is.
    identities: BTreeMap<IdentityName, (String, Vec<String>)>,
}

impl Pipelines {
    /// `None` where there is nobody whom a step could prove.
    pub(super) fn of(
        identities: &BTreeMap<IdentityName, Identity>,
        source: &Source,
        place: &Place,
    ) -> Option<Self> {
        let Source::Bitbucket { repository, repository_uuid, workspace_uuid } = source else {
            return None;
        };
        let mut pipelines = BTreeMap::new();
        for (name, identity) in identities {
            if let Identity::BitbucketPipelines { audience, repositories } = identity {
                let own = std::iter::once(repository_uuid).chain(repositories).cloned();
                pipelines.insert(name.clone(), (audience.clone(), own.collect()));
            }
        }
        let (slug, _) = repository.split_once('/')?;
        (!pipelines.is_empty()).then(|| Self {
            place: place.clone(),
            workspace: workspace_uuid.clone(),
            declared: place.pipelines_issuer(slug),
            identities: pipelines,
        })
    }

    /// Where Bitbucket tells how the issuer is called now.
    pub(super) fn address(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.place.pipelines_issuer(&self.workspace))
    }

    /// Whether a text is the name that the issuer of some workspace would have.
    pub(super) fn could_be(&self, issuer: &str) -> bool {
        let part = |issuer: &str| issuer.split('/').rev().nth(3).map(str::to_owned);
        part(issuer).is_some_and(|slug| self.place.pipelines_issuer(&slug) == issuer)
    }

    /// The same identities as tokens of that issuer prove them.
    pub(super) fn as_oidc(&self, issuer: &str) -> impl Iterator<Item = (IdentityName, Identity)> {
        self.identities.iter().map(move |(name, (audience, _))| {
            let oidc = Oidc {
                issuer: issuer.to_owned(),
                audiences: vec![audience.clone()],
                subject: "sub".to_owned(),
                algorithms: vec![Algorithm::Rs256],
                clock_skew: Period::MINUTE,
                rename: BTreeMap::new(),
            };
            (name.clone(), Identity::Oidc(oidc))
        })
    }

    pub(super) fn has(&self, identity: &IdentityName) -> bool {
        self.identities.contains_key(identity)
    }

    /// A verified token as the step that it proves.
    pub(super) fn step(&self, principal: Principal) -> Result<Principal, StepRefusal> {
        let id = |claim| only(&principal, claim).ok_or(StepRefusal::Claim { claim });
        let (workspace, repository) = (id(WORKSPACE)?, id(REPOSITORY)?);
        id(PIPELINE)?;
        id(STEP)?;
        if principal.claims.contains_key(ENVIRONMENT) {
            id(ENVIRONMENT)?;
        }
        if !is_subject(&principal) {
            return Err(StepRefusal::Claim { claim: "sub" });
        }
        if workspace != self.workspace {
            return Err(StepRefusal::Workspace { declared: self.workspace.clone() });
        }
        let known = self.identities.get(&principal.identity).map(|(_, known)| known.as_slice());
        let known = known.unwrap_or_default();
        if !known.iter().any(|known| known == repository) {
            return Err(StepRefusal::Repository { declared: known.to_vec() });
        }
        let mut principal = principal;
        principal.claims.retain(|name, _| KEPT.contains(&name.as_str()));
        Ok(principal)
    }
}

/// A claim that is one UUID in braces.
pub(super) fn only<'p>(principal: &'p Principal, claim: &str) -> Option<&'p str> {
    let values = principal.claims.get(claim)?;
    let mut values = values.iter().map(String::as_str);
    let only = values.next().filter(|value| form::UUID.holds(value))?;
    values.next().is_none().then_some(only)
}

/// Whether the subject names the step, and beside it nothing but what the claims name as well. In which
/// order, nobody says who has seen more than one kind of step.
fn is_subject(principal: &Principal) -> bool {
    let named = |part: &str| {
        let claims = [REPOSITORY, PIPELINE, ENVIRONMENT].into_iter();
        claims.filter_map(|claim| only(principal, claim)).any(|named| named == part)
    };
    let parts = principal.subject.rsplit_once(':');
    parts.is_some_and(|(before, step)| {
        only(principal, STEP) == Some(step) && before.split(':').all(named)
    })
}

/// The pipeline that carried a step here.
pub(super) fn pipeline(principal: &Principal) -> Option<Actor> {
    Some(Actor {
        identity: Actor::PIPELINE.to_owned(),
        issuer: Some(principal.issuer.clone()),
        subject: Some(Subject::Machine(only(principal, PIPELINE)?.to_owned())),
        proof: Proof::Token,
        via: vec![],
    })
}

/// Where the pipeline is that asks by a step which deploys, as its host calls that.
pub(crate) fn deploying(asker: &Asker) -> Option<Run> {
    if !asker.actor.via.iter().any(|via| via.identity == Actor::PIPELINE) {
        return None;
    }
    let principal = asker.caller.principals.first()?;
    only(principal, ENVIRONMENT)?;
    let id = |claim| Some(only(principal, claim)?.to_ascii_lowercase());
    Some(Run { pipeline: Some(id(PIPELINE)?), step: Some(id(STEP)?) })
}

#[cfg(test)]
mod tests;
