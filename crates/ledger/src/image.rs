//! A ledger as flat bytes, written at once or in small steps while it goes on changing.
//!
//! The bytes are a cache beside the journal, of one build's layout: a reader tests the sums that
//! memory alone can tell ([`Ledger::audit`]) and refuses what does not agree. Nothing in them
//! depends on the key of the indexes. Layout: `docs/formats/ledger.md`.

use terms::{AccountId, BusinessDate, Instant, Minor};
use thiserror::Error;

use crate::account::{Ceiling, Floor, Freeze, Purpose};
use crate::hold::Hold;
use crate::label::{Tag, Tags};
use crate::row::{Beside, More, Row};
use crate::state::{AuditFault, CounterRow, HASH_SEED, Ledger, Total, place};
use crate::transaction::Side;
use crate::velocity::{Counter, LimitKey, Period};

/// What an image begins with: layout 3.
const MAGIC: [u8; 8] = *b"wlvledg3";

/// Why an image is not read. It is a cache: the journal is folded instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageFault {
    /// Not an image of this layout, or cut short.
    #[error("expected an image of a ledger, stopped {left} bytes before the end")]
    Malformed {
        /// How many bytes were not understood.
        left: usize,
    },
    /// The sums do not agree.
    #[error("the image does not agree with itself: {0}")]
    Audit(#[from] AuditFault),
}

/// A hold takes as long to write as so many accounts.
const ROWS_OF_HOLD: u32 = 16;

/// An image that is being written in steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imaging {
    part: Part,
    /// The next owner to write, and how many there were. Owners are only added.
    owner: u32,
    owners: u32,
}

/// The parts of an image, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Owners,
    Rows,
    Beside,
    Holds,
    Counters,
}

impl Part {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Owners => Some(Self::Rows),
            Self::Rows => Some(Self::Beside),
            Self::Beside => Some(Self::Holds),
            Self::Holds => Some(Self::Counters),
            Self::Counters => None,
        }
    }
}

