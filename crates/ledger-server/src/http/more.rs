//! What a transaction, a hold or an account says beyond accounts and amounts: metadata, links,
//! claims, marks.

use ledger::label::METADATA_MAX;
use ledger::{
    Claim, Datum, Detail, Key, LimitKey, Link, Marks, Period, Tag, Tags, Value, VelocityLimit,
};
use seal::text::from_hex;
use serde::Deserialize;
use terms::{Amount, AssetCode, PaymentId, QuoteId, TransactionId};

use super::form::{Members, amount_of, asset, id, instant, transaction_id};
use super::problem::{FORGOTTEN, Problem, REFUSED};
use crate::limits;
use crate::personal::{PersonalError, PersonalKeys};

/// One metadata entry: `key`, and one member that says of what kind its value is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatumForm {
    key: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    integer: Option<String>,
    #[serde(default)]
    bytes: Option<String>,
    #[serde(default)]
    instant: Option<String>,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    asset: Option<String>,
    /// Text about a person: sealed under the key of `key_slot` before it is recorded.
    #[serde(default)]
    personal: Option<String>,
    /// Bytes that the client sealed itself, under its own key of `key_slot`.
    #[serde(default)]
    sealed: Option<String>,
    #[serde(default)]
    key_slot: Option<u32>,
}

/// One link: exactly one member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkForm {
    #[serde(default)]
    payment: Option<String>,
    #[serde(default)]
    quote: Option<String>,
    #[serde(default)]
    returns: Option<String>,
    #[serde(default)]
    refunds: Option<String>,
    #[serde(default)]
    corrects: Option<String>,
}

/// A velocity limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitForm {
    key: String,
    asset: String,
    period: String,
    amount_max: String,
    count_max: u32,
}

/// A velocity limit, and how much counts into it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimForm {
    key: String,
    asset: String,
    period: String,
    amount_max: String,
    count_max: u32,
    amount: String,
}

/// What forms of transactions have in common.
pub(super) struct MoreForm {
    pub(super) payment: Option<String>,
    pub(super) effective: Option<String>,
    pub(super) code: Option<u16>,
    pub(super) metadata: Option<Vec<Members<DatumForm>>>,
    pub(super) links: Option<Vec<Members<LinkForm>>>,
    pub(super) claims: Option<Vec<Members<ClaimForm>>>,
}

/// The same, read; what is about persons is not sealed yet.
#[derive(Debug)]
pub(super) struct More {
    links: Vec<Link>,
    claims: Vec<Claim>,
    detail: Detail,
    /// By the place of its entry in the metadata: the text to be sealed there.
    plain: Vec<(usize, String)>,
}

impl MoreForm {
    pub(super) fn read(self) -> Result<More, Problem> {
        let mut plain = Vec::new();
        let mut metadata = Vec::new();
        for (place, Members(form)) in self.metadata.into_iter().flatten().enumerate() {
            let within = |problem: Problem| problem.within(&format!("metadata.{place}"));
            let (datum, text) = form.datum().map_err(within)?;
            plain.extend(text.map(|text| (place, text)));
            metadata.push(datum);
        }
        let effective = self.effective.as_deref().map(|text| instant("effective", text));
        Ok(More {
            links: links(self.payment.as_deref(), self.links.as_deref())?,
            claims: each("claims", self.claims.as_deref(), ClaimForm::claim)?,
            detail: Detail { effective: effective.transpose()?, code: self.code, metadata },
            plain,
        })
    }
}

/// The last three fields of a transaction.
type Parts = (Vec<Claim>, Vec<Link>, Option<Box<Detail>>);

impl More {
    /// Whether something is to be sealed, which reads and makes files.
    pub(super) const fn is_personal(&self) -> bool {
        !self.plain.is_empty()
    }

