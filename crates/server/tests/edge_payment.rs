//! Both edges over real HTTP: callers, bad input, one payment, a revocation, a restart.
//!
//! Core, supervisors and issuers are small peers of this test: they keep what they are sent and
//! show what they are told to.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a helper of tests may stop the test"
)]

#[path = "support/ports.rs"]
mod ports;
#[path = "../../admission/tests/support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of `admission`")]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Role;
use api::messages::{
    AccountView, Consent, DecisionAnswer, EdgeBasis, Preparation, PreparationRequest,
    StatementExchange, Taken,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segment, State};
use axum::routing::{get, post};
use client::{AddressGuard, CLIENT_LIMITS, Client, NotDone, Outcome, Outgoing, Peer};
use credential::PresentationRequest;
use policy::{Replay, replay, shipped};
use record::{
    AccountProfile, NEUTRAL_CODE, Parcel, Refusal, RequestToPay, Side, Signed, Snapshot,
    StatusMark, TrustList,
};
use seal::{BoxSecretKey, SigningKey};
use server::keys::{Descriptor, KeyStore};
use server::roles::Common;
use server::roles::edge::{self, Customer, Example, PackKeys, example_config, write_pack};
use server::web::{LIMITS, Site, serve};
use support::{NOW, PAYER, PAYER_NAME, World, key};
use terms::{Amount, Minor, Position};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The keys of the packs' author and of their operator.
/// How often a customer may ask here in a minute.
const ASKED_MOST: u32 = 30;

fn pack_key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[0x90 + number; 32])
}

/// What the peers show, and what they were sent.
#[derive(Default)]
struct Shown {
    trust: BTreeMap<String, Vec<u8>>,
    sanctions: Vec<u8>,
    status: BTreeMap<String, String>,
    accounts: BTreeMap<String, Vec<u8>>,
    /// The newest status lists that other instances of an edge saw.
    marks: Vec<StatusMark>,
    sent: Vec<(String, Vec<u8>)>,
}

type Peers = Arc<Mutex<Shown>>;

async fn peer(router: Router, signer: Option<SigningKey>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let site = Site { router, limits: LIMITS, signer: signer.map(Arc::new) };
    tokio::spawn(serve(listener, site, std::future::pending()));
    url
}

fn core_routes(shown: &Peers) -> Router {
    let account = async |State(shown): State<Peers>, Segment(id): Segment<String>| {
        shown.lock().unwrap().accounts.get(&id).cloned().ok_or(http::StatusCode::NOT_FOUND)
    };
    let sent = async |State(shown): State<Peers>, Segment(what): Segment<String>, body: Bytes| {
        shown.lock().unwrap().sent.push((what, body.to_vec()));
        "done"
    };
    let basis = async |State(shown): State<Peers>| {
        let status_lists = shown.lock().unwrap().marks.clone();
        seal::to_canonical(&EdgeBasis { layout: 1, snapshot: None, status_lists })
    };
    Router::new()
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/edge-basis", get(basis))
        .route("/v1/{what}", post(sent))
        .with_state(Arc::clone(shown))
}

fn supervisor_routes(shown: &Peers, jurisdiction: &'static str) -> Router {
    let trust = async move |State(shown): State<Peers>| {
        shown.lock().unwrap().trust.get(jurisdiction).cloned().unwrap()
    };
    let sanctions = async |State(shown): State<Peers>| shown.lock().unwrap().sanctions.clone();
    Router::new()
        .route("/v1/trust-list", get(trust))
        .route("/v1/sanctions", get(sanctions))
        .with_state(Arc::clone(shown))
}

fn issuer_routes(shown: &Peers) -> Router {
    let status = async |State(shown): State<Peers>, Segment(issuer): Segment<String>| {
        shown.lock().unwrap().status.get(&issuer).cloned().ok_or(http::StatusCode::NOT_FOUND)
    };
    Router::new().route("/{issuer}/status/1", get(status)).with_state(Arc::clone(shown))
}

