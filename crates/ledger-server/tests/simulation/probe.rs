//! Disks that lose power together at any call of any of them, and note which fault hit which call.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use store::disk::TEMPORARY_SUFFIX;
use store::fault::{FaultDisk, FaultFile, Faults};
use store::image::IMAGE_NAME;
use store::segment::segment_name;
use store::{Disk, DiskFile};
use terms::Position;

use crate::Dice;

/// Which folder of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Journal,
    Ids,
    Images,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Create,
    Open,
    Rename,
    Exchange,
    Remove,
    SyncDirectory,
    List,
    Read,
    Write,
    Sync,
    Truncate,
    Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The device failed; of a write all or nothing was done, of a sync a part is on the platter.
    Failed,
    /// Of a write a part was done, then the device failed.
    Short,
    /// The disk takes no writes: nothing was done.
    ReadOnly,
    /// No room; of a write nothing was done.
    Full,
    /// The power went.
    Crash,
}

/// Fault by call by folder: how often.
pub type Table = BTreeMap<(Part, Call, Fault), u64>;

/// How rough it is, in parts of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rough {
    pub reads: u64,
    pub writes: u64,
    pub syncs: u64,
    pub full: u64,
    pub names: u64,
    pub read_only: u64,
}

#[derive(Debug)]
struct Meter {
    calls: u64,
    crash_at: u64,
    dice: Dice,
    rough: Rough,
    table: Table,
}

/// Longer than the images of these worlds.
const LONGER_IMAGE: usize = 1 << 18;

/// The three folders of a book.
#[derive(Clone, Debug)]
pub struct Disks {
    meter: Arc<Mutex<Meter>>,
    all: [FaultDisk; 3],
}

impl Disks {
    pub fn new(seed: u64) -> Self {
        let meter = Meter {
            calls: 0,
            crash_at: 0,
            dice: Dice(seed),
            rough: Rough::default(),
            table: Table::new(),
        };
        let all = [1, 2, 3].map(|n: u64| FaultDisk::new(seed.wrapping_mul(31).wrapping_add(n)));
        Self { meter: Arc::new(Mutex::new(meter)), all }
    }

    pub fn part(&self, part: Part) -> Probe {
        Probe { part, disks: self.clone() }
    }

    /// From now on calls fail like this, and the power goes at that call (0: never).
    pub fn plan(&self, rough: Rough, crash_at: u64) {
        let mut meter = self.meter();
        (meter.rough, meter.calls, meter.crash_at) = (rough, 0, crash_at);
        let faults = Faults {
            read_per_mille: rough.reads,
            write_per_mille: rough.writes,
            sync_per_mille: rough.syncs,
            full_per_mille: rough.full,
            crash_at_call: 0,
        };
        self.all.iter().for_each(|disk| disk.plan(faults));
    }

    /// What an image that was longer, and a segment, leave behind that were never finished.
    pub fn leave_unfinished(&self) {
        let segment = segment_name(Position::ZERO);
        for (part, name) in [(Part::Images, IMAGE_NAME), (Part::Journal, &segment)] {
            let disk = self.part(part);
            let mut file = disk.create(&format!("{name}{TEMPORARY_SUFFIX}"), 0).unwrap();
            file.write_at(0, &[0x5a; LONGER_IMAGE]).unwrap();
            file.sync().unwrap();
            disk.sync_directory().unwrap();
        }
    }

    pub fn is_down(&self) -> bool {
        self.all[0].is_down()
    }

    pub fn reboot(&self) {
        self.all.iter().for_each(FaultDisk::reboot);
        self.plan(Rough::default(), 0);
    }

    pub fn kill_process(&self) {
        self.all.iter().for_each(FaultDisk::kill_process);
        self.plan(Rough::default(), 0);
    }

    pub fn table(&self) -> Table {
        self.meter().table.clone()
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap()
    }
}

/// One folder.
#[derive(Clone, Debug)]
pub struct Probe {
    part: Part,
    disks: Disks,
}

/// An open file of it.
#[derive(Debug)]
pub struct ProbeFile {
    probe: Probe,
    file: FaultFile,
}

