//! The settlement book after an order: cancellations, returns, what refunds count, corrections.
//!
//! INVARIANT (NeverMoreThanTheOriginal): returns and refunds of one payment together never count
//! more than it credited. [`SettlementBook::rest_covers`] is the one place that says so, in the
//! writer's turn; [`After::give`] is the one place that counts. Guard: the model test of
//! `tests/after_model.rs`.

use core::time::Duration;
use std::collections::BTreeMap;

use journal::Checked;
use ledger::{Change, Command, Entry, Link, Reason, Side as EntrySide, Transaction};
use minicbor::{Decode, Encode};
use record::after::{BOOK_CORRECTED, CANCELLATION_ANSWERED, CANCELLED_CODE, PAYMENT_RETURNED};
use record::{
    AskedBack, Blind, BookCorrected, CancellationAnswered, CancellationVerdict, Cancelled,
    Correction, CorrectionMove, Documents, Ending, Fact, FactBody, FactKind, GivenBack, Heading,
    PaymentEnded, PaymentReturned, RefusedBy, ReturnRate, SaltSlot, Settled, SettledAccounts, Side,
    Withheld,
};
use seal::{Digest, to_canonical};
use terms::{Amount, Instant, InstitutionName, Minor, PaymentId, Position};

use super::judge::{Movement, open};
use super::{AccountUse, PaymentEntry, SettlementAnswer, SettlementBook, read, stop};
use crate::after::{CheckedAnswer, CheckedByTwo, CheckedCancellation, CheckedReturn, Original};
use crate::customers::transaction_of;
use crate::order::CheckedOrder;
use crate::rule::{Rule, RuleName, same};
use crate::status::Linked;

/// How long the payee's side may take to answer a cancellation request: ten days, about what
/// payment schemes give. Afterwards the request has lapsed; a return needs none.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 24 * 3600);

/// What the settlement book can do after an order.
#[derive(Clone, Debug)]
pub enum AfterWork {
    /// Cancel a payment, or ask for it back once it has settled.
    Cancel(Box<CheckedCancellation>),
    /// Record the payee's side's answer.
    AnswerCancellation(Box<CheckedAnswer>),
    /// Give a payment back.
    Return(Box<CheckedReturn>),
    /// Correct a transaction.
    Correct(Box<CheckedByTwo<Correction>>),
}

/// What the settlement book answers to it, besides how a payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterAnswer {
    /// The payment had settled: it is asked back, now or before.
    Asked(CancellationEntry),
    /// A rule said no; nothing is recorded.
    Refused(Rule),
}

/// A settled payment that is asked back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CancellationEntry {
    /// Where the request was recorded.
    #[n(0)]
    pub position: Position,
    /// Its digest.
    #[n(1)]
    pub request: Digest,
    /// Its reason code.
    #[n(2)]
    pub reason: String,
    /// When it was recorded.
    #[n(3)]
    pub recorded_at: Instant,
    /// An answer counts while the stamp is before this.
    #[n(4)]
    pub answer_by: Instant,
    /// The answer.
    #[n(5)]
    pub verdict: Option<CancellationVerdict>,
}

/// What was given back of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Given {
    /// How much, in the asset that the payment credited.
    #[n(0)]
    pub minor: Minor,
    /// By which returns and refunds.
    #[n(1)]
    pub by: Vec<(PaymentId, Linked)>,
}

/// The part of the settlement book's state that knows what came after payments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct After {
    #[n(0)]
    given: BTreeMap<PaymentId, Given>,
    #[n(1)]
    asked: BTreeMap<PaymentId, CancellationEntry>,
}

impl After {
    fn give(&mut self, back: GivenBack, by: (PaymentId, Linked)) {
        let given =
            self.given.entry(back.original).or_insert(Given { minor: Minor::ZERO, by: vec![] });
        given.minor = match given.minor.plus(back.counted.minor) {
            Ok(sum) => sum,
            Err(error) => stop(&error.to_string()),
        };
        given.by.push(by);
    }
}

/// Whether `kind` is applied here.
pub(super) fn is_kind(kind: FactKind) -> bool {
    let cancels = Cancelled::is_kind(kind) || AskedBack::is_kind(kind);
    cancels || matches!(kind, CANCELLATION_ANSWERED | PAYMENT_RETURNED | BOOK_CORRECTED)
}

/// What a correction books.
fn entries_of(correction: &Correction) -> Vec<Entry> {
    let sides = |one: &CorrectionMove| {
        let entry = |account, side| Entry { account, side, amount: one.amount.minor, hold: None };
        [entry(one.debit, EntrySide::Debit), entry(one.credit, EntrySide::Credit)]
    };
    correction.moves.iter().flat_map(sides).collect()
}

