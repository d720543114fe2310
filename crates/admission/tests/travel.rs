//! The travel rule between two edges: what is told, what is refused, and what waits for it.
#![expect(
    clippy::unwrap_used,
    clippy::result_large_err,
    clippy::wildcard_enum_match_arm,
    reason = "a helper of tests may stop the test"
)]
#![expect(unreachable_pub, dead_code, reason = "support is shared with other tests")]

mod support;

use admission::{
    Answered, AskedToTell, Desk, ExchangeRefused, Prepared, Reply, Stated, StatedPayer,
    TravelRefused, Verdict, Wanted, answer_statement, decide_debtor, open_debtor_consent, prepare,
    state_payer,
};
use policy::{Pack, PackFiles, shipped};
use record::{
    NEUTRAL_CODE, RequestToPay, SEALED_TRAVEL, Side, Signed, TravelMessage, TravelReceipt,
};
use seal::{BoxSecretKey, DataKey, Digest, open_box, seal_box};
use support::*;
use terms::{Amount, Minor, PaymentId};
use travel_rule::{CompanyTransfer, read_exact};

/// A payment up to the payer's statement, and what the payee's side says to it.
struct Crossing {
    world: World,
    request: RequestToPay,
    stated: StatedPayer,
}

impl Crossing {
    fn of(world: World, asked: AskedToTell, pack: Option<&Pack>) -> Self {
        let request = world.request_to_pay().unwrap();
        let quote = world.signed_quote();
        let wanted = Wanted { request: &request, quote: &quote, refund_of: None };
        let payer = &world.payer_account;
        let customer = onboarding(payer.owner);
        let stated = world.at(Side::Debtor, |desk| {
            let desk = under(desk, pack);
            state_payer(&desk, wanted, payer, (&customer, asked), entropy(1)).unwrap()
        });
        Self { world, request, stated }
    }

    fn new() -> Self {
        Self::of(World::new(), AskedToTell::No, None)
    }

    fn message(&self) -> TravelMessage {
        self.stated.told.as_ref().unwrap().message.read_unverified().unwrap()
    }

    /// The payee's side answers to this sealed message.
    fn answered(
        &self,
        travel: Option<&[u8]>,
        pack: Option<&Pack>,
    ) -> Result<Answered, ExchangeRefused> {
        let quote = self.world.signed_quote();
        let wanted = Wanted { request: &self.request, quote: &quote, refund_of: None };
        let stated = &self.stated;
        self.world.at(Side::Creditor, |desk| {
            let said = Stated { wanted, sealed: &stated.sealed, terms: &stated.terms, travel };
            let payee = &self.world.payee_account;
            let desk = under(desk, pack);
            answer_statement(&desk, said, "bank-nl".parse().unwrap(), payee, entropy(2))
        })
    }

    fn told(&self) -> Option<&[u8]> {
        self.stated.told.as_ref().map(|told| told.sealed.as_slice())
    }

    /// The payer's side goes on with this receipt.
    fn prepared(
        &self,
        answered: &Answered,
        travel: Option<&Signed<TravelReceipt>>,
    ) -> Result<Prepared, ExchangeRefused> {
        let quote = self.world.signed_quote();
        let wanted = Wanted { request: &self.request, quote: &quote, refund_of: None };
        let reply = Reply { sealed: &answered.sealed, acceptance: &answered.acceptance, travel };
        let payer = &self.world.payer_account;
        self.world.at(Side::Debtor, |desk| prepare(desk, wanted, payer, &self.stated, reply))
    }
}

fn under<'a>(desk: &Desk<'a>, pack: Option<&'a Pack>) -> Desk<'a> {
    Desk { pack: pack.unwrap_or(desk.pack), ..*desk }
}

/// Signed by key `signer`, sealed to the box of key `to`, about `payment`.
fn sealed(message: &TravelMessage, signer: u8, to: u8, payment: PaymentId) -> Vec<u8> {
    let signed = Signed::sign(message, &key(signer));
    let to = BoxSecretKey::from_seed([to; 32]).public_key();
    seal_box(&to, SEALED_TRAVEL, &payment.bytes(), &signed.to_bytes(), [9; 32]).unwrap()
}

fn why(refused: Result<Answered, ExchangeRefused>) -> String {
    refused.map(|_| ()).unwrap_err().to_string()
}

fn pack(files: PackFiles<'_>) -> Pack {
    Pack::load(&files).unwrap()
}

