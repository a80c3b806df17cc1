//! Crash points by enumeration: the execution is cut at every moment it reports, then run again.

use std::sync::Arc;

use gw_audit::{
    entry::{self, Entry, Event},
    note::Signer,
};
use gw_model::{desired::Desired, scalar::Method};
use gw_plan::{
    difference::Difference,
    driver::{
        Actor, Answer, Body, Fate, Lowered, Observed, Order, Pending, Probe, Probed, Served, Token,
    },
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::{
    event::local_user,
    ledger::{Ledger, LedgerFiles},
    store::{Action, Begun, Documents},
};

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        NOON
    }
}

/// A gateway that stages and switches, keeps its promises, and counts what it is asked.
#[derive(Clone, Debug, Default)]
struct Gateway {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    live: Vec<Object>,
    staged: Option<Vec<Object>>,
    version: u64,
    /// The change whose switch was the last.
    switched_by: Option<u64>,
    switches: u32,
    down: bool,
    fails_at: Option<&'static str>,
    answers: u16,
    fate: Fate,
}

impl Default for State {
    fn default() -> Self {
        Self {
            live: vec![],
            staged: None,
            version: 0,
            switched_by: None,
            switches: 0,
            down: false,
            fails_at: None,
            answers: 401,
            fate: Fate::Refused,
        }
    }
}

impl Gateway {
    fn serving(objects: Vec<Object>) -> Self {
        let state = State { live: objects, version: 1, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn live(&self) -> Vec<Object> {
        self.state.lock().live.clone()
    }

    fn broken(&self, name: &str) -> Result<(), TargetError> {
        if self.state.lock().fails_at == Some(name) {
            return Err(TargetError::Refused { place: self.place(), because: "409".to_owned() });
        }
        Ok(())
    }
}

impl Driver for Gateway {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn place(&self) -> String {
        "fake gateway".to_owned()
    }

    fn lower(&self, _: &Desired) -> Lowered {
        Lowered::default()
    }

    fn raise(&self, _: &[Object]) -> Option<Desired> {
        None
    }

    fn canonical(&self, object: &Object) -> Value {
        object.body.value()
    }

    fn steps(&self, _: &[Difference]) -> Vec<Step> {
        vec![]
    }

    fn probes(&self, _: &Desired) -> Vec<Probe> {
        vec![]
    }

    fn observe(&self) -> Pending<'_, Observed> {
        Box::pin(async move {
            let state = self.state.lock();
            Ok(Observed {
                objects: state.live.clone(),
                owner: None,
                version: Some(state.version.to_string()),
                served: if state.down { Served::Stored } else { Served::Live },
                read_at: NOON,
            })
        })
    }

    fn step<'a>(&'a self, order: Order<'a>) -> Pending<'a, ()> {
        let Order { step, wanted, stamp, condition } = order;
        Box::pin(async move {
            self.broken(step.name())?;
            let mut state = self.state.lock();
            let moved = condition.version != Some(state.version.to_string());
            match step {
                Step::Stage => state.staged = Some(wanted.to_vec()),
                Step::Switch if state.switched_by == Some(stamp.change) => {}
                Step::Switch => {
                    assert!(!moved, "a switch asks for the version that was planned against");
                    state.live = state.staged.take().expect("staged before switched");
                    state.version += 1;
                    state.switched_by = Some(stamp.change);
                    state.switches += 1;
                }
                Step::Abandon => state.staged = None,
                Step::Write { .. } | Step::Delete { .. } | Step::Retire => {}
            }
            Ok(())
        })
    }

    fn probe<'a>(&'a self, _: &'a Probe) -> Pending<'a, Probed> {
        Box::pin(async move {
            let state = self.state.lock();
            Ok(Probed { status: state.answers, fate: state.fate.clone() })
        })
    }

    fn actor<'a>(&'a self, _: &'a Difference) -> Pending<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }

    fn import(&self) -> Pending<'_, Vec<Object>> {
        Box::pin(async move { Ok(self.live()) })
    }
}

