//! `cargo xtask bench ledger`: how fast a stand-alone ledger is, with client and server in two
//! processes over loopback, durable.
//!
//! `measure [WORKLOAD…] [--json] [--markdown] [--quick] [--stored] [--peers FILE] [--into FOLDER]`.
//! Beside each figure stands the measured flush of the same folder. Start at [`workloads`].
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a measurement stops when it fails, and computes with figures, not with money"
)]

mod bound;
mod holds;
mod picture;
mod rows;
mod stage;
mod workloads;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::rows::Row;
use crate::workloads::WORKLOADS;

/// What was asked for.
pub struct Options {
    names: Vec<String>,
    form: Form,
    /// Little of each, without bars.
    pub quick: bool,
    /// Another number of transactions than the workload's own.
    transactions: Option<u64>,
    /// Print what was measured before, without measuring.
    stored: bool,
    /// Rows of other systems, measured on the same machine.
    peers: Option<PathBuf>,
    /// Where rows and pictures go.
    pub pictures: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Markdown,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("serve", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return stage::child(rest);
    }
    let options = parse(&args)?;
    std::fs::create_dir_all(&options.pictures)?;
    let file = options.pictures.join(if options.quick { "quick.json" } else { "ledger.json" });
    let mut all = rows::read(&file);
    for workload in chosen(&options)? {
        let workload = if options.quick { workload.quick() } else { workload };
        let transactions = options.transactions.unwrap_or(workload.transactions);
        let workload = workloads::Workload { transactions, ..workload };
        eprintln!("{} …", workload.name);
        let measured = workloads::measure(&workload, &options)
            .with_context(|| format!("workload `{}`", workload.name))?;
        if options.form == Form::Json {
            for row in &measured.rows {
                println!("{}", rows::line(row)?);
            }
        }
        all = rows::store(&file, &measured.rows)?;
    }
    let peers: Vec<Row> = options.peers.as_deref().map(rows::read).unwrap_or_default();
    if options.form == Form::Markdown {
        let order: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
        print!("{}", rows::tables(&all, &order));
        print!("{}", rows::against_peers(&all, &peers));
    } else {
        for row in &peers {
            println!("{}", rows::line(row)?);
        }
    }
    Ok(())
}

fn chosen(options: &Options) -> Result<Vec<workloads::Workload>> {
    let named = |name: &str| options.names.iter().any(|other| other == name);
    for name in &options.names {
        let known: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
        ensure!(known.contains(&name.as_str()), "there is no `{name}`: {}", known.join(", "));
    }
    if options.stored {
        return Ok(Vec::new());
    }
    let all = options.names.is_empty();
    let wanted =
        |workload: &&workloads::Workload| named(workload.name) || (all && !workload.only_by_name);
    Ok(WORKLOADS.iter().filter(wanted).copied().collect())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        names: Vec::new(),
        form: Form::Markdown,
        quick: false,
        transactions: None,
        stored: false,
        peers: None,
        pictures: PathBuf::from("target/bench"),
    };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut path = || rest.next().map(PathBuf::from).context("expected a path");
        match arg.as_str() {
            "--json" => options.form = Form::Json,
            "--markdown" => options.form = Form::Markdown,
            "--quick" => options.quick = true,
            "--stored" => options.stored = true,
            "--transactions" => {
                let number = rest.next().context("expected a number")?;
                options.transactions = Some(number.parse()?);
            }
            "--peers" => options.peers = Some(path()?),
            "--into" => options.pictures = path()?,
            other => {
                ensure!(!other.starts_with('-'), "there is no option `{other}`");
                options.names.push(other.to_owned());
            }
        }
    }
    Ok(options)
}
