//! Whether, when and how the state is saved.

use std::sync::Arc;

use journal::{Image, Start, Tip};
use terms::BookName;

use crate::disk::Disk;
use crate::image::{load_image, save_image};

/// Whether and how often the state is saved. Images bound the time of a restart and nothing
/// else: a bad one is ignored.
pub struct ImagePolicy<M> {
    pub(super) images: Option<Images<M>>,
    pub(super) every: u64,
}

#[expect(clippy::type_complexity, reason = "a name for each would only be looked up")]
pub(super) struct Images<M> {
    pub(super) load: Arc<dyn Fn() -> Result<Option<Start<M>>, String> + Send + Sync>,
    pub(super) store: Arc<dyn Fn(&[u8], Tip) -> Result<(), String> + Send + Sync>,
    pub(super) save: fn(&M) -> Vec<u8>,
    pub(super) begin: fn(&mut M) -> bool,
    pub(super) step: fn(&mut M) -> Option<Vec<u8>>,
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

    /// An image on `disk` after every so many facts.
    #[must_use]
    pub fn every<D: Disk + Sync + 'static>(facts: u64, disk: D, book: BookName) -> Self
    where
        M: Image + 'static,
    {
        let disk = Arc::new(disk);
        let load_disk = Arc::clone(&disk);
        let images = Images {
            load: Arc::new(move || load_image(&*load_disk, &book)),
            store: Arc::new(move |state: &[u8], tip| save_image(&*disk, &book, state, &tip)),
            save: M::save,
            begin: M::begin_image,
            step: M::image_step,
        };
        Self { images: Some(images), every: facts.max(1) }
    }
}
