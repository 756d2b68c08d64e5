//! Buffers of one chunk each, used again round after round.
//!
//! A round's chunks are most of a peer's memory. Given back to the system at the end of a round, their pages would have
//! to be cleared for the next one, which costs more than encrypting them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that are free at the moment, shared by all that fill them.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Free>);

#[derive(Debug)]
struct Free {
    longest: usize,
    list: Mutex<Vec<Vec<u8>>>,
}

/// One chunk's bytes, which become free again with the last reader.
#[derive(Debug)]
pub struct Buffer {
    data: Vec<u8>,
    home: Arc<Free>,
}

impl Buffers {
    /// None yet; each will hold up to `longest` bytes.
    pub fn new(longest: u32) -> Self {
        Self(Arc::new(Free {
            longest: longest as usize,
            list: Mutex::default(),
        }))
    }

    /// The most that one buffer holds, bytes.
    pub fn longest(&self) -> u32 {
        self.0.longest as u32
    }

    /// A buffer of `length` bytes, whatever they are.
    pub fn take(&self, length: usize) -> Buffer {
        let free = self.0.list().pop();
        // Zeros of the system's: nothing is written before the bytes come.
        let mut data = free.unwrap_or_else(|| vec![0; self.0.longest]);
        data.resize(length, 0);
        Buffer {
            data,
            home: Arc::clone(&self.0),
        }
    }
}

impl Free {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A push or a pop is complete before anything can panic.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    /// Where the bytes are written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Shares the bytes; the buffer is free again when the last share is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.list().push(std::mem::take(&mut self.data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_nobody_reads_it() {
        let buffers = Buffers::new(100);
        let mut buffer = buffers.take(60);
        buffer.bytes_mut().fill(7);
        let place = buffer.as_ref().as_ptr();
        let first = buffer.freeze();
        let second = first.slice(10..20);
        drop(first);
        assert_ne!(buffers.take(60).as_ref().as_ptr(), place);
        assert_eq!(&second[..], [7; 10]);
        drop(second);
        let again = buffers.take(100);
        assert_eq!(again.as_ref().as_ptr(), place);
        assert_eq!(again.as_ref().len(), 100);
    }
}
