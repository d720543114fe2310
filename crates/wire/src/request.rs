//! Requests: transfers of fixed layout, commands, look-ups, queries.
//!
//! A body is checked once, when it arrives; what is read from it afterwards cannot fail and
//! allocates nothing.

use core::fmt;
use std::time::Instant;

use terms::{AccountId, BusinessDate, HoldId, Minor, PaymentId, TransactionId};
use thiserror::Error;

use crate::body::Body;
use crate::bytes::{Reader, Writer, length_u32, size};
use crate::follow::Follow;
use crate::frame::{Header, Kind};

/// Length of a transfer.
pub const TRANSFER_BYTES: usize = 128;
/// Length of a look-up.
pub const LOOKUP_BYTES: usize = 24;
/// Longest command: one with 64 entries, 8 claims and 8 links has about 4 KiB.
pub const COMMAND_BYTES_MAX: u32 = 16 << 10;

const ALL_OR_NOTHING: u16 = 1;
const DRY_RUN: u16 = 1 << 1;
const WANT_BALANCES: u16 = 1 << 2;

/// The only flag of a transfer: the hold that it posts lies on the credit account.
const HOLD_IS_CREDIT: u16 = 1;

/// How the items of a request are to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFlags {
    /// All items, or none when one is refused.
    pub all_or_nothing: bool,
    /// Say what would be, and change nothing.
    pub dry_run: bool,
    /// Also tell the touched accounts' balances.
    pub want_balances: bool,
}

impl RequestFlags {
    /// No flag.
    pub const NONE: Self = Self { all_or_nothing: false, dry_run: false, want_balances: false };

    /// As in a header.
    #[must_use]
    pub const fn bits(self) -> u16 {
        let mut bits = 0;
        if self.all_or_nothing {
            bits |= ALL_OR_NOTHING;
        }
        if self.dry_run {
            bits |= DRY_RUN;
        }
        if self.want_balances {
            bits |= WANT_BALANCES;
        }
        bits
    }

    /// From a header; `None` when a bit is set that means nothing.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !(ALL_OR_NOTHING | DRY_RUN | WANT_BALANCES) != 0 {
            return None;
        }
        Some(Self {
            all_or_nothing: bits & ALL_OR_NOTHING != 0,
            dry_run: bits & DRY_RUN != 0,
            want_balances: bits & WANT_BALANCES != 0,
        })
    }
}

/// A transaction of one debit and one credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its id, chosen by the client and stored by it before it is sent.
    pub id: TransactionId,
    /// The account that is debited.
    pub debit: AccountId,
    /// The account that is credited.
    pub credit: AccountId,
    /// How much, in the minor units of both accounts' asset.
    pub amount: Minor,
    /// When it counts as having happened, where that is not the stamp.
    pub effective: Option<terms::Instant>,
    /// The day of the book that it counts for.
    pub business_date: BusinessDate,
    /// Why, by the ledger's number.
    pub reason: u16,
    /// A number of the client's own.
    pub code: u16,
    /// A hold that it posts.
    pub hold: Option<PostedHold>,
    /// The payment that it is part of.
    pub payment: Option<PaymentId>,
}

/// A hold that a transfer posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostedHold {
    /// One on the debit account.
    Debit(HoldId),
    /// One on the credit account.
    Credit(HoldId),
}

impl Transfer {
    /// `amount` from `debit` to `credit`, and nothing more said.
    #[must_use]
    #[inline]
    pub const fn plain(
        id: TransactionId,
        debit: AccountId,
        credit: AccountId,
        amount: Minor,
        business_date: BusinessDate,
    ) -> Self {
        Self {
            id,
            debit,
            credit,
            amount,
            effective: None,
            business_date,
            reason: 0,
            code: 0,
            hold: None,
            payment: None,
        }
    }

