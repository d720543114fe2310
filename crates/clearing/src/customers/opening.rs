//! A customer's account with its owner and key: two facts of one command.

use journal::Checked;
use ledger::{Command, Opening, Owner, Purpose};
use record::settlement::ACCOUNT_OPENED;
use record::{AccountProfile, Fact, SaltSlot};
use seal::to_canonical;
use terms::Instant;

use super::{CustomerAnswer, CustomersBook, refused};
use crate::rule::{Rule, RuleName};

impl CustomersBook {
    pub(super) fn open_customer(
        &self,
        at: Instant,
        slot: SaltSlot,
        opening: &Opening,
        profile: &AccountProfile,
    ) -> Checked<CustomerAnswer> {
        let fits = opening.id == profile.account
            && opening.owner == Owner::Company(profile.owner)
            && opening.purpose == Purpose::Customer;
        if !fits {
            return refused(Rule::new(RuleName::OwnersDiffer, "opening and profile differ"));
        }
        if self.profiles.get(&opening.id).is_some_and(|known| known != profile) {
            let detail = format!("`{}` was opened with another profile", opening.id);
            return refused(Rule::new(RuleName::OwnersDiffer, detail));
        }
        let mut checked = self.ledger_command(at, slot, &Command::OpenAccount(*opening), "opened");
        if !checked.facts.is_empty() {
            let body = vec![to_canonical(profile)];
            checked.facts.push(Fact::plain(ACCOUNT_OPENED, slot, body));
        }
        checked
    }
}
