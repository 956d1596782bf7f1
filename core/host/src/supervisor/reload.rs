//! A reload: the new library, its probation, and the way back.
//!
//! The rule: whoever asked for it is answered, and the library that ran before stays until the new one is proven.

use std::path::PathBuf;
use std::time::Instant;

use super::card::State;
use super::inbox::Done;
use super::run::{After, Supervisor};
use crate::ControlError;

/// A reload on probation.
pub(super) struct Reload {
    /// The launch that it waits for; what runs before is the old library.
    launch: u64,
    previous: Option<PathBuf>,
    /// The state that `previous` left, with its cursor: the new library may write another form over it.
    state: Option<(u64, Vec<u8>)>,
    until: Option<Instant>,
    done: Option<Done>,
}

impl Supervisor {
    pub(super) fn begin_reload(&mut self, done: Done) {
        if !self.config.enabled.0 {
            return done(Err(ControlError::Disabled));
        }
        if self.reload.as_ref().is_some_and(|reload| reload.until.is_none()) {
            return done(Err(ControlError::Busy));
        }
        let copied = self.store.copy_library(&self.context.config.library(&self.config));
        let copy = match copied {
            Ok(copy) => copy,
            Err(why) => {
                return done(Err(ControlError::Failed(format!("cannot copy the library: {why}"))));
            }
        };
        let current = self.library.replace(copy);
        // What runs may be on probation itself: then the one before it is the one to go back to.
        let (previous, state) = match self.reload.take() {
            Some(Reload { previous: Some(proven), state, .. }) => {
                if let Some(current) = current {
                    self.store.drop_copy(&current);
                }
                (Some(proven), state)
            }
            _ => (current, None),
        };
        let (launch, until, done) = (self.launches + 1, None, Some(done));
        self.reload = Some(Reload { launch, previous, state, until, done });
        self.policy.reset();
        self.stop_then(After::Launch);
    }

    /// A reload that has run through its probation stays; the copy before it can go.
    pub(super) fn judge_probation(&mut self) {
        let started = self.up.as_ref().is_some_and(|up| up.started);
        let probation = self.context.config.probation;
        let Some(reload) = &mut self.reload else { return };
        let started = started && self.launches >= reload.launch;
        if started && reload.until.is_none() {
            reload.until = Some(Instant::now() + probation);
            if let Some(done) = reload.done.take() {
                done(Ok(()));
            }
        }
        if reload.until.is_some_and(|until| Instant::now() >= until)
            && let Some(previous) = self.reload.take().and_then(|reload| reload.previous)
        {
            self.store.drop_copy(&previous);
        }
    }

    /// Keeps the state with which the new library begins, for the one before it.
    pub(super) fn keep_for_rollback(&mut self, cursor: u64, blob: &[u8]) {
        if let Some(reload) = &mut self.reload
            && self.launches >= reload.launch
            && reload.state.is_none()
        {
            reload.state = Some((cursor, blob.to_vec()));
        }
    }

    /// Nothing will be started: whoever waits for the new library hears why.
    pub(super) fn refuse_reload(&mut self, state: State) {
        if let Some(done) = self.reload.as_mut().and_then(|reload| reload.done.take()) {
            done(Err(match state {
                State::Disabled => ControlError::Disabled,
                _ => ControlError::Failed("the host is stopping".into()),
            }));
        }
    }

    /// A death during probation: back to the library that ran before. Whether there was one.
    pub(super) fn roll_back(&mut self, reason: &str) -> bool {
        let Some(mut reload) = self.reload.take() else { return false };
        let back = reload.previous.take();
        let told = format!(
            "the reloaded library failed ({reason}){}",
            if back.is_some() { ": rolled back to the one before" } else { "" }
        );
        self.host_log(4, &told);
        self.shared.facts().last_error = Some(told.clone());
        let rolled_back = back.is_some();
        if let Some(back) = back
            && let Some(failed) = self.library.replace(back)
        {
            self.store.drop_copy(&failed);
        }
        if let Some((cursor, blob)) = reload.state.take().filter(|_| rolled_back) {
            self.save_state(cursor, &blob);
        }
        // Last, so that who hears of it finds it done.
        if let Some(done) = reload.done.take() {
            done(Err(ControlError::Failed(told)));
        }
        rolled_back
    }
}
