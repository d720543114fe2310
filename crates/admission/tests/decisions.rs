//! One payment through both edges, and everything that must not pass them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a helper of tests may stop the test"
)]
#![expect(unreachable_pub, dead_code, reason = "support is a module of several tests")]

mod support;

use std::time::Duration;

use admission::{
    ConsentRefused, Decided, Desk, ExchangeRefused, PayeeRefused, TicketError, Told, Untrusted,
    Verdict, decide_creditor, open_creditor_consent, open_debtor_consent, record_commitment,
};
use credential::PartyRefused;
use policy::{Pack, PackFiles, Replay, replay, shipped};
use record::{DecisionOutcome, PartyStatement, Permit, SEALED_STATEMENT, Side, Signed};
use seal::{BoxSecretKey, DataKey, open_box};
use support::*;
use terms::{AccountId, Instant};

/// The code that is expected, and what is changed before.
type Case = (&'static str, fn(&mut World));

fn code(decided: &Decided) -> &str {
    match &decided.verdict {
        Verdict::Permit(_) => "permit",
        Verdict::Order { .. } => "order",
        Verdict::Refusal { told, .. } | Verdict::Referral { told, .. } => &told.code,
    }
}

fn permit(decided: &Decided, signer: u8) -> Permit {
    match &decided.verdict {
        Verdict::Permit(permit) => permit.verify(&key(signer).public_key()).unwrap(),
        other => panic!("{other:?}: {:#?}", decided.record),
    }
}

/// What the debtor's side says once `change` has happened to the world before the payment.
fn debtor(change: impl FnOnce(&mut World)) -> Decided {
    let mut world = World::new();
    change(&mut world);
    world.debtor_decides(&world.exchange())
}

/// What a side says when `change` happens between the exchange of statements and the consent.
fn later(side: Side, change: impl FnOnce(&mut World)) -> Decided {
    let mut world = World::new();
    let done = world.exchange();
    change(&mut world);
    match side {
        Side::Debtor => world.debtor_decides(&done),
        Side::Creditor => world.creditor_decides(&done),
    }
}

fn replays(decided: &Decided) {
    let pack = match decided.record.side {
        Side::Debtor => shipped::nl_sg().unwrap(),
        Side::Creditor => shipped::sg_in().unwrap(),
    };
    let bytes = seal::to_canonical(&decided.record);
    assert_eq!(replay(&bytes, &pack), Ok(Replay::Match));
}

#[test]
fn both_sides_permit_and_their_permits_match_crosswise() {
    let world = World::new();
    let done = world.exchange();
    assert_eq!(done.prepared.missing, vec![]);
    let (a, b) = (world.debtor_decides(&done), world.creditor_decides(&done));
    let (pa, pb) = (permit(&a, 11), permit(&b, 12));
    assert_eq!(pa.statement_sent, pb.statement_received);
    assert_eq!(pb.statement_sent, pa.statement_received);
    assert_eq!(pa.terms, pb.terms);
    assert_eq!((pa.owner.as_str(), pb.owner.as_str()), (PAYER, PAYEE));
    assert_eq!(pa.acceptance, None);
    assert_eq!(pb.acceptance, Some(done.answered.acceptance.digest()));
    assert_eq!(pa.limits.len(), 1);
    assert_eq!(pa.relied_on.len(), 4);
    assert_eq!(pb.relied_on.len(), 2);
    assert_eq!(pa.valid_until, world.quote.expires_at);
    assert_eq!(pa.record, record_commitment(&DataKey::from_bytes([51; 32]), &a.record));
    assert_ne!(pa.record, record_commitment(&DataKey::from_bytes([52; 32]), &a.record));
    for decided in [&a, &b] {
        assert!(!decided.alarm && decided.record.errors.is_empty());
        replays(decided);
    }
}

#[test]
fn a_permit_never_outlives_its_sixty_seconds_or_the_quote() {
    let mut world = World::new();
    world.quote.expires_at = NOW.plus(Duration::from_secs(600));
    let done = world.exchange();
    let long = permit(&world.debtor_decides(&done), 11);
    assert_eq!(long.valid_until, NOW.plus(Duration::from_secs(60)));
}

#[test]
fn whoever_shows_anothers_credential_is_refused() {
    let with = |at: usize, one| {
        let decided = debtor(|world| world.payer[at] = one);
        assert_eq!(decided.record.outcome, DecisionOutcome::Denial);
        assert!(!decided.alarm);
        replays(&decided);
        code(&decided).to_owned()
    };
    assert_eq!(with(1, nl(&mandate(OTHER), Some(11))), "SubjectsDiffer");
    assert_eq!(with(2, nl(&tax(OTHER), Some(12))), "SubjectsDiffer");
    // A whole set of another company does not own the account.
    let decided = debtor(|world| {
        world.payer = vec![
            nl(&registration(OTHER, PAYER_NAME, "NL"), Some(10)),
            nl(&mandate(OTHER), Some(11)),
            nl(&tax(OTHER), Some(12)),
            nl(&credit(OTHER), None),
        ];
    });
    assert_eq!(code(&decided), "owner-differs");
}

#[test]
fn open_rules_refuse_by_name_and_the_record_replays() {
    let cases: [Case; 9] = [
        ("mandate-limit-exceeded", |w| {
            let mut mandate = mandate(PAYER);
            mandate.limit.minor = terms::Minor::new(846_690);
            w.payer[1] = nl(&mandate, Some(11));
        }),
        ("mandate-limit-exceeded", |w| {
            let mut mandate = mandate(PAYER);
            mandate.limit.asset = "USD.2@tcb-sandbox".parse().unwrap();
            w.payer[1] = nl(&mandate, Some(11));
        }),
        ("mandate-not-for-this", |w| {
            let mut mandate = mandate(PAYER);
            mandate.approvals_required = 2;
            w.payer[1] = nl(&mandate, Some(11));
        }),
        ("mandate-not-for-this", |w| {
            let mut mandate = mandate(PAYER);
            mandate.valid_until = Instant::from_seconds(NOW.seconds() - 86_400).date();
            w.payer[1] = nl(&mandate, Some(11));
        }),
        ("tax-standing-not-good", |w| {
            let mut tax = tax(PAYER);
            tax.standing = credential::claims::Standing::Overdue;
            w.payer[2] = nl(&tax, Some(12));
        }),
        ("registration-inactive", |w| {
            let mut registration = registration(PAYER, PAYER_NAME, "NL");
            registration.standing = "insolvent".to_owned();
            w.payer[0] = nl(&registration, Some(10));
        }),
        ("owner-differs", |w| {
            // The register calls the company otherwise than the statement did.
            let other = registration(PAYER, "Brightwater Trading B.V.", "NL");
            w.payer[0] = nl(&other, Some(10));
        }),
        ("credit-band-limit-exceeded", |w| {
            let mut credit = credit(PAYER);
            credit.band = 'D';
            w.payer[3] = nl(&credit, None);
        }),
        ("account-not-debitable", |w| w.payer_account.takes_debits = false),
    ];
    for (expected, change) in cases {
        let decided = debtor(change);
        assert_eq!(code(&decided), expected);
        replays(&decided);
    }
    let decided = debtor(|world| world.invoice.purpose = "GAMB".to_owned());
    assert_eq!(code(&decided), "purpose-not-allowed");
}

#[test]
fn preflight_names_what_no_presentation_will_mend() {
    let mut world = World::new();
    world.invoice.purpose = "GAMB".to_owned();
    world.payer_account.takes_debits = false;
    let missing = world.exchange().prepared.missing;
    let codes: Vec<&str> = missing.iter().map(|one| one.reason.code.as_str()).collect();
    assert_eq!(codes, ["account-not-debitable", "purpose-not-allowed"]);
}

#[test]
fn a_revoked_credential_is_refused_and_the_older_list_does_not_bring_it_back() {
    let decided = later(Side::Debtor, |w| w.nl_status(NOW, &[12]));
    assert_eq!(code(&decided), "StatusRevoked");
    replays(&decided);
    // The edge has seen the new list; the old one, validly signed, is replayed.
    let mut world = World::new();
    let done = world.exchange();
    let old = world.status.clone();
    world.nl_status(NOW, &[12]);
    let refused = world.debtor_decides(&done);
    assert_eq!(code(&refused), "StatusRevoked");
    world.high_water = refused.high_water;
    world.status = old.clone();
    assert_eq!(code(&world.debtor_decides(&done)), "StatusTooOld");
    // The payee's, at the creditor's side, after the invoice was accepted.
    let decided = later(Side::Creditor, |w| w.sg_status(NOW, &[20]));
    assert_eq!(code(&decided), "StatusRevoked");
    replays(&decided);
    let decided = later(Side::Creditor, |w| w.status.clear());
    assert_eq!(code(&decided), "StatusUnavailable");
    let mut world = World::new();
    let done = world.exchange();
    world.sg_status(NOW, &[20]);
    world.high_water = world.creditor_decides(&done).high_water;
    world.status = old;
    assert_eq!(code(&world.creditor_decides(&done)), "StatusTooOld");
}

#[test]
fn a_list_that_its_issuer_stopped_renewing_is_used_until_the_packs_limit() {
    for (age, expected) in [(900, "permit"), (901, "registration-status-stale")] {
        let decided = debtor(|w| w.nl_status(NOW.minus(Duration::from_secs(age)), &[]));
        assert_eq!(code(&decided), expected, "{age}");
        let finding = |name: &str| {
            decided.record.findings.iter().find(|f| f.name == name).unwrap().value.clone()
        };
        let recorded = record::FindingValue::Number(i64::try_from(age).unwrap());
        assert_eq!(finding("registrationStatusAge"), recorded);
    }
}

#[test]
fn a_presentation_of_the_payers_is_worth_nothing_elsewhere() {
    // Handed to the other edge in place of the payee's: another audience and another query.
    let world = World::new();
    let done = world.exchange();
    let stolen = world.present(&done.prepared.ask.clone().unwrap(), &world.payer, 3);
    let invoice = world.signed_invoice();
    let refused = world.at(Side::Creditor, |desk| {
        let ask = admission::ask_payee(desk, &invoice, &world.payee_account).unwrap();
        admission::accept_payee(desk, &ask.state.unwrap(), &stolen, world.statuses()).unwrap_err()
    });
    assert!(
        matches!(
            refused,
            PayeeRefused::Presentation(
                PartyRefused::Credential { .. } | PartyRefused::Issuer { .. }
            )
        ),
        "{refused}"
    );
    // For another payment at the same edge: another nonce and other terms.
    let mut other = World::new();
    other.quote.payment = terms::PaymentId::from_bytes([6; 16]);
    let decided = other.debtor_decides_on(&other.exchange(), &stolen);
    assert!(["PresentationRefused", "SignatureOverOtherTerms"].contains(&code(&decided)));
}

#[test]
fn terms_changed_on_the_way_are_refused() {
    let world = World::new();
    let done = world.exchange();
    let mut ask = done.prepared.ask.clone().unwrap();
    let mut terms = done.stated.payment.clone();
    terms.credited_account = AccountId::from_bytes([9; 16]);
    ask.terms = Some(terms.to_terms_string());
    let decided = world.debtor_decides_on(&done, &world.present(&ask, &world.payer, 3));
    assert_eq!(code(&decided), "SignatureOverOtherTerms");
    // Handed in as other terms than those prepared: not even a number is spent.
    let changed = terms.to_terms_string();
    let mut consented = done.consented(Side::Debtor);
    consented.terms = &changed;
    let refused = world.at(Side::Debtor, |desk| open_debtor_consent(desk, &consented).unwrap_err());
    assert_eq!(refused, ConsentRefused::OtherThan { part: "terms string" });
}

#[test]
fn the_creditors_side_decides_only_on_a_ticket_that_a_statement_made() {
    let world = World::new();
    let done = world.exchange();
    // Neither the invoice's ticket nor the other side's ticket nor a changed one opens.
    let mut changed = done.answered.ticket.clone();
    changed[20] ^= 1;
    for ticket in [&done.request.ticket[..], &done.prepared.ticket, &changed, b""] {
        let mut consented = done.consented(Side::Creditor);
        consented.ticket = ticket;
        let refused =
            world.at(Side::Creditor, |d| open_creditor_consent(d, &consented).unwrap_err());
        assert_eq!(refused, ConsentRefused::Ticket(TicketError::NotOurs));
    }
    let mut late = world.clone();
    late.now = world.quote.expires_at;
    let refused = late
        .at(Side::Creditor, |d| open_creditor_consent(d, &done.consented(Side::Creditor)))
        .unwrap_err();
    assert!(matches!(refused, ConsentRefused::Ticket(TicketError::Expired { .. })));
}

#[test]
fn an_invoice_that_names_one_company_and_anothers_account_is_refused() {
    let refused = |change: fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        world.request_to_pay().unwrap_err()
    };
    let names_other = refused(|w| w.invoice.creditor = OTHER.parse().unwrap());
    assert!(matches!(names_other, PayeeRefused::Differs { field: "creditor", .. }));
    let named_otherwise = refused(|w| w.invoice.creditor_name = "Lim Trading".to_owned());
    assert!(matches!(named_otherwise, PayeeRefused::Differs { field: "creditor_name", .. }));
    let other_signer = refused(|w| w.invoice_signer = 23);
    assert!(matches!(other_signer, PayeeRefused::NotSignedByOwner(_)));
    let others_proof = refused(|w| w.payee = payee_wallet(PAYEE, AccountId::from_bytes([8; 16])));
    assert_eq!(others_proof, PayeeRefused::OtherAccount);
    let two_companies = refused(|w| w.payee = payee_wallet(OTHER, w.payee_account.account));
    assert!(matches!(
        two_companies,
        PayeeRefused::Presentation(PartyRefused::SubjectsDiffer { .. })
    ));
    assert_eq!(refused(|w| w.payee_account.takes_credits = false), PayeeRefused::NotCreditable);
    let revoked = refused(|w| w.sg_status(NOW, &[20]));
    assert!(matches!(revoked, PayeeRefused::Presentation(PartyRefused::Status { .. })));
}

