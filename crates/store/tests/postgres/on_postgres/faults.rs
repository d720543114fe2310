//! Connections killed before and after the commit, waits that are cancelled, servers that crash.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journal::testkit::{batch_after, book_name};
use journal::{Append, Batch, Journal, NotDone, ReadError, Tip};
use store::PostgresJournal;
use store::postgres::{OpenPostgresError, Resolution};
use terms::{Epoch, Position, RunId};

use crate::server::{Admin, Database, HURRIED, OURS, restart, restart_command};

const RUN: RunId = RunId::from_bytes([1; 16]);

fn kill(admin: &Admin, function: &str) {
    admin.run(&format!("select {function}(pid) from pg_stat_activity where {OURS}"));
}

fn append_next(journal: &mut PostgresJournal, epoch: Epoch) -> (Append, Batch) {
    let tip = journal.head().unwrap();
    let batch = batch_after(&tip, epoch, 2);
    (journal.append(tip.next, epoch, &batch), batch)
}

/// Nothing goes on after *unknown* before an epoch is claimed.
fn is_stopped(journal: &mut PostgresJournal, epoch: Epoch, batch: &Batch) {
    let again = journal.append(batch.origin().first, epoch, batch);
    assert!(matches!(again, Append::NotDone(NotDone::Stopped(_))), "{again:?}");
    assert!(matches!(journal.head(), Err(ReadError::Failed(_))));
    assert!(matches!(journal.read_from(Position::ZERO, 1), Err(ReadError::Failed(_))));
}

fn goes_on(journal: &mut PostgresJournal, epoch: Epoch) {
    let (end, batch) = append_next(journal, epoch);
    assert_eq!(end, Append::Appended);
    assert_eq!(journal.head(), Ok(batch.tip()));
}

#[test]
fn a_connection_killed_before_the_commit_is_unknown_and_then_lost() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open(), database.admin());
    let epoch = journal.claim_epoch(RUN).unwrap();
    goes_on(&mut journal, epoch);
    let tip = journal.head().unwrap();
    // Another transaction holds the epoch row: the insert waits for it.
    let holder = database.admin();
    holder.run("begin; select * from wayleave_journal.epoch for update");
    let (end, batch) = std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            let batch = batch_after(&tip, epoch, 2);
            (journal.append(tip.next, epoch, &batch), batch)
        });
        admin.wait_until(&format!(
            "select exists(select from pg_stat_activity where {OURS} and wait_event_type = 'Lock')"
        ));
        kill(&admin, "pg_terminate_backend");
        appending.join().unwrap()
    });
    assert!(matches!(end, Append::Unknown(_)), "{end:?}");
    is_stopped(&mut journal, epoch, &batch);
    holder.run("rollback");
    let newer = journal.claim_epoch(RUN).unwrap();
    assert!(newer > epoch);
    assert_eq!(journal.resolution(), Some(Resolution::Lost(tip.next)));
    assert_eq!(journal.head(), Ok(tip));
    goes_on(&mut journal, newer);
}

/// Commits wait for a standby that does not exist: committed here, acknowledged never.
fn hang_commits(admin: &Admin) {
    admin.set_server("synchronous_standby_names", "'nobody'");
}

fn free_commits(admin: &Admin) {
    admin.reset_server("synchronous_standby_names");
    admin.wait_until("select current_setting('synchronous_standby_names') = ''");
}

/// Appends until one hangs after its local commit, does `then` to its backend, and tells how it
/// ended.
fn append_that_hangs(
    journal: &mut PostgresJournal,
    admin: &Admin,
    epoch: Epoch,
    then: &str,
) -> (Append, Batch) {
    hang_commits(admin);
    let hangs = format!(
        "select exists(select from pg_stat_activity where {OURS} and wait_event = 'SyncRep')"
    );
    let ended = std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            // The server learns of its new setting within milliseconds, and not at once.
            loop {
                let (end, batch) = append_next(journal, epoch);
                if end != Append::Appended {
                    return (end, batch);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        admin.wait_until(&hangs);
        kill(admin, then);
        appending.join().unwrap()
    });
    free_commits(admin);
    ended
}

#[test]
fn a_connection_killed_after_the_commit_is_unknown_and_then_landed() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open(), database.admin());
    let epoch = journal.claim_epoch(RUN).unwrap();
    let ended = append_that_hangs(&mut journal, &admin, epoch, "pg_terminate_backend");
    let (end, batch) = ended;
    assert!(matches!(end, Append::Unknown(_)), "{end:?}");
    is_stopped(&mut journal, epoch, &batch);
    let newer = journal.claim_epoch(RUN).unwrap();
    assert_eq!(journal.resolution(), Some(Resolution::Landed(batch.origin().first)));
    assert_eq!(journal.head(), Ok(batch.tip()));
    goes_on(&mut journal, newer);
}

