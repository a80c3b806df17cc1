//! Who may call what, in a form that can be compared: the widening and narrowing of a change.
//!
//! A rule is a condition on a token that only ever asks for more: an identity, one value of each
//! named claim, a Cedar text, a last day. So "does the old set let in everyone whom this new rule
//! lets in?" can be answered exactly: look at every smallest token that satisfies the new rule. If
//! the old rules take each of those, they take every larger one too. Two different Cedar texts are
//! never taken for one another; where that is wrong, a change is reported that is none, not hidden.

mod class;
mod proof;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gw_model::{
    api::{Claims, Who},
    desired::{Api, Desired},
    diagnostic::Diagnostic,
    id::{ApiName, IdentityName},
    openapi::Operation,
    scalar::Method,
    source::Origin,
};
use time::Date;

use self::proof::{Proof, proofs_of, tell_apart};
pub use self::{class::CallerClass, proof::Proved};
use crate::cedar::{Guards, policy};

/// Smallest tokens that are looked at for one rule. A rule with more (five claims of ten values)
/// is compared claim by claim, which may report a change where two old rules together cover it.
const TOKENS_MAX: usize = 4096;

/// Who may call what in one environment.
#[derive(Clone, Debug, Default)]
pub struct Access {
    operations: BTreeMap<Address, Entry>,
}

/// What a caller sees of an operation. It stays the same when an operation moves to another API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub path: String,
    pub method: Method,
    pub host: Option<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    api: ApiName,
    operation: String,
    ways: Vec<Way>,
    forbids: BTreeMap<String, Forbid>,
}

/// A forbid that can touch an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbid {
    pub id: String,
    /// The policy itself. Equal texts forbid the same.
    pub text: String,
    pub at: Origin,
}

/// One way in: a rule, and one of its identities.
#[derive(Clone, Debug)]
struct Way {
    at: Origin,
    until: Option<Date>,
    who: WayWho,
}

#[derive(Clone, Debug)]
enum WayWho {
    Anyone,
    Proven { identity: IdentityName, proofs: Arc<[Proof]>, claims: Claims, when: Option<String> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Widens,
    Narrows,
}

/// A class of callers that gains or loses one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    pub direction: Direction,
    pub address: Address,
    pub api: ApiName,
    pub operation: String,
    pub class: CallerClass,
    /// Those of the class who keep the operation where it narrows, or had it before where it widens.
    pub within: Vec<CallerClass>,
    /// The rule that lets them in now, or that let them in before.
    pub at: Origin,
}

impl Access {
    /// Describes one environment on one day, as far as its APIs are asked for. `forbids` says which
    /// policies can touch an operation.
    pub fn describe(
        desired: &Desired,
        today: Date,
        wanted: impl Fn(&ApiName) -> bool,
        forbids: impl Fn(&ApiName, &Operation) -> Vec<Forbid>,
    ) -> Self {
        let proofs: BTreeMap<&IdentityName, Arc<[Proof]>> = desired
            .identities
            .iter()
            .map(|(name, identity)| (name, proofs_of(identity).into()))
            .collect();
        let mut operations = BTreeMap::new();
        for (name, api) in desired.apis.iter().filter(|(name, _)| wanted(name)) {
            for operation in &api.operations {
                let entry = Entry {
                    api: name.clone(),
                    operation: operation.id.clone(),
                    ways: ways_of(api, operation, today, &proofs),
                    forbids: forbids(name, operation)
                        .into_iter()
                        .map(|forbid| (forbid.text.clone(), forbid))
                        .collect(),
                };
                operations.insert(address_of(api, operation), entry);
            }
        }
        Self { operations }
    }

    /// The same, with the policies of the environment itself.
    pub fn compile(
        desired: &Desired,
        today: Date,
        wanted: impl Fn(&ApiName) -> bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = vec![];
        let Some(guards) = Guards::compile(desired, &[], &mut findings) else {
            return Err(findings);
        };
        let named = |forbid: &policy::Forbid| {
            let (id, at) = (forbid.id.clone(), forbid.source.clone());
            Forbid { id, text: forbid.canonical(), at }
        };
        let forbids: Vec<Forbid> = guards.forbids.iter().map(named).collect();
        Ok(Self::describe(desired, today, wanted, |api, operation| {
            let numbers = guards.numbers(api, &operation.id);
            numbers.into_iter().filter_map(|number| forbids.get(number).cloned()).collect()
        }))
    }

    /// Every class of callers that gains or loses something between two descriptions, by address.
    pub fn changes_to(&self, after: &Self) -> Vec<AccessChange> {
        let addresses: BTreeSet<&Address> =
            self.operations.keys().chain(after.operations.keys()).collect();
        let mut changes = vec![];
        for address in addresses {
            let (old, new) = (self.operations.get(address), after.operations.get(address));
            compare(Direction::Narrows, address, old, new, &mut changes);
            compare(Direction::Widens, address, new, old, &mut changes);
        }
        changes
    }

