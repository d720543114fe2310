//! After consent: the order, the promise, the receipt. Whatever breaks, the same order is asked
//! for by the same id, or nothing is.

use core::time::Duration;
use std::path::PathBuf;

use api::messages::{OrderAnswer, PaymentStatus, Repeated};
use client::{Outcome, Outgoing};
use record::{Ending, Identifiers, PaymentTerms, Promise, SettleOrder, Signed, commitment_of};
use seal::{Digest, sha256, to_canonical};
use terms::{PaymentId, Position, Uetr};

use super::decide::Permitted;
use super::outcome::{PaymentOutcome, RefusedPayment, Settled};
use super::prepare::PaymentInHand;
use crate::error::{WalletError, same};
use crate::folder::Kept;
use crate::system;
use crate::verify::{VerifyTrust, read_receipt};
use crate::wallet::Wallet;

/// Between two questions for a receipt or a status, in milliseconds.
const POLL_MS: u64 = 50;
/// How long the wallet asks for a receipt before it leaves it for later: a checkpoint with both
/// cosignatures needs a second, a witness that restarts a few.
const RECEIPT_PATIENCE: Duration = Duration::from_secs(10);

/// A promise whose signature and words were checked against this wallet's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPromise {
    /// The promise.
    pub promise: Promise,
    /// As it was signed.
    pub signed: Signed<Promise>,
    /// Whether the core gave this answer before.
    pub repeated: Repeated,
    /// What happened, in the core's words; empty when settled.
    pub words: String,
}

/// What came of sending an order once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderSent {
    /// The core answered.
    Answered(Box<CheckedPromise>),
    /// It surely did not arrive: it may be sent again.
    NotDone(String),
    /// Nobody here knows: ask by id.
    Unknown(String),
}

impl Wallet {
    /// The order for a payment that both sides permit, durable here before anybody sees it.
    pub fn order(
        &self,
        hand: &PaymentInHand,
        permits: &Permitted,
    ) -> Result<SettleOrder, WalletError> {
        let order = SettleOrder {
            layout: 1,
            terms: hand.preparation.terms.clone(),
            identifiers: Identifiers {
                uetr: Uetr::from_random(system::random()?),
                end_to_end_id: Identifiers::end_to_end(&hand.invoice.number),
                instruction_id: seal::text::to_hex(&hand.payment.bytes()),
            },
            quote: hand.quote.clone(),
            invoice: hand.request.invoice.clone(),
            acceptance: hand.preparation.acceptance.clone(),
            debtor_permit: permits.debtor.clone(),
            creditor_permit: permits.creditor.clone(),
        };
        // Durable now: payment id and order. If we stop here, nothing was sent, and `resume` sends
        // exactly this order under this id.
        self.folder.keep(hand.payment, Kept::Order, &order)?;
        Ok(order)
    }

    /// Sends the order and waits for promise and receipt.
    pub async fn settle(
        &self,
        hand: &mut PaymentInHand,
        order: &SettleOrder,
    ) -> Result<PaymentOutcome, WalletError> {
        let mut rounds = hand.rounds_after_consent;
        let outcome = self.settle_order(order, &mut rounds).await;
        hand.rounds_after_consent = rounds;
        outcome
    }

    pub(crate) async fn settle_order(
        &self,
        order: &SettleOrder,
        rounds: &mut u32,
    ) -> Result<PaymentOutcome, WalletError> {
        let terms = read_terms(order)?;
        let payment = terms.payment;
        *rounds = rounds.saturating_add(1);
        let mut sent = self.send_order(order).await?;
        if let OrderSent::Unknown(words) = &sent {
            // Ask, do not act. Where it has ended, the same order gets its first answer again;
            // where it has not, it may still be under way, and only its owner asks again.
            *rounds = rounds.saturating_add(1);
            match self.ask(payment).await {
                Ok(PaymentStatus { ending: Some(_), .. }) => {
                    *rounds = rounds.saturating_add(1);
                    sent = self.send_order(order).await?;
                }
                Err(WalletError::Unknown(_) | WalletError::NotDone(_)) => {}
                Ok(_) => return Ok(PaymentOutcome::Unknown { payment, words: words.clone() }),
                Err(error) => return Err(error),
            }
        }
        match sent {
            OrderSent::Answered(promise) => self.ended(terms, *promise, *rounds).await,
            OrderSent::NotDone(words) | OrderSent::Unknown(words) => match &self.config.bank {
                Some(bank) => self.cut_off(bank, order, terms, rounds).await,
                None => Ok(PaymentOutcome::Unknown { payment, words }),
            },
        }
    }

