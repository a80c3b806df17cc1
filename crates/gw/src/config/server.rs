//! The part of `gatewright.toml` that is for `gatewright serve`: whom it serves, whom it believes
//! before anything is in force, and by which secrets, named and never written out, it is let in.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use gw_control::{
    credentials::Credential as Known,
    host::bitbucket::{self, Credential, Declared},
    login::device::Application,
    notify::webhook::Webhook,
};
use gw_model::{
    code::Code,
    form,
    id::{IdentityName, SecretName, WorkspaceId},
    scalar::Period,
    source::Origin,
    workspace::{Algorithm, Identity, Oidc},
};
use gw_net::client::is_loopback;
use gw_policy::change::{Owner, OwnerIs};
use gw_secrets::environment::variable;
use serde::Deserialize;
use time::{Date, Month};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use url::Url;

use super::file::{TlsFiles, Written};
use crate::exit::Failure;

/// The settings of a server, read and checked.
#[derive(Clone, Debug)]
pub(crate) struct ServerFile {
    /// The file itself; the state has the rest of it read.
    pub(crate) path: PathBuf,
    /// Where the interface listens.
    pub(crate) listen: SocketAddr,
    /// None: something else ends TLS, on this machine.
    pub(crate) tls: Option<TlsFiles>,
    /// How people reach it.
    pub(crate) address: Url,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) state: Option<PathBuf>,
    pub(crate) owners: Vec<Owner>,
    /// Identities that need no commit.
    pub(crate) identities: BTreeMap<IdentityName, Identity>,
    /// The one that people sign in by.
    pub(crate) login: Option<IdentityName>,
    /// What they sign in to.
    pub(crate) application: Option<Application>,
    /// The port of this machine at which the test issuer publishes its keys.
    pub(crate) test_issuer: Option<u16>,
    pub(crate) bitbucket: BitbucketFile,
    pub(crate) secrets: SecretsFrom,
    /// Every secret that is named here, and who answers for it.
    pub(crate) credentials: Vec<Known>,
    /// Hosts and addresses beyond public ones that may be reached.
    pub(crate) allow: Vec<String>,
    /// Where people are told of what happens, by name.
    pub(crate) notify: BTreeMap<String, Webhook>,
    /// Where signed requests of AWS principals are sent; none: its global host.
    pub(crate) sts: Vec<Url>,
}

#[derive(Clone, Debug)]
pub(crate) struct BitbucketFile {
    pub(crate) url: Url,
    pub(crate) declared: Declared,
    pub(crate) credential: Credential,
    /// The day that ends it; the Git host tells nobody.
    pub(crate) expires: Option<Date>,
    pub(crate) webhook_secrets: Vec<SecretName>,
    pub(crate) retired_webhook_secrets: Vec<SecretName>,
    /// How often the repository is looked at although nothing was heard.
    pub(crate) poll: Duration,
}

