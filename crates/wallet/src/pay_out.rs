//! Paying to an account whose bank takes no part: prepared and decided by the own bank's edge, sent
//! by the core over a rail, proven as far as the rail's word.

use core::time::Duration;
use std::path::PathBuf;

use api::messages::{DecisionAnswer, MissingThing, PaymentStatus};
use api::outgoing::{OutgoingAsk, OutgoingConsent, OutgoingPreparation};
use credential::PresentationRequest;
use credential::holder::PresentationResponse;
use record::outgoing::OUTGOING_ORDER_FIELD;
use record::settlement::ENDING_FIELD;
use record::{
    Ending, OutgoingParties, OutgoingPayment, OutgoingTerms, OutsideAddress, OutsideParty, Refusal,
    Signed,
};
use seal::text::{from_base64url, to_base64url};
use seal::{from_canonical, to_canonical};
use serde_json::{Value, json};
use terms::{Amount, CorridorName, PaymentId, Position};

use crate::calls::target_on;
use crate::config::EdgeEntry;
use crate::error::{WalletError, same};
use crate::folder::{Kept, read_file};
use crate::outcome::{CommandResult, EXIT_REFUSED, EXIT_UNKNOWN};
use crate::pay::{
    Agreement, Chinese, RefusedPayment, Shown, WhenMissing, missing_json, missing_text,
};
use crate::privacy::Disclosure;
use crate::system;
use crate::verify::{VerifyTrust, read_receipt};
use crate::wallet::Wallet;

/// Between two looks at a payment that is under way.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is to be paid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutDraft {
    /// A corridor on which nobody stands for the payee, such as `nl-ch`.
    pub corridor: CorridorName,
    /// What is to arrive outside.
    pub amount: Amount,
    /// Whereto.
    pub to: OutsideParty,
    /// Where the payee lives.
    pub address: OutsideAddress,
    /// What the payee is to recognise it by: 1 to 35 characters.
    pub end_to_end_id: String,
    /// ISO 20022 purpose code.
    pub purpose: String,
    /// How long to wait for the rail's word.
    pub patience: Duration,
}

/// How a payment out ended, or where it stands.
#[derive(Clone, Debug)]
pub enum OutOutcome {
    /// The rail did it: the money has left.
    Left {
        /// What was agreed to.
        terms: Box<OutgoingTerms>,
        /// Where its end stands.
        position: Position,
        /// The receipt's file; `None` while the checkpoint is not cosigned.
        receipt: Option<PathBuf>,
    },
    /// It was refused, by the bank, the core or the rail: nothing left.
    Refused(Box<RefusedPayment>),
    /// The order is signed and the rail gave no end yet.
    UnderWay {
        /// The payment.
        payment: PaymentId,
        /// What went wrong on the way to its end, if anything did.
        why: Option<String>,
    },
    /// Something is missing; nobody was asked for anything.
    NotReady {
        /// What, and how to mend it.
        missing: Vec<MissingThing>,
    },
    /// The owner did not agree; nothing left the wallet.
    Declined,
}

/// What the edge said.
enum Said {
    Order(Signed<OutgoingPayment>, Box<OutgoingParties>),
    Refused(Box<RefusedPayment>),
}

