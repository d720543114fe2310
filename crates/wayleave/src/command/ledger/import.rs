//! Transactions from a file, in bulk. Ids come from the file, so running it again finds what is
//! done and does the rest.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde_json::json;
use terms::{AccountId, TransactionId};
use wire::client::WhyNotDone;
use wire::{CallOptions, Completion, RequestFlags, Rule, Transfer};

use super::ids::Given;
use super::money::parse;
use super::rows::{Row, Rows, instant};
use super::said::{Ending, Report};
use super::session::{Sent, Session};
use super::words;
use crate::cli::ledger::ImportArgs;
use crate::command::{say, say_json};

/// Transactions in one request.
const AT_ONCE: usize = 4_000;
/// How often a request is sent again that met a full queue.
const TRIES: usize = 50;
/// Characters of the bar.
const BAR: u64 = 30;

pub(super) fn command(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let session = Session::open(&args.place)?;
    let rows = Rows::open(&args.file)?;
    let mut import =
        Import { session, dry_run: args.dry_run, counts: BTreeMap::new(), worst: Ending::Done };
    import.run(rows)
}

/// One transaction on its way.
struct OnTheWay {
    line: u64,
    given: Given<TransactionId>,
    transfer: Transfer,
}

/// A row that is certain to be refused: its line, its id and why.
type NotSent = (u64, Given<TransactionId>, Report);

struct Import {
    session: Session,
    dry_run: bool,
    counts: BTreeMap<&'static str, u64>,
    worst: Ending,
}

impl Import {
    fn run(&mut self, mut rows: Rows) -> anyhow::Result<ExitCode> {
        let mut bar = Bar::new();
        let mut batch = Vec::new();
        loop {
            let row = rows.next_row();
            let read = match row {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => {
                    // What was read before is posted; the rest of the file is not known.
                    self.send(std::mem::take(&mut batch));
                    self.report(0, None, &Report::refused_row(format!("{error:#}")));
                    break;
                }
            };
            match read.and_then(|row| self.read(&row).map_err(|error| (row.line, error))) {
                Ok(Ok(one)) => batch.push(one),
                Ok(Err((line, given, report))) => self.report(line, Some(&given), &report),
                Err((line, error)) => {
                    self.report(line, None, &Report::refused_row(format!("{error:#}")));
                }
            }
            if batch.len() >= AT_ONCE {
                self.send(std::mem::take(&mut batch));
                bar.show(rows.read, rows.bytes, &self.counts);
            }
        }
        self.send(batch);
        bar.show(rows.read, rows.bytes, &self.counts);
        bar.end();
        self.summary();
        Ok(ExitCode::from(self.worst.code()))
    }

    /// A row as a transfer. An account that is not there is refused as the book would: its asset
    /// is needed to read the amount.
    fn read(&mut self, row: &Row) -> anyhow::Result<Result<OnTheWay, NotSent>> {
        let given = |name: &str, text: &str| format!("field `{name}`: {text}");
        let account = |name: &str| -> anyhow::Result<Given<AccountId>> {
            let parsed = row.field(name)?.parse();
            parsed.map_err(|why: String| anyhow!(given(name, &why)))
        };
        let id: Given<TransactionId> =
            row.field("id")?.parse().map_err(|why: String| anyhow!(given("id", &why)))?;
        let (from, to) = (account("from")?, account("to")?);
        let business_date = row.field("business_date")?;
        let business_date = business_date.parse().context("field `business_date`")?;
        let effective = row.optional("effective").map(instant).transpose();
        let reason = row.optional("reason").unwrap_or("payment");
        let reason = words::reason_named(reason)
            .with_context(|| format!("field `reason`: there is no reason `{reason}`"))?;
        let amount = row.field("amount")?;
        for one in [&from, &to] {
            self.session.names.learn(one);
            if self.session.account(one.id)?.is_none() {
                let words = format!("there is no account `{one}`");
                let report = Report::refused(Rule::UnknownAccount, words);
                return Ok(Err((row.line, id, report)));
            }
        }
        let account = self.session.account(from.id)?.context("the account is gone")?;
        let transfer = Transfer {
            id: id.id,
            debit: from.id,
            credit: to.id,
            amount: parse(amount, account.opening().asset).context("field `amount`")?,
            effective: effective.context("field `effective`")?,
            business_date,
            reason: words::reason_number(reason),
            code: 0,
            hold: None,
            payment: None,
        };
        ensure!(transfer.debit != transfer.credit, "`from` and `to` are one account");
        Ok(Ok(OnTheWay { line: row.line, given: id, transfer }))
    }