/// A payment of less than what Singapore's rules ask about.
fn small() -> World {
    let mut world = World::new();
    let of = |minor, like: Amount| Amount::new(Minor::new(minor), like.asset);
    world.invoice.amount = of(120_000, world.invoice.amount);
    world.quote.credit = of(120_000, world.quote.credit);
    world.quote.debit = of(90_000, world.quote.debit);
    world
}

#[test]
fn the_message_tells_the_travel_rules_data_and_nothing_outside_the_statements_list() {
    let crossing = Crossing::new();
    let payment = crossing.world.quote.payment;
    let boxed = BoxSecretKey::from_seed([32; 32]);
    let plain = open_box(&boxed, SEALED_TRAVEL, &payment.bytes(), crossing.told().unwrap());
    let signed = Signed::<TravelMessage>::from_bytes(&plain.unwrap()).unwrap();
    let message = signed.verify(&key(11).public_key()).unwrap();
    let payload = read_exact(&message.payload).unwrap();
    let told = CompanyTransfer::told_by(&payload).unwrap();
    let stated = crossing.stated.statement.read_unverified().unwrap().party;
    let address = stated.address.unwrap();
    assert_eq!(told.payer.name.as_str(), stated.legal_name);
    assert_eq!(told.payer.account.as_str(), stated.account.to_string());
    assert_eq!(told.payer.address.street.as_str(), address.street);
    assert_eq!(told.payer.address.town.as_str(), address.town);
    assert_eq!(told.payer.lei.unwrap().as_str(), stated.lei.unwrap());
    assert_eq!(told.payee.name.as_str(), PAYEE_NAME);
    let account = crossing.world.payee_account.account.to_string();
    assert_eq!(told.payee.account.as_str(), account);
    // Every byte that crossed, opened: nothing but that, names of institutions, digests, a moment.
    let crossed = signed.to_bytes();
    none_stands_in(&crossed, &KEPT_HOME);
    none_stands_in(&crossed, &["68750110", "GDDS", "INV-014"]);
    // The digest that permits name tells nothing: the same data told again has another.
    let mut again = message.clone();
    again.blind = seal::Salt([7; 16]);
    assert_ne!(Signed::sign(&again, &key(11)).digest(), signed.digest());
    // Who has no key, or another's, reads nothing.
    let other = BoxSecretKey::from_seed([33; 32]);
    assert!(open_box(&other, SEALED_TRAVEL, &payment.bytes(), crossing.told().unwrap()).is_err());
}

#[test]
fn both_permits_name_the_same_message_and_receipt() {
    let world = World::new();
    let done = world.exchange();
    let permit = |verdict: &Verdict| match verdict {
        Verdict::Permit(permit) => permit.read_unverified().unwrap(),
        other => panic!("{other:?}"),
    };
    let debtor = permit(&world.debtor_decides(&done).verdict);
    let creditor = permit(&world.creditor_decides(&done).verdict);
    let mark = debtor.travel.unwrap();
    assert_eq!(creditor.travel, Some(mark));
    assert_eq!((debtor.layout, creditor.layout), (2, 2));
    assert_eq!(mark.message, done.stated.told.as_ref().unwrap().message.digest());
    assert_eq!(mark.receipt, done.answered.travel.as_ref().unwrap().digest());
    assert!(debtor.duties.iter().any(|duty| duty.kind == record::TRAVEL_RULE));
}

