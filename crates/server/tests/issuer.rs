//! The issuers over real sockets and files, with the wallet's machine of `credential`.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

mod support;

use core::time::Duration;

use api::Role;
use api::wire::JSON;
use credential::issuance::{
    Answer, CredentialOffer, Effect, IssuanceError, IssuanceWallet, Progress, WalletContext,
};
use credential::jose::UnverifiedJwt;
use credential::{
    COMPANY_REGISTRATION, CREDIT_BAND, CreditBand, HeldCredential, TAX_STANDING, TaxStanding,
    claims::Standing,
};
use seal::{Es256SigningKey, sha256};
use serde_json::{Value, json};
use server::keys::KeyStore;
use server::roles::issuer::{self, Offered, Revoked, Subject, Subjects};
use server::roles::read_config;
use server::system;
use support::{Folder, Running, answered, common, peer, refusal, socket};

const OPERATOR: u8 = 1;
const STRANGER: u8 = 2;
const EDGE: u8 = 3;

fn subjects() -> Subjects {
    let company = || "nl-kvk:68750110".parse().unwrap();
    let tax = TaxStanding {
        company: company(),
        standing: Standing::Good,
        as_of: "2026-11-01".parse().unwrap(),
        residence: "NL".parse().unwrap(),
        tax_number: "NL857587973B01".to_owned(),
    };
    let band = CreditBand {
        company: company(),
        band: 'B',
        score: 655,
        as_of: "2026-11-20".parse().unwrap(),
        model: "example-3".to_owned(),
        years_on_file: 9,
    };
    Subjects {
        subjects: vec![
            Subject::of("brightwater-tax", "tax-nl", &tax),
            Subject::of("brightwater-band", "bureau-nl", &band),
        ],
    }
}

async fn start(dir: &Folder) -> Running {
    let (listener, port) = socket().await;
    let peers = vec![
        peer(Role::Operator, "issuers-operator", OPERATOR),
        peer(Role::Operator, "wayleave-operator", STRANGER),
        peer(Role::Edge, "bank-nl.1", EDGE),
    ];
    let config = issuer::example_config(common("issuers", port, peers), "issuers-operator");
    issuer::write_example(dir.path(), &config, &subjects()).unwrap();
    let config: issuer::Config = read_config(dir.path()).unwrap();
    let path = dir.path().to_owned();
    Running::start(dir.path(), port, |stop| {
        issuer::run_on(listener, path, config, async {
            let _ = stop.await;
        })
    })
}

async fn offer(running: &Running, issuer: &str, subject: &str, code: &str) -> Offered {
    let request = json!({ "subject": subject, "transaction_code": code }).to_string();
    let path = format!("/{issuer}/v1/offers");
    serde_json::from_slice(&answered(running.post(&path, JSON, request, OPERATOR).await)).unwrap()
}

/// Makes the request that the machine wants, over a real socket.
async fn make(running: &Running, effect: &Effect) -> (u16, String) {
    let origin = format!("http://localhost:{}", running.port);
    let path = |url: &str| url.strip_prefix(&origin).unwrap().to_owned();
    let (head, body) = match effect {
        Effect::Get { url } => (format!("GET {} HTTP/1.1", path(url)), String::new()),
        Effect::PostNothing { url } => (format!("POST {} HTTP/1.1", path(url)), String::new()),
        Effect::PostForm { url, form } => {
            let escape =
                |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let pairs: Vec<String> =
                form.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v))).collect();
            let kind = "content-type: application/x-www-form-urlencoded";
            (format!("POST {} HTTP/1.1\r\n{kind}", path(url)), pairs.join("&"))
        }
        Effect::PostJson { url, bearer, body } => {
            let headers =
                format!("content-type: application/json\r\nauthorization: Bearer {bearer}");
            (format!("POST {} HTTP/1.1\r\n{headers}", path(url)), body.clone())
        }
    };
    let (status, kind, body) = running.raw(&head, body.as_bytes()).await;
    assert_eq!(kind, "application/json", "{body}");
    (status, body)
}

async fn fetch(
    running: &Running,
    offered: &Offered,
    code: Option<String>,
) -> Result<HeldCredential, IssuanceError> {
    let offer = CredentialOffer::read(offered.offer.to_string().as_bytes()).unwrap();
    let key = Es256SigningKey::from_scalar(&[77; 32]).unwrap();
    let (mut wallet, mut effect) = IssuanceWallet::start(offer, code)?;
    loop {
        let (status, body) = make(running, &effect).await;
        let context = WalletContext { key: &key, now: system::now() };
        match wallet.advance(Answer { status, body: body.as_bytes() }, context)? {
            Progress::Do(next) => effect = next,
            Progress::Done(held) => return Ok(*held),
        }
    }
}

