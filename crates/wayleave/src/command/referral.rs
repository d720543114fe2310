//! `wayleave referral`: a person's word on a case is made and signed here, and sent to the edge.

use core::time::Duration;
use std::path::Path;
use std::process::ExitCode;

use admission::referrals::{Queue, Reviewer};
use anyhow::{Context, bail};
use client::Outgoing;
use record::{
    Document, ReferralAct, ReferralCase, ReferralEntry, ReferralEvent, ReferralVerdict, Signed,
    signed_digest,
};
use seal::text::from_hex;
use seal::{Digest, SigningKey, from_canonical};
use serde_json::{Value, json};
use server::keys::KeyStore;
use server::roles::edge::{Config, read_referrals};
use terms::DecisionId;
use wallet::EXIT_REFUSED;

use super::operator::{Desk, Heard, folder, online, rows, text};
use super::{say, say_json, tell};
use crate::cli::operator::DeskArgs;
use crate::cli::referral::{
    AnswerArgs, AuditArgs, CaseArgs, DecideArgs, Decided, ListArgs, ReferralCommand, SignArgs,
};

/// `wayleave referral`.
pub(crate) fn command(asked: &ReferralCommand) -> anyhow::Result<ExitCode> {
    match asked {
        ReferralCommand::List(args) => online(list(args)),
        ReferralCommand::Show(args) => online(show(args)),
        ReferralCommand::Decide(args) => online(decide(args)),
        ReferralCommand::Approve(args) => online(answer(ReferralVerdict::Approve, args)),
        ReferralCommand::Reject(args) => online(answer(ReferralVerdict::Reject, args)),
        ReferralCommand::Withdraw(args) => online(answer(ReferralVerdict::Withdraw, args)),
        ReferralCommand::Revoke(args) => online(answer(ReferralVerdict::Revoke, args)),
        ReferralCommand::Audit(args) => audit(args),
    }
}

