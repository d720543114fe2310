//! What stands beside the money, over HTTP: metadata, links, limits, marks; blocks and closings.

use ledger_server::Folder;
use serde_json::{Value, json};

use super::{Site, account, hex, transfer};

fn with(mut form: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        form[name] = value.clone();
    }
    form
}

/// Every byte of the book's journal.
fn journal(site: &Site) -> Vec<u8> {
    let files = std::fs::read_dir(site.dir.join("journal")).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|window| window == words.as_bytes())
}

#[test]
fn metadata_links_and_times_are_part_of_what_an_id_stands_for() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let more = json!({
        "effective": "2026-11-20T09:30:00Z", "code": 4711, "reason": "refund",
        "metadata": [
            { "key": "invoice", "text": "INV-2026-17" },
            { "key": "lines", "integer": "-3" },
            { "key": "digest", "bytes": "00ff" },
            { "key": "due", "instant": "2026-12-01T00:00:00Z" },
            { "key": "gross", "amount": "12.10", "asset": "EUR.2@bank" },
        ],
        "links": [{ "refunds": hex(99) }, { "quote": hex(98) }],
        "payment": hex(97),
    });
    let form = with(transfer(1, &a, &b, "1.00"), &more);
    site.post("/v1/transactions", &form).expect(200, "done");
    assert_eq!(site.post("/v1/transactions", &form).expect(200, "done")["repeated"], true);
    for (name, field, value) in [
        ("code", "code", json!(4712)),
        ("effective", "effective", json!("2026-11-20T09:30:01Z")),
        ("links", "links", json!([{ "returns": hex(99) }])),
        ("metadata", "metadata", json!([{ "key": "invoice", "text": "INV-2026-18" }])),
    ] {
        let mut other = form.clone();
        other[name] = value;
        let conflict = site.post("/v1/transactions", &other).expect(409, "conflict");
        assert_eq!(conflict["field"], field);
    }
    let bytes = journal(&site);
    assert!(holds(&bytes, "INV-2026-17"));
    for (more, field) in [
        (json!({ "metadata": [{ "key": "Nein", "text": "x" }] }), "metadata.0.key"),
        (json!({ "metadata": [{ "key": "a", "text": "x", "integer": "1" }] }), "metadata.0.key"),
        (json!({ "metadata": [{ "key": "a", "personal": "x" }] }), "metadata.0.key_slot"),
        (
            json!({ "metadata": [{ "key": "a", "text": "x", "key_slot": 1 }] }),
            "metadata.0.key_slot",
        ),
        (json!({ "links": [{ "returns": "x" }] }), "links.0.returns"),
        (json!({ "links": [{}] }), "links.0.links"),
        (json!({ "effective": "yesterday" }), "effective"),
    ] {
        let form = with(transfer(2, &a, &b, "1.00"), &more);
        assert_eq!(site.post("/v1/transactions", &form).expect(400, "refused")["field"], field);
    }
    let many: Vec<Value> =
        (0..17).map(|n| json!({ "key": format!("k{n}"), "text": "x" })).collect();
    let many = with(transfer(3, &a, &b, "1.00"), &json!({ "metadata": many }));
    let refused = site.post("/v1/transactions", &many).expect(422, "refused");
    assert_eq!(
        (&refused["rule"], &refused["got"]),
        (&json!("metadata_out_of_range"), &json!("17"))
    );
}

#[test]
fn personal_words_are_nowhere_in_the_journal_and_gone_when_their_key_is_forgotten() {
    let mut site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let personal = |id, slot: u32, words: &str| {
        let metadata = json!([{ "key": "payer", "personal": words, "key_slot": slot }]);
        with(transfer(id, &a, &b, "1.00"), &json!({ "metadata": metadata }))
    };
    let form = personal(1, 17, "Jan Jansen, Dam 1");
    site.post("/v1/transactions", &form).expect(200, "done");
    site.post("/v1/transactions", &personal(2, 18, "Piet Pietersen")).expect(200, "done");
    // Sealed alike each time, so that the same is known again, after a restart, too.
    assert_eq!(site.post("/v1/transactions", &form).expect(200, "done")["repeated"], true);
    site.restart();
    assert_eq!(site.post("/v1/transactions", &form).expect(200, "done")["repeated"], true);
    let other =
        site.post("/v1/transactions", &personal(1, 17, "Jan Janssen")).expect(409, "conflict");
    assert_eq!(other["field"], "metadata");
    let bytes = journal(&site);
    assert!(!holds(&bytes, "Jansen") && !holds(&bytes, "Pietersen") && holds(&bytes, "payer"));
    let keys = Folder::open(&site.dir).unwrap().personal_keys();
    assert!(keys.forget(17).unwrap());
    let gone = site.post("/v1/transactions", &form).expect(410, "refused");
    assert_eq!(
        (&gone["code"], &gone["field"]),
        (&json!("forgotten"), &json!("metadata.0.personal"))
    );
    let known = site.get(&format!("/v1/transactions/{}", hex(1)));
    assert_eq!(known.status, 200, "its id can still be looked up: {known:?}");
    let beside = site.post("/v1/transactions", &personal(2, 18, "Piet Pietersen"));
    assert_eq!(beside.expect(200, "done")["repeated"], true);
}

