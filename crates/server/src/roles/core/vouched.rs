//! What is asked of the customers' books before a payment is ended from outside of its route: is
//! money held under its id for other terms, and does its account belong to who asks?

use std::collections::BTreeSet;

use clearing::order::check_shown;
use clearing::saga::DebtorSide;
use clearing::{DebtorSeen, SettlementBook};
use record::{Ending, PaymentTerms};
use seal::{Digest, PublicKey};
use terms::{AccountId, InstitutionName, PaymentId};

use super::books::Failed;
use super::customers::CustomersPort;
use super::orders::{Clearing, NoPromise, Parties};

impl Clearing {
    /// Refuses to end a payment id under which a book of this process holds money for other
    /// terms: that is somebody else's payment, under way.
    pub(super) async fn nothing_else_held(
        &self,
        payment: PaymentId,
        got: Digest,
    ) -> Result<(), NoPromise> {
        for book in self.books.customers.values().filter_map(CustomersPort::hosted) {
            let seen = book.look(move |state| state.debtor_seen(payment)).await?.outcome;
            if let Some(first) = held_for_other(&seen, got) {
                return Err(NoPromise::PaymentIdUsed { first, got });
            }
        }
        Ok(())
    }

    /// Refuses to end a payment that its payer's bank may have accepted under a lease: that bank's
    /// word binds, and the payment settles out of the lease. `of` is the payer's bank where that is
    /// known; else every bank with a lease that is not settled is asked. One that is away may have
    /// accepted it, so nothing is done before it answers.
    ///
    /// The question is also what the bank hears: it accepts nothing by itself for its patience
    /// after it, and by then the ending is recorded.
    pub(super) async fn not_under_a_lease(
        &self,
        payment: PaymentId,
        of: Option<InstitutionName>,
    ) -> Result<(), NoPromise> {
        let look = move |state: &SettlementBook| {
            let ended = state.payment(payment).is_some();
            let leased = state.leases().open().map(|one| one.grant.line.institution);
            let asked = leased.filter(|name| !ended && of.is_none_or(|of| of == *name));
            asked.collect::<BTreeSet<_>>()
        };
        for name in self.books.settlement.look(look).await?.outcome {
            let book = self.books.customers.get(&name).and_then(CustomersPort::remote);
            let Some(book) = book else { continue };
            let detail = match book.has_accepted(payment).await {
                Ok(false) => continue,
                Ok(true) => format!("bank `{name}` accepted it under a lease: it settles"),
                Err(Failed::NotDone(reason)) => reason,
                Err(Failed::Unknown) => format!("bank `{name}` does not answer now"),
            };
            return Err(Failed::NotDone(detail).into());
        }
        Ok(())
    }

    /// The same, of an order or a request on an account: one that is here is not elsewhere.
    pub(super) async fn account_not_under_a_lease(
        &self,
        payment: PaymentId,
        account: AccountId,
    ) -> Result<(), NoPromise> {
        for book in self.books.customers.values().filter_map(CustomersPort::hosted) {
            if book.look(move |state| state.profile(account).is_some()).await?.outcome {
                return Ok(());
            }
        }
        self.not_under_a_lease(payment, None).await
    }

    /// Whether a bank that keeps its own book says that `caller` asks for `account`, as far as it
    /// is for that bank to say.
    ///
    /// A settled payment names its payer's bank, and an open hold is proven by that bank's permit:
    /// then nobody else is believed. Before that the only word is the banks' own. One that is away
    /// keeps nobody from cancelling elsewhere.
    pub(super) async fn vouched_elsewhere(
        &self,
        terms: &str,
        account: AccountId,
        caller: PublicKey,
    ) -> Result<bool, NoPromise> {
        let payment = PaymentTerms::from_terms_string(terms)
            .map_err(|error| NoPromise::Malformed(error.to_string()))?
            .payment;
        let payer = self.payer_of_settled(payment).await?;
        let mut words = Vec::new();
        for (name, port) in &self.books.customers {
            let asked = port.remote().is_some() && payer.is_none_or(|payer| payer == *name);
            if !asked {
                continue;
            }
            let there = !port.is_away();
            let owns = if there { port.is_owner(account, caller).await.ok() } else { None };
            let holds = owns.is_some() && self.proves_a_hold(*name, port, payment).await;
            words.push(Word { owns, holds });
        }
        Ok(judge(&words)?)
    }

    /// The payer's bank of a payment that settled, from its fact.
    async fn payer_of_settled(
        &self,
        payment: PaymentId,
    ) -> Result<Option<InstitutionName>, NoPromise> {
        let look = move |state: &SettlementBook| state.payment(payment).cloned();
        let entry = self.books.settlement.look(look).await?.outcome;
        let Some(entry) = entry.filter(|entry| entry.ending == Ending::Settled) else {
            return Ok(None);
        };
        let fact = self.facts.fact(entry.position).await?;
        Ok(Parties::of_settled(&fact).map(|parties| parties.debtor))
    }

    async fn proves_a_hold(
        &self,
        bank: InstitutionName,
        port: &CustomersPort,
        payment: PaymentId,
    ) -> bool {
        let Ok(orders) = port.open_holds().await else { return false };
        let (here, trust) = ((self.environment, self.book), self.trust());
        orders.iter().any(|order| {
            PaymentTerms::from_terms_string(&order.terms).is_ok_and(|t| t.payment == payment)
                && check_shown(order, bank, here, &trust).is_ok()
        })
    }
}

/// What a bank says of an account; `owns` is `None` when it could not be asked.
struct Word {
    owns: Option<bool>,
    holds: bool,
}

/// What the banks' words come to: *unknown* only when nobody says yes.
fn judge(words: &[Word]) -> Result<bool, Failed> {
    if let Some(word) = words.iter().find(|word| word.holds) {
        return word.owns.ok_or(Failed::Unknown);
    }
    if words.iter().any(|word| word.owns == Some(true)) {
        return Ok(true);
    }
    if words.iter().any(|word| word.owns.is_none()) { Err(Failed::Unknown) } else { Ok(false) }
}

fn held_for_other(seen: &DebtorSeen, got: Digest) -> Option<Digest> {
    seen.terms.filter(|first| seen.side == DebtorSide::Held && *first != got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bank_vouches_where_the_money_is_and_one_that_is_away_keeps_nobody() {
        let word = |owns, holds| Word { owns, holds };
        let (yes, no, away) =
            (word(Some(true), false), word(Some(false), false), word(None, false));
        assert_eq!(judge(&[]), Ok(false));
        assert_eq!(judge(&[no, yes]), Ok(true));
        assert_eq!(judge(&[word(Some(true), false), away]), Ok(true));
        assert_eq!(judge(&[word(Some(false), false), word(None, false)]), Err(Failed::Unknown));
        // The hold is in another bank, which does not know the caller.
        assert_eq!(judge(&[word(Some(true), false), word(Some(false), true)]), Ok(false));
        assert_eq!(judge(&[word(Some(false), false), word(Some(true), true)]), Ok(true));
    }

    #[test]
    fn only_an_open_hold_of_other_terms_is_in_the_way() {
        let [own, other] = [b"own", b"oth"].map(|bytes| seal::sha256(bytes));
        let seen = |side, terms| DebtorSeen { side, terms };
        for (what, expected) in [
            (seen(DebtorSide::Untouched, None), None),
            (seen(DebtorSide::Held, Some(own)), None),
            (seen(DebtorSide::Held, Some(other)), Some(other)),
            (seen(DebtorSide::Released, Some(other)), None),
        ] {
            assert_eq!(held_for_other(&what, own), expected, "{what:?}");
        }
    }
}
