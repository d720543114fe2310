//! A TCP proxy for one link, whose faults are switched while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes that are carried at a time.
const PIECE: usize = 16 * 1024;

/// What the link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Carries everything.
    Whole,
    /// Ends every connection, at once and each new one.
    Cut,
    /// Carries requests and loses every answer: what was asked is done, and nobody is told.
    Mute,
    /// Carries everything, each piece so much later.
    Slow(Duration),
}

/// A proxy on loopback; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    link: watch::Sender<Link>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on `port` and carries to `target`, both on loopback.
    pub async fn start(port: u16, target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("port {port} of the proxy"))?;
        let (link, seen) = watch::channel(Link::Whole);
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        let accepting = tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(carry(caller, target, seen.clone()));
            }
        });
        Ok(Self { link, accepting })
    }

    /// Switches the link, connections that stand included.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.link.send_replace(Link::Cut);
        self.accepting.abort();
    }
}

/// Carries one connection until either end closes it or the link is cut.
async fn carry(caller: TcpStream, target: SocketAddr, link: watch::Receiver<Link>) {
    if *link.borrow() == Link::Cut {
        return;
    }
    let Ok(called) = TcpStream::connect(target).await else { return };
    let _ = (caller.set_nodelay(true), called.set_nodelay(true));
    let (from_caller, to_caller) = caller.into_split();
    let (from_called, to_called) = called.into_split();
    let mut cut = link.clone();
    tokio::select! {
        () = pump(from_caller, to_called, link.clone(), Side::Request) => {}
        () = pump(from_called, to_caller, link, Side::Answer) => {}
        _ = cut.wait_for(|link| *link == Link::Cut) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    link: watch::Receiver<Link>,
    side: Side,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        let now = *link.borrow();
        match now {
            Link::Mute if side == Side::Answer => continue,
            Link::Slow(late) => tokio::time::sleep(late).await,
            Link::Whole | Link::Mute | Link::Cut => {}
        }
        let Some(bytes) = piece.get(..read) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Answers each byte with the next one.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        stream.write_u8(byte.wrapping_add(1)).await.unwrap();
                    }
                });
            }
        });
        port
    }

    async fn free() -> u16 {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn each_fault_does_what_it_says_and_the_link_mends() {
        let (port, soon) = (free().await, Duration::from_millis(300));
        let proxy = Proxy::start(port, echo().await).await.unwrap();
        let connect = async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let mut stream = connect().await;
        stream.write_u8(1).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 2);
        proxy.set(Link::Slow(Duration::from_millis(40)));
        let begun = Instant::now();
        stream.write_u8(2).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 3);
        assert!(begun.elapsed() >= Duration::from_millis(80), "{:?}", begun.elapsed());
        proxy.set(Link::Mute);
        stream.write_u8(3).await.unwrap();
        assert!(tokio::time::timeout(soon, stream.read_u8()).await.is_err(), "no answer comes");
        proxy.set(Link::Cut);
        let ended = tokio::time::timeout(soon, stream.read_u8()).await;
        assert!(ended.unwrap().is_err(), "the connection ends");
        let mut refused = connect().await;
        assert!(tokio::time::timeout(soon, refused.read_u8()).await.unwrap().is_err());
        proxy.set(Link::Whole);
        let mut again = connect().await;
        again.write_u8(7).await.unwrap();
        assert_eq!(again.read_u8().await.unwrap(), 8);
    }
}
