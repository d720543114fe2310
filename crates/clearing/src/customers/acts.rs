//! A customer's account frozen or thawed as the operator's acts say.
//!
//! The settlement book judges orders against the acts themselves; here the account is frozen for
//! everything else too. What is asked for is how the account shall stand, so that asking again
//! changes nothing and an older word that comes late is passed over.

use std::collections::BTreeMap;

use journal::Checked;
use ledger::{Command, Freeze};
use minicbor::{Decode, Encode};
use record::{AccountRestricted, Fact, FactBody, Heading, SaltSlot, Stop};
use terms::{AccountId, ActId, Instant, Position};

use super::{CustomerAnswer, CustomersBook, refused};
use crate::rule::{Rule, RuleName};
use crate::settlement::stop;

/// How a customer's account shall stand.
#[derive(Clone, Copy, Debug)]
pub struct Restriction {
    /// The newest act about it.
    pub act: ActId,
    /// Where the settlement book has that act.
    pub ordered_at: Position,
    /// The account.
    pub account: AccountId,
    /// What it shall not take; `None`: it takes everything.
    pub stop: Option<Stop>,
}

/// The newest act of each account: a fold over facts 56.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CustomerActs {
    #[n(0)]
    newest: BTreeMap<AccountId, Position>,
}

impl CustomersBook {
    /// What a customer's account does not take.
    #[must_use]
    pub fn stop_of(&self, account: AccountId) -> Option<Stop> {
        let freeze = self.ledger.account(account).map(|known| known.freeze())?;
        match freeze {
            Freeze::Nothing => None,
            Freeze::Debits => Some(Stop::Debits),
            Freeze::Credits => Some(Stop::Credits),
            Freeze::Both => Some(Stop::Both),
        }
    }

    pub(super) fn restrict(
        &self,
        at: Instant,
        slot: SaltSlot,
        asked: &Restriction,
    ) -> Checked<CustomerAnswer> {
        let Restriction { act, ordered_at, account, stop } = *asked;
        if !self.profiles.contains_key(&account) {
            let detail = format!("no customer has account `{account}`");
            return refused(Rule::new(RuleName::AccountUnknown, detail));
        }
        let newer = self.acts.newest.get(&account).is_some_and(|newest| ordered_at < *newest);
        if newer || self.stop_of(account) == stop {
            return Checked { facts: vec![], outcome: CustomerAnswer::Done };
        }
        match self.one_change(at, &Command::SetFreeze { account, freeze: freeze_of(stop) }) {
            Ok(change) => {
                let change = change.into();
                let body = AccountRestricted { act, ordered_at, account, stop, change };
                let facts = vec![body.to_fact(slot, Heading::default())];
                Checked { facts, outcome: CustomerAnswer::Done }
            }
            Err(rule) => refused(rule),
        }
    }

    pub(super) fn apply_restricted(&mut self, stamp: Instant, fact: &Fact) {
        match AccountRestricted::from_fact(fact) {
            Ok(body) => {
                self.apply_change(stamp, &body.change);
                self.acts.newest.insert(body.account, body.ordered_at);
            }
            Err(error) => stop(&error.to_string()),
        }
    }
}

const fn freeze_of(stop: Option<Stop>) -> Freeze {
    match stop {
        None => Freeze::Nothing,
        Some(Stop::Debits) => Freeze::Debits,
        Some(Stop::Credits) => Freeze::Credits,
        Some(Stop::Both) => Freeze::Both,
    }
}
