//! The messages of a rail: pacs.008 out; pacs.002, pacs.004 and camt.029 in. No I/O.

use std::fmt::Display;
use std::str::FromStr;

use clearing::outside::{RETURN, Report, Told, Transfer, id_of_message};
use iso20022::{
    Account, AccountId, Address, Agent, Bic, CancellationStatus, ChargeBearer, Choice,
    CreditTransfer, CreditTransfers, Iban, InvestigationConfirmation, Message, Money,
    OrganisationId, OriginalGroup, OriginalGroupStatus, OtherAccount, OtherId, Party, PaymentIds,
    Resolution, ReturnedTransaction, SettlementInstruction, SettlementMethod,
    StatusReasonInformation, StatusReport, Text, TransactionStatus, TransferHeader,
};
use record::{OutgoingParties, OutsideAddress, OutsideEvidence};
use seal::{Digest, sha256};
use serde::{Deserialize, Serialize};
use terms::OutsideId;

/// The outside account that an asset's money leaves: whose, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideAccount {
    /// Its owner's name: the operator.
    pub name: String,
    /// IBAN, or another number of at most 34 characters.
    pub account: String,
    /// The BIC of the bank that keeps it.
    pub bic: String,
}

fn field<T: FromStr>(name: &str, text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| format!("`{name}`: {error}"))
}

fn account(name: &str, number: &str) -> Result<Account, String> {
    // What begins like an IBAN must be one: a mistyped IBAN is no other number.
    let like_iban = number.get(..4).is_some_and(|head| {
        head.bytes().take(2).all(|b| b.is_ascii_uppercase())
            && head.bytes().skip(2).all(|b| b.is_ascii_digit())
    });
    let id = if like_iban {
        AccountId::Iban(field::<Iban>(name, number)?)
    } else {
        AccountId::Other(OtherAccount { id: field(name, number)?, scheme: None, issuer: None })
    };
    Ok(Account { id, currency: None, name: None })
}

fn named(field_name: &str, name: &str) -> Result<Party, String> {
    Ok(Party { name: Some(field(field_name, name)?), ..Party::default() })
}

/// The payer of a payment out: name, and where it lives.
fn payer(of: &OutgoingParties) -> Result<Party, String> {
    let address = of.payer_address.as_ref().map(address).transpose()?;
    // The message has no place for an ultimate debtor's account: it goes as a number that its bank
    // gave the payer.
    let number = |id: &terms::AccountId| {
        let id = field("payer account", &seal::text::to_hex(&id.bytes()))?;
        let scheme = Some(Choice::Code(field("scheme", "BANK")?));
        Ok::<_, String>(OtherId { id, scheme, issuer: None })
    };
    let other = of.payer_account.as_ref().map(number).transpose()?;
    let organisation = other.map(|one| OrganisationId { other: vec![one], ..Default::default() });
    Ok(Party { address, organisation, ..named("payer name", &of.payer_name)? })
}

fn purpose(code: &str) -> Result<Choice<Text<4>>, String> {
    Ok(Choice::Code(field("purpose", code)?))
}

/// Town and country must be there: a rail refuses an address without them.
fn address(of: &OutsideAddress) -> Result<Address, String> {
    let country = of.country.len() == 2 && of.country.bytes().all(|b| b.is_ascii_uppercase());
    if of.town.trim().is_empty() || !country {
        return Err("`to.address`: expected a town and a country of two letters".to_owned());
    }
    Ok(Address {
        street: part("street", &of.street)?,
        building: part("building", &of.building)?,
        post_code: part("post code", &of.post_code)?,
        town: part("town", &of.town)?,
        country: part("country", &of.country)?,
        ..Address::default()
    })
}

/// A part that may be absent: empty.
fn part<T: FromStr>(name: &str, text: &str) -> Result<Option<T>, String>
where
    T::Err: Display,
{
    if text.is_empty() { Ok(None) } else { field(name, text).map(Some) }
}

fn agent(name: &str, bic: &str) -> Result<Agent, String> {
    field::<Bic>(name, bic).map(Agent::from)
}

