//! A customers' book after an order: the steps of a return, credits that may not be posted,
//! cases, and blocked funds.
//!
//! A return runs through the same saga as a payment ([`crate::saga`]): hold here, post in the
//! settlement book, credit in the other book, debit here. A crash between any two of them leaves
//! an open hold, from which recovery goes on.

mod blocked;

use std::collections::{BTreeMap, BTreeSet};

use journal::Checked;
use ledger::{
    Command, Entry, Link, NotDone, NotDoneSource, Placement, Reason, Side as EntrySide, Term,
    Transaction, VoidGround,
};
use minicbor::{Decode, Encode};
use record::after::{CASE_CHANGED, CREDIT_DIVERTED, FUNDS_BLOCKED, RETURN_STEP};
use record::{
    BlockExtent, BlockOrder, BlockRelease, CaseChange, CaseChanged, CaseNotice, CreditDiverted,
    Diverted, Document, Fact, FactBody, FactKind, FundsBlocked, Heading, ReleaseReason, ReleaseTo,
    ReturnConsent, ReturnOrder, ReturnParties, ReturnStep, SaltSlot, Side, Signed,
};
use seal::{Digest, digest};
use terms::{AccountId, Amount, AssetCode, Instant, Minor, PaymentId, Position, TransactionId};

use super::{
    CreditOrder, CustomerAnswer, CustomersBook, DebtorEnd, OwnUse, RELEASE, entry, hold_of, post,
    refused, transaction_of,
};
use crate::after::{CheckedByTwo, CheckedReturn, HoldReturn};
use crate::rule::{Rule, RuleName, same};
use crate::saga::DebtorSide;
use crate::settlement::stop;
use crate::status::State;

/// What a customers' book can do after an order.
#[derive(Clone, Debug)]
pub enum AfterCustomerWork {
    /// Hold the money of a return, pinned.
    HoldReturn(Box<CheckedReturn>),
    /// Open or close a case. The caller has verified the signature.
    Case(Box<Signed<CaseNotice>>),
    /// Block money. The caller has verified the signature.
    Block(Box<Signed<BlockOrder>>),
    /// Release blocked money.
    Release(Box<CheckedByTwo<BlockRelease>>),
}

/// Where the money of a credited payment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CreditStanding {
    /// Nothing was credited yet.
    #[n(0)]
    Untouched,
    /// On its account (ISO 20022 `ACCC`).
    #[n(1)]
    Posted,
    /// Its account does not take it: the institution owes a return.
    #[n(2)]
    Suspense,
    /// A case is open: accepted without posting (`ACWP`).
    #[n(3)]
    Waiting,
    /// Blocked by law (`BLCK`).
    #[n(4)]
    Blocked,
    /// It was blocked, and went where the authority said.
    #[n(5)]
    Elsewhere,
}

impl CreditStanding {
    /// The state of a settled payment whose money lies so.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::Untouched | Self::Suspense => State::Settled,
            Self::Posted => State::Credited,
            Self::Waiting => State::AcceptedWithoutPosting,
            Self::Blocked | Self::Elsewhere => State::Blocked,
        }
    }
}

/// A return whose money is held here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct HeldReturn {
    /// The order.
    #[n(0)]
    pub order: Signed<ReturnOrder>,
    /// Who takes part.
    #[n(1)]
    pub parties: ReturnParties,
    #[n(2)]
    account: AccountId,
    #[n(3)]
    amount: Amount,
}

impl HeldReturn {
    /// What stands for its terms.
    #[must_use]
    pub fn terms_digest(&self) -> Digest {
        self.order.digest()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct DivertedCredit {
    #[n(0)]
    account: AccountId,
    #[n(1)]
    amount: Amount,
    #[n(2)]
    by: TransactionId,
    #[n(3)]
    standing: CreditStanding,
}

/// Money of one owner that the law froze.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BlockEntry {
    /// The order: owner, legal basis, authority.
    #[n(0)]
    pub order: BlockOrder,
    /// How much lies blocked.
    #[n(1)]
    pub amount: Amount,
    /// Whether it still does.
    #[n(2)]
    pub standing: BlockStanding,
}

/// Whether a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum BlockStanding {
    /// It holds.
    #[n(0)]
    Blocked,
    /// Two persons released it.
    #[n(1)]
    Released,
}

