//! A backend that does not work after a change, as a team meets it.

use gw_testkit::{
    backend::{Answer, Backend},
    forge::api,
};

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_is_called_by_its_gateway_after_a_change_and_what_it_answers_is_told() {
    let stage = Stage::new().await;
    let head = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &head]).1, 0);
    let backend = Backend::start();
    let with_health = |rate: &str| {
        let upstream = format!("url: {}, health: {{ operation: listOrders }}", backend.url());
        api("orders-team", rate).replace("url: http://127.0.0.1:9", &upstream)
    };
    // Nobody may call it without a token; the gateway itself may.
    let proposed = stage.propose(&stage.bob, "backend", &with_health("100/1m")).await;
    stage.bring(&proposed).await;
    let asked = backend.requests();
    let health: Vec<_> = asked.iter().filter(|it| it.target == "/orders").collect();
    assert!(!health.is_empty() && health.iter().all(|it| it.method == "GET"), "{asked:?}");
    assert!(health.iter().all(|it| !it.head.contains("gatewright-probe")), "{asked:?}");

    backend.set_answer(Answer { status: 503, ..Answer::default() });
    let (told, code) = stage.asks("bob", &["status"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 2 · verified"), "{told}");
}