/// The credit transfer of a transfer: a function of what the book says, so that every try is the
/// same bytes.
///
/// `carried` is who pays whom by the payment that the transfer carries, as its bank's book says.
pub fn credit_transfer(
    transfer: &Transfer,
    carried: Option<&OutgoingParties>,
    from: &OutsideAccount,
) -> Result<String, String> {
    let to = carried.map(|of| &of.to).or(transfer.to.as_ref());
    let to = to.ok_or("nobody says whom it is for")?;
    let reference = carried.map_or(&transfer.reference, |of| &of.identifiers.end_to_end_id);
    let amount = Money::try_from(transfer.amount).map_err(|error| error.to_string())?;
    let created_at = transfer.intended_at.unwrap_or(transfer.changed_at);
    let message_id = transfer.message_id();
    let instruction = carried.map_or(message_id.as_str(), |of| &of.identifiers.instruction_id);
    let (owner, servicer) = (field("name", &from.name)?, agent("bic", &from.bic)?);
    let message = CreditTransfers {
        header: TransferHeader {
            message_id: field("message id", &message_id)?,
            created_at: created_at.into(),
            transaction_count: 1,
            control_sum: None,
            total: None,
            settlement_date: None,
            settlement: SettlementInstruction {
                method: SettlementMethod::InstructedAgent,
                account: None,
                clearing_system: None,
            },
            payment_type: None,
            instructing_agent: None,
            instructed_agent: Some(servicer.clone()),
        },
        transfers: vec![CreditTransfer {
            ids: PaymentIds {
                instruction_id: Some(field("instruction id", instruction)?),
                end_to_end_id: field("reference", reference)?,
                transaction_id: Some(field("message id", &message_id)?),
                uetr: Some(transfer.uetr()),
                clearing_reference: None,
            },
            payment_type: None,
            settlement_amount: amount,
            settlement_date: Some(created_at.date()),
            accepted_at: None,
            instructed_amount: None,
            exchange_rate: None,
            charge_bearer: ChargeBearer::Shared,
            charges: vec![],
            instructing_agent: None,
            instructed_agent: None,
            intermediary_agent: None,
            ultimate_debtor: carried.map(payer).transpose()?,
            debtor: Party { name: Some(owner), ..Party::default() },
            debtor_account: Some(account("account", &from.account)?),
            debtor_agent: servicer,
            creditor_agent: agent("to.bic", &to.bic)?,
            creditor: Party {
                address: carried.map(|of| address(&of.address)).transpose()?,
                ..named("to.name", &to.name)?
            },
            creditor_account: Some(account("to.account", &to.account)?),
            ultimate_creditor: None,
            purpose: carried.and_then(|of| of.purpose.as_deref()).map(purpose).transpose()?,
            remittance: None,
        }],
    };
    iso20022::write(&Message::CreditTransfers(message), None).map_err(|error| error.to_string())
}

/// What a message says of transfers of ours. What names none of ours is left aside.
pub fn reports(bytes: &[u8]) -> Result<Vec<(OutsideId, Report)>, String> {
    let incoming = iso20022::read(bytes).map_err(|error| error.to_string())?;
    let of = Source { digest: sha256(bytes), message_id: incoming.message.message_id() };
    match &incoming.message {
        Message::StatusReport(message) => Ok(of.statuses(message)),
        Message::PaymentReturn(message) => {
            let group = message.original_group.as_ref();
            Ok(message.transactions.iter().filter_map(|one| of.returned(one, group)).collect())
        }
        Message::Resolution(message) => Ok(of.cancelled(message)),
        Message::Statements(_)
        | Message::Notifications(_)
        | Message::CancellationRequest(_)
        | Message::CreditTransfers(_) => Err(format!(
            "expected pacs.002, pacs.004 or camt.029, got {}",
            incoming.definition.identifier()
        )),
    }
}

struct Source<'a> {
    digest: Digest,
    message_id: &'a str,
}

