//! Steps of packs: golden bytes, transitions, and which payments a canary takes.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking"))]

use record::{Canary, First, PackStep, Side, Stage};
use seal::text::to_hex;
use seal::{Digest, from_canonical, to_canonical};
use terms::{CompanyId, Instant};

fn step(stage: Stage) -> PackStep {
    PackStep {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        side: Side::Debtor,
        pack: Digest::from_bytes([2; 32]),
        schema: Digest::from_bytes([3; 32]),
        step: 4,
        stage,
        reason: "trial".into(),
    }
}

/// Layout 1 in labelled pieces; never edited.
#[test]
fn a_step_has_its_golden_bytes() {
    let canary = Canary { share: 50, until: Instant::from_seconds(1_795_380_600) };
    let pieces = [
        ("head", "8b"),
        ("layout", "01"),
        ("environment", "6773616e64626f78"),
        ("book", "6a736574746c656d656e74"),
        ("institution", "6762616e6b2d6e6c"),
        ("corridor", "656e6c2d7367"),
        ("side", "00"),
        ("pack", &format!("5820{}", "02".repeat(32))),
        ("schema", &format!("5820{}", "03".repeat(32))),
        ("step", "04"),
        ("stage: canary", "820281821832"),
        ("until", "1b18ea7924b3a0b000"),
        ("reason", "65747269616c"),
    ];
    let golden: String = pieces.iter().map(|(_, hex)| *hex).collect();
    let bytes = to_canonical(&step(Stage::Canary(canary)));
    assert_eq!(to_hex(&bytes), golden);
    assert_eq!(from_canonical::<PackStep>(&bytes), Ok(step(Stage::Canary(canary))));
    for (stage, hex) in [
        (Stage::Draft, "820080"),
        (Stage::Shadow, "820180"),
        (Stage::Active, "820380"),
        (Stage::Retired, "820480"),
    ] {
        let bytes = to_hex(&to_canonical(&step(stage)));
        assert!(bytes.ends_with(&format!("04{hex}65747269616c")), "{bytes}");
    }
}

#[test]
fn a_pack_goes_through_its_stages_in_order() {
    let canary = Stage::Canary(Canary { share: 50, until: Instant::from_seconds(9) });
    let stages = [Stage::Draft, Stage::Shadow, canary, Stage::Active, Stage::Retired];
    let after = |before: Option<&Stage>, first| -> String {
        let may = stages.iter().filter(|next| next.may_follow(before, first));
        may.map(|next| next.word()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(after(None, First::No), "draft shadow");
    assert_eq!(after(None, First::Yes), "draft shadow active");
    let rows = stages.iter().map(|stage| after(Some(stage), First::No)).collect::<Vec<_>>();
    assert_eq!(
        rows,
        [
            "shadow retired",
            "canary active retired",
            "shadow canary active retired",
            "retired",
            "shadow active",
        ]
    );
}

#[test]
fn a_canary_takes_its_share_of_companies_and_a_larger_one_takes_them_too() {
    let until = Instant::from_seconds(9);
    let canary = |share: u16| Canary { share, until };
    let company = |n: u32| format!("nl-kvk:{n}").parse::<CompanyId>().unwrap();
    let pack = Digest::from_bytes([2; 32]);
    let takes = |share: u16, n: u32| canary(share).takes(pack, Side::Debtor, company(n));
    let taken = |share: u16| (0..10_000).filter(|n| takes(share, *n)).count();
    let (few, many) = (taken(50), taken(500));
    assert!((400..600).contains(&few), "{few}");
    assert!((4_800..5_200).contains(&many), "{many}");
    assert_eq!((taken(0), taken(1_000)), (0, 10_000));
    assert!((0..10_000).all(|n| !takes(50, n) || takes(500, n)));
    // Another pack, or another side, is tried on other companies.
    let other = Digest::from_bytes([3; 32]);
    let differ = |pack, side| {
        (0..1_000).filter(|n| canary(500).takes(pack, side, company(*n)) != takes(500, *n)).count()
    };
    assert!((400..600).contains(&differ(other, Side::Debtor)));
    assert!((400..600).contains(&differ(pack, Side::Creditor)));
}
