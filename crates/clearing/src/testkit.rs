//! Fixed keys, books ready to settle, an order whose every document can be altered. For tests.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::arithmetic_side_effects,
    reason = "a fixture with fixed, well-formed parts fails by panicking, like any test"
)]

pub mod after;
mod customers;
mod documents;
pub mod outside;

pub use documents::blind;

use core::time::Duration;

use journal::Machine;
use ledger::{
    Ceiling, Command, Entry, Floor, Opening, Owner, Purpose, Reason, Side as EntrySide, Transaction,
};
use record::{
    Acceptance, AccountProfile, Action as PaymentAction, Basis, CorridorSide, Document, EdgeMark,
    EdgeNotice, Fact, Fee, FeeTaker, Identifiers, Invoice, PackNotice, PackStanding, PaymentTerms,
    Permit, Quote, Rate, SaltSlot, SettleOrder, Side, Signed, Snapshot, TrustList,
    TrustedInstitution, TrustedProvider,
};
use seal::{BoxSecretKey, Digest, SigningKey, sha256};
use terms::{
    AccountId, Amount, AssetCode, BookName, CompanyId, CorridorName, Environment, Instant,
    InstitutionName, InvoiceId, Jurisdiction, Minor, PaymentId, Position, ProviderName, QuoteId,
    Sequence, TransactionId, Uetr,
};

use crate::customers::{CustomerCommand, CustomerWork, CustomersBook};
use crate::order::{CheckedOrder, check_order};
use crate::route::{Action, Finish, Heard, Route};
use crate::rule::Rule;
use crate::settlement::{SettlementBook, SettlementCommand, SettlementConfig, SettlementWork};
use crate::trusted::TrustView;

/// Companies with an account, on each side.
pub const COMPANIES: u8 = 3;
/// What each payer's account holds at first, in cents.
pub const PAYER_FUNDS: u128 = 5_000_000;
/// What the provider holds at first of the credited currency, in cents.
pub const PROVIDER_FUNDS: u128 = 20_000_000;
/// The fee of the debtor's institution, in cents.
pub const BANK_FEE: u128 = 150;
/// The fee of the operator, in cents.
pub const OPERATOR_FEE: u128 = 35;

/// Parses a fixed name.
#[must_use]
pub fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

/// Whose key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Root of the Dutch trust list.
    RootNl,
    /// Root of the Singaporean trust list.
    RootSg,
    /// The debtor's institution.
    BankNl,
    /// The creditor's institution.
    BankSg,
    /// The FX provider.
    Dealer,
    /// The operator of the settlement book.
    Operator,
    /// The payee.
    Payee,
    /// Somebody whom no list names.
    Stranger,
}

impl Who {
    /// The fixed key.
    #[must_use]
    pub fn key(self) -> SigningKey {
        let seed = match self {
            Self::RootNl => 1,
            Self::RootSg => 2,
            Self::BankNl => 3,
            Self::BankSg => 4,
            Self::Dealer => 5,
            Self::Operator => 6,
            Self::Payee => 7,
            Self::Stranger => 9,
        };
        SigningKey::from_seed(&[seed; 32])
    }
}

/// When everything was set up. Orders are made a minute later, at [`now`].
#[must_use]
pub const fn start() -> Instant {
    Instant::from_seconds(1_795_380_600)
}

/// When orders are decided and settled.
#[must_use]
pub fn now() -> Instant {
    start().plus(Duration::from_secs(60))
}

/// Euro of the operator.
#[must_use]
pub fn eur() -> AssetCode {
    name("EUR.2@tcb-sandbox")
}

/// Singapore dollar of the operator.
#[must_use]
pub fn sgd() -> AssetCode {
    name("SGD.2@tcb-sandbox")
}

/// The environment.
#[must_use]
pub fn environment() -> Environment {
    name("sandbox")
}

/// The settlement book.
#[must_use]
pub fn settlement_name() -> BookName {
    name("settlement")
}

/// The corridor.
#[must_use]
pub fn corridor() -> CorridorName {
    name("nl-sg")
}

/// The institution of a side.
#[must_use]
pub fn institution(side: Side) -> InstitutionName {
    match side {
        Side::Debtor => name("bank-nl"),
        Side::Creditor => name("bank-sg"),
    }
}

/// The asset that customers of a side have.
#[must_use]
pub fn asset(side: Side) -> AssetCode {
    match side {
        Side::Debtor => eur(),
        Side::Creditor => sgd(),
    }
}

