//! `wayleave operator`, `wayleave reconcile`, `wayleave day`: signed requests of the operator to
//! the core, and their answers in words.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use api::Role;
use client::{Client, Outcome, Outgoing, Peer};
use seal::SigningKey;
use serde_json::{Value, json};
use server::keys::{KeyStore, REQUEST_KEY};
use server::roles::{Common, read_config};
use wallet::{EXIT_REFUSED, EXIT_UNKNOWN};

use super::{files, say, say_json, tell};
use crate::cli::operator::{
    AssignArgs, DayCommand, DeskArgs, FundArgs, OperatorCommand, ReconcileArgs, ReturnArgs,
};

mod act;
mod correct;
mod day;

/// The media type of files of ISO 20022.
const XML: &str = "application/xml";

/// The operator's side of the counter: its key, and the core.
pub(super) struct Desk {
    client: Client,
    peer: Peer,
    key: SigningKey,
    json: bool,
}

/// What came of a request.
pub(super) enum Heard {
    Told(Value),
    Ended(ExitCode),
}

/// `wayleave operator`.
pub(crate) fn command(asked: &OperatorCommand) -> anyhow::Result<ExitCode> {
    let asked = match asked {
        OperatorCommand::Stuck(asked) => return super::participant::stuck(asked),
        other => other,
    };
    online(async {
        match asked {
            OperatorCommand::Fund(args) => fund(args).await,
            OperatorCommand::Outside(args) => outside(args).await,
            OperatorCommand::Release(args) => assign("release", args).await,
            OperatorCommand::Charge(args) => assign("charge", args).await,
            OperatorCommand::Return(args) => give_back(args).await,
            OperatorCommand::Correct(asked) => correct::command(asked).await,
            OperatorCommand::Stuck(_) => Ok(ExitCode::SUCCESS),
            OperatorCommand::Act(asked) => act::command(asked).await,
            OperatorCommand::Suspense(args) => suspense(args).await,
            OperatorCommand::Alerts(args) => alerts(args).await,
        }
    })
}

/// `wayleave reconcile`.
pub(crate) fn reconcile(args: &ReconcileArgs) -> anyhow::Result<ExitCode> {
    online(async {
        let desk = Desk::open(&args.desk)?;
        let file = files::read(&args.file)?;
        let told = match desk.post("/v1/reconciliations", XML, file).await? {
            Heard::Told(told) => told,
            Heard::Ended(code) => return Ok(code),
        };
        let statements = rows(&told, "statements");
        if desk.json {
            say_json(&told);
        } else {
            statements.iter().for_each(show_statement);
        }
        let agrees = statements.iter().all(|one| rows(one, "breaks").is_empty());
        Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
    })
}

/// `wayleave day`.
pub(crate) fn day(asked: &DayCommand) -> anyhow::Result<ExitCode> {
    let DayCommand::Close(args) = asked;
    online(day::close(args))
}

pub(crate) fn online(
    story: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads for the runtime")?
        .block_on(story)
}

impl Desk {
    pub(super) fn open(args: &DeskArgs) -> anyhow::Result<Self> {
        let dir = folder(args.operator.as_deref())?;
        let common: Common = read_config(&dir)?;
        let core = common.peers_of(Role::Core).next().context("`role.json` names no core")?;
        let name = core.name.clone();
        Self::open_at(args, &name)
    }

    /// The same at another peer's counter.
    pub(super) fn open_at(args: &DeskArgs, name: &str) -> anyhow::Result<Self> {
        let dir = folder(args.operator.as_deref())?;
        let common: Common = read_config(&dir)?;
        let peer = common.signing_peer(name)?;
        let key = KeyStore::open(&dir)?.signing_key(REQUEST_KEY)?;
        Ok(Self { client: common.client(), peer, key, json: args.json })
    }