async fn status_token(running: &Running, issuer: &str) -> String {
    let (status, kind, token) = running.raw(&format!("GET /{issuer}/status/1 HTTP/1.1"), b"").await;
    assert_eq!((status, kind.as_str()), (200, "application/statuslist+jwt"));
    token
}

fn is_revoked(running: &Running, dir: &Folder, token: &str, index: u64) -> bool {
    let config: issuer::Config = read_config(dir.path()).unwrap();
    assert_eq!(config.common.port, running.port);
    let keys = KeyStore::open(dir.path()).unwrap();
    let key = Es256SigningKey::from_scalar(&keys.seed("tax-nl").unwrap()).unwrap();
    let jwt = UnverifiedJwt::read(token, "statuslist+jwt").unwrap();
    let payload = jwt.verify(&key.public_key()).unwrap().payload;
    assert_eq!(payload.get("sub"), Some(&Value::from(config.status_url("tax-nl"))));
    assert_eq!(payload.get("ttl"), Some(&Value::from(2)));
    let uri = config.status_url("tax-nl");
    let check = credential::status::StatusCheck {
        uri: &uri,
        key: &key.public_key(),
        now: system::now().plus(Duration::from_secs(2)),
        age_max: Duration::from_secs(60),
        high_water: &credential::HighWater::default(),
    };
    let list = credential::CheckedStatusList::check(token, &check).unwrap();
    list.require_valid(index).is_err()
}

#[tokio::test]
async fn a_wallet_fetches_a_credential_and_its_revocation_shows_at_once_and_after_a_restart() {
    let dir = Folder::new("issuer");
    let running = start(&dir).await;
    let offered = offer(&running, "tax-nl", "brightwater-tax", "none").await;
    let held = fetch(&running, &offered, None).await.unwrap();
    let issuer_url = format!("http://localhost:{}/tax-nl", running.port);
    let open = HeldCredential::read_stored(held.text()).unwrap();
    assert_eq!(open.open().issuer, issuer_url);
    assert_eq!(held.selective_count(), 5);

    let index = offered.index.unwrap();
    let before = status_token(&running, "tax-nl").await;
    assert!(!is_revoked(&running, &dir, &before, index));
    let revoke = json!({ "credential": offered.credential, "reason": "a test" }).to_string();
    let path = "/tax-nl/v1/revocations";
    let revoked = answered(running.post(path, JSON, revoke, OPERATOR).await);
    let revoked: Revoked = serde_json::from_slice(&revoked).unwrap();
    assert_eq!(revoked.index, index);
    let after = status_token(&running, "tax-nl").await;
    assert!(is_revoked(&running, &dir, &after, index));
    let log = std::fs::read_to_string(dir.path().join("tax-nl/status-log")).unwrap();
    for digest in [&revoked.digest, &sha256(before.as_bytes()).to_string()] {
        assert!(log.contains(digest), "every edition that was served is in the log");
    }
    running.stop().await;

    let running = start(&dir).await;
    let again = status_token(&running, "tax-nl").await;
    assert!(is_revoked(&running, &dir, &again, index));
    let log = std::fs::read_to_string(dir.path().join("tax-nl/status-log")).unwrap();
    let times: Vec<u64> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["issued_at_seconds"].clone())
        .map(|seconds| seconds.as_u64().unwrap())
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    // A revocation by index of a credential offered before the restart.
    let by_index = json!({ "index": index, "reason": "again" }).to_string();
    answered(running.post(path, JSON, by_index, OPERATOR).await);
    running.stop().await;
}

#[tokio::test]
async fn a_transaction_code_is_asked_for_and_a_wrong_one_refused() {
    let dir = Folder::new("issuer");
    let running = start(&dir).await;
    let offered = offer(&running, "bureau-nl", "brightwater-band", "numeric").await;
    assert_eq!(offered.index, None, "a band lives a day: nothing is tracked");
    let code = offered.transaction_code.clone().unwrap();
    assert_eq!(code.len(), 6);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let refused = fetch(&running, &offered, Some(wrong.to_owned())).await.unwrap_err();
    assert!(matches!(&refused, IssuanceError::Refused { code } if code == "invalid_grant"));
    assert!(fetch(&running, &offered, None).await.is_err());
    fetch(&running, &offered, Some(code)).await.unwrap();
    assert!(fetch(&running, &offered, None).await.is_err(), "a code is good once");
    running.stop().await;
}