#[test]
fn a_ticket_for_one_invoice_serves_no_other() {
    let mut world = World::new();
    let ticket = world.request_to_pay().unwrap().ticket;
    world.invoice.number = "INV-015".to_owned();
    let mut request = world.request_to_pay().unwrap();
    request.ticket = ticket;
    let refused = world.exchange_on(request).map(|_| ()).unwrap_err();
    assert!(matches!(refused, ExchangeRefused::Differs { field: "invoice of the ticket", .. }));
}

#[test]
fn an_institution_taken_off_one_list_is_refused_on_that_side_only() {
    let mut world = World::new();
    let request = world.request_to_pay().unwrap();
    world.sg.recognitions.clear();
    let refused = world.exchange_on(request).map(|_| ()).unwrap_err();
    assert!(matches!(refused, ExchangeRefused::Untrusted(Untrusted::NotRecognised { .. })));
    // Between statements and consent: only the side whose list changed refuses.
    let off = |w: &mut World| w.sg.recognitions.clear();
    let b = later(Side::Creditor, off);
    assert_eq!(code(&b), "InstitutionNotRecognised");
    assert!(b.record.determining.iter().any(|rule| rule == "statement-missing"));
    replays(&b);
    assert_eq!(code(&later(Side::Debtor, off)), "permit");
    // A key that the list does not name any more.
    let b = later(Side::Creditor, |w| w.nl.institutions[0].permit_keys.clear());
    assert_eq!(code(&b), "InstitutionNotRecognised");
}

