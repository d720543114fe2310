//! The words of `wayleave policy`: what can be done with rule packs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Look at rule packs.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// The digest of a pack: what permits and records name. Comments and layout do not change it.
    Digest(DigestArgs),
}

/// Arguments of `policy digest`.
#[derive(Debug, Args)]
pub struct DigestArgs {
    /// The rule pack's folder.
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
