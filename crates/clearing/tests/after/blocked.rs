//! Money that the law freezes, and money that waits while a case is open.

use super::*;

fn block_order(extent: BlockExtent) -> BlockOrder {
    BlockOrder {
        layout: 1,
        environment: environment(),
        institution: institution(Side::Debtor),
        block: TransactionId::from_bytes([0x66; 16]),
        account: account(Side::Debtor, 0),
        owner: company(Side::Debtor, 0),
        extent,
        legal_basis: "Sanctiewet 1977, article 2".to_owned(),
        authority: "Ministerie van Financiën".to_owned(),
        ordered_at: now(),
    }
}

fn block(books: &mut Books, order: &BlockOrder) -> CustomerAnswer {
    let signed = Box::new(Signed::sign(order, &Who::BankNl.key()));
    books.tell(now(), Side::Debtor, CustomerWork::After(AfterCustomerWork::Block(signed)))
}

fn release(books: &mut Books, to: ReleaseTo) -> CustomerAnswer {
    let document = BlockRelease {
        layout: 1,
        environment: environment(),
        institution: institution(Side::Debtor),
        block: TransactionId::from_bytes([0x66; 16]),
        to,
        legal_basis: "licence 2026/17".to_owned(),
        valid_until: now().plus(Duration::from_secs(60)),
    };
    let approvers = [Who::Operator, Who::Payee].map(|who| who.key().public_key()).into();
    let [first, second] =
        [Who::Operator, Who::Payee].map(|who| Signed::sign(&document, &who.key()));
    let checked = Box::new(check_two_persons(TwoPersons { first, second }, &approvers).unwrap());
    books.tell(now(), Side::Debtor, CustomerWork::After(AfterCustomerWork::Release(checked)))
}

#[test]
fn a_return_to_a_payer_now_blocked_lies_blocked_until_two_release_it() {
    for (to, standing) in [
        (ReleaseTo::Owner, CreditStanding::Posted),
        (ReleaseTo::Account(account(Side::Debtor, 2)), CreditStanding::Elsewhere),
    ] {
        let mut books = books();
        let original = pay_into_suspense(&mut books, 1);
        let had = payer(&books);
        assert_eq!(
            block(&mut books, &block_order(BlockExtent::AllAndComing)),
            CustomerAnswer::Done
        );
        assert_eq!(payer(&books), 0, "what was there is blocked");
        let parts = ReturnParts::quoted(&original, 2, PAID);
        let back = parts.order.credited.minor.units();
        assert_eq!(give_back(&mut books, &original, &parts), Ok(()));
        let blocked = own_account(BLOCKED_ROLE);
        assert_eq!(held_by(&books, Side::Debtor, blocked), had + back, "what comes in, too");
        let standing_of = |books: &Books| books.debtor.state.credit_standing(parts.order.payment);
        assert_eq!(standing_of(&books), CreditStanding::Blocked);
        assert_eq!(standing_of(&books).state().iso_20022(), "BLCK");
        // A blocked payer cannot pay, and is told no more than to ask its bank.
        let order = OrderParts::of(Deal::number(3)).checked().unwrap();
        let finish = books.drive(now(), Route::of_client(order));
        assert_eq!(ended(&finish), Err(PartySuspended));
        for _ in 0..2 {
            assert_eq!(release(&mut books, to), CustomerAnswer::Done);
            assert_eq!(held_by(&books, Side::Debtor, blocked), 0);
        }
        assert_eq!(standing_of(&books), standing);
        let got = if to == ReleaseTo::Owner { payer(&books) } else { 0 };
        assert_eq!(got, if to == ReleaseTo::Owner { had + back } else { 0 });
        sound(&books);
    }
}

