//! Sends a permitted call on, as the caller meant it and as the declaration says.

use std::{net::IpAddr, pin::pin, rc::Rc};

use gw_model::header;
use gw_policy::{
    authorize::Permit,
    decision::DecisionId,
    snapshot::{Api, Found},
};
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    header::{
        AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::{
    assertion::Signer,
    credential::Ready,
    pipeline::Worker,
    respond::{DECISION, Refusal},
    serving::Service,
    stage::identify::Identified,
    trace::{TRACEPARENT, Trace},
    upstream::Lease,
    wire::{
        body::{RequestBody, ResponseBody},
        head::{Length, Malformed, RequestHead, Scheme, drop_proxy_headers},
    },
};

/// What is sent on, and for whom.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) found: &'a Found<'a, 'a>,
    pub(crate) permit: Permit<'a, 'a>,
    pub(crate) identified: &'a Identified,
    pub(crate) service: &'a Service,
    pub(crate) head: &'a RequestHead,
    /// The caller's own address.
    pub(crate) client: IpAddr,
    pub(crate) decision: &'a DecisionId,
    pub(crate) trace: Trace,
    /// Unix seconds.
    pub(crate) now: i64,
}

/// Headers that end at this hop on the way back.
const HOP: [HeaderName; 6] =
    [CONNECTION, HeaderName::from_static("keep-alive"), TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

impl Outgoing<'_> {
    pub(crate) async fn send(
        &self,
        worker: &Worker,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let way = self.service.way.now();
        let ready = way.as_ref().as_ref().map_err(|no| Refusal::Credential(no.clone()))?;
        let signer = &worker.shared.signer;
        let (allowed, progress) = (body.left(), body.progress());
        let repeatable =
            [Method::GET, Method::HEAD].contains(&self.head.method) && body.is_end_stream();
        let request = self.request(ready, signer, body)?;
        let again =
            || self.request(ready, signer, RequestBody::empty()).ok().filter(|_| repeatable);
        let wait = self.api().upstream.timeout.as_duration();
        let sending = pin!(worker.pool.send(&ready.access, request, &again));
        match self.head.peer.watch.within(wait, sending).await {
            Some(Ok((response, lease))) => self.relay(response, lease),
            Some(Err(_)) | None if progress.is_overrun() => Err(Refusal::BodyTooLarge { allowed }),
            Some(Err(_)) | None if progress.is_late() => Err(Refusal::BodyTooSlow),
            Some(Err(_)) | None if progress.is_broken() => Err(Refusal::Malformed(Malformed::Body)),
            Some(Err(fault)) => Err(Refusal::Upstream(fault)),
            None => Err(Refusal::UpstreamTimeout(wait)),
        }
    }

    fn request(
        &self,
        ready: &Ready,
        signer: &Signer,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, Refusal> {
        let mut headers = self.headers(signer)?;
        if let Some((name, value)) = &ready.header {
            headers.insert(name, value.clone());
        }
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.head.method);
        *request.uri_mut() = self.target()?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn api(&self) -> &Api {
        self.permit.operation().api()
    }

    /// The path that was routed and judged, behind the upstream's own; the query byte for byte.
    fn target(&self) -> Result<Uri, Refusal> {
        let path = self.found.upstream_path();
        // Most targets go on just as they came.
        let same = self.service.base.is_empty() && path == self.head.path();
        if let Some(target) = self.head.path_and_query().filter(|_| same) {
            return Ok(target.clone().into());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let base = &self.service.base;
        let text = match self.head.query() {
            Some(query) => format!("{base}{slash}{path}?{query}"),
            None => format!("{base}{slash}{path}"),
        };
        Uri::try_from(text).map_err(|_| Refusal::Internal("the target for the upstream is no URI"))
    }

    fn headers(&self, signer: &Signer) -> Result<HeaderMap, Refusal> {
        // What was meant for this hop is gone already. First everything that could say who calls is
        // taken away, then the declaration's edits, and last what only the gateway says.
        let mut headers = strip(&self.head.headers, self.passes_authorization());
        if self.head.length == Length::Chunked {
            // Without it the client library takes a GET for one without a body.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        self.service.request.apply(&mut headers);
        headers.insert(HOST, self.service.authority.clone());
        self.add_forwarded(&mut headers);
        if let Some(trace) = self.trace.header() {
            headers.insert(TRACEPARENT, trace);
        }
        if let (Some(name), Some(declared)) =
            (&self.service.assertion_header, &self.api().upstream.assertion)
        {
            let (caller, decision) = (self.permit.principal(), self.decision.as_str());
            let assertion = signer
                .assert(&declared.audience, caller, decision, self.now)
                .map_err(|_| Refusal::Internal("the assertion cannot be signed"))?;
            headers.insert(name, assertion);
        }
        Ok(headers)
    }

    /// Only the token that the permit rests on: a backend may take any other for one that was checked.
    fn passes_authorization(&self) -> bool {
        let by_token = |principal| self.identified.proves_by_token(principal);
        self.api().upstream.pass_authorization && self.permit.principal().is_some_and(by_token)
    }

    fn add_forwarded(&self, headers: &mut HeaderMap) {
        let scheme = match self.head.peer.scheme {
            Scheme::Http => HeaderValue::from_static("http"),
            Scheme::Https => HeaderValue::from_static("https"),
        };
        headers.insert(HeaderName::from_static("x-forwarded-proto"), scheme);
        let client = self.head.peer.tell(self.client);
        headers.insert(HeaderName::from_static("x-forwarded-for"), client);
        if let Ok(host) = HeaderValue::from_str(&self.head.host) {
            headers.insert(HeaderName::from_static("x-forwarded-host"), host);
        }
    }

    fn relay(
        &self,
        response: Response<Incoming>,
        lease: Lease,
    ) -> Result<Response<ResponseBody>, Refusal> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::UpstreamInvalid("it changed protocols without being asked"));
        }
        let (mut parts, incoming) = response.into_parts();
        // The version is one of a connection: the caller's is not that of the upstream.
        parts.version = Version::HTTP_11;
        drop_hop(&mut parts.headers);
        // Only the gateway says which decision this is.
        parts.headers.remove(DECISION);
        self.service.response.apply(&mut parts.headers);
        let idle = self.api().upstream.timeout.as_duration();
        let watch = Rc::clone(&self.head.peer.watch);
        Ok(Response::from_parts(parts, ResponseBody::relay(incoming, lease, idle, watch)))
    }
}

/// The caller's headers without any that a backend could take for the gateway's word.
pub(crate) fn strip(headers: &HeaderMap, pass_authorization: bool) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len() + 8);
    for (name, value) in headers {
        let ours = header::is_identity(name.as_str())
            || *name == HOST
            || *name == TRANSFER_ENCODING
            || (*name == AUTHORIZATION && !pass_authorization);
        if !ours {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

fn drop_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|word| HeaderName::try_from(word.trim()).ok())
        .collect();
    for name in named.iter().chain(&HOP) {
        headers.remove(name);
    }
    drop_proxy_headers(headers);
}
