//! `affinidi-status-list`: packing, compression and the inflate cap of a Token Status List.
//!
//! Its token check is not used: it is lenient about `typ` and leeway, and it holds no high-water
//! mark. [`crate::status`] checks the token.

use affinidi_status_list::token::{EncodedStatusList, TokenStatus, TokenStatusList};
use serde_json::{Value, json};

/// The most bytes one list may inflate to: 2 MiB, 16 million one-bit or 8 million two-bit
/// entries. A few kilobytes of zlib could otherwise become gigabytes.
pub(crate) const INFLATED_BYTES_MAX: usize = 2 << 20;

/// A list of statuses, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed(TokenStatusList);

impl Packed {
    pub(crate) fn new(bits: u8, entries: usize) -> Result<Self, String> {
        TokenStatusList::new(bits, entries).map(Self).map_err(|error| error.to_string())
    }

    /// The value at `index`; an index behind the end is an error, never a default.
    pub(crate) fn value(&self, index: u64) -> Result<u8, String> {
        let index = usize::try_from(index).map_err(|error| error.to_string())?;
        self.0.get(index).map(|status| status.value()).map_err(|error| error.to_string())
    }

    pub(crate) fn set(&mut self, index: u64, value: u8) -> Result<(), String> {
        let index = usize::try_from(index).map_err(|error| error.to_string())?;
        self.0.set(index, TokenStatus::from_value(value)).map_err(|error| error.to_string())
    }

    pub(crate) fn entries(&self) -> usize {
        self.0.len()
    }

    /// The `status_list` claim: `bits` and zlib in base64url.
    pub(crate) fn to_claim(&self) -> Result<Value, String> {
        let encoded = self.0.encode().map_err(|error| error.to_string())?;
        Ok(json!({ "bits": encoded.bits, "lst": encoded.lst }))
    }

    /// Reads a `status_list` claim under the inflate cap.
    pub(crate) fn from_claim(claim: &Value) -> Result<Self, String> {
        let encoded: EncodedStatusList =
            serde_json::from_value(claim.clone()).map_err(|error| error.to_string())?;
        TokenStatusList::decode_with_limit(&encoded, INFLATED_BYTES_MAX)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}
