//! `wayleave participant` and `wayleave operator`: thin handlers over the core's routes.

use core::time::Duration;
use std::process::ExitCode;

use anyhow::{Context, bail};
use api::Role;
use client::{CLIENT_LIMITS, Client, Outcome, Outgoing, Peer};
use record::{OutsideParty, Signed, StuckAct, StuckDecision, Withdrawal};
use seal::SigningKey;
use serde_json::Value;
use server::keys::{Descriptor, KeyStore, REQUEST_KEY};
use server::roles::core::drills::REPORT_KEY;
use server::roles::core::files::replace;
use terms::{BookName, Environment, OutsideId, Position};
use wallet::{EXIT_REFUSED, EXIT_UNKNOWN};

use super::wallet::amount;
use super::{say, say_json, tell};
use crate::cli::participant::{
    Decision, ParticipantCommand, ResolveArgs, RolePlace, StuckCommand, TransferArgs, WithdrawArgs,
};

/// How long an order to withdraw may be taken.
const VALID_FOR: Duration = Duration::from_secs(600);
/// Where orders are kept, below the participant's folder.
const ORDERS: &str = "withdrawals";

/// Does what a participant asked for.
pub(crate) fn participant(asked: &ParticipantCommand) -> anyhow::Result<ExitCode> {
    run(async {
        match asked {
            ParticipantCommand::Withdraw(args) => withdraw(args).await,
            ParticipantCommand::Status(args) => status(args).await,
        }
    })
}

/// Does what the operator asked for of transfers that are stuck.
pub(crate) fn stuck(asked: &StuckCommand) -> anyhow::Result<ExitCode> {
    run(async {
        match asked {
            StuckCommand::List(place) => list(place).await,
            StuckCommand::Resolve(args) => resolve(args).await,
        }
    })
}

fn run(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads for the runtime")?
        .block_on(work)
}

/// Who asks, and whom.
struct Desk {
    own: Descriptor,
    keys: KeyStore,
    peer: Peer,
    client: Client,
    request_key: SigningKey,
}

impl Desk {
    fn open(place: &RolePlace) -> anyhow::Result<Self> {
        // Before the keys: opening a folder that is none would draw new ones.
        let own = Descriptor::read(&place.dir)?;
        let keys = KeyStore::open(&place.dir)?;
        let peer = Descriptor::read(&place.core)?.peer()?;
        let client = Client::new(peer.guard(), CLIENT_LIMITS);
        let request_key = keys.signing_key(REQUEST_KEY)?;
        Ok(Self { own, keys, peer, client, request_key })
    }

    async fn ask(&self, request: Outgoing<'_>) -> Outcome {
        self.client.send(&self.peer, request, &self.request_key).await
    }

    /// Where the core runs and which book it keeps.
    async fn about(&self) -> anyhow::Result<(Environment, BookName)> {
        let Outcome::Answer(answer) = self.ask(Outgoing::get("/v1/about")).await else {
            bail!("the core at {} does not answer", self.peer.authority());
        };
        let about: Value = serde_json::from_slice(&answer.body)?;
        let text = |name: &str| about.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok((text("environment").parse()?, text("book").parse()?))
    }
}

async fn withdraw(args: &WithdrawArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.place)?;
    let folder = args.place.dir.join(ORDERS);
    let kept = |id: OutsideId| folder.join(format!("{id}.order"));
    let (id, order) = match args.id {
        Some(id) if kept(id).exists() => {
            let order = std::fs::read(kept(id)).with_context(|| format!("the order of {id}"))?;
            (id, order)
        }
        id => {
            let id = match id {
                Some(id) => id,
                None => OutsideId::from_bytes(server::system::time_ordered_bytes()?),
            };
            let order = sign(&desk, args, id).await?.to_bytes();
            // Kept before it is sent: whatever becomes of the answer, it can be sent again.
            replace(&kept(id), &order).with_context(|| format!("{}", folder.display()))?;
            (id, order)
        }
    };
    tell(&format!("withdrawing under {id} …"));
    let sent = desk.ask(Outgoing::post("/v1/outside", api::wire::CBOR, order)).await;
    show(sent, args.place.json)
}

