//! What wallets are asked: generated from what the pack's rules read, and from nothing else.

use credential::presentation::REDIRECT_URI_PREFIX;
use credential::query::QueryError;
use credential::{
    ACCOUNT_OWNERSHIP, COMPANY_REGISTRATION, CREDIT_BAND, MANDATE, PresentationRequest,
    Requirement, TAX_STANDING, build_query,
};
use policy::Pack;
use record::{MANDATE_QUERY_ID, RegisteredClaims};
use seal::text::to_base64url;
use seal::{Digest, Domain, Secret, mac};
use terms::{Instant, PaymentId};

/// Domain of nonces.
const NONCE: Domain = Domain::new("wayleave/edge-nonce/v1");
/// Where decisions are asked for.
pub const DECISIONS_PATH: &str = "/v1/decisions";
/// Where the payee's presentation goes.
pub const PAYEE_PATH: &str = "/v1/invoices/presentations";

/// What one route of an edge asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks(Vec<Requirement>);

impl Asks {
    /// What the pack's rules read from the wallet of its own customer.
    #[must_use]
    pub fn of_pack(pack: &Pack) -> Self {
        Self(
            pack.asks()
                .into_iter()
                .map(|ask| Requirement {
                    id: query_id(ask.vct).to_owned(),
                    credential_type: ask.vct.to_owned(),
                    claims: ask
                        .claims
                        .into_iter()
                        .map(|path| path.into_iter().map(str::to_owned).collect())
                        .collect(),
                    issuers: Vec::new(),
                })
                .collect(),
        )
    }

    /// The same and the proof that the account is the company's: what a payee shows once, with
    /// its invoice.
    #[must_use]
    pub fn of_payee(pack: &Pack) -> Self {
        let Self(mut requirements) = Self::of_pack(pack);
        requirements.retain(|one| one.credential_type != ACCOUNT_OWNERSHIP);
        requirements.push(Requirement {
            id: query_id(ACCOUNT_OWNERSHIP).to_owned(),
            credential_type: ACCOUNT_OWNERSHIP.to_owned(),
            claims: ["account_id", "institution"].map(|name| vec![name.to_owned()]).to_vec(),
            issuers: Vec::new(),
        });
        Self(requirements)
    }

    /// All that any of them asks: what an edge that decides several corridors is registered for.
    #[must_use]
    pub fn together(asks: impl Iterator<Item = Self>) -> Self {
        let mut all: Vec<Requirement> = Vec::new();
        for one in asks.flat_map(|Self(requirements)| requirements) {
            match all.iter_mut().find(|known| known.credential_type == one.credential_type) {
                Some(known) => {
                    let new = one.claims.into_iter().filter(|path| !known.claims.contains(path));
                    let new: Vec<_> = new.collect();
                    known.claims.extend(new);
                }
                None => all.push(one),
            }
        }
        Self(all)
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The request for it.
    pub(crate) fn request(
        &self,
        (url, path): (&str, &str),
        nonce: String,
        terms: Option<String>,
    ) -> Result<PresentationRequest, QueryError> {
        Ok(PresentationRequest {
            client_id: edge_client_id(url, path),
            response_uri: format!("{url}{path}"),
            nonce,
            state: None,
            query: build_query(&self.0)?,
            terms,
        })
    }
}

/// The `client_id` of an edge's route: what its trust list registers it under.
#[must_use]
pub fn edge_client_id(url: &str, path: &str) -> String {
    format!("{REDIRECT_URI_PREFIX}{url}{path}")
}

/// What an edge must be registered for on its trust list, so that wallets see no surprise.
#[must_use]
pub fn registered_claims(asks: &Asks) -> Vec<RegisteredClaims> {
    let company = credential::claims::COMPANY_ID.to_owned();
    asks.0
        .iter()
        .map(|one| {
            let mut paths: Vec<String> = one.claims.iter().map(|path| path.join(".")).collect();
            if !paths.contains(&company) {
                paths.insert(0, company.clone());
            }
            RegisteredClaims { credential_type: one.credential_type.clone(), paths }
        })
        .collect()
}

/// Binds a presentation to one payment at one quote, without a session: whoever has the secret
/// makes it again.
pub(crate) fn payment_nonce(
    secret: &Secret,
    payment: PaymentId,
    quote: Digest,
    expires_at: Instant,
) -> String {
    let about =
        [&payment.bytes()[..], quote.as_bytes(), &expires_at.nanos().to_be_bytes()].concat();
    to_base64url(mac(secret, NONCE, &about).as_bytes())
}

/// Binds a payee's presentation to its invoice.
pub(crate) fn invoice_nonce(secret: &Secret, invoice: Digest, expires_at: Instant) -> String {
    let about = [&b"invoice"[..], invoice.as_bytes(), &expires_at.nanos().to_be_bytes()].concat();
    to_base64url(mac(secret, NONCE, &about).as_bytes())
}

/// The DCQL id of a type. The mandate's is fixed: its key signs the terms.
fn query_id(credential_type: &str) -> &str {
    match credential_type {
        MANDATE => MANDATE_QUERY_ID,
        COMPANY_REGISTRATION => "registration",
        TAX_STANDING => "tax",
        CREDIT_BAND => "credit",
        ACCOUNT_OWNERSHIP => "account",
        _ => "other",
    }
}
