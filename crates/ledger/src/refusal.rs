//! Why a ledger says no: one variant per rule, in the order in which the rules are asked.

use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, TransactionId};
use thiserror::Error;

use crate::label::Key;
use crate::transaction::Side;
use crate::velocity::LimitKey;

/// A rule said no. Where several rules would, the one that stands first here speaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The id was used before, with other content.
    #[error("the id was used before with another `{field}`")]
    IdUsedWithOtherContent {
        /// The first field that differs.
        field: &'static str,
    },
    /// Too few or too many entries.
    #[error("expected 1 to {max} entries, got `{got}`")]
    EntriesOutOfRange {
        /// The most there may be.
        max: usize,
        /// How many there are.
        got: usize,
    },
    /// Too many limits to count into.
    #[error("expected at most {max} limits, got `{got}`")]
    LimitsOutOfRange {
        /// The most there may be.
        max: usize,
        /// How many there are.
        got: usize,
    },
    /// Too many links.
    #[error("expected at most {max} links, got `{got}`")]
    LinksOutOfRange {
        /// The most there may be.
        max: usize,
        /// How many there are.
        got: usize,
    },
    /// Too many metadata entries.
    #[error("expected at most {max} metadata entries, got `{got}`")]
    MetadataOutOfRange {
        /// The most there may be.
        max: usize,
        /// How many there are.
        got: usize,
    },
    /// Too many bytes of metadata.
    #[error("expected at most {max} bytes of metadata, got `{got}`")]
    MetadataTooLarge {
        /// The most there may be.
        max: usize,
        /// How many there are.
        got: usize,
    },
    /// One key stands in two metadata entries.
    #[error("metadata key `{key}` stands twice")]
    MetadataKeysMustDiffer {
        /// Which key.
        key: Key,
    },
    /// An amount of nothing.
    #[error("expected an amount above nothing on account `{account}`")]
    AmountMustBePositive {
        /// On which account.
        account: AccountId,
    },
    /// A share without weight.
    #[error("expected a weight above nothing on account `{account}`")]
    WeightMustBePositive {
        /// On which account.
        account: AccountId,
    },
    /// One hold stands in two entries.
    #[error("hold `{hold}` stands in two entries")]
    HoldsMustDiffer {
        /// Which hold.
        hold: HoldId,
    },
    /// One total stands in two limits.
    #[error("two limits bound one total")]
    LimitsMustDiffer {
        /// Whose total.
        key: LimitKey,
    },
    /// There is no such account.
    #[error("there is no account `{account}`")]
    UnknownAccount {
        /// The id that came.
        account: AccountId,
    },
    /// There is no such hold.
    #[error("there is no hold `{hold}`")]
    UnknownHold {
        /// The id that came.
        hold: HoldId,
    },
    /// The hold ended before: posted.
    #[error("hold `{hold}` was posted by `{transaction}`")]
    HoldAlreadyPosted {
        /// Which hold.
        hold: HoldId,
        /// By which transaction.
        transaction: TransactionId,
    },
    /// The hold ended before: voided.
    #[error("hold `{hold}` was voided")]
    HoldAlreadyVoided {
        /// Which hold.
        hold: HoldId,
    },
    /// The hold's moment has come, whether or not a sweep has run.
    #[error("hold `{hold}` has expired")]
    HoldAlreadyExpired {
        /// Which hold.
        hold: HoldId,
    },
    /// The hold is pinned already.
    #[error("hold `{hold}` is pinned already")]
    HoldAlreadyPinned {
        /// Which hold.
        hold: HoldId,
    },
    /// A pinned hold may be voided only with evidence that nothing was done.
    #[error("hold `{hold}` is pinned: expected evidence that nothing was done")]
    EvidenceRequired {
        /// Which hold.
        hold: HoldId,
    },
    /// The entry's account is not the hold's.
    #[error("expected account `{expected}` of the hold, got `{got}`")]
    HoldAccountDiffers {
        /// The hold's account.
        expected: AccountId,
        /// The entry's account.
        got: AccountId,
    },
    /// The entry's side is not the hold's.
    #[error("expected side `{expected:?}` of the hold, got `{got:?}`")]
    HoldSideDiffers {
        /// The hold's side.
        expected: Side,
        /// The entry's side.
        got: Side,
    },
    /// More would be posted than is held.
    #[error("expected at most `{expected}` of hold `{hold}`, got `{got}`")]
    AmountExceedsHold {
        /// Which hold.
        hold: HoldId,
        /// How much is held.
        expected: Minor,
        /// How much would be posted.
        got: Minor,
    },
    /// A hold was posted in parts that kept the rest as often as one hold may be.
    #[error("hold `{hold}` was posted in `{max}` parts: post or void the rest")]
    HoldPartsOutOfRange {
        /// Which hold.
        hold: HoldId,
        /// The most.
        max: u32,
    },
    /// Two lines take what the shares leave.
    #[error("two lines take the remainder of `{asset}`")]
    RemaindersMustDiffer {
        /// Of which asset.
        asset: AssetCode,
    },
    /// Shares on both sides have no rest to divide.
    #[error("expected the shares of `{asset}` on one side")]
    SharesMustFaceOneWay {
        /// Of which asset.
        asset: AssetCode,
    },
    /// Everything of an account that nothing bounds.
    #[error("expected a floor or ceiling that bounds `{side:?}` entries on account `{account}`")]
    EverythingMustBeBounded {
        /// Which account.
        account: AccountId,
        /// On which side.
        side: Side,
    },
    /// All lines came to nothing.
    #[error("there is nothing to move")]
    NothingToMove,
    /// A limit bounds another asset than the one that moves.
    #[error("expected a limit on an asset that moves, got one on `{got}`")]
    LimitAssetDiffers {
        /// The limit's asset.
        got: AssetCode,
    },
    /// An asset does not balance.
    #[error("expected equal debits and credits of `{asset}`, got `{debits}` and `{credits}`")]
    DebitsMustEqualCredits {
        /// Which asset.
        asset: AssetCode,
        /// Sum of its debits.
        debits: Minor,
        /// Sum of its credits.
        credits: Minor,
    },
    /// The hold would never be open.
    #[error("expected an expiry after `{stamp}`, got `{got}`")]
    ExpiryMustBeLater {
        /// The stamp of the batch.
        stamp: Instant,
        /// The expiry that came.
        got: Instant,
    },
    /// The period of a limit is over for so long that its total is forgotten.
    #[error("expected a business date of `{expected}` or later for a limit, got `{got}`")]
    LimitPeriodOver {
        /// Whose total.
        key: LimitKey,
        /// The earliest day whose periods are still counted.
        expected: BusinessDate,
        /// The day that came.
        got: BusinessDate,
    },
    /// What counts into a total of the calendar is dated too far ahead of ledger time.
    #[error("expected a business date of `{expected}` or before for a limit, got `{got}`")]
    LimitPeriodTooFar {
        /// Whose total.
        key: LimitKey,
        /// The latest day that is taken.
        expected: BusinessDate,
        /// The day that came.
        got: BusinessDate,
    },
    /// The account is closed.
    #[error("account `{account}` is closed")]
    AccountClosed {
        /// Which account.
        account: AccountId,
    },
    /// The account is frozen on that side.
    #[error("account `{account}` is frozen for `{side:?}` entries")]
    AccountFrozen {
        /// Which account.
        account: AccountId,
        /// On which side.
        side: Side,
    },
    /// A sum would not fit in 128 bits.
    #[error("a sum on account `{account}` or of its asset would exceed 128 bits")]
    AmountTooLarge {
        /// On which account.
        account: AccountId,
    },
    /// Less is available than would leave.
    #[error("account `{account}` lacks available funds: expected `{expected}`, got `{got}`")]
    InsufficientFunds {
        /// Which account.
        account: AccountId,
        /// How much would leave, net.
        expected: Minor,
        /// How much is available.
        got: Minor,
    },
    /// The balance, held credits included, would rise above the ceiling.
    #[error("account `{account}` would pass its ceiling `{expected}`: got `{got}`")]
    CeilingExceeded {
        /// Which account.
        account: AccountId,
        /// The ceiling.
        expected: Minor,
        /// What the balance would be.
        got: Minor,
    },
    /// The period's total would pass its limit.
    #[error("the total of the period would pass `{expected}`: got `{got}`")]
    VelocityAmountExceeded {
        /// Whose total.
        key: LimitKey,
        /// The most.
        expected: Minor,
        /// What it would be.
        got: Minor,
    },
    /// The period's count would pass its limit.
    #[error("the count of the period would pass `{expected}`: got `{got}`")]
    VelocityCountExceeded {
        /// Whose count.
        key: LimitKey,
        /// The most.
        expected: u32,
        /// What it would be.
        got: u32,
    },
    /// The balance already lies outside the new limits.
    #[error("the balance of account `{account}` lies outside the new limits")]
    BalanceOutsideLimits {
        /// Which account.
        account: AccountId,
    },
    /// An account with a balance or a hold cannot be closed.
    #[error("account `{account}` has a balance or a hold")]
    AccountNotEmpty {
        /// Which account.
        account: AccountId,
    },
}

