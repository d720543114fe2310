//! Authority that is leased beforehand: what the core grants to a bank which keeps its own book,
//! what the bank then accepts while it is cut off, and the facts of both books.
//!
//! A lease is of one [`LeaseLine`]: a bank, a provider and a pair of assets. It names what was in
//! force when it was granted, and binds the core to it: see [`LeaseGrant`].

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::{
    AssetCode, BookName, CorridorName, Environment, Instant, InstitutionName, Minor, PaymentId,
    ProviderName,
};

use crate::after::TwoPersons;
use crate::document::{Document, Signed};
use crate::fact::{FactKind, HEADING_FIELDS};
use crate::settlement::{BodyError, FactBody, Fields};
use crate::trust::{Side, TrustList};

/// A lease was granted and both sides' money for it is held back. Settlement book.
pub const LEASE_GRANTED: FactKind = FactKind { number: 75, version: 1 };
/// A lease ended and the rest of its money is free. Settlement book.
pub const LEASE_ENDED: FactKind = FactKind { number: 76, version: 1 };
/// A bank took a lease, closed one or heard that it is settled. A bank's own book.
pub const LEASE_STEP: FactKind = FactKind { number: 77, version: 1 };
/// A payment was accepted under a lease. A bank's own book.
pub const LEASE_SPENT: FactKind = FactKind { number: 78, version: 1 };
/// A spending was reported, and is counted in its lease. Settlement book.
pub const LEASE_DRAWN: FactKind = FactKind { number: 79, version: 1 };

/// What of it a person may write: a sentence and a reference.
pub const LEASE_WORDS_MAX: usize = 500;

/// Whose authority, and from which money to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct LeaseLine {
    /// The payer's bank: the holder.
    #[n(0)]
    pub institution: InstitutionName,
    /// The provider that converts.
    #[n(1)]
    pub provider: ProviderName,
    /// The asset that the bank pays with.
    #[n(2)]
    pub debit: AssetCode,
    /// The asset that the provider delivers.
    #[n(3)]
    pub credit: AssetCode,
}

/// A lease, as the core grants it. Signed by the log's key: the core is bound to settle what is
/// accepted within it, judged by what stands here, whatever has changed since.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseGrant {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Whose, and of what.
    #[n(3)]
    pub line: LeaseLine,
    /// Its number on this line: the first is 1.
    #[n(4)]
    pub number: u64,
    /// Most of the bank's settlement money, in minor units: all of it is held back.
    #[n(5)]
    pub debit: Minor,
    /// Most of the provider's money, in minor units: all of it is held back.
    #[n(6)]
    pub credit: Minor,
    /// The settlement book's stamp.
    #[n(7)]
    pub granted_at: Instant,
    /// When the authority ends, by the settlement book's clock.
    #[n(8)]
    pub ends_at: Instant,
    /// How far the two clocks may be apart, in seconds: the bank stops so much earlier.
    #[n(9)]
    pub skew_seconds: u32,
    /// The trust lists in force.
    #[n(10)]
    pub lists: Vec<TrustList>,
    /// The packs in force.
    #[n(11)]
    pub packs: Vec<LeasePack>,
    /// The snapshots in force.
    #[n(12)]
    pub snapshots: Vec<LeaseSnapshot>,
}

impl Document for LeaseGrant {
    const DOMAIN: Domain = Domain::new("wayleave/lease-grant/v1");
    const NAME: &'static str = "lease";
}

/// A pack in force when a lease was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeasePack {
    /// Whose.
    #[n(0)]
    pub institution: InstitutionName,
    /// On which corridor.
    #[n(1)]
    pub corridor: CorridorName,
    /// On which side of it.
    #[n(2)]
    pub side: Side,
    /// The pack.
    #[n(3)]
    pub pack: Digest,
    /// Its schema.
    #[n(4)]
    pub schema: Digest,
}

/// A snapshot of lists in force when a lease was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseSnapshot {
    /// Whose.
    #[n(0)]
    pub institution: InstitutionName,
    /// The snapshot.
    #[n(1)]
    pub digest: Digest,
    /// Until when decisions may rest on it.
    #[n(2)]
    pub valid_until: Instant,
}

/// A provider's standing consent that its money is held back for leases of a line. Signed with its
/// quote key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseConsent {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// For whom and what.
    #[n(3)]
    pub line: LeaseLine,
    /// Most that may be held back at one time, in minor units of what it delivers.
    #[n(4)]
    pub ceiling: Minor,
    /// No lease outlives this.
    #[n(5)]
    pub ends_at: Instant,
}

impl Document for LeaseConsent {
    const DOMAIN: Domain = Domain::new("wayleave/lease-consent/v1");
    const NAME: &'static str = "lease consent";
}

