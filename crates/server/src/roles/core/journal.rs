//! Where the core's books are written: its own disk, or a PostgreSQL that other cores share.

use std::time::Duration;

use record::Durability;
use serde::{Deserialize, Serialize};
use store::PostgresConfig;
use store::postgres::ClusterMember;
use terms::BookName;

/// How long a lease holds without a sign of life, when nothing else is said: a take-over comes
/// well within five seconds, and a pause of a busy machine is not mistaken for a death.
const LEASE_MS: u64 = 2_500;

/// `journal` in `role.json`. Nothing there means segments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JournalConfig {
    /// Segment files below the core's folder: one machine.
    Segments,
    /// Tables of a PostgreSQL: several cores, one of which is active.
    Postgres(Cluster),
}

/// A replicated PostgreSQL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// What a commit must wait for.
    pub durability: Required,
    /// A connection string per server.
    pub members: Vec<ConnectionText>,
    /// `host:port` of the Patroni beside each server, in the same order.
    pub patroni: Vec<String>,
    /// Milliseconds without a sign of life after which another core takes over.
    #[serde(default = "lease_ms")]
    pub lease_ms: u64,
}

const fn lease_ms() -> u64 {
    LEASE_MS
}

/// What a commit must wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Required {
    /// The disk of one server: for a trial.
    OneDisk,
    /// That, and the disk of a synchronous standby.
    Replicated,
}

/// A connection string. Holds a password; shows it to nobody.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionText(pub String);

impl std::fmt::Debug for ConnectionText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionText(hidden)")
    }
}

impl Cluster {
    /// The journal of a book; the error says what in the configuration is wrong.
    pub fn of_book(&self, book: BookName) -> Result<PostgresConfig, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("`journal`: {error}");
        match self.durability {
            Required::OneDisk => {
                let [only] = self.members.as_slice() else {
                    return Err("`journal.members`: expected one server for `one_disk`".into());
                };
                PostgresConfig::parse(book, &only.0).map_err(|e| wrong(&e))
            }
            Required::Replicated => {
                if self.members.len() != self.patroni.len() {
                    return Err("`journal.patroni`: expected one for each of `members`".into());
                }
                let both = self.members.iter().zip(&self.patroni);
                let members: Vec<ClusterMember<'_>> = both
                    .map(|(member, patroni)| ClusterMember { connection: &member.0, patroni })
                    .collect();
                PostgresConfig::replicated(book, &members).map_err(|e| wrong(&e))
            }
        }
    }

    /// What a promise may say.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        match self.durability {
            Required::OneDisk => Durability::OneDisk,
            Required::Replicated => Durability::Replicated,
        }
    }

    /// After how long without a sign of life another core takes over.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_and_shows_no_password() {
        let text = r#"{"kind":"postgres","durability":"replicated",
            "members":["host=127.0.0.1 port=1 user=a password=hunter2 dbname=w"],
            "patroni":["127.0.0.1:8008"]}"#;
        let config: JournalConfig = serde_json::from_str(text).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let JournalConfig::Postgres(cluster) = config else { panic!("{config:?}") };
        assert_eq!(cluster.lease(), Duration::from_millis(LEASE_MS));
        assert_eq!(cluster.durability(), Durability::Replicated);
        assert!(cluster.of_book("book".parse().unwrap()).is_ok());
        let without = Cluster { patroni: Vec::new(), ..cluster };
        assert!(without.of_book("book".parse().unwrap()).unwrap_err().contains("patroni"));
    }
}
