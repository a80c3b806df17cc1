//! Which handler does which operation, and what whoever asks has to be.

use Needs::{Account, Admin, AdminPerson, Nothing, Read, Write};

use super::{
    Handler, comments, commits, hooks, insights, permissions, pipelines, pulls, refs, repositories,
    restrictions, statuses,
};
use crate::bitbucket::contract::Operation;

/// What an operation needs beside its scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Anybody who is known.
    Account,
    Read,
    Write,
    Admin,
    /// An administrator who is no access token: those cannot query permissions.
    AdminPerson,
}

pub(super) struct Route {
    method: &'static str,
    path: &'static str,
    pub(super) needs: Needs,
    pub(super) handler: Handler,
}

pub(super) fn find(operation: &Operation) -> Option<&'static Route> {
    let at = |route: &Route| [root(route), route.path].concat() == operation.path;
    ROUTES.iter().find(|route| route.method == operation.method && at(route))
}

#[cfg(test)]
pub(super) fn count() -> usize {
    ROUTES.len()
}

/// What comes before the path of a route: most are about a repository.
fn root(route: &Route) -> &'static str {
    let absolute = ["/user", "/workspaces", "/repositories"];
    if absolute.iter().any(|start| route.path.starts_with(start)) { "" } else { REPOSITORY }
}

const REPOSITORY: &str = "/repositories/{workspace}/{repo_slug}";

const fn route(method: &'static str, path: &'static str, needs: Needs, handler: Handler) -> Route {
    Route { method, path, needs, handler }
}

