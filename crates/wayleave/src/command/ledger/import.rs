//! History from a file, in bulk. Ids come from the file, so running it again finds what is done and
//! does the rest.

mod groups;
mod plan;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use seal::to_canonical;
use serde_json::json;
use wire::client::{SubmitError, Ticket, WhyNotDone};
use wire::request::COMMAND_BYTES_MAX;
use wire::{CallOptions, Completion, RequestFlags, Transfer};

use self::groups::{Group, Groups};
use self::plan::{Planned, Planner};
use super::progress::{Part, Progress, Work};
use super::rows::{Row, Rows, Unread, Whose};
use super::said::{Ending, Report};
use super::session::{Sent, Session, transfer_of};
use crate::cli::ledger::ImportArgs;
use crate::command::{say, say_json};

/// Commands in one request.
const AT_ONCE: usize = 4_000;
/// Most that are done together: what one batch of the journal takes.
const TOGETHER_MAX: usize = ledger::bulk::TOGETHER_MAX;
/// Bytes of one request, with some room.
const BYTES_AT_ONCE: usize = 1_000_000;
/// How often a request is sent again that met a full queue.
const TRIES: usize = 50;

pub(super) fn command(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let session = Session::open(&args.place)?;
    let rows = Rows::open(&args.file)?;
    let mut keys = session.folder.personal_keys();
    if args.dry_run {
        keys = keys.without_making();
    }
    let work = Work { name: "import", unit: "rows", json: session.json };
    let mut import = Import {
        progress: Progress::begin(args.progress, work),
        session,
        dry_run: args.dry_run,
        together: args.all_or_nothing,
        planner: Planner::new(keys),
        batch: Vec::new(),
        bytes: 0,
        groups: Groups::default(),
        counts: BTreeMap::new(),
        worst: Ending::Done,
    };
    import.run(rows)
}

struct Import {
    session: Session,
    dry_run: bool,
    /// All of the file or nothing.
    together: bool,
    planner: Planner,
    batch: Vec<Planned>,
    /// Bytes of the batch as commands.
    bytes: usize,
    groups: Groups,
    counts: BTreeMap<&'static str, u64>,
    worst: Ending,
    progress: Progress,
}

impl Import {
    fn run(&mut self, mut rows: Rows) -> anyhow::Result<ExitCode> {
        loop {
            match rows.next_row() {
                Ok(Some(Ok(row))) => self.take(row),
                Ok(Some(Err(Unread { line, whose, error }))) => {
                    let cut = self.groups.cut(line, &whose);
                    self.ended(cut);
                    self.malformed(line, &error);
                }
                Ok(None) => break,
                Err(error) => {
                    // What was read whole before is posted; the rest of the file is not known.
                    let cut = self.groups.cut(rows.line_ahead(), &Whose::Unknown);
                    self.ended(cut);
                    self.malformed(0, &error);
                    break;
                }
            }
            let is_full = self.batch.len() >= AT_ONCE || self.bytes >= BYTES_AT_ONCE;
            if is_full && !self.together {
                self.send();
                self.tell(&rows);
            }
        }
        let last = self.groups.end();
        self.ended(last);
        self.send_rest()?;
        self.tell(&rows);
        self.progress.end();
        self.summary();
        Ok(ExitCode::from(self.worst.code()))
    }

    /// How far it has come: rows that were answered, and the part of the file that was read.
    fn tell(&mut self, rows: &Rows) {
        self.progress.at(self.counts.values().sum(), Part::of(rows.read, rows.bytes));
    }

    fn take(&mut self, row: Row) {
        let whose = row.whose();
        if row.optional("kind") == Some("entry") {
            let Whose::Transaction(id) = &whose else {
                let cut = self.groups.cut(row.line, &whose);
                self.ended(cut);
                self.malformed(row.line, &anyhow!("expected a field `id`, got none"));
                return;
            };
            let ended = self.groups.entry(id, row);
            return self.ended(ended);
        }
        // A row that may have been meant as one of the entries before it leaves them in doubt.
        let is_sound = row.is_by_itself() && !self.groups.is_open(&whose);
        let ended = if is_sound { self.groups.end() } else { self.groups.cut(row.line, &whose) };
        self.ended(ended);
        let planned = match self.groups.cut_at(&whose) {
            Some((id, cut)) if row.is_by_itself() => Err(not_whole(id, cut)),
            _ => self.planner.plan(&mut self.session, &row),
        };
        self.planned(row.line, planned);
    }

