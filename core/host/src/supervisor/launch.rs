//! Starting an instance: library copy, control page, gate, state, greeting.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shimmer_ring::{ConsumerSpec, ControlPage, Gate, MapError, Start, WakeTarget};

use super::card::State;
use super::run::{Supervisor, Up};
use super::store::SavedState;
use super::transport::Guest;
use crate::config::{Delivery, Isolation};
use crate::manifest::Manifest;
use crate::wire::{Begin, Hello, ToGuest};

/// Why nothing was started.
pub(super) enum Unlaunched {
    /// What cannot be loaded will not load by itself.
    Refused(String),
    /// The system has no descriptors, memory or room for it now.
    Later(String),
}

impl From<String> for Unlaunched {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl Unlaunched {
    fn by_system(reason: String, why: &io::Error) -> Self {
        match why.raw_os_error() {
            Some(
                libc::EMFILE
                | libc::ENFILE
                | libc::ENOMEM
                | libc::EAGAIN
                | libc::ENOSPC
                | libc::EDQUOT,
            ) => Self::Later(reason),
            _ => Self::Refused(reason),
        }
    }
}

/// Longest time that an event may take when it is played again; the ring goes round faster than that.
const REPLAY_EACH: Duration = Duration::from_millis(10);

impl Supervisor {
    pub(super) fn launch(&mut self) -> Result<Up, Unlaunched> {
        self.launches += 1;
        if self.launches > 1 {
            self.shared.facts().restarts += 1;
        }
        let library = match &self.library {
            Some(copy) => copy.clone(),
            None => {
                let original = self.context.config.library(&self.config);
                let copy = self.store.copy_library(&original).map_err(|why| {
                    let reason = self.context.config.cannot_read(&self.config, &why);
                    Unlaunched::by_system(reason, &why)
                })?;
                self.library.insert(copy).clone()
            }
        };
        let control = Arc::new(ControlPage::create().map_err(|why| {
            let reason = format!("control page: {why}");
            match &why {
                MapError::System(source) => {
                    Unlaunched::by_system(format!("{reason}: {source}"), source)
                }
                _ => reason.into(),
            }
        })?);
        self.attach(&control)?;
        let hello = Hello::new(&self.context.config, &self.config, &library, self.rules.emitter);
        if !hello.folder.is_empty() {
            private_folder(Path::new(&hello.folder)).map_err(|why| {
                Unlaunched::by_system(format!("its folder {}: {why}", hello.folder), &why)
            })?;
        }
        let guest = match self.config.isolation {
            Isolation::Process => Guest::spawn_process(
                &self.context.config.executable,
                &hello,
                self.context.ring.segment_fd(),
                control.fd(),
            ),
            Isolation::Thread => {
                self.context.ring.segment_fd().try_clone_to_owned().and_then(|ring| {
                    let control = Arc::clone(&control);
                    Guest::spawn_thread(
                        hello,
                        ring,
                        control,
                        Arc::clone(&self.inbox),
                        self.launches,
                    )
                })
            }
        }
        .map_err(|why| Unlaunched::by_system(format!("cannot start: {why}"), &why))?;
        let now = Instant::now();
        let violations = self.consumer.as_ref().map_or(0, |consumer| consumer.violations());
        self.shared.live().control = Some(Arc::clone(&control));
        Ok(Up::new(guest, control, now, violations))
    }

    /// Registers the consumer, or takes its gate again and points it to the new page.
    fn attach(&mut self, control: &Arc<ControlPage>) -> Result<(), String> {
        let wake = WakeTarget::Control(Arc::clone(control));
        let failed = |why| format!("cannot read the ring: {why}");
        let Some(consumer) = &self.consumer else {
            let gate = match self.config.delivery {
                Delivery::Gating => Gate::Page,
                Delivery::Lossy => Gate::None,
            };
            let key = &consumer_key(&self.config.name);
            let spec = ConsumerSpec { key, durable: true, gate, start: Start::Newest, wake };
            let consumer = Arc::new(self.context.ring.register(&spec).map_err(failed)?);
            self.shared.live().consumer = Some(Arc::clone(&consumer));
            self.consumer = Some(consumer);
            return Ok(());
        };
        if self.config.delivery == Delivery::Gating && !consumer.is_gating() {
            consumer.regate().map_err(failed)?;
        }
        consumer.reattach(wake).map_err(failed)
    }

