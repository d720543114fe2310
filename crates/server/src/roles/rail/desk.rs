//! What the simulator knows, and what it has executed: in `transfers.log`, a line at a time, each
//! durable before anybody is told. So asking by message id is honest over a restart.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use iso20022::{
    Choice, CreditTransfer, Message, OriginalGroup, OriginalGroupStatus, PaymentReturn,
    ReturnHeader, ReturnReasonInformation, ReturnedTransaction, SettlementInstruction,
    SettlementMethod, StatusHeader, StatusReasonInformation, StatusReport, TransactionStatusReport,
};
use seal::sha256;
use serde::{Deserialize, Serialize};
use terms::Instant;

use crate::rail::messages;
use crate::roles::files::LineLog;

/// The name of the file.
pub const TRANSFERS_FILE: &str = "transfers.log";
const PACS_008: &str = "pacs.008.001.08";

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The message.
    pub message_id: String,
    /// What became of it.
    pub verdict: Verdict,
    /// SHA-256 of the message: one id has one content. Empty in a later line of the message.
    #[serde(default)]
    pub content: String,
    /// The message itself, in its first line.
    #[serde(default)]
    pub xml: String,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Taken, and not decided.
    Pending,
    /// The money left.
    Executed,
    /// It did not, and will not.
    Rejected,
    /// It left and came back.
    Returned,
}

struct Known {
    content: String,
    transfer: CreditTransfer,
    verdict: Verdict,
}

/// A message that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is no pacs.008 with one payment, or its id is none.
    Malformed(String),
    /// Its id belongs to other content.
    OtherContent,
    /// The file cannot be written.
    Disk(String),
}

/// The messages and the file.
pub struct Desk {
    known: BTreeMap<String, Known>,
    log: LineLog,
}

impl Desk {
    /// Reads the file below `dir`.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let (log, lines) = LineLog::open(&dir.join(TRANSFERS_FILE))?;
        let mut desk = Self { known: BTreeMap::new(), log };
        for line in lines {
            let line: Line = serde_json::from_str(&line).map_err(io::Error::other)?;
            desk.remember(line).map_err(io::Error::other)?;
        }
        Ok(desk)
    }

    fn remember(&mut self, line: Line) -> Result<(), String> {
        if let Some(known) = self.known.get_mut(&line.message_id) {
            known.verdict = line.verdict;
            return Ok(());
        }
        let (_, transfer) = read(line.xml.as_bytes())?;
        let known = Known { content: line.content, transfer, verdict: line.verdict };
        self.known.insert(line.message_id, known);
        Ok(())
    }

    /// Takes a message with a first verdict; one that is known keeps its own. Says whether it is
    /// new.
    pub fn arrive(
        &mut self,
        xml: &[u8],
        first: impl FnOnce(&str) -> Verdict,
    ) -> Result<bool, NotTaken> {
        let (message_id, _) = read(xml).map_err(NotTaken::Malformed)?;
        let content = sha256(xml).to_string();
        if let Some(known) = self.known.get(&message_id) {
            return if known.content == content { Ok(false) } else { Err(NotTaken::OtherContent) };
        }
        let verdict = first(&message_id);
        let xml = String::from_utf8(xml.to_vec());
        let xml = xml.map_err(|error| NotTaken::Malformed(error.to_string()))?;
        self.append(Line { message_id, verdict, content, xml })?;
        Ok(true)
    }

    /// Decides a pending one, or lets an executed one come back.
    pub fn decide(&mut self, message_id: &str, verdict: Verdict) -> Result<(), NotTaken> {
        let allowed = match self.verdict(message_id) {
            Some(Verdict::Pending) => true,
            Some(Verdict::Executed) => verdict == Verdict::Returned,
            Some(Verdict::Rejected | Verdict::Returned) | None => false,
        };
        if !allowed {
            return Ok(());
        }
        let message_id = message_id.to_owned();
        self.append(Line { message_id, verdict, content: String::new(), xml: String::new() })
    }

    fn append(&mut self, line: Line) -> Result<(), NotTaken> {
        let text = serde_json::to_string(&line).map_err(|e| NotTaken::Disk(e.to_string()))?;
        self.log.append(&text).map_err(|error| NotTaken::Disk(error.to_string()))?;
        self.remember(line).map_err(NotTaken::Malformed)
    }

    /// What became of a message.
    #[must_use]
    pub fn verdict(&self, message_id: &str) -> Option<Verdict> {
        self.known.get(message_id).map(|known| known.verdict)
    }

    /// Messages that wait to be decided.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let waits = self.known.iter().filter(|(_, known)| known.verdict == Verdict::Pending);
        waits.map(|(message_id, _)| message_id.clone()).collect()
    }

    /// The messages that a sender is to get about what is decided: after a restart, all of them.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Verdict)> {
        self.known.iter().map(|(message_id, known)| (message_id.clone(), known.verdict)).collect()
    }

    /// pacs.002 of how a message stands; `None` when it is not known.
    pub fn status(&self, message_id: &str, now: Instant) -> Option<Result<String, String>> {
        let known = self.known.get(message_id)?;
        Some(status_report(message_id, &known.transfer, known.verdict, now))
    }

    /// pacs.004 of a returned message.
    pub fn return_of(&self, message_id: &str, now: Instant) -> Option<Result<String, String>> {
        let known = self.known.get(message_id)?;
        (known.verdict == Verdict::Returned)
            .then(|| payment_return(message_id, &known.transfer, now))
    }
}

