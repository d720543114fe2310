//! A consent becomes a signed permit, a signed refusal or a referral, with the whole record.
//!
//! First [`open_debtor_consent`] or [`open_creditor_consent`]: the ticket is ours and everything
//! handed in is what it was made for. Only then does an edge take a sequence number, make it
//! durable, and decide. What goes wrong after that is a refusal with a record, not an error.

use core::time::Duration;

use credential::query::QueryError;
use credential::{
    Expectation, HighWater, PartyRefused, PresentationRequest, VerifiedParty, verify_response,
};
use minicbor::{Decode, Encode};
use policy::{Decision, DecisionEnvelope, Findings, vocabulary as v};
use record::{
    Acceptance, Action, Basis, DecisionOutcome, DecisionRecord, DutyClaim, EdgeMark, Invoice,
    OpenOutcome, OutgoingParties, OutgoingPayment, PERMIT_SECONDS_MAX, PartyStatement,
    PaymentTerms, Permit, Quote, Refusal, ReliedOn, Side, Signed, TRAVEL_RULE, TermsStringError,
    TravelMark,
};
use seal::{BoxError, DataKey, Digest, Domain, Salt, digest::digest_of, seal_with, to_canonical};
use terms::{CompanyId, DecisionId, Instant, InstitutionName, PaymentId};
use thiserror::Error;

use crate::desk::{Desk, Statuses};
use crate::exchange::{believe, debtor_request_under, nonce_of};
use crate::findings::{self, Done};
use crate::forced;
use crate::marks::{lists_seen, lists_seen_again};
use crate::payee::STATUS_AGE_MAX;
use crate::sandbox::{self, Beyond, Bounds, is_owed};
use crate::ticket::{About, CreditorTicket, DebtorTicket, Ticket, TicketError};
use crate::told::{OwnReason, Told};
use crate::travel::{self, Travelled};

/// Domain of a decision record's commitment.
pub const RECORD_COMMITMENT: Domain = Domain::new("wayleave/decision-commitment/v1");
/// Domain under which the salt of a record is derived from the payment's data key.
pub const RECORD_SALT: Domain = Domain::new("wayleave/decision-salt/v1");
/// Domain of a record sealed under the payment's data key; it is about the payment id.
pub const SEALED_RECORD: Domain = Domain::new("wayleave/sealed-decision/v1");

/// What the wallet hands in with its consent.
#[derive(Clone, Copy, Debug)]
pub struct Consented<'a> {
    /// Our sealed note.
    pub ticket: &'a [u8],
    /// The terms string.
    pub terms: &'a str,
    /// The quote.
    pub quote: &'a Signed<Quote>,
    /// The invoice.
    pub invoice: &'a Signed<Invoice>,
    /// The acceptance.
    pub acceptance: &'a Signed<Acceptance>,
}

/// A consent whose ticket is ours and whose parts are those that the ticket was made for.
// INVARIANT (OneMaker): private fields, made by `open_…_consent` only; a sequence number is spent
// on nothing else.
#[derive(Clone, Debug)]
pub struct OpenConsent<T> {
    ticket: T,
    terms: PaymentTerms,
    quote: Quote,
    parts: Parts,
}

/// The documents of a consent, as they were handed in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Parts {
    /// The terms string.
    #[n(0)]
    pub terms: String,
    /// The quote.
    #[n(1)]
    pub quote: Signed<Quote>,
    /// The invoice.
    #[n(2)]
    pub invoice: Signed<Invoice>,
    /// The acceptance.
    #[n(3)]
    pub acceptance: Signed<Acceptance>,
}

