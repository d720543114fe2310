//! The rules. Each looks at the whole command before the next one does, so the order of rules is
//! the precedence of [`Refusal`].

use std::collections::{BTreeMap, BTreeSet};

use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor};

use crate::account::{Account, Available, Balances, Opening, Standing};
use crate::change::{Answer, Change, Checked, Ended, Outcome, Resolved};
use crate::command::{Command, SWEEP_MAX};
use crate::hold::{Hold, HoldState, Placement, Term, VoidGround};
use crate::refusal::Refusal;
use crate::state::{Ledger, Staged};
use crate::transaction::{ENTRIES_MAX, Entry, LINKS_MAX, Link, Side, Transaction};
use crate::velocity::{CLAIMS_MAX, Claim};

impl Ledger {
    /// Asks every rule, in the order of [`Refusal`]; changes nothing.
    pub fn check(&self, stamp: Instant, command: &Command) -> Result<Checked, Refusal> {
        match command {
            Command::OpenAccount(opening) => self.check_opening(opening),
            Command::SetLimits { account, floor, ceiling } => {
                let known = self.open_account(*account)?;
                let fits = known
                    .within_floor(*floor)
                    .and_then(|fits| Ok(fits && known.within_ceiling(*ceiling)?));
                if fits != Ok(true) {
                    return Err(Refusal::BalanceOutsideLimits { account: *account });
                }
                let (account, floor, ceiling) = (*account, *floor, *ceiling);
                Ok(self.on_account(account, Resolved::LimitsSet { account, floor, ceiling }))
            }
            Command::SetFreeze { account, freeze } => {
                let (account, freeze) = (self.open_account(*account)?.opening.id, *freeze);
                Ok(self.on_account(account, Resolved::FreezeSet { account, freeze }))
            }
            Command::SetBlocked { account, amount } => {
                let (account, amount) = (self.open_account(*account)?.opening.id, *amount);
                Ok(self.on_account(account, Resolved::BlockedSet { account, amount }))
            }
            Command::CloseAccount { account } => {
                let known = self.open_account(*account)?;
                if !known.is_empty() {
                    return Err(Refusal::AccountNotEmpty { account: *account });
                }
                Ok(self.on_account(*account, Resolved::AccountClosed { account: *account }))
            }
            Command::PlaceHold(placement) => self.check_placement(stamp, placement),
            Command::PinHold { hold } => {
                let known = self.open_hold(stamp, *hold)?;
                if known.state == HoldState::Open(Term::Pinned) {
                    return Err(Refusal::HoldAlreadyPinned { hold: *hold });
                }
                let account = known.placement.account;
                // Something is about to be sent outside, and a pinned hold passes a later freeze:
                // this is the last moment at which a freeze can stop it.
                check_freeze(self.known_account(account)?, known.placement.side)?;
                Ok(self.on_account(account, Resolved::HoldPinned { hold: *hold }))
            }
            Command::VoidHold { hold, ground } => self.check_void(stamp, *hold, *ground),
            Command::ExpireHolds { at_most } => self.check_sweep(stamp, *at_most),
            Command::Post(transaction) => self.check_transaction(stamp, transaction),
        }
    }

    fn check_opening(&self, opening: &Opening) -> Result<Checked, Refusal> {
        let Some(known) = self.accounts.get(&opening.id) else {
            let account = Account::opened(*opening, Instant::EPOCH);
            let balances = vec![account.balances()];
            return Ok(checked(Resolved::AccountOpened(*opening), balances));
        };
        let first = known.opening;
        let differs = [
            (first.asset != opening.asset, "asset"),
            (first.normal != opening.normal, "normal"),
            (first.owner != opening.owner, "owner"),
            (first.purpose != opening.purpose, "purpose"),
            (first.floor != opening.floor, "floor"),
            (first.ceiling != opening.ceiling, "ceiling"),
        ];
        match differs.into_iter().find_map(|(differs, field)| differs.then_some(field)) {
            Some(field) => Err(Refusal::IdUsedWithOtherContent { field }),
            None => Ok(repeated(known.opened_at)),
        }
    }

    fn check_placement(&self, stamp: Instant, placement: &Placement) -> Result<Checked, Refusal> {
        if let Some(known) = self.holds.get(&placement.id) {
            return match known.placement.differs(placement) {
                Some(field) => Err(Refusal::IdUsedWithOtherContent { field }),
                None => Ok(repeated(known.placed_at)),
            };
        }
        let claims: Vec<Claim> = placement
            .limits
            .iter()
            .map(|limit| Claim { limit: *limit, amount: placement.amount })
            .collect();
        check_sizes(&claims, &placement.links)?;
        if placement.amount.is_zero() {
            return Err(Refusal::AmountMustBePositive { account: placement.account });
        }
        check_limits_differ(&claims, placement.business_date)?;
        let account = self.known_account(placement.account)?;
        check_limit_assets(&claims, &BTreeSet::from([account.opening.asset]))?;
        if let Term::Expiring { at } = placement.term
            && at <= stamp
        {
            return Err(Refusal::ExpiryMustBeLater { stamp, got: at });
        }
        check_standing(account)?;
        check_freeze(account, placement.side)?;
        let change = Resolved::HoldPlaced(placement.clone());
        let staged = self.stage(&self.moves(&change))?;
        self.check_bounds(&staged)?;
        self.check_velocity(&claims, placement.business_date)?;
        Ok(checked(change, balances(&staged)))
    }

