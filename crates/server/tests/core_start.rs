//! What a core does before it serves: it compares, it completes, and then it answers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a helper of tests may stop the test, and waits for a process until a deadline"
)]

#[path = "support/ports.rs"]
mod ports;
mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use api::Role;
use clearing::saga::DebtorSide;
use clearing::testkit::{
    Deal, OrderParts, Who, customers_name, customers_setup, institution, settlement_name,
    settlement_setup,
};
use clearing::{CustomerAnswer, CustomerWork, SettlementAnswer};
use client::Outcome;
use evidence::VerifierKey;
use record::Side;
use server::keys::KeyStore;
use server::roles::RoleError;
use server::roles::core::books::{self, Books};
use server::roles::core::{self, Config, Hosted};
use support::{Folder, Running, answered, common, peer};
use terms::RunId;

const ORIGIN: &str = "wayleave.example/test/settlement";
/// Beyond the time that an orderly stop may take to drain connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// A core without witnesses, over the books of the clearing's own fixture.
fn config(dir: &Path) -> Config {
    let port = ports::free_port();
    let log = KeyStore::open(dir).unwrap().signing_key("log").unwrap().public_key();
    let log = VerifierKey::of_log(ORIGIN.parse().unwrap(), log);
    let hosted = |side: Side, asset: &str| Hosted {
        book: customers_name(side),
        institution: institution(side),
        asset: asset.parse().unwrap(),
    };
    let root = |who: Who| who.key().public_key().to_string();
    Config {
        common: common("core", port, vec![peer(Role::Operator, "operator", 1)]),
        book: settlement_name(),
        origin: ORIGIN.to_owned(),
        operator: "tcb".parse().unwrap(),
        approvers: vec![],
        operators: vec![],
        roots: BTreeMap::from([
            ("NL".to_owned(), root(Who::RootNl)),
            ("SG".to_owned(), root(Who::RootSg)),
        ]),
        banks: vec![],
        hosted: vec![
            hosted(Side::Debtor, "EUR.2@tcb-sandbox"),
            hosted(Side::Creditor, "SGD.2@tcb-sandbox"),
        ],
        providers: vec!["fx-dealer".to_owned()],
        assets: vec!["EUR.2@tcb-sandbox".to_owned(), "SGD.2@tcb-sandbox".to_owned()],
        policy: format!("log {log}\nquorum none\n"),
        outside_accounts: vec![],
        witnesses: vec![],
        drills: vec![],
        rails: vec![],
        leases: vec![],
        journal: core::JournalConfig::Segments,
    }
}

fn start(dir: &Path, config: &Config) -> Running {
    let (path, config) = (dir.to_owned(), config.clone());
    Running::start(dir, config.common.port, |stop| {
        core::run(path, config, async {
            let _ = stop.await;
        })
    })
}

