//! Where the ticks of an axis stand and what is written at them.
//!
//! The rule: ticks stand at round numbers and round times (UTC), few enough to be read.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick<T> {
    pub(super) at: T,
    pub(super) label: String,
    /// A second line, for what changes less often.
    pub(super) below: Option<String>,
}

/// The shown part of an axis of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Span {
    /// Room for these values, never empty.
    pub(super) fn around(low: f64, high: f64) -> Self {
        // Halves, so that the difference of the largest numbers stays finite.
        let half = high / 2.0 - low / 2.0;
        let least = (low.abs().max(high.abs()) * 1e-9).max(f64::MIN_POSITIVE * 1e16);
        let margin = if half > least { half * 0.12 } else { (high.abs() * 0.05).max(1.0) };
        let most = f64::MAX / 2.0;
        Self { low: (low - margin).max(-most), high: (high + margin).min(most) }
    }

    /// 0 at its low end, 1 at its high end, without bounds.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    /// About `most` ticks at multiples of 1, 2 or 5 times a power of ten.
    pub(super) fn ticks(&self, most: u32) -> Vec<Tick<f64>> {
        let rough = (self.high - self.low) / f64::from(most);
        let power = rough.log10().floor();
        let unit = 10f64.powf(power);
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * unit);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(step[3]);
        let first = (self.low / step).ceil();
        let ticks = (0..=most).map(|k| (first + f64::from(k)) * step);
        ticks
            .take_while(|at| *at <= self.high)
            .map(|at| Tick { at, label: number(at, step), below: None })
            .collect()
    }
}

/// A number as a multiple of `step` is written.
fn number(at: f64, step: f64) -> String {
    if at == 0.0 {
        return "0".to_owned();
    }
    let largest = at.abs().max(step);
    if !(1e-4..1e7).contains(&largest) {
        // As many digits as tell two ticks apart.
        let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 15.0) as usize;
        return format!("{at:.digits$e}");
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{at:.decimals$}")
}

/// Times between two ticks: seconds, or calendar months.
const SECONDS: [i64; 22] = [
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    10_800,
    21_600,
    43_200,
    86_400,
    2 * 86_400,
    4 * 86_400,
    7 * 86_400,
    14 * 86_400,
];
const MONTHS: [i64; 11] = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200];
const DAY_S: i64 = 86_400;
/// A Monday, from which weeks are counted.
const MONDAY_S: i64 = 4 * DAY_S;

/// At most `most` ticks between two times, in nanoseconds since 1970.
pub(super) fn times(first_ns: i64, last_ns: i64, most: i64) -> Vec<Tick<i64>> {
    let second = |ns: i64| ns.div_euclid(1_000_000_000);
    // The whole seconds that lie between.
    let (first, last) = (second(first_ns.saturating_sub(1)) + 1, second(last_ns));
    if last <= first {
        let tick = label(second(first_ns), &mut None, 1);
        return tick.into_iter().map(|tick| Tick { at: first_ns, ..tick }).collect();
    }
    let enough = |step: &&i64| (last - first) / **step <= most;
    let (places, step) = match SECONDS.iter().find(enough) {
        Some(&step) => (by_seconds(first, last, step), step),
        None => by_months(first, last, most),
    };
    let mut before = None;
    places.into_iter().filter_map(|at| label(at, &mut before, step)).collect()
}

fn by_seconds(first: i64, last: i64, step: i64) -> Vec<i64> {
    let origin = if step % (7 * DAY_S) == 0 { MONDAY_S } else { 0 };
    let from = origin + (first - origin + step - 1).div_euclid(step) * step;
    (0..).map(|k| from + k * step).take_while(|at| *at <= last).collect()
}

/// The places, and the seconds between two of them.
fn by_months(first: i64, last: i64, most: i64) -> (Vec<i64>, i64) {
    let months = (last - first) / (30 * DAY_S);
    let step = MONTHS.iter().find(|step| months / **step <= most).unwrap_or(&MONTHS[10]);
    let Some(start) = civil(first) else { return (Vec::new(), DAY_S) };
    let month = i64::from(start.year()) * 12 + i64::from(start.month()) - 1;
    let from = month.div_euclid(*step) * step;
    let at = |month: i64| {
        let year = i16::try_from(month.div_euclid(12)).ok()?;
        let date = Date::new(year, month.rem_euclid(12) as i8 + 1, 1).ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    };
    let places = (0..=most + 2)
        .filter_map(|k| at(from + k * step))
        .filter(|at| (first..=last).contains(at))
        .collect();
    (places, step * 30 * DAY_S)
}

fn civil(second: i64) -> Option<DateTime> {
    Some(Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC).datetime())
}

