//! Everything here needs the cluster.

use std::time::Duration;

use journal::Salts;
use record::SaltSlot;
use seal::Salt;
use store::PostgresJournal;
use store::postgres::{Lease, LeaseState, OpenPostgresError, PostgresSalts, ServerRefusal};
use terms::{BookName, Position, RunId};

use crate::cluster::{self, Cluster};
use crate::load::{Load, entropy, read_by_replicas};

/// Acknowledgements before and after each fault.
const SOME: usize = 200;
/// The lease of a dead leader (20 s), an election, and a loaded machine.
const PATIENCE: Duration = Duration::from_secs(75);

fn fresh_book(what: &str) -> BookName {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{what}.{nanos}").parse().unwrap()
}

/// How many times a fault is injected: one time, unless the environment says more.
fn tries() -> u32 {
    std::env::var("WAYLEAVE_HA_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Injects `fault` on the leader under load and lets the cluster become whole again.
fn survive(what: &str, fault: &str) {
    let Some(cluster) = Cluster::given() else { return };
    for _ in 0..tries() {
        let book = fresh_book(what);
        let load = Load::start(&cluster, book);
        load.await_more(SOME, PATIENCE);
        let leader = cluster.leader();
        Cluster::control(&[fault, &leader]);
        // What is still under way may be acknowledged after the fault; the new leader's are those
        // that come when the pause is over.
        while cluster.is_led_by(&leader) {
            std::thread::sleep(Duration::from_millis(100));
        }
        load.await_more(SOME, PATIENCE);
        Cluster::control(&["start-node", &leader]);
        cluster.await_whole();
        load.await_more(SOME, PATIENCE);
        let figures = load.end(&cluster);
        cluster::say(&format!(
            "ha: {what}: acknowledged {} lost {} unknown {} pause {:.1} s",
            figures.acknowledged,
            figures.lost,
            figures.unknown,
            figures.pause.as_secs_f64()
        ));
        assert_eq!(figures.lost, 0);
        let read = read_by_replicas(&cluster, book, figures.head);
        assert!(read >= figures.acknowledged, "a replica holds {read}");
    }
}

#[test]
fn nothing_is_lost_when_the_leaders_node_dies() {
    survive("node", "kill-node");
}

#[test]
fn nothing_is_lost_when_the_leaders_agent_dies_and_its_server_goes_on() {
    survive("agent", "kill-agent");
}

#[test]
fn a_cluster_that_may_lose_a_commit_is_refused() {
    let Some(cluster) = Cluster::given() else { return };
    let config = cluster.config(fresh_book("refused"));
    for value in ["off", "local", "remote_write"] {
        cluster.run(&format!("alter role wayleave set synchronous_commit = {value}"));
        let refused = PostgresJournal::open(config.clone());
        cluster.run("alter role wayleave reset synchronous_commit");
        let Err(OpenPostgresError::Server(ServerRefusal::Setting { name, .. })) = refused else {
            panic!("{value}: {refused:?}");
        };
        assert_eq!(name, "synchronous_commit");
    }
    assert!(PostgresJournal::open(config).is_ok());
}

#[test]
fn salt_slots_are_handed_out_once_and_read_by_another_core() {
    let Some(cluster) = Cluster::given() else { return };
    let config = cluster.config(fresh_book("salts"));
    let open = || PostgresSalts::open(config.clone(), 4, entropy()).unwrap();
    let (one, other) = (open(), open());
    // Both fill at once: every slot belongs to one of them.
    let mut slots: Vec<u64> = Vec::new();
    for _ in 0..6 {
        slots.extend([one.take_slot().unwrap().0, other.take_slot().unwrap().0]);
    }
    one.refill().unwrap();
    slots.push(one.take_slot().unwrap().0);
    let distinct: std::collections::BTreeSet<u64> = slots.iter().copied().collect();
    assert_eq!(distinct.len(), slots.len(), "{slots:?}");
    let third = open();
    for slot in slots.iter().map(|slot| SaltSlot(*slot)) {
        assert!(third.holds(slot), "{slot:?}");
        let salt =
            |salts: &PostgresSalts| Salt::of_field(&salts.root(Position::new(7), slot).unwrap(), 0);
        let keys = [&one, &other, &third].map(salt);
        assert!(keys[0] == keys[1] && keys[1] == keys[2], "{slot:?}");
    }
    let erased = SaltSlot(slots[0]);
    one.erase(erased).unwrap();
    assert!(!one.holds(erased) && !open().holds(erased));
    assert!(one.erase(SaltSlot(1 << 40)).is_err());
    assert!(third.root(Position::ZERO, SaltSlot(1 << 40)).is_none());
}

#[test]
fn a_lease_has_one_holder_and_changes_hands_only_over_what_was_seen() {
    let Some(cluster) = Cluster::given() else { return };
    let config = cluster.config(fresh_book("lease"));
    let lease = |run: u8, url: &str| {
        Lease::open(config.clone(), RunId::from_bytes([run; 16]), url.to_owned()).unwrap()
    };
    let (one, two) = (lease(1, "http://one"), lease(2, "http://two"));
    assert_eq!(one.look(), Ok(None));
    assert_eq!(one.beat(), Ok(false), "nobody beats what nobody took");
    assert_eq!(one.take(None), Ok(true));
    assert_eq!(two.take(None), Ok(false), "somebody was quicker");
    let seen = two.look().unwrap().unwrap();
    assert_eq!((seen.holder.as_str(), seen.state), ("http://one", LeaseState::Held));
    assert_eq!(one.beat(), Ok(true));
    assert_eq!(two.take(Some(&seen)), Ok(false), "it beat since");
    let seen = two.look().unwrap().unwrap();
    assert_eq!(two.take(Some(&seen)), Ok(true));
    assert_eq!(one.beat(), Ok(false), "who lost the lease learns it");
    assert_eq!(two.release(), Ok(true));
    assert_eq!(two.beat(), Ok(false));
    assert_eq!(one.look().unwrap().unwrap().state, LeaseState::Released);
}