impl Ledger {
    /// The whole ledger as bytes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(place(self.rows.len()).saturating_mul(64));
        self.write_head(&mut out);
        (0..self.owners.len()).for_each(|n| write_owner(self.owners.bytes(n), &mut out));
        self.rows.iter().for_each(|row| write_row(row, &mut out));
        self.beside.iter().for_each(|beside| write_beside(beside, &mut out));
        self.holds.iter().for_each(|hold| write_hold(hold.as_deref(), &mut out));
        self.counters.iter().for_each(|counter| write_counter(counter.as_ref(), &mut out));
        out
    }

    /// Begins an image of the ledger as it stands now, and gives its first bytes. The pieces of
    /// [`Self::image_step`] follow them; together they are what [`Self::save`] would give now.
    /// An image that was not finished is given up.
    #[must_use]
    pub fn begin_image(&mut self) -> Vec<u8> {
        self.rows.begin_copy();
        self.beside.begin_copy();
        self.holds.begin_copy();
        self.counters.begin_copy();
        self.imaging = Some(Imaging { part: Part::Owners, owner: 0, owners: self.owners.len() });
        let mut head = Vec::new();
        self.write_head(&mut head);
        head
    }

    /// Appends the next bytes of the image that was begun: at most `rows` rows of some kind, some
    /// 50 bytes and 20 ns each. `false` when all are written. Changes applied between the steps do
    /// not show: a row that changes before it is written is kept as it was, once.
    pub fn image_step(&mut self, rows: u32, out: &mut Vec<u8>) -> bool {
        let Some(mut imaging) = self.imaging.take() else { return false };
        let rows = match imaging.part {
            Part::Holds => rows / ROWS_OF_HOLD,
            Part::Owners | Part::Rows | Part::Beside | Part::Counters => rows,
        };
        let rows = rows.max(1);
        let written = match imaging.part {
            Part::Owners => {
                let to = imaging.owners.min(imaging.owner.saturating_add(rows));
                (imaging.owner..to).for_each(|n| write_owner(self.owners.bytes(n), out));
                let written = to.saturating_sub(imaging.owner);
                imaging.owner = to;
                written
            }
            Part::Rows => self.rows.copy(rows, |row| write_row(row, out)),
            Part::Beside => self.beside.copy(rows, |beside| write_beside(beside, out)),
            Part::Holds => self.holds.copy(rows, |hold| write_hold(hold.as_deref(), out)),
            Part::Counters => self.counters.copy(rows, |row| write_counter(row.as_ref(), out)),
        };
        let part = if written < rows { imaging.part.next() } else { Some(imaging.part) };
        self.imaging = part.map(|part| Imaging { part, ..imaging });
        self.imaging.is_some()
    }

    /// Gives up an image that was begun.
    pub fn give_up_image(&mut self) {
        self.imaging = None;
        self.rows.end_copy();
        self.beside.end_copy();
        self.holds.end_copy();
        self.counters.end_copy();
    }

    /// Reads what [`Self::save`] wrote, and tests its sums.
    pub fn load(bytes: &[u8]) -> Result<Self, ImageFault> {
        Self::load_with_hash_seed(bytes, HASH_SEED)
    }

    /// As [`Self::load`], for a ledger whose indexes hash with this key.
    pub fn load_with_hash_seed(bytes: &[u8], seed: u64) -> Result<Self, ImageFault> {
        let mut ledger = Self::with_hash_seed(seed);
        let mut reader = Reader(bytes);
        let read = ledger.read(&mut reader);
        let Reader(rest) = reader;
        if read.is_none() || !rest.is_empty() {
            return Err(ImageFault::Malformed { left: rest.len() });
        }
        ledger.audit()?;
        Ok(ledger)
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        let assets = u32::try_from(self.assets.len()).unwrap_or(u32::MAX);
        let holds = self.holds.len();
        for number in [assets, self.owners.len(), self.rows.len(), holds, self.counters.len()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for (asset, total) in self.assets.iter().zip(&self.totals) {
            write_owner(asset.as_str().as_bytes(), out);
            write_total(total, out);
        }
    }

    fn read(&mut self, from: &mut Reader<'_>) -> Option<()> {
        if from.take()? != MAGIC {
            return None;
        }
        let [assets, owners, rows, holds, counters] =
            [from.u32()?, from.u32()?, from.u32()?, from.u32()?, from.u32()?];
        for _ in 0..assets {
            let asset = core::str::from_utf8(from.short()?).ok()?.parse().ok()?;
            self.add_asset(asset, from.total()?);
        }
        // No count is believed further than the bytes that are there.
        let most = u32::try_from(from.0.len()).unwrap_or(u32::MAX);
        self.owners.reserve(owners.min(most));
        for _ in 0..owners {
            self.owners.push(&self.key, from.short()?)?;
        }
        self.reserve(rows.min(most / LEAST_ROW));
        for _ in 0..rows {
            let row = from.row()?;
            if row.asset >= assets || row.owner >= owners {
                return None;
            }
            self.restore_row(row);
        }
        for _ in 0..rows {
            self.beside.push(from.beside()?);
        }
        for _ in 0..holds {
            let length = from.u32()?;
            let hold = if length == 0 { None } else { Some(from.hold(length)?) };
            self.restore_hold(hold);
        }
        for _ in 0..counters {
            let row = if flag(from.u8()?)? { Some(from.counter()?) } else { None };
            self.restore_counter(row, assets)?;
        }
        Some(())
    }
}

