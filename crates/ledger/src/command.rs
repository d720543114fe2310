//! What a ledger can be asked to do.

use minicbor::{Decode, Encode};
use terms::{AccountId, HoldId, Minor};

use crate::account::{Ceiling, Floor, Freeze, Opening};
use crate::draft::Draft;
use crate::hold::{Placement, VoidGround};
use crate::transaction::Transaction;

/// Most holds that one sweep expires; what is left waits for the next.
pub const SWEEP_MAX: u32 = 256;

/// One thing to do. Who may ask for it is the caller's business.
///
/// Its layout for requests stands in `docs/formats/ledger.md`; numbers are never reused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Opens an account.
    #[n(0)]
    OpenAccount(#[n(0)] Opening),
    /// Changes floor and ceiling; refused when the balance already lies outside.
    #[n(1)]
    SetLimits {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// The new floor.
        #[n(1)]
        floor: Floor,
        /// The new ceiling.
        #[n(2)]
        ceiling: Ceiling,
    },
    /// Freezes or thaws.
    #[n(2)]
    SetFreeze {
        /// Which account.
        #[n(0)]
        account: AccountId,
        /// Which new entries it shall refuse.
        #[n(1)]
        freeze: Freeze,
    },
    /// Blocks part of the amount; replaces what was blocked, and may exceed the balance.
    #[n(3)]
    SetBlocked {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// How much may not leave.
        #[n(1)]
        amount: Minor,
    },
    /// Closes an empty account for ever.
    #[n(4)]
    CloseAccount {
        /// Which account.
        #[n(0)]
        account: AccountId,
    },
    /// Sets money aside.
    #[n(5)]
    PlaceHold(#[n(0)] Placement),
    /// Makes an open hold one that never expires; refused while its account is frozen.
    #[n(6)]
    PinHold {
        /// Which hold.
        #[n(0)]
        hold: HoldId,
    },
    /// Releases a hold whole. An expiring one whose moment has passed may not be voided.
    #[n(7)]
    VoidHold {
        /// Which hold.
        #[n(0)]
        hold: HoldId,
        /// Why it may be.
        #[n(1)]
        ground: VoidGround,
    },
    /// Expires holds whose moment has come, the earliest first.
    #[n(8)]
    ExpireHolds {
        /// At most this many, and never more than [`SWEEP_MAX`].
        #[n(0)]
        at_most: u32,
    },
    /// Posts entries, and the holds that they name.
    #[n(9)]
    Post(#[n(0)] Transaction),
    /// Posts what a draft comes to.
    #[n(10)]
    PostDraft(#[n(0)] Draft),
}