#[test]
fn outside_opening_hours_it_waits_for_the_next_opening() {
    let mut world = World::new();
    // 20:00 UTC: 21:00 in the debtor's offset. Singapore is past its hours, too.
    world.now = Instant::from_seconds(NOW.seconds() + 10 * 3_600);
    world.quote.expires_at = world.now.plus(Duration::from_secs(60));
    world.sanctions[0].issued_at = world.now;
    world.nl_status(world.now, &[]);
    world.sg_status(world.now, &[]);
    let decided = world.debtor_decides(&world.exchange());
    let Verdict::Referral { told, next } = &decided.verdict else { panic!("{decided:#?}") };
    assert_eq!(told.code, "closed-now");
    let law = told.reference.as_deref().unwrap_or_default();
    assert!(!law.is_empty() && !told.sentence.chinese.is_empty() && !told.mend.chinese.is_empty());
    // Thursday 07:00 at UTC+1.
    assert_eq!(next.unwrap().to_string(), "2026-11-19T06:00:00.000Z");
    replays(&decided);
}

#[test]
fn what_is_restricted_looks_the_same_to_the_customer() {
    let cases: [Case; 6] = [
        ("payee-listed", |w| w.sanctions = vec![sanctions(&[("X2", PAYEE_NAME, "SG")])]),
        ("payer-listed", |w| w.sanctions = vec![sanctions(&[("X3", PAYER_NAME, "NL")])]),
        ("screening-unclear", |w| w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "MY")])]),
        ("not-screened", |w| w.sanctions.clear()),
        ("not-screened", |w| w.sanctions[0].entries.clear()),
        ("list-expired", |w| w.sanctions[0].next_update = NOW),
    ];
    for side in [Side::Debtor, Side::Creditor] {
        let mut seen = std::collections::BTreeSet::new();
        for (rule, change) in cases {
            let decided = later(side, change);
            assert!(decided.record.determining.iter().any(|d| d == rule), "{side} {rule}");
            let Verdict::Refusal { document, told } = &decided.verdict else {
                panic!("{rule}: {:?}", decided.verdict)
            };
            assert_eq!(**told, Told::neutral());
            let size = document.to_bytes().len();
            seen.insert(size);
            replays(&decided);
        }
        assert_eq!(seen.len(), 1, "{side}: one answer for all");
    }
}

