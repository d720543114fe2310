//! The one thing that crosses the border each way: a party statement, sealed to the other edge.

use minicbor::{Decode, Encode};
use seal::{Domain, Salt};
use terms::{
    AccountId, CompanyId, Environment, Instant, InstitutionName, Jurisdiction, PaymentId,
    StatementId,
};

use crate::document::Document;
use crate::trust::Side;

/// Domain of the sealed form; what it is about is the payment id.
pub const SEALED_STATEMENT: Domain = Domain::new("wayleave/sealed-statement/v1");

/// What one edge tells the other about its party. Nothing else crosses.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PartyStatement {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// Its id.
    #[n(2)]
    pub statement: StatementId,
    /// The payment it is about.
    #[n(3)]
    pub payment: PaymentId,
    /// Which party it is about.
    #[n(4)]
    pub side: Side,
    /// Who states.
    #[n(5)]
    pub from: InstitutionName,
    /// To whom.
    #[n(6)]
    pub to: InstitutionName,
    /// 16 random bytes, so that the digest tells nothing of the content.
    #[n(7)]
    pub blind: Salt,
    /// The party.
    #[n(8)]
    pub party: StatedParty,
    /// When it was stated.
    #[n(9)]
    pub stated_at: Instant,
}

impl Document for PartyStatement {
    const DOMAIN: Domain = Domain::new("wayleave/party-statement/v1");
    const NAME: &'static str = "party statement";
}

/// The party of a statement, as its own institution knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatedParty {
    /// The company identifier.
    #[n(0)]
    pub company: CompanyId,
    /// The legal name, as an issuer signed it.
    #[n(1)]
    pub legal_name: String,
    /// The account that is debited or credited. The institution says that it belongs to the name.
    #[n(2)]
    pub account: AccountId,
    /// The country of registration.
    #[n(3)]
    pub country: Jurisdiction,
    /// The structured address; the debtor's only.
    #[n(4)]
    pub address: Option<PostalAddress>,
    /// The LEI, where the party has one; the debtor's only.
    #[n(5)]
    pub lei: Option<String>,
    /// The purpose code of the payment; the debtor's only.
    #[n(6)]
    pub purpose: Option<String>,
}

/// A structured address (ISO 20022 `PostalAddress24`, the four parts that CBPR+ asks for).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PostalAddress {
    /// Street and number.
    #[n(0)]
    pub street: String,
    /// Postal code.
    #[n(1)]
    pub post_code: String,
    /// Town.
    #[n(2)]
    pub town: String,
    /// Country.
    #[n(3)]
    pub country: Jurisdiction,
}
