//! Duties of decisions in an institution's book: opened with the record, closed by their owner.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tables of a test: one row after the other"
)]

use core::time::Duration;

use clearing::rule::RuleName::{self, DutyDiffers, SignerNotTrusted};
use clearing::testkit::{
    Books, Deal, corridor, environment, institution, name, now, settlement_name,
};
use clearing::{CheckedParcel, CustomerAnswer, CustomerWork, CustomersBook, Rule, check_parcel};
use journal::{Image, Machine};
use record::{
    DutyClosing, DutyNotice, DutyOpened, EVIDENCE_ESCROW, Parcel, Side, Signed, Visibility,
};
use seal::{Digest, SigningKey, sha256};
use terms::{DecisionId, Position};

fn owner() -> SigningKey {
    SigningKey::from_seed(&[77; 32])
}

fn duty(kind: &str, hours: u64) -> DutyOpened {
    DutyOpened {
        environment: environment(),
        book: settlement_name(),
        institution: institution(Side::Debtor),
        corridor: corridor(),
        payment: Deal::number(1).payment(),
        side: Side::Debtor,
        decision: DecisionId::from_bytes([9; 16]),
        rule: format!("{kind}-rule"),
        kind: kind.to_owned(),
        owner: "compliance".to_owned(),
        closer: owner().public_key(),
        visibility: Visibility::Restricted,
        opened_at: now(),
        due_at: now().plus(Duration::from_secs(hours * 3600)),
    }
}

fn closing(duty: &DutyOpened) -> DutyClosing {
    DutyClosing {
        layout: 1,
        environment: duty.environment,
        book: duty.book,
        institution: duty.institution,
        duty: duty.id(),
        evidence: sha256(b"a report"),
        closed_at: now(),
    }
}

fn parcel(duties: Option<DutyNotice>) -> Parcel {
    Parcel {
        payment: Deal::number(1).payment(),
        side: Side::Debtor,
        kind: "decision".to_owned(),
        sealed: vec![1; 40].into(),
        duties,
    }
}

fn checked(parcel: Parcel) -> Result<CheckedParcel, Rule> {
    check_parcel(parcel, (environment(), settlement_name(), institution(Side::Debtor)))
}

fn store(books: &mut Books, notice: DutyNotice) {
    let parcel = checked(parcel(Some(notice))).unwrap();
    let answer = books.tell(now(), Side::Debtor, CustomerWork::Store(Box::new(parcel)));
    assert_eq!(answer, CustomerAnswer::Done);
}

fn close(books: &mut Books, closing: &DutyClosing, key: &SigningKey) -> Result<(), Rule> {
    let work = CustomerWork::CloseDuty(Box::new(Signed::sign(closing, key)));
    match books.tell(now(), Side::Debtor, work) {
        CustomerAnswer::Done => Ok(()),
        CustomerAnswer::Refused(rule) => Err(rule),
        other => panic!("{other:?}"),
    }
}

fn notice() -> DutyNotice {
    let escrow = duty(EVIDENCE_ESCROW, 0);
    let closed = vec![Signed::sign(&closing(&escrow), &owner())];
    DutyNotice { opened: vec![escrow, duty("review", 72), duty("report", 336)], closed }
}

#[test]
fn duties_open_in_the_append_of_the_record_and_what_was_done_is_closed_in_it() {
    let mut books = Books::ready();
    let before = books.debtor.facts.len();
    store(&mut books, notice());
    let kinds: Vec<u16> =
        books.debtor.facts[before..].iter().map(|(_, fact)| fact.kind.number).collect();
    assert_eq!(kinds, [34, 93, 93, 93, 94]);
    let duties = books.debtor.state.duties();
    assert_eq!(duties.count(), 2);
    assert_eq!(duties.overdue(now()), 0);
    assert_eq!(duties.overdue(now().plus(Duration::from_secs(72 * 3600))), 1);
    assert_eq!(duties.overdue(now().plus(Duration::from_secs(336 * 3600))), 2);
    // The record again opens nothing again.
    let facts = books.debtor.facts.len();
    store(&mut books, notice());
    assert_eq!(books.debtor.facts.len(), facts);
}

