//! Each phase and each input, and what the writer refuses whoever asks.

use core::time::Duration;

use clearing::outside::{
    Asking, DebitLine, DebitMatch, Effect, Handed, Input, Live, PATIENCE, Patience, Phase, Rails,
    Resend, Sending, Step, Told, Transfer, match_debit, step,
};
use clearing::rule::RuleName;
use clearing::testkit::{Books, Who, eur, name, now, sgd};
use clearing::{OutsideAnswer, OutsideWork, SettlementAnswer, SettlementWork};
use ledger::{Command, NotDone, NotDoneSource, VoidGround};
use record::{OutsideEvidence, OutsideNote, Signed, StuckDecision};
use seal::sha256;
use terms::Minor;

use clearing::testkit::outside::stuck_act;

use crate::model::{
    id, message, moved, order, outside, report, returned, sound, transfer, withdrawal,
};

const CLEAN: Live = Live { handed: Handed::Never, tries: 0 };

fn held() -> Transfer {
    let mut books = Books::ready();
    let asked = OutsideWork::Request(order(1, 500));
    assert_eq!(outside(&mut books, now(), asked), OutsideAnswer::Now);
    transfer(&books, 1)
}

fn in_phase(phase: Phase) -> Transfer {
    Transfer { phase, ..held() }
}

fn phases() -> [Transfer; 7] {
    let evidence = || message("pacs.002", "ACSC", "");
    [
        held(),
        in_phase(Phase::SendIntended),
        in_phase(Phase::Sent("ACSP".into())),
        in_phase(Phase::InDoubt("no answer".into())),
        in_phase(Phase::Stuck("no end".into())),
        in_phase(Phase::Confirmed(evidence())),
        in_phase(Phase::Rejected(evidence())),
    ]
}

fn stepped(transfer: &Transfer, live: Live, after: u64, input: Input) -> Step {
    let rails = Rails { rail: name("tcb-files"), patience: &PATIENCE };
    step(transfer, live, rails, now().plus(Duration::from_secs(after)), input)
}

/// What a step comes to, in a word for the record and a word for the effect.
fn words(step: &Step) -> String {
    let work = match &step.work {
        None => "-",
        Some(OutsideWork::Request(_)) => "request",
        Some(OutsideWork::Intend(..)) => "intend",
        Some(OutsideWork::Note(_, note)) => match note {
            OutsideNote::Sent(_) => "sent",
            OutsideNote::InDoubt(_) => "doubt",
            OutsideNote::Stuck(_) => "stuck",
            OutsideNote::Returned(_) => "returned",
            OutsideNote::Contradicted(_) => "contradicted",
            OutsideNote::LineBooked(_) => "line",
        },
        Some(OutsideWork::Post(..)) => "post",
        Some(OutsideWork::Release(..)) => "release",
        Some(OutsideWork::Resolve(_)) => "resolve",
    };
    let then = match &step.then {
        Effect::Nothing => "-",
        Effect::Send => "send",
        Effect::Ask => "ask",
        Effect::Wait(_) => "wait",
        Effect::Alarm(_) => "alarm",
    };
    format!("{work}/{then}")
}

/// A row of the table: an input, and what each phase makes of it: held, intended, sent, in doubt,
/// stuck, confirmed, rejected.
type Row = (&'static str, Live, u64, Input, [&'static str; 7]);

fn rows_of_time() -> Vec<Row> {
    let maybe = Live::RECOVERED;
    let nothing = "-/-";
    vec![
        (
            "begun",
            CLEAN,
            1,
            Input::Begun,
            ["intend/send", "-/ask", "-/ask", "-/ask", nothing, nothing, nothing],
        ),
        (
            "timer",
            maybe,
            1,
            Input::Timer,
            ["intend/send", "-/ask", "-/ask", "-/ask", nothing, nothing, nothing],
        ),
        (
            "timer, surely not handed",
            CLEAN,
            1,
            Input::Timer,
            ["intend/send", "-/send", "-/ask", "-/ask", nothing, nothing, nothing],
        ),
        (
            "given up",
            CLEAN,
            61,
            Input::Timer,
            ["intend/send", "release/-", "-/ask", "-/ask", nothing, nothing, nothing],
        ),
        (
            "too long",
            maybe,
            3601,
            Input::Timer,
            ["intend/send", "stuck/alarm", "stuck/alarm", "stuck/alarm", nothing, nothing, nothing],
        ),
        (
            "hold over",
            maybe,
            4 * 24 * 3600,
            Input::Timer,
            ["release/-", "stuck/alarm", "stuck/alarm", "stuck/alarm", nothing, nothing, nothing],
        ),
    ]
}