/// The account of company `n` of a side.
#[must_use]
pub fn account(side: Side, n: u8) -> AccountId {
    AccountId::from_bytes([if side == Side::Debtor { 0xa0 + n } else { 0xb0 + n }; 16])
}

/// Company `n` of a side.
#[must_use]
pub fn company(side: Side, n: u8) -> CompanyId {
    match side {
        Side::Debtor => name(&format!("nl-kvk:6875011{n}")),
        Side::Creditor => name(&format!("sg-uen:20260001{n}")),
    }
}

/// An account of a book's own: `role` tells them apart.
#[must_use]
pub const fn own_account(role: u8) -> AccountId {
    AccountId::from_bytes([role; 16])
}

/// The pack of a side.
#[must_use]
pub fn pack(side: Side) -> Digest {
    sha256(side.as_str().as_bytes())
}

/// The schema of both packs.
#[must_use]
pub fn schema() -> Digest {
    sha256(b"schema")
}

/// Edition `version` of the snapshot of a side's institution.
#[must_use]
pub fn snapshot(side: Side, version: u64) -> Snapshot {
    Snapshot {
        layout: 1,
        environment: environment(),
        institution: institution(side),
        version,
        lists: vec![],
        taken_at: start(),
        valid_until: start().plus(Duration::from_secs(3600)),
    }
}

/// The edge mark of a side.
#[must_use]
pub fn mark(side: Side, sequence: u64) -> EdgeMark {
    EdgeMark { edge: name(&format!("{}.1", institution(side))), sequence: Sequence::new(sequence) }
}

/// Edition `version` of a side's trust list, which names `key` for permits.
#[must_use]
pub fn trust_list(side: Side, version: u64, key: Who) -> TrustList {
    let jurisdiction: Jurisdiction = name(if side == Side::Debtor { "NL" } else { "SG" });
    let dealer = TrustedProvider {
        provider: name("fx-dealer"),
        quote_keys: vec![Who::Dealer.key().public_key()],
    };
    TrustList {
        layout: 1,
        environment: environment(),
        jurisdiction,
        version,
        issued_at: start(),
        next_update: start().plus(Duration::from_secs(86_400)),
        issuers: vec![],
        institutions: vec![TrustedInstitution {
            institution: institution(side),
            legal_name: institution(side).to_string(),
            jurisdiction,
            sides: vec![CorridorSide { corridor: corridor(), side }],
            permit_keys: vec![key.key().public_key()],
            statement_key: BoxSecretKey::from_seed([8; 32]).public_key(),
            edges: vec![mark(side, 0).edge],
        }],
        providers: if side == Side::Debtor { vec![dealer] } else { vec![] },
        verifiers: vec![],
        recognitions: vec![],
    }
}

/// [`trust_list`], signed by its root.
#[must_use]
pub fn signed_trust_list(side: Side, version: u64, key: Who) -> Box<Signed<TrustList>> {
    let root = if side == Side::Debtor { Who::RootNl } else { Who::RootSg };
    Box::new(Signed::sign(&trust_list(side, version, key), &root.key()))
}

/// The trust lists in force at first.
#[must_use]
pub fn trust() -> TrustView {
    let mut view = TrustView::default();
    view.adopt(trust_list(Side::Debtor, 1, Who::BankNl));
    view.adopt(trust_list(Side::Creditor, 1, Who::BankSg));
    view
}

/// The signer of a side's notices and permits.
#[must_use]
pub const fn signer(side: Side) -> Who {
    match side {
        Side::Debtor => Who::BankNl,
        Side::Creditor => Who::BankSg,
    }
}

/// A notice about the pack of a side.
#[must_use]
pub fn pack_notice(side: Side, standing: PackStanding) -> Box<Signed<PackNotice>> {
    let notice = PackNotice {
        layout: 1,
        environment: environment(),
        institution: institution(side),
        corridor: corridor(),
        side,
        pack: pack(side),
        schema: schema(),
        standing,
    };
    Box::new(Signed::sign(&notice, &signer(side).key()))
}

/// A posting that funds: debit `from`, credit `to`.
#[must_use]
pub fn funding(reference: u8, from: AccountId, to: AccountId, amount: u128) -> Command {
    let entry = |account, side| Entry { account, side, amount: Minor::new(amount), hold: None };
    Command::Post(Transaction {
        id: TransactionId::from_bytes([reference; 16]),
        business_date: start().date(),
        reason: Reason::Funding,
        entries: [entry(from, EntrySide::Debit), entry(to, EntrySide::Credit)].into(),
        claims: vec![],
        links: vec![],
        detail: None,
    })
}

