//! A line counts: it credits a participant, waits in suspense, confirms what went out, or breaks.

use std::collections::BTreeSet;

use ledger::{Entry, Purpose, Reason, Side as EntrySide};
use record::{
    Break, BreakKind, BreaksChanged, Fact, FactBody, Heading, LineBooked, LineId, LineNature,
    LineOutcome, LineResolved, LineSide, OutsideAccount, OutsideLine, Resolution, SaltSlot,
    SuspenseReason,
};
use seal::Digest;
use seal::text::{from_hex_array, to_hex};
use terms::{AccountId, Amount, AssetCode, Instant, InstitutionName, Minor, Position};

use super::reconcile::break_id;
use super::{
    Funding, FundingAnswer, LineClaim, LineEntry, LineStanding, News, ReferenceKey, ResolutionWish,
    Step, entry, line_id, named,
};
use crate::rule::{Rule, RuleName};
use crate::settlement::SettlementBook;
use crate::settlement::own::legs_of_line;

/// What a debit line confirms.
#[derive(Clone, Debug)]
pub struct DebitMatch {
    /// Its name, for people.
    pub of: String,
    /// What is posted: the debit of what waited, and the credit of the control account.
    pub entries: [Entry; 2],
    /// The item in suspense whose return it confirms.
    pub returns: Option<LineId>,
}

/// What a line leads to, before it is a fact.
struct Led {
    outcome: LineOutcome,
    change: Vec<u8>,
    returns: Option<LineId>,
    /// What follows for a transfer over a rail.
    transfer: Vec<Fact>,
}

impl SettlementBook {
    pub(super) fn book_line(
        &self,
        at: Instant,
        slot: SaltSlot,
        (file, asset): (Digest, AssetCode),
        claim: &LineClaim,
    ) -> Step {
        let (account, line) = self.line_of_file((file, asset), claim)?;
        if let Some(known) = self.funding.lines.get(&line.line) {
            let answer = FundingAnswer::Line {
                line: line.line,
                outcome: known.outcome.clone(),
                news: News::Before,
                position: Some(known.position),
            };
            return Ok((vec![], answer));
        }
        if let Some(other) = self.other_amount(&line) {
            return Ok(self.contradiction(at, slot, (file, account), &line, other));
        }
        let led = match line.side {
            LineSide::Credit => self.credit_line(at, account, &line, claim)?,
            LineSide::Debit => self.debit_line((at, slot), account, &line, claim)?,
        };
        let outcome = led.outcome.clone();
        let opened = match outcome {
            LineOutcome::Unmatched => vec![unmatched(at, account, &line)],
            LineOutcome::Credited { .. }
            | LineOutcome::Suspense(_)
            | LineOutcome::Confirmed { .. } => vec![],
        };
        let missing = break_id(BreakKind::MissingInBook, asset, Some(line.line), line.booked_on);
        let closed = self.funding.breaks.get(&missing).map(|one| one.id).into_iter().collect();
        let id = line.line;
        let body = LineBooked {
            line,
            file,
            outcome: led.outcome,
            change: led.change.into(),
            returns: led.returns,
        };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        facts.extend(led.transfer);
        facts.extend(breaks_fact(slot, &BreaksChanged { opened, closed, file }));
        Ok((facts, FundingAnswer::Line { line: id, outcome, news: News::Now, position: None }))
    }

    /// The line, if it stands in a file that was taken for that account.
    fn line_of_file(
        &self,
        (file, asset): (Digest, AssetCode),
        claim: &LineClaim,
    ) -> Result<(&OutsideAccount, OutsideLine), Rule> {
        let unknown = || {
            let detail = format!("file `{file}` has no such line of `{asset}`");
            Rule::new(RuleName::StatementUnreadable, detail)
        };
        let account = self.funding.accounts.get(&asset).ok_or_else(unknown)?;
        let taken = self.funding.files.get(&file).ok_or_else(unknown)?;
        let (Some(booked_on), Some(reference)) = (claim.booked_on, claim.reference.clone()) else {
            return Err(unknown());
        };
        let line = line_id(account, claim, booked_on);
        if !taken.lines.contains(&line) {
            return Err(unknown());
        }
        let amount = claim.money.of_asset(asset).map_err(|_| unknown())?;
        let (side, nature, named_by) = (claim.side, claim.nature, claim.named_by);
        Ok((account, OutsideLine { line, amount, side, nature, reference, booked_on, named_by }))
    }

    /// The line that has the same name of the bank's and another amount.
    fn other_amount(&self, line: &OutsideLine) -> Option<&LineEntry> {
        let key = ReferenceKey::of(line)?;
        self.funding.lines.get(self.funding.references.get(&key)?)
    }

