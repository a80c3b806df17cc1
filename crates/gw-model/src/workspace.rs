//! `Workspace`: where the code lives and how callers prove who they are. One per repository.

use std::collections::BTreeMap;

use crate::{
    api::Claims,
    declared::{choice, declaration, words},
    form,
    id::{IdentityName, PersonName, SecretName, TeamName},
    load::is_range,
    scalar::Period,
    shape::{Role, Shape, form, list, name, table, text},
};

/// Which files are declarations where `files` does not say it.
pub const DEFAULT_FILES: [&str; 3] = ["gatewright.yaml", "environments/*.yaml", "apis/*/api.yaml"];

/// Which files are Cedar policies where `policies` does not say it.
pub const DEFAULT_POLICIES: [&str; 1] = ["policies/*.cedar"];

declaration! {
    pub struct WorkspaceSpec {
        /// tool version range
        pub requires: Option<String>, optional, text(64).holds(is_range);
        /// globs of declaration files
        pub files: Vec<String>, or(DEFAULT_FILES.map(str::to_owned).to_vec()), list(path());
        /// which Git host answers for facts about a commit
        pub source: Source, required;
        /// how the bytes arrive, where not by Git from the source
        pub delivery: Option<Delivery>, optional;
        /// ways of proving who asks
        pub identities: BTreeMap<IdentityName, Identity>, required, identities();
        /// one person's accounts
        pub people: BTreeMap<PersonName, Person>, optional,
            table(name(), shape::<Person>()).up_to(1024);
        /// who answers together
        pub teams: BTreeMap<TeamName, Team>, optional, table(name(), shape::<Team>()).up_to(256);
        /// globs of Cedar files
        pub policies: Vec<String>, or(DEFAULT_POLICIES.map(str::to_owned).to_vec()), list(path());
    }
}

choice! {
    /// Who answers for facts about a commit.
    pub enum Source {
        /// a repository of Bitbucket Cloud
        Bitbucket = "bitbucket" {
            /// workspace/slug, for people
            repository: String, required, form(256, &form::OWNER_AND_NAME);
            /// what is trusted
            repository_uuid as "repositoryUuid": String, required, form(38, &form::UUID);
            /// what is trusted: the Bitbucket workspace that issues the pipelines' tokens
            workspace_uuid as "workspaceUuid": String, required, form(38, &form::UUID);
        },
        /// a repository of a Bitbucket Data Center
        BitbucketDataCenter = "bitbucketDataCenter" {
            /// its address
            url: String, required, form(512, &form::SECURE_URL);
            /// project key
            project: String, required, form(128, &form::PROJECT_KEY);
            /// slug
            repository: String, required, form(128, &form::SLUG);
        },
        /// a repository of GitHub
        Github = "github" {
            /// owner/name, for people
            repository: String, required, form(256, &form::OWNER_AND_NAME);
            /// what is trusted
            repository_id as "repositoryId": String, required, form(20, &form::NUMBER);
        },
        /// a project of GitLab
        Gitlab = "gitlab" {
            /// its address
            url: String, or("https://gitlab.com".to_owned()), form(512, &form::SECURE_URL);
            /// group/name, for people
            project: String, required, form(256, &form::GROUP_AND_NAME);
            /// what is trusted
            project_id as "projectId": String, required, form(20, &form::NUMBER);
        },
        /// a folder on this machine; nobody can be asked for approvals
        Local = "local" {},
    }
}

choice! {
    /// How the bytes arrive, where not by Git from the source.
    pub enum Delivery {
        /// by an artifact of Flux; the source still answers for the commit
        Flux = "flux" {
            /// kind of the Flux source
            kind: FluxKind, required;
            /// name of the Flux source
            name: String, required, text(253).at_least(1);
            /// folder inside the artifact
            path: String, or(".".to_owned()), form(512, &form::FOLDER_OF_ARTIFACT);
        },
    }
}

words! {
    pub enum FluxKind {
        GitRepository = "GitRepository",
        OciRepository = "OCIRepository",
        Bucket = "Bucket",
    }
}

