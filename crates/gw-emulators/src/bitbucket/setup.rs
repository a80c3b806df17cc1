//! What is there before anybody asks: made by whoever owns the emulator, not over the wire.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use gw_model::secret::Redacted;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    Bitbucket,
    access::{Credential, Kind, Reach},
    hooks::{Hook, here},
    landing,
    memory::Memory,
    objects::{GitError, Hand, Objects, folder_of},
    oidc::{Audience, Issuer, Step as StepClaims},
    pipelines::{Ending, Pipeline, Step},
    state::{
        AccountKind, Environment, Group, Permission, Project, Repository, Restriction, Uuid,
        Workspace, World,
    },
};

/// The branch of a new repository.
const MAIN: &str = "main";
/// The project that every workspace has.
const OLDEST_PROJECT: &str = "MAIN";
/// What the API token of a server may do: docs/server.md tells people so.
pub const SERVER_SCOPES: &[&str] = &[
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
    "read:pullrequest:bitbucket",
    "write:pullrequest:bitbucket",
    "read:pipeline:bitbucket",
    "read:workspace:bitbucket",
    "read:user:bitbucket",
];
/// Of what the webhook of a server tells: docs/server.md says so too.
pub const SERVER_EVENTS: &[&str] = &[
    "repo:push",
    "pullrequest:created",
    "pullrequest:updated",
    "pullrequest:approved",
    "pullrequest:unapproved",
    "pullrequest:fulfilled",
    "pullrequest:rejected",
    "pullrequest:comment_created",
];
/// An API token ends a year after it was made, at the latest.
const LONGEST_LIFE: Duration = Duration::days(365);

/// Why something could not be made.
#[derive(Debug)]
pub enum SetupError {
    Unknown(&'static str),
    Taken(String),
    Git(GitError),
    /// The system gave no randomness for keys.
    Keys,
    /// Webhooks are sent to plain addresses of this machine only.
    NotHere(String),
    /// What is there cannot be written down.
    Memory(io::Error),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(what) => write!(f, "there is no such {what}"),
            Self::Taken(name) => write!(f, "`{name}` is taken"),
            Self::Git(error) => write!(f, "{error}"),
            Self::Keys => f.write_str("no keys could be made"),
            Self::NotHere(url) => write!(f, "`{url}` is no http address of this machine"),
            Self::Memory(error) => write!(f, "it cannot be remembered: {error}"),
        }
    }
}

impl std::error::Error for SetupError {}

impl From<GitError> for SetupError {
    fn from(error: GitError) -> Self {
        Self::Git(error)
    }
}

type Result<T> = std::result::Result<T, SetupError>;

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub uuid: Uuid,
    pub nickname: String,
    /// The name beside an API token.
    pub email: String,
    pub account_id: String,
}

/// An OAuth consumer: what it names itself, and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub key: String,
    pub secret: String,
}

/// A branch restriction: its kind in Bitbucket's words, its branches, and a count where it has one.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    pub kind: &'a str,
    pub pattern: &'a str,
    pub value: Option<u64>,
    pub exempt: Exempt<'a>,
}

/// Whom a restriction of pushes or merges lets through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exempt<'a> {
    pub people: &'a [Uuid],
    pub groups: &'a [&'a str],
}

fn repository<'w>(world: &'w mut World, uuid: &Uuid) -> Result<&'w mut Repository> {
    world.repository_mut(uuid).ok_or(SetupError::Unknown("repository"))
}

fn workspace<'w>(world: &'w mut World, uuid: &Uuid) -> Result<&'w mut Workspace> {
    let found = world.workspaces.iter_mut().find(|it| it.uuid == *uuid);
    found.ok_or(SetupError::Unknown("workspace"))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

impl Bitbucket {
    fn now(&self) -> OffsetDateTime {
        self.host.clock.now()
    }

    /// From now on everything that is there, and whatever is done, outlives this process.
    pub fn remember(&self) -> Result<()> {
        *self.host.memory.lock() = Some(Memory::of(&self.host.folder));
        self.host.remember().map_err(SetupError::Memory)
    }

