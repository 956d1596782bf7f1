//! `shimmer bench`: the fractal renderers and the ring, on this machine.
//!
//! The rule: the same figures as the project's own benches, in less time; nothing is compared that did
//! not do the same work.

use std::io::Write;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;
use shimmer_backend::Backend;
use shimmer_fractal::{Control, RenderError};
use shimmer_gpu::Adapters;
use shimmer_measure::{Case, Contender, Row, Table, cases, contenders, cpu_seconds, measure};
use shimmer_ring::{Entry, Reserve, Ring, RingConfig, Storage, Submission};

use crate::args::BenchArgs;
use crate::failure::{Failure, Outcome};
use crate::signals::Stop;

/// How long a view is drawn again and again.
const ENOUGH: Duration = Duration::from_secs(1);
const EVENTS: usize = 500_000;
const BATCHES: [usize; 2] = [1, 1_000];
/// The text of an event, as long as usual ones.
const TEXT: &[u8] = &[b'x'; 240];

const NOTE: &str = "\
Steps are those that a picture stands for: interiors that are recognised and leaps over deep orbits
count in full. The peak is what a core could do meanwhile, in multiply-adds of doubles; a step counts as 3,
of which some are exchanged for additions, so that 100 % is not the end.
";

/// Runs `shimmer bench`.
pub(crate) fn bench(args: &BenchArgs) -> Outcome {
    let backend = args.backend.parse::<Backend>();
    let backend = backend.map_err(|refused| Failure::Usage(format!("--{refused}")))?;
    let adapters = match backend {
        Backend::Auto => Some(Adapters::Hardware),
        Backend::Cpu => None,
        Backend::Gpu => Some(Adapters::Any),
    };
    let stop = Stop::watch()?;
    let (contenders, missing) = contenders(adapters).map_err(anyhow::Error::new)?;
    let mut out = std::io::stdout();
    if !args.json {
        head(&mut out, &contenders, missing.as_deref())?;
    }
    let (divisor, enough, events) =
        if args.quick { (2, Duration::ZERO, EVENTS / 5) } else { (1, ENOUGH, EVENTS) };
    let rows = draw(&contenders, &cases(divisor), enough, &stop)?;
    let ring = ring(events, &stop)?;
    if args.json {
        let names = contenders.iter().map(|c| (c.name, c.renderer.name()));
        let report = json!({
            "renderers": names.collect::<std::collections::BTreeMap<_, _>>(),
            "gpu_missing": missing,
            "fractal": rows,
            "ring_cpu_ns_per_event": { "single": ring[0], "batches_of_1000": ring[1] },
        });
        return Ok(writeln!(out, "{report:#}")?);
    }
    writeln!(out, "{}\n{NOTE}", Table(&rows))?;
    writeln!(
        out,
        "ring: {:.0} ns of CPU time to publish an event, {:.0} in batches of 1,000",
        ring[0], ring[1]
    )?;
    Ok(())
}

fn head(
    out: &mut impl Write,
    contenders: &[Contender],
    missing: Option<&str>,
) -> std::io::Result<()> {
    for contender in contenders {
        writeln!(out, "{}: {}", contender.name, contender.renderer.name())?;
    }
    if let Some(missing) = missing {
        writeln!(out, "gpu: {missing}")?;
    }
    writeln!(out)
}

fn draw(
    contenders: &[Contender],
    cases: &[Case],
    enough: Duration,
    stop: &Stop,
) -> anyhow::Result<Vec<Row>> {
    let control = Control { cancel: Some(stop.flag()), progress: None };
    let mut rows = Vec::new();
    for case in cases {
        for contender in contenders.iter().filter(|contender| contender.suits(case)) {
            match measure(case, contender, enough, &control) {
                // A device may be lost, or too small for a view.
                Err(RenderError::Unavailable(text)) => eprintln!("{}: {text}", contender.name),
                Err(RenderError::Cancelled) => return Err(anyhow!("interrupted")),
                Ok(row) => rows.push(row),
            }
        }
    }
    Ok(rows)
}

/// Nanoseconds of CPU time to publish an event, one by one and in batches, to a ring in memory.
fn ring(events: usize, stop: &Stop) -> anyhow::Result<[f64; 2]> {
    let (ring, _) = Ring::open(&RingConfig::default(), &Storage::Memory)?;
    let producer = ring.producer();
    let mut outcomes = Vec::new();
    let mut next_id = 0_u64;
    let mut publish = |batch: usize, events: usize| {
        let mut spent_s = 0.0;
        for _ in 0..events / 1_000 {
            anyhow::ensure!(!stop.is_set(), "interrupted");
            // Ids are made outside of the measurement.
            let ids: Vec<_> = (0..1_000).map(|id| format!("bench-{:016}", next_id + id)).collect();
            next_id += 1_000;
            let entries: Vec<_> = ids.iter().map(|id| entry(id)).collect();
            let begin = cpu_seconds();
            for entries in entries.chunks(batch) {
                let submission = Submission { entries, cursor: None, reserve: Reserve::Ingest };
                producer.publish(&submission, &mut outcomes)?;
            }
            spent_s += cpu_seconds() - begin;
        }
        Ok(spent_s * 1e9 / events as f64)
    };
    // Until every page of the ring has been written.
    publish(1_000, 2 * RingConfig::default().capacity as usize)?;
    let [single, batch] = BATCHES;
    Ok([publish(single, events)?, publish(batch, events)?])
}

fn entry(id: &str) -> Entry<'_> {
    Entry {
        time_ns: 1,
        received_ns: 2,
        value: 0.5,
        kind: "bench",
        subject: "ring",
        source: "shimmer",
        origin: "node-0001",
        id,
        flags: 0,
        head: TEXT,
        tail: shimmer_event::TAIL,
        data: 0..0,
        id_span: 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_takes_what_the_bench_publishes() {
        let [single, batch] = ring(2_000, &Stop::never()).unwrap();
        assert!(single > 0.0 && batch > 0.0 && batch < single, "{single} {batch}");
    }

    #[test]
    fn an_interrupted_bench_ends() {
        let stop = Stop::never();
        stop.flag().store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ring(2_000, &stop).is_err());
        let (contenders, _) = contenders(None).unwrap();
        assert!(draw(&contenders, &cases(8), Duration::ZERO, &stop).is_err());
    }
}