    /// One name, two amounts: the first one counted, and the second never does by itself.
    fn contradiction(
        &self,
        at: Instant,
        slot: SaltSlot,
        (file, account): (Digest, &OutsideAccount),
        line: &OutsideLine,
        other: &LineEntry,
    ) -> (Vec<Fact>, FundingAnswer) {
        let detail = format!(
            "line `{}`: counted as `{}`, now `{}`",
            line.reference, other.line.amount, line.amount
        );
        let found = differing(at, account, line, other);
        let opened: Vec<Break> =
            if self.funding.breaks.contains_key(&found.id) { vec![] } else { vec![found] };
        let facts = breaks_fact(slot, &BreaksChanged { opened, closed: vec![], file });
        let rule = Rule::new(RuleName::StatementLineDiffers, detail);
        (facts.into_iter().collect(), FundingAnswer::Refused(rule))
    }

    fn credit_line(
        &self,
        at: Instant,
        account: &OutsideAccount,
        line: &OutsideLine,
        claim: &LineClaim,
    ) -> Result<Led, Rule> {
        let why = match self.beneficiary(account, line, claim) {
            Ok((participant, to)) => {
                let customer = named_account(&claim.words);
                let outcome = LineOutcome::Credited { participant, account: to, customer };
                match self.fund(at, account, line, to) {
                    Ok(change) => {
                        return Ok(Led { outcome, change, returns: None, transfer: vec![] });
                    }
                    Err(_) => SuspenseReason::NotCreditable,
                }
            }
            Err(why) => why,
        };
        let change = self.fund(at, account, line, account.suspense)?;
        let outcome = LineOutcome::Suspense(why);
        Ok(Led { outcome, change, returns: None, transfer: vec![] })
    }

    fn fund(
        &self,
        at: Instant,
        account: &OutsideAccount,
        line: &OutsideLine,
        to: AccountId,
    ) -> Result<Vec<u8>, Rule> {
        let minor = line.amount.minor;
        let entries =
            [entry(account.control, EntrySide::Debit, minor), entry(to, EntrySide::Credit, minor)];
        self.post_line(at, (line.line, "line"), Reason::Funding, entries)
    }

    /// Whom a credit is for, by the words of the line alone.
    fn beneficiary(
        &self,
        account: &OutsideAccount,
        line: &OutsideLine,
        claim: &LineClaim,
    ) -> Result<(InstitutionName, AccountId), SuspenseReason> {
        if line.nature == LineNature::Reversal {
            return Err(SuspenseReason::Reversal);
        }
        if claim.transactions > 1 {
            return Err(SuspenseReason::Batch);
        }
        let names = account.references.iter().map(|one| (one.reference.as_str(), one.participant));
        let meant: Vec<InstitutionName> = named(&claim.words, names).into_iter().collect();
        match meant.as_slice() {
            [] => Err(SuspenseReason::NoParticipant),
            [only] => self
                .settlement_account(*only, account.asset)
                .map(|to| (*only, to))
                .ok_or(SuspenseReason::NotCreditable),
            _ => Err(SuspenseReason::SeveralParticipants),
        }
    }

    fn debit_line(
        &self,
        (at, slot): (Instant, SaltSlot),
        account: &OutsideAccount,
        line: &OutsideLine,
        claim: &LineClaim,
    ) -> Result<Led, Rule> {
        let named = (line.amount, line.reference.as_str());
        let meant = match line.nature {
            LineNature::Movement => self.transfer_of_line(at, slot, named, &claim.words)?,
            LineNature::Reversal => None,
        };
        if let Some((id, transfer)) = meant {
            let outcome = LineOutcome::Confirmed { of: format!("withdrawal {id}") };
            return Ok(Led { outcome, change: vec![], returns: None, transfer });
        }
        let Some(found) = self.match_debit(account, line, &claim.words) else {
            let outcome = LineOutcome::Unmatched;
            let transfer = match line.nature {
                LineNature::Movement => self.contradicted_by_line(slot, named, &claim.words)?,
                LineNature::Reversal => vec![],
            };
            return Ok(Led { outcome, change: vec![], returns: None, transfer });
        };
        let key = (line.line, "line");
        let change = self.post_line(at, key, Reason::Defunding, found.entries)?;
        let outcome = LineOutcome::Confirmed { of: found.of };
        Ok(Led { outcome, change, returns: found.returns, transfer: vec![] })
    }

