//! The writer's turn: what depends on time and on the book, and the postings of a payment.

use core::time::Duration;

use ledger::{
    Available, Change, Claim, Command, Entry, LimitKey, Link, Period, Reason, Side as EntrySide,
    Transaction, VelocityLimit,
};
use record::{Action, FeeTaker, LimitClaim, LimitPeriod, PERMIT_SECONDS_MAX, Permit, Quote, Side};
use seal::{Domain, digest};
use terms::{AccountId, Amount, Instant, InstitutionName, Minor};

use super::{AccountUse, PackKey, SettlementAccountKey, SettlementBook};
use crate::after::Original;
use crate::customers::transaction_of;
use crate::order::CheckedOrder;
use crate::rule::{Rule, RuleName, same};

/// How far an edge's clock may be ahead of the writer's stamp, in seconds.
const CLOCK_AHEAD_SECONDS_MAX: u64 = 5;
/// Domain of limit keys.
const LIMIT_KEY: Domain = Domain::new("wayleave/limit-key/v1");

impl SettlementBook {
    /// Judges an order at `stamp`: the postings, or the first rule that refuses.
    pub(super) fn judge(&self, stamp: Instant, order: &CheckedOrder) -> Result<Change, Rule> {
        let terms = &order.terms;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, terms.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, terms.book)?;
        for side in [Side::Debtor, Side::Creditor] {
            self.signer_in_force(order, side)?;
            self.edge_in_service(order.permit(side))?;
            self.basis_in_force(stamp, order.permit(side))?;
        }
        self.order_not_suspended(stamp, order)?;
        for side in [Side::Debtor, Side::Creditor] {
            permit_bounded(order.permit(side), order.quote.expires_at)?;
        }
        // Before the permits' own time: they never outlive their quote, so its end is what to tell.
        open(stamp, order.quote.expires_at, RuleName::QuoteExpired)?;
        for side in [Side::Debtor, Side::Creditor] {
            permit_open(stamp, order.permit(side))?;
        }
        open(stamp, order.acceptance.valid_until, RuleName::AcceptanceExpired)?;
        open(stamp, order.invoice.due_at, RuleName::InvoiceExpired)?;
        if self.quotes_used.contains(&order.quote.quote) {
            return Err(Rule::new(RuleName::QuoteUsed, order.quote.quote.to_string()));
        }
        self.link_in_turn(order)?;
        self.post(stamp, order)
    }

    /// A refund is bounded by what is left of its original, here and nowhere else.
    fn link_in_turn(&self, order: &CheckedOrder) -> Result<(), Rule> {
        match (order.terms.action, &order.original, order.given_back()?) {
            (Action::Pay, None, None) => Ok(()),
            (Action::Refund, Some(original), Some(given)) => {
                self.rest_covers(original, given.counted)
            }
            (Action::Refund, _, _) => {
                Err(Rule::new(RuleName::OriginalUnknown, "the refund's original is not at hand"))
            }
            (Action::Pay | Action::Return, _, _) => {
                let got = order.terms.action.as_str();
                Err(Rule::differs(RuleName::ActionNotServed, "action", "pay or refund", got))
            }
        }
    }

    /// The keys were checked against a view that may be older than this turn.
    pub(super) fn signer_in_force(&self, order: &CheckedOrder, side: Side) -> Result<(), Rule> {
        let checked = match side {
            Side::Debtor => &order.debtor,
            Side::Creditor => &order.creditor,
        };
        let permit = &checked.permit;
        let id = checked.key.key_id();
        let permit_key = self.trust.permit_key(permit.institution, permit.corridor, side, id);
        let quote_key = self.trust.quote_key(order.quote.provider, order.order.quote.key());
        // The creditor's institution signed the acceptance too, perhaps with another of its keys.
        let signed_beside = match side {
            Side::Debtor => permit_key,
            Side::Creditor => {
                let key = order.order.acceptance.key();
                self.trust.permit_key(permit.institution, permit.corridor, side, key)
            }
        };
        let gone = |what: &str| {
            let detail = format!("{what}: its key is not named any more");
            Err(Rule::new(RuleName::SignerNotTrusted, detail))
        };
        if permit_key != Some(checked.key) {
            gone(&format!("{side} permit"))
        } else if signed_beside.is_none() {
            gone("acceptance")
        } else if quote_key.is_none() {
            gone("quote")
        } else {
            Ok(())
        }
    }

    pub(super) fn basis_in_force(&self, stamp: Instant, permit: &Permit) -> Result<(), Rule> {
        let key = PackKey {
            institution: permit.institution,
            corridor: permit.corridor,
            side: permit.side,
            pack: permit.basis.pack,
        };
        if !self.pack_in_force(stamp, &key, permit.basis.schema, permit.owner) {
            let detail = format!("{} permit: pack `{}`", permit.side, permit.basis.pack);
            return Err(Rule::new(RuleName::PackNotInForce, detail));
        }
        let fresh = self.snapshots.get(&permit.institution).is_some_and(|entry| {
            entry.digest == permit.basis.snapshot && stamp < entry.valid_until
        });
        if fresh {
            Ok(())
        } else {
            let detail = format!("{} permit: snapshot `{}`", permit.side, permit.basis.snapshot);
            Err(Rule::new(RuleName::SnapshotTooOld, detail))
        }
    }

    fn post(&self, stamp: Instant, order: &CheckedOrder) -> Result<Change, Rule> {
        let parts = self.parts(order)?;
        self.liquid(&parts.provider_pays, RuleName::ProviderLiquidityInsufficient)?;
        self.liquid(&parts.debtor_pays, RuleName::ParticipantLiquidityInsufficient)?;
        let transaction = Transaction {
            id: transaction_of(order.terms.payment, "settlement"),
            business_date: self.business_date(stamp),
            reason: if order.original.is_some() { Reason::Refund } else { Reason::Payment },
            entries: parts.entries()?.into(),
            claims: claims(order)?,
            links: links(order),
            detail: None,
        };
        self.order_not_frozen(stamp, order)?;
        let changes = self.ledger_changes(stamp, &Command::Post(transaction))?;
        changes.into_iter().next().ok_or_else(|| {
            Rule::new(RuleName::LedgerRefuses, "the ledger knows this transaction already")
        })
    }

    /// The five movements of a payment, from the signed quote alone.
    pub(super) fn parts(&self, order: &CheckedOrder) -> Result<Parts, Rule> {
        let quote = &order.quote;
        let overflow = |_| Rule::new(RuleName::QuoteDiffers, "an amount overflows");
        let missing = || Rule::new(RuleName::QuoteDiffers, "a fee overflows");
        let own_fees = quote.fees_of(FeeTaker::DebtorInstitution).ok_or_else(missing)?;
        let operator_fees = quote.fees_of(FeeTaker::Operator).ok_or_else(missing)?;
        let provider: InstitutionName = quote
            .provider
            .as_str()
            .parse()
            .map_err(|_| Rule::new(RuleName::QuoteDiffers, "the provider has no account"))?;
        let debtor = order.debtor.permit.institution;
        let creditor = order.creditor.permit.institution;
        let moved = |owner, amount: Amount, use_for| self.movement(owner, amount, use_for);
        let net = quote.debit.minus(own_fees).map_err(overflow)?;
        let earned = quote.principal.plus(quote.margin).map_err(overflow)?;
        Ok(Parts {
            debtor_pays: moved(debtor, net, AccountUse::Settlement)?,
            provider_gets: moved(provider, earned, AccountUse::Settlement)?,
            operator_gets: if operator_fees.minor.is_zero() {
                None
            } else {
                Some(moved(self.operator, operator_fees, AccountUse::Fee)?)
            },
            provider_pays: moved(provider, quote.credit, AccountUse::Settlement)?,
            creditor_gets: moved(creditor, quote.credit, AccountUse::Settlement)?,
        })
    }

    pub(super) fn movement(
        &self,
        owner: InstitutionName,
        amount: Amount,
        use_for: AccountUse,
    ) -> Result<Movement, Rule> {
        let key = SettlementAccountKey { owner, asset: amount.asset, use_for };
        let account = self.accounts.get(&key).copied().ok_or_else(|| {
            let detail = format!("`{owner}` has no account in `{}`", amount.asset);
            Rule::new(RuleName::AccountUnknown, detail)
        })?;
        Ok(Movement { account, amount: amount.minor })
    }

    pub(super) fn liquid(&self, movement: &Movement, name: RuleName) -> Result<(), Rule> {
        let available = self.ledger.balances(movement.account).map(|b| b.available);
        match available {
            Some(Available::UpTo(most)) if most < movement.amount => {
                Err(Rule::new(name, "the settlement account's floor would be passed"))
            }
            Some(Available::UpTo(_) | Available::Unlimited) => Ok(()),
            None => Err(Rule::new(RuleName::AccountUnknown, movement.account.to_string())),
        }
    }
}

