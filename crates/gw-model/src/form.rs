//! How texts of declarations must be written: one pattern each, for the reader and for the schema.

use std::sync::OnceLock;

use regex::Regex;

/// A pattern and what it stands for in the reader's words.
#[derive(Debug)]
pub struct Form {
    pub pattern: &'static str,
    pub expected: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Form {
    const fn new(pattern: &'static str, expected: &'static str) -> Self {
        Self { pattern, expected, compiled: OnceLock::new() }
    }

    /// A pattern that does not compile is held by nothing.
    pub fn holds(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(self.pattern).ok());
        compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

macro_rules! forms {
    ($($name:ident = $pattern:literal, $expected:literal;)+) => {
        $(pub static $name: Form = Form::new($pattern, $expected);)+

        #[cfg(test)]
        pub const ALL: &[&Form] = &[$(&$name),+];
    };
}

forms! {
    NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        "a name: 1 to 63 of a-z, 0-9 and `-`, with a letter or digit at both ends";
    SECRET_NAMES = r"^[*a-z0-9]([-*a-z0-9]{0,61}[*a-z0-9])?$",
        "the name of a secret, or such a name with `*` for any part";
    VALUE_NAME = r"^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
        "the name of a value: 1 to 63 letters, digits and `-`";
    PATH = r"^[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*(/[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*)*$",
        "a path from the workspace root: without `..`, without a leading `/` or `.`, with `/` between folders";
    FOLDER_OF_ARTIFACT = r"^(\.|(\./)?[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*(/[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*)*)$",
        "a folder inside the artifact, `.` for all of it";
    SECRET_FOLDER = r"^\.?[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*(/\.?[^./\\:\x00-\x1f][^/\\:\x00-\x1f]*)*$",
        "a folder from the workspace root, without `..` and without a leading `/`";
    NO_PARENT = r"^(\.?[^.\\\x00-\x1f])+\.?$",
        "a name without `..` and without `\\`";
    SECURE_URL = r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$))",
        "an https URL (http only to this machine)";
    HTTPS_URL = r"^https://", "an https URL";
    HTTP_URL = r"^https?://", "an http or https URL";
    UPSTREAM_URL = r"^(https?://|[$][{]env[.])",
        "an http or https URL, or a value such as `${env.NAME}` that becomes one";
    OWNER_AND_NAME = r"^[^/\s]+/[^/\s]+$", "two words with `/` between them, such as `acme/apis`";
    GROUP_AND_NAME = r"^[^/\s]+(/[^/\s]+)+$", "a project with its group, such as `acme/apis`";
    PROJECT_KEY = r"^~?[^/~\s]+$", "the key of a project";
    SLUG = r"^[^/\s]+$", "one word without `/`";
    UUID = r"^\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$",
        "a UUID in braces, such as `{7c9e6679-7425-40de-944b-e07fc1f90ae7}`";
    NUMBER = r"^[1-9][0-9]*$", "a number in quotes, such as `\"4711\"`";
    ACCOUNT = r"^[0-9]{12}$", "the 12 digits of an AWS account, in quotes";
    ARN = r"^arn:aws", "an ARN, `*` for any part";
    PERIOD = r"^[1-9][0-9]*(ms|s|m|h|d)$",
        "a length of time such as `500ms`, `60s`, `5m`, `12h` or `30d`";
    RATE = r"^[1-9][0-9]*/[1-9][0-9]*(s|m|h|d)$",
        "a rate such as `100/1m` (COUNT/WINDOW, the window in s, m, h or d)";
    SIZE = r"^[1-9][0-9]*(KiB|MiB)$", "a size such as `64KiB` or `1MiB`";
    DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "a date such as `2027-03-31`";
    TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time such as `08:00`";
    END_TIME = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "a time such as `16:00`, up to `24:00`";
    ZONE = r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$", "a time zone such as `Europe/Berlin`";
    ARM_ID = r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ApiManagement/service/[^/]+(/workspaces/[^/]+)?$",
        "the ARM id of an API Management instance: /subscriptions/…/resourceGroups/…/providers/Microsoft.ApiManagement/service/…";
    REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]+$", "an AWS region such as `eu-central-1`";
    VARIABLE_PREFIX = r"^[A-Z][A-Z0-9_]*$", "the beginning of variable names: A-Z, 0-9 and `_`";
    HOST = r"^(([*a-z0-9]([-*a-z0-9]*[*a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?|[0-9]{1,3}(\.([0-9]{1,3}|\*)){3}|\[[0-9a-f:.]+\])$",
        "a host name or address in small letters, `*` for any part but the last: `*.internal`, `10.0.0.*`";
    BRANCH = r"^[^-/.\s~^:?*\[\\](\.?[^.\s~^:?*\[\\])*$", "the exact name of a branch";
    TAG = r"^[^-/.\s~^:\\](\.?[^.\s~^:\\])*$", "the name of a tag, `*` for any part";
    DIFFERENCE_CODE = r"^GW[0-9]{4}$", "a code such as `GW2111`";
    PUBLIC_KEY = r"^(-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]+-----END PGP PUBLIC KEY BLOCK-----\s*|(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]+=*( .*)?\s*)$",
        "a public key as `ssh-keygen` (`ssh-ed25519 AAAA…`) or `gpg --armor --export` (`-----BEGIN PGP PUBLIC KEY BLOCK-----`) writes it";
    ROOTED = r"^/", "a path that begins with `/`";
}

#[cfg(test)]
mod tests;
