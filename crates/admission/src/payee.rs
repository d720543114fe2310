//! The payee's side, before any payer is known: a signed invoice, and proof of who signed it.

use core::time::Duration;

use credential::query::QueryError;
use credential::{
    ACCOUNT_OWNERSHIP, COMPANY_REGISTRATION, Expectation, PartyRefused, PresentationRequest,
    VerifiedParty, verify_response,
};
use record::{DocumentError, Invoice, Signed};
use seal::Secret;
use seal::text::{from_base64url, to_base64url};
use serde_json::Value;
use terms::{CompanyId, CorridorName, Instant, InstitutionName};
use thiserror::Error;

use crate::asking::{Asks, PAYEE_PATH, invoice_nonce};
use crate::desk::{AccountFacts, Desk, Statuses};
use crate::ticket::{
    Active, InvoiceTicket, PendingInvoice, Shown, ShownStatus, Ticket, TicketError,
};

/// How long a payee may take to agree and present, in seconds.
pub const PRESENTATION_SECONDS: u64 = 300;
/// The oldest status list that verification takes at all. The pack's own limit is far below, and
/// its refusal says so in the record.
pub const STATUS_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Why an invoice, or the presentation for it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayeeRefused {
    /// The key that the account's owner registered did not sign it.
    #[error("{0}")]
    NotSignedByOwner(#[from] DocumentError),
    /// A field of the invoice is not what the account says.
    #[error("invoice: expected `{field}` to be `{expected}`, got `{got}`")]
    Differs {
        /// The field.
        field: &'static str,
        /// What the institution knows.
        expected: String,
        /// What the invoice says.
        got: String,
    },
    /// The account takes no credits.
    #[error("the account takes no credits")]
    NotCreditable,
    /// It is past its due date.
    #[error("the invoice was due at {due_at}")]
    Overdue {
        /// Its due date.
        due_at: Instant,
    },
    /// The pack's claims make no query.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// The state is not one that we gave.
    #[error("{0}")]
    State(#[from] TicketError),
    /// The presentation.
    #[error("{0}")]
    Presentation(#[from] PartyRefused),
    /// The presented company does not own the account.
    #[error("the presentation is about `{got}`, the account belongs to `{expected}`")]
    OtherOwner {
        /// Who owns the account.
        expected: CompanyId,
        /// Who presented.
        got: CompanyId,
    },
    /// The presented account ownership is about another account or institution.
    #[error("the account ownership presented is not about this account")]
    OtherAccount,
    /// A claim that was presented is not usable.
    #[error("expected claim `{name}`")]
    Claim {
        /// Which.
        name: &'static str,
    },
}

/// Looks at a signed invoice and says what its payee has to present.
pub fn ask_payee(
    desk: &Desk<'_>,
    signed: &Signed<Invoice>,
    account: &AccountFacts,
) -> Result<PresentationRequest, PayeeRefused> {
    let invoice = check_invoice(desk, signed, account)?;
    if !account.takes_credits {
        return Err(PayeeRefused::NotCreditable);
    }
    let expires_at = desk.now.plus(Duration::from_secs(PRESENTATION_SECONDS));
    let pending = PendingInvoice {
        layout: 1,
        invoice: signed.digest(),
        account: invoice.account,
        owner: account.owner,
        signer: account.client_key,
        due_at: invoice.due_at,
        expires_at,
        corridor: desk.corridor,
    };
    let mut request = payee_request(desk, &pending)?;
    request.state = Some(to_base64url(&pending.seal(desk.secret)?));
    Ok(request)
}

/// The corridor whose rules said what a payee has to present: of the state that it was given.
pub fn corridor_of_state(
    secret: &Secret,
    state: &str,
    now: Instant,
) -> Result<CorridorName, PayeeRefused> {
    let sealed = from_base64url(state).ok_or(TicketError::NotOurs)?;
    Ok(PendingInvoice::open(&sealed, secret, now)?.corridor)
}

/// Turns the presentation into the ticket that travels with the request to pay.
pub fn accept_payee(
    desk: &Desk<'_>,
    state: &str,
    vp_token: &str,
    statuses: Statuses<'_>,
) -> Result<(Vec<u8>, VerifiedParty), PayeeRefused> {
    let sealed = from_base64url(state).ok_or(TicketError::NotOurs)?;
    let pending = PendingInvoice::open(&sealed, desk.secret, desk.now)?;
    let party = verify_response(
        vp_token,
        &Expectation {
            request: &payee_request(desk, &pending)?,
            trust: desk.lists.trust(),
            status_lists: statuses.tokens,
            high_water: statuses.high_water,
            status_age_max: STATUS_AGE_MAX,
            now: desk.now,
        },
    )?;
    if party.company() != pending.owner {
        return Err(PayeeRefused::OtherOwner { expected: pending.owner, got: party.company() });
    }
    let account = pending.account.to_string();
    let owned = [("account_id", account.as_str()), ("institution", desk.institution.as_str())];
    if owned
        .iter()
        .any(|(name, expected)| claim(&party, ACCOUNT_OWNERSHIP, &[name]) != Some(*expected))
    {
        return Err(PayeeRefused::OtherAccount);
    }
    let ticket = ticket_of(&pending, &party)?;
    Ok((ticket.seal(desk.secret)?, party))
}

fn payee_request(
    desk: &Desk<'_>,
    pending: &PendingInvoice,
) -> Result<PresentationRequest, PayeeRefused> {
    let nonce = invoice_nonce(desk.secret, pending.invoice, pending.expires_at);
    Ok(Asks::of_payee(desk.pack).request((desk.url, PAYEE_PATH), nonce, None)?)
}

fn ticket_of(
    pending: &PendingInvoice,
    party: &VerifiedParty,
) -> Result<InvoiceTicket, PayeeRefused> {
    let text = |path: &[&str], name: &'static str| {
        claim(party, COMPANY_REGISTRATION, path).ok_or(PayeeRefused::Claim { name })
    };
    let country = text(&["address", "country"], "address.country")?;
    Ok(InvoiceTicket {
        layout: 1,
        invoice: pending.invoice,
        company: party.company(),
        legal_name: text(&["legal_name"], "legal_name")?.to_owned(),
        country: country.parse().map_err(|_| PayeeRefused::Claim { name: "address.country" })?,
        active: Active::when(text(&["standing"], "standing")? == "active"),
        account: pending.account,
        signer: pending.signer,
        shown: shown(party),
        expires_at: pending.due_at,
    })
}

/// What was presented, as far as its status can be asked again.
pub(crate) fn shown(party: &VerifiedParty) -> Vec<Shown> {
    let one = |credential: &credential::party::VerifiedCredential| Shown {
        credential_type: credential.credential_type.clone(),
        relied_on: credential.relied_on.clone(),
        issued_at: credential.issued_at,
        expires_at: credential.expires_at,
        status: credential.status.as_ref().map(|status| ShownStatus {
            uri: status.reference.uri.clone(),
            index: status.reference.index,
        }),
    };
    party.credentials().values().map(one).collect()
}

/// A disclosed text claim of the credential of one type.
pub(crate) fn claim<'a>(
    party: &'a VerifiedParty,
    credential_type: &str,
    path: &[&str],
) -> Option<&'a str> {
    value(party, credential_type, path)?.as_str()
}

