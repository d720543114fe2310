//! What the opened fields of a payment's fact must say: of themselves and of each other.

use record::after::PAYMENT_RETURNED;
use record::outgoing::OUTGOING_ENDED;
use record::settled::ACCOUNTS_FIELD;
use record::settlement::{
    ACCEPTANCE_FIELD, CERTIFICATE_FIELD, CREDITOR_PERMIT_FIELD, DEBTOR_PERMIT_FIELD,
    DRILL_RECORDED, ENDING_FIELD, ENVIRONMENT_FIELD, INVOICE_FIELD, PAYMENT_FIELD, PAYMENT_REFUSED,
    QUOTE_FIELD, RECORDED_AT_FIELD, RECOVERY_CERTIFIED, REFUSED_BY_FIELD, TERMS_DIGEST_FIELD,
    TERMS_FIELD,
};
use record::{
    Acceptance, Cancelled, DrillReport, Ending, FactKind, Invoice, PaymentTerms, Permit, Quote,
    RecoveryCertificate, RefusedBy, Settled, SettledAccounts, Side, Signed, TrustList,
};
use seal::{Digest, PublicKey, sha256};
use terms::{Environment, Instant, InstitutionName, PaymentId};

use super::ReadReceipt;
use super::after;
use super::outgoing;
use super::report::Report;

/// What every payment's receipt opens.
pub(super) struct Ended {
    pub(super) payment: PaymentId,
    pub(super) environment: Environment,
    pub(super) terms: Digest,
    pub(super) ending: Ending,
    pub(super) recorded_at: Instant,
}

/// Checks the opened fields by the kind of fact they are of.
pub(super) fn check(report: &mut Report, read: &ReadReceipt, lists: &[TrustList]) {
    let Some(kind) = read.bytes(0).map(kind_of) else {
        report.skip("kind", "the kind of fact is not opened");
        return;
    };
    let Some(kind) = kind else {
        report.fail("kind", "the field of the kind is not four bytes");
        return;
    };
    if kind == RECOVERY_CERTIFIED {
        report.pass("kind", "recovery certificate");
        let held: Option<Signed<RecoveryCertificate>> = read.value(CERTIFICATE_FIELD);
        let wrong = held.is_none().then(|| "the certificate is not opened".to_owned());
        report.judge("certificate", wrong);
    } else if kind == DRILL_RECORDED {
        report.pass("kind", "drill report");
        let held: Option<Signed<DrillReport>> = read.value(CERTIFICATE_FIELD);
        let wrong = held.is_none().then(|| "the report is not opened".to_owned());
        report.judge("report", wrong);
    } else if named(kind).is_some() {
        check_payment(report, read, kind, lists);
    } else {
        report.skip("kind", format!("kind {} version {}", kind.number, kind.version));
    }
}

pub(super) fn kind_of(bytes: &[u8]) -> Option<FactKind> {
    let [a, b, c, d] = bytes else { return None };
    Some(FactKind { number: u16::from_be_bytes([*a, *b]), version: u16::from_be_bytes([*c, *d]) })
}

/// What people call a fact that ends a payment.
fn named(kind: FactKind) -> Option<&'static str> {
    match kind {
        PAYMENT_REFUSED => Some("refused payment"),
        PAYMENT_RETURNED => Some("return"),
        kind if Settled::is_refund(kind) => Some("refund"),
        kind if Settled::is_kind(kind) => Some("settled payment"),
        kind if Cancelled::is_kind(kind) => Some("cancelled payment"),
        OUTGOING_ENDED => Some("payment out"),
        _ => None,
    }
}

fn check_payment(report: &mut Report, read: &ReadReceipt, kind: FactKind, lists: &[TrustList]) {
    let settled = Settled::is_kind(kind) || kind == PAYMENT_RETURNED;
    report.pass("kind", named(kind).unwrap_or_default());
    let Some(ended) = read_ended(read) else {
        report.fail("payment", "payment, environment, terms, ending and time are not all opened");
        return;
    };
    report.pass("payment", "");
    report.say("payment", ended.payment);
    report.say("environment", ended.environment);
    report.say("ending", &ended.ending);
    report.say("recorded at", ended.recorded_at);
    // A payment out has one kind for both of its endings.
    let fits = kind == OUTGOING_ENDED || (ended.ending == Ending::Settled) == settled;
    report.judge("ending", (!fits).then(|| "another ending than the kind of fact".to_owned()));
    match kind {
        PAYMENT_RETURNED => after::check_returned(report, read, &ended, lists),
        _ if Cancelled::is_kind(kind) => after::check_cancelled(report, read, kind, &ended),
        OUTGOING_ENDED => outgoing::check(report, read, &ended, lists),
        _ if settled => check_settled(report, read, kind, &ended, lists),
        _ => check_refused(report, read, &ended, lists),
    }
}

