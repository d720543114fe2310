//! What two persons sign, by the commands that they have: a correction, and a release of blocked
//! money. One alone moves nothing.

use std::process::Command;

use serde_json::Value;
use server::roles::core::own_account;
use terms::{AccountId, Minor};
use wayleave::demo::setup::OwnBooks;

use super::bank::{all_agree, mirrors};
use super::stage::{BINARY, World, play};

/// Exit code, the JSON line, and what was told beside it.
fn run(world: &World, words: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = Command::new(BINARY);
    command.args(words).arg("--json").current_dir(world.folder.path());
    let output = command.env("WAYLEAVE_OPERATOR", world.stage.folder("operator")).output().unwrap();
    let line = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), line, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn two_persons_correct_a_transaction_and_release_blocked_money_by_command() {
    play(async {
        let world = World::with_books("two-persons", OwnBooks::Nobody).await?;
        let settled = world.settled("TP-1", 10_000).await?;
        let asset = settled.terms.debited.asset;
        let account = |owner: &str, purpose| -> anyhow::Result<AccountId> {
            Ok(own_account("settlement".parse()?, owner.parse()?, asset, purpose).id)
        };
        let wrong = clearing::customers::transaction_of(settled.terms.payment, "settlement");
        let (wrong, asset_text) = (wrong.to_string(), asset.to_string());
        let fee = account("wayleave-operator", ledger::Purpose::Fee)?.to_string();
        let bank = account("bank-nl", ledger::Purpose::Settlement)?.to_string();
        let sign = ["operator", "correct", "sign", &wrong, "--debit", &fee, "--credit", &bank];
        let why = ["--reason", "the fee was taken twice", "--as", "1", "--out", "correction"];
        let amount = ["--amount", "0.07", "--asset", &asset_text];
        let words = [&sign[..], &amount, &why].concat();
        let (code, told, said) = run(&world, &words);
        assert_eq!((code, &told["outcome"]), (Some(0), &"signed by one".into()), "{said}");
        let (code, _, _) = run(&world, &words);
        assert_ne!(code, Some(0), "the file is there already");
        let send =
            |who: &str| run(&world, &["operator", "correct", "send", "correction", "--as", who]);
        let (code, _, said) = send("1");
        assert!(code != Some(0) && said.contains("another person"), "{said}");
        let (code, _, said) = send("3");
        assert!(code != Some(0) && said.contains("no key of `3`"), "{said}");
        for _ in 0..2 {
            let (code, told, said) = send("2");
            assert_eq!((code, &told["outcome"]), (Some(0), &"corrected".into()), "{said}");
            assert!(
                said.contains("the fee was taken twice") && said.contains("0.07 EUR"),
                "{said}"
            );
        }
        all_agree(&world).await?;
        let rows = mirrors(&world).await?.rows;
        let of = rows.iter().find(|row| row.participant == "bank-nl" && row.asset == asset_text);
        assert_eq!(of.map(|row| row.own.as_str()), Some("7"), "a correction is its own money");
        // Blocked money.
        let had = world.balance("brightwater").await?;
        let account = world.stage.account("brightwater")?.to_string();
        let owner = wayleave::demo::subjects::FIRMS[0].company;
        let edge = world.stage.folder("bank-nl.1").to_str().unwrap().to_owned();
        let law = ["--law", "Sanctiewet 1977, article 2", "--authority", "Ministerie", "--dir"];
        let words = [&["bank", "block", &account, "--owner", owner][..], &law, &[&edge]].concat();
        let (code, told, said) = run(&world, &words);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(world.balance("brightwater").await?, Minor::ZERO);
        let block = told["id"].as_str().unwrap().to_owned();
        let persons = world.stage.folder("operator").to_str().unwrap().to_owned();
        let by = |who| ["--approver", &persons, "--as", who, "--dir", &edge];
        let sign = ["bank", "release", "sign", &block, "--law", "licence 17", "--out", "release"];
        let (code, _, said) = run(&world, &[&sign[..], &by("2")].concat());
        assert_eq!(code, Some(0), "{said}");
        let send = ["bank", "release", "send", "release"];
        let (code, _, said) = run(&world, &[&send[..], &by("2")].concat());
        assert!(code != Some(0) && said.contains("another person"), "{said}");
        assert_eq!(world.balance("brightwater").await?, Minor::ZERO);
        for _ in 0..2 {
            let (code, told, said) = run(&world, &[&send[..], &by("1")].concat());
            assert_eq!((code, &told["outcome"]), (Some(0), &"released".into()), "{said}");
        }
        assert_eq!(world.balance("brightwater").await?, had);
        all_agree(&world).await?;
        Ok(())
    });
}
