//! The trial balance of a business date.

use std::collections::BTreeMap;

use ledger::Side;
use terms::{AccountId, AssetCode, BusinessDate, Minor};

use super::balance::Fixed;
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
        let asked = |look: &Look<'_>| {
            let accounts = &look.head.accounts;
            let count = accounts.assets().len();
            let mut since = vec![Since::default(); count];
            let mut totals = vec![Turnover::default(); count];
            let mut assets = Vec::with_capacity(wide(accounts.count()));
            for (slot, row) in accounts.rows() {
                assets.push(row.asset);
                if let Some(total) = totals.get_mut(wide(row.asset)) {
                    total.add(posted(look, slot));
                }
            }
            buffered(look, date, (0, u32::MAX), &mut |slot, date_found, sums| {
                let one = Posted { slot, date: date_found, sums };
                count_in(&mut since, &assets, date.days(), &one);
            });
            let names = accounts.assets().to_vec();
            Ok((since, totals, assets, names, narrow(look.head.runs.len())))
        };
        self.look_then(asked, |(mut since, totals, assets, names, runs), reading| {
            let table = reading.table(DAYS)?;
            Days { table, runs }.rows_since(date.days(), 0, u32::MAX, |found, slot, sums| {
                let one = Posted { slot, date: found, sums };
                count_in(&mut since, &assets, date.days(), &one);
            })?;
            let lines = names.iter().zip(since.iter().zip(totals));
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
        let asked = |look: &Look<'_>| {
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
            let last = until.checked_sub(1).filter(|last| *last >= first);
            if let Some(last) = last {
                buffered(look, date, (first, last), &mut |slot, found, one| {
                    since.entry(slot).or_default().add(date.days(), found, one);
                });
            }
            let fixed = |slot| Ok((slot, look.account(slot)?, posted(look, slot)));
            let fixed = (first..until).map(fixed).collect::<Result<Vec<_>, QueryError>>()?;
            let range = last.map(|last| (first, last));
            Ok((since, fixed, range, narrow(look.head.runs.len()), (until, count)))
        };
        self.look_then(asked, |(mut since, fixed, range, runs, (until, count)), reading| {
            if let Some((first, last)) = range {
                let table = reading.table(DAYS)?;
                Days { table, runs }.rows_since(date.days(), first, last, |found, slot, one| {
                    since.entry(slot).or_default().add(date.days(), found, one);
                })?;
            }
            let line = |(slot, fixed, posted): (u32, Fixed, Turnover)| {
                let sums = since.get(&slot).copied().unwrap_or_default().sums(posted);
                let (account, asset, normal) = (fixed.account, fixed.asset, fixed.normal);
                AccountLine { account, asset, normal, sums }
            };
            let lines = fixed.into_iter().map(line).collect();
            let next = Cursor::new(List::Trial, 0, until.into(), 0);
            Ok(TrialPage { lines, next, at_end: until >= count })
        })
    }
}

/// Visits what accounts of these slots posted on `date` and later and is not in the file yet: slot,
/// date, sums.
fn buffered(
    look: &Look<'_>,
    date: BusinessDate,
    (first, last): (u32, u32),
    visit: &mut dyn FnMut(u32, u32, Turnover),
) {
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
}

/// What an account posted on a date.
struct Posted {
    slot: u32,
    date: u32,
    sums: Turnover,
}

/// Counts into the line of the account's asset.
fn count_in(since: &mut [Since], assets: &[u32], asked: u32, one: &Posted) {
    let asset = assets.get(wide(one.slot)).map_or(usize::MAX, |asset| wide(*asset));
    if let Some(since) = since.get_mut(asset) {
        since.add(asked, one.date, one.sums);
    }
}

fn posted(look: &Look<'_>, slot: u32) -> Turnover {
    let totals = look.head.accounts.totals(slot);
    Turnover { debits: totals.debits, credits: totals.credits }
}

fn sums_of(turnover: Turnover) -> Sums {
    Sums { debits: Minor::new(turnover.debits), credits: Minor::new(turnover.credits) }
}
