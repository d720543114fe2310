//! The part of a settle order that needs no writer's turn: signatures, and that all its documents
//! speak of one payment.

use record::edges::is_instance_of;
use record::{
    Acceptance, Action, Blind, Document, Invoice, PaymentTerms, Permit, Quote, SettleOrder, Side,
    Signed, TRAVEL_RULE,
};
use seal::{Digest, PublicKey, sha256};
use terms::{BookName, Environment, InstitutionName, PaymentId};

use crate::after::Original;
use crate::rule::{Rule, RuleName, same};
use crate::trusted::{TrustView, open};

/// An order whose signatures were checked and whose documents agree. Only [`check_order`] makes
/// one; what depends on time and on the books is left to the writer's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOrder {
    pub(crate) order: SettleOrder,
    pub(crate) terms: PaymentTerms,
    pub(crate) terms_digest: Digest,
    pub(crate) quote: Quote,
    pub(crate) invoice: Invoice,
    pub(crate) acceptance: Acceptance,
    pub(crate) debtor: CheckedPermit,
    pub(crate) creditor: CheckedPermit,
    /// What a refund gives back; see [`CheckedOrder::refunding`].
    pub(crate) original: Option<Box<Original>>,
    /// What blinds the commitments to its documents, if nothing does yet.
    pub(crate) offered: Blind,
    /// What they are kept under in the payer's book; nothing settles before it is known.
    pub(crate) kept: Option<Blind>,
}

/// What a customers' book reads of an order before it holds money.
pub(crate) struct HoldOrder<'a> {
    pub(crate) order: &'a SettleOrder,
    pub(crate) terms: &'a PaymentTerms,
    pub(crate) terms_digest: Digest,
    pub(crate) permit: &'a Permit,
    pub(crate) quote: &'a Quote,
    /// What blinds the commitments to its documents, if nothing does yet.
    pub(crate) offered: Blind,
}

/// A permit that a key of the trust list signed. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPermit {
    pub(crate) permit: Permit,
    pub(crate) key: PublicKey,
}

impl CheckedOrder {
    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &PaymentTerms {
        &self.terms
    }

    /// The digest of the terms string.
    #[must_use]
    pub const fn terms_digest(&self) -> Digest {
        self.terms_digest
    }

    /// The order as it came.
    #[must_use]
    pub const fn order(&self) -> &SettleOrder {
        &self.order
    }

    /// The quote.
    #[must_use]
    pub const fn quote(&self) -> &Quote {
        &self.quote
    }

    pub(crate) const fn as_hold(&self) -> HoldOrder<'_> {
        let Self { order, terms, terms_digest, quote, debtor, offered, .. } = self;
        let (terms_digest, permit, offered) = (*terms_digest, &debtor.permit, *offered);
        HoldOrder { order, terms, terms_digest, permit, quote, offered }
    }

    /// The order once the payer's book keeps its documents under `blind`.
    #[must_use]
    pub const fn kept_under(mut self, blind: Blind) -> Self {
        self.kept = Some(blind);
        self
    }

    /// What its documents are kept under, once the payer's book has said so.
    #[must_use]
    pub const fn kept(&self) -> Option<Blind> {
        self.kept
    }

    /// What it offers to keep them under.
    #[must_use]
    pub const fn offered(&self) -> Blind {
        self.offered
    }

    /// The permit of one side.
    #[must_use]
    pub const fn permit(&self, side: Side) -> &Permit {
        match side {
            Side::Debtor => &self.debtor.permit,
            Side::Creditor => &self.creditor.permit,
        }
    }
}

