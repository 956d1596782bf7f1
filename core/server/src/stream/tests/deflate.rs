//! Compressed streams: one form serves all who asked, wherever they begin.

use super::*;
use flate2::{Decompress, FlushDecompress};
use std::io::Write as _;

/// A client that inflates, strictly.
struct Inflating {
    socket: BufReader<TcpStream>,
    inflater: Decompress,
    takeover: bool,
    compressed: usize,
    /// Payload bytes of compressed messages.
    bytes: usize,
}

impl Listen for Inflating {
    fn next(&mut self) -> Told {
        let mut start = [0; 2];
        self.socket.read_exact(&mut start).expect("a frame before the deadline");
        let mut long = [0; 8];
        let len = match start[1] {
            126 => self.socket.read_exact(&mut long[6..]).map(|()| u64::from_be_bytes(long)),
            127 => self.socket.read_exact(&mut long).map(|()| u64::from_be_bytes(long)),
            short => Ok(u64::from(short)),
        };
        let mut payload = vec![0; len.unwrap() as usize];
        self.socket.read_exact(&mut payload).unwrap();
        match start[0] {
            0x81 => understand("", std::str::from_utf8(&payload).unwrap()),
            0xC1 => {
                self.compressed += 1;
                self.bytes += payload.len();
                understand("", &self.inflated(&payload))
            }
            0x88 => Told::End(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("unexpected {other:x}"),
        }
    }
}

impl Inflating {
    fn inflated(&mut self, payload: &[u8]) -> String {
        if !self.takeover {
            self.inflater.reset(false);
        }
        let mut text = Vec::with_capacity(1 << 16);
        for piece in [payload, &[0, 0, 0xFF, 0xFF]] {
            let done = self.inflater.decompress_vec(piece, &mut text, FlushDecompress::Sync);
            done.expect("it refers to what this client has");
        }
        String::from_utf8(text).unwrap()
    }
}

impl Rig {
    fn deflate(&self, takeover: bool, change: impl FnOnce(&mut Subscription)) -> Inflating {
        let mut wanted = subscription(Protocol::Deflate { chained: takeover });
        change(&mut wanted);
        Inflating {
            socket: BufReader::new(self.attach(wanted)),
            // The window that every client is promised who asked for a bound.
            inflater: Decompress::new_with_window_bits(false, 12),
            takeover,
            compressed: 0,
            bytes: 0,
        }
    }
}

/// Text that does not get shorter than by half.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed | 1;
    let mut digit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from_digit((state >> 32) as u32 % 16, 16).unwrap()
    };
    (0..bytes).map(|_| digit()).collect()
}

#[test]
fn all_who_asked_get_every_event_once_and_in_order_under_load() {
    const EVENTS: u64 = 6_000;
    let rig = rig(1 << 14, |config| config.shards = 2);
    std::thread::scope(|scope| {
        let mut readers = Vec::new();
        for number in 0..24 {
            let kind = if number % 3 == 2 { "beauty" } else { "*" };
            let mut client = rig.deflate(number % 2 == 0, |s| s.filter = filter(kind, "*", "*"));
            readers.push((number, kind, scope.spawn(move || client.to(EVENTS))));
        }
        let mut plain = rig.ws(|_| {});
        let plain = scope.spawn(move || plain.to(EVENTS));
        for _ in 0..3 {
            scope.spawn(|| rig.put_many(EVENTS / 3, "the same again and again"));
        }
        let all: Vec<_> = (1..=EVENTS).map(Told::Event).collect();
        for (number, kind, reader) in readers {
            let told = reader.join().unwrap();
            match kind {
                "beauty" => {
                    let even: Vec<_> = (1..=EVENTS / 2).map(|n| Told::Event(2 * n)).collect();
                    assert_eq!(told, even, "{number}");
                }
                _ => assert_eq!(told, all, "{number}"),
            }
        }
        assert_eq!(plain.join().unwrap(), all, "who did not ask is not bothered");
    });
    until("all clients are gone", || rig.hub.stats().clients() == 0);
    assert_eq!(rig.hub.stats().clients_slow, 0);
}

