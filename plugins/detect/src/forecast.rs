//! What the next row should be, by several simple models of the normal.
//!
//! The rule: every model keeps its own usual error; a row is as strange as the least surprised of
//! the models that are about as good as the best one finds it.

use crate::autoregression::Autoregression;
use crate::average::Average;
use crate::dispersion::Dispersion;
use crate::echo::Echo;
use crate::season::{Offsets, Profile};
use crate::tape::kept;

/// Models side by side.
const MODELS: usize = 11;
/// Position of the slow level among them.
const SLOW: usize = 1;
/// Rows that a usual error remembers.
const ERROR_ROWS: f64 = 300.0;
/// An error teaches the usual error at most this many of them.
const MAX_LESSON: f64 = 4.0;
/// A model whose usual error is within this of the best one has a say.
const RIVAL: f64 = 1.05;
/// How fast the level follows a series that leaves a periodic model.
const LEVEL_RATE: f64 = 0.03;
/// Rows before a model has a say.
const MIN_ROWS: f64 = 30.0;
/// Standard deviation over mean absolute deviation of a normal distribution.
const NORMAL: f64 = 1.2533;
/// Where rows repeat this often, this share of the level is taken for noise.
pub(crate) const STILL: f64 = 0.9;
const FLOOR: f64 = 0.03;
/// No error is told below this share of the level: it would be one of rounding.
const EXACT: f64 = 1e-9;
/// Nor below this share of what the series moves by itself: a wave without noise is told to any precision, and leaving
/// it by a hundredth of its height is no fault.
const SMOOTH: f64 = 0.02;
/// Where rows repeat this often, errors have no distribution to speak of.
const RESTLESS: f64 = 0.5;

/// The models and how well each did.
#[derive(Clone, Debug)]
pub(crate) struct Forecasts {
    level: Average,
    slow: Average,
    recent: Autoregression,
    echo: Echo,
    errors: [Average; MODELS],
    /// How far the series is from each periodic model of late.
    offsets: [Average; 4],
    dispersion: Dispersion,
}

/// A row against the forecasts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Assessment {
    /// The best model's forecast.
    pub(crate) expected: f64,
    /// Its usual error as a standard deviation.
    pub(crate) sigma: f64,
    /// Least number of standard deviations among the best models.
    pub(crate) strangeness: f64,
    /// Error of the best model, in its standard deviations.
    pub(crate) error: f64,
    /// Signed error of the best model that does not follow the newest rows.
    pub(crate) slow_error: f64,
    /// Signed error of the best periodic model, where one clearly beats the level.
    pub(crate) season_error: Option<f64>,
    /// How much more the errors wander than independent ones would, 1 for not at all.
    pub(crate) dispersion: f64,
    /// Whether rows repeat so often that only a spike means something.
    pub(crate) still: bool,
    /// Its errors are smaller than what is told: they have no spread to speak of.
    pub(crate) smooth: bool,
}

impl Forecasts {
    /// Periods up to `max_lag` rows are looked for.
    pub(crate) fn new(max_lag: usize) -> Self {
        Self {
            level: Average::new(0.05),
            slow: Average::new(0.005),
            recent: Autoregression::new(3),
            echo: Echo::new(max_lag),
            errors: [Average::of_rows(ERROR_ROWS); MODELS],
            offsets: [Average::new(LEVEL_RATE); 4],
            dispersion: Dispersion::new(),
        }
    }

    /// Judges the row, then learns it. `still` is the share of rows that repeat the one before.
    pub(crate) fn push(&mut self, x: f64, offsets: &Offsets, still: f64) -> Assessment {
        let begun = self.level.seen() > 0.0;
        let quarters = offsets.expected(Profile::Quarters);
        let week = offsets.expected(Profile::Week);
        let echo = self.echo.expected();
        let minutes = offsets.expected(Profile::Minutes);
        let periodic = [quarters, week, echo, minutes];
        let level = |k: usize| periodic[k].map(|x| x + self.offsets[k].mean());
        let forecasts: [Option<f64>; MODELS] = [
            begun.then_some(self.level.mean()),
            begun.then_some(self.slow.mean()),
            begun.then(|| self.recent.expected([quarters, week, echo])),
            quarters,
            week,
            echo,
            minutes,
            level(0),
            level(1),
            level(2),
            level(3),
        ];
        let mut assessment = self.assess(&forecasts, x, still);
        assessment.dispersion = self.dispersion.push(x - assessment.expected);
        for (error, forecast) in self.errors.iter_mut().zip(forecasts) {
            if let Some(forecast) = forecast {
                let size = (x - forecast).abs();
                let most = MAX_LESSON * error.mean();
                error.push(if error.seen() > MIN_ROWS && most > 0.0 {
                    size.min(most)
                } else {
                    size
                });
            }
        }
        for (offset, forecast) in self.offsets.iter_mut().zip(periodic) {
            if let Some(forecast) = forecast {
                let off = x - forecast - offset.mean();
                let most = MAX_LESSON * assessment.sigma;
                let off = if most > 0.0 { off.clamp(-most, most) } else { off };
                offset.push(offset.mean() + off);
            }
        }
        self.level.push(x);
        self.slow.push(x);
        self.recent.push(x);
        if let Some(error) = self.echo.push(x) {
            // How good the old period was says nothing of the new one.
            for model in [5, 9] {
                self.errors[model].begin(error, MIN_ROWS);
            }
        }
        assessment
    }

    fn assess(&self, forecasts: &[Option<f64>; MODELS], x: f64, still: f64) -> Assessment {
        let has_say = |k: usize| forecasts[k].is_some() && self.errors[k].seen() >= MIN_ROWS;
        let best_of = |models: &[usize]| {
            let able = models.iter().copied().filter(|&k| has_say(k));
            able.min_by(|&a, &b| self.errors[a].mean().total_cmp(&self.errors[b].mean()))
        };
        let Some(best) = best_of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) else {
            return Assessment {
                expected: x,
                dispersion: 1.0,
                strangeness: f64::INFINITY,
                ..Assessment::default()
            };
        };
        let least = self.errors[best].mean();
        let level = self.slow.mean().abs();
        let moves = SMOOTH * self.errors[SLOW].mean();
        let floor = if still >= STILL { FLOOR * level } else { moves.max(EXACT * level) };
        let sigma = |k: usize| (NORMAL * self.errors[k].mean()).max(floor).max(f64::MIN_POSITIVE);
        let error = |k: usize| (x - forecasts[k].unwrap_or(x)) / sigma(k);
        let strangeness = (0..MODELS)
            .filter(|&k| has_say(k) && self.errors[k].mean() <= RIVAL * least)
            .map(|k| error(k).abs())
            .fold(f64::INFINITY, f64::min);
        let slow = best_of(&[1, 3, 4, 5, 6]).unwrap_or(SLOW);
        let season = best_of(&[7, 8, 9, 10])
            .filter(|&k| self.errors[k].mean() < 0.7 * self.errors[SLOW].mean());
        Assessment {
            expected: forecasts[best].unwrap_or(x),
            sigma: sigma(best),
            strangeness,
            error: error(best),
            slow_error: error(slow),
            season_error: season.map(error),
            dispersion: 1.0,
            still: still > RESTLESS,
            smooth: NORMAL * least < moves,
        }
    }
}

kept!(Forecasts: level, slow, recent, echo, errors, offsets, dispersion);
