//! One non-blocking connection, plain or under TLS, for both sides.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::Connection;

use crate::frame::Integrity;
use crate::handshake::Binding;

/// RFC 9266, section 2.
const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";
/// Plaintext that a TLS session takes before the socket has taken what is there.
const TLS_BUFFER_BYTES: usize = 256 << 10;

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes; when `more` is unset, the socket was empty after them.
    Bytes { count: usize, more: bool },
    /// Nothing now.
    Later,
    /// The other side will send no more.
    End,
}

pub(crate) struct Transport {
    stream: TcpStream,
    tls: Option<Box<Connection>>,
}

impl Transport {
    pub(crate) const fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None }
    }

    /// From now on everything goes through this TLS session.
    pub(crate) fn begin_tls(&mut self, mut session: Connection) {
        session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        self.tls = Some(Box::new(session));
    }

    pub(crate) const fn integrity(&self) -> Integrity {
        match self.tls {
            None => Integrity::Checked,
            Some(_) => Integrity::Transport,
        }
    }

    pub(crate) const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// What ties a proof to this connection; an error before the TLS handshake has ended.
    pub(crate) fn binding(&self) -> io::Result<Binding> {
        match &self.tls {
            None => Ok(Binding::Plain),
            Some(session) => session
                .export_keying_material([0; 32], EXPORTER, None)
                .map(Binding::Exporter)
                .map_err(io::Error::other),
        }
    }

    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Got> {
        match &mut self.tls {
            None => read_plain(&mut self.stream, into),
            Some(session) => read_tls(&mut self.stream, session, into),
        }
    }

    /// How much was taken; nothing when the socket is full.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        match &mut self.tls {
            None => write_plain(&mut self.stream, slices),
            Some(session) => write_tls(&mut self.stream, session, slices),
        }
    }

    /// Sends what TLS still holds; whether nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            None => Ok(true),
            Some(session) => flush(&mut self.stream, session),
        }
    }

    /// Says that nothing more will come from here.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Some(session) = &mut self.tls {
            session.send_close_notify();
            flush(&mut self.stream, session)?;
        }
        self.stream.shutdown(Shutdown::Write)
    }
}

fn read_tls(stream: &mut TcpStream, session: &mut Connection, into: &mut [u8]) -> io::Result<Got> {
    loop {
        match session.reader().read(into) {
            Ok(0) => return Ok(Got::End),
            Ok(count) => return Ok(Got::Bytes { count, more: true }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The socket ended without a farewell. Frames have lengths, so nothing is cut
            // without being seen.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Got::End),
            Err(error) => return Err(error),
        }
        match session.read_tls(stream) {
            Ok(0) => return Ok(Got::End),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Got::Later),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if let Err(error) = session.process_new_packets() {
            // The alert says to the other side why; it matters little whether it arrives.
            let _ = flush(stream, session);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        flush(stream, session)?;
    }
}

fn write_tls(
    stream: &mut TcpStream,
    session: &mut Connection,
    slices: &[IoSlice<'_>],
) -> io::Result<Option<usize>> {
    if !flush(stream, session)? {
        return Ok(None);
    }
    let count = session.writer().write_vectored(slices)?;
    flush(stream, session)?;
    Ok((count > 0).then_some(count))
}

fn flush(stream: &mut TcpStream, session: &mut Connection) -> io::Result<bool> {
    while session.wants_write() {
        match session.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn read_plain(stream: &mut TcpStream, into: &mut [u8]) -> io::Result<Got> {
    loop {
        return match stream.read(into) {
            Ok(0) => Ok(Got::End),
            Ok(count) => Ok(Got::Bytes { count, more: count == into.len() }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Got::Later),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
    }
}

fn write_plain(stream: &mut TcpStream, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
    loop {
        // One reply is what most calls write, and the plain call costs the system less.
        let wrote = match slices {
            [one] => stream.write(one),
            many => stream.write_vectored(many),
        };
        return match wrote {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
    }
}
