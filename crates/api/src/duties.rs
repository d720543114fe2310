//! Duties of an institution's decisions: asked for and closed by its own edge, where its book is.
//!
//! | callee | route | body → answer |
//! |---|---|---|
//! | core, bank | `GET /v1/decision-duties` | → [`DecisionDuties`] as JSON, own institution only |
//! | core, bank | `POST /v1/duty-closings` | `Signed<DutyClosing>` |

use serde::{Deserialize, Serialize};

/// Duties shown at once.
pub const DECISION_DUTIES_MAX: usize = 1_000;

/// The duties of an institution that are not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionDuties {
    /// Whose.
    pub institution: String,
    /// The next position of its book.
    pub head: u64,
    /// How many there are in all.
    pub open: u64,
    /// How many of them are past their time.
    pub overdue: u64,
    /// By deadline, at most [`DECISION_DUTIES_MAX`].
    pub duties: Vec<DecisionDuty>,
}

/// A duty that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionDuty {
    /// What it is known by, hex.
    pub duty: String,
    /// The payment that was decided.
    pub payment: String,
    /// On which side.
    pub side: String,
    /// Along which corridor.
    pub corridor: String,
    /// `travel-rule`, `review`, `report`, `evidence-escrow`.
    pub kind: String,
    /// The pack's rule that makes it due.
    pub rule: String,
    /// Who does it.
    pub owner: String,
    /// `open` or `restricted`: whether payer and payee may know of it.
    pub visibility: String,
    /// When it was decided, RFC 3339.
    pub opened_at: String,
    /// Until when it must be done, RFC 3339.
    pub due_at: String,
    /// `overdue`, or `open`.
    pub state: String,
}
