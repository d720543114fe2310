//! The referral queue of an edge: durable before anything is told of it, and a person's way to it.
//!
//! The file `referrals` holds the chain, entry after entry. What is read at a start is judged by
//! the same rules as what comes in: an edge whose chain is broken does not start. All routes are
//! the institution's operator's alone, counts included: whoever could see how many cases are open
//! would see whether an order opened one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path as FilePath;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use admission::referrals::{Queue, ReferralRefused, Reviewer, Stage, Standing, reviewer_of};
use admission::{Referrals, Referred};
use api::{Caller, Problem, problem, wire};
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use bytes::Bytes;
use record::{
    HitEvidence, ReferralAct, ReferralEntry, ReferralEvent, ReferralEvidence, SEALED_EVIDENCE,
    Signed,
};
use screening::Entry;
use seal::text::to_hex;
use seal::{DataKey, from_canonical, open_with, seal_with, to_canonical};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use terms::{CompanyId, DecisionId, Environment, Instant, InstitutionName};

use super::config::{named, wrong};
use super::disk::{Place, Records, whole_records};
use super::routes::{Answer, Shared, only_operator};
use super::state::{Edge, disk_fault};
use crate::roles::RoleError;
use crate::web::Refuse;

/// The queue's file below an edge's folder.
pub const REFERRALS_FILE: &str = "referrals";
/// The largest file: it is read whole at a start. At 4 KiB a case, some 60,000 cases. Then the
/// queue is full, and everything that would be referred stays refused, with an alarm.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Reviewers of one institution: a department, and its substitutes.
const REVIEWERS_MAX: usize = 100;
/// Cases in one answer, the newest first.
const LIST_MAX: usize = 1_000;
/// The one role there is.
const COMPLIANCE: &str = "compliance";

/// `referrals` in `role.json`: who decides what the rules referred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferralConfig {
    /// The persons.
    pub reviewers: Vec<ReviewerEntry>,
    /// Companies whose payments are looked at, where the pack has a rule for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<String>,
    /// How many orders of a thousand are drawn for a review of quality, where the pack has a rule.
    #[serde(default)]
    pub review_per_mille: u16,
}

/// A person who decides cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewerEntry {
    /// The name, as it is recorded. A person with two keys has two entries of one name.
    pub name: String,
    /// The public key.
    pub key: String,
    /// `compliance`.
    pub role: String,
}

/// What one edge instance has of referrals.
pub(super) struct Desk {
    reviewers: Vec<Reviewer>,
    watched: BTreeSet<CompanyId>,
    review_per_mille: u16,
    store: RwLock<Store>,
}

/// Queue and file.
struct Store {
    records: Records,
    queue: Queue,
    sealed: BTreeMap<DecisionId, Place>,
}

/// Why an event was not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The rules of the queue.
    Refused(ReferralRefused),
    /// The disk.
    Disk(io::Error),
}

impl Desk {
    /// Reads configuration and file; nothing where the institution has no queue.
    pub(super) fn open(
        dir: &FilePath,
        config: Option<&ReferralConfig>,
        (environment, institution): (Environment, InstitutionName),
    ) -> Result<Option<Self>, RoleError> {
        let path = dir.join(REFERRALS_FILE);
        let Some(config) = config else {
            // A queue that was there and is not configured any more would forget what is blocked.
            if path.exists() {
                let reason = "expected, since this edge has a file of referrals";
                return Err(wrong("referrals", reason));
            }
            return Ok(None);
        };
        let reviewers = config.read_reviewers()?;
        let watched = config.watched.iter().map(|one| named("referrals.watched", one));
        let watched = watched.collect::<Result<_, _>>()?;
        let store = Store::open(&path, Queue::new(environment, institution))?;
        let review_per_mille = config.review_per_mille;
        Ok(Some(Self { reviewers, watched, review_per_mille, store: RwLock::new(store) }))
    }

