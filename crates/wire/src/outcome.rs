//! Outcomes of a request as a whole, and what a service hands back.
//!
//! *Refused*: the same bytes will be refused again. *Not done*: surely nothing of it happened,
//! the same bytes may be sent again. *Unknown*: it may have happened; ask by id, or send the same
//! bytes again, since an id is done once. No outcome stands for two of these.

use core::fmt;

use crate::bytes::{Reader, Writer, head_of};
use crate::codes::{FaultCode, NotDoneCode, RefusedCode, UnknownCode};
use crate::follow::FactsWriter;
use crate::frame::{HEADER_BYTES, Header, Integrity, Kind, REPLY_BODY_BYTES_MAX, TEXT_BYTES_MAX};

/// The item number that stands for none.
const NO_ITEM: u32 = u32::MAX;

/// A number of this version or of a later one, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coded<T> {
    /// One that this build knows.
    Known(T),
    /// One that was added later.
    Later(u16),
}

impl<T: fmt::Display> fmt::Display for Coded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(code) => code.fmt(f),
            Self::Later(code) => write!(f, "code `{code}`, which this client is too old to name"),
        }
    }
}

/// A code, the item that it speaks of and a text: the body of a fault or an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The code.
    pub code: u16,
    /// The item, from 0.
    pub item: Option<u16>,
    /// More, for people.
    pub text: String,
}

impl Said {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let text = head_of(&self.text, TEXT_BYTES_MAX).as_bytes();
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        let item = self.item.map_or(NO_ITEM, u32::from);
        let head: [u8; 8] = Writer::new().u16(self.code).u16(length).u32(item).done();
        [&head, text].concat()
    }

    /// Reads it; `None` when a byte is not what writing would give.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (code, length, item) = (reader.u16(), reader.u16(), reader.u32());
        let item = if item == NO_ITEM { None } else { Some(u16::try_from(item).ok()?) };
        let text = reader.rest();
        let sound = text.len() == usize::from(length) && text.len() <= TEXT_BYTES_MAX;
        let text = core::str::from_utf8(text).ok()?.to_owned();
        sound.then_some(Self { code, item, text })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(item) = self.item {
            write!(f, " (item `{item}`)")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident, $code:ident, $begins:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub(crate) Said);

        impl $name {
            /// An outcome with a text for people.
            #[must_use]
            pub fn new(code: $code, text: impl Into<String>) -> Self {
                Self(Said { code: code.code(), item: None, text: text.into() })
            }

            /// The same, of one item.
            #[must_use]
            pub fn of_item(self, item: u16) -> Self {
                Self(Said { item: Some(item), ..self.0 })
            }

            /// Why.
            #[must_use]
            pub fn code(&self) -> Coded<$code> {
                $code::from_code(self.0.code).map_or(Coded::Later(self.0.code), Coded::Known)
            }

            /// The item, from 0, and the text.
            #[must_use]
            pub const fn said(&self) -> &Said {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($begins, ": {}{}"), self.code(), self.0)
            }
        }
    )* };
}

outcomes! {
    /// Why a connection ended.
    Fault, FaultCode, "the server ended the connection";
    /// A request that was refused as a whole.
    Refused, RefusedCode, "the request was refused";
    /// A request that was surely not done.
    NotDone, NotDoneCode, "the request was not done";
    /// A request of which nobody can say whether it was done.
    Unknown, UnknownCode, "nobody can say whether the request was done";
}

/// A reply, complete but for its header, which has its room at the front: one buffer, one write.
#[derive(Debug)]
pub struct ReplyBody {
    kind: Kind,
    flags: u16,
    items: u16,
    millis: u32,
    frame: Vec<u8>,
}

impl ReplyBody {
    /// The request as a whole was refused.
    #[must_use]
    pub fn refused(refused: &Refused) -> Self {
        Self::of(Kind::Refused, &refused.0.write())
    }

    /// Surely not done; try again after `millis`, where that is not zero.
    #[must_use]
    pub fn not_done(not_done: &NotDone, millis: u32) -> Self {
        Self { millis, ..Self::of(Kind::NotDone, &not_done.0.write()) }
    }

