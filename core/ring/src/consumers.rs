//! Consumers: their cursors, gates and wake-ups.
//!
//! Rule: the list of consumers belongs to the writer role; a cursor only moves forward and never
//! beyond what is published, whoever asks.

use crate::control::ControlPage;
use crate::error::ConsumerError;
use crate::gate::Cursor;
use crate::hot::Hot;
use crate::role::Role;
use crate::segment::Segment;
use crate::sync::{AtomicU32, AtomicU64, Ordering, Scope};
use crate::wait::{Wait, WaitCell};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most consumers that can be registered at a time.
pub const MAX_CONSUMERS: usize = 128;
/// Most of them that can hold the writer back.
pub const MAX_GATES: usize = 64;
/// Longest key of a consumer in bytes.
pub const KEY_BYTES: usize = 64;
/// Most wake-ups that a control page gets in one [`WAKE_WINDOW`].
const WAKES_PER_WINDOW: u32 = 2_000;
const WAKE_WINDOW: Duration = Duration::from_millis(100);

/// Where a consumer begins when nothing is remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest kept event.
    Oldest,
    /// With the next event to come.
    Newest,
    /// After this sequence; what is no longer kept counts as missed.
    After(u64),
}

/// Whether and where a consumer holds the writer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does not: it may be lapped.
    None,
    /// The host moves its cursor, by `advance` or with a submission.
    Host,
    /// The child moves its cursor, in the control page.
    Page,
}

/// How a consumer is woken.
#[derive(Debug, Clone)]
pub enum WakeTarget {
    /// Never: it polls.
    Silent,
    /// A thread of the host that calls [`ConsumerHandle::wait`].
    Local,
    /// A plugin process that sleeps in its control page.
    Control(Arc<ControlPage>),
    /// A thread that sleeps in epoll: the writer adds 1 to this eventfd, which is non-blocking.
    EventFd(Arc<OwnedFd>),
}

/// What a consumer is.
#[derive(Debug, Clone)]
pub struct ConsumerSpec<'a> {
    /// Stable name, 1 to [`KEY_BYTES`] bytes.
    pub key: &'a str,
    /// Whether its cursor is kept in the journal, and taken up again after a restart.
    pub durable: bool,
    /// Whether it holds the writer back.
    pub gate: Gate,
    /// Where it begins, unless it is durable and known.
    pub start: Start,
    /// How it is woken.
    pub wake: WakeTarget,
}

/// Names a registered consumer in a [`Submission`](crate::Submission).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerId(pub(crate) u64);

/// The part of a consumer that its handle and the writer share.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) id: ConsumerId,
    pub(crate) key: Box<str>,
    pub(crate) durable: bool,
    gate: Gate,
    /// Last cursor known to be good.
    cursor: Cursor,
    /// The gate stays at or below this; `u64::MAX` for no hold.
    hold: AtomicU64,
    /// 1 while it holds the writer back.
    gating: AtomicU32,
    missed: AtomicU64,
    violations: AtomicU64,
    target: Mutex<Arc<Target>>,
}

/// A wake target with its waiter's place.
#[derive(Debug)]
pub(crate) struct Target {
    kind: WakeTarget,
    local: WaitCell,
    /// The largest cursor read from the control page.
    said: AtomicU64,
}

impl Target {
    pub(crate) fn new(kind: WakeTarget) -> Self {
        Self { kind, local: WaitCell::new(), said: AtomicU64::new(0) }
    }

    fn cell(&self) -> &WaitCell {
        match &self.kind {
            WakeTarget::Control(page) => page.wait_cell(),
            _ => &self.local,
        }
    }

    fn wake(&self) {
        match &self.kind {
            WakeTarget::Silent => {}
            WakeTarget::Local => self.local.wake(Scope::Private),
            WakeTarget::Control(page) => page.wake(),
            // A full counter (EAGAIN) wakes as well as an added one.
            WakeTarget::EventFd(fd) => drop(rustix::io::write(&**fd, &1u64.to_ne_bytes())),
        }
    }
}

impl Consumer {
    pub(crate) fn new(id: ConsumerId, spec: &ConsumerSpec<'_>, cursor: u64, hold: u64) -> Self {
        Self {
            id,
            key: spec.key.into(),
            durable: spec.durable,
            gate: spec.gate,
            cursor: Cursor::new(cursor),
            hold: AtomicU64::new(hold),
            gating: AtomicU32::new(u32::from(spec.gate != Gate::None)),
            missed: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            target: Mutex::new(Arc::new(Target::new(spec.wake.clone()))),
        }
    }

