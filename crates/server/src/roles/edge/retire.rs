//! An instance leaves for good: its folder is drained, its numbers accounted for, its count closed.

use core::time::Duration;
use std::path::PathBuf;

use api::wire::CBOR;
use client::{Outcome, Outgoing};
use record::{EdgeClosing, EdgeMark, Signed};
use terms::{EdgeName, Sequence};

use super::config::Config;
use super::deliver::{Accounted, Delivery, account_once, deliver_one};
use super::outbox::Destination;
use super::state::Edge;
use crate::keys::KeyStore;
use crate::roles::RoleError;

/// An instance that has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Its name.
    pub edge: EdgeName,
    /// The number after its last.
    pub end: Sequence,
}

/// Reads the folder of an instance that runs no more, delivers what it left, and closes its count.
/// To be called again when a destination was away: what is done stays done.
pub async fn retire(dir: PathBuf, config: &Config) -> Result<Retired, RoleError> {
    let keys = KeyStore::open(&dir)?;
    let edge = Edge::open(dir, config, &keys)?;
    let retired = Retired { edge: edge.settings.edge, end: edge.outbox().next_sequence() };
    if edge.outbox().is_closed() {
        return Ok(retired);
    }
    if edge.outbox().joined().is_none() {
        return Err(RoleError::Unsound(format!("`{}` never joined", retired.edge)));
    }
    let mut tries = 0_u32;
    for to in [Destination::Book, Destination::Core] {
        let mut refusals = 0;
        loop {
            match deliver_one(&edge, to, &mut refusals).await {
                Delivery::Nothing => break,
                Delivery::Done => {}
                Delivery::Waits => again(&mut tries, &edge).await?,
            }
        }
    }
    loop {
        match account_once(&edge).await? {
            Accounted::Nothing => break,
            Accounted::Some => {}
            Accounted::Waits => again(&mut tries, &edge).await?,
        }
    }
    close(&edge, retired).await
}

async fn close(edge: &Edge, retired: Retired) -> Result<Retired, RoleError> {
    let settings = &edge.settings;
    let closing = EdgeClosing {
        layout: 1,
        environment: settings.environment,
        institution: settings.institution,
        mark: EdgeMark { edge: retired.edge, sequence: retired.end },
        accounts: edge.outbox().chain(),
    };
    let body = Signed::sign(&closing, &edge.permit_key).to_bytes();
    match edge.to_core(Outgoing::post("/v1/edge-closings", CBOR, body)).await {
        Outcome::Answer(_) => {
            edge.outbox().note_closed().map_err(RoleError::world("writing the outbox"))?;
            Ok(retired)
        }
        Outcome::Refused(problem) => {
            let why = problem.detail.unwrap_or(problem.title);
            Err(RoleError::Unsound(format!("the settlement book does not close it: {why}")))
        }
        Outcome::NotDone(why) => Err(RoleError::Unsound(format!("not closed: {why}"))),
        Outcome::Unknown(why) => {
            Err(RoleError::Unsound(format!("nobody knows whether it is closed, ask again: {why}")))
        }
    }
}

async fn again(tries: &mut u32, edge: &Edge) -> Result<(), RoleError> {
    *tries = tries.saturating_add(1);
    if *tries > TRIES_MAX {
        let left = edge.outbox().undelivered();
        return Err(RoleError::Unsound(format!("{left} items wait for who is away: call again")));
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

const PAUSE: Duration = Duration::from_millis(500);
/// Half a minute: past it the operator is told who is away.
const TRIES_MAX: u32 = 60;