struct Running {
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

struct Town {
    world: World,
    shown: Peers,
    folder: PathBuf,
    peers: Vec<Descriptor>,
    client: Client,
    ports: [u16; 2],
}

fn descriptor(role: Role, name: &str, url: &str, seed: u8) -> Descriptor {
    Descriptor::new(role, name, url).with_key("request", &key(seed))
}

fn account_bytes(facts: &admission::AccountFacts, asset: &str) -> Vec<u8> {
    seal::to_canonical(&AccountView {
        layout: 1,
        profile: AccountProfile {
            account: facts.account,
            owner: facts.owner,
            name: facts.name.clone(),
            client_key: facts.client_key,
        },
        available: Amount::new(Minor::new(100_000_000), asset.parse().unwrap()),
        debits: Taken::Yes,
        credits: Taken::Yes,
        head: Position::new(1),
    })
}

impl Town {
    async fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let shown = Peers::default();
        let issuers = peer(issuer_routes(&shown), None).await;
        support::ISSUERS_AT.set(issuers.clone()).unwrap();
        let core = peer(core_routes(&shown), Some(key(101))).await;
        let nl = peer(supervisor_routes(&shown, "NL"), None).await;
        let sg = peer(supervisor_routes(&shown, "SG"), None).await;
        let ports = [(); 2].map(|()| ports::free_port());
        let mut peers = vec![
            descriptor(Role::Core, "core", &core, 101),
            descriptor(Role::Witness, "supervisor-nl", &nl, 102).with_key("list", &key(92)),
            descriptor(Role::Witness, "supervisor-sg", &sg, 103).with_key("list", &key(93)),
            descriptor(Role::Issuer, "issuers", &issuers, 104),
            descriptor(Role::Wallet, "brightwater", "http://localhost:1", 21),
            descriptor(Role::Wallet, "lim", "http://localhost:1", 22),
            descriptor(Role::Wallet, "stranger", "http://localhost:1", 23),
            descriptor(Role::Operator, "bank-nl-operator", "http://localhost:1", 24),
            descriptor(Role::Operator, "bank-sg-operator", "http://localhost:1", 25),
        ];
        let mut world = World::new();
        for (index, (name, port)) in ["bank-nl.1", "bank-sg.1"].into_iter().zip(ports).enumerate() {
            let keys = KeyStore::open(&folder.join(name)).unwrap();
            let url = format!("http://localhost:{port}");
            let request = keys.signing_key("request").unwrap();
            peers.push(Descriptor::new(Role::Edge, name, &url).with_key("request", &request));
            let list = if index == 0 { &mut world.nl } else { &mut world.sg };
            let entry = &mut list.institutions[0];
            entry.permit_keys = vec![keys.signing_key("permit").unwrap().public_key()];
            let boxed = BoxSecretKey::from_seed(keys.seed("statement").unwrap());
            entry.statement_key = boxed.public_key();
        }
        let guard = ports.iter().fold(AddressGuard::public_only(), |guard, port| {
            guard.allow(&format!("localhost:{port}"))
        });
        let client = Client::new(guard, CLIENT_LIMITS);
        let town = Self { world, shown, folder, peers, client, ports };
        town.show();
        town
    }

    /// Shows the world's lists and accounts.
    fn show(&self) {
        let mut shown = self.shown.lock().unwrap();
        let lists = [("NL", &self.world.nl, 92), ("SG", &self.world.sg, 93)];
        for (jurisdiction, list, seed) in lists {
            let signed = Signed::<TrustList>::sign(list, &key(seed));
            shown.trust.insert(jurisdiction.to_owned(), signed.to_bytes());
        }
        shown.sanctions = Signed::sign(&self.world.sanctions[0], &key(92)).to_bytes();
        for (uri, token) in &self.world.status {
            let issuer = uri.rsplit('/').nth(2).unwrap();
            shown.status.insert(issuer.to_owned(), token.clone());
        }
        for (facts, asset) in [
            (&self.world.payer_account, "EUR.2@tcb-sandbox"),
            (&self.world.payee_account, "SGD.2@mas-sandbox"),
        ] {
            shown.accounts.insert(facts.account.to_string(), account_bytes(facts, asset));
        }
    }

