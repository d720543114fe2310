//! Leases in the own book of a bank: taken, spent while it is cut off, reported, settled.
//!
//! INVARIANT (HeldOrSpent): in this book a payment is either held for the core or accepted under a
//! lease, never both: both begin with the one hold of the payment, in one order. The core settles
//! nothing that is not held here for it, so a payment that was perhaps sent to the core and is then
//! brought here has one outcome. Guard: `a_payment_is_held_for_the_core_or_accepted_never_both`.

use core::ops::Bound;
use core::time::Duration;
use std::collections::BTreeMap;

use journal::Checked;
use minicbor::{Decode, Encode};
use record::lease::LEASE_STEP;
use record::{
    Blind, Fact, FactBody, Heading, LeaseAcceptance, LeaseFinal, LeaseGrant, LeaseLine, LeaseSpent,
    LeaseStep, SaltSlot, SettleOrder, Signed,
};
use terms::{BookName, Environment, Instant, Minor, PaymentId, TransactionId};

use super::{CustomerAnswer, CustomersBook, refused, stop, transaction_of};
use crate::lease::{Held, Holder, Lease, LeaseReport, LeaseTerms, NoAuthority};
use crate::rule::{Rule, RuleName, same};
use crate::saga::DebtorSide;
use crate::settlement::lease::LEASE_SPENDINGS_MAX;
use crate::under_lease::{LeaseOrder, Takes, judge};

/// What a bank's own book is asked to do about leases.
#[derive(Clone, Debug)]
pub enum LeaseBankWork {
    /// Take a lease. The caller has verified it.
    Take(Box<TakenLease>),
    /// Accept a payment under the newest lease of its line.
    Accept(Box<LeaseOrder>),
    /// Close what has ended by this book's stamp, and what is to be given up.
    Close {
        /// This lease too, whatever the stamp: the bank gives it up.
        also: Option<(LeaseLine, u64)>,
    },
    /// The core settled a lease.
    Settled(LeaseLine, u64),
}

/// A lease that the settlement book's log signed. Only [`crate::Pins::leased`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenLease {
    pub(crate) signed: Signed<LeaseGrant>,
    pub(crate) grant: LeaseGrant,
}

/// The leases of a bank's own book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct HeldLeases {
    #[n(0)]
    lines: BTreeMap<LeaseLine, HolderLine>,
    /// Accepted, and not ended by the settlement book's word.
    #[n(1)]
    spent: BTreeMap<PaymentId, LeaseSpent>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct HolderLine {
    #[n(0)]
    holder: Holder,
    /// The newest lease, as it was granted.
    #[n(1)]
    newest: Option<LeaseGrant>,
    /// What was taken of its provider's side.
    #[n(2)]
    credit: Minor,
    /// The leases of which nothing more is spent, until they are known to be settled.
    #[n(3)]
    closed: BTreeMap<u64, Closed>,
}

/// How a lease stood when it was closed or passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Closed {
    #[n(0)]
    at: Instant,
    #[n(1)]
    credit: Minor,
}

impl Default for HolderLine {
    fn default() -> Self {
        let (holder, closed) = (Holder::default(), BTreeMap::new());
        Self { holder, newest: None, credit: Minor::ZERO, closed }
    }
}

impl HolderLine {
    /// Notes when the leases were closed that are closed since the last step. Only the newest had
    /// anything of the provider's side that is not noted.
    fn note_closed(&mut self, stamp: Instant, newest: u64) {
        let finals = self.holder.reports().filter(|report| report.is_final);
        for number in finals.map(|report| report.number).collect::<Vec<_>>() {
            let credit = if number == newest { self.credit } else { Minor::ZERO };
            self.closed.entry(number).or_insert(Closed { at: stamp, credit });
        }
    }
}

/// A spending that the core has not ended yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSpending {
    /// What was accepted.
    pub spent: LeaseSpent,
    /// The order.
    pub order: SettleOrder,
    /// What its documents are kept under.
    pub blind: Blind,
}

/// How one line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLine<'a> {
    /// The line.
    pub line: LeaseLine,
    /// Its newest lease, if one was taken.
    pub newest: Option<&'a LeaseGrant>,
    /// How that stands, while it is not known to be settled.
    pub held: Option<&'a Held>,
    /// What is accepted and not ended, of the bank's side.
    pub unended: Minor,
}

