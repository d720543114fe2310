//! How a payment ends, and what its owner is shown before.

use std::path::PathBuf;

use api::messages::{DecisionAnswer, MissingThing, Repeated};
use credential::ConsentView;
use record::{LeaseAcceptance, OutgoingTerms, PaymentTerms, Quote, Refusal, Signed};
use serde_json::{Value, json};
use terms::{PaymentId, Position};

use super::settle::CheckedPromise;
use crate::outcome::{CommandResult, EXIT_REFUSED, EXIT_UNKNOWN};

/// Whether purposes of verifiers could be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// A trust list was at hand.
    Read,
    /// None was: every claim counts as unregistered.
    NotAtHand,
}

/// What the owner is asked to agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who asks for what, of how much.
    pub view: ConsentView,
    /// Whether purposes could be looked up.
    pub registry: Registry,
    /// The payment, unless it is a request to be paid.
    pub payment: Option<PaymentId>,
    /// The quote it is paid at.
    pub quote: Option<Quote>,
}

/// How a payment ended, or where it stands.
#[derive(Clone, Debug)]
pub enum PaymentOutcome {
    /// Both legs are posted. Final.
    Settled(Box<Settled>),
    /// Nothing is posted. Final, or a referral that says when to ask again.
    Refused(Box<RefusedPayment>),
    /// The bank accepted it for good while the core could not be reached: it settles when the bank
    /// is heard again.
    Accepted(Box<Accepted>),
    /// Nobody here knows: `resume` asks for the same again.
    Unknown {
        /// The payment.
        payment: PaymentId,
        /// What broke.
        words: String,
    },
    /// Something is missing; nobody was asked for anything.
    NotReady {
        /// The payment.
        payment: PaymentId,
        /// What, and how to mend it.
        missing: Vec<MissingThing>,
    },
    /// The owner did not agree; nothing left the wallet.
    Declined {
        /// The payment.
        payment: PaymentId,
    },
}

/// A payment that the payer's bank accepted by itself.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its terms.
    pub terms: PaymentTerms,
    /// What the bank said, its signature checked.
    pub acceptance: LeaseAcceptance,
    /// Where the signed word is kept.
    pub document: PathBuf,
}

impl Accepted {
    fn text(&self) -> String {
        let (terms, said) = (&self.terms, &self.acceptance);
        format!(
            "accepted  {}: {} to {}\nby        {} at {}, under its lease {}; the core could not be \
             reached\nword      {}\nit settles when the bank is heard again: `resume {}` asks",
            terms.payment,
            terms.credited.for_people(),
            terms.payee_name,
            said.line.institution,
            said.accepted_at,
            said.number,
            self.document.display(),
            terms.payment,
        )
    }

    fn json(&self) -> Value {
        let said = &self.acceptance;
        json!({
            "outcome": "accepted",
            "payment": said.payment.to_string(),
            "by": said.line.institution.to_string(),
            "lease": said.number,
            "accepted_at": said.accepted_at.to_string(),
            "document": self.document.display().to_string(),
        })
    }
}

/// A settled payment.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its terms.
    pub terms: PaymentTerms,
    /// The core's promise.
    pub promise: CheckedPromise,
    /// The receipt's file; `None` while the checkpoint is not cosigned.
    pub receipt: Option<PathBuf>,
    /// Rounds of requests from consent to promise.
    pub rounds_after_consent: u32,
}

/// A refused payment.
#[derive(Clone, Debug)]
pub struct RefusedPayment {
    /// The payment.
    pub payment: PaymentId,
    /// The open code, or the neutral one.
    pub code: String,
    /// What happened, in words.
    pub words: String,
    /// How to mend it.
    pub mend: Option<String>,
    /// The law or agreement that an edge's open rule follows.
    pub law: Option<String>,
    /// An edge's words in Chinese: what happened, and how to mend it.
    pub chinese: Option<Chinese>,
    /// When a referral is decided anew at the earliest.
    pub next: Option<String>,
    /// Who refused.
    pub by: String,
    /// The edge's signed refusal; `None` when the core refused or it is a referral.
    pub document: Option<Signed<Refusal>>,
    /// Where it stands in the settlement book, if the core said so.
    pub position: Option<Position>,
    /// The receipt's file; `None` while there is none.
    pub receipt: Option<PathBuf>,
}

/// What an edge says in Chinese.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chinese {
    /// What happened.
    pub words: String,
    /// How to mend it.
    pub mend: String,
}

