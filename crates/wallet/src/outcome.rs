//! How a command ends, for people and for programs.

use serde_json::Value;

/// A rule, a check or somebody refused.
pub const EXIT_REFUSED: u8 = 1;
/// The file agrees with itself, and nobody whom the caller trusts vouches for it.
pub const EXIT_NOBODY_VOUCHES: u8 = 3;
/// Nobody here knows how it ended: ask by id, do not order again.
pub const EXIT_UNKNOWN: u8 = 4;
/// Something that was named by its digest is not there: nothing is said.
pub const EXIT_MATERIAL_MISSING: u8 = 5;

/// What every command's result can do.
pub trait CommandResult {
    /// Lines for people, without a newline at the end.
    fn text(&self) -> String;

    /// One object for programs: the `--json` form.
    fn json(&self) -> Value;

    /// The process's exit code: 0 when all is well.
    fn exit_code(&self) -> u8 {
        0
    }
}
