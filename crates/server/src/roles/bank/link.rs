//! Whether this bank hears the core.
//!
//! The core asks each bank with a lease for its reports all the time. *Heard* is a request of the
//! core, signed with its key, that was taken; what has not been heard for longer than the bank's
//! patience is *cut*. A bank accepts under a lease only while the link is cut: as long as the core
//! asks, the core decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use terms::Instant;

/// The link to the core, as it was last heard.
#[derive(Debug)]
pub(crate) struct Link {
    heard: Mutex<Instant>,
    patience: Duration,
}

impl Link {
    /// A link that was heard when the process began: a bank that starts does not know yet.
    pub(crate) const fn begun(now: Instant, patience: Duration) -> Self {
        Self { heard: Mutex::new(now), patience }
    }

    /// The core asked for something.
    pub(crate) fn heard(&self, now: Instant) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *heard = now.max(*heard);
    }

    /// Whether the core has not been heard for longer than the patience.
    pub(crate) fn is_cut(&self, now: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        now > heard.plus(self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_cut_after_the_patience_and_heard_again_at_once() {
        let at = Instant::from_seconds;
        let link = Link::begun(at(100), Duration::from_secs(3));
        assert!(!link.is_cut(at(103)), "a start is no cut");
        assert!(link.is_cut(at(104)));
        link.heard(at(104));
        assert!(!link.is_cut(at(107)));
        link.heard(at(90));
        assert!(!link.is_cut(at(107)), "a clock that steps back takes nothing");
        assert!(link.is_cut(at(108)));
    }
}