impl Probe {
    fn disk(&self) -> &FaultDisk {
        &self.disks.all[self.part as usize]
    }

    fn call<T>(&self, call: Call, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let (crashes, refused) = self.before(call);
        if crashes {
            let crash = Faults { crash_at_call: 1, ..Faults::default() };
            self.disks.all.iter().for_each(|disk| disk.plan(crash));
        }
        let ended = match refused {
            Some(error) if !crashes => Err(error),
            _ => run(),
        };
        if crashes {
            // The others learn of it at once: no call of theirs succeeds any more.
            self.disks.all.iter().for_each(|disk| drop(disk.list()));
        }
        if let Err(error) = &ended {
            let fault = match error.kind() {
                _ if crashes => Some(Fault::Crash),
                _ if self.disks.is_down() => None,
                io::ErrorKind::NotFound => None,
                io::ErrorKind::StorageFull => Some(Fault::Full),
                io::ErrorKind::ReadOnlyFilesystem => Some(Fault::ReadOnly),
                io::ErrorKind::WriteZero => Some(Fault::Short),
                _ => Some(Fault::Failed),
            };
            if let Some(fault) = fault {
                *self.disks.meter().table.entry((self.part, call, fault)).or_default() += 1;
            }
        }
        ended
    }

    fn before(&self, call: Call) -> (bool, Option<io::Error>) {
        let mut meter = self.disks.meter();
        meter.calls += 1;
        let crashes = meter.crash_at > 0 && meter.calls == meter.crash_at;
        let Rough { full, names, read_only, .. } = meter.rough;
        // An image is written seldom, by a few calls.
        let times = if self.part == Part::Images { 5 } else { 1 };
        let [full, names, read_only] = [full, names, read_only].map(|rate| rate * times);
        let mut throw = |rate: u64| rate > 0 && meter.dice.below(1000) < rate;
        let refused = match call {
            Call::Write if throw(full) => Some(io::ErrorKind::StorageFull.into()),
            Call::Create
            | Call::Rename
            | Call::Exchange
            | Call::Remove
            | Call::Write
            | Call::Truncate
                if throw(read_only) =>
            {
                Some(io::ErrorKind::ReadOnlyFilesystem.into())
            }
            Call::Create
            | Call::Open
            | Call::Rename
            | Call::Exchange
            | Call::Remove
            | Call::List
            | Call::Write
            | Call::Truncate
            | Call::Bytes
                if throw(names) =>
            {
                Some(io::Error::other("planned: the call failed"))
            }
            _ => None,
        };
        (crashes, refused)
    }
}

impl Disk for Probe {
    type File = ProbeFile;

    fn create(&self, name: &str, bytes: u64) -> io::Result<ProbeFile> {
        let file = self.call(Call::Create, || self.disk().create(name, bytes))?;
        Ok(ProbeFile { probe: self.clone(), file })
    }

    fn open(&self, name: &str) -> io::Result<ProbeFile> {
        let file = self.call(Call::Open, || self.disk().open(name))?;
        Ok(ProbeFile { probe: self.clone(), file })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(Call::Rename, || self.disk().rename(from, to))
    }

    fn exchange(&self, one: &str, other: &str) -> io::Result<()> {
        self.call(Call::Exchange, || self.disk().exchange(one, other))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(Call::Remove, || self.disk().remove(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.call(Call::SyncDirectory, || self.disk().sync_directory())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.call(Call::List, || self.disk().list())
    }
}

impl DiskFile for ProbeFile {
    fn read_at(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        self.probe.call(Call::Read, || self.file.read_at(offset, most))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Self { probe, file } = self;
        probe.call(Call::Write, || file.write_at(offset, bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self { probe, file } = self;
        probe.call(Call::Sync, || file.sync())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let Self { probe, file } = self;
        probe.call(Call::Truncate, || file.truncate(bytes))
    }

    fn bytes(&self) -> io::Result<u64> {
        self.probe.call(Call::Bytes, || self.file.bytes())
    }
}
