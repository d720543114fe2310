//! Each outcome, and that none becomes another.

use serde_json::{Value, json};

use super::{Site, account, hex, transfer};

#[test]
fn a_transaction_is_done_once_and_says_so_again_after_a_restart() {
    let mut site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let form = transfer(1, &a, &b, "12.50");
    let first = site.post("/v1/transactions", &form).expect(200, "done");
    assert_eq!(first["repeated"], false);
    assert_eq!(first["position"], 2);
    let balance = &first["balances"][1];
    assert_eq!(balance["account"], b);
    assert_eq!(balance["asset"], "EUR.2@bank");
    assert_eq!(balance["credits_posted"], "12.50");
    assert_eq!(balance["available"], "12.50");
    assert_eq!(first["balances"][0]["available"], Value::Null);
    for restarted in [false, true] {
        if restarted {
            site.restart();
        }
        let again = site.post("/v1/transactions", &form).expect(200, "done");
        assert_eq!(again["repeated"], true, "{again}");
        assert_eq!((&again["position"], &again["stamp"]), (&first["position"], &first["stamp"]));
        let found = site.get(&format!("/v1/transactions/{}", hex(1))).expect(200, "done");
        assert_eq!((&found["repeated"], &found["position"]), (&json!(true), &first["position"]));
        let other = transfer(1, &a, &b, "12.51");
        let conflict = site.post("/v1/transactions", &other).expect(409, "conflict");
        assert_eq!(conflict["field"], "entries");
        assert_eq!(conflict["rule"], "id_used_with_other_content");
    }
    let seen = site.get(&format!("/v1/accounts/{b}"));
    assert_eq!((seen.status, &seen.body["balances"]["credits_posted"]), (200, &json!("12.50")));
}

#[test]
fn a_refusal_uses_its_id_up_and_a_dry_run_does_not() {
    let mut site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let form = transfer(7, &b, &a, "0.01");
    let tried = site.post("/v1/transactions?dry_run=true", &form).expect(422, "refused");
    assert_eq!(tried["rule"], "insufficient_funds");
    let refused = site.post("/v1/transactions", &form).expect(422, "refused");
    assert_eq!(refused["rule"], "insufficient_funds");
    assert_eq!((&refused["expected"], &refused["got"]), (&json!("0.01"), &json!("0.00")));
    assert_eq!((&refused["may_retry"], &refused["repeated"]), (&json!(true), &json!(false)));
    assert_eq!(refused["type"], "urn:wayleave:problem:refused");
    // Money arrives: the same id stays refused, another one is done.
    let funding = transfer(8, &a, &b, "5");
    let dry = site.post("/v1/transactions?dry_run=true", &funding).expect(200, "would_be_done");
    assert_eq!(dry["balances"][1]["credits_posted"], "5.00");
    let absent = site.get(&format!("/v1/transactions/{}", hex(8)));
    assert_eq!((absent.status, &absent.body["code"]), (404, &json!("not-found")));
    site.post("/v1/transactions", &funding).expect(200, "done");
    site.restart();
    let again = site.post("/v1/transactions", &form).expect(422, "refused");
    assert_eq!((&again["repeated"], &again["position"]), (&json!(true), &refused["position"]));
    assert_eq!((&again["rule"], &again["may_retry"]), (&json!("insufficient_funds"), &json!(true)));
    let found = site.get(&format!("/v1/transactions/{}", hex(7))).expect(422, "refused");
    assert_eq!(found["position"], refused["position"]);
    site.post("/v1/transactions", &transfer(9, &b, &a, "0.01")).expect(200, "done");
}

#[test]
fn entries_and_the_short_form_are_the_same_transaction() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let long = json!({
        "id": format!("txn_{}", hex(3)), "business_date": "2026-11-23", "reason": "payment",
        "entries": [
            { "account": a, "side": "debit", "amount": "3.10", "asset": "EUR.2@bank" },
            { "account": b, "side": "credit", "amount": "3.1" },
        ],
    });
    site.post("/v1/transactions", &long).expect(200, "done");
    let short = site.post("/v1/transactions", &transfer(3, &a, &b, "3.10")).expect(200, "done");
    assert_eq!(short["repeated"], true);
    let mut fee = transfer(3, &a, &b, "3.10");
    fee["reason"] = json!("fee");
    let conflict = site.post("/v1/transactions", &fee).expect(409, "conflict");
    assert_eq!(conflict["field"], "reason");
}

