//! The detector of one series.
//!
//! The rule: strictly causal and deterministic; what it says of a row depends on the rows up to
//! that one and on nothing else, and what it keeps does not grow with them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alarm::Gate;
use crate::average::Average;
use crate::cold::Cold;
use crate::counter::{Counter, Reading};
use crate::ensemble::{Ensemble, Judgement};
use crate::forecast::{Assessment, Forecasts, STILL};
use crate::pace::Pace;
use crate::peaks::RESTING;
use crate::season::Profiles;
use crate::tape::{Bytes, Keep, Tape, kept};
use crate::verdict::{Method, Range, Severity, Verdict, WARNING};
use crate::watch::Watches;

/// Values beyond this are taken for it: squares of their differences must stay finite.
pub const MAX_VALUE: f64 = 1e18;
/// A series that begins with less than this is brought up to about 1, for the same reason.
const SMALL: f64 = 1e-6;

/// A series of more units than this has another unit: what is left to [`MAX_VALUE`] is for spikes.
const MAX_UNITS: f64 = 1e12;

/// How much a detector may cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// For every series: below a microsecond a row, about 20 KiB.
    #[default]
    Cheap,
    /// For chosen series: below 30 microseconds a row, some hundred KiB.
    Full,
}

impl Tier {
    /// Memory of a detector of this tier, at most, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Cheap => 20_000,
            Self::Full => 400_000,
        }
    }
}

/// Why a row was not taken. The detector is as it was before.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum Refused {
    /// Not a number, or infinite.
    #[error("the value is not finite")]
    NotFinite,
}

/// A streaming detector. What it knows is written by serde as bytes of its own format; one that was
/// read goes on as the one that was written would have.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(into = "Kept", try_from = "Kept")]
pub struct Detector {
    tier: Tier,
    pace: Pace,
    counter: Counter,
    model: Model,
    reduced: bool,
}

/// Everything that begins anew when a series turns out to be a counter.
#[derive(Clone, Debug)]
struct Model {
    /// What a value is divided by, 0 until one says how large values are.
    unit: f64,
    cold: Cold,
    profiles: Profiles,
    forecasts: Forecasts,
    watches: Watches,
    ensemble: Ensemble,
    gate: Gate,
    bounds: Bounds,
    /// Greatest strangeness of the newest rows, fading.
    strange: f64,
}

impl Model {
    fn new(tier: Tier) -> Self {
        let (ensemble, threshold, max_lag) = match tier {
            Tier::Cheap => (Ensemble::cheap(), 0.32, 176),
            Tier::Full => (Ensemble::full(), 0.275, 720),
        };
        Self {
            unit: 0.0,
            cold: Cold::default(),
            profiles: Profiles::new(),
            forecasts: Forecasts::new(max_lag),
            watches: Watches::new(),
            ensemble,
            gate: Gate::new(threshold),
            bounds: Bounds::new(),
            strange: 0.0,
        }
    }
}

/// The loudest voice so far.
#[derive(Clone, Copy, Debug)]
struct Voice {
    score: f64,
    method: Method,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(tier: Tier) -> Self {
        Self {
            tier,
            pace: Pace::new(),
            counter: Counter::new(),
            model: Model::new(tier),
            reduced: false,
        }
    }

    /// The tier it was made with.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Judges a row, then learns it. `time_ns` is nanoseconds since 1970, UTC; rows are expected in
    /// the order of time, and a row that is late is taken as if it came at once.
    ///
    /// # Errors
    ///
    /// [`Refused`] for a value that is not finite; nothing was learnt.
    pub fn push(&mut self, time_ns: i64, value: f64) -> Result<Verdict, Refused> {
        if !value.is_finite() {
            return Err(Refused::NotFinite);
        }
        let gap = self.pace.push(time_ns);
        let base = self.counter.base();
        let mut voice = Voice { score: 0.0, method: Method::ColdStart };
        let mut expected = None;
        let reading = match self.counter.push(time_ns, value, self.pace.usual_ns()) {
            Reading::Value(x) => Some(x),
            Reading::Anew(x) => {
                self.model = Model::new(self.tier);
                Some(x)
            }
            Reading::Reset => None,
        };
        if let Some(x) = reading {
            if self.model.is_beyond_its_unit() {
                self.model = Model::new(self.tier);
            }
            (voice, expected) = self.model.push(time_ns, x, &mut self.reduced);
        }
        if gap > 1.0 {
            voice = louder(voice, Method::Gap, gap);
        }
        let expected = expected.map(|Range { low, high }| {
            let base = base.unwrap_or(0.0);
            Range { low: base + low, high: base + high }
        });
        Ok(Verdict {
            score: voice.score,
            severity: Severity::of(voice.score),
            expected,
            method: voice.method,
            reduced_sensitivity: self.reduced,
        })
    }

