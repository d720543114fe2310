//! What a settlement fact only commits to: from the payer's bank's own book, checked against the
//! commitments before anybody gets it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use record::{Documents, Fact, KeptDocuments, NotTheDocument, OpenedField, Settled, Withheld};
use seal::sha256;
use terms::{InstitutionName, PaymentId};

use super::books::Failed;
use super::orders::Clearing;

/// How many terms strings are remembered: of payments whose credit may still be under way.
const RECENT_MAX: usize = 1024;

/// Terms strings of orders that this process was sent, so that a payee's own bank can be told of
/// its credit while the payer's is away. Those that came first go first, whatever their ids.
#[derive(Debug, Default)]
pub struct RecentTerms(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    terms: BTreeMap<PaymentId, String>,
    came: VecDeque<PaymentId>,
}

impl RecentTerms {
    /// Remembers the terms of an order that holds, or of one whose payment has ended with them:
    /// nobody else pushes these out. What is known of a payment stays.
    pub fn note(&self, payment: PaymentId, terms: &str) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.terms.contains_key(&payment) {
            return;
        }
        recent.terms.insert(payment, terms.to_owned());
        recent.came.push_back(payment);
        while recent.came.len() > RECENT_MAX {
            if let Some(first) = recent.came.pop_front() {
                recent.terms.remove(&first);
            }
        }
    }

    fn of(&self, settled: &Settled) -> Option<String> {
        self.known(settled.payment()).filter(|text| sha256(text.as_bytes()) == settled.ended.terms)
    }

    fn known(&self, payment: PaymentId) -> Option<String> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.terms.get(&payment).cloned()
    }
}

/// Why the documents of a settled payment cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDocuments {
    /// The payer's bank keeps none of this payment.
    #[error("the book of `{0}` keeps no documents of payment `{1}`")]
    NoneKept(InstitutionName, PaymentId),
    /// What it keeps is something else than what was settled.
    #[error("of payment `{payment}` in the book of `{bank}`: {what}")]
    NotTheSettled {
        /// The payer's bank.
        bank: InstitutionName,
        /// The payment.
        payment: PaymentId,
        /// What does not fit.
        what: NotTheDocument,
    },
    /// The book did not answer.
    #[error(transparent)]
    Failed(#[from] Failed),
}

impl From<NoDocuments> for Failed {
    fn from(error: NoDocuments) -> Self {
        match error {
            NoDocuments::Failed(failed) => failed,
            other => Self::NotDone(other.to_string()),
        }
    }
}

/// Of what is kept, that which the settlement fact commits to.
fn fitting(
    withheld: &Withheld,
    kept: Vec<KeptDocuments>,
) -> Result<KeptDocuments, Option<NotTheDocument>> {
    let mut last = None;
    for documents in kept {
        match withheld.check(&documents) {
            Ok(()) => return Ok(documents),
            Err(what) => last = Some(what),
        }
    }
    Err(last)
}

impl Clearing {
    /// The fields of a settlement fact that it only commits to, opened; nothing of other facts.
    pub(super) async fn withheld_of(
        &self,
        fact: &Fact,
        fields: &[u16],
    ) -> Result<Vec<OpenedField>, NoDocuments> {
        let withheld = fact.kind.withheld();
        let wanted: Vec<u16> = fields.iter().copied().filter(|f| withheld.contains(f)).collect();
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let unread = |error: record::BodyError| Failed::NotDone(error.to_string());
        let kept = self.documents_of(&Settled::of_fact(fact).map_err(unread)?).await?;
        Ok(wanted.into_iter().filter_map(|index| kept.as_ref()?.open(index)).collect())
    }

    /// The terms string of a settled payment or refund.
    pub(super) async fn terms_of(&self, settled: &Settled) -> Result<String, Failed> {
        if let Some(text) = self.recent.of(settled) {
            return Ok(text);
        }
        match (&settled.documents, self.documents_of(settled).await?) {
            (Documents::Here(order), _) => Ok(order.terms.clone()),
            (Documents::Withheld(_), Some(kept)) => Ok(kept.terms),
            (Documents::Withheld(_), None) => Err(Failed::Unknown),
        }
    }

    /// The documents that a settlement fact commits to; `None` where it holds them itself.
    async fn documents_of(&self, settled: &Settled) -> Result<Option<KeptDocuments>, NoDocuments> {
        let Documents::Withheld(withheld) = &settled.documents else { return Ok(None) };
        let payment = settled.payment();
        let permit = settled.debtor_permit.read_unverified();
        let bank = permit.map_err(|error| Failed::NotDone(error.to_string()))?.institution;
        let port = self.books.customers.get(&bank);
        let port = port.ok_or(NoDocuments::NoneKept(bank, payment))?;
        let kept = port.documents(payment).await?;
        fitting(withheld, kept).map(Some).map_err(|what| match what {
            None => NoDocuments::NoneKept(bank, payment),
            Some(what) => NoDocuments::NotTheSettled { bank, payment, what },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> PaymentId {
        PaymentId::from_bytes(u128::from(number).to_be_bytes())
    }

    #[test]
    fn terms_go_in_the_order_in_which_they_came_and_are_not_overwritten() {
        let recent = RecentTerms::default();
        let last = u64::try_from(RECENT_MAX).unwrap();
        // From the highest id down: the lowest is the newest.
        for number in (1..=last).rev() {
            recent.note(id(number), "first");
        }
        recent.note(id(1), "second");
        assert_eq!(recent.known(id(1)).as_deref(), Some("first"));
        assert_eq!(recent.known(id(last)).as_deref(), Some("first"));
        recent.note(id(0), "one more");
        assert_eq!(recent.known(id(last)), None, "it came first");
        assert_eq!(recent.known(id(1)).as_deref(), Some("first"));
        assert_eq!(recent.known(id(0)).as_deref(), Some("one more"));
    }
}
