//! A credential of the server that ends.

use gw_control::host::bitbucket::Credential;
use gw_emulators::bitbucket::Consumer;
use gw_model::{clock::Clock as _, environment::Notice};

use super::*;

/// Scopes of a consumer that a server needs.
const SCOPES: &[&str] =
    &["repository", "repository:write", "repository:admin", "pullrequest", "pullrequest:write"];

impl House {
    /// What was told of credentials that end.
    async fn rotations(&self) -> Vec<String> {
        let tasks = self.server.store.tasks(1000).await.unwrap();
        let mut told: Vec<(u64, String)> = vec![];
        for queued in tasks {
            if let Task::Notify { notification } = queued.task
                && notification.on == Notice::RotationDue
            {
                told.push((queued.id, notification.text.clone()));
            }
        }
        told.sort();
        told.into_iter().map(|(_, text)| text).collect()
    }

    async fn renew(&self) {
        self.server.ask(Task::Renew).await.unwrap();
        self.settle().await;
    }
}

fn by_a_consumer(stage: &Stage) -> Bitbucket {
    let Consumer { key, secret } = stage.bitbucket.add_consumer(&stage.workspace, SCOPES).unwrap();
    let secret = stage.vault.put("consumer", &secret);
    stage.host_by(Credential::Consumer { key, secret })
}

/// Shows S1.29: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_renewed_is_told_before_it_ends() {
    let house = House::by(by_a_consumer).await;
    house.renew().await;
    assert!(house.rotations().await.is_empty());
    // The consumer is gone, and its token has a tenth of its life left.
    house.stage.vault.put("consumer", "another");
    house.stage.clock.advance(time::Duration::minutes(55));
    house.renew().await;
    house.renew().await;
    let told = house.rotations().await;
    let [told] = told.as_slice() else { panic!("once: {told:?}") };
    assert!(told.starts_with("the token by `consumer` cannot be renewed, and ends at "), "{told}");
    assert!(house.server.host.repository().await.is_ok(), "it still works");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_end_is_told_two_weeks_before_and_once_a_day() {
    let house = House::by(|stage| {
        let day = stage.clock.now().date() + time::Duration::days(20);
        stage.host().ending_on(Some(day))
    });
    let house = house.await;
    for (days, told) in [(0, 0), (5, 0), (2, 1), (0, 1), (1, 2)] {
        house.stage.clock.advance(time::Duration::days(days));
        house.renew().await;
        assert_eq!(house.rotations().await.len(), told, "{days}");
    }
    let told = house.rotations().await;
    assert!(told[0].contains("in 12 days") && told[1].contains("in 11 days"), "{told:?}");
    house.end().await;
}
