//! Consent: the presentation, both edges asked at once, both answers checked.

use api::messages::{Consent, DecisionAnswer};
use credential::holder::PresentationResponse;
use credential::{HeldCredential, PresentationRequest};
use record::{Permit, Refusal, Side, Signed};
use seal::text::to_base64url;
use seal::{Es256SigningKey, sha256, to_canonical};
use terms::Instant;

use super::outcome::{Chinese, RefusedPayment};
use super::prepare::PaymentInHand;
use crate::calls::target_on;
use crate::config::EdgeEntry;
use crate::error::{WalletError, same};
use crate::folder::Kept;
use crate::privacy::Disclosure;
use crate::system;
use crate::wallet::Wallet;

/// What goes to both edges. Public, so that a drill can change it on the way.
#[derive(Clone, Debug)]
pub struct Letters {
    /// The presentation, for the debtor's edge.
    pub vp_token: String,
    /// To the debtor's edge.
    pub debtor: Consent,
    /// To the creditor's edge, without a presentation.
    pub creditor: Consent,
}

/// Both sides allow it.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// The debtor side's permit.
    pub debtor: Signed<Permit>,
    /// The creditor side's permit.
    pub creditor: Signed<Permit>,
    /// How many rules the debtor's pack asked.
    pub debtor_rules: u32,
    /// How many rules the creditor's pack asked.
    pub creditor_rules: u32,
}

/// What the edges decided.
#[derive(Clone, Debug)]
pub enum Decided {
    /// Both allow it.
    Permitted(Box<Permitted>),
    /// One of them does not. The debtor side's answer comes first.
    Refused(Box<RefusedPayment>),
}

pub(super) enum Answer {
    Permit(Signed<Permit>, u32),
    Refusal(Box<RefusedPayment>),
}