/// Why nothing is decided.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConsentRefused {
    /// The ticket.
    #[error("{0}")]
    Ticket(#[from] TicketError),
    /// The terms string cannot be read.
    #[error("terms: {0}")]
    Terms(#[from] TermsStringError),
    /// One part is not what the ticket was made for.
    #[error("the {part} is not the one that was prepared")]
    OtherThan {
        /// Which.
        part: &'static str,
    },
}

/// What a decision needs besides the consent.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The edge instance and the sequence number that is durable already.
    pub mark: EdgeMark,
    /// A fresh id.
    pub decision: DecisionId,
    /// The data key of this payment, durable already.
    pub data_key: &'a DataKey,
    /// Status lists at hand.
    pub statuses: Statuses<'a>,
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The whole record; only the institution and its supervisor may read it.
    pub record: DecisionRecord,
    /// What the customer gets.
    pub verdict: Verdict,
    /// High-water marks of status lists after this decision, whatever it is: to be made durable
    /// before the answer.
    pub high_water: HighWater,
    /// Whether the rules themselves failed on a verified party: somebody must be woken.
    pub alarm: bool,
}

/// What the customer gets.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It may go on.
    Permit(Signed<Permit>),
    /// It may leave over a rail: the order, and who pays whom.
    Order {
        /// What the settlement book keeps.
        order: Signed<OutgoingPayment>,
        /// What the institution's own book keeps, and the rail is told.
        parties: Box<OutgoingParties>,
    },
    /// It may not.
    Refusal {
        /// The signed refusal.
        document: Signed<Refusal>,
        /// What the customer is told.
        told: Box<Told>,
    },
    /// Not now.
    Referral {
        /// What the first open reason says.
        told: Box<Told>,
        /// When the institution opens next.
        next: Option<Instant>,
    },
}

/// Opens a consent at the debtor's edge.
pub fn open_debtor_consent(
    desk: &Desk<'_>,
    consented: &Consented<'_>,
) -> Result<OpenConsent<DebtorTicket>, ConsentRefused> {
    let ticket = DebtorTicket::open(consented.ticket, desk.secret, desk.now)?;
    let parts = consented.parts();
    let (terms, quote) = check_parts(&ticket.about, &parts)?;
    Ok(OpenConsent { ticket, terms, quote, parts })
}

/// Opens a consent at the creditor's edge.
pub fn open_creditor_consent(
    desk: &Desk<'_>,
    consented: &Consented<'_>,
) -> Result<OpenConsent<CreditorTicket>, ConsentRefused> {
    let ticket = CreditorTicket::open(consented.ticket, desk.secret, desk.now)?;
    let parts = consented.parts();
    let (terms, quote) = check_parts(&ticket.about, &parts)?;
    Ok(OpenConsent { ticket, terms, quote, parts })
}

impl<T> OpenConsent<T> {
    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &PaymentTerms {
        &self.terms
    }

    /// The ticket.
    #[must_use]
    pub const fn ticket(&self) -> &T {
        &self.ticket
    }

    /// The documents, as they were handed in.
    #[must_use]
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }
}

impl Consented<'_> {
    fn parts(&self) -> Parts {
        Parts {
            terms: self.terms.to_owned(),
            quote: self.quote.clone(),
            invoice: self.invoice.clone(),
            acceptance: self.acceptance.clone(),
        }
    }
}

/// What a side found out: what its rules are told, and what it says of itself.
pub(crate) struct Found {
    pub(crate) findings: Findings,
    /// A reason of the edge's own, which refuses whatever the rules say.
    pub(crate) own: Option<OwnReason>,
    pub(crate) relied_on: Vec<ReliedOn>,
    pub(crate) high_water: HighWater,
    /// Whether rules that fail have nobody woken: they were told too little for a known cause.
    pub(crate) told_too_little: bool,
    /// What the travel rule had told, where it still counts.
    pub(crate) travel: Option<TravelMark>,
}

