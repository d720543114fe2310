//! The near-miss table: one row per field of a permit and of each document, and per state of the
//! books. Each row alters one thing of a valid order, names the rule that must refuse, and nothing
//! may have moved.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tables of a test: one row after the other"
)]

use core::time::Duration;

use clearing::order::is_on_record;
use clearing::rule::RuleName::{self, *};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, asset, blind, company, corridor, environment, funding,
    institution, mark, name, now, own_account, pack_notice, settlement_name, signed_trust_list,
    signer, snapshot, trust, trust_list,
};
use clearing::{
    CustomerAnswer, CustomerWork, Finish, Route, Rule, SettlementAnswer, SettlementWork,
    check_order,
};
use ledger::{Command, Freeze};
use record::{Action, Ending, FeeTaker, LimitClaim, LimitPeriod, PackStanding, Side, Signed};
use seal::{Digest, sha256};
use terms::{AccountId, Amount, Instant, Minor};

type Alter = fn(&mut OrderParts);
type AlterPermit = fn(&mut record::Permit);
type Change = fn(&mut Books);

/// What an attempt came to.
fn attempt(books: &mut Books, parts: &OrderParts, at: Instant, world: Change) -> Result<(), Rule> {
    let order = parts.checked()?;
    world(books);
    let before = books.clone();
    match books.drive(at, Route::of_client(order)) {
        Finish::Ended(Ending::Settled, _) => Ok(()),
        Finish::Ended(Ending::Refused(code), _) => {
            nothing_moved(&before, books);
            let name = RuleName::ALL.iter().find(|name| name.as_str() == code);
            Err(Rule::new(*name.expect("a rule's name"), code))
        }
        other => panic!("{other:?}"),
    }
}

fn nothing_moved(before: &Books, after: &Books) {
    let pairs = [
        (before.settlement.state.ledger(), after.settlement.state.ledger()),
        (before.debtor.state.ledger(), after.debtor.state.ledger()),
        (before.creditor.state.ledger(), after.creditor.state.ledger()),
    ];
    for (before, after) in pairs {
        after.audit().expect("the audit holds");
        assert_eq!(before.totals(), after.totals());
        for account in before.accounts() {
            let id = account.opening().id;
            assert_eq!(before.balances(id), after.balances(id), "account {id}");
        }
    }
}

fn refuses(row: &str, alter: Alter, world: Change, at: Instant, expected: RuleName, detail: &str) {
    let mut parts = OrderParts::of(Deal::number(1));
    alter(&mut parts);
    let mut books = Books::ready();
    let got = attempt(&mut books, &parts, at, world);
    let rule = got.expect_err(row);
    assert_eq!(rule.name, expected, "{row}: {rule}");
    assert!(rule.detail.contains(detail), "{row}: {rule}");
}

fn other() -> Digest {
    sha256(b"other")
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const AS_IT_IS: Change = |_| {};

#[test]
fn the_order_that_the_rows_alter_settles() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    assert_eq!(attempt(&mut books, &parts, now(), AS_IT_IS), Ok(()));
    let balance = |books: &Books, side, account| {
        let book = if side == Side::Debtor { &books.debtor } else { &books.creditor };
        book.state.ledger().balances(account).expect("an account").available
    };
    let paid = balance(&books, Side::Creditor, account(Side::Creditor, 0));
    assert_eq!(paid, ledger::Available::UpTo(Minor::new(100_000)));
    let left = balance(&books, Side::Debtor, account(Side::Debtor, 0));
    assert_eq!(left, ledger::Available::UpTo(Minor::new(5_000_000 - 68_400 - 25 - 150 - 35)));
}

