//! What a file may be at most. Each limit is checked before the memory that it bounds is taken.

/// Longest file: about ten thousand statement lines with details. A bank splits longer
/// statements into pages (`StmtPgntn`).
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Elements in one file: what a file of that size holds when it is a real statement.
pub const ELEMENTS_MAX: usize = 500_000;
/// Elements open at once. The deepest path of the messages that we read has 17.
pub const DEPTH_MAX: usize = 40;
/// Bytes of text in one element. The longest text that we take has 500 characters; supplementary
/// data of others may be longer.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Attributes of one element, namespace declarations included. ISO 20022 itself uses one.
pub const ATTRIBUTES_MAX: usize = 16;
/// Bytes of an element's or attribute's name with its prefix.
pub const NAME_BYTES_MAX: usize = 128;
/// Different namespaces in one file; an envelope with header and document has three.
pub const NAMESPACES_MAX: usize = 32;
/// Namespace declarations in scope at once.
pub const NAMESPACE_DECLARATIONS_MAX: usize = 64;
/// Digits of an amount (`totalDigits` of `ActiveCurrencyAndAmount_SimpleType`).
pub const AMOUNT_DIGITS_MAX: usize = 18;
/// Digits of an amount behind the point (`fractionDigits` of the same type).
pub const AMOUNT_FRACTION_MAX: usize = 5;
/// Characters of a value that an error repeats.
pub const SHOWN_MAX: usize = 64;
/// Different paths that [`crate::Ignored`] lists; above it only the count goes on.
pub const IGNORED_PATHS_MAX: usize = 1_000;
