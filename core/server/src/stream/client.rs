//! One connected client: its socket, its place in the stream and what is under way to it. Rule: a message begun is
//! finished before another begins, and an idle client owns no buffer.

use super::filter::{Filter, Triple};
use super::frame::{self, Protocol};
use super::reader::{FrameReader, Incoming, PROTOCOL_ERROR};
use super::tally::Tally;
use super::window::{Cut, Gathered, Window};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client of a shard.
pub(super) struct Client {
    pub(super) socket: TcpStream,
    pub(super) protocol: Protocol,
    pub(super) id: u64,
    pub(super) request_id: Box<str>,
    /// Dropped with the socket.
    pub(super) slot: Option<Arc<dyn fmt::Debug + Send + Sync>>,
    pub(super) heartbeat: Duration,
    pub(super) feed: Feed,
    /// The shard waits until the socket takes more.
    pub(super) slow: bool,
    /// Its time to leave is being measured.
    pub(super) timed: bool,
    /// Why it goes, once it does.
    pub(super) reason: &'static str,
    reader: FrameReader,
    rest: Option<Rest>,
    pong: Option<Box<[u8]>>,
    beat_due: bool,
    /// Bytes were taken since the last heartbeat came due.
    progress: bool,
    stalled: Duration,
    phase: Phase,
    /// When it began to leave.
    left: Option<Instant>,
}

/// What a client listens to.
pub(super) enum Feed {
    /// Events of the log.
    Events(Place),
    /// Messages of a plugin's topic.
    Topic { name: Arc<str>, backlog: Backlog },
}

/// A client's place in the log.
pub(super) struct Place {
    /// Last sequence that was sent, lost or filtered out.
    pub(super) cursor: u64,
    /// It got every event from this one to the cursor, and compressed, so a message of a chain may refer to them.
    pub(super) whole_from: u64,
    /// First and last sequence that it is still to be told about as lost.
    pub(super) gap: Option<(u64, u64)>,
    /// The filter as text, to give its terms back, and as terms; `None` lets everything pass.
    pub(super) filter: Option<Box<(Filter, Triple)>>,
}

/// Messages that wait for a reader of a topic.
#[derive(Default)]
pub(super) struct Backlog {
    queue: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

/// What one reader of a topic may have waiting.
#[derive(Clone, Copy)]
pub(super) struct BacklogBound {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The remainder of a message that the socket took only in part.
struct Rest {
    bytes: Arc<[u8]>,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// To be sent its last message, with this close code.
    Leaving(Option<u16>, Linger),
    /// The last message is begun.
    Left(Linger),
    /// All is sent and our side is shut; waiting for the peer to close its side, so that unread input cannot make
    /// the kernel reset the connection before our last bytes are read.
    Lingering,
    Done,
}

/// Whether to wait for the peer after our last message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Linger {
    No,
    Yes,
}

/// Whether the socket took everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Clear,
    Blocked,
}

impl Client {
    pub(super) fn new(
        socket: TcpStream,
        protocol: Protocol,
        heartbeat: Duration,
        feed: Feed,
    ) -> Self {
        Self {
            socket,
            protocol,
            id: 0,
            request_id: Box::default(),
            slot: None,
            heartbeat,
            feed,
            slow: false,
            timed: false,
            reason: "lost",
            reader: FrameReader::with_deflate(protocol.is_deflate()),
            rest: None,
            pong: None,
            beat_due: false,
            progress: true,
            stalled: Duration::ZERO,
            phase: Phase::Open,
            left: None,
        }
    }

    /// It is to be told something, or is further behind than `shard_cursor`.
    pub(super) fn wants_to_write(&self, shard_cursor: u64) -> bool {
        let owed = match (&self.feed, self.phase) {
            (_, Phase::Leaving(..)) => true,
            (Feed::Events(place), Phase::Open) => {
                place.gap.is_some() || place.cursor < shard_cursor
            }
            (Feed::Topic { backlog, .. }, Phase::Open) => !backlog.queue.is_empty(),
            _ => false,
        };
        let aside = self.phase == Phase::Open && (self.pong.is_some() || self.beat_due);
        self.rest.is_some() || owed || aside
    }

    /// It gets new events as they come.
    pub(super) fn is_up_to_date(&self) -> bool {
        !self.slow && self.is_open() && matches!(self.feed, Feed::Events(_))
    }

