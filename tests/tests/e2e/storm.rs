//! A storm: faults one after another, at moments and in an order that a seed decides, while events are posted.
//!
//! The rule: what was acknowledged is there once, under the sequence that was told; sequences have no
//! holes; and a plugin that echoes every event has echoed each once, whatever died meanwhile. A short
//! storm is a test like any other; `cargo xtask faults` makes it as long as one likes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::io::{BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::Request;
use crate::server::{Home, PATIENCE, TOKEN, TestServer, general, kill_pid, plugin_table, wait};

const POSTERS: u64 = 3;
/// What a poster's numbers begin with is its own number times this.
const NUMBERS: u64 = 1 << 40;
/// Rounds of the short storm: each fault about twice.
const ROUNDS: u64 = 16;
/// Of so many points in its work, one is where the plugin ends by itself. Five deaths without progress would make the
/// host give it up, so this is not often.
const DIES_ONE_IN: u64 = 200;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillHost,
    EndHost,
    StopHost,
    HangUp,
    KillPlugin,
    StopPlugin,
    ReloadPlugin,
    RestartPlugin,
}

const FAULTS: [Fault; 8] = [
    Fault::KillHost,
    Fault::EndHost,
    Fault::StopHost,
    Fault::HangUp,
    Fault::KillPlugin,
    Fault::StopPlugin,
    Fault::ReloadPlugin,
    Fault::RestartPlugin,
];

/// How long, and of what; the environment says it for `cargo xtask faults`.
struct Plan {
    seed: u64,
    rounds: u64,
    until: Option<Instant>,
    faults: Vec<Fault>,
}

impl Plan {
    fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        let number = |name: &str| text(name).map(|text| text.parse().expect(name));
        let minutes: Option<u64> = number("FAULTS_MINUTES");
        let only = text("FAULTS_ONLY");
        let is_wanted = |fault: &Fault| only.as_ref().is_none_or(|only| *only == name(*fault));
        let faults: Vec<_> = FAULTS.into_iter().filter(is_wanted).collect();
        let names: Vec<_> = FAULTS.into_iter().map(name).collect();
        assert!(!faults.is_empty(), "FAULTS_ONLY is one of {}", names.join(", "));
        Self {
            seed: number("FAULTS_SEED").unwrap_or(1),
            rounds: number("FAULTS_ROUNDS").unwrap_or(if minutes.is_some() {
                u64::MAX
            } else {
                ROUNDS
            }),
            until: minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60)),
            faults,
        }
    }
}

