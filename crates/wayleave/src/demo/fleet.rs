//! One institution's edge behind a front: instances that come, die in mid-flow and leave for good.
//!
//! The first instance stays whose it was; it only gets another place while the fleet is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::json;

use super::processes::{RoleProcess, free_port};
use super::setup::{Stage, write_json};

/// How long an instance is held still until a request waits for it. Shorter than the front waits
/// for an answer, so that nobody is asked again because of this alone.
const STILL: Duration = Duration::from_secs(3);
/// How often an instance is held still before nobody is believed to send anything.
const STILL_TIMES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// The front and the instances beside the first.
pub struct Fleet {
    institution: &'static str,
    binary: PathBuf,
    root: PathBuf,
    front: RoleProcess,
    /// The address that everybody knows, and where the first instance listens meanwhile.
    public: u16,
    /// Places for further instances.
    ports: Vec<u16>,
    instances: BTreeMap<u32, (u16, RoleProcess)>,
    /// Bytes of the front's log before an instance was last held still.
    mark: u64,
}

impl Fleet {
    /// Moves an institution's edge behind a front with places for `more` instances beside it.
    pub async fn raise(
        stage: &Stage,
        binary: &Path,
        first: &mut RoleProcess,
        institution: &'static str,
        more: usize,
    ) -> anyhow::Result<Self> {
        let edge = format!("{institution}.1");
        let public = stage.memory.ports.get(&edge).copied().context("the edge's port")?;
        let mut taken: Vec<u16> = stage.memory.ports.values().copied().collect();
        let highest = taken.iter().max().copied().unwrap_or(public);
        let mut port = || free_port(highest.saturating_add(1), &mut taken);
        let own = port()?;
        let ports = (0..more).map(|_| port()).collect::<anyhow::Result<Vec<u16>>>()?;
        first.stop();
        listen_on(first.dir(), own)?;
        first.start_again()?;
        let dir = stage.dir.join(format!("front-{institution}"));
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let places: Vec<String> = [own].iter().chain(&ports).map(|port| place(*port)).collect();
        write_json(&dir.join("role.json"), &json!({ "port": public, "places": places }))?;
        // Ready as soon as an instance is.
        let mut front = RoleProcess::start(binary, "front", &dir, &place(public))?;
        front.ready().await?;
        let (binary, root) = (binary.to_owned(), stage.dir.clone());
        let instances = BTreeMap::new();
        Ok(Self { institution, binary, root, front, public, ports, instances, mark: 0 })
    }

    /// One more, as an operator adds it; under a number that no instance ever had.
    pub async fn add(&mut self) -> anyhow::Result<u32> {
        let number = (2..).find(|number| !self.folder(*number).exists()).context("a number")?;
        let in_use = |port: &u16| self.instances.values().any(|(used, _)| used == port);
        let port = self.ports.iter().copied().find(|port| !in_use(port)).context("a place")?;
        let dir = self.folder(number);
        let mut command = Command::new(&self.binary);
        command.args(["edge", "add", "--from"]).arg(self.folder(1)).arg("--dir").arg(&dir);
        command.args(["--instance", &self.edge(number), "--port", &port.to_string()]);
        done(&mut command)?;
        let mut process = RoleProcess::start(&self.binary, "edge", &dir, &place(port))?;
        process.ready().await?;
        self.instances.insert(number, (port, process));
        Ok(number)
    }

    /// The name of an instance.
    #[must_use]
    pub fn edge(&self, number: u32) -> String {
        format!("{}.{number}", self.institution)
    }

    /// Starts the folder of an instance, whatever became of it.
    pub fn start(&self, number: u32) -> anyhow::Result<RoleProcess> {
        let port = self.ports.first().copied().context("a place")?;
        RoleProcess::start(&self.binary, "edge", &self.folder(number), &place(port))
    }

    /// SIGKILL with a request under way: the instance is held still until one waits for it.
    pub async fn kill_in_mid_flow(&mut self, number: u32) -> anyhow::Result<()> {
        let (_, process) = self.instances.get_mut(&number).context("an instance")?;
        for _ in 0..STILL_TIMES {
            self.mark = self.front.log_bytes();
            process.signal("STOP")?;
            let begun = Instant::now();
            while begun.elapsed() < STILL {
                if process.lets_wait()? {
                    process.kill()?;
                    self.instances.remove(&number);
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
            process.signal("CONT")?;
            process.ready().await?;
        }
        bail!("no request comes to `{}`", self.edge(number))
    }

    /// Whether the front says that a request broke off since, and that it asked another instance.
    #[must_use]
    pub fn asked_another(&self) -> bool {
        let words = self.front.words_since(self.mark);
        let mut lines = words.lines();
        lines.any(|line| line.contains("outcome=Unknown") && line.contains("another=true"))
    }

    /// An instance leaves for good, as an operator takes it out: stopped in order if it still runs,
    /// then drained, accounted for and closed. The first one's process is its owner's to stop.
    pub fn retire(&mut self, number: u32) -> anyhow::Result<()> {
        if let Some((_, mut process)) = self.instances.remove(&number) {
            process.stop();
        }
        let mut command = Command::new(&self.binary);
        done(command.args(["edge", "retire", "--dir"]).arg(self.folder(number)))
    }

    /// The other instances leave, and the first listens at the institution's address again.
    pub async fn dissolve(mut self, first: &mut RoleProcess) -> anyhow::Result<()> {
        let left: Vec<u32> = self.instances.keys().copied().collect();
        for number in left {
            self.retire(number)?;
        }
        self.front.stop();
        first.stop();
        listen_on(first.dir(), self.public)?;
        first.start_again()?;
        first.ready().await
    }

    fn folder(&self, number: u32) -> PathBuf {
        match number {
            1 => self.root.join(self.institution),
            other => self.root.join(format!("{}-{other}", self.institution)),
        }
    }
}

fn place(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// Runs a command of this binary to its end.
fn done(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("this binary")?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    bail!("{command:?}: {}{}", text(&output.stdout), text(&output.stderr))
}

/// A role listens on another port than the one in its URL.
pub fn listen_on(dir: &Path, port: u16) -> anyhow::Result<()> {
    let path = dir.join("role.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    let members = config.as_object_mut().with_context(|| path.display().to_string())?;
    members.insert("port".into(), port.into());
    write_json(&path, &config)
}
