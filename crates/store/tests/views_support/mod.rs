//! A random book, fed to the read models, and a slow model of every question.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking; each test file uses a part"
)]

pub(crate) mod disk;
pub(crate) mod model;

/// The ledger that makes the changes: one that remembers everything.
pub(crate) use ledger::FullLedger as Ledger;

use std::sync::Arc;

use journal::Tip;
use ledger::{
    Ask, Ceiling, Change, Command, Draft, Entry, Floor, HoldState, Line, Link, NotDone,
    NotDoneSource, Opening, Owner, Part, Placement, Purpose, Reason, Resolved, Rest, Side, Term,
    Transaction, VoidGround,
};
use seal::Digest;
use seal::digest::sha256;
use store::views::{Config, Feed, FeedError, HoldStep, Limits, Views};
use terms::{
    AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, PaymentId, Position, TransactionId,
};

use disk::Disk;

/// Random numbers of a seed.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn id(&mut self) -> [u8; 16] {
        let (a, b) = (self.next(), self.next());
        ((u128::from(a) << 64) | u128::from(b)).to_be_bytes()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len() as u64) as usize]) }
    }
}

/// One thing that happened on one account, as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) account: AccountId,
    pub(crate) position: u64,
    pub(crate) stamp: u64,
    /// `None` for an entry.
    pub(crate) step: Option<HoldStep>,
    pub(crate) side: Side,
    pub(crate) amount: u128,
    pub(crate) id: [u8; 16],
    pub(crate) date: u32,
    pub(crate) effective: Option<u64>,
    pub(crate) reason: Reason,
}

/// An open hold, as the model sees it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) placement: Placement,
    pub(crate) term: Term,
    pub(crate) left: u128,
    pub(crate) position: u64,
    pub(crate) stamp: u64,
}

#[derive(Clone)]
struct Fact {
    position: u64,
    stamp: u64,
    effective: Option<u64>,
    change: Change,
}

/// A random book and what its history adds up to.
#[derive(Clone, Default)]
pub(crate) struct Book {
    pub(crate) ledger: Ledger,
    facts: Vec<Fact>,
    /// Ends of batches.
    pub(crate) tips: Vec<Tip>,
    pub(crate) next: u64,
    pub(crate) stamp: u64,
    pub(crate) batch_open: bool,
    pub(crate) accounts: Vec<Opening>,
    pub(crate) holds: Vec<HoldId>,
    pub(crate) transactions: Vec<TransactionId>,
    pub(crate) payments: Vec<PaymentId>,
    pub(crate) happened: Vec<Happened>,
    pub(crate) open: Vec<Held>,
    pub(crate) links: Vec<(Link, u64, TransactionId)>,
    /// Position and stamp of every fact, changes or not.
    pub(crate) stamps: Vec<u64>,
    /// What the read models have seen: before this position, up to this stamp.
    pub(crate) seen: (u64, u64),
    /// Posts that left a rest held.
    pub(crate) kept: u64,
    /// Accounts beyond the first few: in some books everything happens on few accounts.
    pub(crate) accounts_more: usize,
}

impl Book {
    pub(crate) fn date(&self, dice: &mut Dice) -> BusinessDate {
        let today = 20_000 + (self.next / 200) as u32;
        BusinessDate::from_days(match dice.below(10) {
            0 => today - dice.below(30) as u32,
            1 => today + dice.below(3) as u32,
            _ => today,
        })
    }

    fn begin(&mut self, dice: &mut Dice) {
        if !self.batch_open {
            self.batch_open = true;
            self.stamp += 1 + dice.below(1_000_000_000);
        }
    }

    /// Does something at random, if it may be done.
    pub(crate) fn step(&mut self, dice: &mut Dice, feed: &mut Feed) -> Result<(), FeedError> {
        self.begin(dice);
        if dice.one_in(15) {
            // A fact that is no change.
            self.stamps.push(self.stamp);
            self.next += 1;
            return Ok(());
        }
        let Some(command) = self.command(dice) else { return Ok(()) };
        let stamp = Instant::from_nanos(self.stamp);
        let Ok(checked) = self.ledger.check(stamp, &command) else { return Ok(()) };
        let (changes, _) = checked.into_parts();
        for change in changes {
            let effective = match change.resolved() {
                Resolved::Posted { .. } if dice.one_in(4) => {
                    let span = 5_000_000_000;
                    Some((self.stamp + dice.below(2 * span)).saturating_sub(span))
                }
                _ => None,
            };
            self.record(&change, effective);
            self.ledger.apply(stamp, &change);
            let fact = Fact { position: self.next, stamp: self.stamp, effective, change };
            self.stamps.push(self.stamp);
            self.next += 1;
            self.facts.push(fact.clone());
            self.seen = (self.next, self.stamp);
            feed_one(feed, &fact)?;
        }
        Ok(())
    }