#[test]
fn a_cancelled_wait_for_a_standby_is_not_an_acknowledgement() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open(), database.admin());
    let epoch = journal.claim_epoch(RUN).unwrap();
    // The server then answers with a warning and a success.
    let (end, batch) = append_that_hangs(&mut journal, &admin, epoch, "pg_cancel_backend");
    let why = "the server warned while it committed";
    assert_eq!(end, Append::Unknown(why.into()));
    is_stopped(&mut journal, epoch, &batch);
    let newer = journal.claim_epoch(RUN).unwrap();
    assert_eq!(journal.resolution(), Some(Resolution::Landed(batch.origin().first)));
    goes_on(&mut journal, newer);
}

/// What opens a session commits, so that what it read is as durable as what is promised: a wait
/// for the standby that was cancelled leaves that open.
#[test]
fn a_session_is_not_opened_on_a_commit_whose_wait_was_cancelled() {
    let Some(database) = Database::fresh() else { return };
    drop(database.open());
    let admin = database.admin();
    hang_commits(&admin);
    admin.wait_until("select current_setting('synchronous_standby_names') = 'nobody'");
    let config = database.config();
    let opened = std::thread::scope(|scope| {
        let opening = scope.spawn(|| PostgresJournal::open(config).map(drop));
        admin.wait_until(&format!(
            "select exists(select from pg_stat_activity where {OURS} and wait_event = 'SyncRep')"
        ));
        kill(&admin, "pg_cancel_backend");
        opening.join().unwrap()
    });
    free_commits(&admin);
    let why = "the server warned while it committed";
    assert!(matches!(&opened, Err(OpenPostgresError::Failed(said)) if said == why), "{opened:?}");
    drop(database.open());
}

#[test]
fn a_class_other_than_the_promised_one_stops_the_writer() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open_hurried(), database.admin());
    let _ = journal.claim_epoch(RUN).unwrap();
    hang_commits(&admin);
    admin.wait_until("select current_setting('synchronous_standby_names') = 'nobody'");
    let refused = journal.claim_epoch(RUN);
    free_commits(&admin);
    assert!(refused.is_err(), "{refused:?}");
    assert!(journal.claim_epoch(RUN).is_ok());
}

#[test]
fn a_commit_that_is_never_acknowledged_is_unknown_and_stays_in_the_way_of_a_claim() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open_hurried(), database.admin());
    let epoch = journal.claim_epoch(RUN).unwrap();
    hang_commits(&admin);
    let (end, batch) = loop {
        let (end, batch) = append_next(&mut journal, epoch);
        if end != Append::Appended {
            break (end, batch);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(matches!(&end, Append::Unknown(why) if why.contains("no answer")), "{end:?}");
    // The statement's own time limit must not have cancelled the commit's wait.
    let waits = format!(
        "select exists(select from pg_stat_activity where {OURS} and wait_event = 'SyncRep')"
    );
    assert!(admin.truth(&waits));
    let early = journal.claim_epoch(RUN);
    assert!(early.is_err(), "{early:?}");
    free_commits(&admin);
    admin.wait_until(&format!("select not ({})", waits.trim_start_matches("select ")));
    let newer = journal.claim_epoch(RUN).unwrap();
    assert_eq!(journal.resolution(), Some(Resolution::Landed(batch.origin().first)));
    goes_on(&mut journal, newer);
}

#[test]
fn opening_waits_for_an_append_in_flight() {
    let Some(database) = Database::fresh() else { return };
    drop(database.open());
    let holder = database.admin();
    // What an append holds from its insert to the end of its commit.
    holder.run("begin; select * from wayleave_journal.epoch for share");
    let config = database.config().with_deadlines(HURRIED);
    let error = PostgresJournal::open(config).unwrap_err();
    assert!(matches!(&error, OpenPostgresError::Failed(why) if why.contains("55P03")), "{error:?}");
    holder.run("rollback");
    drop(database.open_hurried());
}

#[test]
fn a_refusal_by_the_server_is_surely_not_done() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open_hurried(), database.admin());
    let epoch = journal.claim_epoch(RUN).unwrap();
    goes_on(&mut journal, epoch);
    let tip = journal.head().unwrap();
    let batch = batch_after(&tip, epoch, 1);
    let mut refused_with = |code: &str| {
        let end = journal.append(tip.next, epoch, &batch);
        let Append::NotDone(NotDone::Failed(why)) = end else { panic!("{end:?}") };
        assert!(why.contains(code), "{why}");
        assert_eq!(journal.head(), Ok(tip));
    };
    // Waiting for a lock, then waiting for anything else too long.
    admin.run("begin; select * from wayleave_journal.epoch for update");
    refused_with("55P03");
    admin.run("rollback");
    admin.run(
        "create function slow() returns trigger language plpgsql as
         $$ begin perform pg_sleep(60); return new; end $$;
         create trigger slow before insert on wayleave_journal.batch
         for each row execute function slow()",
    );
    refused_with("57014");
    admin.run("drop trigger slow on wayleave_journal.batch");
    // Refused only when the transaction ends, after the row was taken.
    admin.run(
        "create function late() returns trigger language plpgsql as
         $$ begin raise exception 'late' using errcode = 'serialization_failure'; end $$;
         create constraint trigger late after insert on wayleave_journal.batch
         deferrable initially deferred for each row execute function late()",
    );
    refused_with("40001");
    admin.run("drop trigger late on wayleave_journal.batch");
    // The same connection goes on, in the same epoch.
    assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
}

