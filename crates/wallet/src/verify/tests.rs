//! Receipts and recovery files: good ones, every byte changed, another Wayleave's, near misses.

mod drill;
mod outgoing;

use std::collections::BTreeMap;

use evidence::cosignature::Cosigner;
use evidence::{Log, MemoryStore, NoteSigner, Policy, Receipt, SignedCheckpoint, TlogProof, Trust};
use record::settlement::{CERTIFICATE_FIELD, RECOVERY_CERTIFIED};
use record::{
    Acceptance, Action, Basis, Blind, EdgeMark, Ending, Fact, FactBody, Fee, FeeTaker, Heading,
    Identifiers, Invoice, KeptDocuments, PaymentEnded, PaymentRefused, PaymentSettled,
    PaymentTerms, Permit, Quote, Rate, RecoveryCertificate, RecoveryFile, RefusedBy, Resolved,
    ResolvedEnd, SaltSlot, SettleOrder, Settled, Side, Signed, TrustList, Withheld,
};
use seal::{Digest, Secret, sha256};
use terms::{AccountId, Amount, Instant, Minor, PaymentId, Position};

use super::*;
use crate::fixtures::{NOW, key};
use crate::outcome::CommandResult;

const QUOTE_KEY: u8 = 21;
const DEBTOR_KEY: u8 = 31;
const CREDITOR_KEY: u8 = 41;
const PAYEE_KEY: u8 = 50;

/// One log with its two witnesses.
struct TestLog {
    log: u8,
    witnesses: [u8; 2],
}

const OURS: TestLog = TestLog { log: 1, witnesses: [2, 3] };
const THEIRS: TestLog = TestLog { log: 4, witnesses: [5, 6] };

impl TestLog {
    fn signer(&self) -> NoteSigner {
        NoteSigner::new("wayleave.example/settlement".parse().unwrap(), key(self.log))
    }

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::new(format!("witness-{seed}.example/w").parse().unwrap(), key(seed))
    }

    fn trust(&self) -> VerifyTrust {
        let [a, b] = self.witnesses.map(Self::cosigner);
        let policy = format!(
            "log {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum both\n",
            self.signer().verifier(),
            a.verifier(),
            b.verifier()
        );
        let log = Trust::from_policy(Policy::parse(policy.as_bytes()).unwrap()).unwrap();
        VerifyTrust { log, lists: Vec::new() }
    }

    /// A log of these facts, with its checkpoint at each of these sizes, cosigned.
    fn publish(&self, facts: &[Fact], sizes: &[u64]) -> (Log<MemoryStore>, Vec<SignedCheckpoint>) {
        let mut log = Log::open(MemoryStore::empty(), &self.signer()).unwrap();
        let mut checkpoints = Vec::new();
        for (position, fact) in (0..).zip(facts) {
            log.append(&fact.commitment(&salts(position)));
            if sizes.contains(&log.size()) {
                let mut checkpoint = log.publish(&self.signer()).unwrap();
                for seed in self.witnesses {
                    let cosigner = Self::cosigner(seed);
                    checkpoint.add(cosigner.sign(checkpoint.checkpoint(), NOW).unwrap());
                }
                checkpoints.push(checkpoint);
            }
        }
        (log, checkpoints)
    }

    /// The receipt of the last of three facts, with these fields opened.
    fn receipt(&self, fact: &Fact, fields: &[u16]) -> Vec<u8> {
        let facts = [filler(0), filler(1), fact.clone()];
        let (log, checkpoints) = self.publish(&facts, &[3]);
        receipt_of(&log, &checkpoints[0], fact, 2, fields)
    }
}

fn receipt_of(
    log: &Log<MemoryStore>,
    checkpoint: &SignedCheckpoint,
    fact: &Fact,
    position: u64,
    fields: &[u16],
) -> Vec<u8> {
    let path = log.inclusion(position, checkpoint.head().size).unwrap();
    let proof = TlogProof { index: position, path, checkpoint: checkpoint.clone() };
    let root = salts(position);
    let opened = fields.iter().map(|index| fact.open(&root, *index).unwrap()).collect();
    Receipt::new(fact.field_commitments(&root), opened, &proof).unwrap().to_bytes()
}

fn salts(position: u64) -> Secret {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&position.to_be_bytes());
    Secret::from_bytes(bytes)
}

