//! The packs that come with this build. Examples, not legal advice.

use record::PackCertificate;

use crate::certificate::{about_rules, of_json};
use crate::invariants::invariants_of;
use crate::pack::{Pack, PackError, PackFiles};

/// The debtor side of the corridor NL → SG, decided by a bank in the Netherlands.
pub const NL_SG: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/nl-sg/corridor.cedarschema"),
    decide: include_str!("../../../packs/nl-sg/decide.cedar"),
    oblige: include_str!("../../../packs/nl-sg/oblige.cedar"),
    gate: include_str!("../../../packs/nl-sg/gate.cedar"),
    assumptions: include_str!("../../../packs/nl-sg/assumptions.cedar"),
    parameters: include_str!("../../../packs/nl-sg/parameters.json"),
};

/// The creditor side of the corridor NL → SG, decided by an institution in Singapore.
pub const SG_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/sg-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/sg-in/decide.cedar"),
    oblige: include_str!("../../../packs/sg-in/oblige.cedar"),
    gate: include_str!("../../../packs/sg-in/gate.cedar"),
    assumptions: include_str!("../../../packs/sg-in/assumptions.cedar"),
    parameters: include_str!("../../../packs/sg-in/parameters.json"),
};

/// The debtor side of the corridor SG → NL, decided by a bank in Singapore.
pub const SG_NL: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/sg-nl/corridor.cedarschema"),
    decide: include_str!("../../../packs/sg-nl/decide.cedar"),
    oblige: include_str!("../../../packs/sg-nl/oblige.cedar"),
    gate: include_str!("../../../packs/sg-nl/gate.cedar"),
    assumptions: include_str!("../../../packs/sg-nl/assumptions.cedar"),
    parameters: include_str!("../../../packs/sg-nl/parameters.json"),
};

/// The creditor side of the corridor SG → NL, decided by a bank in the Netherlands.
pub const NL_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/nl-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/nl-in/decide.cedar"),
    oblige: include_str!("../../../packs/nl-in/oblige.cedar"),
    gate: include_str!("../../../packs/nl-in/gate.cedar"),
    assumptions: include_str!("../../../packs/nl-in/assumptions.cedar"),
    parameters: include_str!("../../../packs/nl-in/parameters.json"),
};

/// The one side of NL → CH: a bank in the Netherlands pays in euro to an account in Switzerland,
/// whose bank takes no part.
pub const NL_CH: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/nl-ch/corridor.cedarschema"),
    decide: include_str!("../../../packs/nl-ch/decide.cedar"),
    oblige: include_str!("../../../packs/nl-ch/oblige.cedar"),
    gate: include_str!("../../../packs/nl-ch/gate.cedar"),
    assumptions: include_str!("../../../packs/nl-ch/assumptions.cedar"),
    parameters: include_str!("../../../packs/nl-ch/parameters.json"),
};

/// The debtor side of the corridor CN → SG, decided by a bank in China.
pub const CN_SG: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/cn-sg/corridor.cedarschema"),
    decide: include_str!("../../../packs/cn-sg/decide.cedar"),
    oblige: include_str!("../../../packs/cn-sg/oblige.cedar"),
    gate: include_str!("../../../packs/cn-sg/gate.cedar"),
    assumptions: include_str!("../../../packs/cn-sg/assumptions.cedar"),
    parameters: include_str!("../../../packs/cn-sg/parameters.json"),
};

/// The creditor side of the corridor CN → SG, decided by a bank in Singapore.
pub const SG_IN_CN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/sg-in-cn/corridor.cedarschema"),
    decide: include_str!("../../../packs/sg-in-cn/decide.cedar"),
    oblige: include_str!("../../../packs/sg-in-cn/oblige.cedar"),
    gate: include_str!("../../../packs/sg-in-cn/gate.cedar"),
    assumptions: include_str!("../../../packs/sg-in-cn/assumptions.cedar"),
    parameters: include_str!("../../../packs/sg-in-cn/parameters.json"),
};

/// The debtor side of the corridor KE → GB, decided by a bank in Kenya.
pub const KE_GB: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/ke-gb/corridor.cedarschema"),
    decide: include_str!("../../../packs/ke-gb/decide.cedar"),
    oblige: include_str!("../../../packs/ke-gb/oblige.cedar"),
    gate: include_str!("../../../packs/ke-gb/gate.cedar"),
    assumptions: include_str!("../../../packs/ke-gb/assumptions.cedar"),
    parameters: include_str!("../../../packs/ke-gb/parameters.json"),
};

/// The creditor side of the corridor KE → GB, decided by a bank in the United Kingdom.
pub const GB_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/gb-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/gb-in/decide.cedar"),
    oblige: include_str!("../../../packs/gb-in/oblige.cedar"),
    gate: include_str!("../../../packs/gb-in/gate.cedar"),
    assumptions: include_str!("../../../packs/gb-in/assumptions.cedar"),
    parameters: include_str!("../../../packs/gb-in/parameters.json"),
};

