//! Whether the settlement book and the institutions' own books agree on what one owes the other.
//!
//! A participant's settlement account and the due-from account in its own book mirror each other:
//! they are equal but for the participant's own money, which the settlement book totals, and for
//! the settled payments that its book has not done its part of, which the settlement book lists
//! ([`MirrorTerms`] states the formula). Steps to that book stand still while both are read, so
//! that nothing is counted on one side only; what is then left over is a break.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::bank::{
    AllDuties, ITEMS_MAX, MirrorRow, MirrorSide, Mirrors, NotAsked, TransitItem, Verdict,
};
use clearing::SettlementBook;
use clearing::settlement::own::{MirrorTerms, OwnTotals};
use clearing::settlement::transit::InTransit;
use ledger::Balances;
use terms::{AmountError, AssetCode, Instant, InstitutionName, Minor, PaymentId, Position};

use super::books::Failed;
use super::customers::CustomersPort;
use super::orders::Clearing;
use crate::system;

/// Pause between two comparisons of all mirrors.
const PAUSE: Duration = Duration::from_secs(30);
/// Comparisons before a difference is a break: a step whose answer was lost may still arrive.
const TRIES: u32 = 3;
/// Pause between two of them.
const TRY_PAUSE: Duration = Duration::from_millis(200);

/// Mirrors that do not agree, since when this process knows.
#[derive(Debug, Default)]
pub struct Breaks(Mutex<BTreeMap<(InstitutionName, AssetCode), Instant>>);

impl Breaks {
    /// How many there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Notes what was found and says since when it is so.
    fn note(&self, of: (InstitutionName, AssetCode), agrees: bool) -> Instant {
        let now = system::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if agrees {
            known.remove(&of);
            return now;
        }
        *known.entry(of).or_insert(now)
    }
}

/// Compares all mirrors again and again, so that a break has an age.
pub async fn watch(clearing: Arc<Clearing>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let mirrors = compare_all(&clearing).await;
        for row in &mirrors.rows {
            if let Verdict::Break { minor, says, .. } = &row.verdict {
                let (participant, asset) = (&row.participant, &row.asset);
                tracing::error!(participant, asset, minor, says, "mirrors break");
            }
        }
    }
}

/// Compares each participant's settlement accounts with its own book.
pub async fn compare_all(clearing: &Clearing) -> Mirrors {
    let (mut rows, mut not_asked) = (Vec::new(), Vec::new());
    for (name, port) in &clearing.books.customers {
        match compare(clearing, *name, port).await {
            Ok(found) => rows.extend(found),
            Err(error) => not_asked
                .push(NotAsked { participant: name.to_string(), reason: error.to_string() }),
        }
    }
    Mirrors { rows, not_asked }
}

/// The returns that the participants owe; a book that is away hides no other's.
pub async fn duties(clearing: &Clearing) -> AllDuties {
    let (mut duties, mut not_asked) = (Vec::new(), Vec::new());
    for (name, port) in &clearing.books.customers {
        match port.duties().await {
            Ok(found) => duties.push(found),
            Err(error) => not_asked
                .push(NotAsked { participant: name.to_string(), reason: error.to_string() }),
        }
    }
    AllDuties { duties, not_asked }
}

async fn compare(
    clearing: &Clearing,
    name: InstitutionName,
    port: &CustomersPort,
) -> Result<Vec<MirrorRow>, Failed> {
    let mut tries = 1;
    loop {
        let read = read(clearing, name, port).await?;
        let sums = read.sums(name)?;
        if tries >= TRIES || sums.iter().all(Sums::agree) {
            return Ok(sums.into_iter().map(|sums| read.row(clearing, name, &sums)).collect());
        }
        tries = tries.saturating_add(1);
        tokio::time::sleep(TRY_PAUSE).await;
    }
}

/// Both books, read while no step is under way between them.
struct Read {
    position: Position,
    accounts: Vec<(Balances, OwnTotals)>,
    transit: BTreeMap<PaymentId, InTransit>,
    side: MirrorSide,
}

async fn read(
    clearing: &Clearing,
    name: InstitutionName,
    port: &CustomersPort,
) -> Result<Read, Failed> {
    let _no_steps = port.steps.write().await;
    let look = move |state: &SettlementBook| {
        let balances = |(asset, account)| {
            Some((state.ledger().balances(account)?, state.own_money().of(name, asset)))
        };
        let accounts = state.settlement_accounts(name).filter_map(balances).collect::<Vec<_>>();
        let own = |one: &InTransit| one.debtor == name || one.creditor == name;
        let open = state.transit().iter().filter(|(_, one)| own(one));
        (accounts, open.map(|(payment, one)| (payment, one.clone())).collect::<BTreeMap<_, _>>())
    };
    let placed = clearing.books.settlement.look(look).await?;
    let (accounts, transit) = placed.outcome;
    let side = port.mirror(transit.keys().copied().collect()).await?;
    Ok(Read { position: placed.position, accounts, transit, side })
}

/// What is compared of one asset.
struct Sums {
    asset: AssetCode,
    terms: MirrorTerms,
    /// What the institution's book says, and what the settlement book says.
    both: [Minor; 2],
}

