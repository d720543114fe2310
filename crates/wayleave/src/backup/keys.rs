//! Keys in a backup: sealed to a key that no machine of the system holds.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use minicbor::{Decode, Encode};
use seal::digest::{Domain, digest};
use seal::text::{from_hex_array, to_hex};
use seal::{BoxPublicKey, BoxSecretKey, open_box, seal_box, sha256};
use store::backup::{SealedBox, SealedPart};
use store::objects::{Created, Objects, create_once};

use super::folder::Books;
use crate::command::{say, tell};

/// The context of the boxes, and the domain of the digests of what is in them.
const SEALED: Domain = Domain::new("wayleave/backup/sealed/v1");
/// Bytes of files in one box, at most by one piece more: a box is read as a document.
const BOX_BYTES: usize = 512 << 10;
/// Bytes of one piece of a file: salt keys grow at their end, and what did not change is not
/// sealed again.
const PIECE_BYTES: usize = 256 << 10;

/// A piece of a file.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct Piece {
    /// The file's name below the folder.
    #[n(0)]
    pub(super) name: String,
    /// Where in the file.
    #[n(1)]
    pub(super) offset: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) bytes: Vec<u8>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Pieces {
    #[n(0)]
    pieces: Vec<Piece>,
}

/// Makes a recovery key.
pub(super) fn make(file: &Path) -> anyhow::Result<ExitCode> {
    let seed: [u8; 32] = client::system::random()?;
    let public = BoxSecretKey::from_seed(seed).public_key();
    let mut options = OpenOptions::new();
    let mut written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("`{}` is not made", file.display()))?;
    written.write_all(format!("{}\n", to_hex(&seed)).as_bytes())?;
    written.sync_all()?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    say(&to_hex(public.as_bytes()));
    tell("the secret half is in the file: keep it away from the machines that are backed up");
    Ok(ExitCode::SUCCESS)
}

/// Reads the public half as it was printed.
pub(super) fn public(text: &str) -> anyhow::Result<BoxPublicKey> {
    let bytes = from_hex_array(text.trim()).context("`--seal-to`: expected 64 hex digits")?;
    Ok(BoxPublicKey::from_bytes(bytes))
}

/// Reads the secret half's file.
pub(super) fn secret(path: &Path) -> anyhow::Result<BoxSecretKey> {
    let named = || format!("`{}`", path.display());
    let mode = fs::metadata(path).with_context(named)?.permissions().mode() & 0o077;
    ensure!(mode == 0, "`{}`: others may read it: change that first", path.display());
    let text = fs::read_to_string(path).with_context(named)?;
    let seed = from_hex_array(text.trim()).with_context(|| format!("{}: no key", named()))?;
    Ok(BoxSecretKey::from_seed(seed))
}

/// Seals the folder's files that no box holds yet as they are.
pub(super) fn seal(
    objects: &dyn Objects,
    books: &Books,
    to: &BoxPublicKey,
    before: Option<&SealedPart>,
) -> anyhow::Result<SealedPart> {
    let known: &[SealedBox] = before
        .filter(|before| before.recipient == *to.as_bytes())
        .map_or(&[], |before| before.boxes.as_slice());
    let mut sealed = SealedPart { recipient: *to.as_bytes(), boxes: Vec::new() };
    let mut put = |pieces: Vec<Piece>| -> anyhow::Result<()> {
        let plain = seal::to_canonical(&Pieces { pieces });
        let content = digest(SEALED, &plain);
        if let Some(known) = known.iter().find(|known| known.content == content) {
            sealed.boxes.push(known.clone());
            return Ok(());
        }
        let bytes = seal_box(to, SEALED, content.as_bytes(), &plain, client::system::random()?)
            .context("`--seal-to` is no key")?;
        let sha = sha256(&bytes);
        let object = format!("sealed/{sha}");
        if create_once(objects, &object, &bytes)? == Created::Exists {
            bail!("`{object}` is there with other bytes");
        }
        sealed.boxes.push(SealedBox { object, sha256: sha, content });
        Ok(())
    };
    let (mut waiting, mut bytes) = (Vec::new(), 0_usize);
    for name in books.secret_files()? {
        let path = books.dir.join(&name);
        let content = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
        let mut offset = 0_u64;
        // An empty file is a mark, and is one piece.
        let pieces = content.chunks(PIECE_BYTES).chain(content.is_empty().then_some(&[][..]));
        for piece in pieces {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            waiting.push(Piece { name: name.clone(), offset, bytes: piece.to_vec() });
            offset = offset.saturating_add(length);
            bytes = bytes.saturating_add(piece.len());
            if bytes >= BOX_BYTES {
                bytes = 0;
                put(std::mem::take(&mut waiting))?;
            }
        }
    }
    if !waiting.is_empty() {
        put(waiting)?;
    }
    Ok(sealed)
}

/// Removes the boxes that a newer manifest does not name: they hold keys that were erased since.
/// How many could not be removed.
pub(super) fn remove_older(
    objects: &dyn Objects,
    before: Option<&SealedPart>,
    now: Option<&SealedPart>,
) -> usize {
    let kept: &[SealedBox] = now.map_or(&[], |now| now.boxes.as_slice());
    let gone = before.map_or(&[][..], |before| before.boxes.as_slice()).iter();
    let gone = gone.filter(|gone| !kept.iter().any(|kept| kept.object == gone.object));
    gone.filter(|gone| objects.remove(&gone.object).is_err()).count()
}

/// Opens all boxes into a folder.
pub(super) fn unseal(
    objects: &dyn Objects,
    part: &SealedPart,
    key: &BoxSecretKey,
    into: &Path,
) -> anyhow::Result<Vec<String>> {
    ensure!(
        key.public_key().as_bytes() == &part.recipient,
        "the keys were sealed to `{}`, not to this recovery key",
        to_hex(&part.recipient)
    );
    let mut names = Vec::new();
    for sealed in &part.boxes {
        let object = &sealed.object;
        let (bytes, _) = objects.read(object)?.with_context(|| format!("`{object}` is missing"))?;
        ensure!(sha256(&bytes) == sealed.sha256, "`{object}` is damaged");
        let plain = open_box(key, SEALED, sealed.content.as_bytes(), &bytes)
            .with_context(|| format!("`{object}`"))?;
        ensure!(digest(SEALED, &plain) == sealed.content, "`{object}` holds something else");
        let Pieces { pieces } = seal::from_canonical(&plain)?;
        for piece in pieces {
            write(into, &piece)?;
            if names.last() != Some(&piece.name) {
                names.push(piece.name);
            }
        }
    }
    Ok(names)
}

fn write(into: &Path, piece: &Piece) -> anyhow::Result<()> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    ensure!(piece.name.split('/').all(plain), "`{}` is no file's name", piece.name);
    let path = into.join(&piece.name);
    if let Some(parent) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700).create(parent)?;
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &piece.bytes, piece.offset)?;
    file.sync_all()?;
    Ok(())
}
