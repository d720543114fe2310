//! Signed notes: text that ends in a newline, an empty line, signature lines (C2SP signed-note).
//!
//! Reading refuses whatever writing would not have produced. Lines of unknown keys are kept, as
//! the specification wants; a stricter reader ([`crate::proof`]) refuses them later.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use seal::digest::sha256_of;
use seal::{PublicKey, Signature, SigningKey};
use thiserror::Error;

use crate::line::shown;

/// The largest note read, in bytes: 32 signatures of the largest known type, 5 kB each, fit.
pub const NOTE_BYTES_MAX: usize = 1 << 18;
/// Most signature lines of one note: the specification demands 16, a policy names up to 32.
pub const SIGNATURES_MAX: usize = 40;
/// The longest key name, in bytes: the ML-DSA-44 cosignature allows no longer one.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// The name of a key, and of the log or witness that holds it: not empty, no spaces, no `+`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if text.is_empty() || text.len() > KEY_NAME_BYTES_MAX || !text.chars().all(allowed) {
            return Err(NoteError::KeyName { got: shown(text) });
        }
        Ok(Self(text.to_owned()))
    }
}

impl<C> Encode<C> for KeyName {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(&self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for KeyName {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.str()?.parse().map_err(|_| DecodeError::message("expected a key name"))
    }
}

/// What is signed and how: the type byte of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureType {
    /// 0x01: Ed25519 over the note's text. What logs sign with.
    Ed25519,
    /// 0x04: Ed25519 over a time and the checkpoint. What witnesses sign with.
    CosignatureEd25519,
    /// 0x06: ML-DSA-44 over a time and a (sub)tree. Known by name; not checked by this version.
    CosignatureMlDsa44,
}

impl SignatureType {
    /// The byte that stands for it in key ids and verifier keys.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureEd25519 => 0x04,
            Self::CosignatureMlDsa44 => 0x06,
        }
    }

    /// The type of a byte; `None` for one not assigned.
    #[must_use]
    pub const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::CosignatureEd25519),
            0x06 => Some(Self::CosignatureMlDsa44),
            _ => None,
        }
    }
}

/// Four bytes that tell keys of one name apart. Short on purpose: a hint, never a proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteKeyId(pub [u8; 4]);

impl NoteKeyId {
    /// SHA-256 of `name ‖ 0x0A ‖ type ‖ key`, first four bytes.
    #[must_use]
    pub fn of(name: &KeyName, kind: SignatureType, key: &PublicKey) -> Self {
        let whole = sha256_of(&[name.0.as_bytes(), b"\n", &[kind.byte()], key.as_bytes()]);
        let [a, b, c, d, ..] = *whole.as_bytes();
        Self([a, b, c, d])
    }
}

impl fmt::Display for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&seal::text::to_hex(&self.0))
    }
}

impl fmt::Debug for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public half of a key with its name and type; its text form is a *vkey*:
/// `name+id+base64(type ‖ key)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: KeyName,
    id: NoteKeyId,
    kind: SignatureType,
    key: PublicKey,
}

impl VerifierKey {
    /// An Ed25519 key under this name, for notes of a log.
    #[must_use]
    pub fn of_log(name: KeyName, key: PublicKey) -> Self {
        Self::new(name, SignatureType::Ed25519, key)
    }

    /// An Ed25519 key under this name, for cosignatures of a witness.
    #[must_use]
    pub fn of_witness(name: KeyName, key: PublicKey) -> Self {
        Self::new(name, SignatureType::CosignatureEd25519, key)
    }

    fn new(name: KeyName, kind: SignatureType, key: PublicKey) -> Self {
        Self { id: NoteKeyId::of(&name, kind, &key), name, kind, key }
    }

    /// The name that signature lines carry.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id that signature lines carry.
    #[must_use]
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub const fn kind(&self) -> SignatureType {
        self.kind
    }

