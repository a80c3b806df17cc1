//! The emulated Bitbucket of a folder: a repository with the folder's files as its first commit and the
//! rules as its second one, two people, and the settings of the server that follows it. All of it is
//! made once, and goes on as it was after each start.

use std::{
    collections::BTreeMap,
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_emulators::{
    StartError,
    bitbucket::{
        Bitbucket, Exempt, Permission, Person, Rule, SERVER_EVENTS, SERVER_SCOPES, SetupError, Uuid,
    },
};
use gw_model::{clock::Clock, desired::Desired, workspace::Identity};
use gw_net::client::is_loopback;
use tokio::net::TcpListener;
use url::Url;

use super::rules::{self, AUDIENCE, OPERATORS, Place, Unfit};
use crate::{
    compose::{self, State, Workspace},
    config::{SETTINGS, ServerFile},
    exit::{Exit, Failure},
};

/// Where it is put, in the state folder.
const FOLDER: &str = "bitbucket";
const REPOSITORIES: &str = "repositories";
const SECRETS: &str = "secrets";
/// The state of the server.
const SERVER: &str = "server";

const WORKSPACE: &str = "acme";
const MAIN: &str = "main";
/// Whoever sits at this machine, and owns the server.
pub(super) const YOU: &str = "dana";
/// What git is told for them. Nobody but this machine is reached by it.
const PASSWORD: &str = "demo";
const REVIEWER: &str = "mira";
pub(super) const TEAM: &str = "security";
/// The account that the server has there.
const SERVANT: &str = "gatewright";

/// Where it listens if nobody else does.
const USUAL_PORT: u16 = 7073;
const USUAL_SERVER_PORT: u16 = 7070;
/// The issuer of a folder that names none of this machine.
const USUAL_ISSUER: &str = "http://localhost:7071";

/// What people do.
const PERSONAL: &[&str] = &["read:repository:bitbucket", "write:repository:bitbucket"];

#[derive(Debug)]
pub(super) struct World {
    pub(super) bitbucket: Bitbucket,
    pub(super) file: ServerFile,
    /// Where the server is to listen, if nobody listened there before.
    pub(super) listener: Option<TcpListener>,
    /// The state of the server.
    pub(super) state: PathBuf,
    /// Below its page: workspace and slug.
    pub(super) repository: String,
}

impl World {
    /// As it was left, or made from the folder.
    pub(super) async fn open(
        workspace: &Workspace,
        desired: &Desired,
        state: &State,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let folder = state.folder.join(FOLDER);
        let settings = folder.join(SETTINGS);
        let repositories = folder.join(REPOSITORIES);
        fs::create_dir_all(&repositories).map_err(|error| unwritten(&repositories, &error))?;
        let bitbucket = match read(&settings)? {
            // What was remembered is found under the same address, or not at all: clones name it.
            Some(file) => {
                let port = file.bitbucket.url.port().unwrap_or(USUAL_PORT);
                Bitbucket::resume(port, &repositories, Arc::clone(clock))
                    .await
                    .map_err(|error| not_started(&error))?
            }
            None => None,
        };
        let (bitbucket, listener) = match bitbucket {
            Some(bitbucket) => (bitbucket, None),
            None => {
                let bitbucket = start(&repositories, clock).await?;
                let listener = make(&bitbucket, workspace, desired, state, &folder).await?;
                (bitbucket, Some(listener))
            }
        };
        let file = ServerFile::read(&settings)?;
        let repository = file.bitbucket.declared.full_name.clone();
        Ok(Self { bitbucket, file, listener, state: folder.join(SERVER), repository })
    }

    /// The page of the repository.
    pub(super) fn page(&self) -> String {
        format!("{}/{}", self.bitbucket.url(), self.repository)
    }

    /// How whoever sits here gets the repository, beside the folder.
    pub(super) fn clone_command(&self) -> String {
        let host = self.bitbucket.url().trim_start_matches("http://");
        let name = self.repository.rsplit('/').next().unwrap_or(&self.repository);
        format!("git clone http://{YOU}:{PASSWORD}@{host}/{}.git ../{name}", self.repository)
    }
}

/// The settings, where they were written.
fn read(settings: &Path) -> Result<Option<ServerFile>, Failure> {
    if settings.exists() { ServerFile::read(settings).map(Some) } else { Ok(None) }
}

/// At the usual port, or at another one where somebody listens there.
async fn start(repositories: &Path, clock: &Arc<dyn Clock>) -> Result<Bitbucket, Failure> {
    let at = |port| Bitbucket::start(port, repositories, Arc::clone(clock));
    let started = match at(USUAL_PORT).await {
        Err(StartError::Listen { .. }) => at(0).await,
        started => started,
    };
    started.map_err(|error| not_started(&error))
}

/// Listens at the usual port, or at another one where somebody listens there.
async fn listen(usual: u16) -> Result<TcpListener, Failure> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let bound = match at(usual).await {
        Err(_) => at(0).await,
        bound => bound,
    };
    bound.map_err(|error| Failure::new(Exit::Failed, format!("no port is free: {error}")))
}

