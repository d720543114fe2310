//! What a server must be set to before a journal trusts it, and what it can then promise.

use tokio_postgres::{Error, Row};

/// The oldest server that this adapter was tested on.
pub const SERVER_VERSION_MIN: i32 = 150_000;

/// Where an appended batch is when `Appended` comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In the synced write-ahead log of one server.
    OneDisk,
    /// There, and in that of a synchronous standby, as the server is configured. What takes over
    /// after a failure, and that only such a standby may, is not the adapter's to say.
    DiskAndStandby,
}

impl Durability {
    /// The class as promises and reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneDisk => "one_disk",
            Self::DiskAndStandby => "disk_and_standby",
        }
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a commit waits for, as the server names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynchronousCommit {
    /// The local disk.
    Local,
    /// The local disk, and the memory of a standby's system.
    RemoteWrite,
    /// The local disk, and that of a standby.
    On,
    /// As `on`, and that the standby's readers see it.
    RemoteApply,
}

impl SynchronousCommit {
    /// The setting's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::RemoteWrite => "remote_write",
            Self::On => "on",
            Self::RemoteApply => "remote_apply",
        }
    }

    /// `None` for `off`, which acknowledges what is nowhere yet, and for what we do not know.
    fn parse(text: &str) -> Option<Self> {
        let known = [Self::Local, Self::RemoteWrite, Self::On, Self::RemoteApply];
        known.into_iter().find(|value| value.as_str() == text)
    }
}

/// What a server said of itself when it was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Such as 150018 for 15.18.
    pub version: i32,
    /// What a commit waits for.
    pub synchronous_commit: SynchronousCommit,
    /// What follows for a batch.
    pub durability: Durability,
    /// Whether the server checks its own pages. Our digests find damage in any case; without
    /// checksums it is found when a batch is read and not before.
    pub data_checksums: DataChecksums,
}

/// Whether the server checks its own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataChecksums {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// Why a server is not trusted with a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerRefusal {
    /// Too old.
    #[error("the server's version is `{found}`, expected `{SERVER_VERSION_MIN}` or newer")]
    TooOld {
        /// Such as 140009 for 14.9.
        found: i32,
    },
    /// A setting under which an acknowledged batch may be lost.
    #[error("the server's `{name}` is `{found}`, expected {wanted}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Commits wait for a standby, and none is there.
    #[error("`synchronous_standby_names` is `{names}`, and no synchronous standby is connected")]
    NoStandby {
        /// The setting.
        names: String,
    },
    /// A standby: it takes no writes.
    #[error("the server is a standby")]
    Standby,
    /// The durability class is another than when the journal was opened: whoever promised the
    /// old one decides whether to open it again.
    #[error("the durability class was `{before}` and is `{now}`: open the journal again")]
    Changed {
        /// The class at opening.
        before: Durability,
        /// The class now.
        now: Durability,
    },
}

