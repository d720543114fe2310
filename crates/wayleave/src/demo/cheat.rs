//! What a dishonest operator could try: change a settled amount on disk and sign the log anew.
//!
//! The operator holds the journal's files, the salts and the log's key, so all this is open to
//! it. What it does not hold are the witnesses' memories.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use evidence::{KeyName, Log, MemoryStore, NoteSigner, SignedCheckpoint};
use journal::Salts;
use record::{Commitment, Fact, Settled};
use seal::to_canonical;
use server::keys::KeyStore;
use server::roles::core::LOG_KEY;
use store::segment::{scan, segment_first, segment_name};
use store::{FileDisk, SaltKeys};
use terms::{BookName, Position};

/// What was changed, and the checkpoint that was signed over it.
pub struct Cheat {
    /// The position of the changed fact.
    pub position: Position,
    /// The new checkpoint, with its log, so that a consistency proof can be attempted.
    pub checkpoint: SignedCheckpoint,
    /// The log that was made anew.
    pub log: Log<MemoryStore>,
}

/// Changes the newest settled payment's postings in the core's folder and signs the log anew.
///
/// The core must be stopped.
pub fn change_settled_amount(core: &Path, origin: &str) -> anyhow::Result<Cheat> {
    let book: BookName = "settlement".parse()?;
    let folder = core.join("books").join(book.as_str());
    let salts = salts(&folder)?;
    let (name, bytes) = newest_segment(&folder)?;
    // A demo's book fits one segment, which begins at genesis.
    let scanned = scan(&bytes, journal::Tip::GENESIS, &book);
    let mut target = None;
    let mut commitments: Vec<Commitment> = Vec::new();
    for found in &scanned.found {
        for entry in found.batch.entries() {
            commitments.push(entry.commitment);
            let fact = entry.fact::<Fact>()?;
            if Settled::is_kind(fact.kind) && !Settled::is_refund(fact.kind) {
                target = Some((entry.position, fact));
            }
        }
    }
    let (position, fact) = target.context("no settled payment to change")?;
    let changed = with_other_amount(&fact)?;
    let root = salts.root(position, changed.salt_slot).context("its salts")?;
    let place = usize::try_from(position.number())?;
    *commitments.get_mut(place).context("its leaf")? = changed.commitment(&root);
    fs::write(folder.join(name), replaced(bytes, &to_canonical(&fact), &to_canonical(&changed))?)?;
    let (checkpoint, log) = sign_anew(core, origin, &commitments)?;
    Ok(Cheat { position, checkpoint, log })
}

fn salts(folder: &Path) -> anyhow::Result<SaltKeys<FileDisk>> {
    let never = || Err(std::io::Error::other("no key is drawn here"));
    Ok(SaltKeys::open(&FileDisk::look(folder), 1, never)?)
}

fn newest_segment(folder: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let names = fs::read_dir(folder)?.flatten().filter_map(|e| e.file_name().into_string().ok());
    let newest = names.filter_map(|name| segment_first(&name)).max().context("no segment")?;
    if newest != Position::ZERO {
        bail!("expected a demo's book, which fits one segment");
    }
    let name = segment_name(newest);
    let bytes = fs::read(folder.join(&name))?;
    Ok((name, bytes))
}

/// The same fact with another amount in the first entry of its postings.
fn with_other_amount(fact: &Fact) -> anyhow::Result<Fact> {
    let mut body = Settled::of_fact(fact).map_err(|e| anyhow::anyhow!("{e}"))?;
    let amount = first_amount(&body.postings).context("no amount in the postings")?;
    let (from, to) = (to_canonical(&amount), to_canonical(&terms::Minor::new(amount.units() ^ 1)));
    body.postings = replaced(body.postings, &from, &to)?;
    Ok(body.to_fact(fact.salt_slot, fact.heading))
}

fn first_amount(postings: &[u8]) -> Option<terms::Minor> {
    let change: ledger::Change = seal::from_canonical(postings).ok()?;
    match change.resolved() {
        ledger::Resolved::Posted { transaction, .. } => {
            transaction.entries.first().map(|entry| entry.amount)
        }
        _ => None,
    }
}

fn replaced_first(bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let found = bytes.windows(from.len()).position(|window| window == from);
    let Some(at) = found.filter(|_| from.len() == to.len()) else { return Err(bytes) };
    let mut bytes = bytes;
    if let Some(place) = bytes.get_mut(at..at + to.len()) {
        place.copy_from_slice(to);
    }
    Ok(bytes)
}

fn replaced(bytes: Vec<u8>, from: &[u8], to: &[u8]) -> anyhow::Result<Vec<u8>> {
    replaced_first(bytes, from, to).map_err(|_| anyhow::anyhow!("the fact is not in its segment"))
}

fn sign_anew(
    core: &Path,
    origin: &str,
    commitments: &[Commitment],
) -> anyhow::Result<(SignedCheckpoint, Log<MemoryStore>)> {
    let key = KeyStore::open(core)?.signing_key(LOG_KEY)?;
    let name: KeyName = origin.parse().map_err(|e| anyhow::anyhow!("{e}"))?;
    let signer = NoteSigner::new(name, key);
    let mut log = Log::open(MemoryStore::empty(), &signer)?;
    for commitment in commitments {
        log.append(commitment);
    }
    let checkpoint = log.publish(&signer)?;
    Ok((checkpoint, log))
}
