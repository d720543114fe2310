//! The settlement book: participants' prefunded accounts, and one fact for each payment's end.
//!
//! The commit point of a payment is the append of its `Settled` fact. Before it nothing has moved
//! here; after it both legs and every fee have, and nothing takes them back. A crash before the
//! append leaves no trace in this book; a crash after it leaves a settled payment whose customers'
//! books are completed by [`crate::saga`]. The fact names nobody: it commits to the documents that
//! do, which the payer's book keeps.

use std::collections::{BTreeMap, BTreeSet};

use journal::{Checked, Image, ImageError, Machine};
use ledger::{Change, Command, FullLedger, Opening, Owner, Purpose};
use minicbor::{Decode, Encode};
use record::edges::{EDGE_ACCOUNTED, EDGE_CLOSED};
use record::funding::{
    BREAKS_CHANGED, BUSINESS_DAY_CLOSED, OUTSIDE_ACCOUNT_NAMED, OUTSIDE_LINE_BOOKED,
    OUTSIDE_LINE_RESOLVED, STATEMENT_FILE_TAKEN,
};
use record::lease::{LEASE_DRAWN, LEASE_ENDED, LEASE_GRANTED};
use record::outgoing::{OUTGOING_ENDED, OUTGOING_TAKEN};
use record::rails::{
    OUTSIDE_HEARD, OUTSIDE_HELD, OUTSIDE_POSTED, OUTSIDE_RELEASED, SEND_INTENDED, STUCK_RESOLVED,
};
use record::settlement::{
    DRILL_RECORDED, EDGE_JOINED, LEDGER_CHANGED, PACK_NOTICED, PAYMENT_REFUSED, PAYMENTS_COMPLETED,
    RECOVERY_CERTIFIED, SNAPSHOT_PUBLISHED, TRUST_LIST_ADOPTED,
};
use record::stages::PACK_STAGED;
use record::{
    Document, DrillReport, EdgeNotice, Ending, Fact, FactBody, FactKind, Heading, LedgerChanged,
    PackNotice, PackStanding, PackStep, PaymentEnded, PaymentRefused, RecoveryCertificate, Refusal,
    RefusedBy, SaltSlot, Settled, Side, Signed, Snapshot, SpentOn, TrustList,
};
use seal::{Digest, PublicKey, to_canonical};
use terms::{
    AccountId, AssetCode, BookName, CorridorName, EdgeName, Environment, Instant, InstitutionName,
    Jurisdiction, PaymentId, Position, QuoteId,
};

use self::acts::{Acts, ActsAnswer, ActsWork};
use self::lease::{LeaseWork, Leases};
use self::outgoing::Outgoings;
use self::own::OwnMoney;
use self::rails::Rails;
use self::transit::Transit;
use crate::order::CheckedOrder;
use crate::outgoing::CheckedOutgoing;
use crate::outside::{OutsideAnswer, OutsideWork};
use crate::rule::{Rule, RuleName};
use crate::trusted::TrustView;

pub mod acts;
mod after;
pub mod drills;
pub mod edges;
pub mod funding;
pub(crate) mod judge;
pub mod lease;
mod notices;
mod outgoing;
pub mod own;
mod rails;
pub mod stages;
pub mod transit;

pub use edges::{EdgeStanding, EdgeWork, Instances};
pub use funding::{Funding, FundingAnswer, FundingWork};

pub use after::{ANSWER_WITHIN, After, AfterAnswer, AfterWork, CancellationEntry, Given};

/// What the settlement book is asked to do, with the durable salt slot of the fact to come.
#[derive(Clone, Debug)]
pub struct SettlementCommand {
    /// Key of the fact's salts, durable before this is submitted.
    pub slot: SaltSlot,
    /// What to do.
    pub work: SettlementWork,
}

