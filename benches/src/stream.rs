//! A stream client that reads all it is sent.
//!
//! The rule: it keeps up, so that the server's cost is that of a healthy client.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tungstenite::Message;

/// Reads every event of the stream at `address` until `stop`; counts messages and bytes.
///
/// # Panics
/// When the stream does not open, or ends by itself.
pub fn listen(address: SocketAddr, stop: &AtomicBool) -> (u64, u64) {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let url = format!("ws://{address}/stream");
    let (mut socket, _) = tungstenite::client(url, stream).expect("the stream opens");
    let (mut messages, mut bytes) = (0, 0);
    // Relaxed: it carries no data.
    while !stop.load(Ordering::Relaxed) {
        match socket.read() {
            Ok(Message::Text(text)) => {
                messages += 1;
                bytes += text.len() as u64;
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error))
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(error) => panic!("the stream ended: {error}"),
        }
    }
    (messages, bytes)
}
