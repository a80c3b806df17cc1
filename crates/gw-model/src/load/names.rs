//! Every name that one declaration uses is declared by another, and everything that is said together
//! makes sense together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{Entry, Node},
    id::IdentityName,
    load::discover::{Document, Found, Kind},
    openapi,
    scalar::Method,
    shape::{nearest, shown},
    source::Span,
};

/// A file that a declaration names.
#[derive(Debug)]
pub(crate) struct Use {
    pub path: String,
    pub span: Span,
}

/// Checks all documents against one another; answers which other files they name.
pub(crate) fn check(
    found: &Found,
    documents: &BTreeMap<String, Arc<openapi::Document>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Use> {
    let mut check = Check {
        names: Names::of(found),
        documents,
        diagnostics,
        uses: vec![],
        calling: BTreeMap::new(),
        changing: BTreeMap::new(),
    };
    found.workspace().into_iter().for_each(|document| check.workspace(document.spec()));
    found.environments().for_each(|document| check.environment(document));
    found.apis().for_each(|document| check.api(document));
    check.identities_twice();
    check.uses
}

/// What is declared, by its name. `None` where the declaring document is broken: then nothing that
/// refers into it is judged.
#[derive(Debug, Default)]
struct Names<'a> {
    identities: Option<BTreeMap<&'a str, &'a Node>>,
    people: Option<BTreeSet<&'a str>>,
    environments: BTreeSet<&'a str>,
    apis: BTreeSet<&'a str>,
    /// Whether a file that cannot be read may declare more environments and APIs.
    partial: bool,
    /// Targets of each environment.
    targets: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Names<'a> {
    fn of(found: &'a Found) -> Self {
        let spec = found.workspace().map(Document::spec);
        let keys = |node: &'a Node| entries(Some(node)).iter().map(|entry| entry.key.as_str());
        let broken = |kind: Kind| {
            let broken = found.broken.iter().filter(move |(broken, _)| *broken == kind);
            broken.map(|(_, name)| name.as_str())
        };
        let target_names = |document: &'a Document| {
            let targets = document.spec().get("targets");
            (document.name.as_str(), targets.into_iter().flat_map(keys).collect())
        };
        Self {
            identities: spec.map(|spec| {
                let declared = entries(spec.get("identities")).iter();
                declared.map(|entry| (entry.key.as_str(), &entry.node)).collect()
            }),
            people: spec.map(|spec| spec.get("people").into_iter().flat_map(keys).collect()),
            environments: found
                .environments()
                .map(|document| document.name.as_str())
                .chain(broken(Kind::Environment))
                .collect(),
            apis: found
                .apis()
                .map(|document| document.name.as_str())
                .chain(broken(Kind::Api))
                .collect(),
            partial: found.partial,
            targets: found.environments().map(target_names).collect(),
        }
    }
}

struct Check<'a> {
    names: Names<'a>,
    documents: &'a BTreeMap<String, Arc<openapi::Document>>,
    diagnostics: &'a mut Vec<Diagnostic>,
    uses: Vec<Use>,
    /// Where each identity first stands in `access`, and in `changes`.
    calling: BTreeMap<&'a str, Span>,
    changing: BTreeMap<&'a str, Span>,
}

