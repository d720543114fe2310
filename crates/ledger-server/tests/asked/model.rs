//! What was done, as a list, and every question answered by walking over it.

use ledger::{
    Ceiling, Command, Detail, Entry, Floor, Link, Opening, Owner, Placement, Purpose, Reason, Side,
    Term, Transaction, VoidGround,
};
use ledger_server::query::{DebitsCredits, EntryFilter};
use seal::to_canonical;
use terms::{
    AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, PaymentId, Position, TransactionId,
};
use wire::{CallOptions, Client, Completion, RequestFlags, Status};

use crate::{Dice, WITHIN};

/// One entry of a transaction that was done.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) account: AccountId,
    pub(crate) position: u64,
    pub(crate) stamp: u64,
    pub(crate) side: Side,
    pub(crate) amount: u128,
    pub(crate) transaction: Transaction,
}

impl Line {
    pub(crate) fn effective(&self) -> u64 {
        let said = self.transaction.detail.as_ref().and_then(|detail| detail.effective);
        said.map_or(self.stamp, Instant::nanos)
    }

    pub(crate) fn fits(&self, filter: &EntryFilter) -> bool {
        let detail = self.transaction.detail.as_ref();
        let (stamp, effective) = (self.stamp, self.effective());
        let date = self.transaction.business_date;
        filter.side.is_none_or(|side| side == self.side)
            && filter.from.is_none_or(|from| stamp >= from.nanos())
            && filter.until.is_none_or(|until| stamp < until.nanos())
            && filter.effective_from.is_none_or(|from| effective >= from.nanos())
            && filter.effective_until.is_none_or(|until| effective < until.nanos())
            && filter.first_date.is_none_or(|first| date >= first)
            && filter.last_date.is_none_or(|last| date <= last)
            && filter.amount_min.is_none_or(|min| self.amount >= min.units())
            && filter.amount_max.is_none_or(|max| self.amount <= max.units())
            && filter.reason.is_none_or(|reason| reason == self.transaction.reason)
            && filter.code.is_none_or(|code| detail.and_then(|d| d.code) == Some(code))
            && filter
                .counterparty
                .is_none_or(|with| self.transaction.entries.iter().any(|e| e.account == with))
    }
}

/// A hold that was placed.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) placement: Placement,
    /// Positions of its facts.
    pub(crate) steps: Vec<u64>,
    /// What came to be held at a position, or ceased to be.
    pub(crate) moves: Vec<(u64, i128)>,
    pub(crate) open: bool,
    pub(crate) placed_at: u64,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) accounts: Vec<Opening>,
    pub(crate) lines: Vec<Line>,
    pub(crate) holds: Vec<Held>,
    pub(crate) transactions: Vec<(u64, Transaction)>,
    pub(crate) payments: Vec<PaymentId>,
    /// Stamp of every fact.
    pub(crate) stamps: Vec<u64>,
}

const ASSETS: [&str; 2] = ["EUR.2@bank", "KWD.3@other"];
const REASONS: [Reason; 3] = [Reason::Payment, Reason::Fee, Reason::Refund];

impl Model {
    /// Opens some accounts.
    pub(crate) fn begin(&mut self, client: &mut Client, dice: &mut Dice) {
        let opening = |dice: &mut Dice| Opening {
            id: AccountId::from_bytes(dice.id()),
            asset: dice.pick(&ASSETS).parse::<AssetCode>().unwrap(),
            normal: dice.pick(&[Side::Debit, Side::Credit]),
            owner: Owner::Institution("bank".parse().unwrap()),
            purpose: Purpose::Control,
            floor: Floor::Unlimited,
            ceiling: Ceiling::Unlimited,
            marks: None,
        };
        self.accounts = (0..7).map(|_| opening(dice)).collect();
        let commands: Vec<Command> =
            self.accounts.iter().cloned().map(Command::OpenAccount).collect();
        for (_, position, stamp) in self.send(client, &commands) {
            assert_eq!(position, self.stamps.len() as u64);
            self.stamps.push(stamp);
        }
    }

    /// One request of a few random commands; what is done is remembered.
    pub(crate) fn step(&mut self, client: &mut Client, dice: &mut Dice) {
        let mut commands = Vec::new();
        let mut used = Vec::new();
        for _ in 0..=dice.below(12) {
            commands.push(self.command(dice, &mut used));
        }
        let results = self.send(client, &commands);
        for (command, (status, position, stamp)) in commands.into_iter().zip(results) {
            match status {
                Status::Done => self.done(&command, position, stamp),
                // Nothing else journals here: no rule can say no but the closing of an ended hold.
                other => panic!("{other:?} of {command:?}"),
            }
        }
    }

    fn send(&self, client: &mut Client, commands: &[Command]) -> Vec<(Status, u64, u64)> {
        let commands: Vec<Vec<u8>> = commands.iter().map(to_canonical).collect();
        let options = CallOptions { flags: RequestFlags::NONE, within: WITHIN };
        let ticket = client.commands(&commands, options).unwrap();
        match client.wait(ticket) {
            Completion::Results(results) => results
                .iter()
                .map(|item| (item.status, item.position.number(), item.stamp.nanos()))
                .collect(),
            other => panic!("{other}"),
        }
    }

