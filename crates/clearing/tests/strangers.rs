//! Whoever knows a payment id that is not its own ends nothing under it: terms can be written by
//! anybody, and a provider's quote for the id is its payer's alone.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests stop where something is not expected")]

use clearing::rule::RuleName;
use clearing::testkit::after::{books, client_key, trust_both_ways};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, environment, now, settlement_genesis, settlement_name,
};
use clearing::{
    AfterAnswer, AfterWork, Finish, Route, SettlementAnswer, SettlementWork, check_cancellation,
};
use record::{CancellationRequest, Ending, Quote, Side, Signed};

/// What a stranger writes for a payment id: it pays from its own account.
fn stranger(number: u64) -> OrderParts {
    let mut parts = OrderParts::of(Deal { payer: 1, credit: 5_000, ..Deal::number(number) });
    parts.terms.debited_account = account(Side::Debtor, 1);
    parts.relink();
    parts
}

/// What comes of a cancellation that company `n` signs: the rule that refuses, if one does.
fn cancel(
    books: &mut Books,
    parts: &OrderParts,
    n: u8,
    quote: Option<&Signed<Quote>>,
) -> Result<SettlementAnswer, RuleName> {
    let request = CancellationRequest {
        layout: 1,
        environment: environment(),
        terms: parts.terms.to_terms_string(),
        reason: "CUST".to_owned(),
        asked_at: now(),
    };
    let key = client_key(n);
    let (here, trust) = ((environment(), settlement_name()), trust_both_ways());
    let signed = Signed::sign(&request, &key);
    let quote = quote.map(|quote| (quote, &trust));
    let checked = check_cancellation(&signed, Some(key.public_key()), here, quote)
        .map_err(|rule| rule.name)?;
    let work = SettlementWork::After(AfterWork::Cancel(Box::new(checked)));
    match books.settle(now(), work).0 {
        SettlementAnswer::After(AfterAnswer::Refused(rule)) => Err(rule.name),
        answer => Ok(answer),
    }
}

#[test]
fn a_cancellation_without_the_quote_of_its_terms_ends_nothing() {
    let mut books = books();
    let payer = OrderParts::of(Deal::number(1));
    let quote = payer.order().quote;
    let before = books.settlement.facts.len();
    // The quote that the stranger's terms name, and the one that it shows.
    let own = |alter: fn(&mut OrderParts)| {
        let mut parts = stranger(1);
        alter(&mut parts);
        parts.terms.quote_hash = parts.order().quote.digest();
        let shown = parts.order().quote;
        (parts, shown)
    };
    let (forged, forged_quote) = own(|parts| parts.quote_signer = Who::Stranger);
    let (elsewhere, elsewhere_quote) = own(|parts| parts.quote.payment = Deal::number(2).payment());
    let (plain, _) = own(|_| {});
    let table = [
        ("no quote", &plain, None, RuleName::QuoteDiffers),
        ("another quote", &forged, Some(&quote), RuleName::QuoteDiffers),
        ("its own make", &forged, Some(&forged_quote), RuleName::SignerNotTrusted),
        ("for another id", &elsewhere, Some(&elsewhere_quote), RuleName::QuoteDiffers),
    ];
    for (what, parts, quote, rule) in table {
        assert_eq!(cancel(&mut books, parts, 1, quote), Err(rule), "{what}");
    }
    assert_eq!(books.settlement.facts.len(), before, "nothing is recorded");
    let order = payer.checked_against(&trust_both_ways()).expect("valid");
    match books.drive(now(), Route::of_client(order)) {
        Finish::Ended(Ending::Settled, _) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(books.settlement.state, books.settlement.refold(settlement_genesis()));
}

#[test]
fn the_payer_cancels_with_its_quote_and_asks_back_without() {
    let mut books = books();
    let parts = OrderParts::of(Deal::number(1));
    let quote = parts.order().quote;
    assert_eq!(cancel(&mut books, &parts, 0, None), Err(RuleName::QuoteDiffers));
    let ended = cancel(&mut books, &parts, 0, Some(&quote));
    assert!(matches!(ended, Ok(SettlementAnswer::EndedNow(_))), "{ended:?}");
    let settled = OrderParts::of(Deal::number(2));
    let order = settled.checked_against(&trust_both_ways()).expect("valid");
    let _ = books.drive(now(), Route::of_client(order));
    let asked = cancel(&mut books, &settled, 0, None);
    assert!(
        matches!(asked, Ok(SettlementAnswer::After(AfterAnswer::Asked(_)))),
        "what has ended is only spoken of: {asked:?}"
    );
}