    fn dir(&self, side: Side) -> PathBuf {
        self.folder.join(if side == Side::Debtor { "bank-nl.1" } else { "bank-sg.1" })
    }

    async fn start(&self, side: Side) -> Running {
        let (name, institution, home, port) = match side {
            Side::Debtor => ("bank-nl.1", "bank-nl", ["NL", "SG"], self.ports[0]),
            Side::Creditor => ("bank-sg.1", "bank-sg", ["SG", "NL"], self.ports[1]),
        };
        let dir = self.dir(side);
        let peers = self.peers.iter().filter(|peer| peer.name != name).cloned().collect();
        let common = Common {
            environment: "sandbox".to_owned(),
            name: name.to_owned(),
            url: format!("http://localhost:{port}"),
            port,
            peers,
        };
        let example = Example {
            side,
            institution: institution.to_owned(),
            jurisdiction: home[0].to_owned(),
            other_edge: if side == Side::Debtor { "bank-sg.1" } else { "bank-nl.1" }.to_owned(),
            supervisors: home
                .iter()
                .map(|j| ((*j).to_owned(), format!("supervisor-{}", j.to_lowercase())))
                .collect(),
            operator: format!("{institution}-operator"),
            pack_author: pack_key(1).public_key(),
            pack_operator: pack_key(2).public_key(),
            customers: vec![customer()],
        };
        let mut config = example_config(common, "core", example);
        config.refresh_milliseconds = 50;
        config.status_cache_seconds = 0;
        config.preparations_a_minute = Some(ASKED_MOST);
        // The payment's Wednesday, whatever the day on which the test runs.
        let system = server::system::now().seconds();
        config.clock_offset_seconds =
            i64::try_from(NOW.seconds()).unwrap() - i64::try_from(system).unwrap();
        config.sanctions_from = vec!["supervisor-nl".to_owned()];
        let files = if side == Side::Debtor { shipped::NL_SG } else { shipped::SG_IN };
        let keys = PackKeys { author: &pack_key(1), operator: &pack_key(2) };
        write_pack(&dir, &files, keys).unwrap();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            edge::run(dir, config, shutdown).await.unwrap();
        });
        self.until(|| async move { self.ready(side).await }).await;
        Running { stop, done }
    }

    async fn ready(&self, side: Side) -> bool {
        let outcome = self.client.send_unsigned(&self.edge(side), Outgoing::get("/ready")).await;
        matches!(outcome, Outcome::Answer(_))
    }

    async fn until<F: Future<Output = bool>>(&self, mut is_so: impl FnMut() -> F) {
        let asking = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asking).await.expect("so within 30 s");
    }

    fn edge(&self, side: Side) -> Peer {
        let name = if side == Side::Debtor { "bank-nl.1" } else { "bank-sg.1" };
        self.peers.iter().find(|peer| peer.name == name).unwrap().peer().unwrap()
    }

    async fn post(&self, side: Side, target: &str, body: Vec<u8>, seed: u8) -> Outcome {
        let form = target.ends_with("decisions") || target.ends_with("presentations");
        let kind = if form { "application/x-www-form-urlencoded" } else { api::wire::CBOR };
        let request = Outgoing::post(target, kind, body);
        self.client.send(&self.edge(side), request, &key(seed)).await
    }

    /// The payee's part.
    async fn requested(&self) -> RequestToPay {
        let invoice = self.world.signed_invoice();
        let ask = answer(self.post(Side::Creditor, "/v1/invoices", invoice.to_bytes(), 22).await);
        let ask = PresentationRequest::read(&ask).unwrap();
        let vp_token = self.world.present(&ask, &self.world.payee, 4);
        let body = form(&[("vp_token", &vp_token), ("state", &ask.state.unwrap())]);
        let got = self.post(Side::Creditor, "/v1/invoices/presentations", body, 22).await;
        let got: serde_json::Value = serde_json::from_slice(&answer(got)).unwrap();
        let ticket = seal::text::from_base64url(got["ticket"].as_str().unwrap()).unwrap();
        RequestToPay { layout: 1, invoice, ticket: ticket.into() }
    }

    /// The payer asks for a preparation.
    async fn try_to_prepare(&self, request: RequestToPay) -> Outcome {
        let request = PreparationRequest {
            layout: 1,
            request,
            quote: self.world.signed_quote(),
            debited_account: self.world.payer_account.account,
            refund_of: None,
        };
        let body = seal::to_canonical(&request);
        let stranger = self.post(Side::Debtor, "/v1/preparations", body.clone(), 23).await;
        assert_eq!(status(&stranger), (403, "forbidden".to_owned()));
        self.post(Side::Debtor, "/v1/preparations", body, 21).await
    }

    /// The payee's part, and the payer's preparation.
    async fn prepare(&self) -> Preparation {
        let got = answer(self.try_to_prepare(self.requested().await).await);
        seal::from_canonical(&got).unwrap()
    }

    fn consent(&self, prepared: &Preparation, side: Side) -> String {
        let ticket = match side {
            Side::Debtor => prepared.debtor_ticket.clone(),
            Side::Creditor => prepared.creditor_ticket.clone(),
        };
        seal::text::to_base64url(&seal::to_canonical(&Consent {
            layout: 1,
            ticket,
            terms: prepared.terms.clone(),
            quote: self.world.signed_quote(),
            invoice: self.world.signed_invoice(),
            acceptance: prepared.acceptance.clone(),
        }))
    }

    async fn decide(&self, prepared: &Preparation, side: Side) -> DecisionAnswer {
        let state = self.consent(prepared, side);
        let body = match side {
            Side::Debtor => {
                let ask = PresentationRequest::read(prepared.ask.as_bytes()).unwrap();
                let vp_token = self.world.present(&ask, &self.world.payer, 3);
                form(&[("vp_token", &vp_token), ("state", &state)])
            }
            Side::Creditor => form(&[("state", &state)]),
        };
        let got = answer(self.post(side, "/v1/decisions", body, 21).await);
        serde_json::from_slice(&got).unwrap()
    }

    fn sent(&self, what: &str) -> Vec<Vec<u8>> {
        let shown = self.shown.lock().unwrap();
        shown.sent.iter().filter(|(name, _)| name == what).map(|(_, b)| b.clone()).collect()
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.done.await.unwrap();
    }
}

