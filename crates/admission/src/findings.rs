//! What the rules are told, made from tickets, presentation, statements, lists and the calendar.

use credential::status::{StatusCheck, StatusRefused, claimed_signature};
use credential::trust::SignatureClaim;
use credential::{
    COMPANY_REGISTRATION, CREDIT_BAND, CheckedStatusList, MANDATE, TAX_STANDING, VerifiedParty,
};
use policy::vocabulary as v;
use policy::{Action, Findings, FindingsBuilder};
use record::{
    EVIDENCE_ESCROW, OutgoingTerms, PartyStatement, PaymentTerms, ReferralParty, StatedParty,
    TRAVEL_RULE, TravelMark,
};
use screening::{Party, Thresholds, screen};
use seal::{Digest, Domain, digest};
use serde_json::Value;
use terms::{Amount, BusinessDate, CompanyId, Instant};

use crate::desk::{Desk, Statuses};
use crate::payee::{STATUS_AGE_MAX, claim, value};
use crate::refer::Screened;
use crate::ticket::{CreditorTicket, DebtorTicket, InvoiceTicket, OutTicket, Shown};
use crate::travel::Travelled;

/// Domain of the names under which a mandate's use is counted: no person can be read from them.
const MANDATE_KEY: Domain = Domain::new("wayleave/mandate-key/v1");

/// Whether what the travel rule asks for has been done, so that the gate may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Yes,
    No,
}

impl Done {
    pub(crate) const fn when(travelled: Option<TravelMark>) -> Self {
        if travelled.is_some() { Self::Yes } else { Self::No }
    }

    /// What is done before a permit leaves: no permit leaves the edge before its record is sealed
    /// and durable in the outbox.
    const fn duties(self) -> &'static [&'static str] {
        match self {
            Self::Yes => &[TRAVEL_RULE, EVIDENCE_ESCROW],
            Self::No => &[EVIDENCE_ESCROW],
        }
    }
}

/// What the debtor's side knows before its wallet has presented anything.
pub(crate) fn before_debtor(
    desk: &Desk<'_>,
    ticket: &DebtorTicket,
    terms: &PaymentTerms,
) -> Findings {
    let said = ticket.received.read_unverified().ok();
    let done = Done::when(ticket.travelled.as_ref().map(Travelled::mark));
    debtor_base(desk, ticket, (terms, said.as_ref(), done)).build()
}

/// The debtor's side with a verified presentation. `said` is the other side's statement, if it is
/// still believed.
pub(crate) fn debtor(
    desk: &Desk<'_>,
    ticket: &DebtorTicket,
    told: (&PaymentTerms, Option<&PartyStatement>, Done),
    party: &VerifiedParty,
) -> Findings {
    let stated = ticket.sent.read_unverified().ok().map(|one| one.party);
    let name = stated.as_ref().map(|stated| stated.legal_name.as_str());
    let payer = Payer { owner: ticket.owner, name, terms: ticket.about.terms };
    let debited = told.0.debited;
    payer_shown(debtor_base(desk, ticket, told), desk, (&payer, debited), party)
}

/// Whom the institution knows to own the account, and the terms that it may have signed.
struct Payer<'a> {
    owner: CompanyId,
    name: Option<&'a str>,
    terms: Digest,
}

