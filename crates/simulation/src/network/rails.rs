//! A rail that loses, delays and answers late, the core's drivers of transfers, and the desk that
//! asks for withdrawals and brings files of booked lines.
//!
//! `clearing::outside::step` says what comes next; the driver is a model of
//! `server::roles::core::transfers`.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use clearing::outside::{
    Asking, Effect, Input, Live, Patience, Phase, Rails, Report, Resend, Sending, Step, Told,
    Transfer, message_id_of, step,
};
use clearing::settlement::acts::{ActsAnswer, ActsWork};
use clearing::settlement::funding::{FundingAnswer, FundingWork};
use clearing::testkit::eur;
use clearing::testkit::outside::stuck_act;
use clearing::{OutsideAnswer, OutsideWork, SettlementAnswer, SettlementWork};
use record::{OutsideEvidence, StuckDecision};
use seal::sha256;
use terms::OutsideId;

use super::pool::{self, ACTS, WITHDRAWALS, pool};
use super::writer::{FileStage, Reply, Seen, Waiter};
use super::{Call, Canary, MS, Msg, NetPlan, Node, Timer, World};
use crate::dice::Dice;

/// As patient as the core, in a world whose minutes are seconds.
const PATIENT: Patience = Patience {
    first_pause: Duration::from_millis(60),
    pause_max: Duration::from_millis(1_000),
    give_up_after: Duration::from_secs(2),
    stuck_after: Duration::from_secs(20),
    resend: Resend::SameMessage,
};
/// How long a rail's answer is waited for.
const ANSWER: u64 = 500 * MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pending,
    Settled,
    Rejected,
    Returned,
}

/// The rail: it executes a message id at most once, and owes its reports until they are taken.
#[derive(Debug, Default)]
pub(crate) struct Rail {
    verdicts: BTreeMap<String, (OutsideId, Verdict)>,
    /// How often each transfer was executed.
    pub(crate) executed: BTreeMap<OutsideId, u32>,
    reports: Vec<(OutsideId, Report)>,
}

/// A driver of one transfer, as long as its process lives.
#[derive(Debug)]
pub(crate) struct Driver {
    live: Live,
    /// The call or pause under way.
    token: u64,
    /// What comes when it is over.
    then: Input,
    sends: u32,
}

/// What the desk has to bring.
#[derive(Debug)]
pub(crate) struct Desk {
    withdrawals: BTreeSet<usize>,
    pub(crate) files: BTreeSet<(usize, usize)>,
    /// Lines that brought money in.
    pub(crate) funded: BTreeSet<usize>,
    /// Kill switches that are to be pulled, and when.
    acts: BTreeMap<usize, u64>,
    /// Those that it was told stand.
    pub(crate) stands: BTreeSet<usize>,
    asks: usize,
}

impl Desk {
    pub(crate) fn new(dice: &mut Dice, payments: usize, plan: Option<NetPlan>) -> Self {
        let count = if payments < 12 { 1 + dice.index(2) } else { 2 + dice.index(WITHDRAWALS - 1) };
        let mut files = BTreeSet::new();
        for line in 0..1 + dice.index(4) {
            files.insert((WITHDRAWALS + line, 0));
            if dice.one_in(2) {
                files.insert((WITHDRAWALS + line, 1));
            }
        }
        let funded = files.iter().map(|(line, _)| *line).collect();
        let acts = match plan {
            Some(plan) if plan.call == Call::Act => [(0, 0)].into(),
            Some(_) => BTreeMap::new(),
            None if dice.one_in(2) => {
                let act = dice.index(ACTS);
                [(act, pool::stop_from(act) + dice.below(1_500) * MS)].into()
            }
            None => BTreeMap::new(),
        };
        let stands = BTreeSet::new();
        Self { withdrawals: (0..count).collect(), files, funded, acts, stands, asks: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.withdrawals.is_empty() && self.files.is_empty() && self.acts.is_empty()
    }
}

fn report(code: &str, reason: &str, kind: &str) -> Report {
    let told = if kind == "pacs.004" { Told::Returned } else { Told::of_status(code, reason) };
    let evidence = OutsideEvidence::Message {
        digest: sha256(format!("{kind} {code} {reason}").as_bytes()),
        message_id: "RAIL-1".into(),
        kind: kind.into(),
        code: code.into(),
        reason: reason.into(),
    };
    Report { told, evidence }
}

fn told(verdict: Verdict) -> Report {
    match verdict {
        Verdict::Pending => report("ACSP", "", "pacs.002"),
        Verdict::Settled | Verdict::Returned => report("ACSC", "", "pacs.002"),
        Verdict::Rejected => report("RJCT", "AC04", "pacs.002"),
    }
}

impl World {
    pub(crate) fn rail_hears(&mut self, from: Node, msg: Msg) {
        match msg {
            Msg::Send(id, token, message) => {
                let sent = Sending::Sent(self.rail_takes(id, message));
                self.send(Node::Rail, from, Msg::Sent(id, token, Box::new(sent)));
            }
            Msg::AskRail(id, token) => {
                let known = self.rail.verdicts.get(&message_id_of(id));
                let said = known.map(|(_, verdict)| Box::new(told(*verdict)));
                self.send(Node::Rail, from, Msg::RailSaid(id, token, said));
            }
            Msg::ReportTaken(id, report) => {
                self.rail.reports.retain(|(of, one)| *of != id || *one != *report);
            }
            _ => {}
        }
    }

