//! Four frames before the first request: who speaks of which book, proved by a signature.
//!
//! The client signs what both sides said, and under TLS a value that only this TLS connection
//! has: a proof is worth nothing on another connection, with another server, for another book.

use core::fmt;

use seal::{BadSignature, Domain, KeyId, PublicKey, Signature, SigningKey};
use terms::{BookName, Epoch};

use crate::bytes::{Reader, Writer};
use crate::frame::VERSION;

/// Length of a hello.
pub const HELLO_BYTES: usize = 104;
/// Length of a challenge.
pub const CHALLENGE_BYTES: usize = 96;
/// Length of a welcome.
pub const WELCOME_BYTES: usize = 32;

const PROOF: Domain = Domain::new("wayleave/ledger-protocol/proof/v1");
const NAME_BYTES: usize = 48;

/// A client's number in its book, as it stands in the book's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientNumber(pub u32);

impl fmt::Display for ClientNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Client: which book, which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Which book the client means.
    pub book: BookName,
    /// With which key it will prove itself.
    pub key: KeyId,
    /// 32 random bytes of the client.
    pub nonce: [u8; 32],
}

/// Server: what to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Which book the server keeps.
    pub book: BookName,
    /// 32 random bytes of the server.
    pub nonce: [u8; 32],
    /// The epoch in which it writes.
    pub epoch: Epoch,
}

/// What ties a proof to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Plain TCP has nothing of the kind.
    Plain,
    /// RFC 9266 `tls-exporter` of the TLS 1.3 connection.
    Exporter([u8; 32]),
}

/// What one connection may have underway. The server stops reading beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items of one request.
    pub items_per_frame: u32,
    /// Bytes of one request's body.
    pub body_bytes: u32,
    /// Requests not yet answered.
    pub frames_in_flight: u32,
    /// Items of requests not yet answered; one larger request may stand alone.
    pub items_in_flight: u32,
}

impl Limits {
    /// Four bulks, or 128 small requests.
    pub const STANDARD: Self = Self {
        items_per_frame: 8_190,
        body_bytes: 1 << 20,
        frames_in_flight: 128,
        items_in_flight: 4 * 8_190,
    };
}

/// Server: come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The client's number.
    pub client: ClientNumber,
    /// What it may have underway.
    pub limits: Limits,
    /// A connection on which nothing moves for so long is closed.
    pub idle_ms: u32,
}

impl Hello {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> [u8; HELLO_BYTES] {
        named(&self.book).put(self.key.as_bytes().to_owned()).put(self.nonce).done()
    }

    /// Reads it; `None` when a byte is not what writing would give.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let book = read_name(&mut reader)?;
        let key = KeyId::from_bytes(reader.array());
        let nonce = reader.array();
        reader.ended().then_some(Self { book, key, nonce })
    }
}

impl Challenge {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> [u8; CHALLENGE_BYTES] {
        named(&self.book).put(self.nonce).u64(self.epoch.number()).done()
    }

    /// Reads it; `None` when a byte is not what writing would give.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let book = read_name(&mut reader)?;
        let nonce = reader.array();
        let epoch = Epoch::new(reader.u64());
        reader.ended().then_some(Self { book, nonce, epoch })
    }
}

impl Welcome {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> [u8; WELCOME_BYTES] {
        Writer::new()
            .u32(self.client.0)
            .u32(self.limits.items_per_frame)
            .u32(self.limits.body_bytes)
            .u32(self.limits.frames_in_flight)
            .u32(self.limits.items_in_flight)
            .u32(self.idle_ms)
            .zeros::<8>()
            .done()
    }

    /// Reads it; `None` when a byte is not what writing would give.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let client = ClientNumber(reader.u32());
        let limits = Limits {
            items_per_frame: reader.u32(),
            body_bytes: reader.u32(),
            frames_in_flight: reader.u32(),
            items_in_flight: reader.u32(),
        };
        let idle_ms = reader.u32();
        (reader.zeros::<8>() && reader.ended()).then_some(Self { client, limits, idle_ms })
    }
}

/// The client's signature over the handshake.
#[must_use]
pub fn prove(
    key: &SigningKey,
    hello: &Hello,
    challenge: &Challenge,
    binding: Binding,
) -> Signature {
    key.sign(PROOF, &transcript(hello, challenge, binding))
}

/// Checks [`prove`].
pub fn check_proof(
    key: &PublicKey,
    hello: &Hello,
    challenge: &Challenge,
    binding: Binding,
    proof: &Signature,
) -> Result<(), BadSignature> {
    key.verify(PROOF, &transcript(hello, challenge, binding), proof)
}

fn transcript(hello: &Hello, challenge: &Challenge, binding: Binding) -> Vec<u8> {
    let (kind, value) = match binding {
        Binding::Plain => (0, [0; 32]),
        Binding::Exporter(value) => (1, value),
    };
    [&hello.write()[..], &challenge.write(), &[kind], &value].concat()
}