/// Lets so many moments pass and then never answers again: what comes after it never happens.
#[derive(Debug)]
struct Axe {
    left: Mutex<Option<u32>>,
    fallen: tokio::sync::Notify,
    heard: Mutex<Vec<String>>,
}

impl Axe {
    fn after(moments: Option<u32>) -> Self {
        Self {
            left: Mutex::new(moments),
            fallen: tokio::sync::Notify::new(),
            heard: Mutex::default(),
        }
    }
}

impl Listener for Axe {
    fn hear<'a>(&'a self, news: &'a News<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let moment = match news.moment {
                Moment::Intended => "intended",
                Moment::Acted => "acted",
                Moment::Done { .. } => "done",
                Moment::Failed { .. } => "failed",
            };
            self.heard.lock().push(format!("{} {} {moment}", news.target, news.step));
            let falls = match &mut *self.left.lock() {
                None => false,
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
            };
            if falls {
                self.fallen.notify_one();
                std::future::pending::<()>().await;
            }
        })
    }
}

struct Scene {
    folder: tempfile::TempDir,
    gateways: BTreeMap<TargetName, Gateway>,
    drivers: BTreeMap<TargetName, Box<dyn Driver>>,
    script: Script,
    workspace_id: WorkspaceId,
    environment: EnvironmentName,
    effect: Digest,
}

fn object(name: &str, value: u64) -> Object {
    let body = Body::write(&json!({ "value": value })).unwrap();
    Object { kind: "api".to_owned(), name: name.to_owned(), body }
}

impl Scene {
    fn new(targets: &[&str]) -> Self {
        let gateways: BTreeMap<_, _> = targets
            .iter()
            .map(|name| {
                let target = TargetName::parse(name).unwrap();
                (target, Gateway::serving(vec![object("orders", 1)]))
            })
            .collect();
        let drivers = gateways
            .iter()
            .map(|(target, gateway)| (target.clone(), Box::new(gateway.clone()) as Box<dyn Driver>))
            .collect();
        let part = |target: &TargetName| TargetScript {
            target: target.clone(),
            wanted: new_state(),
            steps: vec![Step::Stage, Step::Switch, Step::Retire],
            probes: vec![Probe {
                name: "no token".to_owned(),
                method: Method::Get,
                host: None,
                path: "/orders".to_owned(),
                token: Token::None,
                expect: Answer::Status(401),
            }],
            version: Some("1".to_owned()),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            script: Script { targets: gateways.keys().map(part).collect() },
            gateways,
            drivers,
            workspace_id: WorkspaceId::from_random([7; 16]),
            environment: EnvironmentName::parse("dev").unwrap(),
            effect: Digest::of_bytes(b"effect"),
        }
    }

    async fn open(&self) -> Store {
        Store::open(self.folder.path(), ledger().verifier().clone()).await.unwrap()
    }

    async fn begin(&self, store: &Store) -> u64 {
        let document = || "{}".to_owned();
        let documents = Documents { plan: document(), script: document(), desired: document() };
        store.begin(&begun(&self.environment), &documents, decided(), None).await.unwrap()
    }