fn filler(number: u64) -> Fact {
    let kind = record::FactKind { number: 3, version: 1 };
    Fact::plain(kind, SaltSlot(0), vec![number.to_be_bytes().to_vec(), vec![0x60]])
}

fn amount(units: u128, asset: &str) -> Amount {
    Amount::new(Minor::new(units), asset.parse().unwrap())
}

/// Everything a settled payment is made of, to be changed before it is recorded.
struct World {
    quote: Quote,
    invoice: Invoice,
    acceptance: Acceptance,
    debtor: Permit,
    creditor: Permit,
    ended: PaymentEnded,
    terms: String,
}

fn later(seconds: u64) -> Instant {
    NOW.plus(core::time::Duration::from_secs(seconds))
}

fn invoice() -> Invoice {
    Invoice {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        invoice: terms::InvoiceId::from_bytes([7; 16]),
        number: "INV-014".to_owned(),
        creditor: "sg-uen:201912345K".parse().unwrap(),
        creditor_name: "Lim Ceramics Pte Ltd".to_owned(),
        institution: "bank-sg".parse().unwrap(),
        account: AccountId::from_bytes([3; 16]),
        amount: amount(1_000, "SGD.2@mas-sandbox"),
        purpose: "GDDS".to_owned(),
        issued_at: NOW,
        due_at: later(86_400),
    }
}

fn quote() -> Quote {
    Quote {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        quote: terms::QuoteId::from_bytes([8; 16]),
        payment: PaymentId::from_bytes([1; 16]),
        provider: "fx-dealer".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        debit: amount(515, "EUR.2@tcb-sandbox"),
        credit: amount(1_000, "SGD.2@mas-sandbox"),
        mid: Rate {
            debit_units: Minor::new(1),
            credit_units: Minor::new(2),
            source: "sandbox table".to_owned(),
        },
        principal: amount(500, "EUR.2@tcb-sandbox"),
        margin: amount(10, "EUR.2@tcb-sandbox"),
        fees: vec![Fee {
            taker: FeeTaker::Operator,
            amount: amount(5, "EUR.2@tcb-sandbox"),
            purpose: "transfer".to_owned(),
        }],
        issued_at: NOW,
        expires_at: later(60),
        at_rate_of: None,
    }
}

fn permit(side: Side, terms: Digest) -> Permit {
    let (institution, owner) = match side {
        Side::Debtor => ("bank-nl", "nl-kvk:68750110"),
        Side::Creditor => ("bank-sg", "sg-uen:201912345K"),
    };
    Permit {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        action: Action::Pay,
        side,
        institution: institution.parse().unwrap(),
        payment: PaymentId::from_bytes([1; 16]),
        terms,
        owner: owner.parse().unwrap(),
        basis: Basis {
            pack: Digest::ZERO,
            schema: Digest::ZERO,
            findings_layer: 1,
            snapshot: Digest::ZERO,
        },
        statement_sent: Digest::ZERO,
        statement_received: Digest::ZERO,
        acceptance: None,
        relied_on: Vec::new(),
        mark: EdgeMark {
            edge: format!("{institution}.1").parse().unwrap(),
            sequence: terms::Sequence::new(1),
        },
        duties: Vec::new(),
        limits: Vec::new(),
        record: Digest::ZERO,
        decided_at: NOW,
        valid_until: later(50),
        travel: None,
    }
}

impl World {
    fn new() -> Self {
        Self::with(quote(), invoice())
    }

    fn with(quote: Quote, invoice: Invoice) -> Self {
        let (signed_quote, signed_invoice) =
            (Signed::sign(&quote, &key(QUOTE_KEY)), Signed::sign(&invoice, &key(PAYEE_KEY)));
        let account = AccountId::from_bytes([2; 16]);
        let book = "settlement".parse().unwrap();
        let terms = PaymentTerms::of_payment(&signed_quote, &signed_invoice, account, book);
        let terms = terms.unwrap().to_terms_string();
        let digest = sha256(terms.as_bytes());
        let acceptance = Acceptance {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            payment: PaymentId::from_bytes([1; 16]),
            institution: "bank-sg".parse().unwrap(),
            invoice: signed_invoice.digest(),
            account: invoice.account,
            owner: invoice.creditor,
            amount: invoice.amount,
            valid_until: later(60),
        };
        let ended = PaymentEnded {
            payment: PaymentId::from_bytes([1; 16]),
            environment: "sandbox".parse().unwrap(),
            terms: digest,
            ending: Ending::Settled,
            recorded_at: later(1),
        };
        let (debtor, creditor) = (permit(Side::Debtor, digest), permit(Side::Creditor, digest));
        Self { quote, invoice, acceptance, debtor, creditor, ended, terms }
    }

