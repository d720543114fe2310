//! Books without money, files of one line, and the documents of what may move money.

use core::time::Duration;
use std::collections::BTreeSet;

use clearing::outside::message_id_of;
use clearing::settlement::acts::ActsWork;
use clearing::settlement::funding::{FileClaim, FundingAnswer, FundingWork};
use clearing::testkit::after::{both_ways, refund_notice};
use clearing::testkit::outside::outgoing_parties;
use clearing::testkit::{
    Books, Deal, Kept, OrderParts, Who, account, asset, company, customers_genesis,
    customers_setup, environment, eur, institution, name, now, opening, own_account, schema,
    settlement_genesis, settlement_name, settlement_setup, sgd, signer, start, trust_list,
};
use clearing::{
    AfterWork, CheckedOutgoing, CustomerWork, May, Operator, SettlementAnswer, SettlementWork,
    TrustView, check_act, check_outgoing, check_two_persons,
};
use ledger::{Command, Owner, Purpose};
use record::{
    AccountLimits, Act, ActAccount, ActKind, Correction, CorrectionMove, CorridorSide,
    FundingReference, OutgoingPayment, OutsideAccount, OutsideEvidence, OutsideParty, PackNotice,
    PackStanding, Side, Signed, Stop, TrustList, TwoPersons, Withdrawal,
};
use seal::{Digest, sha256};
use terms::{AccountId, ActId, Amount, Minor, OutsideId, TransactionId, Uetr};

const CONTROL: [u8; 2] = [1, 2];
const SUSPENSE: [u8; 2] = [8, 9];

fn of(side: Side, roles: [u8; 2]) -> AccountId {
    own_account(if side == Side::Debtor { roles[0] } else { roles[1] })
}

/// The settlement account of a side's bank.
pub(crate) fn bank(side: Side) -> AccountId {
    of(side, [3, 4])
}

/// The settlement account of the provider, in a side's asset.
fn dealer(side: Side) -> AccountId {
    of(side, [5, 6])
}

pub(crate) fn control(side: Side) -> AccountId {
    of(side, CONTROL)
}

fn outside_account(side: Side) -> OutsideAccount {
    let reference = |reference: &str, participant: &str| FundingReference {
        reference: reference.into(),
        participant: name(participant),
    };
    let bank = institution(side).to_string();
    OutsideAccount {
        asset: asset(side),
        number: number(side).into(),
        servicer: "TCBXNL2A".into(),
        control: control(side),
        suspense: of(side, SUSPENSE),
        owner: name("tcb"),
        references: vec![
            reference(&bank.to_uppercase(), &bank),
            reference("FX-DEALER", "fx-dealer"),
        ],
    }
}

const fn number(side: Side) -> &'static str {
    match side {
        Side::Debtor => "NL91ABNA0417164300",
        Side::Creditor => "DE89370400440532013000",
    }
}

/// A list that lets the payer's bank send payments out, too.
fn list(side: Side) -> TrustList {
    let mut list = both_ways(side);
    for entry in &mut list.institutions {
        if side == Side::Debtor {
            entry.sides.push(CorridorSide { corridor: name("nl-out"), side });
        }
    }
    list
}

fn out_pack() -> Digest {
    sha256(b"a pack that lets payments leave")
}

/// The three books with accounts of everybody and nobody's money but the provider's.
pub(crate) fn empty_books() -> Books {
    let mut books = Books {
        settlement: Kept::genesis(settlement_genesis()),
        debtor: Kept::genesis(customers_genesis(Side::Debtor)),
        creditor: Kept::genesis(customers_genesis(Side::Creditor)),
    };
    let mut works = settlement_setup();
    works.retain(|work| match work {
        SettlementWork::Ledger { command, .. } => match &**command {
            Command::Post(post) => post.id != TransactionId::from_bytes([0x11; 16]),
            _ => true,
        },
        _ => true,
    });
    for side in [Side::Debtor, Side::Creditor] {
        let owner = Owner::Institution(name("tcb"));
        let suspense = opening(of(side, SUSPENSE), asset(side), owner, Purpose::Suspense);
        works.push(SettlementWork::OpenAccount(suspense));
        let root = if side == Side::Debtor { Who::RootNl } else { Who::RootSg };
        let signed = Signed::sign(&list(side), &root.key());
        works.push(SettlementWork::AdoptTrustList(Box::new(signed)));
        works.push(refund_notice(side, 1, PackStanding::InForce));
    }
    let out = PackNotice {
        layout: 1,
        environment: environment(),
        institution: institution(Side::Debtor),
        corridor: name("nl-out"),
        side: Side::Debtor,
        pack: out_pack(),
        schema: schema(),
        standing: PackStanding::InForce,
    };
    works.push(SettlementWork::NoticePack(Box::new(Signed::sign(&out, &Who::BankNl.key()))));
    for work in works {
        assert_eq!(books.settle(start(), work).0, SettlementAnswer::Done);
    }
    for side in [Side::Debtor, Side::Creditor] {
        for work in customers_setup(side) {
            if !matches!(work, CustomerWork::Ledger { .. }) {
                let _ = books.tell(start(), side, work);
            }
        }
        let named = FundingWork::NameAccount(outside_account(side));
        assert_eq!(tell(&mut books, named), FundingAnswer::Done);
    }
    books
}

