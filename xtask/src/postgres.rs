//! A PostgreSQL server of our own, for a suite or a bench: made in a folder under the system's
//! temporary one, reachable over a socket and over loopback, gone afterwards.
//!
//! PostgreSQL refuses to run as root, so for root everything is done as the user `postgres`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};

use crate::suites::bring;
use crate::workspace::Workspace;

/// The Debian package.
const NEED: &str = "apt:postgresql-15";
/// Where it puts its programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The user that Debian's package makes.
const USER: &str = "postgres";
/// Beginning of our folders' names; the id of the process that made it follows.
const FOLDER: &str = "wayleave-postgres-";
/// A password for connections over TCP: this server lives for one suite and listens on loopback.
const PASSWORD: &str = "only-for-this-suite";

/// A running server. Dropping it stops it and removes its folder.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Installs what is needed, makes a cluster, starts it. `settings` are lines of its
    /// configuration, after the product's defaults.
    pub(crate) fn start(workspace: &Workspace, settings: &[&str]) -> Result<Self> {
        bring(NEED, &workspace.scratch)?;
        remove_leftovers();
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        let port = listener.local_addr()?.port();
        drop(listener);
        // From here on a failure removes what was made.
        let server = Self { folder, port };
        server.make(settings)?;
        server.control(&["start"])?;
        Ok(server)
    }

    fn make(&self, settings: &[&str]) -> Result<()> {
        run(Command::new("mkdir").args(["-m", "700"]).arg(&self.folder))?;
        give_to_server(&self.folder)?;
        let password = self.folder.join("password");
        write_as_server(&password, PASSWORD)?;
        let data = self.data();
        let mut initdb = as_server(&format!("{PROGRAMS}/initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "wayleave", "--data-checksums", "-E", "UTF8"]);
        initdb.args(["--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        run(initdb.arg("--no-sync").arg("--pwfile").arg(&password))?;
        let socket = self.folder.display();
        let mut lines = vec![
            format!("port = {}", self.port),
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("unix_socket_directories = '{socket}'"),
        ];
        lines.extend(settings.iter().map(|&line| line.to_owned()));
        write_as_server(&data.join("conf.d.conf"), &(lines.join("\n") + "\n"))?;
        let include = "include = 'conf.d.conf'\n";
        append_as_server(&data.join("postgresql.conf"), include)
    }

    /// The cluster's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A connection string over the socket, without a database.
    pub(crate) fn socket(&self) -> String {
        format!("host={} port={} user=wayleave", self.folder.display(), self.port)
    }

    /// The same over TCP with a password.
    pub(crate) fn tcp(&self) -> String {
        format!("host=127.0.0.1 port={} user=wayleave password={PASSWORD}", self.port)
    }

    /// A shell command that crashes the server and starts it again.
    pub(crate) fn restart_command(&self) -> String {
        let prefix = if is_root() { format!("runuser -u {USER} -- ") } else { String::new() };
        let (data, log) = (self.data(), self.folder.join("log"));
        let (data, log) = (data.display(), log.display());
        let program = format!("{prefix}{PROGRAMS}/pg_ctl");
        format!(
            "{program} -D {data} -l {log} -s -w -m immediate restart </dev/null >/dev/null 2>&1"
        )
    }

    /// One of the server's programs, such as `pgbench`, run as the server's user.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = as_server(&format!("{PROGRAMS}/{name}"));
        command.env("PGHOST", &self.folder).env("PGPORT", self.port.to_string());
        command.env("PGUSER", "wayleave").env("PGDATABASE", "postgres");
        command
    }

    /// A file that the server's user may read.
    pub(crate) fn place(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        write_as_server(&path, text)?;
        Ok(path)
    }

    /// An empty folder that the server's user may write into.
    pub(crate) fn empty_folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir(&path)?;
        give_to_server(&path)?;
        Ok(path)
    }

    /// The id of the process that all the server's processes descend from.
    pub(crate) fn main_process(&self) -> Result<String> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        Ok(file.lines().next().context("the server's id is not there")?.trim().to_owned())
    }

    fn control(&self, what: &[&str]) -> Result<()> {
        let mut command = as_server(&format!("{PROGRAMS}/pg_ctl"));
        command.arg("-D").arg(self.data()).arg("-l").arg(self.folder.join("log"));
        // The server inherits these, and must not hold a pipe of ours open.
        command.args(["-s", "-w"]).args(what).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.stdin(Stdio::null()).status().context("pg_ctl did not start")?;
        ensure!(status.success(), "`pg_ctl {}` failed: {}", what.join(" "), self.log_end());
        Ok(())
    }

    fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop_and_remove(&self.folder);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

fn as_server(program: &str) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", USER, "--", program]);
        command
    } else {
        Command::new(program)
    };
    // A folder that the server's user may enter.
    command.current_dir("/");
    command
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{command:?} did not start"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}", said.trim());
    Ok(output)
}

fn write_as_server(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    give_to_server(path)
}

fn give_to_server(path: &Path) -> Result<()> {
    if is_root() {
        run(Command::new("chown").arg(USER).arg(path))?;
    }
    Ok(())
}

fn append_as_server(path: &Path, text: &str) -> Result<()> {
    let old = std::fs::read_to_string(path)?;
    write_as_server(path, &(old + text))
}

fn stop_and_remove(folder: &Path) {
    let mut command = as_server(&format!("{PROGRAMS}/pg_ctl"));
    command.arg("-D").arg(folder.join("data")).args(["-s", "-w", "-m", "immediate", "stop"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It may not run: then there is only the folder to remove.
    let _ = command.status();
    let _ = std::fs::remove_dir_all(folder);
}

/// Servers of an xtask that was killed.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(|name| name.strip_prefix(FOLDER)) else {
            continue;
        };
        let is_number = !maker.is_empty() && maker.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && !Path::new("/proc").join(maker).exists() {
            stop_and_remove(&entry.path());
        }
    }
}