/// Decides on the debtor's side.
#[must_use]
pub fn decide_debtor(
    desk: &Desk<'_>,
    consent: &OpenConsent<DebtorTicket>,
    vp_token: &str,
    inputs: &Inputs<'_>,
) -> Decided {
    let (ticket, terms) = (&consent.ticket, &consent.terms);
    let nonce = nonce_of(desk, &ticket.about);
    let found = found_debtor(desk, (ticket, terms), (vp_token, &nonce), inputs.statuses);
    let matter = Matter {
        about: &ticket.about,
        action: terms.action,
        owner: ticket.owner,
        quote_expires: consent.quote.expires_at,
        sent: ticket.sent.digest(),
        received: ticket.received.digest(),
        acceptance: None,
        travel: found.travel,
    };
    conclude(desk, &matter, inputs, found)
}

/// What the debtor's side finds: a function of the desk's lists, rules and instant, the ticket, the
/// presentation with the nonce that it was asked under, and the status lists. A replay calls it
/// again.
pub(crate) fn found_debtor(
    desk: &Desk<'_>,
    (ticket, terms): (&DebtorTicket, &PaymentTerms),
    (vp_token, nonce): (&str, &str),
    statuses: Statuses<'_>,
) -> Found {
    let from = institution_of(&ticket.received);
    let believed = believe_sender(desk, &ticket.received, from, terms);
    let travel = travel_mark(desk, ticket.travelled.as_ref(), (&ticket.sent, from, terms));
    let request = debtor_request_under(desk, nonce.to_owned(), &terms.to_terms_string());
    match verify(desk, request, vp_token, statuses) {
        Ok(party) => {
            let told = (terms, believed.as_ref().ok(), Done::when(travel));
            Found {
                findings: findings::debtor(desk, ticket, told, &party),
                own: believed.err(),
                relied_on: party.relied_on(),
                high_water: party.high_water().clone(),
                told_too_little: false,
                travel,
            }
        }
        Err(refused) => {
            let before = findings::before_debtor(desk, ticket, terms);
            unshown(desk, &before, &refused, (vp_token, statuses))
        }
    }
}

/// Nothing was proved: what the presentation would have told stays untold, and rules that are told
/// too little deny. The record replays; the customer reads why.
pub(crate) fn unshown(
    desk: &Desk<'_>,
    before: &Findings,
    refused: &PartyRefused,
    (vp_token, statuses): (&str, Statuses<'_>),
) -> Found {
    let mut builder = before.change();
    if matches!(refused, PartyRefused::SubjectsDiffer { .. }) {
        builder = builder.flag(v::SUBJECTS_SAME, false);
    }
    Found {
        findings: builder.build(),
        own: Some(OwnReason::of_presentation(refused)),
        relied_on: Vec::new(),
        high_water: lists_seen(desk, vp_token, statuses),
        told_too_little: true,
        travel: None,
    }
}

/// Decides on the creditor's side: on the payer's statement, and on its own customer.
#[must_use]
pub fn decide_creditor(
    desk: &Desk<'_>,
    consent: &OpenConsent<CreditorTicket>,
    inputs: &Inputs<'_>,
) -> Decided {
    let (ticket, terms) = (&consent.ticket, &consent.terms);
    let found = found_creditor(desk, (ticket, terms), inputs.statuses);
    let matter = Matter {
        about: &ticket.about,
        action: terms.action,
        owner: ticket.owner,
        quote_expires: consent.quote.expires_at,
        sent: ticket.sent.digest(),
        received: ticket.received.digest(),
        acceptance: Some(ticket.about.acceptance),
        travel: found.travel,
    };
    conclude(desk, &matter, inputs, found)
}

/// What the creditor's side finds: a function as [`found_debtor`] is.
pub(crate) fn found_creditor(
    desk: &Desk<'_>,
    (ticket, terms): (&CreditorTicket, &PaymentTerms),
    statuses: Statuses<'_>,
) -> Found {
    let from = institution_of(&ticket.received);
    let believed = believe_sender(desk, &ticket.received, from, terms);
    let again = findings::look_again(desk, &ticket.payee, statuses);
    let travel = travel_mark(desk, ticket.travelled.as_ref(), (&ticket.received, from, terms));
    let signed_at = again.as_ref().ok().copied().flatten();
    let told = (terms, believed.as_ref().ok(), Done::when(travel));
    let found = findings::creditor(desk, ticket, told, signed_at);
    let failed = again.as_ref().err().map(OwnReason::of_status);
    let findings = if failed.is_some() { without_register(&found) } else { found };
    Found {
        findings,
        own: failed.or(believed.err()),
        relied_on: ticket.payee.shown.iter().map(|one| one.relied_on.clone()).collect(),
        high_water: lists_seen_again(desk, &ticket.payee, statuses),
        told_too_little: again.is_err(),
        travel,
    }
}

/// The commitment to a record that permits and refusals name: salted from the payment's data key,
/// so that who has not the key learns nothing from it.
#[must_use]
pub fn record_commitment(data_key: &DataKey, record: &DecisionRecord) -> Digest {
    let salt = Salt::of_field(&data_key.salt_root(RECORD_SALT, &record.decision.bytes()), 0);
    digest_of(RECORD_COMMITMENT, &[&salt.0, &to_canonical(record)])
}

/// The record sealed under the payment's data key.
pub fn sealed_record(data_key: &DataKey, record: &DecisionRecord) -> Result<Vec<u8>, BoxError> {
    seal_with(data_key, SEALED_RECORD, &record.payment.bytes(), &to_canonical(record))
}

/// What a decision is about, whoever decides.
struct Matter<'a> {
    about: &'a About,
    action: Action,
    owner: CompanyId,
    quote_expires: Instant,
    sent: Digest,
    received: Digest,
    acceptance: Option<Digest>,
    travel: Option<TravelMark>,
}

