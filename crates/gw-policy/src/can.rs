//! Who may call what, asked offline: one call, the whole table, or everybody for one operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use gw_model::{api::Who, id::IdentityName, shape::nearest, source::Origin, workspace::Identity};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    decision::{self, Asked, Reason},
    denial::{Candidate, Denial, PolicyHit},
    principal::{Caller, Principal},
    snapshot::{Operation, Routed, Rule, Snapshot},
};

/// A call that nobody makes, to see what would become of it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub caller: &'a Caller,
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub ip: IpAddr,
    pub now: OffsetDateTime,
}

/// What would become of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub allowed: bool,
    pub reason: Reason,
    pub operation: Option<Asked>,
    /// The rule that grants it.
    pub grant: Option<Origin>,
    /// In the caller's words.
    pub why: Option<String>,
    pub candidates: Vec<Candidate>,
    pub policies: Vec<PolicyHit>,
    pub cure: Option<String>,
}

impl Answer {
    fn of(reason: Reason, operation: Option<Operation<'_>>) -> Self {
        Self {
            allowed: reason == Reason::Granted,
            reason,
            operation: operation.map(asked),
            grant: None,
            why: None,
            candidates: vec![],
            policies: vec![],
            cure: None,
        }
    }
}

/// The operation in the words of records.
pub fn asked(operation: Operation<'_>) -> Asked {
    let api = operation.api();
    Asked { api: api.name.clone(), operation: operation.id().to_owned(), owner: api.owner.clone() }
}

impl Snapshot {
    /// Decides a call as the gateway would.
    pub fn can(&self, question: &Question<'_>) -> Answer {
        let Question { caller, method, host, path, ip, now } = *question;
        let found = match self.route(host, method, path) {
            Routed::Found(found) => found,
            Routed::MethodNotListed(other) => {
                let mut answer = Answer::of(Reason::MethodNotListed, Some(other));
                let place = &other.api().name;
                let text =
                    format!("add {method} to the OpenAPI document of API {place}, and a rule");
                answer.why = Some(format!("the path is listed, {method} is not"));
                answer.cure = Some(text);
                return answer;
            }
            Routed::NoRoute => {
                let mut answer = Answer::of(Reason::NoRoute, None);
                answer.why = Some("no API lists this path".to_owned());
                answer.cure = Some(self.listing(path));
                return answer;
            }
            Routed::Refused(refusal) => {
                let mut answer = Answer::of(Reason::PathRefused, None);
                answer.why = Some(refusal.to_string());
                return answer;
            }
        };
        match found.operation.authorize(caller, ip, now) {
            Ok(permit) => {
                let mut answer = Answer::of(Reason::Granted, Some(found.operation));
                answer.grant = Some(permit.rule().clone());
                answer
            }
            Err(denial) => {
                let Denial { reason, why, needs: _, candidates, policies, cure } = *denial;
                let mut answer = Answer::of(reason, Some(found.operation));
                (answer.why, answer.cure) = (Some(why), Some(cure));
                (answer.candidates, answer.policies) = (candidates, policies);
                answer
            }
        }
    }

    /// What to do about a path that no API lists.
    fn listing(&self, path: &str) -> String {
        let add = "add the path to the OpenAPI document of an API, and a rule";
        match nearest(path, self.operations().map(Operation::path)) {
            Some(near) => format!("did you mean {near}? If not, {add}"),
            None => add.to_owned(),
        }
    }

    /// Every operation beside every class of callers that a rule tells apart.
    pub fn matrix(&self, now: OffsetDateTime) -> Matrix {
        let columns = columns(self);
        let row = |operation: Operation<'_>| Row {
            api: operation.api().name.to_string(),
            operation: operation.id().to_owned(),
            method: operation.method().as_str().to_owned(),
            path: operation.path().to_owned(),
            cells: columns.iter().map(|column| cell(operation, column, now)).collect(),
        };
        let rows = self.operations().map(row).collect();
        Matrix { columns, rows }
    }
}

