//! What the model says a draft comes to.

use std::collections::BTreeMap;

use ledger::{Ask, Available, Ceiling, Draft, Entry, Line, Refusal, Rest, Side, Transaction};
use terms::{AccountId, AssetCode, HoldId};

use crate::reference::{Model, detail, entries, holds_differ, limits_differ, minor, signed, sizes};

/// The rules that need no list.
fn shape(draft: &Draft) -> Result<(), Refusal> {
    entries(draft.lines.len())?;
    sizes(&draft.claims, &draft.links)?;
    detail(draft.detail.as_deref())?;
    let zero = |line: &&Line| match line.ask {
        Ask::Exact(amount) | Ask::UpTo(amount) => amount.is_zero(),
        Ask::Everything | Ask::Share { .. } | Ask::Remainder => false,
    };
    if let Some(line) = draft.lines.iter().find(zero) {
        return Err(Refusal::AmountMustBePositive { account: line.account });
    }
    if let Some(line) = draft.lines.iter().find(|line| line.ask == (Ask::Share { weight: 0 })) {
        return Err(Refusal::WeightMustBePositive { account: line.account });
    }
    let holds: Vec<HoldId> = draft.lines.iter().filter_map(|line| Some(line.part?.hold)).collect();
    holds_differ(&holds)?;
    limits_differ(&draft.claims)
}

impl Model {
    /// What a draft comes to, or the rule that stands against it.
    pub(crate) fn resolve(&self, draft: &Draft, now: u64) -> Result<Transaction, Refusal> {
        shape(draft)?;
        let hold_of = |line: &Line| line.part.map(|part| part.hold);
        let named: Vec<_> =
            draft.lines.iter().map(|line| (line.account, line.side, hold_of(line))).collect();
        self.named(&named, now)?;
        for line in &draft.lines {
            if let (Some(hold), Ask::Exact(got)) = (hold_of(line), line.ask)
                && signed(got) > self.holds[&hold].left()
            {
                let expected = minor(self.holds[&hold].left());
                return Err(Refusal::AmountExceedsHold { hold, expected, got });
            }
        }
        let mut assets: Vec<AssetCode> = Vec::new();
        for line in &draft.lines {
            let asset = self.accounts[&line.account].opening.asset;
            if !assets.contains(&asset) {
                assets.push(asset);
            }
        }
        self.shares_fit(&draft.lines, &assets)?;
        let mut amounts = self.amounts(&draft.lines)?;
        for asset in assets {
            self.share(&draft.lines, &mut amounts, asset);
        }
        let moving = draft.lines.iter().zip(&amounts).filter(|(_, amount)| **amount > 0);
        let entries: Vec<Entry> = moving
            .map(|(line, amount)| Entry {
                account: line.account,
                side: line.side,
                amount: minor(*amount),
                hold: hold_of(line),
            })
            .collect();
        if entries.is_empty() {
            return Err(Refusal::NothingToMove);
        }
        Ok(Transaction {
            id: draft.id,
            business_date: draft.business_date,
            reason: draft.reason,
            entries: entries.into(),
            claims: draft.claims.clone(),
            links: draft.links.clone(),
            detail: draft.detail.clone(),
        })
    }

