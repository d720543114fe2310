//! The people's commands. Handlers are thin: what is decided is decided in the libraries.

mod annotations;
pub(crate) mod bank;
pub(crate) mod books;
pub(crate) mod duty;
pub(crate) mod edges;
pub(crate) mod explain;
pub(crate) mod export;
mod files;
pub(crate) mod lease;
pub mod ledger;
pub mod lists;
pub(crate) mod operator;
pub(crate) mod participant;
pub(crate) mod policy;
pub(crate) mod policy_prove;
pub(crate) mod privacy;
pub(crate) mod receipt;
pub(crate) mod referral;
pub(crate) mod replay;
mod replay_raw;
mod replay_totals;
mod statement;
mod two_persons;
pub(crate) mod verify;
pub(crate) mod wallet;

use std::io::Write;
use std::process::ExitCode;

use ::wallet::{CommandResult, EXIT_UNKNOWN, WalletError};
use serde_json::Value;

/// Prints a result in the asked form and gives its exit code.
pub(crate) fn show(result: &impl CommandResult, json: bool) -> ExitCode {
    if json {
        say_json(&result.json());
    } else {
        say(&result.text());
    }
    ExitCode::from(result.exit_code())
}

/// A line (or lines) on standard output. A reader that went away is no fault of ours.
pub(crate) fn say(text: &str) {
    let text = harmless(text);
    let mut out = std::io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// One JSON object on one line.
pub(crate) fn say_json(value: &Value) {
    say(&value.to_string());
}

/// A line on standard error: progress, questions, warnings.
pub(crate) fn tell(text: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "{}", harmless(text));
}

/// Text without what a terminal would obey: names in files and answers are other people's words.
fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// Says why a command gave no result, on one line. What may have been done is not called failed.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let words = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    tell(&format!("wayleave: {words}"));
    match error.downcast_ref::<WalletError>() {
        Some(WalletError::Unknown(_)) => ExitCode::from(EXIT_UNKNOWN),
        Some(_) | None => ExitCode::FAILURE,
    }
}