const TERMS: &[(&str, Alter, RuleName, &str)] = &[
    ("environment", |p| p.terms.environment = name("production"), EnvironmentsDiffer, ""),
    ("book", |p| p.terms.book = name("other"), BooksDiffer, ""),
    (
        "pay as refund",
        |p| {
            p.terms.action = Action::Refund;
            p.terms.linked_payment = Some(Deal::number(9).payment());
        },
        PermitDiffers,
        "action",
    ),
    (
        "pay as return",
        |p| {
            p.terms.action = Action::Return;
            p.terms.linked_payment = Some(Deal::number(9).payment());
        },
        ActionNotServed,
        "",
    ),
    ("payment", |p| p.terms.payment = Deal::number(2).payment(), PermitDiffers, "payment"),
    ("corridor", |p| p.terms.corridor = name("nl-in"), SignerNotTrusted, "permit"),
    (
        "credited account",
        |p| {
            p.terms.credited_account = account(Side::Creditor, 1);
            p.relink_permits();
        },
        InvoiceDiffers,
        "account",
    ),
    (
        "payee name",
        |p| {
            p.terms.payee_name = "Company 1".into();
            p.relink_permits();
        },
        InvoiceDiffers,
        "payee name",
    ),
    (
        "debited amount",
        |p| {
            p.terms.debited = p.terms.debited.plus(p.quote.margin).unwrap();
            p.relink_permits();
        },
        QuoteDiffers,
        "debit",
    ),
    (
        "credited amount",
        |p| {
            p.terms.credited = p.terms.credited.plus(p.terms.credited).unwrap();
            p.relink_permits();
        },
        QuoteDiffers,
        "credit",
    ),
    (
        "one fee less",
        |p| {
            p.terms.fees.pop();
            p.relink_permits();
        },
        QuoteDiffers,
        "fees",
    ),
    (
        "fee's taker",
        |p| {
            p.terms.fees[0].taker = "operator".into();
            p.relink_permits();
        },
        QuoteDiffers,
        "fee taker",
    ),
    (
        "quote hash",
        |p| {
            p.terms.quote_hash = other();
            p.relink_permits();
        },
        QuoteDiffers,
        "digest",
    ),
    (
        "invoice hash",
        |p| {
            p.terms.invoice_hash = other();
            p.relink_permits();
        },
        InvoiceDiffers,
        "digest",
    ),
    (
        "purpose",
        |p| {
            p.terms.purpose = "SALA".into();
            p.relink_permits();
        },
        InvoiceDiffers,
        "purpose",
    ),
    (
        "expires at",
        |p| {
            p.terms.expires_at = p.terms.expires_at.plus(seconds(1));
            p.relink_permits();
        },
        QuoteDiffers,
        "expires_at",
    ),
    ("changed after the permits", |p| p.terms.purpose = "SALA".into(), PermitDiffers, "terms"),
];

#[test]
fn each_field_of_the_terms_is_refused_when_it_is_another() {
    for (row, alter, rule, detail) in TERMS.iter().copied() {
        refuses(row, alter, AS_IT_IS, now(), rule, detail);
    }
}

#[test]
fn terms_that_are_not_the_reading_of_the_string_are_refused() {
    let parts = OrderParts::of(Deal::number(1));
    let mut read = parts.terms.clone();
    read.debited_account = account(Side::Debtor, 1);
    let offered = blind(read.payment);
    let got = check_order(parts.order(), read, environment(), settlement_name(), &trust(), offered);
    assert_eq!(got.expect_err("refused").name, PermitDiffers);
}

const PERMIT: &[(&str, AlterPermit, RuleName, &str)] = &[
    ("layout", |p| p.layout = 2, PermitDiffers, "layout"),
    ("sandbox", |p| p.environment = name("production"), PermitDiffers, "environment"),
    ("corridor", |p| p.corridor = name("nl-in"), PermitDiffers, "corridor"),
    ("pay as return", |p| p.action = Action::Return, PermitDiffers, "action"),
    ("pay as refund", |p| p.action = Action::Refund, PermitDiffers, "action"),
    ("side", |p| p.side = p.side.other(), PermitDiffers, "side"),
    ("institution", |p| p.institution = name("bank-in"), SignerNotTrusted, "permit"),
    ("payment", |p| p.payment = Deal::number(2).payment(), PermitDiffers, "payment"),
    ("terms", |p| p.terms = other(), PermitDiffers, "terms"),
    ("pack", |p| p.basis.pack = other(), PackNotInForce, ""),
    ("schema", |p| p.basis.schema = other(), PackNotInForce, ""),
    ("snapshot", |p| p.basis.snapshot = other(), SnapshotTooOld, ""),
    ("statement sent", |p| p.statement_sent = other(), StatementsDiffer, "of the"),
    ("statement received", |p| p.statement_received = other(), StatementsDiffer, "of the"),
    (
        "acceptance",
        |p| p.acceptance = p.acceptance.map_or(Some(other()), |_| None),
        PermitDiffers,
        "acceptance",
    ),
    ("other acceptance", |p| p.acceptance = Some(other()), PermitDiffers, "acceptance"),
    ("another's edge", |p| p.mark = mark(p.side.other(), 1), PermitDiffers, "edge"),
    (
        "a limit on money that does not move",
        |p| {
            let amount = Amount::new(Minor::new(1), name("USD.2@tcb-sandbox"));
            let period = LimitPeriod::Month;
            p.limits = vec![LimitClaim { key: "mandate:1".into(), amount, period }];
        },
        PermitDiffers,
        "",
    ),
    (
        "a limit that is passed",
        |p| {
            let amount = Amount::new(Minor::new(10), asset(p.side));
            let period = LimitPeriod::BusinessDay;
            p.limits = vec![LimitClaim { key: "mandate:1".into(), amount, period }];
        },
        LimitExceeded,
        "",
    ),
    ("from the future", |p| p.decided_at = now().plus(seconds(6)), PermitFromTheFuture, ""),
    ("valid for too long", |p| p.valid_until = p.decided_at.plus(seconds(61)), PermitDiffers, ""),
    ("expired", |p| p.valid_until = now(), PermitExpired, ""),
];