    pub(super) async fn post(
        &self,
        target: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Heard> {
        self.send(Outgoing::post(target, kind, body)).await
    }

    pub(super) async fn send(&self, request: Outgoing<'_>) -> anyhow::Result<Heard> {
        match self.client.send(&self.peer, request, &self.key).await {
            Outcome::Answer(answer) => Ok(Heard::Told(serde_json::from_slice(&answer.body)?)),
            Outcome::Refused(problem) => {
                if self.json {
                    say_json(&serde_json::from_slice(&problem.to_json())?);
                } else {
                    let mend = problem.mend.unwrap_or_default();
                    say(&format!("refused  {}", problem.detail.unwrap_or(problem.title)));
                    say(&format!("         {mend}"));
                }
                Ok(Heard::Ended(ExitCode::from(EXIT_REFUSED)))
            }
            Outcome::NotDone(reason) => bail!("not done: {reason}"),
            Outcome::Unknown(reason) => {
                tell(&format!("nobody knows whether it was done; ask again: {reason}"));
                Ok(Heard::Ended(ExitCode::from(EXIT_UNKNOWN)))
            }
        }
    }
}

/// The operator's folder: as asked, or by the environment, or `./operator`.
pub(super) fn folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = asked
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("WAYLEAVE_OPERATOR").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("operator"));
    if folder.join("role.json").is_file() {
        return Ok(folder);
    }
    bail!(
        "`{}` is no operator's folder (it holds no `role.json`): name one with `--operator DIR` \
         or in WAYLEAVE_OPERATOR",
        folder.display()
    )
}

async fn fund(args: &FundArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.desk)?;
    let mut code = ExitCode::SUCCESS;
    for path in &args.files {
        let file = files::read(path)?;
        match desk.post("/v1/outside-statements", XML, file).await? {
            Heard::Told(told) if desk.json => say_json(&told),
            Heard::Told(told) => show_verdict(path, &told),
            Heard::Ended(ended) => code = ended,
        }
    }
    Ok(code)
}