    /// The bare key.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Whether a line claims to be by this key.
    #[must_use]
    pub fn made(&self, line: &SignatureLine) -> bool {
        line.name == self.name && line.id == self.id
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.kind.byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, seal::text::to_base64(&material))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = || NoteError::VerifierKey { got: shown(text) };
        let (name, rest) = text.split_once('+').ok_or_else(refused)?;
        let (_, material) = rest.split_once('+').ok_or_else(refused)?;
        let material = seal::text::from_base64(material).ok_or_else(refused)?;
        let (kind, key) = material.split_first().ok_or_else(refused)?;
        let kind = match SignatureType::of_byte(*kind).ok_or_else(refused)? {
            SignatureType::CosignatureMlDsa44 => {
                return Err(NoteError::MlDsa44NotChecked { name: shown(name) });
            }
            known @ (SignatureType::Ed25519 | SignatureType::CosignatureEd25519) => known,
        };
        let key = PublicKey::from_bytes(key.try_into().map_err(|_| refused())?);
        let read = Self::new(name.parse()?, kind, key);
        // The id is computed, never believed: one written otherwise is no key of ours.
        if read.to_string() == text { Ok(read) } else { Err(refused()) }
    }
}

/// A log's signing key with its name; its text form is a *skey*:
/// `PRIVATE+KEY+name+id+base64(0x01 ‖ seed)`.
pub struct NoteSigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl NoteSigner {
    /// The key under this name.
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        Self { verifier: VerifierKey::of_log(name, key.public_key()), key }
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Reads a skey.
    pub fn from_skey(text: &str) -> Result<Self, NoteError> {
        // The text is a secret: no refusal repeats any of it.
        let refused = || NoteError::SigningKey;
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or_else(refused)?;
        let (name, rest) = rest.split_once('+').ok_or_else(refused)?;
        let (id, material) = rest.split_once('+').ok_or_else(refused)?;
        let material = seal::text::from_base64(material).ok_or_else(refused)?;
        let seed = match material.split_first() {
            Some((0x01, seed)) => <[u8; 32]>::try_from(seed).map_err(|_| refused())?,
            Some(_) | None => return Err(refused()),
        };
        let name = name.parse().map_err(|_| refused())?;
        let signer = Self::new(name, SigningKey::from_seed(&seed));
        if signer.verifier.id.to_string() == id { Ok(signer) } else { Err(refused()) }
    }

    /// Writes the skey: a secret, for a key file only.
    #[must_use]
    pub fn to_skey(&self) -> String {
        let seed = seal::danger::seed_of_signing_key(&self.key);
        let material = [&[self.verifier.kind.byte()], seed.as_slice()].concat();
        let material = seal::text::to_base64(&material);
        format!("PRIVATE+KEY+{}+{}+{material}", self.verifier.name, self.verifier.id)
    }

    /// Signs a note's text.
    #[must_use]
    pub fn sign(&self, text: &str) -> SignatureLine {
        let signature = self.key.sign_bare(text.as_bytes());
        SignatureLine {
            name: self.verifier.name.clone(),
            id: self.verifier.id,
            bytes: signature.as_bytes().to_vec(),
        }
    }
}

/// One line `— name base64(id ‖ signature)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// Whose key.
    pub name: KeyName,
    /// Which of that name's keys.
    pub id: NoteKeyId,
    /// The signature, as its type defines it.
    pub bytes: Vec<u8>,
}

impl SignatureLine {
    /// Reads a line without its newline.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let refused = || NoteError::SignatureLine { got: shown(line) };
        let rest = line.strip_prefix("— ").ok_or_else(refused)?;
        let (name, signature) = rest.split_once(' ').ok_or_else(refused)?;
        let bytes = seal::text::from_base64(signature).ok_or_else(refused)?;
        let (id, bytes) = bytes.split_first_chunk::<4>().ok_or_else(refused)?;
        if bytes.is_empty() {
            return Err(refused());
        }
        Ok(Self { name: name.parse()?, id: NoteKeyId(*id), bytes: bytes.to_vec() })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = [self.id.0.as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, seal::text::to_base64(&whole))
    }
}