    /// The lines of an asset that divide what is left.
    fn dividing<'a>(&self, lines: &'a [Line], asset: AssetCode) -> Vec<&'a Line> {
        let divides = |line: &Line| match line.ask {
            Ask::Share { .. } | Ask::Remainder => true,
            Ask::Exact(_) | Ask::UpTo(_) | Ask::Everything => false,
        };
        let here = |line: &Line| self.accounts[&line.account].opening.asset == asset;
        lines.iter().filter(|line| here(line) && divides(line)).collect()
    }

    fn shares_fit(&self, lines: &[Line], assets: &[AssetCode]) -> Result<(), Refusal> {
        for asset in assets {
            let all = self.dividing(lines, *asset);
            if all.iter().filter(|line| line.ask == Ask::Remainder).count() > 1 {
                return Err(Refusal::RemaindersMustDiffer { asset: *asset });
            }
        }
        for asset in assets {
            let all = self.dividing(lines, *asset);
            if all.iter().any(|line| line.side != all[0].side) {
                return Err(Refusal::SharesMustFaceOneWay { asset: *asset });
            }
        }
        Ok(())
    }

    /// Exact lines count first; then each takes what it finds.
    fn amounts(&self, lines: &[Line]) -> Result<Vec<i128>, Refusal> {
        let mut amounts = vec![0; lines.len()];
        let mut sums: BTreeMap<AccountId, [i128; 4]> = BTreeMap::new();
        for line in lines {
            sums.insert(line.account, self.counters(line.account));
        }
        for exact in [true, false] {
            for (line, amount) in lines.iter().zip(&mut amounts) {
                let left = line.part.map(|part| self.holds[&part.hold].left());
                let room = left.or_else(|| self.room(line, sums[&line.account]));
                let (account, side) = (line.account, line.side);
                *amount = match (line.ask, exact) {
                    (Ask::Exact(most), true) => signed(most),
                    (Ask::UpTo(most), false) => room.map_or(signed(most), |r| r.min(signed(most))),
                    (Ask::Everything, false) => {
                        room.ok_or(Refusal::EverythingMustBeBounded { account, side })?
                    }
                    _ => continue,
                };
                let of = sums.get_mut(&line.account).unwrap();
                let side = usize::from(line.side == Side::Credit);
                of[side] += *amount;
                if let Some(part) = line.part {
                    let keeps = part.rest == Rest::Kept;
                    of[2 + side] -= if keeps { *amount } else { left.unwrap() };
                }
            }
        }
        Ok(amounts)
    }

    /// What an account has room for on a line's side; nothing when there is no bound.
    fn room(&self, line: &Line, sums: [i128; 4]) -> Option<i128> {
        let limits = &self.accounts[&line.account];
        if line.side != limits.opening.normal {
            return match self.available(line.account, sums) {
                Available::UpTo(most) => Some(signed(most)),
                Available::Unlimited => None,
            };
        }
        let Ceiling::At(most) = limits.ceiling else { return None };
        Some((signed(most) - self.height(line.account, sums)).max(0))
    }

    /// Divides what one side lacks: whole parts first, then one by one by what was cut off.
    fn share(&self, lines: &[Line], amounts: &mut [i128], asset: AssetCode) {
        let here = |line: &Line| self.accounts[&line.account].opening.asset == asset;
        let weight = |line: &Line| match line.ask {
            Ask::Share { weight } => i128::from(weight),
            Ask::Exact(_) | Ask::UpTo(_) | Ask::Everything | Ask::Remainder => 0,
        };
        let Some(side) = self.dividing(lines, asset).first().map(|line| line.side) else { return };
        let mut rest = 0;
        for (line, amount) in lines.iter().zip(&*amounts).filter(|(line, _)| here(line)) {
            rest += if line.side == side { -amount } else { *amount };
        }
        let rest = rest.max(0);
        let whole: i128 = lines.iter().filter(|l| here(l)).map(&weight).sum();
        let mut cut: Vec<(i128, usize)> = Vec::new();
        let mut given = 0;
        for (nth, line) in lines.iter().enumerate().filter(|(_, l)| here(l) && weight(l) > 0) {
            amounts[nth] = rest * weight(line) / whole;
            cut.push((-(rest * weight(line) % whole), nth));
            given += amounts[nth];
        }
        let last = lines.iter().position(|l| here(l) && l.ask == Ask::Remainder);
        if let Some(last) = last {
            amounts[last] = rest - given;
        } else {
            cut.sort_unstable();
            for (_, nth) in cut.iter().take(usize::try_from(rest - given).unwrap()) {
                amounts[*nth] += 1;
            }
        }
    }
}
