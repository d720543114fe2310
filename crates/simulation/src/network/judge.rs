//! What must be true of a network that has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use clearing::outside::Phase;
use clearing::saga::{CreditorSide, DebtorSide};
use clearing::testkit::{
    BANK_FEE, OPERATOR_FEE, PAYER_FUNDS, PROVIDER_FUNDS, account, own_account,
};
use clearing::{CustomersBook, SettlementBook};
use journal::{Journal, Machine, Start};
use record::{Commitment, Ending, Fact, Side};
use terms::{AccountId, PaymentId, Position};

use super::cores::hosted_side;
use super::parties::Answer;
use super::pool::{DEALER_FUNDS, FUNDED, INSTANCES, Ready, WITHDRAWN, act_id, instance_of, pool};
use super::{World, number_of};
use crate::oracle::{conserved, ending_of, posted};

type Verdict = Result<(), String>;

/// A book folded again from what its journal has.
struct Folded<M> {
    state: M,
    facts: Vec<(Position, Fact)>,
    leaves: Vec<Commitment>,
}

fn folded<M: Machine<Fact = Fact, Rows = ()> + Clone>(
    ready: &Ready<M>,
    journal: &impl Journal,
) -> Result<Folded<M>, String> {
    let mut start: Start<M> = ready.begun.clone();
    let (mut facts, mut leaves) = (Vec::new(), ready.leaves.clone());
    let read = journal.read_from(start.tip.next, usize::MAX).map_err(|e| e.to_string())?;
    let mut epoch = terms::Epoch::ZERO;
    for batch in read {
        if batch.origin().epoch < epoch {
            return Err(format!("a batch of epoch {} after one of {epoch}", batch.origin().epoch));
        }
        epoch = batch.origin().epoch;
        start.follow(&ready.name, &batch).map_err(|error| error.to_string())?;
        for stored in batch.entries() {
            facts.push((stored.position, stored.fact().map_err(|e| e.to_string())?));
            leaves.push(stored.commitment);
        }
    }
    Ok(Folded { state: start.state, facts, leaves })
}

impl World {
    /// What is not at rest yet, in words; empty when all is.
    pub(crate) fn restless(&mut self) -> String {
        if let Some(pay) = self.pays.iter().position(|pay| !pay.is_done()) {
            return format!("payment {pay} has no answer");
        }
        if let Some(((side, instance), _)) = self.edges.iter().find(|(_, e)| !e.outbox.is_empty()) {
            return format!("edge {instance} of the {side} has parcels");
        }
        if !self.desk.is_done() {
            return format!("the desk has work: {:?}", self.desk);
        }
        if self.bank.writer.as_ref().is_none_or(|w| w.book.has_unwritten()) {
            return "the bank writes".to_owned();
        }
        if let Some(held) = self.bank.writer.as_ref().and_then(|w| w.state().open_holds().next()) {
            return format!("the bank holds for payment {}", number_of(held.0));
        }
        let what = (0..2).find_map(|core| self.restless_core(core));
        what.unwrap_or_else(|| "no core leads".to_owned())
    }

    fn restless_core(&mut self, core: usize) -> Option<String> {
        if !self.holds_lease(core) {
            return None;
        }
        let lead = self.lead(core)?;
        let (Some(settlement), Some(hosted)) = (&lead.settlement, &lead.hosted) else {
            return Some("books are being opened".to_owned());
        };
        if settlement.book.has_unwritten() || hosted.book.has_unwritten() {
            return Some("the core writes".to_owned());
        }
        if let Some((payment, _)) = hosted.state().open_holds().next() {
            return Some(format!("the core holds for payment {}", number_of(payment)));
        }
        if !settlement.state().transit().is_empty() {
            let (payment, _) = settlement.state().transit().iter().next()?;
            return Some(format!("payment {} is in transit", number_of(payment)));
        }
        if !lead.routes.is_empty() {
            return Some("routes are under way".to_owned());
        }
        let open = settlement
            .state()
            .transfers()
            .find(|one| !matches!(one.phase, Phase::Confirmed(_) | Phase::Rejected(_)));
        Some(open.map(|one| format!("{} is {}", one.id, one.phase.as_str())).unwrap_or_default())
    }

