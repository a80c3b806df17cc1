//! Names of headers that declarations may not set: the one list, for whoever reads a declaration and
//! for whoever serves it.

/// They say where a message ends and what the connection is for.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// They say who calls, how the gateway was reached, or that another method, path or host is meant
/// than the one that was judged. Only the gateway sets them towards a backend.
const IDENTITY: [&str; 17] = [
    "cf-connecting-ip",
    "client-cert",
    "client-cert-chain",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "x-arr-clientcert",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];
const IDENTITY_PREFIXES: [&str; 3] = ["x-forwarded-", "x-ssl-client-", OWN_PREFIX];

/// What the gateway itself tells the backend, its assertion among it.
const OWN_PREFIX: &str = "gatewright-";

/// Whether a name belongs to the connection and not to the message.
pub fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|framing| name.len() == framing.len() && begins(name, framing))
}

/// Whether a name is one that only the gateway may send to a backend, whatever its spelling.
pub fn is_identity(name: &str) -> bool {
    IDENTITY.iter().any(|known| name.len() == known.len() && begins(name, known))
        || IDENTITY_PREFIXES.iter().any(|prefix| begins(name, prefix))
}

/// Whether declarations may neither set nor remove it.
pub fn is_reserved(name: &str) -> bool {
    is_framing(name) || is_identity(name)
}

/// The same for the header of the assertion, which is the gateway's own word.
pub fn is_reserved_for_assertion(name: &str) -> bool {
    is_reserved(name) && !begins(name, OWN_PREFIX)
}

/// Compares as a backend might that does not tell `-` from `_`, or upper from lower case.
fn begins(name: &str, known: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let mut pairs = name.bytes().map(plain).zip(known.bytes());
    name.len() >= known.len() && pairs.all(|(byte, wanted)| byte == wanted)
}

#[cfg(test)]
mod tests;