pub(super) struct Movement {
    pub(super) account: AccountId,
    pub(super) amount: Minor,
}

pub(super) fn links(order: &CheckedOrder) -> Vec<Link> {
    let mut links = vec![Link::Payment(order.terms.payment), Link::Quote(order.quote.quote)];
    let refunds =
        |original: &Original| Link::Refunds(transaction_of(original.payment(), "settlement"));
    links.extend(order.original.as_deref().map(refunds));
    links
}

pub(super) struct Parts {
    pub(super) debtor_pays: Movement,
    pub(super) provider_gets: Movement,
    pub(super) operator_gets: Option<Movement>,
    pub(super) provider_pays: Movement,
    pub(super) creditor_gets: Movement,
}

impl Parts {
    fn entries(&self) -> Result<Vec<Entry>, Rule> {
        let entry = |side, movement: &Movement| Entry {
            account: movement.account,
            side,
            amount: movement.amount,
            hold: None,
        };
        let mut entries = vec![
            entry(EntrySide::Debit, &self.debtor_pays),
            entry(EntrySide::Credit, &self.provider_gets),
        ];
        entries.extend(self.operator_gets.iter().map(|m| entry(EntrySide::Credit, m)));
        entries.push(entry(EntrySide::Debit, &self.provider_pays));
        entries.push(entry(EntrySide::Credit, &self.creditor_gets));
        Ok(entries)
    }
}

