//! The core's use cases: order and permits become facts of the settlement book and of the
//! customers' books beside it.
//!
//! The core trusts no edge. Whatever an edge could have signed wrongly is checked here again, in
//! the writer's turn, against what the books themselves say: [`rule`] names every way to be
//! refused, [`order`] checks signatures before the writer's turn, [`settlement`] and
//! [`customers`] are the machines, [`saga`] says which step of a payment comes next, [`route`]
//! drives a payment through the books without I/O, [`after`] checks what may follow it,
//! [`readers`] says who may see which field.
//! drives a payment through the books without I/O, [`outside`] does the same for a transfer over
//! a rail, [`readers`] says who may see which field.
//!
//! This crate must not know how credentials are verified or how policies are evaluated.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod acts;
pub mod after;
pub mod customers;
pub mod lease;
pub mod order;
pub mod outgoing;
pub mod outside;
pub mod pins;
pub mod readers;
pub mod route;
pub mod rule;
pub mod saga;
pub mod settlement;
pub mod status;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod totals;
pub mod trusted;
pub mod under_lease;

pub use acts::{CheckedAct, CheckedActDecision, May, Operator, check_act, check_act_decision};
pub use after::{
    CheckedAnswer, CheckedByTwo, CheckedCancellation, CheckedReturn, Original,
    account_of_cancellation, check_cancellation, check_cancellation_answer, check_return,
    check_two_persons,
};
pub use customers::duties::{CheckedParcel, Duties, check_parcel};
pub use customers::proven::BankWork;
pub use customers::returns::ReturnOwed;
pub use customers::{CustomerAnswer, CustomerCommand, CustomerWork, CustomersBook, DebtorSeen};
pub use order::{CheckedOrder, check_order};
pub use outgoing::{CheckedOutgoing, check_outgoing};
pub use outside::{OutsideAnswer, OutsideWork};
pub use pins::Pins;
pub use readers::{Reader, fields_for};
pub use route::{Action, Finish, Heard, Route};
pub use rule::Rule;
pub use saga::{Progress, SettlementSide, Step, next_step};
pub use settlement::{
    AfterAnswer, AfterWork, PaymentEntry, SettlementAnswer, SettlementBook, SettlementCommand,
    SettlementWork,
};
pub use trusted::TrustView;
pub use under_lease::LeaseOrder;
