//! A folder's book: made, served, and whom it knows.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use ledger_server::{Client, Folder, Kept, ServeOptions};
use serde_json::json;
use server::sandbox::{Enforcement, Reach, confine, system_files};

use super::session::folder_path;
use super::words;
use crate::cli::ledger::{ClientAddArgs, ClientCommand, InitArgs, ServeArgs};
use crate::command::{say, say_json, tell};
use crate::run::told_to_stop;

pub(super) fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let path = folder_path(&args.folder);
    let folder = Folder::create(&path, args.book)?;
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
        args.listen.ip().is_loopback(),
        "expected an address of this machine, such as 127.0.0.1:7100, got `{}`: this version \
         serves without TLS, and to nobody else",
        args.listen
    );
    ensure!(
        args.http.is_none_or(|http| http.ip().is_loopback()),
        "expected an address of this machine for HTTP: this version serves without TLS"
    );
    let path = folder_path(&args.folder);
    let path = std::path::absolute(&path).with_context(|| format!("`{}`", path.display()))?;
    let folder = Folder::open(&path)?;
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
    let running = ledger_server::serve(&folder, &options)?;
    let (book, address, recovery) = (folder.book(), running.address, &running.recovery);
    let facts = recovery.tip.next.number();
    let ready = || {
        if args.folder.json {
            say_json(&json!({
                "ready": address.to_string(),
                "book": book.to_string(),
                "facts": facts,
                "epoch": recovery.epoch.number(),
                "torn_bytes_cut": recovery.torn_bytes_cut,
            }));
        } else {
            say(&format!("ready  book `{book}` at {address}, {facts} facts"));
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

pub(super) fn client(asked: &ClientCommand) -> anyhow::Result<ExitCode> {
    match asked {
        ClientCommand::Add(args) => add(args),
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

fn may(client: &Client) -> Vec<&'static str> {
    client.may.iter().map(|may| words::may(*may)).collect()
}

fn row(client: &Client) -> Vec<String> {
    vec![client.number.to_string(), client.name.clone(), may(client).join(", ")]
}

fn as_json(client: &Client) -> serde_json::Value {
    json!({
        "number": client.number,
        "name": client.name,
        "key": client.key.to_string(),
        "may": may(client),
    })
}
