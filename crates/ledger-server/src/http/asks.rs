//! The resources that only answer: `GET`, with what narrows the question behind the `?`.
//!
//! Every option stands at most once, and one that a resource does not have is refused, so that a
//! mistyped filter never answers a wider question than was asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query as Pairs, State};
use axum::response::Response;
use axum::routing::get;
use http::request::Parts;
use http::{HeaderValue, header};
use ledger::{Link, Reason, Side};
use store::views::QueryError;
use terms::{AccountId, BusinessDate, Instant, Minor, PaymentId, Position, QuoteId, TransactionId};

use super::App;
use super::amounts::parse;
use super::caller::Caller;
use super::form::{account_id, id, instant, no_account};
use super::problem::{BAD_REQUEST, NOT_FOUND, NOT_READY, Problem, UNSUPPORTED};
use super::reply::ok;
use crate::query::{AsOf, EntryFilter, Freshness, Query, Said, Told, Unanswered};
use crate::questions::NotAnswered;
use crate::shown;

/// Lines of a page when nobody says how many.
const PAGE: u32 = 50;

type Answered = Result<Response, Problem>;
type Shared = State<Arc<App>>;

/// Them all.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/v1/accounts/{id}/balance", get(balance))
        .route("/v1/accounts/{id}/statement", get(statement))
        .route("/v1/accounts/{id}/holds", get(holds_of))
        .route("/v1/accounts/{id}/hold-events", get(hold_events))
        .route("/v1/holds", get(holds_by_expiry))
        .route("/v1/trial-balance", get(trial_balance))
        .route("/v1/links/{kind}/{id}", get(linked))
        .route("/v1/facts/{position}", get(fact))
        .route("/v1/position", get(position_at))
}

/// A client that may read, and what it says behind the `?`.
pub(super) struct Asker {
    pub(super) number: u32,
    options: BTreeMap<String, String>,
}

impl FromRequestParts<Arc<App>> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let number = Caller::known(parts, app)?.reads()?;
        let pairs: Pairs<Vec<(String, String)>> = Pairs::try_from_uri(&parts.uri)
            .map_err(|error| Problem::of(&BAD_REQUEST).detail(error.to_string()))?;
        let mut options = BTreeMap::new();
        for (name, value) in pairs.0 {
            if options.insert(name.clone(), value).is_some() {
                let detail = format!("the option `{name}` stands twice");
                return Err(Problem::of(&BAD_REQUEST).detail(detail));
            }
        }
        Ok(Self { number, options })
    }
}

impl Asker {
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.options.remove(name)
    }

    pub(super) fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| Problem::field(name, expected, &text))
    }

    pub(super) fn position(&mut self, name: &str) -> Result<Option<Position>, Problem> {
        let number = |text: &str| text.parse().ok().map(Position::new);
        self.read(name, "a position: a whole number", number)
    }

    fn moment(&mut self, name: &str) -> Result<Option<Instant>, Problem> {
        self.take(name).map(|text| instant(name, &text)).transpose()
    }

    fn date(&mut self, name: &str) -> Result<Option<BusinessDate>, Problem> {
        self.read(name, "a day such as `2026-11-23`", |text| text.parse().ok())
    }

    pub(super) fn limit(&mut self, usual: u32) -> Result<u32, Problem> {
        let limit = self.read("limit", "a whole number", |text| text.parse().ok())?;
        Ok(limit.unwrap_or(usual))
    }

    fn newest_first(&mut self) -> Result<bool, Problem> {
        let order = |text: &str| match text {
            "oldest" => Some(false),
            "newest" => Some(true),
            _ => None,
        };
        Ok(self.read("order", "`oldest` or `newest`", order)?.unwrap_or(false))
    }

    /// How fresh the answer must be: `fresh=now`, or `at_least=` and a position.
    fn fresh(&mut self) -> Result<Option<Freshness>, Problem> {
        let now = self.read("fresh", "`now`", |text| (text == "now").then_some(Freshness::Now))?;
        let at_least = self.position("at_least")?.map(Freshness::AtLeast);
        match (now, at_least) {
            (Some(_), Some(_)) => {
                let detail = "`fresh=now` and `at_least` do not stand together";
                Err(Problem::of(&BAD_REQUEST).detail(detail))
            }
            (now, at_least) => Ok(now.or(at_least)),
        }
    }

    /// Refuses what nobody asked for.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.options.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let detail = "this resource has no such option";
                Err(Problem::of(&BAD_REQUEST).detail(detail).got(name))
            }
        }
    }
}