/// A disclosed claim of the credential of one type.
pub(crate) fn value<'a>(
    party: &'a VerifiedParty,
    credential_type: &str,
    path: &[&str],
) -> Option<&'a Value> {
    let claims = &party.credential_of(credential_type)?.claims;
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(*first)?, |at, name| at.get(*name))
}

/// The invoice, if the account's owner signed it and it says of the account what the book says.
pub(crate) fn check_invoice(
    desk: &Desk<'_>,
    signed: &Signed<Invoice>,
    account: &AccountFacts,
) -> Result<Invoice, PayeeRefused> {
    let invoice = signed.verify(&account.client_key)?;
    let institution: InstitutionName = desk.institution;
    let differs = |field, expected: String, got: String| {
        if expected == got { Ok(()) } else { Err(PayeeRefused::Differs { field, expected, got }) }
    };
    differs("environment", desk.environment.to_string(), invoice.environment.to_string())?;
    differs("institution", institution.to_string(), invoice.institution.to_string())?;
    differs("account", account.account.to_string(), invoice.account.to_string())?;
    differs("creditor", account.owner.to_string(), invoice.creditor.to_string())?;
    differs("creditor_name", account.name.clone(), invoice.creditor_name.clone())?;
    if desk.now >= invoice.due_at {
        return Err(PayeeRefused::Overdue { due_at: invoice.due_at });
    }
    Ok(invoice)
}