    /// What it means that nothing came until `now_ns`: a [`Method::Gap`] once the silence is far
    /// longer than the pace of the series, `None` before.
    pub fn overdue(&self, now_ns: i64) -> Option<Verdict> {
        let odds = self.pace.silence(now_ns);
        (odds > 1.0).then(|| {
            let score = score(odds);
            Verdict {
                score,
                severity: Severity::of(score),
                expected: None,
                method: Method::Gap,
                reduced_sensitivity: self.reduced,
            }
        })
    }
}

impl Model {
    /// Whether the unit was taken from a first value that is none of the series'. What was learnt in
    /// it is of no use either: the values stood at, or near, the largest that is told.
    fn is_beyond_its_unit(&self) -> bool {
        self.unit > 0.0 && self.unit < 1.0 && self.bounds.size() > MAX_UNITS
    }

    fn push(&mut self, time_ns: i64, x: f64, reduced: &mut bool) -> (Voice, Option<Range>) {
        if self.unit == 0.0 && x != 0.0 {
            // A power of two, so that nothing is rounded.
            self.unit =
                if x.abs() < SMALL { x.abs().log2().floor().max(-1000.0).exp2() } else { 1.0 };
        }
        let unit = if self.unit > 0.0 { self.unit } else { 1.0 };
        let (voice, range) = self.judge(time_ns, (x / unit).clamp(-MAX_VALUE, MAX_VALUE), reduced);
        (voice, range.map(|Range { low, high }| Range { low: low * unit, high: high * unit }))
    }

    fn judge(&mut self, time_ns: i64, x: f64, reduced: &mut bool) -> (Voice, Option<Range>) {
        let quiet = Voice { score: 0.0, method: Method::ColdStart };
        let cold = (!self.cold.is_over()).then(|| self.cold.push(x));
        self.bounds.push(x);
        let x = self.bounds.clamp(x);
        let offsets = self.profiles.push(time_ns, x);
        let row = self.forecasts.push(x, &offsets, self.bounds.still.mean());
        let judgement = self.ensemble.push(x, &offsets);
        *reduced = judgement.reduced;
        let mut voice = quiet;
        self.watches.push(x, &row, |method, odds| voice = louder(voice, method, odds));
        voice = self.weigh(&judgement, &row, voice);
        if let Some(cold) = cold {
            if cold.score > voice.score {
                voice = Voice { score: cold.score, method: Method::ColdStart };
            }
            let reach = 5.0 * cold.deviation;
            let range = Range { low: cold.median - reach, high: cold.median + reach };
            return (voice, Some(range));
        }
        (voice, self.range(&row))
    }

    /// Puts the ensemble's evidence beside what the watches said, and has the others rest after an
    /// alarm.
    fn weigh(&mut self, judgement: &Judgement, row: &Assessment, mut voice: Voice) -> Voice {
        self.strange = (self.strange * STRANGE_FADE).max(row.strangeness.min(STRANGE));
        let doubt =
            if row.still { DOUBT } else { doubt(row.dispersion, || self.watches.heaviness()) };
        let odds = self.gate.push(judgement.evidence * self.strange / STRANGE, doubt);
        if voice.score > WARNING {
            self.gate.hush();
            self.watches.hush();
        } else {
            let odds = if self.bounds.moved() { odds } else { odds.min(RESTING) };
            voice = louder(voice, Method::Ensemble(judgement.loudest), odds);
            if voice.score > WARNING {
                self.gate.alarmed();
                self.watches.hush();
            }
        }
        voice
    }

    fn range(&self, row: &Assessment) -> Option<Range> {
        let reach = self.watches.reach() * row.sigma;
        row.strangeness
            .is_finite()
            .then_some(Range { low: row.expected - reach, high: row.expected + reach })
    }
}

/// The louder of a voice and `odds` over a bar.
fn louder(voice: Voice, method: Method, odds: f64) -> Voice {
    let score = score(odds);
    if score > voice.score { Voice { score, method } } else { voice }
}

/// Odds of 1, a statistic just at its bar, are at [`WARNING`], and odds of four are critical. A
/// margin on both sides of the bar survives the rounding of a printed score.
fn score(odds: f64) -> f64 {
    let score = odds / (odds + (1.0 - WARNING) / WARNING);
    if odds > 1.0 { score.max(WARNING + MARGIN) } else { score.min(WARNING - MARGIN) }
}

const MARGIN: f64 = 0.001;

/// How many times more evidence the ensemble needs for a series that the forecasts explain but for
/// independent noise: there the watches see all there is, and what the ensemble adds is chance.
fn doubt(dispersion: f64, heaviness: impl FnOnce() -> f64) -> f64 {
    if dispersion >= WANDERING {
        return 1.0;
    }
    let most = DOUBT * heaviness().min(MAX_HEAVINESS).powf(HEAVINESS);
    let wander = ((dispersion - INDEPENDENT) / (WANDERING - INDEPENDENT)).max(0.0);
    most + (1.0 - most) * wander
}

