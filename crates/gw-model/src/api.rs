//! `Api`: what a team owns. Who may call it stands here and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    declared::{Declared, Flat, choice, declaration, words},
    document::Node,
    form, header,
    id::{EnvironmentName, IdentityName, SecretName, TargetName},
    openapi::Operation,
    scalar::{ByteSize, Method, Period, Rate},
    shape::{Field, Kind, Role, Shape, form, list, name, table, text},
    source::{Origin, Sources},
    workspace::{claims, is_header, path},
};

declaration! {
    pub struct ApiSpec {
        /// team that answers for it; shown in every denial and plan
        pub owner: Option<String>, optional, text(128);
        /// the OpenAPI document
        pub openapi: FileRef, required;
        /// one of several versions that live side by side
        pub version: Option<Version>, optional;
        /// names of targets that serve it
        pub targets: Vec<TargetName>, or(default_target()), list(name()).at_least(1);
        /// where it goes; everywhere if this is left away
        pub environments: Vec<EnvironmentName>, optional, list(name()).at_least(1);
        /// where callers find it, beside the paths of its OpenAPI document
        pub listen: Listen, optional;
        /// the service behind the gateway
        pub upstream: Upstream, required;
        /// who may call; nobody if this is left away
        pub access: Vec<AccessRule>, or(vec![]);
        /// how often may be called
        pub limits: Vec<Limit>, optional;
        /// which pages of other origins may call from a browser
        pub cors: Option<Cors>, optional;
        /// headers that are set or removed on the way
        pub headers: Headers, optional;
        /// whether requests are checked against the OpenAPI document; not available yet on `builtin`
        pub validate: Validate, or(Validate::Off);
        /// the largest body of a request
        pub max_body as "maxBody": Option<ByteSize>, optional;
        /// raw configuration for one kind of target
        pub native: Native, optional;
    }
}

choice! {
    /// A file of the workspace, or a key of a ConfigMap beside the custom resource.
    pub enum FileRef {
        /// path from the workspace root
        File = "file" (String, path()),
        /// a key of a ConfigMap beside the custom resource
        ConfigMap = "configMap" {
            /// name of the ConfigMap
            name: String, required, text(253);
            /// key in it
            key: String, required, text(253);
        },
    }
}

declaration! {
    /// Versions of one API that live side by side.
    pub struct Version {
        /// what the versions have in common
        pub set: String, required, name();
        /// what callers name this version
        pub name: String, required, text(64).at_least(1);
        /// where callers name it
        pub place as "in": VersionPlace, or(VersionPlace::Path);
    }
}

words! {
    pub enum VersionPlace {
        Path = "path",
        Header = "header",
        Query = "query",
    }
}

declaration! {
    #[derive(Default)]
    pub struct Listen {
        /// the host that callers use; that of the target if this is left away
        pub host: Option<String>, optional, text(253).role(Role::Filled).holds(is_host);
        /// stands in front of every path of the OpenAPI document
        pub path: Option<String>, optional, form(512, &form::ROOTED).holds(is_fixed_path);
        /// whether the upstream is called without `path`
        pub strip_path as "stripPath": bool, optional;
    }
}

declaration! {
    pub struct Upstream {
        /// https URL; ${env.NAME} is filled from the environment
        pub url: String, required, form(2048, &form::UPSTREAM_URL).role(Role::Filled);
        /// how long an answer may take
        pub timeout: Period, or(Period::HALF_MINUTE);
        /// how the gateway proves itself to the backend
        pub auth: Option<UpstreamAuth>, optional;
        /// send the backend a short-lived token that says who called
        pub assertion: Option<Assertion>, optional;
        /// GET operation that proves the upstream credential works
        pub health: Option<Health>, optional;
        /// whether the backend receives the caller's own Authorization
        pub pass_authorization as "passAuthorization": bool, or(false);
    }
}

choice! {
    /// How the gateway proves itself to the backend.
    pub enum UpstreamAuth {
        /// a secret in a header
        Header = "header" {
            /// name of the header
            name: String, required, text(128).holds(is_header).not_header(header::is_reserved);
            /// what stands before the secret, such as `Bearer `
            prefix: String, optional, text(64).role(Role::Filled).holds(is_header_value);
            /// the secret that is sent
            secret: SecretName, required;
        },
        /// user name and password
        Basic = "basic" {
            /// the user name
            username: String, required, text(256).role(Role::Filled);
            /// the secret that holds the password
            secret: SecretName, required;
        },
        /// a certificate of the gateway
        ClientCertificate = "clientCertificate" {
            /// the secret that holds certificate and key, as PEM
            secret: SecretName, required;
        },
        /// the managed identity of the gateway; not available yet on `builtin`
        ManagedIdentity = "managedIdentity" {
            /// whom its token is for
            audience: String, required, text(512).role(Role::Filled);
        },
        /// a token by client credentials; not available yet on `builtin`
        ClientCredentials = "clientCredentials" {
            /// where the token is asked for
            token_url as "tokenUrl": String, required, form(2048, &form::SECURE_URL);
            /// the id of the client
            client_id as "clientId": String, required, text(256).role(Role::Filled);
            /// the secret of the client
            secret: SecretName, required;
            /// scopes that are asked for
            scopes: Vec<String>, optional, list(text(256).role(Role::Filled));
        },
    }
}