/// Checks signatures against the trust view and that every document is about these terms.
///
/// `terms` must be the reading of `order.terms`, else [`RuleName::PermitDiffers`]; a terms string
/// that does not read is malformed input, not a refusal. `offered` are 32 bytes that nobody can
/// guess, drawn for this call: a book of this process that holds the order keeps its documents
/// under them.
pub fn check_order(
    order: SettleOrder,
    terms: PaymentTerms,
    environment: Environment,
    book: BookName,
    trust: &TrustView,
    offered: Blind,
) -> Result<CheckedOrder, Rule> {
    same(RuleName::EnvironmentsDiffer, "environment", environment, terms.environment)?;
    same(RuleName::BooksDiffer, "book", book, terms.book)?;
    // A refund is a payment like any other, linked; a return has a document of its own.
    if terms.action == Action::Return {
        let got = terms.action.as_str();
        return Err(Rule::differs(RuleName::ActionNotServed, "action", "pay or refund", got));
    }
    if let Some(field) = order.identifiers.fault() {
        let detail = format!("`{field}`: expected a reference of ISO 20022");
        return Err(Rule::new(RuleName::ReferencesMalformed, detail));
    }
    // Money moves by the reading and the permits are for the string: they must be one.
    let terms_digest = terms.terms_digest();
    same(RuleName::PermitDiffers, "terms", terms_digest, sha256(order.terms.as_bytes()))?;
    let quote = open_quote(&order.quote, trust)?;
    let debtor = open_permit(&order.debtor_permit, Side::Debtor, &terms, trust)?;
    let creditor = open_permit(&order.creditor_permit, Side::Creditor, &terms, trust)?;
    let acceptance = open_acceptance(&order.acceptance, &creditor.permit, &terms, trust)?;
    let invoice = read_invoice(&order.invoice)?;
    let (original, kept) = (None, None);
    let checked = CheckedOrder {
        order,
        terms,
        terms_digest,
        quote,
        invoice,
        acceptance,
        debtor,
        creditor,
        original,
        offered,
        kept,
    };
    checked.one_key_per_side()?;
    checked.permits_fit(Side::Debtor)?;
    checked.permits_fit(Side::Creditor)?;
    checked.edge_listed(Side::Debtor, trust)?;
    checked.edge_listed(Side::Creditor, trust)?;
    checked.quote_fits()?;
    checked.invoice_fits()?;
    checked.acceptance_fits()?;
    checked.statements_match()?;
    checked.travel_matches()?;
    Ok(checked)
}

/// Checks an order that a bank which keeps its own book shows as held: that both permits are
/// signed for exactly these terms, and that the debtor's is this bank's own. Moments are left out:
/// what was held in time is shown whenever the bank comes back.
///
/// # Errors
/// The rule that refuses: nothing is done on such a word.
pub fn check_shown(
    order: &SettleOrder,
    bank: InstitutionName,
    (environment, book): (Environment, BookName),
    trust: &TrustView,
) -> Result<(), Rule> {
    let terms = PaymentTerms::from_terms_string(&order.terms)
        .map_err(|error| Rule::new(RuleName::PermitDiffers, error.to_string()))?;
    same(RuleName::EnvironmentsDiffer, "environment", environment, terms.environment)?;
    same(RuleName::BooksDiffer, "book", book, terms.book)?;
    let digest = terms.terms_digest();
    same(RuleName::PermitDiffers, "terms", digest, sha256(order.terms.as_bytes()))?;
    let debtor = open_permit(&order.debtor_permit, Side::Debtor, &terms, trust)?;
    let creditor = open_permit(&order.creditor_permit, Side::Creditor, &terms, trust)?;
    permit_fits(&debtor.permit, Side::Debtor, &terms, digest)?;
    permit_fits(&creditor.permit, Side::Creditor, &terms, digest)?;
    same(RuleName::OwnersDiffer, "institution", bank, debtor.permit.institution)?;
    if bank == creditor.permit.institution {
        return Err(Rule::new(RuleName::OneKeyForBothSides, format!("institution `{bank}`")));
    }
    Ok(())
}

/// Whether the refusal of an order is recorded as its payment's ending.
///
/// An ending uses up the payment id, and a caller may know an id that is not its own: only who
/// brings the payer's institution's permit for this very payment id, and the quote of a provider
/// for it, causes one. A provider quotes an id for one client only, the first that asked. An order
/// for elsewhere, or with a signature that nobody stands for, is answered and forgotten.
#[must_use]
pub fn is_on_record(
    rule: &Rule,
    payment: PaymentId,
    (permit, quote): (&Signed<Permit>, &Signed<Quote>),
    trust: &TrustView,
) -> bool {
    let nobody = [RuleName::EnvironmentsDiffer, RuleName::BooksDiffer, RuleName::SignerNotTrusted];
    let key_of =
        |of: &Permit| trust.permit_key(of.institution, of.corridor, Side::Debtor, permit.key());
    let signed = read(permit).and_then(|claimed| open(permit, key_of(&claimed)));
    let quoted = open_quote(quote, trust).is_ok_and(|quote| quote.payment == payment);
    let permitted = signed.is_ok_and(|permit| permit.payment == payment);
    !nobody.contains(&rule.name) && permitted && quoted
}

pub(crate) fn open_quote(signed: &Signed<Quote>, trust: &TrustView) -> Result<Quote, Rule> {
    let claimed = read(signed)?;
    open(signed, trust.quote_key(claimed.provider, signed.key()))
}

