//! Returns between banks that keep their own books, over the real processes: the duty to return
//! ends, each return moves money once, and the books agree, whoever dies in between.

use std::time::Duration;

use api::bank::{AllDuties, BankAnswer, BankStep};
use api::messages::OrderAnswer;
use client::{Client, Outcome, Outgoing, Peer};
use record::{
    Ending, GuaranteeRequest, PaymentTerms, RateGuarantee, ReturnAsk, ReturnConsent, ReturnOrder,
    ReturnRate, SettleOrder, Signed,
};
use seal::{SigningKey, to_canonical};
use server::keys::REQUEST_KEY;
use server::system;
use terms::PaymentId;
use wallet::OrderSent;
use wayleave::demo::acts::permitted;
use wayleave::demo::setup::OwnBooks;

use super::bank::{all_agree, freeze, some_moment};
use super::stage::{World, play, until};

const PAID: u128 = 1_000;

async fn paid(world: &World, number: &str) -> anyhow::Result<(SettleOrder, PaymentTerms)> {
    let request = world.invoice(number, PAID).await?;
    let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
    let order = world.players.payer.order(&ready.hand, &ready.permits)?;
    let terms = PaymentTerms::from_terms_string(&order.terms)?;
    Ok((order, terms))
}

async fn settle(world: &World, order: &SettleOrder) -> anyhow::Result<()> {
    let OrderSent::Answered(promise) = world.players.payer.send_order(order).await? else {
        anyhow::bail!("no answer");
    };
    assert_eq!(promise.promise.outcome, Ending::Settled);
    Ok(())
}

async fn guarantee(world: &World, paid: &SettleOrder) -> anyhow::Result<Signed<RateGuarantee>> {
    let request = GuaranteeRequest { layout: 1, quote: paid.quote.digest() };
    let request = Outgoing::post("/v1/guarantees", api::wire::CBOR, to_canonical(&request));
    match world.send("bank-sg.1", "fx-dealer", request).await {
        Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body)?),
        other => anyhow::bail!("no guarantee: {other:?}"),
    }
}

/// The return of a whole payment, as the payee's bank signs it.
async fn back(
    world: &World,
    paid: &SettleOrder,
    consent: Option<Signed<ReturnConsent>>,
) -> anyhow::Result<(ReturnAsk, ReturnOrder)> {
    let terms = PaymentTerms::from_terms_string(&paid.terms)?;
    let guarantee = guarantee(world, paid).await?;
    let credited = guarantee.read_unverified()?.back_for(terms.credited).expect("small");
    let now = system::now();
    let order = ReturnOrder {
        layout: 1,
        environment: terms.environment,
        book: terms.book,
        payment: PaymentId::from_bytes(system::time_ordered_bytes()?),
        original: terms.payment,
        institution: "bank-sg".parse()?,
        reason: "AC04".into(),
        amount: terms.credited,
        credited,
        rate: ReturnRate::Guaranteed(guarantee),
        fees_kept: paid.quote.read_unverified()?.fees,
        decided_at: now,
        valid_until: now.plus(Duration::from_secs(600)),
    };
    let signed = Signed::sign(&order, &world.stage.key("bank-sg.1", "permit")?);
    Ok((ReturnAsk { layout: 1, order: signed, consent }, order))
}

/// The payee's bank, as it asks the core.
struct Edge {
    client: Client,
    core: Peer,
    key: SigningKey,
}

impl Edge {
    fn of(world: &World) -> anyhow::Result<Self> {
        let core = world.stage.peer("core")?;
        let core = Peer::signing(&core.url, core.key(REQUEST_KEY).expect("a key"))?;
        let key = world.stage.key("bank-sg.1", REQUEST_KEY)?;
        Ok(Self { client: world.stage.common("nobody").client(), core, key })
    }

    async fn ask(&self, ask: &ReturnAsk) -> Option<Ending> {
        let request = Outgoing::post("/v1/returns", api::wire::CBOR, to_canonical(ask));
        match self.client.send(&self.core, request, &self.key).await {
            Outcome::Answer(answer) => {
                let answer: OrderAnswer = seal::from_canonical(&answer.body).unwrap();
                Some(answer.promise.read_unverified().unwrap().outcome)
            }
            _ => None,
        }
    }
}

async fn ended(world: &World, order: &ReturnAsk) -> anyhow::Result<Ending> {
    let edge = Edge::of(world)?;
    until("the return has an end", || async { Ok(edge.ask(order).await) }).await
}

async fn owed(world: &World) -> anyhow::Result<Vec<String>> {
    match world.send("operator", "bank-b", Outgoing::get("/v1/duties")).await {
        Outcome::Answer(answer) => {
            let told: AllDuties = serde_json::from_slice(&answer.body)?;
            Ok(told.duties[0].owed.iter().map(|one| one.payment.clone()).collect())
        }
        other => anyhow::bail!("no duties: {other:?}"),
    }
}

/// Sends the return and kills in the middle of it; says what was acknowledged and how it ended.
async fn killed_at(
    world: &mut World,
    victims: &[&str],
    order: &ReturnAsk,
) -> anyhow::Result<(Option<Ending>, Ending)> {
    let moment = some_moment(12);
    let (client, order_now) = (Edge::of(world)?, order.clone());
    let sending = tokio::spawn(async move { client.ask(&order_now).await });
    tokio::time::sleep(moment).await;
    for victim in victims {
        world.process(victim).kill()?;
    }
    tokio::time::sleep(some_moment(200)).await;
    for victim in victims.iter().rev() {
        world.process(victim).start_again()?;
    }
    for victim in victims {
        world.process(victim).ready().await?;
    }
    let heard = sending.await?;
    let ending = ended(world, order).await?;
    Ok((heard, ending))
}

