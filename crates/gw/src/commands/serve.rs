//! `gatewright serve`.

mod certificate;
mod gateways;
mod service;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use gw_control::doctor::Link;
use gw_web::Web;
use serde::Serialize;

use self::gateways::USUAL_MODE;
pub(super) use self::{gateways::Manner, service::Service};
use super::Context;
use crate::{
    compose::State,
    config::{self, SETTINGS, ServerFile},
    exit::{Exit, Failure},
    ui::Form,
};

/// Runs the server: it follows a repository, tells what pull requests would do, and puts in force what
/// the rules allow, until it is stopped.
///
/// Its settings stand in gatewright.toml: whom it serves, who owns it, by which secrets it is let in at
/// the Git host. Nobody hands it files; it fetches them. The built-in gateways of every environment in
/// force run inside of it. SIGTERM ends it with 0, the keyboard (SIGINT) with 130; what is under way is
/// brought to its end first, and whatever was queued is done after the next start.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings (else GATEWRIGHT_CONFIG, else gatewright.toml of the folder named by `--state`).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    listen: String,
    address: String,
    state: String,
}

impl Serve {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let file = ServerFile::read(&self.settings(context)?)?;
        let stopped = config::interrupted();
        let state = State::of_server(context, &file)?;
        let folder = state.folder.clone();
        let manner = Manner { listener: None, root: folder.clone(), mode: USUAL_MODE, port: None };
        let mut service = Service::start(context, state, file, manner).await?;
        tell(
            context,
            &Document {
                schema: "gatewright.io/serve/v1",
                listen: service.listen.clone(),
                address: service.server.address.to_string(),
                state: folder.display().to_string(),
            },
        );
        let web = Arc::clone(&service.web);
        let ended = service
            .attend(async {
                tokio::pin!(stopped);
                tokio::select! {
                    biased;
                    ended = &mut stopped => return ended,
                    () = look(context, &web) => {}
                }
                stopped.await
            })
            .await;
        context.ui.say("stopping: what is under way is brought to its end");
        service.stop().await;
        Ok(Exit::stopped(ended))
    }

    fn settings(&self, context: Context<'_>) -> Result<PathBuf, Failure> {
        let named = context.surroundings.named_config(self.config.as_deref());
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let state = context.surroundings.named_state(context.globals);
        state.map(|state| state.join(SETTINGS)).ok_or_else(|| {
            Failure::wrong("a server needs its settings")
                .help("name the file: `gatewright serve --config gatewright.toml`")
        })
    }
}

/// What cannot work is told now, and not to whoever proposes the first change. Who is away may come back,
/// so nothing ends because of it.
async fn look(context: Context<'_>, web: &Web) {
    for Link { name, found, repair, .. } in web.examine(None).await {
        let Some(repair) = repair else { continue };
        let failure = Failure::new(Exit::Unreachable, format!("{name}: {found}")).help(repair);
        context.ui.failure(&failure.note("the server runs, and what needs this waits"));
    }
}

fn tell(context: Context<'_>, document: &Document) {
    match context.ui.form {
        Form::Json => context.ui.json(document),
        Form::Text => {
            context.ui.line(&format!("server listens at {}", document.listen));
            context.ui.say(&format!("people reach it at {}", document.address));
            context.ui.say(&format!("its state lies in {}", document.state));
        }
    }
}