impl App {
    /// Asks whoever answers.
    pub(super) async fn ask(&self, client: u32, query: Query) -> Result<Told, Problem> {
        let (sender, told) = tokio::sync::oneshot::channel();
        self.interface.questions.ask(client, query, None, move |told| {
            // Nobody waits when the client went away.
            let _ = sender.send(told);
        });
        match told.await {
            Ok(told) => told.map_err(not_answered),
            Err(_) => Err(Problem::not_done("the question was dropped")),
        }
    }

    /// Asks, and shows the answer; `of` is the account that is asked about.
    async fn show(&self, mut asker: Asker, query: Query, of: Option<AccountId>) -> Answered {
        let fresh = asker.fresh()?;
        let number = asker.number;
        asker.end()?;
        let query = match fresh {
            Some(fresh) => Query::Fresh { fresh, query: Box::new(query) },
            None => query,
        };
        let told = self.ask(number, query).await?;
        Ok(ok(&self.shown(number, &told, of).await?))
    }

    /// An answer as JSON, amounts in their assets.
    pub(super) async fn shown(
        &self,
        client: u32,
        told: &Told,
        of: Option<AccountId>,
    ) -> Result<serde_json::Value, Problem> {
        let accounts = shown::accounts(&told.said).into_iter().chain(of);
        self.assets.learn(&self.interface.handle, client, accounts).await?;
        Ok(shown::told(told, of, &|account| self.assets.of(account)))
    }
}

fn not_answered(why: NotAnswered) -> Problem {
    let text = why.to_string();
    match why {
        NotAnswered::NotReady { seen, .. } => Problem::of(&NOT_READY).detail(text).at(seen),
        NotAnswered::Busy | NotAnswered::Stopped(_) => Problem::not_done(text),
        NotAnswered::NoViews | NotAnswered::NoLog => Problem::of(&UNSUPPORTED).detail(text),
        NotAnswered::Unanswered { position, why } => match why {
            Unanswered::Views(QueryError::UnknownAccount { .. }) => {
                Problem::of(&NOT_FOUND).detail(text).at(position)
            }
            Unanswered::Views(QueryError::Cursor) => {
                Problem::field("after", "a cursor that a page of this list gave", "another text")
            }
            Unanswered::Views(QueryError::Page { max, got }) => {
                Problem::field("limit", &format!("1 to {max}"), &got.to_string())
            }
            Unanswered::AskedOfTheBook | Unanswered::FreshTwice => {
                Problem::of(&BAD_REQUEST).detail(text)
            }
            Unanswered::Views(_) | Unanswered::Contents(_) => Problem::not_done(text),
        },
    }
}

