//! The keys while the demo runs: one letter and Enter.

use std::io::BufRead;

use anyhow::Context;

use super::acts::{self, Figures, Players};
use super::crash;
use super::processes::RoleProcess;
use super::screen::Screen;
use super::setup::Stage;

/// What can be pressed.
const HELP: &str =
    "keys   p pay   r refusals   k kill the core   c cheat   ? this line   q quit   (then Enter)";

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
    while let Some(line) = pressed.recv().await {
        let done = match line.trim() {
            "p" => acts::settles(stage, players, figures, screen).await.map(|_| ()),
            "r" => acts::refused(stage, players, screen).await,
            "k" => {
                let core = processes.iter_mut().find(|p| p.is("core")).context("the core")?;
                crash::killed(stage, players, core, screen).await
            }
            "c" => crash::cheats(stage, screen).await,
            "q" => return stage.keep_memory(),
            _ => {
                screen.line(HELP);
                Ok(())
            }
        };
        if let Err(error) = done {
            eprintln!("wayleave: {error:#}");
        }
        stage.keep_memory()?;
    }
    Ok(())
}
