//! Writes one decision record of a real edge for another Cedar engine:
//! `cargo run -p wayleave-policy --example export_record -- PACK_DIRECTORY RECORD FILE`.
#![expect(clippy::print_stdout, reason = "a command says what it wrote")]

use std::error::Error;
use std::path::PathBuf;

use policy::{Pack, PackFiles};
use record::DecisionRecord;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next = || arguments.next().ok_or("expected PACK_DIRECTORY RECORD FILE");
    let (folder, record, file) = (next()?, next()?, next()?);
    let text = |name: &str| std::fs::read_to_string(folder.join(name));
    let (schema, decide) = (text("corridor.cedarschema")?, text("decide.cedar")?);
    let (oblige, gate) = (text("oblige.cedar")?, text("gate.cedar")?);
    let (assumptions, parameters) = (text("assumptions.cedar")?, text("parameters.json")?);
    let pack = Pack::load(&PackFiles {
        schema: &schema,
        decide: &decide,
        oblige: &oblige,
        gate: &gate,
        assumptions: &assumptions,
        parameters: &parameters,
    })?;
    let record: DecisionRecord = seal::from_canonical(&std::fs::read(&record)?)?;
    let text = pack.export(&record).ok_or("the record's findings are not this pack's")?;
    std::fs::write(&file, text)?;
    println!("wrote the decision of {} to {}", record.edge.edge, file.display());
    Ok(())
}
