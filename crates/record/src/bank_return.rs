//! A step of a return in the book of an institution that keeps its own: with the settlement
//! book's word that it rests on.

use minicbor::{Decode, Encode};

use crate::after::ReturnStep;
use crate::document::Signed;
use crate::fact::{FactKind, HEADING_FIELDS};
use crate::promise::Promise;
use crate::settlement::{BodyError, FactBody, Fields};

/// A step of a return, with the promise that proves it. An institution's own book.
pub const PROVEN_RETURN_STEP: FactKind = FactKind { number: 65, version: 1 };

/// A step of a return in a book whose institution does not take the core's word for it. A hold
/// rests on the promise of the payment that is given back; an end of the hold on the promise of
/// the return.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ProvenReturnStep {
    /// The step.
    #[n(0)]
    pub step: ReturnStep,
    /// The settlement book's word, as it was signed.
    #[n(1)]
    pub promise: Signed<Promise>,
}

impl FactBody for ProvenReturnStep {
    const KIND: FactKind = PROVEN_RETURN_STEP;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![seal::to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

#[cfg(test)]
mod tests {
    use seal::text::to_hex;
    use seal::{Digest, SigningKey};
    use terms::{Instant, PaymentId, Position};

    use super::*;
    use crate::fact::{Heading, SaltSlot};
    use crate::promise::{Durability, Ending};

    const PAYMENT: PaymentId = PaymentId::from_bytes([1; 16]);

    #[test]
    fn a_proven_step_of_a_return_keeps_the_promise_as_it_was_signed() {
        let key = SigningKey::from_seed(&[7; 32]);
        let promise = Promise {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            origin: "wayleave.example/sandbox/settlement".into(),
            position: Position::new(9),
            commitment: crate::Commitment(Digest::ZERO),
            payment: PAYMENT,
            terms: Digest::ZERO,
            outcome: Ending::Settled,
            durability: Durability::OneDisk,
            settled_at: Instant::from_seconds(1_795_380_600),
            integrate_by: Instant::from_seconds(1_795_380_660),
        };
        let step = ReturnStep::Debited {
            payment: PAYMENT,
            settled: Position::new(9),
            change: vec![0xf6].into(),
        };
        let body = ProvenReturnStep { step, promise: Signed::sign(&promise, &key) };
        let fact = body.to_fact(SaltSlot(0), Heading::default());
        let bytes = to_hex(fact.body[0].as_slice());
        // [ [1, [payment, 9, change]], [body, key id, signature] ]
        let step = ["82", "01", "83", "50", &"01".repeat(16), "09", "41", "f6"].concat();
        assert_eq!((fact.kind.number, fact.kind.version), (65, 1));
        assert!(bytes.starts_with(&["82", &step, "83", "58"].concat()), "{bytes}");
        let read = ProvenReturnStep::from_fact(&fact).unwrap();
        assert_eq!(read.promise.verify(&key.public_key()).unwrap(), promise);
        assert_eq!(read, body);
    }
}
