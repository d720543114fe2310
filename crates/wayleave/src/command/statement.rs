//! `wayleave wallet statement`: what was posted on the wallet's account.

use core::fmt::Write as _;
use std::process::ExitCode;

use ::wallet::{CommandResult, StatementAsk};
use api::statement::{StatementLine, StatementPage, Way};
use serde_json::{Value, json};
use terms::{Amount, Position};

use super::{show, tell, wallet};
use crate::cli::wallet::StatementArgs;

pub(super) async fn command(args: &StatementArgs) -> anyhow::Result<ExitCode> {
    let wallet = wallet::open(&args.place)?;
    let ask = StatementAsk {
        limit: Some(args.limit),
        oldest_first: args.oldest_first,
        cursor: args.cursor.clone(),
        at_least: args.at_least.map(Position::new),
    };
    tell("asking the bank's book …");
    Ok(show(&Statement(wallet.statement(&ask).await?), args.place.json))
}

struct Statement(StatementPage);

impl CommandResult for Statement {
    fn text(&self) -> String {
        let page = &self.0;
        let mut text =
            format!("account   {}\nread at   position {}\n", page.account, page.head.number());
        if page.lines.is_empty() {
            text.push_str("nothing was posted on it");
        }
        for line in &page.lines {
            let sign = if line.way == Way::In { '+' } else { '-' };
            let amount = Amount::new(line.amount, page.asset).for_people();
            let _ = write!(
                text,
                "\n{}  {:<10}  {sign}{amount:<18}  balance {:<18}  {}",
                line.date,
                line.reason,
                balance(page, line),
                line.transaction
            );
        }
        if let Some(cursor) = &page.next {
            let _ = write!(text, "\n\nmore lines: --cursor {cursor}");
        }
        text
    }

    fn json(&self) -> Value {
        let page = &self.0;
        let line = |line: &StatementLine| {
            json!({
                "position": line.position.number(),
                "at": line.at.to_string(),
                "date": line.date.to_string(),
                "transaction": line.transaction.to_string(),
                "reason": line.reason,
                "way": if line.way == Way::In { "in" } else { "out" },
                "amount": Amount::new(line.amount, page.asset).for_people(),
                "balance": balance(page, line),
            })
        };
        json!({
            "account": page.account.to_string(),
            "asset": page.asset.to_string(),
            "head": page.head.number(),
            "lines": page.lines.iter().map(line).collect::<Vec<_>>(),
            "next": page.next,
        })
    }
}

/// What the bank owed the owner after a line; less than nothing where there is a credit line.
fn balance(page: &StatementPage, line: &StatementLine) -> String {
    let amount = |minor| Amount::new(minor, page.asset).for_people();
    line.credits.minus(line.debits).map_or_else(
        |_| {
            line.debits
                .minus(line.credits)
                .map_or_else(|_| String::new(), |owed| format!("-{}", amount(owed)))
        },
        amount,
    )
}
