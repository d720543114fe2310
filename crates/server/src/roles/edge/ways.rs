//! The corridors that an edge decides, each side with a pack of its own.
//!
//! A payment names its corridor and its ticket the side; the two find one pack, whose rules are
//! all that is evaluated. How many packs are loaded beside it makes no difference.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use admission::Bounds;
use client::Peer;
use policy::{Pack, Shelf};
use record::Side;
use terms::{CorridorName, Minor};

use super::certified;
use super::config::{Config, SandboxConfig, WayConfig, named, read_pack_in, wrong};
use super::packs::Packs;
use crate::roles::RoleError;

/// One corridor and side.
pub(super) struct Way {
    pub(super) corridor: CorridorName,
    pub(super) side: Side,
    pub(super) packs: Packs,
    /// Whom statements are exchanged with; nobody where the other side takes no part.
    pub(super) other: Option<Other>,
    /// What the institution takes for a payment out.
    pub(super) fee: Minor,
    /// How far it goes, where it is a sandbox corridor.
    pub(super) sandbox: Option<Bounds>,
}

/// The other side's edge.
pub(super) struct Other {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) peer: Peer,
}

impl Way {
    /// How many rules its own pack has, for people.
    pub(super) fn rules(&self) -> u32 {
        rules_of(self.packs.own())
    }
}

/// How many rules a pack has, for people.
pub(super) fn rules_of(pack: &Pack) -> u32 {
    u32::try_from(pack.rule_ids().count()).unwrap_or(u32::MAX)
}

/// All ways of an edge, sliced by side and corridor.
pub(super) struct Ways {
    debtor: BTreeMap<CorridorName, Way>,
    creditor: BTreeMap<CorridorName, Way>,
    /// Packs with the same rules share them.
    shelf: Shelf,
}

impl Ways {
    /// Reads every pack that `role.json` names and checks that each is for the way it is named for.
    pub(super) fn open(dir: &Path, config: &Config) -> Result<Self, RoleError> {
        let config = &Arc::new(config.clone());
        let shelf = Shelf::default();
        let mut ways = Self { debtor: BTreeMap::new(), creditor: BTreeMap::new(), shelf };
        let first = WayConfig {
            corridor: config.corridor.clone(),
            side: config.side.clone(),
            pack: String::new(),
            other_edge: Some(config.other_edge.clone()),
            fee: None,
            sandbox: config.sandbox.clone(),
        };
        ways.add(dir, "pack", config, &first)?;
        for more in &config.more {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if more.pack.is_empty() || more.pack.starts_with('.') || !more.pack.chars().all(plain) {
                let reason = format!("expected a folder's name, got `{}`", more.pack);
                return Err(wrong("more.pack", reason));
            }
            ways.add(dir, &format!("packs/{}", more.pack), config, more)?;
        }
        Ok(ways)
    }

    fn add(
        &mut self,
        dir: &Path,
        folder: &str,
        config: &Arc<Config>,
        of: &WayConfig,
    ) -> Result<(), RoleError> {
        let folder = dir.join(folder);
        let side = match of.side.as_str() {
            "debtor" => Side::Debtor,
            "creditor" => Side::Creditor,
            other => return Err(wrong("side", format!("expected a side, got `{other}`"))),
        };
        let corridor: CorridorName = named("corridor", &of.corridor)?;
        let pack = self.shelf.place(read_pack_in(&folder)?);
        if pack.side() != side || pack.corridor() != corridor {
            let got = format!("{} side of `{}`", pack.side(), pack.corridor());
            let reason = format!("the pack in `{}` is for the {got}", folder.display());
            return Err(wrong("side", reason));
        }
        certified::check(&folder, config, &pack)?;
        let other = match &of.other_edge {
            Some(name) => Some(Other {
                name: name.clone(),
                url: config.peer(name)?.url.clone(),
                peer: config.common.signing_peer(name)?,
            }),
            None => None,
        };
        if other.is_none() && side == Side::Creditor {
            let reason = format!("nobody pays in on `{corridor}`: expected the other side's edge");
            return Err(wrong("more.other_edge", reason));
        }
        let fee = of.fee.as_deref().map_or(Ok(Minor::ZERO), |fee| named("more.fee", fee))?;
        let sandbox = of.sandbox.as_ref().map(SandboxConfig::bounds).transpose()?;
        let packs = Packs::new(dir, config, pack);
        let slice = self.slice_mut(side);
        if slice.insert(corridor, Way { corridor, side, packs, other, fee, sandbox }).is_some() {
            return Err(wrong("more", format!("expected the {side} side of `{corridor}` once")));
        }
        Ok(())
    }

