//! The count of one instance: which numbers are spent on what, and up to where it has accounted.

use std::collections::BTreeMap;

use record::edges::number_after;
use record::{SpentNumber, SpentOn};
use seal::Digest;
use terms::{PaymentId, Sequence};

/// The count, as far as it is not accounted for.
#[derive(Debug)]
pub(super) struct Count {
    /// The next number to be accounted for.
    pub(super) accounted: Sequence,
    /// The chain over the accounts.
    pub(super) chain: Digest,
    /// Whether the instance has left.
    pub(super) closed: bool,
    /// What is not accounted for; `None` while somebody is deciding.
    open: BTreeMap<Sequence, (PaymentId, Option<SpentOn>)>,
}

impl Default for Count {
    fn default() -> Self {
        let (accounted, chain) = (Sequence::new(0), Digest::ZERO);
        Self { accounted, chain, closed: false, open: BTreeMap::new() }
    }
}

impl Count {
    /// The instance joined with this number: what was counted before is nobody's to account for.
    pub(super) fn begins(&mut self, first: Sequence) {
        if self.accounted < first {
            self.accounted = first;
            self.open = self.open.split_off(&first);
        }
    }

    /// A number is taken.
    pub(super) fn taken(&mut self, number: Sequence, payment: PaymentId) {
        self.open.insert(number, (payment, None));
    }

    /// It came to this.
    pub(super) fn spent(&mut self, number: Sequence, spent_on: SpentOn) {
        if let Some((_, open)) = self.open.get_mut(&number) {
            *open = Some(spent_on);
        }
    }

    /// Nobody is deciding any number below `end` any more.
    pub(super) fn all_ended(&mut self, end: Sequence) {
        for (_, (_, spent_on)) in self.open.range_mut(..end) {
            *spent_on = Some(spent_on.unwrap_or(SpentOn::Nothing));
        }
    }

    /// Numbers below `next` are accounted for.
    pub(super) fn accounted_to(&mut self, next: Sequence, chain: Digest) {
        self.accounted = next;
        self.chain = chain;
        self.open = self.open.split_off(&next);
    }

    /// The next numbers to be accounted for: up to the first that is still being decided.
    pub(super) fn unaccounted(&self, most: usize) -> (Sequence, Vec<SpentNumber>) {
        let mut numbers = Vec::new();
        let mut next = self.accounted;
        for (number, (payment, spent_on)) in self.open.range(next..).take(most) {
            let Some(spent_on) = *spent_on else { break };
            if *number != next {
                break;
            }
            numbers.push(SpentNumber { payment: *payment, spent_on });
            next = number_after(next);
        }
        (self.accounted, numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u64) -> Sequence {
        Sequence::new(n)
    }

    fn taken(count: &mut Count, numbers: core::ops::Range<u64>) {
        for n in numbers {
            count.taken(number(n), PaymentId::from_bytes([u8::try_from(n).unwrap(); 16]));
        }
    }

    #[test]
    fn numbers_are_accounted_for_in_order_and_never_past_one_that_is_being_decided() {
        let mut count = Count::default();
        taken(&mut count, 0..4);
        assert_eq!(count.unaccounted(9), (number(0), vec![]));
        count.spent(number(1), SpentOn::Refusal);
        assert_eq!(count.unaccounted(9).1.len(), 0, "0 is being decided");
        count.spent(number(0), SpentOn::Permit);
        count.spent(number(3), SpentOn::Permit);
        let (from, numbers) = count.unaccounted(9);
        let spent: Vec<SpentOn> = numbers.iter().map(|one| one.spent_on).collect();
        assert_eq!((from, spent), (number(0), vec![SpentOn::Permit, SpentOn::Refusal]));
        assert_eq!(count.unaccounted(1).1.len(), 1, "at most so many");
        count.accounted_to(number(2), Digest::ZERO);
        assert_eq!(count.unaccounted(9), (number(2), vec![]));
        // A restart: whoever decided 2 is no more.
        count.all_ended(number(4));
        let (from, numbers) = count.unaccounted(9);
        let spent: Vec<SpentOn> = numbers.iter().map(|one| one.spent_on).collect();
        assert_eq!((from, spent), (number(2), vec![SpentOn::Nothing, SpentOn::Permit]));
    }

    #[test]
    fn the_count_begins_where_the_instance_joined() {
        let mut count = Count::default();
        taken(&mut count, 0..3);
        count.begins(number(2));
        count.all_ended(number(3));
        let (from, numbers) = count.unaccounted(9);
        assert_eq!((from, numbers.len()), (number(2), 1));
    }
}