/// The part of a customers' book's state that knows what came after payments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct After {
    #[n(0)]
    returns: BTreeMap<PaymentId, HeldReturn>,
    #[n(1)]
    diverted: BTreeMap<PaymentId, DivertedCredit>,
    #[n(2)]
    cases: BTreeMap<AccountId, TransactionId>,
    #[n(3)]
    closed: BTreeMap<TransactionId, CaseChange>,
    #[n(4)]
    blocks: BTreeMap<TransactionId, BlockEntry>,
    /// Accounts whose incoming money is blocked, too.
    #[n(5)]
    coming: BTreeMap<AccountId, TransactionId>,
    #[n(6)]
    blocked_accounts: BTreeMap<AssetCode, AccountId>,
    /// Consents that a return was held for: each is good for one.
    #[n(7)]
    consents: BTreeSet<Digest>,
}

impl After {
    pub(super) fn return_of(&self, payment: PaymentId) -> Option<&HeldReturn> {
        self.returns.get(&payment)
    }

    pub(super) fn blocked_account(&mut self, asset: AssetCode, account: AccountId) {
        self.blocked_accounts.insert(asset, account);
    }
}

/// Whether `kind` is applied here.
pub(super) const fn is_kind(kind: FactKind) -> bool {
    matches!(kind, RETURN_STEP | CREDIT_DIVERTED | CASE_CHANGED | FUNDS_BLOCKED)
}

/// A step as what the machine answers: a fact, or none when it was done before.
pub(super) fn stepped<T: FactBody>(
    slot: SaltSlot,
    step: Result<Option<T>, Rule>,
) -> Checked<CustomerAnswer> {
    match step {
        Ok(step) => Checked {
            facts: step.iter().map(|s| s.to_fact(slot, Heading::default())).collect(),
            outcome: CustomerAnswer::Done,
        },
        Err(rule) => refused(rule),
    }
}

impl CustomersBook {
    /// Where the money of a payment to this book lies.
    #[must_use]
    pub fn credit_standing(&self, payment: PaymentId) -> CreditStanding {
        if !self.credited.contains_key(&payment) {
            return CreditStanding::Untouched;
        }
        if let Some(diverted) = self.after.diverted.get(&payment) {
            return diverted.standing;
        }
        let id = transaction_of(payment, Side::Creditor.as_str());
        let credited = self.ledger.transaction(id).and_then(|(_, booked)| {
            let to = booked.entries.iter().find(|entry| entry.side == EntrySide::Credit)?;
            Some(to.account)
        });
        let suspense = credited.filter(|to| self.is_own(*to, OwnUse::Suspense));
        suspense.map_or(CreditStanding::Posted, |_| CreditStanding::Suspense)
    }

    /// The returns whose hold is open: what recovery must ask about.
    pub fn open_returns(&self) -> impl Iterator<Item = (PaymentId, &HeldReturn)> {
        self.after.returns.iter().map(|(payment, held)| (*payment, held))
    }

    /// What lies blocked, and by which order.
    pub fn blocks(&self) -> impl Iterator<Item = (&TransactionId, &BlockEntry)> {
        self.after.blocks.iter()
    }

    /// The case that is open about an account.
    #[must_use]
    pub fn open_case(&self, account: AccountId) -> Option<TransactionId> {
        self.after.cases.get(&account).copied()
    }

