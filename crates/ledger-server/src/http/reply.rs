//! What is answered: outcomes, positions, balances; amounts as decimals.

use axum::body::Body;
use axum::response::Response;
use bookkeeping::{Outcome, Refused};
use http::{HeaderValue, header};
use ledger::{Account, Available, Balances, Ceiling, Floor, Freeze, Purpose, Refusal};
use serde::Serialize;
use serde_json::{Value, json};
use terms::{AccountId, Instant, Minor, Position};

pub(super) use crate::shown::moment;

use super::amounts::{Assets, show};
use super::problem::{CONFLICT, Document, NOT_FOUND, Problem, REFUSED};

/// JSON bytes of a plain value.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    // INVARIANT (PlainJson): strings, numbers, words and lists of them always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

/// `200` with a JSON body.
pub(super) fn ok(value: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(to_json(value)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Something that was done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Done {
    outcome: &'static str,
    repeated: bool,
    position: Option<u64>,
    stamp: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    balances: Vec<Balance>,
}

/// An account's counters.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Balance {
    account: String,
    asset: String,
    debits_posted: String,
    credits_posted: String,
    debits_pending: String,
    credits_pending: String,
    /// `null` when there is no floor.
    available: Option<String>,
}

impl Balance {
    pub(super) fn of(balances: &Balances) -> Self {
        let exponent = balances.asset.exponent();
        let decimal = |amount: Minor| show(amount, exponent);
        Self {
            account: balances.account.to_string(),
            asset: balances.asset.to_string(),
            debits_posted: decimal(balances.debits_posted),
            credits_posted: decimal(balances.credits_posted),
            debits_pending: decimal(balances.debits_pending),
            credits_pending: decimal(balances.credits_pending),
            available: match balances.available {
                Available::UpTo(amount) => Some(decimal(amount)),
                Available::Unlimited => None,
            },
        }
    }
}

/// One item of a bulk.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Item {
    /// Done, or done before.
    Done(Done),
    /// Anything else.
    Problem(Box<Document>),
}

impl Item {
    pub(super) const fn is_problem(&self) -> bool {
        matches!(self, Self::Problem(_))
    }

    /// The problem, unless it was only not done.
    pub(super) fn refused(&self) -> Option<Problem> {
        match self {
            Self::Problem(document) if !document.is_not_done() => {
                Some(Problem::from_document((**document).clone()))
            }
            Self::Problem(_) | Self::Done(_) => None,
        }
    }
}

/// What a refusal is told with: which asset scales its amounts.
#[derive(Clone, Copy)]
pub(super) struct Scale<'a> {
    pub(super) assets: &'a Assets,
    /// The accounts of holds that the command names.
    pub(super) holds: &'a [(terms::HoldId, AccountId)],
}

/// Where and when something was judged, and whether it was to last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) stamp: Instant,
    pub(super) dry_run: bool,
}

/// An outcome of the book as what is answered.
pub(super) fn told(outcome: &Outcome, at: Place, scale: Scale<'_>) -> Result<Done, Problem> {
    match outcome {
        Outcome::Done { balances } => Ok(Done {
            outcome: if at.dry_run { "would_be_done" } else { "done" },
            repeated: false,
            position: Some(at.position.number()),
            stamp: moment(at.stamp),
            balances: balances.iter().map(Balance::of).collect(),
        }),
        Outcome::Repeated { first, position } => Ok(Done {
            outcome: "done",
            repeated: true,
            position: position.map(Position::number),
            stamp: moment(*first),
            balances: Vec::new(),
        }),
        Outcome::Refused { refusal } => Err(refused(refusal, at, scale)),
        Outcome::NotDone => Err(Problem::not_done("another one of the request was refused")),
        // Told one by one.
        Outcome::Together(_) => Err(Problem::unknown()),
        Outcome::Absent => {
            let detail = "nothing was ever recorded under this id";
            Err(Problem::of(&NOT_FOUND).detail(detail).at(at.position))
        }
        Outcome::Traced { .. } => Err(Problem::unknown()),
        Outcome::RefusedBefore { refused, position } => {
            Err(refused_before(refused, *position, scale))
        }
    }
}

