//! Many producers, four kinds of consumers, all at once.
//!
//! Rule: every consumer checks every column and text it sees against the number it was made from,
//! and that each producer's numbers come in order, once, without a gap it was not told of.
//!
//! `SHIMMER_RING_EVENTS` sets the events of each producer.

#![cfg(not(any(loom, shuttle)))]
#![allow(unsafe_code, reason = "borrowing a run is what is tested")]

mod support;

use shimmer_ring::{
    ConsumerHandle, ConsumerSpec, ControlPage, CopyBuf, Gate, PublishError, ReadMapping, Reserve,
    Ring, RingConfig, Run, Start, Storage, SyncMode, WakeTarget,
};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{ORIGIN, Sample, number, publish, spec};

const PRODUCERS: u64 = 8;
const EVENTS: u64 = 3_000;
const STEP: u64 = 1 << 40;
const CHILD: &str = "SHIMMER_RING_THREADS_CHILD";
const PATIENCE: Duration = Duration::from_secs(300);

fn events() -> u64 {
    std::env::var("SHIMMER_RING_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(EVENTS)
}

/// What a consumer has seen of each producer.
struct Seen {
    next: Vec<u64>,
    count: u64,
    gaps: bool,
}

impl Seen {
    fn new(gaps: bool) -> Self {
        Self { next: vec![0; PRODUCERS as usize], count: 0, gaps }
    }

    fn number(&mut self, n: u64) {
        let (producer, i) = ((n / STEP) as usize, n % STEP);
        if self.gaps {
            assert!(i >= self.next[producer], "{n} twice or out of order");
        } else {
            assert_eq!(i, self.next[producer], "producer {producer}");
        }
        self.next[producer] = i + 1;
        self.count += 1;
    }

    fn is_complete(&self) -> bool {
        self.count == PRODUCERS * events()
    }
}

/// Columns of one event as numbers, however they were read.
struct Row<'a> {
    seq: u64,
    text: &'a [u8],
    time_ns: i64,
    received_ns: i64,
    value: f64,
    flags: u32,
    names: [u32; 4],
    data: (u32, u32),
    id: (u32, u32),
}

fn check(row: &Row<'_>, name: impl Fn(u32, &mut Vec<u8>) -> bool) -> u64 {
    let n = number(row.text);
    let sample = Sample::new(n);
    let entry = sample.entry();
    assert_eq!(row.text, sample.text(row.seq).as_bytes());
    assert_eq!((row.time_ns, row.received_ns), (entry.time_ns, entry.received_ns));
    assert_eq!((row.value.to_bits(), row.flags), (entry.value.to_bits(), entry.flags));
    assert_eq!(row.data, (entry.data.start, entry.data.len() as u32));
    assert_eq!(row.id, (entry.id_span.start, entry.id_span.len() as u32));
    let expected = [entry.kind, entry.subject, entry.source, ORIGIN];
    for (id, expected) in row.names.iter().zip(expected) {
        let mut found = Vec::new();
        // A lossy reader may find a name gone, never another one.
        assert!(!name(*id, &mut found) || found == expected.as_bytes());
    }
    n
}

fn check_run(run: &Run<'_>, mapping: &ReadMapping, seen: &mut Seen) {
    for i in 0..run.len() {
        let row = Row {
            seq: run.first + i as u64,
            text: run.text(i),
            time_ns: run.time_ns[i],
            received_ns: run.received_ns[i],
            value: run.value[i],
            flags: run.flags[i],
            names: [run.kind[i], run.subject[i], run.source[i], run.origin[i]],
            data: (run.data_start[i], run.data_len[i]),
            id: (run.id_start[i], run.id_len[i]),
        };
        let n = check(&row, |id, out| {
            assert!(mapping.name(id, out), "a gate keeps the names it needs");
            true
        });
        seen.number(n);
    }
}

fn check_copy(buf: &CopyBuf, ring: &Ring, seen: &mut Seen) {
    for i in 0..buf.len() {
        let row = Row {
            seq: buf.first + i as u64,
            text: buf.text_of(i),
            time_ns: buf.time_ns[i],
            received_ns: buf.received_ns[i],
            value: buf.value[i],
            flags: buf.flags[i],
            names: [buf.kind[i], buf.subject[i], buf.source[i], buf.origin[i]],
            data: (buf.data_start[i], buf.data_len[i]),
            id: (buf.id_start[i], buf.id_len[i]),
        };
        seen.number(check(&row, |id, out| ring.reader().name(id, out)));
    }
}

/// A plugin process: maps ring and page from its parent, borrows and checks every event.
fn child() -> Option<()> {
    let paths = std::env::var(CHILD).ok()?;
    let (ring, page) = paths.split_once(',')?;
    let open = |path: &str, write| {
        OpenOptions::new().read(true).write(write).open(path).expect("the parent's file").into()
    };
    let mapping = ReadMapping::from_fd(open(ring, false)).expect("the ring");
    let page = ControlPage::from_fd(open(page, true)).expect("the page");
    borrow_all(&mapping, &page);
    Some(())
}

