//! Looking after a running instance: deadlines, limits, accounting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shimmer_ring::ControlPage;

use super::card::Durations;
use super::run::{Supervisor, Up};
use super::transport::Guest;
use crate::config::{Delivery, Limits};
use crate::process::Usage;

/// How often what it uses is held against its limits: a thread more takes microseconds, and memory fills by gigabytes a
/// second.
const SAMPLE: Duration = Duration::from_millis(100);
/// Longest time between two looks of a host that runs.
const ABSENCE: Duration = Duration::from_secs(1);
/// Time from one try to save a state that could not be saved to the next.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// Time from the end of its connection to that of the process, as they end together.
const CLOSED: Duration = Duration::from_secs(1);
/// Time over which its share of the processor is told; the kernel counts in hundredths of a second.
const CPU_WINDOW: Duration = Duration::from_secs(1);

/// Where a gate is kept behind the cursor, and since when that has not moved.
pub(super) struct Kept {
    at: u64,
    since: Instant,
}

impl Kept {
    /// For how long the ring has waited there for a cursor that went on.
    fn look(&mut self, held: u64, cursor: u64, now: Instant) -> Duration {
        if self.at != held || cursor <= held {
            *self = Self { at: held, since: now };
        }
        now - self.since
    }
}

impl Up {
    pub(super) fn new(
        guest: Guest,
        control: Arc<ControlPage>,
        now: Instant,
        violations: u64,
    ) -> Self {
        Self {
            guest,
            control,
            launched: now,
            started: false,
            looked: now,
            pending: None,
            replays_until: now,
            heartbeat: (0, now),
            progress: (0, now),
            kept: Kept { at: 0, since: now },
            sampled: now,
            cpu: (0.0, now),
            hot_since: None,
            killed: None,
            last_words: None,
            refused: false,
            stopping: None,
            violations,
            violations_before: violations,
        }
    }

    /// A host that was stopped, or got no processor, did not look: that time counts for no deadline.
    fn forgive(&mut self, now: Instant) {
        let absent = now - std::mem::replace(&mut self.looked, now);
        if absent < ABSENCE {
            return;
        }
        let times = [
            &mut self.launched,
            &mut self.replays_until,
            &mut self.heartbeat.1,
            &mut self.progress.1,
            &mut self.kept.since,
        ];
        let pending = self.pending.as_mut().map(|pending| &mut pending.since);
        let stopping = self.stopping.as_mut().map(|(until, _)| until);
        for time in times.into_iter().chain(pending).chain(stopping) {
            *time += absent;
        }
    }
}

impl Supervisor {
    pub(super) fn watch(&mut self) {
        let now = Instant::now();
        if let Some(up) = &mut self.up {
            up.forgive(now);
        }
        if self.unsaved.as_ref().is_some_and(|(_, _, tried)| now - *tried >= SAVE_AGAIN)
            && let Some((cursor, blob, _)) = self.unsaved.take()
        {
            self.save_state(cursor, &blob);
        }
        self.follow();
        if self.is_state_overdue(now) {
            self.host_log(3, "it saves no state: its death costs what came after the last one");
            self.unhold();
        }
        if let Some(reason) = self.overdue(now).or_else(|| self.nonsense()) {
            return self.kill(reason);
        }
        let due = self.up.as_ref().is_some_and(|up| now - up.sampled >= SAMPLE);
        if due && let Some(reason) = self.sample(now) {
            self.kill(reason);
        }
    }

    /// A call, or events without progress, for longer than the deadline.
    fn overdue(&mut self, now: Instant) -> Option<String> {
        let deadline = self.context.config.call_deadline;
        let consumer = self.consumer.as_ref()?;
        let up = self.up.as_mut()?;
        let seconds = deadline.as_secs_f64();
        if !up.started {
            return (now - up.launched > deadline)
                .then(|| format!("it did not start within {seconds} s"));
        }
        let beat = up.control.heartbeat();
        if up.heartbeat.0 != beat {
            up.heartbeat = (beat, now);
        }
        // A replay moves nothing that only the host can move: what the page says is believed as long as one may take.
        let replays = now < up.replays_until;
        let place = match replays {
            true => consumer.cursor().max(up.control.processing()),
            false => consumer.cursor(),
        };
        if up.progress.0 != place || consumer.lag() == 0 || up.pending.is_some() {
            up.progress = (place, now);
        }
        if beat % 2 == 1 && now - up.heartbeat.1 > deadline {
            return Some(format!("a call took longer than {seconds} s"));
        }
        if up.guest.closed_at().is_some_and(|at| now - at > CLOSED) {
            return Some("it closed its connection to the host".into());
        }
        // Whoever else holds the ring full is ended at this deadline too; what still has no room after twice the time
        // never will. Without a gate it may wait: nobody waits for it.
        let is_gating = self.config.delivery == Delivery::Gating;
        if is_gating
            && up.pending.as_ref().is_some_and(|pending| now - pending.since > deadline * 2)
        {
            return Some(
                "the ring has no room for its effects: it emits more than it consumes".into(),
            );
        }
        let idle = now - up.progress.1;
        let is_silent = now - up.heartbeat.1 > deadline;
        // A call each of events, of time and of a request may lie between two steps, and each may take its time.
        let is_stuck = idle > deadline * 3 && !replays;
        (is_stuck || (idle > deadline && is_silent))
            .then(|| format!("events waited and it made no progress for {} s", idle.as_secs()))
    }

