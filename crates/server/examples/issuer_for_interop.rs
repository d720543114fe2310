//! The issuer role as a process that other people's wallets are tried against.
//!
//! `issuer_for_interop DIR PORT` starts the sandbox's issuers in DIR (PORT 0: any), and takes
//! commands as JSON lines, answered as JSON lines: `{"offer": SUBJECT, "issuer": NAME}` (with
//! `"code": true` for a transaction code) and `{"revoke": CREDENTIAL, "issuer": NAME}`. Commands
//! go through the role's own routes, signed by its operator. The end of input stops it.
#![expect(clippy::print_stdout, reason = "its answers are lines on standard output")]

use std::io::BufRead;
use std::path::PathBuf;

use anyhow::{Context, bail};
use api::Role;
use client::{Outcome, Outgoing, Peer};
use credential::{CompanyRegistration, CreditBand, claims::Address};
use seal::SigningKey;
use serde::Deserialize;
use serde_json::json;
use server::keys::{Descriptor, KeyStore};
use server::roles::Common;
use server::roles::issuer::{self, Subject, Subjects};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    issuer: String,
    offer: Option<String>,
    #[serde(default)]
    code: bool,
    revoke: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().context("expected DIR and PORT")?.into();
    let port: u16 = arguments.next().context("expected PORT after DIR")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let port = listener.local_addr()?.port();

    let keys = KeyStore::open(&dir)?;
    let operator = SigningKey::from_seed(&server::system::random()?);
    let url = format!("http://localhost:{port}");
    let answering = Descriptor::new(Role::Issuer, "issuers", &url)
        .with_key("request", &keys.signing_key("request")?);
    let common = Common {
        environment: "sandbox".to_owned(),
        name: "issuers".to_owned(),
        url,
        port,
        peers: vec![
            Descriptor::new(Role::Operator, "issuers-operator", "http://localhost:1")
                .with_key("request", &operator),
        ],
    };
    let mut to_itself = common.clone();
    to_itself.peers = vec![answering.clone()];
    let config = issuer::example_config(common, "issuers-operator");
    issuer::write_example(&dir, &config, &subjects()?)?;

    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(issuer::run_on(listener, dir, config, async {
        let _ = stopped.await;
    }));
    let (client, peer) = (to_itself.client(), answering.peer()?);
    // What was signed before the role knew its callers is refused: it might be a replay.
    client.send_unsigned(&peer, Outgoing::get("/health")).await;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let command: Command = serde_json::from_str(&line?)?;
        println!("{}", obey(&client, &peer, &operator, command).await?);
    }
    let _ = stop.send(());
    running.await??;
    Ok(())
}

async fn obey(
    client: &client::Client,
    peer: &Peer,
    operator: &SigningKey,
    command: Command,
) -> anyhow::Result<String> {
    let Command { issuer, offer, code, revoke } = command;
    let (path, body) = match (offer, revoke) {
        (Some(subject), None) => {
            let wish = if code { "numeric" } else { "none" };
            (
                format!("/{issuer}/v1/offers"),
                json!({ "subject": subject, "transaction_code": wish }),
            )
        }
        (None, Some(credential)) => {
            let body = json!({ "credential": credential, "reason": "a test" });
            (format!("/{issuer}/v1/revocations"), body)
        }
        (Some(_), Some(_)) | (None, None) => bail!("expected `offer` or `revoke`"),
    };
    let request = Outgoing::post(&path, api::wire::JSON, body.to_string());
    match client.send(peer, request, operator).await {
        Outcome::Answer(answer) => Ok(String::from_utf8(answer.body.to_vec())?),
        other @ (Outcome::Refused(_) | Outcome::NotDone(_) | Outcome::Unknown(_)) => {
            bail!("the issuer answered {other:?}")
        }
    }
}

/// Standard input, read by a thread of its own: the runtime must not wait for it.
fn lines() -> tokio::sync::mpsc::Receiver<std::io::Result<String>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn subjects() -> anyhow::Result<Subjects> {
    let registration = CompanyRegistration {
        company: "nl-kvk:68750110".parse()?,
        legal_name: "Brightwater Tools B.V.".to_owned(),
        jurisdiction: "NL".parse()?,
        legal_form: "B.V.".to_owned(),
        registered_on: "2017-05-02".parse()?,
        standing: "active".to_owned(),
        activity: "2573".to_owned(),
        address: Address {
            street: "Havenstraat 12".to_owned(),
            postal_code: "3011 AB".to_owned(),
            locality: "Rotterdam".to_owned(),
            country: "NL".parse()?,
        },
        lei: None,
        directors: vec!["A. de Vries".to_owned()],
    };
    let band = CreditBand {
        company: "nl-kvk:68750110".parse()?,
        band: 'B',
        score: 655,
        as_of: "2026-11-20".parse()?,
        model: "example-3".to_owned(),
        years_on_file: 9,
    };
    Ok(Subjects {
        subjects: vec![
            Subject::of("interop-registration", "register-nl", &registration),
            Subject::of("interop-band", "bureau-nl", &band),
        ],
    })
}
