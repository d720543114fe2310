//! Every command of the ledger in a commands frame, and what refuses it, told in numbers.

use ledger::velocity::{PERIOD_AHEAD_DAYS, PERIOD_KEPT_DAYS};
use ledger::{
    Ask, Ceiling, Claim, Command, Datum, Detail, Draft, Floor, Freeze, LimitKey, Line, Link, Marks,
    NotDone, NotDoneSource, Opening, Part, Period, Placement, Rest, Side, Tags, Term, Value,
    VelocityLimit, VoidGround,
};
use ledger_server::{Query, Said};
use seal::Digest;
use terms::{BusinessDate, HoldId, Instant, Minor, PaymentId};
use wire::results::{Quantity, Subject};
use wire::{RequestFlags, Status};

use super::{Site, account, open, post, statuses, transaction, txn, words};

const BALANCES: RequestFlags = RequestFlags { want_balances: true, ..RequestFlags::NONE };
const DRY: RequestFlags = RequestFlags { dry_run: true, ..BALANCES };

fn hold(n: u8) -> HoldId {
    HoldId::from_bytes([n; 16])
}

fn line(n: u8, side: Side, ask: Ask) -> Line {
    Line { account: account(n), side, ask, part: None }
}

fn draft(id: u32, lines: Vec<Line>) -> Command {
    let like = transaction(id, 1, 2, 1);
    Command::PostDraft(Draft {
        id: like.id,
        business_date: like.business_date,
        reason: like.reason,
        lines,
        claims: vec![],
        links: vec![],
        detail: None,
    })
}

fn place(n: u8, on: u8, amount: u128, term: Term) -> Command {
    Command::PlaceHold(Placement {
        id: hold(n),
        account: account(on),
        side: Side::Debit,
        amount: Minor::new(amount),
        term,
        business_date: BusinessDate::from_days(20_780),
        limits: vec![],
        links: vec![Link::Payment(PaymentId::from_bytes([3; 16]))],
    })
}

#[test]
fn drafts_come_to_what_a_dry_run_says_and_are_known_again() {
    let mut site = Site::new();
    assert_eq!(site.words(&[post(1, 1, 2, 100)]), ["done"]);
    let split = draft(
        2,
        vec![
            line(2, Side::Debit, Ask::Everything),
            line(3, Side::Credit, Ask::Share { weight: 1 }),
            line(4, Side::Credit, Ask::Share { weight: 2 }),
            line(3, Side::Credit, Ask::Remainder),
        ],
    );
    let up_to = draft(
        3,
        vec![
            line(4, Side::Debit, Ask::UpTo(Minor::new(1_000))),
            line(2, Side::Credit, Ask::Remainder),
        ],
    );
    let dry = site.results(std::slice::from_ref(&split), DRY);
    assert_eq!(statuses(&dry), [Status::Passes]);
    let done = site.results(std::slice::from_ref(&split), BALANCES);
    let balances = |results: &wire::Results| {
        let item = results.iter().next().unwrap();
        results.balances_of(&item).collect::<Vec<_>>()
    };
    assert_eq!(balances(&done), balances(&dry));
    assert_eq!((site.posted(3), site.posted(4)), ((0, 34), (0, 66)));
    assert_eq!(site.words(std::slice::from_ref(&up_to)), ["done"]);
    assert_eq!(site.posted(2), (100, 166));
    site.restart();
    assert_eq!(site.words(&[split, up_to]), ["repeated", "repeated"]);
    let nothing = draft(
        4,
        vec![line(4, Side::Debit, Ask::Everything), line(2, Side::Credit, Ask::Remainder)],
    );
    assert_eq!(site.words(&[nothing.clone(), nothing]), ["nothing_to_move"; 2]);
}

