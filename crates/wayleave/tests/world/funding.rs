//! Files of statements through the real processes: what is hostile books nothing and is kept with
//! its verdict; what is good counts once; a statement is compared; a day closes to the same bytes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use client::{Outcome, Outgoing};
use seal::sha256;
use serde_json::Value;

use super::stage::{BINARY, World, play, until};

const XML: &str = "application/xml";
pub(crate) const IBAN: &str = "NL91ABNA0417164300";

/// A notification of euro lines: bank's reference, amount, `CRDT` or `DBIT`, remittance.
pub(crate) fn notification(message: &str, lines: &[(&str, &str, &str, &str)]) -> String {
    let today = server::system::now().date();
    let entries: String = lines
        .iter()
        .map(|(reference, amount, side, says)| {
            format!(
                "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>\
                 <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{today}</Dt></BookgDt>\
                 <AcctSvcrRef>{reference}</AcctSvcrRef><BkTxCd/><NtryDtls><TxDtls><RmtInf>\
                 <Ustrd>{says}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
            )
        })
        .collect();
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>{message}</MsgId><CreDtTm>{today}T00:00:00Z</CreDtTm>\
         </GrpHdr><Ntfctn><Id>N</Id><Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy><Svcr><FinInstnId>\
         <BICFI>TCBXNL2AXXX</BICFI></FinInstnId></Svcr></Acct>{entries}</Ntfctn>\
         </BkToCstmrDbtCdtNtfctn></Document>"
    )
}

/// The core's answer to a file: its verdict, or the words of the refusal.
pub(crate) async fn post(world: &World, target: &str, bytes: Vec<u8>) -> Result<Value, String> {
    match world.send("operator", "core", Outgoing::post(target, XML, bytes)).await {
        Outcome::Answer(answer) => Ok(serde_json::from_slice(&answer.body).unwrap()),
        Outcome::Refused(problem) => {
            assert!((400..500).contains(&problem.status), "{problem:?}");
            Err(problem.detail.unwrap_or_default())
        }
        other => panic!("no answer: {other:?}"),
    }
}

async fn overview(world: &World) -> Value {
    match world.send("operator", "core", Outgoing::get("/v1/outside-accounts")).await {
        Outcome::Answer(answer) => serde_json::from_slice(&answer.body).unwrap(),
        other => panic!("no answer: {other:?}"),
    }
}

/// The binary as the operator runs it.
fn operator(world: &World, args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(args).env("WAYLEAVE_OPERATOR", world.stage.folder("operator"));
    command.current_dir(world.folder.path()).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {output:?}");
    })
}

fn write(world: &World, name: &str, text: &str) -> String {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What cannot be, and the rule that says so.
fn hostile() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = notification("BAD-1", &[("B-1", "10.00", "CRDT", "BANK-NL")]);
    let entity = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>";
    let outside = "<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let deep = "<a>".repeat(5_000);
    let long = good.replace("BANK-NL", &"x".repeat(200_000));
    let change = |from: &str, to: &str| good.replace(from, to).into_bytes();
    vec![
        ("nothing", vec![], "StatementUnreadable"),
        ("no XML", b"MT940 :20:STARTUMS".to_vec(), "StatementUnreadable"),
        ("no text", vec![0xff, 0xfe, 0, 0x3c], "StatementUnreadable"),
        ("entities", format!("{entity}{good}").into_bytes(), "StatementUnreadable"),
        ("an outside entity", format!("{outside}{good}").into_bytes(), "StatementUnreadable"),
        ("depth", change("<Ntfctn>", &format!("{deep}<Ntfctn>")), "StatementUnreadable"),
        ("a long text", long.into_bytes(), "StatementUnreadable"),
        ("cut off", good.as_bytes()[..good.len() / 2].to_vec(), "StatementUnreadable"),
        ("another namespace", change("camt.054.001.08", "camt.054.001.99"), "StatementUnreadable"),
        ("no namespace", change("xmlns=", "about="), "StatementUnreadable"),
        ("gold", change("Ccy=\"EUR\"", "Ccy=\"XAU\""), "StatementUnreadable"),
        ("half a cent", change("10.00", "10.005"), "StatementUnreadable"),
        ("a negative amount", change("10.00", "-10.00"), "StatementUnreadable"),
        ("a wrong IBAN", change(IBAN, "NL92ABNA0417164300"), "StatementUnreadable"),
        ("another account", change(IBAN, "DE89370400440532013000"), "StatementAccountUnknown"),
        ("another bank", change("TCBXNL2AXXX", "DEUTDEFFXXX"), "StatementAccountUnknown"),
        ("another currency", change("<Ccy>EUR", "<Ccy>USD"), "StatementCurrencyDiffers"),
        ("a line in dollars", change("Ccy=\"EUR\"", "Ccy=\"USD\""), "StatementCurrencyDiffers"),
        (
            "a line without a name",
            change("<AcctSvcrRef>B-1</AcctSvcrRef>", ""),
            "StatementLineUnnamed",
        ),
        ("a line without a day", without(&good, "<BookgDt>", "</BookgDt>"), "StatementDateWrong"),
        ("a far day", dated(&good, "2400-01-01"), "StatementDateWrong"),
        ("a day that is none", dated(&good, "2026-02-30"), "StatementUnreadable"),
    ]
}

