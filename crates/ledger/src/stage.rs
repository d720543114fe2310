//! The touched accounts and totals as they would stand after some moves.

use smallvec::SmallVec;

use crate::account::Balances;
use crate::refusal::Refusal;
use crate::row::Row;
use crate::state::{Ledger, Move, Total, place};

/// A touched account before and after.
#[derive(Clone, Copy)]
pub(crate) struct Touched<'a> {
    pub(crate) slot: u32,
    pub(crate) row: &'a Row,
    pub(crate) after: Total,
}

/// What some moves lead to. Short transactions need no allocation.
pub(crate) struct Staged<'a> {
    /// By account id.
    touched: SmallVec<[Touched<'a>; 4]>,
}

impl Ledger {
    /// The touched accounts after `moves`, in order, and whether every sum fits.
    #[inline]
    pub(crate) fn stage(&self, moves: impl Iterator<Item = Move>) -> Result<Staged<'_>, Refusal> {
        let mut touched: SmallVec<[Touched<'_>; 4]> = SmallVec::new();
        let mut totals: SmallVec<[(u32, Total); 2]> = SmallVec::new();
        for Move { slot, side, turn, amount } in moves {
            let account = match touched.iter_mut().position(|one| one.slot == slot) {
                Some(known) => known,
                None => {
                    let Some(row) = self.rows.get(slot) else { continue };
                    touched.push(Touched { slot, row, after: row.counters });
                    touched.len().saturating_sub(1)
                }
            };
            let Some(one) = touched.get_mut(account) else { continue };
            let asset = one.row.asset;
            let too_large = |_| Refusal::AmountTooLarge { account: one.row.id };
            one.after.shift(side, turn, amount).map_err(too_large)?;
            let total = match totals.iter().position(|(known, _)| *known == asset) {
                Some(known) => known,
                None => {
                    let total = self.totals.get(place(asset)).copied();
                    totals.push((asset, total.unwrap_or(Total::ZERO)));
                    totals.len().saturating_sub(1)
                }
            };
            if let Some((_, total)) = totals.get_mut(total) {
                total.shift(side, turn, amount).map_err(too_large)?;
            }
        }
        touched.sort_unstable_by_key(|one| one.row.id);
        Ok(Staged { touched })
    }

    /// Floors first, then ceilings, of every account that moved towards them.
    #[inline]
    pub(crate) fn check_bounds(&self, staged: &Staged<'_>) -> Result<(), Refusal> {
        for Touched { slot, row, after } in &staged.touched {
            row.check_floor(self.blocked(*slot, row), after)?;
        }
        staged.touched.iter().try_for_each(|one| one.row.check_ceiling(&one.after))
    }

    #[inline]
    pub(crate) fn staged_balances(&self, staged: &Staged<'_>) -> SmallVec<[Balances; 2]> {
        let balances = |one: &Touched<'_>| self.balances_of(one.slot, one.row, &one.after);
        staged.touched.iter().map(balances).collect()
    }
}
