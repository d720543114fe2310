//! What is said of one archived segment.

use evidence::{SignedCheckpoint, VerifierKey};
use journal::Tip;
use minicbor::{Decode, Encode};
use seal::Digest;
use seal::digest::{Domain, digest};
use terms::{Instant, Position};

/// The first item of the array: names the file and its version.
pub const MANIFEST_MAGIC: &str = "wayleave/archive/v1";
/// How names of manifests end; before it stands the segment's first position in 20 digits.
pub const MANIFEST_SUFFIX: &str = ".manifest";
const MANIFEST_DOMAIN: Domain = Domain::new("wayleave/archive/manifest/v1");

/// The name of the manifest of the segment that begins at `first`.
#[must_use]
pub fn manifest_name(first: Position) -> String {
    format!("{:020}{MANIFEST_SUFFIX}", first.number())
}

/// The document, in the order of its array.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Manifest {
    /// [`MANIFEST_MAGIC`].
    #[n(0)]
    pub magic: String,
    /// From 0, one after another.
    #[n(1)]
    pub number: u64,
    /// Digest of the manifest before; zeros in the first.
    #[n(2)]
    pub previous: Digest,
    /// The book.
    #[n(3)]
    pub book: String,
    /// The verifier key of its log.
    #[n(4)]
    pub key: String,
    /// Position of the segment's first fact.
    #[n(5)]
    pub first: Position,
    /// One after its last.
    #[n(6)]
    pub next: Position,
    /// Digest of the journal's batch before the segment; zeros at the beginning.
    #[n(7)]
    pub chain_before: Digest,
    /// Digest of the segment's last batch.
    #[n(8)]
    pub chain_after: Digest,
    /// The stamp of that batch, nanoseconds since 1970.
    #[n(9)]
    pub stamp: u64,
    /// How many bytes the segment's batches have; what follows them in the journal is zero and not
    /// archived.
    #[n(10)]
    pub bytes: u64,
    /// SHA-256 of these bytes.
    #[n(11)]
    pub sha256: Digest,
    /// Root of the log's first `next` entries.
    #[n(12)]
    pub root: Digest,
    /// A signed checkpoint of the log at `next` entries or more.
    #[n(13)]
    pub checkpoint: String,
    /// That the checkpoint's tree extends the one of `next` entries (RFC 6962 section 2.1.2).
    #[n(14)]
    pub consistency: Vec<Digest>,
    /// One more than the highest salt slot of any fact up to `next`.
    #[n(15)]
    pub salt_slots: u64,
    /// The epoch of the segment's last batch.
    #[n(16)]
    pub epoch: u64,
}

impl Manifest {
    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        seal::to_canonical(self)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// In words: not canonical, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = seal::from_canonical(bytes).map_err(|error| error.to_string())?;
        if read.magic == MANIFEST_MAGIC {
            return Ok(read);
        }
        Err(format!("expected `{MANIFEST_MAGIC}`, got `{}`", read.magic))
    }

    /// What the next manifest names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(MANIFEST_DOMAIN, &self.to_bytes())
    }

    /// The end of the journal after the segment.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        Tip { next: self.next, digest: self.chain_after, stamp: Instant::from_nanos(self.stamp) }
    }

    /// Checks the signature and that the signed tree extends the segment's.
    ///
    /// # Errors
    /// In words.
    pub fn check_log(&self) -> Result<(), String> {
        let key: VerifierKey = self.key.parse().map_err(|error| format!("its key: {error}"))?;
        let signed = SignedCheckpoint::parse(self.checkpoint.as_bytes());
        let signed = signed.map_err(|error| format!("its checkpoint: {error}"))?;
        signed.check(&key).map_err(|error| format!("its checkpoint: {error}"))?;
        let here = evidence::tree::TreeHead { size: self.next.number(), root: self.root };
        evidence::tree::check_consistency(here, signed.head(), &self.consistency)
            .map_err(|error| format!("its checkpoint does not extend its root: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use seal::text::to_hex;

    use super::*;

    #[test]
    fn a_manifest_is_fixed() {
        let of = |byte| Digest::from_bytes([byte; 32]);
        let manifest = Manifest {
            magic: MANIFEST_MAGIC.to_owned(),
            number: 1,
            previous: of(1),
            book: "main".to_owned(),
            key: "k".to_owned(),
            first: Position::new(500),
            next: Position::new(70_000),
            chain_before: of(2),
            chain_after: of(3),
            stamp: 7,
            bytes: 65_536,
            sha256: of(4),
            root: of(5),
            checkpoint: "c\n".to_owned(),
            consistency: vec![of(6)],
            salt_slots: 9,
            epoch: 2,
        };
        let golden = [
            "91".to_owned(),                                   // seventeen items
            "73".to_owned() + &to_hex(b"wayleave/archive/v1"), // kind and version
            "01".to_owned(),                                   // number
            "5820".to_owned() + &"01".repeat(32),              // the manifest before
            "64".to_owned() + &to_hex(b"main"),                // book
            "616b".to_owned(),                                 // the log's key
            "1901f4".to_owned(),                               // first position
            "1a00011170".to_owned(),                           // next position
            "5820".to_owned() + &"02".repeat(32),              // chain before
            "5820".to_owned() + &"03".repeat(32),              // chain after
            "07".to_owned(),                                   // stamp
            "1a00010000".to_owned(),                           // bytes
            "5820".to_owned() + &"04".repeat(32),              // SHA-256 of them
            "5820".to_owned() + &"05".repeat(32),              // the log's root
            "62630a".to_owned(),                               // checkpoint
            "815820".to_owned() + &"06".repeat(32),            // consistency proof
            "09".to_owned(),                                   // salt slots
            "02".to_owned(),                                   // epoch
        ];
        assert_eq!(to_hex(&manifest.to_bytes()), golden.concat());
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes()), Ok(manifest.clone()));
        let other = Manifest { magic: "wayleave/archive/v2".to_owned(), ..manifest };
        assert!(Manifest::from_bytes(&other.to_bytes()).unwrap_err().contains("v2"));
    }
}
