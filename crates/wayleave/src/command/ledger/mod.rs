//! `wayleave ledger`: a ledger of its own. Handlers ask a running book over its protocol, or read
//! a folder's files; what is decided is decided by the book.

mod account;
mod archive;
mod asks;
mod bench;
mod beside;
mod clock;
mod export;
mod export_file;
mod fold;
mod fsck_parts;
pub mod ids;
mod import;
mod look;
mod money;
mod pending;
mod personal;
mod post;
mod progress;
mod proofs;
mod rows;
mod said;
mod seen;
mod serve;
mod session;
mod statement;
mod words;

use std::process::ExitCode;

pub(crate) use self::rows::instant as moment;
use self::said::EXIT_NOT_DONE;
use crate::cli::ledger::LedgerCommand;

/// Checks a ledger's folder: `wayleave fsck` of one does the same.
pub(crate) fn fsck(args: &crate::cli::ledger::FsckArgs) -> anyhow::Result<ExitCode> {
    fold::command(args)
}

/// Does what is asked. What fails before anything was sent is surely not done.
pub(crate) fn command(asked: &LedgerCommand) -> anyhow::Result<ExitCode> {
    let sent = match asked {
        LedgerCommand::Init(args) => return serve::init(args),
        LedgerCommand::Serve(args) => return serve::serve(args),
        LedgerCommand::Client(asked) => return serve::client(asked),
        LedgerCommand::Fsck(args) => return fsck(args),
        LedgerCommand::Rebuild(args) => return asks::rebuild(args),
        LedgerCommand::Export(args) => return export_file::command(args),
        LedgerCommand::Checkpoint(args) => return proofs::checkpoint(args),
        LedgerCommand::Verify(args) => return proofs::verify(args),
        LedgerCommand::Bench(args) => return bench::command(args),
        LedgerCommand::Clock(args) => return clock::command(args),
        LedgerCommand::Archive(args) => return archive::command(args),
        LedgerCommand::Restore(args) => return archive::restore(args),
        LedgerCommand::Receipt(args) => proofs::receipt(args),
        LedgerCommand::Account(asked) => account::command(asked),
        LedgerCommand::Post(args) => post::command(args),
        LedgerCommand::Hold(asked) => post::hold(asked),
        LedgerCommand::Balance(args) => asks::balance(args),
        LedgerCommand::Transaction(args) => asks::transaction(args),
        LedgerCommand::History(args) => asks::history(args),
        LedgerCommand::Holds(args) => asks::holds(args),
        LedgerCommand::Links(args) => asks::links(args),
        LedgerCommand::Fact(args) => asks::fact(args),
        LedgerCommand::Events(args) => asks::events(args),
        LedgerCommand::Metrics(place) => asks::metrics(place),
        LedgerCommand::Statement(args) => statement::command(args),
        LedgerCommand::Trial(args) => statement::trial(args),
        LedgerCommand::Status(place) => statement::status(place),
        LedgerCommand::Find(args) => look::find(args),
        LedgerCommand::Totals(place) => look::totals(place),
        LedgerCommand::Retry(place) => post::retry(place),
        LedgerCommand::Personal(asked) => personal::command(asked),
        LedgerCommand::Import(args) => import::command(args),
    };
    Ok(sent.unwrap_or_else(|error| {
        super::failed(&error);
        ExitCode::from(EXIT_NOT_DONE)
    }))
}
