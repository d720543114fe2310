//! A wall clock that was set while the roles were stopped: they go on by the time that passed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use journal::Tip;
use record::{Ending, PaymentTerms, SettleOrder};
use server::system::{self, CLOCK_FILE};
use store::{FileDisk, fsck};
use terms::PaymentId;
use wallet::OrderSent;
use wayleave::demo::acts::permitted;
use wayleave::demo::processes::Launch;

use super::bank::all_agree;
use super::stage::{World, play, until};

/// Where Debian puts the library that tells another time (package `libfaketime`).
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
/// The core, and a bank that keeps its own book.
const ROLES: [&str; 2] = ["core", "bank-b"];

async fn order(world: &World, number: &str) -> anyhow::Result<(SettleOrder, PaymentId)> {
    let request = world.invoice(number, 1_000).await?;
    let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
    let order = world.players.payer.order(&ready.hand, &ready.permits)?;
    let payment = PaymentTerms::from_terms_string(&order.terms)?.payment;
    Ok((order, payment))
}

/// Stops both roles and starts them under a wall clock that is so far away.
async fn start_again(world: &mut World, library: &Path, away: &str) -> anyhow::Result<()> {
    for role in ROLES {
        world.process(role).stop();
    }
    let mut marks = Vec::new();
    for role in ROLES {
        let file = world.stage.folder(role).join("clock");
        std::fs::write(&file, away)?;
        let process = world.process(role);
        marks.push((role, process.log_bytes()));
        process.launch_as(Launch::ToldClock { library: library.to_owned(), file });
        process.start_again()?;
    }
    for (role, mark) in marks {
        let process = world.process(role);
        process.ready().await?;
        let words = process.words_since(mark);
        let told = words.contains("the wall clock was set");
        assert_eq!(told, away != "+0\n", "{role} at {away}: {words}");
    }
    Ok(())
}

/// The newest stamp of every book below a role's folder.
fn newest_stamps(folder: &Path) -> anyhow::Result<Vec<terms::Instant>> {
    let mut stamps = Vec::new();
    for book in std::fs::read_dir(folder.join("books"))? {
        let book = book?;
        let name = book.file_name().into_string().expect("a name").parse()?;
        let report = fsck(&FileDisk::look(&book.path()), &name, None)?;
        assert!(report.is_sound() && report.tip != Tip::GENESIS, "{:?}", report.findings);
        stamps.push(report.tip.stamp);
    }
    Ok(stamps)
}

#[test]
fn a_wall_clock_that_was_set_between_two_starts_ends_nothing_and_stamps_nothing_ahead() {
    let Some(library) = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists()) else {
        println!("left out: there is no libfaketime");
        assert!(std::env::var_os("CI").is_none(), "libfaketime is needed");
        return;
    };
    play(async {
        let mut world = World::new("clock").await?;
        for (number, away) in [(1, "+1d\n"), (2, "-1d\n"), (3, "+1d\n"), (4, "+0\n")] {
            // Permits and quote of a minute, from before the clock was set.
            let (order, payment) = order(&world, &format!("CK-{number}")).await?;
            start_again(&mut world, &library, away).await?;
            let ending = until("the order has an end", || async {
                match world.players.payer.send_order(&order).await {
                    Ok(OrderSent::Answered(promise)) => Ok(Some(promise.promise.outcome)),
                    _ => Ok(None),
                }
            })
            .await?;
            assert_eq!(ending, Ending::Settled, "{away}: nothing of it ended early: {payment}");
            all_agree(&world).await?;
            // And one from its beginning to its end.
            world.settled(&format!("CK-{number}-new"), 1_000).await?;
            all_agree(&world).await?;
        }
        for role in ROLES {
            world.process(role).stop();
            let (now, hour) = (system::now(), Duration::from_secs(3_600));
            let stamps = newest_stamps(&world.stage.folder(role))?;
            assert!(!stamps.is_empty());
            for stamp in stamps {
                assert!(stamp <= now && stamp.plus(hour) > now, "{role}: {stamp}, now {now}");
            }
        }
        believed(world, &library).await
    });
}

/// Without what the folder knows of the clock the same test sees it believed: what is kept there
/// is what keeps it.
async fn believed(mut world: World, library: &Path) -> anyhow::Result<()> {
    for role in ROLES {
        world.process(role).start_again()?;
        world.process(role).ready().await?;
    }
    let (order, _) = order(&world, "CK-believed").await?;
    for role in ROLES {
        world.process(role).stop();
        let folder = world.stage.folder(role);
        std::fs::remove_file(folder.join(CLOCK_FILE))?;
        let file = folder.join("clock");
        std::fs::write(&file, "+1d\n")?;
        let library = library.to_owned();
        world.process(role).launch_as(Launch::ToldClock { library, file });
    }
    for role in ROLES {
        world.process(role).start_again()?;
        world.process(role).ready().await?;
    }
    let settles = match world.players.payer.send_order(&order).await {
        Ok(OrderSent::Answered(promise)) => promise.promise.outcome == Ending::Settled,
        _ => false,
    };
    assert!(!settles, "a core a day ahead takes nothing that was made today");
    Ok(())
}
