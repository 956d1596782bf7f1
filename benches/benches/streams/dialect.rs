//! What the clients say and hear: WebSocket with our text frames, with NATS and with MQTT inside, and
//! Server-Sent Events.
//!
//! The rule: bytes may come cut anywhere; what is not whole is kept, and nothing is skipped unseen.

use flate2::{Decompress, FlushDecompress};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How a client and its server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Our `/stream`.
    Ws,
    /// The same with permessage-deflate.
    Deflate,
    /// Our `/stream/sse`.
    Sse,
    /// NATS inside WebSocket.
    Nats,
    /// MQTT 3.1.1 inside WebSocket.
    Mqtt,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Listens,
    Publishes,
}

/// Where all events of the peers go.
pub(crate) const TOPIC: &str = "events";

/// Bytes that have come and are not yet understood.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Of the connection.
    wire: Vec<u8>,
    /// Of what frames or chunks carry.
    inner: Vec<u8>,
    /// What it has heard, for messages that refer to it.
    inflater: Option<Decompress>,
}

const PATIENCE: Duration = Duration::from_secs(20);
/// Longest message, inflated.
const PLAIN_BYTES: usize = 64 << 10;
const OP_TEXT: u8 = 0x1;
const OP_BINARY: u8 = 0x2;
const RSV1: u8 = 0x40;

impl Dialect {
    /// Connects, subscribes if it listens, and waits until the server knows it. What came behind that is in the
    /// inbox.
    pub(crate) fn connect(self, address: SocketAddr, role: Role) -> io::Result<(TcpStream, Inbox)> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(self.request().as_bytes())?;
        let rest = head(&mut stream, self)?;
        let mut inbox = Inbox { wire: rest, ..Inbox::default() };
        inbox.inflater = (self == Dialect::Deflate).then(|| Decompress::new(false));
        match self {
            Dialect::Nats => {
                let wish = match role {
                    Role::Listens => format!("SUB {TOPIC} 1\r\n"),
                    Role::Publishes => String::new(),
                };
                let options = r#"{"verbose":false,"pedantic":false}"#;
                let hello = format!("CONNECT {options}\r\n{wish}PING\r\n");
                stream.write_all(&masked(hello.as_bytes()))?;
                inbox.wait(&mut stream, |inner| inner.windows(6).any(|it| it == b"PONG\r\n"))?;
            }
            Dialect::Mqtt => {
                stream.write_all(&masked(&mqtt_connect(&stream)?))?;
                inbox.wait(&mut stream, |inner| inner.starts_with(&[0x20]))?;
                if role == Role::Listens {
                    stream.write_all(&masked(&mqtt_subscribe()))?;
                    inbox.wait(&mut stream, |inner| inner.starts_with(&[0x90]))?;
                }
            }
            Dialect::Ws | Dialect::Deflate | Dialect::Sse => {}
        }
        Ok((stream, inbox))
    }

    fn request(self) -> String {
        let path = match self {
            Dialect::Ws | Dialect::Deflate => "/stream",
            Dialect::Sse => "/stream/sse",
            Dialect::Nats => "/",
            Dialect::Mqtt => "/mqtt",
        };
        let handshake = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let more = match self {
            Dialect::Ws | Dialect::Nats => handshake.to_owned(),
            Dialect::Deflate => format!(
                "{handshake}sec-websocket-extensions: permessage-deflate; \
                 client_max_window_bits\r\n"
            ),
            Dialect::Mqtt => format!("{handshake}sec-websocket-protocol: mqtt\r\n"),
            Dialect::Sse => "accept: text/event-stream\r\n".to_owned(),
        };
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n")
    }
}

impl Inbox {
    /// Takes `bytes` and calls `each` for every message that is whole. `plain` is room to inflate in.
    pub(crate) fn take(
        &mut self,
        dialect: Dialect,
        bytes: &[u8],
        plain: &mut Vec<u8>,
        each: &mut impl FnMut(&[u8]),
    ) {
        if self.wire.is_empty() {
            let used = self.parse(dialect, bytes, plain, each);
            self.wire.extend_from_slice(&bytes[used..]);
        } else {
            self.wire.extend_from_slice(bytes);
            let mut wire = std::mem::take(&mut self.wire);
            let used = self.parse(dialect, &wire, plain, each);
            wire.drain(..used);
            self.wire = wire;
        }
        if self.wire.is_empty() {
            self.wire = Vec::new();
        }
    }

    /// Understands what is whole in `bytes` and says how far it came.
    fn parse(
        &mut self,
        dialect: Dialect,
        bytes: &[u8],
        plain: &mut Vec<u8>,
        each: &mut impl FnMut(&[u8]),
    ) -> usize {
        let inner = &mut self.inner;
        match dialect {
            Dialect::Ws | Dialect::Deflate => frames(bytes, |first, payload| {
                if first & 0x0F != OP_TEXT {
                    return;
                }
                match &mut self.inflater {
                    Some(inflater) if first & RSV1 != 0 => {
                        inflate(inflater, payload, plain);
                        each(plain);
                    }
                    _ => each(payload),
                }
            }),
            Dialect::Sse => {
                let used = chunks(bytes, |body| inner.extend_from_slice(body));
                settle(inner, |bytes| sse(bytes, each));
                used
            }
            Dialect::Nats | Dialect::Mqtt => {
                let used = frames(bytes, |first, payload| {
                    if matches!(first & 0x0F, 0 | OP_BINARY) {
                        inner.extend_from_slice(payload);
                    }
                });
                match dialect {
                    Dialect::Nats => settle(inner, |bytes| nats(bytes, each)),
                    _ => settle(inner, |bytes| mqtt(bytes, each)),
                }
                used
            }
        }
    }

