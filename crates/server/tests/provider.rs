//! The provider over real sockets and files.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

mod support;

use api::Role;
use api::messages::QuoteRequest;
use api::wire::{CBOR, write_cbor};
use client::{NotDone, Outcome};
use record::{FeeTaker, Quote, Signed};
use server::keys::KeyStore;
use server::roles::provider::{self, OPEN_QUOTES_PER_CLIENT_MAX, QUOTE_LIFETIME};
use server::roles::read_config;
use support::{Folder, Running, answered, common, peer, refusal, socket};
use terms::{Amount, Minor, PaymentId};

const WALLET: u8 = 1;
const EDGE: u8 = 2;
const ISSUER: u8 = 3;

async fn start(dir: &Folder) -> Running {
    let (listener, port) = socket().await;
    let peers = vec![
        peer(Role::Wallet, "brightwater", WALLET),
        peer(Role::Edge, "bank-nl.1", EDGE),
        peer(Role::Issuer, "tax-nl", ISSUER),
    ];
    provider::write_example(dir.path(), common("fx-dealer", port, peers), &["nl-sg"]).unwrap();
    let config: provider::Config = read_config(dir.path()).unwrap();
    let path = dir.path().to_owned();
    Running::start(dir.path(), port, |stop| {
        provider::run_on(listener, path, config, async {
            let _ = stop.await;
        })
    })
}

fn request(minor: u128) -> QuoteRequest {
    QuoteRequest {
        layout: 1,
        payment: PaymentId::from_bytes([7; 16]),
        corridor: "nl-sg".parse().unwrap(),
        credit: Amount::new(Minor::new(minor), "SGD.2@mas-sandbox".parse().unwrap()),
        debit_asset: "EUR.2@tcb-sandbox".parse().unwrap(),
        at_rate_of: None,
        good_for_seconds: 60,
    }
}

/// The edge's payment is another one than the wallet's.
fn of_edge(minor: u128) -> QuoteRequest {
    QuoteRequest { payment: PaymentId::from_bytes([8; 16]), ..request(minor) }
}

async fn ask(running: &Running, request: &QuoteRequest, by: u8) -> Outcome {
    running.post("/v1/quotes", CBOR, write_cbor(request), by).await
}

#[tokio::test]
async fn a_wallet_gets_an_exact_signed_quote_for_its_payment() {
    let dir = Folder::new("provider");
    let running = start(&dir).await;
    let bytes = answered(ask(&running, &request(1_240_000), WALLET).await);
    let signed = Signed::<Quote>::from_bytes(&bytes).unwrap();
    let signer = KeyStore::open(dir.path()).unwrap().signing_key("quote").unwrap();
    let quote = signed.verify(&signer.public_key()).unwrap();
    assert!(quote.adds_up());
    assert_eq!(quote.payment, request(1).payment);
    assert_eq!(quote.provider.as_str(), "fx-dealer");
    assert_eq!(quote.principal.minor, Minor::new(842_483));
    assert_eq!(quote.debit.minor, Minor::new(842_483 + 2_528 + 1_250 + 431));
    assert_eq!(quote.fees_of(FeeTaker::Operator).unwrap().minor, Minor::new(431));
    assert_eq!(quote.expires_at.since(quote.issued_at), QUOTE_LIFETIME);
    assert!(quote.mid.source.contains("sandbox"));
    let again = answered(ask(&running, &of_edge(1_240_000), EDGE).await);
    assert_ne!(Signed::<Quote>::from_bytes(&again).unwrap().digest(), signed.digest());
    running.stop().await;
}

