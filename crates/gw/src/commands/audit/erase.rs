//! `gatewright audit erase`.

use clap::Args;
use gw_control::event::local_user;
use serde::Serialize;
use time::OffsetDateTime;

use super::{no_ledger, state};
use crate::{
    commands::Context,
    compose::store_failure,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
};

/// Erases a person from the ledger: what stays is a hash that stands for nobody.
///
/// Entries hold salted hashes of what is personal, and salt and text lie beside them. Erasing takes
/// these away, says so in an entry, and leaves every proof as it was. Copies of the ledger's folder
/// that somebody made before keep the text until it is erased there too.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The person as `list` shows it, or the hash: `salted:…`.
    #[arg(value_name = "SUBJECT")]
    subject: String,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// What stands for nobody from now on.
    hash: &'a str,
}

impl Erase {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let state = state(context)?;
        let store = state.open_existing(context).await?.ok_or_else(no_ledger)?;
        let _alone = state.take_lock()?;
        state.agrees(&store).await?;
        state.is_witnessed(&store).await?;
        let erased = store.erase(&self.subject, local_user(), OffsetDateTime::now_utc()).await;
        let erased = erased.map_err(|error| store_failure(&error))?;
        // An earlier one may have been cut off before the files.
        state.publish_now(context.ui, &store).await;
        let hash = erased.ok_or_else(|| {
            Failure::wrong("the ledger knows nobody like that")
                .help("`gatewright audit list` shows whom it knows")
        })?;
        match context.ui.form {
            Form::Json => {
                let schema = "gatewright.io/erased/v1";
                context.ui.json(&Document { schema, hash: hash.as_str() });
            }
            Form::Text => {
                context.ui.line(&format!("{} {hash} stands for nobody now", Ui::mark(Mark::Good)));
            }
        }
        Ok(Exit::Done)
    }
}