#[test]
fn holds_from_placing_to_their_end() {
    let mut site = Site::new();
    let far = Term::Expiring { at: Instant::from_seconds(9_000_000_000) };
    let all = [
        post(1, 1, 2, 1_000),
        place(1, 2, 100, far),
        place(2, 2, 100, Term::Pinned),
        Command::PinHold { hold: hold(1) },
        Command::PinHold { hold: hold(1) },
        Command::VoidHold { hold: hold(1), ground: VoidGround::Cancelled },
        Command::VoidHold {
            hold: hold(1),
            ground: VoidGround::NotDone(NotDone {
                source: NotDoneSource::NeverSent,
                document: Digest::from_bytes([1; 32]),
            }),
        },
        Command::ExpireHolds { at_most: 5 },
        place(3, 2, 100, Term::Expiring { at: Instant::from_seconds(1) }),
        place(4, 2, 801, Term::Pinned),
    ];
    let results = site.results(&all, RequestFlags::NONE);
    assert_eq!(
        words(&results),
        [
            "done",
            "done",
            "done",
            "done",
            "hold_already_pinned",
            "evidence_required",
            "done",
            "done",
            "expiry_must_be_later",
            "done",
        ]
    );
    // Parts of a hold, the rest kept, until it is posted whole.
    let part = |id, amount| {
        let part = Some(Part { hold: hold(2), rest: Rest::Kept });
        let ask = Ask::Exact(Minor::new(amount));
        draft(id, vec![Line { part, ..line(2, Side::Debit, ask) }, line(3, Side::Credit, ask)])
    };
    assert_eq!(site.words(&[part(10, 30), part(11, 30)]), ["done", "done"]);
    assert_eq!(site.balances(2).debits_pending, Minor::new(841));
    let over = site.results(&[part(12, 41)], RequestFlags::NONE);
    assert_eq!(words(&over), ["amount_exceeds_hold"]);
    let detail = over.iter().next().unwrap().detail.unwrap();
    assert_eq!(
        (detail.subject, detail.id, detail.expected, detail.got),
        (Subject::Hold, [2; 16], 40, 41)
    );
    site.restart();
    // A refusal is told again with the numbers of the first time.
    let again = site.results(&[part(12, 41)], RequestFlags::NONE);
    assert_eq!(again.iter().next().unwrap().detail, Some(detail));
    assert_eq!(site.words(&[part(13, 40), part(14, 1)]), ["done", "hold_already_posted"]);
    let Said::NoOpenHold(_) = site.told(&Query::OpenHold(hold(2))) else { panic!() };
}

#[test]
fn accounts_from_opening_to_closing() {
    let mut site = Site::new();
    let Command::OpenAccount(plain) = open(5) else { panic!() };
    let tags = Tags::of(["retail".parse().unwrap()]).unwrap();
    let marked = Opening { marks: Some(Marks { code: Some(1_600), tags }), ..plain };
    let id = account(5);
    let limits = |floor, ceiling| Command::SetLimits { account: id, floor, ceiling };
    let all = [
        Command::OpenAccount(marked),
        Command::OpenAccount(plain),
        post(1, 1, 5, 100),
        Command::SetBlocked { account: id, amount: Minor::new(60) },
        post(2, 5, 2, 41),
        post(3, 5, 2, 40),
        Command::SetFreeze { account: id, freeze: Freeze::Credits },
        post(4, 1, 5, 1),
        Command::SetFreeze { account: id, freeze: Freeze::Nothing },
        limits(Floor::MayNotGoBelowZero, Ceiling::At(Minor::new(59))),
        limits(Floor::Overdraft(Minor::new(100)), Ceiling::At(Minor::new(60))),
        post(5, 1, 5, 1),
        post(6, 5, 2, 101),
        post(7, 5, 2, 100),
        Command::CloseAccount { account: id },
        post(8, 1, 5, 40),
        Command::CloseAccount { account: id },
        post(9, 1, 5, 1),
        Command::SetFreeze { account: id, freeze: Freeze::Both },
    ];
    let results = site.results(&all, RequestFlags::NONE);
    assert_eq!(
        words(&results),
        [
            "done",
            "conflict",
            "done",
            "done",
            "insufficient_funds",
            "done",
            "done",
            "account_frozen",
            "done",
            "balance_outside_limits",
            "done",
            "ceiling_exceeded",
            "insufficient_funds",
            "done",
            "account_not_empty",
            "done",
            "done",
            "account_closed",
            "account_closed",
        ]
    );
    let fields: Vec<_> = results.iter().map(|item| item.field).collect();
    assert_eq!(fields[1], Some(wire::Field::Marks.code()));
    let details: Vec<_> = results.iter().map(|item| item.detail).collect();
    let numbers = |at: usize| details[at].map(|detail| (detail.expected, detail.got)).unwrap();
    assert_eq!((numbers(4), numbers(11), numbers(12)), ((41, 40), (60, 61), (101, 100)));
}

