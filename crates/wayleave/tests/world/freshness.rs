//! How old a word of an issuer may be.

use record::{DecisionRecord, FindingValue, Side};
use wallet::PaymentOutcome;
use wayleave::demo::onboard::{Calls, receive, revoke};
use wayleave::demo::subjects::FIRMS;

use super::stage::{World, play, set_parameters, until};

/// The limit of the test's pack, in seconds.
const LIMIT: i64 = 6;

/// The ages of the four status lists, as the record holds them.
fn ages(record: &DecisionRecord) -> Vec<(String, i64)> {
    let ages = record.findings.iter().filter(|finding| finding.name.ends_with("StatusAge"));
    ages.map(|finding| match finding.value {
        FindingValue::Number(age) => (finding.name.clone(), age),
        ref other => panic!("{}: {other:?}", finding.name),
    })
    .collect()
}

#[test]
fn an_issuer_revokes_and_stops_and_the_answer_changes_at_the_limit() {
    play(async {
        let mut world = World::changed("stale", |stage| {
            set_parameters(stage, Side::Debtor, &[("statusAgeMax", u32::try_from(LIMIT).unwrap())])
        })
        .await?;
        let calls = Calls::new(&world.stage);
        let credential = receive(&world.stage, &calls, &FIRMS[0], "tax", "tax-nl").await?;
        world.settled("FR-1", 1_000).await?;
        revoke(&calls, "tax-nl", credential).await?;
        world.process("issuers").kill()?;
        let young = std::cell::Cell::new(0);
        let refused = until("the list grows too old", || async {
            let request = world.invoice("FR-2", 1_000).await?;
            match world.pay(&request).await? {
                PaymentOutcome::Settled(settled) => {
                    let record = world.record("bank-nl.1", settled.terms.payment).await?;
                    let ages = ages(&record);
                    assert!(
                        !ages.is_empty() && ages.iter().all(|(_, age)| *age <= LIMIT),
                        "{ages:?}"
                    );
                    young.set(young.get() + 1);
                    Ok(None)
                }
                PaymentOutcome::Refused(refused) => Ok(Some(*refused)),
                other => anyhow::bail!("{other:?}"),
            }
        })
        .await?;
        assert!(young.get() > 0, "while the list was young, what it says counted");
        assert!(refused.code.ends_with("status-stale"), "{}", refused.code);
        let record = world.record("bank-nl.1", refused.payment).await?;
        let ages = ages(&record);
        assert!(ages.iter().any(|(_, age)| *age > LIMIT), "{ages:?}");
        // The issuer is back: what it revoked meanwhile counts.
        world.process("issuers").start_again()?;
        world.process("issuers").ready().await?;
        let refused = world.refused("FR-3", 1_000).await?;
        assert_eq!(refused.code, "StatusRevoked", "{}", refused.words);
        Ok(())
    });
}