fn write_owner(bytes: &[u8], out: &mut Vec<u8>) {
    // Names have at most 48 bytes.
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

fn write_total(total: &Total, out: &mut Vec<u8>) {
    let Total { debits_posted, credits_posted, debits_pending, credits_pending } = *total;
    for amount in [debits_posted, credits_posted, debits_pending, credits_pending] {
        out.extend_from_slice(&amount.units().to_le_bytes());
    }
}

/// Bits of an account: how its counters stand.
const WIDE: u8 = 1;
const HELD: u8 = 2;

fn write_row(row: &Row, out: &mut Vec<u8>) {
    let counters = &row.counters;
    let posted = [counters.debits_posted.units(), counters.credits_posted.units()];
    let held = [counters.debits_pending.units(), counters.credits_pending.units()];
    let (floor, overdraft) = floor_parts(row.floor());
    let (ceiling, most) = ceiling_parts(row.ceiling());
    let (normal, purpose) = (row.normal.number(), row.purpose.number());
    let (closed, blocked) = (u8::from(row.is_closed), u8::from(row.is_blocked));
    let has_held = held != [0, 0];
    let low = posted.map(u64::try_from);
    let has = if has_held { HELD } else { 0 };
    let has = if let [Ok(_), Ok(_)] = low { has } else { has | WIDE };
    let mut fixed = [0; ROW_BYTES];
    let [a, b, c, d] = row.asset.to_le_bytes();
    let [e, f, g, h] = row.owner.to_le_bytes();
    let numbers = [a, b, c, d, e, f, g, h];
    let flags = [floor, ceiling, normal, purpose, row.freeze.number(), closed, blocked, has];
    if let Some((id, rest)) = fixed.split_first_chunk_mut::<16>() {
        *id = row.id.bytes();
        for (to, from) in rest.as_chunks_mut::<8>().0.iter_mut().zip([numbers, flags]) {
            *to = from;
        }
    }
    out.extend_from_slice(&fixed);
    match low {
        [Ok(debits), Ok(credits)] => {
            let [debits, credits] = [debits, credits].map(u64::to_le_bytes);
            out.extend_from_slice([debits, credits].as_flattened());
        }
        _ => posted.iter().for_each(|units| out.extend_from_slice(&units.to_le_bytes())),
    }
    if has_held {
        held.iter().for_each(|units| out.extend_from_slice(&units.to_le_bytes()));
    }
    if floor == OVERDRAFT {
        out.extend_from_slice(&overdraft.to_le_bytes());
    }
    if ceiling == CEILING {
        out.extend_from_slice(&most.to_le_bytes());
    }
}

/// Bytes of an account that every one has: id, numbers of asset and owner, eight bytes.
const ROW_BYTES: usize = 32;
/// The kinds of floor and of ceiling that have an amount.
const OVERDRAFT: u8 = 1;
const CEILING: u8 = 0;

fn write_beside(beside: &Beside, out: &mut Vec<u8>) {
    out.extend_from_slice(&beside.opened_at.nanos().to_le_bytes());
    let more = beside.more.as_deref();
    let first = more.and_then(|more| more.first);
    let tags = more.and_then(|more| more.tags);
    let has = |yes: bool, flag: u8| if yes { flag } else { 0 };
    let code = has(beside.code.is_some(), CODE);
    out.push(
        has(more.is_some(), MORE) | has(first.is_some(), FIRST) | has(tags.is_some(), TAGS) | code,
    );
    if let Some(code) = beside.code {
        out.extend_from_slice(&code.to_le_bytes());
    }
    if let Some(more) = more {
        out.extend_from_slice(&more.blocked.units().to_le_bytes());
        out.extend_from_slice(&more.closed_at.nanos().to_le_bytes());
    }
    if let Some((floor, ceiling)) = first {
        let ((floor, overdraft), (ceiling, most)) = (floor_parts(floor), ceiling_parts(ceiling));
        out.extend_from_slice(&[floor, ceiling]);
        out.extend_from_slice(&overdraft.to_le_bytes());
        out.extend_from_slice(&most.to_le_bytes());
    }
    if let Some(tags) = tags {
        out.push(u8::try_from(tags.iter().count()).unwrap_or(u8::MAX));
        tags.iter().for_each(|tag| write_owner(tag.as_str().as_bytes(), out));
    }
}

/// Bits of what stands beside an account.
const MORE: u8 = 1;
const FIRST: u8 = 2;
const TAGS: u8 = 4;
const CODE: u8 = 8;

fn write_hold(hold: Option<&Hold>, out: &mut Vec<u8>) {
    let bytes = hold.map(seal::to_canonical::<Hold>).unwrap_or_default();
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&bytes);
}

fn write_counter(row: Option<&CounterRow>, out: &mut Vec<u8>) {
    out.push(u8::from(row.is_some()));
    let Some(row) = row else { return };
    out.extend_from_slice(row.key.0.as_bytes());
    out.extend_from_slice(&row.asset.to_le_bytes());
    let (kind, buckets) = row.period.parts();
    out.extend_from_slice(&[kind, buckets, row.hour.unwrap_or(NO_HOUR)]);
    out.extend_from_slice(&row.first_day.days().to_le_bytes());
    out.extend_from_slice(&row.counter.amount.units().to_le_bytes());
    out.extend_from_slice(&row.counter.count.to_le_bytes());
}

/// Stands where a counter is not of one hour.
const NO_HOUR: u8 = u8::MAX;

const fn floor_parts(floor: Floor) -> (u8, u128) {
    match floor {
        Floor::MayNotGoBelowZero => (0, 0),
        Floor::Overdraft(most) => (OVERDRAFT, most.units()),
        Floor::Unlimited => (2, 0),
    }
}

const fn ceiling_parts(ceiling: Ceiling) -> (u8, u128) {
    match ceiling {
        Ceiling::At(most) => (CEILING, most.units()),
        Ceiling::Unlimited => (1, 0),
    }
}

/// Least bytes of an account, for how many there may be.
const LEAST_ROW: u32 = 48;

