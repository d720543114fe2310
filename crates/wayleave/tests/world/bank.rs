//! Banks that keep their own book: each payment ends once whoever dies, a bank believes its own
//! permits and the log's word only, and the books agree or a break says so.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use api::bank::{
    AllDuties, BankAnswer, BankStep, CreditProof, FreezeAct, MirrorRow, Mirrors, Refuses, Verdict,
};
use api::messages::{AccountView, Held};
use client::{Outcome, Outgoing};
use record::{
    Commitment, Durability, Ending, PaymentTerms, Promise, SandboxLine, SandboxStatement,
    SettleOrder, Signed,
};
use seal::{Digest, SigningKey, sha256, to_canonical};
use server::system;
use terms::{Amount, Minor, PaymentId, Position, TransactionId};
use tokio::task::JoinSet;
use wallet::{OrderSent, Wallet};
use wayleave::demo::acts::permitted;
use wayleave::demo::setup::{ORIGIN, OwnBooks};

use super::stage::{BINARY, World, play, until};

/// Rounds of killing, each of one process or of two.
const ROUNDS: usize = 12;
/// Orders of a round: the provider keeps 64 open quotes of one client, for a minute.
const IN_FLIGHT: usize = 5;

async fn order(world: &World, number: &str) -> anyhow::Result<(SettleOrder, PaymentTerms)> {
    let request = world.invoice(number, 1_000).await?;
    let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
    let order = world.players.payer.order(&ready.hand, &ready.permits)?;
    let terms = PaymentTerms::from_terms_string(&order.terms)?;
    Ok((order, terms))
}

fn send_all(world: &World, orders: &[SettleOrder]) -> anyhow::Result<JoinSet<Option<Fate>>> {
    let mut sending = JoinSet::new();
    for order in orders {
        let (wallet, order) = (Wallet::open(&world.stage.folder("brightwater"))?, order.clone());
        sending.spawn(async move {
            let payment = PaymentTerms::from_terms_string(&order.terms).unwrap().payment;
            match wallet.send_order(&order).await {
                Ok(OrderSent::Answered(promise)) => Some((payment, promise.promise.outcome)),
                _ => None,
            }
        });
    }
    Ok(sending)
}

type Fate = (PaymentId, Ending);

pub(crate) fn some_moment(most_ms: u64) -> Duration {
    let bytes: [u8; 2] = system::random().unwrap();
    Duration::from_micros(u64::from(u16::from_be_bytes(bytes)) * most_ms / 65)
}

pub(crate) async fn mirrors(world: &World) -> anyhow::Result<Mirrors> {
    match world.send("operator", "core", Outgoing::get("/v1/mirrors")).await {
        Outcome::Answer(answer) => Ok(serde_json::from_slice(&answer.body)?),
        other => anyhow::bail!("no mirrors: {other:?}"),
    }
}

fn done(row: &MirrorRow) -> bool {
    row.items.is_empty() && row.open_holds == 0
}

/// All payments are complete in all books and every mirror agrees.
pub(crate) async fn all_agree(world: &World) -> anyhow::Result<()> {
    until("every mirror agrees with nothing in transit", || async {
        let mirrors = mirrors(world).await?;
        let good = |row: &MirrorRow| row.verdict == Verdict::Agree && done(row);
        let all = mirrors.not_asked.is_empty() && mirrors.rows.iter().all(good);
        Ok(all.then_some(()))
    })
    .await
}

/// Kills, starts again after a moment, and says what was heard of the orders meanwhile.
async fn killed(
    world: &mut World,
    victims: &[&str],
    mut sending: JoinSet<Option<Fate>>,
) -> anyhow::Result<BTreeMap<PaymentId, Ending>> {
    for victim in victims {
        world.process(victim).kill()?;
    }
    tokio::time::sleep(some_moment(300)).await;
    for victim in victims.iter().rev() {
        world.process(victim).start_again()?;
    }
    for victim in victims {
        world.process(victim).ready().await?;
    }
    let mut heard = BTreeMap::new();
    while let Some(fate) = sending.join_next().await {
        heard.extend(fate?);
    }
    Ok(heard)
}

