//! Duties of an institution's decisions: a fold of the facts that open and close them.

use std::collections::BTreeMap;

use journal::Checked;
use minicbor::{Decode, Encode};
use record::duty::{DUTIES_OF_DECISION_MAX, DUTY_CLOSED, DUTY_OPENED};
use record::{
    DutyClosed, DutyClosing, DutyNotice, DutyOpened, Fact, FactBody, Heading, Parcel, SaltSlot,
    Signed,
};
use seal::Digest;
use terms::{BookName, Environment, Instant, InstitutionName};

use super::{CustomerAnswer, CustomersBook, refused};
use crate::rule::{Rule, RuleName, same};
use crate::settlement::stop;

/// Duties that are not done, and which were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Duties {
    #[n(0)]
    open: BTreeMap<Digest, DutyOpened>,
    /// The evidence that each was closed with: the same again is done, another is refused.
    #[n(1)]
    closed: BTreeMap<Digest, Digest>,
}

impl Duties {
    /// Those not done, by id.
    pub fn open(&self) -> impl Iterator<Item = (Digest, &DutyOpened)> {
        self.open.iter().map(|(id, duty)| (*id, duty))
    }

    /// How many are not done.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// How many are past their time.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> usize {
        self.open.values().filter(|duty| now >= duty.due_at).count()
    }
}

/// A parcel whose notice of duties was read against the place it came to. Only
/// [`check_parcel`] makes one: signatures are not checked in the writer's turn.
#[derive(Clone, Debug)]
pub struct CheckedParcel {
    pub(super) parcel: Parcel,
    pub(super) notice: Option<DutyNotice>,
}

/// Checks what a parcel says of duties: each is of this environment, settlement book, institution,
/// payment and side, and what is said to be done is one of them, in its owner's signed word.
///
/// # Errors
/// [`RuleName::DutyDiffers`] with the field.
pub fn check_parcel(
    mut parcel: Parcel,
    (environment, book, institution): (Environment, BookName, InstitutionName),
) -> Result<CheckedParcel, Rule> {
    let name = RuleName::DutyDiffers;
    let notice = parcel.duties.take();
    if let Some(notice) = &notice {
        if notice.opened.is_empty() || notice.opened.len() > DUTIES_OF_DECISION_MAX {
            let detail = format!("expected 1 to {DUTIES_OF_DECISION_MAX} duties of a decision");
            return Err(Rule::new(name, detail));
        }
        let mut ids: BTreeMap<Digest, &DutyOpened> = BTreeMap::new();
        for duty in &notice.opened {
            same(name, "environment", environment, duty.environment)?;
            same(name, "book", book, duty.book)?;
            same(name, "institution", institution, duty.institution)?;
            same(name, "payment", parcel.payment, duty.payment)?;
            same(name, "side", parcel.side, duty.side)?;
            ids.insert(duty.id(), duty);
        }
        for closing in &notice.closed {
            let said = closing.read_unverified();
            let said = said.map_err(|error| Rule::new(name, error.to_string()))?;
            let duty = ids.remove(&said.duty).ok_or_else(|| not_open(said.duty))?;
            closes(closing, duty)?;
        }
    }
    Ok(CheckedParcel { parcel, notice })
}

/// Refuses a closing that is not the owner's word about this very duty.
fn closes(signed: &Signed<DutyClosing>, duty: &DutyOpened) -> Result<DutyClosing, Rule> {
    let name = RuleName::DutyDiffers;
    let closing = signed
        .verify(&duty.closer)
        .map_err(|error| Rule::new(RuleName::SignerNotTrusted, error.to_string()))?;
    same(name, "layout", 1, closing.layout)?;
    same(name, "environment", duty.environment, closing.environment)?;
    same(name, "book", duty.book, closing.book)?;
    same(name, "institution", duty.institution, closing.institution)?;
    same(name, "duty", duty.id(), closing.duty)?;
    if closing.evidence == Digest::ZERO {
        return Err(Rule::new(name, "a closing names the digest of what shows it"));
    }
    Ok(closing)
}

fn not_open(duty: Digest) -> Rule {
    Rule::new(RuleName::DutyDiffers, format!("duty `{duty}` is not open here"))
}

impl CustomersBook {
    /// The duties of this institution's decisions.
    #[must_use]
    pub const fn duties(&self) -> &Duties {
        &self.duties
    }

    /// The facts of a notice, in the append of the record that it came with.
    pub(super) fn noticed(slot: SaltSlot, notice: &DutyNotice) -> Vec<Fact> {
        let opened = notice.opened.iter().map(|duty| duty.to_fact(slot, Heading::default()));
        let closed = notice.closed.iter().map(|closing| {
            DutyClosed { closing: closing.clone() }.to_fact(slot, Heading::default())
        });
        opened.chain(closed).collect()
    }

    /// Closes a duty by its owner's word. The same evidence again is done already.
    pub(super) fn close_duty(
        &self,
        slot: SaltSlot,
        signed: &Signed<DutyClosing>,
    ) -> Checked<CustomerAnswer> {
        let done = Checked { facts: vec![], outcome: CustomerAnswer::Done };
        let Ok(said) = signed.read_unverified() else {
            return refused(Rule::new(RuleName::DutyDiffers, "the closing does not read"));
        };
        if self.duties.closed.get(&said.duty) == Some(&said.evidence) {
            return done;
        }
        let Some(duty) = self.duties.open.get(&said.duty) else {
            return refused(not_open(said.duty));
        };
        match closes(signed, duty) {
            Err(rule) => refused(rule),
            Ok(_) => {
                let fact = DutyClosed { closing: signed.clone() };
                let facts = vec![fact.to_fact(slot, Heading::default())];
                Checked { facts, outcome: CustomerAnswer::Done }
            }
        }
    }

    /// # Panics
    /// On a fact that this build cannot read; see `FactsReadBack` in [`crate::settlement`].
    pub(super) fn apply_duty(&mut self, fact: &Fact) {
        if fact.kind == DUTY_OPENED {
            match DutyOpened::from_fact(fact) {
                Ok(duty) => drop(self.duties.open.insert(duty.id(), duty)),
                Err(error) => stop(&error.to_string()),
            }
        } else if fact.kind == DUTY_CLOSED {
            match DutyClosed::from_fact(fact).map(|fact| fact.closing.read_unverified()) {
                Ok(Ok(said)) => {
                    self.duties.open.remove(&said.duty);
                    self.duties.closed.insert(said.duty, said.evidence);
                }
                Ok(Err(error)) => stop(&error.to_string()),
                Err(error) => stop(&error.to_string()),
            }
        }
    }
}
