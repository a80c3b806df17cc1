//! Everything that decides calls in one environment on one target, compiled once and never changed.
//!
//! A new configuration is a new snapshot, swapped whole: a call is decided by one of them from its
//! first stage to its last, because everything it gets borrows from the snapshot. Dropping a large
//! snapshot takes time, so its owner does that away from the threads that serve calls.

use std::{collections::BTreeMap, fmt};

use gw_model::{
    api::{AccessRule, ApiSpec, Cors, Headers, Limit, Listen, Upstream, Validate, Who},
    code::Code,
    desired::{self, Desired},
    diagnostic::{Diagnostic, Meant, Severity},
    id::{ApiName, EnvironmentName, IdentityName, TargetName},
    scalar::{ByteSize, Method},
    source::Origin,
    workspace::Identity,
};
use time::{OffsetDateTime, Time, UtcDateTime};

use crate::{
    cedar::{self, Guards, NotEvaluated, policy::Forbid},
    route::{self, Lookup, PathRefusal, Router, RouterBuilder, Template},
};

/// What decides calls. `Send`, `Sync`, immutable.
pub struct Snapshot {
    environment: EnvironmentName,
    target: TargetName,
    identities: BTreeMap<IdentityName, Identity>,
    apis: Box<[Api]>,
    rows: Box<[Row]>,
    router: Router,
    pub(crate) guards: Guards,
}

/// An API as far as calls need it.
#[derive(Debug)]
pub struct Api {
    pub name: ApiName,
    /// Its place among the snapshot's APIs: a gateway keeps what it holds per API in a list.
    pub index: usize,
    pub at: Origin,
    pub owner: Option<String>,
    pub host: Option<String>,
    /// In front of every path, without `/` at its end; empty where there is none.
    pub mount: String,
    pub strip_mount: bool,
    pub upstream: Upstream,
    pub limits: Box<[Limit]>,
    pub cors: Option<Cors>,
    pub headers: Headers,
    pub validate: Validate,
    pub max_body: Option<ByteSize>,
    pub rules: Box<[Rule]>,
}

/// One way in, ready to be asked.
#[derive(Debug)]
pub struct Rule {
    pub declared: AccessRule,
    /// Unix seconds from which it no longer holds: the end of its last day, UTC.
    ends_at: Option<i64>,
    /// Its Cedar condition among the snapshot's.
    pub(crate) when: Option<usize>,
}

/// An operation of one snapshot.
#[derive(Clone, Copy)]
pub struct Operation<'s> {
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) row: &'s Row,
    api: &'s Api,
    index: usize,
}

pub(crate) struct Row {
    api: ApiIndex,
    method: Method,
    id: Box<str>,
    /// As callers use it: mount and template.
    path: Box<str>,
    /// Rules of the API whose methods and operations admit this one.
    candidates: Box<[u32]>,
    limits: Box<[u32]>,
    /// The forbids that can touch it, among the snapshot's sets.
    pub(crate) guard: Option<u32>,
}

/// What a request head means.
#[derive(Debug)]
pub enum Routed<'s, 'r> {
    Found(Found<'s, 'r>),
    /// The path is listed, the method is not: the operation is one that answers there.
    MethodNotListed(Operation<'s>),
    NoRoute,
    Refused(PathRefusal),
}

/// An operation, and the normal form of the path that led to it.
#[derive(Debug)]
pub struct Found<'s, 'r> {
    pub operation: Operation<'s>,
    path: std::borrow::Cow<'r, str>,
}

/// The place of an API among the snapshot's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ApiIndex(u32);

impl ApiIndex {
    fn new(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn get(self, apis: &[Api]) -> Option<&Api> {
        apis.get(usize::try_from(self.0).ok()?)
    }
}

/// The place of an operation among the snapshot's, as the router knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowIndex(u32);

impl RowIndex {
    fn new(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn get(self, rows: &[Row]) -> Option<&Row> {
        rows.get(usize::try_from(self.0).ok()?)
    }
}

impl Snapshot {
    /// Compiles all that decides calls to one target. Errors are everything that stands in the way.
    pub fn compile(desired: &Desired, target: &TargetName) -> Result<Self, Vec<Diagnostic>> {
        let (snapshot, findings) = Self::compile_with_warnings(desired, target);
        let is_error = |found: &Diagnostic| found.severity() == Severity::Error;
        match snapshot {
            Some(snapshot) if !findings.iter().any(is_error) => Ok(snapshot),
            Some(_) | None => Err(findings.into_iter().filter(is_error).collect()),
        }
    }