    /// Reads until what frames carried `is_enough`, and forgets it.
    fn wait(
        &mut self,
        stream: &mut TcpStream,
        is_enough: impl Fn(&[u8]) -> bool,
    ) -> io::Result<()> {
        let mut inner = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let used = frames(&self.wire, |_, payload| inner.extend_from_slice(payload));
            self.wire.drain(..used);
            if is_enough(&inner) {
                return Ok(());
            }
            match stream.read(&mut piece)? {
                0 => return Err(io::Error::other("closed while subscribing")),
                len => self.wire.extend_from_slice(&piece[..len]),
            }
        }
    }
}

/// Reads the head of the answer; what came behind it is returned.
fn head(stream: &mut TcpStream, dialect: Dialect) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::Error::other("closed in the handshake")),
            len => bytes.extend_from_slice(&piece[..len]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = if dialect == Dialect::Sse { "200" } else { "101" };
    let compressed = text.contains("permessage-deflate");
    if text.split(' ').nth(1) != Some(status) || compressed != (dialect == Dialect::Deflate) {
        return Err(io::Error::other(format!("the server answered {text}")));
    }
    Ok(bytes.split_off(end))
}

fn settle(inner: &mut Vec<u8>, read: impl FnOnce(&[u8]) -> usize) {
    let used = read(inner);
    if used == inner.len() {
        *inner = Vec::new();
    } else {
        inner.drain(..used);
    }
}

/// One message of permessage-deflate (RFC 7692, 7.2.2).
fn inflate(inflater: &mut Decompress, payload: &[u8], plain: &mut Vec<u8>) {
    plain.clear();
    plain.reserve(PLAIN_BYTES);
    for piece in [payload, &[0, 0, 0xFF, 0xFF]] {
        let status = inflater.decompress_vec(piece, plain, FlushDecompress::Sync);
        assert!(status.is_ok(), "not deflated: {status:?}");
    }
}

/// Calls `each` with the first byte and the payload of every whole frame.
fn frames(bytes: &[u8], mut each: impl FnMut(u8, &[u8])) -> usize {
    let mut at = 0;
    while let Some([first, second]) = bytes.get(at..at + 2) {
        let (header, length) = match second {
            126 => match bytes.get(at + 2..at + 4) {
                Some(it) => (4, usize::from(u16::from_be_bytes([it[0], it[1]]))),
                None => break,
            },
            127 => match bytes.get(at + 2..at + 10) {
                Some(it) => (10, it.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
                None => break,
            },
            short => (2, usize::from(*short)),
        };
        let Some(payload) = bytes.get(at + header..at + header + length) else { break };
        each(*first, payload);
        at += header + length;
    }
    at
}

/// Calls `each` with the data of every whole chunk of an HTTP/1.1 body.
fn chunks(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some(line) = memchr::memchr(b'\n', &bytes[at..]) {
        let size = std::str::from_utf8(&bytes[at..at + line]).expect("a chunk's size");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
        let from = at + line + 1;
        let Some(data) = bytes.get(from..from + size + 2) else { break };
        each(&data[..size]);
        at = from + size + 2;
    }
    at
}

fn sse(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some(end) = memchr::memmem::find(&bytes[at..], b"\n\n") {
        let block = &bytes[at..at + end];
        if let Some(data) = memchr::memmem::find(block, b"data: ") {
            each(&block[data + b"data: ".len()..]);
        }
        at += end + 2;
    }
    at
}

fn nats(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some(line) = memchr::memchr(b'\n', &bytes[at..]) {
        let head = &bytes[at..at + line + 1];
        if head.starts_with(b"MSG ") {
            let text = std::str::from_utf8(head).expect("a head").trim_end();
            let size = text.rsplit(' ').next().and_then(|it| it.parse::<usize>().ok());
            let (from, size) = (at + line + 1, size.expect("a size"));
            if bytes.len() < from + size + 2 {
                break;
            }
            each(&bytes[from..from + size]);
            at = from + size + 2;
        } else {
            at += line + 1; // INFO, PING and the like; none is asked for an answer in so short a time
        }
    }
    at
}

fn mqtt(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    'packets: while at < bytes.len() {
        let (mut size, mut shift, mut from) = (0usize, 0, at + 1);
        loop {
            let Some(byte) = bytes.get(from) else { break 'packets };
            size |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            from += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let Some(body) = bytes.get(from..from + size) else { break };
        if bytes[at] >> 4 == 3 {
            let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
            each(&body[2 + topic..]);
        }
        at = from + size;
    }
    at
}

/// A binary frame of a client; a mask of zeros is a mask.
pub(crate) fn masked(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | OP_BINARY];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        length => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(length).expect("a short message").to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

fn mqtt_connect(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let id = stream.local_addr()?.port().to_string();
    // MQTT, level 4, clean session, no keep-alive.
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, id.len() as u8];
    body.extend_from_slice(id.as_bytes());
    Ok(mqtt_packet(0x10, &body))
}

fn mqtt_subscribe() -> Vec<u8> {
    let mut body = vec![0, 1, 0, TOPIC.len() as u8];
    body.extend_from_slice(TOPIC.as_bytes());
    body.push(0);
    mqtt_packet(0x82, &body)
}

/// A message of QoS 0.
pub(crate) fn mqtt_publish(out: &mut Vec<u8>, text: &[u8]) {
    let mut body = vec![0, TOPIC.len() as u8];
    body.extend_from_slice(TOPIC.as_bytes());
    body.extend_from_slice(text);
    out.extend_from_slice(&mqtt_packet(0x30, &body));
}

fn mqtt_packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let more = if left > 127 { 0x80 } else { 0 };
        out.push((left & 0x7F) as u8 | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}
