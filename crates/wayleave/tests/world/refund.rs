//! The way back, over the real processes: a company in Singapore pays one in the Netherlands, and
//! a payee gives a payment back. Both banks' edges decide, each by a pack of its own.

use std::path::Path;
use std::time::Duration;

use record::{BlockExtent, BlockOrder, DecisionOutcome, Side, Signed};
use seal::to_canonical;
use terms::{Minor, PaymentId, TransactionId};
use wallet::{Agreement, PaymentOutcome, RefundRate, Settled, WhenMissing};
use wayleave::demo::acts::invoice;
use wayleave::demo::onboard::{Calls, receive, revoke};
use wayleave::demo::setup::OwnBooks;
use wayleave::demo::subjects::FIRMS;

use super::after::{ask, balance_is, credited, mirrors_agree, post, receipt_says};
use super::stage::{World, play};

/// What is paid first, in cents of SGD: more than all that goes back.
const PAID: u128 = 200_000;

/// A payment that has settled and reached its payee: the dealer has EUR, the payee SGD.
async fn paid(world: &World, number: &str) -> anyhow::Result<Settled> {
    let settled = world.settled(number, PAID).await?;
    credited(world, settled.terms.payment, "ACCC").await?;
    Ok(settled)
}

/// The payee refunds what the payer asks back, in cents of EUR.
async fn refund(
    world: &World,
    original: PaymentId,
    (number, minor): (&str, u128),
    rate: RefundRate,
) -> anyhow::Result<PaymentOutcome> {
    let request = invoice(&world.players.payer, number, minor).await?;
    let payee = &world.players.payee;
    let agree = &mut |_: &wallet::Shown| Agreement::Yes;
    Ok(payee.refund(original, &request, rate, agree, WhenMissing::GoOn).await?)
}

fn settled(outcome: PaymentOutcome) -> Settled {
    match outcome {
        PaymentOutcome::Settled(settled) => *settled,
        other => panic!("expected a settled payment, got {other:?}"),
    }
}