fn open_permit(
    signed: &Signed<Permit>,
    side: Side,
    terms: &PaymentTerms,
    trust: &TrustView,
) -> Result<CheckedPermit, Rule> {
    let claimed = read(signed)?;
    let key = trust.permit_key(claimed.institution, terms.corridor, side, signed.key());
    let permit = open(signed, key)?;
    let key = key.ok_or_else(|| Rule::new(RuleName::SignerNotTrusted, "permit"))?;
    Ok(CheckedPermit { permit, key })
}

fn open_acceptance(
    signed: &Signed<Acceptance>,
    creditor: &Permit,
    terms: &PaymentTerms,
    trust: &TrustView,
) -> Result<Acceptance, Rule> {
    let corridor = terms.corridor;
    let key = trust.permit_key(creditor.institution, corridor, Side::Creditor, signed.key());
    open(signed, key)
}

/// The invoice is signed by a customer's key, which only the creditor's institution knows: it
/// vouches for it by the digest in its acceptance.
fn read_invoice(signed: &Signed<Invoice>) -> Result<Invoice, Rule> {
    read(signed)
}

fn read<T: Document>(signed: &Signed<T>) -> Result<T, Rule> {
    signed.read_unverified().map_err(|e| Rule::new(RuleName::SignerNotTrusted, e.to_string()))
}

impl CheckedOrder {
    fn one_key_per_side(&self) -> Result<(), Rule> {
        if self.debtor.key == self.creditor.key
            || self.debtor.permit.institution == self.creditor.permit.institution
        {
            let detail = format!("key `{}`", self.debtor.key.key_id());
            return Err(Rule::new(RuleName::OneKeyForBothSides, detail));
        }
        Ok(())
    }

    fn permits_fit(&self, side: Side) -> Result<(), Rule> {
        let permit = self.permit(side);
        permit_fits(permit, side, &self.terms, self.terms_digest)?;
        let acceptance = match side {
            Side::Debtor => None,
            Side::Creditor => Some(self.order.acceptance.digest()),
        };
        let show = |digest: Option<Digest>| digest.map_or_else(|| "none".into(), |d| d.to_string());
        let (expected, got) = (show(acceptance), show(permit.acceptance));
        if expected == got {
            return Ok(());
        }
        Err(Rule::permit(side, "acceptance", expected, got))
    }

    /// An edge's sequence is its institution's evidence: nobody else may count in it.
    fn edge_listed(&self, side: Side, trust: &TrustView) -> Result<(), Rule> {
        let permit = self.permit(side);
        let listed = trust
            .institution(permit.institution)
            .is_some_and(|entry| entry.edges.contains(&permit.mark.edge));
        // An instance that the list does not name joins by a fact: judged in the writer's turn.
        if listed || is_instance_of(permit.mark.edge, permit.institution) {
            return Ok(());
        }
        let expected = format!("an edge of {}", permit.institution);
        Err(Rule::permit(side, "edge", expected, permit.mark.edge.to_string()))
    }

    fn quote_fits(&self) -> Result<(), Rule> {
        quote_fits(&self.quote, self.order.quote.digest(), &self.terms)
    }

    fn invoice_fits(&self) -> Result<(), Rule> {
        let (invoice, terms) = (&self.invoice, &self.terms);
        let name = RuleName::InvoiceDiffers;
        same(name, "layout", 1, invoice.layout)?;
        same(name, "digest", terms.invoice_hash, self.order.invoice.digest())?;
        same(name, "environment", terms.environment, invoice.environment)?;
        same(name, "account", terms.credited_account, invoice.account)?;
        same(name, "amount", terms.credited, invoice.amount)?;
        // The detail is recorded in the settlement book, which names nobody.
        let hidden = |field: &str, fits: bool| {
            let detail = format!("`{field}`: the invoice says another than the terms");
            if fits { Ok(()) } else { Err(Rule::new(name, detail)) }
        };
        hidden("payee name", terms.payee_name == invoice.creditor_name)?;
        hidden("purpose", terms.purpose == invoice.purpose)
    }

