//! The stage of a drill, and the hands that break and mend it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use client::{AddressGuard, CLIENT_LIMITS, Client, ClientLimits, Outcome, Outgoing, Peer};

use super::catalogue::Fault;
use super::database::Database;
use super::proxy::{Link, Proxy};
use crate::demo::crash::copy_folder;
use crate::demo::fleet::{Fleet, listen_on};
use crate::demo::processes::{Launch, RoleProcess, free_port};
use crate::demo::setup::{Stage, write_json};
use crate::load::rig::Rig;

/// How late a slow link is, each way.
const LATE: Duration = Duration::from_millis(300);
/// What `prlimit` is told so that no file may have more than these bytes, as on a full disk.
const FULL: &str = "--fsize=4096:unlimited";
const ROOM: &str = "--fsize=unlimited:unlimited";
/// A probe that hears nothing for so long counts as not ready.
const PROBE_DEADLINE: Duration = Duration::from_millis(400);
const PROBE: ClientLimits =
    ClientLimits { connect: PROBE_DEADLINE, deadline: PROBE_DEADLINE, ..CLIENT_LIMITS };
/// Where Debian and others put the library that tells another time (package `libfaketime`).
const TOLD_CLOCK: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
/// The file that tells the core's wall clock, in its folder.
const CLOCK_FILE: &str = "clock";
const CLOCK_RIGHT: &str = "+0\n";
const CLOCK_AHEAD: &str = "+1d\n";
/// What a core says when its journal is older than what its witnesses saw.
const ROLLED_BACK: &str = "JournalRolledBack";
/// What a role says when somebody set its wall clock.
const CLOCK_SET: &str = "the wall clock was set";
/// The payer's edge: its first instance, and whose it is.
pub(super) const PAYERS_EDGE: &str = "bank-nl.1";
const PAYERS_BANK: &str = "bank-nl";
/// First port of the core's own listener, behind the proxy.
const BEHIND: u16 = 27_500;

/// Running roles, the core behind a proxy.
pub struct Scene {
    /// The roles.
    pub rig: Rig,
    /// Before the only core.
    proxy: Option<Proxy>,
    /// Behind two cores.
    pub(super) database: Option<Database>,
    /// Roles that stay down until the fault ends; every other one is started again when its
    /// process ends, as a service manager does.
    pub(super) away: BTreeSet<&'static str>,
    /// Bytes of the core's log when the fault was made.
    log_mark: u64,
    /// The payer's edge, where it has two instances for a while; and the second one's number until
    /// it left.
    fleet: Option<(Fleet, Option<u32>)>,
}

impl Scene {
    /// Starts every role on a fresh stage in `dir`.
    pub async fn start(dir: &Path, binary: &Path) -> anyhow::Result<Self> {
        let change = async |stage: &Stage| {
            let own = stage.memory.ports.get("core").copied().context("the core's port")?;
            let mut taken: Vec<u16> = stage.memory.ports.values().copied().collect();
            let behind = free_port(BEHIND, &mut taken)?;
            listen_on(&stage.folder("core"), behind)?;
            Proxy::start(own, behind).await
        };
        let (rig, proxy) = Rig::start_with(dir, binary, change).await?;
        Ok(Self::of(rig, Some(proxy), None))
    }

    /// Starts every role with two cores over a database of its own in the cluster that `script`
    /// controls.
    pub async fn start_on(script: &Path, dir: &Path, binary: &Path) -> anyhow::Result<Self> {
        let (database, cluster) = Database::make(script)?;
        let rig = Rig::start_shared(dir, binary, cluster).await?;
        Ok(Self::of(rig, None, Some(database)))
    }

    fn of(rig: Rig, proxy: Option<Proxy>, database: Option<Database>) -> Self {
        Self { rig, proxy, database, away: BTreeSet::new(), log_mark: 0, fleet: None }
    }

    /// A role's process, by its name on the stage.
    pub fn role(&mut self, name: &str) -> anyhow::Result<&mut RoleProcess> {
        let dir = self.rig.stage.folder(name);
        let found = self.rig.processes.iter_mut().find(|process| process.dir() == dir);
        found.with_context(|| format!("no role `{name}` runs here"))
    }