/// The terms and the quote, if all documents are those that the ticket was made for.
pub(crate) fn check_parts(
    about: &About,
    parts: &Parts,
) -> Result<(PaymentTerms, Quote), ConsentRefused> {
    let terms = PaymentTerms::from_terms_string(&parts.terms)?;
    for (part, expected, got) in [
        ("terms string", about.terms, terms.terms_digest()),
        ("quote", about.quote, parts.quote.digest()),
        ("invoice", about.invoice, parts.invoice.digest()),
        ("acceptance", about.acceptance, parts.acceptance.digest()),
    ] {
        if expected != got {
            return Err(ConsentRefused::OtherThan { part });
        }
    }
    // The quote's signature was checked when the ticket was made, over these very bytes.
    let quote = parts.quote.read_unverified();
    let quote = quote.map_err(|_| ConsentRefused::OtherThan { part: "quote" })?;
    Ok((terms, quote))
}

fn institution_of(signed: &Signed<PartyStatement>) -> Option<InstitutionName> {
    signed.read_unverified().ok().map(|statement| statement.from)
}

/// Trust may have ended since the statement was taken: it is judged again.
fn believe_sender(
    desk: &Desk<'_>,
    signed: &Signed<PartyStatement>,
    from: Option<InstitutionName>,
    terms: &PaymentTerms,
) -> Result<PartyStatement, OwnReason> {
    let from = from.ok_or_else(|| OwnReason::not_believed("it names no sender"))?;
    believe(desk, signed, (terms.payment, from))
        .map_err(|error| OwnReason::not_believed(&error.to_string()))
}

/// What travelled, if it still counts: trust is judged again, as of the statement.
fn travel_mark(
    desk: &Desk<'_>,
    travelled: Option<&Travelled>,
    about: (&Signed<PartyStatement>, Option<InstitutionName>, &PaymentTerms),
) -> Option<TravelMark> {
    let counts = travel::still_counts(desk, travelled, about);
    travelled.filter(|_| counts).map(Travelled::mark)
}

pub(crate) fn verify(
    desk: &Desk<'_>,
    request: Result<Option<PresentationRequest>, QueryError>,
    vp_token: &str,
    statuses: Statuses<'_>,
) -> Result<VerifiedParty, PartyRefused> {
    let malformed = |reason: String| PartyRefused::Malformed { reason };
    let request = request
        .map_err(|error| malformed(error.to_string()))?
        .ok_or_else(|| malformed("the rules read nothing of the wallet".to_owned()))?;
    verify_response(
        vp_token,
        &Expectation {
            request: &request,
            trust: desk.lists.trust(),
            status_lists: statuses.tokens,
            high_water: statuses.high_water,
            status_age_max: STATUS_AGE_MAX,
            now: desk.now,
        },
    )
}