/// Makes everything. Only when all of it stands it is remembered, so what was cut off is made anew.
async fn make(
    bitbucket: &Bitbucket,
    workspace: &Workspace,
    desired: &Desired,
    state: &State,
    folder: &Path,
) -> Result<TcpListener, Failure> {
    let texts = texts(workspace);
    let slug = format!("{}-apis", desired.workspace);
    let listener = listen(USUAL_SERVER_PORT).await?;
    let port = listener.local_addr().map_or(USUAL_SERVER_PORT, |address| address.port());
    let address = format!("http://localhost:{port}");
    let secret = compose::random::<24>().ok_or_else(compose::no_random)?;
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let issuer = issuer(desired);
    let hook = format!("{address}/v1/webhooks/bitbucket");
    let made = people(bitbucket, &slug, &hook, &secret).map_err(|error| unset(&error))?;
    let place = Place {
        repository: format!("{WORKSPACE}/{slug}"),
        repository_uuid: made.repository.to_string(),
        workspace_uuid: made.workspace.to_string(),
        issuer: issuer.clone(),
        people: vec![
            (YOU.to_owned(), made.you.to_string(), None),
            (REVIEWER.to_owned(), made.reviewer.to_string(), Some(TEAM)),
        ],
    };
    let rules = rules::written(&texts, &place).map_err(|unfit| misfit(&unfit))?;
    commit(bitbucket, &made, &texts, &rules).map_err(|error| unset(&error))?;
    let settings = settings(&place, state, bitbucket.url(), port, &made.servant.email);
    let secrets = folder.join(SECRETS);
    fs::create_dir_all(&secrets).map_err(|error| unwritten(&secrets, &error))?;
    write(&secrets.join("bitbucket-token"), &made.token)?;
    write(&secrets.join("bitbucket-webhook"), &secret)?;
    write(&folder.join(SETTINGS), &settings)?;
    bitbucket.remember().map_err(|error| unset(&error))?;
    Ok(listener)
}

/// The files that say something, and those that say whose they are.
fn texts(workspace: &Workspace) -> BTreeMap<String, String> {
    let said = workspace.declared.sources.files();
    let mut texts: BTreeMap<String, String> =
        said.map(|(_, file)| (file.path.clone(), file.text.clone())).collect();
    let root = workspace.folder.root();
    for path in [compose::ID, compose::DEMO, ".gitignore"] {
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            texts.insert(path.to_owned(), text);
        }
    }
    texts
}

/// Where people of this machine prove who they are.
fn issuer(desired: &Desired) -> String {
    let own = desired.identities.values().find_map(|identity| match identity {
        Identity::Oidc(oidc) => {
            let url = Url::parse(&oidc.issuer).ok()?;
            (url.scheme() == "http" && is_loopback(&url)).then(|| oidc.issuer.clone())
        }
        Identity::BitbucketPipelines { .. }
        | Identity::SignedWebhook { .. }
        | Identity::ClientCertificate { .. }
        | Identity::AwsIam { .. } => None,
    });
    own.unwrap_or_else(|| USUAL_ISSUER.to_owned())
}

/// What was made, by name.
struct Made {
    workspace: Uuid,
    repository: Uuid,
    you: Uuid,
    reviewer: Uuid,
    servant: Person,
    token: String,
}

