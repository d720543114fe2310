//! What is stopped, from when until when, and the one place that asks.
//!
//! A stop is a window of the writer's stamps: it holds while `from <= stamp < until`. Stops only
//! add up; a lift ends those that were known when it was proposed, so that an alarm raised since
//! then stands.

use ledger::{Change, Command, Entry, Resolved, Side as EntrySide};
use minicbor::{Decode, Encode};
use record::{ActAccount, OutgoingPayment, Side, Stop, Subject};
use terms::{AccountId, ActId, AssetCode, CorridorName, Instant, InstitutionName, Position};

use crate::after::{CheckedReturn, Original};
use crate::order::CheckedOrder;
use crate::rule::{Rule, RuleName};
use crate::settlement::funding::ResolutionWish;
use crate::settlement::{SettlementBook, rule_of};

/// What can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Stopped {
    /// A participant, a corridor or an asset.
    #[n(0)]
    Subject(#[n(0)] Subject),
    /// An account.
    #[n(1)]
    Account(#[n(0)] ActAccount),
}

impl Stopped {
    pub(super) const fn of_subject(subject: Subject) -> Self {
        Self::Subject(subject)
    }

    pub(super) const fn of_account(account: ActAccount) -> Self {
        Self::Account(account)
    }
}

impl core::fmt::Display for Stopped {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Subject(subject) => subject.fmt(f),
            Self::Account(account) => account.fmt(f),
        }
    }
}

/// One stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StopEntry {
    /// Where it was proposed.
    #[n(0)]
    pub proposed: Position,
    /// What.
    #[n(1)]
    pub what: Stopped,
    /// Which sides of an account; `None` for what is no account.
    #[n(2)]
    pub sides: Option<Stop>,
    /// It holds from this stamp on.
    #[n(3)]
    pub from: Instant,
    /// It does not hold from this stamp on.
    #[n(4)]
    pub until: Option<Instant>,
    /// By which act.
    #[n(5)]
    pub act: ActId,
}

impl StopEntry {
    /// Whether it holds at `stamp`.
    #[must_use]
    pub fn holds(&self, stamp: Instant) -> bool {
        self.from <= stamp && self.is_left(stamp)
    }

    /// Whether it holds at `stamp` or may hold later.
    #[must_use]
    pub fn is_left(&self, stamp: Instant) -> bool {
        self.until.is_none_or(|until| stamp < until && self.from < until)
    }

    const fn on(&self, side: EntrySide) -> bool {
        match (self.sides, side) {
            (Some(Stop::Both), _)
            | (Some(Stop::Debits), EntrySide::Debit)
            | (Some(Stop::Credits), EntrySide::Credit) => true,
            (None | Some(Stop::Debits | Stop::Credits), _) => false,
        }
    }
}

/// Everything that is stopped, by when it was proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Stops {
    #[n(0)]
    entries: Vec<StopEntry>,
    /// Customers' accounts that an act was ever about: their books are told of each change.
    #[n(1)]
    customers: std::collections::BTreeMap<ActAccount, Told>,
}

/// The newest act about a customer's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Told {
    /// The act.
    #[n(0)]
    pub act: ActId,
    /// Where it was proposed.
    #[n(1)]
    pub proposed: Position,
}

impl Stops {
    /// All that is stopped or will be, and some that is over.
    pub fn iter(&self) -> impl Iterator<Item = &StopEntry> {
        self.entries.iter()
    }

    /// Whether anything of this target is stopped at `stamp` or will be.
    #[must_use]
    pub fn any_left(&self, stamp: Instant, what: Stopped) -> bool {
        self.iter().any(|one| one.what == what && one.is_left(stamp))
    }

    /// How much is stopped at `stamp` or will be.
    #[must_use]
    pub fn count_left(&self, stamp: Instant) -> usize {
        self.iter().filter(|one| one.is_left(stamp)).count()
    }

    /// What stops this at `stamp`, if anything does.
    #[must_use]
    pub fn at(&self, stamp: Instant, what: Stopped) -> Option<&StopEntry> {
        self.iter().find(|one| one.what == what && one.holds(stamp))
    }

    /// Which sides of an account are stopped at `stamp`, by all freezes together.
    #[must_use]
    pub fn sides(&self, stamp: Instant, account: ActAccount) -> Option<Stop> {
        let what = Stopped::Account(account);
        let held = self.iter().filter(|one| one.what == what && one.holds(stamp));
        held.filter_map(|one| one.sides).reduce(Stop::and)
    }

