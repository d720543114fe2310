//! Finding a free port on loopback.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

/// Listens on `127.0.0.1:port`, or on the next free one after it; 0 lets the system choose.
pub async fn listen_near(port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for candidate in (port..=u16::MAX).take(PORTS_TRIED) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, candidate)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Ports tried one after another: more than one demo's roles take.
const PORTS_TRIED: usize = 200;