    fn rail_takes(&mut self, id: OutsideId, message: String) -> Option<Report> {
        if let Some((_, verdict)) = self.rail.verdicts.get(&message) {
            // Some rails answer a duplicate with the first status, some refuse it as one.
            let first = told(*verdict);
            return Some(match self.dice.below(3) {
                0 => report("RJCT", "AM05", "pacs.002"),
                _ => first,
            });
        }
        let verdict = match self.dice.below(8) {
            0 | 1 => Verdict::Pending,
            2 => Verdict::Rejected,
            3 => Verdict::Returned,
            _ => Verdict::Settled,
        };
        self.rail_decides(id, message, verdict);
        self.dice.one_in(3).then(|| told(verdict))
    }

    fn rail_decides(&mut self, id: OutsideId, message: String, verdict: Verdict) {
        self.rail.verdicts.insert(message, (id, verdict));
        if verdict != Verdict::Pending || self.dice.one_in(2) {
            self.rail.reports.push((id, told(verdict)));
        }
        if verdict == Verdict::Returned {
            self.rail.reports.push((id, report("RTRD", "AC04", "pacs.004")));
        }
        if matches!(verdict, Verdict::Settled | Verdict::Returned) {
            let times = self.rail.executed.entry(id).or_default();
            *times += 1;
            if *times > 1 {
                return self.wrong(|| format!("transfer `{id}` was executed twice"));
            }
        }
        if verdict == Verdict::Settled {
            let line = withdrawal_of(id);
            self.desk.files.insert((line, 0));
            if self.dice.one_in(2) {
                self.desk.files.insert((line, 1));
            }
        }
    }

    /// Time passes at the rail: what was pending is decided, reports go out until they are taken.
    pub(crate) fn rail_tick(&mut self) {
        let is_open =
            |(_, (_, verdict)): &(&String, &(OutsideId, Verdict))| *verdict == Verdict::Pending;
        let pending = self.rail.verdicts.iter().find(is_open).map(|(m, (id, _))| (m.clone(), *id));
        if let Some((message, id)) = pending
            && self.dice.one_in(8)
        {
            let settles = self.dice.one_in(2);
            let end = if settles { Verdict::Settled } else { Verdict::Rejected };
            self.rail_decides(id, message, end);
        }
        let due: Vec<(OutsideId, Report)> = self.rail.reports.iter().take(3).cloned().collect();
        for (id, report) in due {
            let core = self.dice.index(2);
            self.send(Node::Rail, Node::Core(core), Msg::Report(id, Box::new(report)));
        }
        let pause = (200 + self.dice.below(200)) * MS;
        self.timer(pause, Node::Rail, Timer::Tick);
    }

    /// Gives each open transfer its driver.
    pub(crate) fn take_up_transfers(&mut self, core: usize) {
        if self.lead(core).is_none() {
            return;
        }
        self.timer(250 * MS, Node::Core(core), Timer::Rails);
        let Some(lead_book) = self.lead(core).and_then(|lead| lead.settlement.as_ref()) else {
            return;
        };
        let driven: Vec<OutsideId> = lead_book.state().driven_transfers().collect();
        for id in driven {
            let Some(lead) = self.lead(core) else { return };
            if lead.drivers.contains_key(&id) {
                continue;
            }
            let driver = Driver { live: Live::RECOVERED, token: 0, then: Input::Begun, sends: 0 };
            lead.drivers.insert(id, driver);
            self.look(core, id, Input::Begun);
        }
    }

