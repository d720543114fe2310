//! What became of a payment: pacs.002.

use terms::Uetr;

use crate::agent::Agent;
use crate::codes::{Choice, StatusReason, TransactionStatus};
use crate::node::part;
use crate::party::Party;
use crate::payment::{OriginalGroup, OriginalTransaction};
use crate::text::{EndToEndId, InstructionId, Text};
use crate::time::{DateOrTime, IsoDateTime};

/// `FIToFIPaymentStatusReportV10`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatusReport {
    /// `GrpHdr`.
    pub header: StatusHeader,
    /// `OrgnlGrpInfAndSts`.
    pub groups: Vec<OriginalGroupStatus>,
    /// `TxInfAndSts`.
    pub transactions: Vec<TransactionStatusReport>,
}

part!(StatusReport { header: "GrpHdr", groups: "OrgnlGrpInfAndSts", transactions: "TxInfAndSts" });

/// `GroupHeader91`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatusHeader {
    /// `MsgId`.
    pub message_id: Text<35>,
    /// `CreDtTm`.
    pub created_at: IsoDateTime,
    /// `InstgAgt`.
    pub instructing_agent: Option<Agent>,
    /// `InstdAgt`.
    pub instructed_agent: Option<Agent>,
}

part!(StatusHeader {
    message_id: "MsgId",
    created_at: "CreDtTm",
    instructing_agent: "InstgAgt",
    instructed_agent: "InstdAgt",
});

/// `OriginalGroupHeader17`: the status of a message as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalGroupStatus {
    /// `OrgnlMsgId`.
    pub message_id: Text<35>,
    /// `OrgnlMsgNmId`.
    pub definition: Text<35>,
    /// `OrgnlCreDtTm`.
    pub created_at: Option<IsoDateTime>,
    /// `OrgnlNbOfTxs`.
    pub transaction_count: Option<u64>,
    /// `GrpSts`.
    pub status: Option<TransactionStatus>,
    /// `StsRsnInf`.
    pub reasons: Vec<StatusReasonInformation>,
}

part!(OriginalGroupStatus {
    message_id: "OrgnlMsgId",
    definition: "OrgnlMsgNmId",
    created_at: "OrgnlCreDtTm",
    transaction_count: "OrgnlNbOfTxs",
    status: "GrpSts",
    reasons: "StsRsnInf",
});

/// `PaymentTransaction110`: the status of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TransactionStatusReport {
    /// `StsId`.
    pub status_id: Option<Text<35>>,
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
    /// `TxSts`.
    pub status: Option<TransactionStatus>,
    /// `StsRsnInf`.
    pub reasons: Vec<StatusReasonInformation>,
    /// `AccptncDtTm`.
    pub accepted_at: Option<IsoDateTime>,
    /// `FctvIntrBkSttlmDt`: when it settled.
    pub settled_on: Option<DateOrTime>,
    /// `AcctSvcrRef`.
    pub account_servicer_reference: Option<Text<35>>,
    /// `ClrSysRef`.
    pub clearing_reference: Option<Text<35>>,
    /// `InstgAgt`.
    pub instructing_agent: Option<Agent>,
    /// `InstdAgt`.
    pub instructed_agent: Option<Agent>,
    /// `OrgnlTxRef`.
    pub original: Option<OriginalTransaction>,
}

part!(TransactionStatusReport {
    status_id: "StsId",
    original_group: "OrgnlGrpInf",
    original_instruction_id: "OrgnlInstrId",
    original_end_to_end_id: "OrgnlEndToEndId",
    original_transaction_id: "OrgnlTxId",
    original_uetr: "OrgnlUETR",
    status: "TxSts",
    reasons: "StsRsnInf",
    accepted_at: "AccptncDtTm",
    settled_on: "FctvIntrBkSttlmDt",
    account_servicer_reference: "AcctSvcrRef",
    clearing_reference: "ClrSysRef",
    instructing_agent: "InstgAgt",
    instructed_agent: "InstdAgt",
    original: "OrgnlTxRef",
});

/// `StatusReasonInformation12`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct StatusReasonInformation {
    /// `Orgtr`: who gave the status.
    pub originator: Option<Party>,
    /// `Rsn`.
    pub reason: Option<Choice<StatusReason>>,
    /// `AddtlInf`.
    pub additional: Vec<Text<105>>,
}

part!(StatusReasonInformation { originator: "Orgtr", reason: "Rsn", additional: "AddtlInf" });
