//! What a stranger needs to check a recovery: the certificate's receipt, and the proof that the
//! log after the crash extends the log before it.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, Domain};

use crate::document::Document;

/// A recovery certificate as a file. Read by `wayleave verify recovery`.
///
/// Nothing here is signed by itself: the receipt's checkpoint and the checkpoint before are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RecoveryFile {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The receipt file of the certificate's fact, with the certificate's field opened.
    #[n(1)]
    pub receipt: ByteVec,
    /// The newest checkpoint that was signed before the crash, as the note's text.
    #[n(2)]
    pub checkpoint_before: ByteVec,
    /// RFC 6962 consistency proof from that checkpoint to the receipt's.
    #[n(3)]
    pub consistency: Vec<Digest>,
}

impl Document for RecoveryFile {
    const DOMAIN: Domain = Domain::new("wayleave/recovery-file/v1");
    const NAME: &'static str = "recovery file";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_fixed() {
        let file = RecoveryFile {
            layout: 1,
            receipt: vec![2].into(),
            checkpoint_before: b"a".to_vec().into(),
            consistency: vec![Digest::ZERO],
        };
        let bytes = seal::to_canonical(&file);
        let golden = ["84", "01", "4102", "4161", "81", "5820", &"00".repeat(32)];
        assert_eq!(seal::text::to_hex(&bytes), golden.concat());
        assert_eq!(seal::from_canonical::<RecoveryFile>(&bytes).unwrap(), file);
    }
}