#[test]
fn no_key_is_made_for_what_is_not_done() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let keys = || std::fs::read_dir(site.dir.join("personal")).map_or(0, Iterator::count);
    let personal = |id: u64, slots: std::ops::Range<u32>| {
        let entry = |slot: u32| json!({ "key": format!("k{slot}"), "personal": "Jan Jansen", "key_slot": slot });
        let metadata: Vec<Value> = slots.map(entry).collect();
        with(transfer(id, &a, &b, "1.00"), &json!({ "metadata": metadata }))
    };
    let many = site.post("/v1/transactions", &personal(1, 0..17)).expect(422, "refused");
    let told = (&many["rule"], &many["expected"], &many["got"]);
    assert_eq!(told, (&json!("metadata_out_of_range"), &json!("at most 16"), &json!("17")));
    let bulk = json!({ "transactions": [personal(2, 0..17), transfer(3, &a, &b, "1.00")] });
    let items = site.post("/v1/transactions/bulk", &bulk).body["items"].clone();
    assert_eq!((&items[0]["rule"], &items[1]["outcome"]), (&many["rule"], &json!("done")));
    assert_eq!(keys(), 0);
    let dry = "/v1/transactions?dry_run=true";
    site.post(dry, &personal(4, 0..16)).expect(200, "would_be_done");
    let bulk = json!({ "transactions": [personal(4, 0..16)] });
    let passes = site.post("/v1/transactions/bulk?dry_run=true", &bulk).body;
    assert_eq!(passes["items"][0]["outcome"], "would_be_done");
    assert_eq!(keys(), 0);
    site.post("/v1/transactions", &personal(4, 0..16)).expect(200, "done");
    assert_eq!(keys(), 16);
    // With the keys that are there it says what would be said.
    let again = site.post(dry, &personal(4, 0..16));
    assert_eq!(again.expect(200, "done")["repeated"], true);
    Folder::open(&site.dir).unwrap().personal_keys().forget(3).unwrap();
    site.post(dry, &personal(5, 0..16)).expect(410, "refused");
}