/// `KillHost` as `kill-host`.
fn name(fault: Fault) -> String {
    let mut name = String::new();
    for letter in format!("{fault:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Numbers that a seed decides (SplitMix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What posters share.
struct Posting {
    address: RwLock<SocketAddr>,
    is_over: AtomicBool,
    /// Number of an event, and the sequence that was told.
    told: Mutex<HashMap<u64, u64>>,
}

impl Posting {
    /// Posts one event after another; one that got no answer is posted again until it has one.
    fn post(&self, poster: u64) {
        let mut wire = None;
        for number in poster * NUMBERS.. {
            let body = general(&format!("event-{number}"), "k", number as f64).to_string();
            let request = Request::new("POST", "/event").token(TOKEN).body(body).bytes();
            let mut is_first = true;
            let answer = loop {
                if self.is_over.load(Ordering::Relaxed) {
                    return;
                }
                match self.ask(&mut wire, &request) {
                    Some((200, answer)) => break answer,
                    // The ring is full, or the node is stopping or gone.
                    Some((503, _)) | None => std::thread::park_timeout(Duration::from_millis(2)),
                    Some((status, answer)) => panic!("{status}: {answer}"),
                }
                is_first = false;
            };
            assert!(!is_first || answer["duplicate"] == false, "{answer}");
            let seq = answer["seq"].as_u64().expect("a sequence");
            let before = self.told.lock().unwrap().insert(number, seq);
            assert_eq!(before, None, "{number} was told twice");
        }
    }

    fn ask(&self, wire: &mut Option<BufReader<TcpStream>>, request: &[u8]) -> Option<(u16, Value)> {
        if wire.is_none() {
            let socket = TcpStream::connect(*self.address.read().unwrap()).ok()?;
            socket.set_read_timeout(Some(PATIENCE)).ok()?;
            *wire = Some(BufReader::new(socket));
        }
        let answer = answer(wire.as_mut()?, request);
        if answer.is_none() {
            *wire = None;
        }
        answer
    }

    fn told(&self) -> usize {
        self.told.lock().unwrap().len()
    }
}

/// Status and document of an answer; none when the connection broke before its end.
fn answer(wire: &mut BufReader<TcpStream>, request: &[u8]) -> Option<(u16, Value)> {
    wire.get_mut().write_all(request).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        wire.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let (_, length) = head.split_once("content-length: ")?;
    let mut body = vec![0; length.split_once('\r')?.0.parse().ok()?];
    wire.read_exact(&mut body).ok()?;
    Some((status, serde_json::from_slice(&body).ok()?))
}

/// What the node showed, every event looked at once.
#[derive(Default)]
struct Shown {
    last: u64,
    /// Number of an event, and its sequence.
    posted: HashMap<u64, u64>,
    /// The same of its echo.
    echoed: HashMap<u64, u64>,
}

impl Shown {
    fn look(&mut self, server: &TestServer) {
        loop {
            let page = server.json(&format!("/snapshot?limit=5000&since_seq={}", self.last));
            let events = page["events"].as_array().expect("events");
            if events.is_empty() {
                return;
            }
            for event in events {
                let seq = event["seq"].as_u64().expect("a sequence");
                assert_eq!(seq, self.last + 1, "sequences have no holes");
                self.last = seq;
                let number = event["value"].as_f64().expect("a value") as u64;
                let seen = match event["kind"].as_str() {
                    Some("k") => self.posted.insert(number, seq),
                    Some("echo") => self.echoed.insert(number, seq),
                    other => panic!("nobody posts {other:?}"),
                };
                assert_eq!(seen, None, "{event} is there twice");
            }
        }
    }
}

struct Storm<'a> {
    home: &'a Home,
    server: Option<TestServer>,
    posting: &'a Posting,
    dice: Dice,
    shown: Shown,
    tally: BTreeMap<Fault, u32>,
    deaths: u64,
    /// Events that the plugin had processed when it was last killed.
    processed: u64,
}

impl Storm<'_> {
    fn server(&self) -> &TestServer {
        self.server.as_ref().expect("a node runs")
    }

    fn round(&mut self, faults: &[Fault]) {
        let enough = self.posting.told() + 1 + self.dice.below(80) as usize;
        wait("acknowledgements", || self.posting.told() >= enough);
        let fault = faults[self.dice.below(faults.len() as u64) as usize];
        *self.tally.entry(fault).or_default() += 1;
        match fault {
            Fault::KillHost => self.renew(TestServer::kill),
            Fault::EndHost => self.renew(|mut server| {
                server.signal(Signal::TERM);
                assert_eq!(server.ended(), Some(0), "{}", server.home.log());
            }),
            Fault::StopHost => self.pause(self.server().pid()),
            Fault::HangUp => self.server().signal(Signal::HUP),
            Fault::KillPlugin => {
                // A plugin that dies again and again without getting on is given up.
                let before = self.processed;
                let card = self.server().until("counter", |card| {
                    card["state"] == "RUNNING" && card["event_count"].as_u64() > Some(before)
                });
                self.processed = card["event_count"].as_u64().unwrap_or(0);
                // It may have died by itself since.
                if !card["pid"].is_null() {
                    kill_pid(&card["pid"]);
                }
            }
            Fault::StopPlugin => {
                let pid = self.server().card("counter")["pid"].as_i64();
                if let Some(pid) = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                    self.pause(pid);
                }
            }
            // Refused while it is on its way back, or while another reload is on probation.
            Fault::ReloadPlugin => drop(self.server().operate("/api/plugin/counter/reload")),
            Fault::RestartPlugin => drop(self.server().operate("/api/plugin/counter/restart")),
        }
        let server = self.server.as_ref().expect("a node runs");
        self.shown.look(server);
        assert_ne!(server.card("counter")["state"], "CRASHED", "{}", self.home.log());
    }

    /// Ends the node in one way or another, and starts it again.
    fn renew(&mut self, end: impl FnOnce(TestServer)) {
        let server = self.server.take().expect("a node runs");
        self.deaths += server.card("counter")["crash_count"].as_u64().unwrap_or(0);
        let published = self.shown.last;
        self.processed = 0;
        end(server);
        let server = self.home.start();
        let kept = server.json("/health")["events"].as_u64().expect("a number");
        assert!(kept >= published, "{kept} of {published} events");
        *self.posting.address.write().unwrap() = server.address;
        self.server = Some(server);
    }

    /// Stops a process for a while, as a busy machine or a debugger does.
    fn pause(&self, pid: Pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::STOP);
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {
            std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
        let _ = kill_process(pid, Signal::CONT);
    }

    /// Compares what was told with what is there.
    fn settle(mut self, plan: &Plan) {
        let server = self.server.take().expect("a node runs");
        let card =
            server.until("counter", |card| card["lag_events"] == 0 && card["state"] == "RUNNING");
        self.shown.look(&server);
        let told = self.posting.told.lock().unwrap();
        for (number, seq) in told.iter() {
            assert_eq!(self.shown.posted.get(number), Some(seq), "event {number}");
        }
        // The node knows the ids, and what it told first.
        for (number, seq) in told.iter().take(500) {
            let again = server.event(&general(&format!("event-{number}"), "k", 1.0)).json();
            assert_eq!((&again["duplicate"], &again["seq"]), (&true.into(), &(*seq).into()));
        }
        let [mut posted, mut echoed] = [&self.shown.posted, &self.shown.echoed]
            .map(|events| events.keys().copied().collect::<Vec<_>>());
        posted.sort_unstable();
        echoed.sort_unstable();
        assert_eq!(posted, echoed, "each event has one echo");
        let counted = server.json("/x/counter/counts")["counts"]["k"].clone();
        assert_eq!(counted, posted.len(), "the plugin's state saw each event once");
        let deaths = self.deaths + card["crash_count"].as_u64().unwrap_or(0);
        let mut report = format!(
            "seed {}: {} events acknowledged, {} echoes; none lost, none twice\n",
            plan.seed,
            told.len(),
            echoed.len()
        );
        for (fault, times) in &self.tally {
            let _ = writeln!(report, "{:>16} {times}", name(*fault));
        }
        let _ = writeln!(report, "{:>16} {deaths}", "plugin's deaths");
        eprint!("{report}");
    }
}

