//! Every crate has a rank, and every arrow goes down.
//!
//! The reasons stand in `docs/adr/0001-crates-and-ranks.md`; the table here is the rule.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::Result;

use crate::finding::Finding;
use crate::source::code_only;
use crate::workspace::{Crate, SourceFile, Workspace};

/// The first rank that may know of async, clocks, randomness, files, SQL and HTTP.
pub(crate) const EDGE_RANK: u8 = 5;
/// The rank at which the three paths meet.
const TOP_RANK: u8 = 6;

/// Our crates by rank. A crate that does not exist yet is listed too: its place is decided.
const RANKS: [(&str, u8); 25] = [
    ("terms", 0),
    ("seal", 1),
    ("record", 2),
    ("journal", 3),
    ("ledger", 3),
    ("credential", 3),
    ("screening", 3),
    ("policy", 3),
    ("evidence", 3),
    ("iso20022", 3),
    ("travel-rule", 3),
    ("admission", 4),
    ("bookkeeping", 4),
    ("clearing", 4),
    ("api", 5),
    ("client", 5),
    ("front", 5),
    ("store", 5),
    ("prover", 5),
    ("wallet", 5),
    ("wire", 5),
    ("console", 5),
    ("ledger-server", 6),
    ("server", 6),
    ("wayleave", 6),
];

/// Crates around the product: they may look at everything, and nothing of the product at them.
const AROUND: [&str; 2] = ["simulation", "xtask"];

/// The arrows allowed within a rank. A new one needs an ADR: 0001 lists these.
const WITHIN_A_RANK: [(&str, &str); 6] = [
    // The outgoing client speaks the wire types.
    ("client", "api"),
    // The holder calls edges and the core.
    ("wallet", "api"),
    ("wallet", "client"),
    // A pack's findings layer names screening's outcome.
    ("policy", "screening"),
    // The binary is the server, the ledger's server and a command line.
    ("wayleave", "server"),
    ("wayleave", "ledger-server"),
];

/// Pairs that a crate may not see, however far down the arrows lead.
const NEVER_SEES: [(&str, &str); 3] =
    [("admission", "ledger"), ("clearing", "credential"), ("clearing", "policy")];

/// `cargo xtask ranks`: prints the table, then what is wrong.
pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode> {
    let crates = workspace.crates();
    for rank in 0..=TOP_RANK {
        let here: Vec<&str> = crates
            .iter()
            .filter(|c| rank_of(&c.noun) == Some(rank))
            .map(|c| c.noun.as_str())
            .collect();
        println!("{rank}  {}", here.join(" "));
    }
    let findings = check(&crates);
    findings.iter().for_each(|finding| println!("{finding}"));
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rank of a crate; `None` for one around the product or an unknown one.
pub(crate) fn rank_of(noun: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == noun).map(|(_, rank)| *rank)
}

/// Everything wrong with the arrows between our crates.
pub(crate) fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = crates.iter().flat_map(check_arrows).collect();
    let below: BTreeMap<&str, BTreeSet<&str>> =
        crates.iter().map(|c| (c.noun.as_str(), all_below(crates, &c.noun))).collect();
    for (noun, seen) in &below {
        let meets = seen.contains("credential") && seen.contains("ledger");
        if meets && rank_of(noun).is_some_and(|rank| rank < TOP_RANK) {
            let message = "sees both `credential` and `ledger`: only rank 6 joins the paths";
            findings.push(Finding::of(noun, message));
        }
    }
    for (noun, hidden) in NEVER_SEES {
        if below.get(noun).is_some_and(|seen| seen.contains(hidden)) {
            findings.push(Finding::of(noun, format!("must never see `{hidden}`")));
        }
    }
    findings
}

fn check_arrows(from: &Crate) -> Vec<Finding> {
    if AROUND.contains(&from.noun.as_str()) {
        return Vec::new();
    }
    let Some(rank) = rank_of(&from.noun) else {
        let message = "has no rank: give it one in xtask/src/ranks.rs and docs/adr";
        return vec![Finding::of(&from.noun, message)];
    };
    let to = from.ours.iter().chain(&from.ours_in_tests);
    // A crate's tests may ask for a feature of the crate itself.
    to.filter(|to| **to != from.noun).filter_map(|to| wrong_arrow(&from.noun, rank, to)).collect()
}

fn wrong_arrow(from: &str, rank: u8, to: &str) -> Option<Finding> {
    let Some(target) = rank_of(to) else {
        return Some(Finding::of(from, format!("depends on `{to}`, which has no rank")));
    };
    let allowed = target < rank || (target == rank && WITHIN_A_RANK.contains(&(from, to)));
    (!allowed).then(|| {
        let message = format!("rank {rank} depends on `{to}` of rank {target}: arrows go down");
        Finding::of(from, message)
    })
}