impl Chinese {
    /// What the answer says in Chinese, if it does.
    pub(crate) fn of(answer: &DecisionAnswer) -> Option<Self> {
        let (words, mend) = (answer.sentence_zh.clone()?, answer.mend_zh.clone()?);
        Some(Self { words, mend })
    }
}

impl CommandResult for Shown {
    fn text(&self) -> String {
        let view = &self.view;
        let mut lines = Vec::new();
        if let Some(terms) = &view.terms {
            let what = if terms.linked_payment.is_some() { "refund" } else { "pay" };
            let (amount, payee) = (terms.credited.for_people(), &terms.payee_name);
            lines.push(format!("{what:<8} {amount} to {payee}"));
            lines.extend(terms.linked_payment.map(|original| format!("of       {original}")));
            lines.push(format!(
                "from     {} of {}",
                terms.debited.for_people(),
                terms.debited_account
            ));
            for fee in &terms.fees {
                let amount = fee.amount.for_people();
                lines.push(format!("fee      {amount} {} to {}", fee.kind, fee.taker));
            }
            lines.push(format!("purpose  {}   until {}", terms.purpose, terms.expires_at));
        }
        lines.extend(view.outgoing.as_ref().map(out_lines).unwrap_or_default());
        lines.push(format!("asked by {}", view.verifier));
        lines.push(match (&view.registered_purpose, self.registry) {
            (Some(purpose), _) => format!("for      {purpose}"),
            (None, Registry::Read) => "for      nothing it registered".to_owned(),
            (None, Registry::NotAtHand) => "for      unknown: no trust list at hand".to_owned(),
        });
        lines.push(format!("shows    {} of {} claims", view.disclosed_count, view.held_count));
        for one in &view.credentials {
            let names: Vec<&str> = one.disclosed.iter().map(|(name, _)| name.as_str()).collect();
            lines.push(format!("         {}: {}", one.credential_type, names.join(", ")));
        }
        if self.registry == Registry::Read && !view.unregistered.is_empty() {
            lines.push(format!(
                "WARNING  asks beyond what it registered: {}",
                view.unregistered.join(", ")
            ));
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let view = &self.view;
        let credential = |one: &credential::ConsentCredential| {
            let names: Vec<&str> = one.disclosed.iter().map(|(name, _)| name.as_str()).collect();
            json!({
                "type": one.credential_type,
                "issuer": one.issuer,
                "claims": names,
                "held": one.held_count,
            })
        };
        let payment = view.terms.as_ref().map(PaymentTerms::fields);
        let fields = payment.or_else(|| view.outgoing.as_ref().map(OutgoingTerms::fields));
        let terms = fields.map(|fields| {
            let fields = fields.into_iter();
            fields
                .map(|(name, text)| (name.to_owned(), text.into()))
                .collect::<serde_json::Map<_, _>>()
        });
        json!({
            "payment": self.payment.map(|payment| payment.to_string()),
            "verifier": view.verifier,
            "registered_purpose": view.registered_purpose,
            "disclosed": view.disclosed_count,
            "held": view.held_count,
            "credentials": view.credentials.iter().map(credential).collect::<Vec<_>>(),
            "unregistered": view.unregistered,
            "registry": match self.registry {
                Registry::Read => "read",
                Registry::NotAtHand => "not at hand",
            },
            "terms": terms,
        })
    }
}

fn out_lines(terms: &OutgoingTerms) -> Vec<String> {
    let (to, at) = (&terms.to, &terms.address);
    let home = [&at.street, &at.building, &at.post_code, &at.town, &at.country];
    let home: Vec<&str> = home.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
    vec![
        format!("pay out  {} to {}", terms.amount.for_people(), to.name),
        format!("         account {} at {}", to.account, to.bic),
        format!("         {}", home.join(", ")),
        format!("fee      {}", terms.fee.for_people()),
        format!("from     {}", terms.debited_account),
        format!("purpose  {}   reference {}", terms.purpose, terms.end_to_end_id),
        format!("until    {}", terms.expires_at),
        "         the payee's bank takes no part: proof ends with the rail's word".to_owned(),
    ]
}

impl CommandResult for PaymentOutcome {
    fn text(&self) -> String {
        match self {
            Self::Settled(settled) => settled.text(),
            Self::Refused(refused) => refused.text(),
            Self::Accepted(accepted) => accepted.text(),
            Self::Unknown { payment, words } => format!(
                "unknown  {payment}: {words}\nask again with `resume {payment}`; do not pay anew"
            ),
            Self::NotReady { payment, missing } => {
                let lines = missing_text(missing);
                format!("not ready  {payment}: nothing was shown to anybody\n{lines}")
            }
            Self::Declined { payment } => format!("declined  {payment}: nothing left the wallet"),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Settled(settled) => settled.json(),
            Self::Refused(refused) => refused.json(),
            Self::Accepted(accepted) => accepted.json(),
            Self::Unknown { payment, words } => {
                json!({ "outcome": "unknown", "payment": payment.to_string(), "words": words })
            }
            Self::NotReady { payment, missing } => {
                let missing = missing_json(missing);
                let payment = payment.to_string();
                json!({ "outcome": "not-ready", "payment": payment, "missing": missing })
            }
            Self::Declined { payment } => {
                json!({ "outcome": "declined", "payment": payment.to_string() })
            }
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Settled(_) | Self::Accepted(_) => 0,
            Self::Refused(_) | Self::NotReady { .. } | Self::Declined { .. } => EXIT_REFUSED,
            Self::Unknown { .. } => EXIT_UNKNOWN,
        }
    }
}

impl Settled {
    fn text(&self) -> String {
        let (terms, promise) = (&self.terms, &self.promise.promise);
        let again = match self.promise.repeated {
            Repeated::First => "",
            Repeated::Again => "   (the first answer again)",
        };
        let receipt = self.receipt.as_ref().map_or_else(
            || "receipt   not cosigned yet: ask again".to_owned(),
            |path| format!("receipt   {}", path.display()),
        );
        format!(
            "settled   -{}  +{}  position {}{again}\npayment   {}\n{receipt}",
            terms.debited.for_people(),
            terms.credited.for_people(),
            promise.position,
            terms.payment,
        )
    }

