//! Decisions found again, by commands, from what the edges kept of them.

use std::path::Path;
use std::process::{Command, Output};

use admission::raw::{Handed, RawInputs};
use admission::replay::ReplayFile;
use anyhow::{Context, bail};
use client::{Outcome, Outgoing};
use terms::PaymentId;

use super::stage::{BINARY, World, play};

/// `wayleave replay FILE --depth 2`: its exit code, and what it says.
fn replayed(file: &Path, pack: &Path) -> anyhow::Result<(i32, String)> {
    let mut command = Command::new(BINARY);
    command.arg("replay").arg(file).args(["--depth", "2"]).arg("--pack").arg(pack);
    let Output { status, stdout, stderr } = command.output()?;
    let said = [stdout, stderr].concat();
    Ok((status.code().context("killed")?, String::from_utf8(said)?))
}

/// `wayleave replay FILE --depth 3`.
fn counted(record: &Path, book: &Path) -> anyhow::Result<(i32, String)> {
    let mut command = Command::new(BINARY);
    command.arg("replay").arg(record).args(["--depth", "3"]).arg("--book").arg(book);
    let Output { status, stdout, stderr } = command.output()?;
    Ok((status.code().context("killed")?, String::from_utf8([stdout, stderr].concat())?))
}

/// The replay file of a payment's decision, as the institution's operator fetches it.
async fn file_of(world: &World, edge: &str, payment: PaymentId) -> anyhow::Result<Vec<u8>> {
    let target = format!("/v1/decisions/{payment}/inputs");
    match world.send("operator", edge, Outgoing::get(&target)).await {
        Outcome::Answer(answer) => Ok(answer.body.to_vec()),
        other => bail!("no replay file of {payment}: {other:?}"),
    }
}

#[test]
fn what_both_edges_kept_gives_their_findings_again_and_a_changed_input_is_named() {
    play(async {
        let world = World::new("replays").await?;
        let settled = world.settled("RP-1", 10_000).await?.terms.payment;
        let refused = world.refused("RP-2", 15_000_000).await?.payment;
        let path = world.folder.path().join("replay-file");
        for (edge, payment, outcome) in [
            ("bank-nl.1", settled, "permit"),
            ("bank-sg.1", settled, "permit"),
            ("bank-nl.1", refused, "denial"),
        ] {
            let pack = world.stage.folder(edge).join("pack");
            std::fs::write(&path, file_of(&world, edge, payment).await?)?;
            let (code, said) = replayed(&path, &pack)?;
            assert_eq!(code, 0, "{edge} {outcome}: {said}");
            assert!(said.contains("MATCH") && said.contains(outcome), "{said}");
        }
        // The month's total of the mandate, counted again from the core's own files.
        let record = world.folder.path().join("decision");
        let decided = world.record("bank-nl.1", settled).await?;
        std::fs::write(&record, seal::to_canonical(&decided))?;
        let book = world.stage.folder("core").join("books").join("settlement");
        let (code, said) = counted(&record, &book)?;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("MATCH     1 totals") && said.contains(" 0 -> "), "{said}");
        let mut wider = decided.clone();
        wider.limits[0].amount.minor = terms::Minor::new(u128::MAX);
        std::fs::write(&record, seal::to_canonical(&wider))?;
        let (code, said) = counted(&record, &book)?;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(": at most"), "{said}");
        let never = world.record("bank-nl.1", refused).await?;
        std::fs::write(&record, seal::to_canonical(&never))?;
        assert_eq!(counted(&record, &book)?.0, 5, "never settled");
        // A presentation that is withheld from the replay, and a list that is not in the file.
        let whole = ReplayFile::from_bytes(&file_of(&world, "bank-nl.1", settled).await?)?;
        let pack = world.stage.folder("bank-nl.1").join("pack");
        let mut raw = RawInputs::from_bytes(&whole.inputs)?;
        let Handed::Debtor(_, _, presented) = &mut raw.handed else { bail!("the debtor's") };
        "{}".clone_into(&mut presented.vp_token);
        let inputs = seal::to_canonical(&raw).into();
        let withheld = ReplayFile { inputs, ..whole.clone() };
        std::fs::write(&path, seal::to_canonical(&withheld))?;
        let (code, said) = replayed(&path, &pack)?;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("first difference: finding creditBand"), "{said}");
        let mut without = whole;
        let (digest, _) = without.materials.0.pop_first().context("lists in the file")?;
        std::fs::write(&path, seal::to_canonical(&without))?;
        let (code, said) = replayed(&path, &pack)?;
        assert_eq!(code, 5, "{said}");
        assert!(said.contains(&digest.to_string()), "{said}");
        Ok(())
    });
}
