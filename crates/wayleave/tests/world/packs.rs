//! Packs go through their stages while payments run: shadow, active, and back.

use std::path::{Path, PathBuf};
use std::process::Command;

use policy::PackFiles;
use record::Side;
use server::roles::edge::{CERTIFICATE, PackKeys, write_more_pack};
use wallet::PaymentOutcome;
use wayleave::demo::setup::{PACK_AUTHOR, PACK_OPERATOR};
use wayleave::demo::subjects;

use super::stage::{BINARY, World, play, until};

const ABOVE: &str = "corridor-limit-exceeded";
const SETTLED: &str = "settled";
const NOT_IN_FORCE: &str = "PackNotInForce";

/// `wayleave policy …`: whether it went well, and what it said.
fn policy(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(BINARY).arg("policy").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// An edge's pack under which one payment may be 30 EUR at most, certified as the demo's are.
fn tighter(world: &World) -> anyhow::Result<PathBuf> {
    let pack = subjects::pack(Side::Debtor);
    let files = pack.files();
    let mut parameters: serde_json::Value = serde_json::from_str(files.parameters)?;
    let rows = parameters["parameters"].as_array_mut().unwrap();
    let row = rows.iter_mut().find(|row| row["name"] == "amountLimit").unwrap();
    row["values"] = serde_json::json!([{ "from": "2026-01-01", "value": 3_000 }]);
    let files = PackFiles { parameters: &parameters.to_string(), ..files };
    let author = world.stage.key("operator", PACK_AUTHOR)?;
    let operator = world.stage.key("operator", PACK_OPERATOR)?;
    let keys = PackKeys { author: &author, operator: &operator };
    write_more_pack(world.folder.path(), "tighter", &files, keys)?;
    Ok(world.folder.path().join("packs").join("tighter"))
}

fn stage(pack: &Path, to: &str, edge: &Path) -> (bool, String) {
    let (pack, edge) = (pack.to_str().unwrap(), edge.to_str().unwrap());
    policy(&["stage", pack, to, "--edge", edge, "--reason", "a test"])
}

/// Pays until the edge has looked again and decides under the pack in force. Before that look it
/// decides under the pack before: a permit of that one is refused by the book, and settles never.
async fn pays(
    world: &World,
    name: &str,
    minor: u128,
    (before, expected): (&str, &str),
) -> anyhow::Result<()> {
    let mut number = 0;
    until(name, || {
        number += 1;
        let invoice = format!("{name}-{number}");
        async move {
            let request = world.invoice(&invoice, minor).await?;
            let code = match world.pay(&request).await? {
                PaymentOutcome::Settled(_) => "settled".to_owned(),
                PaymentOutcome::Refused(refused) => refused.code.clone(),
                other => panic!("{other:?}"),
            };
            assert!([before, expected, NOT_IN_FORCE].contains(&code.as_str()), "{code}");
            Ok((code == expected).then_some(()))
        }
    })
    .await
}

#[test]
fn a_pack_is_rolled_out_and_back_by_one_command_each_while_payments_run() {
    play(async {
        let mut world = World::new("packs").await?;
        let edge = world.stage.folder("bank-nl.1");
        let (old, new) = (edge.join("pack"), tighter(&world)?);
        world.settled("PK-1", 10_000).await?;
        let (done, said) = policy(&["stages", "--edge", edge.to_str().unwrap()]);
        assert!(done && said.contains("no step yet"), "{said}");
        // Nothing skips the shadow.
        let (done, said) = stage(&new, "active", &edge);
        assert!(!done && said.contains("does not become active"), "{said}");
        // Nothing is staged that the edge would not decide under.
        let (there, aside) = (new.join(CERTIFICATE), new.join("aside"));
        std::fs::rename(&there, &aside)?;
        let (done, said) = stage(&new, "shadow", &edge);
        assert!(!done && said.contains("certifies a pack"), "{said}");
        std::fs::rename(&aside, &there)?;
        let (done, said) = stage(&new, "shadow", &edge);
        assert!(done && said.contains("shadow") && said.contains("active"), "{said}");
        // Beside the pack in force and without effect: the payment settles, the difference stands.
        let log = edge.join("shadow.log");
        let mut number = 0;
        until("the shadow differs", || {
            number += 1;
            let (world, log, invoice) = (&world, log.clone(), format!("SH-{number}"));
            async move {
                world.settled(&invoice, 10_000).await?;
                let noted = std::fs::read_to_string(log).unwrap_or_default();
                Ok(noted.contains("permit → denial").then_some(()))
            }
        })
        .await?;
        let (done, said) = stage(&new, "active", &edge);
        assert!(done, "{said}");
        pays(&world, "above", 10_000, (NOT_IN_FORCE, ABOVE)).await?;
        pays(&world, "below", 1_000, (SETTLED, SETTLED)).await?;
        // A restart of the edge, whose own folder holds the older pack, brings nothing back.
        world.process("bank-nl.1").kill()?;
        world.process("bank-nl.1").start_again()?;
        world.process("bank-nl.1").ready().await?;
        pays(&world, "again", 10_000, (NOT_IN_FORCE, ABOVE)).await?;
        let (done, said) = stage(&old, "active", &edge);
        assert!(done && said.contains("retired"), "{said}");
        pays(&world, "back", 10_000, (ABOVE, SETTLED)).await?;
        Ok(())
    });
}