#[test]
fn a_duty_is_closed_once_and_with_one_evidence() {
    let mut books = Books::ready();
    store(&mut books, notice());
    let review = closing(&duty("review", 72));
    close(&mut books, &review, &owner()).unwrap();
    assert_eq!(books.debtor.state.duties().count(), 1);
    let facts = books.debtor.facts.len();
    // Said again, at another moment: done already.
    let later = DutyClosing { closed_at: now().plus(Duration::from_secs(9)), ..review.clone() };
    close(&mut books, &later, &owner()).unwrap();
    assert_eq!(books.debtor.facts.len(), facts);
    let other = DutyClosing { evidence: sha256(b"another"), ..review };
    assert_eq!(close(&mut books, &other, &owner()).unwrap_err().name, DutyDiffers);
}

#[test]
fn each_field_of_a_closing_is_refused_when_it_is_another() {
    type Change = fn(&mut DutyClosing);
    let rows: [(Change, &str); 6] = [
        (|c| c.layout = 2, "layout"),
        (|c| c.environment = name("production"), "environment"),
        (|c| c.book = name("another"), "book"),
        (|c| c.institution = name("bank-sg"), "institution"),
        (|c| c.duty = sha256(b"another"), "is not open here"),
        (|c| c.evidence = Digest::ZERO, "digest of what shows it"),
    ];
    let mut books = Books::ready();
    store(&mut books, notice());
    for (change, said) in rows {
        let mut word = closing(&duty("review", 72));
        change(&mut word);
        let rule = close(&mut books, &word, &owner()).unwrap_err();
        assert_eq!(rule.name, DutyDiffers, "{said}: {rule}");
        assert!(rule.detail.contains(said), "{said}: {rule}");
    }
    let word = closing(&duty("review", 72));
    let stranger = SigningKey::from_seed(&[78; 32]);
    assert_eq!(close(&mut books, &word, &stranger).unwrap_err().name, SignerNotTrusted);
    assert_eq!(books.debtor.state.duties().count(), 2);
    close(&mut books, &word, &owner()).unwrap();
}

#[test]
fn each_field_of_a_notice_is_refused_when_it_is_of_another_place() {
    type Change = fn(&mut DutyNotice);
    let rows: [(Change, RuleName, &str); 10] = [
        (|n| n.opened[1].environment = name("production"), DutyDiffers, "environment"),
        (|n| n.opened[1].book = name("another"), DutyDiffers, "book"),
        (|n| n.opened[1].institution = name("bank-sg"), DutyDiffers, "institution"),
        (|n| n.opened[1].payment = Deal::number(2).payment(), DutyDiffers, "payment"),
        (|n| n.opened[1].side = Side::Creditor, DutyDiffers, "side"),
        (|n| n.opened.clear(), DutyDiffers, "1 to 32"),
        (|n| n.opened = vec![duty("review", 1); 33], DutyDiffers, "1 to 32"),
        // Done, and never due.
        (|n| drop(n.opened.remove(0)), DutyDiffers, "is not open here"),
        // Done twice.
        (|n| n.closed.push(n.closed[0].clone()), DutyDiffers, "is not open here"),
        (
            |n| {
                n.closed[0] = Signed::sign(&closing(&n.opened[0]), &SigningKey::from_seed(&[1; 32]))
            },
            SignerNotTrusted,
            "",
        ),
    ];
    for (row, (change, refused, said)) in rows.into_iter().enumerate() {
        let mut notice = notice();
        change(&mut notice);
        let rule = checked(parcel(Some(notice))).map(|_| ()).unwrap_err();
        assert_eq!(rule.name, refused, "row {row}: {rule}");
        assert!(rule.detail.contains(said), "row {row}: {rule}");
    }
    checked(parcel(Some(notice()))).unwrap();
    checked(parcel(None)).unwrap();
}

#[test]
fn a_book_that_is_folded_again_or_loaded_knows_the_same_duties() {
    let mut books = Books::ready();
    store(&mut books, notice());
    close(&mut books, &closing(&duty("report", 336)), &owner()).unwrap();
    let state = &books.debtor.state;
    let loaded = CustomersBook::load(&state.save()).unwrap();
    assert_eq!(loaded.duties(), state.duties());
    let open: Vec<String> = loaded.duties().open().map(|(_, duty)| duty.kind.clone()).collect();
    assert_eq!(open, ["review"]);
    let mut again = loaded;
    let position = Position::new(u64::try_from(books.debtor.facts.len()).unwrap());
    let opened = record::FactBody::to_fact(
        &duty("report", 336),
        record::SaltSlot(0),
        record::Heading::default(),
    );
    again.apply(position, now(), &opened);
    assert_eq!(again.duties().count(), 2);
}
