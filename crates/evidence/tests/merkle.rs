//! Trees and tiles: published vectors, and random trees against a model.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "tests: a panic is a failure, and helpers are not marked as tests"
)]

mod support;

use std::path::Path;

use evidence::subtree::Subtree;
use evidence::tile::TilePath;
use evidence::tile::{CHECKPOINT_PATH, TileReader, TileStore, changed, read_bundle};
use evidence::tree::{
    self, TreeHead, check_consistency, check_inclusion, leaf_hash, prove_consistency,
    prove_inclusion,
};
use evidence::{CompactRange, Log, MemoryStore, SignedCheckpoint, Tile, TileEdge};
use proptest::prelude::*;
use seal::Digest;
use serde_json::Value;

/// RFC 6962's recursive definition, word for word.
fn model_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => tree::empty_root(),
        [one] => *one,
        more => {
            let k = more.len().next_power_of_two() / 2;
            tree::node_hash(&model_root(&more[..k]), &model_root(&more[k..]))
        }
    }
}

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

struct Leaves(Vec<Digest>);

impl tree::HashReader for Leaves {
    fn subtree(&self, level: u32, index: u64) -> Option<Digest> {
        let from = usize::try_from(index << level).unwrap();
        self.0.get(from..from + (1 << level)).map(model_root)
    }
}

