//! What two pages cost the program: `/metrics` with some 5,000 series, and `/snapshot` with 500 events.
//!
//! The rule: CPU time of the program's threads, over a connection that is kept, in turn with a plain
//! hyper server that sends as many bytes and with the plain encoder on the same series.

mod peer;

use bytes::Bytes;
use peer::Peer;
use shimmer_benches::{BATCH, Case, Client, Cpu, Server, cpu_ns, median, ndjson, quantile, rounds};
use std::cell::RefCell;
use std::time::Duration;

const ROUNDS: usize = 11;
/// Questions of a measurement, one right after the other.
const ASKED: u32 = 200;
/// Scrapes of a measurement after each of which everything changes.
const CHANGES: u32 = 8;
/// Longer than a plugin keeps changed values to itself.
const TOLD: Duration = Duration::from_millis(300);
const SNAPSHOT: &str = "/snapshot?limit=500";
const GZIP: &str = "accept-encoding: gzip\r\n";

/// What a page of the program says of how long it took to answer, by route: microseconds and answers.
fn told(page: &[u8], route: &str) -> (f64, f64) {
    let page = std::str::from_utf8(page).expect("a page is text");
    let figure = |part: &str| -> f64 {
        let name = format!("shimmer_http_request_duration_seconds_{part}{{route=\"{route}\"}} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    };
    (figure("sum") * 1e6, figure("count"))
}

/// The same of the page now.
fn tell(client: &mut Client, route: &str) -> (f64, f64) {
    told(&page(client, "/metrics"), route)
}

/// The body of a page that is there.
fn page(client: &mut Client, path: &str) -> Vec<u8> {
    let (status, body) = client.get(path);
    assert_eq!(status, 200, "{path}");
    body
}

/// CPU microseconds a question, and keeps what the program says of the time until the answer began.
fn asked(node: &Server, path: &str, headers: &str, handler: &RefCell<Vec<f64>>) -> f64 {
    let mut client = Client::open(node.address).expect("a connection");
    let route = path.split('?').next().unwrap_or(path);
    client.get_with(path, headers);
    let first = tell(&mut client, route);
    let cpu = Cpu::of(node.pid());
    for _ in 0..ASKED {
        assert_eq!(client.get_with(path, headers).0, 200);
    }
    let took = cpu.ns_since();
    let last = tell(&mut client, route);
    handler.borrow_mut().push((last.0 - first.0) / (last.1 - first.1));
    us(took) / f64::from(ASKED)
}

/// The same of a scrape to which every value of the plugin is new: of a client that asks all the time,
/// or of one that comes back after a pause.
fn changed(node: &Server, pause: Duration, handler: &RefCell<Vec<f64>>) -> f64 {
    let mut client = Client::open(node.address).expect("a connection");
    let mut took = 0;
    for _ in 0..CHANGES {
        let old = page(&mut client, "/metrics");
        page(&mut client, "/x/series/step");
        std::thread::park_timeout(pause);
        let new = loop {
            let cpu = Cpu::of(node.pid());
            let new = page(&mut client, "/metrics");
            let ns = cpu.ns_since();
            let [before, after] = [&old, &new].map(|page| page.split(|byte| *byte == b'\n'));
            if after.zip(before).filter(|(new, old)| new != old).count() > 4_000 {
                took += ns;
                break new;
            }
        };
        // A page does not know yet how long it took itself; the next one does.
        let first = told(&new, "/metrics").0;
        handler.borrow_mut().push(tell(&mut client, "/metrics").0 - first);
    }
    us(took) / f64::from(CHANGES)
}

fn plain(peer: &Peer) -> f64 {
    let mut client = Client::open(peer.address).expect("a connection");
    client.get("/");
    let before = Peer::cpu();
    for _ in 0..ASKED {
        page(&mut client, "/");
    }
    us(Peer::cpu() - before) / f64::from(ASKED)
}

fn encoded(families: &[prometheus::proto::MetricFamily]) -> f64 {
    let (own, tid) =
        (std::process::id(), rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned());
    let before = cpu_ns(own, tid);
    for _ in 0..ASKED / 10 {
        std::hint::black_box(peer::encode(families));
    }
    us(cpu_ns(own, tid) - before) / f64::from(ASKED / 10)
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

fn case<'a>(name: &str, measure: impl FnMut() -> f64 + 'a) -> Case<'a> {
    Case { name: name.to_owned(), measure: Box::new(measure) }
}

fn handler(of: &str, times: RefCell<Vec<f64>>) {
    let mut times = times.into_inner();
    println!(
        "{of}: from the head of the question to the head of the answer {:.1} us, at least {:.1}",
        median(&mut times),
        quantile(&mut times, 0.0)
    );
}

fn metrics(node: &Server, client: &mut Client) {
    for number in 1..=40 {
        client.get(&format!("/x/series/items-{number}"));
    }
    std::thread::park_timeout(TOLD);
    page(client, "/metrics");
    let page = String::from_utf8(page(client, "/metrics")).expect("a page is text");
    let lines = page.lines().filter(|line| !line.starts_with('#')).count();
    let families = peer::families(&page);
    let hyper = Peer::start(Bytes::from(page.clone()));
    println!("\n/metrics: {lines} series in {} bytes\n", page.len());
    let (again, packed) = (RefCell::default(), RefCell::default());
    let (new, late) = (RefCell::default(), RefCell::default());
    let mut cases = [
        case("/metrics again", || asked(node, "/metrics", "", &again)),
        case("/metrics, all values new", || changed(node, Duration::ZERO, &new)),
        case("/metrics, all new after a pause", || changed(node, TOLD, &late)),
        case("/metrics again, gzip", || asked(node, "/metrics", GZIP, &packed)),
        case("plain hyper, same bytes", || plain(&hyper)),
        case("plain encoder alone", || encoded(&families)),
    ];
    let title = "GET /metrics";
    println!("{}", rounds(title, "CPU us", "plain hyper, same bytes", ROUNDS, &mut cases));
    drop(cases);
    handler("/metrics again", again);
    handler("/metrics, all values new", new);
    handler("/metrics, all new after a pause", late);
    handler("/metrics again, gzip", packed);
}

fn snapshot(node: &Server, client: &mut Client) {
    assert_eq!(client.post(ndjson(0, BATCH).as_bytes()), 200);
    let page = Bytes::from(page(client, SNAPSHOT));
    let events = page.windows(6).filter(|six| six == b"\"seq\":").count();
    println!("\n{SNAPSHOT}: {events} events in {} bytes\n", page.len());
    assert_eq!(events, 500);
    let hyper = Peer::start(page);
    let (all, some) = (RefCell::default(), RefCell::default());
    let filtered = format!("{SNAPSHOT}&subject=room-3&kind=temperature");
    let mut cases = [
        case(SNAPSHOT, || asked(node, SNAPSHOT, "", &all)),
        case("the same of one subject", || asked(node, &filtered, "", &some)),
        case("plain hyper, same bytes", || plain(&hyper)),
    ];
    let title = "GET /snapshot";
    println!("{}", rounds(title, "CPU us", "plain hyper, same bytes", ROUNDS, &mut cases));
    drop(cases);
    handler(SNAPSHOT, all);
    handler("of one subject", some);
}

fn main() {
    // Without `--bench` cargo only asks whether the benches still run.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let node = Server::start(&Server::plugin("series"));
    let mut client = Client::open(node.address).expect("a connection");
    metrics(&node, &mut client);
    // The first one has been idle for longer than the program waits.
    let mut client = Client::open(node.address).expect("a connection");
    snapshot(&node, &mut client);
}
