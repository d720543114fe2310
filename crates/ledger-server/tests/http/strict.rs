//! What is not understood is refused, and says where.

use serde_json::{Value, json};

use super::{Site, account, transfer};

#[test]
fn malformed_json_is_refused() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let good = transfer(1, &a, &b, "1").to_string();
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let inner = good.strip_suffix('}').unwrap();
    let head =
        format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", site.operator);
    for (body, says) in [
        (String::new(), "EOF"),
        ("null".into(), "expected an object"),
        (
            format!(
                "[\"{}\",\"2026-11-23\",null,null,\"{a}\",\"{b}\",\"1\",null,null]",
                super::hex(1)
            ),
            "expected an object",
        ),
        ("[]".into(), "expected an object"),
        ("{".into(), "EOF"),
        (good.clone() + "{}", "trailing"),
        (format!("\u{feff}{good}"), "expected value"),
        (format!("{inner},\"more\":1}}"), "unknown field `more`"),
        (format!("{inner},\"amount\":\"2\"}}"), "duplicate field `amount`"),
        (format!("{inner},\"am\\u006funt\":\"2\"}}"), "duplicate field `amount`"),
        (good.replace("\"1\"", "1"), "expected a string"),
        (good.replace("\"1\"", "1.0"), "expected a string"),
        (good.replace("\"1\"", &format!("{open}{close}")), "expected a string"),
        (format!("{{\"entries\":{open}{close}}}"), "expected an object"),
        (open.clone() + &close, "expected an object"),
    ] {
        let reply = site.raw("POST", "/v1/transactions", &head, body.as_bytes());
        let short: String = body.chars().take(80).collect();
        let detail = reply.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(says), "{detail} for {short}");
        assert_eq!(reply.expect(400, "refused")["code"], "bad-json", "{short}");
    }
    let broken = [good.as_bytes(), b"\xff"].concat();
    assert_eq!(site.raw("POST", "/v1/transactions", &head, &broken).status, 400);
    assert_eq!(site.get("/v1/status").body["position"], 2);
}

#[test]
fn a_member_without_meaning_is_named() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let good = transfer(1, &a, &b, "1");
    let cases = [
        ("id", json!("1")),
        ("id", json!("txn_".to_owned() + &"A".repeat(32))),
        ("business_date", json!("2026-02-30")),
        ("business_date", json!("20261123")),
        ("reason", json!("gift")),
        ("from", json!("txn_00000000000000000000000000000001")),
        ("to", json!("")),
        ("amount", json!("1.001")),
        ("amount", json!("-1")),
        ("amount", json!("1e2")),
        ("amount", json!("")),
        ("amount", json!("01")),
        ("amount", json!("9".repeat(40))),
        ("asset", json!("EUR")),
        ("asset", json!("USD.2@bank")),
        ("payment", json!("pay_1")),
    ];
    for (field, value) in cases {
        let mut form = good.clone();
        form[field] = value.clone();
        let body = site.post("/v1/transactions", &form).expect(400, "refused");
        assert_eq!(
            (&body["code"], &body["field"]),
            (&json!("bad-field"), &json!(field)),
            "{value}"
        );
        assert!(body["expected"].is_string() && body["got"].is_string(), "{body}");
        let bulk = json!({ "transactions": [good, form] });
        let reply = site.post("/v1/transactions/bulk", &bulk);
        if reply.status == 400 {
            assert_eq!(reply.body["field"], format!("transactions.1.{field}"));
        } else {
            // What only the account's asset decides is refused of the item alone.
            assert!(["amount", "asset"].contains(&field), "{reply:?}");
            assert_eq!(reply.body["items"][1]["field"], field);
        }
    }
    let mut both = good.clone();
    both["entries"] = json!([]);
    let body = site.post("/v1/transactions", &both).expect(400, "refused");
    assert_eq!(body["field"], "entries");
    let mut none = good;
    none.as_object_mut().unwrap().remove("to");
    assert_eq!(site.post("/v1/transactions", &none).status, 400);
    let entry = json!({ "account": a, "side": "left", "amount": "1" });
    let entries = json!({ "id": super::hex(4), "business_date": "2026-11-23", "entries": [entry] });
    let body = site.post("/v1/transactions", &entries).expect(400, "refused");
    assert_eq!(body["field"], "entries.0.side");
}

#[test]
fn rules_of_the_ledger_speak_where_the_form_is_sound() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let entry = |account: &str, side: &str, amount: &str| json!({ "account": account, "side": side, "amount": amount });
    let of = |entries: Value, id: u64| json!({ "id": super::hex(id), "business_date": "2026-11-23", "entries": entries });
    for (id, entries, rule) in [
        (1, json!([]), "entries_out_of_range"),
        (2, json!([entry(&a, "debit", "0"), entry(&b, "credit", "0")]), "amount_must_be_positive"),
        (
            3,
            json!([entry(&a, "debit", "1"), entry(&b, "credit", "2")]),
            "debits_must_equal_credits",
        ),
        (4, json!([entry(&a, "debit", "1"), entry(&account(9), "credit", "1")]), "unknown_account"),
        (5, json!([entry(&b, "debit", "1"), entry(&a, "credit", "1")]), "insufficient_funds"),
    ] {
        let body = site.post("/v1/transactions", &of(entries, id)).expect(422, "refused");
        assert_eq!(body["rule"], rule);
        assert!(body["expected"].is_string() && body["got"].is_string(), "{body}");
    }
}
