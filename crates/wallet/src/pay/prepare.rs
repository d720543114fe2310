//! Before consent: the quote, the preparation, and the check of every word against our own.

use api::messages::{Preparation, PreparationRequest, QUOTE_SECONDS_MAX, QuoteRequest};
use credential::{HeldCredential, PresentationRequest};
use record::{Acceptance, Invoice, PaymentTerms, Quote, RequestToPay, Signed};
use seal::Digest;
use terms::{CompanyId, PaymentId};

use super::outcome::{Registry, Shown};
use crate::calls::target_on;
use crate::config::EdgeEntry;
use crate::error::{WalletError, same};
use crate::folder::Kept;
use crate::system;
use crate::wallet::Wallet;

/// A payment that is prepared and not yet agreed to.
#[derive(Clone, Debug)]
pub struct PaymentInHand {
    /// The payment, chosen by this wallet.
    pub payment: PaymentId,
    /// The company that pays.
    pub company: CompanyId,
    /// What is paid.
    pub request: RequestToPay,
    /// The provider's signed quote.
    pub quote: Signed<Quote>,
    /// The quote, verified.
    pub quoted: Quote,
    /// The invoice as it claims to be; its signer is checked by the creditor's institution.
    pub invoice: Invoice,
    /// What the debtor's edge prepared.
    pub preparation: Preparation,
    /// What the debtor's edge asks.
    pub ask: PresentationRequest,
    /// The terms as this wallet makes them from its own documents.
    pub expected: PaymentTerms,
    /// Rounds of requests since consent; requests sent together are one round.
    pub rounds_after_consent: u32,
}

impl Wallet {
    /// Asks the provider for a firm quote for `payment` and checks it.
    pub async fn quote(
        &self,
        request: &RequestToPay,
        payment: PaymentId,
    ) -> Result<Signed<Quote>, WalletError> {
        self.quote_for(request, payment, QUOTE_SECONDS_MAX).await
    }

    /// As [`Wallet::quote`], to hold for so many seconds at most.
    pub async fn quote_for(
        &self,
        request: &RequestToPay,
        payment: PaymentId,
        good_for_seconds: u32,
    ) -> Result<Signed<Quote>, WalletError> {
        self.quote_at(request, payment, (good_for_seconds, None)).await
    }

    /// As [`Wallet::quote_for`], at the rate of an earlier quote.
    pub(super) async fn quote_at(
        &self,
        request: &RequestToPay,
        payment: PaymentId,
        (good_for_seconds, at_rate_of): (u32, Option<Digest>),
    ) -> Result<Signed<Quote>, WalletError> {
        let invoice = read_invoice(request)?;
        let asked = QuoteRequest {
            layout: 1,
            payment,
            corridor: self.config.corridor,
            credit: invoice.amount,
            debit_asset: self.config.asset,
            good_for_seconds,
            at_rate_of,
        };
        let quote: Signed<Quote> =
            self.post(&self.config.provider.peer, "/v1/quotes", &asked).await?;
        if self.check_quote(&quote, &invoice, payment)?.at_rate_of != at_rate_of {
            let by = self.config.provider.peer.name.as_str();
            return Err(WalletError::answer(by, "the quote is not at the rate that was asked for"));
        }
        self.folder.keep(payment, Kept::Quote, &quote)?;
        Ok(quote)
    }

    /// Has the debtor's edge prepare the payment of `request` at `quote`, and checks what it says.
    pub async fn prepare(
        &self,
        request: &RequestToPay,
        quote: Signed<Quote>,
    ) -> Result<PaymentInHand, WalletError> {
        self.prepare_for(request, quote, None).await
    }

    /// As [`Wallet::prepare`]; with `refund_of` a refund of that payment.
    pub async fn prepare_for(
        &self,
        request: &RequestToPay,
        quote: Signed<Quote>,
        refund_of: Option<PaymentId>,
    ) -> Result<PaymentInHand, WalletError> {
        let edge = self.own_edge()?;
        let invoice = read_invoice(request)?;
        let payment = quote
            .read_unverified()
            .map_err(|error| WalletError::not_taken("quote", error))?
            .payment;
        let quoted = self.check_quote(&quote, &invoice, payment)?;
        let asked = PreparationRequest {
            layout: 1,
            request: request.clone(),
            quote: quote.clone(),
            debited_account: self.config.account,
            refund_of,
        };
        let preparation: Preparation = self.post(&edge.peer, "/v1/preparations", &asked).await?;
        let ask = PresentationRequest::read(preparation.ask.as_bytes())
            .map_err(|error| WalletError::answer(&edge.peer.name, error))?;
        let (own, book) = (self.config.account, self.config.book);
        let expected = match refund_of {
            None => PaymentTerms::of_payment(&quote, &request.invoice, own, book),
            Some(original) => {
                PaymentTerms::of_refund(&quote, &request.invoice, own, book, original)
            }
        };
        let expected = expected.ok_or_else(|| {
            WalletError::not_taken("request to pay", "its invoice cannot be read")
        })?;
        let hand = PaymentInHand {
            payment,
            company: self.config.company,
            request: request.clone(),
            quote,
            quoted,
            invoice,
            preparation,
            ask,
            expected,
            rounds_after_consent: 0,
        };
        self.check(&hand)?;
        self.folder.keep(payment, Kept::Request, request)?;
        self.folder.keep(payment, Kept::Preparation, &hand.preparation)?;
        Ok(hand)
    }