    /// All rows of a transaction were read, or it is known that they were not.
    fn ended(&mut self, group: Option<Group>) {
        let Some(Group { id, rows, cut, .. }) = group else { return };
        let Some(head) = rows.first() else { return };
        let planned = match cut {
            Some(line) => Err(not_whole(&id, line)),
            None => self.planner.transaction(&mut self.session, head, &rows),
        };
        self.planned(head.line, planned);
    }

    fn planned(&mut self, line: u64, planned: anyhow::Result<Result<Planned, Report>>) {
        match planned {
            Ok(Ok(one)) => {
                let bytes = to_canonical(&one.command).len();
                // Found here, because a client refuses the whole request of such a one.
                if u32::try_from(bytes).map_or(true, |bytes| bytes > COMMAND_BYTES_MAX) {
                    let most = COMMAND_BYTES_MAX;
                    let why = anyhow!("expected at most {most} bytes as a command, got {bytes}");
                    return self.malformed(line, &why);
                }
                self.bytes = self.bytes.saturating_add(bytes.saturating_add(4));
                self.batch.push(one);
            }
            Ok(Err(report)) => self.report(line, None, &report),
            Err(error) => self.malformed(line, &error),
        }
    }

    fn malformed(&mut self, line: u64, error: &anyhow::Error) {
        self.report(line, None, &Report::refused_row(format!("{error:#}")));
    }

    /// The last batch; all that there is when it is all or nothing.
    fn send_rest(&mut self) -> anyhow::Result<()> {
        if !self.together {
            self.send();
            return Ok(());
        }
        let all = self.batch.len();
        ensure!(
            all <= TOGETHER_MAX,
            "expected at most {TOGETHER_MAX} rows with `--all-or-nothing`, got {all}: nothing was \
             done"
        );
        if self.worst == Ending::Done {
            self.send();
        } else {
            let batch = std::mem::take(&mut self.batch);
            let why = "all or nothing, and another row was refused";
            self.all(&batch, |()| Sent::NotDone(why.to_owned()));
        }
        Ok(())
    }

    /// Transfers where all are, which are smaller, else commands.
    fn submit(&mut self, batch: &[Planned]) -> Result<Ticket, SubmitError> {
        let all_or_nothing = self.together;
        let flags = RequestFlags { dry_run: self.dry_run, all_or_nothing, ..RequestFlags::NONE };
        let options = CallOptions { flags, within: self.session.within };
        let transfers: Option<Vec<Transfer>> =
            batch.iter().map(|one| transfer_of(&one.command)).collect();
        match transfers {
            Some(transfers) => self.session.client.transfers(transfers, options),
            None => {
                let commands: Vec<Vec<u8>> =
                    batch.iter().map(|one| to_canonical(&one.command)).collect();
                self.session.client.commands(&commands, options)
            }
        }
    }

    fn send(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let mut tries = 0;
        while !batch.is_empty() {
            let completion = match self.submit(&batch) {
                Ok(ticket) => self.session.client.wait(ticket),
                Err(error) => return self.all(&batch, |()| Sent::NotDone(error.to_string())),
            };
            match completion {
                Completion::Results(results) => {
                    let items: Vec<_> = results.iter().collect();
                    for (one, item) in batch.iter().zip(&items) {
                        let report = Report::of_item(&mut self.session, item);
                        self.report(one.line, Some(one), &report);
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
                    let place = place.filter(|place| *place < batch.len() && !self.together);
                    match place {
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

    fn all(&mut self, batch: &[Planned], sent: impl Fn(()) -> Sent) {
        for one in batch {
            let report = Report::of_sent(&mut self.session, sent(()));
            self.report(one.line, Some(one), &report);
        }
    }

    /// Programs read of every item, people of those that were not done.
    fn report(&mut self, line: u64, of: Option<&Planned>, report: &Report) {
        let count = self.counts.entry(report.status).or_default();
        *count = count.saturating_add(1);
        self.worst = self.worst.max(report.ending);
        self.progress.clear();
        if self.session.json {
            let mut about = json!({ "line": line });
            if let (Some(of), Some(fields)) = (of, about.as_object_mut()) {
                fields.insert(of.kind.into(), json!(of.id));
                fields.insert("name".into(), json!(of.name));
            }
            let object = report.json(&mut self.session, about);
            say_json(&object);
        } else if report.ending != Ending::Done {
            let shown = of.map_or_else(String::new, |of| {
                format!("{} {}", of.kind, of.name.as_ref().unwrap_or(&of.id))
            });
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
        say(&format!("{whole} rows: {}", if whole == 0 { "none" } else { &counts }));
    }
}

/// Why nothing of a transaction was sent.
fn not_whole(id: &str, line: u64) -> anyhow::Error {
    let id: String = id.chars().take(64).collect();
    anyhow!("transaction `{id}` is not whole, so nothing of it is sent: line {line} was not read")
}
