//! The rules. Each looks at the whole command before the next one does, so the order of rules is
//! the precedence of [`Refusal`].

use seal::Digest;
use smallvec::SmallVec;
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor};

use crate::account::{Balances, Opening};
use crate::change::{Change, Checked, Ended, Findings, Resolved};
use crate::command::{Command, SWEEP_MAX};
use crate::hold::{HOLD_PARTS_MAX, Hold, HoldState, Placement, Term, VoidGround};
use crate::label::{Datum, Detail, Key, METADATA_BYTES_MAX, METADATA_MAX, Marks};
use crate::past::Past;
use crate::refusal::Refusal;
use crate::row::Row;
use crate::stage::Staged;
use crate::state::{Ledger, Move, Turn, place};
use crate::transaction::{ENTRIES_MAX, Entry, LINKS_MAX, Link, Side, Transaction};
use crate::velocity::{Bucket, CLAIMS_MAX, Claim, Counter, PERIOD_AHEAD_DAYS, PERIOD_KEPT_DAYS};

/// An account that a command names.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) slot: u32,
    pub(crate) row: &'a Row,
}

/// A transaction of exact entries, with what its draft said beyond them.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) transaction: &'a Transaction,
    /// Digest of the draft.
    pub(crate) digest: Option<Digest>,
    /// Holds whose rest stays held.
    pub(crate) kept: &'a [HoldId],
}

impl<'a> Asked<'a> {
    const fn exactly(transaction: &'a Transaction) -> Self {
        Self { transaction, digest: None, kept: &[] }
    }
}

/// The sums of one asset over the entries of a transaction.
#[derive(Clone, Copy)]
struct Sum {
    asset: u32,
    debits: Minor,
    credits: Minor,
}

type Accounts<'a> = SmallVec<[Known<'a>; 2]>;
type Sums = SmallVec<[Sum; 1]>;
type Named<'a> = SmallVec<[(&'a Entry, &'a Hold); 1]>;

impl Ledger {
    /// Asks every rule, in the order of [`Refusal`]; changes nothing. `past` knows every id that
    /// [`Self::plan`] names for this command at this state.
    pub fn check(
        &self,
        past: &impl Past,
        stamp: Instant,
        command: &Command,
    ) -> Result<Checked, Refusal> {
        let mut checked = Checked::nothing();
        self.check_to(past, stamp, command, &mut checked)?;
        Ok(checked)
    }

    /// As [`Self::check`], told to `into` as it is found; nothing is told after a refusal.
    pub fn check_to(
        &self,
        past: &impl Past,
        stamp: Instant,
        command: &Command,
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        match command {
            Command::Post(transaction) => {
                if let Some(known) = past.transaction(transaction.id) {
                    return match (known.asked, known.transaction.differs(transaction)) {
                        (_, Some(field)) => Err(Refusal::IdUsedWithOtherContent { field }),
                        (Some(_), None) => Err(Refusal::IdUsedWithOtherContent { field: "lines" }),
                        (None, None) => repeated(known.at, into),
                    };
                }
                check_shape(transaction)?;
                self.check_transaction(past, stamp, Asked::exactly(transaction), into)
            }
            Command::PostDraft(draft) => self.check_draft(past, stamp, draft, into),
            Command::OpenAccount(opening) => self.check_opening(opening, into),
            Command::SetLimits { account, floor, ceiling } => {
                let row = self.open_account(*account)?;
                let within = row.sided().within_floor(*floor);
                let within =
                    within.and_then(|fits| Ok(fits && row.sided().within_ceiling(*ceiling)?));
                if within != Ok(true) {
                    return Err(Refusal::BalanceOutsideLimits { account: *account });
                }
                let (account, floor, ceiling) = (*account, *floor, *ceiling);
                self.on_account(account, Resolved::LimitsSet { account, floor, ceiling }, into);
                Ok(())
            }
            Command::SetFreeze { account, freeze } => {
                let (account, freeze) = (self.open_account(*account)?.id, *freeze);
                self.on_account(account, Resolved::FreezeSet { account, freeze }, into);
                Ok(())
            }
            Command::SetBlocked { account, amount } => {
                let (account, amount) = (self.open_account(*account)?.id, *amount);
                self.on_account(account, Resolved::BlockedSet { account, amount }, into);
                Ok(())
            }
            Command::CloseAccount { account } => {
                let of = self.open_account(*account)?.counters;
                let held = !(of.debits_pending.is_zero() && of.credits_pending.is_zero());
                if held || of.debits_posted != of.credits_posted {
                    return Err(Refusal::AccountNotEmpty { account: *account });
                }
                self.on_account(*account, Resolved::AccountClosed { account: *account }, into);
                Ok(())
            }
            Command::PlaceHold(placement) => self.check_placement(past, stamp, placement, into),
            Command::PinHold { hold } => self.check_pin(past, stamp, *hold, into),
            Command::VoidHold { hold, ground } => {
                self.check_void(past, stamp, (*hold, *ground), into)
            }
            Command::ExpireHolds { at_most } => self.check_sweep(stamp, *at_most, into),
        }
    }

