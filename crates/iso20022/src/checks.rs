//! Whether a statement agrees with itself: its lines with its balances and with what it counts.
//!
//! A disagreement is no reason to refuse the file: lines are booked one by one, and a break is
//! named to a person.

use core::fmt;

use crate::codes::Side;
use crate::decimal::{Decimal, pointed};
use crate::entry::Entry;
use crate::money::Money;
use crate::statement::{AccountReport, Balance, EntryTotals, Page, Statement};

/// One disagreement within a statement or notification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReportBreak {
    /// `NbOfNtries` is another number than there are lines.
    Count {
        /// Which lines.
        of: Counted,
        /// The bank's number.
        told: u64,
        /// The lines in the file.
        found: u64,
    },
    /// `Sum` is another one than that of the lines.
    Sum {
        /// Which lines.
        of: Counted,
        /// The bank's sum.
        told: Decimal,
        /// The sum of the lines, as decimal text.
        found: String,
    },
    /// Opening balance and booked lines do not lead to the closing balance.
    Balance {
        /// The bank's closing balance.
        told: Money,
        /// Its side.
        told_side: Side,
        /// How far the lines are from it, in the same currency, as decimal text.
        by: String,
    },
}

/// Which lines a total counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// `TtlNtries`.
    All,
    /// `TtlCdtNtries`.
    Credits,
    /// `TtlDbtNtries`.
    Debits,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "lines",
            Self::Credits => "credits",
            Self::Debits => "debits",
        })
    }
}

impl fmt::Display for ReportBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { of, told, found } => {
                write!(f, "the bank counts {told} {of}, the file has {found}")
            }
            Self::Sum { of, told, found } => {
                write!(f, "the bank sums its {of} up to {told}, those in the file make {found}")
            }
            Self::Balance { told, told_side, by } => {
                write!(f, "the booked lines miss the closing balance {told} {told_side} by {by}")
            }
        }
    }
}

impl AccountReport<'_> {
    /// Where the report disagrees with itself. Nothing is said of one page among several, nor of
    /// what the bank does not tell.
    #[must_use]
    pub fn breaks(&self) -> Vec<ReportBreak> {
        let page = match self {
            Self::Statement(statement) => statement.page,
            Self::Notification(notification) => notification.page,
        };
        let mut breaks = Vec::new();
        if page.is_some_and(is_part) {
            return breaks;
        }
        if let Some(summary) = self.summary() {
            let parts = [
                (Counted::All, &summary.all),
                (Counted::Credits, &summary.credits),
                (Counted::Debits, &summary.debits),
            ];
            for (of, totals) in parts {
                let Some(totals) = totals else { continue };
                check_totals(of, totals, self.entries(), &mut breaks);
            }
        }
        if let Self::Statement(statement) = self {
            breaks.extend(balance_break(statement));
        }
        breaks
    }
}

/// Whether there are more pages.
const fn is_part(page: Page) -> bool {
    page.number != 1 || !page.last
}

fn check_totals(
    of: Counted,
    totals: &EntryTotals,
    entries: &[Entry],
    breaks: &mut Vec<ReportBreak>,
) {
    let counted = entries.iter().filter(|entry| match of {
        Counted::All => true,
        Counted::Credits => entry.side == Side::Credit,
        Counted::Debits => entry.side == Side::Debit,
    });
    let found = u64::try_from(counted.clone().count()).unwrap_or(u64::MAX);
    if let Some(told) = totals.count
        && told != found
    {
        breaks.push(ReportBreak::Count { of, told, found });
    }
    let sum = counted.fold(0_u128, |sum, entry| sum.saturating_add(entry.amount.fixed()));
    if let Some(told) = totals.sum
        && told.fixed() != Some(sum)
    {
        breaks.push(ReportBreak::Sum { of, told, found: decimal_text(sum, 17, 2) });
    }
}

/// Opening balance, plus booked credits, less booked debits, must be the closing balance. Counted
/// on two sides, so that nothing is ever negative.
fn balance_break(statement: &Statement) -> Option<ReportBreak> {
    let (opening, closing) = (statement.opening_booked()?, statement.closing_booked()?);
    let currency = closing.amount.currency();
    if opening.amount.currency() != currency {
        return None;
    }
    let (mut credits, mut debits) = (0_u128, 0_u128);
    let mut add = |side: Side, money: Money| {
        let to = if side == Side::Credit { &mut credits } else { &mut debits };
        *to = to.saturating_add(money.minor().units());
    };
    add(opening.side, opening.amount);
    for entry in statement.entries.iter().filter_map(Entry::booked) {
        if entry.amount.currency() == currency {
            add(entry.side, entry.amount);
        }
    }
    let Balance { amount, side, .. } = closing;
    add(if *side == Side::Credit { Side::Debit } else { Side::Credit }, *amount);
    let by = credits.abs_diff(debits);
    let exponent = usize::from(currency.exponent());
    (by != 0).then(|| ReportBreak::Balance {
        told: *amount,
        told_side: *side,
        by: format!("{} {currency}", pointed(by, exponent)),
    })
}

/// A sum at `scale` digits with the zeros at its end cut off, down to `least` digits.
fn decimal_text(sum: u128, scale: usize, least: usize) -> String {
    let text = pointed(sum, scale);
    let spare = text.bytes().rev().take_while(|byte| *byte == b'0').count();
    let cut = spare.min(scale.saturating_sub(least));
    text.get(..text.len().saturating_sub(cut)).unwrap_or(&text).to_owned()
}
