//! Which step of a payment comes next: one table for the live path and for recovery.
//!
//! Three books take part: the debtor's customers' book, the settlement book, the creditor's
//! customers' book. Each step is one fact of one book, and each is repeated without harm. A
//! process may die between any two of them; whoever asks [`next_step`] again goes on from what
//! the books say, never from what it remembers.
//!
//! The creditor is credited before the hold is posted, so an open hold marks every payment that
//! is not finished: recovery needs no other list.
//!
//! What a crash leaves, and what recovery does:
//! - after `Hold`, before `Settle` is durable: the hold is pinned, so it waits. Recovery asks the
//!   settlement book, read to its head: not there, so `Abandon` ends the payment there as refused,
//!   and only then is the hold released. Whoever still carries the order comes too late.
//! - after `Settle`: the payment is final. Recovery completes `Credit` and `Debit`.
//! - after a refusal in the settlement book: `Release`.

use record::{Ending, ReleaseReason};
use terms::Position;

/// What the debtor's customers' book says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebtorSide {
    /// Nothing yet.
    Untouched,
    /// The money is held and pinned.
    Held,
    /// The hold was posted.
    Debited,
    /// The hold was released.
    Released,
}

/// What the settlement book says. It was read to its head before this was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlementSide {
    /// It has no ending for this payment, at this head.
    Unknown(Position),
    /// It has this ending, at this position.
    Ended(Ending, Position),
}

/// What the creditor's customers' book says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditorSide {
    /// Nothing yet.
    Untouched,
    /// The money is there.
    Credited,
}

/// What the three books say of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The debtor's book.
    pub debtor: DebtorSide,
    /// The settlement book.
    pub settlement: SettlementSide,
    /// The creditor's book.
    pub creditor: CreditorSide,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A client, with the order in its hand.
    Client,
    /// Recovery, after a restart: the client may be gone and its permits stale.
    Recovery,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hold the debtor's money, pinned.
    Hold,
    /// Put the order before the settlement book.
    Settle,
    /// End the payment in the settlement book as refused, so that it can never settle.
    Abandon,
    /// Post the hold.
    Debit(Position),
    /// Credit the creditor.
    Credit(Position),
    /// Release the hold.
    Release(ReleaseReason),
    /// The payment settled, and the debtor's book knows of no hold to post: somebody restored an
    /// older copy of it, or released the money. A person must look.
    Stuck,
    /// Nothing is left to do.
    Finished,
}

/// The next step.
#[must_use]
pub fn next_step(progress: &Progress, asker: Asker) -> Step {
    match (&progress.settlement, progress.debtor, progress.creditor) {
        (SettlementSide::Ended(Ending::Settled, at), _, CreditorSide::Untouched) => {
            Step::Credit(*at)
        }
        (SettlementSide::Ended(Ending::Settled, at), DebtorSide::Held, _) => Step::Debit(*at),
        (SettlementSide::Ended(Ending::Refused(_), at), DebtorSide::Held, _) => {
            Step::Release(ReleaseReason::RefusedAt(*at))
        }
        (
            SettlementSide::Ended(Ending::Settled, _),
            DebtorSide::Untouched | DebtorSide::Released,
            _,
        ) => Step::Stuck,
        (SettlementSide::Ended(..), _, _) => Step::Finished,
        (SettlementSide::Unknown(_), DebtorSide::Held, _) => match asker {
            Asker::Client => Step::Settle,
            Asker::Recovery => Step::Abandon,
        },
        (SettlementSide::Unknown(_), DebtorSide::Untouched, _) => match asker {
            Asker::Client => Step::Hold,
            Asker::Recovery => Step::Finished,
        },
        // The hold is gone, so the order must never settle: its ending says so.
        (SettlementSide::Unknown(_), DebtorSide::Debited | DebtorSide::Released, _) => {
            Step::Abandon
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position::new(41);

    fn step(debtor: DebtorSide, ended: Option<Ending>, creditor: CreditorSide) -> [Step; 2] {
        let settlement =
            ended.map_or(SettlementSide::Unknown(AT), |ending| SettlementSide::Ended(ending, AT));
        let progress = Progress { debtor, settlement, creditor };
        [next_step(&progress, Asker::Client), next_step(&progress, Asker::Recovery)]
    }

    #[test]
    fn each_state_of_the_three_books_has_one_next_step() {
        use CreditorSide::{Credited, Untouched as Waiting};
        use DebtorSide::{Debited, Held, Released, Untouched};
        let settled = || Some(Ending::Settled);
        let refused = || Some(Ending::Refused("QuoteExpired".into()));
        let release = Step::Release(ReleaseReason::RefusedAt(AT));
        let table = [
            (Untouched, None, Waiting, [Step::Hold, Step::Finished]),
            (Held, None, Waiting, [Step::Settle, Step::Abandon]),
            (Released, None, Waiting, [Step::Abandon, Step::Abandon]),
            (Held, settled(), Waiting, [Step::Credit(AT), Step::Credit(AT)]),
            (Held, settled(), Credited, [Step::Debit(AT), Step::Debit(AT)]),
            (Debited, settled(), Waiting, [Step::Credit(AT), Step::Credit(AT)]),
            (Debited, settled(), Credited, [Step::Finished, Step::Finished]),
            (Untouched, settled(), Waiting, [Step::Credit(AT), Step::Credit(AT)]),
            (Released, settled(), Waiting, [Step::Credit(AT), Step::Credit(AT)]),
            (Untouched, settled(), Credited, [Step::Stuck, Step::Stuck]),
            (Released, settled(), Credited, [Step::Stuck, Step::Stuck]),
            (Held, refused(), Waiting, [release, release]),
            (Released, refused(), Waiting, [Step::Finished, Step::Finished]),
            (Untouched, refused(), Waiting, [Step::Finished, Step::Finished]),
        ];
        for (debtor, ended, creditor, steps) in table {
            assert_eq!(step(debtor, ended.clone(), creditor), steps, "{debtor:?} {ended:?}");
        }
    }
}
