//! The read models against a slow model: random books, every question at random moments, with
//! flushes, restarts, crashes and damage in between.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod views_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::Command;
use seal::Digest;
use store::views::{
    AsOf, Config, Cursor, DaySums, FeedError, Filter, Limits, OpenError, Order, QueryError,
    ResumeError, Start, StatementQuery, StoreFault, Views,
};
use terms::{AccountId, BusinessDate, Instant, Position};

use journal::Tip;
use views_support::disk::{Disk, Gated};
use views_support::{Book, Dice, Ledger, book, config, open};

/// Histories of the property test; each has some hundred facts and as many questions. The
/// environment variable `WAYLEAVE_VIEWS_HISTORIES` asks for more.
const HISTORIES: u64 = 25;

#[test]
fn every_answer_is_that_of_the_slow_model() {
    let more = std::env::var("WAYLEAVE_VIEWS_HISTORIES").ok();
    let histories = more.map_or(HISTORIES, |more| more.parse().unwrap());
    let from = std::env::var("WAYLEAVE_VIEWS_SEED").ok();
    let from: u64 = from.map_or(0, |seed| seed.parse().unwrap());
    let mut rests = 0;
    for seed in from..from + histories {
        let mut dice = Dice(seed);
        let disk = Disk::default();
        let mut config = config(&mut dice);
        let (mut feed, mut views) = open(&disk, &config);
        let mut book = book(&mut dice);
        let mut kept = Vec::new();
        let mut last_ended = book.clone();
        // Some histories are asked all the time, some hardly ever.
        let questions = 1 + dice.below(12);
        for _ in 0..300 + dice.below(1500) {
            match dice.below(30) {
                0..=3 => {
                    book.end_batch(&mut dice, &mut feed).unwrap();
                    last_ended = book.clone();
                }
                4 if dice.one_in(6) => {
                    // A restart, with or without a last flush; what was not ended is lost.
                    book = last_ended.clone();
                    kept.clear();
                    if dice.one_in(2)
                        && let Some(tip) = book.tips.last()
                    {
                        let _ = feed.flush(tip);
                    }
                    drop((feed, views));
                    config.seed = dice.next();
                    (feed, views) = open(&disk, &config);
                    book.feed_again(&mut dice, &mut feed);
                }
                n if n < 5 + questions => {
                    feed.show().unwrap();
                    book.ask(&mut dice, &views, &mut kept)
                        .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                }
                _ => book.step(&mut dice, &mut feed).unwrap(),
            }
        }
        feed.show().unwrap();
        for _ in 0..100 {
            book.ask(&mut dice, &views, &mut kept).unwrap();
        }
        rests += book.kept;
    }
    assert!(rests > 100, "only {rests} posts left a rest held");
}

#[test]
fn a_crash_at_any_call_loses_at_most_what_was_not_flushed() {
    let mut crashed = 0;
    for seed in 0..120 {
        let mut dice = Dice(1000 + seed);
        let disk = Disk::default();
        let config = config(&mut dice);
        let (mut feed, views) = open(&disk, &config);
        let mut book = book(&mut dice);
        let mut ended = book.clone();
        disk.fail_after(dice.below(400));
        for _ in 0..800 {
            let done = if dice.one_in(6) {
                let done = book.end_batch(&mut dice, &mut feed);
                ended = book.clone();
                done
            } else {
                book.step(&mut dice, &mut feed)
            };
            if let Err(error) = done {
                assert!(matches!(error, FeedError::Store(_)), "seed {seed}: {error}");
                crashed += 1;
                break;
            }
        }
        let after = disk.after_crash(&mut dice);
        drop((feed, views));
        let mut book = ended;
        let (mut feed, views) = open(&after, &config);
        book.feed_again(&mut dice, &mut feed);
        for _ in 0..60 {
            book.ask(&mut dice, &views, &mut Vec::new()).unwrap();
        }
        // And on from there.
        for _ in 0..200 {
            book.step(&mut dice, &mut feed).unwrap();
            if dice.one_in(5) {
                book.end_batch(&mut dice, &mut feed).unwrap();
            }
        }
        feed.show().unwrap();
        for _ in 0..60 {
            book.ask(&mut dice, &views, &mut Vec::new()).unwrap();
        }
    }
    assert!(crashed > 60, "only {crashed} histories met their crash");
}