fn refused(refusal: &Refusal, at: Place, scale: Scale<'_>) -> Problem {
    let (expected, got) = expected_and_got(refusal, scale);
    let rule = snake(refusal.rule_name());
    let problem = if let Refusal::IdUsedWithOtherContent { field } = refusal {
        let mend = "choose another id, or ask what became of this one";
        Problem::of(&CONFLICT).rule(rule, false).of_field(*field).mend(mend)
    } else {
        Problem::of(&REFUSED).rule(rule, refusal.may_retry_help())
    };
    let problem = problem.detail(refusal.to_string()).expected(expected).got(got);
    problem.repeated(false).at(at.position).stamped(at.stamp)
}

fn refused_before(refused: &Refused, position: Position, scale: Scale<'_>) -> Problem {
    let rule = snake(&refused.rule);
    let may_retry = may_retry(&rule);
    let problem = Problem::of(&REFUSED).rule(rule, may_retry).detail(refused.text.clone());
    // The numbers of the first time, where the words that were kept say them.
    let problem = match Refusal::from_words(&refused.rule, &refused.text) {
        Some(again) => {
            let (expected, got) = expected_and_got(&again, scale);
            problem.expected(expected).got(got)
        }
        None => problem,
    };
    problem.repeated(true).at(position)
}

/// [`Refusal::may_retry_help`], of a rule that stands in a fact by name.
fn may_retry(rule: &str) -> bool {
    matches!(
        rule,
        "nothing_to_move"
            | "limit_period_too_far"
            | "account_frozen"
            | "insufficient_funds"
            | "ceiling_exceeded"
            | "velocity_amount_exceeded"
            | "velocity_count_exceeded"
            | "balance_outside_limits"
            | "account_not_empty"
    )
}

/// `InsufficientFunds` as `insufficient_funds`: the names of `wire::Rule`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn expected_and_got(refusal: &Refusal, scale: Scale<'_>) -> (String, String) {
    use Refusal as R;
    let plain = |expected: &str, got: &str| (expected.to_owned(), got.to_owned());
    let decimals = |account: AccountId, expected: Minor, got: Minor| {
        let asset = scale.assets.of(account);
        // An account without a known asset is shown in minor units, and says so.
        let text = |amount| match asset {
            Some(asset) => show(amount, asset.exponent()),
            None => format!("{amount} minor units"),
        };
        (text(expected), text(got))
    };
    match refusal {
        R::IdUsedWithOtherContent { field } => {
            (format!("the first `{field}`"), "another".to_owned())
        }
        R::EntriesOutOfRange { max, got } => (format!("1 to {max} entries"), got.to_string()),
        R::LimitsOutOfRange { max, got }
        | R::LinksOutOfRange { max, got }
        | R::MetadataOutOfRange { max, got }
        | R::MetadataTooLarge { max, got } => (format!("at most {max}"), got.to_string()),
        R::MetadataKeysMustDiffer { key } => ("each key once".to_owned(), key.to_string()),
        R::AmountMustBePositive { .. } => plain("above 0", "0"),
        R::WeightMustBePositive { .. } => plain("a weight above 0", "0"),
        R::RemaindersMustDiffer { asset } => {
            (format!("one remainder of {asset}"), "two".to_owned())
        }
        R::SharesMustFaceOneWay { asset } => (format!("{asset} on one side"), "both".to_owned()),
        R::EverythingMustBeBounded { .. } => plain("a floor or ceiling", "none"),
        R::NothingToMove => plain("something to move", "nothing"),
        R::HoldsMustDiffer { hold } => ("each hold once".to_owned(), hold.to_string()),
        R::LimitsMustDiffer { .. } => plain("each total once", "twice"),
        R::UnknownAccount { account } => ("an account of this book".into(), account.to_string()),
        R::UnknownHold { hold } => ("a hold of this book".to_owned(), hold.to_string()),
        R::HoldAlreadyPosted { transaction, .. } => {
            ("an open hold".to_owned(), format!("posted by {transaction}"))
        }
        R::HoldAlreadyVoided { .. } => plain("an open hold", "voided"),
        R::HoldAlreadyExpired { .. } => plain("an open hold", "expired"),
        R::HoldAlreadyPinned { .. } => plain("a hold that is not pinned", "pinned"),
        R::EvidenceRequired { .. } => plain("evidence that nothing was done", "none"),
        R::VelocityCountExceeded { expected, got, .. } => (expected.to_string(), got.to_string()),
        R::HoldAccountDiffers { expected, got } => (expected.to_string(), got.to_string()),
        R::HoldSideDiffers { expected, got } => (expected.name().into(), got.name().into()),
        R::AmountExceedsHold { hold, expected, got } => {
            let of = scale.holds.iter().find(|(id, _)| id == hold).map(|(_, account)| *account);
            decimals(of.unwrap_or(AccountId::from_bytes([0; 16])), *expected, *got)
        }
        R::HoldPartsOutOfRange { max, .. } => (format!("at most {max} parts"), "one more".into()),
        R::LimitPeriodOver { expected, got, .. } => (format!("from {expected}"), got.to_string()),
        R::LimitPeriodTooFar { expected, got, .. } => (format!("to {expected}"), got.to_string()),
        R::LimitAssetDiffers { got } => ("an asset that moves".to_owned(), got.to_string()),
        R::DebitsMustEqualCredits { asset, debits, credits } => {
            let decimal = |amount| show(amount, asset.exponent());
            let credits = decimal(*credits);
            (format!("credits of {} {asset}", decimal(*debits)), credits)
        }
        R::ExpiryMustBeLater { stamp, got } => (format!("after {}", moment(*stamp)), moment(*got)),
        R::AccountClosed { .. } => plain("an open account", "closed"),
        R::AccountFrozen { .. } => plain("an account that is not frozen", "frozen"),
        R::AmountTooLarge { .. } => plain("a sum within 128 bits", "more"),
        R::InsufficientFunds { account, expected, got }
        | R::CeilingExceeded { account, expected, got } => decimals(*account, *expected, *got),
        R::VelocityAmountExceeded { expected, got, .. } => {
            (format!("{expected} minor units"), format!("{got} minor units"))
        }
        R::BalanceOutsideLimits { .. } => plain("a balance within the limits", "outside"),
        R::AccountNotEmpty { .. } => plain("no balance and no hold", "a balance or a hold"),
    }
}

