//! A file in memory that crashes: what was synced stays, of what was not any part may.

use std::io::{Error, Result};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::ThreadId;

use super::Dice;

#[derive(Debug, Default)]
struct State {
    durable: Vec<u8>,
    now: Vec<u8>,
    unsynced: Vec<Write>,
    /// Calls until every call fails.
    calls_left: Option<u64>,
}

#[derive(Clone, Debug)]
enum Write {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

/// Shared, so that the test keeps a hand on it while the library owns a clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let state = State { durable: bytes.clone(), now: bytes, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn fail_after(&self, calls: u64) {
        self.0.lock().unwrap().calls_left = Some(calls);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().now.clone()
    }

    /// The file after a power cut: each unsynced write is there, not there, or there in part.
    pub(crate) fn after_crash(&self, dice: &mut Dice) -> Self {
        let state = self.0.lock().unwrap();
        let mut bytes = state.durable.clone();
        for write in &state.unsynced {
            match write {
                // Growing is made durable by the library before it is relied on.
                Write::Length(length) => bytes.resize(*length, 0),
                Write::Bytes(..) if dice.below(3) == 0 => {}
                Write::Bytes(offset, data) => {
                    let kept = if dice.below(4) == 0 {
                        dice.below(data.len() as u64 / 512 + 1) as usize * 512
                    } else {
                        data.len()
                    };
                    let kept = &data[..kept.min(data.len())];
                    if bytes.len() < offset + kept.len() {
                        bytes.resize(offset + kept.len(), 0);
                    }
                    bytes[*offset..offset + kept.len()].copy_from_slice(kept);
                }
            }
        }
        Self::of(bytes)
    }

    fn call(&self) -> Result<std::sync::MutexGuard<'_, State>> {
        let mut state = self.0.lock().unwrap();
        match &mut state.calls_left {
            None => {}
            Some(0) => return Err(Error::other("the disk is gone")),
            Some(left) => *left -= 1,
        }
        Ok(state)
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.call()?.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.call()?;
        let offset = offset as usize;
        let bytes = state.now.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| Error::other("beyond the end"))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut state = self.call()?;
        state.now.resize(length as usize, 0);
        state.unsynced.push(Write::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.call()?;
        state.durable = state.now.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut state = self.call()?;
        let from = offset as usize;
        state.now[from..from + data.len()].copy_from_slice(data);
        state.unsynced.push(Write::Bytes(from, data.to_vec()));
        Ok(())
    }
}

/// A file whose reads wait while its gate is closed, but for those of who closed it: a disk that is
/// slow for whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Gated {
    pub(crate) disk: Disk,
    pub(crate) gate: Arc<Gate>,
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Who closed it, and how many wait.
    state: Mutex<(Option<ThreadId>, usize)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().0 = Some(std::thread::current().id());
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = None;
        self.changed.notify_all();
    }

    /// Opens it in any case, so that a test that fails ends.
    pub(crate) fn opens_at_end(&self) -> Opens<'_> {
        Opens(self)
    }

    /// Until so many wait.
    pub(crate) fn until_waiting(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        while state.1 < count {
            let within = std::time::Duration::from_secs(20);
            let (waited, late) = self.changed.wait_timeout(state, within).unwrap();
            assert!(!late.timed_out(), "`{}` wait", waited.1);
            state = waited;
        }
    }

    fn pass(&self) {
        // The library reads the root page of a transaction when it begins: one page, which every
        // question and the feed share, and which is not what a slow question is about.
        if FIRST_READ.replace(false) {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        while state.0.is_some_and(|closer| closer != std::thread::current().id()) {
            state = self.changed.wait(state).unwrap();
        }
        state.1 -= 1;
    }
}

thread_local! {
    static FIRST_READ: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
}

/// Opens a gate when it is dropped.
pub(crate) struct Opens<'g>(&'g Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl redb::StorageBackend for Gated {
    fn len(&self) -> Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.gate.pass();
        self.disk.read(offset, out)
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.disk.set_len(length)
    }

    fn sync_data(&self) -> Result<()> {
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.disk.write(offset, data)
    }
}