    fn check_void(
        &self,
        stamp: Instant,
        hold: HoldId,
        ground: VoidGround,
    ) -> Result<Checked, Refusal> {
        let known = self.open_hold(stamp, hold)?;
        match (known.state, ground) {
            (HoldState::Open(Term::Pinned), VoidGround::Cancelled) => {
                return Err(Refusal::EvidenceRequired { hold });
            }
            (
                HoldState::Open(_)
                | HoldState::Posted { .. }
                | HoldState::Voided
                | HoldState::Expired,
                VoidGround::Cancelled | VoidGround::NotDone(_),
            ) => {}
        }
        let change = Resolved::HoldVoided { hold, released: known.placement.amount, ground };
        let staged = self.stage(&self.moves(&change))?;
        Ok(checked(change, balances(&staged)))
    }

    /// Holds whose moment has come, the earliest first; an empty list of changes when there is
    /// none.
    fn check_sweep(&self, stamp: Instant, at_most: u32) -> Result<Checked, Refusal> {
        let most = usize::try_from(at_most.min(SWEEP_MAX)).unwrap_or(usize::MAX);
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= stamp).take(most);
        let changes: Vec<Resolved> = due
            .filter_map(|(_, id)| self.holds.get(id))
            .map(|hold| Resolved::HoldExpired {
                hold: hold.placement.id,
                released: hold.placement.amount,
            })
            .collect();
        let moves: Vec<_> = changes.iter().flat_map(|change| self.moves(change)).collect();
        let balances = balances(&self.stage(&moves)?);
        let changes = changes.into_iter().map(Change).collect();
        Ok(Checked { changes, outcome: Outcome { answer: Answer::Done, balances } })
    }

    fn check_transaction(&self, stamp: Instant, new: &Transaction) -> Result<Checked, Refusal> {
        if let Some(known) = self.transactions.get(&new.id) {
            return match known.transaction.differs(new) {
                Some(field) => Err(Refusal::IdUsedWithOtherContent { field }),
                None => Ok(repeated(known.at)),
            };
        }
        check_shape(new)?;
        let accounts = self.accounts_of(&new.entries)?;
        let ended = self.check_holds(stamp, &new.entries)?;
        let sums = sums_by_asset(&accounts)?;
        check_limit_assets(&new.claims, &sums.keys().copied().collect())?;
        check_balanced(&sums)?;
        accounts.iter().try_for_each(|(account, _)| check_standing(account))?;
        for (account, entry) in &accounts {
            let pinned = entry.hold.and_then(|hold| self.holds.get(&hold));
            let pinned = pinned.is_some_and(|h| h.state == HoldState::Open(Term::Pinned));
            // What a pinned hold waits for may have happened outside: a freeze cannot undo it.
            if !pinned {
                check_freeze(account, entry.side)?;
            }
        }
        let change = Resolved::Posted { transaction: new.clone(), ended };
        let staged = self.stage(&self.moves(&change))?;
        self.check_bounds(&staged)?;
        self.check_velocity(&new.claims, new.business_date)?;
        Ok(checked(change, balances(&staged)))
    }

    fn accounts_of<'a>(
        &'a self,
        entries: &'a [Entry],
    ) -> Result<Vec<(&'a Account, &'a Entry)>, Refusal> {
        entries.iter().map(|entry| Ok((self.known_account(entry.account)?, entry))).collect()
    }

    /// The holds that the entries end, after each rule was asked of each of them.
    fn check_holds(&self, stamp: Instant, entries: &[Entry]) -> Result<Vec<Ended>, Refusal> {
        let mut named = Vec::new();
        for entry in entries {
            if let Some(id) = entry.hold {
                let hold = self.holds.get(&id).ok_or(Refusal::UnknownHold { hold: id })?;
                named.push((entry, hold));
            }
        }
        let states = named.iter().filter_map(|(_, hold)| ended_before(stamp, hold));
        if let Some(first) = states.min_by_key(Refusal::precedence) {
            return Err(first);
        }
        for (entry, hold) in &named {
            let (expected, got) = (hold.placement.account, entry.account);
            if expected != got {
                return Err(Refusal::HoldAccountDiffers { expected, got });
            }
        }
        for (entry, hold) in &named {
            let (expected, got) = (hold.placement.side, entry.side);
            if expected != got {
                return Err(Refusal::HoldSideDiffers { expected, got });
            }
        }
        let end = |(entry, hold): &(&Entry, &Hold)| {
            let (id, expected, got) = (hold.placement.id, hold.placement.amount, entry.amount);
            match expected.minus(got) {
                Ok(released) => Ok(Ended { hold: id, posted: got, released }),
                Err(_) => Err(Refusal::AmountExceedsHold { hold: id, expected, got }),
            }
        };
        named.iter().map(end).collect()
    }

    /// Floors first, then ceilings, of every account that moved towards them.
    fn check_bounds(&self, staged: &Staged) -> Result<(), Refusal> {
        for (id, after) in &staged.accounts {
            self.check_floor(self.known_account(*id)?, after)?;
        }
        for (id, after) in &staged.accounts {
            self.check_ceiling(self.known_account(*id)?, after)?;
        }
        Ok(())
    }

    fn check_floor(&self, before: &Account, after: &Account) -> Result<(), Refusal> {
        let account = before.opening.id;
        let too_large = |_| Refusal::AmountTooLarge { account };
        let old = before.for_floor().map_err(too_large)?;
        let new = after.for_floor().map_err(too_large)?;
        let leaving = new.outward.plus(old.inward).map_err(too_large)?;
        let coming = old.outward.plus(new.inward).map_err(too_large)?;
        // An account that is no worse off may always be posted to: a block set above the balance
        // must not stop what comes in.
        let Ok(expected) = leaving.minus(coming) else { return Ok(()) };
        match before.available() {
            Available::UpTo(got) if got < expected => {
                Err(Refusal::InsufficientFunds { account, expected, got })
            }
            Available::UpTo(_) | Available::Unlimited => Ok(()),
        }
    }

    fn check_ceiling(&self, before: &Account, after: &Account) -> Result<(), Refusal> {
        let account = before.opening.id;
        let too_large = |_| Refusal::AmountTooLarge { account };
        let new = after.for_ceiling().map_err(too_large)?;
        if after.within_ceiling(before.ceiling).map_err(too_large)? {
            return Ok(());
        }
        let expected = Account::ceiling_of(before.ceiling).unwrap_or(Minor::MAX);
        let got = new.inward.minus(new.outward).unwrap_or(Minor::ZERO);
        Err(Refusal::CeilingExceeded { account, expected, got })
    }

    fn check_velocity(&self, claims: &[Claim], date: BusinessDate) -> Result<(), Refusal> {
        for Claim { limit, amount } in claims {
            let counter = self.counter(&limit.bucket(date));
            let got = Minor::new(counter.amount.units().saturating_add(amount.units()));
            let fits = counter.amount.plus(*amount).is_ok();
            if got > limit.amount_max || !fits {
                let (key, expected) = (limit.key, limit.amount_max);
                return Err(Refusal::VelocityAmountExceeded { key, expected, got });
            }
        }
        for Claim { limit, .. } in claims {
            let counter = self.counter(&limit.bucket(date));
            if counter.count >= limit.count_max {
                let (key, expected) = (limit.key, limit.count_max);
                let got = counter.count.saturating_add(1);
                return Err(Refusal::VelocityCountExceeded { key, expected, got });
            }
        }
        Ok(())
    }

    fn known_account(&self, account: AccountId) -> Result<&Account, Refusal> {
        self.accounts.get(&account).ok_or(Refusal::UnknownAccount { account })
    }

    fn open_account(&self, account: AccountId) -> Result<&Account, Refusal> {
        let known = self.known_account(account)?;
        check_standing(known)?;
        Ok(known)
    }

    fn open_hold(&self, stamp: Instant, hold: HoldId) -> Result<&Hold, Refusal> {
        let known = self.holds.get(&hold).ok_or(Refusal::UnknownHold { hold })?;
        ended_before(stamp, known).map_or(Ok(known), Err)
    }

    /// A change that moves no money, with the balances it leads to.
    fn on_account(&self, account: AccountId, change: Resolved) -> Checked {
        let balances = self.accounts.get(&account).map(|known| {
            let mut after = *known;
            if let Resolved::LimitsSet { floor, ceiling, .. } = &change {
                (after.floor, after.ceiling) = (*floor, *ceiling);
            }
            if let Resolved::BlockedSet { amount, .. } = &change {
                after.blocked = *amount;
            }
            after.balances()
        });
        checked(change, balances.into_iter().collect())
    }
}

