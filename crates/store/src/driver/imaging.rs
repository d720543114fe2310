//! The writer's part of an image: when one begins, its steps, and handing them over.
//!
//! The working state is copied in short steps between batches and every piece goes to a thread that
//! writes it, so that an image is never in memory as a whole and the writer waits for nobody: while
//! that thread is behind, no step is taken.
//!
//! How far the newest image may be behind: it says what stood when it began, and the next one
//! begins [`ImagePolicy::every`](super::ImagePolicy::every) facts later and takes as many batches
//! as it has steps. A start therefore refolds at most that many facts, unless the disk cannot keep
//! up.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use journal::{Book, Machine, Tip};
use terms::Position;

use super::images::{Images, Piece};
use super::pauses::Pauses;

/// Pieces that may wait for the thread that writes them.
const PIECES: usize = 2;
/// How long the writer rests when that thread has no room and nothing else is to be done.
const REST: Duration = Duration::from_millis(1);

/// Takes the images of one book.
pub(super) struct Imager<M> {
    images: Images<M>,
    every: u64,
    /// Position of the newest image.
    imaged: Position,
    current: Option<Imaging>,
    pieces: Sender<Piece>,
    spare: Receiver<Vec<u8>>,
    pauses: Arc<Pauses>,
    thread: JoinHandle<()>,
}

/// An image on its way to the disk.
struct Imaging {
    /// The state is the fold of this many facts.
    position: Position,
    /// Known once that many facts are durable.
    tip: Option<Tip>,
    /// For what there was no room yet.
    piece: Option<Vec<u8>>,
    has_more: bool,
}

impl<M: Machine + 'static> Imager<M> {
    /// Starts the thread; the newest image is at `imaged`.
    pub(super) fn start(
        images: Images<M>,
        every: u64,
        imaged: Position,
        pauses: Arc<Pauses>,
    ) -> std::io::Result<Self> {
        let (pieces, taken) = bounded(PIECES);
        let (used, spare) = bounded(PIECES);
        let store = images.store.clone();
        let told = Arc::clone(&pauses);
        let thread = std::thread::Builder::new()
            .name("images".into())
            .spawn(move || store(&taken, &used, &told))?;
        Ok(Self { images, every, imaged, current: None, pieces, spare, pauses, thread })
    }

    /// Right after a batch was closed the working state is the fold of what is closed: the moment
    /// at which an image may begin.
    pub(super) fn begin(&mut self, book: &mut Book<M>) {
        let position = book.closed_next();
        let since = position.number().saturating_sub(self.imaged.number());
        if self.current.is_some() || since < (self.images.every)(book.working(), self.every) {
            return;
        }
        // While the one before is still being written, this one waits.
        if self.pieces.try_send(Piece::Begin).is_err() {
            return;
        }
        let begun = Instant::now();
        let has_more = book.image(self.images.begin);
        let piece = if has_more { None } else { Some((self.images.save)(book.working())) };
        self.pauses.stepped(begun.elapsed());
        self.current = Some(Imaging { position, tip: None, piece, has_more });
        self.hand_over();
    }

    /// One short step of the image that is under way.
    pub(super) fn step(&mut self, book: &mut Book<M>) {
        let Some(imaging) = &mut self.current else { return };
        if imaging.has_more && imaging.piece.is_none() {
            let begun = Instant::now();
            let mut piece = self.spare.try_recv().unwrap_or_default();
            piece.clear();
            let step = self.images.step;
            imaging.has_more = book.image(|state| step(state, &mut piece));
            imaging.piece = Some(piece);
            self.pauses.stepped(begun.elapsed());
        }
        self.hand_over();
    }

    /// A batch that ends at `tip` is durable.
    pub(super) fn landed(&mut self, tip: Tip) {
        if let Some(imaging) = self.current.as_mut().filter(|i| i.position == tip.next) {
            imaging.tip = Some(tip);
            self.hand_over();
        }
    }

    /// The state was lost, and the image with it.
    pub(super) fn give_up(&mut self) {
        self.current = None;
    }

    /// How long nothing need be done here.
    pub(super) fn pause(&self) -> Duration {
        match &self.current {
            None => Duration::MAX,
            Some(Imaging { piece: Some(_), .. }) => REST,
            Some(Imaging { has_more: true, .. }) => Duration::ZERO,
            Some(Imaging { tip: Some(_), .. }) => REST,
            Some(Imaging { tip: None, .. }) => Duration::MAX,
        }
    }

    /// Finishes the image that is under way, when all it says is durable.
    pub(super) fn finish(&mut self, book: &mut Book<M>) {
        while self.current.as_ref().is_some_and(|imaging| imaging.tip.is_some()) {
            self.step(book);
            if self.pause() == REST {
                std::thread::sleep(REST);
            }
        }
    }

    /// Waits until all that was handed over is written.
    pub(super) fn end(self) {
        let Self { pieces, thread, .. } = self;
        drop(pieces);
        let _ = thread.join();
    }

    /// Hands over what there is room for.
    fn hand_over(&mut self) {
        let Some(imaging) = &mut self.current else { return };
        if let Some(piece) = imaging.piece.take() {
            match self.pieces.try_send(Piece::Bytes(piece)) {
                Ok(()) => {}
                Err(TrySendError::Full(Piece::Bytes(piece))) => imaging.piece = Some(piece),
                // Its thread is gone: there are no images any more.
                Err(_) => return self.give_up(),
            }
        }
        let Imaging { tip: Some(tip), piece: None, has_more: false, .. } = imaging else { return };
        match self.pieces.try_send(Piece::End(*tip)) {
            Ok(()) => {
                self.imaged = tip.next;
                self.current = None;
            }
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => self.give_up(),
        }
    }
}
