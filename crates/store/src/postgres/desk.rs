//! A connection for what is not the journal itself: made when it is needed, given up when it fails.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::config::PostgresConfig;
use super::lane::Lane;
use super::opening_limit;
use super::schema;
use super::session::{Failure, Link, Refusal};

/// What a desk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Writing: the leader, checked and set like a journal's own connection.
    Writing,
    /// Reading what may lag: any member.
    Reading,
}

pub(super) struct Desk {
    // Before the lane: a connection is closed on the lane's thread.
    link: Mutex<Option<Arc<Link>>>,
    lane: Lane,
    config: PostgresConfig,
    purpose: Purpose,
}

impl Desk {
    pub(super) fn open(config: PostgresConfig, purpose: Purpose) -> std::io::Result<Self> {
        Ok(Self { link: Mutex::new(None), lane: Lane::start()?, config, purpose })
    }

    pub(super) const fn config(&self) -> &PostgresConfig {
        &self.config
    }

    /// One statement with its parameters; `Lost` says nothing about whether it was committed.
    pub(super) fn query(&self, text: &'static str, with: With) -> Result<Vec<Row>, Failure> {
        self.ask(move |link| async move {
            link.warned_since_last();
            let parameters = with.parameters();
            let rows = query(&link.client, text, &parameters).await?;
            if link.warned_since_last() {
                // A cancelled wait for a standby ends in a warning and a success.
                return Err(Failure::Lost("the server warned while it committed".into()));
            }
            Ok(rows)
        })
    }

    fn ask<T, F, Q>(&self, question: Q) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        Q: FnOnce(Arc<Link>) -> F,
    {
        // Held all the while: one question at a time, so that a warning is the question's own.
        let mut kept = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let link = match kept.clone().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => Arc::new(self.connect()?),
        };
        let limit = self.config.deadlines.answer;
        let answer = self.lane.wait(limit, question(Arc::clone(&link)));
        let answer =
            answer.unwrap_or_else(|| Err(Failure::Lost(format!("no answer within `{limit:?}`"))));
        *kept = if let Err(Failure::Lost(_)) = &answer {
            self.config.server.pass_over();
            link.abort();
            None
        } else {
            Some(link)
        };
        answer
    }

    fn connect(&self) -> Result<Link, Failure> {
        let limit = opening_limit(self.config.deadlines);
        let (config, purpose) = (self.config.clone(), self.purpose);
        let link = self.lane.wait(limit, async move {
            let server = match purpose {
                Purpose::Writing => config.server.primary().await,
                Purpose::Reading => config.server.any(),
            };
            let server = server.map_err(Failure::Lost)?;
            let link = config.connector.connect(server).0.await.map_err(Failure::Lost)?;
            let checked = schema::check(&link).await;
            checked.map_err(|error| Failure::Lost(error.to_string()))?;
            if purpose == Purpose::Writing {
                let trusted = link.trust(config.deadlines, config.wanted).await;
                trusted.map_err(|refusal| match refusal {
                    Refusal::Server(why) => Failure::Lost(why.to_string()),
                    Refusal::Failed(failure) => failure,
                })?;
            }
            Ok(link)
        });
        let link = link.unwrap_or_else(|| Err(Failure::Lost(format!("late by `{limit:?}`"))));
        if link.is_err() {
            self.config.server.pass_over();
        }
        link
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

async fn query(
    client: &Client,
    text: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Failure> {
    client.query(text, parameters).await.map_err(|error| Failure::of(&error))
}

/// The parameters of a statement, owned.
pub(super) struct With(pub(super) Vec<Box<dyn ToSql + Sync + Send>>);

impl With {
    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|one| -> &(dyn ToSql + Sync) { &**one }).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let kept = self.link.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = kept.take() {
            link.abort();
        }
    }
}