    /// The queue for one decision.
    pub(super) fn read(&self) -> ReadQueue<'_> {
        ReadQueue { desk: self, store: self.store.read().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Takes an event: durable when this returns.
    fn take(&self, event: ReferralEvent, at: Instant) -> Result<(), NotTaken> {
        self.store.write().unwrap_or_else(PoisonError::into_inner).take(event, at)
    }

    /// Takes what a decision asks of the queue, before its answer leaves. `false`: a release that
    /// it counted on has gone meanwhile, and it has to be decided anew.
    pub(super) fn settle(
        &self,
        asked: Referred,
        (decision, data_key): (DecisionId, &DataKey),
        at: Instant,
    ) -> Result<bool, Refuse> {
        let noted = || ReferralEvent::Noted(decision);
        let event = match asked {
            Referred::Uses(used) => ReferralEvent::Used(*used),
            Referred::Noted => noted(),
            Referred::Opens(case, evidence) => {
                let plain = to_canonical(&*evidence);
                let about = case.case.bytes();
                let sealed = seal_with(data_key, SEALED_EVIDENCE, &about, &plain);
                let sealed = sealed.map_err(|_| {
                    Refuse::from(Problem::of(&problem::FAULT).detail("sealing failed"))
                })?;
                ReferralEvent::Opened(case, sealed.into())
            }
        };
        let uses = matches!(event, ReferralEvent::Used(_));
        match self.take(event, at) {
            Ok(()) => Ok(true),
            Err(NotTaken::Disk(error)) => Err(disk_fault(&error)),
            Err(NotTaken::Refused(_)) if uses => Ok(false),
            Err(NotTaken::Refused(refused)) => {
                // It stays refused, as it is; a queue that is full needs somebody at once.
                if matches!(refused, ReferralRefused::Full { .. }) {
                    tracing::error!(%refused, "a referral has no case: ALARM");
                }
                match self.take(noted(), at) {
                    Ok(()) => Ok(true),
                    Err(NotTaken::Disk(error)) => Err(disk_fault(&error)),
                    Err(NotTaken::Refused(_)) => Err(Problem::of(&problem::FAULT).into()),
                }
            }
        }
    }
}

/// The queue while a decision reads it.
pub(super) struct ReadQueue<'a> {
    desk: &'a Desk,
    store: RwLockReadGuard<'a, Store>,
}

impl ReadQueue<'_> {
    pub(super) fn referrals(&self) -> Referrals<'_> {
        Referrals {
            queue: &self.store.queue,
            watched: &self.desk.watched,
            review_per_mille: self.desk.review_per_mille,
        }
    }
}

impl Store {
    fn open(path: &FilePath, queue: Queue) -> Result<Self, RoleError> {
        let world = || RoleError::world(format!("opening `{REFERRALS_FILE}`"));
        let (records, found) = Records::open(path).map_err(world())?;
        let mut store = Self { records, queue, sealed: BTreeMap::new() };
        for (place, bytes) in found {
            let broken = |why: String| {
                RoleError::Unsound(format!("`{}`: {why}; restore it from a copy", path.display()))
            };
            let entry: ReferralEntry =
                from_canonical(&bytes).map_err(|error| broken(error.to_string()))?;
            store.queue.apply(&entry).map_err(|error| broken(error.to_string()))?;
            store.note(&entry, place);
        }
        Ok(store)
    }

    fn take(&mut self, event: ReferralEvent, at: Instant) -> Result<(), NotTaken> {
        let entry = self.queue.next(event, at).map_err(NotTaken::Refused)?;
        let bytes = to_canonical(&entry);
        let opens = matches!(entry.event, ReferralEvent::Opened(..));
        if opens && self.records.end() > FILE_BYTES_MAX {
            let most = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX);
            return Err(NotTaken::Refused(ReferralRefused::Full { what: "bytes", most }));
        }
        let places = self.records.append(&[bytes]).map_err(NotTaken::Disk)?;
        // Durable now. The rules were asked just before, under the same lock.
        self.queue.apply(&entry).map_err(NotTaken::Refused)?;
        for place in places {
            self.note(&entry, place);
        }
        Ok(())
    }

    fn note(&mut self, entry: &ReferralEntry, place: Place) {
        if let ReferralEvent::Opened(case, _) = &entry.event {
            self.sealed.insert(case.case, place);
        }
    }

    fn evidence(&mut self, case: DecisionId) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.sealed.get(&case).copied() else { return Ok(None) };
        let entry: ReferralEntry =
            from_canonical(&self.records.read(place)?).map_err(io::Error::other)?;
        match entry.event {
            ReferralEvent::Opened(_, sealed) => Ok(Some(sealed.to_vec())),
            ReferralEvent::Acted(..) | ReferralEvent::Used(_) | ReferralEvent::Noted(_) => {
                Err(io::Error::other("no case stands where the file says"))
            }
        }
    }
}

