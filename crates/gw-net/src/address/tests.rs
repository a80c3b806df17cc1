use super::*;

fn class(text: &str) -> AddressClass {
    AddressClass::of(text.parse().unwrap())
}

#[test]
fn every_special_range_is_known_from_end_to_end() {
    use AddressClass::{LinkLocal, Loopback, Metadata, Private, Public, Unroutable};
    for (class_of, addresses) in [
        (Loopback, "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::"),
        (Private, "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1"),
        (Private, "fc00::1 fdff::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::a00:1 64:ff9b:1::1"),
        (LinkLocal, "169.254.0.1 169.254.255.255 fe80::1 febf::1 ::ffff:169.254.1.1"),
        (Metadata, "169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192 fd00:ec2::254"),
        (Metadata, "::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1"),
        (Unroutable, "0.0.0.0 0.1.2.3 192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255"),
        (Unroutable, "198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255"),
        (Unroutable, ":: ::7f00:1 ff02::1 2001:db8::1 2001::1 3fff::1 100::1 4000::1 e000::1"),
        (Public, "1.1.1.1 9.255.255.255 11.0.0.0 172.15.0.1 172.32.0.1 192.167.1.1 100.128.0.1"),
        (Public, "2606:4700::1 2a00:1450::1 ::ffff:1.1.1.1 64:ff9b::101:101 223.255.255.255"),
    ] {
        for address in addresses.split(' ') {
            assert_eq!(class(address), class_of, "{address}");
        }
    }
}

/// Whatever spelling a URL has, its host is judged as the address that it is.
#[test]
fn every_spelling_of_an_address_is_that_address() {
    let reach = Reach::new([], LoopbackReach::Listed);
    for host in [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "\u{ff11}27.0.0.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "0",
        "0xa9fea9fe",
        "2852039166",
        "169.254.43518",
    ] {
        let url = url::Url::parse(&format!("https://{host}/")).unwrap();
        let address = match url.host().unwrap() {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(name) => panic!("`{host}` was taken for the name `{name}`"),
        };
        assert!(!reach.admits(host, address), "{host} is {address}");
    }
}

#[test]
fn listed_hosts_are_reached_by_name_or_by_address() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let reach =
        Reach::new(["*.internal", "10.0.0.*", "[fd12::1]", "ID.corp"], LoopbackReach::Listed);
    for (host, to, admitted) in [
        ("public.example", "1.1.1.1", true),
        ("id.internal", "192.168.1.1", true),
        ("a.b.internal", "10.9.9.9", true),
        ("ID.INTERNAL", "192.168.1.1", true),
        ("internal", "192.168.1.1", false),
        ("id.internal.example", "192.168.1.1", false),
        ("id.corp", "172.16.0.1", true),
        ("anything.example", "10.0.0.7", true),
        ("anything.example", "10.0.1.7", false),
        ("anything.example", "::ffff:10.0.0.7", true),
        ("anything.example", "fd12::1", true),
        ("anything.example", "fd12::2", false),
        // A name that looks like the listed addresses is still a name.
        ("10.0.0.example", "192.168.1.1", false),
        ("id.internal", "127.0.0.1", true),
        ("public.example", "127.0.0.1", false),
        // Never, whoever lists them.
        ("id.internal", "169.254.169.254", false),
        ("id.internal", "fe80::1", false),
        ("id.internal", "0.0.0.0", false),
    ] {
        assert_eq!(reach.admits(host, address(to)), admitted, "{host} at {to}");
    }
}

#[test]
fn loopback_is_a_choice() {
    let local = "127.0.0.1".parse().unwrap();
    let public = "1.1.1.1".parse().unwrap();
    let admits = |loopback| Reach::new([], loopback).admits("x", local);
    assert_eq!((admits(LoopbackReach::Listed), admits(LoopbackReach::Free)), (false, true));
    let here = Reach::new([], LoopbackReach::Free).here();
    assert_eq!((here.admits("x", local), here.admits("x", public)), (true, false));
    let here = Reach::new(["y"], LoopbackReach::Listed).here();
    assert_eq!((here.admits("x", local), here.admits("y", local)), (false, true));
    assert!(!here.admits("y", public));
}

#[test]
fn stars_stand_for_any_part() {
    for (pattern, text, fit) in [
        ("a", "a", true),
        ("a", "b", false),
        ("*", "", true),
        ("*", "x", true),
        ("a*", "a", true),
        ("a*b", "ab", true),
        ("a*b", "axb", true),
        ("a*b", "a", false),
        ("ab*ba", "aba", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "acb", false),
        ("*a*", "bab", true),
        ("**", "x", true),
    ] {
        assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
    }
}

#[test]
fn of_a_mixed_answer_only_what_may_be_reached_is_left() {
    let found = |text: &str| SocketAddr::new(text.parse().unwrap(), 443);
    let reach = Reach::new([], LoopbackReach::Listed);
    let mixed = vec![found("127.0.0.1"), found("1.1.1.1"), found("169.254.169.254")];
    assert_eq!(reach.choose("x.example", mixed), Ok(vec![found("1.1.1.1")]));
    let refusal = reach.choose("x.example", vec![found("169.254.169.254")]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "`x.example` leads to 169.254.169.254, which is a metadata service and not allowed here"
    );
}
