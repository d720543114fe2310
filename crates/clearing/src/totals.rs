//! Depth 3 of a replay: what the totals of a permit's limits stood at when its payment settled.
//!
//! The book's facts are folded again, by the one `apply`, up to the payment's own: its limit claims
//! are compared with what the ledger counted in the writer's turn, at that position. There are no
//! advisory totals: this findings layer knows none, and what bounds a total is a claim.

use journal::Machine;
use ledger::{Change, Resolved, Transaction};
use record::{DecisionRecord, Fact, FindingValue, LimitClaim, Settled, Side};
use terms::{BookName, Environment, Instant, InstitutionName, Minor, Position};

use crate::settlement::judge::velocity;
use crate::settlement::{SettlementBook, SettlementConfig};

/// A fold that waits for one payment.
#[derive(Debug)]
pub struct Recount<'a> {
    book: SettlementBook,
    record: &'a DecisionRecord,
}

/// The totals at a payment's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recounted {
    /// Where the payment stands.
    pub position: Position,
    /// What each claim of the record came to, in its order.
    pub totals: Vec<CountedTotal>,
    /// The first thing that is not as the record says: what, recorded, counted.
    pub difference: Option<(String, String, String)>,
}

/// One claim, and its total.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedTotal {
    /// The claim.
    pub claim: LimitClaim,
    /// The total before the payment, in minor units of the claim's asset.
    pub before: Minor,
    /// The total with it.
    pub after: Minor,
}

impl<'a> Recount<'a> {
    /// From an empty book. Neither operator nor roots are asked in a fold.
    #[must_use]
    pub fn of(environment: Environment, book: BookName, record: &'a DecisionRecord) -> Self {
        let operator: InstitutionName = record.institution;
        let roots = std::collections::BTreeMap::new();
        let config = SettlementConfig { environment, book, operator, roots };
        Self { book: SettlementBook::new(config), record }
    }

    /// One fact further; the totals, once it is the payment's own.
    ///
    /// # Errors
    /// In words: the payment's fact does not read.
    pub fn next(
        &mut self,
        position: Position,
        stamp: Instant,
        fact: &Fact,
    ) -> Result<Option<Recounted>, String> {
        let Some(settled) = self.own(fact)? else {
            self.book.apply(position, stamp, fact);
            return Ok(None);
        };
        self.is_of(&settled)?;
        let change: Change =
            seal::from_canonical(&settled.postings).map_err(|error| error.to_string())?;
        let Resolved::Posted { transaction, .. } = change.resolved() else {
            return Err("expected the payment's postings".to_owned());
        };
        let before = self.totals(transaction, stamp);
        self.book.apply(position, stamp, fact);
        let after = self.totals(transaction, stamp);
        let claims = self.record.limits.iter().cloned().zip(before.into_iter().zip(after));
        let totals: Vec<CountedTotal> =
            claims.map(|(claim, (before, after))| CountedTotal { claim, before, after }).collect();
        let difference = totals.iter().find_map(|one| self.difference(one, transaction));
        Ok(Some(Recounted { position, totals, difference }))
    }

    /// The fact, if it is the settlement of the record's payment.
    fn own(&self, fact: &Fact) -> Result<Option<Settled>, String> {
        if !Settled::is_kind(fact.kind) {
            return Ok(None);
        }
        let settled = Settled::of_fact(fact).map_err(|error| error.to_string())?;
        Ok((settled.ended.payment == self.record.payment).then_some(settled))
    }

    /// The settlement must rest on this very decision: a refusal, or an earlier decision on the
    /// same payment, has no totals to count, and a claim that was left out would be missed.
    fn is_of(&self, settled: &Settled) -> Result<(), String> {
        let signed = match self.record.side {
            Side::Debtor => &settled.debtor_permit,
            Side::Creditor => &settled.creditor_permit,
        };
        let permit = signed.read_unverified().map_err(|error| error.to_string())?;
        let rests = (permit.terms, permit.mark, permit.decided_at, permit.basis.pack)
            == (self.record.terms, self.record.edge, self.record.decided_at, self.record.pack);
        if rests && permit.limits.len() == self.record.limits.len() {
            return Ok(());
        }
        Err("the payment settled on another decision than this record".to_owned())
    }

    /// What the totals of the record's claims stand at now.
    fn totals(&self, transaction: &Transaction, stamp: Instant) -> Vec<Minor> {
        let total = |claim: &LimitClaim| {
            let limit = velocity(self.record.institution, claim);
            let bucket = limit.bucket(transaction.business_date, stamp);
            self.book.ledger().counter(&bucket).amount
        };
        self.record.limits.iter().map(total).collect()
    }

    fn difference(
        &self,
        total: &CountedTotal,
        transaction: &Transaction,
    ) -> Option<(String, String, String)> {
        let claim = &total.claim;
        let limit = velocity(self.record.institution, claim);
        let part = |what: &str| format!("limit {}: {what}", claim.key);
        let differ = |what: &str, recorded: String, counted: String| {
            (recorded != counted).then(|| (part(what), recorded, counted))
        };
        let posted = transaction.claims.iter().find(|posted| {
            let posted = posted.limit;
            (posted.key, posted.asset, posted.period) == (limit.key, limit.asset, limit.period)
        });
        let Some(posted) = posted else {
            return Some((part("claim"), claim.amount.to_string(), "not counted".to_owned()));
        };
        let units = |minor: Minor| minor.units().to_string();
        let counted = total.after.units().saturating_sub(total.before.units());
        differ("at most", units(claim.amount.minor), units(posted.limit.amount_max))
            .or_else(|| differ("this payment", self.amount(), counted.to_string()))
            .or_else(|| {
                let exceeded = total.after > claim.amount.minor;
                exceeded.then(|| (part("total"), units(claim.amount.minor), units(total.after)))
            })
    }

    /// The amount that the rules were told.
    fn amount(&self) -> String {
        let amount = self.record.findings.iter().find(|finding| finding.name == AMOUNT);
        match amount.map(|finding| &finding.value) {
            Some(FindingValue::Number(amount)) => amount.to_string(),
            Some(FindingValue::Flag(_) | FindingValue::Text(_) | FindingValue::Texts(_)) | None => {
                "nothing".to_owned()
            }
        }
    }
}

/// The finding that says what is paid on the deciding side, in minor units.
const AMOUNT: &str = "amount";