impl Wallet {
    /// Pays out. `agree` sees the exact terms, with the fee that the bank takes.
    ///
    /// From the consent on, whatever goes wrong here is no refusal: the order may be on its way, so
    /// the payment is under way until its end is known. A like payment whose end is not known is
    /// told instead of paying a second time.
    pub async fn pay_out(
        &self,
        draft: &OutDraft,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
        when_missing: WhenMissing,
    ) -> Result<OutOutcome, WalletError> {
        let edge = self.own_edge()?;
        if let Some(payment) = self.like_one_open(draft).await? {
            let why = Some("the like was ordered before, and its end is not known".to_owned());
            return Ok(OutOutcome::UnderWay { payment, why });
        }
        let ask = OutgoingAsk {
            layout: 1,
            corridor: draft.corridor,
            debited_account: self.config.account,
            amount: draft.amount,
            to: draft.to.clone(),
            address: draft.address.clone(),
            end_to_end_id: draft.end_to_end_id.clone(),
            purpose: draft.purpose.clone(),
        };
        let prepared: OutgoingPreparation =
            self.post(&edge.peer, "/v1/outgoing-preparations", &ask).await?;
        let terms = self.check_out_terms(edge, draft, &prepared)?;
        if when_missing == WhenMissing::Stop && !prepared.missing.is_empty() {
            return Ok(OutOutcome::NotReady { missing: prepared.missing });
        }
        let asked = PresentationRequest::read(prepared.ask.as_bytes())
            .map_err(|error| WalletError::answer(&edge.peer.name, error))?;
        same(
            &edge.peer.name,
            "terms to sign",
            &prepared.terms,
            &asked.terms.clone().unwrap_or_default(),
        )?;
        let payment = terms.payment;
        let held = self.folder.credentials()?;
        let shown = Shown { payment: Some(payment), ..self.shown_of(&asked, &held)? };
        let note =
            |disclosure| self.record.append(&shown.view, disclosure, Some(payment), system::now());
        if agree(&shown) == Agreement::No {
            note(Disclosure::Declined)?;
            return Ok(OutOutcome::Declined);
        }
        let response = match self.respond(&asked, &held) {
            Ok(response) => response,
            Err(error) => {
                note(Disclosure::NotAnswered)?;
                return Err(error);
            }
        };
        note(Disclosure::Shown)?;
        // Durable before anybody can act on it: after a crash the payment's id is known here.
        self.folder.keep(payment, Kept::OutgoingPreparation, &prepared)?;
        let outcome = self.consented(edge, terms, prepared, (asked, response), draft).await;
        outcome.or_else(|error| {
            let why = Some(error.to_string());
            Ok(OutOutcome::UnderWay { payment, why })
        })
    }

    /// Sends the consent and waits for the end.
    async fn consented(
        &self,
        edge: &EdgeEntry,
        terms: OutgoingTerms,
        prepared: OutgoingPreparation,
        (asked, response): (PresentationRequest, PresentationResponse),
        draft: &OutDraft,
    ) -> Result<OutOutcome, WalletError> {
        let payment = terms.payment;
        let consent = OutgoingConsent { layout: 1, ticket: prepared.ticket, terms: prepared.terms };
        let state = to_base64url(&to_canonical(&consent));
        let form = [("vp_token", response.vp_token.as_str()), ("state", state.as_str())];
        let target = target_on(&edge.peer, &asked.response_uri)?;
        let answer: DecisionAnswer = self.post_form(&edge.peer, target, &form).await?;
        match read_said(edge, &terms, &answer)? {
            Said::Order(order, parties) => {
                self.check_order_out(edge, &terms, &order, &parties)?;
                self.folder.keep(payment, Kept::OutgoingOrder, &order)?;
                self.folder.keep(payment, Kept::OutgoingParties, parties.as_ref())?;
                self.wait_for_rail(terms, draft.patience).await
            }
            Said::Refused(mut refused) => {
                if let Some(document) = &refused.document {
                    self.folder.keep(payment, Kept::Refusal, document)?;
                }
                self.folder.keep_bytes(payment, Kept::OutgoingEnd, b"not ordered")?;
                if refused.document.is_some() {
                    // Refused it is, whether its receipt can be had or not.
                    refused.receipt = self.receipt_of_refusal(payment).await.unwrap_or(None);
                }
                Ok(OutOutcome::Refused(refused))
            }
        }
    }

    /// A payment that says the same as this draft, was consented to, and has no end that is known.
    /// Another reference makes it another payment.
    async fn like_one_open(&self, draft: &OutDraft) -> Result<Option<PaymentId>, WalletError> {
        for payment in self.folder.payments()? {
            let prepared: Option<OutgoingPreparation> =
                self.folder.kept(payment, Kept::OutgoingPreparation)?;
            let Some(prepared) = prepared else { continue };
            let Ok(terms) = OutgoingTerms::from_terms_string(&prepared.terms) else { continue };
            let ended = self.folder.path_of(payment, Kept::OutgoingEnd).exists();
            if ended || !is_like(draft, &terms) {
                continue;
            }
            let known = self.ask(payment).await.ok().and_then(|status| status.ending);
            if known.is_none() {
                return Ok(Some(payment));
            }
            self.folder.keep_bytes(payment, Kept::OutgoingEnd, b"ended")?;
        }
        Ok(None)
    }