impl Operation<'_> {
    /// Everybody who may call it, rule by rule, and the policies that may take it away.
    pub fn who_can(self, now: OffsetDateTime) -> WhoCan {
        let running = self.candidates().filter(|rule| rule.runs(now));
        let ways = running.map(|rule| Way {
            rule: rule.declared.at.clone(),
            who: describe(&rule.declared.who),
            until: rule.declared.until.map(|until| until.to_string()),
        });
        let (method, path) = (self.method().as_str().to_owned(), self.path().to_owned());
        let policies = self.forbids().map(|forbid| forbid.hit(None)).collect();
        WhoCan { operation: asked(self), method, path, ways: ways.collect(), policies }
    }
}

/// Everybody who may call one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoCan {
    pub operation: Asked,
    pub method: String,
    pub path: String,
    pub ways: Vec<Way>,
    /// Policies that can take the operation away from some of them.
    pub policies: Vec<PolicyHit>,
}

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    pub rule: Origin,
    pub who: String,
    pub until: Option<String>,
}

/// A class of callers: whoever proves this identity and holds these values, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// `None`: nobody in particular.
    pub identity: Option<IdentityName>,
    pub claims: BTreeMap<String, String>,
}

/// The table of access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub api: String,
    pub operation: String,
    pub method: String,
    pub path: String,
    /// One for each column.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cell {
    Allowed(Origin),
    /// A condition or a policy tells callers of the class apart, or looks at time or address.
    Depends(Origin),
    Refused,
}

/// No address matters where an answer is given for a whole class.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Combinations of claim values beyond this are left to `can` itself.
const COMBINATIONS_MAX: usize = 64;

fn columns(snapshot: &Snapshot) -> Vec<Column> {
    let mut columns = BTreeSet::from([Column { identity: None, claims: BTreeMap::new() }]);
    let rules = snapshot.apis().iter().flat_map(|api| &api.rules);
    for rule in rules {
        let Who::Proven { identities, claims, .. } = &rule.declared.who else { continue };
        let mut combinations = vec![BTreeMap::new()];
        for (name, values) in claims {
            let longer = combinations.iter().flat_map(|known| {
                values.iter().map(move |value| {
                    let mut longer: BTreeMap<String, String> = known.clone();
                    longer.insert(name.clone(), value.clone());
                    longer
                })
            });
            combinations = longer.take(COMBINATIONS_MAX).collect();
        }
        for identity in identities {
            let identity = Some(identity.clone());
            columns.insert(Column { identity: identity.clone(), claims: BTreeMap::new() });
            let each = combinations.iter().cloned();
            columns.extend(each.map(|claims| Column { identity: identity.clone(), claims }));
        }
    }
    columns.into_iter().collect()
}

/// Asks for one caller of the class. Where only what the class has in common was looked at, that is
/// the answer for all of it.
fn cell(operation: Operation<'_>, column: &Column, now: OffsetDateTime) -> Cell {
    let guards = &operation.snapshot().guards;
    let for_all = |rule: &Rule| {
        rule.when.is_none_or(|when| guards.looks(when).is_some_and(|looks| !looks.particular))
    };
    let mut granting =
        operation.candidates().filter(|rule| rule.runs(now) && grants(rule, column)).peekable();
    let Some(first) = granting.peek().map(|rule| rule.declared.at.clone()) else {
        return Cell::Refused;
    };
    let conditions_for_all = granting.all(for_all);
    let mut particular = operation.forbids().filter(|forbid| forbid.looks.particular);
    let caller = column.caller(operation.snapshot());
    match operation.authorize(&caller, SOMEWHERE, now) {
        Ok(permit) => {
            let at = permit.rule().clone();
            let whole = particular.next().is_none() && for_all(permit.granting());
            if whole { Cell::Allowed(at) } else { Cell::Depends(at) }
        }
        Err(denial) => {
            let particular: BTreeSet<&str> = particular.map(|forbid| forbid.id.as_str()).collect();
            let mut hits = denial.policies.iter();
            let ungranted = denial.policies.is_empty() && conditions_for_all;
            if ungranted || hits.any(|hit| !particular.contains(hit.id.as_str())) {
                Cell::Refused
            } else {
                Cell::Depends(first)
            }
        }
    }
}