fn rows_of_sends() -> Vec<Row> {
    let unknown = || Sending::Unknown("late".into());
    let not_done = || Sending::NotDone("no connection".into());
    let nothing = "-/-";
    vec![
        (
            "handed over",
            CLEAN,
            1,
            Input::Handed(Sending::Sent(None)),
            [nothing, "sent/wait", "-/wait", "sent/wait", nothing, nothing, nothing],
        ),
        (
            "handed over and settled",
            CLEAN,
            1,
            Input::Handed(Sending::Sent(Some(report("ACSC", "")))),
            ["-/alarm", "post/-", "post/-", "post/-", "post/-", nothing, "contradicted/alarm"],
        ),
        (
            "surely not handed",
            CLEAN,
            1,
            Input::Handed(not_done()),
            [nothing, "-/wait", "-/wait", "-/wait", nothing, nothing, nothing],
        ),
        (
            "perhaps handed",
            CLEAN,
            1,
            Input::Handed(unknown()),
            [nothing, "doubt/wait", "-/wait", "-/wait", nothing, nothing, nothing],
        ),
    ]
}

fn rows_of_questions() -> Vec<Row> {
    let silent = || Asking::Unknown("late".into());
    let maybe = Live::RECOVERED;
    let nothing = "-/-";
    vec![
        (
            "asked: not known",
            maybe,
            1,
            Input::Asked(Asking::NotKnown),
            [nothing, "-/send", "stuck/alarm", "-/send", nothing, nothing, nothing],
        ),
        (
            "asked: silence",
            maybe,
            1,
            Input::Asked(silent()),
            [nothing, "doubt/wait", "-/wait", "-/wait", nothing, nothing, nothing],
        ),
        (
            "asked: pending",
            maybe,
            1,
            Input::Asked(Asking::Status(report("PDNG", ""))),
            ["-/alarm", "sent/wait", "sent/wait", "sent/wait", nothing, nothing, nothing],
        ),
        (
            "in process",
            maybe,
            1,
            Input::Heard(report("ACSP", "")),
            ["-/alarm", "sent/wait", "-/wait", "sent/wait", nothing, nothing, nothing],
        ),
    ]
}

fn rows_of_ends() -> Vec<Row> {
    let maybe = Live::RECOVERED;
    let nothing = "-/-";
    vec![
        (
            "settled",
            maybe,
            1,
            Input::Heard(report("ACSC", "")),
            ["-/alarm", "post/-", "post/-", "post/-", "post/-", nothing, "contradicted/alarm"],
        ),
        (
            "settled, not posted",
            maybe,
            1,
            Input::Heard(report("ACWP", "")),
            ["-/alarm", "post/-", "post/-", "post/-", "post/-", nothing, "contradicted/alarm"],
        ),
        (
            "rejected",
            maybe,
            1,
            Input::Heard(report("RJCT", "AC04")),
            [
                "-/alarm",
                "release/-",
                "release/-",
                "release/-",
                "release/-",
                "contradicted/alarm",
                nothing,
            ],
        ),
        (
            "cancelled",
            maybe,
            1,
            Input::Heard(report("CANC", "")),
            [
                "-/alarm",
                "release/-",
                "release/-",
                "release/-",
                "release/-",
                "contradicted/alarm",
                nothing,
            ],
        ),
        (
            "rejected as a duplicate",
            maybe,
            1,
            Input::Heard(report("RJCT", "AM05")),
            ["-/alarm", "doubt/wait", "-/wait", "-/wait", nothing, nothing, nothing],
        ),
        (
            "blocked",
            maybe,
            1,
            Input::Heard(report("BLCK", "")),
            ["-/alarm", "stuck/alarm", "stuck/alarm", "stuck/alarm", nothing, nothing, nothing],
        ),
    ]
}

