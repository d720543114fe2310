//! After the last accident: what was told is there, once, and all copies of it agree.

use std::collections::BTreeMap;

use bookkeeping::{Event, Key, LedgerBook, LedgerFact, keys};
use journal::book::apply_all;
use journal::testkit::{FixedSalts, book_name};
use journal::{Batch, Image, Journal, Limits, Machine, Tip};
use ledger::{Change, Resolved, Side};
use store::ids::{IdKey, Ids};
use store::{SegmentJournal, fsck};
use terms::{AccountId, Instant, Position};

use crate::Bug;
use crate::clients::{Asked, Memory, command};
use crate::life::{Recalls, ids, open_book, segments};
use crate::probe::{Disks, Part};

/// What a scan of the whole journal says.
#[derive(Default)]
struct Scan {
    keys: BTreeMap<Key, Vec<Position>>,
    facts: Vec<LedgerFact>,
    /// Debits and credits of each account, summed here and not by the ledger.
    sums: BTreeMap<AccountId, (u128, u128)>,
    /// By each transaction's and hold's own key: how often it was done and refused.
    ends: BTreeMap<Key, (u32, u32)>,
}

impl Scan {
    fn add(&mut self, position: Position, fact: LedgerFact) {
        keys::of_fact(&fact, |key| self.keys.entry(key).or_default().push(position));
        match &fact.event {
            Event::Changed(change) => self.change(&fact, change),
            Event::Refused(_) => {
                keys::of_fact(&fact, |key| self.ends.entry(key).or_default().1 += 1)
            }
        }
        self.facts.push(fact);
    }

    fn change(&mut self, fact: &LedgerFact, change: &Change) {
        match change.resolved() {
            Resolved::Posted { transaction, .. } => {
                let key = Key::transaction(fact.client, transaction.id);
                self.ends.entry(key).or_default().0 += 1;
                for entry in &transaction.entries {
                    let sums = self.sums.entry(entry.account).or_default();
                    match entry.side {
                        Side::Debit => sums.0 += entry.amount.units(),
                        Side::Credit => sums.1 += entry.amount.units(),
                    }
                }
            }
            Resolved::HoldPlaced(placement) => {
                self.ends.entry(Key::hold(placement.id)).or_default().0 += 1;
            }
            _ => {}
        }
    }
}

/// All that a state says, however its rows lie.
fn shown(book: &LedgerBook) -> String {
    let ledger = book.ledger();
    let mut accounts: Vec<String> = ledger.accounts().map(|a| format!("{a:?}")).collect();
    let mut holds: Vec<String> = ledger.open_holds().map(|h| format!("{h:?}")).collect();
    accounts.sort();
    holds.sort();
    format!("{accounts:?} {holds:?} {:?} {:?}", ledger.totals(), ledger.counters())
}

pub fn judge(disks: &Disks, memory: &Memory) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let disk = disks.part(Part::Journal);
    let mut journal = SegmentJournal::open(disk.clone(), segments()).map_err(|e| text(&e))?;
    let batches = journal.read_from(Position::ZERO, usize::MAX).map_err(|e| text(&e))?;
    let (state, scan) = refold(&batches)?;
    told_is_there(memory, &scan)?;
    conserves(&state, &scan)?;
    let index = Ids::open_inline(disks.part(Part::Ids), &ids()).map_err(|e| text(&e))?;
    let reader = journal.reader(disk.clone());
    let mut recall = Recalls::new(index.0, index.1, reader);
    let opened = open_book(disks, &mut journal, &mut recall, Limits::WIDEST, Bug::None)?;
    let mut book = opened.ok_or("a sound disk does not open")?;
    if shown(book.working()) != shown(&state) {
        return Err("the state differs from the refold".into());
    }
    // Everybody asks again, the same, and is told the same.
    let mut again = memory.clone();
    for n in 0..64 {
        for asked in [Asked::command(n, 0), Asked::command(n, 100)] {
            let Some(told) = asked.key.and_then(|key| memory.told.get(&key)) else { continue };
            let asks = match told.extra {
                Some(extra) if extra == asked.extra => vec![asked.clone().into_question(), asked],
                _ => vec![asked.into_question()],
            };
            for asked in asks {
                let rows = recall.rows(&book, &asked.request).map_err(|e| text(&e))?;
                let now = Instant::from_nanos(u64::MAX / 2);
                let decided = book.decide(now, &rows, &asked.request, &FixedSalts);
                let decided = decided.map_err(|e| text(&e))?;
                if !book.decided().is_empty() {
                    return Err(format!("{asked:?} was taken again"));
                }
                again.learn(&asked, &decided.outcome, decided.position, &[])?;
            }
        }
    }
    drop(recall);
    index_is_scan(disks, &scan)?;
    let report = fsck(&disk, &book_name(), Some(&FixedSalts)).map_err(|e| text(&e))?;
    report.findings.first().map_or(Ok(()), |finding| Err(finding.to_string()))
}

