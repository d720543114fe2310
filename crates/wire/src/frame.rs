//! One frame: a header of 32 bytes, a body, and on plain TCP two checks.

use thiserror::Error;

use crate::bytes::{Reader, Writer, length_u32, size};
use crate::codes::{FaultCode, codes};

/// The header's length.
pub const HEADER_BYTES: usize = 32;
/// The protocol version of this build.
pub const VERSION: u8 = 1;
/// Largest body of a request: 8,190 transfers are 1,048,320 bytes.
pub const BODY_BYTES_MAX: u32 = 1 << 20;
/// Largest body of a reply: 8,190 refusals, each with its detail and two balances, are 2.6 MB.
pub const REPLY_BODY_BYTES_MAX: u32 = 4 << 20;
/// Most items of one request: two batches of a journal, less what they need for themselves.
pub const ITEMS_MAX: u16 = 8_190;
/// Most bytes of an outcome's or fault's text: one line on a screen, twice.
pub const TEXT_BYTES_MAX: usize = 512;

/// The least that a query counts for: sixteen of them are what may be in flight as a standard.
pub const QUERY_WEIGHT_MIN: u32 = 2_048;

/// What a follow counts for while it lasts: the frames of facts that may be under way.
pub const FOLLOW_WEIGHT: u32 = 4_096;

const MAGIC: [u8; 2] = *b"WL";

codes! {
    /// What a frame is.
    Kind, u8 {
        Hello = 1, "hello", "client: which book, which key";
        Challenge = 2, "challenge", "server: what to sign";
        Proof = 3, "proof", "client: the signature";
        Welcome = 4, "welcome", "server: your number and limits";
        Fault = 5, "fault", "server: the connection ends, and why";
        Transfers = 16, "transfers", "request: transfers of fixed layout";
        Commands = 17, "commands", "request: commands of the ledger";
        Lookup = 18, "lookup", "request: what became of these ids";
        Query = 19, "query", "request: a question in the service's own words";
        Ping = 20, "ping", "request: are you there";
        Follow = 21, "follow", "request: facts from a position on";
        Credit = 22, "credit", "client: more frames for a follow";
        Results = 32, "results", "reply: one result per item";
        Refused = 33, "refused", "reply: the request as a whole was refused";
        NotDone = 34, "not_done", "reply: surely not done";
        Unknown = 35, "unknown", "reply: nobody can say; ask by id";
        Answer = 36, "answer", "reply: the answer to a query";
        Pong = 37, "pong", "reply: here";
        Facts = 38, "facts", "server: facts of a follow, which goes on";
    }
}

impl Kind {
    /// Fewest and most bytes of a body of this kind.
    #[must_use]
    pub const fn body_bounds(self) -> (u32, u32) {
        const TEXT: u32 = 8 + 512;
        match self {
            Self::Hello => (104, 104),
            Self::Challenge => (96, 96),
            Self::Proof => (64, 64),
            Self::Welcome => (32, 32),
            Self::Fault | Self::Refused | Self::NotDone | Self::Unknown => (8, TEXT),
            Self::Transfers => (128, BODY_BYTES_MAX),
            Self::Commands => (5, BODY_BYTES_MAX),
            Self::Lookup => (24, BODY_BYTES_MAX),
            Self::Query => (1, BODY_BYTES_MAX),
            Self::Ping | Self::Pong => (0, 0),
            Self::Results => (16, REPLY_BODY_BYTES_MAX),
            Self::Answer => (0, REPLY_BODY_BYTES_MAX),
            Self::Follow | Self::Credit => (16, 16),
            Self::Facts => (16, REPLY_BODY_BYTES_MAX),
        }
    }

    /// Whether a client sends it after the handshake.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(
            self,
            Self::Transfers
                | Self::Commands
                | Self::Lookup
                | Self::Query
                | Self::Ping
                | Self::Follow
                | Self::Credit
        )
    }

    const fn has_items(self) -> bool {
        matches!(
            self,
            Self::Transfers | Self::Commands | Self::Lookup | Self::Results | Self::Facts
        )
    }
}