    /// Customers' accounts that an act was ever about, with the newest.
    pub fn customers(&self) -> impl Iterator<Item = (InstitutionName, AccountId, Told)> {
        self.customers.iter().filter_map(|(account, told)| match account {
            ActAccount::Customer(of, account) => Some((*of, *account, *told)),
            ActAccount::Settlement(..) => None,
        })
    }

    pub(super) fn add(
        &mut self,
        proposed: Position,
        what: Stopped,
        sides: Option<Stop>,
        (from, until): (Instant, Option<Instant>),
        act: ActId,
    ) {
        self.entries.push(StopEntry { proposed, what, sides, from, until, act });
        self.tell(what, Told { act, proposed });
    }

    /// Ends what was known at `proposed`.
    pub(super) fn lift(&mut self, (act, proposed): (ActId, Position), what: Stopped, end: Instant) {
        let known = |one: &&mut StopEntry| one.what == what && one.proposed < proposed;
        for one in self.entries.iter_mut().filter(known) {
            one.until = Some(one.until.map_or(end, |until| until.min(end)));
        }
        self.tell(what, Told { act, proposed });
    }

    fn tell(&mut self, what: Stopped, told: Told) {
        if let Stopped::Account(account @ ActAccount::Customer(..)) = what {
            let newest = self.customers.entry(account).or_insert(told);
            if newest.proposed < told.proposed {
                *newest = told;
            }
        }
    }

    pub(super) fn forget(&mut self, stamp: Instant) {
        self.entries.retain(|one| one.is_left(stamp));
    }

    fn frozen(&self, stamp: Instant, account: ActAccount, side: EntrySide) -> Result<(), Rule> {
        let what = Stopped::Account(account);
        let stops = |one: &&StopEntry| one.what == what && one.holds(stamp) && one.on(side);
        match self.iter().find(stops) {
            None => Ok(()),
            Some(_) => {
                let detail = match account {
                    ActAccount::Settlement(of, asset) => format!("settlement, `{of}`, `{asset}`"),
                    ActAccount::Customer(_, account) => format!("account `{account}`"),
                };
                Err(Rule::new(RuleName::AccountFrozen, format!("{detail}, for {side:?} entries")))
            }
        }
    }
}

impl SettlementBook {
    /// The changes that a command leads to, unless it would touch a frozen settlement account.
    /// Every posting of this book that is not the end of a pinned hold comes through here.
    pub(in crate::settlement) fn ledger_changes(
        &self,
        at: Instant,
        command: &Command,
    ) -> Result<Vec<Change>, Rule> {
        let checked = self.ledger.check(at, command).map_err(|refusal| rule_of(&refusal))?;
        let (changes, _) = checked.into_parts();
        for change in &changes {
            self.change_not_frozen(at, change.resolved())?;
        }
        Ok(changes.into_iter().collect())
    }