#[tokio::test]
async fn strangers_other_roles_and_bad_requests_are_refused() {
    let dir = Folder::new("provider");
    let running = start(&dir).await;
    let good = write_cbor(&request(100));
    let mut other_layout = request(100);
    other_layout.layout = 2;
    let mut other_corridor = request(100);
    other_corridor.corridor = "nl-us".parse().unwrap();
    let mut same_asset = request(100);
    same_asset.debit_asset = same_asset.credit.asset;
    let post = |body: Vec<u8>, by: u8| running.post("/v1/quotes", CBOR, body, by);
    let rows = [
        (post(good.clone(), 9).await, 401, "bad-signature"),
        (post(good.clone(), ISSUER).await, 403, "forbidden"),
        (running.post_open("/v1/quotes", CBOR, good.clone()).await, 401, "unsigned"),
        (post([good.as_slice(), &[0]].concat(), WALLET).await, 400, "bad-cbor"),
        (post(b"{}".to_vec(), WALLET).await, 400, "bad-cbor"),
        (ask(&running, &other_layout, WALLET).await, 400, "bad-field"),
        (ask(&running, &other_corridor, WALLET).await, 422, "refused"),
        (ask(&running, &same_asset, WALLET).await, 422, "refused"),
        (ask(&running, &request(0), WALLET).await, 422, "refused"),
        (ask(&running, &request(u128::MAX), WALLET).await, 422, "refused"),
    ];
    for (outcome, status, code) in rows {
        let problem = refusal(outcome);
        assert_eq!((problem.status, problem.code.as_str()), (status, code), "{problem:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn open_quotes_are_bounded_and_a_restart_forgets_none() {
    let dir = Folder::new("provider");
    let running = start(&dir).await;
    for _ in 0..OPEN_QUOTES_PER_CLIENT_MAX {
        answered(ask(&running, &request(100), WALLET).await);
    }
    running.stop().await;
    let running = start(&dir).await;
    let too_many = ask(&running, &request(100), WALLET).await;
    let Outcome::NotDone(NotDone::NotBegun { problem, .. }) = too_many else {
        panic!("{too_many:?}")
    };
    assert_eq!(problem.status, 429);
    answered(ask(&running, &of_edge(100), EDGE).await);
    let exposed = ask(&running, &of_edge(provider::EXPOSURE_MINOR_MAX), EDGE).await;
    assert!(matches!(exposed, Outcome::NotDone(_)), "{exposed:?}");
    running.stop().await;
}

/// Who has a quote for an id can end it, so the first that asked is the only one that gets one.
#[tokio::test]
async fn a_payment_id_is_quoted_to_one_client_only_also_after_a_restart() {
    let dir = Folder::new("provider");
    let running = start(&dir).await;
    answered(ask(&running, &request(100), WALLET).await);
    let problem = refusal(ask(&running, &request(100), EDGE).await);
    assert_eq!((problem.status, problem.code.as_str()), (422, "refused"), "{problem:?}");
    running.stop().await;
    let running = start(&dir).await;
    let problem = refusal(ask(&running, &request(100), EDGE).await);
    assert_eq!(problem.status, 422, "{problem:?}");
    answered(ask(&running, &request(200), WALLET).await);
    answered(ask(&running, &of_edge(100), EDGE).await);
    running.stop().await;
}

#[tokio::test]
async fn a_new_table_of_rates_counts_at_once_and_a_broken_one_stops_quotes() {
    let dir = Folder::new("provider");
    let running = start(&dir).await;
    let rates = dir.path().join("rates.json");
    let text = std::fs::read_to_string(&rates).unwrap();
    std::fs::write(&rates, text.replace("147184", "200000")).unwrap();
    let bytes = answered(ask(&running, &request(200), WALLET).await);
    let quote = Signed::<Quote>::from_bytes(&bytes).unwrap().read_unverified().unwrap();
    assert_eq!(quote.principal.minor, Minor::new(100));
    std::fs::write(&rates, "{").unwrap();
    let broken = ask(&running, &request(200), WALLET).await;
    assert!(matches!(broken, Outcome::NotDone(_)), "{broken:?}");
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_member_of_the_configuration_is_refused() {
    let dir = Folder::new("provider");
    let common = common("fx-dealer", 1, vec![]);
    provider::write_example(dir.path(), common, &["nl-sg"]).unwrap();
    let path = dir.path().join("role.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen('{', "{\"marign\": 5,", 1)).unwrap();
    let error = read_config::<provider::Config>(dir.path()).unwrap_err();
    assert!(error.to_string().contains("marign"), "{error}");
}
