//! `wayleave replay`: decisions made again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use policy::replay::{Difference, DigestCheck, Replay, replay, replay_with};
use policy::{Pack, PackFiles, shipped};
use record::{DecisionOutcome, DecisionRecord};
use seal::Digest;
use serde_json::{Value, json};
use wallet::{CommandResult, EXIT_REFUSED};

use super::{annotations, files, show};
use crate::cli::check::ReplayArgs;

/// The texts of a pack in a folder.
pub(crate) struct PackTexts {
    pub(crate) schema: String,
    pub(crate) decide: String,
    pub(crate) oblige: String,
    pub(crate) gate: String,
    pub(crate) assumptions: String,
    pub(crate) parameters: String,
}

impl PackTexts {
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        if !dir.is_dir() {
            bail!("`{}` is no folder, expected that of a rule pack", dir.display());
        }
        let text = |name: &str| files::read_text(&dir.join(name));
        Ok(Self {
            schema: text("corridor.cedarschema")?,
            decide: text("decide.cedar")?,
            oblige: text("oblige.cedar")?,
            gate: text("gate.cedar")?,
            assumptions: text("assumptions.cedar")?,
            parameters: text("parameters.json")?,
        })
    }

    fn of(files: &PackFiles<'_>) -> Self {
        Self {
            schema: files.schema.to_owned(),
            decide: files.decide.to_owned(),
            oblige: files.oblige.to_owned(),
            gate: files.gate.to_owned(),
            assumptions: files.assumptions.to_owned(),
            parameters: files.parameters.to_owned(),
        }
    }

    fn load(&self) -> Result<Pack, policy::PackError> {
        Pack::load(&self.files())
    }

    /// As [`Pack::load`] takes them.
    pub(crate) fn files(&self) -> PackFiles<'_> {
        PackFiles {
            schema: &self.schema,
            decide: &self.decide,
            oblige: &self.oblige,
            gate: &self.gate,
            assumptions: &self.assumptions,
            parameters: &self.parameters,
        }
    }

    /// Each policy's text by its id, without comments and layout.
    fn policies(&self) -> BTreeMap<String, String> {
        [&self.decide, &self.oblige, &self.gate]
            .into_iter()
            .flat_map(|chapter| annotations::policies(chapter))
            .map(|policy| (policy.id().to_owned(), policy.meaning()))
            .collect()
    }
}

/// Decides again.
pub(crate) fn command(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    match args.depth {
        2 => return super::replay_raw::command(args),
        3 => return super::replay_totals::command(args),
        _ => {}
    }
    let (texts, pack) = read_pack(pack_of(args)?)?;
    let bytes = files::read(&args.file)?;
    let place = || format!("`{}` is no decision record that can be replayed", args.file.display());
    let replayed = replay(&bytes, &pack).with_context(place)?;
    let record: DecisionRecord = seal::from_canonical(&bytes).with_context(place)?;
    let under = match replay_with(&bytes, &pack, DigestCheck::Ignored).with_context(place)? {
        Replay::Match => None,
        Replay::Mismatch(difference) => Some(difference),
    };
    let mut concerned = concerned(under.as_ref());
    if record.pack != pack.digest() {
        concerned.extend(changed_since(record.pack, &texts));
    }
    let again = Again { replayed, under, concerned, record, pack: pack.name().to_owned() };
    Ok(show(&again, args.json))
}

/// The rule pack's folder: needed at every depth but the ledger's.
pub(crate) fn pack_of(args: &ReplayArgs) -> anyhow::Result<&Path> {
    args.pack.as_deref().context("expected `--pack DIR`, the rule pack's folder")
}

pub(crate) fn read_pack(dir: &Path) -> anyhow::Result<(PackTexts, Pack)> {
    let texts = PackTexts::read(dir)?;
    let pack = texts.load().with_context(|| format!("`{}` is no rule pack", dir.display()))?;
    Ok((texts, pack))
}

/// The policies that decided once and not twice.
fn concerned(under: Option<&Difference>) -> BTreeSet<String> {
    let Some(difference) = under.filter(|one| one.part == "determining") else {
        return BTreeSet::new();
    };
    let ids = |text: &str| text.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (ids(&difference.recorded), ids(&difference.replayed));
    before.symmetric_difference(&after).filter(|id| id.as_str() != "permit").cloned().collect()
}

/// The policies whose text differs from the pack that the record names, where this build knows
/// that pack.
fn changed_since(named: Digest, texts: &PackTexts) -> BTreeSet<String> {
    let known = shipped::PACKS.map(|one| PackTexts::of(&one.files));
    let known = known.iter().find(|pack| pack.load().is_ok_and(|pack| pack.digest() == named));
    let Some(known) = known else { return BTreeSet::new() };
    let (before, after) = (known.policies(), texts.policies());
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changed: BTreeSet<String> =
        ids.into_iter().filter(|id| before.get(*id) != after.get(*id)).cloned().collect();
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    if value(&known.parameters) != value(&texts.parameters) {
        changed.insert("parameters.json".to_owned());
    }
    changed
}

/// What came of it.
struct Again {
    replayed: Replay,
    /// What the pack at hand decides differently, its identity apart.
    under: Option<Difference>,
    concerned: BTreeSet<String>,
    record: DecisionRecord,
    pack: String,
}

impl Again {
    fn outcome(&self) -> String {
        match self.record.outcome {
            DecisionOutcome::Permit => "permit".to_owned(),
            DecisionOutcome::Denial => "denial".to_owned(),
            DecisionOutcome::Referral { next_opening: None } => "referral".to_owned(),
            DecisionOutcome::Referral { next_opening: Some(at) } => {
                format!("referral until {at}")
            }
        }
    }

    fn policies(&self) -> String {
        self.concerned.iter().cloned().collect::<Vec<_>>().join(", ")
    }
}

impl CommandResult for Again {
    fn text(&self) -> String {
        let record = &self.record;
        let about = format!(
            "decided   {} by {} for payment {}",
            record.decided_at, record.institution, record.payment
        );
        match &self.replayed {
            Replay::Match => format!(
                "MATCH     {}, by {}\n{about}\nrules     pack {} {}",
                self.outcome(),
                record.determining.join(", "),
                self.pack,
                record.pack
            ),
            Replay::Mismatch(first) => {
                let mut lines = vec![
                    format!("MISMATCH  first difference: {}", first.part),
                    format!("recorded  {}", first.recorded),
                    format!("replayed  {}", first.replayed),
                ];
                match self.under.as_ref() {
                    Some(other) if other != first => lines.push(format!("decides   {other}")),
                    None => lines.push("decides   the same in this case".to_owned()),
                    Some(_) => {}
                }
                if !self.concerned.is_empty() {
                    lines.push(format!("policy    {}", self.policies()));
                }
                lines.push(about);
                lines.join("\n")
            }
        }
    }

    fn json(&self) -> Value {
        let difference = |one: &Difference| json!({ "part": one.part, "recorded": one.recorded, "replayed": one.replayed });
        let first = match &self.replayed {
            Replay::Match => None,
            Replay::Mismatch(first) => Some(difference(first)),
        };
        json!({
            "match": first.is_none(),
            "first_difference": first,
            "decides": self.under.as_ref().map(difference),
            "policies": self.concerned,
            "outcome": self.outcome(),
            "determining": self.record.determining,
            "payment": self.record.payment.to_string(),
            "pack": self.record.pack.to_string(),
        })
    }

    fn exit_code(&self) -> u8 {
        match self.replayed {
            Replay::Match => 0,
            Replay::Mismatch(_) => EXIT_REFUSED,
        }
    }
}
