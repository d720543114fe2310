//! A saved state is the fold: it loads to the same state, and to nothing when it is changed.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking"
)]

use clearing::testkit::{Books, Deal, OrderParts, customers_genesis, now, settlement_genesis};
use clearing::{CustomerWork, CustomersBook, Route, SettlementBook};
use journal::Image;
use record::Side;

/// Three settled payments, one refused, one held.
fn busy() -> Books {
    let mut books = Books::ready();
    for number in 1..4 {
        let parts = OrderParts::of(Deal::number(number));
        let _ = books.drive(now(), Route::of_client(parts.checked().expect("valid")));
    }
    let dear = OrderParts::of(Deal { credit: 9_000_000, ..Deal::number(4) });
    let _ = books.drive(now(), Route::of_client(dear.checked().expect("valid")));
    let held = OrderParts::of(Deal::number(5)).checked().expect("valid");
    let _ = books.tell(now(), Side::Debtor, CustomerWork::Hold(Box::new(held)));
    books
}

fn round_trip<M: Image + PartialEq + std::fmt::Debug>(state: &M, refolded: &M) {
    let saved = state.save();
    let loaded = M::load(&saved).expect("a saved state loads");
    assert_eq!(&loaded, state);
    assert_eq!(&loaded, refolded);
    assert_eq!(refolded.save(), saved, "equal states have equal bytes");
    assert!(M::load(&saved[..saved.len() - 1]).is_err(), "cut off");
    assert!(M::load(&[saved.as_slice(), &[0]].concat()).is_err(), "a byte more");
    assert!(M::load(&[]).is_err());
}

#[test]
fn an_image_equals_the_refolded_state() {
    let books = busy();
    round_trip(&books.settlement.state, &books.settlement.refold(settlement_genesis()));
    let debtor = customers_genesis(Side::Debtor);
    round_trip(&books.debtor.state, &books.debtor.refold(debtor));
    let creditor = customers_genesis(Side::Creditor);
    round_trip(&books.creditor.state, &books.creditor.refold(creditor));
}

/// What a build wrote that did not know of rails is refused, and the facts are folded again.
#[test]
fn an_image_without_the_part_about_rails_does_not_load() {
    let saved = busy().settlement.state.save();
    let mut decoder = minicbor::Decoder::new(&saved);
    let fields = decoder.array().expect("an array").expect("of a length");
    let head = decoder.position();
    for _ in 0..13 {
        decoder.skip().expect("a field");
    }
    let mut older = vec![0x80_u8 + 13];
    older.extend(&saved[head..decoder.position()]);
    assert!(fields > 13 && SettlementBook::load(&older).is_err());
}

#[test]
fn an_image_of_another_machine_does_not_load() {
    let books = busy();
    assert!(CustomersBook::load(&books.settlement.state.save()).is_err());
    assert!(SettlementBook::load(&books.debtor.state.save()).is_err());
}

/// A state that was loaded goes on exactly as the one that was never saved.
#[test]
fn a_loaded_state_goes_on_as_the_saved_one() {
    let mut books = busy();
    let mut loaded = books.clone();
    loaded.settlement.state = SettlementBook::load(&books.settlement.state.save()).expect("loads");
    loaded.debtor.state = CustomersBook::load(&books.debtor.state.save()).expect("loads");
    loaded.creditor.state = CustomersBook::load(&books.creditor.state.save()).expect("loads");
    for books in [&mut books, &mut loaded] {
        let parts = OrderParts::of(Deal { payer: 1, payee: 2, ..Deal::number(6) });
        let _ = books.drive(now(), Route::of_client(parts.checked().expect("valid")));
    }
    assert_eq!(books.settlement.state, loaded.settlement.state);
    assert_eq!(books.debtor.state, loaded.debtor.state);
    assert_eq!(books.creditor.state, loaded.creditor.state);
    assert_eq!(books.settlement.facts, loaded.settlement.facts);
}
