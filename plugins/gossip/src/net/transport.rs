//! Sockets: TCP, WebSocket, shared key, Noise, yamux, in this order.
//!
//! The rule: whoever does not finish the whole handshake in time, or not with the right key, is nobody.

use std::io;
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{self, Boxed};
use libp2p::core::{ConnectedPoint, upgrade};
use libp2p::futures::future::Either;
use libp2p::futures::io::{BufReader, BufWriter};
use libp2p::identity::Keypair;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::{PeerId, Transport, dns, noise, tcp, websocket, yamux};

use crate::keys::Secret;

/// Largest WebSocket message taken, in bytes; Noise writes at most 64 KiB at once.
const MAX_MESSAGE: usize = 256 * 1_024;
/// Streams that a peer may open at once: frames, pings, and requests.
const MAX_STREAMS: usize = 64;
/// Bytes gathered in each direction of a connection.
const BUFFER: usize = 16 * 1_024;
/// Connections that the kernel holds while the door is closed.
const BACKLOG: u32 = 1_024;

/// The transport of a node.
pub(crate) fn build(
    identity: &Keypair,
    shared: Option<&Secret>,
    handshake: Duration,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let mut websocket = websocket::Config::new(named());
    websocket.set_max_data_size(MAX_MESSAGE);
    let shared = shared.map(|key| PreSharedKey::new(*key.bytes()));
    let keyed = websocket.and_then(move |socket, _| async move {
        match shared {
            Some(key) => PnetConfig::new(key).handshake(socket).await.map(Either::Left),
            None => Ok(Either::Right(socket)),
        }
    });
    let mut streams = yamux::Config::default();
    streams.set_max_num_streams(MAX_STREAMS);
    let noise = noise::Config::new(identity).map_err(io::Error::other)?;
    Ok(keyed
        .upgrade(upgrade::Version::V1)
        .authenticate(noise)
        .multiplex(streams)
        .timeout(handshake)
        .boxed())
}

/// A socket that gathers what is written up to the next flush, and reads ahead.
type Buffered = BufReader<BufWriter<tcp::tokio::TcpStream>>;
type Tcp = transport::map::Map<
    tcp::tokio::Transport,
    fn(tcp::tokio::TcpStream, ConnectedPoint) -> Buffered,
>;

/// Resolves names as the system is configured; where that cannot be read, addresses without names still work.
fn named() -> dns::tokio::Transport<Tcp> {
    dns::tokio::Transport::system(buffered()).unwrap_or_else(|_| {
        let nobody = dns::ResolverConfig::default();
        dns::tokio::Transport::custom(buffered(), nobody, dns::ResolverOpts::default())
    })
}

/// WebSocket writes the head and the body of a message one after the other, each of which would be a packet.
fn buffered() -> Tcp {
    let config = tcp::Config::new().nodelay(true).listen_backlog(BACKLOG);
    tcp::tokio::Transport::new(config)
        .map(|socket, _| BufReader::with_capacity(BUFFER, BufWriter::with_capacity(BUFFER, socket)))
}
