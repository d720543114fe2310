//! A payment whose payee's bank takes no part: the payer's edge decides alone, on a corridor where
//! nobody stands for the payee, and what it signs is the order that goes to the rail.
//!
//! The same steps as of any payment: what the wallet is to present, a ticket, a consent over
//! exactly these terms, findings, rules, a record. No quote, no statement and no acceptance.

use core::time::Duration;

use credential::PresentationRequest;
use credential::query::QueryError;
use policy::Missing;
use policy::vocabulary as v;
use record::{
    Basis, Identifiers, LimitClaim, OutgoingParties, OutgoingPayment, OutgoingTerms,
    OutsideAddress, PERMIT_SECONDS_MAX, Signed,
};
use seal::{Digest, Domain, Salt, digest::digest_of};
use terms::{PaymentId, Uetr};
use thiserror::Error;

use crate::asking::{Asks, DECISIONS_PATH, payment_nonce};
use crate::decide::{
    Asked, ConsentRefused, Decided, Found, Inputs, Ruled, Verdict, ruled, unshown, verify,
};
use crate::desk::{AccountFacts, Desk, Onboarding, Statuses};
use crate::exchange::missing;
use crate::findings;
use crate::refer::Ordered;
use crate::ticket::{Active, OutTicket, Ticket, TicketError};

/// How long terms of a payment out are good: time to read and agree.
pub const OUT_TERMS_SECONDS: u64 = 300;
/// Domain under which salt and reference of a payment out are derived from its data key.
const OUT_SECRETS: Domain = Domain::new("wayleave/outgoing-secrets/v1");

/// What the edge hands to the wallet.
#[derive(Clone, Debug)]
pub struct PreparedOut {
    /// The terms string.
    pub terms: String,
    /// The sealed note to itself.
    pub ticket: Vec<u8>,
    /// What the wallet has to present.
    pub ask: PresentationRequest,
    /// What open rules miss that no presentation will bring.
    pub missing: Vec<Missing>,
}

