//! Brings an environment to where somebody wants it: one list of named steps.
//!
//! Nothing of what is wanted is believed because somebody says so. The commit is fetched, facts are
//! read where they are known, and the rules in force judge. Whoever runs it again after it was cut
//! off continues it: each step finds what was done.

mod ground;

use std::{collections::BTreeSet, pin::Pin, sync::Arc};

use gw_model::{
    desired::Desired,
    environment::ChangeAction,
    id::{ApiName, EnvironmentName},
};
use gw_plan::{
    driver::Class,
    plan::{Plan, Planned, Weight, from_file, replan, to_file},
    render::first_line,
};

pub use self::ground::{Ground, ground};
pub(crate) use self::ground::{aside, desired, facts, read};
use crate::{
    answer::{Answer, End},
    apply::{Listener, Moment, News},
    approvals,
    approve::{Approved, Refused},
    asker::Asker,
    back, deployment,
    engine::{
        self, ApplyResult, Drivers, Engine, EngineError, Facts, Former, Measured, RolledBack, Wish,
    },
    event,
    glass::{self, Glass},
    health,
    notify::Notification,
    server::Server,
    stop::Stop,
    store::{Store, StoreError},
    task::Task,
    tell::{Links, Waiting},
};

/// So many approvals that do not count are named.
const UNCOUNTED_MAX: usize = 3;

/// What is wanted of an environment, and by whom.
#[derive(Clone, Debug)]
pub struct Order {
    pub environment: EnvironmentName,
    pub asker: Asker,
    pub aim: Aim,
}

#[derive(Clone, Debug)]
pub enum Aim {
    /// What a branch or tag holds by now.
    Head { reference: String },
    /// A commit, perhaps only some APIs of it, perhaps as it was shown.
    Commit { sha: String, only: BTreeSet<ApiName>, plan: Option<String> },
    /// What is in force already: what moved away from it is put back.
    InForce,
    /// The state that a change left.
    State { to: u64, reason: Option<String> },
    /// A commit, without what an ordinary apply needs.
    BreakGlass { sha: String, only: BTreeSet<ApiName>, glass: Glass },
    /// The last ordinary state, because the time of an emergency is over.
    Expired { to: u64 },
}

impl Aim {
    /// Whether it is what a commit declares.
    pub(crate) const fn is_of_commit(&self) -> bool {
        matches!(self, Self::Head { .. } | Self::Commit { .. } | Self::BreakGlass { .. })
    }
}

/// Does what is wanted, or says why not. That it was refused is on the record, whoever refuses it.
pub async fn reconcile(server: &Server, order: &Order) -> Result<Answer, Stop> {
    let stop = match carry_out(server, order).await {
        Err(stop) if stop.class() == Class::Human => stop,
        carried_out => return carried_out,
    };
    if record_stop(server, &order.asker, &order.environment, order.aim.action(), &stop).await? {
        server.publish().await?;
    }
    Err(stop)
}

/// Puts on the record that what somebody wanted came to nothing. False: it is there already.
pub(crate) async fn record_stop(
    server: &Server,
    asker: &Asker,
    environment: &EnvironmentName,
    action: ChangeAction,
    stop: &Stop,
) -> Result<bool, StoreError> {
    if is_on_record(stop) {
        return Ok(false);
    }
    let stopped = event::stopped(asker.actor.clone(), environment, stop);
    let stopped = stopped.fact("action", action.as_str());
    server.store.record(stopped, server.clock.now()).await?;
    Ok(true)
}

/// Whether the engine wrote it down where it was refused, or step by step.
const fn is_on_record(stop: &Stop) -> bool {
    matches!(
        stop,
        Stop::Engine(EngineError::Denied(_) | EngineError::Halt(_) | EngineError::HalfWay { .. })
            | Stop::Store(_)
            | Stop::Ledger(_)
    )
}

async fn carry_out(server: &Server, order: &Order) -> Result<Answer, Stop> {
    // Which commit it is, what it declares, and what source and host know of it.
    let ground = match ground(server, order).await {
        Ok(ground) => ground,
        Err(stop) => {
            tell_unread(server, order, &stop).await?;
            return Err(stop);
        }
    };
    // From here on nobody else writes to the environment.
    let held = server.hold(&order.environment).await?;
    let brought = attend(server, order, &ground, &held).await;
    held.let_go().await?;
    let changed = brought.as_ref().is_ok_and(|answer| answer.change.is_some());
    if changed && !matches!(order.aim, Aim::InForce) {
        // What is to be so was decided anew: whoever fought over it begins anew.
        server.store.forget_drift(&order.environment).await?;
        // What others propose was measured by what is not in force any more.
        server.ask(Task::PullRequests).await?;
    }
    // What was done is on the record; its files follow, also after a failure.
    server.publish().await?;
    // The Git host is told by a task of its own: it may not answer, and that stops nothing here.
    tell(server, order, &ground, &brought).await?;
    deployment::await_end(server, order, &ground, &brought).await?;
    brought
}

