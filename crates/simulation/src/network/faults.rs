//! What the network, processes and clocks do to the parties.

use record::Side;

use super::{MS, Msg, Node, World};
use crate::dice::Dice;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetFault {
    /// The question does not arrive.
    Lost,
    /// The answer does not arrive.
    AnswerLost,
    /// The question arrives twice.
    Twice,
    /// The question arrives after everybody stopped waiting.
    Late,
    /// The two are cut off from each other for a while.
    Cut,
    /// Who is asked dies before it does anything.
    DiesBefore,
    /// Who is asked dies when it has answered, and the answer is lost.
    DiesAfter,
    /// Who asks dies.
    AskerDies,
    /// Who asks dies, and the question arrives when another has taken over.
    AskerDiesLate,
    /// Who asks stands still for a while, and goes on as if nothing had been.
    AskerStops,
    /// The clock of who is asked steps.
    ClockSteps,
}

impl NetFault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Lost,
        Self::AnswerLost,
        Self::Twice,
        Self::Late,
        Self::Cut,
        Self::DiesBefore,
        Self::DiesAfter,
        Self::AskerDies,
        Self::AskerDiesLate,
        Self::AskerStops,
        Self::ClockSteps,
    ];

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "question lost",
            Self::AnswerLost => "answer lost",
            Self::Twice => "question twice",
            Self::Late => "question late",
            Self::Cut => "cut off",
            Self::DiesBefore => "asked dies before",
            Self::DiesAfter => "asked dies after",
            Self::AskerDies => "asker dies",
            Self::AskerDiesLate => "asker dies, late",
            Self::AskerStops => "asker stands still",
            Self::ClockSteps => "clock steps",
        }
    }
}

/// A call between two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Wallet to provider.
    Quote,
    /// Wallet to edge.
    Permit,
    /// Edge to its institution's book.
    Parcel,
    /// Wallet to core.
    Order,
    /// Core to the debtor's bank.
    Hold,
    /// Core to its journal.
    Append,
    /// Core to the creditor's bank.
    Credit,
    /// Core to the debtor's bank.
    Debit,
    /// Core to the debtor's bank.
    Release,
    /// Core to a bank that was away, or once more.
    Probe,
    /// Core to witness.
    Cosign,
    /// Core to rail: a message.
    Send,
    /// Core to rail: a question.
    AskRail,
    /// Rail to core.
    Report,
    /// Desk to core: a withdrawal.
    Withdraw,
    /// Desk to core: a file of booked lines.
    File,
    /// Desk to core: the kill switch.
    Act,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Quote,
        Self::Permit,
        Self::Parcel,
        Self::Order,
        Self::Hold,
        Self::Append,
        Self::Credit,
        Self::Debit,
        Self::Release,
        Self::Probe,
        Self::Cosign,
        Self::Send,
        Self::AskRail,
        Self::Report,
        Self::Withdraw,
        Self::File,
        Self::Act,
    ];

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Permit => "permit",
            Self::Parcel => "parcel",
            Self::Order => "order",
            Self::Hold => "hold",
            Self::Append => "append",
            Self::Credit => "credit",
            Self::Debit => "debit",
            Self::Release => "release",
            Self::Probe => "probe",
            Self::Cosign => "cosign",
            Self::Send => "send",
            Self::AskRail => "ask",
            Self::Report => "report",
            Self::Withdraw => "withdraw",
            Self::File => "file",
            Self::Act => "act",
        }
    }

    /// Which side's book must be the bank's own for the call to happen.
    pub(crate) const fn of_side(self) -> Option<Side> {
        match self {
            Self::Hold | Self::Debit | Self::Release => Some(Side::Debtor),
            Self::Credit => Some(Side::Creditor),
            Self::Quote
            | Self::Permit
            | Self::Parcel
            | Self::Order
            | Self::Append
            | Self::Probe
            | Self::Cosign
            | Self::Send
            | Self::AskRail
            | Self::Report
            | Self::Withdraw
            | Self::File
            | Self::Act => None,
        }
    }

    fn of(msg: &Msg) -> Option<(Self, bool)> {
        use super::BankAsk;
        Some(match msg {
            Msg::AskQuote => (Self::Quote, true),
            Msg::Quote => (Self::Quote, false),
            Msg::AskPermit(_) => (Self::Permit, true),
            Msg::Permit(..) => (Self::Permit, false),
            Msg::Order(..) => (Self::Order, true),
            Msg::Told(..) | Msg::IdUsed(..) => (Self::Order, false),
            Msg::Bank(_, ask) => match ask.as_ref() {
                BankAsk::Hold(..) => (Self::Hold, true),
                BankAsk::Debit(_) => (Self::Debit, true),
                BankAsk::Release(_) => (Self::Release, true),
                BankAsk::Credit(..) => (Self::Credit, true),
                BankAsk::SeesDebtor(_) | BankAsk::SeesCreditor(_) => return None,
            },
            Msg::Probe(..) => (Self::Probe, true),
            Msg::Probed(..) => (Self::Probe, false),
            Msg::Keep(..) => (Self::Parcel, true),
            Msg::Kept(..) => (Self::Parcel, false),
            Msg::Append(..) => (Self::Append, true),
            Msg::Appended(..) => (Self::Append, false),
            Msg::Cosign(..) => (Self::Cosign, true),
            Msg::Cosigned(..) => (Self::Cosign, false),
            Msg::Send(..) => (Self::Send, true),
            Msg::Sent(..) => (Self::Send, false),
            Msg::AskRail(..) => (Self::AskRail, true),
            Msg::RailSaid(..) => (Self::AskRail, false),
            Msg::Report(..) => (Self::Report, true),
            Msg::ReportTaken(..) => (Self::Report, false),
            Msg::Withdraw(_) => (Self::Withdraw, true),
            Msg::WithdrawTaken(_) => (Self::Withdraw, false),
            Msg::File(..) => (Self::File, true),
            Msg::FileTaken(..) => (Self::File, false),
            Msg::Act(_) => (Self::Act, true),
            Msg::ActTaken(..) => (Self::Act, false),
            Msg::NotReady(..) | Msg::BankSaid(..) => return None,
        })
    }
}