    fn check_opening(&self, opening: &Opening, into: &mut impl Findings) -> Result<(), Refusal> {
        let Some(known) = self.account(opening.id) else {
            let row = Row::opened(opening, 0, 0);
            let balances = Balances {
                account: opening.id,
                asset: opening.asset,
                debits_posted: Minor::ZERO,
                credits_posted: Minor::ZERO,
                debits_pending: Minor::ZERO,
                credits_pending: Minor::ZERO,
                available: row.sided().available(opening.floor, Minor::ZERO),
            };
            into.change(Change(Resolved::AccountOpened(*opening)));
            into.balances(balances);
            return Ok(());
        };
        let first = known.opening;
        let differs = [
            (first.asset != opening.asset, "asset"),
            (first.normal != opening.normal, "normal"),
            (first.owner != opening.owner, "owner"),
            (first.purpose != opening.purpose, "purpose"),
            (first.floor != opening.floor, "floor"),
            (first.ceiling != opening.ceiling, "ceiling"),
            (first.marks != opening.marks.and_then(Marks::if_any), "marks"),
        ];
        match differs.into_iter().find_map(|(differs, field)| differs.then_some(field)) {
            Some(field) => Err(Refusal::IdUsedWithOtherContent { field }),
            None => repeated(known.opened_at, into),
        }
    }

    fn check_placement(
        &self,
        past: &impl Past,
        stamp: Instant,
        placement: &Placement,
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        if let Some(known) = self.hold_of(past, placement.id) {
            return match known.placement.differs(placement) {
                Some(field) => Err(Refusal::IdUsedWithOtherContent { field }),
                None => repeated(known.placed_at, into),
            };
        }
        let claims: SmallVec<[Claim; 2]> = placement
            .limits
            .iter()
            .map(|limit| Claim { limit: *limit, amount: limit.counts(placement.amount) })
            .collect();
        check_sizes(&claims, &placement.links)?;
        if placement.amount.is_zero() {
            return Err(Refusal::AmountMustBePositive { account: placement.account });
        }
        check_limits_differ(&claims, placement.business_date)?;
        let Known { slot, row } = self.known_account(placement.account)?;
        self.check_limit_assets(&claims, |asset| asset == row.asset)?;
        if let Term::Expiring { at } = placement.term
            && at <= stamp
        {
            return Err(Refusal::ExpiryMustBeLater { stamp, got: at });
        }
        check_periods(&claims, placement.business_date, stamp)?;
        check_standing(row)?;
        check_freeze(row, placement.side)?;
        let (side, amount) = (placement.side, placement.amount);
        let mut staged = Staged::default();
        let turn = Turn::Hold;
        self.stage([Move { slot, side, turn, amount }].into_iter(), &mut staged)?;
        self.check_bounds(&staged)?;
        self.check_velocity(&claims, placement.business_date, stamp)?;
        into.change(Change(Resolved::HoldPlaced(placement.clone())));
        self.staged_balances(&staged, into);
        Ok(())
    }

