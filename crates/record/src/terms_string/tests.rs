//! Golden bytes, round trip and the near misses of the terms string.

use super::*;

fn terms() -> PaymentTerms {
    let eur: AssetCode = "EUR.2@tcb-sandbox".parse().unwrap();
    let sgd: AssetCode = "SGD.2@tcb-sandbox".parse().unwrap();
    PaymentTerms {
        payment: PaymentId::from_bytes([1; 16]),
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        action: Action::Pay,
        debited_account: AccountId::from_bytes([2; 16]),
        credited_account: AccountId::from_bytes([3; 16]),
        payee_name: "Straits Components Pte. Ltd.".to_owned(),
        debited: Amount::new(Minor::new(862_345), eur),
        credited: Amount::new(Minor::new(1_240_000), sgd),
        fees: vec![TermsFee {
            kind: "transfer".to_owned(),
            taker: "bank-nl".to_owned(),
            amount: Amount::new(Minor::new(250), eur),
        }],
        charge_bearer: ChargeBearer::Shared,
        linked_payment: None,
        quote_hash: Digest::from_bytes([4; 32]),
        invoice_hash: Digest::from_bytes([5; 32]),
        purpose: "SUPP".to_owned(),
        expires_at: Instant::from_seconds(1_795_380_600),
    }
}

fn golden() -> String {
    [
        r#"{"type":"wayleave.payment.v1","credential_ids":["mandate"],"#,
        r#""payment_id":"pay_01010101010101010101010101010101","environment":"sandbox","#,
        r#""book":"settlement","corridor":"nl-sg","action":"pay","#,
        r#""debited_account":"acct_02020202020202020202020202020202","#,
        r#""credited_account":"acct_03030303030303030303030303030303","#,
        r#""payee_name":"Straits Components Pte. Ltd.","#,
        r#""debited":{"minor":"862345","asset":"EUR.2@tcb-sandbox","exponent":2},"#,
        r#""credited":{"minor":"1240000","asset":"SGD.2@tcb-sandbox","exponent":2},"#,
        r#""fees":[{"kind":"transfer","taker":"bank-nl","#,
        r#""amount":{"minor":"250","asset":"EUR.2@tcb-sandbox","exponent":2}}],"#,
        r#""charge_bearer":"SHAR","linked_payment":"","#,
        r#""quote_hash":"0404040404040404040404040404040404040404040404040404040404040404","#,
        r#""invoice_hash":"0505050505050505050505050505050505050505050505050505050505050505","#,
        r#""purpose":"SUPP","expires_at":1795380600}"#,
    ]
    .concat()
}

#[test]
fn the_golden_text_is_written_and_read_back() {
    assert_eq!(terms().to_json(), golden());
    let text = terms().to_terms_string();
    assert_eq!(PaymentTerms::from_terms_string(&text), Ok(terms()));
    assert_eq!(terms().terms_digest(), sha256(text.as_bytes()));
}

#[test]
fn each_near_miss_is_refused() {
    let rows = [
        ("unknown field", golden().replace(r#""purpose""#, r#""note":"x","purpose""#)),
        ("missing field", golden().replace(r#","purpose":"SUPP""#, "")),
        (
            "repeated field",
            golden().replace(r#""purpose":"SUPP""#, r#""purpose":"SUPP","purpose":"SUPP""#),
        ),
        (
            "other order",
            golden().replace(
                r#""environment":"sandbox","book":"settlement""#,
                r#""book":"settlement","environment":"sandbox""#,
            ),
        ),
        ("a space", golden().replace(r#""action":"#, r#""action": "#)),
        ("an escape", golden().replace(r#""SUPP""#, "\"\\u0053UPP\"")),
        ("amount as number", golden().replace(r#""862345""#, "862345")),
        ("leading zero", golden().replace(r#""862345""#, r#""0862345""#)),
        ("another exponent", golden().replacen(r#""exponent":2"#, r#""exponent":3"#, 1)),
        ("another type", golden().replace("payment.v1", "payment.v2")),
        ("another signer", golden().replace(r#"["mandate"]"#, r#"["registration"]"#)),
        (
            "pay with a link",
            golden().replace(r#"ent":"","#, &format!(r#"ent":"{}","#, terms().payment)),
        ),
        ("refund without link", golden().replace(r#""action":"pay""#, r#""action":"refund""#)),
        ("control character", golden().replace("SUPP", r"SU\nPP")),
        ("empty name", golden().replace("Straits Components Pte. Ltd.", "")),
        ("trailing text", format!("{} ", golden())),
    ];
    for (name, json) in rows {
        assert_ne!(json, golden(), "{name} changes nothing");
        let text = to_base64url(json.as_bytes());
        assert!(PaymentTerms::from_terms_string(&text).is_err(), "{name}");
    }
    let text = terms().to_terms_string();
    assert!(PaymentTerms::from_terms_string(&format!("{text}=")).is_err());
    let long = "A".repeat(TERMS_STRING_CHARACTERS_MAX + 1);
    assert!(matches!(
        PaymentTerms::from_terms_string(&long),
        Err(TermsStringError::TooLong { .. })
    ));
}

#[test]
fn every_field_is_compared() {
    let other_eur: AssetCode = "EUR.2@other".parse().unwrap();
    #[expect(clippy::type_complexity, reason = "a table of one-line changes, read once")]
    let changes: [(&str, fn(&mut PaymentTerms)); 17] = [
        ("payment_id", |t| t.payment = PaymentId::from_bytes([9; 16])),
        ("environment", |t| t.environment = "production".parse().unwrap()),
        ("book", |t| t.book = "other".parse().unwrap()),
        ("corridor", |t| t.corridor = "sg-nl".parse().unwrap()),
        ("action", |t| t.action = Action::Refund),
        ("debited_account", |t| t.debited_account = AccountId::from_bytes([9; 16])),
        ("credited_account", |t| t.credited_account = AccountId::from_bytes([9; 16])),
        ("payee_name", |t| t.payee_name.push('x')),
        ("debited", |t| t.debited.minor = Minor::new(1)),
        ("credited", |t| t.credited.minor = Minor::new(1)),
        ("fees", |t| t.fees.clear()),
        ("charge_bearer", |t| t.charge_bearer = ChargeBearer::Debtor),
        ("linked_payment", |t| t.linked_payment = Some(t.payment)),
        ("quote_hash", |t| t.quote_hash = Digest::ZERO),
        ("invoice_hash", |t| t.invoice_hash = Digest::ZERO),
        ("purpose", |t| t.purpose = "GDDS".to_owned()),
        ("expires_at", |t| t.expires_at = Instant::from_seconds(1)),
    ];
    assert_eq!(changes.len(), terms().fields().len());
    for (field, change) in changes {
        let mut changed = terms();
        change(&mut changed);
        assert_eq!(changed.compare(&terms()).unwrap_err().field, field);
        assert_ne!(changed.terms_digest(), terms().terms_digest(), "{field}");
    }
    let mut changed = terms();
    changed.debited.asset = other_eur;
    assert_eq!(changed.compare(&terms()).unwrap_err().field, "debited");
}
