//! What strangers run: verify, export, replay, explain, receipt, and bad input to each.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

mod support;

use evidence::cosignature::Cosigner;
use evidence::{Log, MemoryStore, NoteSigner, Receipt, TlogProof};
use policy::vocabulary as v;
use policy::{Action, DecisionEnvelope, FindingsBuilder, shipped};
use record::{
    EdgeMark, Ending, FactBody, Heading, PaymentEnded, PaymentRefused, RefusedBy, SaltSlot,
};
use seal::{Digest, Secret, SigningKey, to_canonical};
use serde_json::Value;
use support::{Folder, run};
use terms::{Amount, DecisionId, Instant, Minor, PaymentId, Sequence};

/// Wednesday 2026-11-18, 10:00 UTC: both institutions are open.
const NOW: Instant = Instant::from_seconds(1_794_996_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// A log's signer and its two witnesses, by seed.
struct Operator(u8);

impl Operator {
    fn signer(&self) -> NoteSigner {
        NoteSigner::new("wayleave.example/settlement".parse().unwrap(), key(self.0))
    }

    fn cosigners(&self) -> [Cosigner; 2] {
        [self.0 + 1, self.0 + 2].map(|seed| {
            Cosigner::new(format!("witness-{seed}.example/w").parse().unwrap(), key(seed))
        })
    }

    fn policy(&self) -> String {
        let [a, b] = self.cosigners();
        format!(
            "log {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum both\n",
            self.signer().verifier(),
            a.verifier(),
            b.verifier()
        )
    }

    /// The receipt of a payment that the core refused, all but two fields opened.
    fn receipt(&self) -> Vec<u8> {
        let refused = PaymentRefused {
            ended: PaymentEnded {
                payment: PaymentId::from_bytes([1; 16]),
                environment: "sandbox".parse().unwrap(),
                terms: Digest::from_bytes([3; 32]),
                ending: Ending::Refused("QuoteExpired".to_owned()),
                recorded_at: NOW,
            },
            by: RefusedBy::Core("QuoteExpired".to_owned(), "ended a second ago".to_owned()),
        };
        let fact = refused.to_fact(SaltSlot(0), Heading::default());
        let salts = Secret::from_bytes([9; 32]);
        let mut log = Log::open(MemoryStore::empty(), &self.signer()).unwrap();
        log.append(&fact.commitment(&salts));
        let mut checkpoint = log.publish(&self.signer()).unwrap();
        for cosigner in self.cosigners() {
            checkpoint.add(cosigner.sign(checkpoint.checkpoint(), NOW).unwrap());
        }
        let path = log.inclusion(0, 1).unwrap();
        let proof = TlogProof { index: 0, path, checkpoint };
        let opened = [0, 6, 7, 8, 9, 10, 11].map(|index| fact.open(&salts, index).unwrap());
        Receipt::new(fact.field_commitments(&salts), opened.to_vec(), &proof).unwrap().to_bytes()
    }
}

/// A decision record of the NL side, with this tax standing.
fn decision(tax_standing_good: bool) -> Vec<u8> {
    let pack = shipped::nl_sg().unwrap();
    let findings = FindingsBuilder::new(Action::Pay)
        .amount(Amount::new(Minor::new(1_240_000), "EUR.2@tcb-sandbox".parse().unwrap()))
        .flag(v::SUBJECTS_SAME, true)
        .flag(v::REGISTRATION_ACTIVE, true)
        .number(v::REGISTRATION_STATUS_AGE, 60)
        .flag(v::OWNER_MATCHES, true)
        .text(v::PURPOSE, "GDDS")
        .text(v::PAYER_COUNTRY, "NL")
        .text(v::PAYEE_COUNTRY, "SG")
        .flag(v::PAYER_NAME_GIVEN, true)
        .flag(v::PAYER_ADDRESS_STRUCTURED, true)
        .flag(v::PAYEE_NAME_GIVEN, true)
        .flag(v::STATEMENT_PRESENT, true)
        .flag(v::TERMS_MATCH, true)
        .text(v::PAYER_SCREENING, "Clear")
        .text(v::PAYEE_SCREENING, "Clear")
        .number(v::LIST_AGE, 3_600)
        .flag(v::LIST_EXPIRED, false)
        .number(v::WEEKDAY, 3)
        .texts(v::DUTIES_DONE, &["travel-rule", "evidence-escrow"])
        .flag(v::ACCOUNT_MAY_BE_DEBITED, true)
        .flag(v::TERMS_SIGNED, true)
        .flag(v::MANDATE_MAY_PAY, true)
        .number(v::MANDATE_STATUS_AGE, 60)
        .number(v::MANDATE_LIMIT, 5_000_000)
        .number(v::MANDATE_MONTH_LIMIT, 20_000_000)
        .text(v::MANDATE_KEY, "mandate:m1")
        .text(v::CREDIT_BAND_GIVEN, "B")
        .number(v::CREDIT_STATUS_AGE, 60)
        .flag(v::TAX_STANDING_GOOD, tax_standing_good)
        .number(v::TAX_STANDING_AGE, 86_400)
        .flag(v::PAYEE_NAME_FITS_ACCOUNT, true)
        .number(v::MINUTE_OF_DAY, 660)
        .build();
    let envelope = DecisionEnvelope {
        environment: "sandbox".parse().unwrap(),
        decision: DecisionId::from_bytes([1; 16]),
        payment: PaymentId::from_bytes([2; 16]),
        institution: "bank-nl".parse().unwrap(),
        edge: EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(1) },
        terms: Digest::from_bytes([3; 32]),
        snapshot: Digest::from_bytes([4; 32]),
        statements: std::collections::BTreeSet::new(),
        lists: std::collections::BTreeSet::new(),
    };
    let decision = pack.decide(&findings, NOW);
    to_canonical(&pack.record(envelope, &findings, &decision, NOW))
}

