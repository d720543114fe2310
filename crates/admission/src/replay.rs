//! Depth 2 of a replay: from raw inputs, lists and presentation to findings, record and outcome.
//!
//! The same functions run as at the edge (`found_…`, `recorded`), with the recorded instant and
//! nonce as arguments, and what they give is compared with the record item by item. Material that
//! is not there is named by its digest: that is neither a match nor a mismatch. What a replay does
//! not show: that the raw inputs are those which came. That the terms, statements and lists are
//! follows from the record's digests, and that the presentation is from its holder's signature over
//! terms and nonce.
//!
//! INVARIANT (OneWayToFindings): an edge and a replay make findings by the same functions. Guard:
//! there are no others, and `a_decision_of_either_side_replays_from_its_raw_inputs`. Without it a
//! replay would say that two programs agree, and nothing of the edge.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use policy::vocabulary::FINDINGS_LAYER;
use policy::{Pack, ReplayError};
use record::{
    DECISION_VERSION, DecisionRecord, Document, Finding, FindingValue, OutgoingTerms, Side, Signed,
    Snapshot,
};
use screening::LoadedList;
use seal::{
    BoxSecretKey, CanonicalError, Digest, Secret, SigningKey, from_canonical, to_canonical,
};
use terms::CompanyId;
use thiserror::Error;

use crate::decide::{Asked, Found, check_parts, found_creditor, found_debtor, recorded};
use crate::desk::{Desk, Statuses};
use crate::lists::Lists;
use crate::out::found_out;
use crate::raw::{Handed, RawInputs, RawInputsError, token_digest};
use crate::refer::{Ordered, Persons, answered_by};
use crate::ticket::About;

/// The layout of a replay file written today.
pub const FILE_LAYOUT: u16 = 1;
/// Longest replay file, in bytes: two of the longest public lists, and all else is small.
pub const FILE_MAX: usize = 64 << 20;

/// All that a replay from raw inputs needs, but for the pack: for compliance and supervisor only,
/// since its records and presentations are opened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReplayFile {
    /// Layout version, [`FILE_LAYOUT`].
    #[n(0)]
    pub layout: u16,
    /// The decision record's bytes.
    #[n(1)]
    pub record: ByteVec,
    /// The raw inputs' bytes.
    #[n(2)]
    pub inputs: ByteVec,
    /// Snapshot, trust lists, sanctions lists and status lists, as they came.
    #[n(3)]
    pub materials: Materials,
}

/// Bytes by the digest that something names them by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Materials(#[n(0)] pub BTreeMap<Digest, ByteVec>);

impl Materials {
    fn get(&self, digest: Digest) -> Option<&[u8]> {
        self.0.get(&digest).map(|bytes| bytes.as_slice())
    }
}

impl ReplayFile {
    /// Reads a file, within the limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoReplay> {
        if bytes.len() > FILE_MAX {
            return Err(NoReplay::FileTooLong { got: bytes.len() });
        }
        let file: Self = from_canonical(bytes).map_err(NoReplay::File)?;
        if file.layout != FILE_LAYOUT {
            return Err(NoReplay::FileLayout { got: file.layout });
        }
        Ok(file)
    }
}

/// What came of a replay from raw inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundAgain {
    /// The same findings, decision and record.
    Match,
    /// Something differs.
    Mismatch(FirstDifference),
    /// Not everything was there: nothing is said.
    Missing(Vec<Missing>),
}

/// The first thing in which record and replay differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstDifference {
    /// What: `finding mandateLimit`, `quote`, `outcome` …
    pub part: String,
    /// What the record says.
    pub recorded: String,
    /// What the replay says.
    pub replayed: String,
}

impl core::fmt::Display for FirstDifference {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: recorded `{}`, replayed `{}`", self.part, self.recorded, self.replayed)
    }
}

/// Something that a replay needs and has not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// What it is: `snapshot`, `trust:NL`, `sanctions:un`, a status list's URI, `pack`, or
    /// `referrals`, the chain of a queue whose answer was used: no replay has that.
    pub what: String,
    /// Its digest.
    pub digest: Digest,
}

