//! The trial balance of a business date.

use std::collections::BTreeMap;

use ledger::Side;
use terms::{AccountId, AssetCode, BusinessDate, Minor};

use super::bytes::{narrow, wide};
use super::cursor::{Cursor, List};
use super::days::{Days, Turnover};
use super::error::QueryError;
use super::flush::turnover;
use super::item::What;
use super::statement::Start;
use super::tables::DAYS;
use super::{Look, PAGE_MAX, Seen, Views};

/// Debits and credits, each as a sum from the book's beginning or over a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Sum of debits.
    pub debits: Minor,
    /// Sum of credits.
    pub credits: Minor,
}

/// What one business date did: `opening` and `day` make `closing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySums {
    /// Everything of earlier business dates.
    pub opening: Sums,
    /// Everything of this one.
    pub day: Sums,
    /// Both.
    pub closing: Sums,
}

/// One asset's line. Debits and credits are the same in each of its sums unless a transaction of
/// the book does not balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetLine {
    /// Which asset.
    pub asset: AssetCode,
    /// Over all its accounts.
    pub sums: DaySums,
}

/// One account's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLine {
    /// Which account.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetCode,
    /// The side on which its balance grows.
    pub normal: Side,
    /// Its sums.
    pub sums: DaySums,
}

/// Some accounts' lines, in the order in which they were opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialPage {
    /// The lines: every account has one, also when nothing was posted.
    pub lines: Vec<AccountLine>,
    /// To go on with, also later, when more accounts were opened.
    pub next: Cursor,
    /// Whether no further account was seen.
    pub at_end: bool,
}

/// Turnover of the date asked for, and of later ones.
#[derive(Clone, Copy, Default)]
struct Since {
    day: Turnover,
    later: Turnover,
}

impl Since {
    fn add(&mut self, asked: u32, date: u32, one: Turnover) {
        if date == asked {
            self.day.add(one);
        } else if date > asked {
            self.later.add(one);
        }
    }

    fn sums(&self, total: Turnover) -> DaySums {
        let closing = total.less(self.later);
        DaySums {
            opening: sums_of(closing.less(self.day)),
            day: sums_of(self.day),
            closing: sums_of(closing),
        }
    }
}

impl Views {
    /// The trial balance of a business date by asset, over everything seen.
    ///
    /// Reads the sums of that date and of every later one: quick for recent dates.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn trial_balance(&self, date: BusinessDate) -> Result<Seen<Vec<AssetLine>>, QueryError> {
        self.look(|look| {
            let accounts = &look.head.accounts;
            let count = accounts.assets().len();
            let mut since = vec![Since::default(); count];
            let mut totals = vec![Turnover::default(); count];
            for (slot, row) in accounts.rows() {
                if let Some(total) = totals.get_mut(wide(row.asset)) {
                    total.add(posted(look, slot));
                }
            }
            gather(look, date, (0, u32::MAX), &mut |slot, found, one| {
                let asset = accounts.row(slot).map_or(usize::MAX, |row| wide(row.asset));
                if let Some(since) = since.get_mut(asset) {
                    since.add(date.days(), found, one);
                }
            })?;
            let lines = accounts.assets().iter().zip(since.iter().zip(totals));
            let mut lines: Vec<AssetLine> = lines
                .map(|(asset, (since, total))| AssetLine { asset: *asset, sums: since.sums(total) })
                .collect();
            lines.sort_unstable_by_key(|line| line.asset);
            Ok(lines)
        })
    }

    /// One page of the trial balance by account.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn trial_balance_of_accounts(
        &self,
        date: BusinessDate,
        start: Start,
        limit: usize,
    ) -> Result<Seen<TrialPage>, QueryError> {
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(QueryError::Page { max: PAGE_MAX, got: limit });
        }
        self.look(|look| {
            let count = look.head.accounts.count();
            let first = match start {
                Start::AtEnd => 0,
                Start::At(cursor) => {
                    let (slot, _) = cursor.of(List::Trial, 0)?;
                    u32::try_from(slot).map_err(|_| QueryError::Cursor)?
                }
            };
            let until = first.saturating_add(narrow(limit)).min(count).max(first);
            let mut since: BTreeMap<u32, Since> = BTreeMap::new();
            if let Some(last) = until.checked_sub(1).filter(|last| *last >= first) {
                gather(look, date, (first, last), &mut |slot, found, one| {
                    since.entry(slot).or_default().add(date.days(), found, one);
                })?;
            }
            let line = |slot| {
                let fixed = look.account(slot)?;
                let since = since.get(&slot).copied().unwrap_or_default();
                let sums = since.sums(posted(look, slot));
                let (account, asset, normal) = (fixed.account, fixed.asset, fixed.normal);
                Ok(AccountLine { account, asset, normal, sums })
            };
            let lines = (first..until).map(line).collect::<Result<_, QueryError>>()?;
            let next = Cursor::new(List::Trial, 0, until.into(), 0);
            Ok(TrialPage { lines, next, at_end: until >= count })
        })
    }
}

/// Visits what accounts of these slots posted on `date` and later: slot, date, sums.
fn gather(
    look: &Look<'_>,
    date: BusinessDate,
    (first, last): (u32, u32),
    visit: &mut dyn FnMut(u32, u32, Turnover),
) -> Result<(), QueryError> {
    let (table, runs) = (look.reading.table(DAYS)?, narrow(look.head.runs.len()));
    Days { table, runs }.rows_since(date.days(), first, last, |found, slot, one| {
        visit(slot, found, one);
    })?;
    let (accounts, buffer) = (&look.head.accounts, &look.head.buffer);
    for slot in buffer.touched.iter().filter(|slot| (first..=last).contains(slot)) {
        let mut at = accounts.row(*slot).map_or(super::accounts::NONE, |row| row.last);
        while let Some(item) = buffer.item(at) {
            if item.kind.what == What::Entry && item.date >= date.days() {
                visit(*slot, item.date, turnover(item.kind.side, item.amount));
            }
            at = buffer.previous(at);
        }
    }
    Ok(())
}

fn posted(look: &Look<'_>, slot: u32) -> Turnover {
    let totals = look.head.accounts.totals(slot);
    Turnover { debits: totals.debits, credits: totals.credits }
}

fn sums_of(turnover: Turnover) -> Sums {
    Sums { debits: Minor::new(turnover.debits), credits: Minor::new(turnover.credits) }
}
