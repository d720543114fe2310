//! Paying: quote, prepare, agree, present, decide, order, receipt.
//!
//! [`Wallet::pay`] does it all. Each stage is a function of its own whose result has public
//! fields, so that a drill can change what lies between two stages and see who refuses it; what
//! the wallet signs is checked again at the moment of signing.

mod cut_off;
mod decide;
mod outcome;
mod prepare;
mod settle;

use core::time::Duration;

use api::messages::QUOTE_SECONDS_MAX;
use record::{Ending, Promise, RequestToPay, SettleOrder, Signed};
use seal::Digest;
use terms::PaymentId;

pub use decide::{Decided, Letters, Permitted};
pub use outcome::{Accepted, Chinese, PaymentOutcome, RefusedPayment, Settled, Shown};
pub(crate) use outcome::{missing_json, missing_text};
pub use prepare::PaymentInHand;
pub use settle::{CheckedPromise, OrderSent};

use crate::error::WalletError;
use crate::folder::{Kept, read_file};
use crate::privacy::Disclosure;
use crate::system;
use crate::wallet::Wallet;

/// The core's refusal of permits that rest on lists which were superseded meanwhile.
const SUPERSEDED: &str = "SnapshotTooOld";
/// How often a request is prepared at most: lists change some times a day, not some times a second.
const TRIES_MAX: u32 = 5;
/// Before the second try, twice as long before each further one: an instance of an edge may go by
/// the superseded lists until it has looked again, which it does every second.
const LEARNS_WITHIN: Duration = Duration::from_millis(250);

/// What the owner says to a consent view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Go on.
    Yes,
    /// Stop: nothing leaves the wallet.
    No,
}

/// What to do when the preparation says that something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// Stop and say what, and how to mend it.
    Stop,
    /// Ask for a decision all the same.
    GoOn,
}

/// What a payment does beside paying its request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purpose {
    /// The payment that it refunds.
    pub(crate) refund_of: Option<PaymentId>,
    /// The quote at whose rate it is to be.
    pub(crate) at_rate_of: Option<Digest>,
}

impl Wallet {
    /// Reads a request-to-pay file.
    pub fn read_request(path: &std::path::Path) -> Result<RequestToPay, WalletError> {
        seal::from_canonical(&read_file(path)?).map_err(|error| WalletError::BadFile {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// A fresh payment id, time-ordered: the first six bytes are milliseconds, as in UUID v7.
    pub fn new_payment(&self) -> Result<PaymentId, WalletError> {
        let millis = (system::now().nanos() / 1_000_000).to_be_bytes();
        let mut bytes: [u8; 16] = system::random()?;
        for (to, from) in bytes.iter_mut().zip(millis.iter().skip(2)) {
            *to = *from;
        }
        Ok(PaymentId::from_bytes(bytes))
    }

    /// Pays a request. `agree` sees the terms and what would be shown to whom, and decides; it is
    /// asked again when lists were superseded between the permits and the order, because the
    /// request is then prepared anew, at a new quote.
    ///
    /// The payment id, and later the order, are durable here before they leave: after a crash
    /// [`Wallet::resume`] asks for the same again, and never makes another. A request whose order
    /// was stored and not refused is not paid again: an invoice is paid once.
    pub async fn pay(
        &self,
        request: &RequestToPay,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
        when_missing: WhenMissing,
    ) -> Result<PaymentOutcome, WalletError> {
        self.pay_for(Purpose::default(), request, agree, when_missing).await
    }

    pub(crate) async fn pay_for(
        &self,
        purpose: Purpose,
        request: &RequestToPay,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
        when_missing: WhenMissing,
    ) -> Result<PaymentOutcome, WalletError> {
        if let Some(before) = self.ordered_before(request)? {
            let reason = format!("its order was stored as payment `{before}`: resume that one");
            return Err(WalletError::not_taken("request to pay", reason));
        }
        let (mut tries, mut pause) = (1, LEARNS_WITHIN);
        loop {
            let outcome = self.pay_once(purpose, request, agree, when_missing).await?;
            // Lists that were superseded between the permits and the order: nothing moved, and the
            // same request is prepared anew, under another id, on the new lists.
            let superseded = matches!(
                &outcome,
                PaymentOutcome::Refused(refused) if refused.code == SUPERSEDED
            );
            if !superseded || tries == TRIES_MAX {
                return Ok(outcome);
            }
            tokio::time::sleep(pause).await;
            (tries, pause) = (tries + 1, pause * 2);
        }
    }

    async fn pay_once(
        &self,
        purpose: Purpose,
        request: &RequestToPay,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
        when_missing: WhenMissing,
    ) -> Result<PaymentOutcome, WalletError> {
        let payment = self.new_payment()?;
        self.folder.keep(payment, Kept::Request, request)?;
        let at = (QUOTE_SECONDS_MAX, purpose.at_rate_of);
        let quote = self.quote_at(request, payment, at).await?;
        let mut hand = self.prepare_for(request, quote, purpose.refund_of).await?;
        if when_missing == WhenMissing::Stop && !hand.preparation.missing.is_empty() {
            let missing = hand.preparation.missing;
            return Ok(PaymentOutcome::NotReady { payment, missing });
        }
        let shown = self.shown(&hand)?;
        if agree(&shown) == Agreement::No {
            let (view, at) = (&shown.view, system::now());
            self.record.append(view, Disclosure::Declined, Some(payment), at)?;
            return Ok(PaymentOutcome::Declined { payment });
        }
        let letters = self.present(&hand)?;
        match self.decide(&mut hand, &letters).await? {
            Decided::Permitted(permits) => {
                let order = self.order(&hand, &permits)?;
                self.settle(&mut hand, &order).await
            }
            Decided::Refused(mut refused) => {
                // A referral has not ended, so it has no receipt.
                if refused.document.is_some() {
                    refused.receipt = self.receipt_of_refusal(payment).await?;
                }
                Ok(PaymentOutcome::Refused(refused))
            }
        }
    }

    /// The payment whose order for this request's invoice is stored and was not refused: it has
    /// settled, or it still may.
    fn ordered_before(&self, request: &RequestToPay) -> Result<Option<PaymentId>, WalletError> {
        let invoice = request.invoice.digest();
        for payment in self.folder.payments()? {
            let order = self.folder.kept::<SettleOrder>(payment, Kept::Order)?;
            if order.is_none_or(|order| order.invoice.digest() != invoice) {
                continue;
            }
            let promise = self.folder.kept::<Signed<Promise>>(payment, Kept::Promise)?;
            let outcome = promise.and_then(|signed| signed.read_unverified().ok());
            if !outcome.is_some_and(|promise| matches!(promise.outcome, Ending::Refused(_))) {
                return Ok(Some(payment));
            }
        }
        Ok(None)
    }

    /// Goes on with a payment whose order is stored: asks for the same again, by its id.
    pub async fn resume(&self, payment: PaymentId) -> Result<PaymentOutcome, WalletError> {
        let Some(order) = self.folder.kept::<SettleOrder>(payment, Kept::Order)? else {
            let words = "no order was stored, so none was sent: nothing happened".to_owned();
            return Ok(PaymentOutcome::Unknown { payment, words });
        };
        let mut rounds = 0;
        self.settle_order(&order, &mut rounds).await
    }
}

#[cfg(test)]
mod tests;
