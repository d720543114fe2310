//! Where a payment stands, and why, in the codes of ISO 20022. `docs/formats/status.md`.
//!
//! One table, total by exhaustive matches: each state has a status code of its own; each reason,
//! of the core, of an edge or of a pack that comes with this build, has one external status reason
//! code. Codes are shown and sent, never stored: facts hold our own names, so that a better code
//! can be chosen later without changing history.
//!
//! *Returned* and *refunded* are no states: settled is final, and what comes after is a linked
//! payment with a state of its own ([`Linked`]).

use core::fmt;

use minicbor::{Decode, Encode};
use record::Ending;
use record::after::CANCELLED_CODE;

use crate::customers::CreditStanding;
use crate::rule::RuleName;
use crate::saga::DebtorSide;

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident => $code:literal, $word:literal, $words:literal;)*) => {
        /// Where a payment stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum State { $($(#[$doc])* $name,)* }

        impl State {
            /// All states, in the order in which a payment passes them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The external payment transaction status code.
            #[must_use]
            pub const fn iso_20022(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The name in answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it means, in words for people.
            #[must_use]
            pub const fn for_people(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// The state of that name or status code.
            #[must_use]
            pub fn named(text: &str) -> Option<Self> {
                let is_it = |state: &&Self| state.as_str() == text || state.iso_20022() == text;
                Self::ALL.iter().find(is_it).copied()
            }
        }
    };
}

states! {
    /// Signatures hold and documents agree; nothing is held yet.
    Checked => "ACTC", "checked", "the order is sound, and no money is held yet";
    /// An institution decides later, or with a person.
    Pending => "PDNG", "pending", "an institution decides later, or with a person";
    /// The debtor's money is held for it.
    Held => "ACSP", "held", "the payer's money is held, and the settlement is under way";
    /// Accepted, and not posted while a case is open.
    AcceptedWithoutPosting => "ACWP", "accepted-without-posting", "accepted, and not posted to the payee while a case is open";
    /// Settled in the settlement book: final.
    Settled => "ACSC", "settled", "settled for good between the institutions; the payee's account comes next";
    /// Credited to the creditor's account.
    Credited => "ACCC", "credited", "settled for good, and credited to the payee's account";
    /// Refused, with a reason.
    Refused => "RJCT", "refused", "refused, and no money moved; the reason says why";
    /// Cancelled before settlement.
    Cancelled => "CANC", "cancelled", "cancelled before it settled, and no money moved";
    /// The law holds the money.
    Blocked => "BLCK", "blocked", "the law asks that the money be held, and neither paid nor given back";
}

/// What comes after a settled payment: another payment that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Linked {
    /// The creditor's institution sends back what it could not credit, or was asked for.
    #[n(0)]
    Return,
    /// The creditor pays back, in a payment of its own.
    #[n(1)]
    Refund,
}

impl Linked {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Return, Self::Refund];

    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Refund => "refund",
        }
    }

    /// The message that carries it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Return => "pacs.004",
            Self::Refund => "pacs.008",
        }
    }

    /// What it is, in words for people.
    #[must_use]
    pub const fn for_people(self) -> &'static str {
        match self {
            Self::Return => "the payee's institution sends the payment back",
            Self::Refund => "the payee pays back, by a payment of its own",
        }
    }
}

macro_rules! edge_reasons {
    ($(
        $(#[$doc:meta])* $name:ident = $code:expr => $iso:literal, $what:literal, $mend:literal;
    )*) => {
        /// Reasons that an edge has of its own, beside those of its pack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum EdgeReason { $($(#[$doc])* $name,)* }

        impl EdgeReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code in refusals and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The external status reason code.
            #[must_use]
            pub const fn iso_20022(self) -> &'static str {
                match self { $(Self::$name => $iso,)* }
            }

            /// What happened, in words for people.
            #[must_use]
            pub const fn for_people(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// How to mend it.
            #[must_use]
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$name => $mend,)* }
            }
        }
    };
}