    pub(crate) fn target(&self) -> Arc<Target> {
        Arc::clone(&self.target.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_gating(&self) -> bool {
        // Acquire: pairs with the Release in `set_gating`; the reads of a consumer that let its
        // gate go come before the writer overwrites.
        self.gating.load(Ordering::Acquire) != 0
    }

    pub(crate) fn set_gating(&self, gating: bool) {
        self.gating.store(u32::from(gating), Ordering::Release);
    }

    /// The cursor, after a look into the control page if it lies there.
    pub(crate) fn observe(&self, target: &Target, hot: &Hot) -> u64 {
        let known = self.cursor.get();
        if self.gate != Gate::Page {
            return known;
        }
        let WakeTarget::Control(page) = &target.kind else { return known };
        // Acquire: pairs with the Release below, and comes before the look into the page: what another observer
        // reads there after our look is no step back of the child's.
        let before = target.said.load(Ordering::Acquire);
        let said = page.cursor();
        if said == known {
            return known;
        }
        // A page may be behind the known cursor, which a submission moves before the child hears of
        // it; it may not be behind itself.
        if said < before || said > hot.published() {
            self.violations.fetch_add(1, Ordering::Relaxed);
            return known;
        }
        // Release: pairs with the Acquire above.
        target.said.fetch_max(said, Ordering::AcqRel);
        self.cursor.advance(said)
    }

    /// The gate: the writer must leave everything after it alone.
    pub(crate) fn gate(&self, target: &Target, hot: &Hot) -> u64 {
        // Acquire: pairs with the Release in `set_hold`.
        self.observe(target, hot).min(self.hold.load(Ordering::Acquire))
    }

    pub(crate) fn cursor(&self) -> u64 {
        self.cursor.get()
    }

    pub(crate) fn hold(&self) -> u64 {
        self.hold.load(Ordering::Acquire)
    }

    pub(crate) fn set_hold(&self, hold: u64) {
        self.hold.store(hold, Ordering::Release);
    }

    pub(crate) fn advance(&self, to: u64, published: u64) -> Result<(), ConsumerError> {
        if to < self.cursor.get() || to > published {
            return Err(ConsumerError::Cursor);
        }
        self.cursor.advance(to);
        Ok(())
    }

    pub(crate) fn add_missed(&self, events: u64) {
        self.missed.fetch_add(events, Ordering::Relaxed);
    }
}

/// The consumers, for those who look at gates without the writer role. Changed only inside it.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<Vec<Arc<Consumer>>>);

impl Roster {
    pub(crate) fn add(&self, consumer: &Arc<Consumer>) {
        self.lock().push(Arc::clone(consumer));
    }

    pub(crate) fn remove(&self, id: ConsumerId) {
        self.lock().retain(|consumer| consumer.id != id);
    }

    /// The lowest gate, if anyone has one.
    pub(crate) fn gate(&self, hot: &Hot) -> Option<u64> {
        let consumers = self.lock();
        let gating = consumers.iter().filter(|consumer| consumer.is_gating());
        gating.map(|consumer| consumer.gate(&consumer.target(), hot)).min()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Consumer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [writer] A consumer in the list, with what only the writer needs of it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) consumer: Arc<Consumer>,
    target: Arc<Target>,
    window_start: Option<Instant>,
    wakes: u32,
}

impl Member {
    pub(crate) fn new(consumer: Arc<Consumer>) -> Self {
        let target = consumer.target();
        Self { consumer, target, window_start: None, wakes: 0 }
    }

    /// Takes another wake target, and reads the gate there from now on.
    pub(crate) fn retarget(&mut self, target: &Arc<Target>) {
        *self.consumer.target.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(target);
        self.target = Arc::clone(target);
        self.window_start = None;
    }

    /// The consumer's gate, if it has one.
    pub(crate) fn gate(&self, hot: &Hot) -> Option<u64> {
        self.consumer.is_gating().then(|| self.consumer.gate(&self.target, hot))
    }

    /// The consumer's cursor, after a look into its control page.
    pub(crate) fn cursor(&self, hot: &Hot) -> u64 {
        self.consumer.observe(&self.target, hot)
    }

    /// Wakes the consumer if it waits for something up to `published`.
    pub(crate) fn notify(&mut self, published: u64) {
        let cell = self.target.cell();
        if !cell.is_due(published) {
            return;
        }
        if matches!(self.target.kind, WakeTarget::Control(_)) && !self.may_wake() {
            return;
        }
        if self.target.cell().claim() {
            self.target.wake();
        }
    }

    /// Bounds the wake-ups that a child can make the host pay for. What is over the bound stays
    /// asked for: a later publication answers it, or the child's own time-out does. It is no
    /// violation: an honest child that is quick asks as often as events come one by one.
    fn may_wake(&mut self) -> bool {
        let now = Instant::now();
        if self.window_start.is_none_or(|start| now.saturating_duration_since(start) >= WAKE_WINDOW)
        {
            self.window_start = Some(now);
            self.wakes = 0;
        }
        self.wakes += 1;
        self.wakes <= WAKES_PER_WINDOW
    }
}

/// A registered consumer. Dropping it removes the consumer; a durable cursor stays in the journal.
#[derive(Debug)]
pub struct ConsumerHandle {
    pub(crate) consumer: Arc<Consumer>,
    pub(crate) segment: Arc<Segment>,
    pub(crate) role: Arc<Role>,
}

impl ConsumerHandle {
    /// Names the consumer in a submission.
    #[must_use]
    pub fn id(&self) -> ConsumerId {
        self.consumer.id
    }

    /// The consumer's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.consumer.key
    }

    /// Last sequence that the consumer is done with, as far as the host believes it.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.consumer.observe(&self.consumer.target(), self.segment.hot())
    }

