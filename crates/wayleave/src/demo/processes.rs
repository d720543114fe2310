//! The roles as processes of this very binary: started, watched, killed, stopped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{AddressGuard, CLIENT_LIMITS, Client, Outcome, Outgoing, Peer};

/// How long a role may take until it is ready. Every role takes well under a second.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Where Linux shows the connections of IPv4.
const SOCKETS: &str = "/proc/net/tcp";
/// The state of a connection that stands, in that table.
const ESTABLISHED: &str = "01";
/// `GET /ready` is shorter, and every signed request longer.
const QUESTION_BYTES: u64 = 512;
/// Pause between two askings.
const PAUSE: Duration = Duration::from_millis(20);

/// A role's process.
pub struct RoleProcess {
    /// The role's word on the command line.
    role: &'static str,
    /// Its folder.
    dir: PathBuf,
    /// Its base URL.
    url: String,
    /// The binary that runs it.
    binary: PathBuf,
    launch: Launch,
    child: Child,
}

/// How a role's process is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Launch {
    /// As it is.
    #[default]
    Plain,
    /// So that a file that may not grow fails the write, as a full disk does, and does not end the
    /// process by SIGXFSZ.
    WithoutFileSignal,
    /// Under a wall clock that is told by a file (libfaketime); the monotonic one is the system's.
    ToldClock {
        /// The library.
        library: PathBuf,
        /// The file, in the role's own folder.
        file: PathBuf,
    },
}

impl RoleProcess {
    /// Starts a role; its log goes to `log.txt` in its folder.
    pub fn start(binary: &Path, role: &'static str, dir: &Path, url: &str) -> anyhow::Result<Self> {
        let launch = Launch::Plain;
        let child = spawn(binary, role, dir, &launch)?;
        let (binary, url) = (binary.to_path_buf(), url.to_owned());
        Ok(Self { role, dir: dir.into(), url, binary, launch, child })
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The role's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The binary that runs it.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The name of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Whether it runs this role.
    pub fn is(&self, role: &str) -> bool {
        self.role == role
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Starts it again after it was killed.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.binary, self.role, &self.dir, &self.launch)?;
        Ok(())
    }

    /// How the next start is done.
    pub fn launch_as(&mut self, launch: Launch) {
        self.launch = launch;
    }

    /// Sends it a signal by name: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let (signal, id) = (format!("-{name}"), self.child.id().to_string());
        let sent = Command::new("kill").arg(&signal).arg(&id).status().context("`kill`")?;
        if sent.success() { Ok(()) } else { bail!("{} takes no {signal}", self.role) }
    }

    /// Whether a request waits at its port that it has not read, longer than a question whether it
    /// is ready. Linux tells it of each connection of a process that stands still.
    pub fn lets_wait(&self) -> anyhow::Result<bool> {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        let port: u16 = port.parse().with_context(|| format!("the port of `{}`", self.url))?;
        let table = std::fs::read_to_string(SOCKETS).context(SOCKETS)?;
        Ok(unread(&table, port).any(|bytes| bytes > QUESTION_BYTES))
    }

    /// Waits until the role says that it is ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let authority = self.url.trim_start_matches("http://").to_owned();
        let guard = AddressGuard::public_only().allow(&authority);
        let client = Client::new(guard, CLIENT_LIMITS);
        let peer = Peer::unverified(&self.url).map_err(|e| anyhow::anyhow!("{e}"))?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at start ({status}): {}", self.role, self.last_words());
            }
            if let Outcome::Answer(_) = client.send_unsigned(&peer, Outgoing::get("/ready")).await {
                return Ok(());
            }
            if begun.elapsed() > READY_WITHIN {
                bail!("{} is not ready after {READY_WITHIN:?}: {}", self.role, self.last_words());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// SIGKILL: no goodbye, no flush.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("the process cannot be killed")?;
        self.child.wait().context("the process cannot be waited for")?;
        Ok(())
    }

    /// Asks it to end in order, and kills it if it does not.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(12) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.kill();
    }

    /// How long its log is.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        std::fs::metadata(self.dir.join("log.txt")).map_or(0, |file| file.len())
    }

    /// What it wrote to its log after so many bytes.
    #[must_use]
    pub fn words_since(&self, bytes: u64) -> String {
        let text = std::fs::read(self.dir.join("log.txt")).unwrap_or_default();
        let from = usize::try_from(bytes).unwrap_or(usize::MAX);
        String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.dir.join("log.txt")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for RoleProcess {
    /// Nothing outlives the demo; should it be killed itself, its roles see their input end.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, role: &str, dir: &Path, launch: &Launch) -> anyhow::Result<Child> {
    let words = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("log.txt"))
        .with_context(|| format!("`{}` cannot be written", dir.display()))?;
    let mut command = match launch {
        Launch::Plain | Launch::ToldClock { .. } => Command::new(binary),
        Launch::WithoutFileSignal => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary);
            shell
        }
    };
    if let Launch::ToldClock { library, file } = launch {
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    command
        .arg("run")
        .arg(role)
        .arg("--dir")
        .arg(dir)
        .arg("--until-input-ends")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .with_context(|| format!("{role} cannot be started"))
}

/// The bytes that came to a port of this machine and were not read, by connection.
fn unread(table: &str, port: u16) -> impl Iterator<Item = u64> {
    let own = format!(":{port:04X}");
    table.lines().filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        let (_, received) = fields.next()?.split_once(':')?;
        let is_ours = local.ends_with(&own) && state == ESTABLISHED;
        is_ours.then(|| u64::from_str_radix(received, 16).ok())?
    })
}

/// A free port on loopback, `wanted` or the next free one; says so when it moved.
pub fn free_port(wanted: u16, taken: &mut Vec<u16>) -> anyhow::Result<u16> {
    for port in (wanted..=u16::MAX).take(500) {
        if taken.contains(&port) {
            continue;
        }
        if std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.push(port);
            if port != wanted {
                eprintln!("port {wanted} is taken; using {port}");
            }
            return Ok(port);
        }
    }
    bail!("no free port from {wanted} on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_bytes_are_those_of_connections_that_stand_at_this_very_port() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1BBE 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 1 1
   1: 0100007F:1BBE 0100007F:D431 01 00000000:00000A10 00:00000000 00000000     0        0 0 1
   2: 0100007F:D431 0100007F:1BBE 01 00000A10:00000001 00:00000000 00000000  1000        0 2 1
   3: 0100007F:1BBE 0100007F:D432 08 00000000:00000077 00:00000000 00000000     0        0 0 1
   4: 0100007F:11BB 0100007F:1BBE 01 00000000:00000009 00:00000000 00000000  1000        0 3 1
";
        assert_eq!(unread(table, 0x1BBE).collect::<Vec<_>>(), [0xA10]);
        assert_eq!(unread(table, 0xD431).collect::<Vec<_>>(), [1]);
        assert_eq!(unread(table, 7).count(), 0);
    }
}
