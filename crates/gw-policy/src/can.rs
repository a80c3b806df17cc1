//! Who may call what, asked offline: one call, the whole table, or everybody for one operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use gw_model::{
    api::Who, id::IdentityName, shape::nearest, source::Origin, terminal::line, workspace::Identity,
};
use serde::Serialize;
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use crate::{
    authorize::Asking,
    cedar::policy::{Forbid, Looks},
    decision::{self, Asked, Reason},
    denial::{Aspect, Candidate, Denial, Evidence, PolicyHit},
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
    pub ip: Known<IpAddr>,
    pub now: Known<OffsetDateTime>,
}

/// Something that a decision can turn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<T> {
    Given(T),
    /// Nobody said it. The answer tells that it was assumed, where it can decide.
    Assumed(T),
}

impl<T: Copy> Known<T> {
    fn value(self) -> T {
        let (Self::Given(value) | Self::Assumed(value)) = self;
        value
    }

    fn assumed(self) -> Option<T> {
        match self {
            Self::Given(_) => None,
            Self::Assumed(value) => Some(value),
        }
    }
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
    /// What nobody said and a condition or a policy looks at.
    #[serde(skip_serializing_if = "Assumed::is_empty")]
    pub assumed: Assumed,
}

/// With another address, or at another time, the answer may be another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assumed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
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
            assumed: Assumed::default(),
        }
    }
}

impl Assumed {
    /// What of a question is assumed, as far as something looks at it that is asked about its caller.
    fn of(operation: Operation<'_>, question: &Question<'_>) -> Self {
        let principals = &question.caller.principals;
        let names = |who: &Who, principal: &Principal| matches!(who, Who::Proven { identities, .. } if identities.contains(&principal.identity));
        let guards = &operation.snapshot().guards;
        let rules = operation.candidates().filter(|rule| {
            rule.runs(question.now.value())
                && principals.iter().any(|principal| names(&rule.declared.who, principal))
        });
        let conditions = rules.filter_map(|rule| guards.looks(rule.when?));
        let forbids = operation.forbids().filter(|forbid| match principals.as_slice() {
            [] => forbid.concerns(None),
            some => some.iter().any(|principal| forbid.concerns(Some(&principal.identity))),
        });
        let mut assumed = Self::default();
        for looks in conditions.chain(forbids.map(|forbid| &forbid.looks)) {
            if looks.address {
                assumed.address = question.ip.assumed();
            }
            if looks.time {
                assumed.time = question.now.assumed().map(written);
            }
        }
        assumed
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn written(moment: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    // Writing into a text with this form of a date in UTC cannot fail; the plain form is as clear.
    let utc = moment.to_offset(UtcOffset::UTC);
    utc.format(format).unwrap_or_else(|_| utc.to_string())
}

/// Whether an address decides that a call may not happen.
fn turns_on_address(operation: Operation<'_>, denial: &Denial) -> bool {
    if !denial.policies.is_empty() {
        let mut looking = operation.forbids().filter(|forbid| forbid.looks.address);
        return looking.any(|forbid| denial.policies.iter().any(|hit| hit.id == forbid.id));
    }
    let Some(nearest) = denial.candidates.first() else { return false };
    let guards = &operation.snapshot().guards;
    let looks = |rule: &Rule| {
        rule.declared.at == nearest.rule
            && rule.when.and_then(|when| guards.looks(when)).is_some_and(|looks| looks.address)
    };
    let of_condition = |part: &Evidence| matches!(part.aspect, Aspect::When | Aspect::WhenFailed);
    nearest.lacks().any(of_condition) && operation.candidates().any(looks)
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
        let assumed = Assumed::of(found.operation, question);
        let answer = match found.operation.authorize(caller, ip.value(), now.value()) {
            Ok(permit) => {
                let mut answer = Answer::of(Reason::Granted, Some(found.operation));
                answer.grant = Some(permit.rule().clone());
                answer
            }
            Err(mut denial) => {
                if assumed.address.is_some() && turns_on_address(found.operation, &denial) {
                    denial.cure = format!(
                        "it depends on the address: give --ip with the one that the call comes \
                         from; or {}",
                        denial.cure
                    );
                }
                let Denial { reason, why, needs: _, candidates, policies, cure } = *denial;
                let mut answer = Answer::of(reason, Some(found.operation));
                (answer.why, answer.cure) = (Some(why), Some(cure));
                (answer.candidates, answer.policies) = (candidates, policies);
                answer
            }
        };
        Answer { assumed, ..answer }
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

/// A class of callers: whoever proves this identity, and no other, and holds just these values of
/// these claims. Of other claims nothing is known.
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
    /// What is not known of the class decides: another claim, who it is, time or address.
    Depends(Origin),
    Refused,
}

/// Where a call comes from of which nobody says it.
pub const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

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

/// What is known of a class: it holds just the values that it lists of the claims that it lists, and
/// may hold anything of others.
fn cell(operation: Operation<'_>, column: &Column, now: OffsetDateTime) -> Cell {
    let caller = column.caller(operation.snapshot());
    let asking = Asking { operation, caller: &caller, ip: SOMEWHERE, now };
    let running = operation.candidates().filter(|rule| rule.runs(now));
    let granting: Vec<(&Rule, Part)> = running
        .map(|rule| (rule, column.granted(asking, rule)))
        .filter(|(_, part)| *part != Part::None)
        .collect();
    let Some((first, _)) = granting.first() else { return Cell::Refused };
    let forbidden = column.forbidden(asking);
    let whole = granting.iter().find(|(_, part)| *part == Part::All);
    match (whole, forbidden) {
        (_, Part::All) => Cell::Refused,
        (Some((rule, _)), Part::None) => Cell::Allowed(rule.declared.at.clone()),
        (Some(_) | None, Part::Some) | (None, Part::None) => {
            Cell::Depends(first.declared.at.clone())
        }
    }
}

/// How much of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    None,
    /// Perhaps some, perhaps none, perhaps all.
    Some,
    All,
}

impl Column {
    /// Whom of the class a running rule grants an operation.
    fn granted(&self, asking: Asking<'_, '_>, rule: &Rule) -> Part {
        let Who::Proven { identities, claims, when: _ } = &rule.declared.who else {
            return Part::All;
        };
        let [principal] = asking.caller.principals.as_slice() else { return Part::None };
        if !identities.contains(&principal.identity) {
            return Part::None;
        }
        let held = |(name, values): (&String, &Vec<String>)| match self.claims.get(name) {
            Some(value) if values.contains(value) => Part::All,
            Some(_) => Part::None,
            None => Part::Some,
        };
        let least = claims.iter().map(held).min().unwrap_or(Part::All);
        let Some(when) = rule.when.filter(|_| least != Part::None) else { return least };
        let looks = asking.operation.snapshot().guards.looks(when);
        if looks.is_none_or(|looks| self.is_told_apart_by(looks)) {
            return Part::Some;
        }
        if asking.holds(when, principal) == Ok(true) { least } else { Part::None }
    }

