//! A statement against the book: each line matched, missing, differing, twice or in suspense; each
//! break named, opened and closed as facts.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    Break, BreakId, BreakKind, BreaksChanged, LineId, LineOutcome, LineSide, OutsideAccount,
    OutsideLine, SaltSlot,
};
use seal::digest::digest_of;
use seal::{Digest, Domain, to_canonical};
use terms::{Amount, AssetCode, BusinessDate, Instant, InstitutionName, Minor};

use super::claims::Extent;
use super::files::judged_line;
use super::lines::{breaks_fact, differing, line_break};
use super::{
    BalanceClaim, FundingAnswer, LineEntry, LineStanding, ReferenceKey, ReportClaim, Step,
};
use crate::rule::{Rule, RuleName};
use crate::settlement::SettlementBook;

/// Domain of the ids of breaks.
const BREAK_ID: Domain = Domain::new("wayleave/break/v1");

/// A statement that was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// The asset.
    pub asset: AssetCode,
    /// The outside account's number.
    pub number: String,
    /// First and last day.
    pub from: BusinessDate,
    /// Last day.
    pub until: BusinessDate,
    /// What the statement says that the account held before; positive when the bank owes it.
    pub opening_told: Option<i128>,
    /// What the book's lines come to before.
    pub opening_booked: i128,
    /// What the statement says that it held afterwards.
    pub closing_told: Option<i128>,
    /// What the book's lines come to afterwards.
    pub closing_booked: i128,
    /// Every line of either.
    pub lines: Vec<ReconciledLine>,
    /// Breaks of the asset that are open now.
    pub breaks: Vec<Break>,
    /// Where the statement disagrees with itself, in words.
    pub own_breaks: Vec<String>,
}

/// One line, of the statement or of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciledLine {
    /// The bank's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// Which way.
    pub side: LineSide,
    /// When the bank booked it.
    pub booked_on: BusinessDate,
    /// What was found.
    pub found: Found,
    /// Whom it credited.
    pub participant: Option<InstitutionName>,
    /// When it counted, if it did.
    pub counted_at: Option<Instant>,
}

/// What was found of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In both.
    Matched,
    /// In both; its money waits in suspense.
    Suspense,
    /// In both, and nobody here sent it.
    Unmatched,
    /// In the statement only.
    MissingInBook,
    /// In the book only.
    MissingInStatement,
    /// In both, with another amount in the book.
    AmountDiffers(Amount),
    /// Once more in the statement.
    Duplicated,
}

impl Found {
    /// Words for people.
    #[must_use]
    pub const fn for_people(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Suspense => "in suspense",
            Self::Unmatched => BreakKind::DebitUnmatched.for_people(),
            Self::MissingInBook => BreakKind::MissingInBook.for_people(),
            Self::MissingInStatement => BreakKind::MissingInStatement.for_people(),
            Self::AmountDiffers(_) => BreakKind::AmountDiffers.for_people(),
            Self::Duplicated => BreakKind::Duplicated.for_people(),
        }
    }
}

/// The identity of a break: what, of which asset, of which line, on which day.
#[must_use]
pub fn break_id(
    kind: BreakKind,
    asset: AssetCode,
    line: Option<LineId>,
    on: BusinessDate,
) -> BreakId {
    let line = line.map_or_else(Vec::new, |line| line.0.as_bytes().to_vec());
    let kind = to_canonical(&kind);
    let on = on.days().to_be_bytes();
    BreakId(digest_of(BREAK_ID, &[&kind, asset.as_str().as_bytes(), &line, &on]))
}

/// A statement's days, and its lines as the book would know them.
struct Seen<'a> {
    account: &'a OutsideAccount,
    report: &'a ReportClaim,
    from: BusinessDate,
    until: BusinessDate,
    lines: Vec<OutsideLine>,
}

impl SettlementBook {
    pub(super) fn reconcile(
        &self,
        at: Instant,
        slot: SaltSlot,
        file: Digest,
        reports: &[ReportClaim],
    ) -> Step {
        let mut answer = Vec::new();
        let mut changed = BreaksChanged { opened: vec![], closed: vec![], file };
        for report in reports {
            let seen = self.seen(at, report)?;
            let (lines, found) = self.compare(at, &seen);
            self.change_breaks(&seen, &found, &mut changed);
            answer.push(self.told(&seen, lines));
        }
        for told in &mut answer {
            let open = self.funding.breaks.values();
            let open = open.filter(|one| !changed.closed.contains(&one.id)).chain(&changed.opened);
            let of_asset = open.filter(|one| one.amount.asset == told.asset);
            told.breaks = of_asset.cloned().collect();
        }
        let facts = breaks_fact(slot, &changed).into_iter().collect();
        Ok((facts, FundingAnswer::Reconciled(answer)))
    }

