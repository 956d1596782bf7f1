//! The id that ties an answer to the log; a client's own is kept when it is harmless.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_BYTES: usize = 64;

/// Bytes of an id of ours: the run and the number in hexadecimal.
const OWN_BYTES: usize = 20;

/// The id of one request, as text.
#[derive(Clone)]
pub(crate) struct RequestId {
    text: [u8; MAX_BYTES],
    length: u8,
}

/// Gives ids that are unique in this run and, by the random start, very likely among all runs.
#[derive(Debug)]
pub(crate) struct RequestIds {
    run: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Starts a run.
    pub(crate) fn new(run: u32) -> Self {
        Self { run, next: AtomicU64::new(1) }
    }

    /// The id of a request with these headers: its own `X-Request-Id` when that is 1..=64 characters
    /// of `[A-Za-z0-9._-]`, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        self.of_value(headers.get(HEADER).map(HeaderValue::as_bytes))
    }

    /// Likewise for the value of that header.
    pub(crate) fn of_value(&self, own: Option<&[u8]>) -> RequestId {
        match own {
            Some(own) if harmless(own) => RequestId::of(own),
            _ => self.next(),
        }
    }

    fn next(&self) -> RequestId {
        // Relaxed: only uniqueness matters, nothing is published with the number.
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; OWN_BYTES];
        hex(&mut text[..8], u64::from(self.run));
        hex(&mut text[8..], n);
        RequestId::of(&text)
    }
}

impl RequestId {
    /// `text` is ASCII and has at most [`MAX_BYTES`] bytes.
    fn of(text: &[u8]) -> Self {
        let mut id = Self { text: [0; MAX_BYTES], length: text.len() as u8 };
        id.text[..text.len()].copy_from_slice(text);
        id
    }

    /// The id as a header value.
    pub(crate) fn value(&self) -> HeaderValue {
        // Every harmless character is allowed in a header.
        HeaderValue::from_bytes(self.bytes()).unwrap_or(HeaderValue::from_static("none"))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or("none")
    }

    fn bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

fn harmless(id: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

fn hex(out: &mut [u8], mut n: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(n & 15) as usize];
        n >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_harmless_ones_are_kept() {
        let ids = RequestIds::new(0xdead_beef);
        let mut headers = HeaderMap::new();
        assert_eq!(ids.of(&headers).as_str(), "deadbeef000000000001");
        assert_eq!(ids.of(&headers).as_str(), "deadbeef000000000002");
        headers.insert(HEADER, HeaderValue::from_static("trace-1.A_b"));
        assert_eq!(ids.of(&headers).as_str(), "trace-1.A_b");
        for bad in ["", "a b", "x\u{e9}", &"a".repeat(65)] {
            headers.insert(HEADER, HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert!(ids.of(&headers).as_str().starts_with("deadbeef"), "{bad}");
        }
    }
}
