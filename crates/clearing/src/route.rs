//! The route of one payment through its three books, without I/O: the live path and recovery are
//! the same code.
//!
//! The driver repeats: [`Route::next`], carry the [`Action`] to the book it names, put what came
//! back into [`Route::hear`]; until [`Action::Finished`]. A route remembers only what books said.
//! After [`Heard::Unknown`] it asks that book and does not act on it before the answer. It may be
//! dropped at any moment: what it leaves open is an open hold, from which
//! [`Route::of_recovery`] goes on.
//!
//! [`Route::ending`] says how the payment ended as soon as that is final: a promise may leave then,
//! while the creditor's book is still being told.

use record::{
    Blind, Ending, Heading, PaymentTerms, Permit, ReleaseReason, ReturnOrder, ReturnParties,
    SettleOrder, Settled, Side, Signed,
};
use seal::{Digest, sha256};
use terms::{
    AccountId, Amount, BookName, CorridorName, Environment, InstitutionName, PaymentId, Position,
};

use crate::after::CheckedReturn;
use crate::customers::{AfterCustomerWork, CreditOrder, CustomerAnswer, CustomerWork, DebtorSeen};
use crate::order::{CheckedOrder, check_shown};
use crate::rule::{Rule, RuleName};
use crate::saga::{Asker, CreditorSide, DebtorSide, Progress, SettlementSide, Step, next_step};
use crate::settlement::{AfterWork, PaymentEntry, SettlementAnswer, SettlementWork};
use crate::trusted::TrustView;

/// What the driver does next.
#[derive(Clone, Debug)]
pub enum Action {
    /// Submit this to the customers' book of the institution; hear [`Heard::Customers`].
    Customers(InstitutionName, CustomerWork),
    /// Submit this to the settlement book; hear [`Heard::Settlement`].
    Settlement(SettlementWork),
    /// Read `debtor_seen` of the institution's customers' book; hear [`Heard::SawDebtor`].
    AskDebtor(InstitutionName),
    /// Read `payment` of the settlement book; hear [`Heard::SawSettlement`].
    AskSettlement,
    /// Read `creditor_side` of the institution's customers' book; hear [`Heard::SawCreditor`].
    AskCreditor(InstitutionName),
    /// Nothing is left to do.
    Finished(Finish),
}

/// What came back. Reads are linearizable: they queue like commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The answer of a customers' book.
    Customers(CustomerAnswer),
    /// The answer of the settlement book, with the position in the journal's answer.
    Settlement(SettlementAnswer, Position),
    /// What the debtor's book says of the payment.
    SawDebtor(DebtorSeen),
    /// What the settlement book says of the payment, and its next position.
    SawSettlement(Option<PaymentEntry>, Position),
    /// What the creditor's book says of the payment.
    SawCreditor(CreditorSide),
    /// Surely not done (queue full, book closed): the same action comes again.
    NotDone,
    /// May have been done: the route will ask.
    Unknown,
}

/// What to do about a hold that a bank which keeps its own book shows as open.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The payment settled there with these terms: its fact says who takes part, not the bank.
    Settled(Position),
    /// This route ends it.
    Route(Box<Route>),
    /// The bank's word proves nothing: a person must look, and nothing is done.
    NotBelieved(Rule),
}

/// Judges a hold that a bank shows as open; `entry` is the settlement book's, read to its head.
///
/// A bank's word moves no other institution's book and ends no payment: where the settlement book
/// has an ending, that counts, and where it has none, both sides' permits over these terms must be
/// there.
#[must_use]
pub fn shown(
    order: &SettleOrder,
    bank: InstitutionName,
    entry: Option<&PaymentEntry>,
    here: (Environment, BookName),
    trust: &TrustView,
) -> Shown {
    let Some(mut route) = Route::of_recovery(order) else {
        return Shown::NotBelieved(Rule::new(RuleName::PermitDiffers, "it does not read"));
    };
    match entry {
        Some(entry) if entry.terms == route.terms && entry.ending == Ending::Settled => {
            Shown::Settled(entry.position)
        }
        // It was refused, or it is another order's: what is left is a release there.
        Some(_) => {
            (route.debtor_institution, route.creditor_institution) = (bank, bank);
            Shown::Route(Box::new(route))
        }
        None => match check_shown(order, bank, here, trust) {
            Ok(()) => Shown::Route(Box::new(route)),
            Err(rule) => Shown::NotBelieved(rule),
        },
    }
}