/// Why there is nothing to replay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoReplay {
    /// Longer than the limit.
    #[error("expected a replay file of at most {FILE_MAX} bytes, got {got}")]
    FileTooLong {
        /// How many.
        got: usize,
    },
    /// Not what we write.
    #[error("replay file: {0}")]
    File(CanonicalError),
    /// Another layout.
    #[error("expected a replay file of layout {FILE_LAYOUT}, got {got}")]
    FileLayout {
        /// Which.
        got: u16,
    },
    /// The record.
    #[error(transparent)]
    Record(#[from] ReplayError),
    /// The raw inputs.
    #[error(transparent)]
    Inputs(#[from] RawInputsError),
    /// Lists that were together once, and do not go together.
    #[error("expected lists that go together: {0}")]
    Lists(String),
}

/// Finds and decides again.
pub fn replayed(file: &ReplayFile, pack: &Pack) -> Result<FoundAgain, NoReplay> {
    let record = read_record(&file.record)?;
    let inputs = RawInputs::from_bytes(&file.inputs)?;
    let materials = &file.materials;
    if let Some(difference) = other_inputs(&record, &inputs) {
        return Ok(FoundAgain::Mismatch(difference));
    }
    let at_hand = match gathered(&record, &inputs, materials, pack)? {
        Ok(at_hand) => at_hand,
        Err(missing) => return Ok(FoundAgain::Missing(missing)),
    };
    let again = decided_again(&record, &inputs, &at_hand, pack);
    let difference = match again {
        Ok(again) => first_difference(&record, &again),
        Err(difference) => Some(difference),
    };
    Ok(difference.map_or(FoundAgain::Match, FoundAgain::Mismatch))
}

fn read_record(bytes: &[u8]) -> Result<DecisionRecord, ReplayError> {
    let record: DecisionRecord = from_canonical(bytes)?;
    if record.version != DECISION_VERSION || record.findings_layer != FINDINGS_LAYER {
        return Err(ReplayError::VersionUnknown {
            layout: record.version,
            findings_layer: record.findings_layer,
        });
    }
    Ok(record)
}

/// Whether the inputs are those of this record, as far as it names them.
fn other_inputs(record: &DecisionRecord, inputs: &RawInputs) -> Option<FirstDifference> {
    let side = match inputs.handed {
        Handed::Debtor(..) | Handed::Out(..) => Side::Debtor,
        Handed::Creditor(..) => Side::Creditor,
    };
    let (payment, terms) = inputs.handed.about();
    let statements: Vec<String> = inputs.handed.statements().iter().map(text).collect();
    let named: Vec<String> = record.statements.iter().map(text).collect();
    differ("decision id", text(&record.decision), text(&inputs.decision))
        .or_else(|| differ("payment", text(&record.payment), text(&payment)))
        .or_else(|| differ("payment", text(&record.payment), text(&inputs.payment)))
        .or_else(|| differ("side", text(&record.side), text(&side)))
        .or_else(|| differ("terms", text(&record.terms), text(&terms)))
        .or_else(|| differ("statements", named.join(", "), statements.join(", ")))
        .or_else(|| differ("instant", text(&record.decided_at), text(&inputs.now)))
}

/// All that was named by digest.
struct AtHand {
    lists: Lists,
    tokens: BTreeMap<String, String>,
}

fn gathered(
    record: &DecisionRecord,
    inputs: &RawInputs,
    materials: &Materials,
    pack: &Pack,
) -> Result<Result<AtHand, Vec<Missing>>, NoReplay> {
    let mut missing = Vec::new();
    if record.pack != pack.digest() {
        missing.push(Missing { what: "pack".to_owned(), digest: record.pack });
    }
    if let Some(chain) = answered_by(record) {
        missing.push(Missing { what: chain.name.clone(), digest: chain.digest });
    }
    let mut tokens = BTreeMap::new();
    for list in &inputs.status_lists {
        let bytes = materials.get(list.token).unwrap_or_default();
        let token = core::str::from_utf8(bytes).unwrap_or_default();
        if token_digest(token) == list.token {
            tokens.insert(list.uri.clone(), token.to_owned());
        } else {
            missing.push(Missing { what: list.uri.clone(), digest: list.token });
        }
    }
    let (mut trust, mut sanctions) = (Vec::new(), Vec::new());
    let snapshot = document::<Snapshot>(materials, record.snapshot);
    if snapshot.is_none() {
        missing.push(Missing { what: "snapshot".to_owned(), digest: record.snapshot });
    }
    for list in snapshot.into_iter().flat_map(|snapshot| snapshot.lists) {
        let found = if list.name.starts_with(TRUST) {
            document(materials, list.digest).map(|list| trust.push(list))
        } else {
            document(materials, list.digest).map(|list| sanctions.push(LoadedList::new(list)))
        };
        if found.is_none() {
            missing.push(Missing { what: list.name, digest: list.digest });
        }
    }
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let refused = |error: String| NoReplay::Lists(error);
    // The institution's own jurisdiction stands first in its snapshot.
    let mut trust = trust.into_iter();
    let home = trust.next().ok_or_else(|| refused("no trust list".to_owned()))?;
    let lists = Lists::new(home, trust.collect(), sanctions, record.snapshot)
        .map_err(|error| refused(error.to_string()))?;
    Ok(Ok(AtHand { lists, tokens }))
}

/// The document with this digest. Its signature was checked when it was taken: here its bytes are
/// known by a digest that the record leads to.
fn document<T: Document>(materials: &Materials, digest: Digest) -> Option<T> {
    let signed = Signed::<T>::from_bytes(materials.get(digest)?).ok()?;
    let document = signed.read_unverified().ok()?;
    (signed.digest() == digest).then_some(document)
}

/// The record that the same functions write now.
fn decided_again(
    record: &DecisionRecord,
    inputs: &RawInputs,
    at_hand: &AtHand,
    pack: &Pack,
) -> Result<DecisionRecord, FirstDifference> {
    // Nothing is signed, opened or derived in finding and deciding: keys that are nobody's stand
    // where an edge has its own.
    let (permit_key, statement_key) =
        (SigningKey::from_seed(&[0; 32]), BoxSecretKey::from_seed([0; 32]));
    let secret = Secret::from_bytes([0; 32]);
    let desk = Desk {
        environment: record.environment,
        institution: record.institution,
        corridor: record.corridor,
        side: record.side,
        book: inputs.book,
        url: &inputs.url,
        pack,
        lists: &at_hand.lists,
        permit_key: &permit_key,
        statement_key: &statement_key,
        secret: &secret,
        mandate_month_limit: inputs.mandate_month_limit,
        sandbox: inputs.sandbox.as_ref(),
        now: inputs.now,
    };
    let high_water = inputs.high_water();
    let statuses = Statuses { tokens: &at_hand.tokens, high_water: &high_water };
    let (found, owner, ordered) = found_again(&desk, &inputs.handed, statuses)?;
    let statements = inputs.handed.statements();
    let asked = Asked {
        about: inputs.handed.about(),
        owner,
        statements: &statements,
        ordered,
        decision: record.decision,
        mark: record.edge,
    };
    Ok(recorded(&desk, &asked, &found, &Persons::of_record(record)).record)
}

fn found_again(
    desk: &Desk<'_>,
    handed: &Handed,
    statuses: Statuses<'_>,
) -> Result<(Found, CompanyId, Ordered), FirstDifference> {
    let checked = |about: &About, parts| {
        check_parts(about, parts).map_err(|refused| other("documents", &refused.to_string()))
    };
    Ok(match handed {
        Handed::Debtor(ticket, parts, shown) => {
            let (terms, _) = checked(&ticket.about, parts)?;
            let shown = (shown.vp_token.as_str(), shown.nonce.as_str());
            let found = found_debtor(desk, (ticket, &terms), shown, statuses);
            (found, ticket.owner, Ordered::of(desk.side, &terms))
        }
        Handed::Creditor(ticket, parts) => {
            let (terms, _) = checked(&ticket.about, parts)?;
            let found = found_creditor(desk, (ticket, &terms), statuses);
            (found, ticket.owner, Ordered::of(desk.side, &terms))
        }
        Handed::Out(ticket, text, shown) => {
            let terms = OutgoingTerms::from_terms_string(text)
                .map_err(|error| other("documents", &error.to_string()))?;
            if terms.terms_digest() != ticket.terms {
                return Err(other("documents", "the terms string is not the one of the ticket"));
            }
            let shown = (shown.vp_token.as_str(), shown.nonce.as_str());
            let found = found_out(desk, (ticket, &terms), shown, statuses);
            (found, ticket.owner, Ordered::out(&terms))
        }
    })
}

impl Handed {
    /// The payment and the terms that it is about.
    fn about(&self) -> (terms::PaymentId, Digest) {
        match self {
            Self::Debtor(ticket, ..) => (ticket.about.payment, ticket.about.terms),
            Self::Creditor(ticket, _) => (ticket.about.payment, ticket.about.terms),
            Self::Out(ticket, ..) => (ticket.payment, ticket.terms),
        }
    }

    /// Digests of the statements, as a record holds them.
    fn statements(&self) -> Vec<Digest> {
        let mut both = match self {
            Self::Debtor(ticket, ..) => vec![ticket.sent.digest(), ticket.received.digest()],
            Self::Creditor(ticket, _) => vec![ticket.sent.digest(), ticket.received.digest()],
            Self::Out(..) => vec![],
        };
        both.sort_unstable();
        both.dedup();
        both
    }
}

fn first_difference(a: &DecisionRecord, b: &DecisionRecord) -> Option<FirstDifference> {
    let debug = |part, a: &dyn core::fmt::Debug, b: &dyn core::fmt::Debug| {
        differ(part, format!("{a:?}"), format!("{b:?}"))
    };
    other_finding(&a.findings, &b.findings)
        .or_else(|| differ("determining", a.determining.join(", "), b.determining.join(", ")))
        .or_else(|| debug("outcome", &a.outcome, &b.outcome))
        .or_else(|| differ("errors", a.errors.join("; "), b.errors.join("; ")))
        .or_else(|| debug("reasons", &a.reasons, &b.reasons))
        .or_else(|| debug("duties", &a.duties, &b.duties))
        .or_else(|| debug("limits", &a.limits, &b.limits))
        .or_else(|| debug("lists", &a.lists, &b.lists))
        .or_else(|| differ("engine", a.engine.clone(), b.engine.clone()))
        .or_else(|| differ("bytes", hex(a), hex(b)))
}

fn hex(record: &DecisionRecord) -> String {
    seal::text::to_hex(&to_canonical(record))
}

/// The first finding, by name, that one has and the other has not, or has otherwise.
fn other_finding(a: &[Finding], b: &[Finding]) -> Option<FirstDifference> {
    let by_name = |all: &[Finding]| -> BTreeMap<String, Finding> {
        all.iter().map(|one| (one.name.clone(), one.clone())).collect()
    };
    let (a, b) = (by_name(a), by_name(b));
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().find_map(|name| {
        let (one, two) = (a.get(name), b.get(name));
        (one != two).then(|| FirstDifference {
            part: format!("finding {name}"),
            recorded: shown(one),
            replayed: shown(two),
        })
    })
}

/// A finding's value in words.
fn shown(finding: Option<&Finding>) -> String {
    match finding.map(|finding| &finding.value) {
        None => "nothing".to_owned(),
        Some(FindingValue::Flag(flag)) => flag.to_string(),
        Some(FindingValue::Number(number)) => number.to_string(),
        Some(FindingValue::Text(text)) => text.clone(),
        Some(FindingValue::Texts(texts)) => texts.join(", "),
    }
}

fn differ(part: &str, recorded: String, replayed: String) -> Option<FirstDifference> {
    (recorded != replayed).then(|| FirstDifference { part: part.to_owned(), recorded, replayed })
}

fn other(part: &str, replayed: &str) -> FirstDifference {
    FirstDifference {
        part: part.to_owned(),
        recorded: "as prepared".to_owned(),
        replayed: replayed.to_owned(),
    }
}

fn text<T: core::fmt::Display>(value: &T) -> String {
    value.to_string()
}

/// What names of trust lists begin with in a snapshot.
const TRUST: &str = "trust:";
