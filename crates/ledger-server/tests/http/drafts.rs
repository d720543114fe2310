//! Amounts that the ledger finds, over HTTP: as much as there is, a sweep, a split, part of a hold.

use serde_json::{Value, json};

use super::{Site, hex, transfer};

fn draft(id: u64, entries: &Value) -> Value {
    json!({ "id": hex(id), "business_date": "2026-11-23", "entries": entries })
}

fn site() -> (Site, [String; 4]) {
    let site = Site::new();
    let accounts =
        [site.open(1, "unlimited"), site.open(2, "0"), site.open(3, "0"), site.open(4, "0")];
    let [a, b, ..] = &accounts;
    site.post("/v1/transactions", &transfer(1, a, b, "10.00")).expect(200, "done");
    (site, accounts)
}

fn available(site: &Site, account: &str) -> String {
    let path = format!("/v1/accounts/{account}");
    site.get(&path).body["balances"]["available"].as_str().unwrap().to_owned()
}

#[test]
fn as_much_as_there_is_a_sweep_and_a_split_with_a_named_remainder() {
    let (site, [_, b, c, d]) = site();
    let up_to = draft(
        2,
        &json!([
            { "account": b, "side": "debit", "up_to": "4.00" },
            { "account": c, "side": "credit", "remainder": true },
        ]),
    );
    // A dry run says exactly what then happens.
    let dry = site.post("/v1/transactions?dry_run=true", &up_to).expect(200, "would_be_done");
    assert_eq!(available(&site, &b), "10.00");
    let done = site.post("/v1/transactions", &up_to).expect(200, "done");
    assert_eq!(done["balances"], dry["balances"]);
    assert_eq!(available(&site, &c), "4.00");
    // The same is known again, although it would come to another amount now.
    assert_eq!(site.post("/v1/transactions", &up_to).expect(200, "done")["repeated"], true);
    let split = draft(
        3,
        &json!([
            { "account": b, "side": "debit", "everything": true },
            { "account": c, "side": "credit", "share": 1 },
            { "account": d, "side": "credit", "share": 2 },
            { "account": c, "side": "credit", "remainder": true },
        ]),
    );
    let done = site.post("/v1/transactions", &split).expect(200, "done");
    assert_eq!(available(&site, &b), "0.00");
    assert_eq!((available(&site, &c), available(&site, &d)), ("6.00".into(), "4.00".into()));
    assert_eq!(done["balances"].as_array().unwrap().len(), 3);
    let nothing =
        site.post("/v1/transactions", &draft(4, &split["entries"])).expect(422, "refused");
    assert_eq!(
        (&nothing["rule"], &nothing["may_retry"]),
        (&json!("nothing_to_move"), &json!(true))
    );
    let other = draft(3, &up_to["entries"]);
    assert_eq!(site.post("/v1/transactions", &other).expect(409, "conflict")["field"], "lines");
}

#[test]
fn a_hold_is_posted_in_parts_that_keep_the_rest() {
    let (site, [a, b, ..]) = site();
    let hold = json!({
        "id": hex(5), "account": b, "side": "debit", "amount": "4.00",
        "business_date": "2026-11-23",
    });
    site.post("/v1/holds", &hold).expect(200, "done");
    let path = format!("/v1/holds/{}/post", hex(5));
    let part = |id, amount, rest| {
        let mut form = transfer(id, &b, &a, amount);
        form["rest"] = json!(rest);
        site.post(&path, &form)
    };
    let first = part(10, "1.00", "kept").expect(200, "done");
    assert_eq!(first["balances"][1]["debits_pending"], "3.00");
    assert_eq!(part(10, "1.00", "kept").expect(200, "done")["repeated"], true);
    let open = site.get(&format!("/v1/holds/{}", hex(5))).body;
    assert_eq!((&open["amount"], &open["remaining"]), (&json!("4.00"), &json!("3.00")));
    let over = part(11, "3.01", "kept").expect(422, "refused");
    assert_eq!((&over["expected"], &over["got"]), (&json!("3.00"), &json!("3.01")));
    let last = part(12, "2.00", "released").expect(200, "done");
    assert_eq!(last["balances"][1]["debits_pending"], "0.00");
    assert_eq!(available(&site, &b), "7.00");
    assert_eq!(part(13, "1.00", "kept").expect(422, "refused")["rule"], "hold_already_posted");
    let odd = part(14, "1.00", "lost").expect(400, "refused");
    assert_eq!(odd["field"], "rest");
}

#[test]
fn what_a_line_cannot_mean_is_named() {
    let (site, [_, b, c, _]) = site();
    let line = |ask: Value| {
        let mut line = json!({ "account": b, "side": "debit" });
        for (name, value) in ask.as_object().unwrap() {
            line[name] = value.clone();
        }
        let rest = json!({ "account": c, "side": "credit", "remainder": true });
        site.post("/v1/transactions", &draft(9, &json!([line, rest])))
    };
    for (ask, field) in [
        (json!({}), "entries.0.amount"),
        (json!({ "amount": "1", "up_to": "2" }), "entries.0.amount"),
        (json!({ "up_to": "1.001" }), "entries.0.up_to"),
        (json!({ "everything": false }), "entries.0.amount"),
        (json!({ "everything": true, "rest": "kept" }), "entries.0.rest"),
    ] {
        assert_eq!(line(ask.clone()).expect(400, "refused")["field"], field, "{ask}");
    }
    let weight = line(json!({ "share": 0 })).expect(422, "refused");
    assert_eq!(weight["rule"], "weight_must_be_positive");
    assert_eq!(line(json!({ "share": "1" })).expect(400, "refused")["code"], "bad-json");
}
