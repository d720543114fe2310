//! The one binary: every role, every tool. `wayleave help` teaches.

use std::process::ExitCode;

fn main() -> ExitCode {
    wayleave::main()
}
