//! Asking for a cancellation (camt.056) and the answer (camt.029).

use terms::{BusinessDate, Uetr};

use crate::agent::Agent;
use crate::codes::{
    CancellationReason, CancellationRejection, CancellationStatus, Choice,
    InvestigationConfirmation,
};
use crate::decimal::Decimal;
use crate::details::Counterparty;
use crate::money::Money;
use crate::node::part;
use crate::party::Party;
use crate::payment::{OriginalGroup, OriginalTransaction};
use crate::text::{EndToEndId, InstructionId, Text};
use crate::time::IsoDateTime;

/// `FIToFIPaymentCancellationRequestV08`: camt.056. A request, never a command: what is settled
/// is final.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CancellationRequest {
    /// `Assgnmt`.
    pub assignment: Assignment,
    /// `Case`.
    pub case: Option<Case>,
    /// `CtrlData`.
    pub control: Option<ControlData>,
    /// `Undrlyg`.
    pub underlying: Vec<UnderlyingRequests>,
}

part!(CancellationRequest {
    assignment: "Assgnmt",
    case: "Case",
    control: "CtrlData",
    underlying: "Undrlyg+",
});

/// `CaseAssignment5`: who sends the case to whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// `Id`.
    pub id: Text<35>,
    /// `Assgnr`.
    pub assigner: Counterparty,
    /// `Assgne`.
    pub assignee: Counterparty,
    /// `CreDtTm`.
    pub created_at: IsoDateTime,
}

part!(Assignment { id: "Id", assigner: "Assgnr", assignee: "Assgne", created_at: "CreDtTm" });

/// `Case5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// `Id`.
    pub id: Text<35>,
    /// `Cretr`.
    pub creator: Counterparty,
}

part!(Case { id: "Id", creator: "Cretr" });

/// `ControlData1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlData {
    /// `NbOfTxs`.
    pub transaction_count: u64,
    /// `CtrlSum`.
    pub control_sum: Option<Decimal>,
}

part!(ControlData { transaction_count: "NbOfTxs", control_sum: "CtrlSum" });

/// `UnderlyingTransaction23`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct UnderlyingRequests {
    /// `OrgnlGrpInfAndCxl`: a request about a whole message.
    pub group: Option<RequestedGroup>,
    /// `TxInf`.
    pub transactions: Vec<RequestedCancellation>,
}

part!(UnderlyingRequests { group: "OrgnlGrpInfAndCxl", transactions: "TxInf" });

/// `OriginalGroupHeader15`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestedGroup {
    /// `GrpCxlId`.
    pub cancellation_id: Option<Text<35>>,
    /// `OrgnlMsgId`.
    pub message_id: Text<35>,
    /// `OrgnlMsgNmId`.
    pub definition: Text<35>,
    /// `OrgnlCreDtTm`.
    pub created_at: Option<IsoDateTime>,
    /// `GrpCxl`: all of it.
    pub whole_group: Option<bool>,
    /// `CxlRsnInf`.
    pub reasons: Vec<CancellationReasonInformation>,
}

part!(RequestedGroup {
    cancellation_id: "GrpCxlId",
    message_id: "OrgnlMsgId",
    definition: "OrgnlMsgNmId",
    created_at: "OrgnlCreDtTm",
    whole_group: "GrpCxl",
    reasons: "CxlRsnInf",
});

/// `PaymentTransaction106`: the payment that somebody wants cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct RequestedCancellation {
    /// `CxlId`.
    pub cancellation_id: Option<Text<35>>,
    /// `Case`.
    pub case: Option<Case>,
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
    /// `Assgnr`.
    pub assigner: Option<Agent>,
    /// `Assgne`.
    pub assignee: Option<Agent>,
    /// `CxlRsnInf`.
    pub reasons: Vec<CancellationReasonInformation>,
    /// `OrgnlTxRef`.
    pub original: Option<OriginalTransaction>,
}

part!(RequestedCancellation {
    cancellation_id: "CxlId",
    case: "Case",
    original_group: "OrgnlGrpInf",
    original_instruction_id: "OrgnlInstrId",
    original_end_to_end_id: "OrgnlEndToEndId",
    original_transaction_id: "OrgnlTxId",
    original_uetr: "OrgnlUETR",
    original_amount: "OrgnlIntrBkSttlmAmt",
    original_settlement_date: "OrgnlIntrBkSttlmDt",
    assigner: "Assgnr",
    assignee: "Assgne",
    reasons: "CxlRsnInf",
    original: "OrgnlTxRef",
});

