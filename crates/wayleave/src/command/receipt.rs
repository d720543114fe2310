//! `wayleave receipt show`: the opened fields of a receipt, in words.

use std::process::ExitCode;

use anyhow::bail;
use clearing::customers::CreditStanding;
use clearing::saga::DebtorSide;
use clearing::status::Standing;
use record::after::{ORIGINAL_FIELD, PAYMENT_RETURNED, RETURN_ORDER_FIELD};
use record::outgoing::{OUTGOING_ENDED, OUTGOING_EVIDENCE_FIELD, OUTGOING_ORDER_FIELD};
use record::settled::ACCOUNTS_FIELD;
use record::settlement::{
    ACCEPTANCE_FIELD, CERTIFICATE_FIELD, CREDITOR_PERMIT_FIELD, DEBTOR_PERMIT_FIELD, ENDING_FIELD,
    ENVIRONMENT_FIELD, IDENTIFIERS_FIELD, INVOICE_FIELD, PAYMENT_FIELD, PAYMENT_REFUSED,
    PAYMENTS_COMPLETED, POSTINGS_FIELD, QUOTE_FIELD, RECORDED_AT_FIELD, RECOVERY_CERTIFIED,
    REFUSED_BY_FIELD, TERMS_DIGEST_FIELD, TERMS_FIELD,
};
use record::{
    Acceptance, Cancelled, Ending, FactKind, Identifiers, Invoice, OutgoingPayment,
    OutsideEvidence, PaymentTerms, Permit, Quote, RecoveryCertificate, RefusedBy, ReturnOrder,
    Settled, SettledAccounts, Signed,
};
use seal::Digest;
use serde_json::{Value, json};
use terms::{Environment, Instant, PaymentId};
use wallet::CommandResult;
use wallet::verify::{ReadReceipt, read_receipt, words_of};

use super::{files, show};
use crate::cli::check::ReceiptCommand;

/// Shows a receipt.
pub(crate) fn command(asked: &ReceiptCommand) -> anyhow::Result<ExitCode> {
    let ReceiptCommand::Show(args) = asked;
    let bytes = files::read(&args.file)?;
    let (report, read) = read_receipt(&bytes, None);
    let Some(read) = read else {
        let why = report.first_failure().unwrap_or_default();
        bail!("`{}` is no good receipt: {why}", args.file.display());
    };
    Ok(show(&Opened { read }, args.json))
}

/// A receipt's opened fields.
struct Opened {
    read: ReadReceipt,
}

/// The codes of an ending by itself: a receipt does not say whether the payee was credited yet.
fn codes_of(ending: &Ending) -> String {
    let standing = Standing::of(Some(ending), DebtorSide::Held, CreditStanding::Untouched);
    standing.map_or_else(String::new, |standing| standing.to_string())
}

type Words = Vec<(String, String)>;

impl Opened {
    fn kind(&self) -> Option<FactKind> {
        let bytes: [u8; 4] = self.read.bytes(0)?.try_into().ok()?;
        let [a, b, c, d] = bytes;
        let (number, version) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(FactKind { number, version })
    }

    fn words(&self) -> Words {
        let mut words = Words::new();
        let kind = self.kind();
        say(&mut words, "kind", kind_name(kind));
        for (index, name) in HEADING {
            if let Some(bytes) = self.read.bytes(index).filter(|bytes| !bytes.is_empty()) {
                say(&mut words, name, heading_text(bytes));
            }
        }
        let ends = |kind| {
            let one_version = [PAYMENT_REFUSED, PAYMENT_RETURNED, OUTGOING_ENDED].contains(&kind);
            one_version || Settled::is_kind(kind) || Cancelled::is_kind(kind)
        };
        if kind.is_some_and(ends) {
            self.ended(&mut words);
        }
        if kind.is_some_and(Settled::is_kind) {
            self.settled(&mut words);
        } else if kind == Some(PAYMENT_RETURNED) {
            self.returned(&mut words);
        } else if kind == Some(OUTGOING_ENDED) {
            self.went_out(&mut words);
        } else if kind == Some(PAYMENT_REFUSED) {
            self.refused(&mut words);
        } else if kind == Some(RECOVERY_CERTIFIED) {
            self.recovered(&mut words);
        }
        words
    }

