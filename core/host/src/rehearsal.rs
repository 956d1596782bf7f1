//! A rehearsal: each plugin is loaded, created and destroyed, to hear whether it takes its configuration.
//!
//! The rule: it happens in a process like the one the plugin would run in, with the same walls; no plugin is started,
//! gets an event or leaves a file behind, and none can make the rehearsal wait beyond the deadline.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shimmer_ring::{ControlPage, Ring, RingConfig, Storage};

use crate::HostError;
use crate::config::{HostConfig, PluginConfig};
use crate::host::{Routes, check};
use crate::log_tail::printable;
use crate::manifest::Manifest;
use crate::supervisor::{Ending, Guest, STOP_GRACE};
use crate::wire::{FromGuest, Hello, ToGuest};

/// Most lines of a refusal that are kept.
const MAX_WORDS: usize = 256;
/// Lines of standard error that tell why a plugin died.
const LAST_LINES: usize = 5;
/// How often a silent plugin is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Rest between two looks at a plugin whose pipes are open and say nothing.
const REST: Duration = Duration::from_millis(1);

/// A plugin that would not run as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Name in the table.
    pub name: String,
    /// Why, in the plugin's own words where it has any: a line or more, without control characters.
    pub words: Vec<String>,
}

/// Asks each of `plugins` that is enabled whether it takes its configuration; those that do not, in their order.
///
/// Nothing is written, so that it may be asked beside a running host. All are asked at once, and each has
/// `config.call_deadline` to answer.
///
/// # Errors
/// A table is wrong, or the system refuses.
pub fn rehearse(config: &HostConfig, plugins: &[PluginConfig]) -> Result<Vec<Refused>, HostError> {
    check(plugins)?;
    play(config, &plugins.iter().collect::<Vec<_>>(), &Routes::default())
}

/// Likewise, with the routes that are taken.
pub(crate) fn play(
    config: &HostConfig,
    plugins: &[&PluginConfig],
    routes: &Routes,
) -> Result<Vec<Refused>, HostError> {
    let plugins: Vec<_> = plugins.iter().copied().filter(|plugin| plugin.enabled.0).collect();
    let Some(first) = plugins.first() else { return Ok(Vec::new()) };
    // Nobody writes to it: it is what a plugin's process has to be given.
    let sizes = RingConfig { capacity: 2, text_bytes: 64, names: 8, dedup_window: 0, start_seq: 1 };
    let system = |source| HostError::System { name: first.name.clone(), source };
    let (ring, _) = Ring::open(&sizes, &Storage::Memory)
        .map_err(|why| system(std::io::Error::other(why.to_string())))?;
    let ring = &ring;
    let answers = std::thread::scope(|scope| {
        // A child dies with the thread that made it, so that each has one of its own.
        let asked: Vec<_> = plugins
            .iter()
            .map(|plugin| {
                std::thread::Builder::new()
                    .name(format!("ask-{}", plugin.name))
                    .spawn_scoped(scope, move || ask(config, plugin, ring))
            })
            .collect();
        let answer = |asked: std::io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            let gone = || Err(vec!["the host failed while it asked".to_owned()]);
            asked.map(|thread| thread.join().unwrap_or_else(|_| gone()))
        };
        asked.into_iter().map(answer).collect::<std::io::Result<Vec<_>>>()
    })
    .map_err(system)?;
    let admitted = |(plugin, answer): (&PluginConfig, Result<Manifest, Vec<String>>)| {
        let admit = |manifest: Manifest| {
            manifest.suits(plugin)?;
            routes.claim(plugin, &manifest)
        };
        let words = answer.and_then(|manifest| admit(manifest).map_err(|why| words(&why))).err()?;
        Some(Refused { name: plugin.name.clone(), words })
    };
    Ok(plugins.into_iter().zip(answers).filter_map(admitted).collect())
}

/// Creates and destroys one plugin; what it says it is, or why it cannot run.
fn ask(config: &HostConfig, plugin: &PluginConfig, ring: &Ring) -> Result<Manifest, Vec<String>> {
    let library = config
        .library(plugin)
        .canonicalize()
        .map_err(|why| words(&config.cannot_read(plugin, &why)))?;
    let mut guest = spawn(config, plugin, &library, ring)
        .map_err(|why| words(&format!("cannot start: {why}")))?;
    let manifest = created(&mut guest, config.call_deadline)?;
    // What happens while it is destroyed says nothing of its configuration; what does not end is killed.
    if guest.send(ToGuest::Stop).is_ok() {
        let until = Instant::now() + STOP_GRACE.min(config.call_deadline);
        while guest.ending().is_none() && Instant::now() < until {
            let said = guest.listen(Vec::new());
            rest(&guest, until, said.messages.is_empty() && said.lines.is_empty());
        }
    }
    Ok(manifest)
}

