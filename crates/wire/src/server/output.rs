//! What waits to be written on one connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::transport::Transport;

/// Frames written by one system call.
const SLICES: usize = 32;

/// Whether a frame answers a counted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// It does, of this weight.
    Weight(u32),
    /// A pong, a fault, a refusal made here: nothing was counted.
    No,
}

#[derive(Default)]
pub(super) struct Output {
    frames: VecDeque<(Vec<u8>, Option<u32>)>,
    /// How much of the first frame is written.
    written: usize,
    bytes: usize,
}

/// What one call wrote off.
#[derive(Default)]
pub(super) struct Written {
    pub(super) bytes: usize,
    pub(super) frames: u32,
    pub(super) weight: u32,
}

impl Output {
    pub(super) fn push(&mut self, frame: Vec<u8>, counted: Counted) {
        let weight = match counted {
            Counted::Weight(weight) => Some(weight),
            Counted::No => None,
        };
        self.bytes += frame.len();
        self.frames.push_back((frame, weight));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes what the socket takes; `None` when it takes nothing more for now.
    pub(super) fn write(&mut self, transport: &mut Transport) -> io::Result<Option<Written>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut skip = self.written;
        let mut used = 0;
        for (slice, (frame, _)) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(frame.get(skip..).unwrap_or_default());
            skip = 0;
            used += 1;
        }
        let slices = slices.get(..used).unwrap_or_default();
        Ok(transport.write(slices)?.map(|count| self.advance(count)))
    }

    fn advance(&mut self, count: usize) -> Written {
        self.bytes = self.bytes.saturating_sub(count);
        self.written += count;
        let mut written = Written { bytes: count, ..Written::default() };
        while let Some((frame, weight)) = self.frames.front() {
            if frame.len() > self.written {
                break;
            }
            self.written -= frame.len();
            if let Some(weight) = weight {
                written.frames += 1;
                written.weight += *weight;
            }
            self.frames.pop_front();
        }
        written
    }
}
