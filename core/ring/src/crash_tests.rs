//! The ring dies and comes back: a child process publishes and is killed, the parent looks.
//!
//! Rule: what the child said it had acknowledged must be there, once, under the sequence it said.
//!
//! The child is this test binary again, told by a variable. `SHIMMER_RING_KILLS` sets how often
//! each way of dying is tried.

mod power;

use crate::{
    ConsumerSpec, CopyBuf, Entry, Gate, Outcome, Reserve, Ring, RingConfig, Start, Storage,
    Submission, SyncMode, WakeTarget, fail,
};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const CHILD: &str = "SHIMMER_RING_CRASH_CHILD";

fn config() -> RingConfig {
    RingConfig { capacity: 64, text_bytes: 8192, names: 64, dedup_window: 256, start_seq: 1 }
}

/// Records go through the mapping with [`SyncMode::Never`], in one call each with [`SyncMode::Second`].
fn open(dir: &Path, sync: SyncMode) -> (Ring, crate::Recovery) {
    let storage = Storage::Journal { dir: dir.to_owned(), sync, log_bytes: Some(16_384) };
    Ring::open(&config(), &storage).expect("a ring with journal")
}

fn spec(key: &str) -> ConsumerSpec<'_> {
    let wake = WakeTarget::Silent;
    ConsumerSpec { key, durable: true, gate: Gate::Host, start: Start::Oldest, wake }
}

fn entry<'a>(id: &'a str, head: &'a str, value: u64) -> Entry<'a> {
    Entry {
        time_ns: 0,
        received_ns: 0,
        value: value as f64,
        kind: "k",
        subject: "",
        source: "s",
        origin: "o",
        id,
        flags: 0,
        head: head.as_bytes(),
        tail: b"}",
        data: 0..0,
        id_span: 0..0,
    }
}

/// [child] Publishes batches of one to three inputs, and for each input, as a consumer's effect
/// with its cursor, one output; writes `number sequence` for whatever is acknowledged.
fn child() -> Option<()> {
    let args = std::env::var(CHILD).ok()?;
    let mut args = args.split(',');
    let dir = args.next()?;
    let next: u64 = args.next()?.parse().ok()?;
    let point: u32 = args.next()?.parse().ok()?;
    let passes: u32 = args.next()?.parse().ok()?;
    let sync = if args.next()? == "1" { SyncMode::Second } else { SyncMode::Never };
    let (ring, _) = open(Path::new(dir), sync);
    let producer = ring.producer();
    let consumer = ring.register(&spec("effects")).expect("registered");
    fail::arm(point, passes);
    let mut out = std::io::stdout();
    let mut outcomes = Vec::new();
    let mut number = next;
    // Bounded, so that a point that is never reached shows as a child that ends by itself.
    for _ in 0..20_000 {
        let count = 1 + number % 3;
        let ids: Vec<String> = (number..number + count).map(|n| format!("in-{n}")).collect();
        let heads: Vec<String> = ids.iter().map(|id| format!("{{\"{id}\":")).collect();
        let entries: Vec<Entry<'_>> = ids
            .iter()
            .zip(&heads)
            .zip(number..)
            .map(|((id, head), n)| entry(id, head, n))
            .collect();
        let submission = Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
        producer.publish(&submission, &mut outcomes).expect("room");
        for (n, outcome) in (number..).zip(&outcomes) {
            let Outcome::Stored(seq) = outcome else { panic!("{outcome:?} for {n}") };
            writeln!(out, "{n} {seq}").expect("told");
        }
        number += count;
        effects(&ring, &consumer, &mut outcomes);
        if number.is_multiple_of(5) {
            ring.checkpoint_cursors();
        }
    }
    std::process::exit(1)
}

/// Deals with everything after the consumer's cursor, one output for each input.
fn effects(ring: &Ring, consumer: &crate::ConsumerHandle, outcomes: &mut Vec<Outcome>) {
    let mut buf = CopyBuf::default();
    loop {
        let cursor = consumer.cursor();
        let copied = ring.reader().copy(cursor, 1, usize::MAX, &mut buf);
        assert_eq!(copied.missed, None, "a gate protects what it has not seen");
        if buf.is_empty() {
            return;
        }
        let input = String::from_utf8(buf.text_of(0).to_vec()).expect("text");
        let inputs = input.contains("in-");
        // The id changes with every try: only the cursor keeps the effect from happening twice.
        let id = format!("out-{cursor}-{}", std::process::id());
        let head = format!("{{\"out-{}\":", copied.cursor);
        let outputs = [entry(&id, &head, copied.cursor)];
        let submission = Submission {
            entries: &outputs[..usize::from(inputs)],
            cursor: Some((consumer.id(), copied.cursor)),
            reserve: Reserve::Effects,
        };
        ring.producer().publish(&submission, outcomes).expect("room");
    }
}

