//! Times against a table, and against the calendar of `jiff`.

use jiff::Timestamp;
use proptest::prelude::*;

use super::{TimeError, format, parse};

#[test]
fn accepted() {
    for (text, shown) in [
        ("2025-10-21T04:30:00Z", "2025-10-21T04:30:00Z"),
        ("2025-10-21t04:30:00z", "2025-10-21T04:30:00Z"),
        ("2025-10-21T04:30:00-00:00", "2025-10-21T04:30:00Z"),
        ("2025-10-21T04:30:00+05:30", "2025-10-20T23:00:00Z"),
        ("2025-10-21T04:30:00-23:59", "2025-10-22T04:29:00Z"),
        ("2025-10-21T04:30:00.120Z", "2025-10-21T04:30:00.12Z"),
        ("2025-10-21T04:30:00.000000001Z", "2025-10-21T04:30:00.000000001Z"),
        ("2025-10-21T04:30:00.9999999999999Z", "2025-10-21T04:30:00.999999999Z"),
        ("2025-10-21T04:30:00.0Z", "2025-10-21T04:30:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
        ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z"),
        ("2016-12-31T23:59:60.25Z", "2016-12-31T23:59:59.999999999Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59.999999999Z"),
        ("1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:43.145224192Z"),
        ("2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775807Z"),
    ] {
        let unix_ns = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format(unix_ns), shown);
    }
}

#[test]
fn refused() {
    use TimeError::{NoSuchTime, OutOfRange, Shape};
    for (text, error) in [
        ("", Shape),
        ("now", Shape),
        ("1760000000", Shape),
        ("2025-10-21", Shape),
        ("2025-10-21T04:30:00", Shape),
        ("2025-10-21 04:30:00Z", Shape),
        ("2025-10-21T04:30Z", Shape),
        ("2025-10-21T04:30:00.Z", Shape),
        ("2025-10-21T04:30:00,5Z", Shape),
        ("2025-10-21T04:30:00+0530", Shape),
        ("2025-10-21T04:30:00+05", Shape),
        ("2025-10-21T04:30:00Z ", Shape),
        (" 2025-10-21T04:30:00Z", Shape),
        ("2025-10-21T04:30:00ZZ", Shape),
        ("2025-1a-21T04:30:00Z", Shape),
        ("+2025-10-21T04:30:00Z", Shape),
        ("２025-10-21T04:30:00Z", Shape),
        ("2025-00-21T04:30:00Z", NoSuchTime),
        ("2025-13-21T04:30:00Z", NoSuchTime),
        ("2025-10-00T04:30:00Z", NoSuchTime),
        ("2025-10-32T04:30:00Z", NoSuchTime),
        ("2025-02-29T04:30:00Z", NoSuchTime),
        ("1900-02-29T04:30:00Z", NoSuchTime),
        ("2025-04-31T04:30:00Z", NoSuchTime),
        ("2025-10-21T24:00:00Z", NoSuchTime),
        ("2025-10-21T04:60:00Z", NoSuchTime),
        ("2025-10-21T04:30:61Z", NoSuchTime),
        ("2025-10-21T04:30:60Z", NoSuchTime),
        ("2025-10-21T23:59:60Z", NoSuchTime),
        ("2016-12-31T23:59:60+01:00", NoSuchTime),
        ("2025-10-21T04:30:00+24:00", NoSuchTime),
        ("2025-10-21T04:30:00+05:60", NoSuchTime),
        ("1677-09-21T00:12:43.145224191Z", OutOfRange),
        ("2262-04-11T23:47:16.854775808Z", OutOfRange),
        ("0000-01-01T00:00:00Z", OutOfRange),
        ("0001-01-01T00:00:00Z", OutOfRange),
        ("9999-12-31T23:59:59Z", OutOfRange),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5000) })]

    #[test]
    fn every_instant_is_shown_as_the_oracle_reads_it(unix_ns in any::<i64>(), coarse in 0_u32..10) {
        let unix_ns = unix_ns - unix_ns % 10_i64.pow(coarse);
        let shown = format(unix_ns);
        let oracle: Timestamp = shown.parse().expect("the oracle reads it");
        prop_assert_eq!(oracle.as_nanosecond(), i128::from(unix_ns));
        prop_assert_eq!(&shown, &oracle.to_string());
        prop_assert_eq!(parse(&shown), Ok(unix_ns));
    }

    #[test]
    fn every_text_of_the_grammar_is_read_as_by_the_oracle(
        year in prop_oneof![1600..2300, 0..10_000],
        (month, day) in (0..14, 0..33),
        (hour, minute, second) in (0..26, 0..62, 0..60),
        fraction in "(\\.[0-9]{1,9})?",
        offset in prop_oneof![
            Just("Z".to_owned()),
            (prop::sample::select(vec!['+', '-']), 0..24, 0..60)
                .prop_map(|(sign, h, m)| format!("{sign}{h:02}:{m:02}")),
        ],
    ) {
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
        let oracle = text.parse::<Timestamp>().ok();
        let oracle = oracle.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        prop_assert_eq!(parse(&text).ok(), oracle, "{}", text);
    }

    #[test]
    fn nonsense_never_panics(text in "[0-9TZtz:+. \\-é]{0,40}") {
        if let Ok(unix_ns) = parse(&text) {
            prop_assert_eq!(parse(&format(unix_ns)), Ok(unix_ns));
        }
    }
}