#[test]
fn who_asks_while_it_flushes_is_answered_from_one_moment() {
    let mut dice = Dice(21);
    let disk = Disk::default();
    let config = config(&mut dice);
    let (mut feed, views) = open(&disk, &config);
    let mut book = book(&mut dice);
    let done = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut dice, mut asked, mut seen) = (Dice(22), 0, 0);
            while !done.load(Ordering::Acquire) {
                let date = BusinessDate::from_days(19_995 + dice.below(15) as u32);
                let trial = views.trial_balance(date).unwrap();
                assert!(seen <= trial.next.number());
                seen = trial.next.number();
                for line in &trial.answer {
                    let DaySums { opening, day, closing } = line.sums;
                    for sums in [opening, day, closing] {
                        assert_eq!(sums.debits, sums.credits);
                    }
                }
                let page = views.trial_balance_of_accounts(date, Start::AtEnd, 1000).unwrap();
                for line in page.answer.lines {
                    asked += consistent(&views, line.account);
                }
            }
            asked
        });
        // Each question looks through all that was flushed, and the feed waits for it: as many
        // steps again would take ten times as long.
        for _ in 0..600 {
            book.step(&mut dice, &mut feed).unwrap();
            if dice.one_in(8) {
                book.end_batch(&mut dice, &mut feed).unwrap();
            }
        }
        done.store(true, Ordering::Release);
        asking.join().unwrap()
    });
    assert!(asked > 0);
}

/// Questions that wait for the disk are answered of their own moment, and nobody waits for them.
#[test]
fn the_feed_goes_on_while_slow_questions_wait_for_the_disk() {
    let (mut book, disk, config) = written(31);
    // Nothing is flushed: the feed itself writes nothing while others wait.
    let config = Config { limits: Limits::STANDARD, cache_bytes: 16 << 10, ..config };
    let (account, link) = (book.accounts[0].id, book.links[0].0);
    let now = AsOf::EffectiveTime(Instant::from_nanos(book.stamp));
    let ask = |views: &Views, number: usize| {
        let page = |order| {
            let (filter, start) = (Filter::ALL, Start::AtEnd);
            views.statement(&StatementQuery { account, filter, order, start, limit: 40 })
        };
        match number {
            0 => format!("{:?}", page(Order::OldestFirst).unwrap()),
            1 => format!("{:?}", page(Order::NewestFirst).unwrap()),
            2 => format!("{:?}", views.balance(account, now).unwrap()),
            3 => format!("{:?}", views.linked(&link).unwrap()),
            _ => format!("{:?}", views.trial_balance(BusinessDate::from_days(20_000)).unwrap()),
        }
    };
    let (_, like) = open(&Disk::of(disk.bytes()), &config);
    let before: Vec<String> = (0..5).map(|number| ask(&like, number)).collect();
    // What is asked here was never read, so that it is in no cache.
    let gated = Gated { disk, gate: Arc::default() };
    let (mut feed, views) = Views::open_backend(gated.clone(), &config).unwrap();
    let (mut dice, next) = (Dice(32), book.next);
    gated.gate.close();
    let (ask, views) = (&ask, &*views);
    std::thread::scope(|scope| {
        let _opens = gated.gate.opens_at_end();
        let asks = |number| scope.spawn(move || ask(views, number));
        let asking: Vec<_> = (0..5).map(asks).collect();
        gated.gate.until_waiting(5);
        for _ in 0..200 {
            book.step(&mut dice, &mut feed).unwrap();
        }
        book.end_batch(&mut dice, &mut feed).unwrap();
        assert_eq!(views.status().unwrap().next, Position::new(book.next));
        assert!(book.next > next);
        gated.gate.open();
        let answers: Vec<String> = asking.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(answers, before, "each of the moment at which it was asked");
    });
}

