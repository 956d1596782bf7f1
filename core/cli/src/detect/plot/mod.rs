//! A back-test as a drawing: the series with where it was expected, and its score below.
//!
//! The rule: what is kept has a bound whatever the length of the series, every alarm and spike is in the
//! drawing, and it reads the same on a light and on a dark page.

mod axis;
mod columns;
mod svg;

use shimmer_detect::{CRITICAL, Severity, WARNING};

use axis::{Span, moment, times};
use columns::{Column, Columns};
use svg::{Drawing, Path};

pub(in crate::detect) use columns::Scored;

/// Size of the drawing and of its two panels, in pixels.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 944.0;
const VALUES: Panel = Panel { top: 62.0, bottom: 322.0 };
const SCORES: Panel = Panel { top: 350.0, bottom: 446.0 };
/// Room for the label of a time.
const LABEL_PX: f64 = 60.0;
/// Up to so many columns each row has a dot, since a line alone would hide where they are.
const DOTTED_COLUMNS: usize = 60;
/// A gap of this many usual intervals between rows breaks the line, where it is this many pixels wide.
const GAP_INTERVALS: f64 = 20.0;
const GAP_PX: f64 = 4.0;
/// The expected range may widen the axis by this much of the values' range.
const BAND_SHARE: f64 = 0.35;

