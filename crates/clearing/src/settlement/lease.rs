//! Leases as the settlement book grants, draws and ends them.
//!
//! A grant is one fact that holds back the bank's settlement money and the provider's. A spending
//! that the bank reports settles out of these holds as any payment settles, judged as of the
//! moment at which the bank accepted it, and is counted once. The final report frees the rest; so
//! do two persons, when the holder is gone.
//!
//! INVARIANT (LeaseHeldBack): of each open lease both holds have at least what may still be
//! reported. Guard: `a_world_of_leases_over_both_books` in `tests/lease_books.rs`.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use journal::Checked;
use ledger::{
    Ask, Change, Claim, Command, Draft, HoldState, Line, NotDone, NotDoneSource, Part, Placement,
    Reason, Rest, Side as EntrySide, Term, VoidGround,
};
use minicbor::{Decode, Encode};
use record::lease::{LEASE_ENDED, LEASE_GRANTED};
use record::{
    Ending, Fact, FactBody, Heading, LEASE_WORDS_MAX, LeaseAcceptance, LeaseConsent, LeaseDrawn,
    LeaseEnd, LeaseEnded, LeaseEndedBy, LeaseFinal, LeaseGrant, LeaseGranted, LeaseLine, LeasePack,
    LeaseSnapshot, PaymentEnded, RefusedBy, SaltSlot, Side, Signed,
};
use seal::digest::digest_of;
use seal::{Digest, Domain, to_canonical};
use terms::{Amount, HoldId, Instant, InstitutionName, Minor, PaymentId};

use super::judge::{self, Movement, Parts};
use super::{AccountUse, SettlementAnswer, SettlementBook, after, not_accepted, read};
use crate::after::CheckedByTwo;
use crate::customers::transaction_of;
use crate::lease::{Grantor, Lease, LeaseReport, LeaseTerms, Reported};
use crate::order::CheckedOrder;
use crate::rule::{Rule, RuleName, same};
use crate::trusted::open;
use crate::under_lease::{LeaseOrder, Takes};

/// Domain of the ids of the holds of leases.
const HOLD_ID: Domain = Domain::new("wayleave/lease-hold/v1");
/// Domain of what names a lease whose hold two persons let go.
const RELEASE: Domain = Domain::new("wayleave/lease-release/v1");
/// Most spendings of one lease: fewer than the parts that a hold may be posted in.
pub const LEASE_SPENDINGS_MAX: usize = 200;
/// The shortest time of a lease: shorter, and it is over before it is renewed.
pub const LEASE_SECONDS_MIN: u32 = 10;
/// The longest time of a lease.
pub const LEASE_SECONDS_MAX: u32 = 7 * 24 * 3_600;

/// What the settlement book is asked to do about leases.
#[derive(Clone, Debug)]
pub enum LeaseWork {
    /// Grant the next lease of a line.
    Grant(Box<LeaseAsk>),
    /// Settle a spending that was reported, and count it.
    Spent(Box<Spending>),
    /// Take a holder's final report: every spending was counted before.
    Report(Box<FinalReport>),
    /// End a lease whose holder is gone.
    End(Box<CheckedByTwo<LeaseEnd>>),
}

/// What a lease is asked for with, from the participant's contract.
#[derive(Clone, Debug)]
pub struct LeaseAsk {
    /// Of which line.
    pub line: LeaseLine,
    /// Most of the bank's money.
    pub debit: Minor,
    /// Most of the provider's.
    pub credit: Minor,
    /// For how long.
    pub seconds: u32,
    /// How far the clocks may be apart.
    pub skew_seconds: u32,
    /// Most of the bank's money that may be leased and not settled.
    pub exposure_max: Minor,
    /// The provider's standing consent.
    pub consent: Signed<LeaseConsent>,
}

/// A spending, as a bank reports it. The caller has checked the signature of the acceptance.
#[derive(Clone, Debug)]
pub struct Spending {
    /// The order, checked against the lease, kept under the blind of the bank's book.
    pub order: LeaseOrder,
    /// The bank's word.
    pub acceptance: Signed<LeaseAcceptance>,
    /// What it says.
    pub said: LeaseAcceptance,
}

