//! A series of any length as a bounded number of columns of equal time.
//!
//! The rule: a column keeps its first, last, lowest and highest row, so that no spike is lost, and the line
//! through them covers the pixels that the line through all rows would cover (M4: Jugel, Jerzak, Hackenbroich
//! and Markl, "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014).

use std::collections::BTreeMap;

use shimmer_detect::{Method, Range, Severity};

/// Most columns that are kept: more than a plot has pixels, so that each is at most one pixel wide.
pub(super) const MAX_COLUMNS: usize = 2048;
/// Widest column in nanoseconds: all of time in a handful.
const WIDEST: i64 = 1 << 62;

/// A row of the series with what was said of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::detect) struct Scored {
    pub(in crate::detect) time_ns: i64,
    pub(in crate::detect) value: f64,
    pub(in crate::detect) score: f64,
    pub(in crate::detect) severity: Severity,
    pub(in crate::detect) method: Method,
    pub(in crate::detect) expected: Option<Range>,
}

/// A value at its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) time_ns: i64,
    pub(super) value: f64,
}

/// What is left of the rows of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) first: Point,
    pub(super) last: Point,
    pub(super) lowest: Point,
    pub(super) highest: Point,
    /// From the least to the greatest value that was expected in it.
    pub(super) expected: Option<Range>,
    /// The highest score.
    pub(super) score: f64,
    /// The worst alarm.
    pub(super) alarm: Option<Scored>,
}

impl Column {
    fn of(row: &Scored) -> Self {
        let point = Point { time_ns: row.time_ns, value: row.value };
        Self {
            first: point,
            last: point,
            lowest: point,
            highest: point,
            expected: row.expected,
            score: row.score,
            alarm: (row.severity > Severity::Info).then_some(*row),
        }
    }

    fn join(&mut self, other: Self) {
        let earlier = |a: Point, b: Point| if b.time_ns < a.time_ns { b } else { a };
        // The newer of two at one time is the last.
        let later = |a: Point, b: Point| if b.time_ns < a.time_ns { a } else { b };
        self.first = earlier(self.first, other.first);
        self.last = later(self.last, other.last);
        if other.lowest.value < self.lowest.value {
            self.lowest = other.lowest;
        }
        if other.highest.value > self.highest.value {
            self.highest = other.highest;
        }
        self.expected = match (self.expected, other.expected) {
            (Some(a), Some(b)) => Some(Range { low: a.low.min(b.low), high: a.high.max(b.high) }),
            (one, None) | (None, one) => one,
        };
        self.score = self.score.max(other.score);
        let worse = |alarm: &Scored| self.alarm.is_none_or(|known| alarm.score > known.score);
        if let Some(alarm) = other.alarm.filter(worse) {
            self.alarm = Some(alarm);
        }
    }

    /// Its points in the order of time, each once.
    pub(super) fn points(&self) -> Vec<Point> {
        let mut points = vec![self.first, self.lowest, self.highest, self.last];
        // The first and the last keep their places among points of one time.
        points[1..3].sort_by_key(|point| point.time_ns);
        points.dedup();
        points
    }
}

/// The columns of a series.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    width_ns: i64,
    rows: u64,
    columns: BTreeMap<i64, Column>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self { width_ns: 1, rows: 0, columns: BTreeMap::new() }
    }

    /// Takes a row, at any time.
    pub(super) fn push(&mut self, row: &Scored) {
        self.rows += 1;
        add(&mut self.columns, row.time_ns.div_euclid(self.width_ns), Column::of(row));
        while self.columns.len() > MAX_COLUMNS && self.width_ns < WIDEST {
            self.width_ns *= 2;
            for (at, column) in std::mem::take(&mut self.columns) {
                add(&mut self.columns, at.div_euclid(2), column);
            }
        }
    }

    /// The columns joined to those that `place` gives the same number; in the order of the numbers.
    pub(super) fn joined(self, place: impl Fn(i64) -> i64) -> Vec<Column> {
        let mut joined = BTreeMap::new();
        for column in self.columns.into_values() {
            add(&mut joined, place(column.first.time_ns), column);
        }
        joined.into_values().collect()
    }

    /// How many rows there were.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Column> {
        self.columns.values()
    }
}

fn add(columns: &mut BTreeMap<i64, Column>, at: i64, column: Column) {
    match columns.entry(at) {
        std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(column)),
        std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().join(column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time_ns: i64, value: f64) -> Scored {
        let (score, severity) = (0.0, Severity::Info);
        Scored { time_ns, value, score, severity, method: Method::Spike, expected: None }
    }

    #[test]
    fn a_spike_among_a_million_rows_stays_and_memory_does_not_grow() {
        let mut columns = Columns::new();
        for k in 0..1_000_000 {
            let value = if k == 654_321 { 1e6 } else { f64::from(k % 7) };
            columns.push(&row(i64::from(k) * 60_000_000_000, value));
            assert!(columns.columns.len() <= MAX_COLUMNS);
        }
        assert!(columns.columns.len() > MAX_COLUMNS / 3, "{}", columns.columns.len());
        let spikes: Vec<_> = columns.iter().filter(|column| column.highest.value > 6.0).collect();
        assert_eq!(spikes.len(), 1);
        assert_eq!(spikes[0].highest, Point { time_ns: 654_321 * 60_000_000_000, value: 1e6 });
        let joined = columns.joined(|time_ns| time_ns / 6_000_000_000_000_000);
        assert_eq!(joined.len(), 10);
        assert_eq!(joined[6].highest.value, 1e6);
    }

    #[test]
    fn times_from_end_to_end_and_backwards_are_taken() {
        let mut columns = Columns::new();
        for k in 0..3 * MAX_COLUMNS as i64 {
            let time = [i64::MAX - k, i64::MIN + k, k][k as usize % 3];
            columns.push(&row(time, k as f64));
        }
        assert!(columns.columns.len() <= MAX_COLUMNS, "{}", columns.columns.len());
        let all: Vec<_> = columns.joined(|_| 0);
        assert_eq!((all[0].first.time_ns, all[0].last.time_ns), (i64::MIN + 1, i64::MAX));
    }

    #[test]
    fn a_column_keeps_its_ends_its_extremes_and_its_worst_alarm() {
        let mut columns = Columns::new();
        for (time, value, score) in [(3, 5.0, 0.8), (1, 4.0, 0.0), (2, 9.0, 0.95), (4, 1.0, 0.75)] {
            let expected = Some(Range { low: value - 1.0, high: value + 1.0 });
            let severity = Severity::of(score);
            columns.push(&Scored { score, severity, expected, ..row(time, value) });
        }
        let column = columns.joined(|_| 0).remove(0);
        let points: Vec<_> = column.points().iter().map(|p| (p.time_ns, p.value)).collect();
        assert_eq!(points, [(1, 4.0), (2, 9.0), (4, 1.0)]);
        assert_eq!(column.expected, Some(Range { low: 0.0, high: 10.0 }));
        assert_eq!(column.alarm.map(|alarm| alarm.time_ns), Some(2));
    }
}