    fn check_pin(
        &self,
        past: &impl Past,
        stamp: Instant,
        hold: HoldId,
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        let known = self.hold_open_at(past, stamp, hold)?;
        if known.state == HoldState::Open(Term::Pinned) {
            return Err(Refusal::HoldAlreadyPinned { hold });
        }
        let account = known.placement.account;
        // Something is about to be sent outside, and a pinned hold passes a later freeze: this is
        // the last moment at which a freeze can stop it.
        check_freeze(self.known_account(account)?.row, known.placement.side)?;
        self.on_account(account, Resolved::HoldPinned { hold }, into);
        Ok(())
    }

    fn check_void(
        &self,
        past: &impl Past,
        stamp: Instant,
        (hold, ground): (HoldId, VoidGround),
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        let known = self.hold_open_at(past, stamp, hold)?;
        if known.state == HoldState::Open(Term::Pinned) && ground == VoidGround::Cancelled {
            return Err(Refusal::EvidenceRequired { hold });
        }
        let change = Resolved::HoldVoided { hold, released: known.remaining(), ground };
        let mut staged = Staged::default();
        self.stage(self.release(known, None).into_iter(), &mut staged)?;
        into.change(Change(change));
        self.staged_balances(&staged, into);
        Ok(())
    }

    /// Holds whose moment has come, the earliest first; an empty list of changes when there is
    /// none.
    fn check_sweep(
        &self,
        stamp: Instant,
        at_most: u32,
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        let most = usize::try_from(at_most.min(SWEEP_MAX)).unwrap_or(usize::MAX);
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= stamp).take(most);
        let due: SmallVec<[&Hold; 4]> = due.filter_map(|(_, id)| self.open_hold(*id)).collect();
        let mut staged = Staged::default();
        self.stage(due.iter().filter_map(|hold| self.release(hold, None)), &mut staged)?;
        let expired = |hold: &&Hold| {
            let (hold, released) = (hold.placement.id, hold.remaining());
            Change(Resolved::HoldExpired { hold, released })
        };
        due.iter().map(expired).for_each(|change| into.change(change));
        self.staged_balances(&staged, into);
        Ok(())
    }

    /// Asks the rules that need the state. Those that do not were asked before.
    pub(crate) fn check_transaction(
        &self,
        past: &impl Past,
        stamp: Instant,
        asked: Asked<'_>,
        into: &mut impl Findings,
    ) -> Result<(), Refusal> {
        let Asked { transaction: new, .. } = asked;
        let mut accounts = Accounts::new();
        for entry in &new.entries {
            let Some(known) = self.find_row(entry.account) else {
                return Err(Refusal::UnknownAccount { account: entry.account });
            };
            accounts.push(known);
        }
        let mut named = Named::new();
        self.named_holds(past, &new.entries, &mut named)?;
        let ended =
            if named.is_empty() { Vec::new() } else { check_holds(stamp, &named, asked.kept)? };
        let mut sums = Sums::new();
        sums_by_asset(&accounts, &new.entries, &mut sums)?;
        self.check_limit_assets(&new.claims, |asset| sums.iter().any(|sum| sum.asset == asset))?;
        self.check_balanced(&sums)?;
        check_periods(&new.claims, new.business_date, stamp)?;
        accounts.iter().try_for_each(|known| check_standing(known.row))?;
        for (known, entry) in accounts.iter().zip(&new.entries) {
            // What a pinned hold waits for may have happened outside: a freeze cannot undo it.
            if !is_pinned(&named, entry) {
                check_freeze(known.row, entry.side)?;
            }
        }
        let freed = named.iter().zip(&ended);
        let released = freed.filter_map(|((_, hold), end)| self.release(hold, end.kept));
        let posted = accounts.iter().zip(&new.entries).map(|(known, entry)| Move {
            slot: known.slot,
            side: entry.side,
            turn: Turn::Post,
            amount: entry.amount,
        });
        let mut staged = Staged::default();
        self.stage(released.chain(posted), &mut staged)?;
        self.check_bounds(&staged)?;
        self.check_velocity(&new.claims, new.business_date, stamp)?;
        let transaction = new.clone();
        into.change(Change(Resolved::Posted { transaction, ended, asked: asked.digest }));
        self.staged_balances(&staged, into);
        Ok(())
    }

    /// The holds that the entries name, in their order, ended or not.
    fn named_holds<'a>(
        &'a self,
        past: &'a impl Past,
        entries: &'a [Entry],
        named: &mut Named<'a>,
    ) -> Result<(), Refusal> {
        for entry in entries {
            if let Some(hold) = entry.hold {
                let known = self.hold_of(past, hold).ok_or(Refusal::UnknownHold { hold })?;
                named.push((entry, known));
            }
        }
        Ok(())
    }

    /// What comes free of a hold.
    fn release(&self, hold: &Hold, kept: Option<Minor>) -> Option<Move> {
        let Placement { account, side, .. } = hold.placement;
        let amount = hold.remaining().minus(kept.unwrap_or(Minor::ZERO)).ok()?;
        Some(Move { slot: self.slot(account)?, side, turn: Turn::Release, amount })
    }

    fn check_velocity(
        &self,
        claims: &[Claim],
        date: BusinessDate,
        stamp: Instant,
    ) -> Result<(), Refusal> {
        let totals: SmallVec<[Counter; 2]> =
            claims.iter().map(|c| self.total_until(&c.limit.bucket(date, stamp))).collect();
        for (Claim { limit, amount }, total) in claims.iter().zip(&totals) {
            let got = Minor::new(total.amount.units().saturating_add(amount.units()));
            let fits = total.amount.plus(*amount).is_ok();
            if got > limit.amount_max || !fits {
                let (key, expected) = (limit.key, limit.amount_max);
                return Err(Refusal::VelocityAmountExceeded { key, expected, got });
            }
        }
        for (Claim { limit, .. }, total) in claims.iter().zip(&totals) {
            if total.count >= limit.count_max {
                let (key, expected) = (limit.key, limit.count_max);
                let got = total.count.saturating_add(1);
                return Err(Refusal::VelocityCountExceeded { key, expected, got });
            }
        }
        Ok(())
    }

    fn check_limit_assets(
        &self,
        claims: &[Claim],
        moves: impl Fn(u32) -> bool,
    ) -> Result<(), Refusal> {
        let moving = |claim: &Claim| {
            self.asset_numbers.get(&claim.limit.asset).is_some_and(|asset| moves(*asset))
        };
        match claims.iter().find(|claim| !moving(claim)) {
            Some(claim) => Err(Refusal::LimitAssetDiffers { got: claim.limit.asset }),
            None => Ok(()),
        }
    }

    // INVARIANT (MoneyConserved): per asset, posted debits equal posted credits. Upheld here for
    // each transaction, asserted by `apply`, recomputed by `audit`.
    #[inline]
    fn check_balanced(&self, sums: &[Sum]) -> Result<(), Refusal> {
        if sums.iter().all(|sum| sum.debits == sum.credits) {
            return Ok(());
        }
        let unequal = sums.iter().filter(|sum| sum.debits != sum.credits);
        let named = unequal.filter_map(|sum| Some((*self.assets.get(place(sum.asset))?, sum)));
        match named.min_by_key(|(asset, _)| *asset) {
            Some((asset, sum)) => Err(Refusal::DebitsMustEqualCredits {
                asset,
                debits: sum.debits,
                credits: sum.credits,
            }),
            None => Ok(()),
        }
    }

    // An option, because a refusal is large and this is asked for each entry.
    #[inline]
    fn find_row(&self, account: AccountId) -> Option<Known<'_>> {
        let slot = self.slot(account)?;
        Some(Known { slot, row: self.rows.get(slot)? })
    }

    pub(crate) fn known_account(&self, account: AccountId) -> Result<Known<'_>, Refusal> {
        self.find_row(account).ok_or(Refusal::UnknownAccount { account })
    }

    fn open_account(&self, account: AccountId) -> Result<&Row, Refusal> {
        let known = self.known_account(account)?;
        check_standing(known.row)?;
        Ok(known.row)
    }

    /// A hold, open or ended.
    pub(crate) fn hold_of<'a>(&'a self, past: &'a impl Past, hold: HoldId) -> Option<&'a Hold> {
        self.open_hold(hold).or_else(|| past.hold(hold))
    }

    fn hold_open_at<'a>(
        &'a self,
        past: &'a impl Past,
        stamp: Instant,
        hold: HoldId,
    ) -> Result<&'a Hold, Refusal> {
        let known = self.hold_of(past, hold).ok_or(Refusal::UnknownHold { hold })?;
        ended_before(stamp, known).map_or(Ok(known), Err)
    }

    /// A change that moves no money, with the balances it leads to.
    fn on_account(&self, account: AccountId, change: Resolved, into: &mut impl Findings) {
        let balances = self.account(account).map(|mut after| {
            if let Resolved::LimitsSet { floor, ceiling, .. } = &change {
                (after.floor, after.ceiling) = (*floor, *ceiling);
            }
            if let Resolved::BlockedSet { amount, .. } = &change {
                after.blocked = *amount;
            }
            after.balances()
        });
        balances.into_iter().for_each(|balances| into.balances(balances));
        into.change(Change(change));
    }
}

