//! The one outgoing HTTP client.
//!
//! Three ends, never merged: the peer answered (or refused), surely nothing was done, or nobody
//! knows. A lost connection after sending is *unknown*, never *not done*. Addresses are checked
//! after resolution and the checked address is the one connected to; redirects are not followed.
//!
//! Start at [`Client::send`].
#![expect(clippy::result_large_err, reason = "a problem is made once per request: clarity first")]

mod answer;
pub mod clock;
pub mod guard;
mod outgoing;
mod relay;
pub mod system;

pub use answer::{Answer, NotDone, Outcome, Unknown};
pub use clock::{Anchor, BookClock, Clocks, PART_MAX, SystemClocks};
pub use guard::{AddressGuard, Forbidden};
pub use outgoing::{CLIENT_LIMITS, Client, ClientLimits, Outgoing, Peer, PeerError};
