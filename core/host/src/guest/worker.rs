//! The worker: one thread that calls the plugin, batch after batch, and makes each call a transaction.
//!
//! The cursor moves only after the plugin returned and its effects are durable; whatever dies before leaves the cursor
//! where it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shimmer_abi as abi;
use shimmer_ring::{ControlPage, CopyBuf, FLAG_LOST, ReadMapping, Run};

use super::api::Table;
use super::calls;
use super::desk::{Desk, Request};
use super::selection::{Selection, hops};
use crate::loader::Instance;
use crate::supervisor::unix_now_ns;
use crate::wire::{Begin, FromGuest, HttpAnswer};

/// Most events of one batch: a quarter of the effects that one call may emit.
pub(crate) const MAX_BATCH: usize = 1_024;
/// Which part of the slots and of the text one batch may be: half of the ring's reserve, so that with one effect an
/// event there is room even where the ring is full to it.
const BATCH_PART: u64 = 16;
/// Bytes of text that a copied batch may hold.
const COPY_TEXT_BYTES: usize = 4 << 20;
/// How often changed metrics go to the host.
const SERIES_INTERVAL: Duration = Duration::from_millis(250);
/// Longest sleep, so that timers are looked at.
const MAX_SLEEP: Duration = Duration::from_millis(500);

/// Where a worker's events come from.
pub(crate) struct Events {
    /// The ring, mapped read-only.
    pub(crate) mapping: Arc<ReadMapping>,
    /// This plugin's page.
    pub(crate) control: Arc<ControlPage>,
    /// Whether batches are lent from the ring itself: only where a gate holds and the reader can be killed.
    pub(crate) borrow: bool,
}

/// What a worker runs.
pub(crate) struct Runner {
    pub(crate) instance: Instance,
    pub(crate) table: Arc<Table>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) events: Events,
    pub(crate) selection: Selection,
    pub(crate) tick_interval: Option<Duration>,
    pub(crate) state_interval: Duration,
    pub(crate) copy_buffer: CopyBuf,
    pub(crate) name: Vec<u8>,
}

/// Where a run is.
pub(super) struct Position {
    cursor: u64,
    delivered: u64,
    begin: Begin,
    missed: u64,
    saved_at: (Instant, u64),
    /// Whether it has emitted anything since then.
    emitted: bool,
    next_tick: Option<Instant>,
    next_series: Instant,
}

impl Position {
    pub(super) fn at(begin: Begin, tick_interval: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            cursor: begin.cursor,
            delivered: 0,
            missed: 0,
            saved_at: (now, begin.cursor),
            emitted: false,
            next_tick: tick_interval.map(|interval| now + interval),
            next_series: now + SERIES_INTERVAL,
            begin,
        }
    }

    /// While events are replayed their effects are dropped, and a tick's would be with them although nobody has seen
    /// those: time stands still until then.
    fn ticks_at(&self, now: Instant) -> bool {
        !self.is_replay() && self.next_tick.is_some_and(|due| now >= due)
    }

    const fn is_replay(&self) -> bool {
        self.cursor < self.begin.replay_to
    }
}

impl Runner {
    /// Runs until the host says stop or is gone, or a callback fails; says so to the host.
    pub(crate) fn run(mut self) {
        self.table.adopt_worker();
        let Some(Request::Begin(begin)) = self.desk.wait() else {
            // Created and not wanted: a rehearsal, or a stop before the start.
            return self.instance.destroy();
        };
        let outcome = self.start(*begin).and_then(|mut position| self.turns(&mut position));
        match outcome {
            Ok(()) => self.desk.tell(FromGuest::Stopped),
            Err(reason) => self.desk.tell(FromGuest::Failed { reason }),
        }
        self.instance.destroy();
    }

    fn start(&mut self, mut begin: Begin) -> Result<Position, String> {
        let control = Arc::clone(&self.events.control);
        if let (Some(blob), Some(state)) = (begin.state.take(), self.instance.state)
            && let Some(restore) = state.restore
        {
            control.enter_call();
            // SAFETY: the worker's first call, with a blob that lives for the call.
            let status =
                unsafe { restore(self.instance.raw(), abi::Bytes::new(&blob), begin.cursor) };
            control.leave_call();
            match status {
                abi::Status::UNSUPPORTED => {
                    self.say("its saved state is of another version: it starts afresh")
                }
                status if !status.is_ok() => return Err(self.failure("restore", status)),
                _ => {}
            }
        }
        if let Some(start) = self.instance.vtable().start {
            control.enter_call();
            // SAFETY: on the worker, after `restore`.
            let status = unsafe { start(self.instance.raw()) };
            control.leave_call();
            if !status.is_ok() {
                return Err(self.failure("start", status));
            }
        }
        self.desk.tell(FromGuest::Started);
        let position = Position::at(begin, self.tick_interval);
        self.show_cursor(&position);
        Ok(position)
    }

