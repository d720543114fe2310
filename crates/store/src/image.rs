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

use std::io;
use std::time::{Duration, Instant as Clock};

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
/// A sync that takes longer says that the disk has enough to do with what somebody waits for: the
/// image rests as long as it took, and so takes at most half of what a slow disk does.
const SLOW_SYNC: Duration = Duration::from_millis(5);
const REST_MAX: Duration = Duration::from_millis(100);

/// An image that is being written, piece by piece, beside the one that is there.
///
/// It overwrites the image before the one that is there, if that lies ready: then no block is
/// taken and none is freed. Taking and freeing is recorded by the file system in a transaction
/// that a sync of the journal has to wait for; freeing a hundred megabytes held it up for 20 ms.
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
        // Which of the two names is which file must be durable before one of them is written to:
        // otherwise a crash could leave the half-written one under the name of the other.
        let file = disk.sync_directory().and_then(|()| match disk.open(&temporary()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&temporary(), 0),
            opened => opened,
        });
        let file = file.map_err(|error| error.to_string())?;
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
                let begun = Clock::now();
                self.file.sync().map_err(|error| error.to_string())?;
                self.synced = self.written;
                let took = begun.elapsed();
                if took > SLOW_SYNC {
                    std::thread::sleep(took.min(REST_MAX));
                }
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
        let Self { disk, mut file, written, .. } = self;
        let done = cut(&mut file, written)
            .and_then(|()| file.sync())
            // Stopped before: the old image and a leftover that the next one overwrites.
            .and_then(|()| put_in_place(disk))
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

/// Cuts what is left of a longer image that was overwritten.
fn cut<F: DiskFile>(file: &mut F, written: u64) -> io::Result<()> {
    if file.bytes()? > written { file.truncate(written) } else { Ok(()) }
}

/// Gives the new image its name, and the one before the name under which the next is written.
fn put_in_place<D: Disk>(disk: &D) -> io::Result<()> {
    use io::ErrorKind::{NotFound, Unsupported};
    match disk.exchange(&temporary(), IMAGE_NAME) {
        Err(error) if matches!(error.kind(), NotFound | Unsupported) => {
            disk.rename(&temporary(), IMAGE_NAME)
        }
        exchanged => exchanged,
    }
}

/// Removes what is left of an image that could not be written. That it cannot be removed either is
/// no harm: it is never read, and the next image overwrites it from its first byte to its last.
pub(crate) fn discard_unfinished<D: Disk>(disk: &D) {
    let _ = disk.remove(&temporary());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{FaultDisk, Faults};

    fn book() -> BookName {
        "book".parse().unwrap()
    }

    fn tip(next: u64) -> Tip {
        let digest = Digest::from_bytes([7; 32]);
        Tip { next: Position::new(next), stamp: Instant::from_nanos(next), digest }
    }

    /// A state that says which image it is, in more than one sector and longer or shorter than
    /// the one before.
    fn state(number: u8) -> Vec<u8> {
        vec![number; if number.is_multiple_of(2) { 1_500 } else { 4_000 }]
    }

    fn save(disk: &FaultDisk, number: u8) -> Result<(), String> {
        save_image(disk, &book(), &state(number), &tip(number.into()))
    }

    fn loaded(disk: &FaultDisk) -> Option<u8> {
        let start = load_by(disk, &book(), |bytes| Ok(bytes.to_vec())).expect("it is whole")?;
        let number = *start.state.first().unwrap();
        assert_eq!((start.state, start.tip), (state(number), tip(number.into())));
        Some(number)
    }

    #[test]
    fn images_take_turns_in_two_files_and_each_is_whole() {
        let disk = FaultDisk::new(1);
        for number in 1..=6 {
            save(&disk, number).unwrap();
            assert_eq!(loaded(&disk), Some(number));
        }
        assert_eq!(disk.list().unwrap(), [IMAGE_NAME.to_owned(), temporary()]);
    }

    /// The one under way overwrites an older image in place, and never the one that is there.
    #[test]
    fn power_lost_at_any_call_leaves_an_image_that_is_whole() {
        let (mut old, mut new) = (0, 0);
        for seed in 0..40 {
            for call in 1..40 {
                let disk = FaultDisk::new(seed);
                (1..=3).for_each(|number| save(&disk, number).unwrap());
                disk.plan(Faults { crash_at_call: call, ..Faults::default() });
                let is_saved = save(&disk, 4).is_ok();
                disk.reboot();
                let found = loaded(&disk).unwrap();
                assert!(found == 4 || (found == 3 && !is_saved), "{found} at call {call}");
                old += u32::from(found == 3);
                new += u32::from(found == 4);
                // And so again, from whatever lies there now.
                disk.plan(Faults { crash_at_call: call, ..Faults::default() });
                let _ = save(&disk, 5);
                disk.reboot();
                let again = loaded(&disk).unwrap();
                assert!(again == found || again == 5, "{again} after {found}");
            }
        }
        assert!(old > 100 && new > 100, "{old} {new}");
    }

    /// A process that ended between the exchange and its durability is followed by one that
    /// writes the next image: the names must be durable before.
    #[test]
    fn names_are_durable_before_an_image_is_overwritten() {
        for seed in 0..200 {
            let disk = FaultDisk::new(seed);
            (1..=2).for_each(|number| save(&disk, number).unwrap());
            disk.exchange(&temporary(), IMAGE_NAME).unwrap();
            disk.kill_process();
            let mut writer = ImageWriter::begin(&disk, &book()).unwrap();
            writer.write(&state(3)).unwrap();
            writer.file.sync().unwrap();
            disk.reboot();
            assert_eq!(loaded(&disk), Some(1));
        }
    }
}
