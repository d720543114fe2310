//! The bounded, exact, namespace-aware codec of the ISO 20022 messages that clearing needs.
//!
//! Bytes in, typed values out, and the way back; no file, clock, network or random number. What is
//! read and written, which limits hold and what is left aside stands in `docs/formats/iso20022.md`.
//!
//! Start at [`read`] and [`write`]; then [`Message`]. A line of a statement may be booked only as
//! a [`BookedEntry`], which is made from status `BOOK` alone. Amounts are exact minor units
//! ([`Money`]); no float occurs.
//!
//! ```
//! let file = br#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08">
//!   <BkToCstmrDbtCdtNtfctn>
//!     <GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr>
//!     <Ntfctn>
//!       <Id>N-1</Id>
//!       <Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></Acct>
//!       <Ntry>
//!         <Amt Ccy="EUR">1250.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
//!         <BkTxCd/>
//!       </Ntry>
//!     </Ntfctn>
//!   </BkToCstmrDbtCdtNtfctn>
//! </Document>"#;
//! let incoming = iso20022::read(file)?;
//! for report in incoming.message.account_reports() {
//!     for line in report.booked() {
//!         assert_eq!(line.amount.minor().units(), 125_000);
//!     }
//! }
//! # Ok::<(), iso20022::ReadError>(())
//! ```
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod account;
mod agent;
mod cancellation;
mod checks;
mod codes;
mod currency;
mod decimal;
mod details;
mod entry;
mod error;
mod header;
pub mod limits;
mod message;
mod money;
mod node;
mod out;
mod outcome;
mod party;
mod payment;
mod remittance;
mod returns;
mod statement;
mod status;
mod text;
mod time;
mod transfer;
mod tree;

pub use account::{Account, AccountId, Iban, OtherAccount, StatementAccount};
pub use agent::{Agent, Bic, ClearingMember, Institution, OtherInstitution};
pub use cancellation::{
    Assignment, CancellationAnswer, CancellationReasonInformation, CancellationRequest,
    CancellationStatusReason, Case, ControlData, RequestedCancellation, RequestedGroup, Resolution,
    ResolvedTransaction, UnderlyingAnswers, UnderlyingRequests,
};
pub use checks::{Counted, ReportBreak};
pub use codes::{
    BalanceType, CancellationReason, CancellationRejection, CancellationStatus, ChargeBearer,
    Choice, CopyDuplicate, EntryStatus, InvestigationConfirmation, OtherCode, ReturnReason,
    SettlementMethod, Side, StatusReason, TransactionStatus,
};
pub use currency::{Currency, CurrencyError};
pub use decimal::{Decimal, DecimalError, Rate};
pub use details::{
    AmountDetails, AmountExchanged, BatchInformation, ChargeRecord, Charges, Counterparty,
    EntryDetails, Exchange, References, RelatedAgents, RelatedDates, RelatedParties,
    ReturnInformation, TransactionDetails,
};
pub use entry::{
    BankTransactionCode, BookedEntry, CodeFamily, Entry, ProprietaryCode, TransactionDomain,
};
pub use error::{Problem, ReadError, Rule, WriteError};
pub use header::{BusinessHeader, HeaderParty};
pub use message::{Definition, Ignored, Incoming, Message, read, write};
pub use money::{Money, MoneyError};
pub use outcome::{Outcome, OutcomeError};
pub use party::{Address, OrganisationId, OtherId, Party};
pub use payment::{
    AgentCharge, OriginalGroup, OriginalTransaction, PaymentIds, PaymentType,
    SettlementInstruction, SettlementSystem,
};
pub use remittance::{ReferredDocument, Remittance, StructuredRemittance};
pub use returns::{
    PaymentReturn, ReturnChain, ReturnHeader, ReturnReasonInformation, ReturnedTransaction,
};
pub use statement::{
    AccountReport, Balance, BalanceKind, EntryTotals, Notification, Notifications, Page, Period,
    ReportHeader, Statement, Statements, TransactionSummary,
};
pub use status::{
    OriginalGroupStatus, StatusHeader, StatusReasonInformation, StatusReport,
    TransactionStatusReport,
};
pub use text::{EndToEndId, InstructionId, Text, TextError};
pub use time::{DateOrTime, IsoDateTime, TimeError};
pub use transfer::{CreditTransfer, CreditTransfers, TransferHeader};
