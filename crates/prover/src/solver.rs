//! Two solvers as processes, asked with the same script.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cedar_policy_symcc::solver::{Decision, DecisionWithModel, Solver, SolverError};
use seal::digest::Domain;
use seal::{Digest, digest};
use thiserror::Error;
use tokio::io::AsyncWrite;

use crate::proxy::over_arrays;

/// Domain of a script's digest.
pub const SCRIPT_DOMAIN: Domain = Domain::new("wayleave/proof-script/v1");
/// How long a solver may think about one script, in seconds.
const SECONDS_MAX: u32 = 60;

/// Why there is no solver.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SolverMissing {
    /// No cvc5.
    #[error(
        "no solver: `cvc5` is neither on the path nor named by the variable CVC5. On Debian \
         `sudo apt-get install cvc5`; elsewhere a binary of https://cvc5.github.io"
    )]
    Cvc5,
    /// No Z3.
    #[error(
        "no second solver: `z3` is neither on the path nor named by the variable Z3. \
         `python3 -m venv venv && venv/bin/pip install z3-solver==5.4.1.0`, then Z3=venv/bin/z3; \
         or leave it out with `--one-solver`"
    )]
    Z3,
}

/// A solver's program and what it calls itself.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    version: String,
}

impl Program {
    /// Name and version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    fn find(variable: &str, name: &str, marks: (&str, &str)) -> Option<Self> {
        let named = std::env::var_os(variable).filter(|value| !value.is_empty());
        let path = PathBuf::from(named.unwrap_or_else(|| OsString::from(name)));
        let said = Command::new(&path).arg("--version").stdin(Stdio::null()).output().ok()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let number = said.split(marks.0).nth(1)?.split(marks.1).next()?.trim();
        Some(Self { version: format!("{name} {number}"), path })
    }
}

/// The solvers of this machine.
#[derive(Clone, Debug)]
pub struct Solvers {
    cvc5: Program,
    z3: Option<Program>,
}

impl Solvers {
    /// cvc5, and Z3 where a second opinion is wanted.
    pub fn find(second: bool) -> Result<Self, SolverMissing> {
        let cvc5 = Program::find("CVC5", "cvc5", ("cvc5 version ", "\n"));
        let cvc5 = cvc5.ok_or(SolverMissing::Cvc5)?;
        let z3 = if second {
            let z3 = Program::find("Z3", "z3", ("Z3 version ", " "));
            Some(z3.ok_or(SolverMissing::Z3)?)
        } else {
            None
        };
        Ok(Self { cvc5, z3 })
    }

    /// The solver that decides and gives models.
    #[must_use]
    pub const fn first(&self) -> &Program {
        &self.cvc5
    }

    /// The solver that must agree.
    #[must_use]
    pub const fn second(&self) -> Option<&Program> {
        self.z3.as_ref()
    }
}

/// One script and what was said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Digest of the script.
    pub script: Digest,
    /// Whether a model exists.
    pub satisfiable: bool,
    /// Whether the second solver was asked, and agreed: a difference is an error.
    pub agreed: Option<bool>,
}

/// What the compiler of policies writes to: it collects a script and asks both solvers.
pub(crate) struct Both {
    solvers: Solvers,
    script: Vec<u8>,
    /// Questions so far, those for a model included.
    pub(crate) asked: u32,
    pub(crate) last: Option<Call>,
}

impl Both {
    pub(crate) const fn new(solvers: Solvers) -> Self {
        Self { solvers, script: Vec::new(), asked: 0, last: None }
    }

    /// Gives up what an error left behind.
    pub(crate) fn begin(&mut self) {
        self.script.clear();
        self.last = None;
    }

    fn first(&mut self, script: &str) -> Result<String, SolverError> {
        self.asked += 1;
        let limit = format!("--tlimit={}000", SECONDS_MAX);
        let arguments = ["--lang", "smt", "--quiet", &limit];
        answer(&self.solvers.cvc5.path, &arguments, script)
    }

    fn take(&mut self, end: &str) -> Result<String, SolverError> {
        let mut script = std::mem::take(&mut self.script);
        script.extend_from_slice(end.as_bytes());
        String::from_utf8(script).map_err(|e| SolverError::Solver(e.to_string()))
    }
}

impl Solver for Both {
    fn smtlib_input(&mut self) -> &mut (dyn AsyncWrite + Unpin + Send) {
        &mut self.script
    }

    async fn enable_models(&mut self) -> Result<(), SolverError> {
        self.script.extend_from_slice(b"(set-option :produce-models true)\n");
        Ok(())
    }

    async fn check_sat(&mut self) -> Result<Decision, SolverError> {
        let script = self.take("(check-sat)\n")?;
        let decision = decision(&self.first(&script)?)?;
        let mut agreed = None;
        if let Some(z3) = &self.solvers.z3 {
            let other = over_arrays(&script)
                .ok_or_else(|| SolverError::Solver("the script is not balanced".to_owned()))?;
            let limit = format!("-T:{SECONDS_MAX}");
            let second = crate::solver::decision(&answer(&z3.path, &["-in", &limit], &other)?)?;
            if second != decision {
                return Err(SolverError::Solver(format!(
                    "the solvers differ: {} says {decision:?}, {} says {second:?}",
                    self.solvers.cvc5.version, z3.version
                )));
            }
            agreed = Some(true);
        }
        let script = digest(SCRIPT_DOMAIN, script.as_bytes());
        let satisfiable = decision == Decision::Sat;
        self.last = Some(Call { script, satisfiable, agreed });
        Ok(decision)
    }

    async fn check_sat_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        let script = self.take("(check-sat)\n(get-model)\n")?;
        let said = self.first(&script)?;
        let (verdict, model) = said.split_once('\n').unwrap_or((said.as_str(), ""));
        Ok(match decision(verdict)? {
            Decision::Sat => DecisionWithModel::Sat { model: model.to_owned() },
            Decision::Unsat => DecisionWithModel::Unsat,
            Decision::Unknown => DecisionWithModel::Unknown,
        })
    }
}

fn decision(said: &str) -> Result<Decision, SolverError> {
    match said.trim() {
        "sat" => Ok(Decision::Sat),
        "unsat" => Ok(Decision::Unsat),
        "unknown" | "timeout" => Ok(Decision::Unknown),
        other => Err(SolverError::UnrecognizedSolverOutput(other.chars().take(400).collect())),
    }
}

/// Runs a solver on a script and reads all that it says.
fn answer(program: &Path, arguments: &[&str], script: &str) -> Result<String, SolverError> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    let said = child.wait_with_output()?.stdout;
    String::from_utf8(said).map_err(|e| SolverError::Solver(e.to_string()))
}