impl Source<'_> {
    fn evidence(&self, kind: &str, code: &str, reason: &str) -> OutsideEvidence {
        OutsideEvidence::Message {
            digest: self.digest,
            message_id: self.message_id.to_owned(),
            kind: kind.to_owned(),
            code: code.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn statuses(&self, message: &StatusReport) -> Vec<(OutsideId, Report)> {
        let single = message.groups.first().map(|group| group.message_id.as_str());
        let of_groups = message.groups.iter().filter_map(|group| self.of_group(group));
        let of_transactions = message.transactions.iter().filter_map(|one| {
            let group = one.original_group.as_ref().map(|group| group.message_id.as_str());
            let instruction = one.original_instruction_id.as_ref().map(|id| id.as_str());
            let transaction = one.original_transaction_id.as_ref().map(|id| id.as_str());
            let id = ours(&[group, instruction, transaction, single])?;
            Some((id, self.status(one.status.as_ref()?, &one.reasons)))
        });
        of_groups.chain(of_transactions).collect()
    }

    /// Our messages have one payment each: a status of the group is the payment's.
    fn of_group(&self, group: &OriginalGroupStatus) -> Option<(OutsideId, Report)> {
        let id = ours(&[Some(group.message_id.as_str())])?;
        Some((id, self.status(group.status.as_ref()?, &group.reasons)))
    }

    fn status(&self, status: &TransactionStatus, reasons: &[StatusReasonInformation]) -> Report {
        let reason = reasons.first().and_then(|one| one.reason.as_ref());
        let reason = reason.map_or("", |choice| match choice {
            Choice::Code(code) => code.code(),
            Choice::Proprietary(text) => text.as_str(),
        });
        let told = Told::of_status(status.code(), reason);
        Report { told, evidence: self.evidence("pacs.002", status.code(), reason) }
    }

    fn returned(
        &self,
        one: &ReturnedTransaction,
        group: Option<&OriginalGroup>,
    ) -> Option<(OutsideId, Report)> {
        let group = one.original_group.as_ref().or(group).map(|group| group.message_id.as_str());
        let instruction = one.original_instruction_id.as_ref().map(|id| id.as_str());
        let transaction = one.original_transaction_id.as_ref().map(|id| id.as_str());
        let id = ours(&[group, instruction, transaction])?;
        let reason = one.reasons.first().and_then(|one| one.reason.as_ref());
        let reason = reason.and_then(Choice::code).map_or("", |code| code.code());
        let evidence = self.evidence(RETURN, "RTRD", reason);
        Some((id, Report { told: Told::Returned, evidence }))
    }

    /// Only *cancelled as asked* says something of the payment: it was not done and will not be.
    fn cancelled(&self, message: &Resolution) -> Vec<(OutsideId, Report)> {
        let answers = message.details.iter().flat_map(|details| &details.transactions);
        let accepted = answers.filter(|one| {
            message.confirmation == InvestigationConfirmation::Cancelled
                && one.status.is_none_or(|status| status == CancellationStatus::Accepted)
        });
        accepted
            .filter_map(|one| {
                let group = one.original_group.as_ref().map(|group| group.message_id.as_str());
                let instruction = one.original_instruction_id.as_ref().map(|id| id.as_str());
                let transaction = one.original_transaction_id.as_ref().map(|id| id.as_str());
                let id = ours(&[group, instruction, transaction])?;
                let evidence = self.evidence("camt.029", "CNCL", "");
                Some((id, Report { told: Told::NotDone, evidence }))
            })
            .collect()
    }
}

/// The transfer that a reference names: the first that has the form of ours.
fn ours(references: &[Option<&str>]) -> Option<OutsideId> {
    references.iter().flatten().find_map(|reference| id_of_message(reference))
}

/// What a message says of one transfer; the last of it, if it says more than one thing.
pub fn report_of(bytes: &[u8], id: OutsideId) -> Result<Report, String> {
    let found = reports(bytes)?.into_iter().rev().find(|(of, _)| *of == id);
    found.map(|(_, report)| report).ok_or_else(|| "it speaks of another payment".to_owned())
}
