//! Two edges, their lists, two wallets and a provider, without any I/O.
#![expect(
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a test may stop and may copy"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use admission::lists::snapshot_of;
use admission::raw::{RawInputs, token_digest};
use admission::replay::{FILE_LAYOUT, Materials, ReplayFile};
use admission::{
    AccountFacts, Answered, AskedToTell, Consented, Decided, Desk, ExchangeEntropy, Inputs, Lists,
    Onboarding, Prepared, Reply, Stated, StatedPayer, Statuses, Wanted, accept_payee,
    answer_statement, ask_payee, decide_creditor, decide_debtor, open_creditor_consent,
    open_debtor_consent, prepare, state_payer,
};
use credential::claims::{
    AccountOwnership, Address, CompanyRegistration, CreditBand, Mandate, Standing, TaxStanding,
};
use credential::status::{StatusListHeading, StatusReference};
use credential::{
    ACCOUNT_OWNERSHIP, COMPANY_REGISTRATION, CREDIT_BAND, CredentialClaims, CredentialDraft,
    CredentialStatus, HeldCredential, HighWater, MANDATE, PresentationRequest, StatusBits,
    StatusList, TAX_STANDING, issue, respond,
};
use policy::{Pack, shipped};
use record::{
    CorridorSide, EdgeMark, Fee, FeeTaker, Invoice, IssuerKey, PostalAddress, Quote, Rate,
    Recognised, Recognition, RequestToPay, Side, Signed, Snapshot, TrustList, TrustedInstitution,
    TrustedIssuer, TrustedProvider,
};
use screening::{Entry, LoadedList, ScreeningList};
use seal::{BoxSecretKey, DataKey, Digest, Es256SigningKey, Secret, SigningKey};
use terms::{
    AccountId, Amount, CompanyId, DecisionId, Instant, InvoiceId, Minor, PaymentId, QuoteId,
    Sequence,
};

/// Wednesday 2026-11-18, 10:00 UTC: open in both countries.
pub const NOW: Instant = Instant::from_seconds(1_794_996_000);
pub const PAYER: &str = "nl-kvk:68750110";
pub const PAYEE: &str = "sg-uen:201912345K";
pub const OTHER: &str = "nl-kvk:11111111";
pub const PAYER_NAME: &str = "Brightwater Tools B.V.";
pub const PAYEE_NAME: &str = "Lim Ceramics Pte Ltd";
const ISSUER_NL: &str = "register-nl";
const ISSUER_SG: &str = "register-sg";
const BANK_SG_ISSUER: &str = "bank-sg-accounts";
/// Where the issuers are served; a test that serves them says so first.
pub static ISSUERS_AT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
pub const URL_A: &str = "http://localhost:7001";
pub const URL_B: &str = "http://localhost:7002";

pub fn es256(number: u8) -> Es256SigningKey {
    Es256SigningKey::from_scalar(&[number; 32]).unwrap()
}

pub fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn issuer_url(issuer: &str) -> String {
    let base = ISSUERS_AT.get_or_init(|| "http://localhost:7003".to_owned());
    format!("{base}/{issuer}")
}

fn list_uri(issuer: &str) -> String {
    format!("{}/status/1", issuer_url(issuer))
}

fn amount(minor: u128, asset: &str) -> Amount {
    Amount::new(Minor::new(minor), asset.parse().unwrap())
}

/// Everything that a test may change before it runs a payment.
#[derive(Clone)]
pub struct World {
    pub now: Instant,
    pub nl: TrustList,
    pub sg: TrustList,
    pub sanctions: Vec<ScreeningList>,
    pub status: BTreeMap<String, String>,
    pub high_water: HighWater,
    pub payer: Vec<HeldCredential>,
    pub payee: Vec<HeldCredential>,
    pub payer_account: AccountFacts,
    pub payee_account: AccountFacts,
    pub invoice: Invoice,
    pub invoice_signer: u8,
    pub quote: Quote,
    pub sandbox: Option<admission::Bounds>,
    /// Whether the payee's side has asked for a travel-rule message.
    pub asked: AskedToTell,
}

pub struct Exchanged {
    pub request: RequestToPay,
    pub quote: Signed<Quote>,
    pub stated: StatedPayer,
    pub answered: Answered,
    pub prepared: Prepared,
}

