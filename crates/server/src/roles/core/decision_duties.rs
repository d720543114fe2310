//! Duties of decisions, in the customers' book that keeps them: here, or at a bank.

use api::duties::{DECISION_DUTIES_MAX, DecisionDuties, DecisionDuty};
use clearing::{CustomerWork, CustomersBook};
use record::{DutyClosing, DutyOpened, Signed, Visibility};
use seal::Digest;
use terms::Instant;

use super::admin::NotDone;
use super::books::{Failed, Running};
use super::in_book;

/// The duties that are not done, by deadline.
pub(crate) async fn list(
    book: &Running<CustomersBook>,
    now: Instant,
) -> Result<DecisionDuties, Failed> {
    let placed = book.look(move |state| of_book(state, now)).await?;
    Ok(DecisionDuties { head: placed.position.number(), ..placed.outcome })
}

/// Closes a duty by its owner's signed word.
pub(crate) async fn close(
    book: &Running<CustomersBook>,
    closing: Signed<DutyClosing>,
) -> Result<(), NotDone> {
    in_book::submit(book, CustomerWork::CloseDuty(Box::new(closing))).await
}

fn of_book(state: &CustomersBook, now: Instant) -> DecisionDuties {
    let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    let mut all: Vec<(Digest, &DutyOpened)> = state.duties().open().collect();
    all.sort_by_key(|(id, duty)| (duty.due_at, *id));
    DecisionDuties {
        institution: state.institution().to_string(),
        head: 0,
        open: count(state.duties().count()),
        overdue: count(state.duties().overdue(now)),
        duties: all
            .into_iter()
            .take(DECISION_DUTIES_MAX)
            .map(|(id, duty)| told(id, duty, now))
            .collect(),
    }
}

fn told(id: Digest, duty: &DutyOpened, now: Instant) -> DecisionDuty {
    let visibility = match duty.visibility {
        Visibility::Open => "open",
        Visibility::Restricted => "restricted",
    };
    DecisionDuty {
        duty: id.to_string(),
        payment: duty.payment.to_string(),
        side: duty.side.to_string(),
        corridor: duty.corridor.to_string(),
        kind: duty.kind.clone(),
        rule: duty.rule.clone(),
        owner: duty.owner.clone(),
        visibility: visibility.to_owned(),
        opened_at: duty.opened_at.to_string(),
        due_at: duty.due_at.to_string(),
        state: if now >= duty.due_at { "overdue" } else { "open" }.to_owned(),
    }
}
