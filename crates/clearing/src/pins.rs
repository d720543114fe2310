//! What an institution that keeps its own book believes, and how it checks what the core brings.
//!
//! The core is another party. Before a hold the institution verifies its own permit over exactly
//! these terms; before it ends a hold or credits, the settlement book's signed word about exactly
//! this payment. Keys are pinned in its configuration. Amounts and accounts are read from terms
//! that a permit of its own covers, never from what the core says beside.

use record::{Action, Document, Ending, PaymentTerms, Permit, Promise, Quote, SettleOrder};
use record::{Side, Signed};
use seal::{Digest, PublicKey, sha256};
use terms::{BookName, Environment, InstitutionName, PaymentId, Position};

use crate::order::{HoldOrder, permit_fits, quote_fits};
use crate::rule::{Rule, RuleName, same};

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

impl PermittedOrder {
    pub(crate) const fn as_hold(&self) -> HoldOrder<'_> {
        let Self { order, terms, terms_digest, permit, quote } = self;
        HoldOrder { order, terms, terms_digest: *terms_digest, permit, quote }
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
    /// Checks that this institution permitted the debit of this order.
    pub fn permitted(&self, order: SettleOrder) -> Result<PermittedOrder, Rule> {
        let (terms, terms_digest) = self.read_terms(&order.terms)?;
        let permit = self.own_permit(&order.debtor_permit, Side::Debtor, &terms, terms_digest)?;
        let quote = read(&order.quote)?;
        quote_fits(&quote, order.quote.digest(), &terms)?;
        Ok(PermittedOrder { order, terms, terms_digest, permit, quote })
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
        promise: Signed<Promise>,
        terms: &str,
        permit: &Signed<Permit>,
    ) -> Result<ProvenCredit, Rule> {
        let end = self.proven(promise)?;
        let (terms, digest) = self.read_terms(terms)?;
        self.own_permit(permit, Side::Creditor, &terms, digest)?;
        same(RuleName::EndingNotProven, "payment", terms.payment, end.payment())?;
        same(RuleName::EndingNotProven, "terms", digest, end.terms())?;
        same(RuleName::EndingNotProven, "outcome", &Ending::Settled, end.ending())?;
        Ok(ProvenCredit { end, terms })
    }

    fn read_terms(&self, text: &str) -> Result<(PaymentTerms, Digest), Rule> {
        let name = RuleName::PermitDiffers;
        let terms = PaymentTerms::from_terms_string(text)
            .map_err(|error| Rule::new(name, error.to_string()))?;
        let digest = sha256(text.as_bytes());
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, terms.environment)?;
        same(RuleName::BooksDiffer, "book", self.settlement, terms.book)?;
        same(RuleName::ActionNotServed, "action", Action::Pay.as_str(), terms.action.as_str())?;
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
        let key = self.permit_keys.iter().find(|key| key.key_id() == signed.key());
        let key = key.ok_or_else(|| {
            untrusted(format!("{side} permit: key `{}` is none of this bank's", signed.key()))
        })?;
        let permit = signed.verify(key).map_err(|error| untrusted(error.to_string()))?;
        permit_fits(&permit, side, terms, terms_digest)?;
        same(RuleName::OwnersDiffer, "institution", self.institution, permit.institution)?;
        Ok(permit)
    }
}

fn read<T: Document>(signed: &Signed<T>) -> Result<T, Rule> {
    signed.read_unverified().map_err(|e| Rule::new(RuleName::QuoteDiffers, e.to_string()))
}
