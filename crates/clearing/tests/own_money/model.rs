//! What is asked of the books, step by step, and a model of three lines: who moved how much for
//! itself, and by what.

use std::collections::BTreeMap;

use clearing::customers::CustomerFunding;
use clearing::outgoing::{OutgoingNext, next_outgoing, transfer_of};
use clearing::outside::{Phase, message_id_of};
use clearing::saga::{Asker, CreditorSide};
use clearing::settlement::funding::{FundingAnswer, FundingWork, ResolutionWish};
use clearing::settlement::own::MirrorTerms;
use clearing::testkit::after::{ReturnParts, checked_refund, original, refund, trust_both_ways};
use clearing::testkit::{
    Books, COMPANIES, Deal, OrderParts, PAYER_FUNDS, account, asset, funding, institution, name,
    now, own_account,
};
use clearing::{
    Action, CheckedOutgoing, CustomerWork, CustomersBook, Heard, Original, OutsideAnswer,
    OutsideWork, Route, SettlementAnswer, SettlementWork,
};
use record::{
    Ending, LineId, LineOutcome, OutsideEvidence, OutsideNote, Resolution, Side, StuckDecision,
};
use terms::{AccountId, Amount, Minor, OutsideId, PaymentId};

use clearing::testkit::outside::stuck_act;

use super::parts::{
    act, bank, control, correction, empty_books, line, message, outgoing, tell, withdrawal,
};

/// How a transfer over a rail is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The rail says that it paid.
    Paid,
    /// The rail says that it did not.
    Rejected,
    /// It is never sent.
    Lapsed,
    /// A booked debit line says so.
    ByLine,
    /// A person says that it was paid.
    PersonPaid,
    /// A person says that it was not.
    PersonNot,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Line { side: Side, customer: Option<u8>, amount: u128 },
    Strange { side: Side, amount: u128, release: bool },
    Charge { side: Side, amount: u128, bank: bool },
    Withdraw { side: Side, amount: u128, end: End },
    Pay { amount: u128 },
    Return { amount: u128 },
    Refund { amount: u128 },
    Outgoing { end: End },
    Correct { side: Side, amount: u128, gets: bool },
    ByHand { side: Side, amount: u128 },
    Act { side: Side, freeze: bool },
}

/// The kinds of movement that are a bank's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feed {
    Line,
    Release,
    Charge,
    PaidByRail,
    PaidByLine,
    PaidByPerson,
    Correction,
    ByHand,
}

impl Feed {
    pub(crate) const ALL: [Self; 8] = [
        Self::Line,
        Self::Release,
        Self::Charge,
        Self::PaidByRail,
        Self::PaidByLine,
        Self::PaidByPerson,
        Self::Correction,
        Self::ByHand,
    ];
}

enum Going {
    Route(Box<Route>),
    Fund(Side, CustomerFunding),
    Withdraw { side: Side, id: OutsideId, amount: u128, end: End, asked: bool },
    Outgoing(Box<CheckedOutgoing>, End),
}

pub(crate) struct World {
    pub(crate) books: Books,
    going: Vec<Going>,
    moved: BTreeMap<(bool, Feed), [u128; 2]>,
    originals: Vec<Original>,
    next: u64,
    acts: u8,
}

