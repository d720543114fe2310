//! The plain directory of C2SP tlog-tiles, as any static server can serve it.

use std::fs;
use std::io;
use std::path::Path;

use evidence::tile::{CHECKPOINT_PATH, changed};

use super::reader::TreeView;
use crate::disk::DiskFile;

/// Writes all tiles and bundles of a tree below `folder`, and last the checkpoint over it.
///
/// `from` is a size that was exported there before, or 0: full files of it are not written again.
/// Nothing is synced: it is a copy. How many files were written, the checkpoint apart.
///
/// # Errors
/// The device's or the folder's. Without the checkpoint the folder holds no log yet.
pub fn export<F: DiskFile>(
    view: &TreeView<'_, F>,
    from: u64,
    checkpoint: &str,
    folder: &Path,
) -> io::Result<u64> {
    let missing = |path: &str| io::Error::new(io::ErrorKind::NotFound, format!("no `{path}`"));
    let mut files = 0_u64;
    for tile in changed(from, view.size()) {
        let path = tile.path();
        let bytes = view.tile(tile)?.ok_or_else(|| missing(&path))?;
        write(folder, &path, &bytes)?;
        files = files.saturating_add(1);
        if tile.level == 0 {
            let path = tile.bundle_path();
            let bytes = view.entry_bundle(tile.index, tile.width)?.ok_or_else(|| missing(&path))?;
            write(folder, &path, &bytes)?;
            files = files.saturating_add(1);
        }
    }
    write(folder, CHECKPOINT_PATH, checkpoint.as_bytes())?;
    Ok(files)
}

fn write(folder: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap_or(folder))?;
    fs::write(path, bytes)
}
