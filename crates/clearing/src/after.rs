//! What may follow an order, before the writer's turn: whose signature it is, and that it fits
//! the payment it is about.
//!
//! An [`Original`] is read from the settled payment's own fact. The writer believes none of it
//! but by position and terms digest, which it holds itself; so no state per payment is kept for
//! the many that nobody ever gives back.

use std::collections::BTreeSet;

use record::{
    Action, CancellationAnswer, CancellationRequest, Document, Fact, FeeTaker, GivenBack,
    NamelessRequest, PaymentTerms, Quote, ReturnAsk, ReturnConsent, ReturnOrder, ReturnParties,
    ReturnRate, Settled, Side, Signed, TwoPersons,
};
use seal::{Digest, PublicKey, sha256};
use terms::{
    AccountId, Amount, AssetCode, BookName, CorridorName, Environment, InstitutionName, PaymentId,
    Position,
};

use crate::order::{CheckedOrder, open_quote};
use crate::rule::{Rule, RuleName, same};
use crate::trusted::{TrustView, open};

/// What the settlement book says of a settled payment's terms: everything but names and purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidTerms {
    /// The payment.
    pub payment: PaymentId,
    /// The pair of jurisdictions.
    pub corridor: CorridorName,
    /// Pay or refund.
    pub action: Action,
    /// The account that was debited.
    pub debited_account: AccountId,
    /// The account that was credited.
    pub credited_account: AccountId,
    /// What the debited account lost, fees included.
    pub debited: Amount,
    /// What the credited account gained.
    pub credited: Amount,
}

/// A settled payment, as its fact says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    pub(crate) position: Position,
    pub(crate) terms: PaidTerms,
    pub(crate) terms_digest: Digest,
    pub(crate) quote: Quote,
    pub(crate) quote_digest: Digest,
    pub(crate) debtor_institution: InstitutionName,
    pub(crate) creditor_institution: InstitutionName,
}

impl Original {
    /// The settled payment of the fact at `position`; `None` when it is none.
    #[must_use]
    pub fn of_fact(position: Position, fact: &Fact) -> Option<Self> {
        let settled = Settled::of_fact(fact).ok()?;
        let quote = settled.quote.read_unverified().ok()?;
        let debtor = settled.debtor_permit.read_unverified().ok()?;
        let creditor = settled.creditor_permit.read_unverified().ok()?;
        // Quote and permits were checked against the terms before the fact was made.
        let terms = PaidTerms {
            payment: settled.payment(),
            corridor: quote.corridor,
            action: debtor.action,
            debited_account: settled.accounts.debited,
            credited_account: settled.accounts.credited,
            debited: quote.debit,
            credited: quote.credit,
        };
        Some(Self {
            position,
            terms,
            terms_digest: settled.ended.terms,
            quote,
            quote_digest: settled.quote.digest(),
            debtor_institution: debtor.institution,
            creditor_institution: creditor.institution,
        })
        .filter(|original| settled.given.is_none() == (original.terms.action == Action::Pay))
    }

    /// The quote that it used, by its digest.
    #[must_use]
    pub const fn quote_digest(&self) -> Digest {
        self.quote_digest
    }

    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.terms.payment
    }

    /// Where it settled.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Its corridor.
    #[must_use]
    pub const fn corridor(&self) -> CorridorName {
        self.terms.corridor
    }

    /// Its terms.
    #[must_use]
    pub const fn terms(&self) -> &PaidTerms {
        &self.terms
    }

    /// The institution of one side.
    #[must_use]
    pub const fn institution(&self, side: Side) -> InstitutionName {
        match side {
            Side::Debtor => self.debtor_institution,
            Side::Creditor => self.creditor_institution,
        }
    }

    /// Who takes part in a return of it.
    #[must_use]
    pub const fn return_parties(&self) -> ReturnParties {
        ReturnParties {
            debtor: self.creditor_institution,
            debited: self.terms.credited_account,
            creditor: self.debtor_institution,
            credited: self.terms.debited_account,
        }
    }

    /// A return or refund is given back for good: only a first payment has an after.
    fn first_payment(&self) -> Result<(), Rule> {
        if self.terms.action == Action::Pay {
            return Ok(());
        }
        let detail = format!("payment `{}` is a {}", self.payment(), self.terms.action.as_str());
        Err(Rule::new(RuleName::RefundOfRefund, detail))
    }
}

/// A cancellation request that the key of the debited account signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCancellation {
    pub(crate) nameless: NamelessRequest,
    pub(crate) terms: PaymentTerms,
    pub(crate) terms_digest: Digest,
    /// Whether a provider's quote came with it that makes these terms.
    pub(crate) quoted: bool,
}

