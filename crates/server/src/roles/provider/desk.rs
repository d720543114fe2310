//! The quotes that are out: bounded per client and per asset, durable before they are handed out.

use core::time::Duration;
use std::io;
use std::path::Path;

use record::{Quote, Signed};
use seal::Digest;
use seal::text::{from_base64url, to_base64url};
use terms::{Amount, AssetCode, Instant, Minor};

use crate::roles::common::RoleError;
use crate::roles::files::LineLog;

/// How long a quote is good: time to read it, consent and settle.
pub const QUOTE_LIFETIME: Duration = Duration::from_secs(60);
/// Quotes that one client may have open at a time: a busy clerk has a few, a wallet that pays
/// one invoice a second has 60. A provider may set another bound in its `role.json`.
pub const OPEN_QUOTES_PER_CLIENT_MAX: usize = 64;
/// How much of one asset may be promised at a time, in minor units: with two decimals, 100
/// million. Bounds the loss when the market moves within a quote's lifetime.
pub const EXPOSURE_MINOR_MAX: u128 = 10_000_000_000;

/// Why a quote is not handed out.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskRefusal {
    #[error("`{client}` has {most} open quotes, the most that one may have")]
    TooManyOpen { client: String, most: usize },
    #[error("open quotes in `{asset}` would exceed what may be promised at one time")]
    Exposure { asset: AssetCode },
    #[error("{0}")]
    Disk(io::Error),
}

pub(super) struct Desk {
    open: Vec<Open>,
    of_client_max: usize,
    log: LineLog,
}

struct Open {
    client: String,
    credit: Amount,
    expires_at: Instant,
}

impl Desk {
    /// Reads what was handed out before; what is still open counts.
    pub(super) fn open(path: &Path, now: Instant, of_client_max: usize) -> Result<Self, RoleError> {
        let (log, lines) = LineLog::open(path)
            .map_err(RoleError::world(format!("opening `{}`", path.display())))?;
        let mut open = Vec::new();
        for line in &lines {
            let read = read_line(line).ok_or_else(|| {
                RoleError::Unsound(format!("`{}` holds a line that is no quote", path.display()))
            })?;
            if now < read.expires_at {
                open.push(read);
            }
        }
        Ok(Self { open, of_client_max, log })
    }

    /// Hands a quote out: durable when this returns. Stopped before, nobody has it.
    pub(super) fn take(
        &mut self,
        client: &str,
        quote: &Quote,
        signed: &Signed<Quote>,
    ) -> Result<(), DeskRefusal> {
        self.open.retain(|open| quote.issued_at < open.expires_at);
        let of_client = self.open.iter().filter(|open| open.client == client).count();
        if of_client >= self.of_client_max {
            let most = self.of_client_max;
            return Err(DeskRefusal::TooManyOpen { client: client.to_owned(), most });
        }
        let asset = quote.credit.asset;
        let promised = self
            .open
            .iter()
            .filter(|open| open.credit.asset == asset)
            .try_fold(quote.credit.minor, |sum, open| sum.plus(open.credit.minor));
        if !promised.is_ok_and(|sum| sum <= Minor::new(EXPOSURE_MINOR_MAX)) {
            return Err(DeskRefusal::Exposure { asset });
        }
        let line = format!("{client} {}", to_base64url(&signed.to_bytes()));
        self.log.append(&line).map_err(DeskRefusal::Disk)?;
        self.open.push(Open {
            client: client.to_owned(),
            credit: quote.credit,
            expires_at: quote.expires_at,
        });
        Ok(())
    }
}

/// The quote with this digest that was handed out, read from the log of all: asked for rarely,
/// when something comes back.
pub(super) fn find(path: &Path, digest: Digest) -> io::Result<Option<Quote>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().find_map(|line| {
        let (_, quote) = line.rsplit_once(' ')?;
        let signed = Signed::<Quote>::from_bytes(&from_base64url(quote)?).ok()?;
        if signed.digest() == digest { signed.read_unverified().ok() } else { None }
    }))
}

fn read_line(line: &str) -> Option<Open> {
    let (client, quote) = line.rsplit_once(' ')?;
    let signed = Signed::<Quote>::from_bytes(&from_base64url(quote)?).ok()?;
    let quote = signed.read_unverified().ok()?;
    Some(Open { client: client.to_owned(), credit: quote.credit, expires_at: quote.expires_at })
}