    fn work<'a>(&'a self, store: &'a Store, listener: &'a Axe, number: u64) -> Work<'a> {
        Work {
            store,
            clock: &Noon,
            drivers: &self.drivers,
            listener,
            workspace_id: &self.workspace_id,
            environment: &self.environment,
            number,
            began_at: NOON,
            effect: &self.effect,
        }
    }

    /// Why its change stops that is written and cannot be proved.
    async fn halt(&self) -> String {
        let store = self.open().await;
        let number = self.begin(&store).await;
        let axe = Axe::after(None);
        let halt = execute(self.work(&store, &axe, number), &self.script).await.unwrap_err();
        let change = store.change(&self.environment, number).await.unwrap().unwrap();
        assert_eq!(change.outcome, Outcome::Applied);
        halt.to_string()
    }

    /// The files of the ledger verify, and tell an intent and an end of each step.
    async fn every_step_is_on_the_record(&self, store: &Store, steps: &[StepRecord]) {
        let folder = self.folder.path().join("ledger");
        let signer = ledger();
        let key = signer.verifier().clone();
        let published = Ledger::new(&folder, signer).publish(store).await.unwrap();
        let mut told = vec![];
        let verified =
            gw_audit::verify::verify(&LedgerFiles::new(&folder), &key, &[], &mut |_, bytes| {
                let event = Entry::parse(bytes).unwrap().event;
                told.push((event.act, event.outcome, event.facts.get("position").cloned()));
            });
        assert_eq!(verified.unwrap().newest.size, published.size);
        for step in steps {
            let position = Some(Value::from(step.position));
            let done = entry::Outcome::Done;
            assert!(told.contains(&(entry::Act::StepIntended, done, position.clone())));
            assert!(told.contains(&(entry::Act::StepEnded, done, position)));
        }
        assert!(told.contains(&(entry::Act::Ended, entry::Outcome::Done, None)));
    }

    fn gateway(&self, name: &str) -> &Gateway {
        &self.gateways[&TargetName::parse(name).unwrap()]
    }

    fn every_gateway(&self, check: impl Fn(&Gateway)) {
        self.gateways.values().for_each(check);
    }
}

fn new_state() -> Vec<Object> {
    vec![object("orders", 2), object("quotes", 1)]
}

fn ledger() -> Signer {
    Signer::new("gatewright/test", &[1; 32]).unwrap()
}

fn decided() -> Event {
    Event::new(entry::Act::Decided, entry::Outcome::Done, local_user())
}

fn begun(environment: &EnvironmentName) -> Begun {
    Begun {
        environment: environment.clone(),
        action: Action::Apply,
        actor: local_user(),
        reason: None,
        restores: None,
        until: None,
        source_digest: "s".to_owned(),
        effect_digest: "e".to_owned(),
        plan_id: "p-1".to_owned(),
        commit: None,
        began_at: NOON,
    }
}