/// Version and book, with which hello and challenge begin: 56 bytes.
fn named<const N: usize>(book: &BookName) -> Writer<N> {
    let name = book.as_str().as_bytes();
    let mut padded = [0; NAME_BYTES];
    for (to, from) in padded.iter_mut().zip(name) {
        *to = *from;
    }
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    Writer::new().u16(u16::from(VERSION)).u8(length).put(padded).zeros::<5>()
}

fn read_name(reader: &mut Reader<'_>) -> Option<BookName> {
    let version = reader.u16();
    let length = usize::from(reader.u8());
    let padded = reader.array::<NAME_BYTES>();
    let (name, padding) = padded.split_at_checked(length)?;
    let sound = version == u16::from(VERSION)
        && padding.iter().all(|byte| *byte == 0)
        && reader.zeros::<5>();
    let name = core::str::from_utf8(name).ok()?;
    if sound { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            book: "main".parse().unwrap(),
            key: SigningKey::from_seed(&[1; 32]).key_id(),
            nonce: [2; 32],
        }
    }

    fn challenge() -> Challenge {
        Challenge { book: "main".parse().unwrap(), nonce: [3; 32], epoch: Epoch::new(9) }
    }

    #[test]
    fn golden_hello_challenge_and_welcome() {
        let named = [&[0, 1, 4][..], b"main", &[0; 44], &[0; 5]].concat();
        let key = SigningKey::from_seed(&[1; 32]).key_id();
        let expected = [&named[..], key.as_bytes(), &[2; 32]].concat();
        assert_eq!(hello().write()[..], expected);
        assert_eq!(Hello::read(&expected), Some(hello()));
        let expected = [&named[..], &[3; 32], &[0, 0, 0, 0, 0, 0, 0, 9]].concat();
        assert_eq!(challenge().write()[..], expected);
        assert_eq!(Challenge::read(&expected), Some(challenge()));
        let welcome =
            Welcome { client: ClientNumber(5), limits: Limits::STANDARD, idle_ms: 60_000 };
        let expected = [
            &[0, 0, 0, 5][..],
            &[0, 0, 0x1f, 0xfe],
            &[0, 0x10, 0, 0],
            &[0, 0, 0, 128],
            &[0, 0, 0x7f, 0xf8],
            &[0, 0, 0xea, 0x60],
            &[0; 8],
        ];
        assert_eq!(welcome.write()[..], expected.concat());
        assert_eq!(Welcome::read(&welcome.write()), Some(welcome));
    }

    #[test]
    fn near_misses_of_a_hello_are_refused() {
        let sound = hello().write();
        for (at, byte, why) in [
            (1, 2, "another version"),
            (2, 3, "a shorter name leaves a letter in the padding"),
            (2, 5, "a longer name holds a zero"),
            (2, 49, "a name longer than there is room for"),
            (3, b' ', "a letter that no name has"),
            (7, b'x', "a letter in the padding"),
            (55, 1, "a reserved byte"),
        ] {
            let mut bytes = sound;
            bytes[at] = byte;
            assert_eq!(Hello::read(&bytes), None, "{why}");
        }
        assert_eq!(Hello::read(&sound[..103]), None);
        assert_eq!(Hello::read(&[&sound[..], &[0]].concat()), None);
        let mut welcome =
            Welcome { client: ClientNumber(5), limits: Limits::STANDARD, idle_ms: 0 }.write();
        welcome[31] = 1;
        assert_eq!(Welcome::read(&welcome), None);
    }

    #[test]
    fn a_proof_is_worth_nothing_for_anything_else() {
        let key = SigningKey::from_seed(&[1; 32]);
        let bound = Binding::Exporter([4; 32]);
        let proof = prove(&key, &hello(), &challenge(), bound);
        let check = |hello: &Hello, challenge: &Challenge, binding| {
            check_proof(&key.public_key(), hello, challenge, binding, &proof)
        };
        assert_eq!(check(&hello(), &challenge(), bound), Ok(()));
        let other = Hello { nonce: [0; 32], ..hello() };
        assert_eq!(check(&other, &challenge(), bound), Err(BadSignature));
        let other = Challenge { nonce: [0; 32], ..challenge() };
        assert_eq!(check(&hello(), &other, bound), Err(BadSignature));
        let other = Challenge { epoch: Epoch::new(8), ..challenge() };
        assert_eq!(check(&hello(), &other, bound), Err(BadSignature));
        assert_eq!(check(&hello(), &challenge(), Binding::Plain), Err(BadSignature));
        let other = Binding::Exporter([5; 32]);
        assert_eq!(check(&hello(), &challenge(), other), Err(BadSignature));
    }
}
