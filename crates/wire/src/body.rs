//! The bytes of one request, in a buffer that is used again.

use core::fmt;
use core::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use crate::frame::BODY_BYTES_MAX;

/// Bodies at least this long are read into a buffer of the pool; shorter ones have their own.
const POOLED_BYTES_MIN: usize = 32 << 10;
/// Most buffers that wait in the pool: 32 MiB.
const POOLED_MAX: usize = 32;

/// Buffers of the largest body each. A fresh one costs the kernel 256 page faults and its zeros;
/// one that comes back costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// A body of `length` bytes, of arbitrary content, to be filled.
    pub(crate) fn body(&self, length: usize) -> Body {
        if length < POOLED_BYTES_MIN {
            return Body { bytes: vec![0; length], length, pool: None };
        }
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let whole = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX).max(length);
        let bytes = waiting.unwrap_or_else(|| vec![0; whole]);
        Body { bytes, length, pool: Some(self.clone()) }
    }

    fn take_back(&self, bytes: Vec<u8>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < POOLED_MAX {
            waiting.push(bytes);
        }
    }
}

/// The body of one request. Its buffer goes back to the pool when it is dropped.
#[derive(Default)]
pub struct Body {
    bytes: Vec<u8>,
    length: usize,
    pool: Option<Pool>,
}

impl Body {
    /// A body with these bytes, copied: for small ones.
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), length: bytes.len(), pool: None }
    }

    /// All of it, to be filled.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len(), bytes, pool: None }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.take_back(core::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_comes_back_and_shows_only_its_own_length() {
        let pool = Pool::default();
        let mut first = pool.body(1_000_000);
        first.space().fill(7);
        let at = first.as_ptr();
        drop(first);
        let second = pool.body(40_000);
        assert_eq!((second.as_ptr(), second.len()), (at, 40_000));
        assert_eq!(pool.body(100).len(), 100);
    }
}
