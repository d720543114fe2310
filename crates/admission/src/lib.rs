//! The edge's use cases: what an institution does with a presentation, an order and its rules.
//!
//! The creditor's side: [`payee::ask_payee`] and [`payee::accept_payee`] turn a signed invoice
//! and a presentation into a ticket; [`exchange::answer_statement`] opens the other side's party
//! statement and answers with its own and an acceptance. The debtor's side:
//! [`exchange::state_payer`] and [`exchange::prepare`]. Both: [`decide`] turns a consent into a
//! signed permit, a signed refusal or a referral, with the whole record.
//!
//! Pure: instants, entropy, keys and lists are arguments. Knows no ledger, no journal, no wire.
//! An edge keeps nothing between two requests of a payment: what it must remember it seals to
//! itself in a [`ticket`], so any instance goes on where another stopped.
#![expect(clippy::result_large_err, reason = "a refusal is made once per request: clarity first")]

pub mod asking;
pub mod decide;
pub mod desk;
pub mod exchange;
mod findings;
pub mod forced;
pub mod lists;
pub mod marks;
pub mod out;
pub mod payee;
pub mod raw;
pub mod replay;
pub mod sandbox;
pub mod ticket;
pub mod told;
pub mod travel;

pub use asking::{Asks, edge_client_id, registered_claims};
pub use decide::{
    ConsentRefused, Consented, Decided, Inputs, OpenConsent, Verdict, decide_creditor,
    decide_debtor, open_creditor_consent, open_debtor_consent, record_commitment, sealed_record,
};
pub use desk::{AccountFacts, Desk, Onboarding, Statuses};
pub use exchange::{
    Answered, AskedToTell, ExchangeEntropy, ExchangeRefused, Prepared, Reply, Stated, StatedPayer,
    Wanted, answer_statement, prepare, state_payer,
};
pub use lists::{Lists, ListsRefused, Untrusted};
pub use marks::lists_seen;
pub use out::{OUT_TERMS_SECONDS, OpenOut, OutRefused, decide_out, open_out_consent, prepare_out};
pub use payee::{PayeeRefused, accept_payee, ask_payee, corridor_of_state};
pub use sandbox::{Bounds, is_exercise, is_owed};
pub use ticket::{CreditorTicket, DebtorTicket, InvoiceTicket, OutTicket, TicketError};
pub use told::Told;
pub use travel::{TravelRefused, Travelled};
