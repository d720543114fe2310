//! How long the proofs of the shipped packs take: one row a figure.
//!
//! `cargo xtask bench policy prove [--json]`.
#![expect(clippy::print_stdout, reason = "a bench prints its rows")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::error::Error;
use std::time::Instant;

use policy::shipped::PACKS;
use prover::{Prover, SolverMissing, Solvers, Subject};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let row = |workload: &str, metric: &str, value: f64, unit: &str| {
        if as_json {
            let row = json!({
                "bench": "policy-prove",
                "workload": workload,
                "metric": metric,
                "value": value,
                "unit": unit,
            });
            println!("{row}");
        } else {
            println!("{workload:<28} {metric:<12} {value:>10.2} {unit}");
        }
    };
    for both in [false, true] {
        let solvers = match Solvers::find(both) {
            Ok(solvers) => solvers,
            Err(SolverMissing::Z3) => {
                eprintln!("left out: both solvers, as there is no Z3");
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        for one in &PACKS {
            let subject = Subject::new(&one.files, one.invariants)?;
            let mut prover = Prover::new(solvers.clone())?;
            let begun = Instant::now();
            let proof = prover.prove(&subject)?;
            let seconds = begun.elapsed().as_secs_f64();
            let workload = format!("{}-{}", one.name, if both { "cvc5-and-z3" } else { "cvc5" });
            row(&workload, "duration", seconds, "seconds");
            row(&workload, "questions", f64::from(proof.asked), "count");
            row(&workload, "checks", f64::from(u32::try_from(proof.checks.len())?), "count");
        }
    }
    Ok(())
}
