//! Pages of this server that a text leads to.

use gw_policy::decision::DecisionId;
use url::Url;

/// Where this server is found by people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    base: String,
}

impl Links {
    /// What belongs to one visit of the address, such as a query, is left out.
    pub fn to(server: &Url) -> Self {
        let mut base = server.clone();
        base.set_query(None);
        base.set_fragment(None);
        // An address without a host has neither; then there is nothing to take away.
        base.set_username("").unwrap_or_default();
        base.set_password(None).unwrap_or_default();
        // Brackets would end a link of markdown.
        let base = base.as_str().trim_end_matches('/');
        Self { base: base.replace('(', "%28").replace(')', "%29") }
    }

    pub fn plan(&self, id: &str) -> String {
        let sign = |sign: &char| sign.is_ascii_alphanumeric() || *sign == '-';
        format!("{}/p/{}", self.base, id.chars().filter(sign).collect::<String>())
    }

    pub fn decision(&self, id: &DecisionId) -> String {
        format!("{}/d/{id}", self.base)
    }

    pub fn server(&self) -> &str {
        &self.base
    }
}
