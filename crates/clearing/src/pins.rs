//! What an institution that keeps its own book believes, and how it checks what the core brings.
//!
//! The core is another party. Before a hold the institution verifies its own permit over exactly
//! these terms; before it ends a hold or credits, the settlement book's signed word about exactly
//! this payment. Keys are pinned in its configuration. Amounts and accounts are read from terms
//! that a permit of its own covers, never from what the core says beside.

use record::{Action, Blind, Document, Ending, PaymentTerms, Permit, Promise, Quote, SettleOrder};
use record::{LeaseGrant, ReturnAsk, ReturnOrder, ReturnParties, Side, Signed};
use seal::{Digest, KeyId, PublicKey, sha256};
use terms::{AccountId, Amount, BookName, Environment, InstitutionName, PaymentId, Position};

use crate::after::HoldReturn;
use crate::customers::lease::TakenLease;
use crate::order::{HoldOrder, permit_fits, quote_fits};
use crate::rule::{Rule, RuleName, same};
use crate::under_lease::{LeaseOrder, check_under};

/// What is pinned.
#[derive(Clone, Debug)]
pub struct Pins {
    /// Where it runs.
    pub environment: Environment,
    /// Whose book it is.
    pub institution: InstitutionName,
    /// The settlement book that it takes part in.
    pub settlement: BookName,
    /// The origin of the settlement book's log.
    pub origin: String,
    /// The key of that log, which signs promises.
    pub log_key: PublicKey,
    /// The institution's own permit keys.
    pub permit_keys: Vec<PublicKey>,
}

/// An order whose debit the institution itself permitted. Only [`Pins::permitted`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermittedOrder {
    order: SettleOrder,
    terms: PaymentTerms,
    terms_digest: Digest,
    permit: Permit,
    quote: Quote,
    offered: Blind,
}

/// The settlement book's signed word on how a payment ended. Only [`Pins::proven`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEnd {
    signed: Signed<Promise>,
    promise: Promise,
}

/// A credit that the settlement book proved and the institution had permitted. Only
/// [`Pins::creditable`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenCredit {
    end: ProvenEnd,
    terms: PaymentTerms,
}

/// A payment as the core proves it to an institution that took part in it.
#[derive(Clone, Copy, Debug)]
pub struct ProofOf<'a> {
    /// The settlement book's word that it settled.
    pub promise: &'a Signed<Promise>,
    /// Its terms.
    pub terms: &'a str,
    /// The institution's own permit for its side.
    pub permit: &'a Signed<Permit>,
}

/// A return that the institution itself ordered, of a payment that it was to credit. Only
/// [`Pins::returning`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedReturn {
    ask: ReturnAsk,
    order: ReturnOrder,
    terms_digest: Digest,
    parties: ReturnParties,
    original: ProvenEnd,
}

/// A return to a payment that the institution had permitted, which the settlement book proved.
/// Only [`Pins::returned`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenReturn {
    end: ProvenEnd,
    original: PaymentId,
    account: AccountId,
    amount: Amount,
}

impl OrderedReturn {
    pub(crate) const fn as_hold(&self) -> HoldReturn<'_> {
        HoldReturn {
            signed: &self.ask.order,
            consent: self.ask.consent.as_ref(),
            order: &self.order,
            terms_digest: self.terms_digest,
            parties: self.parties,
        }
    }

    /// The order.
    #[must_use]
    pub const fn order(&self) -> &ReturnOrder {
        &self.order
    }

    /// The settlement book's word on the payment that is given back.
    #[must_use]
    pub const fn original(&self) -> &ProvenEnd {
        &self.original
    }
}

impl ProvenReturn {
    /// The settlement book's word on the return.
    #[must_use]
    pub const fn end(&self) -> &ProvenEnd {
        &self.end
    }

    /// The payment that is given back.
    #[must_use]
    pub const fn original(&self) -> PaymentId {
        self.original
    }

    /// Where it goes: to the account that the original debited.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// How much arrives.
    #[must_use]
    pub const fn amount(&self) -> Amount {
        self.amount
    }
}

impl PermittedOrder {
    pub(crate) const fn as_hold(&self) -> HoldOrder<'_> {
        let Self { order, terms, terms_digest, permit, quote, offered } = self;
        let (terms_digest, offered) = (*terms_digest, *offered);
        HoldOrder { order, terms, terms_digest, permit, quote, offered }
    }

    /// The permit.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.terms.payment
    }
}

