//! A run: an immutable file of sorted entries, and what of it is held in memory.
//!
//! Pages, then the page index (first key and check of each page), then the filter, then a footer
//! of one size. The manifest holds the footer's digest, the footer those of index and filter, the
//! index the checks of the pages: a flipped byte anywhere is found, on opening or when its page is
//! read.

use seal::{Digest, Domain, digest};

use super::Positions;
use super::cache::PageCache;
use super::error::IdsError;
use super::filter::{BLOCK_BYTES, Filter};
use super::key::{Entry, HashedKey, IdHasher, IdKey, KEY_BYTES};
use super::page::{CHECK_BYTES, PAGE_BYTES, Page, PageBuilder, check_of};
use crate::disk::{Disk, DiskFile, TEMPORARY_SUFFIX};

/// Bytes per call when writing.
const WRITE_BYTES: usize = 256 << 10;
/// Unsynced bytes at most: a sync of the journal on the same file system may have to write them
/// out first, and must not wait long.
const SYNC_BYTES: u64 = 1 << 20;
/// Keys that go into the filter at once.
const HASHES: usize = 64;
/// Filter blocks per call, and per digest of the tree over them.
const CHUNK_BLOCKS: usize = 1024;
/// An index entry: first key and check of a page.
const HEAD_BYTES: usize = KEY_BYTES + CHECK_BYTES;

const MAGIC: [u8; 4] = *b"WLir";
const VERSION: u16 = 1;
const INDEX_DOMAIN: Domain = Domain::new("wayleave/ids/index/v1");
const FILTER_DOMAIN: Domain = Domain::new("wayleave/ids/filter/v1");
const FOOTER_DOMAIN: Domain = Domain::new("wayleave/ids/footer/v1");
/// See [`Footer::encode`].
const FOOTER_BYTES: usize = 186;

const PREFIX: &str = "ids-";
const SUFFIX: &str = ".run";

/// The name of a run.
pub(super) fn run_name(number: u64) -> String {
    format!("{PREFIX}{number:020}{SUFFIX}")
}

/// The number that a run's name states; `None` for other names.
pub(super) fn run_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
    (run_name(number) == name).then_some(number)
}

/// What a run says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) number: u64,
    /// Facts from here …
    pub(super) from: u64,
    /// … to before here have all their keys in this run.
    pub(super) to: u64,
    pub(super) count: u64,
    pub(super) pages: u32,
    blocks: u64,
    pub(super) first: IdKey,
    pub(super) last: IdKey,
    index: Digest,
    filter: Digest,
}

impl Footer {
    fn encode(&self) -> (Vec<u8>, Digest) {
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        for number in [self.number, self.from, self.to, self.count] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.pages.to_be_bytes());
        bytes.extend(self.blocks.to_be_bytes());
        bytes.extend(self.first.as_bytes());
        bytes.extend(self.last.as_bytes());
        bytes.extend(self.index.as_bytes());
        bytes.extend(self.filter.as_bytes());
        let check = digest(FOOTER_DOMAIN, &bytes);
        bytes.extend(check.as_bytes());
        (bytes, check)
    }

    fn decode(bytes: &[u8]) -> Option<(Self, Digest)> {
        let (body, check) = bytes.split_last_chunk::<32>()?;
        let check = Digest::from_bytes(*check);
        let mut fields = Fields(body);
        let is_ours = fields.take::<4>()? == MAGIC && fields.take::<2>()? == VERSION.to_be_bytes();
        let footer = Self {
            number: fields.number()?,
            from: fields.number()?,
            to: fields.number()?,
            count: fields.number()?,
            pages: u32::from_be_bytes(fields.take()?),
            blocks: fields.number()?,
            first: IdKey::new(fields.take()?),
            last: IdKey::new(fields.take()?),
            index: Digest::from_bytes(fields.take()?),
            filter: Digest::from_bytes(fields.take()?),
        };
        let is_sound = is_ours && fields.0.is_empty() && digest(FOOTER_DOMAIN, body) == check;
        is_sound.then_some((footer, check))
    }

    fn index_at(&self) -> u64 {
        u64::from(self.pages) * bytes_u64(PAGE_BYTES)
    }

    fn filter_at(&self) -> u64 {
        self.index_at() + u64::from(self.pages) * bytes_u64(HEAD_BYTES)
    }

    /// The length of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.filter_at()
            .saturating_add(self.blocks.saturating_mul(bytes_u64(BLOCK_BYTES)))
            .saturating_add(bytes_u64(FOOTER_BYTES))
    }
}

/// Fields of fixed size, one after another.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

