//! Salt keys: durable before use, never handed out twice, erasable one by one.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::io;

use journal::Salts;
use record::{Fact, FactKind, SaltSlot};
use store::fault::{FaultDisk, Faults};
use store::{SaltError, SaltKeys};
use support::Dice;
use terms::Position;

fn entropy(seed: u64) -> impl FnMut() -> io::Result<[u8; 32]> + Send + 'static {
    let mut dice = Dice(seed);
    move || {
        let mut bytes = [0; 32];
        bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|c| *c = dice.roll().to_be_bytes());
        Ok(bytes)
    }
}

fn open(disk: &FaultDisk, seed: u64) -> Result<SaltKeys<FaultDisk>, SaltError> {
    SaltKeys::open(disk, 8, entropy(seed))
}

/// What a fact commits to under a slot: equal exactly when the root is.
fn mark(keys: &SaltKeys<FaultDisk>, position: u64, slot: SaltSlot) -> Option<String> {
    let fact = Fact::plain(FactKind { number: 1, version: 1 }, slot, vec![]);
    let root = keys.root(Position::new(position), slot)?;
    Some(fact.commitment(&root).0.to_string())
}

#[test]
fn roots_differ_by_slot_and_position_and_survive_a_restart() {
    let disk = FaultDisk::new(1);
    let keys = open(&disk, 1).unwrap();
    let slots: Vec<SaltSlot> = (0..20).map(|_| keys.take_slot().unwrap()).collect();
    let marks: Vec<_> = slots.iter().map(|s| mark(&keys, 7, *s).unwrap()).collect();
    assert_eq!(marks.iter().collect::<BTreeSet<_>>().len(), 20);
    assert_ne!(mark(&keys, 8, slots[0]), mark(&keys, 7, slots[0]));
    assert_eq!(mark(&keys, 7, SaltSlot(24)), None, "never filled");
    disk.reboot();
    let keys = open(&disk, 2).unwrap();
    let again: Vec<_> = slots.iter().map(|s| mark(&keys, 7, *s).unwrap()).collect();
    assert_eq!(marks, again);
    assert!(!slots.contains(&keys.take_slot().unwrap()));
}

#[test]
fn a_slots_stream_is_the_same_after_a_restart_and_gone_when_it_is_erased() {
    let disk = FaultDisk::new(1);
    let keys = open(&disk, 1).unwrap();
    let (one, two) = (keys.take_slot().unwrap(), keys.take_slot().unwrap());
    let salt = |keys: &SaltKeys<FaultDisk>, slot| Some(keys.stream(slot)?.at(Position::new(7)));
    let before = salt(&keys, one).unwrap();
    assert_ne!(salt(&keys, two), Some(before));
    disk.reboot();
    let keys = open(&disk, 2).unwrap();
    assert_eq!(salt(&keys, one), Some(before));
    keys.erase(one).unwrap();
    assert_eq!(salt(&keys, one), None);
    assert_eq!(salt(&keys, SaltSlot(99)), None, "never filled");
}

#[test]
fn an_erased_slot_holds_no_key_and_others_stay() {
    let disk = FaultDisk::new(1);
    let keys = open(&disk, 1).unwrap();
    let (one, two) = (keys.take_slot().unwrap(), keys.take_slot().unwrap());
    keys.erase(one).unwrap();
    assert_eq!(mark(&keys, 0, one), None);
    assert!(mark(&keys, 0, two).is_some());
    assert!(matches!(keys.erase(SaltSlot(99)), Err(SaltError::NoSuchSlot(99))));
    disk.reboot();
    let keys = open(&disk, 2).unwrap();
    assert_eq!(mark(&keys, 0, one), None);
    assert!(mark(&keys, 0, two).is_some());
}

#[test]
fn a_disk_that_was_full_for_a_while_gives_slots_again() {
    let disk = FaultDisk::new(1);
    let keys = open(&disk, 1).unwrap();
    let before: Vec<_> = (0..4).map(|_| keys.take_slot().unwrap()).collect();
    for faults in [
        Faults { write_per_mille: 1_000, ..Faults::default() },
        Faults { sync_per_mille: 1_000, ..Faults::default() },
    ] {
        disk.plan(faults);
        let refused = std::iter::repeat_with(|| keys.take_slot()).take(1_000).find(Result::is_err);
        assert!(refused.is_some(), "the pool ends");
        assert!(keys.take_slot().is_err(), "and stays ended while the disk fails");
        disk.plan(Faults::default());
        let slot = keys.take_slot().unwrap();
        assert!(!before.contains(&slot));
        assert!(mark(&keys, 0, slot).is_some());
    }
    let after: Vec<_> = (0..600).map(|_| keys.take_slot().unwrap()).collect();
    let marks: Vec<_> = after.iter().map(|slot| mark(&keys, 0, *slot).unwrap()).collect();
    disk.reboot();
    let again = open(&disk, 2).unwrap();
    for (slot, before) in after.iter().zip(marks) {
        assert_eq!(mark(&again, 0, *slot), Some(before), "{slot:?} is durable");
    }
}

#[test]
fn a_damaged_key_is_no_key() {
    let disk = FaultDisk::new(1);
    let keys = open(&disk, 1).unwrap();
    let slot = keys.take_slot().unwrap();
    for offset in 0..64 {
        disk.damage("salt.keys", offset, 1);
        assert_eq!(mark(&keys, 0, slot), None, "byte {offset}");
        disk.damage("salt.keys", offset, 1);
    }
    assert!(mark(&keys, 0, slot).is_some());
}

#[test]
fn every_slot_handed_out_keeps_its_key_over_crashes_and_is_handed_out_once() {
    let mut crashes = 0_u64;
    for seed in 0..500 {
        let (disk, mut dice) = (FaultDisk::new(seed), Dice(seed));
        let mut taken = std::collections::BTreeMap::new();
        for life in 0..4 {
            let crash_at_call = 1 + dice.below(30);
            disk.plan(Faults {
                sync_per_mille: dice.below(100),
                crash_at_call,
                ..Faults::default()
            });
            if let Ok(keys) = open(&disk, seed * 10 + life) {
                for _ in 0..dice.below(40) {
                    let Ok(slot) = keys.take_slot() else { break };
                    if let Some(mark) = mark(&keys, 3, slot) {
                        assert_eq!(taken.insert(slot, mark), None, "seed {seed}: {slot:?} twice");
                    }
                }
            }
            crashes += u64::from(disk.is_down());
            disk.reboot();
        }
        let keys = open(&disk, 1).unwrap();
        for (slot, before) in taken {
            assert_eq!(mark(&keys, 3, slot), Some(before), "seed {seed}: {slot:?}");
        }
    }
    assert!(crashes > 300, "{crashes}");
}
