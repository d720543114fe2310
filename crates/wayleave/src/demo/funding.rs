//! Money comes in: the example banks' statements, written as files into the demo's folder, posted
//! by the operator as a real one would, and compared with the book.
//!
//! The statement of the first day has a line that no notification told of: a break, which the
//! reconciliation names; counted from the statement itself, it is none any more.

use std::path::PathBuf;

use anyhow::{Context, bail};
use iso20022::{
    AccountId, Balance, BalanceKind, BalanceType, BankTransactionCode, Choice, DateOrTime, Entry,
    EntryDetails, EntryStatus, Message, Money, Notification, Notifications, OtherAccount,
    Remittance, ReportHeader, Side, Statement, StatementAccount, Statements, TransactionDetails,
    write,
};
use record::{SandboxLine, SandboxStatement, Signed};
use serde_json::Value;
use server::roles::core::OutsideEntry;
use terms::{Amount, Minor, TransactionId};

use super::onboard::Calls;
use super::screen::Screen;
use super::setup::Stage;

/// Euro of the example settlement agent.
const EUR: &str = "EUR.2@tcb-sandbox";
/// Singapore dollar of the other one.
const SGD: &str = "SGD.2@mas-sandbox";
/// The media type of files of ISO 20022.
const XML: &str = "application/xml";
/// 500,000.00 EUR: what the payer's account begins with.
const PAYER_DEPOSIT_MINOR: u128 = 50_000_000;
/// 1,000.00 SGD: what the payee's account begins with.
const PAYEE_DEPOSIT_MINOR: u128 = 100_000;
/// What the provider holds in SGD when a story begins: 60,000.00.
const PROVIDER_MINOR: u128 = 6_000_000;
/// 250.00 EUR that no notification tells of.
const UNTOLD_MINOR: u128 = 25_000;

/// Where the money of both assets lies, and who is credited by which word.
pub fn outside_accounts() -> anyhow::Result<Vec<OutsideEntry>> {
    let references = |bank: &str| {
        let own = (bank.to_uppercase(), bank.to_owned());
        [own, ("FX-DEALER".to_owned(), "fx-dealer".to_owned())].into()
    };
    Ok(vec![
        OutsideEntry {
            asset: EUR.parse()?,
            number: "NL91ABNA0417164300".into(),
            servicer: "TCBXNL2A".into(),
            references: references("bank-nl"),
        },
        OutsideEntry {
            asset: SGD.parse()?,
            number: "0170042719".into(),
            servicer: "MASXSGSG".into(),
            references: references("bank-sg"),
        },
    ])
}

/// One line of a file that an example bank would send.
struct Line {
    reference: String,
    minor: u128,
    says: String,
}

fn line(reference: &str, minor: u128, says: String) -> Line {
    Line { reference: reference.into(), minor, says }
}

/// What came in at this start.
#[derive(Clone, Debug, Default)]
pub struct Funded {
    /// Lines that were counted, over all files.
    pub lines: usize,
    /// Sums by asset, for people.
    pub sums: Vec<String>,
    /// What the first reconciliation named, if there was one.
    pub named: Option<Value>,
    /// How many breaks the last one left.
    pub left: usize,
}

/// Funds the books from files: once the deposits, at every start what the provider has paid out.
pub async fn prefund(stage: &mut Stage) -> anyhow::Result<Funded> {
    let mut funded = Funded::default();
    let first = stage.memory.provider_minor == 0;
    let mut dollars = Vec::new();
    let deposit = deposit(stage);
    if first {
        let customer = stage.account("brightwater")?;
        let euros = vec![
            line("TCB-1", deposit, format!("BANK-NL {customer}")),
            line("TCB-2", 1_000_000, "FX-DEALER".into()),
        ];
        take(stage, EUR, euros, &mut funded).await?;
        deposit_in_own_book(stage, "bank-nl", "brightwater", EUR, deposit).await?;
        let payee = stage.account("lim")?;
        dollars.push(line("MAS-1", PAYEE_DEPOSIT_MINOR, format!("BANK-SG {payee}")));
    }
    // Before the first deposit the payee has nothing.
    let had = Calls::new(stage).available("lim").await?.minor.units();
    let received = had.saturating_sub(PAYEE_DEPOSIT_MINOR);
    let held = stage.memory.provider_minor.saturating_sub(received);
    let short = PROVIDER_MINOR.saturating_mul(stage.deposits).saturating_sub(held);
    if short > 0 {
        let reference = if first { "MAS-2".to_owned() } else { message_id()? };
        dollars.push(line(&reference, short, "FX-DEALER".into()));
    }
    if !dollars.is_empty() {
        take(stage, SGD, dollars, &mut funded).await?;
    }
    if first {
        deposit_in_own_book(stage, "bank-sg", "lim", SGD, PAYEE_DEPOSIT_MINOR).await?;
    }
    if first {
        compare(stage, &mut funded).await?;
    }
    stage.memory.provider_minor += short;
    Ok(funded)
}

