//! Rounds: every case once, then every case again.
//!
//! The rule: a ratio is taken within a round, whose cases ran within the same second or so; the
//! table shows the median of the ratios, not the ratio of medians.

use crate::figures::{median, quantile};
use std::fmt;

/// One case: a name, and how to measure it once.
pub struct Case<'a> {
    /// Its name in the table.
    pub name: String,
    /// Measures once, in the unit of the table.
    pub measure: Box<dyn FnMut() -> f64 + 'a>,
}

/// What many rounds said. Displays as Markdown.
#[derive(Debug, Clone)]
pub struct Table {
    title: String,
    unit: &'static str,
    decimals: usize,
    reference: usize,
    names: Vec<String>,
    /// One vector a round, one value a case.
    values: Vec<Vec<f64>>,
}

/// Measures every case `rounds` times in turn; ratios are to the case called `reference`. The order
/// turns by one from round to round, so that nobody always comes after the same.
///
/// # Panics
/// When no case has the name of the reference.
pub fn rounds(
    title: &str,
    unit: &'static str,
    reference: &str,
    rounds: usize,
    cases: &mut [Case<'_>],
) -> Table {
    let reference =
        cases.iter().position(|case| case.name == reference).expect("the reference is a case");
    let names: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
    let count = cases.len();
    let mut values = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let mut measured = vec![0.0; count];
        for step in 0..count {
            let at = (round + step) % count;
            measured[at] = (cases[at].measure)();
        }
        values.push(measured);
    }
    Table { title: title.to_owned(), unit, decimals: 1, reference, names, values }
}

impl Table {
    /// The table with so many digits behind the point, for units in which 1 is much.
    #[must_use]
    pub fn with_decimals(self, decimals: usize) -> Self {
        Self { decimals, ..self }
    }

    /// Median of a case's ratios to the reference.
    #[must_use]
    pub fn ratio(&self, case: usize) -> f64 {
        let ratios = self.values.iter().map(|round| round[case] / round[self.reference]);
        median(&mut ratios.collect::<Vec<_>>())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, unit, names, values, .. } = self;
        let d = self.decimals;
        let reference = &names[self.reference];
        writeln!(f, "**{title}** ({unit}; {} rounds)\n", values.len())?;
        writeln!(f, "| case | median | least | most | x {reference} |")?;
        writeln!(f, "|---|---:|---:|---:|---:|")?;
        for (at, name) in names.iter().enumerate() {
            let mut column: Vec<_> = values.iter().map(|round| round[at]).collect();
            let middle = median(&mut column);
            let (least, most) = (quantile(&mut column, 0.0), quantile(&mut column, 1.0));
            let ratio = self.ratio(at);
            writeln!(f, "| {name} | {middle:.d$} | {least:.d$} | {most:.d$} | {ratio:.2} |")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine gets slower from round to round; the ratio stays.
        let (mut slow, mut fast) = (0.0, 0.0);
        let mut cases = [
            Case {
                name: "slow".into(),
                measure: Box::new(move || {
                    slow += 2.0;
                    slow
                }),
            },
            Case {
                name: "fast".into(),
                measure: Box::new(move || {
                    fast += 1.0;
                    fast
                }),
            },
        ];
        let table = rounds("t", "ns", "fast", 5, &mut cases);
        assert_eq!(table.ratio(0), 2.0);
        assert!(table.to_string().contains("| slow | 6.0 | 2.0 | 10.0 | 2.00 |"), "{table}");
    }
}