#[tokio::test]
async fn the_acts_come_in_an_order_that_leaves_a_way_back_as_long_as_possible() {
    let scene = Scene::new(&["east", "west"]);
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    let axe = Axe::after(None);
    let done = execute(scene.work(&store, &axe, number), &scene.script).await.unwrap();
    assert!(matches!(done, Executed::Verified));
    let done: Vec<_> = axe
        .heard
        .lock()
        .iter()
        .filter_map(|it| it.strip_suffix(" done").map(str::to_owned))
        .collect();
    insta::assert_snapshot!(done.join("\n"), @r"
    east recheck
    west recheck
    east stage
    west stage
    east switch
    west switch
    east read back
    west read back
    east probe
    west probe
    east retire
    west retire
    ");
    let ended = store.change(&scene.environment, number).await.unwrap().unwrap();
    assert_eq!(ended.outcome, Outcome::Verified);
    let east = TargetName::parse("east").unwrap();
    let written = store.written(&scene.environment, &east).await.unwrap();
    assert_eq!(written.objects.keys().collect::<Vec<_>>(), ["api orders", "api quotes"]);
}

/// Every moment of every act of a change on two targets.
#[tokio::test]
async fn killed_at_any_moment_it_is_old_or_new_and_running_it_again_ends_it() {
    let moments = {
        let scene = Scene::new(&["east", "west"]);
        let store = scene.open().await;
        let number = scene.begin(&store).await;
        let axe = Axe::after(None);
        execute(scene.work(&store, &axe, number), &scene.script).await.unwrap();
        u32::try_from(axe.heard.lock().len()).unwrap()
    };
    assert_eq!(moments, 36, "12 acts of 3 moments");
    for moment in 0..moments {
        let scene = Scene::new(&["east", "west"]);
        let store = scene.open().await;
        let number = scene.begin(&store).await;
        let axe = Axe::after(Some(moment));
        tokio::select! {
            biased;
            () = axe.fallen.notified() => {}
            _ = execute(scene.work(&store, &axe, number), &scene.script) => {
                panic!("moment {moment} never came");
            }
        }
        store.close().await;
        scene.every_gateway(|gateway| {
            let live = gateway.live();
            assert!(live == vec![object("orders", 1)] || live == new_state(), "moment {moment}");
        });

        let store = scene.open().await;
        let found = store.under_way(&scene.environment).await.unwrap().unwrap();
        assert_eq!(found.number, number);
        let axe = Axe::after(None);
        let done = execute(scene.work(&store, &axe, number), &scene.script).await.unwrap();
        assert!(matches!(done, Executed::Verified), "moment {moment}");
        scene.every_gateway(|gateway| {
            assert_eq!(gateway.live(), new_state(), "moment {moment}");
            assert_eq!(gateway.state.lock().switches, 1, "moment {moment}");
        });
        assert!(store.under_way(&scene.environment).await.unwrap().is_none());
        let steps = store.steps(&scene.environment, number).await.unwrap();
        assert!(steps.iter().all(|step| step.state == StepState::Done), "moment {moment}");
        scene.every_step_is_on_the_record(&store, &steps).await;
    }
}

#[tokio::test]
async fn killed_before_the_switch_it_can_be_given_up_and_after_it_not() {
    // One target: three moments each of recheck, stage, switch. 5 is the end of stage.
    for (moment, given_up) in [(5, true), (6, false)] {
        let scene = Scene::new(&["east"]);
        let store = scene.open().await;
        let number = scene.begin(&store).await;
        let axe = Axe::after(Some(moment));
        tokio::select! {
            biased;
            () = axe.fallen.notified() => {}
            _ = execute(scene.work(&store, &axe, number), &scene.script) => panic!("too early"),
        }
        let axe = Axe::after(None);
        let ended = abandon(scene.work(&store, &axe, number), &scene.script).await;
        if given_up {
            ended.unwrap();
            assert_eq!(scene.gateways.values().next().unwrap().live(), [object("orders", 1)]);
            assert!(scene.gateways.values().next().unwrap().state.lock().staged.is_none());
            let change = store.change(&scene.environment, number).await.unwrap().unwrap();
            assert_eq!(change.outcome, Outcome::Abandoned);
        } else {
            assert!(matches!(ended, Err(Halt::TooLate)));
        }
    }
}

#[tokio::test]
async fn the_way_back_leads_to_the_last_change_that_took_effect() {
    let scene = Scene::new(&["east"]);
    let store = scene.open().await;
    let axe = Axe::after(None);
    let first = scene.begin(&store).await;
    execute(scene.work(&store, &axe, first), &scene.script).await.unwrap();
    let given_up = scene.begin(&store).await;
    abandon(scene.work(&store, &axe, given_up), &scene.script).await.unwrap();
    let next = scene.begin(&store).await;
    let before = async |number| store.in_force_before(&scene.environment, number).await.unwrap();
    assert_eq!(before(next).await, Some(first));
    assert_eq!(before(first).await, None);
}

#[tokio::test]
async fn a_target_that_moved_is_not_touched_and_the_change_is_over() {
    let scene = Scene::new(&["east"]);
    let gateway = scene.gateways.values().next().unwrap().clone();
    gateway.state.lock().version = 9;
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    let axe = Axe::after(None);
    let halt = execute(scene.work(&store, &axe, number), &scene.script).await.unwrap_err();
    assert!(matches!(halt, Halt::NotBegun(TargetError::Moved { .. })));
    assert_eq!(gateway.live(), [object("orders", 1)]);
    let change = store.change(&scene.environment, number).await.unwrap().unwrap();
    assert_eq!(change.outcome, Outcome::Failed);
    assert!(store.under_way(&scene.environment).await.unwrap().is_none());
}

#[tokio::test]
async fn a_refused_switch_stops_half_way_and_the_next_run_continues() {
    let scene = Scene::new(&["east"]);
    let gateway = scene.gateways.values().next().unwrap().clone();
    gateway.state.lock().fails_at = Some("switch");
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    let axe = Axe::after(None);
    let halt = execute(scene.work(&store, &axe, number), &scene.script).await.unwrap_err();
    assert!(matches!(halt, Halt::HalfWay { step: ActName::Switch, reach: Reach::Former, .. }));
    assert_eq!(gateway.live(), [object("orders", 1)]);
    gateway.state.lock().fails_at = None;
    let done = execute(scene.work(&store, &axe, number), &scene.script).await.unwrap();
    assert!(matches!(done, Executed::Verified));
    assert_eq!(gateway.live(), new_state());
}

#[tokio::test]
async fn with_no_gateway_running_it_is_applied_and_proved_later() {
    let scene = Scene::new(&["east"]);
    let gateway = scene.gateways.values().next().unwrap().clone();
    gateway.state.lock().down = true;
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    let axe = Axe::after(None);
    let work = scene.work(&store, &axe, number);
    let done = execute(work, &scene.script).await.unwrap();
    assert!(matches!(done, Executed::Unproven(TargetError::Unreachable { .. })));
    let outcome = async || store.change(&scene.environment, number).await.unwrap().unwrap().outcome;
    assert_eq!(outcome().await, Outcome::Applied);
    gateway.state.lock().down = false;
    let done = verify(work, &scene.script).await.unwrap();
    assert!(matches!(done, Executed::Verified));
    assert_eq!(outcome().await, Outcome::Verified);
}

#[tokio::test]
async fn a_wrong_answer_to_a_probe_is_never_called_verified() {
    let scene = Scene::new(&["east"]);
    scene.gateways.values().next().unwrap().state.lock().answers = 200;
    assert_eq!(
        scene.halt().await,
        "stopped at `probe` on target `east`: fake gateway answered 200 instead of 401 to \
         `no token: GET /orders`"
    );
}

#[tokio::test]
async fn a_backend_that_answers_401_does_not_prove_that_the_gateway_refuses() {
    let scene = Scene::new(&["east"]);
    scene.gateway("east").state.lock().fate = Fate::Answered;
    assert_eq!(
        scene.halt().await,
        "stopped at `probe` on target `east`: fake gateway let it through to a backend, which \
         answered 401, instead of 401 to `no token: GET /orders`"
    );
}

#[tokio::test]
async fn what_is_let_through_is_proved_whatever_the_backend_makes_of_it() {
    for status in [200, 401, 403, 404, 429, 500] {
        let mut scene = Scene::new(&["east"]);
        scene.script.targets[0].probes[0].expect = Answer::LetThrough;
        {
            let mut state = scene.gateway("east").state.lock();
            (state.answers, state.fate) = (status, Fate::Answered);
        }
        let store = scene.open().await;
        let number = scene.begin(&store).await;
        let axe = Axe::after(None);
        let done = execute(scene.work(&store, &axe, number), &scene.script).await.unwrap();
        assert!(matches!(done, Executed::Verified), "{status}: {done:?}");
    }
}

#[tokio::test]
async fn a_change_is_not_called_simply_verified_where_no_backend_answers() {
    let mut scene = Scene::new(&["east"]);
    scene.script.targets[0].probes[0].expect = Answer::LetThrough;
    {
        let mut state = scene.gateway("east").state.lock();
        let because = "the secret store holds no `key`".to_owned();
        (state.answers, state.fate) = (503, Fate::Unanswered { because });
    }
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    let axe = Axe::after(None);
    let work = scene.work(&store, &axe, number);
    for done in [execute(work, &scene.script).await, verify(work, &scene.script).await] {
        let Ok(Executed::Hindered(words)) = done else { panic!("{done:?}") };
        assert_eq!(
            words,
            ["`no token: GET /orders` is let through, and calls get 503: the secret store holds \
              no `key`"]
        );
    }
    let change = store.change(&scene.environment, number).await.unwrap().unwrap();
    assert_eq!(change.outcome, Outcome::Verified);
    assert!(change.detail.unwrap().contains("the secret store holds no `key`"));
}

/// Of two targets the second refuses: the execution is cut at each of its moments, or ends refused.
async fn stopped(refused_at: &'static str, moment: Option<u32>) -> Option<(Scene, u64)> {
    let scene = Scene::new(&["east", "west"]);
    scene.gateway("west").state.lock().fails_at = Some(refused_at);
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    let axe = Axe::after(moment);
    let ended = tokio::select! {
        biased;
        () = axe.fallen.notified() => false,
        ended = execute(scene.work(&store, &axe, number), &scene.script) => {
            assert!(matches!(ended, Err(Halt::HalfWay { .. })), "{ended:?}");
            true
        }
    };
    store.close().await;
    (ended == moment.is_none()).then_some((scene, number))
}

/// Every state in which a refused change can stop, and then the whole way to another state.
#[tokio::test]
async fn a_refused_change_gives_way_to_another_whenever_it_was_stopped() {
    for refused_at in ["stage", "switch"] {
        let mut states = 0;
        for moment in (0..36).map(Some).chain([None]) {
            let Some((scene, number)) = stopped(refused_at, moment).await else { continue };
            states += 1;
            scene.gateway("west").state.lock().fails_at = None;
            let store = scene.open().await;
            let axe = Axe::after(None);
            supersede(scene.work(&store, &axe, number), &scene.script).await.unwrap();
            let change = store.change(&scene.environment, number).await.unwrap().unwrap();
            assert_eq!(change.outcome, Outcome::Superseded);
            assert!(store.under_way(&scene.environment).await.unwrap().is_none());
            for (target, gateway) in &scene.gateways {
                assert!(gateway.state.lock().staged.is_none(), "{refused_at} {moment:?}");
                let written = store.written(&scene.environment, target).await.unwrap().objects;
                let took_over = gateway.live() == new_state();
                assert_eq!(!written.is_empty(), took_over, "{refused_at} {moment:?} {target}");
            }

            let mended = vec![object("orders", 3)];
            let mut script = scene.script.clone();
            for part in &mut script.targets {
                let gateway = scene.gateway(part.target.as_str());
                part.version = Some(gateway.state.lock().version.to_string());
                part.wanted.clone_from(&mended);
            }
            let next = scene.begin(&store).await;
            let done = execute(scene.work(&store, &axe, next), &script).await.unwrap();
            assert!(matches!(done, Executed::Verified), "{refused_at} {moment:?}");
            scene.every_gateway(|gateway| assert_eq!(gateway.live(), mended));
        }
        assert!(states > 10, "{states} states of a change refused at {refused_at}");
    }
}

#[tokio::test]
async fn giving_up_is_recorded_for_each_target_and_a_half_given_up_change_can_go_on() {
    let scene = Scene::new(&["east", "west"]);
    let store = scene.open().await;
    let number = scene.begin(&store).await;
    // Three moments each of two rechecks and two stages: both are staged, none is switched.
    let axe = Axe::after(Some(11));
    tokio::select! {
        biased;
        () = axe.fallen.notified() => {}
        _ = execute(scene.work(&store, &axe, number), &scene.script) => panic!("too early"),
    }
    let axe = Axe::after(None);
    let work = scene.work(&store, &axe, number);
    scene.gateway("west").state.lock().fails_at = Some("abandon");
    let halt = abandon(work, &scene.script).await.unwrap_err();
    assert!(matches!(halt, Halt::HalfWay { step: ActName::Abandon, reach: Reach::Former, .. }));
    let steps = store.steps(&scene.environment, number).await.unwrap();
    let of = |name: ActName| -> Vec<&str> {
        steps.iter().filter(|it| it.name == name).map(|it| it.target.as_str()).collect()
    };
    assert_eq!(of(ActName::Abandon), ["east", "west"]);
    assert_eq!(of(ActName::Stage), ["east", "west"]);
    // What was removed on one target is staged again before anything is switched.
    scene.gateway("west").state.lock().fails_at = None;
    let done = execute(work, &scene.script).await.unwrap();
    assert!(matches!(done, Executed::Verified));
    scene.every_gateway(|gateway| assert_eq!(gateway.live(), new_state()));
}
