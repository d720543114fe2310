//! Frames of the server, put together from what the socket gives.

use std::io;

use crate::frame::{FrameError, HEADER_BYTES, Header};
use crate::transport::{Got, Transport};

/// One read of small frames.
const BUFFER_BYTES: usize = 64 << 10;

/// What arrives. A body that does not fit beside its header is read where it will stay.
pub(super) struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    arriving: Option<(Header, Vec<u8>, usize)>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, arriving: None }
    }

    /// One read.
    pub(super) fn read(&mut self, transport: &mut Transport) -> io::Result<Got> {
        if let Some((_, body, filled)) = &mut self.arriving {
            let got = transport.read(body.get_mut(*filled..).unwrap_or_default())?;
            if let Got::Bytes { count, .. } = got {
                *filled += count;
            }
            return Ok(got);
        }
        // INVARIANT (RoomToRead): every whole frame was taken before, so less than a header lies
        // here, or nothing.
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let got = transport.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
        if let Got::Bytes { count, .. } = got {
            self.end += count;
        }
        Ok(got)
    }

    /// The next whole frame, checked; nothing when more must be read first.
    pub(super) fn next(
        &mut self,
        transport: &Transport,
    ) -> Result<Option<(Header, Vec<u8>)>, FrameError> {
        let integrity = transport.integrity();
        if let Some((header, body, filled)) = self.arriving.take() {
            if filled < body.len() {
                self.arriving = Some((header, body, filled));
                return Ok(None);
            }
            header.check_body(&body, integrity)?;
            return Ok(Some((header, body)));
        }
        let bytes = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let header = Header::read(head, integrity)?;
        if let Some(body) = rest.get(..header.body_size()) {
            header.check_body(body, integrity)?;
            let body = body.to_vec();
            self.start += HEADER_BYTES + body.len();
            return Ok(Some((header, body)));
        }
        let mut body = vec![0; header.body_size()];
        if let Some(to) = body.get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        let filled = rest.len();
        self.start = self.end;
        self.arriving = Some((header, body, filled));
        Ok(None)
    }
}
