//! The socket side of HTTP: accepts, bounds and ends connections; what is asked is not its business.

mod conn;
mod cors;
mod front;
mod guard;
mod lane;
mod patience;
mod plain;
mod policy;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod proxy;
mod refusal;
mod slot;
mod tls;
mod upload;
mod wire;

use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use salvo::http::uri::Scheme;
use salvo::{ConnCtrl, Service};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::ServerError;
use crate::app::App;
use crate::config::ServerSection;
use lane::{Lane, Left};

pub(crate) use conn::{Conn, Takeover};
pub(crate) use front::{Context, Peer};
pub(crate) use guard::{check_coding, check_host, check_named_once, check_origin};
pub(crate) use policy::{RESOURCE_POLICY, policy};
pub(crate) use slot::Slot;
pub(crate) use tls::Tls;

/// Header fields of one request; more are 431.
const MAX_HEADERS: usize = 100;
/// Bytes of one request's head and of one read; a longer head is 431.
const BUFFER_BYTES: usize = 64 << 10;
/// Answer to a connection beyond the bound, and to each that comes while the node drains.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: 105\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"the node is full or stopping\"}";
/// Longest time and most connections that turning away takes.
const TURN_AWAY_WITHIN: Duration = Duration::from_millis(200);
/// Longest wait for the first request of a connection when the node stops.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_millis(200);
const TURN_AWAY_AT_ONCE: usize = 256;
/// Time from one line about connections that cannot be accepted to the next.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: StdListener,
    address: SocketAddr,
}

type Ended = Box<dyn std::error::Error + Send + Sync>;

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    app: Arc<App>,
    service: Arc<Service>,
    builder: http1::Builder,
    header_timeout: Duration,
    send_timeout: Duration,
    local: SocketAddr,
    stop: watch::Receiver<bool>,
}

impl Listener {
    /// Takes the address of `section`; port 0 takes a free one.
    pub(crate) fn bind(section: &ServerSection) -> Result<Self, ServerError> {
        let wanted = SocketAddr::new(section.host, section.port);
        let fault = |source| ServerError::Listen { address: wanted, source };
        // The standard library sets SO_REUSEADDR, so that a restart need not wait for old connections.
        let socket = StdListener::bind(wanted).map_err(fault)?;
        socket.set_nonblocking(true).map_err(fault)?;
        let address = socket.local_addr().map_err(fault)?;
        slot::give_up_after(&socket, Duration::from_millis(section.send_timeout_ms));
        Ok(Self { socket, address })
    }

    /// The address in use.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stop` turns true, then turns newcomers away until the connections have ended.
    pub(crate) async fn serve(
        self,
        app: Arc<App>,
        service: Service,
        mut stop: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let section = app.config().server.clone();
        let listener = TcpListener::from_std(self.socket)?;
        let most = u32::try_from(section.max_connections).unwrap_or(u32::MAX >> 4).max(1);
        let room = Arc::new(Semaphore::new(most as usize));
        let porch = Arc::new(Semaphore::new(TURN_AWAY_AT_ONCE));
        let shared = Shared {
            app,
            service: Arc::new(service),
            builder: builder(Duration::from_millis(section.header_timeout_ms)),
            header_timeout: Duration::from_millis(section.header_timeout_ms),
            send_timeout: Duration::from_millis(section.send_timeout_ms),
            local: self.address,
            stop: stop.clone(),
        };
        let mut told = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, remote)) => match room.clone().try_acquire_owned() {
                    Ok(permit) => {
                        let slot = Arc::new(Slot::new(permit, shared.send_timeout));
                        tokio::spawn(connection(shared.clone(), stream, remote, slot));
                    }
                    Err(_) => {
                        shared.app.metrics.http.connection_refused();
                        turn_away(&shared.app, stream, &porch);
                    }
                },
                Err(error) if is_transient(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: accepting again at once would only spin.
                    if told.is_none_or(|told: Instant| told.elapsed() >= TOLD_EVERY) {
                        told = Some(Instant::now());
                        tracing::warn!(%error, "cannot accept connections; they wait");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        // Who comes now, a load balancer's probe among them, is told so rather than refused.
        let mut drained = std::pin::pin!(room.acquire_many(most));
        loop {
            tokio::select! {
                _ = &mut drained => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => turn_away(&shared.app, stream, &porch),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
            }
        }
    }
}

/// Answers 503 to whatever is asked. The request is read first: closing over unread bytes would reset the connection
/// before the answer is read. Where TLS is spoken it is closed: to shake hands costs more than there is room for.
fn turn_away(app: &App, stream: TcpStream, porch: &Arc<Semaphore>) {
    let Ok(permit) = porch.clone().try_acquire_owned() else { return };
    if app.tls.acceptor().is_some() {
        return;
    }
    tokio::spawn(async move {
        let answer = async {
            stream.readable().await?;
            let _ = stream.try_read(&mut [0; 4096]);
            stream.try_write(TURNED_AWAY)
        };
        let _ = tokio::time::timeout(TURN_AWAY_WITHIN, answer).await;
        drop(permit);
    });
}

