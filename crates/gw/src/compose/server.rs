//! A server, put together from its settings.

use std::{sync::Arc, time::Duration};

use gw_control::{
    credentials::{Credentials, Uses, Watched},
    host::bitbucket::{self, Bitbucket, webhook::Keys},
    login,
    notify::webhook::Webhooks,
    server::{Server, Shared},
    source::git::{GitError, Repository, RepositorySettings, address::Address, caps::Caps},
    store::StateLock,
};
use gw_drivers::registry::{Overseer, Registry};
use gw_model::{
    clock::Clock,
    code::Code,
    environment::{SecretStore as Declared, Secrets},
    id::SecretName,
    secret::{Redacted, SecretStore, SecretStores as _},
    workspace::Source,
};
use gw_net::{
    address::LoopbackReach,
    client::{Client, ClientSettings},
    issuer::Timing,
};
use gw_secrets::stores::Stores as SecretStores;
use gw_web::{Hook, Web};
use tokio::sync::mpsc;

use super::{
    State, SystemClock,
    attended::{Gateways, Wanted},
    test_issuer,
};
use crate::{
    commands::Context,
    config::{self, BitbucketFile, SecretsFrom, ServerFile},
    exit::{Exit, Failure},
};

/// A server that is ready to work, and what it has to itself.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) server: Arc<Server>,
    pub(crate) web: Arc<Web>,
    pub(crate) exchange: Arc<login::Exchange>,
    pub(crate) state: State,
    /// No other process writes to this state.
    pub(crate) lock: StateLock,
    /// Gateways that have to run, as soon as somebody writes to them.
    pub(crate) gateways: mpsc::Receiver<Wanted>,
}

/// The copy of the repository, in the state folder.
const COPY: &str = "source";
const SSH: &str = "ssh";
/// So many wait for their gateways at once.
const QUEUE: usize = 16;

/// How often keys of issuers are read, and how long they are believed.
const TIMING: Timing = Timing {
    refresh: Duration::from_mins(5),
    stale: Duration::from_hours(24),
    nothing: Duration::from_mins(2),
    spacing: Duration::from_secs(30),
    retry: Duration::from_secs(1),
    wait: Duration::from_secs(3),
};

