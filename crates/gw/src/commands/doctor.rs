//! `gatewright doctor`.

mod token;

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use clap::Args;
use gw_control::doctor::{Link, issuer};
use gw_model::{
    clock::Clock, diagnostic::Severity, environment::Target, id::TargetName, workspace::Identity,
};
use gw_net::{
    address::LoopbackReach,
    client::{Client, ClientSettings},
};
use gw_plan::driver::Served;
use gw_policy::gateway::{Unready, listen_address};
use serde::Serialize;

use super::{Context, apply::unready};
use crate::{
    compose::{Purpose, Scene, SystemClock, Workspace, gateway_status},
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::count,
};

/// Tests each link of the chain, and says for each broken one how it is repaired.
///
/// Looks at the declarations, the issuers, the state folder and its ledger, the gateways and the
/// clock. A server (`--server`) tells what it can reach itself: the Git host and by which credential,
/// branches and people, the secrets of its settings, issuers, ledger and witness, targets. Exits with 1
/// where something needs a repair.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A file with a bearer token, to test as a gateway would: its signature by the keys of its
    /// issuer, and which rules it meets. It is never repeated.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    links: &'a [Link],
}

impl Doctor {
    /// Whether a server can be asked: a token is tested here.
    pub(super) const fn is_for_a_server(&self) -> bool {
        self.token_file.is_none()
    }

    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let mut links = vec![];
        let workspace = Workspace::read(&context.globals.workspace)?;
        links.push(declarations(&workspace));
        if links.iter().all(|link| link.good) {
            match Scene::all(context, Purpose::Look).await {
                Ok(scenes) => {
                    for scene in &scenes {
                        let before = links.len();
                        examine(scene, self.token_file.as_deref(), &mut links).await?;
                        if scenes.len() > 1 {
                            for link in links.iter_mut().skip(before) {
                                link.name = format!("{}: {}", scene.environment, link.name);
                            }
                        }
                    }
                }
                Err(failure) => links.push(Link::broken(
                    "state",
                    failure.message.clone(),
                    failure.help.first().cloned().unwrap_or_default(),
                )),
            }
        }
        Ok(conclude(context, &links))
    }
}

/// Prints what was tested.
pub(super) fn conclude(context: Context<'_>, links: &[Link]) -> Exit {
    let repairs = links.iter().filter(|link| !link.good).count();
    match context.ui.form {
        Form::Json => context.ui.json(&Document { schema: "gatewright.io/doctor/v1", links }),
        Form::Text => {
            let counted = format!("{}\n", count(repairs, "repair"));
            context.ui.result(&(text(links) + &counted));
        }
    }
    if repairs == 0 { Exit::Done } else { Exit::Failed }
}

fn declarations(workspace: &Workspace) -> Link {
    let found = workspace.check(SystemClock.now().date());
    let errors = found.iter().filter(|found| found.severity() == Severity::Error).count();
    let files = count(workspace.declared.sources.files().count(), "file");
    match errors {
        0 => Link::good("declarations", files),
        errors => Link::broken(
            "declarations",
            format!("{} in {files}", count(errors, "error")),
            "gatewright check",
        ),
    }
}

async fn examine(
    scene: &Scene,
    token_file: Option<&Path>,
    links: &mut Vec<Link>,
) -> Result<(), Failure> {
    links.push(Link::good("state", scene.state.folder.display().to_string()));
    links.push(ledger(scene).await);
    links.push(clock(scene).await);
    let loopback = LoopbackReach::from(&scene.desired.source);
    let listed = scene.desired.spec.egress.iter().map(|pattern| pattern.0.clone()).collect();
    let client = Client::new(&ClientSettings { listed, loopback, ..ClientSettings::default() });
    for (name, identity) in &scene.desired.identities {
        if let Identity::Oidc(oidc) = identity {
            links.push(issuer(&client, name.as_str(), &oidc.issuer).await);
        }
    }
    if let Some(file) = token_file {
        links.push(token::test(&scene.desired, &client, file).await?);
    }
    for (target, driver) in &scene.drivers {
        let name = format!("target {target}");
        links.push(match driver.observe().await {
            Ok(observed) if observed.served == Served::Live => {
                let mut link = Link::good(&name, format!("{} answers", driver.place()));
                link.notes.extend(elsewhere(scene, target).await);
                link
            }
            Ok(_) => match taken(scene, target) {
                Some(address) => Link::broken(
                    &name,
                    format!(
                        "{} does not run, and another program listens at {address}",
                        driver.place()
                    ),
                    "stop that one, or declare another `listen` for this target",
                ),
                None => Link::broken(
                    &name,
                    format!("{} does not run", driver.place()),
                    format!("gatewright gateway --env {}", scene.environment),
                ),
            },
            Err(error) => Link::broken(&name, error.to_string(), error.help()),
        });
    }
    for Unready { api, because } in scene.unready().await {
        links.push(Link::broken(
            &format!("backend of {api}"),
            unready(&api, &because),
            "put the secret where `secrets` of the environment says; it is read within seconds",
        ));
    }
    Ok(())
}

