//! Statements (camt.053) and notifications (camt.054).

use crate::account::StatementAccount;
use crate::codes::{BalanceType, Choice, CopyDuplicate, Side};
use crate::decimal::Decimal;
use crate::entry::{BookedEntry, Entry};
use crate::error::Rule;
use crate::money::Money;
use crate::node::{Fault, Node, part};
use crate::text::Text;
use crate::time::{DateOrTime, IsoDateTime};

/// `BankToCustomerStatementV08` or `V02`: camt.053.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statements {
    /// `GrpHdr`.
    pub header: ReportHeader,
    /// `Stmt`.
    pub statements: Vec<Statement>,
}

part!(Statements { header: "GrpHdr", statements: "Stmt+" });

/// `BankToCustomerDebitCreditNotificationV08`: camt.054.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notifications {
    /// `GrpHdr`.
    pub header: ReportHeader,
    /// `Ntfctn`.
    pub notifications: Vec<Notification>,
}

part!(Notifications { header: "GrpHdr", notifications: "Ntfctn+" });

/// `GroupHeader81`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReportHeader {
    /// `MsgId`.
    pub message_id: Text<35>,
    /// `CreDtTm`.
    pub created_at: IsoDateTime,
    /// `MsgPgntn`.
    pub page: Option<Page>,
}

part!(ReportHeader { message_id: "MsgId", created_at: "CreDtTm", page: "MsgPgntn" });

/// `Pagination1`: a message or statement in several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// `PgNb`.
    pub number: u64,
    /// `LastPgInd`.
    pub last: bool,
}

part!(Page { number: "PgNb", last: "LastPgInd" });

/// `DateTimePeriod1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// `FrDtTm`.
    pub from: IsoDateTime,
    /// `ToDtTm`.
    pub to: IsoDateTime,
}

part!(Period { from: "FrDtTm", to: "ToDtTm" });

/// `AccountStatement9`: what happened on one account in one period.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// `Id`.
    pub id: Text<35>,
    /// `StmtPgntn`.
    pub page: Option<Page>,
    /// `ElctrncSeqNb`: counts the statements of the account; a gap is a missing statement.
    pub electronic_sequence: Option<u64>,
    /// `LglSeqNb`.
    pub legal_sequence: Option<u64>,
    /// `CreDtTm`.
    pub created_at: Option<IsoDateTime>,
    /// `FrToDt`.
    pub period: Option<Period>,
    /// `CpyDplctInd`.
    pub copy: Option<CopyDuplicate>,
    /// `Acct`.
    pub account: StatementAccount,
    /// `Bal`.
    pub balances: Vec<Balance>,
    /// `TxsSummry`.
    pub summary: Option<TransactionSummary>,
    /// `Ntry`.
    pub entries: Vec<Entry>,
    /// `AddtlStmtInf`.
    pub additional: Option<Text<500>>,
}

part!(Statement {
    id: "Id",
    page: "StmtPgntn",
    electronic_sequence: "ElctrncSeqNb",
    legal_sequence: "LglSeqNb",
    created_at: "CreDtTm",
    period: "FrToDt",
    copy: "CpyDplctInd",
    account: "Acct",
    balances: "Bal+",
    summary: "TxsSummry",
    entries: "Ntry",
    additional: "AddtlStmtInf",
});

/// `AccountNotification17`: single movements, soon after each happened; no balances.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// `Id`.
    pub id: Text<35>,
    /// `NtfctnPgntn`.
    pub page: Option<Page>,
    /// `ElctrncSeqNb`.
    pub electronic_sequence: Option<u64>,
    /// `LglSeqNb`.
    pub legal_sequence: Option<u64>,
    /// `CreDtTm`.
    pub created_at: Option<IsoDateTime>,
    /// `FrToDt`.
    pub period: Option<Period>,
    /// `CpyDplctInd`.
    pub copy: Option<CopyDuplicate>,
    /// `Acct`.
    pub account: StatementAccount,
    /// `TxsSummry`.
    pub summary: Option<TransactionSummary>,
    /// `Ntry`.
    pub entries: Vec<Entry>,
    /// `AddtlNtfctnInf`.
    pub additional: Option<Text<500>>,
}

part!(Notification {
    id: "Id",
    page: "NtfctnPgntn",
    electronic_sequence: "ElctrncSeqNb",
    legal_sequence: "LglSeqNb",
    created_at: "CreDtTm",
    period: "FrToDt",
    copy: "CpyDplctInd",
    account: "Acct",
    summary: "TxsSummry",
    entries: "Ntry",
    additional: "AddtlNtfctnInf",
});

/// `CashBalance8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Balance {
    /// `Tp/CdOrPrtry`.
    pub kind: BalanceKind,
    /// `Amt`.
    pub amount: Money,
    /// `CdtDbtInd`: `Credit` when the bank owes the account's owner.
    pub side: Side,
    /// `Dt`.
    pub date: DateOrTime,
}