#[test]
fn a_block_names_its_owner_law_and_authority_and_takes_no_more_than_is_there() {
    let mut books = books();
    let good = block_order(BlockExtent::Part(Amount::new(Minor::new(500), asset(Side::Debtor))));
    let too_much = Amount::new(Minor::new(PAYER_FUNDS + 1), asset(Side::Debtor));
    let table = [
        (BlockOrder { owner: company(Side::Debtor, 1), ..good.clone() }, OwnersDiffer),
        (BlockOrder { institution: institution(Side::Creditor), ..good.clone() }, OwnersDiffer),
        (BlockOrder { legal_basis: String::new(), ..good.clone() }, LinkDiffers),
        (BlockOrder { authority: String::new(), ..good.clone() }, LinkDiffers),
        (BlockOrder { account: own_account(9), ..good.clone() }, AccountUnknown),
        (BlockOrder { extent: BlockExtent::Part(too_much), ..good.clone() }, InsufficientFunds),
    ];
    for (order, rule) in table {
        let answer = block(&mut books, &order);
        assert!(matches!(&answer, CustomerAnswer::Refused(r) if r.name == rule), "{answer:?}");
    }
    for _ in 0..2 {
        assert_eq!(block(&mut books, &good), CustomerAnswer::Done);
        assert_eq!(PAYER_FUNDS - payer(&books), 500, "once");
    }
    let other = BlockOrder { authority: "another".to_owned(), ..good };
    assert!(matches!(block(&mut books, &other), CustomerAnswer::Refused(_)));
    assert!(matches!(
        release(&mut books, ReleaseTo::Account(own_account(9))),
        CustomerAnswer::Refused(_)
    ));
    sound(&books);
}

fn case(books: &mut Books, change: CaseChange) -> CustomerAnswer {
    let notice = CaseNotice {
        layout: 1,
        environment: environment(),
        institution: institution(Side::Creditor),
        case: TransactionId::from_bytes([0x55; 16]),
        account: account(Side::Creditor, 0),
        change,
        decided_at: now(),
    };
    let signed = Box::new(Signed::sign(&notice, &Who::BankSg.key()));
    books.tell(now(), Side::Creditor, CustomerWork::After(AfterCustomerWork::Case(signed)))
}

#[test]
fn while_a_case_is_open_a_credit_waits_and_is_then_posted_or_owed_back() {
    for posts in [true, false] {
        let mut books = books();
        let closing = if posts { CaseChange::Post } else { CaseChange::GiveBack };
        assert!(matches!(case(&mut books, closing), CustomerAnswer::Refused(_)), "none is open");
        for _ in 0..2 {
            assert_eq!(case(&mut books, CaseChange::Open), CustomerAnswer::Done);
        }
        let original = pay(&mut books, 1, PAID);
        let standing = |books: &Books| books.creditor.state.credit_standing(original.payment());
        assert_eq!(standing(&books), CreditStanding::Waiting);
        assert_eq!((standing(&books).state().iso_20022(), payee(&books)), ("ACWP", 0));
        let waiting = ReturnParts::quoted(&original, 2, PAID);
        assert_eq!(give_back(&mut books, &original, &waiting), Err(LedgerRefuses), "case open");
        for _ in 0..2 {
            assert_eq!(case(&mut books, closing), CustomerAnswer::Done);
        }
        assert!(matches!(case(&mut books, CaseChange::Open), CustomerAnswer::Refused(_)), "used");
        if posts {
            assert_eq!((standing(&books), payee(&books)), (CreditStanding::Posted, PAID));
        } else {
            assert_eq!((standing(&books), payee(&books)), (CreditStanding::Suspense, 0));
            let owed = books.creditor.state.returns().of(original.payment());
            assert_eq!(owed.map(|one| one.amount.minor.units()), Some(PAID), "owed back");
            let mut parts = ReturnParts::quoted(&original, 3, PAID);
            parts.consent = None;
            assert_eq!(give_back(&mut books, &original, &parts), Ok(()));
            let left = PAID - parts.order.amount.minor.units();
            let owed = books.creditor.state.returns().of(original.payment());
            assert_eq!(owed.map_or(0, |one| one.amount.minor.units()), left);
        }
        sound(&books);
    }
}