/// An account opening: control-like accounts have no floor and grow by debits.
#[must_use]
pub fn opening(id: AccountId, asset: AssetCode, owner: Owner, purpose: Purpose) -> Opening {
    let mirrors = matches!(purpose, Purpose::Control | Purpose::DueFrom);
    Opening {
        id,
        asset,
        normal: if mirrors { EntrySide::Debit } else { EntrySide::Credit },
        owner,
        purpose,
        floor: if mirrors { Floor::Unlimited } else { Floor::MayNotGoBelowZero },
        ceiling: Ceiling::Unlimited,
        marks: None,
    }
}

/// The empty settlement book.
#[must_use]
pub fn settlement_genesis() -> SettlementBook {
    SettlementBook::new(SettlementConfig {
        environment: environment(),
        book: settlement_name(),
        operator: name("tcb"),
        roots: [(name("NL"), Who::RootNl), (name("SG"), Who::RootSg)]
            .map(|(jurisdiction, root)| (jurisdiction, root.key().public_key()))
            .into(),
    })
}

/// Name of the customers' book of a side.
#[must_use]
pub fn customers_name(side: Side) -> BookName {
    name(&format!("{}.customers", institution(side)))
}

/// The empty customers' book of a side.
#[must_use]
pub fn customers_genesis(side: Side) -> CustomersBook {
    CustomersBook::new(customers_name(side), institution(side))
}

/// What makes the settlement book ready: lists, packs, snapshots, accounts, funds.
#[must_use]
pub fn settlement_setup() -> Vec<SettlementWork> {
    let owner = |text: &str| Owner::Institution(name(text));
    let open = |role, asset, of: &str, purpose| {
        SettlementWork::OpenAccount(opening(own_account(role), asset, owner(of), purpose))
    };
    let fund = |reference, from, to, amount| SettlementWork::Ledger {
        command: Box::new(funding(reference, own_account(from), own_account(to), amount)),
        reason: "sandbox statement".to_owned(),
    };
    let payers = PAYER_FUNDS * u128::from(COMPANIES);
    let mut works = vec![
        SettlementWork::AdoptTrustList(signed_trust_list(Side::Debtor, 1, Who::BankNl)),
        SettlementWork::AdoptTrustList(signed_trust_list(Side::Creditor, 1, Who::BankSg)),
        open(1, eur(), "tcb", Purpose::Control),
        open(2, sgd(), "tcb", Purpose::Control),
        open(3, eur(), "bank-nl", Purpose::Settlement),
        open(4, sgd(), "bank-sg", Purpose::Settlement),
        open(5, eur(), "fx-dealer", Purpose::Settlement),
        open(6, sgd(), "fx-dealer", Purpose::Settlement),
        open(7, eur(), "tcb", Purpose::Fee),
        fund(0x11, 1, 3, payers),
        fund(0x12, 2, 6, PROVIDER_FUNDS),
    ];
    for side in [Side::Debtor, Side::Creditor] {
        works.push(SettlementWork::NoticePack(pack_notice(side, PackStanding::InForce)));
        let signed = Signed::sign(&snapshot(side, 1), &signer(side).key());
        works.push(SettlementWork::PublishSnapshot(Box::new(signed)));
        let notice = EdgeNotice {
            layout: 1,
            environment: environment(),
            institution: institution(side),
            mark: mark(side, 0),
            key: signer(side).key().key_id(),
        };
        let signed = Signed::sign(&notice, &signer(side).key());
        works.push(SettlementWork::JoinEdge(Box::new(signed)));
    }
    works
}

/// What makes a customers' book ready: own accounts, customers' accounts, payers' funds.
#[must_use]
pub fn customers_setup(side: Side) -> Vec<CustomerWork> {
    let asset = asset(side);
    let own = Owner::Institution(institution(side));
    let mut works: Vec<CustomerWork> =
        [(1, Purpose::DueFrom), (2, Purpose::Fee), (3, Purpose::Suspense)]
            .map(|(role, purpose)| {
                CustomerWork::OpenAccount(opening(own_account(role), asset, own, purpose))
            })
            .into();
    for n in 0..COMPANIES {
        let (account, owner) = (account(side, n), company(side, n));
        let opening = opening(account, asset, Owner::Company(owner), Purpose::Customer);
        let profile = AccountProfile {
            account,
            owner,
            name: format!("Company {n}"),
            client_key: SigningKey::from_seed(&[0x40 + n; 32]).public_key(),
        };
        works.push(CustomerWork::OpenCustomer(opening, profile));
        if side == Side::Debtor {
            let command = Box::new(funding(0x20 + n, own_account(1), account, PAYER_FUNDS));
            works.push(CustomerWork::Ledger { command, reason: "sandbox statement".to_owned() });
        }
    }
    works
}

