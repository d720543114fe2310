//! A fact: what happened in a book, as an ordered list of fields, each committed on its own.
//!
//! The log's leaf for the fact at position *n* is `0x01 ‖ commitment`, 33 bytes for every kind, so
//! a refusal looks like a payment. The commitment is a digest over one salted digest per field:
//! any field can be opened alone, with its salt and the other fields' commitments.
//!
//! Fields 0 to 5 stand in every fact and are the same for every kind (the *heading*): a supervisor
//! opens them over a range to count sequences without seeing anything else. The rest is the
//! kind's own body.
//!
//! Kinds from [`WHOLE_KINDS_FROM`] on are committed as one ([`OpenedFact`]): facts of a ledger book
//! are small, many, and opened whole or not at all.

mod whole;

use minicbor::{Decode, Encode};
use seal::digest::{Domain, digest_of, sha256_array, sha256_of};
use seal::{Digest, Salt, Secret};
use terms::{CorridorName, EdgeName, Sequence};

use crate::settled::{WITHHELD_FIELDS, bare_commitment};

pub use whole::{OpenedFact, OpenedFactError, WHOLE_DOMAIN, WHOLE_KINDS_FROM, whole_commitment};

/// Domain of one field's commitment.
pub const FIELD_DOMAIN: Domain = Domain::new("wayleave/field/v1");
/// Domain of a whole fact's commitment.
pub const FACT_DOMAIN: Domain = Domain::new("wayleave/fact/v1");
/// Version byte of a public log entry.
pub const LEAF_VERSION: u8 = 1;
/// Length of a public log entry: version and commitment.
pub const LEAF_BYTES: usize = 33;
/// Most fields one fact may have, heading included: the largest kind has 20.
pub const FIELDS_MAX: usize = 64;
/// How many fields the heading takes.
pub const HEADING_FIELDS: u16 = 6;

/// What kind of fact this is, and the version of that kind's layout. An old kind keeps its
/// `apply` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct FactKind {
    /// The kind's number. Numbers are never reused.
    #[n(0)]
    pub number: u16,
    /// The version of the kind's layout, from 1.
    #[n(1)]
    pub version: u16,
}

impl FactKind {
    /// Whether facts of this kind are committed as one instead of field by field.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.number >= WHOLE_KINDS_FROM
    }

    /// The fields of this kind that a journal holds as their commitments only; what they say and
    /// their salts are kept elsewhere ([`crate::settled`]).
    ///
    /// INVARIANT (KindWithholds): the kind alone decides, so that a field has one reading. Guard:
    /// this method, which [`Fact::field_commitments`] and [`Fact::open`] ask.
    #[must_use]
    pub const fn withheld(self) -> &'static [u16] {
        match (self.number, self.version) {
            (1 | 31, 2) => WITHHELD_FIELDS,
            _ => &[],
        }
    }
}

/// Which key of the book's key file the fact's salts are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct SaltSlot(#[n(0)] pub u64);

/// An edge instance and the sequence number it gave to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EdgeMark {
    /// The instance.
    #[n(0)]
    pub edge: EdgeName,
    /// Its own dense count.
    #[n(1)]
    pub sequence: Sequence,
}

/// The fields that every fact has. Absent ones are committed as empty bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Heading {
    /// The corridor that the fact belongs to.
    #[n(0)]
    pub corridor: Option<CorridorName>,
    /// The debtor side's edge.
    #[n(1)]
    pub debtor_edge: Option<EdgeMark>,
    /// The creditor side's edge.
    #[n(2)]
    pub creditor_edge: Option<EdgeMark>,
}

/// One fact, before it has a position.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Fact {
    /// Kind and layout version.
    #[n(0)]
    pub kind: FactKind,
    /// Key of its salts.
    #[n(1)]
    pub salt_slot: SaltSlot,
    /// The fields every fact has.
    #[n(2)]
    pub heading: Heading,
    /// The kind's own fields, each canonical bytes.
    #[n(3)]
    pub body: Vec<minicbor::bytes::ByteVec>,
}