impl HeldLeases {
    /// The lease under which a payment of this line would be accepted now.
    #[must_use]
    pub fn newest(&self, line: LeaseLine) -> Option<&LeaseGrant> {
        self.lines.get(&line)?.newest.as_ref()
    }

    /// What was accepted of a payment, and not ended yet.
    #[must_use]
    pub fn spent(&self, payment: PaymentId) -> Option<&LeaseSpent> {
        self.spent.get(&payment)
    }

    /// Whether a lease has ended by this clock and is not closed yet.
    #[must_use]
    pub fn has_ended(&self, now: Instant) -> bool {
        !self.to_close(now, None).is_empty()
    }

    /// What was accepted and not ended yet.
    pub fn open(&self) -> impl Iterator<Item = &LeaseSpent> {
        self.spent.values()
    }

    /// What each line has to report.
    pub fn reports(&self) -> impl Iterator<Item = (LeaseLine, LeaseReport)> {
        self.lines.iter().flat_map(|(line, one)| one.holder.reports().map(|of| (*line, of)))
    }

    /// The bank's last words, to be signed: of each lease of which nothing more is spent.
    pub fn finals(&self, here: (Environment, BookName)) -> impl Iterator<Item = LeaseFinal> {
        let of = move |line: LeaseLine, one: &HolderLine, report: LeaseReport| {
            let Closed { at, credit } = one.closed.get(&report.number)?;
            Some(LeaseFinal {
                layout: 1,
                environment: here.0,
                book: here.1,
                line,
                number: report.number,
                debit: report.spent,
                credit: *credit,
                closed_at: *at,
            })
        };
        self.lines.iter().flat_map(move |(line, one)| {
            let finals = one.holder.reports().filter(|report| report.is_final);
            finals.filter_map(move |report| of(*line, one, report))
        })
    }

    /// How each line stands.
    pub fn lines(&self) -> impl Iterator<Item = HeldLine<'_>> {
        self.lines.iter().map(|(line, one)| {
            let of_line = self.spent.values().filter(|spent| spent.line == *line);
            let sum = |sum: Minor, one: &LeaseSpent| sum.plus(one.debit).unwrap_or(Minor::MAX);
            HeldLine {
                line: *line,
                newest: one.newest.as_ref(),
                held: one.holder.newest(),
                unended: of_line.fold(Minor::ZERO, sum),
            }
        })
    }

    /// The settlement book's word has ended a payment here.
    pub(super) fn ended(&mut self, payment: PaymentId) {
        self.spent.remove(&payment);
    }
}

impl CustomersBook {
    /// The leases.
    #[must_use]
    pub const fn leases(&self) -> &HeldLeases {
        &self.leases
    }

    /// The payments whose hold is open for the core: what recovery must ask about. What was
    /// accepted under a lease is not among them: it is reported, and settles out of the lease.
    pub fn open_holds(&self) -> impl Iterator<Item = (PaymentId, &SettleOrder)> {
        let for_the_core = self.held.iter().filter(|(of, _)| self.leases.spent(**of).is_none());
        for_the_core.map(|(payment, held)| (*payment, held.order.as_ref()))
    }

    /// The spendings that the settlement book has not ended, by payment, after one: what is waiting
    /// at the front hides none.
    pub fn open_spendings(&self, after: Option<PaymentId>) -> impl Iterator<Item = OpenSpending> {
        let later = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.leases.spent.range((later, Bound::Unbounded)).filter_map(|(payment, spent)| {
            let held = self.held.get(payment)?;
            let (order, blind) = (held.order.as_ref().clone(), held.blind?);
            Some(OpenSpending { spent: *spent, order, blind })
        })
    }