    pub fn add_workspace(&self, slug: &str) -> Result<Uuid> {
        let created = self.now();
        let mut world = self.host.world.lock();
        if world.workspaces.iter().any(|it| it.slug == slug) {
            return Err(SetupError::Taken(slug.to_owned()));
        }
        let uuid = world.names.uuid();
        let project = Project { uuid: world.names.uuid(), key: OLDEST_PROJECT.to_owned() };
        world.workspaces.push(Workspace {
            uuid: uuid.clone(),
            slug: slug.to_owned(),
            projects: vec![project],
            groups: Vec::new(),
            created,
            issuer: None,
        });
        Ok(uuid)
    }

    pub fn add_project(&self, of: &Uuid, key: &str) -> Result<Uuid> {
        let mut world = self.host.world.lock();
        let uuid = world.names.uuid();
        let projects = &mut workspace(&mut world, of)?.projects;
        if projects.iter().any(|it| it.key == key) {
            return Err(SetupError::Taken(key.to_owned()));
        }
        projects.push(Project { uuid: uuid.clone(), key: key.to_owned() });
        Ok(uuid)
    }

    /// A repository begins in the oldest project of its workspace.
    pub fn move_repository(&self, of: &Uuid, project: &Uuid) -> Result<()> {
        let mut world = self.host.world.lock();
        let home = repository(&mut world, of)?.workspace.clone();
        let projects = &workspace(&mut world, &home)?.projects;
        if !projects.iter().any(|it| it.uuid == *project) {
            return Err(SetupError::Unknown("project"));
        }
        repository(&mut world, of)?.project = project.clone();
        Ok(())
    }

    /// Its UUID stays, and so do those of its repositories; the issuer's name follows the slug.
    pub fn rename_workspace(&self, uuid: &Uuid, slug: &str) -> Result<()> {
        let mut world = self.host.world.lock();
        if world.workspaces.iter().any(|it| it.slug == slug && it.uuid != *uuid) {
            return Err(SetupError::Taken(slug.to_owned()));
        }
        workspace(&mut world, uuid)?.slug = slug.to_owned();
        Ok(())
    }

    /// An empty repository whose main branch will be `main`.
    pub fn add_repository(&self, of: &Uuid, slug: &str) -> Result<Uuid> {
        self.make_repository(of, slug, None)
    }

    /// A repository with the branches of another one, from which pull requests go to that one.
    pub fn add_fork(&self, parent: &Uuid, of: &Uuid, slug: &str) -> Result<Uuid> {
        let uuid = self.make_repository(of, slug, Some(parent))?;
        let mut world = self.host.world.lock();
        let origin = repository(&mut world, parent)?.objects.clone();
        let fork = repository(&mut world, &uuid)?;
        fork.objects.copy(&origin)?;
        fork.refs = fork.objects.refs()?;
        Ok(uuid)
    }

    fn make_repository(&self, of: &Uuid, slug: &str, parent: Option<&Uuid>) -> Result<Uuid> {
        let created = self.now();
        let mut world = self.host.world.lock();
        let project = workspace(&mut world, of)?.projects.first().map(|it| it.uuid.clone());
        let project = project.ok_or(SetupError::Unknown("project"))?;
        if world.repositories.iter().any(|it| it.workspace == *of && it.slug == slug) {
            return Err(SetupError::Taken(slug.to_owned()));
        }
        let uuid = world.names.uuid();
        let folder = folder_of(&self.host.folder, &uuid);
        let objects = Objects::create(folder, MAIN)?;
        world.repositories.push(Repository {
            uuid: uuid.clone(),
            workspace: of.clone(),
            project,
            parent: parent.cloned(),
            slug: slug.to_owned(),
            main: MAIN.to_owned(),
            objects,
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            restrictions: Vec::new(),
            hooks: Vec::new(),
            pulls: Vec::new(),
            statuses: Vec::new(),
            reports: Vec::new(),
            environments: Vec::new(),
            pipelines: Vec::new(),
            refs: BTreeMap::new(),
            last_id: 0,
            created,
            updated: created,
        });
        Ok(uuid)
    }

