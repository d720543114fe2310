//! What clients ask for, and what they remember of the answers.

use std::collections::BTreeMap;

use bookkeeping::{ClientNumber, Effect, Key, LedgerFact, Outcome, Request, What, keys};
use ledger::{
    Ceiling, Command, Entry, Floor, Opening, Owner, Placement, Purpose, Reason, Refusal, Side,
    Term, Transaction, VoidGround,
};
use record::SaltSlot;
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

use crate::Dice;

pub const ACCOUNTS: u64 = 4;

fn account(n: u64) -> AccountId {
    AccountId::from_bytes([u8::try_from(n % ACCOUNTS).unwrap() + 1; 16])
}

fn bytes(n: u64) -> [u8; 16] {
    // Neither rising nor falling, so that runs of ids overlap.
    u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(61).to_be_bytes()
}

pub fn hold(n: u64) -> HoldId {
    HoldId::from_bytes(bytes(n))
}

fn entry(account: AccountId, side: Side, amount: u64, hold: Option<HoldId>) -> Entry {
    Entry { account, side, amount: Minor::new(u128::from(amount)), hold }
}

fn post(n: u64, debit: Entry, credit: Entry) -> Command {
    Command::Post(Transaction {
        id: TransactionId::from_bytes(bytes(n)),
        business_date: BusinessDate::from_days(20_000),
        reason: Reason::Payment,
        entries: [debit, credit].into(),
        claims: Vec::new(),
        links: Vec::new(),
        detail: None,
    })
}

/// The command of that number. `extra` makes it another one under the same id.
pub fn command(n: u64, extra: u64) -> Command {
    if n < ACCOUNTS {
        let (normal, floor) = match n {
            0 => (Side::Debit, Floor::Unlimited),
            _ => (Side::Credit, Floor::MayNotGoBelowZero),
        };
        return Command::OpenAccount(Opening {
            id: account(n),
            asset: "EUR.2@x".parse().unwrap(),
            normal,
            owner: Owner::Institution("bank-nl".parse().unwrap()),
            purpose: Purpose::Customer,
            floor,
            ceiling: Ceiling::Unlimited,
            marks: None,
        });
    }
    let (one, other) = (account(1 + n % 3), account(1 + (n + 1) % 3));
    let amount = 1 + n % 7 + extra;
    match n % 6 {
        // Debits take money out of an account that the book owes; 0 is where it comes from.
        0 | 1 => post(
            n,
            entry(account(0), Side::Debit, 5 + amount, None),
            entry(one, Side::Credit, 5 + amount, None),
        ),
        2 => {
            post(n, entry(one, Side::Debit, amount, None), entry(other, Side::Credit, amount, None))
        }
        3 => Command::PlaceHold(Placement {
            id: hold(n),
            account: one,
            side: Side::Debit,
            amount: Minor::new(u128::from(amount)),
            term: match n % 4 {
                0 => Term::Pinned,
                _ => Term::Expiring { at: Instant::from_nanos(60 + n * 3) },
            },
            business_date: BusinessDate::from_days(20_000),
            limits: Vec::new(),
            links: Vec::new(),
        }),
        // The hold of the number before: same account, one less than it.
        4 => post(
            n,
            entry(account(1 + (n - 1) % 3), Side::Debit, 1 + extra, Some(hold(n - 1))),
            entry(account(0), Side::Credit, 1 + extra, None),
        ),
        _ => Command::VoidHold { hold: hold(n - 2), ground: VoidGround::Cancelled },
    }
}

/// One thing asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub request: Request,
    /// Under which id, where there is one.
    pub key: Option<Key>,
    pub extra: u64,
}

impl Asked {
    pub fn command(n: u64, extra: u64) -> Self {
        let client = ClientNumber(1 + u32::try_from(n % 2).unwrap());
        let command = command(n, extra);
        let key = keys::of_command(client, &command);
        let what = What::Do(command);
        let request = Request { client, slot: SaltSlot(1), what, effect: Effect::Lasting };
        Self { request, key, extra }
    }

    pub fn any(dice: &mut Dice, ids: u64) -> Self {
        let n = dice.below(ids);
        match dice.below(12) {
            0 => {
                let what = What::Do(Command::ExpireHolds { at_most: 3 });
                let client = ClientNumber::BOOK;
                let request = Request { client, slot: SaltSlot(1), what, effect: Effect::Lasting };
                Self { request, key: None, extra: 0 }
            }
            1 | 2 => Self::command(n, 0).into_question(),
            3 => Self::command(n, 100),
            _ => Self::command(n, 0),
        }
    }

    /// Asks only what became of it.
    pub fn into_question(mut self) -> Self {
        if let Some(key) = self.key {
            self.request.what = What::Find(key);
        }
        self
    }

    fn is_question(&self) -> bool {
        matches!(self.request.what, What::Find(_))
    }
}

/// A final answer under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub is_done: bool,
    pub position: Position,
    /// Of which content; unknown when it was learned by a question.
    pub extra: Option<u64>,
}

/// What all clients together remember.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub told: BTreeMap<Key, Told>,
    pub answers: u64,
}

impl Memory {
    /// An answer left the book.
    pub fn learn(
        &mut self,
        asked: &Asked,
        outcome: &Outcome,
        position: Position,
        facts: &[LedgerFact],
    ) -> Result<(), String> {
        self.answers += 1;
        let Some(key) = asked.key else { return Ok(()) };
        let before = self.told.get(&key).copied();
        let extra = (!asked.is_question()).then_some(asked.extra);
        let wrong = |why: &str| Err(format!("{why}: {key:?} {outcome:?}, before {before:?}"));
        let now = match outcome {
            Outcome::Done { .. } => {
                if before.is_some() {
                    return wrong("done twice");
                }
                Told { is_done: true, position, extra }
            }
            Outcome::Repeated { position: None, .. } => return wrong("repeated nowhere"),
            Outcome::Traced { .. } => return wrong("nobody asked where it lies"),
            Outcome::Repeated { position: Some(position), .. } => {
                Told { is_done: true, position: *position, extra }
            }
            Outcome::RefusedBefore { position, .. } => {
                Told { is_done: false, position: *position, extra }
            }
            Outcome::Refused { refusal: Refusal::IdUsedWithOtherContent { .. } } => {
                return match before {
                    Some(Told { extra: Some(known), .. }) if known == asked.extra => {
                        wrong("a conflict with itself")
                    }
                    _ => Ok(()),
                };
            }
            Outcome::Refused { .. } if facts.is_empty() => return wrong("refused without a fact"),
            Outcome::Refused { .. } => {
                if before.is_some() {
                    return wrong("refused after an answer");
                }
                Told { is_done: false, position, extra }
            }
            Outcome::NotDone | Outcome::Together(_) => return wrong("not asked for together"),
            Outcome::Absent => {
                return if before.is_some() { wrong("forgotten") } else { Ok(()) };
            }
        };
        if let Some(before) = before {
            let same_content = match (before.extra, now.extra) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            if !same_content || (before.is_done, before.position) != (now.is_done, now.position) {
                return wrong("another answer");
            }
        }
        let known = before.and_then(|before| before.extra);
        self.told.insert(key, Told { extra: now.extra.or(known), ..now });
        Ok(())
    }
}
