//! The holder's side against the verifier's side of `credential`, in one process: what is signed,
//! what is shown, what is refused before anything is signed.
#![expect(clippy::type_complexity, reason = "tables of changes read best in place")]

use core::time::Duration;
use std::collections::BTreeMap;

use api::messages::{DecisionAnswer, Preparation};
use credential::claims::{CompanyRegistration, CredentialClaims, Mandate, names};
use credential::{
    COMPANY_REGISTRATION, CredentialDraft, Expectation, HeldCredential, HighWater, MANDATE,
    PresentationRequest, Requirement, TrustSnapshot, build_query, issue, verify_response,
};
use record::{
    Acceptance, Action, Invoice, IssuerKey, PaymentTerms, Permit, Quote, RegisteredClaims,
    RegisteredVerifier, RequestToPay, Side, Signed, TrustList, TrustedIssuer,
};
use seal::{Digest, Es256SigningKey};
use terms::{AccountId, Amount, BusinessDate, Instant, Minor, PaymentId};

use super::decide::{Answer, read_answer};
use super::*;
use crate::config::TrustListEntry;
use crate::fixtures::{TemporaryFolder, config, key, temporary_folder};
use crate::folder::WalletFolder;
use crate::outcome::CommandResult;
use crate::system;

const ISSUER: &str = "http://localhost:7003/register-nl";
const EDGE_ASKS: &str = "http://localhost:7001/v1/decisions";
const ROOT: u8 = 60;

struct World {
    _folder: TemporaryFolder,
    wallet: Wallet,
    hand: PaymentInHand,
    snapshot: TrustSnapshot,
}

fn amount(units: u128, asset: &str) -> Amount {
    Amount::new(Minor::new(units), asset.parse().unwrap())
}

fn issuer_key() -> Es256SigningKey {
    Es256SigningKey::from_scalar(&[70; 32]).unwrap()
}

fn registration() -> CompanyRegistration {
    CompanyRegistration {
        company: "nl-kvk:68750110".parse().unwrap(),
        legal_name: "Brightwater Tools B.V.".to_owned(),
        jurisdiction: "NL".parse().unwrap(),
        legal_form: "B.V.".to_owned(),
        registered_on: BusinessDate::from_days(17_000),
        standing: "active".to_owned(),
        activity: "28.99".to_owned(),
        address: credential::Address {
            street: "Keizersgracht 1".to_owned(),
            postal_code: "1015 AA".to_owned(),
            locality: "Amsterdam".to_owned(),
            country: "NL".parse().unwrap(),
        },
        lei: None,
        directors: vec!["A. Jansen".to_owned()],
    }
}

fn mandate() -> Mandate {
    Mandate {
        mandate_id: "mandate-7".to_owned(),
        company: "nl-kvk:68750110".parse().unwrap(),
        person: "p-4711".to_owned(),
        role: "treasurer".to_owned(),
        limit: amount(5_000_000, "EUR.2@tcb-sandbox"),
        approvals_required: 1,
        valid_until: BusinessDate::from_days(40_000),
    }
}

fn held<C: CredentialClaims>(claims: &C, holder: &Es256SigningKey) -> HeldCredential {
    let now = system::now();
    let draft = CredentialDraft {
        issuer: ISSUER,
        key_id: "k1",
        credential_type: C::TYPE,
        claims: claims.to_claims(),
        selective: claims.selective(),
        holder: holder.public_key(),
        issued_at: now.minus(Duration::from_secs(60)),
        expires_at: now.plus(Duration::from_secs(3_600)),
        status: None,
    };
    let salts: Vec<[u8; 16]> = draft.selective.iter().map(|_| system::random().unwrap()).collect();
    let text = issue(&draft, &issuer_key(), &salts).unwrap();
    HeldCredential::accept(&text, &issuer_key().public_key(), &holder.public_key(), now).unwrap()
}