#[test]
fn a_wallet_that_withholds_a_name_is_refused() {
    let world = World::new();
    let done = world.exchange();
    let mut ask = done.prepared.ask.clone().unwrap();
    let mut json = ask.query.to_json();
    for credential in json["credentials"].as_array_mut().unwrap() {
        let claims = credential["claims"].as_array_mut().unwrap();
        claims.retain(|claim| claim["path"][0] != "legal_name");
    }
    ask.query = credential::Query::read(&json).unwrap();
    let decided = world.debtor_decides_on(&done, &world.present(&ask, &world.payer, 3));
    assert_eq!(code(&decided), "PresentationIncomplete");
    replays(&decided);
}

#[test]
fn bytes_that_cross_the_border_hold_nothing_outside_the_statements_list() {
    let world = World::new();
    let done = world.exchange();
    let about = world.quote.payment.bytes();
    let open = |key: u8, sealed: &[u8]| {
        let plain = open_box(&BoxSecretKey::from_seed([key; 32]), SEALED_STATEMENT, &about, sealed);
        Signed::<PartyStatement>::from_bytes(&plain.unwrap()).unwrap()
    };
    let (to_b, to_a) = (open(32, &done.stated.sealed), open(31, &done.answered.sealed));
    let payer = to_b.verify(&key(11).public_key()).unwrap().party;
    assert_eq!(payer.legal_name, PAYER_NAME);
    assert_eq!(payer.account, world.payer_account.account);
    assert_eq!(payer.address, Some(onboarding(PAYER.parse().unwrap()).address));
    assert_eq!(payer.lei, onboarding(PAYER.parse().unwrap()).lei);
    assert_eq!(payer.purpose.as_deref(), Some("GDDS"));
    let payee = to_a.verify(&key(12).public_key()).unwrap().party;
    assert_eq!((payee.legal_name.as_str(), payee.country.as_str()), (PAYEE_NAME, "SG"));
    assert_eq!((payee.address, payee.lei, payee.purpose), (None, None, None));
    let crossed: Vec<u8> = [to_b.to_bytes(), to_a.to_bytes()].concat();
    none_stands_in(&crossed, &KEPT_HOME);
    // Nor does the box show anything to who has no key, or another's.
    let other = BoxSecretKey::from_seed([33; 32]);
    assert!(open_box(&other, SEALED_STATEMENT, &about, &done.stated.sealed).is_err());
    let name = PAYER_NAME.as_bytes();
    assert!(!done.stated.sealed.windows(name.len()).any(|bytes| bytes == name));
}

