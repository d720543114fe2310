//! A payment's end, or where it stands, as a pacs.002 that says nothing else.

use terms::{BusinessDate, Instant, Uetr};

use crate::codes::{Choice, StatusReason, TransactionStatus};
use crate::payment::OriginalGroup;
use crate::status::{StatusHeader, StatusReasonInformation, StatusReport, TransactionStatusReport};
use crate::text::{EndToEndId, InstructionId, Text};
use crate::time::DateOrTime;

/// What is to be reported of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Names the report: unique for its sender.
    pub message_id: Text<35>,
    /// When it is made.
    pub reported_at: Instant,
    /// The message that asked for the payment, and its definition, where one did.
    pub original: Option<(Text<35>, Text<35>)>,
    /// The instructing party's reference.
    pub instruction_id: InstructionId,
    /// The debtor's reference.
    pub end_to_end_id: EndToEndId,
    /// The unique reference from end to end.
    pub uetr: Uetr,
    /// Where it stands.
    pub status: TransactionStatus,
    /// Why; for a rejection.
    pub reason: Option<StatusReason>,
    /// Our own name of the reason, for people.
    pub words: Option<Text<105>>,
    /// When the books recorded it.
    pub recorded_at: Option<Instant>,
    /// The settlement book's business date; for a settled payment.
    pub settled_on: Option<BusinessDate>,
    /// The clearing's own reference: our payment's id.
    pub clearing_reference: Option<Text<35>>,
}

/// Why an outcome is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// Rejected, and nobody said why.
    #[error("expected a reason of the rejection")]
    NoReason,
    /// A settlement date of what did not settle, or none of what did.
    #[error("expected a settlement date for a settled payment, and for no other")]
    SettlementDate,
}

impl Outcome {
    /// The report.
    ///
    /// # Errors
    /// [`OutcomeError`]: a rejection has a reason, a settlement a date.
    pub fn report(&self) -> Result<StatusReport, OutcomeError> {
        let rejected = self.status == TransactionStatus::Rejected;
        if rejected && self.reason.is_none() {
            return Err(OutcomeError::NoReason);
        }
        let settled = [
            TransactionStatus::AcceptedSettlementCompleted,
            TransactionStatus::AcceptedCreditSettlementCompleted,
        ];
        if settled.contains(&self.status) != self.settled_on.is_some() {
            return Err(OutcomeError::SettlementDate);
        }
        let why = self.reason.clone().map(|reason| StatusReasonInformation {
            originator: None,
            reason: Some(Choice::Code(reason)),
            additional: self.words.clone().into_iter().collect(),
        });
        let original_group = self.original.clone().map(|(message_id, definition)| OriginalGroup {
            message_id,
            definition,
            created_at: None,
        });
        let transaction = TransactionStatusReport {
            original_group,
            original_instruction_id: Some(self.instruction_id.clone()),
            original_end_to_end_id: Some(self.end_to_end_id.clone()),
            original_uetr: Some(self.uetr),
            status: Some(self.status.clone()),
            reasons: why.into_iter().collect(),
            // What was rejected was accepted at no time.
            accepted_at: self.recorded_at.filter(|_| !rejected).map(Into::into),
            settled_on: self.settled_on.map(DateOrTime::Date),
            clearing_reference: self.clearing_reference.clone(),
            ..TransactionStatusReport::default()
        };
        Ok(StatusReport {
            header: StatusHeader {
                message_id: self.message_id.clone(),
                created_at: self.reported_at.into(),
                instructing_agent: None,
                instructed_agent: None,
            },
            groups: Vec::new(),
            transactions: vec![transaction],
        })
    }
}