    /// Sends an order once. Sending it again is safe: the core answers the same.
    pub async fn send_order(&self, order: &SettleOrder) -> Result<OrderSent, WalletError> {
        let core = &self.config.core;
        let request = Outgoing::post("/v1/orders", api::wire::CBOR, to_canonical(order));
        let answer = match self.send(core, request).await {
            Outcome::Answer(answer) => answer,
            Outcome::NotDone(error) => return Ok(OrderSent::NotDone(error.to_string())),
            Outcome::Unknown(error) => return Ok(OrderSent::Unknown(error.to_string())),
            Outcome::Refused(problem) => {
                let (by, problem) = (core.name.clone(), Box::new(problem));
                return Err(WalletError::Refused { by, problem });
            }
        };
        let answer: OrderAnswer = seal::from_canonical(&answer.body)
            .map_err(|error| WalletError::answer(&core.name, error))?;
        let terms = read_terms(order)?;
        let promise =
            self.check_promise(&answer.promise, &terms, sha256(order.terms.as_bytes()))?;
        self.folder.keep(terms.payment, Kept::Promise, &answer.promise)?;
        Ok(OrderSent::Answered(Box::new(CheckedPromise {
            promise,
            signed: answer.promise,
            repeated: answer.repeated,
            words: answer.words,
        })))
    }

    /// What the core knows of a payment.
    pub async fn ask(&self, payment: PaymentId) -> Result<PaymentStatus, WalletError> {
        let target = format!("/v1/payments/{payment}");
        let status: PaymentStatus = self.get(&self.config.core, &target).await?;
        same(&self.config.core.name, "payment", &payment, &status.payment)?;
        Ok(status)
    }

    /// What was known of a payment at a position of the book or later: a core that stands by may
    /// answer, which knows less than the one that leads. The answer's head says how far it knew.
    pub async fn ask_at_least(
        &self,
        payment: PaymentId,
        position: Position,
    ) -> Result<PaymentStatus, WalletError> {
        let target = format!("/v1/payments/{payment}?at_least={position}");
        let status: PaymentStatus = self.get(&self.config.core, &target).await?;
        same(&self.config.core.name, "payment", &payment, &status.payment)?;
        Ok(status)
    }

    /// Asks for the receipt until it is cosigned, checks it and keeps it. `None` when it is not
    /// there after ten seconds: ask again later.
    ///
    /// With a promise, the receipt must stand where it was promised, for the same leaf.
    pub async fn wait_for_receipt(
        &self,
        payment: PaymentId,
        promise: Option<&Promise>,
    ) -> Result<Option<PathBuf>, WalletError> {
        let asking = self.ask_for_receipt(payment, promise);
        tokio::time::timeout(RECEIPT_PATIENCE, asking).await.ok().transpose()
    }

    /// The receipt of an edge's refusal, which the edge itself reports. That the core does not
    /// have it, or not for us, takes nothing from the refusal, which is signed.
    pub(crate) async fn receipt_of_refusal(
        &self,
        payment: PaymentId,
    ) -> Result<Option<PathBuf>, WalletError> {
        match self.wait_for_receipt(payment, None).await {
            Err(WalletError::Refused { .. }) => Ok(None),
            other => other,
        }
    }