async fn metrics(State(app): Shared, asker: Asker) -> Answered {
    asker.end()?;
    let questions = &app.interface.questions;
    let text = questions.snapshot().text(questions.figures());
    let mut response = Response::new(Body::from(text));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

async fn balance(State(app): Shared, mut asker: Asker, Path(account): Path<String>) -> Answered {
    let account = account_id("id", &account)?;
    let position = asker.position("position")?.map(AsOf::Position);
    let time = asker.moment("time")?.map(AsOf::LedgerTime);
    let effective = asker.moment("effective")?.map(AsOf::EffectiveTime);
    let mut said = position.into_iter().chain(time).chain(effective);
    let as_of = said.next().unwrap_or(AsOf::Now);
    if said.next().is_some() {
        let detail = "`position`, `time` and `effective` do not stand together";
        return Err(Problem::of(&BAD_REQUEST).detail(detail));
    }
    app.show(asker, Query::Balance { account, as_of }, Some(account)).await
}

async fn statement(State(app): Shared, mut asker: Asker, Path(account): Path<String>) -> Answered {
    let account = account_id("id", &account)?;
    app.assets.learn(&app.interface.handle, asker.number, [account].into_iter()).await?;
    let asset = app.assets.of(account).ok_or_else(|| no_account(account))?;
    let decimal = |text: &str| parse(text, asset.exponent());
    let amount = |asker: &mut Asker, name| -> Result<Option<Minor>, Problem> {
        asker.read(name, &format!("a decimal of {asset}"), decimal)
    };
    let counterparty = asker.take("counterparty");
    let filter = EntryFilter {
        side: asker.read("side", "`debit` or `credit`", Side::named)?,
        from: asker.moment("from")?,
        until: asker.moment("until")?,
        effective_from: asker.moment("effective_from")?,
        effective_until: asker.moment("effective_until")?,
        first_date: asker.date("first_date")?,
        last_date: asker.date("last_date")?,
        amount_min: amount(&mut asker, "amount_min")?,
        amount_max: amount(&mut asker, "amount_max")?,
        reason: asker.read("reason", "a reason", Reason::named)?,
        code: asker.read("code", "0 to 65535", |text| text.parse().ok())?,
        counterparty: counterparty.map(|text| account_id("counterparty", &text)).transpose()?,
    };
    let query = Query::Entries {
        account,
        filter,
        newest_first: asker.newest_first()?,
        after: asker.take("after"),
        limit: asker.limit(PAGE)?,
    };
    app.show(asker, query, Some(account)).await
}

async fn holds_of(State(app): Shared, mut asker: Asker, Path(account): Path<String>) -> Answered {
    let account = account_id("id", &account)?;
    let (after, limit) = (asker.take("after"), asker.limit(PAGE)?);
    app.show(asker, Query::OpenHoldsOf { account, after, limit }, Some(account)).await
}

async fn hold_events(
    State(app): Shared,
    mut asker: Asker,
    Path(account): Path<String>,
) -> Answered {
    let account = account_id("id", &account)?;
    let (newest_first, after) = (asker.newest_first()?, asker.take("after"));
    let limit = asker.limit(PAGE)?;
    app.show(asker, Query::HoldEvents { account, newest_first, after, limit }, Some(account)).await
}

async fn holds_by_expiry(State(app): Shared, mut asker: Asker) -> Answered {
    let (until, after) = (asker.moment("until")?, asker.take("after"));
    let limit = asker.limit(PAGE)?;
    app.show(asker, Query::HoldsByExpiry { until, after, limit }, None).await
}

async fn trial_balance(State(app): Shared, mut asker: Asker) -> Answered {
    let date = asker.date("date")?;
    let date =
        date.ok_or_else(|| Problem::field("date", "a day such as `2026-11-23`", "nothing"))?;
    let by = |text: &str| match text {
        "asset" => Some(false),
        "account" => Some(true),
        _ => None,
    };
    let query = if asker.read("by", "`asset` or `account`", by)?.unwrap_or(false) {
        Query::TrialOfAccounts { date, after: asker.take("after"), limit: asker.limit(PAGE)? }
    } else {
        Query::TrialBalance(date)
    };
    app.show(asker, query, None).await
}

async fn linked(
    State(app): Shared,
    asker: Asker,
    Path((kind, text)): Path<(String, String)>,
) -> Answered {
    let link = match kind.as_str() {
        "payment" => Link::Payment(PaymentId::from_bytes(id("id", &text, PaymentId::PREFIX)?)),
        "quote" => Link::Quote(QuoteId::from_bytes(id("id", &text, QuoteId::PREFIX)?)),
        "returns" | "refunds" | "corrects" => {
            let of = TransactionId::from_bytes(id("id", &text, TransactionId::PREFIX)?);
            match kind.as_str() {
                "returns" => Link::Returns(of),
                "refunds" => Link::Refunds(of),
                _ => Link::Corrects(of),
            }
        }
        _ => {
            let expected = "`payment`, `quote`, `returns`, `refunds` or `corrects`";
            return Err(Problem::field("kind", expected, &kind));
        }
    };
    app.show(asker, Query::Linked(link), None).await
}

async fn fact(State(app): Shared, asker: Asker, Path(position): Path<String>) -> Answered {
    let bad = |_| Problem::field("position", "a whole number", &position);
    let at = position.parse::<u64>().map_err(bad)?;
    let client = asker.number;
    asker.end()?;
    let told = app.ask(client, Query::Fact(Position::new(at))).await?;
    if matches!(&told.said, Said::Facts { facts, .. } if facts.is_empty()) {
        let detail = format!("there is no fact at position `{at}` yet");
        return Err(Problem::of(&NOT_FOUND).detail(detail).at(told.position));
    }
    Ok(ok(&app.shown(client, &told, None).await?))
}

async fn position_at(State(app): Shared, mut asker: Asker) -> Answered {
    let time = asker.moment("time")?;
    let time = time.ok_or_else(|| Problem::field("time", "a moment of RFC 3339", "nothing"))?;
    app.show(asker, Query::PositionAt(time), None).await
}
