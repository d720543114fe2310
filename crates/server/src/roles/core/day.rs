//! The close of a business day, and its files: totals, positions, general ledger, a statement for
//! each participant, suspense, breaks, and the digests of all.
//!
//! Every byte follows from the fact of the close and the entries before it, so that a second close
//! of the same day gives the same files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clearing::settlement::funding::{DayEntry, DayShown, FundingAnswer, FundingWork, News};
use clearing::{SettlementAnswer, SettlementBook, SettlementWork};
use iso20022::{
    AccountId as IsoAccount, Balance, BalanceKind, BalanceType, BankTransactionCode, Charges,
    Choice, DateOrTime, Entry, EntryStatus, Message, Money, OtherAccount, Party, ReportHeader,
    Side, Statement, StatementAccount, Statements, write,
};
use ledger::Side as EntrySide;
use record::{BusinessDayClosed, DayAccount};
use seal::digest::digest_of;
use seal::text::to_hex;
use seal::{Domain, sha256};
use serde_json::{Value, json};
use terms::{AccountId, Amount, AssetCode, BusinessDate, Minor};

use super::books::Failed;
use super::files::replace;
use super::orders::Clearing;
use super::outside::{NoVerdict, age, for_people};

/// Entries in one file of the general ledger: some 3 MB.
const LEDGER_ROWS: usize = 20_000;
/// Domain of the message ids of statements.
const STATEMENT_ID: Domain = Domain::new("wayleave/day-statement/v1");

