//! `gatewright audit rotate-key`.

use clap::Args;
use serde::Serialize;

use super::{no_ledger, state};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
};

/// Hands over to a new key: an entry that the former and the new key sign.
///
/// From there on the former key signs nothing. Whoever believes it believes the new one too, so an
/// auditor who has the first public key needs no other. Processes that hold the former key refuse to
/// change anything until they are started again.
#[derive(Debug, Args)]
pub(crate) struct RotateKey {}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    /// The entry that says so.
    entry: u64,
    key: String,
}

impl RotateKey {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let state = state(context)?;
        let store = state.open_existing(context).await?.ok_or_else(no_ledger)?;
        let _alone = state.take_lock()?;
        let (entry, key) = state.rotate_ledger_key(&store).await?;
        let key = key.to_string();
        match context.ui.form {
            Form::Json => {
                let schema = "gatewright.io/ledgerKey/v1";
                context.ui.json(&Document { schema, entry, key });
            }
            Form::Text => {
                context.ui.line(&format!(
                    "{} entry {entry} hands over to a new key, signed by both",
                    Ui::mark(Mark::Good)
                ));
                context.ui.line(&key);
            }
        }
        Ok(Exit::Done)
    }
}
