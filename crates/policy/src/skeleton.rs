//! A small pack that loads and whose cases pass, to begin a new one from.

use record::Side;
use terms::CorridorName;

/// The files of a new pack: name and text.
#[must_use]
pub fn files(name: &str, corridor: CorridorName, side: Side) -> Vec<(&'static str, String)> {
    let filled = |text: &str| {
        text.replace("PACK_NAME", name)
            .replace("CORRIDOR_NAME", corridor.as_str())
            .replace("SIDE_NAME", side.as_str())
    };
    TEMPLATE.iter().map(|(file, text)| (*file, filled(text))).collect()
}

const TEMPLATE: &[(&str, &str)] = &[
    ("corridor.cedarschema", include_str!("../skeleton/corridor.cedarschema")),
    ("decide.cedar", include_str!("../skeleton/decide.cedar")),
    ("oblige.cedar", include_str!("../skeleton/oblige.cedar")),
    ("gate.cedar", include_str!("../skeleton/gate.cedar")),
    ("parameters.json", include_str!("../skeleton/parameters.json")),
    ("cases.json", include_str!("../skeleton/cases.json")),
];
