//! Facts in words, for exports and receipts.

use std::collections::BTreeMap;

use bookkeeping::{Event, LedgerFact};
use ledger::{Ceiling, Ended, Floor, Opening, Placement, Resolved, Term, Transaction, VoidGround};
use seal::text::to_hex;
use serde_json::{Value, json};
use terms::{AccountId, AssetCode, HoldId, Minor};

use super::ids::Names;
use super::money::decimal;
use super::words;

/// Tells facts in words: remembers what openings and placements said, because later facts name
/// only ids.
#[derive(Default)]
pub(super) struct Teller {
    names: Names,
    assets: BTreeMap<AccountId, AssetCode>,
    holds: BTreeMap<HoldId, AccountId>,
}

impl Teller {
    /// With the names that a folder knows.
    pub(super) fn with(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    pub(super) fn happened(&mut self, fact: &LedgerFact) -> Value {
        match &fact.event {
            Event::Refused(refused) => json!({
                "kind": "refused",
                "tag": match refused.tag {
                    bookkeeping::Tag::Transaction => "transaction",
                    bookkeeping::Tag::Hold => "hold",
                },
                "id": to_hex(&refused.id),
                "rule": refused.rule,
                "text": refused.text,
                "content": refused.content.to_string(),
            }),
            Event::Changed(change) => self.change(change.resolved()),
        }
    }

    /// Decimal where the asset is known, as it is for every account that was opened.
    fn amount(&self, account: AccountId, amount: Minor) -> Value {
        match self.assets.get(&account) {
            Some(asset) => json!({ "amount": decimal(amount, *asset), "asset": asset.to_string() }),
            None => json!({ "minor": amount.to_string() }),
        }
    }

    fn held(&self, hold: HoldId, amount: Minor) -> Value {
        match self.holds.get(&hold) {
            Some(account) => self.amount(*account, amount),
            None => json!({ "minor": amount.to_string() }),
        }
    }

    fn account(&self, account: AccountId) -> Value {
        json!({ "id": account.to_string(), "name": self.names.of(account) })
    }

    fn change(&mut self, change: &Resolved) -> Value {
        match change {
            Resolved::AccountOpened(opening) => self.opened(opening),
            Resolved::LimitsSet { account, floor, ceiling } => json!({
                "kind": "limits_set",
                "account": self.account(*account),
                "floor": self.floor(*account, *floor),
                "ceiling": self.ceiling(*account, *ceiling),
            }),
            Resolved::FreezeSet { account, freeze } => json!({
                "kind": "freeze_set",
                "account": self.account(*account),
                "frozen": words::freeze(*freeze),
            }),
            Resolved::BlockedSet { account, amount } => json!({
                "kind": "blocked_set",
                "account": self.account(*account),
                "blocked": self.amount(*account, *amount),
            }),
            Resolved::AccountClosed { account } => {
                json!({ "kind": "account_closed", "account": self.account(*account) })
            }
            Resolved::HoldPlaced(placement) => self.placed(placement),
            Resolved::HoldPinned { hold } => {
                json!({ "kind": "hold_pinned", "hold": hold.to_string() })
            }
            Resolved::HoldVoided { hold, released, ground } => json!({
                "kind": "hold_voided",
                "hold": hold.to_string(),
                "released": self.held(*hold, *released),
                "ground": match ground {
                    VoidGround::Cancelled => json!("cancelled"),
                    VoidGround::NotDone(not_done) => json!({
                        "source": words::not_done_source(not_done.source),
                        "document": not_done.document.to_string(),
                    }),
                },
            }),
            Resolved::HoldExpired { hold, released } => json!({
                "kind": "hold_expired",
                "hold": hold.to_string(),
                "released": self.held(*hold, *released),
            }),
            Resolved::Posted { transaction, ended, .. } => self.posted(transaction, ended),
        }
    }

    fn opened(&mut self, opening: &Opening) -> Value {
        self.assets.insert(opening.id, opening.asset);
        json!({
            "kind": "account_opened",
            "account": self.account(opening.id),
            "asset": opening.asset.to_string(),
            "normal": opening.normal.name(),
            "owner": words::owner(&opening.owner),
            "purpose": words::purpose(opening.purpose),
            "floor": self.floor(opening.id, opening.floor),
            "ceiling": self.ceiling(opening.id, opening.ceiling),
        })
    }

    fn floor(&self, account: AccountId, floor: Floor) -> Value {
        match floor {
            Floor::MayNotGoBelowZero => json!("zero"),
            Floor::Overdraft(amount) => json!({ "overdraft": self.amount(account, amount) }),
            Floor::Unlimited => json!("none"),
        }
    }

    fn ceiling(&self, account: AccountId, ceiling: Ceiling) -> Value {
        match ceiling {
            Ceiling::At(amount) => self.amount(account, amount),
            Ceiling::Unlimited => json!("none"),
        }
    }

    fn placed(&mut self, placement: &Placement) -> Value {
        self.holds.insert(placement.id, placement.account);
        let until = match placement.term {
            Term::Expiring { at } => Some(at.to_string()),
            Term::Pinned => None,
        };
        json!({
            "kind": "hold_placed",
            "hold": placement.id.to_string(),
            "account": self.account(placement.account),
            "side": placement.side.name(),
            "held": self.amount(placement.account, placement.amount),
            "until": until,
            "business_date": placement.business_date.to_string(),
        })
    }

    fn posted(&self, transaction: &Transaction, ended: &[Ended]) -> Value {
        let entries = transaction.entries.iter().map(|entry| {
            json!({
                "account": self.account(entry.account),
                "side": entry.side.name(),
                "moved": self.amount(entry.account, entry.amount),
                "hold": entry.hold.map(|hold| hold.to_string()),
            })
        });
        let ended = ended.iter().map(|end| {
            json!({
                "hold": end.hold.to_string(),
                "posted": self.held(end.hold, end.posted),
                "released": self.held(end.hold, end.released),
            })
        });
        let effective = transaction.detail.as_ref().and_then(|detail| detail.effective);
        json!({
            "kind": "posted",
            "transaction": transaction.id.to_string(),
            "business_date": transaction.business_date.to_string(),
            "effective": effective.map(|at| at.to_string()),
            "reason": transaction.reason.name(),
            "entries": entries.collect::<Vec<_>>(),
            "holds": ended.collect::<Vec<_>>(),
        })
    }
}
