//! Reads the whole packed file again and names what is wrong: for a copy, or before it is trusted.

use std::fmt;
use std::io;

use evidence::edge::root_of_row;
use evidence::tile::TILE_WIDTH;
use evidence::tree::TreeHead;
use evidence::{Tile, TileEdge};
use record::leaf_hash;
use seal::Digest;

use super::layout::{
    HASH_BYTES, HEAD_BYTES, HEAD_STRIDE, HEADS, HeadSector, LOG_NAME, as_u64, as_usize,
    entries_offset, read_head, tile_offset,
};
use super::reader::{LogReader, TreeView};
use crate::disk::{Disk, DiskFile};

/// One thing that is not as it should be, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFinding {
    /// Byte offset in [`LOG_NAME`].
    pub offset: u64,
    /// The tile or bundle by its published path, or the head, and what is wrong with it.
    pub what: String,
    /// Whether the log serves wrong bytes. A head that is not the newest may be torn by a crash,
    /// and the next flush writes it anew.
    pub fatal: bool,
}

impl fmt::Display for LogFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{LOG_NAME}` byte {}: {}", self.offset, self.what)
    }
}

/// What the check saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// All findings; none means sound.
    pub findings: Vec<LogFinding>,
    /// The newest head that can be read; everything below it was checked.
    pub head: Option<TreeHead>,
}

impl LogReport {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, offset: Option<u64>, what: String) {
        let offset = offset.unwrap_or(u64::MAX);
        self.findings.push(LogFinding { offset, what, fatal: true });
    }
}

/// Hashes every entry and every node again, up to the newest head.
///
/// Bytes beyond the head's tree are not looked at: a flush that never ended may have left any.
/// After a crash and before the log was opened again, the newest head may be one that never stood:
/// its tiles are not whole, which is found here and mended by opening and feeding.
///
/// # Errors
/// The device's: what could not be read was not checked.
pub fn check<D: Disk>(disk: &D) -> io::Result<LogReport> {
    let reader = LogReader::open(disk)?;
    let mut report = LogReport { findings: Vec::new(), head: reader.head()? };
    check_heads(&reader, &mut report)?;
    let Some(head) = report.head else {
        report.add(Some(0), "neither head can be read".to_owned());
        return Ok(report);
    };
    let view = reader.view(head.size);
    match check_tree(&view, &head, &mut report) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            report.add(Some(reader.file().bytes()?), error.to_string());
            Ok(report)
        }
        checked => checked.map(|()| report),
    }
}

fn check_heads<F: DiskFile>(reader: &LogReader<F>, report: &mut LogReport) -> io::Result<()> {
    for number in 0..HEADS {
        let offset = as_u64(number.saturating_mul(HEAD_STRIDE));
        let sector = reader.file().read_at(offset, HEAD_STRIDE)?;
        if read_head(&sector) == HeadSector::Broken {
            let (what, fatal) = (format!("head {number} cannot be read"), false);
            report.findings.push(LogFinding { offset, what, fatal });
        } else if sector.iter().skip(HEAD_BYTES).any(|byte| *byte != 0) {
            let (what, fatal) = (format!("bytes behind head {number}"), false);
            report.findings.push(LogFinding { offset, what, fatal });
        }
    }
    Ok(())
}

fn check_tree<F: DiskFile>(
    view: &TreeView<'_, F>,
    head: &TreeHead,
    report: &mut LogReport,
) -> io::Result<()> {
    let mut edge = TileEdge::empty();
    let mut above: Vec<(Tile, Vec<Digest>)> = Vec::new();
    while edge.size() < head.size {
        let first = edge.size();
        let count = (head.size - first).min(TILE_WIDTH);
        let leaves = check_page(view, first, count, report)?;
        edge.extend(&leaves, |tile, row| {
            if tile.level > 0 {
                above.push((tile, row.to_vec()));
            }
        });
        for (tile, row) in above.drain(..) {
            check_tile(view, tile, &row, report)?;
        }
    }
    for (tile, row) in edge.partial().filter(|(tile, _)| tile.level > 0) {
        check_tile(view, tile, row, report)?;
    }
    if edge.root() != head.root {
        let what = format!("the tree of `{}` entries has another root than its head", head.size);
        report.add(Some(0), what);
    }
    Ok(())
}

/// Compares a page's entries with its tile, and tells by the tile above which of the two is wrong.
/// The leaf hashes that are right, as far as that can be told.
fn check_page<F: DiskFile>(
    view: &TreeView<'_, F>,
    first: u64,
    count: u64,
    report: &mut LogReport,
) -> io::Result<Vec<Digest>> {
    let commitments = view.commitments(first, count)?;
    let stored = view.hashes(0, first, count)?;
    let hashed: Vec<Digest> = commitments.iter().map(leaf_hash).collect();
    if hashed == stored {
        return Ok(stored);
    }
    let tile = Tile { level: 0, index: first / TILE_WIDTH, width: count };
    let is_full = count == TILE_WIDTH;
    let parent = if is_full { Some(view.hashes(1, tile.index, 1)?) } else { None };
    let leads_up = |row: &[Digest]| parent.as_deref() == Some(&[root_of_row(row)]);
    let (hashes_fit, entries_fit) = (leads_up(&stored), leads_up(&hashed));
    for (index, (left, right)) in stored.iter().zip(&hashed).enumerate() {
        if left == right {
            continue;
        }
        let within = as_u64(index.saturating_mul(HASH_BYTES));
        let (start, what) = if hashes_fit {
            let what = format!("entry {index} of `{}` is not the one", tile.bundle_path());
            (Some(entries_offset(tile.index)), what)
        } else if entries_fit {
            (tile_offset(tile), format!("hash {index} of `{}` is not the one", tile.path()))
        } else {
            let (hashes, entries) = (tile.path(), tile.bundle_path());
            (tile_offset(tile), format!("hash {index} of `{hashes}` is not entry's of `{entries}`"))
        };
        report.add(start.map(|start| start.saturating_add(within)), what);
    }
    Ok(if hashes_fit { stored } else { hashed })
}

/// Compares a tile above level 0 with what its children lead to.
fn check_tile<F: DiskFile>(
    view: &TreeView<'_, F>,
    tile: Tile,
    row: &[Digest],
    report: &mut LogReport,
) -> io::Result<()> {
    let first = tile.index.saturating_mul(TILE_WIDTH);
    let stored = view.hashes(tile.level, first, tile.width)?;
    for (index, _) in stored.iter().zip(row).enumerate().filter(|(_, (left, right))| left != right)
    {
        let within = as_u64(index.saturating_mul(HASH_BYTES));
        let what = format!("hash {index} of `{}` is not the root below it", tile.path());
        report.add(tile_offset(tile).map(|start| start.saturating_add(within)), what);
    }
    if stored.len() != as_usize(tile.width) {
        report.add(tile_offset(tile), format!("`{}` is too short", tile.path()));
    }
    Ok(())
}
