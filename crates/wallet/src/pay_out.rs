//! Paying to an account whose bank takes no part: prepared and decided by the own bank's edge, sent
//! by the core over a rail, proven as far as the rail's word.

use core::time::Duration;
use std::path::PathBuf;

use api::messages::{DecisionAnswer, MissingThing};
use api::outgoing::{OutgoingAsk, OutgoingConsent, OutgoingPreparation};
use credential::PresentationRequest;
use record::outgoing::OUTGOING_ORDER_FIELD;
use record::{
    Ending, OutgoingPayment, OutgoingTerms, OutsideAddress, OutsideParty, Refusal, Signed,
};
use seal::text::{from_base64url, to_base64url};
use seal::to_canonical;
use serde_json::{Value, json};
use terms::{Amount, CorridorName, PaymentId, Position};

use crate::calls::target_on;
use crate::config::EdgeEntry;
use crate::error::{WalletError, same};
use crate::folder::{Kept, read_file};
use crate::outcome::{CommandResult, EXIT_REFUSED, EXIT_UNKNOWN};
use crate::pay::{Agreement, RefusedPayment, Shown, WhenMissing};
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
    Order(Signed<OutgoingPayment>),
    Refused(Box<RefusedPayment>),
}

impl Wallet {
    /// Pays out. `agree` sees the exact terms, with the fee that the bank takes.
    pub async fn pay_out(
        &self,
        draft: &OutDraft,
        agree: &mut (dyn FnMut(&Shown) -> Agreement + Send),
        when_missing: WhenMissing,
    ) -> Result<OutOutcome, WalletError> {
        let edge = self.own_edge()?;
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
        let consent = OutgoingConsent { layout: 1, ticket: prepared.ticket, terms: prepared.terms };
        let state = to_base64url(&to_canonical(&consent));
        let form = [("vp_token", response.vp_token.as_str()), ("state", state.as_str())];
        let target = target_on(&edge.peer, &asked.response_uri)?;
        let answer: DecisionAnswer = self.post_form(&edge.peer, target, &form).await?;
        match read_said(edge, &terms, &answer)? {
            Said::Order(order) => {
                self.check_order_out(edge, &terms, &order)?;
                self.folder.keep(payment, Kept::OutgoingOrder, &order)?;
                self.wait_for_rail(terms, draft.patience).await
            }
            Said::Refused(mut refused) => {
                if let Some(document) = &refused.document {
                    self.folder.keep(payment, Kept::Refusal, document)?;
                    refused.receipt = self.receipt_of_refusal(payment).await?;
                }
                Ok(OutOutcome::Refused(refused))
            }
        }
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
    ) -> Result<(), WalletError> {
        let by = edge.peer.name.as_str();
        let order =
            signed.verify(&edge.permit_key).map_err(|error| WalletError::answer(by, error))?;
        same(by, "payment", &terms.payment, &order.payment)?;
        same(by, "environment", &terms.environment, &order.environment)?;
        same(by, "book", &terms.book, &order.book)?;
        same(by, "corridor", &terms.corridor, &order.corridor)?;
        same(by, "institution", &edge.institution, &order.institution)?;
        same(by, "owner", &self.config.company, &order.owner)?;
        same(by, "account", &terms.debited_account, &order.debited_account)?;
        same(by, "amount", &terms.amount, &order.amount)?;
        same(by, "fee", &terms.fee, &order.fee)?;
        let named = order.terms.map(|digest| digest.to_string()).unwrap_or_default();
        same(by, "terms", &terms.terms_digest().to_string(), &named)
    }

    async fn wait_for_rail(
        &self,
        terms: OutgoingTerms,
        patience: Duration,
    ) -> Result<OutOutcome, WalletError> {
        let payment = terms.payment;
        let looking = async {
            loop {
                match self.ask(payment).await {
                    Ok(status) => {
                        if let Some(ended) = status.ending {
                            return Ok(ended);
                        }
                    }
                    Err(WalletError::Unknown(_) | WalletError::NotDone(_)) => {}
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let Ok(ended) = tokio::time::timeout(patience, looking).await else {
            return Ok(OutOutcome::UnderWay { payment });
        };
        let ended = ended?;
        let receipt = self.wait_for_receipt(payment, None).await?;
        if let Some(path) = &receipt {
            self.check_receipt_out(&terms, path)?;
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
                next: None,
                by: self.config.core.name.clone(),
                document: None,
                position: Some(ended.position),
                receipt,
            })),
        })
    }

    /// The receipt's order is one for the very terms that this wallet signed. A refusal before the
    /// order was taken opens none.
    fn check_receipt_out(
        &self,
        terms: &OutgoingTerms,
        path: &std::path::Path,
    ) -> Result<(), WalletError> {
        let trust = VerifyTrust { log: self.trust.clone(), lists: Vec::new() };
        let (_, read) = read_receipt(&read_file(path)?, Some(&trust));
        let order: Option<Signed<OutgoingPayment>> =
            read.and_then(|read| read.value(OUTGOING_ORDER_FIELD));
        let Some(Ok(order)) = order.map(|order| order.read_unverified()) else { return Ok(()) };
        let named = order.terms.map(|digest| digest.to_string()).unwrap_or_default();
        same(&self.config.core.name, "terms", &terms.terms_digest().to_string(), &named)
    }
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
            let order = Signed::<OutgoingPayment>::from_bytes(&bytes);
            Ok(Said::Order(order.map_err(|error| WalletError::answer(by, error))?))
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
                    || "receipt   not cosigned yet: ask again".to_owned(),
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
            Self::Refused(refused) => refused_text(refused),
            Self::UnderWay { payment } => format!(
                "under way  {payment}: the money is held and the rail gave no end yet\n\
                 ask with `wayleave wallet status {payment}`; do not pay anew"
            ),
            Self::NotReady { missing } => {
                let lines = missing.iter().map(|one| format!("  {}: {}", one.what, one.mend));
                let lines = lines.collect::<Vec<_>>().join("\n");
                format!("not ready: nothing was shown to anybody\n{lines}")
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
            Self::Refused(refused) => json!({
                "outcome": "refused",
                "payment": refused.payment.to_string(),
                "code": refused.code,
                "words": refused.words,
                "mend": refused.mend,
                "next": refused.next,
                "by": refused.by,
                "receipt": refused.receipt,
            }),
            Self::UnderWay { payment } => {
                json!({ "outcome": "under-way", "payment": payment.to_string() })
            }
            Self::NotReady { missing } => {
                let one = |thing: &MissingThing| json!({ "code": thing.code, "what": thing.what, "mend": thing.mend });
                let missing: Vec<Value> = missing.iter().map(one).collect();
                json!({ "outcome": "not-ready", "missing": missing })
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

fn refused_text(refused: &RefusedPayment) -> String {
    let mut lines =
        vec![format!("refused   {} by {}: {}", refused.code, refused.by, refused.words)];
    lines.extend(refused.mend.iter().map(|mend| format!("mend      {mend}")));
    lines.extend(refused.next.iter().map(|next| format!("next      {next}")));
    lines.push(format!("payment   {}   nothing left", refused.payment));
    lines.extend(refused.receipt.iter().map(|path| format!("receipt   {}", path.display())));
    lines.join("\n")
}