#[test]
fn the_wallet_is_asked_for_what_the_rules_read_and_nothing_else() {
    let world = World::new();
    let ask = world.exchange().prepared.ask.unwrap();
    let asked: std::collections::BTreeSet<String> = ask
        .query
        .ids()
        .into_iter()
        .flat_map(|id| {
            let paths = ask.query.paths(id);
            paths
                .into_iter()
                .map(|path| format!("{id} {}", credential::sd_jwt_vc::PathStep::join(&path)))
                .collect::<Vec<_>>()
        })
        .collect();
    let expected = [
        "credit band",
        "credit company_id",
        "mandate approvals_required",
        "mandate company_id",
        "mandate limit",
        "mandate mandate_id",
        "mandate may_pay",
        "mandate valid_until",
        "registration address.country",
        "registration address.locality",
        "registration company_id",
        "registration legal_name",
        "registration standing",
        "tax as_of",
        "tax company_id",
        "tax good_standing",
    ];
    assert_eq!(asked, expected.map(str::to_owned).into());
}

#[test]
fn a_quote_of_an_unknown_provider_and_another_payments_statement_are_refused() {
    let mut world = World::new();
    let request = world.request_to_pay().unwrap();
    world.nl.providers.clear();
    world.sg.providers.clear();
    let refused = world.exchange_on(request).map(|_| ()).unwrap_err();
    assert!(matches!(refused, ExchangeRefused::QuoteNotTrusted { .. }));
}

