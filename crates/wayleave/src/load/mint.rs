//! Orders without the edges: one payment is permitted by both institutions in the ordinary way,
//! and further ones are made after its model with the banks' own keys, which the stage owns.
//!
//! The core checks these orders like any other: every document is signed anew, by its rightful
//! key, for a payment, quote and invoice of its own. Their permits are numbered by instances of
//! their own, which joined like any other and account for nothing: the edges' counts stay whole.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use record::{
    Acceptance, EdgeMark, EdgeNotice, Identifiers, Invoice, PERMIT_SECONDS_MAX, PaymentTerms,
    Permit, Quote, SettleOrder, Signed,
};
use seal::{Digest, SigningKey, sha256, to_canonical};
use terms::{Instant, InvoiceId, Minor, PaymentId, QuoteId, Sequence, Uetr};
use wallet::KeyFolder;

use super::rig::{Desk, Rig};
use crate::demo::acts::{Ready, invoice, permitted};
use crate::demo::onboard::Calls;
use crate::demo::setup::Stage;

/// What a payment of the load brings the payee: 1.00 SGD, so that the sandbox's money suffices for
/// ten thousand of them and their fees.
pub const AMOUNT_MINOR: u128 = 100;
/// The last part of the names of the instances whose permits are made here.
pub const MINT: &str = "mint";

/// Makes orders after a model.
pub struct Mint {
    model: Ready,
    debtor: Permit,
    creditor: Permit,
    acceptance: Acceptance,
    quote_key: SigningKey,
    debtor_key: SigningKey,
    creditor_key: SigningKey,
    payee_key: SigningKey,
    made: u64,
}

/// An order and the payment it is about.
pub struct Minted {
    /// The payment.
    pub payment: PaymentId,
    /// What it takes from the payer.
    pub debit: Minor,
    /// The order's canonical bytes.
    pub order: Bytes,
}

impl Mint {
    /// Has one payment permitted, as the model. It lives no longer than the snapshot of lists
    /// that its permits name: take a new one for each round.
    pub async fn open(rig: &Rig, desk: &Desk) -> anyhow::Result<Self> {
        let request = invoice(&desk.payee, "MODEL", AMOUNT_MINOR).await?;
        let model = permitted(&desk.payer, &request, 60)
            .await?
            .map_err(|refused| anyhow::anyhow!("the model is refused: {}", refused.code))?;
        let stage = &rig.stage;
        Ok(Self {
            debtor: joined(stage, model.permits.debtor.read_unverified()?).await?,
            creditor: joined(stage, model.permits.creditor.read_unverified()?).await?,
            acceptance: model.hand.preparation.acceptance.read_unverified()?,
            quote_key: stage.key("fx-dealer", "quote")?,
            debtor_key: stage.key("bank-nl.1", "permit")?,
            creditor_key: stage.key("bank-sg.1", "permit")?,
            payee_key: KeyFolder::open(&stage.folder("lim"))?.request_key()?,
            model,
            made: 0,
        })
    }

    /// So many orders, each good for the longest time that a permit may live.
    pub fn make(&mut self, count: usize) -> anyhow::Result<Vec<Minted>> {
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> anyhow::Result<Minted> {
        self.made = self.made.saturating_add(1);
        let now = server::system::now();
        let until = now.plus(Duration::from_secs(PERMIT_SECONDS_MAX));
        let id = || server::system::time_ordered_bytes().map_err(|e| anyhow::anyhow!("{e}"));
        let payment = PaymentId::from_bytes(id()?);
        let hand = &self.model.hand;
        let quote = Quote {
            quote: QuoteId::from_bytes(id()?),
            payment,
            issued_at: now,
            expires_at: until,
            at_rate_of: None,
            ..hand.quoted.clone()
        };
        let quote = Signed::sign(&quote, &self.quote_key);
        let number = format!("INV-{}", self.made);
        let invoice =
            Invoice { invoice: InvoiceId::from_bytes(id()?), number, ..hand.invoice.clone() };
        let invoice = Signed::sign(&invoice, &self.payee_key);
        let (account, book) = (hand.expected.debited_account, hand.expected.book);
        let terms = PaymentTerms::of_payment(&quote, &invoice, account, book).context("terms")?;
        let terms = terms.to_terms_string();
        let acceptance = Acceptance {
            payment,
            invoice: invoice.digest(),
            valid_until: until,
            ..self.acceptance.clone()
        };
        let acceptance = Signed::sign(&acceptance, &self.creditor_key);
        let digest = sha256(terms.as_bytes());
        let permit = |model: &Permit, accepted: Option<Digest>| Permit {
            payment,
            terms: digest,
            acceptance: accepted,
            mark: EdgeMark { sequence: Sequence::new(self.made), ..model.mark },
            decided_at: now,
            valid_until: permit_end(until),
            ..model.clone()
        };
        let order = SettleOrder {
            layout: 1,
            identifiers: identifiers(payment, &hand.invoice.number)?,
            debtor_permit: Signed::sign(&permit(&self.debtor, None), &self.debtor_key),
            creditor_permit: Signed::sign(
                &permit(&self.creditor, Some(acceptance.digest())),
                &self.creditor_key,
            ),
            terms,
            quote,
            invoice,
            acceptance,
        };
        Ok(Minted { payment, debit: hand.quoted.debit.minor, order: to_canonical(&order).into() })
    }
}

/// The permit as one of the instance whose permits are made here; it joins if it has not.
async fn joined(stage: &Stage, permit: Permit) -> anyhow::Result<Permit> {
    let edge = permit.mark.edge;
    let key = stage.key(edge.as_str(), "permit")?;
    let mark = EdgeMark {
        edge: format!("{}.{MINT}", permit.institution).parse()?,
        sequence: Sequence::new(0),
    };
    let notice = EdgeNotice {
        layout: 1,
        environment: permit.environment,
        institution: permit.institution,
        mark,
        key: key.key_id(),
    };
    let body = Signed::sign(&notice, &key).to_bytes();
    let calls = Calls::new(stage);
    calls.post(edge.as_str(), "core", "/v1/edges", api::wire::CBOR, body).await?;
    Ok(Permit { mark, ..permit })
}

/// A permit never outlives its quote, whose end the terms name in whole seconds.
const fn permit_end(quote_end: Instant) -> Instant {
    Instant::from_seconds(quote_end.seconds())
}

fn identifiers(payment: PaymentId, reference: &str) -> anyhow::Result<Identifiers> {
    let random = server::system::random().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(Identifiers {
        uetr: Uetr::from_random(random),
        end_to_end_id: reference.to_owned(),
        instruction_id: seal::text::to_hex(&payment.bytes()),
    })
}
