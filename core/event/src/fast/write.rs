//! The checks of the short way, and the canonical JSON written from the places that were found.
//!
//! The rule: bytes are copied in blocks of sixteen, beyond the end of what is meant; what lies behind is written
//! over next, or is never looked at. Nothing counts before the record is pushed.

use shimmer_abi::flags;

use super::{
    Found, Marks, Span,
    number::{Canonical, Number},
};
use crate::{
    Limits,
    arena::{Arena, BLOCK, DateMemo, Name, Names, Padded, Record},
    check::is_kind,
    encode::{SEQ_DIGITS, TAIL, compact_value},
    limits::{
        BEAUTY_KIND, BEAUTY_SCORE_MAX, DANCE_CHARS, DATA_DEPTH, EVENT_ID_BYTES, FINGERPRINT_CHARS,
        NAME_CHARS, WISDOM_CHARS,
    },
    posted::Field,
    rfc3339,
};

/// Room behind an event for what is written beyond its end.
pub(crate) const MARGIN: usize = 64;

/// Names within so many bytes are copied at once.
const NEAR_BYTES: usize = 256;

/// Appends the event to the arena, or, when a check fails that the careful reader is to explain, nothing.
pub(crate) fn append(
    arena: &mut Arena,
    index: usize,
    body: &str,
    marks: &Marks,
    found: &Found<'_>,
    limits: &Limits,
) -> Option<()> {
    let checked = Checked::of(found, body, marks, &mut arena.date)?;
    let (start, window) = arena.heads.window(limits.event_bytes + MARGIN);
    let mut out = Out { bytes: window, at: 0, body: body.as_bytes() };
    let (id_span, data) = head(&mut out, found, &checked, &arena.source_member, &arena.closing)?;
    let len = out.at;
    if len + SEQ_DIGITS + TAIL.len() > limits.event_bytes {
        return None;
    }
    arena.heads.keep(len);
    let kind = if checked.names_kind { found.kind } else { Span::default() };
    let posted = [found.id, kind, found.subject, found.source];
    let [id, kind, subject, source] = names(&mut arena.names, body, posted);
    let kind = if checked.names_kind { kind } else { Name::BEAUTY };
    let source = if found.source.len() > 0 { source } else { arena.default_source };
    arena.records.push(Record {
        index,
        time_ns: checked.time.unix_ns,
        value: checked.value.value,
        flags: if checked.is_beauty { flags::BEAUTY } else { 0 },
        names: [id, kind, subject, source],
        head: start..start + len,
        data,
        id_span,
    });
    Some(())
}

/// Keeps the names at these places of the body; an empty one is none. Those that are near each other are copied with
/// what is between them, since each copy costs more than its bytes.
#[inline(always)]
fn names(names: &mut Names, body: &str, spans: [Span; 4]) -> [Name; 4] {
    let posted = || spans.iter().filter(|span| span.len() > 0);
    let start = posted().map(|span| span.start).min().unwrap_or(0);
    let end = posted().map(|span| span.end).max().unwrap_or(0);
    if end - start > NEAR_BYTES {
        return spans.map(|span| match span.len() {
            0 => Name::NONE,
            _ => names.push(&body[span.start..span.end]),
        });
    }
    let base = names.base(&body[start..end]);
    spans.map(|span| match span.len() {
        0 => Name::NONE,
        len => Name::at(base + (span.start - start) as u32, len),
    })
}

/// What the checks found out.
struct Checked {
    time: Time,
    /// The kind is posted, and is not to be taken from the score.
    names_kind: bool,
    is_beauty: bool,
    value: Number,
}

