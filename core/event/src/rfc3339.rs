//! Times of RFC 3339 as Unix nanoseconds: any offset in, UTC out, nothing lost down to the nanosecond.
//!
//! The grammar is that of RFC 3339 section 5.6: `T` and `Z` in either case, no other separator. Digits beyond the
//! ninth of a fraction are cut off. A leap second is accepted where one can be, at 23:59:60 UTC on the last day of
//! a month, and becomes the last nanosecond before it: Unix time has no place of its own for it. Times that 64 bits
//! of nanoseconds cannot hold (before 1677-09-21 or after 2262-04-11) are refused.
//! Days are counted with the algorithms of Howard Hinnant, <https://howardhinnant.github.io/date_algorithms.html>.

use std::fmt;

const SECOND: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Why a text is no time, as the rest of a sentence about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It does not look like one.
    #[error("must be an RFC 3339 time with an offset, such as 2025-10-21T04:30:00Z")]
    Shape,
    /// It looks like one that no calendar or clock shows.
    #[error("is not a date and time that exists")]
    NoSuchTime,
    /// It is too far from now.
    #[error("is outside 1677-09-21T00:12:43.145224192Z..=2262-04-11T23:47:16.854775807Z")]
    OutOfRange,
}

/// Unix nanoseconds of a time.
pub fn parse(text: &str) -> Result<i64, TimeError> {
    let bytes = text.as_bytes();
    let (
        &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            mo0,
            mo1,
            b'-',
            d0,
            d1,
            b'T' | b't',
            h0,
            h1,
            b':',
            mi0,
            mi1,
            b':',
            s0,
            s1,
        ],
        rest,
    ) = bytes.split_first_chunk::<19>().ok_or(TimeError::Shape)?
    else {
        return Err(TimeError::Shape);
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(mo0, mo1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(mi0, mi1)?, two(s0, s1)?);
    let (nanos, rest) = fraction(rest)?;
    let offset = offset_seconds(rest)?;

    let date = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !date || hour > 23 || minute > 59 || second > 60 {
        return Err(TimeError::NoSuchTime);
    }
    let leap = second == 60;
    let second = second.min(59);
    let local =
        days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    let seconds = local - offset;
    let nanos = if leap { SECOND - 1 } else { nanos };
    // In 128 bits, as the whole seconds alone may be below the range of a time within it.
    let total = i128::from(seconds) * i128::from(SECOND) + i128::from(nanos);
    let unix_ns = i64::try_from(total).map_err(|_| TimeError::OutOfRange)?;
    if leap && !ends_month(seconds) { Err(TimeError::NoSuchTime) } else { Ok(unix_ns) }
}

/// The UTC form, `2025-10-21T04:30:00Z` or with as many digits of fraction as needed: at most 30 bytes.
pub fn format(unix_ns: i64) -> String {
    Utc(unix_ns).to_string()
}

/// Unix nanoseconds that display as [`format()`] does, without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub i64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, len) = digits(self.0);
        f.write_str(std::str::from_utf8(&digits[..len]).map_err(|_| fmt::Error)?)
    }
}

/// Appends the UTC form.
pub(crate) fn write(out: &mut Vec<u8>, unix_ns: i64) {
    let (digits, len) = digits(unix_ns);
    out.extend_from_slice(&digits[..len]);
}

/// The UTC form and its length.
pub(crate) fn digits(unix_ns: i64) -> ([u8; 30], usize) {
    let seconds = unix_ns.div_euclid(SECOND);
    // Days since the year 0 and the rest fit 32 bits unsigned, in which division is cheap.
    let mut nanos = unix_ns.rem_euclid(SECOND) as u32;
    let clock = seconds.rem_euclid(DAY_SECONDS) as u32;
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_SECONDS));
    let mut out = *b"0000-00-00T00:00:00.000000000Z";
    let mut pair = |at: usize, value: u32| {
        out[at] = b'0' + (value / 10) as u8;
        out[at + 1] = b'0' + (value % 10) as u8;
    };
    pair(0, year / 100);
    pair(2, year % 100);
    pair(5, month);
    pair(8, day);
    pair(11, clock / 3600);
    pair(14, clock / 60 % 60);
    pair(17, clock % 60);
    if nanos == 0 {
        out[19] = b'Z';
        return (out, 20);
    }
    let mut end = 29;
    while nanos.is_multiple_of(10) {
        nanos /= 10;
        end -= 1;
    }
    out[end] = b'Z';
    for at in (20..end).rev() {
        out[at] = b'0' + (nanos % 10) as u8;
        nanos /= 10;
    }
    (out, end + 1)
}

fn two(tens: u8, ones: u8) -> Result<i64, TimeError> {
    if tens.is_ascii_digit() && ones.is_ascii_digit() {
        Ok(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    } else {
        Err(TimeError::Shape)
    }
}

/// Nanoseconds of an optional fraction, and what follows it.
fn fraction(rest: &[u8]) -> Result<(i64, &[u8]), TimeError> {
    let Some(rest) = rest.strip_prefix(b".") else { return Ok((0, rest)) };
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return Err(TimeError::Shape);
    }
    let digit = |i: usize| if i < count { i64::from(rest[i] - b'0') } else { 0 };
    Ok(((0..9).fold(0, |nanos, i| nanos * 10 + digit(i)), &rest[count..]))
}

fn offset_seconds(rest: &[u8]) -> Result<i64, TimeError> {
    let &[sign, h0, h1, b':', m0, m1] = rest else {
        return if matches!(rest, b"Z" | b"z") { Ok(0) } else { Err(TimeError::Shape) };
    };
    let sign = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return Err(TimeError::Shape),
    };
    let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
    if hours > 23 || minutes > 59 {
        return Err(TimeError::NoSuchTime);
    }
    Ok(sign * (hours * 3600 + minutes * 60))
}

/// Whether a second of UTC is the last one of a month.
fn ends_month(seconds: i64) -> bool {
    let day = seconds.div_euclid(DAY_SECONDS);
    seconds.rem_euclid(DAY_SECONDS) == DAY_SECONDS - 1 && civil_from_days(day + 1).2 == 1
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day since 1970-01-01, for every day that 64 bits of nanoseconds reach.
fn civil_from_days(days: i64) -> (u32, u32, u32) {
    let days = (days + 719_468) as u32;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests;
