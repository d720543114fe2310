//! The settlement book names nobody: after a payment, a refund, a return, a refusal and two
//! cancellations, each byte that the core keeps of it is searched for what the payer's bank alone
//! may keep.

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::messages::OrderAnswer;
use client::{Outcome, Outgoing};
use record::{Ending, PaymentTerms, SettleOrder};
use seal::text::{to_base64url, to_hex};
use terms::{Amount, Minor, PaymentId};
use wallet::verify::verify;
use wallet::{CancelOutcome, CommandResult, OrderSent};
use wayleave::demo::acts::permitted;
use wayleave::demo::setup::{OwnBooks, Stage};

use super::after::{ask, credited, open_way_back, post, receipt_says, refund_of};
use super::stage::{World, play, until};

const PAID: u128 = 10_000;
const PAYER_BOOK: &str = "books/bank-nl.customers";
const PAYEE_BOOK: &str = "books/bank-sg.customers";

/// What must not be found, by what it is.
type Needles = Vec<(String, Vec<u8>)>;

/// A text as it would stand in a file, and inside of base64url at each of its three places.
fn text(what: &str, text: &str) -> Needles {
    let mut found = vec![(what.to_owned(), text.as_bytes().to_vec())];
    for before in 0..3 {
        let encoded = to_base64url(&[&vec![0; before], text.as_bytes()].concat());
        let (from, until) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
        found.push((format!("{what} in base64url"), encoded.as_bytes()[from..until].to_vec()));
    }
    found
}

/// Everything of an order that names somebody, or lets names be tried.
fn needles(of: &str, order: &SettleOrder) -> Needles {
    let invoice = order.invoice.read_unverified().unwrap();
    let digest = order.invoice.digest();
    let mut all = vec![
        (format!("{of}: the terms string"), order.terms.clone().into_bytes()),
        (format!("{of}: the invoice's digest"), digest.as_bytes().to_vec()),
        (format!("{of}: the invoice's digest in hex"), to_hex(digest.as_bytes()).into_bytes()),
        (format!("{of}: the invoice's id"), invoice.invoice.bytes().to_vec()),
    ];
    all.extend(text(&format!("{of}: the payee's name"), &invoice.creditor_name));
    all.extend(text(&format!("{of}: the invoice's number"), &invoice.number));
    let end_to_end = &order.identifiers.end_to_end_id;
    all.extend(text(&format!("{of}: the end-to-end id"), end_to_end));
    if invoice.purpose.len() > 4 {
        all.extend(text(&format!("{of}: the purpose"), &invoice.purpose));
    }
    all
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Which needles are in which files below `folder`.
fn search(folder: &Path, needles: &Needles) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        for (what, needle) in needles {
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push((name.clone(), what.clone()));
            }
        }
    }
    found
}

/// Nothing outside of the customers' books; there, what `kept` says, and only in the payer's own.
fn names_nobody(core: &Path, payment: &Needles, refund: &Needles) {
    let found = search(core, &[payment.as_slice(), refund].concat());
    let astray: Vec<_> = found
        .iter()
        .filter(|(file, _)| !file.starts_with(PAYER_BOOK) && !file.starts_with(PAYEE_BOOK))
        .collect();
    assert!(astray.is_empty(), "in the core's files: {astray:#?}");
    let has = |book: &str, what: &str| {
        found.iter().any(|(file, found)| file.starts_with(book) && found == what)
    };
    for what in ["the terms string", "the invoice's number", "the end-to-end id"] {
        // The payee of the refund is the payer of the payment: each order in its payer's book.
        assert!(has(PAYER_BOOK, &format!("payment: {what}")), "{what}: {found:#?}");
        assert!(has(PAYEE_BOOK, &format!("refund: {what}")), "{what}: {found:#?}");
        assert!(!has(PAYEE_BOOK, &format!("payment: {what}")), "{what}: {found:#?}");
        assert!(!has(PAYER_BOOK, &format!("refund: {what}")), "{what}: {found:#?}");
    }
}

fn both_corridors(stage: &Stage) -> anyhow::Result<()> {
    let path = stage.folder("fx-dealer").join("role.json");
    let mut role: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    role["corridors"] = serde_json::json!(["nl-sg", "sg-nl"]);
    Ok(std::fs::write(&path, role.to_string())?)
}

