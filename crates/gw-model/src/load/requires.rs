//! `requires`: which versions of the tool may read a workspace.

use semver::{Version, VersionReq};

use super::discover::Found;
use crate::{code::Code, diagnostic::Diagnostic};

/// The version that reads.
const TOOL: &str = env!("CARGO_PKG_VERSION");

/// Whether a text is a range of versions.
pub(crate) fn is_range(text: &str) -> Result<(), &'static str> {
    let expected = "a range of versions such as `>=0.1, <2`, `^1.4` or `1.4.*`";
    VersionReq::parse(text).map(|_| ()).map_err(|_| expected)
}

/// What a range says about a version that it does not include. A text that is no range was told
/// with its shape.
pub(crate) fn check(found: &Found, diagnostics: &mut Vec<Diagnostic>) {
    let Some(node) = found.workspace().and_then(|workspace| workspace.spec().get("requires"))
    else {
        return;
    };
    let written = node.as_text().unwrap_or_default();
    if excludes(written, TOOL) {
        let message = format!("this workspace is for version `{written}`, and this is {TOOL}");
        let told =
            Diagnostic::new(Code::OtherVersion, message).at(node.span, "the versions it is for");
        diagnostics.push(told.help(
            "use a version that is included, or widen `requires`; what else is told here may come \
             from the difference",
        ));
    }
}

fn excludes(range: &str, version: &str) -> bool {
    match (VersionReq::parse(range), Version::parse(version)) {
        (Ok(range), Ok(version)) => !range.matches(&version),
        (Err(_), _) => false,
        (_, Err(_)) => true,
    }
}

#[cfg(test)]
mod tests;