fn read_ended(read: &ReadReceipt) -> Option<Ended> {
    Some(Ended {
        payment: read.value(PAYMENT_FIELD)?,
        environment: read.value(ENVIRONMENT_FIELD)?,
        terms: read.value(TERMS_DIGEST_FIELD)?,
        ending: read.value(ENDING_FIELD)?,
        recorded_at: read.value(RECORDED_AT_FIELD)?,
    })
}

fn check_settled(
    report: &mut Report,
    read: &ReadReceipt,
    kind: FactKind,
    ended: &Ended,
    lists: &[TrustList],
) {
    let Some(text) = read.bytes(TERMS_FIELD) else {
        report.skip("terms", "not opened to this reader");
        return;
    };
    let terms = match terms_of(text, ended) {
        Ok(terms) => terms,
        Err(wrong) => return report.fail("terms", wrong),
    };
    report.pass("terms", "");
    report.say("debited", terms.debited.for_people());
    report.say("credited", format!("{} to {}", terms.credited.for_people(), terms.payee_name));
    if Settled::is_refund(kind) {
        after::check_refunded(report, read, &terms);
    }
    if !kind.withheld().is_empty() {
        opened(report, read, "accounts", ACCOUNTS_FIELD, |accounts: &SettledAccounts| {
            differs("debited", &terms.debited_account, &accounts.debited)
                .or_else(|| differs("credited", &terms.credited_account, &accounts.credited))
        });
    }
    let late = ended.recorded_at >= terms.expires_at;
    report.judge("settled in time", late.then(|| "settled after the terms ended".to_owned()));
    opened(report, read, "quote", QUOTE_FIELD, |signed: &Signed<Quote>| {
        wrong_quote(signed, &terms, ended, lists)
    });
    opened(report, read, "invoice", INVOICE_FIELD, |signed: &Signed<Invoice>| {
        wrong_invoice(signed, &terms)
    });
    opened(report, read, "acceptance", ACCEPTANCE_FIELD, |signed: &Signed<Acceptance>| {
        wrong_acceptance(signed, &terms, ended, lists)
    });
    for (name, field, side) in [
        ("debtor's permit", DEBTOR_PERMIT_FIELD, Side::Debtor),
        ("creditor's permit", CREDITOR_PERMIT_FIELD, Side::Creditor),
    ] {
        opened(report, read, name, field, |signed: &Signed<Permit>| {
            wrong_permit(signed, side, &terms, ended, lists)
        });
    }
    if lists.is_empty() {
        report.skip("keys on trust lists", "no trust list was given");
    } else {
        report.pass("keys on trust lists", "of what is opened");
    }
}

/// Judges a field when it is opened.
pub(super) fn opened<T>(
    report: &mut Report,
    read: &ReadReceipt,
    name: &'static str,
    field: u16,
    wrong: impl FnOnce(&T) -> Option<String>,
) where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    if read.bytes(field).is_none() {
        report.skip(name, "not opened to this reader");
        return;
    }
    match read.value::<T>(field) {
        Some(value) => report.judge(name, wrong(&value)),
        None => report.fail(name, "the field is not what its kind says"),
    }
}

fn terms_of(field: &[u8], ended: &Ended) -> Result<PaymentTerms, String> {
    let text: String = seal::from_canonical(field).map_err(|error| error.to_string())?;
    let terms = PaymentTerms::from_terms_string(&text).map_err(|error| error.to_string())?;
    let wrong = differs("digest", &ended.terms, &sha256(text.as_bytes()))
        .or_else(|| differs("payment", &ended.payment, &terms.payment))
        .or_else(|| differs("environment", &ended.environment, &terms.environment));
    wrong.map_or(Ok(terms), Err)
}

fn wrong_quote(
    signed: &Signed<Quote>,
    terms: &PaymentTerms,
    ended: &Ended,
    lists: &[TrustList],
) -> Option<String> {
    let Ok(quote) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
    let providers = lists.iter().flat_map(|list| &list.providers);
    let keys: Vec<PublicKey> = providers
        .filter(|provider| provider.provider == quote.provider)
        .flat_map(|provider| provider.quote_keys.iter().copied())
        .collect();
    differs("hash", &terms.quote_hash, &signed.digest())
        .or_else(|| differs("payment", &terms.payment, &quote.payment))
        .or_else(|| differs("debit", &terms.debited, &quote.debit))
        .or_else(|| differs("credit", &terms.credited, &quote.credit))
        .or_else(|| (!quote.adds_up()).then(|| "it is not the sum of its parts".to_owned()))
        .or_else(|| ended_late(ended, quote.expires_at))
        .or_else(|| unlisted(signed, &keys, lists))
}