/// `PaymentCancellationReason5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct CancellationReasonInformation {
    /// `Orgtr`.
    pub originator: Option<Party>,
    /// `Rsn`.
    pub reason: Option<Choice<CancellationReason>>,
    /// `AddtlInf`.
    pub additional: Vec<Text<105>>,
}

part!(CancellationReasonInformation { originator: "Orgtr", reason: "Rsn", additional: "AddtlInf" });

/// `ResolutionOfInvestigationV09`: camt.029, the answer to a camt.056.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// `Assgnmt`.
    pub assignment: Assignment,
    /// `RslvdCase`.
    pub resolved_case: Option<Case>,
    /// `Sts/Conf`: the other kinds of status answer other requests than ours, and are refused.
    pub confirmation: InvestigationConfirmation,
    /// `CxlDtls`.
    pub details: Vec<UnderlyingAnswers>,
}

part!(Resolution {
    assignment: "Assgnmt",
    resolved_case: "RslvdCase",
    confirmation: "Sts/Conf",
    details: "CxlDtls",
});

/// `UnderlyingTransaction22`, without answers about a whole message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct UnderlyingAnswers {
    /// `TxInfAndSts`.
    pub transactions: Vec<CancellationAnswer>,
}

part!(UnderlyingAnswers { transactions: "TxInfAndSts" });

/// `PaymentTransaction102`: what became of the request about one payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct CancellationAnswer {
    /// `CxlStsId`.
    pub status_id: Option<Text<35>>,
    /// `RslvdCase`.
    pub resolved_case: Option<Case>,
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
    /// `TxCxlSts`.
    pub status: Option<CancellationStatus>,
    /// `CxlStsRsnInf`.
    pub reasons: Vec<CancellationStatusReason>,
    /// `RsltnRltdInf`: the return payment that follows.
    pub resolved_by: Option<ResolvedTransaction>,
    /// `OrgnlIntrBkSttlmAmt`.
    pub original_amount: Option<Money>,
    /// `OrgnlIntrBkSttlmDt`.
    pub original_settlement_date: Option<BusinessDate>,
}

part!(CancellationAnswer {
    status_id: "CxlStsId",
    resolved_case: "RslvdCase",
    original_group: "OrgnlGrpInf",
    original_instruction_id: "OrgnlInstrId",
    original_end_to_end_id: "OrgnlEndToEndId",
    original_transaction_id: "OrgnlTxId",
    original_uetr: "OrgnlUETR",
    status: "TxCxlSts",
    reasons: "CxlStsRsnInf",
    resolved_by: "RsltnRltdInf",
    original_amount: "OrgnlIntrBkSttlmAmt",
    original_settlement_date: "OrgnlIntrBkSttlmDt",
});

/// `CancellationStatusReason4`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct CancellationStatusReason {
    /// `Orgtr`.
    pub originator: Option<Party>,
    /// `Rsn`.
    pub reason: Option<Choice<CancellationRejection>>,
    /// `AddtlInf`.
    pub additional: Vec<Text<105>>,
}

part!(CancellationStatusReason { originator: "Orgtr", reason: "Rsn", additional: "AddtlInf" });

/// `ResolutionData1`: names and amount of the payment that returns the money.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ResolvedTransaction {
    /// `EndToEndId`.
    pub end_to_end_id: Option<EndToEndId>,
    /// `TxId`.
    pub transaction_id: Option<Text<35>>,
    /// `UETR`.
    pub uetr: Option<Uetr>,
    /// `IntrBkSttlmAmt`.
    pub amount: Option<Money>,
    /// `IntrBkSttlmDt`.
    pub settlement_date: Option<BusinessDate>,
}

part!(ResolvedTransaction {
    end_to_end_id: "EndToEndId",
    transaction_id: "TxId",
    uetr: "UETR",
    amount: "IntrBkSttlmAmt",
    settlement_date: "IntrBkSttlmDt",
});