/// All our crates that a crate needs to build, directly or through others.
fn all_below<'a>(crates: &'a [Crate], noun: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = vec![noun];
    while let Some(next) = open.pop() {
        for found in crates.iter().filter(|c| c.noun == next).flat_map(|c| &c.ours) {
            if seen.insert(found.as_str()) {
                open.push(found);
            }
        }
    }
    seen
}

/// Async code below the edge: a pure crate waits for nothing.
pub(crate) fn check_async(file: &SourceFile) -> Vec<Finding> {
    let noun = file.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next());
    let pure = noun.and_then(rank_of).is_some_and(|rank| rank < EDGE_RANK);
    if !pure || !file.is_rust() {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let is_async =
        |line: &str| ["async fn", "async move", "async {"].iter().any(|word| line.contains(word));
    (1..)
        .zip(code.lines())
        .filter(|(_, line)| is_async(line))
        .map(|(number, _)| {
            Finding::at(&file.path, number, "async code below rank 5: inputs are arguments")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(noun: &str, ours: &[&str]) -> Crate {
        let ours = ours.iter().map(|name| (*name).to_owned()).collect();
        Crate { noun: noun.to_owned(), ours, ..Crate::default() }
    }

    fn messages(crates: &[Crate]) -> Vec<String> {
        check(crates).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_arrow_of_this_workspace_goes_down() {
        let workspace = Workspace::load().unwrap();
        assert_eq!(messages(&workspace.crates()), [""; 0]);
        assert!(workspace.crates().iter().any(|c| c.noun == "terms"), "the metadata was read");
    }

    #[test]
    fn an_upward_arrow_is_refused_also_in_tests() {
        let upward = planted("terms", &["seal"]);
        assert_eq!(
            messages(std::slice::from_ref(&upward)),
            ["terms: rank 0 depends on `seal` of rank 1: arrows go down"]
        );
        let in_tests = Crate { ours_in_tests: upward.ours, ..planted("terms", &[]) };
        assert_eq!(messages(&[in_tests]).len(), 1);
        assert!(messages(&[planted("seal", &["terms"])]).is_empty());
    }

    #[test]
    fn an_arrow_within_a_rank_must_be_listed() {
        assert!(messages(&[planted("wallet", &["client"])]).is_empty());
        assert_eq!(messages(&[planted("client", &["wallet"])]).len(), 1);
        assert_eq!(messages(&[planted("evidence", &["credential"])]).len(), 1);
    }

    #[test]
    fn a_crate_may_ask_for_its_own_feature_in_tests() {
        let itself = vec!["journal".to_owned()];
        assert!(messages(&[Crate { ours_in_tests: itself, ..planted("journal", &[]) }]).is_empty());
    }

    #[test]
    fn a_crate_without_rank_is_refused() {
        assert_eq!(messages(&[planted("utils", &[])]).len(), 1);
        assert_eq!(messages(&[planted("server", &["utils"])]).len(), 1);
    }

    #[test]
    fn nothing_of_the_product_depends_on_what_stands_around_it() {
        assert_eq!(messages(&[planted("server", &["simulation"])]).len(), 1);
        assert!(messages(&[planted("simulation", &["server", "ledger"])]).is_empty());
    }

    #[test]
    fn credential_and_ledger_meet_at_rank_6_only_however_far_down() {
        let crates = [
            planted("admission", &["credential"]),
            planted("clearing", &["ledger"]),
            planted("store", &["admission", "clearing"]),
            planted("server", &["admission", "clearing"]),
        ];
        assert_eq!(
            messages(&crates),
            ["store: sees both `credential` and `ledger`: only rank 6 joins the paths"]
        );
    }

    #[test]
    fn admission_never_sees_the_ledger_and_clearing_never_the_rules() {
        let crates = [planted("admission", &["ledger"]), planted("clearing", &["policy"])];
        assert_eq!(
            messages(&crates),
            ["admission: must never see `ledger`", "clearing: must never see `policy`"]
        );
    }

    #[test]
    fn async_below_rank_5_is_found_and_at_rank_5_it_is_not() {
        let source = "//! What.\npub async fn f() {}\n";
        let pure = SourceFile::planted("crates/journal/src/a.rs", source);
        assert_eq!(check_async(&pure).len(), 1);
        let edge = SourceFile::planted("crates/server/src/a.rs", source);
        assert!(check_async(&edge).is_empty());
        let said = SourceFile::planted("crates/journal/src/a.rs", "//! No async fn here.\n");
        assert!(check_async(&said).is_empty());
    }
}