impl Sums {
    fn agree(&self) -> bool {
        let [own, settled] = self.both;
        own == settled
    }
}

impl Read {
    fn sums(&self, name: InstitutionName) -> Result<Vec<Sums>, Failed> {
        let assets = self.accounts.iter().map(|(of, _)| of.asset);
        let mut assets: Vec<AssetCode> =
            assets.chain(self.side.due_from.iter().map(|due| due.asset)).collect();
        assets.sort_unstable();
        assets.dedup();
        let overflow = |error: AmountError| Failed::NotDone(error.to_string());
        assets.into_iter().map(|asset| self.sums_of(name, asset).map_err(overflow)).collect()
    }

    fn sums_of(&self, name: InstitutionName, asset: AssetCode) -> Result<Sums, AmountError> {
        let mut terms = MirrorTerms::NOTHING;
        if let Some((of, own)) = self.accounts.iter().find(|(of, _)| of.asset == asset) {
            terms.settlement = [of.debits_posted, of.credits_posted];
            terms.own = *own;
        }
        if let Some(due) = self.side.due_from.iter().find(|due| due.asset == asset) {
            terms.due_from = [due.debits.minor, due.credits.minor];
        }
        for (_, one, missing) in self.missing(name, asset) {
            match missing {
                Missing::Debit => terms.to_leave = terms.to_leave.plus(one.left.minor)?,
                Missing::Credit => terms.to_come = terms.to_come.plus(one.came.minor)?,
            }
        }
        Ok(Sums { asset, terms, both: terms.both_sides()? })
    }

    fn missing(
        &self,
        name: InstitutionName,
        asset: AssetCode,
    ) -> impl Iterator<Item = (PaymentId, &InTransit, Missing)> {
        let debits = self.side.not_debited.iter().map(|payment| (payment, Missing::Debit));
        let credits = self.side.not_credited.iter().map(|payment| (payment, Missing::Credit));
        debits.chain(credits).filter_map(move |(payment, missing)| {
            let one = self.transit.get(payment)?;
            if matches!(missing, Missing::Credit) && one.outside {
                return None;
            }
            let (whose, amount) = match missing {
                Missing::Debit => (one.debtor, one.left),
                Missing::Credit => (one.creditor, one.came),
            };
            (whose == name && amount.asset == asset).then_some((*payment, one, missing))
        })
    }

    fn row(&self, clearing: &Clearing, name: InstitutionName, sums: &Sums) -> MirrorRow {
        let items =
            self.missing(name, sums.asset).take(ITEMS_MAX).map(|(payment, one, missing)| {
                let (word, amount) = match missing {
                    Missing::Debit => ("to-debit", one.left),
                    Missing::Credit => ("to-credit", one.came),
                };
                TransitItem {
                    payment: payment.to_string(),
                    missing: word.to_owned(),
                    minor: amount.minor.to_string(),
                    since: one.since.to_string(),
                }
            });
        let since = clearing.breaks.note((name, sums.asset), sums.agree());
        let age = system::now().seconds().saturating_sub(since.seconds());
        let MirrorTerms { due_from, settlement, own, to_leave, to_come } = sums.terms;
        MirrorRow {
            participant: name.to_string(),
            asset: sums.asset.to_string(),
            settlement_position: self.position.number(),
            settlement: signed(settlement[1], settlement[0]),
            own: signed(own.came_in, own.went_out),
            book_position: self.side.head.number(),
            due_from: signed(due_from[0], due_from[1]),
            to_leave: to_leave.to_string(),
            to_come: to_come.to_string(),
            open_holds: self.side.open_holds,
            items: items.collect(),
            verdict: verdict(sums.both, age),
        }
    }
}

#[derive(Clone, Copy)]
enum Missing {
    Debit,
    Credit,
}

fn verdict([own, settled]: [Minor; 2], age_seconds: u64) -> Verdict {
    let (says, minor) = match (own.minus(settled), settled.minus(own)) {
        (Ok(more), _) if !more.is_zero() => ("more", more),
        (_, Ok(less)) if !less.is_zero() => ("less", less),
        _ => return Verdict::Agree,
    };
    Verdict::Break { minor: minor.to_string(), says: says.to_owned(), age_seconds }
}

/// What is more on one side than on the other, with its sign.
fn signed(plus: Minor, minus: Minor) -> String {
    match (plus.minus(minus), minus.minus(plus)) {
        (Ok(positive), _) => positive.to_string(),
        (_, Ok(negative)) => format!("-{negative}"),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_says_which_book_says_more() {
        let of = |own, settled| verdict([Minor::new(own), Minor::new(settled)], 7);
        let broken = |minor: &str, says: &str| Verdict::Break {
            minor: minor.into(),
            says: says.into(),
            age_seconds: 7,
        };
        assert_eq!(of(5, 5), Verdict::Agree);
        assert_eq!(of(7, 5), broken("2", "more"));
        assert_eq!(of(5, 8), broken("3", "less"));
        assert_eq!(signed(Minor::new(3), Minor::new(5)), "-2");
        assert_eq!(signed(Minor::new(5), Minor::new(5)), "0");
    }
}
