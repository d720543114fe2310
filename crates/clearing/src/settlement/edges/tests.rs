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
