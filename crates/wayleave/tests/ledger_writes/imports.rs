//! Files that are not what they should be: nothing of a transaction is sent unless all of it was
//! read, and no amount is read in another asset than its account's.

use serde_json::{Value, json};

use super::book::Book;

/// Runs an import that does not end well; what was said of each line, and of all.
fn lines(book: &Book, args: &[&str]) -> Vec<Value> {
    let ran = book.ask(&[&["import"], args].concat());
    assert_ne!(ran.code, Some(0), "{ran:?}");
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn status(said: &[Value], line: u64) -> &str {
    let of = said.iter().find(|one| one["line"] == line);
    of.and_then(|one| one["status"].as_str()).unwrap_or("nothing")
}

fn entry(id: &str, account: &str, side: &str, amount: &Value) -> String {
    let row = json!({
        "kind": "entry", "id": id, "business_date": "2026-01-05", "account": account,
        "side": side, "amount": amount,
    });
    format!("{row}\n")
}

/// No transaction of that name was done or refused: its id is free.
#[track_caller]
fn is_free(book: &Book, id: &str) {
    let post = ["post", "--from", "alice", "--to", "bob", "--amount", "0.01", "--id", id];
    assert_eq!(book.done(&post)["status"], "done", "{id}");
    book.done(&["post", "--from", "bob", "--to", "alice", "--amount", "0.01"]);
}

#[test]
fn a_transaction_that_is_cut_by_an_unreadable_row_is_not_sent() {
    let book = Book::new();
    let good = |id: &str| {
        entry(id, "alice", "debit", &json!("1.00")) + &entry(id, "bob", "credit", &json!("1.00"))
    };
    let thaw =
        || json!({ "kind": "freeze", "account": "carol", "freeze": "nothing" }).to_string() + "\n";
    let text = [
        // 1 to 3: the rest is a number, the two rows before it balance.
        entry("t-rest", "alice", "debit", &json!("12.00")),
        entry("t-rest", "bob", "credit", &json!("rest")),
        entry("t-rest", "carol", "credit", &json!(2)),
        // 4: the tail of it.
        entry("t-rest", "carol", "credit", &json!("1.00")),
        // 5, 6: whole.
        good("t-whole"),
        // 7: a row by itself ends it.
        thaw(),
        // 8 to 10: the unreadable one stands first, so that it is not known whose it is.
        "{\"kind\":\n".to_owned(),
        good("t-tail"),
        // 11 to 13: the same, after the rows.
        good("t-head"),
        "[]\n".to_owned(),
        // 14 to 16: what follows a row by itself is whole.
        thaw(),
        good("t-last"),
        // 17 to 19: cut by a row without an id.
        good("t-none"),
        json!({ "kind": "entry", "account": "bob", "side": "debit", "amount": "1" }).to_string()
            + "\n",
        // 20 to 23: cut by a row of another kind under the same id.
        thaw(),
        good("t-kind"),
        json!({ "kind": "entri", "id": "t-kind", "account": "bob", "amount": "1" }).to_string()
            + "\n",
    ];
    let file = book.write("cut.jsonl", &text.concat());
    let said = lines(&book, &[&file]);
    for (line, expected) in [
        (1, "malformed"),
        (3, "malformed"),
        (4, "malformed"),
        (5, "done"),
        (7, "done"),
        (8, "malformed"),
        (9, "malformed"),
        (11, "malformed"),
        (13, "malformed"),
        (14, "done"),
        (15, "done"),
        (17, "malformed"),
        (19, "malformed"),
        (20, "done"),
        (21, "malformed"),
        (23, "malformed"),
    ] {
        assert_eq!(status(&said, line), expected, "line {line}: {said:#?}");
    }
    assert_eq!((book.balance("bob"), book.balance("carol")), ("2.00".into(), "0.00".into()));
    for id in ["t-rest", "t-tail", "t-head", "t-none", "t-kind"] {
        is_free(&book, id);
    }
}

#[test]
fn a_table_with_a_row_of_too_few_columns_or_an_unreadable_end_posts_no_part() {
    let book = Book::new();
    let head = "kind,id,business_date,account,side,amount\n";
    let rows = "entry,t-1,2026-01-05,alice,debit,5.00\nentry,t-1,2026-01-05,bob,credit,rest\n";
    let file = book.write("short.csv", &format!("{head}{rows}entry,t-1,2026-01-05,carol,credit\n"));
    let said = lines(&book, &[&file]);
    assert_eq!((status(&said, 2), status(&said, 4)), ("malformed", "malformed"), "{said:#?}");
    let long = "x".repeat(70_000);
    let file = book.write("long.csv", &format!("{head}{rows}entry,t-1,2026-01-05,{long},a,b\n"));
    let said = lines(&book, &[&file]);
    assert_eq!((status(&said, 2), status(&said, 0)), ("malformed", "malformed"), "{said:#?}");
    assert_eq!(book.balance("bob"), "0.00");
    is_free(&book, "t-1");
    let sound = book.write("sound.csv", &format!("{head}{rows}"));
    let spent = book.told(&["import", &sound], 1);
    assert_eq!(spent["import"], json!({ "conflict": 1 }), "the id was used just now");
}

#[test]
fn an_amount_is_read_in_the_asset_that_the_book_knows() {
    let book = Book::new();
    let file = book.write(
        "other.csv",
        "kind,id,business_date,from,to,amount,asset\n\
         account,alice,,,,,JPY.0@bank\n\
         transfer,t-1,2026-01-05,alice,bob,100,\n\
         transfer,t-2,2026-01-05,bob,alice,100,\n\
         account,dave,,,,,EUR.2@bank\n\
         account,dave,,,,,JPY.0@bank\n\
         transfer,t-3,2026-01-05,cash,dave,1.00,\n\
         account,erin,,,,,EUR.2@bank\n\
         account,bob,,,,,EUR.2@bank\n\
         transfer,t-4,2026-01-05,cash,erin,3.00,\n\
         transfer,t-5,2026-01-05,erin,bob,2.00,\n",
    );
    let said = lines(&book, &[&file]);
    for (line, expected) in [
        (2, "refused"),
        (3, "refused"),
        (4, "refused"),
        (5, "done"),
        (6, "refused"),
        (7, "refused"),
        (8, "done"),
        (9, "repeated"),
        (10, "done"),
        (11, "done"),
    ] {
        assert_eq!(status(&said, line), expected, "line {line}: {said:#?}");
    }
    assert_eq!((book.balance("alice"), book.balance("bob")), ("100.00".into(), "2.00".into()));
    let words = said[0]["words"].as_str().unwrap();
    assert!(words.contains("EUR.2@bank") && words.contains("JPY.0@bank"), "{words}");
    is_free(&book, "t-1");
}

#[test]
fn a_row_that_is_too_long_for_a_command_is_refused_alone() {
    let book = Book::new();
    let long = "x".repeat(20_000);
    let file = book.write(
        "long.csv",
        &format!(
            "id,business_date,from,to,amount,note.text\n\
             t-1,2026-01-05,alice,bob,1.00,short\n\
             t-2,2026-01-05,alice,bob,1.00,{long}\n\
             t-3,2026-01-05,alice,bob,1.00,short\n"
        ),
    );
    let said = lines(&book, &[&file]);
    let told = (status(&said, 2), status(&said, 3), status(&said, 4));
    assert_eq!(told, ("done", "malformed", "done"), "{said:#?}");
    assert_eq!(book.balance("bob"), "2.00");
    is_free(&book, "t-2");
}

#[test]
fn words_about_a_person_are_in_no_error_and_no_row_is_dropped_silently() {
    let book = Book::new();
    let person = |value: Value| json!({ "kind": "transfer", "id": "p", "personal": value });
    let text = [
        person(json!({ "payer": ["Jansen"] })).to_string(),
        json!({ "kind": "transfer", "personal.payer": { "name": "Jansen" } }).to_string(),
        json!({ "kind": "transaction", "entries": ["Jansen"] }).to_string(),
        json!("Jansen").to_string(),
        person(json!("Jansen")).to_string(),
    ];
    let file = book.write("persons.jsonl", &format!("{{}}\n{}\n", text.join("\n")));
    let ran = book.ask(&["import", &file]);
    assert!(ran.out.matches("malformed").count() > 5, "{ran:?}");
    assert!(!ran.out.contains("Jansen") && !ran.err.contains("Jansen"), "{ran:?}");
    let head = "kind,id,business_date,account,side,amount,personal.payer,key_slot,note.a,links\n";
    let table = format!("{head}entry,t,2026-01-05,bob,debit,1.00,\"Jan\"Jansen,7,,\n");
    let ran = book.ask(&["import", &book.write("table.csv", &table)]);
    assert!(ran.code == Some(1) && !ran.out.contains("Jansen"), "{ran:?}");
    for odd in ["7:Jansen", "Jansen", "Jansen:payer=x"] {
        let post = ["post", "--from", "alice", "--to", "bob", "--amount", "1", "--personal", odd];
        let ran = book.ask(&post);
        assert!(ran.code == Some(5) && !ran.err.contains("Jansen"), "{ran:?}");
    }
    let first = "entry,t,2026-01-05,alice,debit,1.00,Jan,7,x,";
    for (second, field) in [
        ("entry,t,2026-01-06,bob,credit,1.00,,,,", "business_date"),
        ("entry,t,2026-01-05,bob,credit,1.00,Piet,7,,", "personal.payer"),
        ("entry,t,2026-01-05,bob,credit,1.00,,8,,", "key_slot"),
        ("entry,t,2026-01-05,bob,credit,1.00,,,y,", "note.a"),
        ("entry,t,2026-01-05,bob,credit,1.00,,,,refunds=funds", "links"),
    ] {
        let file = book.write("differs.csv", &format!("{head}{first}\n{second}\n"));
        let said = lines(&book, &[&file]);
        let words = said[0]["words"].as_str().unwrap();
        assert!(words.contains(&format!("`{field}`")) && !words.contains("Piet"), "{words}");
    }
    // What says the same again, or nothing, is no other.
    let same = format!("{head}{first}\nentry,t,2026-01-05,bob,credit,1.00,Jan,7,x,\n");
    book.done(&["import", &book.write("same.csv", &same)]);
    assert_eq!(book.balance("bob"), "1.00");
}

#[test]
fn a_dry_run_makes_no_key() {
    let book = Book::new();
    let post = ["post", "--from", "alice", "--to", "bob", "--amount", "1", "--id", "p"];
    let post = [&post[..], &["--personal", "7:payer=Jan"]].concat();
    assert_eq!(book.done(&[&post[..], &["--dry-run"]].concat())["status"], "passes");
    assert_eq!(book.done(&["personal", "forget", "7"])["there_was"], false);
    let head = "id,business_date,from,to,amount,personal.payer,key_slot\n";
    let file = book.write("dry.csv", &format!("{head}q,2026-01-05,alice,bob,1.00,Jan,8\n"));
    book.done(&["import", &file, "--dry-run"]);
    assert_eq!(book.done(&["personal", "forget", "8"])["there_was"], false);
}
