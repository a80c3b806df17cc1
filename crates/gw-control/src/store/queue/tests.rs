use std::collections::BTreeSet;

use gw_audit::note::{Signer, Verifier};
use gw_model::id::EnvironmentName;
use proptest::prelude::*;
use time::{Duration, macros::datetime};

use super::*;
use crate::{answer::Answer, task::Cause};

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn key() -> Verifier {
    Signer::new("gatewright/test", &[7; 32]).unwrap().verifier().clone()
}

async fn store() -> Store {
    Store::blank(key()).await.unwrap()
}

fn pull_request(number: u64) -> Task {
    Task::PullRequest { number }
}

fn tell(commit: u64) -> Task {
    Task::Tell {
        environment: EnvironmentName::parse("prod").unwrap(),
        commit: format!("{commit:040}"),
        answer: Box::new(Answer::done("change 2 is applied and verified")),
    }
}

fn release(environment: &str) -> Task {
    Task::Release {
        environment: EnvironmentName::parse(environment).unwrap(),
        reference: "refs/heads/main".to_owned(),
        cause: Cause::Push,
    }
}

async fn queue(store: &Store, task: Task) -> u64 {
    store.enqueue(&[NewTask::now(task, NOON)], NOON).await.unwrap()[0]
}

async fn take(store: &Store) -> Option<Queued> {
    store.take_task(NOON).await.unwrap()
}

#[tokio::test]
async fn equal_tasks_wait_as_one_and_what_is_under_way_waits_once_more() {
    let store = store().await;
    let first = queue(&store, pull_request(7)).await;
    assert_eq!(queue(&store, pull_request(7)).await, first);
    let taken = take(&store).await.unwrap();
    assert_eq!((taken.id, taken.hints, taken.attempts), (first, 2, 1));
    // Whoever asks now may know more than was read so far.
    let second = queue(&store, pull_request(7)).await;
    assert_ne!(second, first);
    assert_eq!(take(&store).await, None, "one pull request, one at a time");
    store.finish_task(first, "planned", NOON).await.unwrap();
    assert_eq!(take(&store).await.unwrap().id, second);
}

#[tokio::test]
async fn one_environment_is_worked_on_by_one_and_others_go_on() {
    let store = store().await;
    for task in [
        release("prod"),
        Task::Drift { environment: EnvironmentName::parse("prod").unwrap() },
        release("dev"),
    ] {
        queue(&store, task).await;
    }
    assert_eq!(store.waiting("environment/prod").await.unwrap(), 2);
    assert_eq!(take(&store).await.unwrap().task, release("prod"));
    assert_eq!(store.waiting("environment/prod").await.unwrap(), 1);
    assert_eq!(take(&store).await.unwrap().task, release("dev"));
    assert_eq!(take(&store).await, None);
    assert_eq!(store.next_task_due(NOON).await.unwrap(), None);
}

#[tokio::test]
async fn what_changes_something_does_not_wait_behind_reviews_nor_behind_what_is_told() {
    let store = store().await;
    for number in 1..=100 {
        queue(&store, pull_request(number)).await;
    }
    for commit in 1..=100 {
        queue(&store, tell(commit)).await;
    }
    queue(&store, release("prod")).await;
    let first = take(&store).await.unwrap();
    assert_eq!(first.task, pull_request(1));
    assert_eq!(take(&store).await.unwrap().task, pull_request(2));
    let told = take(&store).await.unwrap();
    assert_eq!(told.task, tell(1), "no third one is reviewed");
    assert_eq!(take(&store).await.unwrap().task, tell(2));
    assert_eq!(take(&store).await.unwrap().task, release("prod"), "no third one is told");
    assert_eq!(take(&store).await, None);
    assert_eq!(store.next_task_due(NOON).await.unwrap(), None);
    store.finish_task(told.id, "told", NOON).await.unwrap();
    assert_eq!(store.next_task_due(NOON).await.unwrap(), Some(0));
    assert_eq!(take(&store).await.unwrap().task, tell(3));
    store.finish_task(first.id, "planned", NOON).await.unwrap();
    assert_eq!(take(&store).await.unwrap().task, pull_request(3));
}

#[tokio::test]
async fn what_failed_is_kept_and_what_was_cut_off_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), key()).await.unwrap();
    let failing = queue(&store, pull_request(1)).await;
    take(&store).await.unwrap();
    store.fail_task(failing, "the host hides it", NOON).await.unwrap();
    let cut = queue(&store, pull_request(2)).await;
    take(&store).await.unwrap();
    store.close().await;

    let store = Store::open(folder.path(), key()).await.unwrap();
    assert_eq!(store.requeue(NOON).await.unwrap(), 1);
    let again = take(&store).await.unwrap();
    assert_eq!((again.id, again.attempts), (cut, 2));
    let failed = store.task(failing).await.unwrap().unwrap();
    assert_eq!(failed.state, TaskState::Failed);
    assert_eq!(failed.outcome.as_deref(), Some("the host hides it"));
    assert_eq!(store.retry_task(cut, NOON).await.unwrap(), None, "it has not failed");
    assert!(store.retry_task(failing, NOON).await.unwrap().is_some());
    let retried = take(&store).await.unwrap();
    assert_eq!(retried.task, pull_request(1));
    // However often the same fails, it is one thing to look at.
    store.fail_task(retried.id, "the host hides it", NOON).await.unwrap();
    let later = queue(&store, pull_request(1)).await;
    take(&store).await.unwrap();
    store.fail_task(later, "the host still hides it", NOON).await.unwrap();
    let failed = store.tasks(10).await.unwrap();
    let failed: Vec<u64> =
        failed.iter().filter(|it| it.state == TaskState::Failed).map(|it| it.id).collect();
    assert_eq!(failed, [later]);
}