    /// The classes that may call an operation, as the rules say it.
    pub fn callers(&self, address: &Address) -> Vec<CallerClass> {
        let ways = self.operations.get(address).map(|entry| entry.ways.as_slice());
        ways.unwrap_or_default().iter().map(CallerClass::of).collect()
    }

    /// The API and the name of an operation.
    pub fn operation(&self, address: &Address) -> Option<(&ApiName, &str)> {
        self.operations.get(address).map(|entry| (&entry.api, entry.operation.as_str()))
    }

    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.operations.keys()
    }
}

/// Where callers find an operation: the extra path in front, then the path of the OpenAPI document.
pub fn address_of(api: &Api, operation: &Operation) -> Address {
    let front = api.spec.listen.path.as_deref().unwrap_or_default().trim_end_matches('/');
    Address {
        path: format!("{front}{}", operation.path),
        method: operation.method,
        host: api.spec.listen.host.clone(),
    }
}

fn ways_of(
    api: &Api,
    operation: &Operation,
    today: Date,
    proofs: &BTreeMap<&IdentityName, Arc<[Proof]>>,
) -> Vec<Way> {
    let mut ways = vec![];
    for rule in &api.spec.access {
        if !rule.selection().covers(operation) || rule.until.is_some_and(|until| until < today) {
            continue;
        }
        let mut push = |who| ways.push(Way { at: rule.at.clone(), until: rule.until, who });
        match &rule.who {
            Who::Public => push(WayWho::Anyone),
            Who::Proven { identities, claims, when } => {
                for identity in identities {
                    push(WayWho::Proven {
                        identity: identity.clone(),
                        proofs: proofs.get(identity).cloned().unwrap_or_default(),
                        claims: claims.clone(),
                        when: when.clone(),
                    });
                }
            }
        }
    }
    // The broadest first, so that what they cover is told once.
    ways.sort_by_key(|way| match &way.who {
        WayWho::Anyone => (0, false),
        WayWho::Proven { claims, when, .. } => (1 + claims.len(), when.is_some()),
    });
    ways
}

/// Adds a change for each class that `here` lets in and `there` does not.
fn compare(
    direction: Direction,
    address: &Address,
    here: Option<&Entry>,
    there: Option<&Entry>,
    changes: &mut Vec<AccessChange>,
) {
    let Some(here) = here else { return };
    let mut push = |class, within, at: &Origin| {
        changes.push(AccessChange {
            direction,
            address: address.clone(),
            api: here.api.clone(),
            operation: here.operation.clone(),
            class,
            within,
            at: at.clone(),
        });
    };
    let ways = there.map(|entry| entry.ways.as_slice()).unwrap_or_default();
    let mut covered: Vec<&Way> = ways.iter().collect();
    for way in &here.ways {
        for Uncovered { way, class } in uncovered(way, &covered, ways) {
            let mut within = broadest(ways.iter().filter(|other| way.covers(other)));
            // Who differs by the proof alone has been told apart by it.
            within.retain(|part| !part.beyond(&class).is_empty());
            push(class, within, &way.at);
        }
        // A narrower rule beside it says nothing new.
        covered.push(way);
    }
    // A policy only takes away: whom `there` forbids and `here` does not, `here` lets in.
    if let Some(there) = there {
        for (text, forbid) in &there.forbids {
            if !here.forbids.contains_key(text) {
                let class = CallerClass::NamedByPolicy { id: forbid.id.clone() };
                push(class, vec![], &forbid.at);
            }
        }
    }
}

/// Some callers whom a way lets in and no other does.
struct Uncovered {
    /// A way that would let in just them.
    way: Way,
    class: CallerClass,
}

/// The classes inside `way` that no way of `others` lets in. `there` are the ways of the other side.
fn uncovered(way: &Way, others: &[&Way], there: &[Way]) -> Vec<Uncovered> {
    let others: Vec<&Way> =
        others.iter().copied().filter(|other| lasts_as_long(other.until, way.until)).collect();
    if others.iter().any(|other| matches!(other.who, WayWho::Anyone)) {
        return vec![];
    }
    let WayWho::Proven { identity, proofs, claims, when } = &way.who else {
        return vec![Uncovered { way: way.clone(), class: CallerClass::of(way) }];
    };
    let condition = when.as_deref();
    let tokens = smallest_tokens(claims);
    // By the tokens that are not taken: the ways of being the identity for which that is so.
    let mut left: BTreeMap<Vec<Token<'_>>, Vec<&Proof>> = BTreeMap::new();
    for proof in proofs.iter() {
        let takes =
            |token: &Token<'_>| others.iter().any(|other| takes(other, proof, token, condition));
        let refused: Vec<Token<'_>> = match &tokens {
            Some(tokens) => tokens.iter().filter(|token| !takes(token)).cloned().collect(),
            None if others.iter().any(|other| takes_all(other, proof, claims, condition)) => vec![],
            None => vec![Token::new()],
        };
        if !refused.is_empty() {
            left.entry(refused).or_default().push(proof);
        }
    }
    let known: Vec<&Proof> = there.iter().flat_map(|other| other.proofs_of(identity)).collect();
    let mut found = vec![];
    for (refused, of) in left {
        let proved = tell_apart(&of, proofs, &known);
        let proofs: Arc<[Proof]> = of.into_iter().cloned().collect();
        let classes = if tokens.is_none() { vec![claims.clone()] } else { merge(&refused) };
        for claims in classes {
            let (identity, when) = (identity.clone(), when.clone());
            let who = WayWho::Proven { identity, proofs: Arc::clone(&proofs), claims, when };
            let way = Way { who, ..way.clone() };
            let class = CallerClass::of(&way).proved(proved.clone());
            found.push(Uncovered { way, class });
        }
    }
    found
}

