//! Several commands together: one batch's facts or none, and what each is told.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use bookkeeping::together::TOGETHER_MAX;
use bookkeeping::{
    ClientNumber, Effect, Event, Found, LedgerBook, LedgerFact, Outcome, Request, What, keys,
};
use journal::{Machine, Recorded};
use ledger::{
    Ceiling, Command, Entry, Floor, Freeze, Opening, Owner, Placement, Purpose, Reason, Refusal,
    Side, Term, Transaction, VoidGround,
};
use record::SaltSlot;
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

const NOW: Instant = Instant::from_nanos(1_000);

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn open(n: u8, floor: Floor) -> Command {
    Command::OpenAccount(Opening {
        id: account(n),
        asset: "EUR.2@bank-nl".parse().unwrap(),
        normal: Side::Credit,
        owner: Owner::Institution("bank-nl".parse().unwrap()),
        purpose: Purpose::Customer,
        floor,
        ceiling: Ceiling::Unlimited,
        marks: None,
    })
}

fn post(id: u16, from: u8, to: u8, amount: u128) -> Command {
    let entry =
        |n, side| Entry { account: account(n), side, amount: Minor::new(amount), hold: None };
    Command::Post(Transaction {
        id: TransactionId::from_bytes(u128::from(id).to_be_bytes()),
        business_date: BusinessDate::from_days(20_780),
        reason: Reason::Payment,
        entries: [entry(from, Side::Debit), entry(to, Side::Credit)].into(),
        claims: vec![],
        links: vec![],
        detail: None,
    })
}

struct Kept {
    book: LedgerBook,
    facts: Vec<LedgerFact>,
    /// Who asks.
    client: ClientNumber,
}

impl Kept {
    /// Account 1 may fall, 2 and 3 may not.
    fn new() -> Self {
        let mut kept = Self { book: LedgerBook::new(1), facts: vec![], client: ClientNumber(1) };
        let opened = kept.together(vec![
            open(1, Floor::Unlimited),
            open(2, Floor::MayNotGoBelowZero),
            open(3, Floor::MayNotGoBelowZero),
        ]);
        assert!(opened.iter().all(|(_, one)| matches!(one, Outcome::Done { .. })));
        kept
    }

    fn ask(&mut self, what: What, effect: Effect) -> (Position, Outcome) {
        let request = Request { client: self.client, slot: SaltSlot(3), what, effect };
        let mut found = Found::default();
        keys::to_find(self.book.ledger(), &request, |key| {
            for (position, fact) in (0..).zip(&self.facts) {
                let mut is_named = false;
                keys::of_fact(fact, |other| is_named |= other == key);
                if is_named {
                    found.learn(&key, Position::new(position), NOW, fact);
                }
            }
        });
        let checked = self.book.check(&found, NOW, &request);
        let first = Position::new(self.facts.len() as u64);
        for fact in checked.facts {
            self.book.apply(Position::new(self.facts.len() as u64), NOW, &fact);
            self.facts.push(fact);
        }
        (first, checked.outcome)
    }

    fn together(&mut self, commands: Vec<Command>) -> Vec<(u64, Outcome)> {
        self.with_effect(commands, Effect::Lasting)
    }

    fn with_effect(&mut self, commands: Vec<Command>, effect: Effect) -> Vec<(u64, Outcome)> {
        let (first, outcome) = self.ask(What::Together(commands), effect);
        let Outcome::Together(items) = outcome else { panic!("{outcome:?}") };
        let placed = items.into_iter().map(|item| item.placed(first));
        placed.map(|(position, outcome)| (position.number(), outcome)).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.facts.iter().for_each(|fact| fact.write(&mut bytes));
        bytes
    }
}

fn words(items: &[(u64, Outcome)]) -> Vec<&'static str> {
    let word = |(_, outcome): &(u64, Outcome)| match outcome {
        Outcome::Done { .. } => "done",
        Outcome::Repeated { .. } => "repeated",
        Outcome::Refused { .. } => "refused",
        Outcome::RefusedBefore { .. } => "refused before",
        Outcome::NotDone => "not done",
        Outcome::Absent => "absent",
        Outcome::Together(_) => "together",
        Outcome::Traced { .. } => "traced",
    };
    items.iter().map(word).collect()
}

