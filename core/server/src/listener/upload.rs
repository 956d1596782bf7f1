//! A body in the lane that comes in pieces.
//!
//! The rule: it has room before it is read, and is read into the one place from which it is stored.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::app::App;
use crate::http::RequestId;
use crate::ingest::{Admitted, Buffer, Room};

/// The body under way, and what is known of its request.
pub(super) struct Upload {
    pub(super) admitted: Admitted,
    pub(super) id: RequestId,
    pub(super) started: Instant,
    buffer: Buffer,
    received: usize,
    length: usize,
    _room: Room,
}

impl Upload {
    /// Makes room for a body of `length` bytes that begins with `first`; `None` where there is none.
    pub(super) fn begin(
        app: &App,
        admitted: Admitted,
        id: RequestId,
        started: Instant,
        length: usize,
        first: &[u8],
    ) -> Option<Self> {
        let mut room = app.intake.room(admitted.config.limits.waiting_bytes);
        room.hold(length).ok()?;
        let mut buffer = app.bodies.lend().ok()?;
        buffer.get_mut(..length)?.get_mut(..first.len())?.copy_from_slice(first);
        let received = first.len();
        Some(Self { admitted, id, started, buffer, received, length, _room: room })
    }

    /// Reads on; `true` when the body is whole, `false` at the end of the stream.
    pub(super) fn poll_receive(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        while self.received < self.length {
            let mut rest = ReadBuf::new(&mut self.buffer[self.received..self.length]);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut rest))?;
            match rest.filled().len() {
                0 => return Poll::Ready(Ok(false)),
                read => self.received += read,
            }
        }
        Poll::Ready(Ok(true))
    }

    /// The whole body.
    pub(super) fn body(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}