    /// The same, with every finding; without a snapshot where one of them is an error.
    pub fn compile_with_warnings(
        desired: &Desired,
        target: &TargetName,
    ) -> (Option<Self>, Vec<Diagnostic>) {
        let mut compiler = Compiler::default();
        let served = desired.apis.iter().filter(|(_, api)| api.spec.targets.contains(target));
        for (name, api) in served {
            compiler.add(name, api);
        }
        compiler.find_shadowed();
        let guards = cedar::Guards::compile(desired, &compiler.conditions, &mut compiler.findings);
        let Compiler { apis, mut rows, router, mut findings, .. } = compiler;
        let Some(mut guards) = guards else { return (None, findings) };
        if let Err(NotEvaluated(error)) = guard_rows(&mut rows, &apis, &mut guards) {
            findings.push(Diagnostic::new(Code::PolicyInvalid, error));
        }
        let is_error = |found: &Diagnostic| found.severity() == Severity::Error;
        if findings.iter().any(is_error) {
            return (None, findings);
        }
        let snapshot = Self {
            environment: desired.environment.clone(),
            target: target.clone(),
            identities: desired.identities.clone(),
            apis: apis.into_boxed_slice(),
            rows: rows.into_boxed_slice(),
            router: router.finish(),
            guards,
        };
        (Some(snapshot), findings)
    }

    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    pub fn target(&self) -> &TargetName {
        &self.target
    }

    pub fn identities(&self) -> &BTreeMap<IdentityName, Identity> {
        &self.identities
    }

    pub fn apis(&self) -> &[Api] {
        &self.apis
    }

    /// Ordered by API, then path, then method.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        (0..self.rows.len()).filter_map(|index| self.operation(index))
    }

    pub fn operation(&self, index: usize) -> Option<Operation<'_>> {
        let row = self.rows.get(index)?;
        let api = row.api.get(&self.apis)?;
        Some(Operation { snapshot: self, row, api, index })
    }

    /// Finds the operation that a request head means. `path` is without query.
    pub fn route<'r>(&self, host: &str, method: &str, path: &'r str) -> Routed<'_, 'r> {
        let path = match route::normalize(path) {
            Ok(path) => path,
            Err(refusal) => return Routed::Refused(refusal),
        };
        let method = method.parse().ok();
        let at = |index: u32| self.operation(usize::try_from(index).ok()?);
        match self.router.find(host, method, &path) {
            Lookup::Found(index) => match at(index) {
                Some(operation) => Routed::Found(Found { operation, path }),
                None => Routed::NoRoute,
            },
            Lookup::MethodNotListed(index) => {
                at(index).map_or(Routed::NoRoute, Routed::MethodNotListed)
            }
            Lookup::NoRoute => Routed::NoRoute,
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("environment", &self.environment)
            .field("target", &self.target)
            .field("apis", &self.apis.len())
            .field("operations", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl<'s> Operation<'s> {
    pub fn api(self) -> &'s Api {
        self.api
    }

    pub fn snapshot(self) -> &'s Snapshot {
        self.snapshot
    }

    /// Its place among the snapshot's operations.
    pub fn index(self) -> usize {
        self.index
    }

    pub fn id(self) -> &'s str {
        &self.row.id
    }

    pub fn method(self) -> Method {
        self.row.method
    }

    /// The template as callers use it.
    pub fn path(self) -> &'s str {
        &self.row.path
    }

    /// The rules that can grant it, in the order of the file.
    pub fn candidates(self) -> impl Iterator<Item = &'s Rule> {
        let rules = &self.api.rules;
        self.row.candidates.iter().filter_map(|index| rules.get(usize::try_from(*index).ok()?))
    }

    /// The limits that count it, with their place among those of the API.
    pub fn limits(self) -> impl Iterator<Item = (usize, &'s Limit)> {
        let limits = &self.api.limits;
        let places = self.row.limits.iter().filter_map(|index| usize::try_from(*index).ok());
        places.filter_map(|index| Some((index, limits.get(index)?)))
    }

    /// The forbids that can touch it.
    pub fn forbids(self) -> impl Iterator<Item = &'s Forbid> {
        self.snapshot.guards.touching(self)
    }

    /// Whether anyone may call it without proof.
    pub fn is_public(self) -> bool {
        self.candidates().any(|rule| matches!(rule.declared.who, Who::Public))
    }
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({}/{})", self.api.name, self.row.id)
    }
}

