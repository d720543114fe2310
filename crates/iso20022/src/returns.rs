//! Money coming back from the creditor's bank: pacs.004.

use terms::{BusinessDate, Uetr};

use crate::agent::Agent;
use crate::codes::{ChargeBearer, Choice, ReturnReason};
use crate::decimal::{Decimal, Rate};
use crate::details::Counterparty;
use crate::error::Rule;
use crate::money::Money;
use crate::node::{Fault, Node, part};
use crate::party::Party;
use crate::payment::{AgentCharge, OriginalGroup, OriginalTransaction, SettlementInstruction};
use crate::text::{EndToEndId, InstructionId, Text};
use crate::time::IsoDateTime;
use crate::transfer::Totals;

/// `PaymentReturnV09`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentReturn {
    /// `GrpHdr`.
    pub header: ReturnHeader,
    /// `OrgnlGrpInf`, when all come from one message.
    pub original_group: Option<OriginalGroup>,
    /// `TxInf`.
    pub transactions: Vec<ReturnedTransaction>,
}

part!(PaymentReturn { header: "GrpHdr", original_group: "OrgnlGrpInf", transactions: "TxInf" });

/// `GroupHeader90`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReturnHeader {
    /// `MsgId`.
    pub message_id: Text<35>,
    /// `CreDtTm`.
    pub created_at: IsoDateTime,
    /// `NbOfTxs`: must be how many follow.
    pub transaction_count: u64,
    /// `CtrlSum`: must be the sum of the returned amounts.
    pub control_sum: Option<Decimal>,
    /// `GrpRtr`: a whole message comes back without its payments being named; refused.
    pub whole_group: Option<bool>,
    /// `TtlRtrdIntrBkSttlmAmt`: must be their sum, in their one currency.
    pub total: Option<Money>,
    /// `IntrBkSttlmDt`.
    pub settlement_date: Option<BusinessDate>,
    /// `SttlmInf`.
    pub settlement: SettlementInstruction,
    /// `InstgAgt`.
    pub instructing_agent: Option<Agent>,
    /// `InstdAgt`.
    pub instructed_agent: Option<Agent>,
}

part!(ReturnHeader {
    message_id: "MsgId",
    created_at: "CreDtTm",
    transaction_count: "NbOfTxs",
    control_sum: "CtrlSum",
    whole_group: "GrpRtr",
    total: "TtlRtrdIntrBkSttlmAmt",
    settlement_date: "IntrBkSttlmDt",
    settlement: "SttlmInf",
    instructing_agent: "InstgAgt",
    instructed_agent: "InstdAgt",
});

/// `PaymentTransaction112`: one payment returned, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReturnedTransaction {
    /// `RtrId`.
    pub return_id: Option<Text<35>>,
    /// `OrgnlGrpInf`.
    pub original_group: Option<OriginalGroup>,
    /// `OrgnlInstrId`.
    pub original_instruction_id: Option<InstructionId>,
    /// `OrgnlEndToEndId`.
    pub original_end_to_end_id: Option<EndToEndId>,
    /// `OrgnlTxId`.
    pub original_transaction_id: Option<Text<35>>,
    /// `OrgnlUETR`.
    pub original_uetr: Option<Uetr>,
    /// `OrgnlIntrBkSttlmAmt`.
    pub original_amount: Option<Money>,
    /// `OrgnlIntrBkSttlmDt`.
    pub original_settlement_date: Option<BusinessDate>,
    /// `RtrdIntrBkSttlmAmt`: what comes back.
    pub amount: Money,
    /// `IntrBkSttlmDt`.
    pub settlement_date: Option<BusinessDate>,
    /// `RtrdInstdAmt`: before charges and exchange.
    pub instructed_amount: Option<Money>,
    /// `XchgRate`.
    pub exchange_rate: Option<Rate>,
    /// `ChrgBr`.
    pub charge_bearer: Option<ChargeBearer>,
    /// `ChrgsInf`.
    pub charges: Vec<AgentCharge>,
    /// `InstgAgt`.
    pub instructing_agent: Option<Agent>,
    /// `InstdAgt`.
    pub instructed_agent: Option<Agent>,
    /// `RtrChain`: who pays whom in the return; CBPR+ asks for it.
    pub chain: Option<ReturnChain>,
    /// `RtrRsnInf`.
    pub reasons: Vec<ReturnReasonInformation>,
    /// `OrgnlTxRef`.
    pub original: Option<OriginalTransaction>,
}

part!(ReturnedTransaction {
    return_id: "RtrId",
    original_group: "OrgnlGrpInf",
    original_instruction_id: "OrgnlInstrId",
    original_end_to_end_id: "OrgnlEndToEndId",
    original_transaction_id: "OrgnlTxId",
    original_uetr: "OrgnlUETR",
    original_amount: "OrgnlIntrBkSttlmAmt",
    original_settlement_date: "OrgnlIntrBkSttlmDt",
    amount: "RtrdIntrBkSttlmAmt",
    settlement_date: "IntrBkSttlmDt",
    instructed_amount: "RtrdInstdAmt",
    exchange_rate: "XchgRate",
    charge_bearer: "ChrgBr",
    charges: "ChrgsInf",
    instructing_agent: "InstgAgt",
    instructed_agent: "InstdAgt",
    chain: "RtrChain",
    reasons: "RtrRsnInf",
    original: "OrgnlTxRef",
});

/// `TransactionParties7`: the debtor of a return is the original creditor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReturnChain {
    /// `Dbtr`.
    pub debtor: Counterparty,
    /// `DbtrAgt`.
    pub debtor_agent: Option<Agent>,
    /// `CdtrAgt`.
    pub creditor_agent: Option<Agent>,
    /// `Cdtr`.
    pub creditor: Counterparty,
}

part!(ReturnChain {
    debtor: "Dbtr",
    debtor_agent: "DbtrAgt",
    creditor_agent: "CdtrAgt",
    creditor: "Cdtr",
});

/// `PaymentReturnReason6`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ReturnReasonInformation {
    /// `Orgtr`: who started the return.
    pub originator: Option<Party>,
    /// `Rsn`.
    pub reason: Option<Choice<ReturnReason>>,
    /// `AddtlInf`.
    pub additional: Vec<Text<105>>,
}

part!(ReturnReasonInformation { originator: "Orgtr", reason: "Rsn", additional: "AddtlInf" });

/// Checks the group's header against its transactions.
pub(crate) fn check(node: Node<'_>, message: &PaymentReturn) -> Result<(), Fault> {
    let header = &message.header;
    if header.whole_group == Some(true) && message.transactions.is_empty() {
        let expected = "each returned payment as a `TxInf`";
        let mend = "ask the sender to name the payments one by one";
        return Err(node.fault(Rule::Missing, expected, "a return of a whole group", mend));
    }
    let totals = Totals {
        count: header.transaction_count,
        control_sum: header.control_sum,
        total: header.total,
    };
    let amounts: Vec<Money> = message.transactions.iter().map(|each| each.amount).collect();
    totals.check(node, &amounts)
}
