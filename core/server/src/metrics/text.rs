//! The text of `/metrics`, kept from scrape to scrape.
//!
//! The rule: names, labels and comments are written by the encoder of `prometheus`, once for as long as
//! they are the same; a scrape copies that text and writes the values that changed.

use bytes::{Bytes, BytesMut};
use prometheus::{Encoder, TextEncoder};

use super::family::{Learned, Sheet};

/// Integers beyond this are not told apart by a double.
const WHOLE: f64 = 9_007_199_254_740_992.0;
/// Room for each number of the next scrape to be longer than that of the last.
const SLACK_BYTES: usize = 8;

/// The text and where its values are.
#[derive(Debug, Default)]
pub(crate) struct Text {
    sheet: Sheet,
    text: Bytes,
    /// The text before that one, whose memory is used again once no answer holds it.
    spare: Bytes,
    /// In the order of the text.
    lines: Vec<Line>,
    /// The values in the text, in the order in which they were said.
    shown: Vec<f64>,
}

/// The value of a line.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Its index among the values that are said.
    value: u32,
    /// Where it stands in the text.
    start: u32,
    end: u32,
}

impl Text {
    /// The text of what `say` says, which is asked again where its names or labels are new.
    ///
    /// # Errors
    /// What it says cannot be written.
    pub(super) fn render(&mut self, say: impl Fn(&mut Sheet)) -> Result<Bytes, prometheus::Error> {
        self.sheet.compare();
        say(&mut self.sheet);
        if self.sheet.is_known() {
            self.patch();
        } else {
            self.sheet.learn();
            say(&mut self.sheet);
            self.lay_out()?;
        }
        Ok(self.text.clone())
    }

    fn lay_out(&mut self) -> Result<(), prometheus::Error> {
        let learned = self.sheet.learned();
        let (families, values): (Vec<_>, Vec<_>) =
            learned.into_iter().map(|Learned { family, values, .. }| (family, values)).unzip();
        let mut text = Vec::with_capacity(self.text.len());
        self.lines.clear();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            self.sheet.forget();
            return Err(error);
        }
        let said = values.into_iter().flatten();
        let mut said = said.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        let mut from = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let end = from + line.len();
            if line[0] != b'#' {
                let start =
                    line.iter().rposition(|byte| *byte == b' ').map_or(end, |at| from + at + 1);
                let value = said.next().unwrap_or(u32::MAX);
                self.lines.push(Line { value, start: start as u32, end: end as u32 - 1 });
            }
            from = end;
        }
        let of_text = |line: &Line| (line.value as usize) < self.sheet.values().len();
        if said.next().is_some() || !self.lines.iter().all(of_text) || from > u32::MAX as usize / 2
        {
            // A family that has other lines than values: its text is right, but cannot be kept.
            self.sheet.forget();
        }
        self.shown.clear();
        self.shown.extend_from_slice(self.sheet.values());
        self.text = text.into();
        Ok(())
    }

    /// Writes the changed values into a copy of the text.
    fn patch(&mut self) {
        let spare = std::mem::take(&mut self.spare);
        let mut out = spare.try_into_mut().unwrap_or_default();
        out.clear();
        out.reserve(self.text.len() + self.lines.len() * SLACK_BYTES);
        let values = self.sheet.values();
        // How far the text is copied, and by how much what follows moves.
        let (mut copied, mut moved) = (0, 0i64);
        for line in &mut self.lines {
            let place = line.value as usize;
            let (start, end) = (line.start as usize, line.end as usize);
            line.start = (i64::from(line.start) + moved) as u32;
            if values[place].to_bits() != self.shown[place].to_bits() {
                out.extend_from_slice(&self.text[copied..start]);
                write(values[place], &mut out);
                copied = end;
                moved = out.len() as i64 - end as i64;
            }
            line.end = (i64::from(line.end) + moved) as u32;
        }
        self.shown.copy_from_slice(values);
        out.extend_from_slice(&self.text[copied..]);
        self.spare = std::mem::replace(&mut self.text, out.freeze());
    }
}

