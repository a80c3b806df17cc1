//! Pages behind the links that stand in comments and reports. Each names the command that tells more;
//! what a plan or a decision says, only whoever shows a token learns. Nothing in them runs.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Html,
};
use gw_plan::render;

use super::{decisions::decided, id, plans::shown};
use crate::{Web, door, escape::html, problem::Refusal};

pub(super) async fn plan(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Html<String>, Refusal> {
    let name = id(&name)?;
    let content = match headers.contains_key(header::AUTHORIZATION) {
        true => {
            let granted = door::viewer(&web, &headers, "plan").await?;
            Some(render::text(&shown(&web, &granted, name).await?))
        }
        false => None,
    };
    Ok(page(&web, "plan", name, content.as_deref()))
}

pub(super) async fn decision(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Html<String>, Refusal> {
    let name = id(&name)?;
    let content = match headers.contains_key(header::AUTHORIZATION) {
        true => {
            let granted = door::viewer(&web, &headers, "decision").await?;
            Some(decided(&web, &granted, Some(name)).await?.text)
        }
        false => None,
    };
    Ok(page(&web, "decision", name, content.as_deref()))
}

/// Without content it says the same of what there is and of what there is not.
fn page(web: &Web, what: &str, id: &str, content: Option<&str>) -> Html<String> {
    let (id, address) = (html(id), html(web.server.address.as_str()));
    let content = match content {
        Some(content) => format!("<pre>{}</pre>\n", html(content)),
        None => format!(
            "<p>What it says, this tells whoever may see it:</p>\n\
                         <pre>gatewright --server {address} explain {id}</pre>\n"
        ),
    };
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>{what} {id}</title></head>\n<body>\n<h1>{what} {id}</h1>\n{content}</body>\n</html>\n"
    ))
}
