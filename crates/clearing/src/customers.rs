//! A customers' book of one hosted institution: accounts, holds for payments, credits, parcels.
//!
//! Nothing is debited here without a permit of this institution for the owner that the book
//! names. The hold is pinned when it is placed: only the settlement book's word ends it.

use std::collections::{BTreeMap, BTreeSet};

use journal::{Checked, Image, ImageError, Machine};
use ledger::{
    Change, Command, Entry, FullLedger, Link, NotDone, NotDoneSource, Opening, Placement, Purpose,
    Reason, Side as EntrySide, Term, Transaction, VoidGround,
};
use minicbor::{Decode, Encode};
use record::acts::ACCOUNT_RESTRICTED;
use record::duty::{DUTY_CLOSED, DUTY_OPENED};
use record::funding::CUSTOMER_FUNDED;
use record::lease::{LEASE_SPENT, LEASE_STEP};
use record::outgoing::OUTGOING_STEP;
use record::settlement::{
    ACCOUNT_OPENED, CUSTOMER_STEP, LEDGER_CHANGED, PARCEL_STORED, PROVEN_STEP, RETURN_DUTY_CLOSED,
};
use record::{
    AccountProfile, Action, Blind, CustomerStep, DutyClosing, Fact, FactBody, FeeTaker, Heading,
    LedgerChanged, PROVEN_RETURN_STEP, Parcel, ProvenReturnStep, ProvenStep, Quote, ReleaseReason,
    ReturnDutyClosed, SaltSlot, SettleOrder, Side, Signed,
};
use seal::digest::digest_of;
use seal::{Digest, Domain, KeyId, digest, from_canonical, sha256, to_canonical};
use terms::{
    AccountId, Amount, AssetCode, BookName, CompanyId, HoldId, Instant, InstitutionName, Minor,
    PaymentId, Position, TransactionId,
};

use self::duties::{CheckedParcel, Duties};
use self::lease::HeldLeases;
use self::parcels::{ParcelEntry, ParcelKey};
use self::proven::BankWork;
use self::returns::Returns;
use crate::order::{CheckedOrder, HoldOrder};
use crate::outgoing::CheckedOutgoing;
use crate::rule::{Rule, RuleName, same};
use crate::saga::{CreditorSide, DebtorSide};
use crate::settlement::{load_image, rule_of, stop};

mod acts;
mod after;
mod changes;
mod documents;

pub use acts::{CustomerActs, Restriction};
pub use after::{After, AfterCustomerWork, CreditStanding, HeldReturn};
pub mod duties;
mod funding;
pub mod lease;
mod opening;
mod outgoing;
mod parcels;
pub mod proven;
pub mod returns;

pub use changes::change_of;
pub use outgoing::Outgoings;

pub use funding::{CustomerFunding, CustomerFundings};

/// What a customers' book is asked to do, with the durable salt slot of the fact to come.
#[derive(Clone, Debug)]
pub struct CustomerCommand {
    /// Key of the fact's salts, durable before this is submitted.
    pub slot: SaltSlot,
    /// What to do.
    pub work: CustomerWork,
}

/// What a customers' book can do.
#[derive(Clone, Debug)]
pub enum CustomerWork {
    /// Open an account of the institution itself.
    OpenAccount(Opening),
    /// Open a customer's account with its owner and key.
    OpenCustomer(Opening, AccountProfile),
    /// Another ledger command of the institution, with its reason.
    Ledger {
        /// What to do.
        command: Box<Command>,
        /// Why.
        reason: String,
    },
    /// Hold the debtor's money for an order, pinned.
    Hold(Box<CheckedOrder>),
    /// Post the hold: the payment settled at this position.
    Debit(PaymentId, Position),
    /// Release the hold: the payment surely did not settle.
    Release(PaymentId, ReleaseReason),
    /// Credit the creditor: the payment settled at this position on these terms.
    Credit(Box<CreditOrder>),
    /// Keep a sealed payload.
    Store(Box<CheckedParcel>),
    /// Close a duty by its owner's signed word.
    CloseDuty(Box<Signed<DutyClosing>>),
    /// What may follow an order.
    After(AfterCustomerWork),
    /// A step that the institution checked for itself.
    Bank(Box<BankWork>),
    /// Hold the money of a payment that leaves over a rail, pinned.
    HoldOutgoing(Box<CheckedOutgoing>),
    /// Credit a customer for a line of an outside account that names it.
    Fund(CustomerFunding),
    /// Freeze or thaw a customer's account as the operator's acts say.
    Restrict(Restriction),
}

