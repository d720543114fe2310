//! `cargo xtask soak ledger`: the model, simulation and history tests of the stand-alone ledger,
//! round after round, each with seeds that no round had.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

/// How long without `--minutes`.
const MINUTES: u64 = 10;

/// What one round runs: package, test, filter, which variable its first seed stands in, and how
/// many seeds it takes.
const ROUND: [(&str, &str, &str, &str, u64); 5] = [
    ("wayleave-ledger", "model", "a_million_random", "WAYLEAVE_MODEL_SEED", 1),
    ("wayleave-ledger-server", "simulation", "what_a_book_told", "WAYLEAVE_WORLDS_SEED", 112),
    ("wayleave-ledger-server", "asked", "every_question", "WAYLEAVE_ASKED_SEED", 8),
    ("wayleave-ledger-server", "histories", "recorded_histories", "WAYLEAVE_HISTORIES_SEED", 24),
    ("wayleave-store", "views", "every_answer", "WAYLEAVE_VIEWS_SEED", 25),
];

struct Options {
    minutes: u64,
    seed: u64,
}

fn options(rest: &[String]) -> Result<Options> {
    let mut options = Options { minutes: MINUTES, seed: 1 };
    let mut rest = rest.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().and_then(|value| value.parse().ok());
        match (name.as_str(), value) {
            ("--minutes", Some(value)) => options.minutes = value,
            ("--seed", Some(value)) => options.seed = value,
            _ => bail!("usage: cargo xtask soak ledger [--minutes N] [--seed N]"),
        }
    }
    Ok(options)
}

/// Runs rounds until the time is over; at least one. A failure ends it and says how to run it
/// again.
#[expect(clippy::disallowed_methods, reason = "a soak runs for as long as it was told to")]
pub(crate) fn command(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    let Options { minutes, seed } = options(rest)?;
    let (begun, most) = (Instant::now(), Duration::from_secs(minutes.saturating_mul(60)));
    for round in 0_u64.. {
        for (package, test, filter, variable, seeds) in ROUND {
            let first = seed.saturating_add(round).saturating_mul(seeds);
            let arguments = ["test", "--quiet", "--package", package, "--test", test, "--", filter];
            println!("round {round}: {variable}={first} cargo {}", arguments.join(" "));
            let status = Command::new("cargo")
                .args(arguments)
                .env(variable, first.to_string())
                .current_dir(&workspace.root)
                .status()
                .context("`cargo test` did not start")?;
            if !status.success() {
                println!("failed: {variable}={first} cargo {}", arguments.join(" "));
                return Ok(ExitCode::FAILURE);
            }
        }
        let elapsed = begun.elapsed();
        if elapsed >= most {
            println!("{} rounds in {} s, none failed", round.saturating_add(1), elapsed.as_secs());
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Option<(u64, u64)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        options(&words).ok().map(|options| (options.minutes, options.seed))
    }

    #[test]
    fn options_are_whole_numbers() {
        assert_eq!(read(&[]), Some((MINUTES, 1)));
        assert_eq!(read(&["--seed", "9", "--minutes", "3"]), Some((3, 9)));
        for wrong in [&["--seed"][..], &["--seed", "x"], &["--minutes", "-1"], &["other", "1"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
