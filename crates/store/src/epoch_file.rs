//! The file that remembers the newest claimed epoch.
//!
//! `WLep` ‖ version 1 (2 bytes) ‖ epoch (8 bytes) ‖ run (16 bytes) ‖ SHA-256 under
//! `wayleave/journal/epoch/v1` of all before (32 bytes): 62 bytes, replaced as a whole.

use std::io;

use seal::digest::{Domain, digest};
use terms::{Epoch, RunId};

use crate::disk::{Disk, read_whole, replace};

/// Its name.
pub const EPOCH_NAME: &str = "epoch";
const MAGIC: &[u8; 6] = b"WLep\x00\x01";
const DOMAIN: Domain = Domain::new("wayleave/journal/epoch/v1");

/// Why the newest epoch is not known.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The file is damaged: it is replaced as a whole, so a crash cannot have done that.
    #[error("the file `epoch` is damaged")]
    Damaged,
    /// The device failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The newest claimed epoch; zero when none was.
///
/// # Errors
/// [`EpochError`].
pub fn read_epoch<D: Disk>(disk: &D) -> Result<Epoch, EpochError> {
    let Some(bytes) = read_whole(disk, EPOCH_NAME)? else { return Ok(Epoch::ZERO) };
    parse(&bytes).ok_or(EpochError::Damaged)
}

/// Makes `epoch` the newest, durably.
///
/// # Errors
/// The device's: the old epoch or the new one is in force.
pub fn write_epoch<D: Disk>(disk: &D, epoch: Epoch, run: RunId) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&epoch.number().to_be_bytes());
    bytes.extend_from_slice(&run.bytes());
    let check = digest(DOMAIN, &bytes);
    bytes.extend_from_slice(check.as_bytes());
    replace(disk, EPOCH_NAME, &bytes)
}

fn parse(bytes: &[u8]) -> Option<Epoch> {
    let (covered, check) = bytes.split_last_chunk::<32>()?;
    let rest = covered.strip_prefix(MAGIC)?;
    let (number, run) = rest.split_first_chunk::<8>()?;
    let sound = run.len() == 16 && digest(DOMAIN, covered).as_bytes() == check;
    sound.then(|| Epoch::new(u64::from_be_bytes(*number)))
}