/// Brings it there, and looks whether backends work afterwards.
async fn attend(
    server: &Server,
    order: &Order,
    ground: &Ground,
    held: &Store,
) -> Result<Answer, Stop> {
    let before = health::before(server, order).await?;
    let answer = bring(server, order, ground, held).await?;
    health::after(server, order, held, &before, answer).await
}

/// Goes back while the environment is held already.
pub(crate) async fn go_back(server: &Server, order: &Order, held: &Store) -> Result<Answer, Stop> {
    let ground = ground(server, order).await?;
    bring(server, order, &ground, held).await
}

async fn tell(
    server: &Server,
    order: &Order,
    ground: &Ground,
    brought: &Result<Answer, Stop>,
) -> Result<(), Stop> {
    let Some(commit) = ground.commit.filter(|_| order.aim.is_of_commit()) else { return Ok(()) };
    let answer = match brought {
        Ok(answer) => answer.clone(),
        // It is tried again before anybody is told.
        Err(stop) if stop.class() != Class::Human => return Ok(()),
        Err(stop) => Answer::from(stop),
    };
    // Whoever asked by name hears a refusal themselves. Beside the commit it would stand for good, and
    // keep a pull request from being merged.
    let is_event = matches!(order.aim, Aim::Head { .. });
    let is_refusal = answer.change.is_none() && matches!(answer.end, End::Denied | End::Wrong);
    if is_refusal && !is_event {
        return Ok(());
    }
    let (environment, commit) = (order.environment.clone(), commit.to_string());
    server.ask(Task::Tell { environment, commit, answer: Box::new(answer) }).await?;
    Ok(())
}

/// Tells beside the commit that a branch holds why nothing of it is read: it came by an event, so nobody
/// else hears of it.
async fn tell_unread(server: &Server, order: &Order, stop: &Stop) -> Result<(), Stop> {
    let Aim::Head { reference } = &order.aim else { return Ok(()) };
    let view = server.repository.view().filter(|_| stop.class() == Class::Human);
    let head = view.and_then(|view| {
        let left_out = || view.passed_over(reference).and_then(|it| it.at);
        view.reference(reference).or_else(left_out)
    });
    let Some(commit) = head.map(|head| head.to_string()) else { return Ok(()) };
    let (environment, answer) = (order.environment.clone(), Box::new(Answer::from(stop)));
    server.ask(Task::Tell { environment, commit, answer }).await?;
    Ok(())
}

/// Brings to its end what stopped half way in an environment, whoever began it, and nothing else.
pub(crate) async fn go_on(server: &Server, environment: &EnvironmentName) -> Result<(), Stop> {
    let held = server.hold(environment).await?;
    let gone_on = async {
        let Some(change) = held.under_way(environment).await? else { return Ok(()) };
        let (desired, _) = engine::state_of(&held, environment, change.number).await?;
        let drivers = drivers(server, &desired).await?;
        let (asker, aim) = (Asker::server(), Aim::InForce);
        let order = Order { environment: environment.clone(), asker, aim };
        let engine = engine(server, &order, &held, &drivers);
        engine.go_on(&Watch::of(server, environment)).await?;
        Ok(())
    };
    let gone_on = gone_on.await;
    held.let_go().await?;
    server.publish().await?;
    gone_on
}

/// Gives up a change that stopped half way, as long as callers cannot have seen it.
pub async fn abandon(
    server: &Server,
    environment: &EnvironmentName,
    asker: &Asker,
) -> Result<Answer, Stop> {
    let Some(change) = server.store.under_way(environment).await? else {
        return Ok(Answer::done("no change stopped half way: nothing to give up"));
    };
    let number = change.number;
    let order = Order { environment: environment.clone(), asker: asker.clone(), aim: Aim::InForce };
    let (desired, source) = engine::state_of(&server.store, environment, number).await?;
    let held = server.hold(environment).await?;
    let given_up = async {
        let drivers = drivers(server, &desired).await?;
        let engine = engine(server, &order, &held, &drivers);
        let (declared, only, facts) = (&desired, &BTreeSet::new(), &Facts::default());
        // It goes back to what is in force: who may go back may give up.
        let (action, measured) = (ChangeAction::Rollback, Measured::InForce);
        let planned = engine.plan(Wish { declared, source, only, action, facts, measured }).await?;
        engine.permitted(&planned).await?;
        Ok::<_, Stop>(engine.abandon(&Watch::of(server, environment)).await?)
    };
    let given_up = given_up.await;
    held.let_go().await?;
    server.publish().await?;
    given_up?;
    let text = format!("change {number} is given up; callers never saw it");
    Ok(Answer { change: Some(number), ..Answer::done(text) })
}

