//! How often each kind of thing happened, so that a history of refusals alone cannot pass, nor one
//! that leaves something out.

use std::collections::BTreeMap;

use ledger::{Command, Freeze, Link, Period, Reason, Refusal, Value, VelocityLimit};
use terms::HoldId;

use crate::reference::{Did, End, Model};

/// Every rule but two, which need sums beyond 128 bits and a hold of 256 parts.
const RULES: [&str; 38] = [
    "IdUsedWithOtherContent",
    "EntriesOutOfRange",
    "LimitsOutOfRange",
    "LinksOutOfRange",
    "MetadataOutOfRange",
    "MetadataTooLarge",
    "MetadataKeysMustDiffer",
    "AmountMustBePositive",
    "WeightMustBePositive",
    "HoldsMustDiffer",
    "LimitsMustDiffer",
    "UnknownAccount",
    "UnknownHold",
    "HoldAlreadyPosted",
    "HoldAlreadyVoided",
    "HoldAlreadyExpired",
    "HoldAlreadyPinned",
    "EvidenceRequired",
    "HoldAccountDiffers",
    "HoldSideDiffers",
    "AmountExceedsHold",
    "RemaindersMustDiffer",
    "SharesMustFaceOneWay",
    "EverythingMustBeBounded",
    "NothingToMove",
    "LimitAssetDiffers",
    "DebitsMustEqualCredits",
    "ExpiryMustBeLater",
    "LimitPeriodOver",
    "LimitPeriodTooFar",
    "AccountClosed",
    "AccountFrozen",
    "InsufficientFunds",
    "CeilingExceeded",
    "VelocityAmountExceeded",
    "VelocityCountExceeded",
    "BalanceOutsideLimits",
    "AccountNotEmpty",
];

const PERIODS: [&str; 4] = ["day", "month", "rolling hours", "rolling days"];

#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) steps: u32,
    pub(crate) expired: u32,
    pub(crate) held_posts: u32,
    pub(crate) kept: u32,
    pub(crate) bulks: u32,
    pub(crate) refused_bulks: u32,
    /// The most entries that one transaction had.
    pub(crate) most: usize,
    counts: BTreeMap<(&'static str, &'static str), u32>,
    /// When each hold was swept, in this history.
    swept: BTreeMap<HoldId, u64>,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { expired, held_posts, kept, bulks, refused_bulks, most, counts, .. } = self;
        write!(
            f,
            "{bulks} of them all or nothing ({refused_bulks} refused); {held_posts} posts of \
             holds, {kept} keep the rest, {expired} holds expired; {most} entries at most; {} \
             kinds of thing",
            counts.len()
        )
    }
}

/// The holds that a command names, by how, and how each stood before it.
pub(crate) type Named = Vec<(&'static str, HoldId, Option<End>)>;

fn kind(command: &Command) -> &'static str {
    match command {
        Command::OpenAccount(_) => "open",
        Command::SetLimits { .. } => "limits",
        Command::SetFreeze { .. } => "freeze",
        Command::SetBlocked { .. } => "block",
        Command::CloseAccount { .. } => "close",
        Command::PlaceHold(_) => "hold",
        Command::PinHold { .. } => "pin",
        Command::VoidHold { .. } => "void",
        Command::ExpireHolds { .. } => "expire",
        Command::Post(_) => "post",
        Command::PostDraft(_) => "draft",
    }
}

fn limits(command: &Command) -> Vec<&VelocityLimit> {
    match command {
        Command::PlaceHold(new) => new.limits.iter().collect(),
        Command::Post(t) => t.claims.iter().map(|claim| &claim.limit).collect(),
        Command::PostDraft(draft) => draft.claims.iter().map(|claim| &claim.limit).collect(),
        Command::OpenAccount(_)
        | Command::SetLimits { .. }
        | Command::SetFreeze { .. }
        | Command::SetBlocked { .. }
        | Command::CloseAccount { .. }
        | Command::PinHold { .. }
        | Command::VoidHold { .. }
        | Command::ExpireHolds { .. } => Vec::new(),
    }
}

