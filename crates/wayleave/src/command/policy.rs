//! `wayleave policy`: packs written, checked, tested, explained, compared.

use std::process::ExitCode;

use crate::cli::policy::PolicyCommand;

mod digest;

/// Does what is asked of packs.
pub(crate) fn command(asked: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match asked {
        PolicyCommand::Digest(args) => digest::command(args),
    }
}
