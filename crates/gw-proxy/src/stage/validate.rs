//! What can be said of a request before it is sent on: that its body is not too long.

use gw_policy::snapshot::Api;

use crate::{
    respond::Refusal,
    wire::{
        body::RequestBody,
        head::{Length, RequestHead},
    },
};

/// A length that is known decides now. One that is not is counted while the body passes.
pub(crate) fn validate(
    api: &Api,
    head: &RequestHead,
    body: &mut RequestBody,
) -> Result<(), Refusal> {
    if let Some(size) = api.max_body {
        body.bound(size.as_bytes());
    }
    match head.length {
        Length::Known(length) if length > body.left() => {
            Err(Refusal::BodyTooLarge { allowed: body.left() })
        }
        Length::Known(_) | Length::Empty | Length::Chunked => Ok(()),
    }
}
