//! A count begins once, has no holes, and ends once.

use journal::Machine;
use record::{FactKind, SpentNumber};
use seal::SigningKey;
use terms::{PaymentId, Position};

use super::super::{SettlementCommand, SettlementConfig, SettlementWork};
use super::*;

const EDGE: &str = "bank-nl.2";

struct Desk {
    book: SettlementBook,
    at: u64,
}

impl Desk {
    fn new() -> Self {
        let book = SettlementBook::new(SettlementConfig {
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            operator: "op".parse().unwrap(),
            roots: BTreeMap::new(),
        });
        Self { book, at: 0 }
    }

    fn joined() -> Self {
        let mut desk = Self::new();
        assert_eq!(desk.ask(join(EDGE, 0)), Ok(1));
        desk
    }

    /// The number of facts, or why not.
    fn ask(&mut self, work: SettlementWork) -> Result<usize, String> {
        let stamp = Instant::from_seconds(100);
        let command = SettlementCommand { slot: SaltSlot(0), work };
        let checked = self.book.check(&(), stamp, &command);
        for fact in &checked.facts {
            self.book.apply(Position::new(self.at), stamp, fact);
            self.at += 1;
        }
        if let SettlementAnswer::NotAccepted(why) = checked.outcome {
            return Err(why);
        }
        assert_eq!(checked.outcome, SettlementAnswer::Done);
        Ok(checked.facts.len())
    }

    fn standing(&self) -> &EdgeStanding {
        self.book.instances().get(EDGE.parse().unwrap()).unwrap()
    }