/// A payment with references of its own, settled.
async fn paid(world: &World) -> anyhow::Result<SettleOrder> {
    let payer = &world.players.payer;
    // The lists have just changed: a permit that rests on the older ones is refused.
    until("a payment on the new lists settles", || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let request = world.invoice("KILN-2026-7719", PAID).await?;
        let ready = permitted(payer, &request, 60).await?.expect("permitted");
        let mut order = payer.order(&ready.hand, &ready.permits)?;
        order.identifiers.end_to_end_id = "PO-7719-SHELVES".to_owned();
        let body = post(world, "brightwater", "/v1/orders", &order).await.unwrap();
        let answer: OrderAnswer = seal::from_canonical(&body)?;
        let settled = answer.promise.read_unverified()?.outcome == Ending::Settled;
        Ok(settled.then_some(order))
    })
    .await
}

async fn refunded(world: &World, paid: &SettleOrder) -> anyhow::Result<SettleOrder> {
    let pack = seal::sha256(b"the pack of refunds");
    until("the core knows the way back", || async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let order = refund_of(world, paid, pack, 3_000).await?;
        let Ok(body) = post(world, "lim", "/v1/orders", &order).await else { return Ok(None) };
        let answer: OrderAnswer = seal::from_canonical(&body)?;
        let settled = answer.promise.read_unverified()?.outcome == Ending::Settled;
        Ok(settled.then_some(order))
    })
    .await
}

/// A part of the payment is returned by its payee's bank.
fn returned(world: &World, of: &PaymentTerms) -> anyhow::Result<()> {
    let amount = Amount::new(Minor::new(1_000), of.credited.asset);
    let consent = world.players.payee.consent_to_return(of.payment, amount);
    let file = world.folder.path().join("consent");
    std::fs::write(&file, consent.to_bytes())?;
    let (bank, id) = (world.stage.folder("bank-sg.1"), of.payment.to_string());
    let to = ["bank", "return", &id, "--amount", "1000", "--reason", "FOCR"];
    let with = ["--dir", bank.to_str().unwrap(), "--consent", file.to_str().unwrap()];
    let (good, said) = ask(&[&to[..], &with].concat());
    anyhow::ensure!(good && said["outcome"] == "settled", "{said}");
    Ok(())
}

/// Refused by the core and by an edge, asked back, and cancelled in time: two orders of these.
async fn refused_and_cancelled(
    world: &World,
    paid: &SettleOrder,
    payment: PaymentId,
) -> anyhow::Result<(SettleOrder, SettleOrder)> {
    let pack = seal::sha256(b"the pack of refunds");
    let more = refund_of(world, paid, pack, 9_500).await?;
    let body = post(world, "lim", "/v1/orders", &more).await.unwrap();
    let answer: OrderAnswer = seal::from_canonical(&body)?;
    let outcome = answer.promise.read_unverified()?.outcome;
    assert_eq!(outcome, Ending::Refused("ReturnExceedsOriginal".into()));
    // Refused by an edge: far more than the mandate allows.
    world.refused("KILN-2026-7721", 15_000_000).await?;
    let payer = &world.players.payer;
    let outcome = payer.cancel(payment, "DUPL").await?;
    assert!(matches!(outcome, CancelOutcome::Asked(_)), "{outcome:?}");
    let request = world.invoice("KILN-2026-7720", PAID).await?;
    let ready = permitted(payer, &request, 60).await?.expect("permitted");
    let cancelled = payer.order(&ready.hand, &ready.permits)?;
    let cancelled_id = PaymentTerms::from_terms_string(&cancelled.terms)?.payment;
    let outcome = payer.cancel(cancelled_id, "CUST").await?;
    assert!(matches!(outcome, CancelOutcome::Ended { .. }), "{outcome:?}");
    let OrderSent::Answered(again) = payer.send_order(&cancelled).await? else { panic!() };
    assert_eq!(again.promise.outcome, Ending::Refused("PaymentCancelled".into()));
    Ok((more, cancelled))
}

