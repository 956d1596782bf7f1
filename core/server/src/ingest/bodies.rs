//! Memory for bodies that come in pieces.
//!
//! The rule: a few buffers are kept for the next bodies, and all others go back to the system at once, so
//! that a flood leaves nothing behind. They are mappings of their own, since an allocator would keep them.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::MmapMut;

/// Length of a buffer. What is never written to takes no memory.
pub(crate) const BODY_BYTES: usize = 512 << 10;
/// Buffers that are kept.
const KEPT: usize = 8;

/// The buffers that nobody uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies(Arc<Mutex<Vec<MmapMut>>>);

/// A buffer of [`BODY_BYTES`], whatever is in it.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// `None` once it has gone home.
    bytes: Option<MmapMut>,
    home: Bodies,
}

impl Bodies {
    /// A buffer, as long as there is memory.
    pub(crate) fn lend(&self) -> io::Result<Buffer> {
        let kept = self.free(Vec::pop);
        let bytes = kept.map_or_else(|| MmapMut::map_anon(BODY_BYTES), Ok)?;
        Ok(Buffer { bytes: Some(bytes), home: self.clone() })
    }

    fn free<T>(&self, with: impl FnOnce(&mut Vec<MmapMut>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = self.bytes.take();
        // Unmapped, if it is one too many, when the lock is free again.
        let _surplus = self.home.free(|free| {
            if free.len() < KEPT {
                free.extend(bytes);
                return None;
            }
            bytes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_buffers_are_kept_and_no_more() {
        let bodies = Bodies::default();
        let mut lent: Vec<_> = (0..KEPT + 2).map(|_| bodies.lend().unwrap()).collect();
        assert!(lent.iter().all(|buffer| buffer.len() == BODY_BYTES));
        lent[0][BODY_BYTES - 1] = 7;
        let first = lent[0].as_ptr();
        drop(lent.remove(0));
        assert_eq!(bodies.lend().unwrap().as_ptr(), first, "it is used again");
        drop(lent);
        assert_eq!(bodies.free(|free| free.len()), KEPT);
    }
}
