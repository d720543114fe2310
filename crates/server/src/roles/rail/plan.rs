//! What the simulator does wrong, by dice: the same for the same seed, message and try.

use std::time::Duration;

use seal::digest::{Domain, digest_of};
use serde::{Deserialize, Serialize};

/// Domain of the dice.
const DICE: Domain = Domain::new("wayleave/rail-simulator/v1");

/// How often what goes wrong, each in percent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// A request is lost on its way: nothing happens, and nothing is answered.
    pub lose_request: u8,
    /// The request arrives, and the answer is lost.
    pub lose_answer: u8,
    /// The request is answered by silence, and arrives later.
    pub late_request: u8,
    /// The request arrives twice.
    pub duplicate: u8,
    /// The answer comes after a pause, perhaps after the caller has gone.
    pub late_answer: u8,
    /// It is accepted first and decided later.
    pub pending: u8,
    /// It is rejected, with reason `AC04`.
    pub reject: u8,
    /// It is executed, and comes back by pacs.004.
    pub return_later: u8,
    /// A message to the sender is lost.
    pub lose_message: u8,
    /// A message to the sender comes twice.
    pub duplicate_message: u8,
    /// A question is answered by silence.
    pub lose_question: u8,
    /// How long silence and pauses last at most, in milliseconds.
    pub pause_ms_max: u64,
}

/// Dice of a seed.
#[derive(Clone, Copy, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below 2^32 for what happens at a try.
    #[must_use]
    pub fn roll(self, what: &str, message_id: &str, attempt: u64) -> u32 {
        let pieces: [&[u8]; 4] =
            [&self.0.to_be_bytes(), what.as_bytes(), message_id.as_bytes(), &attempt.to_be_bytes()];
        let digest = digest_of(DICE, &pieces);
        digest.as_bytes().first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
    }

    /// Whether it happens, at so many percent.
    #[must_use]
    pub fn happens(self, percent: u8, what: &str, message_id: &str, attempt: u64) -> bool {
        self.roll(what, message_id, attempt).checked_rem(100).unwrap_or(0) < u32::from(percent)
    }

    /// A pause of at most `ms_max`.
    #[must_use]
    pub fn pause(self, ms_max: u64, message_id: &str, attempt: u64) -> Duration {
        let roll = u64::from(self.roll("pause", message_id, attempt));
        Duration::from_millis(roll.checked_rem(ms_max.saturating_add(1)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_the_same_for_the_same_try_and_about_fair() {
        let dice = Dice(7);
        assert_eq!(dice.roll("a", "m", 1), dice.roll("a", "m", 1));
        let count = |percent| (0..1_000).filter(|n| dice.happens(percent, "a", "m", *n)).count();
        assert_eq!((count(0), count(100)), (0, 1_000));
        assert!((200..400).contains(&count(30)), "{}", count(30));
        assert!((0..100).all(|n| dice.pause(5, "m", n) <= Duration::from_millis(5)));
    }
}
