//! What is known of one call, and how that is written down.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    time::{Duration, Instant},
};

use gw_model::source::Origin;
use gw_policy::{
    decision::{Asked, Asker, DecisionId, Reason, Record},
    snapshot::Operation,
};
use http::StatusCode;
use time::OffsetDateTime;

use crate::{
    access_log::{Line, TraceId},
    respond::Refusal,
    serving::Serving,
    shared::Shared,
    stage::{cors::CorsPolicy, identify::Identified, limit::Quota},
    trace::Trace,
    wire::head::RequestHead,
};

/// What is known of a call while it is decided, and written down at its end.
#[derive(Debug)]
pub(crate) struct Call<'s> {
    pub(crate) serving: Option<&'s Serving>,
    pub(crate) id: DecisionId,
    pub(crate) at: OffsetDateTime,
    pub(crate) started: Instant,
    pub(crate) trace: Trace,
    pub(crate) client: IpAddr,
    pub(crate) operation: Option<Operation<'s>>,
    /// In normal form, where it came in another.
    pub(crate) path: Option<String>,
    pub(crate) identified: Option<Identified>,
    pub(crate) grant: Option<&'s Origin>,
    pub(crate) quota: Option<Quota>,
    pub(crate) reason: Reason,
    pub(crate) upstream_status: Option<u16>,
    /// Gatewright itself calls, to prove a change.
    pub(crate) is_probe: bool,
}

/// For records and lines of the access log.
const METHOD_CHARS: usize = 16;
const PATH_CHARS: usize = 256;

impl Call<'_> {
    pub(crate) fn record(
        &self,
        shared: &Shared,
        head: &RequestHead,
        status: StatusCode,
        refusal: Option<&Refusal>,
        took: Duration,
    ) -> Record {
        let denial = match refusal {
            Some(Refusal::Denied(denial)) => Some(denial.as_ref().clone()),
            Some(_) | None => None,
        };
        let (candidates, policies, cure) = denial.map_or_else(Default::default, |denial| {
            (denial.candidates, denial.policies, Some(denial.cure))
        });
        let (who, looked_at) = self.askers();
        Record {
            method: shorten(head.method.as_str(), METHOD_CHARS),
            host: head.host.clone(),
            path: shorten(self.path.as_deref().unwrap_or(head.path()), PATH_CHARS),
            status: status.as_u16(),
            detail: refusal.and_then(Refusal::detail),
            who,
            looked_at,
            operation: self.operation.map(asked),
            grant: self.grant.cloned(),
            candidates,
            policies,
            cure,
            upstream_status: self.upstream_status,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            ..blank(shared, self.id.clone(), self.client, self.serving, self.reason)
        }
    }

    /// Who asks, and the claims that it may depend on.
    fn askers(&self) -> (Vec<Asker>, BTreeSet<String>) {
        let Some(identified) = &self.identified else { return Default::default() };
        let caller = &identified.caller;
        let looked_at = self.operation.map(Operation::looked_at).unwrap_or_default();
        let askers = caller.principals.iter().map(|principal| looked_at.asker(principal));
        (askers.collect(), looked_at.names(caller))
    }

    pub(crate) fn cors(&self) -> Option<&CorsPolicy> {
        self.serving?.service(self.operation?.api())?.cors.as_ref()
    }

    pub(crate) fn line(&self, head: &RequestHead, status: StatusCode) -> Line {
        let asker = self.identified.as_ref().and_then(|it| it.caller.principals.first());
        Line {
            time: self.at,
            decision: self.id.clone(),
            trace: Some(TraceId(self.trace.trace_id)),
            client: self.client,
            method: shorten(head.method.as_str(), METHOD_CHARS),
            host: head.host.clone(),
            path: shorten(self.path.as_deref().unwrap_or(head.path()), PATH_CHARS),
            status: status.as_u16(),
            reason: self.reason.code(),
            api: self.operation.map(|operation| operation.api().name.to_string()),
            operation: self.operation.map(|operation| operation.id().to_owned()),
            identity: asker.map(|asker| asker.identity.to_string()),
            subject: asker.map(|asker| asker.subject.clone()),
            generation: self.serving.map(|serving| serving.generation.number),
            bytes: 0,
            complete: false,
            took_us: 0,
        }
    }
}

/// A record of what has no path, host or caller to speak of.
pub(crate) fn blank(
    shared: &Shared,
    id: DecisionId,
    client: IpAddr,
    serving: Option<&Serving>,
    reason: Reason,
) -> Record {
    Record {
        generation: serving.map(|serving| serving.generation.number),
        client: Some(client),
        ..Record::blank(id, shared.environment.clone(), shared.target.clone(), reason)
    }
}

/// The line of the same.
pub(crate) fn blank_line(record: &Record, at: OffsetDateTime, client: IpAddr) -> Line {
    Line {
        time: at,
        decision: record.id.clone(),
        trace: None,
        client,
        method: String::new(),
        host: String::new(),
        path: String::new(),
        status: record.status,
        reason: record.reason.code(),
        api: None,
        operation: None,
        identity: None,
        subject: None,
        generation: record.generation,
        bytes: 0,
        complete: false,
        took_us: 0,
    }
}

fn asked(operation: Operation<'_>) -> Asked {
    Asked {
        api: operation.api().name.clone(),
        operation: operation.id().to_owned(),
        owner: operation.api().owner.clone(),
    }
}

/// What callers make up may be long; its beginning is enough for a record, and no call may push
/// many others out of a log that is bounded.
fn shorten(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

pub(crate) fn unix_ms(at: OffsetDateTime) -> u64 {
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or_default();
    seconds * 1_000 + u64::from(at.millisecond())
}