impl Wallet {
    /// Signs: the presentation over exactly the checked terms, and the letters around it. Written
    /// into the privacy record first. To be called once the owner agreed.
    pub fn present(&self, hand: &PaymentInHand) -> Result<Letters, WalletError> {
        let held = self.folder.credentials()?;
        let shown = self.shown_of(&hand.ask, &held)?;
        let write = |disclosure| {
            self.record.append(&shown.view, disclosure, Some(hand.payment), system::now())
        };
        let answered = self.check(hand).and_then(|()| self.respond(&hand.ask, &held));
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                write(Disclosure::NotAnswered)?;
                return Err(error);
            }
        };
        write(Disclosure::Shown)?;
        let preparation = &hand.preparation;
        let letter = |ticket: &minicbor::bytes::ByteVec| Consent {
            layout: 1,
            ticket: ticket.clone(),
            terms: preparation.terms.clone(),
            quote: hand.quote.clone(),
            invoice: hand.request.invoice.clone(),
            acceptance: preparation.acceptance.clone(),
        };
        Ok(Letters {
            vp_token: response.vp_token,
            debtor: letter(&preparation.debtor_ticket),
            creditor: letter(&preparation.creditor_ticket),
        })
    }

    pub(crate) fn respond(
        &self,
        ask: &PresentationRequest,
        held: &[HeldCredential],
    ) -> Result<PresentationResponse, WalletError> {
        let keys = self.holder_keys()?;
        let keys: Vec<&Es256SigningKey> = keys.iter().collect();
        credential::respond(ask, held, &keys, system::now())
            .map_err(|error| WalletError::not_taken("request for a presentation", error))
    }

    /// Asks both edges at once: one round. Permits are verified and kept; nothing was ordered yet.
    pub async fn decide(
        &self,
        hand: &mut PaymentInHand,
        letters: &Letters,
    ) -> Result<Decided, WalletError> {
        let debtor = self.own_edge()?;
        let creditor = self.creditor_edge(hand)?.clone();
        let target = target_on(&debtor.peer, &hand.ask.response_uri)?.to_owned();
        let state = |consent: &Consent| to_base64url(&to_canonical(consent));
        let (to_debtor, to_creditor) = (state(&letters.debtor), state(&letters.creditor));
        let form = [("vp_token", letters.vp_token.as_str()), ("state", to_debtor.as_str())];
        let without_token = [("state", to_creditor.as_str())];
        hand.rounds_after_consent = hand.rounds_after_consent.saturating_add(1);
        let (first, second) = tokio::join!(
            self.post_form::<DecisionAnswer>(&debtor.peer, &target, &form),
            self.post_form::<DecisionAnswer>(&creditor.peer, "/v1/decisions", &without_token),
        );
        let first = read_answer(debtor, Side::Debtor, hand, &first?)?;
        let second = read_answer(&creditor, Side::Creditor, hand, &second?)?;
        self.keep_answer(hand, &first, Kept::DebtorPermit)?;
        self.keep_answer(hand, &second, Kept::CreditorPermit)?;
        Ok(match (first, second) {
            (Answer::Permit(debtor, debtor_rules), Answer::Permit(creditor, creditor_rules)) => {
                let permitted = Permitted { debtor, creditor, debtor_rules, creditor_rules };
                Decided::Permitted(Box::new(permitted))
            }
            (Answer::Refusal(refused), _) | (_, Answer::Refusal(refused)) => {
                Decided::Refused(refused)
            }
        })
    }

    fn keep_answer(
        &self,
        hand: &PaymentInHand,
        answer: &Answer,
        kept: Kept,
    ) -> Result<(), WalletError> {
        match answer {
            Answer::Permit(permit, _) => {
                self.folder.keep(hand.payment, kept, permit)?;
            }
            Answer::Refusal(refused) => {
                if let Some(document) = &refused.document {
                    self.folder.keep(hand.payment, Kept::Refusal, document)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads an edge's answer and believes it only when it is signed for this payment and side.
pub(super) fn read_answer(
    edge: &EdgeEntry,
    side: Side,
    hand: &PaymentInHand,
    answer: &DecisionAnswer,
) -> Result<Answer, WalletError> {
    let by = edge.peer.name.as_str();
    let unsigned = || WalletError::answer(by, format!("`{}` without its document", answer.outcome));
    match answer.outcome.as_str() {
        "permit" => {
            let signed = answer.permit().ok_or_else(unsigned)?;
            check_permit(edge, side, hand, &signed)?;
            Ok(Answer::Permit(signed, answer.rules))
        }
        "refusal" => {
            let signed = answer.refusal().ok_or_else(unsigned)?;
            let refusal = check_refusal(edge, side, hand, &signed)?;
            Ok(Answer::Refusal(refused(hand, by, answer, refusal.code, Some(signed))))
        }
        "referral" => {
            let code = answer.code.clone().unwrap_or_else(|| "Referred".to_owned());
            Ok(Answer::Refusal(refused(hand, by, answer, code, None)))
        }
        other => {
            let reason = format!(
                "expected `permit`, `refusal` or `referral`, got `{}`",
                other.chars().take(64).collect::<String>()
            );
            Err(WalletError::answer(by, reason))
        }
    }
}

fn refused(
    hand: &PaymentInHand,
    by: &str,
    answer: &DecisionAnswer,
    code: String,
    document: Option<Signed<Refusal>>,
) -> Box<RefusedPayment> {
    Box::new(RefusedPayment {
        payment: hand.payment,
        code,
        words: answer.sentence.clone().unwrap_or_default(),
        mend: answer.mend.clone(),
        law: answer.reference.clone(),
        chinese: Chinese::of(answer),
        next: answer.next.clone(),
        by: by.to_owned(),
        document,
        position: None,
        receipt: None,
    })
}

fn check_permit(
    edge: &EdgeEntry,
    side: Side,
    hand: &PaymentInHand,
    signed: &Signed<Permit>,
) -> Result<Permit, WalletError> {
    let by = edge.peer.name.as_str();
    let permit = signed.verify(&edge.permit_key).map_err(|error| WalletError::answer(by, error))?;
    let owner = match side {
        Side::Debtor => hand.company,
        Side::Creditor => hand.invoice.creditor,
    };
    same(by, "payment", &hand.payment, &permit.payment)?;
    same(by, "terms", &sha256(hand.preparation.terms.as_bytes()), &permit.terms)?;
    same(by, "side", &side, &permit.side)?;
    same(by, "institution", &edge.institution, &permit.institution)?;
    same(by, "environment", &hand.expected.environment, &permit.environment)?;
    same(by, "corridor", &hand.expected.corridor, &permit.corridor)?;
    same(by, "action", &hand.expected.action.as_str(), &permit.action.as_str())?;
    same(by, "owner", &owner, &permit.owner)?;
    check_lives(by, permit.decided_at, permit.valid_until)?;
    Ok(permit)
}

fn check_lives(by: &str, from: Instant, until: Instant) -> Result<(), WalletError> {
    if until <= from {
        return Err(WalletError::answer(by, "the permit ends before it begins"));
    }
    Ok(())
}

fn check_refusal(
    edge: &EdgeEntry,
    side: Side,
    hand: &PaymentInHand,
    signed: &Signed<Refusal>,
) -> Result<Refusal, WalletError> {
    let by = edge.peer.name.as_str();
    let refusal =
        signed.verify(&edge.permit_key).map_err(|error| WalletError::answer(by, error))?;
    same(by, "payment", &hand.payment, &refusal.payment)?;
    same(by, "side", &side, &refusal.side)?;
    same(by, "institution", &edge.institution, &refusal.institution)?;
    same(by, "environment", &hand.expected.environment, &refusal.environment)?;
    Ok(refusal)
}
