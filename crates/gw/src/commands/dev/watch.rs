//! Tells when files of a workspace were saved.

#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::{Instant, timeout_at},
};

/// Editors write a file in several strokes; after this much silence it is whole.
const SILENCE: Duration = Duration::from_millis(60);

/// Folders in which nothing is declared and much is written.
const NOISY: [&str; 4] = [".git", ".gatewright", "node_modules", "target"];

#[derive(Debug)]
pub(super) struct Watch {
    saved: Receiver<()>,
    /// When the last notice came that nobody was told of.
    last: Option<Instant>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    pub(super) fn start(folder: &Path) -> notify::Result<Self> {
        // One waiting notice is enough: whoever takes it reads everything again.
        let (notice, saved) = channel(1);
        let root = folder.to_path_buf();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // An error means that events were lost: better look once too often.
                if event.is_ok_and(|event| !concerns(&root, &event)) {
                    return;
                }
                notice.try_send(()).ok();
            })?;
        watcher.watch(folder, RecursiveMode::Recursive)?;
        Ok(Self { saved, last: None, _watcher: watcher })
    }

    /// Waits until something was saved and everything is silent again. Whoever stops waiting is told
    /// the next time.
    pub(super) async fn saved(&mut self) {
        loop {
            let notice = match self.last {
                None => self.saved.recv().await,
                Some(last) => match timeout_at(last + SILENCE, self.saved.recv()).await {
                    Ok(notice) => notice,
                    Err(_silent) => break,
                },
            };
            match notice {
                Some(()) => self.last = Some(Instant::now()),
                None if self.last.is_some() => break,
                // The watcher is gone, so nothing will ever be told.
                None => std::future::pending().await,
            }
        }
        self.last = None;
    }
}

/// Whether an event may have changed a declaration.
fn concerns(root: &Path, event: &notify::Event) -> bool {
    let changes = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Any
    );
    let noisy = |path: &Path| {
        let inside = path.strip_prefix(root).unwrap_or(path);
        let first = inside.components().next();
        first.is_some_and(|first| NOISY.iter().any(|name| first.as_os_str() == *name))
    };
    changes && !event.paths.iter().all(|path| noisy(path))
}
