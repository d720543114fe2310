//! Golden bytes of acts: two documents and the facts of kinds 52 to 56.
//!
//! One line per document or fact in `golden/acts.txt`, which is only added to.
#![expect(clippy::expect_used, reason = "sample values of a test")]

use record::settlement::FactBody;
use record::{
    AccountLimits, AccountRestricted, Act, ActAccount, ActDecided, ActDecision, ActFellThrough,
    ActKind, ActProposed, ActTookEffect, ActVerdict, Document, Fact, Heading, SaltSlot, Signed,
    Stop, Subject,
};
use seal::text::to_hex;
use seal::{SigningKey, from_canonical, to_canonical};
use terms::{AccountId, ActId, Instant, Minor, Position};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

fn act(what: ActKind) -> Act {
    Act {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        id: ActId::from_bytes([0x52; 16]),
        what,
        reason: "fraud case 12".into(),
        from: Instant::from_seconds(1_795_380_600),
        until: what.stops().then(|| Instant::from_seconds(1_795_384_200)),
        decide_by: Instant::from_seconds(1_795_467_000),
    }
}

fn kinds() -> Vec<ActKind> {
    let asset = name("EUR.2@tcb-sandbox");
    let settlement = ActAccount::Settlement(name("bank-nl"), asset);
    let customer = ActAccount::Customer(name("bank-nl"), AccountId::from_bytes([0xa0; 16]));
    let limits = |overdraft, ceiling: Option<u128>| AccountLimits {
        overdraft: Minor::new(overdraft),
        ceiling: ceiling.map(Minor::new),
    };
    vec![
        ActKind::Suspend(Subject::Participant(name("bank-nl"))),
        ActKind::Suspend(Subject::Corridor(name("nl-sg"))),
        ActKind::Resume(Subject::Asset(asset)),
        ActKind::Freeze(settlement, Stop::Debits),
        ActKind::Freeze(customer, Stop::Credits),
        ActKind::Thaw(customer),
        ActKind::SetLowWater(name("bank-nl"), asset, Minor::new(5_000_000)),
        ActKind::SetLimits(name("bank-nl"), asset, limits(0, None)),
        ActKind::SetLimits(name("bank-nl"), asset, limits(100, Some(900))),
    ]
}

fn document<T: Document + PartialEq + core::fmt::Debug>(label: &str, value: &T) -> String {
    let bytes = to_canonical(value);
    assert_eq!(from_canonical::<T>(&bytes).expect("reads"), *value);
    for index in 0..bytes.len() {
        assert!(bytes.get(..index).is_none_or(|cut| from_canonical::<T>(cut).is_err()));
    }
    format!("{label} {}\n", to_hex(&bytes))
}

fn fact<T: FactBody + PartialEq + core::fmt::Debug>(label: &str, body: &T) -> String {
    let fact: Fact = body.to_fact(SaltSlot(7), Heading::default());
    assert_eq!(T::from_fact(&fact).expect("reads"), *body);
    let fields: Vec<String> = fact.body.iter().map(|field| to_hex(field)).collect();
    format!("{label} {} {}\n", T::KIND.number, fields.join(" "))
}

#[test]
fn the_bytes_of_acts_are_fixed() {
    let key = SigningKey::from_seed(&[0x61; 32]);
    let mut lines = String::new();
    for what in kinds() {
        lines.push_str(&document(what.as_str(), &act(what)));
    }
    let [stop, ..] = kinds()[..] else { return };
    for verdict in [ActVerdict::Approved, ActVerdict::Rejected, ActVerdict::Withdrawn] {
        let decision = ActDecision {
            layout: 1,
            environment: name("sandbox"),
            book: name("settlement"),
            act: act(stop).id,
            digest: act(stop).digest(),
            verdict,
            reason: "looked at it".into(),
        };
        lines.push_str(&document(verdict.as_str(), &decision));
        let decision = Signed::sign(&decision, &key);
        lines.push_str(&fact("decided", &ActDecided { decision, by: "ben".into() }));
    }
    let signed = Signed::sign(&act(stop), &key);
    lines.push_str(&fact("proposed", &ActProposed { act: signed, by: "ada".into(), keys: 1 }));
    let (act, change) = (act(stop).id, vec![0x82, 0x00, 0x80]);
    lines.push_str(&fact("took-effect", &ActTookEffect { act, change: change.clone() }));
    let (rule, detail) = ("ActLoosens".into(), "by now".into());
    lines.push_str(&fact("fell-through", &ActFellThrough { act, rule, detail }));
    let account = AccountId::from_bytes([0xa0; 16]);
    for stop in [Some(Stop::Both), None] {
        let ordered_at = Position::new(41);
        let change = change.clone().into();
        let body = AccountRestricted { act, ordered_at, account, stop, change };
        lines.push_str(&fact("restricted", &body));
    }
    assert_eq!(lines, include_str!("golden/acts.txt"), "golden bytes are never edited");
}
