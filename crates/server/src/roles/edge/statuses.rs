//! Status lists: fetched from issuers that `role.json` names, kept while their `ttl` allows.
//!
//! What is kept is the token as it came: verification happens in the decision, by signed times. A
//! list older than the one at hand is never taken in its place, and the newest edition that a
//! decision saw is on disk before that decision is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use admission::Statuses;
use client::{Client, Outcome, Outgoing, Peer};
use credential::status::{SeenList, claimed_signature};
use credential::{HighWater, Presentation};
use minicbor::{Decode, Encode};
use record::StatusMark;
use seal::{Digest, from_canonical, to_canonical};
use serde_json::Value;
use terms::Instant;

use super::disk::replace;

/// The status lists of one edge instance.
pub(super) struct StatusKeeper {
    issuers: BTreeMap<String, Peer>,
    cache_seconds: u64,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    tokens: BTreeMap<String, Kept>,
    high_water: HighWater,
    /// What the settlement book knows of our institution's marks.
    known: BTreeMap<String, Instant>,
}

struct Kept {
    token: String,
    fetched_at: Instant,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Mark {
    #[n(0)]
    uri: String,
    #[n(1)]
    issued_at: Instant,
    #[n(2)]
    digest: Digest,
}

impl StatusKeeper {
    /// Reads the marks of earlier runs.
    pub(super) fn open(
        path: &Path,
        issuers: BTreeMap<String, Peer>,
        cache_seconds: u64,
    ) -> std::io::Result<Self> {
        let marks: Vec<Mark> = match std::fs::read(path) {
            Ok(bytes) => from_canonical(&bytes).map_err(std::io::Error::other)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let newest = marks
            .into_iter()
            .map(|mark| (mark.uri, SeenList { issued_at: mark.issued_at, digest: mark.digest }))
            .collect();
        let high_water = HighWater::restore(newest);
        let state =
            Mutex::new(State { tokens: BTreeMap::new(), high_water, known: BTreeMap::new() });
        Ok(Self { issuers, cache_seconds, path: path.to_owned(), state })
    }

    /// Copies for one decision, after those of `uris` were fetched whose copy is missing, older
    /// than its time to live, or older than what another instance saw. What cannot be fetched
    /// stays as it is: its signed age stands in the record, and the pack judges it.
    pub(super) async fn fresh(
        &self,
        client: &Client,
        uris: &BTreeSet<String>,
        now: Instant,
    ) -> AtHand {
        for _ in 0..ROUNDS_MAX {
            self.fetch_due(client, uris, now).await;
            let at_hand = self.at_hand();
            if !uris.iter().any(|uri| at_hand.is_behind(uri)) {
                return at_hand;
            }
        }
        self.at_hand()
    }

    async fn fetch_due(&self, client: &Client, uris: &BTreeSet<String>, now: Instant) {
        for uri in uris {
            if !self.due(uri, now) {
                continue;
            }
            let Some((peer, target)) = self.place(uri) else {
                tracing::warn!(uri, "a status list lies with an authority that is no known issuer");
                continue;
            };
            let outcome = client.send_unsigned(peer, Outgoing::get(&target)).await;
            let Outcome::Answer(answer) = outcome else {
                tracing::warn!(uri, "a status list could not be fetched: the kept one is used");
                continue;
            };
            match core::str::from_utf8(&answer.body) {
                Ok(token) => self.keep(uri, token.trim(), now),
                Err(_) => tracing::warn!(uri, "a status list is no text"),
            }
        }
    }

    fn at_hand(&self) -> AtHand {
        let state = self.lock();
        let tokens = state.tokens.iter().map(|(uri, kept)| (uri.clone(), kept.token.clone()));
        AtHand { tokens: tokens.collect(), high_water: state.high_water.clone() }
    }

    /// Makes marks durable: when this returns, an older list is refused for ever.
    pub(super) fn raise(&self, seen: &HighWater) -> std::io::Result<()> {
        let mut state = self.lock();
        let mut marks = state.high_water.marks().clone();
        for (uri, seen) in seen.marks() {
            let known = marks.get(uri).is_some_and(|known| known.issued_at >= seen.issued_at);
            if !known {
                marks.insert(uri.clone(), *seen);
            }
        }
        if marks == *state.high_water.marks() {
            return Ok(());
        }
        let rows: Vec<Mark> = marks
            .iter()
            .map(|(uri, seen)| Mark {
                uri: uri.clone(),
                issued_at: seen.issued_at,
                digest: seen.digest,
            })
            .collect();
        replace(&self.path, &to_canonical(&rows))?;
        state.high_water = HighWater::restore(marks);
        Ok(())
    }

    /// Takes over what any instance of the institution saw: durable when this returns.
    pub(super) fn learn(&self, marks: &[StatusMark]) -> std::io::Result<()> {
        let of = |mark: &StatusMark| SeenList { issued_at: mark.issued_at, digest: mark.digest };
        let newest = marks.iter().map(|mark| (mark.uri.clone(), of(mark))).collect();
        self.raise(&HighWater::restore(newest))?;
        let known = marks.iter().map(|mark| (mark.uri.clone(), mark.issued_at)).collect();
        self.lock().known = known;
        Ok(())
    }

    /// What the settlement book does not know yet, at most so many.
    pub(super) fn untold(&self, most: usize) -> Vec<StatusMark> {
        let state = self.lock();
        let marks = state.high_water.marks().iter();
        marks
            .filter(|(uri, seen)| state.known.get(*uri).is_none_or(|at| *at < seen.issued_at))
            .take(most)
            .map(|(uri, seen)| StatusMark {
                uri: uri.clone(),
                issued_at: seen.issued_at,
                digest: seen.digest,
            })
            .collect()
    }

    fn due(&self, uri: &str, now: Instant) -> bool {
        let state = self.lock();
        let Some(kept) = state.tokens.get(uri) else { return true };
        if is_behind(&kept.token, &state.high_water, uri) {
            return true;
        }
        let lives = time_to_live(&kept.token).unwrap_or(0).min(self.cache_seconds);
        now.since(kept.fetched_at).as_secs() >= lives
    }

    fn keep(&self, uri: &str, token: &str, now: Instant) {
        let Ok((_, signed_at)) = claimed_signature(token) else {
            tracing::warn!(uri, "a status list cannot be read");
            return;
        };
        let mut state = self.lock();
        let newer = state.tokens.get(uri).and_then(|kept| claimed_signature(&kept.token).ok());
        if newer.is_some_and(|(_, kept)| kept > signed_at) {
            tracing::warn!(uri, %signed_at, "an older status list than the kept one is not taken");
            return;
        }
        if state.tokens.len() >= LISTS_MAX && !state.tokens.contains_key(uri) {
            // A copy that is dropped is fetched again; the marks, which must not be lost, stay.
            let oldest = state.tokens.iter().min_by_key(|(_, kept)| kept.fetched_at);
            let oldest = oldest.map(|(uri, _)| uri.clone());
            oldest.map(|uri| state.tokens.remove(&uri));
        }
        state.tokens.insert(uri.to_owned(), Kept { token: token.to_owned(), fetched_at: now });
    }

    fn place(&self, uri: &str) -> Option<(&Peer, String)> {
        let rest = uri.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/')?;
        Some((self.issuers.get(authority)?, format!("/{path}")))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists and marks of one moment: a decision that took them is not overtaken by a mark which
/// another instance sets meanwhile.
pub(super) struct AtHand {
    tokens: BTreeMap<String, String>,
    high_water: HighWater,
}

impl AtHand {
    /// As decisions take them.
    pub(super) const fn statuses(&self) -> Statuses<'_> {
        Statuses { tokens: &self.tokens, high_water: &self.high_water }
    }

    fn is_behind(&self, uri: &str) -> bool {
        self.tokens.get(uri).is_some_and(|token| is_behind(token, &self.high_water, uri))
    }
}

/// Whether a copy is older than what some instance of the institution saw of its list.
fn is_behind(token: &str, high_water: &HighWater, uri: &str) -> bool {
    let Some(seen) = high_water.marks().get(uri) else { return false };
    claimed_signature(token).is_ok_and(|(_, signed_at)| signed_at < seen.issued_at)
}

/// The status lists that the presentations of a `vp_token` name. Read, not believed: it only says
/// what to fetch, and from known issuers only.
pub(super) fn lists_named_by(vp_token: &str) -> BTreeSet<String> {
    let Ok(Value::Object(token)) = serde_json::from_str::<Value>(vp_token) else {
        return BTreeSet::new();
    };
    token
        .values()
        .take(PRESENTATIONS_MAX)
        .filter_map(|one| Presentation::read(one.as_array()?.first()?.as_str()?).ok())
        .filter_map(|one| Some(one.claimed().status.as_ref()?.uri.clone()))
        .collect()
}

/// A list is asked for so often at most before one decision: an issuer that shows an older list
/// than it showed another instance is not waited for.
const ROUNDS_MAX: usize = 3;
/// Copies kept at a time. A wallet names the lists before anything of it is verified, so their
/// number is bounded; an issuer has a few, and each copy is some kilobytes.
const LISTS_MAX: usize = 64;
/// Presentations looked at in one response: more are refused by verification anyway.
const PRESENTATIONS_MAX: usize = 8;

fn time_to_live(token: &str) -> Option<u64> {
    let payload = seal::text::from_base64url(token.split('.').nth(1)?)?;
    serde_json::from_slice::<Value>(&payload).ok()?.get("ttl")?.as_u64()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use client::{AddressGuard, CLIENT_LIMITS};
    use credential::status::{StatusCheck, StatusListHeading, StatusRefused};
    use credential::{CheckedStatusList, StatusBits, StatusList};
    use seal::{Es256SigningKey, sha256};

    use super::*;
    use crate::web::{LIMITS, Site, serve};

    const LIST: &str = "http://issuer/1";

    fn seen(seconds: u64) -> HighWater {
        let issued_at = Instant::from_seconds(seconds);
        let list = SeenList { issued_at, digest: Digest::ZERO };
        HighWater::restore([(LIST.to_owned(), list)].into())
    }

    fn mark(keeper: &StatusKeeper) -> Option<Instant> {
        keeper.at_hand().high_water.marks().get(LIST).map(|seen| seen.issued_at)
    }

    /// The bound that ADR 0028 names: until it learns, an instance goes by what it saw itself.
    #[test]
    fn what_one_instance_saw_binds_another_from_the_moment_it_learns_it() {
        let folder = std::env::temp_dir().join(format!("wayleave-marks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let open = |name: &str| StatusKeeper::open(&folder.join(name), BTreeMap::new(), 60);
        let (one, other) = (open("one").unwrap(), open("other").unwrap());
        other.raise(&seen(5)).unwrap();
        one.raise(&seen(9)).unwrap();
        let told = one.untold(9);
        assert_eq!(told.len(), 1, "what the book does not know goes out");
        assert_eq!(mark(&other), Some(Instant::from_seconds(5)), "not told yet");
        other.learn(&told).unwrap();
        one.learn(&told).unwrap();
        assert!(one.untold(9).is_empty(), "the book knows");
        other.raise(&seen(7)).unwrap();
        assert_eq!(mark(&other), Some(Instant::from_seconds(9)), "never lower again");
        drop(other);
        let other = open("other").unwrap();
        assert_eq!(mark(&other), Some(Instant::from_seconds(9)), "after a restart, too");
        // A new instance learns before it serves.
        let new = open("new").unwrap();
        new.learn(&told).unwrap();
        assert_eq!(mark(&new), Some(Instant::from_seconds(9)));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// An issuer on a port of its own. It shows one edition after the other, the last for ever.
    struct Issuer {
        uri: String,
        client: Client,
        keeper: StatusKeeper,
        asked: Arc<AtomicUsize>,
        folder: PathBuf,
    }

    fn key() -> Es256SigningKey {
        Es256SigningKey::from_scalar(&[7; 32]).unwrap()
    }

    fn edition(uri: &str, issued: u64) -> String {
        let issued_at = Instant::from_seconds(issued);
        let heading = StatusListHeading {
            uri,
            issuer: "register-nl",
            key_id: "k1",
            issued_at,
            expires_at: issued_at.plus(Duration::from_secs(3_600)),
            time_to_live: Duration::from_secs(600),
        };
        StatusList::new(StatusBits::One, 8).unwrap().publish(&heading, &key()).unwrap()
    }

    /// What another instance saw of an edition.
    fn mark_of(uri: &str, issued: u64) -> StatusMark {
        let digest = sha256(edition(uri, issued).as_bytes());
        StatusMark { uri: uri.to_owned(), issued_at: Instant::from_seconds(issued), digest }
    }

    impl Issuer {
        async fn shows(name: &str, editions: &'static [u64]) -> Self {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
            let uri = format!("http://{authority}/1");
            let asked = Arc::new(AtomicUsize::new(0));
            let (counted, of) = (Arc::clone(&asked), uri.clone());
            let list = move || {
                let turn = counted.fetch_add(1, Ordering::SeqCst).min(editions.len() - 1);
                let token = edition(&of, editions[turn]);
                async move { token }
            };
            let router = Router::new().route("/1", get(list));
            let site = Site { router, limits: LIMITS, signer: None };
            tokio::spawn(serve(listener, site, std::future::pending()));
            let own = format!("wayleave-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(own);
            std::fs::create_dir_all(&folder).unwrap();
            let peer = Peer::unverified(&format!("http://{authority}")).unwrap();
            let issuers = BTreeMap::from([(authority.clone(), peer)]);
            let keeper = StatusKeeper::open(&folder.join("marks"), issuers, 600).unwrap();
            let guard = AddressGuard::public_only().allow(&authority);
            Self { uri, client: Client::new(guard, CLIENT_LIMITS), keeper, asked, folder }
        }

        /// What a decision would make of its list, and how often the issuer was asked for it.
        async fn judged(&self) -> (Result<Instant, StatusRefused>, usize) {
            let now = Instant::from_seconds(200);
            let before = self.asked.load(Ordering::SeqCst);
            let uris = BTreeSet::from([self.uri.clone()]);
            let at_hand = self.keeper.fresh(&self.client, &uris, now).await;
            let asked = self.asked.load(Ordering::SeqCst) - before;
            let age_max = Duration::from_secs(3_600);
            let (key, high_water) = (key().public_key(), &at_hand.high_water);
            let check = StatusCheck { uri: &self.uri, key: &key, now, age_max, high_water };
            let checked = CheckedStatusList::check(&at_hand.tokens[&self.uri], &check);
            (checked.map(|list| list.seen().issued_at), asked)
        }
    }

    impl Drop for Issuer {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[tokio::test]
    async fn a_copy_behind_what_another_instance_saw_is_fetched_again_before_it_judges() {
        let issuer = Issuer::shows("behind", &[100, 101]).await;
        let (at, seen) = (Instant::from_seconds, mark_of(&issuer.uri, 101));
        assert_eq!(issuer.judged().await, (Ok(at(100)), 1));
        assert_eq!(issuer.judged().await, (Ok(at(100)), 0), "a copy within its time to live");
        issuer.keeper.learn(&[seen]).unwrap();
        assert_eq!(issuer.judged().await, (Ok(at(101)), 1), "the newer one, before it judges");
        assert_eq!(issuer.judged().await, (Ok(at(101)), 0));
    }

    #[tokio::test]
    async fn an_issuer_that_shows_the_older_list_once_more_is_asked_again() {
        let issuer = Issuer::shows("once-more", &[100, 100, 101]).await;
        assert_eq!(issuer.judged().await.1, 1);
        issuer.keeper.learn(&[mark_of(&issuer.uri, 101)]).unwrap();
        assert_eq!(issuer.judged().await, (Ok(Instant::from_seconds(101)), 2));
    }

    /// The decision's word for it is `StatusTooOld`: `tests/edge_payment.rs`.
    #[tokio::test]
    async fn an_issuer_that_goes_on_showing_the_older_list_is_refused_and_not_asked_for_ever() {
        let issuer = Issuer::shows("for-ever", &[100]).await;
        assert_eq!(issuer.judged().await.1, 1);
        issuer.keeper.learn(&[mark_of(&issuer.uri, 101)]).unwrap();
        for _ in 0..2 {
            let (refused, asked) = issuer.judged().await;
            assert!(matches!(refused, Err(StatusRefused::OlderThanSeen { .. })), "{refused:?}");
            assert_eq!(asked, ROUNDS_MAX);
        }
    }
}
