//! The plain JSON gateway: WebSockets on which scripts and browsers take part with a token.
//!
//! The rule: whoever has no token learns nothing, and one that is slow or talks nonsense costs nobody but itself.

mod admit;
mod client;
mod talk;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;
use rand::seq::IndexedRandom;
use shimmer_mesh::{MAX_PACKET_BYTES, Packet, Reason};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::config::Token;
use crate::dial::GatewayAddress;
use crate::net::{GRACE, Porch};

/// Connections of either direction.
const MAX_PEERS: usize = 64;
/// Strangers whose handshake is not over.
const MAX_STRANGERS: usize = 64;
/// Time for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Packets that wait for one peer; further ones are lost to it.
const QUEUE: usize = 256;
/// To how many peers a packet goes, as in source 02.
const FANOUT: usize = 3;
/// Pause of a connection whose packets nobody takes at the moment.
const PRESSED: Duration = Duration::from_millis(2);

/// Names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Talker(u64);

/// What comes out of the gateway.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A packet whose shape is right.
    Packet(Talker, Packet),
    /// Something that is no packet, from somebody with a token.
    Refused(Reason),
    /// Somebody without a token, or without a handshake.
    TurnedAway(Reason),
}

/// How the gateway takes part.
pub(crate) struct Plan {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) peers: Vec<GatewayAddress>,
    pub(crate) token: Token,
    pub(crate) porter: Porter,
}

/// Answers whether a header lets somebody in.
pub(crate) type Authorize = Box<dyn Fn(&str) -> Option<bool> + Send + Sync>;

/// What the gateway asks of the node.
pub(crate) struct Porter {
    /// Whether the value of an `Authorization` header lets somebody in; `None` while nobody can say.
    pub(crate) authorize: Authorize,
    /// Writes a line for the operator.
    pub(crate) warn: Box<dyn Fn(&str) + Send + Sync>,
}

/// The running gateway. Dropping it closes all connections.
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    listens_at: Option<SocketAddr>,
}

/// What all connections have in common.
struct Shared {
    porter: Porter,
    heard: Sender<Heard>,
    peers: Mutex<HashMap<Talker, mpsc::Sender<Arc<str>>>>,
    next: AtomicU64,
    lost: AtomicU64,
    room: Arc<Semaphore>,
}

impl Gateway {
    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// A sentence with the remedy when the address cannot be had.
    pub(crate) fn start(plan: Plan, heard: Sender<Heard>) -> Result<Self, String> {
        let Plan { listen, peers, token, porter } = plan;
        let listener = match listen {
            Some(at) => Some(std::net::TcpListener::bind(at).map_err(|why| {
                format!("json_port: cannot listen on {at}: {why}; choose a free port")
            })?),
            None => None,
        };
        let listens_at = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let shared = Arc::new(Shared {
            porter,
            heard,
            peers: Mutex::default(),
            next: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            room: Arc::new(Semaphore::new(MAX_PEERS)),
        });
        let (stop, stopped) = watch::channel(false);
        let of_thread = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| format!("the gateway does not start: {why}"))?;
        let run = move || runtime.block_on(serve(of_thread, listener, peers, token, stopped));
        let thread = std::thread::Builder::new()
            .name("gossip-gateway".into())
            .spawn(run)
            .map_err(|why| format!("the gateway does not start: {why}"))?;
        Ok(Self { shared, stop, thread: Some(thread), listens_at })
    }

    /// Where it listens, with the port that was really bound.
    pub(crate) const fn listens_at(&self) -> Option<SocketAddr> {
        self.listens_at
    }

    /// Sends a packet to up to three connections, never to the one that it came from.
    pub(crate) fn send(&self, packet: &Packet, except: Option<Talker>) {
        let peers = self.shared.peers();
        if peers.is_empty() {
            return;
        }
        let others: Vec<_> = peers.iter().filter(|(peer, _)| Some(**peer) != except).collect();
        let text: Arc<str> = packet.to_json().into();
        for (_, queue) in others.sample(&mut rand::rng(), FANOUT) {
            if queue.try_send(Arc::clone(&text)).is_err() {
                // Relaxed: a figure of its own, which orders nothing.
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether anybody is connected.
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.peers().is_empty()
    }

    /// Connections at the moment.
    pub(crate) fn connections(&self) -> usize {
        self.shared.peers().len()
    }

    /// Packets that slow peers did not get.
    pub(crate) fn lost(&self) -> u64 {
        // Relaxed: as above.
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn peers(&self) -> MutexGuard<'_, HashMap<Talker, mpsc::Sender<Arc<str>>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on what was heard; while nobody takes it, the connection it came from reads no further.
    async fn hear(&self, mut heard: Heard) {
        loop {
            match self.heard.try_send(heard) {
                Err(crossbeam_channel::TrySendError::Full(back)) => heard = back,
                Ok(()) | Err(crossbeam_channel::TrySendError::Disconnected(_)) => return,
            }
            tokio::time::sleep(PRESSED).await;
        }
    }
}

fn websocket() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_PACKET_BYTES))
        .max_frame_size(Some(MAX_PACKET_BYTES))
        .read_buffer_size(8 << 10)
        .write_buffer_size(8 << 10)
        .max_write_buffer_size(QUEUE * MAX_PACKET_BYTES)
}

async fn serve(
    shared: Arc<Shared>,
    listener: Option<std::net::TcpListener>,
    peers: Vec<GatewayAddress>,
    token: Token,
    mut stopped: watch::Receiver<bool>,
) {
    for peer in peers {
        tokio::spawn(client::keep(Arc::clone(&shared), peer, token.clone()));
    }
    let listener = listener.and_then(|listener| {
        listener.set_nonblocking(true).ok()?;
        TcpListener::from_std(listener).ok()
    });
    // Who has no token yet takes no place from those who have.
    let porch = Porch::new(MAX_STRANGERS, GRACE);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            socket = accept(listener.as_ref(), &porch) => {
                let Some(socket) = socket else { continue };
                let handshake = porch.enter(admit::shake_hands(Arc::clone(&shared), socket));
                let shared = Arc::clone(&shared);
                drop(tokio::spawn(async move {
                    match handshake.await {
                        Some(Ok((socket, _room))) => talk::run(&shared, socket).await,
                        Some(Err(reason)) => shared.hear(Heard::TurnedAway(reason)).await,
                        None => shared.hear(Heard::TurnedAway(Reason::Transport)).await,
                    }
                }));
            }
        }
    }
}

/// The next connection for which there is room; none ever without a listener.
async fn accept(listener: Option<&TcpListener>, porch: &Porch) -> Option<TcpStream> {
    let Some(listener) = listener else { return std::future::pending().await };
    porch.room().await;
    match listener.accept().await {
        Ok((socket, _)) => Some(socket),
        Err(_) => {
            // No more files, most likely: others must end first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

#[cfg(test)]
mod tests;
