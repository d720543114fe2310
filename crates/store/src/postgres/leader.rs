//! Which server of a replicated database is the leader: Patroni is asked, never the server.
//!
//! A primary whose agent died goes on to call itself the primary and takes connections and writes;
//! only its commits are never confirmed. Whoever takes the first server that says read-write hangs
//! there. An agent answers `GET /primary` with 200 only while it holds the leader's lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_postgres::Config;

/// How long an agent may take: it answers from memory, within some milliseconds.
const AGENT_ANSWER: Duration = Duration::from_millis(1500);
/// Bytes of an agent's answer that are read: its first line is all that counts.
const ANSWER_BYTES_MAX: usize = 64;

/// The members of a replicated database.
pub(super) struct Cluster {
    members: Vec<Member>,
    /// How often a leader turned out not to be one: the next candidate is tried then.
    turn: AtomicUsize,
}

/// A server and its agent.
#[derive(Clone)]
pub(super) struct Member {
    /// `host:port` of Patroni's REST interface.
    pub(super) agent: String,
    pub(super) server: Config,
}

impl Cluster {
    pub(super) const fn new(members: Vec<Member>) -> Self {
        Self { members, turn: AtomicUsize::new(0) }
    }

    /// The server whose agent holds the leader's lock. Should two say so, as an old leader may
    /// before it notices, they are given in turns.
    pub(super) async fn leader(&self) -> Result<Config, String> {
        let mut asked = JoinSet::new();
        for (index, member) in self.members.iter().enumerate() {
            let agent = member.agent.clone();
            asked.spawn(async move { (index, holds_the_lock(&agent).await) });
        }
        let mut leaders: Vec<usize> = asked
            .join_all()
            .await
            .into_iter()
            .filter(|(_, leads)| *leads)
            .map(|(i, _)| i)
            .collect();
        leaders.sort_unstable();
        let turn = self.turn.load(Ordering::Relaxed);
        let chosen = turn.checked_rem(leaders.len()).and_then(|at| leaders.get(at));
        let member = chosen.and_then(|index| self.members.get(*index));
        member.map(|member| member.server.clone()).ok_or_else(|| {
            let agents: Vec<&str> = self.members.iter().map(|m| m.agent.as_str()).collect();
            format!("no agent says that its server is the leader: asked `{}`", agents.join("`, `"))
        })
    }

    /// Any member's server, another at each call: for reading.
    fn any(&self) -> Result<Config, String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(self.members.len());
        let member = at.and_then(|at| self.members.get(at));
        member.map(|member| member.server.clone()).ok_or_else(|| "no members".to_owned())
    }

    /// The leader that was given did not do: another candidate's turn.
    pub(super) fn pass_over(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where to connect to.
#[derive(Clone)]
pub(super) enum Server {
    /// One server.
    One(Box<Config>),
    /// The leader of several.
    Leader(Arc<Cluster>),
}

impl Server {
    /// The server to write to.
    pub(super) async fn primary(&self) -> Result<Config, String> {
        match self {
            Self::One(server) => Ok((**server).clone()),
            Self::Leader(cluster) => cluster.leader().await,
        }
    }

    /// A server to read from what may lag.
    pub(super) fn any(&self) -> Result<Config, String> {
        match self {
            Self::One(server) => Ok((**server).clone()),
            Self::Leader(cluster) => cluster.any(),
        }
    }

    /// All servers, for people.
    pub(super) fn all(&self) -> Vec<&Config> {
        match self {
            Self::One(server) => vec![server],
            Self::Leader(cluster) => cluster.members.iter().map(|m| &m.server).collect(),
        }
    }

    pub(super) fn pass_over(&self) {
        if let Self::Leader(cluster) = self {
            cluster.pass_over();
        }
    }
}

async fn holds_the_lock(agent: &str) -> bool {
    let status = tokio::time::timeout(AGENT_ANSWER, first_line(agent)).await;
    matches!(status, Ok(Ok(line)) if is_ok(&line))
}

/// HTTP/1.0: the agent closes the connection, and no chunks are to be read.
async fn first_line(agent: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(agent).await?;
    let request = format!("GET /primary HTTP/1.0\r\nHost: {agent}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let most = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
    stream.take(most).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Whether a status line says 200.
fn is_ok(answer: &[u8]) -> bool {
    let mut words = answer.split(|byte| *byte == b' ');
    let version = words.next();
    matches!(version, Some(b"HTTP/1.0" | b"HTTP/1.1")) && words.next() == Some(b"200")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// An agent that answers every request with one status.
    fn agent(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 256]).unwrap();
                let _ = write!(stream, "HTTP/1.0 {status}\r\nServer: x\r\n\r\n{{}}");
            }
        });
        address
    }

    fn cluster(agents: &[String]) -> Cluster {
        let members = agents.iter().zip(1_u16..).map(|(agent, port)| {
            let mut server = Config::new();
            server.host("127.0.0.1").port(port);
            Member { agent: agent.clone(), server }
        });
        Cluster::new(members.collect())
    }

    fn port(server: Result<Config, String>) -> Result<u16, String> {
        server.map(|server| server.get_ports()[0])
    }

    #[tokio::test]
    async fn the_leader_is_who_holds_the_lock_and_nobody_without_one() {
        let nobody = "127.0.0.1:1".to_owned();
        let (standby, leader) = (agent("503 Service Unavailable"), agent("200 OK"));
        let members = [nobody.clone(), standby.clone(), leader.clone()];
        assert_eq!(port(cluster(&members).leader().await), Ok(3));
        let headless = port(cluster(&[nobody, standby]).leader().await);
        assert!(headless.unwrap_err().contains("no agent says"));
    }

    #[tokio::test]
    async fn of_two_that_say_so_the_one_that_failed_is_passed_over() {
        let cluster = cluster(&[agent("200 OK"), agent("200 OK")]);
        let first = port(cluster.leader().await).unwrap();
        assert_eq!(port(cluster.leader().await), Ok(first));
        cluster.pass_over();
        assert_ne!(port(cluster.leader().await), Ok(first));
    }

    #[test]
    fn only_a_status_line_that_says_200_counts() {
        assert!(is_ok(b"HTTP/1.0 200 OK") && is_ok(b"HTTP/1.1 200"));
        for line in [&b"HTTP/1.0 503 x"[..], b"", b"200 OK", b"HTTP/1.0 2000 x", b"SSH-2 200"] {
            assert!(!is_ok(line), "{line:?}");
        }
    }
}
