//! An account's counters, now and then.

use terms::{AccountId, AssetCode, Instant, Minor, Position};

use ledger::Side;

use super::blocks::Line;
use super::error::QueryError;
use super::item::Totals;
use super::tables::Reading;
use super::walk::Path;
use super::{Look, Seen, Views};

/// As of when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After everything seen.
    Now,
    /// After the fact at this position.
    Position(Position),
    /// After every fact whose stamp is this or earlier. What is seen later may still belong to it
    /// while the answer's stamp is earlier.
    LedgerTime(Instant),
    /// Counting each entry, among those seen, that takes effect at this moment or earlier; one
    /// that does not say when takes effect when it is posted. Holds have no effective time.
    EffectiveTime(Instant),
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// These sums.
    Known {
        /// Sum of held debits.
        debits: Minor,
        /// Sum of held credits.
        credits: Minor,
    },
    /// A hold sets money aside from when it is placed: by effective time there is no such sum.
    NotByEffectiveTime,
}

/// An account's counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountBalance {
    /// Which account.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetCode,
    /// Sum of all debits posted.
    pub debits_posted: Minor,
    /// Sum of all credits posted.
    pub credits_posted: Minor,
    /// What is held.
    pub pending: Pending,
}

impl Views {
    /// An account's counters. Before it was opened all are nothing.
    ///
    /// Now costs no look into the file, a position or ledger time a few; an effective time one
    /// over each run that has entries with an effective time of their own.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn balance(
        &self,
        account: AccountId,
        as_of: AsOf,
    ) -> Result<Seen<AccountBalance>, QueryError> {
        let asked = |look: &Look<'_>| {
            let slot = look.slot(account)?;
            let next = look.head.next;
            let until = match as_of {
                AsOf::Now => next,
                AsOf::Position(asked) => {
                    let missing = QueryError::NotSeenYet { asked, next: Position::new(next) };
                    let after = asked.number().checked_add(1).filter(|after| *after <= next);
                    after.ok_or(missing)?
                }
                AsOf::LedgerTime(time) | AsOf::EffectiveTime(time) => {
                    look.stamps().facts_until(time.nanos(), next)?
                }
            };
            let recent = look.recent(slot)?;
            let before = recent.totals_before(until, look.path(slot)?);
            let effective = match as_of {
                AsOf::EffectiveTime(time) => Some(Effective {
                    time: time.nanos(),
                    until,
                    path: look.path(slot)?,
                    recent: recent.effective(),
                }),
                AsOf::Now | AsOf::Position(_) | AsOf::LedgerTime(_) => None,
            };
            Ok((look.account(slot)?, before, effective))
        };
        self.look_then(asked, |(fixed, before, effective), reading| {
            let totals = before.totals(reading)?;
            let (totals, pending) = match effective {
                Some(effective) => {
                    (effective.correct(totals, reading)?, Pending::NotByEffectiveTime)
                }
                None => (totals, pending_of(&totals)),
            };
            Ok(AccountBalance {
                account: fixed.account,
                asset: fixed.asset,
                debits_posted: Minor::new(totals.debits),
                credits_posted: Minor::new(totals.credits),
                pending,
            })
        })
    }
}

const fn pending_of(totals: &Totals) -> Pending {
    Pending::Known {
        debits: Minor::new(totals.held_debits),
        credits: Minor::new(totals.held_credits),
    }
}

/// What the balance by ledger time lacks of that by effective time.
struct Effective {
    time: u64,
    /// The first position that the balance by ledger time does not count.
    until: u64,
    path: Path,
    /// Entries in memory that say their effective time.
    recent: Vec<Line>,
}

impl Effective {
    /// The balance by ledger time, corrected by each entry that says another time.
    fn correct(&self, mut totals: Totals, reading: &Reading) -> Result<Totals, QueryError> {
        let mut correct = |line: &Line| {
            let item = &line.item;
            let counted = item.position < self.until;
            let counts = item.moment.is_none_or(|moment| moment <= self.time);
            match (counted, counts) {
                (true, false) => totals.undo(item.kind, item.amount),
                (false, true) => totals.apply(item.kind, item.amount),
                (true, true) | (false, false) => {}
            }
        };
        self.path.walk(reading)?.effective(&mut correct)?;
        self.recent.iter().for_each(correct);
        Ok(totals)
    }
}

/// What is fixed of an account.
pub(super) struct Fixed {
    pub(super) account: AccountId,
    pub(super) asset: AssetCode,
    pub(super) normal: Side,
}
