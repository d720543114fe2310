//! An edge's sealed notes to itself: what it must know when the next request of a payment comes.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::{PartyStatement, PostalAddress, ReliedOn, Signed};
use seal::{
    BoxError, CanonicalError, DataKey, Digest, Domain, PublicKey, Secret, derive, from_canonical,
    open_with, seal_with, to_canonical,
};
use terms::{AccountId, CompanyId, CorridorName, Instant, Jurisdiction, PaymentId};
use thiserror::Error;

use crate::travel::Travelled;

/// What comes with a request to pay: who asks, and what was presented.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct InvoiceTicket {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The invoice.
    #[n(1)]
    pub invoice: Digest,
    /// The company that presented registration and account ownership.
    #[n(2)]
    pub company: CompanyId,
    /// Its legal name, as the register signed it.
    #[n(3)]
    pub legal_name: String,
    /// The country of its registered address.
    #[n(4)]
    pub country: Jurisdiction,
    /// Whether the register says that it is active.
    #[n(5)]
    pub active: Active,
    /// The account that it proved to own.
    #[n(6)]
    pub account: AccountId,
    /// The key that signed the invoice.
    #[n(7)]
    pub signer: PublicKey,
    /// What was presented: its status is looked at again with every decision.
    #[n(8)]
    pub shown: Vec<Shown>,
    /// Until when the ticket is good.
    #[n(9)]
    pub expires_at: Instant,
}

/// What the register says of a company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Active {
    /// It is active.
    #[n(0)]
    Yes,
    /// It is anything else.
    #[n(1)]
    No,
}

/// A credential that was presented, as far as its status can be asked again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Shown {
    /// Its type.
    #[n(0)]
    pub credential_type: String,
    /// Who issued it, with which key.
    #[n(1)]
    pub relied_on: ReliedOn,
    /// When it was issued.
    #[n(2)]
    pub issued_at: Instant,
    /// When it ends.
    #[n(3)]
    pub expires_at: Instant,
    /// The URI of its status list and its entry.
    #[n(4)]
    pub status: Option<ShownStatus>,
}

/// Where a status stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ShownStatus {
    /// The list.
    #[n(0)]
    pub uri: String,
    /// The entry.
    #[n(1)]
    pub index: u64,
}

/// What an edge remembers of a payee's invoice until its presentation arrives.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct PendingInvoice {
    #[n(0)]
    pub(crate) layout: u8,
    #[n(1)]
    pub(crate) invoice: Digest,
    #[n(2)]
    pub(crate) account: AccountId,
    #[n(3)]
    pub(crate) owner: CompanyId,
    #[n(4)]
    pub(crate) signer: PublicKey,
    #[n(5)]
    pub(crate) due_at: Instant,
    #[n(6)]
    pub(crate) expires_at: Instant,
    #[n(7)]
    pub(crate) corridor: CorridorName,
}

/// What the debtor's edge remembers between preparation and consent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DebtorTicket {
    /// Layout version: 1, or 2 with what travelled.
    #[n(0)]
    pub layout: u8,
    /// What the payment is.
    #[n(1)]
    pub about: About,
    /// The account that is debited.
    #[n(2)]
    pub account: AccountId,
    /// The company that owns it.
    #[n(3)]
    pub owner: CompanyId,
    /// The key that may ask for it.
    #[n(4)]
    pub client_key: PublicKey,
    /// Whether it took debits.
    #[n(5)]
    pub takes: Active,
    /// Our statement.
    #[n(6)]
    pub sent: Signed<PartyStatement>,
    /// The other side's statement.
    #[n(7)]
    pub received: Signed<PartyStatement>,
    /// What we told by the travel rule, and its receipt.
    #[n(8)]
    pub travelled: Option<Travelled>,
}

/// What the creditor's edge remembers between the statements and the consent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CreditorTicket {
    /// Layout version: 1, or 2 with what travelled.
    #[n(0)]
    pub layout: u8,
    /// What the payment is.
    #[n(1)]
    pub about: About,
    /// The account that is credited.
    #[n(2)]
    pub account: AccountId,
    /// The company that owns it.
    #[n(3)]
    pub owner: CompanyId,
    /// Whether it took credits.
    #[n(4)]
    pub takes: Active,
    /// Whether the owner's registered key signed the invoice.
    #[n(5)]
    pub signed_by_owner: Active,
    /// Our statement.
    #[n(6)]
    pub sent: Signed<PartyStatement>,
    /// The other side's statement.
    #[n(7)]
    pub received: Signed<PartyStatement>,
    /// What came with the request to pay.
    #[n(8)]
    pub payee: InvoiceTicket,
    /// What we were told by the travel rule, and our receipt.
    #[n(9)]
    pub travelled: Option<Travelled>,
}

