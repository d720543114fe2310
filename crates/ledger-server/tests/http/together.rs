//! Many at once.

use std::sync::atomic::{AtomicU64, Ordering};

use ledger_server::load::{IdOrder, Load};
use ledger_server::load_http::{self, HttpAt};
use serde_json::json;

use super::{Site, account, transfer};

#[test]
fn two_thousand_posts_at_once_conserve_money() {
    const THREADS: u64 = 16;
    const EACH: u64 = 125;
    let site = Site::new();
    let accounts: Vec<String> =
        (1..=5).map(|n| site.open(n, if n == 1 { "unlimited" } else { "0" })).collect();
    let (done, moved) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (site, accounts, done, moved) = (&site, &accounts, &done, &moved);
            scope.spawn(move || {
                for n in 0..EACH {
                    let id = thread * EACH + n;
                    let (from, to) = (id % 5, (id + 1 + id / 5 % 4) % 5);
                    let cents = 1 + id * 7 % 300;
                    let amount = format!("{}.{:02}", cents / 100, cents % 100);
                    let from = &accounts[from as usize];
                    let form = transfer(1_000 + id, from, &accounts[to as usize], &amount);
                    let first = site.post("/v1/transactions", &form);
                    // Every third asks twice: that moves nothing more.
                    if id.is_multiple_of(3) {
                        let again = site.post("/v1/transactions", &form);
                        assert_eq!(first.status, again.status);
                        assert_eq!(again.body["repeated"], true, "{again:?}");
                    }
                    match first.status {
                        200 => {
                            done.fetch_add(1, Ordering::Relaxed);
                            moved.fetch_add(cents, Ordering::Relaxed);
                        }
                        422 => assert_eq!(first.body["rule"], "insufficient_funds"),
                        _ => panic!("{first:?}"),
                    }
                }
            });
        }
    });
    let moved = moved.into_inner();
    let shown = format!("{}.{:02}", moved / 100, moved % 100);
    let totals = site.get("/v1/totals").body;
    assert_eq!(totals["accounts"], 5);
    let total = &totals["assets"][0];
    assert_eq!(total["debits_posted"], json!(shown));
    assert_eq!(total["credits_posted"], json!(shown));
    let mut sum = 0_i128;
    for number in 1..=5 {
        let balances = &site.get(&format!("/v1/accounts/{}", account(number))).body["balances"];
        let cents = |name: &str| -> i128 {
            balances[name].as_str().unwrap().replace('.', "").parse().unwrap()
        };
        let balance = cents("credits_posted") - cents("debits_posted");
        assert!(number == 1 || balance >= 0, "account {number}: {balance}");
        sum += balance;
    }
    assert_eq!(sum, 0);
    assert!(done.into_inner() > 400);
    assert_eq!(site.get("/v1/status").body["position"], 5 + THREADS * EACH);
}

#[test]
fn the_load_is_done_and_counted() {
    let site = Site::new();
    for number in 0..4 {
        let form = json!({
            "id": ledger_server::load::account(number).to_string(), "asset": "EUR.2@load",
            "normal": "credit", "purpose": "customer", "owner": { "institution": "load" },
            "floor": "unlimited",
        });
        site.post("/v1/accounts", &form).expect(200, "done");
    }
    let at = HttpAt { address: site.address(), key: site.poster.clone() };
    for batch in [1, 50] {
        let load = Load {
            transactions: 400,
            batch,
            connections: 4,
            ahead: 1,
            accounts: 4,
            ids: IdOrder::Random,
            seed: batch as u64,
        };
        let seen = load_http::post(&at, &load).unwrap();
        assert_eq!((seen.done, seen.other), (400, 0));
        assert_eq!(seen.latencies.len(), 400 / batch);
    }
    assert_eq!(site.get("/v1/status").body["position"], 4 + 800);
}
