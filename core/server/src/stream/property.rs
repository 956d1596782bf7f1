//! What must hold whatever a WebSocket's client sends after its handshake: a property for a fuzz target and for tests.
//!
//! Rule: what is said to bytes depends on the bytes, not on how they were cut, and is what a slow reader of whole
//! frames says. Over a socket the close code arrives and nothing is left of the client.
//!
//! The first byte of an input says whether messages may be compressed and how many bytes come behind the handshake,
//! the second into which pieces the rest is cut.

use std::io::{Cursor, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use shimmer_ring::{Ring, RingConfig, Storage};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::reader::{FrameReader, Incoming, MESSAGE_BYTES, PROTOCOL_ERROR, TOO_BIG};
use super::{Agreement, Filter, Protocol, StreamConfig, StreamHub, Subscription};
use crate::property::cut_off;

const DEADLINE: Duration = Duration::from_secs(20);
/// A close frame with code 4999, masked by zeros.
const GOODBYE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x13, 0x87];
const GOODBYE_CODE: u16 = 4999;

/// What a reader says, with the payload of pings.
type Said = Vec<(Incoming, Vec<u8>)>;

/// A hub, and a way to connect to it.
pub struct Bench {
    hub: StreamHub,
    listener: TcpListener,
    _ring: Ring,
}

impl Default for Bench {
    fn default() -> Self {
        let sizes =
            RingConfig { capacity: 64, text_bytes: 1 << 16, names: 64, ..RingConfig::default() };
        let (ring, _) = Ring::open(&sizes, &Storage::Memory).expect("a ring");
        let config = StreamConfig { shards: 1, ..StreamConfig::default() };
        let hub = StreamHub::start(&ring, &config).expect("a hub");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self { hub, listener, _ring: ring }
    }
}

impl Bench {
    /// Panics unless all properties hold for these bytes.
    pub fn holds(&self, data: &[u8]) {
        let [first, step, bytes @ ..] = data else { return };
        if let Some(agreed) =
            std::str::from_utf8(bytes).ok().and_then(|it| Agreement::of([it].into_iter()))
        {
            assert!(agreed.answer().starts_with("permessage-deflate"));
        }
        let (deflate, step) = (first & 1 == 1, usize::from(*step).max(1));
        let (expected, is_whole) = expected(bytes, deflate);
        for step in [bytes.len().max(1), step, 1] {
            assert_eq!(read(bytes, step, deflate), expected, "in pieces of {step}");
        }
        let protocol = if deflate { Protocol::Deflate { chained: true } } else { Protocol::Ws };
        let behind = usize::from(first >> 1).min(bytes.len());
        self.over_a_socket(protocol, bytes.split_at(behind), &expected, is_whole);
    }

    /// The same bytes from a client; the first of them were read with its handshake.
    fn over_a_socket(
        &self,
        protocol: Protocol,
        bytes: (&[u8], &[u8]),
        expected: &Said,
        is_whole: bool,
    ) {
        let address = self.listener.local_addr().expect("bound");
        let mut client = TcpStream::connect(address).expect("the listener accepts");
        let (server, _) = self.listener.accept().expect("a connection");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket");
        let wish = Subscription {
            protocol,
            filter: Filter::default(),
            since_seq: None,
            heartbeat: Duration::from_secs(60),
            request_id: "property".into(),
            slot: None,
        };
        self.hub.attach(server, bytes.0.to_vec(), wish).expect("room");
        let verdict = expected.iter().find_map(|(said, _)| match said {
            Incoming::Close(code) => Some(*code),
            Incoming::Violation(code) => Some(Some(*code)),
            Incoming::Ping => None,
        });
        // It may have closed already, which shows in what it said.
        let _ = client.write_all(bytes.1);
        if verdict.is_none() && is_whole {
            let _ = client.write_all(&GOODBYE);
        } else if verdict.is_none() {
            // Within a frame nothing more can be said but that there is no more.
            let _ = client.shutdown(Shutdown::Write);
        }
        let mut said = Vec::new();
        let read = client.read_to_end(&mut said);
        assert!(read.is_ok() || verdict.is_none() && !is_whole, "{read:?}");
        let (pongs, close) = taken_apart(&said);
        let mut pings = expected.iter().map(|(_, payload)| payload);
        assert!(pongs.iter().all(|pong| pings.any(|ping| ping == pong)), "{pongs:?}: {expected:?}");
        if let Some(code) = verdict.or(is_whole.then_some(Some(GOODBYE_CODE))) {
            assert_eq!(close, Some(code), "{expected:?}");
        }
        cut_off(client);
        let begun = Instant::now();
        // Poll: for the shard to see that the client is gone.
        while self.hub.stats().clients() > 0 {
            assert!(begun.elapsed() < DEADLINE, "a client stays");
            std::thread::yield_now();
        }
    }
}

/// What the reader says to `bytes` in pieces of `step`.
fn read(bytes: &[u8], step: usize, deflate: bool) -> Said {
    let mut reader = FrameReader::with_deflate(deflate);
    let mut said = Vec::new();
    for mut piece in bytes.chunks(step) {
        while let Some(incoming) = reader.next(&mut piece) {
            let payload = if incoming == Incoming::Ping { reader.payload() } else { &[] };
            said.push((incoming, payload.to_vec()));
        }
        assert!(piece.is_empty() && reader.payload().len() <= 125);
    }
    said
}

