//! Results: one item of 32 bytes per item of the request, then details, then balances.

use core::fmt;

use terms::{AccountId, Instant, Minor, Position};

use crate::bytes::{Reader, Writer, length_u32, size};
use crate::codes::{Field, Rule, codes};
use crate::frame::{HEADER_BYTES, REPLY_BODY_BYTES_MAX};
use crate::outcome::{Coded, ReplyBody};

/// Length of what stands before the items.
pub const PREFIX_BYTES: usize = 16;
/// Length of one result.
pub const ITEM_BYTES: usize = 32;
/// Length of one detail of a refusal.
pub const DETAIL_BYTES: usize = 64;
/// Length of one account's balances.
pub const BALANCE_BYTES: usize = 112;

/// The only flag of results: balances did not fit and some are left out.
const BALANCES_LEFT_OUT: u16 = 1;
const UNLIMITED: u8 = 1;

codes! {
    /// What became of one item.
    Status, u8 {
        Done = 1, "done", "recorded and durable";
        Repeated = 2, "repeated", "recorded before under the same id, with the same content";
        Refused = 3, "refused", "a rule said no; nothing was recorded of it";
        Conflict = 4, "conflict", "the id was used before with other content";
        NotDone = 5, "not_done", "surely not recorded, because of another item or a stop";
        Unknown = 6, "unknown", "it may have been recorded; ask by id";
        Absent = 7, "absent", "looked up: nothing is recorded under this id";
        Passes = 8, "passes", "dry run: it would be done";
    }
}

codes! {
    /// What the id in a detail names.
    Subject, u8 {
        Nothing = 1, "nothing", "nothing";
        Account = 2, "account", "an account";
        Hold = 3, "hold", "a hold";
        Transaction = 4, "transaction", "a transaction";
        Limit = 5, "limit", "a velocity limit, by the first half of its key";
    }
}

codes! {
    /// What the two numbers in a detail count.
    Quantity, u8 {
        Nothing = 1, "nothing", "nothing";
        Amount = 2, "amount", "minor units";
        Count = 3, "count", "a count";
        Instant = 4, "instant", "nanoseconds since 1970";
        Id = 5, "id", "ids as numbers";
        Side = 6, "side", "0 debit, 1 credit";
    }
}

/// What a refusal is about: whose, what was expected, what was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What `id` names.
    pub subject: Subject,
    /// Zeros when the subject is nothing.
    pub id: [u8; 16],
    /// What the two numbers count.
    pub quantity: Quantity,
    /// What was expected.
    pub expected: u128,
    /// What was got.
    pub got: u128,
}

impl Detail {
    /// About an account, in minor units.
    #[must_use]
    pub const fn of_account(account: AccountId, expected: Minor, got: Minor) -> Self {
        Self {
            subject: Subject::Account,
            id: account.bytes(),
            quantity: Quantity::Amount,
            expected: expected.units(),
            got: got.units(),
        }
    }

    /// About an id only.
    #[must_use]
    pub const fn of(subject: Subject, id: [u8; 16]) -> Self {
        Self { subject, id, quantity: Quantity::Nothing, expected: 0, got: 0 }
    }

    fn write(&self) -> [u8; DETAIL_BYTES] {
        Writer::new()
            .put(self.id)
            .u128(self.expected)
            .u128(self.got)
            .u8(self.subject.code())
            .u8(self.quantity.code())
            .zeros::<14>()
            .done()
    }

    fn read(bytes: &[u8; DETAIL_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (id, expected, got) = (reader.array(), reader.u128(), reader.u128());
        let subject = Subject::from_code(reader.u8())?;
        let quantity = Quantity::from_code(reader.u8())?;
        reader.zeros::<14>().then_some(Self { subject, id, quantity, expected, got })
    }
}

/// One account's counters after an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which account.
    pub account: AccountId,
    /// Sum of all posted debits.
    pub debits_posted: Minor,
    /// Sum of all posted credits.
    pub credits_posted: Minor,
    /// Sum of held debits.
    pub debits_pending: Minor,
    /// Sum of held credits.
    pub credits_pending: Minor,
    /// What may still leave; `None` when there is no floor.
    pub available: Option<Minor>,
}

