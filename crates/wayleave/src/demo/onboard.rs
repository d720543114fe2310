//! Before the first payment: accounts and credentials. Real requests to real roles,
//! made with the keys of those who would make them.

use std::time::Duration;

use anyhow::{Context, bail};
use api::messages::{AccountView, NewCustomer};
use bytes::Bytes;
use client::{Client, Outcome, Outgoing, Peer};
use record::{AccountProfile, Signed, Snapshot, TrustList};
use seal::{SigningKey, to_canonical};
use serde::Serialize;
use server::keys::REQUEST_KEY;
use server::roles::issuer::{OfferRequest, Offered, Revocation, TransactionCodeWish};
use server::roles::supervisor::{Edits, TrustEdit, trust_edits_of};
use terms::Amount;
use wallet::{
    EdgeEntry, KeyFolder, PeerEntry, ProviderEntry, TrustListEntry, Wallet, WalletConfig,
    WalletFolder,
};

use super::setup::Stage;
use super::subjects::{FIRMS, Firm};

/// Calls between the cast, each with the caller's own key.
pub struct Calls<'a> {
    stage: &'a Stage,
    client: Client,
}

impl<'a> Calls<'a> {
    /// Calls to everybody on the stage.
    pub fn new(stage: &'a Stage) -> Self {
        Self { stage, client: stage.common("nobody").client() }
    }

