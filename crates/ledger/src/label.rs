//! What people and programs note beside an account or a transaction. The ledger stores it, counts
//! its bytes and compares it; it never judges by it.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use terms::{Amount, Instant};
use thiserror::Error;

/// Most bytes of a tag: a word, not a sentence.
pub const TAG_BYTES_MAX: usize = 15;
/// Most tags of an account: a branch, a product, a region, a manager and some more.
pub const TAGS_MAX: usize = 8;
/// Most bytes of a metadata key.
pub const KEY_BYTES_MAX: usize = 48;
/// Most metadata entries of one transaction.
pub const METADATA_MAX: usize = 16;
/// Most bytes of all metadata of one transaction, in canonical form: about a remittance text and
/// the identifiers of four systems. It is paid in journal bytes for ever.
pub const METADATA_BYTES_MAX: usize = 2048;

/// A short word of `a-z 0-9 . _ : -`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    bytes: [u8; TAG_BYTES_MAX],
    length: u8,
}

/// Text that is not a label of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {what}, got `{got}`")]
pub struct LabelError {
    /// What was expected, in words.
    pub what: &'static str,
    /// The first 64 characters of what came.
    pub got: String,
}

const A_TAG: &str = "a tag of 1 to 15 of `a-z 0-9 . _ : -`";
const A_KEY: &str = "a key of 1 to 48 of `a-z 0-9 . _ : -`";

fn is_label(text: &str, most: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._:-".contains(&b);
    (1..=most).contains(&text.len()) && text.bytes().all(allowed)
}

fn refused(what: &'static str, text: &str) -> LabelError {
    LabelError { what, got: text.chars().take(64).collect() }
}

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }
}

impl FromStr for Tag {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let error = || refused(A_TAG, text);
        if !is_label(text, TAG_BYTES_MAX) {
            return Err(error());
        }
        let mut bytes = [0; TAG_BYTES_MAX];
        bytes.get_mut(..text.len()).ok_or_else(error)?.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: u8::try_from(text.len()).map_err(|_| error())? })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.as_str())
    }
}

/// Up to [`TAGS_MAX`] different tags, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    tags: [Option<Tag>; TAGS_MAX],
}

impl Tags {
    /// No tags.
    pub const NONE: Self = Self { tags: [None; TAGS_MAX] };

    /// These tags, in order, each once.
    pub fn of(tags: impl IntoIterator<Item = Tag>) -> Result<Self, LabelError> {
        let mut sorted: Vec<Tag> = tags.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() > TAGS_MAX {
            return Err(refused("at most 8 tags", &sorted.len().to_string()));
        }
        let mut tags = Self::NONE;
        for (place, tag) in tags.tags.iter_mut().zip(sorted) {
            *place = Some(tag);
        }
        Ok(tags)
    }

    /// The tags, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.tags.iter().flatten()
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<C> Encode<C> for Tags {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(u64::try_from(self.iter().count()).unwrap_or(u64::MAX))?;
        for tag in self.iter() {
            e.str(tag.as_str())?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Tags {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let length = d.array()?.and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= TAGS_MAX);
        let length = length.ok_or_else(|| DecodeError::message("expected at most 8 tags"))?;
        let mut tags = Self::NONE;
        for place in tags.tags.iter_mut().take(length) {
            *place = Some(d.str()?.parse().map_err(|_| DecodeError::message("expected a tag"))?);
        }
        // Another order or a tag twice is another encoding, which reading strictly refuses.
        Self::of(tags.iter().copied()).map_err(|_| DecodeError::message("expected tags"))
    }
}

/// What an account is marked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Marks {
    /// Its number in the owner's chart of accounts.
    #[n(0)]
    pub code: Option<u16>,
    /// Words to find it by.
    #[n(1)]
    pub tags: Tags,
}

impl Marks {
    /// Itself, unless it says nothing: an account marked with nothing is not marked.
    #[must_use]
    pub fn if_any(self) -> Option<Self> {
        (self.code.is_some() || self.tags != Tags::NONE).then_some(self)
    }
}

/// The name of a metadata entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if is_label(text, KEY_BYTES_MAX) {
            Ok(Self(text.to_owned()))
        } else {
            Err(refused(A_KEY, text))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.as_str())
    }
}

impl<C> Encode<C> for Key {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(self.as_str())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Key {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.str()?.parse().map_err(|_| DecodeError::message("expected a metadata key"))
    }
}

/// What a metadata entry says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Value {
    /// Text for people.
    #[n(0)]
    Text(#[n(0)] String),
    /// A whole number.
    #[n(1)]
    Integer(#[n(0)] i64),
    /// Bytes of another system: a digest, a message.
    #[n(2)]
    Bytes(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
    /// A moment.
    #[n(3)]
    Instant(#[n(0)] Instant),
    /// An amount of an asset; it moves nothing.
    #[n(4)]
    Amount(#[n(0)] Amount),
    /// About a person: sealed before it came, under a key that can be destroyed. The journal keeps
    /// the bytes for ever, and without the key they say nothing.
    #[n(5)]
    Personal {
        /// Which key opens it.
        #[n(0)]
        key_slot: u32,
        /// The sealed bytes.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
}

/// One metadata entry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Datum {
    /// Its name; each stands once.
    #[n(0)]
    pub key: Key,
    /// What it says.
    #[n(1)]
    pub value: Value,
}

/// What a transaction says beside its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Detail {
    /// When it took effect in the world, where that is not the ledger's time. It may lie in the
    /// past (an import) or ahead (a value date); balances at effective time are a query.
    #[n(0)]
    pub effective: Option<Instant>,
    /// A number of the owner's own: a kind of transaction, a journal.
    #[n(1)]
    pub code: Option<u16>,
    /// At most [`METADATA_MAX`] entries of [`METADATA_BYTES_MAX`] bytes together.
    #[n(2)]
    pub metadata: Vec<Datum>,
}

impl Detail {
    /// How many bytes its metadata takes.
    pub(crate) fn metadata_bytes(&self) -> usize {
        if self.metadata.is_empty() { 0 } else { seal::to_canonical(&self.metadata).len() }
    }

    /// The first field in which `other` differs.
    pub(crate) fn differs(&self, other: &Self) -> Option<&'static str> {
        [
            (self.effective != other.effective, "effective"),
            (self.code != other.code, "code"),
            (self.metadata != other.metadata, "metadata"),
        ]
        .into_iter()
        .find_map(|(differs, field)| differs.then_some(field))
    }
}