    pub(crate) fn end_batch(&mut self, dice: &mut Dice, feed: &mut Feed) -> Result<(), FeedError> {
        self.begin(dice);
        if self.tips.last().map_or(0, |tip| tip.next.number()) == self.next {
            // A batch has at least one fact.
            self.stamps.push(self.stamp);
            self.next += 1;
        }
        self.batch_open = false;
        let digest = sha256(&dice.next().to_be_bytes());
        let stamp = Instant::from_nanos(self.stamp);
        let tip = Tip { next: Position::new(self.next), digest, stamp };
        self.tips.push(tip);
        self.seen = (self.next, self.stamp);
        feed.batch_end(&tip)
    }

    /// Feeds everything again from where the file ends, as after a restart; a batch that is not
    /// ended is lost, as in a journal.
    pub(crate) fn feed_again(&mut self, dice: &mut Dice, feed: &mut Feed) {
        let stored = feed.stored().unwrap();
        let tip = self.tips.iter().find(|tip| tip.next == stored.next).copied();
        let tip = tip.unwrap_or(Tip {
            next: Position::ZERO,
            digest: Digest::ZERO,
            stamp: Instant::EPOCH,
        });
        let mut from = feed.resume(&tip).unwrap().number();
        // A subscriber gets the batch that holds the position before, too, and more if it likes.
        from = from.saturating_sub(dice.below(40));
        let mut tips = self.tips.iter().filter(|tip| tip.next.number() > from).peekable();
        for fact in self.facts.iter().filter(|fact| fact.position >= from) {
            while let Some(tip) = tips.next_if(|tip| tip.next.number() <= fact.position) {
                feed.batch_end(tip).unwrap();
            }
            feed_one(feed, fact).unwrap();
        }
        for tip in tips {
            feed.batch_end(tip).unwrap();
        }
    }

    fn command(&self, dice: &mut Dice) -> Option<Command> {
        let account = dice.pick(&self.accounts).map(|opening| opening.id);
        let hold = dice.pick(&self.holds);
        Some(match dice.below(20) {
            0 | 1 if self.accounts.len() < 3 + self.accounts_more => {
                Command::OpenAccount(self.opening(dice))
            }
            2 | 3 => Command::PlaceHold(self.placement(dice, account?)),
            4 => Command::PinHold { hold: hold? },
            5 => {
                let document = Digest::from_bytes([7; 32]);
                let evidence = NotDone { source: NotDoneSource::TwoPersons, document };
                let ground = VoidGround::NotDone(evidence);
                Command::VoidHold { hold: hold?, ground }
            }
            6 => Command::ExpireHolds { at_most: 1 + dice.below(5) as u32 },
            7..=9 => {
                let whole = self.posting(dice, hold?)?;
                if dice.one_in(2) { keeping(whole) } else { Command::Post(whole) }
            }
            10 if dice.one_in(8) => Command::SetBlocked { account: account?, amount: Minor::ZERO },
            10 if dice.one_in(30) => Command::CloseAccount { account: account? },
            _ => Command::Post(self.transaction(dice, Vec::new())?),
        })
    }

    fn opening(&self, dice: &mut Dice) -> Opening {
        let assets: [AssetCode; 3] =
            ["EUR.2@x", "SGD.2@y", "KWD.3@z"].map(|asset| asset.parse().unwrap());
        let unlimited = !dice.one_in(4);
        Opening {
            id: AccountId::from_bytes(dice.id()),
            asset: dice.pick(&assets).unwrap(),
            normal: if unlimited { Side::Debit } else { Side::Credit },
            owner: Owner::Institution("bank".parse().unwrap()),
            purpose: if unlimited { Purpose::Control } else { Purpose::Settlement },
            floor: if unlimited { Floor::Unlimited } else { Floor::MayNotGoBelowZero },
            ceiling: Ceiling::Unlimited,
            marks: None,
        }
    }

