//! A disk in memory that fails under a seed: it tears, drops and reorders unsynced writes, fails
//! calls, forgets pages after a failed sync, and loses power at any call.
//!
//! It models a POSIX file system with a page cache. Each file has what processes *see* and what
//! lies on the *platter*; an unsynced sector reaches the platter at a crash or not, each by its
//! own throw of the dice. Names become durable in order, a crash keeps some prefix of the
//! changes. After a failed sync the pages are marked clean: what processes see stays, a random
//! part is on the platter, and no later sync writes the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};
use crate::segment::SECTOR_BYTES;

/// How often which call fails, in parts of 1000, and when the power goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Reads that fail.
    pub read_per_mille: u64,
    /// Writes that fail after a part was written.
    pub write_per_mille: u64,
    /// Syncs, of files and of the directory, that fail.
    pub sync_per_mille: u64,
    /// Files that find no room.
    pub full_per_mille: u64,
    /// The call, counted from now, at which the power goes; 0: never.
    pub crash_at_call: u64,
}

/// The disk. Clones share it.
#[derive(Clone, Debug)]
pub struct FaultDisk {
    shared: Arc<Mutex<Shared>>,
}

/// An open file of it.
#[derive(Debug)]
pub struct FaultFile {
    shared: Arc<Mutex<Shared>>,
    inode: u64,
    /// The boot it was opened in: after a crash it is dead.
    boot: u64,
}

#[derive(Debug, Default)]
struct Shared {
    dice: u64,
    faults: Faults,
    calls: u64,
    boot: u64,
    is_down: bool,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since the last sync of the directory.
    changes: Vec<Change>,
    injected: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Put(String, u64),
    Rename(String, String),
    Exchange(String, String),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    platter: Vec<u8>,
    dirty: BTreeSet<usize>,
    length_is_dirty: bool,
}

impl FaultDisk {
    /// An empty disk whose accidents follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let shared = Shared { dice: seed, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// From now on calls fail like this.
    pub fn plan(&self, faults: Faults) {
        let mut shared = self.lock();
        shared.faults = faults;
        shared.calls = 0;
    }

