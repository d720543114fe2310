//! `wayleave policy stage` and `stages`: steps of packs, signed and sent.

use core::time::Duration;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use api::messages::{StagedPack, StagedPacks};
use client::{Client, Outcome, Outgoing, Peer};
use policy::Pack;
use record::{Canary, PackStep, Side, Signed, Stage};
use seal::SigningKey;
use serde_json::{Value, json};
use server::keys::{KeyStore, REQUEST_KEY};
use server::roles::edge::{CERTIFICATE, COUNTERSIGNATURE, Config, INVARIANTS, PACK_FILES, fits};
use server::roles::read_config;
use server::system;
use terms::CorridorName;
use wallet::{CommandResult, EXIT_REFUSED, EXIT_UNKNOWN};

use crate::cli::policy::{StageArgs, StageName, StagesArgs};
use crate::command::operator::online;
use crate::command::replay::read_pack;
use crate::command::{say, show, tell};

/// What a pack is certified by, beside the files that it is made of.
const CERTIFIED_BY: [&str; 3] = [CERTIFICATE, COUNTERSIGNATURE, INVARIANTS];

/// One side of one corridor.
type Place = (CorridorName, Side);

/// An institution that speaks through its edge's keys.
struct Speaker {
    config: Config,
    client: Client,
    core: Peer,
    request_key: SigningKey,
    permit_key: SigningKey,
}

impl Speaker {
    fn open(dir: &Path) -> anyhow::Result<Self> {
        let config: Config = read_config(dir)?;
        let keys = KeyStore::open(dir)?;
        Ok(Self {
            client: config.common.client(),
            core: config.common.signing_peer(&config.core)?,
            request_key: keys.signing_key(REQUEST_KEY)?,
            permit_key: keys.signing_key("permit")?,
            config,
        })
    }

    /// The corridors and sides that the edge decides, its first before the others.
    fn places(&self) -> anyhow::Result<Vec<Place>> {
        let place = |corridor: &str, side: &str| -> anyhow::Result<Place> {
            let side = match side {
                "debtor" => Side::Debtor,
                "creditor" => Side::Creditor,
                other => bail!("`role.json`: expected a side, got `{other}`"),
            };
            Ok((corridor.parse()?, side))
        };
        let more = self.config.more.iter().map(|more| place(&more.corridor, &more.side));
        let first = place(&self.config.corridor, &self.config.side);
        core::iter::once(first).chain(more).collect()
    }

    async fn staged(&self, (corridor, side): Place) -> anyhow::Result<StagedPacks> {
        let target = format!("/v1/packs/{corridor}/{side}");
        let request = Outgoing::get(&target);
        match self.client.send(&self.core, request, &self.request_key).await {
            Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body)?),
            Outcome::Refused(problem) => bail!("{}", problem.detail.unwrap_or(problem.title)),
            Outcome::NotDone(why) => bail!("not done: {why}"),
            Outcome::Unknown(why) => bail!("the core did not answer: {why}"),
        }
    }
}

/// Signs a step and sends it.
pub(super) fn command(args: &StageArgs) -> anyhow::Result<ExitCode> {
    let (_, pack) = read_pack(&args.dir)?;
    let first = args.edges.first().context("`--edge` names no folder")?;
    let speaker = Speaker::open(first)?;
    // The pack lies at every instance before the step makes it decide there.
    if !matches!(args.stage, StageName::Draft | StageName::Retired) {
        for edge in &args.edges {
            put(&args.dir, edge, &pack)?;
        }
    }
    online(step(args, pack, speaker))
}

