//! What goes out: WebSocket frames (RFC 6455) and Server-Sent Events, plain or as HTTP/1.1 chunks. Rule: a message
//! is encoded whole and on its own, so that any run of messages may be sent as one slice and cut between two.

use std::io::Write as _;

/// How a client is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// WebSocket after its handshake.
    Ws,
    /// WebSocket with permessage-deflate.
    Deflate {
        /// A message may refer to those before it; the client gets them all.
        chained: bool,
    },
    /// Server-Sent Events after the response head.
    Sse {
        /// The head said `Transfer-Encoding: chunked` (HTTP/1.1), so each message is one chunk.
        chunked: bool,
    },
}

impl Protocol {
    /// Number of distinct encodings.
    pub(super) const FORMS: usize = 5;

    /// Place of this protocol's encoding among [`Protocol::FORMS`].
    pub(super) fn form(self) -> usize {
        match self {
            Protocol::Ws => 0,
            Protocol::Sse { chunked: false } => 1,
            Protocol::Sse { chunked: true } => 2,
            Protocol::Deflate { chained: false } => 3,
            Protocol::Deflate { chained: true } => 4,
        }
    }

    /// The protocol of a form.
    pub(super) fn of_form(form: usize) -> Self {
        match form {
            0 => Protocol::Ws,
            1 => Protocol::Sse { chunked: false },
            2 => Protocol::Sse { chunked: true },
            3 => Protocol::Deflate { chained: false },
            _ => Protocol::Deflate { chained: true },
        }
    }

    /// WebSocket frames go both ways.
    pub(super) fn is_ws(self) -> bool {
        matches!(self, Protocol::Ws | Protocol::Deflate { .. })
    }

    /// Frames may have the bit that says that their message is compressed.
    pub(super) fn is_deflate(self) -> bool {
        matches!(self, Protocol::Deflate { .. })
    }

    /// The name that log lines show.
    pub(super) fn name(self) -> &'static str {
        match self {
            Protocol::Ws | Protocol::Deflate { .. } => "ws",
            Protocol::Sse { .. } => "sse",
        }
    }
}

/// The first byte's bit of a compressed message (RFC 7692, 6).
pub(super) const COMPRESSED: u8 = 0x40;
const OP_TEXT: u8 = 0x1;
const OP_CLOSE: u8 = 0x8;
const OP_PONG: u8 = 0xA;

/// Appends the header of an unmasked, unfragmented text frame.
pub(super) fn text_header(out: &mut Vec<u8>, len: usize) {
    header(out, OP_TEXT, len);
}

/// Appends a text frame of a message that was compressed.
pub(super) fn deflated(out: &mut Vec<u8>, message: &[u8]) {
    header(out, COMPRESSED | OP_TEXT, message.len());
    out.extend_from_slice(message);
}

