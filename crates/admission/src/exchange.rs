//! Before consent: the two edges tell each other about their parties, and nothing else.

use credential::PresentationRequest;
use credential::query::QueryError;
use policy::{Lack, Missing};
use record::{
    Acceptance, DocumentError, Invoice, PartyStatement, PaymentTerms, Quote, RequestToPay,
    SEALED_STATEMENT, Side, Signed, StatedParty, TravelReceipt,
};
use seal::{BadKey, BoxError, Salt, open_box, seal_box};
use terms::{AccountId, Instant, InstitutionName, PaymentId, StatementId};
use thiserror::Error;

use crate::asking::{Asks, DECISIONS_PATH, payment_nonce};
use crate::desk::{AccountFacts, Desk, Onboarding};
use crate::findings;
use crate::lists::{Untrusted, box_key, permit_key};
use crate::payee::{PayeeRefused, check_invoice};
use crate::ticket::{
    About, Active, CreditorTicket, DebtorTicket, InvoiceTicket, Ticket, TicketError,
};
use crate::travel::{self, Told, TravelRefused};

/// What is to be paid, at which quote, from where.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The request to pay.
    pub request: &'a RequestToPay,
    /// The provider's quote.
    pub quote: &'a Signed<Quote>,
    /// The payment that this one refunds.
    pub refund_of: Option<PaymentId>,
}

/// Fresh random bytes for one statement.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeEntropy {
    /// Its id.
    pub statement: [u8; 16],
    /// Blinds its digest.
    pub blind: [u8; 16],
    /// Makes the box.
    pub box_bytes: [u8; 32],
    /// Blinds the digest of a travel-rule message.
    pub travel_blind: [u8; 16],
    /// Makes that message's box.
    pub travel_box: [u8; 32],
}

/// The debtor's side of the exchange, before the other side has answered.
#[derive(Clone, Debug)]
pub struct StatedPayer {
    /// Our statement.
    pub statement: Signed<PartyStatement>,
    /// The same, sealed to the other side.
    pub sealed: Vec<u8>,
    /// The terms string.
    pub terms: String,
    /// Who holds the payee's account.
    pub creditor: InstitutionName,
    /// What was wanted, read.
    pub payment: PaymentTerms,
    /// What the travel rule wants told, where it does.
    pub told: Option<Told>,
}

/// Whether the other side has said that its rules ask for a travel-rule message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedToTell {
    /// It has: the message is sent whatever our own rules ask.
    Yes,
    /// It has not: our own rules say.
    No,
}

/// The other side's answer.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// Its sealed statement.
    pub sealed: &'a [u8],
    /// Its acceptance.
    pub acceptance: &'a Signed<Acceptance>,
    /// Its receipt of the travel-rule message.
    pub travel: Option<&'a Signed<TravelReceipt>>,
}

/// What came from the debtor's edge.
#[derive(Clone, Copy, Debug)]
pub struct Stated<'a> {
    /// What is wanted.
    pub wanted: Wanted<'a>,
    /// Its sealed statement.
    pub sealed: &'a [u8],
    /// The terms string, as it made it.
    pub terms: &'a str,
    /// Its sealed travel-rule message.
    pub travel: Option<&'a [u8]>,
}

/// What the debtor's edge hands to the wallet.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The sealed note to itself.
    pub ticket: Vec<u8>,
    /// What the wallet has to present; `None` if the rules read nothing of it.
    pub ask: Option<PresentationRequest>,
    /// What open rules miss that no presentation will bring.
    pub missing: Vec<Missing>,
}

/// What the creditor's edge answers.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its statement, sealed to the debtor's side.
    pub sealed: Vec<u8>,
    /// It can credit the account.
    pub acceptance: Signed<Acceptance>,
    /// The sealed note to itself.
    pub ticket: Vec<u8>,
    /// The receipt of the travel-rule message.
    pub travel: Option<Signed<TravelReceipt>>,
}

