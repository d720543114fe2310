//! Companies of the sandbox whose payments always reach one state, for whoever builds against us.
//!
//! In the environment `sandbox`, and nowhere else, a company identifier whose value is one of
//! [`FORCED`] makes its own institution's edge find what leads there: the rules, the record, the
//! answer and the receipt are those of any payment. Each record says so in its lists
//! (`sandbox-forced:…`), and such a company moves at most [`FORCED_MINOR_MAX`] minor units at once.

use policy::Findings;
use policy::findings::NUMBER_MAX;
use policy::vocabulary as v;
use record::{FindingValue, ListVersion, Side};
use seal::{Digest, Domain, digest};
use terms::{CompanyId, Environment};

use crate::desk::Desk;
use crate::sandbox::FORCED_MARK;

/// The most that a forced company's payment may be on the deciding side, in minor units.
pub const FORCED_MINOR_MAX: i64 = 1_000_000;
/// The only environment that forces anything.
pub const FORCED_ENVIRONMENT: &str = "sandbox";

/// A state that a payment is made to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forced {
    /// Permitted, if everything else is.
    Permitted,
    /// Refused with an open reason that the customer reads: `registration-inactive`.
    Refused,
    /// Refused with a restricted reason, the neutral answer: `payer-listed`, `payee-listed`.
    Listed,
    /// Waits for a person, the neutral answer: `screening-unclear`.
    Unclear,
    /// Waits for the opening: `closed-now`.
    Closed,
    /// The rules are told too little: denied, with an alarm.
    Untold,
}

/// The values of company identifiers, behind the scheme, and what they lead to.
pub const FORCED: [(&str, Forced); 6] = [
    ("sandbox-permitted", Forced::Permitted),
    ("sandbox-refused", Forced::Refused),
    ("sandbox-listed", Forced::Listed),
    ("sandbox-unclear", Forced::Unclear),
    ("sandbox-closed", Forced::Closed),
    ("sandbox-untold", Forced::Untold),
];

/// What a company is made to reach in an environment, if anything.
#[must_use]
pub fn forced(environment: Environment, owner: CompanyId) -> Option<(&'static str, Forced)> {
    let (_, value) = owner.as_str().split_once(':')?;
    let sandbox = environment.as_str() == FORCED_ENVIRONMENT;
    FORCED.into_iter().find(|(word, _)| sandbox && *word == value)
}

/// The findings that lead there, and the mark of the record.
#[must_use]
pub fn apply(
    desk: &Desk<'_>,
    owner: CompanyId,
    findings: &Findings,
) -> Option<(Findings, ListVersion)> {
    let (word, forced) = forced(desk.environment, owner)?;
    let above = !matches!(
        findings.value("amount"),
        Some(FindingValue::Number(amount)) if *amount <= FORCED_MINOR_MAX
    );
    let own_screening = match desk.side {
        Side::Debtor => v::PAYER_SCREENING,
        Side::Creditor => v::PAYEE_SCREENING,
    };
    let change = findings.change();
    let led = match forced {
        // Beyond its bound a forced company is above every corridor's limit.
        _ if above => change.number(v::AMOUNT, NUMBER_MAX).build(),
        Forced::Permitted => findings.clone(),
        Forced::Refused => change.flag(v::REGISTRATION_ACTIVE, false).build(),
        Forced::Listed => change.text(own_screening, "Match").build(),
        Forced::Unclear => change.text(own_screening, "Possible").build(),
        // The last minute of a week: a time that there is, and at which no institution is open.
        // An institution that is open around the clock is closed on the holiday before all others.
        Forced::Closed => change
            .number(v::WEEKDAY, 7)
            .number(v::MINUTE_OF_DAY, 1_439)
            .text(v::LOCAL_DATE, "1970-01-01")
            .build(),
        Forced::Untold => untold(findings),
    };
    let mark = ListVersion { name: format!("{FORCED_MARK}{word}"), version: 1, digest: table() };
    Some((led, mark))
}

/// The findings without one that every pack reads: the rules are told too little, and deny.
pub(crate) fn untold(findings: &Findings) -> Findings {
    // A payment out has no other side whose terms could match.
    let has = findings.value("termsMatch").is_some();
    findings.without(if has { "termsMatch" } else { "termsSigned" })
}

/// The digest of the table that a record's mark names.
fn table() -> Digest {
    let words: Vec<&str> = FORCED.iter().map(|(word, _)| *word).collect();
    digest(Domain::new("wayleave/sandbox-forced/v1"), words.join("\n").as_bytes())
}
