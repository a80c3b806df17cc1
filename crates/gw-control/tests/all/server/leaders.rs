//! Two servers over one state, each of which takes the other for dead.

use std::cell::Cell;

use gw_control::drift;
use gw_plan::driver::Step;
use gw_testkit::attack::{
    self,
    change::{Attack, Bench},
};
use tokio::sync::Notify;

use super::*;

/// What whoever was overtaken is told.
const BUSY: &str = "GW7102";
const LEASE: Duration = Duration::from_secs(1);
const ROUNDS: usize = 20;

/// What takes longer never ends.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap()
}

/// What is in force is put back.
async fn put_back(server: &Server) -> Said {
    let order = Order { environment: prod(), asker: Asker::server(), aim: Aim::InForce };
    said(reconcile(server, &order).await)
}

/// As soon as whoever has the environment lets it run out.
async fn take_over(server: &Server) -> Said {
    loop {
        match server.hold(&prod()).await {
            Ok(held) => {
                held.let_go().await.unwrap();
                return put_back(server).await;
            }
            Err(Stop::Occupied { .. }) => tokio::task::yield_now().await,
            Err(stop) => panic!("{stop}"),
        }
    }
}

impl House {
    /// Another server over the same state.
    fn another(&self, holder: &str) -> Arc<Server> {
        let (stage, live) = (&self.stage, self.live.clone());
        let (holder, store) = (holder.to_owned(), self.server.store.clone());
        let opened = wait(server(stage, stage.host(), live, Caps::default(), &holder));
        let shared = Shared::default().leasing(LEASE);
        Arc::new(Server { holder, store, shared, ..opened })
    }
}

/// A server that is gone for good began to put back what differed: the next start goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_works_on_any_more_goes_on() {
    let house = House::new().await;
    let one = house.another("one");
    house.live.tamper("100/1m", "900/1m");
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stop = target::Stop { before: Step::Switch, reached, go_on };
    house.live.0.lock().stop = Some(stop.clone());
    let server = Arc::clone(&one);
    let killed = tokio::spawn(async move { drift::compare(&server, &prod()).await });
    within(stop.reached.notified()).await;
    killed.abort();
    drop(killed.await);
    // Its leases went with it.
    let store = Store::open(&house.stage.folder.path().join("state"), key()).await.unwrap();
    let two = Server { store, ..Arc::into_inner(house.another("two")).unwrap() };
    let under_way = two.store.under_way(&prod()).await.unwrap();
    assert_eq!(under_way.map(|it| it.number), Some(2));
    drift::compare(&two, &prod()).await.unwrap();
    assert!(two.store.under_way(&prod()).await.unwrap().is_none());
    assert!(house.live.has("100/1m"));
    assert_eq!(house.change().await, 2);
    house.end().await;
}

/// Shows F14: part (20 rounds of two servers; none in simulation)
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_overtaken_in_the_middle_writes_nothing_more() {
    let house = House::new().await;
    let (one, two) = (house.another("one"), house.another("two"));
    // What two did, and what was recorded before one went on.
    let (by_two, rightly) = (Cell::new(0), Cell::new(0));
    let entries = || {
        let store = &house.server.store;
        let count = wait(store.entry_count()).unwrap();
        wait(store.entries(0, u32::try_from(count).unwrap())).unwrap()
    };
    let tampered = Cell::new(0);
    let tamper = || {
        tampered.set(tampered.get() + 1);
        house.live.tamper("100/1m", &format!("{}/1m", 900 + tampered.get()));
    };
    let round = |before: &Step| {
        tamper();
        let known = entries().len();
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let stop = target::Stop { before: before.clone(), reached, go_on };
        house.live.0.lock().stop = Some(stop.clone());
        let server = Arc::clone(&one);
        let slow = tokio::spawn(async move { put_back(&server).await });
        wait(within(stop.reached.notified()));
        let switches = house.live.switches();
        let said = wait(within(take_over(&two)));
        // It brings to its end what the other one began.
        assert_eq!(said.code, None, "{}", said.words);
        by_two.set(by_two.get() + house.live.switches() - switches);
        rightly.set(rightly.get() + entries().len() - known);
        stop.go_on.notify_one();
        wait(within(slow)).unwrap()
    };
    let folder = house.stage.folder.path();
    let bench = Bench {
        written: ["state", "ledger", "source"].map(|it| folder.join(it)).to_vec(),
        writes: &|| house.live.switches() - by_two.get(),
        entries: &|| {
            let mut entries = entries();
            entries.truncate(entries.len() - rightly.get());
            entries
        },
        good: &|| {
            tamper();
            let known = entries().len();
            let said = wait(put_back(&house.server));
            rightly.set(rightly.get() + entries().len() - known);
            said
        },
    };
    for number in 0..ROUNDS {
        let before = if number % 2 == 0 { Step::Stage } else { Step::Switch };
        let (name, ask) = (format!("overtaken before {before:?}"), || round(&before));
        attack::change::overtaken(
            &bench,
            &Attack { name: &name, ask: &ask, code: BUSY, secrets: &[] },
        );
    }
    house.end().await;
}
