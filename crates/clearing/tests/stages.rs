//! Packs go through stages, and nothing is posted under one that is not in force.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use core::time::Duration;
use std::collections::BTreeMap;

use clearing::testkit::{
    Books, COMPANIES, Deal, OrderParts, company, corridor, environment, institution, now, pack,
    pack_notice, schema, settlement_genesis, settlement_name, signer,
};
use clearing::{Action, Finish, Heard, Route, SettlementAnswer, SettlementWork};
use proptest::prelude::*;
use record::{Canary, Ending, PackStanding, PackStep, Side, Signed, Stage};
use seal::{Digest, sha256};
use terms::CompanyId;

/// The pack of the setup, and two newer ones.
fn digests() -> [Digest; 3] {
    [pack(Side::Debtor), sha256(b"newer"), sha256(b"newest")]
}

fn step(number: u64, pack: Digest, stage: Stage) -> PackStep {
    PackStep {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        institution: institution(Side::Debtor),
        corridor: corridor(),
        side: Side::Debtor,
        pack,
        schema: schema(),
        step: number,
        stage,
        reason: "a test".into(),
    }
}

fn take(books: &mut Books, step: &PackStep) -> Result<(), String> {
    let signed = Signed::sign(step, &signer(Side::Debtor).key());
    match books.settle(now(), SettlementWork::StagePack(Box::new(signed))).0 {
        SettlementAnswer::Done => Ok(()),
        SettlementAnswer::NotAccepted(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

const fn half() -> Stage {
    Stage::Canary(Canary {
        share: 500,
        until: terms::Instant::from_seconds(u64::MAX / 2_000_000_000),
    })
}

fn trial(share: u16) -> Stage {
    Stage::Canary(Canary { share, until: now().plus(Duration::from_secs(3_600)) })
}

fn order_of((number, payer): (u64, u8), pack: Digest) -> OrderParts {
    let mut parts = OrderParts::of(Deal { number, payer, payee: 0, credit: 1_000, at: now() });
    parts.debtor.basis.pack = pack;
    parts
}

fn pays(books: &mut Books, of: (u64, u8), pack: Digest) -> Ending {
    let order = order_of(of, pack).checked().expect("valid");
    match books.drive(now(), Route::of_client(order)) {
        Finish::Ended(ending, _) => ending,
        other => panic!("{other:?}"),
    }
}

fn pay(books: &mut Books, number: u64, pack: Digest) -> Ending {
    pays(books, (number, 0), pack)
}

fn not_in_force() -> Ending {
    Ending::Refused("PackNotInForce".into())
}

#[test]
fn a_pack_decides_only_in_its_stages_and_a_roll_back_is_one_step() {
    let mut books = Books::ready();
    let [old, new, _] = digests();
    assert_eq!(pay(&mut books, 1, old), Ending::Settled);
    assert_eq!(pay(&mut books, 2, new), not_in_force());
    take(&mut books, &step(1, new, Stage::Draft)).expect("a draft");
    assert_eq!(pay(&mut books, 3, new), not_in_force());
    // What a notice had put in force before the first step stays in force.
    assert_eq!(pay(&mut books, 4, old), Ending::Settled);
    take(&mut books, &step(2, new, Stage::Shadow)).expect("a shadow");
    assert_eq!(pay(&mut books, 5, new), not_in_force());
    take(&mut books, &step(3, new, Stage::Active)).expect("active");
    assert_eq!(pay(&mut books, 6, new), Ending::Settled);
    assert_eq!(pay(&mut books, 7, old), not_in_force());
    take(&mut books, &step(4, old, Stage::Active)).expect("a roll-back");
    assert_eq!(pay(&mut books, 8, old), Ending::Settled);
    assert_eq!(pay(&mut books, 9, new), not_in_force());
    let view = books.settlement.state.staged(institution(Side::Debtor), corridor(), Side::Debtor);
    assert_eq!(view.step, 4);
    assert_eq!((view.packs[&old].stage, view.packs[&new].stage), (Stage::Active, Stage::Retired));
    assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
}

#[test]
fn a_canary_takes_its_share_until_its_end_and_no_other_payment() {
    let mut books = Books::ready();
    let [old, new, _] = digests();
    take(&mut books, &step(1, new, Stage::Shadow)).expect("a shadow");
    let taken_by = |share: u16, payer| match trial(share) {
        Stage::Canary(canary) => canary.takes(new, Side::Debtor, company(Side::Debtor, payer)),
        other => panic!("{other:?}"),
    };
    // The first share that some of these few companies fall into, and others do not.
    let some = |share: &u16| (0..COMPANIES).filter(|payer| taken_by(*share, *payer)).count();
    let share = (1..=500).find(|share| some(share) > 0).expect("one");
    assert!(some(&share) < usize::from(COMPANIES));
    let taken = |payer| taken_by(share, payer);
    take(&mut books, &step(2, new, trial(share))).expect("a canary");
    let mut seen = BTreeMap::new();
    for number in 1..30 {
        let payer = u8::try_from(number % u64::from(COMPANIES)).expect("few");
        let expected = if taken(payer) { Ending::Settled } else { not_in_force() };
        // Whatever ids a wallet makes up, a company stays in the share, or out of it.
        assert_eq!(pays(&mut books, (number, payer), new), expected);
        *seen.entry(taken(payer)).or_insert(0) += 1;
        // The active pack decides all the others, and these too.
        assert_eq!(pays(&mut books, (100 + number, payer), old), Ending::Settled);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    let ended = Stage::Canary(Canary { share, until: now().plus(Duration::from_nanos(1)) });
    take(&mut books, &step(3, new, ended)).expect("a shorter canary");
    let payer = (0..COMPANIES).find(|payer| taken(*payer)).expect("one");
    let late = order_of((200, payer), new).checked().expect("valid");
    let at = now().plus(Duration::from_nanos(1));
    let finish = books.drive(at, Route::of_client(late));
    assert!(matches!(finish, Finish::Ended(ending, _) if ending == not_in_force()));
}

#[test]
fn no_pack_skips_the_shadow_because_the_one_before_was_retired() {
    let mut books = Books::ready();
    let [old, new, newest] = digests();
    take(&mut books, &step(1, old, Stage::Retired)).expect("retired");
    let why = take(&mut books, &step(2, new, Stage::Active)).expect_err("nothing to compare with");
    assert!(why.contains("a pack that is unknown does not become active"), "{why}");
    take(&mut books, &step(2, newest, Stage::Shadow)).expect("a shadow");
    take(&mut books, &step(3, newest, Stage::Active)).expect("active");
    assert_eq!(pay(&mut books, 1, newest), Ending::Settled);
}

#[test]
fn no_more_packs_are_in_use_than_are_remembered() {
    let mut books = Books::ready();
    let [old, new, _] = digests();
    let shadow = |number: u64| sha256(&number.to_be_bytes());
    // With the active one, 256.
    for number in 1..256 {
        take(&mut books, &step(number, shadow(number), Stage::Shadow)).expect("a shadow");
    }
    for stage in [Stage::Shadow, Stage::Draft] {
        let why = take(&mut books, &step(256, new, stage)).expect_err("too many");
        assert!(why.contains("retire some"), "{why}");
    }
    take(&mut books, &step(256, shadow(1), Stage::Retired)).expect("retired");
    take(&mut books, &step(257, new, Stage::Shadow)).expect("room again");
    let view = books.settlement.state.staged(institution(Side::Debtor), corridor(), Side::Debtor);
    assert_eq!((view.packs.len(), view.packs[&old].stage), (256, Stage::Active));
    assert!(!view.packs.contains_key(&shadow(1)));
}

#[test]
fn steps_that_do_not_fit_change_nothing() {
    let mut books = Books::ready();
    let [old, new, newest] = digests();
    let before = books.settlement.state.clone();
    let other_schema = PackStep { schema: sha256(b"x"), ..step(2, new, Stage::Active) };
    let table = [
        (step(2, new, Stage::Draft), "expected step 1, got 2"),
        (step(0, new, Stage::Draft), "expected step 1, got 0"),
        (step(1, new, trial(50)), "a pack that is unknown does not become canary"),
        (step(1, new, Stage::Active), "a pack that is unknown does not become active"),
        (step(1, new, Stage::Retired), "a pack that is unknown does not become retired"),
        (step(1, old, Stage::Shadow), "a pack that is active does not become shadow"),
        (PackStep { reason: "  ".into(), ..step(1, new, Stage::Draft) }, "expected a reason"),
        (PackStep { reason: "x".repeat(1_001), ..step(1, new, Stage::Draft) }, "expected a reason"),
        (PackStep { layout: 2, ..step(1, new, Stage::Draft) }, "another layout"),
        (
            PackStep {
                environment: "elsewhere".parse().expect("a name"),
                ..step(1, new, Stage::Draft)
            },
            "or environment",
        ),
        (
            PackStep { book: "elsewhere".parse().expect("a name"), ..step(1, new, Stage::Draft) },
            "another book",
        ),
    ];
    for (bad, why) in table {
        let refused = take(&mut books, &bad).expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(books.settlement.state, before);
    take(&mut books, &step(1, new, Stage::Shadow)).expect("a shadow");
    for (bad, why) in [
        (other_schema, "another schema"),
        (step(2, new, trial(0)), "expected 1 to 500 of 1000 companies"),
        (step(2, new, trial(501)), "expected 1 to 500 of 1000 companies"),
        (step(2, new, half()), "expected 1 to 500 of 1000 companies"),
        (step(2, newest, Stage::Active), "a pack that is unknown does not become active"),
    ] {
        let refused = take(&mut books, &bad).expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
    // Sent again, a step is done already; signed for another state of things, it is nothing.
    take(&mut books, &step(1, new, Stage::Shadow)).expect("the same again");
    take(&mut books, &step(2, new, Stage::Active)).expect("active");
    take(&mut books, &step(1, new, Stage::Shadow)).expect_err("an old step");
}

#[test]
fn a_restart_does_not_bring_back_what_was_retired() {
    let mut books = Books::ready();
    let [old, new, _] = digests();
    take(&mut books, &step(1, new, Stage::Shadow)).expect("a shadow");
    take(&mut books, &step(2, new, Stage::Active)).expect("active");
    let mut notice = |standing| {
        let work = SettlementWork::NoticePack(pack_notice(Side::Debtor, standing));
        books.settle(now(), work).0
    };
    // The edge with the older pack starts anew and says that its pack is in force.
    let SettlementAnswer::NotAccepted(why) = notice(PackStanding::InForce) else {
        panic!("the notice was taken")
    };
    assert!(why.contains("not in force"), "{why}");
    assert_eq!(notice(PackStanding::Retired), SettlementAnswer::Done);
    assert_eq!(pay(&mut books, 1, old), not_in_force());
    assert_eq!(pay(&mut books, 2, new), Ending::Settled);
}

/// What is in force by a list of steps, written without the book.
#[derive(Clone, Debug, Default)]
struct Model {
    active: Option<Digest>,
    canary: BTreeMap<Digest, Canary>,
}

impl Model {
    fn step(&mut self, pack: Digest, stage: Stage) {
        self.canary.remove(&pack);
        if self.active == Some(pack) {
            self.active = None;
        }
        match stage {
            Stage::Active => self.active = Some(pack),
            Stage::Canary(canary) => {
                self.canary.insert(pack, canary);
            }
            Stage::Draft | Stage::Shadow | Stage::Retired => {}
        }
    }

    fn in_force(&self, pack: Digest, payer: CompanyId) -> bool {
        let takes = |canary: &Canary| canary.takes(pack, Side::Debtor, payer);
        self.active == Some(pack) || self.canary.get(&pack).is_some_and(takes)
    }
}

/// One turn of one payment, or a step of a pack.
#[derive(Clone, Debug)]
enum Turn {
    Payment(prop::sample::Index, bool),
    Step(usize, u8),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        3 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(i, lost)| Turn::Payment(i, lost)),
        1 => (0_usize..3, 0_u8..5).prop_map(|(pack, stage)| Turn::Step(pack, stage)),
    ]
}

fn carry(books: &mut Books, route: &mut Route, lost: bool) -> bool {
    let action = route.next();
    if matches!(action, Action::Finished(_)) {
        return true;
    }
    let heard = books.carry(now(), route, action);
    route.hear(if lost { Heard::Unknown } else { heard });
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Roll-out and roll-back race with permits that are open: whatever the order of turns, a
    /// payment settles under a pack that is in force at that very turn, or not at all.
    #[test]
    fn no_interleaving_posts_under_a_pack_that_is_not_in_force(
        under in prop::collection::vec(0_usize..3, 2..8),
        turns in prop::collection::vec(turn(), 20..100),
    ) {
        let mut books = Books::ready();
        let packs = digests();
        let mut model = Model { active: Some(packs[0]), ..Model::default() };
        let mut routes: Vec<(Route, (Digest, CompanyId))> = (1..)
            .zip(&under)
            .map(|(number, which)| {
                let payer = u8::try_from(number % u64::from(COMPANIES)).expect("few");
                let order = order_of((number, payer), packs[*which]).checked().expect("valid");
                (Route::of_client(order), (packs[*which], company(Side::Debtor, payer)))
            })
            .collect();
        let mut number = 1;
        let look = |books: &Books, payment| {
            books.settlement.state.payment(payment).map(|entry| entry.ending.clone())
        };
        for turn in turns {
            match turn {
                Turn::Step(which, stage) => {
                    let stage =
                        [Stage::Draft, Stage::Shadow, trial(300), Stage::Active, Stage::Retired]
                            [usize::from(stage)];
                    if take(&mut books, &step(number, packs[which], stage)).is_ok() {
                        model.step(packs[which], stage);
                        number += 1;
                    }
                }
                Turn::Payment(index, lost) => {
                    let (route, (pack, payer)) = index.get_mut(&mut routes);
                    let payment = route.payment();
                    let before = look(&books, payment);
                    let _over = carry(&mut books, route, lost);
                    if before.is_none() && let Some(ending) = look(&books, payment) {
                        let expected = if model.in_force(*pack, *payer) {
                            Ending::Settled
                        } else {
                            not_in_force()
                        };
                        prop_assert_eq!(ending, expected);
                    }
                }
            }
        }
        for (route, _) in &mut routes {
            while !carry(&mut books, route, false) {}
        }
        prop_assert_eq!(books.debtor.state.open_holds().count(), 0);
        prop_assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
    }
}