    fn look(&mut self, core: usize, id: OutsideId, input: Input) {
        let who = Waiter::Look(id, Box::new(input));
        let taken = self.read_settlement(core, who, move |state, _| {
            Seen::Transfer(state.transfer(id).cloned().map(Box::new))
        });
        if !taken {
            self.begin_again(core, id, 100 * MS);
        }
    }

    /// What the driver knew is forgotten; after a while the transfer is looked up.
    fn begin_again(&mut self, core: usize, id: OutsideId, pause: u64) {
        self.wait_for(core, id, pause, Input::Begun, Live::RECOVERED);
    }

    fn wait_for(&mut self, core: usize, id: OutsideId, pause: u64, then: Input, live: Live) {
        let Some(lead) = self.lead(core) else { return };
        lead.next += 1;
        let token = lead.next;
        let Some(driver) = lead.drivers.get_mut(&id) else { return };
        (driver.token, driver.then, driver.live) = (token, then, live);
        self.timer(pause, Node::Core(core), Timer::Pause(id, token));
    }

    pub(crate) fn transfer_timer(&mut self, core: usize, id: OutsideId, token: u64) {
        let driver = self.lead(core).and_then(|lead| lead.drivers.get_mut(&id));
        let Some(driver) = driver.filter(|driver| driver.token == token) else { return };
        driver.token = 0;
        let input = driver.then.clone();
        self.look(core, id, input);
    }

    /// The rail gave no answer in time: nobody knows.
    pub(crate) fn rail_late(&mut self, core: usize, id: OutsideId, token: u64) {
        let driver = self.lead(core).and_then(|lead| lead.drivers.get_mut(&id));
        let Some(driver) = driver.filter(|driver| driver.token == token) else { return };
        driver.token = 0;
        let lost = "no answer".to_owned();
        let input = match driver.then {
            Input::Asked(_) => Input::Asked(Asking::Unknown(lost)),
            _ => Input::Handed(Sending::Unknown(lost)),
        };
        self.look(core, id, input);
    }

    fn rail_answers(&mut self, core: usize, id: OutsideId, token: u64, input: Input) {
        let driver = self.lead(core).and_then(|lead| lead.drivers.get_mut(&id));
        let Some(driver) = driver.filter(|driver| driver.token == token) else { return };
        driver.token = 0;
        self.look(core, id, input);
    }

    /// What the settlement book said to a driver, a desk or a report.
    pub(crate) fn outside_told(
        &mut self,
        core: usize,
        waiter: Waiter,
        reply: Reply<SettlementAnswer>,
    ) {
        match (waiter, reply) {
            (Waiter::Look(id, input), Reply::Saw(Seen::Transfer(transfer))) => {
                self.looked(core, id, *input, transfer.map(|transfer| *transfer));
            }
            (Waiter::Look(id, _) | Waiter::Step(id, _), Reply::Unknown) => {
                self.begin_again(core, id, 100 * MS);
            }
            (Waiter::Step(id, made), Reply::Done(SettlementAnswer::Outside(answer), _)) => {
                match answer {
                    OutsideAnswer::Now => self.carry_out(core, id, &made),
                    OutsideAnswer::Before => self.begin_again(core, id, MS),
                    OutsideAnswer::Refused(_) => self.begin_again(core, id, 800 * MS),
                }
            }
            (Waiter::Act(number), Reply::Done(SettlementAnswer::Acts(answer), _)) => {
                let stands = matches!(*answer, ActsAnswer::Stands(..));
                let taken = Msg::ActTaken(number, stands);
                self.send(Node::Core(core), Node::Desk, taken);
            }
            (Waiter::File(file, copy, stage), Reply::Done(SettlementAnswer::Funding(said), _)) => {
                self.file_told(core, (file, copy), stage, &said);
            }
            _ => {}
        }
    }

    fn looked(&mut self, core: usize, id: OutsideId, input: Input, transfer: Option<Transfer>) {
        if let Input::Heard(report) = input {
            return self.fed(core, id, report, transfer);
        }
        let now = self.clock(Node::Core(core));
        let Some(lead) = self.lead(core) else { return };
        let Some(transfer) = transfer.filter(|transfer| transfer.phase.is_driven()) else {
            lead.drivers.remove(&id);
            return;
        };
        let Some(driver) = lead.drivers.get(&id) else { return };
        let rails = Rails { rail: pool::rail_name(), patience: &PATIENT };
        let made = step(&transfer, driver.live, rails, now, input);
        match made.work.clone() {
            None => self.carry_out(core, id, &made),
            Some(work) => {
                let who = Waiter::Step(id, Box::new(made));
                let work = SettlementWork::Outside(Box::new(work));
                if !self.ask_settlement(core, work, who) {
                    self.begin_again(core, id, 100 * MS);
                }
            }
        }
    }