declaration! {
    /// A short-lived token, signed by the gateway, that tells the backend who called.
    pub struct Assertion {
        /// whom the token is for
        pub audience: String, required, text(512).role(Role::Filled);
        /// the header that carries it
        pub header: String, or("Gatewright-Assertion".to_owned()),
            text(128).holds(is_header).not_header(header::is_reserved_for_assertion);
    }
}

declaration! {
    /// A GET operation that proves that the credential for the backend works.
    pub struct Health {
        /// operationId from the OpenAPI file
        pub operation: String, required;
    }
}

declaration! {
    /// One way in. It grants when every given part holds.
    pub struct AccessRule {
        pub at: Origin, place;
        /// neither methods nor operations: every operation
        pub methods: Vec<Method>, optional, list(Method::shape()).at_least(1);
        /// operationId from the OpenAPI file
        pub operations: Vec<String>, optional, list(String::shape()).at_least(1);
        pub who: Who, flat;
        /// the date after which the rule no longer holds
        pub until: Option<Date>, optional;
    }
    rules(|map: Shape| map.needs("claims", "identities").needs("when", "identities"))
}

/// Which operations a rule or a limit speaks of: those that everything given names.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    methods: &'a [Method],
    operations: &'a [String],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Who {
    /// Anyone at all, without proof.
    Public,
    Proven {
        identities: Vec<IdentityName>,
        claims: Claims,
        /// A Cedar condition.
        when: Option<String>,
    },
}

/// Claim name to accepted values: one value of each named claim must be held.
pub type Claims = BTreeMap<String, Vec<String>>;

declaration! {
    pub struct Limit {
        pub at: Origin, place;
        /// neither methods nor operations: every operation
        pub methods: Vec<Method>, optional, list(Method::shape()).at_least(1);
        /// operationId from the OpenAPI file
        pub operations: Vec<String>, optional, list(String::shape()).at_least(1);
        /// COUNT/WINDOW, for example 100/1m
        pub rate: Rate, required;
        /// whose requests are counted together
        pub per: Per, required;
    }
}

words! {
    /// Whose requests are counted together.
    pub enum Per {
        Caller = "caller",
        Api = "api",
        Ip = "ip",
    }
}

declaration! {
    pub struct Cors {
        /// origins that may call: `https://host` each, or `*` for every one
        pub origins: Vec<String>, required,
            list(text(512).role(Role::Filled).holds(is_origin)).at_least(1);
        /// methods that they may use
        pub methods: Vec<Method>, optional;
        /// headers that they may send
        pub headers: Vec<String>, optional, list(text(128).holds(is_header));
        /// whether cookies and certificates go along
        pub credentials: bool, optional;
        /// how long a browser may remember this
        pub max_age as "maxAge": Option<Period>, optional;
    }
}

declaration! {
    #[derive(Default)]
    pub struct Headers {
        /// on the way to the backend
        pub request: HeaderEdits, optional;
        /// on the way back
        pub response: HeaderEdits, optional;
    }
}

declaration! {
    #[derive(Default)]
    pub struct HeaderEdits {
        /// header to its value
        pub set: BTreeMap<String, String>, optional,
            table(own_header(), text(4096).role(Role::Filled).holds(is_header_value));
        /// headers that are taken away
        pub remove: Vec<String>, optional, list(own_header());
    }
}

words! {
    /// Whether requests are checked against the OpenAPI document.
    #[derive(Default)]
    pub enum Validate {
        #[default]
        Off = "off",
        Report = "report",
        Enforce = "enforce",
    }
}

declaration! {
    /// Raw configuration for one kind of target.
    #[derive(Default)]
    pub struct Native {
        /// for Azure API Management
        pub apim: Option<NativeApim>, optional;
        /// for Tyk
        pub tyk: Option<NativeTyk>, optional;
    }
}

declaration! {
    #[derive(Default)]
    pub struct NativeApim {
        /// policy elements for requests, after the portable part
        pub inbound: Option<FileRef>, optional;
        /// policy elements for answers, after the portable part
        pub outbound: Option<FileRef>, optional;
        /// portable parts that this takes over
        pub replaces: Vec<Portable>, optional, list(Portable::shape()).unique();
    }
}

declaration! {
    #[derive(Default)]
    pub struct NativeTyk {
        /// a merge patch onto `x-tyk-api-gateway`
        pub patch: Option<FileRef>, optional;
        /// portable parts that this takes over
        pub replaces: Vec<Portable>, optional, list(Portable::shape()).unique();
    }
}