    /// What must be in place before the load begins.
    pub async fn prepare(&mut self, fault: Fault) -> anyhow::Result<()> {
        let launch = match fault {
            Fault::InstanceGone => return self.second_instance().await,
            Fault::DiskFull => Launch::WithoutFileSignal,
            Fault::ClockAhead => {
                let file = self.rig.stage.folder("core").join(CLOCK_FILE);
                std::fs::write(&file, CLOCK_RIGHT)?;
                let library = TOLD_CLOCK.iter().map(PathBuf::from).find(|path| path.exists());
                let library =
                    library.context("expected `libfaketime.so.1`: install libfaketime")?;
                Launch::ToldClock { library, file }
            }
            Fault::OldCopy => {
                // While nobody writes: what is copied of a log that grows may not fit together.
                let (core, older) = (self.rig.stage.folder("core"), self.beside("core.older"));
                let process = self.role("core")?;
                process.stop();
                copy_folder(&core, &older)?;
                process.start_again()?;
                return process.ready().await;
            }
            _ => return Ok(()),
        };
        let core = self.role("core")?;
        core.stop();
        core.launch_as(launch);
        core.start_again()?;
        core.ready().await
    }

    /// Makes the fault.
    pub async fn break_it(&mut self, fault: Fault) -> anyhow::Result<()> {
        // An older copy has an older log, which is as long or shorter.
        let mark = self.role("core")?.log_bytes();
        self.log_mark = if fault == Fault::OldCopy { 0 } else { mark };
        match fault {
            Fault::Kill(name) => self.role(name)?.kill(),
            Fault::Gone(name) => {
                self.away.insert(name);
                self.role(name)?.kill()
            }
            Fault::InstanceGone => match &mut self.fleet {
                Some((fleet, Some(second))) => fleet.kill_in_mid_flow(*second).await,
                _ => bail!("the edge has one instance"),
            },
            Fault::Pause(name) => self.role(name)?.signal("STOP"),
            Fault::LinkCut => self.link(Link::Cut),
            Fault::LinkMute => self.link(Link::Mute),
            Fault::LinkSlow => self.link(Link::Slow(LATE)),
            Fault::DiskFull => self.limit_files(FULL),
            Fault::ClockAhead => self.tell_clock(CLOCK_AHEAD),
            Fault::OldCopy => self.serve_old_copy(),
            Fault::BadDeploy => self.deploy_what_cannot_start(),
            Fault::ActiveCoreGone
            | Fault::StandbyCoreGone
            | Fault::DatabaseLeaderGone
            | Fault::DatabaseAgentGone
            | Fault::DatabaseStandbyGone => self.break_cluster(fault).await,
        }
    }