    fn turns(&mut self, at: &mut Position) -> Result<(), String> {
        loop {
            while let Some(request) = self.desk.take() {
                match request {
                    Request::Call(id, call) => self.answer(at, id, &call)?,
                    Request::Stop => return self.stop(at),
                    Request::Begin(_) => {}
                }
            }
            if self.desk.is_closed() {
                return Ok(());
            }
            let now = Instant::now();
            if at.ticks_at(now) {
                self.tick(at)?;
                at.next_tick = self.tick_interval.map(|interval| now + interval);
            }
            if self.is_time_to_save(at, now) {
                self.save(at)?;
            }
            if now >= at.next_series {
                self.send_series();
                at.next_series = now + SERIES_INTERVAL;
            }
            if !self.deliver(at)? {
                self.sleep(at, now);
            }
        }
    }

    /// The ring keeps what came after the state. So it is saved early where effects may find little room, but not
    /// after each batch of a plugin that is far behind and emits nothing: a large state would cost more than its
    /// events.
    fn is_time_to_save(&self, at: &Position, now: Instant) -> bool {
        let quarter = self.events.mapping.capacity() / 4;
        let (saved, seq) = at.saved_at;
        let moved = at.cursor - seq;
        let kept = self.events.mapping.published().saturating_sub(seq);
        let tight = kept + 2 * self.most_events() as u64 > quarter * 3;
        moved > 0
            && (moved >= quarter * 2 || (tight && at.emitted) || now - saved >= self.state_interval)
    }

    /// Most events of one batch over this ring.
    fn most_events(&self) -> usize {
        let part = (self.events.mapping.capacity() / BATCH_PART).max(1);
        usize::try_from(part).unwrap_or(MAX_BATCH).min(MAX_BATCH)
    }

    fn sleep(&self, at: &Position, now: Instant) {
        let mut until = now + MAX_SLEEP;
        for due in at.next_tick.into_iter().chain([at.next_series]) {
            until = until.min(due);
        }
        let desk = &self.desk;
        let timeout = until.saturating_duration_since(now);
        self.events.control.beat();
        self.events
            .control
            .wait(&self.events.mapping, at.cursor + 1, timeout, &|| desk.has_requests());
    }

    /// Delivers one batch; `false` when nothing is there.
    pub(super) fn deliver(&mut self, at: &mut Position) -> Result<bool, String> {
        let published = self.events.mapping.published();
        if published <= at.cursor {
            return Ok(false);
        }
        let replay = at.is_replay();
        let mut most = self.most_events();
        if at.cursor < at.begin.single_until {
            most = 1;
        } else if replay {
            most = most.min((at.begin.replay_to - at.cursor) as usize);
        }
        if self.events.borrow {
            let mapping = Arc::clone(&self.events.mapping);
            // SAFETY: this plugin is gating: its gate stands at `cursor`, which moves only after the call below
            // returned, and the run is dropped with this block.
            let mut run = unsafe { mapping.run(at.cursor, most) };
            let fits = fitting(run.text_len, run.arena().1 as u64 / BATCH_PART);
            if fits < run.len() {
                // SAFETY: as above, of which it is the first part.
                run = unsafe { mapping.run(at.cursor, fits) };
            }
            self.call(at, &run, replay)?;
        } else {
            let mut copy = std::mem::take(&mut self.copy_buffer);
            let copied = self.events.mapping.copy(at.cursor, most, COPY_TEXT_BYTES, &mut copy);
            if let Some(missed) = copied.missed {
                let count = missed.end() - missed.start() + 1;
                at.missed += count;
                at.cursor = *missed.end();
                self.events.control.add_missed(count);
            }
            let result = if copy.is_empty() {
                self.show_cursor(at);
                Ok(())
            } else {
                self.call(at, &copy.run(), replay)
            };
            self.copy_buffer = copy;
            result?;
        }
        Ok(true)
    }