    /// Whether the ring has waited for its next state for longer than saving, a call and effects without room can take.
    fn is_state_overdue(&mut self, now: Instant) -> bool {
        let patience = self.context.config.state_interval + self.context.config.call_deadline * 4;
        let (Some(held), Some(consumer), Some(up)) = (self.held, &self.consumer, &mut self.up)
        else {
            return false;
        };
        // A replay leads to no state before its end.
        let is_due = up.started && now >= up.replays_until;
        let cursor = if is_due { consumer.cursor() } else { held };
        up.kept.look(held, cursor, now) > patience
    }

    fn nonsense(&mut self) -> Option<String> {
        let consumer = self.consumer.as_ref()?;
        let up = self.up.as_mut()?;
        let violations = consumer.violations();
        let fresh = violations > up.violations;
        up.violations = violations;
        // A page without a gate is read here alone; first, as what is published only grows.
        let lossy = self.config.delivery == Delivery::Lossy;
        let beyond = lossy && up.control.cursor() > self.context.ring.published();
        (fresh || beyond).then(|| {
            "its control page holds nonsense: a cursor that goes backwards or beyond the stream"
                .to_owned()
        })
    }

    /// Follows the cursor of a plugin without a gate, which only it knows.
    pub(super) fn follow(&mut self) {
        let (Some(consumer), Some(up)) = (&self.consumer, &self.up) else { return };
        if self.config.delivery == Delivery::Lossy {
            // Refused when the page holds nonsense; then the last good cursor stays.
            let _ = consumer.advance(up.control.cursor());
        }
    }

    fn sample(&mut self, now: Instant) -> Option<String> {
        let limits = self.config.limits.clone();
        let up = self.up.as_mut()?;
        up.sampled = now;
        let usage = up.guest.usage()?;
        if let Some(reason) = beyond(&usage, &limits, up.guest.is_thread()) {
            return Some(reason);
        }
        if now - up.cpu.1 < CPU_WINDOW {
            return None;
        }
        let (cpu_before, at) = up.cpu;
        let elapsed = (now - at).as_secs_f64();
        let percent = (usage.cpu_seconds - cpu_before).max(0.0) / elapsed.max(0.001) * 100.0;
        up.cpu = (usage.cpu_seconds, now);
        let (counts, sum_ns) = up.control.durations();
        {
            let mut facts = self.shared.facts();
            facts.usage = usage;
            facts.cpu_percent = percent;
            facts.durations = Durations { counts, sum_ns };
        }
        let hot = limits.cpu_percent > 0 && percent > f64::from(limits.cpu_percent);
        up.hot_since = if hot { up.hot_since.or(Some(now)) } else { None };
        let patience = self.context.config.cpu_patience;
        up.hot_since.filter(|since| now - *since >= patience).map(|_| {
            format!(
                "it used more than {} % of a core for {} s, its limits.cpu_percent",
                limits.cpu_percent,
                patience.as_secs()
            )
        })
    }

    /// The last figures of an instance that ended, added to those of the ones before; the page of a liar counts for
    /// nothing.
    pub(super) fn settle_figures(&mut self, up: &Up) {
        if self.config.delivery == Delivery::Lossy
            && let Some(consumer) = &self.consumer
        {
            let _ = consumer.advance(up.control.cursor());
        }
        let honest = self.consumer.as_ref().is_none_or(|c| c.violations() == up.violations_before);
        self.shared.live().settle();
        let (counts, sum_ns) = up.control.durations();
        let mut facts = self.shared.facts();
        facts.past_cpu_seconds += facts.usage.cpu_seconds;
        facts.usage = Usage::default();
        facts.durations = Durations::default();
        if honest {
            facts.past_durations = facts.past_durations.plus(&Durations { counts, sum_ns });
        }
    }
}

/// Which of its limits it is beyond.
fn beyond(usage: &Usage, limits: &Limits, is_thread: bool) -> Option<String> {
    if usage.memory_bytes > limits.memory_bytes {
        return Some(format!(
            "it uses {} MiB of memory, its limits.memory_bytes is {} MiB",
            usage.memory_bytes >> 20,
            limits.memory_bytes >> 20
        ));
    }
    (!is_thread && usage.threads > limits.threads).then(|| {
        format!("it has {} threads, its limits.threads is {}", usage.threads, limits.threads)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_waits_for_a_state_only_since_it_is_behind() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut kept = Kept { at: 0, since: begun };
        assert_eq!(kept.look(10, 10, at(100)), Duration::ZERO, "all is saved");
        assert_eq!(kept.look(10, 11, at(103)), Duration::from_secs(3));
        assert_eq!(kept.look(10, 90, at(107)), Duration::from_secs(7));
        assert_eq!(kept.look(90, 95, at(108)), Duration::ZERO, "saved");
        assert_eq!(kept.look(90, 99, at(118)), Duration::from_secs(10));
    }
}