/// What a verified presentation tells of the payer.
fn payer_shown(
    builder: FindingsBuilder,
    desk: &Desk<'_>,
    (payer, debited): (&Payer<'_>, Amount),
    party: &VerifiedParty,
) -> Findings {
    let text = |path: &[&str]| claim(party, COMPANY_REGISTRATION, path).unwrap_or_default();
    let (name, country) = (text(&["legal_name"]), text(&["address", "country"]));
    let town = text(&["address", "locality"]);
    let owner = party.company() == payer.owner && payer.name == Some(name);
    let builder = builder
        .flag(v::SUBJECTS_SAME, true)
        .flag(v::REGISTRATION_ACTIVE, text(&["standing"]) == "active")
        .flag(v::OWNER_MATCHES, owner)
        .flag(v::TERMS_SIGNED, party.terms_digest() == Some(payer.terms))
        .flag(v::PAYER_NAME_GIVEN, !name.is_empty())
        .flag(v::PAYER_ADDRESS_STRUCTURED, !town.is_empty() && !country.is_empty())
        .text(v::PAYER_COUNTRY, country)
        .screening(v::PAYER_SCREENING, &screened(desk, name, country));
    let builder = mandate(builder, desk, party, debited);
    ages(tax_and_credit(builder, desk, party), desk, party).build()
}

/// What is known of a payment out before its wallet has presented anything.
pub(crate) fn before_out(desk: &Desk<'_>, ticket: &OutTicket, terms: &OutgoingTerms) -> Findings {
    out_base(desk, ticket, terms).build()
}

/// A payment out, with a verified presentation.
pub(crate) fn out(
    desk: &Desk<'_>,
    ticket: &OutTicket,
    terms: &OutgoingTerms,
    party: &VerifiedParty,
) -> Findings {
    let name = Some(ticket.payer_name.as_str());
    let payer = Payer { owner: ticket.owner, name, terms: ticket.terms };
    let debited = terms.debited().unwrap_or(terms.amount);
    payer_shown(out_base(desk, ticket, terms), desk, (&payer, debited), party)
}

fn out_base(desk: &Desk<'_>, ticket: &OutTicket, terms: &OutgoingTerms) -> FindingsBuilder {
    let (name, country) = (terms.to.name.as_str(), terms.address.country.as_str());
    let debited = terms.debited().unwrap_or(terms.amount);
    // What must travel with the transfer stands in the order's parties: nobody is written to.
    let complete = !ticket.payer_name.is_empty() && !ticket.payer_address.town.is_empty();
    let done = if complete { Done::Yes } else { Done::No };
    base(desk, Action::Pay, (&terms.purpose, debited), done)
        .flag(v::ACCOUNT_MAY_BE_DEBITED, ticket.takes.is_yes())
        .flag(v::PAYER_ACCOUNT_GIVEN, true)
        .flag(v::PAYEE_NAME_GIVEN, !name.is_empty())
        .text(v::PAYEE_COUNTRY, country)
        .screening(v::PAYEE_SCREENING, &screened(desk, name, country))
        .minor(v::MANDATE_MONTH_LIMIT, desk.mandate_month_limit)
}

/// The creditor's side: its payee was verified with the invoice; the status is looked at again.
pub(crate) fn creditor(
    desk: &Desk<'_>,
    ticket: &CreditorTicket,
    (terms, said, done): (&PaymentTerms, Option<&PartyStatement>, Done),
    status_signed_at: Option<Instant>,
) -> Findings {
    let payee = &ticket.payee;
    let owner = payee.company == ticket.owner && payee.account == ticket.account;
    let counterparty = counterparty_country(desk, said);
    let said = said.map(|said| &said.party);
    let builder = base(desk, action_of(terms), (&terms.purpose, terms.credited), done)
        .flag(v::SUBJECTS_SAME, true)
        .flag(v::REGISTRATION_ACTIVE, payee.active.is_yes())
        .flag(v::OWNER_MATCHES, owner)
        .flag(v::ACCOUNT_MAY_BE_CREDITED, ticket.takes.is_yes())
        .flag(v::INVOICE_SIGNED, ticket.signed_by_owner.is_yes())
        .flag(v::STATEMENT_PRESENT, said.is_some())
        .flag(v::TERMS_MATCH, said.is_some_and(|said| said.account == terms.debited_account))
        .text(v::COUNTERPARTY_COUNTRY, &counterparty)
        .flag(v::PAYEE_NAME_GIVEN, !payee.legal_name.is_empty())
        .flag(v::PAYEE_NAME_FITS_ACCOUNT, payee.legal_name == terms.payee_name)
        .text(v::PAYEE_COUNTRY, payee.country.as_str())
        .screening(v::PAYEE_SCREENING, &screened(desk, &payee.legal_name, payee.country.as_str()));
    let builder = payer_as_stated(builder, desk, said);
    match status_signed_at {
        Some(signed_at) => builder.age(v::REGISTRATION_STATUS_AGE, desk.now, signed_at).build(),
        None => builder.build(),
    }
}

/// The status of what a payee presented earlier, looked at again: when the list was signed that
/// covers its registration.
pub(crate) fn look_again(
    desk: &Desk<'_>,
    payee: &InvoiceTicket,
    statuses: Statuses<'_>,
) -> Result<Option<Instant>, AgainRefused> {
    let mut registration = None;
    for shown in &payee.shown {
        if desk.now >= shown.expires_at {
            return Err(AgainRefused::CredentialExpired);
        }
        let seen = look_at(desk, shown, statuses)?;
        if shown.credential_type == COMPANY_REGISTRATION {
            registration = seen;
        }
    }
    Ok(registration)
}

/// Why what was presented earlier does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AgainRefused {
    /// Its own end has come.
    CredentialExpired,
    /// Its issuer is not trusted any more.
    IssuerNotTrusted,
    /// Its status.
    Status(StatusRefused),
}

