//! What goes wrong on purpose, one request at a time.

use std::{collections::VecDeque, time::Duration};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;

use super::refusal::Refusal;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429, with the seconds to wait.
    TooMany { retry_after_s: u32 },
    /// This status, with Bitbucket's body for errors.
    Status(u16),
    /// This status, and a body that repeats by what the caller proved who it is.
    Echo(u16),
    /// It is done, and answered with this status as if it were not.
    Unsaid(u16),
    /// The right answer, later.
    Slow(Duration),
    /// 200, and a body that is no JSON.
    Garbage,
}

/// Faults that wait for their request, the first first.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Mutex<VecDeque<(String, Fault)>>,
}

impl Faults {
    /// The next request whose method and path have this in them goes wrong.
    pub(super) fn add(&self, place: &str, fault: Fault) {
        self.waiting.lock().push_back((place.to_owned(), fault));
    }

    /// The fault of this request, which is then spent.
    pub(super) fn take(&self, method: &str, path: &str) -> Option<Fault> {
        let request = format!("{method} {path}");
        let mut waiting = self.waiting.lock();
        let place = waiting.iter().position(|(place, _)| request.contains(place.as_str()))?;
        waiting.remove(place).map(|(_, fault)| fault)
    }
}

/// What is answered instead; `None` where the request is done.
pub(super) fn instead(fault: &Fault, headers: &HeaderMap) -> Option<Response> {
    match fault {
        Fault::TooMany { retry_after_s } => {
            let refusal = Refusal::new(429, "Rate limit for this resource has been exceeded");
            let mut response = refusal.into_response();
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
            headers.insert("x-ratelimit-limit", HeaderValue::from_static("1000"));
            headers.insert("x-ratelimit-resource", HeaderValue::from_static("api"));
            headers.insert("x-ratelimit-nearlimit", HeaderValue::from_static("true"));
            Some(response)
        }
        Fault::Status(status) => Some(failed(*status)),
        Fault::Echo(status) => {
            let proof = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
            let said = format!("Nobody knows {}", proof.unwrap_or("who you are"));
            Some(Refusal::new(*status, &said).into_response())
        }
        Fault::Garbage => Some((StatusCode::OK, "<html>not what was asked for").into_response()),
        Fault::Slow(_) | Fault::Unsaid(_) => None,
    }
}

pub(super) fn failed(status: u16) -> Response {
    Refusal::new(status, "Something went wrong").into_response()
}