    fn change_not_frozen(&self, at: Instant, resolved: &Resolved) -> Result<(), Rule> {
        if self.acts.stops.entries.is_empty() {
            return Ok(());
        }
        match resolved {
            Resolved::Posted { transaction, .. } => {
                // What a hold waits for may have happened outside: a freeze cannot undo it.
                let new = |entry: &&Entry| entry.hold.is_none();
                transaction
                    .entries
                    .iter()
                    .filter(new)
                    .try_for_each(|entry| self.entry_not_frozen(at, entry.account, entry.side))
            }
            Resolved::HoldPlaced(placed) => self.entry_not_frozen(at, placed.account, placed.side),
            Resolved::HoldPinned { hold } => match self.ledger.hold(*hold) {
                Some(known) => {
                    let placed = known.placement();
                    self.entry_not_frozen(at, placed.account, placed.side)
                }
                None => Ok(()),
            },
            Resolved::AccountOpened(_)
            | Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. }
            | Resolved::HoldVoided { .. }
            | Resolved::HoldExpired { .. } => Ok(()),
        }
    }

    fn entry_not_frozen(
        &self,
        at: Instant,
        account: AccountId,
        side: EntrySide,
    ) -> Result<(), Rule> {
        let mut frozen = self.acts.stops.iter().filter_map(|one| match one.what {
            Stopped::Account(frozen @ ActAccount::Settlement(of, asset)) => {
                (self.settlement_account(of, asset) == Some(account)).then_some(frozen)
            }
            Stopped::Account(ActAccount::Customer(..)) | Stopped::Subject(_) => None,
        });
        frozen.try_for_each(|frozen| self.acts.stops.frozen(at, frozen, side))
    }

    /// Refuses while one of these is suspended. Participants before the corridor before assets.
    fn not_suspended(
        &self,
        at: Instant,
        participants: &[InstitutionName],
        corridor: Option<CorridorName>,
        assets: &[AssetCode],
    ) -> Result<(), Rule> {
        if self.acts.stops.entries.is_empty() {
            return Ok(());
        }
        let free = |name: RuleName, subject: Subject| match self
            .acts
            .stops
            .at(at, Stopped::Subject(subject))
        {
            None => Ok(()),
            Some(_) => Err(Rule::new(name, subject.to_string())),
        };
        for name in participants {
            free(RuleName::ParticipantSuspended, Subject::Participant(*name))?;
        }
        if let Some(name) = corridor {
            free(RuleName::CorridorSuspended, Subject::Corridor(name))?;
        }
        for asset in assets {
            free(RuleName::AssetSuspended, Subject::Asset(*asset))?;
        }
        Ok(())
    }

    /// Whether nobody and nothing of these is suspended.
    pub(in crate::settlement) fn may_take_part(
        &self,
        at: Instant,
        participants: &[InstitutionName],
        assets: &[AssetCode],
    ) -> Result<(), Rule> {
        self.not_suspended(at, participants, None, assets)
    }

    pub(in crate::settlement) fn order_not_suspended(
        &self,
        at: Instant,
        order: &CheckedOrder,
    ) -> Result<(), Rule> {
        let mut who =
            vec![order.permit(Side::Debtor).institution, order.permit(Side::Creditor).institution];
        who.extend(order.quote().provider.as_str().parse::<InstitutionName>().ok());
        let terms = order.terms();
        let assets = [terms.debited.asset, terms.credited.asset];
        self.not_suspended(at, &who, Some(terms.corridor), &assets)
    }

    /// A payment that leaves: nobody stands for the payee, and no provider.
    pub(in crate::settlement) fn outgoing_not_stopped(
        &self,
        at: Instant,
        order: &OutgoingPayment,
    ) -> Result<(), Rule> {
        let (who, asset) = (order.institution, order.amount.asset);
        self.not_suspended(at, &[who], Some(order.corridor), &[asset])?;
        let payer = ActAccount::Customer(who, order.debited_account);
        self.acts.stops.frozen(at, payer, EntrySide::Debit)
    }

    pub(in crate::settlement) fn return_not_suspended(
        &self,
        at: Instant,
        checked: &CheckedReturn,
    ) -> Result<(), Rule> {
        let original = &checked.original;
        let mut who = vec![original.creditor_institution, original.debtor_institution];
        who.extend(original.quote.provider.as_str().parse::<InstitutionName>().ok());
        let assets = [checked.order.amount.asset, checked.order.credited.asset];
        self.not_suspended(at, &who, Some(original.corridor()), &assets)
    }

    /// Money of a participant that would leave, or be assigned by hand.
    pub(in crate::settlement) fn moves_unsuspended(
        &self,
        at: Instant,
        participant: InstitutionName,
        asset: AssetCode,
    ) -> Result<(), Rule> {
        self.not_suspended(at, &[participant], None, &[asset])
    }

    pub(in crate::settlement) fn wish_not_suspended(
        &self,
        at: Instant,
        asset: AssetCode,
        wish: &ResolutionWish,
    ) -> Result<(), Rule> {
        match wish {
            ResolutionWish::Release(of) | ResolutionWish::Charge(of) => {
                self.moves_unsuspended(at, *of, asset)
            }
            ResolutionWish::Return => self.not_suspended(at, &[], None, &[asset]),
        }
    }

    /// The customers' accounts of an order; their own books refuse too, once they are told.
    pub(in crate::settlement) fn order_not_frozen(
        &self,
        at: Instant,
        order: &CheckedOrder,
    ) -> Result<(), Rule> {
        let terms = order.terms();
        let debtor = order.permit(Side::Debtor).institution;
        let creditor = order.permit(Side::Creditor).institution;
        let (debited, credited) = (terms.debited_account, terms.credited_account);
        self.customers_not_frozen(at, (debtor, debited), (creditor, credited))
    }

    pub(in crate::settlement) fn return_not_frozen(
        &self,
        at: Instant,
        original: &Original,
    ) -> Result<(), Rule> {
        let parties = original.return_parties();
        let (from, to) = ((parties.debtor, parties.debited), (parties.creditor, parties.credited));
        self.customers_not_frozen(at, from, to)
    }

    fn customers_not_frozen(
        &self,
        at: Instant,
        (debtor, debited): (InstitutionName, AccountId),
        (creditor, credited): (InstitutionName, AccountId),
    ) -> Result<(), Rule> {
        let stops = &self.acts.stops;
        stops.frozen(at, ActAccount::Customer(debtor, debited), EntrySide::Debit)?;
        stops.frozen(at, ActAccount::Customer(creditor, credited), EntrySide::Credit)
    }
}
