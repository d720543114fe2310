//! The stored form: byte for byte what `record::Fact` would store.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking"
)]

use bookkeeping::{
    CHANGED, ClientNumber, Effect, Event, Found, LedgerBook, LedgerFact, Outcome, REFUSED, Refused,
    Request, Tag, What,
};
use journal::{Image, Machine, Recorded};
use ledger::{
    Ceiling, Command, Entry, Floor, Link, Opening, Owner, Purpose, Reason, Refusal, Side,
    Transaction,
};
use proptest::prelude::*;
use record::{Fact, SaltSlot};
use seal::{Digest, to_canonical};
use terms::{AccountId, BusinessDate, Instant, Minor, PaymentId, Position, TransactionId};

const NOW: Instant = Instant::from_nanos(1_000);

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn opening(n: u8, floor: Floor) -> Opening {
    Opening {
        id: account(n),
        asset: "EUR.2@bank-nl".parse().unwrap(),
        normal: Side::Credit,
        owner: Owner::Institution("bank-nl".parse().unwrap()),
        purpose: Purpose::Customer,
        floor,
        ceiling: Ceiling::Unlimited,
        marks: None,
    }
}

fn transfer(id: u8, amount: u128, links: usize) -> Transaction {
    let entry =
        |n, side| Entry { account: account(n), side, amount: Minor::new(amount), hold: None };
    Transaction {
        id: TransactionId::from_bytes([id; 16]),
        business_date: BusinessDate::from_days(20_780),
        reason: Reason::Payment,
        entries: [entry(1, Side::Debit), entry(2, Side::Credit)].into_iter().collect(),
        claims: vec![],
        links: vec![Link::Payment(PaymentId::from_bytes([9; 16])); links],
        detail: None,
    }
}

fn request(client: u32, command: Command) -> Request {
    Request {
        client: ClientNumber(client),
        slot: SaltSlot(3),
        what: What::Do(command),
        effect: Effect::Lasting,
    }
}

/// A book, a position, and facts by position.
struct Kept {
    book: LedgerBook,
    facts: Vec<LedgerFact>,
}

impl Kept {
    fn new() -> Self {
        let mut kept = Self { book: LedgerBook::new(1), facts: vec![] };
        kept.ask(request(1, Command::OpenAccount(opening(1, Floor::Unlimited))));
        kept.ask(request(1, Command::OpenAccount(opening(2, Floor::MayNotGoBelowZero))));
        kept
    }

    fn ask(&mut self, request: Request) -> Outcome {
        let mut found = Found::default();
        let key = match &request.what {
            What::Do(command) => bookkeeping::keys::of_command(request.client, command),
            What::Find(key) | What::Trace(key) => Some(*key),
            What::Together(_) => None,
        };
        if let Some(key) = key {
            for (position, fact) in (0..).zip(&self.facts) {
                let mut is_named = false;
                bookkeeping::keys::of_fact(fact, |other| is_named |= other == key);
                if is_named {
                    found.learn(&key, Position::new(position), NOW, fact);
                }
            }
        }
        let checked = self.book.check(&found, NOW, &request);
        for fact in checked.facts {
            self.book.apply(Position::new(self.facts.len() as u64), NOW, &fact);
            self.facts.push(fact);
        }
        checked.outcome
    }
}

#[test]
fn a_change_is_stored_as_the_record_fact_it_is() {
    let mut kept = Kept::new();
    for (n, (amount, links)) in (10..).zip([(1, 0), (u128::from(u64::MAX) + 1, 0), (5, 3), (7, 8)])
    {
        kept.ask(request(70_000, Command::Post(transfer(n, amount, links))));
    }
    for fact in &kept.facts {
        let mut bytes = vec![0xee];
        fact.write(&mut bytes);
        let record = seal::from_canonical::<Fact>(&bytes[1..]).unwrap();
        assert_eq!(record.kind, CHANGED);
        assert_eq!(to_canonical(&record), bytes[1..]);
        assert_eq!(LedgerFact::read(&bytes[1..]).as_ref(), Ok(fact));
    }
}

#[test]
fn the_bytes_of_a_transfer_are_fixed() {
    let mut kept = Kept::new();
    kept.ask(request(1, Command::Post(transfer(0xab, 500, 0))));
    let mut bytes = Vec::new();
    kept.facts[2].write(&mut bytes);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let id = |n: u8| format!("50{}", hex(&[n; 16]));
    let pieces = [
        "84".into(),
        "8219010001".into(),
        "03".into(),
        "80".into(),
        "81".into(),
        "584b".into(),
        "82".into(),
        "01".into(),
        "8209".into(),
        "82".into(),
        "86".into(),
        id(0xab),
        "19512c".into(),
        "00".into(),
        "82".into(),
        "83".into(),
        id(1),
        "00".into(),
        "1901f4".into(),
        "83".into(),
        id(2),
        "01".into(),
        "1901f4".into(),
        "80".into(),
        "80".into(),
        "80".into(),
    ];
    assert_eq!(hex(&bytes), pieces.concat());
}

