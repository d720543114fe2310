//! Facts of a ledger book, byte for byte `record::Fact`s (`docs/formats/bookkeeping.md`).
//!
//! The stored form is the canonical CBOR of a [`record::Fact`] with an empty heading and one body
//! field; it is written and read directly here, because a book writes hundreds of thousands a
//! second. A property test holds both ways together.

use journal::Recorded;
use ledger::Change;
use minicbor::{Decode, Encode};
use record::{Fact, FactKind, SaltSlot};
use seal::{Digest, from_canonical, to_canonical};

use crate::keys::Tag;
use crate::request::ClientNumber;

/// A change of the ledger.
pub const CHANGED: FactKind = FactKind { number: 0x0100, version: 1 };
/// A command that was refused, and used up its id.
pub const REFUSED: FactKind = FactKind { number: 0x0101, version: 1 };

/// Kind 0x0100 version 1: `[[256, 1], …`.
const CHANGED_HEAD: [u8; 6] = [0x84, 0x82, 0x19, 0x01, 0x00, 0x01];
/// An empty heading, and a body of one field.
const BODY_HEAD: [u8; 2] = [0x80, 0x81];

/// What happened in a ledger book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFact {
    /// Who asked for it.
    pub client: ClientNumber,
    /// Which key its salts come from.
    pub slot: SaltSlot,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is the large one: a box would cost"
)]
pub enum Event {
    /// The ledger changed.
    Changed(Change),
    /// A command was refused for good.
    Refused(Refused),
}

/// A refusal that used up its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Refused {
    /// What the id names.
    #[n(0)]
    pub tag: Tag,
    /// The id.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// Digest of the command's canonical bytes: the same id with another command is a conflict.
    #[n(2)]
    pub content: Digest,
    /// The rule that said no, by name.
    #[n(3)]
    pub rule: String,
    /// What was expected and what came, in words.
    #[n(4)]
    pub text: String,
}

impl<C> Encode<C> for Tag {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.u8(match self {
            Self::Transaction => 1,
            Self::Hold => 2,
        })?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Tag {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        match decoder.u8()? {
            1 => Ok(Self::Transaction),
            2 => Ok(Self::Hold),
            other => Err(minicbor::decode::Error::message(format!("unknown tag {other}"))),
        }
    }
}

/// The body of a refusal.
#[derive(Encode, Decode)]
#[cbor(array)]
struct RefusedBody {
    #[n(0)]
    client: ClientNumber,
    #[n(1)]
    refused: Refused,
}

impl LedgerFact {
    fn as_fact(&self) -> Fact {
        match &self.event {
            Event::Changed(change) => {
                let mut body = vec![0x82];
                head(0x00, u64::from(self.client.0), &mut body);
                change.encode_into(&mut body);
                Fact::plain(CHANGED, self.slot, vec![body])
            }
            Event::Refused(refused) => {
                let body = RefusedBody { client: self.client, refused: refused.clone() };
                Fact::plain(REFUSED, self.slot, vec![to_canonical(&body)])
            }
        }
    }

    /// The fact of a [`record::Fact`].
    ///
    /// # Errors
    /// Why it is none of a ledger book's.
    pub fn of(fact: &Fact) -> Result<Self, String> {
        let [body] = fact.body.as_slice() else {
            return Err(format!("expected one body field, got `{}`", fact.body.len()));
        };
        if fact.heading != record::Heading::default() {
            return Err("expected an empty heading".into());
        }
        let slot = fact.salt_slot;
        match fact.kind {
            CHANGED => {
                let (client, change) = read_changed_body(body)?;
                Ok(Self { client, slot, event: Event::Changed(change) })
            }
            REFUSED => {
                let RefusedBody { client, refused } =
                    from_canonical(body).map_err(|error| error.to_string())?;
                Ok(Self { client, slot, event: Event::Refused(refused) })
            }
            FactKind { number, version } => {
                Err(format!("kind `{number}` version `{version}` is none of a ledger book"))
            }
        }
    }
}

impl Recorded for LedgerFact {
    fn write(&self, bytes: &mut Vec<u8>) {
        let Event::Changed(change) = &self.event else {
            return self.as_fact().write(bytes);
        };
        let begin = bytes.len();
        bytes.extend_from_slice(&CHANGED_HEAD);
        head(0x00, self.slot.0, bytes);
        bytes.extend_from_slice(&BODY_HEAD);
        // Room for the head of a string of 24 to 255 bytes, which nearly every change is.
        let head_at = bytes.len();
        bytes.extend_from_slice(&[0x58, 0]);
        let start = bytes.len();
        bytes.push(0x82);
        head(0x00, u64::from(self.client.0), bytes);
        change.encode_into(bytes);
        let length = bytes.len().saturating_sub(start);
        match (u8::try_from(length), bytes.get_mut(head_at..start)) {
            (Ok(short @ 24..), Some([_, stated])) => *stated = short,
            _ => {
                bytes.truncate(begin);
                self.as_fact().write(bytes);
            }
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        match read_changed(bytes) {
            Some(fact) => fact,
            None => Self::of(&Fact::read(bytes)?),
        }
    }

    fn salt_slot(&self) -> SaltSlot {
        self.slot
    }

    fn is_whole(&self) -> bool {
        true
    }
}

/// The most frequent form, read directly. `None` for every other form.
fn read_changed(bytes: &[u8]) -> Option<Result<LedgerFact, String>> {
    let rest = bytes.strip_prefix(&CHANGED_HEAD)?;
    let (slot, rest) = number(rest)?;
    let rest = rest.strip_prefix(&BODY_HEAD)?;
    let (&[0x58, length], rest) = rest.split_first_chunk::<2>()? else { return None };
    if length < 24 || rest.len() != usize::from(length) {
        return None;
    }
    Some(read_changed_body(rest).map(|(client, change)| LedgerFact {
        client,
        slot: SaltSlot(slot),
        event: Event::Changed(change),
    }))
}

fn read_changed_body(body: &[u8]) -> Result<(ClientNumber, Change), String> {
    let read = || {
        let (client, change) = number(body.strip_prefix(&[0x82])?)?;
        Some((ClientNumber(u32::try_from(client).ok()?), change))
    };
    let (client, change) = read().ok_or("expected a client and a change")?;
    Ok((client, Change::from_bytes(change).map_err(|error| error.to_string())?))
}

/// A CBOR head in its shortest form (RFC 8949 section 4.2.1).
fn head(major: u8, number: u64, out: &mut Vec<u8>) {
    let [.., b4, b5, b6, b7] = number.to_be_bytes();
    match number {
        0..24 => out.push(major | b7),
        24..0x100 => out.extend_from_slice(&[major | 24, b7]),
        0x100..0x1_0000 => out.extend_from_slice(&[major | 25, b6, b7]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[major | 26, b4, b5, b6, b7]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// An unsigned number in its shortest form, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (number, rest, least) = match first {
        0..24 => return Some((u64::from(first), rest)),
        24 => {
            let (&[byte], rest) = rest.split_first_chunk()?;
            (u64::from(byte), rest, 24)
        }
        25 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*bytes)), rest, 0x100)
        }
        26 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (u64::from(u32::from_be_bytes(*bytes)), rest, 0x1_0000)
        }
        27 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*bytes), rest, 0x1_0000_0000)
        }
        _ => return None,
    };
    (number >= least).then_some((number, rest))
}
