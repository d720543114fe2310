//! Why a ledger says no: one variant per rule, in the order in which the rules are asked.

use terms::{AccountId, AssetCode, HoldId, Instant, Minor, TransactionId};
use thiserror::Error;

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
    /// An amount of nothing.
    #[error("expected an amount above nothing on account `{account}`")]
    AmountMustBePositive {
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
    /// The rule's place in the fixed precedence, from 0.
    #[must_use]
    pub const fn precedence(&self) -> u8 {
        match self {
            Self::IdUsedWithOtherContent { .. } => 0,
            Self::EntriesOutOfRange { .. } => 1,
            Self::LimitsOutOfRange { .. } => 2,
            Self::LinksOutOfRange { .. } => 3,
            Self::AmountMustBePositive { .. } => 4,
            Self::HoldsMustDiffer { .. } => 5,
            Self::LimitsMustDiffer { .. } => 6,
            Self::UnknownAccount { .. } => 7,
            Self::UnknownHold { .. } => 8,
            Self::HoldAlreadyPosted { .. } => 9,
            Self::HoldAlreadyVoided { .. } => 10,
            Self::HoldAlreadyExpired { .. } => 11,
            Self::HoldAlreadyPinned { .. } => 12,
            Self::EvidenceRequired { .. } => 13,
            Self::HoldAccountDiffers { .. } => 14,
            Self::HoldSideDiffers { .. } => 15,
            Self::AmountExceedsHold { .. } => 16,
            Self::LimitAssetDiffers { .. } => 17,
            Self::DebitsMustEqualCredits { .. } => 18,
            Self::ExpiryMustBeLater { .. } => 19,
            Self::AccountClosed { .. } => 20,
            Self::AccountFrozen { .. } => 21,
            Self::AmountTooLarge { .. } => 22,
            Self::InsufficientFunds { .. } => 23,
            Self::CeilingExceeded { .. } => 24,
            Self::VelocityAmountExceeded { .. } => 25,
            Self::VelocityCountExceeded { .. } => 26,
            Self::BalanceOutsideLimits { .. } => 27,
            Self::AccountNotEmpty { .. } => 28,
        }
    }

    /// Whether the same command, under a new id, may succeed later without being changed.
    #[must_use]
    pub const fn may_retry_help(&self) -> bool {
        match self {
            Self::AccountFrozen { .. }
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
            | Self::AmountMustBePositive { .. }
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
            | Self::LimitAssetDiffers { .. }
            | Self::DebitsMustEqualCredits { .. }
            | Self::ExpiryMustBeLater { .. }
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
            | Self::HoldsMustDiffer { .. }
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
            Self::LimitAssetDiffers { .. } => "AM11",
            Self::DebitsMustEqualCredits { .. } => "AM10",
            Self::ExpiryMustBeLater { .. } => "DT01",
            Self::AccountClosed { .. } => "AC04",
            Self::AccountFrozen { .. } => "AC06",
            Self::AmountTooLarge { .. } => "AM12",
            Self::InsufficientFunds { .. } => "AM04",
            Self::CeilingExceeded { .. } => "AM02",
            Self::VelocityAmountExceeded { .. } | Self::VelocityCountExceeded { .. } => "AM14",
            Self::BalanceOutsideLimits { .. } | Self::AccountNotEmpty { .. } => "NARR",
        }
    }
}
