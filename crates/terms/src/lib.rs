//! Amounts, assets, identifiers and instants: the words every other crate speaks.
//!
//! Nothing here does I/O, reads a clock or draws a random number. A type lives here only when
//! three crates need it. Every type has one text form (`Display`/`FromStr`) and one stored form
//! (deterministic CBOR, RFC 8949 section 4.2), and reading refuses whatever writing would not
//! have produced.
//!
//! Start at [`Amount`] for money, [`Label`]-like names in [`name`], ids in [`id`], time in
//! [`instant`].
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod amount;
pub mod id;
pub mod instant;
pub mod name;

pub use amount::{Amount, AmountError, Minor};
pub use id::{
    AccountId, ActId, CaseId, DecisionId, Epoch, HoldId, IdError, InvoiceId, OutsideId, PaymentId,
    Position, QuoteId, RunId, Sequence, StatementId, TransactionId, Uetr,
};
pub use instant::{BusinessDate, Instant, InstantError};
pub use name::{
    AssetCode, BookName, CompanyId, CorridorName, EdgeName, Environment, InstitutionName,
    Jurisdiction, NameError, ProviderName, RailName,
};