    fn fact(&self) -> Fact {
        let order = SettleOrder {
            layout: 1,
            terms: self.terms.clone(),
            identifiers: Identifiers {
                uetr: terms::Uetr::from_random([1; 16]),
                end_to_end_id: "INV-014".to_owned(),
                instruction_id: "1".to_owned(),
            },
            quote: Signed::sign(&self.quote, &key(QUOTE_KEY)),
            invoice: Signed::sign(&self.invoice, &key(PAYEE_KEY)),
            acceptance: Signed::sign(&self.acceptance, &key(CREDITOR_KEY)),
            debtor_permit: Signed::sign(&self.debtor, &key(DEBTOR_KEY)),
            creditor_permit: Signed::sign(&self.creditor, &key(CREDITOR_KEY)),
        };
        let settled = PaymentSettled { ended: self.ended.clone(), order, postings: vec![0x80] };
        settled.to_fact(SaltSlot(0), Heading::default())
    }

    fn receipt(&self) -> Vec<u8> {
        OURS.receipt(&self.fact(), &ALL_FIELDS)
    }

    /// The fact as it is written since the settlement book names nobody, and what the payer's book
    /// keeps beside.
    fn nameless(&self) -> (Fact, KeptDocuments) {
        let of_first = Settled::of_fact(&self.fact()).unwrap();
        let record::Documents::Here(order) = &of_first.documents else { panic!("version 1") };
        let blind = Blind::from_bytes([6; 32]);
        let documents = record::Documents::Withheld(Withheld::of(order, blind));
        let kept = KeptDocuments::of(order, blind);
        let settled = Settled { documents, ..of_first };
        (settled.to_fact(SaltSlot(0), Heading::default()), kept)
    }

    /// Its receipt, with the documents opened that `kept` says.
    fn nameless_receipt(&self, fields: &[u16], kept: &KeptDocuments) -> Result<Vec<u8>, String> {
        let (fact, _) = self.nameless();
        let facts = [filler(0), filler(1), fact.clone()];
        let (log, checkpoints) = OURS.publish(&facts, &[3]);
        let path = log.inclusion(2, checkpoints[0].head().size).unwrap();
        let proof = TlogProof { index: 2, path, checkpoint: checkpoints[0].clone() };
        let root = salts(2);
        let open = |index: &u16| fact.open(&root, *index).or_else(|| kept.open(*index)).unwrap();
        let opened = fields.iter().map(open).collect();
        Receipt::new(fact.field_commitments(&root), opened, &proof)
            .map(|receipt| receipt.to_bytes())
            .map_err(|refused| refused.to_string())
    }
}

const ALL_FIELDS: [u16; 14] = [0, 1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];

fn lists() -> Vec<TrustList> {
    let institution = |name: &str, seed: u8| record::TrustedInstitution {
        institution: name.parse().unwrap(),
        legal_name: name.to_owned(),
        jurisdiction: "NL".parse().unwrap(),
        sides: Vec::new(),
        permit_keys: vec![key(seed).public_key()],
        statement_key: seal::BoxSecretKey::from_seed([1; 32]).public_key(),
        edges: Vec::new(),
    };
    vec![TrustList {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        jurisdiction: "NL".parse().unwrap(),
        version: 1,
        issued_at: NOW,
        next_update: later(86_400),
        issuers: Vec::new(),
        institutions: vec![
            institution("bank-nl", DEBTOR_KEY),
            institution("bank-sg", CREDITOR_KEY),
        ],
        providers: vec![record::TrustedProvider {
            provider: "fx-dealer".parse().unwrap(),
            quote_keys: vec![key(QUOTE_KEY).public_key()],
        }],
        verifiers: Vec::new(),
        recognitions: Vec::new(),
    }]
}