impl Column {
    /// One caller of the class.
    fn caller(&self, snapshot: &Snapshot) -> Caller {
        let Some(identity) = &self.identity else { return Caller::default() };
        let issuer = match snapshot.identities().get(identity) {
            Some(Identity::Oidc(oidc)) => oidc.issuer.clone(),
            Some(_) | None => String::new(),
        };
        let claims = self.claims.iter();
        let claims = claims.map(|(name, value)| (name.clone(), [value.clone()].into()));
        Caller {
            principals: vec![Principal {
                identity: identity.clone(),
                issuer,
                subject: String::new(),
                claims: claims.collect(),
                expires_at: None,
            }],
        }
    }
}

fn grants(rule: &Rule, column: &Column) -> bool {
    match (&rule.declared.who, &column.identity) {
        (Who::Public, _) => true,
        (Who::Proven { .. }, None) => false,
        (Who::Proven { identities, claims, when: _ }, Some(identity)) => {
            let held = |(name, values): (&String, &Vec<String>)| {
                column.claims.get(name).is_some_and(|value| values.contains(value))
            };
            identities.contains(identity) && claims.iter().all(held)
        }
    }
}

/// `staff with groups orders-team or sales, if ...`.
fn describe(who: &Who) -> String {
    let Who::Proven { identities, claims, when } = who else { return "anyone".to_owned() };
    let names: Vec<_> = identities.iter().map(IdentityName::as_str).collect();
    let mut text = names.join(" or ");
    for (index, (name, values)) in claims.iter().enumerate() {
        let glue = if index == 0 { "with" } else { "and" };
        let values = values.join(" or ");
        text = format!("{text} {glue} {name} {values}");
    }
    if let Some(when) = when {
        text = format!("{text} if `{when}`");
    }
    text
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.allowed { "YES" } else { "NO" };
        let status = match self.reason.status() {
            0 => String::new(),
            status => format!(" ({status})"),
        };
        writeln!(f, "{said}  {}{status}", self.reason.code())?;
        decision::write_asked(f, self.reason, self.operation.as_ref())?;
        if let Some(grant) = &self.grant {
            writeln!(f, "  granted   by {grant}")?;
        }
        if let Some(why) = &self.why {
            writeln!(f, "  why       {why}")?;
        }
        decision::write_policies(f, &self.policies)?;
        decision::write_candidates(f, &self.candidates)?;
        if let Some(cure) = &self.cure {
            writeln!(f, "  cure      {cure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WhoCan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { api, operation, owner } = &self.operation;
        let owner = owner.as_ref().map(|owner| format!(" (owner {owner})")).unwrap_or_default();
        writeln!(f, "{} {} · {api}/{operation}{owner}", self.method, self.path)?;
        if self.ways.is_empty() {
            writeln!(f, "  nobody")?;
        }
        for Way { rule, who, until } in &self.ways {
            let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            writeln!(f, "  {who}{until}   {rule}")?;
        }
        for policy in &self.policies {
            let name =
                policy.own_id().map_or_else(|| "a policy".to_owned(), |id| format!("policy {id}"));
            writeln!(f, "  unless {name} forbids it   {}", policy.source)?;
        }
        Ok(())
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(identity) = &self.identity else { return f.write_str("anyone") };
        write!(f, "{identity}")?;
        let held: Vec<_> =
            self.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if held.is_empty() { Ok(()) } else { write!(f, " {}", held.join(" ")) }
    }
}

/// The columns are numbered, because their names are longer than their cells.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in self.columns.iter().enumerate() {
            writeln!(f, "{:>4}  {column}", index + 1)?;
        }
        let heads = self.rows.iter().map(|row| format!("{} {}", row.method, row.path));
        let heads: Vec<_> = heads.collect();
        let width = heads.iter().map(|head| head.chars().count()).max().unwrap_or_default();
        write!(f, "\n{:width$}", "")?;
        for index in 0..self.columns.len() {
            write!(f, " {:>3}", index + 1)?;
        }
        writeln!(f)?;
        for (head, row) in heads.iter().zip(&self.rows) {
            write!(f, "{head:<width$}")?;
            for cell in &row.cells {
                let sign = match cell {
                    Cell::Allowed(_) => '✔',
                    Cell::Depends(_) => '?',
                    Cell::Refused => '–',
                };
                write!(f, "   {sign}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\n✔ may call   ? depends on the single caller, time or address   – may not")
    }
}

#[cfg(test)]
mod tests;
