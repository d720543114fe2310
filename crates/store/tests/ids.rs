//! The index of ids against a map, over a disk that fails, tears and loses power.
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

use std::collections::BTreeMap;

use proptest::prelude::*;
use store::fault::{FaultDisk, Faults};
use store::ids::{IdKey, Ids, IdsConfig, IdsError, IdsLimits, IdsSeed, Positions, check, erase};
use store::{Disk, FileDisk};
use support::Dice;
use terms::Position;

const LIMITS: IdsLimits = IdsLimits {
    recent_max: 40,
    frozen_max: 2,
    merge_runs: 3,
    tier_max: 2,
    slice_entries: 30,
    cached_pages: 64,
};

fn config(limits: IdsLimits) -> IdsConfig {
    IdsConfig { book: "ledger".parse().unwrap(), seed: IdsSeed::new([7; 16]), limits }
}

fn insert<D: Disk>(ids: &mut Ids<D>, key: &IdKey, position: Position) {
    let key = ids.hasher().hashed(key);
    ids.insert(&key, position);
}

fn lookup<D: Disk>(ids: &Ids<D>, key: &IdKey) -> Result<Positions, IdsError> {
    let key = ids.hasher().hashed(key);
    ids.warm(core::slice::from_ref(&key));
    ids.lookup(&key)
}

/// The journal as the caller of the index knows it, and what the index must answer.
struct World {
    disk: FaultDisk,
    ids: Option<Ids<FaultDisk>>,
    facts: Vec<(u64, Vec<IdKey>)>,
    next: u64,
    durable: u64,
    model: BTreeMap<IdKey, Vec<Position>>,
    dice: Dice,
    limits: IdsLimits,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Timed,
    Random,
    Known,
    Clustered,
}

impl World {
    fn new(seed: u64, limits: IdsLimits) -> Self {
        let mut world = Self {
            disk: FaultDisk::new(seed),
            ids: None,
            facts: Vec::new(),
            next: 0,
            durable: 0,
            model: BTreeMap::new(),
            dice: Dice(seed),
            limits,
        };
        world.open().unwrap();
        world
    }

    fn ids(&mut self) -> &mut Ids<FaultDisk> {
        self.ids.as_mut().unwrap()
    }

    /// Opens and feeds again from the position that the index names.
    fn open(&mut self) -> Result<(), IdsError> {
        self.ids = None;
        let (mut ids, covered) = Ids::open_inline(self.disk.clone(), &config(self.limits))?;
        assert!(covered.number() <= self.durable, "only durable facts are sealed");
        // A few facts too many do no harm.
        let from = covered.number().saturating_sub(self.dice.below(3));
        for (position, keys) in self.facts.iter().filter(|(position, _)| *position >= from) {
            keys.iter().for_each(|key| insert(&mut ids, key, Position::new(*position)));
        }
        self.ids = Some(ids);
        Ok(())
    }

    fn key(&mut self, kind: Kind) -> IdKey {
        let dice = &mut self.dice;
        let mut id = [0; 16];
        let tail = (dice.below(3) as u32 + 1).to_be_bytes();
        match kind {
            Kind::Timed => {
                id[..6].copy_from_slice(&(self.next / 3).to_be_bytes()[2..]);
                id[8..].copy_from_slice(&dice.roll().to_be_bytes());
            }
            Kind::Random => {
                id[..8].copy_from_slice(&dice.roll().to_be_bytes());
                id[8..].copy_from_slice(&dice.roll().to_be_bytes());
            }
            Kind::Known if !self.model.is_empty() => {
                let at = dice.below(self.model.len() as u64) as usize;
                return *self.model.keys().nth(at).unwrap();
            }
            Kind::Known | Kind::Clustered => id[15] = dice.below(40) as u8,
        }
        IdKey::of(id, tail)
    }

    fn add(&mut self, kind: Kind) {
        // Some facts have no key, some several.
        self.next += self.dice.below(2);
        let keys: Vec<IdKey> = (0..1 + self.dice.below(3) / 2).map(|_| self.key(kind)).collect();
        let position = Position::new(self.next);
        for key in &keys {
            insert(self.ids(), key, position);
            self.model.entry(*key).or_default().push(position);
        }
        self.facts.push((self.next, keys));
        self.next += 1;
    }

