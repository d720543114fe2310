//! After an order, over the real processes: cancel in time, ask back too late, return, refund,
//! correct, block, wait for a case.

use std::process::Command;
use std::time::Duration;

use api::after::AfterView;
use api::messages::{OrderAnswer, QuoteRequest};
use client::{Outcome, Outgoing};
use record::{
    Acceptance, Action, BlockExtent, BlockOrder, BlockRelease, CaseChange, CaseNotice, Correction,
    CorrectionMove, Document, Ending, Identifiers, Invoice, PackNotice, PackStanding, PaymentTerms,
    Permit, Quote, ReleaseTo, SettleOrder, Side, Signed, TwoPersons,
};
use seal::{Digest, sha256, to_canonical};
use server::roles::core::own_account;
use server::roles::supervisor::{Edits, JsonSide, TrustEdit, trust_edits_of};
use terms::{AccountId, Amount, AssetCode, InvoiceId, Minor, PaymentId, TransactionId, Uetr};
use wallet::verify::verify;
use wallet::{CancelOutcome, CommandResult, OrderSent};
use wayleave::demo::acts::permitted;
use wayleave::demo::onboard::Calls;
use wayleave::demo::setup::OwnBooks;

use super::stage::{BINARY, World, play, until};

const PAID: u128 = 10_000;

/// Runs the binary and reads its one JSON line.
pub(crate) fn ask(arguments: &[&str]) -> (bool, serde_json::Value) {
    let output = Command::new(BINARY).args(arguments).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Without a result, why there is none.
    let said = || String::from_utf8_lossy(&output.stderr).into_owned().into();
    let line = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (output.status.success(), line.unwrap_or_else(said))
}

pub(crate) async fn post<T: minicbor::Encode<()>>(
    world: &World,
    caller: &str,
    target: &str,
    body: &T,
) -> Result<bytes::Bytes, String> {
    let request = Outgoing::post(target, api::wire::CBOR, to_canonical(body));
    match world.send(caller, "core", request).await {
        Outcome::Answer(answer) => Ok(answer.body),
        Outcome::Refused(problem) => Err(problem.detail.unwrap_or_default()),
        other => panic!("{target}: {other:?}"),
    }
}

async fn after(world: &World, payment: PaymentId) -> anyhow::Result<AfterView> {
    let target = format!("/v1/payments/{payment}/after");
    match world.send("bank-sg.1", "core", Outgoing::get(&target)).await {
        Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body)?),
        other => anyhow::bail!("{other:?}"),
    }
}

/// Waits until the payee's bank has done its part behind the promise.
pub(crate) async fn credited(
    world: &World,
    payment: PaymentId,
    status: &str,
) -> anyhow::Result<()> {
    until("the credit", || async {
        Ok((after(world, payment).await?.credit == status).then_some(()))
    })
    .await
}

/// The settlement accounts and the mirrors of them agree, with what is in transit.
pub(crate) fn mirrors_agree(world: &World) {
    let folder = |name: &str| world.stage.folder(name).to_str().unwrap().to_owned();
    let (core, operator) = (folder("core"), folder("operator"));
    let (agree, said) = ask(&["mirrors", "--at", &core, "--as", &operator]);
    assert!(agree, "{said}");
}

pub(crate) async fn balance_is(world: &World, firm: &str, minor: u128) -> anyhow::Result<()> {
    until(&format!("{firm} has {minor}"), || async {
        Ok((world.balance(firm).await? == Minor::new(minor)).then_some(()))
    })
    .await
}

/// The receipt that `reader` gets verifies, and says `kind`.
pub(crate) async fn receipt_says(
    world: &World,
    reader: &str,
    payment: PaymentId,
    kind: &str,
) -> anyhow::Result<()> {
    let target = format!("/v1/payments/{payment}/receipt");
    let bytes = until("a receipt", || async {
        match world.send(reader, "core", Outgoing::get(&target)).await {
            Outcome::Answer(answer) => Ok(Some(answer.body)),
            Outcome::Refused(problem) if problem.status == 404 => Ok(None),
            other => anyhow::bail!("{reader}: {other:?}"),
        }
    })
    .await?;
    let mut trust = world.trust();
    trust.lists = vec![world.stage.trust_list("NL")?, world.stage.trust_list("SG")?];
    let report = verify(&bytes, Some(&trust));
    assert!(report.is_good(), "{reader}: {}", report.text());
    assert!(report.text().contains(kind), "{reader}: {}", report.text());
    Ok(())
}