    /// The library is loaded and says what it is: check it against the configuration, claim its routes, let it run.
    pub(super) fn loaded(&mut self, manifest: Manifest) {
        let verdict = manifest
            .check()
            .and_then(|()| self.admit(&manifest))
            .and_then(|()| self.begin(manifest.has_state));
        let Some(up) = &mut self.up else { return };
        match verdict {
            Ok(begin) => {
                let events = begin.replay_to.saturating_sub(begin.cursor);
                let events = u32::try_from(events).unwrap_or(u32::MAX);
                up.replays_until = Instant::now() + REPLAY_EACH.saturating_mul(events);
                self.shared.facts().manifest = Some(manifest);
                if up.guest.send(ToGuest::Begin(Box::new(begin))).is_err() {
                    self.kill("it does not read what the host sends".into());
                }
            }
            Err(reason) => {
                up.refused = true;
                self.kill(reason);
            }
        }
    }

    fn admit(&self, manifest: &Manifest) -> Result<(), String> {
        manifest.suits(&self.config)?;
        self.context.routes.claim(&self.config, manifest)?;
        self.context.events.routes_changed();
        Ok(())
    }

    /// Where it goes on: after its cursor, or, with state, from the saved state through a replay.
    fn begin(&mut self, has_state: bool) -> Result<Begin, String> {
        let consumer = Arc::clone(self.consumer.as_ref().ok_or("no consumer")?);
        let mut begin = Begin {
            cursor: consumer.cursor(),
            single_until: self.policy.single_until(),
            quarantined: self.policy.quarantined(),
            ..Begin::default()
        };
        if !has_state {
            // The library before this one may have had a state, to which nobody goes back.
            self.unhold();
            return Ok(begin);
        }
        let Some(saved) = self.saved_state() else {
            // The first of all saves: an empty one, so that a death before the next replays from here.
            self.save_state(begin.cursor, &[]);
            return Ok(begin);
        };
        let ring = &self.context.ring;
        // No state of this ring has seen more.
        let most = ring.recovered().max(begin.cursor);
        let is_of_ring = saved.is_of(ring.epoch(), most);
        let place = if is_of_ring { saved.cursor.min(most) } else { begin.cursor };
        if place > begin.cursor {
            // The host died after the state was saved and before its cursor was: nothing between had effects.
            begin.cursor = place;
            // Cannot fail: not backwards, not beyond what is published.
            let _ = consumer.advance(begin.cursor);
        }
        begin.replay_to = begin.cursor;
        if place == saved.cursor && is_of_ring {
            begin.cursor = self.hold(place);
        } else {
            // What it has seen besides is gone, and other events come under those numbers.
            self.host_log(3, "its saved state knows events that the ring does not");
            self.save_state(place, &saved.blob);
        }
        let kept = self.context.ring.oldest().saturating_sub(1).min(begin.replay_to);
        begin.cursor = begin.cursor.max(kept);
        if begin.cursor > place {
            // Those behind the cursor were processed once; those before it are counted where the gate was taken.
            self.host_log(
                3,
                "events behind its saved state are gone: its state does not know them",
            );
        }
        self.keep_for_rollback(begin.cursor, &saved.blob);
        begin.state = (!saved.blob.is_empty()).then_some(saved.blob);
        Ok(begin)
    }

