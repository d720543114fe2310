//! A booked debit line of a bank's file is the end of a withdrawal's time in transit, or the
//! evidence that it was paid; and a break stops withdrawals of its asset.

use clearing::outside::Phase;
use clearing::rule::RuleName;
use clearing::settlement::SettlementWork;
use clearing::settlement::funding::{FileClaim, FundingAnswer, FundingWork};
use clearing::testkit::{Books, eur, name, now, opening, own_account};
use clearing::{OutsideAnswer, OutsideWork, SettlementAnswer};
use ledger::{Owner, Purpose};
use record::{BreakKind, LineOutcome, LineSide, OutsideAccount, OutsideEvidence};
use seal::sha256;
use terms::AccountId;

use super::model::{CONTROL, id, message, moved, order, outside, sound, transfer};

const SUSPENSE: AccountId = own_account(8);

fn tell(books: &mut Books, work: FundingWork) -> FundingAnswer {
    match books.settle(now(), SettlementWork::Funding(Box::new(work))).0 {
        SettlementAnswer::Funding(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

/// Books with an outside account, and `count` withdrawals of 5.00 that a rail may have.
fn sent(count: u8) -> Books {
    let mut books = Books::ready();
    let owner = Owner::Institution(name("tcb"));
    let open = SettlementWork::OpenAccount(opening(SUSPENSE, eur(), owner, Purpose::Suspense));
    assert_eq!(books.settle(now(), open).0, SettlementAnswer::Done);
    let account = OutsideAccount {
        asset: eur(),
        number: "NL91ABNA0417164300".into(),
        servicer: "ABNANL2A".into(),
        control: CONTROL,
        suspense: SUSPENSE,
        owner: name("tcb"),
        references: vec![],
    };
    assert_eq!(tell(&mut books, FundingWork::NameAccount(account)), FundingAnswer::Done);
    for n in 1..=count {
        let request = outside(&mut books, now(), OutsideWork::Request(order(n, 500)));
        assert_eq!(request, OutsideAnswer::Now);
        let intend = OutsideWork::Intend(id(n), name("tcb-files"));
        assert_eq!(outside(&mut books, now(), intend), OutsideAnswer::Now);
    }
    books
}

/// Takes a notification with one debit line of these references, and says what the line came to.
fn booked(books: &mut Books, reference: &str, cents: u32, says: &str) -> LineOutcome {
    let file = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M-{reference}</MsgId>\
         <CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr><Ntfctn><Id>N</Id>\
         <Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id><Ccy>EUR</Ccy></Acct>\
         <Ntry><Amt Ccy=\"EUR\">{}.{:02}</Amt><CdtDbtInd>DBIT</CdtDbtInd>\
         <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-22</Dt></BookgDt>\
         <AcctSvcrRef>{reference}</AcctSvcrRef><BkTxCd/><NtryDtls><TxDtls><Refs>{says}\
         </Refs></TxDtls></NtryDtls></Ntry>\
         </Ntfctn></BkToCstmrDbtCdtNtfctn></Document>",
        cents / 100,
        cents % 100
    );
    let incoming = iso20022::read(file.as_bytes()).expect("a notification");
    let claim = FileClaim::of(&incoming, sha256(file.as_bytes())).expect("a claim");
    let taken = tell(books, FundingWork::JudgeFile(claim.clone()));
    assert!(matches!(taken, FundingAnswer::Taken { .. }), "{taken:?}");
    let line = claim.reports[0].lines[0].clone();
    let work = FundingWork::BookLine { file: claim.digest, asset: eur(), claim: line };
    match tell(books, work) {
        FundingAnswer::Line { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_booked_debit_line_ends_the_time_in_transit_once() {
    let mut books = sent(1);
    let settled = message("pacs.002", "ACSC", "");
    let _ = outside(&mut books, now(), OutsideWork::Post(id(1), settled));
    assert_eq!(books.settlement.state.in_transit(eur()).count(), 1);
    let names = format!("<InstrId>{}</InstrId>", transfer(&books, 1).message_id());
    let outcome = booked(&mut books, "L-1", 500, &names);
    assert!(matches!(outcome, LineOutcome::Confirmed { .. }), "{outcome:?}");
    assert_eq!(books.settlement.state.in_transit(eur()).count(), 0);
    assert_eq!(transfer(&books, 1).line.as_deref(), Some("L-1"));
    assert_eq!(moved(&books), 500, "the line posts nothing a second time");
    assert!(books.settlement.state.defunding_stopped(eur()).is_none());
    // Another line that says the same is nobody's, and stops what would leave.
    assert_eq!(booked(&mut books, "L-2", 500, &names), LineOutcome::Unmatched);
    assert!(books.settlement.state.defunding_stopped(eur()).is_some());
    match outside(&mut books, now(), OutsideWork::Request(order(2, 500))) {
        OutsideAnswer::Refused(rule) => assert_eq!(rule.name, RuleName::DefundingStopped),
        other => panic!("{other:?}"),
    }
    sound(&books);
}

#[test]
fn a_booked_debit_line_is_evidence_while_the_rail_is_silent() {
    let mut books = sent(2);
    let names = format!("<UETR>{}</UETR>", transfer(&books, 1).uetr());
    assert_eq!(booked(&mut books, "L-1", 499, &names), LineOutcome::Unmatched, "the amount");
    assert_eq!(moved(&books), 0);
    let outcome = booked(&mut books, "L-2", 500, &names);
    assert!(matches!(outcome, LineOutcome::Confirmed { .. }), "{outcome:?}");
    assert!(matches!(transfer(&books, 1).phase, Phase::Confirmed(_)));
    assert!(!matches!(transfer(&books, 2).phase, Phase::Confirmed(_)), "the other one waits");
    assert_eq!(books.settlement.state.in_transit(eur()).count(), 0);
    assert_eq!(moved(&books), 500);
    sound(&books);
}

#[test]
fn a_line_for_what_was_rejected_is_a_break() {
    let mut books = sent(1);
    let rejected = message("pacs.002", "RJCT", "AC04");
    let _ = outside(&mut books, now(), OutsideWork::Release(id(1), rejected));
    let names = format!("<InstrId>{}</InstrId>", transfer(&books, 1).message_id());
    assert_eq!(booked(&mut books, "L-1", 500, &names), LineOutcome::Unmatched);
    assert_eq!(moved(&books), 0);
    assert!(books.settlement.state.defunding_stopped(eur()).is_some());
    let contradicted = transfer(&books, 1).contradicted;
    assert_eq!(contradicted, Some(OutsideEvidence::Line("L-1".into())), "and is kept with it");
    sound(&books);
}

/// How far the book and the confirmed lines are apart, by a statement without lines.
fn unconfirmed(books: &mut Books, id: &str) -> (u128, LineSide) {
    let balance = |code: &str| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">0.00</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-22</Dt></Dt></Bal>"
        )
    };
    let file = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>\
         <GrpHdr><MsgId>{id}</MsgId><CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr>\
         <Stmt><Id>{id}</Id><Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id><Ccy>EUR</Ccy></Acct>\
         {}{}</Stmt></BkToCstmrStmt></Document>",
        balance("OPBD"),
        balance("CLBD")
    );
    let incoming = iso20022::read(file.as_bytes()).expect("a statement");
    let claim = FileClaim::of(&incoming, sha256(file.as_bytes())).expect("a claim");
    let work = FundingWork::Reconcile { file: claim.digest, reports: claim.reports };
    let FundingAnswer::Reconciled(told) = tell(books, work) else { panic!("not reconciled") };
    let breaks = told.iter().flat_map(|one| &one.breaks);
    let found = breaks.filter(|one| one.kind == BreakKind::Unconfirmed);
    found.map(|one| (one.amount.minor.units(), one.side)).next().unwrap_or((0, LineSide::Credit))
}

/// Posted, and its line comes tomorrow: the outside account still shows the money, and that is no
/// difference. What no transfer explains is one as before.
#[test]
fn money_in_transit_over_a_rail_is_no_break() {
    // These books were filled by hand: that is the difference, and it stays the same.
    let before = unconfirmed(&mut sent(1), "S-1");
    assert!(before.0 > 0, "{before:?}");
    let mut books = sent(1);
    let settled = message("pacs.002", "ACSC", "");
    let posted = outside(&mut books, now(), OutsideWork::Post(id(1), settled));
    assert_eq!(posted, OutsideAnswer::Now);
    assert_eq!(books.settlement.state.sum_in_transit(eur()).units(), 500);
    assert_eq!(unconfirmed(&mut books, "S-1"), before);
}
