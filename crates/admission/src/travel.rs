//! The travel rule between two edges: the payer's tells, the payee's looks and answers.
//!
//! What is told is an IVMS101 payload made of the party statement that crosses beside it and of
//! the terms, and nothing else ([`CompanyTransfer`]): it tells no fact that the statement's closed
//! list does not have. It goes sealed to the one institution that the trust list names for the
//! other side, in the same request as the statement; no permit is signed before its receipt is
//! here, since the pack's gate asks for it (`dutiesDone`).

use core::str::FromStr;

use minicbor::{Decode, Encode};
use policy::{Action, FindingsBuilder};
use record::{
    DocumentError, PartyStatement, PaymentTerms, PostalAddress, SEALED_TRAVEL, Side, Signed,
    StatedParty, TRAVEL_RULE, TravelMark, TravelMessage, TravelReceipt,
};
use seal::{BadKey, BoxError, Salt, open_box, seal_box};
use terms::InstitutionName;
use thiserror::Error;
use travel_rule::{
    CompanyTransfer, LegalAddress, LeiError, Payee, Payer, ReadError, Text, TextError, Violations,
    WriteError, read_exact, write,
};

use crate::desk::Desk;
use crate::findings;
use crate::lists::{Untrusted, box_key, permit_key};
use crate::ticket::InvoiceTicket;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What is told.
    pub message: Signed<TravelMessage>,
    /// The same, sealed to the payee's institution.
    pub sealed: Vec<u8>,
}

/// A message and its receipt: what the duty asks for is done.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Travelled {
    /// What was told.
    #[n(0)]
    pub message: Signed<TravelMessage>,
    /// That it arrived and is true to the statement.
    #[n(1)]
    pub receipt: Signed<TravelReceipt>,
}