#[test]
fn each_field_of_a_permit_is_refused_when_it_is_another() {
    for (row, alter, rule, detail) in PERMIT.iter().copied() {
        for side in [Side::Debtor, Side::Creditor] {
            let mut parts = OrderParts::of(Deal::number(1));
            alter(if side == Side::Debtor { &mut parts.debtor } else { &mut parts.creditor });
            let got = attempt(&mut Books::ready(), &parts, now(), AS_IT_IS).expect_err(row);
            assert_eq!(got.name, rule, "{row} of the {side}: {got}");
            assert!(got.detail.contains(detail), "{row} of the {side}: {got}");
        }
    }
}

#[test]
fn owners_are_checked_where_the_account_is() {
    // A dishonest edge signs for X's company that it may debit Y's account.
    refuses(
        "X orders from Y's account",
        |p| {
            p.terms.debited_account = account(Side::Debtor, 1);
            p.relink_permits();
        },
        AS_IT_IS,
        now(),
        OwnersDiffer,
        "",
    );
    let debtor: Alter = |p| p.debtor.owner = company(Side::Debtor, 1);
    refuses("debtor's owner", debtor, AS_IT_IS, now(), OwnersDiffer, "");
    let creditor: Alter = |p| p.creditor.owner = company(Side::Creditor, 1);
    refuses("creditor's owner", creditor, AS_IT_IS, now(), AcceptanceDiffers, "owner");
    let nobody: Alter = |p| {
        p.terms.debited_account = AccountId::from_bytes([0xee; 16]);
        p.relink_permits();
    };
    refuses("no such account", nobody, AS_IT_IS, now(), AccountUnknown, "");
}

#[test]
fn signers_are_those_that_the_lists_name_for_this_side() {
    let rows: Vec<(&str, Alter, &str)> = vec![
        ("quote by a stranger", |p| p.quote_signer = Who::Stranger, "quote"),
        ("quote by a bank", |p| p.quote_signer = Who::BankSg, "quote"),
        ("quote of an unlisted provider", |p| p.quote.provider = name("fx-other"), "quote"),
        ("debtor's permit by a stranger", |p| p.debtor_signer = Who::Stranger, "permit"),
        ("debtor's permit by the other bank", |p| p.debtor_signer = Who::BankSg, "permit"),
        ("creditor's permit by a stranger", |p| p.creditor_signer = Who::Stranger, "permit"),
        ("acceptance by the debtor's bank", |p| p.acceptance_signer = Who::BankNl, "acceptance"),
        ("acceptance by a stranger", |p| p.acceptance_signer = Who::Stranger, "acceptance"),
        (
            "both sides by A",
            |p| {
                (p.creditor.institution, p.creditor_signer) =
                    (institution(Side::Debtor), Who::BankNl);
            },
            "permit",
        ),
        (
            "the debtor's permit on both sides",
            |p| (p.creditor, p.creditor_signer) = (p.debtor.clone(), Who::BankNl),
            "permit",
        ),
    ];
    for (row, alter, detail) in rows {
        refuses(row, alter, AS_IT_IS, now(), SignerNotTrusted, detail);
    }
}

