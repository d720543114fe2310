//! Edge instances: they join, account for every number of their count, and leave.
//!
//! The count of one instance is dense and so are its accounts: each begins where the last ended,
//! and the closing names the end and the chain over all of them. A number that was left out can
//! therefore not be passed over; it stands here as missing.

use std::collections::BTreeMap;

use journal::Checked;
use minicbor::{Decode, Encode};
use record::edges::{
    ACCOUNT_MARKS_MAX, ACCOUNT_NUMBERS_MAX, EDGE_ACCOUNTED, EDGE_CLOSED, chained, is_instance_of,
};
use record::settlement::EDGE_JOINED;
use record::{
    EdgeAccount, EdgeClosing, EdgeMark, EdgeNotice, Fact, Heading, Permit, SaltSlot, Side, Signed,
    Snapshot, SpentNumber, SpentOn, StatusMark,
};
use seal::Digest;
use terms::{EdgeName, Environment, Instant, InstitutionName, PaymentId, Sequence};

use self::compared::Compared;
use super::{SettlementAnswer, SettlementBook, done, not_accepted, signed_document};
use crate::rule::{Rule, RuleName};

pub mod compared;

/// Status lists remembered per institution: an issuer has a few.
const STATUS_LISTS_MAX: usize = 1_024;
/// Bytes of a status list's URI.
const URI_BYTES_MAX: usize = 512;

/// What an edge instance asks. The caller has verified the signatures.
#[derive(Clone, Debug)]
pub enum EdgeWork {
    /// Account for the next numbers.
    Account(Signed<EdgeAccount>),
    /// Leave.
    Close(Signed<EdgeClosing>),
}

/// All instances that ever joined, and what an instance must know before it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Instances {
    #[n(0)]
    all: BTreeMap<EdgeName, EdgeStanding>,
    #[n(1)]
    status_lists: BTreeMap<InstitutionName, BTreeMap<String, Seen>>,
    #[n(2)]
    snapshots: BTreeMap<InstitutionName, Signed<Snapshot>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Seen {
    #[n(0)]
    issued_at: Instant,
    #[n(1)]
    digest: Digest,
}

/// How one instance stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EdgeStanding {
    /// Whose it is.
    #[n(0)]
    pub institution: InstitutionName,
    /// When it joined.
    #[n(1)]
    pub joined_at: Instant,
    /// Its first number.
    #[n(2)]
    pub first: Sequence,
    /// The next number to be accounted for: all before are.
    #[n(3)]
    pub accounted: Sequence,
    /// The number after the highest that a payment's fact names.
    #[n(4)]
    pub seen: Sequence,
    /// The chain over its accounts.
    #[n(5)]
    pub chain: Digest,
    /// Numbers spent on permits, refusals, referrals and nothing.
    #[n(6)]
    pub spent: [u64; 4],
    /// When it left, and the number after its last.
    #[n(7)]
    pub closed: Option<Closed>,
    /// Its numbers, compared with what the payments' facts name.
    #[n(8)]
    pub compared: Compared,
}

/// The end of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Closed {
    /// When.
    #[n(0)]
    pub at: Instant,
    /// The number after the last.
    #[n(1)]
    pub end: Sequence,
}

impl EdgeStanding {
    /// The numbers that are known to be spent and not accounted for, first and one past the last.
    #[must_use]
    pub fn missing(&self) -> Option<(Sequence, Sequence)> {
        (self.accounted < self.seen).then_some((self.accounted, self.seen))
    }
}

