//! The words of `wayleave edge`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::operator::DeskArgs;

/// An institution's edge: several instances behind one address.
///
/// Instances share the institution's keys, rules and address, and nothing else: a payment begun at
/// one goes on at any other. Each numbers its own decisions, and the settlement book records what
/// every number was spent on.
#[derive(Debug, Subcommand)]
pub enum EdgeCommand {
    /// Make the folder of one more instance, from that of one there is.
    ///
    /// Copies keys, rules and `role.json`; nothing that the other instance counted. Then start it
    /// with `wayleave run edge --dir NEW`, and name its place to `wayleave run front`.
    Add(AddArgs),
    /// Drain the folder of an instance that runs no more, and close its count for good.
    ///
    /// Delivers what it had not delivered, accounts for its last numbers, and ends its count by a
    /// fact. Its name is not used again. Call it again if somebody was away.
    Retire(RetireArgs),
    /// Which instances there are, and whether every number is accounted for.
    ///
    /// Exit 0: every number that a payment's fact names is accounted for, as what the fact says.
    /// Exit 1: some are missing, or accounted for as something else; the list says which.
    Instances(DeskArgs),
}

/// Arguments of `edge add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The folder of an instance of the same edge.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Its name: the institution's, a point and a number, such as `bank-nl.2`.
    #[arg(long)]
    pub instance: String,
    /// The port of 127.0.0.1 that it listens on.
    #[arg(long)]
    pub port: u16,
}

/// Arguments of `edge retire`.
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// The instance's folder. Its process must have ended.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