/// A holder's final report. The caller has checked its signature.
#[derive(Clone, Debug)]
pub struct FinalReport {
    /// Whose key signed it: nobody ends another's lease.
    pub reporter: InstitutionName,
    /// The report as it was signed.
    pub signed: Signed<LeaseFinal>,
    /// What it says.
    pub said: LeaseFinal,
}

/// All leases of the settlement book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Leases {
    #[n(0)]
    lines: BTreeMap<LeaseLine, GrantorLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct GrantorLine {
    #[n(0)]
    grantor: Grantor,
    #[n(1)]
    open: BTreeMap<u64, OpenLease>,
    /// Those that two persons ended: what is reported of them later is judged by them still.
    #[n(2)]
    gone: BTreeMap<u64, LeaseGrant>,
}

/// A lease that is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenLease {
    /// The lease.
    #[n(0)]
    pub grant: LeaseGrant,
    /// The spendings that were counted.
    #[n(1)]
    pub counted: BTreeSet<PaymentId>,
    /// What they took of the bank's side.
    #[n(2)]
    pub spent: Minor,
    /// What they took of the provider's side.
    #[n(3)]
    pub credit: Minor,
}

impl Leases {
    /// Every lease that is not settled.
    pub fn open(&self) -> impl Iterator<Item = &OpenLease> {
        self.lines.values().flat_map(|line| line.open.values())
    }

    /// The leases of a line that are not settled.
    pub fn of(&self, line: LeaseLine) -> impl Iterator<Item = &OpenLease> {
        self.lines.get(&line).into_iter().flat_map(|line| line.open.values())
    }

    /// One lease that is not settled.
    #[must_use]
    pub fn get(&self, line: LeaseLine, number: u64) -> Option<&OpenLease> {
        self.lines.get(&line)?.open.get(&number)
    }

    /// A lease that is not settled, or that two persons ended: by it a spending is judged.
    #[must_use]
    pub fn granted(&self, line: LeaseLine, number: u64) -> Option<&LeaseGrant> {
        let of = self.lines.get(&line)?;
        of.open.get(&number).map(|open| &open.grant).or_else(|| of.gone.get(&number))
    }

    /// Whether a lease was granted and is settled.
    #[must_use]
    pub fn is_over(&self, line: LeaseLine, number: u64) -> bool {
        self.lines.get(&line).is_some_and(|line| line.grantor.is_over(number))
    }

    /// What is leased on a line and not settled.
    #[must_use]
    pub fn exposure(&self, line: LeaseLine) -> Minor {
        self.lines.get(&line).map_or(Minor::ZERO, |line| line.grantor.exposure())
    }

    /// Whether a command of the ledger would touch the hold of a lease.
    pub(super) fn is_of_hold(&self, command: &Command) -> bool {
        if self.lines.is_empty() {
            return false;
        }
        let is_held = |hold: HoldId| self.open().any(|one| holds_of(&one.grant).contains(&hold));
        match command {
            Command::PinHold { hold } | Command::VoidHold { hold, .. } => is_held(*hold),
            Command::Post(transaction) => {
                transaction.entries.iter().filter_map(|entry| entry.hold).any(is_held)
            }
            Command::PostDraft(draft) => {
                draft.lines.iter().filter_map(|line| line.part).any(|part| is_held(part.hold))
            }
            Command::OpenAccount(_)
            | Command::SetLimits { .. }
            | Command::SetFreeze { .. }
            | Command::SetBlocked { .. }
            | Command::CloseAccount { .. }
            | Command::ExpireHolds { .. }
            | Command::PlaceHold(_) => false,
        }
    }
}

/// The holds of a lease: of the bank's money, and of the provider's.
fn holds_of(grant: &LeaseGrant) -> [HoldId; 2] {
    [&b"debit"[..], b"credit"].map(|which| {
        let (line, number) = (to_canonical(&grant.line), grant.number.to_be_bytes());
        let digest = digest_of(HOLD_ID, &[&line, &number, which]);
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        HoldId::from_bytes(id)
    })
}

impl SettlementBook {
    /// The leases.
    #[must_use]
    pub const fn leases(&self) -> &Leases {
        &self.leases
    }

