//! A credit transfer between banks: pacs.008.

use terms::BusinessDate;

use crate::account::Account;
use crate::agent::Agent;
use crate::codes::{ChargeBearer, Choice};
use crate::decimal::{Decimal, Rate};
use crate::error::Rule;
use crate::money::Money;
use crate::node::{Fault, Node, part};
use crate::party::Party;
use crate::payment::{AgentCharge, PaymentIds, PaymentType, SettlementInstruction};
use crate::remittance::Remittance;
use crate::text::Text;
use crate::time::IsoDateTime;

/// `FIToFICustomerCreditTransferV08`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreditTransfers {
    /// `GrpHdr`.
    pub header: TransferHeader,
    /// `CdtTrfTxInf`.
    pub transfers: Vec<CreditTransfer>,
}

part!(CreditTransfers { header: "GrpHdr", transfers: "CdtTrfTxInf+" });

/// `GroupHeader93`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransferHeader {
    /// `MsgId`.
    pub message_id: Text<35>,
    /// `CreDtTm`.
    pub created_at: IsoDateTime,
    /// `NbOfTxs`: must be how many follow.
    pub transaction_count: u64,
    /// `CtrlSum`: must be the sum of the amounts, whatever their currency.
    pub control_sum: Option<Decimal>,
    /// `TtlIntrBkSttlmAmt`: must be their sum, in their one currency.
    pub total: Option<Money>,
    /// `IntrBkSttlmDt`, when it holds for all.
    pub settlement_date: Option<BusinessDate>,
    /// `SttlmInf`.
    pub settlement: SettlementInstruction,
    /// `PmtTpInf`, when it holds for all.
    pub payment_type: Option<PaymentType>,
    /// `InstgAgt`.
    pub instructing_agent: Option<Agent>,
    /// `InstdAgt`.
    pub instructed_agent: Option<Agent>,
}

part!(TransferHeader {
    message_id: "MsgId",
    created_at: "CreDtTm",
    transaction_count: "NbOfTxs",
    control_sum: "CtrlSum",
    total: "TtlIntrBkSttlmAmt",
    settlement_date: "IntrBkSttlmDt",
    settlement: "SttlmInf",
    payment_type: "PmtTpInf",
    instructing_agent: "InstgAgt",
    instructed_agent: "InstdAgt",
});

/// `CreditTransferTransaction39`: one payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreditTransfer {
    /// `PmtId`.
    pub ids: PaymentIds,
    /// `PmtTpInf`.
    pub payment_type: Option<PaymentType>,
    /// `IntrBkSttlmAmt`: what settles.
    pub settlement_amount: Money,
    /// `IntrBkSttlmDt`.
    pub settlement_date: Option<BusinessDate>,
    /// `AccptncDtTm`.
    pub accepted_at: Option<IsoDateTime>,
    /// `InstdAmt`: what the debtor ordered, before charges and exchange.
    pub instructed_amount: Option<Money>,
    /// `XchgRate`.
    pub exchange_rate: Option<Rate>,
    /// `ChrgBr`.
    pub charge_bearer: ChargeBearer,
    /// `ChrgsInf`.
    pub charges: Vec<AgentCharge>,
    /// `InstgAgt`.
    pub instructing_agent: Option<Agent>,
    /// `InstdAgt`.
    pub instructed_agent: Option<Agent>,
    /// `IntrmyAgt1`.
    pub intermediary_agent: Option<Agent>,
    /// `UltmtDbtr`.
    pub ultimate_debtor: Option<Party>,
    /// `Dbtr`.
    pub debtor: Party,
    /// `DbtrAcct`.
    pub debtor_account: Option<Account>,
    /// `DbtrAgt`.
    pub debtor_agent: Agent,
    /// `CdtrAgt`.
    pub creditor_agent: Agent,
    /// `Cdtr`.
    pub creditor: Party,
    /// `CdtrAcct`.
    pub creditor_account: Option<Account>,
    /// `UltmtCdtr`.
    pub ultimate_creditor: Option<Party>,
    /// `Purp`.
    pub purpose: Option<Choice<Text<4>>>,
    /// `RmtInf`.
    pub remittance: Option<Remittance>,
}

part!(CreditTransfer {
    ids: "PmtId",
    payment_type: "PmtTpInf",
    settlement_amount: "IntrBkSttlmAmt",
    settlement_date: "IntrBkSttlmDt",
    accepted_at: "AccptncDtTm",
    instructed_amount: "InstdAmt",
    exchange_rate: "XchgRate",
    charge_bearer: "ChrgBr",
    charges: "ChrgsInf",
    instructing_agent: "InstgAgt",
    instructed_agent: "InstdAgt",
    intermediary_agent: "IntrmyAgt1",
    ultimate_debtor: "UltmtDbtr",
    debtor: "Dbtr",
    debtor_account: "DbtrAcct",
    debtor_agent: "DbtrAgt",
    creditor_agent: "CdtrAgt",
    creditor: "Cdtr",
    creditor_account: "CdtrAcct",
    ultimate_creditor: "UltmtCdtr",
    purpose: "Purp",
    remittance: "RmtInf",
});

/// What a group's header says of the transactions that follow.
pub(crate) struct Totals {
    pub(crate) count: u64,
    pub(crate) control_sum: Option<Decimal>,
    pub(crate) total: Option<Money>,
}

impl Totals {
    /// Count, control sum and total must be those of the amounts.
    pub(crate) fn check(&self, node: Node<'_>, amounts: &[Money]) -> Result<(), Fault> {
        let mend = "do not use the message: something was lost or added on its way";
        let wrong = |expected: String, got: &str| node.fault(Rule::Total, expected, got, mend);
        let count = u64::try_from(amounts.len()).unwrap_or(u64::MAX);
        if count != self.count {
            return Err(wrong(format!("`NbOfTxs` {count}"), &self.count.to_string()));
        }
        let sum = amounts.iter().try_fold(0_u128, |sum, each| sum.checked_add(each.fixed()));
        if let Some(told) = self.control_sum
            && (sum.is_none() || sum != told.fixed())
        {
            return Err(wrong(
                "`CtrlSum` equal to the sum of the amounts".into(),
                &told.to_string(),
            ));
        }
        if let Some(told) = self.total {
            let one = amounts.iter().all(|each| each.currency() == told.currency());
            if !one || sum != Some(told.fixed()) {
                let expected = "the total equal to the sum of the amounts, in one currency".into();
                return Err(wrong(expected, &told.to_string()));
            }
        }
        Ok(())
    }
}

/// Checks the group's header against its transactions.
pub(crate) fn check(node: Node<'_>, message: &CreditTransfers) -> Result<(), Fault> {
    let header = &message.header;
    let totals = Totals {
        count: header.transaction_count,
        control_sum: header.control_sum,
        total: header.total,
    };
    let amounts: Vec<Money> =
        message.transfers.iter().map(|transfer| transfer.settlement_amount).collect();
    totals.check(node, &amounts)
}
