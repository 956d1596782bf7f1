//! Overload: three times as much as the node works off, from a generator that does not wait.
//!
//! The rule: arrivals come by the clock, whatever became of those before; a latency runs from the
//! moment at which a request was due, so that waiting for a connection counts as well.

use crate::bodies::{Form, Shot};
use crate::counted;
use crate::generator::{Answer, Expect, Generator, Told, connect, count, read};
use rustix::event::{Timespec, epoll};
use shimmer_benches::{Client, Server, memory, quantile};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How much more comes than is worked off.
const TIMES: f64 = 3.0;
/// How long it comes.
const FOR: Duration = Duration::from_secs(4);
/// How long the sustainable rate is looked for.
const WARM: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 256;
/// Requests that wait in the generator for a connection; more are not sent at all.
const WAITING: usize = CONNECTIONS;
/// Time between two looks at the memory.
const LOOK: Duration = Duration::from_millis(50);
/// Pace of the requests by which the recovery is seen, how fast they have to be, and how often.
const PROBE: Duration = Duration::from_millis(10);
const QUICK: Duration = Duration::from_millis(25);
const IN_A_ROW: u32 = 10;
const MIB: f64 = (1 << 20) as f64;

/// One kind of overload.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) config: String,
    pub(crate) shot: fn(SocketAddr) -> Shot,
    /// Requests a second that are worked off, where that is known.
    pub(crate) rate: Option<f64>,
}

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let batch: fn(SocketAddr) -> Shot = |address| Shot::batch(address, Form::General);
    let single: fn(SocketAddr) -> Shot = |address| Shot::single(address, 1);
    vec![
        Case { name: "single posts", config: String::new(), shot: single, rate: None },
        Case { name: "batches of 1,000", config: String::new(), shot: batch, rate: None },
        Case {
            name: "batches, a gating plugin takes 50,000 events/s",
            config: Server::plugin("slow"),
            shot: batch,
            rate: Some(50.0),
        },
    ]
}

/// What an overload came to.
#[derive(Default)]
struct Seen {
    due: u64,
    unsent: u64,
    refused: u64,
    accepted_ms: Vec<f64>,
    refused_ms: Vec<f64>,
    told: Told,
}

struct Lane {
    stream: TcpStream,
    shot: Shot,
    sent: usize,
    due: Instant,
    /// Its answer has come, perhaps before all of it was sent.
    answered: bool,
    buffer: Vec<u8>,
}

struct Flood {
    epoll: OwnedFd,
    lanes: Vec<Lane>,
    free: Vec<usize>,
    waiting: VecDeque<Instant>,
    seen: Seen,
}

impl Flood {
    fn open(address: SocketAddr, shot: &Shot) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let lane = |number: usize| {
            let stream = connect(address).expect("the server accepts");
            let data = epoll::EventData::new_u64(number as u64);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&epoll, &stream, data, flags).expect("a socket can be watched");
            Lane {
                stream,
                shot: shot.clone(),
                // Nothing is under way.
                sent: shot.bytes.len(),
                due: Instant::now(),
                answered: true,
                buffer: Vec::new(),
            }
        };
        let lanes: Vec<_> = (0..CONNECTIONS).map(lane).collect();
        let free = (0..lanes.len()).collect();
        Self { epoll, lanes, free, waiting: VecDeque::new(), seen: Seen::default() }
    }

    /// Sends `rate` requests a second for a while, then waits for the answers; `look` is called often.
    fn run(&mut self, rate: f64, mut look: impl FnMut()) {
        let begun = Instant::now();
        let mut next_look = begun;
        let mut events = Vec::with_capacity(CONNECTIONS);
        loop {
            let now = Instant::now();
            let elapsed = now.duration_since(begun);
            let arrived = (elapsed.min(FOR).as_secs_f64() * rate) as u64;
            while self.seen.due < arrived {
                let due = begun + Duration::from_secs_f64(self.seen.due as f64 / rate);
                self.seen.due += 1;
                if self.waiting.len() < WAITING {
                    self.waiting.push_back(due);
                } else {
                    self.seen.unsent += 1;
                }
            }
            if elapsed >= FOR {
                self.seen.unsent += self.waiting.len() as u64;
                self.waiting.clear();
            }
            self.begin();
            if now >= next_look {
                look();
                next_look = now + LOOK;
            }
            if elapsed >= FOR && self.free.len() == self.lanes.len() {
                return;
            }
            assert!(elapsed < FOR * 10, "answers are missing");
            events.clear();
            let wait = Timespec { tv_sec: 0, tv_nsec: 500_000 };
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll: {error}"),
            }
            for event in &events {
                self.serve(usize::try_from(event.data.u64()).expect("a small number"));
            }
        }
    }

    /// Gives waiting requests to free connections.
    fn begin(&mut self) {
        while let (Some(due), Some(number)) = (self.waiting.front(), self.free.last()) {
            let (due, number) = (*due, *number);
            self.waiting.pop_front();
            self.free.pop();
            let lane = &mut self.lanes[number];
            lane.shot.renew();
            (lane.sent, lane.due, lane.answered) = (0, due, false);
            lane.send();
        }
    }

    fn serve(&mut self, number: usize) {
        let lane = &mut self.lanes[number];
        lane.send();
        read(&mut lane.stream, &mut lane.buffer).expect("the server keeps the connection");
        if let Some(answer) = Answer::first(&lane.buffer) {
            assert!(!lane.answered, "an answer to nothing");
            let took = lane.due.elapsed().as_secs_f64() * 1e3;
            match answer.status {
                200 => {
                    self.seen.told.requests += 1;
                    count(&mut self.seen.told, answer.body);
                    self.seen.accepted_ms.push(took);
                }
                429 | 503 => {
                    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
                    self.seen.refused += 1;
                    self.seen.refused_ms.push(took);
                }
                other => panic!("{other}: {}", answer.body),
            }
            lane.answered = true;
            let bytes = answer.bytes;
            lane.buffer.drain(..bytes);
        } else if lane.answered {
            return;
        }
        if lane.answered && lane.sent == lane.shot.bytes.len() && !self.free.contains(&number) {
            self.free.push(number);
        }
    }
}

