//! A connection's socket: it can be taken away from HTTP at the one safe moment, and what hyper answers
//! by itself becomes a problem document on its way out.
//!
//! Server-Sent Events leave HTTP after the head of the answer: the head goes out through hyper, and
//! everything after it is written by a stream shard, without a task for each client. The rule: the
//! socket changes hands inside a flush that follows the first poll of the answer's body. hyper has put
//! the head into its buffer before it polls the body and has written the buffer out before it flushes
//! the socket, so nothing of the head can be left behind.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::refusal;
use crate::app::App;
use crate::metrics::RouteLabel;

/// How much of what a refused client still sends is thrown away, and for how long: closing over unread
/// bytes would reset the connection before the answer is read.
const DISCARD_BYTES: usize = 1 << 20;
const DISCARD_WITHIN: Duration = Duration::from_millis(500);

/// The socket as hyper sees it.
pub(crate) struct Conn {
    stream: Option<TcpStream>,
    /// What was read before hyper came, to be read first.
    begun: Vec<u8>,
    takeover: Arc<Takeover>,
    app: Arc<App>,
    refusal: Option<Refusal>,
}

/// An answer that replaces hyper's own.
struct Refusal {
    bytes: Vec<u8>,
    written: usize,
    discarded: usize,
    deadline: Option<Pin<Box<Sleep>>>,
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
    /// Wraps an accepted socket from which `begun` was read.
    pub(crate) fn new(stream: TcpStream, begun: Vec<u8>, app: Arc<App>) -> (Self, Arc<Takeover>) {
        let takeover = Arc::new(Takeover::default());
        let stream = Some(stream);
        let conn = Self { stream, begun, takeover: takeover.clone(), app, refusal: None };
        (conn, takeover)
    }

    /// The socket, for a connection that HTTP has left by an upgrade.
    pub(crate) fn into_stream(self) -> Option<TcpStream> {
        self.stream
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the socket left HTTP");
        self.stream.as_mut().map(Pin::new).ok_or_else(gone)
    }

    /// Notes when `head` is hyper's own answer, and what is sent in its place.
    fn look_at(&mut self, head: &[u8]) {
        if self.refusal.is_none()
            && let Some(status) = refusal::status(head)
        {
            let id = self.app.request_ids.of(&HeaderMap::new());
            tracing::debug!(request_id = id.as_str(), %status, "no request");
            self.app.metrics.http.answered(&RouteLabel::of_path(""), status, Duration::ZERO);
            let bytes = refusal::answer(status, &id);
            self.refusal = Some(Refusal { bytes, written: 0, discarded: 0, deadline: None });
        }
    }

    /// Writes the refusal in the place of `length` bytes of hyper's.
    fn poll_refusal(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        let (Some(stream), Some(refusal)) = (&mut self.stream, &mut self.refusal) else {
            return Poll::Ready(Ok(length));
        };
        while let Some(left) = refusal.bytes.get(refusal.written..).filter(|left| !left.is_empty())
        {
            match ready!(Pin::new(&mut *stream).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => refusal.written += written,
            }
        }
        Poll::Ready(Ok(length))
    }

    /// Throws away what a refused client still sends, within bounds.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(stream), Some(refusal)) = (&mut self.stream, &mut self.refusal) else {
            return Poll::Ready(());
        };
        let deadline =
            refusal.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(DISCARD_WITHIN)));
        let mut piece = [MaybeUninit::uninit(); 4096];
        while refusal.discarded < DISCARD_BYTES {
            let mut piece = ReadBuf::uninit(&mut piece);
            match Pin::new(&mut *stream).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                    refusal.discarded += piece.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return deadline.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
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
        if !self.begun.is_empty() {
            let bytes = self.begun.len().min(buf.remaining());
            buf.put_slice(&self.begun[..bytes]);
            self.begun.drain(..bytes);
            if self.begun.is_empty() {
                self.begun = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        self.stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look_at(buf);
        if self.refusal.is_some() {
            return self.poll_refusal(cx, buf.len());
        }
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [head] = bufs {
            return self.poll_write(cx, head);
        }
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
        let Ok(stream) = self.stream() else { return Poll::Ready(Ok(())) };
        ready!(stream.poll_shutdown(cx))?;
        self.poll_discard(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn the_socket_is_given_away_only_after_the_head_and_only_once() {
        let takeover = Arc::new(Takeover::default());
        assert!(takeover.receiver().is_none(), "nobody asked");
        let mut body = takeover.body(Box::new(|_| {}));
        // A flush now would be that of an answer before this one.
        assert!(takeover.receiver().is_none(), "the head may still be unwritten");
        let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "hyper must not end the body");
        assert!(takeover.receiver().is_some(), "the head is in the buffer");
        assert!(takeover.receiver().is_none());
    }
}
