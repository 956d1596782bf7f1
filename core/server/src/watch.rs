//! Files that are taken over when they change: the plugins' libraries, and the configuration.
//!
//! The rule: a file is taken when two looks in a row saw the same, so that one that is being written is
//! left alone until it is whole; and what comes of it is what an operator's reload would come to, with
//! the old one going on where the new one fails.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::listener::stopped;
use crate::running;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// What tells one content of a file from another, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// A file that is watched.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// As it was when it was taken.
    taken: Option<Stamp>,
    /// As it was at the last look.
    last: Option<Stamp>,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Files(BTreeMap<PathBuf, Seen>);

/// What a changed file asks for.
#[derive(Clone, Debug)]
enum Taker {
    Configuration,
    Plugin(String),
}

/// Looks until the node stops, while `plugins.watch` is set.
pub(crate) async fn files(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut files = Files::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopped(&mut stop) => return,
        }
        if !app.config().plugins.watch {
            // What changes meanwhile is not taken when it is set again.
            files = Files::default();
            continue;
        }
        let app = app.clone();
        let looked = tokio::task::spawn_blocking(move || {
            for taker in files.look(takers(&app), stamp) {
                take(&app, &taker);
            }
            files
        });
        let Ok(again) = looked.await else { return };
        files = again;
    }
}

fn takers(app: &App) -> BTreeMap<PathBuf, Taker> {
    let libraries = app.plugins.host().libraries().into_iter();
    let libraries = libraries.map(|(name, path)| (path, Taker::Plugin(name)));
    let configuration = app.reloader.file().map(|path| (path, Taker::Configuration));
    libraries.chain(configuration).collect()
}

/// Takes a change over. What came of it is in the log.
fn take(app: &App, taker: &Taker) {
    match taker {
        Taker::Configuration => drop(running::reload(app)),
        Taker::Plugin(plugin) => match app.plugins.host().reload(plugin) {
            Ok(()) => tracing::info!(plugin, "a changed library was taken over"),
            Err(error) => {
                tracing::error!(plugin, %error, "a changed library was not taken over");
            }
        },
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |data: Metadata| Stamp {
        inode: data.ino(),
        bytes: data.len(),
        changed: (data.mtime(), data.mtime_nsec()),
    };
    std::fs::metadata(path).ok().map(of)
}

impl Files {
    /// Looks at the files of `takers`, and at no other any more; gives the takers of those that changed and are whole.
    fn look(
        &mut self,
        takers: BTreeMap<PathBuf, Taker>,
        stamp: impl Fn(&Path) -> Option<Stamp>,
    ) -> Vec<Taker> {
        self.0.retain(|path, _| takers.contains_key(path));
        let mut changed = Vec::new();
        for (path, taker) in takers {
            let now = stamp(&path);
            let seen = self.0.entry(path).or_insert(Seen { taken: now, last: now });
            // One that is gone is about to be written anew.
            if now.is_some() && now != seen.taken && now == seen.last {
                seen.taken = now;
                changed.push(taker);
            }
            seen.last = now;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at one file of which each look sees the next of `sizes`; gives the looks at which it was taken.
    fn taken(sizes: &[Option<u64>]) -> Vec<usize> {
        let mut files = Files::default();
        let mut look = |bytes: Option<u64>| {
            let takers = [(PathBuf::from("file"), Taker::Configuration)].into();
            let stamp = |_: &Path| bytes.map(|bytes| Stamp { inode: 1, bytes, changed: (0, 0) });
            files.look(takers, stamp).len()
        };
        let looks = sizes.iter().enumerate();
        looks.filter_map(|(n, bytes)| (look(*bytes) > 0).then_some(n)).collect()
    }

    #[test]
    fn a_file_is_taken_once_and_only_when_it_is_whole() {
        assert_eq!(taken(&[Some(1); 5]), [0; 0], "what is there at first is in force");
        assert_eq!(taken(&[Some(1), Some(2), Some(2), Some(2)]), [2]);
        let written = [Some(1), None, None, Some(2), Some(3), Some(4), Some(4), Some(4), Some(5)];
        assert_eq!(taken(&written), [6], "while it grows it is left alone");
        assert_eq!(taken(&[Some(1), Some(2), Some(1), Some(1)]), [0; 0], "it is as it was");
        assert_eq!(taken(&[None, None, Some(1), Some(1)]), [3], "it was not there before");
        assert_eq!(taken(&[Some(1), Some(2), Some(2), Some(3), Some(3)]), [2, 4]);
    }

    #[test]
    fn a_file_that_nobody_wants_any_more_is_forgotten() {
        let mut files = Files::default();
        files.look([(PathBuf::from("file"), Taker::Configuration)].into(), |_| None);
        files.look(BTreeMap::new(), |_| None);
        assert!(files.0.is_empty());
    }
}