fn rows_of_persons() -> Vec<Row> {
    let maybe = Live::RECOVERED;
    let stuck = in_phase(Phase::Stuck("no end".into()));
    let nothing = "-/-";
    vec![
        (
            "returned",
            maybe,
            1,
            Input::Heard(returned()),
            ["-/alarm", "post/-", "post/-", "post/-", "post/-", "returned/-", "contradicted/alarm"],
        ),
        (
            "person: done",
            maybe,
            1,
            Input::Person(stuck_act(&stuck, StuckDecision::Done)),
            [nothing, nothing, nothing, nothing, "resolve/-", nothing, nothing],
        ),
        (
            "person: not done",
            maybe,
            1,
            Input::Person(stuck_act(&stuck, StuckDecision::NotDone)),
            [nothing, nothing, nothing, nothing, "resolve/-", nothing, nothing],
        ),
        (
            "person: ask again",
            maybe,
            1,
            Input::Person(stuck_act(&stuck, StuckDecision::AskAgain)),
            [nothing, nothing, nothing, nothing, "resolve/ask", nothing, nothing],
        ),
    ]
}

fn table() -> Vec<Row> {
    [rows_of_time(), rows_of_sends(), rows_of_questions(), rows_of_ends(), rows_of_persons()]
        .concat()
}

#[test]
fn each_phase_has_one_step_for_each_input() {
    for (what, live, after, input, expected) in table() {
        let got = phases().map(|one| words(&stepped(&one, live, after, input.clone())));
        assert_eq!(got.each_ref().map(String::as_str), expected, "{what}");
    }
}

#[test]
fn an_answer_that_was_lost_is_never_forgotten_within_a_run() {
    let intended = in_phase(Phase::SendIntended);
    let lost = Input::Handed(Sending::Unknown("late".into()));
    let live = stepped(&intended, CLEAN, 1, lost).live;
    assert_eq!(live.handed, Handed::Maybe);
    // A later try that surely was not done says nothing of the first.
    let after = stepped(&intended, live, 2, Input::Handed(Sending::NotDone("x".into()))).live;
    assert_eq!(words(&stepped(&intended, after, 61, Input::Timer)), "-/ask");
}

#[test]
fn a_rail_that_does_not_promise_once_is_only_asked() {
    let patience = Patience { resend: Resend::Never, ..PATIENCE };
    let rails = Rails { rail: name("tcb-files"), patience: &patience };
    let doubtful = in_phase(Phase::InDoubt("no answer".into()));
    let asked = Input::Asked(Asking::NotKnown);
    assert_eq!(words(&step(&doubtful, Live::RECOVERED, rails, now(), asked)), "-/wait");
}

#[test]
fn a_transfer_is_neither_sent_nor_asked_about_over_another_rail() {
    let rails = Rails { rail: name("sepa-new"), patience: &PATIENCE };
    let report = report("RJCT", "AC04");
    let inputs = [
        Input::Begun,
        Input::Timer,
        Input::Asked(Asking::NotKnown),
        Input::Asked(Asking::Status(report)),
        Input::Handed(Sending::NotDone("x".into())),
    ];
    for input in inputs {
        let expected = ["-/-", "stuck/alarm", "stuck/alarm", "stuck/alarm", "-/-", "-/-", "-/-"];
        let own = |one: Transfer| Transfer { rail: Some(name("tcb-files")), ..one };
        let got = phases().map(own).map(|one| {
            words(&step(&one, CLEAN, rails, now().plus(Duration::from_secs(1)), input.clone()))
        });
        assert_eq!(got.each_ref().map(String::as_str), expected, "{input:?}");
    }
}

/// Two words of the rail race: the one that is recorded second was made on what stood before.
#[test]
fn the_word_that_comes_second_is_not_lost() {
    let done = || report("ACSC", "");
    let not_done = || report("RJCT", "AC04");
    let asked = |word| Input::Asked(Asking::Status(word));
    let races = [
        (Input::Heard(not_done()), asked(done())),
        (asked(done()), Input::Heard(not_done())),
        (asked(not_done()), Input::Handed(Sending::Sent(Some(done())))),
    ];
    for (first, second) in races {
        let mut books = Books::ready();
        let asked = OutsideWork::Request(order(1, 500));
        assert_eq!(outside(&mut books, now(), asked), OutsideAnswer::Now);
        let intend = OutsideWork::Intend(id(1), name("tcb-files"));
        assert_eq!(outside(&mut books, now(), intend), OutsideAnswer::Now);
        let seen = transfer(&books, 1);
        let [first, made] =
            [&first, &second].map(|input| stepped(&seen, Live::RECOVERED, 1, input.clone()));
        assert_eq!(outside(&mut books, now(), first.work.unwrap()), OutsideAnswer::Now);
        let taken = outside(&mut books, now(), made.work.unwrap());
        assert_ne!(taken, OutsideAnswer::Now, "it ended otherwise meanwhile");
        let again = stepped(&transfer(&books, 1), Live::RECOVERED, 1, second.again());
        assert_eq!(words(&again), "contradicted/alarm", "{second:?}");
        assert_eq!(outside(&mut books, now(), again.work.unwrap()), OutsideAnswer::Now);
        assert!(transfer(&books, 1).contradicted.is_some());
    }
}

