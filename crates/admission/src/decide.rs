//! A consent becomes a signed permit, a signed refusal or a referral, with the whole record.
//!
//! First [`open_debtor_consent`] or [`open_creditor_consent`]: the ticket is ours and everything
//! handed in is what it was made for. Only then does an edge take a sequence number, make it
//! durable, and decide. What goes wrong after that is a refusal with a record, not an error.

use core::time::Duration;

use credential::sd_jwt_vc::CredentialRefused;
use credential::status::StatusRefused;
use credential::{
    CredentialStatus, Expectation, HighWater, PartyRefused, VerifiedParty, verify_response,
};
use policy::{Decision, DecisionEnvelope, Findings, vocabulary as v};
use record::{
    Acceptance, Action, Basis, DecisionOutcome, DecisionRecord, DutyClaim, EdgeMark, Invoice,
    ListVersion, NEUTRAL_CODE, OpenOutcome, OutgoingParties, OutgoingPayment, PERMIT_SECONDS_MAX,
    PartyStatement, PaymentTerms, Permit, Quote, Refusal, ReliedOn, Side, Signed, TermsStringError,
};
use seal::{BoxError, DataKey, Digest, Domain, Salt, digest::digest_of, seal_with, to_canonical};
use terms::{Amount, CompanyId, DecisionId, Instant, InstitutionName, PaymentId};
use thiserror::Error;

use crate::desk::{Desk, Statuses};
use crate::exchange::{believe, debtor_request};
use crate::findings::{self, AgainRefused};
use crate::forced;
use crate::marks::{lists_seen, lists_seen_again};
use crate::payee::STATUS_AGE_MAX;
use crate::refer::{self, CHAIN_NAME, Referrals, Referred, Screened};
use crate::ticket::{About, CreditorTicket, DebtorTicket, Ticket, TicketError};

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
    /// The referral queue, where the institution has one.
    pub referrals: Option<Referrals<'a>>,
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
    /// What is asked of the referral queue: to be made durable before the answer.
    pub referral: Option<Referred>,
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
        /// Its code, open or neutral.
        code: String,
        /// What happened, in words.
        sentence: String,
        /// What to do about it.
        mend: String,
    },
    /// Not now.
    Referral {
        /// The first open reason's code.
        code: String,
        /// What happened, in words.
        sentence: String,
        /// What to do about it.
        mend: String,
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
    let (terms, quote) = check_parts(&ticket.about, consented)?;
    Ok(OpenConsent { ticket, terms, quote })
}

