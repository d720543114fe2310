//! `wayleave wallet`: thin handlers over the wallet library.

use core::fmt::Write as _;
use core::time::Duration;
use std::fs;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use ::wallet::{
    Agreement, CommandResult, EXIT_UNKNOWN, InvoiceDraft, Shown, Wallet, WalletFolder, WhenMissing,
};
use anyhow::{Context, bail};
use api::messages::{Held, PaymentStatus};
use serde_json::{Value, json};
use terms::{Amount, AssetCode, Minor, Position};

use super::{files, say, say_json, show, statement, tell};
use crate::cli::wallet::{
    AgreeArgs, CancelArgs, InvoiceArgs, PayArgs, PaymentArgs, PlaceArgs, ReceiveArgs, StatusArgs,
    WalletCommand,
};

/// Does what was asked with the wallet.
pub(crate) fn command(asked: &WalletCommand) -> anyhow::Result<ExitCode> {
    match asked {
        WalletCommand::List(place) => list(place),
        WalletCommand::Credentials(place) => credentials(place),
        WalletCommand::Receive(_)
        | WalletCommand::Invoice(_)
        | WalletCommand::Pay(_)
        | WalletCommand::Resume(_)
        | WalletCommand::Status(_)
        | WalletCommand::Statement(_)
        | WalletCommand::Cancel(_)
        | WalletCommand::Agree(_)
        | WalletCommand::Refresh(_) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("no threads for the runtime")?
            .block_on(online(asked)),
    }
}

async fn online(asked: &WalletCommand) -> anyhow::Result<ExitCode> {
    match asked {
        WalletCommand::Receive(args) => receive(args).await,
        WalletCommand::Invoice(args) => invoice(args).await,
        WalletCommand::Pay(args) => pay(args).await,
        WalletCommand::Resume(args) => resume(args).await,
        WalletCommand::Status(args) => status(args).await,
        WalletCommand::Statement(args) => statement::command(args).await,
        WalletCommand::Cancel(args) => cancel(args).await,
        WalletCommand::Agree(args) => agree(args),
        WalletCommand::Refresh(place) => refresh(place).await,
        WalletCommand::List(place) => list(place),
        WalletCommand::Credentials(place) => credentials(place),
    }
}

pub(super) fn open(place: &PlaceArgs) -> anyhow::Result<Wallet> {
    let root = files::wallet_folder(place.wallet.as_deref())?;
    Ok(Wallet::open(&root)?)
}

async fn receive(args: &ReceiveArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(&args.place)?;
    let text = args.offer.trim_start();
    let written_out = text.starts_with("openid-credential-offer:") || text.starts_with('{');
    let offer =
        if written_out { text.to_owned() } else { files::read_text(Path::new(&args.offer))? };
    tell("asking the issuer …");
    let received = wallet.receive(&offer, args.code.clone()).await?;
    Ok(show(&received, args.place.json))
}

async fn invoice(args: &InvoiceArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(&args.place)?;
    let mut consent = Consent::of(args.yes)?;
    let draft = InvoiceDraft {
        number: args.number.clone(),
        amount: amount(&args.amount, wallet.config().asset)?,
        purpose: args.purpose.clone(),
        good_for: Duration::from_secs(args.days.saturating_mul(24 * 3600)),
    };
    refresh_if_possible(&wallet).await;
    let made = wallet.create_invoice(&draft, &mut |shown| consent.ask(shown)).await?;
    Ok(show(&made, args.place.json))
}

async fn pay(args: &PayArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(&args.place)?;
    files::read(&args.request)?;
    let request = Wallet::read_request(&args.request)?;
    let mut consent = Consent::of(args.yes)?;
    let when_missing = if args.try_anyway { WhenMissing::GoOn } else { WhenMissing::Stop };
    refresh_if_possible(&wallet).await;
    tell("asking for a quote and for what is needed …");
    let outcome = wallet.pay(&request, &mut |shown| consent.ask(shown), when_missing).await?;
    Ok(show(&outcome, args.place.json))
}

