//! What became of a command, for people, for programs, and as an exit code.

use std::process::ExitCode;

use ledger::Account;
use serde_json::{Value, json};
use terms::{AccountId, AssetCode, Minor, Position};
use wallet::{EXIT_REFUSED, EXIT_UNKNOWN};
use wire::outcome::Coded;
use wire::results::{Balance, Item, Quantity, Status, Subject};
use wire::{Field, Rule};

use super::money::{balance, decimal, grouped};
use super::session::{Sent, Session};
use super::words;
use crate::command::{say, say_json};

/// Surely nothing was done.
pub(super) const EXIT_NOT_DONE: u8 = 5;

/// How something ended, from the best to the worst that may stand for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// Done, now or before.
    Done,
    /// A rule said no.
    Refused,
    /// Surely nothing was done.
    NotDone,
    /// It may have been done.
    Unknown,
}

impl Ending {
    /// The exit code that says it.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => EXIT_REFUSED,
            Self::NotDone => EXIT_NOT_DONE,
            Self::Unknown => EXIT_UNKNOWN,
        }
    }
}

/// What became of one command.
pub(super) struct Report {
    pub(super) ending: Ending,
    pub(super) status: &'static str,
    rule: Option<String>,
    field: Option<String>,
    words: Option<String>,
    mend: Option<String>,
    place: Option<(Position, terms::Instant)>,
    balances: Vec<Balance>,
}

impl Report {
    fn of(ending: Ending, status: &'static str, words: Option<String>) -> Self {
        let (rule, field, mend, place) = (None, None, None, None);
        Self { ending, status, rule, field, words, mend, place, balances: Vec::new() }
    }

    /// Of what was sent on its own.
    pub(super) fn of_sent(session: &mut Session, sent: Sent) -> Self {
        match sent {
            Sent::Item(item, balances) => Self { balances, ..Self::of_item(session, &item) },
            Sent::Refused(words) => Self::of(Ending::Refused, "refused", Some(words)),
            Sent::NotDone(words) => Self::of(Ending::NotDone, "not_done", Some(words)),
            Sent::Unknown(words) => Self::of(Ending::Unknown, "unknown", Some(words)),
        }
    }

    /// A refusal that is certain before anything is sent.
    pub(super) fn refused(rule: Rule, words: String) -> Self {
        let report = Self::of(Ending::Refused, "refused", Some(words));
        Self { rule: Some(rule.name().into()), mend: mend(rule), ..report }
    }

    /// Of one item of many.
    pub(super) fn of_item(session: &mut Session, item: &Item) -> Self {
        let ending = match item.status {
            Status::Done | Status::Repeated | Status::Passes => Ending::Done,
            Status::Refused | Status::Conflict => Ending::Refused,
            Status::NotDone | Status::Absent => Ending::NotDone,
            Status::Unknown => Ending::Unknown,
        };
        let recorded = matches!(item.status, Status::Done | Status::Repeated);
        // An account's opening is not looked up again: it has no position then.
        let recorded = recorded && item.stamp != terms::Instant::EPOCH;
        let field = item.field.map(|field| {
            Field::from_code(field).map_or_else(|| format!("field {field}"), |f| f.name().into())
        });
        let mut report = Self::of(ending, item.status.name(), None);
        report.place = recorded.then_some((item.position, item.stamp));
        match item.rule {
            Some(Coded::Known(rule)) => {
                report.rule = Some(rule.name().into());
                report.words = Some(in_words(session, rule, item));
                report.mend = mend(rule);
            }
            Some(later @ Coded::Later(_)) => report.words = Some(later.to_string()),
            None if item.status == Status::Conflict => {
                let differs = field.as_deref().unwrap_or("content");
                report.words =
                    Some(format!("the id was used before with other content: `{differs}` differs"));
                report.mend = Some("use a new id, or repeat exactly what was asked first".into());
            }
            None if ending == Ending::Done => {}
            None => report.words = Some(item.status.says().into()),
        }
        report.field = field;
        report
    }

    /// As fields of a JSON object, after those that are there.
    pub(super) fn json(&self, session: &mut Session, mut object: Value) -> Value {
        let balances: Vec<Value> =
            self.balances.iter().map(|one| balance_json(session, one)).collect();
        let Some(fields) = object.as_object_mut() else { return object };
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                fields.insert(name.into(), value);
            }
        };
        put("status", json!(self.status));
        put("position", json!(self.place.map(|(position, _)| position.number())));
        put("stamp", json!(self.place.map(|(_, stamp)| stamp.to_string())));
        put("rule", json!(self.rule));
        let rule = self.rule.as_deref().and_then(Rule::named);
        put("may_retry", json!(rule.map(Rule::may_retry_help)));
        put("field", json!(self.field));
        put("words", json!(self.words));
        put("mend", json!(self.mend));
        if !balances.is_empty() {
            put("balances", json!(balances));
        }
        object
    }

    /// One line, and what the accounts hold afterwards below it.
    pub(super) fn text(&self, session: &mut Session, what: &str) -> String {
        let mut line = format!("{:<9} {what}", self.status);
        if let Some((position, stamp)) = self.place {
            line = format!("{line}   position {}   {stamp}", position.number());
        }
        let mut lines = vec![line];
        let words = self.words.iter().map(|words| match &self.rule {
            Some(rule) => format!("{rule}: {words}"),
            None => words.clone(),
        });
        let more = words.chain(self.mend.clone());
        lines.extend(more.map(|words| format!("          {words}")));
        let rows: Vec<Vec<String>> =
            self.balances.iter().map(|one| balance_row(session, one)).collect();
        let rows = words::table(&rows, &[1]);
        lines.extend(rows.lines().map(|row| format!("          {row}")));
        lines.join("\n")
    }

    /// Prints it in the asked form.
    pub(super) fn show(&self, session: &mut Session, what: &str, about: Value) -> ExitCode {
        if session.json {
            let object = self.json(session, about);
            say_json(&object);
        } else {
            let text = self.text(session, what);
            say(&text);
        }
        ExitCode::from(self.ending.code())
    }
}

