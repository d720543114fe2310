//! Who counts where: trust lists, and two systems that do not know each other.

use api::messages::DecisionAnswer;
use server::roles::supervisor::{Edits, JsonRecognition, TrustEdit};
use wallet::verify::verify;
use wallet::{CommandResult, EXIT_NOBODY_VOUCHES, PaymentOutcome, WalletError};
use wayleave::demo::onboard::Calls;

use super::stage::{World, play, until};

async fn edit_singapores_list(world: &World, edit: TrustEdit) -> anyhow::Result<()> {
    let edits = Edits { reason: "a test".into(), edits: vec![edit] };
    let calls = Calls::new(&world.stage);
    calls.post_json("operator", "supervisor-sg", "/v1/trust-list/edits", &edits).await?;
    Ok(())
}

fn recognition_of_bank_nl() -> JsonRecognition {
    JsonRecognition {
        jurisdiction: "NL".into(),
        kind: "institution".into(),
        subject: "bank-nl".into(),
        until_seconds: 4_000_000_000,
    }
}

/// What the wallet hears when it prepares: nothing, or the code of the refusal.
async fn preparing(world: &World, number: &str) -> anyhow::Result<Option<String>> {
    let request = world.invoice(number, 1_000).await?;
    let payer = &world.players.payer;
    let quote = payer.quote(&request, payer.new_payment()?).await?;
    match payer.prepare(&request, quote).await {
        Ok(_) => Ok(None),
        Err(WalletError::Refused { problem, .. }) => Ok(Some(problem.code)),
        Err(error) => Err(error.into()),
    }
}

#[test]
fn an_institution_off_the_other_sides_trust_list_is_refused_there_only_until_it_is_back() {
    play(async {
        let world = World::new("recognition").await?;
        let before = world.balance("brightwater").await?;
        // Everything up to consent, while both lists recognise each other.
        let request = world.invoice("TR-1", 10_000).await?;
        let hand = world.prepared(&request).await?;
        let letters = world.players.payer.present(&hand)?;
        let recognition = recognition_of_bank_nl();
        let remove = TrustEdit::RemoveRecognition { recognition: recognition.clone() };
        edit_singapores_list(&world, remove).await?;
        let code = until("bank-sg uses the list without bank-nl", || preparing(&world, "TR-2"));
        assert_eq!(code.await?, "institution-not-recognised");
        // The same payment: A's list still recognises B, B's no longer A.
        let at_a = world.decision("bank-nl.1", &letters.debtor, Some(&letters.vp_token)).await;
        assert_eq!(at_a.unwrap().outcome, "permit");
        let at_b = world.decision("bank-sg.1", &letters.creditor, None).await;
        let permitted = |answer: &DecisionAnswer| answer.outcome == "permit";
        assert!(!at_b.as_ref().is_ok_and(permitted), "{at_b:?}");
        assert_eq!(world.balance("brightwater").await?, before);

        edit_singapores_list(&world, TrustEdit::AddRecognition { recognition }).await?;
        until("bank-sg uses the list with bank-nl again", || async {
            Ok(preparing(&world, "TR-3").await?.is_none().then_some(()))
        })
        .await?;
        world.settled("TR-4", 10_000).await?;
        Ok(())
    });
}

#[test]
fn a_second_wayleave_with_its_own_keys_makes_a_flawless_receipt_and_is_refused() {
    play(async {
        let first = World::new("first-wayleave").await?;
        let second = World::new("second-wayleave").await?;
        let payment = first.players.payer.new_payment()?;
        let mut receipts = Vec::new();
        for world in [&first, &second] {
            let payer = &world.players.payer;
            let request = world.invoice("TW-1", 10_000).await?;
            let quote = payer.quote(&request, payment).await?;
            let mut hand = payer.prepare(&request, quote).await?;
            let letters = payer.present(&hand)?;
            let wallet::Decided::Permitted(permits) = payer.decide(&mut hand, &letters).await?
            else {
                anyhow::bail!("not permitted");
            };
            let order = payer.order(&hand, &permits)?;
            let outcome = payer.settle(&mut hand, &order).await?;
            let PaymentOutcome::Settled(settled) = outcome else {
                anyhow::bail!("not settled: {}", outcome.text());
            };
            assert_eq!(settled.terms.payment, payment);
            receipts.push(std::fs::read(settled.receipt.unwrap())?);
        }
        for (world, own) in [(&first, 0), (&second, 1)] {
            let good = verify(&receipts[own], Some(&world.trust()));
            assert!(good.is_good(), "{}", good.text());
            let other = verify(&receipts[1 - own], Some(&world.trust()));
            assert!(!other.is_good(), "{}", other.text());
            // Flawless: no check of the file itself fails, and nobody whom we trust vouches.
            assert_eq!(other.exit_code(), EXIT_NOBODY_VOUCHES, "{}", other.text());
        }
        Ok(())
    });
}
