//! What stands beside the money, as it is typed.

use anyhow::{Context, anyhow, bail, ensure};
use ledger::{Claim, Datum, Detail, Key, Link, Marks, Tags, Value, VelocityLimit};
use ledger_server::{PersonalKeys, limits};
use seal::text::from_hex_array;
use terms::{AssetCode, Minor, PaymentId, QuoteId, TransactionId};

use super::ids::Given;
use super::money::parse;
use super::rows::instant;
use crate::cli::ledger::{BesideArgs, BoundArgs, MarkArgs};

/// `KEY=VALUE`; what is not of that form is not shown, because it may be about a person.
fn pair<'a>(text: &'a str, like: &str) -> anyhow::Result<(&'a str, &'a str)> {
    text.split_once('=').with_context(|| format!("expected `{like}`, got no `=`"))
}

/// Metadata, effective time and code; what is about persons is sealed here.
pub(super) fn detail(
    args: &BesideArgs,
    transaction: TransactionId,
    keys: &PersonalKeys,
) -> anyhow::Result<Option<Box<Detail>>> {
    let mut metadata = Vec::new();
    let mut put = |key: &str, value| -> anyhow::Result<()> {
        metadata.push(Datum { key: key.parse()?, value });
        Ok(())
    };
    for text in &args.note {
        let (key, words) = pair(text, "KEY=TEXT")?;
        put(key, Value::Text(words.to_owned()))?;
    }
    for text in &args.number {
        let (key, number) = pair(text, "KEY=NUMBER")?;
        let number = number.parse();
        put(key, Value::Integer(number.with_context(|| format!("a whole number in `{text}`"))?))?;
    }
    for text in &args.personal {
        let (slot, rest) = text.split_once(':').context("expected `SLOT:KEY=TEXT`")?;
        let (key, words) = pair(rest, "SLOT:KEY=TEXT")?;
        let key_slot = slot.parse().ok().context("expected a slot's number before `:KEY=TEXT`")?;
        put(key, sealed(keys, key_slot, transaction, key, words)?)?;
    }
    let effective = args.effective.as_deref().map(instant).transpose()?;
    let detail = Detail { effective, code: args.code, metadata };
    Ok((detail != Detail::default()).then(|| Box::new(detail)))
}

/// Words about a person, sealed for their place.
pub(super) fn sealed(
    keys: &PersonalKeys,
    key_slot: u32,
    transaction: TransactionId,
    key: &str,
    words: &str,
) -> anyhow::Result<Value> {
    let key: Key = key.parse()?;
    let sealed = keys.seal(key_slot, transaction, &key, words)?;
    Ok(Value::Personal { key_slot, sealed })
}

/// `payment=ID`, `quote=ID`, `returns=TXN`, `refunds=TXN`, `corrects=TXN`.
pub(super) fn link(text: &str) -> anyhow::Result<Link> {
    let (kind, id) = pair(text, "KIND=ID")?;
    let bare = |prefix: &str| {
        let bytes = from_hex_array(id.strip_prefix(prefix).unwrap_or(id));
        bytes.with_context(|| format!("expected `{prefix}` and 32 hex digits, got `{id}`"))
    };
    let transaction = || {
        let given: Result<Given<TransactionId>, String> = id.parse();
        given.map(|given| given.id).map_err(|why| anyhow!(why))
    };
    Ok(match kind {
        "payment" => Link::Payment(PaymentId::from_bytes(bare(PaymentId::PREFIX)?)),
        "quote" => Link::Quote(QuoteId::from_bytes(bare(QuoteId::PREFIX)?)),
        "returns" => Link::Returns(transaction()?),
        "refunds" => Link::Refunds(transaction()?),
        "corrects" => Link::Corrects(transaction()?),
        other => bail!(
            "expected a link of kind `payment`, `quote`, `returns`, `refunds` or `corrects`, got \
             `{other}`"
        ),
    })
}

pub(super) fn links(args: &BoundArgs) -> anyhow::Result<Vec<Link>> {
    args.link.iter().map(|text| link(text)).collect()
}

/// `KEY,PERIOD,AMOUNT,COUNT`.
fn limit(text: &str, asset: AssetCode) -> anyhow::Result<VelocityLimit> {
    let parts: Vec<&str> = text.split(',').collect();
    let [key, period, amount, count] = parts.as_slice() else {
        bail!("expected `KEY,PERIOD,AMOUNT,COUNT`, got `{text}`");
    };
    Ok(VelocityLimit {
        key: limits::limit_key(key).context("expected a key of 1 to 128 characters")?,
        asset,
        period: limits::period(period)
            .with_context(|| format!("expected {}, got `{period}`", limits::PERIODS))?,
        amount_max: parse(amount, asset)?,
        count_max: count.parse().with_context(|| format!("a count in `{text}`"))?,
        besides: None,
    })
}

pub(super) fn bounds(args: &BoundArgs, asset: AssetCode) -> anyhow::Result<Vec<VelocityLimit>> {
    args.limit.iter().map(|text| limit(text, asset)).collect()
}

/// What counts into each limit: an amount that is known before it is sent.
pub(super) fn claims(
    args: &BoundArgs,
    asset: AssetCode,
    amount: Option<Minor>,
) -> anyhow::Result<Vec<Claim>> {
    ensure!(
        args.limit.is_empty() || amount.is_some(),
        "`--limit` counts an amount: the first line names `12.50` or `up-to:12.50`"
    );
    let amount = amount.unwrap_or(Minor::ZERO);
    let limits = bounds(args, asset)?;
    Ok(limits.into_iter().map(|limit| Claim { limit, amount }).collect())
}

pub(super) fn marks(args: &MarkArgs) -> anyhow::Result<Option<Marks>> {
    let tags = Tags::of(args.tag.iter().copied())?;
    Ok(Marks { code: args.code, tags }.if_any())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_limits_are_read_or_named() {
        let id = "07".repeat(16);
        let payment = Link::Payment(PaymentId::from_bytes([7; 16]));
        assert_eq!(link(&format!("payment={id}")).unwrap(), payment);
        assert_eq!(link(&format!("payment=pay_{id}")).unwrap(), payment);
        assert!(matches!(link("refunds=rent").unwrap(), Link::Refunds(_)));
        for bad in ["payment", "payment=x", "gift=rent", "returns="] {
            assert!(link(bad).is_err(), "{bad}");
        }
        let asset = "EUR.2@x".parse().unwrap();
        let read = limit("alice,rolling_days:7,10.50,3", asset).unwrap();
        assert_eq!((read.amount_max, read.count_max), (Minor::new(1050), 3));
        for bad in ["alice,month,1", "alice,week,1,1", "alice,month,1.005,1", ",month,1,1"] {
            assert!(limit(bad, asset).is_err(), "{bad}");
        }
    }
}
