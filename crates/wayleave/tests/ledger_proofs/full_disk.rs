//! A disk that is full for a while: nothing acknowledged is lost, and everything goes on, the log,
//! its checkpoint and the guard too.

use std::time::{Duration, Instant};

use crate::book::{Book, json};

#[test]
fn after_a_full_disk_posts_the_log_and_receipts_go_on() {
    let mut book = Book::new(&[]);
    book.checkpoint(4);
    if !book.limit_files("512:unlimited") {
        println!("left out: there is no `prlimit`");
        return;
    }
    let what = ["post", "--from", "alice", "--to", "bob", "--amount", "1", "--id", "full"];
    let full = book.ask(&what);
    assert!(matches!(full.code, Some(4 | 5)), "{full:?}");
    let before = book.ask(&["checkpoint"]);
    assert_eq!(json(&before)["size"], 4);
    assert!(book.limit_files("unlimited:unlimited"));
    let begun = Instant::now();
    while book.ask(&what).code != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "service did not resume");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(book.balance("bob"), "1.00");
    book.checkpoint(5);
    let receipt = book.ask(&["receipt", "full", "--out", &book.path("full.wayleave")]);
    assert_eq!(receipt.code, Some(0), "{receipt:?}");
    book.stop();
    book.start(&[]).unwrap();
    assert_eq!(book.balance("bob"), "1.00");
    book.stop();
    let sound = book.ask(&["fsck"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
}
