//! The manifest: which runs exist, and so up to which position all facts are in them.

use seal::{Digest, Domain, digest};
use terms::BookName;

use super::error::IdsError;
use super::key::IdsSeed;
use super::run::Fields;
use crate::disk::{Disk, read_whole, replace};

/// Its name.
pub(super) const MANIFEST_NAME: &str = "ids.manifest";

const MAGIC: [u8; 4] = *b"WLid";
const VERSION: u16 = 1;
const DOMAIN: Domain = Domain::new("wayleave/ids/manifest/v1");

/// The runs, oldest first. Each begins where the one before ends, the first at position 0.
#[derive(Clone)]
pub(super) struct Manifest {
    pub(super) book: BookName,
    /// Keys the hash of all stored filters, so it stays as long as they do.
    pub(super) seed: IdsSeed,
    /// The number of the next run. A number is never used twice.
    pub(super) next: u64,
    pub(super) runs: Vec<Listed>,
}

/// A run in the manifest.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) number: u64,
    pub(super) count: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) footer: Digest,
}

impl Manifest {
    /// Of an empty index.
    pub(super) const fn new(book: BookName, seed: IdsSeed) -> Self {
        Self { book, seed, next: 0, runs: Vec::new() }
    }

    /// Facts before this position have all their keys in the runs.
    pub(super) fn covered(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.to)
    }

    /// The stored manifest; `None` when there is none.
    pub(super) fn read<D: Disk>(disk: &D, book: &BookName) -> Result<Option<Self>, IdsError> {
        let bytes =
            read_whole(disk, MANIFEST_NAME).map_err(IdsError::failed(MANIFEST_NAME, "read"))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let damaged = |what| IdsError::damaged(MANIFEST_NAME, what);
        let (body, check) =
            bytes.split_last_chunk::<32>().ok_or_else(|| damaged("it is too short"))?;
        if digest(DOMAIN, body).as_bytes() != check {
            return Err(damaged("it does not match its digest"));
        }
        let (name, manifest) =
            decode(body, book).ok_or_else(|| damaged("no writer of this version makes it"))?;
        if name != book.as_str() {
            return Err(IdsError::ForeignBook { file: MANIFEST_NAME.to_owned(), found: name });
        }
        if !manifest.is_dense() {
            return Err(damaged("its runs do not follow one another"));
        }
        Ok(Some(manifest))
    }

    /// Puts it in place. After an error the old one is in place, or this one.
    pub(super) fn write<D: Disk>(&self, disk: &D) -> Result<(), IdsError> {
        replace(disk, MANIFEST_NAME, &self.encode())
            .map_err(IdsError::failed(MANIFEST_NAME, "replaced"))
    }

    fn is_dense(&self) -> bool {
        let mut end = 0;
        self.runs.iter().all(|run| {
            let follows = run.from == end && run.to > run.from && run.number < self.next;
            end = run.to;
            follows
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.push(u8::try_from(self.book.as_str().len()).unwrap_or(u8::MAX));
        bytes.extend(self.book.as_str().as_bytes());
        bytes.extend(self.seed.as_bytes());
        bytes.extend(self.next.to_be_bytes());
        bytes.extend(u32::try_from(self.runs.len()).unwrap_or(u32::MAX).to_be_bytes());
        for run in &self.runs {
            for number in [run.number, run.count, run.from, run.to] {
                bytes.extend(number.to_be_bytes());
            }
            bytes.extend(run.footer.as_bytes());
        }
        let check = digest(DOMAIN, &bytes);
        bytes.extend(check.as_bytes());
        bytes
    }
}

fn decode(body: &[u8], book: &BookName) -> Option<(String, Manifest)> {
    let mut fields = Fields(body);
    let is_ours = fields.take::<4>()? == MAGIC && fields.take::<2>()? == VERSION.to_be_bytes();
    let [length] = fields.take::<1>()?;
    let (name, rest) = fields.0.split_at_checked(usize::from(length))?;
    let name = core::str::from_utf8(name).ok()?.to_owned();
    fields.0 = rest;
    let seed = IdsSeed::new(fields.take()?);
    let next = fields.number()?;
    let count = u32::from_be_bytes(fields.take()?);
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(Listed {
            number: fields.number()?,
            count: fields.number()?,
            from: fields.number()?,
            to: fields.number()?,
            footer: Digest::from_bytes(fields.take()?),
        });
    }
    let is_sound = is_ours && fields.0.is_empty();
    is_sound.then_some((name, Manifest { book: *book, seed, next, runs }))
}