    /// What the owner is asked to agree to.
    pub fn shown(&self, hand: &PaymentInHand) -> Result<Shown, WalletError> {
        let held = self.folder.credentials()?;
        let shown = self.shown_of(&hand.ask, &held)?;
        Ok(Shown { payment: Some(hand.payment), quote: Some(hand.quoted.clone()), ..shown })
    }

    pub(crate) fn shown_of(
        &self,
        ask: &PresentationRequest,
        held: &[HeldCredential],
    ) -> Result<Shown, WalletError> {
        let view = self.consent_view(ask, held)?;
        let listed = self.trust_snapshot()?.is_some();
        let registry = if listed { Registry::Read } else { Registry::NotAtHand };
        Ok(Shown { view, registry, payment: None, quote: None })
    }

    /// Checks everything that will be signed or relied on against the wallet's own documents.
    pub(crate) fn check(&self, hand: &PaymentInHand) -> Result<(), WalletError> {
        let own = self.own_edge()?;
        let by = own.peer.name.as_str();
        let preparation = &hand.preparation;
        credential::compare_terms(&preparation.terms, &hand.expected).map_err(|refused| {
            match refused {
                credential::holder::TermsRefused::Unreadable(error) => {
                    WalletError::answer(by, error)
                }
                credential::holder::TermsRefused::Differ(differ) => WalletError::Differs {
                    by: by.to_owned(),
                    what: differ.field,
                    expected: differ.expected,
                    got: differ.got,
                },
            }
        })?;
        let asked = hand.ask.terms.clone().unwrap_or_default();
        same(by, "terms to sign", &preparation.terms, &asked)?;
        target_on(&own.peer, &hand.ask.response_uri)?;
        let creditor = self.creditor_edge(hand)?;
        let url = creditor.peer.url.trim_end_matches('/').to_owned();
        let got = preparation.creditor_edge.trim_end_matches('/').to_owned();
        same(by, "creditor's edge", &url, &got)?;
        let acceptance = preparation
            .acceptance
            .verify(&creditor.permit_key)
            .map_err(|error| WalletError::answer(&creditor.peer.name, error))?;
        check_acceptance(&creditor.peer.name, &acceptance, hand)
    }

    /// The edge of the institution that holds the payee's account.
    pub(crate) fn creditor_edge(&self, hand: &PaymentInHand) -> Result<&EdgeEntry, WalletError> {
        let name = hand.invoice.institution;
        self.config.edge(name).ok_or_else(|| {
            WalletError::not_taken("request to pay", format!("`{name}` is not in `wallet.json`"))
        })
    }

    fn check_quote(
        &self,
        signed: &Signed<Quote>,
        invoice: &Invoice,
        payment: PaymentId,
    ) -> Result<Quote, WalletError> {
        let provider = &self.config.provider;
        let by = provider.peer.name.as_str();
        let quote =
            signed.verify(&provider.quote_key).map_err(|error| WalletError::answer(by, error))?;
        same(by, "payment", &payment, &quote.payment)?;
        same(by, "environment", &self.config.environment, &quote.environment)?;
        same(by, "provider", &provider.provider, &quote.provider)?;
        same(by, "corridor", &self.config.corridor, &quote.corridor)?;
        same(by, "credit", &invoice.amount, &quote.credit)?;
        same(by, "debit asset", &self.config.asset, &quote.debit.asset)?;
        if !quote.adds_up() {
            return Err(WalletError::answer(by, "the quote is not the sum of its parts"));
        }
        Ok(quote)
    }
}

fn check_acceptance(
    by: &str,
    acceptance: &Acceptance,
    hand: &PaymentInHand,
) -> Result<(), WalletError> {
    let invoice = &hand.invoice;
    same(by, "payment", &hand.payment, &acceptance.payment)?;
    same(by, "environment", &hand.expected.environment, &acceptance.environment)?;
    same(by, "institution", &invoice.institution, &acceptance.institution)?;
    same(by, "invoice", &hand.request.invoice.digest(), &acceptance.invoice)?;
    same(by, "account", &invoice.account, &acceptance.account)?;
    same(by, "owner", &invoice.creditor, &acceptance.owner)?;
    same(by, "amount", &invoice.amount, &acceptance.amount)?;
    if acceptance.valid_until <= system::now() {
        return Err(WalletError::answer(by, "the acceptance has ended"));
    }
    Ok(())
}

fn read_invoice(request: &RequestToPay) -> Result<Invoice, WalletError> {
    request
        .invoice
        .read_unverified()
        .map_err(|error| WalletError::not_taken("request to pay", error))
}
