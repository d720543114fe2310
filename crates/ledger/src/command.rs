//! What a ledger can be asked to do.

use terms::{AccountId, HoldId, Minor};

use crate::account::{Ceiling, Floor, Freeze, Opening};
use crate::hold::{Placement, VoidGround};
use crate::transaction::Transaction;

/// Most holds that one sweep expires; what is left waits for the next.
pub const SWEEP_MAX: u32 = 256;

/// One thing to do. Who may ask for it is the caller's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Opens an account.
    OpenAccount(Opening),
    /// Changes floor and ceiling; refused when the balance already lies outside.
    SetLimits {
        /// Of which account.
        account: AccountId,
        /// The new floor.
        floor: Floor,
        /// The new ceiling.
        ceiling: Ceiling,
    },
    /// Freezes or thaws.
    SetFreeze {
        /// Which account.
        account: AccountId,
        /// Which new entries it shall refuse.
        freeze: Freeze,
    },
    /// Blocks part of the amount; replaces what was blocked, and may exceed the balance.
    SetBlocked {
        /// Of which account.
        account: AccountId,
        /// How much may not leave.
        amount: Minor,
    },
    /// Closes an empty account for ever.
    CloseAccount {
        /// Which account.
        account: AccountId,
    },
    /// Sets money aside.
    PlaceHold(Placement),
    /// Makes an open hold one that never expires; refused while its account is frozen.
    PinHold {
        /// Which hold.
        hold: HoldId,
    },
    /// Releases a hold whole. An expiring one whose moment has passed may not be voided.
    VoidHold {
        /// Which hold.
        hold: HoldId,
        /// Why it may be.
        ground: VoidGround,
    },
    /// Expires holds whose moment has come, the earliest first.
    ExpireHolds {
        /// At most this many, and never more than [`SWEEP_MAX`].
        at_most: u32,
    },
    /// Posts entries, and the holds that they name.
    Post(Transaction),
}