    pub(super) fn after_order(
        &self,
        at: Instant,
        slot: SaltSlot,
        work: &AfterCustomerWork,
    ) -> Checked<CustomerAnswer> {
        match work {
            AfterCustomerWork::HoldReturn(order) => match self.return_before(&order.as_hold()) {
                Some(outcome) => Checked { facts: vec![], outcome },
                None => stepped(slot, self.hold_return(at, &order.as_hold())),
            },
            AfterCustomerWork::Case(notice) => stepped(slot, self.change_case(at, notice)),
            AfterCustomerWork::Block(order) => stepped(slot, self.block(at, order)),
            AfterCustomerWork::Release(release) => stepped(slot, self.unblock(at, release)),
        }
    }

    /// A refund gives back what the payee has. Money that lies elsewhere is not the payee's to
    /// give: its institution returns it, and owes it back until then.
    pub(super) fn refundable(&self, original: PaymentId) -> Result<(), Rule> {
        let ledger = |detail: &str| Err(Rule::new(RuleName::LedgerRefuses, detail));
        match self.credit_standing(original) {
            CreditStanding::Posted => Ok(()),
            CreditStanding::Untouched => {
                let detail = format!("payment `{original}` was not credited here");
                Err(Rule::new(RuleName::OriginalUnknown, detail))
            }
            CreditStanding::Suspense => ledger("the payee did not get it: its bank returns it"),
            CreditStanding::Waiting => ledger("a case is open: close it first"),
            CreditStanding::Blocked | CreditStanding::Elsewhere => {
                Err(Rule::new(RuleName::PartySuspended, "the account is not served"))
            }
        }
    }

    /// A blocked account is not debited for its owner. The rule's name says no more than that
    /// the institution must be asked.
    pub(super) fn not_blocked(&self, account: AccountId) -> Result<(), Rule> {
        if self.after.coming.contains_key(&account) {
            return Err(Rule::new(RuleName::PartySuspended, "the account is not served"));
        }
        Ok(())
    }

    fn is_own(&self, account: AccountId, use_for: OwnUse) -> bool {
        self.own.iter().any(|(key, own)| key.use_for == use_for && *own == account)
    }

    pub(super) fn return_before(&self, order: &HoldReturn<'_>) -> Option<CustomerAnswer> {
        let seen = self.debtor_seen(order.order.payment);
        let got = order.terms_digest;
        match (seen.side, seen.terms) {
            (DebtorSide::Untouched, _) => None,
            (DebtorSide::Held, Some(first)) if first != got => {
                Some(CustomerAnswer::PaymentIdUsed { first, got })
            }
            (DebtorSide::Held, _) => Some(CustomerAnswer::Done),
            (side @ (DebtorSide::Debited | DebtorSide::Released), _) => {
                Some(CustomerAnswer::HoldEnded(side))
            }
        }
    }

    /// Everything that [`Self::debit_return`] needs is asked here: once the return has settled it
    /// is too late to refuse.
    pub(super) fn hold_return(
        &self,
        at: Instant,
        checked: &HoldReturn<'_>,
    ) -> Result<Option<ReturnStep>, Rule> {
        let order = checked.order;
        let (payment, asset) = (order.payment, order.amount.asset);
        same(RuleName::OwnersDiffer, "institution", self.institution, order.institution)?;
        self.own_account(asset, OwnUse::DueFrom)?;
        let (account, consent) = self.return_source(at, checked)?;
        let placement = Placement {
            id: hold_of(payment),
            account,
            side: EntrySide::Debit,
            amount: order.amount.minor,
            term: Term::Pinned,
            business_date: at.date(),
            limits: vec![],
            links: vec![Link::Payment(payment)],
        };
        let change = self.one_change(at, &Command::PlaceHold(placement))?.into();
        let parties = Box::new(checked.parties);
        let order = Box::new(checked.signed.clone());
        Ok(Some(ReturnStep::Held { order, parties, consent, change }))
    }

