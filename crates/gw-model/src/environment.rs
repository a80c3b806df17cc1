//! `Environment`: targets, secret store, and who may change it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    api::Claims,
    declared::{Declared, choice, declaration, words},
    document::Node,
    form,
    id::{ApiName, EnvironmentName, IdentityName, SecretName, TargetName},
    scalar::Period,
    shape::{Shape, form, list, name, table, text, whole},
    source::{Origin, Sources},
    workspace::{Identity, any_key, identities},
};

declaration! {
    pub struct EnvironmentSpec {
        /// plain strings, used as ${env.NAME}
        pub values: BTreeMap<String, String>, optional,
            table(form(63, &form::VALUE_NAME), text(1024)).up_to(1024);
        /// the gateways of this environment
        pub targets: BTreeMap<TargetName, Target>, required,
            table(name(), Target::shape()).at_least(1);
        /// where secrets come from
        pub secrets: Option<Secrets>, optional;
        /// hosts that upstreams here may have, beyond public names
        pub egress: Vec<HostPattern>, optional;
        /// who may change this environment, and how
        pub changes: Vec<ChangeRule>, or(vec![]);
        /// replaces an identity of that name in this environment only
        pub identities: BTreeMap<IdentityName, Identity>, optional, identities();
        /// what is done about changes that did not go through Gatewright
        pub drift: Drift, or(Drift::default());
        /// what release events do; plan on pullRequest where this is left away
        pub on: Option<Vec<Release>>, optional;
        /// how deletions are allowed
        pub deletions: Deletions, or(Deletions::default());
        /// differences between targets that somebody takes upon himself
        pub accept: Vec<Accept>, optional;
        /// who is told what, by channels of the server
        pub notify: Vec<Notify>, optional;
    }
}

choice! {
    /// One gateway.
    pub enum Target {
        /// the gateway that is part of Gatewright
        Builtin = "builtin" (Builtin),
        /// an instance of Azure API Management; not available yet
        Apim = "apim" (Apim),
        /// a Tyk gateway or dashboard; not available yet
        Tyk = "tyk" (Tyk),
    }
}

declaration! {
    pub struct Builtin {
        /// address and port that callers use
        pub listen: Option<String>, optional, text(64).holds(is_listen_address);
        /// how many processes serve it; not available yet above 1
        pub replicas: Option<u32>, optional, whole(1, Some(u32::MAX.into()));
    }
}

declaration! {
    pub struct Apim {
        /// the ARM id of the instance
        pub service: String, required, form(512, &form::ARM_ID);
        /// names of self-hosted gateways that serve it too
        pub gateways: Vec<String>, optional, list(text(128));
        /// the host that callers use, where it is not that of the instance
        pub host: Option<String>, optional, text(253);
        /// whether an apply publishes the developer portal
        pub portal: Portal, or(Portal::Keep);
    }
}

words! {
    #[derive(Default)]
    pub enum Portal {
        Publish = "publish",
        #[default]
        Keep = "keep",
    }
}

declaration! {
    pub struct Tyk {
        /// address of its management interface
        pub url: String, required, form(2048, &form::HTTP_URL);
        /// id of the organization
        pub organization: Option<String>, optional, text(64);
        /// the secret that opens the management interface
        pub credential: SecretName, required;
        /// which interface answers there
        pub kind: TykKind, or(TykKind::Gateway);
        /// how Tyk itself reads secrets
        pub secrets: Option<TykSecrets>, optional;
    }
}

words! {
    #[derive(Default)]
    pub enum TykKind {
        #[default]
        Gateway = "gateway",
        Dashboard = "dashboard",
    }
}

choice! {
    /// How Tyk itself reads secrets.
    pub enum TykSecrets {
        /// variables of the Tyk process
        Env = "env" {
            /// what their names begin with
            prefix: Option<String>, optional, text(64);
        },
        /// files beside Tyk
        File = "file" {
            /// their folder
            directory: String, required, form(512, &form::NO_PARENT);
        },
        /// HashiCorp Vault, as Tyk is set up for it
        Vault = "vault" {
            /// mount of the engine
            mount: String, required, text(256);
        },
        /// Consul, as Tyk is set up for it
        Consul = "consul" {
            /// what the keys begin with
            prefix: Option<String>, optional, text(256);
        },
    }
}