    /// It can read what `window` has after its cursor. Messages of a chain refer to those before them in their
    /// window, all of which it must have got.
    pub(super) fn can_read(&self, window: &Window) -> bool {
        match &self.feed {
            Feed::Events(place) if self.protocol == (Protocol::Deflate { chained: true }) => {
                !window.is_chained()
                    || place.cursor < window.first()
                    || place.whole_from <= window.first()
            }
            _ => true,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Nothing more will happen to it.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Ends the stream after the message that is under way. The first reason counts.
    pub(super) fn leave(&mut self, code: Option<u16>, linger: Linger, reason: &'static str) {
        if self.is_open() {
            self.phase = Phase::Leaving(code, linger);
            self.reason = reason;
            self.pong = None;
            self.left = Some(Instant::now());
        }
    }

    /// It has been leaving for at least `linger`.
    pub(super) fn is_overdue(&self, now: Instant, linger: Duration) -> bool {
        self.left.is_some_and(|left| now.saturating_duration_since(left) >= linger)
    }

    /// A heartbeat came due and is not yet sent.
    pub(super) fn owes_beat(&self) -> bool {
        self.beat_due && self.is_open()
    }

    /// Notes a heartbeat that is due, and says for how long the socket has taken nothing at all.
    pub(super) fn beat(&mut self) -> Duration {
        let stuck = self.slow && !self.progress;
        self.stalled = if stuck { self.stalled + self.heartbeat } else { Duration::ZERO };
        self.progress = false;
        self.beat_due = true;
        self.stalled
    }

    /// Takes what the peer sent after its handshake and before it became a client.
    pub(super) fn receive(&mut self, bytes: &[u8], tally: &Tally) {
        if !self.protocol.is_ws() {
            return; // an SSE client has nothing to say
        }
        let mut bytes = bytes;
        while let Some(incoming) = self.reader.next(&mut bytes) {
            match incoming {
                // A newer ping takes the place of one unanswered (RFC 6455, 5.5.3), so pongs never pile up.
                Incoming::Ping if self.is_open() => self.pong = Some(self.reader.payload().into()),
                Incoming::Ping => {}
                Incoming::Close(_) if self.phase == Phase::Lingering => self.phase = Phase::Done,
                Incoming::Close(code) => self.leave(code, Linger::No, "closed by the client"),
                Incoming::Violation(code) => {
                    tally.violations.add(u64::from(self.is_open()));
                    let reason =
                        if code == PROTOCOL_ERROR { "protocol error" } else { "message too big" };
                    self.leave(Some(code), Linger::Yes, reason);
                }
            }
        }
    }

    /// Reads once.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn read(&mut self, buffer: &mut [u8], tally: &Tally) -> io::Result<()> {
        match (&self.socket).read(buffer) {
            Ok(0) => {
                if self.is_open() {
                    self.reason = "closed by the client";
                }
                self.phase = Phase::Done;
            }
            Ok(len) => self.receive(&buffer[..len], tally),
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends what is under way and what comes before further messages.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn flush(&mut self, tally: &Tally) -> io::Result<Step> {
        if self.send_rest(tally)? == Step::Blocked {
            return Ok(Step::Blocked);
        }
        if let Phase::Leaving(code, linger) = self.phase {
            if !self.begin(&frame::farewell(self.protocol, code), tally)? {
                return Ok(Step::Blocked);
            }
            self.phase = Phase::Left(linger);
        }
        if let Phase::Left(linger) = self.phase
            && self.rest.is_none()
        {
            self.finish(linger);
        }
        if let Some(payload) = self.pong.take()
            && !self.begin(&frame::pong(&payload), tally)?
        {
            self.pong = Some(payload);
            return Ok(Step::Blocked);
        }
        Ok(if self.rest.is_some() { Step::Blocked } else { Step::Clear })
    }

    /// Sends a heartbeat with the time `ts` if one is due.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn send_beat(&mut self, ts: &str, tally: &Tally) -> io::Result<()> {
        if self.owes_beat() && self.flush(tally)? == Step::Clear {
            self.beat_due = !self.begin(&frame::heartbeat(self.protocol, ts), tally)?;
        }
        Ok(())
    }

    /// Sends a client of the log what `window` has for it, after telling it what was lost before.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn send_events(
        &mut self,
        window: &Window,
        gathered: &mut Gathered,
        tally: &Tally,
    ) -> io::Result<()> {
        if let Feed::Events(place) = &mut self.feed {
            place.lose_until(window.first(), tally);
        }
        if self.flush(tally)? == Step::Blocked || self.send_gap(tally)? == Step::Blocked {
            return Ok(());
        }
        let Feed::Events(place) = &self.feed else { return Ok(()) };
        if !self.is_open() || place.cursor >= window.last() {
            return Ok(());
        }
        let form = self.protocol.form();
        let (cursor, whole) = match &place.filter {
            None => {
                let run = window.after(place.cursor, form);
                self.send_run(run.bytes(), |sent| run.cut(sent), tally)?
            }
            Some(filter) => {
                window.gather(place.cursor, form, filter.1, gathered);
                self.send_run(gathered.bytes(), |sent| gathered.cut(sent), tally)?
            }
        };
        if let Feed::Events(place) = &mut self.feed {
            place.cursor = if whole { window.last() } else { cursor.unwrap_or(place.cursor) };
            if !window.is_chained() {
                place.whole_from = place.cursor + 1;
            }
        }
        Ok(())
    }

    /// Adds a message for a reader of a topic, at the cost of its oldest ones.
    pub(super) fn push_message(&mut self, message: Arc<[u8]>, bound: BacklogBound, tally: &Tally) {
        if let Feed::Topic { backlog, .. } = &mut self.feed
            && self.phase == Phase::Open
        {
            tally.lost.add(backlog.push(message, bound));
        }
    }

    /// Sends a reader of a topic what waits for it, as far as the socket takes it.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn send_backlog(&mut self, tally: &Tally) -> io::Result<()> {
        while self.flush(tally)? == Step::Clear && self.is_open() {
            let Feed::Topic { backlog, .. } = &self.feed else { return Ok(()) };
            let Some(message) = backlog.queue.front().cloned() else { return Ok(()) };
            let sent = self.write(&message, tally)?;
            if sent == 0 {
                return Ok(());
            }
            tally.messages.add(1);
            if let Feed::Topic { backlog, .. } = &mut self.feed {
                backlog.pop();
            }
            if sent < message.len() {
                self.rest = Some(Rest { bytes: message, at: sent });
            }
        }
        Ok(())
    }