/// Who sees to it that a frame arrives as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Plain TCP, whose own check is 16 bits of sums: header and body carry a CRC-32.
    Checked,
    /// TLS: both checks are zero.
    Transport,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Flags of the kind.
    pub flags: u16,
    /// How many items of fixed layout the body holds; zero for kinds without items.
    pub items: u16,
    /// The request: chosen by the client, rising; its reply has the same. Zero in a handshake.
    pub request: u64,
    /// Length of the body.
    pub body_bytes: u32,
    /// Milliseconds: of a request, within which it is worth doing; of *not done*, after which to
    /// try again. Zero says nothing.
    pub millis: u32,
    /// The body's check.
    pub body_check: u32,
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Not ours at all.
    #[error("expected a frame that begins with `574c`, got `{got:04x}`")]
    Magic {
        /// The first two bytes.
        got: u16,
    },
    /// Ours, of another version.
    #[error("expected protocol version `{VERSION}`, got `{got}`")]
    Version {
        /// The version byte.
        got: u8,
    },
    /// The header was damaged.
    #[error("expected header check `{expected:08x}`, got `{got:08x}`")]
    HeaderCheck {
        /// Of the bytes that came.
        expected: u32,
        /// In the header.
        got: u32,
    },
    /// The body was damaged.
    #[error("expected body check `{expected:08x}`, got `{got:08x}`")]
    BodyCheck {
        /// Of the bytes that came.
        expected: u32,
        /// In the header.
        got: u32,
    },
    /// A kind that this version does not have.
    #[error("expected a kind of frame of version {VERSION}, got `{got}`")]
    Kind {
        /// The kind byte.
        got: u8,
    },
    /// A body longer than its kind may have.
    #[error("expected a body of at most `{expected}` bytes, got `{got}`")]
    TooLarge {
        /// The most.
        expected: u32,
        /// What the header says.
        got: u32,
    },
    /// A body shorter than its kind must have.
    #[error("expected a body of at least `{expected}` bytes, got `{got}`")]
    TooSmall {
        /// The least.
        expected: u32,
        /// What the header says.
        got: u32,
    },
    /// Items where there are none, or too many.
    #[error("expected at most `{expected}` items, got `{got}`")]
    Items {
        /// The most.
        expected: u16,
        /// What the header says.
        got: u16,
    },
}

impl FrameError {
    /// The fault that says this to the other side.
    #[must_use]
    pub const fn fault(&self) -> FaultCode {
        match self {
            Self::Version { .. } => FaultCode::ProtocolVersion,
            Self::HeaderCheck { .. } | Self::BodyCheck { .. } => FaultCode::Damaged,
            Self::TooLarge { .. } | Self::Items { .. } => FaultCode::TooLarge,
            Self::Magic { .. } | Self::Kind { .. } | Self::TooSmall { .. } => FaultCode::Malformed,
        }
    }
}

