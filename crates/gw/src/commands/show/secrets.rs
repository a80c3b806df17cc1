//! `show secrets`: the credentials of the path, and never a value.

use gw_control::credentials::{Standing, of_rules};
use gw_model::{clock::Clock, secret::SecretStores};
use gw_secrets::stores::Stores;
use gw_web::contract::{Credential, Secrets};
use serde::Serialize;

use crate::{
    commands::Context,
    compose::{SystemClock, Workspace},
    config,
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::count,
};

/// What is asked for.
pub(in crate::commands) const OBJECT: &str = "secrets";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    environments: &'a [Secrets],
}

/// Those that the files here name, in each environment that is meant.
pub(super) async fn here(context: Context<'_>) -> Result<Exit, Failure> {
    let root = &context.globals.workspace;
    let workspace = Workspace::read(root)?;
    let stores = Stores { root: root.clone(), variables: config::variables() };
    let now = SystemClock.now();
    let mut all = vec![];
    for environment in workspace.environments(context)? {
        let desired = workspace.desired(context, &environment)?;
        let store = stores.open(desired.spec.secrets.as_ref());
        let mut secrets = vec![];
        for credential in of_rules(&desired) {
            let held = store.read(&credential.name).await;
            secrets.push(Credential::from(Standing::of(credential, Some(held), None, now)));
        }
        all.push(Secrets { environment: environment.to_string(), secrets });
    }
    tell(context, &all);
    Ok(Exit::Done)
}

/// Prints them; a warning is no failure.
pub(in crate::commands) fn tell(context: Context<'_>, all: &[Secrets]) {
    if context.ui.form == Form::Json {
        context.ui.json(&Document { schema: "gatewright.io/secrets/v1", environments: all });
        return;
    }
    let mut text = String::new();
    for Secrets { environment, secrets } in all {
        let warnings = secrets.iter().map(|it| it.warnings.len()).sum();
        text.push_str(&format!(
            "{environment}  {}, {}\n",
            count(secrets.len(), "secret"),
            count(warnings, "warning")
        ));
        secrets.iter().for_each(|secret| text.push_str(&lines(secret)));
    }
    context.ui.result(&text);
}

fn lines(secret: &Credential) -> String {
    let Credential { name, purpose, owner, source, since, expires, last_used, warnings } = secret;
    let mark = Ui::mark(if warnings.is_empty() { Mark::Good } else { Mark::Warning });
    let mut facts = vec![format!("owner {}", owner.as_deref().unwrap_or("nobody")), source.clone()];
    facts.extend(since.iter().map(|since| format!("since {}", day(since))));
    facts.extend(expires.iter().map(|day| format!("ends {day}")));
    facts.extend(last_used.iter().map(|last| format!("last used {}", day(last))));
    let mut text = format!("  {mark} {name}  {}\n", visible(purpose));
    text.push_str(&format!("      {}\n", visible(&facts.join(" · "))));
    for warning in warnings {
        text.push_str(&format!("      warning: {}\n", visible(warning)));
    }
    text
}

/// The day of a moment.
fn day(moment: &str) -> &str {
    moment.get(..10).unwrap_or(moment)
}
