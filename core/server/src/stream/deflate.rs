//! permessage-deflate (RFC 7692): what is agreed in the handshake, and how messages are compressed. Rule: no
//! client has a compressor; every message is compressed once for all who asked, so nothing that is sent may
//! depend on what only one of them has got before.

use flate2::{Compress, Compression, FlushCompress};

/// What the server's window has, as a power of two. A round's events resemble each other, so a match is near: the
/// largest window, 15, saves 1 % more of the bytes. Some clients, Python's `websockets` among them, ask for no
/// more than 12.
const WINDOW_BITS: u8 = 12;

/// Level for messages that refer to those before them: higher ones take thrice the time (3.4 µs an event instead
/// of 1.3) and save 2 % more of the bytes.
const CHAINED_LEVEL: u32 = 1;

/// Level for messages on their own: the first that makes codes to measure, which is all there is to gain.
const ALONE_LEVEL: u32 = 5;

/// Most events of one window that are compressed in a chain; more are sent as they are. A round then spends at most
/// some 1.5 ms on compressing events of usual length, however many there are.
pub(super) const CHAINED_EVENTS: u64 = 1024;

/// Likewise each by itself, which takes six times as long.
pub(super) const ALONE_EVENTS: u64 = 128;

/// What every flush ends with and no message carries (RFC 7692, 7.2.1).
const FLUSH_TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Offers that are looked at; browsers make one.
const OFFERS: usize = 16;

/// What client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Messages may refer to earlier ones.
    pub(crate) takeover: bool,
    /// The client bounds our window and is told ours.
    names_window: bool,
}

impl Agreement {
    /// The first offer in the values of `Sec-WebSocket-Extensions` that can be met.
    pub(crate) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        values.flat_map(|value| split(value, b',')).take(OFFERS).find_map(Self::of_offer)
    }

    /// The value of the header that answers.
    pub(crate) fn answer(self) -> String {
        let mut answer = String::from("permessage-deflate");
        if !self.takeover {
            answer.push_str("; server_no_context_takeover");
        }
        if self.names_window {
            answer.push_str(&format!("; server_max_window_bits={WINDOW_BITS}"));
        }
        // What clients say is not even inflated, so none need keep its window for us.
        answer.push_str("; client_no_context_takeover");
        answer
    }

    /// `None` for another extension, and for parameters that RFC 7692, 7.1 does not know or that cannot be met.
    fn of_offer(offer: &str) -> Option<Self> {
        let mut parts = split(offer, b';');
        if !parts.next()?.trim().eq_ignore_ascii_case("permessage-deflate") {
            return None;
        }
        let mut agreement = Self { takeover: true, names_window: false };
        let mut seen = [false; 4];
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (part.trim(), None),
            };
            let place = match (name, value.map(bits)) {
                ("server_no_context_takeover", None) => {
                    agreement.takeover = false;
                    0
                }
                ("client_no_context_takeover", None) => 1,
                ("server_max_window_bits", Some(Some(bits))) if bits >= WINDOW_BITS => {
                    agreement.names_window = true;
                    2
                }
                ("client_max_window_bits", None | Some(Some(_))) => 3,
                _ => return None,
            };
            if std::mem::replace(&mut seen[place], true) {
                return None;
            }
        }
        Some(agreement)
    }
}

/// Window bits: 8 to 15, without leading zeros.
fn bits(value: &str) -> Option<u8> {
    let plain = !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|bits| plain && (8..=15).contains(bits))
}