/// Why a message is not made, or not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TravelRefused {
    /// Rules here ask for a message, and none came.
    #[error("rules here ask for a travel-rule message with the statement, and none came")]
    Missing,
    /// A message went, and no receipt came back.
    #[error("the payee's institution answered no receipt of the travel-rule message")]
    NoReceipt,
    /// A receipt came for a message that was not sent.
    #[error("a receipt came, and no travel-rule message was sent")]
    NotTold,
    /// A party's data does not fit the message.
    #[error("travel rule: `{field}`: {error}")]
    Data {
        /// Which datum.
        field: &'static str,
        /// What is wrong.
        error: TextError,
    },
    /// What is stated as LEI is none.
    #[error("travel rule: {0}")]
    Lei(#[from] LeiError),
    /// The statement has no address of the payer.
    #[error("travel rule: the statement has no address of the payer")]
    NoAddress,
    /// The payload breaks constraints of IVMS101.
    #[error("travel rule: {0}")]
    Constraints(#[from] Violations),
    /// The payload does not read.
    #[error("travel rule: {0}")]
    Payload(#[from] ReadError),
    /// The payload cannot be written.
    #[error("travel rule: {0}")]
    Unwritten(#[from] WriteError),
    /// It tells something else than statement and terms, or more.
    #[error("travel rule: the message tells something else than the statement and the terms")]
    NotAsStated,
    /// A field names something else.
    #[error("travel rule: expected `{field}` to be `{expected}`, got `{got}`")]
    Differs {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: String,
        /// What came.
        got: String,
    },
    /// A signed document is not what it says.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// The other side's institution.
    #[error("{0}")]
    Untrusted(#[from] Untrusted),
    /// The box does not open here.
    #[error("the sealed travel-rule message does not open here")]
    Box,
}

impl From<BadKey> for TravelRefused {
    fn from(_: BadKey) -> Self {
        Self::Box
    }
}

impl From<BoxError> for TravelRefused {
    fn from(_: BoxError) -> Self {
        Self::Box
    }
}

impl Travelled {
    /// As permits name it.
    #[must_use]
    pub fn mark(&self) -> TravelMark {
        TravelMark { message: self.message.digest(), receipt: self.receipt.digest() }
    }
}

/// Whether this side's rules may ask for a message about such a payment.
pub(crate) fn may_be_owed(desk: &Desk<'_>, terms: &PaymentTerms) -> bool {
    let amount = match desk.side {
        Side::Debtor => terms.debited,
        Side::Creditor => terms.credited,
    };
    let action: Action = findings::action_of(terms);
    let known = FindingsBuilder::new(action).amount(amount).build();
    desk.pack.may_owe(TRAVEL_RULE, &known, desk.now)
}

/// The payer's side: makes the message that goes with `statement`.
pub(crate) fn tell(
    desk: &Desk<'_>,
    (statement, terms): (&Signed<PartyStatement>, &PaymentTerms),
    (blind, box_bytes): ([u8; 16], [u8; 32]),
) -> Result<Told, TravelRefused> {
    let stated = statement.read_unverified()?;
    let to = desk.lists.counterparty(stated.to, (desk.corridor, Side::Creditor), desk.now)?;
    let transfer = transfer(&stated.party, terms)?;
    let payload = transfer.payload().validate(desk.now.date())?;
    let message = TravelMessage {
        layout: 1,
        environment: desk.environment,
        book: desk.book,
        corridor: desk.corridor,
        payment: terms.payment,
        terms: terms.terms_digest(),
        side: Side::Debtor,
        from: desk.institution,
        to: to.institution,
        statement: statement.digest(),
        blind: Salt(blind),
        payload: write(&payload)?.into(),
        told_at: desk.now,
    };
    let message = Signed::sign(&message, desk.permit_key);
    let (about, plain) = (terms.payment.bytes(), message.to_bytes());
    let sealed = seal_box(&box_key(to), SEALED_TRAVEL, &about, &plain, box_bytes)?;
    Ok(Told { message, sealed })
}

/// The payee's side: opens a message, checks it against the statement that came with it and its
/// own payee, and answers with a receipt.
pub(crate) fn hear(
    desk: &Desk<'_>,
    sealed: &[u8],
    (statement, terms): (&Signed<PartyStatement>, &PaymentTerms),
    payee: &InvoiceTicket,
) -> Result<Travelled, TravelRefused> {
    let plain = open_box(desk.statement_key, SEALED_TRAVEL, &terms.payment.bytes(), sealed)?;
    let signed = Signed::<TravelMessage>::from_bytes(&plain)?;
    let stated = statement.read_unverified()?;
    let message = believe_message(desk, &signed, (statement, terms), stated.from)?;
    let payload = read_exact(&message.payload)?.validate(desk.now.date())?;
    let told = CompanyTransfer::told_by(&payload).ok_or(TravelRefused::NotAsStated)?;
    let known = Payee {
        name: text("payee's name", &payee.legal_name)?,
        account: text("payee's account", &payee.account.to_string())?,
    };
    if told != transfer(&stated.party, terms)? || told.payee != known {
        return Err(TravelRefused::NotAsStated);
    }
    let receipt = TravelReceipt {
        layout: 1,
        environment: desk.environment,
        book: desk.book,
        corridor: desk.corridor,
        payment: terms.payment,
        side: Side::Creditor,
        from: desk.institution,
        to: stated.from,
        message: signed.digest(),
        received_at: desk.now,
    };
    let receipt = Signed::sign(&receipt, desk.permit_key);
    Ok(Travelled { message: signed, receipt })
}

/// The payer's side: the receipt of what was told.
pub(crate) fn receive(
    desk: &Desk<'_>,
    told: Option<&Told>,
    receipt: Option<&Signed<TravelReceipt>>,
    (creditor, terms): (InstitutionName, &PaymentTerms),
) -> Result<Option<Travelled>, TravelRefused> {
    match (told, receipt) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(TravelRefused::NoReceipt),
        (None, Some(_)) => Err(TravelRefused::NotTold),
        (Some(told), Some(receipt)) => {
            let message = told.message.clone();
            let travelled = Travelled { message, receipt: receipt.clone() };
            believe_receipt(desk, &travelled, creditor, terms)?;
            Ok(Some(travelled))
        }
    }
}

/// Whether what travelled still counts: trust may have ended since.
pub(crate) fn still_counts(
    desk: &Desk<'_>,
    travelled: Option<&Travelled>,
    (statement, from, terms): (&Signed<PartyStatement>, Option<InstitutionName>, &PaymentTerms),
) -> bool {
    let (Some(travelled), Some(other)) = (travelled, from) else { return false };
    let checked = match desk.side {
        Side::Debtor => believe_receipt(desk, travelled, other, terms),
        Side::Creditor => {
            believe_message(desk, &travelled.message, (statement, terms), other).map(|_| ())
        }
    };
    checked.is_ok()
}

/// The message, if its institution signed it to us about this very payment and statement.
fn believe_message(
    desk: &Desk<'_>,
    signed: &Signed<TravelMessage>,
    (statement, terms): (&Signed<PartyStatement>, &PaymentTerms),
    from: InstitutionName,
) -> Result<TravelMessage, TravelRefused> {
    let sender = desk.lists.counterparty(from, (desk.corridor, Side::Debtor), desk.now)?;
    let message = signed.verify(&permit_key(sender, signed.key())?)?;
    same("layout", 1, message.layout)?;
    same("environment", desk.environment, message.environment)?;
    same("book", desk.book, message.book)?;
    same("corridor", desk.corridor, message.corridor)?;
    same("payment", terms.payment, message.payment)?;
    same("terms", terms.terms_digest(), message.terms)?;
    same("side", Side::Debtor, message.side)?;
    same("sender", from, message.from)?;
    same("receiver", desk.institution, message.to)?;
    same("statement", statement.digest(), message.statement)?;
    Ok(message)
}

fn believe_receipt(
    desk: &Desk<'_>,
    travelled: &Travelled,
    creditor: InstitutionName,
    terms: &PaymentTerms,
) -> Result<(), TravelRefused> {
    let signed = &travelled.receipt;
    let sender = desk.lists.counterparty(creditor, (desk.corridor, Side::Creditor), desk.now)?;
    let receipt = signed.verify(&permit_key(sender, signed.key())?)?;
    same("layout of the receipt", 1, receipt.layout)?;
    same("environment of the receipt", desk.environment, receipt.environment)?;
    same("book of the receipt", desk.book, receipt.book)?;
    same("corridor of the receipt", desk.corridor, receipt.corridor)?;
    same("payment of the receipt", terms.payment, receipt.payment)?;
    same("side of the receipt", Side::Creditor, receipt.side)?;
    same("sender of the receipt", creditor, receipt.from)?;
    same("receiver of the receipt", desk.institution, receipt.to)?;
    same("message of the receipt", travelled.message.digest(), receipt.message)
}

/// What is told: of the payer what the statement says, of the payee what the terms say.
fn transfer(stated: &StatedParty, terms: &PaymentTerms) -> Result<CompanyTransfer, TravelRefused> {
    let address = stated.address.as_ref().ok_or(TravelRefused::NoAddress)?;
    let payer = Payer {
        name: text("payer's name", &stated.legal_name)?,
        account: text("payer's account", &stated.account.to_string())?,
        address: legal_address(address)?,
        country: text("payer's country", stated.country.as_str())?,
        lei: stated.lei.as_deref().map(str::parse).transpose()?,
    };
    let payee = Payee {
        name: text("payee's name", &terms.payee_name)?,
        account: text("payee's account", &terms.credited_account.to_string())?,
    };
    Ok(CompanyTransfer { payer, payee })
}

fn legal_address(address: &PostalAddress) -> Result<LegalAddress, TravelRefused> {
    let post_code = Some(address.post_code.as_str()).filter(|code| !code.is_empty());
    Ok(LegalAddress {
        street: text("payer's street", &address.street)?,
        post_code: post_code.map(|code| text("payer's postal code", code)).transpose()?,
        town: text("payer's town", &address.town)?,
        country: text("payer's country", address.country.as_str())?,
    })
}

fn text<const MAX: usize>(field: &'static str, value: &str) -> Result<Text<MAX>, TravelRefused> {
    Text::from_str(value).map_err(|error| TravelRefused::Data { field, error })
}

fn same<T: PartialEq + core::fmt::Debug>(
    field: &'static str,
    expected: T,
    got: T,
) -> Result<(), TravelRefused> {
    if expected == got {
        return Ok(());
    }
    let show = |value: T| format!("{value:?}");
    Err(TravelRefused::Differs { field, expected: show(expected), got: show(got) })
}
