//! What is made once and shared by all worlds: signed documents, checked orders, ready books.
//!
//! A signature costs more than all else that a payment does in a world, so each document is signed
//! and each order checked once, by the code of the core; worlds differ in when and how it travels.

use core::time::Duration;
use std::sync::OnceLock;

use clearing::pins::PermittedOrder;
use clearing::settlement::funding::{FileClaim, FundingWork};
use clearing::testkit::{
    COMPANIES, Deal, OrderParts, PAYER_FUNDS, Who, corridor, customers_genesis, customers_name,
    customers_setup, environment, eur, funding, institution, name, now, opening, own_account,
    settlement_genesis, settlement_name, settlement_setup, signer, snapshot, start, trust_list,
};
use clearing::{
    CheckedAct, CheckedOrder, CheckedParcel, CustomerCommand, CustomersBook, May, Operator, Pins,
    SettlementBook, SettlementCommand, SettlementWork, TrustView, check_act, check_parcel,
};
use evidence::cosignature::Cosigner;
use evidence::{NoteSigner, Witness, WitnessState};
use journal::testkit::FixedSalts;
use journal::{Batch, Book, Limits, Machine, MemoryJournal, Start};
use ledger::{Owner, Purpose};
use record::{
    Act, ActKind, Commitment, Document, EdgeMark, EdgeNotice, Fact, FundingReference,
    OutsideAccount, OutsideParty, Parcel, SaltSlot, SettleOrder, Side, Signed, Subject, TrustList,
    Withdrawal,
};
use seal::{SigningKey, sha256};
use terms::{
    ActId, Amount, BookName, Instant, InvoiceId, Minor, OutsideId, PaymentId, QuoteId, RunId,
    Sequence,
};

use crate::network::{MS, RAIL};

/// Payments for which documents are signed.
pub(crate) const PAYMENTS: usize = 64;
/// Withdrawals for which orders are signed.
pub(crate) const WITHDRAWALS: usize = 6;
/// Kill switches that are signed.
pub(crate) const ACTS: usize = 4;
/// Edge instances of each institution.
pub(crate) const INSTANCES: usize = 2;
/// What the dealer has in euro at first, in cents.
pub(crate) const DEALER_FUNDS: u128 = 1_000_000;
/// What each withdrawal takes, in cents.
pub(crate) const WITHDRAWN: u128 = 40_000;
/// What each funding line brings, in cents.
pub(crate) const FUNDED: u128 = 7_000;
/// Origin of the settlement book's log.
const ORIGIN: &str = "wayleave.example/sandbox/settlement";
const IBAN: &str = "NL91ABNA0417164300";

/// How a payment is meant to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// It may settle.
    Well,
    /// It may settle; another order under its id comes too.
    Contested,
    /// The payer lacks the money.
    TooDear,
    /// Its permits have expired.
    Stale,
    /// One side decided by a list that is not in force: held, then refused.
    OldList,
}

/// The documents of one payment.
#[derive(Debug)]
pub(crate) struct Docs {
    /// The payment.
    pub(crate) payment: PaymentId,
    /// The order, and in a contested payment the other one.
    pub(crate) orders: Vec<Order>,
    /// What each side's edge keeps in its institution's book: debtor's, creditor's.
    pub(crate) parcels: [Parcel; 2],
}

/// One order.
#[derive(Debug)]
pub(crate) struct Order {
    /// As the core checked it.
    pub(crate) checked: CheckedOrder,
    /// As the debtor's own book checked it.
    pub(crate) permitted: PermittedOrder,
    /// As it was signed.
    pub(crate) signed: SettleOrder,
}