    /// With what is about persons sealed, for that transaction.
    pub(super) fn parts(
        self,
        transaction: TransactionId,
        keys: &PersonalKeys,
    ) -> Result<Parts, Problem> {
        let Self { links, claims, mut detail, plain } = self;
        let got = detail.metadata.len();
        if got > METADATA_MAX {
            return Err(too_many(got));
        }
        for (place, text) in plain {
            let Some(Datum { key, value: Value::Personal { key_slot, sealed } }) =
                detail.metadata.get_mut(place)
            else {
                continue;
            };
            *sealed = keys.seal(*key_slot, transaction, key, &text).map_err(|error| {
                let field = format!("metadata.{place}.personal");
                match &error {
                    PersonalError::Forgotten(_) => {
                        Problem::of(&FORGOTTEN).of_field(field).detail(error.to_string())
                    }
                    PersonalError::DoesNotOpen | PersonalError::File { .. } => {
                        Problem::not_done(error.to_string())
                    }
                    PersonalError::NoEntropy(_) => Problem::not_done(error.to_string()),
                }
            })?;
        }
        let says_nothing = detail == Detail::default();
        Ok((claims, links, (!says_nothing).then(|| Box::new(detail))))
    }
}

/// What the book would say, before a key is made for what it refuses; no id is used up by it.
fn too_many(got: usize) -> Problem {
    Problem::of(&REFUSED)
        .rule("metadata_out_of_range", false)
        .of_field("metadata")
        .expected(format!("at most {METADATA_MAX}"))
        .got(got.to_string())
        .repeated(false)
}

/// Each form of a list, with its place in what is wrong with it.
pub(super) fn each<F, T>(
    name: &str,
    forms: Option<&[Members<F>]>,
    read: impl Fn(&F) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let read = |(place, Members(form)): (usize, &Members<F>)| {
        read(form).map_err(|problem| problem.within(&format!("{name}.{place}")))
    };
    forms.unwrap_or_default().iter().enumerate().map(read).collect()
}

impl DatumForm {
    /// The entry; personal text stands beside it, to be sealed.
    fn datum(self) -> Result<(Datum, Option<String>), Problem> {
        let label =
            |error: ledger::label::LabelError| Problem::field("key", error.what, &error.got);
        let key: Key = self.key.parse().map_err(label)?;
        let beside = |one: bool, name: &str, with: &str| {
            if one { Ok(()) } else { Err(Problem::field(name, with, "it alone")) }
        };
        let is_personal = self.personal.is_some() || self.sealed.is_some();
        beside(self.asset.is_none() || self.amount.is_some(), "asset", "`amount` beside it")?;
        let with = "`personal` or `sealed` beside it";
        beside(self.key_slot.is_none() || is_personal, "key_slot", with)?;
        let mut plain = None;
        let value = match (
            self.text,
            self.integer,
            self.bytes,
            self.instant,
            self.amount,
            self.personal,
            self.sealed,
        ) {
            (Some(text), None, None, None, None, None, None) => Value::Text(text),
            (None, Some(text), None, None, None, None, None) => Value::Integer(
                text.parse()
                    .map_err(|_| Problem::field("integer", "a whole number of 64 bits", &text))?,
            ),
            (None, None, Some(text), None, None, None, None) => Value::Bytes(hex("bytes", &text)?),
            (None, None, None, Some(text), None, None, None) => {
                Value::Instant(instant("instant", &text)?)
            }
            (None, None, None, None, Some(text), None, None) => {
                let asset = asset(self.asset.as_deref().unwrap_or_default())?;
                Value::Amount(Amount::new(amount_of("amount", &text, asset)?, asset))
            }
            (None, None, None, None, None, Some(text), None) => {
                plain = Some(text);
                Value::Personal { key_slot: slot(self.key_slot)?, sealed: Vec::new() }
            }
            (None, None, None, None, None, None, Some(text)) => {
                Value::Personal { key_slot: slot(self.key_slot)?, sealed: hex("sealed", &text)? }
            }
            _ => {
                let expected = "one of `text`, `integer`, `bytes`, `instant`, `amount`, \
                                `personal`, `sealed`";
                return Err(Problem::field("key", expected, "none or several"));
            }
        };
        Ok((Datum { key, value }, plain))
    }
}

