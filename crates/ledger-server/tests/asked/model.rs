//! What was done, as a list, and every question answered by walking over it.

use ledger::{
    Ask, Ceiling, Command, Detail, Draft, Entry, Floor, Line as DraftLine, Link, NotDone,
    NotDoneSource, Opening, Owner, Part, Placement, Purpose, Reason, Rest, Side, Term, Transaction,
    VoidGround,
};
use ledger_server::contents::FactSaid;
use ledger_server::query::{DebitsCredits, EntryFilter, Step};
use ledger_server::{Query, Said};
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
    /// Position of each of its facts, and how much came to be held or ceased to be.
    pub(crate) steps: Vec<(u64, Step, u128)>,
    pub(crate) term: Term,
    pub(crate) left: u128,
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
    /// Transactions that name an account that is none.
    pub(crate) refused: Vec<(u64, TransactionId)>,
    /// What was sent and done, to be sent again.
    pub(crate) sent: Vec<(u64, Command)>,
    /// How often each thing was done or asked.
    pub(crate) counts: std::collections::BTreeMap<&'static str, u64>,
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

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// One request of a few random commands; what is done is remembered.
    pub(crate) fn step(&mut self, client: &mut Client, dice: &mut Dice) {
        self.step_of(client, dice, 12);
    }

    /// One request of up to so many.
    pub(crate) fn step_of(&mut self, client: &mut Client, dice: &mut Dice, most: u64) {
        let mut commands = Vec::new();
        let mut used = Vec::new();
        for _ in 0..=dice.below(most) {
            commands.push(self.command(dice, &mut used));
        }
        let results = self.send(client, &commands);
        for (command, (status, position, stamp)) in commands.into_iter().zip(results) {
            self.count("commands");
            let known = self.sent.iter().find(|(_, sent)| *sent == command);
            match (status, known.map(|(first, _)| *first)) {
                (Status::Done, None) => {
                    self.done(&command, position, stamp);
                    self.sent.push((position, command));
                }
                (Status::Repeated, Some(first)) => {
                    assert_eq!((position, stamp), (first, self.stamps[first as usize]));
                    self.count("repeated");
                }
                (Status::Refused, None) => self.is_refused(client, &command),
                // Nothing else journals here: no other rule can say no.
                (other, _) => panic!("{other:?} of {command:?}"),
            }
        }
    }

    /// Its fact says which rule said no, and when.
    fn is_refused(&mut self, client: &mut Client, command: &Command) {
        let Command::Post(transaction) = command else { panic!("{command:?}") };
        let strange = |entry: &Entry| !self.accounts.iter().any(|a| a.id == entry.account);
        assert!(transaction.entries.iter().any(strange), "{command:?}");
        let next = self.next();
        let said = crate::told(client, &Query::Fact(next)).said;
        let Said::Facts { facts, whole: true } = said else { panic!("{said:?}") };
        let FactSaid::Refused(refused) = &facts[0].said else { panic!("{facts:?}") };
        assert_eq!((refused.rule.as_str(), refused.id), ("UnknownAccount", transaction.id.bytes()));
        self.stamps.push(facts[0].stamp.nanos());
        self.refused.push((next.number(), transaction.id));
        self.count("refused");
    }

    /// A hold whose moment comes soon; waits until the book has said so by a fact.
    pub(crate) fn expire_one(&mut self, client: &mut Client, dice: &mut Dice) {
        let mut placement = self.placement(dice);
        let soon = self.stamps.last().copied().unwrap_or(0).max(crate::now_nanos());
        placement.term = Term::Expiring { at: Instant::from_nanos(soon + 50_000_000) };
        let id = placement.id;
        let command = Command::PlaceHold(placement);
        let [(Status::Done, position, stamp)] =
            self.send(client, std::slice::from_ref(&command))[..]
        else {
            // The machine was slow: it would never have been open.
            let next = self.next();
            let Said::Facts { facts, .. } = crate::told(client, &Query::Fact(next)).said else {
                panic!()
            };
            self.stamps.push(facts[0].stamp.nanos());
            return;
        };
        self.done(&command, position, stamp);
        let fact = loop {
            let Said::Facts { facts, .. } = crate::told(client, &Query::Fact(self.next())).said
            else {
                panic!()
            };
            if let Some(fact) = facts.into_iter().next() {
                break fact;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        assert!(fact.stamp.nanos() >= soon + 50_000_000, "not before its moment");
        self.stamps.push(fact.stamp.nanos());
        self.end(id, fact.position.number(), Step::Expired);
        self.count("expired");
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
        match dice.below(20) {
            0..=2 => Command::PlaceHold(self.placement(dice)),
            3 | 4 if !open.is_empty() => {
                let held = dice.pick(&open);
                let hold = held.placement.id;
                used.push(hold);
                if held.term != Term::Pinned && dice.one_in(2) {
                    return Command::PinHold { hold };
                }
                let document = seal::Digest::from_bytes([7; 32]);
                let evidence = NotDone { source: NotDoneSource::RailRefused, document };
                let ground = match held.term {
                    Term::Pinned => VoidGround::NotDone(evidence),
                    Term::Expiring { .. } => VoidGround::Cancelled,
                };
                Command::VoidHold { hold, ground }
            }
            5..=7 if !open.is_empty() => {
                let held = dice.pick(&open);
                let Placement { id, account, side, .. } = held.placement;
                used.push(id);
                let amount = Minor::new(1 + u128::from(dice.next()) % held.left);
                let first = Entry { account, side, amount, hold: Some(id) };
                let whole = self.transaction(dice, first);
                if dice.one_in(2) { keeping(whole) } else { Command::Post(whole) }
            }
            8 if !self.sent.is_empty() => {
                let (_, command) = dice.pick(&self.sent);
                match command {
                    Command::Post(_) | Command::PostDraft(_) | Command::PlaceHold(_) => command,
                    _ => Command::PlaceHold(self.placement(dice)),
                }
            }
            9 => {
                let (account, amount) = (AccountId::from_bytes(dice.id()), Minor::new(5));
                let mut whole = self.plain(dice);
                let (side, hold) = (Side::Debit, None);
                whole.entries.push(Entry { account, side, amount, hold });
                Command::Post(whole)
            }
            10 => {
                // Many entries, each pair balanced in itself.
                let mut whole = self.plain(dice);
                for _ in 0..dice.below(32) {
                    let more = self.plain(dice);
                    whole.entries.extend(more.entries);
                }
                Command::Post(whole)
            }
            _ => Command::Post(self.plain(dice)),
        }
    }

    fn plain(&self, dice: &mut Dice) -> Transaction {
        let first = self.some_entry(dice);
        self.transaction(dice, first)
    }

    fn some_entry(&self, dice: &mut Dice) -> Entry {
        let account = dice.pick(&self.accounts).id;
        let amount = Minor::new(u128::from(1 + dice.below(5_000)));
        let side = dice.pick(&[Side::Debit, Side::Credit]);
        Entry { account, side, amount, hold: None }
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
                steps: vec![(position, Step::Placed(placement.term), placement.amount.units())],
                term: placement.term,
                left: placement.amount.units(),
                open: true,
                placed_at: stamp,
            }),
            Command::VoidHold { hold, .. } => {
                self.end(*hold, position, Step::Voided);
                self.count("voided");
            }
            Command::PinHold { hold } => {
                let held = self.held(*hold);
                held.term = Term::Pinned;
                held.steps.push((position, Step::Pinned, 0));
                self.count("pinned");
            }
            Command::Post(transaction) => {
                for hold in transaction.entries.iter().filter_map(|entry| entry.hold) {
                    self.end(hold, position, Step::Posted);
                    self.count("posted of a hold");
                }
                self.posted_as(transaction, position, stamp);
            }
            Command::PostDraft(draft) => {
                let transaction = exactly(draft);
                for entry in &transaction.entries {
                    let Some(hold) = entry.hold else { continue };
                    let held = self.held(hold);
                    if held.left == entry.amount.units() {
                        self.end(hold, position, Step::Posted);
                    } else {
                        held.left -= entry.amount.units();
                        held.steps.push((position, Step::Posted, entry.amount.units()));
                        self.count("kept");
                    }
                }
                self.count("drafts");
                self.posted_as(&transaction, position, stamp);
            }
            other => panic!("{other:?}"),
        }
    }

    fn posted_as(&mut self, transaction: &Transaction, position: u64, stamp: u64) {
        if transaction.entries.len() > 10 {
            self.count("many entries");
        }
        for entry in &transaction.entries {
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

    fn held(&mut self, hold: HoldId) -> &mut Held {
        self.holds.iter_mut().find(|h| h.placement.id == hold).unwrap()
    }

    fn end(&mut self, hold: HoldId, position: u64, how: Step) {
        let held = self.held(hold);
        held.open = false;
        held.steps.push((position, how, held.left));
        held.left = 0;
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
            let steps = mine.flat_map(|h| &h.steps).filter(|(at, ..)| *at < before);
            let signed = |step: &Step, amount: u128| match step {
                Step::Placed(_) => amount as i128,
                Step::Pinned => 0,
                Step::Posted | Step::Voided | Step::Expired => -(amount as i128),
            };
            Minor::new(steps.map(|(_, step, amount)| signed(step, *amount)).sum::<i128>() as u128)
        };
        DebitsCredits { debits: sum(Side::Debit), credits: sum(Side::Credit) }
    }
}

/// The same as a draft: the rest of its hold stays held, and its other side takes what remains.
fn keeping(of: Transaction) -> Command {
    let Transaction { id, business_date, reason, entries, claims, links, detail } = of;
    let lines = entries
        .iter()
        .map(|entry| DraftLine {
            account: entry.account,
            side: entry.side,
            ask: entry.hold.map_or(Ask::Remainder, |_| Ask::Exact(entry.amount)),
            part: entry.hold.map(|hold| Part { hold, rest: Rest::Kept }),
        })
        .collect();
    Command::PostDraft(Draft { id, business_date, reason, lines, claims, links, detail })
}

/// What such a draft comes to.
fn exactly(draft: &Draft) -> Transaction {
    let Ask::Exact(amount) = draft.lines[0].ask else { panic!("{draft:?}") };
    let entry = |line: &DraftLine| Entry {
        account: line.account,
        side: line.side,
        amount,
        hold: line.part.map(|part| part.hold),
    };
    Transaction {
        id: draft.id,
        business_date: draft.business_date,
        reason: draft.reason,
        entries: draft.lines.iter().map(entry).collect(),
        claims: draft.claims.clone(),
        links: draft.links.clone(),
        detail: draft.detail.clone(),
    }
}
