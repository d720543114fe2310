//! Payments out, decided by the payer's edge: the wallet orders, the edge decides by the pack of a
//! corridor with one side, its outbox delivers, a rail carries. Over the real processes.

use std::time::Duration;

use admission::record_commitment;
use record::{DecisionOutcome, Ending, NEUTRAL_CODE, OutgoingPayment, Signed};
use seal::{DataKey, to_canonical};
use serde_json::{Value, json};
use terms::PaymentId;
use wallet::{Agreement, OutDraft, OutOutcome, Wallet, WhenMissing};

use super::after::{ask, receipt_says};
use super::rails::{executed, simulator, with_simulator};
use super::stage::{World, play, until};

/// What arrives outside, and what the bank takes, in cents.
const SENT: u128 = 2_500;
const FEE: u128 = 250;

fn pay_out(world: &World, changes: &[(&str, &str)]) -> (bool, Value) {
    let wallet = world.stage.folder("brightwater");
    let mut words: Vec<(&str, &str)> = vec![
        ("--to-account", "CH93 0076 2011 6238 5295 7"),
        ("--bic", "POFICHBEXXX"),
        ("--name", "Werkhof AG"),
        ("--street", "Hafenweg"),
        ("--post-code", "4057"),
        ("--town", "Basel"),
        ("--country", "CH"),
        ("--amount", "25.00"),
        ("--purpose", "SUPP"),
        ("--reference", "INV-2026-7"),
        ("--wallet", wallet.to_str().unwrap()),
    ];
    for (name, value) in changes {
        words.retain(|(known, _)| known != name);
        words.push((name, value));
    }
    let mut all = vec!["wallet", "pay-out", "--yes", "--try-anyway"];
    all.extend(words.iter().flat_map(|(name, value)| [*name, *value]));
    ask(&all)
}

/// The payment's data key, from the edge's own file: length, check, then `[payment, key]`.
fn data_key(world: &World, payment: PaymentId) -> anyhow::Result<DataKey> {
    let bytes = std::fs::read(world.stage.folder("bank-nl.1").join("data-keys"))?;
    let mut rest = bytes.as_slice();
    while rest.len() > 12 {
        let length = usize::try_from(u32::from_be_bytes(rest[..4].try_into()?))?;
        let record = &rest[12..12 + length];
        let (of, key): (PaymentId, minicbor::bytes::ByteArray<32>) = minicbor::decode(record)?;
        if of == payment {
            return Ok(DataKey::from_bytes(*key));
        }
        rest = &rest[12 + length..];
    }
    anyhow::bail!("no data key of {payment}")
}

/// The order that the edge signed names the very record that its operator reads, and the terms that
/// the payer signed; the record replays under the pack.
async fn linked(world: &World, payment: PaymentId) -> anyhow::Result<()> {
    let payer = &world.players.payer;
    let order: Signed<OutgoingPayment> =
        payer.folder().kept(payment, wallet::Kept::OutgoingOrder)?.unwrap();
    let order = order.read_unverified()?;
    let record = world.record("bank-nl.1", payment).await?;
    assert_eq!((record.outcome, record.corridor.as_str()), (DecisionOutcome::Permit, "nl-ch"));
    assert_eq!(order.record, record_commitment(&data_key(world, payment)?, &record));
    assert_eq!(order.terms, Some(record.terms));
    let file = world.folder.path().join(format!("{payment}.decision"));
    std::fs::write(&file, to_canonical(&record))?;
    let pack = world.stage.folder("bank-nl.1").join("packs/nl-ch");
    let (good, said) = ask(&["replay", file.to_str().unwrap(), "--pack", pack.to_str().unwrap()]);
    assert!(good, "{said}");
    Ok(())
}