    pub(super) fn lease_work(
        &self,
        at: Instant,
        slot: SaltSlot,
        work: &LeaseWork,
    ) -> Checked<SettlementAnswer> {
        let step = match work {
            LeaseWork::Grant(ask) => self.grant_lease(at, slot, ask),
            LeaseWork::Spent(spending) => return self.spent_under(at, slot, spending),
            LeaseWork::Report(report) => self.report_lease(at, slot, report),
            LeaseWork::End(end) => self.end_lease(at, slot, end),
        };
        match step {
            Ok(facts) => Checked { facts, outcome: SettlementAnswer::Done },
            Err(rule) => not_accepted(rule.to_string()),
        }
    }

    fn grant_lease(&self, at: Instant, slot: SaltSlot, ask: &LeaseAsk) -> Result<Vec<Fact>, Rule> {
        let (line, refused) =
            (ask.line, |detail: String| Rule::new(RuleName::LeaseNotInForce, detail));
        let key = self.trust.quote_key(line.provider, ask.consent.key());
        let consent = open(&ask.consent, key)?;
        let name = RuleName::LeaseNotInForce;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, consent.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, consent.book)?;
        if consent.layout != 1 || consent.line != line {
            return Err(refused("the provider's consent is of another line".into()));
        }
        ask.fits().map_err(|detail| Rule::new(name, detail))?;
        let provider = provider_of(line)?;
        self.may_take_part(at, &[line.institution, provider], &[line.debit, line.credit])?;
        let terms = LeaseTerms {
            exposure_max: ask.exposure_max,
            skew_max: Duration::from_secs(ask.skew_seconds.into()),
        };
        let time = Duration::from_secs(ask.seconds.into());
        let mut grantor = self.leases.lines.get(&line).map(|one| one.grantor.clone());
        let grantor = grantor.get_or_insert_default();
        let lease = grantor.grant(&terms, at, ask.debit, time);
        let Lease { number, ends_at, .. } = lease.map_err(|e| refused(e.to_string()))?;
        if ends_at > consent.ends_at {
            return Err(refused(format!("the provider consented until `{}`", consent.ends_at)));
        }
        let held = self.leases.of(line).try_fold(ask.credit, |sum, one| sum.plus(one.grant.credit));
        if !held.is_ok_and(|sum| sum <= consent.ceiling) {
            return Err(refused(format!("the provider consented to {}", consent.ceiling)));
        }
        let grant = LeaseGrant {
            layout: 1,
            environment: self.environment,
            book: self.book,
            line,
            number,
            debit: ask.debit,
            credit: ask.credit,
            granted_at: at,
            ends_at,
            skew_seconds: ask.skew_seconds,
            lists: self.trust.lists().cloned().collect(),
            packs: self.packs_in_force(),
            snapshots: self.snapshots_in_force(),
        };
        let holds = self.hold_back(at, &grant, provider)?;
        let holds = holds.iter().map(|change| to_canonical(change).into()).collect();
        let body = LeaseGranted { grant, consent: ask.consent.clone(), holds };
        Ok(vec![body.to_fact(slot, Heading::default())])
    }

    fn hold_back(
        &self,
        at: Instant,
        grant: &LeaseGrant,
        provider: InstitutionName,
    ) -> Result<Vec<Change>, Rule> {
        let line = grant.line;
        let sides = [
            (line.institution, Amount::new(grant.debit, line.debit)),
            (provider, Amount::new(grant.credit, line.credit)),
        ];
        let mut changes = Vec::new();
        for ((owner, amount), id) in sides.into_iter().zip(holds_of(grant)) {
            let movement = self.movement(owner, amount, AccountUse::Settlement)?;
            let placement = Placement {
                id,
                account: movement.account,
                side: EntrySide::Debit,
                amount: movement.amount,
                term: Term::Pinned,
                business_date: self.business_date(at),
                limits: vec![],
                links: vec![],
            };
            changes.extend(self.ledger_changes(at, &Command::PlaceHold(placement))?);
        }
        Ok(changes)
    }

    /// What the holder may rely on. Not a canary: which payments it decides, the writer says.
    fn packs_in_force(&self) -> Vec<LeasePack> {
        let pack = |(key, schema): (super::PackKey, Digest)| LeasePack {
            institution: key.institution,
            corridor: key.corridor,
            side: key.side,
            pack: key.pack,
            schema,
        };
        self.active_packs().into_iter().map(pack).collect()
    }

    fn snapshots_in_force(&self) -> Vec<LeaseSnapshot> {
        let snapshot = |(institution, entry): (&InstitutionName, &super::SnapshotEntry)| {
            let (institution, digest) = (*institution, entry.digest);
            LeaseSnapshot { institution, digest, valid_until: entry.valid_until }
        };
        self.snapshots.iter().map(snapshot).collect()
    }

    /// A spending ends its payment once and is counted once. Where the payment had an ending
    /// before, that stands; the spending is counted all the same, so that the final report fits.
    fn spent_under(
        &self,
        at: Instant,
        slot: SaltSlot,
        spending: &Spending,
    ) -> Checked<SettlementAnswer> {
        let Spending { order, acceptance, said } = spending;
        let (payment, terms) = (order.order.terms.payment, order.order.terms_digest);
        if let Err(rule) = self.speaks_of(spending) {
            return not_accepted(rule.to_string());
        }
        let open = self.leases.get(said.line, said.number);
        let is_counted = open.is_some_and(|open| open.counted.contains(&payment));
        let first = self.first_answer(payment, terms);
        if let Some(first) = first.filter(|_| is_counted || open.is_none()) {
            return Checked { facts: vec![], outcome: first };
        }
        let counted = |despite: Option<RuleName>| {
            let despite = despite.map(|name| name.to_string());
            let body = LeaseDrawn { acceptance: acceptance.clone(), despite };
            body.to_fact(slot, Heading::default())
        };
        if let Some(first) = self.first_answer(payment, terms) {
            return Checked { facts: vec![counted(None)], outcome: first };
        }
        let heading = Heading {
            corridor: Some(order.order.terms.corridor),
            debtor_edge: Some(order.order.debtor.permit.mark),
            creditor_edge: Some(order.order.creditor.permit.mark),
        };
        let Some(open) = open else {
            let rule = self.ended_lease(said);
            return self.refuse_spending(at, slot, heading, order, rule);
        };
        // By its bank's clock it was accepted after now: one of the two will agree.
        let skew = Duration::from_secs(open.grant.skew_seconds.into());
        if said.accepted_at > at.plus(skew) {
            return not_accepted(format!("accepted at `{}`, which is to come", said.accepted_at));
        }
        match self.judge_spending(at, open, spending) {
            Ok((change, despite)) => {
                let Some(blind) = order.order.kept else {
                    return not_accepted("no book keeps the order's documents".to_owned());
                };
                let (environment, ending) = (self.environment, Ending::Settled);
                let ended = PaymentEnded { payment, environment, terms, ending, recorded_at: at };
                let body = after::settled_body(ended.clone(), &order.order, blind, None, &change);
                let facts = vec![body.to_fact(slot, heading), counted(despite)];
                Checked { facts, outcome: SettlementAnswer::EndedNow(ended) }
            }
            // The money is there, and an account does not let it through now: it waits, held.
            Err(rule) if waits(rule.name) => not_accepted(rule.to_string()),
            Err(rule) => {
                let mut checked = self.refuse_spending(at, slot, heading, order, rule);
                checked.facts.push(counted(None));
                checked
            }
        }
    }

    /// A lease that was never granted, or that was ended.
    fn ended_lease(&self, said: &LeaseAcceptance) -> Rule {
        let ended = self.leases.is_over(said.line, said.number);
        let what = if ended { "was ended" } else { "was never granted" };
        Rule::new(RuleName::LeaseNotInForce, format!("lease {} {what}", said.number))
    }

    fn refuse_spending(
        &self,
        at: Instant,
        slot: SaltSlot,
        heading: Heading,
        order: &LeaseOrder,
        Rule { name, detail }: Rule,
    ) -> Checked<SettlementAnswer> {
        let (payment, terms) = (order.order.terms.payment, order.order.terms_digest);
        let by = RefusedBy::Core(name.to_string(), detail);
        self.refused(at, slot, heading, payment, terms, name.to_string(), by)
    }

    /// Whether the acceptance is of this order, here.
    fn speaks_of(&self, spending: &Spending) -> Result<(), Rule> {
        let Spending { order, said, .. } = spending;
        let name = RuleName::AcceptanceDiffers;
        same(name, "layout", 1, said.layout)?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, said.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, said.book)?;
        same(name, "payment", order.order.terms.payment, said.payment)?;
        same(name, "terms", order.order.terms_digest, said.terms)?;
        same(name, "lease", order.number, said.number)?;
        same(name, "institution", order.order.debtor.permit.institution, said.line.institution)?;
        if order.line == said.line {
            return Ok(());
        }
        Err(Rule::new(name, "the acceptance is under a lease of another line"))
    }

    /// The postings out of the lease's holds, and the rule that would refuse them by what is in
    /// force now.
    fn judge_spending(
        &self,
        at: Instant,
        open: &OpenLease,
        spending: &Spending,
    ) -> Result<(Change, Option<RuleName>), Rule> {
        let (grant, said, order) = (&open.grant, &spending.said, &spending.order.order);
        let Takes { debit, credit } = crate::under_lease::judge(grant, order, said.accepted_at)?;
        same(RuleName::AcceptanceDiffers, "debit", debit, said.debit)?;
        same(RuleName::AcceptanceDiffers, "credit", credit, said.credit)?;
        for (hold, takes) in holds_of(grant).into_iter().zip([debit, credit]) {
            let left = self.ledger.hold(hold).map_or(Minor::ZERO, |hold| match hold.state() {
                HoldState::Open(_) => hold.remaining(),
                HoldState::Posted { .. } | HoldState::Voided | HoldState::Expired => Minor::ZERO,
            });
            if takes > left {
                let detail = format!("{takes} of {left} that is left");
                return Err(Rule::new(RuleName::LeaseExceeded, detail));
            }
        }
        if self.quotes_used.contains(&order.quote.quote) {
            return Err(Rule::new(RuleName::QuoteUsed, order.quote.quote.to_string()));
        }
        let despite = self.in_force_now(at, order).err().map(|rule| rule.name);
        let draft = self.draft(at, grant, order)?;
        let (claims, passed) = self.claims_that_fit(at, &draft, judge::claims(order)?);
        let posted = self.one_posting(at, Draft { claims, ..draft })?;
        Ok((posted, despite.or(passed)))
    }

    /// The claims of both permits that still fit their limits, and the rule where one does not: a
    /// limit that is passed now is full, and every other one goes on counting.
    fn claims_that_fit(
        &self,
        at: Instant,
        draft: &Draft,
        all: Vec<Claim>,
    ) -> (Vec<Claim>, Option<RuleName>) {
        let (mut fit, mut passed) = (Vec::new(), None);
        for claim in all {
            let claims = fit.iter().copied().chain([claim]).collect();
            match self.one_posting(at, Draft { claims, ..draft.clone() }) {
                Err(rule) if rule.name == RuleName::LimitExceeded => passed = Some(rule.name),
                Ok(_) | Err(_) => fit.push(claim),
            }
        }
        (fit, passed)
    }

    fn one_posting(&self, at: Instant, draft: Draft) -> Result<Change, Rule> {
        let changes = self.ledger_changes(at, &Command::PostDraft(draft))?;
        changes.into_iter().next().ok_or_else(|| {
            Rule::new(RuleName::LedgerRefuses, "the ledger knows this transaction already")
        })
    }

    /// What would be asked of an order now. An acceptance binds whatever this says; what it says is
    /// recorded.
    fn in_force_now(&self, at: Instant, order: &CheckedOrder) -> Result<(), Rule> {
        for side in [Side::Debtor, Side::Creditor] {
            self.signer_in_force(order, side)?;
            self.edge_in_service(order.permit(side))?;
            self.basis_in_force(at, order.permit(side))?;
        }
        self.order_not_suspended(at, order)?;
        self.order_not_frozen(at, order)
    }

    fn draft(&self, at: Instant, grant: &LeaseGrant, order: &CheckedOrder) -> Result<Draft, Rule> {
        let Parts { debtor_pays, provider_gets, operator_gets, provider_pays, creditor_gets } =
            self.parts(order)?;
        let [own, providers] = holds_of(grant);
        let line = |side, movement: &Movement, hold: Option<HoldId>| Line {
            account: movement.account,
            side,
            ask: Ask::Exact(movement.amount),
            part: hold.map(|hold| Part { hold, rest: Rest::Kept }),
        };
        let mut lines = vec![
            line(EntrySide::Debit, &debtor_pays, Some(own)),
            line(EntrySide::Credit, &provider_gets, None),
        ];
        lines.extend(operator_gets.iter().map(|one| line(EntrySide::Credit, one, None)));
        lines.push(line(EntrySide::Debit, &provider_pays, Some(providers)));
        lines.push(line(EntrySide::Credit, &creditor_gets, None));
        Ok(Draft {
            id: transaction_of(order.terms.payment, "settlement"),
            business_date: self.business_date(at),
            reason: Reason::Payment,
            lines,
            claims: vec![],
            links: judge::links(order),
            detail: None,
        })
    }

    fn report_lease(
        &self,
        at: Instant,
        slot: SaltSlot,
        FinalReport { reporter, signed, said }: &FinalReport,
    ) -> Result<Vec<Fact>, Rule> {
        let LeaseFinal { line, number, debit: spent, credit, .. } = *said;
        let name = RuleName::LeaseNotInForce;
        same(name, "layout", 1, said.layout)?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, said.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, said.book)?;
        same(RuleName::SignerNotTrusted, "institution", line.institution, *reporter)?;
        let refused = |detail: String| Rule::new(name, detail);
        let known = self.leases.lines.get(&line);
        let known = known.ok_or_else(|| refused(format!("lease {number} was never granted")))?;
        // It is over, by a report or because persons ended it: the holder need not go on.
        if known.grantor.is_over(number) {
            return Ok(vec![]);
        }
        let report = LeaseReport { number, spent, is_final: true };
        let reported = known.grantor.clone().reported(&report);
        match reported.map_err(|error| refused(error.to_string()))? {
            Reported::Settled { now: true, .. } => {}
            Reported::Settled { now: false, .. } | Reported::Known => return Ok(vec![]),
        }
        let open = known.open.get(&number);
        let open = open.ok_or_else(|| refused(format!("lease {number} is not open")))?;
        if open.spent != spent {
            let detail = format!("{spent} spent, and spendings of {} were counted", open.spent);
            return Err(refused(detail));
        }
        if open.credit != credit {
            let detail = format!("{credit} of the provider's, and {} were counted", open.credit);
            return Err(refused(detail));
        }
        self.lease_over(at, slot, open, LeaseEndedBy::Report(Box::new(signed.clone())))
    }

    fn end_lease(
        &self,
        at: Instant,
        slot: SaltSlot,
        end: &CheckedByTwo<LeaseEnd>,
    ) -> Result<Vec<Fact>, Rule> {
        let asked = end.document();
        let name = RuleName::LeaseNotInForce;
        same(name, "layout", 1, asked.layout)?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, asked.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, asked.book)?;
        let characters = asked.words.trim().chars().count();
        if characters == 0 || characters > LEASE_WORDS_MAX {
            return Err(Rule::new(name, "what became of the money is not said"));
        }
        if self.leases.is_over(asked.line, asked.number) {
            return Ok(vec![]);
        }
        let open = self.leases.get(asked.line, asked.number);
        let open = open.ok_or_else(|| Rule::new(name, format!("no lease {}", asked.number)))?;
        // The holder's clock may be behind: until then it may be spending.
        let skew = Duration::from_secs(open.grant.skew_seconds.into());
        if at < open.grant.ends_at.plus(skew) {
            let detail = format!("it may be spent until `{}`", open.grant.ends_at);
            return Err(Rule::new(name, detail));
        }
        self.lease_over(at, slot, open, LeaseEndedBy::Persons(Box::new(end.signed.clone())))
    }

    fn lease_over(
        &self,
        at: Instant,
        slot: SaltSlot,
        open: &OpenLease,
        by: LeaseEndedBy,
    ) -> Result<Vec<Fact>, Rule> {
        let OpenLease { grant, spent, .. } = open;
        let of_lease = [to_canonical(&grant.line), to_canonical(&grant.number)].concat();
        let document = seal::digest(RELEASE, &of_lease);
        let ground = match &by {
            LeaseEndedBy::Report(said) => {
                NotDone { source: NotDoneSource::NeverSent, document: said.digest() }
            }
            LeaseEndedBy::Persons(_) => NotDone { source: NotDoneSource::TwoPersons, document },
        };
        let mut freed = Vec::new();
        for hold in holds_of(grant) {
            let known = self.ledger.hold(hold).map(ledger::Hold::state);
            if !matches!(known, Some(HoldState::Open(_))) {
                continue;
            }
            let command = Command::VoidHold { hold, ground: VoidGround::NotDone(ground) };
            let changes = self.ledger.check(at, &command).map_err(|e| super::rule_of(&e))?;
            freed.extend(changes.changes().iter().map(|change| to_canonical(change).into()));
        }
        let (line, number, spent) = (grant.line, grant.number, *spent);
        let body = LeaseEnded { line, number, spent, by, freed };
        Ok(vec![body.to_fact(slot, Heading::default())])
    }

    pub(super) fn apply_lease(&mut self, stamp: Instant, fact: &Fact) {
        if fact.kind == LEASE_GRANTED {
            let LeaseGranted { grant, holds, .. } = read(fact);
            holds.iter().for_each(|change| self.apply_change(stamp, change));
            let line = self.leases.lines.entry(grant.line).or_default();
            let LeaseGrant { number, debit: amount, ends_at, .. } = grant;
            line.grantor.note_granted(Lease { number, amount, ends_at });
            let counted = BTreeSet::new();
            let (spent, credit) = (Minor::ZERO, Minor::ZERO);
            line.open.insert(number, OpenLease { grant, counted, spent, credit });
        } else if fact.kind == LEASE_ENDED {
            let LeaseEnded { line, number, spent, by, freed } = read(fact);
            freed.iter().for_each(|change| self.apply_change(stamp, change));
            if let Some(line) = self.leases.lines.get_mut(&line) {
                let open = line.open.remove(&number);
                if let (LeaseEndedBy::Persons(_), Some(open)) = (by, open) {
                    line.gone.insert(number, open.grant);
                }
                line.grantor.note_ended(number, spent);
            }
        } else {
            let LeaseDrawn { acceptance, .. } = read(fact);
            match acceptance.read_unverified() {
                Ok(said) => self.leases.count(&said),
                Err(error) => super::stop(&error.to_string()),
            }
        }
    }
}