/// What a row changes, and the field that the refusal names.
type Row = (fn(&mut TravelMessage), &'static str);

#[test]
fn each_field_of_a_message_is_refused_when_it_is_another() {
    let crossing = Crossing::new();
    let payment = crossing.world.quote.payment;
    let rows: [Row; 10] = [
        (|m| m.layout = 2, "layout"),
        (|m| m.environment = "production".parse().unwrap(), "environment"),
        (|m| m.book = "another".parse().unwrap(), "book"),
        (|m| m.corridor = "sg-nl".parse().unwrap(), "corridor"),
        (|m| m.payment = PaymentId::from_bytes([6; 16]), "payment"),
        (|m| m.terms = Digest::ZERO, "terms"),
        (|m| m.side = Side::Creditor, "side"),
        (|m| m.from = "bank-sg".parse().unwrap(), "sender"),
        (|m| m.to = "bank-nl".parse().unwrap(), "receiver"),
        (|m| m.statement = Digest::ZERO, "statement"),
    ];
    for (change, field) in rows {
        let mut message = crossing.message();
        change(&mut message);
        let said = why(crossing.answered(Some(&sealed(&message, 11, 32, payment)), None));
        assert!(said.contains(&format!("`{field}`")), "{field}: {said}");
    }
    // As it was made, it is taken.
    let same = sealed(&crossing.message(), 11, 32, payment);
    assert!(crossing.answered(Some(&same), None).unwrap().travel.is_some());
}

#[test]
fn a_message_by_another_key_for_another_or_of_another_payment_is_refused() {
    let crossing = Crossing::new();
    let (message, payment) = (crossing.message(), crossing.world.quote.payment);
    let other = PaymentId::from_bytes([6; 16]);
    for (signer, to, about, said) in [
        (12, 32, payment, "key"),
        (13, 32, payment, "key"),
        (11, 31, payment, "does not open here"),
        (11, 32, other, "does not open here"),
    ] {
        let got = why(crossing.answered(Some(&sealed(&message, signer, to, about)), None));
        assert!(got.contains(said), "{signer} {to}: {got}");
    }
    let mut spoilt = crossing.told().unwrap().to_vec();
    *spoilt.last_mut().unwrap() ^= 1;
    assert!(why(crossing.answered(Some(&spoilt), None)).contains("does not open here"));
    // The message of another payment between the same parties, as it was sealed, and sealed anew.
    let mut world = World::new();
    world.quote.payment = other;
    let before = Crossing::of(world, AskedToTell::No, None);
    assert!(why(crossing.answered(before.told(), None)).contains("does not open here"));
    let anew = sealed(&before.message(), 11, 32, payment);
    assert!(why(crossing.answered(Some(&anew), None)).contains("`payment`"));
}

#[test]
fn a_payload_that_tells_less_more_or_something_else_is_refused() {
    let crossing = Crossing::new();
    let payment = crossing.world.quote.payment;
    let good = String::from_utf8(crossing.message().payload.to_vec()).unwrap();
    let rows = [
        (PAYER_NAME, "Brightwater Tool B.V.", "something else"),
        (PAYEE_NAME, "Lim Ceramics Ltd", "something else"),
        ("Amsterdam", "Rotterdam", "something else"),
        ("724500QHKL6MVSQQ1Z06", "724500QHKL6MVSQQ1Z17", "C11 ValidLei"),
        ("724500QHKL6MVSQQ1Z06", "506700T7Z685VUOZL877", "something else"),
        ("\"LEGL\"", "\"TRAD\"", "C5 LegalNamePresentLegalPerson"),
        ("\"GEOG\"", "\"BIZZ\"", "something else"),
        ("\"country\":\"NL\"", "\"country\":\"UK\"", "C3 ValidCountry"),
        ("{\"originator\"", "{ \"originator\"", "written otherwise"),
        (
            "\"geographicAddress\"",
            "\"customerIdentification\":\"1\",\"geographicAddress\"",
            "written otherwise",
        ),
        ("\"geographicAddress\"", "\"owners\":\"A. Jansen\",\"geographicAddress\"", "unknown"),
        (
            "\"countryOfRegistration\":\"NL\"",
            "\"customerIdentification\":\"1\",\"countryOfRegistration\":\"NL\"",
            "written otherwise",
        ),
    ];
    for (from, to, said) in rows {
        assert!(good.contains(from), "{from}");
        let mut message = crossing.message();
        message.payload = good.replacen(from, to, 1).into_bytes().into();
        let got = why(crossing.answered(Some(&sealed(&message, 11, 32, payment)), None));
        assert!(got.contains(said), "{to}: {got}");
    }
    // A customer number in its right place: well formed, valid, and more than the rule asks.
    let id = "\"nationalIdentification\"";
    let more = good.replacen(id, &format!("\"customerIdentification\":\"1\",{id}"), 1);
    let mut message = crossing.message();
    message.payload = more.into_bytes().into();
    let got = why(crossing.answered(Some(&sealed(&message, 11, 32, payment)), None));
    assert!(got.contains("something else"), "{got}");
}

#[test]
fn a_receipt_that_is_none_or_for_something_else_is_refused() {
    let crossing = Crossing::new();
    let answered = crossing.answered(crossing.told(), None).unwrap();
    let good = answered.travel.as_ref().unwrap();
    type Change = fn(&mut TravelReceipt);
    let rows: [(Change, &str); 9] = [
        (|r| r.layout = 2, "layout"),
        (|r| r.environment = "production".parse().unwrap(), "environment"),
        (|r| r.book = "another".parse().unwrap(), "book"),
        (|r| r.corridor = "sg-nl".parse().unwrap(), "corridor"),
        (|r| r.payment = PaymentId::from_bytes([6; 16]), "payment"),
        (|r| r.side = Side::Debtor, "side"),
        (|r| r.from = "bank-nl".parse().unwrap(), "sender"),
        (|r| r.to = "bank-sg".parse().unwrap(), "receiver"),
        (|r| r.message = Digest::ZERO, "message"),
    ];
    for (change, field) in rows {
        let mut receipt = good.read_unverified().unwrap();
        change(&mut receipt);
        let receipt = Signed::sign(&receipt, &key(12));
        let got = crossing.prepared(&answered, Some(&receipt)).map(|_| ()).unwrap_err();
        assert!(got.to_string().contains(&format!("`{field} of the receipt`")), "{field}: {got}");
    }
    // By our own key, or by nobody's.
    for signer in [11, 13] {
        let receipt = Signed::sign(&good.read_unverified().unwrap(), &key(signer));
        assert!(crossing.prepared(&answered, Some(&receipt)).is_err(), "{signer}");
    }
    let none = crossing.prepared(&answered, None).map(|_| ()).unwrap_err();
    assert_eq!(none, ExchangeRefused::Travel(TravelRefused::NoReceipt));
    assert!(crossing.prepared(&answered, Some(good)).is_ok());
}

#[test]
fn where_only_the_payees_rules_ask_the_payers_edge_tells_when_told_so() {
    // Singapore to the Netherlands, below Singapore's threshold: the Netherlands ask of every one.
    let (ours, theirs) = (pack(shipped::SG_NL), pack(shipped::NL_IN));
    let silent = Crossing::of(small(), AskedToTell::No, Some(&ours));
    assert!(silent.stated.told.is_none());
    let refused = silent.answered(None, Some(&theirs)).map(|_| ()).unwrap_err();
    assert_eq!(refused, ExchangeRefused::Travel(TravelRefused::Missing));
    let asked = Crossing::of(small(), AskedToTell::Yes, Some(&ours));
    let answered = asked.answered(asked.told(), Some(&theirs)).unwrap();
    assert!(answered.travel.is_some());
    // Where nobody asks, nothing is told, and a receipt of nothing is refused.
    let quiet = silent.answered(None, None).unwrap();
    assert!(quiet.travel.is_none());
    let odd = silent.prepared(&quiet, answered.travel.as_ref()).map(|_| ()).unwrap_err();
    assert_eq!(odd, ExchangeRefused::Travel(TravelRefused::NotTold));
}

#[test]
fn no_permit_leaves_while_the_duty_is_due_and_nothing_was_told() {
    // Nothing was asked when the statements crossed; the rules that decide ask of every payment.
    let ours = pack(shipped::SG_NL);
    let crossing = Crossing::of(small(), AskedToTell::No, Some(&ours));
    let answered = crossing.answered(None, None).unwrap();
    let prepared = crossing.prepared(&answered, None).unwrap();
    let (world, request) = (crossing.world.clone(), crossing.request.clone());
    let quote = world.signed_quote();
    let done = Exchanged { request, quote, stated: crossing.stated.clone(), answered, prepared };
    let vp_token = world.present(done.prepared.ask.as_ref().unwrap(), &world.payer, 3);
    let decided = world.at(Side::Debtor, |desk| {
        let open = open_debtor_consent(desk, &done.consented(Side::Debtor)).unwrap();
        let data_key = DataKey::from_bytes([51; 32]);
        decide_debtor(desk, &open, &vp_token, &world.inputs("bank-nl.1", &data_key))
    });
    assert_eq!(decided.record.determining, ["travel-rule-undone"]);
    let Verdict::Refusal { told, .. } = &decided.verdict else { panic!("{:?}", decided.verdict) };
    assert_eq!(told.code, NEUTRAL_CODE);
}

#[test]
fn a_payers_data_that_the_message_does_not_hold_is_refused_before_anything_crosses() {
    let world = World::new();
    let request = world.request_to_pay().unwrap();
    let quote = world.signed_quote();
    let wanted = Wanted { request: &request, quote: &quote, refund_of: None };
    type Change = fn(&mut admission::Onboarding);
    let rows: [(Change, &str); 4] = [
        (|c| c.lei = Some("724500QHKL6MVSQQ1Z17".to_owned()), "check digits"),
        (|c| c.address.street = String::new(), "payer's street"),
        (|c| c.address.town = "x".repeat(36), "payer's town"),
        (|c| c.address.country = "UK".parse().unwrap(), "C3 ValidCountry"),
    ];
    for (change, said) in rows {
        let mut customer = onboarding(world.payer_account.owner);
        change(&mut customer);
        let got = world.at(Side::Debtor, |desk| {
            let who = (&customer, AskedToTell::No);
            state_payer(desk, wanted, &world.payer_account, who, entropy(1)).map(|_| ())
        });
        let got = got.unwrap_err().to_string();
        assert!(got.contains(said), "{said}: {got}");
    }
}
