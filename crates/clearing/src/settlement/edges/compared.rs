//! One instance's accounts against the payments' facts, number by number.
//!
//! A fact may come before the account of its numbers or after it. Either waits here for the other,
//! up to a bound: what is forgotten unmatched is old by thousands of decisions, and no finding.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use record::{SpentNumber, SpentOn};
use terms::{PaymentId, Sequence};

/// Numbers that wait for their account at most; those beyond are still missing by the count.
const NAMED_MAX: usize = 4_096;
/// Accounted numbers that a later fact is compared with: the newest.
const ACCOUNTED_MAX: usize = 4_096;
/// Differences that are kept; all are counted.
const DIFFERENCES_MAX: usize = 256;

/// What the accounts of one instance and the payments' facts say of its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Compared {
    /// Named by a fact, not yet accounted for.
    #[n(0)]
    named: BTreeMap<Sequence, SpentNumber>,
    /// Accounted for.
    #[n(1)]
    accounted: BTreeMap<Sequence, SpentNumber>,
    #[n(2)]
    differences: BTreeMap<Sequence, Difference>,
    #[n(3)]
    more: u64,
}

/// A number of which the account says one thing and a payment's fact another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Difference {
    /// By the instance's account, or by the fact that came first where no account did.
    #[n(0)]
    pub accounted: SpentNumber,
    /// By the payment's fact.
    #[n(1)]
    pub named: SpentNumber,
}

impl Compared {
    /// The differences that are kept, by number.
    pub fn differences(&self) -> impl Iterator<Item = (Sequence, &Difference)> {
        self.differences.iter().map(|(number, one)| (*number, one))
    }

    /// How many differences there are beyond those.
    #[must_use]
    pub const fn more(&self) -> u64 {
        self.more
    }

    /// The payments that name numbers nobody accounted for, by number.
    pub fn unaccounted(&self) -> impl Iterator<Item = (Sequence, PaymentId)> {
        self.named.iter().map(|(number, one)| (*number, one.payment))
    }

    /// A payment's fact says what this number was spent on.
    pub(super) fn named(&mut self, number: Sequence, said: SpentNumber) {
        let known = self.accounted.get(&number).or_else(|| self.named.get(&number)).copied();
        match known {
            Some(first) => self.compare(number, first, said),
            None if self.named.len() < NAMED_MAX && !self.is_forgotten(number) => {
                self.named.insert(number, said);
            }
            None => {}
        }
    }

    /// The next number's account.
    pub(super) fn accounted(&mut self, number: Sequence, said: SpentNumber) {
        if let Some(named) = self.named.remove(&number) {
            self.compare(number, said, named);
        }
        self.accounted.insert(number, said);
        if self.accounted.len() > ACCOUNTED_MAX {
            self.accounted.pop_first();
        }
    }

    /// Accounted for so long ago that it is not known any more as what.
    fn is_forgotten(&self, number: Sequence) -> bool {
        self.accounted.first_key_value().is_some_and(|(first, _)| number < *first)
    }

    fn compare(&mut self, number: Sequence, accounted: SpentNumber, named: SpentNumber) {
        if accounted == named || self.differences.contains_key(&number) {
            return;
        }
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.insert(number, Difference { accounted, named });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

/// The word for it, as operators read it.
#[must_use]
pub const fn word(spent_on: SpentOn) -> &'static str {
    match spent_on {
        SpentOn::Permit => "permit",
        SpentOn::Refusal => "refusal",
        SpentOn::Referral => "referral",
        SpentOn::Nothing => "nothing",
    }
}
