//! Wallets that try again until they know, the provider, edges with their outbox, witnesses.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Witness, WitnessState};
use record::{Ending, Side};
use terms::Position;

use super::cores::hosted_side;
use super::pool::{self, INSTANCES, instance_of, pool};
use super::{Canary, MS, Msg, Node, Timer, World};

/// Pause of a wallet between two tries.
const TRY: u64 = 500 * MS;
/// How often a wallet asks again after it knows.
const AGAIN: u32 = 2;

/// One payment, as its wallet sees it.
pub(crate) struct Pay {
    quoted: bool,
    permits: BTreeSet<Side>,
    /// What was answered to each of its orders, first.
    pub(crate) told: Vec<Option<Answer>>,
    asks: u32,
    tries: usize,
    /// It asks once and never again: a telephone that was lost.
    pub(crate) gives_up: bool,
}

/// What a wallet was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ended(Ending, Position),
    IdUsed,
}

impl Pay {
    pub(crate) fn new(number: usize, gives_up: bool) -> Self {
        let orders = pool().docs[number].orders.len();
        Self {
            quoted: false,
            permits: BTreeSet::new(),
            told: vec![None; orders],
            asks: 0,
            tries: 0,
            gives_up,
        }
    }

    pub(crate) fn has_settled(&self) -> bool {
        let settled =
            |told: &Option<Answer>| matches!(told, Some(Answer::Ended(Ending::Settled, _)));
        self.told.iter().any(settled)
    }

    /// Whether a kill switch refused it.
    pub(crate) fn was_stopped(&self) -> bool {
        let code = clearing::rule::RuleName::CorridorSuspended.as_str();
        let stopped = |told: &Option<Answer>| match told {
            Some(Answer::Ended(Ending::Refused(why), _)) => why == code,
            _ => false,
        };
        self.told.iter().any(stopped)
    }

    pub(crate) fn is_done(&self) -> bool {
        let asked = self.permits.len() == 2;
        (self.gives_up && asked) || self.told.iter().all(Option::is_some)
    }
}

/// An edge instance: it decides once per payment and hands what it decided to its institution's
/// book. Decided is durable before anybody is told.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    /// On disk: what was decided.
    pub(crate) decided: BTreeSet<usize>,
    /// On disk: what its book has not said that it keeps.
    pub(crate) outbox: BTreeSet<usize>,
}

pub(crate) fn edges() -> BTreeMap<(Side, usize), Edge> {
    let sides = [Side::Debtor, Side::Creditor].into_iter();
    sides.flat_map(|s| (0..INSTANCES).map(move |n| ((s, n), Edge::default()))).collect()
}

/// A witness with its disk.
pub(crate) struct Seat {
    pub(crate) witness: Witness,
    /// On disk.
    stored: WitnessState,
    /// Being stored, with the answer that waits for it.
    storing: Option<(WitnessState, Node, Msg)>,
    turns: u64,
    /// The largest size that an answer was given for.
    pub(crate) answered: u64,
}

pub(crate) fn seats() -> Vec<Seat> {
    let seat = |number| Seat {
        witness: pool::witness(number, WitnessState::empty()),
        stored: WitnessState::empty(),
        storing: None,
        turns: 0,
        answered: 0,
    };
    (0..2).map(seat).collect()
}

impl World {
    /// What a wallet lacks, it asks for; what it knows, it sometimes asks for again.
    pub(crate) fn wallet_turn(&mut self, number: usize) {
        let node = Node::Wallet(number);
        let pay = &mut self.pays[number];
        pay.tries += 1;
        let tries = pay.tries;
        if !pay.quoted {
            self.send(node, Node::Provider, Msg::AskQuote);
        } else if self.pays[number].permits.len() < 2 {
            let (instance, _) = instance_of(number);
            for side in [Side::Debtor, Side::Creditor] {
                if !self.pays[number].permits.contains(&side) {
                    self.send(node, Node::Edge(side, instance), Msg::AskPermit(number));
                }
            }
        } else if self.pays[number].gives_up {
            return;
        } else if !self.pays[number].is_done() || self.pays[number].asks < AGAIN {
            if self.pays[number].is_done() {
                self.pays[number].asks += 1;
            }
            for variant in 0..self.pays[number].told.len() {
                self.send(node, Node::Core(tries % 2), Msg::Order(number, variant));
                if tries == 1 {
                    self.send(node, Node::Core(0), Msg::Order(number, variant));
                }
            }
        } else {
            return;
        }
        let pause = TRY + self.dice.below(TRY);
        self.timer(pause, node, Timer::Again);
    }

    pub(crate) fn wallet_hears(&mut self, number: usize, msg: Msg) {
        let pay = &mut self.pays[number];
        match msg {
            Msg::Quote if !core::mem::replace(&mut pay.quoted, true) => self.ask_permits(number),
            Msg::Permit(side) if pay.permits.insert(side) && pay.permits.len() == 2 => {
                for variant in 0..pay.told.len() {
                    let first = self.dice.index(2);
                    let order = Msg::Order(number, variant);
                    self.send(Node::Wallet(number), Node::Core(first), order);
                }
            }
            Msg::NotReady(variant)
                if pay.told[variant].is_none() && !pay.gives_up && self.dice.one_in(2) =>
            {
                let other = self.dice.index(2);
                let order = Msg::Order(number, variant);
                self.send(Node::Wallet(number), Node::Core(other), order);
            }
            Msg::Told(variant, ending, at) => {
                self.wallet_told(number, variant, Answer::Ended(ending, at));
            }
            Msg::IdUsed(variant) => self.wallet_told(number, variant, Answer::IdUsed),
            _ => {}
        }
    }