/// The parts of `value` between `separator`s that stand in no quotes.
fn split(value: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let ends = byte == separator && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = quoted && byte == b'\\' && !escaped;
            ends
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// The compressors of one window. None exists before it is needed.
#[derive(Default)]
pub(super) struct Deflater {
    chained: Option<Compress>,
    alone: Option<Compress>,
    message: Vec<u8>,
}

impl Deflater {
    /// The next message refers to nothing before it.
    pub(super) fn begin(&mut self) {
        if let Some(chained) = &mut self.chained {
            chained.reset();
        }
    }

    /// Compresses `text`, which may refer to everything since [`Deflater::begin`].
    pub(super) fn chained(&mut self, text: &[u8]) -> &[u8] {
        let compressor = self.chained.get_or_insert_with(|| compressor(CHAINED_LEVEL));
        deflate(compressor, text, &mut self.message);
        &self.message
    }

    /// Compresses `text` by itself; `None` when that makes it no shorter.
    pub(super) fn alone(&mut self, text: &[u8]) -> Option<&[u8]> {
        let compressor = self.alone.get_or_insert_with(|| compressor(ALONE_LEVEL));
        compressor.reset();
        deflate(compressor, text, &mut self.message);
        (self.message.len() < text.len()).then_some(&self.message)
    }
}

fn compressor(level: u32) -> Compress {
    Compress::new_with_window_bits(Compression::new(level), false, WINDOW_BITS)
}

fn deflate(compressor: &mut Compress, text: &[u8], message: &mut Vec<u8>) {
    message.clear();
    let begun = compressor.total_in();
    loop {
        // More than deflate ever adds, so that one turn is enough.
        message.reserve(text.len() + text.len() / 4 + 64);
        let read = (compressor.total_in() - begun) as usize;
        compressor
            .compress_vec(&text[read..], message, FlushCompress::Sync)
            .expect("deflate takes any bytes");
        // Room that is left says that the flush is complete (zlib's manual on deflate()).
        if message.len() < message.capacity() {
            break;
        }
    }
    debug_assert!(message.ends_with(&FLUSH_TAIL), "a flush ends with an empty block");
    message.truncate(message.len() - FLUSH_TAIL.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    fn agreed(value: &str) -> Option<String> {
        Agreement::of([value].into_iter()).map(Agreement::answer)
    }

    #[test]
    fn what_clients_in_use_offer_is_met() {
        let own = "permessage-deflate; client_no_context_takeover";
        // Chromium, Firefox and Node's ws.
        assert_eq!(agreed("permessage-deflate; client_max_window_bits").unwrap(), own);
        assert_eq!(agreed("permessage-deflate").unwrap(), own);
        // Python's websockets.
        let python = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";
        let bounded = "permessage-deflate; server_max_window_bits=12; client_no_context_takeover";
        assert_eq!(agreed(python).unwrap(), bounded);
        // Go's gorilla/websocket.
        let go = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(agreed(go).unwrap(), go);
        assert_eq!(agreed("Permessage-Deflate;server_max_window_bits=\"15\"").unwrap(), bounded);
    }

    #[test]
    fn the_first_offer_that_can_be_met_counts() {
        let two = "permessage-deflate; server_max_window_bits=10, permessage-deflate";
        assert_eq!(agreed(two).unwrap(), "permessage-deflate; client_no_context_takeover");
        let lines = ["x-other; a=\", permessage-deflate\"", "permessage-deflate"];
        assert!(Agreement::of(lines.into_iter()).is_some());
        assert_eq!(agreed("x-other; a=\", permessage-deflate; b=\\\",permessage-deflate\""), None);
    }

    #[test]
    fn what_cannot_be_met_is_left_out() {
        for offer in [
            "",
            ",;,=",
            "permessage-deflat",
            "permessage-deflate; ",
            "permessage-deflate; x",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=11",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=012",
            "permessage-deflate; server_max_window_bits=+12",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=",
        ] {
            assert_eq!(agreed(offer), None, "{offer}");
        }
        let many = "x, ".repeat(OFFERS) + "permessage-deflate";
        assert_eq!(agreed(&many), None, "offers are bounded");
    }

    /// Inflates as a client does whose window has no more than [`WINDOW_BITS`].
    fn inflate(inflater: &mut Decompress, message: &[u8], len: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(len + 16);
        for piece in [message, &FLUSH_TAIL] {
            inflater.decompress_vec(piece, &mut text, FlushDecompress::Sync).unwrap();
        }
        text
    }

    fn client() -> Decompress {
        Decompress::new_with_window_bits(false, WINDOW_BITS)
    }

    #[test]
    fn a_chain_is_read_from_its_begin_and_is_short() {
        let text = |n: u64| format!(r#"{{"event_id":"e{n}","kind":"beauty","seq":{n}}}"#);
        let (mut deflater, mut inflater) = (Deflater::default(), client());
        for round in 0..3 {
            deflater.begin();
            let mut bytes = 0;
            for n in 0..50 {
                let text = text(round * 50 + n).into_bytes();
                let message = deflater.chained(&text).to_vec();
                assert_eq!(inflate(&mut inflater, &message, text.len()), text);
                bytes += message.len();
            }
            assert!(bytes < 50 * 20, "{bytes}");
            // Whoever comes now begins with the next chain and reads it just as well.
            inflater = client();
        }
    }

    #[test]
    fn what_does_not_get_shorter_is_left_as_it_is() {
        let mut deflater = Deflater::default();
        assert_eq!(deflater.alone(b"{}"), None);
        let long = vec![b'a'; 100_000];
        for _ in 0..2 {
            let message = deflater.alone(&long).unwrap();
            assert!(message.len() < 1_000);
            assert_eq!(inflate(&mut client(), message, long.len()), long);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(texts in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 1..5_000), 1..8)
        ) {
            let (mut deflater, mut inflater) = (Deflater::default(), client());
            for text in &texts {
                let message = deflater.chained(text).to_vec();
                prop_assert_eq!(&inflate(&mut inflater, &message, text.len()), text);
                if let Some(message) = deflater.alone(text) {
                    prop_assert_eq!(&inflate(&mut client(), message, text.len()), text);
                }
            }
        }

        #[test]
        fn any_header_is_taken_apart(value in ".{0,200}") {
            let answer = agreed(&value);
            prop_assert!(answer.is_none_or(|it| it.starts_with("permessage-deflate; ")));
        }
    }
}