impl Leases {
    fn count(&mut self, said: &LeaseAcceptance) {
        let Some(line) = self.lines.get_mut(&said.line) else { return };
        let Some(open) = line.open.get_mut(&said.number) else { return };
        if open.counted.insert(said.payment) {
            open.spent = open.spent.plus(said.debit).unwrap_or(Minor::MAX);
            open.credit = open.credit.plus(said.credit).unwrap_or(Minor::MAX);
            line.grantor.note_known(said.number, open.spent);
        }
    }
}

/// An account that is frozen, not opened yet or does not take the entry now may do so later. The
/// bank could not know it.
const fn waits(name: RuleName) -> bool {
    use RuleName::{AccountFrozen, AccountUnknown, BusinessDayOver, LedgerRefuses};
    matches!(name, AccountFrozen | AccountUnknown | LedgerRefuses | BusinessDayOver)
}

impl LeaseAsk {
    /// Whether the contract can be kept at all.
    ///
    /// # Errors
    /// What is expected.
    pub fn fits(&self) -> Result<(), String> {
        let Self { seconds, skew_seconds, .. } = *self;
        if self.debit.is_zero() || self.credit.is_zero() {
            return Err("an amount of each side".into());
        }
        if !(LEASE_SECONDS_MIN..=LEASE_SECONDS_MAX).contains(&seconds) {
            return Err(format!("{LEASE_SECONDS_MIN} to {LEASE_SECONDS_MAX} seconds"));
        }
        if seconds <= skew_seconds.saturating_mul(2) {
            return Err(format!("more than twice the skew of {skew_seconds} seconds"));
        }
        Ok(())
    }
}

fn provider_of(line: LeaseLine) -> Result<InstitutionName, Rule> {
    let named = line.provider.as_str().parse();
    named.map_err(|_| Rule::new(RuleName::AccountUnknown, "the provider has no account"))
}