fn json_files(folder: &Path, found: &mut Vec<Value>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, found);
        } else {
            found.push(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().map_or_else(Vec::new, |t| seal::text::from_base64(t).unwrap())
}

/// Hashes as the vectors give them; `None` when one is not 32 bytes, which our types refuse.
fn hash(value: &Value) -> Option<Digest> {
    bytes(value).try_into().ok().map(Digest::from_bytes)
}

fn hashes(value: &Value) -> Option<Vec<Digest>> {
    value.as_array().map_or_else(|| Some(vec![]), |list| list.iter().map(hash).collect())
}

fn number(case: &Value, name: &str) -> u64 {
    case[name].as_u64().unwrap()
}

fn inclusion(case: &Value) -> Option<bool> {
    let (index, size) = (number(case, "leafIdx"), number(case, "treeSize"));
    let path = hashes(&case["proof"])?;
    Some(
        check_inclusion(hash(&case["leafHash"])?, index, size, &path, hash(&case["root"])?).is_ok(),
    )
}

fn consistency(case: &Value) -> Option<bool> {
    let old = TreeHead { size: number(case, "size1"), root: hash(&case["root1"])? };
    let new = TreeHead { size: number(case, "size2"), root: hash(&case["root2"])? };
    Some(check_consistency(old, new, &hashes(&case["proof"])?).is_ok())
}

/// Runs all cases of one kind. `narrower` names those that the vectors accept and we do not.
fn run(name: &str, check: fn(&Value) -> Option<bool>, narrower: fn(&Value) -> bool) {
    let Some(folder) = support::vectors(&format!("rfc6962-merkle/{name}")) else { return };
    let mut cases = Vec::new();
    json_files(&folder, &mut cases);
    let (mut held, mut refused) = (0, 0);
    for case in &cases {
        let holds = check(case) == Some(true);
        let expected = !case["wantErr"].as_bool().unwrap() && !narrower(case);
        assert_eq!(holds, expected, "{name}: {case}");
        *(if holds { &mut held } else { &mut refused }) += 1;
    }
    println!("{name}: {held} hold, {refused} are refused");
    assert!(held > 0 && refused > 0);
}

/// Roots that are no hashes: the vectors compare any bytes, our types hold 32.
fn has_no_hash(case: &Value) -> bool {
    hash(&case["root1"]).is_none() || hash(&case["root2"]).is_none()
}

/// A part without entries: it is in every tree, so a proof of it shows nothing.
fn is_of_nothing(case: &Value) -> bool {
    case["start"] == case["end"] || has_no_hash(case)
}

#[test]
fn published_inclusion_proofs_hold_and_mutated_ones_do_not() {
    run("inclusion", inclusion, |_| false);
}

#[test]
fn published_consistency_proofs_hold_and_mutated_ones_do_not() {
    run("consistency", consistency, has_no_hash);
}

fn subtree_inclusion(case: &Value) -> Option<bool> {
    let part =
        Subtree::new(number(case, "start"), number(case, "end"), hash(&case["root"])?).ok()?;
    let (leaf, path) = (hash(&case["leafHash"])?, hashes(&case["proof"])?);
    Some(part.check_inclusion(leaf, number(case, "leafIdx"), &path).is_ok())
}

fn subtree_consistency(case: &Value) -> Option<bool> {
    let part =
        Subtree::new(number(case, "start"), number(case, "end"), hash(&case["root1"])?).ok()?;
    let whole = TreeHead { size: number(case, "size"), root: hash(&case["root2"])? };
    Some(part.check_consistency(whole, &hashes(&case["proof"])?).is_ok())
}

#[test]
fn published_subtree_inclusion_proofs_hold_and_mutated_ones_do_not() {
    run("subtreeinclusion", subtree_inclusion, |_| false);
}

#[test]
fn published_subtree_consistency_proofs_hold_and_mutated_ones_do_not() {
    run("subtreeconsistency", subtree_consistency, is_of_nothing);
}

#[test]
fn a_published_tiled_log_has_the_roots_and_tiles_we_compute() {
    let Some(folder) = support::vectors("tessera-log/log") else { return };
    let entries = read_bundle(&std::fs::read(folder.join("tile/entries/000.p/15")).unwrap());
    let leaves: Vec<_> = entries.unwrap().iter().map(|e| leaf_hash(e)).collect();
    let mut heads = Vec::new();
    for size in 0..=15_u64 {
        let file = folder.join(format!("checkpoint.{size}"));
        let signed = SignedCheckpoint::parse(&std::fs::read(file).unwrap()).unwrap();
        let mut range = CompactRange::empty();
        leaves[..usize::try_from(size).unwrap()].iter().for_each(|leaf| range.append(*leaf));
        assert_eq!(signed.head(), TreeHead { size, root: range.root() });
        heads.push(signed.head());
        for tile in changed(0, size) {
            let stored = std::fs::read(folder.join(tile.path())).unwrap();
            let ours: Vec<u8> = leaves[..usize::try_from(tile.width).unwrap()]
                .iter()
                .flat_map(|h| *h.as_bytes())
                .collect();
            assert_eq!(stored, ours);
            let bundle = std::fs::read(folder.join(tile.bundle_path())).unwrap();
            assert_eq!(read_bundle(&bundle).unwrap().len(), usize::try_from(size).unwrap());
        }
    }
    let reader = Leaves(leaves);
    for (old, new) in heads.iter().flat_map(|o| heads.iter().map(move |n| (o, n))) {
        if 0 < old.size && old.size <= new.size {
            let proof = prove_consistency(&reader, old.size, new.size).unwrap();
            assert_eq!(check_consistency(*old, *new, &proof), Ok(()));
        }
    }
}

#[test]
fn a_real_log_of_962_million_entries_holds_its_entry() {
    let Some(folder) = support::vectors("azul-tlog") else { return };
    let folder = folder.join("crates/tlog_tiles/tests/http_get");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let head = read("get-sth");
    let proof = read(concat!(
        "get-proof-by-hash-tree-size-961984011-",
        "hash-nCs3mfIydh9x4CKyQ-2Bu2xtmpxmFggA5MLymHwNQSlLg-3D",
    ));
    let leaf = seal::text::from_base64("nCs3mfIydh9x4CKyQ+u2xtmpxmFggA5MLymHwNQSlLg=").unwrap();
    let leaf = Digest::from_bytes(leaf.try_into().unwrap());
    let (size, root) = (number(&head, "tree_size"), hash(&head["sha256_root_hash"]).unwrap());
    let (index, path) = (number(&proof, "leaf_index"), hashes(&proof["audit_path"]).unwrap());
    assert_eq!(check_inclusion(leaf, index, size, &path, root), Ok(()));
    assert!(check_inclusion(leaf, index + 1, size, &path, root).is_err());
}

#[test]
fn tile_paths_are_those_of_the_specification() {
    let path = |level, index, width| Tile { level, index, width }.path();
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(1, 1, 17), "tile/1/001.p/17");
    // The specification's example: 70,000 entries.
    let tiles = changed(0, 70_000);
    let level = |l| tiles.iter().filter(move |t| t.level == l);
    assert_eq!(level(0).filter(|t| t.width == 256).count(), 273);
    assert_eq!(level(0).next_back().unwrap().path(), "tile/0/273.p/112");
    assert_eq!(level(1).next_back().unwrap().path(), "tile/1/001.p/17");
    assert_eq!(level(2).next_back().unwrap().path(), "tile/2/000.p/1");
    assert_eq!(tiles.len(), 273 + 1 + 1 + 1 + 1);
    let at_256: Vec<_> = changed(0, 256).iter().map(Tile::path).collect();
    assert_eq!(at_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(changed(256, 256), []);
    assert_eq!(changed(256, 257), [Tile { level: 0, index: 1, width: 1 }]);
}

/// A store that fails at its n-th write.
struct Failing {
    inner: MemoryStore,
    left: usize,
}

impl TileStore for Failing {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, evidence::tile::StoreFault> {
        self.inner.read(path)
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), evidence::tile::StoreFault> {
        if self.left == 0 {
            let (path, reason) = (path.to_owned(), "stopped".to_owned());
            return Err(evidence::tile::StoreFault { path, reason });
        }
        self.left -= 1;
        self.inner.write(path, bytes)
    }
}

/// Appends the facts from the log's size up to `until` and publishes.
fn grow<S: TileStore>(
    log: &mut Log<S>,
    until: u64,
) -> Result<SignedCheckpoint, evidence::LogError> {
    for position in log.size()..until {
        log.append(&support::fact(position).commitment(&support::salts(position)));
    }
    log.publish(&support::signer())
}

#[test]
fn a_log_stopped_at_any_write_ends_with_the_same_bytes() {
    let (first, last) = (250, 515);
    let (mut whole, _) = support::log_of(first);
    grow(&mut whole, last).unwrap();
    let before = support::log_of(first).0.store().clone();
    let mut stops = 0;
    loop {
        let store = Failing { inner: before.clone(), left: stops };
        let mut log = Log::open(store, &support::signer()).unwrap();
        assert_eq!(log.size(), first);
        if grow(&mut log, last).is_ok() {
            break;
        }
        // What stands is the old checkpoint with all it needs; a restart finishes the work.
        let store = log.store().inner.clone();
        assert_eq!(store.read(CHECKPOINT_PATH), before.read(CHECKPOINT_PATH));
        let mut again = Log::open(store, &support::signer()).unwrap();
        assert_eq!(again.size(), first);
        grow(&mut again, last).unwrap();
        assert_eq!(again.store(), whole.store(), "stopped at write {stops}");
        stops += 1;
    }
    assert_eq!(stops, 8, "2 full tiles, 2 full bundles, 2 partial tiles, a bundle, a checkpoint");
}

#[test]
fn a_log_over_changed_tiles_does_not_open() {
    let (log, _) = support::log_of(300);
    for path in ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44", "checkpoint"] {
        let mut store = log.store().clone();
        let mut bytes = store.read(path).unwrap().unwrap();
        bytes[30] ^= 1;
        store.write(path, &bytes).unwrap();
        assert!(Log::open(store, &support::signer()).is_err(), "{path}");
    }
    assert!(Log::open(log.store().clone(), &support::signer()).is_ok());
}