    fn amount(dice: &mut Dice) -> u128 {
        match dice.below(20) {
            0 => u128::from(dice.next()) + u128::from(u64::MAX / 2),
            1 => u128::from(dice.next()) << 34,
            2 => u128::from(u64::MAX),
            _ => 1 + u128::from(dice.below(100_000)),
        }
    }

    fn placement(&self, dice: &mut Dice, account: AccountId) -> Placement {
        let term = if dice.one_in(6) {
            Term::Pinned
        } else {
            Term::Expiring { at: Instant::from_nanos(self.stamp + 1 + dice.below(20_000_000_000)) }
        };
        Placement {
            id: HoldId::from_bytes(dice.id()),
            account,
            side: if dice.one_in(3) { Side::Credit } else { Side::Debit },
            amount: Minor::new(Self::amount(dice)),
            term,
            business_date: self.date(dice),
            limits: vec![],
            links: vec![],
        }
    }

    /// Posts a hold, wholly or in part, against some other account.
    fn posting(&self, dice: &mut Dice, hold: HoldId) -> Option<Transaction> {
        let known = self.ledger.hold(hold)?;
        if !matches!(known.state(), HoldState::Open(_)) {
            return None;
        }
        let placement = known.placement();
        let amount = known.remaining().units();
        let amount = if dice.one_in(2) { amount } else { 1 + amount / 3 };
        let entry = Entry {
            account: placement.account,
            side: placement.side,
            amount: Minor::new(amount),
            hold: Some(hold),
        };
        self.transaction(dice, vec![entry])
    }

    /// A transaction of some pairs, each balanced in itself, beside the given entries, which are
    /// balanced too.
    fn transaction(&self, dice: &mut Dice, given: Vec<Entry>) -> Option<Transaction> {
        let mut entries = given;
        let alone = entries.first().copied();
        let pairs = if dice.one_in(30) { 1 + dice.below(25) } else { 1 + dice.below(3) };
        let mut firsts: Vec<Entry> = alone.into_iter().collect();
        while firsts.len() < pairs as usize {
            let account = dice.pick(&self.accounts)?.id;
            let side = if dice.one_in(2) { Side::Debit } else { Side::Credit };
            let amount = Minor::new(Self::amount(dice));
            let entry = Entry { account, side, amount, hold: None };
            entries.push(entry);
            firsts.push(entry);
        }
        for first in firsts {
            let asset = self.ledger.account(first.account)?.opening().asset;
            let others: Vec<AccountId> =
                self.accounts.iter().filter(|a| a.asset == asset).map(|a| a.id).collect();
            let side = if first.side == Side::Debit { Side::Credit } else { Side::Debit };
            entries.push(Entry { account: dice.pick(&others)?, side, hold: None, ..first });
        }
        let reasons = [Reason::Payment, Reason::Fee, Reason::Funding, Reason::Refund];
        Some(Transaction {
            id: TransactionId::from_bytes(dice.id()),
            business_date: self.date(dice),
            reason: if dice.one_in(3) { dice.pick(&reasons)? } else { Reason::Payment },
            entries: entries.into_iter().collect(),
            claims: vec![],
            links: self.some_links(dice),
            detail: None,
        })
    }

    fn some_links(&self, dice: &mut Dice) -> Vec<Link> {
        let mut links = Vec::new();
        if dice.one_in(3) {
            let known = dice.pick(&self.payments).filter(|_| !dice.one_in(3));
            links.push(Link::Payment(known.unwrap_or(PaymentId::from_bytes(dice.id()))));
        }
        if dice.one_in(9)
            && let Some(other) = dice.pick(&self.transactions)
        {
            links.push(Link::Returns(other));
        }
        links
    }

