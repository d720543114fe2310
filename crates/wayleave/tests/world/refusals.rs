//! Six payments that must not happen, and what each reader learns of them.

use api::messages::DecisionAnswer;
use record::{NEUTRAL_CODE, Visibility};
use server::roles::supervisor::{Edits, JsonEntry, SanctionEdit};
use terms::Minor;
use wallet::CommandResult;
use wallet::RefusedPayment;
use wallet::verify::verify;
use wayleave::demo::acts;
use wayleave::demo::onboard::Calls;

use super::stage::{World, play, until};

async fn balances(world: &World) -> anyhow::Result<[Minor; 3]> {
    let of = async |firm| world.balance(firm).await;
    Ok([of("brightwater").await?, of("lim").await?, of("blacktide").await?])
}

#[test]
fn each_refused_payment_moves_nothing_and_has_a_receipt_that_verifies() {
    play(async {
        let world = World::new("refusals").await?;
        let (stage, players) = (&world.stage, &world.players);
        let before = balances(&world).await?;
        let all: [(&str, RefusedPayment); 6] = [
            ("StatusRevoked", acts::revoked(stage, players).await?),
            (NEUTRAL_CODE, acts::listed(players).await?),
            ("mandate-limit-exceeded", acts::above_mandate(players).await?),
            ("QuoteExpired", acts::expired(players).await?),
            ("ProviderLiquidityInsufficient", acts::no_liquidity(players).await?),
            ("PermitDiffers", acts::changed(players).await?),
        ];
        let after = balances(&world).await?;
        assert_eq!(after, before);
        for (expected, refused) in all {
            assert_eq!(refused.code, expected, "{}", refused.words);
            let receipt = refused.receipt.unwrap_or_else(|| panic!("{expected}: no receipt"));
            let report = verify(&std::fs::read(receipt)?, Some(&world.trust()));
            assert!(report.is_good(), "{expected}: {}", report.text());
            let facts = format!("{:?}", report.facts);
            assert!(facts.contains(&refused.code), "{expected}: {facts}");
        }
        Ok(())
    });
}

/// Both edges' answers about a payment of an invoice of the payee or of the listed firm.
async fn answers(
    world: &World,
    listed: bool,
) -> anyhow::Result<(DecisionAnswer, terms::PaymentId)> {
    let payee = if listed { &world.players.listed } else { &world.players.payee };
    let request = acts::invoice(payee, "NC-1", 10_000).await?;
    let hand = world.prepared(&request).await?;
    let letters = world.players.payer.present(&hand)?;
    let token = Some(letters.vp_token.as_str());
    let answer = world.decision("bank-nl.1", &letters.debtor, token).await;
    Ok((answer.map_err(|problem| anyhow::anyhow!("{problem:?}"))?, hand.payment))
}

fn shape(answer: &DecisionAnswer) -> DecisionAnswer {
    DecisionAnswer { document: answer.document.as_ref().map(|_| String::new()), ..answer.clone() }
}

async fn edit_sanctions(world: &World, edit: SanctionEdit) -> anyhow::Result<()> {
    let edits = Edits { reason: "a test".into(), edits: vec![edit] };
    let calls = Calls::new(&world.stage);
    calls.post_json("operator", "supervisor-nl", "/v1/sanctions/edits", &edits).await?;
    Ok(())
}

#[test]
fn every_restricted_outcome_shows_the_payer_one_neutral_code_and_the_operator_its_reason() {
    play(async {
        let world = World::new("neutral").await?;
        let (matched, blocked) = answers(&world, true).await?;
        assert_eq!(matched.code.as_deref(), Some(NEUTRAL_CODE));
        // The honest payee comes to resemble somebody listed: possible, not a match.
        let entry = JsonEntry {
            id: "SANDBOX-9".into(),
            name: "Lym Ceramics".into(),
            aliases: vec![],
            dates: vec![],
            countries: vec!["SG".into()],
            program: "sandbox".into(),
        };
        edit_sanctions(&world, SanctionEdit::PutEntry { entry }).await?;
        let (possible, waiting) = until("bank-nl screens against the new list", || async {
            let (answer, payment) = answers(&world, false).await?;
            Ok((answer.outcome != "permit").then_some((answer, payment)))
        })
        .await?;
        // An operator tells the two apart; the payer cannot.
        assert_eq!(shape(&possible), shape(&matched));
        let length = |answer: &DecisionAnswer| serde_json::to_string(answer).unwrap().len();
        assert_eq!(length(&possible), length(&matched), "the same size");
        for (payment, rule) in [(blocked, "payee-listed"), (waiting, "screening-unclear")] {
            let record = world.record("bank-nl.1", payment).await?;
            let reason = record.reasons.first().expect("a reason");
            assert_eq!(reason.code, rule);
            assert_eq!(reason.visibility, Visibility::Restricted);
        }
        // What is open stays open: other refusals say why.
        let open = acts::above_mandate(&world.players).await?;
        assert_eq!(open.code, "mandate-limit-exceeded");
        Ok(())
    });
}