fn header(out: &mut Vec<u8>, opcode: u8, len: usize) {
    out.push(0x80 | opcode);
    match len {
        0..=125 => out.push(len as u8),
        126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Appends one event of the log as SSE: `id` is its sequence, `data` its JSON (which has no line breaks).
pub(super) fn sse_event(out: &mut Vec<u8>, chunked: bool, seq: u64, text: &[u8]) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(seq).as_bytes();
    let len = b"id: \ndata: \n\n".len() + digits.len() + text.len();
    open_chunk(out, chunked, len);
    for part in [b"id: ", digits, b"\ndata: ", text, b"\n\n"] {
        out.extend_from_slice(part);
    }
    close_chunk(out, chunked);
}

/// A message of a plugin's topic. `event` names the SSE event; WebSocket messages carry no name and are not
/// compressed, which is every message's own affair (RFC 7692, 6).
pub(super) fn topic(protocol: Protocol, event: &str, message: &[u8]) -> Vec<u8> {
    match protocol {
        Protocol::Ws | Protocol::Deflate { .. } => {
            let mut out = Vec::with_capacity(message.len() + 10);
            header(&mut out, OP_TEXT, message.len());
            out.extend_from_slice(message);
            out
        }
        Protocol::Sse { chunked } => {
            let mut body = Vec::with_capacity(message.len() + event.len() + 24);
            if !event.is_empty() {
                body.extend_from_slice(b"event: ");
                body.extend_from_slice(event.as_bytes());
                body.push(b'\n');
            }
            data_lines(&mut body, message);
            body.push(b'\n');
            chunk(chunked, body)
        }
    }
}

/// Sequences `from` to `to`, both included, will not come. In SSE its `id` is the client's `cursor`, from which a
/// reconnecting client goes on.
pub(super) fn gap(protocol: Protocol, from: u64, to: u64, cursor: u64) -> Vec<u8> {
    let json = format!(r#"{{"type":"gap","from":{from},"to":{to}}}"#);
    match protocol {
        Protocol::Ws | Protocol::Deflate { .. } => topic(protocol, "", json.as_bytes()),
        Protocol::Sse { chunked } => {
            chunk(chunked, format!("id: {cursor}\nevent: gap\ndata: {json}\n\n").into_bytes())
        }
    }
}

/// A sign of life; `ts` is RFC 3339. In SSE it is a comment, which browsers swallow.
pub(super) fn heartbeat(protocol: Protocol, ts: &str) -> Vec<u8> {
    match protocol {
        Protocol::Ws | Protocol::Deflate { .. } => {
            topic(protocol, "", format!(r#"{{"type":"heartbeat","ts":"{ts}"}}"#).as_bytes())
        }
        Protocol::Sse { chunked } => chunk(chunked, b": heartbeat\n\n".to_vec()),
    }
}

/// The answer to a ping; `payload` has at most 125 bytes, as every control frame read has.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 2);
    header(&mut out, OP_PONG, payload.len());
    out.extend_from_slice(payload);
    out
}

/// The last bytes of a stream: a close frame with `code` (none: an empty one), or the end of the chunks.
pub(super) fn farewell(protocol: Protocol, code: Option<u16>) -> Vec<u8> {
    match protocol {
        Protocol::Ws | Protocol::Deflate { .. } => {
            let mut out = Vec::with_capacity(4);
            header(&mut out, OP_CLOSE, if code.is_some() { 2 } else { 0 });
            if let Some(code) = code {
                out.extend_from_slice(&code.to_be_bytes());
            }
            out
        }
        Protocol::Sse { chunked: true } => b"0\r\n\r\n".to_vec(),
        Protocol::Sse { chunked: false } => Vec::new(),
    }
}

/// One `data:` line for each line of `message`: a line break inside a field would end it.
fn data_lines(out: &mut Vec<u8>, message: &[u8]) {
    let mut rest = message;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = &rest[..end.unwrap_or(rest.len())];
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
        let Some(end) = end else { return };
        let skip = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + skip..];
    }
}

fn chunk(chunked: bool, body: Vec<u8>) -> Vec<u8> {
    if !chunked {
        return body;
    }
    let mut out = Vec::with_capacity(body.len() + 14);
    open_chunk(&mut out, true, body.len());
    out.extend_from_slice(&body);
    close_chunk(&mut out, true);
    out
}

fn open_chunk(out: &mut Vec<u8>, chunked: bool, len: usize) {
    if chunked {
        write!(out, "{len:x}\r\n").expect("writing to a Vec cannot fail");
    }
}

fn close_chunk(out: &mut Vec<u8>, chunked: bool) {
    if chunked {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: Protocol = Protocol::Sse { chunked: true };
    const PLAIN: Protocol = Protocol::Sse { chunked: false };

    #[test]
    fn lengths_take_the_shortest_header() {
        for (len, head) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            text_header(&mut out, len);
            assert_eq!(out, head);
        }
    }

    #[test]
    fn an_event_is_one_chunk_of_the_exact_length() {
        let mut out = Vec::new();
        sse_event(&mut out, true, 1234, br#"{"seq":1234}"#);
        assert_eq!(out, b"1d\r\nid: 1234\ndata: {\"seq\":1234}\n\n\r\n");
        out.clear();
        sse_event(&mut out, false, 7, b"{}");
        assert_eq!(out, b"id: 7\ndata: {}\n\n");
    }

    #[test]
    fn line_breaks_in_a_topic_message_become_lines_of_data() {
        let out = topic(PLAIN, "alert", b"a\r\nb\rc\n");
        assert_eq!(out, b"event: alert\ndata: a\ndata: b\ndata: c\ndata: \n\n");
        assert_eq!(topic(CHUNKED, "", b"x"), b"9\r\ndata: x\n\n\r\n");
    }

    #[test]
    fn farewells() {
        assert_eq!(farewell(Protocol::Ws, Some(1001)), [0x88, 2, 0x03, 0xE9]);
        assert_eq!(farewell(Protocol::Ws, None), [0x88, 0]);
        assert_eq!(farewell(CHUNKED, Some(1001)), b"0\r\n\r\n");
        assert!(farewell(PLAIN, None).is_empty());
    }
}
