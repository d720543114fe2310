//! The process under measurement, seen from outside: its start, its processor time, its memory,
//! its files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ledger_server::load::At;
use ledger_server::load_http::HttpAt;
use ledger_server::{
    BookClock, FIRST_CLIENT, Folder, Kept, Protections, ServeOptions, serve_protected,
};
use serde::{Deserialize, Serialize};
use store::{Answer, PausesSeen};
use terms::Position;
use wire::Security;
use wire::tls::{ClientTls, ServerTls};

/// A clock tick of `/proc`, a hundredth of a second on every Linux that we build on.
const TICK_US: f64 = 10_000.0;
/// How often a projection is looked at while it comes nearer to the head.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What runs beside the journal, and how slow its disk is.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub log: bool,
    pub views: bool,
    pub flush_ms: u64,
    /// Server and client speak over TLS.
    pub tls: bool,
}

/// What the server says when it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    pub address: String,
    pub http: String,
    pub from_image: bool,
    pub facts_refolded: u64,
    pub opened_in_ms: f64,
}

/// What images cost those who wait for the writer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Paused {
    pub images: u64,
    pub step_ms: f64,
    pub append_ms: f64,
}

/// A folder with a book, removed when it is dropped.
pub struct Place {
    pub path: PathBuf,
    pub folder: Folder,
    /// For HTTP; a book learns of it when it starts.
    api_key: String,
    /// A certificate for [`TLS_NAME`] that signed itself, in PEM.
    certificate: String,
}

/// The name in the server's certificate.
const TLS_NAME: &str = "ledger.test";
/// Certificate and key of the server, beside what it keeps.
const CERTIFICATE: &str = "bench-certificate.pem";
const PRIVATE_KEY: &str = "bench-key.pem";

impl Place {
    pub fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let folder = Folder::create(&path, "speed".parse()?)?;
        let api_key = folder.make_api_key(FIRST_CLIENT)?;
        let made = rcgen::generate_simple_self_signed(vec![TLS_NAME.to_owned()])?;
        let certificate = made.cert.pem();
        fs::write(path.join(CERTIFICATE), &certificate)?;
        fs::write(path.join(PRIVATE_KEY), made.signing_key.serialize_pem())?;
        Ok(Self { path, folder, api_key, certificate })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A server in a process of its own.
pub struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub ready: Ready,
    tls: bool,
    /// From before the process began until it said that it listens.
    pub started_in: Duration,
}

impl Server {
    pub fn start(place: &Place, setting: Setting) -> Result<Self> {
        let began = Instant::now();
        let yes = |kept| if kept { "yes" } else { "no" };
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(&place.path)
            .args([yes(setting.log), yes(setting.views), &setting.flush_ms.to_string()])
            .arg(yes(setting.tls))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let line = lines.next().context("the server ended before it was ready")??;
        let ready = serde_json::from_str(&line)?;
        Ok(Self { child, lines, ready, tls: setting.tls, started_in: began.elapsed() })
    }

    /// How to reach it.
    pub fn at(&self, place: &Place) -> Result<At> {
        let address = self.ready.address.parse()?;
        let key = place.folder.client_key(FIRST_CLIENT)?;
        let security = match self.tls {
            true => Security::Tls(ClientTls::trusting_pem(place.certificate.as_bytes(), TLS_NAME)?),
            false => Security::Plain,
        };
        Ok(At { address, book: place.folder.book(), key, security })
    }

    /// How to reach it over HTTP.
    pub fn http_at(&self, place: &Place) -> Result<HttpAt> {
        Ok(HttpAt { address: self.ready.http.parse()?, key: place.api_key.clone() })
    }

    /// Waits until everything that follows the journal has reached its head.
    pub fn reach(&mut self) -> Result<()> {
        match self.told("reach")?.as_str() {
            "reached" => Ok(()),
            line => bail!("a projection stopped: {line}"),
        }
    }

    /// Images so far, and what the longest step of one on the writer's thread and the longest
    /// append beside one took.
    pub fn pauses(&mut self) -> Result<Paused> {
        Ok(serde_json::from_str(&self.told("pauses")?)?)
    }

    fn told(&mut self, ask: &str) -> Result<String> {
        let input = self.child.stdin.as_mut().context("no input")?;
        input.write_all(format!("{ask}\n").as_bytes())?;
        Ok(self.lines.next().context("the server ended")??)
    }

