//! What the host has for a child and the socket does not take yet.
//!
//! The rule: what was sent takes no room, however little of the rest a child reads.

use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::wire::{ToGuest, WireError, encode};

/// Frames on their way.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl From<Vec<u8>> for Outbox {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0 }
    }
}

impl Outbox {
    /// Bytes that were not sent yet.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Adds a message behind the others.
    pub(super) fn add(&mut self, message: &ToGuest) -> Result<(), WireError> {
        encode(message, &mut self.bytes)
    }

    /// Sends what the socket takes without waiting.
    pub(super) fn flush(&mut self, socket: &UnixStream) {
        while self.waiting() > 0 {
            // Not `write`: a child that is gone must not raise SIGPIPE.
            match send(socket, &self.bytes[self.sent..], SendFlags::NOSIGNAL) {
                Ok(0) => break,
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                // Full, or gone: the end of the process tells.
                Err(_) => break,
            }
        }
        // Not before it is half of all: no byte is moved more often than once for each that was sent.
        if self.sent >= self.waiting() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_reader_that_always_leaves_some_unread_makes_it_grow_to_a_bound() {
        const UNREAD: usize = 1 << 20;
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut out = Outbox::default();
        let mut read = vec![0; 64 << 10];
        let message = ToGuest::Ack { id: 1, result: Ok(7) };
        let mut sent = 0;
        while sent < 32 * UNREAD {
            while out.waiting() < UNREAD {
                let before = out.bytes.len();
                out.add(&message).unwrap();
                sent += out.bytes.len() - before;
            }
            out.flush(&ours);
            theirs.read_exact(&mut read).unwrap();
            assert!(out.bytes.capacity() <= 8 * UNREAD, "{} after {sent}", out.bytes.capacity());
        }
    }
}
