//! One line of a statement or notification: `ReportEntry10`.

use core::ops::Deref;

use crate::codes::{Choice, EntryStatus, Side};
use crate::details::{AmountDetails, Charges, EntryDetails, TransactionDetails};
use crate::money::Money;
use crate::node::part;
use crate::text::Text;
use crate::time::DateOrTime;

/// `ReportEntry10`, `ReportEntry2` in camt.053.001.02.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// `NtryRef`: the line's name within its statement. Not unique over statements.
    pub reference: Option<Text<35>>,
    /// `Amt`.
    pub amount: Money,
    /// `CdtDbtInd`: which way this line moves the account. `RvslInd` does not turn it around.
    pub side: Side,
    /// `RvslInd`: the line takes an earlier one back.
    pub reversal: Option<bool>,
    /// `Sts`. A bank's own word is never `BOOK`.
    pub status: Choice<EntryStatus>,
    /// `BookgDt`.
    pub booking_date: Option<DateOrTime>,
    /// `ValDt`.
    pub value_date: Option<DateOrTime>,
    /// `AcctSvcrRef`: the bank's name for the line, the same in camt.054 and camt.053.
    pub account_servicer_reference: Option<Text<35>>,
    /// `BkTxCd`.
    pub code: BankTransactionCode,
    /// `AmtDtls`.
    pub amounts: Option<AmountDetails>,
    /// `Chrgs`.
    pub charges: Charges,
    /// `NtryDtls`; none when the bank tells no more.
    pub details: Vec<EntryDetails>,
    /// `AddtlNtryInf`.
    pub additional: Option<Text<500>>,
}

part!(Entry {
    reference: "NtryRef",
    amount: "Amt",
    side: "CdtDbtInd",
    reversal: "RvslInd",
    status: "Sts",
    booking_date: "BookgDt",
    value_date: "ValDt",
    account_servicer_reference: "AcctSvcrRef",
    code: "BkTxCd",
    amounts: "AmtDtls",
    charges: "Chrgs",
    details: "NtryDtls",
    additional: "AddtlNtryInf",
});

impl Entry {
    /// The line as one that may be booked; `None` unless its status is `BOOK`.
    #[must_use]
    pub fn booked(&self) -> Option<BookedEntry<'_>> {
        (self.status.code() == Some(&EntryStatus::Booked)).then_some(BookedEntry(self))
    }

    /// Whether the line takes an earlier one back.
    #[must_use]
    pub fn is_reversal(&self) -> bool {
        self.reversal == Some(true)
    }

    /// The single transactions of the line, in order, over all its `NtryDtls`.
    pub fn transactions(&self) -> impl Iterator<Item = &TransactionDetails> {
        self.details.iter().flat_map(|details| &details.transactions)
    }
}

/// A line whose status is `BOOK`: the only thing that may lead to a posting.
///
/// Made by [`Entry::booked`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookedEntry<'e>(&'e Entry);

impl<'e> BookedEntry<'e> {
    /// The line.
    #[must_use]
    pub const fn entry(self) -> &'e Entry {
        self.0
    }
}

impl Deref for BookedEntry<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.0
    }
}

/// `BankTransactionCodeStructure4`: what kind of movement, in ISO's codes, the bank's, or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct BankTransactionCode {
    /// `Domn`.
    pub domain: Option<TransactionDomain>,
    /// `Prtry`.
    pub proprietary: Option<ProprietaryCode>,
}

part!(BankTransactionCode { domain: "Domn", proprietary: "Prtry" });

/// `BankTransactionCodeStructure5`: for instance `PMNT`, `RCDT`, `XBCT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransactionDomain {
    /// `Cd`.
    pub code: Text<4>,
    /// `Fmly`.
    pub family: CodeFamily,
}

part!(TransactionDomain { code: "Cd", family: "Fmly" });

/// `BankTransactionCodeStructure6`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodeFamily {
    /// `Cd`.
    pub code: Text<4>,
    /// `SubFmlyCd`.
    pub subfamily: Text<4>,
}

part!(CodeFamily { code: "Cd", subfamily: "SubFmlyCd" });

/// `ProprietaryBankTransactionCodeStructure1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProprietaryCode {
    /// `Cd`.
    pub code: Text<35>,
    /// `Issr`.
    pub issuer: Option<Text<35>>,
}

part!(ProprietaryCode { code: "Cd", issuer: "Issr" });