    /// Money that never reached the payee is the institution's to return. What did reach it is
    /// the payee's: only its own signature lets it go.
    fn return_source(
        &self,
        at: Instant,
        checked: &HoldReturn<'_>,
    ) -> Result<(AccountId, Option<Signed<ReturnConsent>>), Rule> {
        let original = checked.order.original;
        match self.credit_standing(original) {
            CreditStanding::Untouched => {
                let detail = format!("payment `{original}` was not credited here");
                Err(Rule::new(RuleName::OriginalUnknown, detail))
            }
            CreditStanding::Suspense => {
                let amount = checked.order.amount;
                let owed = self.returns.of(original).map(|owed| owed.amount);
                if owed.is_none_or(|owed| owed.asset != amount.asset || owed.minor < amount.minor) {
                    let detail = format!("more than is owed back of payment `{original}`");
                    return Err(Rule::new(RuleName::ReturnExceedsOriginal, detail));
                }
                Ok((self.own_account(amount.asset, OwnUse::Suspense)?, None))
            }
            CreditStanding::Waiting => {
                Err(Rule::new(RuleName::LedgerRefuses, "a case is open: close it first"))
            }
            CreditStanding::Blocked | CreditStanding::Elsewhere => {
                Err(Rule::new(RuleName::PartySuspended, "the account is not served"))
            }
            CreditStanding::Posted => {
                let account = checked.parties.debited;
                self.not_blocked(account)?;
                let consent = self.consent(at, checked, account)?;
                Ok((account, Some(consent)))
            }
        }
    }

    fn consent(
        &self,
        at: Instant,
        checked: &HoldReturn<'_>,
        account: AccountId,
    ) -> Result<Signed<ReturnConsent>, Rule> {
        let name = RuleName::ConsentMissing;
        let missing = |detail: &str| Rule::new(name, detail);
        let signed = checked.consent.ok_or_else(|| missing("no consent came with it"))?;
        let profile = self
            .profiles
            .get(&account)
            .ok_or_else(|| Rule::new(RuleName::AccountUnknown, account.to_string()))?;
        let consent =
            signed.verify(&profile.client_key).map_err(|error| missing(&error.to_string()))?;
        same(name, "environment", checked.order.environment, consent.environment)?;
        same(name, "original", checked.order.original, consent.original)?;
        same(name, "account", account, consent.account)?;
        same(name, "asset", checked.order.amount.asset, consent.amount.asset)?;
        if checked.order.amount.minor > consent.amount.minor {
            return Err(missing("more would be taken than the payee agreed to"));
        }
        if self.after.consents.contains(&signed.digest()) {
            return Err(missing("this consent was used; the payee must agree again"));
        }
        if at < consent.valid_until {
            Ok(signed.clone())
        } else {
            let detail = format!("the consent expired at `{}`", consent.valid_until);
            Err(Rule::new(RuleName::InstructionExpired, detail))
        }
    }

    pub(super) fn debit_return(
        &self,
        at: Instant,
        payment: PaymentId,
        settled: Position,
    ) -> Result<Option<ReturnStep>, Rule> {
        let Some(held) = self.after.returns.get(&payment) else { return Ok(None) };
        let due_from = self.own_account(held.amount.asset, OwnUse::DueFrom)?;
        let amount = held.amount.minor;
        let hold = Some(hold_of(payment));
        let entries = vec![
            Entry { hold, ..entry(held.account, EntrySide::Debit, amount) },
            entry(due_from, EntrySide::Credit, amount),
        ];
        let change = self.one_change(at, &post(at, payment, entries, Side::Debtor))?.into();
        Ok(Some(ReturnStep::Debited { payment, settled, change }))
    }

    pub(super) fn release_return(
        &self,
        at: Instant,
        payment: PaymentId,
        reason: ReleaseReason,
    ) -> Result<Option<ReturnStep>, Rule> {
        let Some(held) = self.after.returns.get(&payment) else { return Ok(None) };
        let (ReleaseReason::RefusedAt(refused) | ReleaseReason::NeverSettled(refused)) = reason;
        let evidence = [&payment.bytes()[..], &refused.number().to_be_bytes()].concat();
        let ground = VoidGround::NotDone(NotDone {
            source: NotDoneSource::NeverSent,
            document: digest(RELEASE, &evidence),
        });
        let change = self.freed(at, (payment, held.account), ground)?.into();
        Ok(Some(ReturnStep::Released { payment, refused, change }))
    }