#[test]
fn one_key_listed_for_two_institutions_does_not_make_two_sides() {
    let mut view = trust();
    view.adopt(trust_list(Side::Creditor, 2, Who::BankNl));
    let mut parts = OrderParts::of(Deal::number(1));
    (parts.creditor_signer, parts.acceptance_signer) = (Who::BankNl, Who::BankNl);
    let got = parts.checked_against(&view).expect_err("one key");
    assert_eq!(got.name, OneKeyForBothSides);
}

#[test]
fn each_field_of_the_quote_is_refused_when_it_is_another() {
    let rows: Vec<(&str, Alter, &str)> = vec![
        ("layout", |p| p.quote.layout = 2, "layout"),
        ("environment", |p| p.quote.environment = name("production"), "environment"),
        ("payment", |p| p.quote.payment = Deal::number(2).payment(), "payment"),
        ("corridor", |p| p.quote.corridor = name("nl-in"), "corridor"),
        ("debit", |p| p.quote.debit.minor = Minor::new(1), "sum"),
        ("principal", |p| p.quote.principal.minor = Minor::new(1), "sum"),
        ("margin", |p| p.quote.margin.minor = Minor::new(26), "sum"),
        ("mid", |p| p.quote.mid.debit_units = Minor::new(685), "sum"),
        ("mid by nothing", |p| p.quote.mid.credit_units = Minor::ZERO, "sum"),
        ("fee", |p| p.quote.fees[0].amount.minor = Minor::new(151), "sum"),
        ("fee in another asset", |p| p.quote.fees[0].amount.asset = asset(Side::Creditor), "sum"),
        ("one fee more", |p| p.quote.fees.push(p.quote.fees[0].clone()), "sum"),
        (
            "one asset",
            |p| {
                p.quote.credit.asset = p.quote.debit.asset;
                p.invoice.amount.asset = p.quote.debit.asset;
                p.acceptance.amount.asset = p.quote.debit.asset;
            },
            "sum",
        ),
        ("at an earlier rate", |p| p.quote.at_rate_of = Some(other()), "a refund only"),
    ];
    for (row, alter, detail) in rows {
        let mut parts = OrderParts::of(Deal::number(1));
        alter(&mut parts);
        // The others follow, but for what the quote is bound to.
        let (payment, corridor_now, place) =
            (parts.terms.payment, corridor(), parts.terms.environment);
        parts.relink();
        (parts.terms.payment, parts.terms.corridor, parts.terms.environment) =
            (payment, corridor_now, place);
        parts.relink_permits();
        let got = attempt(&mut Books::ready(), &parts, now(), AS_IT_IS).expect_err(row);
        assert_eq!(got.name, QuoteDiffers, "{row}: {got}");
        assert!(got.detail.contains(detail), "{row}: {got}");
    }
    // What is bound by the digest alone.
    let by_digest: Vec<(&str, Alter)> = vec![
        ("quote id", |p| p.quote.quote = terms::QuoteId::from_bytes([9; 16])),
        ("source", |p| p.quote.mid.source = "other".into()),
        ("fee purpose", |p| p.quote.fees[0].purpose = "other".into()),
        ("fee taker", |p| p.quote.fees[0].taker = FeeTaker::Operator),
        ("issued at", |p| p.quote.issued_at = p.quote.issued_at.plus(seconds(1))),
        ("expires at", |p| p.quote.expires_at = p.quote.expires_at.plus(seconds(1))),
    ];
    for (row, alter) in by_digest {
        refuses(row, alter, AS_IT_IS, now(), QuoteDiffers, "digest");
    }
}

