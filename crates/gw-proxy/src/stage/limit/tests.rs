use super::*;

fn key(address: &str) -> Key<'static> {
    let address = address.parse().expect("an address");
    let rate = "2/1m".parse().expect("a rate");
    Key { api: "orders", limit: 0, rate, who: who(Per::Ip, None, address) }
}

fn counted(counters: &Counters) -> usize {
    counters.shards.iter().map(|shard| shard.lock().len()).sum()
}

#[test]
fn addresses_of_one_customer_count_as_one() {
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
    ] {
        assert_eq!(key(one) == key(other), same, "{one} and {other}");
    }
}

#[test]
fn counters_that_remember_nothing_are_forgotten() {
    let counters = Counters::default();
    for place in 0..1_000 {
        counters.admit(key(&format!("2001:db8:0:{place:x}::1")), 0);
    }
    counters.admit(key("192.0.2.1"), 30_000);
    counters.sweep(59_999);
    assert_eq!(counted(&counters), 1_001);
    counters.sweep(60_000);
    assert_eq!(counted(&counters), 1);
    // What is still remembered still counts.
    assert!(matches!(counters.admit(key("192.0.2.1"), 60_000), Admission::Admitted { .. }));
    let refused = counters.admit(key("192.0.2.1"), 60_001);
    assert_eq!(refused, Admission::Refused { retry_after_ms: 29_999 });
}
