//! The port's contract, opening, and what is refused there.

use journal::testkit::{batch_after, contract};
use journal::{Append, Journal};
use store::postgres::{
    Durability, OpenPostgresError, SchemaError, ServerRefusal, SynchronousCommit, migrate,
};
use store::{PostgresConfig, PostgresJournal};
use terms::{Epoch, RunId};

use crate::server::Database;

#[test]
fn the_postgres_journal_keeps_the_contract() {
    for over in [Database::config, Database::config_tcp] {
        let Some(database) = Database::fresh() else { return };
        contract(|journal: Option<PostgresJournal>| {
            drop(journal);
            PostgresJournal::open(over(&database)).unwrap()
        });
    }
}

#[test]
fn an_empty_database_is_migrated_once_and_refused_before() {
    let Some(database) = Database::empty() else { return };
    let missing = PostgresJournal::open(database.config()).unwrap_err();
    let behind = SchemaError::Behind { found: 0, wanted: 2 };
    assert!(matches!(&missing, OpenPostgresError::Schema(e) if *e == behind), "{missing:?}");
    // Two at once take turns.
    let applied = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| migrate(&database.config()).unwrap()));
        both.map(|thread| thread.join().unwrap())
    });
    assert_eq!(applied.iter().sum::<usize>(), 2);
    assert!(PostgresJournal::open(database.config()).is_ok());
}

#[test]
fn a_schema_of_another_program_is_refused() {
    let Some(database) = Database::fresh() else { return };
    let admin = database.admin();
    let refused = || match PostgresJournal::open(database.config()) {
        Err(OpenPostgresError::Schema(error)) => error,
        other => panic!("{other:?}"),
    };
    admin.run("insert into wayleave_journal.migration values (3, sha256('later'))");
    assert_eq!(refused(), SchemaError::Ahead { found: 3, known: 2 });
    admin.run("delete from wayleave_journal.migration where number = 3");
    admin.run("update wayleave_journal.migration set digest = sha256('edited') where number = 1");
    assert_eq!(refused(), SchemaError::Differs { number: 1 });
}

#[test]
fn a_server_that_may_lose_a_commit_is_refused() {
    let Some(database) = Database::fresh() else { return };
    let admin = database.admin();
    let refused = || match PostgresJournal::open(database.config()) {
        Err(OpenPostgresError::Server(ServerRefusal::Setting { name, .. })) => name,
        other => panic!("{other:?}"),
    };
    admin.run(&format!("alter database {} set synchronous_commit = off", database.name));
    assert_eq!(refused(), "synchronous_commit");
    admin.run(&format!("alter database {} reset synchronous_commit", database.name));
    for name in ["fsync", "full_page_writes"] {
        admin.set_server(name, "off");
        admin.wait_until(&format!("select current_setting('{name}') = 'off'"));
        let found = refused();
        admin.reset_server(name);
        admin.wait_until(&format!("select current_setting('{name}') = 'on'"));
        assert_eq!(found, name);
    }
    let journal = database.open();
    assert_eq!(journal.server().durability, Durability::OneDisk);
    assert_eq!(journal.server().synchronous_commit, SynchronousCommit::On);
    assert!((150_000..160_000).contains(&journal.server().version), "{:?}", journal.server());
}

