//! A transfer over a rail outside of our books, without I/O: the live path and recovery are one.
//!
//! Order of what happens: the money is held; one fact says over which rail and under which message
//! id it will be sent, and pins the hold; only when that is durable is the rail called; what the
//! rail says posts the hold or releases it. [`step`] says for each [`Phase`] and [`Input`] what to
//! record and what to do once that is durable. The driver repeats: look the [`Transfer`] up, step,
//! submit the work, carry out the effect, and put what came of it into the next step.
//!
//! What a crash leaves, and what recovery does (the driver forgets its [`Live`] and begins with
//! [`Input::Begun`]):
//! - held, not intended: nothing was sent; it is intended now, or the hold runs out.
//! - intended: nobody knows whether the rail was called, so the rail is asked. It does not know
//!   the message: the very same message is sent again, which every rail executes at most once per
//!   message id ([`Resend::SameMessage`]); a rail that does not promise this is only asked.
//! - sent or in doubt: the rail is asked.
//!
//! Money is released only on a rejection, or when every try of this run was surely not done and
//! no earlier run can have tried. What stays unknown becomes stuck: a person decides, by a fact.

use core::time::Duration;

use minicbor::{Decode, Encode};
use record::{
    OutsideEvidence, OutsideNote, OutsideParty, Signed, StuckAct, StuckDecision, Withdrawal,
};
use seal::{Digest, Domain, digest};
use terms::{
    AccountId, Amount, HoldId, Instant, InstitutionName, OutsideId, Position, RailName,
    TransactionId, Uetr,
};

use crate::outgoing::CarriedPayment;

mod debits;

pub use debits::{DebitLine, DebitMatch, match_debit};

/// Domain of the ids that are made from a transfer's id.
const OUTSIDE_ID: Domain = Domain::new("wayleave/outside-id/v1");
/// How long money is held before it must have been intended; a weekend's closing of a rail.
pub const HOLD_SECONDS: u64 = 3 * 24 * 3600;
/// Longest reason of a note, in characters: a fact is no log.
const WORDS_MAX: usize = 200;

