//! Giving a payment back: a new payment the other way round, linked, that its payee orders.
//!
//! The payer asks with a request to pay along the corridor back; the payee's wallet does with it
//! what it does with any request, and its terms say what they refund. Both banks decide, each by
//! its own pack of that corridor. How much may come back at most is judged by the settlement book,
//! in its own turn.

use client::{Outcome, Outgoing};
use record::settlement::{PAYMENT_FIELD, TERMS_FIELD};
use record::{Ending, PaymentTerms, RequestToPay};
use terms::PaymentId;

use crate::error::{WalletError, same};
use crate::pay::{Agreement, PaymentOutcome, Purpose, Shown, WhenMissing};
use crate::verify::{VerifyTrust, read_receipt};
use crate::wallet::Wallet;

/// At which rate money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundRate {
    /// That of the day.
    Today,
    /// That of the payment, while the provider guarantees it and signs a quote at it.
    Original,
}

impl Wallet {
    /// Refunds `original`, or a part of it: what `request` asks for, which its payer made.
    ///
    /// Before anything is shown to anybody: that the original has settled, and that this wallet's
    /// account is the one that it credited.
    pub async fn refund(
        &self,
        original: PaymentId,
        request: &RequestToPay,
        rate: RefundRate,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
        when_missing: WhenMissing,
    ) -> Result<PaymentOutcome, WalletError> {
        let not_taken = |reason: String| WalletError::not_taken("payment to refund", reason);
        let ending = self.ask(original).await?.ending.map(|ended| ended.ending);
        if ending != Some(Ending::Settled) {
            let stands =
                ending.map_or_else(|| "has no end".to_owned(), |ending| ending.to_string());
            return Err(not_taken(format!("expected a settled payment, `{original}` {stands}")));
        }
        let paid = self.terms_of_receipt(original).await?;
        let own = self.config.account;
        if paid.credited_account != own {
            return Err(not_taken(format!("`{original}` did not pay account `{own}`")));
        }
        let asks = request.invoice.read_unverified();
        let asks = asks.map_err(|error| WalletError::not_taken("request to pay", error))?;
        if asks.account != paid.debited_account {
            return Err(not_taken("the request is not by the account that paid".to_owned()));
        }
        let at_rate_of = match rate {
            RefundRate::Today => None,
            RefundRate::Original => Some(paid.quote_hash),
        };
        let purpose = Purpose { refund_of: Some(original), at_rate_of };
        self.pay_for(purpose, request, agree, when_missing).await
    }

    /// The terms of a settled payment, as its receipt opens them to this wallet.
    async fn terms_of_receipt(&self, payment: PaymentId) -> Result<PaymentTerms, WalletError> {
        let core = &self.config.core;
        let target = format!("/v1/payments/{payment}/receipt");
        let bytes = match self.send(core, Outgoing::get(&target)).await {
            Outcome::Answer(answer) => answer.body,
            Outcome::Refused(problem) => {
                let (by, problem) = (core.name.clone(), Box::new(problem));
                return Err(WalletError::Refused { by, problem });
            }
            Outcome::NotDone(error) => return Err(error.into()),
            Outcome::Unknown(error) => return Err(error.into()),
        };
        let trust = VerifyTrust { log: self.trust.clone(), lists: Vec::new() };
        let (report, read) = read_receipt(&bytes, Some(&trust));
        let by = core.name.as_str();
        let Some(read) = read.filter(|_| report.is_good()) else {
            let reason = report.first_failure().unwrap_or_else(|| "not vouched for".to_owned());
            return Err(WalletError::answer(by, format!("receipt: {reason}")));
        };
        let named: Option<PaymentId> = read.value(PAYMENT_FIELD);
        same(by, "payment", &payment.to_string(), &shown(named))?;
        let text: Option<String> = read.value(TERMS_FIELD);
        let text = text.ok_or_else(|| WalletError::answer(by, "the receipt opens no terms"))?;
        PaymentTerms::from_terms_string(&text).map_err(|error| WalletError::answer(by, error))
    }
}

fn shown(payment: Option<PaymentId>) -> String {
    payment.map(|payment| payment.to_string()).unwrap_or_default()
}