impl Balance {
    fn write(&self) -> [u8; BALANCE_BYTES] {
        Writer::new()
            .put(self.account.bytes())
            .u128(self.debits_posted.units())
            .u128(self.credits_posted.units())
            .u128(self.debits_pending.units())
            .u128(self.credits_pending.units())
            .u128(self.available.map_or(0, Minor::units))
            .u8(if self.available.is_none() { UNLIMITED } else { 0 })
            .zeros::<15>()
            .done()
    }

    fn read(bytes: &[u8; BALANCE_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let account = AccountId::from_bytes(reader.array());
        let mut minor = || Minor::new(reader.u128());
        let (debits_posted, credits_posted) = (minor(), minor());
        let (debits_pending, credits_pending, available) = (minor(), minor(), minor());
        let available = match (reader.u8(), available) {
            (0, available) => Some(available),
            (UNLIMITED, Minor::ZERO) => None,
            _ => return None,
        };
        let balance = Self {
            account,
            debits_posted,
            credits_posted,
            debits_pending,
            credits_pending,
            available,
        };
        reader.zeros::<15>().then_some(balance)
    }
}

/// What became of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What became of it.
    pub status: Status,
    /// The rule that refused it.
    pub rule: Option<Coded<Rule>>,
    /// The field that differs or that the rule speaks of, by [`Field`]'s number.
    pub field: Option<u8>,
    /// What the rule compared.
    pub detail: Option<Detail>,
    /// Where it is recorded: now, or when it was done first. Zero when it is not.
    pub position: Position,
    /// When it was recorded: now, or when it was done first. Zero when it is not.
    pub stamp: Instant,
    balances: (u32, u16),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status.name())?;
        match self.rule {
            Some(Coded::Known(rule)) => write!(f, ": {} (`{}`)", rule, rule.name())?,
            Some(later) => write!(f, ": {later}")?,
            None => {}
        }
        if let Some(field) = self.field {
            let name = Field::from_code(field).map_or("a later one", Field::name);
            write!(f, ", field `{name}`")?;
        }
        self.detail.iter().try_for_each(|detail| write!(f, ", {detail}"))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject {
            Subject::Nothing => {}
            Subject::Account => write!(f, "`{}` ", AccountId::from_bytes(self.id))?,
            Subject::Hold => write!(f, "`{}` ", terms::HoldId::from_bytes(self.id))?,
            Subject::Transaction => {
                write!(f, "`{}` ", terms::TransactionId::from_bytes(self.id))?;
            }
            Subject::Limit => write!(f, "limit `{:032x}` ", u128::from_be_bytes(self.id))?,
        }
        let (expected, got) = (self.expected, self.got);
        match self.quantity {
            Quantity::Nothing => Ok(()),
            Quantity::Amount | Quantity::Count | Quantity::Instant | Quantity::Side => {
                write!(f, "expected `{expected}`, got `{got}`")
            }
            Quantity::Id => write!(f, "expected `{expected:032x}`, got `{got:032x}`"),
        }
    }
}

/// Builds results straight into the bytes of the reply, in the order of the request's items.
#[derive(Debug)]
pub struct ResultsWriter {
    frame: Vec<u8>,
    items: u16,
    details: Vec<u8>,
    balances: Vec<u8>,
    left_out: bool,
}

impl ResultsWriter {
    /// Results of a request of so many items.
    #[must_use]
    pub fn for_items(items: usize) -> Self {
        let mut frame = Vec::with_capacity(HEADER_BYTES + PREFIX_BYTES + items * ITEM_BYTES);
        frame.extend_from_slice(&[0; HEADER_BYTES + PREFIX_BYTES]);
        Self { frame, items: 0, details: Vec::new(), balances: Vec::new(), left_out: false }
    }

