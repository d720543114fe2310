//! Traces: to stderr or a file, never to stdout, which belongs to the command's own answer.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Starts tracing for this process: `RUST_LOG` or `info`; to `file` if given, else to stderr.
///
/// A second call changes nothing. Only ids, paths and reasons are traced, never bodies, headers
/// or keys. A line that cannot be written, as on a full disk, is lost and nothing else: a library
/// that says so on stderr, which may lie on the same disk, panics there in the middle of a payment.
pub fn start(file: Option<&Path>) -> io::Result<()> {
    let writer = match file {
        None => BoxMakeWriter::new(io::stderr),
        Some(path) => BoxMakeWriter::new(Mutex::new(
            std::fs::OpenOptions::new().create(true).append(true).open(path)?,
        )),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(writer)
        .try_init();
    Ok(())
}