    fn json(&self) -> Value {
        json!({
            "outcome": "settled",
            "payment": self.terms.payment.to_string(),
            "debited": self.terms.debited.to_string(),
            "credited": self.terms.credited.to_string(),
            "position": self.promise.promise.position.number(),
            "settled_at": self.promise.promise.settled_at.to_string(),
            "repeated": self.promise.repeated == Repeated::Again,
            "rounds_after_consent": self.rounds_after_consent,
            "receipt": self.receipt,
        })
    }
}

/// What is missing, a thing a line, and what it follows from; in both languages.
pub(crate) fn missing_text(missing: &[MissingThing]) -> String {
    let lines = missing.iter().flat_map(|one| {
        let english = format!("  {}: {}", one.what, one.mend);
        let chinese = format!("  {}{}", one.what_zh, one.mend_zh);
        [english, chinese, format!("  ({}, {})", one.code, one.reference)]
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The same for programs.
pub(crate) fn missing_json(missing: &[MissingThing]) -> Value {
    let one = |thing: &MissingThing| {
        json!({
            "code": thing.code,
            "what": thing.what,
            "mend": thing.mend,
            "law": thing.reference,
            "what_zh": thing.what_zh,
            "mend_zh": thing.mend_zh,
        })
    };
    missing.iter().map(one).collect()
}

impl RefusedPayment {
    fn text(&self) -> String {
        self.lines("nothing was posted")
    }

    /// What is told of it; `came_of_it` says what the refusal left behind.
    pub(crate) fn lines(&self, came_of_it: &str) -> String {
        let mut lines = vec![format!("refused   {} by {}: {}", self.code, self.by, self.words)];
        lines.extend(self.mend.iter().map(|mend| format!("mend      {mend}")));
        let chinese = self.chinese.iter().map(|zh| format!("          {}{}", zh.words, zh.mend));
        lines.extend(chinese);
        lines.extend(self.law.iter().map(|law| format!("law       {law}")));
        lines.extend(self.next.iter().map(|next| format!("next      {next}")));
        lines.push(format!("payment   {}   {came_of_it}", self.payment));
        lines.extend(self.receipt.iter().map(|path| format!("receipt   {}", path.display())));
        lines.join("\n")
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "outcome": "refused",
            "payment": self.payment.to_string(),
            "code": self.code,
            "words": self.words,
            "mend": self.mend,
            "law": self.law,
            "words_zh": self.chinese.as_ref().map(|zh| &zh.words),
            "mend_zh": self.chinese.as_ref().map(|zh| &zh.mend),
            "next": self.next,
            "by": self.by,
            "position": self.position.map(Position::number),
            "receipt": self.receipt,
        })
    }
}