/// What an account is measured in: asked for, because results carry bare numbers.
fn known(session: &mut Session, account: AccountId) -> Option<Account> {
    session.account(account).ok().flatten()
}

fn balance_json(session: &mut Session, of: &Balance) -> Value {
    let name = session.names.of(of.account).map(str::to_owned);
    let Some(account) = known(session, of.account) else {
        return json!({ "account": of.account.to_string(), "name": name });
    };
    let asset = account.opening().asset;
    let signed = signed(&account, of.debits_posted, of.credits_posted, decimal);
    json!({
        "account": of.account.to_string(),
        "name": name,
        "asset": asset.to_string(),
        "balance": signed,
        "available": of.available.map(|available| decimal(available, asset)),
        "debits_pending": decimal(of.debits_pending, asset),
        "credits_pending": decimal(of.credits_pending, asset),
    })
}

fn balance_row(session: &mut Session, of: &Balance) -> Vec<String> {
    let shown = session.names.shown(of.account);
    let Some(account) = known(session, of.account) else { return vec![shown] };
    let asset = account.opening().asset;
    let signed = signed(&account, of.debits_posted, of.credits_posted, grouped);
    let available = match of.available {
        Some(available) => format!("available {}", grouped(available, asset)),
        None => "no floor".into(),
    };
    vec![shown, signed, asset.currency().into(), available]
}

/// A balance with its sign.
pub(super) fn signed(
    account: &Account,
    debits: Minor,
    credits: Minor,
    shown: impl Fn(Minor, AssetCode) -> String,
) -> String {
    let (less, amount) = balance(account.opening().normal, debits, credits);
    let text = shown(amount, account.opening().asset);
    if less { format!("-{text}") } else { text }
}

/// A refusal in words, amounts in the account's asset.
fn in_words(session: &mut Session, rule: Rule, item: &Item) -> String {
    let Some(detail) = item.detail else { return rule.says().into() };
    if detail.subject != Subject::Account {
        return format!("{}: {detail}", rule.says());
    }
    let id = AccountId::from_bytes(detail.id);
    let shown = session.names.shown(id);
    let account = known(session, id).filter(|_| detail.quantity == Quantity::Amount);
    let Some(account) = account else { return format!("{}: `{shown}`", rule.says()) };
    let asset = account.opening().asset;
    let amount = |units| terms::Amount::new(Minor::new(units), asset).for_people();
    let (expected, got) = (amount(detail.expected), amount(detail.got));
    if rule == Rule::InsufficientFunds {
        return format!("`{shown}` has {got} available, {expected} would leave");
    }
    format!("{}: `{shown}`, expected `{expected}`, got `{got}`", rule.says())
}

/// What to do about a refusal, where one thing is to be done.
fn mend(rule: Rule) -> Option<String> {
    let words = match rule {
        Rule::UnknownAccount => "open it with `wayleave ledger account open`",
        Rule::UnknownHold => "check its id; `wayleave ledger find` tells what became of one",
        Rule::InsufficientFunds => {
            "credit it or raise its overdraft (`account limits`), then post anew: the id is used up"
        }
        Rule::CeilingExceeded => "raise its ceiling with `wayleave ledger account limits`",
        Rule::AccountFrozen => "thaw it with `wayleave ledger account freeze ACCOUNT nothing`",
        Rule::EvidenceRequired => "name it with `--not-done WHO --document FILE`",
        Rule::AccountNotEmpty => "move its balance away and end its holds first",
        Rule::IdUsedWithOtherContent => "use a new id, or repeat exactly what was asked first",
        _ => return None,
    };
    Some(words.into())
}

impl Report {
    /// As the answer to a question: it was asked for, not done again.
    pub(super) fn looked_up(mut self) -> Self {
        if self.status == Status::Repeated.name() {
            self.status = Status::Done.name();
        }
        self
    }

    /// Leaves the balances out.
    pub(super) fn without_balances(&mut self) {
        self.balances.clear();
    }
}

impl Report {
    /// A row that cannot be read: nothing of it was sent, and it will not be read again either.
    pub(super) fn refused_row(words: String) -> Self {
        Self::of(Ending::Refused, "malformed", Some(words))
    }
}
