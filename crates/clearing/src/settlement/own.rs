//! Money that participants move for themselves, and the formula by which the mirrors agree.
//!
//! A participant's own book follows what moved on its settlement account for its customers, and
//! nothing else. All other money on that account is the participant's own:
//!
//! | what is posted to a settlement account | fact | its own book follows by |
//! |---|---|---|
//! | a payment or refund: what the debtor's institution pays | 1, 31 | the debit of the hold |
//! | the same: what the creditor's institution gets | 1, 31 | the credit |
//! | the same: what its provider gets and pays | 1, 31 | nothing: own |
//! | a return: what is given back and what is got back | 29 | debit and credit |
//! | a return: what its provider gets and pays | 29 | nothing: own |
//! | a payment that leaves over a rail | 23, 25 | the debit of the hold |
//! | a withdrawal, by the rail's word, a line or a person | 23, 25 | nothing: own |
//! | a line of an outside account that names a customer | 16 | the customer's credit |
//! | a line that names the participant alone | 16 | nothing: own |
//! | suspense released to it, a debit charged to it | 17 | nothing: own |
//! | a correction | 30 | nothing: own |
//! | a change of the ledger by hand | 3 | nothing: own |
//!
//! What is held, released or lapsed posts nothing, and an act posts nothing. A new path that posts
//! is own money until it says which [`Leg`]s a participant's own book follows
//! ([`SettlementBook::apply_carried`]).
//!
//! INVARIANT (OwnMoneyIsTheRest): per participant and asset, what came in and went out of its own
//! is all that was posted to its settlement account less the legs that its own book follows.
//! Guard: the model test of `tests/own_money.rs`. Without it the mirrors would differ for ever
//! after the first withdrawal, and nobody would look at a break any more.

use std::collections::BTreeMap;

use ledger::{Change, Owner, Purpose, Resolved, Side as EntrySide};
use minicbor::{Decode, Encode};
use record::LineOutcome;
use seal::from_canonical;
use terms::{Amount, AmountError, AssetCode, Instant, InstitutionName, Minor, OutsideId};

use super::{SettlementBook, stop};

/// One entry on a participant's settlement account that its own book follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    /// Whose account.
    pub(super) participant: InstitutionName,
    /// Which side of it.
    pub(super) side: EntrySide,
    /// How much.
    pub(super) amount: Amount,
}

/// What came in and went out on a settlement account for the participant itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OwnTotals {
    /// Credited, in minor units.
    #[n(0)]
    pub came_in: Minor,
    /// Debited.
    #[n(1)]
    pub went_out: Minor,
}

impl OwnTotals {
    /// Nothing moved.
    pub const NONE: Self = Self { came_in: Minor::ZERO, went_out: Minor::ZERO };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct OwnKey {
    #[n(0)]
    participant: InstitutionName,
    #[n(1)]
    asset: AssetCode,
}

/// The own money of all participants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OwnMoney {
    #[n(0)]
    totals: BTreeMap<OwnKey, OwnTotals>,
}

impl OwnMoney {
    /// What a participant moved for itself in an asset.
    #[must_use]
    pub fn of(&self, participant: InstitutionName, asset: AssetCode) -> OwnTotals {
        self.totals.get(&OwnKey { participant, asset }).copied().unwrap_or(OwnTotals::NONE)
    }

    /// A sum that overflows cannot be here: the account's own sum is larger, and the ledger
    /// refused it.
    fn add(&mut self, leg: Leg) {
        let key = OwnKey { participant: leg.participant, asset: leg.amount.asset };
        let totals = self.totals.entry(key).or_insert(OwnTotals::NONE);
        let sum = match leg.side {
            EntrySide::Credit => &mut totals.came_in,
            EntrySide::Debit => &mut totals.went_out,
        };
        *sum = sum.plus(leg.amount.minor).unwrap_or_else(|error| stop(&error.to_string()));
    }
}