declaration! {
    pub struct Secrets {
        pub store: SecretStore, flat;
        /// name of the secret to its name in the store
        pub names: BTreeMap<SecretName, String>, optional,
            table(SecretName::shape(), form(256, &form::NO_PARENT)).up_to(1024);
        /// when a secret counts as old
        pub max_age as "maxAge": Option<Period>, optional;
        /// which API may send which secret to which host
        pub allow: Vec<SecretAllowance>, optional, list(SecretAllowance::shape()).up_to(1024);
    }
}

choice! {
    pub enum SecretStore {
        /// Azure Key Vault; not available yet on `builtin`
        AzureKeyVault = "azureKeyVault" {
            /// address of the vault
            url: String, required, form(512, &form::HTTPS_URL);
        },
        /// HashiCorp Vault; not available yet on `builtin`
        HashicorpVault = "hashicorpVault" {
            /// its address
            address: String, required, form(512, &form::SECURE_URL);
            /// mount of the engine
            mount: String, required, text(256);
        },
        /// AWS Secrets Manager; not available yet on `builtin`
        AwsSecretsManager = "awsSecretsManager" {
            /// its region
            region: String, required, form(32, &form::REGION);
        },
        /// secrets of the namespace; not available yet on `builtin`
        Kubernetes = "kubernetes" {},
        /// files of this machine, one for each secret
        Files = "files" {
            /// their folder; a file is named like its secret
            directory: String, required, form(512, &form::SECRET_FOLDER);
        },
        /// variables of the gateway process
        Environment = "environment" {
            /// what their names begin with
            prefix: Option<String>, optional, form(64, &form::VARIABLE_PREFIX);
        },
    }
}

declaration! {
    /// Which API may send which secret to which host.
    pub struct SecretAllowance {
        /// secret names; * stands for any part
        pub names: Vec<String>, required, list(form(63, &form::SECRET_NAMES)).at_least(1);
        /// names of APIs
        pub apis: Vec<ApiName>, required, list(name()).at_least(1).up_to(1024);
        /// where they may be sent: host names or addresses, * for any part
        pub hosts: Vec<HostPattern>, required, list(HostPattern::shape()).at_least(1);
    }
}

/// A host, or a glob of host names or addresses: `*.internal`, `10.0.0.*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostPattern(pub String);

declaration! {
    /// Who may change this environment, and how.
    pub struct ChangeRule {
        pub at: Origin, place;
        /// what they may do
        pub actions: Vec<ChangeAction>, required, list(ChangeAction::shape()).at_least(1).unique();
        /// names under identities: any of them
        pub identities: Vec<IdentityName>, required, list(name()).at_least(1);
        /// one value of each named claim must be held
        pub claims: Claims, optional, table(any_key(), list(text(256)).at_least(1));
        /// facts that are checked in the Git host, never taken from a token
        pub commit: Option<CommitRule>, optional;
        /// when they may do it
        pub hours: Option<Hours>, optional;
        /// this rule also allows a plan that deletes
        pub deletes: bool, or(false);
        /// who answers for the rule
        pub owner: Option<String>, optional, text(128);
        /// why the rule exists
        pub because: Option<String>, optional, text(512);
        /// a Cedar condition
        pub when: Option<String>, optional, text(4096).at_least(1);
    }
}

words! {
    pub enum ChangeAction {
        View = "view",
        Plan = "plan",
        Approve = "approve",
        Apply = "apply",
        Rollback = "rollback",
        Rotate = "rotate",
        AcceptDrift = "acceptDrift",
        BreakGlass = "breakGlass",
    }
}

declaration! {
    /// Facts that are checked in the Git host, never taken from a token.
    #[derive(Default)]
    pub struct CommitRule {
        /// the commit is on this branch
        pub branch: Option<String>, optional, form(256, &form::BRANCH);
        /// a tag; with branch: a tag on a commit of that branch
        pub tag: Option<String>, optional, form(256, &form::TAG);
        /// so many people who are no authors approved it
        pub approvals: Option<u8>, optional, whole(0, Some(10));
        /// it is signed with a key of people
        pub signed: Option<bool>, optional;
        /// the same files were applied and verified in these environments
        pub verified_in as "verifiedIn": Vec<EnvironmentName>, optional;
    }
    rules(|map: Shape| map.any_of(vec!["branch", "tag"]))
}

