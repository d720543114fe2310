//! Questions by HTTP: content, the past, holds, links, facts, metrics.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ledger_server::Folder;
use serde_json::{Value, json};

use super::{Site, hex, transfer};

fn get(site: &Site, path: &str) -> Value {
    let reply = site.get(path);
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    assert!(reply.body["position"].is_u64(), "every answer names its position: {reply:?}");
    reply.body
}

/// Two accounts, three transfers, of which one names a payment, and a hold that is posted.
fn booked() -> (Site, String, String) {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    for (id, amount) in [(1, "10.00"), (2, "2.50")] {
        site.post("/v1/transactions", &transfer(id, &a, &b, amount)).expect(200, "done");
    }
    let mut linked = transfer(3, &a, &b, "0.05");
    linked["payment"] = json!(hex(77));
    linked["reason"] = json!("fee");
    site.post("/v1/transactions", &linked).expect(200, "done");
    let hold = json!({
        "id": hex(9), "account": b, "side": "debit", "amount": "4.00",
        "business_date": "2026-11-23", "expires_at": "2400-01-01T00:00:00Z",
    });
    site.post("/v1/holds", &hold).expect(200, "done");
    (site, a, b)
}

#[test]
fn a_transaction_is_shown_with_its_content_and_a_hold_with_its_history() {
    let (site, a, b) = booked();
    let found = get(&site, &format!("/v1/transactions/{}", hex(3)));
    let whole = &found["transaction"];
    assert_eq!((&whole["kind"], &whole["reason"]), (&json!("posted"), &json!("fee")));
    assert_eq!(whole["entries"][0]["account"], a);
    assert_eq!(whole["entries"][1]["account"], b);
    assert_eq!(whole["entries"][0]["moved"], json!({ "amount": "0.05", "asset": "EUR.2@bank" }));
    assert_eq!(whole["links"], json!([{ "payment": format!("pay_{}", hex(77)) }]));
    assert_eq!(found["as_of"], 6);

    let open = get(&site, &format!("/v1/holds/{}", hex(9)));
    assert_eq!(
        (&open["state"], &open["history"][0]["kind"]),
        (&json!("open"), &json!("hold_placed"))
    );
    let post = transfer(4, &b, &a, "1.00");
    site.post(&format!("/v1/holds/{}/post", hex(9)), &post).expect(200, "done");
    let ended = get(&site, &format!("/v1/holds/{}", hex(9)));
    assert_eq!(ended["state"], "ended");
    let kinds: Vec<&Value> =
        ended["history"].as_array().unwrap().iter().map(|fact| &fact["kind"]).collect();
    assert_eq!(kinds, ["hold_placed", "posted"]);
    let rest = json!({ "amount": "3.00", "asset": "EUR.2@bank" });
    assert_eq!(ended["history"][1]["holds"][0]["released"], rest);
    let fact = get(&site, "/v1/facts/6");
    assert_eq!(fact["facts"][0], ended["history"][1]);
    assert_eq!(site.get("/v1/facts/7").status, 404);
}

#[test]
fn balances_of_the_past_statements_holds_links_and_trial_balances() {
    let (site, a, b) = booked();
    let fresh = get(&site, &format!("/v1/accounts/{b}/balance?fresh=now"));
    assert_eq!(
        (&fresh["credits_posted"], &fresh["debits_pending"]),
        (&json!("12.55"), &json!("4.00"))
    );
    assert_eq!(fresh["position"], 6);
    let then = get(&site, &format!("/v1/accounts/{b}/balance?position=3"));
    assert_eq!(
        (&then["credits_posted"], &then["debits_pending"]),
        (&json!("12.50"), &json!("0.00"))
    );
    let fact = get(&site, "/v1/facts/2");
    let stamp = fact["facts"][0]["stamp"].as_str().unwrap();
    for kind in ["time", "effective"] {
        let past = get(&site, &format!("/v1/accounts/{b}/balance?{kind}={stamp}"));
        assert_eq!(past["credits_posted"], "10.00", "{kind}");
    }
    let page = get(&site, &format!("/v1/accounts/{b}/statement?amount_min=1.00&limit=1"));
    assert_eq!((&page["entries"][0]["amount"], &page["at_end"]), (&json!("10.00"), &json!(false)));
    let after = page["next"].as_str().unwrap();
    let path = format!("/v1/accounts/{b}/statement?amount_min=1.00&limit=1&after={after}");
    let page = get(&site, &path);
    assert_eq!(page["entries"][0]["amount"], "2.50");
    let newest = get(&site, &format!("/v1/accounts/{b}/statement?order=newest&counterparty={a}"));
    assert_eq!(newest["entries"][0]["amount"], "0.05");
    assert_eq!(newest["entries"].as_array().unwrap().len(), 3);
    let fees = get(&site, &format!("/v1/accounts/{b}/statement?reason=fee&side=credit"));
    assert_eq!(fees["entries"].as_array().unwrap().len(), 1);

    let holds = get(&site, "/v1/holds?until=2400-01-01T00:00:00Z");
    assert_eq!(holds["holds"][0]["amount"], "4.00");
    assert_eq!(get(&site, "/v1/holds?until=2399-01-01T00:00:00Z")["holds"], json!([]));
    assert_eq!(get(&site, &format!("/v1/accounts/{b}/holds"))["holds"], holds["holds"]);
    let events = get(&site, &format!("/v1/accounts/{b}/hold-events"));
    assert_eq!(events["events"][0]["step"], "placed");
    let links = get(&site, &format!("/v1/links/payment/{}", hex(77)));
    assert_eq!(links["transactions"][0]["transaction"], format!("txn_{}", hex(3)));

    let trial = get(&site, "/v1/trial-balance?date=2026-11-23");
    assert_eq!(
        (&trial["assets"][0]["debits"], &trial["assets"][0]["credits_before"]),
        (&json!("12.55"), &json!("0.00"))
    );
    let trial = get(&site, "/v1/trial-balance?date=2026-11-24&by=account&limit=1");
    assert_eq!(trial["accounts"][0]["opening"]["debits"], "12.55");
    assert_eq!(get(&site, &format!("/v1/position?time={stamp}"))["facts"], 3);
}

