//! Proves what a rule pack can never do, with two solvers, and shows the payment where it can.
//!
//! A [`Subject`] is a pack with its invariants; a [`Prover`] puts each of them to cvc5 and to Z3
//! as the question "is there a payment that the pack allows and the invariant does not?", for
//! every kind of request and every value of the parameters. What is found refuted comes with a
//! [`Sample`]: a payment, decided again by the engine that edges use. Tooling: no edge needs a
//! solver, an edge needs the certificate that [`certificate`] writes.

pub mod certificate;
pub mod compare;
pub mod prove;
pub mod proxy;
pub mod sample;
pub mod solver;
pub mod subject;

pub use certificate::certificate;
pub use compare::{Comparison, Difference};
pub use policy::invariants::Invariant;
pub use prove::{Check, Proof, ProveError, Prover};
pub use sample::Sample;
pub use solver::{SolverMissing, Solvers};
pub use subject::{Subject, SubjectError};
