//! What a client asks for, and what it is told.

use ledger::{Balances, Command, Refusal};
use minicbor::{Decode, Encode};
use record::SaltSlot;
use terms::{Instant, Position};

use crate::fact::Refused;
use crate::keys::Key;
use crate::together::TogetherItem;

/// A client of the book, by the number it was registered under. Number 0 is the book itself: what
/// time does, as the expiry of holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct ClientNumber(#[n(0)] pub u32);

impl ClientNumber {
    /// The book itself.
    pub const BOOK: Self = Self(0);
}

/// One command of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub client: ClientNumber,
    /// Which key the salts of its fact come from.
    pub slot: SaltSlot,
    /// What is asked for.
    pub what: What,
    /// Whether it is to happen.
    pub effect: Effect,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is the large one: a box would cost"
)]
pub enum What {
    /// Something to do.
    Do(Command),
    /// What became of an id: the first answer again, or nothing.
    Find(Key),
    /// Several things to do, all of them or none: see [`crate::together`].
    Together(Vec<Command>),
    /// Where every fact that names an id lies: a hold is named by its placement and by each step
    /// after it.
    Trace(Key),
}

/// Whether a request is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It happens, or is refused; the touched accounts' balances are told.
    Lasting,
    /// It happens, or is refused; balances are not told, which costs less.
    LastingUntold,
    /// Only say what would happen: a dry run. Nothing is journalled and no id is used.
    None,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done by this request.
    Done {
        /// The touched accounts afterwards, by id; none when they were not asked for.
        balances: Vec<Balances>,
    },
    /// The same was asked before, under the same id, and done then.
    Repeated {
        /// When.
        first: Instant,
        /// Where its fact lies; `None` for an account, whose fact is not looked up.
        position: Option<Position>,
    },
    /// A rule says no.
    Refused {
        /// Which, with what was expected and what came.
        refusal: Refusal,
    },
    /// Nothing was ever recorded under the id.
    Absent,
    /// One of several that were asked for together: not done, because another one was refused.
    NotDone,
    /// What became of each of several that were asked for together.
    Together(Vec<TogetherItem>),
    /// The same was asked before, under the same id, and refused then.
    RefusedBefore {
        /// What was said.
        refused: Refused,
        /// Where its fact lies.
        position: Position,
    },
    /// Where the facts lie that name the id, oldest first; none when nothing was ever recorded.
    Traced {
        /// Their positions, at most [`TRACE_MAX`].
        positions: Vec<Position>,
        /// Whether these are all.
        whole: bool,
    },
}

/// Most facts that are named for one id: a hold that is posted in parts has one for each part.
pub const TRACE_MAX: usize = 256;
