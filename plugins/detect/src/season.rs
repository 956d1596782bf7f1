//! What is usual at this time of the day or of the week.
//!
//! The rule: a profile keeps one mean for each phase of its period; how far a row is from the mean
//! of its phase is told before the row is learnt.

use crate::tape::{Keep, Tape, coarse, kept};

const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;
const WEEK_NS: i64 = 7 * DAY_NS;
/// Visits that a phase remembers.
const MEMORY_VISITS: u8 = 30;

/// Means by phase of a period. Times are UTC: a profile does not follow daylight saving, it takes
/// some days to learn the new hours.
#[derive(Clone, Debug)]
struct Season {
    period_ns: i64,
    means: Vec<f32>,
    visits: Vec<u8>,
    origin: Option<f64>,
    first_ns: Option<i64>,
}

impl Season {
    fn new(period_ns: i64, phases: usize) -> Self {
        Self {
            period_ns,
            means: vec![0.0; phases],
            visits: vec![0; phases],
            origin: None,
            first_ns: None,
        }
    }

    /// What is usual at this time, `None` before the phase was seen in an earlier period: what was
    /// seen minutes ago would look like a season and be none.
    fn expected(&self, time_ns: i64) -> Option<f64> {
        if time_ns.saturating_sub(self.first_ns?) < self.period_ns {
            return None;
        }
        let phase = self.phase(time_ns);
        let mean = f64::from(self.means[phase]);
        (self.visits[phase] > 0).then(|| mean + self.origin.unwrap_or(0.0))
    }

    /// How far the row is from what is usual at its time, where that is known; learns it.
    fn push(&mut self, time_ns: i64, x: f64) -> Option<f64> {
        self.first_ns.get_or_insert(time_ns);
        // An offset that the whole series has costs the means no digits.
        let x = (x - *self.origin.get_or_insert(x)) as f32;
        let phase = self.phase(time_ns);
        let (mean, visits) = (&mut self.means[phase], &mut self.visits[phase]);
        let off = (*visits > 0).then(|| f64::from(x - *mean));
        *visits = (*visits + 1).min(MEMORY_VISITS);
        *mean = coarse(*mean + (x - *mean) / f32::from(*visits));
        off
    }

    fn phase(&self, time_ns: i64) -> usize {
        // Phases are whole seconds long.
        let phase_ns = self.period_ns / self.means.len() as i64;
        (time_ns.rem_euclid(self.period_ns) / phase_ns) as usize
    }
}

/// The profiles that every model of a series shares.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    seasons: [Season; PROFILES],
}

/// Profiles side by side.
pub(crate) const PROFILES: usize = 4;

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Profile {
    /// The hours of a day.
    Hours,
    /// The quarters of an hour of a day.
    Quarters,
    /// Five minutes of a day.
    Minutes,
    /// The hours of a week.
    Week,
}

/// What the profiles say of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    expected: [Option<f64>; PROFILES],
    off: [Option<f64>; PROFILES],
}

impl Profiles {
    pub(crate) fn new() -> Self {
        let day = |phases| Season::new(DAY_NS, phases);
        Self { seasons: [day(24), day(96), day(288), Season::new(WEEK_NS, 168)] }
    }

    /// How far the row is from every profile; learns it.
    pub(crate) fn push(&mut self, time_ns: i64, x: f64) -> Offsets {
        let expected = self.seasons.each_ref().map(|season| season.expected(time_ns));
        let off = self.seasons.each_mut().map(|season| season.push(time_ns, x));
        Offsets { expected, off }
    }
}

impl Offsets {
    /// What was usual at this time.
    pub(crate) fn expected(&self, profile: Profile) -> Option<f64> {
        self.expected[profile as usize]
    }

    /// How far the row is from it, `None` where that is unknown.
    pub(crate) fn off(&self, profile: Profile) -> Option<f64> {
        self.off[profile as usize]
    }
}

impl Keep for Season {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.origin.keep(tape);
        self.first_ns.keep(tape);
        tape.runs(&mut self.visits);
        let seen = self.means.iter_mut().zip(&self.visits).filter(|(_, visits)| **visits > 0);
        seen.for_each(|(mean, _)| tape.coarse(std::slice::from_mut(mean)));
    }
}

kept!(Profiles: seasons);
