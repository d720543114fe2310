//! A line of an outside account that names a customer: the institution's book credits it, once,
//! against what the settlement book owes to the institution.

use std::collections::BTreeMap;

use journal::Checked;
use ledger::{Command, Reason, Side as EntrySide, Transaction};
use minicbor::{Decode, Encode};
use record::{CustomerFunded, Fact, FactBody, Heading, LineId, SaltSlot};
use terms::{AccountId, Amount, Instant, Position};

use super::{CustomerAnswer, CustomersBook, OwnUse, entry, refused};
use crate::rule::Rule;
use crate::settlement::funding::line_transaction;
use crate::settlement::stop;

/// What a customer is credited with.
#[derive(Clone, Copy, Debug)]
pub struct CustomerFunding {
    /// The line.
    pub line: LineId,
    /// Where the settlement book credited the institution.
    pub settled: Position,
    /// The account that the line names.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
}

/// Lines that were credited: a fold over facts 40.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CustomerFundings {
    #[n(0)]
    lines: BTreeMap<LineId, AccountId>,
}

impl CustomersBook {
    /// The account that was credited for a line, if one was.
    #[must_use]
    pub fn funded(&self, line: LineId) -> Option<AccountId> {
        self.funding.lines.get(&line).copied()
    }

    pub(super) fn fund(
        &self,
        at: Instant,
        slot: SaltSlot,
        asked: &CustomerFunding,
    ) -> Checked<CustomerAnswer> {
        match self.funded_step(at, asked) {
            Ok(step) => Checked {
                facts: step.iter().map(|step| step.to_fact(slot, Heading::default())).collect(),
                outcome: CustomerAnswer::Done,
            },
            Err(rule) => refused(rule),
        }
    }

    /// An account that is unknown, of another asset, or takes no credit sends the money to
    /// suspense: the institution has it, and a person must say whose it is.
    fn funded_step(
        &self,
        at: Instant,
        asked: &CustomerFunding,
    ) -> Result<Option<CustomerFunded>, Rule> {
        let CustomerFunding { line, settled, account, amount } = *asked;
        if self.funding.lines.contains_key(&line) {
            return Ok(None);
        }
        let due_from = self.own_account(amount.asset, OwnUse::DueFrom)?;
        let suspense = self.own_account(amount.asset, OwnUse::Suspense)?;
        let transaction = line_transaction(line, "customer");
        let posted = |to: AccountId| {
            let entries = [
                entry(due_from, EntrySide::Debit, amount.minor),
                entry(to, EntrySide::Credit, amount.minor),
            ];
            self.one_change(
                at,
                &Command::Post(Transaction {
                    id: transaction,
                    business_date: at.date(),
                    reason: Reason::Funding,
                    entries: entries.into(),
                    claims: vec![],
                    links: vec![],
                    detail: None,
                }),
            )
        };
        // Only a customer's account: nobody names an institution's own account in a remittance.
        let known = self.profiles.contains_key(&account);
        let first = if known {
            let change = self.takes_now(account).and_then(|to| posted(to).ok());
            change.map(|change| (account, change))
        } else {
            None
        };
        let (account, change) = match first {
            Some(first) => first,
            None => (suspense, posted(suspense)?),
        };
        Ok(Some(CustomerFunded { line, settled, account, change: change.into(), transaction }))
    }

    /// Where money for an account goes now: what the law blocks comes before a case, and while one
    /// is open nowhere.
    fn takes_now(&self, account: AccountId) -> Option<AccountId> {
        match self.blocked_instead_of(account) {
            Some(blocked) => Some(blocked),
            None if self.open_case(account).is_some() => None,
            None => Some(account),
        }
    }

    pub(super) fn apply_funded(&mut self, stamp: Instant, fact: &Fact) {
        match CustomerFunded::from_fact(fact) {
            Ok(body) => {
                self.apply_change(stamp, &body.change);
                let _block = self.note_blocked(body.account, body.transaction);
                self.funding.lines.insert(body.line, body.account);
            }
            Err(error) => stop(&error.to_string()),
        }
    }
}