fn slot(stated: Option<u32>) -> Result<u32, Problem> {
    let expected = "the number of the key that it is sealed under";
    stated.ok_or_else(|| Problem::field("key_slot", expected, "none"))
}

fn hex(field: &str, text: &str) -> Result<Vec<u8>, Problem> {
    from_hex(text).ok_or_else(|| Problem::field(field, "lower-case hex digits", text))
}

impl LinkForm {
    fn link(&self) -> Result<Link, Problem> {
        let Self { payment, quote, returns, refunds, corrects } = self;
        match (payment, quote, returns, refunds, corrects) {
            (Some(text), None, None, None, None) => {
                id("payment", text, PaymentId::PREFIX).map(PaymentId::from_bytes).map(Link::Payment)
            }
            (None, Some(text), None, None, None) => {
                id("quote", text, QuoteId::PREFIX).map(QuoteId::from_bytes).map(Link::Quote)
            }
            (None, None, Some(text), None, None) => {
                transaction_id("returns", text).map(Link::Returns)
            }
            (None, None, None, Some(text), None) => {
                transaction_id("refunds", text).map(Link::Refunds)
            }
            (None, None, None, None, Some(text)) => {
                transaction_id("corrects", text).map(Link::Corrects)
            }
            _ => {
                let expected = "one of `payment`, `quote`, `returns`, `refunds`, `corrects`";
                Err(Problem::field("links", expected, "none or several"))
            }
        }
    }
}

/// The payment first, then the list.
pub(super) fn links(
    payment: Option<&str>,
    more: Option<&[Members<LinkForm>]>,
) -> Result<Vec<Link>, Problem> {
    let payment = payment.map(|text| id("payment", text, PaymentId::PREFIX)).transpose()?;
    let first = payment.map(PaymentId::from_bytes).map(Link::Payment);
    Ok(first.into_iter().chain(each("links", more, LinkForm::link)?).collect())
}

fn limit_key(text: &str) -> Result<LimitKey, Problem> {
    limits::limit_key(text)
        .ok_or_else(|| Problem::field("key", "64 lower-case hex digits or a word", text))
}

fn period(text: &str) -> Result<Period, Problem> {
    limits::period(text).ok_or_else(|| Problem::field("period", limits::PERIODS, text))
}

fn limit(
    (key, asset_text, period_text): (&str, &str, &str),
    (amount_max, count_max): (&str, u32),
) -> Result<(VelocityLimit, AssetCode), Problem> {
    let asset = asset(asset_text)?;
    let limit = VelocityLimit {
        key: limit_key(key)?,
        asset,
        period: period(period_text)?,
        amount_max: amount_of("amount_max", amount_max, asset)?,
        count_max,
        besides: None,
    };
    Ok((limit, asset))
}

impl LimitForm {
    pub(super) fn limit(&self) -> Result<VelocityLimit, Problem> {
        let what = (self.key.as_str(), self.asset.as_str(), self.period.as_str());
        Ok(limit(what, (&self.amount_max, self.count_max))?.0)
    }
}

impl ClaimForm {
    fn claim(&self) -> Result<Claim, Problem> {
        let what = (self.key.as_str(), self.asset.as_str(), self.period.as_str());
        let (limit, asset) = limit(what, (&self.amount_max, self.count_max))?;
        Ok(Claim { limit, amount: amount_of("amount", &self.amount, asset)? })
    }
}

/// What an account is marked with.
pub(super) fn marks(code: Option<u16>, tags: Option<&[String]>) -> Result<Option<Marks>, Problem> {
    let bad = |error: ledger::label::LabelError| Problem::field("tags", error.what, &error.got);
    let tags = tags.unwrap_or_default().iter().map(|tag| tag.parse::<Tag>());
    let tags = tags.collect::<Result<Vec<Tag>, _>>().map_err(bad)?;
    Ok(Marks { code, tags: Tags::of(tags).map_err(bad)? }.if_any())
}
