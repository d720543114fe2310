//! Bulks that are done together: after the power went at any call of a disk, all of one is there or
//! none of it, and who was told so was told the truth.

use std::sync::Arc;

use bookkeeping::{ClientNumber, Effect, LedgerFact, Outcome, Request, What, keys};
use journal::testkit::FixedSalts;
use journal::{Append, Journal, Limits};
use ledger::Command;
use record::SaltSlot;
use store::ids::Ids;
use store::{Recall, SegmentJournal};
use terms::{Instant, Position};

use crate::Bug;
use crate::clients::{ACCOUNTS, command};
use crate::life::{Recalls, ids, open_book, segments, sound};
use crate::probe::{Disks, Part, Rough};

const BULKS: u64 = 6;
const CLIENT: ClientNumber = ClientNumber(1);

/// Accounts first, then bulks of 2 to 12 posts out of account 0, which may fall.
fn bulk(n: u64) -> Vec<Command> {
    if n == 0 {
        return (0..ACCOUNTS).map(|account| command(account, 0)).collect();
    }
    // Multiples of six are posts out of account 0.
    (0..2 * n).map(|item| command(600 * n + 6 * item, 0)).collect()
}

fn request(n: u64) -> Request {
    let what = What::Together(bulk(n));
    Request { client: CLIENT, slot: SaltSlot(1), what, effect: Effect::Lasting }
}

/// One life: every bulk in a batch of its own. Which of them were told to be done.
fn live(disks: &Disks) -> Result<Vec<u64>, String> {
    let mut told = Vec::new();
    let disk = disks.part(Part::Journal);
    let Some(mut journal) = sound(SegmentJournal::open(disk.clone(), segments()))? else {
        return Ok(told);
    };
    let Ok((ids, covered)) = Ids::open_inline(disks.part(Part::Ids), &ids()) else {
        return Ok(told);
    };
    let reader = journal.reader(disk);
    let mut recall = Recalls::new(ids, covered, reader);
    let opened = open_book(disks, &mut journal, &mut recall, Limits::WIDEST, Bug::None)?;
    let Some(mut book) = opened else { return Ok(told) };
    let mut sealer = book.take_sealer().ok_or("no sealer")?;
    for n in 0..BULKS {
        let request = request(n);
        let Ok(rows) = recall.rows(&book, &request) else { return Ok(told) };
        let now = Instant::from_nanos(1_000 * (n + 1));
        let decided = book.decide(now, &rows, &request, &FixedSalts).map_err(|e| e.to_string())?;
        recall.decided(decided.position, decided.stamp, book.decided());
        let Outcome::Together(items) = decided.outcome else { return Err("not together".into()) };
        let repeated = items.iter().filter(|i| matches!(i.outcome, Outcome::Repeated { .. }));
        let repeated = repeated.count();
        let done = items.iter().filter(|i| matches!(i.outcome, Outcome::Done { .. })).count();
        if (repeated > 0 && done > 0) || repeated + done != items.len() {
            return Err(format!("bulk {n} was there in part: {items:?}"));
        }
        if done == 0 {
            told.push(n);
            continue;
        }
        let Some(closed) = book.close() else { return Err("nothing to close".into()) };
        if closed.count() != items.len() {
            return Err(format!("bulk {n} is not in one batch"));
        }
        let batch = Arc::new(sealer.seal(closed, &FixedSalts).map_err(|e| e.to_string())?);
        match journal.append(book.durable().next, sealer.epoch(), &batch) {
            Append::Appended => {}
            Append::NotDone(_) | Append::Unknown(_) => return Ok(told),
        }
        book.landed(batch.digest());
        recall.durable(&batch);
        told.push(n);
    }
    Ok(told)
}

/// How many items of each bulk the journal holds.
fn held(disks: &Disks) -> Result<Vec<usize>, String> {
    let disk = disks.part(Part::Journal);
    let journal = SegmentJournal::open(disk, segments()).map_err(|e| e.to_string())?;
    let batches = journal.read_from(Position::ZERO, usize::MAX).map_err(|e| e.to_string())?;
    let mut facts = Vec::new();
    for batch in &batches {
        for stored in batch.entries() {
            facts.push(stored.fact::<LedgerFact>().map_err(|e| e.to_string())?);
        }
    }
    let counts = (1..BULKS).map(|n| {
        let own: Vec<_> = bulk(n).iter().filter_map(|c| keys::of_command(CLIENT, c)).collect();
        let mut count = 0;
        for fact in &facts {
            keys::of_fact(fact, |key| count += usize::from(own.contains(&key)));
        }
        count
    });
    Ok(counts.collect())
}

fn world(seed: u64, crash_at: u64) -> Result<bool, String> {
    let disks = Disks::new(seed ^ crash_at << 32);
    disks.plan(Rough::default(), crash_at);
    let told = live(&disks).or_else(|why| if disks.is_down() { Ok(vec![]) } else { Err(why) })?;
    let crashed = disks.is_down();
    disks.reboot();
    for (n, count) in (1..BULKS).zip(held(&disks)?) {
        let whole = bulk(n).len();
        if count != 0 && count != whole {
            return Err(format!("{count} of {whole} of bulk {n} are there"));
        }
        if told.contains(&n) && count == 0 {
            return Err(format!("bulk {n} was told to be done and is gone"));
        }
    }
    // Asked again, each is there whole or done whole, and nothing twice.
    let again = live(&disks)?;
    if again != (0..BULKS).collect::<Vec<_>>() {
        return Err(format!("asked again, only {again:?} were done"));
    }
    let whole: Vec<usize> = (1..BULKS).map(|n| bulk(n).len()).collect();
    if held(&disks)? != whole {
        return Err(format!("{:?} instead of {whole:?}", held(&disks)?));
    }
    Ok(crashed)
}

#[test]
fn a_bulk_done_together_is_there_whole_or_not_at_all_after_a_crash_at_every_call() {
    let mut crashes = 0;
    for seed in 0..24 {
        for crash_at in 1.. {
            let came_to_it = world(seed, crash_at)
                .unwrap_or_else(|error| panic!("world({seed}, {crash_at}): {error}"));
            if !came_to_it {
                break;
            }
            crashes += 1;
        }
    }
    println!("{crashes} crashes");
    assert!(crashes > 1_000, "only {crashes} crash points");
}
