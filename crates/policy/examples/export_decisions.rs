//! Writes decisions of both shipped packs, one JSON file each, for another Cedar engine:
//! `cargo run -p wayleave-policy --example export_decisions -- DIRECTORY`.
#![expect(clippy::print_stdout, reason = "a command says what it wrote")]

use std::error::Error;
use std::path::PathBuf;

#[path = "../tests/support/mod.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "shared with the tests")]
mod support;

use policy::Pack;
use support::{SIDES, envelope, findings, now, rows};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("expected a directory")?);
    std::fs::create_dir_all(&directory)?;
    let mut count = 0_u32;
    for side in &SIDES {
        let pack = Pack::load(&side.files)?;
        for (index, row) in rows(&pack).iter().enumerate() {
            let findings = findings(side, row);
            let decision = pack.decide(&findings, now());
            let record = pack.record(envelope(), &findings, &decision, now());
            let text = pack.export(&record).ok_or("expected an export")?;
            let name = row.0.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let file = directory.join(format!("{}-{index:02}-{name}.json", pack.name()));
            std::fs::write(file, text)?;
            count = count.saturating_add(1);
        }
    }
    println!("wrote {count} decisions to {}", directory.display());
    Ok(())
}