    /// What a debit line confirms: a return out of suspense whose word it says, with its amount.
    fn match_debit(
        &self,
        account: &OutsideAccount,
        line: &OutsideLine,
        words: &BTreeSet<String>,
    ) -> Option<DebitMatch> {
        if line.nature == LineNature::Reversal {
            return None;
        }
        let waits = |item: &&LineEntry| {
            let says = match &item.standing {
                LineStanding::ReturnOrdered(word) => words.contains(word),
                LineStanding::Settled | LineStanding::InSuspense | LineStanding::Broken => false,
            };
            says && item.line.amount == line.amount
        };
        let item = self.funding.lines.values().find(waits)?;
        let minor = line.amount.minor;
        Some(DebitMatch {
            of: format!("return of line {}", item.line.reference),
            entries: [
                entry(account.suspense, EntrySide::Debit, minor),
                entry(account.control, EntrySide::Credit, minor),
            ],
            returns: Some(item.line.line),
        })
    }

    pub(super) fn resolve(
        &self,
        at: Instant,
        slot: SaltSlot,
        (line, wish): (LineId, &ResolutionWish),
        (by, reason): (&str, &str),
    ) -> Step {
        let not_open = |detail: String| Rule::new(RuleName::StatementLineNotOpen, detail);
        let known = self.funding.lines.get(&line).ok_or_else(|| not_open(line.to_string()))?;
        let asset = known.line.amount.asset;
        let account = self
            .funding
            .accounts
            .get(&asset)
            .ok_or_else(|| not_open(format!("`{asset}` has no outside account")))?;
        self.wish_not_suspended(at, asset, wish)?;
        let (resolution, change) = match (wish, &known.standing) {
            (ResolutionWish::Release(to), LineStanding::InSuspense) => {
                self.release(at, account, known, *to)?
            }
            (ResolutionWish::Return, LineStanding::InSuspense) => {
                let reference = return_reference(line);
                (Resolution::ReturnOrdered { reference }, vec![])
            }
            (ResolutionWish::Charge(bearer), LineStanding::Broken) => {
                self.charge(at, account, known, *bearer)?
            }
            (wish, standing) => {
                let detail =
                    format!("line `{}` is {standing:?}, got {wish:?}", known.line.reference);
                return Err(not_open(detail));
            }
        };
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let answer = FundingAnswer::Resolved(resolution.clone());
        let body = LineResolved { line, resolution, by, reason, change: change.into() };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        let closed = self.breaks_of(known);
        let file = Digest::ZERO;
        facts.extend(breaks_fact(slot, &BreaksChanged { opened: vec![], closed, file }));
        Ok((facts, answer))
    }

    fn breaks_of(&self, known: &LineEntry) -> Vec<record::BreakId> {
        let (asset, on) = (known.line.amount.asset, known.line.booked_on);
        [BreakKind::DebitUnmatched, BreakKind::CreditReversed]
            .map(|kind| break_id(kind, asset, Some(known.line.line), on))
            .into_iter()
            .filter(|id| self.funding.breaks.contains_key(id))
            .collect()
    }

    fn release(
        &self,
        at: Instant,
        account: &OutsideAccount,
        known: &LineEntry,
        participant: InstitutionName,
    ) -> Result<(Resolution, Vec<u8>), Rule> {
        let asset = account.asset;
        let to = self.settlement_account(participant, asset).ok_or_else(|| {
            let detail = format!("`{participant}` has no account in `{asset}`");
            Rule::new(RuleName::AccountUnknown, detail)
        })?;
        let minor = known.line.amount.minor;
        let entries =
            [entry(account.suspense, EntrySide::Debit, minor), entry(to, EntrySide::Credit, minor)];
        let change = self.post_line(at, (known.line.line, "released"), Reason::Funding, entries)?;
        Ok((Resolution::Released { participant, account: to }, change))
    }

    /// The operator bears a charge out of its fees; a participant out of its settlement account.
    fn charge(
        &self,
        at: Instant,
        account: &OutsideAccount,
        known: &LineEntry,
        bearer: InstitutionName,
    ) -> Result<(Resolution, Vec<u8>), Rule> {
        let asset = account.asset;
        let of = if bearer == self.operator {
            self.own_account(bearer, asset, Purpose::Fee)
        } else {
            self.settlement_account(bearer, asset)
        };
        let of = of.ok_or_else(|| {
            let detail = format!("`{bearer}` has no account in `{asset}`");
            Rule::new(RuleName::AccountUnknown, detail)
        })?;
        let minor = known.line.amount.minor;
        let entries =
            [entry(of, EntrySide::Debit, minor), entry(account.control, EntrySide::Credit, minor)];
        let change =
            self.post_line(at, (known.line.line, "charged"), Reason::Defunding, entries)?;
        Ok((Resolution::Charged { bearer, account: of }, change))
    }