/// What the payer's account begins with.
const fn deposit(stage: &Stage) -> u128 {
    PAYER_DEPOSIT_MINOR.saturating_mul(stage.deposits)
}

/// A bank that keeps its own book is told by its own operator which customer a line was for: the
/// core credits customers of the books that it hosts.
async fn deposit_in_own_book(
    stage: &Stage,
    bank: &str,
    firm: &str,
    asset: &str,
    minor: u128,
) -> anyhow::Result<()> {
    let Some(keeper) = stage.own_books.of(bank) else { return Ok(()) };
    let bytes = server::system::time_ordered_bytes().map_err(|e| anyhow::anyhow!("{e}"))?;
    let line = SandboxLine {
        reference: TransactionId::from_bytes(bytes),
        book: format!("{bank}.customers").parse()?,
        account: stage.account(firm)?,
        amount: Amount::new(Minor::new(minor), asset.parse()?),
    };
    let number = format!("SANDBOX-{}", server::system::now().seconds());
    let environment = "sandbox".parse()?;
    let statement = SandboxStatement { layout: 1, environment, number, lines: vec![line] };
    let signed = Signed::sign(&statement, &stage.key("operator", "statement")?);
    let body = seal::to_canonical(&signed);
    let calls = Calls::new(stage);
    calls.post("operator", keeper, "/v1/sandbox-statements", api::wire::CBOR, body).await?;
    Ok(())
}

/// Writes a notification, and posts it.
async fn take(
    stage: &Stage,
    asset: &str,
    lines: Vec<Line>,
    funded: &mut Funded,
) -> anyhow::Result<()> {
    let total = lines.iter().map(|line| line.minor).sum();
    let message = Message::Notifications(Notifications {
        header: header()?,
        notifications: vec![Notification {
            id: message_id()?.parse()?,
            page: None,
            electronic_sequence: None,
            legal_sequence: None,
            created_at: None,
            period: None,
            copy: None,
            account: account(asset)?,
            summary: None,
            entries: lines.iter().map(|one| entry(asset, one)).collect::<Result<_, _>>()?,
            additional: None,
        }],
    });
    let word = asset.split('.').next().unwrap_or_default().to_lowercase();
    let (_, text) = keep(stage, &format!("camt.054-{word}"), &message)?;
    let verdict = post(stage, "/v1/outside-statements", text).await?;
    let told = verdict.get("lines").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let counted = told.iter().filter(|line| line.get("outcome") == Some(&"credited".into()));
    if counted.count() != lines.len() {
        bail!("the core counted something else: {verdict}");
    }
    funded.lines += lines.len();
    funded.sums.push(amount(asset, total)?);
    Ok(())
}

/// The euro statement of the day has one line more than the notification.
async fn compare(stage: &Stage, funded: &mut Funded) -> anyhow::Result<()> {
    let lines = [
        line("TCB-1", deposit(stage), "BANK-NL".into()),
        line("TCB-2", 1_000_000, "FX-DEALER".into()),
        line("TCB-3", UNTOLD_MINOR, "FX-DEALER".into()),
    ];
    let total = lines.iter().map(|line| line.minor).sum();
    let balance = |kind, minor| -> anyhow::Result<Balance> {
        Ok(Balance {
            kind: BalanceKind { code: Choice::Code(kind), subtype: None },
            amount: money(EUR, minor)?,
            side: Side::Credit,
            date: today(),
        })
    };
    let message = Message::Statements(Statements {
        header: header()?,
        statements: vec![Statement {
            id: message_id()?.parse()?,
            page: None,
            electronic_sequence: Some(1),
            legal_sequence: None,
            created_at: None,
            period: None,
            copy: None,
            account: account(EUR)?,
            balances: vec![
                balance(BalanceType::OpeningBooked, 0)?,
                balance(BalanceType::ClosingBooked, total)?,
            ],
            summary: None,
            entries: lines.iter().map(|one| entry(EUR, one)).collect::<Result<_, _>>()?,
            additional: None,
        }],
    });
    let (_, text) = keep(stage, "camt.053-eur", &message)?;
    let found = breaks(&post(stage, "/v1/reconciliations", text.clone()).await?);
    let [one] = found.as_slice() else { bail!("expected one break, got {found:?}") };
    funded.named = Some(one.clone());
    post(stage, "/v1/outside-statements", text.clone()).await?;
    funded.left = breaks(&post(stage, "/v1/reconciliations", text).await?).len();
    Ok(())
}