#[test]
fn pauses_grow_and_are_bounded() {
    let doubtful = in_phase(Phase::InDoubt("no answer".into()));
    let mut live = Live::RECOVERED;
    let mut pauses = Vec::new();
    for _ in 0..40 {
        let next = stepped(&doubtful, live, 1, Input::Asked(Asking::Unknown("late".into())));
        let Effect::Wait(pause) = next.then else { panic!("{next:?}") };
        (live, _) = (next.live, pauses.push(pause));
    }
    assert!(pauses.is_sorted() && pauses[0] == PATIENCE.first_pause);
    assert_eq!(pauses.last(), Some(&PATIENCE.pause_max));
}

#[test]
fn each_status_code_comes_to_one_thing() {
    use iso_told::{CODES, told};
    for (code, reason, expected) in CODES {
        assert_eq!(told(code, reason), *expected, "{code} {reason}");
    }
}

mod iso_told {
    use super::Told;

    pub(super) const CODES: &[(&str, &str, Told)] = &[
        ("RCVD", "", Told::Pending),
        ("ACTC", "", Told::Pending),
        ("ACCP", "", Told::Pending),
        ("ACFC", "", Told::Pending),
        ("ACSP", "", Told::Pending),
        ("PDNG", "", Told::Pending),
        ("ACWC", "", Told::Pending),
        ("ACSC", "", Told::Settled),
        ("ACCC", "", Told::Settled),
        ("ACWP", "", Told::Settled),
        ("RJCT", "AC04", Told::NotDone),
        ("RJCT", "", Told::NotDone),
        ("RJCT", "AM05", Told::SameAgain),
        ("RJCT", "DUPL", Told::SameAgain),
        ("RJCT", "RF01", Told::SameAgain),
        ("CANC", "", Told::NotDone),
        ("BLCK", "", Told::Unclear),
        ("PART", "", Told::Unclear),
        ("ZZZZ", "", Told::Unclear),
    ];

    pub(super) fn told(code: &str, reason: &str) -> Told {
        Told::of_status(code, reason)
    }
}

