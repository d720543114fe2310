//! Below an entry: `NtryDtls/TxDtls`, the single transactions.

use terms::{BusinessDate, Uetr};

use crate::account::Account;
use crate::agent::Agent;
use crate::codes::{ChargeBearer, Choice, ReturnReason, Side};
use crate::currency::Currency;
use crate::decimal::Rate;
use crate::entry::BankTransactionCode;
use crate::money::Money;
use crate::node::{Fault, Field, Node, Part, part};
use crate::out::Writer;
use crate::party::Party;
use crate::remittance::Remittance;
use crate::text::Text;
use crate::time::{IsoDateTime, choice};

/// `EntryDetails9`: one transaction, or a batch of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct EntryDetails {
    /// `Btch`.
    pub batch: Option<BatchInformation>,
    /// `TxDtls`; none when the bank sums a batch up.
    pub transactions: Vec<TransactionDetails>,
}

part!(EntryDetails { batch: "Btch", transactions: "TxDtls" });

/// `BatchInformation2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct BatchInformation {
    /// `MsgId`: the message that ordered the batch.
    pub message_id: Option<Text<35>>,
    /// `PmtInfId`.
    pub payment_information_id: Option<Text<35>>,
    /// `NbOfTxs`.
    pub transaction_count: Option<u64>,
    /// `TtlAmt`.
    pub total: Option<Money>,
    /// `CdtDbtInd`.
    pub side: Option<Side>,
}

part!(BatchInformation {
    message_id: "MsgId",
    payment_information_id: "PmtInfId",
    transaction_count: "NbOfTxs",
    total: "TtlAmt",
    side: "CdtDbtInd",
});

/// `EntryTransaction10`, `EntryTransaction2` in camt.053.001.02.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TransactionDetails {
    /// `Refs`.
    pub references: Option<References>,
    /// `Amt`; not in camt.053.001.02, where [`AmountDetails::transaction`] says it.
    pub amount: Option<Money>,
    /// `CdtDbtInd`; not in camt.053.001.02.
    pub side: Option<Side>,
    /// `AmtDtls`.
    pub amounts: Option<AmountDetails>,
    /// `BkTxCd`.
    pub code: Option<BankTransactionCode>,
    /// `Chrgs`.
    pub charges: Charges,
    /// `RltdPties`.
    pub parties: Option<RelatedParties>,
    /// `RltdAgts`.
    pub agents: Option<RelatedAgents>,
    /// `Purp`.
    pub purpose: Option<Choice<Text<4>>>,
    /// `RmtInf`.
    pub remittance: Option<Remittance>,
    /// `RltdDts`.
    pub dates: Option<RelatedDates>,
    /// `RtrInf`: the transaction is money coming back.
    pub returned: Option<ReturnInformation>,
    /// `AddtlTxInf`.
    pub additional: Option<Text<500>>,
}

part!(TransactionDetails {
    references: "Refs",
    amount: "Amt",
    side: "CdtDbtInd",
    amounts: "AmtDtls",
    code: "BkTxCd",
    charges: "Chrgs",
    parties: "RltdPties",
    agents: "RltdAgts",
    purpose: "Purp",
    remittance: "RmtInf",
    dates: "RltdDts",
    returned: "RtrInf",
    additional: "AddtlTxInf",
});

impl TransactionDetails {
    /// The transaction's amount in the account's terms: `Amt`, else `AmtDtls/TxAmt`.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        let detailed = || self.amounts.as_ref()?.transaction.as_ref().map(|told| told.amount);
        self.amount.or_else(detailed)
    }
}

/// `TransactionReferences6`. Texts, because a bank's statement is taken as it comes; a reference
/// of ours is found by comparing, or by making an [`crate::EndToEndId`] of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct References {
    /// `MsgId`.
    pub message_id: Option<Text<35>>,
    /// `AcctSvcrRef`: the bank's name for it.
    pub account_servicer_reference: Option<Text<35>>,
    /// `PmtInfId`.
    pub payment_information_id: Option<Text<35>>,
    /// `InstrId`.
    pub instruction_id: Option<Text<35>>,
    /// `EndToEndId`.
    pub end_to_end_id: Option<Text<35>>,
    /// `UETR`.
    pub uetr: Option<Uetr>,
    /// `TxId`.
    pub transaction_id: Option<Text<35>>,
    /// `ClrSysRef`.
    pub clearing_reference: Option<Text<35>>,
}

part!(References {
    message_id: "MsgId",
    account_servicer_reference: "AcctSvcrRef",
    payment_information_id: "PmtInfId",
    instruction_id: "InstrId",
    end_to_end_id: "EndToEndId",
    uetr: "UETR",
    transaction_id: "TxId",
    clearing_reference: "ClrSysRef",
});

/// `AmountAndCurrencyExchange3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct AmountDetails {
    /// `InstdAmt`: what the debtor ordered.
    pub instructed: Option<AmountExchanged>,
    /// `TxAmt`: what moved.
    pub transaction: Option<AmountExchanged>,
    /// `CntrValAmt`: what it is worth in the other currency.
    pub counter_value: Option<AmountExchanged>,
    /// `AnncdPstngAmt`.
    pub announced: Option<AmountExchanged>,
}

part!(AmountDetails {
    instructed: "InstdAmt",
    transaction: "TxAmt",
    counter_value: "CntrValAmt",
    announced: "AnncdPstngAmt",
});

/// `AmountAndCurrencyExchangeDetails3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AmountExchanged {
    /// `Amt`.
    pub amount: Money,
    /// `CcyXchg`.
    pub exchange: Option<Exchange>,
}

part!(AmountExchanged { amount: "Amt", exchange: "CcyXchg" });