fn spawn(
    config: &HostConfig,
    plugin: &PluginConfig,
    library: &Path,
    ring: &Ring,
) -> std::io::Result<Guest> {
    let control = ControlPage::create().map_err(|why| std::io::Error::other(why.to_string()))?;
    let hello = Hello::new(config, plugin, library, 1);
    Guest::spawn_process(&config.executable, &hello, ring.segment_fd(), control.fd())
}

/// Waits until it is created.
fn created(guest: &mut Guest, deadline: Duration) -> Result<Manifest, Vec<String>> {
    let until = Instant::now() + deadline;
    let mut last_lines = VecDeque::new();
    loop {
        // Asked before listening: what it said before it ended is heard.
        let ending = guest.ending();
        let mut heard = guest.listen(Vec::new());
        if ending.is_some() {
            guest.hear_out(&mut heard);
        }
        let silent = heard.messages.is_empty() && heard.lines.is_empty();
        for (_, line) in heard.lines.into_iter().filter(|(stream, _)| *stream == "stderr") {
            if last_lines.len() == LAST_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(printable(&line));
        }
        for message in heard.messages {
            match message {
                FromGuest::Loaded(manifest) => {
                    return manifest.check().map(|()| *manifest).map_err(|why| words(&why));
                }
                FromGuest::Refused { reason } => return Err(words(&reason)),
                FromGuest::Authorize { id, .. } => {
                    let result = Err(shimmer_abi::Status::DENIED.0);
                    drop(guest.send(ToGuest::Ack { id, result }));
                }
                FromGuest::Relay { id, .. } => {
                    let result = Err(shimmer_abi::Status::BUSY.0);
                    drop(guest.send(ToGuest::Relayed { id, result }));
                }
                // There is no stream; it must not wait for an answer all the same.
                FromGuest::Emit { id, .. } | FromGuest::Commit { id, .. } => {
                    drop(guest.send(ToGuest::Ack { id, result: Ok(0) }));
                }
                _ => {}
            }
        }
        let why = match (heard.broken, ending) {
            (Some(error), _) => format!("it broke the protocol: {error}"),
            (None, Some(Ending { how, .. })) => format!("it ended while it was created: {how}"),
            (None, None) if Instant::now() >= until => {
                format!("it was not created within {} s", deadline.as_secs_f64())
            }
            (None, None) => {
                rest(guest, until, silent);
                continue;
            }
        };
        return Err(words(&why).into_iter().chain(last_lines).collect());
    }
}

/// Waits until there may be something to hear.
fn rest(guest: &Guest, until: Instant, silent: bool) {
    if silent {
        // One that closed its pipes and goes on would be looked at without end.
        std::thread::park_timeout(REST);
    }
    let left = until.saturating_duration_since(Instant::now()).min(LOOK);
    let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
    let mut fds: Vec<_> = guest
        .fds()
        .map(|(fd, write)| {
            let flags = if write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            PollFd::from_borrowed_fd(fd, flags)
        })
        .collect();
    // A time-out and an interruption both mean: look.
    let _ = poll(&mut fds, Some(&timeout));
}

/// The lines of a reason, all of them up to a bound that is told.
fn words(reason: &str) -> Vec<String> {
    let mut lines: Vec<_> = reason.lines().take(MAX_WORDS).map(printable).collect();
    let further = reason.lines().skip(MAX_WORDS).count();
    if further > 0 {
        lines.push(format!("and {further} further lines"));
    }
    if lines.is_empty() {
        lines.push("it gave no reason".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_of_a_reason_are_kept_up_to_the_bound_and_none_moves_the_cursor() {
        assert_eq!(words("a: b\nc\x1b[2J: d\r\n"), ["a: b", "c\u{fffd}[2J: d"]);
        assert_eq!(words(""), ["it gave no reason"]);
        let many = words(&"x\n".repeat(MAX_WORDS + 7));
        assert_eq!((many.len(), many[MAX_WORDS].as_str()), (MAX_WORDS + 1, "and 7 further lines"));
        assert_eq!(words(&"x\n".repeat(MAX_WORDS)).len(), MAX_WORDS);
    }
}