/// What the settlement book can do.
#[derive(Clone, Debug)]
pub enum SettlementWork {
    /// Settle an order, or record why not.
    Settle(Box<CheckedOrder>),
    /// Record a refusal by an edge. The caller has verified the signature.
    RecordEdgeRefusal(Box<Signed<Refusal>>),
    /// Record a refusal by the core that came before the writer's turn.
    RecordCoreRefusal {
        /// The payment.
        payment: PaymentId,
        /// The terms that were asked for.
        terms: Digest,
        /// Its heading, as far as it is known.
        heading: Heading,
        /// Why.
        rule: Rule,
    },
    /// Open an account of a participant, a provider or the operator.
    OpenAccount(Opening),
    /// Another ledger command of the operator, with its reason.
    Ledger {
        /// What to do.
        command: Box<Command>,
        /// Why, such as the line of a statement file.
        reason: String,
    },
    /// Adopt a newer trust list.
    AdoptTrustList(Box<Signed<TrustList>>),
    /// Put a pack in force or retire it. The caller has verified the signature.
    NoticePack(Box<Signed<PackNotice>>),
    /// Let a pack take a step. The caller has verified the signature.
    StagePack(Box<Signed<PackStep>>),
    /// Publish a newer snapshot of lists. The caller has verified the signature.
    PublishSnapshot(Box<Signed<Snapshot>>),
    /// Let an edge instance join. The caller has verified the signature.
    JoinEdge(Box<Signed<EdgeNotice>>),
    /// An edge instance accounts for its numbers, or leaves.
    Edges(Box<EdgeWork>),
    /// Record the report of a recovery drill. The caller has verified the signature.
    RecordDrill(Box<Signed<DrillReport>>),
    /// Record a recovery certificate of the core itself.
    CertifyRecovery(Box<Signed<RecoveryCertificate>>),
    /// What may follow an order.
    After(AfterWork),
    /// Record that settled payments are complete in both customers' books.
    Complete(Vec<PaymentId>),
    /// Files of outside accounts, their lines, breaks, the close of a day.
    Funding(Box<FundingWork>),
    /// Something of a transfer over a rail.
    Outside(Box<OutsideWork>),
    /// Acts of the operator's persons.
    Acts(Box<ActsWork>),
    /// Take a payment that leaves over a rail, or record why not.
    Take(Box<CheckedOutgoing>),
    /// Something of a lease.
    Lease(Box<LeaseWork>),
}

/// What the settlement book answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlementAnswer {
    /// The payment has ended: now, with the position in the journal's answer.
    EndedNow(PaymentEnded),
    /// The payment had ended before: the first answer, whatever was asked now.
    EndedBefore(PaymentEntry),
    /// The payment id was used before with other terms.
    PaymentIdUsed {
        /// The terms it was used with.
        first: Digest,
        /// The terms that came now.
        got: Digest,
    },
    /// Done, or done before.
    Done,
    /// Not done and not recorded: the request itself is not acceptable.
    NotAccepted(String),
    /// What came of what followed an order.
    After(AfterAnswer),
    /// To [`SettlementWork::Funding`].
    Funding(Box<FundingAnswer>),
    /// The answer to [`SettlementWork::Outside`].
    Outside(OutsideAnswer),
    /// The answer to [`SettlementWork::Acts`].
    Acts(Box<ActsAnswer>),
}