    /// A payment's fact names this number.
    fn saw(&mut self, number: u64) {
        let mark = mark(EDGE, number);
        self.book.instances.saw(&Heading { debtor_edge: Some(mark), ..Heading::default() });
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn mark(edge: &str, number: u64) -> EdgeMark {
    EdgeMark { edge: edge.parse().unwrap(), sequence: Sequence::new(number) }
}

fn join_of(institution: &str, edge: &str, first: u64) -> SettlementWork {
    let notice = EdgeNotice {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        institution: institution.parse().unwrap(),
        mark: mark(edge, first),
        key: key().key_id(),
    };
    SettlementWork::JoinEdge(Box::new(Signed::sign(&notice, &key())))
}

fn join(edge: &str, first: u64) -> SettlementWork {
    join_of("bank-nl", edge, first)
}

fn account(from: u64, count: u8) -> EdgeAccount {
    let number = |n: u8| SpentNumber {
        payment: PaymentId::from_bytes([n; 16]),
        spent_on: if n == 1 { SpentOn::Nothing } else { SpentOn::Permit },
    };
    EdgeAccount {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        mark: mark(EDGE, from),
        numbers: (0..count).map(number).collect(),
        status_lists: vec![],
    }
}

fn accounts(account: &EdgeAccount) -> SettlementWork {
    SettlementWork::Edges(Box::new(EdgeWork::Account(Signed::sign(account, &key()))))
}

fn close(end: u64, chain: Digest) -> SettlementWork {
    let closing = EdgeClosing {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        mark: mark(EDGE, end),
        accounts: chain,
    };
    SettlementWork::Edges(Box::new(EdgeWork::Close(Signed::sign(&closing, &key()))))
}

fn chain_of(all: &[&EdgeAccount]) -> Digest {
    use record::Document;
    all.iter().fold(Digest::ZERO, |chain, one| chained(chain, one.digest()))
}

#[test]
fn an_instance_joins_once_under_its_institutions_name() {
    let mut desk = Desk::joined();
    assert_eq!(desk.ask(join(EDGE, 0)), Ok(0), "again");
    assert!(desk.ask(join(EDGE, 5)).unwrap_err().contains("another one"));
    assert!(desk.ask(join_of("bank-sg", EDGE, 0)).unwrap_err().contains("belongs to"));
    assert!(desk.ask(join("bank-sg.3", 0)).unwrap_err().contains("not named after"));
    assert_eq!(desk.ask(join("bank-nl.3", 0)), Ok(1), "another");
}

#[test]
fn accounts_leave_no_number_out() {
    let mut desk = Desk::joined();
    let (first, second) = (account(0, 2), account(2, 1));
    assert_eq!(desk.ask(accounts(&first)), Ok(1));
    assert_eq!(desk.ask(accounts(&first)), Ok(0), "again");
    assert!(desk.ask(accounts(&account(3, 1))).unwrap_err().contains("from number 2"));
    assert_eq!(desk.ask(accounts(&second)), Ok(1));
    assert_eq!(desk.standing().spent, [2, 0, 0, 1]);
    assert_eq!(desk.standing().chain, chain_of(&[&first, &second]));
    assert_eq!(desk.standing().missing(), None);
    desk.saw(4);
    let missing = desk.standing().missing().unwrap();
    assert_eq!(missing, (Sequence::new(3), Sequence::new(5)), "3 and 4");
    for (words, wrong) in [
        ("layout", EdgeAccount { layout: 2, ..account(3, 1) }),
        (
            "environment",
            EdgeAccount { environment: "production".parse().unwrap(), ..first.clone() },
        ),
        ("belongs to", EdgeAccount { institution: "bank-sg".parse().unwrap(), ..account(3, 1) }),
        ("not joined", EdgeAccount { mark: mark("bank-nl.9", 0), ..account(3, 1) }),
        ("expected 1 to", account(3, 0)),
    ] {
        let why = desk.ask(accounts(&wrong)).unwrap_err();
        assert!(why.contains(words), "{words}: {why}");
    }
}

#[test]
fn a_closing_names_the_end_and_is_the_end() {
    let mut desk = Desk::joined();
    let first = account(0, 2);
    assert_eq!(desk.ask(accounts(&first)), Ok(1));
    let chain = chain_of(&[&first]);
    assert!(desk.ask(close(3, chain)).unwrap_err().contains("the end is 3"));
    assert!(desk.ask(close(1, chain)).unwrap_err().contains("the end is 1"));
    assert!(desk.ask(close(2, Digest::ZERO)).unwrap_err().contains("not over the accounts"));
    desk.saw(2);
    assert!(desk.ask(close(2, chain)).unwrap_err().contains("not accounted for"));
    let second = account(2, 1);
    assert_eq!(desk.ask(accounts(&second)), Ok(1));
    let chain = chain_of(&[&first, &second]);
    assert_eq!(desk.ask(close(3, chain)), Ok(1));
    assert_eq!(desk.ask(close(3, chain)), Ok(0), "again");
    assert!(desk.ask(accounts(&account(3, 1))).unwrap_err().contains("has left"));
    assert!(desk.ask(join(EDGE, 0)).unwrap_err().contains("not used again"));
    assert_eq!(desk.standing().closed.unwrap().end, Sequence::new(3));
}

#[test]
fn the_newest_status_list_of_any_instance_counts() {
    let mut desk = Desk::joined();
    assert_eq!(desk.ask(join("bank-nl.3", 0)), Ok(1));
    let seen = |edge: &str, seconds: u64| EdgeAccount {
        mark: mark(edge, 0),
        numbers: vec![],
        status_lists: vec![StatusMark {
            uri: "http://issuer/1".into(),
            issued_at: Instant::from_seconds(seconds),
            digest: Digest::ZERO,
        }],
        ..account(0, 0)
    };
    assert_eq!(desk.ask(accounts(&seen(EDGE, 9))), Ok(1));
    assert_eq!(desk.ask(accounts(&seen("bank-nl.3", 5))), Ok(1));
    let lists = desk.book.instances().status_lists("bank-nl".parse().unwrap());
    assert_eq!(lists.len(), 1);
    assert_eq!(lists[0].issued_at, Instant::from_seconds(9), "an older one does not lower it");
    assert!(desk.book.instances().status_lists("bank-sg".parse().unwrap()).is_empty());
}

#[test]
fn kinds_are_what_the_formats_say() {
    let numbers = [EDGE_JOINED, EDGE_ACCOUNTED, EDGE_CLOSED].map(|kind: FactKind| kind.number);
    assert_eq!(numbers, [7, 61, 62]);
}

#[test]
fn a_number_is_compared_with_the_payments_fact_whichever_comes_first() {
    let payment = |n: u8| PaymentId::from_bytes([n; 16]);
    let names = |desk: &mut Desk, number: u64, n: u8, spent_on: SpentOn| {
        let mark = mark(EDGE, number);
        let heading = Heading { creditor_edge: Some(mark), ..Heading::default() };
        desk.book.instances.saw(&heading);
        desk.book.instances.named(&heading, payment(n), spent_on);
    };
    let found = |desk: &Desk| {
        let all = desk.standing().compared.differences();
        all.map(|(number, one)| (number.number(), one.accounted, one.named)).collect::<Vec<_>>()
    };
    let said = |n: u8, spent_on: SpentOn| SpentNumber { payment: payment(n), spent_on };
    // Numbers 0, 1, 2: a permit of payment 0, nothing, a permit of payment 2.
    let by_fact_first = [true, false];
    for fact_first in by_fact_first {
        let mut desk = Desk::joined();
        let facts = |desk: &mut Desk| {
            names(desk, 0, 0, SpentOn::Permit);
            names(desk, 1, 1, SpentOn::Permit);
            names(desk, 2, 9, SpentOn::Permit);
        };
        if fact_first {
            facts(&mut desk);
            let waiting: Vec<_> = desk.standing().compared.unaccounted().collect();
            assert_eq!(waiting[1], (Sequence::new(1), payment(1)), "named while it is missing");
        }
        assert_eq!(desk.ask(accounts(&account(0, 3))), Ok(1));
        if !fact_first {
            assert!(found(&desk).is_empty(), "nothing is named yet");
            facts(&mut desk);
        }
        let expected = [
            (1, said(1, SpentOn::Nothing), said(1, SpentOn::Permit)),
            (2, said(2, SpentOn::Permit), said(9, SpentOn::Permit)),
        ];
        assert_eq!(found(&desk), expected, "fact first: {fact_first}");
        assert_eq!(desk.standing().compared.unaccounted().count(), 0);
        assert_eq!(desk.standing().missing(), None);
    }
}

#[test]
fn one_number_of_two_payments_is_a_difference_and_a_refusal_is_none() {
    let mut desk = Desk::joined();
    let heading = |number| Heading { debtor_edge: Some(mark(EDGE, number)), ..Heading::default() };
    let instances = &mut desk.book.instances;
    let payment = |n: u8| PaymentId::from_bytes([n; 16]);
    instances.named(&heading(0), payment(0), SpentOn::Permit);
    instances.named(&heading(0), payment(0), SpentOn::Permit);
    assert_eq!(instances.get(EDGE.parse().unwrap()).unwrap().compared.differences().count(), 0);
    instances.named(&heading(0), payment(5), SpentOn::Permit);
    instances.named(&heading(3), payment(3), SpentOn::Refusal);
    assert_eq!(instances.get(EDGE.parse().unwrap()).unwrap().compared.differences().count(), 1);
    let refused = |n: u8| SpentNumber { payment: payment(n), spent_on: SpentOn::Refusal };
    let rest = EdgeAccount { numbers: vec![refused(3)], ..account(3, 0) };
    assert_eq!(desk.ask(accounts(&account(0, 3))), Ok(1));
    assert_eq!(desk.ask(accounts(&rest)), Ok(1));
    let all: Vec<_> = desk.standing().compared.differences().map(|(number, _)| number).collect();
    assert_eq!(all, [Sequence::new(0)], "3 is a refusal on both sides");
}
