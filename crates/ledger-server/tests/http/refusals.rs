//! Who is let in, and how much at once.

use ledger_server::{Folder, serve};
use serde_json::{Value, json};

use super::{Site, hex, options, transfer};

#[test]
fn a_key_is_needed_and_its_scope_is_kept() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let form = transfer(1, &a, &b, "1").to_string();
    let json_type = "content-type: application/json\r\n";
    let secret = site.poster.split_once('.').unwrap().1.to_owned();
    let foreign = site.reader.split_once('.').unwrap().1.to_owned();
    let bearer = |text: &str| format!("authorization: Bearer {text}\r\n");
    let heads = [
        String::new(),
        bearer(""),
        bearer("poster"),
        bearer("poster."),
        bearer(&format!("poster.{foreign}")),
        bearer(&format!("nobody.{secret}")),
        bearer(&format!("poster.{}", secret.to_uppercase())),
        bearer(&format!("poster.{}", &secret[2..])),
        format!("authorization: Basic {}\r\n", site.poster),
        format!("authorization: {}\r\n", site.poster),
        format!("{}{}", bearer(&site.poster), bearer(&site.poster)),
    ];
    for head in heads {
        let head = format!("{head}{json_type}");
        let reply = site.raw("POST", "/v1/transactions", &head, form.as_bytes());
        assert_eq!(reply.status, 401, "{head}");
        assert!(reply.head.contains("www-authenticate: bearer"), "{}", reply.head);
        assert_eq!(reply.body["code"], "unauthenticated");
    }
    let opening = json!({
        "id": hex(3), "asset": "EUR.2@bank", "normal": "credit", "purpose": "fee",
        "owner": { "company": "nl-kvk:1" },
    });
    let hold = format!("/v1/holds/{}/pin", hex(1));
    let freeze = format!("/v1/accounts/{a}/freeze");
    let form = transfer(1, &a, &b, "1");
    for (key, method, path, body, needs) in [
        (&site.reader, "POST", "/v1/transactions", &form, "post"),
        (&site.reader, "POST", "/v1/transactions/bulk", &json!({ "transactions": [form] }), "post"),
        (&site.reader, "POST", hold.as_str(), &Value::Null, "post"),
        (&site.reader, "POST", "/v1/accounts", &opening, "manage"),
        (&site.poster, "POST", "/v1/accounts", &opening, "manage"),
        (&site.poster, "PATCH", freeze.as_str(), &json!({ "freeze": "both" }), "manage"),
    ] {
        let body = site.ask_as(key, method, path, body).expect(403, "refused");
        assert_eq!((&body["code"], &body["expected"]), (&json!("forbidden"), &json!(needs)));
    }
    // Nothing of all this was recorded.
    assert_eq!(site.get("/v1/status").body["position"], 2);
    site.ask_as(&site.poster, "POST", "/v1/transactions", &form).expect(200, "done");
}

#[test]
fn only_the_digest_of_a_key_is_kept_and_a_new_key_replaces_it() {
    let mut site = Site::new();
    let text = std::fs::read_to_string(site.dir.join("clients.json")).unwrap();
    let secret = site.reader.split_once('.').unwrap().1.to_owned();
    assert!(text.contains("api_key") && !text.contains(&secret));
    let old = site.reader.clone();
    let folder = Folder::open(&site.dir).unwrap();
    let new = folder.make_api_key("reader").unwrap();
    assert!(folder.make_api_key("nobody").is_err());
    site.restart();
    assert_eq!(site.ask_as(&old, "GET", "/v1/totals", &Value::Null).status, 401);
    assert_eq!(site.ask_as(&new, "GET", "/v1/totals", &Value::Null).status, 200);
}

#[test]
fn limits_hold() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let large = json!({ "transactions": "x".repeat(1 << 20) });
    let reply = site.post("/v1/transactions/bulk", &large);
    assert_eq!((reply.status, &reply.body["code"]), (413, &json!("too-large")));
    let many: Vec<Value> = (1..=1_001).map(|id| transfer(id, &a, &b, "1")).collect();
    for (items, field) in [(&many[..], "1001"), (&[], "0")] {
        let reply = site.post("/v1/transactions/bulk", &json!({ "transactions": items }));
        let body = reply.expect(400, "refused");
        assert_eq!((&body["field"], &body["got"]), (&json!("transactions"), &json!(field)));
    }
    let most = json!({ "transactions": &many[..1_000] });
    let reply = site.post("/v1/transactions/bulk", &most);
    assert_eq!(reply.body["items"].as_array().map(Vec::len), Some(1_000));
    let both = site.post("/v1/transactions/bulk?mode=all_or_nothing", &most);
    let repeated = both.body["items"].as_array().unwrap();
    assert!(repeated.iter().all(|item| item["repeated"] == true));
    let one = site.post("/v1/transactions?mode=all_or_nothing", &transfer(1, &a, &b, "1"));
    assert_eq!(one.expect(422, "refused")["code"], "unsupported");
    let head = format!("authorization: Bearer {}\r\n", site.operator);
    let plain = site.raw("POST", "/v1/transactions", &head, b"{}");
    assert_eq!((plain.status, &plain.body["code"]), (415, &json!("media-type")));
    let put = site.ask("PUT", "/v1/transactions", &json!({}));
    assert_eq!((put.status, &put.body["code"]), (405, &json!("method-not-allowed")));
    assert!(put.head.contains("allow: post"), "{}", put.head);
    assert_eq!(site.get("/v2/transactions").status, 404);
    let options = site.post("/v1/transactions?dryrun=true", &transfer(1, &a, &b, "1"));
    assert_eq!((options.status, &options.body["code"]), (400, &json!("bad-request")));
}

#[test]
fn http_is_not_served_beyond_loopback() {
    let site = Site::new();
    let dir = site.dir.join("other");
    let folder = Folder::create(&dir, "other".parse().unwrap()).unwrap();
    let mut options = options();
    options.http = Some("0.0.0.0:0".parse().unwrap());
    let error = serve(&folder, &options).unwrap_err().to_string();
    assert!(error.contains("not on loopback"), "{error}");
}
