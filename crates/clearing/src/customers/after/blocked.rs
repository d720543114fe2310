//! What comes to an account of which the law blocks all there is and all that comes: by a line of
//! an outside account, out of a case that closes, or out of a hold that ends without a payment.

use ledger::{Command, Entry, Link, Reason, Side as EntrySide, Transaction, VoidGround};
use terms::{AccountId, Instant, PaymentId, TransactionId};

use super::super::{CustomersBook, entry, hold_of, transaction_of};
use crate::rule::Rule;
use crate::settlement::stop;

/// The part of a payment's transaction ids that blocks what its hold held.
const BLOCKED_PART: &str = "blocked";

impl CustomersBook {
    /// Where money that comes to this account lies blocked; `None` when no block takes it.
    pub(in crate::customers) fn blocked_instead_of(&self, account: AccountId) -> Option<AccountId> {
        self.after.coming.get(&account)?;
        let asset = self.ledger.account(account)?.opening().asset;
        self.after.blocked_accounts.get(&asset).copied()
    }

    /// The end of a hold whose payment did not happen: its money is free again, or lies blocked
    /// when the law took what the account has while it was held.
    pub(in crate::customers) fn freed(
        &self,
        at: Instant,
        (payment, account): (PaymentId, AccountId),
        ground: VoidGround,
    ) -> Result<Vec<u8>, Rule> {
        let hold = hold_of(payment);
        let void = Command::VoidHold { hold, ground };
        let held = self.ledger.hold(hold).map(|hold| hold.placement().amount);
        let (Some(to), Some(amount)) = (self.blocked_instead_of(account), held) else {
            return self.one_change(at, &void);
        };
        let entries = vec![
            Entry { hold: Some(hold), ..entry(account, EntrySide::Debit, amount) },
            entry(to, EntrySide::Credit, amount),
        ];
        let block = Command::Post(Transaction {
            id: transaction_of(payment, BLOCKED_PART),
            business_date: at.date(),
            reason: Reason::Blocking,
            entries: entries.into(),
            claims: vec![],
            links: vec![Link::Payment(payment)],
            detail: None,
        });
        // The payer's bank must be able to end the hold, whatever keeps it from blocking more.
        self.one_change(at, &block).or_else(|_| self.one_change(at, &void))
    }

    /// Counts to the block of an account what the hold of a payment held, if that was blocked.
    pub(in crate::customers) fn note_freed(&mut self, payment: PaymentId, account: AccountId) {
        let _block = self.note_blocked(account, transaction_of(payment, BLOCKED_PART));
    }

    /// Counts to the block of an account what a transaction brought to the blocked funds in its
    /// place, and says which block that is.
    pub(in crate::customers) fn note_blocked(
        &mut self,
        account: AccountId,
        by: TransactionId,
    ) -> Option<TransactionId> {
        let to = self.blocked_instead_of(account)?;
        let block = self.after.coming.get(&account).copied()?;
        let (_, booked) = self.ledger.transaction(by)?;
        let came = |one: &&Entry| one.account == to && one.side == EntrySide::Credit;
        let amount = booked.entries.iter().find(came)?.amount;
        let entry = self.after.blocks.get_mut(&block)?;
        entry.amount.minor = match entry.amount.minor.plus(amount) {
            Ok(sum) => sum,
            Err(error) => stop(&error.to_string()),
        };
        Some(block)
    }
}