/// The classes of some ways, without those that are part of another.
fn broadest<'a>(ways: impl Iterator<Item = &'a Way>) -> Vec<CallerClass> {
    let mut kept: Vec<&Way> = vec![];
    for way in ways {
        if !kept.iter().any(|wider| wider.covers(way)) {
            kept.retain(|narrower| !way.covers(narrower));
            kept.push(way);
        }
    }
    kept.into_iter().map(CallerClass::of).collect()
}

impl Way {
    /// Whether it lets in everybody whom another lets in.
    fn covers(&self, other: &Self) -> bool {
        if !lasts_as_long(self.until, other.until) {
            return false;
        }
        match (&self.who, &other.who) {
            (WayWho::Anyone, _) => true,
            (WayWho::Proven { .. }, WayWho::Anyone) => false,
            (WayWho::Proven { .. }, WayWho::Proven { identity: _, proofs, claims, when }) => {
                proofs.iter().all(|proof| takes_all(self, proof, claims, when.as_deref()))
            }
        }
    }

    fn proofs_of(&self, wanted: &IdentityName) -> &[Proof] {
        match &self.who {
            WayWho::Proven { identity, proofs, .. } if identity == wanted => proofs,
            WayWho::Proven { .. } | WayWho::Anyone => &[],
        }
    }
}

/// One value for each claim that a rule names.
type Token<'a> = BTreeMap<&'a str, &'a str>;

/// Every smallest token that satisfies the claims, or nothing where there are too many to look at.
fn smallest_tokens(claims: &Claims) -> Option<Vec<Token<'_>>> {
    let mut tokens = vec![Token::new()];
    for (claim, values) in claims {
        if tokens.len().saturating_mul(values.len()) > TOKENS_MAX {
            return None;
        }
        let mut longer = vec![];
        for token in tokens {
            for value in values {
                let mut token = token.clone();
                token.insert(claim, value);
                longer.push(token);
            }
        }
        tokens = longer;
    }
    Some(tokens)
}

fn takes(way: &Way, proof: &Proof, token: &Token<'_>, when: Option<&str>) -> bool {
    holds(way, proof, when, |claim, values| {
        token.get(claim).is_some_and(|held| values.iter().any(|value| value == held))
    })
}

fn takes_all(way: &Way, proof: &Proof, claims: &Claims, when: Option<&str>) -> bool {
    holds(way, proof, when, |claim, values| {
        claims.get(claim).is_some_and(|held| held.iter().all(|value| values.contains(value)))
    })
}

fn holds(
    way: &Way,
    proof: &Proof,
    condition: Option<&str>,
    has: impl Fn(&str, &[String]) -> bool,
) -> bool {
    let WayWho::Proven { proofs, claims, when, .. } = &way.who else { return true };
    proofs.iter().any(|own| own.accepts(proof))
        && claims.iter().all(|(claim, values)| has(claim, values))
        && (when.is_none() || when.as_deref() == condition)
}

fn lasts_as_long(until: Option<Date>, other: Option<Date>) -> bool {
    match (until, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(until), Some(other)) => until >= other,
    }
}

/// Puts tokens back together: as one class where they are every combination of their values,
/// otherwise one class for each.
fn merge(tokens: &[Token<'_>]) -> Vec<Claims> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for token in tokens {
        for (claim, value) in token {
            values.entry(claim).or_default().insert(value);
        }
    }
    let combinations: usize = values.values().map(BTreeSet::len).product();
    let owned = |set: &BTreeSet<&str>| set.iter().map(|text| (*text).to_owned()).collect();
    let distinct: BTreeSet<&Token<'_>> = tokens.iter().collect();
    if combinations == distinct.len() {
        return vec![values.iter().map(|(claim, set)| ((*claim).to_owned(), owned(set))).collect()];
    }
    let single = |token: &&Token<'_>| {
        token
            .iter()
            .map(|(claim, value)| ((*claim).to_owned(), vec![(*value).to_owned()]))
            .collect()
    };
    distinct.iter().map(single).collect()
}