/// Runs a core in order until it is ready and shows a checkpoint with entries.
async fn run_once(dir: &Path, config: &Config) {
    let core = start(dir, config);
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "the core published nothing");
        if let Outcome::Answer(_) = core.get("/ready").await
            && let Outcome::Answer(answer) = core.get("/log/checkpoint").await
            && String::from_utf8_lossy(&answer.body).lines().nth(1) != Some("0")
        {
            break core.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The books, once the core that had them has let them go.
async fn open(dir: &Path, config: &Config) -> Books {
    let begun = Instant::now();
    loop {
        match books::open(dir, config, RunId::from_bytes([7; 16])) {
            Ok(books) => return books,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets go of the books and waits until their threads let go of their folders: another core may
/// take them then.
async fn close(dir: &Path, books: Books) {
    drop(books);
    let begun = Instant::now();
    let free = || {
        let folders = std::fs::read_dir(dir.join("books")).unwrap();
        folders.flatten().all(|folder| store::FileDisk::take(&folder.path()).is_ok())
    };
    while !free() {
        assert!(begun.elapsed() < PATIENCE, "the books are still in use");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What lies on one machine's disk says nothing to a core on another.
#[tokio::test(flavor = "multi_thread")]
async fn a_rail_of_files_is_refused_over_a_shared_journal() {
    let dir = Folder::new("core-shared-rail");
    let mut config = config(dir.path());
    config.journal = serde_json::from_str(
        r#"{"kind": "postgres", "durability": "one_disk", "patroni": [],
            "members": ["host=127.0.0.1 port=1 user=a password=b dbname=c sslmode=disable"]}"#,
    )
    .unwrap();
    config.rails = serde_json::from_str(
        r#"[{"name": "files", "asset": "EUR.2@tcb-sandbox", "adapter": "file",
             "account": {"name": "A", "account": "DE89370400440532013000", "bic": "COBADEFF"}}]"#,
    )
    .unwrap();
    let refused = refusal_to_start(dir.path(), &config).await;
    assert!(refused.contains("rail of files"), "{refused}");
}

async fn refusal_to_start(dir: &Path, config: &Config) -> String {
    let run = core::run(dir.to_owned(), config.clone(), std::future::pending());
    match tokio::time::timeout(PATIENCE, run).await {
        Ok(Err(RoleError::Unsound(reason))) => reason,
        other => panic!("expected a core that refuses to serve, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_older_than_its_own_log_is_not_served() {
    let dir = Folder::new("core-rolled-back");
    let config = config(dir.path());
    run_once(dir.path(), &config).await;
    close(dir.path(), open(dir.path(), &config).await).await;
    // An older copy of the books beside the newest log: the witnesses, who see the log, agree.
    std::fs::remove_dir_all(dir.path().join("books")).unwrap();
    let reason = refusal_to_start(dir.path(), &config).await;
    assert!(reason.starts_with("JournalRolledBack"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_not_its_logs_is_not_served() {
    let dir = Folder::new("core-forked");
    let other = Folder::new("core-other");
    let config = config(dir.path());
    run_once(dir.path(), &config).await;
    close(dir.path(), open(dir.path(), &config).await).await;
    let theirs = open(other.path(), &config).await;
    books::open_accounts(&theirs, &config).await.unwrap();
    drop(theirs);
    close(other.path(), open(other.path(), &config).await).await;
    std::fs::rename(dir.path().join("books"), dir.path().join("old")).unwrap();
    std::fs::rename(other.path().join("books"), dir.path().join("books")).unwrap();
    let reason = refusal_to_start(dir.path(), &config).await;
    assert!(reason.starts_with("JournalForked"), "{reason}");
}

/// What is done behind an answer may be cut off by an orderly stop as well as by a crash.
#[tokio::test(flavor = "multi_thread")]
async fn money_held_at_an_orderly_end_is_released_by_the_next_start() {
    let dir = Folder::new("core-held");
    let config = config(dir.path());
    let books = open(dir.path(), &config).await;
    for work in settlement_setup() {
        let answer = books.settlement.ask(work).await.unwrap().outcome;
        assert_eq!(answer, SettlementAnswer::Done);
    }
    let payer = books.customers.get(&institution(Side::Debtor)).unwrap().hosted().unwrap();
    for work in customers_setup(Side::Debtor) {
        assert_eq!(payer.ask(work).await.unwrap().outcome, CustomerAnswer::Done);
    }
    let order = OrderParts::of(Deal::number(1)).checked().unwrap();
    let payment = order.terms().payment;
    let held = payer.ask(CustomerWork::Hold(Box::new(order))).await.unwrap().outcome;
    assert!(matches!(held, CustomerAnswer::Held(_)), "{held:?}");
    drop(books);
    close(dir.path(), open(dir.path(), &config).await).await;
    std::fs::write(dir.path().join("clean"), b"").unwrap();
    run_once(dir.path(), &config).await;
    let books = open(dir.path(), &config).await;
    let payer = books.customers.get(&institution(Side::Debtor)).unwrap().hosted().unwrap();
    let side = payer.look(move |state| state.debtor_side(payment)).await.unwrap().outcome;
    assert_eq!(side, DebtorSide::Released);
    let ended = books.settlement.look(move |state| state.payment(payment).cloned()).await.unwrap();
    assert!(ended.outcome.is_some(), "the payment can never settle any more");
    assert_eq!(
        books.settlement.look(clearing::SettlementBook::recoveries).await.unwrap().outcome,
        1,
        "what was resolved is certified"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn books_and_salts_are_their_owners_only() {
    let dir = Folder::new("core-modes");
    let config = config(dir.path());
    close(dir.path(), open(dir.path(), &config).await).await;
    let book = dir.path().join("books").join("settlement");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&book), 0o700);
    assert_eq!(mode(&dir.path().join("books")), 0o700);
    for entry in std::fs::read_dir(&book).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_is_ready_says_who_it_is() {
    let dir = Folder::new("core-about");
    let config = config(dir.path());
    let core = start(dir.path(), &config);
    let begun = Instant::now();
    while !matches!(core.get("/ready").await, Outcome::Answer(_)) {
        assert!(begun.elapsed() < PATIENCE, "not ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let about: serde_json::Value =
        serde_json::from_slice(&answered(core.get("/v1/about").await)).unwrap();
    assert_eq!(about["origin"], ORIGIN);
    assert_eq!(about["witnessing"], "unwitnessed");
    core.stop().await;
}

/// A notification of two lines that name a customer of the payer's institution.
fn notification(customers: [terms::AccountId; 2]) -> String {
    let line = |at: usize, customer: terms::AccountId| {
        format!(
            "<Ntry><Amt Ccy=\"EUR\">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
             <BookgDt><Dt>2026-11-20</Dt></BookgDt><AcctSvcrRef>L{at}</AcctSvcrRef><BkTxCd/>\
             <NtryDtls><TxDtls><RmtInf><Ustrd>BANK-NL {customer}</Ustrd></RmtInf></TxDtls></NtryDtls>\
             </Ntry>"
        )
    };
    let lines: String = customers.into_iter().enumerate().map(|(at, of)| line(at, of)).collect();
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-20T20:00:00Z</CreDtTm>\
         </GrpHdr><Ntfctn><Id>N</Id><Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></Acct>{lines}\
         </Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
}

/// A crash after the file was taken: the first line counted in the settlement book and its customer
/// was not credited, the second line did not count at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_half_booked_is_finished_by_the_next_start_and_counts_once() {
    use clearing::settlement::funding::{FundingAnswer, FundingWork};
    use clearing::testkit::account;
    use clearing::{SettlementBook, SettlementWork};
    let dir = Folder::new("core-half-booked");
    let mut config = config(dir.path());
    config.outside_accounts = vec![core::OutsideEntry {
        asset: "EUR.2@tcb-sandbox".parse().unwrap(),
        number: "NL91ABNA0417164300".into(),
        servicer: "TCBXNL2A".into(),
        references: BTreeMap::from([("BANK-NL".into(), "bank-nl".into())]),
    }];
    let books = open(dir.path(), &config).await;
    books::open_accounts(&books, &config).await.unwrap();
    let payer = books.customers.get(&institution(Side::Debtor)).unwrap().hosted().unwrap();
    for work in customers_setup(Side::Debtor) {
        assert_eq!(payer.ask(work).await.unwrap().outcome, CustomerAnswer::Done);
    }
    let text = notification([account(Side::Debtor, 0), account(Side::Debtor, 1)]);
    let claim = core::outside::read(text.as_bytes(), seal::sha256(text.as_bytes())).unwrap();
    let line = claim.reports.first().unwrap().lines.first().unwrap().clone();
    let (file, asset) = (claim.digest, "EUR.2@tcb-sandbox".parse().unwrap());
    for work in [
        FundingWork::NameAccount(config.outside().unwrap().remove(0)),
        FundingWork::JudgeFile(claim),
        FundingWork::BookLine { file, asset, claim: line },
    ] {
        let answer = books.settlement.ask(SettlementWork::Funding(Box::new(work))).await.unwrap();
        let SettlementAnswer::Funding(answer) = answer.outcome else { panic!("{answer:?}") };
        assert!(!matches!(*answer, FundingAnswer::Refused(_)), "{answer:?}");
    }
    let held = |n| {
        move |state: &clearing::CustomersBook| {
            let balances = state.ledger().balances(account(Side::Debtor, n)).unwrap();
            balances.credits_posted.units()
        }
    };
    let mut before = Vec::new();
    for n in [0, 1] {
        before.push(payer.look(held(n)).await.unwrap().outcome);
    }
    drop(books);
    close(dir.path(), open(dir.path(), &config).await).await;
    std::fs::create_dir_all(dir.path().join("statements")).unwrap();
    std::fs::write(dir.path().join(format!("statements/{file}.xml")), &text).unwrap();
    // An orderly end, for the book's part: a certificate is no matter of this test.
    std::fs::write(dir.path().join("clean"), b"").unwrap();
    // Twice: what the first start finished, the second leaves alone.
    for _ in 0..2 {
        run_once(dir.path(), &config).await;
        let books = open(dir.path(), &config).await;
        let payer = books.customers.get(&institution(Side::Debtor)).unwrap().hosted().unwrap();
        for (n, before) in [0, 1].into_iter().zip(&before) {
            assert_eq!(payer.look(held(n)).await.unwrap().outcome, before + 500, "customer {n}");
        }
        let look = |state: &SettlementBook| {
            (state.funding().unfinished().count(), state.funding().lines().count())
        };
        assert_eq!(books.settlement.look(look).await.unwrap().outcome, (0, 2));
        drop(books);
        close(dir.path(), open(dir.path(), &config).await).await;
    }
}