    /// A message of the rail: in the book before it counts as taken.
    fn fed(&mut self, core: usize, id: OutsideId, report: Report, transfer: Option<Transfer>) {
        let now = self.clock(Node::Core(core));
        let Some(transfer) = transfer else { return };
        let rails = Rails { rail: pool::rail_name(), patience: &PATIENT };
        let heard = Input::Heard(report.clone());
        match step(&transfer, Live::RECOVERED, rails, now, heard).work {
            Some(work) => {
                let work = SettlementWork::Outside(Box::new(work));
                self.ask_settlement(core, work, Waiter::Heard);
            }
            // Nothing is to be recorded of it, or it was recorded before.
            None => {
                let taken = Msg::ReportTaken(id, Box::new(report));
                self.send(Node::Core(core), Node::Rail, taken);
            }
        }
    }

    fn carry_out(&mut self, core: usize, id: OutsideId, made: &Step) {
        let live = made.live;
        match &made.then {
            Effect::Send => self.call_rail(core, id, live),
            Effect::Ask => {
                let none = Input::Asked(Asking::NotKnown);
                self.expect(core, id, none, live, |token| Msg::AskRail(id, token));
            }
            Effect::Wait(pause) => {
                let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
                self.wait_for(core, id, nanos, Input::Timer, live);
            }
            Effect::Nothing | Effect::Alarm(_) => {
                self.wait_for(core, id, 50 * MS, Input::Timer, live);
            }
        }
    }

    fn call_rail(&mut self, core: usize, id: OutsideId, live: Live) {
        let refused = self.is_cut(Node::Core(core), Node::Rail) && self.dice.one_in(2);
        if refused || !self.holds_lease(core) {
            let not_done = Input::Handed(Sending::NotDone("no connection".into()));
            return self.wait_for(core, id, 50 * MS, not_done, live);
        }
        let renames = self.setting.canary == Canary::NewMessageId;
        let Some(driver) = self.lead(core).and_then(|lead| lead.drivers.get_mut(&id)) else {
            return;
        };
        driver.sends += 1;
        let mut message = message_id_of(id);
        if renames && (driver.sends > 1 || live == Live::RECOVERED) {
            message = format!("{message}-{}", driver.sends);
        }
        let sent = Input::Handed(Sending::Sent(None));
        self.expect(core, id, sent, live, |token| Msg::Send(id, token, message));
    }

    /// Calls the rail and waits for its answer.
    fn expect(
        &mut self,
        core: usize,
        id: OutsideId,
        then: Input,
        live: Live,
        msg: impl FnOnce(u64) -> Msg,
    ) {
        let Some(lead) = self.lead(core) else { return };
        lead.next += 1;
        let token = lead.next;
        let Some(driver) = lead.drivers.get_mut(&id) else { return };
        (driver.token, driver.then, driver.live) = (token, then, live);
        self.send(Node::Core(core), Node::Rail, msg(token));
        self.timer(ANSWER, Node::Core(core), Timer::RailLate(id, token));
    }

    pub(crate) fn core_hears_outside(&mut self, core: usize, msg: Msg) {
        match msg {
            Msg::Sent(id, token, sent) => {
                self.rail_answers(core, id, token, Input::Handed(*sent));
            }
            Msg::RailSaid(id, token, said) => {
                let asked = said.map_or(Asking::NotKnown, |report| Asking::Status(*report));
                self.rail_answers(core, id, token, Input::Asked(asked));
            }
            Msg::Report(id, report) if self.lead(core).is_some() => {
                let who = Waiter::Look(id, Box::new(Input::Heard(*report)));
                self.read_settlement(core, who, move |state, _| {
                    Seen::Transfer(state.transfer(id).cloned().map(Box::new))
                });
            }
            Msg::Withdraw(number) => {
                let order = Box::new(pool().withdrawals[number].clone());
                let work = SettlementWork::Outside(Box::new(OutsideWork::Request(order)));
                let id = pool::outside_id(number);
                let Some(writer) = self.lead(core).and_then(|lead| lead.settlement.as_ref()) else {
                    return;
                };
                if writer.state().transfer(id).is_some() && !writer.book.has_unwritten() {
                    let taken = Msg::WithdrawTaken(number);
                    return self.send(Node::Core(core), Node::Desk, taken);
                }
                self.ask_settlement(core, work, Waiter::Request);
            }
            Msg::Act(number) => {
                let act = Box::new(pool().acts[number].clone());
                let work = SettlementWork::Acts(Box::new(ActsWork::Propose(act)));
                self.ask_settlement(core, work, Waiter::Act(number));
            }
            Msg::File(file, copy) => {
                let claim = pool().files[file][copy].clone();
                let work = SettlementWork::Funding(Box::new(FundingWork::JudgeFile(claim)));
                let who = Waiter::File(file, copy, FileStage::Judged);
                self.ask_settlement(core, work, who);
            }
            _ => {}
        }
    }