    async fn ask_for_receipt(
        &self,
        payment: PaymentId,
        promise: Option<&Promise>,
    ) -> Result<PathBuf, WalletError> {
        let core = &self.config.core;
        let target = format!("/v1/payments/{payment}/receipt");
        loop {
            match self.send(core, Outgoing::get(&target)).await {
                Outcome::Answer(answer) => {
                    self.check_receipt(payment, promise, &answer.body)?;
                    return self.folder.keep_bytes(payment, Kept::Receipt, &answer.body);
                }
                Outcome::Refused(problem) if problem.status != 404 => {
                    let (by, problem) = (core.name.clone(), Box::new(problem));
                    return Err(WalletError::Refused { by, problem });
                }
                Outcome::Refused(_) | Outcome::NotDone(_) | Outcome::Unknown(_) => {
                    tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
                }
            }
        }
    }

    fn check_receipt(
        &self,
        payment: PaymentId,
        promise: Option<&Promise>,
        bytes: &[u8],
    ) -> Result<(), WalletError> {
        let by = &self.config.core.name;
        let trust = VerifyTrust { log: self.trust.clone(), lists: Vec::new() };
        let (report, read) = read_receipt(bytes, Some(&trust));
        let Some(read) = read.filter(|_| report.is_good()) else {
            let reason = report.first_failure().unwrap_or_else(|| "not vouched for".to_owned());
            return Err(WalletError::answer(by, format!("receipt: {reason}")));
        };
        let opened: PaymentId = read
            .value(record::settlement::PAYMENT_FIELD)
            .ok_or_else(|| WalletError::answer(by, "the receipt does not open the payment id"))?;
        same(by, "payment", &payment, &opened)?;
        let Some(promise) = promise else { return Ok(()) };
        same(by, "position", &promise.position, &read.receipt().position())?;
        let commitment = commitment_of(read.receipt().commitments());
        same(by, "commitment", &promise.commitment.0, &commitment.0)?;
        let terms: Option<Digest> = read.value(record::settlement::TERMS_DIGEST_FIELD);
        same(by, "terms", &promise.terms, &terms.unwrap_or(Digest::ZERO))?;
        let ending: Option<Ending> = read.value(record::settlement::ENDING_FIELD);
        let ending = ending.map(|ending| ending.to_string()).unwrap_or_default();
        same(by, "ending", &promise.outcome.to_string(), &ending)
    }

    pub(super) async fn ended(
        &self,
        terms: PaymentTerms,
        promise: CheckedPromise,
        rounds_after_consent: u32,
    ) -> Result<PaymentOutcome, WalletError> {
        let receipt = self.wait_for_receipt(terms.payment, Some(&promise.promise)).await?;
        Ok(match &promise.promise.outcome {
            Ending::Settled => PaymentOutcome::Settled(Box::new(Settled {
                terms,
                promise,
                receipt,
                rounds_after_consent,
            })),
            Ending::Refused(code) => PaymentOutcome::Refused(Box::new(RefusedPayment {
                payment: terms.payment,
                code: code.clone(),
                words: promise.words.clone(),
                mend: None,
                law: None,
                chinese: None,
                next: None,
                by: self.config.core.name.clone(),
                document: None,
                position: Some(promise.promise.position),
                receipt,
            })),
        })
    }

    pub(crate) fn check_promise(
        &self,
        signed: &Signed<Promise>,
        terms: &PaymentTerms,
        digest: Digest,
    ) -> Result<Promise, WalletError> {
        let by = self.config.core.name.as_str();
        let log = self.trust.log();
        let promise = signed.verify(&log.key()).map_err(|error| WalletError::answer(by, error))?;
        same(by, "payment", &terms.payment, &promise.payment)?;
        same(by, "environment", &self.config.environment, &promise.environment)?;
        same(by, "origin", &log.name().as_str().to_owned(), &promise.origin)?;
        same(by, "terms", &digest, &promise.terms)?;
        Ok(promise)
    }
}

fn read_terms(order: &SettleOrder) -> Result<PaymentTerms, WalletError> {
    PaymentTerms::from_terms_string(&order.terms)
        .map_err(|error| WalletError::not_taken("order", error))
}