#[test]
fn a_good_receipt_passes_every_check_by_name() {
    let trust = VerifyTrust { lists: lists(), ..OURS.trust() };
    let report = verify(&World::new().receipt(), Some(&trust));
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Good, 0), "{}", report.text());
    assert!(report.checks.iter().all(|line| line.passed == Passed::Yes), "{}", report.text());
    let names: Vec<_> = report.checks.iter().skip(8).map(|line| line.name).collect();
    let expected = [
        "kind",
        "payment",
        "ending",
        "terms",
        "settled in time",
        "quote",
        "invoice",
        "acceptance",
        "debtor's permit",
        "creditor's permit",
        "keys on trust lists",
    ];
    assert_eq!(names, expected);
    assert_eq!(report.json()["verdict"], "good");
}

#[test]
fn a_receipt_of_a_fact_that_names_nobody_passes_every_check_too() {
    let (world, trust) = (World::new(), VerifyTrust { lists: lists(), ..OURS.trust() });
    let (fact, kept) = world.nameless();
    assert_eq!(fact.kind.version, 2);
    let fields = [&ALL_FIELDS[..], &[20]].concat();
    let bytes = world.nameless_receipt(&fields, &kept).unwrap();
    let report = verify(&bytes, Some(&trust));
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Good, 0), "{}", report.text());
    assert!(report.checks.iter().all(|line| line.passed == Passed::Yes), "{}", report.text());
    assert!(report.checks.iter().any(|line| line.name == "accounts"), "{}", report.text());
    let older = verify(&world.receipt(), Some(&trust));
    let said = |report: &Report| report.json()["says"].clone();
    assert_eq!(said(&report), said(&older), "both versions say the same");
}

/// The near miss: another document, or the right one under another blind, is not what was settled.
#[test]
fn another_document_opened_against_the_commitment_is_refused_and_the_check_is_named() {
    let world = World::new();
    let (_, kept) = world.nameless();
    let mut renamed = world.invoice.clone();
    renamed.creditor_name = "Somebody Else Pte. Ltd.".to_owned();
    let others = [
        KeptDocuments { invoice: Signed::sign(&renamed, &key(PAYEE_KEY)), ..kept.clone() },
        KeptDocuments { terms: kept.terms.replace('A', "B"), ..kept.clone() },
        KeptDocuments { blind: Blind::from_bytes([7; 32]), ..kept.clone() },
    ];
    for other in others {
        match world.nameless_receipt(&ALL_FIELDS, &other) {
            Err(refused) => assert!(refused.contains("commitment"), "{refused}"),
            Ok(bytes) => {
                let report = verify(&bytes, Some(&OURS.trust()));
                assert!(!report.is_good(), "{}", report.text());
                let failed = report.checks.iter().find(|line| line.passed == Passed::No);
                let name = failed.map(|line| line.name);
                assert_eq!(name, Some("openings fit commitments"), "{}", report.text());
            }
        }
    }
}

#[test]
fn what_is_not_opened_to_a_reader_is_said_to_be_unchecked() {
    let payer = [0, 1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16];
    let report = verify(&OURS.receipt(&World::new().fact(), &payer), Some(&OURS.trust()));
    assert!(report.is_good(), "{}", report.text());
    let unchecked: Vec<_> = report
        .checks
        .iter()
        .filter(|line| line.passed == Passed::NotChecked)
        .map(|line| line.name)
        .collect();
    assert_eq!(unchecked, ["acceptance", "creditor's permit", "keys on trust lists"]);
}

#[test]
fn without_trust_nobody_vouches_and_the_exit_code_is_3() {
    let report = verify(&World::new().receipt(), None);
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::NobodyVouches, 3));
    assert!(report.text().contains("vouched for by nobody"));
}

#[test]
fn a_second_wayleave_with_its_own_keys_is_refused_for_the_same_payment() {
    let forged = THEIRS.receipt(&World::new().fact(), &ALL_FIELDS);
    assert!(verify(&forged, Some(&THEIRS.trust())).is_good());
    let report = verify(&forged, Some(&OURS.trust()));
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::NobodyVouches, 3));
    // With the right log key and witnesses of its own, it is refused by the cosignatures.
    let half = TestLog { log: OURS.log, witnesses: THEIRS.witnesses };
    let report = verify(&half.receipt(&World::new().fact(), &ALL_FIELDS), Some(&OURS.trust()));
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Refused, 1));
    assert!(report.first_failure().unwrap().starts_with("cosignatures"));
}

