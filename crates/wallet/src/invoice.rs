//! Being paid: a signed invoice, presented with who we are, becomes a request to pay.

use core::time::Duration;
use std::path::PathBuf;

use credential::PresentationRequest;
use record::{Invoice, RequestToPay, Signed};
use seal::text::from_base64url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use terms::{Amount, InvoiceId};

use crate::calls::target_on;
use crate::error::WalletError;
use crate::outcome::CommandResult;
use crate::pay::{Agreement, Shown};
use crate::privacy::Disclosure;
use crate::system;
use crate::wallet::Wallet;

/// What a request to pay is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceDraft {
    /// The company's own number, such as `INV-014`.
    pub number: String,
    /// How much.
    pub amount: Amount,
    /// ISO 20022 external purpose code, such as `GDDS`.
    pub purpose: String,
    /// How long it may be paid.
    pub good_for: Duration,
}

/// A request to pay that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMade {
    /// What goes to the payer.
    pub request: RequestToPay,
    /// The invoice in it.
    pub invoice: Invoice,
    /// Where it is kept.
    pub path: PathBuf,
}

impl CommandResult for RequestMade {
    fn text(&self) -> String {
        format!(
            "request to pay {} for {}, to be paid until {}\nhand this file to the payer: {}",
            self.invoice.number,
            self.invoice.amount.for_people(),
            self.invoice.due_at,
            self.path.display()
        )
    }

    fn json(&self) -> Value {
        json!({
            "invoice": self.invoice.invoice.to_string(),
            "number": self.invoice.number,
            "amount": self.invoice.amount.to_string(),
            "due_at": self.invoice.due_at.to_string(),
            "file": self.path,
        })
    }
}

/// The answer to the presentation: the institution's note to itself, base64url.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    ticket: String,
}

impl Wallet {
    /// Signs the invoice that `draft` describes.
    pub fn sign_invoice(&self, draft: &InvoiceDraft) -> Result<Signed<Invoice>, WalletError> {
        let issued_at = system::now();
        let invoice = Invoice {
            layout: 1,
            environment: self.config.environment,
            invoice: InvoiceId::from_bytes(system::random()?),
            number: draft.number.clone(),
            creditor: self.config.company,
            creditor_name: self.config.legal_name.clone(),
            institution: self.config.institution,
            account: self.config.account,
            amount: draft.amount,
            purpose: draft.purpose.clone(),
            issued_at,
            due_at: issued_at.plus(draft.good_for),
        };
        Ok(Signed::sign(&invoice, &self.request_key))
    }

    /// Makes a request to pay: signed invoice to the own edge, its question shown to the owner by
    /// `agree`, answered, kept.
    pub async fn create_invoice(
        &self,
        draft: &InvoiceDraft,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
    ) -> Result<RequestMade, WalletError> {
        let signed = self.sign_invoice(draft)?;
        self.request_to_pay(signed, agree).await
    }

    /// Makes a request to pay from an invoice that was signed before.
    pub async fn request_to_pay(
        &self,
        signed: Signed<Invoice>,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
    ) -> Result<RequestMade, WalletError> {
        let edge = self.own_edge()?;
        let invoice =
            signed.read_unverified().map_err(|error| WalletError::not_taken("invoice", error))?;
        let target = match self.config.paid_along {
            Some(corridor) => format!("/v1/invoices?corridor={corridor}"),
            None => "/v1/invoices".to_owned(),
        };
        let asked = self.post_for_bytes(&edge.peer, &target, &signed).await?;
        let asked = PresentationRequest::read(&asked)
            .map_err(|error| WalletError::answer(&edge.peer.name, error))?;
        if asked.terms.is_some() {
            let reason = "expected no terms to sign in a request to be paid";
            return Err(WalletError::answer(&edge.peer.name, reason));
        }
        let target = target_on(&edge.peer, &asked.response_uri)?;
        let held = self.folder.credentials()?;
        let shown = self.shown_of(&asked, &held)?;
        if agree(&shown) == Agreement::No {
            self.record.append(&shown.view, Disclosure::Declined, None, system::now())?;
            return Err(WalletError::not_taken("request for a presentation", "you declined it"));
        }
        let response = self.respond(&asked, &held)?;
        self.record.append(&shown.view, Disclosure::Shown, None, system::now())?;
        let state = response.state.unwrap_or_default();
        let form = [("vp_token", response.vp_token.as_str()), ("state", state.as_str())];
        let answer: Ticket = self.post_form(&edge.peer, target, &form).await?;
        let ticket = from_base64url(&answer.ticket)
            .ok_or_else(|| WalletError::answer(&edge.peer.name, "expected a base64url `ticket`"))?;
        let request = RequestToPay { layout: 1, invoice: signed, ticket: ticket.into() };
        let path = self.folder.keep_request(&invoice.number, &request)?;
        Ok(RequestMade { request, invoice, path })
    }
}