/// A file of a close.
#[derive(Clone, Debug)]
pub struct DayFile {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// The folder of a day's files.
#[must_use]
pub fn folder(dir: &Path, date: BusinessDate) -> PathBuf {
    dir.join("days").join(date.to_string())
}

/// Closes a day, writes its files, and says what they are.
pub async fn close(
    clearing: &Clearing,
    dir: &Path,
    date: Option<BusinessDate>,
) -> Result<Value, NoVerdict> {
    let work = SettlementWork::Funding(Box::new(FundingWork::CloseDay(date)));
    let placed = clearing.books.settlement.ask(work).await?;
    let SettlementAnswer::Funding(answer) = placed.outcome else {
        return Err(Failed::Unknown.into());
    };
    let (body, news) = match *answer {
        FundingAnswer::DayClosed(body, news) => (body, news),
        FundingAnswer::Refused(rule) => return Err(NoVerdict::Refused(rule)),
        _ => return Err(Failed::Unknown.into()),
    };
    let date = body.date;
    let look = move |state: &SettlementBook| state.funding().days().shown(date);
    let shown = clearing.books.settlement.look(look).await?.outcome.ok_or(Failed::Unknown)?;
    let files = files_of(&shown).map_err(Failed::NotDone)?;
    let folder = folder(dir, date);
    for file in &files {
        replace(&folder.join(&file.name), file.text.as_bytes()).map_err(NoVerdict::NotKept)?;
    }
    Ok(told(&shown, news, &files))
}

fn told(shown: &DayShown, news: News, files: &[DayFile]) -> Value {
    let body = &shown.body;
    let assets: Vec<Value> = body
        .assets
        .iter()
        .map(|one| {
            let amount = |minor| Amount::new(minor, one.asset).for_people();
            let confirmed = signed(one.confirmed_in).saturating_sub(signed(one.confirmed_out));
            json!({
                "asset": one.asset.to_string(),
                "debits": amount(one.debits),
                "credits": amount(one.credits),
                "liabilities": amount(one.liabilities),
                "confirmed": for_people(confirmed, one.asset),
            })
        })
        .collect();
    let files: Vec<Value> = files
        .iter()
        .map(
            |file| json!({ "name": file.name, "sha256": sha256(file.text.as_bytes()).to_string() }),
        )
        .collect();
    json!({
        "date": body.date.to_string(),
        "position": shown.position.number(),
        "news": match news { News::Now => "now", News::Before => "before" },
        "assets": assets,
        "in_transit": body.in_transit.len(),
        "breaks": body.breaks.len(),
        "files": files,
    })
}

/// All files of a close, the digests last.
pub fn files_of(shown: &DayShown) -> Result<Vec<DayFile>, String> {
    let body = &shown.body;
    let mut files = vec![
        DayFile { name: "totals.csv".into(), text: totals(body) },
        DayFile { name: "accounts.csv".into(), text: accounts(body) },
        DayFile { name: "suspense.csv".into(), text: suspense(body) },
        DayFile { name: "breaks.csv".into(), text: breaks(body) },
    ];
    files.extend(general_ledger(shown));
    for account in body.accounts.iter().filter(|one| one.purpose == "settlement") {
        files.push(statement(shown, account)?);
    }
    let digests =
        files.iter().map(|file| format!("{}  {}\n", sha256(file.text.as_bytes()), file.name));
    let text = digests.collect();
    files.push(DayFile { name: "SHA256SUMS".into(), text });
    Ok(files)
}

fn totals(body: &BusinessDayClosed) -> String {
    let mut text =
        "asset,debits,credits,trial_balance,liabilities,confirmed_in,confirmed_out\n".to_owned();
    for one in &body.assets {
        let trial = signed(one.debits).saturating_sub(signed(one.credits));
        let row = [
            one.asset.to_string(),
            plain(one.debits, one.asset),
            plain(one.credits, one.asset),
            decimal(trial, one.asset),
            plain(one.liabilities, one.asset),
            plain(one.confirmed_in, one.asset),
            plain(one.confirmed_out, one.asset),
        ];
        push(&mut text, &row);
    }
    text
}

fn accounts(body: &BusinessDayClosed) -> String {
    let head = "account,owner,purpose,asset,opening,debits,credits,closing,low_water\n";
    let mut text = head.to_owned();
    for one in &body.accounts {
        let opening = opening_of(one);
        let row = [
            one.account.to_string(),
            one.owner.to_string(),
            one.purpose.clone(),
            one.asset.to_string(),
            decimal(opening, one.asset),
            plain(one.debits, one.asset),
            plain(one.credits, one.asset),
            decimal(opening.saturating_add(moved(one)), one.asset),
            plain(one.low_water, one.asset),
        ];
        push(&mut text, &row);
    }
    text
}

fn suspense(body: &BusinessDayClosed) -> String {
    let mut text = "line,asset,amount,what,since,age_days\n".to_owned();
    for one in &body.in_transit {
        let row = [
            one.line.to_string(),
            one.amount.asset.to_string(),
            plain(one.amount.minor, one.amount.asset),
            one.what.clone(),
            one.since.date().to_string(),
            age(one.since, body.closed_at).to_string(),
        ];
        push(&mut text, &row);
    }
    text
}

fn breaks(body: &BusinessDayClosed) -> String {
    let mut text = "break,asset,kind,side,amount,reference,on,owner,age_days\n".to_owned();
    for one in &body.breaks {
        let row = [
            one.id.0.to_string(),
            one.amount.asset.to_string(),
            one.kind.for_people().to_owned(),
            one.side.as_str().to_owned(),
            plain(one.amount.minor, one.amount.asset),
            one.reference.clone(),
            one.on.to_string(),
            one.owner.to_string(),
            age(one.opened_at, body.closed_at).to_string(),
        ];
        push(&mut text, &row);
    }
    text
}

/// Account by account, each entry with the balance after it, in files of [`LEDGER_ROWS`].
fn general_ledger(shown: &DayShown) -> Vec<DayFile> {
    let mut of_account: BTreeMap<AccountId, Vec<&DayEntry>> = BTreeMap::new();
    for entry in &shown.entries {
        of_account.entry(entry.account).or_default().push(entry);
    }
    let mut rows: Vec<String> = Vec::new();
    for account in &shown.body.accounts {
        let mut balance = opening_of(account);
        for entry in of_account.get(&account.account).into_iter().flatten() {
            let by = on_own_side(account, entry.side, entry.amount);
            balance = balance.saturating_add(by);
            let amount = plain(entry.amount, account.asset);
            let (debit, credit) = match entry.side {
                EntrySide::Debit => (amount, String::new()),
                EntrySide::Credit => (String::new(), amount),
            };
            let mut row = String::new();
            push(
                &mut row,
                &[
                    account.account.to_string(),
                    account.owner.to_string(),
                    account.purpose.clone(),
                    account.asset.to_string(),
                    entry.date.to_string(),
                    debit,
                    credit,
                    decimal(balance, account.asset),
                    entry.position.number().to_string(),
                    entry.transaction.to_string(),
                ],
            );
            rows.push(row);
        }
    }
    let head = "account,owner,purpose,asset,date,debit,credit,balance,position,transaction\n";
    if rows.is_empty() {
        return vec![DayFile { name: "ledger-1.csv".into(), text: head.to_owned() }];
    }
    rows.chunks(LEDGER_ROWS)
        .zip(1_u64..)
        .map(|(rows, number)| DayFile {
            name: format!("ledger-{number}.csv"),
            text: format!("{head}{}", rows.concat()),
        })
        .collect()
}

/// One participant's statement of its settlement account.
fn statement(shown: &DayShown, account: &DayAccount) -> Result<DayFile, String> {
    let words = |error: &dyn core::fmt::Display| format!("statement: {error}");
    let date = shown.body.date;
    let id = digest_of(STATEMENT_ID, &[&date.days().to_be_bytes(), &account.account.bytes()]);
    let id: String = to_hex(id.as_bytes()).chars().take(32).collect();
    let opening = opening_of(account);
    let balance = |kind, units: i128| -> Result<Balance, String> {
        Ok(Balance {
            kind: BalanceKind { code: Choice::Code(kind), subtype: None },
            amount: money(Minor::new(units.unsigned_abs()), account.asset)?,
            side: if units < 0 { Side::Debit } else { Side::Credit },
            date: DateOrTime::Date(date),
        })
    };
    let own = shown.entries.iter().filter(|entry| entry.account == account.account);
    let closed_at = shown.body.closed_at;
    let owner = account.owner.as_str().parse().map_err(|error| words(&error))?;
    let message = Message::Statements(Statements {
        header: ReportHeader {
            message_id: id.parse().map_err(|error| words(&error))?,
            created_at: closed_at.into(),
            page: None,
        },
        statements: vec![Statement {
            id: id.parse().map_err(|error| words(&error))?,
            page: None,
            electronic_sequence: None,
            legal_sequence: None,
            created_at: Some(closed_at.into()),
            period: None,
            copy: None,
            account: StatementAccount {
                id: IsoAccount::Other(OtherAccount {
                    id: to_hex(&account.account.bytes()).parse().map_err(|e| words(&e))?,
                    scheme: None,
                    issuer: None,
                }),
                currency: Some(account.asset.currency().parse().map_err(|e| words(&e))?),
                name: None,
                owner: Some(Party { name: Some(owner), ..Party::default() }),
                servicer: None,
            },
            balances: vec![
                balance(BalanceType::OpeningBooked, opening)?,
                balance(BalanceType::ClosingBooked, opening.saturating_add(moved(account)))?,
            ],
            summary: None,
            entries: own
                .map(|entry| statement_entry(entry, account.asset))
                .collect::<Result<_, String>>()?,
            additional: None,
        }],
    });
    let text = write(&message, None).map_err(|error| words(&error))?;
    let name = format!("statement-{}-{}.xml", account.owner, account.asset.currency());
    Ok(DayFile { name, text })
}

fn statement_entry(entry: &DayEntry, asset: AssetCode) -> Result<Entry, String> {
    let words = |error: &dyn core::fmt::Display| format!("statement: {error}");
    let reference = to_hex(&entry.transaction.bytes()).parse().map_err(|error| words(&error))?;
    let position = entry.position.number().to_string().parse().map_err(|error| words(&error))?;
    Ok(Entry {
        reference: Some(position),
        amount: money(entry.amount, asset)?,
        side: match entry.side {
            EntrySide::Debit => Side::Debit,
            EntrySide::Credit => Side::Credit,
        },
        reversal: None,
        status: Choice::Code(EntryStatus::Booked),
        booking_date: Some(DateOrTime::Date(entry.date)),
        value_date: Some(DateOrTime::Date(entry.date)),
        account_servicer_reference: Some(reference),
        code: BankTransactionCode::default(),
        amounts: None,
        charges: Charges::default(),
        details: vec![],
        additional: None,
    })
}

fn money(minor: Minor, asset: AssetCode) -> Result<Money, String> {
    Money::try_from(Amount::new(minor, asset)).map_err(|error| format!("statement: {error}"))
}

fn signed(minor: Minor) -> i128 {
    i128::try_from(minor.units()).unwrap_or(i128::MAX)
}

/// Control and due-from accounts grow by debits, every other one by credits.
fn on_own_side(account: &DayAccount, side: EntrySide, minor: Minor) -> i128 {
    let grows = match account.purpose.as_str() {
        "control" | "due-from" => EntrySide::Debit,
        _ => EntrySide::Credit,
    };
    if side == grows { signed(minor) } else { signed(minor).saturating_neg() }
}

fn opening_of(account: &DayAccount) -> i128 {
    on_own_side(account, EntrySide::Credit, account.credits_before).saturating_add(on_own_side(
        account,
        EntrySide::Debit,
        account.debits_before,
    ))
}

fn moved(account: &DayAccount) -> i128 {
    on_own_side(account, EntrySide::Credit, account.credits).saturating_add(on_own_side(
        account,
        EntrySide::Debit,
        account.debits,
    ))
}

fn plain(minor: Minor, asset: AssetCode) -> String {
    decimal(signed(minor), asset)
}

/// Decimal text without grouping, for machines.
fn decimal(units: i128, asset: AssetCode) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let exponent = usize::from(asset.exponent());
    let digits = units.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = exponent.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(exponent));
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A row of CSV (RFC 4180): what holds a comma or quote is quoted.
fn push(text: &mut String, fields: &[impl AsRef<str>]) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let field = field.as_ref();
        // A spreadsheet runs what begins like a formula.
        let formula = field.starts_with(['=', '+', '@']);
        if formula || field.contains([',', '"', '\n', '\r']) {
            let guard = if formula { "'" } else { "" };
            text.push_str(&format!("\"{guard}{}\"", field.replace('"', "\"\"")));
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_rows_are_for_machines() {
        let (eur, yen) = ("EUR.2@x".parse().unwrap(), "JPY.0@x".parse().unwrap());
        let told = [0, 5, 123, -1].map(|units| decimal(units, eur));
        assert_eq!(told, ["0.00", "0.05", "1.23", "-0.01"]);
        assert_eq!(decimal(1_234, yen), "1234");
        let mut text = String::new();
        push(&mut text, &["a", "b,c", "d\"e", "=1+1"]);
        assert_eq!(text, "a,\"b,c\",\"d\"\"e\",\"'=1+1\"\n");
    }
}