    /// Whether a credit may not go to its account now. What the law blocks comes before a case.
    pub(super) fn diverted(&self, order: &CreditOrder) -> Option<Diverted> {
        if self.credited.contains_key(&order.payment) {
            return None;
        }
        let blocked = self.after.coming.get(&order.account).copied().map(Diverted::Blocked);
        blocked.or_else(|| self.open_case(order.account).map(Diverted::Waiting))
    }

    pub(super) fn divert(
        &self,
        at: Instant,
        order: &CreditOrder,
        into: Diverted,
    ) -> Result<Option<CreditDiverted>, Rule> {
        let CreditOrder { payment, settled, account, amount } = *order;
        let due_from = self.own_account(amount.asset, OwnUse::DueFrom)?;
        let to = match into {
            Diverted::Blocked(_) => self.blocked_in(amount.asset)?,
            Diverted::Waiting(_) => self.own_account(amount.asset, OwnUse::Suspense)?,
        };
        let entries = vec![
            entry(due_from, EntrySide::Debit, amount.minor),
            entry(to, EntrySide::Credit, amount.minor),
        ];
        let change = self.one_change(at, &post(at, payment, entries, Side::Creditor))?.into();
        Ok(Some(CreditDiverted { payment, settled, account, amount, into, change }))
    }

    fn blocked_in(&self, asset: AssetCode) -> Result<AccountId, Rule> {
        self.after.blocked_accounts.get(&asset).copied().ok_or_else(|| {
            let detail =
                format!("`{}` has no blocked-funds account in `{asset}`", self.institution);
            Rule::new(RuleName::AccountUnknown, detail)
        })
    }

    fn change_case(
        &self,
        at: Instant,
        signed: &Signed<CaseNotice>,
    ) -> Result<Option<CaseChanged>, Rule> {
        let notice = signed.read_unverified().map_err(|error| unread(&error))?;
        same(RuleName::OwnersDiffer, "institution", self.institution, notice.institution)?;
        let asset = self.asset_of(notice.account)?;
        let changed = |change| Ok(Some(CaseChanged { notice: signed.clone(), change }));
        let open = self.open_case(notice.account);
        match (notice.change, open) {
            (CaseChange::Open, Some(known)) if known == notice.case => Ok(None),
            (CaseChange::Open, None) if !self.after.closed.contains_key(&notice.case) => {
                self.own_account(asset, OwnUse::Suspense)?;
                changed(None)
            }
            (CaseChange::Open, _) => {
                Err(Rule::new(RuleName::LinkDiffers, "another case is open, or this one closed"))
            }
            (CaseChange::GiveBack, Some(known)) if known == notice.case => changed(None),
            (CaseChange::Post, Some(known)) if known == notice.case => {
                changed(self.post_waiting(at, &notice, asset)?)
            }
            (closing, _) if self.after.closed.get(&notice.case) == Some(&closing) => Ok(None),
            (CaseChange::GiveBack | CaseChange::Post, _) => {
                Err(Rule::new(RuleName::OriginalUnknown, "this case is not open"))
            }
        }
    }

    fn waiting(&self, case: TransactionId) -> impl Iterator<Item = (&PaymentId, &DivertedCredit)> {
        self.after.diverted.iter().filter(move |(_, credit)| {
            credit.by == case && credit.standing == CreditStanding::Waiting
        })
    }