fn refused(outcome: PaymentOutcome) -> String {
    match outcome {
        PaymentOutcome::Refused(refused) => refused.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The decision of one bank replays under the very pack of this corridor and side.
async fn decided(
    world: &World,
    (edge, side, pack): (&str, Side, &str),
    payment: PaymentId,
    action: &str,
) -> anyhow::Result<()> {
    let record = world.record(edge, payment).await?;
    assert_eq!((record.corridor.as_str(), record.side), ("sg-nl", side));
    assert_eq!((record.outcome, record.action.as_str()), (DecisionOutcome::Permit, action));
    let file = world.folder.path().join(format!("{edge}-{payment}.decision"));
    std::fs::write(&file, to_canonical(&record))?;
    let folder = world.stage.folder(edge).join("packs").join(pack);
    let replayed = wallet::replay(&file, &folder)?;
    assert_eq!(replayed.replay, policy::Replay::Match);
    Ok(())
}

const SINGAPORE: (&str, Side, &str) = ("bank-sg.1", Side::Debtor, "sg-nl");
const NETHERLANDS: (&str, Side, &str) = ("bank-nl.1", Side::Creditor, "nl-in");

#[test]
fn a_company_in_singapore_pays_one_in_the_netherlands() {
    play(async {
        let world = World::new("way-back").await?;
        paid(&world, "WB-0").await?;
        let (nl, sg) = (world.balance("brightwater").await?, world.balance("lim").await?);
        let request = invoice(&world.players.payer, "NL-1", 50_000).await?;
        let agree = &mut |_: &wallet::Shown| Agreement::Yes;
        let outcome = world.players.payee.pay(&request, agree, WhenMissing::Stop).await?;
        let settled = settled(outcome);
        let payment = settled.terms.payment;
        assert_eq!(settled.terms.corridor.as_str(), "sg-nl");
        balance_is(&world, "brightwater", nl.units() + 50_000).await?;
        balance_is(&world, "lim", sg.units() - settled.terms.debited.minor.units()).await?;
        for side in [SINGAPORE, NETHERLANDS] {
            decided(&world, side, payment, "pay").await?;
        }
        for reader in ["brightwater", "lim", "supervisor-sg"] {
            receipt_says(&world, reader, payment, "settled payment").await?;
        }
        mirrors_agree(&world);
        Ok(())
    });
}

#[test]
fn the_wallets_command_refunds_and_what_comes_back_is_never_more() {
    play(async {
        let world = World::new("refund").await?;
        let original = paid(&world, "RF-0").await?;
        let id = original.terms.payment;
        let (nl, sg) = (world.balance("brightwater").await?, world.balance("lim").await?);
        // The payer asks, the payee gives: both with the binary, as people do.
        let folder = |name: &str| world.stage.folder(name).to_str().unwrap().to_owned();
        let (payer, payee) = (folder("brightwater"), folder("lim"));
        let (good, made) = ask(&[
            "wallet",
            "invoice",
            "--number",
            "CN-1",
            "--amount",
            "300.00",
            "--purpose",
            "REFU",
            "--yes",
            "--wallet",
            &payer,
        ]);
        assert!(good, "{made}");
        let file = made["file"].as_str().unwrap();
        let (good, given) =
            ask(&["wallet", "refund", &id.to_string(), file, "--yes", "--wallet", &payee]);
        assert!(good && given["outcome"] == "settled", "{given}");
        let back: PaymentId = given["payment"].as_str().unwrap().parse()?;
        balance_is(&world, "brightwater", nl.units() + 30_000).await?;
        assert!(world.balance("lim").await? < sg);
        for side in [SINGAPORE, NETHERLANDS] {
            decided(&world, side, back, "refund").await?;
        }
        for reader in ["brightwater", "lim", "supervisor-nl"] {
            receipt_says(&world, reader, back, "refund").await?;
        }
        let receipt = given["receipt"].as_str().unwrap();
        let bytes = std::fs::read(Path::new(receipt))?;
        let report = wallet::verify::verify(&bytes, Some(&world.trust()));
        let words = wallet::CommandResult::text(&report);
        assert!(words.contains(&id.to_string()), "the receipt names the original: {words}");
        // The same request once more is the same debt: it was paid.
        let (good, _) =
            ask(&["wallet", "refund", &id.to_string(), file, "--yes", "--wallet", &payee]);
        assert!(!good);
        // A refund is final: there is none of it.
        let request = invoice(&world.players.payee, "CN-2", 1_000).await?;
        let agree = &mut |_: &wallet::Shown| Agreement::Yes;
        let payer = &world.players.payer;
        let outcome =
            payer.refund(back, &request, RefundRate::Today, agree, WhenMissing::GoOn).await?;
        assert_eq!(refused(outcome), "RefundOfRefund");
        // Of two at once that fit each and not both, one settles. 300.00 of some 1,359.00 are gone.
        let (first, second) = tokio::join!(
            refund(&world, id, ("CN-3", 70_000), RefundRate::Today),
            refund(&world, id, ("CN-4", 70_000), RefundRate::Today),
        );
        let outcomes = [first?, second?];
        let count = |outcomes: &[PaymentOutcome], settled: bool| {
            let is = |one: &&PaymentOutcome| matches!(one, PaymentOutcome::Settled(_)) == settled;
            outcomes.iter().filter(is).count()
        };
        assert_eq!((count(&outcomes, true), count(&outcomes, false)), (1, 1), "{outcomes:?}");
        let not = outcomes.into_iter().find(|one| !matches!(one, PaymentOutcome::Settled(_)));
        assert_eq!(refused(not.unwrap()), "ReturnExceedsOriginal");
        balance_is(&world, "brightwater", nl.units() + 100_000).await?;
        mirrors_agree(&world);
        Ok(())
    });
}

#[test]
fn a_refund_at_the_old_rate_needs_the_providers_signature_at_it() {
    play(async {
        let world = World::new("refund-rate").await?;
        let original = paid(&world, "RR-0").await?.terms.payment;
        // The market moves: a EUR costs more SGD than when it was paid.
        let path = world.stage.folder("fx-dealer").join("rates.json");
        let rates = std::fs::read_to_string(&path)?.replace("147184", "160000");
        std::fs::write(&path, rates)?;
        let debited = |settled: &Settled| settled.terms.debited.minor.units();
        let back = refund(&world, original, ("RR-1", 10_000), RefundRate::Original).await?;
        // 100.00 EUR at 1.47184, and 0.30 % for the dealer.
        assert_eq!(debited(&settled(back)), 14_719 + 45);
        let back = refund(&world, original, ("RR-2", 10_000), RefundRate::Today).await?;
        assert_eq!(debited(&settled(back)), 16_000 + 48);
        // More than was exchanged then comes back at no old rate.
        let more = refund(&world, original, ("RR-3", 140_000), RefundRate::Original).await;
        let words = format!("{:#}", more.unwrap_err());
        assert!(words.contains("come back at most"), "{words}");
        Ok(())
    });
}

#[test]
fn no_refund_without_the_payees_mandate_nor_into_the_hands_of_a_blocked_payer() {
    play(async {
        let world = World::with_books("refund-not", OwnBooks::Nobody).await?;
        let original = paid(&world, "RN-0").await?.terms.payment;
        let sg = world.balance("lim").await?;
        // The payer's account is blocked by law: what is refunded is blocked with it.
        let order = BlockOrder {
            layout: 1,
            environment: "sandbox".parse()?,
            institution: "bank-nl".parse()?,
            block: TransactionId::from_bytes([0x67; 16]),
            account: world.stage.account("brightwater")?,
            owner: FIRMS[0].company.parse()?,
            extent: BlockExtent::AllAndComing,
            legal_basis: "Sanctiewet 1977, article 2".into(),
            authority: "Ministerie van Financiën".into(),
            ordered_at: server::system::now(),
        };
        let signed = Signed::sign(&order, &world.stage.key("bank-nl.1", "permit")?);
        post(&world, "bank-nl.1", "/v1/blocks", &signed).await.unwrap();
        let outcome = refund(&world, original, ("RN-1", 10_000), RefundRate::Today).await?;
        settled(outcome);
        assert_eq!(world.balance("brightwater").await?, Minor::ZERO, "it came in, and is blocked");
        // A mandate that the register revoked orders nothing.
        let calls = Calls::new(&world.stage);
        let lim = FIRMS.iter().find(|firm| firm.key == "lim").unwrap();
        let mandate = receive(&world.stage, &calls, lim, "mandate", "register-sg").await?;
        revoke(&calls, "register-sg", mandate).await?;
        // The bank takes a list as its issuer says how long it holds: two seconds here.
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let before = world.balance("lim").await?;
        let outcome = refund(&world, original, ("RN-2", 10_000), RefundRate::Today).await?;
        assert_eq!(refused(outcome), "StatusRevoked");
        // Without any mandate there is nothing to sign with, and nobody is asked.
        world.players.payee.folder().forget_credentials(credential::MANDATE)?;
        assert!(refund(&world, original, ("RN-3", 10_000), RefundRate::Today).await.is_err());
        assert_eq!(world.balance("lim").await?, before);
        assert!(before < sg);
        Ok(())
    });
}