    fn command(&self, dice: &mut Dice, used: &mut Vec<HoldId>) -> Command {
        let open: Vec<&Held> =
            self.holds.iter().filter(|h| h.open && !used.contains(&h.placement.id)).collect();
        match dice.below(12) {
            0 | 1 => Command::PlaceHold(self.placement(dice)),
            2 if !open.is_empty() => {
                let hold = dice.pick(&open).placement.id;
                used.push(hold);
                Command::VoidHold { hold, ground: VoidGround::Cancelled }
            }
            3 if !open.is_empty() => {
                let held = dice.pick(&open).placement.clone();
                used.push(held.id);
                let amount = Minor::new(1 + u128::from(dice.next()) % held.amount.units());
                let (account, side) = (held.account, held.side);
                let first = Entry { account, side, amount, hold: Some(held.id) };
                Command::Post(self.transaction(dice, first))
            }
            _ => {
                let account = dice.pick(&self.accounts).id;
                let amount = Minor::new(u128::from(1 + dice.below(5_000)));
                let side = dice.pick(&[Side::Debit, Side::Credit]);
                let first = Entry { account, side, amount, hold: None };
                Command::Post(self.transaction(dice, first))
            }
        }
    }

    fn placement(&self, dice: &mut Dice) -> Placement {
        // Far ahead, so that no sweep comes in between.
        let year = 365 * 86_400 * 1_000_000_000_u64;
        let at = 4_000_000_000_000_000_000 + dice.below(year);
        Placement {
            id: HoldId::from_bytes(dice.id()),
            account: dice.pick(&self.accounts).id,
            side: dice.pick(&[Side::Debit, Side::Credit]),
            amount: Minor::new(u128::from(1 + dice.below(9_000))),
            term: Term::Expiring { at: Instant::from_nanos(at) },
            business_date: self.date(dice),
            limits: Vec::new(),
            links: Vec::new(),
        }
    }

    pub(crate) fn date(&self, dice: &mut Dice) -> BusinessDate {
        BusinessDate::from_days(20_000 + dice.below(6) as u32)
    }

    fn transaction(&self, dice: &mut Dice, first: Entry) -> Transaction {
        let asset = self.opening(first.account).asset;
        let same: Vec<AccountId> =
            self.accounts.iter().filter(|a| a.asset == asset).map(|a| a.id).collect();
        let side = if first.side == Side::Debit { Side::Credit } else { Side::Debit };
        let second = Entry { account: dice.pick(&same), side, hold: None, ..first };
        let payment = match self.payments.is_empty() || dice.one_in(2) {
            true => PaymentId::from_bytes(dice.id()),
            false => dice.pick(&self.payments),
        };
        let now = self.stamps.last().copied().unwrap_or(0);
        let effective = now.saturating_sub(5_000_000_000) + dice.below(10_000_000_000);
        let detail = Detail {
            effective: dice.one_in(2).then(|| Instant::from_nanos(effective)),
            code: dice.one_in(2).then(|| 1 + dice.below(3) as u16),
            metadata: Vec::new(),
        };
        let says = detail.effective.is_some() || detail.code.is_some();
        let mut links: Vec<Link> =
            dice.one_in(3).then_some(Link::Payment(payment)).into_iter().collect();
        if !self.transactions.is_empty() && dice.one_in(6) {
            links.push(Link::Refunds(dice.pick(&self.transactions).1.id));
        }
        Transaction {
            id: TransactionId::from_bytes(dice.id()),
            business_date: self.date(dice),
            reason: dice.pick(&REASONS),
            entries: [first, second].into_iter().collect(),
            claims: Vec::new(),
            links,
            detail: says.then(|| Box::new(detail)),
        }
    }

    fn done(&mut self, command: &Command, position: u64, stamp: u64) {
        assert_eq!(position, self.stamps.len() as u64, "positions are dense");
        self.stamps.push(stamp);
        match command {
            Command::PlaceHold(placement) => self.holds.push(Held {
                placement: placement.clone(),
                steps: vec![position],
                moves: vec![(position, placement.amount.units() as i128)],
                open: true,
                placed_at: stamp,
            }),
            Command::VoidHold { hold, .. } => self.end(*hold, position),
            Command::Post(transaction) => {
                for entry in &transaction.entries {
                    if let Some(hold) = entry.hold {
                        self.end(hold, position);
                    }
                    self.lines.push(Line {
                        account: entry.account,
                        position,
                        stamp,
                        side: entry.side,
                        amount: entry.amount.units(),
                        transaction: transaction.clone(),
                    });
                }
                for link in &transaction.links {
                    if let Link::Payment(payment) = link {
                        self.payments.push(*payment);
                    }
                }
                self.transactions.push((position, transaction.clone()));
            }
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, hold: HoldId, position: u64) {
        let held = self.holds.iter_mut().find(|h| h.placement.id == hold).unwrap();
        held.open = false;
        held.steps.push(position);
        held.moves.push((position, -(held.placement.amount.units() as i128)));
    }

    pub(crate) fn opening(&self, account: AccountId) -> &Opening {
        self.accounts.iter().find(|a| a.id == account).unwrap()
    }

    pub(crate) fn next(&self) -> Position {
        Position::new(self.stamps.len() as u64)
    }

    /// Sums of an account's entries of a kind.
    pub(crate) fn posted(
        &self,
        account: AccountId,
        counts: impl Fn(&Line) -> bool,
    ) -> DebitsCredits {
        let sum = |side| {
            let mine = self.lines.iter().filter(|l| l.account == account && l.side == side);
            Minor::new(mine.filter(|l| counts(l)).map(|l| l.amount).sum())
        };
        DebitsCredits { debits: sum(Side::Debit), credits: sum(Side::Credit) }
    }

    /// What was held on an account before a position.
    pub(crate) fn pending(&self, account: AccountId, before: u64) -> DebitsCredits {
        let sum = |side| {
            let mine = self
                .holds
                .iter()
                .filter(|h| h.placement.account == account && h.placement.side == side);
            let moves = mine.flat_map(|h| &h.moves).filter(|(at, _)| *at < before);
            Minor::new(moves.map(|(_, amount)| *amount).sum::<i128>() as u128)
        };
        DebitsCredits { debits: sum(Side::Debit), credits: sum(Side::Credit) }
    }
}
