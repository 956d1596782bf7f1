//! TLS in front of everything that is served.
//!
//! A stream's socket goes through the lane, hyper and a shard, all of which know a socket and nothing
//! else. So TLS ends in a task before them: what they get is one end of a pair of sockets, and the task
//! carries bytes between the other end and the client. That costs TLS clients a copy and a wake-up, and
//! everybody else nothing. The rule: the task ends with either side, whatever the other one does.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdPair;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::slot::{Slot, give_up_after};
use crate::ServerError;
use crate::config::{Place, Problem, Problems, ServerSection};

/// First byte of a client that speaks TLS (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// Answer to a client that does not.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: 90\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"this port speaks HTTPS\"}";
/// Bytes that are carried at once.
const PIECE_BYTES: usize = 16 << 10;
/// How long a client may go on after it was told the end.
const LINGER: Duration = Duration::from_secs(2);

/// The certificate in force, replaced as a whole by a reload.
#[derive(Default)]
pub(crate) struct Tls {
    acceptor: RwLock<Option<TlsAcceptor>>,
}

/// A certificate that was read and waits to be put in force, if there is one.
pub(crate) struct Prepared(Option<TlsAcceptor>);

impl Tls {
    /// Reads the certificate of `section`.
    pub(crate) fn new(section: &ServerSection) -> Result<Self, ServerError> {
        let Prepared(acceptor) = Self::prepare(section)?;
        Ok(Self { acceptor: RwLock::new(acceptor) })
    }

    /// Reads the certificate of `section` for [`Tls::put`].
    pub(crate) fn prepare(section: &ServerSection) -> Result<Prepared, ServerError> {
        // Both are set, or neither.
        if section.tls_cert.as_os_str().is_empty() {
            return Ok(Prepared(None));
        }
        let config = read(&section.tls_cert, &section.tls_key)
            .map_err(|problem| ServerError::Configuration(Problems(vec![problem])))?;
        Ok(Prepared(Some(TlsAcceptor::from(Arc::new(config)))))
    }

    /// Puts a certificate in force for the connections to come.
    pub(crate) fn put(&self, prepared: Prepared) {
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = prepared.0;
    }

    /// What new connections are met with; `None` where they speak plainly.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, Problem> {
    let fault = |path: &Path, what: &str, error: &dyn std::fmt::Display| {
        let place = Place::Path(path.to_owned());
        Problem::new(place, format!("the {what} cannot be used: {error}"))
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| fault(cert, "certificate", &error))?;
    if chain.is_empty() {
        return Err(fault(cert, "certificate", &pem::Error::NoItemsFound));
    }
    let own = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, "key", &error))?;
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(cert, "certificate", &error))?
        .with_no_client_auth()
        .with_single_cert(chain, own)
        .map_err(|error| fault(cert, "certificate", &error).hint("is tls_key its key?"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Shakes hands with a client; what it says and is told then goes through the socket that is returned. The client's
/// `slot` among the connections is its own until both are done with.
pub(super) async fn unwrap(
    acceptor: TlsAcceptor,
    mut client: TcpStream,
    within: Duration,
    slot: Arc<Slot>,
) -> io::Result<TcpStream> {
    let shake = async {
        let mut first = [0];
        client.peek(&mut first).await?;
        if first[0] != HANDSHAKE {
            // What it asks is read first: closing over unread bytes would reset the connection.
            let _ = client.try_read(&mut [0; 4096]);
            client.write_all(PLAIN).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no TLS"));
        }
        acceptor.accept(client).await
    };
    let client = timeout(within, shake).await.map_err(|_| io::ErrorKind::TimedOut)??;
    // How long it may take nothing is counted here, since it may become a stream's.
    give_up_after(client.get_ref().0, Duration::ZERO);
    let (ours, theirs) = StdPair::pair()?;
    for end in [&ours, &theirs] {
        end.set_nonblocking(true)?;
    }
    let ours = UnixStream::from_std(ours)?;
    tokio::spawn(async move {
        carry(client, ours, &slot).await;
    });
    // What follows only reads, writes and shuts, which is the same for both kinds of socket.
    TcpStream::from_std(OwnedFd::from(theirs).into())
}

/// Carries bytes both ways until it is over.
async fn carry(
    client: tokio_rustls::server::TlsStream<TcpStream>,
    server: UnixStream,
    slot: &Slot,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let _ = pieces(&mut from_client, &mut to_server, slot).await;
        // However it ended, what the client is told by then is still to come.
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let _ = pieces(&mut from_server, &mut to_client, slot).await;
        let _ = timeout(LINGER, to_client.shutdown()).await;
    };
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut down => drop(timeout(LINGER, up).await),
        () = &mut up => down.await,
    }
}

/// Carries bytes one way until the end of the stream.
async fn pieces(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    slot: &Slot,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        let write = async {
            to.write_all(&piece[..length]).await?;
            to.flush().await
        };
        timeout(slot.patience(), write).await.map_err(|_| io::ErrorKind::TimedOut)??;
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("is_on", &self.acceptor().is_some()).finish()
    }
}