impl Checked {
    fn of(found: &Found<'_>, body: &str, marks: &Marks, date: &mut DateMemo) -> Option<Self> {
        let required = found.has(Field::EventId) && found.has(Field::Timestamp);
        let id_fits = (1..=EVENT_ID_BYTES).contains(&found.id.len())
            && (marks.is_plain() || !body[found.id.start..found.id.end].contains(char::is_control));
        if !required || !id_fits {
            return None;
        }
        let (names_kind, scored) = (found.has(Field::Kind), found.has(Field::BeautyScore));
        let kind = &body[found.kind.start..found.kind.end];
        let is_beauty = scored || kind == BEAUTY_KIND;
        let kind_fits = if scored { !names_kind || kind == BEAUTY_KIND } else { is_kind(kind) };
        let value = match (found.has(Field::Value), scored) {
            (true, true) if found.value.value != found.score.value => return None,
            (_, true) => found.score,
            (true, false) => found.value,
            (false, false) => return None,
        };
        let value_fits = !is_beauty || (0.0..=BEAUTY_SCORE_MAX).contains(&value.value);
        let fits = |span: Span, limit: usize| {
            span.len() <= limit || body[span.start..span.end].chars().count() <= limit
        };
        let texts_fit = fits(found.subject, NAME_CHARS)
            && fits(found.source, NAME_CHARS)
            && fits(found.fingerprint, FINGERPRINT_CHARS)
            && fits(found.dance, DANCE_CHARS)
            && fits(found.wisdom, WISDOM_CHARS);
        let data_fits = found.data.is_none_or(|data| {
            let traits = data.traits;
            traits.depth <= DATA_DEPTH && !traits.unpaired && !traits.overflow
        });
        if !(kind_fits && value_fits && texts_fit && data_fits) {
            return None;
        }
        let time = Time::read(&body[found.timestamp.start..found.timestamp.end], date)?;
        Some(Self { time, names_kind, is_beauty, value })
    }
}

/// The spans of the id and of the data, from the start of the head.
type Spans = (std::ops::Range<u32>, std::ops::Range<u32>);