#[test]
fn limits_are_counted_given_back_and_told_in_numbers() {
    let mut site = Site::new();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let today = Instant::from_seconds(now).date();
    let limit = |period| VelocityLimit {
        key: LimitKey(Digest::from_bytes([9; 32])),
        asset: "EUR.2@bank".parse().unwrap(),
        period,
        amount_max: Minor::new(100),
        count_max: 3,
        besides: None,
    };
    let claim = |id, period, amount, date| {
        let mut transaction = transaction(id, 1, 2, amount);
        transaction.claims = vec![Claim { limit: limit(period), amount: Minor::new(amount) }];
        transaction.business_date = date;
        Command::Post(transaction)
    };
    let periods =
        [Period::BusinessDay, Period::Month, Period::RollingHours(24), Period::RollingDays(7)];
    for (n, period) in (1..).zip(periods) {
        let Command::PlaceHold(like) = place(n, 1, 40, Term::Pinned) else { panic!() };
        let limits = vec![limit(period)];
        let held = Command::PlaceHold(Placement { limits, business_date: today, ..like });
        let ground = VoidGround::NotDone(NotDone {
            source: NotDoneSource::NeverSent,
            document: Digest::from_bytes([1; 32]),
        });
        let id = u32::from(n) * 100;
        let all = [
            claim(id, period, 60, today),
            held,
            claim(id + 1, period, 1, today),
            Command::VoidHold { hold: hold(n), ground },
            claim(id + 2, period, 20, today),
            claim(id + 3, period, 10, today),
            claim(id + 4, period, 1, today),
        ];
        let results = site.results(&all, RequestFlags::NONE);
        assert_eq!(
            words(&results),
            [
                "done",
                "done",
                "velocity_amount_exceeded",
                "done",
                "done",
                "done",
                "velocity_count_exceeded"
            ],
            "{period:?}"
        );
        let details: Vec<_> = results.iter().filter_map(|item| item.detail).collect();
        assert_eq!((details[0].expected, details[0].got), (100, 101));
        assert_eq!((details[1].expected, details[1].got), (3, 4));
        assert_eq!((details[0].subject, details[0].id), (Subject::Limit, [9; 16]));
        assert_eq!(details[1].quantity, Quantity::Count);
    }
    // One more day, should midnight pass meanwhile.
    let ahead = BusinessDate::from_days(today.days() + PERIOD_AHEAD_DAYS + 2);
    let far = site.results(&[claim(901, Period::Month, 1, ahead)], RequestFlags::NONE);
    assert_eq!(words(&far), ["limit_period_too_far"]);
    let late = BusinessDate::from_days(today.days() - PERIOD_KEPT_DAYS - 1);
    let old = site.results(&[claim(900, Period::BusinessDay, 1, late)], RequestFlags::NONE);
    assert_eq!(words(&old), ["limit_period_over"]);
    let detail = old.iter().next().unwrap().detail.unwrap();
    assert_eq!(
        (detail.quantity, detail.got),
        (Quantity::Instant, u128::from(late.start().nanos()))
    );
}

#[test]
fn what_stands_beside_the_money_belongs_to_the_id() {
    let mut site = Site::new();
    let with = |links: Vec<Link>, detail: Detail| {
        let mut transaction = transaction(1, 1, 2, 5);
        transaction.links = links;
        transaction.detail = Some(Box::new(detail));
        Command::Post(transaction)
    };
    let datum = |key: &str, value| Datum { key: key.parse().unwrap(), value };
    let detail = Detail {
        effective: Some(Instant::from_seconds(5)),
        code: Some(7),
        metadata: vec![
            datum("text", Value::Text("INV-1".into())),
            datum("who", Value::Personal { key_slot: 3, sealed: vec![1; 40] }),
        ],
    };
    let links = vec![Link::Refunds(txn(9)), Link::Corrects(txn(8))];
    let kept = links.clone();
    let first = with(links.clone(), detail.clone());
    assert_eq!(site.words(&[first.clone(), first]), ["done", "repeated"]);
    let mut other = |field: wire::Field, command| {
        let results = site.results(&[command], RequestFlags::NONE);
        assert_eq!(words(&results), ["conflict"]);
        assert_eq!(results.iter().next().unwrap().field, Some(field.code()));
    };
    other(wire::Field::Links, with(vec![], detail.clone()));
    other(wire::Field::Code, with(links.clone(), Detail { code: None, ..detail.clone() }));
    other(
        wire::Field::Effective,
        with(links.clone(), Detail { effective: None, ..detail.clone() }),
    );
    other(wire::Field::Metadata, with(links, Detail { metadata: vec![], ..detail }));
    let mut bare = transaction(1, 1, 2, 5);
    bare.links = kept;
    other(wire::Field::Detail, Command::Post(bare));
}