    /// Who pays whom stands in the payer's bank's own book; here is the commitment.
    fn went_out(&self, words: &mut Words) {
        let order: Option<Signed<OutgoingPayment>> = self.read.value(OUTGOING_ORDER_FIELD);
        if let Some(Ok(order)) = order.map(|signed| signed.read_unverified()) {
            say(words, "payer's bank", order.institution);
            say(words, "leaves", order.amount.for_people());
            say(words, "fee", order.fee.for_people());
            say(words, "uetr", order.uetr);
            say(words, "who pays whom", format!("commitment {}", order.parties));
        }
        if let Some(evidence) = self.read.value::<OutsideEvidence>(OUTGOING_EVIDENCE_FIELD) {
            say(words, "proof ends with", words_of(&evidence));
        }
    }

    fn returned(&self, words: &mut Words) {
        put(words, "gives back", self.read.value::<PaymentId>(ORIGINAL_FIELD));
        let order: Option<Signed<ReturnOrder>> = self.read.value(RETURN_ORDER_FIELD);
        if let Some(Ok(order)) = order.map(|signed| signed.read_unverified()) {
            say(words, "returned", order.amount.for_people());
            say(words, "credited", order.credited.for_people());
            say(words, "reason", &order.reason);
        }
    }

    fn ended(&self, words: &mut Words) {
        let read = &self.read;
        put(words, "payment", read.value::<PaymentId>(PAYMENT_FIELD));
        put(words, "environment", read.value::<Environment>(ENVIRONMENT_FIELD));
        let ending = read.value::<Ending>(ENDING_FIELD);
        if let Some(ending) = &ending {
            say(words, "iso 20022", codes_of(ending));
        }
        put(words, "ending", ending);
        put(words, "recorded at", read.value::<Instant>(RECORDED_AT_FIELD));
        put(words, "terms digest", read.value::<Digest>(TERMS_DIGEST_FIELD));
    }

    fn settled(&self, words: &mut Words) {
        let read = &self.read;
        let terms = read.value::<String>(TERMS_FIELD);
        if let Some(terms) = terms.and_then(|text| PaymentTerms::from_terms_string(&text).ok()) {
            say(words, "debited", terms.debited.for_people());
            say(words, "credited", terms.credited.for_people());
            say(words, "terms ended at", terms.expires_at);
            let said = ["debited", "credited", "expires_at"];
            let fields = terms.fields().into_iter();
            for (name, text) in
                fields.filter(|(name, text)| !said.contains(name) && !text.is_empty())
            {
                say(words, &format!("terms {}", name.replace('_', " ")), text);
            }
        }
        if let Some(names) = read.value::<Identifiers>(IDENTIFIERS_FIELD) {
            say(words, "uetr", names.uetr);
            say(words, "end-to-end id", names.end_to_end_id);
            say(words, "instruction id", names.instruction_id);
        }
        if let Some(quote) = signed::<Quote>(read, QUOTE_FIELD) {
            say(words, "quote", format!("{} by {}", quote.quote, quote.provider));
            say(words, "quote principal", quote.principal.for_people());
            say(words, "quote margin", quote.margin.for_people());
            for fee in &quote.fees {
                let taker = fee.taker.as_str();
                say(words, &format!("quote fee, {taker}"), fee.amount.for_people());
            }
        }
        if let Some(invoice) = signed::<Invoice>(read, INVOICE_FIELD) {
            let amount = invoice.amount.for_people();
            let text = format!("{} of {} for {amount}", invoice.number, invoice.creditor_name);
            say(words, "invoice", text);
        }
        if let Some(acceptance) = signed::<Acceptance>(read, ACCEPTANCE_FIELD) {
            let text = format!("by {} until {}", acceptance.institution, acceptance.valid_until);
            say(words, "acceptance", text);
        }
        for (name, field) in
            [("debtor's permit", DEBTOR_PERMIT_FIELD), ("creditor's permit", CREDITOR_PERMIT_FIELD)]
        {
            if let Some(permit) = signed::<Permit>(read, field) {
                let (by, at) = (permit.institution, permit.decided_at);
                say(words, name, format!("by {by} at {at}, rules of pack {}", permit.basis.pack));
            }
        }
        if let Some(accounts) = read.value::<SettledAccounts>(ACCOUNTS_FIELD) {
            say(words, "accounts", format!("{} to {}", accounts.debited, accounts.credited));
        }
        if let Some(postings) = read.bytes(POSTINGS_FIELD) {
            say(words, "postings", format!("{} bytes", postings.len()));
        }
    }