/// Each entry of a statement leads from the counters before it to those after it.
fn consistent(views: &Views, account: AccountId) -> u32 {
    let (filter, order, start) = (Filter::ALL, Order::NewestFirst, Start::AtEnd);
    let query = StatementQuery { account, filter, order, start, limit: 50 };
    let lines = views.statement(&query).unwrap().answer.lines;
    for pair in lines.windows(2) {
        let (new, old) = (&pair[0], &pair[1]);
        let grown = match new.side {
            ledger::Side::Debit => new.debits_posted.minus(old.debits_posted).unwrap(),
            ledger::Side::Credit => new.credits_posted.minus(old.credits_posted).unwrap(),
        };
        assert_eq!(grown, new.amount);
        assert!(new.position >= old.position && new.stamp >= old.stamp);
    }
    1
}

/// A book with everything in it, and the file after its last flush.
fn written(seed: u64) -> (Book, Disk, Config) {
    let mut dice = Dice(seed);
    let disk = Disk::default();
    let config = config(&mut dice);
    let (mut feed, views) = open(&disk, &config);
    let mut book = book(&mut dice);
    for _ in 0..600 {
        book.step(&mut dice, &mut feed).unwrap();
        if dice.one_in(8) {
            book.end_batch(&mut dice, &mut feed).unwrap();
        }
    }
    book.end_batch(&mut dice, &mut feed).unwrap();
    let tip = *book.tips.last().unwrap();
    feed.flush(&tip).unwrap();
    drop((feed, views));
    (book, disk, config)
}