    /// Its bytes.
    #[must_use]
    #[inline]
    pub fn write(&self) -> [u8; TRANSFER_BYTES] {
        let (flags, hold) = match self.hold {
            None => (0, [0; 16]),
            Some(PostedHold::Debit(hold)) => (0, hold.bytes()),
            Some(PostedHold::Credit(hold)) => (HOLD_IS_CREDIT, hold.bytes()),
        };
        Writer::new()
            .put(self.id.bytes())
            .put(self.debit.bytes())
            .put(self.credit.bytes())
            .u128(self.amount.units())
            .u64(self.effective.map_or(0, terms::Instant::nanos))
            .u32(self.business_date.days())
            .u16(self.reason)
            .u16(self.code)
            .u16(flags)
            .zeros::<6>()
            .put(hold)
            .put(self.payment.map_or([0; 16], |payment| payment.bytes()))
            .zeros::<8>()
            .done()
    }

    /// Reads one that [`Self::check`] found sound.
    #[must_use]
    #[inline]
    pub fn read(bytes: &[u8; TRANSFER_BYTES]) -> Self {
        let mut reader = Reader::new(bytes);
        let id = TransactionId::from_bytes(reader.array());
        let debit = AccountId::from_bytes(reader.array());
        let credit = AccountId::from_bytes(reader.array());
        let amount = Minor::new(reader.u128());
        let effective = match reader.u64() {
            0 => None,
            nanos => Some(terms::Instant::from_nanos(nanos)),
        };
        let business_date = BusinessDate::from_days(reader.u32());
        let (reason, code, flags) = (reader.u16(), reader.u16(), reader.u16());
        let _reserved = reader.array::<6>();
        let hold = reader.array();
        let hold = (hold != [0; 16]).then(|| match flags & HOLD_IS_CREDIT {
            0 => PostedHold::Debit(HoldId::from_bytes(hold)),
            _ => PostedHold::Credit(HoldId::from_bytes(hold)),
        });
        let payment = reader.array();
        let payment = (payment != [0; 16]).then(|| PaymentId::from_bytes(payment));
        Self { id, debit, credit, amount, effective, business_date, reason, code, hold, payment }
    }

    /// What no writer of this version would have written.
    #[inline]
    pub fn check(bytes: &[u8; TRANSFER_BYTES]) -> Result<(), &'static str> {
        let mut reader = Reader::new(bytes);
        let _fields = reader.array::<80>();
        let flags = reader.u16();
        let zeros = reader.zeros::<6>();
        let hold = reader.u128();
        let _payment = reader.array::<16>();
        if flags & !HOLD_IS_CREDIT != 0 {
            return Err("no flag but the first may be set");
        }
        if flags != 0 && hold == 0 {
            return Err("a flag of the hold without a hold");
        }
        if !zeros || !reader.zeros::<8>() {
            return Err("reserved bytes must be zero");
        }
        Ok(())
    }
}

/// Something whose fate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// A transaction.
    Transaction(TransactionId),
    /// A hold.
    Hold(HoldId),
    /// An account.
    Account(AccountId),
}

impl Lookup {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> [u8; LOOKUP_BYTES] {
        let (what, id) = match self {
            Self::Transaction(id) => (1, id.bytes()),
            Self::Hold(id) => (2, id.bytes()),
            Self::Account(id) => (3, id.bytes()),
        };
        Writer::new().u16(what).zeros::<6>().put(id).done()
    }

    /// Reads it.
    pub fn read(bytes: &[u8; LOOKUP_BYTES]) -> Result<Self, &'static str> {
        let mut reader = Reader::new(bytes);
        let what = reader.u16();
        if !reader.zeros::<6>() {
            return Err("reserved bytes must be zero");
        }
        let id = reader.array();
        match what {
            1 => Ok(Self::Transaction(TransactionId::from_bytes(id))),
            2 => Ok(Self::Hold(HoldId::from_bytes(id))),
            3 => Ok(Self::Account(AccountId::from_bytes(id))),
            _ => Err("what is looked up must be 1, 2 or 3"),
        }
    }
}

