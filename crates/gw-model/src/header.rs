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
/// than the one that was judged. Only the gateway sets them towards a backend. Sorted.
const IDENTITY: [&str; 58] = [
    "ali-cdn-real-ip",
    "cdn-real-ip",
    "cdn-src-ip",
    "cf-pseudo-ipv4",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "do-connecting-ip",
    "eppn",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "forwarded-for",
    "forwarded-proto",
    "front-end-https",
    "incap-client-ip",
    "iv-creds",
    "iv-groups",
    "iv-user",
    "ns-client-ip",
    "sm-user",
    "smuser",
    "true-client-ip",
    "x-accel-mapping",
    "x-apigateway-api-userinfo",
    "x-auth-email",
    "x-auth-groups",
    "x-authenticated-user",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-cdn-src-ip",
    "x-cert",
    "x-client-cert",
    "x-client-dn",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-endpoint-api-userinfo",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-id-token",
    "x-method-override",
    "x-nf-client-connection-ip",
    "x-originating-ip",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-sendfile-type",
    "x-sucuri-clientip",
    "x-url-scheme",
    "x-user",
    "x-userinfo",
    "x-username",
    "x-waws-unencoded-url",
];
/// Products say the same under many names that begin alike.
const IDENTITY_PREFIXES: [&str; 41] = [
    OWN_PREFIX,
    "cf-access-",
    "cf-client-cert-",
    "cf-connecting-",
    "cloudfront-viewer-",
    "impersonate-",
    "mellon-",
    "oidc-",
    "remote-",
    "shib-",
    "ssl-client-",
    "tailscale-",
    "wl-proxy-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-appengine-",
    "x-arr-",
    "x-auth-request-",
    "x-auth-user",
    "x-authentik-",
    "x-consumer-",
    "x-credential-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-jwt-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
    "x-pomerium-",
    "x-remote-",
    "x-shib-",
    "x-ssl-",
    "x-sso-",
    "x-teleport-",
    "x-tls-client-",
    "x-user-",
    "x-vercel-",
    "x-vouch-",
    "x-webauth-",
];

/// What the gateway itself tells the backend, its assertion among it.
const OWN_PREFIX: &str = "gatewright-";

/// For the proxy that a message goes through, and so for nobody behind it. Programs that read headers
/// as environment variables take `Proxy` for the proxy that they shall use themselves.
const PROXY: &str = "proxy";
const PROXY_PREFIX: &str = "proxy-";

/// Whether a name belongs to the connection and not to the message.
pub fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|framing| is(name, framing)) || is_proxy(name)
}

/// Whether a name is meant for a proxy on the way and goes on neither way.
pub fn is_proxy(name: &str) -> bool {
    is(name, PROXY) || begins(name, PROXY_PREFIX)
}

/// Whether a name is one that only the gateway may send to a backend, whatever its spelling.
pub fn is_identity(name: &str) -> bool {
    IDENTITY.binary_search_by(|known| known.bytes().cmp(name.bytes().map(plain))).is_ok()
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

fn is(name: &str, known: &str) -> bool {
    name.len() == known.len() && begins(name, known)
}

fn begins(name: &str, known: &str) -> bool {
    let mut pairs = name.bytes().map(plain).zip(known.bytes());
    name.len() >= known.len() && pairs.all(|(byte, wanted)| byte == wanted)
}

/// As a backend might read it that tells neither upper from lower case nor signs from one another:
/// many make a variable of the name, in which whatever is no letter or digit becomes `_`.
const fn plain(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests;
