//! Refusals in the protocol's numbers: the rule, and what it compared.

use bookkeeping::Refused;
use ledger::{LimitKey, Refusal, Side};
use terms::{AccountId, HoldId, Instant, Minor, Position, TransactionId};
use wire::results::Quantity;
use wire::{Detail, Field, ResultsWriter, Rule, Subject};

/// Writes a refusal: a rule with what it compared, or a conflict.
pub(crate) fn refused(
    out: &mut ResultsWriter,
    refusal: &Refusal,
    position: Position,
    stamp: Instant,
) {
    if let Refusal::IdUsedWithOtherContent { field } = refusal {
        return out.conflict(Field::named(field), position, stamp);
    }
    out.refused(rule_of(refusal), None, detail(refusal));
}

/// Writes a refusal that was journalled under its id.
pub(crate) fn refused_before(out: &mut ResultsWriter, refused: &Refused) {
    let again = Refusal::from_words(&refused.rule, &refused.text);
    match rule_named(&refused.rule) {
        Some(rule) => out.refused(rule, None, again.as_ref().and_then(detail)),
        None => out.unknown(),
    }
}

const fn account(id: &AccountId) -> (Subject, [u8; 16]) {
    (Subject::Account, id.bytes())
}

const fn hold(id: &HoldId) -> (Subject, [u8; 16]) {
    (Subject::Hold, id.bytes())
}

const fn transaction(id: &TransactionId) -> (Subject, [u8; 16]) {
    (Subject::Transaction, id.bytes())
}

/// The first half of a limit's key.
fn limit(key: &LimitKey) -> (Subject, [u8; 16]) {
    // Told again, a refusal has no key: its words show none.
    match key.0.as_bytes().first_chunk().copied().unwrap_or([0; 16]) {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => NOTHING,
        half => (Subject::Limit, half),
    }
}

const NOTHING: (Subject, [u8; 16]) = (Subject::Nothing, [0; 16]);

const fn side(side: Side) -> u128 {
    match side {
        Side::Debit => 0,
        Side::Credit => 1,
    }
}

fn count(number: usize) -> u128 {
    u128::try_from(number).unwrap_or(u128::MAX)
}

/// What a rule compared. `None` where its name says all.
fn detail(refusal: &Refusal) -> Option<Detail> {
    use Refusal as R;
    let only = |(subject, id)| Some(Detail::of(subject, id));
    let of = |(subject, id), quantity, expected, got| {
        Some(Detail { subject, id, quantity, expected, got })
    };
    let minor = |whose, expected: Minor, got: Minor| {
        of(whose, Quantity::Amount, expected.units(), got.units())
    };
    match refusal {
        R::InsufficientFunds { account: id, expected, got }
        | R::CeilingExceeded { account: id, expected, got } => minor(account(id), *expected, *got),
        R::AmountExceedsHold { hold: id, expected, got } => minor(hold(id), *expected, *got),
        R::VelocityAmountExceeded { key, expected, got } => minor(limit(key), *expected, *got),
        R::VelocityCountExceeded { key, expected, got } => {
            of(limit(key), Quantity::Count, u128::from(*expected), u128::from(*got))
        }
        R::DebitsMustEqualCredits { debits, credits, .. } => minor(NOTHING, *debits, *credits),
        R::EntriesOutOfRange { max, got }
        | R::LimitsOutOfRange { max, got }
        | R::LinksOutOfRange { max, got }
        | R::MetadataOutOfRange { max, got }
        | R::MetadataTooLarge { max, got } => {
            of(NOTHING, Quantity::Count, count(*max), count(*got))
        }
        R::HoldPartsOutOfRange { hold: id, max } => {
            let max = u128::from(*max);
            of(hold(id), Quantity::Count, max, max.saturating_add(1))
        }
        R::ExpiryMustBeLater { stamp, got } => {
            let (stamp, got) = (u128::from(stamp.nanos()), u128::from(got.nanos()));
            of(NOTHING, Quantity::Instant, stamp, got)
        }
        R::LimitPeriodOver { key, expected, got } | R::LimitPeriodTooFar { key, expected, got } => {
            let (expected, got) = (expected.start().nanos(), got.start().nanos());
            of(limit(key), Quantity::Instant, u128::from(expected), u128::from(got))
        }
        R::HoldAccountDiffers { expected, got } => {
            let number = |id: &AccountId| u128::from_be_bytes(id.bytes());
            of(NOTHING, Quantity::Id, number(expected), number(got))
        }
        R::HoldSideDiffers { expected, got } => {
            of(NOTHING, Quantity::Side, side(*expected), side(*got))
        }
        R::AmountMustBePositive { account: id }
        | R::WeightMustBePositive { account: id }
        | R::UnknownAccount { account: id }
        | R::EverythingMustBeBounded { account: id, .. }
        | R::AccountClosed { account: id }
        | R::AccountFrozen { account: id, .. }
        | R::AmountTooLarge { account: id }
        | R::BalanceOutsideLimits { account: id }
        | R::AccountNotEmpty { account: id } => only(account(id)),
        R::HoldsMustDiffer { hold: id }
        | R::UnknownHold { hold: id }
        | R::HoldAlreadyVoided { hold: id }
        | R::HoldAlreadyExpired { hold: id }
        | R::HoldAlreadyPinned { hold: id }
        | R::EvidenceRequired { hold: id } => only(hold(id)),
        R::HoldAlreadyPosted { transaction: id, .. } => only(transaction(id)),
        R::LimitsMustDiffer { key } => only(limit(key)),
        R::IdUsedWithOtherContent { .. }
        | R::MetadataKeysMustDiffer { .. }
        | R::RemaindersMustDiffer { .. }
        | R::SharesMustFaceOneWay { .. }
        | R::NothingToMove
        | R::LimitAssetDiffers { .. } => None,
    }
}