impl Refusal {
    /// The rule's place in the fixed precedence, from 0. It may move when a rule is added: what is
    /// stored or sent is the name.
    #[must_use]
    pub const fn precedence(&self) -> u8 {
        match self {
            Self::IdUsedWithOtherContent { .. } => 0,
            Self::EntriesOutOfRange { .. } => 1,
            Self::LimitsOutOfRange { .. } => 2,
            Self::LinksOutOfRange { .. } => 3,
            Self::MetadataOutOfRange { .. } => 4,
            Self::MetadataTooLarge { .. } => 5,
            Self::MetadataKeysMustDiffer { .. } => 6,
            Self::AmountMustBePositive { .. } => 7,
            Self::WeightMustBePositive { .. } => 8,
            Self::HoldsMustDiffer { .. } => 9,
            Self::LimitsMustDiffer { .. } => 10,
            Self::UnknownAccount { .. } => 11,
            Self::UnknownHold { .. } => 12,
            Self::HoldAlreadyPosted { .. } => 13,
            Self::HoldAlreadyVoided { .. } => 14,
            Self::HoldAlreadyExpired { .. } => 15,
            Self::HoldAlreadyPinned { .. } => 16,
            Self::EvidenceRequired { .. } => 17,
            Self::HoldAccountDiffers { .. } => 18,
            Self::HoldSideDiffers { .. } => 19,
            Self::AmountExceedsHold { .. } => 20,
            Self::HoldPartsOutOfRange { .. } => 21,
            Self::RemaindersMustDiffer { .. } => 22,
            Self::SharesMustFaceOneWay { .. } => 23,
            Self::EverythingMustBeBounded { .. } => 24,
            Self::NothingToMove => 25,
            Self::LimitAssetDiffers { .. } => 26,
            Self::DebitsMustEqualCredits { .. } => 27,
            Self::ExpiryMustBeLater { .. } => 28,
            Self::LimitPeriodOver { .. } => 29,
            Self::LimitPeriodTooFar { .. } => 30,
            Self::AccountClosed { .. } => 31,
            Self::AccountFrozen { .. } => 32,
            Self::AmountTooLarge { .. } => 33,
            Self::InsufficientFunds { .. } => 34,
            Self::CeilingExceeded { .. } => 35,
            Self::VelocityAmountExceeded { .. } => 36,
            Self::VelocityCountExceeded { .. } => 37,
            Self::BalanceOutsideLimits { .. } => 38,
            Self::AccountNotEmpty { .. } => 39,
        }
    }

