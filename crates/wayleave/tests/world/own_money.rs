//! Banks move money of their own: one withdraws over a rail, both are funded without a customer.
//! Their own books know nothing of it, and every mirror agrees, also after the core was killed.

use std::process::Command;

use api::bank::MirrorRow;
use serde_json::{Value, json};

use super::bank::{all_agree, mirrors};
use super::funding::{IBAN, notification, post};
use super::rails::{simulator, taken, until_phase, with_simulator};
use super::stage::{BINARY, World, play};

const EUR: &str = "EUR.2@tcb-sandbox";
const SGD: &str = "SGD.2@mas-sandbox";

async fn row(world: &World, participant: &str, asset: &str) -> anyhow::Result<MirrorRow> {
    let rows = mirrors(world).await?.rows;
    let row = rows.into_iter().find(|row| row.participant == participant && row.asset == asset);
    Ok(row.expect("a row"))
}

/// The own money of both banks, each in its asset, in cents.
async fn own(world: &World) -> anyhow::Result<[i128; 2]> {
    let (nl, sg) = (row(world, "bank-nl", EUR).await?, row(world, "bank-sg", SGD).await?);
    Ok([nl.own.parse()?, sg.own.parse()?])
}

async fn line(world: &World, asset: &str, text: String) -> Value {
    let text = if asset == SGD {
        let account = format!("<IBAN>{IBAN}</IBAN>");
        text.replace(&account, "<Othr><Id>0170042719</Id></Othr>")
            .replace("EUR", "SGD")
            .replace("TCBXNL2AXXX", "MASXSGSGXXX")
    } else {
        text
    };
    let told = post(world, "/v1/outside-statements", text.into_bytes()).await.expect("taken");
    told["lines"][0].clone()
}

fn wayleave(world: &World, words: &[&str]) -> (Option<i32>, String) {
    let (core, operator) = (world.stage.folder("core"), world.stage.folder("operator"));
    let mut command = Command::new(BINARY);
    command.args(words).env("WAYLEAVE_OPERATOR", &operator);
    if words.first() == Some(&"mirrors") {
        command.arg("--at").arg(core).arg("--as").arg(operator);
    }
    let output = command.current_dir(world.folder.path()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn banks_move_money_of_their_own_and_the_mirrors_agree_also_after_the_core_was_killed() {
    play(async {
        let mut world =
            World::changed("own-money", |stage| with_simulator(stage, &json!({}), 120_000)).await?;
        let _rail = simulator(&world.stage).await?;
        all_agree(&world).await?;
        assert_eq!(own(&world).await?, [0, 0], "customers' money only");
        // A withdrawal, and lines that name the banks alone.
        let paid = taken(&world, 12_345).await?;
        until_phase(&world, paid, &["confirmed"]).await?;
        let euros = notification("OWN-1", &[("OWN-1", "777.00", "CRDT", "BANK-NL")]);
        assert_eq!(line(&world, EUR, euros).await["outcome"], "credited");
        let dollars = notification("OWN-2", &[("OWN-2", "50.00", "CRDT", "BANK-SG")]);
        assert_eq!(line(&world, SGD, dollars).await["outcome"], "credited");
        all_agree(&world).await?;
        assert_eq!(own(&world).await?, [77_700 - 12_345, 5_000]);
        // Customers' money moves between them as before.
        world.settled("OWN-P1", 10_000).await?;
        all_agree(&world).await?;
        assert_eq!(own(&world).await?, [77_700 - 12_345, 5_000]);
        // Killed with a withdrawal under way: the state comes from image and journal again.
        let again = taken(&world, 100_000).await?;
        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        until_phase(&world, again, &["confirmed"]).await?;
        all_agree(&world).await?;
        assert_eq!(own(&world).await?, [77_700 - 112_345, 5_000]);
        // Suspense that a person releases, and a debit that the bank bears.
        let strange = notification("OWN-3", &[("OWN-3", "1.50", "CRDT", "what is this")]);
        let id = line(&world, EUR, strange).await["line"].as_str().unwrap().to_owned();
        let words = ["operator", "release", &id, "bank-nl", "--reason", "the payer wrote"];
        let (code, text) = wayleave(&world, &words);
        assert_eq!(code, Some(0), "{text}");
        let charge = notification("OWN-4", &[("OWN-4", "0.30", "DBIT", "a fee of the month")]);
        let id = line(&world, EUR, charge).await["line"].as_str().unwrap().to_owned();
        let words = ["operator", "charge", &id, "bank-nl", "--reason", "its account's fee"];
        let (code, text) = wayleave(&world, &words);
        assert_eq!(code, Some(0), "{text}");
        all_agree(&world).await?;
        let own_euros = 77_700 - 112_345 + 150 - 30;
        assert_eq!(own(&world).await?, [own_euros, 5_000]);
        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        world.settled("OWN-P2", 10_000).await?;
        all_agree(&world).await?;
        assert_eq!(own(&world).await?, [own_euros, 5_000]);
        let (code, text) = wayleave(&world, &["mirrors"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("own money: -345.25 EUR"), "{text}");
        assert!(text.contains("own money: 50.00 SGD"), "{text}");
        let (code, text) = wayleave(&world, &["mirrors", "--json"]);
        let rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = rows.iter().find(|row| row["participant"] == "bank-nl" && row["asset"] == EUR);
        assert_eq!((code, of.unwrap()["own"].as_str()), (Some(0), Some("-34525")), "{text}");
        Ok(())
    });
}
