//! The quotes that are out: bounded per client and per asset, durable before they are handed out.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use record::{Quote, Signed};
use seal::Digest;
use seal::text::{from_base64url, to_base64url};
use terms::{Amount, AssetCode, Instant, Minor, PaymentId};

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

/// How long a payment id is its first client's: far longer than a payment waits for its order.
pub(super) const ID_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How many ids are kept before the old ones are looked for.
const IDS_SWEPT_AT: usize = 4_096;

/// Why a quote is not handed out.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskRefusal {
    #[error("`{client}` has {most} open quotes, the most that one may have")]
    TooManyOpen { client: String, most: usize },
    #[error("open quotes in `{asset}` would exceed what may be promised at one time")]
    Exposure { asset: AssetCode },
    #[error("payment id `{0}` was quoted to another client: it is that client's")]
    NotYours(PaymentId),
    #[error("{0}")]
    Disk(io::Error),
}

pub(super) struct Desk {
    open: Vec<Open>,
    of_client_max: usize,
    log: LineLog,
    ids: Ids,
}

/// Whose each payment id is.
///
/// Who has a provider's quote for an id can end it: an order or a cancellation that is refused uses
/// the id up for ever. So an id is quoted to the client that asked for it first, and to nobody else
/// who heard of it.
#[derive(Default)]
struct Ids {
    of: BTreeMap<PaymentId, (String, Instant)>,
    sweep_at: usize,
}

impl Ids {
    fn is_free_for(&self, client: &str, payment: PaymentId, now: Instant) -> bool {
        let known = self.of.get(&payment).filter(|(_, last)| now < last.plus(ID_KEPT));
        known.is_none_or(|(first, _)| first == client)
    }

    fn keep(&mut self, client: &str, payment: PaymentId, now: Instant) {
        self.of.insert(payment, (client.to_owned(), now));
        if self.of.len() >= self.sweep_at.max(IDS_SWEPT_AT) {
            self.of.retain(|_, (_, last)| now < last.plus(ID_KEPT));
            self.sweep_at = self.of.len().saturating_mul(2);
        }
    }
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
        let (mut open, mut ids) = (Vec::new(), Ids::default());
        for line in &lines {
            let (read, payment, issued_at) = read_line(line).ok_or_else(|| {
                RoleError::Unsound(format!("`{}` holds a line that is no quote", path.display()))
            })?;
            if now < issued_at.plus(ID_KEPT) {
                ids.keep(&read.client, payment, issued_at);
            }
            if now < read.expires_at {
                open.push(read);
            }
        }
        Ok(Self { open, of_client_max, log, ids })
    }

    /// Hands a quote out: durable when this returns. Stopped before, nobody has it.
    pub(super) fn take(
        &mut self,
        client: &str,
        quote: &Quote,
        signed: &Signed<Quote>,
    ) -> Result<(), DeskRefusal> {
        if !self.ids.is_free_for(client, quote.payment, quote.issued_at) {
            return Err(DeskRefusal::NotYours(quote.payment));
        }
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
        self.ids.keep(client, quote.payment, quote.issued_at);
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

fn read_line(line: &str) -> Option<(Open, PaymentId, Instant)> {
    let (client, quote) = line.rsplit_once(' ')?;
    let signed = Signed::<Quote>::from_bytes(&from_base64url(quote)?).ok()?;
    let quote = signed.read_unverified().ok()?;
    let (client, credit, expires_at) = (client.to_owned(), quote.credit, quote.expires_at);
    Some((Open { client, credit, expires_at }, quote.payment, quote.issued_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_id_is_its_first_clients_for_a_day() {
        let (mut ids, id) = (Ids::default(), PaymentId::from_bytes([7; 16]));
        let at = |seconds| Instant::from_seconds(1_000_000 + seconds);
        assert!(ids.is_free_for("a", id, at(0)));
        ids.keep("a", id, at(0));
        let day = ID_KEPT.as_secs();
        // Who asked first, when, and whether it is quoted the id.
        let table = [
            ("a", 1, true),
            ("b", 1, false),
            ("a", day, true),
            ("b", day - 1, false),
            ("b", day, true),
        ];
        for (client, seconds, free) in table {
            assert_eq!(ids.is_free_for(client, id, at(seconds)), free, "{client} after {seconds}");
        }
        for n in 0..2 * IDS_SWEPT_AT {
            let mut other = [0; 16];
            other[..8].copy_from_slice(&n.to_be_bytes());
            ids.keep("c", PaymentId::from_bytes(other), at(day + 5));
        }
        assert!(!ids.of.contains_key(&id), "forgotten when it may be anybody's");
        assert_eq!(ids.of.len(), 2 * IDS_SWEPT_AT, "what is kept is kept");
    }
}
