//! Who sits in the ensemble.
//!
//! The rule: sizes and rates go up in even steps and fit no series in particular; the last number
//! of a member is the evidence that counts as 1, the median over ordinary series of its highest
//! half per cent.

use crate::autoregression::Autoregression;
use crate::average::{Average, Relative};
use crate::blocks::Blocks;
use crate::calibration::Calibration;
use crate::context::Context;
use crate::discord::Discord;
use crate::drift::{Drift, Shift};
use crate::ensemble::{Feed, Group, Member, Opinion, Source};
use crate::neighbours::Neighbours;
use crate::record::Record;
use crate::season::Profile;
use crate::spread::Spread;

/// Memory of the usual size of a statistic.
const USUAL_ROWS: f64 = 2000.0;
/// How many rows of a block, and how many blocks, a discord reaches back: two weeks of five-minute
/// rows.
const REACH_ROWS: usize = 4032;

/// Members that cost a few hundred nanoseconds and a few KiB together.
pub(crate) fn cheap() -> Vec<Group> {
    let forecast = Source::Forecast(Box::new(Autoregression::new(0)), Relative::new(USUAL_ROWS));
    let context = Source::Context(Feed::Rows, Context::new(6, 3));
    vec![
        group(
            Opinion::Drift,
            vec![
                drift(0.3, 0.01, 4.7),
                drift(0.1, 0.005, 3.3),
                drift(0.05, 0.002, 3.1),
                drift(0.03, 0.001, 2.1),
            ],
        ),
        group(
            Opinion::Season,
            vec![
                season(Profile::Hours, 3.5),
                season(Profile::Quarters, 3.2),
                season(Profile::Week, 5.3),
            ],
        ),
        group(
            Opinion::SeasonShift,
            vec![
                season_shift(Profile::Quarters, [5.5, 4.8, 4.3]),
                season_shift(Profile::Week, [6.2, 5.9, 4.9]),
            ],
        ),
        group(Opinion::Spread, vec![spread(24.0, 2.5), spread(96.0, 2.9)]),
        group(
            Opinion::Record,
            vec![record(1.0 / 500.0, 1.0), record(1.0 / 2000.0, 1.0), record(0.0, 1.0)],
        ),
        group(Opinion::Forecast, vec![likely(forecast, 10.0, 1.2)]),
        group(Opinion::Context, vec![likely(context, 20.0, 0.36)]),
    ]
}

/// Members that cost microseconds and some hundred KiB together.
pub(crate) fn dear() -> Vec<Group> {
    let blocks = |units: [f64; 4], member: fn(Feed, f64) -> Member| {
        let feeds = [means(5), extremes(5), means(12), extremes(12)];
        feeds.into_iter().zip(units).map(|(feed, unit)| member(feed, unit)).collect::<Vec<_>>()
    };
    let mut neighbours = vec![near(Feed::Rows, 1, 20.0), near(Feed::Rows, 8, 5.4)];
    neighbours.extend(blocks([12.0, 12.0, 11.0, 6.4], |feed, unit| near(feed, 1, unit)));
    neighbours.extend(blocks([5.2, 4.9, 4.0, 2.3], |feed, unit| near(feed, 4, unit)));
    vec![
        group(
            Opinion::Shift,
            vec![
                shift(6, 200, 4.3),
                shift(12, 400, 4.1),
                shift(30, 600, 3.3),
                shift(60, 1500, 3.0),
            ],
        ),
        group(
            Opinion::Discord,
            vec![
                discord(means(6), 6, 2, &[(4, 3.6), (8, 3.9), (16, 2.9)]),
                discord(extremes(6), 6, 2, &[(4, 2.0), (8, 2.2), (16, 2.5)]),
                discord(means(12), 12, 2, &[(4, 4.2), (8, 3.1), (16, 4.3)]),
                discord(extremes(12), 12, 2, &[(4, 1.9), (8, 2.5), (16, 4.0)]),
            ],
        ),
        group(
            Opinion::BlockDiscord,
            vec![
                discord(means(5), 5, 5, &[(1, 1.2), (2, 2.0)]),
                discord(extremes(5), 5, 5, &[(1, 1.0), (2, 1.6)]),
                discord(means(12), 12, 5, &[(1, 2.3), (2, 3.6)]),
                discord(extremes(12), 12, 5, &[(1, 1.0), (2, 1.8)]),
            ],
        ),
        group(Opinion::Neighbours, neighbours),
        group(
            Opinion::BlockContext,
            blocks([0.8, 0.8, 1.3, 1.3], |feed, unit| {
                likely(Source::Context(feed, Context::new(8, 2)), 20.0, unit)
            }),
        ),
    ]
}

fn group(name: Opinion, members: Vec<Member>) -> Group {
    Group { name, members }
}

fn means(rows: u32) -> Feed {
    Feed::Means(Blocks::new(rows))
}

fn extremes(rows: u32) -> Feed {
    Feed::Extremes(Blocks::new(rows))
}

fn excess(source: Source, rows: f64, unit: f64) -> Member {
    Member::new(source, vec![Calibration::excess(rows, unit)])
}

fn likely(source: Source, rows: f64, unit: f64) -> Member {
    Member::new(source, vec![Calibration::likelihood(rows, unit)])
}

fn drift(fast: f64, slow: f64, unit: f64) -> Member {
    excess(Source::Drift(Drift::new(fast, slow)), 1.0, unit)
}

fn shift(near: usize, far: usize, unit: f64) -> Member {
    excess(Source::Shift(Shift::new(near, far)), 1.0, unit)
}

fn season(profile: Profile, unit: f64) -> Member {
    excess(Source::Season(profile, Relative::new(USUAL_ROWS)), 5.0, unit)
}

fn season_shift(profile: Profile, units: [f64; 3]) -> Member {
    let sizes = [3.0, 12.0, 30.0].map(|rows| (Average::of_rows(rows), Relative::new(USUAL_ROWS)));
    let calibrations = units.map(|unit| Calibration::excess(1.0, unit));
    Member::new(Source::SeasonShift(profile, sizes.to_vec()), calibrations.to_vec())
}

fn spread(rows: f64, unit: f64) -> Member {
    likely(Source::Spread(Spread::new(rows)), 10.0, unit)
}

fn record(fade: f64, unit: f64) -> Member {
    excess(Source::Record(Record::new(fade)), 9.0, unit)
}

/// `sizes` are lengths in blocks with their units; the `rank`-th nearest stretch counts.
fn discord(feed: Feed, block: usize, rank: usize, sizes: &[(usize, f64)]) -> Member {
    let rows: Vec<usize> = sizes.iter().map(|size| size.0).collect();
    let calibrations = sizes.iter().map(|size| Calibration::likelihood(10.0, size.1)).collect();
    let discord = Discord::new(&rows, REACH_ROWS / block, rank);
    Member::new(Source::Discord(feed, discord), calibrations)
}

fn near(feed: Feed, rows: usize, unit: f64) -> Member {
    let usual = Relative::new(USUAL_ROWS);
    excess(Source::Neighbours(feed, Neighbours::new(rows), usual), 1.0, unit)
}