fn refold(batches: &[Batch]) -> Result<(LedgerBook, Scan), String> {
    let (mut state, mut scan, mut tip) = (LedgerBook::new(2), Scan::default(), Tip::GENESIS);
    for batch in batches {
        batch.follows(&tip, &book_name()).map_err(|error| error.to_string())?;
        apply_all(&mut state, batch).map_err(|error| error.to_string())?;
        for stored in batch.entries() {
            let fact = stored.fact::<LedgerFact>().map_err(|error| error.to_string())?;
            if stored.position.number() != u64::try_from(scan.facts.len()).unwrap() {
                return Err(format!("position {} is not dense", stored.position));
            }
            scan.add(stored.position, fact);
        }
        tip = batch.tip();
    }
    let _ = LedgerBook::warm;
    let image = LedgerBook::load(&state.save()).map_err(|error| error.to_string())?;
    if shown(&image) != shown(&state) {
        return Err("an image differs from its state".into());
    }
    Ok((state, scan))
}

fn told_is_there(memory: &Memory, scan: &Scan) -> Result<(), String> {
    for (key, ends) in &scan.ends {
        if !matches!(ends, (1, 0) | (0, 1)) {
            return Err(format!("{key:?} was done and refused {ends:?} times"));
        }
    }
    for (key, told) in &memory.told {
        let at = usize::try_from(told.position.number()).unwrap();
        let Some(fact) = scan.facts.get(at) else {
            return Err(format!("{key:?} was told {told:?} and is lost"));
        };
        let mut names_it = false;
        keys::of_fact(fact, |named| names_it |= named == *key);
        let is_done = matches!(fact.event, Event::Changed(_));
        if !names_it || is_done != told.is_done {
            return Err(format!("{key:?} was told {told:?} and is {fact:?}"));
        }
        let content = (0..64).map(|n| (n, told.extra)).find_map(|(n, extra)| {
            let asked = Asked::command(n, extra?);
            (asked.key == Some(*key)).then(|| command(n, extra.unwrap_or(0)))
        });
        if let (Some(content), Event::Changed(change)) = (content, &fact.event) {
            let same = match (content, change.resolved()) {
                (ledger::Command::Post(asked), Resolved::Posted { transaction, .. }) => {
                    asked == *transaction
                }
                (ledger::Command::PlaceHold(asked), Resolved::HoldPlaced(placed)) => {
                    asked == *placed
                }
                _ => false,
            };
            if !same {
                return Err(format!("{key:?} was told {told:?} and says {fact:?}"));
            }
        }
    }
    Ok(())
}

/// Money is neither made nor lost, by sums made here.
fn conserves(state: &LedgerBook, scan: &Scan) -> Result<(), String> {
    let (debits, credits) =
        scan.sums.values().fold((0, 0), |(d, c), (debit, credit)| (d + debit, c + credit));
    if debits != credits {
        return Err(format!("debits {debits} are not credits {credits}"));
    }
    for account in state.ledger().accounts() {
        let of = account.balances();
        let sums = scan.sums.get(&of.account).copied().unwrap_or_default();
        if (of.debits_posted.units(), of.credits_posted.units()) != sums {
            return Err(format!("{of:?} but the facts say {sums:?}"));
        }
    }
    state.ledger().audit().map_err(|fault| fault.to_string())
}

/// The index of ids answers as a scan of the journal does.
fn index_is_scan(disks: &Disks, scan: &Scan) -> Result<(), String> {
    let (mut index, covered) =
        Ids::open_inline(disks.part(Part::Ids), &ids()).map_err(|error| error.to_string())?;
    let hasher = index.hasher();
    let hashed = |key: &Key| hasher.hashed(&IdKey::of(key.id, key.tail()));
    for (position, fact) in (0..).map(Position::new).zip(&scan.facts) {
        if position >= covered {
            keys::of_fact(fact, |key| index.insert(&hashed(&key), position));
        }
    }
    for (key, positions) in &scan.keys {
        let found = index.lookup(&hashed(key)).map_err(|error| error.to_string())?;
        if found.as_slice() != positions.as_slice() {
            return Err(format!("{key:?} lies at {positions:?}, the index says {found:?}"));
        }
    }
    Ok(())
}