/// Why a request's body is not what its header says. Framing is intact: the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The items do not fill the body.
    #[error("expected {expected} bytes for `{items}` items, got `{got}`")]
    Length {
        /// How many items the header states.
        items: u16,
        /// What they would need, in words.
        expected: &'static str,
        /// The body's length.
        got: usize,
    },
    /// One item is wrong.
    #[error("item `{item}`: {what}")]
    Item {
        /// Its place, from 0.
        item: u16,
        /// What is wrong, in words.
        what: &'static str,
    },
    /// Flags of the header that mean nothing here.
    #[error("flags `{got:04x}` mean nothing for this kind")]
    Flags {
        /// The flags.
        got: u16,
    },
    /// Not a request.
    #[error("a frame of kind `{}` is no request", kind.name())]
    Kind {
        /// What it is.
        kind: Kind,
    },
}

impl Malformed {
    /// The item that is wrong, where one is.
    #[must_use]
    pub const fn item(&self) -> Option<u16> {
        match self {
            Self::Item { item, .. } => Some(*item),
            Self::Length { .. } | Self::Flags { .. } | Self::Kind { .. } => None,
        }
    }
}

/// Transfers, as they lie in the body.
#[derive(Debug)]
pub struct Transfers(Body);

impl Transfers {
    /// Checks a body of `items` transfers.
    pub fn parse(body: Body, items: u16) -> Result<Self, Malformed> {
        let (chunks, rest) = body.as_chunks::<TRANSFER_BYTES>();
        if !rest.is_empty() || chunks.len() != usize::from(items) {
            let expected = "128 times that many";
            return Err(Malformed::Length { items, expected, got: body.len() });
        }
        for (item, chunk) in (0..).zip(chunks) {
            Transfer::check(chunk).map_err(|what| Malformed::Item { item, what })?;
        }
        Ok(Self(body))
    }

    /// Each transfer, read where it lies.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Transfer> + '_ {
        self.0.as_chunks::<TRANSFER_BYTES>().0.iter().map(Transfer::read)
    }

    /// The transfer at a place.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<Transfer> {
        self.0.as_chunks::<TRANSFER_BYTES>().0.get(place).map(Transfer::read)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / TRANSFER_BYTES
    }

    /// Never: a request has an item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, 128 each.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Commands of the ledger, each in its canonical encoding, which is not judged here.
#[derive(Debug)]
pub struct Commands(Body, u16);

impl Commands {
    /// Checks that a body holds `items` commands, each with its length before it.
    pub fn parse(body: Body, items: u16) -> Result<Self, Malformed> {
        let mut rest: &[u8] = &body;
        for item in 0..items {
            let (_, after) = command(rest).map_err(|what| Malformed::Item { item, what })?;
            rest = after;
        }
        if items == 0 || !rest.is_empty() {
            let expected = "each command's length and";
            return Err(Malformed::Length { items, expected, got: body.len() });
        }
        Ok(Self(body, items))
    }

    /// Each command's bytes.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + '_ {
        let mut rest: &[u8] = &self.0;
        core::iter::from_fn(move || {
            let (one, after) = command(rest).ok()?;
            rest = after;
            Some(one)
        })
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.1)
    }

    /// Never: a request has an item.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.1 == 0
    }

    /// Adds a command to a body; `false` when it is empty or longer than a command may be.
    #[must_use]
    pub fn push(body: &mut Vec<u8>, command: &[u8]) -> bool {
        let fits = !command.is_empty() && command.len() <= size(COMMAND_BYTES_MAX);
        if fits {
            body.extend_from_slice(&length_u32(command.len()).to_be_bytes());
            body.extend_from_slice(command);
        }
        fits
    }
}

fn command(rest: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let (length, rest) = rest.split_first_chunk().ok_or("the body ends in a length")?;
    let length = u32::from_be_bytes(*length);
    if length == 0 || length > COMMAND_BYTES_MAX {
        return Err("a command has 1 to 16384 bytes");
    }
    rest.split_at_checked(size(length)).ok_or("the body ends in a command")
}

