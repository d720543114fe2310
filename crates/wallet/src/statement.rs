//! What was posted on the wallet's own account, as its bank's book says it.

use api::statement::StatementPage;
use terms::Position;

use crate::error::{WalletError, same};
use crate::wallet::Wallet;

/// Which page of a statement is wanted.
#[derive(Clone, Debug, Default)]
pub struct StatementAsk {
    /// At most so many lines; as many as the core likes when it is not said.
    pub limit: Option<u16>,
    /// The oldest line first.
    pub oldest_first: bool,
    /// Where another page ended.
    pub cursor: Option<String>,
    /// The state at this position of the book or later is enough.
    pub at_least: Option<Position>,
}

impl StatementAsk {
    fn target(&self, account: terms::AccountId) -> String {
        let mut questions = Vec::new();
        questions.extend(self.limit.map(|limit| format!("limit={limit}")));
        questions.extend(self.oldest_first.then(|| "order=oldest".to_owned()));
        questions.extend(self.at_least.map(|position| format!("at_least={position}")));
        let cursor = |text: &String| crate::calls::form_text(&[("cursor", text)]);
        questions.extend(self.cursor.as_ref().map(cursor));
        let target = format!("/v1/accounts/{account}/statement");
        if questions.is_empty() { target } else { format!("{target}?{}", questions.join("&")) }
    }
}

impl Wallet {
    /// One page of the statement of the wallet's account.
    ///
    /// # Errors
    /// The core's refusal, or that nothing is known: asking again is harmless.
    pub async fn statement(&self, ask: &StatementAsk) -> Result<StatementPage, WalletError> {
        let (core, account) = (&self.config.core, self.config.account);
        let page: StatementPage = self.get(core, &ask.target(account)).await?;
        same(&core.name, "account", &account, &page.account)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_asked() {
        let account = terms::AccountId::from_bytes([7; 16]);
        let plain = format!("/v1/accounts/{account}/statement");
        assert_eq!(StatementAsk::default().target(account), plain);
        let all = StatementAsk {
            limit: Some(3),
            oldest_first: true,
            cursor: Some("a b".to_owned()),
            at_least: Some(Position::new(9)),
        };
        let expected = format!("{plain}?limit=3&order=oldest&at_least=9&cursor=a%20b");
        assert_eq!(all.target(account), expected);
    }
}