fn without(text: &str, from: &str, to: &str) -> Vec<u8> {
    let (before, rest) = text.split_once(from).unwrap();
    let (_, after) = rest.split_once(to).unwrap();
    format!("{before}{after}").into_bytes()
}

fn dated(text: &str, day: &str) -> Vec<u8> {
    let (before, rest) = text.split_once("<BookgDt><Dt>").unwrap();
    let (_, after) = rest.split_once("</Dt>").unwrap();
    format!("{before}<BookgDt><Dt>{day}</Dt>{after}").into_bytes()
}

/// Published files, where their folder is at hand.
fn published() -> Vec<(String, Vec<u8>)> {
    let root = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join("iso20022");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "the vectors are needed in CI");
        eprintln!("left out: no vectors in {}", folder.display());
        return vec![];
    }
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "xml") {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    assert!(found.len() >= 50, "published files: {}", found.len());
    found
}

#[test]
fn hostile_and_strange_files_book_nothing_and_are_kept_with_their_verdict() {
    play(async {
        let world = World::new("funding-hostile").await?;
        let before = overview(&world).await;
        let kept = world.stage.folder("core").join("statements");
        let mut files: Vec<(String, Vec<u8>, String)> = hostile()
            .into_iter()
            .map(|(what, bytes, rule)| (what.to_owned(), bytes, rule.to_owned()))
            .collect();
        files.extend(published().into_iter().map(|(name, bytes)| (name, bytes, String::new())));
        for (what, bytes, rule) in files {
            let told = post(&world, "/v1/outside-statements", bytes.clone()).await;
            let words = told.expect_err(&what);
            assert!(words.starts_with(&rule), "{what}: expected {rule}, got {words}");
            let digest = sha256(&bytes);
            assert_eq!(std::fs::read(kept.join(format!("{digest}.xml")))?, bytes, "{what}");
            let verdict = std::fs::read(kept.join(format!("{digest}.json")))?;
            let verdict: Value = serde_json::from_slice(&verdict)?;
            assert_eq!(verdict["accepted"], false, "{what}");
            let named = verdict["rule"].as_str().unwrap();
            assert!(words.starts_with(named) && !verdict["mend"].is_null(), "{what}: {verdict}");
        }
        let large = vec![b' '; (1 << 20) + 1];
        let request = Outgoing::post("/v1/outside-statements", XML, large);
        let Outcome::Refused(problem) = world.send("operator", "core", request).await else {
            panic!("too large a file was taken")
        };
        assert_eq!(problem.status, 413);
        assert_eq!(overview(&world).await, before, "nothing was booked");
        // Whoever used the good file's message id for a bad one did not use it up.
        let good = notification("BAD-1", &[("B-1", "10.00", "CRDT", "BANK-NL")]);
        let verdict = post(&world, "/v1/outside-statements", good.clone().into_bytes()).await;
        assert_eq!(verdict.unwrap()["lines"][0]["outcome"], "credited");
        let other = good.replace("10.00", "11.00").replace("B-1<", "B-2<");
        let words = post(&world, "/v1/outside-statements", other.into_bytes()).await.unwrap_err();
        assert!(words.starts_with("StatementMessageIdUsed"), "{words}");
        Ok(())
    });
}