fn borrow_all(mapping: &ReadMapping, page: &ControlPage) {
    let mut seen = Seen::new(false);
    let mut cursor = page.cursor();
    let end = Instant::now() + PATIENCE;
    while !seen.is_complete() {
        assert!(Instant::now() < end, "nothing comes any more");
        page.wait(mapping, cursor + 1, Duration::from_secs(1), &|| false);
        page.enter_call();
        // SAFETY: the page's cursor is the gate, and it moves only after the run is done with.
        let run = unsafe { mapping.run(cursor, 100) };
        check_run(&run, mapping, &mut seen);
        cursor += run.len() as u64;
        page.set_cursor(cursor);
        page.leave_call();
    }
}

fn copy_gated(ring: &Ring, handle: &ConsumerHandle) {
    let (mut buf, mut seen) = (CopyBuf::default(), Seen::new(false));
    let end = Instant::now() + PATIENCE;
    while !seen.is_complete() {
        assert!(Instant::now() < end, "nothing comes any more");
        handle.wait(handle.cursor() + 1, Duration::from_secs(1), &|| false);
        let copied = ring.reader().copy(handle.cursor(), 64, 1 << 20, &mut buf);
        assert_eq!(copied.missed, None);
        check_copy(&buf, ring, &mut seen);
        handle.advance(copied.cursor).expect("forward");
    }
}

fn copy_lossy(ring: &Ring) -> (u64, u64) {
    let (mut buf, mut seen) = (CopyBuf::default(), Seen::new(true));
    let reader = ring.reader();
    let (mut cursor, mut missed) = (0, 0);
    let end = Instant::now() + PATIENCE;
    while cursor < PRODUCERS * events() {
        assert!(Instant::now() < end, "nothing comes any more");
        let copied = reader.copy(cursor, 300, 1 << 20, &mut buf);
        if let Some(range) = copied.missed {
            assert_eq!(*range.start(), cursor + 1);
            missed += range.end() - range.start() + 1;
        }
        check_copy(&buf, ring, &mut seen);
        cursor = copied.cursor;
    }
    (seen.count, missed)
}

fn page_spec<'a>(key: &'a str, page: &Arc<ControlPage>) -> ConsumerSpec<'a> {
    ConsumerSpec {
        key,
        durable: true,
        gate: Gate::Page,
        start: Start::Newest,
        wake: WakeTarget::Control(Arc::clone(page)),
    }
}

#[test]
fn nothing_is_lost_doubled_or_torn() {
    if child().is_some() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let config = RingConfig {
        capacity: 512,
        text_bytes: 96 << 10,
        names: 64,
        dedup_window: 4096,
        start_seq: 1,
    };
    let storage =
        Storage::Journal { dir: dir.path().to_owned(), sync: SyncMode::Never, log_bytes: None };
    let (ring, _) = Ring::open(&config, &storage).expect("a ring");
    let file = |fd: std::os::fd::BorrowedFd<'_>| {
        format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
    };
    let far = Arc::new(ControlPage::create().expect("a page"));
    let far_handle = ring.register(&page_spec("process", &far)).expect("registered");
    let mut process = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "nothing_is_lost_doubled_or_torn"])
        .env(CHILD, format!("{},{}", file(ring.segment_fd()), file(far.fd())))
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    let near = Arc::new(ControlPage::create().expect("a page"));
    let near_handle = ring.register(&page_spec("thread", &near)).expect("registered");
    let mapping =
        ReadMapping::from_fd(ring.segment_fd().as_fd().try_clone_to_owned().expect("a copy"))
            .expect("the ring");
    // Before the first event, since it starts at the newest.
    let host = ring.register(&spec("copier", Gate::Host, Start::Newest)).expect("registered");
    std::thread::scope(|scope| {
        let copier = scope.spawn(|| copy_gated(&ring, &host));
        let borrower = scope.spawn(|| borrow_all(&mapping, &near));
        let lossy = scope.spawn(|| copy_lossy(&ring));
        for producer in 0..PRODUCERS {
            let ring = &ring;
            scope.spawn(move || produce(ring, producer));
        }
        copier.join().expect("the copier");
        borrower.join().expect("the borrower");
        let (seen, missed) = lossy.join().expect("the lossy reader");
        assert_eq!(seen + missed, PRODUCERS * events());
    });
    assert!(process.wait().expect("ended").success(), "the process saw something wrong");
    assert_eq!(far_handle.violations() + near_handle.violations(), 0);
    assert_eq!(far_handle.cursor(), PRODUCERS * events());
    assert!(far_handle.missed() + near_handle.missed() == 0 && far.calls() > 0);
}

fn produce(ring: &Ring, producer: u64) {
    let way = ring.producer();
    let mut i = 0;
    let end = Instant::now() + PATIENCE;
    while i < events() {
        let count = (1 + i % 4).min(events() - i);
        let numbers: Vec<u64> = (i..i + count).map(|i| producer * STEP + i).collect();
        match publish(&way, &numbers, Reserve::Ingest) {
            Ok(_) => i += count,
            Err(PublishError::Full) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < end, "the ring stays full");
    }
}
