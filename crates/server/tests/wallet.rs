//! The wallet over real sockets: credentials from issuers, a quote from the provider.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

mod support;

use api::Role;
use api::wire::JSON;
use credential::{CreditBand, TAX_STANDING, TaxStanding, claims::Standing};
use record::{Invoice, RequestToPay, Signed};
use seal::PublicKey;
use serde_json::{Value, json};
use server::keys::{Descriptor, KeyStore};
use server::roles::issuer::{self, Offered, Subject, Subjects};
use server::roles::{provider, read_config};
use server::system;
use support::{Folder, Running, answered, common, key, peer, socket};
use terms::{AccountId, Amount, InvoiceId, Minor};
use wallet::{
    CommandResult, EdgeEntry, KeyFolder, PeerEntry, ProviderEntry, Wallet, WalletConfig,
    WalletError, WalletFolder,
};

const OPERATOR: u8 = 1;

fn public(dir: &Folder, name: &str) -> PublicKey {
    KeyStore::open(dir.path()).unwrap().signing_key(name).unwrap().public_key()
}

async fn issuers(dir: &Folder) -> Running {
    let (listener, port) = socket().await;
    let tax = TaxStanding {
        company: "nl-kvk:68750110".parse().unwrap(),
        standing: Standing::Good,
        as_of: "2026-11-01".parse().unwrap(),
        residence: "NL".parse().unwrap(),
        tax_number: "NL857587973B01".to_owned(),
    };
    let band = CreditBand {
        company: "nl-kvk:68750110".parse().unwrap(),
        band: 'B',
        score: 655,
        as_of: "2026-11-20".parse().unwrap(),
        model: "example-3".to_owned(),
        years_on_file: 9,
    };
    let subjects = Subjects {
        subjects: vec![
            Subject::of("brightwater-tax", "tax-nl", &tax),
            Subject::of("brightwater-band", "bureau-nl", &band),
        ],
    };
    let peers = vec![peer(Role::Operator, "issuers-operator", OPERATOR)];
    let config = issuer::example_config(common("issuers", port, peers), "issuers-operator");
    issuer::write_example(dir.path(), &config, &subjects).unwrap();
    let config: issuer::Config = read_config(dir.path()).unwrap();
    let path = dir.path().to_owned();
    Running::start(dir.path(), port, |stop| {
        issuer::run_on(listener, path, config, async {
            let _ = stop.await;
        })
    })
}

async fn dealer(dir: &Folder, wallet: PublicKey) -> Running {
    let (listener, port) = socket().await;
    let known: Descriptor = serde_json::from_value(json!({
        "role": "wallet", "name": "brightwater", "url": "http://localhost:1",
        "keys": [{
            "name": "request", "id": wallet.key_id().to_string(), "public_key": wallet.to_string(),
        }],
    }))
    .unwrap();
    provider::write_example(dir.path(), common("fx-dealer", port, vec![known]), &["nl-sg"])
        .unwrap();
    let config: provider::Config = read_config(dir.path()).unwrap();
    let path = dir.path().to_owned();
    Running::start(dir.path(), port, |stop| {
        provider::run_on(listener, path, config, async {
            let _ = stop.await;
        })
    })
}

fn entry(name: &str, port: u16, key: PublicKey) -> PeerEntry {
    PeerEntry { name: name.to_owned(), url: format!("http://localhost:{port}"), key }
}

fn open(dir: &Folder, issuers_port: u16, provider: ProviderEntry) -> Wallet {
    let other = |name: &str| entry(name, 1, key(9).public_key());
    let edge = |name: &str| EdgeEntry {
        institution: name.parse().unwrap(),
        peer: other(name),
        permit_key: key(9).public_key(),
    };
    let config = WalletConfig {
        environment: "sandbox".parse().unwrap(),
        company: "nl-kvk:68750110".parse().unwrap(),
        legal_name: "Brightwater Tools B.V.".to_owned(),
        account: AccountId::from_bytes([2; 16]),
        asset: "EUR.2@tcb-sandbox".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        paid_along: None,
        book: "settlement".parse().unwrap(),
        core: other("core"),
        bank: None,
        provider,
        edges: vec![edge("bank-nl"), edge("bank-sg")],
        issuers: vec![
            format!("http://localhost:{issuers_port}/tax-nl"),
            format!("http://localhost:{issuers_port}/bureau-nl"),
        ],
        trust_lists: Vec::new(),
        trust: "trust.policy".to_owned(),
    };
    let folder = WalletFolder::open(dir.path()).unwrap();
    folder.write_config(&config).unwrap();
    let log = evidence::NoteSigner::new("log.example".parse().unwrap(), key(4));
    folder.write_trust("trust.policy", &format!("log {}\nquorum none\n", log.verifier())).unwrap();
    Wallet::open(dir.path()).unwrap()
}

