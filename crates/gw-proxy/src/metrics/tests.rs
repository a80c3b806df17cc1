use super::*;

#[test]
fn buckets_count_what_is_at_most_their_bound() {
    let metrics = Metrics::default();
    for us in [1_000, 1_001, 10_000_000, 10_000_001] {
        metrics.call("orders", "granted", Duration::from_micros(us));
    }
    let text = metrics.render(7);
    for line in [
        r#"_bucket{api="orders",outcome="granted",le="0.001000"} 1"#,
        r#"_bucket{api="orders",outcome="granted",le="0.002000"} 2"#,
        r#"_bucket{api="orders",outcome="granted",le="10.000000"} 3"#,
        r#"_bucket{api="orders",outcome="granted",le="+Inf"} 4"#,
        r#"_sum{api="orders",outcome="granted"} 20.002002"#,
        r#"_count{api="orders",outcome="granted"} 4"#,
    ] {
        assert!(text.contains(&format!("gatewright_call_duration_seconds{line}\n")), "{text}");
    }
    assert!(text.contains("\ngatewright_decisions_lost_total 7\n"), "{text}");
}

#[test]
fn apis_that_are_served_no_more_leave_nothing_behind() {
    let metrics = Metrics::default();
    for number in 0..1_000 {
        metrics.call(&format!("api-{number}"), "granted", Duration::ZERO);
        metrics.call("", "no_route", Duration::ZERO);
        metrics.keep(|name| name == format!("api-{number}"));
    }
    assert_eq!(metrics.calls.read().keys().collect::<Vec<_>>(), ["", "api-999"]);
}
