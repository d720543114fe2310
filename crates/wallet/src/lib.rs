//! The company's wallet: keys, credentials, payments, receipts and a record of who saw what.
//!
//! | for | start at |
//! |---|---|
//! | a folder with a wallet in it | [`Wallet::open`], [`WalletConfig`] |
//! | a credential from an issuer's offer | [`Wallet::receive`] |
//! | being paid | [`Wallet::create_invoice`] |
//! | paying, in one step | [`Wallet::pay`] |
//! | paying, stage by stage | [`PaymentInHand`] |
//! | cancelling, agreeing to give back | [`Wallet::cancel`], [`Wallet::consent_to_return`] |
//! | who saw which claims | [`Wallet::privacy`] |
//! | a receipt, without any server | [`verify::verify`] |
//!
//! It never sees a ledger: what was settled it knows from a promise and a receipt that it checks
//! against its own trust. Each command ends in a value with a text for people, a JSON form and an
//! exit code ([`CommandResult`]).
#![expect(
    clippy::needless_pass_by_value,
    reason = "reports and errors take whatever can be shown, by value, to read well where made"
)]

mod after;
mod calls;
mod config;
mod error;
mod folder;
mod invoice;
mod keys;
mod outcome;
mod pay;
mod pay_out;
mod privacy;
mod receive;
mod refund;
mod replay;
mod statement;
mod system;
mod trust;
pub mod verify;
mod wallet;

#[cfg(test)]
mod fixtures;

pub use after::CancelOutcome;
pub use config::{EdgeEntry, PeerEntry, ProviderEntry, TrustListEntry, WalletConfig};
pub use error::WalletError;
pub use folder::{Kept, WalletFolder};
pub use invoice::{InvoiceDraft, RequestMade};
pub use keys::KeyFolder;
pub use outcome::{
    CommandResult, EXIT_MATERIAL_MISSING, EXIT_NOBODY_VOUCHES, EXIT_REFUSED, EXIT_UNKNOWN,
};
pub use pay::{
    Accepted, Agreement, CheckedPromise, Chinese, Decided, Letters, OrderSent, PaymentInHand,
    PaymentOutcome, Permitted, RefusedPayment, Settled, Shown, WhenMissing,
};
pub use pay_out::{OutDraft, OutOutcome};
pub use privacy::{Disclosure, PrivacyEntry, PrivacyRecord, PrivacyReport, RecordDamaged};
pub use receive::Received;
pub use refund::RefundRate;
pub use replay::{Replayed, replay};
pub use statement::StatementAsk;
pub use wallet::Wallet;