    /// Takes the fault away. Harmless where there is none.
    pub fn mend(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(_) => Ok(()),
            Fault::Gone(name) => {
                self.away.remove(name);
                Ok(())
            }
            Fault::InstanceGone => self.second_leaves(),
            Fault::Pause(name) => self.role(name)?.signal("CONT"),
            Fault::LinkCut | Fault::LinkMute | Fault::LinkSlow => self.link(Link::Whole),
            Fault::DiskFull => self.limit_files(ROOM),
            Fault::ClockAhead => self.tell_clock(CLOCK_RIGHT),
            Fault::OldCopy => self.serve_newest_copy(),
            Fault::BadDeploy => self.roll_back(),
            Fault::ActiveCoreGone
            | Fault::StandbyCoreGone
            | Fault::DatabaseLeaderGone
            | Fault::DatabaseAgentGone
            | Fault::DatabaseStandbyGone => self.mend_cluster(),
        }
    }

    /// What was there for one fault only goes, once the load has ended.
    pub async fn restore(&mut self) -> anyhow::Result<()> {
        match self.fleet.take() {
            Some((fleet, _)) => fleet.dissolve(self.role(PAYERS_EDGE)?).await,
            None => Ok(()),
        }
    }

    /// The payer's edge gets a second instance, and a front before both.
    async fn second_instance(&mut self) -> anyhow::Result<()> {
        let dir = self.rig.stage.folder(PAYERS_EDGE);
        let Rig { stage, processes, .. } = &mut self.rig;
        let first = processes.iter_mut().find(|process| process.dir() == dir);
        let first = first.context("the payer's edge")?;
        let binary = first.binary().to_owned();
        let mut fleet = Fleet::raise(stage, &binary, first, PAYERS_BANK, 1).await?;
        let second = fleet.add().await?;
        self.fleet = Some((fleet, Some(second)));
        Ok(())
    }

    /// The dead instance's numbers are accounted for, and it leaves.
    fn second_leaves(&mut self) -> anyhow::Result<()> {
        if let Some((fleet, second)) = &mut self.fleet
            && let Some(number) = *second
        {
            fleet.retire(number)?;
            *second = None;
        }
        Ok(())
    }

    /// Starts what ended and is not to stay down. Returns whether anything was started.
    pub fn tend(&mut self) -> anyhow::Result<bool> {
        let away: Vec<_> = self.away.iter().map(|name| self.rig.stage.folder(name)).collect();
        let mut started = false;
        for process in &mut self.rig.processes {
            if process.has_ended() && !away.iter().any(|dir| process.dir() == dir.as_path()) {
                process.start_again()?;
                started = true;
            }
        }
        Ok(started)
    }

    /// Whether a role says that it is ready; of two cores, one.
    pub async fn is_ready(&self, name: &str) -> bool {
        if name == "core" && self.database.is_some() {
            return self.leading().await.is_some();
        }
        self.says_ready(name).await
    }

    pub(super) async fn says_ready(&self, name: &str) -> bool {
        let url = self.rig.stage.url(name);
        let authority = url.trim_start_matches("http://").to_owned();
        let client = Client::new(AddressGuard::public_only().allow(&authority), PROBE);
        let Ok(peer) = Peer::unverified(&url) else { return false };
        matches!(client.send_unsigned(&peer, Outgoing::get("/ready")).await, Outcome::Answer(_))
    }

    /// What the fault itself must show, beyond the load; in words what it shows so far.
    pub async fn shown(&mut self, fault: Fault) -> Result<(), String> {
        if fault.needs_cluster() {
            return self.shown_by_cluster(fault).await;
        }
        if fault == Fault::InstanceGone {
            let asked = self.fleet.as_ref().is_some_and(|(fleet, _)| fleet.asked_another());
            let why = || "no request broke off that another instance was asked".to_owned();
            return if asked { Ok(()) } else { Err(why()) };
        }
        let mark = self.log_mark;
        let core = self.role("core").map_err(|error| error.to_string())?;
        let ended = core.has_ended();
        let words = core.words_since(mark);
        let last = words.lines().next_back().unwrap_or_default();
        match fault {
            Fault::OldCopy if ended && words.contains(ROLLED_BACK) => Ok(()),
            Fault::OldCopy => Err(format!("expected `{ROLLED_BACK}`, got: {last}")),
            Fault::BadDeploy if ended => Ok(()),
            Fault::BadDeploy => Err(format!("a version that cannot start runs: {last}")),
            Fault::ClockAhead if words.contains(CLOCK_SET) => Ok(()),
            Fault::ClockAhead => Err(format!("expected `{CLOCK_SET}`, got: {last}")),
            _ => Ok(()),
        }
    }

    fn link(&self, link: Link) -> anyhow::Result<()> {
        self.proxy.as_ref().context("a link needs one core behind a proxy")?.set(link);
        Ok(())
    }

    fn limit_files(&mut self, limit: &str) -> anyhow::Result<()> {
        let id = self.role("core")?.id().to_string();
        let mut command = std::process::Command::new("prlimit");
        let status = command.args(["--pid", &id, limit]).status().context("`prlimit`")?;
        if status.success() { Ok(()) } else { bail!("`prlimit` ended with {status}") }
    }

    fn tell_clock(&self, words: &str) -> anyhow::Result<()> {
        let file = self.rig.stage.folder("core").join(CLOCK_FILE);
        std::fs::write(&file, words).with_context(|| file.display().to_string())
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.rig.stage.dir.join(name)
    }

    /// The newest folder is put aside, and an older copy of it served.
    fn serve_old_copy(&mut self) -> anyhow::Result<()> {
        self.away.insert("core");
        let (core, newest) = (self.rig.stage.folder("core"), self.beside("core.newest"));
        self.role("core")?.kill()?;
        std::fs::rename(&core, &newest)?;
        std::fs::rename(self.beside("core.older"), &core)?;
        self.role("core")?.start_again()
    }

    fn serve_newest_copy(&mut self) -> anyhow::Result<()> {
        let (core, newest) = (self.rig.stage.folder("core"), self.beside("core.newest"));
        if newest.exists() {
            let _ = self.role("core")?.kill();
            std::fs::rename(&core, self.beside("core.older"))?;
            std::fs::rename(&newest, &core)?;
        }
        self.away.remove("core");
        Ok(())
    }

    /// A configuration of a later version, which this one does not read.
    fn deploy_what_cannot_start(&mut self) -> anyhow::Result<()> {
        self.away.insert("core");
        let path = self.rig.stage.folder("core").join("role.json");
        let kept = self.beside("role.json.before");
        self.role("core")?.stop();
        std::fs::copy(&path, &kept)?;
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let members = config.as_object_mut().context("the core's role.json")?;
        members.insert("of_a_later_version".into(), true.into());
        write_json(&path, &config)?;
        self.role("core")?.start_again()
    }

    fn roll_back(&mut self) -> anyhow::Result<()> {
        let kept = self.beside("role.json.before");
        if kept.exists() {
            std::fs::rename(&kept, self.rig.stage.folder("core").join("role.json"))?;
        }
        self.away.remove("core");
        Ok(())
    }
}