/// The debtor side of the corridor MX → ES, decided by a bank in Mexico.
pub const MX_ES: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/mx-es/corridor.cedarschema"),
    decide: include_str!("../../../packs/mx-es/decide.cedar"),
    oblige: include_str!("../../../packs/mx-es/oblige.cedar"),
    gate: include_str!("../../../packs/mx-es/gate.cedar"),
    assumptions: include_str!("../../../packs/mx-es/assumptions.cedar"),
    parameters: include_str!("../../../packs/mx-es/parameters.json"),
};

/// The creditor side of the corridor MX → ES, decided by a bank in Spain.
pub const ES_IN: PackFiles<'static> = PackFiles {
    schema: include_str!("../../../packs/es-in/corridor.cedarschema"),
    decide: include_str!("../../../packs/es-in/decide.cedar"),
    oblige: include_str!("../../../packs/es-in/oblige.cedar"),
    gate: include_str!("../../../packs/es-in/gate.cedar"),
    assumptions: include_str!("../../../packs/es-in/assumptions.cedar"),
    parameters: include_str!("../../../packs/es-in/parameters.json"),
};

/// What goes with a shipped pack and is no part of what it means.
#[derive(Clone, Copy, Debug)]
pub struct Proved {
    /// Its name: its folder below `packs/`.
    pub name: &'static str,
    /// Its texts.
    pub files: PackFiles<'static>,
    /// `invariants.cedar`: those of this pack alone.
    pub invariants: &'static str,
    /// `certificate.json`: what solvers said of it, unsigned.
    pub certificate: &'static str,
}

/// Every shipped pack.
pub const PACKS: [Proved; 11] = [
    Proved {
        name: "nl-sg",
        files: NL_SG,
        invariants: include_str!("../../../packs/nl-sg/invariants.cedar"),
        certificate: include_str!("../../../packs/nl-sg/certificate.json"),
    },
    Proved {
        name: "sg-in",
        files: SG_IN,
        invariants: include_str!("../../../packs/sg-in/invariants.cedar"),
        certificate: include_str!("../../../packs/sg-in/certificate.json"),
    },
    Proved {
        name: "sg-nl",
        files: SG_NL,
        invariants: include_str!("../../../packs/sg-nl/invariants.cedar"),
        certificate: include_str!("../../../packs/sg-nl/certificate.json"),
    },
    Proved {
        name: "nl-in",
        files: NL_IN,
        invariants: include_str!("../../../packs/nl-in/invariants.cedar"),
        certificate: include_str!("../../../packs/nl-in/certificate.json"),
    },
    Proved {
        name: "nl-ch",
        files: NL_CH,
        invariants: include_str!("../../../packs/nl-ch/invariants.cedar"),
        certificate: include_str!("../../../packs/nl-ch/certificate.json"),
    },
    Proved {
        name: "cn-sg",
        files: CN_SG,
        invariants: include_str!("../../../packs/cn-sg/invariants.cedar"),
        certificate: include_str!("../../../packs/cn-sg/certificate.json"),
    },
    Proved {
        name: "sg-in-cn",
        files: SG_IN_CN,
        invariants: include_str!("../../../packs/sg-in-cn/invariants.cedar"),
        certificate: include_str!("../../../packs/sg-in-cn/certificate.json"),
    },
    Proved {
        name: "ke-gb",
        files: KE_GB,
        invariants: include_str!("../../../packs/ke-gb/invariants.cedar"),
        certificate: include_str!("../../../packs/ke-gb/certificate.json"),
    },
    Proved {
        name: "gb-in",
        files: GB_IN,
        invariants: include_str!("../../../packs/gb-in/invariants.cedar"),
        certificate: include_str!("../../../packs/gb-in/certificate.json"),
    },
    Proved {
        name: "mx-es",
        files: MX_ES,
        invariants: include_str!("../../../packs/mx-es/invariants.cedar"),
        certificate: include_str!("../../../packs/mx-es/certificate.json"),
    },
    Proved {
        name: "es-in",
        files: ES_IN,
        invariants: include_str!("../../../packs/es-in/invariants.cedar"),
        certificate: include_str!("../../../packs/es-in/certificate.json"),
    },
];

/// What solvers said of the rules of `pack`, for `pack`: its parameters may be its own, since the
/// proofs hold for all their values. With the invariants of the shipped pack. `None` when the
/// rules are no shipped pack's, or its certificate is out of date.
#[must_use]
pub fn proved(pack: &Pack) -> Option<(PackCertificate, &'static str)> {
    PACKS.iter().find_map(|shipped| {
        let certificate = of_json(shipped.certificate).ok()?;
        let invariants = invariants_of(pack, shipped.invariants).ok()?;
        about_rules(&certificate, pack, &invariants).ok()?;
        let name = pack.name().to_owned();
        Some((PackCertificate { pack: pack.digest(), name, ..certificate }, shipped.invariants))
    })
}

/// Loads [`NL_SG`].
pub fn nl_sg() -> Result<Pack, PackError> {
    Pack::load(&NL_SG)
}

/// Loads [`SG_IN`].
pub fn sg_in() -> Result<Pack, PackError> {
    Pack::load(&SG_IN)
}