#[tokio::test]
async fn a_delivery_counts_once_however_often_it_comes() {
    let store = store().await;
    let delivery = |key: u8| Delivery { replay_key: [key; 32], tasks: vec![Task::Look] };
    let delivered = store.deliver(&[delivery(1), delivery(2), delivery(1)], NOON).await.unwrap();
    assert_eq!(delivered, [Delivered::New, Delivered::New, Delivered::Known]);
    let taken = take(&store).await.unwrap();
    assert_eq!(taken.hints, 2);
    store.finish_task(taken.id, "", NOON).await.unwrap();
    for _ in 0..1000 {
        assert_eq!(store.deliver(&[delivery(1)], NOON).await.unwrap(), [Delivered::Known]);
    }
    assert_eq!(take(&store).await, None);
    assert_eq!(store.forget_deliveries(NOON + Duration::SECOND).await.unwrap(), 2);
    assert_eq!(store.deliver(&[delivery(1)], NOON).await.unwrap(), [Delivered::New]);
}

#[tokio::test]
async fn a_task_waits_for_its_time_and_not_for_a_clock_that_was_set_back() {
    let store = store().await;
    let id = queue(&store, Task::Look).await;
    take(&store).await.unwrap();
    store.postpone_task(id, NOON + Duration::MINUTE, "the host does not answer").await.unwrap();
    assert_eq!(take(&store).await, None);
    assert_eq!(store.next_task_due(NOON).await.unwrap(), Some(60_000));
    let year_ago = NOON - Duration::days(365);
    let taken = store.take_task(year_ago).await.unwrap().unwrap();
    assert_eq!(taken.outcome.as_deref(), Some("the host does not answer"));
    // Asked for again meanwhile, and to be tried again: once is enough.
    queue(&store, Task::Look).await;
    store.postpone_task(id, NOON, "again").await.unwrap();
    assert!(take(&store).await.is_some());
    assert_eq!(take(&store).await, None);
}

#[tokio::test]
async fn heads_and_what_is_to_be_done_because_of_them_become_known_together() {
    let store = store().await;
    let main = ("refs/heads/main".to_owned(), Some("a".repeat(40)));
    let tasks = [NewTask::now(release("prod"), NOON)];
    store.move_heads(std::slice::from_ref(&main), &tasks, NOON).await.unwrap();
    assert_eq!(store.heads().await.unwrap(), [("refs/heads/main".to_owned(), "a".repeat(40))]);
    assert_eq!(take(&store).await.unwrap().task, release("prod"));
    store.move_heads(&[(main.0, None)], &[], NOON).await.unwrap();
    assert_eq!(store.heads().await.unwrap(), []);
}

/// What happens to a queue.
#[derive(Clone, Copy, Debug)]
enum Move {
    Ask(u64),
    Take,
    Finish,
    Postpone,
    Die,
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (0..4_u64).prop_map(Move::Ask),
        Just(Move::Take),
        Just(Move::Finish),
        Just(Move::Postpone),
        Just(Move::Die),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever was asked for is done after it was asked for.
    #[test]
    fn nothing_that_was_asked_for_is_lost(moves in proptest::collection::vec(any_move(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = store().await;
            let (mut owed, mut running) = (BTreeSet::new(), vec![]);
            for it in moves {
                match it {
                    Move::Ask(number) => {
                        queue(&store, pull_request(number)).await;
                        owed.insert(number);
                    }
                    Move::Take => {
                        if let Some(taken) = take(&store).await {
                            let Task::PullRequest { number } = taken.task else { unreachable!() };
                            owed.remove(&number);
                            running.push((taken.id, number));
                        }
                    }
                    Move::Finish => {
                        if let Some((id, _)) = running.pop() {
                            store.finish_task(id, "", NOON).await.unwrap();
                        }
                    }
                    Move::Postpone => {
                        if let Some((id, number)) = running.pop() {
                            store.postpone_task(id, NOON, "").await.unwrap();
                            owed.insert(number);
                        }
                    }
                    Move::Die => {
                        store.requeue(NOON).await.unwrap();
                        owed.extend(running.drain(..).map(|(_, number)| number));
                    }
                }
            }
            for (id, _) in running {
                store.finish_task(id, "", NOON).await.unwrap();
            }
            while let Some(taken) = take(&store).await {
                let Task::PullRequest { number } = taken.task else { unreachable!() };
                owed.remove(&number);
                store.finish_task(taken.id, "", NOON).await.unwrap();
            }
            store.close().await;
            assert_eq!(owed, BTreeSet::new());
        });
    }
}
