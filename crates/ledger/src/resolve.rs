//! How a draft becomes exact entries. What is meant by it stands in [`crate::draft`].

use smallvec::SmallVec;
use terms::{AssetCode, HoldId, Instant, Minor};

use crate::account::{Available, Ceiling};
use crate::change::Findings;
use crate::check::{
    Asked, Known, check_detail, check_entries, check_holds_differ, check_limits_differ,
    check_sizes, ended_before, repeated,
};
use crate::draft::{Ask, Draft, Line, Part, Rest};
use crate::hold::Hold;
use crate::past::Past;
use crate::refusal::Refusal;
use crate::row::Sided;
use crate::state::{Ledger, Total, Turn, place};
use crate::transaction::{Entry, Side, Transaction};

/// A line with what it names, and what it comes to so far.
struct Resolving<'a> {
    line: &'a Line,
    known: Known<'a>,
    hold: Option<&'a Hold>,
    amount: Minor,
}

/// The rest of one asset and how it is divided.
struct Dividing {
    /// How much one side lacks.
    rest: Minor,
    /// Sum of the weights; below 2^38.
    weights: u128,
}

impl Ledger {
    pub(crate) fn check_draft(
        &self,
        past: &impl Past,
        stamp: Instant,
        draft: &Draft,
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        let digest = draft.digest();
        if let Some(known) = past.transaction(draft.id) {
            return if known.asked == Some(digest) {
                repeated(known.at, into)
            } else {
                Err(Refusal::IdUsedWithOtherContent { field: "lines" })
            };
        }
        check_draft_shape(draft)?;
        let mut lines = self.named_lines(past, &draft.lines)?;
        check_lines(stamp, &lines)?;
        self.check_shares(&lines)?;
        self.find_amounts(&mut lines)?;
        for asset in assets_of(&lines) {
            divide(&mut lines, asset);
        }
        let moving = lines.iter().filter(|one| !one.amount.is_zero());
        let entries: SmallVec<[Entry; 2]> = moving
            .map(|Resolving { line, amount, .. }| Entry {
                account: line.account,
                side: line.side,
                amount: *amount,
                hold: line.part.map(|part| part.hold),
            })
            .collect();
        if entries.is_empty() {
            return Err(Refusal::NothingToMove);
        }
        let kept: SmallVec<[HoldId; 2]> = draft.lines.iter().filter_map(kept_hold).collect();
        let transaction = Transaction {
            id: draft.id,
            business_date: draft.business_date,
            reason: draft.reason,
            entries,
            claims: draft.claims.clone(),
            links: draft.links.clone(),
            detail: draft.detail.clone(),
        };
        let asked = Asked { transaction: &transaction, digest: Some(digest), kept: &kept };
        self.check_transaction(past, stamp, asked, into)
    }

