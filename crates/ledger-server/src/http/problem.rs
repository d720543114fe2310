//! Problem documents (RFC 9457): what was not answered with `200`, and why.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use terms::{Instant, Position};

use super::reply::{Item, moment, to_json};

/// Characters of one text of a problem: a few lines for a person.
const TEXT_CHARS_MAX: usize = 300;

/// A kind of problem: its status, its name for programs, its title for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: &'static str,
    /// `urn:wayleave:problem:` and the code.
    pub urn: &'static str,
    /// For people.
    pub title: &'static str,
    /// `refused`, `conflict`, `not_done` or `unknown`: no problem stands for two of these.
    pub outcome: &'static str,
}

macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $name:ident = $status:literal $code:literal $outcome:literal $title:literal;
    )*) => {
        $($(#[$doc])* pub const $name: Kind = Kind {
            status: $status,
            code: $code,
            urn: concat!("urn:wayleave:problem:", $code),
            title: $title,
            outcome: $outcome,
        };)*

        /// All kinds.
        pub const REGISTRY: &[Kind] = &[$($name,)*];
    };
}

kinds! {
    /// The target or its options are not known.
    BAD_REQUEST = 400 "bad-request" "refused" "The request cannot be understood";
    /// The body is not the JSON of this resource.
    BAD_JSON = 400 "bad-json" "refused" "The body is not the JSON expected here";
    /// One member has no meaning here.
    BAD_FIELD = 400 "bad-field" "refused" "A member has no meaning here";
    /// Nobody we know.
    UNAUTHENTICATED = 401 "unauthenticated" "refused" "An API key of this book is needed";
    /// Known, and may not do this.
    FORBIDDEN = 403 "forbidden" "refused" "This client may not do this";
    /// No such path, or nothing of that id.
    NOT_FOUND = 404 "not-found" "refused" "There is nothing here";
    /// Another method is needed.
    METHOD = 405 "method-not-allowed" "refused" "This resource takes another method";
    /// The body did not arrive in time: surely nothing was done.
    REQUEST_LATE = 408 "request-late" "not_done" "The request did not arrive in time";
    /// The id was used before with other content.
    CONFLICT = 409 "conflict" "conflict" "The id was used with other content";
    /// The key that it would be sealed under was forgotten.
    FORGOTTEN = 410 "forgotten" "refused" "The key of this person was forgotten";
    /// Longer than is read.
    TOO_LARGE = 413 "too-large" "refused" "The body is too large";
    /// Another media type.
    MEDIA_TYPE = 415 "media-type" "refused" "The body must be JSON";
    /// A rule of the ledger says no.
    REFUSED = 422 "refused" "refused" "A rule refuses this";
    /// This version does not do that.
    UNSUPPORTED = 422 "unsupported" "refused" "This version does not do this";
    /// The client has as much under way as it may: nothing was done.
    BUSY = 429 "busy" "not_done" "This client has as much under way as it may";
    /// It may have happened.
    UNKNOWN = 500 "unknown" "unknown" "Nobody can say whether it was done";
    /// Surely nothing was done.
    NOT_DONE = 503 "not-done" "not_done" "It was surely not done";
    /// Nothing was to be done, and what was asked for has not been seen yet.
    NOT_READY = 503 "not-ready" "not_done" "What follows the book has not come so far yet";
    /// No answer in time: it may have happened.
    LATE = 504 "unknown" "unknown" "No answer in time: nobody can say whether it was done";
}

/// A problem document.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    outcome: &'static str,
    may_retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Item>>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Document {
    pub(super) fn is_not_done(&self) -> bool {
        self.outcome == "not_done"
    }
}

/// What a handler answers instead of its result.
#[derive(Clone, Debug)]
pub struct Problem(Box<Document>);

fn cut(text: String) -> String {
    if text.chars().nth(TEXT_CHARS_MAX).is_none() {
        return text;
    }
    text.chars().take(TEXT_CHARS_MAX).chain(['…']).collect()
}