impl World {
    /// The payers' money came by lines that name them, and three payments have settled.
    pub(crate) fn funded() -> Self {
        let (books, next) = (empty_books(), 1);
        let mut world =
            Self { books, going: vec![], moved: BTreeMap::new(), originals: vec![], next, acts: 0 };
        for n in 0..COMPANIES {
            let (side, customer) = (Side::Debtor, Some(n));
            world.begin(&Wish::Line { side, customer, amount: PAYER_FUNDS });
        }
        for _ in 0..3 {
            world.begin(&Wish::Pay { amount: 100_000 });
        }
        world.finish();
        let numbers = 1..=world.next;
        let all = numbers.filter_map(|n| original(&world.books, Deal::number(n).payment()));
        world.originals = all.collect();
        assert_eq!(world.originals.len(), 3);
        world
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn note(&mut self, side: Side, feed: Feed, [came_in, went_out]: [u128; 2]) {
        let sums = self.moved.entry((side == Side::Debtor, feed)).or_default();
        *sums = [sums[0] + came_in, sums[1] + went_out];
    }

    /// What came in and went out by one kind of movement.
    pub(crate) fn moved(&self, side: Side, feed: Feed) -> [u128; 2] {
        self.moved.get(&(side == Side::Debtor, feed)).copied().unwrap_or_default()
    }

    /// A bank's own money, with one kind of movement left out.
    pub(crate) fn own_of(&self, side: Side, without: Option<Feed>) -> [u128; 2] {
        let feeds = Feed::ALL.into_iter().filter(|feed| Some(*feed) != without);
        feeds
            .map(|feed| self.moved(side, feed))
            .fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
    }

    /// How many payments have settled.
    pub(crate) fn settled(&self) -> usize {
        let settled =
            |(_, entry): &(&PaymentId, &clearing::PaymentEntry)| entry.ending == Ending::Settled;
        self.books.settlement.state.payments().filter(settled).count()
    }

    /// How much is under way.
    pub(crate) const fn open(&self) -> usize {
        self.going.len()
    }

    fn book(&self, side: Side) -> &CustomersBook {
        match side {
            Side::Debtor => &self.books.debtor.state,
            Side::Creditor => &self.books.creditor.state,
        }
    }

    /// What an operator compares, read at this moment.
    pub(crate) fn terms(&self, side: Side) -> MirrorTerms {
        let (state, book) = (&self.books.settlement.state, self.book(side));
        let (of, asset) = (institution(side), asset(side));
        let sums = |balances: ledger::Balances| [balances.debits_posted, balances.credits_posted];
        let account = state.settlement_account(of, asset).expect("an account");
        let mut terms = MirrorTerms {
            due_from: sums(book.ledger().balances(own_account(1)).expect("due from")),
            settlement: sums(state.ledger().balances(account).expect("balances")),
            own: state.own_money().of(of, asset),
            ..MirrorTerms::NOTHING
        };
        let plus = |sum: Minor, more: Minor| sum.plus(more).expect("small");
        for (payment, one) in state.transit().iter() {
            if one.debtor == of && !book.not_debited(&[payment]).is_empty() {
                terms.to_leave = plus(terms.to_leave, one.left.minor);
            }
            let untouched = book.creditor_side(payment) == CreditorSide::Untouched;
            if one.creditor == of && !one.outside && untouched {
                terms.to_come = plus(terms.to_come, one.came.minor);
            }
        }
        for going in &self.going {
            if let Going::Fund(to, asked) = going
                && *to == side
            {
                terms.to_come = plus(terms.to_come, asked.amount.minor);
            }
        }
        terms
    }

    fn line(&mut self, side: Side, amount: (u128, &str), says: &str) -> (LineId, LineOutcome) {
        let reference = format!("L-{}", self.number());
        match line(&mut self.books, side, &reference, amount, says) {
            FundingAnswer::Line { line, outcome, .. } => (line, outcome),
            other => panic!("{other:?}"),
        }
    }

    fn resolve(&mut self, line: LineId, wish: ResolutionWish) -> Option<Resolution> {
        let (by, reason) = ("operator".to_owned(), "looked at it".to_owned());
        match tell(&mut self.books, FundingWork::Resolve { line, wish, by, reason }) {
            FundingAnswer::Resolved(resolution) => Some(resolution),
            FundingAnswer::Refused(_) => None,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn begin(&mut self, wish: &Wish) {
        match *wish {
            Wish::Line { side, customer, amount } => self.credit(side, customer, amount),
            Wish::Strange { side, amount, release } => {
                let (line, outcome) = self.line(side, (amount, "CRDT"), "whose is this");
                assert!(matches!(outcome, LineOutcome::Suspense(_)), "{outcome:?}");
                let to = ResolutionWish::Release(institution(side));
                if release && self.resolve(line, to).is_some() {
                    self.note(side, Feed::Release, [amount, 0]);
                }
            }
            Wish::Charge { side, amount, bank } => {
                let (line, outcome) = self.line(side, (amount, "DBIT"), "a charge");
                assert_eq!(outcome, LineOutcome::Unmatched);
                let bearer = if bank { institution(side) } else { name("tcb") };
                if self.resolve(line, ResolutionWish::Charge(bearer)).is_some() && bank {
                    self.note(side, Feed::Charge, [0, amount]);
                }
            }
            Wish::Withdraw { side, amount, end } => {
                let mut id = [0x60; 16];
                id[..8].copy_from_slice(&self.number().to_be_bytes());
                let id = OutsideId::from_bytes(id);
                self.going.push(Going::Withdraw { side, id, amount, end, asked: false });
            }
            Wish::Pay { amount } => {
                let credit = amount;
                let parts = OrderParts::of(Deal { credit, ..Deal::number(self.number()) });
                let order = parts.checked_against(&trust_both_ways()).expect("valid");
                self.going.push(Going::Route(Box::new(Route::of_client(order))));
            }
            Wish::Return { amount } | Wish::Refund { amount } => {
                let number = self.number();
                let of = usize::try_from(number).expect("small") % self.originals.len();
                let of = self.originals[of].clone();
                let route = if matches!(wish, Wish::Return { .. }) {
                    ReturnParts::quoted(&of, number, amount).checked(&of).map(Route::of_return)
                } else {
                    checked_refund(&refund(&of, number, amount), &of).map(Route::of_client)
                };
                self.going.extend(route.map(|route| Going::Route(Box::new(route))));
            }
            Wish::Outgoing { end } => {
                let order = outgoing(self.number());
                self.going.push(Going::Outgoing(Box::new(order), end));
            }
            Wish::Correct { side, amount, gets } => {
                let work = correction(self.number(), side, amount, gets);
                if self.books.settle(now(), work).0 == SettlementAnswer::Done {
                    let moved = if gets { [amount, 0] } else { [0, amount] };
                    self.note(side, Feed::Correction, moved);
                }
            }
            Wish::ByHand { side, amount } => {
                self.acts += 1;
                let reference = 0x80 + self.acts;
                let command = Box::new(funding(reference, control(side), bank(side), amount));
                let work = SettlementWork::Ledger { command, reason: "by hand".into() };
                if self.books.settle(now(), work).0 == SettlementAnswer::Done {
                    self.note(side, Feed::ByHand, [amount, 0]);
                }
            }
            Wish::Act { side, freeze } => {
                self.acts += 1;
                let answer = self.books.settle(now(), act(self.acts, side, freeze)).0;
                assert!(matches!(answer, SettlementAnswer::Acts(_)), "{answer:?}");
            }
        }
    }

    fn credit(&mut self, side: Side, customer: Option<u8>, amount: u128) {
        let bank = institution(side).to_string().to_uppercase();
        let hex = |of: AccountId| seal::text::to_hex(&of.bytes());
        // The last customer is one that the bank does not know: its suspense takes the money.
        let named = customer.map(|n| account(side, n));
        let says = named.map_or(bank.clone(), |of| format!("{bank} ACCT-{}", hex(of)));
        let (line, outcome) = self.line(side, (amount, "CRDT"), &says);
        match outcome {
            LineOutcome::Credited { customer: Some(account), .. } => {
                let amount = Amount::new(Minor::new(amount), asset(side));
                let settled = self.books.settlement.next();
                let asked = CustomerFunding { line, settled, account, amount };
                self.going.push(Going::Fund(side, asked));
            }
            LineOutcome::Credited { customer: None, .. } => {
                self.note(side, Feed::Line, [amount, 0]);
            }
            LineOutcome::Suspense(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// One step of what is under way; `lost`: its answer does not arrive.
    pub(crate) fn step(&mut self, which: usize, lost: bool) {
        let going = self.going.swap_remove(which);
        match going {
            Going::Route(mut route) => {
                let action = route.next();
                if matches!(action, Action::Finished(_)) {
                    return;
                }
                let heard = self.books.carry(now(), &route, action);
                route.hear(if lost { Heard::Unknown } else { heard });
                self.going.push(Going::Route(route));
            }
            Going::Fund(side, asked) => {
                let _ = self.books.tell(now(), side, CustomerWork::Fund(asked));
                assert!(self.book(side).funded(asked.line).is_some());
            }
            Going::Withdraw { side, id, amount, end, asked } => {
                let goes_on = self.withdraw((side, id, amount), end, asked);
                if goes_on {
                    self.going.push(Going::Withdraw { side, id, amount, end, asked: true });
                }
            }
            Going::Outgoing(order, end) => {
                if self.outgoing(&order, end) {
                    self.going.push(Going::Outgoing(order, end));
                }
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        let mut left = 2_000;
        while !self.going.is_empty() {
            self.step(0, false);
            left -= 1;
            assert!(left > 0, "something does not end");
        }
    }

    fn rail(&mut self, work: OutsideWork) -> bool {
        match self.books.settle(now(), SettlementWork::Outside(Box::new(work))).0 {
            SettlementAnswer::Outside(OutsideAnswer::Now) => true,
            SettlementAnswer::Outside(_) => false,
            other => panic!("{other:?}"),
        }
    }

    /// One step of a transfer: whether it moved money, and by what.
    fn transfer(&mut self, id: OutsideId, side: Side, amount: u128, end: End) -> Option<Feed> {
        let transfer = self.books.settlement.state.transfer(id)?.clone();
        match transfer.phase {
            Phase::Held => {
                let intended =
                    end != End::Lapsed && self.rail(OutsideWork::Intend(id, name("tcb-files")));
                if !intended {
                    let lapsed = OutsideEvidence::Lapsed("held and never sent".into());
                    assert!(self.rail(OutsideWork::Release(id, lapsed)));
                }
                None
            }
            Phase::SendIntended if matches!(end, End::PersonPaid | End::PersonNot) => {
                let stuck = OutsideNote::Stuck("no end".into());
                assert!(self.rail(OutsideWork::Note(id, stuck)));
                None
            }
            Phase::SendIntended if end == End::ByLine => {
                let says = message_id_of(id);
                let (_, outcome) = self.line(side, (amount, "DBIT"), &says);
                assert!(matches!(outcome, LineOutcome::Confirmed { .. }), "{outcome:?}");
                Some(Feed::PaidByLine)
            }
            Phase::SendIntended if end == End::Paid => {
                assert!(self.rail(OutsideWork::Post(id, message(id, "ACSC", ""))));
                Some(Feed::PaidByRail)
            }
            Phase::SendIntended => {
                assert!(self.rail(OutsideWork::Release(id, message(id, "RJCT", "AC04"))));
                None
            }
            Phase::Stuck(_) => {
                let paid = end == End::PersonPaid;
                let decision = if paid { StuckDecision::Done } else { StuckDecision::NotDone };
                assert!(self.rail(OutsideWork::Resolve(stuck_act(&transfer, decision))));
                paid.then_some(Feed::PaidByPerson)
            }
            Phase::Sent(_) | Phase::InDoubt(_) | Phase::Confirmed(_) | Phase::Rejected(_) => None,
        }
    }

    fn withdraw(
        &mut self,
        (side, id, amount): (Side, OutsideId, u128),
        end: End,
        asked: bool,
    ) -> bool {
        if !asked {
            return self.rail(OutsideWork::Request(withdrawal(side, id, amount)));
        }
        if let Some(feed) = self.transfer(id, side, amount, end) {
            self.note(side, feed, [0, amount]);
        }
        let known = self.books.settlement.state.transfer(id).expect("a transfer");
        !matches!(known.phase, Phase::Confirmed(_) | Phase::Rejected(_))
    }

    fn outgoing(&mut self, order: &CheckedOutgoing, end: End) -> bool {
        let payment = order.order().payment;
        let debtor = self.books.debtor.state.debtor_side(payment);
        let side = self.books.settlement.state.outgoing_side(payment);
        let next = next_outgoing(debtor, &side, Asker::Client);
        let tell = |books: &mut Books, work| drop(books.tell(now(), Side::Debtor, work));
        match next {
            OutgoingNext::Hold => {
                tell(&mut self.books, CustomerWork::HoldOutgoing(Box::new(order.clone())));
                let held = self.books.debtor.state.debtor_side(payment);
                return held == clearing::saga::DebtorSide::Held;
            }
            OutgoingNext::Take => {
                let _ = self.books.settle(now(), SettlementWork::Take(Box::new(order.clone())));
            }
            OutgoingNext::Wait => {
                let amount = order.order().amount.minor.units();
                // Carried money is nobody's own, whatever ends its transfer.
                let _ = self.transfer(transfer_of(payment), Side::Debtor, amount, end);
            }
            OutgoingNext::Debit(at) => tell(&mut self.books, CustomerWork::Debit(payment, at)),
            OutgoingNext::Release(why) => {
                tell(&mut self.books, CustomerWork::Release(payment, why));
            }
            OutgoingNext::Abandon => panic!("a client's order is not abandoned"),
            OutgoingNext::Finished => return false,
        }
        true
    }
}
