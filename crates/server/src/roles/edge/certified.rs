//! No edge decides under a pack that nobody proved, and that its own operator does not stand
//! behind.

use std::path::Path;

use policy::certificate::{certifies, seconded};
use policy::invariants::invariants_of;
use policy::{Pack, PackFiles, shipped};
use record::{Document, PackCertificate, PackCountersignature, Signed};
use seal::{PublicKey, SigningKey};

use super::config::{Config, named, write_texts, wrong};
use crate::roles::RoleError;

/// The certificate in a pack's folder, signed by the pack's author.
pub const CERTIFICATE: &str = "certificate";
/// The countersignature of the edge's operator, beside it.
pub const COUNTERSIGNATURE: &str = "countersignature";
/// The invariants of the pack alone, beside it.
pub const INVARIANTS: &str = "invariants.cedar";
/// The environment in which an operator may countersign without running the proofs again.
const SANDBOX: &str = "sandbox";

/// Who signs for a pack.
#[derive(Clone, Copy)]
pub struct PackKeys<'a> {
    /// Whoever writes the pack.
    pub author: &'a SigningKey,
    /// The operator of the edge.
    pub operator: &'a SigningKey,
}

/// Writes a pack with shipped rules into `DIR/pack`, from where the role loads it, with the
/// certificate that comes with those rules, signed and countersigned. The solvers are not asked
/// again, and the countersignature says so: that is for the sandbox.
pub fn write_pack(dir: &Path, files: &PackFiles<'_>, keys: PackKeys<'_>) -> Result<(), RoleError> {
    write_certified(&dir.join("pack"), files, keys)
}

/// As [`write_pack`], into `DIR/packs/NAME`, from where the role loads that of a further corridor.
pub fn write_more_pack(
    dir: &Path,
    name: &str,
    files: &PackFiles<'_>,
    keys: PackKeys<'_>,
) -> Result<(), RoleError> {
    write_certified(&dir.join("packs").join(name), files, keys)
}

fn write_certified(
    folder: &Path,
    files: &PackFiles<'_>,
    keys: PackKeys<'_>,
) -> Result<(), RoleError> {
    let pack = Pack::load(files).map_err(|e| RoleError::Unsound(format!("pack: {e}")))?;
    let (certificate, invariants) = shipped::proved(&pack).ok_or_else(|| {
        let why = "the rules are no shipped pack's: `wayleave policy prove` makes a certificate";
        RoleError::Unsound(why.to_owned())
    })?;
    let countersignature = PackCountersignature {
        layout: 1,
        environment: named("environment", SANDBOX)?,
        certificate: certificate.digest(),
        pack: pack.digest(),
        run_again: false,
    };
    let written = || {
        write_texts(folder, files)?;
        std::fs::write(folder.join(INVARIANTS), invariants)?;
        let signed = Signed::sign(&certificate, keys.author).to_bytes();
        std::fs::write(folder.join(CERTIFICATE), signed)?;
        let signed = Signed::sign(&countersignature, keys.operator).to_bytes();
        std::fs::write(folder.join(COUNTERSIGNATURE), signed)
    };
    written().map_err(RoleError::world("writing the pack"))
}

/// Whether the pack in a folder may be decided under: proved, signed by the author that the
/// configuration pins, countersigned by the operator that it pins.
pub(super) fn check(folder: &Path, config: &Config, pack: &Pack) -> Result<(), RoleError> {
    let key = |field: &str, text: &str| named::<PublicKey>(field, text);
    let author = key("pack_author", &config.pack_author)?;
    let operator = key("pack_operator", &config.pack_operator)?;
    if author == operator {
        return Err(wrong("pack_operator", "expected another key than the author's"));
    }
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| {
            refused(format!("`{}`: {error}; `wayleave policy prove` makes it", path.display()))
        })
    };
    let signed = Signed::<PackCertificate>::from_bytes(&read(CERTIFICATE)?).map_err(refused)?;
    let certificate = signed.verify(&author).map_err(refused)?;
    let own = String::from_utf8(read(INVARIANTS)?).map_err(refused)?;
    let invariants = invariants_of(pack, &own).map_err(refused)?;
    certifies(&certificate, pack, &invariants).map_err(refused)?;
    let environment = config.common.environment.as_str();
    if environment != SANDBOX {
        seconded(&certificate).map_err(refused)?;
    }
    let counter = read(COUNTERSIGNATURE)?;
    let counter = Signed::<PackCountersignature>::from_bytes(&counter).map_err(refused)?;
    let counter = counter.verify(&operator).map_err(refused)?;
    if (counter.certificate, counter.pack) != (signed.digest(), pack.digest()) {
        return Err(refused("the countersignature is of another certificate"));
    }
    if counter.environment.as_str() != environment {
        let of = counter.environment;
        return Err(refused(format!("the countersignature is for the environment `{of}`")));
    }
    if environment != SANDBOX && !counter.run_again {
        let why = "the operator countersigned without running the proofs again";
        return Err(refused(why));
    }
    Ok(())
}

