//! Pages behind links.

use super::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_names_the_command_and_says_the_same_of_what_is_there_and_what_is_not() {
    let house = House::new().await;
    for (path, id) in [("/p/p-7Q2M", "p-7Q2M"), ("/d/d-01JB8R", "d-01JB8R")] {
        let reply = house.call("GET", path, &[], b"");
        assert_eq!(reply.status, 200);
        let command = format!("gatewright --server https://gatewright.example.com/ explain {id}");
        assert!(reply.text().contains(&command), "{}", reply.text());
        assert!(!reply.text().contains("<script"));
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_no_page() {
    let house = House::new().await;
    for name in [
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "%22onload%3D",
        "p-1%00",
        "..%2F..%2Fetc",
        "%E2%80%AEp-1",
        &"a".repeat(65),
    ] {
        for place in ["p", "d"] {
            let reply = house.call("GET", &format!("/{place}/{name}"), &[], b"");
            assert_eq!(reply.status, 404, "{name}");
            assert!(!reply.text().contains("script") && !reply.text().contains("onload"));
        }
    }
    let reply = house.call("GET", "/p/p-1", &[("authorization", "Bearer gwt_guess")], b"");
    assert_eq!(reply.status, 401);
    house.end().await;
}