#[test]
fn the_operator_funds_compares_resolves_and_closes_the_day() {
    play(async {
        let mut world = World::new("funding-day").await?;
        let account = world.stage.account("brightwater")?;
        let had = world.balance("brightwater").await?;
        let named = format!("invoice 7 BANK-NL {account}");
        let text = notification(
            "N-1",
            &[("L-1", "100.00", "CRDT", &named), ("L-2", "30.00", "CRDT", "who knows")],
        );
        let file = write(&world, "n1.xml", &text);
        let first = json(&operator(&world, &["operator", "fund", "--json", &file]));
        assert_eq!(first["lines"][0]["customer_credit"], "credited", "{first}");
        assert_eq!(first["lines"][1]["outcome"], "in suspense");
        let hundred = terms::Minor::new(10_000);
        assert_eq!(world.balance("brightwater").await?, had.plus(hundred)?);
        // The same file again, the same line in another file, and after a crash: once.
        let again = json(&operator(&world, &["operator", "fund", "--json", &file]));
        assert_eq!(again["lines"][0]["counted"], "before");
        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        let other =
            write(&world, "n2.xml", &notification("N-2", &[("L-1", "100.00", "CRDT", &named)]));
        let other = json(&operator(&world, &["operator", "fund", "--json", &other]));
        assert_eq!(other["lines"][0]["line"], first["lines"][0]["line"]);
        assert_eq!(other["lines"][0]["counted"], "before");
        assert_eq!(world.balance("brightwater").await?, had.plus(hundred)?);
        let line = first["lines"][1]["line"].as_str().unwrap().to_owned();
        let release =
            ["operator", "release", &line, "bank-nl", "--reason", "the payer wrote", "--json"];
        assert!(operator(&world, &release).status.success());
        assert_eq!(operator(&world, &release).status.code(), Some(1), "once");
        statements(&world)?;
        let seen = overview(&world).await;
        for account in seen["accounts"].as_array().unwrap() {
            assert_eq!(account["covered"], true, "{account}");
        }
        world.settled("FD-2", 10_000).await?;
        let credited =
            || async { Ok((world.balance("lim").await?.units() > 100_000).then_some(())) };
        until("the payee's credit", credited).await?;
        // A later start of the demo: what the provider paid out comes in anew, by a file.
        let again = wayleave::demo::funding::prefund(&mut world.stage).await?;
        assert_eq!((again.lines, again.sums), (1, vec!["100.00 SGD".to_owned()]));
        day(&world)
    });
}