    fn durable(&mut self, lag: u64) -> Result<(), IdsError> {
        self.durable = self.durable.max(self.next.saturating_sub(lag));
        let durable = Position::new(self.durable);
        self.ids().durable(durable)
    }

    /// What is not durable is lost.
    fn lose_what_is_not_durable(&mut self) {
        let durable = self.durable;
        self.facts.retain(|(position, _)| *position < durable);
        for positions in self.model.values_mut() {
            positions.retain(|position| position.number() < durable);
        }
        self.model.retain(|_, positions| !positions.is_empty());
        self.next = durable;
    }

    fn check_all(&mut self) {
        let ids = self.ids.as_ref().unwrap();
        for (key, positions) in &self.model {
            assert_eq!(lookup(ids, key).unwrap().to_vec(), *positions);
            let mut other = *key.as_bytes();
            other[19] ^= 0x80;
            assert!(lookup(ids, &IdKey::new(other)).unwrap().is_empty());
        }
        assert!(ids.covered().number() <= self.durable);
        let unsealed: Vec<(IdKey, Position)> = ids.unsealed().collect();
        let covered = ids.covered().number();
        let facts = self.facts.iter().filter(|(position, _)| *position >= covered);
        let expected: Vec<(IdKey, Position)> =
            facts.flat_map(|(at, keys)| keys.iter().map(|k| (*k, Position::new(*at)))).collect();
        assert_eq!(unsealed, expected);
    }

    /// What a random key's lookup says while the disk fails: the truth, or that it failed.
    fn check_some(&mut self, answers: u64) -> u64 {
        let mut failures = 0;
        for _ in 0..answers {
            let key = self.key(Kind::Known);
            let expected = self.model.get(&key).cloned().unwrap_or_default();
            match lookup(self.ids(), &key) {
                Ok(found) => assert_eq!(found.to_vec(), expected),
                Err(IdsError::Failed { .. }) => failures += 1,
                Err(error) => panic!("{error}"),
            }
        }
        failures
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Kind, u64),
    Durable(u64),
    Restart,
    PowerLoss,
    Forget(u64),
    Drain,
    Settle,
    Check,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(Kind::Timed),
        2 => Just(Kind::Random),
        2 => Just(Kind::Known),
        1 => Just(Kind::Clustered),
    ];
    prop_oneof![
        8 => (kind, 1_u64..60).prop_map(|(kind, count)| Step::Add(kind, count)),
        8 => (0_u64..30).prop_map(Step::Durable),
        1 => Just(Step::Restart),
        1 => Just(Step::PowerLoss),
        1 => (0_u64..50).prop_map(Step::Forget),
        1 => Just(Step::Drain),
        1 => Just(Step::Settle),
        2 => Just(Step::Check),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn the_index_answers_as_a_map_does(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(seed, IdsLimits { cached_pages: 2, ..LIMITS });
        for step in steps {
            match step {
                Step::Add(kind, count) => (0..count).for_each(|_| world.add(kind)),
                Step::Durable(lag) => world.durable(lag).unwrap(),
                Step::Restart => {
                    world.ids.take().unwrap().close().unwrap();
                    world.open().unwrap();
                }
                Step::PowerLoss => {
                    world.lose_what_is_not_durable();
                    world.disk.reboot();
                    world.open().unwrap();
                }
                Step::Forget(count) => {
                    let from = world.durable.max(world.next.saturating_sub(count));
                    world.ids().forget_from(Position::new(from));
                    let durable = core::mem::replace(&mut world.durable, from);
                    world.lose_what_is_not_durable();
                    world.durable = durable;
                }
                Step::Drain => world.ids().drain().unwrap(),
                Step::Settle => world.ids().settle().unwrap(),
                Step::Check => world.check_all(),
            }
        }
        world.check_all();
        world.ids().settle().unwrap();
        world.check_all();
        let runs = world.ids().stats().runs;
        prop_assert!(runs < 3 + 3 + 3, "{} runs", runs);
        check(&world.disk, &config(LIMITS).book).unwrap();
    }
}

/// A history with some seals and merges; stops at the first error.
fn history(world: &mut World) -> Result<(), IdsError> {
    for round in 0..20 {
        for _ in 0..24 {
            let kind = [Kind::Timed, Kind::Random, Kind::Known][world.dice.below(3) as usize];
            world.add(kind);
        }
        world.durable(5)?;
        if round % 7 == 6 {
            world.ids().drain()?;
        }
    }
    world.ids().settle()
}