/// How a route ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The payment ended at this position of the settlement book, and every book knows it.
    Ended(Ending, Position),
    /// The payment id was used with other terms; nothing moved for this order.
    PaymentIdUsed {
        /// The terms it was used with.
        first: Digest,
    },
    /// A book does not take a step that must be taken. A person must look; recovery asks again.
    Stuck {
        /// How the payment ended, if it did.
        ended: Option<(Ending, Position)>,
        /// What the book said.
        rule: Rule,
    },
    /// Recovery found nothing to recover.
    NothingToDo,
}

impl Carried {
    fn hold(&self) -> CustomerWork {
        match self {
            Self::Order(order) => CustomerWork::Hold(order.clone()),
            Self::Return(order) => {
                CustomerWork::After(AfterCustomerWork::HoldReturn(order.clone()))
            }
        }
    }

    /// What to ask of the settlement book; `None` while nobody keeps what its fact will commit to.
    fn settle(&self) -> Option<SettlementWork> {
        Some(match self {
            Self::Order(order) if order.kept().is_none() => return None,
            Self::Order(order) => SettlementWork::Settle(order.clone()),
            Self::Return(order) => SettlementWork::After(AfterWork::Return(order.clone())),
        })
    }

    fn keep(&mut self, blind: Blind) {
        if let Self::Order(order) = self {
            order.kept = Some(blind);
        }
    }
}

/// What a route knows of one book.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known<T> {
    /// Nothing yet. Acting is safe: every command is idempotent and its answer tells.
    NotYet,
    /// An answer was lost, or was not enough: ask before anything else.
    Ask,
    /// This.
    Is(T),
}

/// What a client brought.
#[derive(Clone, Debug)]
enum Carried {
    /// A payment or a refund.
    Order(Box<CheckedOrder>),
    /// A return: the same steps, in the books of the original.
    Return(Box<CheckedReturn>),
}

/// One payment under way.
#[derive(Clone, Debug)]
pub struct Route {
    payment: PaymentId,
    terms: Digest,
    heading: Heading,
    debtor_institution: InstitutionName,
    creditor_institution: InstitutionName,
    account: AccountId,
    amount: Amount,
    order: Option<Carried>,
    debtor: Known<DebtorSide>,
    settlement: Known<SettlementSide>,
    creditor: Known<CreditorSide>,
    /// Why nothing is held: to be recorded as the payment's ending.
    refusal: Option<Rule>,
    /// The payment id belongs to these other terms.
    taken_by: Option<Digest>,
    stuck: Option<Rule>,
}

impl Route {
    /// The route of an order that a client brought.
    #[must_use]
    pub fn of_client(order: CheckedOrder) -> Self {
        let (debtor, creditor) = (order.permit(Side::Debtor), order.permit(Side::Creditor));
        let (terms, terms_digest) = (order.terms().clone(), order.terms_digest());
        let mut route = Self::of(&terms, terms_digest, debtor, creditor);
        route.order = Some(Carried::Order(Box::new(order)));
        route
    }

    /// The route of a return that an institution brought.
    #[must_use]
    pub fn of_return(order: CheckedReturn) -> Self {
        let parties = order.original.return_parties();
        let mut route = Self::giving_back(order.order(), order.terms_digest(), parties);
        route.heading.corridor = Some(order.original.corridor());
        route.order = Some(Carried::Return(Box::new(order)));
        route
    }

    /// The route of a return whose hold recovery found open, or which settled and was not
    /// credited yet. `None` when the order does not read, which no hold's does.
    #[must_use]
    pub fn of_return_recovery(order: &Signed<ReturnOrder>, parties: ReturnParties) -> Option<Self> {
        let read = order.read_unverified().ok()?;
        let mut route = Self::giving_back(&read, order.digest(), parties);
        (route.debtor, route.settlement) = (Known::Ask, Known::Ask);
        Some(route)
    }

