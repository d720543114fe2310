//! Bodies: canonical documents as bytes, everything else as JSON with ids and amounts as strings.

use minicbor::{Decode, Encode};
use seal::{from_canonical, to_canonical};

use crate::problem::{self, Problem};

/// A canonical document (deterministic CBOR): what is signed, stored and hashed.
pub const CBOR: &str = "application/cbor";
/// JSON for people and tools.
pub const JSON: &str = "application/json";
/// A problem document (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Text for people.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Reads a canonical document; anything that would not be written the same way is refused.
pub fn read_cbor<T>(bytes: &[u8]) -> Result<T, Problem>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    from_canonical(bytes).map_err(|error| {
        Problem::of(&problem::BAD_CBOR)
            .detail(error.to_string())
            .expected("one canonical document of this kind, re-encoded to the same bytes")
            .got(format!("{} bytes", bytes.len()))
            .mend("send the document exactly as it was signed")
    })
}

/// Writes a canonical document.
#[must_use]
pub fn write_cbor<T: Encode<()>>(document: &T) -> Vec<u8> {
    to_canonical(document)
}

/// Reads the text form of an id, a name or an amount; the field's name goes into the problem.
pub fn read_text<T>(field: &str, text: &str) -> Result<T, Problem>
where
    T: core::str::FromStr,
    T::Err: core::fmt::Display,
{
    text.parse().map_err(|error: T::Err| {
        Problem::of(&problem::BAD_FIELD)
            .detail(format!("field `{field}`: {error}"))
            .got(text.chars().take(64).collect::<String>())
            .mend(format!("correct `{field}`"))
    })
}

/// Checks the media type: parameters such as `charset` are not accepted for what is signed.
pub fn expect_media_type(expected: &str, got: Option<&str>) -> Result<(), Problem> {
    if got == Some(expected) {
        return Ok(());
    }
    Err(Problem::of(&problem::BAD_MEDIA_TYPE)
        .expected(expected)
        .got(got.unwrap_or("no content-type"))
        .mend(format!("send `content-type: {expected}`")))
}

/// `#[serde(with = "api::wire::text")]`: a value by its text form (`Display`/`FromStr`).
pub mod text {
    use core::fmt::Display;
    use core::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the text form.
    pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    /// Reads the text form.
    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// As [`text`], of a value that may be absent: with `#[serde(default)]`.
pub mod optional_text {
    use core::fmt::Display;
    use core::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the text form.
    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads the text form.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_text_names_the_field() {
        let problem = read_text::<terms::PaymentId>("payment", "x").unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail.unwrap().contains("`payment`"));
    }

    #[test]
    fn cbor_with_trailing_bytes_is_refused() {
        let bytes = write_cbor(&terms::Minor::new(5));
        assert_eq!(read_cbor::<terms::Minor>(&bytes).unwrap(), terms::Minor::new(5));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(read_cbor::<terms::Minor>(&longer).unwrap_err().code, "bad-cbor");
    }
}