const ROUTES: &[Route] = &[
    route("GET", "/user", Account, permissions::user),
    route(
        "GET",
        "/user/workspaces/{workspace}/permissions/repositories",
        Account,
        permissions::own,
    ),
    route("GET", "/users/{selected_user}", Account, permissions::somebody),
    route("GET", "/workspaces/{workspace}", Account, repositories::workspace),
    route(
        "GET",
        "/workspaces/{workspace}/permissions/repositories/{repo_slug}",
        AdminPerson,
        permissions::effective,
    ),
    route(
        "GET",
        "/workspaces/{workspace}/pipelines-config/identity/oidc/.well-known/openid-configuration",
        Nothing,
        repositories::discovery,
    ),
    route(
        "GET",
        "/workspaces/{workspace}/pipelines-config/identity/oidc/keys.json",
        Nothing,
        repositories::keys,
    ),
    route("GET", "/repositories/{workspace}", Account, repositories::list),
    route("GET", "", Read, repositories::get),
    route("PUT", "", Admin, repositories::put),
    route("GET", "/branch-restrictions", Admin, restrictions::list),
    route("POST", "/branch-restrictions", Admin, restrictions::create),
    route("GET", "/branch-restrictions/{id}", Admin, restrictions::get),
    route("PUT", "/branch-restrictions/{id}", Admin, restrictions::update),
    route("DELETE", "/branch-restrictions/{id}", Admin, restrictions::delete),
    route("GET", "/commit/{commit}", Read, commits::get),
    route("GET", "/commit/{commit}/pullrequests", Read, commits::pulls),
    route("GET", "/commit/{commit}/reports", Read, insights::list),
    route("GET", "/commit/{commit}/reports/{reportId}", Read, insights::get),
    route("PUT", "/commit/{commit}/reports/{reportId}", Read, insights::put),
    route("DELETE", "/commit/{commit}/reports/{reportId}", Read, insights::delete),
    route("GET", "/commit/{commit}/reports/{reportId}/annotations", Read, insights::annotations),
    route("POST", "/commit/{commit}/reports/{reportId}/annotations", Read, insights::annotate),
    route("GET", "/commit/{commit}/statuses", Read, statuses::list),
    route("POST", "/commit/{commit}/statuses/build", Read, statuses::post),
    route("GET", "/commit/{commit}/statuses/build/{key}", Read, statuses::get),
    route("GET", "/commits", Read, commits::list),
    route("GET", "/commits/{revision}", Read, commits::list),
    route("GET", "/deployments", Read, pipelines::deployments),
    route("GET", "/deployments/{deployment_uuid}", Read, pipelines::deployment),
    route("GET", "/diffstat/{spec}", Read, commits::diffstat),
    route("GET", "/environments", Read, pipelines::environments),
    route("POST", "/environments", Admin, pipelines::create_environment),
    route("GET", "/environments/{environment_uuid}", Read, pipelines::environment),
    route("GET", "/hooks", Admin, hooks::list),
    route("POST", "/hooks", Admin, hooks::create),
    route("GET", "/hooks/{uid}", Admin, hooks::get),
    route("PUT", "/hooks/{uid}", Admin, hooks::update),
    route("DELETE", "/hooks/{uid}", Admin, hooks::delete),
    route("GET", "/merge-base/{revspec}", Read, commits::merge_base),
    route("GET", "/permissions-config/groups", AdminPerson, permissions::groups),
    route("GET", "/permissions-config/groups/{group_slug}", AdminPerson, permissions::group),
    route("GET", "/permissions-config/users", AdminPerson, permissions::users),
    route(
        "GET",
        "/permissions-config/users/{selected_user_id}",
        AdminPerson,
        permissions::user_explicit,
    ),
    route("GET", "/pipelines", Read, pipelines::list),
    route("POST", "/pipelines", Write, pipelines::create),
    route("GET", "/pipelines/{pipeline_uuid}", Read, pipelines::get),
    route("GET", "/pipelines/{pipeline_uuid}/steps", Read, pipelines::steps),
    route("GET", "/pipelines/{pipeline_uuid}/steps/{step_uuid}", Read, pipelines::step),
    route("POST", "/pipelines/{pipeline_uuid}/stopPipeline", Write, pipelines::stop),
    route("GET", "/pullrequests", Read, pulls::list),
    route("POST", "/pullrequests", Read, pulls::create),
    route("GET", "/pullrequests/{pull_request_id}", Read, pulls::get),
    route("PUT", "/pullrequests/{pull_request_id}", Read, pulls::update),
    route("GET", "/pullrequests/{pull_request_id}/activity", Read, pulls::activity),
    route("POST", "/pullrequests/{pull_request_id}/approve", Read, pulls::approve),
    route("DELETE", "/pullrequests/{pull_request_id}/approve", Read, pulls::unapprove),
    route("GET", "/pullrequests/{pull_request_id}/comments", Read, comments::list),
    route("POST", "/pullrequests/{pull_request_id}/comments", Read, comments::create),
    route("GET", "/pullrequests/{pull_request_id}/comments/{comment_id}", Read, comments::get),
    route("PUT", "/pullrequests/{pull_request_id}/comments/{comment_id}", Read, comments::update),
    route(
        "DELETE",
        "/pullrequests/{pull_request_id}/comments/{comment_id}",
        Read,
        comments::delete,
    ),
    route("GET", "/pullrequests/{pull_request_id}/commits", Read, pulls::commits),
    route("POST", "/pullrequests/{pull_request_id}/decline", Read, pulls::decline),
    route("GET", "/pullrequests/{pull_request_id}/diffstat", Read, pulls::diffstat),
    route("POST", "/pullrequests/{pull_request_id}/merge", Write, pulls::merge),
    route("POST", "/pullrequests/{pull_request_id}/request-changes", Read, pulls::request_changes),
    route("DELETE", "/pullrequests/{pull_request_id}/request-changes", Read, pulls::unrequest),
    route("GET", "/pullrequests/{pull_request_id}/statuses", Read, statuses::of_pull),
    route("GET", "/refs/branches", Read, refs::branches),
    route("POST", "/refs/branches", Write, refs::create),
    route("GET", "/refs/branches/{name}", Read, refs::branch),
    route("DELETE", "/refs/branches/{name}", Write, refs::delete),
    route("GET", "/refs/tags", Read, refs::tags),
    route("GET", "/refs/tags/{name}", Read, refs::tag),
];
