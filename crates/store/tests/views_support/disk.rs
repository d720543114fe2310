//! A file in memory that crashes: what was synced stays, of what was not any part may.

use std::io::{Error, Result};
use std::sync::{Arc, Mutex};

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
