//! What must be true of every world when it has come to rest.

use std::collections::BTreeMap;

use clearing::saga::{CreditorSide, DebtorSide};
use clearing::testkit::{
    BANK_FEE, COMPANIES, OPERATOR_FEE, PAYER_FUNDS, PROVIDER_FUNDS, account, own_account,
};
use journal::{Image, Machine};
use ledger::FullLedger;
use record::after::PAYMENT_RETURNED;
use record::settlement::PAYMENT_REFUSED;
use record::{
    Cancelled, CustomerStep, Documents, Ending, FactBody, KeptDocuments, PaymentRefused,
    PaymentReturned, Settled, Side,
};
use terms::{AccountId, PaymentId, Position};

use crate::books::Running;
use crate::world::World;

type Endings = BTreeMap<PaymentId, Vec<(Ending, Position)>>;

pub(crate) fn judge(world: &World) -> Result<(), String> {
    let facts = replays(&world.settlement, "settlement")?;
    let kept = replays(&world.debtor, "debtor")?;
    replays(&world.creditor, "creditor")?;
    let ledgers = [
        world.settlement.state().ledger(),
        world.debtor.state().ledger(),
        world.creditor.state().ledger(),
    ];
    for ledger in ledgers {
        conserved(ledger)?;
    }
    documents_are_kept(world, &facts, &kept)?;
    let mut endings = Endings::new();
    for (position, fact) in facts {
        if let Some((payment, ending)) = ending_of(&fact) {
            endings.entry(payment).or_default().push((ending, position));
        }
    }
    each_has_one_ending(world, &endings)?;
    effects_follow_endings(world)?;
    mirrors_agree(world)?;
    balances_are_the_models(world)
}

/// What a settlement fact commits to stands in the payer's book, where that book says.
fn documents_are_kept(
    world: &World,
    facts: &[(Position, record::Fact)],
    kept: &[(Position, record::Fact)],
) -> Result<(), String> {
    let documents = |at: Position| {
        let fact = kept.iter().find(|(position, _)| *position == at).map(|(_, fact)| fact)?;
        match CustomerStep::from_fact(fact).ok()? {
            CustomerStep::Held { order, blind: Some(blind), .. }
            | CustomerStep::Documented { order, blind, .. } => {
                Some(KeptDocuments::of(&order, blind))
            }
            CustomerStep::Held { blind: None, .. }
            | CustomerStep::Debited { .. }
            | CustomerStep::Released { .. }
            | CustomerStep::Credited { .. } => None,
        }
    };
    for (_, fact) in facts.iter().filter(|(_, fact)| Settled::is_kind(fact.kind)) {
        let settled = Settled::of_fact(fact).map_err(|error| error.to_string())?;
        let payment = settled.payment();
        let Documents::Withheld(withheld) = settled.documents else {
            return Err(format!("the settlement fact of `{payment}` names somebody"));
        };
        let mut sets = world.debtor.state().documents(payment).filter_map(documents);
        if !sets.any(|kept| withheld.check(&kept).is_ok()) {
            return Err(format!("nobody keeps the documents of `{payment}`"));
        }
    }
    Ok(())
}

/// The state is the fold of the journal read again, and so is what its image loads to.
fn replays<M>(book: &Running<M>, name: &str) -> Result<Vec<(Position, record::Fact)>, String>
where
    M: Machine<Fact = record::Fact, Rows = ()> + Image + Clone + PartialEq,
{
    let (state, facts) = book.refold();
    if state != *book.state() {
        return Err(format!("{name}: replay differs from the state"));
    }
    if M::load(&state.save()).ok().as_ref() != Some(&state) {
        return Err(format!("{name}: the image differs from the state"));
    }
    Ok(facts.into_iter().map(|(position, _, fact)| (position, fact)).collect())
}

pub(crate) fn conserved(ledger: &FullLedger) -> Result<(), String> {
    ledger.audit().map_err(|fault| fault.to_string())?;
    for (asset, total) in ledger.totals() {
        if total.debits_posted != total.credits_posted {
            return Err(format!("`{asset}` is not conserved"));
        }
        if !(total.debits_pending.is_zero() && total.credits_pending.is_zero()) {
            return Err(format!("a hold in `{asset}` is left open"));
        }
    }
    Ok(())
}