pub(super) const PURPOSES: [(&str, Purpose); 9] = [
    ("customer", Purpose::Customer),
    ("settlement", Purpose::Settlement),
    ("control", Purpose::Control),
    ("fee", Purpose::Fee),
    ("suspense", Purpose::Suspense),
    ("blocked_funds", Purpose::BlockedFunds),
    ("due_to", Purpose::DueTo),
    ("due_from", Purpose::DueFrom),
    ("transit", Purpose::Transit),
];

pub(super) const FREEZES: [(&str, Freeze); 4] = [
    ("nothing", Freeze::Nothing),
    ("debits", Freeze::Debits),
    ("credits", Freeze::Credits),
    ("both", Freeze::Both),
];

/// The word of a value in a list of them.
pub(super) fn word<T: PartialEq>(list: &[(&'static str, T)], value: &T) -> &'static str {
    list.iter().find(|(_, one)| one == value).map_or("", |(word, _)| word)
}

/// An account as it stands.
pub(super) fn account(account: &Account, position: Position) -> Value {
    let opening = account.opening();
    let exponent = opening.asset.exponent();
    let floor = match account.floor() {
        Floor::MayNotGoBelowZero => show(Minor::ZERO, exponent),
        Floor::Overdraft(amount) => format!("-{}", show(amount, exponent)),
        Floor::Unlimited => "unlimited".to_owned(),
    };
    let ceiling = match account.ceiling() {
        Ceiling::At(amount) => show(amount, exponent),
        Ceiling::Unlimited => "unlimited".to_owned(),
    };
    let owner = match opening.owner {
        ledger::Owner::Company(id) => json!({ "company": id.as_str() }),
        ledger::Owner::Institution(name) => json!({ "institution": name.as_str() }),
    };
    let closed = match account.standing() {
        ledger::account::Standing::Open => None,
        ledger::account::Standing::Closed(at) => Some(moment(at)),
    };
    json!({
        "account": opening.id.to_string(),
        "normal": opening.normal.name(),
        "owner": owner,
        "purpose": word(&PURPOSES, &opening.purpose),
        "floor": floor,
        "ceiling": ceiling,
        "freeze": word(&FREEZES, &account.freeze()),
        "blocked": show(account.blocked(), exponent),
        "code": opening.marks.and_then(|marks| marks.code),
        "tags": opening.marks.map_or_else(Vec::new, |marks| {
            marks.tags.iter().map(ToString::to_string).collect()
        }),
        "opened_at": moment(account.opened_at()),
        "closed_at": closed,
        "balances": Balance::of(&account.balances()),
        "position": position.number(),
    })
}

#[cfg(test)]
mod tests;
