//! The table of access, tried on a running gateway: every class of callers calls every operation with
//! a token of the test issuer, and what the gateway says is compared with what the rules say.
//!
//! The gateway decides as it does for anybody, and says what it decided; nothing is sent to a backend.
//! Only an environment whose identities trust the test issuer can be tried, and such an environment is
//! never one whose tokens mean anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
};

use gw_model::{
    api::Who,
    desired::Desired,
    id::{EnvironmentName, IdentityName, TargetName},
    secret::Redacted,
    workspace::{Identity, Oidc},
};
use gw_net::client::is_loopback;
use gw_plan::driver::{Answer, Fate, Probe, Probed, TargetError, Token};
use gw_policy::{
    access::address_of,
    can::{Column, Known, Question},
    principal::Caller,
    snapshot::Snapshot,
    token::{TrustedIssuers, Unverified, claimed},
};
use time::OffsetDateTime;
use url::Url;

use crate::{
    answer::{Answer as Told, End},
    asker::Asker,
    engine::{Drivers, EngineError, state_of},
    event,
    server::Server,
    stop::Stop,
};

/// A token, once it is made; none: it cannot be made.
pub type Minted<'a> = Pin<Box<dyn Future<Output = Option<Redacted<String>>> + Send + 'a>>;

/// The test issuer.
pub trait Mint: fmt::Debug + Send + Sync {
    /// A token of this issuer for somebody who holds these claims.
    fn mint<'a>(&'a self, oidc: &'a Oidc, claims: &'a BTreeMap<String, String>) -> Minted<'a>;
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    pub calls: usize,
    /// Where the gateway says something else than the rules.
    pub wrong: Vec<Wrong>,
    /// Identities that are proved in another way: their columns were left out.
    pub untried: BTreeSet<IdentityName>,
}

/// One call that the gateway decides otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub target: TargetName,
    /// `staff groups=sales`.
    pub who: String,
    /// `POST /orders`.
    pub call: String,
    pub expected: String,
    pub met: String,
}

/// Why nothing was tried.
#[derive(Debug)]
pub enum NoTrial {
    /// No identity of the environment has its issuer on this machine.
    Untrusting,
    /// The test issuer gave no token.
    NoToken {
        identity: IdentityName,
    },
    /// The rules have no table.
    Rules {
        why: String,
    },
    Target(TargetError),
    TooLarge {
        calls: usize,
    },
}

/// More calls take longer than anybody waits.
const MOST_CALLS: usize = 50_000;
/// So many are told in one answer.
const MOST_TOLD: usize = 20;
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whether an environment can be tried: the tokens of its callers come from an issuer on this machine.
pub fn is_testable(desired: &Desired) -> bool {
    let rules = desired.apis.values().flat_map(|api| &api.spec.access);
    let mut callers = rules.flat_map(|rule| match &rule.who {
        Who::Public => [].iter(),
        Who::Proven { identities, .. } => identities.iter(),
    });
    callers.any(|name| desired.identities.get(name).and_then(test_identity).is_some())
}

fn test_identity(identity: &Identity) -> Option<&Oidc> {
    match identity {
        Identity::Oidc(oidc) => {
            Url::parse(&oidc.issuer).is_ok_and(|url| is_loopback(&url)).then_some(oidc)
        }
        Identity::BitbucketPipelines { .. }
        | Identity::SignedWebhook { .. }
        | Identity::ClientCertificate { .. }
        | Identity::AwsIam { .. } => None,
    }
}

/// Tries the whole table on each target.
pub async fn run(
    desired: &Desired,
    drivers: &Drivers,
    mint: &dyn Mint,
    now: OffsetDateTime,
) -> Result<Trial, NoTrial> {
    if !is_testable(desired) {
        return Err(NoTrial::Untrusting);
    }
    let mut trial = Trial::default();
    for (target, driver) in drivers.iter().filter(|(it, _)| desired.spec.targets.contains_key(*it))
    {
        let snapshot = Snapshot::compile(desired, target).map_err(|found| NoTrial::Rules {
            why: found.first().map(|found| found.message.clone()).unwrap_or_default(),
        })?;
        let calls = calls(desired, target);
        let columns = snapshot.matrix(now).columns;
        let all = calls.len().saturating_mul(columns.len());
        if all > MOST_CALLS {
            return Err(NoTrial::TooLarge { calls: all });
        }
        for column in &columns {
            let Some((token, caller)) = somebody(desired, column, mint, now, &mut trial).await?
            else {
                continue;
            };
            for call in &calls {
                let probed = driver.call(call, token.as_ref()).await.map_err(NoTrial::Target)?;
                trial.calls += 1;
                let (expected, met) = compare(&snapshot, &caller, call, &probed, now);
                if expected != met {
                    let (target, who) = (target.clone(), words(column));
                    let call = format!("{} {}", call.method.as_str(), call.path);
                    trial.wrong.push(Wrong { target, who, call, expected, met });
                }
            }
        }
    }
    Ok(trial)
}