    /// A file is judged whole, then its line counts, once for ever.
    fn file_told(
        &mut self,
        core: usize,
        (file, copy): (usize, usize),
        stage: FileStage,
        said: &FundingAnswer,
    ) {
        match (stage, said) {
            (FileStage::Judged, FundingAnswer::Taken { .. }) => {
                let claim = &pool().files[file][copy];
                let work = SettlementWork::Funding(Box::new(FundingWork::BookLine {
                    file: claim.digest,
                    asset: eur(),
                    claim: claim.reports[0].lines[0].clone(),
                }));
                let who = Waiter::File(file, copy, FileStage::Counted);
                self.ask_settlement(core, work, who);
            }
            (FileStage::Counted, FundingAnswer::Line { .. }) => {
                self.send(Node::Core(core), Node::Desk, Msg::FileTaken(file, copy));
            }
            (_, other) => self.wrong(|| format!("file {file} of {copy}: {other:?}")),
        }
    }

    pub(crate) fn desk_turn(&mut self) {
        self.desk.asks += 1;
        let core = Node::Core(self.desk.asks / 2 % 2);
        if let Some(number) = self.desk.withdrawals.first() {
            self.send(Node::Desk, core, Msg::Withdraw(*number));
        }
        let files: Vec<(usize, usize)> = self.desk.files.iter().take(2).copied().collect();
        for (file, copy) in files {
            self.send(Node::Desk, core, Msg::File(file, copy));
        }
        let time = self.time;
        if let Some((number, _)) = self.desk.acts.iter().find(|(_, due)| **due <= time) {
            self.send(Node::Desk, core, Msg::Act(*number));
        }
        let pause = (200 + self.dice.below(300)) * MS;
        self.timer(pause, Node::Desk, Timer::Again);
    }

    pub(crate) fn desk_hears(&mut self, msg: &Msg) {
        match msg {
            Msg::WithdrawTaken(number) => {
                self.desk.withdrawals.remove(number);
            }
            Msg::FileTaken(file, copy) => {
                self.desk.files.remove(&(*file, *copy));
            }
            Msg::ActTaken(number, stands) => {
                self.desk.acts.remove(number);
                if *stands {
                    self.desk.stands.insert(*number);
                }
            }
            _ => {}
        }
    }

    /// People look at transfers that are stuck: they ask the rail, and say what it says.
    pub(crate) fn people(&mut self) {
        for core in 0..2 {
            let Some(writer) = self.lead(core).and_then(|lead| lead.settlement.as_ref()) else {
                continue;
            };
            let is_stuck = |one: &&Transfer| matches!(one.phase, Phase::Stuck(_));
            let stuck: Vec<Transfer> =
                writer.state().transfers().filter(is_stuck).cloned().collect();
            for transfer in stuck {
                let done = self.rail.executed.contains_key(&transfer.id);
                let decision = if done {
                    StuckDecision::Done
                } else {
                    let message = message_id_of(transfer.id);
                    let rejected = (transfer.id, Verdict::Rejected);
                    self.rail.verdicts.insert(message, rejected);
                    StuckDecision::NotDone
                };
                let act = stuck_act(&transfer, decision);
                let work = SettlementWork::Outside(Box::new(OutsideWork::Resolve(act)));
                self.ask_settlement(core, work, Waiter::Request);
            }
        }
    }

    pub(crate) fn withdrawals_ended(&self) -> (usize, usize) {
        let done = self.rail.executed.len();
        let rejected = |(_, verdict): &&(OutsideId, Verdict)| *verdict == Verdict::Rejected;
        (done, self.rail.verdicts.values().filter(rejected).count())
    }
}

fn withdrawal_of(id: OutsideId) -> usize {
    (0..WITHDRAWALS).find(|number| pool::outside_id(*number) == id).unwrap_or(0)
}