impl ProvenEnd {
    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.promise.payment
    }

    /// The terms that ended so.
    #[must_use]
    pub const fn terms(&self) -> Digest {
        self.promise.terms
    }

    /// How it ended.
    #[must_use]
    pub const fn ending(&self) -> &Ending {
        &self.promise.outcome
    }

    /// Where its fact lies in the settlement book.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.promise.position
    }

    /// The promise as it was signed.
    #[must_use]
    pub const fn signed(&self) -> &Signed<Promise> {
        &self.signed
    }
}

impl ProvenCredit {
    /// The settlement book's word.
    #[must_use]
    pub const fn end(&self) -> &ProvenEnd {
        &self.end
    }

    /// The terms that it is about.
    #[must_use]
    pub const fn terms(&self) -> &PaymentTerms {
        &self.terms
    }
}

impl Pins {
    /// Checks that this institution permitted the debit of this order. `offered` are 32 bytes that
    /// nobody can guess, drawn for this call: its documents are kept under them.
    pub fn permitted(&self, order: SettleOrder, offered: Blind) -> Result<PermittedOrder, Rule> {
        let (terms, terms_digest) = self.read_terms(&order.terms)?;
        let permit = self.own_permit(&order.debtor_permit, Side::Debtor, &terms, terms_digest)?;
        let quote = read(&order.quote)?;
        quote_fits(&quote, order.quote.digest(), &terms)?;
        Ok(PermittedOrder { order, terms, terms_digest, permit, quote, offered })
    }