#[test]
fn no_byte_of_the_settlement_book_names_who_pays_whom() {
    play(async {
        let mut world = World::written("pseudonyms", OwnBooks::Nobody, both_corridors).await?;
        open_way_back(&world).await?;
        let order = paid(&world).await?;
        let terms = PaymentTerms::from_terms_string(&order.terms)?;
        credited(&world, terms.payment, "ACCC").await?;
        let refund = refunded(&world, &order).await?;
        let refund_id = PaymentTerms::from_terms_string(&refund.terms)?.payment;
        returned(&world, &terms)?;

        let (more, cancelled) = refused_and_cancelled(&world, &order, terms.payment).await?;
        let cancelled_id = PaymentTerms::from_terms_string(&cancelled.terms)?.payment;

        // Each reader's receipt opens what it opened before, from the payer's bank's book.
        for reader in ["brightwater", "lim", "bank-nl.1", "bank-sg.1", "supervisor-nl"] {
            receipt_says(&world, reader, terms.payment, "settled payment").await?;
            receipt_says(&world, reader, terms.payment, "Lim Ceramics Pte. Ltd.").await?;
            receipt_says(&world, reader, refund_id, "refund").await?;
        }
        for reader in ["brightwater", "supervisor-sg"] {
            receipt_says(&world, reader, cancelled_id, "cancelled payment").await?;
        }

        let core = world.stage.folder("core");
        let mut payment = needles("payment", &order);
        payment.extend(needles("cancelled", &cancelled));
        payment.extend(text("refused by an edge: the invoice's number", "KILN-2026-7721"));
        let mut refund = needles("refund", &refund);
        refund.extend(needles("refused", &more));
        names_nobody(&core, &payment, &refund);
        // An orderly end leaves an image, a killed core a recovery certificate.
        world.process("core").stop();
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        world.process("core").kill()?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        receipt_says(&world, "lim", terms.payment, "Lim Ceramics Pte. Ltd.").await?;
        names_nobody(&core, &payment, &refund);
        restored_names_nobody(&world, &core, &payment, &refund);
        Ok(())
    });
}

/// The payer's bank keeps its own book, and is away: names wait for it, and nothing else does.
#[test]
fn while_the_payers_bank_is_away_a_supervisor_sees_all_but_names_and_parties_wait() {
    play(async {
        let mut world = World::with_books("names-away", OwnBooks::Both).await?;
        let payment = world.settled("AWAY-7719", PAID).await?.terms.payment;
        receipt_says(&world, "lim", payment, "Lim Ceramics Pte. Ltd.").await?;
        world.process("bank-a").kill()?;
        let target = format!("/v1/payments/{payment}/receipt");
        for party in ["lim", "bank-sg.1"] {
            let said = world.send(party, "core", Outgoing::get(&target)).await;
            assert!(!matches!(said, Outcome::Answer(_)), "{party}: {said:?}");
        }
        let said = world.send("supervisor-nl", "core", Outgoing::get(&target)).await;
        let Outcome::Answer(answer) = said else { panic!("{said:?}") };
        let report = verify(&answer.body, Some(&world.trust()));
        assert!(report.is_good(), "{}", report.text());
        assert!(!report.text().contains("Lim Ceramics"), "{}", report.text());
        world.process("bank-a").start_again()?;
        world.process("bank-a").ready().await?;
        until("the core to see the bank", || async {
            let said = world.send("lim", "core", Outgoing::get(&target)).await;
            Ok(matches!(said, Outcome::Answer(_)).then_some(()))
        })
        .await?;
        receipt_says(&world, "lim", payment, "Lim Ceramics Pte. Ltd.").await
    });
}

/// What a backup gives back is what was there: the settlement book in it names nobody either.
fn restored_names_nobody(world: &World, core: &Path, payment: &Needles, refund: &Needles) {
    let below = |name: &str| world.folder.path().join(name).to_str().unwrap().to_owned();
    let (place, key, back) = (format!("file:{}", below("place")), below("key"), below("back"));
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(super::stage::BINARY).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let public = run(&["backup", "key", &key]).trim().to_owned();
    run(&["backup", core.to_str().unwrap(), "--to", &place, "--seal-to", &public]);
    run(&["restore", &back, "--from", &place, "--recovery-key", &key]);
    names_nobody(Path::new(&back), payment, refund);
}
