//! The fast way to write and read the most frequent change: a transaction of plain entries.
//!
//! The layout is that of the derived encoding (`docs/formats/ledger.md`); whatever this module does
//! not know falls back to it. A property test compares the two on changes and on damaged bytes.

use seal::CanonicalError;
use smallvec::SmallVec;
use terms::{AccountId, BusinessDate, Minor, TransactionId};

use crate::change::{Change, Resolved};
use crate::transaction::{ENTRIES_MAX, Entry, Reason, Side, Transaction};

/// Change 9 with two fields, a transaction of six.
const HEAD: [u8; 4] = [0x82, 0x09, 0x82, 0x86];
/// No claims, no links, no ends.
const TAIL: [u8; 3] = [0x80; 3];
/// An entry without a hold, then the head of its account's 16 bytes.
const ENTRY: [u8; 2] = [0x83, 0x50];
const ID: u8 = 0x50;

impl Change {
    /// Appends the canonical bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        if let Resolved::Posted { transaction, ended, asked: None } = &self.0
            && ended.is_empty()
            && is_plain(transaction)
        {
            encode_plain(transaction, out);
        } else {
            // INVARIANT (VecWriterIsInfallible): as in `seal::to_canonical`.
            let _ = minicbor::encode(self, out);
        }
    }

    /// Reads a change and refuses every encoding but the canonical one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CanonicalError> {
        match decode_plain(bytes) {
            Some(transaction) => {
                Ok(Self(Resolved::Posted { transaction, ended: Vec::new(), asked: None }))
            }
            None => seal::from_canonical(bytes),
        }
    }
}

fn is_plain(transaction: &Transaction) -> bool {
    let simple =
        |entry: &Entry| entry.hold.is_none() && u64::try_from(entry.amount.units()).is_ok();
    transaction.detail.is_none()
        && transaction.claims.is_empty()
        && transaction.links.is_empty()
        && (1..=ENTRIES_MAX).contains(&transaction.entries.len())
        && transaction.entries.iter().all(simple)
}

fn encode_plain(transaction: &Transaction, out: &mut Vec<u8>) {
    out.reserve(64_usize.saturating_add(transaction.entries.len().saturating_mul(32)));
    out.extend_from_slice(&HEAD);
    out.push(ID);
    out.extend_from_slice(&transaction.id.bytes());
    head(0x00, u64::from(transaction.business_date.days()), out);
    out.push(transaction.reason.number());
    head(0x80, u64::try_from(transaction.entries.len()).unwrap_or(u64::MAX), out);
    for entry in &transaction.entries {
        let mut piece = [0; 19];
        let (start, side) = piece.split_at_mut(18);
        let (first, id) = start.split_at_mut(2);
        first.copy_from_slice(&ENTRY);
        id.copy_from_slice(&entry.account.bytes());
        side.fill(entry.side.number());
        out.extend_from_slice(&piece);
        head(0x00, u64::try_from(entry.amount.units()).unwrap_or(u64::MAX), out);
    }
    out.extend_from_slice(&TAIL);
}

/// The shortest head of a major type with an argument.
#[inline]
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let [.., a, b, c, d] = bytes;
    match argument {
        0..=23 => out.push(major | d),
        24..=0xff => out.extend_from_slice(&[major | 24, d]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, c, d]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 26, a, b, c, d]),
        _ => {
            let [e, f, g, h, ..] = bytes;
            out.extend_from_slice(&[major | 27, e, f, g, h, a, b, c, d]);
        }
    }
}

/// A transaction of plain entries, in its one encoding; `None` for whatever else it is.
fn decode_plain(bytes: &[u8]) -> Option<Transaction> {
    let mut rest = bytes.strip_prefix(&HEAD)?;
    let id = TransactionId::from_bytes(take_id(&mut rest)?);
    let days = u32::try_from(take_head(&mut rest, 0x00)?).ok()?;
    let reason = Reason::of_number(take_byte(&mut rest)?)?;
    let length = usize::try_from(take_head(&mut rest, 0x80)?).ok()?;
    if !(1..=ENTRIES_MAX).contains(&length) {
        return None;
    }
    let mut entries: SmallVec<[Entry; 2]> = SmallVec::new();
    for _ in 0..length {
        rest = rest.strip_prefix(&[0x83])?;
        let account = AccountId::from_bytes(take_id(&mut rest)?);
        let side = Side::of_number(take_byte(&mut rest)?)?;
        let amount = Minor::new(u128::from(take_head(&mut rest, 0x00)?));
        entries.push(Entry { account, side, amount, hold: None });
    }
    let business_date = BusinessDate::from_days(days);
    let (claims, links, detail) = (Vec::new(), Vec::new(), None);
    let all = Transaction { id, business_date, reason, entries, claims, links, detail };
    (rest == TAIL).then_some(all)
}

#[inline]
fn take_id(rest: &mut &[u8]) -> Option<[u8; 16]> {
    let (id, after) = rest.strip_prefix(&[ID])?.split_first_chunk()?;
    *rest = after;
    Some(*id)
}

#[inline]
fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    Some(*byte)
}

/// The argument of a head of that major type; `None` where a shorter head would do.
#[inline]
fn take_head(rest: &mut &[u8], major: u8) -> Option<u64> {
    let first = take_byte(rest)?;
    match first ^ major {
        small @ 0..=23 => Some(u64::from(small)),
        24 => Some(u64::from(take_byte(rest)?)).filter(|n| *n > 23),
        25 => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Some(u64::from(u16::from_be_bytes(*bytes))).filter(|n| *n > 0xff)
        }
        26 => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Some(u64::from(u32::from_be_bytes(*bytes))).filter(|n| *n > 0xffff)
        }
        27 => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Some(u64::from_be_bytes(*bytes)).filter(|n| *n > 0xffff_ffff)
        }
        _ => None,
    }
}
