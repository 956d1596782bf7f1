//! One connection: packets in, packets out, until either side has enough.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use shimmer_mesh::{Packet, Reason};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Heard, QUEUE, Shared, Talker};

/// Time between two pings.
const PING: Duration = Duration::from_secs(20);
/// Silence after which a connection is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// Time for a message to leave; a peer that reads nothing for so long is gone.
const SEND: Duration = Duration::from_secs(10);
/// Refused packets after which a connection is closed.
const PATIENCE: u32 = 256;

/// How long, and how many bytes, a peer may go on talking after it was told of the end.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Why a connection ends, as its peer is told.
struct Ending(CloseCode, &'static str);

/// Talks on a connection until it ends.
pub(super) async fn run<S>(shared: &Shared, mut socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Relaxed: only its being different matters.
    let me = Talker(shared.next.fetch_add(1, Ordering::Relaxed));
    let (queue, packets) = mpsc::channel(QUEUE);
    shared.peers().insert(me, queue);
    let ending = converse(shared, &mut socket, me, packets).await;
    shared.peers().remove(&me);
    if let Some(Ending(code, reason)) = ending {
        let frame = CloseFrame { code, reason: reason.into() };
        drop(tokio::time::timeout(SEND, socket.close(Some(frame))).await);
        linger(socket.get_mut()).await;
    }
}

/// Reads what is still on its way: a socket that is closed with unread bytes is reset, and a reset takes the reason
/// of the closing back from the peer before it has read it.
async fn linger<S: AsyncRead + Unpin>(socket: &mut S) {
    let until = Instant::now() + LINGER;
    let mut scrap = [0; 4096];
    let mut left = LINGER_BYTES;
    while let Ok(Ok(count @ 1..)) = timeout_at(until, socket.read(&mut scrap)).await {
        left = left.saturating_sub(count);
        if left == 0 {
            return;
        }
    }
}

async fn converse<S>(
    shared: &Shared,
    socket: &mut WebSocketStream<S>,
    me: Talker,
    mut packets: mpsc::Receiver<Arc<str>>,
) -> Option<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    let mut refused = 0;
    loop {
        tokio::select! {
            message = socket.next() => {
                heard_at = Instant::now();
                let reason = match message? {
                    Ok(Message::Text(text)) => match Packet::parse(text.as_bytes()) {
                        Ok(packet) => {
                            shared.hear(Heard::Packet(me, packet)).await;
                            continue;
                        }
                        Err(reason) => reason,
                    },
                    Ok(Message::Binary(_)) => Reason::Malformed,
                    Ok(Message::Close(_)) => return None,
                    Ok(_) => continue,
                    Err(Error::Capacity(_)) => {
                        shared.hear(Heard::Refused(Reason::Oversize)).await;
                        return Some(Ending(CloseCode::Size, "a packet has at most 64 KiB"));
                    }
                    Err(Error::Utf8(_)) => {
                        shared.hear(Heard::Refused(Reason::Malformed)).await;
                        return Some(Ending(CloseCode::Invalid, "text is UTF-8"));
                    }
                    Err(_) => return None,
                };
                shared.hear(Heard::Refused(reason)).await;
                refused += 1;
                if refused > PATIENCE {
                    return Some(Ending(CloseCode::Policy, "too much that is no packet"));
                }
            }
            Some(text) = packets.recv() => {
                let sent = socket.send(Message::text(&*text));
                if !matches!(tokio::time::timeout(SEND, sent).await, Ok(Ok(()))) {
                    return None;
                }
            }
            _ = ping.tick() => {
                if heard_at.elapsed() > SILENCE {
                    return None;
                }
                let sent = socket.send(Message::Ping(Default::default()));
                if !matches!(tokio::time::timeout(SEND, sent).await, Ok(Ok(()))) {
                    return None;
                }
            }
        }
    }
}