    /// One `process` with a run, and what follows from it.
    fn call(&mut self, at: &mut Position, run: &Run<'_>, replay: bool) -> Result<(), String> {
        let last = run.first + run.len() as u64 - 1;
        let mapping = Arc::clone(&self.events.mapping);
        let quarantined = &at.begin.quarantined;
        let left_out = |i: u32| {
            run.flags[i as usize] & FLAG_LOST != 0
                || quarantined.contains(&(run.first + u64::from(i)))
        };
        let name = &mut self.name;
        let chosen = self.selection.choose(run.kind, run.flags, left_out, |id, kinds| {
            name.clear();
            mapping.name(id, name) && kinds.iter().any(|kind| kind.as_bytes() == name.as_slice())
        });
        let count = chosen.len() as u64;
        let mut effects = Vec::new();
        if count > 0 {
            let deepest =
                chosen.iter().map(|&i| hops(run.flags[i as usize])).max().unwrap_or_default();
            let batch = batch_of(run, chosen, at.missed, &mapping);
            at.missed = 0;
            self.table.begin(deepest);
            let control = &self.events.control;
            control.set_processing(run.first);
            control.enter_call();
            let entered = Instant::now();
            let process = self.instance.vtable().process.ok_or("process is null")?;
            // SAFETY: on the worker; the batch and everything it points to live for the call.
            let status = unsafe { process(self.instance.raw(), &raw const batch) };
            control.leave_call();
            control.record_call(entered.elapsed());
            effects = self.table.end();
            if !status.is_ok() {
                // What it was processing stays written: the host looks for an event to blame.
                return Err(self.failure("process", status));
            }
            control.set_processing(0);
        }
        if !replay {
            at.delivered += count;
        }
        self.commit(at, last, effects, replay)
    }

    fn tick(&mut self, at: &mut Position) -> Result<(), String> {
        let Some(tick) = self.instance.vtable().tick else { return Ok(()) };
        self.table.begin(0);
        self.events.control.enter_call();
        // SAFETY: on the worker.
        let status = unsafe { tick(self.instance.raw(), unix_now_ns()) };
        self.events.control.leave_call();
        let effects = self.table.end();
        if !status.is_ok() {
            return Err(self.failure("tick", status));
        }
        self.commit(at, at.cursor, effects, false)
    }

    /// Makes effects and cursor durable, then moves the cursor.
    fn commit(
        &mut self,
        at: &mut Position,
        cursor: u64,
        effects: Vec<crate::wire::Effect>,
        replay: bool,
    ) -> Result<(), String> {
        at.emitted |= !effects.is_empty();
        if !effects.is_empty() && !replay {
            let events = at.delivered;
            self.desk
                .ask(|id| FromGuest::Commit { id, cursor, events, effects })
                .map_err(|status| format!("its effects were refused with status {status}"))?;
        }
        at.cursor = cursor;
        self.show_cursor(at);
        Ok(())
    }

    /// Tells the host how far it came; a replay goes over ground that the host knows already.
    fn show_cursor(&self, at: &Position) {
        if !at.is_replay() {
            self.events.control.set_progress(at.cursor, at.delivered);
        }
    }

    fn save(&mut self, at: &mut Position) -> Result<(), String> {
        at.saved_at = (Instant::now(), at.cursor);
        at.emitted = false;
        let Some(save) = self.instance.state.and_then(|state| state.save) else { return Ok(()) };
        let blob = std::cell::RefCell::new(Vec::new());
        let writer =
            abi::StateWriter { ctx: (&raw const blob).cast_mut().cast(), write: Some(write_state) };
        self.events.control.enter_call();
        // SAFETY: on the worker; the writer lives for the call.
        let status = unsafe { save(self.instance.raw(), &raw const writer) };
        self.events.control.leave_call();
        if !status.is_ok() {
            return Err(self.failure("save", status));
        }
        self.desk.tell(FromGuest::State { cursor: at.cursor, blob: blob.into_inner() });
        Ok(())
    }

    fn stop(&mut self, at: &mut Position) -> Result<(), String> {
        self.save(at)?;
        self.send_series();
        if let Some(stop) = self.instance.vtable().stop {
            self.events.control.enter_call();
            // SAFETY: the worker's last call.
            unsafe { stop(self.instance.raw()) }
            self.events.control.leave_call();
        }
        Ok(())
    }

