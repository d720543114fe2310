//! A message of ISO 20022 as a claim: what the machine judges. Nothing is decided here but whether
//! the message is a statement or notification at all.

use std::collections::BTreeSet;

use iso20022::{AccountReport, Balance, BookedEntry, Incoming, Message, Money, Side};
use record::{FileKind, LineNature, LineSide, NamedBy};
use seal::Digest;
use terms::BusinessDate;

use crate::rule::{Rule, RuleName};

/// Most words of a line that are looked at: a remittance has at most some hundred.
const WORDS_MAX: usize = 512;

/// A file of statements or notifications.
#[derive(Clone, Debug)]
pub struct FileClaim {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its message id.
    pub message_id: String,
    /// Which message.
    pub kind: FileKind,
    /// The day on which the bank made it.
    pub created_on: BusinessDate,
    /// Its statements or notifications, in order.
    pub reports: Vec<ReportClaim>,
}

/// One statement or notification: one account.
#[derive(Clone, Debug)]
pub struct ReportClaim {
    /// The account's number.
    pub number: String,
    /// Its currency, if the bank says it.
    pub currency: Option<String>,
    /// The bank, if it says it.
    pub servicer: Option<String>,
    /// What it held before.
    pub opening: Option<BalanceClaim>,
    /// What it held afterwards.
    pub closing: Option<BalanceClaim>,
    /// The lines of status `BOOK`, but for those of nothing.
    pub lines: Vec<LineClaim>,
    /// How many lines are not booked, or of nothing: they never count.
    pub left_aside: usize,
    /// Whether it is whole, or one page of several.
    pub extent: Extent,
    /// Where it disagrees with itself, in words.
    pub own_breaks: Vec<String>,
}

/// Whether a statement is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// One of several pages.
    Page,
}

/// A balance and the day that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceClaim {
    /// How much.
    pub money: Money,
    /// `Credit`: the bank owes it.
    pub side: LineSide,
    /// An opening balance: the first day; a closing one: the last.
    pub on: BusinessDate,
}

/// One booked line.
#[derive(Clone, Debug)]
pub struct LineClaim {
    /// The bank's name for it.
    pub reference: Option<String>,
    /// Which of its names that is.
    pub named_by: NamedBy,
    /// How much.
    pub money: Money,
    /// Which way.
    pub side: LineSide,
    /// Movement or reversal.
    pub nature: LineNature,
    /// When the bank booked it.
    pub booked_on: Option<BusinessDate>,
    /// The words of its references and remittance, in capitals.
    pub words: BTreeSet<String>,
    /// How many transactions it sums up, as far as the bank tells.
    pub transactions: usize,
}

impl FileClaim {
    /// Reads a message; refused when it is no statement or notification.
    pub fn of(incoming: &Incoming, digest: Digest) -> Result<Self, Rule> {
        let message = &incoming.message;
        let (kind, created) = match message {
            Message::Statements(statements) => (FileKind::Statement, statements.header.created_at),
            Message::Notifications(notifications) => {
                (FileKind::Notification, notifications.header.created_at)
            }
            Message::Resolution(_)
            | Message::StatusReport(_)
            | Message::CancellationRequest(_)
            | Message::PaymentReturn(_)
            | Message::CreditTransfers(_) => {
                let got = message.definition().identifier();
                let detail = format!("expected camt.053 or camt.054, got `{got}`");
                return Err(Rule::new(RuleName::StatementUnreadable, detail));
            }
        };
        Ok(Self {
            digest,
            message_id: message.message_id().to_owned(),
            kind,
            created_on: created.date(),
            reports: message.account_reports().iter().map(ReportClaim::of).collect(),
        })
    }
}