/// The bank's statement of the day, with and without a charge that the book lacks.
fn statements(world: &World) -> anyhow::Result<()> {
    let notes = notification(
        "S-1",
        &[
            ("TCB-1", "500000.00", "CRDT", "-"),
            ("TCB-2", "10000.00", "CRDT", "-"),
            ("TCB-3", "250.00", "CRDT", "-"),
            ("L-1", "100.00", "CRDT", "-"),
            ("L-2", "30.00", "CRDT", "-"),
        ],
    );
    let today = server::system::now().date();
    let balance = |kind: &str, amount: &str| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{today}</Dt></Dt></Bal>"
        )
    };
    let stated = |closing: &str, more: &str| {
        notes
            .replace("camt.054.001.08", "camt.053.001.08")
            .replace("BkToCstmrDbtCdtNtfctn", "BkToCstmrStmt")
            .replace("Ntfctn>", "Stmt>")
            .replace(
                "<Ntry><Amt Ccy=\"EUR\">500000",
                &format!(
                    "{}{}<Ntry><Amt Ccy=\"EUR\">500000",
                    balance("OPBD", "0.00"),
                    balance("CLBD", closing)
                ),
            )
            .replace("</Stmt>", &format!("{more}</Stmt>"))
    };
    let good = write(world, "s1.xml", &stated("510380.00", ""));
    let agrees = operator(world, &["reconcile", &good]);
    let said = String::from_utf8_lossy(&agrees.stdout);
    assert!(agrees.status.success() && said.contains("agrees"), "{agrees:?}");
    let charge = notification("X", &[("C-9", "12.50", "DBIT", "fee")]);
    let (_, charge) = charge.split_once("<Ntry>").unwrap();
    let (charge, _) = charge.split_once("</Ntry>").unwrap();
    let bad = write(world, "s2.xml", &stated("510367.50", &format!("<Ntry>{charge}</Ntry>")));
    let broken = operator(world, &["reconcile", "--json", &bad]);
    assert_eq!(broken.status.code(), Some(1), "{broken:?}");
    let breaks = json(&broken)["statements"][0]["breaks"].clone();
    assert_eq!(breaks.as_array().map(Vec::len), Some(1), "{breaks}");
    assert_eq!(breaks[0]["kind"], "missing in the book");
    assert_eq!(breaks[0]["amount"], "12.50 EUR");
    assert_eq!(
        (&breaks[0]["owner"], &breaks[0]["reference"]),
        (&"wayleave-operator".into(), &"C-9".into())
    );
    assert!(operator(world, &["reconcile", &good]).status.success(), "a later one that agrees");
    Ok(())
}

/// The day closes to the same bytes twice; its statements are valid; its books balance.
fn day(world: &World) -> anyhow::Result<()> {
    let closed = json(&operator(world, &["day", "close", "--json", "--out", "one"]));
    let again = json(&operator(world, &["day", "close", "--json", "--out", "two"]));
    assert_eq!((&closed["news"], &again["news"]), (&"now".into(), &"before".into()));
    assert_eq!(closed["files"], again["files"]);
    let files = closed["files"].as_array().unwrap();
    assert!(files.len() >= 9, "{files:?}");
    let root = world.folder.path();
    for file in files {
        let name = file["name"].as_str().unwrap();
        let (one, two) = (
            std::fs::read(root.join("one").join(name))?,
            std::fs::read(root.join("two").join(name))?,
        );
        assert!(one == two, "{name} differs");
        assert_eq!(sha256(&one).to_string(), file["sha256"].as_str().unwrap());
        if name.ends_with(".xml") {
            let read = iso20022::read(&one)?;
            let reports = read.message.account_reports();
            assert!(reports[0].breaks().is_empty(), "{name}");
            validate(&root.join("one").join(name));
        }
    }
    let totals = std::fs::read_to_string(root.join("one/totals.csv"))?;
    for row in totals.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        assert_eq!(fields[3], "0.00", "trial balance: {row}");
        assert_eq!(fields[4], fields[5], "owed is what came in: {row}");
    }
    let accounts = std::fs::read_to_string(root.join("one/accounts.csv"))?;
    let bank = accounts.lines().find(|row| row.contains(",bank-nl,settlement,EUR")).unwrap();
    let fields: Vec<&str> = bank.split(',').collect();
    assert_eq!((fields[4], fields[8]), ("0.00", "0.00"), "it began with nothing: {bank}");
    let ledger = std::fs::read_to_string(root.join("one/ledger-1.csv"))?;
    let last = ledger.lines().rfind(|row| row.starts_with(fields[0])).unwrap();
    assert_eq!(last.split(',').nth(7), Some(fields[7]), "the ledger ends where the account does");
    Ok(())
}

/// Against the published schema, where both are at hand.
fn validate(path: &Path) {
    let root = std::env::var_os("WAYLEAVE_VECTORS").map(PathBuf::from);
    let schema = root.map(|root| root.join("iso20022/xsd/camt.053.001.08.xsd"));
    let Some(schema) = schema.filter(|schema| schema.is_file()) else { return };
    let checked =
        Command::new("xmllint").args(["--noout", "--schema"]).arg(schema).arg(path).output();
    let Ok(checked) = checked else { return eprintln!("left out: no xmllint") };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