/// How many calls of the disk a history makes.
fn calls_of(seed: u64) -> u64 {
    let (mut low, mut high) = (1, 100_000);
    while low < high {
        let middle = (low + high) / 2;
        let mut world = World::new(seed, LIMITS);
        world.disk.plan(Faults { crash_at_call: middle, ..Faults::default() });
        let _ = history(&mut world);
        if world.disk.is_down() { low = middle + 1 } else { high = middle }
    }
    low - 1
}

#[test]
fn after_a_power_loss_at_any_call_every_durable_key_is_found() {
    let mut points = 0;
    for seed in 0..4 {
        let calls = calls_of(seed);
        assert!(calls > 200, "seals and merges are in the history: {calls} calls");
        for call in 1..=calls {
            let mut world = World::new(seed, LIMITS);
            world.disk.plan(Faults { crash_at_call: call, ..Faults::default() });
            let _ = history(&mut world);
            assert!(world.disk.is_down());
            world.lose_what_is_not_durable();
            world.disk.reboot();
            // It may go again while opening.
            let again = 1 + world.dice.below(30);
            world.disk.plan(Faults { crash_at_call: again, ..Faults::default() });
            if world.open().is_err() {
                assert!(world.disk.is_down());
            }
            world.disk.reboot();
            world.open().unwrap();
            world.check_all();
            if call % 16 == 0 {
                history(&mut world).unwrap();
                world.check_all();
                let counted = check(&world.disk, &config(LIMITS).book).unwrap();
                assert_eq!(counted, world.ids().stats().run_entries);
            }
            points += 1;
        }
    }
    println!("{points} crash points");
}

#[test]
fn each_fault_at_each_call_is_survived_and_forgotten() {
    let none = Faults::default();
    let table = [
        ("read", Faults { read_per_mille: 300, ..none }),
        ("write", Faults { write_per_mille: 300, ..none }),
        ("sync", Faults { sync_per_mille: 200, ..none }),
        ("full", Faults { full_per_mille: 300, ..none }),
        (
            "all",
            Faults {
                read_per_mille: 100,
                write_per_mille: 100,
                sync_per_mille: 100,
                full_per_mille: 100,
                crash_at_call: 0,
            },
        ),
    ];
    for (name, faults) in table {
        let mut injected = 0;
        for seed in 0..12 {
            let mut world = World::new(seed, LIMITS);
            history(&mut world).unwrap();
            world.disk.plan(faults);
            for _ in 0..30 {
                for _ in 0..12 {
                    world.add(Kind::Timed);
                }
                match world.durable(3) {
                    Ok(()) => {}
                    Err(error) => assert!(error.may_pass(), "{name}: {error}"),
                }
                world.check_some(10);
            }
            injected += world.disk.injected();
            // The process ends without the machine, then the machine does: what a failed sync
            // left in memory must not have been believed.
            if seed % 3 == 0 {
                world.lose_what_is_not_durable();
                world.disk.kill_process();
                world.open().unwrap();
                world.check_all();
                world.disk.reboot();
                world.open().unwrap();
            }
            world.disk.plan(none);
            world.check_all();
            while world.durable(0).is_err() {}
            history(&mut world).unwrap();
            world.check_all();
            let names = world.disk.list().unwrap();
            let runs = world.ids().stats().runs as usize;
            assert_eq!(names.len(), runs + 1, "{name}: leftovers are removed: {names:?}");
        }
        assert!(injected > 20, "{name}: {injected} faults");
    }
}

#[test]
fn a_disk_that_fails_for_good_holds_the_caller_up_and_not_its_lookups() {
    let mut world = World::new(3, LIMITS);
    world.disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    let mut refused = 0;
    for _ in 0..20 {
        for _ in 0..30 {
            world.add(Kind::Random);
        }
        refused += u64::from(world.durable(0).is_err());
    }
    assert!(refused > 5);
    world.check_all();
    assert_eq!(world.ids().stats().runs, 0);
    world.disk.plan(Faults::default());
    while world.durable(0).is_err() {}
    world.ids().drain().unwrap();
    world.check_all();
    assert_eq!(world.ids().stats().recent_entries, 0);
}

