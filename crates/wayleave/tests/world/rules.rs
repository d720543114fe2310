//! Rules as code: the same again, weakened, and out of hours.

use policy::replay::Replay;
use record::{DecisionOutcome, Side};
use server::system;
use terms::Instant;
use wallet::CommandResult;

use super::stage::{World, play, set_parameters};

#[test]
fn a_decision_replays_to_a_match_and_under_a_weakened_policy_to_a_mismatch_that_names_it() {
    play(async {
        let world = World::new("replay").await?;
        // 150,000.00 SGD: above the clerk's mandate.
        let refused = world.refused("RE-1", 15_000_000).await?;
        assert_eq!(refused.code, "mandate-limit-exceeded");
        let permitted = world.settled("RE-2", 10_000).await?.terms.payment;
        let pack = world.stage.folder("bank-nl.1").join("pack");
        let mut files = Vec::new();
        for (payment, outcome) in [(refused.payment, "denial"), (permitted, "permit")] {
            let file = world.folder.path().join(format!("{outcome}.decision"));
            let record = world.record("bank-nl.1", payment).await?;
            std::fs::write(&file, seal::to_canonical(&record))?;
            let replayed = wallet::replay(&file, &pack)?;
            assert_eq!(replayed.replay, Replay::Match, "{}", replayed.text());
            assert_eq!(replayed.outcome, outcome);
            files.push(file);
        }
        let weak = world.folder.path().join("weak-pack");
        std::fs::create_dir_all(&weak)?;
        for entry in std::fs::read_dir(&pack)? {
            let entry = entry?;
            std::fs::copy(entry.path(), weak.join(entry.file_name()))?;
        }
        let decide = std::fs::read_to_string(pack.join("decide.cedar"))?;
        let limit = "context.amount <= context.mandateLimit";
        let weakened = decide.replace(limit, &format!("{limit} || context.amount > 0"));
        assert_ne!(decide, weakened, "the policy is there to be weakened");
        std::fs::write(weak.join("decide.cedar"), weakened)?;
        for file in &files {
            let replayed = wallet::replay(file, &weak)?;
            assert_ne!(replayed.exit_code(), 0, "{}", replayed.text());
        }
        let words = wallet::replay(&files[0], &weak)?.text();
        let named = "determining: recorded `mandate-limit-exceeded`, replayed `";
        assert!(words.contains(named), "{words}");
        Ok(())
    });
}

/// Minutes of a day.
const DAY: u64 = 1_440;
/// The pack's fixed offset from UTC.
const OFFSET: u64 = 60;

#[test]
fn outside_opening_hours_a_payment_is_referred_with_the_next_opening() {
    play(async {
        // Open for one minute a day, two hours from now.
        let minute = (system::now().seconds() / 60 + OFFSET + 120) % DAY;
        let opens = u32::try_from(minute)?;
        let world = World::changed("hours", |stage| {
            let hours = [("opensMinute", opens), ("closesMinute", opens + 1)];
            set_parameters(stage, Side::Debtor, &hours)
        })
        .await?;
        let before = world.balance("brightwater").await?;
        let refused = world.refused("OH-1", 10_000).await?;
        assert_eq!(refused.code, "closed-now");
        let now = system::now().seconds() / 60 + OFFSET;
        let wait = (minute + DAY - now % DAY) % DAY;
        let opening = Instant::from_seconds((now + wait - OFFSET) * 60);
        assert_eq!(refused.next.as_deref(), Some(opening.to_string().as_str()));
        // Not an ending: nothing signed, nothing moved, and the record says the same.
        assert!(refused.document.is_none() && refused.receipt.is_none());
        assert_eq!(world.balance("brightwater").await?, before);
        let record = world.record("bank-nl.1", refused.payment).await?;
        let expected = DecisionOutcome::Referral { next_opening: Some(opening) };
        assert_eq!(record.outcome, expected);
        Ok(())
    });
}