#[test]
fn a_payment_cancelled_in_time_never_settles_and_its_receipt_says_so() {
    play(async {
        let world = World::new("after-cancel").await?;
        let before = world.balance("brightwater").await?;
        let payer = &world.players.payer;
        let request = world.invoice("AC-1", PAID).await?;
        let ready = permitted(payer, &request, 60).await?.expect("permitted");
        let order = payer.order(&ready.hand, &ready.permits)?;
        let payment = PaymentTerms::from_terms_string(&order.terms)?.payment;
        let outcome = payer.cancel(payment, "CUST").await?;
        let CancelOutcome::Ended { ref code, ref receipt, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((code.as_str(), receipt.is_some()), ("PaymentCancelled", true));
        assert_eq!(payer.cancel(payment, "CUST").await?, outcome, "again: the first answer");
        // Whoever still sends the order gets the same ending, and nothing is held.
        let OrderSent::Answered(promise) = payer.send_order(&order).await? else { panic!() };
        assert_eq!(promise.promise.outcome, Ending::Refused("PaymentCancelled".into()));
        assert_eq!(world.balance("brightwater").await?, before);
        for reader in ["brightwater", "supervisor-nl"] {
            receipt_says(&world, reader, payment, "cancelled payment").await?;
        }
        let target = format!("/v1/payments/{payment}/receipt");
        let other = world.send("lim", "core", Outgoing::get(&target)).await;
        assert!(matches!(other, Outcome::Refused(problem) if problem.status == 403), "the terms");
        // Another wallet's signature cancels nothing of this one's.
        let request = world.invoice("AC-2", PAID).await?;
        let ready = permitted(payer, &request, 60).await?.expect("permitted");
        let order = payer.order(&ready.hand, &ready.permits)?;
        let asked = record::CancellationRequest {
            layout: 1,
            environment: "sandbox".parse()?,
            terms: order.terms.clone(),
            reason: "CUST".into(),
            asked_at: server::system::now(),
        };
        let lim = world.stage.key("lim", server::keys::REQUEST_KEY)?;
        let ask = |asked: &record::CancellationRequest, quote| api::after::CancellationAsk {
            layout: 1,
            request: Signed::sign(asked, &lim),
            quote,
        };
        let quote = Some(order.quote.clone());
        let refused = post(&world, "lim", "/v1/cancellations", &ask(&asked, quote.clone())).await;
        assert!(refused.as_ref().is_err_and(|why| why.contains("SignerNotTrusted")), "{refused:?}");
        // Nor do terms of a stranger's own make, which debit its own account under this id.
        let mut terms = PaymentTerms::from_terms_string(&order.terms)?;
        terms.debited_account = world.stage.account("lim")?;
        terms.quote_hash = seal::sha256(b"no quote");
        let own = record::CancellationRequest { terms: terms.to_terms_string(), ..asked };
        for quote in [None, quote] {
            let refused = post(&world, "lim", "/v1/cancellations", &ask(&own, quote)).await;
            assert!(refused.as_ref().is_err_and(|why| why.contains("QuoteDiffers")), "{refused:?}");
        }
        let OrderSent::Answered(promise) = payer.send_order(&order).await? else { panic!() };
        assert_eq!(promise.promise.outcome, Ending::Settled);
        Ok(())
    });
}

#[test]
fn a_settled_payment_is_asked_back_answered_and_returned_with_the_payees_consent() {
    play(async {
        let world = World::with_books("after-return", OwnBooks::Nobody).await?;
        let settled = world.settled("AR-1", PAID).await?;
        let payment = settled.terms.payment;
        credited(&world, payment, "ACCC").await?;
        let (payer, payee) = (world.balance("brightwater").await?, world.balance("lim").await?);
        let outcome = world.players.payer.cancel(payment, "DUPL").await?;
        assert!(matches!(&outcome, CancelOutcome::Asked(asked) if asked.reason == "DUPL"));
        let id = payment.to_string();
        let bank = world.stage.folder("bank-sg.1");
        let bank = bank.to_str().unwrap();
        let (good, seen) = ask(&["bank", "answer", &id, "--accept", "--dir", bank]);
        assert!(good && seen["asked_back"] == "DUPL, accepted", "{seen}");
        let (good, _) = ask(&["bank", "answer", &id, "--reject", "CUST", "--dir", bank]);
        assert!(!good, "it was answered otherwise");
        assert_eq!(world.balance("lim").await?, payee, "no answer moves money");
        let back = ["bank", "return", &id, "--amount", "10000", "--reason", "FOCR", "--dir", bank];
        let (good, refused) = ask(&back);
        assert!(!good && refused["outcome"] == "refused: ConsentMissing", "{refused}");
        let amount = Amount::new(Minor::new(PAID), settled.terms.credited.asset);
        let consent = world.players.payee.consent_to_return(payment, amount);
        let file = world.folder.path().join("consent");
        std::fs::write(&file, consent.to_bytes())?;
        let with = [&back[..], &["--consent", file.to_str().unwrap()]].concat();
        let (good, returned) = ask(&with);
        assert!(good && returned["outcome"] == "settled", "{returned}");
        let number = |name: &str| -> u128 { returned[name].as_str().unwrap().parse().unwrap() };
        let (left, arrived) = (number("amount"), number("credited"));
        assert!(left <= PAID && left > PAID - 10, "{left}");
        balance_is(&world, "lim", payee.units() - left).await?;
        balance_is(&world, "brightwater", payer.units() + arrived).await?;
        let return_id: PaymentId = returned["return"].as_str().unwrap().parse()?;
        for reader in ["brightwater", "lim", "bank-nl.1", "bank-sg.1", "supervisor-sg"] {
            receipt_says(&world, reader, return_id, "return").await?;
        }
        let (good, refused) = ask(&with);
        assert!(!good, "the consent is used: {refused}");
        // Another, at the old rate, which the provider still guarantees: exact to the cent.
        let second = world.settled("AR-2", PAID).await?;
        let id = second.terms.payment.to_string();
        credited(&world, second.terms.payment, "ACCC").await?;
        let consent = world.players.payee.consent_to_return(second.terms.payment, amount);
        std::fs::write(&file, consent.to_bytes())?;
        let (good, returned) = ask(&[
            "bank",
            "return",
            &id,
            "--amount",
            "10000",
            "--reason",
            "FOCR",
            "--dir",
            bank,
            "--original-rate",
            "--consent",
            file.to_str().unwrap(),
        ]);
        assert!(good && returned["amount"] == "10000", "{returned}");
        balance_is(&world, "lim", payee.units() - left).await?;
        let view = after(&world, payment).await?;
        assert_eq!((view.given_back.units(), view.by), (left, vec![return_id]));
        mirrors_agree(&world);
        Ok(())
    });
}

#[test]
fn a_correction_needs_two_persons() {
    play(async {
        let world = World::new("after-correct").await?;
        let settled = world.settled("CO-1", PAID).await?;
        let asset: AssetCode = settled.terms.debited.asset;
        let account = |owner: &str, purpose| -> anyhow::Result<AccountId> {
            Ok(own_account("settlement".parse()?, owner.parse()?, asset, purpose).id)
        };
        let document = Correction {
            layout: 1,
            environment: "sandbox".parse()?,
            book: "settlement".parse()?,
            correction: TransactionId::from_bytes([0x77; 16]),
            corrects: clearing::customers::transaction_of(settled.terms.payment, "settlement"),
            reason: "the operator's fee was taken twice".into(),
            moves: vec![CorrectionMove {
                debit: account("wayleave-operator", ledger::Purpose::Fee)?,
                credit: account("bank-nl", ledger::Purpose::Settlement)?,
                amount: Amount::new(Minor::new(1), asset),
            }],
            valid_until: server::system::now().plus(Duration::from_secs(60)),
        };
        let signed = |keys: [&str; 2]| -> anyhow::Result<TwoPersons<Correction>> {
            let [first, second] = keys.map(|key| world.stage.key("operator", key));
            let (first, second) =
                (Signed::sign(&document, &first?), Signed::sign(&document, &second?));
            Ok(TwoPersons { first, second })
        };
        for keys in [["approve-1", "approve-1"], ["approve-1", "statement"]] {
            let refused = post(&world, "operator", "/v1/corrections", &signed(keys)?).await;
            assert!(
                refused.as_ref().is_err_and(|why| why.contains("ApprovalsMissing")),
                "{refused:?}"
            );
        }
        let both = signed(["approve-1", "approve-2"])?;
        for _ in 0..2 {
            post(&world, "operator", "/v1/corrections", &both).await.unwrap();
        }
        Ok(())
    });
}

/// Both institutions may act the other way round, and say by which pack.
pub(crate) async fn open_way_back(world: &World) -> anyhow::Result<Digest> {
    let calls = Calls::new(&world.stage);
    let pack = sha256(b"the pack of refunds");
    for (country, bank, back) in [("NL", "bank-nl", "creditor"), ("SG", "bank-sg", "debtor")] {
        let edits = trust_edits_of(&world.stage.trust_list(country)?);
        let both = edits.into_iter().find_map(|edit| match edit {
            TrustEdit::PutInstitution { mut institution } if institution.institution == bank => {
                let side = JsonSide { corridor: "sg-nl".into(), side: back.into() };
                institution.sides.push(side);
                Some(TrustEdit::PutInstitution { institution })
            }
            _ => None,
        });
        let edits = Edits { reason: "refunds".into(), edits: vec![both.unwrap()] };
        let supervisor = format!("supervisor-{}", country.to_lowercase());
        calls.post_json("operator", &supervisor, "/v1/trust-list/edits", &edits).await?;
        let edge = format!("{bank}.1");
        let notice = PackNotice {
            layout: 1,
            environment: "sandbox".parse()?,
            institution: bank.parse()?,
            corridor: "sg-nl".parse()?,
            side: if back == "debtor" { Side::Debtor } else { Side::Creditor },
            pack,
            schema: sha256(b"schema"),
            standing: PackStanding::InForce,
        };
        let signed = Signed::sign(&notice, &world.stage.key(&edge, "permit")?);
        post(world, &edge, "/v1/packs", &signed).await.unwrap();
    }
    Ok(pack)
}

/// The permit that an institution gave for the payment, as it would give it for the refund. Its
/// edges decide no refunds yet, so the test signs with the institution's own key.
fn turned(
    world: &World,
    edge: &str,
    permit: &Signed<Permit>,
    change: impl FnOnce(&mut Permit),
) -> anyhow::Result<Signed<Permit>> {
    let mut content = permit.read_unverified()?;
    (content.side, content.action) = (content.side.other(), Action::Refund);
    (content.corridor, content.acceptance) = ("sg-nl".parse()?, None);
    content.decided_at = server::system::now();
    content.valid_until = content.decided_at.plus(Duration::from_secs(30));
    content.basis.schema = sha256(b"schema");
    change(&mut content);
    Ok(Signed::sign(&content, &world.stage.key(edge, "permit")?))
}

/// What the payer asks back, and its bank's word that it can credit it.
fn asked_of(
    payment: PaymentId,
    was: &PaymentTerms,
    nl: &Permit,
    credit: Amount,
) -> (Invoice, Acceptance) {
    let now = server::system::now();
    let invoice = Invoice {
        layout: 1,
        environment: was.environment,
        invoice: InvoiceId::from_bytes(server::system::random().unwrap()),
        number: "CN-7719-KILN".into(),
        creditor: nl.owner,
        creditor_name: "Brightwater Tools B.V.".into(),
        institution: nl.institution,
        account: was.debited_account,
        amount: credit,
        purpose: "kiln shelves sent back".into(),
        issued_at: now,
        due_at: now.plus(Duration::from_secs(600)),
    };
    let acceptance = Acceptance {
        layout: 1,
        environment: was.environment,
        payment,
        institution: nl.institution,
        invoice: invoice.digest(),
        account: invoice.account,
        owner: nl.owner,
        amount: credit,
        valid_until: now.plus(Duration::from_secs(60)),
    };
    (invoice, acceptance)
}

pub(crate) async fn refund_of(
    world: &World,
    paid: &SettleOrder,
    pack: Digest,
    credit: u128,
) -> anyhow::Result<SettleOrder> {
    let was = PaymentTerms::from_terms_string(&paid.terms)?;
    let payment = PaymentId::from_bytes(server::system::time_ordered_bytes().unwrap());
    let credit = Amount::new(Minor::new(credit), was.debited.asset);
    let asked = QuoteRequest {
        layout: 1,
        payment,
        corridor: "sg-nl".parse()?,
        credit,
        debit_asset: was.credited.asset,
        at_rate_of: None,
        good_for_seconds: 60,
    };
    let request = Outgoing::post("/v1/quotes", api::wire::CBOR, to_canonical(&asked));
    let Outcome::Answer(answer) = world.send("lim", "fx-dealer", request).await else {
        anyhow::bail!("no quote")
    };
    let quote: Signed<Quote> = seal::from_canonical(&answer.body)?;
    let (nl, sg) = (paid.debtor_permit.read_unverified()?, paid.creditor_permit.read_unverified()?);
    let (invoice, acceptance) = asked_of(payment, &was, &nl, credit);
    let signed_invoice =
        Signed::sign(&invoice, &world.stage.key("brightwater", server::keys::REQUEST_KEY)?);
    let terms = PaymentTerms::of_refund(
        &quote,
        &signed_invoice,
        was.credited_account,
        was.book,
        was.payment,
    );
    let terms = terms.unwrap();
    let digest = terms.terms_digest();
    let debtor = turned(world, "bank-sg.1", &paid.creditor_permit, |permit| {
        (permit.payment, permit.terms, permit.basis.pack) = (payment, digest, pack);
        permit.owner = sg.owner;
    })?;
    let creditor = turned(world, "bank-nl.1", &paid.debtor_permit, |permit| {
        (permit.payment, permit.terms, permit.basis.pack) = (payment, digest, pack);
        permit.acceptance = Some(acceptance.digest());
        permit.limits.clear();
    })?;
    Ok(SettleOrder {
        layout: 1,
        terms: terms.to_terms_string(),
        identifiers: Identifiers {
            uetr: Uetr::from_random(payment.bytes()),
            end_to_end_id: "BACK-OF-7719".into(),
            instruction_id: "1".into(),
        },
        quote,
        invoice: signed_invoice,
        acceptance: Signed::sign(&acceptance, &world.stage.key("bank-nl.1", "permit")?),
        debtor_permit: debtor,
        creditor_permit: creditor,
    })
}

#[test]
fn a_refund_settles_the_other_way_round_and_never_gives_back_more() {
    play(async {
        let world = World::changed("after-refund", |stage| {
            let path = stage.folder("fx-dealer").join("role.json");
            let mut role: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            role["corridors"] = serde_json::json!(["nl-sg", "sg-nl"]);
            Ok(std::fs::write(&path, role.to_string())?)
        })
        .await?;
        let pack = open_way_back(&world).await?;
        let payer = &world.players.payer;
        // The lists have just changed: a permit that rests on the older ones is refused.
        let (paid, promise) = until("a payment on the new lists settles", || async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let request = world.invoice("RF-1", PAID).await?;
            let ready = permitted(payer, &request, 60).await?.expect("permitted");
            let paid = payer.order(&ready.hand, &ready.permits)?;
            let OrderSent::Answered(promise) = payer.send_order(&paid).await? else { panic!() };
            let settled = promise.promise.outcome == Ending::Settled;
            Ok(settled.then_some((paid, promise)))
        })
        .await?;
        let original = promise.promise.payment;
        credited(&world, original, "ACCC").await?;
        let (had, lim) = (world.balance("brightwater").await?, world.balance("lim").await?);
        let until_listed = "the core knows the way back";
        let answer: OrderAnswer = until(until_listed, || async {
            // A client has so many open quotes and no more.
            tokio::time::sleep(Duration::from_millis(700)).await;
            let order = refund_of(&world, &paid, pack, 3_000).await?;
            // Before that the permits are nobody's: answered, and nothing is recorded.
            let Ok(body) = post(&world, "lim", "/v1/orders", &order).await else {
                return Ok(None);
            };
            Ok(Some(seal::from_canonical::<OrderAnswer>(&body)?))
        })
        .await?;
        let promise = answer.promise.read_unverified()?;
        assert_eq!(promise.outcome, Ending::Settled, "{}", answer.words);
        balance_is(&world, "brightwater", had.units() + 3_000).await?;
        assert!(world.balance("lim").await? < lim);
        for reader in ["brightwater", "lim", "supervisor-nl"] {
            receipt_says(&world, reader, promise.payment, "refund").await?;
        }
        let more = refund_of(&world, &paid, pack, 4_500).await?;
        let body = post(&world, "lim", "/v1/orders", &more).await.unwrap();
        let answer: OrderAnswer = seal::from_canonical(&body)?;
        let outcome = answer.promise.read_unverified()?.outcome;
        assert_eq!(outcome, Ending::Refused("ReturnExceedsOriginal".into()));
        let given = after(&world, original).await?;
        assert_eq!(given.by, vec![promise.payment]);
        let status = payer.ask(original).await?;
        let linked = status.standing.map(|standing| standing.linked).unwrap_or_default();
        let linked: Vec<_> = linked.iter().map(|one| (one.what.as_str(), one.payment)).collect();
        assert_eq!(linked, [("refund", promise.payment)]);
        mirrors_agree(&world);
        // On this stage the payee's bank keeps its own book: it asks for the consent itself.
        let (lim, id) = (world.balance("lim").await?, original.to_string());
        let bank = world.stage.folder("bank-sg.1");
        let bank = bank.to_str().unwrap();
        let back = ["bank", "return", &id, "--amount", "1000", "--reason", "FOCR", "--dir", bank];
        let (good, refused) = ask(&back);
        assert!(!good && refused["outcome"] == "refused: ConsentMissing", "{refused}");
        assert_eq!(world.balance("lim").await?, lim);
        Ok(())
    });
}