fn look_at(
    desk: &Desk<'_>,
    shown: &Shown,
    statuses: Statuses<'_>,
) -> Result<Option<Instant>, AgainRefused> {
    let Some(status) = &shown.status else { return Ok(None) };
    let absent = || StatusRefused::Unavailable { uri: status.uri.clone() };
    let token = statuses.tokens.get(&status.uri).ok_or_else(|| AgainRefused::Status(absent()))?;
    let (key_id, signed_at) = claimed_signature(token).map_err(AgainRefused::Status)?;
    let claim = SignatureClaim {
        issuer: &shown.relied_on.issuer,
        key_id: key_id.as_deref(),
        credential_type: &shown.credential_type,
        signed_at,
    };
    let trust = desk.lists.trust();
    let key = trust.key_for(&claim, desk.now).map_err(|_| AgainRefused::IssuerNotTrusted)?;
    let check = StatusCheck {
        uri: &status.uri,
        key: &key.key,
        now: desk.now,
        age_max: STATUS_AGE_MAX,
        high_water: statuses.high_water,
    };
    let list = CheckedStatusList::check(token, &check).map_err(AgainRefused::Status)?;
    list.require_valid(status.index).map_err(AgainRefused::Status)?;
    Ok(Some(list.seen().issued_at))
}

fn debtor_base(
    desk: &Desk<'_>,
    ticket: &DebtorTicket,
    (terms, said, done): (&PaymentTerms, Option<&PartyStatement>, Done),
) -> FindingsBuilder {
    let party = said.map(|said| &said.party);
    let name = party.map(|party| party.legal_name.as_str()).unwrap_or_default();
    let country = party.map(|party| party.country.as_str()).unwrap_or_default();
    let fits = party.is_some_and(|party| {
        party.legal_name == terms.payee_name && party.account == terms.credited_account
    });
    base(desk, action_of(terms), (&terms.purpose, terms.debited), done)
        .flag(v::ACCOUNT_MAY_BE_DEBITED, ticket.takes.is_yes())
        .text(v::COUNTERPARTY_COUNTRY, &counterparty_country(desk, said))
        .flag(v::STATEMENT_PRESENT, party.is_some())
        // No ticket is made without the payee's institution's acceptance of this very invoice.
        .flag(v::DOCUMENT_GIVEN, party.is_some())
        .flag(v::TERMS_MATCH, party.is_some_and(|party| party.account == terms.credited_account))
        .flag(v::PAYER_ACCOUNT_GIVEN, true)
        .flag(v::PAYEE_NAME_GIVEN, !name.is_empty())
        .flag(v::PAYEE_NAME_FITS_ACCOUNT, fits)
        .text(v::PAYEE_COUNTRY, country)
        .screening(v::PAYEE_SCREENING, &screened(desk, name, country))
        .minor(v::MANDATE_MONTH_LIMIT, desk.mandate_month_limit)
}