    fn ask_permits(&mut self, number: usize) {
        let (instance, _) = instance_of(number);
        for side in [Side::Debtor, Side::Creditor] {
            self.send(Node::Wallet(number), Node::Edge(side, instance), Msg::AskPermit(number));
        }
    }

    /// An answer is never contradicted, and what it says is durable when it is said.
    fn wallet_told(&mut self, number: usize, variant: usize, answer: Answer) {
        if let Answer::Ended(_, at) = &answer {
            use journal::Journal;
            let head = self.db.settlement.head().map_or(Position::ZERO, |tip| tip.next);
            if *at >= head {
                let at = *at;
                return self.wrong(|| {
                    format!("payment {number} was promised at {at}, the journal ends at {head}")
                });
            }
        }
        let first = &mut self.pays[number].told[variant];
        match first {
            None => *first = Some(answer),
            Some(known) if *known != answer => {
                let what = format!("payment {number} was told {known:?}, then {answer:?}");
                self.wrong(|| what);
            }
            Some(_) => {}
        }
    }

    pub(crate) fn provider_hears(&mut self, from: Node, msg: &Msg) {
        if matches!(msg, Msg::AskQuote) {
            self.send(Node::Provider, from, Msg::Quote);
        }
    }

    /// Where the parcels of a side go.
    fn book_of(&mut self, side: Side) -> Node {
        if side == hosted_side(self.remote) { Node::Core(self.dice.index(2)) } else { Node::Bank }
    }

    pub(crate) fn edge_hears(&mut self, side: Side, instance: usize, from: Node, msg: &Msg) {
        let node = Node::Edge(side, instance);
        match msg {
            Msg::AskPermit(number) => {
                let edge = self.edges.entry((side, instance)).or_default();
                let fresh = edge.decided.insert(*number);
                if fresh {
                    edge.outbox.insert(*number);
                }
                self.send(node, from, Msg::Permit(side));
                if fresh {
                    self.hand_over(side, instance, *number);
                    self.timer(300 * MS, node, Timer::Again);
                }
            }
            Msg::Kept(number) => {
                if let Some(edge) = self.edges.get_mut(&(side, instance)) {
                    edge.outbox.remove(number);
                }
            }
            _ => {}
        }
    }

    fn hand_over(&mut self, side: Side, instance: usize, number: usize) {
        let to = self.book_of(side);
        self.send(Node::Edge(side, instance), to, Msg::Keep(side, number));
        if self.setting.canary == Canary::OutboxForgets
            && let Some(edge) = self.edges.get_mut(&(side, instance))
        {
            edge.outbox.remove(&number);
        }
    }

    /// Hands over what was not kept yet.
    pub(crate) fn edge_turn(&mut self, side: Side, instance: usize) {
        let edge = self.edges.entry((side, instance)).or_default();
        let some: Vec<usize> = edge.outbox.iter().copied().take(8).collect();
        if some.is_empty() {
            return;
        }
        for number in some {
            self.hand_over(side, instance, number);
        }
        let pause = (250 + self.dice.below(200)) * MS;
        self.timer(pause, Node::Edge(side, instance), Timer::Again);
    }

    pub(crate) fn witness_hears(&mut self, number: usize, from: Node, msg: &Msg) {
        let Msg::Cosign(size, bytes) = msg else { return };
        let now = self.clock(Node::Witness(number));
        let forgets = self.setting.canary == Canary::WitnessForgets;
        let seat = &mut self.seats[number];
        if seat.storing.is_some() {
            return;
        }
        let decision = seat.witness.decide(bytes, now);
        let answer = Msg::Cosigned(*size, decision.status, decision.body);
        let Some(next) = decision.next else {
            return self.send(Node::Witness(number), from, answer);
        };
        seat.turns += 1;
        let turn = seat.turns;
        if forgets {
            seat.answered = seat.answered.max(*size);
            self.send(Node::Witness(number), from, answer.clone());
        }
        self.seats[number].storing = Some((next, from, answer));
        self.timer(8 * MS, Node::Witness(number), Timer::Stored(turn));
    }

    pub(crate) fn witness_stored(&mut self, number: usize, timer: &Timer) {
        let seat = &mut self.seats[number];
        let Timer::Stored(turn) = timer else { return };
        if *turn != seat.turns {
            return;
        }
        let Some((next, from, answer)) = seat.storing.take() else { return };
        seat.stored = next.clone();
        if let Err(error) = seat.witness.adopt(next) {
            return self.wrong(|| format!("witness {number}: {error}"));
        }
        if let Msg::Cosigned(size, ..) = &answer {
            seat.answered = seat.answered.max(*size);
        }
        self.send(Node::Witness(number), from, answer);
    }

    /// It comes back with what its disk has, which is never less than what it answered for.
    pub(crate) fn witness_dies(&mut self, number: usize) {
        let seat = &mut self.seats[number];
        seat.storing = None;
        seat.witness = pool::witness(number, seat.stored.clone());
        let origin = pool::note_signer().verifier().name().clone();
        let (has, answered) = (seat.stored.latest(&origin).size, seat.answered);
        if has < answered {
            self.wrong(|| {
                format!("witness {number} cosigned size {answered} and comes back with {has}")
            });
        }
    }
}
