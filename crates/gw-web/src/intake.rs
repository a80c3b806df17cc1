//! Webhooks on their way to disk. Those that arrive while others are being written wait together and
//! are written together, so that a burst costs few writes.

use std::mem;

use gw_control::{
    server::Server,
    store::{Delivered, Delivery},
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// So many are written at once.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Intake {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    delivery: Delivery,
    answer: oneshot::Sender<Delivered>,
}

/// A delivery is not on disk: the state does not take it, or whoever wrote for all went away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotTaken;

impl Intake {
    /// Comes back when the delivery is on disk. Whoever's turn it is writes for all who wait.
    pub(crate) async fn take(
        &self,
        server: &Server,
        delivery: Delivery,
    ) -> Result<Delivered, NotTaken> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting.lock().push(Waiting { delivery, answer });
        loop {
            let turn = tokio::select! {
                biased;
                told = &mut answered => {
                    return told.map_err(|_| NotTaken);
                }
                turn = self.turn.lock() => turn,
            };
            self.write(server).await;
            drop(turn);
        }
    }

    async fn write(&self, server: &Server) {
        let batch = {
            let mut waiting = self.waiting.lock();
            let most = waiting.len().min(MOST);
            let rest = waiting.split_off(most);
            mem::replace(&mut *waiting, rest)
        };
        if batch.is_empty() {
            return;
        }
        let (deliveries, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|it| (it.delivery, it.answer)).unzip();
        // Who is not answered is not on disk, and hears that from the end of the channel.
        let Ok(delivered) = server.deliver(&deliveries).await else { return };
        for (answer, delivered) in answers.into_iter().zip(delivered) {
            // Whoever sent it may have hung up; it is on disk all the same.
            let _heard = answer.send(delivered);
        }
    }
}
