//! `/stream` with permessage-deflate (RFC 7692): the same events in fewer bytes, for those who offer it.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use flate2::{Decompress, FlushDecompress};
use serde_json::Value;

use crate::http::{Request, connect};
use crate::server::{TestServer, general};

const EVENTS: u64 = 2_000;

/// A client that reads frames as RFC 6455 and 7692 say.
struct Client {
    stream: BufReader<TcpStream>,
    inflater: Decompress,
    takeover: bool,
    /// What the server answered to the offer.
    agreed: Option<String>,
    wire_bytes: usize,
    text_bytes: usize,
}

impl Client {
    fn open(server: &TestServer, path: &str, offer: Option<&str>) -> Self {
        let mut request = Request::new("GET", path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(offer) = offer {
            request = request.header("sec-websocket-extensions", offer);
        }
        let mut stream = connect(server.address);
        stream.write_all(&request.bytes()).expect("the server reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let agreed = head.lines().find_map(|it| it.strip_prefix("sec-websocket-extensions: "));
        let takeover = agreed.is_some_and(|it| !it.contains("server_no_context_takeover"));
        Self {
            agreed: agreed.map(str::to_owned),
            stream: BufReader::new(stream),
            inflater: Decompress::new(false),
            takeover,
            wire_bytes: 0,
            text_bytes: 0,
        }
    }

    fn event(&mut self) -> String {
        loop {
            let mut start = [0; 2];
            self.stream.read_exact(&mut start).expect("a frame");
            let mut long = [0; 8];
            match start[1] {
                126 => self.stream.read_exact(&mut long[6..]).expect("a length"),
                127 => self.stream.read_exact(&mut long).expect("a length"),
                short => long[7] = short,
            }
            let mut payload = vec![0; u64::from_be_bytes(long) as usize];
            self.stream.read_exact(&mut payload).expect("a payload");
            let text = match start[0] {
                0x81 => payload.clone(),
                0xC1 if self.agreed.is_some() => self.inflate(&payload),
                other => panic!("unexpected {other:x}"),
            };
            let text = String::from_utf8(text).expect("UTF-8");
            if !text.starts_with(r#"{"type":"heartbeat""#) {
                self.wire_bytes += payload.len();
                self.text_bytes += text.len();
                return text;
            }
        }
    }

    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.inflater.reset(false);
        }
        let mut text = Vec::with_capacity(1 << 16);
        for piece in [payload, &[0, 0, 0xFF, 0xFF]] {
            self.inflater
                .decompress_vec(piece, &mut text, FlushDecompress::Sync)
                .expect("it is deflated");
        }
        text
    }
}

#[test]
fn who_offers_deflate_gets_the_same_events_in_fewer_bytes() {
    let server = TestServer::start();
    let mut plain = Client::open(&server, "/stream", None);
    assert_eq!(plain.agreed, None);
    let offers = [
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=9, \
             permessage-deflate; server_max_window_bits=12",
            "permessage-deflate; server_max_window_bits=12; client_no_context_takeover",
        ),
    ];
    let mut clients: Vec<_> = offers
        .iter()
        .map(|(offer, agreed)| {
            let client = Client::open(&server, "/stream", Some(offer));
            assert_eq!(client.agreed.as_deref(), Some(*agreed));
            client
        })
        .collect();
    let mut filtered = Client::open(&server, "/stream?kind=odd", Some(offers[0].0));
    for batch in 0..EVENTS / 100 {
        let of = |i| general(&format!("e{i}"), if i % 2 == 0 { "even" } else { "odd" }, 1.0);
        let seqs = batch * 100 + 1..=batch * 100 + 100;
        server.ndjson(seqs.clone().map(of));
        // Read before the next come, so that no round has too many to be compressed.
        for seq in seqs {
            let text = plain.event();
            let event: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(event["seq"], seq);
            for client in &mut clients {
                assert_eq!(client.event(), text);
            }
            if event["kind"] == "odd" {
                assert_eq!(filtered.event(), text);
            }
        }
    }
    for (client, most) in clients.iter().zip([0.35, 0.9, 0.35]) {
        let share = client.wire_bytes as f64 / client.text_bytes as f64;
        assert!(share < most, "{:?}: {share}", client.agreed);
    }
    // One who comes back begins in the middle of what the others get as one.
    let mut resumed = Client::open(&server, "/stream?since_seq=1500", Some(offers[0].0));
    for seq in 1_501..=EVENTS {
        let event: Value = serde_json::from_str(&resumed.event()).expect("JSON");
        assert_eq!(event["seq"], seq);
    }
}

#[test]
fn an_offer_that_cannot_be_met_leaves_the_stream_as_it_is() {
    let server = TestServer::start();
    for offer in [
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; unheard_of",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ";;,\"",
    ] {
        let mut client = Client::open(&server, "/stream?since_seq=0", Some(offer));
        assert_eq!(client.agreed, None, "{offer}");
        server.general(&format!("e {offer}"), "k", 1.0);
        assert!(client.event().contains("\"seq\":1}"), "{offer}");
    }
}
