//! The touched accounts and totals as they would stand after some moves.

use smallvec::SmallVec;

use crate::change::Findings;
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
#[derive(Default)]
pub(crate) struct Staged<'a> {
    /// By account id.
    touched: SmallVec<[Touched<'a>; 2]>,
    totals: SmallVec<[(u32, Total); 1]>,
}

impl Ledger {
    /// The touched accounts after `moves`, in order, and whether every sum fits. Written into
    /// `staged`, which is empty: it is too large to be handed around.
    #[inline]
    pub(crate) fn stage<'a>(
        &'a self,
        moves: impl Iterator<Item = Move>,
        staged: &mut Staged<'a>,
    ) -> Result<(), Refusal> {
        let Staged { touched, totals } = staged;
        for Move { slot, side, turn, amount } in moves {
            let one = match touched.iter().position(|one| one.slot == slot) {
                Some(known) => touched.get_mut(known),
                None => {
                    let Some(row) = self.rows.get(slot) else { continue };
                    touched.push(Touched { slot, row, after: row.counters });
                    touched.last_mut()
                }
            };
            let Some(one) = one else { continue };
            let asset = one.row.asset;
            let too_large = |_| Refusal::AmountTooLarge { account: one.row.id };
            one.after.shift(side, turn, amount).map_err(too_large)?;
            let total = match totals.iter().position(|(known, _)| *known == asset) {
                Some(known) => totals.get_mut(known),
                None => {
                    let total = self.totals.get(place(asset)).copied();
                    totals.push((asset, total.unwrap_or(Total::ZERO)));
                    totals.last_mut()
                }
            };
            if let Some((_, total)) = total {
                total.shift(side, turn, amount).map_err(too_large)?;
            }
        }
        touched.sort_unstable_by_key(|one| one.row.id);
        Ok(())
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
    pub(crate) fn staged_balances(&self, staged: &Staged<'_>, into: &mut impl Findings) {
        if into.wants_balances() {
            for one in &staged.touched {
                into.balances(self.balances_of(one.slot, one.row, &one.after));
            }
        }
    }
}