#[test]
fn an_idle_connection_that_was_killed_appends_nothing() {
    let Some(database) = Database::fresh() else { return };
    let (mut journal, admin) = (database.open(), database.admin());
    let epoch = journal.claim_epoch(RUN).unwrap();
    let tip = journal.head().unwrap();
    kill(&admin, "pg_terminate_backend");
    admin.wait_until(&format!("select not exists(select from pg_stat_activity where {OURS})"));
    let end = journal.append(tip.next, epoch, &batch_after(&tip, epoch, 1));
    // Whether our side has seen the end of the connection is a race; that nothing happened is not.
    assert!(matches!(end, Append::NotDone(NotDone::Failed(_)) | Append::Unknown(_)), "{end:?}");
    let newer = journal.claim_epoch(RUN).unwrap();
    assert_eq!(journal.head(), Ok(tip));
    goes_on(&mut journal, newer);
}

/// Claims until the server is back.
fn claim_again(journal: &mut PostgresJournal) -> Epoch {
    for _ in 0..600 {
        match journal.claim_epoch(RUN) {
            Ok(epoch) => return epoch,
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    panic!("the server did not come back");
}

/// Appends until told to end; gives the acknowledged batches and how many were in doubt.
fn append_under_load(journal: &mut PostgresJournal, end: &AtomicBool) -> (Vec<Batch>, [u64; 2]) {
    let mut epoch = claim_again(journal);
    let mut tip = journal.head().unwrap();
    let (mut acknowledged, mut resolved) = (Vec::new(), [0, 0]);
    while !end.load(Ordering::SeqCst) {
        let batch = batch_after(&tip, epoch, 1 + tip.next.number() % 40);
        match journal.append(tip.next, epoch, &batch) {
            Append::Appended => {
                tip = batch.tip();
                acknowledged.push(batch);
            }
            Append::NotDone(_) => {
                epoch = claim_again(journal);
                assert_eq!(journal.head(), Ok(tip), "what was not done is there");
            }
            Append::Unknown(_) => {
                epoch = claim_again(journal);
                let head = journal.head().unwrap();
                match journal.resolution() {
                    Some(Resolution::Landed(_)) => {
                        assert_eq!(head, batch.tip());
                        resolved[0] += 1;
                    }
                    Some(Resolution::Lost(_)) => {
                        assert_eq!(head, tip);
                        resolved[1] += 1;
                    }
                    other => panic!("{other:?}"),
                }
                tip = head;
            }
        }
    }
    (acknowledged, resolved)
}

#[test]
fn a_server_that_crashes_under_load_keeps_what_it_acknowledged() {
    let Some(database) = Database::fresh() else { return };
    let Some(command) = restart_command() else { return };
    let mut journal = database.open();
    let end = AtomicBool::new(false);
    let (acknowledged, resolved) = std::thread::scope(|scope| {
        let appending = scope.spawn(|| append_under_load(&mut journal, &end));
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(300));
            restart(&command);
        }
        std::thread::sleep(Duration::from_millis(300));
        end.store(true, Ordering::SeqCst);
        appending.join().unwrap()
    });
    drop(journal);
    let journal = database.open();
    let all = journal.read_from(Position::ZERO, usize::MAX).unwrap();
    let mut tip = Tip::GENESIS;
    for batch in &all {
        batch.follows(&tip, &book_name()).unwrap();
        tip = batch.tip();
    }
    let mut stored = all.iter();
    for batch in &acknowledged {
        assert!(stored.any(|found| found == batch), "lost: {:?}", batch.origin());
    }
    println!("{} acknowledged, landed and lost in doubt: {resolved:?}", acknowledged.len());
    assert!(acknowledged.len() > 10, "no load: {}", acknowledged.len());
}
