//! What a plain post is: the one kind of request that is read without hyper.
//!
//! The rule: what is taken here, hyper would take and mean the same by it. Whatever has any other line,
//! header or length, or is no request at all, is hyper's to read and to refuse.

use httparse::{EMPTY_HEADER, Header, Status};

use super::BUFFER_BYTES;
use crate::ingest::{FREE_BYTES, Form};

/// The only lines.
const LINES: [(&[u8], Form); 2] =
    [(b"POST /event HTTP/1.1\r\n", Form::One), (b"POST /events HTTP/1.1\r\n", Form::Many)];
/// Most digits of a length.
const MAX_DIGITS: usize = 9;
/// Most header fields, and most bytes of a head that is not whole yet.
const MAX_FIELDS: usize = 32;
const MAX_HEAD: usize = 8 << 10;
// What is not whole yet fits one read.
const _: () = assert!(MAX_HEAD + FREE_BYTES < BUFFER_BYTES);

/// What the bytes of a client begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begin<'a> {
    /// A plain post, whose body may be still to come.
    Plain(Head<'a>),
    /// It may become one.
    Unknown,
    /// Something for hyper.
    Other,
}

/// The head of a plain post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) asks: Asks<'a>,
    pub(super) request_id: Option<&'a [u8]>,
    /// Bytes of the head.
    pub(super) bytes: usize,
    /// Bytes of the body.
    pub(super) length: usize,
    /// Where in the head the digits of that begin and end.
    length_at: (usize, usize),
}

/// What decides whether, and as what, a body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asks<'a> {
    pub(super) form: Form,
    pub(super) host: &'a str,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) content_type: Option<&'a [u8]>,
}

impl Head<'_> {
    /// The body, if all of it is in `bytes`, which begin with the head.
    pub(super) fn body<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        bytes.get(self.bytes..self.bytes + self.length)
    }

    /// The head at the beginning of `bytes`, if it is this one, whose text `text` begins with, but for the length.
    fn again(&self, text: &[u8], bytes: &[u8]) -> Option<Self> {
        let (from, to) = self.length_at;
        let rest = bytes.strip_prefix(text.get(..from)?)?;
        let digits = rest.iter().take(MAX_DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at(digits);
        let length = number(digits)?;
        rest.starts_with(text.get(to..self.bytes)?).then(|| Self {
            length,
            length_at: (from, from + digits.len()),
            bytes: self.bytes - (to - from) + digits.len(),
            ..*self
        })
    }
}

impl<'a> Begin<'a> {
    /// The same as [`of`](Self::of), and faster when the head is `before`, whose text `text` begins with, but for
    /// the length: a client that has many posts under way sends them alike.
    pub(super) fn after(before: &Head<'a>, text: &'a [u8], bytes: &'a [u8]) -> Self {
        before.again(text, bytes).map_or_else(|| Self::of(bytes), Self::Plain)
    }

    /// Reads the head at the beginning of `bytes`.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let Some((line, form)) = LINES.iter().find(|(line, _)| bytes.starts_with(line)) else {
            let may_be = LINES.iter().any(|(line, _)| line.starts_with(bytes));
            return if may_be { Self::Unknown } else { Self::Other };
        };
        let mut room = [EMPTY_HEADER; MAX_FIELDS];
        match httparse::parse_headers(&bytes[line.len()..], &mut room) {
            Ok(Status::Complete((length, headers))) => {
                read(*form, headers, &bytes[..line.len() + length]).map_or(Self::Other, Self::Plain)
            }
            Ok(Status::Partial) if bytes.len() < MAX_HEAD => Self::Unknown,
            _ => Self::Other,
        }
    }
}

/// `None` where a field says something that is not plain.
fn read<'a>(form: Form, fields: &[Header<'a>], text: &'a [u8]) -> Option<Head<'a>> {
    let asks = Asks { form, host: "", authorization: None, content_type: None };
    let bytes = text.len();
    let mut head = Head { asks, request_id: None, bytes, length: 0, length_at: (0, 0) };
    let (mut host, mut length) = (None, None);
    for Header { name, value } in fields {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // Told apart by length first: most fields are none of these.
        match name.len() {
            4 if is("host") => once(&mut host, value)?,
            13 if is("authorization") => once(&mut head.asks.authorization, value)?,
            12 if is("content-type") => once(&mut head.asks.content_type, value)?,
            14 if is("content-length") => once(&mut length, value)?,
            12 if is("x-request-id") => once(&mut head.request_id, value)?,
            10 if is("connection") && !value.eq_ignore_ascii_case(b"keep-alive") => return None,
            6 if is("expect") || is("origin") => return None,
            7 if is("upgrade") || is("trailer") => return None,
            16 if is("content-encoding") => return None,
            17 if is("transfer-encoding") => return None,
            // CloudEvents in binary mode.
            3.. if name.as_bytes()[..3].eq_ignore_ascii_case(b"ce-") => return None,
            _ => {}
        }
    }
    head.asks.host = std::str::from_utf8(host?).ok()?;
    let length = length?;
    head.length = number(length)?;
    // A field's value is a part of the text.
    let from = length.as_ptr() as usize - text.as_ptr() as usize;
    head.length_at = (from, from + length.len());
    Some(head)
}

fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// Digits and nothing else, as a length that fits memory.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |sum: usize, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + usize::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "POST /event HTTP/1.1\r\nHost: a:1\r\nAuthorization: Bearer t\r\n\
        content-type: application/json\r\nUser-Agent: x\r\nConnection: Keep-Alive\r\n\
        X-Request-ID: r\r\nContent-Length: 12\r\n\r\n";

    #[test]
    fn a_plain_post_is_read_whatever_follows() {
        let whole = format!("{PLAIN}{{\"a\":\"body\"}}GET");
        let Begin::Plain(head) = Begin::of(whole.as_bytes()) else { panic!("not plain") };
        assert_eq!((head.bytes, head.length), (PLAIN.len(), 12));
        assert_eq!((head.asks.host, head.request_id), ("a:1", Some(&b"r"[..])));
        assert_eq!(head.asks.authorization, Some(&b"Bearer t"[..]));
        assert_eq!(head.asks.content_type, Some(&b"application/json"[..]));
        for end in 0..PLAIN.len() {
            assert_eq!(Begin::of(&PLAIN.as_bytes()[..end]), Begin::Unknown, "{end}");
        }
    }

    #[test]
    fn a_head_like_the_one_before_is_read_as_any_other() {
        let of = |text: &str| PLAIN.replace("Length: 12", &format!("Length: {text}"));
        let Begin::Plain(before) = Begin::of(PLAIN.as_bytes()) else { panic!("not plain") };
        let mut same = 0;
        for next in [
            of("12"),
            of("7"),
            of("123456789"),
            of("1234567890"),
            of(""),
            of("1x"),
            of(" 3\t"),
            of("4").replace("User-Agent: x", "Expect: x"),
            of("4").replace("Bearer t", "Bearer u"),
            of("4").replace("\r\n\r\n", "\r\nCE-Id: 1\r\n\r\n"),
            of("4").replace("\r\n\r\n", "\r\n"),
        ] {
            let followed = format!("{next}12");
            for bytes in (0..=followed.len()).map(|end| &followed.as_bytes()[..end]) {
                let read = Begin::of(bytes);
                assert_eq!(Begin::after(&before, PLAIN.as_bytes(), bytes), read, "{followed}");
                same += usize::from(before.again(PLAIN.as_bytes(), bytes).is_some());
            }
        }
        assert_eq!(same, 3 * 3, "three are as the one before, with none to two bytes behind");
    }

    #[test]
    fn whatever_is_not_plain_is_hypers() {
        let other = |text: &str| assert_eq!(Begin::of(text.as_bytes()), Begin::Other, "{text}");
        for line in [
            "GET /event HTTP/1.1",
            "POST /eventss HTTP/1.1",
            "POST /events/ HTTP/1.1",
            "POST /event HTTP/1.0",
            "POST  /event HTTP/1.1",
            "POST /event?a HTTP/1.1",
            "post /event HTTP/1.1",
            "",
        ] {
            other(&PLAIN.replace("POST /event HTTP/1.1", line));
        }
        for field in [
            "Transfer-Encoding: chunked",
            "Content-Length: 12",
            "Expect: 100-continue",
            "Origin: http://a:1",
            "Content-Encoding: gzip",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Upgrade: h2c",
            "Trailer: x",
            "CE-Id: 1",
            "Host: b",
            "Authorization: Bearer u",
            "bad name: x",
            " folded",
            "no colon",
        ] {
            other(&PLAIN.replace("User-Agent: x", field));
        }
        for length in ["", "+12", "-1", "0x10", "1 2", "12,12", "9999999999"] {
            other(&PLAIN.replace("Length: 12", &format!("Length: {length}")));
        }
        other(&PLAIN.replace("Host: a:1\r\n", ""));
        other(&PLAIN.replace("Content-Length: 12\r\n", ""));
        // Bounds: fields, and a head that does not end.
        other(&PLAIN.replace("User-Agent: x", &vec!["a: b"; MAX_FIELDS].join("\r\n")));
        other(
            &PLAIN.replace("User-Agent: x\r\n", &format!("a: {}", "b".repeat(MAX_HEAD)))
                [..MAX_HEAD],
        );
    }
}