part!(Balance { kind: "Tp", amount: "Amt", side: "CdtDbtInd", date: "Dt" });

/// `BalanceType13`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BalanceKind {
    /// `CdOrPrtry`.
    pub code: Choice<BalanceType>,
    /// `SubTp`: for instance `INTM` on a page that is not the last.
    pub subtype: Option<Choice<Text<4>>>,
}

part!(BalanceKind { code: "CdOrPrtry", subtype: "SubTp" });

/// `TotalTransactions6`: what the bank counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TransactionSummary {
    /// `TtlNtries`.
    pub all: Option<EntryTotals>,
    /// `TtlCdtNtries`.
    pub credits: Option<EntryTotals>,
    /// `TtlDbtNtries`.
    pub debits: Option<EntryTotals>,
}

part!(TransactionSummary { all: "TtlNtries", credits: "TtlCdtNtries", debits: "TtlDbtNtries" });

/// `NumberAndSumOfTransactions1` and `4`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct EntryTotals {
    /// `NbOfNtries`.
    pub count: Option<u64>,
    /// `Sum`.
    pub sum: Option<Decimal>,
}

part!(EntryTotals { count: "NbOfNtries", sum: "Sum" });

impl Statement {
    /// `OPBD`, else `PRCD`: what the account held before the first entry.
    #[must_use]
    pub fn opening_booked(&self) -> Option<&Balance> {
        self.balance(&BalanceType::OpeningBooked)
            .or_else(|| self.balance(&BalanceType::PreviouslyClosed))
    }

    /// `CLBD`: what it held after the last one.
    #[must_use]
    pub fn closing_booked(&self) -> Option<&Balance> {
        self.balance(&BalanceType::ClosingBooked)
    }

    /// The balance of this type; reading refuses two of one booked type.
    #[must_use]
    pub fn balance(&self, kind: &BalanceType) -> Option<&Balance> {
        self.balances.iter().find(|balance| balance.kind.code.code() == Some(kind))
    }
}

/// A statement or notification: what funding and reconciliation look at.
#[derive(Clone, Copy, Debug)]
pub enum AccountReport<'m> {
    /// `Stmt`.
    Statement(&'m Statement),
    /// `Ntfctn`.
    Notification(&'m Notification),
}

impl<'m> AccountReport<'m> {
    /// `Id`.
    #[must_use]
    pub const fn id(&self) -> &'m Text<35> {
        match self {
            Self::Statement(statement) => &statement.id,
            Self::Notification(notification) => &notification.id,
        }
    }

    /// `Acct`.
    #[must_use]
    pub const fn account(&self) -> &'m StatementAccount {
        match self {
            Self::Statement(statement) => &statement.account,
            Self::Notification(notification) => &notification.account,
        }
    }

    /// `CpyDplctInd`: a copy or duplicate of what may have come before.
    #[must_use]
    pub const fn copy(&self) -> Option<CopyDuplicate> {
        match self {
            Self::Statement(statement) => statement.copy,
            Self::Notification(notification) => notification.copy,
        }
    }

    /// `Ntry`, of every status. An entry may be in another currency than the account: some banks
    /// list what another of the client's accounts paid. [`Money::of_asset`] tells them apart.
    #[must_use]
    pub const fn entries(&self) -> &'m [Entry] {
        match self {
            Self::Statement(statement) => statement.entries.as_slice(),
            Self::Notification(notification) => notification.entries.as_slice(),
        }
    }

    /// The lines that may be booked.
    pub fn booked(&self) -> impl Iterator<Item = BookedEntry<'m>> + use<'m> {
        self.entries().iter().filter_map(Entry::booked)
    }

    /// `TxsSummry`.
    #[must_use]
    pub const fn summary(&self) -> Option<&'m TransactionSummary> {
        match self {
            Self::Statement(statement) => statement.summary.as_ref(),
            Self::Notification(notification) => notification.summary.as_ref(),
        }
    }
}

/// Checks of a statement that no single element shows.
pub(crate) fn check_statement(node: Node<'_>, statement: &Statement) -> Result<(), Fault> {
    for kind in
        [BalanceType::OpeningBooked, BalanceType::ClosingBooked, BalanceType::PreviouslyClosed]
    {
        let one = |balance: &&Balance| {
            balance.kind.code.code() == Some(&kind) && balance.kind.subtype.is_none()
        };
        if statement.balances.iter().filter(one).nth(1).is_some() {
            let expected = format!("one balance `{kind}`");
            let mend = "the bank must say which one holds";
            return Err(node.fault(Rule::Repeated, expected, "another", mend));
        }
    }
    Ok(())
}

/// Runs a check over each element of this name beside its read value.
pub(crate) fn check_each<'t, T>(
    node: Node<'t>,
    name: &'static str,
    values: &[T],
    check: impl Fn(Node<'t>, &T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    node.all(name).zip(values).try_for_each(|(element, value)| check(element, value))
}
