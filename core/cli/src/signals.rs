//! Signals as messages.
//!
//! The rule: handlers do nothing but pass the signal on; one thread turns it into a message. A
//! second Ctrl-C ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What the outside asks a running node to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// End in order.
    Stop,
    /// Read the configuration again.
    Reload,
}

/// Turns SIGINT, SIGTERM and SIGHUP into messages from now on.
pub(crate) fn wishes() -> anyhow::Result<Receiver<Wish>> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals cannot be received")?;
    // Unbounded in type only: the kernel merges equal signals that are not yet taken.
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut stopping = false;
            for signal in signals.forever() {
                let wish = if signal == SIGHUP { Wish::Reload } else { Wish::Stop };
                if wish == Wish::Stop && std::mem::replace(&mut stopping, true) {
                    std::process::exit(1);
                }
                if sender.send(wish).is_err() {
                    return;
                }
            }
        })
        .context("no thread for signals")?;
    Ok(receiver)
}

/// Set by SIGINT and SIGTERM, for commands that work in small steps.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Watches for the signals from now on.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second signal finds the flag set and ends the program.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self(stop))
    }

    /// One that no signal sets.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self(Arc::default())
    }

    /// The flag itself, for work that looks at one.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Whether to end.
    pub(crate) fn is_set(&self) -> bool {
        // Relaxed: the flag guards no other data.
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for `time`, or until the flag is set; whether the whole time passed.
    pub(crate) fn wait(&self, time: std::time::Duration) -> bool {
        let end = std::time::Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if self.is_set() || left.is_zero() {
                return !self.is_set();
            }
            std::thread::sleep(left.min(std::time::Duration::from_millis(100)));
        }
    }
}
