//! What somebody with a superuser's rights can do to the rows, and that it is found.

use journal::testkit::batch_after;
use journal::{Append, BatchProblem, Journal, ReadError};
use store::PostgresJournal;
use terms::{Position, RunId};

use crate::server::{Admin, Database};

/// Batches of 1, 2 … 6 facts: firsts 0, 1, 3, 6, 10, 15.
fn filled(database: &Database) -> PostgresJournal {
    let mut journal = database.open();
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    for count in 1..7 {
        let tip = journal.head().unwrap();
        let batch = batch_after(&tip, epoch, count);
        assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
    }
    journal
}

/// Past the triggers, as an administrator could.
fn tamper(admin: &Admin, change: &str) {
    admin.run(&format!("begin; set local session_replication_role = replica; {change}; commit"));
}

fn damage(read: Result<impl std::fmt::Debug, ReadError>) -> (Position, BatchProblem) {
    match read {
        Err(ReadError::Damaged { place, batch, error, .. }) => {
            let wanted = format!("wayleave_journal.batch, book settlement, first {batch}");
            assert_eq!(place, wanted);
            (batch, error.problem)
        }
        other => panic!("expected damage, got {other:?}"),
    }
}

#[test]
fn rows_are_not_changed_by_accident() {
    let Some(database) = Database::fresh() else { return };
    let journal = filled(&database);
    let admin = database.admin();
    for change in [
        "update wayleave_journal.batch set epoch = 9",
        "delete from wayleave_journal.batch",
        "truncate wayleave_journal.batch",
    ] {
        assert_eq!(admin.fails(change), "a journal is only appended to", "{change}");
    }
    assert_eq!(journal.read_from(Position::ZERO, usize::MAX).unwrap().len(), 6);
}

#[test]
fn a_flipped_byte_is_found_with_its_place_and_never_served() {
    let Some(database) = Database::fresh() else { return };
    let journal = filled(&database);
    let admin = database.admin();
    let length = admin
        .number("select octet_length(bytes)::int8 from wayleave_journal.batch where first = 6");
    let flip = |at: i64| {
        tamper(
            &admin,
            &format!(
                "update wayleave_journal.batch
                 set bytes = set_byte(bytes, {at}, get_byte(bytes, {at}) # 1) where first = 6"
            ),
        );
    };
    for at in (0..length).step_by(13).chain([length - 1]) {
        flip(at);
        let (batch, _) = damage(journal.read_from(Position::ZERO, usize::MAX));
        assert_eq!(batch, Position::new(6), "byte {at}");
        assert_eq!(journal.read_from(Position::ZERO, 3).unwrap().len(), 3);
        assert_eq!(journal.read_from(Position::new(10), 9).unwrap().len(), 2);
        flip(at);
    }
    assert_eq!(journal.read_from(Position::ZERO, usize::MAX).unwrap().len(), 6);
}

#[test]
fn a_column_that_differs_from_the_bytes_is_damage() {
    let Some(database) = Database::fresh() else { return };
    let journal = filled(&database);
    let admin = database.admin();
    let cases = [
        ("next", "next + 1", "the column `next` differs from the bytes"),
        ("epoch", "epoch + 1", "the column `epoch` differs from the bytes"),
        ("previous", "sha256(previous)", "the column `previous` differs from the bytes"),
        ("digest", "sha256(digest)", "the column `digest` differs from the bytes"),
        ("stamp", "stamp + 1", "the column `stamp` differs from the bytes"),
        ("first", "first + 1", "the column `first` differs from the bytes"),
    ];
    for (column, value, problem) in cases {
        admin.run("create table kept as select * from wayleave_journal.batch");
        tamper(
            &admin,
            &format!("update wayleave_journal.batch set {column} = {value} where first = 15"),
        );
        let wanted = BatchProblem::Unchained(problem);
        assert_eq!(damage(journal.read_from(Position::ZERO, usize::MAX)).1, wanted);
        assert_eq!(damage(journal.head()).1, wanted);
        tamper(
            &admin,
            "delete from wayleave_journal.batch;
             insert into wayleave_journal.batch select * from kept",
        );
        admin.run("drop table kept");
    }
    assert_eq!(journal.read_from(Position::ZERO, usize::MAX).unwrap().len(), 6);
}

#[test]
fn a_missing_row_is_a_gap_and_not_an_end() {
    let Some(database) = Database::fresh() else { return };
    let journal = filled(&database);
    let admin = database.admin();
    tamper(&admin, "delete from wayleave_journal.batch where first = 6");
    let all = damage(journal.read_from(Position::ZERO, usize::MAX));
    assert_eq!(all, (Position::new(10), BatchProblem::Unchained("another position")));
    for from in [6, 8] {
        let (batch, problem) = damage(journal.read_from(Position::new(from), 1));
        assert_eq!(batch, Position::new(10));
        assert_eq!(problem, BatchProblem::Unchained("the batch before it is missing"));
    }
    tamper(&admin, "delete from wayleave_journal.batch where first < 6");
    let (batch, _) = damage(journal.read_from(Position::ZERO, 1));
    assert_eq!(batch, Position::new(10));
}

#[test]
fn the_page_finds_by_sql_alone_what_reading_finds() {
    let Some(database) = Database::fresh() else { return };
    let _journal = filled(&database);
    let admin = database.admin();
    let page = include_str!("../../../../../docs/formats/postgres-journal.md");
    let check = page.split("```sql check\n").nth(1).unwrap().split("```").next().unwrap();
    let findings = || admin.number(&format!("select count(*) from ({check}) findings"));
    assert_eq!(findings(), 0);
    let changes = [
        "bytes = set_byte(bytes, 200, get_byte(bytes, 200) # 1)",
        "digest = sha256(digest)",
        "previous = sha256(previous)",
        "stamp = stamp + 1",
        "epoch = epoch + 1",
        "next = next + 1",
    ];
    for change in changes {
        admin.run("create table kept as select * from wayleave_journal.batch where first = 6");
        tamper(&admin, &format!("update wayleave_journal.batch set {change} where first = 6"));
        assert!(findings() > 0, "{change}");
        tamper(
            &admin,
            "delete from wayleave_journal.batch where first = 6;
             insert into wayleave_journal.batch select * from kept",
        );
        admin.run("drop table kept");
        assert_eq!(findings(), 0);
    }
    tamper(&admin, "delete from wayleave_journal.batch where first = 6");
    assert!(findings() > 0);
    tamper(&admin, "delete from wayleave_journal.batch where first < 6");
    assert!(findings() > 0);
}
