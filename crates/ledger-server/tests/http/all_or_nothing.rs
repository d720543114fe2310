//! Bulks that are done whole or not at all.

use serde_json::{Value, json};

use super::{Site, hex, transfer};

const PATH: &str = "/v1/transactions/bulk?mode=all_or_nothing";

fn outcomes(items: &Value) -> Vec<&str> {
    items["items"].as_array().unwrap().iter().map(|i| i["outcome"].as_str().unwrap()).collect()
}

#[test]
fn all_are_done_in_one_batch_or_none_is() {
    let mut site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let bulk = json!({ "transactions": [
        transfer(1, &a, &b, "10.00"), transfer(2, &b, &a, "10.01"), transfer(3, &a, &b, "1.00"),
    ]});
    let refused = site.post(PATH, &bulk).expect(422, "refused");
    assert_eq!(refused["rule"], "insufficient_funds");
    assert_eq!(refused["field"], "transactions.1");
    assert_eq!((&refused["expected"], &refused["got"]), (&json!("10.01"), &json!("10.00")));
    assert_eq!(outcomes(&refused), ["not_done", "refused", "not_done"]);
    assert!(refused["items"][0]["mend"].as_str().unwrap().starts_with("its id is free"));
    let balance = |site: &Site| {
        site.get(&format!("/v1/accounts/{b}")).body["balances"]["credits_posted"].clone()
    };
    assert_eq!(balance(&site), "0.00");
    assert_eq!(site.get(&format!("/v1/transactions/{}", hex(1))).status, 404);
    // The same again is refused again, as the first time.
    let again = site.post(PATH, &bulk).expect(422, "refused");
    assert_eq!((&again["rule"], &again["repeated"]), (&json!("insufficient_funds"), &json!(true)));
    let numbers =
        |said: &Value| (said["expected"].clone(), said["got"].clone(), said["detail"].clone());
    assert_eq!(numbers(&again), numbers(&refused));
    // Without it, under the same ids, all is done, at following positions; and then repeated.
    let rest = json!({ "transactions": [
        transfer(1, &a, &b, "10.00"), transfer(4, &b, &a, "10.00"), transfer(3, &a, &b, "1.00"),
    ]});
    let dry = site.post(&format!("{PATH}&dry_run=true"), &rest);
    assert_eq!((dry.status, outcomes(&dry.body)), (200, vec!["would_be_done"; 3]));
    assert_eq!(balance(&site), "0.00");
    let done = site.post(PATH, &rest);
    assert_eq!((done.status, outcomes(&done.body)), (200, vec!["done"; 3]), "{done:?}");
    let place = |n: usize| done.body["items"][n]["position"].as_u64().unwrap();
    assert_eq!((place(1), place(2)), (place(0) + 1, place(0) + 2));
    assert_eq!(done.body["items"][0]["stamp"], done.body["items"][2]["stamp"]);
    assert_eq!(balance(&site), "11.00");
    for _ in 0..2 {
        let again = site.post(PATH, &rest);
        let repeated = again.body["items"].as_array().unwrap();
        assert!(repeated.iter().all(|item| item["repeated"] == true), "{again:?}");
        let positions = |body: &Value| {
            let items = body["items"].as_array().unwrap();
            items.iter().map(|item| item["position"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(positions(&again.body), positions(&done.body));
        site.restart();
    }
}

#[test]
fn an_account_that_is_not_there_breaks_it_before_the_book_is_asked() {
    let site = Site::new();
    let a = site.open(1, "unlimited");
    let b = site.open(2, "0");
    let bulk = json!({ "transactions": [
        transfer(1, &a, &b, "10.00"), transfer(2, &a, &super::account(9), "1.00"),
    ]});
    let refused = site.post(PATH, &bulk).expect(422, "refused");
    assert_eq!(
        (&refused["rule"], &refused["field"]),
        (&json!("unknown_account"), &json!("transactions.1"))
    );
    assert_eq!(outcomes(&refused), ["not_done", "refused"]);
    assert_eq!(site.get(&format!("/v1/transactions/{}", hex(1))).status, 404);
}
