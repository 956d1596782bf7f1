//! Series of a known kind, and faults put into them.
//!
//! The rule: the same seed makes the same series on every machine.

use std::f64::consts::TAU;

const SECOND_NS: i64 = 1_000_000_000;

/// Numbers that follow from a seed (Steele, Lea and Flood, SplitMix, 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(0x2545_F491_4F6C_DD1D))
    }

    /// In `0..1`.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, with mean 0 and deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (TAU * self.unit()).cos()
    }

    /// One of `0..n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }
}

/// Times and values.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) times_ns: Vec<i64>,
    pub(crate) values: Vec<f64>,
    /// Deviation of the noise.
    pub(crate) sigma: f64,
    /// Rows of a period, where there is one.
    pub(crate) period: Option<usize>,
}

/// What a series is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Independent noise.
    White,
    /// Noise in which each row follows the one before.
    Correlated,
    /// A day of five-minute rows.
    Daily,
    /// A day of hourly rows, quieter at weekends.
    Weekly,
    /// A period of fifty rows that no clock knows.
    Period,
}

/// All of them.
pub(crate) const SHAPES: [Shape; 5] =
    [Shape::White, Shape::Correlated, Shape::Daily, Shape::Weekly, Shape::Period];

impl Shape {
    pub(crate) fn series(self, rows: usize, random: &mut Random) -> Series {
        let (step_s, period) = match self {
            Self::White | Self::Correlated => ([60, 300, 3600][random.below(3)], None),
            Self::Daily => (300, Some(288)),
            Self::Weekly => (3600, Some(24)),
            Self::Period => (60, Some(50)),
        };
        let level = [0.0, 10.0, 1e4][random.below(3)];
        let sigma = [0.1, 1.0, 50.0][random.below(3)];
        let height = sigma * (4.0 + 6.0 * random.unit());
        let start_s = 1_700_000_000 + random.below(1_000_000) as i64;
        let (phase, mut state) = (TAU * random.unit(), 0.0);
        let times_ns: Vec<i64> =
            (0..rows).map(|row| (start_s + row as i64 * step_s) * SECOND_NS).collect();
        let mut value = |row: usize| {
            let noise = sigma * random.normal();
            let turns = period.map_or(0.0, |period| row as f64 / period as f64);
            let wave = height * (TAU * turns + phase).sin();
            let quiet = if turns as usize % 7 < 5 { 1.0 } else { 0.5 };
            match self {
                Self::White => level + noise,
                Self::Correlated => {
                    state = 0.8 * state + 0.6 * noise;
                    level + state
                }
                Self::Daily | Self::Period => level + wave + noise,
                Self::Weekly => level + quiet * wave + noise,
            }
        };
        let values = (0..rows).map(&mut value).collect();
        Series { times_ns, values, sigma, period }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Spike,
    Dip,
    LevelShift,
    FlatLine,
    Missing,
    MoreSpread,
    LessSpread,
    SeasonStops,
    SeasonTurns,
}

/// All of them.
pub(crate) const FAULTS: [Fault; 9] = [
    Fault::Spike,
    Fault::Dip,
    Fault::LevelShift,
    Fault::FlatLine,
    Fault::Missing,
    Fault::MoreSpread,
    Fault::LessSpread,
    Fault::SeasonStops,
    Fault::SeasonTurns,
];

impl Fault {
    /// Puts the fault into the series from row `at` on, and gives the row where it is over; `None`
    /// where the series has nothing that could break so.
    pub(crate) fn put(self, series: &mut Series, at: usize, random: &mut Random) -> Option<usize> {
        let clean = series.values.clone();
        let sigma = series.sigma;
        let sign = if random.unit() < 0.5 { 1.0 } else { -1.0 };
        let mut change = |rows: usize, f: &mut dyn FnMut(usize, f64) -> f64| {
            let places = series.values.iter_mut().zip(&clean).enumerate().skip(at).take(rows);
            places.for_each(|(row, (value, &x))| *value = f(row, x));
            Some(at + rows)
        };
        match self {
            Self::Spike => change(1, &mut |_, x| x + 6.0 * sigma),
            Self::Dip => change(1, &mut |_, x| x - 6.0 * sigma),
            Self::LevelShift => {
                let size = sign * (5.0 + 3.0 * random.unit()) * sigma;
                change(150, &mut |_, x| x + size)
            }
            Self::FlatLine => change(120, &mut |_, _| clean[at]),
            Self::Missing => {
                let step = series.times_ns[1] - series.times_ns[0];
                let pause = step * (25 + random.below(50) as i64);
                series.times_ns[at..].iter_mut().for_each(|time| *time += pause);
                Some(at + 1)
            }
            Self::MoreSpread => change(150, &mut |_, x| x + 3.0 * sigma * random.normal()),
            Self::LessSpread if series.period.is_some() => None,
            Self::LessSpread => {
                let mean = clean[at - 500..at].iter().sum::<f64>() / 500.0;
                change(150, &mut |_, x| mean + 0.15 * (x - mean))
            }
            Self::SeasonStops => {
                let period = series.period?;
                let mean = clean[at - 2 * period..at].iter().sum::<f64>() / (2 * period) as f64;
                change(period.max(120), &mut |_, _| mean + sigma * random.normal())
            }
            Self::SeasonTurns => {
                let period = series.period?;
                change(period.max(120), &mut |row, _| clean[row - period / 2])
            }
        }
    }
}