impl ReportClaim {
    fn of(report: &AccountReport<'_>) -> Self {
        let account = report.account();
        let lines: Vec<LineClaim> = report
            .booked()
            .filter(|line| !line.amount.minor().is_zero())
            .map(|line| LineClaim::of(&line))
            .collect();
        let (opening, closing, page) = match report {
            AccountReport::Statement(statement) => (
                statement.opening_booked().map(opening_claim),
                statement.closing_booked().map(balance_claim),
                statement.page,
            ),
            AccountReport::Notification(notification) => (None, None, notification.page),
        };
        let whole = page.is_none_or(|page| page.number == 1 && page.last);
        let servicer = account.servicer.as_ref().and_then(|agent| agent.bic());
        Self {
            number: account.id.number().to_owned(),
            currency: account.currency.map(|currency| currency.code().to_owned()),
            servicer: servicer.map(|bic| bic.as_str().to_owned()),
            opening,
            closing,
            left_aside: report.entries().len().saturating_sub(lines.len()),
            lines,
            extent: if whole { Extent::Whole } else { Extent::Page },
            own_breaks: report.breaks().iter().map(ToString::to_string).collect(),
        }
    }
}

impl LineClaim {
    fn of(line: &BookedEntry<'_>) -> Self {
        let details: Vec<_> = line.transactions().collect();
        let below = match details.as_slice() {
            [only] => only.references.as_ref(),
            _ => None,
        };
        let servicer = line
            .account_servicer_reference
            .as_ref()
            .or_else(|| below?.account_servicer_reference.as_ref());
        let (reference, named_by) = match (servicer, &line.reference) {
            (Some(name), _) => (Some(name.as_str().to_owned()), NamedBy::Servicer),
            (None, Some(name)) => (Some(name.as_str().to_owned()), NamedBy::Entry),
            (None, None) => (None, NamedBy::Entry),
        };
        Self {
            reference,
            named_by,
            money: line.amount,
            side: side_of(line.side),
            nature: if line.is_reversal() { LineNature::Reversal } else { LineNature::Movement },
            booked_on: line.booking_date.as_ref().map(|date| date.date()),
            words: words_of(line),
            transactions: summed(line, details.len()),
        }
    }
}

/// How many transactions a line stands for: the bank's own count, or those that it lists.
fn summed(line: &BookedEntry<'_>, listed: usize) -> usize {
    let told = line.details.iter().filter_map(|details| details.batch.as_ref()?.transaction_count);
    let told = told.fold(0_u64, u64::saturating_add);
    usize::try_from(told).unwrap_or(usize::MAX).max(listed)
}

const fn side_of(side: Side) -> LineSide {
    match side {
        Side::Credit => LineSide::Credit,
        Side::Debit => LineSide::Debit,
    }
}

fn balance_claim(balance: &Balance) -> BalanceClaim {
    BalanceClaim { money: balance.amount, side: side_of(balance.side), on: balance.date.date() }
}

/// A balance that closed the day before opens the day after.
fn opening_claim(balance: &Balance) -> BalanceClaim {
    let claim = balance_claim(balance);
    let closed_before = balance.kind.code.code() == Some(&iso20022::BalanceType::PreviouslyClosed);
    let on = if closed_before { next_day(claim.on) } else { claim.on };
    BalanceClaim { on, ..claim }
}

/// The day after.
pub(super) const fn next_day(date: BusinessDate) -> BusinessDate {
    BusinessDate::from_days(date.days().saturating_add(1))
}

/// Every word that could be a reference: a bank may put ours into any of these places.
fn words_of(line: &BookedEntry<'_>) -> BTreeSet<String> {
    let mut texts: Vec<&str> = Vec::new();
    texts.extend(line.additional.iter().map(|text| text.as_str()));
    for details in line.transactions() {
        texts.extend(details.additional.iter().map(|text| text.as_str()));
        if let Some(references) = &details.references {
            let ours = [&references.end_to_end_id, &references.instruction_id];
            texts.extend(ours.into_iter().flatten().map(|text| text.as_str()));
        }
        if let Some(remittance) = &details.remittance {
            texts.extend(remittance.unstructured.iter().map(|text| text.as_str()));
            for structured in &remittance.structured {
                texts.extend(structured.creditor_reference.iter().map(|text| text.as_str()));
                texts.extend(structured.additional.iter().map(|text| text.as_str()));
            }
        }
    }
    let apart = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
    texts
        .into_iter()
        .flat_map(|text| text.split(apart))
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(str::to_ascii_uppercase)
        .collect()
}