/// 32 bytes that bind a fact without showing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Commitment(#[n(0)] pub Digest);

/// What blinds one fact. Its kind says which of the two it takes.
#[derive(Clone)]
pub enum Blinding {
    /// The root that a salt per field is derived from.
    Fields(Secret),
    /// The one salt of a fact that is committed as one.
    Whole(Salt),
}

impl Blinding {
    /// Whether facts of this kind take this blinding.
    #[must_use]
    pub const fn fits(&self, kind: FactKind) -> bool {
        matches!(self, Self::Whole(_)) == kind.is_whole()
    }
}

/// One field shown with its salt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenedField {
    /// Which field.
    #[n(0)]
    pub index: u16,
    /// What blinded it.
    #[n(1)]
    pub salt: Salt,
    /// What it says.
    #[n(2)]
    pub bytes: minicbor::bytes::ByteVec,
}

impl OpenedField {
    /// The commitment this opening fits.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        field_commitment(self.index, &self.salt, &self.bytes)
    }
}

impl Fact {
    /// A fact whose heading is empty.
    #[must_use]
    pub fn plain(kind: FactKind, salt_slot: SaltSlot, body: Vec<Vec<u8>>) -> Self {
        let body = body.into_iter().map(Into::into).collect();
        Self { kind, salt_slot, heading: Heading::default(), body }
    }

    /// All fields in order, heading first, as they are committed.
    #[must_use]
    pub fn fields(&self) -> Vec<Vec<u8>> {
        let kind = [self.kind.number.to_be_bytes(), self.kind.version.to_be_bytes()].concat();
        let text = |name: Option<&str>| name.map_or_else(Vec::new, |n| n.as_bytes().to_vec());
        let number = |mark: Option<EdgeMark>| {
            mark.map_or_else(Vec::new, |m| m.sequence.number().to_be_bytes().to_vec())
        };
        let heading = &self.heading;
        let mut fields = vec![
            kind,
            text(heading.corridor.as_ref().map(CorridorName::as_str)),
            text(heading.debtor_edge.as_ref().map(|m| m.edge.as_str())),
            number(heading.debtor_edge),
            text(heading.creditor_edge.as_ref().map(|m| m.edge.as_str())),
            number(heading.creditor_edge),
        ];
        fields.extend(self.body.iter().map(|field| field.to_vec()));
        fields
    }

    /// The commitments of all fields, in order, under the salts of `root`.
    #[must_use]
    pub fn field_commitments(&self, root: &Secret) -> Vec<Digest> {
        (0..)
            .zip(self.fields())
            .map(|(i, f)| {
                bare_commitment(self.kind, i, &f)
                    .unwrap_or_else(|| field_commitment(i, &Salt::of_field(root, i), &f))
            })
            .collect()
    }

    /// The commitment of a fact that is committed field by field, under the salts of `root`.
    ///
    /// Whoever does not know the kind beforehand uses [`Fact::commitment_under`].
    #[must_use]
    pub fn commitment(&self, root: &Secret) -> Commitment {
        commitment_of(&self.field_commitments(root))
    }

    /// The commitment of the fact in its kind's form; `None` when the blinding is not of that form.
    ///
    /// INVARIANT (OneFormPerKind): a kind has one form of commitment, so a leaf has one reading.
    /// Guard: this method and [`OpenedFact::read`].
    #[must_use]
    pub fn commitment_under(&self, blinding: &Blinding) -> Option<Commitment> {
        match blinding {
            _ if !blinding.fits(self.kind) => None,
            Blinding::Fields(root) => Some(self.commitment(root)),
            Blinding::Whole(salt) => Some(whole_commitment(salt, &seal::to_canonical(self))),
        }
    }