fn holds(command: &Command) -> Vec<HoldId> {
    match command {
        Command::PinHold { hold } | Command::VoidHold { hold, .. } => vec![*hold],
        Command::Post(t) => t.entries.iter().filter_map(|entry| entry.hold).collect(),
        Command::PostDraft(draft) => {
            draft.lines.iter().filter_map(|line| line.part).map(|part| part.hold).collect()
        }
        Command::OpenAccount(_)
        | Command::SetLimits { .. }
        | Command::SetFreeze { .. }
        | Command::SetBlocked { .. }
        | Command::CloseAccount { .. }
        | Command::PlaceHold(_)
        | Command::ExpireHolds { .. } => Vec::new(),
    }
}

/// Of a kind of command, which stands for the group of counts of its limits.
fn of_limits(kind: &'static str) -> &'static str {
    match kind {
        "hold" => "limits of a hold",
        "post" => "limits of a post",
        _ => "limits of a draft",
    }
}

impl Seen {
    /// Another history, another past.
    pub(crate) fn begin(&mut self) {
        self.swept.clear();
    }

    fn count(&mut self, group: &'static str, name: &'static str) {
        *self.counts.entry((group, name)).or_default() += 1;
    }

    pub(crate) fn before(&self, _now: u64, command: &Command, model: &Model) -> Named {
        let kind = kind(command);
        let holds = match command {
            Command::ExpireHolds { .. } => model.holds.keys().copied().collect(),
            Command::OpenAccount(_)
            | Command::SetLimits { .. }
            | Command::SetFreeze { .. }
            | Command::SetBlocked { .. }
            | Command::CloseAccount { .. }
            | Command::PlaceHold(_)
            | Command::PinHold { .. }
            | Command::VoidHold { .. }
            | Command::Post(_)
            | Command::PostDraft(_) => holds(command),
        };
        let end = |id: &HoldId| model.holds.get(id).map(|hold| hold.end);
        holds.into_iter().map(|id| (kind, id, end(&id))).collect()
    }

    pub(crate) fn after(
        &mut self,
        now: u64,
        command: &Command,
        said: &Result<Did, Refusal>,
        named: &Named,
        model: &Model,
    ) {
        let kind = kind(command);
        match said {
            Ok(Did::Now) => self.done(now, command, named, model),
            Ok(Did::Before(_)) => self.count("repeated", kind),
            Err(refusal) => self.refused(now, refusal, named),
        }
    }

    fn refused(&mut self, now: u64, refusal: &Refusal, named: &Named) {
        self.count("rule", refusal.rule_name());
        let Refusal::HoldAlreadyExpired { hold } = refusal else { return };
        for (kind, _, end) in named.iter().filter(|(_, id, _)| id == hold) {
            // Before any sweep, its moment alone decides; after one of the same stamp, the sweep.
            match end {
                Some(End::Open(_)) => self.count("late by stamp", kind),
                _ if self.swept.get(hold) == Some(&now) => self.count("swept just before", kind),
                _ => {}
            }
        }
    }

    fn done(&mut self, now: u64, command: &Command, named: &Named, model: &Model) {
        let kind = kind(command);
        self.count("done", kind);
        for limit in limits(command) {
            let period = match limit.period {
                Period::BusinessDay => PERIODS[0],
                Period::Month => PERIODS[1],
                Period::RollingHours(_) => PERIODS[2],
                Period::RollingDays(_) => PERIODS[3],
            };
            self.count(of_limits(kind), period);
        }
        for (_, id, end) in named {
            if model.holds[id].end == End::Expired && *end != Some(End::Expired) {
                self.swept.insert(*id, now);
            }
        }
        match command {
            Command::Post(t) => {
                self.count("reason", t.reason.name());
                self.count("links", t.links.first().map_or("none", link));
                let most = if t.entries.len() == 64 { "64" } else { "fewer" };
                self.count("entries", most);
                if let Some(detail) = &t.detail {
                    if detail.effective.is_some() {
                        self.count("detail", "effective");
                    }
                    if detail.code.is_some() {
                        self.count("detail", "code");
                    }
                    detail.metadata.iter().for_each(|datum| self.count("detail", value(datum)));
                }
            }
            Command::SetFreeze { freeze, .. } => self.count(
                "freeze",
                match freeze {
                    Freeze::Nothing => "nothing",
                    Freeze::Debits => "debits",
                    Freeze::Credits => "credits",
                    Freeze::Both => "both",
                },
            ),
            Command::SetLimits { floor, ceiling, .. } => {
                if *floor == ledger::Floor::Unlimited {
                    self.count("unlimited", "floor");
                }
                if *ceiling == ledger::Ceiling::Unlimited {
                    self.count("unlimited", "ceiling");
                }
            }
            Command::OpenAccount(new) if new.marks.is_some() => self.count("marks", "some"),
            Command::OpenAccount(_)
            | Command::SetBlocked { .. }
            | Command::CloseAccount { .. }
            | Command::PlaceHold(_)
            | Command::PinHold { .. }
            | Command::VoidHold { .. }
            | Command::ExpireHolds { .. }
            | Command::PostDraft(_) => {}
        }
    }

    /// Nothing was left out.
    pub(crate) fn is_everything(&self) {
        let rules = RULES.iter().map(|rule| ("rule", *rule));
        let reasons = Reason::ALL.iter().map(|reason| ("reason", reason.name()));
        let groups: [(&str, &[&str]); 13] = [
            ("limits of a hold", &PERIODS),
            ("limits of a post", &PERIODS),
            ("limits of a draft", &PERIODS),
            ("late by stamp", &["post", "void", "pin", "draft"]),
            ("swept just before", &["post", "void", "pin", "draft"]),
            ("freeze", &["nothing", "debits", "credits", "both"]),
            ("unlimited", &["floor", "ceiling"]),
            ("marks", &["some"]),
            ("links", &["payment", "quote", "returns", "refunds", "corrects", "none"]),
            ("entries", &["64", "fewer"]),
            (
                "detail",
                &["effective", "code", "text", "integer", "bytes", "instant", "amount", "personal"],
            ),
            ("repeated", &["open", "hold", "post", "draft"]),
            (
                "done",
                &[
                    "open", "limits", "freeze", "block", "close", "hold", "pin", "void", "expire",
                    "post", "draft",
                ],
            ),
        ];
        let groups =
            groups.iter().flat_map(|(group, names)| names.iter().map(|name| (*group, *name)));
        let seldom: Vec<_> = rules
            .chain(reasons)
            .chain(groups)
            .map(|key| (key, self.counts.get(&key).copied().unwrap_or(0)))
            .filter(|(_, count)| *count < 100)
            .collect();
        assert!(seldom.is_empty(), "{seldom:?}");
        let done: u32 = self.counts.iter().filter(|((g, _), _)| *g == "done").map(|(_, n)| n).sum();
        assert!(done > 250_000, "{done}");
        assert!(
            self.expired > 8_000 && self.held_posts > 6_000,
            "{} {}",
            self.expired,
            self.held_posts
        );
        assert!(self.kept > 1_000 && self.most == 64, "{} {}", self.kept, self.most);
        assert!(self.bulks > 10_000 && self.refused_bulks < self.bulks * 99 / 100);
    }
}

fn link(link: &Link) -> &'static str {
    match link {
        Link::Payment(_) => "payment",
        Link::Quote(_) => "quote",
        Link::Returns(_) => "returns",
        Link::Refunds(_) => "refunds",
        Link::Corrects(_) => "corrects",
    }
}

fn value(datum: &ledger::Datum) -> &'static str {
    match datum.value {
        Value::Text(_) => "text",
        Value::Integer(_) => "integer",
        Value::Bytes(_) => "bytes",
        Value::Instant(_) => "instant",
        Value::Amount(_) => "amount",
        Value::Personal { .. } => "personal",
    }
}
