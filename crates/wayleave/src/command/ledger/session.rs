//! One connection to a running book, by what its folder says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use ledger::{Account, Command, Detail, Entry, Link, Side};
use ledger_server::query::Told;
use ledger_server::{Folder, Query, Said};
use seal::{from_canonical, to_canonical};
use terms::{AccountId, Position};
use wire::request::PostedHold;
use wire::results::{Balance, Item};
use wire::tls::ClientTls;
use wire::{
    CallOptions, Client, Completion, ConnectError, FaultCode, RequestFlags, Security, Status,
    Target, Transfer,
};

use super::ids::{Given, Names};
use super::pending;
use super::seen::Seen;
use crate::cli::ledger::{FolderArgs, PlaceArgs};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The folder that is meant.
pub(super) fn folder_path(args: &FolderArgs) -> PathBuf {
    let asked = args.dir.clone();
    asked
        .or_else(|| std::env::var_os("WAYLEAVE_LEDGER").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("ledger"))
}

/// A connection, and what was learnt through it.
pub(super) struct Session {
    pub(super) folder: Folder,
    pub(super) client_name: String,
    pub(super) client: Client,
    pub(super) within: Duration,
    pub(super) json: bool,
    pub(super) names: Names,
    accounts: BTreeMap<AccountId, Option<Account>>,
    seen: Seen,
}

/// What became of one command that was sent.
pub(super) enum Sent {
    /// A result of its own.
    Item(Item, Vec<Balance>),
    /// The request as a whole was refused.
    Refused(String),
    /// Surely nothing was done.
    NotDone(String),
    /// It may have been done.
    Unknown(String),
}

impl Session {
    /// Connects as the asked client.
    pub(super) fn open(place: &PlaceArgs) -> anyhow::Result<Self> {
        let path = folder_path(&place.folder);
        let folder = Folder::open(&path)?;
        let start = format!("start it with `wayleave ledger serve --dir {}`", path.display());
        let never = |_| anyhow!("the book was never served: {start}");
        let noted = || folder.address().map_err(never);
        let address = place.connect.map_or_else(noted, Ok)?;
        let key = folder.client_key(&place.client)?;
        let book = folder.book();
        let security = security(place, address)?;
        let target = Target { address, book, security, connect_timeout: CONNECT_WITHIN };
        let client = Client::connect(&target, &key).map_err(|error| in_words(error, &start))?;
        let seen = Seen::read(&key.public_key());
        let mut session = Self {
            seen,
            names: Names::read(&folder),
            folder,
            client_name: place.client.clone(),
            client,
            within: Duration::from_secs(place.within.max(1).into()),
            json: place.folder.json,
            accounts: BTreeMap::new(),
        };
        if session.seen.is_any() {
            let came = session.ask(&Query::Status)?.position;
            session.seen.compare(&session.folder.book(), came)?;
        }
        Ok(session)
    }

    /// Asks a question.
    pub(super) fn ask(&mut self, query: &Query) -> anyhow::Result<Told> {
        let ticket = self.client.query(&to_canonical(query), self.within)?;
        match self.client.wait(ticket) {
            Completion::Answer(bytes) => {
                let told: Told = from_canonical(&bytes)
                    .context("the book answers in words of another version")?;
                self.seen.saw(told.position);
                Ok(told)
            }
            Completion::Unknown(_) => bail!("no answer came; nothing was asked to be done"),
            other => bail!("{other}"),
        }
    }

    /// An account as it was when it was first asked for.
    pub(super) fn account(&mut self, id: AccountId) -> anyhow::Result<Option<Account>> {
        if let Some(known) = self.accounts.get(&id) {
            return Ok(*known);
        }
        let account = match self.ask(&Query::AccountWhole(id))?.said {
            Said::AccountWhole(account) => Some(account),
            Said::NoAccount(_) => None,
            _ => bail!("the book answers another question"),
        };
        self.accounts.insert(id, account);
        Ok(account)
    }

    /// An account that must be there.
    pub(super) fn existing(&mut self, given: &Given<AccountId>) -> anyhow::Result<Account> {
        self.names.learn(given);
        let account = self.account(given.id)?;
        account.ok_or_else(|| {
            anyhow!("there is no account `{given}`: open it with `wayleave ledger account open`")
        })
    }

    /// Sends a command and waits for what becomes of it. A command with an id of its own is
    /// stored before, and until there is a definite answer.
    pub(super) fn send(&mut self, command: &Command, dry_run: bool) -> anyhow::Result<Sent> {
        let flags = RequestFlags { dry_run, want_balances: true, ..RequestFlags::NONE };
        if dry_run {
            return Ok(self.send_now(command, flags));
        }
        let kept = pending::keep(&self.folder, &self.client_name, command)?;
        let sent = self.send_now(command, flags);
        if let (Some(kept), false) = (kept, matches!(sent, Sent::Unknown(_))) {
            kept.forget();
        }
        Ok(sent)
    }

