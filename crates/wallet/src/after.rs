//! After an order: cancelling a payment, agreeing to give one back.

use core::time::Duration;
use std::path::PathBuf;

use api::after::{AskedBack, CancellationAsk, CancellationTaken};
use record::{
    CancellationRequest, CancellationVerdict, PaymentTerms, ReturnConsent, SettleOrder, Signed,
};
use seal::sha256;
use serde_json::{Value, json};
use terms::{Amount, PaymentId, Position};

use crate::error::WalletError;
use crate::folder::Kept;
use crate::outcome::{CommandResult, EXIT_REFUSED};
use crate::system;
use crate::wallet::Wallet;

/// How long a consent to give back is good: the bank signs its order within the day.
const CONSENT_GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// What came of a cancellation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The payment has ended otherwise than settled: it never will.
    Ended {
        /// The payment.
        payment: PaymentId,
        /// The code of its ending.
        code: String,
        /// Where the core recorded it.
        position: Position,
        /// Its receipt; `None` while the checkpoint is not cosigned.
        receipt: Option<PathBuf>,
    },
    /// It had settled: the payee's bank is asked, and no money has moved.
    Asked(AskedBack),
}

impl CommandResult for CancelOutcome {
    fn text(&self) -> String {
        match self {
            Self::Ended { payment, code, position, receipt } => {
                let receipt = receipt
                    .as_ref()
                    .map_or("not cosigned yet".to_owned(), |p| p.display().to_string());
                format!(
                    "cancelled   it will never settle, and the money is released\n\
                     ending    refused: {code}   fact {position}\n\
                     payment   {payment}\nreceipt   {receipt}"
                )
            }
            Self::Asked(asked) => format!(
                "asked back   the payment had settled, which is final; the payee's bank may give \
                 it back\nanswer    {}\npayment   {}",
                answer_words(asked),
                asked.payment
            ),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Ended { payment, code, position, receipt } => json!({
                "outcome": "ended",
                "payment": payment.to_string(),
                "code": code,
                "position": position.number(),
                "receipt": receipt,
            }),
            Self::Asked(asked) => json!({
                "outcome": "asked-back",
                "payment": asked.payment.to_string(),
                "reason": asked.reason,
                "request": asked.request.to_string(),
                "answer_by": asked.answer_by.to_string(),
                "answer": answer_words(asked),
            }),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Ended { .. } => 0,
            Self::Asked(_) => EXIT_REFUSED,
        }
    }
}

fn answer_words(asked: &AskedBack) -> String {
    match &asked.verdict {
        None => format!("none yet; it counts until {}", asked.answer_by),
        Some(CancellationVerdict::Accepted) => "accepted: a return or a refund follows".to_owned(),
        Some(CancellationVerdict::Rejected(reason)) => format!("rejected: {reason}"),
    }
}

impl Wallet {
    /// Cancels a payment of this wallet's, or asks for it back once it has settled. Sending it
    /// again is safe: the core answers the same.
    pub async fn cancel(
        &self,
        payment: PaymentId,
        reason: &str,
    ) -> Result<CancelOutcome, WalletError> {
        let order: Option<SettleOrder> = self.folder.kept(payment, Kept::Order)?;
        let order = order.ok_or_else(|| {
            let reason = format!("no order of payment `{payment}` was ever made here");
            WalletError::not_taken("payment", reason)
        })?;
        let terms = PaymentTerms::from_terms_string(&order.terms)
            .map_err(|error| WalletError::not_taken("order", error))?;
        let digest = sha256(order.terms.as_bytes());
        let request = CancellationRequest {
            layout: 1,
            environment: self.config.environment,
            terms: order.terms,
            reason: reason.to_owned(),
            asked_at: system::now(),
        };
        let request = Signed::sign(&request, &self.request_key);
        let ask = CancellationAsk { layout: 1, request, quote: Some(order.quote) };
        let taken: CancellationTaken =
            self.post(&self.config.core, "/v1/cancellations", &ask).await?;
        let answer = match taken {
            CancellationTaken::Asked(asked) => {
                crate::error::same(&self.config.core.name, "payment", &payment, &asked.payment)?;
                return Ok(CancelOutcome::Asked(asked));
            }
            CancellationTaken::Ended(answer) => answer,
        };
        let promise = self.check_promise(&answer.promise, &terms, digest)?;
        let record::Ending::Refused(code) = &promise.outcome else {
            let reason = "a settled payment is not cancelled";
            return Err(WalletError::answer(&self.config.core.name, reason));
        };
        self.folder.keep(payment, Kept::Promise, &answer.promise)?;
        let receipt = self.wait_for_receipt(payment, Some(&promise)).await?;
        let (code, position) = (code.clone(), promise.position);
        Ok(CancelOutcome::Ended { payment, code, position, receipt })
    }

    /// This wallet's signed consent that its bank takes `amount` from its account to give a
    /// payment back. It moves nothing by itself.
    #[must_use]
    pub fn consent_to_return(&self, original: PaymentId, amount: Amount) -> Signed<ReturnConsent> {
        let consent = ReturnConsent {
            layout: 1,
            environment: self.config.environment,
            original,
            account: self.config.account,
            amount,
            valid_until: system::now().plus(CONSENT_GOOD_FOR),
        };
        Signed::sign(&consent, &self.request_key)
    }
}