#[test]
fn a_refusal_uses_up_its_id_and_is_answered_again() {
    let mut kept = Kept::new();
    let from_two = |amount: u128| {
        let mut transfer = transfer(5, amount, 0);
        transfer.entries[0].account = account(2);
        transfer.entries[1].account = account(1);
        request(1, Command::Post(transfer))
    };
    let first = kept.ask(from_two(10));
    assert!(matches!(first, Outcome::Refused { refusal: Refusal::InsufficientFunds { .. } }));
    let facts = kept.facts.len();
    kept.ask(request(1, Command::Post(transfer(6, 1000, 0))));
    let again = kept.ask(from_two(10));
    let Outcome::RefusedBefore { refused, position } = again else { panic!("{again:?}") };
    assert_eq!((refused.rule.as_str(), position.number()), ("InsufficientFunds", 2));
    let other = kept.ask(from_two(11));
    let conflict = Refusal::IdUsedWithOtherContent { field: "command" };
    assert_eq!(other, Outcome::Refused { refusal: conflict });
    assert_eq!(kept.facts.len(), facts + 1, "neither was journalled");
    let another = Request { client: ClientNumber(2), ..from_two(10) };
    assert!(matches!(kept.ask(another), Outcome::Done { .. }), "ids are each client's own");
}

#[test]
fn a_repeat_finds_its_first_answer_and_a_dry_run_leaves_no_trace() {
    let mut kept = Kept::new();
    let post = request(1, Command::Post(transfer(5, 10, 0)));
    let dry = Request { effect: Effect::None, ..post.clone() };
    let Outcome::Done { balances } = kept.ask(dry) else { panic!() };
    assert_eq!(balances[0].debits_posted, Minor::new(10), "the exact outcome");
    assert_eq!(kept.facts.len(), 2);
    assert!(matches!(kept.ask(post.clone()), Outcome::Done { .. }));
    let repeated = Outcome::Repeated { first: NOW, position: Some(Position::new(2)) };
    assert_eq!(kept.ask(post), repeated);
    let find = |n: u8| Request {
        what: What::Find(bookkeeping::Key::transaction(
            ClientNumber(1),
            TransactionId::from_bytes([n; 16]),
        )),
        ..request(1, Command::ExpireHolds { at_most: 0 })
    };
    assert_eq!(
        kept.ask(find(5)),
        Outcome::Repeated { first: NOW, position: Some(Position::new(2)) }
    );
    assert_eq!(kept.ask(find(6)), Outcome::Absent);
    let conflict = Refusal::IdUsedWithOtherContent { field: "entries" };
    let other = kept.ask(request(1, Command::Post(transfer(5, 11, 0))));
    assert_eq!(other, Outcome::Refused { refusal: conflict });
}

#[test]
fn journalled_refusals_have_a_quota() {
    let mut book = LedgerBook::new(1);
    let unknown = |n: u64| {
        let mut transfer = transfer(1, 1, 0);
        transfer.id =
            TransactionId::from_bytes([n.to_be_bytes(), [0; 8]].concat().try_into().unwrap());
        request(7, Command::Post(transfer))
    };
    let mut journalled = 0;
    for n in 0..10_100 {
        let checked = book.check(&Found::default(), NOW, &unknown(n));
        assert!(matches!(checked.outcome, Outcome::Refused { .. }));
        for fact in checked.facts {
            book.apply(Position::new(journalled), NOW, &fact);
            journalled += 1;
        }
    }
    assert_eq!(journalled, 10_000);
}

#[test]
fn an_image_in_steps_is_the_image_at_once_and_loads() {
    let mut kept = Kept::new();
    kept.ask(request(1, Command::Post(transfer(5, 10, 0))));
    let wanted = kept.book.save();
    assert!(kept.book.begin_image());
    let mut bytes = Vec::new();
    let mut n = 20;
    while kept.book.image_step(&mut bytes) {
        kept.ask(request(1, Command::Post(transfer(n, 10, 0))));
        n += 1;
    }
    assert_eq!(bytes, wanted);
    assert_eq!(LedgerBook::load(&wanted).unwrap().save(), wanted);
    assert!(LedgerBook::load(&wanted[..wanted.len() - 1]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_and_all_it_takes_are_canonical(
        flips in proptest::collection::vec((0_usize..140, any::<u8>()), 1..4), slot: u64,
    ) {
        let mut kept = Kept::new();
        kept.ask(Request { slot: SaltSlot(slot), ..request(1, Command::Post(transfer(5, 10, 0))) });
        let mut bytes = Vec::new();
        kept.facts[2].write(&mut bytes);
        for (at, to) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
        }
        if let Ok(fact) = LedgerFact::read(&bytes) {
            let mut again = Vec::new();
            fact.write(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn a_refusal_reads_as_written(id: [u8; 16], rule in "[A-Za-z]{1,30}", text in ".{0,60}") {
        let refused = Refused {
            tag: Tag::Hold, id, content: Digest::from_bytes([4; 32]), rule, text,
        };
        let fact = LedgerFact {
            client: ClientNumber(12), slot: SaltSlot(1), event: Event::Refused(refused),
        };
        let mut bytes = Vec::new();
        fact.write(&mut bytes);
        prop_assert_eq!(seal::from_canonical::<Fact>(&bytes).unwrap().kind, REFUSED);
        prop_assert_eq!(LedgerFact::read(&bytes), Ok(fact));
    }
}
