//! What a payment costs and is for: quote, invoice, acceptance.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::{
    AccountId, Amount, CompanyId, CorridorName, Environment, Instant, InstitutionName, InvoiceId,
    Minor, PaymentId, ProviderName, QuoteId,
};

use crate::document::Document;

/// A firm quote: both amounts exact, single use, bound to one payment, signed by the FX provider.
///
/// `debit = principal + margin + sum of fees`, exactly; [`Quote::adds_up`] says so.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Quote {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// Its id.
    #[n(2)]
    pub quote: QuoteId,
    /// The one payment it is for.
    #[n(3)]
    pub payment: PaymentId,
    /// Who quotes.
    #[n(4)]
    pub provider: ProviderName,
    /// The corridor.
    #[n(5)]
    pub corridor: CorridorName,
    /// What leaves the debtor's account, everything included.
    #[n(6)]
    pub debit: Amount,
    /// What reaches the creditor's account.
    #[n(7)]
    pub credit: Amount,
    /// The mid rate used.
    #[n(8)]
    pub mid: Rate,
    /// `credit` at mid, in the debit asset, rounded up to a whole minor unit.
    #[n(9)]
    pub principal: Amount,
    /// What the provider takes for risk and service, in the debit asset.
    #[n(10)]
    pub margin: Amount,
    /// Every fee with its taker, in the debit asset.
    #[n(11)]
    pub fees: Vec<Fee>,
    /// When it was made.
    #[n(12)]
    pub issued_at: Instant,
    /// It is open while the writer's stamp is before this.
    #[n(13)]
    pub expires_at: Instant,
    /// The earlier quote at whose rate it was made, the other way round: it serves a refund of the
    /// payment that used that quote, and nothing else. Absent at the day's rate.
    #[n(14)]
    pub at_rate_of: Option<Digest>,
}

impl Document for Quote {
    const DOMAIN: Domain = Domain::new("wayleave/quote/v1");
    const NAME: &'static str = "quote";
}

/// A rate as a ratio of minor units: `debit = credit * debit_units / credit_units`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Rate {
    /// Minor units of the debit asset …
    #[n(0)]
    pub debit_units: Minor,
    /// … for so many minor units of the credit asset.
    #[n(1)]
    pub credit_units: Minor,
    /// Where the rate comes from. A table of reference rates is a sandbox source and says so.
    #[n(2)]
    pub source: String,
}

/// One fee.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Fee {
    /// Who takes it.
    #[n(0)]
    pub taker: FeeTaker,
    /// How much, in the debit asset.
    #[n(1)]
    pub amount: Amount,
    /// What for, in words.
    #[n(2)]
    pub purpose: String,
}

/// Who may take a fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FeeTaker {
    /// The debtor's institution, in its own book.
    #[n(0)]
    DebtorInstitution,
    /// The operator of the settlement book.
    #[n(1)]
    Operator,
}

impl FeeTaker {
    /// The word used in files and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DebtorInstitution => "debtor institution",
            Self::Operator => "operator",
        }
    }
}

impl Quote {
    /// Whether the debit is the exact sum of its parts, all of one asset, and the principal is
    /// the credit at mid rounded up.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let mut sum = self.principal.plus(self.margin);
        for fee in &self.fees {
            sum = sum.and_then(|s| s.plus(fee.amount));
        }
        let at_mid = self
            .credit
            .minor
            .split_ceiling(self.mid.debit_units.units(), self.mid.credit_units.units());
        sum == Ok(self.debit)
            && at_mid == Ok(self.principal.minor)
            && !self.debit.minor.is_zero()
            && !self.credit.minor.is_zero()
            && self.debit.asset != self.credit.asset
    }

    /// The sum of the fees that `taker` takes; `None` when it overflows.
    #[must_use]
    pub fn fees_of(&self, taker: FeeTaker) -> Option<Amount> {
        self.fees
            .iter()
            .filter(|fee| fee.taker == taker)
            .try_fold(Amount::new(Minor::ZERO, self.debit.asset), |sum, fee| {
                sum.plus(fee.amount).ok()
            })
    }
}

/// A request to pay, signed with the key that the creditor registered for its account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Invoice {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// Its id.
    #[n(2)]
    pub invoice: InvoiceId,
    /// The creditor's own number, such as `INV-014`.
    #[n(3)]
    pub number: String,
    /// Who is to be paid.
    #[n(4)]
    pub creditor: CompanyId,
    /// The creditor's legal name.
    #[n(5)]
    pub creditor_name: String,
    /// The institution that holds the account.
    #[n(6)]
    pub institution: InstitutionName,
    /// The account to credit.
    #[n(7)]
    pub account: AccountId,
    /// How much.
    #[n(8)]
    pub amount: Amount,
    /// ISO 20022 external purpose code, such as `GDDS`.
    #[n(9)]
    pub purpose: String,
    /// When it was made.
    #[n(10)]
    pub issued_at: Instant,
    /// Until when it may be paid.
    #[n(11)]
    pub due_at: Instant,
}

impl Document for Invoice {
    const DOMAIN: Domain = Domain::new("wayleave/invoice/v1");
    const NAME: &'static str = "invoice";
}

/// The creditor institution's word that it can credit: comes before settlement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Acceptance {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The payment it is for.
    #[n(2)]
    pub payment: PaymentId,
    /// Who accepts.
    #[n(3)]
    pub institution: InstitutionName,
    /// The invoice that is paid.
    #[n(4)]
    pub invoice: Digest,
    /// The account that exists, is open, may be credited and belongs to `owner`.
    #[n(5)]
    pub account: AccountId,
    /// The company that owns the account and signed the invoice.
    #[n(6)]
    pub owner: CompanyId,
    /// What will be credited.
    #[n(7)]
    pub amount: Amount,
    /// It holds while the writer's stamp is before this.
    #[n(8)]
    pub valid_until: Instant,
}

impl Document for Acceptance {
    const DOMAIN: Domain = Domain::new("wayleave/acceptance/v1");
    const NAME: &'static str = "acceptance";
}

/// What the creditor hands to the debtor: the invoice and its institution's ticket for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RequestToPay {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The signed invoice.
    #[n(1)]
    pub invoice: crate::document::Signed<Invoice>,
    /// The creditor institution's sealed note to itself: who signed, what was presented. Opaque
    /// to everybody else.
    #[n(2)]
    pub ticket: minicbor::bytes::ByteVec,
}

impl Document for RequestToPay {
    const DOMAIN: Domain = Domain::new("wayleave/request-to-pay/v1");
    const NAME: &'static str = "request to pay";
}

/// Money that arrived outside, as the operator states it. The sandbox's stand-in for a bank
/// statement: it says so in its name, and its facts name it as the reason.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SandboxStatement {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something; never `production`.
    #[n(1)]
    pub environment: Environment,
    /// The statement's number: booked once.
    #[n(2)]
    pub number: String,
    /// Its lines.
    #[n(3)]
    pub lines: Vec<SandboxLine>,
}

impl Document for SandboxStatement {
    const DOMAIN: Domain = Domain::new("wayleave/sandbox-statement/v1");
    const NAME: &'static str = "sandbox statement";
}

/// One line of a sandbox statement: `amount` arrived for `account` of `book`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SandboxLine {
    /// The line's own reference: booked once.
    #[n(0)]
    pub reference: terms::TransactionId,
    /// The book.
    #[n(1)]
    pub book: terms::BookName,
    /// The account to credit, against the control or due-from account of its asset.
    #[n(2)]
    pub account: AccountId,
    /// How much.
    #[n(3)]
    pub amount: Amount,
}
