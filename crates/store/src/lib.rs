//! What lies on disk: journal segments, epochs, salt keys, images; and the thread that writes.
//!
//! Everything goes through the [`disk::Disk`] port, so that the simulator can tear, drop, reorder
//! and fail each call. Start at [`SegmentJournal`] for the crash story, at [`spawn_book`] for the
//! writer thread, at [`fsck`] for the check that anybody may run on a copy.
#![expect(clippy::disallowed_methods, reason = "rank 5: recovery reports how many seconds it took")]

pub mod backup;
pub mod disk;
pub mod driver;
pub mod epoch_file;
#[cfg(any(test, feature = "testkit"))]
pub mod fault;
pub mod fsck;
pub mod ids;
pub mod image;
pub mod log;
pub mod objects;
pub mod postgres;
mod priority;
pub mod recovery;
pub mod salt_keys;
pub mod segment;
pub mod segment_journal;
pub mod segment_map;
pub mod times;
pub mod views;

pub use disk::{Disk, DiskFile, FileDisk};
pub use driver::{
    Answer, Asked, BookConfig, BookHandle, BookWriter, Bulk, BulkEnd, BulkPlace, Damage,
    ImagePolicy, Known, Lane, NoRecall, NoRoom, NoRows, Parts, Past, PausesSeen, QUANTUM, Recall,
    RecallError, SpawnError, Turns, spawn_book,
};
pub use fsck::{Finding, FsckReport, fsck, fsck_telling};
pub use postgres::{PostgresConfig, PostgresJournal};
pub use recovery::Recovery;
pub use salt_keys::{SaltError, SaltKeys};
pub use segment_journal::{OpenJournalError, Opening, SegmentConfig, SegmentJournal};
pub use segment_map::SegmentReader;
