//! The gateway with real sockets: who gets in, what is heard, who gets what.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crossbeam_channel::Receiver;
use futures_util::{SinkExt, StreamExt};
use shimmer_mesh::Body;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn porter() -> Porter {
    Porter { authorize: Box::new(|value| Some(value == "Bearer test")), warn: Box::new(|_| {}) }
}

fn gateway() -> (Gateway, Receiver<Heard>) {
    let (heard, heard_end) = crossbeam_channel::bounded(8);
    let plan = Plan {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        peers: Vec::new(),
        token: Token::default(),
        porter: porter(),
    };
    (Gateway::start(plan, heard).unwrap(), heard_end)
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

async fn dial(gateway: &Gateway, header: &'static str, value: &str) -> Result<Client, Error> {
    let url = format!("ws://{}/", gateway.listens_at().unwrap());
    let mut request = url.into_client_request()?;
    if !header.is_empty() {
        request.headers_mut().insert(header, HeaderValue::from_str(value).unwrap());
    }
    connect_async(request).await.map(|(client, _)| client)
}

async fn enter(gateway: &Gateway) -> Client {
    dial(gateway, "authorization", "Bearer test").await.unwrap()
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() })
}

const PACKET: &str =
    r#"{"type":"gossip","subtype":"beauty_event","ttl":3,"event":{"event_id":"e"}}"#;

#[test]
fn nobody_gets_in_without_a_token() {
    let (gateway, heard) = gateway();
    run(async {
        for (header, value) in [
            ("", ""),
            ("authorization", "Bearer wrong"),
            ("authorization", "test"),
            ("sec-websocket-protocol", "shimmer, bearer.d3Jvbmc"),
        ] {
            let Err(Error::Http(answer)) = dial(&gateway, header, value).await else {
                panic!("{value} was let in");
            };
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["www-authenticate"]),
                (401, &HeaderValue::from_static("Bearer"))
            );
        }
        enter(&gateway).await;
        dial(&gateway, "sec-websocket-protocol", "shimmer, bearer.dGVzdA").await.unwrap();
    });
    let told: Vec<_> = heard.try_iter().collect();
    assert!(told.iter().all(|heard| matches!(heard, Heard::TurnedAway(Reason::Auth))), "{told:?}");
    assert_eq!(told.len(), 4);
}

#[test]
fn packets_are_heard_and_nonsense_is_counted() {
    let (gateway, heard) = gateway();
    run(async {
        let mut client = enter(&gateway).await;
        for text in [PACKET, "{}", "nonsense"] {
            client.send(Message::text(text)).await.unwrap();
        }
        client.send(Message::binary(PACKET.as_bytes().to_vec())).await.unwrap();
        wait("four things", || heard.len() == 4);
        client.send(Message::text("x".repeat(MAX_PACKET_BYTES + 1))).await.unwrap();
        wait("five things", || heard.len() == 5);
        let code = loop {
            if let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() {
                break u16::from(frame.code);
            }
        };
        assert_eq!(code, 1009);
    });
    let told: Vec<_> = heard.try_iter().collect();
    assert!(matches!(&told[0], Heard::Packet(_, Packet { ttl: 3, body: Body::Unsigned(_), .. })));
    for heard in &told[1..4] {
        assert!(matches!(heard, Heard::Refused(Reason::Malformed)), "{heard:?}");
    }
    assert!(matches!(told[4], Heard::Refused(Reason::Oversize)));
}

#[test]
fn a_packet_goes_to_three_and_not_back() {
    let (gateway, heard) = gateway();
    run(async {
        let mut sender = enter(&gateway).await;
        sender.send(Message::text(PACKET)).await.unwrap();
        wait("the packet", || !heard.is_empty());
        let Ok(Heard::Packet(from, packet)) = heard.recv() else { panic!("no packet") };
        gateway.send(&packet, Some(from));
        let mut others = Vec::new();
        for _ in 0..5 {
            others.push(enter(&gateway).await);
        }
        wait("six connections", || gateway.connections() == 6);
        gateway.send(&packet, Some(from));
        // Whoever gets something after it has had everything of before.
        let last = Packet { ttl: 1, ..packet.clone() };
        let mut got = 0;
        for client in &mut others {
            while gateway.connections() > 0 {
                tokio::select! {
                    message = client.next() => {
                        let Message::Text(text) = message.unwrap().unwrap() else { continue };
                        if text.contains(r#""ttl":1"#) { break }
                        assert!(text.contains(r#""ttl":3"#), "{text}");
                        got += 1;
                    }
                    () = tokio::task::yield_now() => gateway.send(&last, Some(from)),
                }
            }
        }
        assert_eq!(got, 3);
    });
}

#[test]
fn connections_are_bounded() {
    let (gateway, heard) = gateway();
    run(async {
        let mut kept = Vec::new();
        for _ in 0..MAX_PEERS {
            kept.push(enter(&gateway).await);
        }
        assert!(dial(&gateway, "authorization", "Bearer test").await.is_err());
        wait("the refusal", || !heard.is_empty());
        assert!(matches!(heard.recv(), Ok(Heard::TurnedAway(Reason::Transport))));
        kept.pop();
        wait("room", || gateway.connections() < MAX_PEERS);
        enter(&gateway).await;
    });
}

#[test]
fn those_without_a_token_keep_nobody_out() {
    let (gateway, heard) = gateway();
    let at = gateway.listens_at().unwrap();
    let silent: Vec<_> =
        (0..2 * MAX_STRANGERS).map(|_| std::net::TcpStream::connect(at).unwrap()).collect();
    let begun = std::time::Instant::now();
    run(async {
        enter(&gateway).await;
    });
    // Nor does anybody wait until the handshakes of all of them are given up.
    assert!(begun.elapsed() < HANDSHAKE, "{:?}", begun.elapsed());
    assert!(matches!(heard.recv(), Ok(Heard::TurnedAway(Reason::Transport))));
    drop(silent);
}

#[test]
fn gateways_dial_each_other() {
    let (there, heard) = gateway();
    let plan = Plan {
        listen: None,
        peers: vec![format!("json+ws://{}", there.listens_at().unwrap()).parse().unwrap()],
        token: Token("test".to_owned()),
        porter: porter(),
    };
    let here = Gateway::start(plan, crossbeam_channel::bounded(8).0).unwrap();
    wait("the connection", || here.connections() == 1 && there.connections() == 1);
    here.send(&Packet::parse(PACKET.as_bytes()).unwrap(), None);
    wait("the packet", || !heard.is_empty());
    assert!(matches!(heard.recv(), Ok(Heard::Packet(..))));
}
