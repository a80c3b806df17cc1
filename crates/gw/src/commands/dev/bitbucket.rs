//! `gatewright dev --with bitbucket`: an emulated Bitbucket, and the server that follows it.

mod happenings;
mod rules;
mod world;

use std::{path::Path, sync::Arc};

use gw_control::{answer::End, server::Server, stop::Stop};
use gw_emulators::issuer::Wanted as WantedToken;
use gw_model::{
    clock::Clock, desired::Desired, environment::ChangeAction, id::EnvironmentName,
    secret::Redacted, workspace::Identity,
};
use gw_proxy::settings::Mode;
use gw_web::contract::EndWord;
use url::Url;

use self::{
    happenings::Happenings,
    rules::{AUDIENCE, OPERATORS},
    world::{TEAM, World, YOU},
};
use super::{
    parts::Parts,
    tell::{Told, What},
    token::mint,
};
use crate::{
    commands::{
        Context,
        remote::{Remote, Server as Asked, Wanted, ended},
        serve::{Manner, Service},
    },
    compose::{self, State, SystemClock, Workspace},
    config::{self, ServerFile},
    exit::{Exit, Failure},
    ui::Mark,
};

/// The branch that is followed.
const MAIN: &str = "refs/heads/main";

pub(super) async fn serve(context: Context<'_>, port: Option<u16>) -> Result<Exit, Failure> {
    let stopped = config::interrupted();
    let root = compose::root(&context.globals.workspace)?;
    let workspace = Workspace::read(&context.globals.workspace)?;
    let environment = workspace.environment(context, context.globals.env.as_ref())?;
    let desired = workspace.desired(context, &environment)?;
    if port.is_some() && desired.spec.targets.len() > 1 {
        return Err(super::one_port());
    }
    let state = State::locate(context, &root)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut world = World::open(&workspace, &desired, &state, &clock).await?;
    let parts = parts(&desired, &world.file, &root, &clock).await?;
    let inner = state.of_inner_server(&world.state, &world.file);
    let manner = Manner { listener: world.listener.take(), root, mode: Mode::Development, port };
    let file = world.file.clone();
    let mut service = Service::start(context, inner, world.file.clone(), manner).await?;
    let told = Told(context.ui);
    greet(told, &world, &parts);
    let server = Arc::clone(&service.server);
    let ended = service
        .attend(async {
            tokio::pin!(stopped);
            let work = async {
                begin(context, &server, &file, &environment).await?;
                next(told, &world);
                let happenings = Happenings::from_now(&server).await;
                happenings.tell(told, &server).await;
                Ok::<(), Failure>(())
            };
            tokio::select! {
                stop = &mut stopped => Ok(Exit::stopped(stop)),
                failed = work => failed.map(|()| Exit::Done),
            }
        })
        .await;
    context.ui.say("stopping: what is under way is brought to its end");
    service.stop().await;
    ended
}

/// The issuers of callers and of people, and the backend.
async fn parts(
    desired: &Desired,
    file: &ServerFile,
    root: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Parts, Failure> {
    let mut desired = Desired::clone(desired);
    desired.identities.extend(file.identities.clone());
    Parts::start(&desired, compose::demo_api(root).as_ref(), clock).await
}

/// Has the owner bring the first state, by the interface and with a proof, as owners do.
async fn begin(
    context: Context<'_>,
    server: &Server,
    file: &ServerFile,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let environments = server.environments().await.map_err(|stop| unready(&stop))?;
    if environments.contains(environment) {
        let words = format!("{environment} goes on as it was left");
        Told(context.ui).tell(What::Applied, Some(Mark::Good), &words);
        return Ok(());
    }
    let fetched = server.fetch().await.map_err(|stop| unready(&stop))?;
    let head = fetched.view.reference(MAIN).map(|commit| commit.to_string());
    let head = head.ok_or_else(|| Failure::new(Exit::Failed, "the repository has no `main`"))?;
    let proof = proof(file).await?;
    let remote = Remote::showing(Asked::parse(file.address.as_str())?, environment, proof);
    let order = Wanted::Apply { commit: Some(head), plan: None, only: vec![] };
    let token = remote.token(&[ChangeAction::Apply, ChangeAction::View], None).await?;
    let answer = ended(&remote, &token, &order, |_| {}).await?;
    let EndWord(end) = answer.end;
    let (what, mark) = match end {
        End::Done => (What::Applied, Mark::Good),
        _ => (What::Refused, Mark::Bad),
    };
    Told(context.ui).tell(what, Some(mark), &answer.text);
    Ok(())
}

/// A token of the owner, by the issuer that runs here.
async fn proof(file: &ServerFile) -> Result<Redacted<String>, Failure> {
    let oidc = file.identities.iter().find_map(|(name, identity)| match identity {
        Identity::Oidc(oidc) if name.as_str() == OPERATORS => Some(oidc),
        _ => None,
    });
    let issuer = oidc.and_then(|oidc| Url::parse(&oidc.issuer).ok());
    let issuer = issuer.ok_or_else(|| {
        Failure::wrong(format!("the settings name no issuer for `{OPERATORS}`"))
            .note(file.path.display().to_string())
    })?;
    let wanted = WantedToken {
        subject: YOU.to_owned(),
        audience: AUDIENCE.to_owned(),
        claims: Default::default(),
        algorithm: Default::default(),
        expired: false,
    };
    mint(&issuer, &wanted).await.map(Redacted::new)
}

fn unready(stop: &Stop) -> Failure {
    Failure::new(Exit::Failed, stop.to_string())
}

/// What runs, and where.
fn greet(told: Told<'_>, world: &World, parts: &Parts) {
    let started = |text: &str| told.tell(What::Started, None, text);
    started(&format!("bitbucket  {}  (emulated, on this machine only)", world.page()));
    started(&format!("server     {}", world.file.address.as_str().trim_end_matches('/')));
    if let Some(words) = parts.words() {
        started(words);
    }
    for words in parts.missing() {
        told.tell(What::Missing, Some(Mark::Warning), &words);
    }
}

/// What to do now.
fn next(told: Told<'_>, world: &World) {
    let lines = [
        format!("next: {}", world.clone_command()),
        format!("you are {YOU}; what gives anyone new access waits for mira of the team {TEAM}"),
        "push a branch, open a pull request on the page, approve as mira, merge".to_owned(),
        format!("who you are to the server: gatewright dev token {YOU} --identity {OPERATORS}"),
    ];
    for line in lines {
        told.tell(What::Next, None, &line);
    }
}