#[test]
fn a_storm_of_faults_loses_nothing_and_doubles_nothing() {
    let plan = Plan::read();
    // Without ids of their own no deduplication makes a second echo look like the first.
    let counter = plugin_table("counter");
    let home = Home::new(&format!(
        "[ring]\nmax_events = 65536\n[log]\nlevel = 'warn'\n{counter}[plugin.config]\n\
         ids = false\ndies_one_in = {DIES_ONE_IN}\n"
    ));
    eprintln!("FAULTS_SEED={} repeats this storm", plan.seed);
    let server = home.start();
    let posting = Posting {
        address: RwLock::new(server.address),
        is_over: AtomicBool::new(false),
        told: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for poster in 0..POSTERS {
            let posting = &posting;
            scope.spawn(move || posting.post(poster));
        }
        // A round that fails must not leave the posters at work for ever.
        let over = Over(&posting.is_over);
        let (dice, shown) = (Dice(plan.seed), Shown::default());
        let server = Some(server);
        let (tally, deaths) = (BTreeMap::new(), 0);
        let mut storm = Storm {
            home: &home,
            server,
            posting: &posting,
            dice,
            shown,
            tally,
            deaths,
            processed: 0,
        };
        for _ in 0..plan.rounds {
            if plan.until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            storm.round(&plan.faults);
        }
        drop(over);
        storm.settle(&plan);
    });
}

/// Ends the posters, however the rounds ended.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
