//! What keeps the documents of the fixture's orders.

use record::Blind;
use seal::sha256;
use terms::PaymentId;

use crate::SettlementWork;

/// What blinds a payment's documents in tests.
#[must_use]
pub fn blind(payment: PaymentId) -> Blind {
    Blind::from_bytes(*sha256(&payment.bytes()).as_bytes())
}

/// An order that no book was asked to hold, as if its documents were kept under what it offers.
pub(super) fn kept(work: SettlementWork) -> SettlementWork {
    if let SettlementWork::Settle(order) = work {
        let blind = order.kept().unwrap_or(order.offered());
        SettlementWork::Settle(Box::new(order.kept_under(blind)))
    } else {
        work
    }
}
