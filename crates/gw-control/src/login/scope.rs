//! What a token of ours is for. It only ever narrows: what its holder may, the rules say.

use std::collections::BTreeSet;

use gw_model::{environment::ChangeAction, id::EnvironmentName};
use serde::{Deserialize, Serialize};

use super::refused::RequestFault;

const RESOURCE: &str = "urn:gatewright:";
/// Instead of one: the only environment that there is.
pub const ONLY: &str = "urn:gatewright";

/// One environment of the workspace that this store is of, and what may be asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    pub environment: EnvironmentName,
    pub actions: BTreeSet<ChangeAction>,
    /// Only this plan may be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

impl Scope {
    /// The resource of an environment.
    pub fn resource(environment: &EnvironmentName) -> String {
        format!("{RESOURCE}{environment}")
    }

    /// From the two parameters of a request: `plan apply` and `urn:gatewright:prod:p-1`.
    pub fn parse(scope: &str, resource: &str) -> Result<Self, RequestFault> {
        let action = |word: &str| ChangeAction::ALL.into_iter().find(|it| it.as_str() == word);
        let actions: Option<BTreeSet<_>> = scope.split(' ').map(action).collect();
        let name = resource.strip_prefix(RESOURCE).ok_or(RequestFault::Resource)?;
        let (environment, plan) = match name.split_once(':') {
            Some((environment, plan)) => (environment, Some(plan)),
            None => (name, None),
        };
        if plan.is_some_and(|plan| !is_plan(plan)) {
            return Err(RequestFault::Resource);
        }
        Ok(Self {
            environment: environment.parse().map_err(|_| RequestFault::Resource)?,
            actions: actions.ok_or(RequestFault::Scope)?,
            plan: plan.map(str::to_owned),
        })
    }

    /// Whether the token is for this. Without a plan of its own it is for every plan.
    pub fn covers(
        &self,
        environment: &EnvironmentName,
        action: ChangeAction,
        plan: Option<&str>,
    ) -> bool {
        self.environment == *environment
            && self.actions.contains(&action)
            && self.plan.as_deref().is_none_or(|only| plan == Some(only))
    }

    /// Whether anything may be changed with it.
    pub fn writes(&self) -> bool {
        let reads =
            |action: &ChangeAction| matches!(action, ChangeAction::View | ChangeAction::Plan);
        !self.actions.iter().all(reads)
    }

    /// As the parameter `scope` has it.
    pub fn words(&self) -> String {
        self.actions.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ")
    }
}

fn is_plan(text: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(sign)
}

#[cfg(test)]
mod tests;
