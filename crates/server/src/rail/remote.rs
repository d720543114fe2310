//! A rail behind HTTP: the simulator, and whatever speaks as it does.
//!
//! | route | body → answer |
//! |---|---|
//! | `POST /v1/messages` | pacs.008 → pacs.002 of what became of it so far |
//! | `GET /v1/messages/{message_id}` | → pacs.002, or 404 when it is not known |
//! | `GET /v1/incoming?after=N` | → JSON: `run`, and messages with their numbers above N |

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clearing::outside::{Asking, Sending, message_id_of};
use client::{CLIENT_LIMITS, Client, ClientLimits, Outcome, Outgoing, Peer};
use seal::SigningKey;
use serde::{Deserialize, Serialize};
use terms::OutsideId;

use super::messages::report_of;
use super::{Arrived, Prepared, Rail, Verdict};

/// The media type of ISO 20022 messages.
pub const XML: &str = "application/xml";

/// What `GET /v1/incoming` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IncomingPage {
    /// The rail's run: numbers begin again with each.
    pub run: String,
    /// Messages by number.
    pub messages: BTreeMap<u64, String>,
}

/// A process that speaks pacs messages over HTTP.
pub struct RemoteRail {
    client: Client,
    peer: Peer,
    key: SigningKey,
    /// The rail's run, and the last number taken of it.
    seen: Mutex<(String, u64)>,
}

impl std::fmt::Debug for RemoteRail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteRail({})", self.peer.authority())
    }
}

impl RemoteRail {
    /// Calls `peer`, signed with `key`; no answer within `deadline` is *unknown*.
    #[must_use]
    pub fn new(peer: Peer, key: SigningKey, deadline: Duration) -> Self {
        let client = Client::new(peer.guard(), ClientLimits { deadline, ..CLIENT_LIMITS });
        Self { client, peer, key, seen: Mutex::new((String::new(), 0)) }
    }

    async fn page(&self) -> Option<IncomingPage> {
        let (run, after) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let page = self.page_after(after).await?;
        if page.run == run {
            return Some(page);
        }
        let page = self.page_after(0).await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = (page.run.clone(), 0);
        Some(page)
    }

    async fn page_after(&self, after: u64) -> Option<IncomingPage> {
        let target = format!("/v1/incoming?after={after}");
        match self.client.send(&self.peer, Outgoing::get(&target), &self.key).await {
            Outcome::Answer(answer) => serde_json::from_slice(&answer.body).ok(),
            Outcome::Refused(_) | Outcome::NotDone(_) | Outcome::Unknown(_) => None,
        }
    }
}

impl Rail for RemoteRail {
    async fn send(&self, message: &Prepared) -> Sending {
        let request = Outgoing::post("/v1/messages", XML, message.xml.clone());
        match self.client.send(&self.peer, request, &self.key).await {
            Outcome::Answer(answer) => match report_of(&answer.body, message.id) {
                Ok(report) => Sending::Sent(Some(report)),
                Err(error) => Sending::Unknown(error),
            },
            // Another message has this id: it is not for us to say that ours surely was not done.
            Outcome::Refused(problem) if problem.status == 409 => {
                Sending::Unknown(problem.title.to_string())
            }
            Outcome::Refused(problem) => Sending::NotDone(problem.title.to_string()),
            Outcome::NotDone(reason) => Sending::NotDone(reason.to_string()),
            Outcome::Unknown(reason) => Sending::Unknown(reason.to_string()),
        }
    }

    async fn ask(&self, id: OutsideId) -> Asking {
        let target = format!("/v1/messages/{}", message_id_of(id));
        match self.client.send(&self.peer, Outgoing::get(&target), &self.key).await {
            Outcome::Answer(answer) => match report_of(&answer.body, id) {
                Ok(report) => Asking::Status(report),
                Err(error) => Asking::Unknown(error),
            },
            Outcome::Refused(problem) if problem.status == 404 => Asking::NotKnown,
            Outcome::Refused(problem) => Asking::Unknown(problem.title.to_string()),
            Outcome::NotDone(reason) => Asking::Unknown(reason.to_string()),
            Outcome::Unknown(reason) => Asking::Unknown(reason.to_string()),
        }
    }

    async fn incoming(&self) -> Vec<Arrived> {
        let Some(page) = self.page().await else { return Vec::new() };
        let arrived = |(number, text): (u64, String)| Arrived {
            name: number.to_string(),
            bytes: text.into_bytes(),
        };
        page.messages.into_iter().map(arrived).collect()
    }

    async fn taken(&self, arrived: &Arrived, verdict: &Verdict) {
        if let Verdict::Refused(why) = verdict {
            tracing::warn!(number = arrived.name, why, "a message of the rail was refused");
        }
        if let Ok(number) = arrived.name.parse::<u64>() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.1 = seen.1.max(number);
        }
    }
}