impl Problem {
    /// A problem of this kind, with nothing said about this time yet.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        let surely_or_maybe = matches!(kind.outcome, "not_done" | "unknown");
        Self(Box::new(Document {
            kind: kind.urn,
            title: kind.title,
            status: kind.status,
            code: kind.code,
            outcome: kind.outcome,
            may_retry: surely_or_maybe,
            detail: None,
            rule: None,
            field: None,
            expected: None,
            got: None,
            repeated: None,
            position: None,
            stamp: None,
            mend: None,
            items: None,
            retry_after: matches!(kind.status, 429 | 503).then_some(1),
        }))
    }

    /// A member that has no meaning here.
    #[must_use]
    pub fn field(name: impl Into<String>, expected: &str, got: &str) -> Self {
        Self::of(&BAD_FIELD).of_field(name).expected(expected).got(got)
    }

    /// Nobody can say: with what to do.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(&UNKNOWN).mend("ask by id, or send the same bytes again: an id is done once")
    }

    /// Surely not done: with why.
    #[must_use]
    pub fn not_done(why: impl Into<String>) -> Self {
        Self::of(&NOT_DONE).detail(why).mend("send the same bytes again a little later")
    }

    /// Says what happened.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.0.detail = Some(cut(text.into()));
        self
    }

    /// Names the rule that said no, and whether the same may succeed later.
    #[must_use]
    pub fn rule(mut self, name: impl Into<String>, may_retry: bool) -> Self {
        self.0.rule = Some(name.into());
        self.0.may_retry = may_retry;
        if may_retry {
            return self.mend("send it again later, under a new id");
        }
        self
    }

    /// Names the member.
    #[must_use]
    pub fn of_field(mut self, name: impl Into<String>) -> Self {
        self.0.field = Some(cut(name.into()));
        self
    }

    /// Puts a place before the name of the member.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.0.field = Some(match self.0.field.take() {
            Some(name) => format!("{place}.{name}"),
            None => place.to_owned(),
        });
        self
    }

    /// Says what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.0.expected = Some(cut(text.into()));
        self
    }

    /// Says what came.
    #[must_use]
    pub fn got(mut self, text: impl Into<String>) -> Self {
        self.0.got = Some(cut(text.into()));
        self
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn mend(mut self, text: impl Into<String>) -> Self {
        self.0.mend = Some(cut(text.into()));
        self
    }

    /// The position that it is true at.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.0.position = Some(position.number());
        self
    }

    /// When it was judged.
    #[must_use]
    pub fn stamped(mut self, stamp: Instant) -> Self {
        self.0.stamp = Some(moment(stamp));
        self
    }

    /// It was said before, under the same id.
    #[must_use]
    pub fn repeated(mut self, repeated: bool) -> Self {
        self.0.repeated = Some(repeated);
        self
    }

    /// What became of each item of a request that was done whole or not at all.
    #[must_use]
    pub(super) fn with_items(mut self, items: Vec<Item>) -> Self {
        self.0.items = Some(items);
        self
    }

    /// The problem of a document.
    #[must_use]
    pub(super) fn from_document(document: Document) -> Self {
        Self(Box::new(document))
    }

    /// The document, for an item of a bulk.
    #[must_use]
    pub fn into_document(self) -> Document {
        *self.0
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let mut response = Response::new(Body::from(to_json(&*self.0)));
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == 401 {
            let scheme = HeaderValue::from_static("Bearer realm=\"ledger\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_an_error_with_one_outcome() {
        for kind in REGISTRY {
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            let outcomes = ["refused", "conflict", "not_done", "unknown"];
            assert!(outcomes.contains(&kind.outcome), "{}", kind.code);
            assert_eq!(kind.urn, format!("urn:wayleave:problem:{}", kind.code));
        }
    }
}