/// First key and check of a page. 28 bytes without padding, held for each page of each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHead {
    pub(super) first: IdKey,
    check: [u8; CHECK_BYTES],
}

/// A durable, listed run as the caller's thread holds it.
pub(super) struct Run<F> {
    pub(super) footer: Footer,
    name: String,
    file: F,
    heads: Vec<PageHead>,
    filter: Filter,
    /// Range of the keys.
    range: ((u128, u32), (u128, u32)),
}

impl<F: DiskFile> Run<F> {
    /// Opens a listed run and checks all but its pages, which are checked when they are read.
    pub(super) fn open<D>(disk: &D, number: u64, listed: &Digest) -> Result<Self, IdsError>
    where
        D: Disk<File = F>,
    {
        let (name, file, footer) = open_footer(disk, number, listed)?;
        let heads = read_heads(&file, &name, &footer)?;
        let mut filter = Filter::with_room(footer.blocks);
        let mut digests = Vec::new();
        let (mut at, end) = (footer.filter_at(), footer.file_bytes() - bytes_u64(FOOTER_BYTES));
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX);
            let chunk = read(&file, &name, at, most.min(CHUNK_BLOCKS * BLOCK_BYTES))?;
            digests.extend(digest(FILTER_DOMAIN, &chunk).as_bytes());
            filter.decode(&chunk);
            at += bytes_u64(chunk.len());
        }
        if digest(FILTER_DOMAIN, &digests) != footer.filter {
            return Err(IdsError::damaged(&name, "its filter does not match its digest"));
        }
        Ok(Self::new(footer, name, file, heads, filter))
    }

    fn new(footer: Footer, name: String, file: F, heads: Vec<PageHead>, filter: Filter) -> Self {
        let range = (footer.first.split(), footer.last.split());
        Self { footer, name, file, heads, filter, range }
    }

    /// The first and the last key.
    pub(super) const fn range(&self) -> ((u128, u32), (u128, u32)) {
        self.range
    }

    /// Whether the key lies between the first and the last key.
    pub(super) fn spans(&self, key: &HashedKey) -> bool {
        key.order() >= self.range.0 && key.order() <= self.range.1
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Adds the positions of a key, in order, reading pages.
    pub(super) fn collect(
        &self,
        key: &HashedKey,
        cache: &mut PageCache,
        found: &mut Positions,
    ) -> Result<(), IdsError> {
        let sought = key.key();
        // A key may begin at the end of the page before the first one that begins with it.
        let start = self.heads.partition_point(|head| head.first < sought).saturating_sub(1);
        let first = u32::try_from(start).unwrap_or(u32::MAX);
        let heads = (first..).zip(self.heads.iter().skip(start));
        for (page, head) in heads.take_while(|(_, head)| head.first <= sought) {
            let bytes = match cache.page(self.footer.number, page) {
                Some(bytes) => bytes,
                None => {
                    let at = u64::from(page) * bytes_u64(PAGE_BYTES);
                    let bytes = read(&self.file, &self.name, at, PAGE_BYTES)?;
                    check_page(&self.name, page, head, &bytes)?;
                    cache.put(self.footer.number, page, bytes)
                }
            };
            Page::parse(bytes)
                .and_then(|page| page.collect(key.order(), found))
                .ok_or_else(|| IdsError::damaged_page(&self.name, page, "no writer makes this"))?;
        }
        Ok(())
    }

    /// What is held in memory for it.
    pub(super) fn memory_bytes(&self) -> usize {
        let blocks = usize::try_from(self.filter.blocks()).unwrap_or(usize::MAX);
        self.heads.capacity() * size_of::<PageHead>() + blocks * BLOCK_BYTES
    }
}

/// Reads a listed run from its first page to its last, for merges and checks.
pub(super) struct RunReader<F> {
    name: String,
    file: F,
    heads: Vec<PageHead>,
    next_page: u32,
    entries: std::vec::IntoIter<Entry>,
    head: Option<Entry>,
    left: u64,
}

/// Pages per call when reading all of a run.
const READ_PAGES: u32 = 16;

impl<F: DiskFile> RunReader<F> {
    pub(super) fn open<D>(disk: &D, number: u64, listed: &Digest) -> Result<Self, IdsError>
    where
        D: Disk<File = F>,
    {
        let (name, file, footer) = open_footer(disk, number, listed)?;
        let heads = read_heads(&file, &name, &footer)?;
        let entries = Vec::new().into_iter();
        let left = footer.count;
        let mut reader = Self { name, file, heads, next_page: 0, entries, head: None, left };
        reader.advance()?;
        Ok(reader)
    }