/// Writes a value as the encoder does, but for the exponents of very large and small ones.
fn write(value: f64, out: &mut BytesMut) {
    let is_whole = value.abs() < WHOLE && value.trunc().to_bits() == value.to_bits();
    if is_whole && (value != 0.0 || value.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(value.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::{PluginSeries, Series};
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
    use proptest::prelude::*;

    /// The lines without their values, and the values.
    fn split(text: &[u8]) -> (Vec<&str>, Vec<f64>) {
        let text = std::str::from_utf8(text).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let value = |line: &&str| !line.starts_with('#');
        let (samples, mut lines): (Vec<&str>, Vec<&str>) = text.lines().partition(value);
        let samples: Vec<_> = samples.iter().map(|line| line.rsplit_once(' ').unwrap()).collect();
        lines.extend(samples.iter().map(|(line, _)| line));
        (lines, samples.iter().map(|(_, value)| value.parse().unwrap()).collect())
    }

    fn assert_same(ours: &[u8], plain: &[u8]) {
        let ((ours, values), (plain, wanted)) = (split(ours), split(plain));
        assert_eq!(ours, plain);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(&wanted), "{values:?} {wanted:?}");
    }

    /// What the encoder writes of what `say` says, with nothing kept.
    fn plain(say: impl Fn(&mut Sheet)) -> Vec<u8> {
        let mut sheet = Sheet::default();
        sheet.learn();
        say(&mut sheet);
        let families: Vec<_> = sheet.learned().into_iter().map(|learned| learned.family).collect();
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text).unwrap();
        text
    }

    fn plugin(name: &str, labels: &[&str], values: &[f64]) -> PluginSeries {
        let series = |at: usize, counter: bool| Series {
            name: format!("m{at}{}", if counter { "_total" } else { "" }),
            help: "One \\ two\nthree".into(),
            counter,
            labels: vec!["l".into(); labels.len().min(1)],
            samples: labels.iter().map(|label| vec![(*label).to_owned()]).collect(),
        };
        let all = values.iter().copied().cycle().take(2 * labels.len()).collect::<Vec<_>>();
        PluginSeries {
            plugin: name.into(),
            series: vec![series(0, true), series(1, false)].into(),
            values: all.into(),
        }
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("one not-a-number is enough", |value| !value.is_nan()),
            (0u64..1 << 60).prop_map(|whole| whole as f64),
            (-1000..1000).prop_map(|n| f64::from(n) / 8.0),
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            Just(-0.0),
        ]
    }

    proptest! {
        #[test]
        fn any_scrapes_read_as_the_plain_encoder_writes(
            scrapes in prop::collection::vec(
                (prop::collection::vec(value(), 1..6), 0usize..4, any::<bool>()), 1..12),
        ) {
            let registry = Registry::new();
            let counters = IntCounterVec::new(Opts::new("z_total", "Last."), &["route"]).unwrap();
            let options = HistogramOpts::new("h_seconds", "Times.").buckets(vec![0.1, 0.25, 5.0]);
            let times = HistogramVec::new(options, &["route"]).unwrap();
            registry.register(Box::new(counters.clone())).unwrap();
            registry.register(Box::new(times.clone())).unwrap();
            let labels = ["", "a b", "q\"u\\o\n", "\u{e9} }"];
            let mut text = Text::default();
            let mut held = plugin("a-b", &labels[..1], &[0.0]);
            let mut kept = Vec::new();
            for (values, count, same) in &scrapes {
                counters.with_label_values(&[labels[*count]]).inc();
                times.with_label_values(&[labels[*count]]).observe(values[0].abs());
                if *same {
                    let many = held.values.len();
                    held.values = values.iter().copied().cycle().take(many).collect();
                } else {
                    held = plugin("a-b", &labels[..*count], values);
                }
                let say = |sheet: &mut Sheet| {
                    for family in registry.gather() {
                        sheet.gathered(&family);
                    }
                    sheet.plugin(held.clone());
                    // Of the same name as the plugin's, which came first where it has samples.
                    sheet.gauge("shimmer_a_b_m1", "Twice.").sample(&[("x", "y")], values[0]);
                    let empty = sheet.gauge("empty", "No sample.");
                    values.iter().fold(empty, |family, value| match value {
                        value if *value > 0.0 => family.sample(&[("v", "w")], *value),
                        _ => family,
                    });
                    let below = [(0.5, 1), (1.5, *count as u64)];
                    sheet.histogram("b", "").buckets(&[("le2", labels[*count])], below, 7, values[0]);
                };
                let page = text.render(say).unwrap();
                assert_same(&page, &plain(say));
                kept.push((page.clone(), page.to_vec()));
            }
            // Nobody's answer changes while it is sent.
            prop_assert!(kept.iter().all(|(page, copy)| page == copy));
        }
    }

    #[test]
    fn only_values_are_written_while_names_and_labels_stay() {
        let mut text = Text::default();
        let mut scrape = |labels: &[(&str, &str)], value| {
            let say = |sheet: &mut Sheet| {
                sheet.counter("a_total", "A.").sample(labels, value);
            };
            let page = text.render(say).unwrap();
            (std::str::from_utf8(&page).unwrap().to_owned(), page)
        };
        let head = "# HELP a_total A.\n# TYPE a_total counter\n";
        let (first, _) = scrape(&[("k", "v")], 1.0);
        assert_eq!(first, format!("{head}a_total{{k=\"v\"}} 1\n"));
        let (second, page) = scrape(&[("k", "v")], 12.5);
        assert_eq!(second, format!("{head}a_total{{k=\"v\"}} 12.5\n"));
        let place = page.as_ptr();
        drop(page);
        scrape(&[("k", "v")], 3.0);
        let (fourth, page) = scrape(&[("k", "v")], 4.0);
        assert_eq!(fourth, format!("{head}a_total{{k=\"v\"}} 4\n"));
        assert_eq!(page.as_ptr(), place, "two pages take turns");
        assert_eq!(scrape(&[("k", "w")], 4.0).0, format!("{head}a_total{{k=\"w\"}} 4\n"));
        assert_eq!(scrape(&[("k", "vw")], 5.0).0, format!("{head}a_total{{k=\"vw\"}} 5\n"));
    }

    #[test]
    fn a_series_more_or_less_is_noticed() {
        let mut text = Text::default();
        for count in [2, 3, 3, 1, 0, 2] {
            let say = |sheet: &mut Sheet| {
                let family = sheet.gauge("g", "G.");
                ["a", "b", "c"][..count].iter().fold(family, |f, l| f.sample(&[("l", l)], 1.0));
            };
            let page = text.render(say).unwrap();
            assert_same(&page, &plain(say));
        }
    }
}