impl CheckedCancellation {
    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.terms.payment
    }

    /// The digest of its terms.
    #[must_use]
    pub const fn terms_digest(&self) -> Digest {
        self.terms_digest
    }
}

/// Checks a cancellation request. `key` is the client key of an account, looked up in its own
/// book: the account that the terms debit. `quote` is what makes the terms somebody's: whoever
/// knows a payment id can write terms for it, and only its payer has a provider's quote for it.
/// Without one, only a payment that has ended is spoken of.
pub fn check_cancellation(
    signed: &Signed<CancellationRequest>,
    key: Option<PublicKey>,
    (environment, book): (Environment, BookName),
    quote: Option<(&Signed<Quote>, &TrustView)>,
) -> Result<CheckedCancellation, Rule> {
    let request = open(signed, key)?;
    same(RuleName::EnvironmentsDiffer, "environment", environment, request.environment)?;
    let terms = PaymentTerms::from_terms_string(&request.terms)
        .map_err(|error| Rule::new(RuleName::LinkDiffers, error.to_string()))?;
    same(RuleName::EnvironmentsDiffer, "environment", environment, terms.environment)?;
    same(RuleName::BooksDiffer, "book", book, terms.book)?;
    reason_code(&request.reason)?;
    let terms_digest = sha256(request.terms.as_bytes());
    let quoted = match quote {
        None => false,
        Some((quote, _)) if quote.digest() != terms.quote_hash => {
            let (expected, got) = (terms.quote_hash, quote.digest());
            return Err(Rule::differs(RuleName::QuoteDiffers, "quote", expected, got));
        }
        Some((quote, trust)) => {
            let quote = open_quote(quote, trust)?;
            same(RuleName::QuoteDiffers, "payment", terms.payment, quote.payment)?;
            true
        }
    };
    let unread = || Rule::new(RuleName::LinkDiffers, "the request does not read");
    let nameless = NamelessRequest::of(signed).ok_or_else(unread)?;
    Ok(CheckedCancellation { nameless, terms, terms_digest, quoted })
}

/// An answer to a cancellation request that the payee's institution signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAnswer {
    pub(crate) signed: Signed<CancellationAnswer>,
    pub(crate) answer: CancellationAnswer,
}

/// Checks an answer against the payment that was asked back.
pub fn check_cancellation_answer(
    signed: Signed<CancellationAnswer>,
    original: &Original,
    environment: Environment,
    trust: &TrustView,
) -> Result<CheckedAnswer, Rule> {
    let who = original.creditor_institution;
    let key = trust.permit_key(who, original.corridor(), Side::Creditor, signed.key());
    let answer = open(&signed, key)?;
    same(RuleName::EnvironmentsDiffer, "environment", environment, answer.environment)?;
    same(RuleName::LinkDiffers, "payment", original.payment(), answer.payment)?;
    same(RuleName::LinkDiffers, "institution", who, answer.institution)?;
    if let record::CancellationVerdict::Rejected(reason) = &answer.verdict {
        reason_code(reason)?;
    }
    Ok(CheckedAnswer { signed, answer })
}

/// A return that the payee's institution signed, and that fits its original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedReturn {
    pub(crate) signed: Signed<ReturnOrder>,
    pub(crate) consent: Option<Signed<ReturnConsent>>,
    pub(crate) order: ReturnOrder,
    pub(crate) original: Original,
    pub(crate) terms_digest: Digest,
}

/// What a customers' book reads of a return before it holds money.
pub(crate) struct HoldReturn<'a> {
    pub(crate) signed: &'a Signed<ReturnOrder>,
    pub(crate) consent: Option<&'a Signed<ReturnConsent>>,
    pub(crate) order: &'a ReturnOrder,
    pub(crate) terms_digest: Digest,
    pub(crate) parties: ReturnParties,
}

impl CheckedReturn {
    pub(crate) const fn as_hold(&self) -> HoldReturn<'_> {
        HoldReturn {
            signed: &self.signed,
            consent: self.consent.as_ref(),
            order: &self.order,
            terms_digest: self.terms_digest,
            parties: self.parties(),
        }
    }

    /// The payment that is given back.
    #[must_use]
    pub const fn original(&self) -> &Original {
        &self.original
    }

    /// The return as its institution sent it.
    #[must_use]
    pub fn ask(&self) -> ReturnAsk {
        ReturnAsk { layout: 1, order: self.signed.clone(), consent: self.consent.clone() }
    }

    /// The order.
    #[must_use]
    pub const fn order(&self) -> &ReturnOrder {
        &self.order
    }

    /// Who takes part: the original's parties, with the sides exchanged.
    #[must_use]
    pub const fn parties(&self) -> ReturnParties {
        self.original.return_parties()
    }

    /// What stands for the terms of a return: the digest of its order.
    #[must_use]
    pub const fn terms_digest(&self) -> Digest {
        self.terms_digest
    }
}