#[test]
fn the_payees_side_takes_the_other_sides_word_as_far_as_its_pack_recognises_it() {
    let shipped = shipped::SG_IN_CN;
    let decides = |countries: &str, limit: &str| {
        // The pack of another corridor, for the one of this world, open at all hours.
        let mut parameters = shipped.parameters.replace("\"cn-sg\"", "\"nl-sg\"");
        for (from, to) in [
            ("[\"CN\"]", countries),
            ("\"value\": 50000000}", limit),
            ("\"value\": 540}", "\"value\": 0}"),
            ("\"value\": 1110}", "\"value\": 1440}"),
            ("\"value\": 6}", "\"value\": 7}"),
        ] {
            assert!(parameters.contains(from), "{from}");
            parameters = parameters.replace(from, to);
        }
        let pack = Pack::load(&PackFiles { parameters: &parameters, ..shipped }).unwrap();
        let world = World::new();
        let done = world.exchange();
        world.at(Side::Creditor, |desk| {
            let desk = Desk { pack: &pack, ..*desk };
            let open = open_creditor_consent(&desk, &done.consented(Side::Creditor)).unwrap();
            let data_key = DataKey::from_bytes([52; 32]);
            let decided = decide_creditor(&desk, &open, &world.inputs("bank-sg.1", &data_key));
            let bytes = seal::to_canonical(&decided.record);
            assert_eq!(replay(&bytes, &pack), Ok(Replay::Match));
            match decided.verdict {
                Verdict::Permit(_) => "permit".to_owned(),
                Verdict::Refusal { told, .. } | Verdict::Referral { told, .. } => told.code,
                Verdict::Order { .. } => "order".to_owned(),
            }
        })
    };
    let same = "\"value\": 50000000}";
    assert_eq!(decides("[\"NL\"]", same), "permit");
    assert_eq!(decides("[\"CN\", \"NL\"]", same), "permit");
    assert_eq!(decides("[\"CN\"]", same), "counterparty-not-recognised");
    assert_eq!(decides("[\"NL\"]", "\"value\": 1}"), "counterparty-not-recognised");
}
