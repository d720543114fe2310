//! `wayleave ledger bench` on a book that is served already.

use serde_json::Value;

use super::book::Book;
use super::support::run;

#[test]
fn a_book_that_is_not_empty_is_measured_only_when_a_person_says_so() {
    let book = Book::new();
    let bench = |more: &[&str]| {
        let few = ["ledger", "bench", "--dir", book.dir(), "--transactions", "2000"];
        run(&[&few[..], &["--accounts", "50", "--json"], more].concat())
    };
    let journal = book.journal();
    let ran = bench(&[]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.is_empty() && ran.err.contains("expected an empty book, got one of 5 facts"));
    assert!(book.journal() == journal, "nothing was written");
    let ran = bench(&["--not-empty"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut rows = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_count = |row: &Value| row["workload"] == "batch" && row["metric"] == "transactions";
    assert_eq!(rows.find(is_count).unwrap()["value"].as_f64(), Some(2000.0));
    assert_eq!(book.balance("alice"), "100.00", "the book's own accounts are left alone");
}