    /// All that waited goes to its account in one transaction, or nothing does.
    fn post_waiting(
        &self,
        at: Instant,
        notice: &CaseNotice,
        asset: AssetCode,
    ) -> Result<Option<minicbor::bytes::ByteVec>, Rule> {
        let sum = self
            .waiting(notice.case)
            .try_fold(Minor::ZERO, |sum, (_, credit)| sum.plus(credit.amount.minor))
            .map_err(|error| Rule::new(RuleName::LedgerRefuses, error.to_string()))?;
        if sum.is_zero() {
            return Ok(None);
        }
        let from = self.own_account(asset, OwnUse::Suspense)?;
        let links = self.waiting(notice.case).map(|(payment, _)| Link::Payment(*payment));
        // The law may have blocked what comes to the account while the case was open.
        let to = self.blocked_instead_of(notice.account).unwrap_or(notice.account);
        let moved = Moved { from, to, amount: sum, links: links.collect() };
        self.moved(at, notice.case, Reason::Payment, moved).map(Some)
    }

    fn moved(
        &self,
        at: Instant,
        id: TransactionId,
        reason: Reason,
        moved: Moved,
    ) -> Result<minicbor::bytes::ByteVec, Rule> {
        let entries = vec![
            entry(moved.from, EntrySide::Debit, moved.amount),
            entry(moved.to, EntrySide::Credit, moved.amount),
        ];
        let transaction = Transaction {
            id,
            business_date: at.date(),
            reason,
            entries: entries.into(),
            claims: vec![],
            links: moved.links,
            detail: None,
        };
        self.one_change(at, &Command::Post(transaction)).map(Into::into)
    }

    fn asset_of(&self, account: AccountId) -> Result<AssetCode, Rule> {
        let known = self.ledger.account(account).map(|known| known.opening().asset);
        known.ok_or_else(|| Rule::new(RuleName::AccountUnknown, account.to_string()))
    }
}

struct Moved {
    from: AccountId,
    to: AccountId,
    amount: Minor,
    links: Vec<Link>,
}

fn unread(error: &record::DocumentError) -> Rule {
    Rule::new(RuleName::LinkDiffers, error.to_string())
}

/// The folds. They cannot refuse: everything was judged before the fact was written.
impl CustomersBook {
    pub(super) fn apply_after(&mut self, stamp: Instant, fact: &Fact) {
        match fact.kind {
            RETURN_STEP => self.apply_return(stamp, read(fact)),
            CREDIT_DIVERTED => self.apply_diverted(stamp, &read(fact)),
            CASE_CHANGED => self.apply_case(stamp, &read(fact)),
            FUNDS_BLOCKED => self.apply_block(stamp, read(fact)),
            other => stop(&format!("kind {other:?} is unknown to this build")),
        }
    }

    pub(super) fn apply_return(&mut self, stamp: Instant, step: ReturnStep) {
        match step {
            ReturnStep::Held { order, parties, consent, change } => {
                self.apply_change(stamp, &change);
                let read: ReturnOrder = document(&order);
                let hold = self.ledger.hold(hold_of(read.payment));
                let Some(account) = hold.map(|hold| hold.placement().account) else {
                    stop("a hold is missing after it was placed")
                };
                let held =
                    HeldReturn { order: *order, parties: *parties, account, amount: read.amount };
                self.after.returns.insert(read.payment, held);
                self.after.consents.extend(consent.map(|consent| consent.digest()));
            }
            ReturnStep::Debited { payment, change, .. } => {
                self.apply_change(stamp, &change);
                if let Some(held) = self.after.returns.remove(&payment)
                    && self.is_own(held.account, OwnUse::Suspense)
                {
                    let order: ReturnOrder = document(&held.order);
                    self.returns.gave_back(order.original, held.amount, payment);
                }
                self.ended.insert(payment, DebtorEnd::Debited);
            }
            ReturnStep::Released { payment, change, .. } => {
                self.apply_change(stamp, &change);
                if let Some(held) = self.after.returns.remove(&payment) {
                    self.note_freed(payment, held.account);
                }
                self.ended.insert(payment, DebtorEnd::Released);
            }
        }
    }