async fn outside(args: &DeskArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(args)?;
    let told = match desk.send(Outgoing::get("/v1/outside-accounts")).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    if desk.json {
        say_json(&told);
        return Ok(ExitCode::SUCCESS);
    }
    for account in rows(&told, "accounts") {
        let word = |key| text(account, key);
        say(&format!("{}  account {} at {}", word("asset"), word("account"), word("servicer")));
        let (came_in, went_out) = (word("came_in"), word("went_out"));
        say(&format!("  in {came_in}  out {went_out}  owed {}", word("owed")));
        for item in rows(account, "suspense") {
            let word = |key| text(item, key);
            say(&format!(
                "  {}  {}  {}  owner {}, {} days\n    line {}",
                word("state"),
                word("amount"),
                word("reference"),
                word("owner"),
                word("age_days"),
                word("line")
            ));
        }
        rows(account, "breaks").iter().for_each(show_break);
        say(&format!("  defunding {}", word("defunding")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn suspense(args: &DeskArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(args)?;
    let told = match desk.send(Outgoing::get("/v1/suspense")).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    if desk.json {
        rows(&told, "items").iter().for_each(say_json);
        return Ok(ExitCode::SUCCESS);
    }
    for item in rows(&told, "items") {
        let word = |key| text(item, key);
        let (amount, reference) = (word("amount"), word("reference"));
        say(&format!("{}  {amount}  {reference}  {}", word("age"), word("state")));
        say(&format!("  owner {}, since {}", word("owner"), word("since")));
        say(&format!("  line {}", word("line")));
    }
    for sum in rows(&told, "ages") {
        let word = |key| text(sum, key);
        say(&format!("{}  {} items  {}", word("age"), word("items"), word("amount")));
    }
    if rows(&told, "items").is_empty() {
        say("nothing is in suspense");
    }
    Ok(ExitCode::SUCCESS)
}

async fn alerts(args: &DeskArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(args)?;
    let told = match desk.send(Outgoing::get("/v1/alerts")).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    // What is young waits as it should; seconds without witnesses are normal.
    let calm = |key: &str, value: &Value| match value {
        Value::Array(rows) => rows.is_empty(),
        Value::Bool(is_loud) => !is_loud,
        Value::Object(_) => ["over_7d", "over_1d", "under_1d"]
            .iter()
            .filter(|age| key != "suspense" || **age != "under_1d")
            .all(|age| value.get(age).is_none_or(|count| *count == 0)),
        other => other.as_u64().is_none_or(|count| match key {
            "unwitnessed_facts" => true,
            "witness_quorum_age_seconds" => count < 10,
            _ => count == 0,
        }),
    };
    let fields = told.as_object().context("an object")?;
    let loud: Vec<_> = fields.iter().filter(|(key, value)| !calm(key, value)).collect();
    if desk.json {
        say_json(&told);
    } else if loud.is_empty() {
        say("nothing to look at");
    } else {
        loud.iter().for_each(|(key, value)| say(&format!("{key}  {value}")));
    }
    Ok(if loud.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

async fn assign(act: &str, args: &AssignArgs) -> anyhow::Result<ExitCode> {
    let participant = args.participant.to_string();
    let body = json!({ "act": act, "participant": participant, "reason": args.reason });
    resolve(&args.desk, &args.line.to_string(), &body).await
}

async fn give_back(args: &ReturnArgs) -> anyhow::Result<ExitCode> {
    let body = json!({ "act": "return", "participant": null, "reason": args.reason });
    resolve(&args.desk, &args.line.to_string(), &body).await
}

async fn resolve(args: &DeskArgs, line: &str, body: &Value) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(args)?;
    let target = format!("/v1/outside-lines/{line}/resolution");
    match desk.post(&target, api::wire::JSON, serde_json::to_vec(body)?).await? {
        Heard::Told(told) if desk.json => say_json(&told),
        Heard::Told(told) => {
            let done = told.get("resolution").and_then(Value::as_object);
            let done = done.and_then(|done| done.iter().next());
            let words = done.map_or_else(String::new, |(what, whom)| {
                format!("{}  {}", what.replace('_', " "), whom.as_str().unwrap_or_default())
            });
            say(&format!("{words}  position {}", text(&told, "position")));
        }
        Heard::Ended(code) => return Ok(code),
    }
    Ok(ExitCode::SUCCESS)
}

fn show_verdict(path: &Path, told: &Value) {
    let lines = rows(told, "lines");
    say(&format!(
        "taken  {}  message {}  {} booked lines, {} left aside",
        path.display(),
        text(told, "message_id"),
        lines.len(),
        text(told, "left_aside")
    ));
    for line in lines {
        let word = |key| text(line, key);
        let mut shown = format!(
            "  {}  {} {}  {}",
            word("reference"),
            word("side"),
            word("amount"),
            word("outcome")
        );
        for key in ["participant", "customer", "customer_credit", "detail"] {
            if line.get(key).is_some_and(|value| !value.is_null()) {
                shown.push_str(&format!("  {}", word(key)));
            }
        }
        if word("counted") == "before" {
            shown.push_str("  (counted before)");
        }
        say(&shown);
    }
    for one in rows(told, "own_breaks") {
        say(&format!("  the file disagrees with itself: {}", one.as_str().unwrap_or_default()));
    }
}

fn show_statement(told: &Value) {
    let word = |key| text(told, key);
    let (from, until) = (word("from"), word("until"));
    say(&format!("{}  account {}  {from} to {until}", word("asset"), word("account")));
    for which in ["opening", "closing"] {
        if let Some(balance) = told.get(which) {
            let (stated, booked) = (text(balance, "statement"), text(balance, "book"));
            say(&format!("  {which}  statement {stated}  book {booked}"));
        }
    }
    for line in rows(told, "lines") {
        let word = |key| text(line, key);
        say(&format!(
            "  {}  {}  {} {}  {}",
            word("found"),
            word("booked_on"),
            word("side"),
            word("amount"),
            word("reference")
        ));
    }
    for one in rows(told, "own_breaks") {
        say(&format!(
            "  the statement disagrees with itself: {}",
            one.as_str().unwrap_or_default()
        ));
    }
    let breaks = rows(told, "breaks");
    breaks.iter().for_each(show_break);
    say(&match breaks.len() {
        0 => "  agrees".to_owned(),
        count => format!("  {count} open: defunding of this asset is stopped"),
    });
}

fn show_break(one: &Value) {
    let word = |key| text(one, key);
    say(&format!(
        "  BREAK  {}  {} {}  {}  owner {}, {} days",
        word("kind"),
        word("side"),
        word("amount"),
        word("reference"),
        word("owner"),
        word("age_days")
    ));
}

/// An array of an answer; empty when it is not there.
pub(super) fn rows<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A field of an answer as text.
pub(super) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}