/// Who pays whom how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Number of the payment: ids follow from it.
    pub number: u64,
    /// Which company pays.
    pub payer: u8,
    /// Which company is paid.
    pub payee: u8,
    /// How much it gets, in cents.
    pub credit: u128,
    /// When it is decided.
    pub at: Instant,
}

impl Deal {
    /// Company 0 pays company 0.
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self { number, payer: 0, payee: 0, credit: 100_000, at: now() }
    }

    fn id(&self, kind: u8) -> [u8; 16] {
        let mut id = [kind; 16];
        for (to, from) in id.iter_mut().zip(self.number.to_be_bytes()) {
            *to = from;
        }
        id
    }

    /// The payment.
    #[must_use]
    pub fn payment(&self) -> PaymentId {
        PaymentId::from_bytes(self.id(1))
    }
}

/// Every document of an order before it is signed. Alter what you like, [`OrderParts::relink`] if
/// the other documents should follow, then [`OrderParts::order`].
#[derive(Clone, Debug)]
pub struct OrderParts {
    /// The terms.
    pub terms: PaymentTerms,
    /// The quote, and who signs it.
    pub quote: Quote,
    /// Who signs the quote.
    pub quote_signer: Who,
    /// The invoice.
    pub invoice: Invoice,
    /// The acceptance.
    pub acceptance: Acceptance,
    /// Who signs the acceptance.
    pub acceptance_signer: Who,
    /// The debtor side's permit.
    pub debtor: Permit,
    /// Who signs it.
    pub debtor_signer: Who,
    /// The creditor side's permit.
    pub creditor: Permit,
    /// Who signs it.
    pub creditor_signer: Who,
}

impl OrderParts {
    /// A valid order for `deal`.
    #[must_use]
    pub fn of(deal: Deal) -> Self {
        let (quote, invoice) = (quote_of(deal), invoice_of(deal));
        let acceptance = acceptance_of(deal, &invoice);
        let terms = linked_terms(&quote, &invoice, account(Side::Debtor, deal.payer));
        let debtor = permit_of(deal, Side::Debtor);
        let creditor = permit_of(deal, Side::Creditor);
        let mut parts = Self {
            terms,
            quote,
            quote_signer: Who::Dealer,
            invoice,
            acceptance,
            acceptance_signer: Who::BankSg,
            debtor,
            debtor_signer: Who::BankNl,
            creditor,
            creditor_signer: Who::BankSg,
        };
        parts.relink();
        parts
    }

    /// Makes terms, acceptance and permits follow quote and invoice, as honest parties would.
    pub fn relink(&mut self) {
        self.terms = linked_terms(&self.quote, &self.invoice, self.terms.debited_account);
        self.acceptance.invoice = self.invoice.digest();
        self.relink_permits();
    }

    /// Makes the permits follow terms and acceptance.
    pub fn relink_permits(&mut self) {
        let digest = self.terms.terms_digest();
        (self.debtor.terms, self.creditor.terms) = (digest, digest);
        self.creditor.acceptance = Some(self.acceptance.digest());
    }

    /// The order, signed.
    #[must_use]
    pub fn order(&self) -> SettleOrder {
        SettleOrder {
            layout: 1,
            terms: self.terms.to_terms_string(),
            identifiers: Identifiers {
                uetr: Uetr::from_random(self.terms.payment.bytes()),
                end_to_end_id: "INV-014".to_owned(),
                instruction_id: "1".to_owned(),
            },
            quote: Signed::sign(&self.quote, &self.quote_signer.key()),
            invoice: Signed::sign(&self.invoice, &Who::Payee.key()),
            acceptance: Signed::sign(&self.acceptance, &self.acceptance_signer.key()),
            debtor_permit: Signed::sign(&self.debtor, &self.debtor_signer.key()),
            creditor_permit: Signed::sign(&self.creditor, &self.creditor_signer.key()),
        }
    }

    /// The order, signed and checked against `trust`.
    ///
    /// # Errors
    /// The rule that refuses.
    pub fn checked_against(&self, trust: &TrustView) -> Result<CheckedOrder, Rule> {
        let terms = self.terms.clone();
        let offered = blind(terms.payment);
        check_order(self.order(), terms, environment(), settlement_name(), trust, offered)
    }

