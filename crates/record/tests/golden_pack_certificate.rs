//! Golden bytes of a pack's certificate and its countersignature.
//!
//! One line per document in `golden/pack_certificate.txt`, which is only added to.
#![expect(clippy::expect_used, reason = "sample values of a test")]

use record::{Document, PackCertificate, PackCheck, PackCountersignature, Signed};
use seal::text::to_hex;
use seal::{Digest, SigningKey, from_canonical, to_canonical};

fn certificate() -> PackCertificate {
    let check = |kind: &str, subject: &str, script: Option<u8>| PackCheck {
        kind: kind.into(),
        subject: subject.into(),
        action: "pay".into(),
        holds: true,
        script: script.map(|byte| Digest::from_bytes([byte; 32])),
        second: script.map(|_| true),
    };
    PackCertificate {
        layout: 1,
        pack: Digest::from_bytes([1; 32]),
        schema: Digest::from_bytes([2; 32]),
        rules: Digest::from_bytes([3; 32]),
        invariants: Digest::from_bytes([4; 32]),
        name: "nl-sg".into(),
        assumptions: vec!["ages-not-negative".into(), "countries-named".into()],
        checks: vec![
            check("not-vacuous", "decide", Some(5)),
            check("never-errors", "permit", None),
        ],
        solver: "cvc5 1.0.3".into(),
        second_solver: Some("z3 5.4.1".into()),
        tool: "wayleave 0.1.0".into(),
        against: Some(Digest::from_bytes([6; 32])),
        signed_off: vec!["loosens:amountLimit".into()],
    }
}

fn line<T: Document + PartialEq + core::fmt::Debug>(label: &str, value: &T) -> String {
    let bytes = to_canonical(value);
    assert_eq!(from_canonical::<T>(&bytes).expect("reads"), *value);
    for index in 0..bytes.len() {
        assert!(bytes.get(..index).is_none_or(|cut| from_canonical::<T>(cut).is_err()));
    }
    format!("{label} {}\n", to_hex(&bytes))
}

#[test]
fn the_bytes_of_a_packs_certificate_are_fixed() {
    let (whole, least) = (
        certificate(),
        PackCertificate {
            assumptions: vec![],
            checks: vec![],
            second_solver: None,
            against: None,
            signed_off: vec![],
            ..certificate()
        },
    );
    let countersignature = PackCountersignature {
        layout: 1,
        environment: "sandbox".parse().expect("a name"),
        certificate: whole.digest(),
        pack: whole.pack,
        run_again: true,
    };
    let key = SigningKey::from_seed(&[0x62; 32]);
    let lines = [
        line("certificate", &whole),
        line("least", &least),
        line("countersignature", &countersignature),
        format!("signed {}\n", to_hex(&Signed::sign(&whole, &key).to_bytes())),
        format!("countersigned {}\n", to_hex(&Signed::sign(&countersignature, &key).to_bytes())),
    ]
    .concat();
    assert_eq!(lines, include_str!("golden/pack_certificate.txt"), "golden bytes are never edited");
}