/// One fault at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetPlan {
    /// What happens.
    pub fault: NetFault,
    /// To which call.
    pub call: Call,
}

impl NetPlan {
    /// Whether it can be: one stream carries what goes to a journal, once.
    #[must_use]
    pub const fn is_possible(self) -> bool {
        !matches!((self.fault, self.call), (NetFault::Twice, Call::Append))
    }
}

/// How things stand between the parties.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Messages lost, late and repeated, of a thousand.
    lost: u64,
    late: u64,
    twice: u64,
    /// Of a hundred changes of the weather: crashes, cuts, stops, steps of a clock.
    crash: u64,
    cut: u64,
    stop: u64,
    step: u64,
    /// A journal that answers wrongly, of a thousand appends.
    pub(crate) journal: u64,
    /// The fault to come, and how many such calls go well before.
    plan: Option<NetPlan>,
    spared: u64,
    /// Whose next answer is lost, and whether it dies then.
    answer: Option<(Node, Node, Call, bool)>,
    /// A node that dies when it hears the next message from another.
    dies: Option<(Node, Node, Call)>,
}

impl Weather {
    pub(crate) const FINE: Self = Self {
        lost: 0,
        late: 0,
        twice: 0,
        crash: 0,
        cut: 0,
        stop: 0,
        step: 0,
        journal: 0,
        plan: None,
        spared: 0,
        answer: None,
        dies: None,
    };

    pub(crate) fn of(dice: &mut Dice, plan: Option<NetPlan>) -> Self {
        if plan.is_some() {
            return Self { plan, spared: dice.below(2), ..Self::FINE };
        }
        let mut rate = |most: u64| if dice.one_in(3) { 0 } else { dice.below(most) };
        Self {
            lost: rate(60),
            late: rate(40),
            twice: rate(40),
            crash: rate(50),
            cut: rate(50),
            stop: rate(40),
            step: rate(20),
            journal: rate(15),
            ..Self::FINE
        }
    }
}

impl Weather {
    /// Whether things happen by the dice.
    pub(crate) const fn is_bad(&self) -> bool {
        self.crash + self.cut + self.stop + self.lost > 0
    }
}

impl World {
    /// Sends a message: it arrives once, twice, late or never.
    pub(crate) fn send(&mut self, from: Node, to: Node, msg: Msg) {
        if self.strike(from, to, &msg) || self.is_cut(from, to) || self.down.contains(&from) {
            return;
        }
        let Weather { lost, late, twice, .. } = self.weather;
        // One draw for all three: most messages just arrive.
        let draw = self.dice.below(1_000);
        let mut delay = 150_000 + self.dice.below(900_000);
        if draw < lost {
            return;
        }
        if draw < lost + late {
            delay += self.dice.below(3_000) * MS;
        } else if draw < lost + late + twice && may_repeat(&msg) {
            let second = delay + self.dice.below(200) * MS;
            self.arrive(second, from, to, msg.clone());
        }
        self.arrive(delay, from, to, msg);
    }

