//! What this gateway cannot do yet. The declarations are taken apart without a rest pattern: a new
//! field does not compile until it is said here whether it is served, refused or of no concern.

use gw_model::{
    api::{ApiSpec, FileRef, Native, Upstream, UpstreamAuth, Validate, Who},
    code::Code,
    desired::{Api, Desired},
    diagnostic::{Diagnostic, Meant},
    environment::{Builtin, DriftThen, EnvironmentSpec, SecretStore, Secrets, Target},
    id::{ApiName, IdentityName, TargetName},
    source::Origin,
    workspace::Identity,
};
use gw_policy::service::{Service, ServiceFault};

use super::Overseer;

/// Everything declared for this target that it would not do.
pub(crate) fn missing(
    desired: &Desired,
    target: &TargetName,
    overseer: Overseer,
) -> Vec<Diagnostic> {
    let Desired {
        workspace: _,
        source: _,
        intake: _,
        environment: _,
        spec,
        identities: _,
        people: _,
        teams: _,
        apis,
        policies: _,
    } = desired;
    let mut found = Found(vec![]);
    found.environment(spec, target, overseer);
    for (name, api) in apis.iter().filter(|(_, api)| api.spec.targets.contains(target)) {
        found.api(name, api, desired, overseer);
    }
    found.0
}

struct Found(Vec<Diagnostic>);

impl Found {
    fn push(&mut self, diagnostic: Diagnostic, at: Option<&Origin>) {
        self.0.push(match at {
            Some(at) => diagnostic.on(at, "declared here"),
            None => diagnostic,
        });
    }

    /// The gateway would not serve what is declared.
    fn refuse(&mut self, what: &str, at: Option<&Origin>) {
        self.push(unavailable(what), at);
    }

    /// The same of a field of an API.
    fn field(&mut self, path: &str, api: &ApiName, at: &Origin) {
        let meant = Meant::Field { api: api.clone(), path: path.to_owned() };
        let told = unavailable(&format!("`{path}` of `{api}`"));
        self.push(told.on_meant(meant, at, "declared here"), None);
    }

    /// The gateway serves what is declared, and this field does nothing.
    fn idle(&mut self, what: &str, because: &str, at: Option<&Origin>) {
        let message = format!("nothing acts on {what}: {because}");
        self.push(Diagnostic::new(Code::IdleHere, message), at);
    }

    fn environment(&mut self, spec: &EnvironmentSpec, target: &TargetName, overseer: Overseer) {
        let EnvironmentSpec {
            // Filled in already.
            values: _,
            targets,
            secrets,
            // Judged with the upstream's address.
            egress: _,
            // Who may change something is judged before a target is asked.
            changes: _,
            identities: _,
            drift,
            on,
            deletions: _,
            // A builtin target has no difference that somebody would have to accept.
            accept: _,
            notify,
        } = spec;
        if let Some(Target::Builtin(Builtin { listen: _, replicas })) = targets.get(target)
            && replicas.is_some_and(|replicas| replicas > 1)
        {
            self.refuse("`replicas` above 1", None);
        }
        if let Some(Secrets { store, names: _, max_age, allow: _ }) = secrets {
            self.store(store);
            if max_age.is_some() {
                self.idle("`secrets.maxAge`", "this version does not tell which are old", None);
            }
        }
        if overseer == Overseer::Server {
            return;
        }
        if drift.then == DriftThen::Revert {
            self.idle("`drift.then: revert`", "without a server, putting back is an apply", None);
        }
        if on.as_ref().is_some_and(|events| !events.is_empty()) {
            self.idle("`on`", "events reach a server, and there is none", None);
        }
        if !notify.is_empty() {
            self.idle("`notify`", "notifications come from a server, and there is none", None);
        }
    }

