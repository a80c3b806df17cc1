//! What targets hold otherwise than it was written, and what people do about it.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Request, StatusCode},
};
use gw_control::{
    drift::{self, Adopted, NotAccepted},
    engine::Facts,
};
use gw_model::environment::ChangeAction;
use time::{Date, macros::format_description};

use super::{environment, environments::seen, id, written};
use crate::{
    Web,
    contract::{Acceptance, AcceptanceOrder, Adoption, Drift},
    door::{self, may},
    problem::Refusal,
};

pub(super) async fn look(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Drift>, Refusal> {
    let environment = seen(&web, &headers, &name).await?;
    let store = &web.server.store;
    let known = store.drift(&environment).await?;
    let put_back = known.as_ref().map_or(0, |known| known.put_back);
    let compared = store.compared(&environment).await?;
    let compared_at = compared.as_ref().map(|compared| written(compared.at));
    let uncompared = compared.and_then(|compared| compared.why);
    let Some(known) = known.filter(|known| known.stands) else {
        let (drift, id, lines, accepted_until) = (None, None, vec![], None);
        return Ok(Json(Drift {
            drift,
            id,
            lines,
            accepted_until,
            put_back,
            compared_at,
            uncompared,
        }));
    };
    let accepted = drift::accepted_until(&web.server, &environment, &known.digest).await?;
    Ok(Json(Drift {
        id: Some(drift::id(&known.digest)),
        drift: Some(known.digest),
        lines: known.lines,
        accepted_until: accepted.map(written),
        put_back,
        compared_at,
        uncompared,
    }))
}

pub(super) async fn accept(
    State(web): State<Arc<Web>>,
    Path((name, difference)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Acceptance>), Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let environment = environment(&name)?;
    may(&web, &granted, &environment, ChangeAction::AcceptDrift, &Facts::default()).await?;
    let AcceptanceOrder { until } = door::order(request).await?;
    let day = Date::parse(&until, format_description!("[year]-[month]-[day]"));
    let day = day.map_err(|_| Refusal::malformed("`until` is a day: `2027-03-01`"))?;
    let difference = id(&difference)?;
    let accepted = drift::accept(&web.server, &granted.asker, &environment, difference, day).await;
    let until = accepted.map_err(|refused| match refused {
        NotAccepted::Unknown => Refusal::Unseen,
        NotAccepted::Day => Refusal::malformed("`until` is within the next 92 days"),
        NotAccepted::Store(error) => Refusal::Store(error),
    })?;
    let accepted = Acceptance { id: difference.to_owned(), until: written(until) };
    Ok((StatusCode::CREATED, Json(accepted)))
}

/// Proposes that what differs is to be so.
pub(super) async fn adopt(
    State(web): State<Arc<Web>>,
    Path((name, difference)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Adoption>), Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let environment = environment(&name)?;
    may(&web, &granted, &environment, ChangeAction::AcceptDrift, &Facts::default()).await?;
    let adopted = drift::adopt(&web.server, &granted.asker, &environment, id(&difference)?).await?;
    let Adopted { branch, pull_request } = adopted.ok_or(Refusal::Unseen)?;
    Ok((StatusCode::CREATED, Json(Adoption { branch, pull_request })))
}
