//! From a report to a file that a stranger can verify: signed, recorded, under a cosigned
//! checkpoint, with the proof that the log only grew since before the fault.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{Outcome, Outgoing, Peer};
use evidence::SignedCheckpoint;
use record::{DrillReport, RecoveryFile, Signed};
use seal::Digest;
use serde::Deserialize;
use server::roles::core::drills::REPORT_KEY;
use terms::Position;
use wallet::verify::verify_recovery;

use crate::demo::crash::trust;
use crate::demo::onboard::Calls;
use crate::load::rig::Rig;

/// Until a report's leaf is under a cosigned checkpoint.
const COSIGNED_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// What the log and the journal were before the fault.
pub struct Before {
    checkpoint: Option<SignedCheckpoint>,
    /// The next free position.
    pub head: Position,
}

impl Before {
    /// Takes the newest checkpoint, then the head: the head is never behind the checkpoint.
    pub async fn take(rig: &Rig) -> anyhow::Result<Self> {
        let peer = Peer::unverified(&rig.stage.peer("core")?.url)?;
        let client = rig.stage.common("nobody").client();
        let begun = Instant::now();
        // A core that stands by is passed over; two that change places are asked again.
        let answer = loop {
            match client.send_unsigned(&peer, Outgoing::get("/log/checkpoint")).await {
                Outcome::Answer(answer) => break answer,
                other if begun.elapsed() > COSIGNED_WITHIN => {
                    bail!("the log's checkpoint: {other:?}")
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        };
        let note = SignedCheckpoint::parse(&answer.body).context("the log's checkpoint")?;
        let checkpoint = Some(note).filter(|note| note.head().size > 0);
        let head = super::journal::head(&super::payer(rig)?).await?;
        Ok(Self { checkpoint, head })
    }

    /// Entries under the checkpoint.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |note| note.head().size)
    }

    /// Its root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.checkpoint.as_ref().map_or(Digest::ZERO, |note| note.head().root)
    }

    fn bytes(&self) -> Vec<u8> {
        self.checkpoint.as_ref().map(|note| note.to_string().into_bytes()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Recorded {
    position: u64,
}

/// Has the operator sign the report and the core record it, and writes the file that proves it.
pub async fn certify(
    rig: &Rig,
    report: &DrillReport,
    before: &Before,
    to: &Path,
) -> anyhow::Result<PathBuf> {
    let signed = Signed::sign(report, &rig.stage.key("operator", REPORT_KEY)?);
    let calls = Calls::new(&rig.stage);
    let answer = calls
        .post("operator", "core", "/v1/drills", api::wire::CBOR, signed.to_bytes())
        .await
        .context("the report is not recorded")?;
    let Recorded { position } = serde_json::from_slice(&answer)?;
    let target = format!("/v1/drills/{position}/{}", before.size());
    let begun = Instant::now();
    let bytes = loop {
        match calls.get("operator", "core", &target).await {
            Ok(bytes) => break bytes,
            Err(error) if begun.elapsed() > COSIGNED_WITHIN => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    let mut file: RecoveryFile = seal::from_canonical(&bytes)?;
    file.checkpoint_before = before.bytes().into();
    let bytes = seal::to_canonical(&file);
    std::fs::create_dir_all(to)?;
    let path = to.join(format!("{}.wayleave", report.drill));
    std::fs::write(&path, &bytes).with_context(|| path.display().to_string())?;
    let verified = verify_recovery(&bytes, Some(&trust(&rig.stage)?));
    let held = report.verdict == record::DrillVerdict::Held;
    if held && !verified.is_good() {
        bail!("`{}` does not verify: {:?}", path.display(), verified.first_failure());
    }
    Ok(path)
}
