use journal::testkit::{batch_after, book_name};
use journal::{Append, ClaimError, Journal, NotDone};
use terms::{Epoch, Position, RunId};

use super::*;

/// A folder below the system's temporary one, gone with the value.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn memory_keeps_the_contract_of_objects() {
    contract(&RemoteObjects::in_memory().unwrap());
}

#[test]
fn a_folder_keeps_the_contract_of_objects() {
    let folder = Temporary::new("objects");
    contract(&FolderObjects::new(folder.0.clone()));
    let target = Target::parse(&format!("file:{}", folder.0.display())).open().unwrap();
    assert_eq!(target.list("a/b"), Ok(vec!["a/b/2".to_owned()]));
    assert!(target.create("../out", b"x").is_err());
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for (url, here) in [
        ("http://127.0.0.1:5000", true),
        ("http://localhost:5000", true),
        ("http://[::1]:9", true),
        ("http://127.0.0.1.example.org", false),
        ("http://10.0.0.1", false),
        ("http://example.org", false),
    ] {
        assert_eq!(dial::is_loopback(url), here, "{url}");
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "file:", "s3://", "s3:///x", "https://bucket", "/tmp/x"] {
        let refused = Target::parse(address).open().err();
        assert!(matches!(refused, Some(TargetError::Address(_))), "{address}: {refused:?}");
    }
}

#[test]
fn memory_and_a_folder_keep_the_contract_of_a_journal() {
    let folder = Temporary::new("object-journal");
    let places: [Arc<dyn Objects>; 2] = [
        Arc::new(RemoteObjects::in_memory().unwrap()),
        Arc::new(FolderObjects::new(folder.0.clone())),
    ];
    for place in places {
        let open = || ObjectJournal::open(Arc::clone(&place), book_name()).unwrap();
        journal::testkit::contract(|_| open());
    }
}

fn run(byte: u8) -> RunId {
    RunId::from_bytes([byte; 16])
}

#[test]
fn an_older_writer_that_does_not_know_it_wins_no_position() {
    let place: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory().unwrap());
    let open = || ObjectJournal::open(Arc::clone(&place), book_name()).unwrap();
    let (mut older, mut newer) = (open(), open());
    let first = older.claim_epoch(run(1)).unwrap();
    let batch = batch_after(&older.head().unwrap(), first, 3);
    assert_eq!(older.append(Position::ZERO, first, &batch), Append::Appended);
    // Paused here, with the next batch in its hands and an epoch that it believes to be newest.
    let tip = older.head().unwrap();
    let late = batch_after(&tip, first, 1);
    let second = newer.claim_epoch(run(2)).unwrap();
    assert_eq!(newer.head(), Ok(tip));
    let fenced = Append::NotDone(NotDone::Fenced { newest: second });
    assert_eq!(older.append(tip.next, first, &late), fenced);
    let batch = batch_after(&tip, second, 2);
    assert_eq!(newer.append(tip.next, second, &batch), Append::Appended);
    let batches = open().read_from(Position::ZERO, 9).unwrap();
    assert_eq!(batches.last(), Some(&batch));
    assert_eq!(batches.len(), 2);
    // One in flight is in when it landed before the stop.
    let tip = newer.head().unwrap();
    let landed = batch_after(&tip, second, 1);
    let name = format!("batch/{:020}", tip.next.number());
    assert!(matches!(place.create(&name, landed.bytes()), Ok(Created::Done(_))));
    older.claim_epoch(run(3)).unwrap();
    assert_eq!(older.head(), Ok(landed.tip()));
}

#[test]
fn who_claimed_first_and_comes_second_is_not_the_writer() {
    let place: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory().unwrap());
    let open = || ObjectJournal::open(Arc::clone(&place), book_name()).unwrap();
    let (mut slow, mut quick) = (open(), open());
    let first = slow.claim(run(1)).unwrap();
    let second = quick.claim_epoch(run(2)).unwrap();
    let claimed = slow.settle(first, run(1));
    assert!(matches!(claimed, Err(ClaimError::Failed(_))), "{claimed:?}");
    let batch = batch_after(&quick.head().unwrap(), second, 1);
    assert_eq!(quick.append(Position::ZERO, second, &batch), Append::Appended);
    assert!(slow.settle(first, run(1)).is_err());
    assert_eq!((first, second), (Epoch::new(1), Epoch::new(2)));
}
