//! The steps of a payment in a book whose institution does not trust the core: each rests on a
//! document that was verified before the writer's turn ([`crate::pins`]), and what depends on the
//! book is asked here.

use journal::Checked;
use record::{
    CustomerStep, Ending, FactBody, Heading, ProvenReturnStep, ProvenStep, ReleaseReason,
    ReturnDutyClosed, ReturnStep, SaltSlot,
};
use terms::{Instant, PaymentId};

use super::lease::LeaseBankWork;
use super::{CreditOrder, CustomerAnswer, CustomersBook, DebtorEnd, refused};
use crate::pins::{OrderedReturn, PermittedOrder, ProvenCredit, ProvenEnd, ProvenReturn};
use crate::rule::{Rule, RuleName};
use crate::saga::DebtorSide;

/// What an institution's own book is asked to do for a payment.
#[derive(Clone, Debug)]
pub enum BankWork {
    /// Hold the debtor's money, pinned: this institution permitted it.
    Hold(Box<PermittedOrder>),
    /// Post the hold: the settlement book settled these terms.
    Debit(Box<ProvenEnd>),
    /// Release the hold: the settlement book can never settle these terms any more.
    Release(Box<ProvenEnd>),
    /// Credit the creditor: the settlement book settled these terms.
    Credit(Box<ProvenCredit>),
    /// Hold the money of a return, pinned: this institution ordered it.
    HoldReturn(Box<OrderedReturn>),
    /// Credit the payer whose payment is given back: the settlement book settled the return.
    CreditReturn(Box<ProvenReturn>),
    /// A duty to return is done.
    CloseReturn(ReturnDutyClosed),
    /// Something of a lease.
    Lease(LeaseBankWork),
}

impl CustomersBook {
    pub(super) fn bank(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        work: &BankWork,
    ) -> Checked<CustomerAnswer> {
        match work {
            BankWork::Hold(order) => self.permitted_hold(stamp, slot, order),
            BankWork::Debit(end) if self.after.return_of(end.payment()).is_some() => {
                let step = self.proven_debit(end).and_then(|go| match go {
                    Go::Done => Ok(None),
                    Go::On => self.debit_return(stamp, end.payment(), end.position()),
                });
                proven_return(slot, end, step)
            }
            BankWork::Release(end) if self.after.return_of(end.payment()).is_some() => {
                let step = self.proven_release(end).and_then(|go| match go {
                    Go::Done => Ok(None),
                    Go::On => {
                        let reason = ReleaseReason::RefusedAt(end.position());
                        self.release_return(stamp, end.payment(), reason)
                    }
                });
                proven_return(slot, end, step)
            }
            BankWork::Debit(end) => {
                let step = self.proven_debit(end).and_then(|go| match go {
                    Go::Done => Ok(None),
                    Go::On => self.debit(stamp, end.payment(), end.position()),
                });
                proven(slot, end, step)
            }
            BankWork::Release(end) => {
                let step = self.proven_release(end).and_then(|go| match go {
                    Go::Done => Ok(None),
                    Go::On => {
                        let reason = ReleaseReason::RefusedAt(end.position());
                        self.release(stamp, end.payment(), reason)
                    }
                });
                proven(slot, end, step)
            }
            BankWork::Credit(credit) => {
                let (end, terms) = (credit.end(), credit.terms());
                let order = CreditOrder {
                    payment: end.payment(),
                    settled: end.position(),
                    account: terms.credited_account,
                    amount: terms.credited,
                };
                proven(slot, end, self.credit(stamp, &order))
            }
            BankWork::HoldReturn(order) => self.ordered_return(stamp, slot, order),
            BankWork::CreditReturn(back) => {
                proven(slot, back.end(), self.proven_return_credit(stamp, back))
            }
            BankWork::CloseReturn(closed) => self.returns.close(slot, closed),
            BankWork::Lease(work) => self.lease_work(stamp, slot, work),
        }
    }

    /// The order's time is judged here, as a permit's: an old order must not hold money for ever.
    fn ordered_return(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        ordered: &OrderedReturn,
    ) -> Checked<CustomerAnswer> {
        let hold = ordered.as_hold();
        if let Some(outcome) = self.return_before(&hold) {
            return Checked { facts: vec![], outcome };
        }
        let until = ordered.order().valid_until;
        if stamp >= until {
            let detail = format!("expired at `{until}`, it is `{stamp}`");
            return refused(Rule::new(RuleName::InstructionExpired, detail));
        }
        proven_return(slot, ordered.original(), self.hold_return(stamp, &hold))
    }