    /// Published events after the cursor.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let cursor = self.cursor();
        self.segment.hot().published().saturating_sub(cursor)
    }

    /// Events that this consumer never saw, as far as anyone told.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.consumer.missed.load(Ordering::Relaxed)
    }

    /// Counts events that the consumer's own reader found overwritten.
    pub fn add_missed(&self, events: u64) {
        self.consumer.add_missed(events);
    }

    /// How often the control page held nonsense.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.consumer.violations.load(Ordering::Relaxed)
    }

    /// Whether the consumer holds the writer back.
    #[must_use]
    pub fn is_gating(&self) -> bool {
        self.consumer.is_gating()
    }

    /// States that everything up to `to` is done with and no longer borrowed.
    ///
    /// # Errors
    /// [`ConsumerError::Cursor`] when `to` goes backwards or beyond what is published.
    pub fn advance(&self, to: u64) -> Result<(), ConsumerError> {
        self.consumer.advance(to, self.segment.hot().published())
    }

    /// Keeps the gate at or below `seq` while the cursor goes on, for a consumer that would have to
    /// be replayed from there. Where what comes after `seq` is not kept any more, the gate is kept at the first place
    /// after which everything is; gives where it is kept.
    ///
    /// # Errors
    /// [`ConsumerError::Cursor`] when `seq` lies beyond the cursor.
    pub fn hold(&self, seq: u64) -> Result<u64, ConsumerError> {
        let mut result = Err(ConsumerError::Poisoned);
        // In the role, so that the writer cannot pass the gate between the look and the hold.
        self.role.call(&mut |writer| result = writer.hold(self.consumer.id, seq));
        result
    }

    /// Ends the hold: the gate stands at the cursor.
    ///
    /// # Errors
    /// When the ring failed.
    pub fn unhold(&self) -> Result<(), ConsumerError> {
        let mut result = Err(ConsumerError::Poisoned);
        self.role.call(&mut |writer| result = writer.unhold(self.consumer.id));
        result
    }

    /// Lets the gate go: from now on the consumer can be lapped.
    pub fn release(&self) {
        self.consumer.set_gating(false);
    }

    /// Takes the gate again, at the cursor or at the oldest kept event, whichever is newer; what
    /// lies between counts as missed. Gives the cursor to go on from.
    ///
    /// # Errors
    /// When the consumer never had a gate, or too many others have one.
    pub fn regate(&self) -> Result<u64, ConsumerError> {
        if self.consumer.gate == Gate::None {
            return Err(ConsumerError::Gate);
        }
        let mut cursor = Err(ConsumerError::Poisoned);
        self.role.call(&mut |writer| cursor = writer.regate(self.consumer.id));
        cursor
    }

    /// Moves the cursor to what is published; what is skipped counts as missed.
    pub fn skip_to_newest(&self) {
        let published = self.segment.hot().published();
        let skipped = published.saturating_sub(self.cursor());
        if self.consumer.advance(published, published).is_ok() {
            self.consumer.add_missed(skipped);
        }
    }

    /// Gives the consumer another way to be woken and, when it is a plugin process that was
    /// started again, another control page. Cursor and gate stay; the page is told the cursor.
    ///
    /// # Errors
    /// [`ConsumerError::Gate`] when the gate lies in a control page and `wake` is none.
    pub fn reattach(&self, wake: WakeTarget) -> Result<(), ConsumerError> {
        if self.consumer.gate == Gate::Page && !matches!(wake, WakeTarget::Control(_)) {
            return Err(ConsumerError::Gate);
        }
        let cursor = self.cursor();
        if let WakeTarget::Control(page) = &wake {
            page.set_cursor(cursor);
        }
        let target = Arc::new(Target::new(wake));
        let mut result = Err(ConsumerError::Poisoned);
        self.role.call(&mut |writer| {
            result = writer.retarget(self.consumer.id, &target);
        });
        result
    }

    /// [`WakeTarget::Local`] only: waits until `wanted` is published, `ready` holds, somebody calls
    /// [`wake`](Self::wake), or `timeout` has passed.
    pub fn wait(&self, wanted: u64, timeout: Duration, ready: &dyn Fn() -> bool) -> Wait {
        let published = self.segment.hot().published_word();
        let target = self.consumer.target();
        target.local.wait(published, wanted, timeout, Scope::Private, ready)
    }

    /// [`WakeTarget::EventFd`] only: asks for one write to the eventfd when `wanted` is published;
    /// `false` when it is already, and nothing will be written.
    #[must_use]
    pub fn arm(&self, wanted: u64) -> bool {
        self.consumer.target().local.arm(self.segment.hot().published_word(), wanted)
    }

    /// Takes back what `arm` asked for; a write that is under way may still come.
    pub fn disarm(&self) {
        self.consumer.target().local.disarm();
    }

    /// Wakes the consumer for a reason other than events.
    pub fn wake(&self) {
        self.consumer.target().wake();
    }
}