/// The id and the one payment of a pacs.008.
pub fn read(xml: &[u8]) -> Result<(String, CreditTransfer), String> {
    let incoming = iso20022::read(xml).map_err(|error| error.to_string())?;
    let Message::CreditTransfers(message) = incoming.message else {
        return Err(format!("expected {PACS_008}, got {}", incoming.definition.identifier()));
    };
    let message_id = message.header.message_id.as_str().to_owned();
    let mut transfers = message.transfers.into_iter();
    match (transfers.next(), transfers.next()) {
        (Some(transfer), None) => Ok((message_id, transfer)),
        (_, _) => Err("expected one payment in a message".to_owned()),
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Name of a message of ours: the other's id, cut, and which of its messages it is.
fn own_id(kind: &str, message_id: &str) -> String {
    let short: String = message_id.chars().take(30).collect();
    format!("{kind}-{short}")
}

fn status_report(
    message_id: &str,
    transfer: &CreditTransfer,
    verdict: Verdict,
    now: Instant,
) -> Result<String, String> {
    let (code, reason) = match verdict {
        Verdict::Pending => ("PDNG", None),
        Verdict::Executed | Verdict::Returned => ("ACSC", None),
        Verdict::Rejected => ("RJCT", Some("AC04")),
    };
    let reasons = match reason {
        None => vec![],
        Some(reason) => vec![StatusReasonInformation {
            originator: None,
            reason: Some(Choice::Code(parsed(reason)?)),
            additional: vec![],
        }],
    };
    let report = StatusReport {
        header: StatusHeader {
            message_id: parsed(&own_id("STS", message_id))?,
            created_at: now.into(),
            instructing_agent: None,
            instructed_agent: None,
        },
        groups: vec![OriginalGroupStatus {
            message_id: parsed(message_id)?,
            definition: parsed(PACS_008)?,
            created_at: None,
            transaction_count: None,
            status: None,
            reasons: vec![],
        }],
        transactions: vec![TransactionStatusReport {
            original_instruction_id: transfer.ids.instruction_id.clone(),
            original_end_to_end_id: Some(transfer.ids.end_to_end_id.clone()),
            original_transaction_id: transfer.ids.transaction_id.clone(),
            original_uetr: transfer.ids.uetr,
            status: Some(parsed(code)?),
            reasons,
            ..TransactionStatusReport::default()
        }],
    };
    iso20022::write(&Message::StatusReport(report), None).map_err(|error| error.to_string())
}

fn payment_return(
    message_id: &str,
    transfer: &CreditTransfer,
    now: Instant,
) -> Result<String, String> {
    let amount = transfer.settlement_amount;
    let message = PaymentReturn {
        header: ReturnHeader {
            message_id: parsed(&own_id("RTR", message_id))?,
            created_at: now.into(),
            transaction_count: 1,
            control_sum: None,
            whole_group: None,
            total: None,
            settlement_date: None,
            settlement: SettlementInstruction {
                method: SettlementMethod::InstructingAgent,
                account: None,
                clearing_system: None,
            },
            instructing_agent: None,
            instructed_agent: None,
        },
        original_group: Some(OriginalGroup {
            message_id: parsed(message_id)?,
            definition: parsed(PACS_008)?,
            created_at: None,
        }),
        transactions: vec![ReturnedTransaction {
            return_id: Some(parsed(&own_id("RTR", message_id))?),
            original_group: None,
            original_instruction_id: transfer.ids.instruction_id.clone(),
            original_end_to_end_id: Some(transfer.ids.end_to_end_id.clone()),
            original_transaction_id: transfer.ids.transaction_id.clone(),
            original_uetr: transfer.ids.uetr,
            original_amount: Some(amount),
            original_settlement_date: transfer.settlement_date,
            amount,
            settlement_date: Some(now.date()),
            instructed_amount: None,
            exchange_rate: None,
            charge_bearer: None,
            charges: vec![],
            instructing_agent: None,
            instructed_agent: None,
            chain: None,
            reasons: vec![ReturnReasonInformation {
                originator: None,
                reason: Some(Choice::Code(parsed("AC04")?)),
                additional: vec![],
            }],
            original: None,
        }],
    };
    let text = iso20022::write(&Message::PaymentReturn(message), None);
    let text = text.map_err(|error| error.to_string())?;
    // What the other side reads in it must be ours.
    messages::reports(text.as_bytes()).map(|_| text)
}