    /// The newest state. The ring has let go what comes before one that could not be saved, so that no older one will
    /// do.
    fn saved_state(&mut self) -> Option<SavedState> {
        if let Some((cursor, blob, _)) = &self.unsaved {
            let epoch = self.context.ring.epoch();
            return Some(SavedState { epoch: Some(epoch), cursor: *cursor, blob: blob.clone() });
        }
        self.store.load_state().unwrap_or_else(|why| {
            self.host_log(4, &why);
            None
        })
    }

    /// Saves a state; the ring keeps what came after it.
    pub(super) fn save_state(&mut self, cursor: u64, blob: &[u8]) {
        let saved = self.store.save_state(self.context.ring.epoch(), cursor, blob);
        self.unsaved = saved.is_err().then(|| (cursor, blob.to_vec(), Instant::now()));
        let was_saved = std::mem::replace(&mut self.shared.facts().is_state_saved, saved.is_ok());
        match saved {
            Ok(()) if !was_saved => {
                self.host_log(2, "its state is saved again");
                self.shared.facts().last_error = None;
            }
            Ok(()) => {}
            Err(why) => {
                if was_saved {
                    self.host_log(4, &format!("its state cannot be saved: {why}"));
                }
                self.shared.facts().last_error = Some(format!("state not saved: {why}"));
            }
        }
        // Also after a failure: ingest must not stop for it.
        self.hold(cursor);
    }

    /// Makes the ring keep what comes after `cursor`; gives from where on it does.
    fn hold(&mut self, cursor: u64) -> u64 {
        let gating = self.config.delivery == Delivery::Gating;
        let Some(consumer) = self.consumer.as_ref().filter(|_| gating) else { return cursor };
        match consumer.hold(cursor) {
            Ok(held) => {
                self.held = Some(held);
                held
            }
            Err(_) => {
                self.host_log(3, "its state's cursor does not fit the ring");
                cursor
            }
        }
    }

    /// Lets the ring go on to the cursor.
    pub(super) fn unhold(&mut self) {
        self.held = None;
        if let Some(consumer) = &self.consumer {
            // It fails where the ring has failed, and then nothing goes on.
            let _ = consumer.unhold();
        }
    }

    pub(super) fn started(&mut self) {
        let Some(up) = &mut self.up else { return };
        up.started = true;
        let now = Instant::now();
        up.progress.1 = now;
        let pid = up.guest.pid();
        let usage = up.guest.usage().unwrap_or_default();
        {
            let mut facts = self.shared.facts();
            facts.state = State::Running;
            facts.pid = Some(pid);
            facts.started = Some(now);
            facts.usage = usage;
        }
        self.host_log(2, &format!("running, pid {pid}"));
    }
}

/// The name of a plugin's consumer: the same in every run, and no other plugin's. Of one that is too long, what was cut
/// off stands as a number, after a sign that no plugin has in its name.
fn consumer_key(plugin: &str) -> String {
    let key = format!("plugin:{plugin}");
    let Some((head, _)) = key.split_at_checked(shimmer_ring::KEY_BYTES - 17) else { return key };
    if key.len() <= shimmer_ring::KEY_BYTES {
        return key;
    }
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, key.as_bytes());
    format!("{head}~{sum:016x}")
}

/// Makes a folder that only its owner can enter; it may be there.
fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_key_of_its_own_that_fits() {
        let name = |len: usize, last: &str| "a".repeat(len - 1) + last;
        assert_eq!(consumer_key("dao"), "plugin:dao");
        assert_eq!(consumer_key(&name(57, "b")), format!("plugin:{}", name(57, "b")));
        let long: Vec<_> = [(57, "b"), (58, "b"), (64, "b"), (64, "c")]
            .map(|(len, last)| consumer_key(&name(len, last)))
            .into();
        for (at, key) in long.iter().enumerate() {
            assert_eq!(key.len(), shimmer_ring::KEY_BYTES);
            assert!(!long[..at].contains(key), "{key}");
        }
    }
}