words! {
    /// A portable part of an API that native configuration may take over.
    pub enum Portable {
        Access = "access",
        Limits = "limits",
        Cors = "cors",
        Headers = "headers",
        Validate = "validate",
        MaxBody = "maxBody",
        UpstreamAuth = "upstream.auth",
        UpstreamTimeout = "upstream.timeout",
    }
}

impl Flat for Who {
    fn fields() -> (Vec<Field>, Vec<&'static str>) {
        let identities = list(name().reserved(&[IdentityName::LOCAL])).at_least(1);
        let fields = vec![
            Field::new("identities", identities, "names under identities: any of them"),
            Field::new("claims", claims(), "one value of each named claim must be held"),
            Field::new("when", text(4096).at_least(1), "a Cedar condition"),
            Field::new(
                "public",
                Shape::of(Kind::Flag { only_true: true }),
                "anyone, without proof",
            ),
        ];
        (fields, vec!["identities", "public"])
    }

    fn read(map: &Node, sources: &Sources) -> Option<Self> {
        let Some(identities) = map.get("identities") else {
            return map.get("public").map(|_| Self::Public);
        };
        let claims = map.get("claims").map(|node| Claims::read(node, sources));
        let when = map.get("when").map(|node| String::read(node, sources));
        Some(Self::Proven {
            identities: Declared::read(identities, sources)?,
            claims: claims.unwrap_or_else(|| Some(Claims::new()))?,
            when: when.map_or(Some(None), |when| when.map(Some))?,
        })
    }
}

impl AccessRule {
    pub fn selection(&self) -> Selection<'_> {
        Selection { methods: &self.methods, operations: &self.operations }
    }
}

impl Limit {
    pub fn selection(&self) -> Selection<'_> {
        Selection { methods: &self.methods, operations: &self.operations }
    }
}

impl Selection<'_> {
    pub fn covers(self, operation: &Operation) -> bool {
        self.covers_method(operation.method) && self.covers_id(&operation.id)
    }

    pub fn covers_method(self, method: Method) -> bool {
        self.methods.is_empty() || self.methods.contains(&method)
    }

    pub fn covers_id(self, id: &str) -> bool {
        self.operations.is_empty() || self.operations.iter().any(|named| named == id)
    }
}

/// What may differ by environment: the same fields as in the API itself, none of them needed.
pub fn overrides() -> Shape {
    let api = ApiSpec::shape();
    let field = |name: &'static str| {
        let shape = api.field(name).map(|field| field.shape.clone());
        let shape = shape.unwrap_or_else(|| Shape::of(Kind::Foreign));
        let about = api.field(name).map(|field| field.about).unwrap_or_default();
        Field::new(name, if name == "upstream" { shape.loose() } else { shape }, about)
    };
    let names = ["listen", "upstream", "limits", "cors", "maxBody", "native"];
    let map =
        names.map(field).into_iter().fold(crate::shape::Map::default(), crate::shape::Map::field);
    table(name(), Shape::of(Kind::Map(map)))
}

/// An API as it is written: with what differs by environment.
pub fn written() -> Shape {
    let about = "only these fields may differ by environment; access and openapi may not";
    ApiSpec::shape().with(Field::new("overrides", overrides(), about))
}

fn default_target() -> Vec<TargetName> {
    TargetName::parse("default").into_iter().collect()
}

/// A header that the owner of an API may write or remove.
fn own_header() -> Shape {
    text(128).at_least(1).holds(is_header).not_header(header::is_reserved)
}

fn is_header_value(text: &str) -> Result<(), &'static str> {
    if text.chars().any(|sign| sign.is_control() && sign != '\t') {
        return Err("the value of a header: one line without control characters");
    }
    Ok(())
}

fn is_host(text: &str) -> Result<(), &'static str> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if text.split('.').all(label) {
        Ok(())
    } else {
        Err("a host name in small letters, without port")
    }
}

/// A path without parameters, query, fragment, or steps that a gateway would fold away.
fn is_fixed_path(text: &str) -> Result<(), &'static str> {
    let expected = "a path such as `/v1`: no parameters, no query, no empty, `.` or `..` segment";
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let inside = text.strip_prefix('/').unwrap_or(text);
    let segment = |segment: &str| !matches!(segment, "" | "." | "..");
    if text.bytes().all(sign) && inside.split('/').all(segment) { Ok(()) } else { Err(expected) }
}

fn is_origin(text: &str) -> Result<(), &'static str> {
    let expected = "an origin such as `https://app.example.com`, or `*`";
    if text == "*" {
        return Ok(());
    }
    match url::Url::parse(text) {
        Ok(url) if url.origin().is_tuple() && url.origin().ascii_serialization() == text => Ok(()),
        _ => Err(expected),
    }
}