    fn send_gap(&mut self, tally: &Tally) -> io::Result<Step> {
        let Feed::Events(place) = &self.feed else { return Ok(Step::Clear) };
        let Some((from, to)) = place.gap else { return Ok(Step::Clear) };
        if !self.begin(&frame::gap(self.protocol, from, to, place.cursor), tally)? {
            return Ok(Step::Blocked);
        }
        if let Feed::Events(place) = &mut self.feed {
            place.gap = None;
        }
        Ok(if self.rest.is_some() { Step::Blocked } else { Step::Clear })
    }

    /// Sends a run of messages in one call. Answers the last sequence begun and whether all was sent; keeps the
    /// rest of a message that was cut.
    fn send_run(
        &mut self,
        bytes: &[u8],
        cut: impl Fn(usize) -> Cut,
        tally: &Tally,
    ) -> io::Result<(Option<u64>, bool)> {
        if bytes.is_empty() {
            return Ok((None, true));
        }
        let sent = self.write(bytes, tally)?;
        let cut = cut(sent);
        tally.messages.add(cut.messages);
        if sent < cut.end {
            self.rest = Some(Rest { bytes: bytes[sent..cut.end].into(), at: 0 });
        }
        Ok((cut.seq, sent == bytes.len()))
    }

    /// Begins a short message. `false`: nothing of it was taken.
    fn begin(&mut self, message: &[u8], tally: &Tally) -> io::Result<bool> {
        if message.is_empty() {
            return Ok(true);
        }
        let sent = self.write(message, tally)?;
        if sent > 0 && sent < message.len() {
            self.rest = Some(Rest { bytes: message[sent..].into(), at: 0 });
        }
        Ok(sent > 0)
    }

    fn send_rest(&mut self, tally: &Tally) -> io::Result<Step> {
        let Some(mut rest) = self.rest.take() else { return Ok(Step::Clear) };
        rest.at += self.write(&rest.bytes[rest.at..], tally)?;
        if rest.at == rest.bytes.len() {
            return Ok(Step::Clear);
        }
        self.rest = Some(rest);
        Ok(Step::Blocked)
    }

    fn finish(&mut self, linger: Linger) {
        // A failure means that the peer is gone, which the next read tells.
        let _ = self.socket.shutdown(Shutdown::Write);
        self.phase = if linger == Linger::Yes { Phase::Lingering } else { Phase::Done };
    }

    /// One write; 0 when the socket takes nothing for now. The standard library sends with MSG_NOSIGNAL.
    fn write(&mut self, bytes: &[u8], tally: &Tally) -> io::Result<usize> {
        match (&self.socket).write(bytes) {
            Ok(sent) => {
                tally.bytes.add(sent as u64);
                self.progress |= sent > 0;
                Ok(sent)
            }
            Err(error) if is_passing(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl Place {
    /// Passes over the events before `first`, which are no longer kept.
    fn lose_until(&mut self, first: u64, tally: &Tally) {
        let from = self.cursor + 1;
        if from >= first {
            return;
        }
        let to = first - 1;
        tally.lapped.add(first - from);
        self.gap = Some(match self.gap {
            Some((known_from, known_to)) => (known_from, known_to.max(to)),
            None => {
                tally.gaps.add(1);
                (from, to)
            }
        });
        self.cursor = to;
        self.whole_from = first;
    }
}

impl Backlog {
    /// Adds `message` and answers how many were dropped for it. The newest message always stays.
    fn push(&mut self, message: Arc<[u8]>, bound: BacklogBound) -> u64 {
        self.bytes += message.len();
        self.queue.push_back(message);
        let mut lost = 0;
        while self.queue.len() > 1
            && (self.queue.len() > bound.messages || self.bytes > bound.bytes)
        {
            self.pop();
            lost += 1;
        }
        lost
    }

    fn pop(&mut self) {
        if let Some(message) = self.queue.pop_front() {
            self.bytes -= message.len();
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new(); // an idle client owns no buffer
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
