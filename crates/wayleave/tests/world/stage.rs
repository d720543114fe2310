//! A stage of its own for a test: folders, keys, free ports, every role as a process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use api::Problem;
use api::messages::{AccountView, DecisionAnswer};
use client::{Client, Outcome, Outgoing, Peer};
use policy::PackFiles;
use record::{DecisionRecord, RequestToPay, Side};
use seal::text::to_base64url;
use seal::{SigningKey, to_canonical};
use server::keys::REQUEST_KEY;
use server::roles::core::Cluster;
use terms::{Minor, PaymentId};
use wallet::verify::VerifyTrust;
use wallet::{Agreement, PaymentInHand, PaymentOutcome, RefusedPayment, Settled, WhenMissing};
use wayleave::demo::acts::{Players, invoice};
use wayleave::demo::funding::prefund;
use wayleave::demo::onboard::{book_of, onboard};
use wayleave::demo::processes::RoleProcess;
use wayleave::demo::setup::{OwnBooks, Stage};
use wayleave::demo::{start, subjects};

use super::form::{FORM, form};

/// The binary that runs the roles.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_wayleave");
/// How long a condition may take to come true: debug builds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder below the system's own for temporary files; removed when dropped, kept for a look
/// with `WAYLEAVE_KEEP` set.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("WAYLEAVE_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Twenty ports for one stage, apart from those of other stages and other test processes, and
/// below those that the system hands out.
pub(crate) fn base_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 20).unwrap();
    11_000 + process * 1_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 50 * 20
}

/// The stage with everybody on it. Fields are dropped in order: processes before their folders.
pub(crate) struct World {
    pub(crate) processes: Vec<RoleProcess>,
    pub(crate) stage: Stage,
    pub(crate) players: Players,
    pub(crate) folder: Folder,
    client: Client,
}

/// Runs a test's story on a runtime of its own.
pub(crate) fn play(story: impl Future<Output = anyhow::Result<()>>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Err(error) = runtime.block_on(story) {
        panic!("{error:#}");
    }
}

/// A stage whose folders are written and where nobody runs yet.
pub(crate) fn written(folder: &Folder) -> anyhow::Result<Stage> {
    written_with(folder, OwnBooks::Payee)
}

fn written_with(folder: &Folder, own_books: OwnBooks) -> anyhow::Result<Stage> {
    let stage = Stage::open_with(folder.path(), base_port(), own_books)?;
    stage.write_roles()?;
    Ok(stage)
}

impl World {
    /// Everybody runs, is a customer, holds credentials and has money.
    pub(crate) async fn new(name: &str) -> anyhow::Result<Self> {
        Self::changed(name, |_| Ok(())).await
    }