/// Checks everything of a return that needs no writer's turn.
pub fn check_return(
    ask: ReturnAsk,
    original: Original,
    environment: Environment,
    book: BookName,
    trust: &TrustView,
) -> Result<CheckedReturn, Rule> {
    let who = original.creditor_institution;
    let key = trust.permit_key(who, original.corridor(), Side::Creditor, ask.order.key());
    let order = open(&ask.order, key)?;
    same(RuleName::EnvironmentsDiffer, "environment", environment, order.environment)?;
    same(RuleName::BooksDiffer, "book", book, order.book)?;
    same(RuleName::LinkDiffers, "layout", 1, order.layout)?;
    same(RuleName::LinkDiffers, "original", original.payment(), order.original)?;
    same(RuleName::LinkDiffers, "institution", who, order.institution)?;
    original.first_payment()?;
    reason_code(&order.reason)?;
    counted_fits(&original, order.amount)?;
    fees_kept(&original, &order)?;
    rate_fits(&original, &order, trust)?;
    let terms_digest = ask.order.digest();
    let ReturnAsk { order: signed, consent, .. } = ask;
    Ok(CheckedReturn { signed, consent, order, original, terms_digest })
}

/// What the original's debtor gets comes from the provider's signature alone.
fn rate_fits(original: &Original, order: &ReturnOrder, trust: &TrustView) -> Result<(), Rule> {
    let asset = original.terms.debited.asset;
    same(RuleName::LinkDiffers, "credited asset", asset, order.credited.asset)?;
    match &order.rate {
        ReturnRate::Quoted(signed) => {
            let claimed = read(signed)?;
            let quote = open(signed, trust.quote_key(claimed.provider, signed.key()))?;
            let name = RuleName::QuoteDiffers;
            same(name, "environment", order.environment, quote.environment)?;
            same(name, "payment", order.payment, quote.payment)?;
            same(name, "corridor", original.corridor(), quote.corridor)?;
            same(name, "debit", order.amount, quote.debit)?;
            same(name, "credit", order.credited, quote.credit)?;
            same(name, "fees", 0, quote.fees.len())?;
            earlier_rate_fits(&quote, original)?;
            if quote.adds_up() {
                Ok(())
            } else {
                Err(Rule::new(name, "the debit is not the sum of its parts"))
            }
        }
        ReturnRate::Guaranteed(signed) => {
            let key = trust.quote_key(original.quote.provider, signed.key());
            let guarantee = open(signed, key)?;
            let name = RuleName::GuaranteeDiffers;
            same(name, "environment", order.environment, guarantee.environment)?;
            same(name, "provider", original.quote.provider, guarantee.provider)?;
            same(name, "quote", original.quote_digest, guarantee.quote)?;
            same(name, "principal", original.quote.principal, guarantee.principal)?;
            same(name, "credit", original.quote.credit, guarantee.credit)?;
            let back = guarantee.back_for(order.amount);
            let back = back.ok_or_else(|| Rule::new(name, "the amount overflows"))?;
            same(name, "credited", back, order.credited)
        }
    }
}

/// A quote at an earlier rate is at the rate of the payment that is given back, of no other.
fn earlier_rate_fits(quote: &Quote, original: &Original) -> Result<(), Rule> {
    match quote.at_rate_of {
        Some(earlier) => same(RuleName::QuoteDiffers, "at_rate_of", original.quote_digest, earlier),
        None => Ok(()),
    }
}

fn fees_kept(original: &Original, order: &ReturnOrder) -> Result<(), Rule> {
    if order.fees_kept == original.quote.fees {
        return Ok(());
    }
    let detail = "`fees_kept`: each fee of the original must be named as it was";
    Err(Rule::new(RuleName::LinkDiffers, detail))
}

/// An ISO 20022 external reason code.
fn reason_code(reason: &str) -> Result<(), Rule> {
    let fits = reason.len() == 4
        && reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if fits {
        return Ok(());
    }
    let got: String = reason.chars().take(8).collect();
    Err(Rule::differs(RuleName::LinkDiffers, "reason", "an ISO 20022 code of four", got))
}

