//! Acts 1 to 3: a payment, six that must not happen, one sent twice.
//!
//! Each figure printed comes from a document that the wallet verified on the way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use api::messages::Repeated;
use record::{DecisionRecord, Ending, PaymentTerms, RequestToPay, Visibility};
use serde_json::json;
use terms::{Amount, Minor, PaymentId};
use wallet::{
    Agreement, CommandResult, Decided, InvoiceDraft, OrderSent, PaymentInHand, PaymentOutcome,
    Permitted, RefusedPayment, Settled, Wallet,
};

use super::onboard::{Calls, receive, revoke};
use super::screen::Screen;
use super::setup::Stage;
use super::subjects::FIRMS;

/// The story's one payment without a seed: 12,400.00 SGD.
const INVOICE_MINOR: u128 = 1_240_000;
/// The payment that is sent twice, without a seed: 500.00 SGD.
const TWICE_MINOR: u128 = 50_000;
/// Above the clerk's mandate: 150,000.00 SGD.
const ABOVE_MANDATE_MINOR: u128 = 15_000_000;
/// Above what the provider holds: 80,000.00 SGD, within the mandate.
const ABOVE_LIQUIDITY_MINOR: u128 = 8_000_000;

/// The amounts of a run, in minor units of SGD.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Of the first payment.
    pub invoice_minor: u128,
    /// Of the payment that is sent twice.
    pub twice_minor: u128,
}

impl Figures {
    /// The amounts of a seed; without one, those of the story. The same seed, the same amounts.
    #[must_use]
    pub fn of(seed: Option<u64>) -> Self {
        let Some(seed) = seed else {
            return Self { invoice_minor: INVOICE_MINOR, twice_minor: TWICE_MINOR };
        };
        // One step of a linear congruence per figure spreads neighbouring seeds.
        let step = |n: u64| n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        let (first, second) = (step(seed), step(step(seed)));
        Self {
            invoice_minor: 300_000 + u128::from((first >> 33) % 1_300_000),
            twice_minor: 10_000 + u128::from((second >> 33) % 90_000),
        }
    }
}

/// The players of the story.
pub struct Players {
    /// The payer's wallet.
    pub payer: Wallet,
    /// The payee's wallet.
    pub payee: Wallet,
    /// A payee that is on the sanctions list.
    pub listed: Wallet,
}

impl Players {
    /// Opens the three wallets; each fetches its trust lists, so that it knows who registered
    /// what purpose.
    pub async fn open(stage: &Stage) -> anyhow::Result<Self> {
        let players = Self {
            payer: Wallet::open(&stage.folder("brightwater"))?,
            payee: Wallet::open(&stage.folder("lim"))?,
            listed: Wallet::open(&stage.folder("blacktide"))?,
        };
        for wallet in [&players.payer, &players.payee, &players.listed] {
            wallet.refresh_trust_lists().await?;
        }
        Ok(players)
    }
}

/// A payment up to both permits.
pub struct Ready {
    /// The payment.
    pub hand: PaymentInHand,
    /// Both permits.
    pub permits: Permitted,
}

/// Makes a request to pay; the payee agrees to show what its bank asks.
pub async fn invoice(payee: &Wallet, number: &str, minor: u128) -> anyhow::Result<RequestToPay> {
    let draft = InvoiceDraft {
        number: number.into(),
        amount: Amount::new(Minor::new(minor), payee.config().asset),
        purpose: "GDDS".into(),
        good_for: Duration::from_secs(3600),
    };
    let made = payee.create_invoice(&draft, &mut |_| Agreement::Yes).await?;
    Ok(made.request)
}

/// Quote, preparation, consent, both decisions.
pub async fn permitted(
    payer: &Wallet,
    request: &RequestToPay,
    quote_seconds: u32,
) -> anyhow::Result<Result<Ready, Box<RefusedPayment>>> {
    let payment = payer.new_payment()?;
    let quote = payer.quote_for(request, payment, quote_seconds).await?;
    let mut hand = payer.prepare(request, quote).await?;
    let letters = payer.present(&hand)?;
    Ok(match payer.decide(&mut hand, &letters).await? {
        Decided::Permitted(permits) => Ok(Ready { hand, permits: *permits }),
        Decided::Refused(refused) => Err(refused),
    })
}