    /// The oracle. Everything is read again from the journals: what processes believe is compared
    /// with it.
    pub(crate) fn judge(&mut self) -> Verdict {
        let settlement = folded(&pool().settlement, &self.db.settlement)?;
        let hosted = hosted_side(self.remote);
        let index = |side| usize::from(side == Side::Creditor);
        let here = folded(&pool().customers[index(hosted)], &self.db.hosted)?;
        let there = folded(&pool().customers[index(self.remote)], &self.bank.backing)?;
        let known = self.bank.writer.as_ref().map(|writer| writer.state());
        if known != Some(&there.state) {
            return Err("the bank's state is not its journal's".to_owned());
        }
        self.leader_agrees(&settlement, &here)?;
        for ledger in [settlement.state.ledger(), here.state.ledger(), there.state.ledger()] {
            conserved(ledger)?;
        }
        let (debtor, creditor) = match hosted {
            Side::Debtor => (&here.state, &there.state),
            Side::Creditor => (&there.state, &here.state),
        };
        self.endings_are_the_promised(&settlement)?;
        effects_follow_endings(&settlement.state, debtor, creditor)?;
        self.balances_are_the_models(&settlement.state, debtor, creditor)?;
        self.transfers_are_the_rails(&settlement.state)?;
        self.stops_are_kept(&settlement.state)?;
        self.parcels_are_complete(debtor, creditor)?;
        self.log_is_the_journals(&settlement.leaves)
    }

    fn leader_agrees(
        &mut self,
        settlement: &Folded<SettlementBook>,
        hosted: &Folded<CustomersBook>,
    ) -> Verdict {
        for core in 0..2 {
            if !self.holds_lease(core) {
                continue;
            }
            let Some(lead) = self.lead(core) else { continue };
            let one = lead.settlement.as_ref().is_some_and(|w| *w.state() == settlement.state);
            let other = lead.hosted.as_ref().is_some_and(|w| *w.state() == hosted.state);
            if !(one && other) {
                return Err(format!("the state of core {core} is not its journal's"));
            }
        }
        Ok(())
    }

    /// One ending for each payment, and what wallets were told is that ending.
    fn endings_are_the_promised(&self, settlement: &Folded<SettlementBook>) -> Verdict {
        let mut endings: BTreeMap<PaymentId, (Ending, Position)> = BTreeMap::new();
        for (position, fact) in &settlement.facts {
            let Some((payment, ending)) = ending_of(fact) else { continue };
            if endings.insert(payment, (ending, *position)).is_some() {
                return Err(format!("payment {} has two endings", number_of(payment)));
            }
        }
        for (number, pay) in self.pays.iter().enumerate() {
            let docs = &pool().docs[number];
            let found = endings.get(&docs.payment);
            let terms = settlement.state.payment(docs.payment).map(|entry| entry.terms);
            for (told, order) in pay.told.iter().zip(&docs.orders) {
                let own = terms == Some(order.checked.terms_digest());
                let fits = match told {
                    Some(Answer::Ended(ending, at)) => own && found == Some(&(ending.clone(), *at)),
                    Some(Answer::IdUsed) => !own,
                    None => pay.gives_up,
                };
                if !fits {
                    return Err(format!("payment {number}: told {told:?}, the book has {found:?}"));
                }
            }
        }
        Ok(())
    }

    /// Every balance, from what settled alone; and so do the mirrors agree.
    fn balances_are_the_models(
        &self,
        settlement: &SettlementBook,
        debtor: &CustomersBook,
        creditor: &CustomersBook,
    ) -> Verdict {
        let mut expected = Expected::default();
        for n in 0..clearing::testkit::COMPANIES {
            expected.add(1, account(Side::Debtor, n), PAYER_FUNDS, 1);
            expected.add(2, account(Side::Creditor, n), 0, 1);
        }
        expected.add(0, own_account(6), PROVIDER_FUNDS, 1);
        expected.add(0, own_account(5), DEALER_FUNDS, 1);
        for number in 0..self.pays.len() {
            let docs = &pool().docs[number];
            let Some(entry) = settlement.payment(docs.payment) else { continue };
            if entry.ending != Ending::Settled {
                continue;
            }
            let order = docs.orders.iter().find(|o| o.checked.terms_digest() == entry.terms);
            let order = order.ok_or_else(|| format!("payment {number}: unknown terms"))?;
            let (quote, terms) = (order.checked.quote(), order.checked.terms());
            expected.add(1, terms.debited_account, quote.debit.minor.units(), -1);
            expected.add(1, own_account(2), BANK_FEE, 1);
            expected.add(2, terms.credited_account, quote.credit.minor.units(), 1);
            expected.add(0, own_account(6), quote.credit.minor.units(), -1);
            let earned = quote.principal.minor.units() + quote.margin.minor.units();
            expected.add(0, own_account(5), earned, 1);
            expected.add(0, own_account(7), OPERATOR_FEE, 1);
        }
        let lines = u128::try_from(self.desk.funded.len()).unwrap_or(0);
        expected.add(0, own_account(5), lines * FUNDED, 1);
        let out = u128::try_from(self.rail.executed.len()).unwrap_or(0);
        expected.add(0, own_account(5), out * WITHDRAWN, -1);
        for ((book, account), units) in expected.0 {
            let ledger = match book {
                0 => settlement.ledger(),
                1 => debtor.ledger(),
                _ => creditor.ledger(),
            };
            let got = posted(ledger, account);
            if got != units {
                return Err(format!("book {book}, `{account}`: {got}, the orders say {units}"));
            }
        }
        for (book, settled) in [(debtor, own_account(3)), (creditor, own_account(4))] {
            let (due, owed) =
                (posted(book.ledger(), own_account(1)), posted(settlement.ledger(), settled));
            if due != -owed {
                return Err(format!("mirrored accounts differ: {due} and {owed}"));
            }
        }
        Ok(())
    }

