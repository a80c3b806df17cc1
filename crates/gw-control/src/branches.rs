//! The branches that the rules of an environment name. Of one that the repository does not have nothing
//! ever comes: most often it is a slip, and nobody would notice until it matters.

use std::{collections::BTreeSet, fmt};

use gw_model::{desired::Desired, shape::nearest};

use crate::source::git::View;

const BRANCHES: &str = "refs/heads/";

/// One that is named and not there, and the one that may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    pub name: String,
    pub near: Option<String>,
}

/// Where events are followed, and where commits must be.
pub fn named(rules: &Desired) -> BTreeSet<&str> {
    let releases = rules.spec.on.iter().flatten().map(|release| &release.branch);
    let commits = rules.spec.changes.iter().filter_map(|rule| rule.commit.as_ref());
    let all = releases.chain(commits.map(|commit| &commit.branch));
    all.flatten().map(String::as_str).collect()
}

/// Those that are named and not there. Where not all that is there is looked at, nobody can tell.
pub fn absent(rules: &Desired, view: &View) -> Vec<Absent> {
    if view.crowd() > 0 {
        return vec![];
    }
    let is_there = |name: &str| {
        let whole = format!("{BRANCHES}{name}");
        view.reference(&whole).is_some() || view.passed_over(&whole).is_some()
    };
    let names = named(rules).into_iter().filter(|name| !is_there(name));
    let known = || view.branches().keys().map(String::as_str);
    let absent = |name: &str| Absent {
        name: name.to_owned(),
        near: nearest(name, known()).map(ToString::to_string),
    };
    names.map(absent).collect()
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)?;
        match &self.near {
            Some(near) => write!(f, " (did you mean `{near}`?)"),
            None => Ok(()),
        }
    }
}