/// Whether a transaction is this correction, asked for again.
fn is_booked(booked: &Transaction, correction: &Correction) -> bool {
    booked.reason == Reason::Correction
        && *booked.links == [Link::Corrects(correction.corrects)]
        && *booked.entries == *entries_of(correction)
}

impl SettlementBook {
    /// What was given back of a payment, if anything was.
    #[must_use]
    pub fn given_back(&self, payment: PaymentId) -> Option<&Given> {
        self.after.given.get(&payment)
    }

    /// The request to give a settled payment back, if there is one.
    #[must_use]
    pub fn asked_back(&self, payment: PaymentId) -> Option<&CancellationEntry> {
        self.after.asked.get(&payment)
    }

    pub(super) fn after_order(
        &self,
        at: Instant,
        slot: SaltSlot,
        work: &AfterWork,
    ) -> Checked<SettlementAnswer> {
        match work {
            AfterWork::Cancel(asked) => self.cancel(at, slot, asked),
            AfterWork::AnswerCancellation(answer) => self.answer(at, slot, answer),
            AfterWork::Return(order) => self.give_back(at, slot, order),
            AfterWork::Correct(correction) => self.correct(at, slot, correction),
        }
    }

    /// Before settlement this ends the payment, and an order that comes later finds it ended: of
    /// the two, the writer takes whichever stands first in its queue. Afterwards it only asks.
    fn cancel(
        &self,
        at: Instant,
        slot: SaltSlot,
        asked: &CheckedCancellation,
    ) -> Checked<SettlementAnswer> {
        let (payment, terms) = (asked.payment(), asked.terms_digest);
        match self.payments.get(&payment) {
            Some(entry) if entry.terms == terms && entry.ending == Ending::Settled => {
                self.ask_back(at, slot, asked)
            }
            Some(_) => Checked {
                facts: vec![],
                outcome: self.first_answer(payment, terms).unwrap_or(SettlementAnswer::Done),
            },
            None if self.under_way(payment, terms).is_some() => Checked {
                facts: vec![],
                outcome: self.under_way(payment, terms).unwrap_or(SettlementAnswer::Done),
            },
            None if !asked.quoted => {
                let detail = format!("no quote for payment `{payment}` came with it");
                refused(Rule::new(RuleName::QuoteDiffers, detail))
            }
            None => {
                let ended = PaymentEnded {
                    payment,
                    environment: self.environment,
                    terms,
                    ending: Ending::Refused(CANCELLED_CODE.to_owned()),
                    recorded_at: at,
                };
                let heading =
                    Heading { corridor: Some(asked.terms.corridor), ..Heading::default() };
                let body = Cancelled { ended: ended.clone(), request: asked.nameless.clone() };
                Checked {
                    facts: vec![body.to_fact(slot, heading)],
                    outcome: SettlementAnswer::EndedNow(ended),
                }
            }
        }
    }

    /// One request per payment: its answer stands, and money moves by neither.
    fn ask_back(
        &self,
        at: Instant,
        slot: SaltSlot,
        asked: &CheckedCancellation,
    ) -> Checked<SettlementAnswer> {
        let payment = asked.payment();
        if let Some(entry) = self.after.asked.get(&payment) {
            return answered(vec![], AfterAnswer::Asked(entry.clone()));
        }
        if asked.terms.action != record::Action::Pay {
            let detail = format!("payment `{payment}` is a {}", asked.terms.action.as_str());
            return refused(Rule::new(RuleName::RefundOfRefund, detail));
        }
        let body = AskedBack {
            payment,
            request: asked.nameless.clone(),
            recorded_at: at,
            answer_by: at.plus(ANSWER_WITHIN),
        };
        let entry = CancellationEntry {
            position: Position::ZERO,
            request: asked.nameless.request,
            reason: asked.nameless.reason.clone(),
            recorded_at: at,
            answer_by: body.answer_by,
            verdict: None,
        };
        let fact = body.to_fact(slot, Heading::default());
        answered(vec![fact], AfterAnswer::Asked(entry))
    }