/// A world whose one run has some pages, and the run's name.
fn one_run() -> (World, String) {
    let limits = IdsLimits { recent_max: 100_000, ..LIMITS };
    let mut world = World::new(11, limits);
    for _ in 0..500 {
        world.add(Kind::Random);
    }
    world.durable(0).unwrap();
    world.ids().drain().unwrap();
    let name = world.disk.list().unwrap().into_iter().find(|n| n.ends_with(".run")).unwrap();
    (world, name)
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    let (mut world, run) = one_run();
    let book = config(LIMITS).book;
    let run_bytes = store::disk::read_whole(&world.disk, &run).unwrap().unwrap();
    let pages_at = run_bytes.len() - 186 + 38;
    let pages = u32::from_be_bytes(run_bytes[pages_at..pages_at + 4].try_into().unwrap());
    assert!(pages > 2);
    let pages = pages as usize * 4096;
    for (name, is_run) in [(run.as_str(), true), ("ids.manifest", false)] {
        let length = store::disk::read_whole(&world.disk, name).unwrap().unwrap().len();
        for offset in 0..length {
            let mask = 1 << world.dice.below(8);
            world.disk.damage(name, offset, mask);
            let opened = Ids::open_inline(world.disk.clone(), &config(LIMITS));
            let Err(IdsError::Damaged { file, page, .. }) = check(&world.disk, &book) else {
                panic!("byte {offset} of `{name}` is not checked")
            };
            assert_eq!(file, name);
            let in_page = (is_run && offset < pages).then(|| u32::try_from(offset / 4096).unwrap());
            assert_eq!(page, in_page, "byte {offset} of `{name}`");
            match opened {
                Err(IdsError::Damaged { file, .. }) => assert_eq!(file, name),
                Err(error) => panic!("{error}"),
                Ok((ids, _)) => {
                    assert!(in_page.is_some(), "only pages are read later");
                    if offset % 64 == 0 {
                        never_wrong(&ids, &world.model, in_page);
                    }
                }
            }
            world.disk.damage(name, offset, mask);
        }
    }
    assert_eq!(check(&world.disk, &book).unwrap(), world.ids().stats().run_entries);
}