fn shipped_pack(name: &str) -> String {
    format!("{}/../../packs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A copy of the NL pack in which one piece of `decide.cedar` is another.
fn weakened(from: &str, to: &str) -> Folder {
    let folder = Folder::new("pack");
    for name in [
        "corridor.cedarschema",
        "decide.cedar",
        "oblige.cedar",
        "gate.cedar",
        "assumptions.cedar",
        "parameters.json",
    ] {
        let text = std::fs::read_to_string(format!("{}/{name}", shipped_pack("nl-sg"))).unwrap();
        let text = if name == "decide.cedar" {
            assert!(text.contains(from));
            text.replace(from, to)
        } else {
            text
        };
        folder.write(name, text);
    }
    folder
}

#[test]
fn a_receipt_verifies_by_the_trust_that_is_brought_and_by_no_other() {
    let folder = Folder::new("verify");
    let (ours, theirs) = (Operator(1), Operator(11));
    let receipt = folder.write("1.wayleave", ours.receipt());
    let trust = folder.write("trust.policy", ours.policy());
    let other = folder.write("other.policy", theirs.policy());
    let good = run(&["verify", &receipt, "--trust", &trust]);
    assert_eq!(good.code, Some(0), "{good:?}");
    for line in ["good receipt", "ok     inclusion", "ok     quorum of witnesses", "refused by"] {
        assert!(good.out.contains(line), "{line}: {}", good.out);
    }
    let nobody = run(&["verify", &receipt]);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    assert!(nobody.out.contains("vouched for by nobody"), "{}", nobody.out);
    assert_eq!(run(&["verify", &receipt, "--trust", &other]).code, Some(3));
    let json = run(&["verify", &receipt, "--trust", &trust, "--json"]);
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, json.out.lines().count()), (Some(0), 1));
    assert_eq!(value["verdict"], "good");
    let mut bytes = ours.receipt();
    for at in [3, bytes.len() / 2, bytes.len() - 1] {
        bytes[at] ^= 1;
        let changed = folder.write("changed", &bytes);
        assert_eq!(run(&["verify", &changed, "--trust", &trust]).code, Some(1), "byte {at}");
        bytes[at] ^= 1;
    }
    let recovery = run(&["verify", "recovery", &receipt, "--trust", &trust]);
    assert_eq!(recovery.code, Some(1), "a receipt is no recovery file");
}

