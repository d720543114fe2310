//! `wayleave policy prove`, as its users run it.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::Folder;

const FILES: [&str; 7] = [
    "corridor.cedarschema",
    "decide.cedar",
    "oblige.cedar",
    "gate.cedar",
    "assumptions.cedar",
    "invariants.cedar",
    "parameters.json",
];

fn shipped(name: &str) -> String {
    format!("{}/../../packs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A copy of a shipped pack, with one piece of one file changed.
fn copy(folder: &Folder, name: &str, change: Option<(&str, &str, &str)>) -> String {
    let to = folder.path().join(name);
    std::fs::create_dir_all(&to).unwrap();
    for file in FILES {
        let mut text = std::fs::read_to_string(format!("{}/{file}", shipped("nl-sg"))).unwrap();
        if let Some((changed, from, with)) = change
            && changed == file
        {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, with, 1);
        }
        std::fs::write(to.join(file), text).unwrap();
    }
    to.display().to_string()
}

fn prove(arguments: &[&str], surroundings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayleave"));
    command.args(["policy", "prove"]).args(arguments);
    command.envs(surroundings.iter().copied());
    command.output().unwrap()
}

fn words(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(all).unwrap()
}

#[test]
fn without_a_solver_it_says_how_to_get_one() {
    let missing = prove(&[&shipped("nl-sg")], &[("CVC5", "/nowhere/cvc5")]);
    assert!(!missing.status.success());
    assert!(words(&missing).contains("apt-get install cvc5"), "{}", words(&missing));
    let folder = Folder::new("prove-mistakes");
    let nothing = prove(&[&folder.path().display().to_string()], &[]);
    assert!(!nothing.status.success());
}

/// These need solvers: the suite `packs-proved` brings them.
mod on_solver {
    use super::*;

    #[test]
    fn a_shipped_pack_is_proved_signed_checked_and_countersigned() {
        let folder = Folder::new("prove");
        let pack = copy(&folder, "pack", None);
        let author = folder.path().join("author").display().to_string();
        let operator = folder.path().join("operator").display().to_string();
        let body = folder.path().join("certificate.json").display().to_string();
        let made = prove(&[&pack, "--sign", &author, "--certificate", &body], &[]);
        assert!(made.status.success(), "{}", words(&made));
        for text in [
            "PROVED   never-a-sanctioned-country (pay, refund)",
            "trusts the findings payeeCountry, payerCountry",
            "none can fail at run time, none is a dead letter",
            "assumed  countries-named: both parties have a country",
        ] {
            assert!(words(&made).contains(text), "{text}: {}", words(&made));
        }
        let certificate = format!("{pack}/certificate");
        let checked =
            prove(&[&pack, "--check", &certificate, "--countersign", &operator, "--json"], &[]);
        assert!(checked.status.success(), "{}", words(&checked));
        let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!(said["proved"], true);
        assert!(folder.path().join("pack/countersignature").exists());
        // The body that comes with the shipped pack says the same.
        let beside = format!("{}/certificate.json", shipped("nl-sg"));
        assert!(prove(&[&pack, "--check", &beside, "--one-solver"], &[]).status.success());
    }

    #[test]
    fn a_weakened_pack_is_refuted_with_a_payment_and_not_signed() {
        let folder = Folder::new("prove-weak");
        let from = "context.listAge <= resource.listAgeMax";
        let with = "context.listAge <= resource.listAgeMax || context.amount < 100000";
        let pack = copy(&folder, "pack", Some(("decide.cedar", from, with)));
        let author = folder.path().join("author").display().to_string();
        let refuted = prove(&[&pack, "--one-solver"], &[]);
        assert_eq!(refuted.status.code(), Some(1));
        for text in [
            "REFUTED  never-on-a-stale-list (pay, refund)",
            "a payment of EUR ",
            "from NL to SG",
            "decided again by the engine of the edges: it says so too",
        ] {
            assert!(words(&refuted).contains(text), "{text}: {}", words(&refuted));
        }
        let json = prove(&[&pack, "--one-solver", "--json"], &[]);
        let said: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(said["proved"], false);
        let checks = said["checks"].as_array().unwrap();
        let failing: Vec<&Value> = checks.iter().filter(|c| c["holds"] == false).collect();
        assert!(failing.iter().all(|c| c["sample"]["replayed"] == true), "{failing:?}");
        let unsigned = prove(&[&pack, "--one-solver", "--sign", &author], &[]);
        assert!(!unsigned.status.success());
        assert!(!folder.path().join("pack/certificate").exists());
        let beside = format!("{}/certificate.json", shipped("nl-sg"));
        let other = prove(&[&pack, "--one-solver", "--check", &beside], &[]);
        assert!(
            words(&other).contains("DIFFERS  from the certificate: rules"),
            "{}",
            words(&other)
        );
    }

    #[test]
    fn a_looser_version_is_shown_by_a_payment_and_needs_to_be_signed_off() {
        let folder = Folder::new("prove-looser");
        let raised = ("parameters.json", "\"value\": 50000000}", "\"value\": 60000000}");
        let (old, new) = (copy(&folder, "old", None), copy(&folder, "new", Some(raised)));
        let author = folder.path().join("author").display().to_string();
        let looser = prove(&[&new, "--against", &old, "--one-solver"], &[]);
        assert_eq!(looser.status.code(), Some(1));
        let said = words(&looser);
        for text in ["DIFFERS  allows-more:pay", "DIFFERS  loosens:amountLimit", "--yes "] {
            assert!(said.contains(text), "{text}: {said}");
        }
        let ids = ["allows-more:pay", "allows-more:refund", "loosens:amountLimit"];
        let mut arguments =
            vec![new.as_str(), "--against", &old, "--one-solver", "--sign", &author];
        for id in ids {
            arguments.extend(["--yes", id]);
        }
        let signed = prove(&arguments, &[]);
        assert!(signed.status.success(), "{}", words(&signed));
        assert!(folder.path().join("new/certificate").exists());
    }
}
