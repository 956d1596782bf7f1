//! One case, once: a fresh server, its clients, its events, and what that cost.
//!
//! The rule: CPU time and deliveries are read at the same two moments, both while events flow evenly.

use crate::dialect::Dialect;
use crate::peer::Peer;
use crate::publish::{Pace, publish};
use crate::swarm::{Pause, Signals, Swarm};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shimmer_benches::{Cpu, Server, memory, quantile};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Threads of the clients.
const THREADS: usize = 2;
/// Time for memory to settle and caches to warm.
const WARM: Duration = Duration::from_secs(1);
/// Bytes of a page of the kernel's socket memory.
const PAGE_KIB: f64 = 4.0;
/// A ring so short that a client which stops reading for some seconds is overtaken.
const SHORT_RING: &str = "[ring]\ncapacity = 1024\nmax_events = 500\n";

/// Clients of one kind, and what they are sent.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) clients: usize,
    pub(crate) pace: Pace,
    /// The first client stops reading while the others go on.
    pub(crate) pauses: bool,
}

/// What one case came to.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Events that reached clients.
    pub(crate) deliveries: u64,
    /// CPU time of the server for each of them.
    pub(crate) cpu_us: f64,
    pub(crate) cores: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) end_ms: f64,
    /// Bytes that a client read for each event.
    pub(crate) bytes: f64,
    /// Private memory of the server for each client, before the first event and after the last.
    pub(crate) idle_kib: f64,
    pub(crate) after_kib: f64,
    /// Memory of the kernel's sockets while events flow, both sides.
    pub(crate) kernel_kib: f64,
    pub(crate) told_lost: u64,
    pub(crate) missed: u64,
    pub(crate) doubled: u64,
}

/// Ten thousand clients need as many descriptors.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("the soft limit may be the hard one");
}

/// Runs `case` for `seconds`.
pub(crate) fn measure(case: &Case, seconds: u64) -> Figures {
    let server = Peer::of(case.dialect).start(if case.pauses { SHORT_RING } else { "" });
    std::thread::sleep(WARM);
    let (anon, sockets) = (memory(server.pid()).anon, socket_pages());
    let mut swarm = Swarm::connect(case.dialect, server.address, case.clients);
    std::thread::sleep(WARM);
    let idle = memory(server.pid()).anon;
    let per_client = |bytes: u64| bytes.saturating_sub(anon) as f64 / 1024.0 / swarm.len() as f64;
    let idle_kib = per_client(idle);
    let pause = case.pauses.then(|| {
        swarm.narrow_first();
        let from = Instant::now() + WARM;
        Pause { from, until: from + Duration::from_secs(seconds) * 3 / 4 }
    });
    let (signals, stop) = (Signals::default(), AtomicBool::new(false));
    let (address, dialect, pace) = (server.address, case.dialect, case.pace);
    let (heard, (deliveries, cpu_ns, took, kernel)) = std::thread::scope(|scope| {
        let listening = scope.spawn(|| swarm.listen(THREADS, &signals, pause));
        let publisher = scope.spawn(|| publish(dialect, address, pace, u64::MAX, &stop));
        let figures = watch(&server, &signals, case, seconds);
        // Relaxed: it carries no data.
        stop.store(true, Ordering::Relaxed);
        let last = publisher.join().unwrap_or_else(|_| panic!("no publisher: {}", server.log()));
        // Release: pairs with the listeners' acquire.
        signals.last.store(last, Ordering::Release);
        let heard = listening.join();
        (heard.unwrap_or_else(|_| panic!("no clients: {}", server.log())), figures)
    });
    let mut latencies = heard.latencies_ms;
    let after_kib = memory(server.pid()).anon.saturating_sub(anon) as f64 / 1024.0;
    let count = case.clients as f64;
    // Relaxed: all threads that wrote it have ended.
    let all = signals.delivered.load(Ordering::Relaxed);
    Figures {
        deliveries: all,
        cpu_us: cpu_ns as f64 / 1e3 / deliveries as f64,
        cores: cpu_ns as f64 / took.as_nanos() as f64,
        p50_ms: late(&mut latencies, 0.5),
        p99_ms: late(&mut latencies, 0.99),
        end_ms: heard.end_ms,
        bytes: heard.bytes as f64 / all as f64,
        idle_kib,
        after_kib: after_kib / count,
        kernel_kib: kernel.saturating_sub(sockets) as f64 * PAGE_KIB / count,
        told_lost: heard.told_lost,
        missed: heard.missed,
        doubled: heard.doubled,
    }
}

/// Waits until events flow, then gives deliveries, CPU time and time of the next `seconds`, and the pages of the
/// kernel's sockets at their end.
fn watch(
    server: &Server,
    signals: &Signals,
    case: &Case,
    seconds: u64,
) -> (u64, u64, Duration, u64) {
    std::thread::sleep(WARM);
    // Relaxed: a hint from which event on times count.
    signals.timed_from.store(case.pace.rate * WARM.as_secs(), Ordering::Relaxed);
    let begun = Instant::now();
    let delivered = || signals.delivered.load(Ordering::Relaxed);
    let (deliveries, cpu) = (delivered(), Cpu::of(server.pid()));
    std::thread::sleep(Duration::from_secs(seconds));
    let (more, cpu_ns) = (delivered(), cpu.ns_since());
    (more - deliveries, cpu_ns, begun.elapsed(), socket_pages())
}

/// A quantile of the times; infinite when none of the events came whose times count.
fn late(latencies_ms: &mut [f64], q: f64) -> f64 {
    if latencies_ms.is_empty() { f64::INFINITY } else { quantile(latencies_ms, q) }
}

/// Pages that the kernel holds for TCP.
fn socket_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    line.rsplit(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0)
}