/// Colours that are told apart in the usual kinds of colour blindness, on white.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#333}.t{font-size:15px;font-weight:600}.s{fill:#666}\
.e{text-anchor:end}.m{text-anchor:middle}.g{stroke:#e4e4e4}.f{fill:none;stroke:#999}\
.b{fill:#bcd9ee}.v,.c{fill:none;stroke-width:12;stroke-linejoin:round;stroke-linecap:round}\
.v{stroke:#16537e}.d{stroke-width:45}.c{stroke:#555}.w{stroke:#b86e00;stroke-dasharray:5 3}\
.k{stroke:#b3142c;stroke-dasharray:5 3}.aw{fill:#f0a000;stroke:#6b4200}.ak{fill:#d7263d;stroke:#6d0017}\
.lw{stroke:#f0a000;stroke-opacity:.6}.lk{stroke:#d7263d;stroke-opacity:.6}";

/// The place of a panel.
#[derive(Clone, Copy, Debug)]
struct Panel {
    top: f64,
    bottom: f64,
}

impl Panel {
    /// The height of a share of the panel, 0 at its bottom.
    fn y(&self, share: f64) -> f64 {
        // What lies far outside is cut off by the panel anyway.
        self.bottom - share.clamp(-9.0, 9.0) * (self.bottom - self.top)
    }
}

/// The words around the drawing.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) subtitle: String,
    /// Unit of the values; empty for none.
    pub(super) unit: String,
}

/// Collects a series for its drawing.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    columns: Columns,
}

impl Plot {
    pub(super) fn new() -> Self {
        Self { columns: Columns::new() }
    }

    pub(super) fn take(&mut self, row: &Scored) {
        self.columns.push(row);
    }

    /// The drawing as SVG.
    pub(super) fn to_svg(&self, words: &Words) -> String {
        let mut drawing = Drawing::default();
        drawing.open(format_args!(
            "svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\""
        ));
        drawing.title(&words.title);
        drawing.open("style");
        drawing.raw(STYLE);
        drawing.close("style");
        // Its own ground: dark viewers show nothing of theirs through it.
        drawing.element("rect width=\"100%\" height=\"100%\" fill=\"#fff\"");
        drawing.write(LEFT, 24.0, "class=\"t\"", &words.title);
        drawing.write(LEFT, 44.0, "class=\"s\"", &words.subtitle);
        match Frame::around(&self.columns) {
            Some(frame) => {
                let columns = self.columns.clone().joined(|time| frame.x(time) as i64);
                frame.axes(&mut drawing, &words.unit);
                frame.values(&mut drawing, &columns);
                frame.scores(&mut drawing, &columns);
                frame.alarms(&mut drawing, &columns);
                legend(&mut drawing);
            }
            None => drawing.write(WIDTH / 2.0, HEIGHT / 2.0, "class=\"m\"", "no rows"),
        }
        drawing.close("svg");
        drawing.finish()
    }
}

/// The two axes of a series.
#[derive(Clone, Copy, Debug)]
struct Frame {
    first_ns: i64,
    last_ns: i64,
    values: Span,
    /// Pixels without a row that break the line.
    gap_px: f64,
}

impl Frame {
    fn around(columns: &Columns) -> Option<Self> {
        let (first, last) = (columns.iter().next()?, columns.iter().last()?);
        let low = columns.iter().map(|column| column.lowest.value).fold(f64::INFINITY, f64::min);
        let high =
            columns.iter().map(|column| column.highest.value).fold(f64::NEG_INFINITY, f64::max);
        let reach = (high / 2.0 - low / 2.0) * 2.0 * BAND_SHARE;
        let expected = columns.iter().filter_map(|column| column.expected);
        let (band_low, band_high) = expected
            .fold((low, high), |(low, high), range| (low.min(range.low), high.max(range.high)));
        let values = Span::around(band_low.max(low - reach), band_high.min(high + reach));
        let gap_px = (RIGHT - LEFT) * GAP_INTERVALS / columns.rows() as f64;
        Some(Self {
            first_ns: first.first.time_ns,
            last_ns: last.last.time_ns,
            values,
            gap_px: gap_px.max(GAP_PX),
        })
    }

    /// The pixel of a time; the middle for a series of one time.
    fn x(&self, time_ns: i64) -> f64 {
        let whole = self.last_ns as f64 - self.first_ns as f64;
        let share = if whole > 0.0 {
            // As integers first: of nanoseconds since 1970 a float has only every 256th.
            time_ns.wrapping_sub(self.first_ns) as u64 as f64 / whole
        } else {
            0.5
        };
        LEFT + share * (RIGHT - LEFT)
    }

    fn axes(&self, drawing: &mut Drawing, unit: &str) {
        let line = |drawing: &mut Drawing, class: &str, [x1, y1, x2, y2]: [f64; 4]| {
            drawing.element(format_args!(
                "line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\""
            ));
        };
        for tick in self.values.ticks(6) {
            let y = VALUES.y(self.values.share(tick.at));
            line(drawing, "g", [LEFT, y, RIGHT, y]);
            drawing.write(LEFT - 8.0, y + 4.0, "class=\"e\"", &tick.label);
        }
        drawing.write(LEFT - 8.0, SCORES.bottom + 4.0, "class=\"e\"", "0");
        for (class, at) in [("w", WARNING), ("k", CRITICAL)] {
            let y = SCORES.y(at);
            line(drawing, class, [LEFT, y, RIGHT, y]);
            drawing.write(LEFT - 8.0, y + 4.0, "class=\"e\"", &at.to_string());
        }
        for tick in times(self.first_ns, self.last_ns, 9) {
            let x = self.x(tick.at);
            line(drawing, "g", [x, VALUES.top, x, VALUES.bottom]);
            line(drawing, "g", [x, SCORES.top, x, SCORES.bottom]);
            let anchor = if x > RIGHT - LABEL_PX / 2.0 { "e" } else { "m" };
            let class = |more: &str| format!("class=\"{anchor}{more}\"");
            drawing.write(x, SCORES.bottom + 16.0, &class(""), &tick.label);
            if let Some(below) = tick.below {
                drawing.write(x, SCORES.bottom + 32.0, &class(" s"), &below);
            }
        }
        let value = if unit.is_empty() { "value".to_owned() } else { format!("value ({unit})") };
        for (panel, words) in [(VALUES, value.as_str()), (SCORES, "score (0 to 1)")] {
            let y = (panel.top + panel.bottom) / 2.0;
            let turn = format!("class=\"m\" transform=\"rotate(-90 16 {y})\"");
            drawing.write(16.0, y, &turn, words);
            let (width, height) = (RIGHT - LEFT, panel.bottom - panel.top);
            drawing.element(format_args!(
                "rect class=\"f\" x=\"{LEFT}\" y=\"{}\" width=\"{width}\" height=\"{height}\"",
                panel.top
            ));
        }
        drawing.write(RIGHT, HEIGHT - 8.0, "class=\"e s\"", "time (UTC)");
    }

    /// The expected range and the line over it.
    fn values(&self, drawing: &mut Drawing, columns: &[Column]) {
        let (mut band, mut line, mut dots) = <(Path, Path, Path)>::default();
        for run in self.runs(columns) {
            for part in run.split(|column| column.expected.is_none()) {
                let edge = |column: &Column, high: bool| {
                    let range = column.expected.expect("split at those without");
                    let value = if high { range.high } else { range.low };
                    (self.x(column.first.time_ns), VALUES.y(self.values.share(value)))
                };
                for (x, y) in part.iter().map(|column| edge(column, true)) {
                    band.to(x, y);
                }
                for (x, y) in part.iter().rev().map(|column| edge(column, false)) {
                    band.to(x, y);
                }
                if !part.is_empty() {
                    band.close();
                }
            }
            for point in run.iter().flat_map(Column::points) {
                let (x, y) = (self.x(point.time_ns), VALUES.y(self.values.share(point.value)));
                line.to(x, y);
                if columns.len() <= DOTTED_COLUMNS {
                    dots.to(x, y);
                    dots.lift();
                }
            }
            line.lift();
        }
        let (width, height) = (RIGHT - LEFT, VALUES.bottom - VALUES.top);
        drawing.open(format_args!(
            "clipPath id=\"p\"><rect x=\"{LEFT}\" y=\"{}\" width=\"{width}\" height=\"{height}\"/",
            VALUES.top
        ));
        drawing.close("clipPath");
        drawing.open("g clip-path=\"url(#p)\"");
        path(drawing, "b", band);
        path(drawing, "v", line);
        path(drawing, "v d", dots);
        drawing.close("g");
    }

    fn scores(&self, drawing: &mut Drawing, columns: &[Column]) {
        let mut line = Path::default();
        for run in self.runs(columns) {
            for column in run {
                line.to(self.x(column.first.time_ns), SCORES.y(column.score));
            }
            line.lift();
        }
        path(drawing, "c", line);
    }

    /// A mark for the worst alarm of each column.
    fn alarms(&self, drawing: &mut Drawing, columns: &[Column]) {
        for alarm in columns.iter().filter_map(|column| column.alarm) {
            let x = self.x(alarm.time_ns);
            let y = VALUES.y(self.values.share(alarm.value));
            let title = format!(
                "{}: value {}, score {:.2}, {}, {}",
                moment(alarm.time_ns),
                alarm.value,
                alarm.score,
                alarm.severity.as_str(),
                alarm.method.as_str()
            );
            // Told apart by their shapes, too.
            let (class, shape) = match alarm.severity {
                Severity::Critical => ("k", "l6 6-6 6-6-6z"),
                _ => ("w", "l6 11h-12z"),
            };
            for panel in [VALUES, SCORES] {
                drawing.element(format_args!(
                    "path class=\"l{class}\" d=\"M{x:.1} {}V{}\"",
                    panel.top, panel.bottom
                ));
            }
            let top = if class == "k" { y - 6.0 } else { y - 7.0 };
            let mark = format!("class=\"a{class}\" d=\"M{x:.1} {top:.1}{shape}\"");
            drawing.titled("path", mark, &title);
        }
    }

    /// The columns between gaps.
    fn runs<'c>(&self, columns: &'c [Column]) -> Vec<&'c [Column]> {
        let together = |from: &Column, to: &Column| {
            self.x(to.first.time_ns) - self.x(from.last.time_ns) <= self.gap_px
        };
        columns.chunk_by(together).collect()
    }
}

/// A path in tenths of a pixel.
fn path(drawing: &mut Drawing, class: &str, path: Path) {
    let data = path.finish();
    if data.is_empty() {
        return;
    }
    drawing.element(format_args!("path class=\"{class}\" transform=\"scale(.1)\" d=\"{data}\""));
}

fn legend(drawing: &mut Drawing) {
    let y = 44.0;
    let mut x = RIGHT - 330.0;
    for (shape, words, width) in [
        ("class=\"b\" d=\"M-14 0h14v-9h-14z\"", "expected", 84.0),
        ("class=\"v\" style=\"stroke-width:1.5\" d=\"M-14-4h14\"", "value", 66.0),
        ("class=\"aw\" d=\"M-7-11l6 11h-12z\"", "warning", 84.0),
        ("class=\"ak\" d=\"M-7-11l6 6-6 6-6-6z\"", "critical", 0.0),
    ] {
        drawing.element(format_args!("path transform=\"translate({x} {y})\" {shape}"));
        drawing.write(x + 6.0, y, "class=\"s\"", words);
        x += width;
    }
}

#[cfg(test)]
mod tests;