fn people(bitbucket: &Bitbucket, slug: &str, hook: &str, secret: &str) -> Result<Made, SetupError> {
    let workspace = bitbucket.add_workspace(WORKSPACE)?;
    let repository = bitbucket.add_repository(&workspace, slug)?;
    let you = bitbucket.add_person(YOU)?.uuid;
    let reviewer = bitbucket.add_person(REVIEWER)?.uuid;
    let servant = bitbucket.add_person(SERVANT)?;
    for (who, right) in [
        (&you, Permission::Write),
        (&reviewer, Permission::Write),
        (&servant.uuid, Permission::Admin),
    ] {
        bitbucket.permit(&repository, who, Some(right))?;
    }
    bitbucket.accept_api_token(&you, PERSONAL, PASSWORD)?;
    let token = bitbucket.add_api_token(&servant.uuid, SERVER_SCOPES)?;
    bitbucket.add_hook(&repository, hook, SERVER_EVENTS, Some(secret))?;
    Ok(Made { workspace, repository, you, reviewer, servant, token })
}

fn commit(
    bitbucket: &Bitbucket,
    made: &Made,
    texts: &BTreeMap<String, String>,
    rules: &BTreeMap<String, String>,
) -> Result<(), SetupError> {
    let Made { repository, you, .. } = made;
    let put = |message: &str, texts: &BTreeMap<String, String>| {
        let files: Vec<(&str, &str)> =
            texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        bitbucket.commit(repository, you, MAIN, message, &files).map(|_| ())
    };
    put("The workspace, as it stood in its folder\n", texts)?;
    put("Follow Bitbucket: who is who, and who may change what\n", rules)?;
    // From here on only pull requests change it, and none that Gatewright does not find ready. Those who
    // merge are people: the account of the server only reads, comments and proposes.
    let people = [you.clone(), made.reviewer.clone()];
    let merging = Exempt { people: &people, groups: &[] };
    for (kind, value, exempt) in [
        ("push", None, Exempt::default()),
        ("restrict_merges", None, merging),
        ("require_passing_builds_to_merge", Some(1), Exempt::default()),
    ] {
        bitbucket.restrict(repository, &Rule { kind, pattern: MAIN, value, exempt })?;
    }
    Ok(())
}

fn settings(place: &Place, state: &State, url: &str, port: u16, email: &str) -> String {
    let Place { repository, repository_uuid, workspace_uuid, issuer, people: _ } = place;
    let id = state.workspace_id.as_str();
    format!(
        "# Written by `gatewright dev --with bitbucket`, for the server that it runs.\n\
         listen = \"127.0.0.1:{port}\"\n\
         address = \"http://localhost:{port}\"\n\
         workspace = \"{id}\"\n\
         login = \"{OPERATORS}\"\n\n\
         [bitbucket]\n\
         url = \"{url}\"\n\
         repository = \"{repository}\"\n\
         repositoryUuid = \"{repository_uuid}\"\n\
         workspaceUuid = \"{workspace_uuid}\"\n\
         email = \"{email}\"\n\
         token = \"bitbucket-token\"\n\
         webhookSecrets = [\"bitbucket-webhook\"]\n\
         poll = \"10s\"\n\n\
         [secrets]\n\
         files = \"{SECRETS}\"\n\n\
         [identities.{OPERATORS}]\n\
         issuer = \"{issuer}\"\n\
         audiences = [\"{AUDIENCE}\"]\n\n\
         [[owners]]\n\
         identity = \"{OPERATORS}\"\n\
         subject = \"{YOU}\"\n\n\
         [network]\n\
         allow = [\"localhost\"]\n"
    )
}

/// Writes a file that only its owner reads, in place of another one.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || -> io::Result<()> {
        if path.exists() {
            fs::remove_file(path)?;
        }
        let mut file = fs::File::options();
        let mut file = file.write(true).create_new(true).mode(0o600).open(path)?;
        io::Write::write_all(&mut file, text.as_bytes())
    };
    written().map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
}

fn not_started(error: &StartError) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("the emulated Bitbucket: {error}"));
    match error {
        StartError::Listen { port, .. } => failure.help(format!(
            "stop the program that has the port; `ss -ltnp sport = :{port}` names it"
        )),
        StartError::Memory { .. } => {
            failure.help(format!("to begin anew, remove `{FOLDER}` from the state folder"))
        }
        StartError::Keys | StartError::Contract => failure,
    }
}

fn unset(error: &SetupError) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("the emulated Bitbucket: {error}"));
    match error {
        SetupError::Git(_) => failure.help("install git: repositories here are real ones"),
        _ => failure,
    }
}

fn misfit(unfit: &Unfit) -> Failure {
    Failure::wrong(unfit.to_string())
        .note("nothing was started")
        .help("try it with a demo: `gatewright init --demo shop`")
}