impl ReferralConfig {
    /// The persons; no key twice, at least one person.
    pub fn read_reviewers(&self) -> Result<Vec<Reviewer>, RoleError> {
        let mut keys = BTreeSet::new();
        if self.reviewers.is_empty() || self.reviewers.len() > REVIEWERS_MAX {
            let got = self.reviewers.len();
            let reason = format!("expected 1 to {REVIEWERS_MAX} persons, got {got}");
            return Err(wrong("referrals.reviewers", reason));
        }
        if self.review_per_mille > 1_000 {
            let got = self.review_per_mille;
            let reason = format!("expected at most 1000, got {got}");
            return Err(wrong("referrals.review_per_mille", reason));
        }
        let read = |entry: &ReviewerEntry| {
            if entry.role != COMPLIANCE {
                let reason = format!("expected `{COMPLIANCE}`, got `{}`", entry.role);
                return Err(wrong("referrals.reviewers.role", reason));
            }
            let key: seal::PublicKey = named("referrals.reviewers.key", &entry.key)?;
            if entry.name.is_empty() || !keys.insert(entry.key.clone()) {
                let reason = format!("expected a name and a key of its own for `{}`", entry.name);
                return Err(wrong("referrals.reviewers", reason));
            }
            Ok(Reviewer { name: entry.name.clone(), key })
        };
        self.reviewers.iter().map(read).collect()
    }
}

/// The entries of a file of referrals, for whoever audits it. Nothing is changed.
pub fn read_referrals(path: &FilePath) -> io::Result<Vec<ReferralEntry>> {
    let bytes = std::fs::read(path)?;
    let (found, rest) = whole_records(&bytes);
    if rest > 0 {
        return Err(io::Error::other(format!("the last {rest} bytes are no whole entry")));
    }
    found.into_iter().map(|record| from_canonical(record).map_err(io::Error::other)).collect()
}

/// `GET /v1/referrals`.
pub(super) async fn list(State(edge): Shared, Extension(caller): Extension<Caller>) -> Answer {
    let desk = desk_of(&edge, &caller)?;
    let store = desk.store.read().unwrap_or_else(PoisonError::into_inner);
    let now = edge.now();
    let mut all: Vec<&Standing> = store.queue.cases().collect();
    all.sort_by_key(|one| core::cmp::Reverse((one.case.opened_at, one.case.case)));
    let overdue = |one: &&&Standing| one.stage.is_open() && now >= one.case.decide_by;
    let (entries, head) = store.queue.head();
    Ok(Json(json!({
        "open": store.queue.open(),
        "overdue": all.iter().filter(overdue).count(),
        "entries": entries,
        "head": head.to_string(),
        "cases": all.iter().take(LIST_MAX).map(|one| words(one, now)).collect::<Vec<_>>(),
    }))
    .into_response())
}

/// `GET /v1/referrals/{case}`: everything, with what a person signs.
pub(super) async fn show(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    Path(case): Path<String>,
) -> Answer {
    let desk = desk_of(&edge, &caller)?;
    let case: DecisionId = wire::read_text("case", &case)?;
    let mut store = desk.store.write().unwrap_or_else(PoisonError::into_inner);
    let found = store.queue.case(case).cloned().ok_or_else(|| Problem::of(&problem::NOT_FOUND))?;
    let sealed = store.evidence(case).map_err(|error| disk_fault(&error))?;
    drop(store);
    let evidence = sealed.and_then(|sealed| opened(&edge, &found, &sealed));
    let mut told = words(&found, edge.now());
    if let Some(told) = told.as_object_mut() {
        told.insert("document".into(), json!(to_hex(&to_canonical(&found.case))));
        // With the key destroyed the evidence is gone, and so it says.
        told.insert("evidence".into(), evidence.as_ref().map_or(Value::Null, evidence_words));
    }
    Ok(Json(told).into_response())
}

/// `POST /v1/referrals/{case}/acts`: what a person signed.
pub(super) async fn act(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    Path(case): Path<String>,
    body: Bytes,
) -> Answer {
    let case: DecisionId = wire::read_text("case", &case)?;
    desk_of(&edge, &caller)?;
    let signed = Signed::<ReferralAct>::from_bytes(&body).map_err(|error| {
        let problem = Problem::of(&problem::BAD_REQUEST).detail(error.to_string());
        problem.mend("send the act exactly as it was signed")
    })?;
    // Files are waited for outside of the runtime's own threads.
    let told = tokio::task::spawn_blocking(move || {
        let desk = edge.referrals.as_ref().ok_or_else(no_queue)?;
        let claimed = signed.read_unverified().map(|act| act.case);
        if claimed != Ok(case) {
            return Err(refused_words("the act is about another case"));
        }
        let reviewer = reviewer_of(&signed, &desk.reviewers);
        let reviewer = reviewer.map_err(|error| refused_words(&error.to_string()))?;
        let event = ReferralEvent::Acted(signed, reviewer.name.clone(), reviewer.key);
        match desk.take(event, edge.now()) {
            Ok(()) => {}
            Err(NotTaken::Disk(error)) => return Err(disk_fault(&error)),
            Err(NotTaken::Refused(error)) => return Err(refused_words(&error.to_string())),
        }
        let store = desk.store.read().unwrap_or_else(PoisonError::into_inner);
        let standing = store.queue.case(case);
        Ok(standing.map_or(Value::Null, |one| words(one, edge.now())))
    });
    let told = told.await.map_err(|_| Refuse::from(Problem::of(&problem::FAULT)))??;
    Ok(Json(told).into_response())
}

