//! Holds: placed, posted, pinned, voided, expired.

use serde_json::json;

use super::{Site, hex, transfer};

#[test]
fn a_hold_is_placed_and_posted_in_part() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    site.post("/v1/transactions", &transfer(1, &a, &b, "10")).expect(200, "done");
    let hold = json!({
        "id": hex(5), "account": b, "side": "debit", "amount": "4.00",
        "business_date": "2026-11-23", "expires_at": "2099-01-01T00:00:00Z",
    });
    let placed = site.post("/v1/holds", &hold).expect(200, "done");
    assert_eq!(placed["balances"][0]["debits_pending"], "4.00");
    assert_eq!(placed["balances"][0]["available"], "6.00");
    assert_eq!(site.post("/v1/holds", &hold).expect(200, "done")["repeated"], true);
    let path = format!("/v1/holds/{}", hex(5));
    let open = site.get(&path).body;
    assert_eq!((&open["state"], &open["amount"]), (&json!("open"), &json!("4.00")));
    let post = format!("{path}/post");
    let more = site.post(&post, &transfer(2, &b, &a, "4.01")).expect(422, "refused");
    assert_eq!(more["rule"], "amount_exceeds_hold");
    assert_eq!((&more["expected"], &more["got"]), (&json!("4.00"), &json!("4.01")));
    let posted = site.post(&post, &transfer(3, &b, &a, "3")).expect(200, "done");
    assert_eq!(posted["balances"][1]["debits_pending"], "0.00");
    assert_eq!(posted["balances"][1]["available"], "7.00");
    assert_eq!(site.post(&post, &transfer(3, &b, &a, "3")).expect(200, "done")["repeated"], true);
    let twice = site.post(&post, &transfer(4, &b, &a, "1")).expect(422, "refused");
    assert_eq!(twice["rule"], "hold_already_posted");
    assert_eq!(site.get(&path).body["state"], "ended");
}

#[test]
fn a_pinned_hold_is_voided_with_evidence_only() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    site.post("/v1/transactions", &transfer(1, &a, &b, "10")).expect(200, "done");
    let hold = |id: u64, until: &str| {
        json!({
            "id": hex(id), "account": b, "side": "debit", "amount": "1",
            "business_date": "2026-11-23", "expires_at": until,
        })
    };
    site.post("/v1/holds", &hold(5, "2099-01-01T00:00:00Z")).expect(200, "done");
    let path = format!("/v1/holds/{}", hex(5));
    site.post(&format!("{path}/pin"), &serde_json::Value::Null).expect(200, "done");
    assert_eq!(site.get(&path).body["state"], "pinned");
    let pinned = site.post(&format!("{path}/pin"), &json!(null)).expect(422, "refused");
    assert_eq!(pinned["rule"], "hold_already_pinned");
    let void = format!("{path}/void");
    let cancelled = site.post(&void, &json!({ "ground": "cancelled" })).expect(422, "refused");
    assert_eq!(cancelled["rule"], "evidence_required");
    let evidence = json!({
        "ground": "not_done", "source": "rail_refused", "document": "ab".repeat(32),
    });
    site.post(&void, &evidence).expect(200, "done");
    let voided = site.post(&void, &evidence).expect(422, "refused");
    assert_eq!(voided["rule"], "hold_already_voided");
    let past = site.post("/v1/holds", &hold(6, "2001-01-01T00:00:00Z")).expect(422, "refused");
    assert_eq!(past["rule"], "expiry_must_be_later");
    assert_eq!(past["got"], "2001-01-01T00:00:00.000000000Z");
    let none = site.post(&format!("/v1/holds/{}/pin", hex(9)), &json!(null));
    assert_eq!(none.expect(422, "refused")["rule"], "unknown_hold");
    assert_eq!(site.get(&format!("/v1/holds/{}", hex(9))).status, 404);
}
