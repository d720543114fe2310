//! The quotes that are out: bounded per client and per asset, durable before they are handed out.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

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
/// The longest line of the log that is read: a quote of every fee that one may have is a tenth.
const LINE_MAX: u64 = 1 << 16;
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
    guaranteed: Guaranteed,
    guarantee: Duration,
    path: PathBuf,
}

/// Where the quotes stand in the log whose rates are still guaranteed: some 60 bytes each.
#[derive(Default)]
struct Guaranteed {
    at: BTreeMap<Digest, (u64, Instant)>,
    end: u64,
    sweep_at: usize,
}

impl Guaranteed {
    /// Notes the log's next line: whose quote, and until when its rate may be asked for.
    fn note(&mut self, digest: Digest, line: &str, until: Instant, now: Instant) {
        if now < until {
            self.at.insert(digest, (self.end, until));
        }
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.end = self.end.saturating_add(length).saturating_add(1);
        if self.at.len() >= self.sweep_at.max(IDS_SWEPT_AT) {
            self.at.retain(|_, (_, until)| now < *until);
            self.sweep_at = self.at.len().saturating_mul(2);
        }
    }
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

impl Open {
    const fn of(client: String, quote: &Quote) -> Self {
        Self { client, credit: quote.credit, expires_at: quote.expires_at }
    }
}

impl Desk {
    /// Reads what was handed out before; what is still open counts. Rates are guaranteed for
    /// `guarantee`.
    pub(super) fn open(
        path: &Path,
        now: Instant,
        of_client_max: usize,
        guarantee: Duration,
    ) -> Result<Self, RoleError> {
        let (log, lines) = LineLog::open(path)
            .map_err(RoleError::world(format!("opening `{}`", path.display())))?;
        let (mut open, mut ids) = (Vec::new(), Ids::default());
        let mut guaranteed = Guaranteed::default();
        for line in &lines {
            let read = read_line(line).ok_or_else(|| {
                RoleError::Unsound(format!("`{}` holds a line that is no quote", path.display()))
            })?;
            guaranteed.note(read.digest, line, read.quote.issued_at.plus(guarantee), now);
            if now < read.quote.issued_at.plus(ID_KEPT) {
                ids.keep(&read.client, read.quote.payment, read.quote.issued_at);
            }
            if now < read.quote.expires_at {
                open.push(Open::of(read.client, &read.quote));
            }
        }
        Ok(Self { open, of_client_max, log, ids, guaranteed, guarantee, path: path.to_owned() })
    }

    /// Where the quote with this digest stands in the log, if its rate is still guaranteed.
    pub(super) fn place_of(&self, digest: Digest, now: Instant) -> Option<Place> {
        let (start, until) = *self.guaranteed.at.get(&digest)?;
        (now < until).then(|| Place { path: self.path.clone(), start, until })
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
        let until = quote.issued_at.plus(self.guarantee);
        self.guaranteed.note(signed.digest(), &line, until, quote.issued_at);
        self.ids.keep(client, quote.payment, quote.issued_at);
        self.open.push(Open::of(client.to_owned(), quote));
        Ok(())
    }
}

/// Where a quote stands in the log, and until when its rate is guaranteed.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    start: u64,
    pub(super) until: Instant,
}

impl Place {
    /// Reads the quote there; the desk is not held meanwhile: what stands in the log stays.
    pub(super) fn read(&self) -> io::Result<Quote> {
        let mut file = BufReader::new(File::open(&self.path)?);
        file.seek(SeekFrom::Start(self.start))?;
        let mut line = String::new();
        file.take(LINE_MAX).read_line(&mut line)?;
        let read = read_line(line.trim_end_matches('\n'));
        let read = read.ok_or_else(|| io::Error::other("the log of quotes was altered"))?;
        Ok(read.quote)
    }
}

/// One line of the log.
struct Handed {
    client: String,
    quote: Quote,
    digest: Digest,
}

fn read_line(line: &str) -> Option<Handed> {
    let (client, quote) = line.rsplit_once(' ')?;
    let signed = Signed::<Quote>::from_bytes(&from_base64url(quote)?).ok()?;
    let quote = signed.read_unverified().ok()?;
    Some(Handed { client: client.to_owned(), quote, digest: signed.digest() })
}

#[cfg(test)]
mod tests {
    use record::Rate;
    use seal::SigningKey;
    use terms::QuoteId;

    use super::*;

    fn handed_out(number: u8, at: Instant) -> Quote {
        let amount = |minor, asset: &str| Amount::new(Minor::new(minor), asset.parse().unwrap());
        Quote {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            quote: QuoteId::from_bytes([number; 16]),
            payment: PaymentId::from_bytes([number; 16]),
            provider: "fx-dealer".parse().unwrap(),
            corridor: "nl-sg".parse().unwrap(),
            debit: amount(500, "EUR.2@tcb-sandbox"),
            credit: amount(1_000, "SGD.2@mas-sandbox"),
            mid: Rate {
                debit_units: Minor::new(1),
                credit_units: Minor::new(2),
                source: "x".repeat(usize::from(number)),
            },
            principal: amount(500, "EUR.2@tcb-sandbox"),
            margin: amount(0, "EUR.2@tcb-sandbox"),
            fees: Vec::new(),
            issued_at: at,
            expires_at: at.plus(QUOTE_LIFETIME),
            at_rate_of: None,
        }
    }

    #[test]
    fn a_quote_is_found_while_its_rate_is_guaranteed_also_after_a_restart() {
        let folder = std::env::temp_dir().join(format!("wayleave-desk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("quotes.log");
        let at = |seconds| Instant::from_seconds(1_795_000_000 + seconds);
        let hour = Duration::from_secs(3_600);
        let key = SigningKey::from_seed(&[7; 32]);
        let mut desk = Desk::open(&path, at(0), 64, hour).unwrap();
        let mut digests = Vec::new();
        for number in 1..=5 {
            let quote = handed_out(number, at(u64::from(number)));
            let signed = Signed::sign(&quote, &key);
            desk.take("lim", &quote, &signed).unwrap();
            digests.push((signed.digest(), quote));
        }
        let check = |desk: &Desk| {
            for (digest, quote) in &digests {
                let place = desk.place_of(*digest, at(60)).unwrap();
                assert_eq!(&place.read().unwrap(), quote);
                assert_eq!(place.until, quote.issued_at.plus(hour));
                assert!(desk.place_of(*digest, place.until).is_none(), "guaranteed no more");
            }
        };
        check(&desk);
        drop(desk);
        check(&Desk::open(&path, at(60), 64, hour).unwrap());
        // What is guaranteed no more is not even kept in mind.
        let late = Desk::open(&path, at(3_604), 64, hour).unwrap();
        assert_eq!(late.guaranteed.at.len(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }

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
