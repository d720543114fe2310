//! Money outside: files of statements taken, kept and booked; statements compared; lines that a
//! person must deal with.
//!
//! A file is on disk, under its digest, before it is judged, and its verdict is written beside it
//! after. A crash in between leaves a file that is judged again when it is sent again, or lines
//! that [`resume`] counts at the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearing::customers::CustomerFunding;
use clearing::rule::RuleName;
use clearing::settlement::funding::{
    FileClaim, FundingAnswer, FundingWork, LineClaim, LineStanding, News, Reconciled,
};
use clearing::{
    CustomerAnswer, CustomerWork, Rule, SettlementAnswer, SettlementBook, SettlementWork,
};
use record::{Break, LineId, LineOutcome};
use seal::{Digest, sha256};
use serde_json::{Value, json};
use terms::{Amount, AssetCode, Instant, Minor, Position};
use tokio::task::JoinSet;

use super::books::Failed;
use super::config::Config;
use super::customers::CustomersPort;
use super::files::replace;
use super::orders::Clearing;
use crate::roles::RoleError;
use crate::system;

/// Lines that are in the writer's queue at once: a batch takes many.
const LINES_AT_ONCE: usize = 64;

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum NoVerdict {
    /// A rule says no.
    #[error("{0}")]
    Refused(Rule),
    /// The disk failed.
    #[error("the file could not be kept: {0}")]
    NotKept(std::io::Error),
    /// The books failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// The folder of files of statements: `DIGEST.xml` as it came, `DIGEST.json` its verdict.
#[derive(Clone, Debug)]
pub struct StatementFolder(PathBuf);

impl StatementFolder {
    /// Below the core's own folder.
    #[must_use]
    pub fn below(dir: &Path) -> Self {
        Self(dir.join("statements"))
    }

    fn file(&self, digest: Digest) -> PathBuf {
        self.0.join(format!("{digest}.xml"))
    }

    /// Keeps the bytes, durably, once.
    fn keep(&self, digest: Digest, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.file(digest);
        if std::fs::read(&path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        replace(&path, bytes)
    }

    fn judge(&self, digest: Digest, verdict: &Value) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(verdict).map_err(std::io::Error::other)?;
        replace(&self.0.join(format!("{digest}.json")), &text)
    }
}

async fn ask(
    clearing: &Clearing,
    work: FundingWork,
) -> Result<(FundingAnswer, Position), NoVerdict> {
    let placed = clearing.books.settlement.ask(SettlementWork::Funding(Box::new(work))).await?;
    match placed.outcome {
        SettlementAnswer::Funding(answer) => match *answer {
            FundingAnswer::Refused(rule) => Err(NoVerdict::Refused(rule)),
            answer => Ok((answer, placed.position)),
        },
        other => Err(Failed::NotDone(format!("the book answers something else: {other:?}")).into()),
    }
}

/// Says to the book where each asset's money lies, as the configuration has it.
pub async fn name_accounts(clearing: &Clearing, config: &Config) -> Result<(), RoleError> {
    for account in config.outside().map_err(RoleError::Unsound)? {
        let asset = account.asset;
        ask(clearing, FundingWork::NameAccount(account)).await.map_err(|error| {
            RoleError::Unsound(format!("the outside account of `{asset}`: {error}"))
        })?;
    }
    Ok(())
}

/// Takes a file: keeps it, judges it, counts its lines, writes its verdict. The same bytes again
/// give the same verdict, and count nothing twice.
pub async fn take(
    clearing: &Arc<Clearing>,
    folder: &StatementFolder,
    bytes: &[u8],
) -> Result<Value, NoVerdict> {
    let digest = sha256(bytes);
    folder.keep(digest, bytes).map_err(NoVerdict::NotKept)?;
    let taken = book(clearing, bytes, digest).await;
    let verdict = match &taken {
        Ok(verdict) => verdict.clone(),
        Err(NoVerdict::Refused(rule)) => json!({
            "file": digest.to_string(),
            "accepted": false,
            "rule": rule.name.as_str(),
            "iso_20022": rule.name.iso_20022(),
            "detail": rule.detail,
            "mend": rule.name.for_people(),
        }),
        Err(NoVerdict::NotKept(_) | NoVerdict::Failed(_)) => return taken,
    };
    folder.judge(digest, &verdict).map_err(NoVerdict::NotKept)?;
    taken
}

async fn book(clearing: &Arc<Clearing>, bytes: &[u8], digest: Digest) -> Result<Value, NoVerdict> {
    let claim = read(bytes, digest).map_err(NoVerdict::Refused)?;
    let judged = FundingWork::JudgeFile(claim.clone());
    let (FundingAnswer::Taken { assets, .. }, _) = ask(clearing, judged).await? else {
        return Err(Failed::Unknown.into());
    };
    let mut lines = Vec::new();
    let (mut left_aside, mut own_breaks) = (0_usize, Vec::new());
    for (asset, report) in assets.into_iter().zip(claim.reports) {
        left_aside = left_aside.saturating_add(report.left_aside);
        own_breaks.extend(report.own_breaks);
        lines.extend(report.lines.into_iter().map(|line| (asset, line)));
    }
    let booked = book_lines(clearing, digest, lines).await?;
    Ok(json!({
        "file": digest.to_string(),
        "accepted": true,
        "message_id": claim.message_id,
        "lines": booked,
        "left_aside": left_aside,
        "own_breaks": own_breaks,
    }))
}

/// Bytes of whoever to a claim. What does not read is refused by its rule of reading.
pub fn read(bytes: &[u8], digest: Digest) -> Result<FileClaim, Rule> {
    let incoming = iso20022::read(bytes)
        .map_err(|error| Rule::new(RuleName::StatementUnreadable, error.to_string()))?;
    FileClaim::of(&incoming, digest)
}

/// Counts lines, some at once; their words come back in the file's order.
async fn book_lines(
    clearing: &Arc<Clearing>,
    file: Digest,
    lines: Vec<(AssetCode, LineClaim)>,
) -> Result<Vec<Value>, NoVerdict> {
    let mut booked: Vec<(usize, Value)> = Vec::new();
    let mut running = JoinSet::new();
    let mut waiting = lines.into_iter().enumerate();
    loop {
        while running.len() < LINES_AT_ONCE
            && let Some((at, (asset, claim))) = waiting.next()
        {
            let clearing = Arc::clone(clearing);
            running.spawn(async move { (at, book_line(&clearing, file, asset, claim).await) });
        }
        match running.join_next().await {
            Some(Ok((at, line))) => booked.push((at, line?)),
            Some(Err(_)) => return Err(Failed::Unknown.into()),
            None => break,
        }
    }
    booked.sort_by_key(|(at, _)| *at);
    Ok(booked.into_iter().map(|(_, line)| line).collect())
}

async fn book_line(
    clearing: &Clearing,
    file: Digest,
    asset: AssetCode,
    claim: LineClaim,
) -> Result<Value, NoVerdict> {
    let mut shown = json!({
        "reference": claim.reference,
        "amount": Amount::new(claim.money.minor(), asset).for_people(),
        "side": claim.side.as_str(),
    });
    let amount = Amount::new(claim.money.minor(), asset);
    // Whoever compares the mirrors sees a line in both books or in none.
    let mut nobody_compares = Vec::new();
    for port in clearing.books.customers.values().filter(|port| port.hosted().is_some()) {
        nobody_compares.push(port.steps.read().await);
    }
    let answer = ask(clearing, FundingWork::BookLine { file, asset, claim }).await;
    let more = match answer {
        Ok((FundingAnswer::Line { line, outcome, news, position }, now)) => {
            let position = position.unwrap_or(now);
            let customer = credit(clearing, line, &outcome, amount, position).await?;
            line_words(line, &outcome, news, position, customer)
        }
        Ok(_) => return Err(Failed::Unknown.into()),
        Err(NoVerdict::Refused(rule)) => json!({
            "outcome": "not counted",
            "rule": rule.name.as_str(),
            "detail": rule.detail,
        }),
        Err(other) => return Err(other),
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    Ok(shown)
}

fn line_words(
    line: LineId,
    outcome: &LineOutcome,
    news: News,
    position: Position,
    customer: Option<&'static str>,
) -> Value {
    let mut words = json!({
        "line": line.to_string(),
        "position": position.number(),
        "counted": match news { News::Now => "now", News::Before => "before" },
    });
    let more = match outcome {
        LineOutcome::Credited { participant, account, customer: named } => json!({
            "outcome": "credited",
            "participant": participant.to_string(),
            "account": account.to_string(),
            "customer": named.map(|account| account.to_string()),
            "customer_credit": customer,
        }),
        LineOutcome::Suspense(why) => json!({
            "outcome": "in suspense", "detail": why.for_people(),
        }),
        LineOutcome::Confirmed { of } => json!({ "outcome": "confirmed", "detail": of }),
        LineOutcome::Unmatched => json!({
            "outcome": "break", "detail": record::BreakKind::DebitUnmatched.for_people(),
        }),
    };
    if let (Value::Object(words), Value::Object(more)) = (&mut words, more) {
        words.extend(more);
    }
    words
}

/// Credits the customer that a line names, in its institution's own book, once.
async fn credit(
    clearing: &Clearing,
    line: LineId,
    outcome: &LineOutcome,
    amount: Amount,
    settled: Position,
) -> Result<Option<&'static str>, NoVerdict> {
    let LineOutcome::Credited { participant, customer: Some(account), .. } = outcome else {
        return Ok(None);
    };
    let port = clearing.books.customers.get(participant);
    let Some(book) = port.and_then(CustomersPort::hosted) else {
        return Ok(Some("the participant keeps its own book"));
    };
    let asked = CustomerFunding { line, settled, account: *account, amount };
    match book.ask(CustomerWork::Fund(asked)).await?.outcome {
        CustomerAnswer::Refused(rule) => {
            tracing::error!(%line, %rule, "a customer was not credited: a person must look");
            Ok(Some("refused: a person must look"))
        }
        _ => {
            let credited = book.look(move |state| state.funded(line)).await?.outcome;
            let named = credited == Some(*account);
            Ok(Some(if named { "credited" } else { "in the institution's suspense" }))
        }
    }
}

/// At the start: counts lines of files that were taken when the core stopped, and credits
/// customers whose institution was credited.
pub async fn resume(clearing: &Arc<Clearing>, folder: &StatementFolder) -> Result<(), NoVerdict> {
    let open = |state: &SettlementBook| {
        state.funding().unfinished().map(|file| file.digest).collect::<Vec<_>>()
    };
    for digest in clearing.books.settlement.look(open).await?.outcome {
        match std::fs::read(folder.file(digest)) {
            // What a rule refuses now, such as a line with two amounts, keeps no core from serving.
            Ok(bytes) if sha256(&bytes) == digest => match take(clearing, folder, &bytes).await {
                Ok(_) => {}
                Err(NoVerdict::Failed(failed)) => return Err(failed.into()),
                Err(error) => tracing::error!(%digest, %error, "a file stays unfinished"),
            },
            Ok(_) | Err(_) => {
                tracing::error!(%digest, "a file that was taken is not there: send it again");
            }
        }
    }
    let named = |state: &SettlementBook| {
        state.funding().customers_lines().map(|(entry, ..)| entry.clone()).collect::<Vec<_>>()
    };
    for entry in clearing.books.settlement.look(named).await?.outcome {
        let line = &entry.line;
        credit(clearing, line.line, &entry.outcome, line.amount, entry.position).await?;
    }
    Ok(())
}

/// Compares statements with the book.
pub async fn reconcile(clearing: &Clearing, bytes: &[u8]) -> Result<Value, NoVerdict> {
    let claim = read(bytes, sha256(bytes)).map_err(NoVerdict::Refused)?;
    if claim.kind != record::FileKind::Statement {
        let detail = "a notification has no balances: expected camt.053";
        return Err(NoVerdict::Refused(Rule::new(RuleName::StatementUnreadable, detail)));
    }
    let work = FundingWork::Reconcile { file: claim.digest, reports: claim.reports };
    let (FundingAnswer::Reconciled(all), _) = ask(clearing, work).await? else {
        return Err(Failed::Unknown.into());
    };
    let now = system::now();
    let told: Vec<Value> = all.iter().map(|one| reconciled_words(one, now)).collect();
    Ok(json!({ "file": claim.digest.to_string(), "statements": told }))
}

/// A person's word on an open line.
pub async fn resolve(clearing: &Clearing, work: FundingWork) -> Result<Value, NoVerdict> {
    match ask(clearing, work).await? {
        (FundingAnswer::Resolved(resolution), position) => {
            let told = match resolution {
                record::Resolution::Released { participant, .. } => {
                    json!({ "released_to": participant.to_string() })
                }
                record::Resolution::ReturnOrdered { reference } => {
                    json!({ "return_reference": reference })
                }
                record::Resolution::Charged { bearer, .. } => {
                    json!({ "charged_to": bearer.to_string() })
                }
            };
            Ok(json!({ "position": position.number(), "resolution": told }))
        }
        _ => Err(Failed::Unknown.into()),
    }
}

/// Each outside account: what is confirmed and owed, what waits, what does not agree.
pub async fn overview(clearing: &Clearing) -> Result<Value, NoVerdict> {
    let now = system::now();
    let look = move |state: &SettlementBook| {
        let accounts = state.funding().accounts().map(|account| {
            let asset = account.asset;
            let confirmed = state.funding().confirmed(asset, state.business_date(now));
            let owed = state.ledger().balances(account.control).map_or(Minor::ZERO, |sums| {
                sums.debits_posted.minus(sums.credits_posted).unwrap_or(Minor::ZERO)
            });
            let moving = state.sum_in_transit(asset);
            let amount = |minor| Amount::new(minor, asset).for_people();
            let waits = state.funding().suspense().filter(|entry| entry.line.amount.asset == asset);
            let waits: Vec<Value> = waits
                .map(|entry| {
                    json!({
                        "line": entry.line.line.to_string(),
                        "reference": entry.line.reference,
                        "amount": entry.line.amount.for_people(),
                        "owner": account.owner.to_string(),
                        "age_days": age(entry.booked_at, now),
                        "state": match &entry.standing {
                            LineStanding::ReturnOrdered(word) => format!("return ordered: {word}"),
                            _ => "in suspense".to_owned(),
                        },
                    })
                })
                .collect();
            let breaks: Vec<Value> =
                state.funding().breaks(asset).map(|one| break_words(one, now)).collect();
            json!({
                "asset": asset.to_string(),
                "account": account.number,
                "servicer": account.servicer,
                "came_in": amount(confirmed.came_in),
                "went_out": amount(confirmed.went_out),
                "owed": amount(owed),
                "in_transit": amount(moving),
                "covered": owed.plus(moving).ok() == confirmed.owed(),
                "suspense": waits,
                "breaks": breaks,
                "defunding": if breaks.is_empty() { "open" } else { "stopped by a break" },
            })
        });
        json!({ "accounts": accounts.collect::<Vec<_>>() })
    };
    Ok(clearing.books.settlement.look(look).await?.outcome)
}

fn reconciled_words(told: &Reconciled, now: Instant) -> Value {
    let asset = told.asset;
    let lines: Vec<Value> = told
        .lines
        .iter()
        .map(|line| {
            json!({
                "reference": line.reference,
                "amount": line.amount.for_people(),
                "side": line.side.as_str(),
                "booked_on": line.booked_on.to_string(),
                "found": line.found.for_people(),
                "participant": line.participant.map(|one| one.to_string()),
                "age_days": line.counted_at.map(|at| age(at, now)),
            })
        })
        .collect();
    json!({
        "asset": asset.to_string(),
        "account": told.number,
        "from": told.from.to_string(),
        "until": told.until.to_string(),
        "opening": balances(told.opening_told, told.opening_booked, asset),
        "closing": balances(told.closing_told, told.closing_booked, asset),
        "lines": lines,
        "breaks": told.breaks.iter().map(|one| break_words(one, now)).collect::<Vec<_>>(),
        "own_breaks": told.own_breaks,
    })
}

fn balances(told: Option<i128>, booked: i128, asset: AssetCode) -> Value {
    let told = told.map(|told| for_people(told, asset));
    json!({ "statement": told, "book": for_people(booked, asset) })
}

/// An amount of either sign.
#[must_use]
pub fn for_people(units: i128, asset: AssetCode) -> String {
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}", Amount::new(Minor::new(units.unsigned_abs()), asset).for_people())
}

/// A break as it is told.
pub fn break_words(one: &Break, now: Instant) -> Value {
    json!({
        "break": one.id.0.to_string(),
        "kind": one.kind.for_people(),
        "amount": one.amount.for_people(),
        "side": one.side.as_str(),
        "reference": one.reference,
        "on": one.on.to_string(),
        "owner": one.owner.to_string(),
        "age_days": age(one.opened_at, now),
        "line": one.line.map(|line| line.to_string()),
    })
}

/// Whole days since.
#[must_use]
pub fn age(since: Instant, now: Instant) -> u64 {
    now.since(since).as_secs() / 86_400
}