/// Why a hold is not open; `None` while it is.
fn ended_before(stamp: Instant, hold: &Hold) -> Option<Refusal> {
    let id = hold.placement.id;
    match hold.state {
        HoldState::Open(Term::Expiring { at }) if stamp >= at => {
            Some(Refusal::HoldAlreadyExpired { hold: id })
        }
        HoldState::Open(Term::Expiring { .. } | Term::Pinned) => None,
        HoldState::Posted { transaction, .. } => {
            Some(Refusal::HoldAlreadyPosted { hold: id, transaction })
        }
        HoldState::Voided => Some(Refusal::HoldAlreadyVoided { hold: id }),
        HoldState::Expired => Some(Refusal::HoldAlreadyExpired { hold: id }),
    }
}

fn check_sizes(claims: &[Claim], links: &[Link]) -> Result<(), Refusal> {
    if claims.len() > CLAIMS_MAX {
        return Err(Refusal::LimitsOutOfRange { max: CLAIMS_MAX, got: claims.len() });
    }
    if links.len() > LINKS_MAX {
        return Err(Refusal::LinksOutOfRange { max: LINKS_MAX, got: links.len() });
    }
    Ok(())
}

/// The rules that need no state.
fn check_shape(new: &Transaction) -> Result<(), Refusal> {
    let got = new.entries.len();
    if !(1..=ENTRIES_MAX).contains(&got) {
        return Err(Refusal::EntriesOutOfRange { max: ENTRIES_MAX, got });
    }
    check_sizes(&new.claims, &new.links)?;
    if let Some(entry) = new.entries.iter().find(|entry| entry.amount.is_zero()) {
        return Err(Refusal::AmountMustBePositive { account: entry.account });
    }
    let mut holds = BTreeSet::new();
    if let Some(hold) = new.entries.iter().filter_map(|e| e.hold).find(|h| !holds.insert(*h)) {
        return Err(Refusal::HoldsMustDiffer { hold });
    }
    check_limits_differ(&new.claims, new.business_date)
}