#[test]
fn each_single_byte_change_of_a_receipt_is_refused() {
    let (bytes, trust) = (World::new().receipt(), OURS.trust());
    assert!(verify(&bytes, Some(&trust)).is_good());
    let mut table: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[index] ^= change;
            let report = verify(&changed, Some(&trust));
            assert_ne!(report.verdict(), Verdict::Good, "byte {index} ^ {change}");
            let by = report.first_failure().unwrap_or_else(|| "another log".to_owned());
            let by = by.split(':').next().unwrap().to_owned();
            *table.entry(by).or_default() += 1;
        }
    }
    for (check, count) in &table {
        println!("{check:26} {count}");
    }
    for check in ["canonical", "openings fit commitments", "canonical proof", "inclusion"] {
        assert!(table.contains_key(check), "{table:?}");
    }
}

#[test]
fn near_misses_that_a_dishonest_core_could_log_are_refused_by_name() {
    let other = Digest::from_bytes([5; 32]);
    type Change = fn(&mut World);
    let table: [(&str, Change); 12] = [
        ("terms", |w| w.ended.terms = Digest::from_bytes([5; 32])),
        ("terms", |w| w.ended.payment = PaymentId::from_bytes([9; 16])),
        ("terms", |w| w.ended.environment = "production".parse().unwrap()),
        ("ending", |w| w.ended.ending = Ending::Refused("X".to_owned())),
        ("settled in time", |w| w.ended.recorded_at = later(60)),
        ("quote", |w| w.quote.debit = amount(514, "EUR.2@tcb-sandbox")),
        ("invoice", |w| w.invoice.account = AccountId::from_bytes([9; 16])),
        ("acceptance", |w| w.acceptance.account = AccountId::from_bytes([9; 16])),
        ("debtor's permit", |w| w.debtor.terms = Digest::from_bytes([5; 32])),
        ("debtor's permit", |w| w.debtor.valid_until = later(1)),
        ("creditor's permit", |w| w.creditor.side = Side::Debtor),
        ("creditor's permit", |w| w.creditor.payment = PaymentId::from_bytes([9; 16])),
    ];
    assert_ne!(World::new().ended.terms, other);
    for (row, (check, change)) in table.into_iter().enumerate() {
        let mut world = World::new();
        change(&mut world);
        let report = verify(&world.receipt(), Some(&OURS.trust()));
        let failed = report.first_failure().unwrap_or_default();
        assert!(failed.starts_with(&format!("{check}:")), "row {row}: got `{failed}`");
        assert_eq!(report.exit_code(), 1);
    }
}

#[test]
fn a_quote_that_does_not_add_up_and_an_unlisted_key_are_refused() {
    let mut bad = quote();
    bad.margin = amount(11, "EUR.2@tcb-sandbox");
    let report = verify(&World::with(bad, invoice()).receipt(), Some(&OURS.trust()));
    assert!(report.first_failure().unwrap().contains("sum of its parts"));
    for (index, check) in ["debtor's permit", "acceptance"].into_iter().enumerate() {
        let mut trust = VerifyTrust { lists: lists(), ..OURS.trust() };
        trust.lists[0].institutions[index].permit_keys = vec![key(99).public_key()];
        let report = verify(&World::new().receipt(), Some(&trust));
        assert!(report.first_failure().unwrap().starts_with(check), "{}", report.text());
    }
}

#[test]
fn a_refused_payment_has_a_receipt_of_the_same_format() {
    let ended =
        PaymentEnded { ending: Ending::Refused("QuoteExpired".to_owned()), ..World::new().ended };
    let by = RefusedBy::Core("QuoteExpired".to_owned(), "late".to_owned());
    let fact =
        |by| PaymentRefused { ended: ended.clone(), by }.to_fact(SaltSlot(0), Heading::default());
    let report = verify(&OURS.receipt(&fact(by), &[0, 6, 7, 8, 9, 10, 11]), Some(&OURS.trust()));
    assert!(report.is_good(), "{}", report.text());
    let by = RefusedBy::Core("QuoteUsed".to_owned(), String::new());
    let report = verify(&OURS.receipt(&fact(by), &[0, 6, 7, 8, 9, 10, 11]), Some(&OURS.trust()));
    assert!(report.first_failure().unwrap().starts_with("refused by:"));
}