/// A book that is ready, with the journal that made it so.
#[derive(Debug)]
pub(crate) struct Ready<M> {
    /// Its state and end.
    pub(crate) begun: Start<M>,
    /// Its batches.
    pub(crate) batches: Vec<Batch>,
    /// The commitments to its facts.
    pub(crate) leaves: Vec<Commitment>,
    /// Before the first fact.
    pub(crate) genesis: M,
    /// Its name.
    pub(crate) name: BookName,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Pool {
    /// By number.
    pub(crate) docs: Vec<Docs>,
    /// Withdrawals, by number.
    pub(crate) withdrawals: Vec<Signed<Withdrawal>>,
    /// The notification of each withdrawal's debit line, then of funding lines; each line comes
    /// in two files.
    pub(crate) files: Vec<[FileClaim; 2]>,
    /// What stops the corridor for a while, as the core checked it.
    pub(crate) acts: Vec<CheckedAct>,
    /// The settlement book.
    pub(crate) settlement: Ready<SettlementBook>,
    /// The customers' books: debtor's, creditor's.
    pub(crate) customers: [Ready<CustomersBook>; 2],
    /// What a bank with its own process pins: debtor's, creditor's.
    pub(crate) pins: [Pins; 2],
}

/// The pool, made at its first use.
pub(crate) fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let pins = [Side::Debtor, Side::Creditor].map(pins_of);
        let mut trust = TrustView::default();
        trust.adopt(list(Side::Debtor));
        trust.adopt(list(Side::Creditor));
        Pool {
            docs: (0..PAYMENTS).map(|number| docs(number, &pins[0], &trust)).collect(),
            withdrawals: (0..WITHDRAWALS).map(withdrawal).collect(),
            files: (0..WITHDRAWALS + 4)
                .map(|number| [0, 1].map(|copy| file(number, copy)))
                .collect(),
            acts: (0..ACTS).map(stop).collect(),
            settlement: settlement(),
            customers: [Side::Debtor, Side::Creditor].map(customers),
            pins,
        }
    })
}

/// The second edition of a side's trust list: it names all edge instances.
fn list(side: Side) -> TrustList {
    let mut list = trust_list(side, 2, signer(side));
    let named = &mut list.institutions[0];
    named.edges = (1..=INSTANCES).map(|n| name(&format!("{}.{n}", named.institution))).collect();
    list
}

/// A number as it stands in ids.
fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// When payment `number` is decided.
pub(crate) fn decided_at(number: usize) -> Instant {
    now().plus(Duration::from_millis(150 * wide(number)))
}

/// Of which edge instance payment `number` is, and its place in that instance's sequence.
pub(crate) const fn instance_of(number: usize) -> (usize, usize) {
    (number % INSTANCES, number / INSTANCES)
}

fn docs(number: usize, pins: &Pins, trust: &TrustView) -> Docs {
    let meant = match number % 8 {
        3 => Meant::Contested,
        5 => Meant::TooDear,
        4 => Meant::OldList,
        6 => Meant::Stale,
        _ => Meant::Well,
    };
    let mut parts = vec![parts(number, meant)];
    if meant == Meant::Contested {
        parts.push(rival(number));
    }
    let order = |parts: &OrderParts| {
        let signed = parts.order();
        let checked = parts.checked_against(trust).expect("an order of the fixture");
        let blind = checked.offered();
        let permitted = pins.permitted(signed.clone(), blind).expect("its own permit");
        Order { checked, permitted, signed }
    };
    let payment = parts[0].terms.payment;
    let parcel = |side: Side| Parcel {
        payment,
        side,
        kind: "decision".to_owned(),
        sealed: sha256(format!("{side} {number}").as_bytes()).as_bytes().to_vec().into(),
        duties: None,
    };
    let parcels = [parcel(Side::Debtor), parcel(Side::Creditor)];
    Docs { payment, orders: parts.iter().map(order).collect(), parcels }
}

/// A parcel as a book takes it; it tells of no duty.
pub(crate) fn kept(parcel: Parcel) -> CheckedParcel {
    let here = (environment(), settlement_name(), institution(parcel.side));
    check_parcel(parcel, here).expect("a parcel without duties")
}

fn parts(number: usize, meant: Meant) -> OrderParts {
    let company = |n: usize| u8::try_from(n % usize::from(COMPANIES)).unwrap_or(0);
    let at = match meant {
        Meant::Stale => decided_at(number).minus(Duration::from_secs(90)),
        Meant::Well | Meant::Contested | Meant::TooDear | Meant::OldList => decided_at(number),
    };
    let credit = match meant {
        Meant::TooDear => PAYER_FUNDS * 2,
        Meant::Well | Meant::Contested | Meant::Stale | Meant::OldList => {
            10_000 + u128::from(wide(number * 7919 % 240_000))
        }
    };
    let (payer, payee) = (company(number / 2), company(number / 5));
    let mut parts = OrderParts::of(Deal { number: wide(number) + 1, payer, payee, credit, at });
    mark(&mut parts, number);
    if meant == Meant::OldList {
        parts.creditor.basis.snapshot = snapshot(Side::Creditor, 7).digest();
    }
    parts
}