/// How a payment ended, and where.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PaymentEntry {
    /// Position of its fact.
    #[n(0)]
    pub position: Position,
    /// The terms.
    #[n(1)]
    pub terms: Digest,
    /// The ending.
    #[n(2)]
    pub ending: Ending,
    /// The writer's stamp.
    #[n(3)]
    pub recorded_at: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct PackEntry {
    #[n(0)]
    schema: Digest,
    #[n(1)]
    standing: PackStanding,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct PackKey {
    #[n(0)]
    institution: InstitutionName,
    #[n(1)]
    corridor: CorridorName,
    #[n(2)]
    side: Side,
    #[n(3)]
    pack: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct SnapshotEntry {
    #[n(0)]
    digest: Digest,
    #[n(1)]
    version: u64,
    #[n(2)]
    valid_until: Instant,
}

/// The state of the settlement book: a fold over its facts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SettlementBook {
    #[n(0)]
    environment: Environment,
    #[n(1)]
    book: BookName,
    #[n(2)]
    operator: InstitutionName,
    #[n(3)]
    roots: BTreeMap<Jurisdiction, PublicKey>,
    #[n(4)]
    ledger: FullLedger,
    #[n(5)]
    trust: TrustView,
    #[n(6)]
    accounts: BTreeMap<SettlementAccountKey, AccountId>,
    #[n(7)]
    packs: BTreeMap<PackKey, PackEntry>,
    #[n(8)]
    snapshots: BTreeMap<InstitutionName, SnapshotEntry>,
    #[n(9)]
    edges: BTreeMap<EdgeName, Signed<EdgeNotice>>,
    #[n(10)]
    payments: BTreeMap<PaymentId, PaymentEntry>,
    #[n(11)]
    quotes_used: BTreeSet<QuoteId>,
    #[n(12)]
    recoveries: u64,
    #[n(19)]
    after: After,
    #[n(26)]
    drills: drills::Drills,
    #[n(23)]
    transit: Transit,
    #[n(13)]
    funding: Funding,
    #[n(16)]
    rails: Rails,
    #[n(27)]
    acts: Acts,
    #[n(28)]
    instances: Instances,
    #[n(29)]
    outgoings: Outgoings,
    #[n(30)]
    own: OwnMoney,
    #[n(32)]
    leases: Leases,
    #[n(34)]
    stages: stages::Stages,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct SettlementAccountKey {
    #[n(0)]
    owner: InstitutionName,
    #[n(1)]
    asset: AssetCode,
    #[n(2)]
    use_for: AccountUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
enum AccountUse {
    #[n(0)]
    Settlement,
    #[n(1)]
    Fee,
}

/// What a settlement book is told once, when it is made. Part of its configuration, not a fact.
#[derive(Clone, Debug)]
pub struct SettlementConfig {
    /// Where it runs.
    pub environment: Environment,
    /// Its name.
    pub book: BookName,
    /// Who operates it and takes the operator's fee.
    pub operator: InstitutionName,
    /// The pinned root key of each jurisdiction's trust list.
    pub roots: BTreeMap<Jurisdiction, PublicKey>,
}

impl SettlementBook {
    /// An empty book.
    #[must_use]
    pub fn new(config: SettlementConfig) -> Self {
        Self {
            environment: config.environment,
            book: config.book,
            operator: config.operator,
            roots: config.roots,
            ledger: FullLedger::new(),
            trust: TrustView::default(),
            accounts: BTreeMap::new(),
            packs: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            edges: BTreeMap::new(),
            payments: BTreeMap::new(),
            quotes_used: BTreeSet::new(),
            recoveries: 0,
            after: After::default(),
            drills: drills::Drills::default(),
            transit: Transit::default(),
            funding: Funding::default(),
            rails: Rails::default(),
            acts: Acts::default(),
            instances: Instances::default(),
            outgoings: Outgoings::default(),
            own: OwnMoney::default(),
            leases: Leases::default(),
            stages: stages::Stages::default(),
        }
    }

    /// How a payment ended, if it has.
    #[must_use]
    pub fn payment(&self, payment: PaymentId) -> Option<&PaymentEntry> {
        self.payments.get(&payment)
    }

    /// All payments that have ended.
    pub fn payments(&self) -> impl Iterator<Item = (&PaymentId, &PaymentEntry)> {
        self.payments.iter()
    }

    /// The trust lists in force.
    #[must_use]
    pub const fn trust(&self) -> &TrustView {
        &self.trust
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &FullLedger {
        &self.ledger
    }

    /// The settlement account of a participant or provider.
    #[must_use]
    pub fn settlement_account(
        &self,
        owner: InstitutionName,
        asset: AssetCode,
    ) -> Option<AccountId> {
        let use_for = AccountUse::Settlement;
        self.accounts.get(&SettlementAccountKey { owner, asset, use_for }).copied()
    }

    /// The settlement accounts of a participant or provider, by asset.
    pub fn settlement_accounts(
        &self,
        owner: InstitutionName,
    ) -> impl Iterator<Item = (AssetCode, AccountId)> {
        let own = move |key: &SettlementAccountKey| {
            key.owner == owner && key.use_for == AccountUse::Settlement
        };
        self.accounts
            .iter()
            .filter(move |(key, _)| own(key))
            .map(|(key, account)| (key.asset, *account))
    }

    /// How many recovery certificates were recorded.
    #[must_use]
    pub const fn recoveries(&self) -> u64 {
        self.recoveries
    }

    /// Settled payments that are not known to be complete in the customers' books.
    #[must_use]
    pub const fn transit(&self) -> &Transit {
        &self.transit
    }

    /// The version of the snapshot in force for an institution.
    #[must_use]
    pub fn snapshot_version(&self, institution: InstitutionName) -> Option<u64> {
        self.snapshots.get(&institution).map(|entry| entry.version)
    }

    fn record(
        &self,
        slot: SaltSlot,
        kind: FactKind,
        document: Vec<u8>,
    ) -> Checked<SettlementAnswer> {
        Checked {
            facts: vec![Fact::plain(kind, slot, vec![document])],
            outcome: SettlementAnswer::Done,
        }
    }

    fn ledger_command(
        &self,
        at: Instant,
        slot: SaltSlot,
        command: &Command,
        why: &str,
    ) -> Checked<SettlementAnswer> {
        if self.is_of_outside_hold(command) {
            return not_accepted("the hold of a transfer ends with the transfer".to_owned());
        }
        if self.leases.is_of_hold(command) {
            return not_accepted("the hold of a lease ends with the lease".to_owned());
        }
        match self.ledger_changes(at, command) {
            Ok(changes) => {
                if let Some(date) = self.day_over(&changes) {
                    return not_accepted(format!("business day {date} is closed"));
                }
                let fact = |change: &Change| {
                    LedgerChanged { change: to_canonical(change), reason: why.to_owned() }
                        .to_fact(slot, Heading::default())
                };
                let facts = changes.iter().map(fact).collect();
                Checked { facts, outcome: SettlementAnswer::Done }
            }
            Err(rule) => not_accepted(rule.to_string()),
        }
    }

    /// The closed business day that one of these changes would be posted on.
    fn day_over(&self, changes: &[Change]) -> Option<terms::BusinessDate> {
        let date = |change: &Change| {
            let ledger::Resolved::Posted { transaction, .. } = change.resolved() else {
                return None;
            };
            Some(transaction.business_date)
        };
        let mut dates = changes.iter().filter_map(date);
        dates.find(|date| self.funding.days().is_over(*date))
    }

    fn edge_refusal(
        &self,
        at: Instant,
        slot: SaltSlot,
        signed: &Signed<Refusal>,
    ) -> Checked<SettlementAnswer> {
        let Ok(refusal) = signed.read_unverified() else {
            return not_accepted("the refusal does not read".to_owned());
        };
        if refusal.environment != self.environment {
            return not_accepted("the refusal is of another environment".to_owned());
        }
        let mut heading = Heading { corridor: Some(refusal.corridor), ..Heading::default() };
        match refusal.side {
            Side::Debtor => heading.debtor_edge = Some(refusal.mark),
            Side::Creditor => heading.creditor_edge = Some(refusal.mark),
        }
        let by = RefusedBy::Edge(signed.clone());
        self.refused(at, slot, heading, refusal.payment, refusal.terms, refusal.code, by)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one fact, named at both calls")]
    fn refused(
        &self,
        recorded_at: Instant,
        slot: SaltSlot,
        heading: Heading,
        payment: PaymentId,
        terms: Digest,
        code: String,
        by: RefusedBy,
    ) -> Checked<SettlementAnswer> {
        if let Some(first) = self.first_answer(payment, terms) {
            return Checked { facts: vec![], outcome: first };
        }
        let environment = self.environment;
        let ending = Ending::Refused(code);
        let ended = PaymentEnded { payment, environment, terms, ending, recorded_at };
        let fact = PaymentRefused { ended: ended.clone(), by }.to_fact(slot, heading);
        Checked { facts: vec![fact], outcome: SettlementAnswer::EndedNow(ended) }
    }

    fn first_answer(&self, payment: PaymentId, terms: Digest) -> Option<SettlementAnswer> {
        let Some(entry) = self.payments.get(&payment) else {
            return self.under_way(payment, terms);
        };
        Some(if entry.terms == terms {
            SettlementAnswer::EndedBefore(entry.clone())
        } else {
            SettlementAnswer::PaymentIdUsed { first: entry.terms, got: terms }
        })
    }

    fn settle(
        &self,
        at: Instant,
        slot: SaltSlot,
        order: &CheckedOrder,
    ) -> Checked<SettlementAnswer> {
        let (payment, terms) = (order.terms.payment, order.terms_digest);
        if let Some(first) = self.first_answer(payment, terms) {
            return Checked { facts: vec![], outcome: first };
        }
        let Some(blind) = order.kept else {
            return not_accepted("no book keeps the order's documents yet".to_owned());
        };
        let heading = Heading {
            corridor: Some(order.terms.corridor),
            debtor_edge: Some(order.debtor.permit.mark),
            creditor_edge: Some(order.creditor.permit.mark),
        };
        match self.judge(at, order).and_then(|postings| Ok((postings, order.given_back()?))) {
            Ok((postings, given)) => {
                let environment = self.environment;
                let ending = Ending::Settled;
                let ended = PaymentEnded { payment, environment, terms, ending, recorded_at: at };
                let body = after::settled_body(ended.clone(), order, blind, given, &postings);
                let facts = vec![body.to_fact(slot, heading)];
                Checked { facts, outcome: SettlementAnswer::EndedNow(ended) }
            }
            Err(Rule { name, detail }) => {
                let by = RefusedBy::Core(name.to_string(), detail);
                self.refused(at, slot, heading, payment, terms, name.to_string(), by)
            }
        }
    }
}

fn done() -> Checked<SettlementAnswer> {
    Checked { facts: vec![], outcome: SettlementAnswer::Done }
}

fn not_accepted(reason: String) -> Checked<SettlementAnswer> {
    Checked { facts: vec![], outcome: SettlementAnswer::NotAccepted(reason) }
}

impl Machine for SettlementBook {
    type Command = SettlementCommand;
    type Outcome = SettlementAnswer;
    type Fact = Fact;
    type Rows = ();

    fn check(
        &self,
        _rows: &(),
        stamp: Instant,
        command: &SettlementCommand,
    ) -> Checked<SettlementAnswer> {
        let slot = command.slot;
        match &command.work {
            SettlementWork::Settle(order) => self.settle(stamp, slot, order),
            SettlementWork::RecordEdgeRefusal(refusal) => self.edge_refusal(stamp, slot, refusal),
            SettlementWork::RecordCoreRefusal { payment, terms, heading, rule } => {
                let code = rule.name.to_string();
                let by = RefusedBy::Core(code.clone(), rule.detail.clone());
                self.refused(stamp, slot, *heading, *payment, *terms, code, by)
            }
            SettlementWork::OpenAccount(opening) => {
                let command = Command::OpenAccount(*opening);
                self.ledger_command(stamp, slot, &command, "account opened")
            }
            SettlementWork::Ledger { command, reason } => {
                self.ledger_command(stamp, slot, command, reason)
            }
            SettlementWork::AdoptTrustList(list) => self.adopt(slot, list),
            SettlementWork::NoticePack(notice) => self.notice_pack(slot, notice),
            SettlementWork::StagePack(step) => self.stage_pack(stamp, slot, step),
            SettlementWork::PublishSnapshot(snapshot) => self.publish(slot, snapshot),
            SettlementWork::JoinEdge(notice) => self.join_edge(slot, notice),
            SettlementWork::Edges(work) => self.edge_work(slot, work),
            SettlementWork::RecordDrill(report) => self.record_drill(slot, report),
            SettlementWork::CertifyRecovery(certificate) => {
                self.record(slot, RECOVERY_CERTIFIED, certificate.to_bytes())
            }
            SettlementWork::After(work) => self.after_order(stamp, slot, work),
            SettlementWork::Complete(payments) => self.transit.complete(slot, payments),
            SettlementWork::Funding(work) => self.funding_work(stamp, slot, work),
            SettlementWork::Outside(work) => self.outside(stamp, slot, work),
            SettlementWork::Acts(work) => self.acts_work(stamp, slot, work),
            SettlementWork::Take(order) => self.take(stamp, slot, order),
            SettlementWork::Lease(work) => self.lease_work(stamp, slot, work),
        }
    }

    /// # Panics
    /// On a fact that this build cannot read: serving on would answer from a state that is not
    /// the journal's. The writer stops; a build that knows the kind takes over.
    // INVARIANT (FactsReadBack): every fact was written by `check` of a build whose kinds this
    // build still knows; guarded by golden journals, and by the journal's digests against damage.
    fn apply(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        self.funding.days_mut().begin(position);
        self.instances.saw(&fact.heading);
        match fact.kind {
            PAYMENT_REFUSED => {
                let body: PaymentRefused = read(fact);
                let spent_on = match body.by {
                    RefusedBy::Edge(_) => SpentOn::Refusal,
                    RefusedBy::Core(..) => SpentOn::Permit,
                };
                self.instances.named(&fact.heading, body.ended.payment, spent_on);
                self.remember(position, &body.ended);
            }
            LEDGER_CHANGED => {
                let body: LedgerChanged = read(fact);
                self.apply_change(stamp, &body.change);
            }
            TRUST_LIST_ADOPTED => self.trust.adopt(document(fact)),
            PACK_NOTICED => self.apply_pack(&document(fact)),
            PACK_STAGED => self.apply_step(fact),
            SNAPSHOT_PUBLISHED => self.apply_snapshot(fact),
            EDGE_JOINED | EDGE_ACCOUNTED | EDGE_CLOSED => self.apply_edges(stamp, fact),
            DRILL_RECORDED => self.drills.recorded(position, stamp, &document(fact)),
            RECOVERY_CERTIFIED => self.recoveries = self.recoveries.saturating_add(1),
            kind if Settled::is_kind(kind) => self.apply_settled(position, stamp, fact),
            kind if after::is_kind(kind) => self.apply_after(position, stamp, fact),
            kind if acts::is_kind(kind) => self.apply_acts(position, stamp, fact),
            PAYMENTS_COMPLETED => self.transit.completed(&read(fact)),
            OUTSIDE_ACCOUNT_NAMED
            | STATEMENT_FILE_TAKEN
            | OUTSIDE_LINE_BOOKED
            | OUTSIDE_LINE_RESOLVED
            | BREAKS_CHANGED
            | BUSINESS_DAY_CLOSED => {
                self.apply_funding(position, stamp, fact);
            }
            OUTSIDE_HELD | SEND_INTENDED | OUTSIDE_HEARD | OUTSIDE_POSTED | OUTSIDE_RELEASED
            | STUCK_RESOLVED => self.apply_outside(position, stamp, fact),
            LEASE_GRANTED | LEASE_ENDED | LEASE_DRAWN => self.apply_lease(stamp, fact),
            OUTGOING_TAKEN => self.apply_taken(position, stamp, fact),
            OUTGOING_ENDED => self.apply_outgoing_ended(position, fact),
            other => stop(&format!("kind {other:?} is unknown to this build")),
        }
    }
}

/// A saved state is the state's canonical bytes; reading refuses every other encoding, and the
/// ledger inside audits itself. An image is larger than a document, so the bound on documents does
/// not apply: the store bounds the file.
impl Image for SettlementBook {
    fn save(&self) -> Vec<u8> {
        to_canonical(self)
    }

    fn load(bytes: &[u8]) -> Result<Self, ImageError> {
        load_image(bytes)
    }
}

/// Reads a saved state in its one encoding.
pub(crate) fn load_image<T>(bytes: &[u8]) -> Result<T, ImageError>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let state: T = minicbor::decode(bytes).map_err(|error| ImageError(error.to_string()))?;
    if to_canonical(&state) == bytes {
        Ok(state)
    } else {
        Err(ImageError("expected the one canonical encoding".to_owned()))
    }
}

impl SettlementBook {
    fn index(&mut self, opening: &Opening) {
        let use_for = match opening.purpose {
            Purpose::Settlement => AccountUse::Settlement,
            Purpose::Fee => AccountUse::Fee,
            Purpose::Customer
            | Purpose::Control
            | Purpose::Suspense
            | Purpose::BlockedFunds
            | Purpose::DueTo
            | Purpose::DueFrom
            | Purpose::Transit => return,
        };
        if let Owner::Institution(owner) = opening.owner {
            let key = SettlementAccountKey { owner, asset: opening.asset, use_for };
            self.accounts.insert(key, opening.id);
        }
    }

    fn apply_pack(&mut self, notice: &PackNotice) {
        let (key, entry) = pack_entry(notice);
        self.packs.insert(key, entry);
    }

    fn apply_snapshot(&mut self, fact: &Fact) {
        let (signed, snapshot) = signed_document::<Snapshot>(fact);
        let (digest, institution) = (signed.digest(), snapshot.institution);
        let (version, valid_until) = (snapshot.version, snapshot.valid_until);
        self.snapshots.insert(institution, SnapshotEntry { digest, version, valid_until });
        self.instances.snapshot_published(institution, signed);
    }
}

fn pack_entry(notice: &PackNotice) -> (PackKey, PackEntry) {
    let key = PackKey {
        institution: notice.institution,
        corridor: notice.corridor,
        side: notice.side,
        pack: notice.pack,
    };
    (key, PackEntry { schema: notice.schema, standing: notice.standing })
}

fn read<T: FactBody>(fact: &Fact) -> T {
    T::from_fact(fact).unwrap_or_else(|error| stop(&error.to_string()))
}

fn document<T: Document>(fact: &Fact) -> T {
    signed_document::<T>(fact).1
}

fn signed_document<T: Document>(fact: &Fact) -> (Signed<T>, T) {
    let bytes = fact.body.first().map_or(&[][..], |field| field.as_slice());
    Signed::<T>::from_bytes(bytes)
        .and_then(|signed| Ok((signed.clone(), signed.read_unverified()?)))
        .unwrap_or_else(|error| stop(&error.to_string()))
}

#[expect(clippy::panic, reason = "INVARIANT FactsReadBack")]
pub(crate) fn stop(why: &str) -> ! {
    panic!("a fact of the journal does not read: {why}")
}

/// The rule's name when the ledger itself refuses. The detail names no balance: it is read on both
/// sides of the border.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other refusal is the ledger's own")]
pub(crate) fn rule_of(refusal: &ledger::Refusal) -> Rule {
    let name = match refusal {
        ledger::Refusal::InsufficientFunds { .. } => RuleName::InsufficientFunds,
        ledger::Refusal::UnknownAccount { .. } => RuleName::AccountUnknown,
        ledger::Refusal::VelocityAmountExceeded { .. }
        | ledger::Refusal::VelocityCountExceeded { .. } => RuleName::LimitExceeded,
        ledger::Refusal::AccountFrozen { .. } => RuleName::AccountFrozen,
        _ => RuleName::LedgerRefuses,
    };
    let detail = match (name, refusal) {
        (RuleName::InsufficientFunds, ledger::Refusal::InsufficientFunds { account, .. }) => {
            format!("account `{account}`")
        }
        (RuleName::LimitExceeded, _) => "the total of the period".to_owned(),
        _ => refusal.to_string(),
    };
    Rule::new(name, detail)
}
