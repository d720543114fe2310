//! A few pages that were read lately.

/// Checked pages in memory, each in the one slot that its number leads to.
pub(super) struct PageCache {
    slots: Vec<Option<Cached>>,
    pub(super) reads: u64,
    pub(super) hits: u64,
}

struct Cached {
    run: u64,
    page: u32,
    bytes: Vec<u8>,
}

impl PageCache {
    pub(super) fn with_room(pages: usize) -> Self {
        let slots = core::iter::repeat_with(|| None).take(pages.max(1)).collect();
        Self { slots, reads: 0, hits: 0 }
    }

    pub(super) fn page(&mut self, run: u64, page: u32) -> Option<&[u8]> {
        let slot = self.slots.get(self.slot(run, page))?.as_ref()?;
        let is_it = slot.run == run && slot.page == page;
        self.hits += u64::from(is_it);
        is_it.then_some(&slot.bytes)
    }

    /// Keeps a page whose check matched.
    pub(super) fn put(&mut self, run: u64, page: u32, bytes: Vec<u8>) -> &[u8] {
        self.reads += 1;
        let at = self.slot(run, page);
        match self.slots.get_mut(at) {
            Some(slot) => &slot.insert(Cached { run, page, bytes }).bytes,
            None => &[],
        }
    }

    fn slot(&self, run: u64, page: u32) -> usize {
        let mixed = run.wrapping_mul(0x9e37_79b9).wrapping_add(u64::from(page));
        usize::try_from(mixed % super::run::bytes_u64(self.slots.len())).unwrap_or(0)
    }
}
