//! Thousands of clients on a few threads: each counts what it gets and in which order.
//!
//! The rule: every event is checked at every client; times are taken at one client of fifty, so that
//! taking them is no load.

use crate::dialect::{Dialect, Inbox, Role};
use crate::publish::{now_ns, number, sent_ns};
use rustix::event::{Timespec, epoll};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Of how many clients one takes times.
const TIMED: usize = 50;
/// Clients that connect at once.
const AT_ONCE: usize = 64;
/// Longest wait for the last event after it was published.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a client's receive buffer that reads slowly.
const DEAF_BUFFER_BYTES: usize = 64 << 10;

/// What the case tells its clients while they listen.
#[derive(Default)]
pub(crate) struct Signals {
    /// Events that clients got so far.
    pub(crate) delivered: AtomicU64,
    /// The first event whose time counts.
    pub(crate) timed_from: AtomicU64,
    /// The last event, once it is known: after it clients are done.
    pub(crate) last: AtomicU64,
}

/// What clients got.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Events that were not told, neither as such nor in a gap.
    pub(crate) missed: u64,
    /// Events told twice or out of order.
    pub(crate) doubled: u64,
    /// Events told as lost.
    pub(crate) told_lost: u64,
    /// Milliseconds from an event's making to its arrival.
    pub(crate) latencies_ms: Vec<f64>,
    /// Milliseconds from the last event's making until every client had it, or until they no longer waited;
    /// infinite when none of the events came whose times count.
    pub(crate) end_ms: f64,
    /// Bytes that came.
    pub(crate) bytes: u64,
}

/// Clients that are connected and do not listen yet.
pub(crate) struct Swarm {
    dialect: Dialect,
    clients: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    inbox: Inbox,
    /// The next event that it has to get.
    next: u64,
    timed: bool,
}

/// When one client stops reading, and when it reads again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Swarm {
    /// Connects `count` clients, some at once: Mosquitto answers each step of a lone one after 100 ms.
    pub(crate) fn connect(dialect: Dialect, address: SocketAddr, count: usize) -> Self {
        let client = |index: usize| {
            let opened = dialect.connect(address, Role::Listens);
            let (stream, inbox) = opened.unwrap_or_else(|why| panic!("client {index}: {why}"));
            stream.set_nonblocking(true).expect("a socket");
            Client { stream, inbox, next: 1, timed: index % TIMED == 1 }
        };
        let clients = std::thread::scope(|scope| {
            let share = count.div_ceil(AT_ONCE);
            let parts: Vec<_> = (0..count)
                .step_by(share)
                .map(|from| from..count.min(from + share))
                .map(|part| scope.spawn(move || part.map(client).collect::<Vec<_>>()))
                .collect();
            let parts = parts.into_iter().map(|part| part.join().expect("all clients connect"));
            parts.flatten().collect()
        });
        Self { dialect, clients }
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Makes the buffer of the first client small, which will not read for a while.
    pub(crate) fn narrow_first(&self) {
        let first = &self.clients[0].stream;
        rustix::net::sockopt::set_socket_recv_buffer_size(first, DEAF_BUFFER_BYTES)
            .expect("a socket");
    }

    /// Listens on `threads` threads until every client has the last event. `pause`: the first client does not
    /// read meanwhile.
    pub(crate) fn listen(
        &mut self,
        threads: usize,
        signals: &Signals,
        pause: Option<Pause>,
    ) -> Heard {
        let share = self.clients.len().div_ceil(threads).max(1);
        let dialect = self.dialect;
        let heard = std::thread::scope(|scope| {
            let parts = self.clients.chunks_mut(share).enumerate();
            let threads: Vec<_> = parts
                .map(|(part, clients)| {
                    let pause = pause.filter(|_| part == 0);
                    scope.spawn(move || Listener::new(dialect, clients, signals).run(pause))
                })
                .collect();
            let done = threads.into_iter().map(|it| it.join().expect("a listener does not panic"));
            done.collect::<Vec<_>>()
        });
        heard.into_iter().fold(Heard::default(), |mut sum, part| {
            sum.missed += part.missed;
            sum.doubled += part.doubled;
            sum.told_lost += part.told_lost;
            sum.latencies_ms.extend(part.latencies_ms);
            sum.end_ms = sum.end_ms.max(part.end_ms);
            sum.bytes += part.bytes;
            sum
        })
    }
}

