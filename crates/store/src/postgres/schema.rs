//! The tables, made by numbered migrations that are only ever added.
//!
//! Making tables needs rights that a writer should not have: [`super::migrate`] is a step of its
//! own, and opening a journal only looks whether it was done.

use seal::sha256;
use tokio_postgres::{Error, Row};

use super::session::{Failure, Link};

/// All migrations, in order; the first has number 1.
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001_journal.sql"),
    include_str!("migrations/0002_salts_and_leases.sql"),
];
/// Held while migrating, so that two migrators take turns. The number says nothing.
const MIGRATION_LOCK: i64 = 0x7761_796c_6561_7665;

const PREPARE: &str = "
create schema if not exists wayleave_journal;
create table if not exists wayleave_journal.migration (
  number int primary key check (number > 0),
  digest bytea not null check (octet_length(digest) = 32),
  applied_at timestamptz not null default now()
)";
const EXISTS: &str = "select to_regclass('wayleave_journal.migration') is not null";
const APPLIED: &str = "select number, digest from wayleave_journal.migration order by number";
const RECORD: &str = "insert into wayleave_journal.migration (number, digest) values ($1, $2)";

/// Why the tables are not those that this program knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Migrations are missing: migrate first.
    #[error("the database has `{found}` migrations of the journal, expected `{wanted}`: migrate")]
    Behind {
        /// Migrations applied.
        found: usize,
        /// Migrations known.
        wanted: usize,
    },
    /// A newer program migrated.
    #[error("the database has `{found}` migrations of the journal, this program knows `{known}`")]
    Ahead {
        /// Migrations applied.
        found: usize,
        /// Migrations known.
        known: usize,
    },
    /// A migration was applied in another form than this program knows.
    #[error("migration `{number}` of the database is not the one of this program")]
    Differs {
        /// Its number.
        number: usize,
    },
    /// The server refused or was lost.
    #[error("the migrations could not be read or applied: {0}")]
    Failed(String),
}

impl From<Failure> for SchemaError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

fn failed(error: &Error) -> SchemaError {
    Failure::of(error).into()
}

/// Applies what is missing, all or nothing; tells how many.
pub(super) async fn migrate(link: &Link) -> Result<usize, SchemaError> {
    link.run("begin").await?;
    // An error leaves the transaction open; the caller closes the connection, which ends it.
    link.run(&format!("select pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    link.run(PREPARE).await?;
    let found = judge(&applied(link).await?)?;
    for (number, text) in (1_i32..).zip(MIGRATIONS).skip(found) {
        link.run(text).await?;
        let digest = sha256(text.as_bytes());
        let digest = digest.as_bytes().as_slice();
        link.client.execute(RECORD, &[&number, &digest]).await.map_err(|e| failed(&e))?;
    }
    link.run("commit").await?;
    Ok(MIGRATIONS.len().saturating_sub(found))
}

/// Whether exactly the known migrations are applied.
pub(super) async fn check(link: &Link) -> Result<(), SchemaError> {
    let row = link.client.query_one(EXISTS, &[]).await.map_err(|e| failed(&e))?;
    let exists: bool = row.try_get(0).map_err(|e| failed(&e))?;
    let found = if exists { judge(&applied(link).await?)? } else { 0 };
    if found < MIGRATIONS.len() {
        return Err(SchemaError::Behind { found, wanted: MIGRATIONS.len() });
    }
    Ok(())
}

async fn applied(link: &Link) -> Result<Vec<(i32, Vec<u8>)>, SchemaError> {
    let rows = link.client.query(APPLIED, &[]).await.map_err(|e| failed(&e))?;
    let pair = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(|row| pair(row).map_err(|e| failed(&e))).collect()
}

/// How many are applied, when they are the first ones that we know.
fn judge(applied: &[(i32, Vec<u8>)]) -> Result<usize, SchemaError> {
    if applied.len() > MIGRATIONS.len() {
        return Err(SchemaError::Ahead { found: applied.len(), known: MIGRATIONS.len() });
    }
    for (number, ((stored, digest), text)) in (1_usize..).zip(applied.iter().zip(MIGRATIONS)) {
        let same =
            usize::try_from(*stored) == Ok(number) && *digest == sha256(text.as_bytes()).as_bytes();
        if !same {
            return Err(SchemaError::Differs { number });
        }
    }
    Ok(applied.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of each migration as it was when it was added. A line is added with a migration
    /// and never edited.
    const DIGESTS: [&str; 2] = [
        "ff75dee7c3fab24f99ff42e988a6d5dbc5c3eb3a83332ec5d3bd814ff0ffde29",
        "88ca99cb941a3507d9ab4a8babadcbdfb32ba04198522b2f9c57a5fda58caddf",
    ];

    #[test]
    fn migrations_are_only_added() {
        let digests: Vec<String> =
            MIGRATIONS.iter().map(|text| sha256(text.as_bytes()).to_string()).collect();
        assert_eq!(digests, DIGESTS);
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let text = |at: usize| sha256(MIGRATIONS[at].as_bytes()).as_bytes().to_vec();
        assert_eq!(judge(&[]), Ok(0));
        assert_eq!(judge(&[(1, text(0))]), Ok(1));
        assert_eq!(judge(&[(1, text(0)), (2, text(1))]), Ok(2));
        assert_eq!(judge(&[(2, text(0))]), Err(SchemaError::Differs { number: 1 }));
        assert_eq!(judge(&[(1, vec![0; 32])]), Err(SchemaError::Differs { number: 1 }));
        let later = [(1, text(0)), (2, text(1)), (3, text(1))];
        assert_eq!(judge(&later), Err(SchemaError::Ahead { found: 3, known: 2 }));
    }
}