pub fn registration(company: &str, name: &str, country: &str) -> CompanyRegistration {
    CompanyRegistration {
        company: company.parse().unwrap(),
        legal_name: name.to_owned(),
        jurisdiction: country.parse().unwrap(),
        legal_form: "limited".to_owned(),
        registered_on: NOW.date(),
        standing: "active".to_owned(),
        activity: "28.99".to_owned(),
        address: Address {
            street: "Keizersgracht 1".to_owned(),
            postal_code: "1015 AA".to_owned(),
            locality: "Amsterdam".to_owned(),
            country: country.parse().unwrap(),
        },
        lei: None,
        directors: vec!["A. Jansen".to_owned()],
    }
}

pub fn mandate(company: &str) -> Mandate {
    Mandate {
        mandate_id: "mandate-7".to_owned(),
        company: company.parse().unwrap(),
        person: "p-4711".to_owned(),
        role: "treasurer".to_owned(),
        limit: amount(5_000_000, "EUR.2@tcb-sandbox"),
        approvals_required: 1,
        valid_until: NOW.plus(Duration::from_secs(86_400 * 30)).date(),
    }
}

pub fn tax(company: &str) -> TaxStanding {
    TaxStanding {
        company: company.parse().unwrap(),
        standing: Standing::Good,
        as_of: NOW.date(),
        residence: "NL".parse().unwrap(),
        tax_number: "NL857587973B01".to_owned(),
    }
}

pub fn credit(company: &str) -> CreditBand {
    CreditBand {
        company: company.parse().unwrap(),
        band: 'B',
        score: 640,
        as_of: NOW.date(),
        model: "bureau-3".to_owned(),
        years_on_file: 9,
    }
}

/// Issues to the payer's holder key (3), or the payee's (4).
pub fn held<C: CredentialClaims>(
    claims: &C,
    issuer: &str,
    index: Option<u64>,
    holder: u8,
) -> HeldCredential {
    let signer = match issuer {
        ISSUER_NL => es256(1),
        ISSUER_SG => es256(2),
        _ => es256(5),
    };
    let life = if index.is_some() { 90 * 86_400 } else { 43_200 };
    let url = issuer_url(issuer);
    let draft = CredentialDraft {
        issuer: &url,
        key_id: "k1",
        credential_type: C::TYPE,
        claims: claims.to_claims(),
        selective: claims.selective(),
        holder: es256(holder).public_key(),
        issued_at: NOW.minus(Duration::from_secs(3_600)),
        expires_at: NOW.plus(Duration::from_secs(life)),
        status: index.map(|index| StatusReference { uri: list_uri(issuer), index }),
    };
    let salts: Vec<[u8; 16]> = (0..draft.selective.len())
        .map(|n| [u8::try_from(n).unwrap(); 16].map(|b| b ^ u8::try_from(C::TYPE.len()).unwrap()))
        .collect();
    let text = issue(&draft, &signer, &salts).unwrap();
    HeldCredential::accept(&text, &signer.public_key(), &draft.holder, NOW).unwrap()
}

pub fn payer_wallet(company: &str) -> Vec<HeldCredential> {
    vec![
        held(&registration(company, PAYER_NAME, "NL"), ISSUER_NL, Some(10), 3),
        held(&mandate(company), ISSUER_NL, Some(11), 3),
        held(&tax(company), ISSUER_NL, Some(12), 3),
        held(&credit(company), ISSUER_NL, None, 3),
    ]
}

/// One of the payer's credentials made anew.
pub fn nl<C: CredentialClaims>(claims: &C, index: Option<u64>) -> HeldCredential {
    held(claims, ISSUER_NL, index, 3)
}

pub fn payee_wallet(account_owner: &str, account: AccountId) -> Vec<HeldCredential> {
    let ownership = AccountOwnership {
        company: account_owner.parse().unwrap(),
        account,
        institution: "bank-sg".parse().unwrap(),
        asset: "SGD.2@mas-sandbox".parse().unwrap(),
        holder_name: PAYEE_NAME.to_owned(),
    };
    vec![
        held(&registration(PAYEE, PAYEE_NAME, "SG"), ISSUER_SG, Some(20), 4),
        held(&ownership, BANK_SG_ISSUER, Some(30), 4),
    ]
}