    /// All but payment id, fee and end must be what was asked for; those three the owner sees.
    fn check_out_terms(
        &self,
        edge: &EdgeEntry,
        draft: &OutDraft,
        prepared: &OutgoingPreparation,
    ) -> Result<OutgoingTerms, WalletError> {
        let by = edge.peer.name.as_str();
        let terms = OutgoingTerms::from_terms_string(&prepared.terms)
            .map_err(|error| WalletError::answer(by, error))?;
        let expected = OutgoingTerms {
            payment: terms.payment,
            environment: self.config.environment,
            book: self.config.book,
            corridor: draft.corridor,
            debited_account: self.config.account,
            amount: draft.amount,
            fee: terms.fee,
            to: draft.to.clone(),
            address: draft.address.clone(),
            end_to_end_id: draft.end_to_end_id.clone(),
            purpose: draft.purpose.clone(),
            expires_at: terms.expires_at,
        };
        terms.compare(&expected).map_err(|differ| WalletError::Differs {
            by: by.to_owned(),
            what: differ.field,
            expected: differ.expected,
            got: differ.got,
        })?;
        same(by, "fee's asset", &draft.amount.asset, &terms.fee.asset)?;
        Ok(terms)
    }

    fn check_order_out(
        &self,
        edge: &EdgeEntry,
        terms: &OutgoingTerms,
        signed: &Signed<OutgoingPayment>,
        parties: &OutgoingParties,
    ) -> Result<(), WalletError> {
        let by = edge.peer.name.as_str();
        let order =
            signed.verify(&edge.permit_key).map_err(|error| WalletError::answer(by, error))?;
        same(by, "institution", &edge.institution, &order.institution)?;
        same(by, "owner", &self.config.company, &order.owner)?;
        covered(by, terms, &order, parties)
    }