    fn store(&mut self, store: &SecretStore) {
        match store {
            SecretStore::Files { directory: _ } | SecretStore::Environment { prefix: _ } => {}
            SecretStore::AzureKeyVault { url: _ } => self.refuse("`secrets.azureKeyVault`", None),
            SecretStore::HashicorpVault { address: _, mount: _ } => {
                self.refuse("`secrets.hashicorpVault`", None);
            }
            SecretStore::AwsSecretsManager { region: _ } => {
                self.refuse("`secrets.awsSecretsManager`", None);
            }
            SecretStore::Kubernetes {} => self.refuse("`secrets.kubernetes`", None),
        }
    }

    fn api(&mut self, name: &ApiName, api: &Api, desired: &Desired, overseer: Overseer) {
        let Api { at, spec, operations: _ } = api;
        let ApiSpec {
            owner: _,
            openapi,
            // Refused where routes are compiled.
            version: _,
            targets: _,
            environments: _,
            listen: _,
            upstream,
            access,
            limits: _,
            cors,
            headers,
            validate,
            max_body: _,
            native: Native { apim, tyk },
        } = spec;
        if apim.is_some() || tyk.is_some() {
            let message = format!("`native` of `{name}` is for another kind of target");
            self.push(Diagnostic::new(Code::OtherKind, message), Some(at));
        }
        let Upstream { url: _, timeout: _, auth, assertion: _, health, pass_authorization: _ } =
            upstream;
        if health.is_some() && overseer == Overseer::User {
            let because = "it is called after a change, and only by a server";
            self.idle(&format!("`upstream.health` of `{name}`"), because, Some(at));
        }
        let mut refuse = |path: &str| self.field(path, name, at);
        match openapi {
            FileRef::File(_) => {}
            FileRef::ConfigMap { name: _, key: _ } => refuse("openapi.configMap"),
        }
        match validate {
            Validate::Off => {}
            Validate::Report | Validate::Enforce => refuse("validate"),
        }
        match auth {
            None
            | Some(
                UpstreamAuth::Header { name: _, prefix: _, secret: _ }
                | UpstreamAuth::Basic { username: _, secret: _ }
                | UpstreamAuth::ClientCertificate { secret: _ },
            ) => {}
            Some(UpstreamAuth::ManagedIdentity { audience: _ }) => {
                refuse("upstream.auth.managedIdentity");
            }
            Some(UpstreamAuth::ClientCredentials {
                token_url: _,
                client_id: _,
                secret: _,
                scopes: _,
            }) => refuse("upstream.auth.clientCredentials"),
        }
        match Service::parse(upstream, headers, cors.as_ref(), Validate::Off) {
            // What it cannot do was said above.
            Ok(_) | Err(ServiceFault::Auth(_) | ServiceFault::Validate) => {}
            Err(fault) => {
                let message = format!("no gateway would serve `{name}`: {fault}");
                self.push(Diagnostic::new(Code::TargetRefused, message), Some(at));
            }
        }
        for rule in access {
            if let Who::Proven { identities, claims: _, when: _ } = &rule.who {
                for identity in identities {
                    self.identity(identity, desired.identities.get(identity), &rule.at);
                }
            }
        }
    }

    fn identity(&mut self, name: &IdentityName, identity: Option<&Identity>, at: &Origin) {
        let kind = match identity {
            // A name that nobody declared is found where names are resolved.
            None | Some(Identity::Oidc(_) | Identity::ClientCertificate { authorities: _ }) => {
                return;
            }
            Some(Identity::BitbucketPipelines { audience: _, repositories: _ }) => {
                "bitbucketPipelines"
            }
            Some(Identity::SignedWebhook { provider: _, header: _, secret: _, remember: _ }) => {
                "signedWebhook"
            }
            Some(Identity::AwsIam { audience: _, accounts: _, arns: _ }) => "awsIam",
        };
        self.refuse(&format!("calling as `{name}`, an identity of kind `{kind}`,"), Some(at));
    }
}

fn unavailable(what: &str) -> Diagnostic {
    let message = format!("{what} is not available on a builtin target yet");
    let help = "leave it out, or send the API to a target that can do it";
    Diagnostic::new(Code::UnavailableHere, message).help(help)
}