/// A status list of `issuer`, signed at `at`.
pub fn status_list(issuer: &str, at: Instant, revoked: &[u64]) -> String {
    let mut list = StatusList::new(StatusBits::Two, 1_000).unwrap();
    for index in revoked {
        list.set(*index, CredentialStatus::Revoked).unwrap();
    }
    let uri = list_uri(issuer);
    let url = issuer_url(issuer);
    let heading = StatusListHeading {
        uri: &uri,
        issuer: &url,
        key_id: "k1",
        issued_at: at,
        expires_at: at.plus(Duration::from_secs(86_400)),
        time_to_live: Duration::from_secs(60),
    };
    let signer = match issuer {
        ISSUER_NL => es256(1),
        ISSUER_SG => es256(2),
        _ => es256(5),
    };
    list.publish(&heading, &signer).unwrap()
}

impl World {
    /// A payment that both shipped packs permit.
    pub fn new() -> Self {
        Self::of_payer(PAYER)
    }

    /// The same payment by another company.
    pub fn of_payer(company: &str) -> Self {
        let payer_account = account(1, company, PAYER_NAME, 21);
        let payee_account = account(2, PAYEE, PAYEE_NAME, 22);
        let minute_ago = NOW.minus(Duration::from_secs(60));
        let mut world = Self {
            now: NOW,
            nl: trust_list("NL"),
            sg: trust_list("SG"),
            sanctions: vec![sanctions(&[("X1", "Volkov Shipping Ltd", "RU")])],
            status: BTreeMap::new(),
            high_water: HighWater::default(),
            payer: payer_wallet(company),
            payee: payee_wallet(PAYEE, payee_account.account),
            invoice: invoice(&payee_account),
            payer_account,
            payee_account,
            invoice_signer: 22,
            quote: quote(),
            sandbox: None,
            asked: AskedToTell::No,
        };
        for issuer in [ISSUER_NL, ISSUER_SG, BANK_SG_ISSUER] {
            world.publish_status(issuer, minute_ago, &[]);
        }
        world
    }

    pub fn publish_status(&mut self, issuer: &str, at: Instant, revoked: &[u64]) {
        self.status.insert(list_uri(issuer), status_list(issuer, at, revoked));
    }

    /// The payer's register publishes a list.
    pub fn nl_status(&mut self, at: Instant, revoked: &[u64]) {
        self.publish_status(ISSUER_NL, at, revoked);
    }

    pub fn sg_status(&mut self, at: Instant, revoked: &[u64]) {
        self.publish_status(ISSUER_SG, at, revoked);
    }