/// What is credited, from the settlement fact.
#[derive(Clone, Debug)]
pub struct CreditOrder {
    /// The payment.
    pub payment: PaymentId,
    /// Where it settled.
    pub settled: Position,
    /// The account.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
}

/// What a customers' book answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerAnswer {
    /// Done, now or before.
    Done,
    /// After [`CustomerWork::Hold`]: the money is held for these terms, now or before, and the
    /// order's documents are kept under this.
    Held(Blind),
    /// The hold of this payment ended before: nothing is held now.
    HoldEnded(DebtorSide),
    /// Money is held for this payment id on other terms.
    PaymentIdUsed {
        /// The terms it is held for.
        first: Digest,
        /// The terms that came now.
        got: Digest,
    },
    /// A rule said no; nothing is recorded here.
    Refused(Rule),
}

/// What a customers' book says of a payment whose debtor is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebtorSeen {
    /// How far it is.
    pub side: DebtorSide,
    /// The terms that money is held for, while it is.
    pub terms: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct HeldPayment {
    #[n(0)]
    order: Box<SettleOrder>,
    #[n(1)]
    account: AccountId,
    /// What blinds the commitments to its documents; none in holds of older builds.
    #[n(2)]
    blind: Option<Blind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
enum DebtorEnd {
    #[n(0)]
    Debited,
    #[n(1)]
    Released,
}

/// The state of a customers' book: a fold over its facts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CustomersBook {
    #[n(0)]
    book: BookName,
    #[n(1)]
    institution: InstitutionName,
    #[n(2)]
    ledger: FullLedger,
    #[n(3)]
    profiles: BTreeMap<AccountId, AccountProfile>,
    #[n(4)]
    own: BTreeMap<OwnAccountKey, AccountId>,
    #[n(5)]
    held: BTreeMap<PaymentId, HeldPayment>,
    #[n(6)]
    ended: BTreeMap<PaymentId, DebtorEnd>,
    #[n(7)]
    credited: BTreeMap<PaymentId, Position>,
    #[n(8)]
    parcels: BTreeMap<ParcelKey, ParcelEntry>,
    #[n(16)]
    after: After,
    #[n(9)]
    returns: Returns,
    #[n(11)]
    funding: CustomerFundings,
    #[n(19)]
    acts: CustomerActs,
    #[n(20)]
    outgoings: Outgoings,
    #[n(26)]
    leases: HeldLeases,
    /// Where the documents of payments lie that left this book.
    #[n(31)]
    documents: BTreeSet<(PaymentId, Position)>,
    /// What decisions made due.
    #[n(36)]
    duties: Duties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct OwnAccountKey {
    #[n(0)]
    asset: AssetCode,
    #[n(1)]
    use_for: OwnUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
enum OwnUse {
    /// What the settlement book owes to this institution.
    #[n(0)]
    DueFrom,
    /// Fees taken.
    #[n(1)]
    Fee,
    /// Money whose account does not take it.
    #[n(2)]
    Suspense,
}

/// Domain of the transaction ids of payments.
const TRANSACTION_ID: Domain = Domain::new("wayleave/payment-transaction/v1");
/// Domain of the evidence that lets a pinned hold be voided.
const RELEASE: Domain = Domain::new("wayleave/release-evidence/v1");

impl CustomersBook {
    /// An empty book of an institution.
    #[must_use]
    pub fn new(book: BookName, institution: InstitutionName) -> Self {
        Self {
            book,
            institution,
            ledger: FullLedger::new(),
            profiles: BTreeMap::new(),
            own: BTreeMap::new(),
            held: BTreeMap::new(),
            ended: BTreeMap::new(),
            credited: BTreeMap::new(),
            parcels: BTreeMap::new(),
            after: After::default(),
            returns: Returns::default(),
            funding: CustomerFundings::default(),
            acts: CustomerActs::default(),
            outgoings: Outgoings::default(),
            leases: HeldLeases::default(),
            documents: BTreeSet::new(),
            duties: Duties::default(),
        }
    }

    /// Whose book it is.
    #[must_use]
    pub const fn institution(&self) -> InstitutionName {
        self.institution
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &FullLedger {
        &self.ledger
    }

    /// An account's owner and key.
    #[must_use]
    pub fn profile(&self, account: AccountId) -> Option<&AccountProfile> {
        self.profiles.get(&account)
    }

    /// The company whose key this is, with the key.
    #[must_use]
    pub fn client(&self, key: KeyId) -> Option<&AccountProfile> {
        self.profiles.values().find(|profile| profile.client_key.key_id() == key)
    }

    /// The accounts of a company.
    pub fn accounts_of(&self, owner: CompanyId) -> impl Iterator<Item = &AccountProfile> {
        self.profiles.values().filter(move |profile| profile.owner == owner)
    }

    /// What this book says of a payment whose debtor is here.
    #[must_use]
    pub fn debtor_side(&self, payment: PaymentId) -> DebtorSide {
        let held = self.held.contains_key(&payment) || self.outgoings.of(payment).is_some();
        if held || self.after.return_of(payment).is_some() {
            return DebtorSide::Held;
        }
        match self.ended.get(&payment) {
            Some(DebtorEnd::Debited) => DebtorSide::Debited,
            Some(DebtorEnd::Released) => DebtorSide::Released,
            None => DebtorSide::Untouched,
        }
    }

    /// [`Self::debtor_side`] with the terms that money is held for.
    #[must_use]
    pub fn debtor_seen(&self, payment: PaymentId) -> DebtorSeen {
        let terms = self.held.get(&payment).map(|held| sha256(held.order.terms.as_bytes()));
        let terms = terms.or_else(|| Some(self.after.return_of(payment)?.terms_digest()));
        let terms = terms.or_else(|| self.outgoings.of(payment).map(Signed::digest));
        DebtorSeen { side: self.debtor_side(payment), terms }
    }

    /// What this book says of a payment whose creditor is here.
    #[must_use]
    pub fn creditor_side(&self, payment: PaymentId) -> CreditorSide {
        if self.credited.contains_key(&payment) {
            CreditorSide::Credited
        } else {
            CreditorSide::Untouched
        }
    }

    /// The returns that this institution owes, and those that it made.
    #[must_use]
    pub const fn returns(&self) -> &Returns {
        &self.returns
    }

    /// Where a parcel lies.
    #[must_use]
    pub fn parcel(&self, payment: PaymentId, side: Side, kind: &str) -> Option<Position> {
        let key = ParcelKey { payment, side, kind: kind.to_owned() };
        self.parcels.get(&key).map(|entry| entry.at)
    }

    /// What the settlement book owes to this institution in an asset, as this book sees it.
    #[must_use]
    pub fn due_from_settlement(&self, asset: AssetCode) -> Option<AccountId> {
        self.own.get(&OwnAccountKey { asset, use_for: OwnUse::DueFrom }).copied()
    }

    /// The assets in which the settlement book owes to this institution, each with its account.
    pub fn due_from_assets(&self) -> impl Iterator<Item = (AssetCode, AccountId)> {
        let due = |key: &OwnAccountKey| key.use_for == OwnUse::DueFrom;
        self.own.iter().filter(move |(key, _)| due(key)).map(|(key, account)| (key.asset, *account))
    }

    /// Where the payment settled that was credited here, if it was.
    #[must_use]
    pub fn credited_at(&self, payment: PaymentId) -> Option<Position> {
        self.credited.get(&payment).copied()
    }

    /// Everything that [`Self::debit`] needs is asked here: once the payment is settled it is too
    /// late to refuse.
    fn hold(&self, at: Instant, order: &HoldOrder<'_>) -> Result<Option<CustomerStep>, Rule> {
        let HoldOrder { permit, terms, quote, offered, .. } = *order;
        let payment = terms.payment;
        same(RuleName::OwnersDiffer, "institution", self.institution, permit.institution)?;
        let account = terms.debited_account;
        let profile = self
            .profiles
            .get(&account)
            .ok_or_else(|| Rule::new(RuleName::AccountUnknown, account.to_string()))?;
        same(RuleName::OwnersDiffer, "owner", profile.owner, permit.owner)?;
        self.not_blocked(account)?;
        if let (Action::Refund, Some(original)) = (terms.action, terms.linked_payment) {
            self.refundable(original)?;
        }
        let asset = self.ledger.account(account).map(|known| known.opening().asset);
        if asset != Some(terms.debited.asset) {
            let detail = format!("`{account}` is not kept in `{}`", terms.debited.asset);
            return Err(Rule::new(RuleName::AccountUnknown, detail));
        }
        self.own_account(terms.debited.asset, OwnUse::DueFrom)?;
        if quote.fees_of(FeeTaker::DebtorInstitution).is_none_or(|f| !f.minor.is_zero()) {
            self.own_account(terms.debited.asset, OwnUse::Fee)?;
        }
        let placement = Placement {
            id: hold_of(payment),
            account,
            side: EntrySide::Debit,
            amount: terms.debited.minor,
            term: Term::Pinned,
            business_date: at.date(),
            limits: vec![],
            links: vec![Link::Payment(payment)],
        };
        let change = self.one_change(at, &Command::PlaceHold(placement))?;
        let order = Box::new(order.order.clone());
        Ok(Some(CustomerStep::Held { payment, order, change: change.into(), blind: Some(offered) }))
    }

    fn debit(
        &self,
        at: Instant,
        payment: PaymentId,
        settled: Position,
    ) -> Result<Option<CustomerStep>, Rule> {
        let Some(held) = self.held.get(&payment) else { return Ok(None) };
        let quote = quote_of(&held.order)?;
        let fee = quote
            .fees_of(FeeTaker::DebtorInstitution)
            .ok_or_else(|| Rule::new(RuleName::QuoteDiffers, "a fee overflows"))?;
        let net =
            quote.debit.minus(fee).map_err(|e| Rule::new(RuleName::QuoteDiffers, e.to_string()))?;
        let asset = quote.debit.asset;
        let hold = Some(hold_of(payment));
        let mut entries = vec![
            Entry { hold, ..entry(held.account, EntrySide::Debit, quote.debit.minor) },
            entry(self.own_account(asset, OwnUse::DueFrom)?, EntrySide::Credit, net.minor),
        ];
        if !fee.minor.is_zero() {
            let taker = self.own_account(asset, OwnUse::Fee)?;
            entries.push(entry(taker, EntrySide::Credit, fee.minor));
        }
        let change = self.one_change(at, &post(at, payment, entries, Side::Debtor))?;
        Ok(Some(CustomerStep::Debited { payment, settled, change: change.into() }))
    }

    fn release(
        &self,
        at: Instant,
        payment: PaymentId,
        reason: ReleaseReason,
    ) -> Result<Option<CustomerStep>, Rule> {
        let Some(held) = self.held.get(&payment) else { return Ok(None) };
        let (ReleaseReason::RefusedAt(position) | ReleaseReason::NeverSettled(position)) = reason;
        let evidence = [&payment.bytes()[..], &position.number().to_be_bytes()].concat();
        let ground = VoidGround::NotDone(NotDone {
            source: NotDoneSource::NeverSent,
            document: digest(RELEASE, &evidence),
        });
        let change = self.freed(at, (payment, held.account), ground)?;
        Ok(Some(CustomerStep::Released { payment, reason, change: change.into() }))
    }

    /// Credits the creditor once. An account that does not take the money sends it to suspense:
    /// the institution then owes a return, and the money is never lost from sight.
    fn credit(&self, at: Instant, order: &CreditOrder) -> Result<Option<CustomerStep>, Rule> {
        let CreditOrder { payment, settled, account, amount } = *order;
        if self.credited.contains_key(&payment) {
            return Ok(None);
        }
        let due_from = self.own_account(amount.asset, OwnUse::DueFrom)?;
        let entries = |to| {
            vec![
                entry(due_from, EntrySide::Debit, amount.minor),
                entry(to, EntrySide::Credit, amount.minor),
            ]
        };
        let first = self.one_change(at, &post(at, payment, entries(account), Side::Creditor));
        let change = match first {
            Ok(change) => change,
            Err(_) => {
                let suspense = self.own_account(amount.asset, OwnUse::Suspense)?;
                self.one_change(at, &post(at, payment, entries(suspense), Side::Creditor))?
            }
        };
        Ok(Some(CustomerStep::Credited { payment, settled, change: change.into() }))
    }

    fn own_account(&self, asset: AssetCode, use_for: OwnUse) -> Result<AccountId, Rule> {
        self.own.get(&OwnAccountKey { asset, use_for }).copied().ok_or_else(|| {
            let detail = format!("`{}` has no own account in `{asset}`", self.institution);
            Rule::new(RuleName::AccountUnknown, detail)
        })
    }

    fn one_change(&self, at: Instant, command: &Command) -> Result<Vec<u8>, Rule> {
        let checked = self.ledger.check(at, command).map_err(|refusal| rule_of(&refusal))?;
        let (changes, _) = checked.into_parts();
        let known = || Rule::new(RuleName::LedgerRefuses, "the ledger knows this step already");
        changes.first().map(to_canonical::<Change>).ok_or_else(known)
    }

    fn ledger_command(
        &self,
        at: Instant,
        slot: SaltSlot,
        command: &Command,
        reason: &str,
    ) -> Checked<CustomerAnswer> {
        if self.ends_payment_hold(command) {
            let detail = "the hold of a payment ends with the payment";
            return refused(Rule::new(RuleName::LedgerRefuses, detail));
        }
        match self.ledger.check(at, command) {
            Ok(checked) => {
                let (changes, _) = checked.into_parts();
                let fact = |change: &Change| {
                    LedgerChanged { change: to_canonical(change), reason: reason.to_owned() }
                        .to_fact(slot, Heading::default())
                };
                let facts = changes.iter().map(fact).collect();
                Checked { facts, outcome: CustomerAnswer::Done }
            }
            Err(refusal) => refused(rule_of(&refusal)),
        }
    }

    // INVARIANT (PaymentEndsItsHold): only the steps of its payment end a payment's hold. Without
    // it a settled payment could not be debited any more.
    fn ends_payment_hold(&self, command: &Command) -> bool {
        let is_held = |hold: HoldId| {
            self.debtor_side(PaymentId::from_bytes(hold.bytes())) == DebtorSide::Held
        };
        match command {
            Command::VoidHold { hold, .. } => is_held(*hold),
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
            | Command::PlaceHold(_)
            | Command::PinHold { .. }
            | Command::ExpireHolds { .. } => false,
        }
    }
}

fn entry(account: AccountId, side: EntrySide, amount: Minor) -> Entry {
    Entry { account, side, amount, hold: None }
}

fn hold_of(payment: PaymentId) -> HoldId {
    HoldId::from_bytes(payment.bytes())
}

/// The transaction of one side of a payment. The id is a digest: debtor and creditor may bank at
/// one institution, and whoever chooses payment ids must not be able to choose one that some other
/// transaction of the book will have.
fn post(at: Instant, payment: PaymentId, entries: Vec<Entry>, side: Side) -> Command {
    Command::Post(Transaction {
        id: transaction_of(payment, side.as_str()),
        business_date: at.date(),
        reason: Reason::Payment,
        entries: entries.into(),
        claims: vec![],
        links: vec![Link::Payment(payment)],
        detail: None,
    })
}

/// The transaction id of `part` of a payment: `settlement` in that book, `debtor` or `creditor` in
/// the book of its side.
#[must_use]
pub fn transaction_of(payment: PaymentId, part: &str) -> TransactionId {
    TransactionId::from_bytes(
        digest_of(TRANSACTION_ID, &[&payment.bytes(), part.as_bytes()]).half(),
    )
}

fn quote_of(order: &SettleOrder) -> Result<Quote, Rule> {
    order
        .quote
        .read_unverified()
        .map_err(|error| Rule::new(RuleName::QuoteDiffers, error.to_string()))
}

fn refused(rule: Rule) -> Checked<CustomerAnswer> {
    Checked { facts: vec![], outcome: CustomerAnswer::Refused(rule) }
}

fn stepped(slot: SaltSlot, step: Result<Option<CustomerStep>, Rule>) -> Checked<CustomerAnswer> {
    match step {
        Ok(step) => Checked {
            facts: step.iter().map(|s| s.to_fact(slot, Heading::default())).collect(),
            outcome: CustomerAnswer::Done,
        },
        Err(rule) => refused(rule),
    }
}

impl Machine for CustomersBook {
    type Command = CustomerCommand;
    type Outcome = CustomerAnswer;
    type Fact = Fact;
    type Rows = ();

    fn check(
        &self,
        _rows: &(),
        stamp: Instant,
        command: &CustomerCommand,
    ) -> Checked<CustomerAnswer> {
        let slot = command.slot;
        match &command.work {
            CustomerWork::OpenAccount(opening) => {
                let command = Command::OpenAccount(*opening);
                self.ledger_command(stamp, slot, &command, "account opened")
            }
            CustomerWork::OpenCustomer(opening, profile) => {
                self.open_customer(stamp, slot, opening, profile)
            }
            CustomerWork::Ledger { command, reason } => {
                self.ledger_command(stamp, slot, command, reason)
            }
            CustomerWork::Hold(order) => self
                .hold_before(slot, &order.as_hold())
                .unwrap_or_else(|| self.held(stamp, slot, &order.as_hold())),
            CustomerWork::Debit(payment, at) if self.after.return_of(*payment).is_some() => {
                after::stepped(slot, self.debit_return(stamp, *payment, *at))
            }
            CustomerWork::Release(payment, reason) if self.after.return_of(*payment).is_some() => {
                after::stepped(slot, self.release_return(stamp, *payment, *reason))
            }
            CustomerWork::HoldOutgoing(order) => self.hold_outgoing(stamp, slot, order),
            CustomerWork::Debit(payment, at) if self.outgoings.of(*payment).is_some() => {
                after::stepped(slot, self.debit_outgoing(stamp, *payment, *at))
            }
            CustomerWork::Release(payment, reason) if self.outgoings.of(*payment).is_some() => {
                after::stepped(slot, self.release_outgoing(stamp, *payment, *reason))
            }
            CustomerWork::Debit(payment, at) => stepped(slot, self.debit(stamp, *payment, *at)),
            CustomerWork::Release(payment, reason) => {
                stepped(slot, self.release(stamp, *payment, *reason))
            }
            CustomerWork::Credit(order) => match self.diverted(order) {
                Some(into) => after::stepped(slot, self.divert(stamp, order, into)),
                None => stepped(slot, self.credit(stamp, order)),
            },
            CustomerWork::Store(parcel) => self.store(slot, parcel),
            CustomerWork::CloseDuty(closing) => self.close_duty(slot, closing),
            CustomerWork::After(work) => self.after_order(stamp, slot, work),
            CustomerWork::Bank(work) => self.bank(stamp, slot, work),
            CustomerWork::Fund(asked) => self.fund(stamp, slot, asked),
            CustomerWork::Restrict(asked) => self.restrict(stamp, slot, asked),
        }
    }

    /// # Panics
    /// On a fact that this build cannot read; see `FactsReadBack` in [`crate::settlement`].
    fn apply(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        match fact.kind {
            LEDGER_CHANGED => match LedgerChanged::from_fact(fact) {
                Ok(body) => drop(self.apply_change(stamp, &body.change)),
                Err(error) => stop(&error.to_string()),
            },
            ACCOUNT_OPENED => {
                let bytes = fact.body.first().map_or(&[][..], |field| field.as_slice());
                match from_canonical::<AccountProfile>(bytes) {
                    Ok(profile) => self.profiles.insert(profile.account, profile),
                    Err(error) => stop(&error.to_string()),
                };
            }
            CUSTOMER_STEP => match CustomerStep::from_fact(fact) {
                Ok(step) => self.apply_step(position, stamp, step),
                Err(error) => stop(&error.to_string()),
            },
            PROVEN_STEP => match ProvenStep::from_fact(fact) {
                Ok(proven) => self.apply_step(position, stamp, proven.step),
                Err(error) => stop(&error.to_string()),
            },
            PROVEN_RETURN_STEP => match ProvenReturnStep::from_fact(fact) {
                Ok(proven) => self.apply_return(stamp, proven.step),
                Err(error) => stop(&error.to_string()),
            },
            RETURN_DUTY_CLOSED => match ReturnDutyClosed::from_fact(fact) {
                Ok(body) => self.returns.closed(&body),
                Err(error) => stop(&error.to_string()),
            },
            PARCEL_STORED => match Parcel::from_fact(fact) {
                Ok(Parcel { payment, side, kind, sealed, .. }) => {
                    let entry = ParcelEntry { at: position, content: sha256(&sealed) };
                    self.parcels.insert(ParcelKey { payment, side, kind }, entry);
                }
                Err(error) => stop(&error.to_string()),
            },
            kind if after::is_kind(kind) => self.apply_after(stamp, fact),
            CUSTOMER_FUNDED => self.apply_funded(stamp, fact),
            ACCOUNT_RESTRICTED => self.apply_restricted(stamp, fact),
            LEASE_STEP | LEASE_SPENT => self.apply_lease(stamp, fact),
            OUTGOING_STEP => self.apply_outgoing(stamp, fact),
            DUTY_OPENED | DUTY_CLOSED => self.apply_duty(fact),
            other => stop(&format!("kind {other:?} is unknown to this build")),
        }
    }
}

/// As of the settlement book: canonical bytes, read strictly.
impl Image for CustomersBook {
    fn save(&self) -> Vec<u8> {
        to_canonical(self)
    }

    fn load(bytes: &[u8]) -> Result<Self, ImageError> {
        load_image(bytes)
    }
}

impl CustomersBook {
    fn apply_change(&mut self, stamp: Instant, bytes: &[u8]) -> Change {
        let change: Change = match from_canonical(bytes) {
            Ok(change) => change,
            Err(error) => stop(&error.to_string()),
        };
        if let ledger::Resolved::AccountOpened(opening) = change.resolved() {
            self.index(opening);
        }
        self.ledger.apply(stamp, &change);
        change
    }

    fn index(&mut self, opening: &Opening) {
        let use_for = match opening.purpose {
            Purpose::DueFrom => OwnUse::DueFrom,
            Purpose::Fee => OwnUse::Fee,
            Purpose::Suspense => OwnUse::Suspense,
            Purpose::BlockedFunds => {
                self.after.blocked_account(opening.asset, opening.id);
                return;
            }
            Purpose::Customer
            | Purpose::Settlement
            | Purpose::Control
            | Purpose::DueTo
            | Purpose::Transit => return,
        };
        self.own.insert(OwnAccountKey { asset: opening.asset, use_for }, opening.id);
    }

    fn apply_step(&mut self, position: Position, stamp: Instant, step: CustomerStep) {
        match step {
            CustomerStep::Held { payment, order, change, blind } => {
                self.apply_change(stamp, &change);
                let hold = self.ledger.hold(hold_of(payment));
                let Some(account) = hold.map(|hold| hold.placement().account) else {
                    stop("a hold is missing after it was placed")
                };
                self.held.insert(payment, HeldPayment { order, account, blind });
                self.documents.extend(blind.map(|_| (payment, position)));
            }
            CustomerStep::Documented { payment, order, blind } => {
                if let Some(held) = self.held.get_mut(&payment) {
                    (held.order, held.blind) = (order, Some(blind));
                }
                self.documents.insert((payment, position));
            }
            CustomerStep::Debited { payment, change, .. } => {
                self.apply_change(stamp, &change);
                self.held.remove(&payment);
                self.leases.ended(payment);
                self.ended.insert(payment, DebtorEnd::Debited);
            }
            CustomerStep::Released { payment, change, .. } => {
                self.apply_change(stamp, &change);
                if let Some(held) = self.held.remove(&payment) {
                    self.note_freed(payment, held.account);
                }
                let kept: Vec<Position> = self.documents(payment).collect();
                for at in kept {
                    self.documents.remove(&(payment, at));
                }
                self.leases.ended(payment);
                self.ended.insert(payment, DebtorEnd::Released);
            }
            CustomerStep::Credited { payment, settled, change } => {
                let change = self.apply_change(stamp, &change);
                let (own, ledger) = (&self.own, &self.ledger);
                let suspense =
                    |asset| own.get(&OwnAccountKey { asset, use_for: OwnUse::Suspense }).copied();
                let asset_of = |account| Some(ledger.account(account)?.opening().asset);
                self.returns.credited(payment, stamp, change.resolved(), suspense, asset_of);
                self.credited.insert(payment, settled);
            }
        }
    }
}