/// One thread's clients.
struct Listener<'a> {
    dialect: Dialect,
    clients: &'a mut [Client],
    signals: &'a Signals,
    epoll: OwnedFd,
    plain: Vec<u8>,
    heard: Heard,
    buffer: Vec<u8>,
    /// When the last event was made.
    last_ns: u64,
}

impl<'a> Listener<'a> {
    fn new(dialect: Dialect, clients: &'a mut [Client], signals: &'a Signals) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        for (index, client) in clients.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &client.stream, data, epoll::EventFlags::IN).expect("epoll");
        }
        Self {
            dialect,
            clients,
            signals,
            epoll,
            plain: Vec::new(),
            heard: Heard::default(),
            buffer: vec![0; 256 << 10],
            last_ns: 0,
        }
    }

    fn run(mut self, pause: Option<Pause>) -> Heard {
        let mut events = Vec::with_capacity(1024);
        let (mut ended, mut deadline) = (0, None);
        let mut pause = pause.map(|pause| (pause, false));
        loop {
            let now = Instant::now();
            if let Some((times, begun)) = &mut pause {
                if !*begun && now >= times.from {
                    self.watch_first(epoll::EventFlags::empty());
                    *begun = true;
                } else if *begun && now >= times.until {
                    self.watch_first(epoll::EventFlags::IN);
                    pause = None;
                }
            }
            events.clear();
            let wait = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, room, Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => panic!("epoll: {errno}"),
            }
            // Acquire and relaxed: the number is all there is to it.
            let last = self.signals.last.load(Ordering::Acquire);
            for event in &events {
                ended += usize::from(self.read(event.data.u64() as usize, last));
            }
            if last > 0 && deadline.is_none() {
                deadline = Some(Instant::now() + PATIENCE);
                // Those that were there before the last number was known.
                ended = self.clients.iter().filter(|client| client.next > last).count();
            }
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if last > 0 && (ended == self.clients.len() || late) {
                let missing = self.clients.iter().map(|it| (last + 1).saturating_sub(it.next));
                self.heard.missed += missing.sum::<u64>();
                let since = now_ns().saturating_sub(self.last_ns) as f64 / 1e6;
                self.heard.end_ms = if self.last_ns > 0 { since } else { f64::INFINITY };
                return self.heard;
            }
        }
    }

    fn watch_first(&self, flags: epoll::EventFlags) {
        let data = epoll::EventData::new_u64(0);
        epoll::modify(&self.epoll, &self.clients[0].stream, data, flags).expect("epoll");
    }

    /// Reads once from a client; whether that brought it past `last`, if that is known.
    fn read(&mut self, index: usize, last: u64) -> bool {
        let client = &mut self.clients[index];
        let before = client.next;
        let len = match client.stream.read(&mut self.buffer) {
            Ok(0) => panic!("the server closed the connection of client {index}"),
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(error) => panic!("client {index}: {error}"),
        };
        self.heard.bytes += len as u64;
        let (heard, last_ns) = (&mut self.heard, &mut self.last_ns);
        let (next, timed) = (&mut client.next, client.timed);
        let timed_from = self.signals.timed_from.load(Ordering::Relaxed);
        let mut count = 0;
        client.inbox.take(self.dialect, &self.buffer[..len], &mut self.plain, &mut |text| {
            let Some(number) = number(text) else {
                return lost(text, next, heard);
            };
            count += 1;
            match number.checked_sub(*next) {
                None => heard.doubled += 1,
                Some(missed) => {
                    heard.missed += missed;
                    *next = number + 1;
                }
            }
            if timed && timed_from > 0 && number >= timed_from {
                let sent = sent_ns(text).expect("every event has its time");
                *last_ns = sent.max(*last_ns);
                heard.latencies_ms.push(now_ns().saturating_sub(sent) as f64 / 1e6);
            }
        });
        // Relaxed: read for its sum only.
        self.signals.delivered.fetch_add(count, Ordering::Relaxed);
        last > 0 && before <= last && client.next > last
    }
}

/// A message that is no event: a heartbeat, or a gap, whose sequences are the numbers of our events.
fn lost(text: &[u8], next: &mut u64, heard: &mut Heard) {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(text) else {
        panic!("not understood: {}", String::from_utf8_lossy(text));
    };
    if json["type"] == "gap" {
        let (from, to) = (json["from"].as_u64(), json["to"].as_u64());
        let (from, to) = (from.expect("a gap's begin"), to.expect("a gap's end"));
        heard.missed += from.saturating_sub(*next);
        heard.doubled += next.saturating_sub(from);
        heard.told_lost += to + 1 - from;
        *next = to + 1;
    }
}
