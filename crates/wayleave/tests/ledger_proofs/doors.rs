//! TLS, and API keys.

use crate::book::{Book, json};

struct Certified {
    chain: String,
    key: String,
}

fn certified(book: &Book, name: &str) -> Certified {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let chain = book.folder.write(&format!("{name}.pem"), made.cert.pem());
    let key = book.folder.write(&format!("{name}.key"), made.signing_key.serialize_pem());
    Certified { chain, key }
}

#[test]
fn a_book_under_tls_is_believed_by_its_root_and_name_only() {
    let mut book = Book::new(&[]);
    book.stop();
    let (own, other) = (certified(&book, "ledger.test"), certified(&book, "other.test"));
    let listen = ["--listen", "0.0.0.0:0"];
    let why = book.start(&listen).unwrap_err();
    assert!(why.contains("--tls-cert"), "{why}");
    let why = book.start(&["--tls-cert", &own.chain, "--tls-key", &other.key]).unwrap_err();
    assert!(why.contains("fits the key"), "{why}");
    let tls = ["--tls-cert", &own.chain, "--tls-key", &own.key];
    book.start(&tls).unwrap();
    let ask = |more: &[&str]| book.ask(&[&["balance", "alice"], more].concat());
    let secure = ask(&["--ca", &own.chain, "--server-name", "ledger.test"]);
    assert_eq!((secure.code, &json(&secure)["balance"]), (Some(0), &"100.00".into()), "{secure:?}");
    let refused = |more: &[&str], words: &str| {
        let ran = ask(more);
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert!(ran.err.contains(words), "`{words}`: {}", ran.err);
    };
    refused(&[], "the book takes TLS only: name its certificate's root with `--ca FILE`");
    refused(&["--ca", &own.chain, "--server-name", "wrong.test"], "another name");
    refused(&["--ca", &own.chain, "--server-name", "wrong.test"], "certificate");
    refused(&["--ca", &other.chain, "--server-name", "ledger.test"], "another root");
    refused(&["--ca", &own.key], "certificates in PEM");
    let posted = [
        "post",
        "--from",
        "alice",
        "--to",
        "bob",
        "--amount",
        "1",
        "--id",
        "secure",
        "--ca",
        &own.chain,
        "--server-name",
        "ledger.test",
    ];
    assert_eq!(book.ask(&posted).code, Some(0));
    book.stop();
    book.start(&[]).unwrap();
    let plain = book.ask(&["balance", "bob", "--ca", &own.chain, "--server-name", "ledger.test"]);
    assert_eq!(plain.code, Some(5), "{plain:?}");
    assert!(plain.err.contains("TLS on one side only"), "{}", plain.err);
    assert_eq!(book.balance("bob"), "1.00");
}

#[test]
fn nothing_is_asked_in_plain_words_of_another_machine() {
    let book = Book::new(&[]);
    let ask = |more: &[&str]| book.ask(&[&["balance", "alice"], more].concat());
    for (more, words) in [
        (&["--connect", "192.0.2.7:7100"][..], "`192.0.2.7:7100` is another machine"),
        (&["--connect", "[2001:db8::1]:7100"], "is another machine"),
        (&["--server-name", "ledger.test"], "proved by its certificate only"),
        (&["--connect", "192.0.2.7:7100", "--server-name", "x"], "by its certificate only"),
    ] {
        let refused = ask(more);
        assert!(!matches!(refused.code, Some(0)), "{refused:?}");
        assert!(refused.err.contains(words) && refused.err.contains("--ca"), "{}", refused.err);
    }
    // On this machine plain words go on.
    let noted = std::fs::read_to_string(book.dir().join("address")).unwrap();
    let asked = ask(&["--connect", noted.trim_end()]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
}

#[test]
fn an_api_key_is_good_until_it_is_revoked_or_its_time_is_over() {
    const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];
    let mut book = Book::new(&[]);
    book.stop();
    assert_eq!(book.ask(&["client", "add", "auditor", "--may", "read"]).code, Some(0));
    let made = json(&book.ask(&["client", "key", "auditor", "--lasts", "30d"]));
    let key = made["api_key"].as_str().unwrap().to_owned();
    assert!(made["good_until"].is_string(), "{made}");
    let short = json(&book.ask(&["client", "key", "operator", "--lasts", "1s"]));
    let short = short["api_key"].as_str().unwrap().to_owned();
    // Only digests are kept.
    let kept = std::fs::read_to_string(book.dir().join("clients.json")).unwrap();
    for shown in [&key, &short] {
        assert!(!kept.contains(shown.split_once('.').unwrap().1), "{kept}");
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    book.start(&HTTP).unwrap();
    let status = |key: Option<&str>| book.get("/v1/status", key).0;
    assert_eq!(status(Some(&key)), 200);
    let wrong = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    for bad in [None, Some(short.as_str()), Some(wrong.as_str()), Some("nobody.00")] {
        assert_eq!(status(bad), 401, "{bad:?}");
    }
    let listed = book.ask(&["client", "list"]);
    assert!(listed.out.contains("\"has_api_key\":true"), "{listed:?}");
    book.stop();
    assert_eq!(json(&book.ask(&["client", "revoke", "auditor"]))["revoked"], true);
    assert_eq!(json(&book.ask(&["client", "revoke", "auditor"]))["revoked"], false);
    assert_ne!(book.ask(&["client", "revoke", "nobody"]).code, Some(0));
    book.start(&HTTP).unwrap();
    assert_eq!(book.get("/v1/status", Some(&key)).0, 401);
}