impl<'a> Check<'a> {
    fn tell(&mut self, code: Code, message: String, span: Span, label: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, message).at(span, label));
    }

    /// Tells that nothing of this name is declared.
    fn known<'n>(
        &mut self,
        thing: &str,
        node: &Node,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        if let Some(name) = node.as_text() {
            self.known_text(thing, name, node.span, known);
        }
    }

    fn known_text<'n>(
        &mut self,
        thing: &str,
        name: &str,
        span: Span,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        if known.clone().any(|known| known == name) {
            return;
        }
        let label = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no declaration has this name".to_owned(),
        };
        let message = format!("no {thing} is called {}", shown(name));
        let mut told = Diagnostic::new(Code::UnknownName, message).at(span, label);
        let listed: Vec<&str> = known.take(12).collect();
        if !listed.is_empty() {
            told = told.help(format!("declared: {}", listed.join(", ")));
        }
        self.diagnostics.push(told);
    }

    fn identity(&mut self, node: &Node) {
        let Some(known) = self.names.identities.as_ref() else { return };
        let known: Vec<&str> = known.keys().copied().collect();
        self.known("identity", node, known.iter().copied());
    }

    fn environment_name(&mut self, node: &Node) {
        if !self.names.partial {
            let known = self.names.environments.clone();
            self.known("environment", node, known.iter().copied());
        }
    }

    fn api_name(&mut self, node: &Node) {
        if !self.names.partial {
            let known = self.names.apis.clone();
            self.known("API", node, known.iter().copied());
        }
    }

    fn workspace(&mut self, spec: &'a Node) {
        for team in entries(spec.get("teams")) {
            let people = self.names.people.clone().unwrap_or_default();
            for person in items(team.node.get("people")) {
                self.known("person", person, people.iter().copied());
            }
            if let Some(identity) = team.node.at(&["holders", "identity"]) {
                self.identity(identity);
            }
        }
        let identities = self.names.identities.clone().unwrap_or_default();
        for person in entries(spec.get("people")) {
            for subject in entries(person.node.get("subjects")) {
                let known = identities.keys().copied();
                self.known_text("identity", &subject.key, subject.key_span, known);
            }
        }
    }

    fn environment(&mut self, document: &'a Document) {
        let spec = document.spec();
        let targets = entries(spec.get("targets"));
        let not_builtin = targets.iter().find(|target| target.node.get("builtin").is_none());
        for rule in items(spec.get("changes")) {
            self.change_rule(document, rule, not_builtin);
        }
        if let Some(identities) = self.names.identities.clone() {
            for replaced in entries(spec.get("identities")) {
                let known = identities.keys().copied();
                self.known_text("identity", &replaced.key, replaced.key_span, known);
            }
        }
        for allowance in items(spec.at(&["secrets", "allow"])) {
            items(allowance.get("apis")).iter().for_each(|api| self.api_name(api));
        }
        for accepted in items(spec.get("accept")) {
            if let Some(target) = accepted.get("target") {
                self.known("target", target, targets.iter().map(|target| target.key.as_str()));
            }
            self.difference(accepted);
        }
    }

    /// Only what a target does in another way can be accepted.
    fn difference(&mut self, accepted: &Node) {
        let Some(code) = accepted.get("code") else { return };
        let written = code.as_text().unwrap_or_default();
        if !written.starts_with("GW2") {
            let message = format!("`{written}` is not a difference between targets");
            self.tell(Code::WrongValue, message, code.span, "only GW2xxx can be accepted");
        }
    }

    fn change_rule(&mut self, document: &Document, rule: &'a Node, not_builtin: Option<&Entry>) {
        for identity in items(rule.get("identities")) {
            match identity.as_text() {
                Some(IdentityName::LOCAL) => self.local(identity, not_builtin),
                Some(IdentityName::SERVER) => self.server(rule, identity),
                Some(name) => {
                    self.identity(identity);
                    self.changing.entry(name).or_insert(identity.span);
                    self.open_issuer(rule, name, identity.span, document.spec().get("identities"));
                }
                None => {}
            }
        }
        for environment in items(rule.at(&["commit", "verifiedIn"])) {
            self.environment_name(environment);
            if environment.as_text() == Some(document.name.as_str()) {
                let message = format!("`{}` cannot wait for itself", document.name);
                let label = "name the environment that comes before it";
                self.tell(Code::UnknownName, message, environment.span, label);
            }
        }
        if let Some(hours) = rule.get("hours") {
            self.hours(hours);
        }
    }

    fn local(&mut self, identity: &Node, not_builtin: Option<&Entry>) {
        let Some(target) = not_builtin else { return };
        let message = "`local` may change only environments whose targets are all builtin";
        let told = Diagnostic::new(Code::LocalIdentity, message)
            .at(identity.span, "the user of whatever machine runs the command")
            .at(target.key_span, "this target is not on that machine")
            .help("name an identity that can be proved to others, for example of `oidc`");
        self.diagnostics.push(told);
    }

    fn server(&mut self, rule: &Node, identity: &Node) {
        const ALLOWED: [&str; 4] = ["plan", "apply", "rollback", "rotate"];
        for action in items(rule.get("actions")) {
            let written = action.as_text().unwrap_or_default();
            let label = if !ALLOWED.contains(&written) {
                "the server does not do this by itself"
            } else if written == "apply" && rule.get("commit").is_none() {
                "by itself the server applies only with `commit`"
            } else {
                continue;
            };
            let message = format!("`server` cannot have `{written}` in this rule");
            let told = Diagnostic::new(Code::ServerIdentity, message).at(action.span, label);
            self.diagnostics.push(told.at(identity.span, "named here"));
        }
    }

    fn hours(&mut self, hours: &Node) {
        let (Some(from), Some(to)) = (hours.get("from"), hours.get("to")) else { return };
        if from.as_text() >= to.as_text() {
            let message = "the hours end before they begin".to_owned();
            let told = Diagnostic::new(Code::WrongHours, message)
                .at(to.span, "this must be later")
                .at(from.span, "than this");
            self.diagnostics.push(told.help("for a window that passes midnight write two rules"));
        }
    }

    fn api(&mut self, document: &'a Document) {
        let spec = document.spec();
        self.api_places(document);
        for rule in items(spec.get("access")) {
            for identity in items(rule.get("identities")) {
                let Some(name) = identity.as_text() else { continue };
                if name == IdentityName::SERVER {
                    let message = "`server` changes gateways and calls no APIs".to_owned();
                    self.tell(Code::ServerIdentity, message, identity.span, "it cannot stand here");
                    continue;
                }
                self.identity(identity);
                self.calling.entry(name).or_insert(identity.span);
                self.open_issuer(rule, name, identity.span, None);
            }
        }
        self.operations(spec);
        self.files(spec);
        let credentials = spec.at(&["cors", "credentials"]);
        let origins = items(spec.at(&["cors", "origins"]));
        let any = origins.iter().find(|origin| origin.as_text() == Some("*"));
        if let (Some(any), Some(credentials)) = (any, credentials)
            && credentials.value == crate::document::Value::Bool(true)
        {
            let message = "browsers refuse credentials from any origin".to_owned();
            let told = Diagnostic::new(Code::WrongValue, message).at(any.span, "any origin");
            self.diagnostics.push(told.at(credentials.span, "and credentials"));
        }
    }

    /// Where an API goes: its environments, its targets there, and its overrides.
    fn api_places(&mut self, document: &Document) {
        let spec = document.spec();
        let wanted = items(spec.get("environments"));
        wanted.iter().for_each(|environment| self.environment_name(environment));
        let goes_to = |name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted.as_text() == Some(name))
        };
        let environments: Vec<(&str, BTreeSet<&str>)> = self
            .names
            .targets
            .iter()
            .filter(|(name, _)| goes_to(name))
            .map(|(name, targets)| (*name, targets.clone()))
            .collect();
        let lacking = |target: &str| {
            environments
                .iter()
                .find(|(_, targets)| !targets.contains(target))
                .map(|(name, _)| *name)
        };
        match spec.get("targets") {
            Some(targets) => {
                for target in items(Some(targets)) {
                    let Some(name) = target.as_text() else { continue };
                    if let Some(environment) = lacking(name) {
                        self.no_target(name, environment, target.span);
                    }
                }
            }
            None => {
                if let Some(environment) = lacking("default") {
                    self.no_target("default", environment, document.name_span());
                }
            }
        }
        for written in entries(spec.get("overrides")) {
            let known = self.names.environments.clone();
            if !self.names.partial {
                let names = known.iter().copied();
                self.known_text("environment", &written.key, written.key_span, names);
            }
            if known.contains(written.key.as_str()) && !goes_to(&written.key) {
                let message = format!("API `{}` does not go to `{}`", document.name, written.key);
                let label = "nothing comes of this override";
                self.tell(Code::IdleOverride, message, written.key_span, label);
            }
        }
    }

    fn no_target(&mut self, target: &str, environment: &str, span: Span) {
        let message = format!("environment `{environment}` has no target `{target}`");
        let known = self.names.targets.get(environment).cloned().unwrap_or_default();
        let label = match nearest(target, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("this API goes to `{environment}`"),
        };
        let told = Diagnostic::new(Code::UnknownName, message).at(span, label);
        let known: Vec<&str> = known.into_iter().collect();
        self.diagnostics.push(
            told.help(format!("its targets: {}", known.join(", ")))
                .help("or say under `environments` where this API goes"),
        );
    }

    /// Operations are called as the OpenAPI document calls them.
    fn operations(&mut self, spec: &Node) {
        let Some(path) = spec.at(&["openapi", "file"]).and_then(Node::as_text) else { return };
        let Some(document) = self.documents.get(path).cloned() else { return };
        let known: BTreeMap<&str, Method> = document
            .operations
            .iter()
            .map(|described| (described.operation.id.as_str(), described.operation.method))
            .collect();
        let overrides = entries(spec.get("overrides")).iter().map(|written| &written.node);
        for layer in std::iter::once(spec).chain(overrides) {
            let rules = items(layer.get("access")).iter().chain(items(layer.get("limits")));
            for operation in rules.flat_map(|rule| items(rule.get("operations"))) {
                self.operation(operation, path, &known);
            }
            if let Some(operation) = layer.at(&["upstream", "health", "operation"]) {
                self.operation(operation, path, &known);
                let method = operation.as_text().and_then(|id| known.get(id));
                if method.is_some_and(|method| *method != Method::Get) {
                    let message = "a health operation must be a GET".to_owned();
                    let label =
                        format!("this one is {}", method.map_or("", |method| method.as_str()));
                    self.tell(Code::WrongValue, message, operation.span, label);
                }
            }
        }
    }

    fn operation(&mut self, node: &Node, path: &str, known: &BTreeMap<&str, Method>) {
        let Some(id) = node.as_text() else { return };
        if known.contains_key(id) {
            return;
        }
        let message = format!("no operation of {path} is called {}", shown(id));
        let label = match nearest(id, known.keys().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "operations are called by their `operationId`".to_owned(),
        };
        self.tell(Code::UnknownOperation, message, node.span, label);
    }

    fn files(&mut self, spec: &Node) {
        if let Some(config_map) = spec.at(&["openapi", "configMap"]) {
            self.config_map(config_map);
        }
        let overrides = entries(spec.get("overrides")).iter().map(|written| &written.node);
        for layer in std::iter::once(spec).chain(overrides) {
            let parts = [["apim", "inbound"], ["apim", "outbound"], ["tyk", "patch"]];
            for [target, part] in parts {
                let Some(part) = layer.at(&["native", target, part]) else { continue };
                if let Some(file) = part.get("file") {
                    let path = file.as_text().unwrap_or_default().to_owned();
                    self.uses.push(Use { path, span: file.span });
                } else if let Some(config_map) = part.get("configMap") {
                    self.config_map(config_map);
                }
            }
        }
    }

    fn config_map(&mut self, node: &Node) {
        let message = "a ConfigMap can only be named in a custom resource".to_owned();
        let told = Diagnostic::new(Code::MissingFile, message)
            .at(node.span, "in a folder there is no cluster to read it from");
        self.diagnostics.push(told.help("write `file:` with a path from the workspace root"));
    }

    /// A backend receives its callers' tokens, so callers must not be able to change gateways.
    fn identities_twice(&mut self) {
        for (name, changing) in &self.changing {
            let Some(calling) = self.calling.get(name) else { continue };
            let message = format!("identity `{name}` calls APIs and changes them");
            let told = Diagnostic::new(Code::IdentityTwice, message)
                .at(*changing, "here it may change an environment")
                .at(*calling, "here it may call an API, whose backend receives its tokens")
                .help(
                    "declare a second identity with an audience of its own, and name that one here",
                );
            self.diagnostics.push(told);
        }
    }

    /// Warns if a rule admits everybody who gets tokens from an issuer that is open to all.
    fn open_issuer(&mut self, rule: &Node, name: &str, span: Span, replaced: Option<&Node>) {
        let declared = self.names.identities.as_ref().and_then(|known| known.get(name).copied());
        let identity = replaced.and_then(|replaced| replaced.get(name)).or(declared);
        let Some(oidc) = identity.and_then(|identity| identity.get("oidc")) else { return };
        let issuer = oidc.get("issuer").and_then(Node::as_text).unwrap_or_default();
        let Some(open) = OPEN_ISSUERS.iter().find(|open| open.signs(issuer)) else { return };
        let subject = oidc.get("subject").and_then(Node::as_text);
        let claims = entries(rule.get("claims"));
        let told_apart = claims.iter().any(|claim| {
            let claim = claim.key.as_str();
            claim == "sub" || Some(claim) == subject || open.claims.contains(&claim)
        });
        if told_apart {
            return;
        }
        let message = format!("`{name}` admits {}", open.holders);
        let told =
            Diagnostic::new(Code::OpenIssuer, message).at(span, "no claim says whose token it is");
        let first = open.claims.first().copied().unwrap_or("sub");
        self.diagnostics.push(told.help(format!("add `claims: {{ sub: [...] }}`, or `{first}`")));
    }
}

