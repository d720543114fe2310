//! Files that people name: read within limits, refused in words.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use evidence::Trust;

/// The largest file read: a document is at most 1 MiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A whole file, if it is one and not too large.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// A whole file of at most `most` bytes.
pub(crate) fn read_up_to(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let about = std::fs::metadata(path).with_context(|| format!("`{shown}`"))?;
    if about.is_dir() {
        bail!("`{shown}` is a folder, expected a file");
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .with_context(|| format!("`{shown}`"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        bail!("`{shown}` is larger than the {most} bytes that any such file may have");
    }
    Ok(bytes)
}

/// A whole text file.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = read(path)?;
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("`{}` is not UTF-8 text", path.display()))
}

/// A tlog-policy file with one log.
pub(crate) fn read_trust(path: &Path) -> anyhow::Result<Trust> {
    // Read once here for the words about folders and size, then strictly.
    read(path)?;
    Ok(wallet::verify::read_trust(path)?)
}

/// The wallet's folder: as asked, or by the environment, or `./wallet`.
pub(crate) fn wallet_folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = asked
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("WAYLEAVE_WALLET").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("wallet"));
    // A wallet is opened, never made, by these commands: a typing error makes no second one.
    if folder.join("wallet.json").is_file() {
        return Ok(folder);
    }
    bail!(
        "`{}` is no wallet (it holds no `wallet.json`): name one with `--wallet DIR` or in \
         WAYLEAVE_WALLET",
        folder.display()
    )
}