    /// Answers a request. A failure is the request's, but for a panic, after which nothing of the plugin can be relied
    /// on. What a writing request did is saved before its success is told: it outlives the process.
    fn answer(
        &mut self,
        at: &mut Position,
        id: u64,
        call: &crate::wire::HttpCall,
    ) -> Result<(), String> {
        self.events.control.enter_call();
        let answer = calls::answer(&self.instance, call);
        self.events.control.leave_call();
        let done = |answer: &HttpAnswer| call.writes && (200..300).contains(&answer.status);
        if answer.as_ref().is_ok_and(done)
            && let Err(reason) = self.save(at)
        {
            self.desk.tell(FromGuest::Answer { id, answer: Err(reason.clone()) });
            return Err(reason);
        }
        let failed = answer.as_ref().err().copied();
        let reason = failed.map(|status| self.failure("handle", status)).unwrap_or_default();
        self.desk.tell(FromGuest::Answer { id, answer: answer.map_err(|_| reason.clone()) });
        if failed == Some(abi::Status::PANIC) { Err(reason) } else { Ok(()) }
    }

    fn send_series(&self) {
        if let Some(report) = self.table.series.report() {
            self.desk.tell(report);
        }
    }

    fn failure(&self, call: &str, status: abi::Status) -> String {
        let why = self.table.take_error().unwrap_or_else(|| format!("status {}", status.0));
        format!("{call}: {why}")
    }

    fn say(&self, message: &str) {
        self.desk
            .tell(FromGuest::Log { level: abi::LogLevel::WARN.0, message: message.to_owned() });
    }
}

/// How many of the first events have no more text together than `most`; one has always room.
fn fitting(text_len: &[u32], most: u64) -> usize {
    let mut sum = 0;
    let fits = |len: &&u32| {
        sum += u64::from(**len);
        sum <= most
    };
    text_len.iter().take_while(fits).count().max(1)
}

fn batch_of(run: &Run<'_>, chosen: &[u32], missed: u64, mapping: &ReadMapping) -> abi::Batch {
    let (text, text_len) = run.arena();
    let (names, names_len) = mapping.names_raw();
    abi::Batch {
        first_seq: run.first,
        len: run.len() as u32,
        selection_len: chosen.len() as u32,
        selection: chosen.as_ptr(),
        missed,
        time_ns: run.time_ns.as_ptr(),
        received_ns: run.received_ns.as_ptr(),
        value: run.value.as_ptr(),
        kind: run.kind.as_ptr(),
        subject: run.subject.as_ptr(),
        source: run.source.as_ptr(),
        origin: run.origin.as_ptr(),
        flags: run.flags.as_ptr(),
        text_offset: run.text_offset.as_ptr(),
        text_len: run.text_len.as_ptr(),
        data_start: run.data_start.as_ptr(),
        data_len: run.data_len.as_ptr(),
        id_start: run.id_start.as_ptr(),
        id_len: run.id_len.as_ptr(),
        text: abi::Bytes { ptr: text, len: text_len },
        names: names.cast(),
        names_len: names_len as u32,
        reserved: 0,
    }
}

unsafe extern "C" fn write_state(
    writer: *const abi::StateWriter,
    bytes: abi::Bytes,
) -> abi::Status {
    // SAFETY: called inside `save` with the writer it was given, whose ctx is the cell there.
    let cell = unsafe {
        writer.as_ref().and_then(|w| w.ctx.cast::<std::cell::RefCell<Vec<u8>>>().as_ref())
    };
    let Some(cell) = cell else { return abi::Status::INVALID };
    if bytes.len > 0 && bytes.ptr.is_null() {
        return abi::Status::INVALID;
    }
    let mut blob = cell.borrow_mut();
    if bytes.len > abi::MAX_STATE_BYTES - blob.len() {
        return abi::Status::LIMIT;
    }
    // SAFETY: not null, readable for the call.
    blob.extend_from_slice(unsafe { bytes.as_slice() });
    abi::Status::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_long_texts_is_short() {
        assert_eq!(fitting(&[10, 10, 10, 1], 30), 3);
        assert_eq!(fitting(&[10, 10], 30), 2);
        assert_eq!(fitting(&[50, 10], 30), 1, "whatever its length");
    }

    #[test]
    fn time_stands_still_until_the_replay_is_over() {
        let begin = Begin { cursor: 3, replay_to: 5, ..Begin::default() };
        let mut at = Position::at(begin, Some(Duration::ZERO));
        let now = Instant::now();
        assert!(!at.ticks_at(now));
        at.cursor = 5;
        assert!(at.ticks_at(now));
        assert!(!Position::at(Begin::default(), None).ticks_at(now));
    }
}
