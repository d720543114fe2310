//! Business days: what was posted on each, the lowest balances, and the close.
//!
//! The close is the cut-off: what comes after it carries a later date. Entries are kept until
//! their day is closed, and of the last [`CLOSED_KEPT`] closed days, so that the files of a close
//! can be written again, byte for byte.

use std::collections::BTreeMap;

use ledger::{Change, FullLedger, Owner, Purpose, Resolved, Side as EntrySide};
use minicbor::{Decode, Encode};
use record::{
    BusinessDayClosed, DayAccount, DayAsset, FactBody, Heading, LineId, SaltSlot, TransitItem,
};
use seal::{Domain, digest};
use terms::{
    AccountId, AssetCode, BusinessDate, Instant, InstitutionName, Minor, Position, TransactionId,
};

use super::claims::next_day;
use super::{FundingAnswer, LineEntry, LineStanding, News, Step};
use crate::rule::{Rule, RuleName};
use crate::settlement::SettlementBook;

/// Domain of the names of transfers among the items in transit, which lines name otherwise.
const TRANSFER_ITEM: Domain = Domain::new("wayleave/transfer-in-transit/v1");
/// Closed days whose entries stay at hand.
pub const CLOSED_KEPT: usize = 7;

/// One entry of a transaction on a business day.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DayEntry {
    /// Where it was posted.
    #[n(0)]
    pub position: Position,
    /// The transaction.
    #[n(1)]
    pub transaction: TransactionId,
    /// The account.
    #[n(2)]
    pub account: AccountId,
    /// Which side.
    #[n(3)]
    pub side: EntrySide,
    /// How much.
    #[n(4)]
    pub amount: Minor,
    /// The day that it counts for.
    #[n(5)]
    pub date: BusinessDate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Sums {
    #[n(0)]
    debits: Minor,
    #[n(1)]
    credits: Minor,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct OpenDay {
    #[n(0)]
    entries: Vec<DayEntry>,
    #[n(1)]
    lows: BTreeMap<AccountId, Minor>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct ClosedDay {
    #[n(0)]
    position: Position,
    #[n(1)]
    body: BusinessDayClosed,
    #[n(2)]
    entries: Vec<DayEntry>,
}

/// The business days of the settlement book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Days {
    #[n(0)]
    open: BTreeMap<BusinessDate, OpenDay>,
    #[n(1)]
    closed: BTreeMap<BusinessDate, ClosedDay>,
    #[n(2)]
    last_closed: Option<BusinessDate>,
    #[n(3)]
    before: BTreeMap<AccountId, Sums>,
    /// The fact that is being applied.
    #[n(4)]
    position: Option<Position>,
}

/// A closed day with all that its files say.
#[derive(Clone, Debug)]
pub struct DayShown {
    /// Where it was closed.
    pub position: Position,
    /// The fact.
    pub body: BusinessDayClosed,
    /// What was posted, in order.
    pub entries: Vec<DayEntry>,
}

impl Days {
    /// The business date at a moment.
    pub(super) fn running(&self, stamp: Instant) -> BusinessDate {
        self.last_closed.map_or(stamp.date(), |closed| stamp.date().max(next_day(closed)))
    }

    /// The newest day that was closed.
    #[must_use]
    pub const fn last_closed(&self) -> Option<BusinessDate> {
        self.last_closed
    }

    /// A closed day, while its entries are at hand.
    #[must_use]
    pub fn shown(&self, date: BusinessDate) -> Option<DayShown> {
        let ClosedDay { position, body, entries } = self.closed.get(&date)?;
        Some(DayShown { position: *position, body: body.clone(), entries: entries.clone() })
    }

    /// Whether nothing may be posted for this day any more.
    pub(in crate::settlement) fn is_over(&self, date: BusinessDate) -> bool {
        self.last_closed.is_some_and(|closed| date <= closed)
    }

    pub(in crate::settlement) fn begin(&mut self, position: Position) {
        self.position = Some(position);
    }

    /// Notes a change after the ledger applied it.
    pub(in crate::settlement) fn note(&mut self, change: &Change, ledger: &FullLedger) {
        let Resolved::Posted { transaction, .. } = change.resolved() else { return };
        let day = self.open.entry(transaction.business_date).or_default();
        for entry in &transaction.entries {
            day.entries.push(DayEntry {
                position: self.position.unwrap_or(Position::ZERO),
                transaction: transaction.id,
                account: entry.account,
                side: entry.side,
                amount: entry.amount,
                date: transaction.business_date,
            });
            if let Some(balance) = own_balance(ledger, entry.account) {
                let low = day.lows.entry(entry.account).or_insert(balance);
                *low = balance.min(*low);
            }
        }
    }

    pub(super) fn close(&mut self, position: Position, body: BusinessDayClosed) {
        let mut entries = Vec::new();
        while let Some(first) = self.open.first_entry() {
            if *first.key() > body.date {
                break;
            }
            entries.extend(first.remove().entries);
        }
        for entry in &entries {
            let sums = self.before.entry(entry.account).or_insert(Sums::NONE);
            sums.add(entry);
        }
        self.last_closed = Some(body.date);
        self.closed.insert(body.date, ClosedDay { position, body, entries });
        while self.closed.len() > CLOSED_KEPT {
            self.closed.pop_first();
        }
    }

    fn until(&self, date: BusinessDate) -> impl Iterator<Item = &OpenDay> {
        self.open.range(..=date).map(|(_, day)| day)
    }
}

impl Sums {
    const NONE: Self = Self { debits: Minor::ZERO, credits: Minor::ZERO };

    fn add(&mut self, entry: &DayEntry) {
        let sum = match entry.side {
            EntrySide::Debit => &mut self.debits,
            EntrySide::Credit => &mut self.credits,
        };
        *sum = sum.plus(entry.amount).unwrap_or(Minor::MAX);
    }

    fn plus(&self, other: &Self) -> Self {
        let plus = |one: Minor, two: Minor| one.plus(two).unwrap_or(Minor::MAX);
        Self { debits: plus(self.debits, other.debits), credits: plus(self.credits, other.credits) }
    }

    /// The balance on an account's own side; nothing where it lies on the other.
    fn on(&self, normal: EntrySide) -> Minor {
        let (grows, falls) = match normal {
            EntrySide::Debit => (self.debits, self.credits),
            EntrySide::Credit => (self.credits, self.debits),
        };
        grows.minus(falls).unwrap_or(Minor::ZERO)
    }
}

fn own_balance(ledger: &FullLedger, account: AccountId) -> Option<Minor> {
    let known = ledger.account(account)?;
    let balances = known.balances();
    let sums = Sums { debits: balances.debits_posted, credits: balances.credits_posted };
    Some(sums.on(known.opening().normal))
}

impl SettlementBook {
    /// Closes the day that runs, or this one. A day that was closed gives the same answer again.
    pub(super) fn close_day(
        &self,
        at: Instant,
        slot: SaltSlot,
        asked: Option<BusinessDate>,
    ) -> Step {
        let days = &self.funding.days;
        let runs = days.running(at);
        // After a close the next day has not begun: asked for no day in particular, it is the
        // last one that is meant.
        let date = asked.unwrap_or_else(|| runs.min(at.date()));
        if days.is_over(date) {
            let known = days.closed.get(&date).ok_or_else(|| {
                let detail = format!("`{date}`, and its entries are not at hand any more");
                Rule::new(RuleName::BusinessDayOver, detail)
            })?;
            let body = Box::new(known.body.clone());
            return Ok((vec![], FundingAnswer::DayClosed(body, News::Before)));
        }
        if date > at.date() {
            let detail = format!("`{date}`, it is `{}`", at.date());
            return Err(Rule::new(RuleName::BusinessDayNotBegun, detail));
        }
        let body = self.closing(at, date);
        let fact = body.to_fact(slot, Heading::default());
        Ok((vec![fact], FundingAnswer::DayClosed(Box::new(body), News::Now)))
    }

    fn closing(&self, at: Instant, date: BusinessDate) -> BusinessDayClosed {
        let days = &self.funding.days;
        let mut moved: BTreeMap<AccountId, Sums> = BTreeMap::new();
        let entries = || days.until(date).flat_map(|day| &day.entries);
        for entry in entries() {
            moved.entry(entry.account).or_insert(Sums::NONE).add(entry);
        }
        let mut accounts: Vec<DayAccount> = Vec::new();
        let mut assets: BTreeMap<AssetCode, DayAsset> = BTreeMap::new();
        for known in self.ledger.accounts() {
            let opening = known.opening();
            let Owner::Institution(owner) = opening.owner else { continue };
            let before = days.before.get(&opening.id).copied().unwrap_or(Sums::NONE);
            let day = moved.get(&opening.id).copied().unwrap_or(Sums::NONE);
            let lows = days.until(date).filter_map(|day| day.lows.get(&opening.id).copied());
            let begins = before.on(opening.normal);
            let total =
                assets.entry(opening.asset).or_insert_with(|| self.asset_of(opening.asset, date));
            let sums = Sums { debits: total.debits, credits: total.credits }.plus(&day);
            (total.debits, total.credits) = (sums.debits, sums.credits);
            if opening.normal == EntrySide::Credit {
                let balance = before.plus(&day).on(EntrySide::Credit);
                total.liabilities = total.liabilities.plus(balance).unwrap_or(Minor::MAX);
            }
            accounts.push(DayAccount {
                account: opening.id,
                asset: opening.asset,
                owner,
                purpose: purpose_word(opening.purpose).to_owned(),
                debits_before: before.debits,
                credits_before: before.credits,
                debits: day.debits,
                credits: day.credits,
                low_water: lows.fold(begins, Minor::min),
            });
        }
        BusinessDayClosed {
            date,
            previous: days.last_closed,
            last: entries().map(|entry| entry.position).max(),
            closed_at: at,
            assets: assets.into_values().collect(),
            accounts,
            in_transit: self.items_in_transit(),
            breaks: self.funding.breaks.values().cloned().collect(),
        }
    }

    /// What waits by name: lines in suspense, and transfers over rails that the book has posted and
    /// the bank has not booked.
    fn items_in_transit(&self) -> Vec<TransitItem> {
        let lines = self.funding.suspense().map(transit_item);
        let posted = self.transfers().filter(|one| one.in_transit());
        let sent = posted.map(|one| TransitItem {
            line: LineId(digest(TRANSFER_ITEM, &one.id.bytes())),
            amount: one.amount,
            what: format!("withdrawal {}", one.id),
            since: one.changed_at,
        });
        lines.chain(sent).collect()
    }

    fn asset_of(&self, asset: AssetCode, date: BusinessDate) -> DayAsset {
        let confirmed = self.funding.confirmed(asset, date);
        DayAsset {
            asset,
            debits: Minor::ZERO,
            credits: Minor::ZERO,
            liabilities: Minor::ZERO,
            confirmed_in: confirmed.came_in,
            confirmed_out: confirmed.went_out,
        }
    }

    /// An account of an institution by its purpose: the first one opened.
    pub(super) fn own_account(
        &self,
        owner: InstitutionName,
        asset: AssetCode,
        purpose: Purpose,
    ) -> Option<AccountId> {
        let fits = |opening: &ledger::Opening| {
            opening.owner == Owner::Institution(owner)
                && opening.asset == asset
                && opening.purpose == purpose
        };
        self.ledger.accounts().find(|known| fits(known.opening())).map(|known| known.opening().id)
    }
}

fn transit_item(entry: &LineEntry) -> TransitItem {
    let what = match &entry.standing {
        LineStanding::ReturnOrdered(word) => format!("return {word}"),
        LineStanding::Settled | LineStanding::InSuspense | LineStanding::Broken => {
            "suspense".to_owned()
        }
    };
    TransitItem { line: entry.line.line, amount: entry.line.amount, what, since: entry.booked_at }
}

/// What an account is for, in a word.
#[must_use]
pub const fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Customer => "customer",
        Purpose::Settlement => "settlement",
        Purpose::Control => "control",
        Purpose::Fee => "fee",
        Purpose::Suspense => "suspense",
        Purpose::BlockedFunds => "blocked",
        Purpose::DueTo => "due-to",
        Purpose::DueFrom => "due-from",
        Purpose::Transit => "transit",
    }
}