#[test]
fn limits_are_counted_refused_with_numbers_and_given_back() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    site.post("/v1/transactions", &transfer(1, &a, &b, "100")).expect(200, "done");
    let limit = |period: &str| {
        json!({
            "key": "customer 17", "asset": "EUR.2@bank", "period": period,
            "amount_max": "10.00", "count_max": 3,
        })
    };
    for (n, period) in (1..).zip(["business_day", "month", "rolling_hours:24", "rolling_days:30"]) {
        let (n, limit) = (n * 100, limit(period));
        let claim = |id: u64, amount: &str| {
            let claims = json!([with(limit.clone(), &json!({ "amount": amount }))]);
            let form = with(transfer(n + id, &b, &a, amount), &json!({ "claims": claims }));
            let form = with(form, &json!({ "business_date": today() }));
            site.post("/v1/transactions", &form)
        };
        let hold = |id: u64, amount: &str| {
            let form = json!({
                "id": hex(n + id), "account": b, "side": "debit", "amount": amount,
                "business_date": today(), "limits": [limit],
            });
            site.post("/v1/holds", &form)
        };
        claim(1, "4.00").expect(200, "done");
        hold(2, "5.00").expect(200, "done");
        let amount = claim(3, "1.01").expect(422, "refused");
        assert_eq!(amount["rule"], "velocity_amount_exceeded", "{period}");
        assert_eq!(
            (&amount["expected"], &amount["got"]),
            (&json!("1000 minor units"), &json!("1001 minor units"))
        );
        claim(4, "1.00").expect(200, "done");
        let count = hold(5, "0.00").expect(422, "refused");
        assert_eq!(count["rule"], "amount_must_be_positive");
        let void = format!("/v1/holds/{}/void", hex(n + 2));
        let evidence = json!({
            "ground": "not_done", "source": "never_sent", "document": "0".repeat(64),
        });
        site.post(&void, &evidence).expect(200, "done");
        claim(6, "4.00").expect(200, "done");
        let count = claim(7, "0.50").expect(422, "refused");
        assert_eq!(
            (&count["rule"], &count["expected"], &count["got"]),
            (&json!("velocity_count_exceeded"), &json!("3"), &json!("4"))
        );
    }
    let old = json!([with(limit("business_day"), &json!({ "amount": "1" }))]);
    let old =
        with(transfer(900, &b, &a, "1"), &json!({ "claims": old, "business_date": "2020-01-01" }));
    assert_eq!(
        site.post("/v1/transactions", &old).expect(422, "refused")["rule"],
        "limit_period_over"
    );
    for (name, value) in [("period", "weekly"), ("key", ""), ("amount_max", "-1")] {
        let mut claim = with(limit("month"), &json!({ "amount": "1" }));
        claim[name] = json!(value);
        let form = with(transfer(901, &b, &a, "1"), &json!({ "claims": [claim] }));
        let refused = site.post("/v1/transactions", &form).expect(400, "refused");
        assert_eq!(refused["field"], format!("claims.0.{name}"));
    }
}

/// Limits are counted near the ledger's own day only.
fn today() -> String {
    let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    terms::Instant::from_seconds(seconds).date().to_string()
}

#[test]
fn accounts_are_marked_blocked_and_closed() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let marked = |tags: Value| {
        json!({
            "id": account(3), "asset": "EUR.2@bank", "normal": "credit", "purpose": "customer",
            "owner": { "institution": "bank" }, "code": 1600, "tags": tags,
        })
    };
    site.post("/v1/accounts", &marked(json!(["amsterdam", "retail"]))).expect(200, "done");
    let again = site.post("/v1/accounts", &marked(json!(["retail", "amsterdam"])));
    assert_eq!(again.expect(200, "done")["repeated"], true, "tags have no order");
    let other = site.post("/v1/accounts", &marked(json!(["retail"]))).expect(409, "conflict");
    assert_eq!(other["field"], "marks");
    let odd = site.post("/v1/accounts", &marked(json!(["A branch"]))).expect(400, "refused");
    assert_eq!(odd["field"], "tags");
    let shown = site.get(&format!("/v1/accounts/{}", account(3))).body;
    assert_eq!((&shown["code"], &shown["tags"]), (&json!(1600), &json!(["amsterdam", "retail"])));

    site.post("/v1/transactions", &transfer(1, &a, &b, "10")).expect(200, "done");
    let path = |what: &str| format!("/v1/accounts/{b}/{what}");
    let block = site.ask("PATCH", &path("blocked"), &json!({ "amount": "9.50" }));
    assert_eq!(block.expect(200, "done")["balances"][0]["available"], "0.50");
    let refused = site.post("/v1/transactions", &transfer(2, &b, &a, "1")).expect(422, "refused");
    assert_eq!((&refused["expected"], &refused["got"]), (&json!("1.00"), &json!("0.50")));
    site.ask("PATCH", &path("blocked"), &json!({ "amount": "0" })).expect(200, "done");
    let close = || site.post(&path("close"), &Value::Null);
    assert_eq!(close().expect(422, "refused")["rule"], "account_not_empty");
    site.post("/v1/transactions", &transfer(3, &b, &a, "10")).expect(200, "done");
    close().expect(200, "done");
    assert_eq!(close().expect(422, "refused")["rule"], "account_closed");
    let late = site.post("/v1/transactions", &transfer(4, &a, &b, "1")).expect(422, "refused");
    assert_eq!((&late["rule"], &late["may_retry"]), (&json!("account_closed"), &json!(false)));
    let reader = site.ask_as(&site.poster, "POST", &path("close"), &Value::Null);
    assert_eq!(reader.status, 403);
}