/// What would be done on this ground, without doing it.
pub async fn plan(
    server: &Server,
    order: &Order,
    ground: &Ground,
    action: ChangeAction,
) -> Result<Planned, Stop> {
    let drivers = drivers(server, &ground.desired).await?;
    let engine = engine(server, order, &server.store, &drivers);
    let (planned, _) = decide(server, order, ground, engine, action).await?;
    keep(server, order, &planned.plan).await?;
    Ok(planned)
}

/// The same for whoever only wants to know whether it may be done: nobody is shown it, so it is not kept.
pub(crate) async fn judged(server: &Server, order: &Order) -> Result<Plan, Stop> {
    let ground = ground(server, order).await?;
    let drivers = drivers(server, &ground.desired).await?;
    let engine = engine(server, order, &server.store, &drivers);
    Ok(decide(server, order, &ground, engine, order.aim.action()).await?.0.plan)
}

/// What would be done to put back what is in force. Nobody is shown it, so it is not kept.
pub(crate) async fn compare(server: &Server, order: &Order) -> Result<Plan, Stop> {
    let ground = ground(server, order).await?;
    let drivers = drivers(server, &ground.desired).await?;
    let (declared, source, facts) = (&ground.desired, ground.source.clone(), &ground.facts);
    let (only, action) = (&BTreeSet::new(), ChangeAction::Apply);
    let measured = Measured::InForce;
    let engine = engine(server, order, &server.store, &drivers);
    Ok(engine.plan(Wish { declared, source, only, action, facts, measured }).await?.plan)
}

async fn bring(
    server: &Server,
    order: &Order,
    ground: &Ground,
    store: &Store,
) -> Result<Answer, Stop> {
    follows(server, order, ground).await?;
    let drivers = drivers(server, &ground.desired).await?;
    let engine = engine(server, order, store, &drivers);
    let watch = Watch::of(server, &order.environment);
    let (planned, approved) = decide(server, order, ground, engine, order.aim.action()).await?;
    // A change that stopped half way comes first, and moves the ground.
    let (mut planned, approved) = match engine.make_way(&planned, &watch).await? {
        Former::None => (planned, approved),
        Former::Resumed(_) | Former::Superseded(_) => {
            decide(server, order, ground, engine, order.aim.action()).await?
        }
    };
    as_shown(server, order, &planned.plan).await?;
    planned.merges.clone_from(&approved.merges);
    if planned.permit.is_ok() {
        planned.waits = waited(server, order, &approved).await?;
    }
    let watch = Watch { callers: Some(first_line(&planned.plan)), ..watch };
    let mut left = None;
    let done = match &order.aim {
        Aim::State { to, reason } => {
            let rolled = engine.rollback(&planned, *to, reason.clone(), &watch).await;
            rolled.map(|RolledBack { left: state, result }| {
                left = state;
                result
            })
        }
        Aim::BreakGlass { glass, .. } => engine.break_glass(&planned, glass, &watch).await,
        Aim::Expired { to } => engine.expire(&planned, *to, &watch).await,
        Aim::Head { .. } | Aim::Commit { .. } | Aim::InForce => {
            engine.apply(&planned, &watch).await
        }
    };
    if let (Aim::BreakGlass { glass, .. }, Ok(ApplyResult::Changed(applied))) = (&order.aim, &done)
    {
        alarm(server, order, &planned, applied.number, glass).await?;
    }
    let told = match done {
        Ok(ApplyResult::Nothing) => Answer::done("everything is as declared, and verified"),
        Ok(ApplyResult::Proved(applied) | ApplyResult::Changed(applied)) => {
            holding(Answer::applied(order.aim.verb(), &applied), left)
        }
        // That a rule does not allow it is an answer, and no failure.
        Err(error @ EngineError::Denied(_)) => {
            let links = Links::to(&server.address);
            let plan = &planned.plan;
            // Whoever asks later why is told by the plan that was judged.
            keep(server, order, plan).await?;
            back::wait(server, plan, &approved).await?;
            let waiting = Notification::waiting(plan, &links);
            server.notify(waiting.unwrap_or_else(|| Notification::denied(plan, &links))).await?;
            let answer = uncounted(Answer::from(&Stop::Engine(error)), &approved.refused);
            approvable(answer, plan, &links)
        }
        Err(EngineError::Errors) => return Err(unfit(&planned.plan)),
        Err(error) => {
            let (why, links) = (error.to_string(), Links::to(&server.address));
            server.notify(Notification::failed(&planned.plan, None, &why, &links)).await?;
            return Err(error.into());
        }
    };
    let Plan { id, decision, .. } = &planned.plan;
    Ok(Answer { plan: Some(id.clone()), decision: Some(decision.id.to_string()), ..told })
}