    pub fn statuses(&self) -> Statuses<'_> {
        Statuses { tokens: &self.status, high_water: &self.high_water }
    }

    fn lists(&self, side: Side) -> Lists {
        let (home, other) = match side {
            Side::Debtor => (self.nl.clone(), self.sg.clone()),
            Side::Creditor => (self.sg.clone(), self.nl.clone()),
        };
        let loaded = self.sanctions.iter().cloned().map(LoadedList::new).collect();
        Lists::new(home, vec![other], loaded, self.snapshot(side).digest()).unwrap()
    }

    /// The snapshot that the edge of a side has published.
    pub fn snapshot(&self, side: Side) -> Signed<Snapshot> {
        let (institution, trust, signer) = match side {
            Side::Debtor => ("bank-nl", [&self.nl, &self.sg], 11),
            Side::Creditor => ("bank-sg", [&self.sg, &self.nl], 12),
        };
        let loaded: Vec<_> = self.sanctions.iter().cloned().map(LoadedList::new).collect();
        let of = ("sandbox".parse().unwrap(), institution.parse().unwrap(), 1);
        Signed::sign(&snapshot_of(of, &trust, &loaded, NOW), &key(signer))
    }

    /// The bytes of everything that decisions of a side name by digest.
    pub fn materials(&self, side: Side) -> Materials {
        let mut materials = Materials::default();
        let mut put = |digest: Digest, bytes: Vec<u8>| materials.0.insert(digest, bytes.into());
        let snapshot = self.snapshot(side);
        put(snapshot.digest(), snapshot.to_bytes());
        for list in [&self.nl, &self.sg] {
            let signed = Signed::sign(list, &key(91));
            put(signed.digest(), signed.to_bytes());
        }
        for list in &self.sanctions {
            let signed = Signed::sign(list, &key(92));
            put(signed.digest(), signed.to_bytes());
        }
        for token in self.status.values() {
            put(token_digest(token), token.clone().into_bytes());
        }
        materials
    }

    /// What one side decides, and all that a replay needs.
    pub fn decides_for_replay(&self, done: &Exchanged, side: Side) -> (Decided, ReplayFile) {
        let consented = done.consented(side);
        let (decided, raw) = self.at(side, |desk| match side {
            Side::Debtor => {
                let open = open_debtor_consent(desk, &consented).unwrap();
                let vp_token = self.present(&done.prepared.ask.clone().unwrap(), &self.payer, 3);
                let data_key = DataKey::from_bytes([51; 32]);
                let inputs = self.inputs("bank-nl.1", &data_key);
                let raw = RawInputs::of_debtor(desk, &open, &vp_token, &inputs);
                (decide_debtor(desk, &open, &vp_token, &inputs), raw)
            }
            Side::Creditor => {
                let open = open_creditor_consent(desk, &consented).unwrap();
                let data_key = DataKey::from_bytes([52; 32]);
                let inputs = self.inputs("bank-sg.1", &data_key);
                let raw = RawInputs::of_creditor(desk, &open, &inputs);
                (decide_creditor(desk, &open, &inputs), raw)
            }
        });
        let file = ReplayFile {
            layout: FILE_LAYOUT,
            record: seal::to_canonical(&decided.record).into(),
            inputs: seal::to_canonical(&raw).into(),
            materials: self.materials(side),
        };
        (decided, file)
    }

    /// Runs `act` at the desk of one side.
    pub fn at<T>(&self, side: Side, act: impl FnOnce(&Desk<'_>) -> T) -> T {
        // Loading proves a pack against its schema: once per test binary is enough.
        static PACKS: std::sync::LazyLock<[Pack; 2]> =
            std::sync::LazyLock::new(|| [shipped::nl_sg().unwrap(), shipped::sg_in().unwrap()]);
        let pack = match side {
            Side::Debtor => &PACKS[0],
            Side::Creditor => &PACKS[1],
        };
        let (institution, url, permit, boxed) = match side {
            Side::Debtor => ("bank-nl", URL_A, 11, 31),
            Side::Creditor => ("bank-sg", URL_B, 12, 32),
        };
        let lists = self.lists(side);
        act(&Desk {
            environment: "sandbox".parse().unwrap(),
            institution: institution.parse().unwrap(),
            corridor: "nl-sg".parse().unwrap(),
            side,
            book: "settlement".parse().unwrap(),
            url,
            pack,
            lists: &lists,
            permit_key: &key(permit),
            statement_key: &BoxSecretKey::from_seed([boxed; 32]),
            secret: &Secret::from_bytes([permit; 32]),
            mandate_month_limit: Minor::new(100_000_000),
            sandbox: self.sandbox.as_ref(),
            now: self.now,
        })
    }

    pub fn signed_invoice(&self) -> Signed<Invoice> {
        Signed::sign(&self.invoice, &key(self.invoice_signer))
    }

    /// The payee submits its invoice and presents.
    pub fn request_to_pay(&self) -> Result<RequestToPay, admission::PayeeRefused> {
        let invoice = self.signed_invoice();
        let ask = self.at(Side::Creditor, |d| ask_payee(d, &invoice, &self.payee_account))?;
        let answer = self.present(&ask, &self.payee, 4);
        let state = ask.state.unwrap();
        let ticket =
            self.at(Side::Creditor, |desk| accept_payee(desk, &state, &answer, self.statuses()))?.0;
        Ok(RequestToPay { layout: 1, invoice, ticket: ticket.into() })
    }

    pub fn present(
        &self,
        ask: &PresentationRequest,
        held: &[HeldCredential],
        holder: u8,
    ) -> String {
        respond(ask, held, &[&es256(holder)], self.now).unwrap().vp_token
    }

    pub fn signed_quote(&self) -> Signed<Quote> {
        Signed::sign(&self.quote, &key(41))
    }

    /// Up to the wallet's consent.
    pub fn exchange(&self) -> Exchanged {
        self.exchange_on(self.request_to_pay().unwrap()).unwrap()
    }

    pub fn exchange_on(
        &self,
        request: RequestToPay,
    ) -> Result<Exchanged, admission::ExchangeRefused> {
        let quote = self.signed_quote();
        let wanted = Wanted { request: &request, quote: &quote, refund_of: None };
        let (payer, payee) = (&self.payer_account, &self.payee_account);
        let stated = self.at(Side::Debtor, |d| {
            let customer = onboarding(payer.owner);
            state_payer(d, wanted, payer, (&customer, self.asked), entropy(1))
        })?;
        let answered = self.at(Side::Creditor, |desk| {
            let travel = stated.told.as_ref().map(|told| told.sealed.as_slice());
            let said = Stated { wanted, sealed: &stated.sealed, terms: &stated.terms, travel };
            answer_statement(desk, said, "bank-nl".parse().unwrap(), payee, entropy(2))
        })?;
        let reply = Reply {
            sealed: &answered.sealed,
            acceptance: &answered.acceptance,
            travel: answered.travel.as_ref(),
        };
        let prepared =
            self.at(Side::Debtor, |desk| prepare(desk, wanted, payer, &stated, reply))?;
        Ok(Exchanged { request, quote, stated, answered, prepared })
    }

    pub fn debtor_decides(&self, done: &Exchanged) -> Decided {
        let ask = done.prepared.ask.clone().unwrap();
        self.debtor_decides_on(done, &self.present(&ask, &self.payer, 3))
    }

    pub fn debtor_decides_on(&self, done: &Exchanged, vp_token: &str) -> Decided {
        self.at(Side::Debtor, |desk| {
            let open = open_debtor_consent(desk, &done.consented(Side::Debtor)).unwrap();
            let data_key = DataKey::from_bytes([51; 32]);
            decide_debtor(desk, &open, vp_token, &self.inputs("bank-nl.1", &data_key))
        })
    }

    pub fn creditor_decides(&self, done: &Exchanged) -> Decided {
        self.at(Side::Creditor, |desk| {
            let open = open_creditor_consent(desk, &done.consented(Side::Creditor)).unwrap();
            let data_key = DataKey::from_bytes([52; 32]);
            decide_creditor(desk, &open, &self.inputs("bank-sg.1", &data_key))
        })
    }

    pub fn inputs<'a>(&'a self, edge: &str, data_key: &'a DataKey) -> Inputs<'a> {
        Inputs {
            mark: EdgeMark { edge: edge.parse().unwrap(), sequence: Sequence::new(3) },
            decision: DecisionId::from_bytes([61; 16]),
            data_key,
            statuses: self.statuses(),
        }
    }
}

