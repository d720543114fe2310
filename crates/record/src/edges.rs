//! What an edge instance says of its own count: what each number was spent on, and where the count
//! ends.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::{EdgeName, Environment, Instant, InstitutionName, PaymentId, Sequence};

use crate::document::Document;
use crate::fact::{EdgeMark, FactKind};

/// An edge instance accounts for numbers of its count. Settlement book.
pub const EDGE_ACCOUNTED: FactKind = FactKind { number: 61, version: 1 };
/// An edge instance leaves: its count is closed. Settlement book.
pub const EDGE_CLOSED: FactKind = FactKind { number: 62, version: 1 };

/// How many numbers one account holds.
pub const ACCOUNT_NUMBERS_MAX: usize = 512;
/// How many status lists one account names.
pub const ACCOUNT_MARKS_MAX: usize = 64;

/// The next numbers of one instance, dense, each with what it was spent on; and the newest status
/// lists that its decisions saw.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EdgeAccount {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// Whose edge it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// The instance and the number of the first entry: the one after the last account's.
    #[n(3)]
    pub mark: EdgeMark,
    /// One entry for each number from there on, at most [`ACCOUNT_NUMBERS_MAX`].
    #[n(4)]
    pub numbers: Vec<SpentNumber>,
    /// Status lists seen since the last account, at most [`ACCOUNT_MARKS_MAX`].
    #[n(5)]
    pub status_lists: Vec<StatusMark>,
}

impl Document for EdgeAccount {
    const DOMAIN: Domain = Domain::new("wayleave/edge-account/v1");
    const NAME: &'static str = "edge account";
}

/// What a number was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SpentNumber {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// What came of it.
    #[n(1)]
    pub spent_on: SpentOn,
}

/// What came of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum SpentOn {
    /// A permit.
    #[n(0)]
    Permit,
    /// A refusal.
    #[n(1)]
    Refusal,
    /// A referral: nothing was decided yet.
    #[n(2)]
    Referral,
    /// No answer: the instance stopped, or failed, before it decided.
    #[n(3)]
    Nothing,
}

/// The newest edition of a status list that a decision saw: an older one is refused for ever, by
/// every instance of the institution.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatusMark {
    /// The list.
    #[n(0)]
    pub uri: String,
    /// When it was signed.
    #[n(1)]
    pub issued_at: Instant,
    /// The digest of its token.
    #[n(2)]
    pub digest: Digest,
}

/// An instance leaves for good. Its name is not used again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EdgeClosing {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// Whose edge it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// The instance and the number after its last.
    #[n(3)]
    pub mark: EdgeMark,
    /// The chain over all its accounts: see [`chained`].
    #[n(4)]
    pub accounts: Digest,
}

impl Document for EdgeClosing {
    const DOMAIN: Domain = Domain::new("wayleave/edge-closing/v1");
    const NAME: &'static str = "edge closing";
}

/// The chain over an instance's accounts after one more; before the first it is all zero.
#[must_use]
pub fn chained(before: Digest, account: Digest) -> Digest {
    seal::digest(CHAIN, &[&before.as_bytes()[..], &account.as_bytes()[..]].concat())
}

const CHAIN: Domain = Domain::new("wayleave/edge-account-chain/v1");

/// Whether `edge` is named as an instance of `institution`: `bank-nl.2` of `bank-nl`.
#[must_use]
pub fn is_instance_of(edge: EdgeName, institution: InstitutionName) -> bool {
    edge.as_str().rsplit_once('.').is_some_and(|(whose, _)| whose == institution.as_str())
}

/// The number after this one; the last stays.
#[must_use]
pub const fn number_after(number: Sequence) -> Sequence {
    Sequence::new(number.number().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> EdgeAccount {
        EdgeAccount {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            institution: "bank-nl".parse().unwrap(),
            mark: EdgeMark { edge: "bank-nl.2".parse().unwrap(), sequence: Sequence::new(7) },
            numbers: vec![
                SpentNumber { payment: PaymentId::from_bytes([1; 16]), spent_on: SpentOn::Permit },
                SpentNumber { payment: PaymentId::from_bytes([2; 16]), spent_on: SpentOn::Nothing },
            ],
            status_lists: vec![StatusMark {
                uri: "http://issuer/status/1".into(),
                issued_at: Instant::from_seconds(3),
                digest: Digest::ZERO,
            }],
        }
    }

    fn closing() -> EdgeClosing {
        let account = account();
        EdgeClosing {
            layout: 1,
            environment: account.environment,
            institution: account.institution,
            mark: EdgeMark { sequence: Sequence::new(9), ..account.mark },
            accounts: chained(Digest::ZERO, account.digest()),
        }
    }

    #[test]
    fn the_signed_forms_are_fixed() {
        let account_bytes = seal::to_canonical(&account());
        assert_eq!(seal::from_canonical::<EdgeAccount>(&account_bytes).unwrap(), account());
        let closing_bytes = seal::to_canonical(&closing());
        assert_eq!(seal::from_canonical::<EdgeClosing>(&closing_bytes).unwrap(), closing());
        let both = [account_bytes, closing_bytes].map(|bytes| seal::text::to_hex(&bytes));
        let golden = include_str!("../tests/golden/edge_account.txt");
        assert_eq!(both.join("\n"), golden.trim());
    }

    #[test]
    fn an_instance_bears_its_institutions_name() {
        let of = |edge: &str| is_instance_of(edge.parse().unwrap(), "bank-nl".parse().unwrap());
        assert!(of("bank-nl.1") && of("bank-nl.22"));
        assert!(!of("bank-sg.1") && !of("bank-nl"));
    }
}
