//! A file, judged whole: whose accounts, which currency, which dates, and whether it came before.

use std::collections::BTreeSet;

use record::{Fact, FactBody, Heading, LineId, OutsideAccount, SaltSlot, StatementFile};
use terms::{AssetCode, BusinessDate, Instant};

use super::claims::next_day;
use super::{FileClaim, FundingAnswer, LineClaim, MessageKey, News, ReportClaim, Step, line_id};
use crate::rule::{Rule, RuleName};
use crate::settlement::SettlementBook;

impl SettlementBook {
    /// Refused files leave no fact: a bad file under the message id of a good one must not stand
    /// in its way. The same bytes meet the same rules again.
    pub(super) fn judge_file(&self, at: Instant, slot: SaltSlot, claim: &FileClaim) -> Step {
        let accounts: Vec<&OutsideAccount> = claim
            .reports
            .iter()
            .map(|report| self.outside_account(report))
            .collect::<Result<_, Rule>>()?;
        let assets: Vec<AssetCode> = accounts.iter().map(|account| account.asset).collect();
        if self.funding.files.contains_key(&claim.digest) {
            return Ok((vec![], FundingAnswer::Taken { assets, news: News::Before }));
        }
        let servicer = accounts.first().map_or("", |account| account.servicer.as_str());
        let key =
            MessageKey { servicer: servicer.to_owned(), message_id: claim.message_id.clone() };
        if let Some(first) = self.funding.messages.get(&key) {
            let detail = format!(
                "message id `{}` of `{servicer}`: first file `{first}`, now `{}`",
                claim.message_id, claim.digest
            );
            return Err(Rule::new(RuleName::StatementMessageIdUsed, detail));
        }
        // A bank east of here may be a day ahead.
        let latest = next_day(at.date());
        if claim.created_on > latest {
            let detail = format!("made on `{}`, it is `{}`", claim.created_on, at.date());
            return Err(Rule::new(RuleName::StatementDateWrong, detail));
        }
        let (mut lines, mut seen) = (Vec::<LineId>::new(), BTreeSet::new());
        for (account, report) in accounts.iter().zip(&claim.reports) {
            for line in &report.lines {
                let id = judged_line(account, line, next_day(claim.created_on))?;
                if seen.insert(id) {
                    lines.push(id);
                }
            }
        }
        let file = StatementFile {
            digest: claim.digest,
            message_id: claim.message_id.clone(),
            servicer: key.servicer,
            kind: claim.kind,
            created_on: claim.created_on,
            lines,
        };
        let facts: Vec<Fact> = vec![file.to_fact(slot, Heading::default())];
        Ok((facts, FundingAnswer::Taken { assets, news: News::Now }))
    }

    /// The outside account that a statement is of.
    pub(super) fn outside_account(&self, report: &ReportClaim) -> Result<&OutsideAccount, Rule> {
        let of_number = |account: &&OutsideAccount| account.number == report.number;
        let mut same_number = self.funding.accounts.values().filter(of_number).peekable();
        if same_number.peek().is_none() {
            let detail = format!("account `{}`", report.number);
            return Err(Rule::new(RuleName::StatementAccountUnknown, detail));
        }
        let told = report.currency.as_deref();
        let in_currency =
            |account: &&OutsideAccount| told.is_none_or(|code| code == account.asset.currency());
        let account = same_number.find(in_currency).ok_or_else(|| {
            let detail = format!("account `{}` in `{}`", report.number, told.unwrap_or("?"));
            Rule::new(RuleName::StatementCurrencyDiffers, detail)
        })?;
        match report.servicer.as_deref() {
            Some(got) if bank(got) != bank(&account.servicer) => Err(Rule::differs(
                RuleName::StatementAccountUnknown,
                "Svcr",
                &account.servicer,
                got,
            )),
            Some(_) | None => Ok(account),
        }
    }
}

/// A BIC without the branch that means the head office.
fn bank(bic: &str) -> &str {
    bic.strip_suffix("XXX").unwrap_or(bic)
}

/// The identity of a line that may count.
pub(super) fn judged_line(
    account: &OutsideAccount,
    line: &LineClaim,
    latest: BusinessDate,
) -> Result<LineId, Rule> {
    let shown = || line.reference.clone().unwrap_or_else(|| line.money.to_string());
    line.money.of_asset(account.asset).map_err(|error| {
        let detail = format!("line `{}`: {error}", shown());
        Rule::new(RuleName::StatementCurrencyDiffers, detail)
    })?;
    if line.reference.is_none() {
        let detail = format!("a line of `{}`", line.money);
        return Err(Rule::new(RuleName::StatementLineUnnamed, detail));
    }
    let Some(booked_on) = line.booked_on else {
        let detail = format!("line `{}` is booked without a day", shown());
        return Err(Rule::new(RuleName::StatementDateWrong, detail));
    };
    if booked_on > latest {
        let detail = format!("line `{}` is booked on `{booked_on}`, later than the file", shown());
        return Err(Rule::new(RuleName::StatementDateWrong, detail));
    }
    Ok(line_id(account, line, booked_on))
}