/// The marks of the edge instances that decide on this payment.
fn mark(parts: &mut OrderParts, number: usize) {
    let (instance, place) = instance_of(number);
    for permit in [&mut parts.debtor, &mut parts.creditor] {
        permit.mark.edge = name(&format!("{}.{}", permit.institution, instance + 1));
        permit.mark.sequence = Sequence::new(wide(place) + 1);
    }
}

/// Another order under the same payment id.
fn rival(number: usize) -> OrderParts {
    let mut parts = parts(number, Meant::Well);
    let mut id = [0x77; 16];
    id[0] = u8::try_from(number).unwrap_or(0);
    parts.quote.quote = QuoteId::from_bytes(id);
    parts.invoice.invoice = InvoiceId::from_bytes(id);
    parts.relink();
    parts
}

fn withdrawal(number: usize) -> Signed<Withdrawal> {
    let asked = Withdrawal {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: outside_id(number),
        participant: name("fx-dealer"),
        amount: Amount::new(Minor::new(WITHDRAWN), eur()),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: IBAN.into(),
            bic: "ABNANL2A".into(),
        },
        reference: format!("WD-{number}"),
        valid_until: now().plus(Duration::from_secs(600)),
    };
    Signed::sign(&asked, &Who::Dealer.key())
}

/// From when on, in a world's time, kill switch `number` may be pulled.
pub(crate) fn stop_from(number: usize) -> u64 {
    wide(number) * 1_200 * MS
}

/// The id of kill switch `number`.
pub(crate) fn act_id(number: usize) -> ActId {
    ActId::from_bytes([u8::try_from(number + 1).unwrap_or(0xff); 16])
}

/// One person stops the corridor; it ends by itself.
fn stop(number: usize) -> CheckedAct {
    let key = SigningKey::from_seed(&[0x61; 32]);
    let ada = Operator { name: "ada".into(), key: key.public_key(), may: May::Both };
    let act = Act {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: act_id(number),
        what: ActKind::Suspend(Subject::Corridor(corridor())),
        reason: "a drill".into(),
        // The even ones begin in the past: at once, whatever the core's clock shows.
        from: if number.is_multiple_of(2) { now().minus(Duration::from_secs(600)) } else { now() },
        until: Some(now().plus(Duration::from_nanos(stop_from(number) + 2_500 * MS))),
        decide_by: now().plus(Duration::from_secs(3_600)),
    };
    check_act(Signed::sign(&act, &key), &[ada]).expect("a person")
}

/// The id of withdrawal `number`.
pub(crate) fn outside_id(number: usize) -> OutsideId {
    OutsideId::from_bytes([u8::try_from(number + 1).unwrap_or(0xff); 16])
}

fn file(number: usize, copy: usize) -> FileClaim {
    let (cents, side, says) = if number < WITHDRAWALS {
        let id = clearing::outside::message_id_of(outside_id(number));
        (WITHDRAWN, "DBIT", id)
    } else {
        (FUNDED, "CRDT", "DEALER".to_owned())
    };
    let (whole, rest) = (cents / 100, cents % 100);
    let text = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N-{number}-{copy}</MsgId>\
         <CreDtTm>{day}T20:50:00Z</CreDtTm></GrpHdr><Ntfctn><Id>N</Id>\
         <Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>\
         <Ntry><Amt Ccy=\"EUR\">{whole}.{rest:02}</Amt><CdtDbtInd>{side}</CdtDbtInd>\
         <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt>\
         <AcctSvcrRef>R{number}</AcctSvcrRef><BkTxCd/><NtryDtls><TxDtls><RmtInf>\
         <Ustrd>{says}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Ntfctn>\
         </BkToCstmrDbtCdtNtfctn></Document>",
        day = now().date(),
    );
    let incoming = iso20022::read(text.as_bytes()).expect("a notification");
    FileClaim::of(&incoming, sha256(text.as_bytes())).expect("a notification")
}