    /// The way of this side of this corridor.
    pub(super) fn find(&self, corridor: CorridorName, side: Side) -> Option<&Way> {
        self.slice(side).get(&corridor)
    }

    /// The ways of a side.
    pub(super) fn of(&self, side: Side) -> impl Iterator<Item = &Way> {
        self.slice(side).values()
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Way> {
        self.of(Side::Debtor).chain(self.of(Side::Creditor))
    }

    const fn slice(&self, side: Side) -> &BTreeMap<CorridorName, Way> {
        match side {
            Side::Debtor => &self.debtor,
            Side::Creditor => &self.creditor,
        }
    }

    const fn slice_mut(&mut self, side: Side) -> &mut BTreeMap<CorridorName, Way> {
        match side {
            Side::Debtor => &mut self.debtor,
            Side::Creditor => &mut self.creditor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Descriptor;
    use crate::roles::Common;
    use crate::roles::edge::{Example, PackKeys, example_config, write_more_pack, write_pack};
    use api::Role;
    use policy::{PackFiles, shipped};
    use seal::SigningKey;

    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn config() -> Config {
        let far = Descriptor::new(Role::Edge, "bank-sg.1", "http://localhost:1");
        let common = Common {
            environment: "sandbox".into(),
            name: "bank-nl.1".into(),
            url: "http://localhost:2".into(),
            port: 2,
            peers: vec![far.with_key("request", &key(1))],
        };
        let example = Example {
            side: Side::Debtor,
            institution: "bank-nl".into(),
            jurisdiction: "NL".into(),
            other_edge: "bank-sg.1".into(),
            supervisors: vec![("NL".into(), "supervisor-nl".into())],
            operator: "operator".into(),
            pack_author: key(1).public_key(),
            pack_operator: key(2).public_key(),
            customers: vec![],
        };
        example_config(common, "core", example)
    }

    fn more(corridor: &str, side: &str, pack: &str, other: Option<&str>) -> WayConfig {
        WayConfig {
            corridor: corridor.into(),
            side: side.into(),
            pack: pack.into(),
            other_edge: other.map(str::to_owned),
            fee: None,
            sandbox: None,
        }
    }

    fn bounds_are_read_or_refused(dir: &Path, config: &Config) {
        let bounded = |parties: &[&str], until: &str| SandboxConfig {
            amount_max: "1000".into(),
            parties: parties.iter().map(|one| (*one).to_owned()).collect(),
            until: until.into(),
        };
        let sandbox = Some(bounded(&["nl-kvk:68750110"], "2027-01-01"));
        let open = |sandbox| Ways::open(dir, &Config { sandbox, more: vec![], ..config.clone() });
        let way = open(sandbox).unwrap();
        let bounds = way.all().next().unwrap().sandbox.clone().unwrap();
        assert_eq!((bounds.amount_max.units(), bounds.parties.len()), (1_000, 1));
        assert!(open(Some(bounded(&[], "2027-01-01"))).is_err());
        assert!(open(Some(bounded(&["nl-kvk:68750110"], "soon"))).is_err());
    }

    #[test]
    fn a_corridor_and_side_find_their_own_pack_among_many() {
        let dir = std::env::temp_dir().join(format!("wayleave-ways-{}", std::process::id()));
        let dir = Folder(dir);
        let (author, operator) = (key(1), key(2));
        let keys = PackKeys { author: &author, operator: &operator };
        write_pack(&dir.0, &shipped::NL_SG, keys).unwrap();
        let mut config = config();
        // The pack of NL to CH, under the names of some forty other corridors.
        for n in 0..40_u8 {
            let to = format!("x{}{}", char::from(b'a' + n / 26), char::from(b'a' + n % 26));
            let corridor = format!("nl-{to}");
            let parameters = shipped::NL_CH
                .parameters
                .replace("\"corridor\": \"nl-ch\"", &format!("\"corridor\": \"{corridor}\""));
            let files = PackFiles { parameters: &parameters, ..shipped::NL_CH };
            write_more_pack(&dir.0, &to, &files, keys).unwrap();
            config.more.push(more(&corridor, "debtor", &to, None));
        }
        write_more_pack(&dir.0, "nl-in", &shipped::NL_IN, keys).unwrap();
        config.more.push(more("sg-nl", "creditor", "nl-in", Some("bank-sg.1")));
        // And every corridor that ships beside these, each side.
        let shipped = shipped::PACKS.iter().skip(5).collect::<Vec<_>>();
        for one in &shipped {
            let pack = Pack::load(&one.files).unwrap();
            write_more_pack(&dir.0, one.name, &one.files, keys).unwrap();
            let (corridor, side) = (pack.corridor(), pack.side());
            config.more.push(more(corridor.as_str(), side.as_str(), one.name, Some("bank-sg.1")));
        }
        let ways = Ways::open(&dir.0, &config).unwrap();
        let find = |corridor: &str, side| ways.find(corridor.parse().unwrap(), side);
        let pack =
            |corridor, side| find(corridor, side).map(|way| way.packs.own().name().to_owned());
        assert_eq!(pack("nl-sg", Side::Debtor).as_deref(), Some("nl-sg"));
        assert_eq!(pack("sg-nl", Side::Creditor).as_deref(), Some("nl-in"));
        assert_eq!(find("nl-xbc", Side::Debtor).unwrap().corridor.as_str(), "nl-xbc");
        for (corridor, side) in [("nl-sg", Side::Creditor), ("sg-nl", Side::Debtor)] {
            assert!(find(corridor, side).is_none(), "{corridor} {side}");
        }
        assert_eq!(pack("cn-sg", Side::Debtor).as_deref(), Some("cn-sg"));
        assert_eq!(pack("mx-es", Side::Creditor).as_deref(), Some("es-in"));
        assert_eq!((shipped.len(), ways.all().count()), (6, 48));
        // What decides is the one pack: its rules and no others.
        let alone = Pack::load(&shipped::NL_SG).unwrap();
        let found = find("nl-sg", Side::Debtor).unwrap();
        assert_eq!(found.packs.own().digest(), alone.digest());
        assert_eq!(usize::try_from(found.rules()).unwrap(), alone.rule_ids().count());
        let wrong = [
            more("nl-sg", "creditor", "nl-in", Some("bank-sg.1")),
            more("sg-nl", "creditor", "nl-in", Some("bank-sg.1")),
            more("sg-nl", "payee", "nl-in", Some("bank-sg.1")),
            more("sg-nl", "creditor", "../pack", Some("bank-sg.1")),
            more("sg-nl", "creditor", "nl-in", None),
            more("sg-nl", "creditor", "absent", Some("bank-sg.1")),
            more("nl-xaa", "debtor", "xaa", Some("bank-xx.1")),
        ];
        bounds_are_read_or_refused(&dir.0, &config);
        for one in wrong {
            let mut config = config.clone();
            config.more.push(one.clone());
            assert!(Ways::open(&dir.0, &config).is_err(), "{one:?}");
        }
    }
}
