//! `gatewright approve`.

use clap::Args;

/// Approves what a plan changes, on the record of a server.
///
/// The approval is for exactly what the plan showed, whatever commit brings it; nobody approves what
/// they made. Whether it is needed and counts, the rules of the environment say when it is applied.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The id of the plan.
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
    /// Why; it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}