fn trust_list(claims: &[&str]) -> TrustList {
    let now = system::now();
    TrustList {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        jurisdiction: "NL".parse().unwrap(),
        version: 1,
        issued_at: now,
        next_update: now.plus(Duration::from_secs(86_400)),
        issuers: vec![TrustedIssuer {
            url: ISSUER.to_owned(),
            name: "register".to_owned(),
            keys: vec![IssuerKey {
                kid: "k1".to_owned(),
                key: issuer_key().public_key(),
                valid_from: Instant::EPOCH,
                valid_until: now.plus(Duration::from_secs(86_400)),
            }],
            credential_types: vec![COMPANY_REGISTRATION.to_owned(), MANDATE.to_owned()],
        }],
        institutions: Vec::new(),
        providers: Vec::new(),
        verifiers: vec![RegisteredVerifier {
            client_id: format!("redirect_uri:{EDGE_ASKS}"),
            purpose: "decide a payment".to_owned(),
            claims: [COMPANY_REGISTRATION, MANDATE]
                .map(|credential_type| RegisteredClaims {
                    credential_type: credential_type.to_owned(),
                    paths: claims.iter().map(|path| (*path).to_owned()).collect(),
                })
                .to_vec(),
        }],
        recognitions: Vec::new(),
    }
}

fn ask(terms: &str) -> PresentationRequest {
    let requirement = |id: &str, credential_type: &str, paths: &[&str]| Requirement {
        id: id.to_owned(),
        credential_type: credential_type.to_owned(),
        claims: paths.iter().map(|path| names(path)).collect(),
        issuers: Vec::new(),
    };
    PresentationRequest {
        client_id: format!("redirect_uri:{EDGE_ASKS}"),
        response_uri: EDGE_ASKS.to_owned(),
        nonce: "nonce-1".to_owned(),
        state: None,
        query: build_query(&[
            requirement("registration", COMPANY_REGISTRATION, &["legal_name"]),
            requirement("mandate", MANDATE, &["may_pay", "limit", "mandate_id"]),
        ])
        .unwrap(),
        terms: Some(terms.to_owned()),
    }
}

fn documents() -> (RequestToPay, Signed<Quote>) {
    let now = system::now();
    let invoice = Invoice {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        invoice: terms::InvoiceId::from_bytes([7; 16]),
        number: "INV-014".to_owned(),
        creditor: "sg-uen:201912345K".parse().unwrap(),
        creditor_name: "Lim Ceramics Pte Ltd".to_owned(),
        institution: "bank-sg".parse().unwrap(),
        account: AccountId::from_bytes([3; 16]),
        amount: amount(1_000, "SGD.2@mas-sandbox"),
        purpose: "GDDS".to_owned(),
        issued_at: now,
        due_at: now.plus(Duration::from_secs(3_600)),
    };
    let quote = Quote {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        quote: terms::QuoteId::from_bytes([8; 16]),
        payment: PaymentId::from_bytes([1; 16]),
        provider: "fx-dealer".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        debit: amount(510, "EUR.2@tcb-sandbox"),
        credit: amount(1_000, "SGD.2@mas-sandbox"),
        mid: record::Rate {
            debit_units: Minor::new(1),
            credit_units: Minor::new(2),
            source: "sandbox table".to_owned(),
        },
        principal: amount(500, "EUR.2@tcb-sandbox"),
        margin: amount(10, "EUR.2@tcb-sandbox"),
        fees: Vec::new(),
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(60)),
        at_rate_of: None,
    };
    let request = RequestToPay {
        layout: 1,
        invoice: Signed::sign(&invoice, &key(50)),
        ticket: vec![1].into(),
    };
    (request, Signed::sign(&quote, &key(21)))
}

/// A wallet with two credentials and one payment prepared by its edge.
fn world() -> World {
    let folder = temporary_folder("pay");
    let kept = WalletFolder::open(folder.path()).unwrap();
    let mut directory = config();
    directory.trust_lists = vec![TrustListEntry {
        jurisdiction: "NL".parse().unwrap(),
        url: "http://localhost:7004".to_owned(),
        root: key(ROOT).public_key(),
    }];
    kept.write_config(&directory).unwrap();
    let log = evidence::NoteSigner::new("log.example".parse().unwrap(), key(1));
    kept.write_trust("trust.policy", &format!("log {}\nquorum none\n", log.verifier())).unwrap();
    let list = trust_list(&["company_id", "legal_name", "may_pay", "limit", "mandate_id"]);
    let signed = Signed::sign(&list, &key(ROOT));
    kept.keep_trust_list("NL".parse().unwrap(), &signed).unwrap();
    let wallet = Wallet::open(folder.path()).unwrap();
    let holder = wallet.keys.holder_key(1).unwrap();
    kept.keep_credential(&held(&registration(), &holder)).unwrap();
    kept.keep_credential(&held(&mandate(), &holder)).unwrap();
    let hand = hand(&wallet);
    let snapshot = TrustSnapshot::new(list, Vec::new()).unwrap();
    World { _folder: folder, wallet, hand, snapshot }
}