fn refused(why: impl core::fmt::Display) -> RoleError {
    RoleError::Unsound(format!("the pack is not certified: {why}"))
}

#[cfg(test)]
mod tests {
    use policy::shipped::{NL_SG, SG_IN};
    use record::Side;

    use super::super::config::{Example, example_config, read_pack_in};
    use super::*;
    use crate::roles::Common;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn config(environment: &str, author: u8, operator: u8) -> Config {
        let common = Common {
            environment: environment.to_owned(),
            name: "bank-nl.1".to_owned(),
            url: "http://localhost:1".to_owned(),
            port: 1,
            peers: vec![],
        };
        let example = Example {
            side: Side::Debtor,
            institution: "bank-nl".to_owned(),
            jurisdiction: "NL".to_owned(),
            other_edge: "bank-sg.1".to_owned(),
            supervisors: vec![],
            operator: "operator".to_owned(),
            pack_author: key(author).public_key(),
            pack_operator: key(operator).public_key(),
            customers: vec![],
        };
        example_config(common, "core", example)
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let path =
            std::env::temp_dir().join(format!("wayleave-certified-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    fn write(dir: &Path, files: &PackFiles<'_>) {
        let keys = PackKeys { author: &key(1), operator: &key(2) };
        write_pack(dir, files, keys).unwrap();
    }

    fn says(dir: &Path, config: &Config) -> String {
        let pack = read_pack_in(&dir.join("pack")).unwrap();
        check(&dir.join("pack"), config, &pack)
            .map_or_else(|error| error.to_string(), |()| "good".to_owned())
    }

    #[test]
    fn an_edge_refuses_a_pack_that_is_not_certified_and_countersigned() {
        let dir = folder("refused");
        write(&dir, &NL_SG);
        let good = config("sandbox", 1, 2);
        assert_eq!(says(&dir, &good), "good");
        for (config, why) in [
            (config("sandbox", 3, 2), "expected a signature by key"),
            (config("sandbox", 1, 3), "expected a signature by key"),
            (config("sandbox", 1, 1), "expected another key than the author's"),
            (config("pilot", 1, 2), "is for the environment `sandbox`"),
        ] {
            assert!(says(&dir, &config).contains(why), "{}", says(&dir, &config));
        }
        let at = |name: &str| dir.join("pack").join(name);
        for name in [CERTIFICATE, COUNTERSIGNATURE] {
            let bytes = std::fs::read(at(name)).unwrap();
            std::fs::remove_file(at(name)).unwrap();
            assert!(says(&dir, &good).contains("`wayleave policy prove` makes it"));
            for index in (0..bytes.len()).step_by(1_009) {
                let mut changed = bytes.clone();
                changed[index] ^= 1;
                std::fs::write(at(name), changed).unwrap();
                assert_ne!(says(&dir, &good), "good", "{name} {index}");
            }
            std::fs::write(at(name), bytes).unwrap();
        }
        // One parameter is another pack.
        let text = NL_SG.parameters.replace("\"value\": 50000000", "\"value\": 50000001");
        std::fs::write(at("parameters.json"), text).unwrap();
        assert!(says(&dir, &good).contains("expected a certificate for pack"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn outside_the_sandbox_the_operator_must_have_run_the_proofs_again() {
        let dir = folder("again");
        write(&dir, &NL_SG);
        let pack = read_pack_in(&dir.join("pack")).unwrap();
        let (certificate, _) = shipped::proved(&pack).unwrap();
        for (run_again, said) in [(false, false), (true, true)] {
            let countersignature = PackCountersignature {
                layout: 1,
                environment: "pilot".parse().unwrap(),
                certificate: certificate.digest(),
                pack: pack.digest(),
                run_again,
            };
            let signed = Signed::sign(&countersignature, &key(2)).to_bytes();
            std::fs::write(dir.join("pack").join(COUNTERSIGNATURE), signed).unwrap();
            assert_eq!(says(&dir, &config("pilot", 1, 2)) == "good", said);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_certificate_of_other_rules_is_no_certificate() {
        let (dir, other) = (folder("one"), folder("other"));
        write(&dir, &NL_SG);
        write(&other, &SG_IN);
        for name in [CERTIFICATE, COUNTERSIGNATURE] {
            let from = other.join("pack").join(name);
            std::fs::copy(from, dir.join("pack").join(name)).unwrap();
        }
        let said = says(&dir, &config("sandbox", 1, 2));
        assert!(said.contains("expected a certificate for pack"), "{said}");
        let weak = NL_SG.decide.replace("context.amount > 0", "context.amount > -1");
        let keys = PackKeys { author: &key(1), operator: &key(2) };
        let refused = write_pack(&dir, &PackFiles { decide: &weak, ..NL_SG }, keys);
        assert!(refused.is_err_and(|error| error.to_string().contains("no shipped pack's")));
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::remove_dir_all(&other).unwrap();
    }
}