/// How an order ends when it is sent until it is answered.
async fn ended(world: &World, order: &SettleOrder) -> anyhow::Result<Ending> {
    until("the order has an end", || async {
        match world.players.payer.send_order(order).await {
            Ok(OrderSent::Answered(promise)) => Ok(Some(promise.promise.outcome)),
            _ => Ok(None),
        }
    })
    .await
}

#[test]
fn two_banks_and_the_core_are_killed_under_load_and_each_payment_ends_once() {
    play(async {
        let mut world = World::with_books("banks-killed", OwnBooks::Both).await?;
        let before = (world.balance("brightwater").await?, world.balance("lim").await?);
        let mut sums = (0, 0);
        let mut kills = BTreeMap::new();
        for round in 0..ROUNDS {
            let mut orders = Vec::new();
            for number in 0..IN_FLIGHT {
                orders.push(order(&world, &format!("BK-{round}-{number}")).await?.0);
            }
            // Each alone, then two at once.
            let victims: &[&str] = [
                &["bank-b"][..],
                &["bank-a"],
                &["core"],
                &["bank-a", "core"],
                &["bank-b", "core"],
                &["bank-a", "bank-b"],
            ][round % 6];
            let sending = send_all(&world, &orders)?;
            let moment = some_moment(60);
            tokio::time::sleep(moment).await;
            let heard = killed(&mut world, victims, sending).await?;
            victims.iter().for_each(|victim| *kills.entry(*victim).or_insert(0) += 1);
            let mut counted = [0; 2];
            for order in &orders {
                let terms = PaymentTerms::from_terms_string(&order.terms)?;
                let said = ended(&world, order).await?;
                if let Some(first) = heard.get(&terms.payment) {
                    assert_eq!(first, &said, "what was acknowledged stays");
                }
                match said {
                    Ending::Settled => {
                        sums.0 += terms.debited.minor.units();
                        sums.1 += terms.credited.minor.units();
                        counted[0] += 1;
                    }
                    Ending::Refused(code) => {
                        let old = ["OrderInterrupted", "PermitExpired", "QuoteExpired"];
                        assert!(old.contains(&code.as_str()), "{code}");
                        counted[1] += 1;
                    }
                }
            }
            println!(
                "round {round}: {victims:?} killed after {moment:?}: {} acknowledged, {} settled, \
                 {} refused",
                heard.len(),
                counted[0],
                counted[1]
            );
        }
        all_agree(&world).await?;
        let left = before.0.units() - world.balance("brightwater").await?.units();
        let came = world.balance("lim").await?.units() - before.1.units();
        assert_eq!((left, came), sums, "debited and credited once each");
        println!("kills: {kills:?}");
        assert!(kills.values().sum::<usize>() >= 12);
        for process in ["core", "bank-a", "bank-b"] {
            world.process(process).stop();
            let output =
                Command::new(BINARY).arg("fsck").arg(world.stage.folder(process)).output()?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(())
    });
}

async fn readiness(world: &World) -> String {
    match world.send_unsigned("core", Outgoing::get("/ready")).await {
        Outcome::Answer(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_core_serves_without_the_payees_bank_says_so_and_credits_when_it_is_back() {
    play(async {
        let mut world = World::new("bank-away").await?;
        let before = world.balance("lim").await?.units();
        let (order_1, _) = order(&world, "BA-1").await?;
        let request = world.invoice("BA-2", 1_000).await?;
        world.process("bank-b").kill()?;
        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        let words = readiness(&world).await;
        assert!(words.contains("waiting for bank bank-sg"), "{words}");
        // The bank accepted before it went away: the payment settles, and the credit waits.
        let OrderSent::Answered(promise) = world.players.payer.send_order(&order_1).await? else {
            anyhow::bail!("no answer");
        };
        assert_eq!(promise.promise.outcome, Ending::Settled);
        let away = mirrors(&world).await?;
        assert_eq!(away.not_asked.len(), 1, "{away:?}");
        // Nobody accepts for it now: its edge asks the book itself before it accepts.
        assert!(world.prepared(&request).await.is_err(), "accepted without asking the book");
        world.process("bank-b").start_again()?;
        world.process("bank-b").ready().await?;
        all_agree(&world).await?;
        assert_eq!(world.balance("lim").await?.units(), before + 1_000, "credited once");
        let words = readiness(&world).await;
        assert!(!words.contains("waiting"), "{words}");
        Ok(())
    });
}

async fn step(world: &World, caller: &str, bank: &str, step: &BankStep) -> Result<BankAnswer, u16> {
    let request = Outgoing::post("/v1/steps", api::wire::CBOR, to_canonical(step));
    match world.send(caller, bank, request).await {
        Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body).unwrap()),
        Outcome::Refused(problem) => Err(problem.status),
        other => panic!("{bank} gave no answer: {other:?}"),
    }
}

fn rule_of(answer: Result<BankAnswer, u16>) -> String {
    match answer {
        Ok(BankAnswer::Refused { rule, .. }) => rule,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub(crate) fn promise(payment: PaymentId, terms: Digest, outcome: Ending) -> Promise {
    Promise {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        origin: ORIGIN.into(),
        position: Position::new(40),
        commitment: Commitment(Digest::ZERO),
        payment,
        terms,
        outcome,
        durability: Durability::OneDisk,
        settled_at: system::now(),
        integrate_by: system::now(),
    }
}

#[test]
fn a_bank_believes_its_own_permits_and_the_logs_word_only_whatever_the_core_says() {
    play(async {
        let world = World::with_books("banks-believe", OwnBooks::Both).await?;
        let before = (world.balance("brightwater").await?, world.balance("lim").await?);
        let (good, terms) = order(&world, "BB-1").await?;
        let (other, other_terms) = order(&world, "BB-2").await?;
        let (log, stranger) = (world.stage.key("core", "log")?, SigningKey::from_seed(&[5; 32]));
        let hold = |order: SettleOrder| BankStep::Hold(Box::new(order));

        // A hold without the bank's own permit, or with one for another payment.
        let permit = good.debtor_permit.read_unverified()?;
        let forged = Signed::sign(&permit, &stranger);
        let of_other = other.debtor_permit.clone();
        let wrong = [(forged, "SignerNotTrusted"), (of_other, "PermitDiffers")];
        for (debtor_permit, rule) in wrong {
            let order = SettleOrder { debtor_permit, ..good.clone() };
            assert_eq!(rule_of(step(&world, "core", "bank-a", &hold(order)).await), rule);
        }
        // Steps of anybody but the core.
        for caller in ["bank-nl.1", "operator", "brightwater", "bank-b"] {
            let answer = step(&world, caller, "bank-a", &hold(good.clone())).await;
            assert_eq!(answer, Err(403), "{caller}");
        }
        // A credit on a promise that the log did not sign, of another payment, of a refusal.
        let digest = sha256(good.terms.as_bytes());
        let settled = promise(terms.payment, digest, Ending::Settled);
        let refused = promise(terms.payment, digest, Ending::Refused("QuoteExpired".into()));
        let other_digest = sha256(other.terms.as_bytes());
        let of_other = promise(other_terms.payment, other_digest, Ending::Settled);
        let credit = |promise: Signed<Promise>| {
            let (terms, permit) = (good.terms.clone(), good.creditor_permit.clone());
            BankStep::Credit(Box::new(CreditProof { promise, terms, permit }))
        };
        for wrong in [
            Signed::sign(&settled, &stranger),
            Signed::sign(&refused, &log),
            Signed::sign(&of_other, &log),
        ] {
            let answer = step(&world, "core", "bank-b", &credit(wrong)).await;
            assert_eq!(rule_of(answer), "EndingNotProven");
        }
        // A hold is ended by nothing less.
        let held = step(&world, "core", "bank-a", &hold(good.clone())).await;
        assert!(matches!(held, Ok(BankAnswer::Held(_))), "{held:?}");
        for wrong in [
            BankStep::Debit(Box::new(Signed::sign(&settled, &stranger))),
            BankStep::Debit(Box::new(Signed::sign(&refused, &log))),
            BankStep::Debit(Box::new(Signed::sign(&of_other, &log))),
            BankStep::Release(Box::new(Signed::sign(&settled, &log))),
            BankStep::Release(Box::new(Signed::sign(&refused, &stranger))),
        ] {
            let answer = step(&world, "core", "bank-a", &wrong).await;
            assert_eq!(rule_of(answer), "EndingNotProven", "{wrong:?}");
        }
        assert_eq!(world.balance("lim").await?, before.1, "nothing was credited");

        // The payment goes its way; what proves it may come as often as it likes.
        let OrderSent::Answered(said) = world.players.payer.send_order(&good).await? else {
            anyhow::bail!("no answer");
        };
        assert_eq!(said.promise.outcome, Ending::Settled);
        all_agree(&world).await?;
        let real = Signed::sign(&said.promise, &log);
        for again in [credit(real.clone()), BankStep::Debit(Box::new(real))] {
            let bank = if matches!(again, BankStep::Debit(_)) { "bank-a" } else { "bank-b" };
            assert_eq!(step(&world, "core", bank, &again).await, Ok(BankAnswer::Done));
        }
        let status = world.players.payer.ask(terms.payment).await?;
        assert_eq!(status.held, Held::Debited);
        assert_eq!(world.balance("lim").await?.units(), before.1.units() + 1_000);
        let left = before.0.units() - world.balance("brightwater").await?.units();
        assert_eq!(left, terms.debited.minor.units());
        all_agree(&world).await
    });
}

/// What the command prints, and its exit code.
fn wayleave(world: &World, words: &[&str], at: &str) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .args(words)
        .arg("--at")
        .arg(world.stage.folder(at))
        .arg("--as")
        .arg(world.stage.folder("operator"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

pub(crate) async fn freeze(world: &World, refuses: Refuses) -> anyhow::Result<()> {
    let account = world.stage.account("lim")?;
    let act = FreezeAct { layout: 1, account, refuses, reason: "an order of a court".into() };
    let request = Outgoing::post("/v1/freezes", api::wire::CBOR, to_canonical(&act));
    match world.send("operator", "bank-b", request).await {
        Outcome::Answer(_) => Ok(()),
        other => anyhow::bail!("not frozen: {other:?}"),
    }
}

#[test]
fn money_that_the_account_does_not_take_any_more_is_a_duty_to_return() {
    play(async {
        let world = World::new("duty").await?;
        let before = world.balance("lim").await?;
        let (accepted, terms) = order(&world, "DU-1").await?;
        let request = world.invoice("DU-2", 1_000).await?;
        assert_eq!(wayleave(&world, &["bank", "duties"], "bank-b").0, Some(0));
        freeze(&world, Refuses::Credits).await?;
        // What was accepted before settles, and what is asked for now is not accepted.
        let OrderSent::Answered(promise) = world.players.payer.send_order(&accepted).await? else {
            anyhow::bail!("no answer");
        };
        assert_eq!(promise.promise.outcome, Ending::Settled);
        let refused = world.prepared(&request).await.expect_err("the account takes no credit");
        assert!(!refused.to_string().is_empty());
        all_agree(&world).await?;
        assert_eq!(world.balance("lim").await?, before, "the account took nothing");
        // The bank's operator and the core see what is owed, with amount and since when.
        for at in ["bank-b", "core"] {
            let (code, text) = wayleave(&world, &["bank", "duties"], at);
            assert_eq!(code, Some(1), "{text}");
            assert!(text.contains("bank-sg owes 1 returns"), "{text}");
            assert!(text.contains(&terms.payment.to_string()), "{text}");
            assert!(text.contains("10.00 SGD"), "{text}");
        }
        // Over a restart, too, and a payment after the thaw owes nothing.
        let mut world = world;
        world.process("bank-b").kill()?;
        // The core tells what the other banks owe, and whom it could not ask.
        let Outcome::Answer(answer) =
            world.send("operator", "core", Outgoing::get("/v1/duties")).await
        else {
            anyhow::bail!("no duties while a bank is away");
        };
        let told: AllDuties = serde_json::from_slice(&answer.body)?;
        assert!(told.duties.iter().any(|of| of.institution == "bank-nl"), "{told:?}");
        let away: Vec<&str> = told.not_asked.iter().map(|one| one.participant.as_str()).collect();
        assert_eq!(away, ["bank-sg"], "{told:?}");
        world.process("bank-b").start_again()?;
        world.process("bank-b").ready().await?;
        freeze(&world, Refuses::Nothing).await?;
        world.settled("DU-3", 1_000).await?;
        all_agree(&world).await?;
        let Outcome::Answer(answer) =
            world.send("operator", "bank-b", Outgoing::get("/v1/duties")).await
        else {
            anyhow::bail!("no duties");
        };
        let duties = serde_json::from_slice::<AllDuties>(&answer.body)?.duties;
        assert_eq!((duties[0].open, duties[0].owed[0].minor.as_str()), (1, "1000"));
        assert_eq!(world.balance("lim").await?.units(), before.units() + 1_000);
        Ok(())
    });
}

#[test]
fn a_planted_difference_between_the_books_is_a_break_with_amount_and_age() {
    play(async {
        let world = World::new("break").await?;
        world.settled("MB-1", 10_000).await?;
        all_agree(&world).await?;
        let (code, text) = wayleave(&world, &["mirrors"], "core");
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("agree") && text.contains("bank-sg"), "{text}");
        // Money of 5.00 SGD that the bank believes in and the settlement book knows nothing of.
        let line = SandboxLine {
            reference: TransactionId::from_bytes([9; 16]),
            book: "bank-sg.customers".parse()?,
            account: world.stage.account("lim")?,
            amount: Amount::new(Minor::new(500), "SGD.2@mas-sandbox".parse()?),
        };
        let statement = SandboxStatement {
            layout: 1,
            environment: "sandbox".parse()?,
            number: "PLANTED".into(),
            lines: vec![line],
        };
        let signed = Signed::sign(&statement, &world.stage.key("operator", "statement")?);
        let body = to_canonical(&signed);
        let request = Outgoing::post("/v1/sandbox-statements", api::wire::CBOR, body);
        let booked = world.send("operator", "bank-b", request).await;
        assert!(matches!(booked, Outcome::Answer(_)), "{booked:?}");

        let first = mirrors(&world).await?;
        let of = |mirrors: &Mirrors| {
            let broken = mirrors.rows.iter().filter(|row| row.verdict != Verdict::Agree);
            broken.cloned().collect::<Vec<_>>()
        };
        let broken = of(&first);
        assert_eq!(broken.len(), 1, "{first:?}");
        assert_eq!(
            (broken[0].participant.as_str(), broken[0].asset.as_str()),
            ("bank-sg", "SGD.2@mas-sandbox")
        );
        let Verdict::Break { minor, says, .. } = &broken[0].verdict else { panic!("{broken:?}") };
        assert_eq!((minor.as_str(), says.as_str()), ("500", "more"));
        // Payments go on, and the break stays what it is and grows older.
        world.settled("MB-2", 10_000).await?;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let later = until("only the planted break is left", || async {
            let broken = of(&mirrors(&world).await?);
            Ok((broken.len() == 1 && done(&broken[0])).then_some(broken))
        })
        .await?;
        let Verdict::Break { minor, age_seconds, .. } = &later[0].verdict else {
            panic!("{later:?}")
        };
        assert_eq!(minor, "500");
        assert!(*age_seconds >= 1, "{later:?}");
        let (code, text) = wayleave(&world, &["mirrors"], "core");
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("BREAK") && text.contains("5.00 SGD more"), "{text}");
        Ok(())
    });
}

#[test]
fn a_stranger_reads_no_account_of_a_bank() {
    play(async {
        let world = World::new("bank-readers").await?;
        let target = format!("/v1/accounts/{}", world.stage.account("lim")?);
        let read = async |caller: &str| world.send(caller, "bank-b", Outgoing::get(&target)).await;
        for owner in ["lim", "bank-sg.1"] {
            let Outcome::Answer(answer) = read(owner).await else { panic!("{owner}") };
            let view: AccountView = seal::from_canonical(&answer.body)?;
            assert_eq!(view.profile.account, world.stage.account("lim")?);
        }
        for (stranger, status) in
            [("brightwater", 422), ("bank-nl.1", 403), ("core", 403), ("operator", 403)]
        {
            match read(stranger).await {
                Outcome::Refused(problem) => assert_eq!(problem.status, status, "{stranger}"),
                other => panic!("{stranger}: {other:?}"),
            }
        }
        Ok(())
    });
}
