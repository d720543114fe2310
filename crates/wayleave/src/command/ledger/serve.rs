//! A folder's book: made, served, and whom it knows.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use ledger_server::{
    BookClock, Client, Folder, Guard, Kept, Protections, ServeOptions, serve_protected,
};
use serde_json::json;
use server::sandbox::{Enforcement, Reach, confine, system_files};

use wire::tls::ServerTls;

use super::proofs::read_checkpoint;
use super::session::folder_path;
use super::words;
use crate::cli::ledger::{ClientAddArgs, ClientCommand, InitArgs, ServeArgs};
use crate::cli::ledger_proofs::{ClientKeyArgs, ClientNameArgs};
use crate::command::{files, say, say_json, tell};
use crate::run::told_to_stop;

pub(super) fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let path = folder_path(&args.folder);
    let origin = args.origin.as_deref().map(str::parse).transpose()?;
    let folder = Folder::create_with(&path, args.book, origin)?;
    // A former book of this name is another book: what its guard knows does not bind this one.
    let guard = folder.guard_path();
    if guard.exists() {
        let former = guard.with_extension("guard.former");
        std::fs::rename(&guard, &former).with_context(|| format!("`{}`", guard.display()))?;
        tell(&format!("the guard of a former book is now {}", former.display()));
    }
    let (book, shown) = (folder.book(), path.display());
    if args.folder.json {
        say_json(&json!({ "book": book.to_string(), "dir": path }));
    } else {
        say(&format!("book `{book}` in {shown}; its first client is `operator`"));
        say(&format!("serve it: wayleave ledger serve --dir {shown}"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    ensure!(
        args.listen.ip().is_loopback() || args.tls_cert.is_some(),
        "expected an address of this machine, such as 127.0.0.1:7100, got `{}`: without \
         `--tls-cert` and `--tls-key` a book is served to nobody else",
        args.listen
    );
    ensure!(
        args.http.is_none_or(|http| http.ip().is_loopback()),
        "expected an address of this machine for HTTP: it has no TLS; put a reverse proxy before it"
    );
    let path = folder_path(&args.folder);
    let path = std::path::absolute(&path).with_context(|| format!("`{}`", path.display()))?;
    let folder = Folder::open(&path)?;
    // What lies outside the folder is opened before it is out of reach.
    let with = protections(args, &folder)?;
    let knows_nothing = with.guard.as_ref().is_some_and(|guard| guard.newest().is_none());
    // Before any thread: a thread that is already running would stay unconfined.
    let reach = Reach { read_only: system_files(), read_write: vec![path.clone()] };
    let enforcement = confine(&reach).context("the sandbox cannot be set up")?;
    if enforcement != Enforcement::Full {
        tell(&format!("{}: folder access {}", path.display(), enforcement.as_str()));
    }
    let options = ServeOptions {
        address: args.listen,
        http: args.http,
        flush_delay: Duration::ZERO,
        log: Kept::Yes,
        views: Kept::Yes,
    };
    let running = serve_protected(&folder, &options, &BookClock::system(), with)?;
    let (book, address, recovery) = (folder.book(), running.address, &running.recovery);
    let facts = recovery.tip.next.number();
    if knows_nothing && facts > 0 {
        tell("the guard is new: whether this folder is the newest copy is not known to it");
    }
    let http = running.http_address();
    let ready = || {
        if args.folder.json {
            say_json(&json!({
                "ready": address.to_string(),
                "http": http.map(|http| http.to_string()),
                "book": book.to_string(),
                "facts": facts,
                "epoch": recovery.epoch.number(),
                "torn_bytes_cut": recovery.torn_bytes_cut,
            }));
        } else {
            let http = http.map(|http| format!(", HTTP at {http}")).unwrap_or_default();
            say(&format!("ready  book `{book}` at {address}{http}, {facts} facts"));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no threads for the runtime")?;
    runtime.block_on(async {
        // The first is polled first: signals are heeded before anybody is told that it is ready.
        tokio::join!(told_to_stop(args.until_input_ends), async { ready() })
    });
    running.stop();
    // A thread that still waits for input must not hold the process.
    runtime.shutdown_background();
    tell("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Everything outside the folder that a book is served with.
fn protections(args: &ServeArgs, folder: &Folder) -> anyhow::Result<Protections> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(chain), Some(key)) => {
            let (chain, key) = (files::read(chain)?, files::read(key)?);
            Some(ServerTls::from_pem(&chain, &key)?)
        }
        (Some(_) | None, _) => None,
    };
    let beside = || std::path::absolute(folder.guard_path());
    let path = args.guard.clone().map_or_else(beside, Ok)?;
    let guard = Guard::open(&path, &folder.log_key()?)?;
    let mut known = Vec::new();
    for file in &args.known_checkpoint {
        let by = format!("the checkpoint `{}`", file.display());
        known.push((read_checkpoint(file)?, by));
    }
    Ok(Protections {
        tls,
        guard: Some(guard),
        known,
        publish_every: Some(Duration::from_millis(args.checkpoint_every.into())),
        segment_bytes: Some(args.segment_bytes),
    })
}

pub(super) fn client(asked: &ClientCommand) -> anyhow::Result<ExitCode> {
    match asked {
        ClientCommand::Add(args) => add(args),
        ClientCommand::Key(args) => api_key(args),
        ClientCommand::Revoke(args) => revoke(args),
        ClientCommand::List(args) => {
            let folder = Folder::open(&folder_path(args))?;
            let clients = folder.clients()?.0;
            if args.json {
                clients.iter().for_each(|client| say_json(&as_json(client)));
            } else {
                let rows: Vec<Vec<String>> = clients.iter().map(row).collect();
                say(&words::table(&rows, &[0]));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn add(args: &ClientAddArgs) -> anyhow::Result<ExitCode> {
    let path = folder_path(&args.folder);
    let folder = Folder::open(&path)?;
    let may = args.may.iter().map(|may| (*may).into()).collect();
    let client = folder.add_client(&args.name, may)?;
    if args.folder.json {
        say_json(&as_json(&client));
    } else {
        let Client { number, name, .. } = &client;
        let key = path.join("keys").join(format!("{name}.seed"));
        say(&format!("client {number} `{name}`, its key in {}", key.display()));
        tell("a running book learns of it when it starts again");
    }
    Ok(ExitCode::SUCCESS)
}

fn api_key(args: &ClientKeyArgs) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&folder_path(&args.folder))?;
    let lasts = args.lasts.as_deref().map(super::post::duration).transpose()?;
    let until = lasts.map(|lasts| client::system::now().plus(lasts));
    let key = folder.make_api_key_until(&args.name, until)?;
    let shown = until.map(|until| until.to_string());
    if args.folder.json {
        say_json(&json!({ "client": args.name, "api_key": key, "good_until": shown }));
    } else {
        say(&key);
        tell("it is shown this once; a running book learns of it when it starts again");
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(args: &ClientNameArgs) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&folder_path(&args.folder))?;
    let had = folder.revoke_api_key(&args.name)?;
    if args.folder.json {
        say_json(&json!({ "client": args.name, "revoked": had }));
    } else if had {
        say(&format!("revoked   the API key of `{}`", args.name));
        tell("a running book learns of it when it starts again");
    } else {
        say(&format!("client `{}` has no API key", args.name));
    }
    Ok(ExitCode::SUCCESS)
}

fn may(client: &Client) -> Vec<&'static str> {
    client.may.iter().map(|may| words::may(*may)).collect()
}

fn row(client: &Client) -> Vec<String> {
    let key = match (&client.api_key, client.api_key_until()) {
        (None, _) => String::new(),
        (Some(_), None) => "API key".to_owned(),
        (Some(_), Some(until)) => format!("API key until {until}"),
    };
    vec![client.number.to_string(), client.name.clone(), may(client).join(", "), key]
}

fn as_json(client: &Client) -> serde_json::Value {
    json!({
        "number": client.number,
        "name": client.name,
        "key": client.key.to_string(),
        "may": may(client),
        "has_api_key": client.api_key.is_some(),
        "api_key_until": client.api_key_until().map(|until| until.to_string()),
    })
}