/// Whoever was approved and is refused all the same has to hear why that did not count.
fn uncounted(answer: Answer, refused: &[Refused]) -> Answer {
    if refused.is_empty() {
        return answer;
    }
    let words: Vec<String> = refused.iter().take(UNCOUNTED_MAX).map(ToString::to_string).collect();
    let text = format!("{}; approvals that do not count: {}", answer.text, words.join(", "));
    Answer { text, ..answer }
}

/// Whoever goes back hears what that means for the state that is left.
fn holding(answer: Answer, left: Option<u64>) -> Answer {
    let Some(left) = left else { return answer };
    let text =
        format!("{}; the state of change {left} is held until another is applied", answer.text);
    Answer { text, ..answer }
}

/// No pull request shows whom going back waits for, so the refusal says where it is approved.
fn approvable(answer: Answer, plan: &Plan, links: &Links) -> Answer {
    if plan.restores.is_none() || Waiting::of(&plan.decision).is_none() {
        return answer;
    }
    let way = format!(
        "others than who goes back approve it, then it is asked for again: \
         `gatewright --server {} --env {} approve {}`",
        links.server(),
        plan.environment,
        plan.id
    );
    let help = match &answer.help {
        Some(help) => format!("{help}; {way}"),
        None => way,
    };
    Answer { help: Some(help), ..answer }
}

/// Tells everybody that glass was broken.
async fn alarm(
    server: &Server,
    order: &Order,
    planned: &Planned,
    number: u64,
    glass: &Glass,
) -> Result<(), Stop> {
    let (environment, by) = (&order.environment, &order.asker.actor.identity);
    let text = glass::words(environment, number, by, glass);
    let (links, now) = (Links::to(&server.address), server.clock.now());
    let told = Notification::glass(&planned.desired, now, &text, number, &links);
    Ok(server.notify(told).await?)
}

/// Only what comes after the commit in force follows it; going back is another action.
async fn follows(server: &Server, order: &Order, ground: &Ground) -> Result<(), Stop> {
    let Some(commit) = ground.commit.filter(|_| order.aim.is_of_commit()) else { return Ok(()) };
    let Some(change) = server.store.in_force(&order.environment).await? else { return Ok(()) };
    let Some(in_force) = change.begun.commit else { return Ok(()) };
    let (view, former) = (Arc::clone(&ground.view), in_force.clone());
    let follows = aside(move || match view.find(&former) {
        Some(former) => view.is_ancestor(&former, &commit),
        None => Ok(false),
    });
    if follows.await? {
        return Ok(());
    }
    Err(Stop::Rewritten { commit: commit.to_string(), in_force })
}

pub(crate) async fn drivers(server: &Server, desired: &Desired) -> Result<Drivers, Stop> {
    server.drivers(desired).await?.map_err(Stop::Target)
}

fn engine<'a>(
    server: &'a Server,
    order: &'a Order,
    store: &'a Store,
    drivers: &'a Drivers,
) -> Engine<'a> {
    Engine {
        asker: &order.asker,
        owners: Some(&server.owners),
        store,
        clock: &*server.clock,
        drivers,
        workspace_id: &server.workspace_id,
        environment: &order.environment,
    }
}

/// The plan, judged by the rules in force with everything that is known.
async fn decide(
    server: &Server,
    order: &Order,
    ground: &Ground,
    engine: Engine<'_>,
    action: ChangeAction,
) -> Result<(Planned, Approved), Stop> {
    let none = BTreeSet::new();
    let only = match &order.aim {
        Aim::Commit { only, .. } | Aim::BreakGlass { only, .. } => only,
        Aim::Head { .. } | Aim::InForce | Aim::State { .. } | Aim::Expired { .. } => &none,
    };
    if let Some(name) = only.iter().find(|name| !ground.desired.apis.contains_key(*name)) {
        let declared = ground.desired.apis.keys().cloned().collect();
        return Err(Stop::NoApi { name: name.clone(), declared });
    }
    let measured = match &order.aim {
        // What an emergency left is no measure of what may stay.
        Aim::Head { .. } | Aim::Commit { .. } | Aim::State { .. } => Measured::Ordinary,
        Aim::BreakGlass { .. } | Aim::InForce | Aim::Expired { .. } => Measured::InForce,
    };
    let (declared, source, facts) = (&ground.desired, ground.source.clone(), &ground.facts);
    let planned = engine.plan(Wish { declared, source, only, action, facts, measured }).await?;
    let restores = order.aim.restores();
    let planned = match restores {
        Some(change) => planned.restoring(change),
        None => planned,
    };
    let mut asked = engine.asked(action, facts);
    asked.at = planned.plan.made_at;
    let environment = &order.environment;
    let approved =
        approvals::fill(server, environment, ground, &planned, &mut asked, restores).await?;
    Ok((planned.judged(&asked), approved))
}