/// What there is to say to `bytes`, and whether they end with a frame; frames are taken apart by tungstenite.
fn expected(mut bytes: &[u8], deflate: bool) -> (Said, bool) {
    let (mut said, mut message) = (Said::new(), None);
    while !bytes.is_empty() {
        // What is missing of a header may be anything: what is wrong is wrong by then.
        let mut header = [0; 14];
        let have = bytes.len().min(header.len());
        header[..have].copy_from_slice(&bytes[..have]);
        let mut cursor = Cursor::new(&header[..]);
        let parsed = FrameHeader::parse(&mut cursor).ok().flatten();
        if have < 2 {
            return (said, false);
        }
        let short = header[1] & 0x7F;
        let Some((frame, len)) =
            parsed.filter(|(it, _)| is_in_order(it, short, message.is_some(), deflate))
        else {
            said.push((Incoming::Violation(PROTOCOL_ERROR), Vec::new()));
            return (said, false);
        };
        let Some(rest) = bytes.get(cursor.position() as usize..) else { return (said, false) };
        let is_shortest = match short {
            126 => len > 125,
            127 => len > u64::from(u16::MAX) && len <= i64::MAX as u64,
            _ => true,
        };
        let is_data = matches!(frame.opcode, OpCode::Data(_));
        let total = u64::saturating_add(message.unwrap_or(0), len);
        if !is_shortest || is_data && total > MESSAGE_BYTES {
            let code = if is_shortest { TOO_BIG } else { PROTOCOL_ERROR };
            said.push((Incoming::Violation(code), Vec::new()));
            return (said, false);
        }
        let Some((payload, rest)) = rest.split_at_checked(len as usize) else {
            return (said, false);
        };
        bytes = rest;
        let mask = frame.mask.expect("in order");
        let payload: Vec<u8> =
            payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match frame.opcode {
            OpCode::Control(Control::Ping) => said.push((Incoming::Ping, payload)),
            OpCode::Control(Control::Close) => {
                said.push((closed(&payload), Vec::new()));
                return (said, false);
            }
            OpCode::Control(_) => {}
            OpCode::Data(_) => message = (!frame.is_final).then_some(total),
        }
    }
    (said, true)
}

/// What RFC 6455, 5 asks of a client's frame before its length.
fn is_in_order(frame: &FrameHeader, short: u8, in_message: bool, deflate: bool) -> bool {
    let fits = match frame.opcode {
        OpCode::Control(_) => frame.is_final && short <= 125,
        OpCode::Data(Data::Continue) => in_message,
        OpCode::Data(_) => !in_message,
    };
    let begins = matches!(frame.opcode, OpCode::Data(Data::Text | Data::Binary));
    let compressed = !frame.rsv1 || deflate && begins;
    fits && compressed && !frame.rsv2 && !frame.rsv3 && frame.mask.is_some()
}

fn closed(payload: &[u8]) -> Incoming {
    match payload {
        [] => Incoming::Close(None),
        [high, low, ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // Registered after tungstenite's list was made: a bad gateway.
            if CloseCode::from(code).is_allowed() || code == 1014 {
                Incoming::Close(Some(code))
            } else {
                Incoming::Violation(PROTOCOL_ERROR)
            }
        }
        [_] => Incoming::Violation(PROTOCOL_ERROR),
    }
}

/// The pongs and the close code in what the server said, which is nothing else: no event is published here.
fn taken_apart(mut said: &[u8]) -> (Vec<Vec<u8>>, Option<Option<u16>>) {
    let mut pongs = Vec::new();
    while let [first, len, rest @ ..] = said {
        let (payload, rest) = rest.split_at_checked(usize::from(*len)).expect("whole frames");
        said = rest;
        match first {
            0x8A => pongs.push(payload.to_vec()),
            0x88 => {
                assert!(rest.is_empty(), "nothing after a close frame");
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                return (pongs, Some(code));
            }
            other => panic!("a frame that begins with {other:#x}"),
        }
    }
    assert!(said.is_empty(), "whole frames");
    (pongs, None)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use proptest::prelude::*;

    use super::*;

    thread_local! {
        static BENCH: Bench = Bench::default();
    }

    /// Frames of all kinds, and what the fuzzer made of them.
    #[test]
    fn the_kept_corpus_holds() {
        let kept = include_str!("../../../../tests/fuzz/corpora/ws_frames.txt");
        for line in kept.lines() {
            let bytes = BASE64_STANDARD.decode(line).expect("a line of Base64");
            BENCH.with(|bench| bench.holds(&bytes));
        }
        assert!(kept.lines().count() > 50);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn generated_frames_hold(
            cut in any::<[u8; 2]>(),
            frames in prop::collection::vec((any::<u8>(), 0..200u8, any::<u8>()), 0..6),
        ) {
            let mut data = cut.to_vec();
            for (first, len, fill) in frames {
                data.extend([first & 0xCF, 0x80 | len.min(127), 1, 2, 3, 4]);
                data.extend(vec![fill; usize::from(len)]);
            }
            BENCH.with(|bench| bench.holds(&data));
        }
    }
}