pub(crate) fn ending_of(fact: &record::Fact) -> Option<(PaymentId, Ending)> {
    let ended = match fact.kind {
        kind if Settled::is_kind(kind) => Settled::of_fact(fact).ok()?.ended,
        kind if Cancelled::is_kind(kind) => Cancelled::of_fact(fact).ok()?.ended,
        PAYMENT_RETURNED => PaymentReturned::from_fact(fact).ok()?.ended,
        PAYMENT_REFUSED => PaymentRefused::from_fact(fact).ok()?.ended,
        _ => return None,
    };
    Some((ended.payment, ended.ending))
}

fn each_has_one_ending(world: &World, endings: &Endings) -> Result<(), String> {
    for (payment, found) in endings {
        if found.len() != 1 {
            return Err(format!("`{payment}` has {} endings", found.len()));
        }
    }
    for client in &world.clients {
        let payment = client.parts.terms.payment;
        let found = endings.get(&payment).and_then(|found| found.first());
        if let Some(promise) = &client.promised
            && found != Some(promise)
        {
            return Err(format!("`{payment}` was promised {promise:?}, the journal has {found:?}"));
        }
    }
    Ok(())
}

/// Nothing outside is done whose hold was voided, and nothing held is left behind.
fn effects_follow_endings(world: &World) -> Result<(), String> {
    for client in &world.clients {
        let payment = client.parts.terms.payment;
        let debtor = world.debtor.state().debtor_side(payment);
        let creditor = world.creditor.state().creditor_side(payment);
        let entry = world.settlement.state().payment(payment);
        let fits = match (entry.map(|entry| &entry.ending), debtor, creditor) {
            (Some(Ending::Settled), DebtorSide::Debited, CreditorSide::Credited) => true,
            (
                None | Some(Ending::Refused(_)),
                DebtorSide::Untouched | DebtorSide::Released,
                CreditorSide::Untouched,
            ) => true,
            (None | Some(_), _, _) => false,
        };
        if !fits {
            return Err(format!("`{payment}`: {entry:?}, {debtor:?}, {creditor:?}"));
        }
    }
    Ok(())
}

/// What a bank's book says that it is owed is what the settlement book says that it owes.
fn mirrors_agree(world: &World) -> Result<(), String> {
    let pairs = [
        (world.debtor.state().ledger(), own_account(3)),
        (world.creditor.state().ledger(), own_account(4)),
    ];
    for (customers, settlement) in pairs {
        let due_from = posted(customers, own_account(1));
        let owed = posted(world.settlement.state().ledger(), settlement);
        if due_from != -owed {
            return Err(format!("mirrored accounts differ: {due_from} and {owed}"));
        }
    }
    Ok(())
}

/// Every balance, from the orders that settled alone.
fn balances_are_the_models(world: &World) -> Result<(), String> {
    let mut expected: BTreeMap<(u8, AccountId), i128> = BTreeMap::new();
    let mut add = |book: u8, account: AccountId, units: u128, sign: i128| {
        let units = i128::try_from(units).unwrap_or(i128::MAX);
        *expected.entry((book, account)).or_default() += sign * units;
    };
    for n in 0..COMPANIES {
        add(1, account(Side::Debtor, n), PAYER_FUNDS, 1);
        add(2, account(Side::Creditor, n), 0, 1);
    }
    add(0, own_account(6), PROVIDER_FUNDS, 1);
    for client in &world.clients {
        let (payment, quote) = (client.parts.terms.payment, &client.parts.quote);
        let settled = world.settlement.state().payment(payment);
        if settled.is_none_or(|entry| entry.ending != Ending::Settled) {
            continue;
        }
        add(1, client.parts.terms.debited_account, quote.debit.minor.units(), -1);
        add(1, own_account(2), BANK_FEE, 1);
        add(2, client.parts.terms.credited_account, quote.credit.minor.units(), 1);
        add(0, own_account(6), quote.credit.minor.units(), -1);
        add(0, own_account(7), OPERATOR_FEE, 1);
    }
    for ((book, account), units) in expected {
        let ledger = match book {
            0 => world.settlement.state().ledger(),
            1 => world.debtor.state().ledger(),
            _ => world.creditor.state().ledger(),
        };
        let got = posted(ledger, account);
        if got != units {
            return Err(format!("account `{account}` has {got}, the orders say {units}"));
        }
    }
    Ok(())
}

/// Credits less debits.
pub(crate) fn posted(ledger: &FullLedger, account: AccountId) -> i128 {
    let signed = |units: u128| i128::try_from(units).unwrap_or(i128::MAX);
    ledger
        .balances(account)
        .map_or(0, |b| signed(b.credits_posted.units()) - signed(b.debits_posted.units()))
}