    /// Processor time so far, microseconds, by what the threads are for.
    pub fn cpu_us(&self) -> BTreeMap<String, f64> {
        let mut by_thread = BTreeMap::new();
        let tasks = format!("/proc/{}/task", self.child.id());
        for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
            let name = stat.split(['(', ')']).nth(1).unwrap_or_default();
            let first = name.split([' ', '-']).next().unwrap_or_default().to_owned();
            *by_thread.entry(first).or_insert(0.0) += ticks(&stat) * TICK_US;
        }
        // Threads that ended count as well.
        by_thread.insert("all".to_owned(), processor(&self.child.id().to_string()));
        by_thread
    }

    /// Most resident memory that it had so far, MiB.
    pub fn rss_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    /// Lets it end in order.
    pub fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process so far, microseconds.
pub fn processor(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    ticks(&stat) * TICK_US
}

/// Time so far in which the processors did something, for anybody, microseconds.
pub fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // The fourth and fifth are idle and waiting for a disk; the ninth and on stand in the first.
    let used = fields.iter().take(8).enumerate().filter(|(place, _)| ![3, 4].contains(place));
    used.map(|(_, ticks)| ticks * TICK_US).sum()
}

/// User and system time of a line of `stat`.
fn ticks(stat: &str) -> f64 {
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let number = |field: &str| field.parse::<f64>().unwrap_or(0.0);
    rest.split_whitespace().skip(11).take(2).map(number).sum()
}

/// Bytes in the files below a folder, preallocated ones up to their last byte that is not zero.
pub fn bytes_below(path: &Path) -> f64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let size = |path: PathBuf| if path.is_dir() { bytes_below(&path) } else { used(&path) };
    // An empty sum of floats is minus zero.
    entries.map(|entry| size(entry.path())).fold(0.0, |sum, bytes| sum + bytes)
}

fn used(path: &Path) -> f64 {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0.0, |last| (last + 1) as f64)
}

/// The other process: serves until its input ends.
pub fn child(args: &[String]) -> Result<()> {
    let [path, log, views, flush_ms, tls] = args else {
        bail!("serve PATH LOG VIEWS FLUSH_MS TLS")
    };
    let kept = |word: &str| if word == "yes" { Kept::Yes } else { Kept::No };
    let options = ServeOptions {
        address: "127.0.0.1:0".parse()?,
        http: Some("127.0.0.1:0".parse()?),
        flush_delay: Duration::from_millis(flush_ms.parse()?),
        log: kept(log),
        views: kept(views),
    };
    let path = Path::new(path);
    let certified = || -> Result<ServerTls> {
        let (chain, key) = (fs::read(path.join(CERTIFICATE))?, fs::read(path.join(PRIVATE_KEY))?);
        Ok(ServerTls::from_pem(&chain, &key)?)
    };
    let tls = if tls == "yes" { Some(certified()?) } else { None };
    let with = Protections::default();
    let folder = Folder::open(path)?;
    let running = serve_protected(&folder, &options, &BookClock::system(), with, tls)?;
    let ready = Ready {
        address: running.address.to_string(),
        http: running.http_address().context("no HTTP")?.to_string(),
        from_image: running.recovery.from_image,
        facts_refolded: running.recovery.facts_refolded,
        opened_in_ms: running.recovery.took.as_secs_f64() * 1e3,
    };
    println!("{}", serde_json::to_string(&ready)?);
    for line in std::io::stdin().lines() {
        match line?.as_str() {
            "reach" => {}
            "pauses" => {
                let PausesSeen { images, append, step } = running.handle().pauses();
                let [step_ms, append_ms] = [step, append].map(|took| took.as_secs_f64() * 1e3);
                println!("{}", serde_json::to_string(&Paused { images, step_ms, append_ms })?);
                continue;
            }
            other => bail!("expected `reach` or `pauses`, got `{other}`"),
        }
        let Answer::Done { position, .. } = running.handle().read_blocking(|_| ()) else {
            bail!("the book stopped");
        };
        loop {
            if let Some(why) = running.projection_failure() {
                println!("{why}");
                break;
            }
            if behind(&running.projected(), position) {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            println!("reached");
            break;
        }
    }
    running.stop();
    Ok(())
}

fn behind(projected: &[Position], head: Position) -> bool {
    projected.iter().any(|next| *next < head)
}