    pub(super) fn lease_work(
        &self,
        at: Instant,
        slot: SaltSlot,
        work: &LeaseBankWork,
    ) -> Checked<CustomerAnswer> {
        let steps = match work {
            LeaseBankWork::Take(taken) => match self.take_lease(taken) {
                Ok(steps) => steps,
                Err(rule) => return refused(rule),
            },
            LeaseBankWork::Accept(order) => return self.accept_under(at, slot, order),
            LeaseBankWork::Close { also } => self.leases.to_close(at, *also),
            LeaseBankWork::Settled(line, number) => {
                let known = self.leases.lines.get(line).is_some_and(|one| {
                    let mut reports = one.holder.reports();
                    reports.any(|report| report.number == *number && report.is_final)
                });
                known.then_some(LeaseStep::Settled(*line, *number)).into_iter().collect()
            }
        };
        let fact = |step: &LeaseStep| step.to_fact(slot, Heading::default());
        Checked { facts: steps.iter().map(fact).collect(), outcome: CustomerAnswer::Done }
    }

    /// A newer lease is always taken: the core signed it, and what lies between is passed over. An
    /// older one changes nothing, and one that is over is refused by name: who sends it believes
    /// that it is in force.
    fn take_lease(&self, taken: &TakenLease) -> Result<Vec<LeaseStep>, Rule> {
        let TakenLease { signed, grant } = taken;
        let known = self.leases.lines.get(&grant.line).map(|one| &one.holder);
        let last = known.map_or(0, Holder::last);
        if grant.number > last {
            return Ok(vec![LeaseStep::Taken(Box::new(signed.clone()))]);
        }
        let is_known = |number: u64| {
            known.is_some_and(|holder| holder.reports().any(|report| report.number == number))
        };
        if grant.number == last || is_known(grant.number) {
            return Ok(vec![]);
        }
        let detail = format!("lease {} is settled here, and lease {last} was taken", grant.number);
        Err(Rule::new(RuleName::LeaseNotInForce, detail))
    }

    /// Accepts a payment for good: its money is held and pinned, and the spending is recorded, in
    /// one append.
    fn accept_under(
        &self,
        at: Instant,
        slot: SaltSlot,
        asked: &LeaseOrder,
    ) -> Checked<CustomerAnswer> {
        let (order, payment) = (&asked.order, asked.order.terms.payment);
        if let Some(before) = self.leases.spent.get(&payment) {
            let (first, got) = (before.terms, order.terms_digest);
            let outcome = if first == got {
                CustomerAnswer::Done
            } else {
                CustomerAnswer::PaymentIdUsed { first, got }
            };
            return Checked { facts: vec![], outcome };
        }
        if self.debtor_side(payment) != DebtorSide::Untouched {
            let detail = format!("payment `{payment}` is held here for the core, or ended");
            return refused(Rule::new(RuleName::UnderWayAtCore, detail));
        }
        match self.takes(at, asked) {
            Ok(takes) => {
                let mut checked = self.held(at, slot, &order.as_hold());
                if matches!(checked.outcome, CustomerAnswer::Held(_)) {
                    let (LeaseOrder { line, number, .. }, terms) = (asked, order.terms_digest);
                    let Takes { debit, credit } = takes;
                    let (line, number, accepted_at) = (*line, *number, at);
                    let body =
                        LeaseSpent { line, number, payment, terms, debit, credit, accepted_at };
                    checked.facts.push(body.to_fact(slot, Heading::default()));
                    checked.outcome = CustomerAnswer::Done;
                }
                checked
            }
            Err(rule) => refused(rule),
        }
    }

    fn takes(&self, at: Instant, asked: &LeaseOrder) -> Result<Takes, Rule> {
        let refused = |detail: String| Rule::new(RuleName::LeaseNotInForce, detail);
        let known = self.leases.lines.get(&asked.line);
        let known = known.ok_or_else(|| refused("no lease was taken".into()))?;
        let grant = known.newest.as_ref().ok_or_else(|| refused("no lease is in force".into()))?;
        same(RuleName::LeaseNotInForce, "lease", grant.number, asked.number)?;
        let takes = judge(grant, &asked.order, at)?;
        let id = spending_id(asked.order.terms.payment);
        let mut holder = known.holder.clone();
        holder.spend(&terms_of(grant), at, id, takes.debit).map_err(|error| {
            let name = match error {
                NoAuthority::TooMuch { .. } => RuleName::LeaseExceeded,
                NoAuthority::NoLease | NoAuthority::Ends(_) => RuleName::LeaseNotInForce,
                NoAuthority::IdUsed { .. } => RuleName::PaymentIdUsed,
            };
            Rule::new(name, error.to_string())
        })?;
        let left = grant.credit.minus(known.credit).unwrap_or(Minor::ZERO);
        if takes.credit > left {
            let detail = format!("{left} is left of the provider's side");
            return Err(Rule::new(RuleName::LeaseExceeded, detail));
        }
        if known.holder.newest().is_some_and(|held| held.spent.len() >= LEASE_SPENDINGS_MAX) {
            let detail = format!("{LEASE_SPENDINGS_MAX} payments of one lease");
            return Err(Rule::new(RuleName::LeaseExceeded, detail));
        }
        Ok(takes)
    }

