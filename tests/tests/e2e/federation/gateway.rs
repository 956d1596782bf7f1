//! The JSON gateway as scripts and other implementations use it. Signatures are made here from the documented bytes
//! alone.

use std::net::TcpStream;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::{Place, connected, free_port, has, ids};
use crate::server::{TOKEN, TestServer, beauty, wait};

type Client = WebSocket<TcpStream>;

/// A node with a gateway.
fn place(name: &str, peers: &[u16]) -> (Place, u16) {
    let port = free_port();
    let mut place = Place::new(name, peers, "");
    place.home = place.home.env("FEDERATED_JSON_PORT", &port.to_string());
    (place, port)
}

fn dial(port: u16, header: &'static str, value: &str) -> Result<Client, u16> {
    let mut request = format!("ws://127.0.0.1:{port}/").into_client_request().unwrap();
    if !header.is_empty() {
        request.headers_mut().insert(header, value.parse().unwrap());
    }
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    match tungstenite::client::client(request, socket) {
        Ok((client, _)) => Ok(client),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
            Err(answer.status().as_u16())
        }
        Err(why) => panic!("{why}"),
    }
}

fn enter(port: u16) -> Client {
    dial(port, "authorization", &format!("Bearer {TOKEN}")).unwrap()
}

fn say(client: &mut Client, packet: &Value) {
    client.send(Message::text(packet.to_string())).unwrap();
}

