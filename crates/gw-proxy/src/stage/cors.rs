//! What pages of other origins may ask. The browser enforces it; the gateway only answers.

use gw_model::api::Cors;
use gw_policy::service::CorsHeaders;
use http::{
    HeaderMap, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
    },
};

use crate::wire::body::ResponseBody;

/// One API's `cors`, with everything written out that answers need.
#[derive(Debug)]
pub(crate) struct CorsPolicy {
    origins: Vec<String>,
    any_origin: bool,
    credentials: bool,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

impl CorsPolicy {
    pub(crate) fn new(declared: &Cors, written: CorsHeaders) -> Self {
        let Cors { origins, methods: _, headers: _, credentials, max_age } = declared;
        let CorsHeaders { methods, headers } = written;
        Self {
            any_origin: origins.iter().any(|origin| origin == "*"),
            origins: origins.clone(),
            credentials: *credentials,
            methods,
            headers,
            max_age: max_age.map(|age| HeaderValue::from(age.as_ms() / 1_000)),
        }
    }

    /// Adds what lets a page read this answer. Answers differ by origin, and say so to caches.
    pub(crate) fn allow(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        // The gateway answers for this, not the backend.
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS] {
            answer.remove(name);
        }
        if !self.any_origin {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = origin.filter(|origin| self.admits(origin)) else { return };
        let allowed = if self.any_origin { HeaderValue::from_static("*") } else { origin.clone() };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !answer.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
            let ours = HeaderValue::from_static("Gatewright-Decision");
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ours);
        }
    }

    /// The answer to a preflight, beside what [`Self::allow`] adds to every answer.
    pub(crate) fn announce(&self, origin: Option<&HeaderValue>) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if origin.is_some_and(|origin| self.admits(origin)) {
            let told = [
                (ACCESS_CONTROL_ALLOW_METHODS, Some(&self.methods)),
                (ACCESS_CONTROL_ALLOW_HEADERS, self.headers.as_ref()),
                (ACCESS_CONTROL_MAX_AGE, self.max_age.as_ref()),
            ];
            let told = told.into_iter().filter_map(|(name, value)| Some((name, value?.clone())));
            response.headers_mut().extend(told);
        }
        response
    }

    fn admits(&self, origin: &HeaderValue) -> bool {
        let same = |listed: &String| listed.as_bytes() == origin.as_bytes();
        self.any_origin || self.origins.iter().any(same)
    }
}

/// The method that a preflight asks about; `None`: it is no preflight.
pub(crate) fn preflight(method: &http::Method, headers: &HeaderMap) -> Option<String> {
    if *method != http::Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    asked.to_str().ok().map(str::to_owned)
}