    fn acceptance_fits(&self) -> Result<(), Rule> {
        let (acceptance, terms) = (&self.acceptance, &self.terms);
        let name = RuleName::AcceptanceDiffers;
        let creditor = &self.creditor.permit;
        same(name, "layout", 1, acceptance.layout)?;
        same(name, "environment", terms.environment, acceptance.environment)?;
        same(name, "payment", terms.payment, acceptance.payment)?;
        same(name, "institution", creditor.institution, acceptance.institution)?;
        same(name, "institution", self.invoice.institution, acceptance.institution)?;
        same(name, "invoice", terms.invoice_hash, acceptance.invoice)?;
        same(name, "account", terms.credited_account, acceptance.account)?;
        same(name, "owner", creditor.owner, acceptance.owner)?;
        same(name, "creditor", self.invoice.creditor, acceptance.owner)?;
        same(name, "amount", terms.credited, acceptance.amount)
    }

    fn statements_match(&self) -> Result<(), Rule> {
        let (debtor, creditor) = (&self.debtor.permit, &self.creditor.permit);
        let name = RuleName::StatementsDiffer;
        same(name, "of the debtor", debtor.statement_sent, creditor.statement_received)?;
        same(name, "of the creditor", creditor.statement_sent, debtor.statement_received)
    }

    /// The payer's message and the payee's receipt, by digest: both sides hold the same two, or
    /// neither side's rules asked for any.
    fn travel_matches(&self) -> Result<(), Rule> {
        let (debtor, creditor) = (&self.debtor.permit, &self.creditor.permit);
        let name = RuleName::TravelRuleDiffers;
        let show = |mark: Option<Digest>| mark.map_or_else(|| "none".into(), |d| d.to_string());
        let of = |permit: &Permit| {
            let travel = permit.travel;
            [show(travel.map(|mark| mark.message)), show(travel.map(|mark| mark.receipt))]
        };
        for (field, (one, two)) in
            ["message", "receipt"].into_iter().zip(of(debtor).into_iter().zip(of(creditor)))
        {
            same(name, field, one, two)?;
        }
        for permit in [debtor, creditor] {
            let owes = permit.duties.iter().any(|duty| duty.kind == TRAVEL_RULE);
            if owes && permit.travel.is_none() {
                let detail =
                    format!("{} permit: expected a message and a receipt, got none", permit.side);
                return Err(Rule::new(name, detail));
            }
        }
        Ok(())
    }
}

/// Refuses a permit that was given for something else than these terms, for this side.
pub(crate) fn permit_fits(
    permit: &Permit,
    side: Side,
    terms: &PaymentTerms,
    terms_digest: Digest,
) -> Result<(), Rule> {
    let same = |field: &str, expected: String, got: String| {
        if expected == got { Ok(()) } else { Err(Rule::permit(side, field, expected, got)) }
    };
    same("layout", Permit::layout_of(permit.travel).to_string(), permit.layout.to_string())?;
    same("environment", terms.environment.to_string(), permit.environment.to_string())?;
    same("corridor", terms.corridor.to_string(), permit.corridor.to_string())?;
    same("action", terms.action.as_str().into(), permit.action.as_str().into())?;
    same("side", side.to_string(), permit.side.to_string())?;
    same("payment", terms.payment.to_string(), permit.payment.to_string())?;
    same("terms", terms_digest.to_string(), permit.terms.to_string())
}

/// Refuses a quote that is not the one of these terms.
pub(crate) fn quote_fits(quote: &Quote, digest: Digest, terms: &PaymentTerms) -> Result<(), Rule> {
    let name = RuleName::QuoteDiffers;
    same(name, "layout", 1, quote.layout)?;
    same(name, "digest", terms.quote_hash, digest)?;
    same(name, "environment", terms.environment, quote.environment)?;
    same(name, "payment", terms.payment, quote.payment)?;
    same(name, "corridor", terms.corridor, quote.corridor)?;
    same(name, "debit", terms.debited, quote.debit)?;
    same(name, "credit", terms.credited, quote.credit)?;
    same(name, "expires_at", quote.expires_at.seconds(), terms.expires_at.seconds())?;
    same(name, "fees", quote.fees.len(), terms.fees.len())?;
    for (fee, stated) in quote.fees.iter().zip(&terms.fees) {
        same(name, "fee", fee.amount, stated.amount)?;
        same(name, "fee taker", fee.taker.as_str(), stated.taker.as_str())?;
    }
    // A rate of yesterday is guaranteed to who gives back, not to who pays: else it were an option.
    if quote.at_rate_of.is_some() && terms.action != Action::Refund {
        return Err(Rule::new(name, "a quote at an earlier rate serves a refund only"));
    }
    if quote.adds_up() {
        Ok(())
    } else {
        Err(Rule::new(name, "the debit is not the sum of its parts"))
    }
}