#[test]
fn what_cannot_be_answered_is_told_apart() {
    let (site, _, b) = booked();
    let balance = format!("/v1/accounts/{b}/balance");
    for (path, status, code) in [
        (format!("{balance}?when=now"), 400, "bad-request"),
        (format!("{balance}?position=x"), 400, "bad-field"),
        (format!("{balance}?position=1&time=2026-11-23T10:00:00Z"), 400, "bad-request"),
        (format!("{balance}?fresh=now&at_least=1"), 400, "bad-request"),
        (format!("{balance}?fresh=now&fresh=now"), 400, "bad-request"),
        (format!("{balance}?position=99"), 503, "not-ready"),
        (format!("/v1/accounts/{b}/statement?limit=0"), 400, "bad-field"),
        (format!("/v1/accounts/{b}/statement?after=xyz"), 400, "bad-field"),
        (format!("/v1/accounts/{}/balance", hex(99)), 404, "not-found"),
        (format!("/v1/links/nobody/{}", hex(1)), 400, "bad-field"),
        ("/v1/trial-balance".to_owned(), 400, "bad-field"),
        ("/v1/events?from=99".to_owned(), 503, "not-ready"),
        ("/v1/events?limit=1001".to_owned(), 400, "bad-field"),
        ("/v1/events?wait=16".to_owned(), 400, "bad-field"),
    ] {
        let reply = site.get(&path);
        let got = (reply.status, reply.body["code"].as_str().unwrap_or_default().to_owned());
        assert_eq!(got, (status, code.to_owned()), "{path}: {reply:?}");
    }
    for path in ["/metrics", "/v1/events", balance.as_str()] {
        assert_eq!(site.raw("GET", path, "", b"").status, 401, "{path}");
    }
}

#[test]
fn facts_come_in_pages_also_those_that_are_waited_for() {
    let (mut site, a, b) = booked();
    let all = get(&site, "/v1/events?from=0");
    let all = all["events"].as_array().unwrap().clone();
    let positions: Vec<u64> = all.iter().map(|fact| fact["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5]);
    let page = get(&site, "/v1/events?from=2&limit=3");
    assert_eq!((&page["events"], &page["next"]), (&json!(all[2..5]), &json!(5)));
    let empty = get(&site, "/v1/events?from=6");
    assert_eq!((&empty["events"], &empty["next"]), (&json!([]), &json!(6)));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| get(&site, "/v1/events?from=6&wait=15"));
        site.post("/v1/transactions", &transfer(8, &a, &b, "1.00")).expect(200, "done");
        assert_eq!(waits.join().unwrap()["events"][0]["kind"], "posted");
    });
    site.restart();
    assert_eq!(get(&site, "/v1/events?from=0&limit=6")["events"], json!(all));
}

#[test]
fn facts_come_as_server_sent_events() {
    let (site, a, b) = booked();
    let mut stream = TcpStream::connect(site.address()).unwrap();
    let head = format!(
        "GET /v1/events?from=4 HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\
         authorization: Bearer {}\r\n\r\n",
        site.operator
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut ids = |wanted: usize| -> Vec<String> {
        let ids = lines.by_ref().map(Result::unwrap);
        ids.filter_map(|line| line.strip_prefix("id: ").map(str::to_owned)).take(wanted).collect()
    };
    assert_eq!(ids(2), ["4", "5"]);
    site.post("/v1/transactions", &transfer(8, &a, &b, "1.00")).expect(200, "done");
    assert_eq!(ids(1), ["6"]);
}

#[test]
fn server_sent_events_end_with_the_key_of_whoever_asked() {
    let (mut site, _, _) = booked();
    let folder = Folder::open(&site.dir).unwrap();
    let lasts = Duration::from_secs(4);
    let until = client::system::now().plus(lasts);
    let key = folder.make_api_key_until("reader", Some(until)).unwrap();
    site.restart();
    let mut stream = TcpStream::connect(site.address()).unwrap();
    // It ends by itself, before the next sign that it is still there.
    stream.set_read_timeout(Some(lasts * 3)).unwrap();
    let head = format!(
        "GET /v1/events?from=4 HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\
         connection: close\r\nauthorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.take(1 << 20).read_to_string(&mut text).unwrap();
    assert!(text.contains("id: 5\n"), "{text}");
    assert!(text.contains("event: fault\n") && text.contains("unauthenticated"), "{text}");
}

#[test]
fn metrics_count_refusals_and_show_lags() {
    let (site, a, b) = booked();
    site.post("/v1/transactions", &transfer(5, &b, &a, "900.00")).expect(422, "refused");
    let mut stream = TcpStream::connect(site.address()).unwrap();
    let head = format!(
        "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        site.reader
    );
    stream.write_all(head.as_bytes()).unwrap();
    let text = std::io::read_to_string(stream).unwrap();
    for wanted in [
        "application/openmetrics-text",
        "wayleave_ledger_refusals_total{book=\"book\",rule=\"insufficient_funds\"} 1",
        "wayleave_ledger_projection_lag{book=\"book\",projection=\"ids\"} 0",
        "wayleave_ledger_fsync_seconds_count{book=\"book\"} ",
        "# EOF",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let status = get(&site, "/v1/status");
    assert_eq!(status["projections"]["ids"]["lag"], 0);
}
