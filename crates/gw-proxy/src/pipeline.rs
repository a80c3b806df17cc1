//! One call, from its head to its answer. The order of work is the list in [`Worker::run`].

use std::{
    cell::RefCell,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use gw_net::outlive::outlive;
use gw_policy::{
    decision::{Reason, Record},
    gateway::{DECIDE, HEALTH},
    snapshot::Routed,
};
use http::{
    Response,
    header::{HeaderValue, ORIGIN},
};

use crate::{
    access_log::{Ending, Line},
    assertion::JWKS_PATH,
    call::{self, Call, unix_ms},
    noise::Noise,
    respond::{self, DECISION, Refusal},
    room::Room,
    serving::Serving,
    shared::Shared,
    stage::{
        authorize::authorize,
        cors,
        forward::Outgoing,
        identify::{Verified, identify},
        validate::validate,
    },
    trace::Trace,
    upstream::Pool,
    wire::{
        body::{RequestBody, ResponseBody},
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

impl Answer for Worker {
    async fn answer(
        &self,
        peer: &Peer,
        head: Result<RequestHead, Malformed>,
        body: RequestBody,
    ) -> Response<ResponseBody> {
        match outlive(self.serve(peer, head, body)).await {
            Some(response) => response,
            None => {
                let serving = self.shared.current.load_full();
                self.refuse(peer, &Refusal::Internal("a part of it panicked"), serving.as_deref())
            }
        }
    }

    fn note(&self, peer: &Peer, unreadable: Unreadable) {
        self.shared.metrics.unreadable_requests.add(1);
        let (reason, detail) = match unreadable {
            Unreadable::NoRequest => {
                (Reason::RequestRefused, "what came is no request of HTTP/1.1")
            }
            Unreadable::HeadTooLarge => (Reason::HeadTooLarge, "the head is longer than is read"),
            Unreadable::SlowHead => (Reason::RequestTimeout, "the head came too slowly"),
            Unreadable::SlowReader => (Reason::RequestTimeout, "the answer was taken too slowly"),
        };
        let serving = self.shared.current.load_full();
        let (mut record, line) = self.blank(peer, reason, serving.as_deref());
        record.detail = Some(detail.to_owned());
        // The call whose answer was not taken has a line of its own.
        if unreadable != Unreadable::SlowReader
            && let Some(lines) = &self.shared.lines
        {
            lines.keep(line);
        }
        self.shared.decisions.keep(record, detail);
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, room: Room, noise: Noise) -> Rc<Self> {
        let pool = Pool::new(&shared.bounds, room);
        Rc::new(Self { shared, pool, verified: Verified::default(), noise: RefCell::new(noise) })
    }

    async fn serve(
        &self,
        peer: &Peer,
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
            Err(malformed) => {
                return self.refuse(peer, &Refusal::Malformed(malformed), serving.as_deref());
            }
        };
        let mut head = head;
        let mut call = self.begin(&mut head, client, serving.as_deref());
        let outcome = self.run(&mut call, &head, body).await;
        self.end(call, &head, outcome)
    }

    async fn run<'s>(
        &self,
        call: &mut Call<'s>,
        head: &RequestHead,
        mut body: RequestBody,
    ) -> Result<Response<ResponseBody>, Refusal> {
        // Whoever came when there was no room is told so, whatever is asked.
        if head.peer.watch.is_sent_back() {
            return Err(Refusal::Overloaded);
        }
        // 1. The gateway's own keys, which backends fetch.
        if head.path() == JWKS_PATH {
            call.reason = Reason::Granted;
            return Ok(self.shared.signer.answer());
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
            return Ok(cors.announce(head.headers.get(ORIGIN)));
        }
        // 5. Who calls.
        let now = call.at.unix_timestamp();
        let issuers = &self.shared.issuers;
        let identified =
            identify(serving, issuers, &self.verified, &head.headers, &head.peer, now).await;
        let identified = call.identified.insert(identified);
        // 6. Whether that caller may. Only this makes a permit, and only a permit is sent on.
        let permit = match call.is_probe && is_health(head) {
            true => operation.health().ok_or(Refusal::MethodNotListed)?,
            false => authorize(operation, identified, call.client, call.at)?,
        };
        call.grant = Some(permit.rule());
        if call.is_probe && head.headers.contains_key(DECIDE) {
            call.reason = Reason::Granted;
            return Ok(respond::nothing());
        }
        // 7. Whether not too often. What callers may do is not used up by proving a change.
        if !call.is_probe {
            let now_ms = unix_ms(call.at);
            let counted =
                self.shared.counters.count(operation, permit.principal(), call.client, now_ms);
            call.quota = counted.map_err(Refusal::Limited)?;
        }
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
            is_probe: self.shared.is_probe(&head.headers),
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
        if call.is_probe {
            respond::confide(call.reason, refusal.as_ref(), headers);
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
        if !call.is_probe {
            self.shared.metrics.call(api, call.reason.code(), took);
        }
        // One number draws twice: its low bits for the record, its high ones for the line.
        let chance = self.noise.borrow_mut().next();
        if !call.is_probe && self.shared.records(status, refusal.is_some(), chance) {
            let record = call.record(&self.shared, head, status, refusal.as_ref(), took);
            self.shared.decisions.keep(record, refusal.as_ref().map_or("", Refusal::kind));
        }
        if !call.is_probe
            && let Some(lines) = &self.shared.lines
            && (refusal.is_some() || lines.takes(chance >> u32::BITS))
        {
            let ending = Ending::new(lines, call.started, call.line(head, status));
            response.body_mut().set_tally(Box::new(ending));
        }
        response
    }

    /// Of what has no path, host or caller to speak of; only where it came from is known.
    fn blank(&self, peer: &Peer, reason: Reason, serving: Option<&Serving>) -> (Record, Line) {
        let at = self.shared.clock.now();
        let id = self.noise.borrow_mut().decision(unix_ms(at));
        let client = peer.address.ip().to_canonical();
        let record = call::blank(&self.shared, id, client, serving, reason);
        let line = call::blank_line(&record, at, client);
        (record, line)
    }

    /// Refuses a call of which nothing else is known.
    fn refuse(
        &self,
        peer: &Peer,
        refusal: &Refusal,
        serving: Option<&Serving>,
    ) -> Response<ResponseBody> {
        let (mut record, line) = self.blank(peer, refusal.reason(), serving);
        let mut response = respond::refuse(refusal, &record.id);
        if let Ok(value) = HeaderValue::try_from(record.id.as_str()) {
            response.headers_mut().insert(DECISION, value);
        }
        self.shared.metrics.call("", refusal.reason().code(), Duration::ZERO);
        record.detail = refusal.detail();
        if let Some(lines) = &self.shared.lines {
            response.body_mut().set_tally(Box::new(Ending::new(lines, Instant::now(), line)));
        }
        self.shared.decisions.keep(record, refusal.kind());
        response
    }
}

/// Whether a call that proves something asks whether a backend works, and for nothing else.
fn is_health(head: &RequestHead) -> bool {
    head.headers.contains_key(HEALTH) && head.query().is_none()
}