async fn step(args: &StageArgs, pack: Pack, speaker: Speaker) -> anyhow::Result<ExitCode> {
    let place = (pack.corridor(), pack.side());
    if !speaker.places()?.contains(&place) {
        let (corridor, side) = place;
        bail!("the pack is for the {side} side of {corridor}, the edge for another");
    }
    let staged = speaker.staged(place).await?;
    let config = &speaker.config;
    let canary = || Canary {
        share: args.share,
        until: system::now().plus(Duration::from_secs(args.hours.saturating_mul(3_600))),
    };
    let step = PackStep {
        layout: 1,
        environment: config.common.environment.parse()?,
        book: config.book.parse()?,
        institution: config.institution.parse()?,
        corridor: pack.corridor(),
        side: pack.side(),
        pack: pack.digest(),
        schema: pack.schema_digest(),
        step: staged.step.saturating_add(1),
        stage: match args.stage {
            StageName::Draft => Stage::Draft,
            StageName::Shadow => Stage::Shadow,
            StageName::Canary => Stage::Canary(canary()),
            StageName::Active => Stage::Active,
            StageName::Retired => Stage::Retired,
        },
        reason: args.reason.clone(),
    };
    let body = Signed::sign(&step, &speaker.permit_key).to_bytes();
    let request = Outgoing::post("/v1/pack-steps", api::wire::CBOR, body);
    match speaker.client.send(&speaker.core, request, &speaker.request_key).await {
        Outcome::Answer(_) => Ok(show(&Shown(place, speaker.staged(place).await?), args.json)),
        Outcome::Refused(problem) => {
            say(&format!("refused  {}", problem.detail.unwrap_or(problem.title)));
            Ok(ExitCode::from(EXIT_REFUSED))
        }
        Outcome::NotDone(why) => bail!("not done: {why}"),
        Outcome::Unknown(why) => {
            tell(&format!("nobody knows whether it was done; `policy stages` tells: {why}"));
            Ok(ExitCode::from(EXIT_UNKNOWN))
        }
    }
}

/// Copies a pack into an edge's folder, under its digest, where the edge finds it while it runs,
/// and sees that the edge would decide under it.
fn put(from: &Path, edge: &Path, pack: &Pack) -> anyhow::Result<()> {
    let name = pack.digest().to_string();
    let further = edge.join("packs");
    let folder = further.join(&name);
    // Whole or not at all: the edge looks for folders, and a half of one is no pack.
    let half = edge.join(format!(".pack-{name}"));
    let place = || format!("`{}`", edge.display());
    std::fs::create_dir_all(&half).with_context(place)?;
    std::fs::create_dir_all(&further).with_context(place)?;
    for file in PACK_FILES.into_iter().chain(CERTIFIED_BY) {
        let path = from.join(file);
        std::fs::copy(&path, half.join(file)).with_context(|| {
            format!("`{}`; `wayleave policy prove` certifies a pack", path.display())
        })?;
    }
    if let Err(error) = fits(edge, &half, pack.digest()) {
        std::fs::remove_dir_all(&half).with_context(place)?;
        return Err(error).with_context(|| format!("{} would not decide under it", place()));
    }
    if folder.exists() {
        // It lay there already, perhaps without its certificate. Each file alone is whole.
        for file in PACK_FILES.into_iter().chain(CERTIFIED_BY) {
            std::fs::rename(half.join(file), folder.join(file)).with_context(place)?;
        }
        std::fs::remove_dir_all(&half).with_context(place)
    } else {
        std::fs::rename(&half, &folder).with_context(place)
    }
}

/// What is staged.
pub(super) fn list(args: &StagesArgs) -> anyhow::Result<ExitCode> {
    let speaker = Speaker::open(&args.edge)?;
    online(async {
        for place in speaker.places()? {
            show(&Shown(place, speaker.staged(place).await?), args.json);
        }
        Ok(ExitCode::SUCCESS)
    })
}

struct Shown(Place, StagedPacks);

impl CommandResult for Shown {
    fn text(&self) -> String {
        let row = |one: &StagedPack| match one.stage {
            Stage::Canary(Canary { share, until }) => {
                format!("canary    {}  {share} of 1000 companies until {until}", one.pack)
            }
            Stage::Draft | Stage::Shadow | Stage::Active | Stage::Retired => {
                format!("{:<9} {}", one.stage.word(), one.pack)
            }
        };
        let (corridor, side) = self.0;
        let mut lines = vec![format!("{corridor}, {side}")];
        lines.extend(self.1.packs.iter().map(row));
        lines.push(match self.1.step {
            0 => "no step yet: the edges' notices say what is in force".to_owned(),
            step => format!("step {step}"),
        });
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let one = |one: &StagedPack| match one.stage {
            Stage::Canary(Canary { share, until }) => json!({
                "pack": one.pack.to_string(),
                "stage": "canary",
                "share": share,
                "until": until.to_string(),
            }),
            Stage::Draft | Stage::Shadow | Stage::Active | Stage::Retired => {
                json!({ "pack": one.pack.to_string(), "stage": one.stage.word() })
            }
        };
        let (corridor, side) = self.0;
        json!({
            "corridor": corridor.as_str(),
            "side": side.as_str(),
            "step": self.1.step,
            "packs": self.1.packs.iter().map(one).collect::<Vec<_>>(),
        })
    }

    fn exit_code(&self) -> u8 {
        0
    }
}