/// Why no statement is made or accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExchangeRefused {
    /// A signed document is not what it says.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// No trust list names the quote's key.
    #[error("the quote is signed by key `{key}`, which no trust list names for its provider")]
    QuoteNotTrusted {
        /// The key.
        key: seal::KeyId,
    },
    /// The other side's institution.
    #[error("{0}")]
    Untrusted(#[from] Untrusted),
    /// A field is not what it should be.
    #[error("expected `{field}` to be `{expected}`, got `{got}`")]
    Differs {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: String,
        /// What came.
        got: String,
    },
    /// Past its end.
    #[error("{what} ended at {expires_at}")]
    Expired {
        /// Quote or invoice.
        what: &'static str,
        /// When.
        expires_at: Instant,
    },
    /// The box does not open, or cannot be made.
    #[error("the sealed statement does not open here")]
    Box,
    /// The account takes no credits.
    #[error("the account takes no credits")]
    NotCreditable,
    /// The invoice.
    #[error("{0}")]
    Invoice(#[from] PayeeRefused),
    /// The ticket.
    #[error("{0}")]
    Ticket(#[from] TicketError),
    /// The pack's claims make no query.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// The travel rule.
    #[error("{0}")]
    Travel(#[from] TravelRefused),
}

impl From<BoxError> for ExchangeRefused {
    fn from(_: BoxError) -> Self {
        Self::Box
    }
}

impl From<BadKey> for ExchangeRefused {
    fn from(_: BadKey) -> Self {
        Self::Box
    }
}

/// The debtor's side: states its own customer to the other side.
pub fn state_payer(
    desk: &Desk<'_>,
    wanted: Wanted<'_>,
    account: &AccountFacts,
    (customer, asked): (&Onboarding, AskedToTell),
    entropy: ExchangeEntropy,
) -> Result<StatedPayer, ExchangeRefused> {
    let (quote, invoice) = read_wanted(desk, wanted)?;
    same("debit asset's owner", account.owner, customer.company)?;
    same("name of the account", account.name.as_str(), customer.legal_name.as_str())?;
    let payment = terms_of(desk, wanted, account.account)?;
    let to =
        desk.lists.counterparty(invoice.institution, (desk.corridor, Side::Creditor), desk.now)?;
    let party = StatedParty {
        company: customer.company,
        legal_name: customer.legal_name.clone(),
        account: account.account,
        country: customer.country,
        address: Some(customer.address.clone()),
        lei: customer.lei.clone(),
        purpose: Some(invoice.purpose.clone()),
    };
    let statement = statement(desk, (quote.payment, to.institution), party, entropy);
    let about = quote.payment.bytes();
    let plain = statement.to_bytes();
    let sealed = seal_box(&box_key(to), SEALED_STATEMENT, &about, &plain, entropy.box_bytes)?;
    let terms = payment.to_terms_string();
    let creditor = to.institution;
    let owed = asked == AskedToTell::Yes || travel::may_be_owed(desk, &payment);
    let fresh = (entropy.travel_blind, entropy.travel_box);
    let told = owed.then(|| travel::tell(desk, (&statement, &payment), fresh)).transpose()?;
    Ok(StatedPayer { statement, sealed, terms, creditor, payment, told })
}

/// The debtor's side: opens the other side's answer, and asks its own customer's wallet.
pub fn prepare(
    desk: &Desk<'_>,
    wanted: Wanted<'_>,
    account: &AccountFacts,
    stated: &StatedPayer,
    reply: Reply<'_>,
) -> Result<Prepared, ExchangeRefused> {
    let quote = wanted.quote.read_unverified()?;
    let about = stated.payment.payment;
    let plain = open_box(desk.statement_key, SEALED_STATEMENT, &about.bytes(), reply.sealed)?;
    let received = Signed::<PartyStatement>::from_bytes(&plain)?;
    let said = believe(desk, &received, (about, stated.creditor))?;
    same("account of the statement", stated.payment.credited_account, said.party.account)?;
    let acceptance = believe_acceptance(desk, reply.acceptance, stated, wanted)?;
    let about_travel = (stated.creditor, &stated.payment);
    let travelled = travel::receive(desk, stated.told.as_ref(), reply.travel, about_travel)?;
    let expires_at = quote.expires_at.min(acceptance.valid_until);
    let ticket = DebtorTicket {
        layout: if travelled.is_some() { 2 } else { 1 },
        about: About {
            payment: about,
            terms: stated.payment.terms_digest(),
            quote: wanted.quote.digest(),
            invoice: wanted.request.invoice.digest(),
            acceptance: reply.acceptance.digest(),
            expires_at,
        },
        account: account.account,
        owner: account.owner,
        client_key: account.client_key,
        takes: Active::when(account.takes_debits),
        sent: stated.statement.clone(),
        received,
        travelled,
    };
    let found = findings::before_debtor(desk, &ticket, &stated.payment);
    Ok(Prepared {
        missing: missing(desk, &found),
        ask: debtor_request(desk, &ticket.about, &stated.terms)?,
        ticket: ticket.seal(desk.secret)?,
    })
}

/// The creditor's side: reads the payer's statement, and answers with its own and an acceptance.
pub fn answer_statement(
    desk: &Desk<'_>,
    stated: Stated<'_>,
    from: InstitutionName,
    account: &AccountFacts,
    entropy: ExchangeEntropy,
) -> Result<Answered, ExchangeRefused> {
    let Stated { wanted, sealed, terms, travel } = stated;
    let (quote, invoice) = read_wanted(desk, wanted)?;
    let sender = desk.lists.counterparty(from, (desk.corridor, Side::Debtor), desk.now)?;
    let payee = own_payee(desk, wanted, account)?;
    let about = quote.payment;
    let plain = open_box(desk.statement_key, SEALED_STATEMENT, &about.bytes(), sealed)?;
    let received = Signed::<PartyStatement>::from_bytes(&plain)?;
    let said = believe(desk, &received, (about, from))?;
    let payment = terms_of(desk, wanted, said.party.account)?;
    same("terms", payment.to_terms_string().as_str(), terms)?;
    let travelled = match travel {
        Some(sealed) => Some(travel::hear(desk, sealed, (&received, &payment), &payee)?),
        None if travel::may_be_owed(desk, &payment) => return Err(TravelRefused::Missing.into()),
        None => None,
    };
    let acceptance = Acceptance {
        layout: 1,
        environment: desk.environment,
        payment: about,
        institution: desk.institution,
        invoice: wanted.request.invoice.digest(),
        account: account.account,
        owner: account.owner,
        amount: payment.credited,
        valid_until: quote.expires_at.min(invoice.due_at),
    };
    let acceptance = Signed::sign(&acceptance, desk.permit_key);
    let party = StatedParty {
        company: payee.company,
        legal_name: payee.legal_name.clone(),
        account: account.account,
        country: payee.country,
        address: None,
        lei: None,
        purpose: None,
    };
    let sent = statement(desk, (about, from), party, entropy);
    let plain = sent.to_bytes();
    let sealed =
        seal_box(&box_key(sender), SEALED_STATEMENT, &about.bytes(), &plain, entropy.box_bytes)?;
    let travel = travelled.as_ref().map(|travelled| travelled.receipt.clone());
    let ticket = CreditorTicket {
        layout: if travelled.is_some() { 2 } else { 1 },
        about: About {
            payment: about,
            terms: payment.terms_digest(),
            quote: wanted.quote.digest(),
            invoice: wanted.request.invoice.digest(),
            acceptance: acceptance.digest(),
            expires_at: quote.expires_at,
        },
        account: account.account,
        owner: account.owner,
        takes: Active::when(account.takes_credits),
        signed_by_owner: Active::Yes,
        sent,
        received,
        payee,
        travelled,
    };
    Ok(Answered { sealed, acceptance, ticket: ticket.seal(desk.secret)?, travel })
}

/// The payee of the request, if it is still who owns the account.
fn own_payee(
    desk: &Desk<'_>,
    wanted: Wanted<'_>,
    account: &AccountFacts,
) -> Result<InvoiceTicket, ExchangeRefused> {
    let payee = InvoiceTicket::open(&wanted.request.ticket, desk.secret, desk.now)?;
    same("invoice of the ticket", payee.invoice, wanted.request.invoice.digest())?;
    check_invoice(desk, &wanted.request.invoice, account)?;
    same("owner of the account", account.owner, payee.company)?;
    same("account of the ticket", account.account, payee.account)?;
    same("name of the account", account.name.as_str(), payee.legal_name.as_str())?;
    same("signer of the invoice", account.client_key, payee.signer)?;
    if !account.takes_credits {
        return Err(ExchangeRefused::NotCreditable);
    }
    Ok(payee)
}

/// The statement, if its institution signed it to us about this payment, and counts here.
pub(crate) fn believe(
    desk: &Desk<'_>,
    signed: &Signed<PartyStatement>,
    (payment, from): (terms::PaymentId, InstitutionName),
) -> Result<PartyStatement, ExchangeRefused> {
    let side = desk.side.other();
    let sender = desk.lists.counterparty(from, (desk.corridor, side), desk.now)?;
    let statement = signed.verify(&permit_key(sender, signed.key())?)?;
    same("layout", 1, statement.layout)?;
    same("environment of the statement", desk.environment, statement.environment)?;
    same("payment of the statement", payment, statement.payment)?;
    same("side of the statement", side, statement.side)?;
    same("sender of the statement", from, statement.from)?;
    same("receiver of the statement", desk.institution, statement.to)?;
    Ok(statement)
}

/// What the debtor's wallet has to present.
fn debtor_request(
    desk: &Desk<'_>,
    about: &About,
    terms: &str,
) -> Result<Option<PresentationRequest>, QueryError> {
    debtor_request_under(desk, nonce_of(desk, about), terms)
}

/// The nonce that a payment's presentation is asked under.
pub(crate) fn nonce_of(desk: &Desk<'_>, about: &About) -> String {
    payment_nonce(desk.secret, about.payment, about.quote, about.expires_at)
}

/// The request under a nonce: a replay knows the nonce and not the secret that it came from.
pub(crate) fn debtor_request_under(
    desk: &Desk<'_>,
    nonce: String,
    terms: &str,
) -> Result<Option<PresentationRequest>, QueryError> {
    let asks = Asks::of_pack(desk.pack);
    if asks.is_empty() {
        return Ok(None);
    }
    asks.request((desk.url, DECISIONS_PATH), nonce, Some(terms.to_owned())).map(Some)
}

fn read_wanted(desk: &Desk<'_>, wanted: Wanted<'_>) -> Result<(Quote, Invoice), ExchangeRefused> {
    let claimed = wanted.quote.read_unverified()?;
    let key = wanted.quote.key();
    let quote_key = desk
        .lists
        .quote_key(claimed.provider, key)
        .ok_or(ExchangeRefused::QuoteNotTrusted { key })?;
    let quote = wanted.quote.verify(&quote_key)?;
    let invoice = wanted.request.invoice.read_unverified()?;
    same("environment of the quote", desk.environment, quote.environment)?;
    same("environment of the invoice", desk.environment, invoice.environment)?;
    same("corridor", desk.corridor, quote.corridor)?;
    same("amount of the quote", invoice.amount.to_string(), quote.credit.to_string())?;
    for (what, expires_at) in [("the quote", quote.expires_at), ("the invoice", invoice.due_at)] {
        if desk.now >= expires_at {
            return Err(ExchangeRefused::Expired { what, expires_at });
        }
    }
    Ok((quote, invoice))
}

fn terms_of(
    desk: &Desk<'_>,
    wanted: Wanted<'_>,
    debited: AccountId,
) -> Result<PaymentTerms, ExchangeRefused> {
    let (quote, invoice) = (wanted.quote, &wanted.request.invoice);
    let terms = match wanted.refund_of {
        None => PaymentTerms::of_payment(quote, invoice, debited, desk.book),
        Some(original) => PaymentTerms::of_refund(quote, invoice, debited, desk.book, original),
    };
    terms.ok_or_else(|| ExchangeRefused::Differs {
        field: "terms",
        expected: "a quote and an invoice".to_owned(),
        got: "other bytes".to_owned(),
    })
}

fn statement(
    desk: &Desk<'_>,
    (payment, to): (terms::PaymentId, InstitutionName),
    party: StatedParty,
    entropy: ExchangeEntropy,
) -> Signed<PartyStatement> {
    let statement = PartyStatement {
        layout: 1,
        environment: desk.environment,
        statement: StatementId::from_bytes(entropy.statement),
        payment,
        side: desk.side,
        from: desk.institution,
        to,
        blind: Salt(entropy.blind),
        party,
        stated_at: desk.now,
    };
    Signed::sign(&statement, desk.permit_key)
}

fn believe_acceptance(
    desk: &Desk<'_>,
    signed: &Signed<Acceptance>,
    stated: &StatedPayer,
    wanted: Wanted<'_>,
) -> Result<Acceptance, ExchangeRefused> {
    let side = (desk.corridor, Side::Creditor);
    let sender = desk.lists.counterparty(stated.creditor, side, desk.now)?;
    let acceptance = signed.verify(&permit_key(sender, signed.key())?)?;
    let payment = &stated.payment;
    same("payment of the acceptance", payment.payment, acceptance.payment)?;
    same("environment of the acceptance", desk.environment, acceptance.environment)?;
    same("account of the acceptance", payment.credited_account, acceptance.account)?;
    same("amount of the acceptance", payment.credited.to_string(), acceptance.amount.to_string())?;
    same("invoice of the acceptance", wanted.request.invoice.digest(), acceptance.invoice)?;
    if desk.now >= acceptance.valid_until {
        let expires_at = acceptance.valid_until;
        return Err(ExchangeRefused::Expired { what: "the acceptance", expires_at });
    }
    Ok(acceptance)
}

/// What open rules miss: what fails already, and what is untold and no presentation will tell.
pub(crate) fn missing(desk: &Desk<'_>, found: &policy::Findings) -> Vec<Missing> {
    let asks = desk.pack.asks();
    let presented = |name: &String| asks.iter().any(|ask| ask.findings.contains(name.as_str()));
    let mut missing = desk.pack.preflight(found, desk.now);
    missing.retain(|one| match &one.lack {
        Lack::Fails => true,
        Lack::Untold(names) => !names.iter().any(presented),
    });
    missing
}

fn same<T: PartialEq + core::fmt::Debug>(
    field: &'static str,
    expected: T,
    got: T,
) -> Result<(), ExchangeRefused> {
    if expected == got {
        return Ok(());
    }
    let show = |value: T| format!("{value:?}").chars().take(200).collect();
    Err(ExchangeRefused::Differs { field, expected: show(expected), got: show(got) })
}
