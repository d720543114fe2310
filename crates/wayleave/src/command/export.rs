//! `wayleave verify-export`: a receipt's proof as others' verifiers read it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use evidence::receipt::inspect;
use evidence::whole::inspect_whole;
use evidence::{Policy, Refused, Trust, VerifierKey, WholeReceipt};
use record::LEAF_BYTES;
use serde_json::json;

use super::{files, say, say_json};
use crate::cli::check::ExportArgs;

/// Writes the two files and prints the command.
pub(crate) fn command(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let bytes = files::read(&args.receipt)?;
    let (proof_text, entry_bytes) = parts(&bytes)
        .map_err(|refused| anyhow!("`{}` is no good receipt: {refused}", args.receipt.display()))?;
    let trust = args.trust.as_deref().map(files::read_trust).transpose()?;
    let stem = args.receipt.file_stem().and_then(|stem| stem.to_str()).unwrap_or("receipt");
    let proof = args.dir.join(format!("{stem}.tlog-proof"));
    let entry = args.dir.join(format!("{stem}.entry"));
    std::fs::create_dir_all(&args.dir).with_context(|| format!("`{}`", args.dir.display()))?;
    write(&proof, &proof_text)?;
    write(&entry, &entry_bytes)?;
    let command = proofbundle(&proof, &entry, trust.as_ref());
    if args.json {
        say_json(&json!({ "proof": proof, "entry": entry, "command": command }));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("proof  {}\nentry  {}", proof.display(), entry.display()));
    say("check both with a verifier that is not ours:");
    say(&format!("  pip install proofbundle==6.3.1\n  {command}"));
    if trust.is_none() {
        say("KEYS stands for the keys that you trust: `--trust FILE` puts them there");
    }
    Ok(ExitCode::SUCCESS)
}

/// The proof's text and the log's entry, of a receipt of either kind.
fn parts(bytes: &[u8]) -> Result<(Vec<u8>, [u8; LEAF_BYTES]), Refused> {
    if WholeReceipt::is_named_by(bytes) {
        let read = inspect_whole(bytes)?;
        return Ok((read.receipt().tlog_proof().to_vec(), read.entry()));
    }
    let read = inspect(bytes)?;
    Ok((read.receipt().tlog_proof().to_vec(), read.receipt().entry()))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("`{}`", path.display()))
}

fn proofbundle(proof: &Path, entry: &Path, trust: Option<&Trust>) -> String {
    let mut words = vec!["proofbundle verify-proof".to_owned()];
    words.push(format!("--payload-file {}", quoted(&entry.to_string_lossy())));
    match trust {
        None => words.push("KEYS".to_owned()),
        Some(trust) => {
            let key = |key: &VerifierKey| quoted(&key.to_string());
            words.push(format!("--log-vkey {}", key(trust.log())));
            let members = trust.policy().quorum_keys();
            words.extend(members.iter().map(|member| format!("--witness-vkey {}", key(member))));
            words.push(format!("--threshold {}", threshold(trust.policy(), &members)));
        }
    }
    words.push(quoted(&proof.to_string_lossy()));
    words.join(" ")
}

/// The smallest number such that any so many of the quorum's witnesses are enough: what a
/// verifier that only counts must ask for to be no laxer than the policy.
fn threshold(policy: &Policy, members: &[&VerifierKey]) -> usize {
    let count = members.len();
    // Beyond this, all: their subsets are too many to try.
    if count > 12 {
        return count;
    }
    let subsets = || (0_u32..1 << count).map(|mask| subset(members, mask));
    let enough = |size: usize| {
        subsets().filter(|some| some.len() == size).all(|some| policy.is_met_by(&some))
    };
    (0..=count).find(|size| enough(*size)).unwrap_or(count)
}

fn subset<'a>(members: &[&'a VerifierKey], mask: u32) -> Vec<&'a VerifierKey> {
    let chosen = (0_u32..).zip(members).filter(|(place, _)| mask >> place & 1 == 1);
    chosen.map(|(_, member)| *member).collect()
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