/// Opens a consent at the creditor's edge.
pub fn open_creditor_consent(
    desk: &Desk<'_>,
    consented: &Consented<'_>,
) -> Result<OpenConsent<CreditorTicket>, ConsentRefused> {
    let ticket = CreditorTicket::open(consented.ticket, desk.secret, desk.now)?;
    let (terms, quote) = check_parts(&ticket.about, consented)?;
    Ok(OpenConsent { ticket, terms, quote })
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
    let from = institution_of(&ticket.received);
    let believed = believe_sender(desk, &ticket.received, from, terms);
    let shown = verify(desk, ticket, terms, vp_token, inputs);
    let mut matter = Matter {
        about: &ticket.about,
        action: terms.action,
        owner: ticket.owner,
        quote_expires: consent.quote.expires_at,
        sent: ticket.sent.digest(),
        received: ticket.received.digest(),
        acceptance: None,
        order: refer::order_of(desk.side, terms),
        amount: terms.debited,
        parties: Vec::new(),
    };
    match shown {
        Ok(party) => {
            matter.parties = findings::parties_of_debtor(ticket, believed.as_ref().ok(), &party);
            let findings = findings::debtor(desk, ticket, (terms, believed.as_ref().ok()), &party);
            let own = believed.err();
            let relied_on = party.relied_on();
            let high_water = party.high_water().clone();
            let verdict = (own.as_ref(), relied_on, high_water);
            conclude(desk, &matter, inputs, &findings, verdict)
        }
        Err(refused) => {
            // Nothing was proved: what the presentation would have told stays untold, and rules
            // that are told too little deny. The record replays; the customer reads why.
            let own = OwnReason::of_presentation(&refused);
            let mut builder = findings::before_debtor(desk, ticket, terms).change();
            if matches!(refused, PartyRefused::SubjectsDiffer { .. }) {
                builder = builder.flag(v::SUBJECTS_SAME, false);
            }
            let high_water = lists_seen(desk, vp_token, inputs.statuses);
            let verdict = (Some(&own), Vec::new(), high_water);
            let mut decided = conclude(desk, &matter, inputs, &builder.build(), verdict);
            decided.alarm = false;
            decided
        }
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
    let from = institution_of(&ticket.received);
    let believed = believe_sender(desk, &ticket.received, from, terms);
    let again = findings::look_again(desk, &ticket.payee, inputs.statuses);
    let matter = Matter {
        about: &ticket.about,
        action: terms.action,
        owner: ticket.owner,
        quote_expires: consent.quote.expires_at,
        sent: ticket.sent.digest(),
        received: ticket.received.digest(),
        acceptance: Some(ticket.about.acceptance),
        order: refer::order_of(desk.side, terms),
        amount: terms.credited,
        parties: findings::parties_of_creditor(ticket, believed.as_ref().ok()),
    };
    let signed_at = again.as_ref().ok().copied().flatten();
    let found = findings::creditor(desk, ticket, (terms, believed.as_ref().ok()), signed_at);
    let failed = again.as_ref().err().map(OwnReason::of_status);
    let found = if failed.is_some() { without_register(&found) } else { found };
    let own = failed.or(believed.err());
    let relied_on = ticket.payee.shown.iter().map(|one| one.relied_on.clone()).collect();
    let high_water = lists_seen_again(desk, &ticket.payee, inputs.statuses);
    let verdict = (own.as_ref(), relied_on, high_water);
    let mut decided = conclude(desk, &matter, inputs, &found, verdict);
    decided.alarm = decided.alarm && again.is_ok();
    decided
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
    order: Digest,
    amount: Amount,
    parties: Vec<Screened>,
}

/// A reason that the edge itself has, where a rule could only say that it was told too little.
pub(crate) struct OwnReason {
    code: &'static str,
    sentence: String,
    mend: &'static str,
}

fn check_parts(
    about: &About,
    consented: &Consented<'_>,
) -> Result<(PaymentTerms, Quote), ConsentRefused> {
    let terms = PaymentTerms::from_terms_string(consented.terms)?;
    for (part, expected, got) in [
        ("terms string", about.terms, terms.terms_digest()),
        ("quote", about.quote, consented.quote.digest()),
        ("invoice", about.invoice, consented.invoice.digest()),
        ("acceptance", about.acceptance, consented.acceptance.digest()),
    ] {
        if expected != got {
            return Err(ConsentRefused::OtherThan { part });
        }
    }
    // The quote's signature was checked when the ticket was made, over these very bytes.
    let quote = consented.quote.read_unverified();
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
    let not_believed = |why: String| OwnReason {
        code: "InstitutionNotRecognised",
        sentence: format!("The other side's statement does not count here: {why}."),
        mend: "Ask the other side's institution.",
    };
    let from = from.ok_or_else(|| not_believed("it names no sender".to_owned()))?;
    believe(desk, signed, (terms.payment, from)).map_err(|error| not_believed(error.to_string()))
}

fn verify(
    desk: &Desk<'_>,
    ticket: &DebtorTicket,
    terms: &PaymentTerms,
    vp_token: &str,
    inputs: &Inputs<'_>,
) -> Result<VerifiedParty, PartyRefused> {
    let malformed = |reason: String| PartyRefused::Malformed { reason };
    let request = debtor_request(desk, &ticket.about, &terms.to_terms_string())
        .map_err(|error| malformed(error.to_string()))?
        .ok_or_else(|| malformed("the rules read nothing of the wallet".to_owned()))?;
    verify_response(
        vp_token,
        &Expectation {
            request: &request,
            trust: desk.lists.trust(),
            status_lists: inputs.statuses.tokens,
            high_water: inputs.statuses.high_water,
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
    /// What is ordered, as the referral queue knows it.
    pub(crate) order: Digest,
    /// The amount on the deciding side.
    pub(crate) amount: Amount,
    /// Who was screened.
    pub(crate) parties: &'a [Screened],
}

/// What the rules said, and its record.
pub(crate) struct Ruled {
    pub(crate) decision: Decision,
    pub(crate) record: DecisionRecord,
    pub(crate) commitment: Digest,
    pub(crate) referral: Option<Referred>,
}

/// Runs the rules and writes the record. What `failed` before them stays refused: a pack that reads
/// nothing of what failed would permit.
pub(crate) fn ruled(
    desk: &Desk<'_>,
    asked: &Asked<'_>,
    inputs: &Inputs<'_>,
    findings: &Findings,
    failed: bool,
) -> Ruled {
    let forced = forced::apply(desk, asked.owner, findings);
    let (findings, mark) = match &forced {
        Some((led, mark)) => (led, Some(mark.clone())),
        None => (findings, None),
    };
    let (payment, terms) = asked.about;
    // Persons decide neither what the sandbox was asked for nor what failed before the rules.
    let persons = inputs.referrals.filter(|_| mark.is_none() && !failed);
    let told = refer::with_looks(desk, asked, persons, findings);
    let judged = refer::judge(desk, asked, &Inputs { referrals: persons, ..*inputs }, &told);
    let mut decision = judged.decision.clone();
    if failed && decision.outcome == DecisionOutcome::Permit {
        decision.outcome = DecisionOutcome::Denial;
    }
    let chain = inputs.referrals.map(|one| one.queue.head()).filter(|(next, _)| *next > 0);
    let chain =
        chain.map(|(version, digest)| ListVersion { name: CHAIN_NAME.to_owned(), version, digest });
    let envelope = DecisionEnvelope {
        environment: desk.environment,
        decision: inputs.decision,
        payment,
        institution: desk.institution,
        edge: inputs.mark,
        terms,
        snapshot: desk.lists.snapshot(),
        statements: asked.statements.iter().copied().collect(),
        lists: desk.lists.versions().into_iter().chain(mark).chain(chain).collect(),
    };
    let record = desk.pack.record(envelope, &judged.findings, &decision, desk.now);
    let commitment = record_commitment(inputs.data_key, &record);
    let referral = judged.referred(desk, asked, inputs, &record);
    Ruled { decision, record, commitment, referral }
}

impl Ruled {
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
        match part.outcome {
            OpenOutcome::Permit => permit(&self.decision),
            OpenOutcome::Referral { next_opening } if own.is_none() => {
                let why = part.reasons.first();
                Verdict::Referral {
                    code: why.map_or_else(|| NEUTRAL_CODE.to_owned(), |why| why.code.clone()),
                    sentence: why.map(|why| why.sentence.clone()).unwrap_or_default(),
                    mend: why.map(|why| why.mend.clone()).unwrap_or_default(),
                    next: next_opening,
                }
            }
            OpenOutcome::Denial | OpenOutcome::Referral { .. } | OpenOutcome::NotExecuted => {
                let (code, sentence, mend) = words(own, &part.reasons);
                let refusal = refusal(desk, about, inputs, &code, self.commitment);
                let document = Signed::sign(&refusal, desk.permit_key);
                Verdict::Refusal { document, code, sentence, mend }
            }
        }
    }
}

/// Runs the rules, writes the record and signs what the customer gets.
fn conclude(
    desk: &Desk<'_>,
    matter: &Matter<'_>,
    inputs: &Inputs<'_>,
    findings: &Findings,
    (own, relied_on, high_water): (Option<&OwnReason>, Vec<ReliedOn>, HighWater),
) -> Decided {
    let about = (matter.about.payment, matter.about.terms);
    let statements = [matter.sent, matter.received];
    let asked = Asked {
        about,
        owner: matter.owner,
        statements: &statements,
        order: matter.order,
        amount: matter.amount,
        parties: &matter.parties,
    };
    let ruled = ruled(desk, &asked, inputs, findings, own.is_some());
    let verdict = ruled.verdict(desk, about, inputs, own, |decision| {
        let permit = permit(desk, matter, inputs, (decision, ruled.commitment), relied_on);
        Verdict::Permit(Signed::sign(&permit, desk.permit_key))
    });
    let alarm = ruled.decision.alarm();
    Decided { record: ruled.record, verdict, high_water, alarm, referral: ruled.referral }
}

/// What the customer reads. Own reasons are about what it showed or whom it pays through, never
/// about screening; without an open reason there is one neutral answer for all.
fn words(own: Option<&OwnReason>, open: &[record::Reason]) -> (String, String, String) {
    if let Some(own) = own {
        return (own.code.to_owned(), own.sentence.clone(), own.mend.to_owned());
    }
    open.first().map_or_else(
        || {
            (
                NEUTRAL_CODE.to_owned(),
                "The institution does not execute this payment.".to_owned(),
                "Ask your institution.".to_owned(),
            )
        },
        |why| (why.code.clone(), why.sentence.clone(), why.mend.clone()),
    )
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
        layout: 1,
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

impl OwnReason {
    pub(crate) fn of_presentation(refused: &PartyRefused) -> Self {
        let sentence = format!("The presentation was refused: {refused}.");
        let (code, mend) = match refused {
            PartyRefused::Status { reason, .. } => Self::status_words(reason),
            PartyRefused::Issuer { .. } | PartyRefused::StatusIssuer { .. } => {
                ("IssuerNotTrusted", "Present a credential of an issuer on the trust list.")
            }
            PartyRefused::SubjectsDiffer { .. } => {
                ("SubjectsDiffer", "Present credentials that carry the same company identifier.")
            }
            PartyRefused::Query(_) => {
                ("PresentationIncomplete", "Present exactly the claims that were asked for.")
            }
            PartyRefused::Credential {
                reason: CredentialRefused::OtherTransactionData, ..
            } => ("SignatureOverOtherTerms", "Open the order in the wallet again and sign it."),
            PartyRefused::MandateMissing | PartyRefused::MandateMayNotPay => {
                ("MandateMissing", "Present a mandate that allows to pay.")
            }
            PartyRefused::Malformed { .. }
            | PartyRefused::Claim { .. }
            | PartyRefused::Credential { .. } => {
                ("PresentationRefused", "Present again, to this edge, with live credentials.")
            }
        };
        Self { code, sentence, mend }
    }

    fn of_status(refused: &AgainRefused) -> Self {
        let (code, mend) = match refused {
            AgainRefused::Status(reason) => Self::status_words(reason),
            AgainRefused::CredentialExpired => {
                ("CredentialExpired", "Ask the payee for a new request to pay.")
            }
            AgainRefused::IssuerNotTrusted => {
                ("IssuerNotTrusted", "Ask the payee for a new request to pay.")
            }
        };
        // What the payee's register says is the payee's own business: the payer reads the code.
        let sentence = "The payee's credentials do not hold any more.".to_owned();
        Self { code, sentence, mend }
    }

    fn status_words(refused: &StatusRefused) -> (&'static str, &'static str) {
        match refused {
            StatusRefused::NotValid { status: CredentialStatus::Suspended, .. } => {
                ("StatusSuspended", "Ask the issuer why the credential is suspended.")
            }
            StatusRefused::NotValid { .. } => {
                ("StatusRevoked", "Ask the issuer for a new credential.")
            }
            StatusRefused::Unavailable { .. } => {
                ("StatusUnavailable", "Try again shortly; the list is fetched anew.")
            }
            StatusRefused::OlderThanSeen { .. }
            | StatusRefused::TwoListsForOneMoment { .. }
            | StatusRefused::Stale { .. } => {
                ("StatusTooOld", "Try again shortly; the list is fetched anew.")
            }
            StatusRefused::Token(_)
            | StatusRefused::OtherList { .. }
            | StatusRefused::FromTheFuture { .. }
            | StatusRefused::List { .. } => {
                ("StatusNotReadable", "Ask the issuer to publish its status list properly.")
            }
        }
    }
}
