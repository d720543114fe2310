//! Facts of an institution that keeps its own book, and of the settlement book about books
//! elsewhere: which word of the settlement book a step rests on, what is complete everywhere,
//! which duty to return is over.

use minicbor::{Decode, Encode};
use terms::PaymentId;

use crate::document::Signed;
use crate::fact::{FactKind, HEADING_FIELDS};
use crate::promise::Promise;
use crate::settlement::{
    BodyError, CustomerStep, FactBody, Fields, PAYMENTS_COMPLETED, PROVEN_STEP, RETURN_DUTY_CLOSED,
};

/// How many payments one [`PaymentsCompleted`] names at most: some 18 KiB.
pub const COMPLETED_MAX: usize = 1_024;

/// A step that ends a hold or credits, in a book whose institution does not take the core's word
/// for it: with the signed promise that it was taken on. The promise convicts whoever signed it,
/// should the settlement book say otherwise later.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ProvenStep {
    /// The step.
    #[n(0)]
    pub step: CustomerStep,
    /// The settlement book's word, as it was signed.
    #[n(1)]
    pub promise: Signed<Promise>,
}

impl FactBody for ProvenStep {
    const KIND: FactKind = PROVEN_STEP;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![seal::to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

/// Settled payments of which the settlement book now knows that both customers' books have done
/// their part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PaymentsCompleted {
    /// The payments, ascending, at most [`COMPLETED_MAX`].
    #[n(0)]
    pub payments: Vec<PaymentId>,
}

impl FactBody for PaymentsCompleted {
    const KIND: FactKind = PAYMENTS_COMPLETED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![seal::to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

/// The duty to return a payment is done: by the payment that brought the money back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnDutyClosed {
    /// The payment whose account did not take the money.
    #[n(0)]
    pub payment: PaymentId,
    /// The payment by which it went back.
    #[n(1)]
    pub return_payment: PaymentId,
}

impl FactBody for ReturnDutyClosed {
    const KIND: FactKind = RETURN_DUTY_CLOSED;

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

    use super::*;
    use crate::fact::{Heading, SaltSlot};

    const FIRST: PaymentId = PaymentId::from_bytes([1; 16]);
    const SECOND: PaymentId = PaymentId::from_bytes([2; 16]);

    #[test]
    fn what_is_complete_is_a_list_of_ids_in_one_field() {
        let body = PaymentsCompleted { payments: vec![FIRST, SECOND] };
        let fact = body.to_fact(SaltSlot(0), Heading::default());
        let pieces = ["81", "82", "50", &"01".repeat(16), "50", &"02".repeat(16)].concat();
        assert_eq!((fact.kind.number, fact.kind.version), (11, 1));
        assert_eq!(to_hex(fact.body[0].as_slice()), pieces);
        assert_eq!(PaymentsCompleted::from_fact(&fact), Ok(body));
    }

    #[test]
    fn a_closed_duty_names_the_payment_and_its_return() {
        let body = ReturnDutyClosed { payment: FIRST, return_payment: SECOND };
        let fact = body.to_fact(SaltSlot(0), Heading::default());
        let pieces = ["82", "50", &"01".repeat(16), "50", &"02".repeat(16)].concat();
        assert_eq!((fact.kind.number, fact.kind.version), (36, 1));
        assert_eq!(to_hex(fact.body[0].as_slice()), pieces);
        assert_eq!(ReturnDutyClosed::from_fact(&fact), Ok(body.clone()));
        let mut longer = fact.clone();
        longer.body[0] = [fact.body[0].as_slice(), &[0]].concat().into();
        assert!(ReturnDutyClosed::from_fact(&longer).is_err(), "a byte too many");
        assert!(PaymentsCompleted::from_fact(&fact).is_err(), "another kind");
    }

    #[test]
    fn a_proven_step_keeps_the_promise_as_it_was_signed() {
        use crate::promise::{Durability, Ending};
        use seal::{Digest, SigningKey};
        use terms::{Instant, Position};
        let key = SigningKey::from_seed(&[7; 32]);
        let promise = Promise {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            origin: "wayleave.example/sandbox/settlement".into(),
            position: Position::new(9),
            commitment: crate::Commitment(Digest::ZERO),
            payment: FIRST,
            terms: Digest::ZERO,
            outcome: Ending::Settled,
            durability: Durability::OneDisk,
            settled_at: Instant::from_seconds(1_795_380_600),
            integrate_by: Instant::from_seconds(1_795_380_660),
        };
        let step = CustomerStep::Credited {
            payment: FIRST,
            settled: Position::new(9),
            change: vec![0xf6].into(),
        };
        let body = ProvenStep { step, promise: Signed::sign(&promise, &key) };
        let fact = body.to_fact(SaltSlot(0), Heading::default());
        let bytes = to_hex(fact.body[0].as_slice());
        // [ [3, [payment, 9, change]], [body, key id, signature] ]
        let step = ["82", "03", "83", "50", &"01".repeat(16), "09", "41", "f6"].concat();
        assert_eq!((fact.kind.number, fact.kind.version), (35, 1));
        assert!(bytes.starts_with(&["82", &step, "83", "58"].concat()), "{bytes}");
        let read = ProvenStep::from_fact(&fact).unwrap();
        assert_eq!(read.promise.verify(&key.public_key()).unwrap(), promise);
        assert_eq!(read, body);
    }
}
