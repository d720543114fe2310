//! The clock and the randomness: the only place of a role that reads them.

use std::io;
use std::path::Path;

use api::Nonce;
use client::Anchor;
use terms::{Instant, PaymentId};

use crate::roles::write_whole;

/// Where a role's folder keeps what both clocks said when the role last started.
pub const CLOCK_FILE: &str = "clock.json";

/// Whose word a role takes at its start for the wall clock being right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockWord {
    /// What the start before left in the folder.
    Kept,
    /// A person's, who looked.
    Given,
}

/// Begins to read the clock. What names this boot of the machine is out of reach once confined.
pub fn start_clock() {
    let _ = now();
}

/// Measures the wall clock by what a role's folder knows of it, and keeps what the next start is
/// to measure it by: set while the role was stopped, it is followed no more than one that is set
/// while it runs.
///
/// # Errors
/// The file cannot be read, or says something else.
pub fn measure_clock(folder: &Path, word: ClockWord) -> io::Result<()> {
    let path = folder.join(CLOCK_FILE);
    if word == ClockWord::Kept {
        match std::fs::read(&path) {
            Ok(kept) => clock().take(&Anchor::from_json(&kept).map_err(io::Error::other)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // While the two are parted that is what they were measured by: no restart heals a clock.
    let kept = clock().anchor().map(|anchor| write_whole(&path, anchor.to_json().as_bytes()));
    if let Some(Err(error)) = kept {
        tracing::error!(%error, "the next start measures the clock by an earlier one");
    }
    Ok(())
}

/// Whether the wall clock was set since the role's last start, or since this one, and is still
/// wrong.
#[must_use]
pub fn clock_was_set() -> bool {
    !clock().may_expire()
}

/// `N` bytes from the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    client::system::random()
}

pub use client::system::{NoEntropy, clock, now};

/// A nonce for one signed request.
pub fn nonce() -> Result<Nonce, NoEntropy> {
    random().map(Nonce::from_bytes)
}

/// 16 bytes that sort by time, laid out as UUID version 7 (RFC 9562): milliseconds, then random.
pub fn time_ordered_bytes() -> Result<[u8; 16], NoEntropy> {
    Ok(time_ordered(now(), random()?))
}

/// A payment id that sorts by time. Stored by the client before it is sent.
pub fn payment_id() -> Result<PaymentId, NoEntropy> {
    time_ordered_bytes().map(PaymentId::from_bytes)
}

/// The layout of [`time_ordered_bytes`] for a given instant and given randomness.
#[must_use]
pub fn time_ordered(at: Instant, entropy: [u8; 16]) -> [u8; 16] {
    let millis = (at.nanos() / 1_000_000).to_be_bytes();
    let mut bytes = entropy;
    for (to, from) in bytes.iter_mut().zip(millis.iter().skip(2)) {
        *to = *from;
    }
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x70;
    *variant = (*variant & 0x3f) | 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_sort_later_and_carry_version_seven() {
        let early = time_ordered(Instant::from_seconds(1_645_557_742), [0xff; 16]);
        let late = time_ordered(Instant::from_seconds(1_645_557_743), [0; 16]);
        assert!(early < late);
        // RFC 9562 appendix A.6: 2022-02-22T19:22:22Z is 0x017F22E279B0.
        assert_eq!(early[..6], [0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0]);
        assert_eq!((early[6] >> 4, early[8] >> 6), (7, 2));
    }

    #[test]
    fn two_ids_differ() {
        assert_ne!(payment_id().unwrap(), payment_id().unwrap());
    }
}