    fn giving_back(order: &ReturnOrder, terms: Digest, parties: ReturnParties) -> Self {
        Self {
            payment: order.payment,
            terms,
            heading: Heading::default(),
            debtor_institution: parties.debtor,
            creditor_institution: parties.creditor,
            account: parties.credited,
            amount: order.credited,
            order: None,
            debtor: Known::NotYet,
            settlement: Known::NotYet,
            creditor: Known::NotYet,
            refusal: None,
            taken_by: None,
            stuck: None,
        }
    }

    /// The route of a payment whose hold recovery found open; the order is the hold's own.
    /// `None` when the order does not read, which no hold's does.
    ///
    /// Every book must have been opened to its head before.
    #[must_use]
    pub fn of_recovery(order: &SettleOrder) -> Option<Self> {
        let terms = PaymentTerms::from_terms_string(&order.terms).ok()?;
        let debtor = order.debtor_permit.read_unverified().ok()?;
        let creditor = order.creditor_permit.read_unverified().ok()?;
        let digest = sha256(order.terms.as_bytes());
        let mut route = Self::of(&terms, digest, &debtor, &creditor);
        (route.debtor, route.settlement) = (Known::Ask, Known::Ask);
        Some(route)
    }

    /// The route that completes a settled payment or refund, from its fact. `None` when that does
    /// not read, which no fact does.
    #[must_use]
    pub fn of_settled(settled: &Settled) -> Option<Self> {
        let debtor = settled.debtor_permit.read_unverified().ok()?;
        let creditor = settled.creditor_permit.read_unverified().ok()?;
        let quote = settled.quote.read_unverified().ok()?;
        let credit = (settled.accounts.credited, quote.credit);
        let of = (settled.payment(), settled.ended.terms);
        let mut route = Self::crediting(of, quote.corridor, credit, (&debtor, &creditor));
        (route.debtor, route.settlement) = (Known::Ask, Known::Ask);
        Some(route)
    }

    fn of(terms: &PaymentTerms, digest: Digest, debtor: &Permit, creditor: &Permit) -> Self {
        let credit = (terms.credited_account, terms.credited);
        Self::crediting((terms.payment, digest), terms.corridor, credit, (debtor, creditor))
    }