choice! {
    /// A named, verified way of proving who asks.
    pub enum Identity {
        /// holders of a token of an OpenID Connect issuer
        Oidc = "oidc" (Oidc),
        /// steps of Bitbucket pipelines, by their identity token; not available yet for callers of `builtin`
        BitbucketPipelines = "bitbucketPipelines" {
            /// the audience that the step asks for
            audience: String, required, text(512).at_least(1);
            /// further repositories whose pipelines are this identity
            repositories: Vec<String>, optional, list(form(38, &form::UUID)).at_least(1);
        },
        /// senders of a webhook whose body is signed with a shared secret; not available yet for callers of `builtin`
        SignedWebhook = "signedWebhook" {
            /// whose webhooks: it decides header and form of the signature
            provider: WebhookProvider, required;
            /// the header of the signature, where the provider does not decide it
            header: Option<String>, optional, text(128).holds(is_header);
            /// the secret that signs
            secret: SecretName, required;
            /// how long a delivery is refused a second time
            remember: Period, or(Period::WEEK);
        },
        /// holders of a certificate of these authorities
        ClientCertificate = "clientCertificate" {
            /// secrets that hold the certificates of the authorities
            authorities: Vec<SecretName>, required, list(shape::<SecretName>()).at_least(1);
        },
        /// a signed GetCallerIdentity request; not available yet for callers of `builtin`
        AwsIam = "awsIam" {
            /// value of our header among the signed ones
            audience: String, required, text(512).at_least(1);
            /// AWS account ids that may call
            accounts: Vec<String>, required, list(form(12, &form::ACCOUNT)).at_least(1);
            /// principal ARN, * for any part
            arns: Vec<String>, optional, list(form(2048, &form::ARN)).at_least(1);
        },
    }
}

declaration! {
    pub struct Oidc {
        /// exact name of the issuer: `iss` of its tokens, and where its keys are found
        pub issuer: String, required, form(512, &form::SECURE_URL);
        /// a token must be meant for one of these
        pub audiences: Vec<String>, required, list(text(512).at_least(1)).at_least(1);
        /// the claim that names the caller
        pub subject: String, or("sub".to_owned()), text(128);
        /// what this issuer signs with; never taken from the token
        pub algorithms: Vec<Algorithm>, or(vec![Algorithm::Rs256]),
            list(shape::<Algorithm>()).at_least(1).unique();
        /// how far the clocks may differ
        pub clock_skew as "clockSkew": Period, or(Period::MINUTE);
        /// claim name to its path in the token
        pub rename: BTreeMap<String, String>, optional, table(any_key(), text(128));
    }
}

words! {
    pub enum Algorithm {
        Rs256 = "RS256",
        Rs384 = "RS384",
        Rs512 = "RS512",
        Ps256 = "PS256",
        Ps384 = "PS384",
        Ps512 = "PS512",
        Es256 = "ES256",
        Es384 = "ES384",
        Es512 = "ES512",
        EdDsa = "EdDSA",
    }
}

words! {
    pub enum WebhookProvider {
        BitbucketCloud = "bitbucket-cloud",
        BitbucketDataCenter = "bitbucket-data-center",
        Github = "github",
        Gitlab = "gitlab",
        Generic = "generic",
    }
}

declaration! {
    /// One person's accounts.
    #[derive(Default)]
    pub struct Person {
        /// account uuid
        pub bitbucket: Option<String>, optional, form(38, &form::UUID);
        /// account id
        pub github: Option<String>, optional, form(20, &form::NUMBER);
        /// account id
        pub gitlab: Option<String>, optional, form(20, &form::NUMBER);
        /// identity name to this person's subject there
        pub subjects: BTreeMap<IdentityName, String>, optional,
            table(name(), text(255).at_least(1)).at_least(1);
        /// only these count for commit.signed
        pub signing_keys as "signingKeys": Vec<String>, optional,
            list(form(8192, &form::PUBLIC_KEY).at_least(1).role(Role::PublicKey).about("OpenPGP or SSH public key")).at_least(1);
    }
    rules(Shape::not_empty)
}

choice! {
    pub enum Team {
        /// these people
        People = "people" (
            Vec<PersonName>, list(name().about("a name under people")).at_least(1).up_to(1024)
        ),
        /// whoever this identity proves to hold these claims
        Holders = "holders" {
            /// the identity that they prove
            identity: IdentityName, required, name().reserved(&["local"]);
            /// one value of each named claim must be held
            claims: Claims, required, claims().at_least(1);
        },
    }
}

/// A path or glob from the workspace root.
pub fn path() -> Shape {
    form(512, &form::PATH)
}

/// Identities by their names; what is reserved cannot be declared.
pub fn identities() -> Shape {
    table(name().reserved(&[IdentityName::LOCAL, IdentityName::SERVER]), shape::<Identity>())
}

/// Claim names are the issuer's own.
pub fn claims() -> Shape {
    table(any_key(), list(text(256).role(Role::Filled)).at_least(1))
}

pub fn any_key() -> Shape {
    text(256).at_least(1)
}

/// The name of a header of HTTP.
pub fn is_header(text: &str) -> Result<(), &'static str> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~_".contains(&byte);
    if !text.is_empty() && text.bytes().all(sign) {
        Ok(())
    } else {
        Err("the name of a header: letters, digits and `-`")
    }
}

fn shape<T: crate::declared::Declared>() -> Shape {
    T::shape()
}