/// Act 1: a payment settles. Returns its receipt.
pub async fn settles(
    stage: &mut Stage,
    players: &Players,
    figures: &Figures,
    screen: &Screen,
) -> anyhow::Result<Settled> {
    let number = format!("INV-{:03}", stage.memory.next_invoice);
    stage.memory.next_invoice += 1;
    let request = invoice(&players.payee, &number, figures.invoice_minor).await?;
    let payer = &players.payer;
    let payment = payer.new_payment()?;
    let quote = payer.quote(&request, payment).await?;
    let mut hand = payer.prepare(&request, quote).await?;
    screen.act(
        1,
        &format!(
            "{} (NL) pays invoice {number} of {} (SG), {}",
            FIRMS[0].legal_name,
            FIRMS[1].legal_name,
            hand.quoted.credit.for_people()
        ),
    );
    say_preparation(screen, payer, &hand)?;
    let letters = payer.present(&hand)?;
    let Decided::Permitted(permits) = payer.decide(&mut hand, &letters).await? else {
        bail!("the first payment was refused");
    };
    screen.say(
        "allowed",
        &format!(
            "NL by {} rules of pack nl-sg {}   SG by {} rules of pack sg-in {}",
            permits.debtor_rules,
            permits.debtor.read_unverified()?.basis.pack.short(),
            permits.creditor_rules,
            permits.creditor.read_unverified()?.basis.pack.short(),
        ),
    );
    let order = payer.order(&hand, &permits)?;
    let begun = Instant::now();
    let sent = payer.send_order(&order).await?;
    let took = begun.elapsed();
    let OrderSent::Answered(promise) = sent else { bail!("the core did not answer") };
    say_settled(screen, &hand.expected, &promise.promise, took);
    let outcome = payer.settle(&mut hand, &order).await?;
    let PaymentOutcome::Settled(settled) = outcome else {
        bail!("not settled: {}", outcome.text());
    };
    say_proved(stage, screen, &settled, begun.elapsed())?;
    players.payee.wait_for_receipt(payment, None).await?;
    keep_record(stage, payment).await?;
    Ok(*settled)
}

fn say_preparation(screen: &Screen, payer: &Wallet, hand: &PaymentInHand) -> anyhow::Result<()> {
    let shown = payer.shown(hand)?;
    let missing = hand.preparation.missing.len();
    let asked = shown.view.credentials.len();
    let words =
        if missing == 0 { "nothing missing".to_owned() } else { format!("{missing} missing") };
    screen.say("preflight", &format!("{asked} proofs needed, {asked} held, {words}"));
    let quote = &hand.quoted;
    let fees = quote
        .fees
        .iter()
        .try_fold(Amount::new(Minor::ZERO, quote.debit.asset), |sum, fee| sum.plus(fee.amount))?;
    let bare = |amount: Amount| {
        let text = amount.for_people();
        text.split(' ').next().unwrap_or_default().to_owned()
    };
    screen.say(
        "quote",
        &format!(
            "{} = {} at mid + {} margin + {} fees     good for {} s",
            quote.debit.for_people(),
            bare(quote.principal),
            bare(quote.margin),
            bare(fees),
            quote.expires_at.since(quote.issued_at).as_secs(),
        ),
    );
    screen.say(
        "shown",
        &format!(
            "bank NL {} of {} claims; bank SG name, account, country, address, purpose; no score",
            shown.view.disclosed_count, shown.view.held_count
        ),
    );
    screen.fact("prepared", &shown.json());
    Ok(())
}

fn say_settled(screen: &Screen, terms: &PaymentTerms, promise: &record::Promise, took: Duration) {
    screen.say(
        "settled",
        &format!(
            "-{}  +{}  in one fact, position {}   {} ms",
            terms.debited.for_people(),
            terms.credited.for_people(),
            promise.position,
            took.as_millis()
        ),
    );
    screen.fact(
        "settled",
        &json!({
            "payment": terms.payment.to_string(),
            "debited": terms.debited.to_string(),
            "credited": terms.credited.to_string(),
            "position": promise.position.number(),
        }),
    );
}

fn say_proved(
    stage: &Stage,
    screen: &Screen,
    settled: &Settled,
    took: Duration,
) -> anyhow::Result<()> {
    let path = settled.receipt.as_ref().context("no receipt within ten seconds")?;
    let bytes = std::fs::read(path)?;
    let inspected = evidence::receipt::inspect(&bytes).map_err(|e| anyhow::anyhow!("{e}"))?;
    let size = inspected.proof().checkpoint.head().size;
    screen.say(
        "proved",
        &format!(
            "receipt, checkpoint {size} cosigned by 2 of 2 supervisors   +{:.1} s",
            took.as_secs_f32()
        ),
    );
    let kept = keep_receipt(stage, path, "1")?;
    screen.fact("receipt", &json!({ "file": kept, "checkpoint": size }));
    Ok(())
}