/// Where a transfer stands. A request and its hold are one fact, so *requested* is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Phase {
    /// The money is held, and nothing is sent; the hold may run out.
    #[n(0)]
    Held,
    /// The hold is pinned; the rail may have been called.
    #[n(1)]
    SendIntended,
    /// The rail has it; its last status code, empty while it gave none.
    #[n(2)]
    Sent(#[n(0)] String),
    /// Nobody knows whether the rail has it: ask, do not act.
    #[n(3)]
    InDoubt(#[n(0)] String),
    /// A person must look, for this reason.
    #[n(4)]
    Stuck(#[n(0)] String),
    /// The rail did it, and the hold is posted.
    #[n(5)]
    Confirmed(#[n(0)] OutsideEvidence),
    /// The rail surely did not, and the hold is released.
    #[n(6)]
    Rejected(#[n(0)] OutsideEvidence),
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::SendIntended => "send-intended",
            Self::Sent(_) => "sent",
            Self::InDoubt(_) => "in-doubt",
            Self::Stuck(_) => "stuck",
            Self::Confirmed(_) => "confirmed",
            Self::Rejected(_) => "rejected",
        }
    }

    /// Whether a driver still has something to do.
    #[must_use]
    pub const fn is_driven(&self) -> bool {
        matches!(self, Self::Held | Self::SendIntended | Self::Sent(_) | Self::InDoubt(_))
    }

    /// Whether the hold is pinned and waits for what the rail says.
    #[must_use]
    pub const fn awaits_the_rail(&self) -> bool {
        matches!(self, Self::SendIntended | Self::Sent(_) | Self::InDoubt(_) | Self::Stuck(_))
    }
}

/// One transfer, as the book's facts say.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Transfer {
    /// Its id.
    #[n(0)]
    pub id: OutsideId,
    /// Of the order: the same order twice is one transfer.
    #[n(1)]
    pub order: Digest,
    /// Whose money.
    #[n(2)]
    pub participant: InstitutionName,
    /// The settlement account.
    #[n(3)]
    pub account: AccountId,
    /// How much, of which asset.
    #[n(4)]
    pub amount: Amount,
    /// Whereto; of a payment that it carries its bank's own book says so.
    #[n(5)]
    pub to: Option<OutsideParty>,
    /// The participant's reference; empty of a payment that it carries.
    #[n(6)]
    pub reference: String,
    /// The hold.
    #[n(7)]
    pub hold: HoldId,
    /// When the hold runs out while it is not pinned.
    #[n(8)]
    pub hold_until: Instant,
    /// Where it stands.
    #[n(9)]
    pub phase: Phase,
    /// The position of the fact that brought it there.
    #[n(10)]
    pub at: Position,
    /// When that was.
    #[n(11)]
    pub changed_at: Instant,
    /// From when patience counts: the intent, or a person's word to ask again.
    #[n(12)]
    pub waits_since: Instant,
    /// Over which rail, once intended.
    #[n(13)]
    pub rail: Option<RailName>,
    /// When it was intended: the message's own time, so that it is made the same again.
    #[n(14)]
    pub intended_at: Option<Instant>,
    /// The booked debit line, once there is one.
    #[n(15)]
    pub line: Option<String>,
    /// The return of what was posted, once there is one.
    #[n(16)]
    pub returned: Option<OutsideEvidence>,
    /// What does not fit how it ended.
    #[n(17)]
    pub contradicted: Option<OutsideEvidence>,
    /// The payment that it carries, if it is no withdrawal of the participant's own.
    #[n(18)]
    pub carries: Option<Box<CarriedPayment>>,
}

impl Transfer {
    /// A transfer whose money is held.
    #[must_use]
    pub fn held(
        order: &Signed<Withdrawal>,
        asked: &Withdrawal,
        account: AccountId,
        placed: (Position, Instant),
    ) -> Self {
        let (at, changed_at) = placed;
        Self {
            id: asked.id,
            order: order.digest(),
            participant: asked.participant,
            account,
            amount: asked.amount,
            to: Some(asked.to.clone()),
            reference: asked.reference.clone(),
            hold: hold_of(asked.id),
            hold_until: hold_until(changed_at),
            phase: Phase::Held,
            at,
            changed_at,
            waits_since: changed_at,
            rail: None,
            intended_at: None,
            line: None,
            returned: None,
            contradicted: None,
            carries: None,
        }
    }

    /// The id under which the rail knows it: 32 hex digits, the same at every try.
    #[must_use]
    pub fn message_id(&self) -> String {
        message_id_of(self.id)
    }

    /// The unique end-to-end transaction reference: the payment's own, else made from the id.
    #[must_use]
    pub fn uetr(&self) -> Uetr {
        let own = self.carries.as_ref().map(|payment| payment.uetr);
        own.unwrap_or_else(|| Uetr::from_random(made_of(self.id, "uetr")))
    }

    /// Whether it is posted and its debit line is not booked yet: a named item in transit.
    #[must_use]
    pub const fn in_transit(&self) -> bool {
        matches!(self.phase, Phase::Confirmed(_)) && self.line.is_none()
    }

    /// Takes what was noted.
    pub(crate) fn note(&mut self, at: Position, stamp: Instant, note: OutsideNote) {
        match note {
            OutsideNote::Sent(code) => self.turn(at, stamp, Phase::Sent(code)),
            OutsideNote::InDoubt(words) => self.turn(at, stamp, Phase::InDoubt(words)),
            OutsideNote::Stuck(words) => self.turn(at, stamp, Phase::Stuck(words)),
            OutsideNote::Returned(evidence) => self.returned = Some(evidence),
            OutsideNote::Contradicted(evidence) => self.contradicted = Some(evidence),
            OutsideNote::LineBooked(line) => self.line = Some(line),
        }
    }

    pub(crate) fn intend(&mut self, at: Position, stamp: Instant, rail: RailName) {
        (self.rail, self.intended_at) = (Some(rail), Some(stamp));
        self.waits_since = stamp;
        self.turn(at, stamp, Phase::SendIntended);
    }

    pub(crate) fn post(&mut self, at: Position, stamp: Instant, evidence: OutsideEvidence) {
        if let OutsideEvidence::Line(line) = &evidence {
            self.line = Some(line.clone());
        }
        if is_return(&evidence) {
            self.returned = Some(evidence.clone());
        }
        self.turn(at, stamp, Phase::Confirmed(evidence));
    }

    pub(crate) fn release(&mut self, at: Position, stamp: Instant, evidence: OutsideEvidence) {
        self.turn(at, stamp, Phase::Rejected(evidence));
    }

    pub(crate) fn ask_again(&mut self, at: Position, stamp: Instant) {
        self.waits_since = stamp;
        self.turn(at, stamp, Phase::InDoubt("a person asks again".to_owned()));
    }

    fn turn(&mut self, at: Position, stamp: Instant, phase: Phase) {
        (self.phase, self.at, self.changed_at) = (phase, at, stamp);
    }
}

fn is_return(evidence: &OutsideEvidence) -> bool {
    matches!(evidence, OutsideEvidence::Message { kind, .. } if kind == RETURN)
}

/// The kind of a return in evidence.
pub const RETURN: &str = "pacs.004";

/// The message id of a transfer.
#[must_use]
pub fn message_id_of(id: OutsideId) -> String {
    seal::text::to_hex(&id.bytes())
}

/// The transfer of a message id.
#[must_use]
pub fn id_of_message(message_id: &str) -> Option<OutsideId> {
    seal::text::from_hex_array(message_id).map(OutsideId::from_bytes)
}

/// The hold of a transfer.
#[must_use]
pub fn hold_of(id: OutsideId) -> HoldId {
    HoldId::from_bytes(made_of(id, "hold"))
}

/// The posting of a transfer.
#[must_use]
pub fn transaction_of(id: OutsideId) -> TransactionId {
    TransactionId::from_bytes(made_of(id, "posting"))
}

/// When the hold of a transfer that was asked for at `stamp` runs out.
#[must_use]
pub fn hold_until(stamp: Instant) -> Instant {
    stamp.plus(Duration::from_secs(HOLD_SECONDS))
}

fn made_of(id: OutsideId, part: &str) -> [u8; 16] {
    digest(OUTSIDE_ID, &[id.bytes().as_slice(), part.as_bytes()].concat()).half()
}

/// What the settlement book can be asked to do for a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideWork {
    /// Take a participant's order: its money is held.
    Request(Box<Signed<Withdrawal>>),
    /// Name rail and message id and pin the hold, in one fact.
    Intend(OutsideId, RailName),
    /// Write down what was heard.
    Note(OutsideId, OutsideNote),
    /// Post the hold: the rail did it.
    Post(OutsideId, OutsideEvidence),
    /// Release the hold: the rail surely did not.
    Release(OutsideId, OutsideEvidence),
    /// A person's act on a stuck transfer. The caller has verified the signature.
    Resolve(Box<Signed<StuckAct>>),
}