/// An issuer that signs for anybody in the world.
struct OpenIssuer {
    host: &'static str,
    /// Who could hold such a token.
    holders: &'static str,
    /// Claims that say whose token it is.
    claims: &'static [&'static str],
}

const OPEN_ISSUERS: [OpenIssuer; 6] = [
    OpenIssuer {
        host: "token.actions.githubusercontent.com",
        holders: "every workflow of every repository on GitHub",
        claims: &["repository_id", "repository_owner_id", "repository"],
    },
    OpenIssuer {
        host: "gitlab.com",
        holders: "every job of every project on GitLab",
        claims: &["project_id", "namespace_id", "project_path"],
    },
    OpenIssuer {
        host: "api.bitbucket.org",
        holders: "every pipeline of that Bitbucket workspace",
        claims: &["repositoryUuid"],
    },
    OpenIssuer {
        host: "oic.prod-aks.azure.com",
        holders: "every service account of that cluster",
        claims: &["kubernetes.io"],
    },
    OpenIssuer {
        host: "container.googleapis.com",
        holders: "every service account of that cluster",
        claims: &["kubernetes.io"],
    },
    OpenIssuer {
        host: "accounts.google.com",
        holders: "every account and service account at Google",
        claims: &["email", "hd"],
    },
];

impl OpenIssuer {
    fn signs(&self, issuer: &str) -> bool {
        let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.is_some_and(|host| {
            host == self.host
                || host.strip_suffix(self.host).is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

fn items(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_list).unwrap_or_default()
}

fn entries(node: Option<&Node>) -> &[Entry] {
    node.and_then(Node::as_map).unwrap_or_default()
}
