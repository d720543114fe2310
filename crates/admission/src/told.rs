//! What a customer is told when nothing is permitted: a code, the law, and words in English and
//! Chinese.
//!
//! Three sources and no other: an open rule of the pack, a reason that the edge itself has
//! ([`OwnReason`]), or the one neutral answer that stands for everything restricted. The neutral
//! answer names no law: whichever law it were would tell which rule it was.

use credential::sd_jwt_vc::CredentialRefused;
use credential::status::StatusRefused;
use credential::{CredentialStatus, PartyRefused};
use policy::{Pack, Sentence};
use record::NEUTRAL_CODE;

use crate::findings::AgainRefused;

/// What a customer is told of a refusal or a referral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its code, open or neutral.
    pub code: String,
    /// The law or agreement that an open rule follows; nothing where no open rule spoke.
    pub reference: Option<String>,
    /// What is the case.
    pub sentence: Sentence,
    /// What to do about it.
    pub mend: Sentence,
}

impl Told {
    /// What stands for everything restricted: one answer for all of it.
    #[must_use]
    pub fn neutral() -> Self {
        Self {
            code: NEUTRAL_CODE.to_owned(),
            reference: None,
            sentence: both(
                "The institution does not execute this payment.",
                "该机构不执行此笔付款。",
            ),
            mend: both("Ask your institution.", "请咨询您的机构。"),
        }
    }

    /// What the first open reason says, or the neutral answer. Own reasons come first: they are
    /// about what the customer showed or whom it pays through, never about screening.
    pub(crate) fn of(own: Option<&OwnReason>, pack: &Pack, open: &[record::Reason]) -> Self {
        match (own, open.first()) {
            (Some(own), _) => own.told(),
            (None, Some(why)) => Self::of_reason(pack, why),
            (None, None) => Self::neutral(),
        }
    }

    /// What an open rule says. A record names a reason in English; the pack has both languages.
    #[must_use]
    pub fn of_reason(pack: &Pack, why: &record::Reason) -> Self {
        let words = pack.words(&why.code);
        let chinese =
            |said: Option<&Sentence>| said.map_or_else(String::new, |s| s.chinese.clone());
        Self {
            code: why.code.clone(),
            reference: Some(why.reference.clone()),
            sentence: Sentence {
                english: why.sentence.clone(),
                chinese: chinese(words.map(|words| &words.sentence)),
            },
            mend: Sentence {
                english: why.mend.clone(),
                chinese: chinese(words.and_then(|words| words.mend.as_ref())),
            },
        }
    }
}

/// A reason that the edge itself has, where a rule could only say that it was told too little.
pub(crate) struct OwnReason {
    code: &'static str,
    sentence: Sentence,
    mend: Sentence,
}

/// A code, what is the case in Chinese, and how to mend it in English and Chinese. The sentence in
/// English names what exactly was found, which only its maker knows.
pub(crate) type Row = (&'static str, &'static str, &'static str, &'static str);

const SUSPENDED: Row = (
    "StatusSuspended",
    "该凭证已被暂停。",
    "Ask the issuer why the credential is suspended.",
    "请向签发机构询问该凭证为何被暂停。",
);
const REVOKED: Row = (
    "StatusRevoked",
    "该凭证已被吊销。",
    "Ask the issuer for a new credential.",
    "请向签发机构申请新的凭证。",
);
const UNAVAILABLE: Row = (
    "StatusUnavailable",
    "暂时无法取得凭证的状态名单。",
    "Try again shortly; the list is fetched anew.",
    "请稍后重试；系统会重新获取名单。",
);
const TOO_OLD: Row = (
    "StatusTooOld",
    "凭证的状态名单过旧，不足为据。",
    "Try again shortly; the list is fetched anew.",
    "请稍后重试；系统会重新获取名单。",
);
const NOT_READABLE: Row = (
    "StatusNotReadable",
    "凭证的状态名单无法读取。",
    "Ask the issuer to publish its status list properly.",
    "请要求签发机构正确发布其状态名单。",
);
const ISSUER: Row = (
    "IssuerNotTrusted",
    "凭证的签发机构不在信任名单上。",
    "Present a credential of an issuer on the trust list.",
    "请出示信任名单所列机构签发的凭证。",
);
const SUBJECTS: Row = (
    "SubjectsDiffer",
    "所出示的凭证并非都属于同一家公司。",
    "Present credentials that carry the same company identifier.",
    "请出示载有同一公司标识的凭证。",
);
const INCOMPLETE: Row = (
    "PresentationIncomplete",
    "出示的内容与所要求的不符。",
    "Present exactly the claims that were asked for.",
    "请只出示所要求的各项内容，不多也不少。",
);
const OTHER_TERMS: Row = (
    "SignatureOverOtherTerms",
    "签名针对的是其他条款。",
    "Open the order in the wallet again and sign it.",
    "请在钱包中重新打开该订单并签名。",
);
const MANDATE: Row = (
    "MandateMissing",
    "没有出示可用于付款的授权。",
    "Present a mandate that allows to pay.",
    "请出示允许付款的授权。",
);
const PRESENTATION: Row = (
    "PresentationRefused",
    "出示的凭证未通过核验。",
    "Present again, to this edge, with live credentials.",
    "请用有效的凭证重新向本机构出示。",
);
const PAYEE_EXPIRED: Row = (
    "CredentialExpired",
    "收款人的凭证已不再有效。",
    "Ask the payee for a new request to pay.",
    "请向收款人索取新的付款请求。",
);
const NOT_RECOGNISED: Row = (
    "InstitutionNotRecognised",
    "本机构不认可对方机构的声明。",
    "Ask the other side's institution.",
    "请向对方机构询问。",
);

