//! A customers' book from its facts, in the two ways in which it is made.

use ledger::FullLedger;
use record::Side;

use super::{Kept, customers_genesis};
use crate::CustomersBook;
use crate::customers::change_of;

impl Kept<CustomersBook> {
    /// The fold of the kept facts. What read models are told of each fact makes the same ledger.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn refolded(&self, side: Side) -> CustomersBook {
        let mut ledger = FullLedger::new();
        for (at, fact) in &self.facts {
            if let Some(change) = change_of(fact).expect("a fact of this book") {
                ledger.apply(*at, &change);
            }
        }
        let state = self.refold(customers_genesis(side));
        assert_eq!(&ledger, state.ledger(), "what read models are told is all that changed");
        state
    }
}