    /// The order, signed and checked against the first trust lists.
    ///
    /// # Errors
    /// The rule that refuses.
    pub fn checked(&self) -> Result<CheckedOrder, Rule> {
        self.checked_against(&trust())
    }
}

fn linked_terms(quote: &Quote, invoice: &Invoice, debited: AccountId) -> PaymentTerms {
    let quote = Signed::sign(quote, &Who::Dealer.key());
    let invoice = Signed::sign(invoice, &Who::Payee.key());
    PaymentTerms::of_payment(&quote, &invoice, debited, settlement_name()).expect("readable")
}

fn quote_of(deal: Deal) -> Quote {
    let euro = |units| Amount::new(Minor::new(units), eur());
    let (principal, margin) = ((deal.credit * 684).div_ceil(1000), 25);
    let fee = |taker, units, purpose: &str| Fee {
        taker,
        amount: euro(units),
        purpose: purpose.to_owned(),
    };
    Quote {
        layout: 1,
        environment: environment(),
        quote: QuoteId::from_bytes(deal.id(2)),
        payment: deal.payment(),
        provider: name::<ProviderName>("fx-dealer"),
        corridor: corridor(),
        debit: euro(principal + margin + BANK_FEE + OPERATOR_FEE),
        credit: Amount::new(Minor::new(deal.credit), sgd()),
        mid: Rate {
            debit_units: Minor::new(684),
            credit_units: Minor::new(1000),
            source: "sandbox table".to_owned(),
        },
        principal: euro(principal),
        margin: euro(margin),
        fees: vec![
            fee(FeeTaker::DebtorInstitution, BANK_FEE, "transfer"),
            fee(FeeTaker::Operator, OPERATOR_FEE, "settlement"),
        ],
        issued_at: deal.at,
        expires_at: deal.at.plus(Duration::from_secs(120)),
        at_rate_of: None,
    }
}

fn invoice_of(deal: Deal) -> Invoice {
    Invoice {
        layout: 1,
        environment: environment(),
        invoice: InvoiceId::from_bytes(deal.id(3)),
        number: "INV-014".to_owned(),
        creditor: company(Side::Creditor, deal.payee),
        creditor_name: format!("Company {}", deal.payee),
        institution: institution(Side::Creditor),
        account: account(Side::Creditor, deal.payee),
        amount: Amount::new(Minor::new(deal.credit), sgd()),
        purpose: "GDDS".to_owned(),
        issued_at: start(),
        due_at: deal.at.plus(Duration::from_secs(3000)),
    }
}

fn acceptance_of(deal: Deal, invoice: &Invoice) -> Acceptance {
    Acceptance {
        layout: 1,
        environment: environment(),
        payment: deal.payment(),
        institution: institution(Side::Creditor),
        invoice: invoice.digest(),
        account: invoice.account,
        owner: invoice.creditor,
        amount: invoice.amount,
        valid_until: deal.at.plus(Duration::from_secs(300)),
    }
}

fn permit_of(deal: Deal, side: Side) -> Permit {
    let statement = |side: Side| sha256(side.as_str().as_bytes());
    let number = if side == Side::Debtor { deal.payer } else { deal.payee };
    Permit {
        layout: 1,
        environment: environment(),
        corridor: corridor(),
        action: PaymentAction::Pay,
        side,
        institution: institution(side),
        payment: deal.payment(),
        terms: Digest::ZERO,
        owner: company(side, number),
        basis: Basis {
            pack: pack(side),
            schema: schema(),
            findings_layer: 1,
            snapshot: snapshot(side, 1).digest(),
        },
        statement_sent: statement(side),
        statement_received: statement(side.other()),
        acceptance: None,
        relied_on: vec![],
        mark: mark(side, deal.number),
        duties: vec![],
        limits: vec![],
        record: sha256(b"record"),
        decided_at: deal.at,
        valid_until: deal.at.plus(Duration::from_secs(60)),
        travel: None,
    }
}

/// A machine with every fact it was given: a journal without a journal.
#[derive(Clone, Debug)]
pub struct Kept<M> {
    /// The state.
    pub state: M,
    /// The facts, each with its stamp.
    pub facts: Vec<(Instant, Fact)>,
}

impl<M: Machine<Fact = Fact, Rows = ()>> Kept<M> {
    /// Nothing yet.
    pub const fn genesis(state: M) -> Self {
        Self { state, facts: Vec::new() }
    }