const INVOICE_AND_ACCEPTANCE: &[(&str, Alter, RuleName, &str)] = &[
    ("invoice layout", |p| p.invoice.layout = 2, InvoiceDiffers, "layout"),
    (
        "invoice environment",
        |p| p.invoice.environment = name("production"),
        InvoiceDiffers,
        "environment",
    ),
    ("amount", |p| p.invoice.amount.minor = Minor::new(1), InvoiceDiffers, "amount"),
    (
        "names Y with Z's account",
        |p| p.invoice.account = account(Side::Creditor, 1),
        AcceptanceDiffers,
        "account",
    ),
    (
        "creditor",
        |p| p.invoice.creditor = company(Side::Creditor, 1),
        AcceptanceDiffers,
        "creditor",
    ),
    ("institution", |p| p.invoice.institution = name("bank-in"), AcceptanceDiffers, "institution"),
    ("acceptance layout", |p| p.acceptance.layout = 2, AcceptanceDiffers, "layout"),
    (
        "acceptance environment",
        |p| p.acceptance.environment = name("production"),
        AcceptanceDiffers,
        "environment",
    ),
    (
        "acceptance of another payment",
        |p| p.acceptance.payment = Deal::number(2).payment(),
        AcceptanceDiffers,
        "payment",
    ),
    (
        "acceptance by another",
        |p| p.acceptance.institution = name("bank-in"),
        AcceptanceDiffers,
        "institution",
    ),
    (
        "acceptance for another account",
        |p| p.acceptance.account = account(Side::Creditor, 1),
        AcceptanceDiffers,
        "account",
    ),
    (
        "acceptance for another owner",
        |p| p.acceptance.owner = company(Side::Creditor, 1),
        AcceptanceDiffers,
        "owner",
    ),
    (
        "acceptance of another amount",
        |p| p.acceptance.amount.minor = Minor::new(1),
        AcceptanceDiffers,
        "amount",
    ),
];

#[test]
fn each_field_of_invoice_and_acceptance_is_refused_when_it_is_another() {
    for (row, alter, rule, detail) in INVOICE_AND_ACCEPTANCE.iter().copied() {
        let mut parts = OrderParts::of(Deal::number(1));
        alter(&mut parts);
        parts.relink();
        let got = attempt(&mut Books::ready(), &parts, now(), AS_IT_IS).expect_err(row);
        assert_eq!(got.name, rule, "{row}: {got}");
        assert!(got.detail.contains(detail), "{row}: {got}");
    }
    let by_digest: Vec<(&str, Alter)> = vec![
        ("number", |p| p.invoice.number = "INV-015".into()),
        ("invoice id", |p| p.invoice.invoice = terms::InvoiceId::from_bytes([9; 16])),
        ("due at", |p| p.invoice.due_at = p.invoice.due_at.plus(seconds(1))),
    ];
    for (row, alter) in by_digest {
        refuses(row, alter, AS_IT_IS, now(), InvoiceDiffers, "digest");
    }
    let invoice: Alter = |p| {
        p.acceptance.invoice = other();
        p.relink_permits();
    };
    refuses("acceptance of another invoice", invoice, AS_IT_IS, now(), AcceptanceDiffers, "");
}

/// A permit from A to B is worth nothing for A to C, nor one for another payment.
#[test]
fn permits_of_another_order_are_refused() {
    let to = |payee, number| OrderParts::of(Deal { payee, ..Deal::number(number) });
    let mut parts = to(1, 1);
    let first = to(0, 1);
    parts.debtor = first.debtor.clone();
    let got = parts.checked().expect_err("A to B used for A to C");
    assert_eq!((got.name, got.detail.contains("terms")), (PermitDiffers, true), "{got}");
    let mut parts = to(0, 2);
    (parts.debtor, parts.creditor) = (first.debtor, first.creditor);
    let got = parts.checked().expect_err("other payment");
    assert_eq!((got.name, got.detail.contains("payment")), (PermitDiffers, true), "{got}");
}