/// Evidence counts fully where one of the newest rows was this strange to every good forecast.
const STRANGE: f64 = 2.5;
const STRANGE_FADE: f64 = 0.98;
/// Up to this index of dispersion errors pass for independent.
const INDEPENDENT: f64 = 2.0;
/// From this on they do not.
const WANDERING: f64 = 3.0;
/// What independent errors ask of the ensemble where they are normal.
const DOUBT: f64 = 2.5;
/// The power of the heaviness of their tail by which it is more: a single far row moves averages,
/// records and seasons all at once.
const HEAVINESS: f64 = 0.7;
const MAX_HEAVINESS: f64 = 30.0;

/// What a series can reasonably hold: one absurd value must not blind every average for ever.
#[derive(Clone, Debug)]
struct Bounds {
    mean: Average,
    deviation: Average,
    still: Average,
    last: f64,
    /// Largest relative move of the last rows, fading.
    moved: f64,
}

/// Rows before there are bounds.
const BOUNDED_AFTER: f64 = 30.0;
/// Deviations that are enough for any fault.
const MAX_DEVIATIONS: f64 = 1e4;
/// Those that are enough where the row before was none: averages that took a lone row ten thousand
/// deviations far would take hundreds of rows to come back, and each of those would be odd.
const LONE_DEVIATIONS: f64 = 512.0;
/// Where a series stands still, moves up to this share of the level mean nothing.
const SMALL_MOVE: f64 = 0.12;
const MOVE_FADE: f64 = 0.98;

impl Bounds {
    fn new() -> Self {
        Self {
            mean: Average::of_rows(500.0),
            deviation: Average::of_rows(500.0),
            still: Average::of_rows(200.0),
            last: 0.0,
            moved: 0.0,
        }
    }

    /// How large values are on average; 0 until enough are known that one cannot decide it.
    fn size(&self) -> f64 {
        if self.mean.seen() > BOUNDED_AFTER {
            self.mean.mean().abs().max(self.deviation.mean())
        } else {
            0.0
        }
    }

    fn push(&mut self, x: f64) {
        if self.mean.seen() > 0.0 {
            self.still.push(f64::from(u8::from(x == self.last)));
            let size = (x - self.mean.mean()).abs() / self.mean.mean().abs().max(f64::MIN_POSITIVE);
            self.moved = (MOVE_FADE * self.moved).max(size);
        }
    }

    /// Whether the series did more than stand still and creep.
    fn moved(&self) -> bool {
        self.still.mean() < STILL || self.moved > SMALL_MOVE
    }

    fn clamp(&mut self, x: f64) -> f64 {
        let (mean, deviation) = (self.mean.mean(), self.deviation.mean());
        let lone = (self.last - mean).abs() <= LONE_DEVIATIONS * deviation;
        self.last = x;
        // Deviations of what stands still are too small to measure by.
        let lone = lone && self.still.mean() < STILL;
        let reach = deviation * if lone { LONE_DEVIATIONS } else { MAX_DEVIATIONS };
        let x = if reach > 0.0 && self.mean.seen() > BOUNDED_AFTER {
            x.clamp(mean - reach, mean + reach)
        } else {
            x
        };
        let mean = self.mean.push(x);
        self.deviation.push((x - mean).abs());
        x
    }
}

kept!(Model: unit, cold, profiles, forecasts, watches, ensemble, gate, bounds, strange);
kept!(Bounds: mean, deviation, still, last, moved);

/// What is written of a detector.
#[derive(Deserialize, Serialize)]
struct Kept {
    version: u8,
    tier: Tier,
    state: Bytes,
}

/// Of the order and meaning of what is on the tape.
const VERSION: u8 = 1;

impl From<Detector> for Kept {
    fn from(mut detector: Detector) -> Self {
        let mut tape = Tape::Writing(Vec::with_capacity(8 * 1024));
        detector.keep(&mut tape);
        Self { version: VERSION, tier: detector.tier, state: tape.into_bytes() }
    }
}

/// The bytes are no state of a detector that this version can go on with.
#[derive(Clone, Copy, Debug, Error)]
#[error("not a detector's state of version {VERSION}")]
struct Foreign;

impl TryFrom<Kept> for Detector {
    type Error = Foreign;

    fn try_from(kept: Kept) -> Result<Self, Foreign> {
        if kept.version != VERSION {
            return Err(Foreign);
        }
        let mut detector = Self::new(kept.tier);
        let mut tape = Tape::Reading(Some(kept.state.as_slice()));
        detector.keep(&mut tape);
        if tape.is_read() { Ok(detector) } else { Err(Foreign) }
    }
}

kept!(Detector: pace, counter, model, reduced);
