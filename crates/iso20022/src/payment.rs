//! What the messages between banks share.

use terms::Uetr;

use crate::account::Account;
use crate::agent::Agent;
use crate::codes::{Choice, SettlementMethod};
use crate::money::Money;
use crate::node::part;
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