    /// The planned fault, when its call comes. `true`: the message does not go.
    fn strike(&mut self, from: Node, to: Node, msg: &Msg) -> bool {
        if self.weather.plan.is_none() && self.weather.answer.is_none() {
            return false;
        }
        let Some((call, asks)) = Call::of(msg) else {
            return self.strikes_bank_answer(from, to, msg);
        };
        if !asks {
            return self.strikes_answer(from, to, call);
        }
        let Some(plan) = self.weather.plan.filter(|plan| plan.call == call) else { return false };
        if self.weather.spared > 0 {
            self.weather.spared -= 1;
            return false;
        }
        self.weather.plan = None;
        self.fired = true;
        match plan.fault {
            NetFault::Lost => return true,
            NetFault::AnswerLost => self.weather.answer = Some((to, from, call, false)),
            NetFault::DiesAfter => self.weather.answer = Some((to, from, call, true)),
            NetFault::DiesBefore => self.weather.dies = Some((from, to, call)),
            NetFault::Twice if may_repeat(msg) => {
                let after = 1 + self.dice.below(400) * MS;
                self.arrive(after, from, to, msg.clone());
            }
            NetFault::Twice => {}
            NetFault::Late => {
                let after = (700 + self.dice.below(3_000)) * MS;
                self.arrive(after, from, to, msg.clone());
                return true;
            }
            NetFault::Cut => {
                let time = (100 + self.dice.below(1_500)) * MS;
                self.cut(from, to, time);
                return true;
            }
            NetFault::AskerDies => {
                // The question was on its way already.
                let after = MS + self.dice.below(800) * MS;
                self.arrive(after, from, to, msg.clone());
                self.crash(from);
                return true;
            }
            NetFault::AskerDiesLate => {
                // Longer than a take-over and the first look of who took over.
                let after = (1_400 + self.dice.below(2_500)) * MS;
                self.arrive(after, from, to, msg.clone());
                self.crash(from);
                return true;
            }
            NetFault::AskerStops => {
                self.stopped.insert(from, self.time + (500 + self.dice.below(2_500)) * MS);
            }
            NetFault::ClockSteps => self.some_step(to),
        }
        false
    }

    fn strikes_bank_answer(&mut self, from: Node, to: Node, msg: &Msg) -> bool {
        match (msg, self.weather.answer) {
            (Msg::BankSaid(..), Some((_, _, call, _))) => self.strikes_answer(from, to, call),
            _ => false,
        }
    }

    fn strikes_answer(&mut self, from: Node, to: Node, call: Call) -> bool {
        match self.weather.answer {
            Some((teller, hearer, of, dies)) if (teller, hearer, of) == (from, to, call) => {
                self.weather.answer = None;
                if dies {
                    self.crash(from);
                }
                true
            }
            _ => false,
        }
    }

    /// Whether who hears this dies of it.
    pub(crate) fn dies_before(&mut self, from: Node, to: Node, msg: &Msg) -> bool {
        let Some((asker, asked, call)) = self.weather.dies else { return false };
        let is_it = (asker, asked) == (from, to) && Call::of(msg) == Some((call, true));
        if is_it {
            self.weather.dies = None;
            self.crash(to);
        }
        is_it
    }

    /// Now and then something happens to somebody.
    pub(crate) fn change_weather(&mut self) {
        let Weather { crash, cut, stop, step, .. } = self.weather;
        let draw = self.dice.below(100);
        if draw < crash {
            let node = self.somebody();
            self.crash(node);
        } else if draw < crash + cut {
            let (one, other) = self.some_pair();
            let time = (100 + self.dice.below(3_000)) * MS;
            self.cut(one, other, time);
        } else if draw < crash + cut + stop {
            let node = if self.dice.one_in(2) { self.somebody() } else { self.some_core() };
            let time = (200 + self.dice.below(3_000)) * MS;
            self.stopped.insert(node, self.time + time);
        } else if draw < crash + cut + stop + step {
            let node = self.somebody();
            self.some_step(node);
        }
    }

    fn some_step(&mut self, node: Node) {
        let far = if self.dice.one_in(10) { 90_000 } else { 3_000 };
        let step = i64::try_from(self.dice.below(far * MS)).unwrap_or(0);
        let step = if self.dice.one_in(2) { step } else { -step };
        self.step_clock(node, step);
    }

    fn some_core(&mut self) -> Node {
        Node::Core(self.dice.index(2))
    }

    fn somebody(&mut self) -> Node {
        match self.dice.below(10) {
            0..=2 => self.some_core(),
            3 | 4 => Node::Bank,
            5 => Node::Edge(Side::Debtor, self.dice.index(2)),
            6 => Node::Edge(Side::Creditor, self.dice.index(2)),
            7 => Node::Witness(self.dice.index(2)),
            8 => Node::Rail,
            _ => Node::Db,
        }
    }

    fn some_pair(&mut self) -> (Node, Node) {
        let core = self.some_core();
        match self.dice.below(6) {
            0 | 1 => (core, Node::Bank),
            2 => (core, Node::Db),
            3 => (core, Node::Rail),
            4 => (core, Node::Witness(self.dice.index(2))),
            _ => (core, self.somebody()),
        }
    }
}

/// A journal's connection is one stream: what goes over it arrives once, in order, or not.
const fn may_repeat(msg: &Msg) -> bool {
    !matches!(msg, Msg::Append(..) | Msg::Appended(..))
}