edge_reasons! {
    /// The institution may not say why.
    Neutral = record::NEUTRAL_CODE => "NARR", "the institution does not execute this payment, and may not say why", "ask your institution; compliance there can read the reason";
    /// A credential was revoked.
    StatusRevoked = "StatusRevoked" => "RR04", "the issuer has revoked a credential", "ask the issuer for a new credential";
    /// A credential is suspended.
    StatusSuspended = "StatusSuspended" => "RR04", "the issuer has suspended a credential", "ask the issuer why the credential is suspended";
    /// A status list could not be fetched.
    StatusUnavailable = "StatusUnavailable" => "RR04", "the issuer's status list could not be fetched", "try again shortly; the list is fetched anew";
    /// A status list is too old.
    StatusTooOld = "StatusTooOld" => "RR04", "the newest status list of the issuer is older than the rules allow", "try again shortly; the list is fetched anew";
    /// A status list does not read.
    StatusNotReadable = "StatusNotReadable" => "RR04", "the issuer's status list is not what it should be", "ask the issuer to publish its status list properly";
    /// A credential expired.
    CredentialExpired = "CredentialExpired" => "RR04", "a credential has expired since it was shown", "ask the payee for a new request to pay";
    /// An issuer is not listed for it.
    IssuerNotTrusted = "IssuerNotTrusted" => "RR04", "an issuer is not on the trust list for what it says", "present a credential of an issuer on the trust list";
    /// Credentials of two companies.
    SubjectsDiffer = "SubjectsDiffer" => "RR04", "the credentials are not all about one company", "present credentials that carry the same company identifier";
    /// Claims are missing or too many.
    PresentationIncomplete = "PresentationIncomplete" => "RR04", "more or less was presented than was asked for", "present exactly the claims that were asked for";
    /// A presentation does not verify.
    PresentationRefused = "PresentationRefused" => "RR04", "a presentation does not verify", "present again, to this edge, with live credentials";
    /// Other terms were signed.
    SignatureOverOtherTerms = "SignatureOverOtherTerms" => "DS17", "what was signed are not the terms of this payment", "open the order in the wallet again and sign it";
    /// No mandate.
    MandateMissing = "MandateMissing" => "AG01", "no mandate was presented that allows to pay", "present a mandate that allows to pay";
    /// The other institution is unknown here.
    InstitutionNotRecognised = "InstitutionNotRecognised" => "RR04", "the other side's institution is not recognised here", "ask the other side's institution";
    /// A sandbox corridor that has ended.
    SandboxEnded = "SandboxEnded" => "TM01", "the sandbox corridor has ended", "ask your institution whether the corridor goes on";
    /// A company that takes no part in a sandbox corridor.
    SandboxPartyNotAdmitted = "SandboxPartyNotAdmitted" => "RR04", "the company takes no part in this sandbox corridor", "ask your institution to be admitted to the sandbox corridor";
    /// More than a sandbox corridor takes.
    SandboxAmountExceeded = "SandboxAmountExceeded" => "AM02", "the amount is above what this sandbox corridor takes", "pay a smaller amount";
    /// Referred to a person or to later.
    Referred = "Referred" => "NARR", "the institution decides later, or with a person", "nothing; the answer says when it is decided anew";
}

/// Why a payment was refused: any code that a refusal may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule of the core.
    Rule(RuleName),
    /// An edge, by itself.
    Edge(EdgeReason),
    /// An open rule of a pack, with its nearest code.
    Pack(&'static str),
    /// A code that this build does not know, or one that may not be told: *narrative*.
    Untold,
}

impl Reason {
    /// What a code of ours means. Total: a pack may be newer than this build.
    #[must_use]
    pub fn of(code: &str) -> Self {
        let rule = RuleName::ALL.iter().find(|rule| rule.as_str() == code);
        let edge = EdgeReason::ALL.iter().find(|edge| edge.as_str() == code);
        match (rule, edge) {
            (Some(rule), _) => Self::Rule(*rule),
            (None, Some(edge)) => Self::Edge(*edge),
            (None, None) => PACKS
                .iter()
                .find(|(_, ids)| ids.contains(&code))
                .map_or(Self::Untold, |(iso, _)| Self::Pack(iso)),
        }
    }

    /// The external status reason code.
    #[must_use]
    pub const fn iso_20022(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.iso_20022(),
            Self::Edge(edge) => edge.iso_20022(),
            Self::Pack(code) => code,
            Self::Untold => "NARR",
        }
    }
}

/// Ids of the shipped packs' open rules by their code. Restricted ones have none: it would tell.
pub const PACKS: &[(&str, &[&str])] = &[
    ("AC01", &["owner-differs", "payer-account-missing"]),
    ("AC06", &["account-not-debitable", "account-not-creditable"]),
    ("DS17", &["terms-unsigned", "invoice-unsigned", "terms-differ"]),
    ("AG01", &["mandate-not-for-this"]),
    ("AM02", &["mandate-limit-exceeded", "corridor-limit-exceeded", "credit-band-limit-exceeded"]),
    ("AM01", &["amount-not-positive"]),
    ("AM03", &["currency-differs"]),
    ("RR02", &["payer-name-missing", "payer-address-unstructured"]),
    ("RR03", &["payee-name-missing"]),
    ("BE01", &["payee-name-differs"]),
    ("TM01", &["closed-now", "bank-holiday", "calendar-unknown"]),
    (
        "RR04",
        &[
            "subjects-differ",
            "registration-inactive",
            "registration-status-stale",
            "mandate-status-stale",
            "credit-status-stale",
            "tax-standing-not-good",
            "tax-standing-stale",
            "purpose-not-allowed",
            "document-missing",
            "tax-filing-missing",
            "statement-missing",
            "counterparty-not-recognised",
            "jurisdiction-sanctioned",
        ],
    ),
];

/// A payment's state with its codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub state: State,
    /// Why, where it was refused.
    pub reason: Option<Reason>,
}

