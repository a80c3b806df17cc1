//! Who may change an environment by the rules in force, and where the Git host lets people do otherwise.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, Uri},
};
use gw_control::doctor::rights::compare;
use gw_model::{desired::Desired, environment::ChangeAction};
use gw_policy::{
    change::{
        ChangeRules,
        may::{self, Whom},
    },
    principal::ClaimSet,
};
use url::form_urlencoded;

use super::environment;
use crate::{
    Web,
    contract::{Rights, Tested},
    door,
    problem::Refusal,
};

/// What is asked, as it stands in the address.
#[derive(Default)]
struct Query {
    action: Option<ChangeAction>,
    who: Option<String>,
    claims: ClaimSet,
}

pub(super) async fn look(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Rights>, Refusal> {
    let granted = door::viewer(&web, &headers, "rights").await?;
    let environment = environment(&name)?;
    if environment != granted.scope.environment {
        return Err(Refusal::Unseen);
    }
    let query = Query::parse(uri.query().unwrap_or_default())?;
    let rules = web.server.in_force(&environment).await?.ok_or_else(|| Refusal::Conflict {
        what: format!("nothing is in force in {environment} yet: an owner brings the first state"),
    })?;
    let rights = query.rights(&rules)?;
    // Each asks the Git host: a few at a time.
    let _place = web.looking.try_acquire().map_err(|_| Refusal::Busy)?;
    let links = compare(&web.server, &rules).await;
    let shown: Result<Vec<_>, _> = rights.iter().map(serde_json::to_value).collect();
    Ok(Json(Rights {
        environment: environment.to_string(),
        text: rights.iter().map(ToString::to_string).collect(),
        rights: shown.map_err(|_| Refusal::Fault)?,
        links: links.into_iter().map(Tested::from).collect(),
    }))
}

impl Query {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "action" => {
                    let unknown = || Refusal::malformed(format!("`{value}` is no action"));
                    query.action = Some(may::action(&value).ok_or_else(unknown)?);
                }
                "who" => query.who = Some(value.into_owned()),
                "claim" => {
                    let (name, value) = value
                        .split_once('=')
                        .ok_or_else(|| Refusal::malformed("a claim is NAME=VALUE"))?;
                    query.claims.entry(name.to_owned()).or_default().insert(value.to_owned());
                }
                _ => return Err(Refusal::malformed(format!("nothing is called `{name}` here"))),
            }
        }
        Ok(query)
    }

    /// What the rules say of the action that is asked about, or of each.
    fn rights(&self, rules: &Desired) -> Result<Vec<may::Rights>, Refusal> {
        let whom = match &self.who {
            None => Whom::Everybody,
            Some(who) => Whom::parse(rules, who, &self.claims).ok_or_else(|| {
                let help = may::known(rules, who);
                Refusal::unknown(format!("nobody is called `{who}`"), help)
            })?,
        };
        let compiled = ChangeRules::compile(rules).map_err(|_| Refusal::Fault)?;
        let actions = self.action.map_or_else(|| ChangeAction::ALL.to_vec(), |it| vec![it]);
        Ok(actions.into_iter().map(|action| compiled.rights(action, &whom)).collect())
    }
}