    /// How many results were written.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.items)
    }

    /// Whether none was.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Recorded and durable.
    #[inline]
    pub fn done(&mut self, position: Position, stamp: Instant) {
        self.recorded(Status::Done, 0, position, stamp);
    }

    /// Recorded before: at `position`, at `stamp`.
    pub fn repeated(&mut self, position: Position, stamp: Instant) {
        self.recorded(Status::Repeated, 0, position, stamp);
    }

    /// The id was recorded before with another `field`.
    pub fn conflict(&mut self, field: Option<Field>, position: Position, stamp: Instant) {
        let field = field.map_or(0, Field::code);
        self.recorded(Status::Conflict, field, position, stamp);
    }

    /// A rule said no.
    pub fn refused(&mut self, rule: Rule, field: Option<Field>, detail: Option<Detail>) {
        let number = detail.map_or(0, |detail| {
            self.details.extend_from_slice(&detail.write());
            length_u32(self.details.len() / DETAIL_BYTES)
        });
        let item = Writer::new()
            .u8(Status::Refused.code())
            .u8(field.map_or(0, Field::code))
            .u16(rule.code())
            .u32(number);
        self.push(&item.done());
    }

    /// Surely not recorded.
    pub fn not_done(&mut self) {
        self.recorded(Status::NotDone, 0, Position::ZERO, Instant::EPOCH);
    }

    /// It may have been recorded.
    pub fn unknown(&mut self) {
        self.recorded(Status::Unknown, 0, Position::ZERO, Instant::EPOCH);
    }

    /// Nothing is recorded under this id.
    pub fn absent(&mut self) {
        self.recorded(Status::Absent, 0, Position::ZERO, Instant::EPOCH);
    }

    /// It would be done.
    pub fn passes(&mut self) {
        self.recorded(Status::Passes, 0, Position::ZERO, Instant::EPOCH);
    }

    /// Adds balances to the item that was written last. Left out when the reply would be too long,
    /// which the results say.
    pub fn balances(&mut self, balances: &[Balance]) {
        let more = balances.len() * BALANCE_BYTES;
        // Every item may yet be refused with a detail.
        let least = HEADER_BYTES
            + PREFIX_BYTES
            + (ITEM_BYTES + DETAIL_BYTES) * usize::from(crate::frame::ITEMS_MAX);
        let whole = least + self.balances.len() + more;
        let count = u16::try_from(balances.len()).ok();
        let fits = whole <= size(REPLY_BODY_BYTES_MAX) && self.items > 0;
        let (Some(count), true) = (count, fits) else {
            self.left_out = true;
            return;
        };
        let first = length_u32(self.balances.len() / BALANCE_BYTES);
        for balance in balances {
            self.balances.extend_from_slice(&balance.write());
        }
        let place: [u8; 8] = Writer::new().u32(first).u16(count).zeros::<2>().done();
        if let Some(to) = self.frame.last_chunk_mut::<8>() {
            *to = place;
        }
    }

    /// The reply: all items, as of `position`.
    #[must_use]
    pub fn finish(mut self, as_of: Position) -> ReplyBody {
        let prefix: [u8; PREFIX_BYTES] = Writer::new()
            .u32(length_u32(self.details.len() / DETAIL_BYTES))
            .u32(length_u32(self.balances.len() / BALANCE_BYTES))
            .u64(as_of.number())
            .done();
        let place = self.frame.get_mut(HEADER_BYTES..).and_then(<[u8]>::first_chunk_mut);
        if let Some(to) = place {
            *to = prefix;
        }
        self.frame.extend_from_slice(&self.details);
        self.frame.extend_from_slice(&self.balances);
        let flags = if self.left_out { BALANCES_LEFT_OUT } else { 0 };
        ReplyBody::results(self.frame, flags, self.items)
    }

    #[inline]
    fn recorded(&mut self, status: Status, field: u8, position: Position, stamp: Instant) {
        let item = Writer::new()
            .u8(status.code())
            .u8(field)
            .zeros::<6>()
            .u64(position.number())
            .u64(stamp.nanos());
        self.push(&item.done());
    }

    #[inline]
    fn push(&mut self, item: &[u8; ITEM_BYTES]) {
        self.frame.extend_from_slice(item);
        self.items += 1;
    }
}