/// All there is, and all that comes: whichever way it comes.
#[test]
fn a_block_takes_what_comes_by_a_line_out_of_a_case_and_out_of_a_hold() {
    let blocked = own_account(BLOCKED_ROLE);
    let mut books = books();
    let had = payer(&books);
    // A hold is open at the block, and a case.
    let order = OrderParts::of(Deal::number(3));
    let hold = CustomerWork::Hold(Box::new(order.checked().unwrap()));
    let held = books.tell(now(), Side::Debtor, hold);
    assert!(matches!(held, CustomerAnswer::Held(_)), "{held:?}");
    assert_eq!(block(&mut books, &block_order(BlockExtent::AllAndComing)), CustomerAnswer::Done);
    let held = had - held_by(&books, Side::Debtor, blocked);
    assert!(held > 0, "what is held is the payment's until it ends");
    let reason = record::ReleaseReason::NeverSettled(Position::ZERO);
    for _ in 0..2 {
        let freed = CustomerWork::Release(order.terms.payment, reason);
        assert_eq!(books.tell(now(), Side::Debtor, freed), CustomerAnswer::Done);
        assert_eq!(held_by(&books, Side::Debtor, blocked), had, "and then blocked");
        assert_eq!(payer(&books), 0);
    }
    fund_payer(&mut books, 700);
    assert_eq!((payer(&books), held_by(&books, Side::Debtor, blocked)), (0, had + 700));
    let amount = books.debtor.state.blocks().next().map(|(_, entry)| entry.amount.minor.units());
    assert_eq!(amount, Some(had + 700), "the block knows what it blocks");
    assert_eq!(release(&mut books, ReleaseTo::Owner), CustomerAnswer::Done);
    assert_eq!((payer(&books), held_by(&books, Side::Debtor, blocked)), (had + 700, 0));
    assert_eq!(books.debtor.state, books.debtor.refolded(Side::Debtor));
    books.debtor.state.ledger().audit().unwrap();
}

/// A line for an account about which a case is open goes to suspense: a person must say.
#[test]
fn a_line_does_not_pass_by_an_open_case() {
    let mut books = books();
    let notice = CaseNotice {
        layout: 1,
        environment: environment(),
        institution: institution(Side::Debtor),
        case: TransactionId::from_bytes([0x56; 16]),
        account: account(Side::Debtor, 0),
        change: CaseChange::Open,
        decided_at: now(),
    };
    let tell = |books: &mut Books, change| {
        let signed = Signed::sign(&CaseNotice { change, ..notice.clone() }, &Who::BankNl.key());
        let work = AfterCustomerWork::Case(Box::new(signed));
        books.tell(now(), Side::Debtor, CustomerWork::After(work))
    };
    assert_eq!(tell(&mut books, CaseChange::Open), CustomerAnswer::Done);
    // A return waits for the case, and a line does not pass it by.
    let original = pay_into_suspense_of_open_case(&mut books);
    let had = payer(&books);
    fund_payer(&mut books, 700);
    assert_eq!(payer(&books), had);
    // Then the law blocks all that comes, and the case closes.
    assert_eq!(block(&mut books, &block_order(BlockExtent::AllAndComing)), CustomerAnswer::Done);
    let blocked = held_by(&books, Side::Debtor, own_account(BLOCKED_ROLE));
    assert_eq!(tell(&mut books, CaseChange::Post), CustomerAnswer::Done);
    let back = original.1;
    assert_eq!(payer(&books), 0);
    assert_eq!(held_by(&books, Side::Debtor, own_account(BLOCKED_ROLE)), blocked + back);
    let standing = books.debtor.state.credit_standing(original.0);
    assert_eq!(standing, CreditStanding::Blocked);
    let amount = books.debtor.state.blocks().next().map(|(_, entry)| entry.amount.minor.units());
    assert_eq!(amount, Some(blocked + back));
    assert_eq!(books.debtor.state, books.debtor.refolded(Side::Debtor));
}

/// A payment that comes back to the payer while a case about it is open: its id and how much.
fn pay_into_suspense_of_open_case(books: &mut Books) -> (terms::PaymentId, u128) {
    let original = pay_into_suspense(books, 1);
    let parts = ReturnParts::quoted(&original, 2, PAID);
    assert_eq!(give_back(books, &original, &parts), Ok(()));
    let payment = parts.order.payment;
    assert_eq!(books.debtor.state.credit_standing(payment), CreditStanding::Waiting);
    (payment, parts.order.credited.minor.units())
}

fn fund_payer(books: &mut Books, units: u128) {
    let asked = CustomerFunding {
        line: record::LineId(seal::sha256(b"a line")),
        settled: Position::ZERO,
        account: account(Side::Debtor, 0),
        amount: Amount::new(Minor::new(units), asset(Side::Debtor)),
    };
    for _ in 0..2 {
        let work = CustomerWork::Fund(asked);
        assert_eq!(books.tell(now(), Side::Debtor, work), CustomerAnswer::Done);
    }
}
