//! Facts that are committed as one: one salt, one digest over the stored bytes.
//!
//! A field-wise commitment costs two digests and a salt per field; a ledger book writes hundreds of
//! thousands of facts a second whose one body field nobody would open alone.

use minicbor::{Decode, Encode};
use seal::Salt;
use seal::digest::{Domain, sha256_of};
use thiserror::Error;

use super::{Commitment, Fact};

/// The first kind number whose facts are committed as one.
pub const WHOLE_KINDS_FROM: u16 = 0x0100;
/// Domain of the commitment of such a fact.
pub const WHOLE_DOMAIN: Domain = Domain::new("wayleave/fact/whole/v1");

/// SHA-256 of `"wayleave/fact/whole/v1" ‖ 0x00 ‖ salt (16 bytes) ‖ fact`, where `fact` is the
/// canonical encoding that the journal stores.
#[must_use]
pub fn whole_commitment(salt: &Salt, fact: &[u8]) -> Commitment {
    Commitment(sha256_of(&[WHOLE_DOMAIN.name().as_bytes(), &[0], &salt.0, fact]))
}

/// A fact that was committed as one, shown with its salt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenedFact {
    /// What blinded it.
    #[n(0)]
    pub salt: Salt,
    /// Its canonical bytes.
    #[n(1)]
    pub bytes: minicbor::bytes::ByteVec,
}

/// Bytes that no whole commitment is made of.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenedFactError {
    /// Not a fact in canonical form.
    #[error("expected the canonical bytes of a fact: {0}")]
    NotAFact(#[from] seal::CanonicalError),
    /// A kind that is committed field by field.
    #[error("expected a kind from `{WHOLE_KINDS_FROM}` on, got `{0}`")]
    OtherForm(u16),
}

impl OpenedFact {
    /// Opens a fact; `None` when its kind is committed field by field.
    #[must_use]
    pub fn of(fact: &Fact, salt: Salt) -> Option<Self> {
        let bytes = || seal::to_canonical(fact).into();
        fact.kind.is_whole().then(|| Self { salt, bytes: bytes() })
    }

    /// The commitment this opening fits, and the fact it shows.
    ///
    /// # Errors
    /// [`OpenedFactError`]: whatever the digest is, it is no commitment of a fact.
    pub fn read(&self) -> Result<(Commitment, Fact), OpenedFactError> {
        let fact: Fact = seal::from_canonical(&self.bytes)?;
        if !fact.kind.is_whole() {
            return Err(OpenedFactError::OtherForm(fact.kind.number));
        }
        Ok((whole_commitment(&self.salt, &self.bytes), fact))
    }
}

#[cfg(test)]
mod tests {
    use seal::text::to_hex;
    use seal::{SaltStream, Secret, sha256};
    use terms::Position;

    use super::*;
    use crate::fact::{Blinding, FactKind, SaltSlot};

    const SALT: Salt = Salt([0xa5; 16]);

    fn fact() -> Fact {
        let kind = FactKind { number: 0x0100, version: 1 };
        Fact::plain(kind, SaltSlot(2), vec![b"abc".to_vec()])
    }

    #[test]
    fn a_whole_commitment_is_fixed() {
        let golden = [
            "7761796c656176652f666163742f77686f6c652f7631", // wayleave/fact/whole/v1
            "00",
            "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5", // salt
            "84",                               // a fact is four things
            "8219010001",                       // kind 256, version 1
            "02",                               // salt slot
            "80",                               // an empty heading
            "8143616263",                       // one body field
        ];
        let hashed = [WHOLE_DOMAIN.name().as_bytes(), &[0], &SALT.0, &seal::to_canonical(&fact())];
        assert_eq!(to_hex(&hashed.concat()), golden.concat());
        let commitment = fact().commitment_under(&Blinding::Whole(SALT)).unwrap();
        assert_eq!(commitment.0, sha256(&hashed.concat()));
        let fixed = "8e38723d9f1d31192c9538549e644b6abbde7d8ea390538111ea75190b0a4b4a";
        assert_eq!(to_hex(commitment.0.as_bytes()), fixed);
    }

    #[test]
    fn an_opened_fact_fits_its_commitment_and_no_changed_one_does() {
        let commitment = fact().commitment_under(&Blinding::Whole(SALT)).unwrap();
        let opened = OpenedFact::of(&fact(), SALT).unwrap();
        assert_eq!(opened.read().unwrap(), (commitment, fact()));
        let stored = seal::to_canonical(&opened);
        assert_eq!(seal::from_canonical::<OpenedFact>(&stored).unwrap(), opened);
        for at in 0..opened.bytes.len() {
            let mut changed = opened.clone();
            changed.bytes[at] ^= 1;
            assert_ne!(changed.read().ok().map(|(c, _)| c), Some(commitment), "byte {at}");
        }
        let other = OpenedFact { salt: Salt([0xa4; 16]), ..opened };
        assert_ne!(other.read().unwrap().0, commitment);
    }

    #[test]
    fn each_kind_has_one_form() {
        let last = FactKind { number: WHOLE_KINDS_FROM - 1, version: 1 };
        let first = FactKind { number: WHOLE_KINDS_FROM, version: 1 };
        assert!(!last.is_whole() && first.is_whole());
        let by_field = Fact { kind: last, ..fact() };
        let root = Blinding::Fields(Secret::from_bytes([1; 32]));
        assert!(by_field.commitment_under(&root).is_some());
        assert_eq!(by_field.commitment_under(&Blinding::Whole(SALT)), None);
        assert_eq!(fact().commitment_under(&root), None);
        assert_eq!(OpenedFact::of(&by_field, SALT), None);
        let bytes = seal::to_canonical(&by_field).into();
        let refused = OpenedFact { salt: SALT, bytes }.read();
        assert_eq!(refused, Err(OpenedFactError::OtherForm(0xff)));
        assert!(OpenedFact { salt: SALT, bytes: vec![0x84].into() }.read().is_err());
    }

    #[test]
    fn salts_of_a_stream_blind_equal_facts_differently() {
        let stream = SaltStream::of(&Secret::from_bytes([3; 32]));
        let commit = |p| whole_commitment(&stream.at(Position::new(p)), b"the same");
        assert_ne!(commit(0), commit(1));
    }
}