    async fn wait_for_rail(
        &self,
        terms: OutgoingTerms,
        patience: Duration,
    ) -> Result<OutOutcome, WalletError> {
        let payment = terms.payment;
        let looking = async {
            loop {
                // Whatever comes instead of an answer says nothing about the payment.
                if let Ok(PaymentStatus { ending: Some(ended), .. }) = self.ask(payment).await {
                    return ended;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let Ok(ended) = tokio::time::timeout(patience, looking).await else {
            return Ok(OutOutcome::UnderWay { payment, why: None });
        };
        let receipt = self.wait_for_receipt(payment, None).await?;
        if let Some(path) = &receipt {
            self.check_receipt_out(&terms, &ended.ending, path)?;
            self.folder.keep_bytes(payment, Kept::OutgoingEnd, b"ended")?;
        }
        Ok(match ended.ending {
            Ending::Settled => {
                let (terms, position) = (Box::new(terms), ended.position);
                OutOutcome::Left { terms, position, receipt }
            }
            Ending::Refused(code) => OutOutcome::Refused(Box::new(RefusedPayment {
                payment,
                code,
                words: "nothing left, the money is released".to_owned(),
                mend: None,
                law: None,
                chinese: None,
                next: None,
                by: self.config.core.name.clone(),
                document: None,
                position: Some(ended.position),
                receipt,
            })),
        })
    }

    /// What the core said without a signature is what the receipt proves.
    fn check_receipt_out(
        &self,
        terms: &OutgoingTerms,
        ending: &Ending,
        path: &std::path::Path,
    ) -> Result<(), WalletError> {
        let trust = VerifyTrust { log: self.trust.clone(), lists: Vec::new() };
        let (_, read) = read_receipt(&read_file(path)?, Some(&trust));
        let opened = read.as_ref().and_then(|read| read.value::<Ending>(ENDING_FIELD));
        let order: Option<Signed<OutgoingPayment>> =
            read.as_ref().and_then(|read| read.value(OUTGOING_ORDER_FIELD));
        let order = order.and_then(|order| order.read_unverified().ok());
        proves(&self.config.core.name, terms, ending, (opened, order.as_ref()))
    }
}

/// A receipt proves an ending when it opens this very one; that money left, only with the order for
/// the terms that this wallet signed. A refusal before the order was taken opens no order.
fn proves(
    by: &str,
    terms: &OutgoingTerms,
    ending: &Ending,
    (opened, order): (Option<Ending>, Option<&OutgoingPayment>),
) -> Result<(), WalletError> {
    let opened = opened.map_or_else(|| "none".to_owned(), |opened| opened.to_string());
    same(by, "ending in the receipt", &ending.to_string(), &opened)?;
    match order {
        Some(order) => {
            let named = order.terms.map(|digest| digest.to_string()).unwrap_or_default();
            same(by, "terms", &terms.terms_digest().to_string(), &named)
        }
        None if *ending == Ending::Settled => {
            Err(WalletError::answer(by, "the receipt opens no order"))
        }
        None => Ok(()),
    }
}

/// Order and parties say what was agreed to.
fn covered(
    by: &str,
    terms: &OutgoingTerms,
    order: &OutgoingPayment,
    parties: &OutgoingParties,
) -> Result<(), WalletError> {
    terms.covers(order, parties).map_err(|differ| WalletError::Differs {
        by: by.to_owned(),
        what: differ.field,
        expected: differ.expected,
        got: differ.got,
    })
}

fn is_like(draft: &OutDraft, terms: &OutgoingTerms) -> bool {
    (draft.corridor, draft.amount) == (terms.corridor, terms.amount)
        && draft.to == terms.to
        && draft.end_to_end_id == terms.end_to_end_id
}

fn read_said(
    edge: &EdgeEntry,
    terms: &OutgoingTerms,
    answer: &DecisionAnswer,
) -> Result<Said, WalletError> {
    let by = edge.peer.name.as_str();
    let unsigned = || WalletError::answer(by, format!("`{}` without its document", answer.outcome));
    let refused = |code: String, document: Option<Signed<Refusal>>| {
        Said::Refused(Box::new(RefusedPayment {
            payment: terms.payment,
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
        }))
    };
    match answer.outcome.as_str() {
        "permit" => {
            let bytes = answer.document.as_deref().and_then(from_base64url).ok_or_else(unsigned)?;
            let order = Signed::<OutgoingPayment>::from_bytes(&bytes)
                .map_err(|error| WalletError::answer(by, error))?;
            let parties = answer.parties.as_deref().and_then(from_base64url);
            let parties = parties.ok_or_else(|| WalletError::answer(by, "an order to nobody"))?;
            let parties = from_canonical(&parties);
            let parties = parties.map_err(|error| WalletError::answer(by, error))?;
            Ok(Said::Order(order, Box::new(parties)))
        }
        "refusal" => {
            let signed = answer.refusal().ok_or_else(unsigned)?;
            let refusal =
                signed.verify(&edge.permit_key).map_err(|error| WalletError::answer(by, error))?;
            same(by, "payment", &terms.payment, &refusal.payment)?;
            same(by, "terms", &terms.terms_digest().to_string(), &refusal.terms.to_string())?;
            Ok(refused(refusal.code, Some(signed)))
        }
        "referral" => {
            Ok(refused(answer.code.clone().unwrap_or_else(|| "Referred".to_owned()), None))
        }
        other => {
            let got: String = other.chars().take(64).collect();
            let reason = format!("expected `permit`, `refusal` or `referral`, got `{got}`");
            Err(WalletError::answer(by, reason))
        }
    }
}

impl CommandResult for OutOutcome {
    fn text(&self) -> String {
        match self {
            Self::Left { terms, position, receipt } => {
                let receipt = receipt.as_ref().map_or_else(
                    || {
                        "receipt   none yet: the core says so and has not proven it; ask again"
                            .to_owned()
                    },
                    |path| format!("receipt   {}", path.display()),
                );
                let debited = terms.debited().unwrap_or(terms.amount).for_people();
                format!(
                    "left      -{debited}   {} to {}   position {position}\n\
                     the rail did it; that the payee has the money nobody here can say\n\
                     payment   {}\n{receipt}",
                    terms.amount.for_people(),
                    terms.to.name,
                    terms.payment,
                )
            }
            Self::Refused(refused) => refused.lines("nothing left"),
            Self::UnderWay { payment, why } => {
                let why = why.as_ref().map(|why| format!("because   {why}\n")).unwrap_or_default();
                format!(
                    "under way  {payment}: consented to, and its end is not known here\n{why}\
                     ask with `wayleave wallet status {payment}`; do not pay anew"
                )
            }
            Self::NotReady { missing } => {
                format!("not ready: nothing was shown to anybody\n{}", missing_text(missing))
            }
            Self::Declined => "declined: nothing left the wallet".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Left { terms, position, receipt } => json!({
                "outcome": "left",
                "payment": terms.payment.to_string(),
                "amount": terms.amount.to_string(),
                "fee": terms.fee.to_string(),
                "position": position.number(),
                "receipt": receipt,
            }),
            Self::Refused(refused) => refused.json(),
            Self::UnderWay { payment, why } => {
                json!({ "outcome": "under-way", "payment": payment.to_string(), "why": why })
            }
            Self::NotReady { missing } => {
                json!({ "outcome": "not-ready", "missing": missing_json(missing) })
            }
            Self::Declined => json!({ "outcome": "declined" }),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Left { .. } => 0,
            Self::Refused(_) | Self::NotReady { .. } | Self::Declined => EXIT_REFUSED,
            Self::UnderWay { .. } => EXIT_UNKNOWN,
        }
    }
}
