//! Published example, sample and deliberately broken files: each gives the figures, or the refusal,
//! that `published.txt` lists.
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

use iso20022::{AccountReport, Choice, InstructionId, Message, Text, read, write};
use support::vectors;

fn lines() -> Vec<[String; 4]> {
    include_str!("published.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let parts: Vec<String> = line.split(" | ").map(str::to_owned).collect();
            parts.try_into().unwrap()
        })
        .collect()
}

fn text_of<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn code_of<C: ToString>(reason: Option<&Choice<C>>) -> String {
    text_of(reason.and_then(|choice| choice.code()).map(ToString::to_string))
}

fn report_figures(report: &AccountReport<'_>) -> Vec<String> {
    let mut figures = Vec::new();
    if let AccountReport::Statement(statement) = report {
        for balance in &statement.balances {
            let (money, kind) = (balance.amount, code_of(Some(&balance.kind.code)));
            let (minor, currency) = (money.minor(), money.currency());
            figures.push(format!("{kind} {minor} {currency} {}", balance.side));
        }
    }
    for entry in report.entries() {
        let (minor, currency) = (entry.amount.minor(), entry.amount.currency());
        let (side, status, count) =
            (entry.side, code_of(Some(&entry.status)), entry.transactions().count());
        figures.push(format!("{minor} {currency} {side} {status} {count}"));
    }
    figures
}

fn figures(message: &Message) -> String {
    let figures: Vec<String> = match message {
        Message::Statements(_) | Message::Notifications(_) => {
            message.account_reports().iter().flat_map(report_figures).collect()
        }
        Message::CreditTransfers(message) => message
            .transfers
            .iter()
            .map(|each| {
                let (money, ids) = (each.settlement_amount, &each.ids);
                format!(
                    "{} {} {} {} {} {}",
                    ids.end_to_end_id,
                    text_of(ids.uetr),
                    money.minor(),
                    money.currency(),
                    text_of(each.settlement_date),
                    each.charge_bearer
                )
            })
            .collect(),
        Message::PaymentReturn(message) => message
            .transactions
            .iter()
            .map(|each| {
                let reason = each.reasons.first().and_then(|reason| reason.reason.as_ref());
                format!(
                    "{} {} {} {} {} {}",
                    text_of(each.original_end_to_end_id.as_ref()),
                    text_of(each.original_uetr),
                    each.amount.minor(),
                    each.amount.currency(),
                    text_of(each.settlement_date),
                    code_of(reason)
                )
            })
            .collect(),
        Message::StatusReport(message) => message
            .transactions
            .iter()
            .map(|each| {
                let reason = each.reasons.first().and_then(|reason| reason.reason.as_ref());
                format!(
                    "{} {} {} {}",
                    text_of(each.original_end_to_end_id.as_ref()),
                    text_of(each.original_uetr),
                    text_of(each.status.as_ref()),
                    code_of(reason)
                )
            })
            .collect(),
        Message::Resolution(_) | Message::CancellationRequest(_) => panic!("no published file"),
    };
    figures.join(" ; ")
}

#[test]
fn every_published_file_gives_its_figures_or_its_refusal() {
    let Some(folder) = vectors() else { return };
    let mut taken = 0;
    for [file, kind, name, rest] in lines() {
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        let got = match read(&bytes) {
            Ok(incoming) => {
                taken += 1;
                let message = &incoming.message;
                let identifier = incoming.definition.identifier().to_owned();
                [identifier, message.message_id().to_owned(), figures(message)]
            }
            Err(error) => {
                assert!(!error.problem.mend.is_empty() && error.line > 0, "{error}");
                ["refused".to_owned(), format!("{:?}", error.problem.rule), error.path]
            }
        };
        assert_eq!(got, [kind, name, rest], "{file}");
    }
    assert_eq!((taken, lines().len()), (37, 85));
}

#[test]
fn every_published_file_that_is_taken_can_be_written_again() {
    let Some(folder) = vectors() else { return };
    for [file, kind, ..] in lines() {
        if kind == "refused" {
            continue;
        }
        let incoming = read(&std::fs::read(folder.join(&file)).unwrap()).unwrap();
        let header = incoming.header.as_ref();
        // The old statement is written as the new one; its header, if it had one, would not fit.
        let text = write(&incoming.message, header).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap().message, incoming.message, "{file}");
    }
}

#[test]
fn a_reference_with_a_slash_is_carried_by_a_statement_and_is_no_instruction_id() {
    let Some(folder) = vectors() else { return };
    let mut seen = 0;
    for [file, ..] in lines().into_iter().filter(|[file, ..]| file.contains("slash_in_instrid")) {
        let message = read(&std::fs::read(folder.join(&file)).unwrap()).unwrap().message;
        for report in message.account_reports() {
            for details in report.entries().iter().flat_map(|entry| entry.transactions()) {
                let id: &Text<35> =
                    details.references.as_ref().unwrap().instruction_id.as_ref().unwrap();
                let error = InstructionId::try_from(id).unwrap_err();
                assert!(error.to_string().contains("no `/` first or last"), "{error}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 4);
}

/// The figures were counted by hand from the file: 10 credits of 10.00, debits of 40.00 USD and
/// 29.06 EUR, and balances that have nothing to do with them.
#[test]
fn a_published_statement_that_disagrees_with_itself_has_its_breaks_named() {
    let Some(folder) = vectors() else { return };
    let bytes = std::fs::read(folder.join("bank_samples/camt053_001_02.xml")).unwrap();
    let message = read(&bytes).unwrap().message;
    let breaks: Vec<String> =
        message.account_reports()[0].breaks().iter().map(ToString::to_string).collect();
    assert_eq!(
        breaks,
        [
            "the bank counts 14 lines, the file has 15",
            "the bank sums its lines up to 140, those in the file make 169.06",
            "the bank counts 9 credits, the file has 10",
            "the bank sums its credits up to 90, those in the file make 100.00",
            "the bank sums its debits up to 50, those in the file make 69.06",
            "the booked lines miss the closing balance 846665.15 USD DBIT by 3038.95 USD",
        ]
    );
}