#[test]
fn each_is_judged_as_if_those_before_it_were_done() {
    let mut kept = Kept::new();
    let hold = HoldId::from_bytes([7; 16]);
    let placement = Placement {
        id: hold,
        account: account(2),
        side: Side::Debit,
        amount: Minor::new(30),
        term: Term::Pinned,
        business_date: BusinessDate::from_days(20_780),
        limits: vec![],
        links: vec![],
    };
    let mut held = post(12, 2, 3, 30);
    let Command::Post(transaction) = &mut held else { panic!() };
    transaction.entries[0].hold = Some(hold);
    let all = kept.together(vec![
        post(10, 1, 2, 100),
        Command::PlaceHold(placement),
        post(11, 2, 3, 70),
        held,
        Command::SetFreeze { account: account(2), freeze: Freeze::Both },
    ]);
    assert_eq!(words(&all), ["done"; 5]);
    let places: Vec<u64> = all.iter().map(|(position, _)| *position).collect();
    assert_eq!(places, [3, 4, 5, 6, 7]);
    let Outcome::Done { balances } = &all[3].1 else { panic!() };
    assert_eq!(balances[1].credits_posted, Minor::new(100), "as it stands after that item");
    assert_eq!(kept.facts.len(), 8);
}

/// A transaction that ended a hold is found by that hold, and its id is its own client's.
#[test]
fn a_hold_does_not_tell_of_another_clients_transaction() {
    let mut kept = Kept::new();
    let hold = HoldId::from_bytes([7; 16]);
    let placement = Placement {
        id: hold,
        account: account(1),
        side: Side::Debit,
        amount: Minor::new(30),
        term: Term::Pinned,
        business_date: BusinessDate::from_days(20_780),
        limits: vec![],
        links: vec![],
    };
    let mut held = post(12, 1, 3, 30);
    let Command::Post(transaction) = &mut held else { panic!() };
    transaction.entries[0].hold = Some(hold);
    kept.together(vec![Command::PlaceHold(placement.clone()), held.clone()]);
    kept.client = ClientNumber(2);
    let (_, again) = kept.ask(What::Do(held), Effect::Lasting);
    let posted = |outcome: &Outcome| {
        matches!(outcome, Outcome::Refused { refusal: Refusal::HoldAlreadyPosted { .. } })
    };
    assert!(posted(&again), "{again:?}");
    // With the hold looked up beside it, an id of one's own is still free.
    let mixed = kept.together(vec![post(12, 1, 2, 5), Command::PlaceHold(placement)]);
    assert_eq!(words(&mixed), ["refused", "not done"], "its refusal used it up");
    let mixed = kept.together(vec![post(13, 1, 2, 5)]);
    assert_eq!(words(&mixed), ["done"]);
}

#[test]
fn one_refusal_leaves_nothing_done_and_all_other_ids_free() {
    let mut kept = Kept::new();
    let bulk = vec![post(10, 1, 2, 100), post(11, 2, 3, 101), post(12, 1, 2, 5)];
    let first = kept.together(bulk.clone());
    assert_eq!(words(&first), ["not done", "refused", "not done"]);
    let Outcome::Refused { refusal } = &first[1].1 else { panic!() };
    let expected = Refusal::InsufficientFunds {
        account: account(2),
        expected: Minor::new(101),
        got: Minor::new(100),
    };
    assert_eq!(*refusal, expected);
    assert_eq!(kept.facts.len(), 4, "three openings, and the refusal that used up its id");
    assert!(matches!(kept.facts[3].event, Event::Refused(_)));
    // The same again is refused for the same reason, even when there is money now.
    assert_eq!(words(&kept.together(vec![post(20, 1, 2, 500)])), ["done"]);
    let again = kept.together(bulk);
    assert_eq!(words(&again), ["not done", "refused before", "not done"]);
    assert_eq!(kept.facts.len(), 5);
    // The others' ids were not used.
    let others = kept.together(vec![post(10, 1, 2, 100), post(12, 1, 2, 5)]);
    assert_eq!(words(&others), ["done", "done"]);
}