pub(crate) async fn serve(
    context: Context<'_>,
    state: State,
    file: ServerFile,
) -> Result<Served, Failure> {
    let lock = state.take_lock()?;
    let store = context.stores.open(&state).await?;
    state.agrees(&store).await?;
    store.meet_ledger().await.map_err(|error| Failure::from(&error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (secrets, credentials) = watched(&file, &clock);
    let client = ClientSettings {
        listed: file.reach(),
        loopback: LoopbackReach::Listed,
        ..ClientSettings::default()
    };
    let host = bitbucket::Settings {
        place: file.bitbucket.place(),
        declared: file.bitbucket.declared.clone(),
        credential: file.bitbucket.credential.clone(),
    };
    let host = Bitbucket::new(host, Client::new(&client), Arc::clone(&secrets), Arc::clone(&clock));
    let host = host.ending_on(file.bitbucket.expires);
    let repository = repository(&file.bitbucket, &state, &client)?;
    let hook = hook(&file, &*self::secrets(&file.secrets)).await?;
    let (wanted, gateways) = mpsc::channel(QUEUE);
    let key = Arc::new(state.signing_key()?);
    let registry = Registry {
        workspace_id: state.workspace_id.clone(),
        state: state.folder.clone(),
        key,
        clock: Arc::clone(&clock),
        overseer: Overseer::Server,
    };
    let mint = test_issuer::of_server(file.test_issuer, &clock).await?;
    let source = &file.bitbucket.declared;
    let server = Arc::new(Server {
        store: store.clone(),
        clock: Arc::clone(&clock),
        repository,
        host: Arc::new(host),
        targets: Arc::new(Gateways { registry, wanted }),
        ledger: state.server_ledger(&secrets)?,
        workspace_id: state.workspace_id.clone(),
        source: Source::Bitbucket {
            repository: source.full_name.clone(),
            repository_uuid: source.repository_uuid.clone(),
            workspace_uuid: source.workspace_uuid.clone(),
        },
        owners: file.owners.clone().into(),
        address: file.address.clone(),
        // Whoever has the lock of the state is the only one.
        holder: "server".to_owned(),
        notifier: Arc::new(Webhooks::new(
            Client::new(&client),
            Arc::clone(&clock),
            secrets,
            file.notify,
        )),
        shared: Shared::default().minting(mint).showing(credentials),
    });
    let settings = login::Settings {
        identities: file.identities,
        sts: file.sts,
        login: file.login,
        application: file.application,
        bitbucket: file.bitbucket.place(),
        timing: TIMING,
    };
    let exchange = login::Exchange::new(store, clock).with_host(Arc::clone(&server.host));
    let exchange = Arc::new(exchange);
    let web =
        Web::new(Arc::clone(&server), Arc::clone(&exchange), settings, Client::new(&client), hook);
    Ok(Served { server, web: Arc::new(web), exchange, state, lock, gateways })
}

/// The secrets of the settings, and what is known of them.
fn watched(file: &ServerFile, clock: &Arc<dyn Clock>) -> (Arc<dyn SecretStore>, Credentials) {
    let (store, uses) = (secrets(&file.secrets), Arc::new(Uses::default()));
    let known = Credentials::new(file.credentials.clone(), Arc::clone(&store), Arc::clone(&uses));
    (Arc::new(Watched::new(store, uses, Arc::clone(clock))), known)
}

pub(super) fn secrets(from: &SecretsFrom) -> Arc<dyn SecretStore> {
    let (root, store) = match from {
        SecretsFrom::Files(folder) => {
            (folder.clone(), Declared::Files { directory: String::new() })
        }
        SecretsFrom::Variables { prefix } => {
            (Default::default(), Declared::Environment { prefix: Some(prefix.clone()) })
        }
    };
    let declared = Secrets { store, names: Default::default(), max_age: None, allow: vec![] };
    SecretStores { root, variables: config::variables() }.open(Some(&declared))
}

fn repository(
    bitbucket: &BitbucketFile,
    state: &State,
    client: &ClientSettings,
) -> Result<Repository, Failure> {
    let url = bitbucket.url.as_str().trim_end_matches('/');
    let address = format!("{url}/{}.git", bitbucket.declared.full_name);
    let failed =
        |error: GitError| Failure::new(Exit::Failed, error.to_string()).coded(error.code());
    let address = Address::parse(&address).map_err(|error| failed(GitError::Address(error)))?;
    let settings = RepositorySettings {
        address,
        folder: state.folder.join(COPY),
        caps: Caps::default(),
        client: client.clone(),
        ssh: SSH.into(),
    };
    Repository::open(settings).map_err(failed)
}

/// By what webhooks are known. None: no secret is named, so nobody sends any.
async fn hook(file: &ServerFile, secrets: &dyn SecretStore) -> Result<Option<Hook>, Failure> {
    let bitbucket = &file.bitbucket;
    if bitbucket.webhook_secrets.is_empty() {
        return Ok(None);
    }
    let in_force = read_all(file, "webhookSecrets", &bitbucket.webhook_secrets, secrets).await?;
    let retired = &bitbucket.retired_webhook_secrets;
    let retired = read_all(file, "retiredWebhookSecrets", retired, secrets).await?;
    let keys = Keys::parse(&in_force, &retired);
    let keys = keys.map_err(|error| Failure::wrong(error.to_string()))?;
    Ok(Some(Hook {
        keys,
        repository_uuid: bitbucket.declared.repository_uuid.clone(),
        secrets: bitbucket.webhook_secrets.clone(),
    }))
}

async fn read_all(
    file: &ServerFile,
    key: &str,
    names: &[SecretName],
    secrets: &dyn SecretStore,
) -> Result<Vec<Redacted<Vec<u8>>>, Failure> {
    let mut values = vec![];
    for name in names {
        let secret = secrets.read(name).await;
        let wrong = |words: String| {
            let key = format!("bitbucket.{key}");
            let lies = file.credentials.iter().find(|it| it.name == *name).map(|it| &it.source);
            Failure::wrong(words)
                .coded(Code::SettingsWrong)
                .note(format!("{}: `{key}` names it", file.place_of(&key)))
                .help(match lies {
                    Some(lies) => format!("put it there: {lies}"),
                    None => "put it where `[secrets]` says that secrets lie".to_owned(),
                })
        };
        let secret = secret.map_err(|refusal| wrong(refusal.to_string()))?;
        let value = secret.value.reveal().trim_ascii_end().to_vec();
        if value.is_empty() {
            return Err(wrong(format!("the secret `{name}` is empty")));
        }
        values.push(Redacted::new(value));
    }
    Ok(values)
}
