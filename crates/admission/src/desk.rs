//! What an edge knows while it works on one request.

use std::collections::BTreeMap;

use credential::HighWater;
use policy::Pack;
use record::{PostalAddress, Side};
use seal::{BoxSecretKey, PublicKey, Secret, SigningKey};
use terms::{
    AccountId, BookName, CompanyId, CorridorName, Environment, Instant, InstitutionName,
    Jurisdiction, Minor,
};

use crate::lists::Lists;
use crate::sandbox::Bounds;

/// The institution's side of one corridor, its rules, lists and keys, at one instant.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// Where it runs.
    pub environment: Environment,
    /// Whose desk it is.
    pub institution: InstitutionName,
    /// The corridor.
    pub corridor: CorridorName,
    /// The side it decides.
    pub side: Side,
    /// The settlement book that payments are for.
    pub book: BookName,
    /// The edge's base URL, without a slash at its end.
    pub url: &'a str,
    /// The rules.
    pub pack: &'a Pack,
    /// The lists in force.
    pub lists: &'a Lists,
    /// Signs permits, refusals, acceptances and statements.
    pub permit_key: &'a SigningKey,
    /// Opens statements.
    pub statement_key: &'a BoxSecretKey,
    /// The institution's own secret, the same in all its instances: tickets and nonces.
    pub secret: &'a Secret,
    /// What the institution grants per mandate and month, in minor units of the debited asset.
    pub mandate_month_limit: Minor,
    /// How far it goes, where the corridor is a sandbox.
    pub sandbox: Option<&'a Bounds>,
    /// The instant at which everything is judged.
    pub now: Instant,
}

/// What the institution's book says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// The account.
    pub account: AccountId,
    /// The company that owns it.
    pub owner: CompanyId,
    /// Its legal name as the institution knows it.
    pub name: String,
    /// The key that signs its requests and invoices.
    pub client_key: PublicKey,
    /// Whether it takes debits now.
    pub takes_debits: bool,
    /// Whether it takes credits now.
    pub takes_credits: bool,
}

/// What the institution learned of its customer when it opened the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onboarding {
    /// The company.
    pub company: CompanyId,
    /// Its legal name, as an issuer signed it.
    pub legal_name: String,
    /// Where it is registered.
    pub country: Jurisdiction,
    /// Its structured address.
    pub address: PostalAddress,
    /// Its LEI, where it has one.
    pub lei: Option<String>,
}

/// Status lists at hand, and the newest editions ever seen.
#[derive(Clone, Copy, Debug)]
pub struct Statuses<'a> {
    /// Status list tokens by URI.
    pub tokens: &'a BTreeMap<String, String>,
    /// The newest editions seen.
    pub high_water: &'a HighWater,
}
