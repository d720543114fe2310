//! People and companies: `PartyIdentification135`.

use crate::agent::Bic;
use crate::codes::Choice;
use crate::node::part;
use crate::text::Text;

/// `PartyIdentification135`, without contact details and without what identifies a private
/// person: a payment of companies needs neither.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Party {
    /// `Nm`.
    pub name: Option<Text<140>>,
    /// `PstlAdr`.
    pub address: Option<Address>,
    /// `Id/OrgId`.
    pub organisation: Option<OrganisationId>,
    /// `CtryOfRes`.
    pub country_of_residence: Option<Text<2>>,
}

part!(Party {
    name: "Nm",
    address: "PstlAdr",
    organisation: "Id/OrgId",
    country_of_residence: "CtryOfRes",
});

/// `PostalAddress24`, the parts that CBPR+ asks for and free lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// `StrtNm`.
    pub street: Option<Text<70>>,
    /// `BldgNb`.
    pub building: Option<Text<16>>,
    /// `PstCd`.
    pub post_code: Option<Text<16>>,
    /// `TwnNm`.
    pub town: Option<Text<35>>,
    /// `CtrySubDvsn`.
    pub subdivision: Option<Text<35>>,
    /// `Ctry`.
    pub country: Option<Text<2>>,
    /// `AdrLine`.
    pub lines: Vec<Text<70>>,
}

part!(Address {
    street: "StrtNm",
    building: "BldgNb",
    post_code: "PstCd",
    town: "TwnNm",
    subdivision: "CtrySubDvsn",
    country: "Ctry",
    lines: "AdrLine",
});

/// `OrganisationIdentification29`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct OrganisationId {
    /// `AnyBIC`; `BICOrBEI` in camt.053.001.02.
    pub bic: Option<Bic>,
    /// `LEI`.
    pub lei: Option<Text<20>>,
    /// `Othr`.
    pub other: Vec<OtherId>,
}

part!(OrganisationId { bic: "AnyBIC|BICOrBEI", lei: "LEI", other: "Othr" });

/// `GenericOrganisationIdentification1`: a number of a register or a bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherId {
    /// `Id`.
    pub id: Text<35>,
    /// `SchmeNm`.
    pub scheme: Option<Choice<Text<4>>>,
    /// `Issr`.
    pub issuer: Option<Text<35>>,
}

part!(OtherId { id: "Id", scheme: "SchmeNm", issuer: "Issr" });
