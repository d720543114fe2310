//! The core dies, and what it said stays true; an older copy of it is not served.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::messages::Held;
use record::{Ending, PaymentTerms, SettleOrder};
use terms::{Minor, PaymentId};
use tokio::task::JoinSet;
use wallet::{OrderSent, Wallet};
use wayleave::demo::acts::permitted;

use super::stage::{BINARY, World, play, until};

/// Rounds of killing, and orders in flight in each.
const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 12;

async fn orders(world: &World, round: usize) -> anyhow::Result<Vec<SettleOrder>> {
    let mut orders = Vec::new();
    for number in 0..IN_FLIGHT {
        let request = world.invoice(&format!("CR-{round}-{number}"), 1_000).await?;
        let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
        orders.push(world.players.payer.order(&ready.hand, &ready.permits)?);
    }
    Ok(orders)
}

/// Sends all at once, kills the core after a while, and says what was acknowledged.
async fn under_fire(
    world: &mut World,
    orders: &[SettleOrder],
    after: Duration,
) -> anyhow::Result<BTreeMap<PaymentId, Option<Ending>>> {
    let mut sending = JoinSet::new();
    for order in orders {
        let (wallet, order) = (Wallet::open(&world.stage.folder("brightwater"))?, order.clone());
        sending.spawn(async move {
            let payment = PaymentTerms::from_terms_string(&order.terms).unwrap().payment;
            let acknowledged = match wallet.send_order(&order).await {
                Ok(OrderSent::Answered(promise)) => Some(promise.promise.outcome),
                _ => None,
            };
            (payment, acknowledged)
        });
    }
    tokio::time::sleep(after).await;
    world.process("core").kill()?;
    let mut heard = BTreeMap::new();
    while let Some(one) = sending.join_next().await {
        let (payment, acknowledged) = one?;
        heard.insert(payment, acknowledged);
    }
    Ok(heard)
}

/// A moment within the time that the load takes: different in every run, and printed.
fn some_moment() -> anyhow::Result<Duration> {
    let bytes: [u8; 2] = server::system::random().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(Duration::from_micros(u64::from(u16::from_be_bytes(bytes))))
}

fn fsck(folder: &Path) -> (bool, String) {
    let output = Command::new(BINARY).arg("fsck").arg(folder).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_core_killed_under_load_five_times_keeps_what_it_acknowledged_and_ends_everything_else_once() {
    play(async {
        let mut world = World::new("killed").await?;
        let before = (world.balance("brightwater").await?, world.balance("lim").await?);
        let mut settled: BTreeMap<PaymentId, (Minor, Minor)> = BTreeMap::new();
        let mut given_back = Vec::new();
        for round in 0..ROUNDS {
            let orders = orders(&world, round).await?;
            let moment = some_moment()?;
            let heard = under_fire(&mut world, &orders, moment).await?;
            world.process("core").start_again()?;
            world.process("core").ready().await?;
            let mut counted = [0; 3];
            for order in &orders {
                let terms = PaymentTerms::from_terms_string(&order.terms)?;
                let status = world.players.payer.ask(terms.payment).await?;
                let ending = status.ending.map(|end| end.ending);
                let acknowledged = &heard[&terms.payment];
                if acknowledged.is_some() {
                    assert_eq!(ending, *acknowledged, "acknowledged, and there");
                    counted[0] += 1;
                } else {
                    counted[1 + usize::from(ending.is_none())] += 1;
                }
                // One end, and the service goes on: the same order ends, or gets its end again.
                let OrderSent::Answered(promise) = world.players.payer.send_order(order).await?
                else {
                    anyhow::bail!("the core does not answer");
                };
                let outcome = promise.promise.outcome.clone();
                assert!(ending.is_none_or(|ending| ending == outcome), "{outcome}");
                let released = match outcome {
                    Ending::Settled => false,
                    Ending::Refused(code) => {
                        // Held, and not settled when the core died: given back, and said so.
                        assert_eq!(code, "OrderInterrupted");
                        true
                    }
                };
                if released {
                    given_back.push(terms.payment);
                } else {
                    settled.insert(terms.payment, (terms.debited.minor, terms.credited.minor));
                }
            }
            println!(
                "round {round}: killed after {moment:?}: {} acknowledged and there, {} ended \
                 unheard, {} never happened",
                counted[0], counted[1], counted[2]
            );
        }
        let ends = settled.keys().map(|payment| (*payment, Held::Debited));
        for (payment, held) in ends.chain(given_back.iter().map(|one| (*one, Held::Released))) {
            until("the debtor's book is done", || async {
                Ok((world.players.payer.ask(payment).await?.held == held).then_some(()))
            })
            .await?;
        }
        let sum = |side: fn(&(Minor, Minor)) -> Minor| {
            settled.values().map(|pair| side(pair).units()).sum::<u128>()
        };
        until("the creditor's book is done", || async {
            let left = before.0.units() - world.balance("brightwater").await?.units();
            let came = world.balance("lim").await?.units() - before.1.units();
            Ok((left == sum(|pair| pair.0) && came == sum(|pair| pair.1)).then_some(()))
        })
        .await?;
        world.process("core").stop();
        let (sound, text) = fsck(&world.stage.folder("core"));
        assert!(sound, "{text}");
        println!("{text}");
        Ok(())
    });
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

#[test]
fn yesterdays_copy_of_the_core_is_not_served_and_the_missing_positions_are_named() {
    play(async {
        let mut world = World::new("yesterday").await?;
        let core = world.stage.folder("core");
        let yesterday = world.folder.path().join("yesterday");
        world.settled("YD-1", 10_000).await?;
        world.process("core").stop();
        copy(&core, &yesterday);
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        let today = world.settled("YD-2", 10_000).await?.promise.promise.position.number();
        world.process("core").stop();
        let aside = world.folder.path().join("today");
        copy(&core, &aside);
        copy(&yesterday, &core);
        world.process("core").start_again()?;
        let error = world.process("core").ready().await.expect_err("it must not serve");
        let words = format!("{error:#}");
        assert!(words.contains("JournalRolledBack"), "{words}");
        let missing = words.split("positions ").nth(1).unwrap_or_default().to_owned();
        let numbers: Vec<u64> =
            missing.split(' ').filter_map(|word| word.parse().ok()).take(2).collect();
        assert!(matches!(numbers[..], [from, to] if from <= today && today <= to), "{words}");
        // The newest copy is served.
        copy(&aside, &core);
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        world.settled("YD-3", 10_000).await?;
        Ok(())
    });
}
