//! An account's counters, now and then.

use terms::{AccountId, AssetCode, Instant, Minor, Position};

use ledger::Side;

use super::error::QueryError;
use super::item::Totals;
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
        self.look(|look| {
            let slot = look.slot(account)?;
            let next = look.head.next;
            match as_of {
                AsOf::Now => known(look, slot, &look.head.accounts.totals(slot)),
                AsOf::Position(asked) => {
                    let missing = QueryError::NotSeenYet { asked, next: Position::new(next) };
                    let asked = asked.number();
                    let after = asked.checked_add(1).filter(|after| *after <= next);
                    let totals = look.walk(slot)?.totals_before(after.ok_or(missing)?)?;
                    known(look, slot, &totals)
                }
                AsOf::LedgerTime(time) => {
                    let until = look.stamps().facts_until(time.nanos(), next)?;
                    known(look, slot, &look.walk(slot)?.totals_before(until)?)
                }
                AsOf::EffectiveTime(time) => effective(look, slot, time.nanos()),
            }
        })
    }
}

fn known(look: &Look<'_>, slot: u32, totals: &Totals) -> Result<AccountBalance, QueryError> {
    let pending = Pending::Known {
        debits: Minor::new(totals.held_debits),
        credits: Minor::new(totals.held_credits),
    };
    balance(look, slot, totals, pending)
}

/// The balance by ledger time, corrected by each entry that says another time.
fn effective(look: &Look<'_>, slot: u32, time: u64) -> Result<AccountBalance, QueryError> {
    let until = look.stamps().facts_until(time, look.head.next)?;
    let walk = look.walk(slot)?;
    let mut totals = walk.totals_before(until)?;
    walk.effective(&mut |line| {
        let item = &line.item;
        let counted = item.position < until;
        let counts = item.moment.is_none_or(|moment| moment <= time);
        match (counted, counts) {
            (true, false) => totals.undo(item.kind, item.amount),
            (false, true) => totals.apply(item.kind, item.amount),
            (true, true) | (false, false) => {}
        }
    })?;
    balance(look, slot, &totals, Pending::NotByEffectiveTime)
}

fn balance(
    look: &Look<'_>,
    slot: u32,
    totals: &Totals,
    pending: Pending,
) -> Result<AccountBalance, QueryError> {
    let line = look.account(slot)?;
    Ok(AccountBalance {
        account: line.account,
        asset: line.asset,
        debits_posted: Minor::new(totals.debits),
        credits_posted: Minor::new(totals.credits),
        pending,
    })
}

/// What is fixed of an account.
pub(super) struct Fixed {
    pub(super) account: AccountId,
    pub(super) asset: AssetCode,
    pub(super) normal: Side,
}
