//! Saved states. A cache: an image that does not fit is ignored and the journal refolded.
//!
//! `WLim` ‖ version 1 (2 bytes) ‖ length of the book's name (1 byte) ‖ name ‖ next position
//! (8 bytes) ‖ stamp (8 bytes) ‖ digest of the last batch (32 bytes) ‖ state ‖ SHA-256 under
//! `wayleave/image/v1` of all before (32 bytes). Integers big-endian.

use journal::{Image, Start, Tip};
use seal::Digest;
use seal::digest::{Domain, digest};
use terms::{BookName, Instant, Position};

use crate::disk::{Disk, read_whole, replace};

/// Its name.
pub const IMAGE_NAME: &str = "image";
const MAGIC: &[u8; 6] = b"WLim\x00\x01";
const DOMAIN: Domain = Domain::new("wayleave/image/v1");

/// Saves the state, as [`Image::save`] gave it, at `tip`, which must be durable. Atomic: the old
/// image stays until then.
///
/// # Errors
/// The device's words.
pub fn save_image<D: Disk>(
    disk: &D,
    book: &BookName,
    state: &[u8],
    tip: &Tip,
) -> Result<(), String> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(u8::try_from(book.as_str().len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(book.as_str().as_bytes());
    bytes.extend_from_slice(&tip.next.number().to_be_bytes());
    bytes.extend_from_slice(&tip.stamp.nanos().to_be_bytes());
    bytes.extend_from_slice(tip.digest.as_bytes());
    bytes.extend_from_slice(state);
    let check = digest(DOMAIN, &bytes);
    bytes.extend_from_slice(check.as_bytes());
    replace(disk, IMAGE_NAME, &bytes).map_err(|error| error.to_string())
}

/// The newest image; `None` when there is none.
///
/// # Errors
/// Why the image that is there cannot be used.
pub fn load_image<M: Image, D: Disk>(
    disk: &D,
    book: &BookName,
) -> Result<Option<Start<M>>, String> {
    let read = read_whole(disk, IMAGE_NAME).map_err(|error| error.to_string())?;
    let Some(bytes) = read else { return Ok(None) };
    let (tip, state) = parse(&bytes, book).ok_or("the image is damaged or of another book")?;
    let state = M::load(state).map_err(|error| error.to_string())?;
    Ok(Some(Start { state, tip }))
}

fn parse<'b>(bytes: &'b [u8], book: &BookName) -> Option<(Tip, &'b [u8])> {
    let (covered, check) = bytes.split_last_chunk::<32>()?;
    if digest(DOMAIN, covered).as_bytes() != check {
        return None;
    }
    let (length, rest) = covered.strip_prefix(MAGIC)?.split_first()?;
    let (name, rest) = rest.split_at_checked((*length).into())?;
    let (next, rest) = rest.split_first_chunk::<8>()?;
    let (stamp, rest) = rest.split_first_chunk::<8>()?;
    let (last, state) = rest.split_first_chunk::<32>()?;
    let tip = Tip {
        next: Position::new(u64::from_be_bytes(*next)),
        stamp: Instant::from_nanos(u64::from_be_bytes(*stamp)),
        digest: Digest::from_bytes(*last),
    };
    (name == book.as_str().as_bytes()).then_some((tip, state))
}