impl Standing {
    /// By what the books say. `None`: the core knows nothing of the payment.
    #[must_use]
    pub fn of(ending: Option<&Ending>, debtor: DebtorSide, credit: CreditStanding) -> Option<Self> {
        let plain = |state| Some(Self { state, reason: None });
        match (ending, debtor, credit) {
            (Some(Ending::Refused(code)), _, _) if code == CANCELLED_CODE => {
                plain(State::Cancelled)
            }
            (Some(Ending::Refused(code)), _, _) => {
                Some(Self { state: State::Refused, reason: Some(Reason::of(code)) })
            }
            (Some(Ending::Settled), _, credit) => plain(credit.state()),
            (None, DebtorSide::Held | DebtorSide::Debited, _) => plain(State::Held),
            (None, DebtorSide::Untouched | DebtorSide::Released, _) => None,
        }
    }
}

impl fmt::Display for Standing {
    /// The codes: `ACCC`, `RJCT AM04`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.iso_20022())?;
        self.reason.map_or(Ok(()), |reason| write!(f, " {}", reason.iso_20022()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_states_share_a_status_code() {
        let codes: BTreeSet<_> = State::ALL.iter().map(|state| state.iso_20022()).collect();
        let names: BTreeSet<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!((codes.len(), names.len()), (State::ALL.len(), State::ALL.len()));
        for state in State::ALL {
            assert_eq!(State::named(state.iso_20022()), Some(*state));
            assert_eq!(State::named(state.as_str()), Some(*state));
        }
    }

    #[test]
    fn a_code_has_one_reason_and_an_unknown_one_is_narrative() {
        let edges = EdgeReason::ALL.iter().map(|edge| edge.as_str());
        let rules = RuleName::ALL.iter().map(|rule| rule.as_str());
        let packs = PACKS.iter().flat_map(|(_, ids)| ids.iter().copied());
        let all: Vec<&str> = edges.chain(rules).chain(packs).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for code in all {
            assert_ne!(Reason::of(code), Reason::Untold, "{code}");
        }
        assert_eq!(Reason::of("payer-listed"), Reason::Untold);
        assert_eq!(Reason::of("").iso_20022(), "NARR");
    }

    #[test]
    fn every_code_of_ours_has_a_name_in_the_codec() {
        for state in State::ALL {
            let code: iso20022::TransactionStatus = state.iso_20022().parse().unwrap();
            assert!(!matches!(code, iso20022::TransactionStatus::Other(_)), "{state:?}");
        }
        let rules = RuleName::ALL.iter().map(|rule| rule.iso_20022());
        let edges = EdgeReason::ALL.iter().map(|edge| edge.iso_20022());
        let packs = PACKS.iter().map(|(code, _)| *code);
        for code in rules.chain(edges).chain(packs).chain([Reason::Untold.iso_20022()]) {
            let read: iso20022::StatusReason = code.parse().unwrap();
            assert!(!matches!(read, iso20022::StatusReason::Other(_)), "{code}");
        }
    }

    #[test]
    fn a_reference_is_what_the_codec_takes_for_one() {
        let long = "x".repeat(36);
        for text in ["a", "INV-014", "A B", "", "/a", "a/", "a//b", "a_b", "é", " a", "a\n", &long]
        {
            let kept = record::Identifiers::end_to_end(text) == text;
            assert_eq!(kept, text.parse::<iso20022::EndToEndId>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_standing_follows_the_books() {
        use CreditStanding::{
            Blocked, Elsewhere, Posted as Credited, Suspense, Untouched as NotYet, Waiting,
        };
        use DebtorSide::{Debited, Held, Released, Untouched};
        let refused = Ending::Refused("InsufficientFunds".to_owned());
        let cancelled = Ending::Refused(CANCELLED_CODE.to_owned());
        let cases = [
            (None, Untouched, NotYet, "-"),
            (None, Released, NotYet, "-"),
            (None, Held, NotYet, "ACSP"),
            (None, Debited, NotYet, "ACSP"),
            (Some(&Ending::Settled), Held, NotYet, "ACSC"),
            (Some(&Ending::Settled), Debited, NotYet, "ACSC"),
            (Some(&Ending::Settled), Held, Credited, "ACCC"),
            (Some(&Ending::Settled), Debited, Credited, "ACCC"),
            (Some(&refused), Held, NotYet, "RJCT AM04"),
            (Some(&refused), Released, NotYet, "RJCT AM04"),
            (Some(&cancelled), Held, NotYet, "CANC"),
            (Some(&cancelled), Released, NotYet, "CANC"),
            (Some(&Ending::Settled), Debited, Suspense, "ACSC"),
            (Some(&Ending::Settled), Debited, Waiting, "ACWP"),
            (Some(&Ending::Settled), Debited, Blocked, "BLCK"),
            (Some(&Ending::Settled), Debited, Elsewhere, "BLCK"),
        ];
        for (ending, debtor, creditor, expected) in cases {
            let got = Standing::of(ending, debtor, creditor);
            let got = got.map_or_else(|| "-".to_owned(), |standing| standing.to_string());
            assert_eq!(got, expected, "{ending:?} {debtor:?} {creditor:?}");
        }
    }
}
