//! What crosses the border: all bytes between the two edges, opened with their own keys.

use std::cell::RefCell;
use std::collections::BTreeSet;

use api::messages::{StatementExchange, StatementReply};
use minicbor::Decode;
use record::{PartyStatement, PostalAddress, Signed, StatedParty, TravelMessage};
use seal::{BoxSecretKey, open_box};
use serde_json::Value;
use server::keys::REQUEST_KEY;
use terms::PaymentId;
use wallet::WalletFolder;
use wayleave::demo::setup::Stage;
use wayleave::demo::subjects::{FIRMS, Firm};

use super::links::{Link, Passed};
use super::stage::{World, play};

/// The bodies of HTTP messages that follow each other on a connection.
fn bodies(mut stream: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(end) = stream.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8(stream[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let rest = &stream[end + 4..];
        let (body, after) = rest.split_at(length.unwrap_or(0));
        found.push((head, body.to_vec()));
        stream = after;
    }
    assert!(stream.is_empty(), "whole messages");
    found
}

/// Whether somebody signed a request on this connection with this role's key.
fn is_of(passed: &Passed, stage: &Stage, role: &str) -> bool {
    let id = stage.key(role, REQUEST_KEY).unwrap().public_key().key_id().to_string();
    bodies(&passed.asked).iter().any(|(head, _)| head.contains(&id))
}

fn document<T: for<'b> Decode<'b, ()> + minicbor::Encode<()>>(bytes: &[u8]) -> T {
    seal::from_canonical(bytes).unwrap()
}

fn opened(
    stage: &Stage,
    edge: &str,
    payment: PaymentId,
    sealed: &[u8],
) -> (Vec<u8>, PartyStatement) {
    let key = BoxSecretKey::from_seed(stage.keys(edge).unwrap().seed("statement").unwrap());
    let plain = open_box(&key, record::SEALED_STATEMENT, &payment.bytes(), sealed).unwrap();
    let signed = Signed::<PartyStatement>::from_bytes(&plain).unwrap();
    let content = signed.read_unverified().unwrap();
    (plain, content)
}

/// The travel rule's message, opened: as it was signed, with its payload in the clear.
fn told(stage: &Stage, payment: PaymentId, exchange: &StatementExchange) -> Vec<u8> {
    let key = stage.keys("bank-sg.1").unwrap().seed("statement").unwrap();
    let sealed = exchange.travel.as_ref().expect("the rule asks of every payment");
    let key = BoxSecretKey::from_seed(key);
    let plain = open_box(&key, record::SEALED_TRAVEL, &payment.bytes(), sealed).unwrap();
    let message = Signed::<TravelMessage>::from_bytes(&plain).unwrap().read_unverified().unwrap();
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(payload["payloadMetadata"]["payloadVersion"], "101.2023");
    plain
}

/// Every text of a firm's credentials that is long enough not to stand anywhere by chance.
fn claim_texts(stage: &Stage, firm: &Firm) -> BTreeSet<String> {
    fn collect(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => _ = into.insert(text.clone()),
            Value::Number(number) => _ = into.insert(number.to_string()),
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            Value::Object(members) => members.values().for_each(|value| collect(value, into)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut texts = BTreeSet::new();
    let subjects = std::fs::read(stage.folder("issuers").join("subjects.json")).unwrap();
    let subjects: Value = serde_json::from_slice(&subjects).unwrap();
    for subject in subjects["subjects"].as_array().unwrap() {
        if subject["id"].as_str().unwrap().starts_with(firm.key) {
            collect(&subject["claims"], &mut texts);
        }
    }
    texts.retain(|text| text.len() >= 5);
    texts
}

fn stated_address(firm: &Firm) -> PostalAddress {
    let [street, post_code, town] = firm.address.map(str::to_owned);
    PostalAddress { street, post_code, town, country: firm.country.parse().unwrap() }
}

/// Each statement is its list, and nothing else.
fn statements_are_their_lists(stage: &Stage, payers: &StatedParty, payees: &StatedParty) {
    let (payer, payee) = (&FIRMS[0], &FIRMS[1]);
    let stated = |firm: &Firm| StatedParty {
        company: firm.company.parse().unwrap(),
        legal_name: firm.legal_name.into(),
        account: stage.account(firm.key).unwrap(),
        country: firm.country.parse().unwrap(),
        address: None,
        lei: None,
        purpose: None,
    };
    let of_payer = StatedParty {
        address: Some(stated_address(payer)),
        purpose: Some("GDDS".into()),
        ..stated(payer)
    };
    assert_eq!(*payers, of_payer);
    assert_eq!(*payees, stated(payee));
}

/// No other value of any credential, and no credential, stands anywhere in what crossed.
fn nothing_else_crossed(stage: &Stage, plain: &[Vec<u8>]) -> anyhow::Result<()> {
    let crossed = |text: &str| {
        let bytes = text.as_bytes();
        plain.iter().any(|one| one.windows(bytes.len()).any(|window| window == bytes))
    };
    let (payer, payee) = (&FIRMS[0], &FIRMS[1]);
    for firm in [payer, payee] {
        assert!(crossed(firm.legal_name), "what may cross is seen, so the search sees");
        let account = stage.account(firm.key)?.to_string();
        let mut allowed: BTreeSet<&str> =
            [firm.company, firm.legal_name, firm.asset, account.as_str(), firm.bank].into();
        if firm.key == payer.key {
            allowed.extend(firm.address);
        }
        // A legal form stands in the legal name.
        let may_cross = |text: &str| allowed.iter().any(|one| one.contains(text));
        let texts = claim_texts(stage, firm);
        assert!(texts.len() > 5, "{texts:?}");
        let more: Vec<&String> =
            texts.iter().filter(|text| !may_cross(text) && crossed(text)).collect();
        assert!(more.is_empty(), "{}: {more:?}", firm.key);
        // Nor a credential or presentation itself.
        let folder = WalletFolder::open(&stage.folder(firm.key))?;
        for held in folder.credentials()? {
            let signature = held.text().split(['.', '~']).nth(2).unwrap().to_owned();
            assert!(!crossed(&signature), "{}", held.open().credential_type);
        }
    }
    Ok(())
}

#[test]
fn all_bytes_between_the_edges_opened_hold_nothing_outside_the_statements_list() {
    play(async {
        let links = RefCell::new(Vec::new());
        let world = World::changed("crossing", |stage| {
            for role in ["bank-nl.1", "bank-sg.1"] {
                links.borrow_mut().push(Link::before(stage, role)?);
            }
            Ok(())
        })
        .await?;
        let stage = &world.stage;
        let payment = world.settled("XB-1", 10_000).await?.terms.payment;
        let [to_nl, to_sg] = [0, 1].map(|index: usize| links.borrow()[index].passed());
        let back = to_nl.iter().filter(|one| is_of(one, stage, "bank-sg.1")).count();
        assert_eq!(back, 0, "the payee's edge never calls the payer's");
        let crossing: Vec<Passed> =
            to_sg.into_iter().filter(|one| is_of(one, stage, "bank-nl.1")).collect();
        assert!(!crossing.is_empty());

        let mut plain = Vec::new();
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for one in &crossing {
            plain.push(one.asked.clone());
            plain.push(one.answered.clone());
            asked.extend(bodies(&one.asked));
            answered.extend(bodies(&one.answered));
        }
        assert_eq!((asked.len(), answered.len()), (1, 1), "one exchange per payment");
        assert!(asked[0].0.starts_with("POST /v1/statements "), "{}", asked[0].0);
        let exchange: StatementExchange = document(&asked[0].1);
        let reply: StatementReply = document(&answered[0].1);
        let (bytes, payers) = opened(stage, "bank-sg.1", payment, &exchange.sealed);
        plain.push(bytes);
        let (bytes, payees) = opened(stage, "bank-nl.1", payment, &reply.sealed);
        plain.push(bytes);
        plain.push(told(stage, payment, &exchange));
        plain.push(exchange.terms.clone().into_bytes());
        plain.push(seal::text::from_base64url(&exchange.terms).unwrap());
        for parts in exchange.terms.split('.') {
            plain.extend(seal::text::from_base64url(parts));
        }
        // What B sealed to itself and let the payee carry is B's own customer, B's to know: opened
        // too, it must say nothing of the payer.
        plain.push(exchange.request.ticket.to_vec());

        statements_are_their_lists(stage, &payers.party, &payees.party);
        nothing_else_crossed(stage, &plain)
    });
}
