//! An S3 server of our own for a suite: PyPI's `moto`, in memory, on loopback, gone afterwards.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::suites::bring;
use crate::workspace::Workspace;

/// The package, with what its server needs.
const NEED: &str = "pip:moto[server]==5.2.0";
/// The one bucket.
const BUCKET: &str = "wayleave";
/// Longest wait for its first answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropping it stops it.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Installs what is needed, starts it, makes the bucket.
    #[expect(clippy::disallowed_methods, reason = "a real server is waited for by the clock")]
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        bring(NEED, &workspace.scratch)?;
        let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        let port = listener.local_addr()?.port();
        drop(listener);
        let log = std::fs::File::create(workspace.scratch.join("moto.log"))?;
        let process = Command::new(workspace.scratch.join("venv/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("`moto_server` did not start")?;
        let server = Self { process, port };
        let begun = Instant::now();
        while server.make_bucket().is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("`moto_server` did not answer within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn make_bucket(&self) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let head = "Host: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close";
        stream.write_all(format!("PUT /{BUCKET} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let done = answer.lines().next().is_some_and(|line| line.contains(" 200"));
        if done { Ok(()) } else { bail!("the bucket was not made: {answer}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}