    /// The next entry in the order of keys, then positions.
    pub(super) fn head(&self) -> Option<Entry> {
        self.head
    }

    /// Goes to the entry after.
    pub(super) fn advance(&mut self) -> Result<(), IdsError> {
        let mut next = self.entries.next();
        if next.is_none() {
            self.load()?;
            next = self.entries.next();
        }
        if next.is_some_and(|next| self.head.is_some_and(|head| head > next)) {
            return Err(IdsError::damaged(&self.name, "its entries are out of order"));
        }
        self.left = self.left.wrapping_sub(u64::from(next.is_some()));
        if next.is_none() && self.left != 0 {
            return Err(IdsError::damaged(
                &self.name,
                "it does not hold as many entries as it says",
            ));
        }
        self.head = next;
        Ok(())
    }

    fn load(&mut self) -> Result<(), IdsError> {
        let from = self.next_page;
        let heads = (from..).zip(self.heads.iter().skip(usize::try_from(from).unwrap_or(0)));
        let most = usize::try_from(READ_PAGES).unwrap_or(0) * PAGE_BYTES;
        let left = self.heads.len() - usize::try_from(from).unwrap_or(0);
        if left == 0 {
            return Ok(());
        }
        let at = u64::from(from) * bytes_u64(PAGE_BYTES);
        let bytes = read(&self.file, &self.name, at, most.min(left * PAGE_BYTES))?;
        let mut entries = Vec::new();
        for ((page, head), bytes) in heads.zip(bytes.chunks(PAGE_BYTES)) {
            check_page(&self.name, page, head, bytes)?;
            let malformed = || IdsError::damaged_page(&self.name, page, "no writer makes this");
            let parsed = Page::parse(bytes).ok_or_else(malformed)?;
            for at in 0..parsed.count() {
                entries.push(parsed.entry(at).ok_or_else(malformed)?);
            }
            self.next_page = page + 1;
        }
        self.entries = entries.into_iter();
        Ok(())
    }
}

/// Writes a run under a temporary name. Its entries come sorted.
pub(super) struct RunWriter<F> {
    number: u64,
    temporary: String,
    file: F,
    hasher: IdHasher,
    /// Not yet in the filter: many at once, so that the misses of its blocks overlap.
    hashes: Vec<u64>,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    page: PageBuilder,
    heads: Vec<PageHead>,
    filter: Filter,
    count: u64,
    first: Option<IdKey>,
    last: Option<Entry>,
}