declaration! {
    pub struct Hours {
        /// the days of the week
        pub days: Vec<Day>, required, list(Day::shape()).at_least(1).up_to(7).unique();
        /// `HH:MM`
        pub from: String, required, form(5, &form::TIME);
        /// `HH:MM`, up to `24:00`
        pub to: String, required, form(5, &form::END_TIME);
        /// an IANA name
        pub zone: String, required, form(64, &form::ZONE);
    }
}

words! {
    pub enum Day {
        Mon = "mon",
        Tue = "tue",
        Wed = "wed",
        Thu = "thu",
        Fri = "fri",
        Sat = "sat",
        Sun = "sun",
    }
}

declaration! {
    pub struct Drift {
        /// how often to compare
        pub every: Period, or(Period::FIVE_MINUTES);
        /// tell it, or put it back
        pub then: DriftThen, or(DriftThen::Report);
    }
}

words! {
    #[derive(Default)]
    pub enum DriftThen {
        #[default]
        Report = "report",
        Revert = "revert",
    }
}

declaration! {
    /// What a release event does, done as the reserved identity `server`.
    pub struct Release {
        /// what happened in the Git host
        pub event: ReleaseEvent, required;
        /// only on this branch
        pub branch: Option<String>, optional, form(256, &form::BRANCH);
        /// only for this tag; * stands for any part
        pub tag: Option<String>, optional, form(256, &form::TAG);
        /// what is done then
        pub then as "do": ReleaseAction, required;
    }
}

words! {
    pub enum ReleaseEvent {
        Push = "push",
        Tag = "tag",
        PullRequest = "pullRequest",
        Merge = "merge",
        Decline = "decline",
        Pipeline = "pipeline",
    }
}

words! {
    pub enum ReleaseAction {
        Plan = "plan",
        Apply = "apply",
        None = "none",
    }
}

declaration! {
    pub struct Deletions {
        /// refuse beats every rule
        pub mode: DeletionMode, or(DeletionMode::ByRule);
        /// more deleted objects than this, and more than one in ten, needs one approval more
        pub ceiling: u32, or(5);
    }
}

words! {
    #[derive(Default)]
    pub enum DeletionMode {
        /// Beats every rule.
        Refuse = "refuse",
        #[default]
        ByRule = "byRule",
    }
}

declaration! {
    /// A named difference between targets that somebody takes upon himself.
    pub struct Accept {
        pub at: Origin, place;
        /// code of the difference
        pub code: String, required, form(6, &form::DIFFERENCE_CODE);
        /// only on this target
        pub target: Option<TargetName>, optional;
        /// why it is taken
        pub because: String, required, text(512).at_least(10);
        /// the date after which it is no longer taken; a plan refuses one without
        pub until: Option<Date>, optional;
    }
}

declaration! {
    pub struct Notify {
        pub channel: Channel, flat;
        /// what is told
        pub on: Vec<Notice>, required, list(Notice::shape()).at_least(1).unique();
    }
}

choice! {
    /// A channel of the server's settings, by its name there.
    pub enum Channel {
        /// name of a webhook
        Webhook = "webhook" (String, name()),
        /// name of a mail address
        Email = "email" (String, name()),
    }
}

words! {
    pub enum Notice {
        Denied = "denied",
        Drift = "drift",
        Waiting = "waiting",
        Failed = "failed",
        RotationDue = "rotationDue",
        BreakGlass = "breakGlass",
    }
}

impl Builtin {
    /// Where callers find a gateway whose target names no address.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
}

impl Default for Drift {
    fn default() -> Self {
        Self { every: Period::FIVE_MINUTES, then: DriftThen::Report }
    }
}

impl Default for Deletions {
    fn default() -> Self {
        Self { mode: DeletionMode::ByRule, ceiling: 5 }
    }
}

impl Declared for HostPattern {
    fn shape() -> Shape {
        form(253, &form::HOST)
    }

    fn read(node: &Node, _: &Sources) -> Option<Self> {
        node.as_text().map(|text| Self(text.to_owned()))
    }
}

fn is_listen_address(text: &str) -> Result<(), &'static str> {
    match text.parse::<SocketAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err("an address and a port such as `127.0.0.1:8080` or `[::1]:8080`"),
    }
}
