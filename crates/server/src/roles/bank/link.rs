//! Whether this bank hears the core.
//!
//! The core asks each bank with a lease for its reports all the time. *Heard* is a request of the
//! core, signed with its key, that was taken; what has not been heard for longer than the bank's
//! patience, by a clock that nobody sets, is *cut*. A bank accepts under a lease only while the
//! link is cut: as long as the core asks, the core decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The link to the core, as it was last heard.
#[derive(Debug)]
pub(crate) struct Link {
    heard: Mutex<Instant>,
    patience: Duration,
}

impl Link {
    /// A link that was heard when the process began: a bank that starts does not know yet.
    pub(crate) fn begun(patience: Duration) -> Self {
        Self { heard: Mutex::new(Instant::now()), patience }
    }

    /// The core asked for something.
    pub(crate) fn heard(&self) {
        self.heard_at(Instant::now());
    }

    fn heard_at(&self, now: Instant) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *heard = now.max(*heard);
    }

    /// Whether the core has not been heard for longer than the patience.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut_at(Instant::now())
    }

    fn is_cut_at(&self, now: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(heard) > self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_cut_after_the_patience_and_heard_again_at_once() {
        let link = Link::begun(Duration::from_secs(3));
        let begun = *link.heard.lock().unwrap();
        let at = |seconds| begun.checked_add(Duration::from_secs(seconds)).unwrap();
        assert!(!link.is_cut_at(at(3)), "a start is no cut");
        assert!(link.is_cut_at(at(4)));
        link.heard_at(at(4));
        assert!(!link.is_cut_at(at(7)));
        link.heard_at(at(1));
        assert!(!link.is_cut_at(at(7)), "what is noted late takes nothing");
        assert!(link.is_cut_at(at(8)));
    }
}