impl Exchanged {
    pub fn consented(&self, side: Side) -> Consented<'_> {
        Consented {
            ticket: match side {
                Side::Debtor => &self.prepared.ticket,
                Side::Creditor => &self.answered.ticket,
            },
            terms: &self.stated.terms,
            quote: &self.quote,
            invoice: &self.request.invoice,
            acceptance: &self.answered.acceptance,
        }
    }
}

pub fn onboarding(company: CompanyId) -> Onboarding {
    Onboarding {
        company,
        legal_name: PAYER_NAME.to_owned(),
        country: "NL".parse().unwrap(),
        address: PostalAddress {
            street: "Keizersgracht 1".to_owned(),
            post_code: "1015 AA".to_owned(),
            town: "Amsterdam".to_owned(),
            country: "NL".parse().unwrap(),
        },
        lei: Some("724500QHKL6MVSQQ1Z06".to_owned()),
    }
}

pub fn entropy(number: u8) -> ExchangeEntropy {
    ExchangeEntropy {
        statement: [number; 16],
        blind: [number; 16],
        box_bytes: [number; 32],
        travel_blind: [number; 16],
        travel_box: [number + 100; 32],
    }
}

pub fn account(number: u8, owner: &str, name: &str, client: u8) -> AccountFacts {
    AccountFacts {
        account: AccountId::from_bytes([number; 16]),
        owner: owner.parse::<CompanyId>().unwrap(),
        name: name.to_owned(),
        client_key: key(client).public_key(),
        takes_debits: true,
        takes_credits: true,
    }
}

pub fn sanctions(entries: &[(&str, &str, &str)]) -> ScreeningList {
    ScreeningList {
        layout: 1,
        name: "example".to_owned(),
        version: 4,
        issued_at: NOW.minus(Duration::from_secs(3_600)),
        next_update: NOW.plus(Duration::from_secs(86_400)),
        entries: entries
            .iter()
            .map(|(id, name, country)| Entry {
                id: (*id).to_owned(),
                name: (*name).to_owned(),
                aliases: vec![],
                dates: vec![],
                countries: vec![(*country).to_owned()],
                program: "example".to_owned(),
            })
            .collect(),
    }
}

