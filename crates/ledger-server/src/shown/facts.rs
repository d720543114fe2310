//! A fact as JSON: what was decided, whole.

use std::collections::BTreeMap;

use bookkeeping::Tag;
use ledger::{
    Ceiling, Ended, Entry, Floor, Freeze, Link, NotDoneSource, Opening, Owner, Placement, Purpose,
    Resolved, Transaction, Value as Datum, VoidGround,
};
use seal::text::to_hex;
use serde_json::{Map, Value, json};
use terms::{AccountId, AssetCode, HoldId, Minor};

use super::{Asset, amount, moment, term};
use crate::contents::{FactLine, FactSaid};

/// On which account each hold of these facts lies, where they say so.
pub type Placements = BTreeMap<HoldId, AccountId>;

/// What placements and postings say of where holds lie.
pub(super) fn placements(facts: &[FactLine]) -> Placements {
    let mut placed = Placements::new();
    for line in facts {
        match changed(line) {
            Some(Resolved::HoldPlaced(placement)) => {
                placed.insert(placement.id, placement.account);
            }
            Some(Resolved::Posted { transaction, .. }) => {
                let of = |entry: &Entry| Some((entry.hold?, entry.account));
                placed.extend(transaction.entries.iter().filter_map(of));
            }
            _ => {}
        }
    }
    placed
}

const fn changed(line: &FactLine) -> Option<&Resolved> {
    match &line.said {
        FactSaid::Changed(change) => Some(change.resolved()),
        FactSaid::Refused(_) => None,
    }
}

/// The accounts that a fact names.
pub(super) fn accounts(line: &FactLine) -> Vec<AccountId> {
    match changed(line) {
        Some(Resolved::AccountOpened(opening)) => vec![opening.id],
        Some(
            Resolved::LimitsSet { account, .. }
            | Resolved::FreezeSet { account, .. }
            | Resolved::BlockedSet { account, .. }
            | Resolved::AccountClosed { account },
        ) => vec![*account],
        Some(Resolved::HoldPlaced(placement)) => vec![placement.account],
        Some(Resolved::Posted { transaction, .. }) => {
            transaction.entries.iter().map(|entry| entry.account).collect()
        }
        Some(
            Resolved::HoldPinned { .. }
            | Resolved::HoldVoided { .. }
            | Resolved::HoldExpired { .. },
        )
        | None => Vec::new(),
    }
}

/// A fact: position, stamp, client, `kind` and what that kind says.
#[must_use]
pub fn fact(line: &FactLine, placed: &Placements, asset: Asset<'_>) -> Value {
    let mut fields = Map::new();
    fields.insert("position".into(), json!(line.position.number()));
    fields.insert("stamp".into(), json!(moment(line.stamp)));
    fields.insert("client".into(), json!(line.client.0));
    let said = match &line.said {
        FactSaid::Changed(change) => Teller { placed, asset }.change(change.resolved()),
        FactSaid::Refused(refused) => json!({
            "kind": "refused",
            "names": match refused.tag {
                Tag::Transaction => "transaction",
                Tag::Hold => "hold",
            },
            "id": to_hex(&refused.id),
            "rule": refused.rule,
            "text": refused.text,
            "content": refused.content.to_string(),
        }),
    };
    if let Value::Object(said) = said {
        fields.extend(said);
    }
    Value::Object(fields)
}

struct Teller<'a> {
    placed: &'a Placements,
    asset: Asset<'a>,
}