    fn seen<'a>(&'a self, at: Instant, report: &'a ReportClaim) -> Result<Seen<'a>, Rule> {
        let account = self.outside_account(report)?;
        if report.extent == Extent::Page {
            let detail = format!("account `{}`", report.number);
            return Err(Rule::new(RuleName::StatementPaged, detail));
        }
        let mut lines = Vec::new();
        for claim in &report.lines {
            let line = judged_line(account, claim, BusinessDate::from_days(u32::MAX))?;
            let (Some(booked_on), Some(reference)) = (claim.booked_on, claim.reference.clone())
            else {
                continue;
            };
            let amount = Amount::new(claim.money.minor(), account.asset);
            let (side, nature, named_by) = (claim.side, claim.nature, claim.named_by);
            lines.push(OutsideLine { line, amount, side, nature, reference, booked_on, named_by });
        }
        let days = || lines.iter().map(|line| line.booked_on);
        let from = report.opening.map(|balance| balance.on).or_else(|| days().min());
        let until = report.closing.map(|balance| balance.on).or_else(|| days().max());
        let from = from.or(until).unwrap_or_else(|| at.date());
        let until = until.unwrap_or(from);
        Ok(Seen { account, report, from, until, lines })
    }

    fn compare(&self, at: Instant, seen: &Seen<'_>) -> (Vec<ReconciledLine>, Vec<Break>) {
        let account = seen.account;
        let mut lines = Vec::new();
        let mut breaks = self.balance_breaks(at, seen);
        let mut met = BTreeSet::new();
        for line in &seen.lines {
            let known = self.funding.lines.get(&line.line);
            let named = ReferenceKey::of(line).and_then(|key| self.funding.references.get(&key));
            let other = named.and_then(|id| self.funding.lines.get(id));
            let found = match (known, other) {
                _ if !met.insert(line.line) => Found::Duplicated,
                (Some(known), _) => found_of(known),
                (None, Some(other)) => {
                    met.insert(other.line.line);
                    breaks.push(differing(at, account, line, other));
                    Found::AmountDiffers(other.line.amount)
                }
                (None, None) => Found::MissingInBook,
            };
            match found {
                Found::Duplicated => {
                    breaks.push(line_break(BreakKind::Duplicated, at, account, line, line.amount));
                }
                Found::MissingInBook => breaks.push(line_break(
                    BreakKind::MissingInBook,
                    at,
                    account,
                    line,
                    line.amount,
                )),
                Found::Matched
                | Found::Suspense
                | Found::Unmatched
                | Found::MissingInStatement
                | Found::AmountDiffers(_) => {}
            }
            lines.push(reconciled(line, known.or(other), found));
        }
        let whole = seen.report.opening.is_some() && seen.report.closing.is_some();
        let days = seen.from..=seen.until;
        for known in self.funding.lines.values().filter(|_| whole) {
            let here = known.line.amount.asset == account.asset;
            if here && days.contains(&known.line.booked_on) && !met.contains(&known.line.line) {
                let (kind, amount) = (BreakKind::MissingInStatement, known.line.amount);
                breaks.push(line_break(kind, at, account, &known.line, amount));
                lines.push(reconciled(&known.line, Some(known), Found::MissingInStatement));
            }
        }
        (lines, breaks)
    }

    /// Breaks that no single line explains.
    fn balance_breaks(&self, at: Instant, seen: &Seen<'_>) -> Vec<Break> {
        let account = seen.account;
        let mut breaks = Vec::new();
        let mut differ = |kind, on, told: i128, expected: i128| {
            if told != expected {
                breaks.push(balance_break(kind, at, account, on, told.saturating_sub(expected)));
            }
        };
        let opening = seen.report.opening.map(|balance| signed_balance(&balance));
        if let Some(told) = opening {
            let booked = self.booked_before(account.asset, seen.from);
            differ(BreakKind::OpeningBalance, seen.from, told, booked);
        }
        if let (Some(opening), Some(closing)) = (opening, seen.report.closing) {
            let moved = seen.lines.iter().map(signed_line).fold(opening, i128::saturating_add);
            differ(BreakKind::ClosingBalance, seen.until, signed_balance(&closing), moved);
        }
        // What a rail has and no line shows yet left this book: both sides are told without it.
        let moving = signed(self.sum_in_transit(account.asset), LineSide::Debit);
        let owed = self.owed_outside(account);
        let confirmed = self.funding.confirmed(account.asset, BusinessDate::from_days(u32::MAX));
        let confirmed = signed(confirmed.came_in, LineSide::Credit)
            .saturating_add(signed(confirmed.unmatched, LineSide::Credit))
            .saturating_add(signed(confirmed.went_out, LineSide::Debit))
            .saturating_add(moving);
        // Not by day: what the book owes without a line stays one break until it has one.
        differ(BreakKind::Unconfirmed, BusinessDate::from_days(0), owed, confirmed);
        breaks
    }