fn breaks(told: &Value) -> Vec<Value> {
    let found = told.pointer("/statements/0/breaks").and_then(Value::as_array);
    found.cloned().unwrap_or_default()
}

/// Tells what came in.
pub fn tell(funded: &Funded, screen: &Screen) {
    if funded.lines == 0 {
        return;
    }
    let Funded { lines, sums, named, left } = funded;
    screen.say("funded", &format!("{lines} booked lines of camt.054 files: {}", sums.join(", ")));
    let Some(named) = named else { return };
    let word = |key: &str| named.get(key).and_then(Value::as_str).unwrap_or_default();
    screen.say(
        "reconciled",
        &format!(
            "camt.053: line {}, {}, {}; counted from it, {left} left",
            word("reference"),
            word("amount"),
            word("kind"),
        ),
    );
    screen.fact("reconciled", named);
}

async fn post(stage: &Stage, target: &str, text: String) -> anyhow::Result<Value> {
    let body = Calls::new(stage).post("operator", "core", target, XML, text).await?;
    Ok(serde_json::from_slice(&body)?)
}

fn keep(stage: &Stage, name: &str, message: &Message) -> anyhow::Result<(PathBuf, String)> {
    let text = write(message, None)?;
    let folder = stage.dir.join("statements");
    std::fs::create_dir_all(&folder)?;
    let number = std::fs::read_dir(&folder)?.count() + 1;
    let path = folder.join(format!("{number}-{name}.xml"));
    std::fs::write(&path, &text).with_context(|| format!("`{}`", path.display()))?;
    Ok((path, text))
}

fn header() -> anyhow::Result<ReportHeader> {
    Ok(ReportHeader {
        message_id: message_id()?.parse()?,
        created_at: server::system::now().into(),
        page: None,
    })
}

/// 32 hex digits that no other message of ours has.
fn message_id() -> anyhow::Result<String> {
    let bytes = server::system::time_ordered_bytes().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(seal::text::to_hex(&bytes))
}

fn account(asset: &str) -> anyhow::Result<StatementAccount> {
    let all = outside_accounts()?;
    let known = all.iter().find(|one| one.asset.as_str() == asset).context("an asset")?;
    let id = match known.number.parse() {
        Ok(iban) => AccountId::Iban(iban),
        Err(_) => {
            AccountId::Other(OtherAccount { id: known.number.parse()?, scheme: None, issuer: None })
        }
    };
    let bic: iso20022::Bic = known.servicer.parse()?;
    Ok(StatementAccount {
        id,
        currency: Some(known.asset.currency().parse()?),
        name: None,
        owner: None,
        servicer: Some(bic.into()),
    })
}

fn entry(asset: &str, line: &Line) -> anyhow::Result<Entry> {
    let remittance = Remittance { unstructured: vec![line.says.parse()?], ..Remittance::default() };
    let details =
        TransactionDetails { remittance: Some(remittance), ..TransactionDetails::default() };
    Ok(Entry {
        reference: None,
        amount: money(asset, line.minor)?,
        side: Side::Credit,
        reversal: None,
        status: Choice::Code(EntryStatus::Booked),
        booking_date: Some(today()),
        value_date: Some(today()),
        account_servicer_reference: Some(line.reference.parse()?),
        code: BankTransactionCode::default(),
        amounts: None,
        charges: iso20022::Charges::default(),
        details: vec![EntryDetails { batch: None, transactions: vec![details] }],
        additional: None,
    })
}

fn today() -> DateOrTime {
    DateOrTime::Date(server::system::now().date())
}

fn money(asset: &str, minor: u128) -> anyhow::Result<Money> {
    Ok(Money::try_from(Amount::new(Minor::new(minor), asset.parse()?))?)
}

fn amount(asset: &str, minor: u128) -> anyhow::Result<String> {
    Ok(Amount::new(Minor::new(minor), asset.parse()?).for_people())
}