    /// A return comes back to where a payment left from: to a debit that this book holds or has
    /// posted.
    fn proven_return_credit(
        &self,
        stamp: Instant,
        back: &ProvenReturn,
    ) -> Result<Option<CustomerStep>, Rule> {
        let original = back.original();
        match self.debtor_side(original) {
            DebtorSide::Held | DebtorSide::Debited => {}
            DebtorSide::Untouched | DebtorSide::Released => {
                let detail = format!("payment `{original}` was not debited here");
                return Err(Rule::new(RuleName::OriginalUnknown, detail));
            }
        }
        let order = CreditOrder {
            payment: back.end().payment(),
            settled: back.end().position(),
            account: back.account(),
            amount: back.amount(),
        };
        self.credit(stamp, &order)
    }

    /// The permit's time is judged here: an old permit must not hold money for ever. What is held
    /// already stays held, whatever the clock says.
    fn permitted_hold(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        order: &PermittedOrder,
    ) -> Checked<CustomerAnswer> {
        let hold = order.as_hold();
        if self.leases.spent(hold.terms.payment).is_some() {
            let detail = format!("payment `{}`", hold.terms.payment);
            return refused(Rule::new(RuleName::AcceptedUnderLease, detail));
        }
        if let Some(before) = self.hold_before(slot, &hold) {
            return before;
        }
        let until = order.permit().valid_until;
        if stamp >= until {
            let detail = format!("expired at `{until}`, it is `{stamp}`");
            return refused(Rule::new(RuleName::PermitExpired, detail));
        }
        self.held(stamp, slot, &hold)
    }

    fn proven_debit(&self, end: &ProvenEnd) -> Result<Go, Rule> {
        let payment = end.payment();
        let unproven = |detail: String| Err(Rule::new(RuleName::EndingNotProven, detail));
        let Some(terms) = self.debtor_seen(payment).terms else {
            return match self.ended.get(&payment) {
                Some(DebtorEnd::Debited) => Ok(Go::Done),
                Some(DebtorEnd::Released) | None => {
                    unproven(format!("nothing is held for payment `{payment}`"))
                }
            };
        };
        if *end.ending() == Ending::Settled && end.terms() == terms {
            return Ok(Go::On);
        }
        unproven(format!(
            "terms `{terms}` are held; the promise is: `{}`, {}",
            end.terms(),
            end.ending()
        ))
    }

    /// A payment ends once: refused, or with other terms, is proof that these terms never settle.
    fn proven_release(&self, end: &ProvenEnd) -> Result<Go, Rule> {
        let payment = end.payment();
        let unproven = |detail: String| Err(Rule::new(RuleName::EndingNotProven, detail));
        let Some(terms) = self.debtor_seen(payment).terms else {
            return match self.debtor_side(payment) {
                DebtorSide::Debited => {
                    unproven(format!("payment `{payment}` was debited on another promise"))
                }
                DebtorSide::Held | DebtorSide::Released | DebtorSide::Untouched => Ok(Go::Done),
            };
        };
        if *end.ending() != Ending::Settled || end.terms() != terms {
            return Ok(Go::On);
        }
        unproven(format!("the terms held for payment `{payment}` settled"))
    }

    /// The payments that this book has debited on the settlement book's word, of these.
    #[must_use]
    pub fn not_debited(&self, payments: &[PaymentId]) -> Vec<PaymentId> {
        let open = |payment: &&PaymentId| self.debtor_side(**payment) != DebtorSide::Debited;
        payments.iter().filter(open).copied().collect()
    }
}

/// Whether a step is to be taken.
enum Go {
    /// It was taken before, or there is nothing to take.
    Done,
    /// It is.
    On,
}

fn proven(
    slot: SaltSlot,
    end: &ProvenEnd,
    step: Result<Option<CustomerStep>, Rule>,
) -> Checked<CustomerAnswer> {
    match step {
        Ok(step) => {
            let fact = |step| {
                ProvenStep { step, promise: end.signed().clone() }.to_fact(slot, Heading::default())
            };
            Checked { facts: step.map(fact).into_iter().collect(), outcome: CustomerAnswer::Done }
        }
        Err(rule) => refused(rule),
    }
}

fn proven_return(
    slot: SaltSlot,
    end: &ProvenEnd,
    step: Result<Option<ReturnStep>, Rule>,
) -> Checked<CustomerAnswer> {
    match step {
        Ok(step) => {
            let promise = || end.signed().clone();
            let fact = |step| {
                ProvenReturnStep { step, promise: promise() }.to_fact(slot, Heading::default())
            };
            Checked { facts: step.map(fact).into_iter().collect(), outcome: CustomerAnswer::Done }
        }
        Err(rule) => refused(rule),
    }
}