async fn resume(args: &PaymentArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(&args.place)?;
    tell("asking for the same again …");
    Ok(show(&wallet.resume(args.payment).await?, args.place.json))
}

async fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let (args, at_least) = (&args.payment, args.at_least);
    let wallet = open(&args.place)?;
    let status = match at_least {
        Some(position) => wallet.ask_at_least(args.payment, Position::new(position)).await?,
        None => wallet.ask(args.payment).await?,
    };
    Ok(show(&Standing(status), args.place.json))
}

async fn cancel(args: &CancelArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(&args.place)?;
    Ok(show(&wallet.cancel(args.payment, &args.reason).await?, args.place.json))
}

fn agree(args: &AgreeArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(&args.place)?;
    let amount = amount(&args.amount, wallet.config().asset)?;
    let consent = wallet.consent_to_return(args.payment, amount);
    fs::write(&args.out, consent.to_bytes())
        .with_context(|| format!("`{}`", args.out.display()))?;
    if args.place.json {
        say_json(&json!({ "consent": args.out, "payment": args.payment.to_string() }));
    } else {
        say(&format!(
            "consent  {}   {} of payment {}",
            args.out.display(),
            amount.for_people(),
            args.payment
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn refresh(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let wallet = open(place)?;
    wallet.refresh_trust_lists().await?;
    let lists = &wallet.config().trust_lists;
    for entry in lists {
        let path = wallet.folder().trust_list_path(entry.jurisdiction);
        let jurisdiction = entry.jurisdiction.to_string();
        if place.json {
            say_json(&json!({ "jurisdiction": jurisdiction, "file": path }));
        } else {
            say(&format!("trust list {jurisdiction}  {}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Newer trust lists tell more about who asks; without them the consent view says less, and says
/// so.
async fn refresh_if_possible(wallet: &Wallet) {
    if let Err(error) = wallet.refresh_trust_lists().await {
        tell(&format!("trust lists are not renewed: {error}"));
    }
}

/// How the owner's agreement is had.
enum Consent {
    Given,
    Asked,
}

impl Consent {
    fn of(yes: bool) -> anyhow::Result<Self> {
        match (yes, std::io::stdin().is_terminal()) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::Asked),
            (false, false) => bail!("there is no terminal to ask you at: agree with `--yes`"),
        }
    }

    fn ask(&mut self, shown: &Shown) -> Agreement {
        tell(&shown.text());
        match self {
            Self::Given => Agreement::Yes,
            Self::Asked => {
                tell("agree? y/N");
                let mut answer = String::new();
                let read = std::io::stdin().lock().read_line(&mut answer);
                let yes = ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str());
                if read.is_ok() && yes { Agreement::Yes } else { Agreement::No }
            }
        }
    }
}

/// `12400.00`, `12,400.00` or `12400` in the asset's own minor units, exactly.
pub(super) fn amount(text: &str, asset: AssetCode) -> anyhow::Result<Amount> {
    let exponent = usize::from(asset.exponent());
    let wrong = || {
        let shown: String = text.chars().take(40).collect();
        let currency = asset.currency();
        format!("expected an amount of {currency} such as `12400.00`, got `{shown}`")
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    let whole = whole.replace(',', "");
    let fits = !text.contains('.') || (exponent > 0 && fraction.len() == exponent);
    if whole.is_empty() || !digits(&whole) || !digits(fraction) || !fits {
        bail!(wrong());
    }
    let minor = format!("{whole}{fraction:0<exponent$}");
    let minor = minor.trim_start_matches('0');
    let minor: Minor = minor.parse().with_context(wrong)?;
    Ok(Amount::new(minor, asset))
}

/// A payment's status.
struct Standing(PaymentStatus);

impl CommandResult for Standing {
    fn text(&self) -> String {
        let status = &self.0;
        let what = match (&status.ending, status.held) {
            (Some(ended), _) => {
                format!("{}   fact {}\npayment   {}", ended.ending, ended.position, status.payment)
            }
            (None, Held::Yes) => {
                format!("under way   the money is held\npayment   {}", status.payment)
            }
            (None, Held::Debited) => {
                format!("under way   the money is debited\npayment   {}", status.payment)
            }
            (None, Held::Released) => {
                format!("under way   the money is released\npayment   {}", status.payment)
            }
            (None, Held::No) => format!(
                "not known to the core, which had {} facts when it was asked\npayment   {}",
                status.head, status.payment
            ),
        };
        let Some(standing) = &status.standing else { return what };
        let reason = standing.reason.as_deref().unwrap_or_default();
        let codes = format!("{} {reason}", standing.status);
        let mut what = format!("{what}\nstatus    {}, {}", standing.state, codes.trim_end());
        for linked in &standing.linked {
            let _ = write!(what, "\ngiven back by {} {}", linked.what, linked.payment);
        }
        what
    }

    fn json(&self) -> Value {
        let status = &self.0;
        json!({
            "payment": status.payment.to_string(),
            "ending": status.ending.as_ref().map(|ended| ended.ending.to_string()),
            "position": status.ending.as_ref().map(|ended| ended.position.number()),
            "money": match status.held {
                Held::No => "not held",
                Held::Yes => "held",
                Held::Debited => "debited",
                Held::Released => "released",
            },
            "head": status.head.number(),
            "state": status.standing.as_ref().map(|standing| &standing.state),
            "iso_20022": status.standing.as_ref().map(|standing| {
                json!({ "status": standing.status, "reason": standing.reason })
            }),
            "given_back_by": status.standing.iter().flat_map(|standing| {
                standing.linked.iter().map(|linked| {
                    json!({ "what": linked.what, "payment": linked.payment.to_string() })
                })
            }).collect::<Vec<_>>(),
        })
    }

    fn exit_code(&self) -> u8 {
        if self.0.ending.is_some() { 0 } else { EXIT_UNKNOWN }
    }
}

fn list(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let root = files::wallet_folder(place.wallet.as_deref())?;
    let folder = WalletFolder::open(&root)?;
    let mut nothing = true;
    for payment in folder.payments()? {
        nothing = false;
        let files = names(&root.join("payments").join(payment.to_string()))?;
        if place.json {
            say_json(&json!({ "payment": payment.to_string(), "files": files }));
        } else {
            say(&format!("payment  {payment}  {}", files.join(", ")));
        }
    }
    for request in names(&root.join("requests"))? {
        nothing = false;
        let path = root.join("requests").join(request);
        if place.json {
            say_json(&json!({ "request": path }));
        } else {
            say(&format!("request  {}", path.display()));
        }
    }
    if nothing {
        tell("no payments and no requests to pay yet");
    }
    Ok(ExitCode::SUCCESS)
}

/// File names in a folder, sorted; none when there is no folder.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".new")).collect();
    names.sort();
    Ok(names)
}

fn credentials(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let root = files::wallet_folder(place.wallet.as_deref())?;
    let held = WalletFolder::open(&root)?.credentials()?;
    if held.is_empty() {
        tell("no credentials yet: `wayleave wallet receive OFFER`");
    }
    for credential in &held {
        let open = credential.open();
        let claims = credential.selective_count();
        if place.json {
            say_json(&json!({
                "type": open.credential_type,
                "issuer": open.issuer,
                "claims": claims,
                "issued_at": open.issued_at.to_string(),
                "expires_at": open.expires_at.to_string(),
            }));
        } else {
            say(&format!(
                "{}\n    by {}, {claims} claims, valid until {}",
                open.credential_type, open.issuer, open.expires_at
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        let asset = "SGD.2@mas-sandbox".parse().unwrap();
        for (text, units) in
            [("12400.00", 1_240_000), ("12,400.00", 1_240_000), ("12400", 1_240_000), ("0.05", 5)]
        {
            assert_eq!(amount(text, asset).unwrap().minor.units(), units, "{text}");
        }
        for bad in ["", ".", "1.", "1.5", "1.234", "-1.00", "1e3", "1.00 SGD", "٣.00", ".50", "0"]
        {
            assert!(amount(bad, asset).is_err(), "{bad}");
        }
        let yen = "JPY.0@boj".parse().unwrap();
        assert_eq!(amount("1,234", yen).unwrap().minor.units(), 1_234);
    }
}