    fn crediting(
        (payment, terms): (PaymentId, Digest),
        corridor: CorridorName,
        (account, amount): (AccountId, Amount),
        (debtor, creditor): (&Permit, &Permit),
    ) -> Self {
        Self {
            payment,
            terms,
            heading: Heading {
                corridor: Some(corridor),
                debtor_edge: Some(debtor.mark),
                creditor_edge: Some(creditor.mark),
            },
            debtor_institution: debtor.institution,
            creditor_institution: creditor.institution,
            account,
            amount,
            order: None,
            debtor: Known::NotYet,
            settlement: Known::NotYet,
            creditor: Known::NotYet,
            refusal: None,
            taken_by: None,
            stuck: None,
        }
    }

    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.payment
    }

    /// The institutions whose customers' books take part: the debtor's and the creditor's.
    #[must_use]
    pub const fn institutions(&self) -> [InstitutionName; 2] {
        [self.debtor_institution, self.creditor_institution]
    }

    /// How the payment ended and where, as soon as that is final.
    #[must_use]
    pub fn ending(&self) -> Option<(&Ending, Position)> {
        match (&self.settlement, self.taken_by) {
            (Known::Is(SettlementSide::Ended(ending, at)), None) => Some((ending, *at)),
            (Known::Is(_) | Known::NotYet | Known::Ask, _) => None,
        }
    }

    /// What to do next. The same until something is heard.
    #[must_use]
    pub fn next(&self) -> Action {
        if let Some(rule) = &self.stuck {
            let ended = self.ending().map(|(ending, at)| (ending.clone(), at));
            return Action::Finished(Finish::Stuck { ended, rule: rule.clone() });
        }
        match (&self.debtor, &self.settlement, &self.creditor) {
            (Known::Ask, _, _) => Action::AskDebtor(self.debtor_institution),
            (_, Known::Ask, _) => Action::AskSettlement,
            (_, _, Known::Ask) => Action::AskCreditor(self.creditor_institution),
            (Known::NotYet, _, _) => self.act(Step::Hold),
            (Known::Is(DebtorSide::Held), Known::NotYet, _) => self.act(Step::Settle),
            (Known::Is(_), Known::NotYet, _) if self.refusal.is_some() => self.act(Step::Abandon),
            (Known::Is(_), Known::NotYet, _) => Action::AskSettlement,
            (Known::Is(debtor), Known::Is(settlement), creditor) => {
                let creditor = match creditor {
                    Known::Is(side) => *side,
                    Known::NotYet | Known::Ask => CreditorSide::Untouched,
                };
                self.act(self.step(*debtor, settlement.clone(), creditor))
            }
        }
    }

    fn step(&self, debtor: DebtorSide, settlement: SettlementSide, creditor: CreditorSide) -> Step {
        let asker = if self.order.is_some() { Asker::Client } else { Asker::Recovery };
        let open = matches!(settlement, SettlementSide::Unknown(_));
        let step = next_step(&Progress { debtor, settlement, creditor }, asker);
        if self.taken_by.is_some() && open {
            return Step::Finished;
        }
        // The debtor's book refused: what is left is to say so.
        if step == Step::Hold && self.refusal.is_some() { Step::Abandon } else { step }
    }

    fn act(&self, step: Step) -> Action {
        let customers = Action::Customers;
        match (step, &self.order) {
            (Step::Hold, Some(carried)) => customers(self.debtor_institution, carried.hold()),
            // A hold that was only seen says not what keeps its documents: it is asked once more.
            (Step::Settle, Some(carried)) => match carried.settle() {
                Some(work) => Action::Settlement(work),
                None => customers(self.debtor_institution, carried.hold()),
            },
            (Step::Abandon | Step::Settle, _) => Action::Settlement(self.abandon()),
            (Step::Credit(settled), _) => {
                let Self { payment, account, amount, .. } = *self;
                let credit = CreditOrder { payment, settled, account, amount };
                customers(self.creditor_institution, CustomerWork::Credit(Box::new(credit)))
            }
            (Step::Debit(at), _) => {
                customers(self.debtor_institution, CustomerWork::Debit(self.payment, at))
            }
            (Step::Release(reason), _) => self.release(reason),
            (Step::Stuck, _) => Action::Finished(self.never_debited()),
            (Step::Finished | Step::Hold, _) => Action::Finished(self.finish()),
        }
    }

    fn release(&self, reason: ReleaseReason) -> Action {
        let work = CustomerWork::Release(self.payment, reason);
        Action::Customers(self.debtor_institution, work)
    }

    fn abandon(&self) -> SettlementWork {
        let interrupted = || Rule::new(RuleName::OrderInterrupted, "nothing was settled");
        SettlementWork::RecordCoreRefusal {
            payment: self.payment,
            terms: self.terms,
            heading: self.heading,
            rule: self.refusal.clone().unwrap_or_else(interrupted),
        }
    }

    fn never_debited(&self) -> Finish {
        let ended = self.ending().map(|(ending, at)| (ending.clone(), at));
        let detail = format!("`{}` settled, and has no hold to post", self.debtor_institution);
        Finish::Stuck { ended, rule: Rule::new(RuleName::LedgerRefuses, detail) }
    }

    fn finish(&self) -> Finish {
        match (self.taken_by, self.ending()) {
            (Some(first), _) => Finish::PaymentIdUsed { first },
            (None, Some((ending, at))) => Finish::Ended(ending.clone(), at),
            (None, None) => Finish::NothingToDo,
        }
    }

    /// Takes what came back for the last [`Action`].
    pub fn hear(&mut self, heard: Heard) {
        let asked = self.next();
        match heard {
            Heard::NotDone => {}
            Heard::Unknown => self.doubt(&asked),
            Heard::Customers(answer) => self.hear_customers(&asked, answer),
            Heard::Settlement(answer, position) => self.hear_settlement(answer, position),
            Heard::SawDebtor(seen) => self.saw_debtor(seen),
            Heard::SawSettlement(entry, head) => self.saw_settlement(entry, head),
            Heard::SawCreditor(side) => self.creditor = Known::Is(side),
        }
    }

    // INVARIANT (UnknownAsks): after an unknown answer the next action on that book is a question.
    // Without it a hold could be released although its payment settled. Guard: the simulation.
    fn doubt(&mut self, asked: &Action) {
        match asked {
            Action::Customers(_, CustomerWork::Credit(_)) | Action::AskCreditor(_) => {
                self.creditor = Known::Ask;
            }
            Action::Customers(..) | Action::AskDebtor(_) => self.debtor = Known::Ask,
            Action::Settlement(_) | Action::AskSettlement => self.settlement = Known::Ask,
            Action::Finished(_) => {}
        }
    }

    fn hear_customers(&mut self, asked: &Action, answer: CustomerAnswer) {
        let Action::Customers(_, work) = asked else { return };
        match (work, answer) {
            (CustomerWork::Hold(_), CustomerAnswer::Held(blind)) => {
                self.debtor = Known::Is(DebtorSide::Held);
                if let Some(carried) = &mut self.order {
                    carried.keep(blind);
                }
            }
            (CustomerWork::Hold(_), CustomerAnswer::Done) => {
                let detail = "the book holds and says not what it keeps the documents under";
                self.stuck = Some(Rule::new(RuleName::LedgerRefuses, detail));
            }
            (CustomerWork::After(_), CustomerAnswer::Done) => {
                self.debtor = Known::Is(DebtorSide::Held);
            }
            (CustomerWork::Debit(..), CustomerAnswer::Done) => {
                self.debtor = Known::Is(DebtorSide::Debited);
            }
            (CustomerWork::Release(..), CustomerAnswer::Done) => {
                self.debtor = Known::Is(DebtorSide::Released);
            }
            (CustomerWork::Credit(_), CustomerAnswer::Done) => {
                self.creditor = Known::Is(CreditorSide::Credited);
            }
            (_, CustomerAnswer::HoldEnded(side)) => self.debtor = Known::Is(side),
            (_, CustomerAnswer::PaymentIdUsed { first, .. }) => self.taken(first),
            (CustomerWork::Hold(_) | CustomerWork::After(_), CustomerAnswer::Refused(rule)) => {
                self.debtor = Known::Is(DebtorSide::Untouched);
                self.refusal = Some(rule);
            }
            (_, CustomerAnswer::Refused(rule)) => self.stuck = Some(rule),
            (_, CustomerAnswer::Done | CustomerAnswer::Held(_)) => {}
        }
    }

    /// Money is held for other terms under this id: it is that order's, so nothing is held here.
    fn taken(&mut self, first: Digest) {
        self.taken_by = Some(first);
        self.debtor = Known::Is(DebtorSide::Untouched);
        self.settlement = Known::Is(SettlementSide::Unknown(Position::ZERO));
    }

    fn hear_settlement(&mut self, answer: SettlementAnswer, position: Position) {
        match answer {
            SettlementAnswer::EndedNow(ended) => self.ended(ended.ending, position),
            SettlementAnswer::EndedBefore(entry) => self.ended(entry.ending, entry.position),
            // The read tells where the other order ended: the evidence for the release.
            SettlementAnswer::PaymentIdUsed { .. } => self.settlement = Known::Ask,
            SettlementAnswer::Done
            | SettlementAnswer::After(_)
            | SettlementAnswer::Funding(_)
            | SettlementAnswer::Outside(_)
            | SettlementAnswer::Acts(_) => {}
            SettlementAnswer::NotAccepted(why) => {
                self.stuck = Some(Rule::new(RuleName::LedgerRefuses, why));
            }
        }
    }

    fn ended(&mut self, ending: Ending, at: Position) {
        self.settlement = Known::Is(SettlementSide::Ended(ending, at));
    }

    fn saw_debtor(&mut self, seen: DebtorSeen) {
        match seen.terms {
            Some(first) if first != self.terms => self.taken(first),
            Some(_) | None => self.debtor = Known::Is(seen.side),
        }
    }

    fn saw_settlement(&mut self, entry: Option<PaymentEntry>, head: Position) {
        match entry {
            None => self.settlement = Known::Is(SettlementSide::Unknown(head)),
            Some(entry) if entry.terms == self.terms => self.ended(entry.ending, entry.position),
            // Other terms ended under this id, so these never can.
            Some(entry) => {
                self.taken_by = Some(entry.terms);
                let code = RuleName::PaymentIdUsed.as_str().to_owned();
                self.ended(Ending::Refused(code), entry.position);
            }
        }
    }
}
