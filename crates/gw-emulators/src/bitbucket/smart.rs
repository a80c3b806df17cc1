//! Clone, fetch and push over http, by git's own backend, for whoever may.

use std::process::Output;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Host,
    access::{Caller, Door, authenticate},
    api::Asked,
    contract::decode,
    landing,
    objects::{GitError, feed, git},
    refusal::Refusal,
    state::{Permission, Repository, World},
};

/// What git may ask for below a repository.
const SERVICES: &[(&str, &str)] =
    &[("GET", "info/refs"), ("POST", "git-upload-pack"), ("POST", "git-receive-pack")];

/// Answers in plain text, which is what git shows to people.
pub(super) fn answer(host: &Host, asked: &Asked<'_>) -> Response {
    serve(host, asked).unwrap_or_else(|refusal| {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, format!("{}\n", refusal.message())).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let asked = "Basic realm=\"Bitbucket.org HTTP\"".parse();
            response.headers_mut().extend(asked.ok().map(|it| (header::WWW_AUTHENTICATE, it)));
        }
        response
    })
}

fn serve(host: &Host, asked: &Asked<'_>) -> Result<Response, Refusal> {
    let missing = || Refusal::not_found("Resource");
    let (place, service) = asked.path.split_once(".git/").ok_or_else(missing)?;
    if !SERVICES.contains(&(asked.method, service)) {
        return Err(missing());
    }
    let (workspace, slug) = place.trim_start_matches('/').split_once('/').ok_or_else(missing)?;
    let writes = service == "git-receive-pack" || asked.query == "service=git-receive-pack";
    let now = host.clock.now();
    let mut world = host.world.lock();
    let authorization = asked.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let caller = authenticate(&world, authorization, Door::Git, now)?;
    let caller = caller.ok_or_else(|| Refusal::new(401, "Authentication required"))?;
    let repository = world.repository(&decode(workspace), &decode(slug));
    let repository = repository.ok_or_else(Refusal::hidden)?;
    let has = caller.permission(&world, repository).ok_or_else(Refusal::hidden)?;
    caller.check_git(writes)?;
    if writes && has < Permission::Write {
        return Err(Refusal::new(403, "You do not have write access to this repository."));
    }
    let (uuid, folder) = (repository.uuid.clone(), repository.objects.folder.clone());
    let rules = if writes { rules(&world, repository, &caller) } else { String::new() };
    let mut command = git(&folder);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{service}"))
        .env("REQUEST_METHOD", asked.method)
        .env("QUERY_STRING", asked.query)
        .env("REMOTE_USER", caller.account.bare())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("BRANCH_RULES", rules)
        .env("CONTENT_LENGTH", asked.body.len().to_string());
    let passed = [
        ("CONTENT_TYPE", header::CONTENT_TYPE.as_str()),
        ("HTTP_CONTENT_ENCODING", header::CONTENT_ENCODING.as_str()),
        ("GIT_PROTOCOL", "git-protocol"),
    ];
    for (name, header) in passed {
        if let Some(value) = asked.headers.get(header).and_then(|it| it.to_str().ok()) {
            command.env(name, value);
        }
    }
    // A push holds the world: what it moves is noticed before anybody asks for it.
    let output = if service == "git-receive-pack" {
        let output = feed(command, asked.body)?;
        landing::notice(host, &mut world, &uuid, &caller.account, now)?;
        output
    } else {
        drop(world);
        feed(command, asked.body)?
    };
    read(output)
}

/// What this caller's push may not do, as the hook of the repository reads it.
fn rules(world: &World, repository: &Repository, caller: &Caller) -> String {
    let binding = repository.restrictions.iter().filter(|it| match it.kind.as_str() {
        "push" => !world.is_exempt(repository, it, &caller.account),
        "force" | "delete" => true,
        _ => false,
    });
    let binding = binding.filter(|it| it.match_kind == "glob");
    let main = format!("delete {}\n", plain(&repository.main));
    let lines = binding.map(|it| format!("{} {}\n", it.kind, plain(&it.pattern)));
    std::iter::once(main).chain(lines).collect()
}

/// A pattern in which the shell, too, sees nothing but the star.
fn plain(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    for sign in pattern.chars().filter(|sign| !sign.is_control()) {
        if !sign.is_alphanumeric() && sign != '*' {
            plain.push('\\');
        }
        plain.push(sign);
    }
    plain
}

/// The backend speaks CGI: header lines, an empty line, the body.
fn read(mut output: Output) -> Result<Response, Refusal> {
    let Some(end) = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(GitError::Said(said).into());
    };
    let body = output.stdout.split_off(end + 4);
    let mut response = Response::new(Body::from(body));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            let status = value.split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = status.unwrap_or(StatusCode::OK);
        } else if let (Ok(name), Ok(value)) =
            (name.parse::<header::HeaderName>(), value.parse::<header::HeaderValue>())
        {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
