//! The packs that come with this build. Examples, not legal advice.

use crate::pack::{Pack, PackError, PackFiles};

/// The debtor side of the corridor NL → SG, decided by a bank in the Netherlands.
pub const NL_SG: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/nl-sg/corridor.cedarschema"),
    decide: include_str!("../../../packs/nl-sg/decide.cedar"),
    oblige: include_str!("../../../packs/nl-sg/oblige.cedar"),
    gate: include_str!("../../../packs/nl-sg/gate.cedar"),
    parameters: include_str!("../../../packs/nl-sg/parameters.json"),
};

/// The creditor side of the same corridor, decided by an institution in Singapore.
pub const SG_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/sg-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/sg-in/decide.cedar"),
    oblige: include_str!("../../../packs/sg-in/oblige.cedar"),
    gate: include_str!("../../../packs/sg-in/gate.cedar"),
    parameters: include_str!("../../../packs/sg-in/parameters.json"),
};

/// Loads [`NL_SG`].
pub fn nl_sg() -> Result<Pack, PackError> {
    Pack::load(&NL_SG)
}

/// Loads [`SG_IN`].
pub fn sg_in() -> Result<Pack, PackError> {
    Pack::load(&SG_IN)
}
