//! What a stand-alone ledger proves, over the real binary: its log served and signed, receipts
//! that a stranger checks, older copies refused, archives, TLS, API keys.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise, and watches a clock while it waits"
)]
#![cfg(unix)]

#[path = "ledger_proofs/archives.rs"]
mod archives;
#[path = "ledger_proofs/backups.rs"]
mod backups;
#[path = "ledger_proofs/book.rs"]
mod book;
#[path = "ledger_proofs/damage.rs"]
mod damage;
#[path = "ledger_proofs/doors.rs"]
mod doors;
#[path = "ledger_proofs/exports.rs"]
mod exports;
#[path = "ledger_proofs/forge.rs"]
mod forge;
#[path = "ledger_proofs/full_disk.rs"]
mod full_disk;
#[path = "ledger_proofs/older_copies.rs"]
mod older_copies;
#[path = "ledger_proofs/progress.rs"]
mod progress;
#[path = "ledger_proofs/receipts.rs"]
mod receipts;
#[path = "ledger_proofs/restored.rs"]
mod restored;
mod support;