impl Drop for ConsumerHandle {
    fn drop(&mut self) {
        self.consumer.set_gating(false);
        self.role.call(&mut |writer| writer.remove(self.consumer.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_moves_between_the_looks_of_two_observers_does_not_go_back() {
        const STEPS: u64 = 300_000;
        let page = Arc::new(ControlPage::create().expect("a page"));
        let wake = WakeTarget::Control(Arc::clone(&page));
        let spec = ConsumerSpec {
            key: "child",
            durable: false,
            gate: Gate::Page,
            start: Start::Newest,
            wake,
        };
        let consumer = Consumer::new(ConsumerId(1), &spec, 0, u64::MAX);
        let hot = Hot::new();
        hot.publish(STEPS);
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    start.wait();
                    let target = consumer.target();
                    while consumer.observe(&target, &hot) < STEPS {}
                });
            }
            start.wait();
            for seq in 1..=STEPS {
                page.set_cursor(seq);
                // Slow enough for the others to look between.
                (0..64).for_each(|_| std::hint::spin_loop());
            }
        });
        assert_eq!(consumer.violations.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_child_cannot_make_the_writer_wake_it_without_end() {
        let page = Arc::new(ControlPage::create().expect("a page"));
        let spec = ConsumerSpec {
            key: "child",
            durable: false,
            gate: Gate::None,
            start: Start::Newest,
            wake: WakeTarget::Control(Arc::clone(&page)),
        };
        let consumer = Arc::new(Consumer::new(ConsumerId(1), &spec, 0, u64::MAX));
        let mut member = Member::new(Arc::clone(&consumer));
        // The clock stands still for as long as the window is the same.
        member.window_start = Some(Instant::now() + Duration::from_secs(3600));
        let unpublished = AtomicU64::new(0);
        let mut woken = 0;
        for _ in 0..WAKES_PER_WINDOW + 500 {
            assert!(page.wait_cell().arm(&unpublished, 1));
            member.notify(1);
            woken += u32::from(!page.wait_cell().is_due(1));
        }
        assert_eq!(woken, WAKES_PER_WINDOW);
        assert_eq!(consumer.violations.load(Ordering::Relaxed), 0);
        // What was over the bound stays asked for, and is answered in the next window.
        member.window_start = None;
        member.notify(1);
        assert!(!page.wait_cell().is_due(1));
    }
}
