//! A settled and a refused payment as pacs.002: fixed bytes, valid under the published schema.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::unreachable,
    clippy::too_many_lines,
    reason = "tests: a panic is a failure, and helpers are not marked as tests"
)]

mod support;

use iso20022::{Message, Outcome, OutcomeError, StatusReason, TransactionStatus, read, write};
use support::{has_xmllint, schema_errors, vectors};
use terms::{Instant, Uetr};

/// So many seconds before 2026-11-23T08:00:00Z.
fn at(seconds_before: u64) -> Instant {
    Instant::from_nanos((1795420800 - seconds_before) * 1_000_000_000)
}

fn settled() -> Outcome {
    Outcome {
        message_id: "WL-7".parse().unwrap(),
        reported_at: at(0),
        original: Some(("M-1".parse().unwrap(), "pacs.008.001.08".parse().unwrap())),
        instruction_id: "I-1".parse().unwrap(),
        end_to_end_id: "INV-014".parse().unwrap(),
        uetr: Uetr::from_random([0x77; 16]),
        status: TransactionStatus::AcceptedCreditSettlementCompleted,
        reason: None,
        words: None,
        recorded_at: Some(at(2)),
        settled_on: Some("2026-11-23".parse().unwrap()),
        clearing_reference: Some("pay-1".parse().unwrap()),
    }
}

fn refused() -> Outcome {
    Outcome {
        status: TransactionStatus::Rejected,
        reason: Some(StatusReason::InsufficientFunds),
        words: Some("InsufficientFunds".parse().unwrap()),
        settled_on: None,
        ..settled()
    }
}

fn document(outcome: &Outcome) -> String {
    write(&Message::StatusReport(outcome.report().unwrap()), None).unwrap()
}

#[test]
fn a_settled_and_a_refused_payment_are_fixed_documents() {
    for (outcome, name) in [(settled(), "settled"), (refused(), "refused")] {
        let document = document(&outcome);
        let path = format!("{}/tests/outcome/{name}.xml", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("WAYLEAVE_BLESS").is_some() {
            std::fs::write(&path, &document).unwrap();
        }
        assert_eq!(document, std::fs::read_to_string(&path).unwrap(), "{name}");
        let back = read(document.as_bytes()).unwrap();
        assert_eq!(back.message, Message::StatusReport(outcome.report().unwrap()));
    }
}

#[test]
fn every_status_and_reason_that_is_reported_is_valid_under_the_schema() {
    if vectors().is_none() || !has_xmllint() {
        return;
    }
    let mut documents = vec![document(&settled()), document(&refused())];
    for code in ["ACTC", "PDNG", "ACWP", "ACSP", "CANC", "BLCK"] {
        let status = code.parse().unwrap();
        documents.push(document(&Outcome { status, settled_on: None, ..settled() }));
    }
    for code in ["AG03", "DS17", "DS26", "DS0H", "DUPL", "NARR", "RR04", "FF01"] {
        let reason = Some(code.parse().unwrap());
        documents.push(document(&Outcome { reason, ..refused() }));
    }
    assert_eq!(schema_errors("pacs.002.001.10", &documents), "");
}

#[test]
fn a_rejection_without_a_reason_and_a_date_of_no_settlement_are_refused() {
    let silent = Outcome { reason: None, ..refused() };
    assert_eq!(silent.report(), Err(OutcomeError::NoReason));
    let dated = Outcome { settled_on: settled().settled_on, ..refused() };
    assert_eq!(dated.report(), Err(OutcomeError::SettlementDate));
    let undated = Outcome { settled_on: None, ..settled() };
    assert_eq!(undated.report(), Err(OutcomeError::SettlementDate));
    let at: Instant = settled().reported_at;
    assert_eq!(settled().report().unwrap().header.created_at, at.into());
}