fn customer() -> Customer {
    Customer {
        company: PAYER.to_owned(),
        legal_name: PAYER_NAME.to_owned(),
        country: "NL".to_owned(),
        street: "Keizersgracht 1".to_owned(),
        post_code: "1015 AA".to_owned(),
        town: "Amsterdam".to_owned(),
        lei: None,
    }
}

fn answer(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Answer(answer) => answer.body.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn status(outcome: &Outcome) -> (u16, String) {
    match outcome {
        Outcome::Refused(problem) => (problem.status, problem.code.clone()),
        Outcome::NotDone(NotDone::NotBegun { problem, .. }) => {
            (problem.status, problem.code.clone())
        }
        other => panic!("{other:?}"),
    }
}

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let encode = |text: &str| {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect::<String>()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// An edge of a build before the travel rule's message states its payer, and is told why not.
async fn an_older_edge_is_told_what_is_missing(town: &Town) {
    let request = town.requested().await;
    let keys = KeyStore::open(&town.dir(Side::Debtor)).unwrap();
    let permit = keys.signing_key("permit").unwrap();
    let (payer, quote) = (&town.world.payer_account, town.world.signed_quote());
    let onboarded = support::onboarding(payer.owner);
    let wanted = admission::Wanted { request: &request, quote: &quote, refund_of: None };
    let stated = town.world.at(Side::Debtor, |desk| {
        let desk = admission::Desk { permit_key: &permit, ..*desk };
        let customer = (&onboarded, admission::AskedToTell::No);
        admission::state_payer(&desk, wanted, payer, customer, support::entropy(1)).unwrap()
    });
    let exchange = |layout| StatementExchange {
        layout,
        from: "bank-nl".parse().unwrap(),
        sealed: stated.sealed.clone().into(),
        request: request.clone(),
        quote: quote.clone(),
        terms: stated.terms.clone(),
        refund_of: None,
        travel: None,
    };
    for (layout, expected) in [(1, (422, "travel-rule-message-missing")), (2, (400, "bad-request"))]
    {
        let body = seal::to_canonical(&exchange(layout));
        let asked = Outgoing::post("/v1/statements", api::wire::CBOR, body);
        let signer = keys.signing_key("request").unwrap();
        let got = town.client.send(&town.edge(Side::Creditor), asked, &signer).await;
        let (status, code) = status(&got);
        assert_eq!((status, code.as_str()), expected, "{got:?}");
    }
}

/// Whoever dies between message and receipt, or after it: the wallet prepares again, and what was
/// told last is what both permits name.
async fn what_is_told_again_is_what_both_permits_name(town: &Town, b: Running) -> Running {
    let (before, request) = (town.prepare().await, town.requested().await);
    b.stop().await;
    let refused = town.try_to_prepare(request).await;
    assert!(matches!(refused, Outcome::NotDone(_)), "{refused:?}");
    let b = town.start(Side::Creditor).await;
    let again = town.prepare().await;
    let permits = |prepared: Preparation| async move {
        let one = town.decide(&prepared, Side::Debtor).await.permit().unwrap();
        let two = town.decide(&prepared, Side::Creditor).await.permit().unwrap();
        (one.read_unverified().unwrap().travel, two.read_unverified().unwrap().travel)
    };
    let (one, two) = permits(again).await;
    assert!(one.is_some() && one == two, "{one:?} {two:?}");
    // The tickets of before hold what was told before: both permits name that, or neither is given.
    let (first, second) = permits(before).await;
    assert!(first == second && first != one, "{first:?} {second:?}");
    b
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_edges_decide_one_payment_and_lose_nothing() {
    let mut town = Town::new("edges").await;
    let (a, b) = (town.start(Side::Debtor).await, town.start(Side::Creditor).await);
    strangers_and_bad_input_are_refused(&town).await;

    let prepared = town.prepare().await;
    assert_eq!(prepared.missing, vec![]);
    let (one, two) =
        tokio::join!(town.decide(&prepared, Side::Debtor), town.decide(&prepared, Side::Creditor));
    let (one, two) = (one.permit().unwrap(), two.permit().unwrap());
    let one = one.verify(&town.world.nl.institutions[0].permit_keys[0]).unwrap();
    let two = two.verify(&town.world.sg.institutions[0].permit_keys[0]).unwrap();
    assert_eq!(one.statement_sent, two.statement_received);
    assert_eq!(one.travel, two.travel);
    assert_eq!((one.layout, two.layout), (2, 2));
    assert_eq!((one.mark.sequence.number(), two.mark.sequence.number()), (0, 0));
    let known = town.sent("snapshots");
    let in_force = |digest| {
        known.iter().any(|bytes| Signed::<Snapshot>::from_bytes(bytes).unwrap().digest() == digest)
    };
    assert!(in_force(one.basis.snapshot) && in_force(two.basis.snapshot));
    let b = what_is_told_again_is_what_both_permits_name(&town, b).await;
    an_older_edge_is_told_what_is_missing(&town).await;

    // A list with the payee on it: decisions go on with the new snapshot, and say nothing.
    town.world.sanctions[0] = support::sanctions(&[("X2", support::PAYEE_NAME, "SG")]);
    town.world.sanctions[0].version = 5;
    town.show();
    let before = town.sent("snapshots").len();
    town.until(|| async { town.sent("snapshots").len() >= before + 2 }).await;
    town.until(|| async {
        town.decide(&prepared, Side::Debtor).await.code.as_deref() == Some(NEUTRAL_CODE)
    })
    .await;

    what_another_instance_saw_binds(&town, &prepared).await;
    // Revoked a moment ago: the next decision knows.
    town.world.nl_status(NOW.plus(Duration::from_secs(2)), &[12]);
    town.show();
    let refused = town.decide(&prepared, Side::Debtor).await;
    assert_eq!(refused.code.as_deref(), Some("StatusRevoked"));
    let refusal = refused.refusal().unwrap();
    town.until(|| async {
        let sent = town.sent("refusals");
        sent.iter().any(|b| Signed::<Refusal>::from_bytes(b).unwrap() == refusal)
    })
    .await;
    the_record_opens_to_the_operator_only(&town).await;
    who_asks_too_often_is_turned_away_alone(&town).await;
    after_a_restart_nothing_begins_anew(&town, a, &prepared).await;
    b.stop().await;
    // The words of its last account of numbers lie there once a second has passed.
    let mut kept = files(&town.dir(Side::Creditor));
    kept.retain(|name| name != "account");
    let expected = ["data-keys", "kept", "keys", "lists", "lock", "outbox", "pack", "status-marks"];
    assert_eq!(kept, expected);
    std::fs::remove_dir_all(&town.folder).unwrap();
}

async fn strangers_and_bad_input_are_refused(town: &Town) {
    let wallet = 21;
    for (side, target, body, seed, expected) in [
        (Side::Debtor, "/v1/preparations", b"x".to_vec(), 99, (401, "bad-signature")),
        (Side::Debtor, "/v1/preparations", b"x".to_vec(), 24, (403, "forbidden")),
        (Side::Debtor, "/v1/preparations", b"x".to_vec(), wallet, (400, "bad-cbor")),
        (Side::Debtor, "/v1/statements", b"x".to_vec(), wallet, (404, "not-found")),
        (Side::Debtor, "/v1/invoices", b"x".to_vec(), wallet, (404, "not-found")),
        (Side::Creditor, "/v1/preparations", b"x".to_vec(), wallet, (404, "not-found")),
        (Side::Creditor, "/v1/statements", b"x".to_vec(), wallet, (403, "forbidden")),
        (Side::Creditor, "/v1/invoices", b"x".to_vec(), wallet, (400, "bad-request")),
        (Side::Creditor, "/v1/decisions", b"state=1&state=2".to_vec(), 21, (400, "bad-request")),
        (Side::Debtor, "/v1/decisions", b"vp_token=%7B%7D".to_vec(), 21, (400, "bad-request")),
        (Side::Debtor, "/v1/decisions", b"state=AQI".to_vec(), 21, (400, "bad-cbor")),
        (Side::Debtor, "/v1/decisions", b"state=%21".to_vec(), 21, (400, "bad-request")),
    ] {
        let outcome = town.post(side, target, body, seed).await;
        let (status, code) = status(&outcome);
        assert_eq!((status, code.as_str()), expected, "{side} {target}");
    }
    // Another's invoice, well signed by the wrong wallet.
    let invoice = Signed::sign(&town.world.invoice, &key(21)).to_bytes();
    let outcome = town.post(Side::Creditor, "/v1/invoices", invoice.clone(), 21).await;
    assert_eq!(status(&outcome).0, 403);
    let outcome = town.post(Side::Creditor, "/v1/invoices", invoice, 22).await;
    assert_eq!(status(&outcome), (422, "refused".to_owned()));
}

/// Questions that turn out to be none count, too: feeling for the format is no cheaper.
async fn who_asks_too_often_is_turned_away_alone(town: &Town) {
    let ask =
        async |seed| status(&town.post(Side::Debtor, "/v1/preparations", vec![1], seed).await);
    let mut answered = 0;
    while ask(21).await == (400, "bad-cbor".to_owned()) {
        answered += 1;
        assert!(answered < ASKED_MOST, "nobody counts");
    }
    assert_eq!(ask(21).await, (429, "too-many-requests".to_owned()));
    assert_eq!(ask(22).await, (400, "bad-cbor".to_owned()), "another customer");
}

/// Another instance was shown a newer list: the older one judges nobody any more.
async fn what_another_instance_saw_binds(town: &Town, prepared: &Preparation) {
    let issued_at = NOW.plus(Duration::from_secs(1));
    let newer = support::status_list("register-nl", issued_at, &[]);
    let uri = town.world.status.keys().find(|uri| uri.contains("register-nl")).unwrap().clone();
    let digest = seal::sha256(newer.as_bytes());
    town.shown.lock().unwrap().marks = vec![StatusMark { uri, issued_at, digest }];
    let code = async || town.decide(prepared, Side::Debtor).await.code;
    town.until(|| async { code().await.as_deref() == Some("StatusTooOld") }).await;
    town.shown.lock().unwrap().status.insert("register-nl".to_owned(), newer);
    assert_eq!(code().await.as_deref(), Some(NEUTRAL_CODE), "the newer one is fetched");
}

async fn the_record_opens_to_the_operator_only(town: &Town) {
    let target = format!("/v1/decisions/{}/record", town.world.quote.payment);
    let edge = town.edge(Side::Debtor);
    for (seed, expected) in [(21, 403), (25, 403)] {
        let outcome = town.client.send(&edge, Outgoing::get(&target), &key(seed)).await;
        assert_eq!(status(&outcome).0, expected);
    }
    let record = answer(town.client.send(&edge, Outgoing::get(&target), &key(24)).await);
    assert_eq!(replay(&record, &shipped::nl_sg().unwrap()), Ok(Replay::Match));
}

async fn after_a_restart_nothing_begins_anew(town: &Town, a: Running, prepared: &Preparation) {
    let sequence = |refused: DecisionAnswer| {
        let refusal = refused.refusal().unwrap().read_unverified().unwrap();
        refusal.mark.sequence.number()
    };
    let last = sequence(town.decide(prepared, Side::Debtor).await);
    a.stop().await;
    // The list from before the revocation is shown again, and the trust list of yesterday.
    {
        let mut shown = town.shown.lock().unwrap();
        let older = support::status_list("register-nl", NOW.minus(Duration::from_secs(60)), &[]);
        shown.status.insert("register-nl".to_owned(), older);
        let mut seven = town.world.nl.clone();
        seven.version = 7;
        seven.institutions.clear();
        let seven = Signed::<TrustList>::sign(&seven, &key(92)).to_bytes();
        shown.trust.insert("NL".to_owned(), seven);
    }
    let a = town.start(Side::Debtor).await;
    let again = town.decide(prepared, Side::Debtor).await;
    assert_eq!(again.code.as_deref(), Some("StatusTooOld"), "the mark outlived the process");
    assert_eq!(sequence(again), last + 1, "dense over the restart");
    town.until(|| async {
        let parcels = town.sent("parcels");
        let kinds: Vec<String> = parcels
            .iter()
            .map(|bytes| seal::from_canonical::<Parcel>(bytes).unwrap())
            .filter(|parcel| parcel.side == Side::Debtor)
            .map(|parcel| parcel.kind)
            .collect();
        kinds.iter().any(|kind| *kind == format!("decision-{}", last + 1))
            && kinds.iter().any(|kind| kind == "statements")
    })
    .await;
    a.stop().await;
}