/// `CurrencyExchange5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// `SrcCcy`.
    pub source: Currency,
    /// `TrgtCcy`.
    pub target: Option<Currency>,
    /// `UnitCcy`: the currency that the rate is for one unit of.
    pub unit: Option<Currency>,
    /// `XchgRate`.
    pub rate: Rate,
}

part!(Exchange { source: "SrcCcy", target: "TrgtCcy", unit: "UnitCcy", rate: "XchgRate" });

/// `Charges6`; in camt.053.001.02 several `Chrgs`, one a charge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Charges {
    /// `TtlChrgsAndTaxAmt`.
    pub total: Option<Money>,
    /// `Rcrd`.
    pub records: Vec<ChargeRecord>,
}

/// `ChargesRecord3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChargeRecord {
    /// `Amt`.
    pub amount: Money,
    /// `CdtDbtInd`.
    pub side: Option<Side>,
    /// `ChrgInclInd`: already within the entry's amount.
    pub included: Option<bool>,
    /// `Br`.
    pub bearer: Option<ChargeBearer>,
    /// `Agt`; `Pty` in camt.053.001.02.
    pub agent: Option<Agent>,
}

part!(ChargeRecord {
    amount: "Amt",
    side: "CdtDbtInd",
    included: "ChrgInclInd",
    bearer: "Br",
    agent: "Agt|Pty",
});

impl Field for Charges {
    fn take(node: Node<'_>, name: &'static str) -> Result<Self, Fault> {
        let mut charges = Self::default();
        if node.scope.old {
            for each in node.all(name) {
                if charges.total.is_none() {
                    charges.total = Field::take(each, "TtlChrgsAndTaxAmt")?;
                }
                charges.records.push(ChargeRecord::read(each)?);
            }
        } else if let Some(found) = node.one(name)? {
            found.complex()?;
            charges.total = Field::take(found, "TtlChrgsAndTaxAmt")?;
            charges.records = Field::take(found, "Rcrd")?;
        }
        Ok(charges)
    }

    fn put(&self, out: &mut Writer, name: &'static str) {
        if *self == Self::default() {
            return;
        }
        out.open(name);
        self.total.put(out, "TtlChrgsAndTaxAmt");
        self.records.put(out, "Rcrd");
        out.close(name);
    }
}

/// `TransactionParties6`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct RelatedParties {
    /// `Dbtr`.
    pub debtor: Option<Counterparty>,
    /// `DbtrAcct`.
    pub debtor_account: Option<Account>,
    /// `UltmtDbtr`.
    pub ultimate_debtor: Option<Counterparty>,
    /// `Cdtr`.
    pub creditor: Option<Counterparty>,
    /// `CdtrAcct`.
    pub creditor_account: Option<Account>,
    /// `UltmtCdtr`.
    pub ultimate_creditor: Option<Counterparty>,
}

part!(RelatedParties {
    debtor: "Dbtr",
    debtor_account: "DbtrAcct",
    ultimate_debtor: "UltmtDbtr",
    creditor: "Cdtr",
    creditor_account: "CdtrAcct",
    ultimate_creditor: "UltmtCdtr",
});

/// `Party40Choice`; in camt.053.001.02 always a party, without the element `Pty` around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Counterparty {
    /// `Pty`.
    Party(Party),
    /// `Agt`: a bank on its own account.
    Agent(Agent),
}

impl Counterparty {
    /// The name, of whichever kind it is.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Party(party) => party.name.as_ref().map(Text::as_str),
            Self::Agent(agent) => agent.institution.name.as_ref().map(Text::as_str),
        }
    }
}

impl Part for Counterparty {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        if node.scope.old {
            return Party::read(node).map(Self::Party);
        }
        node.complex()?;
        match (node.one("Pty")?, node.one("Agt")?) {
            (Some(party), None) => Party::read(party).map(Self::Party),
            (None, Some(agent)) => Agent::read(agent).map(Self::Agent),
            (Some(_), Some(_)) => Err(choice(node, "one of `Pty` and `Agt`", "both")),
            (None, None) => Err(choice(node, "one of `Pty` and `Agt`", "neither")),
        }
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.open(name);
        match self {
            Self::Party(party) => party.write(out, "Pty"),
            Self::Agent(agent) => agent.write(out, "Agt"),
        }
        out.close(name);
    }
}

/// `TransactionAgents5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct RelatedAgents {
    /// `DbtrAgt`.
    pub debtor_agent: Option<Agent>,
    /// `CdtrAgt`.
    pub creditor_agent: Option<Agent>,
}

part!(RelatedAgents { debtor_agent: "DbtrAgt", creditor_agent: "CdtrAgt" });

/// `TransactionDates3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct RelatedDates {
    /// `AccptncDtTm`.
    pub accepted_at: Option<IsoDateTime>,
    /// `IntrBkSttlmDt`.
    pub settlement_date: Option<BusinessDate>,
    /// `TxDtTm`.
    pub happened_at: Option<IsoDateTime>,
}

part!(RelatedDates {
    accepted_at: "AccptncDtTm",
    settlement_date: "IntrBkSttlmDt",
    happened_at: "TxDtTm",
});

/// `PaymentReturnReason5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ReturnInformation {
    /// `OrgnlBkTxCd`.
    pub original_code: Option<BankTransactionCode>,
    /// `Orgtr`: who started the return.
    pub originator: Option<Party>,
    /// `Rsn`.
    pub reason: Option<Choice<ReturnReason>>,
    /// `AddtlInf`.
    pub additional: Vec<Text<105>>,
}

part!(ReturnInformation {
    original_code: "OrgnlBkTxCd",
    originator: "Orgtr",
    reason: "Rsn",
    additional: "AddtlInf",
});
