//! A receipt of the stage, with any one byte changed.

use std::collections::BTreeMap;

use wallet::CommandResult;
use wallet::verify::{VerifyTrust, verify};

use super::stage::{World, play};

/// Changes each byte once and says how many changes which check refused.
fn refused_by(receipt: &[u8], trust: &VerifyTrust, step: usize) -> BTreeMap<String, usize> {
    let mut table = BTreeMap::new();
    let mut changed = receipt.to_vec();
    for at in (step..receipt.len()).step_by(2) {
        // Another bit at each place, so that all eight are tried.
        changed[at] ^= 1 << (at % 8);
        let report = verify(&changed, Some(trust));
        assert!(!report.is_good(), "byte {at}: {}", report.text());
        let check = report.first_failure().unwrap_or_else(|| "nobody vouches".to_owned());
        let check = check.split(':').next().unwrap_or_default().to_owned();
        *table.entry(check).or_insert(0) += 1;
        changed[at] = receipt[at];
    }
    assert!(verify(&changed, Some(trust)).is_good(), "put back, it verifies");
    table
}

#[test]
fn every_single_byte_change_of_a_receipt_is_refused_and_a_table_says_by_which_check() {
    play(async {
        let world = World::new("receipt-bytes").await?;
        let settled = world.settled("RB-1", 10_000).await?;
        let refused = world.refused("RB-2", 15_000_000).await?;
        let trust = world.trust();
        for (what, path) in [("settled", settled.receipt), ("refused", refused.receipt)] {
            let receipt = std::fs::read(path.expect("a receipt"))?;
            let tables = std::thread::scope(|scope| {
                let half = |step| {
                    scope.spawn({
                        let (receipt, trust) = (&receipt, &trust);
                        move || refused_by(receipt, trust, step)
                    })
                };
                [half(0), half(1)].map(|half| half.join().unwrap())
            });
            let mut table: BTreeMap<String, usize> = BTreeMap::new();
            for (check, count) in tables.into_iter().flatten() {
                *table.entry(check).or_insert(0) += count;
            }
            assert_eq!(table.values().sum::<usize>(), receipt.len());
            println!("{what}: {} bytes, each changed once", receipt.len());
            for (check, count) in table {
                println!("  {count:>6}  {check}");
            }
        }
        Ok(())
    });
}
