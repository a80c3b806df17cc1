//! The built-in gateway: from a request to a decision to the upstream.
