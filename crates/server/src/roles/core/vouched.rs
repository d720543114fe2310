//! What is asked of the customers' books before a payment is ended from outside of its route: is
//! money held under its id for other terms?

use clearing::DebtorSeen;
use clearing::saga::DebtorSide;
use seal::Digest;
use terms::PaymentId;

use super::customers::CustomersPort;
use super::orders::{Clearing, NoPromise};

impl Clearing {
    /// Refuses to end a payment id under which a book of this process holds money for other
    /// terms: that is somebody else's payment, under way.
    pub(super) async fn nothing_else_held(
        &self,
        payment: PaymentId,
        got: Digest,
    ) -> Result<(), NoPromise> {
        for book in self.books.customers.values().filter_map(CustomersPort::hosted) {
            let seen = book.look(move |state| state.debtor_seen(payment)).await?.outcome;
            if let Some(first) = held_for_other(&seen, got) {
                return Err(NoPromise::PaymentIdUsed { first, got });
            }
        }
        Ok(())
    }
}

fn held_for_other(seen: &DebtorSeen, got: Digest) -> Option<Digest> {
    seen.terms.filter(|first| seen.side == DebtorSide::Held && *first != got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_hold_of_other_terms_is_in_the_way() {
        let [own, other] = [b"own", b"oth"].map(|bytes| seal::sha256(bytes));
        let seen = |side, terms| DebtorSeen { side, terms };
        for (what, expected) in [
            (seen(DebtorSide::Untouched, None), None),
            (seen(DebtorSide::Held, Some(own)), None),
            (seen(DebtorSide::Held, Some(other)), Some(other)),
            (seen(DebtorSide::Released, Some(other)), None),
        ] {
            assert_eq!(held_for_other(&what, own), expected, "{what:?}");
        }
    }
}
