//! What is said of a measurement.
//!
//! The rule: the fastest of some runs after one that does what is done once for a view; steps are those
//! that the picture stands for, whether they were taken, leapt over or known.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use shimmer_cpu::{Isa, fma_rate};
use shimmer_fractal::{Channels, Control, Raw, Region, RenderError};

use crate::{Case, Contender};

/// Fused multiply-adds of a step in doubles as it is usually written. The kernels exchange a fifth of them
/// for additions, which run beside the rest, so that a little more than the whole can be reached.
const FMA_PER_STEP: f64 = 3.0;
/// Runs after the first.
const MOST_RUNS: usize = 5;

/// What a contender took for a view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The view.
    pub view: &'static str,
    /// Its zoom, as a power of ten.
    pub zoom_log10: f64,
    /// Who drew it.
    pub contender: &'static str,
    /// Pixels.
    pub pixels: usize,
    /// Steps of a pixel on average.
    pub mean_steps: f64,
    /// Of the first run, in which programs are made and references are followed.
    pub first_ms: f64,
    /// Of the fastest run, by the clock on the wall.
    pub wall_ms: f64,
    /// CPU time of the process in the run that had the least.
    pub cpu_ms: f64,
    /// By the clock on the wall.
    pub steps_per_second: f64,
    /// By CPU time, as a part of what a core can do if a step is three multiply-adds; for a contender that
    /// takes every step.
    pub of_peak: Option<f64>,
    /// What a core could do meanwhile, see [`fma_rate`].
    pub peak_fma_per_second: Option<f64>,
}

/// Draws a case with a contender: once, and then until `enough` time has passed. What a core can do is
/// measured in between, since it changes with what its neighbours do.
///
/// # Errors
///
/// Whatever the renderer answers.
pub fn measure(
    case: &Case,
    contender: &Contender,
    enough: Duration,
    control: &Control<'_>,
) -> Result<Row, RenderError> {
    let view = &case.view;
    let run = || {
        let (cpu, wall) = (cpu_seconds(), Instant::now());
        let all = Region::all(view.viewport());
        let raw = contender.renderer.render(view, all, Channels::Smooth, control)?;
        Ok::<_, RenderError>((raw, wall.elapsed().as_secs_f64(), cpu_seconds() - cpu))
    };
    let (raw, first_s, _) = run()?;
    let (mut wall_s, mut cpu_s, mut spent_s) = (f64::INFINITY, f64::INFINITY, 0.0);
    let mut peak: Option<f64> = None;
    for _ in 0..MOST_RUNS {
        let (_, wall, cpu) = run()?;
        (wall_s, cpu_s, spent_s) = (wall_s.min(wall), cpu_s.min(cpu), spent_s + wall);
        if contender.takes_every_step {
            let now = fma_rate(Isa::best());
            peak = Some(peak.map_or(now, |before| before.max(now)));
        }
        if spent_s > enough.as_secs_f64() {
            break;
        }
    }
    let steps = steps(&raw, view.max_iter());
    Ok(Row {
        view: case.name,
        zoom_log10: view.viewport().zoom().to_float_exp().log2() * std::f64::consts::LOG10_2,
        contender: contender.name,
        pixels: raw.mu.len(),
        mean_steps: steps / raw.mu.len() as f64,
        first_ms: first_s * 1e3,
        wall_ms: wall_s * 1e3,
        cpu_ms: cpu_s * 1e3,
        steps_per_second: steps / wall_s,
        of_peak: peak.map(|peak| steps * FMA_PER_STEP / cpu_s / peak),
        peak_fma_per_second: peak,
    })
}

/// Steps that a picture stands for.
fn steps(raw: &Raw, max_iter: u32) -> f64 {
    let of = |mu: f32| if mu < 0.0 { f64::from(max_iter) } else { f64::from(mu).max(0.0) + 2.0 };
    raw.mu.iter().map(|mu| of(*mu)).sum()
}

/// CPU seconds of the process so far: what others do on the machine does not count.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Rows as Markdown.
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| view | zoom | steps a pixel | drawn by | first ms | wall ms | CPU ms | Gsteps/s | of peak | \
             Gfma/s |"
        )?;
        writeln!(f, "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|")?;
        for row in self.0 {
            let of_peak =
                row.of_peak.map_or(String::new(), |part| format!("{:.1} %", part * 100.0));
            let peak = row.peak_fma_per_second.map_or(String::new(), |p| format!("{:.1}", p / 1e9));
            writeln!(
                f,
                "| {:15} | 1e{:<4.0} | {:7.0} | {:20} | {:8.1} | {:8.1} | {:8.1} | {:7.2} | {:>7} | {:>5} |",
                row.view,
                row.zoom_log10,
                row.mean_steps,
                row.contender,
                row.first_ms,
                row.wall_ms,
                row.cpu_ms,
                row.steps_per_second / 1e9,
                of_peak,
                peak,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cases, contenders};

    #[test]
    fn a_row_says_what_was_drawn() {
        let (contenders, missing) = contenders(None).unwrap();
        assert!(missing.is_some());
        let interior = &cases(32)[0];
        let rows: Vec<_> = contenders
            .iter()
            .map(|who| measure(interior, who, Duration::ZERO, &Control::default()).unwrap())
            .collect();
        for (row, who) in rows.iter().zip(&contenders) {
            assert_eq!((row.pixels, row.mean_steps), (16 * 16, 20_000.0));
            assert_eq!(row.of_peak.is_some(), who.takes_every_step);
            assert!(row.wall_ms > 0.0 && row.cpu_ms > 0.0 && row.first_ms > 0.0);
        }
        // Whoever takes every step takes much longer where all is inside.
        assert!(rows[0].cpu_ms > 3.0 * rows[1].cpu_ms, "{rows:?}");
        let text = Table(&rows).to_string();
        assert_eq!(text.lines().count(), 2 + rows.len());
        assert!(text.contains("| interior        | 1e1    |   20000 | cpu, 1 thread"), "{text}");
    }

    #[test]
    fn a_deep_view_has_no_part_of_a_peak() {
        let (contenders, _) = contenders(None).unwrap();
        let cases = cases(1);
        let suited = |at: usize| contenders.iter().filter(|who| who.suits(&cases[at])).count();
        assert_eq!((suited(0), suited(cases.len() - 1)), (3, 2));
    }
}
