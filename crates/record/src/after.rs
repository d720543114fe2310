//! What may follow an order: documents and facts of cancellation, return, refund, correction,
//! blocked funds and cases.
//!
//! Settled is final, so nothing here takes money back: a return and a refund are payments of
//! their own, linked to the original, and a correction is a transaction of its own. The table of
//! `docs/formats/facts.md` says the same by number.

use crate::fact::FactKind;

mod documents;
mod facts;
mod nameless;

pub use documents::{
    BlockExtent, BlockOrder, BlockRelease, CancellationAnswer, CancellationRequest,
    CancellationVerdict, CaseChange, CaseNotice, Correction, CorrectionMove, GuaranteeRequest,
    RateGuarantee, ReleaseTo, ReturnAsk, ReturnConsent, ReturnOrder, ReturnRate, TwoPersons,
};
pub use facts::{
    BookCorrected, CancellationAnswered, CancellationRequested, CaseChanged, CreditDiverted,
    Diverted, FundsBlocked, GivenBack, PaymentCancelled, PaymentRefunded, PaymentReturned,
    ReturnParties, ReturnStep,
};

pub use nameless::{
    AskedBack, CANCELLATION_REQUESTED_2, Cancelled, NamelessRequest, PAYMENT_CANCELLED_2,
};

/// A payment that its payer cancelled before it settled. Settlement book; read only.
pub const PAYMENT_CANCELLED: FactKind = FactKind { number: 26, version: 1 };
/// A request to give a settled payment back. Settlement book; read only.
pub const CANCELLATION_REQUESTED: FactKind = FactKind { number: 27, version: 1 };
/// The payee's side's answer to it. Settlement book.
pub const CANCELLATION_ANSWERED: FactKind = FactKind { number: 28, version: 1 };
/// A return: the payee's bank's linked payment back. Settlement book.
pub const PAYMENT_RETURNED: FactKind = FactKind { number: 29, version: 1 };
/// A correction by two persons. Settlement book.
pub const BOOK_CORRECTED: FactKind = FactKind { number: 30, version: 1 };
/// A refund: a settled payment with the link to its original. Settlement book; read only.
pub const PAYMENT_REFUNDED: FactKind = FactKind { number: 31, version: 1 };
/// One step of a return in the book that gives back.
pub const RETURN_STEP: FactKind = FactKind { number: 48, version: 1 };
/// A credit that did not go to its account: blocked, or waiting for a case. Customers' books.
pub const CREDIT_DIVERTED: FactKind = FactKind { number: 49, version: 1 };
/// A case is opened or closed. Customers' books.
pub const CASE_CHANGED: FactKind = FactKind { number: 50, version: 1 };
/// Money is blocked or released. Customers' books.
pub const FUNDS_BLOCKED: FactKind = FactKind { number: 51, version: 1 };

/// Field of the signed request in [`PAYMENT_CANCELLED`].
pub const CANCELLED_BY_FIELD: u16 = 11;
/// Field of the original payment's id in [`PAYMENT_RETURNED`].
pub const ORIGINAL_FIELD: u16 = 11;
/// Field of the signed return order in [`PAYMENT_RETURNED`].
pub const RETURN_ORDER_FIELD: u16 = 12;
/// Field of who took part in [`PAYMENT_RETURNED`].
pub const RETURN_PARTIES_FIELD: u16 = 13;
/// Field of the ledger change in [`PAYMENT_RETURNED`].
pub const RETURN_POSTINGS_FIELD: u16 = 14;
/// Field of the link in [`PAYMENT_REFUNDED`], after those of a settled payment.
pub const GIVEN_BACK_FIELD: u16 = 19;

/// The code of a payment that its payer cancelled, in [`crate::Ending::Refused`]: an ending like
/// any other, so that every promise and receipt of a build that knows no cancellation reads it.
pub const CANCELLED_CODE: &str = "PaymentCancelled";