#[test]
fn tiles_of_a_log_of_three_levels_prove_each_entry() {
    let size = 66_000;
    let (log, checkpoint) = support::log_of(size);
    assert_eq!(
        checkpoint.head().root,
        tree::root(&TileReader::new(log.store(), size), size).unwrap()
    );
    let reopened = Log::open(log.store().clone(), &support::signer()).unwrap();
    assert_eq!(reopened.published(), Some(&checkpoint));
    for index in [0, 255, 256, 65_535, 65_536, 65_999] {
        let leaf = record::leaf_hash(&support::fact(index).commitment(&support::salts(index)));
        let path = reopened.inclusion(index, size).unwrap();
        assert_eq!(check_inclusion(leaf, index, size, &path, checkpoint.head().root), Ok(()));
    }
    assert!(reopened.inclusion(size, size).is_err());
    assert!(reopened.inclusion(0, size + 1).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, cases: 64, ..ProptestConfig::default()
    })]

    #[test]
    fn each_proof_made_holds_and_each_mutation_is_refused(
        size in 1_u64..600, pick: u64, old_pick: u64, bit in 0_usize..256, at: usize,
    ) {
        let reader = Leaves(leaves(size));
        let (index, old) = (pick % size, old_pick % size + 1);
        let root = model_root(&reader.0);
        let mut range = CompactRange::empty();
        reader.0.iter().for_each(|leaf| range.append(*leaf));
        prop_assert_eq!(range.root(), root);
        prop_assert_eq!(CompactRange::read(&reader, size).unwrap(), range);

        let leaf = reader.0[usize::try_from(index).unwrap()];
        let path = prove_inclusion(&reader, index, size).unwrap();
        prop_assert_eq!(check_inclusion(leaf, index, size, &path, root), Ok(()));
        // The size is bound by the checkpoint's signature, not by the path: trees of several
        // sizes share paths.
        let beside = (index + 1) % size;
        prop_assert!(size == 1 || check_inclusion(leaf, beside, size, &path, root).is_err());
        for bad in mutations(&path, bit, at) {
            prop_assert!(check_inclusion(leaf, index, size, &bad, root).is_err());
        }

        let head = |n: u64| {
            let first = &reader.0[..usize::try_from(n).unwrap()];
            TreeHead { size: n, root: model_root(first) }
        };
        let proof = prove_consistency(&reader, old, size).unwrap();
        prop_assert_eq!(check_consistency(head(old), head(size), &proof), Ok(()));
        for bad in mutations(&proof, bit, at) {
            prop_assert!(check_consistency(head(old), head(size), &bad).is_err());
        }
        let part = Subtree::new(0, old, head(old).root).unwrap();
        prop_assert_eq!(part.check_consistency(head(size), &proof), Ok(()));
        let other = TreeHead { size: old, root: leaf_hash(b"other") };
        prop_assert!(check_consistency(other, head(size), &proof).is_err());
    }
}

