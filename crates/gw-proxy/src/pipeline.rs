//! One call, from its head to its answer. The order of work is the list in [`Worker::run`].

use std::{
    cell::RefCell,
    collections::BTreeSet,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use gw_model::source::Origin;
use gw_policy::{
    decision::{Asked, Asker, DecisionId, Reason, Record},
    principal::Caller,
    snapshot::{Operation, Routed},
};
use http::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, ORIGIN},
};
use time::OffsetDateTime;

use crate::{
    access_log::{Line, TraceId},
    assertion::{JWKS_PATH, JWKS_SECONDS},
    noise::Noise,
    respond::{self, DECISION, Refusal},
    serving::Serving,
    shared::Shared,
    stage::{
        authorize::authorize,
        cors::{self, CorsPolicy},
        forward::Outgoing,
        identify::{Identified, Verified, identify},
        limit::Quota,
        validate::validate,
    },
    trace::Trace,
    upstream::Pool,
    wire::{
        body::{RequestBody, ResponseBody, Tally},
        head::{Malformed, Peer, RequestHead},
        hyper::{Answer, Unreadable},
    },
};

/// What one thread serves calls with.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    verified: Verified,
    noise: RefCell<Noise>,
}

/// What is known of a call while it is decided, and written down at its end.
#[derive(Debug)]
struct Call<'s> {
    serving: Option<&'s Serving>,
    id: DecisionId,
    at: OffsetDateTime,
    started: Instant,
    trace: Trace,
    client: IpAddr,
    operation: Option<Operation<'s>>,
    /// In normal form, where it came in another.
    path: Option<String>,
    identified: Option<Identified>,
    grant: Option<&'s Origin>,
    quota: Option<Quota>,
    reason: Reason,
    upstream_status: Option<u16>,
}

/// For records and lines of the access log.
const METHOD_CHARS: usize = 16;
const PATH_CHARS: usize = 256;

impl Answer for Worker {
    async fn answer(
        &self,
        head: Result<RequestHead, Malformed>,
        body: RequestBody,
    ) -> Response<ResponseBody> {
        // The whole call is judged by this one generation, whatever is loaded meanwhile.
        let serving = self.shared.current.load_full();
        let found = head.and_then(|head| {
            let client = self.shared.client_address(&head)?;
            Ok((head, client))
        });
        let (head, client) = match found {
            Ok(found) => found,
            Err(malformed) => return self.refuse_malformed(malformed, serving.as_deref()),
        };
        let mut head = head;
        let mut call = self.begin(&mut head, client, serving.as_deref());
        let outcome = self.run(&mut call, &head, body).await;
        self.end(call, &head, outcome)
    }

    fn note(&self, peer: &Peer, unreadable: Unreadable) {
        self.shared.metrics.unreadable_requests.add(1);
        let (reason, detail) = match unreadable {
            Unreadable::NoRequest => {
                (Reason::RequestRefused, "what came is no request of HTTP/1.1")
            }
            Unreadable::HeadTooLarge => (Reason::HeadTooLarge, "the head is longer than is read"),
            Unreadable::TooSlow => {
                (Reason::RequestTimeout, "the head came, or the answer was taken, too slowly")
            }
        };
        let at = self.shared.clock.now();
        let id = self.noise.borrow_mut().decision(unix_ms(at));
        let serving = self.shared.current.load_full();
        let mut record = self.blank(id, at, serving.as_deref(), reason);
        record.client = Some(peer.address.ip().to_canonical());
        record.detail = Some(detail.to_owned());
        self.shared.decisions.keep(record);
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, noise: Noise) -> Rc<Self> {
        let bounds = &shared.bounds;
        let pool = Pool::new(bounds.connect_timeout, bounds.upstream_idle, bounds.max_head_bytes);
        Rc::new(Self { shared, pool, verified: Verified::default(), noise: RefCell::new(noise) })
    }

