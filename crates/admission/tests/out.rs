//! A payment out at its one edge, and everything that must not pass it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a helper of tests may stop the test"
)]
#![expect(unreachable_pub, dead_code, reason = "support is shared with other tests")]

mod support;

use std::sync::LazyLock;
use std::time::Duration;

use admission::out::PreparedOut;
use admission::{
    ConsentRefused, Decided, Desk, OutRefused, TicketError, Verdict, decide_out, open_out_consent,
    prepare_out, record_commitment,
};
use policy::{Pack, Replay, replay, shipped};
use record::{
    DecisionOutcome, NEUTRAL_CODE, OutgoingParties, OutgoingPayment, OutgoingTerms, OutsideAddress,
    OutsideParty, Side,
};
use seal::DataKey;
use support::*;
use terms::{Amount, Instant, Minor, PaymentId};

static PACK: LazyLock<Pack> = LazyLock::new(|| Pack::load(&shipped::NL_CH).unwrap());

fn at<T>(world: &World, act: impl FnOnce(&Desk<'_>) -> T) -> T {
    world.at(Side::Debtor, |desk| {
        act(&Desk { corridor: "nl-ch".parse().unwrap(), pack: &PACK, ..*desk })
    })
}

fn terms(world: &World) -> OutgoingTerms {
    let asset = "EUR.2@tcb-sandbox".parse().unwrap();
    OutgoingTerms {
        payment: PaymentId::from_bytes([71; 16]),
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        corridor: "nl-ch".parse().unwrap(),
        debited_account: world.payer_account.account,
        amount: Amount::new(Minor::new(2_500), asset),
        fee: Amount::new(Minor::new(250), asset),
        to: OutsideParty {
            name: "Werkhof AG".into(),
            account: "CH9300762011623852957".into(),
            bic: "POFICHBEXXX".into(),
        },
        address: OutsideAddress {
            street: "Hafenweg".into(),
            building: String::new(),
            post_code: "4057".into(),
            town: "Basel".into(),
            country: "CH".into(),
        },
        end_to_end_id: "INV-7".into(),
        purpose: "SUPP".into(),
        expires_at: Instant::from_seconds(NOW.seconds() + 300),
    }
}

fn prepared(world: &World, terms: &OutgoingTerms) -> Result<PreparedOut, OutRefused> {
    at(world, |desk| {
        prepare_out(desk, terms, &world.payer_account, &onboarding(world.payer_account.owner))
    })
}

fn decided(world: &World, terms: &OutgoingTerms, key: u8) -> Decided {
    let ready = prepared(world, terms).unwrap();
    let vp_token = world.present(&ready.ask, &world.payer, 3);
    at(world, |desk| {
        let open = open_out_consent(desk, &ready.ticket, &ready.terms).unwrap();
        let data_key = DataKey::from_bytes([key; 32]);
        decide_out(desk, &open, &vp_token, &world.inputs("bank-nl.1", &data_key))
    })
}

fn order(decided: &Decided) -> (OutgoingPayment, OutgoingParties) {
    match &decided.verdict {
        Verdict::Order { order, parties } => {
            (order.verify(&key(11).public_key()).unwrap(), (**parties).clone())
        }
        other => panic!("{other:?}: {:#?}", decided.record),
    }
}

#[test]
fn a_permit_is_the_order_and_names_its_record_and_the_signed_terms() {
    let world = World::new();
    let terms = terms(&world);
    let decided_once = decided(&world, &terms, 51);
    let (order_made, parties) = order(&decided_once);
    let record = &decided_once.record;
    assert_eq!(record.outcome, DecisionOutcome::Permit);
    assert_eq!((record.corridor.as_str(), record.statements.len()), ("nl-ch", 0));
    assert_eq!(replay(&seal::to_canonical(record), &PACK), Ok(Replay::Match));
    assert_eq!(order_made.record, record_commitment(&DataKey::from_bytes([51; 32]), record));
    assert_eq!(order_made.terms, Some(terms.terms_digest()));
    assert_eq!(record.terms, terms.terms_digest());
    assert_eq!(order_made.parties, parties.commitment());
    assert_eq!((order_made.layout, parties.layout), (2, 2));
    assert_eq!((order_made.amount, order_made.fee), (terms.amount, terms.fee));
    assert_eq!(order_made.basis.pack, PACK.digest());
    // The mandate's month is counted where the order is taken, as of any payment.
    assert_eq!(order_made.limits.as_ref().map(Vec::len), Some(1));
    assert_eq!(parties.payer_address.as_ref().map(|at| at.town.as_str()), Some("Amsterdam"));
    assert_eq!((parties.to.clone(), parties.payer_name.as_str()), (terms.to.clone(), PAYER_NAME));
    // The same key says the same of who pays whom; another key, other secrets.
    assert_eq!(order(&decided(&world, &terms, 51)).1, parties);
    let other = order(&decided(&world, &terms, 52)).1;
    assert_ne!((other.salt, other.identifiers.uetr), (parties.salt, parties.identifiers.uetr));
}

#[test]
fn what_a_rule_forbids_is_refused_with_a_record() {
    type Change = fn(&mut World, &mut OutgoingTerms);
    let table: [(&str, Change); 6] = [
        ("mandate-limit-exceeded", |_, t| t.amount.minor = Minor::new(9_000_000)),
        ("purpose-not-allowed", |_, t| t.purpose = "GAMB".into()),
        // The mandate's limit is in EUR: it allows nothing in another asset.
        ("mandate-limit-exceeded", |_, t| {
            let asset = "SGD.2@mas-sandbox".parse().unwrap();
            (t.amount.asset, t.fee.asset) = (asset, asset);
        }),
        ("account-not-debitable", |w, _| w.payer_account.takes_debits = false),
        ("jurisdiction-sanctioned", |_, t| t.address.country = "RU".into()),
        (NEUTRAL_CODE, |w, t| {
            w.sanctions = vec![sanctions(&[("1", "Werkhof AG", "CH")])];
            t.to.name = "Werkhof AG".into();
        }),
    ];
    for (code, change) in table {
        let mut world = World::new();
        let mut terms = terms(&world);
        change(&mut world, &mut terms);
        match decided(&world, &terms, 51).verdict {
            Verdict::Refusal { document, told } => {
                assert_eq!(told.code, code);
                assert_eq!(document.read_unverified().unwrap().terms, terms.terms_digest());
            }
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn a_ticket_serves_its_own_terms_for_its_own_time() {
    let mut world = World::new();
    let good = terms(&world);
    let ready = prepared(&world, &good).unwrap();
    let other = OutgoingTerms { end_to_end_id: "INV-8".into(), ..good.clone() };
    let open = |world: &World, ticket: &[u8], terms: &str| {
        at(world, |desk| open_out_consent(desk, ticket, terms).map(|_| ()))
    };
    let refused = open(&world, &ready.ticket, &other.to_terms_string());
    assert_eq!(refused, Err(ConsentRefused::OtherThan { part: "terms string" }));
    // A ticket of a payment is none of a payment out.
    let paid = world.exchange();
    let refused = open(&world, &paid.prepared.ticket, &ready.terms);
    assert_eq!(refused, Err(ConsentRefused::Ticket(TicketError::NotOurs)));
    assert_eq!(open(&world, &ready.ticket, &ready.terms), Ok(()));
    world.now = world.now.plus(Duration::from_secs(300));
    let refused = open(&world, &ready.ticket, &ready.terms);
    assert!(matches!(refused, Err(ConsentRefused::Ticket(TicketError::Expired { .. }))));
    type Change = fn(&mut OutgoingTerms);
    let table: [(Change, &str); 2] = [
        (|t| t.end_to_end_id = "/".into(), "end_to_end_id"),
        (|t| t.debited_account = terms::AccountId::from_bytes([9; 16]), "account"),
    ];
    for (change, expected) in table {
        let mut wrong = good.clone();
        change(&mut wrong);
        let words = prepared(&world, &wrong).unwrap_err().to_string();
        assert!(words.contains(expected), "{words}");
    }
}
