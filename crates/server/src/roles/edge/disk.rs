//! A file of records that only grows: each durable before anything is told of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use seal::sha256;

/// The largest record: a parcel with a decision is a few KiB, a trust list under 1 MiB.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// Length (4 bytes, big-endian) and the first 8 bytes of the SHA-256 of what follows.
const HEAD_BYTES: usize = 12;

/// Records one after another. A tail that was cut short by a crash was never told of, and is
/// removed when the file is opened. Damage with a whole record behind it is no such tail: what
/// stands there was told of (sequence numbers, data keys), and the file is not opened.
#[derive(Debug)]
pub(super) struct Records {
    file: File,
    end: u64,
    // After a failed write or sync nobody knows what stands at the end: nothing more is added
    // until a restart has read the file again.
    broken: bool,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    at: u64,
    length: usize,
}

/// A record that was there, and where.
pub(super) type Found = (Place, Vec<u8>);

impl Records {
    /// Opens or makes the file (mode 0600) and reads its whole records.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Found>)> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut found = Vec::new();
        let mut rest = bytes.as_slice();
        let mut end = 0_u64;
        while let Some((record, after)) = next(rest) {
            let at = end.saturating_add(u64::try_from(HEAD_BYTES).map_err(io::Error::other)?);
            found.push((Place { at, length: record.len() }, record.to_vec()));
            end = at.saturating_add(u64::try_from(record.len()).map_err(io::Error::other)?);
            rest = after;
        }
        if record_behind(rest) {
            return Err(io::Error::other(format!(
                "`{}` is damaged at byte {end}, with whole records behind: restore it from a copy",
                path.display()
            )));
        }
        if !rest.is_empty() {
            tracing::warn!(path = %path.display(), bytes = rest.len(), "a tail cut short is removed");
            file.set_len(end)?;
        }
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok((Self { file, end, broken: false }, found))
    }

    /// Adds records. When this returns `Ok` they are durable.
    pub(super) fn append(&mut self, records: &[Vec<u8>]) -> io::Result<Vec<Place>> {
        if self.broken {
            return Err(io::Error::other(
                "an earlier write failed: restart to read the file again",
            ));
        }
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for record in records {
            if record.len() > RECORD_BYTES_MAX {
                return Err(io::Error::other("the record is larger than allowed"));
            }
            let length = u32::try_from(record.len()).map_err(io::Error::other)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend(sha256(record).as_bytes().iter().take(8));
            let before = u64::try_from(bytes.len()).map_err(io::Error::other)?;
            let at = self.end.saturating_add(before);
            places.push(Place { at, length: record.len() });
            bytes.extend_from_slice(record);
        }
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.broken = true;
            return Err(error);
        }
        let added = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        self.end = self.end.saturating_add(added);
        Ok(places)
    }

    /// How many bytes the file has.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Reads a record back.
    pub(super) fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(place.at))?;
        let mut bytes = vec![0; place.length];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The whole records of a file's bytes, and how many bytes are left over behind them.
pub(super) fn whole_records(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((record, after)) = next(rest) {
        found.push(record);
        rest = after;
    }
    (found, rest.len())
}

fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (check, record, after) = framed(bytes)?;
    sha256(record).as_bytes().starts_with(check).then_some((record, after))
}

/// A record's check, its bytes as long as its head says, and what follows.
fn framed(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (length, check) = head.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let length = usize::try_from(length).ok().filter(|length| *length <= RECORD_BYTES_MAX)?;
    let (record, after) = rest.split_at_checked(length)?;
    Some((check, record, after))
}

/// Whether a whole record, not an empty one, follows the damaged one.
fn record_behind(damaged: &[u8]) -> bool {
    framed(damaged)
        .and_then(|(_, _, after)| next(after))
        .is_some_and(|(record, _)| !record.is_empty())
}

/// Replaces a file whole: after a crash the old content stands or the new one, never a part.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_cut_short_is_removed_and_whole_records_stay() {
        let folder = std::env::temp_dir().join(format!("wayleave-records-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("records");
        let (mut records, found) = Records::open(&path).unwrap();
        assert!(found.is_empty());
        records.append(&[b"one".to_vec(), b"two".to_vec()]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in [1, 11, 14] {
            let mut torn = whole.clone();
            torn.truncate(whole.len() - cut);
            std::fs::write(&path, &torn).unwrap();
            let (mut records, found) = Records::open(&path).unwrap();
            assert_eq!(found.iter().map(|(_, r)| r.as_slice()).collect::<Vec<_>>(), [b"one"]);
            let place = records.append(&[b"three".to_vec()]).unwrap()[0];
            assert_eq!(records.read(place).unwrap(), b"three");
            drop(records);
            let (_, found) = Records::open(&path).unwrap();
            assert_eq!(found.len(), 2, "{cut}");
        }
        let mut damaged = whole.clone();
        damaged[HEAD_BYTES] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(Records::open(&path).is_err(), "what was told of is not cut away");
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "and stays for those who repair it");
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert_eq!(Records::open(&path).unwrap().1.len(), 1, "a changed record is not taken");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