/// The results of a request, as a client reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    body: Vec<u8>,
    items: u16,
    details: u32,
    /// Everything at or before this position is taken into account.
    pub as_of: Position,
    /// Whether balances were left out because the reply would have been too long.
    pub balances_left_out: bool,
}

impl Results {
    /// Reads a body; `None` when a byte is not what writing would give.
    #[must_use]
    pub fn read(body: Vec<u8>, items: u16, flags: u16) -> Option<Self> {
        let mut reader = Reader::new(&body);
        let (details, balances) = (reader.u32(), reader.u32());
        let as_of = Position::new(reader.u64());
        let sections = [
            (usize::from(items), ITEM_BYTES),
            (size(details), DETAIL_BYTES),
            (size(balances), BALANCE_BYTES),
        ];
        let expected = sections.iter().try_fold(PREFIX_BYTES, |sum, (count, bytes)| {
            sum.checked_add(count.checked_mul(*bytes)?)
        });
        if expected != Some(body.len()) || flags & !BALANCES_LEFT_OUT != 0 {
            return None;
        }
        let balances_left_out = flags & BALANCES_LEFT_OUT != 0;
        let results = Self { items, details, as_of, balances_left_out, body };
        let sound = results.item_chunks().iter().all(|item| results.item(item).is_some())
            && results.balance_chunks().iter().all(|one| Balance::read(one).is_some());
        sound.then_some(results)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.items)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Each item's result, in the order of the request.
    pub fn iter(&self) -> impl Iterator<Item = Item> + '_ {
        self.item_chunks().iter().filter_map(|item| self.item(item))
    }

    /// Balances that came with an item.
    pub fn balances_of(&self, item: &Item) -> impl Iterator<Item = Balance> + '_ {
        let (first, count) = item.balances;
        let chunks = self.balance_chunks().iter().skip(size(first)).take(usize::from(count));
        chunks.filter_map(Balance::read)
    }

    /// Whether every item has this status; quicker than reading them.
    #[must_use]
    pub fn all(&self, status: Status) -> bool {
        self.item_chunks().iter().all(|item| item.first() == Some(&status.code()))
    }

    fn item(&self, bytes: &[u8; ITEM_BYTES]) -> Option<Item> {
        let mut reader = Reader::new(bytes);
        let status = Status::from_code(reader.u8())?;
        let (field, rule, number) = (reader.u8(), reader.u16(), reader.u32());
        let (position, stamp) = (Position::new(reader.u64()), Instant::from_nanos(reader.u64()));
        let (first, count) = (reader.u32(), reader.u16());
        if !reader.zeros::<2>() || (rule != 0) != (status == Status::Refused) {
            return None;
        }
        let rule =
            (rule != 0).then(|| Rule::from_code(rule).map_or(Coded::Later(rule), Coded::Known));
        let detail = match size(number).checked_sub(1) {
            None => None,
            Some(index) => Some(Detail::read(self.detail_chunks().get(index)?)?),
        };
        let end = size(first).checked_add(usize::from(count))?;
        if end > self.balance_chunks().len() || (count == 0 && first != 0) {
            return None;
        }
        let field = (field != 0).then_some(field);
        Some(Item { status, rule, field, detail, position, stamp, balances: (first, count) })
    }

    fn item_chunks(&self) -> &[[u8; ITEM_BYTES]] {
        self.section(PREFIX_BYTES).get(..self.len()).unwrap_or_default()
    }

    fn detail_chunks(&self) -> &[[u8; DETAIL_BYTES]] {
        let from = PREFIX_BYTES + self.len() * ITEM_BYTES;
        self.section(from).get(..size(self.details)).unwrap_or_default()
    }

    fn balance_chunks(&self) -> &[[u8; BALANCE_BYTES]] {
        self.section(PREFIX_BYTES + self.len() * ITEM_BYTES + size(self.details) * DETAIL_BYTES)
    }

    fn section<const N: usize>(&self, from: usize) -> &[[u8; N]] {
        self.body.get(from..).map_or(&[], |rest| rest.as_chunks().0)
    }
}

#[cfg(test)]
mod tests;
