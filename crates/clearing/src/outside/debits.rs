//! Which transfer a booked debit line of an outside account confirms.

use terms::{AssetCode, Minor, OutsideId};

use super::Transfer;

/// A booked debit line of an outside account.
#[derive(Clone, Copy, Debug)]
pub struct DebitLine<'a> {
    /// Of which asset the account is.
    pub asset: AssetCode,
    /// How much left it.
    pub amount: Minor,
    /// Every reference that the line carries: message id, instruction id, end-to-end id,
    /// transaction id, UETR.
    pub references: &'a [&'a str],
}

/// Whose debit line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebitMatch {
    /// Nobody's: a break.
    Nobody,
    /// This transfer's.
    Of(OutsideId),
    /// It names this transfer, and the amount or asset is another: a break.
    Differs(OutsideId),
    /// It names this transfer, which has its line already: a break, unless it is the same line.
    Again(OutsideId),
}

/// Finds the transfer of a booked debit line, in the writer's turn that counts the line, by the
/// names that we gave to the rail. The participant's own reference is none of them: two transfers
/// may carry one.
pub fn match_debit<'a>(
    transfers: impl Iterator<Item = &'a Transfer>,
    line: &DebitLine<'_>,
) -> DebitMatch {
    let named = |transfer: &&Transfer| {
        let (message, uetr) = (transfer.message_id(), transfer.uetr().to_string());
        line.references.iter().any(|reference| *reference == message || *reference == uetr)
    };
    match transfers.into_iter().find(named) {
        None => DebitMatch::Nobody,
        Some(one) if one.amount.asset != line.asset || one.amount.minor != line.amount => {
            DebitMatch::Differs(one.id)
        }
        Some(one) if one.line.is_some() => DebitMatch::Again(one.id),
        Some(one) => DebitMatch::Of(one.id),
    }
}
