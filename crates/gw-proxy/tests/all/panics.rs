//! A mistake in the gateway itself: the call in which it shows is refused and on record, and no other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use gw_model::clock::Clock;
use gw_testkit::{
    attack::{Attack, Request, attack},
    clock::FixedClock,
};
use serde_json::json;
use time::OffsetDateTime;

use crate::bench::{Bench, named};

/// A part that panics once, in the hands of whoever serves calls.
#[derive(Debug)]
struct Faulty {
    clock: FixedClock,
    is_armed: AtomicBool,
}

impl Clock for Faulty {
    fn now(&self) -> OffsetDateTime {
        let serves = thread::current().name().is_some_and(|name| name.starts_with("gw-worker"));
        let panics = serves && self.is_armed.swap(false, SeqCst);
        assert!(!panics, "a mistake in the gateway");
        self.clock.now()
    }
}

/// Shows F24: holds
#[test]
fn a_panic_takes_one_call_with_it_and_is_on_record() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders())]));
    let faulty = Arc::new(Faulty { clock: bench.clock.clone(), is_armed: AtomicBool::new(false) });
    let mut settings = bench.settings();
    settings.clock = Arc::clone(&faulty) as Arc<dyn Clock>;
    let gateway = bench.start_with(settings);
    let token = bench.token("bob", &json!({}));
    let call = Request::with_token("/orders", &token);
    let bench = gateway.under_attack(call.clone());
    for name in ["a panic", "another", "one more"] {
        faulty.is_armed.store(true, SeqCst);
        let (request, status, reason) = (call.clone(), 500, "internal");
        attack(&bench, &Attack { name, request, status, reason });
    }
}