    /// The rule's name, for answers and for the journal. A name is never used for another rule.
    #[must_use]
    pub const fn rule_name(&self) -> &'static str {
        match self {
            Self::IdUsedWithOtherContent { .. } => "IdUsedWithOtherContent",
            Self::EntriesOutOfRange { .. } => "EntriesOutOfRange",
            Self::LimitsOutOfRange { .. } => "LimitsOutOfRange",
            Self::LinksOutOfRange { .. } => "LinksOutOfRange",
            Self::MetadataOutOfRange { .. } => "MetadataOutOfRange",
            Self::MetadataTooLarge { .. } => "MetadataTooLarge",
            Self::MetadataKeysMustDiffer { .. } => "MetadataKeysMustDiffer",
            Self::AmountMustBePositive { .. } => "AmountMustBePositive",
            Self::WeightMustBePositive { .. } => "WeightMustBePositive",
            Self::HoldsMustDiffer { .. } => "HoldsMustDiffer",
            Self::LimitsMustDiffer { .. } => "LimitsMustDiffer",
            Self::UnknownAccount { .. } => "UnknownAccount",
            Self::UnknownHold { .. } => "UnknownHold",
            Self::HoldAlreadyPosted { .. } => "HoldAlreadyPosted",
            Self::HoldAlreadyVoided { .. } => "HoldAlreadyVoided",
            Self::HoldAlreadyExpired { .. } => "HoldAlreadyExpired",
            Self::HoldAlreadyPinned { .. } => "HoldAlreadyPinned",
            Self::EvidenceRequired { .. } => "EvidenceRequired",
            Self::HoldAccountDiffers { .. } => "HoldAccountDiffers",
            Self::HoldSideDiffers { .. } => "HoldSideDiffers",
            Self::AmountExceedsHold { .. } => "AmountExceedsHold",
            Self::HoldPartsOutOfRange { .. } => "HoldPartsOutOfRange",
            Self::RemaindersMustDiffer { .. } => "RemaindersMustDiffer",
            Self::SharesMustFaceOneWay { .. } => "SharesMustFaceOneWay",
            Self::EverythingMustBeBounded { .. } => "EverythingMustBeBounded",
            Self::NothingToMove => "NothingToMove",
            Self::LimitAssetDiffers { .. } => "LimitAssetDiffers",
            Self::DebitsMustEqualCredits { .. } => "DebitsMustEqualCredits",
            Self::ExpiryMustBeLater { .. } => "ExpiryMustBeLater",
            Self::LimitPeriodOver { .. } => "LimitPeriodOver",
            Self::LimitPeriodTooFar { .. } => "LimitPeriodTooFar",
            Self::AccountClosed { .. } => "AccountClosed",
            Self::AccountFrozen { .. } => "AccountFrozen",
            Self::AmountTooLarge { .. } => "AmountTooLarge",
            Self::InsufficientFunds { .. } => "InsufficientFunds",
            Self::CeilingExceeded { .. } => "CeilingExceeded",
            Self::VelocityAmountExceeded { .. } => "VelocityAmountExceeded",
            Self::VelocityCountExceeded { .. } => "VelocityCountExceeded",
            Self::BalanceOutsideLimits { .. } => "BalanceOutsideLimits",
            Self::AccountNotEmpty { .. } => "AccountNotEmpty",
        }
    }

    /// Whether the same command, under a new id, may succeed later without being changed.
    #[must_use]
    pub const fn may_retry_help(&self) -> bool {
        match self {
            Self::NothingToMove
            | Self::LimitPeriodTooFar { .. }
            | Self::AccountFrozen { .. }
            | Self::InsufficientFunds { .. }
            | Self::CeilingExceeded { .. }
            | Self::VelocityAmountExceeded { .. }
            | Self::VelocityCountExceeded { .. }
            | Self::BalanceOutsideLimits { .. }
            | Self::AccountNotEmpty { .. } => true,
            Self::IdUsedWithOtherContent { .. }
            | Self::EntriesOutOfRange { .. }
            | Self::LimitsOutOfRange { .. }
            | Self::LinksOutOfRange { .. }
            | Self::MetadataOutOfRange { .. }
            | Self::MetadataTooLarge { .. }
            | Self::MetadataKeysMustDiffer { .. }
            | Self::AmountMustBePositive { .. }
            | Self::WeightMustBePositive { .. }
            | Self::HoldsMustDiffer { .. }
            | Self::LimitsMustDiffer { .. }
            | Self::UnknownAccount { .. }
            | Self::UnknownHold { .. }
            | Self::HoldAlreadyPosted { .. }
            | Self::HoldAlreadyVoided { .. }
            | Self::HoldAlreadyExpired { .. }
            | Self::HoldAlreadyPinned { .. }
            | Self::EvidenceRequired { .. }
            | Self::HoldAccountDiffers { .. }
            | Self::HoldSideDiffers { .. }
            | Self::AmountExceedsHold { .. }
            | Self::HoldPartsOutOfRange { .. }
            | Self::RemaindersMustDiffer { .. }
            | Self::SharesMustFaceOneWay { .. }
            | Self::EverythingMustBeBounded { .. }
            | Self::LimitAssetDiffers { .. }
            | Self::DebitsMustEqualCredits { .. }
            | Self::ExpiryMustBeLater { .. }
            | Self::LimitPeriodOver { .. }
            | Self::AccountClosed { .. }
            | Self::AmountTooLarge { .. } => false,
        }
    }

    /// The ISO 20022 external status reason code that says this.
    #[must_use]
    pub const fn iso_reason(&self) -> &'static str {
        match self {
            Self::IdUsedWithOtherContent { .. } => "AM05",
            Self::EntriesOutOfRange { .. }
            | Self::LimitsOutOfRange { .. }
            | Self::LinksOutOfRange { .. }
            | Self::MetadataOutOfRange { .. }
            | Self::MetadataTooLarge { .. }
            | Self::MetadataKeysMustDiffer { .. }
            | Self::WeightMustBePositive { .. }
            | Self::HoldsMustDiffer { .. }
            | Self::RemaindersMustDiffer { .. }
            | Self::SharesMustFaceOneWay { .. }
            | Self::EverythingMustBeBounded { .. }
            | Self::LimitsMustDiffer { .. } => "FF01",
            Self::AmountMustBePositive { .. } => "AM01",
            Self::UnknownAccount { .. } => "AC01",
            Self::UnknownHold { .. }
            | Self::HoldAlreadyPosted { .. }
            | Self::HoldAlreadyVoided { .. }
            | Self::HoldAlreadyPinned { .. }
            | Self::EvidenceRequired { .. }
            | Self::HoldAccountDiffers { .. }
            | Self::HoldSideDiffers { .. } => "ED05",
            Self::HoldAlreadyExpired { .. } => "AB03",
            Self::AmountExceedsHold { .. } => "AM09",
            Self::HoldPartsOutOfRange { .. } => "ED05",
            Self::LimitAssetDiffers { .. } => "AM11",
            Self::DebitsMustEqualCredits { .. } => "AM10",
            Self::ExpiryMustBeLater { .. }
            | Self::LimitPeriodOver { .. }
            | Self::LimitPeriodTooFar { .. } => "DT01",
            Self::AccountClosed { .. } => "AC04",
            Self::AccountFrozen { .. } => "AC06",
            Self::AmountTooLarge { .. } => "AM12",
            Self::InsufficientFunds { .. } | Self::NothingToMove => "AM04",
            Self::CeilingExceeded { .. } => "AM02",
            Self::VelocityAmountExceeded { .. } | Self::VelocityCountExceeded { .. } => "AM14",
            Self::BalanceOutsideLimits { .. } | Self::AccountNotEmpty { .. } => "NARR",
        }
    }
}