fn settlement() -> Ready<SettlementBook> {
    let owner = |text: &str| Owner::Institution(name(text));
    let mut works = settlement_setup();
    for (side, root) in [(Side::Debtor, Who::RootNl), (Side::Creditor, Who::RootSg)] {
        let signed = Signed::sign(&list(side), &root.key());
        works.push(SettlementWork::AdoptTrustList(Box::new(signed)));
        // The first instance is in service already.
        let notice = EdgeNotice {
            layout: 1,
            environment: environment(),
            institution: institution(side),
            mark: EdgeMark {
                edge: name(&format!("{}.{INSTANCES}", institution(side))),
                sequence: Sequence::new(0),
            },
            key: signer(side).key().key_id(),
        };
        let signed = Signed::sign(&notice, &signer(side).key());
        works.push(SettlementWork::JoinEdge(Box::new(signed)));
    }
    works.push(SettlementWork::OpenAccount(opening(
        own_account(8),
        eur(),
        owner("tcb"),
        Purpose::Suspense,
    )));
    works.push(SettlementWork::Ledger {
        command: Box::new(funding(0x13, own_account(1), own_account(5), DEALER_FUNDS)),
        reason: "sandbox statement".to_owned(),
    });
    works.push(SettlementWork::Funding(Box::new(FundingWork::NameAccount(OutsideAccount {
        asset: eur(),
        number: IBAN.into(),
        servicer: "ABNANL2A".into(),
        control: own_account(1),
        suspense: own_account(8),
        owner: name("tcb"),
        references: vec![FundingReference {
            reference: "DEALER".into(),
            participant: name("fx-dealer"),
        }],
    }))));
    let slot = SaltSlot(0);
    let commands = works.into_iter().map(|work| SettlementCommand { slot, work });
    ready(settlement_name(), settlement_genesis(), commands)
}

fn customers(side: Side) -> Ready<CustomersBook> {
    let slot = SaltSlot(0);
    let commands = customers_setup(side).into_iter().map(|work| CustomerCommand { slot, work });
    ready(customers_name(side), customers_genesis(side), commands)
}

fn ready<M: Machine<Fact = Fact, Rows = ()> + Clone>(
    name: BookName,
    genesis: M,
    commands: impl Iterator<Item = M::Command>,
) -> Ready<M> {
    let mut journal = MemoryJournal::new(name);
    let begun = Start::genesis(genesis.clone());
    let run = RunId::from_bytes([1; 16]);
    let opened = Book::open(name, Limits::WIDEST, run, begun, &mut journal);
    let (mut book, _) = opened.expect("an empty journal opens");
    let (mut batches, mut leaves) = (Vec::new(), Vec::new());
    for command in commands {
        book.submit(start(), &(), &command, &FixedSalts).expect("room");
        let written = book.write_out(&mut journal, &FixedSalts).expect("appended");
        let batch = written.expect("setup makes facts");
        leaves.extend(batch.entries().map(|stored| stored.commitment));
        batches.push(batch.as_ref().clone());
        drop(book.release());
    }
    let (state, tip) = book.settled_state().expect("all is written");
    Ready { begun: Start { state: state.clone(), tip }, batches, leaves, genesis, name }
}

fn pins_of(side: Side) -> Pins {
    let own = if side == Side::Debtor { Who::BankNl } else { Who::BankSg };
    Pins {
        environment: environment(),
        institution: institution(side),
        settlement: settlement_name(),
        origin: ORIGIN.into(),
        log_key: log_key().public_key(),
        permit_keys: vec![own.key().public_key()],
    }
}

/// The key of the log and of promises.
pub(crate) fn log_key() -> SigningKey {
    Who::Operator.key()
}

/// The origin of the log.
pub(crate) fn origin() -> String {
    ORIGIN.to_owned()
}

/// The signer of checkpoints.
pub(crate) fn note_signer() -> NoteSigner {
    NoteSigner::new(ORIGIN.parse().expect("a key name"), log_key())
}

/// A witness as it was last stored.
pub(crate) fn witness(number: usize, state: WitnessState) -> Witness {
    let seed = u8::try_from(number + 0x60).unwrap_or(0x60);
    let key_name = format!("witness-{number}.example/w").parse().expect("a key name");
    let cosigner = Cosigner::new(key_name, SigningKey::from_seed(&[seed; 32]));
    Witness::new(cosigner, vec![note_signer().verifier().clone()], state)
}

/// The rail's name in facts.
pub(crate) fn rail_name() -> terms::RailName {
    name(RAIL)
}