/// How long what is done now was waited for, gate by gate.
async fn waited(
    server: &Server,
    order: &Order,
    approved: &Approved,
) -> Result<Vec<(String, u64)>, Stop> {
    let Approved { pull_requests, given_at, .. } = approved;
    let now = server.clock.now();
    let passed = server.store.pass(&order.environment, pull_requests, *given_at, now).await?;
    let secs = |(gate, waited): (String, time::Duration)| {
        (gate, u64::try_from(waited.whole_seconds()).unwrap_or_default())
    };
    Ok(passed.into_iter().map(secs).collect())
}

/// Keeps a plan for whoever is shown its id.
pub(crate) async fn keep(server: &Server, order: &Order, plan: &Plan) -> Result<(), Stop> {
    let document = to_file(plan).map_err(|error| EngineError::broken(&error))?;
    let document = String::from_utf8_lossy(&document);
    let planned = event::planned(order.asker.actor.clone(), plan);
    let at = server.clock.now();
    server.store.keep_plan(&plan.id, &order.environment, &document, planned, at).await?;
    Ok(())
}

/// What stands in the way of a plan, by the first thing that it says.
fn unfit(plan: &Plan) -> Stop {
    let first = plan.notes.iter().find(|note| note.severity == Weight::Error);
    first.cloned().map_or(Stop::Engine(EngineError::Errors), Stop::Unfit)
}

/// What was shown is done, or nothing.
async fn as_shown(server: &Server, order: &Order, plan: &Plan) -> Result<(), Stop> {
    let Aim::Commit { plan: Some(id), .. } = &order.aim else { return Ok(()) };
    let shown = server.store.plan(id).await?.ok_or_else(|| Stop::NoPlan { id: id.clone() })?;
    let shown = from_file(shown.as_bytes()).map_err(|error| EngineError::broken(&error))?;
    replan(&shown, plan)?;
    Ok(())
}

impl Aim {
    /// The change whose state somebody goes back to.
    const fn restores(&self) -> Option<u64> {
        match self {
            Self::State { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// What the rules are asked about it.
    pub const fn action(&self) -> ChangeAction {
        match self {
            Self::Head { .. } | Self::Commit { .. } | Self::InForce => ChangeAction::Apply,
            Self::State { .. } | Self::Expired { .. } => ChangeAction::Rollback,
            Self::BreakGlass { .. } => ChangeAction::BreakGlass,
        }
    }

    const fn verb(&self) -> &'static str {
        match self {
            Self::Head { .. } | Self::Commit { .. } => "applied",
            Self::BreakGlass { .. } => "applied with broken glass",
            Self::InForce => "put back",
            Self::State { .. } | Self::Expired { .. } => "applied as a rollback",
        }
    }
}

/// Keeps what is going on for whoever watches.
#[derive(Debug)]
struct Watch<'a> {
    server: &'a Server,
    environment: &'a EnvironmentName,
    /// What the change does to callers: whoever follows it reads that first.
    callers: Option<String>,
}

impl<'a> Watch<'a> {
    const fn of(server: &'a Server, environment: &'a EnvironmentName) -> Self {
        Self { server, environment, callers: None }
    }
}

impl Listener for Watch<'_> {
    fn hear<'a>(&'a self, news: &'a News<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let News { number, target, step, moment } = news;
        let shared = &self.server.shared;
        if let Some(callers) = &self.callers
            && shared.lines(self.environment, *number).is_empty()
        {
            shared.tell(self.environment, *number, callers.clone());
        }
        let line = match moment {
            Moment::Intended | Moment::Acted => None,
            Moment::Done { words, ms } => Some(format!("✔ {step} {target}: {words} ({ms} ms)")),
            Moment::Failed { words } => Some(format!("✘ {step} {target}: {words}")),
        };
        if let Some(line) = line {
            shared.tell(self.environment, *number, line);
        }
        Box::pin(std::future::ready(()))
    }
}