/// What a decision is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) about: (PaymentId, Digest),
    /// Whose payment it is on the deciding side.
    pub(crate) owner: CompanyId,
    pub(crate) statements: &'a [Digest],
}

/// What the rules said, and its record.
pub(crate) struct Ruled {
    pub(crate) decision: Decision,
    pub(crate) record: DecisionRecord,
    pub(crate) commitment: Digest,
    /// What of a sandbox corridor's bounds stands against it.
    beyond: Option<OwnReason>,
}

/// Runs the rules and writes the record.
pub(crate) fn ruled(
    desk: &Desk<'_>,
    asked: &Asked<'_>,
    inputs: &Inputs<'_>,
    found: &Found,
) -> Ruled {
    let (decision, record, beyond) = recorded(desk, asked, (inputs.decision, inputs.mark), found);
    let commitment = record_commitment(inputs.data_key, &record);
    Ruled { decision, record, commitment, beyond: beyond.map(Beyond::reason) }
}

/// The decision on what was found, and its record: a function, which a replay calls again. What
/// failed before the rules stays refused: a pack that reads nothing of what failed would permit. So
/// does what is beyond a sandbox corridor's bounds.
pub(crate) fn recorded(
    desk: &Desk<'_>,
    asked: &Asked<'_>,
    (decision_id, edge): (DecisionId, EdgeMark),
    found: &Found,
) -> (Decision, DecisionRecord, Option<Beyond>) {
    let forced = forced::apply(desk, asked.owner, &found.findings);
    let (findings, mark) = match &forced {
        Some((led, mark)) => (led, Some(mark.clone())),
        None => (&found.findings, None),
    };
    let beyond = sandbox::beyond(desk, asked.owner, findings);
    let kept = beyond.map(|_| forced::untold(findings));
    let findings = kept.as_ref().unwrap_or(findings);
    let marks = mark.into_iter().chain(desk.sandbox.map(Bounds::mark));
    let (payment, terms) = asked.about;
    let mut decision = desk.pack.decide(findings, desk.now);
    // Who pays whom of a payment out is told by its order. Of all others the message must have
    // travelled, whatever the pack's gate says of it.
    let untold = !asked.statements.is_empty()
        && found.travel.is_none()
        && decision.duties.iter().any(|duty| duty.kind == TRAVEL_RULE);
    if (found.own.is_some() || beyond.is_some() || untold)
        && decision.outcome == DecisionOutcome::Permit
    {
        decision.outcome = DecisionOutcome::Denial;
    }
    let envelope = DecisionEnvelope {
        environment: desk.environment,
        decision: decision_id,
        payment,
        institution: desk.institution,
        edge,
        terms,
        snapshot: desk.lists.snapshot(),
        statements: asked.statements.iter().copied().collect(),
        lists: desk.lists.versions().into_iter().chain(marks).collect(),
    };
    let record = desk.pack.record(envelope, findings, &decision, desk.now);
    (decision, record, beyond)
}

impl Ruled {
    /// Whether the rules themselves failed: what a bound withheld from them is no failure.
    pub(crate) const fn alarm(&self) -> bool {
        self.decision.alarm() && self.beyond.is_none()
    }

