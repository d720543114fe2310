use ledger::{LimitKey, Side};
use seal::Digest;
use terms::{HoldId, TransactionId};

use super::*;

const A: AccountId = AccountId::from_bytes([1; 16]);
const B: AccountId = AccountId::from_bytes([2; 16]);
const H: HoldId = HoldId::from_bytes([3; 16]);
const T: TransactionId = TransactionId::from_bytes([4; 16]);
const FIVE: Minor = Minor::new(5);
const SIX: Minor = Minor::new(6);

/// Each rule, with what its problem says was expected and what came.
fn table() -> Vec<(Refusal, &'static str, &'static str)> {
    use Refusal as R;
    let asset = "EUR.2@bank".parse().unwrap();
    let (key, day) = (LimitKey(Digest::ZERO), terms::BusinessDate::from_days(1));
    let (stamp, got) = (Instant::from_seconds(1), Instant::from_seconds(0));
    vec![
        (R::IdUsedWithOtherContent { field: "reason" }, "the first `reason`", "another"),
        (R::EntriesOutOfRange { max: 64, got: 0 }, "1 to 64 entries", "0"),
        (R::LimitsOutOfRange { max: 8, got: 9 }, "at most 8", "9"),
        (R::LinksOutOfRange { max: 8, got: 9 }, "at most 8", "9"),
        (R::MetadataOutOfRange { max: 8, got: 9 }, "at most 8", "9"),
        (R::MetadataTooLarge { max: 8, got: 9 }, "at most 8", "9"),
        (R::AmountMustBePositive { account: A }, "above 0", "0"),
        (R::WeightMustBePositive { account: A }, "a weight above 0", "0"),
        (R::HoldsMustDiffer { hold: H }, "each hold once", "hold_03030303"),
        (R::LimitsMustDiffer { key }, "each total once", "twice"),
        (R::UnknownAccount { account: A }, "an account of this book", "acct_01010101"),
        (R::UnknownHold { hold: H }, "a hold of this book", "hold_03030303"),
        (R::HoldAlreadyPosted { hold: H, transaction: T }, "an open hold", "posted by txn_0404"),
        (R::HoldAlreadyVoided { hold: H }, "an open hold", "voided"),
        (R::HoldAlreadyExpired { hold: H }, "an open hold", "expired"),
        (R::HoldAlreadyPinned { hold: H }, "a hold that is not pinned", "pinned"),
        (R::EvidenceRequired { hold: H }, "evidence that nothing was done", "none"),
        (R::HoldAccountDiffers { expected: A, got: B }, "acct_0101", "acct_0202"),
        (R::HoldSideDiffers { expected: Side::Debit, got: Side::Credit }, "debit", "credit"),
        (R::AmountExceedsHold { hold: H, expected: FIVE, got: SIX }, "5 minor", "6 minor"),
        (R::HoldPartsOutOfRange { hold: H, max: 256 }, "at most 256 parts", "one more"),
        (R::RemaindersMustDiffer { asset }, "one remainder of EUR.2@bank", "two"),
        (R::SharesMustFaceOneWay { asset }, "shares of EUR.2@bank on one side", "both sides"),
        (
            R::EverythingMustBeBounded { account: A, side: Side::Debit },
            "a floor or ceiling",
            "none",
        ),
        (R::NothingToMove, "something to move", "nothing"),
        (R::LimitAssetDiffers { got: asset }, "an asset that moves", "EUR.2@bank"),
        (
            R::DebitsMustEqualCredits { asset, debits: FIVE, credits: SIX },
            "credits of 0.05 EUR.2@bank",
            "0.06",
        ),
        (
            R::ExpiryMustBeLater { stamp, got },
            "after 1970-01-01T00:00:01.0",
            "1970-01-01T00:00:00.0",
        ),
        (R::LimitPeriodOver { key, expected: day, got: day }, "from 1970-01-02", "1970-01-02"),
        (R::LimitPeriodTooFar { key, expected: day, got: day }, "to 1970-01-02", "1970-01-02"),
        (R::AccountClosed { account: A }, "an open account", "closed"),
        (R::AccountFrozen { account: A, side: Side::Debit }, "an account that is not", "frozen"),
        (R::AmountTooLarge { account: A }, "a sum within 128 bits", "more"),
        (R::InsufficientFunds { account: A, expected: FIVE, got: SIX }, "5 minor", "6 minor"),
        (R::CeilingExceeded { account: A, expected: FIVE, got: SIX }, "5 minor", "6 minor"),
        (R::VelocityAmountExceeded { key, expected: FIVE, got: SIX }, "5 minor", "6 minor"),
        (R::VelocityCountExceeded { key, expected: 5, got: 6 }, "5", "6"),
        (R::BalanceOutsideLimits { account: A }, "a balance within the limits", "outside"),
        (R::AccountNotEmpty { account: A }, "no balance and no hold", "a balance or a hold"),
    ]
}

#[test]
fn each_refusal_becomes_its_problem() {
    let assets = Assets::default();
    let scale = Scale { assets: &assets, holds: &[] };
    let (position, stamp) = (Position::new(7), Instant::from_seconds(9));
    let at = Place { position, stamp, dry_run: false };
    for (refusal, expected, got) in table() {
        let conflict = matches!(refusal, Refusal::IdUsedWithOtherContent { .. });
        let rule = snake(refusal.rule_name());
        let outcome = Outcome::Refused { refusal: refusal.clone() };
        let problem = told(&outcome, at, scale).unwrap_err().into_document();
        let said: Value = serde_json::from_slice(&to_json(&problem)).unwrap();
        let (status, outcome) = if conflict { (409, "conflict") } else { (422, "refused") };
        assert_eq!(
            (&said["status"], &said["outcome"]),
            (&json!(status), &json!(outcome)),
            "{rule}"
        );
        assert_eq!(said["rule"], json!(rule));
        assert_eq!(said["may_retry"], json!(refusal.may_retry_help()), "{rule}");
        assert_eq!(may_retry(&rule), refusal.may_retry_help(), "{rule}");
        assert_eq!((&said["position"], &said["repeated"]), (&json!(7), &json!(false)));
        assert!(said["expected"].as_str().unwrap().starts_with(expected), "{said}");
        assert!(said["got"].as_str().unwrap().starts_with(got), "{said}");
        // A rule of the binary protocol has the same name there.
        let shown = format!("{refusal:?}");
        let variant = shown.split([' ', '{']).next().unwrap();
        let known = wire::Rule::ALL.iter().find(|known| format!("{known:?}") == variant);
        let known = known.unwrap_or_else(|| panic!("{rule} has no number on the wire"));
        assert_eq!(known.name(), rule);
        assert_eq!(known.may_retry_help(), refusal.may_retry_help(), "{rule}");
    }
    // The table has no line for this one.
    let keys = Refusal::MetadataKeysMustDiffer { key: "k".parse().unwrap() };
    assert_eq!(wire::Rule::MetadataKeysMustDiffer.may_retry_help(), keys.may_retry_help());
    assert_eq!(table().len() + 1, wire::Rule::ALL.len());
}

#[test]
fn no_rule_is_forgotten_in_the_table() {
    let mut places: Vec<u8> = table().iter().map(|(refusal, ..)| refusal.precedence()).collect();
    places.sort_unstable();
    // All but `metadata_keys_must_differ`, whose key only the ledger makes.
    let all: Vec<u8> = (0..=39).filter(|place| *place != 6).collect();
    assert_eq!(places, all);
}