    /// Posted exactly when the rail did it, once.
    fn transfers_are_the_rails(&self, settlement: &SettlementBook) -> Verdict {
        for one in settlement.transfers() {
            let times = self.rail.executed.get(&one.id).copied().unwrap_or(0);
            let fits = match &one.phase {
                Phase::Confirmed(_) => times == 1,
                Phase::Rejected(_) => times == 0,
                _ => false,
            };
            if !fits || one.contradicted.is_some() {
                let phase = one.phase.as_str();
                return Err(format!("`{}` is {phase}, the rail did it {times} times", one.id));
            }
        }
        Ok(())
    }

    /// A kill switch that stands is recorded, and nothing settled behind it while it held.
    fn stops_are_kept(&self, settlement: &SettlementBook) -> Verdict {
        for number in &self.desk.stands {
            let Some(entry) = settlement.acts().act(act_id(*number)) else {
                return Err(format!("kill switch {number} stands and is not in the journal"));
            };
            for docs in &pool().docs {
                let Some(ended) = settlement.payment(docs.payment) else { continue };
                let behind = ended.position > entry.proposed
                    && ended.recorded_at >= entry.act.from
                    && entry.act.until.is_none_or(|until| ended.recorded_at < until);
                if behind && ended.ending == Ending::Settled {
                    let payment = number_of(docs.payment);
                    return Err(format!("payment {payment} settled behind kill switch {number}"));
                }
            }
        }
        Ok(())
    }

    /// Each instance's sequence is dense, and all of it lies in its institution's book.
    fn parcels_are_complete(&self, debtor: &CustomersBook, creditor: &CustomersBook) -> Verdict {
        for ((side, instance), edge) in &self.edges {
            let book = if *side == Side::Debtor { debtor } else { creditor };
            let places: BTreeSet<usize> = edge.decided.iter().map(|n| instance_of(*n).1).collect();
            if places.iter().copied().ne(0..places.len()) {
                return Err(format!("edge {instance} of the {side} has a gap: {places:?}"));
            }
            if edge.decided.iter().any(|n| n % INSTANCES != *instance) {
                return Err(format!("edge {instance} decided for another"));
            }
            for number in &edge.decided {
                if book.parcel(pool().docs[*number].payment, *side, "decision").is_none() {
                    return Err(format!("the {side}'s decision on payment {number} is lost"));
                }
            }
        }
        Ok(())
    }

    /// Every checkpoint that was ever signed is one of a prefix of the journal.
    fn log_is_the_journals(&self, leaves: &[Commitment]) -> Verdict {
        let mut edge = evidence::TileEdge::empty();
        let mut signed = self.roots.iter().peekable();
        for (size, leaf) in (1_u64..).zip(leaves) {
            edge.extend(&[record::leaf_hash(leaf)], |_, _| ());
            if let Some((_, root)) = signed.next_if(|(of, _)| **of == size)
                && edge.root() != *root
            {
                return Err(format!("the checkpoint of size {size} is not the journal's"));
            }
        }
        match signed.next() {
            None => Ok(()),
            Some((size, _)) => Err(format!("a checkpoint of size {size} is beyond the journal")),
        }
    }
}

#[derive(Default)]
struct Expected(BTreeMap<(u8, AccountId), i128>);

impl Expected {
    fn add(&mut self, book: u8, account: AccountId, units: u128, sign: i128) {
        let units = i128::try_from(units).unwrap_or(i128::MAX);
        *self.0.entry((book, account)).or_default() += sign * units;
    }
}

/// Money moved in all books or in none.
fn effects_follow_endings(
    settlement: &SettlementBook,
    debtor: &CustomersBook,
    creditor: &CustomersBook,
) -> Verdict {
    for docs in &pool().docs {
        let entry = settlement.payment(docs.payment);
        let (one, other) = (debtor.debtor_side(docs.payment), creditor.creditor_side(docs.payment));
        let fits = match (entry.map(|entry| &entry.ending), one, other) {
            (Some(Ending::Settled), DebtorSide::Debited, CreditorSide::Credited) => true,
            (
                None | Some(Ending::Refused(_)),
                DebtorSide::Untouched | DebtorSide::Released,
                CreditorSide::Untouched,
            ) => true,
            (None | Some(_), _, _) => false,
        };
        if !fits {
            let number = number_of(docs.payment);
            return Err(format!("payment {number}: {entry:?}, {one:?}, {other:?}"));
        }
    }
    Ok(())
}