fn desk_of<'a>(edge: &'a Edge, caller: &Caller) -> Result<&'a Desk, Refuse> {
    only_operator(edge, caller)?;
    edge.referrals.as_ref().ok_or_else(no_queue)
}

fn no_queue() -> Refuse {
    let problem = Problem::of(&problem::NOT_FOUND).detail("this edge has no referral queue");
    problem.mend("name `referrals.reviewers` in its `role.json` and start it again").into()
}

fn refused_words(detail: &str) -> Refuse {
    let problem = Problem::of(&problem::REFUSED).detail(detail);
    problem.mend("look at the case again and sign what it says now").into()
}

fn opened(edge: &Edge, standing: &Standing, sealed: &[u8]) -> Option<ReferralEvidence> {
    let key = edge.data_keys().find(standing.case.payment)?;
    let plain = open_with(&key, SEALED_EVIDENCE, &standing.case.case.bytes(), sealed).ok()?;
    from_canonical(&plain).ok()
}

fn words(standing: &Standing, now: Instant) -> Value {
    let Standing { case, stage } = standing;
    let (first, second, used, revoked) = match stage {
        Stage::Open => (None, None, None, false),
        Stage::Proposed(first)
        | Stage::Refused(first)
        | Stage::Blocked(first)
        | Stage::Closed(first) => (Some(first), None, None, false),
        Stage::Lifting(_, lift) => (Some(lift), None, None, false),
        Stage::Released(release) => {
            let used = release.used.as_ref().map(|used| used.payment.to_string());
            (Some(&release.first), release.second.clone(), used, release.revoked)
        }
    };
    json!({
        "case": case.case.to_string(),
        "stage": stage.word(),
        "overdue": stage.is_open() && now >= case.decide_by,
        "payment": case.payment.to_string(),
        "corridor": case.corridor.to_string(),
        "side": case.side.as_str(),
        "owner": case.owner.to_string(),
        "amount": case.amount.to_string(),
        "reasons": case.reasons,
        "hits": case.hits.len(),
        "keys": case.keys,
        "opened_at": case.opened_at.to_string(),
        "decide_by": case.decide_by.to_string(),
        "remember_seconds": case.remember_seconds,
        "act": first.map(|first| first.digest.to_string()),
        "act_document": first.map(|first| to_hex(&first.signed.to_bytes())),
        "verdict": first.map(|first| first.act.verdict.as_str()),
        "by": first.map(|first| first.by.clone()),
        "reason": first.map(|first| first.act.reason.clone()),
        "until": first.and_then(|first| first.act.until).map(|until| until.to_string()),
        "remember_until":
            first.and_then(|first| first.act.remember_until).map(|until| until.to_string()),
        "second": second,
        "used_by": used,
        "revoked": revoked,
    })
}

fn evidence_words(evidence: &ReferralEvidence) -> Value {
    let findings = evidence.findings.iter().map(|one| {
        json!({ "name": one.name, "value": format!("{:?}", one.value), "source": one.source })
    });
    json!({
        "findings": findings.collect::<Vec<_>>(),
        "hits": evidence.hits.iter().map(hit_words).collect::<Vec<_>>(),
    })
}

fn hit_words(one: &HitEvidence) -> Value {
    let entry = from_canonical::<Entry>(&one.entry).ok().map(|entry| {
        json!({
            "id": entry.id, "name": entry.name, "aliases": entry.aliases,
            "dates": entry.dates, "countries": entry.countries, "program": entry.program,
        })
    });
    let aligned = one
        .aligned
        .iter()
        .map(|met| json!({ "party": met.party, "listed": met.listed, "score": met.score }));
    json!({
        "who": one.hit.who.as_str(),
        "identity": one.identity, "name": one.name, "country": one.country,
        "party_digest": one.hit.party.to_string(),
        "list": one.hit.list.name, "version": one.hit.list.version,
        "list_digest": one.hit.list.digest.to_string(),
        "entry_digest": one.hit.entry.to_string(),
        "entry": entry,
        "listed": one.listed, "rule": one.rule, "score": one.score,
        "contradicted": one.contradicted,
        "aligned": aligned.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