#[test]
fn who_wants_a_standby_is_refused_without_one() {
    let Some(database) = Database::fresh() else { return };
    let admin = database.admin();
    let open = || PostgresJournal::open(database.config().wanting(Durability::DiskAndStandby));
    let refused = || match open() {
        Err(OpenPostgresError::Server(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let setting = |refusal| match refusal {
        ServerRefusal::Setting { name, .. } => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(setting(refused()), "synchronous_standby_names");
    admin.run(&format!("alter database {} set synchronous_commit = local", database.name));
    assert_eq!(setting(refused()), "synchronous_commit");
    admin.run(&format!("alter database {} reset synchronous_commit", database.name));
    admin.set_server("synchronous_standby_names", "'nobody'");
    admin.wait_until("select current_setting('synchronous_standby_names') = 'nobody'");
    let found = refused();
    admin.reset_server("synchronous_standby_names");
    admin.wait_until("select current_setting('synchronous_standby_names') = ''");
    assert_eq!(found, ServerRefusal::NoStandby { names: "nobody".into() });
}

#[test]
fn a_database_that_takes_no_writes_is_refused() {
    let Some(database) = Database::fresh() else { return };
    let admin = database.admin();
    let name = &database.name;
    admin.run(&format!("alter database {name} set default_transaction_read_only = on"));
    let error = PostgresJournal::open(database.config()).unwrap_err();
    assert!(matches!(&error, OpenPostgresError::Failed(why) if why.contains("25006")), "{error:?}");
}

#[test]
fn what_a_reload_changes_does_not_reach_an_open_journal() {
    let Some(database) = Database::fresh() else { return };
    let admin = database.admin();
    let mut journal = database.open();
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    admin.set_server("synchronous_commit", "off");
    admin.wait_until("select current_setting('synchronous_commit') = 'off'");
    let tip = journal.head().unwrap();
    assert_eq!(journal.append(tip.next, epoch, &batch_after(&tip, epoch, 1)), Append::Appended);
    // Its session still waits for the disk; a new one would not, and is refused.
    assert!(journal.claim_epoch(RunId::from_bytes([1; 16])).is_ok());
    assert!(PostgresJournal::open(database.config()).is_err());
    admin.reset_server("synchronous_commit");
    admin.wait_until("select current_setting('synchronous_commit') = 'on'");
}

#[test]
fn books_of_one_database_do_not_see_each_other() {
    let Some(database) = Database::fresh() else { return };
    let mut ours = database.open();
    let (socket, name) = (std::env::var("WAYLEAVE_POSTGRES").unwrap(), &database.name);
    // A name that SQL would take for more than a name, were it not a parameter.
    let other =
        PostgresConfig::parse("a.b-c@d:e+F_1".parse().unwrap(), &format!("{socket} dbname={name}"));
    let mut other = PostgresJournal::open(other.unwrap()).unwrap();
    let epoch = ours.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    assert_eq!(other.claim_epoch(RunId::from_bytes([2; 16])), Ok(Epoch::new(1)));
    let tip = ours.head().unwrap();
    let batch = batch_after(&tip, epoch, 3);
    assert_eq!(ours.append(tip.next, epoch, &batch), Append::Appended);
    assert_eq!(other.head(), Ok(journal::Tip::GENESIS));
    // A batch says which book it belongs to, and another one refuses it.
    assert!(matches!(
        other.append(tip.next, epoch, &batch),
        Append::NotDone(journal::NotDone::Unchained("another book"))
    ));
}

#[test]
fn a_journal_may_be_used_inside_an_async_runtime() {
    let Some(database) = Database::fresh() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut journal = database.open();
        assert!(journal.claim_epoch(RunId::from_bytes([1; 16])).is_ok());
    });
}

#[test]
fn a_wrong_password_is_a_named_error_and_is_not_repeated() {
    let Some(database) = Database::fresh() else { return };
    let (address, _) = database.tcp();
    let (host, port) = address.split_once(':').unwrap();
    let wrong = format!("host={host} port={port} user=wayleave password=hunter2");
    let config = database.config_over(&wrong);
    let error = PostgresJournal::open(config).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(matches!(error, OpenPostgresError::Connect(_)), "{text}");
    assert!(text.contains("password authentication failed"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn nobody_listening_is_a_connection_that_was_not_made() {
    let nobody = "host=127.0.0.1 port=1 user=nobody dbname=none";
    let config = PostgresConfig::parse(journal::testkit::book_name(), nobody).unwrap();
    let error = PostgresJournal::open(config).unwrap_err();
    assert!(matches!(error, OpenPostgresError::Connect(_)), "{error:?}");
}
