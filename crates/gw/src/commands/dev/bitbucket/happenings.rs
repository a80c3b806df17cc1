//! What the server does, told as it is done: pull requests and whom they wait for, changes, drift.

use std::{collections::BTreeSet, time::Duration};

use gw_control::{
    answer::{Answer, End},
    server::Server,
    store::{Queued, TaskState},
    task::Task,
};
use tokio::time::timeout;

use super::super::tell::{Told, What};
use crate::ui::Mark;

/// So many of the newest tasks are looked at.
const MOST: u32 = 100;
/// Also without being told that something ended, it is looked again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Tells until nobody asks any more. What was done before is not told.
#[derive(Debug, Default)]
pub(super) struct Happenings {
    /// The ended tasks that were told, or need not be.
    known: BTreeSet<u64>,
    /// What was told of pull requests last.
    last: Option<String>,
}

impl Happenings {
    pub(super) async fn from_now(server: &Server) -> Self {
        let ended = ended(server).await.into_iter();
        Self { known: ended.map(|task| task.id).collect(), last: None }
    }

    pub(super) async fn tell(mut self, told: Told<'_>, server: &Server) {
        loop {
            // Listening begins before looking, so that no end goes unheard.
            let settled = server.shared.settled.notified();
            let mut ended = ended(server).await;
            ended.sort_by_key(|task| task.ended_at);
            for task in ended {
                if self.known.insert(task.id) {
                    self.one(told, &task);
                }
            }
            // Whether it was heard or the time is over: it is looked again.
            let _heard = timeout(LOOK_AGAIN, settled).await;
        }
    }

    fn one(&mut self, told: Told<'_>, queued: &Queued) {
        let answer = queued.outcome.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let Some(answer): Option<Answer> = answer else { return };
        let (what, mark) = match (&queued.task, answer.end, answer.change) {
            (Task::PullRequest { .. }, End::Done, _) => (What::Planned, None),
            (
                Task::Release { .. } | Task::Request { .. } | Task::Drift { .. },
                End::Done,
                Some(_),
            ) => (What::Applied, Some(Mark::Good)),
            // Nothing came of it.
            (_, End::Done, _) => return,
            _ => (What::Refused, Some(Mark::Bad)),
        };
        let text = match &answer.help {
            Some(help) => format!("{}\n  help: {help}", answer.text),
            None => answer.text,
        };
        // Each move of a pull request has it planned anew, mostly to the same end.
        if what == What::Planned && self.last.as_ref() == Some(&text) {
            return;
        }
        if what == What::Planned {
            self.last = Some(text.clone());
        }
        told.tell(what, mark, &text);
    }
}

/// What has ended. A state that cannot be read now is looked at again.
async fn ended(server: &Server) -> Vec<Queued> {
    let tasks = server.store.tasks(MOST).await.unwrap_or_default();
    let is_over = |task: &Queued| matches!(task.state, TaskState::Done | TaskState::Failed);
    tasks.into_iter().filter(is_over).collect()
}