impl<F: DiskFile> RunWriter<F> {
    /// Begins a run of at most `most` entries.
    pub(super) fn create<D>(
        disk: &D,
        number: u64,
        most: u64,
        hasher: IdHasher,
    ) -> Result<Self, IdsError>
    where
        D: Disk<File = F>,
    {
        let temporary = temporary_name(number);
        let file = disk.create(&temporary, 0).map_err(IdsError::failed(&temporary, "made"))?;
        Ok(Self {
            number,
            temporary,
            file,
            hasher,
            hashes: Vec::with_capacity(HASHES),
            buffer: Vec::with_capacity(WRITE_BYTES + PAGE_BYTES),
            written: 0,
            synced: 0,
            page: PageBuilder::default(),
            heads: Vec::new(),
            filter: Filter::for_keys(most),
            count: 0,
            first: None,
            last: None,
        })
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn add(&mut self, entry: Entry) -> Result<(), IdsError> {
        let is_new = self.last.is_none_or(|last| (last.id, last.tail) != (entry.id, entry.tail));
        if is_new {
            let key = entry.key();
            self.hashes.push(self.hasher.of(&key));
            self.first.get_or_insert(key);
            if self.hashes.len() >= HASHES {
                self.fill_filter();
            }
        }
        if !self.page.add(entry) {
            self.end_page()?;
            self.page.add(entry);
        }
        self.last = Some(entry);
        self.count += 1;
        Ok(())
    }

    /// Ends the run, which covers facts `from..to`, and makes its bytes durable. Not its name yet.
    pub(super) fn finish(mut self, from: u64, to: u64) -> Result<(Run<F>, Digest), IdsError> {
        self.end_page()?;
        self.fill_filter();
        let heads: Vec<u8> =
            self.heads.iter().flat_map(|h| [h.first.as_bytes(), &h.check[..]].concat()).collect();
        let index = digest(INDEX_DOMAIN, &heads);
        self.put(&heads)?;
        let mut digests = Vec::new();
        let mut block = 0;
        loop {
            let chunk = self.filter.encode(block, CHUNK_BLOCKS);
            if chunk.is_empty() {
                break;
            }
            digests.extend(digest(FILTER_DOMAIN, &chunk).as_bytes());
            self.put(&chunk)?;
            block += CHUNK_BLOCKS;
        }
        let none = IdKey::new([0; KEY_BYTES]);
        let footer = Footer {
            number: self.number,
            from,
            to,
            count: self.count,
            pages: u32::try_from(self.heads.len()).unwrap_or(u32::MAX),
            blocks: self.filter.blocks(),
            first: self.first.unwrap_or(none),
            last: self.last.map_or(none, |last| last.key()),
            index,
            filter: digest(FILTER_DOMAIN, &digests),
        };
        let (bytes, check) = footer.encode();
        self.put(&bytes)?;
        self.flush()?;
        self.file.sync().map_err(IdsError::failed(&self.temporary, "synced"))?;
        let Self { file, mut heads, filter, number, .. } = self;
        heads.shrink_to_fit();
        Ok((Run::new(footer, run_name(number), file, heads, filter), check))
    }

    fn fill_filter(&mut self) {
        for hash in self.hashes.drain(..) {
            self.filter.insert(hash);
        }
    }

    fn end_page(&mut self) -> Result<(), IdsError> {
        let start = self.buffer.len();
        if let Some(first) = self.page.take(&mut self.buffer) {
            let page = self.buffer.get(start..).unwrap_or_default();
            self.heads.push(PageHead { first, check: check_of(page) });
        }
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), IdsError> {
        for chunk in bytes.chunks(WRITE_BYTES) {
            self.buffer.extend_from_slice(chunk);
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), IdsError> {
        let doing = "written";
        self.file
            .write_at(self.written, &self.buffer)
            .map_err(IdsError::failed(&self.temporary, doing))?;
        self.written += bytes_u64(self.buffer.len());
        self.buffer.clear();
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync().map_err(IdsError::failed(&self.temporary, "synced"))?;
            self.synced = self.written;
        }
        Ok(())
    }
}

/// What a run is called before it is whole.
pub(super) fn temporary_name(number: u64) -> String {
    format!("{}{TEMPORARY_SUFFIX}", run_name(number))
}

fn open_footer<D: Disk>(
    disk: &D,
    number: u64,
    listed: &Digest,
) -> Result<(String, D::File, Footer), IdsError> {
    let name = run_name(number);
    let file = match disk.open(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(IdsError::damaged(&name, "it is listed and does not exist"));
        }
        Err(error) => return Err(IdsError::failed(&name, "opened")(error)),
    };
    let length = file.bytes().map_err(IdsError::failed(&name, "measured"))?;
    let at = length.checked_sub(bytes_u64(FOOTER_BYTES));
    let at = at.ok_or_else(|| IdsError::damaged(&name, "it is too short"))?;
    let bytes = read(&file, &name, at, FOOTER_BYTES)?;
    let (footer, check) = Footer::decode(&bytes)
        .ok_or_else(|| IdsError::damaged(&name, "its footer does not match its digest"))?;
    if check != *listed || footer.number != number {
        return Err(IdsError::damaged(&name, "it is not the run that the manifest lists"));
    }
    // What the footer says is believed from here on: it is the one that was listed.
    if footer.file_bytes() != length {
        return Err(IdsError::damaged(&name, "it is not as long as its footer says"));
    }
    Ok((name, file, footer))
}

fn read_heads<F: DiskFile>(
    file: &F,
    name: &str,
    footer: &Footer,
) -> Result<Vec<PageHead>, IdsError> {
    let length = usize::try_from(footer.filter_at() - footer.index_at()).unwrap_or(usize::MAX);
    let bytes = read(file, name, footer.index_at(), length)?;
    if digest(INDEX_DOMAIN, &bytes) != footer.index {
        return Err(IdsError::damaged(name, "its page index does not match its digest"));
    }
    let head = |bytes: &[u8]| {
        let mut fields = Fields(bytes);
        Some(PageHead { first: IdKey::new(fields.take()?), check: fields.take()? })
    };
    Ok(bytes.chunks_exact(HEAD_BYTES).filter_map(head).collect())
}

fn check_page(name: &str, page: u32, head: &PageHead, bytes: &[u8]) -> Result<(), IdsError> {
    if check_of(bytes) == head.check {
        return Ok(());
    }
    Err(IdsError::damaged_page(name, page, "its bytes do not match their check"))
}

fn read<F: DiskFile>(file: &F, name: &str, at: u64, bytes: usize) -> Result<Vec<u8>, IdsError> {
    file.read_at(at, bytes).map_err(IdsError::failed(name, "read"))
}

pub(super) fn bytes_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