#[test]
fn each_deadline_is_judged_at_the_writers_stamp() {
    let parts = OrderParts::of(Deal::number(1));
    let at = |at| attempt(&mut Books::ready(), &parts, at, AS_IT_IS);
    let end = parts.debtor.valid_until;
    assert_eq!(at(end.minus(Duration::from_nanos(1))), Ok(()));
    assert_eq!(at(end).expect_err("expired").name, PermitExpired);
    // The edge's clock may be five seconds ahead.
    assert_eq!(at(now().minus(seconds(5))), Ok(()));
    let early = now().minus(Duration::from_nanos(5_000_000_001));
    assert_eq!(at(early).expect_err("early").name, PermitFromTheFuture);
    let rows: Vec<(&str, Alter, RuleName)> = vec![
        (
            "acceptance",
            |p| {
                p.acceptance.valid_until = now();
                p.relink_permits();
            },
            AcceptanceExpired,
        ),
        (
            "invoice",
            |p| {
                p.invoice.due_at = now();
                p.relink();
            },
            InvoiceExpired,
        ),
        (
            // A permit may not outlive the quote, so the quote's end is the permit's at latest.
            "permit beyond the quote",
            |p| {
                p.quote.expires_at = now();
                p.relink();
            },
            PermitDiffers,
        ),
        (
            "quote",
            |p| {
                p.quote.expires_at = now();
                (p.debtor.valid_until, p.creditor.valid_until) = (now(), now());
                p.relink();
            },
            QuoteExpired,
        ),
    ];
    for (row, alter, rule) in rows {
        refuses(row, alter, AS_IT_IS, now(), rule, "");
    }
}

const IN_FORCE: &[(&str, Change, RuleName)] = &[
    (
        "debtor's pack retired",
        |b| done(b, SettlementWork::NoticePack(pack_notice(Side::Debtor, PackStanding::Retired))),
        PackNotInForce,
    ),
    (
        "creditor's pack retired",
        |b| {
            done(b, SettlementWork::NoticePack(pack_notice(Side::Creditor, PackStanding::Retired)));
        },
        PackNotInForce,
    ),
    ("debtor's snapshot superseded", |b| supersede(b, Side::Debtor), SnapshotTooOld),
    ("creditor's snapshot superseded", |b| supersede(b, Side::Creditor), SnapshotTooOld),
    (
        "debtor's key removed after the check",
        |b| adopt(b, Side::Debtor, Who::Stranger),
        SignerNotTrusted,
    ),
    (
        "creditor's key removed after the check",
        |b| adopt(b, Side::Creditor, Who::Stranger),
        SignerNotTrusted,
    ),
    (
        "provider without liquidity",
        |b| drain(b, 2, 6, 20_000_000 - 99_999),
        ProviderLiquidityInsufficient,
    ),
    (
        "participant without liquidity",
        |b| drain(b, 1, 3, 15_000_000 - 68_459),
        ParticipantLiquidityInsufficient,
    ),
    (
        "payer without funds",
        |b| {
            let command =
                funding(0x77, account(Side::Debtor, 0), own_account(1), 5_000_000 - 68_609);
            let work = CustomerWork::Ledger { command: Box::new(command), reason: "out".into() };
            assert_eq!(b.tell(now(), Side::Debtor, work), CustomerAnswer::Done);
        },
        InsufficientFunds,
    ),
    (
        "payer's account frozen",
        |b| {
            let account = account(Side::Debtor, 0);
            let command = Command::SetFreeze { account, freeze: Freeze::Debits };
            let work = CustomerWork::Ledger { command: Box::new(command), reason: "court".into() };
            assert_eq!(b.tell(now(), Side::Debtor, work), CustomerAnswer::Done);
        },
        AccountFrozen,
    ),
];

#[test]
fn what_is_not_in_force_in_the_writers_turn_is_refused() {
    for (row, world, rule) in IN_FORCE.iter().copied() {
        refuses(row, |_| {}, world, now(), rule, "");
    }
}

fn done(books: &mut Books, work: SettlementWork) {
    assert_eq!(books.settle(now(), work).0, SettlementAnswer::Done);
}

fn adopt(books: &mut Books, side: Side, key: Who) {
    done(books, SettlementWork::AdoptTrustList(signed_trust_list(side, 2, key)));
}

fn supersede(books: &mut Books, side: Side) {
    let signed = Signed::sign(&snapshot(side, 2), &signer(side).key());
    done(books, SettlementWork::PublishSnapshot(Box::new(signed)));
}

fn drain(books: &mut Books, control: u8, of: u8, amount: u128) {
    let command = funding(0x77, own_account(of), own_account(control), amount);
    let reason = "out".to_owned();
    done(books, SettlementWork::Ledger { command: Box::new(command), reason });
}