fn refused(answer: OutsideAnswer) -> RuleName {
    match answer {
        OutsideAnswer::Refused(rule) => rule.name,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn an_order_is_refused_by_the_first_rule_that_fails_and_taken_once() {
    let mut books = Books::ready();
    let changed = |change: fn(&mut record::Withdrawal)| {
        let mut asked = withdrawal(1, 500);
        change(&mut asked);
        asked
    };
    let sign = |asked: &record::Withdrawal, who: Who| {
        OutsideWork::Request(Box::new(Signed::sign(asked, &who.key())))
    };
    let rows: [(record::Withdrawal, Who, RuleName); 8] = [
        (
            changed(|a| a.environment = name("production")),
            Who::BankNl,
            RuleName::EnvironmentsDiffer,
        ),
        (changed(|a| a.book = name("other")), Who::BankNl, RuleName::BooksDiffer),
        (changed(|_| {}), Who::Stranger, RuleName::SignerNotTrusted),
        (changed(|_| {}), Who::BankSg, RuleName::SignerNotTrusted),
        (changed(|a| a.amount.asset = sgd()), Who::BankNl, RuleName::AccountUnknown),
        (changed(|a| a.valid_until = now()), Who::BankNl, RuleName::WithdrawalExpired),
        (
            changed(|a| a.amount.minor = Minor::new(1 << 60)),
            Who::BankNl,
            RuleName::ParticipantLiquidityInsufficient,
        ),
        (changed(|a| a.amount.minor = Minor::ZERO), Who::BankNl, RuleName::LedgerRefuses),
    ];
    let before = books.settlement.facts.len();
    for (asked, who, expected) in rows {
        assert_eq!(refused(outside(&mut books, now(), sign(&asked, who))), expected);
    }
    assert_eq!(books.settlement.facts.len(), before, "a refusal records nothing");
    let first = || OutsideWork::Request(order(1, 500));
    assert_eq!(outside(&mut books, now(), first()), OutsideAnswer::Now);
    let later = now().plus(Duration::from_secs(3600));
    assert_eq!(outside(&mut books, later, first()), OutsideAnswer::Before, "the same again");
    let other = OutsideWork::Request(order(1, 501));
    assert_eq!(refused(outside(&mut books, now(), other)), RuleName::OutsideIdUsed);
    sound(&books);
}

#[test]
fn the_dealer_withdraws_with_its_quote_key() {
    let mut books = Books::ready();
    let mut asked = withdrawal(1, 500);
    (asked.participant, asked.amount.asset) = (name("fx-dealer"), sgd());
    let signed = Box::new(Signed::sign(&asked, &Who::Dealer.key()));
    let answer = outside(&mut books, now(), OutsideWork::Request(signed));
    assert_eq!(answer, OutsideAnswer::Now);
}

#[test]
fn the_writer_refuses_what_no_step_would_ask_for() {
    let mut books = Books::ready();
    let rail = || name("tcb-files");
    let settled = || message("pacs.002", "ACSC", "");
    let never = || OutsideEvidence::NeverSent("no connection".into());
    let _ = outside(&mut books, now(), OutsideWork::Request(order(1, 500)));
    let mut ask = |work| outside(&mut books, now(), work);
    // Nothing is posted or released as rejected that was never sent.
    let differs = RuleName::OutsideStepDiffers;
    assert_eq!(refused(ask(OutsideWork::Post(id(1), settled()))), differs);
    assert_eq!(refused(ask(OutsideWork::Release(id(1), settled()))), differs);
    assert_eq!(refused(ask(OutsideWork::Release(id(1), never()))), differs);
    assert_eq!(refused(ask(OutsideWork::Post(id(9), settled()))), differs);
    assert_eq!(ask(OutsideWork::Intend(id(1), rail())), OutsideAnswer::Now);
    assert_eq!(ask(OutsideWork::Intend(id(1), rail())), OutsideAnswer::Before);
    let lapsed = OutsideEvidence::Lapsed("over".into());
    assert_eq!(refused(ask(OutsideWork::Release(id(1), lapsed))), differs);
    assert_eq!(refused(ask(OutsideWork::Post(id(1), never()))), differs);
    let doubt = OutsideNote::InDoubt("no answer".into());
    assert_eq!(ask(OutsideWork::Note(id(1), doubt)), OutsideAnswer::Now);
    // The word of this run that nothing was handed over ends with the first doubt.
    assert_eq!(refused(ask(OutsideWork::Release(id(1), never()))), differs);
    assert_eq!(ask(OutsideWork::Post(id(1), settled())), OutsideAnswer::Now);
    assert_eq!(ask(OutsideWork::Post(id(1), settled())), OutsideAnswer::Before);
    let rejected = message("pacs.002", "RJCT", "AC04");
    assert_eq!(refused(ask(OutsideWork::Release(id(1), rejected))), differs);
    assert_eq!(moved(&books), 500);
    sound(&books);
}

#[test]
fn a_pinned_hold_outlives_its_moment_and_an_unpinned_one_lapses() {
    let mut books = Books::ready();
    for n in [1, 2, 3] {
        let _ = outside(&mut books, now(), OutsideWork::Request(order(n, 500)));
    }
    let _ = outside(&mut books, now(), OutsideWork::Intend(id(2), name("tcb-files")));
    let later = now().plus(Duration::from_secs(30 * 24 * 3600));
    let intend = outside(&mut books, later, OutsideWork::Intend(id(1), name("tcb-files")));
    assert_eq!(refused(intend), RuleName::LedgerRefuses, "an expired hold is not pinned");
    let over = OutsideEvidence::Lapsed("over".into());
    assert_eq!(
        outside(&mut books, later, OutsideWork::Release(id(1), over.clone())),
        OutsideAnswer::Now
    );
    assert!(matches!(transfer(&books, 1).phase, Phase::Rejected(_)));
    assert!(matches!(transfer(&books, 3).phase, Phase::Rejected(_)), "swept by the same fact");
    assert_eq!(
        outside(&mut books, later, OutsideWork::Release(id(3), over)),
        OutsideAnswer::Before
    );
    assert_eq!(transfer(&books, 2).phase, Phase::SendIntended);
    let settled = message("pacs.002", "ACSC", "");
    assert_eq!(outside(&mut books, later, OutsideWork::Post(id(2), settled)), OutsideAnswer::Now);
    assert_eq!(moved(&books), 500);
    sound(&books);
}

#[test]
fn no_ledger_command_pins_or_ends_the_hold_of_a_transfer() {
    let mut books = Books::ready();
    let _ = outside(&mut books, now(), OutsideWork::Request(order(1, 500)));
    let hold = transfer(&books, 1).hold;
    let evidence = NotDone { source: NotDoneSource::TwoPersons, document: sha256(b"seen") };
    let commands = [
        Command::PinHold { hold },
        Command::VoidHold { hold, ground: VoidGround::Cancelled },
        Command::VoidHold { hold, ground: VoidGround::NotDone(evidence) },
        Command::ExpireHolds { at_most: 9 },
    ];
    for command in commands {
        let work = SettlementWork::Ledger { command: Box::new(command), reason: "by hand".into() };
        let (answer, _) = books.settle(now().plus(Duration::from_secs(1 << 30)), work);
        assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "{answer:?}");
    }
    assert_eq!(transfer(&books, 1).phase, Phase::Held);
}

#[test]
fn an_act_counts_for_the_stuck_that_its_person_saw() {
    let mut books = Books::ready();
    let _ = outside(&mut books, now(), OutsideWork::Request(order(1, 500)));
    let _ = outside(&mut books, now(), OutsideWork::Intend(id(1), name("tcb-files")));
    let stick = |books: &mut Books| {
        let note = OutsideNote::Stuck("no end".into());
        outside(books, now(), OutsideWork::Note(id(1), note))
    };
    let early = stuck_act(&transfer(&books, 1), StuckDecision::Done);
    assert_eq!(
        refused(outside(&mut books, now(), OutsideWork::Resolve(early))),
        RuleName::OutsideStepDiffers
    );
    let _ = stick(&mut books);
    let first = transfer(&books, 1);
    let again = OutsideWork::Resolve(stuck_act(&first, StuckDecision::AskAgain));
    assert_eq!(outside(&mut books, now(), again), OutsideAnswer::Now);
    assert!(matches!(transfer(&books, 1).phase, Phase::InDoubt(_)));
    let _ = stick(&mut books);
    // An act on what was seen before the rail was asked again.
    let stale = OutsideWork::Resolve(stuck_act(&first, StuckDecision::NotDone));
    assert_eq!(refused(outside(&mut books, now(), stale)), RuleName::OutsideStepDiffers);
    let stuck_now = transfer(&books, 1);
    let fresh = || OutsideWork::Resolve(stuck_act(&stuck_now, StuckDecision::NotDone));
    assert_eq!(outside(&mut books, now(), fresh()), OutsideAnswer::Now);
    assert_eq!(outside(&mut books, now(), fresh()), OutsideAnswer::Before);
    assert_eq!(moved(&books), 0);
    sound(&books);
}

#[test]
fn a_debit_line_is_matched_by_the_names_that_the_rail_was_given() {
    let mut books = Books::ready();
    for n in [1, 2] {
        let _ = outside(&mut books, now(), OutsideWork::Request(order(n, 500)));
        let _ = outside(&mut books, now(), OutsideWork::Intend(id(n), name("tcb-files")));
    }
    let settled = message("pacs.002", "ACSC", "");
    let _ = outside(&mut books, now(), OutsideWork::Post(id(1), settled));
    assert_eq!(books.settlement.state.in_transit(eur()).count(), 1);
    let one = transfer(&books, 1);
    let (message_id, uetr) = (one.message_id(), one.uetr().to_string());
    let find = |books: &Books, references: &[&str], amount: u128| {
        let line = DebitLine { asset: eur(), amount: Minor::new(amount), references };
        match_debit(books.settlement.state.transfers(), &line)
    };
    assert_eq!(find(&books, &["WD-1"], 500), DebitMatch::Nobody, "a participant's own words");
    assert_eq!(find(&books, &["x", &message_id], 500), DebitMatch::Of(id(1)));
    assert_eq!(find(&books, &[&uetr], 500), DebitMatch::Of(id(1)));
    assert_eq!(find(&books, &[&uetr], 499), DebitMatch::Differs(id(1)));
    let booked = OutsideNote::LineBooked("L-1".into());
    let _ = outside(&mut books, now(), OutsideWork::Note(id(1), booked));
    assert_eq!(books.settlement.state.in_transit(eur()).count(), 0);
    assert_eq!(find(&books, &[&uetr], 500), DebitMatch::Again(id(1)));
    // A booked line is evidence on its own, and leaves nothing in transit.
    let line = OutsideEvidence::Line("L-2".into());
    let _ = outside(&mut books, now(), OutsideWork::Post(id(2), line));
    assert_eq!(books.settlement.state.in_transit(eur()).count(), 0);
    assert_eq!(moved(&books), 1_000);
}