    /// Puts files on top of a branch, as if the person had pushed them. No restriction is asked.
    pub fn commit(
        &self,
        of: &Uuid,
        by: &Uuid,
        branch: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> Result<String> {
        let now = self.now();
        let mut world = self.host.world.lock();
        let author = world.account(by).ok_or(SetupError::Unknown("person"))?.clone();
        let (name, email) = (author.nickname.as_str(), author.email.as_str());
        let hand = Hand { name, email, seconds: now.unix_timestamp() };
        repository(&mut world, of)?.objects.add_files(branch, message, &hand, files)?;
        landing::notice(&self.host, &mut world, of, by, now)?;
        let head = repository(&mut world, of)?.branch(branch).map(str::to_owned);
        head.ok_or(SetupError::Unknown("branch"))
    }

    pub fn rename_repository(&self, uuid: &Uuid, slug: &str) -> Result<()> {
        let mut world = self.host.world.lock();
        let of = repository(&mut world, uuid)?.workspace.clone();
        let taken = |it: &Repository| it.workspace == of && it.slug == slug && it.uuid != *uuid;
        if world.repositories.iter().any(taken) {
            return Err(SetupError::Taken(slug.to_owned()));
        }
        repository(&mut world, uuid)?.slug = slug.to_owned();
        Ok(())
    }

    pub fn add_person(&self, nickname: &str) -> Result<Person> {
        let created = self.now();
        let mut world = self.host.world.lock();
        if world.accounts.iter().any(|it| it.nickname == nickname) {
            return Err(SetupError::Taken(nickname.to_owned()));
        }
        let uuid = world.add_account(AccountKind::Person, nickname, created);
        let account = world.account(&uuid).ok_or(SetupError::Unknown("account"))?;
        let (email, account_id) = (account.email.clone(), account.account_id.clone());
        Ok(Person { uuid, nickname: nickname.to_owned(), email, account_id })
    }

    pub fn add_group(&self, of: &Uuid, slug: &str, members: &[Uuid]) -> Result<()> {
        let mut world = self.host.world.lock();
        let workspace = workspace(&mut world, of)?;
        if workspace.groups.iter().any(|it| it.slug == slug) {
            return Err(SetupError::Taken(slug.to_owned()));
        }
        let members = members.iter().cloned().collect();
        workspace.groups.push(Group { slug: slug.to_owned(), members });
        Ok(())
    }

    /// `None` takes the permission away.
    pub fn permit(&self, of: &Uuid, person: &Uuid, permission: Option<Permission>) -> Result<()> {
        let mut world = self.host.world.lock();
        world.account(person).ok_or(SetupError::Unknown("person"))?;
        let people = &mut repository(&mut world, of)?.people;
        match permission {
            Some(permission) => people.insert(person.clone(), permission),
            None => people.remove(person),
        };
        Ok(())
    }

    /// The same for everybody in a group.
    pub fn permit_group(
        &self,
        of: &Uuid,
        slug: &str,
        permission: Option<Permission>,
    ) -> Result<()> {
        let mut world = self.host.world.lock();
        let groups = &mut repository(&mut world, of)?.groups;
        match permission {
            Some(permission) => groups.insert(slug.to_owned(), permission),
            None => groups.remove(slug),
        };
        Ok(())
    }

    /// A person's token, with scopes such as `read:repository:bitbucket`.
    pub fn add_api_token(&self, person: &Uuid, scopes: &[&str]) -> Result<String> {
        let ends = Some(self.now() + LONGEST_LIFE);
        self.add_credential(person, "ATATT", Kind::ApiToken, scopes, ends)
    }

    /// The same with a secret that is chosen: for those who must know it before it is there.
    pub fn accept_api_token(&self, person: &Uuid, scopes: &[&str], secret: &str) -> Result<()> {
        if self.host.world.lock().credentials.iter().any(|it| it.secret.reveal() == secret) {
            return Err(SetupError::Taken("this secret".to_owned()));
        }
        let ends = Some(self.now() + LONGEST_LIFE);
        self.keep_credential(person, secret.to_owned(), Kind::ApiToken, scopes, ends)
    }

    /// What ended in 2026. It is kept so that the answer can say so.
    pub fn add_app_password(&self, person: &Uuid) -> Result<String> {
        self.add_credential(person, "ATBB", Kind::AppPassword, &[], None)
    }

    /// The token of a repository, project or workspace, with scopes such as `repository:write`. It
    /// acts as an account of its own name.
    pub fn add_access_token(&self, reach: Reach, name: &str, scopes: &[&str]) -> Result<String> {
        let created = self.now();
        let account = self.host.world.lock().add_account(AccountKind::Token, name, created);
        self.add_credential(&account, "ATCTT", Kind::Access(reach), scopes, None)
    }

    /// An OAuth consumer that a workspace owns.
    pub fn add_consumer(&self, of: &Uuid, scopes: &[&str]) -> Result<Consumer> {
        let created = self.now();
        let mut world = self.host.world.lock();
        let slug = workspace(&mut world, of)?.slug.clone();
        let account = world.add_account(AccountKind::Team, &slug, created);
        let key = world.names.token("");
        drop(world);
        let kind = Kind::Consumer { key: key.clone(), workspace: of.clone() };
        let secret = self.add_credential(&account, "", kind, scopes, None)?;
        Ok(Consumer { key, secret })
    }

    fn add_credential(
        &self,
        account: &Uuid,
        start: &str,
        kind: Kind,
        scopes: &[&str],
        ends: Option<OffsetDateTime>,
    ) -> Result<String> {
        let secret = self.host.world.lock().names.token(start);
        self.keep_credential(account, secret.clone(), kind, scopes, ends)?;
        Ok(secret)
    }

    fn keep_credential(
        &self,
        account: &Uuid,
        secret: String,
        kind: Kind,
        scopes: &[&str],
        ends: Option<OffsetDateTime>,
    ) -> Result<()> {
        let mut world = self.host.world.lock();
        world.account(account).ok_or(SetupError::Unknown("account"))?;
        let (account, scopes) = (account.clone(), owned(scopes));
        let secret = Redacted::new(secret);
        world.credentials.push(Credential { secret, kind, account, scopes, ends });
        Ok(())
    }

    /// No credential with this secret is good any more.
    pub fn revoke(&self, secret: &str) {
        self.host.world.lock().credentials.retain(|it| it.secret.reveal() != secret);
    }

    pub fn restrict(&self, of: &Uuid, rule: &Rule<'_>) -> Result<u64> {
        let mut world = self.host.world.lock();
        let repository = repository(&mut world, of)?;
        let id = repository.next_id();
        repository.restrictions.push(Restriction {
            id,
            kind: rule.kind.to_owned(),
            match_kind: "glob".to_owned(),
            pattern: rule.pattern.to_owned(),
            branch_type: None,
            value: rule.value,
            users: rule.exempt.people.to_vec(),
            groups: owned(rule.exempt.groups),
        });
        Ok(id)
    }

    pub fn add_hook(
        &self,
        of: &Uuid,
        url: &str,
        events: &[&str],
        secret: Option<&str>,
    ) -> Result<Uuid> {
        here(url).ok_or_else(|| SetupError::NotHere(url.to_owned()))?;
        let created = self.now();
        let mut world = self.host.world.lock();
        let uuid = world.names.uuid();
        repository(&mut world, of)?.hooks.push(Hook {
            uuid: uuid.clone(),
            url: url.to_owned(),
            description: String::new(),
            is_active: true,
            events: owned(events),
            secret: secret.map(|secret| Redacted::new(secret.to_owned())),
            created,
        });
        Ok(uuid)
    }

    /// Until then the workspace has no discovery and no keys. Again, and its key is another one.
    pub fn enable_oidc(&self, of: &Uuid) -> Result<()> {
        let issuer = Issuer::generate().ok_or(SetupError::Keys)?;
        workspace(&mut self.host.world.lock(), of)?.issuer = Some(Arc::new(issuer));
        Ok(())
    }

    pub fn add_environment(&self, of: &Uuid, name: &str) -> Result<Uuid> {
        let mut world = self.host.world.lock();
        let uuid = world.names.uuid();
        let environments = &mut repository(&mut world, of)?.environments;
        environments.push(Environment { uuid: uuid.clone(), name: name.to_owned() });
        Ok(uuid)
    }

    /// A pipeline on the head of a branch, as a push starts it.
    pub fn start_pipeline(&self, of: &Uuid, branch: &str, creator: &Uuid) -> Result<Uuid> {
        let created = self.now();
        let mut world = self.host.world.lock();
        let uuid = world.names.uuid();
        let repository = repository(&mut world, of)?;
        let head = repository.branch(branch).ok_or(SetupError::Unknown("branch"))?.to_owned();
        let target = json!({
            "type": "pipeline_ref_target", "ref_type": "branch", "ref_name": branch,
        });
        let number = repository.pipelines.len() + 1;
        repository.pipelines.push(Pipeline {
            uuid: uuid.clone(),
            number,
            creator: creator.clone(),
            target,
            branch: Some(branch.to_owned()),
            commit: head,
            variables: Vec::new(),
            steps: Vec::new(),
            created,
            ended: None,
        });
        Ok(uuid)
    }

    /// A step that runs now; with an environment, it is a deployment.
    pub fn start_step(
        &self,
        pipeline: &Uuid,
        name: &str,
        environment: Option<&Uuid>,
    ) -> Result<Uuid> {
        let started = self.now();
        let mut world = self.host.world.lock();
        let (uuid, deployment) = (world.names.uuid(), world.names.uuid());
        let pipeline = find_pipeline(&mut world, pipeline)?;
        let deploys = environment.map(|environment| (environment.clone(), deployment));
        let name = name.to_owned();
        pipeline.steps.push(Step { uuid: uuid.clone(), name, deploys, started, ended: None });
        Ok(uuid)
    }

    pub fn end_step(&self, step: &Uuid, ending: Ending) -> Result<()> {
        let at = self.now();
        let mut world = self.host.world.lock();
        let pipelines = world.repositories.iter_mut().flat_map(|it| it.pipelines.iter_mut());
        let mut steps = pipelines.flat_map(|it| it.steps.iter_mut());
        let found = steps.find(|it| it.uuid == *step).ok_or(SetupError::Unknown("step"))?;
        found.ended = Some((at, ending));
        Ok(())
    }

    /// Ends the pipeline, with every step that runs.
    pub fn end_pipeline(&self, pipeline: &Uuid, ending: Ending) -> Result<()> {
        let at = self.now();
        find_pipeline(&mut self.host.world.lock(), pipeline)?.end(at, ending);
        Ok(())
    }

    /// What a step finds in `BITBUCKET_STEP_OIDC_TOKEN`. `None` where the workspace has no issuer,
    /// or the audiences are not ones that a step may name.
    pub fn step_token(&self, step: &Uuid, audience: &Audience) -> Result<Option<String>> {
        let now = self.now();
        let world = self.host.world.lock();
        let all = world.repositories.iter().flat_map(|repository| {
            let pipelines = repository.pipelines.iter();
            pipelines.flat_map(move |pipeline| {
                pipeline.steps.iter().map(move |step| (repository, pipeline, step))
            })
        });
        let mut found = all.filter(|(_, _, it)| it.uuid == *step);
        let (repository, pipeline, step) = found.next().ok_or(SetupError::Unknown("step"))?;
        let workspace = world.workspace_of(repository).ok_or(SetupError::Unknown("workspace"))?;
        let claims = StepClaims {
            repository: &repository.uuid,
            pipeline: &pipeline.uuid,
            step: &step.uuid,
            branch: pipeline.branch.as_deref(),
            environment: step.deploys.as_ref().map(|(environment, _)| environment),
        };
        let issuer = workspace.issuer.clone();
        Ok(issuer.and_then(|it| it.token(&self.host.url, workspace, &claims, audience, now)))
    }

    /// A token that says what Bitbucket would never say, signed with the key of the workspace: for
    /// tests of whoever reads tokens.
    pub fn forge_token(&self, workspace: &Uuid, claims: &Value) -> Result<Option<String>> {
        let mut world = self.host.world.lock();
        let issuer = self::workspace(&mut world, workspace)?.issuer.clone();
        Ok(issuer.and_then(|it| it.sign(claims)))
    }
}

fn find_pipeline<'w>(world: &'w mut World, uuid: &Uuid) -> Result<&'w mut Pipeline> {
    let mut pipelines = world.repositories.iter_mut().flat_map(|it| it.pipelines.iter_mut());
    pipelines.find(|it| it.uuid == *uuid).ok_or(SetupError::Unknown("pipeline"))
}