/// What is left of an image.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn minor(&mut self) -> Option<Minor> {
        self.take().map(|bytes| Minor::new(u128::from_le_bytes(bytes)))
    }

    /// A length of one byte and as many bytes.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u8()?);
        self.slice(length)
    }

    fn total(&mut self) -> Option<Total> {
        Some(Total {
            debits_posted: self.minor()?,
            credits_posted: self.minor()?,
            debits_pending: self.minor()?,
            credits_pending: self.minor()?,
        })
    }

    fn row(&mut self) -> Option<Row> {
        let id = AccountId::from_bytes(self.take()?);
        let (asset, owner) = (self.u32()?, self.u32()?);
        let [floor, ceiling, normal, purpose, freeze, closed, blocked, has] = self.take()?;
        let mut row = Row::new(id, asset, owner, Side::of_number(normal)?);
        let [debits_posted, credits_posted] = match has & WIDE {
            0 => [self.u64()?, self.u64()?].map(|units| Minor::new(units.into())),
            _ => [self.minor()?, self.minor()?],
        };
        let [debits_pending, credits_pending] = match has & HELD {
            0 => [Minor::ZERO; 2],
            _ => [self.minor()?, self.minor()?],
        };
        row.counters = Total { debits_posted, credits_posted, debits_pending, credits_pending };
        row.purpose = Purpose::of_number(purpose)?;
        row.freeze = Freeze::of_number(freeze)?;
        let overdraft = if floor == OVERDRAFT { self.minor()? } else { Minor::ZERO };
        let most = if ceiling == CEILING { self.minor()? } else { Minor::ZERO };
        row.set_limits(floor_of(floor, overdraft)?, ceiling_of(ceiling, most)?);
        (row.is_closed, row.is_blocked) = (flag(closed)?, flag(blocked)?);
        (has <= WIDE | HELD).then_some(row)
    }

    fn beside(&mut self) -> Option<Beside> {
        let opened_at = Instant::from_nanos(self.u64()?);
        let has = self.u8()?;
        let code = if has & CODE == 0 { None } else { Some(u16::from_le_bytes(self.take()?)) };
        if has & MORE == 0 {
            return (has & !CODE == 0).then_some(Beside { opened_at, code, more: None });
        }
        let (blocked, closed_at) = (self.minor()?, Instant::from_nanos(self.u64()?));
        let mut more = More { first: None, blocked, closed_at, tags: None };
        if has & FIRST != 0 {
            let [floor, ceiling] = self.take()?;
            let (overdraft, most) = (self.minor()?, self.minor()?);
            more.first = Some((floor_of(floor, overdraft)?, ceiling_of(ceiling, most)?));
        }
        if has & TAGS != 0 {
            let count = self.u8()?;
            let tags: Option<Vec<Tag>> = (0..count).map(|_| self.tag()).collect();
            more.tags = Some(Tags::of(tags?).ok()?);
        }
        let known = has <= MORE | FIRST | TAGS | CODE;
        known.then(|| Beside { opened_at, code, more: Some(Box::new(more)) })
    }

    fn tag(&mut self) -> Option<Tag> {
        core::str::from_utf8(self.short()?).ok()?.parse().ok()
    }

    fn hold(&mut self, length: u32) -> Option<Hold> {
        seal::from_canonical(self.slice(place(length))?).ok()
    }

    fn counter(&mut self) -> Option<CounterRow> {
        let key = LimitKey(seal::Digest::from_bytes(self.take()?));
        let asset = self.u32()?;
        let [kind, buckets, hour] = self.take()?;
        let period = Period::of_parts(kind, buckets)?;
        let hour = if hour == NO_HOUR { None } else { Some(hour) };
        let first_day = BusinessDate::from_days(self.u32()?);
        let (amount, count) = (self.minor()?, self.u32()?);
        let counter = Counter { amount, count };
        Some(CounterRow { key, asset, period, first_day, hour, counter })
    }
}

fn floor_of(kind: u8, overdraft: Minor) -> Option<Floor> {
    match kind {
        0 => Some(Floor::MayNotGoBelowZero),
        OVERDRAFT => Some(Floor::Overdraft(overdraft)),
        2 => Some(Floor::Unlimited),
        _ => None,
    }
}

fn ceiling_of(kind: u8, most: Minor) -> Option<Ceiling> {
    match kind {
        CEILING => Some(Ceiling::At(most)),
        1 => Some(Ceiling::Unlimited),
        _ => None,
    }
}

const fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
