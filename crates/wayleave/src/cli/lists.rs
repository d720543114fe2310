//! Arguments of `wayleave lists`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Lists of sanctioned names: read published files, screen a name, say why.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a variant without words shows those of its arguments")]
pub enum ListsCommand {
    Import(ImportArgs),
    Screen(ScreenArgs),
}

/// The files that publishers give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// `sdn.csv`, then `alt.csv` and `add.csv` if at hand; the consolidated list's files likewise.
    Ofac,
    /// The Security Council's consolidated list in XML.
    Un,
    /// A table `id,name,aliases,dates,countries,program`.
    Csv,
}

/// Make a list in JSON out of published files; the same files give the same list.
///
/// Prints the list, which a supervisor signs and `lists screen` reads, and its digest on stderr.
/// Nothing is fetched: download the files from their publisher.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What the files are.
    #[arg(long, value_enum)]
    pub format: ListFormat,
    /// The list's name, such as `ofac-sdn`.
    #[arg(long)]
    pub name: String,
    /// Its version: higher than that of every edition before.
    #[arg(long)]
    pub edition: u64,
    /// When it was issued: a date, such as `2026-02-27`.
    #[arg(long)]
    pub issued: String,
    /// When the next edition is due: after it, who rests on this list is told that it is stale.
    #[arg(long)]
    pub next: String,
    /// The files, in the order that the format names.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Screen a name against lists and say why.
///
/// Exit 0: like nothing on the lists. Exit 1: a possible or true match, or not screened. For
/// checking lists and thresholds; a payment is screened by the institutions that decide it.
#[derive(Debug, Args)]
pub struct ScreenArgs {
    /// The legal name.
    pub party: String,
    /// Its country, two letters.
    #[arg(long)]
    pub country: String,
    /// Date of birth or foundation: `1970`, `1970-02-01`.
    #[arg(long)]
    pub date: Option<String>,
    /// A list in JSON, as `lists import` prints it. Several are screened as one.
    #[arg(long = "list", required = true)]
    pub lists: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