/// Labels a tick of those that stand `step` seconds apart; what stands below is written where it differs from the
/// tick before.
fn label(at: i64, before: &mut Option<String>, step: i64) -> Option<Tick<i64>> {
    let time = civil(at)?;
    let (label, below) = match step {
        ..60 => ("%H:%M:%S", "%Y-%m-%d"),
        60..DAY_S => ("%H:%M", "%Y-%m-%d"),
        DAY_S..2_592_000 => ("%b %-d", "%Y"),
        2_592_000..31_104_000 => ("%b", "%Y"),
        _ => ("%Y", ""),
    };
    let [label, below] = [label, below].map(|format| time.strftime(format).to_string());
    let changed = before.as_ref() != Some(&below) && !below.is_empty();
    *before = Some(below.clone());
    Some(Tick { at: at.checked_mul(1_000_000_000)?, label, below: changed.then_some(below) })
}

/// A time as people write it, to the second.
pub(super) fn moment(time_ns: i64) -> String {
    let time = civil(time_ns.div_euclid(1_000_000_000));
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels<T>(ticks: &[Tick<T>]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn values_have_round_ticks() {
        for (low, high, shown) in [
            (0.0, 1.0, &["0", "0.2", "0.4", "0.6", "0.8", "1.0"][..]),
            (-3.0, 11.0, &["0", "5", "10"]),
            (37_000.0, 41_000.0, &["37000", "38000", "39000", "40000", "41000"]),
            (1e9, 1.4e9, &["1.0e9", "1.1e9", "1.2e9", "1.3e9", "1.4e9"]),
            (1e-7, 2e-7, &["1.0e-7", "1.2e-7", "1.4e-7", "1.6e-7", "1.8e-7", "2.0e-7"]),
        ] {
            assert_eq!(labels(&Span { low, high }.ticks(5)), shown, "{low}..{high}");
        }
    }

    #[test]
    fn any_values_have_a_span_and_few_ticks() {
        let sizes = [0.0, f64::MIN_POSITIVE, 1e-300, 0.1, 1.0, 1e18, 1e300];
        // Numbers at the very end of what a float can say may be drawn at the edge.
        let values: Vec<f64> = sizes.iter().flat_map(|size| [-size, *size]).collect();
        for &a in &values {
            for &b in values.iter().filter(|b| **b >= a) {
                let span = Span::around(a, b);
                assert!(span.low < span.high, "{a} {b}: {span:?}");
                let (first, last) = (span.share(a), span.share(b));
                assert!((-0.01..=1.01).contains(&first) && (first..=1.51).contains(&last));
                assert!(span.ticks(5).len() <= 6, "{a} {b}: {:?}", span.ticks(5));
                let apart = b - a > 1e-290 && b - a > b.abs() * 1e-6;
                assert!(!apart || last - first > 0.7, "{a} {b}: they fill it");
            }
        }
    }

    #[test]
    fn times_have_round_ticks_and_say_the_date_once() {
        let at = |text: &str| text.parse::<Timestamp>().expect(text).as_nanosecond() as i64;
        let between = |a, b| times(at(a), at(b), 8);
        let ticks = between("2014-04-01T21:50:00Z", "2014-04-02T04:10:00Z");
        assert_eq!(labels(&ticks), ["22:00", "23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]);
        let below: Vec<_> = ticks.iter().filter_map(|tick| tick.below.as_deref()).collect();
        assert_eq!(below, ["2014-04-01", "2014-04-02"]);
        let ticks = between("2014-12-01T00:00:00Z", "2015-01-20T00:00:00Z");
        assert_eq!(labels(&ticks)[..2], ["Dec 1", "Dec 8"], "weeks begin on Mondays");
        let ticks = between("2014-01-15T00:00:00Z", "2015-03-01T00:00:00Z");
        assert_eq!(labels(&ticks), ["Mar", "May", "Jul", "Sep", "Nov", "Jan", "Mar"]);
        let ticks = between("1990-01-15T00:00:00Z", "2025-03-01T00:00:00Z");
        assert_eq!(labels(&ticks)[0], "1995");
        assert_eq!(moment(at("2014-04-01T21:50:07.9Z")), "2014-04-01 21:50:07");
    }

    #[test]
    fn any_times_have_few_ticks() {
        let times_ns = [i64::MIN, -1, 0, 1, 999_999_999, 1_000_000_000, 1 << 40, i64::MAX];
        for a in times_ns {
            for b in times_ns.into_iter().filter(|b| *b >= a) {
                let ticks = times(a, b, 8);
                assert!(ticks.len() <= 9, "{a} {b}: {}", ticks.len());
                assert!(ticks.iter().all(|tick| (a..=b).contains(&tick.at)), "{a} {b}");
            }
        }
    }
}