/// What counts against the original is in the asset that it credited, and is something.
fn counted_fits(original: &Original, counted: Amount) -> Result<(), Rule> {
    let asset: AssetCode = original.terms.credited.asset;
    same(RuleName::LinkDiffers, "amount's asset", asset, counted.asset)?;
    if counted.minor.is_zero() {
        return Err(Rule::new(RuleName::LinkDiffers, "nothing would be given back"));
    }
    Ok(())
}

impl CheckedOrder {
    /// The order as a refund of `original`; refused where the two do not fit. What was given back
    /// before is judged in the writer's turn.
    pub fn refunding(mut self, original: Original) -> Result<Self, Rule> {
        let name = RuleName::LinkDiffers;
        let terms = &self.terms;
        same(RuleName::ActionNotServed, "action", Action::Refund.as_str(), terms.action.as_str())?;
        if terms.linked_payment != Some(original.payment()) {
            return Err(Rule::new(name, "`linked_payment` names another payment"));
        }
        original.first_payment()?;
        let was = &original.terms;
        same(name, "debited account", was.credited_account, terms.debited_account)?;
        same(name, "credited account", was.debited_account, terms.credited_account)?;
        same(name, "debited asset", was.credited.asset, terms.debited.asset)?;
        same(name, "credited asset", was.debited.asset, terms.credited.asset)?;
        let (debtor, creditor) = (self.debtor.permit.institution, self.creditor.permit.institution);
        same(name, "debtor's institution", original.creditor_institution, debtor)?;
        same(name, "creditor's institution", original.debtor_institution, creditor)?;
        earlier_rate_fits(&self.quote, &original)?;
        let counted = counted_of(&self.quote)?;
        counted_fits(&original, counted)?;
        self.original = Some(Box::new(original));
        Ok(self)
    }

    /// The payment that a refund gives back, and what counts; `None` for a first payment.
    pub(crate) fn given_back(&self) -> Result<Option<GivenBack>, Rule> {
        let Some(original) = &self.original else { return Ok(None) };
        Ok(Some(GivenBack { original: original.payment(), counted: counted_of(&self.quote)? }))
    }
}

/// Of a refund counts what goes back through the exchange: the debit without the new fees. So a
/// refund counts exactly as a return at the same quote would.
fn counted_of(quote: &Quote) -> Result<Amount, Rule> {
    let overflow = || Rule::new(RuleName::QuoteDiffers, "a fee overflows");
    let own = quote.fees_of(FeeTaker::DebtorInstitution).ok_or_else(overflow)?;
    let operator = quote.fees_of(FeeTaker::Operator).ok_or_else(overflow)?;
    quote.debit.minus(own).and_then(|rest| rest.minus(operator)).map_err(|_| overflow())
}

/// A document that two different configured keys signed. Only [`check_two_persons`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedByTwo<T: Document> {
    pub(crate) signed: TwoPersons<T>,
    pub(crate) document: T,
}

impl<T: Document> CheckedByTwo<T> {
    /// What both signed.
    #[must_use]
    pub const fn document(&self) -> &T {
        &self.document
    }
}

/// Checks that two different keys out of `approvers` signed the same document.
pub fn check_two_persons<T: Document>(
    signed: TwoPersons<T>,
    approvers: &BTreeSet<PublicKey>,
) -> Result<CheckedByTwo<T>, Rule> {
    let missing = |detail: &str| Rule::new(RuleName::ApprovalsMissing, detail);
    let key_of = |one: &Signed<T>| {
        approvers
            .iter()
            .find(|key| key.key_id() == one.key())
            .ok_or_else(|| missing("a signer is not among those who may approve"))
    };
    let (first, second) = (key_of(&signed.first)?, key_of(&signed.second)?);
    if first == second {
        return Err(missing("one person signed twice; two must sign"));
    }
    let document = signed.first.verify(first).map_err(|error| missing(&error.to_string()))?;
    signed.second.verify(second).map_err(|error| missing(&error.to_string()))?;
    if signed.first.digest() != signed.second.digest() {
        return Err(missing("the two signed different documents"));
    }
    Ok(CheckedByTwo { signed, document })
}

fn read<T: Document>(signed: &Signed<T>) -> Result<T, Rule> {
    signed.read_unverified().map_err(|e| Rule::new(RuleName::SignerNotTrusted, e.to_string()))
}

/// Whose account a request of this kind is about.
#[must_use]
pub fn account_of_cancellation(signed: &Signed<CancellationRequest>) -> Option<AccountId> {
    let request = signed.read_unverified().ok()?;
    Some(PaymentTerms::from_terms_string(&request.terms).ok()?.debited_account)
}