    /// The model's own reading of a change, made before the ledger applies it.
    fn record(&mut self, change: &Change, effective: Option<u64>) {
        let (position, stamp) = (self.next, self.stamp);
        match change.resolved() {
            Resolved::AccountOpened(opening) => self.accounts.push(*opening),
            Resolved::HoldPlaced(placement) => {
                let term = placement.term;
                let left = placement.amount.units();
                let held = Held { placement: placement.clone(), term, left, position, stamp };
                self.hold_step(&held, HoldStep::Placed(term), placement.amount.units());
                self.holds.push(placement.id);
                self.open.push(held);
            }
            Resolved::HoldPinned { hold } => {
                let at = self.open.iter().position(|h| h.placement.id == *hold).unwrap();
                self.open[at].term = Term::Pinned;
                let held = self.open[at].clone();
                self.hold_step(&held, HoldStep::Pinned, 0);
            }
            Resolved::HoldVoided { hold, .. } => self.end(*hold, HoldStep::Voided),
            Resolved::HoldExpired { hold, .. } => self.end(*hold, HoldStep::Expired),
            Resolved::Posted { transaction, ended, .. } => {
                for end in ended {
                    let gone = end.posted.units() + end.released.units();
                    let held = self.open.iter_mut().find(|h| h.placement.id == end.hold).unwrap();
                    held.left -= gone;
                    self.kept += u64::from(held.left > 0);
                    let held = held.clone();
                    self.hold_step(&held, HoldStep::Posted, gone);
                    self.open.retain(|h| h.left > 0);
                }
                for entry in &transaction.entries {
                    self.happened.push(Happened {
                        account: entry.account,
                        position,
                        stamp,
                        step: None,
                        side: entry.side,
                        amount: entry.amount.units(),
                        id: transaction.id.bytes(),
                        date: transaction.business_date.days(),
                        effective,
                        reason: transaction.reason,
                    });
                }
                self.transactions.push(transaction.id);
                for link in &transaction.links {
                    if let Link::Payment(payment) = link {
                        self.payments.push(*payment);
                    }
                    self.links.push((*link, position, transaction.id));
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, hold: HoldId, step: HoldStep) {
        let at = self.open.iter().position(|h| h.placement.id == hold).unwrap();
        let held = self.open.remove(at);
        self.hold_step(&held, step, held.left);
    }

    fn hold_step(&mut self, held: &Held, step: HoldStep, amount: u128) {
        self.happened.push(Happened {
            account: held.placement.account,
            position: self.next,
            stamp: self.stamp,
            step: Some(step),
            side: held.placement.side,
            amount,
            id: held.placement.id.bytes(),
            date: held.placement.business_date.days(),
            effective: None,
            reason: Reason::Payment,
        });
    }
}

/// The same as a draft that keeps the rest of each hold.
fn keeping(of: Transaction) -> Command {
    let part = |hold| Part { hold, rest: Rest::Kept };
    let line = |entry: &Entry| Line {
        account: entry.account,
        side: entry.side,
        ask: Ask::Exact(entry.amount),
        part: entry.hold.map(part),
    };
    let lines = of.entries.iter().map(line).collect();
    let Transaction { id, business_date, reason, claims, links, detail, .. } = of;
    Command::PostDraft(Draft { id, business_date, reason, lines, claims, links, detail })
}

fn feed_one(feed: &mut Feed, fact: &Fact) -> Result<(), FeedError> {
    let (position, stamp) = (Position::new(fact.position), Instant::from_nanos(fact.stamp));
    match fact.effective {
        None => feed.take(position, stamp, &fact.change),
        Some(at) => feed.take_effective(position, stamp, Instant::from_nanos(at), &fact.change),
    }
}

/// A book of some shape.
pub(crate) fn book(dice: &mut Dice) -> Book {
    let accounts_more = if dice.one_in(3) { 0 } else { dice.below(57) as usize };
    Book { accounts_more, ..Book::default() }
}

/// Limits so small that everything happens often.
pub(crate) fn config(dice: &mut Dice) -> Config {
    let spread = if dice.one_in(3) { 5 } else { 400 };
    let small = Limits {
        items: 1 + dice.below(spread) as usize,
        events: 1 + dice.below(spread) as usize,
        holds: 1 + dice.below(50) as usize,
        moments: 1 + dice.below(40) as usize,
        links: 5 + dice.below(50) as usize,
        scan: 10 + dice.below(500) as usize,
        block_bytes: 200 + dice.below(2000) as usize,
    };
    Config { limits: small, cache_bytes: 1 << 20, seed: dice.next() }
}

pub(crate) fn open(disk: &Disk, config: &Config) -> (Feed, Arc<Views>) {
    Views::open_backend(disk.clone(), config).unwrap()
}