const TWO_WRONG: &[(&str, Alter, Change, RuleName)] = &[
    (
        "environment before signer",
        |p| {
            p.terms.environment = name("production");
            p.quote_signer = Who::Stranger;
        },
        AS_IT_IS,
        EnvironmentsDiffer,
    ),
    (
        "signer before permit",
        |p| {
            p.debtor_signer = Who::Stranger;
            p.creditor.payment = Deal::number(2).payment();
        },
        AS_IT_IS,
        SignerNotTrusted,
    ),
    (
        "permit before quote",
        |p| {
            p.debtor.action = Action::Refund;
            p.quote.layout = 2;
        },
        AS_IT_IS,
        PermitDiffers,
    ),
    (
        "quote before statements",
        |p| {
            p.quote.layout = 2;
            p.debtor.statement_sent = other();
        },
        AS_IT_IS,
        QuoteDiffers,
    ),
    (
        "pack before snapshot",
        |p| (p.debtor.basis.pack, p.debtor.basis.snapshot) = (other(), other()),
        AS_IT_IS,
        PackNotInForce,
    ),
    (
        "snapshot before permit's end",
        |p| {
            p.creditor.basis.snapshot = other();
            p.debtor.valid_until = now();
        },
        AS_IT_IS,
        SnapshotTooOld,
    ),
    (
        "permit's end before liquidity",
        |p| p.creditor.valid_until = now(),
        |b| drain(b, 2, 6, 20_000_000),
        PermitExpired,
    ),
    (
        "provider before participant",
        |_| {},
        |b| {
            drain(b, 2, 6, 20_000_000);
            let command = funding(0x78, own_account(3), own_account(1), 15_000_000);
            let reason = "out".to_owned();
            done(b, SettlementWork::Ledger { command: Box::new(command), reason });
        },
        ProviderLiquidityInsufficient,
    ),
];

#[test]
fn the_first_rule_in_precedence_answers_when_two_are_wrong() {
    for (row, alter, world, rule) in TWO_WRONG.iter().copied() {
        refuses(row, alter, world, now(), rule, "");
    }
}

#[test]
fn a_reference_that_no_bank_carries_is_refused() {
    let parts = OrderParts::of(Deal::number(1));
    let too_long = "x".repeat(36);
    for bad in ["", "/a", "a//b", "INV_014", "Zürich", " a", too_long.as_str()] {
        for field in ["end_to_end_id", "instruction_id"] {
            let mut order = parts.order();
            let names = &mut order.identifiers;
            let place = if field == "end_to_end_id" {
                &mut names.end_to_end_id
            } else {
                &mut names.instruction_id
            };
            bad.clone_into(place);
            let got = check_order(
                order,
                parts.terms.clone(),
                environment(),
                settlement_name(),
                &trust(),
                blind(parts.terms.payment),
            );
            let rule = got.expect_err(bad);
            assert_eq!(rule.name, ReferencesMalformed, "{bad}");
            assert!(rule.detail.contains(field), "{bad}: {rule}");
        }
    }
}

/// An ending uses up the payment id: nobody causes one who has no permit or no quote for it.
#[test]
fn an_order_that_nobody_signed_for_is_not_recorded() {
    let of = |parts: &OrderParts, payment| {
        let rule = parts.checked().expect_err("a near miss");
        let order = parts.order();
        is_on_record(&rule, payment, (&order.debtor_permit, &order.quote), &trust())
    };
    let payment = Deal::number(1).payment();
    let table: [(Alter, bool); 8] = [
        (|parts| parts.debtor_signer = Who::Stranger, false),
        (|parts| parts.creditor_signer = Who::Stranger, false),
        (|parts| parts.quote_signer = Who::Stranger, false),
        (|parts| parts.terms.book = name("other"), false),
        // A genuine permit for another payment under this one's terms.
        (|parts| parts.debtor.payment = Deal::number(2).payment(), false),
        // A genuine quote for another payment: its provider quotes this one for its payer only.
        (|parts| parts.quote.payment = Deal::number(2).payment(), false),
        // The payer's institution decided for this payment, and something else does not fit.
        (|parts| parts.creditor.terms = Digest::ZERO, true),
        (|parts| parts.terms.credited.minor = Minor::new(999_999), true),
    ];
    for (number, (alter, recorded)) in table.into_iter().enumerate() {
        let mut parts = OrderParts::of(Deal::number(1));
        alter(&mut parts);
        assert_eq!(of(&parts, payment), recorded, "row {number}");
    }
}