pub(crate) fn tell(books: &mut Books, work: FundingWork) -> FundingAnswer {
    match books.settle(now(), SettlementWork::Funding(Box::new(work))).0 {
        SettlementAnswer::Funding(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

/// Takes a notification of one line and counts it.
pub(crate) fn line(
    books: &mut Books,
    side: Side,
    reference: &str,
    (amount, way): (u128, &str),
    says: &str,
) -> FundingAnswer {
    let asset = asset(side);
    let currency = asset.currency();
    let file = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M-{reference}</MsgId>\
         <CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr><Ntfctn><Id>N</Id>\
         <Acct><Id><IBAN>{}</IBAN></Id><Ccy>{currency}</Ccy></Acct>\
         <Ntry><Amt Ccy=\"{currency}\">{}.{:02}</Amt><CdtDbtInd>{way}</CdtDbtInd>\
         <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-22</Dt></BookgDt>\
         <AcctSvcrRef>{reference}</AcctSvcrRef><BkTxCd/><NtryDtls><TxDtls><RmtInf>\
         <Ustrd>{says}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\
         </Ntfctn></BkToCstmrDbtCdtNtfctn></Document>",
        number(side),
        amount / 100,
        amount % 100,
    );
    let incoming = iso20022::read(file.as_bytes()).expect("a notification");
    let claim = FileClaim::of(&incoming, sha256(file.as_bytes())).expect("a claim");
    let taken = tell(books, FundingWork::JudgeFile(claim.clone()));
    assert!(matches!(taken, FundingAnswer::Taken { .. }), "{taken:?}");
    let line = claim.reports[0].lines[0].clone();
    tell(books, FundingWork::BookLine { file: claim.digest, asset, claim: line })
}

pub(crate) fn withdrawal(side: Side, id: OutsideId, amount: u128) -> Box<Signed<Withdrawal>> {
    let order = Withdrawal {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id,
        participant: institution(side),
        amount: Amount::new(Minor::new(amount), asset(side)),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: "NL91ABNA0417164300".into(),
            bic: "ABNANL2A".into(),
        },
        reference: "WD".into(),
        valid_until: now().plus(Duration::from_secs(60)),
    };
    Box::new(Signed::sign(&order, &signer(side).key()))
}

pub(crate) fn message(id: OutsideId, code: &str, reason: &str) -> OutsideEvidence {
    OutsideEvidence::Message {
        digest: sha256(format!("{id} {code}").as_bytes()),
        message_id: message_id_of(id),
        kind: "pacs.002".into(),
        code: code.into(),
        reason: reason.into(),
    }
}

/// A payment that leaves over a rail, of 400.00 and a fee of 1.50.
pub(crate) fn outgoing(number: u64) -> CheckedOutgoing {
    let deal = Deal::number(number);
    let permit = OrderParts::of(deal).debtor;
    let parties = outgoing_parties(number);
    let mut basis = permit.basis;
    basis.pack = out_pack();
    let order = OutgoingPayment {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        payment: deal.payment(),
        corridor: name("nl-out"),
        institution: institution(Side::Debtor),
        owner: company(Side::Debtor, 0),
        debited_account: account(Side::Debtor, 0),
        amount: Amount::new(Minor::new(40_000), eur()),
        fee: Amount::new(Minor::new(150), eur()),
        parties: parties.commitment(),
        uetr: Uetr::from_random(deal.payment().bytes()),
        basis,
        record: sha256(b"the decision record"),
        mark: permit.mark,
        decided_at: now(),
        valid_until: now().plus(Duration::from_secs(60)),
        terms: None,
        limits: None,
    };
    let mut trust = TrustView::default();
    trust.adopt(list(Side::Debtor));
    trust.adopt(trust_list(Side::Creditor, 1, Who::BankSg));
    let signed = Signed::sign(&order, &Who::BankNl.key());
    check_outgoing(signed, (parties, None), environment(), settlement_name(), &trust)
        .expect("valid")
}

/// A correction between a bank and the provider.
pub(crate) fn correction(number: u64, side: Side, amount: u128, gets: bool) -> SettlementWork {
    let (bank, dealer) = (bank(side), dealer(side));
    let (debit, credit) = if gets { (dealer, bank) } else { (bank, dealer) };
    let mut id = [0x70; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let document = Correction {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        correction: TransactionId::from_bytes(id),
        corrects: TransactionId::from_bytes([0x12; 16]),
        reason: "a line was released to the wrong participant".to_owned(),
        moves: vec![CorrectionMove {
            debit,
            credit,
            amount: Amount::new(Minor::new(amount), asset(side)),
        }],
        valid_until: now().plus(Duration::from_secs(60)),
    };
    let [first, second] =
        [Who::Operator, Who::Payee].map(|who| Signed::sign(&document, &who.key()));
    let approvers: BTreeSet<_> =
        [Who::Operator, Who::Payee].map(|who| who.key().public_key()).into();
    let checked = check_two_persons(TwoPersons { first, second }, &approvers).expect("two persons");
    SettlementWork::After(AfterWork::Correct(Box::new(checked)))
}

/// An act about a bank's settlement account: a freeze of its credits, or limits.
pub(crate) fn act(number: u8, side: Side, freeze: bool) -> SettlementWork {
    let (of, asset) = (institution(side), if side == Side::Debtor { eur() } else { sgd() });
    let what = if freeze {
        ActKind::Freeze(ActAccount::Settlement(of, asset), Stop::Credits)
    } else {
        let limits = AccountLimits { overdraft: Minor::ZERO, ceiling: None };
        ActKind::SetLimits(of, asset, limits)
    };
    let act = Act {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: ActId::from_bytes([number; 16]),
        what,
        reason: "a drill".into(),
        from: start(),
        until: None,
        decide_by: now().plus(Duration::from_secs(3_600)),
    };
    let key = Who::Operator.key();
    let ada = Operator { name: "ada".into(), key: key.public_key(), may: May::Both };
    let checked = check_act(Signed::sign(&act, &key), &[ada]).expect("an operator's");
    SettlementWork::Acts(Box::new(ActsWork::Propose(Box::new(checked))))
}