/// Where the server's own secrets are.
#[derive(Clone, Debug)]
pub(crate) enum SecretsFrom {
    Files(PathBuf),
    Variables { prefix: String },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenOwner {
    identity: IdentityName,
    subject: Option<String>,
    claim: Option<String>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenIdentity {
    issuer: String,
    audiences: Vec<String>,
    subject: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    clock_skew: Option<Period>,
    device: Option<WrittenDevice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenDevice {
    client_id: String,
    scope: Option<String>,
    resource: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenBitbucket {
    url: Option<String>,
    repository: String,
    repository_uuid: String,
    workspace_uuid: String,
    /// Whose API token it is.
    email: Option<String>,
    /// The OAuth consumer whose secret it is.
    consumer: Option<String>,
    token: SecretName,
    /// When that ends, where it does.
    expires: Option<toml::value::Datetime>,
    #[serde(default)]
    webhook_secrets: Vec<SecretName>,
    #[serde(default)]
    retired_webhook_secrets: Vec<SecretName>,
    poll: Option<Period>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenSecrets {
    files: Option<PathBuf>,
    variables: Option<String>,
}

/// What is known of a secret that something else here names.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenCredential {
    owner: Option<String>,
    expires: Option<toml::value::Datetime>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenNetwork {
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenSts {
    hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenChannel {
    url: String,
    secrets: Vec<SecretName>,
}

/// Signed in, and renewed until the issuer will not.
const SCOPE: &str = "openid offline_access";
const BITBUCKET: &str = "https://bitbucket.org";
const POLL: Duration = Duration::from_secs(60);
const ALL_VARIABLES: &str = "GATEWRIGHT_SECRET_";

impl ServerFile {
    /// Where a key of the settings stands, for whoever tells what came of it.
    pub(crate) fn place_of(&self, key: &str) -> String {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let path = self.path.display();
        key_line(&text, key).map_or_else(|| path.to_string(), |line| format!("{path}:{line}"))
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (text, written) = Written::read(path)?;
        let place = Place { path, text: &text };
        let wrong = |key: &str, words: &str| place.wrong(key, words);
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let listen = written.listen.ok_or_else(|| wrong("listen", "`listen` is missing"))?;
        let tls = written.tls.map(|tls| tls.below(folder));
        if tls.is_none() && !listen.ip().is_loopback() {
            return Err(wrong("listen", "`listen` is no address of this machine alone")
                .help("tokens are sent to it: name `certificate` and `key` under `[tls]`")
                .help("or listen on 127.0.0.1, behind something that ends TLS"));
        }
        let address = written.address.ok_or_else(|| wrong("address", "`address` is missing"))?;
        let address = Url::parse(&address).ok().filter(|url| url.has_host());
        let address = address.ok_or_else(|| wrong("address", "`address` is no URL"))?;
        let workspace = written.workspace.ok_or_else(|| {
            wrong("workspace", "`workspace` is missing")
                .help("it is what stands in `.gatewright/id`")
        })?;
        let workspace_id = WorkspaceId::parse(&workspace)
            .map_err(|error| wrong("workspace", &error.to_string()))?;
        let (mut identities, mut application) = (BTreeMap::new(), None);
        for (name, mut identity) in written.identities {
            identity.check(place, &name)?;
            if let Some(device) = identity.device.take() {
                if written.login.as_ref() != Some(&name) {
                    let words = format!("`identities.{name}` has `device`, and is not the `login`");
                    return Err(wrong(&format!("identities.{name}.device"), &words)
                        .help("people sign in by the identity of `login`"));
                }
                application = Some(device.into());
            }
            identities.insert(name, Identity::Oidc(identity.into()));
        }
        let owners = written.owners.into_iter();
        let owners: Result<Vec<Owner>, Failure> =
            owners.map(|owner| read_owner(place, owner, &identities)).collect();
        if let Some(login) = written.login.as_ref().filter(|it| !identities.contains_key(*it)) {
            let words = format!("`login` names `{login}`, which `identities` does not have");
            return Err(wrong("login", &words));
        }
        let bitbucket =
            written.bitbucket.ok_or_else(|| wrong("bitbucket", "`[bitbucket]` is missing"))?;
        let (mut bitbucket, notify) = (bitbucket.check(place)?, channels(place, written.notify)?);
        let secrets = secrets(place, folder, written.secrets)?;
        let witness = written.witness.and_then(|witness| witness.token);
        let named = Named { bitbucket: &bitbucket, notify: &notify, witness };
        let credentials = named.credentials(place, &secrets, written.credentials)?;
        let token = credentials.iter().find(|it| it.name == *bitbucket.credential.secret());
        bitbucket.expires = token.and_then(|token| token.expires);
        Ok(Self {
            path: path.to_owned(),
            listen,
            tls,
            address,
            workspace_id,
            state: written.state.map(|state| folder.join(state)),
            owners: owners?,
            identities,
            login: written.login,
            test_issuer: written.test_issuer,
            application,
            bitbucket,
            secrets,
            credentials,
            allow: written.network.allow,
            sts: sts(place, &written.sts.hosts)?,
            notify,
        })
    }
}

impl WrittenIdentity {
    /// What would let nobody in, or believe anybody.
    fn check(&self, place: Place<'_>, name: &IdentityName) -> Result<(), Failure> {
        if !form::SECURE_URL.holds(&self.issuer) {
            let key = format!("identities.{name}.issuer");
            let words = format!("`{key}` is neither https nor of this machine");
            return Err(place
                .wrong(&key, &words)
                .help("keys and tokens come from there: name it by `https://`"));
        }
        if self.audiences.is_empty() {
            let key = format!("identities.{name}.audiences");
            return Err(place
                .wrong(&key, &format!("`{key}` names nobody, so no token is meant for this server"))
                .help("name what tokens for this server have under `aud`"));
        }
        Ok(())
    }
}

impl ServerFile {
    /// What may be reached beyond public addresses: what is allowed, and what of this machine the
    /// settings name themselves. No declaration of a repository adds to it.
    pub(crate) fn reach(&self) -> Vec<String> {
        let issuers = self.identities.values().filter_map(|identity| match identity {
            Identity::Oidc(oidc) => Url::parse(&oidc.issuer).ok(),
            _ => None,
        });
        let named = issuers
            .chain([self.bitbucket.url.clone()])
            .chain(self.notify.values().map(|channel| channel.url.clone()))
            .chain(self.sts.iter().cloned());
        let here = named.filter(is_loopback).filter_map(|url| url.host_str().map(str::to_owned));
        // The issuer that this process runs itself.
        let tested = self.test_issuer.map(|_| ["localhost", "127.0.0.1"].map(str::to_owned));
        let more = here.chain(tested.into_iter().flatten());
        self.allow.iter().cloned().chain(more).collect()
    }
}

impl WrittenBitbucket {
    fn check(self, place: Place<'_>) -> Result<BitbucketFile, Failure> {
        let parts: Vec<_> = self.repository.split('/').collect();
        if !matches!(parts.as_slice(), [workspace, name] if !workspace.is_empty() && !name.is_empty())
        {
            let words = "`bitbucket.repository` is no WORKSPACE/REPOSITORY";
            return Err(place.wrong("bitbucket.repository", words));
        }
        let url = self.url.as_deref().unwrap_or(BITBUCKET);
        if !form::SECURE_URL.holds(url) {
            let words = "`bitbucket.url` is neither https nor of this machine";
            return Err(place.wrong("bitbucket.url", words));
        }
        let url = Url::parse(url)
            .map_err(|_| place.wrong("bitbucket.url", "`bitbucket.url` is no URL"))?;
        for (name, uuid) in
            [("repositoryUuid", &self.repository_uuid), ("workspaceUuid", &self.workspace_uuid)]
        {
            if !form::UUID.holds(uuid) {
                let key = format!("bitbucket.{name}");
                return Err(place.wrong(&key, &format!("`{key}` is no UUID in braces")));
            }
        }
        let credential = match (self.email, self.consumer) {
            (Some(_), Some(_)) => {
                let words = "`bitbucket` has both `email` and `consumer`";
                return Err(place
                    .wrong("bitbucket.consumer", words)
                    .help("an API token goes with `email`, a consumer's secret with `consumer`"));
            }
            (Some(email), None) => Credential::ApiToken { email, token: self.token },
            (None, Some(key)) => Credential::Consumer { key, secret: self.token },
            (None, None) => Credential::AccessToken { token: self.token },
        };
        Ok(BitbucketFile {
            url,
            declared: Declared {
                full_name: self.repository,
                workspace_uuid: self.workspace_uuid,
                repository_uuid: self.repository_uuid,
            },
            credential,
            expires: self.expires.map(|day| date(place, "bitbucket.expires", day)).transpose()?,
            webhook_secrets: self.webhook_secrets,
            retired_webhook_secrets: self.retired_webhook_secrets,
            poll: self.poll.map_or(POLL, |poll| poll.as_duration()),
        })
    }
}

impl BitbucketFile {
    pub(crate) fn place(&self) -> bitbucket::Place {
        bitbucket::Place::at(&self.url)
    }
}

impl From<WrittenIdentity> for Oidc {
    fn from(written: WrittenIdentity) -> Self {
        Self {
            issuer: written.issuer,
            audiences: written.audiences,
            subject: written.subject.unwrap_or_else(|| "sub".to_owned()),
            algorithms: written.algorithms.unwrap_or_else(|| vec![Algorithm::Rs256]),
            clock_skew: written.clock_skew.unwrap_or(Period::MINUTE),
            rename: BTreeMap::new(),
        }
    }
}

impl From<WrittenDevice> for Application {
    fn from(written: WrittenDevice) -> Self {
        Self {
            client_id: written.client_id,
            scope: written.scope.unwrap_or_else(|| SCOPE.to_owned()),
            resource: written.resource,
        }
    }
}

/// The secrets that settings name.
struct Named<'a> {
    bitbucket: &'a BitbucketFile,
    notify: &'a BTreeMap<String, Webhook>,
    witness: Option<SecretName>,
}

impl Named<'_> {
    /// Each of them, with what `credentials` says of it.
    fn credentials(
        &self,
        place: Place<'_>,
        secrets: &SecretsFrom,
        mut written: BTreeMap<SecretName, WrittenCredential>,
    ) -> Result<Vec<Known>, Failure> {
        let Self { bitbucket, notify, witness } = self;
        let (kind, email) = match &bitbucket.credential {
            Credential::ApiToken { email, .. } => ("an API token", Some(email.clone())),
            Credential::AccessToken { .. } => ("an access token", None),
            Credential::Consumer { .. } => ("the secret of an OAuth consumer", None),
        };
        let mut all = vec![(bitbucket.credential.secret(), format!("the Git host, {kind}"))];
        let signs = || "proves webhooks of the Git host".to_owned();
        all.extend(bitbucket.webhook_secrets.iter().map(|name| (name, signs())));
        let retired = || "tells webhooks by a former secret".to_owned();
        all.extend(bitbucket.retired_webhook_secrets.iter().map(|name| (name, retired())));
        all.extend(witness.iter().map(|name| (name, "the witness of the ledger".to_owned())));
        for (channel, Webhook { secrets, .. }) in *notify {
            all.extend(secrets.iter().map(|it| (it, format!("signs what `{channel}` is told"))));
        }
        let mut known: Vec<Known> = vec![];
        for (name, purpose) in all {
            if let Some(same) = known.iter_mut().find(|it| it.name == *name) {
                same.purpose = format!("{}; {purpose}", same.purpose);
                continue;
            }
            let WrittenCredential { owner, expires } = written.remove(name).unwrap_or_default();
            let is_token = name == bitbucket.credential.secret();
            let key = format!("credentials.{name}.expires");
            let expires = expires.map(|day| date(place, &key, day)).transpose()?;
            known.push(Known {
                name: name.clone(),
                purpose,
                owner: owner.or_else(|| email.clone().filter(|_| is_token)),
                source: secrets.place_of(name),
                cure: format!("name them in the settings: `[credentials.{name}]`, `owner`"),
                expires: expires.or_else(|| bitbucket.expires.filter(|_| is_token)),
            });
        }
        match written.keys().next() {
            None => Ok(known),
            Some(unused) => {
                let key = format!("credentials.{unused}");
                Err(place
                    .wrong(&key, &format!("`{key}` is about a secret that nothing here names")))
            }
        }
    }
}

impl SecretsFrom {
    /// Where a secret lies, for people.
    fn place_of(&self, name: &SecretName) -> String {
        match self {
            Self::Files(folder) => folder.join(name.as_str()).display().to_string(),
            Self::Variables { prefix } => format!("variable {}", variable(prefix, name)),
        }
    }
}

fn read_owner(
    place: Place<'_>,
    written: Spanned<WrittenOwner>,
    identities: &BTreeMap<IdentityName, Identity>,
) -> Result<Owner, Failure> {
    let line = line_of(place.text, written.span().start);
    let at = Origin { file: super::SETTINGS.to_owned(), line };
    let wrong = |words: &str| place.failure(Some(line), words);
    let WrittenOwner { identity, subject, claim, value } = written.into_inner();
    if !identities.contains_key(&identity) {
        let words = format!("an owner is named by `{identity}`, which `identities` does not have");
        return Err(wrong(&words));
    }
    let who = match (subject, claim, value) {
        (Some(subject), None, None) => OwnerIs::Subject { identity, subject },
        (None, Some(claim), Some(value)) => OwnerIs::Holder { identity, claim, value },
        _ => return Err(wrong("an owner has `subject`, or `claim` and `value`")),
    };
    Ok(Owner { who, at })
}

fn channels(
    place: Place<'_>,
    written: BTreeMap<String, WrittenChannel>,
) -> Result<BTreeMap<String, Webhook>, Failure> {
    let channel = |(name, WrittenChannel { url, secrets }): (String, WrittenChannel)| {
        let address = Url::parse(&url).ok().filter(|_| form::SECURE_URL.holds(&url));
        let Some(url) = address else {
            let key = format!("notify.{name}.url");
            return Err(place.wrong(&key, &format!("`{key}` is no https address")));
        };
        if secrets.is_empty() {
            let key = format!("notify.{name}");
            return Err(place.wrong(&key, &format!("`{key}` has no secret to sign with")));
        }
        Ok((name, Webhook { url, secrets }))
    };
    written.into_iter().map(channel).collect()
}

fn sts(place: Place<'_>, hosts: &[String]) -> Result<Vec<Url>, Failure> {
    let address = |text: &String| {
        let url = Url::parse(text).ok().filter(|_| form::SECURE_URL.holds(text));
        let words = || format!("`{text}` of `sts.hosts` is no https address");
        url.ok_or_else(|| place.wrong("sts.hosts", &words()))
    };
    hosts.iter().map(address).collect()
}

fn secrets(
    place: Place<'_>,
    folder: &Path,
    written: Option<WrittenSecrets>,
) -> Result<SecretsFrom, Failure> {
    let wrong = || place.wrong("secrets", "`secrets` has `files` or `variables`");
    secrets_from(folder, written).ok_or_else(wrong)
}

/// `None`: it says both, or neither.
pub(super) fn secrets_from(folder: &Path, written: Option<WrittenSecrets>) -> Option<SecretsFrom> {
    let all = || SecretsFrom::Variables { prefix: ALL_VARIABLES.to_owned() };
    let Some(WrittenSecrets { files, variables }) = written else { return Some(all()) };
    match (files, variables) {
        (Some(files), None) => Some(SecretsFrom::Files(folder.join(files))),
        (None, Some(prefix)) => Some(SecretsFrom::Variables { prefix }),
        _ => None,
    }
}

/// A day, written without quotes: `2027-03-01`.
fn date(place: Place<'_>, key: &str, written: toml::value::Datetime) -> Result<Date, Failure> {
    let day = written.date.filter(|_| written.time.is_none()).and_then(|day| {
        let month = Month::try_from(day.month).ok()?;
        Date::from_calendar_date(day.year.into(), month, day.day).ok()
    });
    day.ok_or_else(|| place.wrong(key, &format!("`{key}` is a day: `2027-03-01`")))
}

/// The file that is read, for whoever says what is wrong in it and where.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    /// What is wrong with a key, such as `bitbucket.url`; or with the table that lacks it.
    fn wrong(self, key: &str, words: &str) -> Failure {
        self.failure(key_line(self.text, key), words)
    }

    fn failure(self, line: Option<u32>, words: &str) -> Failure {
        let path = self.path.display();
        let note = line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}"));
        Failure::wrong(words).coded(Code::SettingsWrong).note(note)
    }
}

/// The line of a key, or of the innermost table above it that is there.
fn key_line(text: &str, key: &str) -> Option<u32> {
    let document = DeTable::parse(text).ok()?;
    let (mut table, mut line) = (document.get_ref(), None);
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else {
            break;
        };
        line = Some(line_of(text, name.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    line
}

fn line_of(text: &str, at: usize) -> u32 {
    let before = text.get(..at).unwrap_or_default();
    u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
