//! Every figure that the demo prints is found in a file that `verify` accepts.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where a figure is not")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use record::settlement::{DEBTOR_PERMIT_FIELD, ENDING_FIELD, QUOTE_FIELD, TERMS_FIELD};
use record::{Ending, PaymentTerms, Permit, Quote, Signed};
use terms::{Amount, Minor};
use wallet::verify::{ReadReceipt, VerifyTrust, read_receipt, read_trust, verify};

/// What each payment of act 4 brings its payee, in minor units.
const ACT_4_MINOR: u128 = 1_000;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A receipt that verified, and what it says.
struct Said {
    receipt: ReadReceipt,
    position: u64,
    ending: Ending,
}

impl Said {
    fn terms(&self) -> Option<PaymentTerms> {
        let text: String = self.receipt.value(TERMS_FIELD)?;
        PaymentTerms::from_terms_string(&text).ok()
    }
}

fn told(dir: &Path, seed: u64, port: u16) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wayleave"))
        .args(["demo", "--once", "--dir"])
        .arg(dir)
        .args(["--seed", &seed.to_string(), "--port", &port.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn receipts(dir: &Path, trust: &VerifyTrust) -> Vec<Said> {
    let payments = std::fs::read_dir(dir.join("wallets/brightwater/payments")).unwrap();
    let files = payments.map(|entry| entry.unwrap().path().join("receipt.wayleave"));
    files
        .filter(|path| path.is_file())
        .map(|path| {
            let (report, receipt) = read_receipt(&std::fs::read(&path).unwrap(), Some(trust));
            assert!(report.is_good(), "{}: {:?}", path.display(), report.first_failure());
            let receipt = receipt.unwrap();
            let position = receipt.receipt().position().number();
            let ending = receipt.value(ENDING_FIELD).unwrap();
            Said { receipt, position, ending }
        })
        .collect()
}

fn line<'a>(told: &'a str, word: &str) -> &'a str {
    let found = told.lines().find(|line| line.trim_start().starts_with(word));
    found.expect("a line that begins with the word")
}

fn bare(amount: Amount) -> String {
    amount.for_people().split(' ').next().unwrap().to_owned()
}

fn holds(line: &str, figure: &str) {
    assert!(line.contains(figure), "expected `{figure}` in: {line}");
}

/// Act 1: amounts, parts of the quote, pack and position stand in its receipt.
fn act_1(told: &str, first: &Said) {
    let terms = first.terms().unwrap();
    let quote: Signed<Quote> = first.receipt.value(QUOTE_FIELD).unwrap();
    let quote = quote.read_unverified().unwrap();
    let fees = quote.fees.iter().fold(Amount::new(Minor::ZERO, quote.debit.asset), |sum, fee| {
        sum.plus(fee.amount).unwrap()
    });
    let quoted = line(told, "quote");
    holds(quoted, &terms.debited.for_people());
    for part in [quote.principal, quote.margin, fees] {
        holds(quoted, &bare(part));
    }
    let settled = line(told, "settled");
    holds(settled, &format!("-{}", terms.debited.for_people()));
    holds(settled, &format!("+{}", terms.credited.for_people()));
    holds(settled, &format!("position {} ", first.position));
    let permit: Signed<Permit> = first.receipt.value(DEBTOR_PERMIT_FIELD).unwrap();
    let pack = permit.read_unverified().unwrap().basis.pack.short();
    holds(line(told, "allowed"), &pack);
}

/// Act 2: each code is the ending of a receipt. Act 3: its position is a settled one.
fn acts_2_and_3(told: &str, said: &[Said]) {
    let codes: BTreeSet<&str> = said
        .iter()
        .filter_map(|one| match &one.ending {
            Ending::Refused(code) => Some(code.as_str()),
            Ending::Settled => None,
        })
        .collect();
    let refused: Vec<&str> = told.lines().filter(|line| line.contains(" refused  ")).collect();
    assert_eq!(refused.len(), 6, "{told}");
    for line in refused {
        let code = line.split(" refused  ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(codes.contains(code), "no receipt ends with `{code}`");
    }
    let twice = line(told, "3 ");
    let position: u64 = twice.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(said.iter().any(|one| one.position == position && one.ending == Ending::Settled));
}

/// Act 4: the sums are those of the receipts of its settled payments.
fn act_4(told: &str, said: &[Said]) {
    let settled: Vec<PaymentTerms> = said
        .iter()
        .filter(|one| one.ending == Ending::Settled)
        .filter_map(Said::terms)
        .filter(|terms| terms.credited.minor.units() == ACT_4_MINOR)
        .collect();
    let first = settled.first().expect("act 4 settled something");
    let sum = |of: fn(&PaymentTerms) -> Amount| {
        let nothing = Amount::new(Minor::ZERO, of(first).asset);
        settled.iter().fold(nothing, |sum, terms| sum.plus(of(terms)).unwrap())
    };
    let sums = line(told, "sums");
    holds(sums, &format!("-{}", sum(|terms| terms.debited).for_people()));
    holds(sums, &format!("+{}", sum(|terms| terms.credited).for_people()));
}

#[test]
fn every_figure_that_the_demo_prints_is_found_in_a_file_that_verify_accepts() {
    let drawn: [u8; 16] = server::system::random().unwrap();
    let base = 20_000 + u16::try_from(std::process::id() % 2_000).unwrap() * 10;
    for (place, seed) in drawn.as_chunks::<8>().0.iter().enumerate() {
        let seed = u64::from_be_bytes(*seed);
        let dir = std::env::temp_dir().join(format!("wayleave-figures-{base}-{place}"));
        let folder = Folder(dir);
        let told = told(&folder.0, seed, base);
        let trust =
            VerifyTrust { log: read_trust(&folder.0.join("trust")).unwrap(), lists: vec![] };
        let said = receipts(&folder.0, &trust);
        let first = said.iter().filter(|one| one.ending == Ending::Settled);
        let first = first.min_by_key(|one| one.position).unwrap();
        act_1(&told, first);
        acts_2_and_3(&told, &said);
        act_4(&told, &said);
        let recovery = std::fs::read(folder.0.join("recovery.wayleave")).unwrap();
        assert!(verify(&recovery, Some(&trust)).is_good(), "seed {seed}");
        println!("seed {seed}: {} receipts hold every figure printed", said.len());
    }
}
