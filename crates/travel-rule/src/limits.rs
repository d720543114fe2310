//! What a payload may be at most. Each limit is checked before the memory that it bounds is taken.

/// Longest payload in bytes. A company's payment takes one kilobyte; the fullest payload that the
/// cardinalities below allow, with names in three scripts, takes less than this.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Objects and lists open at once. The deepest path of the model (an address line of an
/// intermediary) has nine.
pub const DEPTH_MAX: usize = 12;
/// Values in one payload: texts, numbers, objects and lists together. A full one has some hundreds.
pub const VALUES_MAX: usize = 4_000;
/// Persons of one side: a joint account of ten.
pub const PERSONS_MAX: usize = 10;
/// Account numbers of one side.
pub const ACCOUNTS_MAX: usize = 20;
/// Names of one kind of one person: each type code once, with room.
pub const NAMES_MAX: usize = 5;
/// Addresses of one person.
pub const ADDRESSES_MAX: usize = 5;
/// Lines of an address (`addressLine`, zero to seven by the standard).
pub const ADDRESS_LINES_MAX: usize = 7;
/// Intermediaries of one transfer.
pub const INTERMEDIARIES_MAX: usize = 5;
/// Ways of transliteration that one payload names: each code once.
pub const TRANSLITERATIONS_MAX: usize = 13;
/// Characters of a value that an error repeats.
pub const SHOWN_MAX: usize = 64;
