//! The FX provider: firm quotes, signed, from a table of rates.
//!
//! Quoting locks nothing: whether the provider has the money is the settlement book's matter.
//! What is bounded here is how much it may have promised at one time, per client and per asset.
//! Each quote is durable in `quotes.log` before it is handed out, so a restart forgets none.

mod desk;
mod price;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use api::messages::QuoteRequest;
use api::wire::{CBOR, read_cbor};
use api::{Caller, Problem, Role, problem};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use record::{GuaranteeRequest, Quote, Rate, RateGuarantee, Signed};
use seal::{Digest, SigningKey};
use serde::{Deserialize, Serialize};
use terms::{CorridorName, Environment, Instant, ProviderName, QuoteId};
use tokio::net::TcpListener;

use self::desk::{Desk, DeskRefusal};
pub use self::desk::{EXPOSURE_MINOR_MAX, OPEN_QUOTES_PER_CLIENT_MAX, QUOTE_LIFETIME};
pub use self::price::{FeeRule, FeeTakerName, RateRow, RateTable};
use self::price::{Price, PriceRefusal, Pricing};
use super::common::{Common, RoleError};
use super::start::{blocking, disk_fault, gate, listen, named, refused, site, write_json};
use crate::keys::KeyStore;
use crate::system;
use crate::web::{Refuse, serve};

/// `role.json` of a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What every role has. The name is the provider's name in quotes and trust lists.
    #[serde(flatten)]
    pub common: Common,
    /// The corridors it quotes for.
    pub corridors: Vec<String>,
    /// What it takes for risk and service, in hundredths of a percent of the principal.
    pub margin_basis_points: u32,
    /// The fees that others take.
    pub fees: Vec<FeeRule>,
    /// Quotes that one client may have open at a time. An expired one is not open.
    #[serde(default = "open_quotes_per_client_max")]
    pub open_quotes_per_client_max: usize,
    /// How long after a quote was made its rate is guaranteed for what comes back, in seconds:
    /// an option that the provider gives away, so none unless it says so.
    #[serde(default)]
    pub rate_guarantee_seconds: u64,
}

const fn open_quotes_per_client_max() -> usize {
    OPEN_QUOTES_PER_CLIENT_MAX
}

/// Runs until `shutdown` ends.
pub async fn run(
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let listener = listen(&config.common).await?;
    run_on(listener, dir, config, shutdown).await
}

/// As [`run`], on a socket that listens already.
pub async fn run_on(
    listener: TcpListener,
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let keys = KeyStore::open(&dir)?;
    let provider = Arc::new(Provider::open(&dir, &config, &keys)?);
    let quotes = Router::new()
        .route("/v1/quotes", post(quote))
        .route("/v1/guarantees", post(guarantee))
        .with_state(provider);
    let guarded = gate(&config.common)?.only(&[Role::Wallet, Role::Edge], quotes);
    serve(listener, site(guarded, &keys)?, shutdown).await;
    Ok(())
}

/// A configuration for a sandbox: `common` with a margin of 0.30 % and two fees in EUR.
#[must_use]
pub fn example_config(common: Common, corridors: &[&str]) -> Config {
    let fee = |taker, flat_minor: &str, purpose: &str| FeeRule {
        taker,
        asset: "EUR.2@tcb-sandbox".to_owned(),
        flat_minor: flat_minor.to_owned(),
        basis_points: 0,
        purpose: purpose.to_owned(),
    };
    Config {
        common,
        corridors: corridors.iter().map(|one| (*one).to_owned()).collect(),
        margin_basis_points: 30,
        fees: vec![
            fee(FeeTakerName::DebtorInstitution, "1250", "payment across the border"),
            fee(FeeTakerName::Operator, "431", "settlement and receipt"),
        ],
        open_quotes_per_client_max: OPEN_QUOTES_PER_CLIENT_MAX,
        rate_guarantee_seconds: 24 * 3600,
    }
}

/// Writes [`example_config`] and a sandbox table of rates into `dir`.
pub fn write_example(dir: &Path, common: Common, corridors: &[&str]) -> Result<(), RoleError> {
    write_json(&dir.join("role.json"), &example_config(common, corridors))?;
    write_json(&dir.join(RATES_FILE), &RateTable::example())
}

struct Provider {
    environment: Environment,
    name: ProviderName,
    corridors: Vec<CorridorName>,
    pricing: Pricing,
    rates: PathBuf,
    key: SigningKey,
    desk: Mutex<Desk>,
}

impl Provider {
    fn open(dir: &Path, config: &Config, keys: &KeyStore) -> Result<Self, RoleError> {
        let rates = dir.join(RATES_FILE);
        RateTable::read(&rates)
            .map_err(|reason| RoleError::Configuration { path: rates.clone(), reason })?;
        let quotes = dir.join("quotes.log");
        let corridors = config.corridors.iter().map(|text| named("corridors", text));
        Ok(Self {
            environment: named("environment", &config.common.environment)?,
            name: named("name", &config.common.name)?,
            corridors: corridors.collect::<Result<_, _>>()?,
            pricing: Pricing::new(config.margin_basis_points, &config.fees)?,
            rates,
            key: keys.signing_key("quote")?,
            desk: Mutex::new(Desk::open(
                &quotes,
                system::now(),
                config.open_quotes_per_client_max,
                core::time::Duration::from_secs(config.rate_guarantee_seconds),
            )?),
        })
    }