    /// What the customer gets; `permit` signs what a permit of this kind of payment is.
    pub(crate) fn verdict(
        &self,
        desk: &Desk<'_>,
        about: (PaymentId, Digest),
        inputs: &Inputs<'_>,
        own: Option<&OwnReason>,
        permit: impl FnOnce(&Decision) -> Verdict,
    ) -> Verdict {
        let part = self.record.open_part();
        let own = self.beyond.as_ref().or(own);
        match part.outcome {
            OpenOutcome::Permit => permit(&self.decision),
            OpenOutcome::Referral { next_opening } if own.is_none() => {
                let told = Box::new(Told::of(None, desk.pack, &part.reasons));
                Verdict::Referral { told, next: next_opening }
            }
            OpenOutcome::Denial | OpenOutcome::Referral { .. } | OpenOutcome::NotExecuted => {
                let told = Box::new(Told::of(own, desk.pack, &part.reasons));
                let refusal = refusal(desk, about, inputs, &told.code, self.commitment);
                let document = Signed::sign(&refusal, desk.permit_key);
                Verdict::Refusal { document, told }
            }
        }
    }
}

/// Runs the rules, writes the record and signs what the customer gets.
fn conclude(desk: &Desk<'_>, matter: &Matter<'_>, inputs: &Inputs<'_>, found: Found) -> Decided {
    let about = (matter.about.payment, matter.about.terms);
    let statements = [matter.sent, matter.received];
    let asked = Asked { about, owner: matter.owner, statements: &statements };
    let ruled = ruled(desk, &asked, inputs, &found);
    let Found { own, relied_on, high_water, told_too_little, .. } = found;
    let verdict = ruled.verdict(desk, about, inputs, own.as_ref(), |decision| {
        let mut decision = decision.clone();
        decision.duties.retain(|duty| is_owed(&ruled.record, &duty.kind));
        let permit = permit(desk, matter, inputs, (&decision, ruled.commitment), relied_on);
        Verdict::Permit(Signed::sign(&permit, desk.permit_key))
    });
    let alarm = ruled.alarm() && !told_too_little;
    Decided { record: ruled.record, verdict, high_water, alarm }
}

fn permit(
    desk: &Desk<'_>,
    matter: &Matter<'_>,
    inputs: &Inputs<'_>,
    (decision, commitment): (&Decision, Digest),
    relied_on: Vec<ReliedOn>,
) -> Permit {
    let longest = desk.now.plus(Duration::from_secs(PERMIT_SECONDS_MAX));
    Permit {
        layout: Permit::layout_of(matter.travel),
        environment: desk.environment,
        corridor: desk.corridor,
        action: matter.action,
        side: desk.side,
        institution: desk.institution,
        payment: matter.about.payment,
        terms: matter.about.terms,
        owner: matter.owner,
        basis: Basis {
            pack: desk.pack.digest(),
            schema: desk.pack.schema_digest(),
            findings_layer: u32::from(v::FINDINGS_LAYER),
            snapshot: desk.lists.snapshot(),
        },
        statement_sent: matter.sent,
        statement_received: matter.received,
        acceptance: match desk.side {
            Side::Debtor => None,
            Side::Creditor => matter.acceptance,
        },
        relied_on,
        mark: inputs.mark,
        // Restricted duties are in the record only: a permit reaches the customer.
        duties: decision
            .duties
            .iter()
            .filter(|duty| duty.visibility == record::Visibility::Open)
            .map(|duty| DutyClaim { kind: duty.kind.clone(), due_at: duty.deadline })
            .collect(),
        limits: decision.limits.clone(),
        record: commitment,
        decided_at: desk.now,
        valid_until: longest.min(matter.quote_expires),
        travel: matter.travel,
    }
}

fn refusal(
    desk: &Desk<'_>,
    (payment, terms): (PaymentId, Digest),
    inputs: &Inputs<'_>,
    code: &str,
    commitment: Digest,
) -> Refusal {
    Refusal {
        layout: 1,
        environment: desk.environment,
        corridor: desk.corridor,
        side: desk.side,
        institution: desk.institution,
        payment,
        terms,
        code: code.to_owned(),
        record: commitment,
        mark: inputs.mark,
        decided_at: desk.now,
    }
}

/// The same findings without what the register would have told.
fn without_register(findings: &Findings) -> Findings {
    findings.without("registrationStatusAge").without("registrationActive")
}
