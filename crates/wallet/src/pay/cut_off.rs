//! While the core cannot be reached: the payer's bank may accept the payment for good, under a
//! lease, where it keeps its own book.
//!
//! The same order under the same id goes to both, as often as it must: the bank holds a payment
//! for the core or accepts it, never both, so it has one outcome whoever hears it first.

use core::time::Duration;

use client::{Outcome, Outgoing};
use record::{LeaseAcceptance, PaymentTerms, SettleOrder, Signed};
use seal::{sha256, to_canonical};

use super::outcome::{Accepted, PaymentOutcome};
use super::settle::OrderSent;
use crate::config::PeerEntry;
use crate::error::{WalletError, same};
use crate::folder::Kept;
use crate::system;
use crate::wallet::Wallet;

/// Between two tries, in milliseconds.
const TRY_MS: u64 = 500;
/// What the bank says while it still hears the core.
const REACHABLE: &str = "CoreReachable";

/// What the bank said.
enum Said {
    Accepted(Box<Accepted>),
    /// It hears the core, or did not answer: ask both again.
    Again(String),
    /// It does not accept it.
    No(String),
}

impl Wallet {
    /// Asks the bank and the core in turns, until one has taken the order or a permit is over.
    pub(super) async fn cut_off(
        &self,
        bank: &PeerEntry,
        order: &SettleOrder,
        terms: PaymentTerms,
        rounds: &mut u32,
    ) -> Result<PaymentOutcome, WalletError> {
        let payment = terms.payment;
        let permit = order.debtor_permit.read_unverified();
        let permit = permit.map_err(|error| WalletError::not_taken("order", error))?;
        loop {
            *rounds = rounds.saturating_add(1);
            let words = match self.ask_bank(bank, order, &terms).await? {
                Said::Accepted(accepted) => return Ok(PaymentOutcome::Accepted(accepted)),
                Said::No(words) => return Ok(PaymentOutcome::Unknown { payment, words }),
                Said::Again(words) => words,
            };
            if system::now() >= permit.valid_until {
                return Ok(PaymentOutcome::Unknown { payment, words });
            }
            tokio::time::sleep(Duration::from_millis(TRY_MS)).await;
            *rounds = rounds.saturating_add(1);
            if let OrderSent::Answered(promise) = self.send_order(order).await? {
                return self.ended(terms, *promise, *rounds).await;
            }
        }
    }

    async fn ask_bank(
        &self,
        bank: &PeerEntry,
        order: &SettleOrder,
        terms: &PaymentTerms,
    ) -> Result<Said, WalletError> {
        let request = Outgoing::post("/v1/lease-orders", api::wire::CBOR, to_canonical(order));
        let answer = match self.send(bank, request).await {
            Outcome::Answer(answer) => answer,
            Outcome::NotDone(error) => return Ok(Said::Again(error.to_string())),
            Outcome::Unknown(error) => return Ok(Said::Again(error.to_string())),
            Outcome::Refused(problem) => {
                let detail = problem.detail.unwrap_or(problem.title);
                let words = format!("`{}`: {detail}", bank.name);
                let again = detail.starts_with(REACHABLE) || problem.status >= 500;
                return Ok(if again { Said::Again(words) } else { Said::No(words) });
            }
        };
        let signed = Signed::<LeaseAcceptance>::from_bytes(&answer.body)
            .map_err(|error| WalletError::answer(&bank.name, error))?;
        let acceptance = self.check_acceptance(bank, &signed, order, terms)?;
        let document = self.folder.keep(terms.payment, Kept::Accepted, &signed)?;
        let terms = terms.clone();
        Ok(Said::Accepted(Box::new(Accepted { terms, acceptance, document })))
    }

    /// Whether it is this bank's word on this order: what anybody with its key can check.
    fn check_acceptance(
        &self,
        bank: &PeerEntry,
        signed: &Signed<LeaseAcceptance>,
        order: &SettleOrder,
        terms: &PaymentTerms,
    ) -> Result<LeaseAcceptance, WalletError> {
        let by = bank.name.as_str();
        let said = signed.verify(&bank.key).map_err(|error| WalletError::answer(by, error))?;
        same(by, "environment", &self.config.environment, &said.environment)?;
        same(by, "book", &terms.book, &said.book)?;
        same(by, "institution", &self.config.institution, &said.line.institution)?;
        same(by, "payment", &terms.payment, &said.payment)?;
        same(by, "terms", &sha256(order.terms.as_bytes()), &said.terms)?;
        Ok(said)
    }
}
