//! The server: one I/O thread, thousands of connections, a service behind a trait.
//!
//! The thread reads frames, checks them, hands requests to the [`Service`] and writes replies. It
//! never waits for the service: a [`Reply`] may be finished later, on any thread, in any order.
//! What each connection may have underway is bounded by [`Limits`], and beyond that the server
//! does not read from it, so that TCP tells the client to wait. Connections take turns.

mod books;
mod connection;
mod output;
mod reactor;
mod reply;
mod stream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use seal::{KeyId, PublicKey};
use terms::Epoch;
use thiserror::Error;

use crate::handshake::{ClientNumber, Limits};
use crate::request::Request;
use crate::tls::ServerTls;
pub use books::Books;
use reactor::Reactor;
use reply::Outbox;
pub use reply::Reply;
pub use stream::{FactStream, Pushed};

/// What stands behind the server for one book. All calls come from the I/O thread and must not
/// wait.
pub trait Service: Send + 'static {
    /// Who is registered with this key; `None` refuses the connection.
    fn client(&mut self, key: &KeyId) -> Option<RegisteredClient>;

    /// The epoch in which the book is written, for the handshake.
    fn epoch(&self) -> Epoch;

    /// A request that arrived whole, in the order of its connection. Exactly one outcome is owed
    /// through `reply`; when it is dropped without one, the client is told *unknown*.
    fn request(&mut self, client: ClientNumber, request: Request, reply: Reply);

    /// All that has arrived for now was handed over: a service that collects may pass it on.
    fn turn_ended(&mut self) {}
}

/// A client as its book knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredClient {
    /// The key that it proves.
    pub key: PublicKey,
    /// Its number.
    pub number: ClientNumber,
}

/// From where plain TCP is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainPolicy {
    /// From nowhere.
    Never,
    /// From this machine.
    Loopback,
    /// From everywhere: nothing is secret, and who is on the path can act as the client.
    Anywhere,
}

impl PlainPolicy {
    /// Whether plain TCP is taken from `peer`.
    #[must_use]
    pub const fn admits(self, peer: IpAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Loopback => peer.to_canonical().is_loopback(),
            Self::Anywhere => true,
        }
    }
}

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From connecting to the welcome.
    pub handshake: Duration,
    /// From a frame's first byte to its last.
    pub frame: Duration,
    /// With nothing underway and nothing coming.
    pub idle: Duration,
    /// With a reply to write and nothing taken by the client.
    pub slow_reader: Duration,
    /// For a fault to be read before the connection is closed.
    pub linger: Duration,
    /// For replies when the server stops.
    pub stop: Duration,
}

impl Timeouts {
    /// For people and networks as they are.
    pub const STANDARD: Self = Self {
        handshake: Duration::from_secs(5),
        frame: Duration::from_secs(30),
        idle: Duration::from_secs(300),
        slow_reader: Duration::from_secs(15),
        linger: Duration::from_secs(1),
        stop: Duration::from_secs(5),
    };
}

/// What a server is told.
#[derive(Clone)]
pub struct ServerConfig {
    /// From where plain TCP is taken.
    pub plain: PlainPolicy,
    /// Certificate and key, where TLS is taken.
    pub tls: Option<ServerTls>,
    /// What one connection may have underway.
    pub limits: Limits,
    /// How long a connection may take for what.
    pub timeouts: Timeouts,
    /// Most connections; one more is told so and closed.
    pub connections_max: usize,
    /// Most connections of one client of one book; one more is told so and closed. Less than
    /// [`ServerConfig::connections_max`], so that no client keeps all others out.
    pub connections_of_client: usize,
}

/// Why a server was not started.
#[derive(Debug, Error)]
pub enum StartError {
    /// Nobody could ever connect.
    #[error("plain TCP is taken from nowhere and there is no certificate: nobody could connect")]
    NobodyCouldConnect,
    /// The address is taken, or not ours.
    #[error("could not listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no more of what an I/O thread needs.
    #[error("could not start the I/O thread: {0}")]
    Thread(#[from] io::Error),
}

/// A running server. Dropping it stops it, too.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    outbox: Arc<Outbox>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address` (port 0 chooses one) for clients of all `books` and starts the I/O
    /// thread.
    pub fn start<S: Service>(
        address: SocketAddr,
        config: ServerConfig,
        books: Books<S>,
    ) -> Result<Self, StartError> {
        if config.plain == PlainPolicy::Never && config.tls.is_none() {
            return Err(StartError::NobodyCouldConnect);
        }
        let listen = |source| StartError::Listen { address, source };
        let listener = mio::net::TcpListener::bind(address).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let mut reactor = Reactor::new(listener, config, books)?;
        let outbox = reactor.outbox();
        let thread =
            std::thread::Builder::new().name("wire-io".to_owned()).spawn(move || reactor.run())?;
        Ok(Self { address, outbox, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, waits for the replies underway within [`Timeouts::stop`], tells
    /// every client and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.outbox.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_tcp_is_taken_from_where_the_policy_says() {
        let addresses = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"];
        let elsewhere = ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0"];
        for (addresses, loopback) in [(addresses, true), (elsewhere, false)] {
            for address in addresses.map(|address| address.parse().unwrap()) {
                assert!(!PlainPolicy::Never.admits(address));
                assert_eq!(PlainPolicy::Loopback.admits(address), loopback, "{address}");
                assert!(PlainPolicy::Anywhere.admits(address));
            }
        }
    }
}