    /// Opens one field; `None` when the fact has no such field, or withholds it.
    #[must_use]
    pub fn open(&self, root: &Secret, index: u16) -> Option<OpenedField> {
        let bytes = self.fields().into_iter().nth(usize::from(index))?;
        if self.kind.withheld().contains(&index) {
            return None;
        }
        Some(OpenedField { index, salt: Salt::of_field(root, index), bytes: bytes.into() })
    }
}

/// SHA-256 of `"wayleave/field/v1" ‖ 0x00 ‖ index (2 bytes) ‖ salt (16 bytes) ‖ field`.
#[must_use]
pub fn field_commitment(index: u16, salt: &Salt, field: &[u8]) -> Digest {
    let name = FIELD_DOMAIN.name().as_bytes();
    sha256_of(&[name, &[0], &index.to_be_bytes(), &salt.0, field])
}

/// The commitment of a fact whose fields have these commitments.
#[must_use]
pub fn commitment_of(fields: &[Digest]) -> Commitment {
    let pieces: Vec<&[u8]> = fields.iter().map(|d| d.as_bytes().as_slice()).collect();
    Commitment(digest_of(FACT_DOMAIN, &pieces))
}

/// The public log entry of a fact: `0x01 ‖ commitment`.
#[must_use]
pub fn leaf_bytes(commitment: &Commitment) -> [u8; LEAF_BYTES] {
    let mut entry = [LEAF_VERSION; LEAF_BYTES];
    let (_, to) = entry.split_at_mut(1);
    to.copy_from_slice(commitment.0.as_bytes());
    entry
}

/// The RFC 6962 leaf hash of that entry: SHA-256 of `0x00 ‖ entry`.
#[must_use]
pub fn leaf_hash(commitment: &Commitment) -> Digest {
    let mut hashed = [0; LEAF_BYTES + 1];
    if let Some(to) = hashed.last_chunk_mut() {
        *to = leaf_bytes(commitment);
    }
    sha256_array(&hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact() -> Fact {
        let mut fact = Fact::plain(
            FactKind { number: 7, version: 1 },
            SaltSlot(3),
            vec![b"a".to_vec(), vec![]],
        );
        fact.heading.corridor = Some("nl-sg".parse().unwrap());
        fact.heading.debtor_edge =
            Some(EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(9) });
        fact
    }

    #[test]
    fn each_field_opens_alone_and_fits_the_commitment() {
        let (fact, root) = (fact(), Secret::from_bytes([1; 32]));
        let commitments = fact.field_commitments(&root);
        assert_eq!(commitments.len(), 8);
        for (index, commitment) in (0..).zip(&commitments) {
            assert_eq!(fact.open(&root, index).unwrap().commitment(), *commitment);
        }
        assert_eq!(fact.open(&root, 8), None);
        assert_eq!(commitment_of(&commitments), fact.commitment(&root));
    }

    #[test]
    fn the_stored_form_is_fixed() {
        let bytes = seal::to_canonical(&fact());
        let golden = [
            "84",                       // a fact is four things
            "820701",                   // kind 7, version 1
            "03",                       // salt slot
            "82656e6c2d7367",           // heading: corridor (an absent last part is left out)
            "826962616e6b2d6e6c2e3109", // debtor edge and sequence
            "82416140",                 // two fields
        ];
        assert_eq!(seal::text::to_hex(&bytes), golden.concat());
        assert_eq!(seal::from_canonical::<Fact>(&bytes).unwrap(), fact());
    }

    #[test]
    fn a_leaf_is_33_bytes_whatever_it_commits_to() {
        let root = Secret::from_bytes([1; 32]);
        let leaf = leaf_bytes(&fact().commitment(&root));
        assert_eq!((leaf.len(), leaf[0]), (33, 1));
        assert_eq!(leaf[1..], *fact().commitment(&root).0.as_bytes());
        let hash = leaf_hash(&fact().commitment(&root));
        assert_eq!(hash, seal::sha256(&[&[0], leaf.as_slice()].concat()));
    }
}