#[test]
fn messages_of_a_round_refer_to_each_other() {
    let rig = rig(1 << 10, |config| {
        config.shards = 1;
        config.flush_ms = 100;
    });
    let (mut chained, mut alone) = (rig.deflate(true, |_| {}), rig.deflate(false, |_| {}));
    let last = rig.put_many(100, &noise(7, 200));
    chained.to(last);
    alone.to(last);
    assert_eq!((chained.compressed, alone.compressed), (100, 100));
    assert!(chained.bytes * 4 < alone.bytes, "{} {}", chained.bytes, alone.bytes);
}

#[test]
fn whoever_begins_inside_a_round_can_read_it() {
    let rig = rig(1 << 10, |config| {
        config.shards = 1;
        config.flush_ms = 500;
    });
    let mut first = rig.deflate(true, |_| {});
    rig.put_many(1, "x");
    assert_eq!(first.next(), Told::Event(1));
    // The round of these has not begun: they become one window, inside which the late ones join.
    let last = rig.put_many(60, "the text that all of them share");
    let mut before: Vec<_> =
        [20, 40, 60].map(|since| (since, rig.deflate(true, |s| s.since_seq = Some(since)))).into();
    before.push((61, rig.deflate(true, |_| {})));
    assert_eq!(first.to(last).len(), 60);
    let after = [10, 30, 50].map(|since| (since, rig.deflate(true, |s| s.since_seq = Some(since))));
    let end = rig.put_many(60, "the text that all of them share");
    for (since, mut client) in before.into_iter().chain(after) {
        let expected: Vec<_> = (since + 1..=end).map(Told::Event).collect();
        assert_eq!(client.to(end), expected, "from {since}");
    }
    assert_eq!(first.to(end).len(), 60);
}

#[test]
fn a_compressed_stream_goes_on_behind_a_gap() {
    let rig = rig(64, |config| {
        config.shards = 1;
        config.flush_ms = 0;
        config.send_buffer_bytes = 4096;
    });
    let mut slow = [rig.deflate(true, |_| {}), rig.deflate(false, |_| {})];
    let mut quick = rig.deflate(true, |_| {});
    let mut last = 0;
    for turn in 0..5_000 {
        last = rig.put_many(1, &noise(turn * 2, 3_000));
        assert_eq!(quick.next(), Told::Event(last), "the others do not wait for it");
    }
    assert_eq!(rig.hub.stats().clients_slow, 2);
    for client in &mut slow {
        let (mut next, mut gaps) = (1, 0);
        while next <= last {
            match client.next() {
                Told::Event(seq) => {
                    assert_eq!(seq, next);
                    next += 1;
                }
                Told::Gap(from, to) => {
                    assert_eq!(from, next);
                    (next, gaps) = (to + 1, gaps + 1);
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        // One for each time that its socket took something meanwhile, and not one for each piece of the loss.
        assert!((1..10).contains(&gaps), "{gaps}");
    }
    until("they keep up again", || rig.hub.stats().clients_slow == 0);
    let last = rig.put_many(2, "");
    for client in &mut slow {
        assert_eq!(client.to(last), [Told::Event(last - 1), Told::Event(last)]);
    }
}

#[test]
fn what_a_client_compresses_is_thrown_away_and_its_bit_elsewhere_refused() {
    let rig = rig(64, |_| {});
    // A message of 60 KiB that would inflate to 60 MiB, and then a ping.
    let bomb = [&[0xC1, 0xFE, 0xF0, 0, 0, 0, 0, 0][..], &[0; 0xF000], &[0x89, 0x80, 0, 0, 0, 0]];
    let mut client = rig.attach(subscription(Protocol::Deflate { chained: true }));
    client.write_all(&bomb.concat()).unwrap();
    let mut pong = [0; 2];
    client.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x8A, 0]);
    let broken = [0xC9, 0x80, 0, 0, 0, 0];
    for (protocol, frame) in
        [(Protocol::Deflate { chained: true }, broken), (Protocol::Ws, [0xC1, 0x80, 0, 0, 0, 0])]
    {
        let mut client = rig.attach(subscription(protocol));
        client.write_all(&frame).unwrap();
        let mut said = Vec::new();
        client.read_to_end(&mut said).unwrap();
        assert_eq!(said, [0x88, 2, 0x03, 0xEA]);
    }
}
