//! REST 2.0: from a request to an answer, in named steps.
//!
//! Fault, operation, caller, scopes, repository, permission, body, and only then the handler.

mod comments;
mod commits;
mod hooks;
mod insights;
mod permissions;
mod pipelines;
mod pulls;
mod refs;
mod repositories;
mod restrictions;
mod routes;
mod statuses;
#[cfg(test)]
mod tests;

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use time::OffsetDateTime;
use url::form_urlencoded;

use self::routes::{Needs, Route};
use super::{
    Host,
    access::{Caller, Door, Kind, authenticate},
    contract::{Found, Operation, Parameters, encode},
    events::Teller,
    paging::{self, Pages},
    refusal::Refusal,
    render::View,
    state::{Permission, Repository, Uuid, World},
};

/// A request, as far as it is needed.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Of the API, below `/2.0`; of git, from the root.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    body: Option<Value>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: Some(body) }
    }

    /// Something new, and its address.
    fn created(address: &str, body: Value) -> Self {
        let headers = vec![(header::LOCATION, address.to_owned())];
        Self { status: 201, headers, body: Some(body) }
    }

    fn nothing() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    fn elsewhere(address: String) -> Self {
        Self { status: 302, headers: vec![(header::LOCATION, address)], body: None }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = match self.body {
            Some(body) => (status, Json(body)).into_response(),
            None => status.into_response(),
        };
        for (name, value) in self.headers {
            // An address that no header can carry was never one.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

type Result<T = Answer> = std::result::Result<T, Refusal>;
type Handler = fn(&Call<'_>, &mut World) -> Result;

/// A request that may be done.
struct Call<'a> {
    host: &'a Host,
    path: &'a str,
    parameters: Parameters,
    queries: Vec<(String, String)>,
    body: Value,
    /// Whoever asks; a nameless nobody where an operation needs none.
    caller: Option<Caller>,
    repository: Option<Uuid>,
    now: OffsetDateTime,
}

pub(super) fn answer(host: &Host, asked: &Asked<'_>) -> Result<Response> {
    let (operation, parameters) = match host.contract.find(asked.method, asked.path) {
        Found::Operation(operation, parameters) => (operation, parameters),
        Found::OtherMethod => return Err(Refusal::new(405, "Method not allowed")),
        Found::Nothing => return Err(Refusal::not_found("Resource")),
    };
    let route = routes::find(operation).ok_or_else(|| Refusal::not_found("Resource"))?;
    let now = host.clock.now();
    let mut world = host.world.lock();
    let caller = caller(&world, asked.headers, operation, route, now)?;
    let is_access_token = caller.as_ref().is_some_and(Caller::is_access_token);
    let repository = permitted(&world, &parameters, caller.as_ref(), route)?;
    let queries: Vec<(String, String)> =
        form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
    let body = body(asked.body)?;
    host.contract.check(operation, &queries, &body)?;
    let path = asked.path;
    let call = Call { host, path, parameters, queries, body, caller, repository, now };
    let mut response = (route.handler)(&call, &mut world)?.into_response();
    // Only these tokens are told how much of their allowance is left.
    if is_access_token && path.starts_with("/repositories") {
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from_static("1000"));
        headers.insert("x-ratelimit-resource", HeaderValue::from_static("api"));
        headers.insert("x-ratelimit-nearlimit", HeaderValue::from_static("false"));
    }
    Ok(response)
}

/// Does what somebody clicked, as if they had asked for it with every scope.
pub(super) fn click(
    host: &Host,
    person: &Uuid,
    method: &str,
    path: &str,
    body: Value,
) -> Result<()> {
    let Found::Operation(operation, parameters) = host.contract.find(method, path) else {
        return Err(Refusal::not_found("Resource"));
    };
    let route = routes::find(operation).ok_or_else(|| Refusal::not_found("Resource"))?;
    let now = host.clock.now();
    let mut world = host.world.lock();
    let account = world.account(person).ok_or_else(|| Refusal::not_found("User"))?.uuid.clone();
    let caller = Some(Caller { account, kind: Kind::ApiToken, scopes: Vec::new() });
    let repository = permitted(&world, &parameters, caller.as_ref(), route)?;
    host.contract.check(operation, &[], &body)?;
    let queries = Vec::new();
    let call = Call { host, path, parameters, queries, body, caller, repository, now };
    (route.handler)(&call, &mut world).map(|_| ())
}

fn caller(
    world: &World,
    headers: &HeaderMap,
    operation: &Operation,
    route: &Route,
    now: OffsetDateTime,
) -> Result<Option<Caller>> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    if route.needs == Needs::Nothing {
        return Ok(None);
    }
    let caller = authenticate(world, authorization, Door::Api, now)?;
    let caller = caller.ok_or_else(|| Refusal::new(401, "Authentication required"))?;
    caller.check_scopes(operation)?;
    if route.needs == Needs::AdminPerson && caller.is_access_token() {
        let message = "Access tokens cannot manipulate or query permissions.";
        return Err(Refusal::new(403, message));
    }
    Ok(Some(caller))
}