fn hand(wallet: &Wallet) -> PaymentInHand {
    let (request, quote) = documents();
    let (own, book) = (wallet.config().account, wallet.config().book);
    let expected = PaymentTerms::of_payment(&quote, &request.invoice, own, book).unwrap();
    let terms = expected.to_terms_string();
    let invoice = request.invoice.read_unverified().unwrap();
    let quoted = quote.read_unverified().unwrap();
    let acceptance = Acceptance {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        payment: quoted.payment,
        institution: "bank-sg".parse().unwrap(),
        invoice: request.invoice.digest(),
        account: invoice.account,
        owner: invoice.creditor,
        amount: invoice.amount,
        valid_until: system::now().plus(Duration::from_secs(60)),
    };
    let ask = ask(&terms);
    let preparation = Preparation {
        layout: 1,
        terms,
        acceptance: Signed::sign(&acceptance, &key(41)),
        creditor_edge: "http://localhost:7002".to_owned(),
        debtor_ticket: vec![1].into(),
        creditor_ticket: vec![2].into(),
        ask: ask.to_json().to_string(),
        missing: Vec::new(),
        rules: 9,
    };
    PaymentInHand {
        payment: quoted.payment,
        company: wallet.config().company,
        request,
        quote,
        quoted,
        invoice,
        preparation,
        ask,
        expected,
        rounds_after_consent: 0,
    }
}