pub(crate) fn open(stamp: Instant, expires_at: Instant, name: RuleName) -> Result<(), Rule> {
    if stamp < expires_at {
        Ok(())
    } else {
        Err(Rule::new(name, format!("expired at `{expires_at}`, it is `{stamp}`")))
    }
}

/// A permit lives no longer than it may: sixty seconds, and never beyond its quote.
pub(crate) fn permit_bounded(permit: &Permit, quote_expires: Instant) -> Result<(), Rule> {
    let longest = permit.decided_at.plus(Duration::from_secs(PERMIT_SECONDS_MAX));
    let latest = longest.min(quote_expires);
    if permit.valid_until > latest {
        let expected = format!("at most {latest}");
        return Err(Rule::permit(permit.side, "valid_until", expected, permit.valid_until));
    }
    Ok(())
}

pub(crate) fn permit_open(stamp: Instant, permit: &Permit) -> Result<(), Rule> {
    decided_by_now(stamp, permit.side, permit.decided_at)?;
    open(stamp, permit.valid_until, RuleName::PermitExpired)
}

/// Else whoever sets a clock forward makes a permit that is good later than sixty seconds from now.
pub(crate) fn decided_by_now(stamp: Instant, side: Side, decided_at: Instant) -> Result<(), Rule> {
    if decided_at > stamp.plus(Duration::from_secs(CLOCK_AHEAD_SECONDS_MAX)) {
        let detail = format!("{side} permit: decided at `{decided_at}`, it is `{stamp}`");
        return Err(Rule::new(RuleName::PermitFromTheFuture, detail));
    }
    Ok(())
}

/// Limit claims of both permits, as velocity limits counted by the ledger in this very turn. A
/// claim that this payment cannot be counted into is refused: dropped, it would bound nothing.
pub(crate) fn claims(order: &CheckedOrder) -> Result<Vec<Claim>, Rule> {
    let permits = [&order.debtor.permit, &order.creditor.permit];
    permits
        .into_iter()
        .flat_map(|permit| permit.limits.iter().map(move |limit| (permit, limit)))
        .map(|(permit, limit)| claim(&order.quote, permit, limit))
        .collect()
}

fn claim(quote: &Quote, permit: &Permit, limit: &LimitClaim) -> Result<Claim, Rule> {
    let asset = limit.amount.asset;
    let moved = [quote.debit, quote.credit].into_iter().find(|amount| amount.asset == asset);
    let Some(Amount { minor: amount, .. }) = moved else {
        let expected = format!("{} or {}", quote.debit.asset, quote.credit.asset);
        return Err(Rule::permit(permit.side, "limits", expected, asset));
    };
    Ok(Claim { limit: velocity(permit.institution, limit), amount })
}

/// What an institution claims to be bounded, as the ledger counts it.
pub(crate) fn velocity(institution: InstitutionName, limit: &LimitClaim) -> VelocityLimit {
    let key = format!("{institution}\u{0}{}", limit.key);
    VelocityLimit {
        key: LimitKey(digest(LIMIT_KEY, key.as_bytes())),
        asset: limit.amount.asset,
        period: match limit.period {
            LimitPeriod::BusinessDay => Period::BusinessDay,
            LimitPeriod::Month => Period::Month,
        },
        amount_max: limit.amount.minor,
        count_max: u32::MAX,
        besides: None,
    }
}