    fn send(&mut self, mut batch: Vec<OnTheWay>) {
        let flags = RequestFlags { dry_run: self.dry_run, ..RequestFlags::NONE };
        let options = CallOptions { flags, within: self.session.within };
        let mut tries = 0;
        while !batch.is_empty() {
            let transfers: Vec<Transfer> = batch.iter().map(|one| one.transfer).collect();
            let completion = match self.session.client.transfers(transfers, options) {
                Ok(ticket) => self.session.client.wait(ticket),
                Err(error) => return self.all(&batch, |()| Sent::NotDone(error.to_string())),
            };
            match completion {
                Completion::Results(results) => {
                    let items: Vec<_> = results.iter().collect();
                    for (one, item) in batch.iter().zip(&items) {
                        let report = Report::of_item(&mut self.session, item);
                        self.report(one.line, Some(&one.given), &report);
                    }
                    return;
                }
                Completion::NotDone(WhyNotDone::Said { retry_after: Some(after), .. })
                    if tries < TRIES =>
                {
                    tries = tries.saturating_add(1);
                    std::thread::sleep(after.min(Duration::from_secs(1)));
                }
                Completion::Refused(refused) => {
                    // One item makes the whole request unreadable: it is left out, the others go.
                    let place = refused.said().item.map(usize::from);
                    match place.filter(|place| *place < batch.len()) {
                        Some(place) => {
                            let one = batch.remove(place);
                            self.all(&[one], |()| Sent::Refused(refused.to_string()));
                        }
                        None => return self.all(&batch, |()| Sent::Refused(refused.to_string())),
                    }
                }
                not_done @ Completion::NotDone(_) => {
                    return self.all(&batch, |()| Sent::NotDone(not_done.to_string()));
                }
                other => return self.all(&batch, |()| Sent::Unknown(other.to_string())),
            }
        }
    }

    fn all(&mut self, batch: &[OnTheWay], sent: impl Fn(()) -> Sent) {
        for one in batch {
            let report = Report::of_sent(&mut self.session, sent(()));
            self.report(one.line, Some(&one.given), &report);
        }
    }

    /// Programs read of every item, people of those that were not done.
    fn report(&mut self, line: u64, given: Option<&Given<TransactionId>>, report: &Report) {
        let count = self.counts.entry(report.status).or_default();
        *count = count.saturating_add(1);
        self.worst = self.worst.max(report.ending);
        let id = given.map(|given| given.id.to_string());
        if self.session.json {
            let name = given.and_then(|given| given.name.clone());
            let about = json!({ "line": line, "transaction": id, "name": name });
            let object = report.json(&mut self.session, about);
            say_json(&object);
        } else if report.ending != Ending::Done {
            let shown = given.map_or_else(String::new, |given| format!("transaction {given}"));
            let text = report.text(&mut self.session, &format!("line {line}   {shown}"));
            say(&text);
        }
    }

    fn summary(&self) {
        if self.session.json {
            return say_json(&json!({ "import": self.counts }));
        }
        let whole: u64 = self.counts.values().sum();
        let counts = self.counts.iter().map(|(status, count)| format!("{count} {status}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        say(&format!("{whole} transactions: {}", if whole == 0 { "none" } else { &counts }));
    }
}

/// How far an import is, on standard error where that is a terminal.
struct Bar {
    is_shown: bool,
}

impl Bar {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, read: u64, bytes: u64, counts: &BTreeMap<&'static str, u64>) {
        if !self.is_shown {
            return;
        }
        let part = |of: u64| read.saturating_mul(of) / bytes.max(1);
        let full = usize::try_from(part(BAR).min(BAR)).unwrap_or(0);
        let rest = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
        let whole: u64 = counts.values().sum();
        let mut out = std::io::stderr().lock();
        let (full, rest) = ("=".repeat(full), " ".repeat(rest));
        let _gone = write!(out, "\r[{full}{rest}] {:>3} %  {whole}", part(100).min(100));
        let _gone = out.flush();
    }

    fn end(&self) {
        if self.is_shown {
            let _gone = writeln!(std::io::stderr().lock());
        }
    }
}