    /// Checks that the settlement book's log signed this lease, for this institution.
    pub fn leased(&self, signed: Signed<LeaseGrant>) -> Result<TakenLease, Rule> {
        let name = RuleName::EndingNotProven;
        let grant =
            signed.verify(&self.log_key).map_err(|error| Rule::new(name, error.to_string()))?;
        same(name, "layout", 1, grant.layout)?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, grant.environment)?;
        same(RuleName::BooksDiffer, "book", self.settlement, grant.book)?;
        same(RuleName::OwnersDiffer, "institution", self.institution, grant.line.institution)?;
        Ok(TakenLease { signed, grant })
    }

    /// Checks everything of an order that can be checked here against a lease that this
    /// institution took. `offered` are 32 bytes as for [`Pins::permitted`].
    pub fn under(
        &self,
        order: SettleOrder,
        grant: &LeaseGrant,
        offered: Blind,
    ) -> Result<LeaseOrder, Rule> {
        let (terms, digest) = self.read_terms(&order.terms)?;
        self.own_permit(&order.debtor_permit, Side::Debtor, &terms, digest)?;
        check_under(order, grant, (self.environment, self.settlement), offered)
    }

    /// Checks that the settlement book's log signed this.
    pub fn proven(&self, signed: Signed<Promise>) -> Result<ProvenEnd, Rule> {
        let unproven = |detail: String| Rule::new(RuleName::EndingNotProven, detail);
        let promise = signed.verify(&self.log_key).map_err(|e| unproven(e.to_string()))?;
        same(RuleName::EndingNotProven, "layout", 1, promise.layout)?;
        same(RuleName::EndingNotProven, "environment", self.environment, promise.environment)?;
        same(RuleName::EndingNotProven, "origin", &self.origin, &promise.origin)?;
        Ok(ProvenEnd { signed, promise })
    }

    /// Checks that the settlement book settled these terms and that this institution had
    /// permitted them as the creditor's.
    pub fn creditable(
        &self,
        promise: &Signed<Promise>,
        terms: &str,
        permit: &Signed<Permit>,
    ) -> Result<ProvenCredit, Rule> {
        let (end, terms) = self.settled(ProofOf { promise, terms, permit }, Side::Creditor)?;
        Ok(ProvenCredit { end, terms })
    }

    /// Checks that this institution ordered this return, of a payment that it was to credit and
    /// that settled. The rate is the settlement book's to judge: here `amount` leaves. Whose
    /// customer gets the money back is the core's word, `creditor`, and moves nothing here.
    pub fn returning(
        &self,
        ask: ReturnAsk,
        original: ProofOf<'_>,
        creditor: InstitutionName,
    ) -> Result<OrderedReturn, Rule> {
        let name = RuleName::LinkDiffers;
        let untrusted = |detail: String| Rule::new(RuleName::SignerNotTrusted, detail);
        let key = self.own_key("return order", ask.order.key())?;
        let order = ask.order.verify(key).map_err(|error| untrusted(error.to_string()))?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, order.environment)?;
        same(RuleName::BooksDiffer, "book", self.settlement, order.book)?;
        same(RuleName::OwnersDiffer, "institution", self.institution, order.institution)?;
        let (end, terms) = self.settled(original, Side::Creditor)?;
        first_payment(&terms)?;
        same(name, "layout", 1, order.layout)?;
        same(name, "original", terms.payment, order.original)?;
        same(name, "amount's asset", terms.credited.asset, order.amount.asset)?;
        if order.amount.minor.is_zero() {
            return Err(Rule::new(name, "nothing would be given back"));
        }
        let parties = ReturnParties {
            debtor: self.institution,
            debited: terms.credited_account,
            creditor,
            credited: terms.debited_account,
        };
        let terms_digest = ask.order.digest();
        Ok(OrderedReturn { ask, order, terms_digest, parties, original: end })
    }

    /// Checks that the settlement book settled this return, of a payment whose debit this
    /// institution had permitted. Who ordered it was for the settlement book to judge; its promise
    /// names this order and no other.
    pub fn returned(
        &self,
        promise: Signed<Promise>,
        order: &Signed<ReturnOrder>,
        original: ProofOf<'_>,
    ) -> Result<ProvenReturn, Rule> {
        let name = RuleName::EndingNotProven;
        let end = self.proven(promise)?;
        same(name, "terms", order.digest(), end.terms())?;
        same(name, "outcome", &Ending::Settled, end.ending())?;
        let order = order.read_unverified().map_err(|e| Rule::new(name, e.to_string()))?;
        same(name, "payment", order.payment, end.payment())?;
        let (_, terms) = self.settled(original, Side::Debtor)?;
        first_payment(&terms)?;
        let name = RuleName::LinkDiffers;
        same(name, "original", terms.payment, order.original)?;
        same(name, "credited asset", terms.debited.asset, order.credited.asset)?;
        let (account, amount) = (terms.debited_account, order.credited);
        Ok(ProvenReturn { end, original: terms.payment, account, amount })
    }

    /// Checks that the settlement book settled terms that this institution had permitted.
    fn settled(&self, proof: ProofOf<'_>, side: Side) -> Result<(ProvenEnd, PaymentTerms), Rule> {
        let end = self.proven(proof.promise.clone())?;
        let (terms, digest) = self.read_terms(proof.terms)?;
        self.own_permit(proof.permit, side, &terms, digest)?;
        same(RuleName::EndingNotProven, "payment", terms.payment, end.payment())?;
        same(RuleName::EndingNotProven, "terms", digest, end.terms())?;
        same(RuleName::EndingNotProven, "outcome", &Ending::Settled, end.ending())?;
        Ok((end, terms))
    }

    fn own_key(&self, what: &str, id: KeyId) -> Result<&PublicKey, Rule> {
        self.permit_keys.iter().find(|key| key.key_id() == id).ok_or_else(|| {
            let detail = format!("{what}: key `{id}` is none of this bank's");
            Rule::new(RuleName::SignerNotTrusted, detail)
        })
    }

    fn read_terms(&self, text: &str) -> Result<(PaymentTerms, Digest), Rule> {
        let name = RuleName::PermitDiffers;
        let terms = PaymentTerms::from_terms_string(text)
            .map_err(|error| Rule::new(name, error.to_string()))?;
        let digest = sha256(text.as_bytes());
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, terms.environment)?;
        same(RuleName::BooksDiffer, "book", self.settlement, terms.book)?;
        // A refund is a payment with this bank's own permit; its link is bounded where it settles.
        if terms.action == Action::Return {
            let got = terms.action.as_str();
            return Err(Rule::differs(RuleName::ActionNotServed, "action", "pay or refund", got));
        }
        same(name, "terms", terms.terms_digest(), digest)?;
        Ok((terms, digest))
    }

    fn own_permit(
        &self,
        signed: &Signed<Permit>,
        side: Side,
        terms: &PaymentTerms,
        terms_digest: Digest,
    ) -> Result<Permit, Rule> {
        let untrusted = |detail: String| Rule::new(RuleName::SignerNotTrusted, detail);
        let key = self.own_key(&format!("{side} permit"), signed.key())?;
        let permit = signed.verify(key).map_err(|error| untrusted(error.to_string()))?;
        permit_fits(&permit, side, terms, terms_digest)?;
        same(RuleName::OwnersDiffer, "institution", self.institution, permit.institution)?;
        Ok(permit)
    }
}

/// Only a first payment has an after.
fn first_payment(terms: &PaymentTerms) -> Result<(), Rule> {
    if terms.action == Action::Pay {
        return Ok(());
    }
    let detail = format!("payment `{}` is a {}", terms.payment, terms.action.as_str());
    Err(Rule::new(RuleName::RefundOfRefund, detail))
}

fn read<T: Document>(signed: &Signed<T>) -> Result<T, Rule> {
    signed.read_unverified().map_err(|e| Rule::new(RuleName::QuoteDiffers, e.to_string()))
}