    /// Whether the power went.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.lock().is_down
    }

    /// How many calls failed by plan so far, crashes apart.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.lock().injected
    }

    /// Cuts the power, if it is not gone, and boots again without faults: only the platter is
    /// left, with each unsynced sector there or not.
    pub fn reboot(&self) {
        self.lock().reboot();
    }

    /// Ends the process but not the machine: what was seen stays, also what no sync will write.
    pub fn kill_process(&self) {
        let mut shared = self.lock();
        shared.boot += 1;
        shared.is_down = false;
        shared.faults = Faults::default();
    }

    /// Flips bits of one byte of a file, on the platter and in what is seen.
    pub fn damage(&self, name: &str, offset: usize, mask: u8) {
        let mut shared = self.lock();
        let Some(inode) = shared.names.get(name).copied() else { return };
        let Some(inode) = shared.inodes.get_mut(&inode) else { return };
        for bytes in [&mut inode.seen, &mut inode.platter] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= mask;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.roll() & 1 == 1
    }

    fn fails(&mut self, per_mille: u64) -> bool {
        let fails = per_mille > 0 && self.roll() % 1000 < per_mille;
        self.injected += u64::from(fails);
        fails
    }

    /// Every call begins here: the power may go instead.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.faults.crash_at_call > 0 && self.calls >= self.faults.crash_at_call {
            self.is_down = true;
        }
        if self.is_down { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn reboot(&mut self) {
        let changes = core::mem::take(&mut self.changes);
        let kept = if changes.is_empty() {
            0
        } else {
            usize::try_from(self.roll()).unwrap_or(0) % (changes.len() + 1)
        };
        let mut names = core::mem::take(&mut self.durable_names);
        changes.iter().take(kept).for_each(|change| change.apply(&mut names));
        let mut inodes = core::mem::take(&mut self.inodes);
        for inode in inodes.values_mut() {
            self.settle(inode);
            inode.seen.clone_from(&inode.platter);
        }
        inodes.retain(|number, _| names.values().any(|n| n == number));
        self.inodes = inodes;
        self.names.clone_from(&names);
        self.durable_names = names;
        self.boot += 1;
        self.is_down = false;
        self.faults = Faults::default();
    }

    /// Each dirty sector reaches the platter or not.
    fn settle(&mut self, inode: &mut Inode) {
        if core::mem::take(&mut inode.length_is_dirty) && self.coin() {
            inode.platter.resize(inode.seen.len(), 0);
        }
        for sector in core::mem::take(&mut inode.dirty) {
            if self.coin() {
                inode.put(sector);
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Put(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Exchange(one, other) => {
                if let (Some(first), Some(second)) = (names.remove(one), names.remove(other)) {
                    names.insert(one.clone(), second);
                    names.insert(other.clone(), first);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inode {
    /// One sector from what is seen to the platter, lengthening it if need be.
    fn put(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.seen.len());
        if self.platter.len() < end {
            self.platter.resize(end, 0);
        }
        let seen = self.seen.get(start..end).unwrap_or_default();
        for (to, from) in self.platter.iter_mut().skip(start).zip(seen) {
            *to = *from;
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
            self.length_is_dirty = true;
        }
        for (to, from) in self.seen.iter_mut().skip(offset).zip(bytes) {
            *to = *from;
        }
        self.dirty.extend(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
    }
}

impl Disk for FaultDisk {
    type File = FaultFile;

    fn create(&self, name: &str, bytes: u64) -> io::Result<FaultFile> {
        let mut shared = self.lock();
        shared.call()?;
        let full = shared.faults.full_per_mille;
        if shared.fails(full) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "planned"));
        }
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let number = shared.next_inode;
        shared.next_inode += 1;
        let inode = Inode { seen: vec![0; length], length_is_dirty: true, ..Inode::default() };
        shared.inodes.insert(number, inode);
        shared.names.insert(name.to_owned(), number);
        shared.changes.push(Change::Put(name.to_owned(), number));
        Ok(FaultFile { shared: Arc::clone(&self.shared), inode: number, boot: shared.boot })
    }

    fn open(&self, name: &str) -> io::Result<FaultFile> {
        let mut shared = self.lock();
        shared.call()?;
        let inode = shared.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultFile { shared: Arc::clone(&self.shared), inode, boot: shared.boot })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut shared = self.lock();
        shared.call()?;
        let change = Change::Rename(from.to_owned(), to.to_owned());
        change.apply(&mut shared.names);
        shared.changes.push(change);
        Ok(())
    }

    fn exchange(&self, one: &str, other: &str) -> io::Result<()> {
        let mut shared = self.lock();
        shared.call()?;
        if ![one, other].iter().all(|name| shared.names.contains_key(*name)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let change = Change::Exchange(one.to_owned(), other.to_owned());
        change.apply(&mut shared.names);
        shared.changes.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut shared = self.lock();
        shared.call()?;
        let change = Change::Remove(name.to_owned());
        change.apply(&mut shared.names);
        shared.changes.push(change);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut shared = self.lock();
        shared.call()?;
        let rate = shared.faults.sync_per_mille;
        if shared.fails(rate) {
            return Err(io::Error::other("planned: the directory's sync failed"));
        }
        shared.durable_names = shared.names.clone();
        shared.changes.clear();
        Ok(())
    }

    fn opener(&self, name: &str) -> crate::disk::Opener<FaultFile> {
        let (disk, name) = (self.clone(), name.to_owned());
        Box::new(move || disk.open(&name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut shared = self.lock();
        shared.call()?;
        Ok(shared.names.keys().cloned().collect())
    }
}

impl FaultFile {
    fn lock(&self) -> io::Result<MutexGuard<'_, Shared>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.call()?;
        if shared.boot == self.boot { Ok(shared) } else { Err(io::Error::other("a dead file")) }
    }
}

fn inode_of(shared: &mut Shared, number: u64) -> io::Result<&mut Inode> {
    shared.inodes.get_mut(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl DiskFile for FaultFile {
    fn read_at(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut shared = self.lock()?;
        let rate = shared.faults.read_per_mille;
        if shared.fails(rate) {
            return Err(io::Error::other("planned: a read failed"));
        }
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let inode = inode_of(&mut shared, self.inode)?;
        Ok(inode.seen.iter().skip(offset).take(most).copied().collect())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let number = self.inode;
        let mut shared = match self.lock() {
            Ok(shared) => shared,
            Err(error) => {
                // The power may go in the middle of a write: a part of it was in the cache.
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                if shared.boot == self.boot && !bytes.is_empty() {
                    let part = usize::try_from(shared.roll()).unwrap_or(0) % bytes.len();
                    let part = bytes.get(..part).unwrap_or_default();
                    inode_of(&mut shared, number)?.write(offset, part);
                }
                return Err(error);
            }
        };
        let rate = shared.faults.write_per_mille;
        let fails = shared.fails(rate);
        let part = if fails {
            usize::try_from(shared.roll()).unwrap_or(0) % (bytes.len() + 1)
        } else {
            bytes.len()
        };
        let written = bytes.get(..part).unwrap_or(bytes);
        inode_of(&mut shared, number)?.write(offset, written);
        match (fails, (1..bytes.len()).contains(&part)) {
            (false, _) => Ok(()),
            (true, false) => Err(io::Error::other("planned: a write failed")),
            (true, true) => Err(io::Error::new(io::ErrorKind::WriteZero, "planned: a short write")),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let number = self.inode;
        let mut shared = self.lock()?;
        let rate = shared.faults.sync_per_mille;
        let fails = shared.fails(rate);
        let mut inode = core::mem::take(inode_of(&mut shared, number)?);
        if fails {
            shared.settle(&mut inode);
        } else {
            inode.platter.resize(inode.seen.len(), 0);
            for sector in core::mem::take(&mut inode.dirty) {
                inode.put(sector);
            }
            inode.length_is_dirty = false;
        }
        shared.inodes.insert(number, inode);
        if fails { Err(io::Error::other("planned: a sync failed")) } else { Ok(()) }
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let number = self.inode;
        let mut shared = self.lock()?;
        let inode = inode_of(&mut shared, number)?;
        inode.seen.resize(length, 0);
        inode.length_is_dirty = true;
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        let mut shared = self.lock()?;
        let length = inode_of(&mut shared, self.inode)?.seen.len();
        u64::try_from(length).map_err(io::Error::other)
    }
}