fn wrong_invoice(signed: &Signed<Invoice>, terms: &PaymentTerms) -> Option<String> {
    let Ok(invoice) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
    differs("hash", &terms.invoice_hash, &signed.digest())
        .or_else(|| differs("account", &terms.credited_account, &invoice.account))
        .or_else(|| differs("amount", &terms.credited, &invoice.amount))
        .or_else(|| differs("payee's name", &terms.payee_name, &invoice.creditor_name))
}

fn wrong_acceptance(
    signed: &Signed<Acceptance>,
    terms: &PaymentTerms,
    ended: &Ended,
    lists: &[TrustList],
) -> Option<String> {
    let Ok(acceptance) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
    differs("payment", &terms.payment, &acceptance.payment)
        .or_else(|| differs("invoice", &terms.invoice_hash, &acceptance.invoice))
        .or_else(|| differs("account", &terms.credited_account, &acceptance.account))
        .or_else(|| differs("amount", &terms.credited, &acceptance.amount))
        .or_else(|| ended_late(ended, acceptance.valid_until))
        .or_else(|| unlisted(signed, &permit_keys(acceptance.institution, lists), lists))
}

fn wrong_permit(
    signed: &Signed<Permit>,
    side: Side,
    terms: &PaymentTerms,
    ended: &Ended,
    lists: &[TrustList],
) -> Option<String> {
    let Ok(permit) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
    differs("payment", &terms.payment, &permit.payment)
        .or_else(|| differs("terms", &ended.terms, &permit.terms))
        .or_else(|| differs("side", &side, &permit.side))
        .or_else(|| differs("environment", &ended.environment, &permit.environment))
        .or_else(|| differs("corridor", &terms.corridor, &permit.corridor))
        .or_else(|| ended_late(ended, permit.valid_until))
        .or_else(|| unlisted(signed, &permit_keys(permit.institution, lists), lists))
}

fn check_refused(report: &mut Report, read: &ReadReceipt, ended: &Ended, lists: &[TrustList]) {
    opened(report, read, "refused by", REFUSED_BY_FIELD, |by: &RefusedBy| match by {
        RefusedBy::Core(code, _) => {
            differs("ending", &ended.ending.to_string(), &Ending::Refused(code.clone()).to_string())
        }
        RefusedBy::Edge(signed) => {
            let Ok(refusal) = signed.read_unverified() else {
                return Some("unreadable".to_owned());
            };
            let ending = Ending::Refused(refusal.code.clone());
            differs("ending", &ended.ending.to_string(), &ending.to_string())
                .or_else(|| differs("payment", &ended.payment, &refusal.payment))
                .or_else(|| differs("terms", &ended.terms, &refusal.terms))
                .or_else(|| differs("environment", &ended.environment, &refusal.environment))
                .or_else(|| unlisted(signed, &permit_keys(refusal.institution, lists), lists))
        }
    });
}

pub(super) fn permit_keys(institution: InstitutionName, lists: &[TrustList]) -> Vec<PublicKey> {
    let named = lists.iter().filter_map(|list| list.institution(institution));
    named.flat_map(|institution| institution.permit_keys.iter().copied()).collect()
}

/// Checks a signature against the listed keys; silent where no list was given.
pub(super) fn unlisted<T: record::Document>(
    signed: &Signed<T>,
    keys: &[PublicKey],
    lists: &[TrustList],
) -> Option<String> {
    if lists.is_empty() || keys.iter().any(|key| signed.verify(key).is_ok()) {
        return None;
    }
    Some(format!("key `{}` is on no trust list given, or did not sign", signed.key()))
}

pub(super) fn ended_late(ended: &Ended, until: Instant) -> Option<String> {
    (ended.recorded_at >= until).then(|| format!("it had ended at {until}"))
}

pub(super) fn differs<T: PartialEq + ToString>(
    what: &str,
    expected: &T,
    got: &T,
) -> Option<String> {
    (expected != got).then(|| {
        format!("`{what}`: expected `{}`, got `{}`", expected.to_string(), got.to_string())
    })
}
