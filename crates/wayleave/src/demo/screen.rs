//! What the demo prints: at most 45 lines of 100 columns, or one JSON object a line.

use serde_json::{Value, json};

/// The widest line.
pub const COLUMNS: usize = 100;

/// Where the story is told.
pub struct Screen {
    json: bool,
}

impl Screen {
    /// For people, or for programs.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line for people; nothing with `--json`.
    pub fn line(&self, text: &str) {
        if !self.json {
            let shown: String = text.chars().take(COLUMNS).collect();
            println!("{shown}");
        }
    }

    /// A fact for programs; nothing for people.
    pub fn fact(&self, event: &str, value: &Value) {
        if self.json {
            println!("{}", json!({ "event": event, "value": value }));
        }
    }

    /// A command to paste: never cut.
    pub fn command(&self, word: &str, command: &str) {
        if !self.json {
            println!("{word:<6} {command}");
        }
    }

    /// An act's heading.
    pub fn act(&self, number: u8, title: &str) {
        self.line(&format!("{number}  {title}"));
    }

    /// A line below an act: a word and what it says.
    pub fn say(&self, word: &str, text: &str) {
        self.line(&format!("   {word:<11} {text}"));
    }
}
