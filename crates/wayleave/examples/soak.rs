//! Kills the core under load again and again: `cargo xtask soak`.

fn main() -> anyhow::Result<()> {
    wayleave::load::soak::command()
}
