//! A payment whose payee's bank takes no part here: what needs no writer's turn, and which step
//! comes next.
//!
//! Order of what happens: the payer's money is held and pinned in its customers' book; the
//! settlement book takes the payment and holds the institution's prefunded money; from there the
//! transfer is one over a rail like any other ([`crate::outside`]): intent and pin in one fact,
//! then the call. What the rail says ends the payment in the same append that posts or releases
//! the prefunded money; only then is the payer debited or released.
//!
//! No institution stands for the payee: the corridor has a payer's side only, and proof goes as far
//! as the rail's word.

use core::time::Duration;

use minicbor::{Decode, Encode};
use record::edges::is_instance_of;
use record::{
    Document, Ending, OutgoingParties, OutgoingPayment, OutgoingTerms, PERMIT_SECONDS_MAX,
    ReleaseReason, Side, Signed,
};
use seal::{Digest, PublicKey};
use terms::{AccountId, BookName, Environment, Instant, OutsideId, PaymentId, Position, Uetr};

use crate::outside::{Phase, Transfer, hold_of, hold_until};
use crate::rule::{Rule, RuleName, same};
use crate::saga::{Asker, DebtorSide};
use crate::trusted::{TrustView, open};

/// The transfer that carries a payment.
#[must_use]
pub const fn transfer_of(payment: PaymentId) -> OutsideId {
    OutsideId::from_bytes(payment.bytes())
}

/// The payment that a transfer carries. Who pays whom stands in the payer's bank's own book, which
/// is asked each time the rail's message is made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CarriedPayment {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// Its own reference.
    #[n(1)]
    pub uetr: Uetr,
    /// Commitment to who pays whom.
    #[n(2)]
    pub parties: Digest,
}

impl Transfer {
    /// The transfer of a payment that was taken: its money is held.
    #[must_use]
    pub fn of_payment(
        order: &Signed<OutgoingPayment>,
        asked: &OutgoingPayment,
        account: AccountId,
        placed: (Position, Instant),
    ) -> Self {
        let (at, changed_at) = placed;
        let id = transfer_of(asked.payment);
        Self {
            id,
            order: order.digest(),
            participant: asked.institution,
            account,
            amount: asked.amount,
            to: None,
            reference: String::new(),
            hold: hold_of(id),
            hold_until: hold_until(changed_at),
            phase: Phase::Held,
            at,
            changed_at,
            waits_since: changed_at,
            rail: None,
            intended_at: None,
            line: None,
            returned: None,
            contradicted: None,
            carries: Some(Box::new(CarriedPayment {
                payment: asked.payment,
                uetr: asked.uetr,
                parties: asked.parties,
            })),
        }
    }
}

/// An outgoing payment that its institution signed. Only [`check_outgoing`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOutgoing {
    pub(crate) signed: Signed<OutgoingPayment>,
    pub(crate) order: OutgoingPayment,
    pub(crate) parties: OutgoingParties,
    pub(crate) terms_digest: Digest,
    pub(crate) key: PublicKey,
}

impl CheckedOutgoing {
    /// The order.
    #[must_use]
    pub const fn order(&self) -> &OutgoingPayment {
        &self.order
    }

    /// Who pays whom.
    #[must_use]
    pub const fn parties(&self) -> &OutgoingParties {
        &self.parties
    }

    /// The order as it was signed.
    #[must_use]
    pub const fn signed(&self) -> &Signed<OutgoingPayment> {
        &self.signed
    }

    /// What stands for the terms: the digest of the order.
    #[must_use]
    pub const fn terms_digest(&self) -> Digest {
        self.terms_digest
    }
}

/// Checks everything of an outgoing payment that needs no writer's turn. `terms` is the string
/// that the payer's mandate key signed: of layout 2 it is asked for, and order and parties say what
/// it says.
pub fn check_outgoing(
    signed: Signed<OutgoingPayment>,
    (parties, terms): (OutgoingParties, Option<&str>),
    environment: Environment,
    book: BookName,
    trust: &TrustView,
) -> Result<CheckedOutgoing, Rule> {
    let claimed = signed
        .read_unverified()
        .map_err(|error| Rule::new(RuleName::SignerNotTrusted, error.to_string()))?;
    let side = Side::Debtor;
    let key = trust.permit_key(claimed.institution, claimed.corridor, side, signed.key());
    let order = open(&signed, key)?;
    let key = key.ok_or_else(|| Rule::new(RuleName::SignerNotTrusted, OutgoingPayment::NAME))?;
    same(RuleName::EnvironmentsDiffer, "environment", environment, order.environment)?;
    same(RuleName::BooksDiffer, "book", book, order.book)?;
    let layout = if order.terms.is_some() && order.limits.is_some() { 2 } else { 1 };
    same(RuleName::PermitDiffers, "layout", layout, order.layout)?;
    if layout == 1 && (order.terms.is_some() || order.limits.is_some()) {
        return Err(Rule::permit(side, "layout", "terms and limits, or neither", "one of them"));
    }
    same(RuleName::PermitDiffers, "fee's asset", order.amount.asset, order.fee.asset)?;
    if order.amount.minor.is_zero() || order.debited().is_none() {
        return Err(Rule::permit(side, "amount", "an amount", order.amount));
    }
    committed(&order, &parties)?;
    as_agreed(&order, &parties, terms)?;
    one_sided(&order, trust)?;
    let listed = trust
        .institution(order.institution)
        .is_some_and(|entry| entry.edges.contains(&order.mark.edge));
    // As of permits: an instance that the list does not name joins by a fact.
    if !listed && !is_instance_of(order.mark.edge, order.institution) {
        let expected = format!("an edge of {}", order.institution);
        return Err(Rule::permit(side, "edge", expected, order.mark.edge));
    }
    let latest = order.decided_at.plus(Duration::from_secs(PERMIT_SECONDS_MAX));
    if order.valid_until > latest {
        return Err(Rule::permit(
            side,
            "valid_until",
            format!("at most {latest}"),
            order.valid_until,
        ));
    }
    let terms_digest = signed.digest();
    Ok(CheckedOutgoing { signed, order, parties, terms_digest, key })
}