impl Instances {
    /// All instances, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = (&EdgeName, &EdgeStanding)> {
        self.all.iter()
    }

    /// One instance.
    #[must_use]
    pub fn get(&self, edge: EdgeName) -> Option<&EdgeStanding> {
        self.all.get(&edge)
    }

    /// The snapshot in force for an institution, as it was signed.
    #[must_use]
    pub fn snapshot(&self, institution: InstitutionName) -> Option<&Signed<Snapshot>> {
        self.snapshots.get(&institution)
    }

    /// The newest status lists that any instance of an institution saw.
    #[must_use]
    pub fn status_lists(&self, institution: InstitutionName) -> Vec<StatusMark> {
        let lists = self.status_lists.get(&institution).into_iter().flatten();
        lists
            .map(|(uri, seen)| StatusMark {
                uri: uri.clone(),
                issued_at: seen.issued_at,
                digest: seen.digest,
            })
            .collect()
    }

    pub(super) fn snapshot_published(
        &mut self,
        institution: InstitutionName,
        signed: Signed<Snapshot>,
    ) {
        self.snapshots.insert(institution, signed);
    }

    /// Notes the numbers that a payment's fact names.
    pub(super) fn saw(&mut self, heading: &Heading) {
        for mark in [heading.debtor_edge, heading.creditor_edge].into_iter().flatten() {
            if let Some(standing) = self.all.get_mut(&mark.edge) {
                standing.seen = standing.seen.max(record::edges::number_after(mark.sequence));
            }
        }
    }

    /// Notes on which payment a fact says that its numbers were spent, and on what.
    pub(super) fn named(&mut self, heading: &Heading, payment: PaymentId, spent_on: SpentOn) {
        for mark in [heading.debtor_edge, heading.creditor_edge].into_iter().flatten() {
            if let Some(standing) = self.all.get_mut(&mark.edge) {
                standing.compared.named(mark.sequence, SpentNumber { payment, spent_on });
            }
        }
    }

    fn joined(&mut self, stamp: Instant, notice: &EdgeNotice) {
        let first = notice.mark.sequence;
        self.all.entry(notice.mark.edge).or_insert(EdgeStanding {
            institution: notice.institution,
            joined_at: stamp,
            first,
            accounted: first,
            seen: first,
            chain: Digest::ZERO,
            spent: [0; 4],
            closed: None,
            compared: Compared::default(),
        });
    }

    fn accounted(&mut self, account: &EdgeAccount, digest: Digest) {
        let lists = self.status_lists.entry(account.institution).or_default();
        for mark in &account.status_lists {
            let seen = Seen { issued_at: mark.issued_at, digest: mark.digest };
            let known = lists.get(&mark.uri);
            if known.is_none_or(|known| known.issued_at < seen.issued_at) {
                lists.insert(mark.uri.clone(), seen);
            }
        }
        let Some(standing) = self.all.get_mut(&account.mark.edge) else { return };
        for number in &account.numbers {
            standing.compared.accounted(standing.accounted, *number);
            standing.accounted = record::edges::number_after(standing.accounted);
            let [permits, refusals, referrals, nothing] = &mut standing.spent;
            let count = match number.spent_on {
                SpentOn::Permit => permits,
                SpentOn::Refusal => refusals,
                SpentOn::Referral => referrals,
                SpentOn::Nothing => nothing,
            };
            *count = count.saturating_add(1);
        }
        standing.chain = chained(standing.chain, digest);
    }

    fn closed(&mut self, stamp: Instant, closing: &EdgeClosing) {
        if let Some(standing) = self.all.get_mut(&closing.mark.edge) {
            standing.closed = Some(Closed { at: stamp, end: closing.mark.sequence });
        }
    }

    /// How an instance that is still in its count stands.
    fn serving(
        &self,
        (environment, here): (Environment, Environment),
        institution: InstitutionName,
        mark: EdgeMark,
    ) -> Result<&EdgeStanding, String> {
        let edge = mark.edge;
        match self.all.get(&edge) {
            _ if environment != here => Err("it is of another environment".to_owned()),
            None => Err(format!("edge `{edge}` has not joined")),
            Some(standing) if standing.institution != institution => {
                Err(format!("edge `{edge}` belongs to `{}`", standing.institution))
            }
            Some(standing) if standing.closed.is_some() => {
                Err(format!("edge `{edge}` has left: its count is closed"))
            }
            Some(standing) => Ok(standing),
        }
    }
}

impl SettlementBook {
    /// The edge instances.
    #[must_use]
    pub const fn instances(&self) -> &Instances {
        &self.instances
    }

    pub(super) fn join_edge(
        &self,
        slot: SaltSlot,
        signed: &Signed<EdgeNotice>,
    ) -> Checked<SettlementAnswer> {
        let Ok(notice) = signed.read_unverified() else {
            return not_accepted("the edge notice does not read".to_owned());
        };
        if notice.environment != self.environment {
            return not_accepted("the edge notice is of another environment".to_owned());
        }
        let (edge, first) = (notice.mark.edge, notice.mark.sequence);
        let listed = self
            .trust
            .institution(notice.institution)
            .is_some_and(|entry| entry.edges.contains(&edge));
        match self.instances.get(edge) {
            Some(known) if known.institution != notice.institution => {
                not_accepted(format!("edge `{edge}` belongs to `{}`", known.institution))
            }
            Some(known) if known.closed.is_some() => {
                not_accepted(format!("edge `{edge}` has left: its name is not used again"))
            }
            Some(_) if self.edges.get(&edge) == Some(signed) => done(),
            Some(known) if known.first != first => not_accepted(format!(
                "edge `{edge}` joined with number {}, got {first}: its folder is another one",
                known.first
            )),
            None if !listed && !is_instance_of(edge, notice.institution) => {
                not_accepted(format!("edge `{edge}` is not named after `{}`", notice.institution))
            }
            Some(_) | None => self.record(slot, EDGE_JOINED, signed.to_bytes()),
        }
    }

    pub(super) fn edge_work(&self, slot: SaltSlot, work: &EdgeWork) -> Checked<SettlementAnswer> {
        let judged = match work {
            EdgeWork::Account(signed) => self.judge_account(signed),
            EdgeWork::Close(signed) => self.judge_closing(signed),
        };
        match judged {
            Err(why) => not_accepted(why),
            Ok(Known::Before) => done(),
            Ok(Known::New) => match work {
                EdgeWork::Account(signed) => self.record(slot, EDGE_ACCOUNTED, signed.to_bytes()),
                EdgeWork::Close(signed) => self.record(slot, EDGE_CLOSED, signed.to_bytes()),
            },
        }
    }