    pub(super) fn apply_line(&mut self, position: Position, stamp: Instant, body: LineBooked) {
        if !body.change.is_empty() {
            let legs = legs_of_line(&body.outcome, body.line.amount);
            self.apply_carried(stamp, &body.change, legs);
        }
        let counted_on = self.business_date(stamp);
        if let Some(item) = body.returns.and_then(|line| self.funding.lines.get_mut(&line)) {
            item.standing = LineStanding::Settled;
        }
        let standing = match body.outcome {
            LineOutcome::Credited { .. } | LineOutcome::Confirmed { .. } => LineStanding::Settled,
            LineOutcome::Suspense(_) => LineStanding::InSuspense,
            LineOutcome::Unmatched => LineStanding::Broken,
        };
        if let Some(key) = ReferenceKey::of(&body.line) {
            self.funding.references.insert(key, body.line.line);
        }
        let (line, outcome) = (body.line, body.outcome);
        let id = line.line;
        let entry = LineEntry { line, outcome, position, booked_at: stamp, counted_on, standing };
        self.funding.lines.insert(id, entry);
    }

    pub(super) fn apply_resolved(&mut self, stamp: Instant, body: &LineResolved) {
        if !body.change.is_empty() {
            self.apply_change(stamp, &body.change);
        }
        if let Some(known) = self.funding.lines.get_mut(&body.line) {
            known.standing = match &body.resolution {
                Resolution::Released { .. } | Resolution::Charged { .. } => LineStanding::Settled,
                Resolution::ReturnOrdered { reference } => {
                    LineStanding::ReturnOrdered(reference.clone())
                }
            };
        }
    }
}

impl Funding {
    /// Whether the book has this line.
    #[must_use]
    pub fn has(&self, line: LineId) -> bool {
        self.lines.contains_key(&line)
    }
}

impl ReferenceKey {
    pub(super) fn of(line: &OutsideLine) -> Option<Self> {
        // The entry's own number begins anew in each statement: it contradicts nothing.
        (line.named_by == record::NamedBy::Servicer).then(|| Self {
            asset: line.amount.asset,
            reference: line.reference.clone(),
            side: line.side,
            booked_on: line.booked_on,
        })
    }
}

/// The word by which the debit line of a return is known: `RTN` and 16 hex digits.
fn return_reference(line: LineId) -> String {
    let short: String = to_hex(line.0.as_bytes()).chars().take(16).collect();
    format!("RTN{}", short.to_ascii_uppercase())
}

/// The customer's account that a line names, if it names one: `acct_` and 32 hex digits, or
/// without the underscore, which SWIFT's character set does not have.
fn named_account(words: &BTreeSet<String>) -> Option<AccountId> {
    let account = |word: &String| {
        let rest = word.strip_prefix("ACCT")?;
        let rest = rest.strip_prefix(['_', '-', '.']).unwrap_or(rest);
        from_hex_array::<16>(&rest.to_ascii_lowercase()).map(AccountId::from_bytes)
    };
    let mut found = words.iter().filter_map(account);
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// One fact of what changed; none when nothing did.
pub(super) fn breaks_fact(slot: SaltSlot, changed: &BreaksChanged) -> Option<Fact> {
    let nothing = changed.opened.is_empty() && changed.closed.is_empty();
    (!nothing).then(|| changed.to_fact(slot, Heading::default()))
}

fn unmatched(at: Instant, account: &OutsideAccount, line: &OutsideLine) -> Break {
    let kind = match line.nature {
        LineNature::Movement => BreakKind::DebitUnmatched,
        LineNature::Reversal => BreakKind::CreditReversed,
    };
    line_break(kind, at, account, line, line.amount)
}

/// How far the second amount of a line is from the first.
pub(super) fn differing(
    at: Instant,
    account: &OutsideAccount,
    line: &OutsideLine,
    other: &LineEntry,
) -> Break {
    let (told, counted) = (line.amount.minor, other.line.amount.minor);
    let by = told.minus(counted).or_else(|_| counted.minus(told)).unwrap_or(Minor::ZERO);
    let amount = Amount::new(by, line.amount.asset);
    line_break(BreakKind::AmountDiffers, at, account, line, amount)
}

/// A break about a line.
pub(super) fn line_break(
    kind: BreakKind,
    at: Instant,
    account: &OutsideAccount,
    line: &OutsideLine,
    amount: Amount,
) -> Break {
    Break {
        id: break_id(kind, account.asset, Some(line.line), line.booked_on),
        kind,
        amount,
        side: line.side,
        reference: line.reference.clone(),
        on: line.booked_on,
        owner: account.owner,
        opened_at: at,
        line: Some(line.line),
    }
}