#[test]
fn a_receipt_is_shown_in_words() {
    let folder = Folder::new("show");
    let receipt = folder.write("1.wayleave", Operator(1).receipt());
    let shown = run(&["receipt", "show", &receipt]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for text in ["7 of 12 fields", "refused payment", "the core, QuoteExpired: ended a second ago"]
    {
        assert!(shown.out.contains(text), "{text}: {}", shown.out);
    }
    let json = run(&["receipt", "show", &receipt, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["position"], 0);
}

#[test]
fn an_export_holds_the_proof_and_the_command_that_checks_it() {
    let folder = Folder::new("export");
    let bytes = Operator(1).receipt();
    let receipt = folder.write("1.wayleave", &bytes);
    let trust = folder.write("trust.policy", Operator(1).policy());
    let dir = folder.path().join("for others");
    let to = dir.to_str().unwrap();
    let done = run(&["verify-export", &receipt, "--dir", to, "--trust", &trust, "--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let value: Value = serde_json::from_str(&done.out).unwrap();
    let read = |member: &str| std::fs::read(value[member].as_str().unwrap()).unwrap();
    let inspected = evidence::receipt::inspect(&bytes).unwrap();
    assert_eq!(read("proof"), inspected.receipt().tlog_proof());
    assert_eq!(read("entry"), inspected.receipt().entry());
    let command = value["command"].as_str().unwrap();
    let key = Operator(1).signer().verifier().to_string();
    assert!(command.contains(&format!("--log-vkey {key}")), "{command}");
    assert!(command.contains("--threshold 2") && command.contains("for others/1.entry'"));
}

#[test]
fn a_decision_replays_and_a_weakened_policy_is_named() {
    let folder = Folder::new("replay");
    for good in [true, false] {
        let record = folder.write("decision", decision(good));
        let again = run(&["replay", &record, "--pack", &shipped_pack("nl-sg")]);
        assert_eq!(again.code, Some(0), "{again:?}");
        assert!(again.out.starts_with("MATCH"), "{}", again.out);
    }
    let record = folder.write("decision", decision(false));
    let weak = weakened("context.taxStandingGood", "context.taxStandingGood || true");
    let pack = weak.path().to_str().unwrap();
    let again = run(&["replay", &record, "--pack", pack]);
    assert_eq!(again.code, Some(1), "{again:?}");
    for text in ["MISMATCH", "pack digest", "policy    tax-standing-not-good\n"] {
        assert!(again.out.contains(text), "{text}: {}", again.out);
    }
    assert!(again.out.contains("determining: recorded `tax-standing-not-good`"), "{}", again.out);
    // Where the weakened rule had no say, it is named all the same: by its text.
    let permitted = folder.write("permitted", decision(true));
    let again = run(&["replay", &permitted, "--pack", pack, "--json"]);
    let value: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((again.code, &value["match"]), (Some(1), &Value::Bool(false)));
    assert_eq!(value["policies"], serde_json::json!(["tax-standing-not-good"]));
    assert_eq!(value["decides"], Value::Null);
}

#[test]
fn a_packs_digest_is_what_records_name() {
    let out = run(&["policy", "digest", &shipped_pack("nl-sg")]).out;
    assert!(out.starts_with(&shipped::nl_sg().unwrap().digest().to_string()), "{out}");
}

#[test]
fn a_published_list_is_imported_and_names_are_screened_against_it() {
    let dir = Folder::new("lists");
    let sdn =
        "36,\"AEROCARIBBEAN AIRLINES\",-0- ,\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n";
    let (file, list) = (dir.path().join("sdn.csv"), dir.path().join("list.json"));
    std::fs::write(&file, sdn).unwrap();
    let file = file.to_str().unwrap();
    let about = ["--name", "ofac-sdn", "--edition", "7", "--issued", "2019-01-15"];
    let import = |more: &[&str]| run(&[&["lists", "import"], &about[..], more].concat());
    let made = import(&["--next", "2019-01-16", "--format", "ofac", file]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(made.err.contains("version 7: 1 entries"), "{}", made.err);
    std::fs::write(&list, &made.out).unwrap();
    let list = list.to_str().unwrap();
    let ask = |name: &str| run(&["lists", "screen", name, "--country", "CU", "--list", list]);
    let found = ask("Aero Caribbean Airlines");
    assert_eq!(found.code, Some(1));
    assert!(found.out.starts_with("Match: `AEROCARIBBEAN AIRLINES` (36)"), "{}", found.out);
    assert_eq!(ask("Lim Ceramics Pte Ltd").code, Some(0));
    let table = [
        (import(&["--next", "2019-01-14", "--format", "ofac", file]), "`next_update`"),
        (import(&["--next", "soon", "--format", "ofac", file]), "expected a date, got `soon`"),
        (import(&["--next", "2019-01-16", "--format", "un", file]), "expected"),
        (import(&["--next", "2019-01-16", "--format", "csv", file, file]), "expected one file"),
    ];
    for (refused, expected) in table {
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{}", refused.err);
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
}

#[test]
fn conflicts_of_a_corridors_two_packs_are_told_by_the_command() {
    let (cn, sg) = (shipped_pack("cn-sg"), shipped_pack("sg-in-cn"));
    let gb = shipped_pack("gb-in");
    let told = run(&["policy", "conflicts", &cn, &sg, "--rate", "553:100", "--on", "2026-11-18"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    for part in [
        "narrows   words: purpose",
        "takes GDDS, SCVE, SUPP only (purpose-not-allowed)",
        "both satisfied by  `purpose` one of GDDS, SCVE, SUPP",
        "not compared  cn-sg tax-filing-missing",
        "cn-sg: 7 conflicts, none blocks",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let told = run(&["policy", "conflicts", &sg, &cn, "--json", "--on", "2026-11-18"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["corridor"], &told["blocked"]), (&"cn-sg".into(), &false.into()));
    assert_eq!(told["debtor"]["pack"], "cn-sg");
    assert_eq!(told["conflicts"].as_array().unwrap().len(), 7);
    for wrong in [[&cn, &cn], [&cn, &gb]] {
        let asked = run(&["policy", "conflicts", wrong[0], wrong[1]]);
        assert!(asked.code != Some(0) && asked.err.contains("expected"), "{asked:?}");
    }
}

#[test]
fn every_code_is_explained_and_an_unknown_one_gets_a_hint() {
    let packs = shipped::PACKS.map(|one| policy::Pack::load(&one.files).unwrap());
    let of_packs = packs.iter().flat_map(policy::Pack::rule_ids).map(str::to_owned);
    let of_core = clearing::rule::RuleName::ALL.iter().map(|rule| rule.as_str().to_owned());
    let wire = api::problem::REGISTRY.iter().map(|kind| kind.code.to_owned());
    let listed = run(&["explain", "--json"]).out;
    let listed: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for code in of_packs.chain(of_core).chain(wire) {
        if code == "permit" || code == "gate-permit" {
            continue;
        }
        let found = listed.iter().find(|one| one["code"] == code.as_str());
        let what = found.unwrap_or(&Value::Null)["what"].as_str().unwrap_or_default().to_owned();
        assert!(what.len() > 10, "{code}: {what}");
    }
    let expired = run(&["explain", "QuoteExpired"]);
    let text = "QuoteExpired   a rule of the core\nThe quote has expired.\n\
                mend      Ask for a new one.\nISO 20022 TM01\n";
    assert_eq!((expired.code, expired.out.as_str()), (Some(0), text));
    assert_eq!(run(&["explain", "quote-expired"]).out, text, "case and hyphens do not matter");
    assert!(run(&["explain", "StatusRevoked"]).out.contains("Ask the issuer"));
    let near = run(&["explain", "QuoteExpird"]);
    assert_eq!((near.code, near.out.as_str()), (Some(1), ""));
    assert!(near.err.contains("did you mean `QuoteExpired`?"), "{}", near.err);
    let far = run(&["explain", "\u{1b}[31mzzz"]);
    assert!(far.code == Some(1) && !far.err.contains('\u{1b}'), "{far:?}");
}

/// The directory of a wallet whose servers do not run.
fn config() -> wallet::WalletConfig {
    let peer = |name: &str, port: u16| wallet::PeerEntry {
        name: name.to_owned(),
        url: format!("http://localhost:{port}"),
        key: key(20).public_key(),
    };
    wallet::WalletConfig {
        environment: "sandbox".parse().unwrap(),
        company: "nl-kvk:68750110".parse().unwrap(),
        legal_name: "Brightwater Tools B.V.".to_owned(),
        account: terms::AccountId::from_bytes([2; 16]),
        asset: "EUR.2@tcb-sandbox".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        paid_along: None,
        book: "settlement".parse().unwrap(),
        core: peer("core", 1),
        bank: None,
        provider: wallet::ProviderEntry {
            provider: "fx-dealer".parse().unwrap(),
            peer: peer("fx-dealer", 2),
            quote_key: key(21).public_key(),
        },
        edges: vec![wallet::EdgeEntry {
            institution: "bank-nl".parse().unwrap(),
            peer: peer("bank-nl.1", 3),
            permit_key: key(22).public_key(),
        }],
        issuers: vec![],
        trust_lists: vec![],
        trust: "trust.policy".to_owned(),
    }
}

#[test]
fn a_wallet_is_looked_into_without_any_server() {
    let folder = Folder::new("wallet");
    let root = folder.path().to_str().unwrap();
    let wallet = wallet::WalletFolder::open(folder.path()).unwrap();
    wallet.write_config(&config()).unwrap();
    wallet.write_trust("trust.policy", &Operator(1).policy()).unwrap();
    let payment = PaymentId::from_bytes([1; 16]);
    let view = credential::ConsentView {
        verifier: "redirect_uri:http://localhost:3/v1/decisions".to_owned(),
        response_uri: "http://localhost:3/v1/decisions".to_owned(),
        registered_purpose: Some("decide a payment".to_owned()),
        credentials: vec![],
        disclosed_count: 5,
        held_count: 31,
        unregistered: vec![],
        terms: None,
        outgoing: None,
    };
    let record = wallet::PrivacyRecord::of(folder.path());
    record.append(&view, wallet::Disclosure::Shown, Some(payment), NOW).unwrap();
    let shown = run(&["privacy", &payment.to_string(), "--wallet", root]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let row = "bank-nl.1     saw            5 of 31   decide a payment";
    assert!(shown.out.contains(row), "{}", shown.out);
    let all = run(&["privacy", "all", "--wallet", root, "--json"]);
    let value: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(value["entries"][0]["edge"], "bank-nl.1");
    let other = PaymentId::from_bytes([2; 16]).to_string();
    assert_eq!(run(&["privacy", &other, "--wallet", root]).code, Some(1), "no such payment");
    // The wallet's own pinned trust vouches, and nobody else's.
    let receipt = folder.write("1.wayleave", Operator(1).receipt());
    let foreign = folder.write("2.wayleave", Operator(11).receipt());
    assert_eq!(run(&["verify", &receipt, "--wallet", root]).code, Some(0));
    assert_eq!(run(&["verify", &foreign, "--wallet", root]).code, Some(3));
    for what in ["list", "credentials"] {
        let ran = run(&["wallet", what, "--wallet", root]);
        assert!(ran.code == Some(0) && ran.out.is_empty(), "{ran:?}");
    }
    let request = folder.write("x.request", "nothing");
    let pay = run(&["wallet", "pay", &request, "--yes", "--wallet", root]);
    assert!(pay.code == Some(1) && pay.err.contains("x.request"), "{pay:?}");
    // A line that is changed is found.
    let path = folder.path().join("privacy.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"asked_count\":5", "\"asked_count\": 4")).unwrap();
    let damaged = run(&["privacy", "all", "--wallet", root]);
    assert!(damaged.code == Some(1) && damaged.err.contains("line 1"), "{damaged:?}");
}

#[test]
fn bad_files_get_one_clear_line_and_no_panic() {
    let folder = Folder::new("bad");
    let directory = folder.path().to_str().unwrap().to_owned();
    let missing = format!("{directory}/missing");
    let huge = folder.write("huge", vec![0x9f; (1 << 20) + 1]);
    let garbage = folder.write("garbage", [0xff, 0x00, 0x1b, b'[', 0x9f, 0x9f]);
    let nested = folder.write("nested", vec![0x81; 100_000]);
    let empty = folder.write("empty", "");
    let pack = shipped_pack("nl-sg");
    let record = folder.write("decision", decision(true));
    for bad in [&directory, &missing, &huge, &garbage, &nested, &empty] {
        let tries: [&[&str]; 7] = [
            &["verify", bad],
            &["verify", "recovery", bad],
            &["verify", &record, "--trust", bad],
            &["verify", &record, "--roots", bad],
            &["verify-export", bad, "--dir", &missing],
            &["replay", bad, "--pack", &pack],
            &["receipt", "show", bad],
        ];
        for args in tries {
            let ran = run(args);
            assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
            assert!(!ran.err.contains("panicked"), "{args:?}: {ran:?}");
            let said = if ran.err.is_empty() { &ran.out } else { &ran.err };
            assert!(!said.trim().is_empty() && !said.contains('\u{1b}'), "{args:?}: {ran:?}");
            assert!(ran.err.lines().count() <= 1, "{args:?}: {ran:?}");
        }
        let ran = run(&["replay", &record, "--pack", bad]);
        assert!(ran.code == Some(1) && ran.err.lines().count() == 1, "{ran:?}");
        for args in [["wallet", "list", "--wallet", bad], ["privacy", "all", "--wallet", bad]] {
            let ran = run(&args);
            assert!(ran.code == Some(1) && ran.err.lines().count() == 1, "{ran:?}");
        }
    }
    assert!(!std::path::Path::new(&missing).exists(), "nothing is made by a failed command");
}

#[test]
fn every_command_teaches_by_its_help() {
    let tree: [&[&str]; 22] = [
        &[],
        &["run"],
        &["fsck"],
        &["demo"],
        &["wallet"],
        &["wallet", "receive"],
        &["wallet", "invoice"],
        &["wallet", "pay"],
        &["wallet", "resume"],
        &["wallet", "status"],
        &["wallet", "list"],
        &["wallet", "credentials"],
        &["wallet", "refresh"],
        &["privacy"],
        &["verify"],
        &["verify", "recovery"],
        &["verify-export"],
        &["replay"],
        &["policy", "digest"],
        &["explain"],
        &["receipt", "show"],
        &["policy"],
    ];
    for command in tree {
        let mut args = command.to_vec();
        args.push("--help");
        let ran = run(&args);
        assert_eq!(ran.code, Some(0), "{args:?}");
        let first = ran.out.lines().next().unwrap();
        assert!(first.len() > 15 && !first.starts_with("Arguments"), "{args:?}: {first}");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{args:?}");
        assert!(ran.out.contains("Usage: wayleave"), "{args:?}");
    }
    let verify = run(&["verify", "--help"]).out;
    for text in ["Exit 0", "Exit 1", "Exit 3", "--trust <FILE>", "never taken from the file"] {
        assert!(verify.contains(text), "{text}: {verify}");
    }
}