    fn quote(&self, client: &str, request: &QuoteRequest) -> Result<Signed<Quote>, Refuse> {
        if request.layout != 1 {
            return Err(Problem::of(&problem::BAD_FIELD).expected("layout 1").into());
        }
        if !self.corridors.contains(&request.corridor) {
            let detail = format!("corridor `{}` is not quoted here", request.corridor);
            return Err(refused(detail, "ask a provider of that corridor"));
        }
        let table = RateTable::read(&self.rates).map_err(|reason| {
            tracing::error!(reason, "the table of rates cannot be read");
            Problem::of(&problem::NOT_READY).detail("the table of rates cannot be read")
        })?;
        let price = match request.at_rate_of {
            None => self.pricing.price(&table, request.credit, request.debit_asset)?,
            Some(earlier) => self.at_earlier_rate(earlier, request)?,
        };
        let id = system::time_ordered_bytes().map_err(|_| Problem::of(&problem::FAULT))?;
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        // Read within the turn: a later quote never carries an earlier time.
        let now = system::now();
        let wished = core::time::Duration::from_secs(request.good_for_seconds.into());
        let quote = Quote {
            layout: 1,
            environment: self.environment,
            quote: QuoteId::from_bytes(id),
            payment: request.payment,
            provider: self.name,
            corridor: request.corridor,
            debit: price.debit,
            credit: request.credit,
            mid: price.mid,
            principal: price.principal,
            margin: price.margin,
            fees: price.fees,
            issued_at: now,
            expires_at: now.plus(QUOTE_LIFETIME.min(wished)),
            at_rate_of: request.at_rate_of,
        };
        // INVARIANT (QuoteAddsUp): what is signed is the exact sum of its parts. A quote that did
        // not add up would be refused by the core after the customer has consented.
        if !quote.adds_up() {
            tracing::error!(quote = %quote.quote, "a quote does not add up: it is not signed");
            return Err(Problem::of(&problem::FAULT).into());
        }
        let signed = Signed::sign(&quote, &self.key);
        desk.take(client, &quote, &signed)?;
        Ok(signed)
    }
}

impl Provider {
    /// A quote that it handed out and whose rate it still guarantees, and until when. Whoever knows
    /// the digest took part in the payment.
    fn guaranteed(&self, digest: Digest) -> Result<(Quote, Instant), Refuse> {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let place = desk.place_of(digest, system::now());
        drop(desk);
        let mend = "ask for a new quote the other way round";
        let place = place.ok_or_else(|| {
            refused("no quote of ours has this digest, or its rate is guaranteed no more", mend)
        })?;
        let quote = place.read().map_err(|error| disk_fault("the quote", &error))?;
        Ok((quote, place.until))
    }

    /// The price of a refund at the rate of what it refunds, for no more than was exchanged then.
    fn at_earlier_rate(&self, earlier: Digest, request: &QuoteRequest) -> Result<Price, Refuse> {
        let (quote, _) = self.guaranteed(earlier)?;
        let mend = "ask for a new quote the other way round";
        let back = (quote.credit.asset, quote.principal.asset);
        if back != (request.debit_asset, request.credit.asset) {
            return Err(refused("the earlier quote was between other assets", mend));
        }
        if request.credit.minor > quote.principal.minor {
            let most = quote.principal.for_people();
            return Err(refused(format!("at the earlier rate {most} come back at most"), mend));
        }
        let mid = Rate {
            debit_units: quote.mid.credit_units,
            credit_units: quote.mid.debit_units,
            source: format!("the rate of quote {earlier}"),
        };
        Ok(self.pricing.price_at(mid, request.credit, request.debit_asset)?)
    }

    /// Guarantees the rate of a quote that it handed out, while that is young enough.
    fn guarantee(&self, request: &GuaranteeRequest) -> Result<Signed<RateGuarantee>, Refuse> {
        if request.layout != 1 {
            return Err(Problem::of(&problem::BAD_FIELD).expected("layout 1").into());
        }
        let (quote, valid_until) = self.guaranteed(request.quote)?;
        let now = system::now();
        let guarantee = RateGuarantee {
            layout: 1,
            environment: self.environment,
            provider: self.name,
            quote: request.quote,
            principal: quote.principal,
            credit: quote.credit,
            issued_at: now,
            valid_until,
        };
        Ok(Signed::sign(&guarantee, &self.key))
    }
}

async fn guarantee(State(provider): State<Arc<Provider>>, body: Bytes) -> Result<Response, Refuse> {
    let request: GuaranteeRequest = read_cbor(&body)?;
    let signed = blocking(move || provider.guarantee(&request)).await?;
    Ok(([("content-type", CBOR)], signed.to_bytes()).into_response())
}

async fn quote(
    State(provider): State<Arc<Provider>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Refuse> {
    let request: QuoteRequest = read_cbor(&body)?;
    let signed = blocking(move || provider.quote(caller.name(), &request)).await?;
    Ok(([("content-type", CBOR)], signed.to_bytes()).into_response())
}

impl From<PriceRefusal> for Refuse {
    fn from(refusal: PriceRefusal) -> Self {
        refused(refusal.to_string(), "ask for another amount or pair of assets")
    }
}

impl From<DeskRefusal> for Refuse {
    fn from(refusal: DeskRefusal) -> Self {
        match refusal {
            DeskRefusal::TooManyOpen { .. } | DeskRefusal::Exposure { .. } => {
                Problem::of(&problem::TOO_MANY)
                    .detail(refusal.to_string())
                    .mend("use the quotes you have, or wait until they expire")
                    .into()
            }
            DeskRefusal::NotYours(_) => {
                refused(refusal.to_string(), "make a payment id of your own")
            }
            DeskRefusal::Disk(error) => disk_fault("the quote", &error),
        }
    }
}

/// The table of rates beside `role.json`. Read at each quote: a new table takes effect at once.
const RATES_FILE: &str = "rates.json";