fn never_wrong(ids: &Ids<FaultDisk>, model: &BTreeMap<IdKey, Vec<Position>>, damaged: Option<u32>) {
    let mut refused = 0;
    for (key, positions) in model {
        match lookup(ids, key) {
            Ok(found) => assert_eq!(found.to_vec(), *positions),
            Err(IdsError::Damaged { page, .. }) => {
                assert_eq!(page, damaged);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_damaged_page_stops_the_merge_that_finds_it_and_a_rebuild_mends_it() {
    let limits = IdsLimits { slice_entries: 1, ..LIMITS };
    let mut world = World::new(5, limits);
    let add_and_seal = |world: &mut World| {
        (0..30).for_each(|_| world.add(Kind::Timed));
        let durable = Position::new(world.next);
        world.durable = world.next;
        world.ids().durable(durable)?;
        world.ids().drain()
    };
    add_and_seal(&mut world).unwrap();
    let run = world.disk.list().unwrap().into_iter().find(|n| n.ends_with(".run")).unwrap();
    world.disk.damage(&run, 100, 1);
    let mut last = Ok(());
    for _ in 0..10 {
        last = last.and_then(|()| add_and_seal(&mut world));
    }
    let last = last.and_then(|()| world.ids().settle());
    let Err(IdsError::Damaged { file, page: Some(0), .. }) = &last else { panic!("{last:?}") };
    assert_eq!(*file, run);
    let text = last.unwrap_err().to_string();
    assert_eq!(text, format!("`{run}`, page 0, is damaged: its bytes do not match their check"));

    erase(&world.disk).unwrap();
    world.open().unwrap();
    assert_eq!(world.ids().covered(), Position::new(0));
    world.check_all();
    world.durable(0).unwrap();
    world.ids().drain().unwrap();
    world.check_all();
}

#[test]
fn what_is_missing_or_foreign_is_said() {
    let (world, run) = one_run();
    let other = IdsConfig { book: "other".parse().unwrap(), ..config(LIMITS) };
    let error = Ids::open_inline(world.disk.clone(), &other).err().unwrap();
    assert_eq!(error.to_string(), "`ids.manifest` belongs to the book `ledger`");
    world.disk.remove(&run).unwrap();
    let error = Ids::open_inline(world.disk.clone(), &config(LIMITS)).err().unwrap();
    assert_eq!(error.to_string(), format!("`{run}` is damaged: it is listed and does not exist"));
    world.disk.remove("ids.manifest").unwrap();
    let (_, covered) = Ids::open_inline(world.disk.clone(), &config(LIMITS)).unwrap();
    assert_eq!(covered, Position::new(0));
}

#[test]
fn positions_that_go_back_are_refused_and_nothing_is_sealed_any_more() {
    let mut world = World::new(1, LIMITS);
    world.next = 10;
    world.add(Kind::Random);
    let key = world.key(Kind::Random);
    insert(world.ids(), &key, Position::new(2));
    assert!(matches!(world.durable(0), Err(IdsError::OutOfOrder { .. })));
    for _ in 0..200 {
        world.add(Kind::Random);
        assert!(world.durable(0).is_err());
    }
    assert_eq!(world.ids().stats().runs, 0);
}

#[test]
fn ids_that_grow_with_time_are_cheap_and_absent_random_ones_seldom_read_a_page() {
    let limits = IdsLimits { recent_max: 4000, merge_runs: 8, slice_entries: 4000, ..LIMITS };
    for (kind, disk_max) in [(Kind::Timed, 24), (Kind::Random, 30)] {
        let mut world = World::new(9, limits);
        for _ in 0..15_000 {
            let key = world.key(kind);
            let next = Position::new(world.next);
            assert!(lookup(world.ids(), &key).unwrap().is_empty());
            insert(world.ids(), &key, next);
            world.next += 1;
            if world.next.is_multiple_of(500) {
                world.durable(0).unwrap();
            }
        }
        let stats = world.ids().stats();
        assert!(stats.runs >= 3);
        assert!(stats.disk_bytes < disk_max * stats.run_entries, "{stats:?}");
        // All of them are yet to be merged: 20 bits of filter, and the index of pages.
        assert!(4 * stats.run_memory_bytes <= 11 * stats.run_entries, "{stats:?}");
        match kind {
            Kind::Timed => assert_eq!(stats.page_reads + stats.page_hits, 0),
            _ => assert!(stats.false_positives < 15_000 * stats.runs / 1000, "{stats:?}"),
        }
    }
}

#[test]
fn the_thread_seals_and_merges_behind_the_caller() {
    let folder = std::env::temp_dir().join(format!("wayleave-ids-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let limits = IdsLimits { recent_max: 1000, slice_entries: 500, ..LIMITS };
    let mut dice = Dice(42);
    let mut model: BTreeMap<IdKey, Position> = BTreeMap::new();
    let open = || Ids::open(FileDisk::take(&folder).unwrap(), &config(limits)).unwrap();
    let (mut ids, mut covered) = open();
    for life in 0_u64..4 {
        for (key, position) in model.iter().filter(|(_, position)| **position >= covered) {
            assert!(lookup(&ids, key).unwrap().is_empty(), "{position:?}");
        }
        let mut again: Vec<_> = model.iter().filter(|(_, p)| **p >= covered).collect();
        again.sort_by_key(|(_, position)| **position);
        again.into_iter().for_each(|(key, position)| insert(&mut ids, key, *position));
        for n in 0..9000 {
            let position = Position::new(life * 9000 + n);
            let id = u128::from(dice.roll()) << 64 | u128::from(dice.roll());
            let key = IdKey::of(id.to_be_bytes(), [0, 0, 0, 1]);
            assert!(lookup(&ids, &key).unwrap().is_empty());
            insert(&mut ids, &key, position);
            model.insert(key, position);
            if n % 100 == 99 {
                ids.durable(Position::new(life * 9000 + n + 1)).unwrap();
                let waiting = ids.stats().frozen_parts;
                assert!(waiting <= 3, "memory is bounded: {waiting} parts wait");
                let (key, position) = model.range(key..).next().unwrap();
                assert_eq!(lookup(&ids, key).unwrap()[..], [*position]);
            }
        }
        if life == 1 {
            ids.drain().unwrap();
            assert_eq!(ids.covered(), Position::new((life + 1) * 9000));
        }
        if life == 2 {
            ids.settle().unwrap();
            assert!(ids.stats().merged > 0, "{:?}", ids.stats());
        }
        for (key, position) in &model {
            assert_eq!(lookup(&ids, key).unwrap()[..], [*position]);
        }
        drop(ids.close().unwrap());
        (ids, covered) = open();
    }
    drop(ids);
    std::fs::remove_dir_all(&folder).unwrap();
}
