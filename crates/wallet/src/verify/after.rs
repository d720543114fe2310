//! What the opened fields of a cancellation, a return or a refund must say.

use record::after::{
    CANCELLED_BY_FIELD, CANCELLED_CODE, GIVEN_BACK_FIELD, ORIGINAL_FIELD, PAYMENT_CANCELLED_2,
    RETURN_ORDER_FIELD,
};
use record::{
    CancellationRequest, Ending, FactKind, GivenBack, NamelessRequest, PaymentTerms, ReturnOrder,
    ReturnRate, Signed, TrustList,
};
use seal::sha256;
use terms::PaymentId;

use super::ReadReceipt;
use super::opened::{Ended, differs, ended_late, opened, permit_keys, unlisted};
use super::report::Report;

/// A payment that its payer cancelled before it settled. Its key is the payer's own, which no
/// list names; the core checked it.
pub(super) fn check_cancelled(
    report: &mut Report,
    read: &ReadReceipt,
    kind: FactKind,
    ended: &Ended,
) {
    let expected = Ending::Refused(CANCELLED_CODE.to_owned()).to_string();
    report.judge("cancelled", differs("ending", &expected, &ended.ending.to_string()));
    if kind == PAYMENT_CANCELLED_2 {
        // Its terms string is the payer's own: put together with it, the signature can be checked.
        let nameless = |request: &NamelessRequest| {
            differs("terms", &ended.terms, &request.terms)
                .or_else(|| differs("environment", &ended.environment, &request.environment))
        };
        return opened(report, read, "cancelled by", CANCELLED_BY_FIELD, nameless);
    }
    opened(report, read, "cancelled by", CANCELLED_BY_FIELD, |signed| {
        let signed: &Signed<CancellationRequest> = signed;
        let Ok(request) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
        let Ok(terms) = PaymentTerms::from_terms_string(&request.terms) else {
            return Some("its terms do not read".to_owned());
        };
        differs("terms", &ended.terms, &sha256(request.terms.as_bytes()))
            .or_else(|| differs("payment", &ended.payment, &terms.payment))
            .or_else(|| differs("environment", &ended.environment, &request.environment))
    });
}

/// A return: its order is its terms.
pub(super) fn check_returned(
    report: &mut Report,
    read: &ReadReceipt,
    ended: &Ended,
    lists: &[TrustList],
) {
    let Some(original) = read.value::<PaymentId>(ORIGINAL_FIELD) else {
        return report.fail("original", "the original payment is not opened");
    };
    report.pass("original", "");
    report.say("gives back", original);
    let order: Option<Signed<ReturnOrder>> = read.value(RETURN_ORDER_FIELD);
    if let Some(Ok(order)) = order.map(|signed| signed.read_unverified()) {
        report.say("returned", order.amount.for_people());
        report.say("credited", order.credited.for_people());
        report.say("reason", &order.reason);
    }
    opened(report, read, "return order", RETURN_ORDER_FIELD, |signed| {
        wrong_order(signed, original, ended, lists)
    });
}

fn wrong_order(
    signed: &Signed<ReturnOrder>,
    original: PaymentId,
    ended: &Ended,
    lists: &[TrustList],
) -> Option<String> {
    let Ok(order) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
    differs("terms", &ended.terms, &signed.digest())
        .or_else(|| differs("payment", &ended.payment, &order.payment))
        .or_else(|| differs("original", &original, &order.original))
        .or_else(|| differs("environment", &ended.environment, &order.environment))
        .or_else(|| ended_late(ended, order.valid_until))
        .or_else(|| unlisted(signed, &permit_keys(order.institution, lists), lists))
        .or_else(|| wrong_rate(&order, ended, lists))
}

fn wrong_rate(order: &ReturnOrder, ended: &Ended, lists: &[TrustList]) -> Option<String> {
    let keys = |provider| {
        let providers = lists.iter().flat_map(|list| &list.providers);
        let named = providers.filter(move |entry| entry.provider == provider);
        named.flat_map(|entry| entry.quote_keys.iter().copied()).collect::<Vec<_>>()
    };
    match &order.rate {
        ReturnRate::Quoted(signed) => {
            let Ok(quote) = signed.read_unverified() else {
                return Some("its quote is unreadable".to_owned());
            };
            differs("quote's payment", &order.payment, &quote.payment)
                .or_else(|| differs("debit", &order.amount, &quote.debit))
                .or_else(|| differs("credit", &order.credited, &quote.credit))
                .or_else(|| (!quote.adds_up()).then(|| "its quote does not add up".to_owned()))
                .or_else(|| ended_late(ended, quote.expires_at))
                .or_else(|| unlisted(signed, &keys(quote.provider), lists))
        }
        ReturnRate::Guaranteed(signed) => {
            let Ok(guarantee) = signed.read_unverified() else {
                return Some("its guarantee is unreadable".to_owned());
            };
            ended_late(ended, guarantee.valid_until)
                .or_else(|| unlisted(signed, &keys(guarantee.provider), lists))
        }
    }
}

/// What a refund adds to a settled payment: the link, the same as in its terms.
pub(super) fn check_refunded(report: &mut Report, read: &ReadReceipt, terms: &PaymentTerms) {
    opened(report, read, "link", GIVEN_BACK_FIELD, |given: &GivenBack| {
        differs("action", &"refund".to_owned(), &terms.action.as_str().to_owned())
            .or_else(|| {
                (terms.linked_payment != Some(given.original))
                    .then(|| "the terms link another payment".to_owned())
            })
            .or_else(|| differs("asset", &terms.debited.asset, &given.counted.asset))
            .or_else(|| {
                (given.counted.minor > terms.debited.minor)
                    .then(|| "more counts than was debited".to_owned())
            })
    });
    if let Some(given) = read.value::<GivenBack>(GIVEN_BACK_FIELD) {
        report.say("gives back", given.original);
    }
}