/// What is compared of one participant and asset, each side of each account summed by itself.
///
/// At rest
///
/// ```text
/// due_from = settlement - own money + still to leave - still to come
/// ```
///
/// where `due_from` is debits less credits of the due-from account in the participant's own book,
/// `settlement` credits less debits of its settlement account, own money what came in less what
/// went out of its own, and what is still to leave or to come the settled payments that its own
/// book has not debited or credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorTerms {
    /// Debits and credits of the due-from account.
    pub due_from: [Minor; 2],
    /// Debits and credits of the settlement account.
    pub settlement: [Minor; 2],
    /// The participant's own money on the settlement account.
    pub own: OwnTotals,
    /// Settled, and not debited in its own book.
    pub to_leave: Minor,
    /// Settled, and not credited in its own book.
    pub to_come: Minor,
}

impl MirrorTerms {
    /// Nothing anywhere.
    pub const NOTHING: Self = Self {
        due_from: [Minor::ZERO; 2],
        settlement: [Minor::ZERO; 2],
        own: OwnTotals::NONE,
        to_leave: Minor::ZERO,
        to_come: Minor::ZERO,
    };

    /// What the institution's own book says, and what the settlement book says. Equal: they agree.
    ///
    /// Nothing is subtracted, so that nothing can pass below nothing: each negative term of the
    /// formula stands on the other side.
    ///
    /// # Errors
    /// A sum does not fit.
    pub fn both_sides(&self) -> Result<[Minor; 2], AmountError> {
        let sum = |parts: [Minor; 4]| parts.into_iter().try_fold(Minor::ZERO, Minor::plus);
        let [due_debits, due_credits] = self.due_from;
        let [settled_debits, settled_credits] = self.settlement;
        let book = sum([due_debits, settled_debits, self.to_come, self.own.came_in])?;
        let settled = sum([due_credits, settled_credits, self.to_leave, self.own.went_out])?;
        Ok([book, settled])
    }
}

impl SettlementBook {
    /// The participants' own money.
    #[must_use]
    pub const fn own_money(&self) -> &OwnMoney {
        &self.own
    }

    /// Folds a change that no participant's own book follows.
    pub(super) fn apply_change(&mut self, stamp: Instant, bytes: &[u8]) {
        self.apply_carried(stamp, bytes, vec![]);
    }

    /// Folds a change of which participants' own books follow these legs.
    pub(super) fn apply_carried(&mut self, stamp: Instant, bytes: &[u8], legs: Vec<Leg>) {
        let change: Change = match from_canonical(bytes) {
            Ok(change) => change,
            Err(error) => stop(&error.to_string()),
        };
        if let Resolved::AccountOpened(opening) = change.resolved() {
            self.index(opening);
        }
        self.ledger.apply(stamp, &change);
        self.funding.days_mut().note(&change, &self.ledger);
        self.note_own(&change, legs);
    }

    fn note_own(&mut self, change: &Change, mut followed: Vec<Leg>) {
        let Resolved::Posted { transaction, .. } = change.resolved() else { return };
        for entry in &transaction.entries {
            let Some(opening) = self.ledger.account(entry.account).map(|known| *known.opening())
            else {
                continue;
            };
            let Owner::Institution(participant) = opening.owner else { continue };
            if opening.purpose != Purpose::Settlement {
                continue;
            }
            let amount = Amount::new(entry.amount, opening.asset);
            let leg = Leg { participant, side: entry.side, amount };
            match followed.iter().position(|one| *one == leg) {
                Some(at) => drop(followed.swap_remove(at)),
                None => self.own.add(leg),
            }
        }
    }

    /// What the debtor's book follows of a transfer over a rail: that of a payment, and nothing of
    /// a withdrawal.
    pub(super) fn legs_of_transfer(&self, id: OutsideId) -> Vec<Leg> {
        let carried = self.transfer(id).filter(|one| one.carries.is_some());
        let leg = carried.map(|one| Leg {
            participant: one.participant,
            side: EntrySide::Debit,
            amount: one.amount,
        });
        leg.into_iter().collect()
    }
}

/// What the participant's own book follows of a booked line: that a customer is credited.
pub(super) fn legs_of_line(outcome: &LineOutcome, amount: Amount) -> Vec<Leg> {
    match outcome {
        LineOutcome::Credited { participant, customer: Some(_), .. } => {
            vec![Leg { participant: *participant, side: EntrySide::Credit, amount }]
        }
        LineOutcome::Credited { customer: None, .. }
        | LineOutcome::Suspense(_)
        | LineOutcome::Confirmed { .. }
        | LineOutcome::Unmatched => vec![],
    }
}
