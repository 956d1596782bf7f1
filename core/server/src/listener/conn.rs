//! A connection's socket that can be taken away from HTTP at the one safe moment.
//!
//! Server-Sent Events leave HTTP after the head of the answer: the head goes out through hyper, and
//! everything after it is written by a stream shard, without a task for each client. The rule: the
//! socket changes hands inside a flush that follows the first poll of the answer's body. hyper has put
//! the head into its buffer before it polls the body and has written the buffer out before it flushes
//! the socket, so nothing of the head can be left behind.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The socket as hyper sees it.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: Option<TcpStream>,
    takeover: Arc<Takeover>,
}

/// The other end of a [`Conn`]: how a handler asks for the socket.
#[derive(Default)]
pub(crate) struct Takeover {
    state: Mutex<State>,
    taken: Notify,
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;
type Receiver = Box<dyn FnOnce(TcpStream) + Send>;

#[derive(Default)]
enum State {
    #[default]
    Http,
    /// A handler waits for the socket, but the head may still be unwritten.
    Asked(Receiver),
    /// The head is in hyper's buffer: the next flush ends HTTP here.
    Armed(Receiver),
}

impl Conn {
    /// Wraps an accepted socket.
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Takeover>) {
        let takeover = Arc::new(Takeover::default());
        (Self { stream: Some(stream), takeover: takeover.clone() }, takeover)
    }

    /// The socket, for a connection that HTTP has left by an upgrade.
    pub(crate) fn into_stream(self) -> Option<TcpStream> {
        self.stream
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the socket left HTTP");
        self.stream.as_mut().map(Pin::new).ok_or_else(gone)
    }
}

impl Takeover {
    /// The body of an answer after whose head `receiver` gets the socket. The body itself never has a byte.
    pub(crate) fn body(self: &Arc<Self>, receiver: Receiver) -> Handover {
        *self.lock() = State::Asked(receiver);
        Handover(self.clone())
    }

    /// Returns when the socket has left HTTP.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arm(&self) {
        let mut state = self.lock();
        *state = match std::mem::take(&mut *state) {
            State::Asked(receiver) => State::Armed(receiver),
            other => other,
        };
    }

    fn receiver(&self) -> Option<Receiver> {
        let mut state = self.lock();
        match std::mem::take(&mut *state) {
            State::Armed(receiver) => Some(receiver),
            other => {
                *state = other;
                None
            }
        }
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Takeover").finish_non_exhaustive()
    }
}

/// Arms the takeover when it is polled; by then the head is in the buffer.
#[derive(Debug)]
pub(crate) struct Handover(Arc<Takeover>);

impl Body for Handover {
    type Data = Bytes;
    type Error = BoxedError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxedError>>> {
        self.0.arm();
        Poll::Pending
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream()?.poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(())))
            && let Some(receiver) = self.takeover.receiver()
            && let Some(stream) = self.stream.take()
        {
            receiver(stream);
            self.takeover.taken.notify_one();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream() {
            Ok(stream) => stream.poll_shutdown(cx),
            Err(_) => Poll::Ready(Ok(())),
        }
    }
}
