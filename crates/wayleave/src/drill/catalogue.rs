//! The drills: what is broken, what is expected to happen, and what must never happen.

use std::time::Duration;

/// One drill.
#[derive(Clone, Copy, Debug)]
pub struct Drill {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What is broken.
    pub fault: Fault,
    /// What is expected, in a sentence.
    pub hypothesis: &'static str,
    /// From the fault to the first payment acknowledged after the last sign of it: longer, and the
    /// hypothesis is refuted.
    pub recovers_within: Duration,
    /// How long the fault lasts, where it does not mend itself.
    pub lasts: Duration,
    /// What the load is.
    pub load: LoadKind,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL of a role's process, by its name on the stage; whoever watches it starts it again.
    Kill(&'static str),
    /// SIGKILL of a role's process that is started again only when the fault ends.
    Gone(&'static str),
    /// SIGKILL of one of two instances of the payer's edge behind a front, with a request under
    /// way; it stays away, and leaves for good.
    InstanceGone,
    /// SIGSTOP, then SIGCONT.
    Pause(&'static str),
    /// The link to the core is cut.
    LinkCut,
    /// The link to the core loses every answer.
    LinkMute,
    /// The link to the core is slow.
    LinkSlow,
    /// No file of the core may grow.
    DiskFull,
    /// The core's wall clock is set a day ahead.
    ClockAhead,
    /// The core's folder is an older copy.
    OldCopy,
    /// A new version of the core does not become ready, and is rolled back.
    BadDeploy,
    /// SIGKILL of the core that leads; it stays away until the other leads.
    ActiveCoreGone,
    /// SIGKILL of the core that stands by.
    StandbyCoreGone,
    /// SIGKILL of the database node that leads, agent and server.
    DatabaseLeaderGone,
    /// SIGKILL of its agent alone: the server goes on, unguarded.
    DatabaseAgentGone,
    /// SIGKILL of the database node that confirms commits.
    DatabaseStandbyGone,
}

impl Fault {
    /// Whether it needs two cores over a replicated database.
    #[must_use]
    pub const fn needs_cluster(self) -> bool {
        matches!(self, Self::ActiveCoreGone | Self::StandbyCoreGone) || self.is_of_database()
    }

    /// Whether a node of the database dies.
    #[must_use]
    pub const fn is_of_database(self) -> bool {
        matches!(
            self,
            Self::DatabaseLeaderGone | Self::DatabaseAgentGone | Self::DatabaseStandbyGone
        )
    }
}

/// What a drill's load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadKind {
    /// Orders with permits: the core alone is under load.
    Orders,
    /// The whole path through both edges.
    Payments,
}

/// Nothing acknowledged is lost, in every drill; beyond it each says what it expects.
pub const CATALOGUE: &[Drill] = &[
    Drill {
        name: "core-kill",
        fault: Fault::Kill("core"),
        hypothesis: "the core is back within five seconds and every payment in doubt has one end",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::ZERO,
        load: LoadKind::Orders,
    },
    Drill {
        name: "core-pause",
        fault: Fault::Pause("core"),
        hypothesis: "the core goes on where it stood when it wakes up, and settles nothing twice",
        recovers_within: Duration::from_secs(8),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "edge-kill",
        fault: Fault::Kill("bank-nl.1"),
        hypothesis: "payments go on within ten seconds of an edge's death; none is paid twice",
        recovers_within: Duration::from_secs(10),
        lasts: Duration::ZERO,
        load: LoadKind::Payments,
    },
    Drill {
        name: "edge-instance-replaced",
        fault: Fault::InstanceGone,
        hypothesis: "an instance that dies in mid-flow is replaced: no payment fails, no number is lost",
        recovers_within: Duration::from_secs(10),
        lasts: Duration::from_secs(1),
        load: LoadKind::Payments,
    },
    Drill {
        name: "bank-kill",
        fault: Fault::Kill("bank-b"),
        hypothesis: "payments settle without the payee's bank, which credits each once when it is back",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::ZERO,
        load: LoadKind::Orders,
    },
    Drill {
        name: "link-cut",
        fault: Fault::LinkCut,
        hypothesis: "orders are sent again under their ids when the link is back; none settles twice",
        recovers_within: Duration::from_secs(6),
        lasts: Duration::from_secs(2),
        load: LoadKind::Orders,
    },
    Drill {
        name: "link-half-open",
        fault: Fault::LinkMute,
        hypothesis: "what settled while answers were lost is answered again with its first promise",
        recovers_within: Duration::from_secs(16),
        lasts: Duration::from_secs(2),
        load: LoadKind::Orders,
    },
    Drill {
        name: "link-slow",
        fault: Fault::LinkSlow,
        hypothesis: "a link that is 300 ms late each way slows payments and fails none",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "witness-lost",
        fault: Fault::Gone("supervisor-sg"),
        hypothesis: "payments settle without a witness; receipts wait and come when it is back",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "disk-full",
        fault: Fault::DiskFull,
        hypothesis: "a core that cannot write acknowledges nothing, and goes on when there is room",
        recovers_within: Duration::from_secs(15),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "clock-step",
        fault: Fault::ClockAhead,
        hypothesis: "a wall clock set a day ahead is not followed: no permit ends, no stamp jumps",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "old-copy",
        fault: Fault::OldCopy,
        hypothesis: "a core over an older copy refuses to serve and says what is missing",
        recovers_within: Duration::from_secs(20),
        lasts: Duration::from_secs(1),
        load: LoadKind::Orders,
    },
    Drill {
        name: "bad-deploy",
        fault: Fault::BadDeploy,
        hypothesis: "a version that does not become ready is rolled back, and payments go on",
        recovers_within: Duration::from_secs(15),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
];

/// A node's death is answered within this: Patroni's lease and a promotion.
const NODE_DEATH: Duration = Duration::from_secs(30);

/// What needs two cores over a replicated database (`drill run --cluster`).
pub const ON_CLUSTER: &[Drill] = &[
    Drill {
        name: "core-takeover",
        fault: Fault::ActiveCoreGone,
        hypothesis: "the core that stands by leads within five seconds of the active one's death",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::from_secs(2),
        load: LoadKind::Orders,
    },
    Drill {
        name: "standby-core-lost",
        fault: Fault::StandbyCoreGone,
        hypothesis: "payments settle without the core that stands by, and none fails",
        recovers_within: Duration::from_secs(5),
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "db-standby-lost",
        fault: Fault::DatabaseStandbyGone,
        hypothesis: "another node confirms commits within 30 s of the confirming one's death",
        recovers_within: NODE_DEATH,
        lasts: Duration::from_secs(3),
        load: LoadKind::Orders,
    },
    Drill {
        name: "db-primary-kill",
        fault: Fault::DatabaseLeaderGone,
        hypothesis: "payments go on within 30 s of the leading database node's death",
        recovers_within: NODE_DEATH,
        lasts: Duration::from_secs(5),
        load: LoadKind::Orders,
    },
    Drill {
        name: "db-agent-kill",
        fault: Fault::DatabaseAgentGone,
        hypothesis: "a server whose agent died is replaced; payments stand still 30 s at most",
        recovers_within: NODE_DEATH,
        lasts: Duration::from_secs(5),
        load: LoadKind::Orders,
    },
];

/// The width of the names' column, in tables and lists.
pub const NAME_WIDTH: usize = 22;

/// The drill of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Drill> {
    CATALOGUE.iter().chain(ON_CLUSTER).find(|drill| drill.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_report() {
        let all = || CATALOGUE.iter().chain(ON_CLUSTER);
        let names: std::collections::BTreeSet<_> = all().map(|drill| drill.name).collect();
        assert_eq!(names.len(), CATALOGUE.len() + ON_CLUSTER.len());
        assert!(CATALOGUE.iter().all(|drill| !drill.fault.needs_cluster()));
        assert!(ON_CLUSTER.iter().all(|drill| drill.fault.needs_cluster()));
        for drill in all() {
            assert!(drill.name.len() <= clearing::settlement::drills::DRILL_NAME_MAX);
            assert!(drill.hypothesis.len() <= 100, "{}", drill.name);
            assert!(drill.lasts < drill.recovers_within, "{}", drill.name);
            assert!(drill.name.len() <= NAME_WIDTH, "{} stands in no column", drill.name);
            assert_eq!(find(drill.name).map(|found| found.name), Some(drill.name));
        }
    }
}
