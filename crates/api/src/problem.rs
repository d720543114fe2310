//! Problem documents (RFC 9457): what went wrong, what was expected, what came, how to mend it.
//!
//! [`Kind`]s are the registry: a code never changes its meaning and is never used again. A crate
//! above declares kinds of its own for domain refusals and maps its errors in one table.

use seal::KeyId;
use serde::{Deserialize, Serialize};

use crate::signature::Rejection;

/// One entry of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Stable, for programs: `replayed`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// For people; the same for each problem of this kind.
    pub title: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal;)*) => {
        $($(#[$doc])* pub const $name: Kind =
            Kind { code: $code, status: $status, title: $title };)*

        /// Every kind of the wire floor.
        pub const REGISTRY: &[Kind] = &[$($name),*];
    };
}

kinds! {
    /// No HTTP request that we understand.
    BAD_REQUEST = 400 "bad-request" "The request cannot be read";
    /// A field or parameter is no value of its kind.
    BAD_FIELD = 400 "bad-field" "A field has a value that does not fit";
    /// The body is not the JSON that was expected.
    BAD_JSON = 400 "bad-json" "The JSON body was not accepted";
    /// The body is not the canonical document that was expected.
    BAD_CBOR = 400 "bad-cbor" "The document was not accepted";
    /// No signature, or a malformed one.
    UNSIGNED = 401 "unsigned" "The request is not signed in the required way";
    /// The signature does not verify, or its key is unknown.
    BAD_SIGNATURE = 401 "bad-signature" "The signature was not accepted";
    /// Created outside the clock window.
    CLOCK = 401 "outside-clock-window" "The request was signed too early or too late";
    /// The same signed request came before.
    REPLAYED = 401 "replayed" "The same signed request came before";
    /// Known caller, wrong role.
    FORBIDDEN = 403 "forbidden" "This caller may not do this";
    /// No such resource.
    NOT_FOUND = 404 "not-found" "There is nothing here";
    /// Wrong method.
    METHOD = 405 "method-not-allowed" "This method is not offered here";
    /// The request did not arrive in time. Nothing was done.
    REQUEST_LATE = 408 "request-late" "The request did not arrive in time";
    /// In conflict with what is recorded.
    CONFLICT = 409 "conflict" "In conflict with what is recorded";
    /// Body above the limit.
    TOO_LARGE = 413 "too-large" "The body is larger than allowed";
    /// Wrong media type.
    BAD_MEDIA_TYPE = 415 "bad-media-type" "The body has another media type than expected";
    /// Signed for another authority.
    MISDIRECTED = 421 "misdirected" "The request is meant for another server";
    /// Understood, and refused by a rule.
    REFUSED = 422 "refused" "A rule refuses this";
    /// Too many requests of one caller. Nothing was done.
    TOO_MANY = 429 "too-many-requests" "Too many requests";
    /// A bug or a fault here: whether it was done is unknown.
    FAULT = 500 "fault" "Something failed here";
    /// Cannot serve now. Nothing was done.
    NOT_READY = 503 "not-ready" "Not ready to serve";
    /// Started, no outcome in time: whether it was done is unknown.
    ANSWER_LATE = 504 "answer-late" "No outcome within the time allowed";
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:wayleave:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people; the same for each problem of this code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: String,
    /// What happened this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came instead, cut short; never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What the reader can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// Names this request in our traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem of this kind, with nothing said about this time yet.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        Self {
            kind: format!("urn:wayleave:problem:{}", kind.code),
            title: kind.title.to_owned(),
            status: kind.status,
            code: kind.code.to_owned(),
            detail: None,
            expected: None,
            got: None,
            mend: None,
            request_id: None,
        }
    }

    /// Says what happened.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(cut(text.into()));
        self
    }

    /// Says what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(cut(text.into()));
        self
    }

    /// Says what came.
    #[must_use]
    pub fn got(mut self, text: impl Into<String>) -> Self {
        self.got = Some(cut(text.into()));
        self
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn mend(mut self, text: impl Into<String>) -> Self {
        self.mend = Some(cut(text.into()));
        self
    }

    /// The document's bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // INVARIANT (ProblemIsPlain): strings and one number always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn cut(text: String) -> String {
    if text.chars().nth(TEXT_CHARS_MAX).is_none() {
        return text;
    }
    text.chars().take(TEXT_CHARS_MAX).chain(['…']).collect()
}

/// The table from a refused signature to a problem.
impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        let (kind, mend) = match rejection {
            Rejection::Missing { .. }
            | Rejection::Repeated { .. }
            | Rejection::Malformed { .. } => {
                (&UNSIGNED, "sign with the profile `wayleave-v1` (docs/formats/requests.md)")
            }
            Rejection::UnknownKey { .. } => {
                (&BAD_SIGNATURE, "have the key's public descriptor added to the callers here")
            }
            Rejection::DigestMismatch | Rejection::BadSignature => {
                (&BAD_SIGNATURE, "sign exactly the request that is sent, and change nothing after")
            }
            Rejection::OutsideWindow { .. } | Rejection::BeforeStart { .. } => {
                (&CLOCK, "set the clock, then sign again")
            }
            Rejection::Replayed => (&REPLAYED, "sign again with a new nonce"),
            Rejection::TooMany => (&TOO_MANY, "wait for a minute, then sign again"),
            Rejection::OtherAuthority { .. } => (&MISDIRECTED, "send it to the authority it names"),
            Rejection::Unsignable(_) => (&BAD_REQUEST, "use plain visible ASCII in the target"),
        };
        Self::of(kind).detail(detail).mend(mend)
    }
}

/// Says that a known caller has the wrong role, without telling it what else there is.
#[must_use]
pub fn wrong_role(key: KeyId, role: &str, allowed: &str) -> Problem {
    Problem::of(&FORBIDDEN)
        .detail(format!("key `{key}` speaks for the role `{role}`"))
        .expected(allowed)
        .got(role)
        .mend("call with the key of an allowed role")
}

/// Characters of one text of a problem: a few lines for a person.
const TEXT_CHARS_MAX: usize = 600;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        let codes: BTreeSet<_> = REGISTRY.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), REGISTRY.len());
        assert!(REGISTRY.iter().all(|kind| (400..600).contains(&kind.status)));
    }

    #[test]
    fn a_problem_reads_back_and_is_cut_short() {
        let problem = Problem::of(&BAD_FIELD).detail("x".repeat(5000)).mend("less");
        let back: Problem = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(back, problem);
        assert_eq!(back.detail.unwrap().chars().count(), TEXT_CHARS_MAX + 1);
        assert_eq!(back.kind, "urn:wayleave:problem:bad-field");
    }
}
