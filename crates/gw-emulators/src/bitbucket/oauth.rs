//! Tokens for OAuth consumers, by the client credentials grant. The other grants need a browser.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use gw_model::secret::Redacted;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Host,
    access::{Credential, Kind, TOKEN_LIFE, basic},
};

pub(super) fn answer(host: &Host, method: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    if method != "POST" {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match token(host, headers, body) {
        Ok(token) => Json(token).into_response(),
        Err((status, error, words)) => {
            (status, Json(json!({ "error": error, "error_description": words }))).into_response()
        }
    }
}

type Refused = (StatusCode, &'static str, &'static str);

fn token(host: &Host, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refused> {
    let unknown =
        (StatusCode::BAD_REQUEST, "unauthorized_client", "Invalid OAuth client credentials");
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    if field("grant_type").as_deref() != Some("client_credentials") {
        let words = "Only client_credentials is emulated";
        return Err((StatusCode::BAD_REQUEST, "unsupported_grant_type", words));
    }
    let sent = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let sent = sent.and_then(|it| it.strip_prefix("Basic ")).and_then(basic);
    let (key, secret) =
        sent.or_else(|| field("client_id").zip(field("client_secret"))).ok_or(unknown)?;
    let now = host.clock.now();
    let mut world = host.world.lock();
    let known = world.credentials.iter().find_map(|it| match &it.kind {
        Kind::Consumer { key: known, workspace }
            if *known == key && *it.secret.reveal() == secret =>
        {
            Some((workspace.clone(), it.account.clone(), it.scopes.clone()))
        }
        _ => None,
    });
    let (workspace, account, scopes) = known.ok_or(unknown)?;
    let token = world.names.token("ATCOA");
    let said = json!({
        "access_token": token,
        "token_type": "bearer",
        "expires_in": TOKEN_LIFE.whole_seconds(),
        "scopes": scopes.join(" "),
        "state": "client_credentials",
    });
    world.credentials.push(Credential {
        secret: Redacted::new(token),
        kind: Kind::OAuth { workspace },
        account,
        scopes,
        ends: Some(now + TOKEN_LIFE),
    });
    Ok(said)
}