impl Rule {
    fn new(declared: &AccessRule, when: Option<usize>) -> Self {
        let last_day = declared.until.and_then(time::Date::next_day);
        let ends_at = last_day.map(|day| UtcDateTime::new(day, Time::MIDNIGHT).unix_timestamp());
        Self { declared: declared.clone(), ends_at, when }
    }

    /// Whether its last day is not past.
    pub(crate) fn runs(&self, now: OffsetDateTime) -> bool {
        self.ends_at.is_none_or(|end| now.unix_timestamp() < end)
    }
}

impl Found<'_, '_> {
    /// The path in normal form, as the caller used it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What comes behind the upstream's own path: the normal form, without the mount where
    /// `stripPath` says so.
    pub fn upstream_path(&self) -> &str {
        let api = self.operation.api;
        if api.strip_mount {
            self.path.strip_prefix(&*api.mount).unwrap_or(&self.path)
        } else {
            &self.path
        }
    }
}

/// A `when` of an access rule, before it is compiled.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) at: Origin,
    pub(crate) text: String,
}

#[derive(Default)]
struct Compiler {
    apis: Vec<Api>,
    rows: Vec<Row>,
    /// Beside each row: its path as it is compared.
    templates: Vec<Option<Template>>,
    router: RouterBuilder,
    conditions: Vec<Condition>,
    findings: Vec<Diagnostic>,
}

impl Compiler {
    fn add(&mut self, name: &ApiName, declared: &desired::Api) {
        let ApiSpec {
            owner,
            openapi: _,
            version,
            targets: _,
            environments: _,
            listen: Listen { host, path: listen_path, strip_path },
            upstream,
            access,
            limits,
            cors,
            headers,
            validate,
            max_body,
            native: _,
        } = &declared.spec;
        if version.is_some() {
            let message = format!("API `{name}` declares a `version`");
            let finding = Diagnostic::new(Code::VersionsUnavailable, message);
            self.findings.push(
                finding
                    .on(&declared.at, "this API")
                    .help("leave `version` out, and give each version a `listen.path` of its own"),
            );
        }
        let mount = match listen_path.as_deref().map(|path| path.trim_end_matches('/')) {
            None | Some("") => String::new(),
            Some(path) => match route::normalize(path) {
                Ok(normal) => normal.into_owned(),
                Err(refusal) => {
                    let told = refused_path(path, refusal);
                    let meant = Meant::Api(name.clone());
                    self.findings.push(told.on_meant(meant, &declared.at, "the path of this API"));
                    return;
                }
            },
        };
        let rules = access.iter().map(|rule| Rule::new(rule, self.condition(rule))).collect();
        let api = Api {
            name: name.clone(),
            index: self.apis.len(),
            at: declared.at.clone(),
            owner: owner.clone(),
            host: host.as_deref().map(|host| route::host_name(host).into_owned()),
            mount,
            strip_mount: *strip_path,
            upstream: upstream.clone(),
            limits: limits.clone().into_boxed_slice(),
            cors: cors.clone(),
            headers: headers.clone(),
            validate: *validate,
            max_body: *max_body,
            rules,
        };
        for operation in &declared.operations {
            self.add_operation(&api, operation);
        }
        self.apis.push(api);
    }

    fn condition(&mut self, rule: &AccessRule) -> Option<usize> {
        let Who::Proven { when: Some(text), .. } = &rule.who else { return None };
        self.conditions.push(Condition { at: rule.at.clone(), text: text.clone() });
        Some(self.conditions.len() - 1)
    }