    fn send_now(&mut self, command: &Command, flags: RequestFlags) -> Sent {
        let options = CallOptions { flags, within: self.within };
        let ticket = match transfer_of(command) {
            Some(transfer) => self.client.transfers([transfer], options),
            None => self.client.commands(&[to_canonical(command)], options),
        };
        match ticket {
            Err(error) => Sent::NotDone(error.to_string()),
            Ok(ticket) => {
                let completion = self.client.wait(ticket);
                let sent = of_one(completion);
                if let Sent::Item(item, _) = &sent
                    && item.status == Status::Done
                {
                    self.seen.saw(Position::new(item.position.number().saturating_add(1)));
                }
                sent
            }
        }
    }
}

/// TLS under the roots that were named, or plain, which stays on this machine.
fn security(place: &PlaceArgs, address: SocketAddr) -> anyhow::Result<Security> {
    let named = || std::env::var_os("WAYLEAVE_LEDGER_CA").map(PathBuf::from);
    let Some(file) = place.ca.clone().or_else(named) else {
        ensure!(
            place.server_name.is_none(),
            "a server's name is proved by its certificate only: name its root with `--ca FILE`"
        );
        // Anybody between here and there could read it and answer in the book's place.
        ensure!(
            address.ip().is_loopback() || address.ip().is_unspecified(),
            "`{address}` is another machine, which is asked over TLS only: name its certificate's \
             root with `--ca FILE`"
        );
        return Ok(Security::Plain);
    };
    let roots = crate::command::files::read(&file)?;
    let name = place.server_name.as_deref().unwrap_or("localhost");
    let tls = ClientTls::trusting_pem(&roots, name);
    Ok(Security::Tls(tls.with_context(|| format!("`{}`", file.display()))?))
}

/// Why there is no connection, and what to do about it.
fn in_words(error: ConnectError, start: &str) -> anyhow::Error {
    let mend = match &error {
        ConnectError::Unreachable { .. } => format!("the book does not answer: {start}"),
        ConnectError::Refused { fault } => match FaultCode::from_code(fault.said().code) {
            Some(FaultCode::TlsRequired) => {
                "the book takes TLS only: name its certificate's root with `--ca FILE`".to_owned()
            }
            _ => "the book does not take this connection".to_owned(),
        },
        ConnectError::Broken { .. } => {
            "the connection could not be made: is it TLS on one side only (`--ca`), another root, \
             or another name (`--server-name`)?"
                .to_owned()
        }
        _ => "the book does not take this connection".to_owned(),
    };
    anyhow::Error::new(error).context(mend)
}

fn of_one(completion: Completion) -> Sent {
    match completion {
        Completion::Results(results) => match results.iter().next() {
            Some(item) => Sent::Item(item, results.balances_of(&item).collect()),
            None => Sent::Unknown("the server answered without a result".into()),
        },
        refused @ Completion::Refused(_) => Sent::Refused(refused.to_string()),
        not_done @ Completion::NotDone(_) => Sent::NotDone(not_done.to_string()),
        other => Sent::Unknown(other.to_string()),
    }
}

/// The same command as a transfer, where it is one debit and one credit and nothing more.
pub(super) fn transfer_of(command: &Command) -> Option<Transfer> {
    let Command::Post(transaction) = command else { return None };
    let [debit, credit] = transaction.entries.as_slice() else { return None };
    let sides = (debit.side, credit.side);
    if sides != (Side::Debit, Side::Credit) || debit.amount != credit.amount {
        return None;
    }
    let payment = match transaction.links.as_slice() {
        [] => None,
        // Zeros stand for none there.
        [Link::Payment(payment)] if payment.bytes() != [0; 16] => Some(*payment),
        _ => return None,
    };
    let (effective, code) = match transaction.detail.as_deref() {
        None => (None, 0),
        // What stands there as nothing is absent here, and the other way round.
        Some(Detail { effective, code, metadata })
            if metadata.is_empty()
                && *code != Some(0)
                && *effective != Some(terms::Instant::EPOCH) =>
        {
            (*effective, code.unwrap_or(0))
        }
        Some(_) => return None,
    };
    if !transaction.claims.is_empty() {
        return None;
    }
    let hold = |entry: &Entry| entry.hold;
    let hold = match (hold(debit), hold(credit)) {
        (None, None) => None,
        (Some(hold), None) => Some(PostedHold::Debit(hold)),
        (None, Some(hold)) => Some(PostedHold::Credit(hold)),
        (Some(_), Some(_)) => return None,
    };
    Some(Transfer {
        id: transaction.id,
        debit: debit.account,
        credit: credit.account,
        amount: debit.amount,
        effective,
        business_date: transaction.business_date,
        reason: transaction.reason.number().into(),
        code,
        hold,
        payment,
    })
}