/// The protocol's number of a rule.
pub(crate) const fn rule_of(refusal: &Refusal) -> Rule {
    match refusal {
        Refusal::AccountClosed { .. } => Rule::AccountClosed,
        Refusal::AccountFrozen { .. } => Rule::AccountFrozen,
        Refusal::AccountNotEmpty { .. } => Rule::AccountNotEmpty,
        Refusal::AmountExceedsHold { .. } => Rule::AmountExceedsHold,
        Refusal::AmountMustBePositive { .. } => Rule::AmountMustBePositive,
        Refusal::AmountTooLarge { .. } => Rule::AmountTooLarge,
        Refusal::BalanceOutsideLimits { .. } => Rule::BalanceOutsideLimits,
        Refusal::CeilingExceeded { .. } => Rule::CeilingExceeded,
        Refusal::DebitsMustEqualCredits { .. } => Rule::DebitsMustEqualCredits,
        Refusal::EntriesOutOfRange { .. } => Rule::EntriesOutOfRange,
        Refusal::EverythingMustBeBounded { .. } => Rule::EverythingMustBeBounded,
        Refusal::EvidenceRequired { .. } => Rule::EvidenceRequired,
        Refusal::ExpiryMustBeLater { .. } => Rule::ExpiryMustBeLater,
        Refusal::HoldAccountDiffers { .. } => Rule::HoldAccountDiffers,
        Refusal::HoldAlreadyExpired { .. } => Rule::HoldAlreadyExpired,
        Refusal::HoldAlreadyPinned { .. } => Rule::HoldAlreadyPinned,
        Refusal::HoldAlreadyPosted { .. } => Rule::HoldAlreadyPosted,
        Refusal::HoldAlreadyVoided { .. } => Rule::HoldAlreadyVoided,
        Refusal::HoldPartsOutOfRange { .. } => Rule::HoldPartsOutOfRange,
        Refusal::HoldSideDiffers { .. } => Rule::HoldSideDiffers,
        Refusal::HoldsMustDiffer { .. } => Rule::HoldsMustDiffer,
        Refusal::IdUsedWithOtherContent { .. } => Rule::IdUsedWithOtherContent,
        Refusal::InsufficientFunds { .. } => Rule::InsufficientFunds,
        Refusal::LimitAssetDiffers { .. } => Rule::LimitAssetDiffers,
        Refusal::LimitPeriodOver { .. } => Rule::LimitPeriodOver,
        Refusal::LimitPeriodTooFar { .. } => Rule::LimitPeriodTooFar,
        Refusal::LimitsMustDiffer { .. } => Rule::LimitsMustDiffer,
        Refusal::LimitsOutOfRange { .. } => Rule::LimitsOutOfRange,
        Refusal::LinksOutOfRange { .. } => Rule::LinksOutOfRange,
        Refusal::MetadataKeysMustDiffer { .. } => Rule::MetadataKeysMustDiffer,
        Refusal::MetadataOutOfRange { .. } => Rule::MetadataOutOfRange,
        Refusal::MetadataTooLarge { .. } => Rule::MetadataTooLarge,
        Refusal::NothingToMove => Rule::NothingToMove,
        Refusal::RemaindersMustDiffer { .. } => Rule::RemaindersMustDiffer,
        Refusal::SharesMustFaceOneWay { .. } => Rule::SharesMustFaceOneWay,
        Refusal::UnknownAccount { .. } => Rule::UnknownAccount,
        Refusal::UnknownHold { .. } => Rule::UnknownHold,
        Refusal::VelocityAmountExceeded { .. } => Rule::VelocityAmountExceeded,
        Refusal::VelocityCountExceeded { .. } => Rule::VelocityCountExceeded,
        Refusal::WeightMustBePositive { .. } => Rule::WeightMustBePositive,
    }
}

/// The protocol's number of a rule, by the name that stands in facts; `None` for a name that only a
/// later version knows.
fn rule_named(name: &str) -> Option<Rule> {
    Rule::ALL.iter().find(|rule| format!("{rule:?}") == name).copied()
}
