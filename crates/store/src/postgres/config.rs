//! Where the server is, how it is reached, and how long each thing may take.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use terms::BookName;
use tokio_postgres::Socket;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};

use super::leader::{Cluster, Member, Server};
use super::server::Durability;
use super::session::{Connect, Over};

/// What the server calls our connections in its lists and logs.
const APPLICATION_NAME: &str = "wayleave-journal";
/// How long an idle connection may stay silent before it is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged by the other machine.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// How long the server and the way to it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Reaching one host, authentication included.
    pub connect: Duration,
    /// Waiting for a row's lock: an append that another writer's commit holds up.
    pub lock: Duration,
    /// One statement on the server, the wait for locks included. The wait of a commit for the
    /// disk or a standby is not part of it: the server does not cancel that.
    pub statement: Duration,
    /// Waiting for an answer. More than `statement`, so that the server speaks first: its refusal
    /// is *not done*, silence is *unknown*.
    pub answer: Duration,
}

impl Deadlines {
    /// Far above what a sound server needs (some milliseconds), below what a caller waits.
    pub const STANDARD: Self = Self {
        connect: Duration::from_secs(5),
        lock: Duration::from_secs(5),
        statement: Duration::from_secs(10),
        answer: Duration::from_secs(15),
    };

    /// With standbys: a commit that is not confirmed hangs on a server that was replaced, and
    /// nothing goes on before it is given up.
    pub const REPLICATED: Self = Self {
        connect: Duration::from_secs(2),
        lock: Duration::from_secs(3),
        statement: Duration::from_secs(4),
        answer: Duration::from_secs(5),
    };
}

/// A server of a replicated database, and the agent that guards it.
#[derive(Clone, Copy)]
pub struct ClusterMember<'m> {
    /// A connection string, as [`PostgresConfig::parse`] takes.
    pub connection: &'m str,
    /// `host:port` of its Patroni's REST interface.
    pub patroni: &'m str,
}

/// A book's journal on a server. Holds the password; shows it to nobody.
#[derive(Clone)]
pub struct PostgresConfig {
    pub(super) book: BookName,
    pub(super) server: Server,
    /// The least that the server must promise.
    pub(super) wanted: Durability,
    /// Whose lease the claiming run must hold.
    pub(super) leased: Option<BookName>,
    pub(super) deadlines: Deadlines,
    pub(super) connector: Arc<dyn Connect>,
}

/// Why a connection string is refused. Nothing of it is repeated: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not in the form that libpq reads.
    #[error("the connection string is not of the form `host=… port=… user=… dbname=…`")]
    Malformed,
    /// No host is named.
    #[error("the connection string names no host and no socket folder")]
    NoHost,
    /// Bytes could cross a network without anybody having decided so.
    #[error("`{host}` might be reached without TLS: say `sslmode=require` or `sslmode=disable`")]
    PlainText {
        /// The host that is not this machine.
        host: String,
    },
    /// A server without an agent that could say whether it is the leader.
    #[error("expected `host:port` of a Patroni, got `{got}`")]
    NoAgent {
        /// What stands there.
        got: String,
    },
}

/// Reads a connection string and sets what every connection of ours has.
fn read(connection: &str, deadlines: Deadlines) -> Result<tokio_postgres::Config, ConfigError> {
    let mut server: tokio_postgres::Config =
        connection.parse().map_err(|_| ConfigError::Malformed)?;
    if server.get_hosts().is_empty() && server.get_hostaddrs().is_empty() {
        return Err(ConfigError::NoHost);
    }
    // *Prefer*, the default, falls back to plain text without a word.
    if server.get_ssl_mode() == SslMode::Prefer
        && let Some(host) = far_host(&server)
    {
        return Err(ConfigError::PlainText { host });
    }
    server
        .application_name(APPLICATION_NAME)
        .connect_timeout(deadlines.connect)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .tcp_user_timeout(UNACKNOWLEDGED_MAX);
    Ok(server)
}