#[test]
fn banks_with_their_own_books_return_what_they_cannot_credit_whoever_dies() {
    play(async {
        let mut world = World::with_books("own-returns", OwnBooks::Both).await?;
        let before = (world.balance("brightwater").await?, world.balance("lim").await?);
        let (mut left, mut came_back) = (0, 0);
        let rounds: [&[&str]; 7] = [
            &[],
            &["bank-b"],
            &["bank-a"],
            &["core"],
            &["bank-b", "core"],
            &["bank-a", "bank-b"],
            &["bank-a", "core"],
        ];
        for (round, victims) in rounds.into_iter().enumerate() {
            let (order, terms) = paid(&world, &format!("OR-{round}")).await?;
            freeze(&world, api::bank::Refuses::Credits).await?;
            settle(&world, &order).await?;
            left += terms.debited.minor.units();
            until("the bank owes a return", || async {
                Ok((owed(&world).await? == [terms.payment.to_string()]).then_some(()))
            })
            .await?;
            freeze(&world, api::bank::Refuses::Nothing).await?;
            let mut ending = Ending::Refused(String::new());
            let mut tries = 0;
            // A return that a crash interrupted was refused, moved nothing and is still owed.
            while ending != Ending::Settled {
                assert!(tries < 6, "round {round}: {ending}");
                tries += 1;
                let (ask, document) = back(&world, &order, None).await?;
                let victims = if tries == 1 { victims } else { &[] };
                let (heard, said) = killed_at(&mut world, victims, &ask).await?;
                if let Some(heard) = heard {
                    assert_eq!(heard, said, "what was acknowledged stays");
                }
                if said == Ending::Settled {
                    came_back += document.credited.minor.units();
                } else {
                    assert_eq!(said, Ending::Refused("OrderInterrupted".into()));
                }
                ending = said;
            }
            all_agree(&world).await?;
            assert_eq!(owed(&world).await?, Vec::<String>::new(), "the duty is over");
            let more = ended(&world, &back(&world, &order, None).await?.0).await?;
            assert!(matches!(&more, Ending::Refused(rule) if rule == "ReturnExceedsOriginal"));
        }
        all_agree(&world).await?;
        assert_eq!(world.balance("lim").await?, before.1, "the payee's account took nothing");
        let now = world.balance("brightwater").await?.units();
        assert_eq!(now, before.0.units() - left + came_back, "returned once each");
        Ok(())
    });
}

#[test]
fn a_return_waits_for_the_payers_bank_that_is_away_and_needs_the_payees_consent() {
    play(async {
        let mut world = World::with_books("own-return-away", OwnBooks::Both).await?;
        let (order, terms) = paid(&world, "OA-1").await?;
        settle(&world, &order).await?;
        all_agree(&world).await?;
        let had = (world.balance("brightwater").await?, world.balance("lim").await?);
        // The money reached the payee: its bank alone may not take it.
        let (without, _) = back(&world, &order, None).await?;
        assert_eq!(ended(&world, &without).await?, Ending::Refused("ConsentMissing".into()));
        assert_eq!(world.balance("lim").await?, had.1);
        let consent = world.players.payee.consent_to_return(terms.payment, terms.credited);
        let (with, document) = back(&world, &order, Some(consent)).await?;
        world.process("bank-a").kill()?;
        assert_eq!(ended(&world, &with).await?, Ending::Settled, "final without the payer's bank");
        until("the payee's account is debited", || async {
            let now = world.balance("lim").await?.units();
            Ok((now == had.1.units() - PAID).then_some(()))
        })
        .await?;
        world.process("bank-b").kill()?;
        world.process("bank-b").start_again()?;
        world.process("bank-a").start_again()?;
        for bank in ["bank-a", "bank-b"] {
            world.process(bank).ready().await?;
        }
        all_agree(&world).await?;
        let now = (world.balance("brightwater").await?, world.balance("lim").await?);
        assert_eq!(now.0.units(), had.0.units() + document.credited.minor.units());
        assert_eq!(now.1.units(), had.1.units() - PAID);
        // Neither bank takes a step of a return on the core's word alone.
        let (forged, _) = back(&world, &order, None).await?;
        let step = BankStep::CreditReturn(Box::new(api::bank::ReturnProof {
            promise: of_nobody(&forged),
            order: forged.order.clone(),
            original: api::bank::CreditProof {
                promise: of_nobody(&forged),
                terms: order.terms.clone(),
                permit: order.debtor_permit.clone(),
            },
        }));
        let request = Outgoing::post("/v1/steps", api::wire::CBOR, to_canonical(&step));
        let Outcome::Answer(answer) = world.send("core", "bank-a", request).await else {
            anyhow::bail!("no answer");
        };
        let said: BankAnswer = seal::from_canonical(&answer.body)?;
        let unproven =
            matches!(&said, BankAnswer::Refused { rule, .. } if rule == "EndingNotProven");
        assert!(unproven, "{said:?}");
        Ok(())
    });
}

/// A promise that the log did not sign.
fn of_nobody(ask: &ReturnAsk) -> Signed<record::Promise> {
    let order = ask.order.read_unverified().unwrap();
    let promise = super::bank::promise(order.payment, ask.order.digest(), Ending::Settled);
    Signed::sign(&promise, &SigningKey::from_seed(&[5; 32]))
}