/// Where the other side's institution is licensed, if it is believed for its side of this corridor.
fn counterparty_country(desk: &Desk<'_>, said: Option<&PartyStatement>) -> String {
    let side = (desk.corridor, desk.side.other());
    let known = |said: &PartyStatement| desk.lists.counterparty(said.from, side, desk.now).ok();
    said.and_then(known).map(|one| one.jurisdiction.to_string()).unwrap_or_default()
}

/// What both sides know without any party: order, calendar, lists, and the edge's own acts.
fn base(
    desk: &Desk<'_>,
    action: Action,
    (purpose, amount): (&str, Amount),
    done: Done,
) -> FindingsBuilder {
    let builder = FindingsBuilder::new(action)
        .amount(amount)
        .text(v::PURPOSE, purpose)
        .flag(v::LIST_EXPIRED, desk.lists.any_overdue(desk.now))
        .texts(v::DUTIES_DONE, done.duties());
    // No list at hand is as old as can be: the pack says so beside `not-screened`.
    let oldest = desk.lists.oldest_sanctions().unwrap_or(Instant::EPOCH);
    let builder = builder.age(v::LIST_AGE, desk.now, oldest);
    desk.pack.calendar(builder, desk.now)
}

pub(crate) const fn action_of(terms: &PaymentTerms) -> Action {
    match terms.action {
        record::Action::Pay => Action::Pay,
        // Nobody makes terms of a return: a return has a document of its own.
        record::Action::Refund | record::Action::Return => Action::Refund,
    }
}

fn payer_as_stated(
    builder: FindingsBuilder,
    desk: &Desk<'_>,
    said: Option<&StatedParty>,
) -> FindingsBuilder {
    let name = said.map(|said| said.legal_name.as_str()).unwrap_or_default();
    let address = said.and_then(|said| said.address.as_ref());
    let country = address
        .map(|address| address.country.as_str())
        .or_else(|| said.map(|said| said.country.as_str()))
        .unwrap_or_default();
    builder
        .flag(v::PAYER_NAME_GIVEN, !name.is_empty())
        .flag(v::PAYER_ACCOUNT_GIVEN, said.is_some())
        .flag(v::PAYER_ADDRESS_STRUCTURED, address.is_some_and(|a| !a.town.is_empty()))
        .text(v::PAYER_COUNTRY, country)
        .screening(v::PAYER_SCREENING, &screened(desk, name, country))
}

fn mandate(
    builder: FindingsBuilder,
    desk: &Desk<'_>,
    party: &VerifiedParty,
    debited: Amount,
) -> FindingsBuilder {
    let Some(mandate) = party.mandate() else { return builder };
    let told = value(party, MANDATE, &["may_pay"]).and_then(Value::as_bool) == Some(true);
    let alone = mandate.approvals_required == Some(1);
    let in_time = mandate.valid_until.is_some_and(|last| desk.now.date() <= last);
    let builder = builder.flag(v::MANDATE_MAY_PAY, told && alone && in_time);
    let builder = match mandate.limit {
        Some(limit) if limit.asset == debited.asset => builder.minor(v::MANDATE_LIMIT, limit.minor),
        // A limit in another asset allows nothing in this one.
        Some(_) => builder.number(v::MANDATE_LIMIT, 0),
        None => builder,
    };
    match &mandate.mandate_id {
        Some(id) => {
            let key = digest(MANDATE_KEY, id.as_bytes());
            builder.text(v::MANDATE_KEY, &format!("mandate:{key}"))
        }
        None => builder,
    }
}