fn builder(header_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(true)
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(BUFFER_BYTES);
    builder
}

async fn connection(shared: Shared, stream: TcpStream, remote: SocketAddr, slot: Arc<Slot>) {
    let app = &shared.app;
    let stream = match begun(&shared, stream, &slot).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, peer = %remote, "connection ended before it began");
            return;
        }
    };
    let open = app.metrics.http.connection_opened();
    let mut lane = Lane::new(app.clone(), stream, remote, shared.header_timeout);
    let left = match proxy::is_trusted(&app.config().server, remote.ip()) {
        // The lane knows one client a connection; a proxy asks for many.
        true => Ok(Left::ToHyper(Vec::new())),
        false => in_lane(&mut lane, shared.stop.clone()).await,
    };
    let ended = match left {
        Ok(Left::Ended) => Ok(()),
        Ok(Left::ToHyper(begun)) => {
            let was_asked = lane.was_asked();
            let (io, takeover) = Conn::new(lane.into_stream(), begun, app.clone());
            by_hyper(shared, io, Peer { remote, takeover, slot }, was_asked).await
        }
        Err(error) => Err(error.into()),
    };
    drop(open);
    if let Err(error) = ended {
        tracing::debug!(error, peer = %remote, "connection ended");
    }
}

/// The socket of a connection, behind its TLS if that is spoken.
async fn begun(shared: &Shared, stream: TcpStream, slot: &Arc<Slot>) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    match shared.app.tls.acceptor() {
        Some(acceptor) => tls::unwrap(acceptor, stream, shared.header_timeout, slot.clone()).await,
        None => Ok(stream),
    }
}

/// Serves plain posts until there is something else.
async fn in_lane(lane: &mut Lane, stop: watch::Receiver<bool>) -> std::io::Result<Left> {
    let mut heard = stop.clone();
    let mut stopping = std::pin::pin!(stopped(&mut heard));
    let mut grace = std::pin::pin!(tokio::time::sleep(Duration::MAX));
    let (mut was_set, mut is_stopping) = (false, false);
    poll_fn(|cx| {
        if let Poll::Ready(left) = lane.poll(cx) {
            return Poll::Ready(left);
        }
        // All connections wait for the same word, which is too dear to be asked for each request: it
        // is asked once, so that it wakes this task, and then only when there is news.
        let is_news = !was_set || stop.has_changed().unwrap_or(true);
        was_set = true;
        if !is_stopping && (!is_news || stopping.as_mut().poll(cx).is_pending()) {
            return Poll::Pending;
        }
        if !is_stopping {
            is_stopping = true;
            grace.as_mut().reset(tokio::time::Instant::now() + FIRST_REQUEST_WITHIN);
        }
        // Who has just connected has a request under way, and should not be closed without an answer.
        if lane.was_asked() || grace.as_mut().poll(cx).is_ready() {
            lane.stop();
            return lane.poll(cx);
        }
        Poll::Pending
    })
    .await
}

/// Serves whatever comes.
async fn by_hyper(shared: Shared, io: Conn, peer: Peer, was_asked: bool) -> Result<(), Ended> {
    let Shared { app, service, builder, local, mut stop, .. } = shared;
    let takeover = peer.takeover.clone();
    let salvo = service.hyper_handler(
        local.into(),
        peer.remote.into(),
        Scheme::HTTP,
        None,
        ConnCtrl::new(),
        None,
    );
    let peer = Arc::new(peer);
    // Relaxed, here and below: a hint that this task gives itself.
    let asked = AtomicBool::new(was_asked);
    let ask = &asked;
    let serve = service_fn(move |request| {
        ask.store(true, Ordering::Relaxed);
        front::serve(app.clone(), peer.clone(), salvo.clone(), request)
    });
    let mut http =
        std::pin::pin!(builder.serve_connection(TokioIo::new(io), serve).with_upgrades());
    let stopping = async {
        stopped(&mut stop).await;
        if !asked.load(Ordering::Relaxed) {
            // Who has just connected has a request under way; hyper would close without an answer.
            tokio::time::sleep(FIRST_REQUEST_WITHIN).await;
        }
    };
    let ended = tokio::select! {
        ended = http.as_mut() => ended,
        () = takeover.taken() => Ok(()),
        () = stopping => {
            http.as_mut().graceful_shutdown();
            tokio::select! {
                ended = http => ended,
                () = takeover.taken() => Ok(()),
            }
        }
    };
    ended.map_err(Into::into)
}

/// Returns when `stop` is true, or when nobody is left to set it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn is_transient(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::TURNED_AWAY;

    #[test]
    fn the_answer_that_turns_away_is_whole() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }
}
