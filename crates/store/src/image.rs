//! Saved states. A cache: an image that does not fit is ignored and the journal refolded.
//!
//! `WLim` ‖ version 2 (2 bytes) ‖ length of the book's name (1 byte) ‖ name ‖ state ‖ next position
//! (8 bytes) ‖ stamp (8 bytes) ‖ digest of the last batch (32 bytes) ‖ SHA-256 under
//! `wayleave/image/v2` of all before (32 bytes). Integers big-endian. What the state is the fold of
//! stands at the end, because it is known when that is durable: after the writing began.

use journal::{Image, ImageError, Start, Tip};
use seal::Digest;
use seal::digest::{DigestStream, Domain, digest};
use terms::{BookName, Instant, Position};

use crate::disk::{Disk, DiskFile, TEMPORARY_SUFFIX, read_whole};

/// Its name.
pub const IMAGE_NAME: &str = "image";
const MAGIC: &[u8; 6] = b"WLim\x00\x02";
const DOMAIN: Domain = Domain::new("wayleave/image/v2");
/// Unsynced bytes at most: a sync of the journal on the same file system may have to write them
/// out first, and must not wait long.
const SYNC_BYTES: u64 = 1 << 20;
/// Bytes per call when writing.
const WRITE_BYTES: usize = 256 << 10;

/// An image that is being written, piece by piece, beside the one that is there.
pub struct ImageWriter<'d, D: Disk> {
    disk: &'d D,
    file: D::File,
    written: u64,
    synced: u64,
    check: DigestStream,
}

impl<'d, D: Disk> ImageWriter<'d, D> {
    /// Begins an image of a book.
    ///
    /// # Errors
    /// The device's words.
    pub fn begin(disk: &'d D, book: &BookName) -> Result<Self, String> {
        let file = disk.create(&temporary(), 0).map_err(|error| error.to_string())?;
        let mut writer =
            Self { disk, file, written: 0, synced: 0, check: DigestStream::new(DOMAIN) };
        let mut head = MAGIC.to_vec();
        head.push(u8::try_from(book.as_str().len()).unwrap_or(u8::MAX));
        head.extend_from_slice(book.as_str().as_bytes());
        writer.write(&head)?;
        Ok(writer)
    }

    /// The next bytes of the state.
    ///
    /// # Errors
    /// The device's words; the image is given up.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        for chunk in bytes.chunks(WRITE_BYTES) {
            self.check.update(chunk);
            self.put(chunk)?;
            if self.written.saturating_sub(self.synced) >= SYNC_BYTES {
                self.file.sync().map_err(|error| error.to_string())?;
                self.synced = self.written;
            }
        }
        Ok(())
    }

    /// Puts the image in place of the one before; `tip` must be durable. Atomic: the old image
    /// stays until then.
    ///
    /// # Errors
    /// The device's words; the old image is in place then, or the new one.
    pub fn finish(mut self, tip: &Tip) -> Result<(), String> {
        let mut end = tip.next.number().to_be_bytes().to_vec();
        end.extend_from_slice(&tip.stamp.nanos().to_be_bytes());
        end.extend_from_slice(tip.digest.as_bytes());
        self.check.update(&end);
        let check = core::mem::replace(&mut self.check, DigestStream::new(DOMAIN)).finish();
        end.extend_from_slice(check.as_bytes());
        self.put(&end)?;
        let Self { disk, mut file, .. } = self;
        let done = file
            .sync()
            // Stopped before: the old image and a leftover that the next one takes the place of.
            .and_then(|()| disk.rename(&temporary(), IMAGE_NAME))
            .and_then(|()| disk.sync_directory());
        done.map_err(|error| error.to_string())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_at(self.written, bytes).map_err(|error| error.to_string())?;
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.written = self.written.saturating_add(more);
        Ok(())
    }
}

fn temporary() -> String {
    format!("{IMAGE_NAME}{TEMPORARY_SUFFIX}")
}

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
    let mut writer = ImageWriter::begin(disk, book)?;
    writer.write(state)?;
    writer.finish(tip)
}

/// The newest image; `None` when there is none.
///
/// # Errors
/// Why the image that is there cannot be used.
pub fn load_image<M: Image, D: Disk>(
    disk: &D,
    book: &BookName,
) -> Result<Option<Start<M>>, String> {
    load_by(disk, book, M::load)
}

/// As [`load_image`], for a book that began as `genesis`.
///
/// # Errors
/// As [`load_image`].
pub fn load_image_beside<M: Image, D: Disk>(
    disk: &D,
    book: &BookName,
    genesis: &M,
) -> Result<Option<Start<M>>, String> {
    load_by(disk, book, |bytes| M::load_beside(genesis, bytes))
}

fn load_by<M, D: Disk>(
    disk: &D,
    book: &BookName,
    load: impl FnOnce(&[u8]) -> Result<M, ImageError>,
) -> Result<Option<Start<M>>, String> {
    let read = read_whole(disk, IMAGE_NAME).map_err(|error| error.to_string())?;
    let Some(bytes) = read else { return Ok(None) };
    let (tip, state) = parse(&bytes, book).ok_or("the image is damaged or of another book")?;
    let state = load(state).map_err(|error| error.to_string())?;
    Ok(Some(Start { state, tip }))
}

fn parse<'b>(bytes: &'b [u8], book: &BookName) -> Option<(Tip, &'b [u8])> {
    let (covered, check) = bytes.split_last_chunk::<32>()?;
    if digest(DOMAIN, covered).as_bytes() != check {
        return None;
    }
    let (length, rest) = covered.strip_prefix(MAGIC)?.split_first()?;
    let (name, rest) = rest.split_at_checked((*length).into())?;
    let (rest, last) = rest.split_last_chunk::<32>()?;
    let (rest, stamp) = rest.split_last_chunk::<8>()?;
    let (state, next) = rest.split_last_chunk::<8>()?;
    let tip = Tip {
        next: Position::new(u64::from_be_bytes(*next)),
        stamp: Instant::from_nanos(u64::from_be_bytes(*stamp)),
        digest: Digest::from_bytes(*last),
    };
    (name == book.as_str().as_bytes()).then_some((tip, state))
}
