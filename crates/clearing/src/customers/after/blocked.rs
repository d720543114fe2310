//! Orders that block funds and release them, and what comes to an account of which the law blocks
//! all there is and all that comes: by a line of an outside account, out of a case that closes, or
//! out of a hold that ends without a payment.

use ledger::{Available, Command, Entry, Link, Reason, Side as EntrySide, Transaction, VoidGround};
use record::{BlockExtent, BlockOrder, BlockRelease, FundsBlocked, ReleaseTo, Signed};
use terms::{AccountId, Amount, Instant, Minor, PaymentId, TransactionId};

use super::super::{CustomersBook, entry, hold_of, transaction_of};
use super::{BlockStanding, CheckedByTwo, Moved, unread};
use crate::rule::{Rule, RuleName, same};
use crate::settlement::stop;

/// The part of a payment's transaction ids that blocks what its hold held.
const BLOCKED_PART: &str = "blocked";

impl CustomersBook {
    pub(super) fn block(
        &self,
        at: Instant,
        signed: &Signed<BlockOrder>,
    ) -> Result<Option<FundsBlocked>, Rule> {
        let order = signed.read_unverified().map_err(|error| unread(&error))?;
        if let Some(entry) = self.after.blocks.get(&order.block) {
            return if entry.order == order {
                Ok(None)
            } else {
                Err(Rule::new(RuleName::LinkDiffers, "another order has this block's id"))
            };
        }
        same(RuleName::OwnersDiffer, "institution", self.institution, order.institution)?;
        let profile = self
            .profiles
            .get(&order.account)
            .ok_or_else(|| Rule::new(RuleName::AccountUnknown, order.account.to_string()))?;
        same(RuleName::OwnersDiffer, "owner", profile.owner, order.owner)?;
        if order.legal_basis.trim().is_empty() || order.authority.trim().is_empty() {
            return Err(Rule::new(RuleName::LinkDiffers, "a block names its law and authority"));
        }
        let asset = self.asset_of(order.account)?;
        let to = self.blocked_in(asset)?;
        let amount = match order.extent {
            BlockExtent::Part(amount) => {
                same(RuleName::LinkDiffers, "asset", asset, amount.asset)?;
                amount.minor
            }
            BlockExtent::AllAndComing => {
                self.not_blocked(order.account)?;
                match self.ledger.balances(order.account).map(|balances| balances.available) {
                    Some(Available::UpTo(most)) => most,
                    Some(Available::Unlimited) | None => Minor::ZERO,
                }
            }
        };
        let change = if amount.is_zero() {
            None
        } else {
            let moved = Moved { from: order.account, to, amount, links: vec![] };
            Some(self.moved(at, order.block, Reason::Blocking, moved)?)
        };
        let order = Box::new(signed.clone());
        Ok(Some(FundsBlocked::Blocked { order, amount: Amount::new(amount, asset), change }))
    }

    pub(super) fn unblock(
        &self,
        at: Instant,
        checked: &CheckedByTwo<BlockRelease>,
    ) -> Result<Option<FundsBlocked>, Rule> {
        let release = &checked.document;
        same(RuleName::OwnersDiffer, "institution", self.institution, release.institution)?;
        let entry = self.after.blocks.get(&release.block).ok_or_else(|| {
            let detail = format!("there is no block `{}`", release.block);
            Rule::new(RuleName::OriginalUnknown, detail)
        })?;
        if entry.standing == BlockStanding::Released {
            return Ok(None);
        }
        if at >= release.valid_until || release.legal_basis.trim().is_empty() {
            return Err(Rule::new(
                RuleName::InstructionExpired,
                "the release is over or unfounded",
            ));
        }
        let to = match release.to {
            ReleaseTo::Owner => entry.order.account,
            ReleaseTo::Account(account) => account,
        };
        same(RuleName::LinkDiffers, "asset", entry.amount.asset, self.asset_of(to)?)?;
        let change = if entry.amount.minor.is_zero() {
            None
        } else {
            let from = self.blocked_in(entry.amount.asset)?;
            let moved = Moved { from, to, amount: entry.amount.minor, links: vec![] };
            let id = transaction_of(PaymentId::from_bytes(release.block.bytes()), "released");
            Some(self.moved(at, id, Reason::Blocking, moved)?)
        };
        let release = Box::new(checked.signed.clone());
        Ok(Some(FundsBlocked::Released { release, change }))
    }

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