    fn refused(&self, words: &mut Words) {
        match self.read.value::<RefusedBy>(REFUSED_BY_FIELD) {
            None => {}
            Some(RefusedBy::Core(rule, detail)) => {
                say(words, "refused by", format!("the core, {rule}: {detail}"));
            }
            Some(RefusedBy::Edge(refusal)) => match refusal.read_unverified() {
                Ok(refusal) => {
                    let (by, at) = (refusal.institution, refusal.decided_at);
                    say(words, "refused by", format!("{by}, {} at {at}", refusal.code));
                }
                Err(error) => say(words, "refused by", error),
            },
        }
    }

    fn recovered(&self, words: &mut Words) {
        let held = signed::<RecoveryCertificate>(&self.read, CERTIFICATE_FIELD);
        let Some(certificate) = held else { return };
        say(words, "book", certificate.book);
        say(words, "started at", certificate.started_at);
        say(words, "serving at", certificate.serving_at);
        say(words, "facts found", certificate.head);
        say(words, "torn bytes cut", certificate.torn_bytes);
        say(words, "payments under way", certificate.resolved.len());
    }
}

impl CommandResult for Opened {
    fn text(&self) -> String {
        let receipt = self.read.receipt();
        let (opened, all) = (receipt.opened().len(), receipt.commitments().len());
        let mut lines = vec![
            format!("receipt of fact {} in {}", receipt.position(), receipt.origin().as_str()),
            format!("{opened} of {all} fields are opened to you"),
        ];
        let words = self.words();
        lines.extend(words.iter().map(|(name, text)| format!("  {name:<28} {text}")));
        lines.push("whether it is true: `wayleave verify FILE --trust FILE`".to_owned());
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let receipt = self.read.receipt();
        let fields: Vec<Value> = self
            .words()
            .iter()
            .map(|(name, text)| json!({ "name": name, "value": text }))
            .collect();
        let opened: Vec<u16> = receipt.opened().iter().map(|field| field.index).collect();
        json!({
            "origin": receipt.origin().as_str(),
            "position": receipt.position().number(),
            "fields": receipt.commitments().len(),
            "opened": opened,
            "says": fields,
        })
    }
}

fn signed<T: record::Document>(read: &ReadReceipt, field: u16) -> Option<T> {
    read.value::<Signed<T>>(field)?.read_unverified().ok()
}

fn put(words: &mut Words, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        say(words, name, value);
    }
}

/// Text of a file may hold anything: what a terminal would obey is left out.
#[expect(clippy::needless_pass_by_value, reason = "takes whatever can be shown, to read well")]
fn say(words: &mut Words, name: &str, value: impl ToString) {
    let text: String = value.to_string().chars().filter(|c| !c.is_control()).collect();
    words.push((name.to_owned(), text));
}

fn heading_text(bytes: &[u8]) -> String {
    match (<[u8; 8]>::try_from(bytes), std::str::from_utf8(bytes)) {
        (_, Ok(text)) if text.chars().all(|c| c.is_ascii_graphic()) => text.to_owned(),
        (Ok(number), _) => u64::from_be_bytes(number).to_string(),
        (Err(_), _) => format!("{} bytes", bytes.len()),
    }
}

fn kind_name(kind: Option<FactKind>) -> String {
    match kind {
        Some(PAYMENT_REFUSED) => "refused payment".to_owned(),
        Some(PAYMENT_RETURNED) => "return".to_owned(),
        Some(kind) if Settled::is_refund(kind) => "refund".to_owned(),
        Some(kind) if Settled::is_kind(kind) => "settled payment".to_owned(),
        Some(kind) if Cancelled::is_kind(kind) => "cancelled payment".to_owned(),
        Some(OUTGOING_ENDED) => "payment out".to_owned(),
        Some(RECOVERY_CERTIFIED) => "recovery certificate".to_owned(),
        Some(PAYMENTS_COMPLETED) => "payments completed".to_owned(),
        Some(FactKind { number, version }) => format!("number {number}, version {version}"),
        None => "not opened".to_owned(),
    }
}

/// Fields that every fact begins with, after its kind.
const HEADING: [(u16, &str); 5] = [
    (1, "corridor"),
    (2, "debtor's edge"),
    (3, "its sequence"),
    (4, "creditor's edge"),
    (5, "its sequence"),
];