    /// Checks, keeps and applies; the position is that of the first fact, or the next.
    pub fn submit(&mut self, at: Instant, command: &M::Command) -> (M::Outcome, Position) {
        let checked = self.state.check(&(), at, command);
        let first = self.next();
        for fact in checked.facts {
            self.state.apply(self.next(), at, &fact);
            self.facts.push((at, fact));
        }
        (checked.outcome, first)
    }

    /// The next position.
    pub fn next(&self) -> Position {
        Position::new(u64::try_from(self.facts.len()).unwrap_or(u64::MAX))
    }

    /// The fold of the kept facts from `genesis`.
    pub fn refold(&self, mut genesis: M) -> M {
        for (position, (at, fact)) in (0..).map(Position::new).zip(&self.facts) {
            genesis.apply(position, *at, fact);
        }
        genesis
    }
}

/// The three books, ready.
#[derive(Clone, Debug)]
pub struct Books {
    /// The settlement book.
    pub settlement: Kept<SettlementBook>,
    /// The debtor's institution's.
    pub debtor: Kept<CustomersBook>,
    /// The creditor's institution's.
    pub creditor: Kept<CustomersBook>,
}

impl Default for Books {
    fn default() -> Self {
        Self::ready()
    }
}

impl Books {
    /// All three after their setup at [`start`].
    #[must_use]
    pub fn ready() -> Self {
        let mut books = Self {
            settlement: Kept::genesis(settlement_genesis()),
            debtor: Kept::genesis(customers_genesis(Side::Debtor)),
            creditor: Kept::genesis(customers_genesis(Side::Creditor)),
        };
        for work in settlement_setup() {
            let (answer, _) = books.settle(start(), work);
            assert_eq!(answer, crate::SettlementAnswer::Done, "setup");
        }
        for side in [Side::Debtor, Side::Creditor] {
            for work in customers_setup(side) {
                let answer = books.tell(start(), side, work);
                assert_eq!(answer, crate::CustomerAnswer::Done, "setup");
            }
        }
        books
    }

    /// A command for the settlement book. An order that no book was asked to hold is taken as kept
    /// under what it offers.
    pub fn settle(
        &mut self,
        at: Instant,
        work: SettlementWork,
    ) -> (crate::SettlementAnswer, Position) {
        let work = documents::kept(work);
        self.settlement.submit(at, &SettlementCommand { slot: SaltSlot(0), work })
    }

    /// A command for a customers' book.
    pub fn tell(&mut self, at: Instant, side: Side, work: CustomerWork) -> crate::CustomerAnswer {
        let book = match side {
            Side::Debtor => &mut self.debtor,
            Side::Creditor => &mut self.creditor,
        };
        book.submit(at, &CustomerCommand { slot: SaltSlot(0), work }).0
    }

    /// Carries one action to its book and brings back what it says.
    pub fn carry(&mut self, at: Instant, route: &Route, action: Action) -> Heard {
        match action {
            Action::Customers(of, work) => Heard::Customers(self.tell(at, side_of(of), work)),
            Action::Settlement(work) => {
                let (answer, position) = self.settle(at, work);
                Heard::Settlement(answer, position)
            }
            Action::AskDebtor(of) => Heard::SawDebtor(self.book(of).debtor_seen(route.payment())),
            Action::AskSettlement => {
                let entry = self.settlement.state.payment(route.payment()).cloned();
                Heard::SawSettlement(entry, self.settlement.next())
            }
            Action::AskCreditor(of) => {
                Heard::SawCreditor(self.book(of).creditor_side(route.payment()))
            }
            Action::Finished(_) => Heard::NotDone,
        }
    }

    /// The customers' book of an institution. Of a return, the first payment's creditor is asked
    /// as the debtor.
    #[must_use]
    pub fn book(&self, of: InstitutionName) -> &CustomersBook {
        match side_of(of) {
            Side::Debtor => &self.debtor.state,
            Side::Creditor => &self.creditor.state,
        }
    }

    /// Drives a route to its end.
    pub fn drive(&mut self, at: Instant, mut route: Route) -> Finish {
        loop {
            let action = route.next();
            if let Action::Finished(finish) = action {
                return finish;
            }
            let heard = self.carry(at, &route, action);
            route.hear(heard);
        }
    }
}

/// The side on which an institution acts.
#[must_use]
pub fn side_of(of: InstitutionName) -> Side {
    if of == institution(Side::Debtor) { Side::Debtor } else { Side::Creditor }
}