    fn apply_diverted(&mut self, stamp: Instant, credit: &CreditDiverted) {
        let CreditDiverted { payment, settled, account, amount, into, ref change } = *credit;
        self.apply_change(stamp, change);
        let (by, standing) = match into {
            Diverted::Blocked(block) => {
                if let Some(entry) = self.after.blocks.get_mut(&block) {
                    entry.amount = match entry.amount.plus(amount) {
                        Ok(sum) => sum,
                        Err(error) => stop(&error.to_string()),
                    };
                }
                (block, CreditStanding::Blocked)
            }
            Diverted::Waiting(case) => (case, CreditStanding::Waiting),
        };
        self.credited.insert(payment, settled);
        self.after.diverted.insert(payment, DivertedCredit { account, amount, by, standing });
    }

    fn apply_case(&mut self, stamp: Instant, changed: &CaseChanged) {
        let notice: CaseNotice = document(&changed.notice);
        if let Some(change) = &changed.change {
            self.apply_change(stamp, change);
        }
        let standing = match notice.change {
            CaseChange::Open => {
                self.after.cases.insert(notice.account, notice.case);
                return;
            }
            CaseChange::Post => CreditStanding::Posted,
            CaseChange::GiveBack => CreditStanding::Suspense,
        };
        if standing == CreditStanding::Suspense {
            let owed = self.waiting(notice.case).map(|(payment, credit)| (*payment, credit.amount));
            for (payment, amount) in owed.collect::<Vec<_>>() {
                self.returns.owe(payment, amount, stamp);
            }
        }
        self.after.cases.remove(&notice.account);
        self.after.closed.insert(notice.case, notice.change);
        let posted = standing == CreditStanding::Posted;
        let block = if posted { self.note_blocked(notice.account, notice.case) } else { None };
        match block {
            Some(block) => self.divert_again(notice.case, block),
            None => self.settle_diverted(notice.case, standing),
        }
    }

    /// What waited for a case lies blocked now.
    fn divert_again(&mut self, case: TransactionId, block: TransactionId) {
        let waited = |credit: &&mut DivertedCredit| credit.by == case;
        for credit in self.after.diverted.values_mut().filter(waited) {
            (credit.by, credit.standing) = (block, CreditStanding::Blocked);
        }
    }

    fn settle_diverted(&mut self, by: TransactionId, standing: CreditStanding) {
        for credit in self.after.diverted.values_mut().filter(|credit| credit.by == by) {
            credit.standing = standing;
        }
    }

    fn apply_block(&mut self, stamp: Instant, step: FundsBlocked) {
        match step {
            FundsBlocked::Blocked { order, amount, change } => {
                if let Some(change) = change {
                    self.apply_change(stamp, &change);
                }
                let order: BlockOrder = document(&order);
                if order.extent == BlockExtent::AllAndComing {
                    self.after.coming.insert(order.account, order.block);
                }
                let (block, standing) = (order.block, BlockStanding::Blocked);
                self.after.blocks.insert(block, BlockEntry { order, amount, standing });
            }
            FundsBlocked::Released { release, change } => {
                if let Some(change) = change {
                    self.apply_change(stamp, &change);
                }
                let release: BlockRelease = document(&release.first);
                let standing = match release.to {
                    ReleaseTo::Owner => CreditStanding::Posted,
                    ReleaseTo::Account(_) => CreditStanding::Elsewhere,
                };
                if let Some(entry) = self.after.blocks.get_mut(&release.block) {
                    entry.standing = BlockStanding::Released;
                    entry.amount.minor = Minor::ZERO;
                }
                self.after.coming.retain(|_, block| *block != release.block);
                self.settle_diverted(release.block, standing);
            }
        }
    }
}

fn read<T: FactBody>(fact: &Fact) -> T {
    T::from_fact(fact).unwrap_or_else(|error| stop(&error.to_string()))
}

fn document<T: Document>(signed: &Signed<T>) -> T {
    signed.read_unverified().unwrap_or_else(|error| stop(&error.to_string()))
}