    pub(super) fn apply_lease(&mut self, stamp: Instant, fact: &Fact) {
        if fact.kind == LEASE_STEP {
            match LeaseStep::from_fact(fact) {
                Ok(step) => self.leases.step(stamp, step),
                Err(error) => stop(&error.to_string()),
            }
        } else {
            match LeaseSpent::from_fact(fact) {
                Ok(spent) => self.leases.note(spent),
                Err(error) => stop(&error.to_string()),
            }
        }
    }
}

impl HeldLeases {
    fn to_close(&self, at: Instant, also: Option<(LeaseLine, u64)>) -> Vec<LeaseStep> {
        let over = |(line, one): (&LeaseLine, &HolderLine)| {
            let held = one.holder.newest().filter(|held| !held.is_closed)?;
            let (number, grant) = (held.lease.number, one.newest.as_ref()?);
            let ended = at.plus(terms_of(grant).skew_max) >= held.lease.ends_at;
            let given_up = also == Some((*line, number));
            (ended || given_up).then_some(LeaseStep::Closed(*line, number))
        };
        self.lines.iter().filter_map(over).collect()
    }

    fn step(&mut self, stamp: Instant, step: LeaseStep) {
        match step {
            LeaseStep::Taken(signed) => {
                let grant = match signed.read_unverified() {
                    Ok(grant) => grant,
                    Err(error) => stop(&error.to_string()),
                };
                let line = self.lines.entry(grant.line).or_default();
                let before = line.holder.last();
                line.holder.granted(lease_of(&grant));
                line.note_closed(stamp, before);
                (line.newest, line.credit) = (Some(grant), Minor::ZERO);
            }
            LeaseStep::Closed(line, number) => {
                if let Some(line) = self.lines.get_mut(&line) {
                    line.holder.note_closed(number);
                    line.note_closed(stamp, number);
                }
            }
            LeaseStep::Settled(line, number) => {
                if let Some(line) = self.lines.get_mut(&line) {
                    line.holder.settled(number);
                    line.closed.remove(&number);
                }
            }
        }
    }

    fn note(&mut self, spent: LeaseSpent) {
        if let Some(line) = self.lines.get_mut(&spent.line) {
            line.holder.note_spent(spent.number, spending_id(spent.payment), spent.debit);
            line.credit = line.credit.plus(spent.credit).unwrap_or(Minor::MAX);
        }
        self.spent.insert(spent.payment, spent);
    }
}

/// The bank's word on a spending, to be signed.
#[must_use]
pub fn acceptance_of(
    spent: &LeaseSpent,
    (environment, book): (Environment, BookName),
) -> LeaseAcceptance {
    let LeaseSpent { line, number, payment, terms, debit, credit, accepted_at } = *spent;
    LeaseAcceptance {
        layout: 1,
        environment,
        book,
        line,
        number,
        payment,
        terms,
        debit,
        credit,
        accepted_at,
    }
}

fn lease_of(grant: &LeaseGrant) -> Lease {
    Lease { number: grant.number, amount: grant.debit, ends_at: grant.ends_at }
}

fn terms_of(grant: &LeaseGrant) -> LeaseTerms {
    let skew_max = Duration::from_secs(grant.skew_seconds.into());
    LeaseTerms { exposure_max: grant.debit, skew_max }
}

fn spending_id(payment: PaymentId) -> TransactionId {
    transaction_of(payment, "lease")
}
