//! The transparency log and everything that is proved with it, for the one who makes a proof and
//! the one who checks it.
//!
//! Builds alone with `terms`, `seal` and `record`: it is what a supervisor compiles to check us.
//! No clock, no files, no network: moments, bytes and a store of tiles are arguments.
//!
//! | module | what | written down in |
//! |---|---|---|
//! | [`tree`] | hashes, roots, inclusion and consistency proofs | RFC 6962 section 2.1, RFC 9162 |
//! | [`subtree`] | proofs about a part of a tree | draft-ietf-plants-merkle-tree-certs section 4 |
//! | [`tile`], [`log`] | the tree as static files, and what writes them | C2SP tlog-tiles |
//! | [`edge`] | the growing end of the tree, for many entries at once | C2SP tlog-tiles |
//! | [`note`] | signed text and its keys | C2SP signed-note |
//! | [`checkpoint`] | origin, size and root as a note | C2SP tlog-checkpoint |
//! | [`cosignature`] | a witness's signature with its time | C2SP tlog-cosignature |
//! | [`exchange`], [`witness`] | how a witness is asked, and the witness | C2SP tlog-witness |
//! | [`quorum`] | whose cosignatures are enough | C2SP tlog-policy |
//! | [`proof`] | inclusion proof and checkpoint in one text | C2SP tlog-proof |
//! | [`fork`] | does a newer checkpoint extend an older one | RFC 6962 section 2.1.2 |
//! | [`receipt`], [`whole`] | our files: opened fields of one fact, or all of it, and its proof | `docs/formats/receipt.md` |
//!
//! Start at [`receipt::verify`].

pub mod checkpoint;
pub mod cosignature;
pub mod edge;
pub mod exchange;
pub mod fork;
pub mod log;
pub mod note;
pub mod proof;
pub mod quorum;
pub mod receipt;
pub mod subtree;
pub mod tile;
pub mod tree;
pub mod whole;
pub mod witness;

mod line;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use edge::TileEdge;
pub use log::{Log, LogError};
pub use note::{KeyName, Note, NoteSigner, SignatureLine, SignatureType, VerifierKey};
pub use proof::{Cosigned, TlogProof};
pub use quorum::{Policy, Quorum, Trust, Witnessing};
pub use receipt::{Check, Inspected, Receipt, Refused, Verified};
pub use tile::{MemoryStore, Tile, TileStore};
pub use tree::{CompactRange, HashReader};
pub use whole::WholeReceipt;
pub use witness::{Decision, Witness, WitnessState};