/// The repository of the path, if the caller may do this to it.
fn permitted(
    world: &World,
    parameters: &Parameters,
    caller: Option<&Caller>,
    route: &Route,
) -> Result<Option<Uuid>> {
    let (Some(workspace), Some(slug)) = (parameters.get("workspace"), parameters.get("repo_slug"))
    else {
        return Ok(None);
    };
    let Some(caller) = caller else { return Ok(None) };
    let repository = world.repository(workspace, slug).ok_or_else(Refusal::hidden)?;
    let has = caller.permission(world, repository).ok_or_else(Refusal::hidden)?;
    let (needed, word) = match route.needs {
        Needs::Nothing | Needs::Account | Needs::Read => (Permission::Read, "read"),
        Needs::Write => (Permission::Write, "write"),
        Needs::Admin | Needs::AdminPerson => (Permission::Admin, "admin"),
    };
    if has < needed {
        return Err(Refusal::new(
            403,
            format!("You do not have {word} access to this repository."),
        ));
    }
    Ok(Some(repository.uuid.clone()))
}

fn body(bytes: &[u8]) -> Result<Value> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|_| Refusal::new(400, "Invalid JSON"))
}

impl<'a> Call<'a> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn query(&self, name: &str) -> Option<&str> {
        paging::parameter(&self.queries, name)
    }

    /// The member at a path of the body.
    fn member(&self, path: &str) -> Option<&Value> {
        let found = path.split('.').try_fold(&self.body, |value, name| value.get(name));
        found.filter(|value| !value.is_null())
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.member(path).and_then(Value::as_str)
    }

    fn flag(&self, path: &str) -> Option<bool> {
        self.member(path).and_then(Value::as_bool)
    }

    fn repository<'w>(&self, world: &'w World) -> Result<&'w Repository> {
        let uuid = self.repository.as_ref();
        let found = world.repositories.iter().find(|it| Some(&it.uuid) == uuid);
        found.ok_or_else(Refusal::hidden)
    }

    fn repository_mut<'w>(&self, world: &'w mut World) -> Result<&'w mut Repository> {
        let uuid = self.repository.as_ref().ok_or_else(Refusal::hidden)?;
        world.repository_mut(uuid).ok_or_else(Refusal::hidden)
    }

    fn caller(&self) -> Result<&Caller> {
        self.caller.as_ref().ok_or_else(|| Refusal::new(401, "Authentication required"))
    }

    fn account(&self) -> Result<&Uuid> {
        Ok(&self.caller()?.account)
    }

    fn view<'w>(&'w self, world: &'w World) -> View<'w> {
        View { url: &self.host.url, world }
    }

    fn teller<'w>(&'w self, world: &'w World) -> Result<Teller<'w>> {
        Ok(Teller::new(self.host, world, self.repository(world)?, self.account()?))
    }

    /// The address of something new below the one that was asked, whose path is encoded already.
    fn below(&self, name: &str) -> String {
        format!("{}/2.0{}/{}", self.host.url, self.path.trim_end_matches('/'), encode(name))
    }

    /// A list, as far as this page of it goes.
    fn page(&self, values: Vec<Value>, pages: Pages) -> Result {
        let address = format!("{}/2.0{}", self.host.url, self.path);
        paging::page(&address, &self.queries, values, pages).map(Answer::ok)
    }

    /// The full hash of the commit that the path names, by hash or by a part of one.
    fn commit(&self, repository: &Repository) -> Result<String> {
        let name = self.parameter("commit");
        let is_hash = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let found = if is_hash { repository.objects.resolve(name)? } else { None };
        found.ok_or_else(|| Refusal::not_found(&format!("Commit {name}")))
    }
}