/// The parties are those that the order commits to, and its references are sound.
fn committed(order: &OutgoingPayment, parties: &OutgoingParties) -> Result<(), Rule> {
    same(RuleName::PermitDiffers, "parties", order.parties, parties.commitment())?;
    let more = [
        parties.payer_address.is_some(),
        parties.payer_account.is_some(),
        parties.purpose.is_some(),
    ];
    // One layout for both: an order that names its terms has parties that can say all of them.
    let expected = [order.layout == 2; 3];
    same(RuleName::PermitDiffers, "layout of the parties", order.layout, parties.layout)?;
    if more != expected {
        let got = format!("{more:?}");
        let expected = format!("{expected:?}");
        return Err(Rule::permit(Side::Debtor, "payer's address, account, purpose", expected, got));
    }
    if parties.payer_account.is_some_and(|account| account != order.debited_account) {
        let got = parties.payer_account.map(|account| account.to_string()).unwrap_or_default();
        return Err(Rule::permit(Side::Debtor, "payer's account", order.debited_account, got));
    }
    same(RuleName::PermitDiffers, "uetr", order.uetr, parties.identifiers.uetr)?;
    if let Some(field) = parties.identifiers.fault() {
        let detail = format!("`{field}`: expected a reference of ISO 20022");
        return Err(Rule::new(RuleName::ReferencesMalformed, detail));
    }
    Ok(())
}

/// What is ordered, and whom it names, is what the payer signed. Nobody signs for an order of
/// layout 1: it has no terms.
fn as_agreed(
    order: &OutgoingPayment,
    parties: &OutgoingParties,
    terms: Option<&str>,
) -> Result<(), Rule> {
    let side = Side::Debtor;
    let (named, text) = match (order.terms, terms) {
        (Some(named), Some(text)) => (named, text),
        (None, None) => return Ok(()),
        (Some(_), None) => return Err(Rule::permit(side, "terms", "the terms string", "none")),
        (None, Some(_)) => return Err(Rule::permit(side, "terms", "none", "a terms string")),
    };
    let agreed = OutgoingTerms::from_terms_string(text)
        .map_err(|error| Rule::permit(side, "terms", "terms of a payment out", error))?;
    same(RuleName::PermitDiffers, "terms", agreed.terms_digest(), named)?;
    agreed
        .covers(order, parties)
        .map_err(|differ| Rule::permit(side, differ.field, differ.expected, differ.got))
}

/// Where somebody stands for the payee, the payee's bank must accept: then this is no way around.
pub(crate) fn one_sided(order: &OutgoingPayment, trust: &TrustView) -> Result<(), Rule> {
    if trust.has_side(order.corridor, Side::Creditor) {
        let detail = format!("corridor `{}` has a payee's side: it must decide", order.corridor);
        return Err(Rule::new(RuleName::ActionNotServed, detail));
    }
    Ok(())
}

/// What the settlement book says of an outgoing payment, read to its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutgoingSide {
    /// Nothing.
    Unknown,
    /// It was taken, and the rail gave no end yet.
    UnderWay,
    /// It ended so, at this position.
    Ended(Ending, Position),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingNext {
    /// Hold the payer's money, pinned.
    Hold,
    /// Put the payment before the settlement book.
    Take,
    /// End it in the settlement book as refused, so that it can never be taken.
    Abandon,
    /// Wait for the rail.
    Wait,
    /// Post the payer's hold.
    Debit(Position),
    /// Release the payer's hold.
    Release(ReleaseReason),
    /// Nothing is left to do.
    Finished,
}

/// The next step, from what both books say: the live path and recovery are one.
#[must_use]
pub fn next_outgoing(debtor: DebtorSide, book: &OutgoingSide, asker: Asker) -> OutgoingNext {
    match (book, debtor) {
        (OutgoingSide::Ended(Ending::Settled, at), DebtorSide::Held) => OutgoingNext::Debit(*at),
        (OutgoingSide::Ended(Ending::Refused(_), at), DebtorSide::Held) => {
            OutgoingNext::Release(ReleaseReason::RefusedAt(*at))
        }
        (OutgoingSide::Ended(..), _) => OutgoingNext::Finished,
        (OutgoingSide::UnderWay, _) => OutgoingNext::Wait,
        (OutgoingSide::Unknown, DebtorSide::Held) => match asker {
            Asker::Client => OutgoingNext::Take,
            Asker::Recovery => OutgoingNext::Abandon,
        },
        (OutgoingSide::Unknown, DebtorSide::Untouched) => match asker {
            Asker::Client => OutgoingNext::Hold,
            Asker::Recovery => OutgoingNext::Finished,
        },
        // The hold is gone, so the order must never be taken.
        (OutgoingSide::Unknown, DebtorSide::Debited | DebtorSide::Released) => {
            OutgoingNext::Abandon
        }
    }
}