/// A bank's word that it accepted a payment for good while it was cut off. Signed with its request
/// key: the payer can verify it with nobody's help.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseAcceptance {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book in which it will settle.
    #[n(2)]
    pub book: BookName,
    /// Under a lease of which line.
    #[n(3)]
    pub line: LeaseLine,
    /// Under which lease.
    #[n(4)]
    pub number: u64,
    /// The payment.
    #[n(5)]
    pub payment: PaymentId,
    /// Its terms.
    #[n(6)]
    pub terms: Digest,
    /// What it takes of the lease's own side, in minor units.
    #[n(7)]
    pub debit: Minor,
    /// What it takes of the provider's side, in minor units.
    #[n(8)]
    pub credit: Minor,
    /// The stamp of the bank's own book: at this moment quote and permits are judged.
    #[n(9)]
    pub accepted_at: Instant,
}

impl Document for LeaseAcceptance {
    const DOMAIN: Domain = Domain::new("wayleave/lease-acceptance/v1");
    const NAME: &'static str = "acceptance under a lease";
}

/// Two persons end a lease whose holder is gone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseEnd {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Of which line.
    #[n(3)]
    pub line: LeaseLine,
    /// Which lease.
    #[n(4)]
    pub number: u64,
    /// The digest of what shows that the holder is gone: kept by those who sign.
    #[n(5)]
    pub evidence: Digest,
    /// What became of the money, in words: 1 to [`LEASE_WORDS_MAX`] characters.
    #[n(6)]
    pub words: String,
}

impl Document for LeaseEnd {
    const DOMAIN: Domain = Domain::new("wayleave/lease-end/v1");
    const NAME: &'static str = "end of a lease";
}

/// A bank's word that it spends nothing more of a lease, and what it spent. Signed with its request
/// key: with it the core may free the rest, and shows later why it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseFinal {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Of which line.
    #[n(3)]
    pub line: LeaseLine,
    /// Which lease.
    #[n(4)]
    pub number: u64,
    /// What was spent of the bank's side, in minor units.
    #[n(5)]
    pub debit: Minor,
    /// What was spent of the provider's side, in minor units.
    #[n(6)]
    pub credit: Minor,
    /// The stamp of the bank's own book when it closed the lease, or passed it over.
    #[n(7)]
    pub closed_at: Instant,
}

impl Document for LeaseFinal {
    const DOMAIN: Domain = Domain::new("wayleave/lease-final/v1");
    const NAME: &'static str = "final report of a lease";
}

/// A lease was granted. The ledger's changes that hold both sides' money back stand in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseGranted {
    /// The lease.
    #[n(0)]
    pub grant: LeaseGrant,
    /// The provider's consent that it rests on.
    #[n(1)]
    pub consent: Signed<LeaseConsent>,
    /// The holds, in the ledger's own canonical form.
    #[n(2)]
    pub holds: Vec<ByteVec>,
}

/// A lease ended, and what was left of its holds is free.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseEnded {
    /// Of which line.
    #[n(0)]
    pub line: LeaseLine,
    /// Which lease.
    #[n(1)]
    pub number: u64,
    /// What was spent of it, as far as it was reported.
    #[n(2)]
    pub spent: Minor,
    /// By whose word.
    #[n(3)]
    pub by: LeaseEndedBy,
    /// The releases, in the ledger's own canonical form.
    #[n(4)]
    pub freed: Vec<ByteVec>,
}

/// By whose word a lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseEndedBy {
    /// Its holder's final report, as it signed it.
    #[n(0)]
    Report(#[n(0)] Box<Signed<LeaseFinal>>),
    /// Two persons: the holder is gone.
    #[n(1)]
    Persons(#[n(0)] Box<TwoPersons<LeaseEnd>>),
}

/// What a bank's own book records of a lease itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseStep {
    /// It took this one: any older one of its line is closed.
    #[n(0)]
    Taken(#[n(0)] Box<Signed<LeaseGrant>>),
    /// Nothing more is spent of this one.
    #[n(1)]
    Closed(#[n(0)] LeaseLine, #[n(1)] u64),
    /// The core settled this one: it is reported no more.
    #[n(2)]
    Settled(#[n(0)] LeaseLine, #[n(1)] u64),
}

/// A payment was accepted under a lease. Its hold and documents stand in the fact before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseSpent {
    /// Of which line.
    #[n(0)]
    pub line: LeaseLine,
    /// Which lease.
    #[n(1)]
    pub number: u64,
    /// The payment.
    #[n(2)]
    pub payment: PaymentId,
    /// Its terms.
    #[n(3)]
    pub terms: Digest,
    /// What it takes of the bank's side.
    #[n(4)]
    pub debit: Minor,
    /// What it takes of the provider's side.
    #[n(5)]
    pub credit: Minor,
    /// The stamp.
    #[n(6)]
    pub accepted_at: Instant,
}

/// A spending was reported, and is counted in its lease, whatever became of the payment: its
/// ending stands in the fact before, or in an older one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseDrawn {
    /// The bank's word.
    #[n(0)]
    pub acceptance: Signed<LeaseAcceptance>,
    /// The rule that would refuse the payment by what is in force now: it settled all the same.
    #[n(1)]
    pub despite: Option<String>,
}

macro_rules! whole {
    ($body:ty, $kind:expr) => {
        impl FactBody for $body {
            const KIND: FactKind = $kind;

            fn fields(&self) -> Vec<Vec<u8>> {
                vec![seal::to_canonical(self)]
            }

            fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
                fields.value(HEADING_FIELDS)
            }
        }
    };
}

