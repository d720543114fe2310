//! What a payment is for: `RemittanceInformation16`.

use terms::BusinessDate;

use crate::node::part;
use crate::text::Text;

/// `RemittanceInformation16`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Remittance {
    /// `Ustrd`.
    pub unstructured: Vec<Text<140>>,
    /// `Strd`.
    pub structured: Vec<StructuredRemittance>,
}

part!(Remittance { unstructured: "Ustrd", structured: "Strd" });

/// `StructuredRemittanceInformation16`: the documents paid and the creditor's reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct StructuredRemittance {
    /// `RfrdDocInf`.
    pub documents: Vec<ReferredDocument>,
    /// `CdtrRefInf/Ref`: for instance an ISO 11649 reference.
    pub creditor_reference: Option<Text<35>>,
    /// `AddtlRmtInf`.
    pub additional: Vec<Text<140>>,
}

part!(StructuredRemittance {
    documents: "RfrdDocInf",
    creditor_reference: "CdtrRefInf/Ref",
    additional: "AddtlRmtInf",
});

/// `ReferredDocumentInformation7`: an invoice by number and date.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ReferredDocument {
    /// `Nb`.
    pub number: Option<Text<35>>,
    /// `RltdDt`.
    pub date: Option<BusinessDate>,
}

part!(ReferredDocument { number: "Nb", date: "RltdDt" });
