//! Acts of the operator's persons over the real processes: the kill switch, two keys, dates, a
//! killed core, hostile requests, and the alerts.

use std::process::{Command, Output};

use client::{Outcome, Outgoing};
use record::{
    Act, ActDecision, ActKind, ActVerdict, Document, Ending, PaymentTerms, SettleOrder, Signed,
    Subject,
};
use seal::Digest;
use serde_json::Value;
use server::system::now;
use terms::{ActId, Instant};
use wallet::OrderSent;
use wayleave::demo::acts::permitted;

use super::stage::{BINARY, World, play, until};

const PAID: u128 = 10_000;
/// Between two orders of a window: the dealer leaves 64 quotes open to one firm, a minute each.
const PACE: std::time::Duration = std::time::Duration::from_millis(300);

/// The binary as a person of the operator runs it.
fn run(world: &World, words: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("operator").args(words).env("WAYLEAVE_OPERATOR", world.stage.folder("operator"));
    command.current_dir(world.folder.path()).output().unwrap()
}

/// The exit code and the JSON answer of `operator act`.
fn act(world: &World, words: &[&str]) -> (Option<i32>, Value) {
    let output = run(world, &[&["act"], words, &["--json"]].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let line = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (output.status.code(), line.unwrap_or_else(|| panic!("{words:?}: {output:?}")))
}

pub(super) fn propose(world: &World, who: &str, words: &[&str]) -> (Option<i32>, Value) {
    act(world, &[&["propose"], words, &["--reason", "a drill", "--as", who]].concat())
}

pub(super) fn decide(world: &World, who: &str, word: &str, id: &str) -> (Option<i32>, Value) {
    act(world, &[word, id, "--reason", "looked at it", "--as", who])
}

async fn order(world: &World, number: &str) -> anyhow::Result<SettleOrder> {
    let payer = &world.players.payer;
    let request = world.invoice(number, PAID).await?;
    let ready = permitted(payer, &request, 60).await?.expect("permitted");
    Ok(payer.order(&ready.hand, &ready.permits)?)
}

async fn sent(world: &World, order: &SettleOrder) -> anyhow::Result<(Ending, Instant)> {
    let OrderSent::Answered(answer) = world.players.payer.send_order(order).await? else {
        anyhow::bail!("no answer");
    };
    let payment = PaymentTerms::from_terms_string(&order.terms)?.payment;
    let ended = world.players.payer.ask(payment).await?.ending.expect("it ended");
    assert_eq!(ended.ending, answer.promise.outcome);
    Ok((ended.ending, ended.recorded_at))
}

fn refused(rule: &str) -> Ending {
    Ending::Refused(rule.to_owned())
}

/// The gauges, as whoever scrapes them reads them: without any key.
async fn metrics(world: &World) -> anyhow::Result<String> {
    match world.send_unsigned("core", Outgoing::get("/metrics")).await {
        Outcome::Answer(answer) => Ok(String::from_utf8(answer.body.to_vec())?),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn gauge(world: &World, line: &str) -> anyhow::Result<()> {
    until(line, || async { Ok(metrics(world).await?.lines().any(|one| one == line).then_some(())) })
        .await
}

#[test]
fn a_suspended_corridor_takes_no_new_order_ends_what_is_in_flight_and_opens_by_two_keys() {
    play(async {
        let mut world = World::new("ops-switch").await?;
        let lim = world.balance("lim").await?;
        let payer = world.balance("brightwater").await?;
        let (in_flight, late) = (order(&world, "OP-1").await?, order(&world, "OP-2").await?);
        // Settled, and the payee's bank cannot credit it yet.
        world.process("bank-b").kill()?;
        assert_eq!(sent(&world, &in_flight).await?.0, Ending::Settled);
        let (code, told) = propose(&world, "ada", &["suspend", "corridor", "nl-sg"]);
        assert_eq!((code, &told["standing"]), (Some(0), &"decided".into()), "{told}");
        assert_eq!(sent(&world, &late).await?.0, refused("CorridorSuspended"));
        world.process("bank-b").start_again()?;
        world.process("bank-b").ready().await?;
        until("what was in flight is credited", || async {
            let came = world.balance("lim").await?.units() - lim.units();
            Ok((came == PAID).then_some(()))
        })
        .await?;
        let debited = PaymentTerms::from_terms_string(&in_flight.terms)?.debited.minor.units();
        until("what was refused is free again", || async {
            let left = payer.units() - world.balance("brightwater").await?.units();
            Ok((left == debited).then_some(()))
        })
        .await?;
        // One key lifts nothing, however often it signs, and over the death of the core.
        let (code, told) = propose(&world, "ada", &["resume", "corridor", "nl-sg"]);
        assert_eq!((code, &told["standing"]), (Some(0), &"open".into()), "{told}");
        let id = told["act"].as_str().unwrap().to_owned();
        gauge(&world, "wayleave_acts_waiting 1").await?;
        gauge(&world, "wayleave_stops 1").await?;
        let (code, told) = decide(&world, "ada", "approve", &id);
        let detail = told["detail"].as_str().unwrap_or_default();
        assert!(code == Some(1) && detail.starts_with("ActSamePerson"), "{told}");
        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        let (_, told) = act(&world, &["again", &id]);
        assert_eq!((&told["news"], &told["standing"]), (&"before".into(), &"open".into()));
        let still = order(&world, "OP-3").await?;
        assert_eq!(sent(&world, &still).await?.0, refused("CorridorSuspended"));
        let (code, told) = decide(&world, "ben", "approve", &id);
        assert_eq!((code, &told["standing"]), (Some(0), &"decided".into()), "{told}");
        assert_eq!((&told["maker"], &told["checker"]), (&"ada".into(), &"ben".into()));
        world.settled("OP-4", PAID).await?;
        assert_eq!(sent(&world, &late).await?.0, refused("CorridorSuspended"), "it has ended");
        gauge(&world, "wayleave_acts_waiting 0").await?;
        Ok(())
    });
}

/// Whether a payment that was recorded then must have been refused by this window.
fn within(at: Instant, told: &Value) -> bool {
    let at = at.to_string();
    let bound = |key: &str| told[key].as_str().unwrap().to_owned();
    bound("in_effect_from") <= at && at < bound("until")
}

#[test]
fn a_date_in_the_future_holds_to_the_writers_stamp_and_over_a_killed_core() {
    play(async {
        let mut world = World::new("ops-dates").await?;
        let (mut number, mut seen) = (0, [0_u32; 3]);
        // A busy machine may miss a window: then another one.
        while seen.contains(&0) {
            assert!(number < 100, "no window was met: {seen:?}");
            let asset = "SGD.2@mas-sandbox";
            let dates = ["--from", "+4s", "--until", "+8s"];
            let words = [&["suspend", "asset", asset][..], &dates].concat();
            let (code, told) = propose(&world, "ben", &words);
            assert_eq!(code, Some(0), "{told}");
            if number == 0 {
                world.process("core").kill()?;
                world.process("core").start_again()?;
                world.process("core").ready().await?;
            }
            let mut after = false;
            while !after {
                number += 1;
                // A quote that came to nothing stays open for a while, and only so many may.
                tokio::time::sleep(PACE).await;
                let order = order(&world, &format!("OD-{number}")).await?;
                let (ending, at) = sent(&world, &order).await?;
                let stopped = within(at, &told);
                let expected = if stopped { refused("AssetSuspended") } else { Ending::Settled };
                assert_eq!(ending, expected, "recorded at {at}: {told}");
                after = at.to_string().as_str() >= told["until"].as_str().unwrap();
                seen[if stopped { 1 } else { usize::from(after) * 2 }] += 1;
            }
        }
        println!("before, within, after the windows: {seen:?}");
        Ok(())
    });
}

#[test]
fn accounts_freeze_marks_alert_and_limits_hold() {
    play(async {
        let world = World::new("ops-accounts").await?;
        let payer = world.stage.account("brightwater")?.to_string();
        let (first, second) = (order(&world, "OA-1").await?, order(&world, "OA-2").await?);
        let freeze = ["freeze", "bank-nl", "--account", &payer, "--stop", "debits"];
        let (code, told) = propose(&world, "ada", &freeze);
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(sent(&world, &first).await?.0, refused("AccountFrozen"), "at once");
        let (_, told) = propose(&world, "ben", &["thaw", "bank-nl", "--account", &payer]);
        let id = told["act"].as_str().unwrap().to_owned();
        assert_eq!(decide(&world, "ada", "approve", &id).0, Some(0));
        until("its own book is told", || async {
            let target = format!("/v1/accounts/{payer}");
            match world.send("brightwater", "core", Outgoing::get(&target)).await {
                Outcome::Answer(answer) => {
                    let view: api::messages::AccountView = seal::from_canonical(&answer.body)?;
                    Ok((view.debits == api::messages::Taken::Yes).then_some(()))
                }
                other => anyhow::bail!("{other:?}"),
            }
        })
        .await?;
        assert_eq!(sent(&world, &second).await?.0, Ending::Settled);
        // A mark far above what is there: an alert, and nothing is refused.
        gauge(&world, "wayleave_accounts_below_low_water 0").await?;
        let mark = ["low-water", "bank-nl", "EUR.2@tcb-sandbox", "900000000.00"];
        assert_eq!(propose(&world, "ada", &mark).1["standing"], "done");
        gauge(&world, "wayleave_accounts_below_low_water 1").await?;
        let output = run(&world, &["alerts", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(told["below_low_water"][0]["participant"], "bank-nl", "{told}");
        assert_eq!(output.status.code(), Some(1));
        world.settled("OA-3", PAID).await?;
        let lower = ["low-water", "bank-nl", "EUR.2@tcb-sandbox", "0"];
        let (_, told) = propose(&world, "ada", &lower);
        assert_eq!((&told["keys"], &told["standing"]), (&2.into(), &"open".into()));
        // A ceiling below the balance cannot take effect, and says so.
        let tight = ["limits", "bank-nl", "EUR.2@tcb-sandbox", "--ceiling", "0.01"];
        assert_eq!(propose(&world, "ada", &tight).1["standing"], "fell-through");
        let text = metrics(&world).await?;
        for name in [
            "suspense_items",
            "holds",
            "stuck_transfers",
            "overdue_duties",
            "overdue_drills",
            "open_breaks",
            "witness_quorum_age_seconds",
        ] {
            assert!(text.contains(&format!("# TYPE wayleave_{name} gauge\n")), "{name}\n{text}");
        }
        assert!(text.contains("wayleave_overdue_drills 1\n"), "core-kill was never run\n{text}");
        assert!(!text.contains("bank-nl"), "names are not for everybody\n{text}");
        let output = run(&world, &["suspense"]);
        assert!(String::from_utf8(output.stdout)?.contains("nothing is in suspense"));
        Ok(())
    });
}

async fn post<T: Document>(
    world: &World,
    caller: &str,
    target: &str,
    signed: &Signed<T>,
) -> (u16, String) {
    let request = Outgoing::post(target, api::wire::CBOR, signed.to_bytes());
    match world.send(caller, "core", request).await {
        Outcome::Refused(problem) => (problem.status, problem.detail.unwrap_or_default()),
        other => panic!("it was not refused: {other:?}"),
    }
}

/// Keys of another use, callers of another role, and bytes that are no act.
async fn strangers(world: &World, good: &Act) {
    let key = |name: &str| world.stage.key("operator", name).unwrap();
    for name in ["report", "statement", "approve-1", "request"] {
        let (status, why) =
            post(world, "operator", "/v1/acts", &Signed::sign(good, &key(name))).await;
        assert!(status == 422 && why.starts_with("ActSignerMayNot"), "{name}: {why}");
    }
    let signed = Signed::sign(good, &key("act-ada"));
    for caller in ["brightwater", "bank-nl.1", "supervisor-nl", "bank-b"] {
        assert_eq!(post(world, caller, "/v1/acts", &signed).await.0, 403, "{caller}");
    }
    let request = Outgoing::post("/v1/acts", api::wire::CBOR, signed.to_bytes());
    let unsigned = world.send_unsigned("core", request).await;
    assert!(matches!(unsigned, Outcome::Refused(problem) if problem.status == 401));
    for body in [vec![], vec![0xff; 64], signed.to_bytes()[1..].to_vec()] {
        let request = Outgoing::post("/v1/acts", api::wire::CBOR, body);
        let heard = world.send("operator", "core", request).await;
        assert!(matches!(&heard, Outcome::Refused(p) if p.status == 400), "{heard:?}");
    }
}

#[test]
fn hostile_acts_are_refused_by_name_and_change_nothing() {
    play(async {
        let world = World::new("ops-hostile").await?;
        let what = ActKind::Suspend(Subject::Participant("bank-nl".parse()?));
        let good = Act {
            layout: 1,
            environment: "sandbox".parse()?,
            book: "settlement".parse()?,
            id: ActId::from_bytes([1; 16]),
            what,
            reason: "hostile".into(),
            from: now(),
            until: None,
            decide_by: now().plus(std::time::Duration::from_secs(60)),
        };
        let key = |name: &str| world.stage.key("operator", name).unwrap();
        strangers(&world, &good).await;
        // What a person may get wrong at the desk.
        let lim = world.stage.account("lim")?.to_string();
        let wrong: [(&[&str], &str); 7] = [
            (&["suspend", "participant", "bank-ln"], "ActSubjectUnknown"),
            (&["suspend", "corridor", "nl-us"], "ActSubjectUnknown"),
            (&["suspend", "asset", "USD.2@x"], "ActSubjectUnknown"),
            (
                &["suspend", "participant", "bank-nl", "--until", "1970-01-02T00:00:00Z"],
                "ActDatesWrong",
            ),
            (
                &["suspend", "participant", "bank-nl", "--from", "2026-01-01T00:00:00Z"],
                "ActDatesWrong",
            ),
            (&["resume", "participant", "bank-nl"], "ActNothingToLift"),
            (&["freeze", "bank-sg", "--account", &lim], "the book of `bank-sg` is not hosted"),
        ];
        for (words, rule) in wrong {
            let (code, told) = propose(&world, "ada", words);
            let detail = told["detail"].as_str().unwrap_or_default();
            assert!(code == Some(1) && detail.starts_with(rule), "{words:?}: {told}");
        }
        // A decision under another act's address, over another wording, on what is not there.
        let decision = ActDecision {
            layout: 1,
            environment: "sandbox".parse()?,
            book: "settlement".parse()?,
            act: good.id,
            digest: Digest::ZERO,
            verdict: ActVerdict::Approved,
            reason: "hostile".into(),
        };
        let signed = Signed::sign(&decision, &key("act-ben"));
        let other = format!("/v1/acts/{}/decision", ActId::from_bytes([2; 16]));
        assert_eq!(post(&world, "operator", &other, &signed).await.0, 422);
        let own = format!("/v1/acts/{}/decision", good.id);
        let (_, why) = post(&world, "operator", &own, &signed).await;
        assert!(why.starts_with("ActNotOpen"), "{why}");
        let heard = world.send("operator", "core", Outgoing::get("/v1/acts")).await;
        let Outcome::Answer(answer) = heard else { panic!("{heard:?}") };
        let told: Value = serde_json::from_slice(&answer.body)?;
        assert_eq!(
            (&told["acts"], &told["stopped"]),
            (&Value::from(vec![0; 0]), &Value::from(vec![0; 0]))
        );
        world.settled("OH-1", PAID).await?;
        Ok(())
    });
}
