//! What a bank checks before it accepts a payment under a lease, and the core again before it
//! settles it: one function, over what the lease itself says was in force.
//!
//! The core signed the lease, so it is bound by it: a list that was superseded, a pack that was
//! retired, a stop that was set after the grant do not undo an acceptance. What the core could
//! lose by that is the lease.

use core::time::Duration;

use record::{Action, Blind, LeaseGrant, LeaseLine, PaymentTerms, SettleOrder, Side};
use terms::{BookName, Environment, Instant, InstitutionName, Minor, PaymentId};

use crate::order::{CheckedOrder, check_order};
use crate::rule::{Rule, RuleName, same};
use crate::settlement::judge::{claims, open, permit_bounded, permit_open};
use crate::trusted::TrustView;

/// An order whose documents were checked against what a lease says was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOrder {
    pub(crate) order: CheckedOrder,
    /// Of which line.
    pub(crate) line: LeaseLine,
    /// Under which lease.
    pub(crate) number: u64,
}

/// What a payment takes of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Of the bank's side: what its settlement account pays.
    pub debit: Minor,
    /// Of the provider's side.
    pub credit: Minor,
}

impl LeaseOrder {
    /// The order.
    #[must_use]
    pub const fn order(&self) -> &CheckedOrder {
        &self.order
    }

    /// The order once it is known what the payer's book keeps its documents under.
    #[must_use]
    pub fn kept_under(self, blind: Blind) -> Self {
        Self { order: self.order.kept_under(blind), ..self }
    }

    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.order.terms.payment
    }
}

/// The trust lists that a lease names.
#[must_use]
pub fn trust_of(grant: &LeaseGrant) -> TrustView {
    let mut view = TrustView::default();
    grant.lists.iter().for_each(|list| view.adopt(list.clone()));
    view
}

/// The line that an order would be accepted under.
///
/// # Errors
/// Its quote names no provider that could be one.
pub fn line_of(order: &SettleOrder, institution: InstitutionName) -> Result<LeaseLine, Rule> {
    let wrong = |error: record::DocumentError| Rule::new(RuleName::QuoteDiffers, error.to_string());
    let quote = order.quote.read_unverified().map_err(wrong)?;
    let (debit, credit) = (quote.debit.asset, quote.credit.asset);
    Ok(LeaseLine { institution, provider: quote.provider, debit, credit })
}

/// Checks an order's signatures and documents against a lease. Moments are judged by [`judge`].
///
/// # Errors
/// The first rule that refuses.
pub fn check_under(
    order: SettleOrder,
    grant: &LeaseGrant,
    (environment, book): (Environment, BookName),
    offered: Blind,
) -> Result<LeaseOrder, Rule> {
    let terms = PaymentTerms::from_terms_string(&order.terms)
        .map_err(|error| Rule::new(RuleName::PermitDiffers, error.to_string()))?;
    let order = check_order(order, terms, environment, book, &trust_of(grant), offered)?;
    Ok(LeaseOrder { order, line: grant.line, number: grant.number })
}

/// Checks an order of a lease that is not open any more, against the lists in force: it can only
/// be refused, or had an ending before.
///
/// # Errors
/// The first rule that refuses.
pub fn check_ended(
    order: SettleOrder,
    (line, number): (LeaseLine, u64),
    (environment, book): (Environment, BookName),
    trust: &TrustView,
    offered: Blind,
) -> Result<LeaseOrder, Rule> {
    let terms = PaymentTerms::from_terms_string(&order.terms)
        .map_err(|error| Rule::new(RuleName::PermitDiffers, error.to_string()))?;
    let order = check_order(order, terms, environment, book, trust, offered)?;
    Ok(LeaseOrder { order, line, number })
}

/// Judges an order as of the moment at which it was accepted.
///
/// # Errors
/// The first rule that refuses.
pub fn judge(grant: &LeaseGrant, order: &CheckedOrder, at: Instant) -> Result<Takes, Rule> {
    let (terms, quote, line) = (&order.terms, &order.quote, grant.line);
    if terms.action != Action::Pay || terms.linked_payment.is_some() {
        let got = terms.action.as_str();
        return Err(Rule::differs(RuleName::ActionNotServed, "action", "pay", got));
    }
    let name = RuleName::LeaseNotInForce;
    same(name, "institution", line.institution, order.debtor.permit.institution)?;
    same(name, "provider", line.provider, quote.provider)?;
    same(name, "debit", line.debit, quote.debit.asset)?;
    same(name, "credit", line.credit, quote.credit.asset)?;
    for side in [Side::Debtor, Side::Creditor] {
        let permit = order.permit(side);
        basis(grant, order, side, at)?;
        permit_bounded(permit, quote.expires_at)?;
    }
    open(at, quote.expires_at, RuleName::QuoteExpired)?;
    for side in [Side::Debtor, Side::Creditor] {
        permit_open(at, order.permit(side))?;
    }
    open(at, order.acceptance.valid_until, RuleName::AcceptanceExpired)?;
    open(at, order.invoice.due_at, RuleName::InvoiceExpired)?;
    // By a clock that is further apart than was agreed the bank would accept what does not settle.
    let skew = Duration::from_secs(grant.skew_seconds.into());
    if at.plus(skew) < grant.granted_at || at >= grant.ends_at {
        let detail = format!("accepted at `{at}`");
        return Err(Rule::new(RuleName::LeaseNotInForce, detail));
    }
    // That they can be counted: the bank knows no counters, and the core must not find one later
    // that has no asset.
    claims(order)?;
    let wrong = || Rule::new(RuleName::QuoteDiffers, "an amount overflows");
    let own = quote.fees_of(record::FeeTaker::DebtorInstitution).ok_or_else(wrong)?;
    let net = quote.debit.minus(own).map_err(|_| wrong())?;
    Ok(Takes { debit: net.minor, credit: quote.credit.minor })
}

/// Whether a permit rests on a pack and a snapshot that the lease names.
fn basis(grant: &LeaseGrant, order: &CheckedOrder, side: Side, at: Instant) -> Result<(), Rule> {
    let permit = order.permit(side);
    let pack = grant.packs.iter().any(|one| {
        one.institution == permit.institution
            && one.corridor == permit.corridor
            && one.side == side
            && one.pack == permit.basis.pack
            && one.schema == permit.basis.schema
    });
    if !pack {
        let detail = format!("{side} permit: pack `{}`", permit.basis.pack);
        return Err(Rule::new(RuleName::PackNotInForce, detail));
    }
    let fresh = grant.snapshots.iter().any(|one| {
        one.institution == permit.institution
            && one.digest == permit.basis.snapshot
            && at < one.valid_until
    });
    if fresh {
        return Ok(());
    }
    let detail = format!("{side} permit: snapshot `{}`", permit.basis.snapshot);
    Err(Rule::new(RuleName::SnapshotTooOld, detail))
}