    fn answer(
        &self,
        at: Instant,
        slot: SaltSlot,
        checked: &CheckedAnswer,
    ) -> Checked<SettlementAnswer> {
        let answer = &checked.answer;
        let Some(entry) = self.after.asked.get(&answer.payment) else {
            let detail = format!("nobody asked payment `{}` back", answer.payment);
            return refused(Rule::new(RuleName::OriginalUnknown, detail));
        };
        if let Err(rule) = same(RuleName::LinkDiffers, "request", entry.request, answer.request) {
            return refused(rule);
        }
        match &entry.verdict {
            Some(first) if *first == answer.verdict => {
                answered(vec![], AfterAnswer::Asked(entry.clone()))
            }
            Some(_) => refused(Rule::new(RuleName::LinkDiffers, "it was answered otherwise")),
            None => match open(at, entry.answer_by, RuleName::InstructionExpired) {
                Err(rule) => refused(rule),
                Ok(()) => {
                    let verdict = Some(answer.verdict.clone());
                    let body = CancellationAnswered {
                        payment: answer.payment,
                        answer: checked.signed.clone(),
                        verdict: answer.verdict.clone(),
                        recorded_at: at,
                    };
                    let fact = body.to_fact(slot, Heading::default());
                    let entry = CancellationEntry { verdict, ..entry.clone() };
                    answered(vec![fact], AfterAnswer::Asked(entry))
                }
            },
        }
    }

    fn give_back(
        &self,
        at: Instant,
        slot: SaltSlot,
        order: &CheckedReturn,
    ) -> Checked<SettlementAnswer> {
        let (payment, terms) = (order.order.payment, order.terms_digest);
        if let Some(first) = self.first_answer(payment, terms) {
            return Checked { facts: vec![], outcome: first };
        }
        let heading = Heading { corridor: Some(order.original.corridor()), ..Heading::default() };
        match self.judge_return(at, order) {
            Ok(postings) => {
                let environment = self.environment;
                let ending = Ending::Settled;
                let ended = PaymentEnded { payment, environment, terms, ending, recorded_at: at };
                let body = PaymentReturned {
                    ended: ended.clone(),
                    original: order.original.payment(),
                    order: order.signed.clone(),
                    parties: order.original.return_parties(),
                    postings: to_canonical(&postings),
                };
                let facts = vec![body.to_fact(slot, heading)];
                Checked { facts, outcome: SettlementAnswer::EndedNow(ended) }
            }
            Err(Rule { name, detail }) => {
                let by = RefusedBy::Core(name.to_string(), detail);
                self.refused(at, slot, heading, payment, terms, name.to_string(), by)
            }
        }
    }