    /// Adds an operation of the API that is added next.
    fn add_operation(&mut self, api: &Api, operation: &gw_model::openapi::Operation) {
        let gw_model::openapi::Operation { id, method, path, .. } = operation;
        let path = format!("{}{path}", api.mount);
        let template = match Template::parse(&path) {
            Ok(template) => template,
            Err(refusal) => {
                let told = refused_path(&path, refusal);
                // Other methods of the path say the same.
                if self.findings.last().map(|last| &last.message) != Some(&told.message) {
                    let told = told.on_meant(operation_of(api, id), &api.at, "this path");
                    self.findings.push(told);
                }
                return;
            }
        };
        let own = ApiIndex::new(api.index);
        let RowIndex(index) = RowIndex::new(self.rows.len());
        let before = self.router.add(api.host.as_deref(), &template, *method, index);
        let twice = before.into_iter().find(|(known, other)| {
            let row = RowIndex(*other).get(&self.rows);
            known == method || row.is_some_and(|row| row.api != own)
        });
        if let Some((_, other)) = twice {
            let finding = self.same_path(api, &path, *method, RowIndex(other));
            self.findings.push(finding);
        }
        let admitting = api.rules.iter().map(|rule| rule.declared.selection().covers(operation));
        let counting = api.limits.iter().map(|limit| limit.selection().covers(operation));
        self.rows.push(Row {
            api: own,
            method: *method,
            id: id.as_str().into(),
            path: path.into_boxed_str(),
            candidates: numbers(admitting),
            limits: numbers(counting),
            guard: None,
        });
        self.templates.push(Some(template));
    }

    fn same_path(&self, api: &Api, path: &str, method: Method, other: RowIndex) -> Diagnostic {
        let row = other.get(&self.rows);
        let first = row.and_then(|row| row.api.get(&self.apis));
        let first = first.unwrap_or(api);
        let message = if first.name == api.name {
            format!("API `{}` lists {method} `{path}` twice", api.name)
        } else {
            format!("`{path}` is answered by API `{}` and by API `{}`", first.name, api.name)
        };
        let meant = |api: &Api| Meant::Api(api.name.clone());
        let finding = Diagnostic::new(Code::SamePath, message);
        let finding = finding.on_meant(meant(api), &api.at, "answers it");
        let finding = if first.name == api.name {
            finding
        } else {
            finding.on_meant(meant(first), &first.at, "answers it too")
        };
        finding.help("give one of them a `listen.host` or a `listen.path` of its own")
    }

    /// Paths of different APIs that fit the same calls, where one is more exact: one finding for two
    /// APIs is enough.
    fn find_shadowed(&mut self) {
        let mut told = std::collections::BTreeSet::new();
        let owner = |index: u32| RowIndex(index).get(&self.rows).map(|row| row.api);
        let mut findings = vec![];
        for (row, template) in self.rows.iter().zip(&self.templates) {
            let Some(template) = template else { continue };
            let Some(api) = row.api.get(&self.apis) else { continue };
            let foreign = |other: u32| owner(other) != Some(row.api);
            let Some(loser) = self.router.shadowed(api.host.as_deref(), template, &foreign) else {
                continue;
            };
            let Some(lost) = RowIndex(loser).get(&self.rows) else { continue };
            let Some(other) = lost.api.get(&self.apis) else { continue };
            if told.insert((row.api, lost.api)) {
                let (path, loser) = (&row.path, &lost.path);
                let message = format!(
                    "`{path}` of API `{}` hides calls that `{loser}` of API `{}` would answer",
                    api.name, other.name
                );
                let finding = Diagnostic::new(Code::ShadowedRoute, message);
                findings.push(
                    finding
                        .on_meant(operation_of(api, &row.id), &api.at, "is more exact")
                        .on_meant(operation_of(other, &lost.id), &other.at, "is hidden"),
                );
            }
        }
        self.findings.append(&mut findings);
    }
}

fn operation_of(api: &Api, id: &str) -> Meant {
    Meant::Operation { api: api.name.clone(), id: id.to_owned() }
}

fn refused_path(path: &str, refusal: PathRefusal) -> Diagnostic {
    let message = format!("no call can have the path `{path}`: {refusal}");
    Diagnostic::new(Code::UnroutablePath, message)
}

/// Gives each operation the forbids that can touch it.
fn guard_rows(rows: &mut [Row], apis: &[Api], guards: &mut Guards) -> Result<(), NotEvaluated> {
    for row in rows {
        let api = row.api.get(apis);
        let lost = || NotEvaluated(format!("operation `{}` has no API", row.id));
        row.guard = guards.guard(&api.ok_or_else(lost)?.name, &row.id)?;
    }
    Ok(())
}

/// The places where it is true.
fn numbers(marks: impl Iterator<Item = bool>) -> Box<[u32]> {
    let numbered = marks.zip(0_u32..).filter(|(mark, _)| *mark);
    numbered.map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests;