impl Lane {
    fn send(&mut self) {
        while self.sent < self.shot.bytes.len() {
            match self.stream.write(&self.shot.bytes[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server ended a connection: {error}"),
            }
        }
    }
}

/// Requests a second that are worked off when everybody waits for the answer, and what was told.
fn sustainable(address: SocketAddr, shot: &Shot) -> (f64, Told) {
    let connections = if shot.events > 1 { 8 } else { 64 };
    let mut generator = Generator::open(address, connections, shot, Expect::Stored);
    generator.run(connections as u64 * 4);
    let (begun, before) = (Instant::now(), generator.told.requests);
    while begun.elapsed() < WARM {
        generator.run(connections as u64 * 8);
    }
    let requests = (generator.told.requests - before) as f64;
    (requests / begun.elapsed().as_secs_f64(), generator.told)
}

/// Time from the end of the overload until single posts are taken quickly again, and what was told.
fn recovery(address: SocketAddr, end: Instant) -> (Duration, Told) {
    let mut told = Told::default();
    let mut shot = Shot::single(address, 1);
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let (mut quick, mut since) = (0, Instant::now());
    while quick < IN_A_ROW {
        assert!(end.elapsed() < Duration::from_secs(60), "it does not recover");
        let begun = Instant::now();
        shot.renew();
        stream.write_all(&shot.bytes).expect("the server reads");
        let mut buffer = Vec::new();
        let (status, body) = loop {
            if let Some(answer) = Answer::first(&buffer) {
                break (answer.status, answer.body.to_owned());
            }
            read(&mut stream, &mut buffer).expect("an answer");
        };
        if status == 200 {
            told.requests += 1;
            count(&mut told, &body);
        }
        if status == 200 && begun.elapsed() < QUICK {
            since = if quick == 0 { begun } else { since };
            quick += 1;
        } else {
            quick = 0;
        }
        std::thread::park_timeout(PROBE);
    }
    (since.saturating_duration_since(end), told)
}

/// Runs one case and prints its row.
pub(crate) fn run(case: &Case) {
    let server = Server::start(&case.config);
    let (address, pid) = (server.address, server.pid());
    let shot = (case.shot)(address);
    let mut told = Told::default();
    let rate = case.rate.unwrap_or_else(|| {
        let (rate, before) = sustainable(address, &shot);
        told = told.and(before);
        rate
    });
    let before = memory(pid).anon;
    let mut most = before;
    let mut flood = Flood::open(address, &shot);
    let begun = Instant::now();
    flood.run(rate * TIMES, || most = most.max(memory(pid).anon));
    let Flood { mut seen, .. } = flood;
    let (recovered, probed) = recovery(address, begun + FOR);
    let after = memory(pid).anon;
    told = told.and(seen.told).and(probed);
    let said = counted(address);
    assert_eq!(said.stored, told.stored, "what was acknowledged is stored, and nothing else");
    assert_eq!((said.requests, said.duplicates), (told.requests, 0));
    let (_, page) = Client::open(address).expect("a connection").get("/snapshot?limit=1");
    let page: serde_json::Value = serde_json::from_slice(&page).expect("JSON");
    assert_eq!(page["next_seq"].as_u64(), Some(told.stored), "and is there");
    let sent = seen.due - seen.unsent;
    let share = |part: u64| part as f64 * 100.0 / seen.due as f64;
    let events = shot.events as f64;
    let (p50, p99, last) = (
        quantile(&mut seen.accepted_ms, 0.5),
        quantile(&mut seen.accepted_ms, 0.99),
        quantile(&mut seen.accepted_ms, 1.0),
    );
    println!(
        "| {} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} % | {p50:.1} | {p99:.1} | {last:.1} | {:.1} | \
         {:.1} / {:.1} / {:.1} | {:.0} |",
        case.name,
        rate * events,
        sent as f64 * events / FOR.as_secs_f64(),
        seen.accepted_ms.len() as f64 * events / FOR.as_secs_f64(),
        share(seen.refused),
        share(seen.unsent),
        quantile(&mut seen.refused_ms, 0.99),
        before as f64 / MIB,
        most as f64 / MIB,
        after as f64 / MIB,
        recovered.as_secs_f64() * 1e3,
    );
}

/// The head of the table.
pub(crate) fn head() {
    println!(
        "**Three times too much** ({FOR:?}; {CONNECTIONS} connections; latency from the moment at \
         which a request was due)\n"
    );
    println!(
        "| case | worked off, events/s | sent, events/s | accepted, events/s | refused | not sent | \
         p50 ms | p99 ms | most ms | refused p99 ms | anon MiB before / most / after | recovery ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}
