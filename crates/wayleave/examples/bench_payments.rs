//! Measures the real processes: `cargo xtask bench payments`.

fn main() -> anyhow::Result<()> {
    wayleave::load::bench::command()
}