#[test]
fn an_edge_decides_a_payment_out_and_the_wallet_gets_its_receipt() {
    play(async {
        let world =
            World::changed("pay-out", |stage| with_simulator(stage, &json!({}), 120_000)).await?;
        let _rail = simulator(&world.stage).await?;
        let before = world.balance("brightwater").await?.units();
        let (good, said) = pay_out(&world, &[]);
        assert!(good && said["outcome"] == "left", "{said}");
        let payment: PaymentId = said["payment"].as_str().unwrap().parse()?;
        until("the payer is debited", || async {
            let now = world.balance("brightwater").await?.units();
            Ok((now == before - SENT - FEE).then_some(()))
        })
        .await?;
        linked(&world, payment).await?;
        for reader in ["brightwater", "supervisor-nl"] {
            receipt_says(&world, reader, payment, "payment out").await?;
        }
        let at_rail = executed(&world.stage)?;
        assert_eq!(at_rail[&seal::text::to_hex(&payment.bytes())].1, 1, "it left once");
        // What must not leave: for the clerk, for the law, and on a corridor with two sides.
        let refused: [(&[(&str, &str)], &str); 3] = [
            (&[("--amount", "70000.00")], "mandate-limit-exceeded"),
            (&[("--name", "Blacktide Shipping")], NEUTRAL_CODE),
            (&[("--purpose", "GAMB")], "purpose-not-allowed"),
        ];
        for (changes, code) in refused {
            let (good, said) = pay_out(&world, changes);
            assert!(!good && said["code"] == code, "{changes:?}: {said}");
            let id: PaymentId = said["payment"].as_str().unwrap().parse()?;
            receipt_says(&world, "brightwater", id, "refused payment").await?;
        }
        let wrong: [(&[(&str, &str)], &str); 4] = [
            (&[("--to-account", "CH9300762011623852958")], "account"),
            (&[("--corridor", "nl-sg")], "stands for the payee"),
            (&[("--country", "DE"), ("--corridor", "nl-ch")], "country"),
            (&[("--country", "DE")], "does not decide"),
        ];
        for (changes, words) in wrong {
            let (good, said) = pay_out(&world, changes);
            assert!(!good && said.to_string().contains(words), "{changes:?}: {said}");
        }
        assert_eq!(executed(&world.stage)?.len(), 1);
        assert_eq!(world.balance("brightwater").await?.units(), before - SENT - FEE);
        Ok(())
    });
}

#[test]
fn an_order_that_was_decided_is_delivered_once_whoever_dies() {
    play(async {
        let mut world =
            World::changed("pay-out-kill", |stage| with_simulator(stage, &json!({}), 120_000))
                .await?;
        let _rail = simulator(&world.stage).await?;
        let before = world.balance("brightwater").await?.units();
        let payer = Wallet::open(&world.stage.folder("brightwater"))?;
        let draft = OutDraft {
            corridor: "nl-ch".parse()?,
            amount: terms::Amount::new(terms::Minor::new(SENT), payer.config().asset),
            to: record::OutsideParty {
                name: "Werkhof AG".into(),
                account: "CH9300762011623852957".into(),
                bic: "POFICHBEXXX".into(),
            },
            address: record::OutsideAddress {
                street: String::new(),
                building: String::new(),
                post_code: "4057".into(),
                town: "Basel".into(),
                country: "CH".into(),
            },
            end_to_end_id: "INV-8".into(),
            purpose: "SUPP".into(),
            patience: Duration::from_millis(300),
        };
        // The core dies while the payer reads: the edge decides all the same, and keeps the order.
        let core = world.process("core");
        let agree = &mut |_: &wallet::Shown| {
            core.kill().unwrap();
            Agreement::Yes
        };
        let outcome = payer.pay_out(&draft, agree, WhenMissing::GoOn).await?;
        let OutOutcome::UnderWay { payment, .. } = outcome else { panic!("{outcome:?}") };
        // Then the edge dies, with the order in its outbox.
        world.process("bank-nl.1").kill()?;
        for name in ["core", "bank-nl.1"] {
            world.process(name).start_again()?;
            world.process(name).ready().await?;
        }
        let ending = until("the payment has an end", || async {
            let status = payer.ask(payment).await.ok();
            Ok(status.and_then(|status| status.ending).map(|ended| ended.ending))
        })
        .await?;
        assert_eq!(ending, Ending::Settled);
        linked(&world, payment).await?;
        receipt_says(&world, "brightwater", payment, "payment out").await?;
        until("the payer is debited", || async {
            let now = world.balance("brightwater").await?.units();
            Ok((now == before - SENT - FEE).then_some(()))
        })
        .await?;
        let at_rail = executed(&world.stage)?;
        assert_eq!(at_rail.values().map(|(_, times)| *times).collect::<Vec<_>>(), [1]);
        Ok(())
    });
}