/// Why a hold is not open; `None` while it is.
pub(crate) fn ended_before(stamp: Instant, hold: &Hold) -> Option<Refusal> {
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

pub(crate) fn check_sizes(claims: &[Claim], links: &[Link]) -> Result<(), Refusal> {
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
    check_entries(new.entries.len())?;
    check_sizes(&new.claims, &new.links)?;
    new.detail.as_deref().map_or(Ok(()), check_detail)?;
    if let Some(entry) = new.entries.iter().find(|entry| entry.amount.is_zero()) {
        return Err(Refusal::AmountMustBePositive { account: entry.account });
    }
    check_holds_differ(new.entries.iter().filter_map(|entry| entry.hold))?;
    check_limits_differ(&new.claims, new.business_date)
}

/// Whether there is a line, and not too many.
pub(crate) fn check_entries(got: usize) -> Result<(), Refusal> {
    if (1..=ENTRIES_MAX).contains(&got) {
        return Ok(());
    }
    Err(Refusal::EntriesOutOfRange { max: ENTRIES_MAX, got })
}

/// Whether metadata keeps its limits, and each key stands once.
pub(crate) fn check_detail(detail: &Detail) -> Result<(), Refusal> {
    let got = detail.metadata.len();
    if got > METADATA_MAX {
        return Err(Refusal::MetadataOutOfRange { max: METADATA_MAX, got });
    }
    let got = detail.metadata_bytes();
    if got > METADATA_BYTES_MAX {
        return Err(Refusal::MetadataTooLarge { max: METADATA_BYTES_MAX, got });
    }
    let mut keys: SmallVec<[&Key; 4]> = SmallVec::new();
    for Datum { key, .. } in &detail.metadata {
        if keys.contains(&key) {
            return Err(Refusal::MetadataKeysMustDiffer { key: key.clone() });
        }
        keys.push(key);
    }
    Ok(())
}

/// Whether each hold stands once.
pub(crate) fn check_holds_differ(all: impl Iterator<Item = HoldId>) -> Result<(), Refusal> {
    let mut holds: SmallVec<[HoldId; 2]> = SmallVec::new();
    for hold in all {
        if holds.contains(&hold) {
            return Err(Refusal::HoldsMustDiffer { hold });
        }
        holds.push(hold);
    }
    Ok(())
}

pub(crate) fn check_limits_differ(claims: &[Claim], date: BusinessDate) -> Result<(), Refusal> {
    let mut buckets: SmallVec<[Bucket; 2]> = SmallVec::new();
    for claim in claims {
        // Of one moment: whichever it is, limits of one total have one bucket.
        let bucket = claim.limit.bucket(date, Instant::EPOCH);
        if buckets.contains(&bucket) {
            return Err(Refusal::LimitsMustDiffer { key: claim.limit.key });
        }
        buckets.push(bucket);
    }
    Ok(())
}

/// Whether each total is still counted: one that is over for long is forgotten, and would begin
/// again at nothing. And whether each begins near enough.
fn check_periods(claims: &[Claim], date: BusinessDate, stamp: Instant) -> Result<(), Refusal> {
    if let Some(claim) = claims.iter().find(|claim| claim.limit.bucket(date, stamp).is_over(stamp))
    {
        let earliest = stamp.date().days().saturating_sub(PERIOD_KEPT_DAYS);
        let (key, expected) = (claim.limit.key, BusinessDate::from_days(earliest));
        return Err(Refusal::LimitPeriodOver { key, expected, got: date });
    }
    let latest = stamp.date().days().saturating_add(PERIOD_AHEAD_DAYS);
    let dated = claims.iter().find(|claim| !claim.limit.bucket(date, stamp).rolls());
    match dated.filter(|_| date.days() > latest) {
        None => Ok(()),
        Some(claim) => {
            let (key, expected) = (claim.limit.key, BusinessDate::from_days(latest));
            Err(Refusal::LimitPeriodTooFar { key, expected, got: date })
        }
    }
}

fn is_pinned(named: &[(&Entry, &Hold)], entry: &Entry) -> bool {
    let of = |(_, hold): &&(&Entry, &Hold)| Some(hold.placement.id) == entry.hold;
    entry.hold.is_some()
        && named.iter().find(of).is_some_and(|(_, h)| h.state == HoldState::Open(Term::Pinned))
}

/// What the named holds end with, after each rule was asked of each of them.
fn check_holds(
    stamp: Instant,
    named: &[(&Entry, &Hold)],
    kept: &[HoldId],
) -> Result<Vec<Ended>, Refusal> {
    let states = named.iter().filter_map(|(_, hold)| ended_before(stamp, hold));
    if let Some(first) = states.min_by_key(Refusal::precedence) {
        return Err(first);
    }
    for (entry, hold) in named {
        let (expected, got) = (hold.placement.account, entry.account);
        if expected != got {
            return Err(Refusal::HoldAccountDiffers { expected, got });
        }
    }
    for (entry, hold) in named {
        let (expected, got) = (hold.placement.side, entry.side);
        if expected != got {
            return Err(Refusal::HoldSideDiffers { expected, got });
        }
    }
    let end = |(entry, hold): &(&Entry, &Hold)| {
        let (id, expected, got) = (hold.placement.id, hold.remaining(), entry.amount);
        match expected.minus(got) {
            Ok(rest) if kept.contains(&id) && !rest.is_zero() => {
                Ok(Ended { hold: id, posted: got, released: Minor::ZERO, kept: Some(rest) })
            }
            Ok(released) => Ok(Ended { hold: id, posted: got, released, kept: None }),
            Err(_) => Err(Refusal::AmountExceedsHold { hold: id, expected, got }),
        }
    };
    let ended: Vec<Ended> = named.iter().map(end).collect::<Result<_, _>>()?;
    let worn = |((_, hold), end): &(&(&Entry, &Hold), &Ended)| {
        end.kept.is_some() && hold.parts() >= HOLD_PARTS_MAX
    };
    match named.iter().zip(&ended).find(worn) {
        Some((_, end)) => Err(Refusal::HoldPartsOutOfRange { hold: end.hold, max: HOLD_PARTS_MAX }),
        None => Ok(ended),
    }
}

#[inline]
fn sums_by_asset(
    accounts: &[Known<'_>],
    entries: &[Entry],
    sums: &mut Sums,
) -> Result<(), Refusal> {
    for (known, entry) in accounts.iter().zip(entries) {
        let asset = known.row.asset;
        let sum = match sums.iter().position(|sum| sum.asset == asset) {
            Some(known) => known,
            None => {
                sums.push(Sum { asset, debits: Minor::ZERO, credits: Minor::ZERO });
                sums.len().saturating_sub(1)
            }
        };
        let Some(sum) = sums.get_mut(sum) else { continue };
        let side = match entry.side {
            Side::Debit => &mut sum.debits,
            Side::Credit => &mut sum.credits,
        };
        let too_large = |_| Refusal::AmountTooLarge { account: entry.account };
        *side = side.plus(entry.amount).map_err(too_large)?;
    }
    Ok(())
}

fn check_standing(row: &Row) -> Result<(), Refusal> {
    if row.is_closed { Err(Refusal::AccountClosed { account: row.id }) } else { Ok(()) }
}

fn check_freeze(row: &Row, side: Side) -> Result<(), Refusal> {
    if row.freeze.stops(side) {
        return Err(Refusal::AccountFrozen { account: row.id, side });
    }
    Ok(())
}

pub(crate) fn repeated(first: Instant, into: &mut impl Findings) -> Result<(), Refusal> {
    into.repeated(first);
    Ok(())
}