#[tokio::test]
async fn only_the_operator_offers_and_revokes() {
    let dir = Folder::new("issuer");
    let running = start(&dir).await;
    let good = json!({ "subject": "brightwater-tax", "transaction_code": "none" }).to_string();
    let other = json!({ "subject": "brightwater-band", "transaction_code": "none" }).to_string();
    let more =
        json!({ "subject": "brightwater-tax", "transaction_code": "none", "x": 1 }).to_string();
    let path = "/tax-nl/v1/offers";
    let post = |body: &str, by: u8| running.post(path, JSON, body.to_owned(), by);
    let revoke =
        |body: Value| running.post("/tax-nl/v1/revocations", JSON, body.to_string(), OPERATOR);
    let rows = [
        (running.post_open(path, JSON, good.clone()).await, 401),
        (post(&good, 99).await, 401),
        (post(&good, EDGE).await, 403),
        (post(&good, STRANGER).await, 403),
        (post(&other, OPERATOR).await, 422),
        (post(&more, OPERATOR).await, 400),
        (post("", OPERATOR).await, 400),
        (running.post("/nobody/v1/offers", JSON, good, OPERATOR).await, 404),
        (revoke(json!({ "index": 5, "reason": "never given" })).await, 422),
        (revoke(json!({ "credential": "aa", "reason": "never given" })).await, 422),
        (revoke(json!({ "reason": "what" })).await, 400),
        (running.post_open("/tax-nl/v1/revocations", JSON, "{}").await, 401),
        (running.post("/tax-nl/v1/revocations", JSON, "{}", STRANGER).await, 403),
    ];
    for (row, (outcome, status)) in rows.into_iter().enumerate() {
        assert_eq!(refusal(outcome).status, status, "row {row}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_standards_errors_reach_the_wallet_in_their_own_form() {
    let dir = Folder::new("issuer");
    let running = start(&dir).await;
    let form = "content-type: application/x-www-form-urlencoded";
    let json = "content-type: application/json";
    let rows = [
        (format!("POST /tax-nl/token HTTP/1.1\r\n{form}"), "grant_type=x", 400, "unsupported_gr"),
        (format!("POST /tax-nl/token HTTP/1.1\r\n{form}"), "a=1&a=2", 400, "invalid_request"),
        (format!("POST /tax-nl/token HTTP/1.1\r\n{json}"), "{}", 400, "invalid_request"),
        (format!("POST /tax-nl/credential HTTP/1.1\r\n{json}"), "{}", 401, "invalid_token"),
        (
            format!("POST /tax-nl/credential HTTP/1.1\r\n{json}\r\nauthorization: Bearer x"),
            "{}",
            401,
            "invalid_token",
        ),
    ];
    for (head, body, expected, code) in rows {
        let (status, kind, answer) = running.raw(&head, body.as_bytes()).await;
        assert_eq!((status, kind.as_str()), (expected, "application/json"), "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].as_str().unwrap().starts_with(code), "{answer}");
    }
    assert_eq!(running.raw("POST /nobody/nonce HTTP/1.1", b"").await.0, 404);
    assert_eq!(running.raw("GET /nobody/status/1 HTTP/1.1", b"").await.0, 404);
    let metadata = "GET /.well-known/openid-credential-issuer/bureau-nl HTTP/1.1";
    let (_, _, text) = running.raw(metadata, b"").await;
    assert!(text.contains(CREDIT_BAND) && !text.contains(TAX_STANDING));
    running.stop().await;
}

#[tokio::test]
async fn subjects_that_do_not_fit_stop_the_start() {
    let dir = Folder::new("issuer");
    start(&dir).await.stop().await;
    let config: issuer::Config = read_config(dir.path()).unwrap();
    let mut wrong_claim = subjects();
    wrong_claim.subjects[0].claims.insert("salary".to_owned(), json!(5));
    let mut nobody = subjects();
    nobody.subjects[0].claims.remove("company_id");
    let mut other_type = subjects();
    other_type.subjects[0].credential_type = COMPANY_REGISTRATION.to_owned();
    let mut twice = subjects();
    twice.subjects.extend(subjects().subjects);
    for (row, subjects) in [wrong_claim, nobody, other_type, twice].iter().enumerate() {
        issuer::write_example(dir.path(), &config, subjects).unwrap();
        let (listener, _) = socket().await;
        let path = dir.path().to_owned();
        let ended = issuer::run_on(listener, path, config.clone(), async {}).await;
        if ended.is_ok() {
            panic!("row {row} started");
        }
    }
}