    /// What the control account says that the outside account holds.
    fn owed_outside(&self, account: &OutsideAccount) -> i128 {
        let balances = self.ledger.balances(account.control);
        balances.map_or(0, |sums| {
            signed(sums.debits_posted, LineSide::Credit)
                .saturating_add(signed(sums.credits_posted, LineSide::Debit))
        })
    }

    /// What the lines booked outside before a day come to.
    fn booked_before(&self, asset: AssetCode, day: BusinessDate) -> i128 {
        let before =
            |entry: &&LineEntry| entry.line.amount.asset == asset && entry.line.booked_on < day;
        let lines = self.funding.lines.values().filter(before);
        lines.map(|entry| signed_line(&entry.line)).fold(0, i128::saturating_add)
    }

    /// Opens what is new, and closes what this statement could have shown and does not.
    fn change_breaks(&self, seen: &Seen<'_>, found: &[Break], changed: &mut BreaksChanged) {
        let shown: BTreeMap<BreakId, &Break> = found.iter().map(|one| (one.id, one)).collect();
        let days = seen.from..=seen.until;
        for one in self.funding.breaks(seen.account.asset) {
            let looked_at = match one.kind {
                BreakKind::DebitUnmatched | BreakKind::CreditReversed => false,
                BreakKind::Unconfirmed => true,
                BreakKind::MissingInBook
                | BreakKind::MissingInStatement
                | BreakKind::AmountDiffers
                | BreakKind::Duplicated
                | BreakKind::OpeningBalance
                | BreakKind::ClosingBalance => days.contains(&one.on),
            };
            if looked_at && !shown.contains_key(&one.id) {
                changed.closed.push(one.id);
            }
        }
        let new = shown.into_values().filter(|one| !self.funding.breaks.contains_key(&one.id));
        changed.opened.extend(new.cloned());
    }

    fn told(&self, seen: &Seen<'_>, lines: Vec<ReconciledLine>) -> Reconciled {
        let asset = seen.account.asset;
        let after = super::claims::next_day(seen.until);
        Reconciled {
            asset,
            number: seen.account.number.clone(),
            from: seen.from,
            until: seen.until,
            opening_told: seen.report.opening.map(|balance| signed_balance(&balance)),
            opening_booked: self.booked_before(asset, seen.from),
            closing_told: seen.report.closing.map(|balance| signed_balance(&balance)),
            closing_booked: self.booked_before(asset, after),
            lines,
            breaks: vec![],
            own_breaks: seen.report.own_breaks.clone(),
        }
    }
}

const fn found_of(known: &LineEntry) -> Found {
    match known.standing {
        LineStanding::Settled => Found::Matched,
        LineStanding::InSuspense | LineStanding::ReturnOrdered(_) => Found::Suspense,
        LineStanding::Broken => Found::Unmatched,
    }
}

fn reconciled(line: &OutsideLine, known: Option<&LineEntry>, found: Found) -> ReconciledLine {
    let participant = known.and_then(|known| match &known.outcome {
        LineOutcome::Credited { participant, .. } => Some(*participant),
        LineOutcome::Suspense(_) | LineOutcome::Confirmed { .. } | LineOutcome::Unmatched => None,
    });
    ReconciledLine {
        reference: line.reference.clone(),
        amount: line.amount,
        side: line.side,
        booked_on: line.booked_on,
        found,
        participant,
        counted_at: known.map(|known| known.booked_at),
    }
}

fn balance_break(
    kind: BreakKind,
    at: Instant,
    account: &OutsideAccount,
    on: BusinessDate,
    by: i128,
) -> Break {
    let asset = account.asset;
    Break {
        id: break_id(kind, asset, None, on),
        kind,
        amount: Amount::new(Minor::new(by.unsigned_abs()), asset),
        side: if by < 0 { LineSide::Debit } else { LineSide::Credit },
        reference: String::new(),
        on: if on.days() == 0 { at.date() } else { on },
        owner: account.owner,
        opened_at: at,
        line: None,
    }
}

fn signed(minor: Minor, side: LineSide) -> i128 {
    let units = i128::try_from(minor.units()).unwrap_or(i128::MAX);
    match side {
        LineSide::Credit => units,
        LineSide::Debit => units.saturating_neg(),
    }
}

fn signed_line(line: &OutsideLine) -> i128 {
    signed(line.amount.minor, line.side)
}

fn signed_balance(balance: &BalanceClaim) -> i128 {
    signed(balance.money.minor(), balance.side)
}