/// That a gateway does not listen where its target says.
async fn elsewhere(scene: &Scene, target: &TargetName) -> Option<String> {
    let text = declared(scene, target)?;
    let declared = listen_address(text)?;
    let status = gateway_status(&scene.state.target_folder(&scene.environment, target)).await?;
    match status.awaits(text) {
        Some(_) => {
            Some(format!("it takes {declared} when that is applied and it is started again"))
        }
        None if status.pinned && status.listen != declared => {
            Some(format!("it was started for this address; the target says {declared}"))
        }
        None => None,
    }
}

/// What a target says about where to listen.
fn declared<'a>(scene: &'a Scene, target: &TargetName) -> Option<Option<&'a str>> {
    match scene.desired.spec.targets.get(target)? {
        Target::Builtin(builtin) => Some(builtin.listen.as_deref()),
        Target::Apim(_) | Target::Tyk(_) => None,
    }
}

/// The address where the gateway of a target could not listen, because somebody else does.
fn taken(scene: &Scene, target: &TargetName) -> Option<SocketAddr> {
    let address = listen_address(declared(scene, target)?)?;
    let listening = TcpListener::bind(address);
    listening.is_err_and(|error| error.kind() == ErrorKind::AddrInUse).then_some(address)
}

/// The files of the ledger must tell what the state tells.
async fn ledger(scene: &Scene) -> Link {
    if scene.state.standing().is_none() {
        return Link::good("ledger", "nothing was recorded yet");
    }
    match scene.state.agrees(&scene.store).await {
        Ok(size) => Link::good("ledger", format!("{} agree with the state", count_entries(size))),
        Err(failure) => {
            let repair = failure.help.join("; ");
            Link::broken("ledger", failure.message, repair)
        }
    }
}

fn count_entries(size: u64) -> String {
    count(usize::try_from(size).unwrap_or(usize::MAX), "entry")
}

/// The clock must not be behind what was written down already.
async fn clock(scene: &Scene) -> Link {
    let now = SystemClock.now();
    let newest = scene.store.changes(&scene.environment).await.unwrap_or_default();
    match newest.first().map(|change| change.begun.began_at) {
        Some(last) if last > now => Link::broken(
            "clock",
            format!("it is {} s behind the last change", (last - now).whole_seconds()),
            "set the clock of this machine; tokens and limits depend on it",
        ),
        Some(_) | None => Link::good("clock", "not behind the last change"),
    }
}

/// A line for each, with its repair below it.
pub(super) fn text(links: &[Link]) -> String {
    let width = links.iter().map(|link| link.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Link { name, good, found, repair, notes } in links {
        let mark = Ui::mark(if *good { Mark::Good } else { Mark::Bad });
        // What a server or a Git host says is not for the terminal to obey.
        let (name, found) = (visible(name), visible(found));
        text.push_str(&format!("  {mark} {name:<width$}  {found}\n"));
        for note in notes {
            text.push_str(&format!("    {:<width$}  {}\n", "", visible(note)));
        }
        if let Some(repair) = repair {
            text.push_str(&format!("    {:<width$}  repair: {}\n", "", visible(repair)));
        }
    }
    text
}