fn two(world: &World, release: &BlockRelease) -> anyhow::Result<TwoPersons<BlockRelease>> {
    let sign = |key| -> anyhow::Result<_> {
        Ok(Signed::sign(release, &world.stage.key("operator", key)?))
    };
    Ok(TwoPersons { first: sign("approve-1")?, second: sign("approve-2")? })
}

#[test]
fn blocked_money_waits_for_two_persons_and_a_case_holds_a_credit() {
    play(async {
        let world = World::with_books("after-block", OwnBooks::Nobody).await?;
        let had = world.balance("brightwater").await?;
        let block = TransactionId::from_bytes([0x66; 16]);
        let order = BlockOrder {
            layout: 1,
            environment: "sandbox".parse()?,
            institution: "bank-nl".parse()?,
            block,
            account: world.stage.account("brightwater")?,
            owner: wayleave::demo::subjects::FIRMS[0].company.parse()?,
            extent: BlockExtent::AllAndComing,
            legal_basis: "Sanctiewet 1977, article 2".into(),
            authority: "Ministerie van Financiën".into(),
            ordered_at: server::system::now(),
        };
        let by_another = Signed::sign(&order, &world.stage.key("bank-sg.1", "permit")?);
        assert!(post(&world, "bank-sg.1", "/v1/blocks", &by_another).await.is_err());
        let signed = Signed::sign(&order, &world.stage.key("bank-nl.1", "permit")?);
        for _ in 0..2 {
            post(&world, "bank-nl.1", "/v1/blocks", &signed).await.unwrap();
        }
        assert_eq!(world.balance("brightwater").await?, Minor::ZERO);
        let release = BlockRelease {
            layout: 1,
            environment: "sandbox".parse()?,
            institution: "bank-nl".parse()?,
            block,
            to: ReleaseTo::Owner,
            legal_basis: "licence 2026/17".into(),
            valid_until: server::system::now().plus(Duration::from_secs(60)),
        };
        let both = two(&world, &release)?;
        let one = TwoPersons { second: both.first.clone(), ..both.clone() };
        let refused = post(&world, "bank-nl.1", "/v1/block-releases", &one).await;
        assert!(refused.as_ref().is_err_and(|why| why.contains("ApprovalsMissing")), "{refused:?}");
        post(&world, "bank-nl.1", "/v1/block-releases", &both).await.unwrap();
        assert_eq!(world.balance("brightwater").await?, had);
        // A case about the payee: its credit waits, then it is posted.
        let lim = world.balance("lim").await?;
        let case = |change| -> anyhow::Result<Signed<CaseNotice>> {
            let notice = CaseNotice {
                layout: 1,
                environment: "sandbox".parse()?,
                institution: "bank-sg".parse()?,
                case: TransactionId::from_bytes([0x55; 16]),
                account: world.stage.account("lim")?,
                change,
                decided_at: server::system::now(),
            };
            Ok(Signed::sign(&notice, &world.stage.key("bank-sg.1", "permit")?))
        };
        let (account, bank) =
            (world.stage.account("lim")?.to_string(), world.stage.folder("bank-sg.1"));
        let (id, bank) =
            (TransactionId::from_bytes([0x55; 16]).to_string(), bank.to_str().unwrap());
        let (good, opened) = ask(&["bank", "case", "open", &account, "--case", &id, "--dir", bank]);
        assert!(good && opened["id"] == id.as_str(), "{opened}");
        let settled = world.settled("BL-1", PAID).await?;
        credited(&world, settled.terms.payment, "ACWP").await?;
        assert_eq!(world.balance("lim").await?, lim);
        post(&world, "bank-sg.1", "/v1/cases", &case(CaseChange::Post)?).await.unwrap();
        credited(&world, settled.terms.payment, "ACCC").await?;
        assert_eq!(world.balance("lim").await?.units(), lim.units() + PAID);
        mirrors_agree(&world);
        Ok(())
    });
}