#[inline(always)]
fn head(
    out: &mut Out<'_>,
    found: &Found<'_>,
    checked: &Checked,
    source_member: &Padded,
    closing: &Padded,
) -> Option<Spans> {
    out.token(br#"{"event_id":""#)?;
    let id_start = out.at;
    out.posted(found.id)?;
    let id_span = id_start as u32..out.at as u32;
    out.token(br#"","timestamp":""#)?;
    if checked.time.is_canonical {
        out.posted(found.timestamp)?;
    } else {
        let (digits, len) = rfc3339::digits(checked.time.unix_ns);
        out.bytes(&digits[..len])?;
    }
    out.token(br#"","kind":""#)?;
    if checked.names_kind {
        out.posted(found.kind)?
    } else {
        out.token(b"beauty")?
    }
    out.token(b"\"")?;
    if found.subject.len() > 0 {
        out.token(br#","subject":""#)?;
        out.posted(found.subject)?;
        out.token(b"\"")?;
    }
    if found.source.len() > 0 {
        out.token(br#","source":""#)?;
        out.posted(found.source)?;
        out.token(b"\"")?;
    } else {
        out.padded(source_member)?;
    }
    out.token(br#","value":"#)?;
    let value_start = out.at;
    out.number(&checked.value)?;
    if checked.is_beauty {
        beauty(out, found, &checked.value, Span { start: value_start, end: out.at })?;
    }
    let mut data = 0..0;
    if let Some(object) = found.data {
        let before = out.at;
        out.token(br#","data":"#)?;
        let data_start = out.at as u32;
        let mut fits = Some(());
        compact_value(object.text, object.traits.spaced, |part| {
            fits = fits.and_then(|()| out.bytes(part))
        });
        fits?;
        data = data_start..out.at as u32;
        if data.len() == 2 {
            out.at = before;
            data = 0..0;
        }
    }
    out.padded(closing)?;
    Some((id_span, data))
}

/// The members that only beauty events have; `value` is where the value was written.
#[inline(always)]
fn beauty(out: &mut Out<'_>, found: &Found<'_>, score: &Number, value: Span) -> Option<()> {
    out.token(br#","beauty_score":"#)?;
    if score.text == Canonical::Anew {
        out.again(value)?
    } else {
        out.number(score)?
    }
    if found.has(Field::ChaosFingerprint) {
        out.token(br#","chaos_fingerprint":""#)?;
        out.posted(found.fingerprint)?;
        out.token(b"\"")?;
    }
    if found.has(Field::DanceSequence) {
        out.token(br#","dance_sequence":""#)?;
        out.posted(found.dance)?;
        out.token(b"\"")?;
    }
    if found.has(Field::Wisdom) {
        out.token(br#","wisdom":""#)?;
        out.posted(found.wisdom)?;
        out.token(b"\"")?;
    }
    Some(())
}

/// The time of an event.
struct Time {
    unix_ns: i64,
    /// The posted text is the one that an event shows.
    is_canonical: bool,
}

impl Time {
    /// Reads a time; of one in UTC on the day of the event before only the clock is new.
    fn read(text: &str, date: &mut DateMemo) -> Option<Self> {
        if let Some((head, rest)) = text.as_bytes().split_first_chunk::<19>()
            && let Some(midnight) = date.midnight(head)
            && let Some(clock) = clock(head)
            && let Some((nanos, is_canonical)) = fraction(rest)
        {
            return Some(Self { unix_ns: midnight + clock * 1_000_000_000 + nanos, is_canonical });
        }
        let unix_ns = rfc3339::parse(text).ok()?;
        date.learn(text, unix_ns);
        Some(Self { unix_ns, is_canonical: false })
    }
}

/// Seconds since midnight of the `HH:MM:SS` at the end; `None` for what is not so, and for leap seconds.
#[inline(always)]
fn clock(head: &[u8; 19]) -> Option<i64> {
    let two = |at: usize| {
        let (tens, ones) = (head[at].wrapping_sub(b'0'), head[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
    };
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    let is_clock = head[13] == b':' && head[16] == b':' && hour < 24 && minute < 60 && second < 60;
    is_clock.then_some((hour * 60 + minute) * 60 + second)
}

/// Nanoseconds of what follows the seconds of a time in UTC, and whether it is canonical.
#[inline(always)]
fn fraction(rest: &[u8]) -> Option<(i64, bool)> {
    let digits = match rest {
        b"Z" => return Some((0, true)),
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => digits,
        _ => return None,
    };
    let mut nanos = 0;
    for at in 0..9 {
        let digit = digits.get(at).map_or(0, |byte| byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        nanos = nanos * 10 + i64::from(digit);
    }
    Some((nanos, digits.last() != Some(&b'0')))
}

/// The text that is being written, and where its parts come from.
struct Out<'o> {
    bytes: &'o mut [u8],
    at: usize,
    body: &'o [u8],
}

impl Out<'_> {
    /// Writes what is known when the program is built.
    #[inline(always)]
    fn token<const N: usize>(&mut self, token: &[u8; N]) -> Option<()> {
        *self.bytes.get_mut(self.at..)?.first_chunk_mut::<N>()? = *token;
        self.at += N;
        Some(())
    }

    /// Writes a part of the body.
    #[inline(always)]
    fn posted(&mut self, span: Span) -> Option<()> {
        let len = span.len();
        let to = self.bytes.get_mut(self.at..)?;
        self.at += len;
        copy(to, self.body.get(span.start..)?, len)
    }

    #[inline(always)]
    fn padded(&mut self, bytes: &Padded) -> Option<()> {
        let to = self.bytes.get_mut(self.at..)?;
        self.at += bytes.len();
        copy(to, bytes.whole(), bytes.len())
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.at..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    #[inline(always)]
    fn number(&mut self, number: &Number) -> Option<()> {
        if number.text == Canonical::Anew {
            return self.bytes(zmij::Buffer::new().format_finite(number.value).as_bytes());
        }
        self.posted(Span { start: number.start(), end: number.end() })?;
        if number.text == Canonical::PostedWhole { self.token(b".0") } else { Some(()) }
    }

    /// Writes once more what was written before.
    #[inline(always)]
    fn again(&mut self, span: Span) -> Option<()> {
        let len = span.len();
        let (before, to) = self.bytes.split_at_mut_checked(self.at)?;
        self.at += len;
        to.get_mut(..len)?.copy_from_slice(before.get(span.start..span.end)?);
        Some(())
    }
}

/// Copies `len` bytes in whole blocks where both sides have the room, and exactly where not.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8], len: usize) -> Option<()> {
    let whole = len.next_multiple_of(BLOCK);
    if let (Some(to), Some(from)) = (to.get_mut(..whole), from.get(..whole)) {
        for (to, from) in to.as_chunks_mut::<BLOCK>().0.iter_mut().zip(from.as_chunks::<BLOCK>().0)
        {
            *to = *from;
        }
        return Some(());
    }
    to.get_mut(..len)?.copy_from_slice(from.get(..len)?);
    Some(())
}