    /// Whom of the class the policies forbid it.
    fn forbidden(&self, asking: Asking<'_, '_>) -> Part {
        let concerns = |forbid: &&Forbid| forbid.concerns(self.identity.as_ref());
        let forbids: Vec<&Forbid> = asking.operation.forbids().filter(concerns).collect();
        if forbids.is_empty() {
            return Part::None;
        }
        let hits = asking.hits(asking.caller.principals.first());
        let ids: BTreeSet<&str> =
            hits.forbidden.iter().chain(&hits.failed).map(|hit| hit.id.as_str()).collect();
        let part = |forbid: &&Forbid| match self.is_told_apart_by(&forbid.looks) {
            true => Part::Some,
            false if ids.contains(forbid.id.as_str()) => Part::All,
            false => Part::None,
        };
        forbids.iter().map(part).max().unwrap_or(Part::None)
    }

    /// Whether what is not known of the class can decide.
    fn is_told_apart_by(&self, looks: &Looks) -> bool {
        let Looks { claims, computed, subject, address, time } = looks;
        // Of nobody in particular everything is known.
        let unknown = self.identity.is_some()
            && (*subject || *computed || claims.iter().any(|name| !self.claims.contains_key(name)));
        *address || *time || unknown
    }

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
        line(f, format_args!("{said}  {}{status}", self.reason.code()))?;
        decision::write_asked(f, self.reason, self.operation.as_ref())?;
        if let Some(grant) = &self.grant {
            line(f, format_args!("  granted   by {grant}"))?;
        }
        if let Some(why) = &self.why {
            line(f, format_args!("  why       {why}"))?;
        }
        if let Some(address) = &self.assumed.address {
            line(
                f,
                format_args!(
                    "  assumed   it comes from {address}; give --ip, the address can decide"
                ),
            )?;
        }
        if let Some(time) = &self.assumed.time {
            line(f, format_args!("  assumed   it is {time}; the time can decide"))?;
        }
        decision::write_policies(f, &self.policies)?;
        decision::write_candidates(f, &self.candidates)?;
        if let Some(cure) = &self.cure {
            line(f, format_args!("  cure      {cure}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for WhoCan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { api, operation, owner } = &self.operation;
        let owner = owner.as_ref().map(|owner| format!(" (owner {owner})")).unwrap_or_default();
        line(f, format_args!("{} {} · {api}/{operation}{owner}", self.method, self.path))?;
        if self.ways.is_empty() {
            line(f, format_args!("  nobody"))?;
        }
        for Way { rule, who, until } in &self.ways {
            let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            line(f, format_args!("  {who}{until}   {rule}"))?;
        }
        for policy in &self.policies {
            let name =
                policy.own_id().map_or_else(|| "a policy".to_owned(), |id| format!("policy {id}"));
            line(f, format_args!("  unless {name} forbids it   {}", policy.source))?;
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
            line(f, format_args!("{:>4}  {column}", index + 1))?;
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
            let cells = row.cells.iter().map(|cell| match cell {
                Cell::Allowed(_) => "   ✔",
                Cell::Depends(_) => "   ?",
                Cell::Refused => "   –",
            });
            line(f, format_args!("{head:<width$}{}", cells.collect::<String>()))?;
        }
        writeln!(
            f,
            "\n✔ may call   ? depends on other claims, the single caller, time or address   – may not"
        )
    }
}

#[cfg(test)]
mod tests;
