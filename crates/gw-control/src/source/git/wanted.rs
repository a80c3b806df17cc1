//! Which branches and tags matter. A repository may have any number of others, and what is wrong with
//! one of those stops nobody.

use std::collections::BTreeSet;

use gw_policy::change::is_like;

use super::{id::ObjectId, talk::Announced};

/// What somebody wants of a repository, by whole names such as `refs/heads/main`.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// They come first and on their own. None: the main branch.
    pub named: BTreeSet<String>,
    /// They come next, and are there also where there are too many; `*` stands for any part.
    pub preferred: BTreeSet<String>,
}

/// How early a branch or tag comes, the earliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Named,
    Preferred,
    Like,
    Known,
    Other,
}

/// Branches and tags in the order in which they are asked for.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) named: Vec<(String, ObjectId)>,
    pub(super) others: Vec<(String, ObjectId)>,
    /// So many are not looked at.
    pub(super) crowd: usize,
}

impl Wanted {
    /// Nothing but this.
    pub fn only(name: String) -> Self {
        Self { named: [name].into(), ..Self::default() }
    }

    /// What the names that matter begin with.
    pub(super) fn prefixes(&self) -> Vec<&str> {
        let all = self.named.iter().chain(&self.preferred);
        all.filter_map(|name| name.split('*').next()).collect()
    }

    /// Whether it is more than one of the others.
    pub(super) fn names(&self, name: &str) -> bool {
        self.rank(name, None) < Rank::Known
    }

    /// Of all that a host has, as many as are looked at.
    pub(super) fn choose(
        &self,
        announced: &Announced,
        is_known: impl Fn(&str) -> bool,
        limit: usize,
    ) -> Chosen {
        let ranked = announced.refs.iter().map(|(name, id)| {
            let rank = match self.rank(name, announced.main.as_deref()) {
                Rank::Other if is_known(name) => Rank::Known,
                rank => rank,
            };
            (rank, name, id)
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort();
        let mut chosen = Chosen::default();
        for (rank, name, id) in ranked {
            let entry = (name.clone(), *id);
            match rank {
                Rank::Named => chosen.named.push(entry),
                Rank::Preferred => chosen.others.push(entry),
                _ if chosen.named.len() + chosen.others.len() < limit => chosen.others.push(entry),
                _ => chosen.crowd += 1,
            }
        }
        chosen
    }

    fn rank(&self, name: &str, main: Option<&str>) -> Rank {
        let is_main = Some(name) == main;
        if self.named.contains(name) || is_main && self.named.is_empty() {
            Rank::Named
        } else if is_main || self.preferred.contains(name) {
            Rank::Preferred
        } else if self.preferred.iter().any(|like| is_like(like, name)) {
            Rank::Like
        } else {
            Rank::Other
        }
    }
}
