//! Who asks, by which credential, and what that credential may.

use base64::{Engine, prelude::BASE64_STANDARD};
use gw_model::secret::Redacted;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{
    contract::Operation,
    memory,
    refusal::Refusal,
    state::{Permission, Repository, Uuid, World},
};

/// How long the token of an OAuth consumer is good.
pub(super) const TOKEN_LIFE: Duration = Duration::hours(1);

/// What an OAuth scope includes. Scopes of API tokens include nothing.
const IMPLIED: &[(&str, &[&str])] = &[
    ("repository:write", &["repository"]),
    ("pullrequest", &["repository"]),
    ("pullrequest:write", &["pullrequest", "repository:write", "repository"]),
    ("project", &["repository"]),
    ("pipeline:write", &["pipeline"]),
    ("pipeline:variable", &["pipeline:write", "pipeline"]),
    ("account:write", &["account"]),
];

const UNKNOWN: &str = "Token is invalid, expired, or not supported for this endpoint.";
const GONE: &str = "App passwords are deprecated and must be replaced with API tokens.";

/// The name under which access tokens come in over git.
const TOKEN_NAME: &str = "x-token-auth";
/// The name under which API tokens come in over git.
const API_TOKEN_NAME: &str = "x-bitbucket-api-token-auth";

/// How far an access token reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    Repository(Uuid),
    Project(Uuid),
    Workspace(Uuid),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A person's token for the API and for git, with an e-mail address or a fixed name.
    ApiToken,
    Access(Reach),
    /// The secret of an OAuth consumer, good only for tokens.
    Consumer {
        key: String,
        workspace: Uuid,
    },
    /// What a consumer got; it acts for the workspace that owns the consumer.
    OAuth {
        workspace: Uuid,
    },
    AppPassword,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Credential {
    #[serde(with = "memory::secret")]
    pub(super) secret: Redacted<String>,
    pub(super) kind: Kind,
    pub(super) account: Uuid,
    pub(super) scopes: Vec<String>,
    pub(super) ends: Option<OffsetDateTime>,
}

/// Whoever a credential proves.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: Uuid,
    pub(super) kind: Kind,
    pub(super) scopes: Vec<String>,
}

/// Through which door a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Api,
    Git,
}

impl Caller {
    /// What the caller may do in a repository. A token that stands for nobody may there what its
    /// scopes say.
    pub(super) fn permission(&self, world: &World, repository: &Repository) -> Option<Permission> {
        let reaches = match &self.kind {
            Kind::ApiToken => return world.permission(repository, &self.account),
            Kind::Access(Reach::Repository(uuid)) => *uuid == repository.uuid,
            Kind::Access(Reach::Project(project)) => *project == repository.project,
            Kind::Access(Reach::Workspace(workspace)) | Kind::OAuth { workspace } => {
                *workspace == repository.workspace
            }
            Kind::Consumer { .. } | Kind::AppPassword => false,
        };
        reaches.then_some(Permission::Admin)
    }

    /// Whether it is one of the tokens that belong to a repository, project or workspace.
    pub(super) fn is_access_token(&self) -> bool {
        matches!(self.kind, Kind::Access(_))
    }

    pub(super) fn check_scopes(&self, operation: &Operation) -> Result<(), Refusal> {
        match &self.kind {
            Kind::ApiToken => match &operation.api_token {
                Some(needed) => self.need(needed),
                None => Err(Refusal::new(401, UNKNOWN)),
            },
            Kind::Access(_) | Kind::Consumer { .. } | Kind::OAuth { .. } | Kind::AppPassword => {
                self.need(&operation.oauth)
            }
        }
    }

    /// What git needs: to read, or to write as well.
    pub(super) fn check_git(&self, writes: bool) -> Result<(), Refusal> {
        let needed = match (&self.kind, writes) {
            (Kind::ApiToken, false) => "read:repository:bitbucket",
            (Kind::ApiToken, true) => "write:repository:bitbucket",
            (_, false) => "repository",
            (_, true) => "repository:write",
        };
        self.need(&[needed.to_owned()])
    }

    fn need(&self, needed: &[String]) -> Result<(), Refusal> {
        let implied = |scope: &str| {
            let row = IMPLIED.iter().find(|(name, _)| *name == scope);
            row.map(|(_, scopes)| *scopes).unwrap_or_default()
        };
        let has = |scope: &String| {
            let mut own = self.scopes.iter();
            own.any(|own| own == scope || implied(own).contains(&scope.as_str()))
        };
        if needed.iter().all(has) {
            return Ok(());
        }
        Err(Refusal::scopes(needed, &self.scopes))
    }
}

/// Who sent this `Authorization`; `None` for nobody.
pub(super) fn authenticate(
    world: &World,
    header: Option<&str>,
    door: Door,
    now: OffsetDateTime,
) -> Result<Option<Caller>, Refusal> {
    let Some(header) = header else { return Ok(None) };
    let unknown = || Refusal::new(401, UNKNOWN);
    let (scheme, value) = header.split_once(' ').ok_or_else(unknown)?;
    let credential = if scheme.eq_ignore_ascii_case("bearer") && door == Door::Api {
        find(world, value.trim(), now).filter(|it| is_bearer(&it.kind)).ok_or_else(unknown)?
    } else if scheme.eq_ignore_ascii_case("basic") {
        let (name, secret) = basic(value).ok_or_else(unknown)?;
        let found = find(world, &secret, now).ok_or_else(unknown)?;
        if found.kind == Kind::AppPassword {
            // Over git the answer is another: the address is gone.
            return Err(Refusal::new(if door == Door::Git { 410 } else { 401 }, GONE));
        }
        if !is_named(world, found, &name, door) {
            return Err(unknown());
        }
        found
    } else {
        return Err(unknown());
    };
    let Credential { account, kind, scopes, .. } = credential.clone();
    Ok(Some(Caller { account, kind, scopes }))
}

/// Name and secret of a `Basic` header.
pub(super) fn basic(value: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}

fn find<'a>(world: &'a World, secret: &str, now: OffsetDateTime) -> Option<&'a Credential> {
    let found = world.credentials.iter().find(|it| it.secret.reveal() == secret)?;
    found.ends.is_none_or(|ends| now < ends).then_some(found)
}

fn is_bearer(kind: &Kind) -> bool {
    matches!(kind, Kind::Access(_) | Kind::OAuth { .. })
}

/// Whether the name beside the secret is the one that this kind of credential has at this door.
fn is_named(world: &World, credential: &Credential, name: &str, door: Door) -> bool {
    let account = world.account(&credential.account);
    match (&credential.kind, door) {
        (Kind::ApiToken, Door::Api) => account.is_some_and(|it| it.email == name),
        (Kind::ApiToken, Door::Git) => {
            name == API_TOKEN_NAME || account.is_some_and(|it| it.nickname == name)
        }
        (Kind::Access(_) | Kind::OAuth { .. }, Door::Git) => name == TOKEN_NAME,
        _ => false,
    }
}
