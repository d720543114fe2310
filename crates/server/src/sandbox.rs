//! The sandbox of a role: Landlock (Linux) lets the process reach its own folders only, so that
//! one role cannot read another's keys even when it is taken over.
//!
//! Call it in `main` before the runtime starts: it binds the calling thread and every thread and
//! process started after it. What it does is reported, never assumed: a kernel without Landlock
//! gives [`Enforcement::Absent`], which a role shows in its status.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus,
};

/// Which folders (or files) a role may reach.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// May be read.
    pub read_only: Vec<PathBuf>,
    /// May be read, written, created and removed in.
    pub read_write: Vec<PathBuf>,
}

/// What the kernel does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// All of it.
    Full,
    /// An older kernel: some kinds of access are not restricted.
    Partial,
    /// Nothing: no Landlock here.
    Absent,
}

impl Enforcement {
    /// For a status page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "enforced",
            Self::Partial => "partly enforced by this kernel",
            Self::Absent => "not enforced: the kernel has no Landlock",
        }
    }
}

/// Why the process could not be restricted. A role stops then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A folder of the reach cannot be opened.
    #[error("`{path}` cannot be opened for the sandbox: {reason}")]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Some threads would stay outside.
    #[error("the sandbox must come before other threads, got {threads} threads")]
    Threads {
        /// How many run.
        threads: usize,
    },
    /// The kernel refused.
    #[error("the sandbox was refused: {0}")]
    Kernel(#[from] landlock::RulesetError),
    /// The threads cannot be counted.
    #[error("the threads cannot be counted: {0}")]
    Count(#[from] io::Error),
}

/// Restricts this process for good. Refused when other threads run already.
pub fn confine(reach: &Reach) -> Result<Enforcement, SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads > 1 {
        return Err(SandboxError::Threads { threads });
    }
    confine_thread(reach)
}

/// Restricts the calling thread and what it starts; [`confine`] is for whole processes.
pub fn confine_thread(reach: &Reach) -> Result<Enforcement, SandboxError> {
    let all = AccessFs::from_all(RIGHTS);
    let mut ruleset = Ruleset::default().handle_access(all)?.create()?;
    for path in &reach.read_only {
        ruleset = allow(ruleset, path, AccessFs::from_read(RIGHTS))?;
    }
    for path in &reach.read_write {
        ruleset = allow(ruleset, path, all)?;
    }
    let status = ruleset.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforcement::Full,
        RulesetStatus::PartiallyEnforced => Enforcement::Partial,
        RulesetStatus::NotEnforced => Enforcement::Absent,
    })
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    rights: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, SandboxError> {
    let unopened = |reason: String| SandboxError::Path { path: path.to_owned(), reason };
    let handle = PathFd::new(path).map_err(|error| unopened(error.to_string()))?;
    let folder = std::fs::metadata(path).map_err(|error| unopened(error.to_string()))?.is_dir();
    // A file takes no rights that speak of a folder's content.
    let rights = if folder { rights } else { rights & AccessFs::from_file(RIGHTS) };
    Ok(ruleset.add_rule(PathBeneath::new(handle, rights))?)
}

/// What name resolution and the allocator read on a usual Linux, as far as it exists here. For
/// `read_only`.
#[must_use]
pub fn system_files() -> Vec<PathBuf> {
    ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/lib", "/lib64", "/usr/lib"]
        .into_iter()
        .chain(["/etc/ld.so.cache", "/proc/self", "/sys/fs/cgroup", "/dev/null", "/dev/urandom"])
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .collect()
}

/// Landlock of Linux 6.10: files, truncation, device control. Older kernels enforce what they know.
const RIGHTS: ABI = ABI::V5;
