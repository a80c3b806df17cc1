use super::*;

const PATIENCE: Patience = Patience {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    body: Duration::from_secs(5),
    reader: Duration::from_secs(60),
    bytes_per_second: 240,
};

fn pacer() -> Pacer {
    Pacer::new(PATIENCE)
}

/// After how many seconds the caller is late, and with what, if each second goes as `second` says.
fn late_after(pacer: &Pacer, watch: &Watch, second: impl Fn(&Watch)) -> Option<(u64, Late)> {
    (1..=120).find_map(|passed| {
        second(watch);
        for _ in 0..10 {
            pacer.tick();
        }
        watch.late().map(|late| (passed, late))
    })
}

#[test]
fn a_head_has_ten_seconds_and_silence_between_calls_sixty() {
    let (pacer, nothing) = (pacer(), |_: &Watch| {});
    let fresh = pacer.watch();
    assert_eq!(late_after(&pacer, &fresh, nothing), Some((10, Late::Idle)));
    let begun = pacer.watch();
    begun.received.add(1);
    assert_eq!(late_after(&pacer, &begun, nothing), Some((10, Late::Head)));
    let used = pacer.watch();
    used.begin_call();
    used.end_call();
    assert_eq!(late_after(&pacer, &used, nothing), Some((60, Late::Idle)));
    // A byte each second keeps no connection open.
    let dripping = pacer.watch();
    dripping.begin_call();
    dripping.end_call();
    let drip = |watch: &Watch| watch.received.add(1);
    assert_eq!(late_after(&pacer, &dripping, drip), Some((11, Late::Head)));
}

#[test]
fn a_head_that_began_with_the_call_before_it_has_no_more_time_than_others() {
    for (came, late) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], (60, Late::Idle)),
        (b"GET / HTTP/1.1\n\n", (60, Late::Idle)),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n", (10, Late::Head)),
        (b"GET / HTTP/1.1\r\n\r\nG", (10, Late::Head)),
    ] {
        // In one piece, and byte for byte.
        for size in [came.len(), 1] {
            let pacer = pacer();
            let watch = pacer.watch();
            watch.begin_call();
            watch.expect_no_body();
            came.chunks(size).for_each(|piece| watch.receive(piece));
            watch.end_call();
            assert_eq!(late_after(&pacer, &watch, |_| {}), Some(late), "{came:?}");
        }
    }
}

#[test]
fn a_body_comes_at_the_least_rate_while_it_is_waited_for() {
    for (each_second, waiting, late) in [
        (0, true, Some((5, Late::Body))),
        (200, true, Some((5, Late::Body))),
        (240, true, None),
        // Nobody asks for it now: the upstream is what is slow.
        (0, false, None),
    ] {
        let pacer = pacer();
        let watch = pacer.watch();
        watch.begin_call();
        let found = late_after(&pacer, &watch, |watch| {
            watch.received.add(each_second);
            watch.wait_for_body(waiting);
        });
        assert_eq!(found, late, "{each_second} {waiting}");
    }
}

#[test]
fn an_answer_that_nobody_takes_is_not_kept_for_ever() {
    for (each_second, blocked, late) in
        [(0, true, Some((60, Late::Reader))), (240, true, None), (0, false, None)]
    {
        let pacer = pacer();
        let watch = pacer.watch();
        watch.begin_call();
        let found = late_after(&pacer, &watch, |watch| {
            watch.sent.add(each_second);
            watch.sent.waiting.set(blocked);
        });
        assert_eq!(found, late, "{each_second} {blocked}");
    }
    // A socket takes more only when a good part of its buffer is free: that is no stall.
    let drained = pacer();
    let watch = drained.watch();
    watch.begin_call();
    let seconds = Cell::new(0);
    let found = late_after(&drained, &watch, |watch| {
        seconds.set(seconds.get() + 1);
        watch.sent.add(if seconds.get() % 50 == 0 { 170 << 10 } else { 0 });
        watch.sent.waiting.set(true);
    });
    assert_eq!(found, None);
    // What was taken at once excuses no stall.
    let pacer = pacer();
    let watch = pacer.watch();
    watch.begin_call();
    watch.sent.add(1 << 20);
    let blocked = |watch: &Watch| watch.sent.waiting.set(true);
    assert_eq!(late_after(&pacer, &watch, blocked), Some((120, Late::Reader)));
}

#[test]
fn an_answer_is_waited_for_as_long_as_was_said() {
    let pacer = pacer();
    let watch = pacer.watch();
    watch.begin_call();
    watch.expect_within(Duration::from_millis(250));
    let mut ticks = 0;
    while !watch.is_due() {
        pacer.tick();
        ticks += 1;
    }
    // Three ticks hold it; the first may have been about to end.
    assert_eq!(ticks, 4);
    watch.expect_nothing();
    assert!(!watch.is_due());
}

#[test]
fn a_connection_that_is_gone_is_looked_at_no_more() {
    let pacer = pacer();
    let (kept, dropped) = (pacer.watch(), pacer.watch());
    drop(dropped);
    pacer.tick();
    assert_eq!(pacer.watched.borrow().len(), 1);
    assert!(!kept.is_draining());
    pacer.drain();
    assert!(kept.is_draining());
}