/// One bit flipped, one hash dropped, one hash twice, one hash more.
fn mutations(proof: &[Digest], bit: usize, at: usize) -> Vec<Vec<Digest>> {
    let mut all = vec![[proof, &[leaf_hash(b"more")]].concat()];
    if !proof.is_empty() {
        let at = at % proof.len();
        let mut flipped = *proof[at].as_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut changed = proof.to_vec();
        changed[at] = Digest::from_bytes(flipped);
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        let mut longer = proof.to_vec();
        longer.insert(at, proof[at]);
        all.extend([changed, shorter, longer]);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the leaves come, the edge has the root of the tree and the tiles are its subtrees.
    #[test]
    fn an_edge_grows_like_the_tree(steps in prop::collection::vec(0_u64..700, 1..5)) {
        let all = leaves(steps.iter().sum());
        let (mut edge, mut at, mut full) = (TileEdge::empty(), 0, Vec::new());
        for step in steps {
            let end = at + usize::try_from(step).unwrap();
            edge.extend(&all[at..end], |tile, hashes| full.push((tile, hashes.to_vec())));
            at = end;
            prop_assert_eq!(edge.root(), model_root(&all[..at]));
        }
        let reader = Leaves(all.clone());
        let stored = full.iter().map(|(tile, row)| (*tile, row.as_slice())).chain(edge.partial());
        let mut count = 0;
        for (tile, hashes) in stored {
            count += 1;
            prop_assert_eq!(u64::try_from(hashes.len()).unwrap(), tile.width);
            for (index, hash) in (tile.index * 256..).zip(hashes) {
                let expected = tree::HashReader::subtree(&reader, tile.level * 8, index);
                prop_assert_eq!(Some(*hash), expected, "{:?}", tile);
            }
        }
        prop_assert_eq!(count, changed(0, edge.size()).len());
        let rows: Vec<_> = edge.partial().map(|(tile, row)| (tile, row.to_vec())).collect();
        let find = |tile| rows.iter().find(|(t, _)| *t == tile).map(|(_, row)| row.clone());
        prop_assert_eq!(TileEdge::read(edge.size(), find), Some(edge));
    }
}

#[test]
fn a_row_has_the_root_of_its_tree() {
    for width in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
        let row = leaves(width);
        assert_eq!(evidence::edge::root_of_row(&row), model_root(&row), "{width}");
    }
}

#[test]
fn a_path_has_one_spelling() {
    for level in [0, 1, 7] {
        for index in [0, 7, 999, 1000, 1_234_067, u64::from(u32::MAX)] {
            for width in [1, 70, 255, 256] {
                let tile = Tile { level, index, width };
                assert_eq!(TilePath::parse(&tile.path()), Some(TilePath::Hashes(tile)));
                let entries = Tile { level: 0, ..tile };
                let read = TilePath::parse(&entries.bundle_path());
                assert_eq!(read, Some(TilePath::Entries(entries)));
            }
        }
    }
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/+0/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/../000",
        "tile/entries/00a",
        "/tile/0/000",
        "tile/0/x099/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(TilePath::parse(path), None, "{path}");
    }
}
