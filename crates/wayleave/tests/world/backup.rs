//! A running core in a place of objects, and back.

use std::path::Path;
use std::process::{Command, Output};

use api::messages::Held;

use super::stage::{BINARY, World, play};

fn wayleave(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).output().unwrap()
}

fn done(args: &[&str]) -> serde_json::Value {
    let output = wayleave(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn facts(said: &serde_json::Value, book: &str) -> u64 {
    let books = said["books"].as_array().unwrap();
    books.iter().find(|one| one["book"] == book).unwrap()["facts"].as_u64().unwrap()
}

fn restore(from: &str, core: &Path, key: &str) -> serde_json::Value {
    let _ = std::fs::remove_dir_all(core);
    let core = core.to_str().unwrap();
    done(&["restore", core, "--from", from, "--recovery-key", key, "--json"])
}

#[test]
fn a_core_is_backed_up_while_it_serves_restored_and_serves_on_unless_witnesses_saw_more() {
    play(async {
        let mut world = World::new("backup").await?;
        let core = world.stage.folder("core");
        let dir = core.to_str().unwrap().to_owned();
        let place = format!("file:{}", world.folder.path().join("place").display());
        let key = world.folder.path().join("recovery.key").to_str().unwrap().to_owned();
        let made = wayleave(&["backup", "key", &key]);
        let public = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let backup = ["backup", &dir, "--to", &place, "--seal-to", &public, "--json"];

        world.settled("BK-1", 10_000).await?;
        let first = done(&backup);
        assert!(facts(&first, "bank-nl.customers") > 0, "{first}");
        let today = world.settled("BK-2", 10_000).await?.promise.promise.position.number();
        assert!(facts(&first, "settlement") <= today, "{first}");
        let verified =
            done(&["backup", "verify", "--from", &place, "--recovery-key", &key, "--json"]);
        assert_eq!(verified["not_opened"], 0, "{verified}");
        world.process("core").kill()?;

        // The machine is gone. What was settled after the backup is missed by the witnesses.
        restore(&place, &core, &key);
        world.process("core").start_again()?;
        let error = world.process("core").ready().await.expect_err("it must not serve");
        let words = format!("{error:#}");
        assert!(words.contains("JournalRolledBack"), "{words}");
        Ok(())
    });
}

#[test]
fn a_core_restored_from_its_newest_backup_goes_on() {
    play(async {
        let mut world = World::new("backup-newest").await?;
        let core = world.stage.folder("core");
        let dir = core.to_str().unwrap().to_owned();
        let place = format!("file:{}", world.folder.path().join("place").display());
        let key = world.folder.path().join("recovery.key").to_str().unwrap().to_owned();
        let made = wayleave(&["backup", "key", &key]);
        let public = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let backup = ["backup", &dir, "--to", &place, "--seal-to", &public, "--json"];
        done(&backup);
        let settled = world.settled("BN-1", 10_000).await?;
        let balance = world.balance("lim").await?;
        world.process("core").stop();
        done(&backup);
        let log = std::fs::read(core.join("log/checkpoint"))?;

        let restored = restore(&place, &core, &key);
        assert_eq!(restored["not_opened"], 0, "{restored}");
        assert_eq!(std::fs::read(core.join("log/checkpoint"))?, log, "the log, byte for byte");
        let checked = wayleave(&["fsck", &dir]);
        assert!(checked.status.success(), "{checked:?}");
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        assert_eq!(world.balance("lim").await?, balance);
        let payer = &world.players.payer;
        let again = payer.ask(settled.terms.payment).await?;
        assert_eq!(again.held, Held::Debited, "{again:?}");
        world.settled("BN-2", 10_000).await?;
        Ok(())
    });
}
