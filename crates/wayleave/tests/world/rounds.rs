//! How often a payment goes to and fro after its owner agreed.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use wallet::{Decided, OrderSent, PaymentOutcome};

use super::links::Link;
use super::stage::{World, play};

/// Longer than all that two processes compute in a debug build on a busy machine.
const DELAY: Duration = Duration::from_millis(1_500);

#[test]
fn over_slow_links_a_payment_takes_two_exchanges_after_consent() {
    play(async {
        let links = RefCell::new(Vec::new());
        let world = World::changed("rounds", |stage| {
            for role in ["core", "bank-nl.1", "bank-sg.1"] {
                links.borrow_mut().push(Link::before(stage, role)?);
            }
            Ok(())
        })
        .await?;
        let payer = &world.players.payer;
        let request = world.invoice("RO-1", 10_000).await?;
        let mut hand = world.prepared(&request).await?;
        let letters = payer.present(&hand)?;
        for link in links.borrow().iter() {
            link.slow_down(DELAY);
        }
        let consent = Instant::now();
        let Decided::Permitted(permits) = payer.decide(&mut hand, &letters).await? else {
            anyhow::bail!("not permitted");
        };
        let order = payer.order(&hand, &permits)?;
        let OrderSent::Answered(promise) = payer.send_order(&order).await? else {
            anyhow::bail!("no promise");
        };
        let took = consent.elapsed();
        println!("from consent to promise: {took:?}, with {DELAY:?} per exchange");
        assert!(took >= 2 * DELAY, "each exchange is as slow as its link: {took:?}");
        assert!(took < 3 * DELAY, "two exchanges: {took:?}");

        // The wallet counts its own rounds: the same number, for a whole payment.
        for link in links.borrow().iter() {
            link.slow_down(Duration::ZERO);
        }
        let settled = world.settled("RO-2", 10_000).await?;
        assert_eq!(settled.rounds_after_consent, 2);
        let again = payer.settle(&mut hand, &order).await?;
        let PaymentOutcome::Settled(again) = again else { anyhow::bail!("{again:?}") };
        assert_eq!(again.promise.promise, promise.promise);
        Ok(())
    });
}