/// What the settlement book answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideAnswer {
    /// Done by this very command.
    Now,
    /// It had been done, or is past: look the transfer up.
    Before,
    /// A rule said no; nothing is recorded.
    Refused(crate::rule::Rule),
}

/// What a driver remembers while it runs, and forgets when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Whether the rail may have it.
    pub handed: Handed,
    /// How often something was tried: the pauses grow with it.
    pub tries: u32,
}

/// Whether the rail may have a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// Surely not: it was intended in this run, and every try since was surely not done.
    Never,
    /// Perhaps.
    Maybe,
}

impl Live {
    /// What a driver knows that has just begun.
    pub const RECOVERED: Self = Self { handed: Handed::Maybe, tries: 0 };
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A driver takes the transfer up: a new one, or after a restart.
    Begun,
    /// The pause is over.
    Timer,
    /// What became of a send.
    Handed(Sending),
    /// What became of a question.
    Asked(Asking),
    /// A message of the rail about it.
    Heard(Report),
    /// A person's act.
    Person(Box<Signed<StuckAct>>),
}

impl Input {
    /// What to begin with when the book did not take the step of this input: it stands elsewhere
    /// now. What the rail said is said again to what stands there: a word that contradicts an end
    /// must not be lost to the one that came first.
    #[must_use]
    pub fn again(&self) -> Self {
        match self.report() {
            Some(report) => Self::Heard(report.clone()),
            None => Self::Begun,
        }
    }

    /// What the rail said, if it said something.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match self {
            Self::Handed(Sending::Sent(Some(report)))
            | Self::Asked(Asking::Status(report))
            | Self::Heard(report) => Some(report),
            Self::Begun | Self::Timer | Self::Handed(_) | Self::Asked(_) | Self::Person(_) => None,
        }
    }
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// The rail has it, and perhaps said more.
    Sent(Option<Report>),
    /// Surely not handed over by this try.
    NotDone(String),
    /// Nobody knows.
    Unknown(String),
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// This is how it stands.
    Status(Report),
    /// The rail has no such message now. It may still come: no evidence for a release.
    NotKnown,
    /// No answer.
    Unknown(String),
}