/// A text and the lines under it. Nothing is known of it until a signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A text with its first signature.
    pub fn new(text: String, first: SignatureLine) -> Result<Self, NoteError> {
        let note = Self { text, signatures: vec![first] };
        Self::parse(note.to_string().as_bytes())
    }

    /// Reads a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { got: bytes.len() });
        }
        let whole = core::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        if whole.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::NotText);
        }
        let (head, lines) = whole.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let signatures: Vec<_> = lines
            .split('\n')
            .take(SIGNATURES_MAX + 1)
            .map(SignatureLine::parse)
            .collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        Ok(Self { text: format!("{head}\n"), signatures })
    }

    /// The signed text, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines under it.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Puts one more line under the text; a line of the same key is replaced.
    pub fn add(&mut self, line: SignatureLine) {
        self.signatures.retain(|l| l.name != line.name || l.id != line.id);
        self.signatures.push(line);
    }

    /// Checks the signature of a log's key: present, and every line of that key valid.
    pub fn check(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut lines = self.signatures.iter().filter(|line| key.made(line)).peekable();
        if lines.peek().is_none() {
            return Err(NoteError::NotSignedBy { name: key.name.clone() });
        }
        lines.try_for_each(|line| check_line(key, &self.text, line))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn check_line(key: &VerifierKey, text: &str, line: &SignatureLine) -> Result<(), NoteError> {
    let bad = || NoteError::BadSignature { name: key.name.clone() };
    if key.kind != SignatureType::Ed25519 {
        return Err(NoteError::WrongKeyType { name: key.name.clone() });
    }
    let signature = line.bytes.as_slice().try_into().map_err(|_| bad())?;
    let signature = Signature::from_bytes(signature);
    key.key.verify_bare(text.as_bytes(), &signature).map_err(|_| bad())
}

/// Why text is no note or key, or a note is not signed as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// No key name.
    #[error("expected a key name without spaces and `+`, got `{got}`")]
    KeyName {
        /// The first characters of what came.
        got: String,
    },
    /// No verifier key.
    #[error("expected a verifier key `name+id+base64`, got `{got}`")]
    VerifierKey {
        /// The first characters of what came.
        got: String,
    },
    /// A key type that this version does not check.
    #[error("the key `{name}` is of type ML-DSA-44, which this version does not check")]
    MlDsa44NotChecked {
        /// The key's name.
        name: String,
    },
    /// No signing key. What came is a secret and is not repeated.
    #[error("expected a signing key `PRIVATE+KEY+name+id+base64`")]
    SigningKey,
    /// No signature line.
    #[error("expected a signature line `— name base64`, got `{got}`")]
    SignatureLine {
        /// The first characters of what came.
        got: String,
    },
    /// Too many bytes.
    #[error("expected a note of at most {NOTE_BYTES_MAX} bytes, got {got}")]
    TooLarge {
        /// How many bytes came.
        got: usize,
    },
    /// No UTF-8, or control characters in it.
    #[error("expected UTF-8 without control characters")]
    NotText,
    /// No empty line, or no signature lines after it.
    #[error("expected an empty line and signature lines at the end")]
    NoSignatures,
    /// More signature lines than we read.
    #[error("expected at most {SIGNATURES_MAX} signature lines")]
    TooManySignatures,
    /// No line by the key.
    #[error("the note is not signed by `{name}`")]
    NotSignedBy {
        /// The key's name.
        name: KeyName,
    },
    /// A line by the key that does not fit the text.
    #[error("the signature of `{name}` does not fit the text")]
    BadSignature {
        /// The key's name.
        name: KeyName,
    },
    /// A witness's key used for a log, or the other way round.
    #[error("the key `{name}` is of another type than this signature needs")]
    WrongKeyType {
        /// The key's name.
        name: KeyName,
    },
}