async fn offer(running: &Running, issuer: &str, subject: &str) -> (String, Option<String>) {
    let request = json!({ "subject": subject, "transaction_code": "numeric" }).to_string();
    let path = format!("/{issuer}/v1/offers");
    let answer = answered(running.post(&path, JSON, request, OPERATOR).await);
    let offered: Offered = serde_json::from_slice(&answer).unwrap();
    (Value::to_string(&offered.offer), offered.transaction_code)
}

#[tokio::test]
async fn a_wallet_receives_credentials_each_under_a_holder_key_of_its_issuer() {
    let (dir, issuer_dir) = (Folder::new("wallet"), Folder::new("wallet-issuers"));
    let running = issuers(&issuer_dir).await;
    let nobody = ProviderEntry {
        provider: "fx-dealer".parse().unwrap(),
        peer: entry("fx-dealer", 1, key(9).public_key()),
        quote_key: key(9).public_key(),
    };
    let wallet = open(&dir, running.port, nobody);
    let (tax, code) = offer(&running, "tax-nl", "brightwater-tax").await;
    let wrong = wallet.receive(&tax, Some("not-the-code".to_owned())).await;
    assert!(matches!(wrong, Err(WalletError::BadAnswer { .. })));
    let received = wallet.receive(&tax, code.clone()).await.unwrap();
    assert_eq!(received.credential_type, TAX_STANDING);
    assert!(received.text().contains("kept in") && received.path.exists());
    let (band, other_code) = offer(&running, "bureau-nl", "brightwater-band").await;
    wallet.receive(&band, other_code).await.unwrap();
    let held = wallet.folder().credentials().unwrap();
    assert_eq!(held.len(), 2);
    assert_ne!(held[0].open().holder, held[1].open().holder);
    // An issuer that `wallet.json` does not name is not asked at all.
    let elsewhere = tax.replace("tax-nl", "register-nl");
    let refused = wallet.receive(&elsewhere, code).await;
    assert!(matches!(refused, Err(WalletError::NotTaken { what: "offer", .. })));
    running.stop().await;
}

#[tokio::test]
async fn a_wallet_takes_a_quote_only_from_its_provider() {
    let (dir, provider_dir) = (Folder::new("wallet"), Folder::new("wallet-provider"));
    let own = KeyFolder::open(dir.path()).unwrap().request_key().unwrap().public_key();
    let running = dealer(&provider_dir, own).await;
    let peer = entry("fx-dealer", running.port, public(&provider_dir, "request"));
    let provider = |quote_key| ProviderEntry {
        provider: "fx-dealer".parse().unwrap(),
        peer: peer.clone(),
        quote_key,
    };
    let invoice = Invoice {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        invoice: InvoiceId::from_bytes([7; 16]),
        number: "INV-014".to_owned(),
        creditor: "sg-uen:201912345K".parse().unwrap(),
        creditor_name: "Lim Ceramics Pte Ltd".to_owned(),
        institution: "bank-sg".parse().unwrap(),
        account: AccountId::from_bytes([3; 16]),
        amount: Amount::new(Minor::new(1_240_000), "SGD.2@mas-sandbox".parse().unwrap()),
        purpose: "GDDS".to_owned(),
        issued_at: system::now(),
        due_at: system::now().plus(core::time::Duration::from_secs(3_600)),
    };
    let request = RequestToPay {
        layout: 1,
        invoice: Signed::sign(&invoice, &key(50)),
        ticket: vec![1].into(),
    };
    let wallet = open(&dir, 1, provider(public(&provider_dir, "quote")));
    let payment = wallet.new_payment().unwrap();
    let quote = wallet.quote(&request, payment).await.unwrap().read_unverified().unwrap();
    assert_eq!((quote.payment, quote.credit), (payment, invoice.amount));
    let wallet = open(&dir, 1, provider(key(8).public_key()));
    let refused = wallet.quote(&request, payment).await;
    assert!(matches!(refused, Err(WalletError::BadAnswer { .. })));
    running.stop().await;
}