    fn judge_return(&self, at: Instant, checked: &CheckedReturn) -> Result<Change, Rule> {
        let (order, original) = (&checked.order, &checked.original);
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, order.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, order.book)?;
        self.return_signers_in_force(checked)?;
        self.return_not_suspended(at, checked)?;
        open(at, order.valid_until, RuleName::InstructionExpired)?;
        let provider = match &order.rate {
            ReturnRate::Quoted(signed) => {
                let quote = signed.read_unverified().map_err(|e| differs(&e.to_string()))?;
                open(at, quote.expires_at, RuleName::QuoteExpired)?;
                if self.quotes_used.contains(&quote.quote) {
                    return Err(Rule::new(RuleName::QuoteUsed, quote.quote.to_string()));
                }
                quote.provider
            }
            ReturnRate::Guaranteed(signed) => {
                let guarantee = signed.read_unverified().map_err(|e| differs(&e.to_string()))?;
                open(at, guarantee.valid_until, RuleName::GuaranteeExpired)?;
                guarantee.provider
            }
        };
        self.rest_covers(original, order.amount)?;
        let provider: InstitutionName =
            provider.as_str().parse().map_err(|_| differs("the provider has no account"))?;
        let use_for = AccountUse::Settlement;
        let gives = self.movement(original.creditor_institution, order.amount, use_for)?;
        let takes = self.movement(provider, order.amount, use_for)?;
        let pays = self.movement(provider, order.credited, use_for)?;
        let gets = self.movement(original.debtor_institution, order.credited, use_for)?;
        self.liquid(&pays, RuleName::ProviderLiquidityInsufficient)?;
        self.liquid(&gives, RuleName::ParticipantLiquidityInsufficient)?;
        self.return_not_frozen(at, original)?;
        let transaction = Transaction {
            id: transaction_of(order.payment, "settlement"),
            business_date: self.business_date(at),
            reason: Reason::Return,
            entries: vec![
                entry(EntrySide::Debit, &gives),
                entry(EntrySide::Credit, &takes),
                entry(EntrySide::Debit, &pays),
                entry(EntrySide::Credit, &gets),
            ]
            .into(),
            claims: vec![],
            links: vec![
                Link::Payment(order.payment),
                Link::Returns(transaction_of(original.payment(), "settlement")),
            ],
            detail: None,
        };
        self.only_change(at, &Command::Post(transaction))
    }

    /// The keys were checked against a view that may be older than this turn.
    fn return_signers_in_force(&self, checked: &CheckedReturn) -> Result<(), Rule> {
        let original = &checked.original;
        let (who, corridor) = (original.creditor_institution, original.corridor());
        let signer = self.trust.permit_key(who, corridor, Side::Creditor, checked.signed.key());
        let provider = match &checked.order.rate {
            ReturnRate::Quoted(signed) => signed
                .read_unverified()
                .ok()
                .and_then(|quote| self.trust.quote_key(quote.provider, signed.key())),
            ReturnRate::Guaranteed(signed) => {
                self.trust.quote_key(original.quote.provider, signed.key())
            }
        };
        let gone = |what: &str| {
            let detail = format!("{what}: its key is not named any more");
            Err(Rule::new(RuleName::SignerNotTrusted, detail))
        };
        match (signer, provider) {
            (None, _) => gone("return order"),
            (_, None) => gone("rate"),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    /// The one place that bounds what is given back: the original settled here, where its fact
    /// lies, and what is left of it covers `counted`.
    pub(super) fn rest_covers(&self, original: &Original, counted: Amount) -> Result<(), Rule> {
        let payment = original.payment();
        let known = self.payments.get(&payment).is_some_and(|entry| {
            entry.position == original.position
                && entry.terms == original.terms_digest
                && entry.ending == Ending::Settled
        });
        if !known {
            let detail = format!("payment `{payment}` did not settle here");
            return Err(Rule::new(RuleName::OriginalUnknown, detail));
        }
        let given = self.after.given.get(&payment).map_or(Minor::ZERO, |given| given.minor);
        let exceeds = || {
            let detail = format!("more than what is left of payment `{payment}`");
            Rule::new(RuleName::ReturnExceedsOriginal, detail)
        };
        let sum = given.plus(counted.minor).map_err(|_| exceeds())?;
        if sum <= original.terms.credited.minor { Ok(()) } else { Err(exceeds()) }
    }

    /// A correction is a transaction like any other: floors and freezes hold for it.
    fn correct(
        &self,
        at: Instant,
        slot: SaltSlot,
        checked: &CheckedByTwo<Correction>,
    ) -> Checked<SettlementAnswer> {
        let correction = &checked.document;
        if let Some((_, booked)) = self.ledger.transaction(correction.correction) {
            return if is_booked(booked, correction) {
                Checked { facts: vec![], outcome: SettlementAnswer::Done }
            } else {
                let detail =
                    format!("transaction `{}` is not this correction", correction.correction);
                refused(Rule::new(RuleName::LinkDiffers, detail))
            };
        }
        match self.judge_correction(at, correction) {
            Ok(change) => {
                let body = BookCorrected {
                    correction: checked.signed.clone(),
                    change: to_canonical(&change),
                };
                let facts = vec![body.to_fact(slot, Heading::default())];
                Checked { facts, outcome: SettlementAnswer::Done }
            }
            Err(rule) => refused(rule),
        }
    }

    fn judge_correction(&self, at: Instant, correction: &Correction) -> Result<Change, Rule> {
        let found = correction.environment;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, found)?;
        same(RuleName::BooksDiffer, "book", self.book, correction.book)?;
        if self.ledger.transaction(correction.corrects).is_none() {
            let detail = format!("there is no transaction `{}`", correction.corrects);
            return Err(Rule::new(RuleName::OriginalUnknown, detail));
        }
        if correction.reason.trim().is_empty() || correction.moves.is_empty() {
            return Err(Rule::new(RuleName::LinkDiffers, "a correction has a reason and a move"));
        }
        open(at, correction.valid_until, RuleName::InstructionExpired)?;
        for one in &correction.moves {
            for account in [one.debit, one.credit] {
                let asset = self.ledger.account(account).map(|known| known.opening().asset);
                if asset != Some(one.amount.asset) {
                    let detail = format!("`{account}` is not kept in `{}`", one.amount.asset);
                    return Err(Rule::new(RuleName::AccountUnknown, detail));
                }
            }
        }
        let entries = entries_of(correction);
        let transaction = Transaction {
            id: correction.correction,
            business_date: self.business_date(at),
            reason: Reason::Correction,
            entries: entries.into(),
            claims: vec![],
            links: vec![Link::Corrects(correction.corrects)],
            detail: None,
        };
        self.only_change(at, &Command::Post(transaction))
    }

    fn only_change(&self, at: Instant, command: &Command) -> Result<Change, Rule> {
        let changes = self.ledger_changes(at, command)?;
        changes.into_iter().next().ok_or_else(|| {
            Rule::new(RuleName::LedgerRefuses, "the ledger knows this transaction already")
        })
    }

    pub(super) fn apply_after(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        match fact.kind {
            kind if Cancelled::is_kind(kind) => {
                let body = Cancelled::of_fact(fact).unwrap_or_else(|e| stop(&e.to_string()));
                self.remember(position, &body.ended);
            }
            kind if AskedBack::is_kind(kind) => {
                let body = AskedBack::of_fact(fact).unwrap_or_else(|e| stop(&e.to_string()));
                let entry = CancellationEntry {
                    position,
                    request: body.request.request,
                    reason: body.request.reason,
                    recorded_at: body.recorded_at,
                    answer_by: body.answer_by,
                    verdict: None,
                };
                self.after.asked.insert(body.payment, entry);
            }
            CANCELLATION_ANSWERED => {
                let body: CancellationAnswered = read(fact);
                if let Some(entry) = self.after.asked.get_mut(&body.payment) {
                    entry.verdict = Some(body.verdict);
                }
            }
            PAYMENT_RETURNED => self.apply_returned(position, stamp, fact),
            BOOK_CORRECTED => {
                let body: BookCorrected = read(fact);
                self.apply_change(stamp, &body.change);
            }
            other => stop(&format!("kind {other:?} is unknown to this build")),
        }
    }

    /// Folds a settled payment or refund.
    pub(super) fn apply_settled(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        let body = Settled::of_fact(fact).unwrap_or_else(|error| stop(&error.to_string()));
        if let Some(given) = body.given {
            self.after.give(given, (body.payment(), Linked::Refund));
        }
        if let Ok(quote) = body.quote.read_unverified() {
            self.quotes_used.insert(quote.quote);
        }
        self.instances.named(&fact.heading, body.payment(), record::SpentOn::Permit);
        let legs = self.transit.settled(position, &body);
        self.apply_carried(stamp, &body.postings, legs);
        self.remember(position, &body.ended);
    }

    /// Remembers how a payment ended: it ends once.
    pub(super) fn remember(&mut self, position: Position, ended: &PaymentEnded) {
        let entry = PaymentEntry {
            position,
            terms: ended.terms,
            ending: ended.ending.clone(),
            recorded_at: ended.recorded_at,
        };
        self.payments.insert(ended.payment, entry);
    }

    fn apply_returned(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        let body: PaymentReturned = read(fact);
        let order = match body.order.read_unverified() {
            Ok(order) => order,
            Err(error) => stop(&error.to_string()),
        };
        if let ReturnRate::Quoted(quote) = &order.rate
            && let Ok(quote) = quote.read_unverified()
        {
            self.quotes_used.insert(quote.quote);
        }
        let back = GivenBack { original: body.original, counted: order.amount };
        self.after.give(back, (order.payment, Linked::Return));
        let legs = self.transit.returned(position, &body, &order);
        self.apply_carried(stamp, &body.postings, legs);
        self.remember(position, &body.ended);
    }
}