fn invoice(account: &AccountFacts) -> Invoice {
    Invoice {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        invoice: InvoiceId::from_bytes([3; 16]),
        number: "INV-014".to_owned(),
        creditor: account.owner,
        creditor_name: account.name.clone(),
        institution: "bank-sg".parse().unwrap(),
        account: account.account,
        amount: amount(1_240_000, "SGD.2@mas-sandbox"),
        purpose: "GDDS".to_owned(),
        issued_at: NOW,
        due_at: NOW.plus(Duration::from_secs(30 * 86_400)),
    }
}

fn quote() -> Quote {
    let euro = |minor| amount(minor, "EUR.2@tcb-sandbox");
    Quote {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        quote: QuoteId::from_bytes([4; 16]),
        payment: PaymentId::from_bytes([5; 16]),
        provider: "fx-dealer".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        debit: euro(846_691),
        credit: amount(1_240_000, "SGD.2@mas-sandbox"),
        mid: Rate {
            debit_units: Minor::new(842_483),
            credit_units: Minor::new(1_240_000),
            source: "sandbox table".to_owned(),
        },
        principal: euro(842_483),
        margin: euro(2_527),
        fees: vec![Fee {
            taker: FeeTaker::Operator,
            amount: euro(1_681),
            purpose: "transfer".to_owned(),
        }],
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(60)),
        at_rate_of: None,
    }
}

fn listed(issuer: &str, number: u8, types: &[&str]) -> TrustedIssuer {
    TrustedIssuer {
        url: issuer_url(issuer),
        name: issuer.to_owned(),
        keys: vec![IssuerKey {
            kid: "k1".to_owned(),
            key: es256(number).public_key(),
            valid_from: Instant::EPOCH,
            valid_until: NOW.plus(Duration::from_secs(86_400 * 365)),
        }],
        credential_types: types.iter().map(|one| (*one).to_owned()).collect(),
    }
}

fn trust_list(jurisdiction: &str) -> TrustList {
    let (issuers, bank, side, permit, boxed, other, other_bank) = if jurisdiction == "NL" {
        let types = [COMPANY_REGISTRATION, MANDATE, TAX_STANDING, CREDIT_BAND];
        (vec![listed(ISSUER_NL, 1, &types)], "bank-nl", Side::Debtor, 11, 31, "SG", "bank-sg")
    } else {
        let issuers = vec![
            listed(ISSUER_SG, 2, &[COMPANY_REGISTRATION]),
            listed(BANK_SG_ISSUER, 5, &[ACCOUNT_OWNERSHIP]),
        ];
        (issuers, "bank-sg", Side::Creditor, 12, 32, "NL", "bank-nl")
    };
    TrustList {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        jurisdiction: jurisdiction.parse().unwrap(),
        version: 8,
        issued_at: NOW,
        next_update: NOW.plus(Duration::from_secs(86_400)),
        issuers,
        institutions: vec![TrustedInstitution {
            institution: bank.parse().unwrap(),
            legal_name: bank.to_owned(),
            jurisdiction: jurisdiction.parse().unwrap(),
            sides: vec![CorridorSide { corridor: "nl-sg".parse().unwrap(), side }],
            permit_keys: vec![key(permit).public_key()],
            statement_key: BoxSecretKey::from_seed([boxed; 32]).public_key(),
            edges: vec![format!("{bank}.1").parse().unwrap()],
        }],
        providers: vec![TrustedProvider {
            provider: "fx-dealer".parse().unwrap(),
            quote_keys: vec![key(41).public_key()],
        }],
        verifiers: vec![],
        recognitions: vec![Recognition {
            jurisdiction: other.parse().unwrap(),
            subject: Recognised::Institution(other_bank.parse().unwrap()),
            until: NOW.plus(Duration::from_secs(86_400)),
        }],
    }
}

/// What the payer shows its own bank, or its bank knows, and no statement's list has.
pub const KEPT_HOME: [&str; 11] = [
    "mandate-7",
    "p-4711",
    "treasurer",
    "5000000",
    "NL857587973B01",
    "bureau-3",
    "A. Jansen",
    "28.99",
    "640",
    "urn:wayleave:vc",
    "eyJ",
];

/// Stops where one of the secrets stands among the bytes that crossed the border.
pub fn none_stands_in(crossed: &[u8], secrets: &[&str]) {
    for secret in secrets {
        let found = crossed.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "`{secret}` crossed the border");
    }
}