    /// A request of `caller` to `callee`; the answer's body, or what went wrong in words.
    pub async fn post(
        &self,
        caller: &str,
        callee: &str,
        target: &str,
        media_type: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Bytes> {
        let key: SigningKey = self.stage.key(caller, REQUEST_KEY)?;
        let known = self.stage.peer(callee)?;
        let signer = known.key(REQUEST_KEY).context("its request key")?;
        let peer = Peer::signing(&known.url, signer)?;
        let request = Outgoing::post(target, media_type, body);
        match self.client.send(&peer, request, &key).await {
            Outcome::Answer(answer) => Ok(answer.body),
            Outcome::Refused(problem) => bail!(
                "{callee} refuses {target}: {} {}",
                problem.title,
                problem.detail.unwrap_or_default()
            ),
            Outcome::NotDone(reason) => bail!("{callee} did not do {target}: {reason}"),
            Outcome::Unknown(reason) => bail!("{callee}, {target}: {reason}"),
        }
    }

    /// A read of `caller` at `callee`.
    pub async fn get(&self, caller: &str, callee: &str, target: &str) -> anyhow::Result<Bytes> {
        let key: SigningKey = self.stage.key(caller, REQUEST_KEY)?;
        let known = self.stage.peer(callee)?;
        let signer = known.key(REQUEST_KEY).context("its request key")?;
        let peer = Peer::signing(&known.url, signer)?;
        match self.client.send(&peer, Outgoing::get(target), &key).await {
            Outcome::Answer(answer) => Ok(answer.body),
            other => bail!("{callee}, {target}: {other:?}"),
        }
    }

    /// What a firm's account holds, as its own wallet reads it where its bank's book is.
    pub async fn available(&self, firm: &str) -> anyhow::Result<Amount> {
        let target = format!("/v1/accounts/{}", self.stage.account(firm)?);
        let body = self.get(firm, book_of(self.stage, firm)?, &target).await?;
        let view: AccountView = seal::from_canonical(&body)?;
        Ok(view.available)
    }

    /// A read that needs no key.
    pub async fn open(&self, callee: &str, target: &str) -> anyhow::Result<Bytes> {
        let peer = Peer::unverified(&self.stage.peer(callee)?.url)?;
        match self.client.send_unsigned(&peer, Outgoing::get(target)).await {
            Outcome::Answer(answer) => Ok(answer.body),
            other => bail!("{callee}, {target}: {other:?}"),
        }
    }

    /// As [`Calls::post`], with a JSON body.
    pub async fn post_json<T: Serialize>(
        &self,
        caller: &str,
        callee: &str,
        target: &str,
        body: &T,
    ) -> anyhow::Result<Bytes> {
        self.post(caller, callee, target, api::wire::JSON, serde_json::to_vec(body)?).await
    }

    /// Sends a protocol's own request and gives status and body back.
    pub async fn foreign(
        &self,
        callee: &str,
        target: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(u16, Bytes)> {
        let peer = Peer::unverified(&self.stage.peer(callee)?.url)?;
        let request = Outgoing::post(target, media_type, body);
        match self.client.send_foreign(&peer, request).await {
            Outcome::Answer(answer) => Ok((answer.status, answer.body)),
            other => bail!("{callee}, {target}: {other:?}"),
        }
    }
}

/// Makes every firm a customer with credentials. Idempotent but for the credentials, which are
/// issued anew.
pub async fn onboard(stage: &Stage) -> anyhow::Result<()> {
    let calls = Calls::new(stage);
    for country in ["NL", "SG"] {
        list_anew(stage, &calls, country).await?;
    }
    for firm in &FIRMS {
        write_wallet(stage, firm)?;
        open_account(stage, &calls, firm).await?;
        forget_all(stage, firm)?;
        for (what, issuer) in firm.credentials() {
            receive(stage, &calls, firm, what, &issuer).await?;
        }
    }
    until("the banks to take the newest lists", async || lists_taken(stage, &calls).await).await
}

/// Whether both banks' snapshots rest on the newest trust lists, and the core knows them. A permit
/// of the snapshot before would be one of yesterday's lists, which the core rightly refuses.
async fn lists_taken(stage: &Stage, calls: &Calls<'_>) -> bool {
    let newest = async |country: &str| -> anyhow::Result<(String, u64)> {
        let supervisor = format!("supervisor-{}", country.to_lowercase());
        let bytes = calls.open(&supervisor, "/v1/trust-list").await?;
        let list = Signed::<TrustList>::from_bytes(&bytes)?.read_unverified()?;
        Ok((format!("trust:{country}"), list.version))
    };
    let seen = async || -> anyhow::Result<bool> {
        let lists = [newest("NL").await?, newest("SG").await?];
        let about: serde_json::Value =
            serde_json::from_slice(&calls.open("core", "/v1/about").await?)?;
        for bank in ["bank-nl", "bank-sg"] {
            let path = stage.folder(&format!("{bank}.1")).join("lists").join("snapshot");
            let signed = Signed::<Snapshot>::from_bytes(&std::fs::read(path)?)?;
            let snapshot = signed.read_unverified()?;
            let has = |(name, version): &(String, u64)| {
                let same = |one: &record::ListedVersion| one.name == *name;
                snapshot.lists.iter().any(|one| same(one) && one.version >= *version)
            };
            let known = about.pointer(&format!("/snapshots/{bank}")).and_then(|v| v.as_u64());
            if known != Some(snapshot.version) || !lists.iter().all(has) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    seen().await.unwrap_or(false)
}

/// What an issuer at another port signed names that port: it is received anew.
fn forget_all(stage: &Stage, firm: &Firm) -> anyhow::Result<()> {
    let folder = WalletFolder::open(&stage.folder(firm.key))?;
    for held in folder.credentials()? {
        folder.forget_credentials(&held.open().credential_type)?;
    }
    Ok(())
}

/// Issuers and verifiers are listed by their URLs: where a port moved since the first edition,
/// the supervisor lists them where they are now.
async fn list_anew(stage: &Stage, calls: &Calls<'_>, country: &str) -> anyhow::Result<()> {
    let moved = |edit: &TrustEdit| {
        matches!(edit, TrustEdit::PutIssuer { .. } | TrustEdit::PutVerifier { .. })
    };
    let edits = trust_edits_of(&stage.trust_list(country)?).into_iter().filter(moved).collect();
    let act = Edits { reason: "where everybody is now".into(), edits };
    let supervisor = format!("supervisor-{}", country.to_lowercase());
    calls.post_json("operator", &supervisor, "/v1/trust-list/edits", &act).await.map(|_| ())
}

/// Where the book of a firm's bank is kept.
pub fn book_of(stage: &Stage, firm: &str) -> anyhow::Result<&'static str> {
    let firm = FIRMS.iter().find(|one| one.key == firm).context("a firm of the demo")?;
    Ok(stage.own_books.of(firm.bank).unwrap_or("core"))
}

async fn open_account(stage: &Stage, calls: &Calls<'_>, firm: &Firm) -> anyhow::Result<()> {
    let client_key = KeyFolder::open(&stage.folder(firm.key))?.request_key()?.public_key();
    let new = NewCustomer {
        layout: 1,
        profile: AccountProfile {
            account: stage.account(firm.key)?,
            owner: firm.company.parse()?,
            name: firm.legal_name.into(),
            client_key,
        },
        asset: firm.asset.parse()?,
    };
    let edge = format!("{}.1", firm.bank);
    calls
        .post(
            &edge,
            book_of(stage, firm.key)?,
            "/v1/customers",
            api::wire::CBOR,
            to_canonical(&new),
        )
        .await
        .map(|_| ())
}

/// Offers a credential and lets the wallet take it. Returns the id by which it is revoked.
pub async fn receive(
    stage: &Stage,
    calls: &Calls<'_>,
    firm: &Firm,
    what: &str,
    issuer: &str,
) -> anyhow::Result<String> {
    let request = OfferRequest {
        subject: format!("{}-{what}", firm.key),
        transaction_code: TransactionCodeWish::None,
    };
    let target = format!("/{issuer}/v1/offers");
    let answer = calls.post_json("operator", "issuers", &target, &request).await?;
    let offered: Offered = serde_json::from_slice(&answer)?;
    let wallet = Wallet::open(&stage.folder(firm.key))?;
    wallet.receive(&offered.uri, None).await.with_context(|| format!("{}'s {what}", firm.key))?;
    Ok(offered.credential)
}

/// Revokes a credential.
pub async fn revoke(calls: &Calls<'_>, issuer: &str, credential: String) -> anyhow::Result<()> {
    let revocation = Revocation {
        credential: Some(credential),
        index: None,
        reason: "something is overdue (example)".into(),
    };
    let target = format!("/{issuer}/v1/revocations");
    calls.post_json("operator", "issuers", &target, &revocation).await.map(|_| ())
}

fn write_wallet(stage: &Stage, firm: &Firm) -> anyhow::Result<()> {
    let root = stage.folder(firm.key);
    let folder = WalletFolder::open(&root)?;
    folder.write_trust("trust.policy", &stage.policy()?)?;
    let edge = |institution: &str| -> anyhow::Result<EdgeEntry> {
        let name = format!("{institution}.1");
        let permit_key = stage.key(&name, "permit")?.public_key();
        Ok(EdgeEntry { institution: institution.parse()?, peer: entry(stage, &name)?, permit_key })
    };
    let list = |country: &str| -> anyhow::Result<TrustListEntry> {
        let name = format!("supervisor-{}", country.to_lowercase());
        let root = stage.key(&name, "list")?.public_key();
        Ok(TrustListEntry { jurisdiction: country.parse()?, url: stage.url(&name), root })
    };
    let other = if firm.country == "NL" { "SG" } else { "NL" };
    let base = stage.url("issuers");
    let mut issuers: Vec<String> = Vec::new();
    for (_, issuer) in firm.credentials() {
        let url = format!("{base}/{issuer}");
        if !issuers.contains(&url) {
            issuers.push(url);
        }
    }
    let (pays_along, paid_along) =
        if firm.country == "NL" { ("nl-sg", "sg-nl") } else { ("sg-nl", "nl-sg") };
    let config = WalletConfig {
        environment: "sandbox".parse()?,
        company: firm.company.parse()?,
        legal_name: firm.legal_name.into(),
        account: stage.account(firm.key)?,
        asset: firm.asset.parse()?,
        institution: firm.bank.parse()?,
        corridor: pays_along.parse()?,
        paid_along: Some(paid_along.parse()?),
        book: "settlement".parse()?,
        core: entry(stage, "core")?,
        bank: stage.own_books.of(firm.bank).map(|bank| entry(stage, bank)).transpose()?,
        provider: ProviderEntry {
            provider: "fx-dealer".parse()?,
            peer: entry(stage, "fx-dealer")?,
            quote_key: stage.key("fx-dealer", "quote")?.public_key(),
        },
        edges: vec![edge("bank-nl")?, edge("bank-sg")?],
        issuers,
        trust_lists: vec![list(firm.country)?, list(other)?],
        trust: "trust.policy".into(),
    };
    folder.write_config(&config)?;
    Ok(())
}

fn entry(stage: &Stage, name: &str) -> anyhow::Result<PeerEntry> {
    let peer = stage.peer(name)?;
    let key = peer.key(REQUEST_KEY).context("its request key")?;
    Ok(PeerEntry { name: name.into(), url: peer.url.clone(), key })
}

/// Waits until `done` says so; `what` is named when it takes too long.
pub async fn until<F, Fut>(what: &str, mut done: F) -> anyhow::Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    for _ in 0..400 {
        if done().await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    bail!("{what} took longer than ten seconds")
}