    async fn run<'s>(
        &self,
        call: &mut Call<'s>,
        head: &RequestHead,
        mut body: RequestBody,
    ) -> Result<Response<ResponseBody>, Refusal> {
        // 1. The gateway's own keys, which backends fetch.
        if head.path() == JWKS_PATH {
            call.reason = Reason::Granted;
            return Ok(self.own_keys());
        }
        // 2. Nothing valid to decide by: nothing is decided.
        let serving = call.serving.ok_or(Refusal::NoSnapshot)?;
        // 3. Which operation is meant. The normal form of the path is the only one from here on.
        let preflight = cors::preflight(&head.method, &head.headers);
        let method = preflight.as_deref().unwrap_or(head.method.as_str());
        let found = match serving.snapshot.route(&head.host, method, head.path()) {
            Routed::Found(found) => found,
            Routed::MethodNotListed(near) => {
                call.operation = Some(near);
                return Err(Refusal::MethodNotListed);
            }
            Routed::NoRoute => return Err(Refusal::NoRoute),
            Routed::Refused(refusal) => return Err(Refusal::Path(refusal)),
        };
        let operation = found.operation;
        call.operation = Some(operation);
        // A path that came in normal form stands in the head.
        call.path = Some(found.path()).filter(|path| *path != head.path()).map(str::to_owned);
        let service = serving.service(operation.api());
        let service = service.ok_or(Refusal::Internal("an API without a service"))?;
        // 4. A browser that asks what it may ask is answered, and nothing is sent on.
        if preflight.is_some() {
            let cors = service.cors.as_ref().ok_or(Refusal::MethodNotListed)?;
            call.reason = Reason::Preflight;
            return Ok(announce(cors, head.headers.get(ORIGIN)));
        }
        // 5. Who calls.
        let now = call.at.unix_timestamp();
        let issuers = &self.shared.issuers;
        let identified =
            identify(serving, issuers, &self.verified, &head.headers, &head.peer, now).await;
        let identified = call.identified.insert(identified);
        // 6. Whether that caller may. Only this makes a permit, and only a permit is sent on.
        let permit = authorize(operation, identified, call.client, call.at)?;
        call.grant = Some(permit.rule());
        // 7. Whether not too often.
        let now_ms = unix_ms(call.at);
        let counted =
            self.shared.counters.count(operation, permit.principal(), call.client, now_ms);
        call.quota = counted.map_err(Refusal::Limited)?;
        // 8. Whether the request itself is in order.
        validate(operation.api(), head, &mut body)?;
        // 9. Send it on.
        let outgoing = Outgoing {
            found: &found,
            permit,
            identified,
            service,
            head,
            client: call.client,
            decision: &call.id,
            trace: call.trace,
            now,
        };
        let response = outgoing.send(self, body).await?;
        call.reason = Reason::Granted;
        call.upstream_status = Some(response.status().as_u16());
        Ok(response)
    }

    fn begin<'s>(
        &self,
        head: &mut RequestHead,
        client: IpAddr,
        serving: Option<&'s Serving>,
    ) -> Call<'s> {
        let at = self.shared.clock.now();
        let mut noise = self.noise.borrow_mut();
        Call {
            serving,
            id: noise.decision(unix_ms(at)),
            at,
            started: Instant::now(),
            trace: Trace::of(&mut head.headers, &mut noise),
            client,
            operation: None,
            path: None,
            identified: None,
            grant: None,
            quota: None,
            reason: Reason::Internal,
            upstream_status: None,
        }
    }

    /// Answers, writes down and counts.
    fn end(
        &self,
        call: Call<'_>,
        head: &RequestHead,
        outcome: Result<Response<ResponseBody>, Refusal>,
    ) -> Response<ResponseBody> {
        let mut call = call;
        let (mut response, refusal) = match outcome {
            Ok(response) => (response, None),
            Err(refusal) => {
                call.reason = refusal.reason();
                (respond::refuse(&refusal, &call.id), Some(refusal))
            }
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(call.id.as_str()) {
            headers.insert(DECISION, id);
        }
        if let Some(quota) = call.quota.as_ref().filter(|_| refusal.is_none()) {
            respond::add_quota(quota, headers);
        }
        if let Some(cors) = call.cors() {
            cors.allow(head.headers.get(ORIGIN), headers);
        }
        let status = response.status();
        let took = call.started.elapsed();
        let api = call.operation.map_or("", |operation| operation.api().name.as_str());
        let is_probe = self.shared.is_probe(&head.headers);
        if !is_probe {
            self.shared.metrics.call(api, call.reason.code(), took);
        }
        let chance = self.noise.borrow_mut().next();
        if !is_probe && self.shared.records(status, refusal.is_some(), chance) {
            let record = self.record(&call, head, status, refusal.as_ref(), took);
            self.shared.decisions.keep(record);
        }
        if let Some(lines) = &self.shared.lines
            && (refusal.is_some() || lines.takes(chance >> 16))
        {
            let line = call.line(head, status);
            let (lines, started) = (lines.clone(), call.started);
            response.body_mut().set_tally(Box::new(Ending { lines, started, line: Some(line) }));
        }
        response
    }

    fn record(
        &self,
        call: &Call<'_>,
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
        let (who, looked_at) = call.askers();
        Record {
            id: call.id.clone(),
            at_ms: unix_ms(call.at),
            environment: self.shared.environment.clone(),
            target: self.shared.target.clone(),
            generation: call.serving.map(|serving| serving.generation.number),
            client: Some(call.client),
            method: shorten(head.method.as_str(), METHOD_CHARS),
            host: head.host.clone(),
            path: shorten(call.path.as_deref().unwrap_or(head.path()), PATH_CHARS),
            reason: call.reason,
            status: status.as_u16(),
            detail: refusal.and_then(Refusal::detail),
            who,
            looked_at,
            operation: call.operation.map(asked),
            grant: call.grant.cloned(),
            candidates,
            policies,
            cure,
            upstream_status: call.upstream_status,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            count: 1,
        }
    }

    /// A head without one meaning: there is no path, host or caller to speak of.
    fn refuse_malformed(
        &self,
        malformed: Malformed,
        serving: Option<&Serving>,
    ) -> Response<ResponseBody> {
        let (at, refusal) = (self.shared.clock.now(), Refusal::Malformed(malformed));
        let id = self.noise.borrow_mut().decision(unix_ms(at));
        let mut response = respond::refuse(&refusal, &id);
        if let Ok(value) = HeaderValue::try_from(id.as_str()) {
            response.headers_mut().insert(DECISION, value);
        }
        self.shared.metrics.call("", refusal.reason().code(), Duration::ZERO);
        let mut record = self.blank(id, at, serving, refusal.reason());
        record.detail = refusal.detail();
        self.shared.decisions.keep(record);
        response
    }

    /// A record of what has no path, host or caller to speak of.
    fn blank(
        &self,
        id: DecisionId,
        at: OffsetDateTime,
        serving: Option<&Serving>,
        reason: Reason,
    ) -> Record {
        Record {
            id,
            at_ms: unix_ms(at),
            environment: self.shared.environment.clone(),
            target: self.shared.target.clone(),
            generation: serving.map(|serving| serving.generation.number),
            client: None,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            reason,
            status: reason.status(),
            detail: None,
            who: vec![],
            looked_at: BTreeSet::new(),
            operation: None,
            grant: None,
            candidates: vec![],
            policies: vec![],
            cure: None,
            upstream_status: None,
            took_us: 0,
            count: 1,
        }
    }

    fn own_keys(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::whole(self.shared.signer.jwks().to_owned()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        if let Ok(age) = HeaderValue::try_from(format!("public, max-age={JWKS_SECONDS}")) {
            headers.insert(CACHE_CONTROL, age);
        }
        response
    }
}

impl Call<'_> {
    /// Who asks, and the claims that it may depend on.
    fn askers(&self) -> (Vec<Asker>, BTreeSet<String>) {
        let Some(identified) = &self.identified else { return Default::default() };
        let caller: &Caller = &identified.caller;
        let looked_at = self.operation.map(Operation::looked_at).unwrap_or_default();
        let askers = caller.principals.iter().map(|principal| looked_at.asker(principal));
        (askers.collect(), looked_at.names(caller))
    }

    fn cors(&self) -> Option<&CorsPolicy> {
        self.serving?.service(self.operation?.api())?.cors.as_ref()
    }

    fn line(&self, head: &RequestHead, status: StatusCode) -> Line {
        let asker = self.identified.as_ref().and_then(|it| it.caller.principals.first());
        Line {
            time: self.at,
            decision: self.id.clone(),
            trace: TraceId(self.trace.trace_id),
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

/// Writes the line of a call when its last byte is gone, or the caller is.
#[derive(Debug)]
struct Ending {
    lines: crate::access_log::Lines,
    started: Instant,
    line: Option<Line>,
}

impl Tally for Ending {
    fn add(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.bytes += u64::try_from(bytes).unwrap_or_default();
        }
    }

    fn complete(&mut self) {
        if let Some(line) = &mut self.line {
            line.complete = true;
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.took_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.lines.keep(line);
        }
    }
}

fn announce(cors: &CorsPolicy, origin: Option<&HeaderValue>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers: &mut HeaderMap = response.headers_mut();
    cors.announce(origin, headers);
    response
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

fn unix_ms(at: OffsetDateTime) -> u64 {
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or_default();
    seconds * 1_000 + u64::from(at.millisecond())
}
