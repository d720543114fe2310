//! Keeps the trust lists current: asks each supervisor for its jurisdiction's list and adopts a
//! newer edition as a fact. Signature and version are judged in the writer's turn.

use std::sync::Arc;
use std::time::Duration;

use api::Role;
use client::{Client, Outcome, Outgoing, Peer};
use record::{Signed, TrustList};

use clearing::SettlementWork;

use super::admin;
use super::orders::Clearing;
use crate::roles::Common;

/// Pause between two askings: a new edition is a fact within a second or so.
const PAUSE: Duration = Duration::from_millis(700);
/// Where a supervisor shows its list.
const PATH: &str = "/v1/trust-list";

/// Runs until it is dropped.
pub async fn keep(clearing: Arc<Clearing>, common: Common, client: Client) {
    let supervisors: Vec<Peer> = common
        .peers_of(Role::Supervisor)
        .chain(common.peers_of(Role::Witness))
        .filter_map(|peer| Peer::unverified(&peer.url).ok())
        .collect();
    let mut seen: Vec<Option<Vec<u8>>> = vec![None; supervisors.len()];
    loop {
        for (supervisor, last) in supervisors.iter().zip(&mut seen) {
            if let Some(bytes) = fetch(&client, supervisor).await
                && last.as_ref() != Some(&bytes)
                && adopt(&clearing, &bytes).await
            {
                *last = Some(bytes);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn fetch(client: &Client, supervisor: &Peer) -> Option<Vec<u8>> {
    match client.send_unsigned(supervisor, Outgoing::get(PATH)).await {
        Outcome::Answer(answer) => Some(answer.body.to_vec()),
        Outcome::Refused(_) | Outcome::NotDone(_) | Outcome::Unknown(_) => None,
    }
}

async fn adopt(clearing: &Clearing, bytes: &[u8]) -> bool {
    let list = match Signed::<TrustList>::from_bytes(bytes) {
        Ok(list) => list,
        Err(error) => {
            tracing::warn!(%error, "a trust list does not read");
            return false;
        }
    };
    if let Err(error) =
        admin::submit(clearing, SettlementWork::AdoptTrustList(Box::new(list))).await
    {
        tracing::warn!(%error, "a trust list is not adopted");
        return false;
    }
    clearing.refresh_trust().await.is_ok()
}