impl Header {
    /// A header of `kind` that says nothing more.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self { kind, flags: 0, items: 0, request: 0, body_bytes: 0, millis: 0, body_check: 0 }
    }

    /// Reads and checks a header, before anything of its body is believed or allocated.
    pub fn read(bytes: &[u8; HEADER_BYTES], integrity: Integrity) -> Result<Self, FrameError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.array::<2>();
        if magic != MAGIC {
            return Err(FrameError::Magic { got: u16::from_be_bytes(magic) });
        }
        let version = reader.u8();
        if version != VERSION {
            return Err(FrameError::Version { got: version });
        }
        let kind = reader.u8();
        let (flags, items, request) = (reader.u16(), reader.u16(), reader.u64());
        let (body_bytes, millis, body_check) = (reader.u32(), reader.u32(), reader.u32());
        let got = reader.u32();
        let expected = header_check(bytes, integrity);
        if got != expected {
            return Err(FrameError::HeaderCheck { expected, got });
        }
        let kind = Kind::from_code(kind).ok_or(FrameError::Kind { got: kind })?;
        let header = Self { kind, flags, items, request, body_bytes, millis, body_check };
        header.check_size().map(|()| header)
    }

    fn check_size(&self) -> Result<(), FrameError> {
        let (least, most) = self.kind.body_bounds();
        let got = self.body_bytes;
        if got > most {
            return Err(FrameError::TooLarge { expected: most, got });
        }
        if got < least {
            return Err(FrameError::TooSmall { expected: least, got });
        }
        let most = if self.kind.has_items() { ITEMS_MAX } else { 0 };
        if self.items > most {
            return Err(FrameError::Items { expected: most, got: self.items });
        }
        Ok(())
    }

    /// Checks the body that belongs to this header.
    pub fn check_body(&self, body: &[u8], integrity: Integrity) -> Result<(), FrameError> {
        let expected = check_of(body, integrity);
        let got = self.body_check;
        if got == expected { Ok(()) } else { Err(FrameError::BodyCheck { expected, got }) }
    }

    /// The bytes of this header before `body`, whose length and check it takes.
    #[must_use]
    pub fn write(mut self, body: &[u8], integrity: Integrity) -> [u8; HEADER_BYTES] {
        self.body_bytes = length_u32(body.len());
        self.body_check = check_of(body, integrity);
        let unchecked: [u8; HEADER_BYTES] = Writer::new()
            .put(MAGIC)
            .u8(VERSION)
            .u8(self.kind.code())
            .u16(self.flags)
            .u16(self.items)
            .u64(self.request)
            .u32(self.body_bytes)
            .u32(self.millis)
            .u32(self.body_check)
            .done();
        let check = header_check(&unchecked, integrity).to_be_bytes();
        let mut bytes = unchecked;
        if let Some(to) = bytes.last_chunk_mut() {
            *to = check;
        }
        bytes
    }

    /// Fills in the first 32 bytes of `frame`, which were kept free before its body.
    pub fn write_into(self, frame: &mut [u8], integrity: Integrity) {
        if let Some((head, body)) = frame.split_first_chunk_mut::<HEADER_BYTES>() {
            *head = self.write(body, integrity);
        }
    }

    /// The whole frame.
    #[must_use]
    pub fn frame(self, body: &[u8], integrity: Integrity) -> Vec<u8> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
        frame.extend_from_slice(&self.write(body, integrity));
        frame.extend_from_slice(body);
        frame
    }

    /// What the request counts for among what is in flight: its items, or its body in units of a
    /// transfer, whichever is more, so that the bytes of a connection are bounded, too. The answer
    /// to a query may be long whatever the question's length.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let weight = self.body_bytes.div_ceil(128).max(self.items.into());
        if self.kind == Kind::Query {
            weight.max(QUERY_WEIGHT_MIN)
        } else if self.kind == Kind::Follow {
            weight.max(FOLLOW_WEIGHT)
        } else {
            weight
        }
    }

    /// The body's length in memory.
    #[must_use]
    pub fn body_size(&self) -> usize {
        size(self.body_bytes)
    }
}

/// CRC-32 of ISO-HDLC, as in zlib, gzip and the standard library of most languages.
fn check_of(bytes: &[u8], integrity: Integrity) -> u32 {
    match integrity {
        Integrity::Checked => crc32fast::hash(bytes),
        Integrity::Transport => 0,
    }
}

