//! `can` about changes: who may plan, apply, roll back, and by which rule.

use gw_model::{desired::Desired, environment::ChangeAction, shape::nearest};
use gw_policy::{
    change::{
        ChangeRules,
        may::{self, Whom},
    },
    principal::ClaimSet,
};
use serde::Serialize;

use super::Can;
use crate::{
    commands::Context,
    compose::Workspace,
    exit::{Exit, Failure},
    ui::Form,
};

/// By this word everything that can be done to an environment is meant.
const CHANGES: &str = "changes";

/// What is asked about changes.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) struct Asked<'a> {
    /// None: everybody.
    pub(in crate::commands) who: Option<&'a str>,
    /// None: all of them.
    pub(in crate::commands) action: Option<ChangeAction>,
    pub(in crate::commands) claims: &'a [(String, String)],
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    rights: Vec<may::Rights>,
}

impl Can {
    /// None: it is about a call.
    pub(in crate::commands) fn about_changes(&self) -> Option<Asked<'_>> {
        let (who, word) = match (self.who_can.as_deref(), &self.who, &self.method, &self.path) {
            (Some([word]), ..) => (None, word),
            (None, Some(who), Some(word), None) if self.token_file.is_none() => {
                (Some(who.as_str()), word)
            }
            _ => return None,
        };
        let action = match word.as_str() {
            CHANGES => None,
            word => Some(may::action(word)?),
        };
        Some(Asked { who, action, claims: &self.claims })
    }
}

impl Asked<'_> {
    /// By the rules that are declared here, in each environment that is meant.
    pub(super) fn run(self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let mut rights = vec![];
        for environment in workspace.environments(context)? {
            let desired = workspace.desired(context, &environment)?;
            let rules = ChangeRules::compile(&desired)
                .map_err(|found| workspace.refuse(context, &found))?;
            let whom = self.whom(&desired)?;
            let actions = self.action.map_or_else(|| ChangeAction::ALL.to_vec(), |it| vec![it]);
            rights.extend(actions.into_iter().map(|action| rules.rights(action, &whom)));
        }
        let is_refused = self.who.is_some() && !rights.iter().any(may::Rights::is_granted);
        match context.ui.form {
            Form::Json => {
                context.ui.json(&Document { schema: "gatewright.io/rights/v1", rights });
            }
            Form::Text => {
                let text: String = rights.iter().map(ToString::to_string).collect();
                context.ui.result(&text);
            }
        }
        Ok(if is_refused { Exit::Denied } else { Exit::Done })
    }

    fn whom(self, desired: &Desired) -> Result<Whom, Failure> {
        let Some(who) = self.who else { return Ok(Whom::Everybody) };
        let mut claims = ClaimSet::new();
        for (name, value) in self.claims {
            claims.entry(name.clone()).or_default().insert(value.clone());
        }
        Whom::parse(desired, who, &claims).ok_or_else(|| {
            let environment = &desired.environment;
            Failure::wrong(format!("nobody is called `{who}` in {environment}"))
                .help(may::known(desired, who))
        })
    }
}

/// How changes are asked about, for whoever wrote something else in the place of the action.
pub(super) fn help(written: &str, before: &str) -> String {
    let actions = ChangeAction::ALL.map(ChangeAction::as_str);
    match nearest(written, actions.into_iter().chain([CHANGES])) {
        Some(near) => format!("about changes: did you mean `{before} {near}`?"),
        None => format!("about changes: `{before} ACTION`: {}, or {CHANGES}", actions.join(", ")),
    }
}