    fn judge_account(&self, signed: &Signed<EdgeAccount>) -> Result<Known, String> {
        let account = signed.read_unverified().map_err(|error| error.to_string())?;
        let environments = (account.environment, self.environment);
        let standing = self.instances.serving(environments, account.institution, account.mark)?;
        let (numbers, lists) = (account.numbers.len(), account.status_lists.len());
        if account.layout != 1 {
            return Err(format!("expected an account of layout 1, got {}", account.layout));
        }
        if numbers > ACCOUNT_NUMBERS_MAX
            || lists > ACCOUNT_MARKS_MAX
            || (numbers == 0 && lists == 0)
        {
            return Err(format!(
                "expected 1 to {ACCOUNT_NUMBERS_MAX} numbers or {ACCOUNT_MARKS_MAX} lists"
            ));
        }
        if let Some(long) = account.status_lists.iter().find(|m| m.uri.len() > URI_BYTES_MAX) {
            let start: String = long.uri.chars().take(64).collect();
            return Err(format!("the name of a status list is too long: `{start}`…"));
        }
        let known = self.instances.status_lists.get(&account.institution);
        let is_known = |uri: &String| known.is_some_and(|known| known.contains_key(uri));
        let new = account.status_lists.iter().filter(|mark| !is_known(&mark.uri)).count();
        if known.map_or(0, BTreeMap::len).saturating_add(new) > STATUS_LISTS_MAX {
            return Err(format!("expected at most {STATUS_LISTS_MAX} status lists"));
        }
        let (expected, got) = (standing.accounted, account.mark.sequence);
        if got == expected {
            Ok(Known::New)
        } else if got < expected && numbers > 0 {
            // Sent again after a lost answer: what was accounted for stays as it was.
            Ok(Known::Before)
        } else {
            Err(format!("expected an account from number {expected} on, got {got}"))
        }
    }

    fn judge_closing(&self, signed: &Signed<EdgeClosing>) -> Result<Known, String> {
        let closing = signed.read_unverified().map_err(|error| error.to_string())?;
        let mark = closing.mark;
        let closed = self.instances.get(mark.edge).and_then(|standing| standing.closed);
        if closed.is_some_and(|closed| closed.end == mark.sequence) {
            return Ok(Known::Before);
        }
        let environments = (closing.environment, self.environment);
        let standing = self.instances.serving(environments, closing.institution, mark)?;
        if closing.layout != 1 {
            Err(format!("expected a closing of layout 1, got {}", closing.layout))
        } else if mark.sequence != standing.accounted {
            let (expected, got) = (standing.accounted, mark.sequence);
            Err(format!("numbers up to {expected} are accounted for, and the end is {got}"))
        } else if let Some((from, to)) = standing.missing() {
            Err(format!("numbers {from} to below {to} are not accounted for"))
        } else if closing.accounts != standing.chain {
            Err("the closing is not over the accounts that are recorded here".to_owned())
        } else {
            Ok(Known::New)
        }
    }

    /// The instance has joined, and its count was not closed before this number.
    pub(super) fn edge_in_service(&self, permit: &Permit) -> Result<(), Rule> {
        self.mark_in_service(permit.side, permit.mark, permit.institution)
    }

    pub(super) fn mark_in_service(
        &self,
        side: Side,
        mark: EdgeMark,
        institution: InstitutionName,
    ) -> Result<(), Rule> {
        let standing = self.instances.get(mark.edge);
        let standing = standing.filter(|found| found.institution == institution);
        let why = match standing.map(|standing| standing.closed) {
            Some(None) => return Ok(()),
            Some(Some(closed)) if mark.sequence < closed.end => return Ok(()),
            Some(Some(closed)) => format!("closed at number {}", closed.end),
            None => "not joined".to_owned(),
        };
        let detail = format!("{side} permit: edge `{}`: {why}", mark.edge);
        Err(Rule::new(RuleName::EdgeNotInService, detail))
    }

    pub(super) fn apply_edges(&mut self, stamp: Instant, fact: &Fact) {
        if fact.kind == EDGE_JOINED {
            let (signed, notice) = signed_document::<EdgeNotice>(fact);
            self.instances.joined(stamp, &notice);
            self.edges.insert(notice.mark.edge, signed);
        } else if fact.kind == EDGE_ACCOUNTED {
            let (signed, account) = signed_document::<EdgeAccount>(fact);
            self.instances.accounted(&account, signed.digest());
        } else {
            self.instances.closed(stamp, &signed_document::<EdgeClosing>(fact).1);
        }
    }
}

enum Known {
    New,
    Before,
}

#[cfg(test)]
mod tests;