fn header_check(bytes: &[u8; HEADER_BYTES], integrity: Integrity) -> u32 {
    bytes.first_chunk::<28>().map_or(0, |covered| check_of(covered, integrity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping() -> [u8; 32] {
        Header { request: 7, millis: 250, ..Header::of(Kind::Ping) }.write(&[], Integrity::Checked)
    }

    #[test]
    fn golden_header_field_by_field() {
        let header = Header {
            flags: 0x0506,
            items: 2,
            request: 0x0102_0304_0506_0708,
            millis: 1_000,
            ..Header::of(Kind::Results)
        };
        let body = [0xab; 16];
        let expected = [
            &b"WL"[..],
            &[1, 32],
            &[5, 6],
            &[0, 2],
            &[1, 2, 3, 4, 5, 6, 7, 8],
            &[0, 0, 0, 16],
            &[0, 0, 3, 232],
            &[0, 0, 0, 0],
            &[0, 0, 0, 0],
        ];
        assert_eq!(header.write(&body, Integrity::Transport), expected.concat()[..]);
        let checked = header.write(&body, Integrity::Checked);
        assert_eq!(checked[..24], expected.concat()[..24]);
        // zlib.crc32(b"\xab" * 16), and of the 28 bytes before the last four.
        assert_eq!(checked[24..28], crc32_by_the_table(&body).to_be_bytes());
        assert_eq!(checked[28..], crc32_by_the_table(&checked[..28]).to_be_bytes());
        assert_eq!(crc32_by_the_table(b"123456789"), 0xcbf4_3926);
    }

    /// The textbook algorithm, bit by bit: a second opinion on the library's.
    fn crc32_by_the_table(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
            })
        })
    }

    #[test]
    fn every_flipped_bit_of_a_checked_header_is_refused() {
        let sound = ping();
        assert!(Header::read(&sound, Integrity::Checked).is_ok());
        for bit in 0..256 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::read(&bytes, Integrity::Checked).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_checked_body_is_refused() {
        let body: Vec<u8> = (0..128).collect();
        let bytes =
            Header { items: 1, ..Header::of(Kind::Transfers) }.write(&body, Integrity::Checked);
        let header = Header::read(&bytes, Integrity::Checked).unwrap();
        assert_eq!(header.check_body(&body, Integrity::Checked), Ok(()));
        for bit in 0..1024 {
            let mut body = body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            let refused = header.check_body(&body, Integrity::Checked);
            assert!(matches!(refused, Err(FrameError::BodyCheck { .. })), "bit {bit}");
        }
    }

    #[test]
    fn a_request_weighs_its_items_or_its_bytes() {
        let weight =
            |kind, items, body_bytes| Header { items, body_bytes, ..Header::of(kind) }.weight();
        assert_eq!(weight(Kind::Transfers, 8_190, 8_190 * 128), 8_190);
        assert_eq!(weight(Kind::Lookup, 100, 2_400), 100);
        assert_eq!(weight(Kind::Commands, 64, 64 * 16_388), 8_194);
        assert_eq!(weight(Kind::Query, 0, 1), QUERY_WEIGHT_MIN);
        assert_eq!(weight(Kind::Query, 0, 1 << 20), 8_192);
    }

    #[test]
    fn checks_under_tls_must_be_zero() {
        let mut bytes = Header::of(Kind::Ping).write(&[], Integrity::Transport);
        assert!(Header::read(&bytes, Integrity::Transport).is_ok());
        assert!(Header::read(&bytes, Integrity::Checked).is_err());
        bytes[31] = 1;
        assert!(Header::read(&bytes, Integrity::Transport).is_err());
    }

    #[test]
    fn each_near_miss_says_what_it_is() {
        let table: [(usize, u8, FrameError, FaultCode); 5] = [
            (0, b'X', FrameError::Magic { got: 0x584c }, FaultCode::Malformed),
            (2, 2, FrameError::Version { got: 2 }, FaultCode::ProtocolVersion),
            (3, 99, FrameError::Kind { got: 99 }, FaultCode::Malformed),
            (7, 1, FrameError::Items { expected: 0, got: 1 }, FaultCode::TooLarge),
            (19, 1, FrameError::TooLarge { expected: 0, got: 1 }, FaultCode::TooLarge),
        ];
        for (at, byte, error, fault) in table {
            let mut bytes = Header::of(Kind::Ping).write(&[], Integrity::Transport);
            bytes[at] = byte;
            assert_eq!(Header::read(&bytes, Integrity::Transport), Err(error));
            assert_eq!(error.fault(), fault);
        }
        let small = Header::of(Kind::Hello).write(&[0; 103], Integrity::Transport);
        let error = FrameError::TooSmall { expected: 104, got: 103 };
        assert_eq!(Header::read(&small, Integrity::Transport), Err(error));
    }

    #[test]
    fn a_length_beyond_its_kind_is_refused_before_anything_is_allocated() {
        for kind in Kind::ALL {
            let mut bytes = Header::of(*kind).write(&[], Integrity::Transport);
            bytes[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
            let refused = Header::read(&bytes, Integrity::Transport);
            assert!(matches!(refused, Err(FrameError::TooLarge { .. })), "{}", kind.name());
        }
    }
}