#[test]
fn a_repeat_is_repeated_throughout_and_what_is_new_beside_it_is_done() {
    let mut kept = Kept::new();
    let bulk = vec![post(10, 1, 2, 100), post(11, 2, 3, 40)];
    let first = kept.together(bulk.clone());
    let again = kept.together(bulk.clone());
    assert_eq!(words(&again), ["repeated", "repeated"]);
    let places = |items: &[(u64, Outcome)]| -> Vec<Option<u64>> {
        let place = |(at, outcome): &(u64, Outcome)| match outcome {
            Outcome::Repeated { position, .. } => position.map(Position::number),
            _ => Some(*at),
        };
        items.iter().map(place).collect()
    };
    assert_eq!(places(&again), places(&first));
    // Mixed: the new ones are done beside it.
    let mixed = kept.together(vec![post(10, 1, 2, 100), post(13, 2, 3, 1)]);
    assert_eq!(words(&mixed), ["repeated", "done"]);
    assert_eq!(places(&mixed), [Some(3), Some(5)]);
    // Or none of the new ones.
    let mixed = kept.together(vec![post(10, 1, 2, 100), post(14, 2, 3, 1), post(15, 9, 3, 1)]);
    assert_eq!(words(&mixed), ["not done", "not done", "refused"]);
    // The same twice in one request stands once.
    let twice = kept.together(vec![post(16, 1, 2, 1), post(17, 1, 2, 1), post(16, 1, 2, 1)]);
    assert_eq!(words(&twice), ["done", "done", "repeated"]);
    assert_eq!(places(&twice), [Some(7), Some(8), Some(7)]);
    let other = kept.together(vec![post(18, 1, 2, 1), post(18, 1, 2, 2)]);
    assert_eq!(words(&other), ["not done", "refused"]);
    let facts = kept.facts.len();
    assert_eq!(words(&kept.together(vec![post(18, 1, 2, 2)])), ["done"]);
    assert_eq!(kept.facts.len(), facts + 1, "a conflict uses no id up");
}

#[test]
fn a_dry_run_tells_the_exact_outcome_and_leaves_no_trace() {
    let mut kept = Kept::new();
    let before = kept.bytes();
    let bulk = vec![post(10, 1, 2, 100), post(11, 2, 3, 40)];
    let dry = kept.with_effect(bulk.clone(), Effect::None);
    assert_eq!(kept.bytes(), before);
    let refused = kept.with_effect(vec![post(19, 2, 3, 1)], Effect::None);
    assert_eq!(words(&refused), ["refused"]);
    assert_eq!(kept.bytes(), before);
    assert_eq!(kept.together(bulk), dry);
}

#[test]
fn a_whole_batch_is_done_together_and_repeated() {
    let mut kept = Kept::new();
    let bulk: Vec<Command> = (0..TOGETHER_MAX as u16).map(|n| post(n, 1, 2, 1)).collect();
    let (_, first) = kept.ask(What::Together(bulk.clone()), Effect::LastingUntold);
    let Outcome::Together(items) = first else { panic!() };
    assert_eq!(items.len(), TOGETHER_MAX);
    assert_eq!(kept.facts.len(), TOGETHER_MAX + 3);
    let mut more = bulk;
    more.push(post(9_999, 1, 2, 1));
    let many = kept.together(more);
    assert!(many.iter().all(|(_, one)| *one == Outcome::NotDone));
    assert_eq!(kept.facts.len(), TOGETHER_MAX + 3);
    let void =
        Command::VoidHold { hold: HoldId::from_bytes([1; 16]), ground: VoidGround::Cancelled };
    assert_eq!(words(&kept.together(vec![void])), ["refused"]);
    assert_eq!(kept.facts.len(), TOGETHER_MAX + 3, "a command without an id uses none up");
}