/// What the rules and the gateway say of one call.
fn compare(
    snapshot: &Snapshot,
    caller: &Caller,
    call: &Probe,
    probed: &Probed,
    now: OffsetDateTime,
) -> (String, String) {
    let answer = snapshot.can(&Question {
        caller,
        method: call.method.as_str(),
        host: call.host.as_deref().unwrap_or("localhost"),
        path: &call.path,
        ip: Known::Given(SOMEWHERE),
        now: Known::Given(now),
    });
    let said = |allowed: bool, status: u16| match allowed {
        true => "let through".to_owned(),
        false => format!("refused with {status}"),
    };
    let expected = said(answer.allowed, answer.reason.status());
    (expected, said(probed.fate != Fate::Refused, probed.status))
}

/// One caller of a class, with the token that shows it. None: this class cannot be played.
async fn somebody(
    desired: &Desired,
    column: &Column,
    mint: &dyn Mint,
    now: OffsetDateTime,
    trial: &mut Trial,
) -> Result<Option<(Option<Redacted<String>>, Caller)>, NoTrial> {
    let Some(name) = &column.identity else { return Ok(Some((None, Caller::default()))) };
    let Some(oidc) = desired.identities.get(name).and_then(test_identity) else {
        trial.untried.insert(name.clone());
        return Ok(None);
    };
    let none = || NoTrial::NoToken { identity: name.clone() };
    let token = mint.mint(oidc, &column.claims).await.ok_or_else(none)?;
    let read = || {
        let unverified = Unverified::parse(token.reveal())?;
        let issuers = TrustedIssuers::of(&desired.identities);
        claimed(&unverified, issuers.get(unverified.issuer())?, now.unix_timestamp())
    };
    // Who the gateway takes the holder for: perhaps for more than one identity.
    let principals = read().map_err(|_| none())?;
    Ok(Some((Some(token), Caller { principals })))
}

/// Every operation of a target, as a call.
fn calls(desired: &Desired, target: &TargetName) -> Vec<Probe> {
    let apis = desired.apis.values().filter(|api| api.spec.targets.contains(target));
    let call = |api, operation| {
        let address = address_of(api, operation);
        let segment = |segment: &str| match segment.contains('{') {
            true => "probe".to_owned(),
            false => segment.to_owned(),
        };
        Probe {
            name: operation.id.clone(),
            method: operation.method,
            host: address.host,
            path: address.path.split('/').map(segment).collect::<Vec<_>>().join("/"),
            token: Token::Given,
            expect: Answer::LetThrough,
        }
    };
    apis.flat_map(|api| api.operations.iter().map(move |operation| (api, operation)))
        .map(|(api, operation): (&gw_model::desired::Api, &gw_model::openapi::Operation)| {
            call(api, operation)
        })
        .collect()
}

/// `staff groups=sales`.
fn words(column: &Column) -> String {
    let Some(identity) = &column.identity else { return "anyone".to_owned() };
    let claims = column.claims.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("{identity}{}", claims.collect::<String>())
}

impl Trial {
    pub fn passed(&self) -> bool {
        self.wrong.is_empty() && self.calls > 0
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, who, call, expected, met } = self;
        write!(f, "{target}: {call} by {who} is to be {expected}, and is {met}")
    }
}

impl fmt::Display for NoTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusting => f.write_str("nobody who calls here is proved by the test issuer"),
            Self::NoToken { identity } => {
                write!(f, "the test issuer makes no token for `{identity}`")
            }
            Self::Rules { why } => write!(f, "the rules cannot be read: {why}"),
            Self::Target(error) => write!(f, "{error}"),
            Self::TooLarge { calls } => {
                write!(f, "the table has {calls} calls, more than are tried")
            }
        }
    }
}

/// Tries what is in force because somebody asks a server for it, and puts it on the record.
pub(crate) async fn ordered(
    server: &Server,
    environment: &EnvironmentName,
    asker: &Asker,
) -> Result<Told, Stop> {
    let wrong = |text: String| Ok(Told::new(End::Wrong, text));
    let Some(mint) = server.shared.mint.clone() else {
        return wrong("this server has no test issuer: `testIssuer` in its settings".to_owned());
    };
    let Some(change) = server.store.in_force(environment).await? else {
        return wrong(format!("nothing is in force in {environment}"));
    };
    let (desired, source) = state_of(&server.store, environment, change.number).await?;
    let drivers = server.drivers(&desired).await?.map_err(Stop::Target)?;
    let now = server.clock.now();
    let trial = match run(&desired, &drivers, &*mint, now).await {
        Ok(trial) => trial,
        Err(NoTrial::Target(error)) => return Err(Stop::Engine(EngineError::Target(error))),
        Err(refused) => return wrong(refused.to_string()),
    };
    let (number, passed) = (change.number, trial.passed());
    let told = event::tested(asker.actor.clone(), environment, number, &source, &trial);
    server.store.keep_trial(environment, source.as_str(), passed, told, now).await?;
    server.publish().await?;
    let calls = trial.calls;
    if passed {
        let text = format!("{environment}, change {number}: {calls} calls, all as the rules say");
        return Ok(Told { change: Some(number), ..Told::done(text) });
    }
    let wrong: Vec<String> = trial.wrong.iter().take(MOST_TOLD).map(ToString::to_string).collect();
    let (count, first) = (trial.wrong.len(), wrong.join("; "));
    let text = format!(
        "{environment}, change {number}: {count} of {calls} calls are decided otherwise than the \
         rules say: {first}"
    );
    Ok(Told { change: Some(number), ..Told::new(End::Differs, text) })
}
