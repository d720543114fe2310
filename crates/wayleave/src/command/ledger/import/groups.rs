//! Rows of kind `entry` that follow each other under one id are one transaction: it is sent whole,
//! or not at all. Where a row between cannot be read, nobody knows whether it was one of them.

use std::collections::BTreeMap;

use terms::TransactionId;

use super::super::ids::Given;
use super::super::rows::{Row, Whose};

/// Rows of one transaction.
pub(super) struct Group {
    /// As it is written in the first of them.
    pub(super) id: String,
    key: String,
    pub(super) rows: Vec<Row>,
    /// The line that took a row from it, or may have.
    pub(super) cut: Option<u64>,
}

/// Collects rows into transactions.
#[derive(Default)]
pub(super) struct Groups {
    open: Option<Group>,
    /// Transactions that are not whole, with the line that could not be read.
    cut: BTreeMap<String, u64>,
    /// The row just before could not be read: it may be the first of what follows.
    before: Option<u64>,
}

/// An id by what it stands for: a name and its digits are one.
fn key(id: &str) -> String {
    id.parse().map_or_else(|_| id.to_owned(), |given: Given<TransactionId>| given.id.to_string())
}

impl Groups {
    /// Takes a row; what it ended.
    pub(super) fn entry(&mut self, id: &str, row: Row) -> Option<Group> {
        let key = key(id);
        if let Some(line) = self.before.take() {
            self.cut.entry(key.clone()).or_insert(line);
        }
        if let Some(open) = self.open.as_mut().filter(|open| open.key == key) {
            open.rows.push(row);
            return None;
        }
        let ended = self.close();
        self.open = Some(Group { id: id.to_owned(), key, rows: vec![row], cut: None });
        ended
    }

    /// A sound row of another kind, or the true end of the file; what it ended.
    pub(super) fn end(&mut self) -> Option<Group> {
        self.before = None;
        self.close()
    }

    /// A row that cannot be read, or the end of what can be; what it ended.
    pub(super) fn cut(&mut self, line: u64, whose: &Whose) -> Option<Group> {
        self.before = None;
        match whose {
            Whose::Unknown => {
                self.before = Some(line);
                if let Some(open) = &self.open {
                    self.cut.entry(open.key.clone()).or_insert(line);
                }
            }
            Whose::Transaction(id) => {
                self.cut.entry(key(id)).or_insert(line);
            }
            Whose::Other => {}
        }
        self.close()
    }

    /// Whether the rows that came last are of that transaction.
    pub(super) fn is_open(&self, whose: &Whose) -> bool {
        let Whose::Transaction(id) = whose else { return false };
        self.open.as_ref().is_some_and(|open| open.key == key(id))
    }

    /// The line that could not be read of that transaction.
    pub(super) fn cut_at<'a>(&self, whose: &'a Whose) -> Option<(&'a str, u64)> {
        let Whose::Transaction(id) = whose else { return None };
        // Most files have none, and then no id is read twice.
        let line = (!self.cut.is_empty()).then(|| self.cut.get(&key(id))).flatten()?;
        Some((id, *line))
    }

    fn close(&mut self) -> Option<Group> {
        let mut group = self.open.take()?;
        group.cut = self.cut.get(&group.key).copied();
        Some(group)
    }
}