async fn sign(
    desk: &Desk,
    args: &WithdrawArgs,
    id: OutsideId,
) -> anyhow::Result<Signed<Withdrawal>> {
    let key = match desk.own.role {
        Role::Edge => "permit",
        Role::Provider => "quote",
        other => bail!("expected the folder of an edge or a provider, got one of role `{other}`"),
    };
    let name = desk.own.name.as_str();
    let participant = name.rsplit_once('.').map_or(name, |(institution, _)| institution);
    let (environment, book) = desk.about().await?;
    let order = Withdrawal {
        layout: 1,
        environment,
        book,
        id,
        participant: participant.parse()?,
        amount: amount(&args.amount, args.asset)?,
        to: OutsideParty {
            name: args.name.clone(),
            account: args.to.clone(),
            bic: args.bic.clone(),
        },
        reference: args.reference.clone(),
        valid_until: server::system::now().plus(VALID_FOR),
    };
    Ok(Signed::sign(&order, &desk.keys.signing_key(key)?))
}

async fn status(args: &TransferArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.place)?;
    let target = format!("/v1/outside/{}", args.id);
    show(desk.ask(Outgoing::get(&target)).await, args.place.json)
}

async fn list(place: &RolePlace) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(place)?;
    let Outcome::Answer(answer) = desk.ask(Outgoing::get("/v1/outside")).await else {
        bail!("the core at {} gives no list", desk.peer.authority());
    };
    let all: Vec<Value> = serde_json::from_slice(&answer.body)?;
    for one in &all {
        print(one, place.json);
    }
    if all.is_empty() && !place.json {
        say("nothing is open");
    }
    Ok(ExitCode::SUCCESS)
}

async fn resolve(args: &ResolveArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.place)?;
    let target = format!("/v1/outside/{}", args.id);
    let Outcome::Answer(answer) = desk.ask(Outgoing::get(&target)).await else {
        bail!("the core does not know {}", args.id);
    };
    let seen: Value = serde_json::from_slice(&answer.body)?;
    let stuck_at = seen.get("position").and_then(Value::as_u64).context("a position")?;
    let (environment, book) = desk.about().await?;
    let act = StuckAct {
        layout: 1,
        environment,
        book,
        id: args.id,
        stuck_at: Position::new(stuck_at),
        decision: match args.decision {
            Decision::Done => StuckDecision::Done,
            Decision::NotDone => StuckDecision::NotDone,
            Decision::AskAgain => StuckDecision::AskAgain,
        },
        reason: args.reason.clone(),
        by: args.by.clone(),
    };
    let signed = Signed::sign(&act, &desk.keys.signing_key(REPORT_KEY)?).to_bytes();
    let sent = desk.ask(Outgoing::post("/v1/stuck", api::wire::CBOR, signed)).await;
    show(sent, args.place.json)
}

/// Prints how a transfer stands, or why there is no answer.
fn show(outcome: Outcome, json: bool) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome::Answer(answer) => {
            print(&serde_json::from_slice(&answer.body)?, json);
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Refused(problem) => {
            let detail = problem.detail.unwrap_or(problem.title);
            let mend = problem.mend.map(|mend| format!("; {mend}")).unwrap_or_default();
            tell(&format!("refused: {detail}{mend}"));
            Ok(ExitCode::from(EXIT_REFUSED))
        }
        Outcome::NotDone(reason) => {
            tell(&format!("surely not done: {reason}"));
            Ok(ExitCode::from(EXIT_REFUSED))
        }
        Outcome::Unknown(reason) => {
            tell(&format!("nobody here knows: {reason}; ask by id"));
            Ok(ExitCode::from(EXIT_UNKNOWN))
        }
    }
}

fn print(one: &Value, json: bool) {
    if json {
        return say_json(one);
    }
    let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
    say(&format!(
        "{}  {}  {} {} of {} to {}  {}",
        text("id"),
        text("phase"),
        money(text("minor"), text("asset")),
        text("asset"),
        text("participant"),
        one.get("to").and_then(|to| to.get("account")).and_then(Value::as_str).unwrap_or_default(),
        text("detail"),
    ));
}

/// Minor units as a decimal with the asset's digits.
fn money(minor: &str, asset: &str) -> String {
    let digits = asset.parse::<terms::AssetCode>().map_or(0, |asset| usize::from(asset.exponent()));
    let padded = format!("{minor:0>width$}", width = digits.saturating_add(1));
    match padded.split_at_checked(padded.len().saturating_sub(digits)) {
        Some((whole, part)) if !part.is_empty() => format!("{whole}.{part}"),
        _ => minor.to_owned(),
    }
}