/// What the payer's edge remembers between preparation and consent of a payment out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutTicket {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The payment.
    #[n(1)]
    pub payment: PaymentId,
    /// The terms string's digest.
    #[n(2)]
    pub terms: Digest,
    /// The account that is debited.
    #[n(3)]
    pub account: AccountId,
    /// The company that owns it.
    #[n(4)]
    pub owner: CompanyId,
    /// The key that may ask for it.
    #[n(5)]
    pub client_key: PublicKey,
    /// Whether it took debits.
    #[n(6)]
    pub takes: Active,
    /// The owner's legal name, as onboarding learned it.
    #[n(7)]
    pub payer_name: String,
    /// The owner's address.
    #[n(8)]
    pub payer_address: PostalAddress,
    /// Until when the ticket is good.
    #[n(9)]
    pub expires_at: Instant,
}

/// Which payment a ticket is about, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct About {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The terms string's digest.
    #[n(1)]
    pub terms: Digest,
    /// The quote's digest.
    #[n(2)]
    pub quote: Digest,
    /// The invoice's digest.
    #[n(3)]
    pub invoice: Digest,
    /// The acceptance's digest.
    #[n(4)]
    pub acceptance: Digest,
    /// Until when the ticket is good.
    #[n(5)]
    pub expires_at: Instant,
}

/// Why bytes are no ticket of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TicketError {
    /// They do not open: another institution's, another kind, or changed.
    #[error("expected a ticket of this institution for this route")]
    NotOurs,
    /// They open and are not what we write.
    #[error("ticket: {0}")]
    NotCanonical(#[from] CanonicalError),
    /// Too old.
    #[error("the ticket was good until {expires_at}, it is {now}")]
    Expired {
        /// Until when.
        expires_at: Instant,
        /// The instant it was judged at.
        now: Instant,
    },
}

impl From<BoxError> for TicketError {
    fn from(_: BoxError) -> Self {
        Self::NotOurs
    }
}

/// A note of one kind: the kind's domain keeps one from being taken for another.
pub(crate) trait Ticket: Encode<()> + for<'b> Decode<'b, ()> {
    const DOMAIN: Domain;
    fn expires_at(&self) -> Instant;

    fn seal(&self, secret: &Secret) -> Result<Vec<u8>, TicketError> {
        let sealed = seal_with(&key(secret), Self::DOMAIN, b"", &to_canonical(self))?;
        Ok(sealed)
    }

    fn open(sealed: &[u8], secret: &Secret, now: Instant) -> Result<Self, TicketError> {
        let ticket: Self = from_canonical(&open_with(&key(secret), Self::DOMAIN, b"", sealed)?)?;
        let expires_at = ticket.expires_at();
        if now < expires_at { Ok(ticket) } else { Err(TicketError::Expired { expires_at, now }) }
    }
}

impl Ticket for InvoiceTicket {
    const DOMAIN: Domain = Domain::new("wayleave/invoice-ticket/v1");
    fn expires_at(&self) -> Instant {
        self.expires_at
    }
}

impl Ticket for PendingInvoice {
    const DOMAIN: Domain = Domain::new("wayleave/pending-invoice/v1");
    fn expires_at(&self) -> Instant {
        self.expires_at
    }
}

impl Ticket for DebtorTicket {
    const DOMAIN: Domain = Domain::new("wayleave/debtor-ticket/v1");
    fn expires_at(&self) -> Instant {
        self.about.expires_at
    }
}

impl Ticket for CreditorTicket {
    const DOMAIN: Domain = Domain::new("wayleave/creditor-ticket/v1");
    fn expires_at(&self) -> Instant {
        self.about.expires_at
    }
}

impl Ticket for OutTicket {
    const DOMAIN: Domain = Domain::new("wayleave/outgoing-ticket/v1");
    fn expires_at(&self) -> Instant {
        self.expires_at
    }
}

impl Active {
    /// `Yes` if it is so.
    #[must_use]
    pub const fn when(so: bool) -> Self {
        if so { Self::Yes } else { Self::No }
    }

    /// Whether it is so.
    #[must_use]
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }
}

/// The bytes of a ticket, as messages carry them.
#[must_use]
pub fn ticket_bytes(sealed: Vec<u8>) -> ByteVec {
    sealed.into()
}

fn key(secret: &Secret) -> DataKey {
    const KEY: Domain = Domain::new("wayleave/ticket-key/v1");
    DataKey::from_bytes(seal::danger::bytes_of_secret(&derive(secret, KEY, b"")))
}