/// Why a payment out is not prepared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutRefused {
    /// A field is not what it should be.
    #[error("expected `{field}` to be `{expected}`, got `{got}`")]
    Differs {
        /// The field.
        field: &'static str,
        /// What the institution knows.
        expected: String,
        /// What came.
        got: String,
    },
    /// The reference is none of ISO 20022.
    #[error("`{0}`: expected 1 to 35 characters that every bank carries")]
    Reference(&'static str),
    /// Amount and fee make no sum.
    #[error("amount and fee make no sum")]
    NoSum,
    /// The rules read nothing of the wallet: nobody would have agreed to anything.
    #[error("the rules of this corridor ask for no mandate")]
    NothingAsked,
    /// The pack's claims make no query.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// The note could not be sealed.
    #[error("{0}")]
    Ticket(#[from] TicketError),
}

/// A consent whose ticket is ours and whose terms are those that it was made for.
// INVARIANT (OneMaker): private fields, made by `open_out_consent` only.
#[derive(Clone, Debug)]
pub struct OpenOut {
    ticket: OutTicket,
    terms: OutgoingTerms,
}

impl OpenOut {
    /// The ticket.
    #[must_use]
    pub const fn ticket(&self) -> &OutTicket {
        &self.ticket
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &OutgoingTerms {
        &self.terms
    }
}

/// Looks at what a customer wants to pay out, and asks its wallet.
pub fn prepare_out(
    desk: &Desk<'_>,
    terms: &OutgoingTerms,
    account: &AccountFacts,
    customer: &Onboarding,
) -> Result<PreparedOut, OutRefused> {
    let differs = |field, expected: String, got: String| {
        if expected == got { Ok(()) } else { Err(OutRefused::Differs { field, expected, got }) }
    };
    differs("account's owner", customer.company.to_string(), account.owner.to_string())?;
    differs("name of the account", customer.legal_name.clone(), account.name.clone())?;
    differs("account", account.account.to_string(), terms.debited_account.to_string())?;
    let references = identifiers(terms, Uetr::from_random([0; 16]));
    if let Some(field) = references.fault() {
        return Err(OutRefused::Reference(field));
    }
    terms.debited().ok_or(OutRefused::NoSum)?;
    let ticket = OutTicket {
        layout: 1,
        payment: terms.payment,
        terms: terms.terms_digest(),
        account: account.account,
        owner: account.owner,
        client_key: account.client_key,
        takes: Active::when(account.takes_debits),
        payer_name: customer.legal_name.clone(),
        payer_address: customer.address.clone(),
        expires_at: terms.expires_at,
    };
    let found = findings::before_out(desk, &ticket, terms);
    Ok(PreparedOut {
        terms: terms.to_terms_string(),
        ask: request(desk, &ticket, terms)?.ok_or(OutRefused::NothingAsked)?,
        missing: missing(desk, &found),
        ticket: ticket.seal(desk.secret)?,
    })
}

/// Opens a consent to a payment out.
pub fn open_out_consent(
    desk: &Desk<'_>,
    ticket: &[u8],
    terms: &str,
) -> Result<OpenOut, ConsentRefused> {
    let ticket = OutTicket::open(ticket, desk.secret, desk.now)?;
    let terms = OutgoingTerms::from_terms_string(terms)?;
    if ticket.terms != terms.terms_digest() {
        return Err(ConsentRefused::OtherThan { part: "terms string" });
    }
    Ok(OpenOut { ticket, terms })
}

/// Decides, alone.
#[must_use]
pub fn decide_out(
    desk: &Desk<'_>,
    consent: &OpenOut,
    vp_token: &str,
    inputs: &Inputs<'_>,
) -> Decided {
    let OpenOut { ticket, terms } = consent;
    let nonce = nonce_of(desk, ticket);
    let found = found_out(desk, (ticket, terms), (vp_token, &nonce), inputs.statuses);
    let about = (ticket.payment, ticket.terms);
    let asked = Asked {
        about,
        owner: ticket.owner,
        statements: &[],
        ordered: Ordered::out(terms),
        decision: inputs.decision,
        mark: inputs.mark,
    };
    let ruled = ruled(desk, &asked, inputs, &found);
    conclude(desk, consent, inputs, (ruled, found))
}

/// What is found of a payment out: a function, which a replay calls again.
pub(crate) fn found_out(
    desk: &Desk<'_>,
    (ticket, terms): (&OutTicket, &OutgoingTerms),
    (vp_token, nonce): (&str, &str),
    statuses: Statuses<'_>,
) -> Found {
    let request = request_under(desk, nonce.to_owned(), terms);
    match verify(desk, request, vp_token, statuses) {
        Ok(party) => Found {
            findings: findings::out(desk, ticket, terms, &party),
            parties: findings::parties_out(ticket, terms, &party),
            own: None,
            relied_on: Vec::new(),
            high_water: party.high_water().clone(),
            told_too_little: false,
            travel: None,
        },
        Err(refused) => {
            let before = findings::before_out(desk, ticket, terms);
            unshown(desk, &before, &refused, (vp_token, statuses))
        }
    }
}

fn conclude(
    desk: &Desk<'_>,
    consent: &OpenOut,
    inputs: &Inputs<'_>,
    (ruled, found): (Ruled, Found),
) -> Decided {
    let about = (consent.ticket.payment, consent.ticket.terms);
    let verdict = ruled.verdict(desk, about, inputs, found.own.as_ref(), |decision| {
        let parties = parties(&consent.ticket, &consent.terms, inputs);
        let limits = decision.limits.clone();
        let order = order(desk, consent, inputs, (&parties, ruled.commitment, limits));
        Verdict::Order { order: Signed::sign(&order, desk.permit_key), parties: Box::new(parties) }
    });
    let alarm = ruled.alarm() && !found.told_too_little;
    let (high_water, referral) = (found.high_water, ruled.referral);
    Decided { record: ruled.record, verdict, high_water, alarm, referral }
}

fn order(
    desk: &Desk<'_>,
    consent: &OpenOut,
    inputs: &Inputs<'_>,
    (parties, record, limits): (&OutgoingParties, Digest, Vec<LimitClaim>),
) -> OutgoingPayment {
    let OpenOut { ticket, terms } = consent;
    let longest = desk.now.plus(Duration::from_secs(PERMIT_SECONDS_MAX));
    OutgoingPayment {
        layout: 2,
        environment: desk.environment,
        book: desk.book,
        payment: terms.payment,
        corridor: desk.corridor,
        institution: desk.institution,
        owner: ticket.owner,
        debited_account: ticket.account,
        amount: terms.amount,
        fee: terms.fee,
        parties: parties.commitment(),
        uetr: parties.identifiers.uetr,
        basis: Basis {
            pack: desk.pack.digest(),
            schema: desk.pack.schema_digest(),
            findings_layer: u32::from(v::FINDINGS_LAYER),
            snapshot: desk.lists.snapshot(),
        },
        record,
        mark: inputs.mark,
        decided_at: desk.now,
        valid_until: longest.min(terms.expires_at),
        terms: Some(ticket.terms),
        limits: Some(limits),
    }
}

/// Who pays whom. Salt and reference come from the payment's data key, so that whoever decides the
/// same payment again says the same.
fn parties(ticket: &OutTicket, terms: &OutgoingTerms, inputs: &Inputs<'_>) -> OutgoingParties {
    let root = inputs.data_key.salt_root(OUT_SECRETS, &terms.payment.bytes());
    let secret = |field: u16| Salt::of_field(&root, field);
    let salt = digest_of(OUT_SECRETS, &[&secret(0).0, &secret(1).0]);
    let address = &ticket.payer_address;
    OutgoingParties {
        layout: 2,
        salt: (*salt.as_bytes()).into(),
        payer_name: ticket.payer_name.clone(),
        to: terms.to.clone(),
        address: terms.address.clone(),
        identifiers: identifiers(terms, Uetr::from_random(secret(2).0)),
        payer_address: Some(OutsideAddress {
            street: address.street.clone(),
            building: String::new(),
            post_code: address.post_code.clone(),
            town: address.town.clone(),
            country: address.country.to_string(),
        }),
        payer_account: Some(terms.debited_account),
        purpose: Some(terms.purpose.clone()),
    }
}

fn identifiers(terms: &OutgoingTerms, uetr: Uetr) -> Identifiers {
    Identifiers {
        uetr,
        end_to_end_id: terms.end_to_end_id.clone(),
        instruction_id: instruction_id(terms.payment),
    }
}

fn instruction_id(payment: PaymentId) -> String {
    seal::text::to_hex(&payment.bytes())
}

fn request(
    desk: &Desk<'_>,
    ticket: &OutTicket,
    terms: &OutgoingTerms,
) -> Result<Option<PresentationRequest>, QueryError> {
    request_under(desk, nonce_of(desk, ticket), terms)
}

/// The nonce that its presentation is asked under.
pub(crate) fn nonce_of(desk: &Desk<'_>, ticket: &OutTicket) -> String {
    payment_nonce(desk.secret, ticket.payment, ticket.terms, ticket.expires_at)
}

fn request_under(
    desk: &Desk<'_>,
    nonce: String,
    terms: &OutgoingTerms,
) -> Result<Option<PresentationRequest>, QueryError> {
    let asks = Asks::of_pack(desk.pack);
    if asks.is_empty() {
        return Ok(None);
    }
    let terms = Some(terms.to_terms_string());
    asks.request((desk.url, DECISIONS_PATH), nonce, terms).map(Some)
}