/// What the rail says of a transfer, with the message that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it comes to.
    pub told: Told,
    /// The message.
    pub evidence: OutsideEvidence,
}

/// What a message of a rail comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Under way: received, checked, pending.
    Pending,
    /// Done: the money left the outside account.
    Settled,
    /// Surely not done, and will not be.
    NotDone,
    /// The same message came twice: says nothing of the first.
    SameAgain,
    /// Done, and the money comes back.
    Returned,
    /// Held by the law, in part, or in words that we do not know: a person must look.
    Unclear,
}

impl Told {
    /// What a status code of pacs.002 comes to, with its reason code.
    ///
    /// A rejection *because the same was sent before* is no evidence: the first may be done.
    #[must_use]
    pub fn of_status(code: &str, reason: &str) -> Self {
        match code {
            "RCVD" | "ACTC" | "ACCP" | "ACFC" | "ACSP" | "PDNG" | "ACWC" => Self::Pending,
            "ACSC" | "ACCC" | "ACWP" => Self::Settled,
            "RJCT" if matches!(reason, "AM05" | "DUPL" | "RF01") => Self::SameAgain,
            "RJCT" | "CANC" => Self::NotDone,
            _ => Self::Unclear,
        }
    }
}

/// How patient a driver is with a rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The first pause; the next ones double.
    pub first_pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long a send that surely was not done is tried again before the money is released.
    pub give_up_after: Duration,
    /// How long a transfer may be without an end before a person must look.
    pub stuck_after: Duration,
    /// What to do when the rail does not know the message.
    pub resend: Resend,
}

/// Whether a message may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// The very same one: the rail executes one message id at most once.
    SameMessage,
    /// Never: the rail does not promise that.
    Never,
}

/// A minute for a rail that is not there, an hour for one that does not answer; pauses from half a
/// second to a minute.
pub const PATIENCE: Patience = Patience {
    first_pause: Duration::from_millis(500),
    pause_max: Duration::from_secs(60),
    give_up_after: Duration::from_secs(60),
    stuck_after: Duration::from_secs(3600),
    resend: Resend::SameMessage,
};

/// What to record, and what to do once that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the driver knows from now on.
    pub live: Live,
    /// What to record first. When the book says *before*, look up and begin again.
    pub work: Option<OutsideWork>,
    /// What to do then.
    pub then: Effect,
}

/// What a driver does outside of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more.
    Nothing,
    /// Hand the message to the rail.
    Send,
    /// Ask the rail.
    Ask,
    /// Pause, then [`Input::Timer`].
    Wait(Duration),
    /// Tell a person, and nothing more.
    Alarm(String),
}

/// What the rail is configured to be, for a step.
#[derive(Clone, Copy, Debug)]
pub struct Rails<'a> {
    /// The rail that carries this transfer's asset; its own once it is intended.
    pub rail: RailName,
    /// How patient to be with it.
    pub patience: &'a Patience,
}

/// The next step of a transfer. Pure: the same for the same arguments.
#[must_use]
pub fn step(transfer: &Transfer, live: Live, rails: Rails<'_>, now: Instant, input: Input) -> Step {
    let turn = Turn { transfer, live, rails, now };
    match input {
        Input::Begun | Input::Timer | Input::Handed(_) | Input::Asked(_) if turn.is_elsewhere() => {
            turn.elsewhere()
        }
        Input::Begun => Turn { live: Live::RECOVERED, ..turn }.go_on(),
        Input::Timer => turn.go_on(),
        Input::Handed(sending) => turn.handed(sending),
        Input::Asked(asking) => turn.asked(asking),
        Input::Heard(report) => turn.heard(report),
        Input::Person(act) => turn.person(act),
    }
}

struct Turn<'a> {
    transfer: &'a Transfer,
    live: Live,
    rails: Rails<'a>,
    now: Instant,
}