/// The payer's bank's decision, as its operator may read it: for `wayleave replay`.
async fn keep_record(stage: &Stage, payment: PaymentId) -> anyhow::Result<()> {
    let target = format!("/v1/decisions/{payment}/record");
    let record = Calls::new(stage).get("operator", "bank-nl.1", &target).await?;
    let folder = stage.dir.join("records");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("1.record"), record)?;
    Ok(())
}

/// A copy under an easy name.
fn keep_receipt(stage: &Stage, path: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = stage.dir.join("receipts");
    std::fs::create_dir_all(&folder)?;
    let kept = folder.join(format!("{name}.wayleave"));
    std::fs::copy(path, &kept)?;
    Ok(kept)
}

/// Act 2: six payments that must not happen. What moved is read at the core, not assumed.
pub async fn refused(stage: &Stage, players: &Players, screen: &Screen) -> anyhow::Result<()> {
    screen.act(2, "six that must not happen                                     moved     receipt");
    let calls = Calls::new(stage);
    let before = calls.available("brightwater").await?;
    let told = async |case: &'static str, refused: RefusedPayment| -> anyhow::Result<()> {
        let moved = before.minus(calls.available("brightwater").await?)?;
        let receipt = if refused.receipt.is_some() { "yes" } else { "no" };
        let minor = moved.minor;
        screen.line(&format!("   {case:<34} refused  {:<30} {minor:<9} {receipt}", refused.code));
        let payment = refused.payment.to_string();
        screen.fact(
            "refused",
            &json!({ "case": case, "code": refused.code, "payment": payment,
                     "moved": moved.to_string(), "file": refused.receipt }),
        );
        Ok(())
    };
    told("tax standing revoked seconds ago", revoked(stage, players).await?).await?;
    let sealed = listed(players).await?;
    let reason = sealed_reason(&calls, &sealed).await?;
    told("payee on the sanctions list", sealed).await?;
    screen.say("", &format!("      only bank NL and its supervisor may read why: {reason}"));
    told("above the clerk's mandate", above_mandate(players).await?).await?;
    told("quote expired", expired(players).await?).await?;
    told("provider out of SGD", no_liquidity(players).await?).await?;
    told("amount changed on the way", changed(players).await?).await
}

/// The first of the six alone.
pub async fn revocation(stage: &Stage, players: &Players, screen: &Screen) -> anyhow::Result<()> {
    let refused = revoked(stage, players).await?;
    let receipt = if refused.receipt.is_some() { "yes" } else { "no" };
    screen.say("revoked", &format!("refused  {}   receipt {receipt}", refused.code));
    Ok(())
}

/// The restricted reason, as the bank's operator reads it in the decision record.
async fn sealed_reason(calls: &Calls<'_>, refused: &RefusedPayment) -> anyhow::Result<String> {
    let target = format!("/v1/decisions/{}/record", refused.payment);
    let body = calls.get("operator", "bank-nl.1", &target).await?;
    let record: DecisionRecord = seal::from_canonical(&body)?;
    let restricted = record.reasons.iter().filter(|r| r.visibility == Visibility::Restricted);
    let codes: Vec<&str> = restricted.map(|reason| reason.code.as_str()).collect();
    Ok(codes.join(", "))
}

async fn paid(payer: &Wallet, request: &RequestToPay) -> anyhow::Result<PaymentOutcome> {
    let go_on = wallet::WhenMissing::GoOn;
    Ok(payer.pay(request, &mut |_| Agreement::Yes, go_on).await?)
}

fn must_be_refused(outcome: PaymentOutcome) -> anyhow::Result<RefusedPayment> {
    match outcome {
        PaymentOutcome::Refused(refused) => Ok(*refused),
        other => bail!("expected a refusal, got: {}", other.text()),
    }
}

