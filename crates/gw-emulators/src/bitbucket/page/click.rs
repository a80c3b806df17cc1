//! What a button does: what whoever is chosen could ask the API for, with every scope.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::{
    Host, api,
    contract::encode,
    refusal::Refusal,
    state::{Uuid, World},
};

/// Where buttons are sent.
pub(super) const CLICK: &str = "/_page/click";

/// How Bitbucket merges where nobody says otherwise.
const USUAL: &str = "merge_commit";

/// Ways to merge, as the form names them and as people do.
pub(super) const STRATEGIES: [(&str, &str); 3] =
    [(USUAL, "merge commit"), ("squash", "squash"), ("fast_forward", "fast-forward")];

/// Does it, and says where to look next; also where it was refused.
pub(super) fn click(host: &Host, body: &[u8]) -> Result<String, (Refusal, String)> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let (repository, pull) = (encode(field("repository")), encode(field("pull")));
    let place = match field("pull") {
        "0" | "" => format!("/{repository}"),
        _ => format!("/{repository}/pull-requests/{pull}"),
    };
    let act = || {
        let person = person(&host.world.lock(), field("person"))?;
        let (method, path, body) = asked(&repository, &pull, field)?;
        api::click(host, &person, method, &path, body)
    };
    match act() {
        Ok(()) if field("action") == "open" => {
            Ok(newest(&host.world.lock(), field("repository")).unwrap_or(place))
        }
        Ok(()) => Ok(place),
        Err(refusal) => Err((refusal, place)),
    }
}

fn person(world: &World, uuid: &str) -> Result<Uuid, Refusal> {
    let found = world.accounts.iter().find(|it| it.uuid.as_str() == uuid);
    found.map(|it| it.uuid.clone()).ok_or_else(|| Refusal::not_found("User"))
}

/// The place of the pull request that was opened last.
fn newest(world: &World, repository: &str) -> Option<String> {
    let (workspace, slug) = repository.split_once('/')?;
    let pull = world.repository(workspace, slug)?.pulls.last()?;
    Some(format!("/{}/pull-requests/{}", encode(repository), pull.id))
}

fn asked<'f>(
    repository: &str,
    pull: &str,
    field: impl Fn(&str) -> &'f str,
) -> Result<(&'static str, String, Value), Refusal> {
    let of = format!("/repositories/{repository}/pullrequests");
    Ok(match field("action") {
        "open" => {
            let source = json!({ "branch": { "name": field("branch") } });
            ("POST", of, json!({ "title": field("text"), "source": source }))
        }
        "comment" => {
            let body = json!({ "content": { "raw": field("text") } });
            ("POST", format!("{of}/{pull}/comments"), body)
        }
        "merge" => {
            let strategy = Some(field("strategy")).filter(|name| !name.is_empty()).unwrap_or(USUAL);
            let body =
                json!({ "type": "pullrequest_merge_parameters", "merge_strategy": strategy });
            ("POST", format!("{of}/{pull}/merge"), body)
        }
        "unapprove" => ("DELETE", format!("{of}/{pull}/approve"), Value::Null),
        action @ ("approve" | "decline") => ("POST", format!("{of}/{pull}/{action}"), Value::Null),
        _ => return Err(Refusal::new(400, "No such button.")),
    })
}