fn tax_and_credit(
    builder: FindingsBuilder,
    desk: &Desk<'_>,
    party: &VerifiedParty,
) -> FindingsBuilder {
    let good = value(party, TAX_STANDING, &["good_standing"]).and_then(Value::as_bool);
    let builder = match good {
        Some(good) => builder.flag(v::TAX_STANDING_GOOD, good),
        None => builder,
    };
    let as_of = claim(party, TAX_STANDING, &["as_of"]).and_then(|day| day.parse().ok());
    let builder = match as_of.map(BusinessDate::start) {
        Some(day) => builder.age(v::TAX_STANDING_AGE, desk.now, day),
        None => builder,
    };
    match claim(party, CREDIT_BAND, &["band"]) {
        Some(band) => builder.text(v::CREDIT_BAND_GIVEN, band),
        None => builder,
    }
}

/// Ages of the status lists by their signed time. A credential that lives a day at most has no
/// list, so none of its can be stale: its age is nothing.
fn ages(mut builder: FindingsBuilder, desk: &Desk<'_>, party: &VerifiedParty) -> FindingsBuilder {
    for (credential_type, name) in [
        (COMPANY_REGISTRATION, v::REGISTRATION_STATUS_AGE),
        (MANDATE, v::MANDATE_STATUS_AGE),
        (CREDIT_BAND, v::CREDIT_STATUS_AGE),
    ] {
        let Some(credential) = party.credential_of(credential_type) else { continue };
        builder = match &credential.status {
            Some(status) => builder.age(name, desk.now, status.issued_at),
            None => builder.number(name, 0),
        };
    }
    builder
}

/// Whom the debtor's side screened, in the words that [`debtor`] screened.
pub(crate) fn parties_of_debtor(
    ticket: &DebtorTicket,
    said: Option<&PartyStatement>,
    party: &VerifiedParty,
) -> Vec<Screened> {
    let payee = said.map(|said| Screened {
        who: ReferralParty::Payee,
        identity: said.party.company.to_string(),
        name: said.party.legal_name.clone(),
        country: said.party.country.to_string(),
    });
    core::iter::once(payer(ticket.owner, party)).chain(payee).collect()
}

/// Whom the creditor's side screened.
pub(crate) fn parties_of_creditor(
    ticket: &CreditorTicket,
    said: Option<&PartyStatement>,
) -> Vec<Screened> {
    let payee = Screened {
        who: ReferralParty::Payee,
        identity: ticket.payee.company.to_string(),
        name: ticket.payee.legal_name.clone(),
        country: ticket.payee.country.to_string(),
    };
    let payer = said.map(|said| {
        let address = said.party.address.as_ref();
        Screened {
            who: ReferralParty::Payer,
            identity: said.party.company.to_string(),
            name: said.party.legal_name.clone(),
            country: address.map_or(said.party.country, |address| address.country).to_string(),
        }
    });
    payer.into_iter().chain([payee]).collect()
}

/// Whom the one side of a payment out screened: its payee is told by account and bank alone.
pub(crate) fn parties_out(
    ticket: &OutTicket,
    terms: &OutgoingTerms,
    party: &VerifiedParty,
) -> Vec<Screened> {
    let payee = Screened {
        who: ReferralParty::Payee,
        identity: format!("account:{}@{}", terms.to.account, terms.to.bic),
        name: terms.to.name.clone(),
        country: terms.address.country.clone(),
    };
    vec![payer(ticket.owner, party), payee]
}

/// The payer as it presented itself.
fn payer(owner: CompanyId, party: &VerifiedParty) -> Screened {
    let text = |path: &[&str]| claim(party, COMPANY_REGISTRATION, path).unwrap_or_default();
    Screened {
        who: ReferralParty::Payer,
        identity: owner.to_string(),
        name: text(&["legal_name"]).to_owned(),
        country: text(&["address", "country"]).to_owned(),
    }
}

fn screened(desk: &Desk<'_>, name: &str, country: &str) -> screening::Outcome {
    let party = Party { name, country, date: None };
    screen(&party, desk.lists.sanctions(), Thresholds::STANDARD)
}