    /// Nobody can say.
    #[must_use]
    pub fn unknown(unknown: &Unknown) -> Self {
        Self::of(Kind::Unknown, &unknown.0.write())
    }

    /// The answer to a query. One longer than a reply may be is *refused: unsupported* instead.
    #[must_use]
    pub fn answer(bytes: &[u8]) -> Self {
        if u32::try_from(bytes.len()).is_ok_and(|length| length <= REPLY_BODY_BYTES_MAX) {
            return Self::of(Kind::Answer, bytes);
        }
        let text = format!("the answer has `{}` bytes: ask for less at once", bytes.len());
        Self::refused(&Refused::new(RefusedCode::Unsupported, text))
    }

    /// How many results it holds, where it holds results.
    pub(crate) fn result_count(&self) -> Option<u16> {
        (self.kind == Kind::Results).then_some(self.items)
    }

    pub(crate) fn pong() -> Self {
        Self::of(Kind::Pong, &[])
    }

    pub(crate) fn facts(facts: FactsWriter) -> Self {
        let (body, items) = facts.into_body();
        Self { items, ..Self::of(Kind::Facts, &body) }
    }

    pub(crate) fn fault(fault: &Fault) -> Self {
        Self::of(Kind::Fault, &fault.0.write())
    }

    pub(crate) fn of(kind: Kind, body: &[u8]) -> Self {
        let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
        frame.extend_from_slice(&[0; HEADER_BYTES]);
        frame.extend_from_slice(body);
        Self { kind, flags: 0, items: 0, millis: 0, frame }
    }

    /// Results, with room for the header before them.
    pub(crate) const fn results(frame: Vec<u8>, flags: u16, items: u16) -> Self {
        Self { kind: Kind::Results, flags, items, millis: 0, frame }
    }

    /// The frame that answers `request`.
    pub(crate) fn into_frame(mut self, request: u64, integrity: Integrity) -> Vec<u8> {
        let header = Header {
            flags: self.flags,
            items: self.items,
            request,
            millis: self.millis,
            ..Header::of(self.kind)
        };
        header.write_into(&mut self.frame, integrity);
        self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_outcome_and_its_near_misses() {
        let expected = [&[0, 1][..], &[0, 4], &[0xff; 4], b"full"].concat();
        let busy = NotDone::new(NotDoneCode::Busy, "full");
        assert_eq!(busy.0.write(), expected);
        assert_eq!(Said::read(&expected), Some(busy.0.clone()));
        assert_eq!(busy.to_string(), "the request was not done: the queue is full: full");
        let of_item = Refused::new(RefusedCode::Malformed, "").of_item(3);
        assert_eq!(of_item.0.write(), [0, 1, 0, 0, 0, 0, 0, 3]);
        let end = "the request was refused: the request is not what its kind says (item `3`)";
        assert_eq!(of_item.to_string(), end);
        for (at, byte) in [(3, 3), (3, 5), (4, 0), (8, 0xff)] {
            let mut bytes = expected.clone();
            bytes[at] = byte;
            assert_eq!(Said::read(&bytes), None, "byte {at}");
        }
        assert_eq!(Said::read(&expected[..7]), None);
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let long = Unknown::new(UnknownCode::Storage, "ä".repeat(300));
        let read = Said::read(&long.0.write()).unwrap();
        assert_eq!(read.text, "ä".repeat(256));
    }

    #[test]
    fn a_code_of_a_later_version_is_told_as_such() {
        let later = Unknown(Said { code: 999, item: None, text: String::new() });
        assert_eq!(later.code(), Coded::Later(999));
        assert!(later.to_string().contains("code `999`"));
    }

    #[test]
    fn a_reply_is_a_frame_with_its_header_in_front() {
        let body = ReplyBody::not_done(&NotDone::new(NotDoneCode::Busy, ""), 50);
        let frame = body.into_frame(77, Integrity::Checked);
        let header = Header::read(frame.first_chunk().unwrap(), Integrity::Checked).unwrap();
        assert_eq!((header.kind, header.request, header.millis), (Kind::NotDone, 77, 50));
        assert_eq!(header.check_body(&frame[32..], Integrity::Checked), Ok(()));
    }
}