impl PostgresConfig {
    /// The journal of `book` on the server of a connection string such as
    /// `host=/run/postgresql user=wayleave dbname=books`, without TLS.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(book: BookName, connection: &str) -> Result<Self, ConfigError> {
        let deadlines = Deadlines::STANDARD;
        let server = Server::One(Box::new(read(connection, deadlines)?));
        let connector = Arc::new(Over(NoTls));
        Ok(Self { book, server, wanted: Durability::OneDisk, leased: None, deadlines, connector })
    }

    /// The journal of `book` on the leader of several servers, as their agents say, and only
    /// while commits wait for a standby ([`Durability::DiskAndStandby`]).
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn replicated(book: BookName, members: &[ClusterMember<'_>]) -> Result<Self, ConfigError> {
        let deadlines = Deadlines::REPLICATED;
        let member = |member: &ClusterMember<'_>| {
            let agent = member.patroni.trim_start_matches("http://").trim_end_matches('/');
            let is_address = agent.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
            });
            if !is_address {
                return Err(ConfigError::NoAgent { got: agent.to_owned() });
            }
            Ok(Member { agent: agent.to_owned(), server: read(member.connection, deadlines)? })
        };
        let members = members.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(ConfigError::NoHost);
        }
        let server = Server::Leader(Arc::new(Cluster::new(members)));
        let connector = Arc::new(Over(NoTls));
        Ok(Self {
            book,
            server,
            wanted: Durability::DiskAndStandby,
            leased: None,
            deadlines,
            connector,
        })
    }

    /// The same, but refused unless the server promises at least this much.
    #[must_use]
    pub fn wanting(self, wanted: Durability) -> Self {
        Self { wanted, ..self }
    }

    /// The same, but an epoch is claimed only by the run that holds the lease of `book`: a core
    /// that comes back after another took over does not take the journal from it again.
    #[must_use]
    pub fn while_leased(self, book: BookName) -> Self {
        Self { leased: Some(book), ..self }
    }

    /// The same over TLS of the caller's choice, for `sslmode=require`.
    #[must_use]
    pub fn with_tls<T>(self, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self { connector: Arc::new(Over(tls)), ..self }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        if let Server::One(server) = &mut self.server {
            server.connect_timeout(deadlines.connect);
        }
        Self { deadlines, ..self }
    }

    /// The book.
    #[must_use]
    pub const fn book(&self) -> BookName {
        self.book
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.server.all();
        // Named one by one: whatever a later version of the client holds stays hidden.
        f.debug_struct("PostgresConfig")
            .field("book", &self.book)
            .field("hosts", &all.iter().flat_map(|server| server.get_hosts()).collect::<Vec<_>>())
            .field("ports", &all.iter().flat_map(|server| server.get_ports()).collect::<Vec<_>>())
            .field("database", &all.first().and_then(|server| server.get_dbname()))
            .field("user", &all.first().and_then(|server| server.get_user()))
            .field("wanted", &self.wanted)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

/// The first host that is not this machine.
fn far_host(server: &tokio_postgres::Config) -> Option<String> {
    let is_near = |address: &IpAddr| address.is_loopback();
    let addresses = server.get_hostaddrs();
    if let Some(far) = addresses.iter().find(|address| !is_near(address)) {
        return Some(far.to_string());
    }
    // An address is used before the name that stands beside it.
    if !addresses.is_empty() {
        return None;
    }
    server.get_hosts().iter().find_map(|host| match host {
        Host::Unix(_) => None,
        Host::Tcp(name) => {
            let near = name == "localhost" || name.parse().is_ok_and(|a| is_near(&a));
            (!near).then(|| name.clone())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(connection: &str) -> Result<PostgresConfig, ConfigError> {
        PostgresConfig::parse("settlement".parse().unwrap(), connection)
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = parse("host=/run/pg user=me password=hunter2 dbname=books").unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("/run/pg") && shown.contains("me"), "{shown}");
        // A blank in it without quotes: the parser's own message repeats the second half.
        let error = parse("host=/run/pg password=hunter2 hunter3=x").unwrap_err();
        assert_eq!(error, ConfigError::Malformed);
        assert!(!error.to_string().contains("hunter"), "{error}");
    }

    #[test]
    fn another_machine_is_reached_in_plain_text_only_when_somebody_said_so() {
        let refused = |host: &str| Err(ConfigError::PlainText { host: host.to_owned() });
        let cases = [
            ("host=/run/pg", Ok(())),
            ("host=localhost", Ok(())),
            ("host=127.0.0.1,::1", Ok(())),
            ("host=db.example.org", refused("db.example.org")),
            ("host=localhost,10.0.0.7", refused("10.0.0.7")),
            ("host=localhost hostaddr=10.0.0.7", refused("10.0.0.7")),
            ("host=db.example.org sslmode=disable", Ok(())),
            ("host=db.example.org sslmode=require", Ok(())),
            ("user=me", Err(ConfigError::NoHost)),
        ];
        for (connection, wanted) in cases {
            assert_eq!(parse(connection).map(drop), wanted, "{connection}");
        }
    }

    #[test]
    fn the_server_speaks_before_the_client_gives_up() {
        let Deadlines { lock, statement, answer, .. } = Deadlines::STANDARD;
        assert!(lock < statement && statement < answer);
    }

    #[test]
    fn every_member_of_a_cluster_has_an_agent() {
        let book = "settlement".parse().unwrap();
        let connection = "host=127.0.0.1 user=me password=hunter2";
        let read = |patroni| {
            let members = [ClusterMember { connection, patroni }];
            PostgresConfig::replicated(book, &members)
        };
        for agent in ["127.0.0.1:8008", "http://db1:8008/"] {
            assert!(read(agent).is_ok(), "{agent}");
        }
        for agent in ["", "db1", ":8008", "db1:", "db1:x", "https://db1:8008"] {
            assert!(matches!(read(agent), Err(ConfigError::NoAgent { .. })), "{agent}");
        }
        assert_eq!(PostgresConfig::replicated(book, &[]).map(drop), Err(ConfigError::NoHost));
        let shown = format!("{:?}", read("127.0.0.1:8008").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
