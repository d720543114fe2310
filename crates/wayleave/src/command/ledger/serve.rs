//! A folder's book: made, served, and whom it knows.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use evidence::SignedCheckpoint;
use ledger_server::{
    BookClock, Client, Folder, Guard, Kept, Protections, RunningBooks, ServeOptions, serve_books,
};
use serde_json::json;
use server::sandbox::{Enforcement, Reach, confine, system_files};
use terms::BookName;
use wallet::EXIT_REFUSED;
use wire::tls::ServerTls;

use super::proofs::read_checkpoint;
use super::session::folder_path;
use super::words;
use crate::cli::ledger::{ClientAddArgs, ClientCommand, FolderArgs, InitArgs, ServeArgs};
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
    ensure!(
        args.guard.is_none() || args.dir.len() <= 1,
        "`--guard` names the guard of one book: with several `--dir` each has its own beside it"
    );
    let Prepared { books, failed } = prepare(args)?;
    let tls = tls(args)?;
    // What names this boot of the machine is out of reach once confined.
    let clock = BookClock::system();
    // Before any thread: a thread that is already running would stay unconfined.
    let read_write = books.iter().map(|(folder, _)| folder.path().to_owned()).collect();
    let enforcement = confine(&Reach { read_only: system_files(), read_write });
    let enforcement = enforcement.context("the sandbox cannot be set up")?;
    if enforcement != Enforcement::Full {
        tell(&format!("folder access {}", enforcement.as_str()));
    }
    let new_guards: Vec<BookName> = books
        .iter()
        .filter(|(_, with)| with.guard.as_ref().is_some_and(|guard| guard.newest().is_none()))
        .map(|(folder, _)| folder.book())
        .collect();
    let options = ServeOptions {
        address: args.listen,
        http: args.http,
        flush_delay: Duration::ZERO,
        log: Kept::Yes,
        views: Kept::Yes,
    };
    let running = serve_books(books, &options, &clock, tls)?;
    let failed = failed || !running.failed.is_empty();
    for (book, why) in &running.failed {
        not_served(args, &format!("book `{book}`"), &why.to_string());
    }
    for (book, recovery) in running.served() {
        if new_guards.contains(&book) && recovery.tip.next.number() > 0 {
            tell("the guard is new: whether this folder is the newest copy is not known to it");
        }
        if let Some(why) = &recovery.image_refused {
            let facts = recovery.facts_refolded;
            tell(&format!(
                "book `{book}`: its image was not used: {why}: {facts} facts were folded again \
                 from the journal, and the next image takes its place"
            ));
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no threads for the runtime")?;
    runtime.block_on(async {
        // The first is polled first: signals are heeded before anybody is told that it is ready.
        tokio::join!(told_to_stop(args.until_input_ends), async { ready(args, &running) })
    });
    running.stop();
    // A thread that still waits for input must not hold the process.
    runtime.shutdown_background();
    tell("stopped");
    Ok(if failed { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

/// A line for each book that is served.
fn ready(args: &ServeArgs, running: &RunningBooks) {
    let (address, http) = (running.address, running.http_address());
    for (book, recovery) in running.served() {
        let facts = recovery.tip.next.number();
        if args.json {
            say_json(&json!({
                "ready": address.to_string(),
                "http": http.map(|http| http.to_string()),
                "book": book.to_string(),
                "facts": facts,
                "epoch": recovery.epoch.number(),
                "torn_bytes_cut": recovery.torn_bytes_cut,
                "from_image": recovery.from_image,
                "facts_refolded": recovery.facts_refolded,
                "image_refused": recovery.image_refused,
            }));
        } else {
            let http = http.map(|http| format!(", HTTP at {http}")).unwrap_or_default();
            say(&format!("ready  book `{book}` at {address}{http}, {facts} facts"));
        }
    }
}

/// A book that is left out, while others are served.
fn not_served(args: &ServeArgs, what: &str, why: &str) {
    if args.json {
        say_json(&json!({ "not_served": what, "why": why }));
    }
    tell(&format!("not served: {what}: {why}"));
}

/// Books that may be served, with what lies outside their folders.
struct Prepared {
    books: Vec<(Folder, Protections)>,
    /// Whether there are others that cannot.
    failed: bool,
}

/// Opens what lies outside the folders, before it is out of reach.
fn prepare(args: &ServeArgs) -> anyhow::Result<Prepared> {
    let default = || vec![folder_path(&FolderArgs { dir: None, json: args.json })];
    let dirs = if args.dir.is_empty() { default() } else { args.dir.clone() };
    let mut known = Vec::new();
    for file in &args.known_checkpoint {
        let by = format!("the checkpoint `{}`", file.display());
        known.push((read_checkpoint(file)?, by));
    }
    let (mut books, mut failed) = (Vec::new(), Vec::new());
    for dir in &dirs {
        match protected(args, dir, &mut known, dirs.len() == 1) {
            Ok(book) => books.push(book),
            Err(why) => failed.push((dir, why)),
        }
    }
    if books.is_empty()
        && let Some((_, why)) = failed.pop()
    {
        return Err(why);
    }
    // Nobody would compare it with anything; which book it is of may have failed.
    if let (Some((_, by)), true) = (known.first(), failed.is_empty()) {
        bail!("{by} is of none of these books");
    }
    for (dir, why) in &failed {
        not_served(args, &format!("folder `{}`", dir.display()), &format!("{why:#}"));
    }
    Ok(Prepared { books, failed: !failed.is_empty() })
}

/// One book with everything outside its folder that it is served with.
fn protected(
    args: &ServeArgs,
    dir: &Path,
    known: &mut Vec<(SignedCheckpoint, String)>,
    is_only: bool,
) -> anyhow::Result<(Folder, Protections)> {
    let path = std::path::absolute(dir).with_context(|| format!("`{}`", dir.display()))?;
    let folder = Folder::open(&path)?;
    let key = folder.log_key()?;
    let beside = || std::path::absolute(folder.guard_path());
    let guard = Guard::open(&args.guard.clone().map_or_else(beside, Ok)?, &key)?;
    // Of a single book a checkpoint of another log is an error that says so.
    let (own, others) =
        known.drain(..).partition(|(of, _)| is_only || of.checkpoint().origin == *key.name());
    *known = others;
    let with = Protections {
        guard: Some(guard),
        known: own,
        publish_every: Some(Duration::from_millis(args.checkpoint_every.into())),
        segment_bytes: Some(args.segment_bytes),
        image_every: Some(args.image_every),
    };
    Ok((folder, with))
}

fn tls(args: &ServeArgs) -> anyhow::Result<Option<ServerTls>> {
    let (Some(chain), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let (chain, key) = (files::read(chain)?, files::read(key)?);
    Ok(Some(ServerTls::from_pem(&chain, &key)?))
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