/// Look-ups, as they lie in the body.
#[derive(Debug)]
pub struct Lookups(Body);

impl Lookups {
    /// Checks a body of `items` look-ups.
    pub fn parse(body: Body, items: u16) -> Result<Self, Malformed> {
        let (chunks, rest) = body.as_chunks::<LOOKUP_BYTES>();
        if !rest.is_empty() || chunks.len() != usize::from(items) {
            let expected = "24 times that many";
            return Err(Malformed::Length { items, expected, got: body.len() });
        }
        for (item, chunk) in (0..).zip(chunks) {
            Lookup::read(chunk).map_err(|what| Malformed::Item { item, what })?;
        }
        Ok(Self(body))
    }

    /// Each look-up.
    pub fn iter(&self) -> impl Iterator<Item = Lookup> + '_ {
        let chunks = self.0.as_chunks::<LOOKUP_BYTES>().0;
        chunks.iter().filter_map(|chunk| Lookup::read(chunk).ok())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / LOOKUP_BYTES
    }

    /// Never: a request has an item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is asked.
#[derive(Debug)]
pub enum Content {
    /// Transfers of fixed layout.
    Transfers(Transfers),
    /// Commands of the ledger.
    Commands(Commands),
    /// What became of these.
    Lookup(Lookups),
    /// A question in the service's own words.
    Query(Body),
    /// Facts from a position on: [`Reply::stream`](crate::Reply::stream) sends them.
    Follow(Follow),
}

/// A request that arrived whole.
#[derive(Debug)]
pub struct Request {
    /// The client's number for it; its reply has the same.
    pub id: u64,
    /// How its items are to be done.
    pub flags: RequestFlags,
    /// Not worth beginning after this.
    pub deadline: Option<Instant>,
    /// What is asked.
    pub content: Content,
}

impl Request {
    /// Reads a request's body. A ping is answered before it comes here.
    pub fn parse(header: &Header, body: Body, arrived: Instant) -> Result<Self, Malformed> {
        let flags = RequestFlags::from_bits(header.flags);
        let with_flags = matches!(header.kind, Kind::Transfers | Kind::Commands);
        let flags = flags
            .filter(|flags| with_flags || *flags == RequestFlags::NONE)
            .ok_or(Malformed::Flags { got: header.flags })?;
        let content = match header.kind {
            Kind::Transfers => Content::Transfers(Transfers::parse(body, header.items)?),
            Kind::Commands => Content::Commands(Commands::parse(body, header.items)?),
            Kind::Lookup => Content::Lookup(Lookups::parse(body, header.items)?),
            Kind::Query => Content::Query(body),
            Kind::Follow => Content::Follow(
                Follow::read(&body).map_err(|what| Malformed::Item { item: 0, what })?,
            ),
            kind @ (Kind::Hello
            | Kind::Challenge
            | Kind::Proof
            | Kind::Welcome
            | Kind::Fault
            | Kind::Ping
            | Kind::Results
            | Kind::Refused
            | Kind::NotDone
            | Kind::Unknown
            | Kind::Answer
            | Kind::Pong
            | Kind::Credit
            | Kind::Facts) => return Err(Malformed::Kind { kind }),
        };
        let within = core::time::Duration::from_millis(header.millis.into());
        let deadline = if within.is_zero() { None } else { arrived.checked_add(within) };
        Ok(Self { id: header.request, flags, deadline, content })
    }

    /// How many items.
    #[must_use]
    pub fn items(&self) -> usize {
        match &self.content {
            Content::Transfers(items) => items.len(),
            Content::Commands(items) => items.len(),
            Content::Lookup(items) => items.len(),
            Content::Query(_) | Content::Follow(_) => 0,
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(id) => id.fmt(f),
            Self::Hold(id) => id.fmt(f),
            Self::Account(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
