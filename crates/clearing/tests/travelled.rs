//! What travelled by the travel rule, as both permits name it: the same two digests, or none.

use clearing::Rule;
use clearing::rule::RuleName::{self, PermitDiffers, TravelRuleDiffers};
use clearing::testkit::{Deal, OrderParts};
use record::{DutyClaim, Permit, Side, TRAVEL_RULE, TravelMark};
use seal::sha256;

fn travelled(message: u8, receipt: u8) -> TravelMark {
    TravelMark { message: sha256(&[message]), receipt: sha256(&[receipt]) }
}

fn tell(permit: &mut Permit, mark: TravelMark) {
    permit.travel = Some(mark);
    permit.layout = 2;
}

fn owe(permit: &mut Permit) {
    let due_at = permit.decided_at;
    permit.duties.push(DutyClaim { kind: TRAVEL_RULE.to_owned(), due_at });
}

fn checked(parts: &OrderParts) -> Result<(), Rule> {
    parts.checked().map(|_| ())
}

#[test]
fn each_way_in_which_one_permit_tells_otherwise_is_refused() {
    type Alter = fn(&mut Permit);
    let rows: [(&str, Alter, RuleName, &str); 4] = [
        ("layout 2 without", |p| p.layout = 2, PermitDiffers, "layout"),
        ("layout 1 with", |p| p.travel = Some(travelled(1, 2)), PermitDiffers, "layout"),
        ("on one side", |p| tell(p, travelled(1, 2)), TravelRuleDiffers, "message"),
        ("owed, and nothing told", owe, TravelRuleDiffers, "got none"),
    ];
    for (row, alter, name, said) in rows {
        for side in [Side::Debtor, Side::Creditor] {
            let mut parts = OrderParts::of(Deal::number(1));
            alter(if side == Side::Debtor { &mut parts.debtor } else { &mut parts.creditor });
            let rule = checked(&parts).expect_err(row);
            assert_eq!(rule.name, name, "{row} of the {side}: {rule}");
            assert!(rule.detail.contains(said), "{row} of the {side}: {rule}");
        }
    }
}

#[test]
fn what_travelled_must_be_the_same_on_both_sides() {
    // (told by the debtor's permit, by the creditor's, what the refusal names)
    let rows = [
        (travelled(1, 2), travelled(1, 2), None),
        (travelled(1, 2), travelled(3, 2), Some("message")),
        (travelled(1, 2), travelled(1, 3), Some("receipt")),
        // The message of another payment, with its own receipt.
        (travelled(1, 2), travelled(5, 6), Some("message")),
        (travelled(1, 2), travelled(2, 1), Some("message")),
    ];
    for (debtor, creditor, refused) in rows {
        let mut parts = OrderParts::of(Deal::number(1));
        for (permit, mark) in [(&mut parts.debtor, debtor), (&mut parts.creditor, creditor)] {
            owe(permit);
            tell(permit, mark);
        }
        match (refused, checked(&parts)) {
            (None, got) => got.unwrap(),
            (Some(field), got) => {
                let rule = got.expect_err(field);
                assert_eq!(rule.name, TravelRuleDiffers, "{rule}");
                assert!(rule.detail.contains(field), "{rule}");
            }
        }
    }
}
