//! One thing that happened on one account, and its stored form.

use ledger::{Reason, Side};

use super::bytes::{Reader, put_u64, put_u128, unzigzag, zigzag};
use super::error::StoreFault;

/// Most bytes of one stored item.
pub(super) const ITEM_BYTES_MAX: usize = 1 + 10 + 19 + 16 + 5 + 8 + 3;

const KIND_BITS: u8 = 0x0f;
const DATE_FOLLOWS: u8 = 0x10;
const MOMENT_FOLLOWS: u8 = 0x20;
const REASON_FOLLOWS: u8 = 0x40;
const UNUSED: u8 = 0x80;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Entry,
    HoldPlaced,
    HoldPosted,
    HoldVoided,
    HoldExpired,
    HoldPinned,
}

/// What happened, on which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) what: What,
    pub(super) side: Side,
}

impl Kind {
    pub(super) const fn new(what: What, side: Side) -> Self {
        Self { what, side }
    }

    pub(super) const fn code(self) -> u8 {
        let what = match self.what {
            What::Entry => 0,
            What::HoldPlaced => 2,
            What::HoldPosted => 4,
            What::HoldVoided => 6,
            What::HoldExpired => 8,
            What::HoldPinned => 10,
        };
        match self.side {
            Side::Debit => what,
            Side::Credit => what | 1,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        let what = match code >> 1 {
            0 => What::Entry,
            1 => What::HoldPlaced,
            2 => What::HoldPosted,
            3 => What::HoldVoided,
            4 => What::HoldExpired,
            5 => What::HoldPinned,
            _ => return None,
        };
        let side = if code & 1 == 0 { Side::Debit } else { Side::Credit };
        Some(Self { what, side })
    }
}

/// One thing that happened on one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) position: u64,
    pub(super) kind: Kind,
    pub(super) amount: u128,
    /// Of the transaction or of the hold.
    pub(super) id: [u8; 16],
    pub(super) date: u32,
    /// An entry's effective time where one was said; a placed hold's last moment where it expires.
    pub(super) moment: Option<u64>,
    pub(super) reason: u16,
}

/// What an item is stored relative to: the one before it.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) position: u64,
    pub(super) date: u32,
    pub(super) reason: u16,
}

impl Context {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, item: &Item) {
        let mut head = item.kind.code();
        if item.date != self.date {
            head |= DATE_FOLLOWS;
        }
        if item.moment.is_some() {
            head |= MOMENT_FOLLOWS;
        }
        if item.reason != self.reason {
            head |= REASON_FOLLOWS;
        }
        out.push(head);
        put_u64(out, item.position.wrapping_sub(self.position));
        put_u128(out, item.amount);
        out.extend_from_slice(&item.id);
        if item.date != self.date {
            put_u64(out, zigzag(self.date, item.date));
        }
        if let Some(moment) = item.moment {
            out.extend_from_slice(&moment.to_le_bytes());
        }
        if item.reason != self.reason {
            put_u64(out, item.reason.into());
        }
        *self = Self { position: item.position, date: item.date, reason: item.reason };
    }

    pub(super) fn take(&mut self, reader: &mut Reader<'_>) -> Result<Item, StoreFault> {
        let head = reader.byte()?;
        let kind = Kind::from_code(head & KIND_BITS).filter(|_| head & UNUSED == 0);
        let kind = kind.ok_or_else(|| reader.damaged("an item is of no known kind"))?;
        let delta = reader.u64()?;
        let position = self.position.checked_add(delta);
        let position = position.ok_or_else(|| reader.damaged("a position is too large"))?;
        let amount = reader.u128()?;
        let id = reader.array()?;
        let mut date = self.date;
        if head & DATE_FOLLOWS != 0 {
            let stored = reader.u64()?;
            date = unzigzag(date, stored).ok_or_else(|| reader.damaged("a date is too large"))?;
        }
        let mut moment = None;
        if head & MOMENT_FOLLOWS != 0 {
            moment = Some(u64::from_le_bytes(reader.array()?));
        }
        let mut reason = self.reason;
        if head & REASON_FOLLOWS != 0 {
            let stored = reader.u64()?;
            reason = u16::try_from(stored).map_err(|_| reader.damaged("a reason is too large"))?;
        }
        *self = Self { position, date, reason };
        Ok(Item { position, kind, amount, id, date, moment, reason })
    }
}

/// An account's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) debits: u128,
    pub(super) credits: u128,
    pub(super) held_debits: u128,
    pub(super) held_credits: u128,
}

impl Totals {
    // The ledger has checked that no counter overflows; wrapping makes `undo` the exact inverse of
    // `apply` whatever comes, so that a broken feed gives a wrong number and never a panic.
    pub(super) fn apply(&mut self, kind: Kind, amount: u128) {
        let (counter, gives) = self.counter(kind);
        if let Some(counter) = counter {
            let after =
                if gives { counter.wrapping_add(amount) } else { counter.wrapping_sub(amount) };
            *counter = after;
        }
    }

    pub(super) fn undo(&mut self, kind: Kind, amount: u128) {
        let (counter, gives) = self.counter(kind);
        if let Some(counter) = counter {
            let before =
                if gives { counter.wrapping_sub(amount) } else { counter.wrapping_add(amount) };
            *counter = before;
        }
    }

    fn counter(&mut self, kind: Kind) -> (Option<&mut u128>, bool) {
        let (posted, held) = match kind.side {
            Side::Debit => (&mut self.debits, &mut self.held_debits),
            Side::Credit => (&mut self.credits, &mut self.held_credits),
        };
        match kind.what {
            What::Entry => (Some(posted), true),
            What::HoldPlaced => (Some(held), true),
            What::HoldPosted | What::HoldVoided | What::HoldExpired => (Some(held), false),
            What::HoldPinned => (None, true),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for counter in [self.debits, self.credits, self.held_debits, self.held_credits] {
            put_u128(out, counter);
        }
    }

    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, StoreFault> {
        Ok(Self {
            debits: reader.u128()?,
            credits: reader.u128()?,
            held_debits: reader.u128()?,
            held_credits: reader.u128()?,
        })
    }
}

/// A reason by the number it has in facts.
pub(super) fn reason_code(reason: Reason) -> u16 {
    reason.number().into()
}

/// The reason of that number.
pub(super) fn reason_of(code: u16) -> Option<Reason> {
    u8::try_from(code).ok().and_then(Reason::of_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_kinds_round_trip() {
        for reason in Reason::ALL {
            assert_eq!(reason_of(reason_code(reason)), Some(reason));
        }
        assert_eq!(reason_of(u16::MAX), None);
        for code in 0..16 {
            assert!(Kind::from_code(code).is_none_or(|kind| kind.code() == code));
            assert_eq!(Kind::from_code(code).is_some(), code < 12);
        }
    }
}