/// What the parent knows of the history over all deaths.
#[derive(Default)]
struct History {
    /// Acknowledged inputs: number to sequence.
    acknowledged: HashMap<u64, u64>,
    /// Everything ever seen in the ring.
    seen: BTreeMap<u64, String>,
    next: u64,
    /// Whether children put their records together in memory.
    gathers: bool,
}

impl History {
    /// Runs a child until it dies, at a point or by our hand after `lines` acknowledgements.
    fn run(&mut self, dir: &Path, point: u32, passes: u32, lines: usize) {
        let exe = std::env::current_exe().expect("this binary");
        let mut child = Command::new(exe)
            .args(["--exact", "crash_tests::kills_lose_nothing", "--nocapture"])
            .env(CHILD, {
                let gathers = u8::from(self.gathers);
                format!("{},{},{point},{passes},{gathers}", dir.display(), self.next)
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let mut told = 0;
        for line in out.lines().map_while(Result::ok) {
            let mut words = line.split(' ').map(str::parse::<u64>);
            if let (Some(Ok(number)), Some(Ok(seq)), None) =
                (words.next(), words.next(), words.next())
            {
                assert_eq!(self.acknowledged.insert(number, seq), None);
                told += 1;
                if told == lines {
                    child.kill().expect("killed");
                }
            }
        }
        assert!(child.wait().expect("ended").code().is_none(), "it died of the signal");
    }

    /// Opens the ring as a restart does and compares.
    fn check(&mut self, dir: &Path) {
        let (ring, recovery) = open(dir, SyncMode::Never);
        assert_eq!(recovery.lost_events, 0);
        assert_eq!(recovery.set_aside, None);
        let mut buf = CopyBuf::default();
        ring.reader().copy(ring.oldest() - 1, usize::MAX, usize::MAX, &mut buf);
        assert_eq!(buf.first + buf.len() as u64, ring.published() + 1);
        let mut inputs = 0;
        for i in 0..buf.len() {
            let seq = buf.first + i as u64;
            let text = String::from_utf8(buf.text_of(i).to_vec()).expect("text");
            assert!(text.ends_with(&format!(":{seq}}}")), "{text} at {seq}");
            inputs += usize::from(text.contains("in-"));
            let known = self.seen.entry(seq).or_insert_with(|| text.clone());
            assert_eq!(*known, text, "sequence {seq} was given out twice");
        }
        let oldest = buf.first;
        for (number, seq) in &self.acknowledged {
            if *seq >= oldest {
                let text = &self.seen[seq];
                assert!(text.starts_with(&format!("{{\"in-{number}\":")), "{number} at {seq}");
            }
        }
        assert!(
            inputs > 0 && ring.published() >= self.seen.keys().next_back().copied().unwrap_or(0)
        );
        let cursor = ring.register(&spec("effects")).expect("registered").cursor();
        self.check_outputs(oldest, cursor);
        let last_input = self
            .seen
            .values()
            .filter_map(|text| text.strip_prefix("{\"in-")?.split('"').next()?.parse().ok())
            .max()
            .unwrap_or(0);
        self.next = last_input + 1;
    }

    /// Every kept input up to the consumer's cursor has exactly one output, no later one has any.
    fn check_outputs(&self, oldest: u64, cursor: u64) {
        let mut outputs = HashMap::new();
        for (seq, text) in &self.seen {
            if let Some(input) = text.strip_prefix("{\"out-").and_then(|t| t.split('"').next()) {
                let input: u64 = input.parse().expect("a sequence");
                assert_eq!(outputs.insert(input, seq), None, "two effects of {input}");
            }
        }
        for (seq, text) in self.seen.range(oldest..) {
            let done = text.contains("in-") && *seq <= cursor;
            assert_eq!(outputs.contains_key(seq), done, "effect of {seq}: {text}, at {cursor}");
        }
    }
}

#[test]
fn kills_lose_nothing() {
    if child().is_some() {
        return;
    }
    let kills: u32 =
        std::env::var("SHIMMER_RING_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(9);
    let dir = tempfile::tempdir().expect("a directory");
    let mut history = History { next: 1, ..History::default() };
    for round in 0..kills {
        history.gathers = round % 2 == 1;
        for point in fail::Point::RecordBegun as u32..=fail::Point::Published as u32 {
            let rare = point == fail::Point::HintMoved as u32;
            history.run(
                dir.path(),
                point,
                if rare { round % 4 } else { 1 + round * 13 },
                usize::MAX,
            );
            history.check(dir.path());
        }
        history.run(dir.path(), 0, 0, 5 + round as usize * 17);
        history.check(dir.path());
    }
    assert!(history.next > u64::from(kills) * 50, "the children got somewhere: {}", history.next);
}
