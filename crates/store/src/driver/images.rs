//! Whether, when and how the state is saved.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use journal::{Image, Start, Tip};
use terms::BookName;

use super::pauses::Pauses;
use crate::disk::Disk;
use crate::image::{ImageWriter, discard_unfinished, load_image_beside};
use crate::priority;

/// The thread that writes images stands back so far: hashing one takes a tenth of a second of
/// processor time at a million accounts, and nobody waits for it.
const NICE: i32 = 5;

/// Whether and how often the state is saved. Images bound the time of a restart and nothing
/// else: a bad one is ignored.
pub struct ImagePolicy<M> {
    pub(super) images: Option<Images<M>>,
    pub(super) every: u64,
}

#[expect(clippy::type_complexity, reason = "a name for each would only be looked up")]
pub(super) struct Images<M> {
    pub(super) load: Arc<dyn Fn(&M) -> Result<Option<Start<M>>, String> + Send + Sync>,
    /// Writes what comes, on a thread of its own, until nobody sends any more.
    pub(super) store: Arc<dyn Fn(&Receiver<Piece>, &Sender<Vec<u8>>, &Pauses) + Send + Sync>,
    pub(super) save: fn(&M) -> Vec<u8>,
    pub(super) begin: fn(&mut M) -> bool,
    pub(super) step: fn(&mut M, &mut Vec<u8>) -> bool,
    pub(super) every: fn(&M, u64) -> u64,
}

/// What the thread that writes images is told.
pub(super) enum Piece {
    /// A new image. One that was not finished is given up.
    Begin,
    /// Its next bytes.
    Bytes(Vec<u8>),
    /// It is the state here, which is durable.
    End(Tip),
}

impl<M> Clone for Images<M> {
    fn clone(&self) -> Self {
        Self { load: Arc::clone(&self.load), store: Arc::clone(&self.store), ..*self }
    }
}

impl<M> std::fmt::Debug for ImagePolicy<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImagePolicy").field("every", &self.every).finish_non_exhaustive()
    }
}

impl<M> ImagePolicy<M> {
    /// No images: every opening refolds from genesis.
    #[must_use]
    pub const fn none() -> Self {
        Self { images: None, every: u64::MAX }
    }

    /// An image on `disk` after every so many facts, or as many more as the machine asks for.
    #[must_use]
    pub fn every<D: Disk + Sync + 'static>(facts: u64, disk: D, book: BookName) -> Self
    where
        M: Image + 'static,
    {
        let disk = Arc::new(disk);
        let load_disk = Arc::clone(&disk);
        let store = move |pieces: &Receiver<Piece>, spare: &Sender<Vec<u8>>, pauses: &Pauses| {
            priority::lower(NICE);
            write_all(&*disk, &book, (pieces, spare), pauses);
        };
        let images = Images {
            load: Arc::new(move |genesis| load_image_beside(&*load_disk, &book, genesis)),
            store: Arc::new(store),
            save: M::save,
            begin: M::begin_image,
            step: M::image_step,
            every: M::facts_between_images,
        };
        Self { images: Some(images), every: facts.max(1) }
    }

    /// The same, but the first opening begins with a state that is at hand: one that followed the
    /// journal while another wrote it. Should it not be of this journal, it is refolded.
    #[must_use]
    pub fn beginning_with(mut self, start: Start<M>) -> Self
    where
        M: Send + 'static,
    {
        if let Some(images) = &mut self.images {
            let at_hand = Mutex::new(Some(start));
            let load = Arc::clone(&images.load);
            images.load = Arc::new(move |genesis| {
                let first = at_hand.lock().unwrap_or_else(PoisonError::into_inner).take();
                first.map_or_else(|| load(genesis), |start| Ok(Some(start)))
            });
        }
        self
    }
}

/// Writes images from their pieces; gives the room of each back.
///
/// One that cannot be written costs time at the next opening and nothing else; the next try comes
/// with the next image.
fn write_all<D: Disk>(
    disk: &D,
    book: &BookName,
    (pieces, spare): (&Receiver<Piece>, &Sender<Vec<u8>>),
    pauses: &Pauses,
) {
    let mut writer: Option<ImageWriter<'_, D>> = None;
    for piece in pieces {
        match piece {
            Piece::Begin => {
                pauses.begun();
                writer = ImageWriter::begin(disk, book).ok();
            }
            Piece::Bytes(bytes) => {
                if writer.as_mut().is_some_and(|writer| writer.write(&bytes).is_err()) {
                    writer = None;
                    // After a failed write or sync nobody knows what the file holds.
                    discard_unfinished(disk);
                }
                let _ = spare.try_send(bytes);
            }
            Piece::End(tip) => {
                let finished = writer.take().map(|writer| writer.finish(&tip));
                if matches!(finished, Some(Err(_))) {
                    discard_unfinished(disk);
                }
                pauses.ended(matches!(finished, Some(Ok(()))));
            }
        }
    }
}