#[test]
fn damage_is_named_and_never_answered() {
    let (book, disk, config) = written(77);
    let sound = disk.bytes();
    let mut dice = Dice(78);
    let mut named = 0;
    for _ in 0..150 {
        let mut bytes = sound.clone();
        let at = dice.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << dice.below(8);
        let named_here = match Views::open_backend(Disk::of(bytes), &config) {
            Err(OpenError::Store(_) | OpenError::Version { .. }) => true,
            Ok((_feed, views)) => {
                let mut here = false;
                for _ in 0..30 {
                    // Panics when an answer differs from the model's.
                    match book.ask(&mut dice, &views, &mut Vec::new()) {
                        Ok(()) => {}
                        Err(QueryError::Store(fault)) => {
                            assert!(fault.needs_rebuild(), "{fault}");
                            here = true;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                here
            }
        };
        named += u32::from(named_here);
    }
    assert!(named > 10, "only {named} of the flipped bits were met");
}

#[test]
fn a_journal_that_was_rolled_back_is_noticed() {
    let (book, disk, config) = written(5);
    let (feed, _views) = open(&disk, &config);
    let stored = feed.stored().unwrap();
    assert_eq!(stored, *book.tips.last().unwrap());
    assert_eq!(feed.resume(&stored), Ok(stored.next));
    let refused = Err(ResumeError::AnotherJournal { stored: stored.next });
    let rewritten = Tip { digest: Digest::from_bytes([9; 32]), ..stored };
    assert_eq!(feed.resume(&rewritten), refused);
    let shorter = book.tips[book.tips.len() - 2];
    assert_eq!(feed.resume(&shorter), refused);
}

#[test]
fn a_file_that_is_none_is_refused_and_rebuilt() {
    let folder = std::env::temp_dir().join(format!("wayleave-views-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("views");
    std::fs::write(&path, b"something else altogether").unwrap();
    let config = Config::standard(1);
    let refused = Views::open(&path, &config).err().unwrap();
    assert!(matches!(refused, OpenError::Store(StoreFault::Corrupted(_))), "{refused}");
    let (mut feed, views) = Views::rebuild(&path, &config).unwrap();
    let mut dice = Dice(3);
    let mut book = book(&mut dice);
    for _ in 0..300 {
        book.step(&mut dice, &mut feed).unwrap();
    }
    book.end_batch(&mut dice, &mut feed).unwrap();
    feed.flush(book.tips.last().unwrap()).unwrap();
    drop((feed, views));
    Views::check_file(&path).unwrap();
    let (_feed, views) = Views::open(&path, &config).unwrap();
    for _ in 0..50 {
        book.ask(&mut dice, &views, &mut Vec::new()).unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn facts_out_of_order_and_of_another_journal_stop_the_feed() {
    let (mut book, disk, config) = written(8);
    let (mut feed, views) = open(&disk, &config);
    let opening = book.accounts[0];
    let stamp = Instant::from_nanos(book.stamp + 1);
    let elsewhere = Ledger::new();
    let again = elsewhere.check(stamp, &Command::OpenAccount(opening)).unwrap();
    let change = &again.changes()[0];
    // Seen before: passed over, whatever it says.
    feed.take(Position::ZERO, stamp, change).unwrap();
    let refused = feed.take(Position::new(book.next), stamp, change);
    assert_eq!(refused, Err(FeedError::AccountOpenedTwice { account: opening.id }));
    // Nothing is answered from a state that may be wrong.
    assert_eq!(views.position_at(stamp), Err(QueryError::Stopped));
    assert!(matches!(book.end_batch(&mut Dice(1), &mut feed), Err(FeedError::Stopped(_))));
}

#[test]
fn a_stamp_that_goes_back_or_changes_within_a_batch_is_refused() {
    for (first, second) in [(10, 11), (10, 9)] {
        let (mut feed, _views) = open(&Disk::default(), &Config::standard(1));
        let (mut dice, mut ledger) = (Dice(1), Ledger::new());
        let mut open_one = |stamp| {
            let opening = ledger::Opening {
                id: AccountId::from_bytes(dice.id()),
                asset: "EUR.2@x".parse().unwrap(),
                normal: ledger::Side::Debit,
                owner: ledger::Owner::Institution("bank".parse().unwrap()),
                purpose: ledger::Purpose::Control,
                floor: ledger::Floor::Unlimited,
                ceiling: ledger::Ceiling::Unlimited,
                marks: None,
            };
            let stamp = Instant::from_nanos(stamp);
            let checked = ledger.check(stamp, &Command::OpenAccount(opening)).unwrap();
            ledger.apply(stamp, &checked.changes()[0]);
            checked.changes()[0].clone()
        };
        let stamp = Instant::from_nanos;
        feed.take(Position::new(0), stamp(first), &open_one(first)).unwrap();
        let refused = feed.take(Position::new(1), stamp(second), &open_one(second));
        assert!(matches!(refused, Err(FeedError::Order { .. })));
    }
}

#[test]
fn a_cursor_of_another_list_and_a_mistyped_one_are_refused() {
    let (book, disk, config) = written(11);
    let (_feed, views) = open(&disk, &config);
    let ask = |account, start, limit| {
        let (filter, order) = (Filter::ALL, Order::OldestFirst);
        views.statement(&StatementQuery { account, filter, order, start, limit })
    };
    let (a, b) = (book.accounts[0].id, book.accounts[1].id);
    let page = ask(a, Start::AtEnd, 1).unwrap().answer;
    let text = page.next.to_string();
    assert_eq!(text.parse::<Cursor>(), Ok(page.next));
    assert_eq!(ask(b, Start::At(page.next), 1), Err(QueryError::Cursor));
    assert_eq!(views.open_holds(a, Start::At(page.next), 1), Err(QueryError::Cursor));
    for at in 0..text.len() {
        let mut digits = text.clone().into_bytes();
        digits[at] = if digits[at] == b'0' { b'1' } else { b'0' };
        let mistyped = String::from_utf8(digits).unwrap();
        assert!(mistyped.parse::<Cursor>().is_err());
    }
    assert!("".parse::<Cursor>().is_err());
    assert!(matches!(ask(a, Start::AtEnd, 0), Err(QueryError::Page { .. })));
    assert!(matches!(ask(a, Start::AtEnd, 1001), Err(QueryError::Page { .. })));
}