fn certificate(before: &SignedCheckpoint) -> RecoveryCertificate {
    RecoveryCertificate {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        epoch: terms::Epoch::new(2),
        run: terms::RunId::from_bytes([1; 16]),
        head: Position::new(3),
        last_stamp: NOW,
        started_at: NOW,
        serving_at: later(1),
        torn_bytes: 12,
        resolved: vec![Resolved {
            payment: PaymentId::from_bytes([1; 16]),
            end: ResolvedEnd::Settled,
        }],
        checkpoint_size: before.head().size,
        checkpoint_root: before.head().root,
    }
}

/// A recovery file: two facts under the checkpoint before, one acknowledged after it, then the
/// certificate, changed by `change` before it is signed by the key of `seed`.
fn recovery(seed: u8, change: impl Fn(&mut RecoveryCertificate)) -> RecoveryFile {
    let (_, before) = OURS.publish(&[filler(0), filler(1)], &[2]);
    let mut certificate = certificate(&before[0]);
    change(&mut certificate);
    let signed = Signed::sign(&certificate, &key(seed));
    let fact = Fact::plain(RECOVERY_CERTIFIED, SaltSlot(0), vec![seal::to_canonical(&signed)]);
    let facts = [filler(0), filler(1), filler(2), fact.clone()];
    let (log, checkpoints) = OURS.publish(&facts, &[2, 4]);
    RecoveryFile {
        layout: 1,
        receipt: receipt_of(&log, &checkpoints[1], &fact, 3, &[0, CERTIFICATE_FIELD]).into(),
        checkpoint_before: checkpoints[0].to_string().into_bytes().into(),
        consistency: log.consistency(2, 4).unwrap(),
    }
}

fn judged(file: &RecoveryFile) -> Report {
    verify(&seal::to_canonical(file), Some(&OURS.trust()))
}

#[test]
fn a_good_recovery_file_passes_and_each_part_changed_is_refused_by_name() {
    let good = recovery(OURS.log, |_| ());
    let report = judged(&good);
    assert!(report.is_good(), "{}", report.text());
    assert!(report.text().contains("1 payments: 1 settled"));
    assert_eq!(verify(&seal::to_canonical(&good), None).exit_code(), 3);

    let starts = |file: &RecoveryFile, check: &str| {
        let failed = judged(file).first_failure().unwrap_or_default();
        assert!(failed.starts_with(check), "expected `{check}`, got `{failed}`");
    };
    starts(&RecoveryFile { layout: 2, ..good.clone() }, "recovery file:");
    starts(&RecoveryFile { consistency: Vec::new(), ..good.clone() }, "the log only grew:");
    starts(&RecoveryFile { checkpoint_before: Vec::new().into(), ..good }, "checkpoint before:");
    starts(&recovery(77, |_| ()), "certificate's signature:");
    starts(&recovery(OURS.log, |c| c.head = Position::new(1)), "nothing acknowledged is lost:");
    starts(&recovery(OURS.log, |c| c.head = Position::new(4)), "nothing acknowledged is lost:");
    starts(&recovery(OURS.log, |c| c.checkpoint_root = Digest::ZERO), "checkpoint before:");
}

#[test]
fn each_single_byte_change_of_a_recovery_file_is_refused() {
    let bytes = seal::to_canonical(&recovery(OURS.log, |_| ()));
    let trust = OURS.trust();
    let mut slipped = Vec::new();
    for index in 0..bytes.len() {
        for change in [0x01, 0xff] {
            let mut changed = bytes.clone();
            changed[index] ^= change;
            if verify(&changed, Some(&trust)).is_good() {
                slipped.push(index);
            }
        }
    }
    assert!(slipped.is_empty(), "{slipped:?}");
}

#[test]
fn a_fork_over_the_crash_is_refused() {
    let good = recovery(OURS.log, |_| ());
    // The log before the crash held another second fact, and its checkpoint was cosigned.
    let (_, forked) = OURS.publish(&[filler(0), filler(8)], &[2]);
    let file = recovery(OURS.log, |certificate| {
        certificate.checkpoint_root = forked[0].head().root;
    });
    let file =
        RecoveryFile { checkpoint_before: forked[0].to_string().into_bytes().into(), ..file };
    assert_ne!(file, good);
    assert!(judged(&file).first_failure().unwrap().starts_with("the log only grew:"));
}