async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open_at(&args.at.desk, &args.at.edge)?;
    let told = match desk.send(Outgoing::get("/v1/referrals")).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let open =
        |one: &&Value| ["open", "waits for a second key"].contains(&text(one, "stage").as_str());
    let waits = |one: &&Value| !args.open || open(one);
    if args.at.desk.json {
        rows(&told, "cases").iter().filter(waits).for_each(say_json);
    } else {
        rows(&told, "cases").iter().filter(waits).for_each(print);
        let (open, overdue) = (text(&told, "open"), text(&told, "overdue"));
        say(&format!("{open} open, {overdue} past their deadline"));
        say(&format!("chain  {}:{}", text(&told, "entries"), text(&told, "head")));
    }
    let late = told.get("overdue").and_then(Value::as_u64) != Some(0);
    Ok(if late { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

async fn show(args: &CaseArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open_at(&args.at.desk, &args.at.edge)?;
    let told = match asked(&desk, args.case).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    if args.at.desk.json {
        say_json(&told);
        return Ok(ExitCode::SUCCESS);
    }
    print(&told);
    let Some(evidence) = told.get("evidence").filter(|one| !one.is_null()) else {
        say("  the evidence cannot be opened any more");
        return Ok(ExitCode::SUCCESS);
    };
    for hit in rows(evidence, "hits") {
        let word = |key| text(hit, key);
        let (who, name, country) = (word("who"), word("name"), word("country"));
        say(&format!("  {who}  {name}, {country} ({})", word("identity")));
        let against = if word("contradicted") == "true" { ", country or date differ" } else { "" };
        let (list, version) = (word("list"), word("version"));
        let how = format!("{} per mille by {}{against}", word("score"), word("rule"));
        say(&format!("    like `{}` of `{list}` version {version}: {how}", word("listed")));
        let entry = hit.get("entry").cloned().unwrap_or_default();
        say(&format!("    entry  {entry}"));
        for met in rows(hit, "aligned") {
            let word = |key| text(met, key);
            say(&format!("    {} ~ {}  {}", word("party"), word("listed"), word("score")));
        }
    }
    for finding in rows(evidence, "findings") {
        let word = |key| text(finding, key);
        say(&format!("  {} = {} ({})", word("name"), word("value"), word("source")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(args: &DecideArgs) -> anyhow::Result<ExitCode> {
    let sign = &args.sign;
    let key = key_of(&sign.at.desk, &sign.who)?;
    let desk = Desk::open_at(&sign.at.desk, &sign.at.edge)?;
    let told = match asked(&desk, args.case).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let case = case_of(&told, args.case)?;
    let verdict = match args.verdict {
        Decided::Release => ReferralVerdict::Release,
        Decided::Refuse => ReferralVerdict::Refuse,
        Decided::Block => ReferralVerdict::Block,
    };
    let (amount, reasons) = (case.amount, case.reasons.join(", "));
    tell(&format!("{}: {amount} of {}, for {reasons}", verdict.as_str(), case.owner));
    let now = server::system::now();
    let release = verdict == ReferralVerdict::Release;
    let ahead = |seconds: u64| now.plus(Duration::from_secs(seconds));
    let days = args.remember.filter(|_| release);
    let act = ReferralAct {
        until: release.then(|| ahead(args.hours.saturating_mul(3_600))),
        remember_until: days.map(|days| ahead(days.saturating_mul(86_400))),
        ..blank(&case, verdict, case.digest(), sign)
    };
    send(&desk, &act, &key, sign).await
}

/// What the key signs is what the first person's own bytes say, whatever the edge says of them.
async fn answer(verdict: ReferralVerdict, args: &AnswerArgs) -> anyhow::Result<ExitCode> {
    let sign = &args.sign;
    let key = key_of(&sign.at.desk, &sign.who)?;
    let desk = Desk::open_at(&sign.at.desk, &sign.at.edge)?;
    let told = match asked(&desk, args.case).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let case = case_of(&told, args.case)?;
    let bytes = from_hex(&text(&told, "act_document")).context("nobody has said anything yet")?;
    let signed = Signed::<ReferralAct>::from_bytes(&bytes)?;
    let first = signed.read_unverified()?;
    if first.case != args.case {
        bail!("the edge showed what was said of another case: {}", first.case);
    }
    let (what, by) = (first.verdict.as_str(), text(&told, "by"));
    tell(&format!("{} of `{what}` by {by}, for: {}", verdict.as_str(), first.reason));
    let act = blank(&case, verdict, signed_digest(&signed), sign);
    send(&desk, &act, &key, sign).await
}

async fn send(
    desk: &Desk,
    act: &ReferralAct,
    key: &SigningKey,
    sign: &SignArgs,
) -> anyhow::Result<ExitCode> {
    let target = format!("/v1/referrals/{}/acts", act.case);
    let signed = Signed::sign(act, key).to_bytes();
    match desk.post(&target, api::wire::CBOR, signed).await? {
        Heard::Told(told) if sign.at.desk.json => say_json(&told),
        Heard::Told(told) => print(&told),
        Heard::Ended(code) => return Ok(code),
    }
    Ok(ExitCode::SUCCESS)
}

async fn asked(desk: &Desk, case: DecisionId) -> anyhow::Result<Heard> {
    desk.send(Outgoing::get(&format!("/v1/referrals/{case}"))).await
}

fn case_of(told: &Value, expected: DecisionId) -> anyhow::Result<ReferralCase> {
    let bytes = from_hex(&text(told, "document")).context("the case's document")?;
    let case: ReferralCase = from_canonical(&bytes).context("the case's document")?;
    if case.case != expected {
        bail!("the edge showed another case: {}", case.case);
    }
    Ok(case)
}

fn blank(
    case: &ReferralCase,
    verdict: ReferralVerdict,
    about: Digest,
    sign: &SignArgs,
) -> ReferralAct {
    ReferralAct {
        layout: 1,
        environment: case.environment,
        institution: case.institution,
        case: case.case,
        about,
        verdict,
        reason: sign.reason.clone(),
        until: None,
        remember_until: None,
        said_at: server::system::now(),
    }
}

fn print(one: &Value) {
    let word = |key| text(one, key);
    let late = if word("overdue") == "true" { "  OVERDUE" } else { "" };
    say(&format!("{}  {}{late}", word("case"), word("stage")));
    let reasons = rows(one, "reasons").iter().filter_map(Value::as_str).collect::<Vec<_>>();
    let (amount, owner) = (word("amount"), word("owner"));
    say(&format!("  {amount} of {owner}, {}, for {}", word("payment"), reasons.join(", ")));
    let (hits, keys, by) = (word("hits"), word("keys"), word("decide_by"));
    say(&format!("  {hits} hits; a release takes {keys} keys until {by}"));
    if word("verdict") != "-" {
        say(&format!("  {} by {}: {}", word("verdict"), word("by"), word("reason")));
    }
}

/// A person's key must be there: opening would draw a new one that nobody knows.
fn key_of(desk: &DeskArgs, who: &str) -> anyhow::Result<SigningKey> {
    let dir = folder(desk.operator.as_deref())?;
    let name = format!("referral-{who}");
    let path = dir.join("keys").join(format!("{name}.seed"));
    if !path.is_file() {
        bail!("there is no key of `{who}`: expected `{}`", path.display());
    }
    Ok(KeyStore::open(&dir)?.signing_key(&name)?)
}

/// What an audit found.
#[derive(Default)]
struct Found {
    entries: u64,
    head: Option<Digest>,
    open: usize,
    cases: usize,
    uses: usize,
    strangers: Vec<String>,
    wrong: Option<String>,
}

fn audit(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let entries = match read_referrals(&args.file) {
        Ok(entries) => entries,
        Err(error) => {
            return Ok(told(&Found { wrong: Some(error.to_string()), ..Found::default() }, args));
        }
    };
    let known = args.role.as_deref().map(reviewers).transpose()?;
    let mut found = walked(&entries, known.as_deref());
    if let Some(head) = &args.head
        && found.wrong.is_none()
    {
        found.wrong = before(&entries, head)?;
    }
    Ok(told(&found, args))
}

fn reviewers(path: &Path) -> anyhow::Result<Vec<Reviewer>> {
    let bytes = std::fs::read(path).with_context(|| format!("`{}`", path.display()))?;
    let config: Config = serde_json::from_slice(&bytes)?;
    Ok(config.referrals.context("`role.json` has no `referrals`")?.read_reviewers()?)
}

fn walked(entries: &[ReferralEntry], known: Option<&[Reviewer]>) -> Found {
    let mut found = Found::default();
    // Whose queue it is its first case says; all others have to say the same.
    let Some(case) = entries.iter().find_map(|entry| match &entry.event {
        ReferralEvent::Opened(case, _) => Some(case),
        ReferralEvent::Acted(..) | ReferralEvent::Used(_) | ReferralEvent::Noted(_) => None,
    }) else {
        return chained(entries);
    };
    let mut queue = Queue::new(case.environment, case.institution);
    for entry in entries {
        if let Err(refused) = queue.apply(entry) {
            found.wrong = Some(format!("entry {}: {refused}", entry.number));
            break;
        }
        match &entry.event {
            ReferralEvent::Acted(_, by, key) => {
                let is = |one: &Reviewer| one.name == *by && one.key == *key;
                if known.is_some_and(|known| !known.iter().any(is)) {
                    found.strangers.push(format!("entry {}: {by}", entry.number));
                }
            }
            ReferralEvent::Used(_) => found.uses += 1,
            ReferralEvent::Opened(..) | ReferralEvent::Noted(_) => {}
        }
    }
    let (entries, head) = queue.head();
    (found.entries, found.head) = (entries, Some(head));
    (found.open, found.cases) = (queue.open(), queue.cases().count());
    found
}

/// A chain without a case: only its links can be wrong.
fn chained(entries: &[ReferralEntry]) -> Found {
    let mut head = Digest::ZERO;
    let mut found = Found::default();
    for (number, entry) in (0_u64..).zip(entries) {
        if (entry.layout, entry.number, entry.before) != (1, number, head) {
            found.wrong = Some(format!("entry {number} does not follow the one before it"));
            break;
        }
        head = entry.digest();
        found.entries = number + 1;
    }
    found.head = Some(head);
    found
}

/// Whether the chain went through an end that is known from before.
fn before(entries: &[ReferralEntry], head: &str) -> anyhow::Result<Option<String>> {
    let (number, digest) = head.split_once(':').context("expected `--head ENTRIES:DIGEST`")?;
    let (number, digest): (usize, Digest) = (number.parse()?, digest.parse()?);
    let Some(last) = number.checked_sub(1) else { return Ok(None) };
    Ok(match entries.get(last) {
        None => Some(format!("expected {number} entries at least, got {}", entries.len())),
        Some(entry) if entry.digest() != digest => {
            Some(format!("entry {last} is another than the one that was known"))
        }
        Some(_) => None,
    })
}

fn told(found: &Found, args: &AuditArgs) -> ExitCode {
    let good = found.wrong.is_none() && found.strangers.is_empty();
    let head = found.head.map(|head| head.to_string());
    if args.json {
        say_json(&json!({
            "whole": good, "entries": found.entries, "head": head, "cases": found.cases,
            "open": found.open, "uses": found.uses, "strangers": found.strangers,
            "wrong": found.wrong,
        }));
    } else {
        let word = if good { "whole" } else { "BROKEN" };
        let (cases, open, uses) = (found.cases, found.open, found.uses);
        say(&format!("{word}  {cases} cases, {open} open, {uses} releases used"));
        say(&format!("chain  {}:{}", found.entries, head.unwrap_or_default()));
        found.strangers.iter().for_each(|one| say(&format!("  no reviewer here: {one}")));
        found.wrong.iter().for_each(|one| say(&format!("  {one}")));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) }
}