impl Teller<'_> {
    fn of(&self, account: AccountId, minor: Minor) -> Value {
        amount(minor, (self.asset)(account))
    }

    fn held(&self, hold: HoldId, minor: Minor) -> Value {
        amount(minor, self.placed.get(&hold).and_then(|account| (self.asset)(*account)))
    }

    fn change(&self, change: &Resolved) -> Value {
        match change {
            Resolved::AccountOpened(opening) => opened(opening),
            Resolved::LimitsSet { account, floor, ceiling } => json!({
                "kind": "limits_set",
                "account": account.to_string(),
                "floor": limit_floor(*floor, (self.asset)(*account)),
                "ceiling": limit_ceiling(*ceiling, (self.asset)(*account)),
            }),
            Resolved::FreezeSet { account, freeze } => json!({
                "kind": "freeze_set",
                "account": account.to_string(),
                "freeze": match freeze {
                    Freeze::Nothing => "nothing",
                    Freeze::Debits => "debits",
                    Freeze::Credits => "credits",
                    Freeze::Both => "both",
                },
            }),
            Resolved::BlockedSet { account, amount } => json!({
                "kind": "blocked_set",
                "account": account.to_string(),
                "blocked": self.of(*account, *amount),
            }),
            Resolved::AccountClosed { account } => {
                json!({ "kind": "account_closed", "account": account.to_string() })
            }
            Resolved::HoldPlaced(placement) => self.placement(placement),
            Resolved::HoldPinned { hold } => {
                json!({ "kind": "hold_pinned", "hold": hold.to_string() })
            }
            Resolved::HoldVoided { hold, released, ground } => json!({
                "kind": "hold_voided",
                "hold": hold.to_string(),
                "released": self.held(*hold, *released),
                "ground": void_ground(ground),
            }),
            Resolved::HoldExpired { hold, released } => json!({
                "kind": "hold_expired",
                "hold": hold.to_string(),
                "released": self.held(*hold, *released),
            }),
            Resolved::Posted { transaction, ended, asked } => {
                let mut posted = self.transaction(transaction, ended);
                if let (Some(fields), Some(asked)) = (posted.as_object_mut(), asked) {
                    fields.insert("asked".into(), json!(asked.to_string()));
                }
                posted
            }
        }
    }

    fn placement(&self, placement: &Placement) -> Value {
        json!({
            "kind": "hold_placed",
            "hold": placement.id.to_string(),
            "account": placement.account.to_string(),
            "side": placement.side.name(),
            "held": self.of(placement.account, placement.amount),
            "expires_at": term(placement.term),
            "business_date": placement.business_date.to_string(),
            "links": placement.links.iter().map(link).collect::<Vec<_>>(),
        })
    }

    fn transaction(&self, transaction: &Transaction, ended: &[Ended]) -> Value {
        let entries = transaction.entries.iter().map(|entry| {
            json!({
                "account": entry.account.to_string(),
                "side": entry.side.name(),
                "moved": self.of(entry.account, entry.amount),
                "hold": entry.hold.map(|hold| hold.to_string()),
            })
        });
        let on = |hold: HoldId| {
            let entry = transaction.entries.iter().find(|entry| entry.hold == Some(hold));
            entry.and_then(|entry| (self.asset)(entry.account))
        };
        let ended = ended.iter().map(|end| {
            json!({
                "hold": end.hold.to_string(),
                "posted": amount(end.posted, on(end.hold)),
                "released": amount(end.released, on(end.hold)),
                "kept": end.kept.map(|kept| amount(kept, on(end.hold))),
            })
        });
        let claims = transaction.claims.iter().map(|claim| {
            json!({ "key": claim.limit.key.0.to_string(), "counts": amount(claim.amount, Some(claim.limit.asset)) })
        });
        let detail = transaction.detail.as_ref();
        let metadata = detail.map(|detail| detail.metadata.as_slice()).unwrap_or_default();
        let metadata: Vec<Value> = metadata
            .iter()
            .map(|datum| json!({ "key": datum.key.as_str(), "value": value(&datum.value) }))
            .collect();
        json!({
            "kind": "posted",
            "transaction": transaction.id.to_string(),
            "business_date": transaction.business_date.to_string(),
            "effective": detail.and_then(|detail| detail.effective).map(moment),
            "reason": transaction.reason.name(),
            "code": detail.and_then(|detail| detail.code),
            "entries": entries.collect::<Vec<_>>(),
            "holds": ended.collect::<Vec<_>>(),
            "links": transaction.links.iter().map(link).collect::<Vec<_>>(),
            "claims": claims.collect::<Vec<_>>(),
            "metadata": metadata,
        })
    }
}

fn link(link: &Link) -> Value {
    match link {
        Link::Payment(id) => json!({ "payment": id.to_string() }),
        Link::Quote(id) => json!({ "quote": id.to_string() }),
        Link::Returns(id) => json!({ "returns": id.to_string() }),
        Link::Refunds(id) => json!({ "refunds": id.to_string() }),
        Link::Corrects(id) => json!({ "corrects": id.to_string() }),
    }
}

fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Text(text) => json!({ "text": text }),
        Datum::Integer(number) => json!({ "integer": number.to_string() }),
        Datum::Bytes(bytes) => json!({ "bytes": to_hex(bytes) }),
        Datum::Instant(at) => json!({ "instant": moment(*at) }),
        Datum::Amount(of) => amount(of.minor, Some(of.asset)),
        Datum::Personal { key_slot, sealed } => {
            json!({ "personal": { "key_slot": key_slot, "sealed": to_hex(sealed) } })
        }
    }
}

fn void_ground(ground: &VoidGround) -> Value {
    match ground {
        VoidGround::Cancelled => json!("cancelled"),
        VoidGround::NotDone(not_done) => json!({
            "source": match not_done.source {
                NotDoneSource::RailRefused => "rail_refused",
                NotDoneSource::NeverSent => "never_sent",
                NotDoneSource::TwoPersons => "two_persons",
                NotDoneSource::OnePerson => "one_person",
            },
            "document": not_done.document.to_string(),
        }),
    }
}

fn limit_floor(floor: Floor, asset: Option<AssetCode>) -> Value {
    match floor {
        Floor::MayNotGoBelowZero => json!("zero"),
        Floor::Overdraft(minor) => json!({ "overdraft": amount(minor, asset) }),
        Floor::Unlimited => json!("unlimited"),
    }
}

fn limit_ceiling(ceiling: Ceiling, asset: Option<AssetCode>) -> Value {
    match ceiling {
        Ceiling::At(minor) => amount(minor, asset),
        Ceiling::Unlimited => json!("unlimited"),
    }
}

fn opened(opening: &Opening) -> Value {
    let asset = Some(opening.asset);
    let owner = match opening.owner {
        Owner::Company(id) => json!({ "company": id.as_str() }),
        Owner::Institution(name) => json!({ "institution": name.as_str() }),
    };
    let marks = opening.marks.as_ref();
    let tags: Option<Vec<String>> =
        marks.map(|marks| marks.tags.iter().map(|tag| tag.as_str().to_owned()).collect());
    json!({
        "kind": "account_opened",
        "account": opening.id.to_string(),
        "asset": opening.asset.as_str(),
        "normal": opening.normal.name(),
        "owner": owner,
        "purpose": match opening.purpose {
            Purpose::Customer => "customer",
            Purpose::Settlement => "settlement",
            Purpose::Control => "control",
            Purpose::Fee => "fee",
            Purpose::Suspense => "suspense",
            Purpose::BlockedFunds => "blocked_funds",
            Purpose::DueTo => "due_to",
            Purpose::DueFrom => "due_from",
            Purpose::Transit => "transit",
        },
        "floor": limit_floor(opening.floor, asset),
        "ceiling": limit_ceiling(opening.ceiling, asset),
        "code": marks.and_then(|marks| marks.code),
        "tags": tags.unwrap_or_default(),
    })
}