impl Turn<'_> {
    // INVARIANT (OneRail): what went over one rail is neither asked about nor sent over another:
    // that one does not know it, and would do it again.
    fn is_elsewhere(&self) -> bool {
        self.transfer.rail.is_some_and(|own| own != self.rails.rail)
    }

    fn elsewhere(self) -> Step {
        match (&self.transfer.phase, self.transfer.rail) {
            (Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_), Some(own)) => {
                self.stuck(format!("it went over rail `{own}`, which does not carry its asset now"))
            }
            _ => self.only(Effect::Nothing),
        }
    }

    fn go_on(self) -> Step {
        let Turn { transfer, live, rails, now } = &self;
        let past = |after: Duration| *now >= transfer.waits_since.plus(after);
        match &transfer.phase {
            Phase::Held if *now >= transfer.hold_until => {
                let evidence = OutsideEvidence::Lapsed("the hold ran out".to_owned());
                self.record(OutsideWork::Release(transfer.id, evidence), Effect::Nothing)
            }
            Phase::Held => Step {
                live: Live { handed: Handed::Never, tries: 0 },
                work: Some(OutsideWork::Intend(transfer.id, rails.rail)),
                then: Effect::Send,
            },
            Phase::SendIntended if live.handed == Handed::Never => {
                if past(rails.patience.give_up_after) {
                    let evidence = OutsideEvidence::NeverSent("every try was not done".to_owned());
                    return self
                        .record(OutsideWork::Release(transfer.id, evidence), Effect::Nothing);
                }
                self.only(Effect::Send)
            }
            Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) => {
                if past(rails.patience.stuck_after) {
                    return self.stuck("the rail gave no end in time".to_owned());
                }
                self.only(Effect::Ask)
            }
            Phase::Stuck(_) | Phase::Confirmed(_) | Phase::Rejected(_) => {
                self.only(Effect::Nothing)
            }
        }
    }

    fn handed(self, sending: Sending) -> Step {
        match (&self.transfer.phase, sending) {
            (_, Sending::Sent(Some(report))) => self.heard(report),
            (Phase::SendIntended | Phase::InDoubt(_), Sending::Sent(None)) => {
                self.note_and_wait(OutsideNote::Sent(String::new()))
            }
            (Phase::SendIntended | Phase::InDoubt(_), Sending::NotDone(_))
            | (Phase::InDoubt(_), Sending::Unknown(_))
            | (Phase::Sent(_), _) => self.wait(),
            (Phase::SendIntended, Sending::Unknown(words)) => {
                self.in_doubt(format!("sent, and no answer: {words}"))
            }
            (Phase::Held | Phase::Stuck(_) | Phase::Confirmed(_) | Phase::Rejected(_), _) => {
                self.only(Effect::Nothing)
            }
        }
    }

    fn asked(self, asking: Asking) -> Step {
        match (&self.transfer.phase, asking) {
            (_, Asking::Status(report)) => self.heard(report),
            (Phase::Sent(_), Asking::NotKnown) => {
                self.stuck("the rail had it, and does not know it now".to_owned())
            }
            (Phase::SendIntended | Phase::InDoubt(_), Asking::NotKnown) => {
                match self.rails.patience.resend {
                    Resend::SameMessage => self.only(Effect::Send),
                    Resend::Never => self.wait(),
                }
            }
            (Phase::SendIntended, Asking::Unknown(words)) => {
                self.in_doubt(format!("asked, and no answer: {words}"))
            }
            (Phase::Sent(_) | Phase::InDoubt(_), Asking::Unknown(_)) => self.wait(),
            (Phase::Held | Phase::Stuck(_) | Phase::Confirmed(_) | Phase::Rejected(_), _) => {
                self.only(Effect::Nothing)
            }
        }
    }

    fn heard(self, report: Report) -> Step {
        let Report { told, evidence } = report;
        match &self.transfer.phase {
            Phase::Held => self.only(Effect::Alarm(format!(
                "the rail speaks of `{}`, which was not sent",
                self.transfer.id
            ))),
            Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) | Phase::Stuck(_) => {
                self.heard_of_open(told, evidence)
            }
            Phase::Confirmed(_) => match told {
                Told::Returned if self.transfer.returned.is_none() => {
                    self.write(OutsideNote::Returned(evidence), Effect::Nothing)
                }
                Told::NotDone => self.contradicted(evidence),
                Told::Returned
                | Told::Pending
                | Told::Settled
                | Told::SameAgain
                | Told::Unclear => self.only(Effect::Nothing),
            },
            Phase::Rejected(_) => match told {
                Told::Settled | Told::Returned => self.contradicted(evidence),
                Told::NotDone | Told::Pending | Told::SameAgain | Told::Unclear => {
                    self.only(Effect::Nothing)
                }
            },
        }
    }

    fn heard_of_open(self, told: Told, evidence: OutsideEvidence) -> Step {
        let id = self.transfer.id;
        let code = code_of(&evidence);
        let stuck = matches!(self.transfer.phase, Phase::Stuck(_));
        match told {
            Told::Settled | Told::Returned => {
                self.record(OutsideWork::Post(id, evidence), Effect::Nothing)
            }
            Told::NotDone => self.record(OutsideWork::Release(id, evidence), Effect::Nothing),
            // Only an end takes a stuck transfer from its person.
            Told::Pending | Told::SameAgain | Told::Unclear if stuck => self.only(Effect::Nothing),
            Told::Pending if self.transfer.phase == Phase::Sent(code.clone()) => self.wait(),
            Told::Pending => self.note_and_wait(OutsideNote::Sent(code)),
            Told::SameAgain if self.transfer.phase == Phase::SendIntended => {
                self.in_doubt("the rail says that the same was sent before".to_owned())
            }
            Told::SameAgain => self.wait(),
            Told::Unclear => self.stuck(format!("the rail says `{code}`")),
        }
    }

    fn person(self, act: Box<Signed<StuckAct>>) -> Step {
        let decision = act.read_unverified().map(|act| act.decision);
        let then = match decision {
            Ok(StuckDecision::AskAgain) => Effect::Ask,
            Ok(StuckDecision::Done | StuckDecision::NotDone) | Err(_) => Effect::Nothing,
        };
        match self.transfer.phase {
            Phase::Stuck(_) => self.record(OutsideWork::Resolve(act), then),
            Phase::Held
            | Phase::SendIntended
            | Phase::Sent(_)
            | Phase::InDoubt(_)
            | Phase::Confirmed(_)
            | Phase::Rejected(_) => self.only(Effect::Nothing),
        }
    }

    fn contradicted(self, evidence: OutsideEvidence) -> Step {
        let alarm = Effect::Alarm(format!(
            "`{}` is {}, and the rail says otherwise: {}",
            self.transfer.id,
            self.transfer.phase.as_str(),
            code_of(&evidence)
        ));
        if self.transfer.contradicted.is_some() {
            return self.only(alarm);
        }
        self.write(OutsideNote::Contradicted(evidence), alarm)
    }

    fn in_doubt(self, words: String) -> Step {
        let live = Live { handed: Handed::Maybe, ..self.live };
        Self { live, ..self }.note_and_wait(OutsideNote::InDoubt(words))
    }

    fn stuck(self, words: String) -> Step {
        let alarm = Effect::Alarm(format!("`{}` is stuck: {words}", self.transfer.id));
        self.write(OutsideNote::Stuck(words), alarm)
    }

    fn note_and_wait(self, note: OutsideNote) -> Step {
        let Step { live, then, .. } = self.wait();
        Step { live, ..self.write(note, then) }
    }

    fn write(&self, note: OutsideNote, then: Effect) -> Step {
        let cut = |words: String| words.chars().take(WORDS_MAX).collect();
        let note = match note {
            OutsideNote::InDoubt(words) => OutsideNote::InDoubt(cut(words)),
            OutsideNote::Stuck(words) => OutsideNote::Stuck(cut(words)),
            OutsideNote::Sent(code) => OutsideNote::Sent(code),
            OutsideNote::Returned(evidence) => OutsideNote::Returned(evidence),
            OutsideNote::Contradicted(evidence) => OutsideNote::Contradicted(evidence),
            OutsideNote::LineBooked(line) => OutsideNote::LineBooked(line),
        };
        self.record(OutsideWork::Note(self.transfer.id, note), then)
    }

    const fn record(&self, work: OutsideWork, then: Effect) -> Step {
        Step { live: self.live, work: Some(work), then }
    }

    const fn only(&self, then: Effect) -> Step {
        Step { live: self.live, work: None, then }
    }

    fn wait(&self) -> Step {
        let Patience { first_pause, pause_max, .. } = *self.rails.patience;
        let times = 2_u32.saturating_pow(self.live.tries.min(16));
        let pause = first_pause.saturating_mul(times).min(pause_max);
        let live = Live { tries: self.live.tries.saturating_add(1), ..self.live };
        Step { live, work: None, then: Effect::Wait(pause) }
    }
}

fn code_of(evidence: &OutsideEvidence) -> String {
    match evidence {
        OutsideEvidence::Message { code, reason, .. } if reason.is_empty() => code.clone(),
        OutsideEvidence::Message { code, reason, .. } => format!("{code} {reason}"),
        OutsideEvidence::Line(line) => line.clone(),
        OutsideEvidence::Act(act) => act.to_string(),
        OutsideEvidence::NeverSent(words) | OutsideEvidence::Lapsed(words) => words.clone(),
    }
}