/// Past the end of a sandbox corridor.
pub(crate) const SANDBOX_ENDED: Row = (
    "SandboxEnded",
    "该沙盒通道已结束。",
    "Ask your institution whether the corridor goes on.",
    "请向您的机构询问该通道是否继续。",
);
/// A company that takes no part in a sandbox corridor.
pub(crate) const SANDBOX_PARTY: Row = (
    "SandboxPartyNotAdmitted",
    "该公司未获准参与此沙盒通道。",
    "Ask your institution to be admitted to the sandbox corridor.",
    "请向您的机构申请参与此沙盒通道。",
);
/// More than a sandbox corridor takes.
pub(crate) const SANDBOX_AMOUNT: Row = (
    "SandboxAmountExceeded",
    "金额超过此沙盒通道的上限。",
    "Pay a smaller amount.",
    "请减少付款金额。",
);

impl OwnReason {
    /// The row's reason, with what exactly is the case in English.
    pub(crate) fn of(row: Row, english: String) -> Self {
        let (code, chinese, mend, mend_zh) = row;
        let sentence = Sentence { english, chinese: chinese.to_owned() };
        Self { code, sentence, mend: both(mend, mend_zh) }
    }

    /// The other side's statement does not count.
    pub(crate) fn not_believed(why: &str) -> Self {
        let english = format!("The other side's statement does not count here: {why}.");
        Self::of(NOT_RECOGNISED, english)
    }

    /// The presentation failed.
    pub(crate) fn of_presentation(refused: &PartyRefused) -> Self {
        let row = match refused {
            PartyRefused::Status { reason, .. } => of_list(reason),
            PartyRefused::Issuer { .. } | PartyRefused::StatusIssuer { .. } => ISSUER,
            PartyRefused::SubjectsDiffer { .. } => SUBJECTS,
            PartyRefused::Query(_) => INCOMPLETE,
            PartyRefused::Credential {
                reason: CredentialRefused::OtherTransactionData, ..
            } => OTHER_TERMS,
            PartyRefused::MandateMissing | PartyRefused::MandateMayNotPay => MANDATE,
            PartyRefused::Malformed { .. }
            | PartyRefused::Claim { .. }
            | PartyRefused::Credential { .. } => PRESENTATION,
        };
        Self::of(row, format!("The presentation was refused: {refused}."))
    }

    /// What the payee showed does not hold any more. What its register says is the payee's own
    /// business: the payer reads the code.
    pub(crate) fn of_status(refused: &AgainRefused) -> Self {
        let (code, _, mend, mend_zh) = match refused {
            AgainRefused::Status(reason) => of_list(reason),
            AgainRefused::CredentialExpired => PAYEE_EXPIRED,
            AgainRefused::IssuerNotTrusted => (ISSUER.0, "", PAYEE_EXPIRED.2, PAYEE_EXPIRED.3),
        };
        let row = (code, PAYEE_EXPIRED.1, mend, mend_zh);
        Self::of(row, "The payee's credentials do not hold any more.".to_owned())
    }

    fn told(&self) -> Told {
        Told {
            code: self.code.to_owned(),
            reference: None,
            sentence: self.sentence.clone(),
            mend: self.mend.clone(),
        }
    }
}

const fn of_list(refused: &StatusRefused) -> Row {
    match refused {
        StatusRefused::NotValid { status: CredentialStatus::Suspended, .. } => SUSPENDED,
        StatusRefused::NotValid { .. } => REVOKED,
        StatusRefused::Unavailable { .. } => UNAVAILABLE,
        StatusRefused::OlderThanSeen { .. }
        | StatusRefused::TwoListsForOneMoment { .. }
        | StatusRefused::Stale { .. } => TOO_OLD,
        StatusRefused::Token(_)
        | StatusRefused::OtherList { .. }
        | StatusRefused::FromTheFuture { .. }
        | StatusRefused::List { .. } => NOT_READABLE,
    }
}

fn both(english: &str, chinese: &str) -> Sentence {
    Sentence { english: english.to_owned(), chinese: chinese.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Row; 16] = [
        SUSPENDED,
        REVOKED,
        UNAVAILABLE,
        TOO_OLD,
        NOT_READABLE,
        ISSUER,
        SUBJECTS,
        INCOMPLETE,
        OTHER_TERMS,
        MANDATE,
        PRESENTATION,
        PAYEE_EXPIRED,
        NOT_RECOGNISED,
        SANDBOX_ENDED,
        SANDBOX_PARTY,
        SANDBOX_AMOUNT,
    ];

    #[test]
    fn each_own_reason_has_a_code_of_its_own_and_words_in_both_languages() {
        let codes: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
        assert_eq!(codes.len(), ROWS.len());
        let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for row in ROWS {
            let told = OwnReason::of(row, "Something.".to_owned()).told();
            assert!(told.mend.english.is_ascii() && told.mend.english.ends_with('.'), "{row:?}");
            assert!(chinese(&told.sentence.chinese) && chinese(&told.mend.chinese), "{row:?}");
            assert!(!chinese(&told.mend.english), "{row:?}");
        }
    }

    #[test]
    fn what_an_issuer_says_of_a_payee_is_not_told_to_the_payer() {
        let list = StatusRefused::Unavailable { uri: "https://register.example/1".into() };
        for refused in [
            AgainRefused::Status(list),
            AgainRefused::CredentialExpired,
            AgainRefused::IssuerNotTrusted,
        ] {
            let told = OwnReason::of_status(&refused).told();
            assert_eq!(told.sentence.english, "The payee's credentials do not hold any more.");
            assert_eq!(told.sentence.chinese, PAYEE_EXPIRED.1);
        }
    }
}