    /// Accounts first, then holds, as for exact entries.
    fn named_lines<'a>(
        &'a self,
        past: &'a impl Past,
        lines: &'a [Line],
    ) -> Result<Vec<Resolving<'a>>, Refusal> {
        let mut named = Vec::with_capacity(lines.len());
        for line in lines {
            let known = self.known_account(line.account)?;
            named.push(Resolving { line, known, hold: None, amount: Minor::ZERO });
        }
        for one in &mut named {
            if let Some(Part { hold, .. }) = one.line.part {
                let known = self.hold_of(past, hold).ok_or(Refusal::UnknownHold { hold })?;
                one.hold = Some(known);
            }
        }
        Ok(named)
    }

    /// One remainder per asset, and shares on one side of it.
    fn check_shares(&self, lines: &[Resolving<'_>]) -> Result<(), Refusal> {
        let assets = || assets_of(lines).into_iter();
        let of = |asset| lines.iter().filter(move |one| one.known.row.asset == asset);
        let remainders = |asset| of(asset).filter(|one| one.line.ask == Ask::Remainder).count();
        if let Some(asset) = assets().find(|asset| remainders(*asset) > 1) {
            return Err(Refusal::RemaindersMustDiffer { asset: self.name_of(asset) });
        }
        for asset in assets() {
            let mut sides = of(asset).filter(|one| divides(one.line.ask)).map(|one| one.line.side);
            let first = sides.next();
            if sides.any(|side| Some(side) != first) {
                return Err(Refusal::SharesMustFaceOneWay { asset: self.name_of(asset) });
            }
        }
        Ok(())
    }

    /// What exact, bounded and sweeping lines come to: the exact ones count first.
    fn find_amounts(&self, lines: &mut [Resolving<'_>]) -> Result<(), Refusal> {
        let mut after: SmallVec<[(u32, Total); 4]> = SmallVec::new();
        for one in lines.iter_mut() {
            if let Ask::Exact(amount) = one.line.ask {
                one.amount = amount;
                count(&mut after, one);
            }
        }
        for one in lines {
            let most = match one.line.ask {
                Ask::UpTo(most) => Some(most),
                Ask::Everything => None,
                Ask::Exact(_) | Ask::Share { .. } | Ask::Remainder => continue,
            };
            one.amount = match (self.room(&after, one), most) {
                (Some(room), Some(most)) => room.min(most),
                (Some(room), None) => room,
                (None, Some(most)) => most,
                (None, None) => {
                    let (account, side) = (one.line.account, one.line.side);
                    return Err(Refusal::EverythingMustBeBounded { account, side });
                }
            };
            count(&mut after, one);
        }
        Ok(())
    }

    /// How much a line's account has room for; `None` when nothing bounds it.
    fn room(&self, after: &[(u32, Total)], one: &Resolving<'_>) -> Option<Minor> {
        if let Some(hold) = one.hold {
            return Some(hold.remaining());
        }
        let Known { slot, row } = one.known;
        let counters = after.iter().find(|(known, _)| *known == slot);
        let counters = counters.map_or(&row.counters, |(_, counters)| counters);
        let sided = Sided { normal: row.normal, counters };
        if one.line.side != row.normal {
            return match sided.available(row.floor(), self.blocked(slot, row)) {
                Available::UpTo(most) => Some(most),
                Available::Unlimited => None,
            };
        }
        let Ceiling::At(most) = row.ceiling() else { return None };
        let flow = sided.for_ceiling().ok()?;
        let height = flow.inward.minus(flow.outward).unwrap_or(Minor::ZERO);
        let under = flow.outward.minus(flow.inward).unwrap_or(Minor::ZERO);
        let left = most.units().saturating_sub(height.units());
        Some(Minor::new(left.saturating_add(under.units())))
    }

    fn name_of(&self, asset: u32) -> AssetCode {
        #[expect(clippy::expect_used, reason = "INVARIANT RowsName")]
        *self.assets.get(place(asset)).expect("a row's asset is in the table")
    }
}

/// The rules that need no state.
fn check_draft_shape(draft: &Draft) -> Result<(), Refusal> {
    check_entries(draft.lines.len())?;
    check_sizes(&draft.claims, &draft.links)?;
    draft.detail.as_deref().map_or(Ok(()), check_detail)?;
    for Line { account, ask, .. } in &draft.lines {
        if matches!(ask, Ask::Exact(Minor::ZERO) | Ask::UpTo(Minor::ZERO)) {
            return Err(Refusal::AmountMustBePositive { account: *account });
        }
    }
    for Line { account, ask, .. } in &draft.lines {
        if matches!(ask, Ask::Share { weight: 0 }) {
            return Err(Refusal::WeightMustBePositive { account: *account });
        }
    }
    check_holds_differ(draft.lines.iter().filter_map(|line| Some(line.part?.hold)))?;
    check_limits_differ(&draft.claims, draft.business_date)
}

/// Whether the named holds are open, and on the lines' accounts and sides: asked again of the
/// exact entries, but how much is left of a hold means nothing before.
fn check_lines(stamp: Instant, lines: &[Resolving<'_>]) -> Result<(), Refusal> {
    let held = || lines.iter().filter_map(|one| Some((one.line, one.hold?)));
    let states = held().filter_map(|(_, hold)| ended_before(stamp, hold));
    if let Some(first) = states.min_by_key(Refusal::precedence) {
        return Err(first);
    }
    for (line, hold) in held() {
        let (expected, got) = (hold.placement.account, line.account);
        if expected != got {
            return Err(Refusal::HoldAccountDiffers { expected, got });
        }
    }
    for (line, hold) in held() {
        let (expected, got) = (hold.placement.side, line.side);
        if expected != got {
            return Err(Refusal::HoldSideDiffers { expected, got });
        }
    }
    for (line, hold) in held() {
        if let Ask::Exact(got) = line.ask
            && got > hold.remaining()
        {
            let (hold, expected) = (hold.placement.id, hold.remaining());
            return Err(Refusal::AmountExceedsHold { hold, expected, got });
        }
    }
    Ok(())
}

/// Counts what a line comes to on its account, and what it frees of its hold. A sum that does not
/// fit is left: the rules that are asked of the exact entries say so in their order.
fn count(after: &mut SmallVec<[(u32, Total); 4]>, one: &Resolving<'_>) {
    let Known { slot, row } = one.known;
    let place = match after.iter().position(|(known, _)| *known == slot) {
        Some(place) => place,
        None => {
            after.push((slot, row.counters));
            after.len().saturating_sub(1)
        }
    };
    let Some((_, counters)) = after.get_mut(place) else { return };
    let (side, amount) = (one.line.side, one.amount);
    if let Some(hold) = one.hold {
        let kept = matches!(one.line.part, Some(Part { rest: Rest::Kept, .. }));
        let freed = if kept { amount } else { hold.remaining() };
        let _ = counters.shift(side, Turn::Release, freed);
    }
    let _ = counters.shift(side, Turn::Post, amount);
}

/// Divides the rest of an asset among its shares and its remainder.
fn divide(lines: &mut [Resolving<'_>], asset: u32) {
    let Some(Dividing { rest, weights }) = rest_of(lines, asset) else { return };
    let of = |one: &&mut Resolving<'_>| one.known.row.asset == asset;
    let mut given = 0_u128;
    let mut parts: SmallVec<[(u128, usize); 8]> = SmallVec::new();
    for (nth, one) in lines.iter_mut().filter(of).enumerate() {
        if let Ask::Share { weight } = one.line.ask {
            let (whole, fraction) = share(rest.units(), u128::from(weight), weights);
            one.amount = Minor::new(whole);
            given = given.saturating_add(whole);
            parts.push((fraction, nth));
        }
    }
    let mut left = rest.units().saturating_sub(given);
    let mut remainder = lines.iter_mut().filter(of).filter(|one| one.line.ask == Ask::Remainder);
    if let Some(remainder) = remainder.next() {
        remainder.amount = Minor::new(left);
        return;
    }
    // The largest fraction first, of equal ones the earlier line.
    parts.sort_by(|(one, _), (other, _)| other.cmp(one));
    for (_, nth) in parts {
        if left == 0 {
            break;
        }
        if let Some(one) = lines.iter_mut().filter(of).nth(nth) {
            one.amount = Minor::new(one.amount.units().saturating_add(1));
            left = left.saturating_sub(1);
        }
    }
}

/// What the side of the shares lacks; `None` when the asset has neither share nor remainder.
fn rest_of(lines: &[Resolving<'_>], asset: u32) -> Option<Dividing> {
    let of = || lines.iter().filter(|one| one.known.row.asset == asset);
    let facing = of().find(|one| divides(one.line.ask))?;
    let sum = |side: Side| {
        let side = of().filter(|one| one.line.side == side);
        Minor::new(side.fold(0, |sum, one| sum.saturating_add(one.amount.units())))
    };
    let (debits, credits) = (sum(Side::Debit), sum(Side::Credit));
    let (has, owes) = match facing.line.side {
        Side::Debit => (debits, credits),
        Side::Credit => (credits, debits),
    };
    let weights = of().map(|one| match one.line.ask {
        Ask::Share { weight } => u128::from(weight),
        Ask::Exact(_) | Ask::UpTo(_) | Ask::Everything | Ask::Remainder => 0,
    });
    let weights = weights.fold(0_u128, u128::saturating_add);
    // A side that has too much already lacks nothing: that the asset does not balance is said of
    // the exact entries.
    Some(Dividing { rest: owes.minus(has).unwrap_or(Minor::ZERO), weights })
}

/// `rest * weight / weights`, rounded down, and what is left of it in parts of `weights`. The
/// weights are below 2^38, so that no product exceeds 128 bits.
fn share(rest: u128, weight: u128, weights: u128) -> (u128, u128) {
    let (whole, part) = match (rest.checked_div(weights), rest.checked_rem(weights)) {
        (Some(whole), Some(part)) => (whole, part),
        (_, _) => return (0, 0),
    };
    let product = part.saturating_mul(weight);
    let more = product.checked_div(weights).unwrap_or(0);
    let fraction = product.checked_rem(weights).unwrap_or(0);
    (whole.saturating_mul(weight).saturating_add(more), fraction)
}

const fn divides(ask: Ask) -> bool {
    matches!(ask, Ask::Share { .. } | Ask::Remainder)
}

fn kept_hold(line: &Line) -> Option<HoldId> {
    match line.part {
        Some(Part { hold, rest: Rest::Kept }) => Some(hold),
        Some(Part { rest: Rest::Released, .. }) | None => None,
    }
}

/// The assets of some lines, each once, in the order of their first line.
fn assets_of(lines: &[Resolving<'_>]) -> SmallVec<[u32; 4]> {
    let mut assets: SmallVec<[u32; 4]> = SmallVec::new();
    for one in lines {
        if !assets.contains(&one.known.row.asset) {
            assets.push(one.known.row.asset);
        }
    }
    assets
}
