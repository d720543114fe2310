//! The keys while the demo runs: one letter and Enter.

use std::io::BufRead;

use anyhow::Context;

use super::acts::{self, Figures, Players};
use super::crash;
use super::processes::RoleProcess;
use super::screen::Screen;
use super::setup::Stage;

/// What can be pressed.
const HELP: &str = "keys   p pay   r revoke   k kill the core   c cheat   ? explain the last   q quit   (then Enter)";

/// What an act shows, for `?`.
const fn explained(key: &str) -> &'static str {
    match key.as_bytes() {
        b"p" => {
            "both banks decided with rules as code on what the wallet showed; one fact holds both \
             permits, the quote and every posting; both supervisors cosigned the log that holds it"
        }
        b"r" => {
            "the tax office published a newer status list; the bank's rule reads it, and a list \
             that is too old refuses as well"
        }
        b"k" => {
            "every answer came after its batch was on disk, so what was acknowledged is there; the \
             rest was found in the journal, or surely is not in it; nobody guessed"
        }
        b"c" => {
            "whoever runs the core can write its disk and sign its log, but not take back what the \
             supervisors have seen: the new tree is no extension of theirs"
        }
        _ => "press a letter and Enter",
    }
}

/// Does what the keys say until `q` or the end of the input.
pub(super) async fn listen(
    stage: &mut Stage,
    players: &Players,
    processes: &mut [RoleProcess],
    (figures, screen): (&Figures, &Screen),
) -> anyhow::Result<()> {
    screen.line(HELP);
    let (told, mut pressed) = tokio::sync::mpsc::channel::<String>(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if told.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut last = String::from("c");
    while let Some(line) = pressed.recv().await {
        let done = match line.trim() {
            "p" => acts::settles(stage, players, figures, screen).await.map(|_| ()),
            "r" => acts::revocation(stage, players, screen).await,
            "k" => {
                let core = processes.iter_mut().find(|p| p.is("core")).context("the core")?;
                crash::killed(stage, players, core, screen).await
            }
            "c" => crash::cheats(stage, screen).await,
            "q" => return stage.keep_memory(),
            "?" => {
                screen.command("", explained(&last));
                Ok(())
            }
            _ => {
                screen.line(HELP);
                Ok(())
            }
        };
        if line.trim() != "?" {
            last = line.trim().to_owned();
        }
        if let Err(error) = done {
            eprintln!("wayleave: {error:#}");
        }
        stage.keep_memory()?;
    }
    Ok(())
}