fn hear(client: &mut Client) -> Value {
    loop {
        if let Message::Text(text) = client.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn packet(event: Value, ttl: i64) -> Value {
    json!({"type": "gossip", "subtype": "beauty_event", "ttl": ttl, "event": event})
}

/// A packet signed as the documents say: the members stand in canonical order because `serde_json` sorts them, and
/// nothing in these events has another canonical form.
fn signed(key: &SigningKey, seq: u64, ttl: u64, event: &Value) -> Value {
    let origin: String =
        key.verifying_key().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let vouched = json!({
        "alg": "ed25519", "epoch": 7, "event": event, "max_ttl": 5, "origin": origin, "seq": seq,
    });
    let sig = key.sign(format!("shimmer-gossip-v1\n{vouched}").as_bytes());
    let sig: String = sig.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    json!({
        "type": "gossip", "subtype": "beauty_event", "ttl": ttl, "event": event, "origin": origin,
        "epoch": 7, "seq": seq, "max_ttl": 5, "alg": "ed25519", "sig": sig,
    })
}

fn rejected(server: &TestServer, reason: &str) -> f64 {
    let name = format!("shimmer_gossip_rejected_total{{reason=\"{reason}\"}} ");
    let text = server.get("/metrics").text();
    let found = text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
    found.unwrap_or(-1.0)
}

#[test]
fn packets_enter_once_and_travel_on() {
    let (a, port) = place("a", &[]);
    let (b, other_port) = place("b", &[a.port]);
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    assert_eq!(dial(port, "", "").unwrap_err(), 401);
    assert_eq!(dial(port, "authorization", "Bearer wrong").unwrap_err(), 401);
    let browser = format!("shimmer, bearer.{}", BASE64_URL_SAFE_NO_PAD.encode(TOKEN));
    let mut watcher = dial(port, "sec-websocket-protocol", &browser).unwrap();
    let mut far = enter(other_port);
    let mut client = enter(port);
    wait("three connections", || {
        let text = here.get("/metrics").text();
        text.contains("shimmer_gossip_gateway_peers 2")
    });
    let event = beauty("script-1", 0.5);
    say(&mut client, &packet(event.clone(), 10));
    let heard = hear(&mut watcher);
    assert_eq!((&heard["ttl"], &heard["event"]["event_id"]), (&json!(9), &json!("script-1")));
    assert_eq!(heard.get("origin"), None, "it stays unsigned");
    wait("the packet here", || has(&here, "beauty", "a", "script-1"));
    wait("the packet there", || has(&there, "beauty", "a", "script-1"));
    let shown = there.json("/snapshot");
    assert_eq!(shown["events"][0]["unsigned"], true);
    let heard = hear(&mut far);
    assert_eq!(heard["event"]["event_id"], "script-1");
    assert!(heard["ttl"].as_u64() < Some(9), "{heard}");
    // The same id again, and at the other node, is the same event.
    say(&mut client, &packet(event.clone(), 10));
    say(&mut far, &packet(event.clone(), 10));
    // An event of the node's own with that id is another one, and travels signed.
    here.event(&event);
    let heard = hear(&mut watcher);
    assert_eq!((&heard["ttl"], heard["sig"].as_str().map(str::len)), (&json!(10), Some(128)));
    wait("both", || ids(&there, "beauty").len() == 2);
    assert_eq!(ids(&here, "beauty").len(), 2);
}

#[test]
fn signed_packets_are_believed_and_forged_ones_are_not() {
    let (a, port) = place("a", &[]);
    let (b, _) = place("b", &[a.port]);
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    let key = SigningKey::from_bytes(&[5; 32]);
    let origin: String =
        key.verifying_key().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let mut client = enter(port);
    let event = beauty("signed-1", 0.5);
    say(&mut client, &signed(&key, 1, 5, &event));
    wait("the packet there", || ids(&there, "beauty").len() == 1);
    let (shown, _) = ids(&there, "beauty").remove(0);
    assert!(origin.starts_with(shown.as_str()), "{shown} is not {origin}");
    // An unsigned packet with the same id displaces nothing and is not displaced.
    say(&mut client, &packet(event.clone(), 5));
    wait("both", || ids(&there, "beauty").len() == 2);

    let mut forged = signed(&key, 2, 5, &beauty("forged", 0.5));
    forged["event"]["beauty_score"] = json!(1.5);
    say(&mut client, &forged);
    let mut partial = signed(&key, 3, 5, &beauty("partial", 0.5));
    partial.as_object_mut().unwrap().remove("sig");
    say(&mut client, &partial);
    let far = signed(&key, 4, 6, &beauty("too-far", 0.5));
    say(&mut client, &far);
    wait("three signatures", || rejected(&here, "signature") == 3.0);
    say(&mut client, &packet(beauty("spent", 0.5), 0));
    wait("one ttl", || rejected(&here, "ttl") == 1.0);
    say(&mut client, &packet(beauty("too-beautiful", 9.0), 5));
    client.send(Message::text("{\"type\":\"gossip\"}")).unwrap();
    wait("two malformed", || rejected(&here, "malformed") == 2.0);
    client.send(Message::text("x".repeat(70_000))).unwrap();
    wait("one too long", || rejected(&here, "oversize") == 1.0);
    assert!(loop {
        match client.read() {
            Ok(Message::Close(_)) | Err(_) => break true,
            Ok(_) => {}
        }
    });
    assert_eq!((ids(&here, "beauty").len(), ids(&there, "beauty").len()), (2, 2));
    assert_eq!(here.json("/federated/gossip/summary")["rejected"], 7);
}

#[test]
fn a_packet_goes_no_further_than_its_ttl() {
    let (a, port) = place("a", &[]);
    let (b, _) = place("b", &[a.port]);
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    let (mut client, mut watcher) = (enter(port), enter(port));
    say(&mut client, &packet(beauty("near", 0.5), 1));
    let key = SigningKey::from_bytes(&[6; 32]);
    say(&mut client, &signed(&key, 1, 1, &beauty("near-signed", 0.5)));
    wait("both here", || ids(&here, "beauty").len() == 2);
    say(&mut client, &packet(beauty("far", 0.5), 2));
    assert_eq!(hear(&mut watcher)["event"]["event_id"], "far", "what came before went nowhere");
    wait("the far one", || has(&there, "beauty", "a", "far"));
    // A node that comes later does not get them by asking either.
    let c = Place::new("c", &[a.port], "");
    let late = c.start();
    wait("the far one", || has(&late, "beauty", "a", "far"));
    assert_eq!((ids(&there, "beauty").len(), ids(&late, "beauty").len()), (1, 1));
}

#[test]
fn gateways_form_a_network_of_their_own() {
    let (a, port) = place("a", &[]);
    let (b, _) = place("b", &[]);
    let mut b = b;
    b.home.configure(&format!(
        "[[plugin]]\nname = 'gossip'\n[plugin.config]\nhost = '127.0.0.1'\njson_token = '{TOKEN}'\n"
    ));
    b.home = b.home.env("FEDERATED_PEERS", &format!("json+ws://127.0.0.1:{port}"));
    let (here, there) = (a.start(), b.start());
    wait("the connection", || {
        here.get("/metrics").text().contains("shimmer_gossip_gateway_peers 1")
    });
    there.event(&beauty("e", 0.5));
    wait("the event", || has(&here, "beauty", "b", "e") || ids(&here, "beauty").len() == 1);
    assert_eq!(here.json("/federated/health")["peers"], 0, "no mesh between them");
}
