//! A TCP link in front of a role, that records what passes and can be slow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use wayleave::demo::setup::Stage;

/// What passed over one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// From the caller.
    pub(crate) asked: Vec<u8>,
    /// Back to it.
    pub(crate) answered: Vec<u8>,
}

/// A link: everybody calls the role through it.
#[derive(Clone)]
pub(crate) struct Link {
    connections: Arc<Mutex<Vec<Arc<Mutex<Passed>>>>>,
    delay_ms: Arc<AtomicU64>,
}

impl Link {
    /// Puts a link where the role is known to be; the role itself listens elsewhere, and still
    /// answers to the name that everybody signs for. To be called before the role starts.
    pub(crate) fn before(stage: &Stage, role: &str) -> anyhow::Result<Self> {
        let known = stage.memory.ports.get(role).copied().context("a port")?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", known))?;
        let behind = free_port()?;
        let path = stage.folder(role).join("role.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        config["port"] = behind.into();
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        let link = Self { connections: Arc::default(), delay_ms: Arc::default() };
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(carry(link.clone(), listener, behind));
        Ok(link)
    }

    /// From now on whatever is asked arrives so much later; answers come back at once.
    pub(crate) fn slow_down(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap();
        self.delay_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// What passed so far, by connection.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.connections.lock().unwrap().iter().map(|one| one.lock().unwrap().clone()).collect()
    }
}

/// A port that is free now.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

async fn carry(link: Link, listener: TcpListener, behind: u16) {
    while let Ok((caller, _)) = listener.accept().await {
        // Nobody there yet: the caller sees its connection closed, and asks again.
        let Ok(role) = TcpStream::connect(("127.0.0.1", behind)).await else { continue };
        let passed = Arc::new(Mutex::new(Passed::default()));
        link.connections.lock().unwrap().push(Arc::clone(&passed));
        let (from_caller, to_caller) = caller.into_split();
        let (from_role, to_role) = role.into_split();
        let (asked, answered) = (Arc::clone(&passed), passed);
        let no_delay = Arc::new(AtomicU64::new(0));
        let ask = move |bytes: &[u8]| asked.lock().unwrap().asked.extend(bytes);
        let answer = move |bytes: &[u8]| answered.lock().unwrap().answered.extend(bytes);
        tokio::spawn(pass(from_caller, to_role, Arc::clone(&link.delay_ms), ask));
        tokio::spawn(pass(from_role, to_caller, no_delay, answer));
    }
}

/// Each piece arrives `delay` after it was read; pieces on their way do not wait for each other.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Arc<AtomicU64>,
    note: impl Fn(&[u8]) + Send + 'static,
) {
    let (sent, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    tokio::spawn(async move {
        while let Some((at, bytes)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        note(&piece[..length]);
        let at = Instant::now() + Duration::from_millis(delay.load(Ordering::Relaxed));
        if sent.send((at, piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}