whole!(LeaseGranted, LEASE_GRANTED);
whole!(LeaseEnded, LEASE_ENDED);
whole!(LeaseStep, LEASE_STEP);
whole!(LeaseSpent, LEASE_SPENT);
whole!(LeaseDrawn, LEASE_DRAWN);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Heading, SaltSlot};
    use seal::SigningKey;
    use seal::text::to_hex;

    fn line() -> LeaseLine {
        LeaseLine {
            institution: "bank-nl".parse().unwrap(),
            provider: "fx-dealer".parse().unwrap(),
            debit: "EUR.2@tcb-sandbox".parse().unwrap(),
            credit: "SGD.2@mas-sandbox".parse().unwrap(),
        }
    }

    fn last_word() -> LeaseFinal {
        LeaseFinal {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            line: line(),
            number: 7,
            debit: Minor::new(100),
            credit: Minor::new(145),
            closed_at: Instant::from_seconds(4),
        }
    }

    fn acceptance() -> LeaseAcceptance {
        LeaseAcceptance {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            line: line(),
            number: 7,
            payment: PaymentId::from_bytes([1; 16]),
            terms: Digest::ZERO,
            debit: Minor::new(100),
            credit: Minor::new(145),
            accepted_at: Instant::from_seconds(3),
        }
    }

    #[test]
    fn the_facts_of_a_lease_have_these_numbers_and_read_back() {
        let signed = Signed::sign(&acceptance(), &SigningKey::from_seed(&[7; 32]));
        let drawn = LeaseDrawn { acceptance: signed, despite: Some("PackNotInForce".into()) };
        let spent = LeaseSpent {
            line: line(),
            number: 7,
            payment: PaymentId::from_bytes([1; 16]),
            terms: Digest::ZERO,
            debit: Minor::new(100),
            credit: Minor::new(145),
            accepted_at: Instant::from_seconds(3),
        };
        let last = Signed::sign(&last_word(), &SigningKey::from_seed(&[7; 32]));
        assert_eq!(last.verify(&SigningKey::from_seed(&[7; 32]).public_key()), Ok(last_word()));
        let by = LeaseEndedBy::Report(Box::new(last));
        let closed = LeaseStep::Closed(line(), 7);
        let ended =
            LeaseEnded { line: line(), number: 7, spent: Minor::new(100), by, freed: vec![] };
        let facts = [
            ended.to_fact(SaltSlot(0), Heading::default()),
            closed.to_fact(SaltSlot(0), Heading::default()),
            spent.to_fact(SaltSlot(0), Heading::default()),
            drawn.to_fact(SaltSlot(0), Heading::default()),
        ];
        assert_eq!(facts.each_ref().map(|fact| fact.kind.number), [76, 77, 78, 79]);
        assert_eq!(LeaseEnded::from_fact(&facts[0]), Ok(ended));
        assert_eq!(LeaseStep::from_fact(&facts[1]), Ok(closed));
        assert_eq!(LeaseSpent::from_fact(&facts[2]), Ok(spent));
        assert_eq!(LeaseDrawn::from_fact(&facts[3]), Ok(drawn));
        assert!(LeaseStep::from_fact(&facts[2]).is_err(), "another kind");
        let line = [
            "84",
            "67",
            &to_hex(b"bank-nl"),
            "69",
            &to_hex(b"fx-dealer"),
            "71",
            &to_hex(b"EUR.2@tcb-sandbox"),
            "71",
            &to_hex(b"SGD.2@mas-sandbox"),
        ]
        .concat();
        assert_eq!(to_hex(facts[1].body[0].as_slice()), ["82", "01", "82", &line, "07"].concat());
    }
}
