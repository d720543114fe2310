//! Who may call what: a caller without the right key gets 401 or 403, everywhere.

use client::{Outcome, Outgoing};
use seal::SigningKey;
use terms::PaymentId;

use super::form::FORM;
use super::stage::{World, play};

const CBOR: &str = api::wire::CBOR;
const JSON: &str = api::wire::JSON;
const XML: &str = "application/xml";

/// Callee, method, target, media type, and one who is known there and may not do this.
const ROUTES: [(&str, &str, &str, &str, &str); 47] = [
    ("core", "POST", "/v1/orders", CBOR, "bank-nl.1"),
    ("core", "POST", "/v1/refusals", CBOR, "brightwater"),
    ("core", "POST", "/v1/parcels", CBOR, "brightwater"),
    ("core", "POST", "/v1/customers", CBOR, "brightwater"),
    ("core", "POST", "/v1/snapshots", CBOR, "operator"),
    ("core", "POST", "/v1/packs", CBOR, "operator"),
    ("core", "POST", "/v1/pack-steps", CBOR, "operator"),
    ("core", "GET", "/v1/packs/nl-sg/debtor", "", "operator"),
    ("core", "POST", "/v1/edges", CBOR, "brightwater"),
    ("core", "POST", "/v1/trust-lists", CBOR, "brightwater"),
    ("core", "POST", "/v1/outside-statements", XML, "bank-nl.1"),
    ("core", "GET", "/v1/outside-accounts", "", "bank-nl.1"),
    ("core", "POST", "/v1/reconciliations", XML, "brightwater"),
    ("core", "POST", "/v1/day-closes", JSON, "bank-nl.1"),
    ("core", "GET", "/v1/payments/PAYMENT", "", "operator"),
    ("core", "GET", "/v1/payments/PAYMENT/receipt", "", "operator"),
    ("core", "GET", "/v1/parcels/PAYMENT/debtor/decision", "", "brightwater"),
    ("core", "GET", "/v1/mirrors", "", "brightwater"),
    ("core", "GET", "/v1/decision-duties", "", "brightwater"),
    ("core", "POST", "/v1/duty-closings", CBOR, "operator"),
    ("core", "GET", "/v1/duties", "", "bank-sg.1"),
    ("bank-b", "POST", "/v1/steps", CBOR, "bank-sg.1"),
    ("bank-b", "GET", "/v1/payments/PAYMENT", "", "lim"),
    ("bank-b", "GET", "/v1/open-holds?limit=1", "", "operator"),
    ("bank-b", "POST", "/v1/mirror", CBOR, "operator"),
    ("bank-b", "POST", "/v1/owners", CBOR, "bank-sg.1"),
    ("bank-b", "POST", "/v1/customers", CBOR, "core"),
    ("bank-b", "POST", "/v1/parcels", CBOR, "bank-nl.1"),
    ("bank-b", "GET", "/v1/parcels/PAYMENT/creditor/decision", "", "core"),
    ("bank-b", "GET", "/v1/duties", "", "bank-sg.1"),
    ("bank-b", "GET", "/v1/decision-duties", "", "bank-nl.1"),
    ("bank-b", "POST", "/v1/duty-closings", CBOR, "lim"),
    ("bank-b", "POST", "/v1/freezes", CBOR, "bank-sg.1"),
    ("bank-b", "POST", "/v1/sandbox-statements", CBOR, "core"),
    ("bank-nl.1", "POST", "/v1/preparations", CBOR, "operator"),
    ("bank-nl.1", "POST", "/v1/decisions", FORM, "operator"),
    ("bank-nl.1", "GET", "/v1/decisions/PAYMENT/record", "", "brightwater"),
    ("bank-nl.1", "GET", "/v1/decisions/PAYMENT/inputs", "", "brightwater"),
    ("bank-nl.1", "GET", "/v1/referrals", "", "brightwater"),
    ("bank-nl.1", "GET", "/v1/referrals/CASE", "", "bank-sg.1"),
    ("bank-nl.1", "POST", "/v1/referrals/CASE/acts", CBOR, "brightwater"),
    ("bank-sg.1", "POST", "/v1/statements", CBOR, "brightwater"),
    ("bank-sg.1", "POST", "/v1/invoices", CBOR, "operator"),
    ("bank-sg.1", "POST", "/v1/invoices/presentations", FORM, "operator"),
    ("supervisor-nl", "POST", "/v1/trust-list/edits", JSON, "brightwater"),
    ("supervisor-sg", "POST", "/v1/sanctions/edits", JSON, "bank-sg.1"),
    ("fx-dealer", "POST", "/v1/quotes", CBOR, "operator"),
];

/// The same for the issuers' operator routes.
const ISSUER_ROUTES: [&str; 2] = ["/tax-nl/v1/offers", "/tax-nl/v1/revocations"];

fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Refused(problem) => problem.status,
        Outcome::Answer(answer) => answer.status,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_caller_without_the_right_key_gets_401_or_403_at_every_role() {
    play(async {
        let world = World::new("callers").await?;
        let payment = PaymentId::from_bytes([3; 16]).to_string();
        let issuers = ISSUER_ROUTES.map(|target| ("issuers", "POST", target, JSON, "brightwater"));
        let stranger = SigningKey::from_seed(&[200; 32]);
        for (callee, method, target, media_type, known) in ROUTES.into_iter().chain(issuers) {
            let target = target.replace("PAYMENT", &payment);
            let request = || match method {
                "GET" => Outgoing::get(&target),
                _ => Outgoing::post(&target, media_type, "{}"),
            };
            let unsigned = world.send_unsigned(callee, request()).await;
            assert_eq!(status(&unsigned), 401, "{callee} {target}, unsigned: {unsigned:?}");
            let unknown = world.send_as(&stranger, callee, request()).await;
            assert_eq!(status(&unknown), 401, "{callee} {target}, a stranger: {unknown:?}");
            let wrong = world.send(known, callee, request()).await;
            assert_eq!(status(&wrong), 403, "{callee} {target}, {known}: {wrong:?}");
        }
        Ok(())
    });
}

#[test]
fn a_receipt_and_an_account_are_shown_to_their_parties_only() {
    play(async {
        let world = World::new("parties").await?;
        let settled = world.settled("PA-1", 10_000).await?;
        let receipt = format!("/v1/payments/{}/receipt", settled.terms.payment);
        for (caller, expected) in [("brightwater", 200), ("lim", 200), ("blacktide", 403)] {
            let outcome = world.send(caller, "core", Outgoing::get(&receipt)).await;
            assert_eq!(status(&outcome), expected, "{caller}: {outcome:?}");
        }
        let account = format!("/v1/accounts/{}", world.stage.account("brightwater")?);
        for (caller, may) in
            [("brightwater", true), ("bank-nl.1", true), ("bank-sg.1", false), ("lim", false)]
        {
            let outcome = world.send(caller, "core", Outgoing::get(&account)).await;
            assert_eq!(matches!(outcome, Outcome::Answer(_)), may, "{caller}: {outcome:?}");
        }
        Ok(())
    });
}
