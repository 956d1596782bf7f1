//! The live feed: one WebSocket to a node.
//!
//! The rule: waiting can be ended at any moment, and silence longer than a few heartbeats counts
//! as a broken connection.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Connector, Error, HandshakeError, Message, WebSocket};

use crate::client::{Answer, Base};
use crate::signals::Stop;
use crate::trust::Trust;

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Silence after which the connection counts as broken; the node's heartbeat comes every 10 s.
const SILENCE: Duration = Duration::from_secs(35);

/// Why there is no feed.
#[derive(Debug)]
pub(crate) enum FeedError {
    /// The node does not want it: trying again is of no use.
    Refused(anyhow::Error),
    /// The node is away or the connection broke.
    Broken(anyhow::Error),
}

/// An open feed.
#[derive(Debug)]
pub(crate) struct Feed {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    heard: Instant,
}

impl Feed {
    /// Connects to `path` of a node.
    pub(crate) fn open(base: &Base, trust: &Trust, path: &str) -> Result<Self, FeedError> {
        let connector = match base.is_tls() {
            true => Connector::Rustls(trust.for_sockets().map_err(FeedError::Refused)?),
            false => Connector::Plain,
        };
        let stream = connect(base).map_err(FeedError::Broken)?;
        let address = base.websocket(path);
        let handshake = tungstenite::client_tls_with_config(address, stream, None, Some(connector));
        let (socket, _) = handshake.map_err(|error| match error {
            HandshakeError::Failure(Error::Http(response)) => {
                let answer = Answer {
                    status: response.status().as_u16(),
                    retry_after: None,
                    body: response.body().clone().unwrap_or_default(),
                };
                let why = anyhow!(answer.refusal());
                if answer.status >= 500 { FeedError::Broken(why) } else { FeedError::Refused(why) }
            }
            error => FeedError::Broken(anyhow!("{error}")),
        })?;
        Ok(Self { socket, heard: Instant::now() })
    }

    /// The next text message; none when `stop` was set.
    pub(crate) fn next(&mut self, stop: &Stop) -> Result<Option<String>, FeedError> {
        while !stop.is_set() {
            match self.socket.read() {
                Ok(message) => {
                    self.heard = Instant::now();
                    match message {
                        Message::Text(text) => return Ok(Some(text.as_str().to_owned())),
                        Message::Close(_) => {
                            return Err(FeedError::Broken(anyhow!("the node closed")));
                        }
                        _ => {}
                    }
                }
                Err(Error::Io(error)) if is_timeout(&error) => {
                    if self.heard.elapsed() > SILENCE {
                        return Err(FeedError::Broken(anyhow!("nothing was heard for a while")));
                    }
                }
                Err(error) => return Err(FeedError::Broken(anyhow!("{error}"))),
            }
        }
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
        Ok(None)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

fn connect(base: &Base) -> anyhow::Result<TcpStream> {
    let (host, port) = base.address();
    let away = || format!("no answer from {host}:{port}");
    let mut last = None;
    for address in (host.as_str(), port).to_socket_addrs().with_context(away)? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                // The handshake has to come within this time in pieces of any size.
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                stream.set_write_timeout(Some(Duration::from_secs(10)))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow!("the name has no address"), anyhow::Error::from))
        .with_context(away)
}

impl Feed {
    /// Makes waiting short enough for [`Feed::next`] to notice the wish to stop.
    pub(crate) fn attentive(self) -> anyhow::Result<Self> {
        let stream = match self.socket.get_ref() {
            MaybeTlsStream::Rustls(tls) => tls.get_ref(),
            MaybeTlsStream::Plain(stream) => stream,
            _ => return Ok(self),
        };
        stream.set_read_timeout(Some(LOOK))?;
        Ok(self)
    }
}