/// The tax office revokes; the next payment is refused; then it issues anew.
pub async fn revoked(stage: &Stage, players: &Players) -> anyhow::Result<RefusedPayment> {
    let calls = Calls::new(stage);
    let firm = &FIRMS[0];
    forget_tax(players)?;
    let credential = receive(stage, &calls, firm, "tax", "tax-nl").await?;
    revoke(&calls, "tax-nl", credential).await?;
    // The bank takes a list as its issuer says how long it holds: two seconds here.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let request = invoice(&players.payee, "INV-R", 10_000).await?;
    let refused = must_be_refused(paid(&players.payer, &request).await?)?;
    forget_tax(players)?;
    receive(stage, &calls, firm, "tax", "tax-nl").await?;
    Ok(refused)
}

/// The wallet forgets its tax credentials before it gets another.
fn forget_tax(players: &Players) -> anyhow::Result<()> {
    let folder = players.payer.folder();
    folder.forget_credentials(credential::TAX_STANDING)?;
    Ok(())
}

/// A payee on the sanctions list.
pub async fn listed(players: &Players) -> anyhow::Result<RefusedPayment> {
    let request = invoice(&players.listed, "BT-1", 10_000).await?;
    must_be_refused(paid(&players.payer, &request).await?)
}

/// More than the clerk may pay.
pub async fn above_mandate(players: &Players) -> anyhow::Result<RefusedPayment> {
    let request = invoice(&players.payee, "INV-M", ABOVE_MANDATE_MINOR).await?;
    must_be_refused(paid(&players.payer, &request).await?)
}

/// A quote that ended before the order was sent.
pub async fn expired(players: &Players) -> anyhow::Result<RefusedPayment> {
    let request = invoice(&players.payee, "INV-Q", 10_000).await?;
    let mut ready = permitted(&players.payer, &request, 1)
        .await?
        .map_err(|refused| anyhow::anyhow!("not permitted: {}", refused.code))?;
    let expires = ready.hand.quoted.expires_at;
    let order = players.payer.order(&ready.hand, &ready.permits)?;
    let left = expires.since(server::system::now());
    tokio::time::sleep(left + Duration::from_millis(20)).await;
    must_be_refused(players.payer.settle(&mut ready.hand, &order).await?)
}

/// More than the provider holds.
pub async fn no_liquidity(players: &Players) -> anyhow::Result<RefusedPayment> {
    let request = invoice(&players.payee, "INV-L", ABOVE_LIQUIDITY_MINOR).await?;
    must_be_refused(paid(&players.payer, &request).await?)
}

/// Somebody between wallet and core puts another amount into the terms.
pub async fn changed(players: &Players) -> anyhow::Result<RefusedPayment> {
    let request = invoice(&players.payee, "INV-C", 10_000).await?;
    let mut ready = permitted(&players.payer, &request, 60)
        .await?
        .map_err(|refused| anyhow::anyhow!("not permitted: {}", refused.code))?;
    let mut order = players.payer.order(&ready.hand, &ready.permits)?;
    let mut terms = PaymentTerms::from_terms_string(&order.terms)?;
    terms.credited = Amount::new(Minor::new(999_999), terms.credited.asset);
    order.terms = terms.to_terms_string();
    must_be_refused(players.payer.settle(&mut ready.hand, &order).await?)
}

/// Act 3: the same request twice.
pub async fn twice(players: &Players, figures: &Figures, screen: &Screen) -> anyhow::Result<()> {
    let request = invoice(&players.payee, "INV-T", figures.twice_minor).await?;
    let ready = permitted(&players.payer, &request, 60)
        .await?
        .map_err(|refused| anyhow::anyhow!("not permitted: {}", refused.code))?;
    let order = players.payer.order(&ready.hand, &ready.permits)?;
    let answer = async || -> anyhow::Result<_> {
        match players.payer.send_order(&order).await? {
            OrderSent::Answered(promise) => Ok(*promise),
            other => bail!("the core did not answer: {other:?}"),
        }
    };
    let (first, second) = (answer().await?, answer().await?);
    let same = first.promise == second.promise
        && first.repeated == Repeated::First
        && second.repeated == Repeated::Again
        && first.promise.outcome == Ending::Settled;
    if !same {
        bail!("two answers differ: {first:?} and {second:?}");
    }
    let payer = &players.payer;
    payer.wait_for_receipt(first.promise.payment, Some(&first.promise)).await?;
    screen.act(
        3,
        &format!(
            "the same request sent twice     one payment, the same answer twice, position {}",
            first.promise.position
        ),
    );
    let payment: PaymentId = first.promise.payment;
    screen.fact(
        "twice",
        &json!({ "payment": payment.to_string(), "position": first.promise.position.number() }),
    );
    Ok(())
}