    /// As [`World::new`], with the written folders changed before anybody starts.
    pub(crate) async fn changed(
        name: &str,
        change: impl FnOnce(&Stage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        Self::written(name, OwnBooks::Payee, change).await
    }

    /// As [`World::new`], with other banks keeping their own book.
    pub(crate) async fn with_books(name: &str, own_books: OwnBooks) -> anyhow::Result<Self> {
        Self::written(name, own_books, |_| Ok(())).await
    }

    /// As [`World::changed`], with these banks keeping their own book.
    pub(crate) async fn written(
        name: &str,
        own_books: OwnBooks,
        change: impl FnOnce(&Stage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let folder = Folder::new(name);
        let stage = written_with(&folder, own_books)?;
        change(&stage)?;
        Self::raised(folder, stage).await
    }

    async fn raised(folder: Folder, mut stage: Stage) -> anyhow::Result<Self> {
        let processes = start(&stage, Path::new(BINARY)).await?;
        onboard(&stage).await?;
        prefund(&mut stage).await?;
        let players = Players::open(&stage).await?;
        let client = stage.common("nobody").client();
        Ok(Self { processes, stage, players, folder, client })
    }

    /// As [`World::new`], with two cores over one journal.
    pub(crate) async fn shared(name: &str, cluster: Cluster) -> anyhow::Result<Self> {
        let folder = Folder::new(name);
        let mut stage = Stage::open(folder.path(), base_port())?;
        stage.share_journal(cluster)?;
        stage.write_roles()?;
        Self::raised(folder, stage).await
    }

    /// The process of a member of the cast.
    pub(crate) fn process(&mut self, name: &str) -> &mut RoleProcess {
        let folder = self.stage.folder(name);
        self.processes.iter_mut().find(|process| process.dir() == folder).expect("a process")
    }

    /// Sends a request of `caller` to `callee`, signed with the caller's request key.
    pub(crate) async fn send(&self, caller: &str, callee: &str, request: Outgoing<'_>) -> Outcome {
        let key = self.stage.key(caller, REQUEST_KEY).unwrap();
        self.send_as(&key, callee, request).await
    }

    /// As [`World::send`], with any key.
    pub(crate) async fn send_as(
        &self,
        key: &SigningKey,
        callee: &str,
        request: Outgoing<'_>,
    ) -> Outcome {
        self.client.send(&self.peer(callee), request, key).await
    }

    /// Sends a request that nobody signed.
    pub(crate) async fn send_unsigned(&self, callee: &str, request: Outgoing<'_>) -> Outcome {
        self.client.send_unsigned(&self.peer(callee), request).await
    }

    fn peer(&self, callee: &str) -> Peer {
        let known = self.stage.peer(callee).unwrap();
        Peer::signing(&known.url, known.key(REQUEST_KEY).unwrap()).unwrap()
    }

    /// A request to pay of the payee's, over so many minor units of SGD.
    pub(crate) async fn invoice(&self, number: &str, minor: u128) -> anyhow::Result<RequestToPay> {
        invoice(&self.players.payee, number, minor).await
    }

    /// The payer's wallet pays, whatever the preparation says is missing.
    pub(crate) async fn pay(&self, request: &RequestToPay) -> anyhow::Result<PaymentOutcome> {
        let payer = &self.players.payer;
        Ok(payer.pay(request, &mut |_| Agreement::Yes, WhenMissing::GoOn).await?)
    }

    /// A payment of an invoice of its own must settle.
    pub(crate) async fn settled(&self, number: &str, minor: u128) -> anyhow::Result<Settled> {
        let request = self.invoice(number, minor).await?;
        match self.pay(&request).await? {
            PaymentOutcome::Settled(settled) => Ok(*settled),
            other => bail!("expected a settled payment, got {other:?}"),
        }
    }

    /// A payment of an invoice of its own must be refused or referred.
    pub(crate) async fn refused(
        &self,
        number: &str,
        minor: u128,
    ) -> anyhow::Result<RefusedPayment> {
        let request = self.invoice(number, minor).await?;
        match self.pay(&request).await? {
            PaymentOutcome::Refused(refused) => Ok(*refused),
            other => bail!("expected a refusal, got {other:?}"),
        }
    }

    /// Quote and preparation: all that comes before consent.
    pub(crate) async fn prepared(&self, request: &RequestToPay) -> anyhow::Result<PaymentInHand> {
        let payer = &self.players.payer;
        let quote = payer.quote(request, payer.new_payment()?).await?;
        Ok(payer.prepare(request, quote).await?)
    }

    /// One edge's answer to a consent.
    pub(crate) async fn decision(
        &self,
        edge: &str,
        consent: &api::messages::Consent,
        vp_token: Option<&str>,
    ) -> Result<DecisionAnswer, Problem> {
        let state = to_base64url(&to_canonical(consent));
        let mut fields = vec![("state", state.as_str())];
        fields.extend(vp_token.map(|token| ("vp_token", token)));
        let request = Outgoing::post("/v1/decisions", FORM, form(&fields));
        match self.send("brightwater", edge, request).await {
            Outcome::Answer(answer) => Ok(serde_json::from_slice(&answer.body).unwrap()),
            Outcome::Refused(problem) => Err(problem),
            other => panic!("{edge} gave no answer: {other:?}"),
        }
    }

    /// The whole record of a decision, as the institution's operator reads it.
    pub(crate) async fn record(
        &self,
        edge: &str,
        payment: PaymentId,
    ) -> anyhow::Result<DecisionRecord> {
        let target = format!("/v1/decisions/{payment}/record");
        match self.send("operator", edge, Outgoing::get(&target)).await {
            Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body)?),
            other => bail!("no record of {payment}: {other:?}"),
        }
    }

    /// What may leave a firm's account now.
    pub(crate) async fn balance(&self, firm: &str) -> anyhow::Result<Minor> {
        let target = format!("/v1/accounts/{}", self.stage.account(firm)?);
        match self.send(firm, book_of(&self.stage, firm)?, Outgoing::get(&target)).await {
            Outcome::Answer(answer) => {
                let view: AccountView = seal::from_canonical(&answer.body)?;
                Ok(view.available.minor)
            }
            other => bail!("no account of {firm}: {other:?}"),
        }
    }

    /// What the payer's side trusts.
    pub(crate) fn trust(&self) -> VerifyTrust {
        VerifyTrust { log: self.players.payer.trust().clone(), lists: vec![] }
    }
}

/// Asks until the answer is there; says what is waited for when it takes too long.
pub(crate) async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await.with_context(|| what.to_owned())? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            bail!("{what} took longer than {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Writes the pack of an edge with some of its parameters changed, in force since ever.
pub(crate) fn set_parameters(
    stage: &Stage,
    side: Side,
    changes: &[(&str, u32)],
) -> anyhow::Result<()> {
    let edge = match side {
        Side::Debtor => "bank-nl.1",
        Side::Creditor => "bank-sg.1",
    };
    let pack = subjects::pack(side);
    let files = pack.files();
    let mut parameters: serde_json::Value = serde_json::from_str(files.parameters)?;
    for (name, value) in changes {
        let rows = parameters["parameters"].as_array_mut().context("parameters")?;
        let values = serde_json::json!([{ "from": "2026-01-01", "value": value }]);
        match rows.iter_mut().find(|row| row["name"] == *name) {
            Some(row) => row["values"] = values,
            // One that the edge reads itself and a pack need not have.
            None => rows.push(serde_json::json!({
                "name": name, "unit": "", "tightens": "down", "reference": "a test",
                "values": values,
            })),
        }
    }
    let text = parameters.to_string();
    stage.write_pack(edge, &PackFiles { parameters: &text, ..files })
}