/// What the fact of a settled order says: commitments where its documents name somebody.
pub(super) fn settled_body(
    ended: PaymentEnded,
    checked: &CheckedOrder,
    blind: Blind,
    given: Option<GivenBack>,
    postings: &Change,
) -> Settled {
    let order = &checked.order;
    Settled {
        ended,
        quote: order.quote.clone(),
        debtor_permit: order.debtor_permit.clone(),
        creditor_permit: order.creditor_permit.clone(),
        postings: to_canonical(postings),
        given,
        accounts: SettledAccounts {
            debited: checked.terms.debited_account,
            credited: checked.terms.credited_account,
        },
        documents: Documents::Withheld(Withheld::of(order, blind)),
    }
}

const fn entry(side: EntrySide, movement: &Movement) -> Entry {
    Entry { account: movement.account, side, amount: movement.amount, hold: None }
}

fn differs(detail: &str) -> Rule {
    Rule::new(RuleName::QuoteDiffers, detail)
}

fn answered(facts: Vec<Fact>, answer: AfterAnswer) -> Checked<SettlementAnswer> {
    Checked { facts, outcome: SettlementAnswer::After(answer) }
}

fn refused(rule: Rule) -> Checked<SettlementAnswer> {
    answered(vec![], AfterAnswer::Refused(rule))
}