fn check_limits_differ(claims: &[Claim], date: BusinessDate) -> Result<(), Refusal> {
    let mut buckets = BTreeSet::new();
    match claims.iter().find(|claim| !buckets.insert(claim.limit.bucket(date))) {
        Some(claim) => Err(Refusal::LimitsMustDiffer { key: claim.limit.key }),
        None => Ok(()),
    }
}

fn check_limit_assets(claims: &[Claim], assets: &BTreeSet<AssetCode>) -> Result<(), Refusal> {
    match claims.iter().find(|claim| !assets.contains(&claim.limit.asset)) {
        Some(claim) => Err(Refusal::LimitAssetDiffers { got: claim.limit.asset }),
        None => Ok(()),
    }
}

fn sums_by_asset(
    accounts: &[(&Account, &Entry)],
) -> Result<BTreeMap<AssetCode, (Minor, Minor)>, Refusal> {
    let mut sums: BTreeMap<AssetCode, (Minor, Minor)> = BTreeMap::new();
    for (account, entry) in accounts {
        let sum = sums.entry(account.opening.asset).or_insert((Minor::ZERO, Minor::ZERO));
        let side = match entry.side {
            Side::Debit => &mut sum.0,
            Side::Credit => &mut sum.1,
        };
        let too_large = |_| Refusal::AmountTooLarge { account: entry.account };
        *side = side.plus(entry.amount).map_err(too_large)?;
    }
    Ok(sums)
}

// INVARIANT (MoneyConserved): per asset, posted debits equal posted credits. Upheld here for each
// transaction, asserted by `apply`, recomputed by `audit`.
fn check_balanced(sums: &BTreeMap<AssetCode, (Minor, Minor)>) -> Result<(), Refusal> {
    match sums.iter().find(|(_, (debits, credits))| debits != credits) {
        Some((asset, (debits, credits))) => Err(Refusal::DebitsMustEqualCredits {
            asset: *asset,
            debits: *debits,
            credits: *credits,
        }),
        None => Ok(()),
    }
}

fn check_standing(account: &Account) -> Result<(), Refusal> {
    match account.standing {
        Standing::Open => Ok(()),
        Standing::Closed(_) => Err(Refusal::AccountClosed { account: account.opening.id }),
    }
}

fn check_freeze(account: &Account, side: Side) -> Result<(), Refusal> {
    if account.freeze.stops(side) {
        return Err(Refusal::AccountFrozen { account: account.opening.id, side });
    }
    Ok(())
}

fn balances(staged: &Staged) -> Vec<Balances> {
    staged.accounts.values().map(Account::balances).collect()
}

fn checked(change: Resolved, balances: Vec<Balances>) -> Checked {
    let outcome = Outcome { answer: Answer::Done, balances };
    Checked { changes: vec![Change(change)], outcome }
}

fn repeated(first: Instant) -> Checked {
    let outcome = Outcome { answer: Answer::Repeated { first }, balances: Vec::new() };
    Checked { changes: Vec::new(), outcome }
}
