//! `wayleave policy`: packs written, checked, tested, explained, compared, tried.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use policy::PackFiles;

use super::files;
use super::replay::PackTexts;
use crate::cli::policy::PolicyCommand;

mod author;
mod conflicts;
mod digest;
mod explain;
mod shadow;
mod stage;

/// Does what is asked of packs.
pub(crate) fn command(asked: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match asked {
        PolicyCommand::New(args) => author::new(args),
        PolicyCommand::Check(args) => author::check(args),
        PolicyCommand::Test(args) => author::test(args),
        PolicyCommand::Explain(args) => explain::command(args),
        PolicyCommand::Diff(args) => author::diff(args),
        PolicyCommand::Conflicts(args) => conflicts::command(args),
        PolicyCommand::Shadow(args) => shadow::command(args),
        PolicyCommand::Stage(args) => stage::command(args),
        PolicyCommand::Stages(args) => stage::list(args),
        PolicyCommand::Digest(args) => digest::command(args),
        PolicyCommand::Prove(args) => super::policy_prove::command(args),
    }
}

/// The texts of a folder's pack, loaded or not.
fn with_texts<T>(dir: &Path, use_them: impl FnOnce(&PackFiles<'_>) -> T) -> anyhow::Result<T> {
    let texts = PackTexts::read(dir)?;
    Ok(use_them(&texts.files()))
}

/// The text of a pack's cases.
fn cases_text(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join(policy::cases::CASES_FILE);
    if !path.is_file() {
        bail!("`{}` holds no `{}`: no case, no test", dir.display(), policy::cases::CASES_FILE);
    }
    files::read_text(&path)
}
