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

/// The creditor side of the corridor NL → SG, decided by an institution in Singapore.
pub const SG_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/sg-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/sg-in/decide.cedar"),
    oblige: include_str!("../../../packs/sg-in/oblige.cedar"),
    gate: include_str!("../../../packs/sg-in/gate.cedar"),
    parameters: include_str!("../../../packs/sg-in/parameters.json"),
};

/// The debtor side of the corridor SG → NL, decided by a bank in Singapore.
pub const SG_NL: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/sg-nl/corridor.cedarschema"),
    decide: include_str!("../../../packs/sg-nl/decide.cedar"),
    oblige: include_str!("../../../packs/sg-nl/oblige.cedar"),
    gate: include_str!("../../../packs/sg-nl/gate.cedar"),
    parameters: include_str!("../../../packs/sg-nl/parameters.json"),
};

/// The creditor side of the corridor SG → NL, decided by a bank in the Netherlands.
pub const NL_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/nl-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/nl-in/decide.cedar"),
    oblige: include_str!("../../../packs/nl-in/oblige.cedar"),
    gate: include_str!("../../../packs/nl-in/gate.cedar"),
    parameters: include_str!("../../../packs/nl-in/parameters.json"),
};

/// The one side of NL → CH: a bank in the Netherlands pays in euro to an account in Switzerland,
/// whose bank takes no part.
pub const NL_CH: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/nl-ch/corridor.cedarschema"),
    decide: include_str!("../../../packs/nl-ch/decide.cedar"),
    oblige: include_str!("../../../packs/nl-ch/oblige.cedar"),
    gate: include_str!("../../../packs/nl-ch/gate.cedar"),
    parameters: include_str!("../../../packs/nl-ch/parameters.json"),
};

/// All of them, each under the name of its folder below `packs/`.
pub const ALL: [(&str, PackFiles<'static>); 5] =
    [("nl-sg", NL_SG), ("sg-in", SG_IN), ("sg-nl", SG_NL), ("nl-in", NL_IN), ("nl-ch", NL_CH)];

/// Loads [`NL_SG`].
pub fn nl_sg() -> Result<Pack, PackError> {
    Pack::load(&NL_SG)
}

/// Loads [`SG_IN`].
pub fn sg_in() -> Result<Pack, PackError> {
    Pack::load(&SG_IN)
}
