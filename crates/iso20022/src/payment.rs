//! What the messages between banks share.

use terms::{BusinessDate, Uetr};

use crate::account::Account;
use crate::agent::Agent;
use crate::codes::{Choice, SettlementMethod};
use crate::details::Counterparty;
use crate::money::Money;
use crate::node::part;
use crate::remittance::Remittance;
use crate::text::{EndToEndId, InstructionId, Text};
use crate::time::IsoDateTime;

/// `PaymentIdentification7`: the names of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentIds {
    /// `InstrId`.
    pub instruction_id: Option<InstructionId>,
    /// `EndToEndId`.
    pub end_to_end_id: EndToEndId,
    /// `TxId`: the first agent's name for it.
    pub transaction_id: Option<Text<35>>,
    /// `UETR`.
    pub uetr: Option<Uetr>,
    /// `ClrSysRef`.
    pub clearing_reference: Option<Text<35>>,
}

part!(PaymentIds {
    instruction_id: "InstrId",
    end_to_end_id: "EndToEndId",
    transaction_id: "TxId",
    uetr: "UETR",
    clearing_reference: "ClrSysRef",
});

/// `SettlementInstruction7`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SettlementInstruction {
    /// `SttlmMtd`.
    pub method: SettlementMethod,
    /// `SttlmAcct`.
    pub account: Option<Account>,
    /// `ClrSys`.
    pub clearing_system: Option<SettlementSystem>,
}

part!(SettlementInstruction {
    method: "SttlmMtd",
    account: "SttlmAcct",
    clearing_system: "ClrSys"
});

/// `ClearingSystemIdentification3Choice`: a code of three characters, or the sender's own word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SettlementSystem(pub Choice<Text<3>>);

impl crate::node::Part for SettlementSystem {
    fn read(node: crate::node::Node<'_>) -> Result<Self, crate::node::Fault> {
        Choice::read(node).map(Self)
    }

    fn write(&self, out: &mut crate::out::Writer, name: &str) {
        self.0.write(out, name);
    }
}

/// `PaymentTypeInformation28`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct PaymentType {
    /// `SvcLvl`.
    pub service_levels: Vec<Choice<Text<4>>>,
    /// `LclInstrm`.
    pub local_instrument: Option<Choice<Text<35>>>,
    /// `CtgyPurp`.
    pub category_purpose: Option<Choice<Text<4>>>,
}

part!(PaymentType {
    service_levels: "SvcLvl",
    local_instrument: "LclInstrm",
    category_purpose: "CtgyPurp",
});

/// `Charges7`: what an agent takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentCharge {
    /// `Amt`.
    pub amount: Money,
    /// `Agt`.
    pub agent: Agent,
}

part!(AgentCharge { amount: "Amt", agent: "Agt" });

/// `OriginalGroupInformation29`: the message that this one is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalGroup {
    /// `OrgnlMsgId`.
    pub message_id: Text<35>,
    /// `OrgnlMsgNmId`: which message, for instance `pacs.008.001.08`.
    pub definition: Text<35>,
    /// `OrgnlCreDtTm`.
    pub created_at: Option<IsoDateTime>,
}

part!(OriginalGroup {
    message_id: "OrgnlMsgId",
    definition: "OrgnlMsgNmId",
    created_at: "OrgnlCreDtTm",
});

/// `OriginalTransactionReference28`: the original payment, told again by who writes about it. A
/// hint to find it by; what was agreed stands in our own record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct OriginalTransaction {
    /// `IntrBkSttlmAmt`.
    pub amount: Option<Money>,
    /// `IntrBkSttlmDt`.
    pub settlement_date: Option<BusinessDate>,
    /// `RmtInf`.
    pub remittance: Option<Remittance>,
    /// `Dbtr`.
    pub debtor: Option<Counterparty>,
    /// `DbtrAcct`.
    pub debtor_account: Option<Account>,
    /// `DbtrAgt`.
    pub debtor_agent: Option<Agent>,
    /// `CdtrAgt`.
    pub creditor_agent: Option<Agent>,
    /// `Cdtr`.
    pub creditor: Option<Counterparty>,
    /// `CdtrAcct`.
    pub creditor_account: Option<Account>,
}

part!(OriginalTransaction {
    amount: "IntrBkSttlmAmt",
    settlement_date: "IntrBkSttlmDt",
    remittance: "RmtInf",
    debtor: "Dbtr",
    debtor_account: "DbtrAcct",
    debtor_agent: "DbtrAgt",
    creditor_agent: "CdtrAgt",
    creditor: "Cdtr",
    creditor_account: "CdtrAcct",
});