#[test]
fn accounts_are_opened_bounded_frozen_and_shown() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "-10.00"));
    let again = json!({
        "id": b, "asset": "EUR.2@bank", "normal": "credit", "purpose": "customer",
        "owner": { "institution": "bank" }, "floor": "-10.00",
    });
    assert_eq!(site.post("/v1/accounts", &again).expect(200, "done")["repeated"], true);
    let seen = site.get(&format!("/v1/accounts/{b}")).body;
    assert_eq!((&seen["floor"], &seen["ceiling"]), (&json!("-10.00"), &json!("unlimited")));
    assert_eq!(seen["balances"]["available"], "10.00");
    let limits = json!({ "floor": "0", "ceiling": "20" });
    site.ask("PATCH", &format!("/v1/accounts/{b}/limits"), &limits).expect(200, "done");
    let over = site.post("/v1/transactions", &transfer(1, &a, &b, "20.01")).expect(422, "refused");
    assert_eq!(over["rule"], "ceiling_exceeded");
    assert_eq!((&over["expected"], &over["got"]), (&json!("20.00"), &json!("20.01")));
    let freeze = format!("/v1/accounts/{b}/freeze");
    site.ask("PATCH", &freeze, &json!({ "freeze": "credits" })).expect(200, "done");
    let frozen = site.post("/v1/transactions", &transfer(2, &a, &b, "1")).expect(422, "refused");
    assert_eq!(frozen["rule"], "account_frozen");
    assert_eq!(site.get(&format!("/v1/accounts/{b}")).body["freeze"], "credits");
    assert_eq!(site.get(&format!("/v1/accounts/{}", account(9))).status, 404);
}

#[test]
fn a_bulk_says_of_each_item_what_became_of_it() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let items = json!({ "transactions": [
        transfer(1, &a, &b, "1.00"),
        transfer(2, &b, &a, "1.01"),
        transfer(3, &a, &account(9), "1.00"),
        transfer(1, &a, &b, "1.00"),
        transfer(1, &a, &b, "2.00"),
        transfer(4, &b, &a, "1.00"),
    ] });
    let dry = site.post("/v1/transactions/bulk?dry_run=true", &items);
    assert_eq!(dry.body["items"][0]["outcome"], "would_be_done");
    let reply = site.post("/v1/transactions/bulk?mode=independent", &items);
    assert_eq!(reply.status, 200, "{reply:?}");
    let items = reply.body["items"].as_array().unwrap();
    let said: Vec<_> = items
        .iter()
        .map(|item| (item["outcome"].as_str().unwrap(), item["rule"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        ("done", ""),
        ("refused", "insufficient_funds"),
        ("refused", "unknown_account"),
        ("done", ""),
        ("conflict", "id_used_with_other_content"),
        ("done", ""),
    ];
    assert_eq!(said, expected);
    assert_eq!((&items[0]["repeated"], &items[3]["repeated"]), (&json!(false), &json!(true)));
    assert_eq!(items[3]["position"], items[0]["position"]);
    assert!(reply.body["position"].as_u64() > items[5]["position"].as_u64());
}

#[test]
fn the_status_names_the_durable_head_and_what_follows_it() {
    let site = Site::new();
    site.open(1, "0");
    let health = site.raw("GET", "/health", "", b"");
    assert_eq!((health.status, &health.body["status"]), (200, &json!("up")));
    let ready = site.raw("GET", "/ready", "", b"");
    assert_eq!((ready.status, &ready.body["status"]), (200, &json!("ready")));
    let status = site.get("/v1/status").body;
    assert_eq!((&status["book"], &status["position"]), (&json!("book"), &json!(1)));
    // The log follows by itself: it gets there, and is never ahead.
    let log = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let status = site.get("/v1/status").body;
        let log = &status["projections"]["log"];
        assert!(log["position"].as_u64() <= status["position"].as_u64(), "{status}");
        (log["lag"] == 0).then(|| log.clone())
    });
    assert_eq!(log, Some(json!({ "position": 1, "lag": 0 })));
    assert!(status["epoch"].as_u64() >= Some(1), "{status}");
}