impl ServerFacts {
    /// Judges the row of `sql/server.sql` against the least that is wanted.
    pub(super) fn of(row: &Row, wanted: Durability) -> Result<Result<Self, ServerRefusal>, Error> {
        let said = Said {
            version: row.try_get(0)?,
            fsync: row.try_get(1)?,
            full_page_writes: row.try_get(2)?,
            synchronous_commit: row.try_get(3)?,
            standbys: row.try_get(4)?,
            checksums: row.try_get(5)?,
            recovering: row.try_get(6)?,
            following: row.try_get(7)?,
        };
        Ok(said.judge().and_then(|facts| said.suffices(facts, wanted)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Said<'r> {
    version: i32,
    fsync: &'r str,
    full_page_writes: &'r str,
    synchronous_commit: &'r str,
    standbys: &'r str,
    checksums: &'r str,
    recovering: bool,
    /// Synchronous standbys that follow now.
    following: i64,
}

impl Said<'_> {
    fn judge(&self) -> Result<ServerFacts, ServerRefusal> {
        if self.version < SERVER_VERSION_MIN {
            return Err(ServerRefusal::TooOld { found: self.version });
        }
        if self.recovering {
            return Err(ServerRefusal::Standby);
        }
        let needed = [("fsync", self.fsync), ("full_page_writes", self.full_page_writes)];
        if let Some((name, found)) = needed.into_iter().find(|(_, value)| *value != "on") {
            return Err(ServerRefusal::Setting { name, found: found.to_owned(), wanted: "`on`" });
        }
        let synchronous_commit =
            SynchronousCommit::parse(self.synchronous_commit).ok_or(ServerRefusal::Setting {
                name: "synchronous_commit",
                found: self.synchronous_commit.to_owned(),
                wanted: "`on` or `remote_apply`, at least `local`",
            })?;
        let waits =
            matches!(synchronous_commit, SynchronousCommit::On | SynchronousCommit::RemoteApply);
        let durability = if waits && !self.standbys.trim().is_empty() {
            Durability::DiskAndStandby
        } else {
            Durability::OneDisk
        };
        let data_checksums =
            if self.checksums == "on" { DataChecksums::On } else { DataChecksums::Off };
        Ok(ServerFacts { version: self.version, synchronous_commit, durability, data_checksums })
    }

    /// Refuses a server that promises less than is wanted. A standby that is configured and is not
    /// there would let the first commit wait without end: better said at once.
    fn suffices(
        &self,
        facts: ServerFacts,
        wanted: Durability,
    ) -> Result<ServerFacts, ServerRefusal> {
        if wanted == Durability::OneDisk {
            return Ok(facts);
        }
        let setting = |name, found: &str, wanted| ServerRefusal::Setting {
            name,
            found: found.into(),
            wanted,
        };
        match facts.synchronous_commit {
            SynchronousCommit::On | SynchronousCommit::RemoteApply => {}
            SynchronousCommit::Local | SynchronousCommit::RemoteWrite => {
                let wanted = "`on` or `remote_apply`";
                return Err(setting("synchronous_commit", self.synchronous_commit, wanted));
            }
        }
        if self.standbys.trim().is_empty() {
            return Err(setting("synchronous_standby_names", "", "a synchronous standby"));
        }
        if self.following < 1 {
            return Err(ServerRefusal::NoStandby { names: self.standbys.trim().to_owned() });
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Said<'static> = Said {
        version: 150_018,
        fsync: "on",
        full_page_writes: "on",
        synchronous_commit: "on",
        standbys: "",
        checksums: "on",
        recovering: false,
        following: 0,
    };

    #[test]
    fn a_server_that_may_lose_what_it_acknowledged_is_refused() {
        let setting = |said: Said<'_>| match said.judge() {
            Err(ServerRefusal::Setting { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(setting(Said { fsync: "off", ..SOUND }), "fsync");
        assert_eq!(setting(Said { full_page_writes: "off", ..SOUND }), "full_page_writes");
        for value in ["off", "", "later"] {
            let said = Said { synchronous_commit: value, ..SOUND };
            assert_eq!(setting(said), "synchronous_commit", "{value}");
        }
        let old = Said { version: 140_009, ..SOUND }.judge();
        assert_eq!(old, Err(ServerRefusal::TooOld { found: 140_009 }));
        assert_eq!(Said { recovering: true, ..SOUND }.judge(), Err(ServerRefusal::Standby));
    }

    #[test]
    fn a_standby_counts_only_when_commits_wait_for_its_disk() {
        let class = |synchronous_commit, standbys| {
            Said { synchronous_commit, standbys, ..SOUND }.judge().unwrap().durability
        };
        let cases = [
            ("on", "", Durability::OneDisk),
            ("on", "ANY 1 (s1, s2)", Durability::DiskAndStandby),
            ("remote_apply", "s1", Durability::DiskAndStandby),
            ("remote_write", "s1", Durability::OneDisk),
            ("local", "s1", Durability::OneDisk),
        ];
        for (commit, standbys, wanted) in cases {
            assert_eq!(class(commit, standbys), wanted, "{commit} {standbys}");
        }
    }

    #[test]
    fn who_wants_a_standby_is_served_only_while_one_follows() {
        let judge = |synchronous_commit, standbys, following| {
            let said = Said { synchronous_commit, standbys, following, ..SOUND };
            said.suffices(said.judge().unwrap(), Durability::DiskAndStandby)
        };
        let name = |refused| match refused {
            Err(ServerRefusal::Setting { name, .. }) => name,
            Err(ServerRefusal::NoStandby { .. }) => "no standby",
            other => panic!("{other:?}"),
        };
        assert_eq!(name(judge("local", "s1", 1)), "synchronous_commit");
        assert_eq!(name(judge("remote_write", "s1", 1)), "synchronous_commit");
        assert_eq!(name(judge("on", " ", 1)), "synchronous_standby_names");
        assert_eq!(name(judge("on", "*", 0)), "no standby");
        for commit in ["on", "remote_apply"] {
            let facts = judge(commit, "s1", 1).unwrap();
            assert_eq!(facts.durability, Durability::DiskAndStandby, "{commit}");
        }
    }
}