fn judged(world: &World, request: &PresentationRequest, letters: &Letters) -> Result<(), String> {
    let (lists, high_water) = (BTreeMap::new(), HighWater::default());
    let expectation = Expectation {
        request,
        trust: &world.snapshot,
        status_lists: &lists,
        high_water: &high_water,
        status_age_max: Duration::from_secs(60),
        now: system::now(),
    };
    verify_response(&letters.vp_token, &expectation).map(|_| ()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn what_the_wallet_presents_the_edge_verifies_and_the_record_names() {
    let world = world();
    let shown = world.wallet.shown(&world.hand).unwrap();
    assert_eq!(shown.view.registered_purpose.as_deref(), Some("decide a payment"));
    assert!(shown.view.unregistered.is_empty() && !shown.text().contains("WARNING"));
    assert!(shown.view.disclosed_count < shown.view.held_count);
    let letters = world.wallet.present(&world.hand).unwrap();
    assert_eq!(judged(&world, &world.hand.ask, &letters), Ok(()));
    assert_eq!(letters.debtor.terms, letters.creditor.terms);
    assert_ne!(letters.debtor.ticket, letters.creditor.ticket);
    let report = world.wallet.privacy(Some(world.hand.payment)).unwrap();
    assert_eq!(report.entries.len(), 1);
    assert_eq!(report.entries[0].asked_count, shown.view.disclosed_count);
    assert!(world.wallet.privacy(Some(PaymentId::from_bytes([9; 16]))).unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_presentation_for_one_edge_is_refused_by_another_and_for_other_terms() {
    let world = world();
    let letters = world.wallet.present(&world.hand).unwrap();
    let mut other = world.hand.ask.clone();
    other.client_id = "redirect_uri:http://localhost:7002/v1/decisions".to_owned();
    other.response_uri = "http://localhost:7002/v1/decisions".to_owned();
    assert!(judged(&world, &other, &letters).unwrap_err().contains("expected audience"));
    let mut changed = world.hand.expected.clone();
    changed.debited = amount(511, "EUR.2@tcb-sandbox");
    let mut other = world.hand.ask.clone();
    other.terms = Some(changed.to_terms_string());
    assert!(judged(&world, &other, &letters).unwrap_err().contains("other transaction data"));
}

#[tokio::test]
async fn terms_that_differ_in_any_field_are_not_signed() {
    let world = world();
    let table: [(&str, fn(&mut PaymentTerms)); 9] = [
        ("payment_id", |t| t.payment = PaymentId::from_bytes([9; 16])),
        ("environment", |t| t.environment = "production".parse().unwrap()),
        ("book", |t| t.book = "other".parse().unwrap()),
        ("action", |t| t.action = Action::Refund),
        ("debited_account", |t| t.debited_account = AccountId::from_bytes([9; 16])),
        ("credited_account", |t| t.credited_account = AccountId::from_bytes([9; 16])),
        ("debited", |t| t.debited = amount(511, "EUR.2@tcb-sandbox")),
        ("payee_name", |t| t.payee_name = "Somebody Else".to_owned()),
        ("expires_at", |t| t.expires_at = t.expires_at.plus(Duration::from_secs(60))),
    ];
    for (field, change) in table {
        let mut hand = world.hand.clone();
        let mut changed = hand.expected.clone();
        change(&mut changed);
        if changed.action == Action::Refund {
            changed.linked_payment = Some(PaymentId::from_bytes([4; 16]));
        }
        hand.preparation.terms = changed.to_terms_string();
        hand.ask.terms = Some(hand.preparation.terms.clone());
        let refused = world.wallet.present(&hand).map(|_| ());
        let got = refused.unwrap_err();
        assert!(
            matches!(got, WalletError::Differs { what, .. } if what == field),
            "{field}: {got}"
        );
    }
    // Nothing was signed, and the record says who asked in vain.
    let entries = world.wallet.privacy(None).unwrap().entries;
    assert_eq!(entries.len(), 9);
    assert!(entries.iter().all(|entry| entry.disclosure == Disclosure::NotAnswered));
}

#[tokio::test]
async fn an_edge_that_lies_about_the_rest_gets_no_signature() {
    let world = world();
    let table: [(&str, fn(&mut PaymentInHand)); 5] = [
        ("asks to sign other terms", |h| h.ask.terms = None),
        ("has the answer sent elsewhere", |h| {
            h.ask.response_uri = "http://localhost:9999/v1/decisions".to_owned();
        }),
        ("names another edge", |h| {
            h.preparation.creditor_edge = "http://localhost:9999".to_owned();
        }),
        ("hands over its own acceptance", |h| {
            let acceptance = h.preparation.acceptance.read_unverified().unwrap();
            h.preparation.acceptance = Signed::sign(&acceptance, &key(31));
        }),
        ("hands over another payment's acceptance", |h| {
            let mut acceptance = h.preparation.acceptance.read_unverified().unwrap();
            acceptance.payment = PaymentId::from_bytes([9; 16]);
            h.preparation.acceptance = Signed::sign(&acceptance, &key(41));
        }),
    ];
    for (row, change) in table {
        let mut hand = world.hand.clone();
        change(&mut hand);
        assert!(world.wallet.present(&hand).is_err(), "an edge that {row}");
    }
    assert!(world.wallet.present(&world.hand).is_ok());
}

#[tokio::test]
async fn asking_beyond_what_was_registered_is_shown() {
    let world = world();
    let list = Signed::sign(&trust_list(&["company_id", "legal_name", "may_pay"]), &key(ROOT));
    world.wallet.folder().keep_trust_list("NL".parse().unwrap(), &list).unwrap();
    let shown = world.wallet.shown(&world.hand).unwrap();
    assert!(shown.text().contains("WARNING"), "{}", shown.text());
    assert!(shown.view.unregistered.iter().any(|one| one.ends_with("mandate_id")));
    // A list that its root did not sign is not read at all.
    let forged = Signed::sign(&trust_list(&["company_id"]), &key(99));
    world.wallet.folder().keep_trust_list("NL".parse().unwrap(), &forged).unwrap();
    assert!(matches!(world.wallet.shown(&world.hand), Err(WalletError::BadFile { .. })));
}

fn permit(hand: &PaymentInHand) -> Permit {
    let now = system::now();
    Permit {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        action: Action::Pay,
        side: Side::Debtor,
        institution: "bank-nl".parse().unwrap(),
        payment: hand.payment,
        terms: hand.expected.terms_digest(),
        owner: "nl-kvk:68750110".parse().unwrap(),
        basis: record::Basis {
            pack: Digest::ZERO,
            schema: Digest::ZERO,
            findings_layer: 1,
            snapshot: Digest::ZERO,
        },
        statement_sent: Digest::ZERO,
        statement_received: Digest::ZERO,
        acceptance: None,
        relied_on: Vec::new(),
        mark: record::EdgeMark {
            edge: "bank-nl.1".parse().unwrap(),
            sequence: terms::Sequence::new(1),
        },
        duties: Vec::new(),
        limits: Vec::new(),
        record: Digest::ZERO,
        decided_at: now,
        valid_until: now.plus(Duration::from_secs(50)),
        travel: None,
    }
}

fn answered(world: &World, permit: &Permit, seed: u8) -> Result<Answer, WalletError> {
    let document = Signed::sign(permit, &key(seed)).to_bytes();
    let answer = DecisionAnswer {
        outcome: "permit".to_owned(),
        document: Some(seal::text::to_base64url(&document)),
        code: None,
        sentence: None,
        mend: None,
        reference: None,
        sentence_zh: None,
        mend_zh: None,
        rules: 9,
        pack: String::new(),
        next: None,
        parties: None,
    };
    let edge = world.wallet.own_edge().unwrap();
    read_answer(edge, Side::Debtor, &world.hand, &answer)
}

#[tokio::test]
async fn a_permit_is_kept_only_when_it_is_for_this_payment_side_and_key() {
    let world = world();
    let good = permit(&world.hand);
    assert!(matches!(answered(&world, &good, 31), Ok(Answer::Permit(_, 9))));
    assert!(answered(&world, &good, 41).is_err(), "the other side's key");
    let table: [(&str, fn(&mut Permit)); 8] = [
        ("payment", |p| p.payment = PaymentId::from_bytes([9; 16])),
        ("terms", |p| p.terms = Digest::ZERO),
        ("side", |p| p.side = Side::Creditor),
        ("institution", |p| p.institution = "bank-sg".parse().unwrap()),
        ("environment", |p| p.environment = "production".parse().unwrap()),
        ("corridor", |p| p.corridor = "sg-nl".parse().unwrap()),
        ("action", |p| p.action = Action::Refund),
        ("owner", |p| p.owner = "nl-kvk:11111111".parse().unwrap()),
    ];
    for (field, change) in table {
        let mut changed = good.clone();
        change(&mut changed);
        let Err(got) = answered(&world, &changed, 31) else { panic!("{field} was not checked") };
        assert!(
            matches!(got, WalletError::Differs { what, .. } if what == field),
            "{field}: {got}"
        );
    }
}

#[tokio::test]
async fn an_order_is_durable_before_it_is_sent_and_an_unreachable_core_is_unknown() {
    let mut world = world();
    let permits = Permitted {
        debtor: Signed::sign(&permit(&world.hand), &key(31)),
        creditor: Signed::sign(&permit(&world.hand), &key(41)),
        debtor_rules: 9,
        creditor_rules: 7,
    };
    let order = world.wallet.order(&world.hand, &permits).unwrap();
    let kept: Option<record::SettleOrder> =
        world.wallet.folder().kept(world.hand.payment, Kept::Order).unwrap();
    assert_eq!(kept.as_ref(), Some(&order));
    assert_eq!(order.identifiers.instruction_id.len(), 32);
    // Nobody listens on this port: surely not done, so the same order may be sent again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.wallet.config.core.url = format!("http://127.0.0.1:{port}");
    world.wallet.client = client::Client::new(
        client::AddressGuard::public_only().allow(&format!("127.0.0.1:{port}")),
        client::CLIENT_LIMITS,
    );
    let outcome = world.wallet.resume(world.hand.payment).await.unwrap();
    assert!(matches!(outcome, PaymentOutcome::Unknown { .. }), "{}", outcome.text());
    assert_eq!(outcome.exit_code(), crate::EXIT_UNKNOWN);
    let never = world.wallet.resume(PaymentId::from_bytes([9; 16])).await.unwrap();
    assert!(never.text().contains("nothing happened"));
    // Whoever pays the same request anew instead would pay twice if that order settled after all.
    let go_on = WhenMissing::GoOn;
    let again = world.wallet.pay(&world.hand.request, &mut |_| Agreement::Yes, go_on).await;
    let words = again.map(|outcome| outcome.text()).unwrap_err().to_string();
    assert!(words.contains(&world.hand.payment.to_string()), "{words}");
    // An order that was refused can never settle, so the request may be paid again.
    let refused = Promise {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        origin: "wayleave.example/test".to_owned(),
        position: terms::Position::new(4),
        commitment: record::Commitment(Digest::ZERO),
        payment: world.hand.payment,
        terms: Digest::ZERO,
        outcome: Ending::Refused("QuoteExpired".to_owned()),
        durability: record::Durability::OneDisk,
        settled_at: Instant::EPOCH,
        integrate_by: Instant::EPOCH,
    };
    let refused = Signed::sign(&refused, &key(50));
    world.wallet.folder().keep(world.hand.payment, Kept::Promise, &refused).unwrap();
    assert_eq!(world.wallet.ordered_before(&world.hand.request).unwrap(), None);
}
