//! Payments to a payee whose bank takes no part, over the rail simulator that loses, delays,
//! duplicates and rejects, while the core is killed: the payer loses what left, once, and nothing
//! else. No edge makes these orders yet: the test signs with the bank's own key.

use std::time::Duration;

use api::outgoing::{OutgoingRequest, OutgoingStanding};
use client::{Outcome, Outgoing};
use record::{
    Ending, Identifiers, OutgoingParties, OutgoingPayment, OutsideAddress, OutsideParty,
    PackNotice, PackStanding, Permit, Side, Signed,
};
use seal::{sha256, to_canonical};
use server::roles::rail::desk::Verdict;
use server::roles::supervisor::{Edits, JsonSide, TrustEdit, trust_edits_of};
use server::system;
use terms::{Amount, Minor, PaymentId, Uetr};
use wayleave::demo::acts::permitted;
use wayleave::demo::onboard::Calls;

use super::after::receipt_says;
use super::bank::{all_agree, some_moment};
use super::rails::{executed, simulator, stormy, with_simulator};
use super::stage::{World, play, until};

const SENT: u128 = 2_500;
const FEE: u128 = 75;

/// The payer's bank may act on a corridor where nobody stands for the payee, by a pack of its own.
async fn open_way_out(world: &World) -> anyhow::Result<()> {
    let edits = trust_edits_of(&world.stage.trust_list("NL")?);
    let more = edits.into_iter().find_map(|edit| match edit {
        TrustEdit::PutInstitution { mut institution } if institution.institution == "bank-nl" => {
            let side = JsonSide { corridor: "nl-out".into(), side: "debtor".into() };
            institution.sides.push(side);
            Some(TrustEdit::PutInstitution { institution })
        }
        _ => None,
    });
    let edits = Edits { reason: "payments out".into(), edits: vec![more.unwrap()] };
    let calls = Calls::new(&world.stage);
    calls.post_json("operator", "supervisor-nl", "/v1/trust-list/edits", &edits).await?;
    let notice = PackNotice {
        layout: 1,
        environment: "sandbox".parse()?,
        institution: "bank-nl".parse()?,
        corridor: "nl-out".parse()?,
        side: Side::Debtor,
        pack: sha256(b"the pack of payments out"),
        schema: sha256(b"schema"),
        standing: PackStanding::InForce,
    };
    let signed = Signed::sign(&notice, &world.stage.key("bank-nl.1", "permit")?);
    let request = Outgoing::post("/v1/packs", api::wire::CBOR, to_canonical(&signed));
    let said = world.send("bank-nl.1", "core", request).await;
    anyhow::ensure!(matches!(said, Outcome::Answer(_)), "no pack: {said:?}");
    Ok(())
}

/// What the bank's edge found of the payer when it last decided: owner, lists, its own mark.
async fn like(world: &World) -> anyhow::Result<Permit> {
    let request = world.invoice("OUT-0", 1_000).await?;
    let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
    let order = world.players.payer.order(&ready.hand, &ready.permits)?;
    Ok(order.debtor_permit.read_unverified()?)
}

fn parties(payment: PaymentId) -> anyhow::Result<OutgoingParties> {
    let mut salt = [0; 32];
    for (to, from) in salt.iter_mut().zip(sha256(&system::time_ordered_bytes()?).as_bytes()) {
        *to = *from;
    }
    Ok(OutgoingParties {
        layout: 1,
        salt: salt.into(),
        payer_name: "Brightwater B.V.".into(),
        to: OutsideParty {
            name: "Atelier Nord SARL".into(),
            account: "FR7630006000011234567890189".into(),
            bic: "AGRIFRPP".into(),
        },
        address: OutsideAddress {
            street: "Rue du Port".into(),
            building: "4".into(),
            post_code: "59000".into(),
            town: "Lille".into(),
            country: "FR".into(),
        },
        identifiers: Identifiers {
            uetr: Uetr::from_random(payment.bytes()),
            end_to_end_id: "INV-2026-7".into(),
            instruction_id: "1".into(),
        },
        payer_address: None,
        payer_account: None,
        purpose: None,
    })
}

fn order(world: &World, like: &Permit) -> anyhow::Result<OutgoingRequest> {
    let payment = PaymentId::from_bytes(system::time_ordered_bytes()?);
    let asset = "EUR.2@tcb-sandbox".parse()?;
    let now = system::now();
    let parties = parties(payment)?;
    let mut basis = like.basis.clone();
    (basis.pack, basis.schema) = (sha256(b"the pack of payments out"), sha256(b"schema"));
    let order = OutgoingPayment {
        layout: 1,
        environment: "sandbox".parse()?,
        book: "settlement".parse()?,
        payment,
        corridor: "nl-out".parse()?,
        institution: "bank-nl".parse()?,
        owner: like.owner,
        debited_account: world.stage.account("brightwater")?,
        amount: Amount::new(Minor::new(SENT), asset),
        fee: Amount::new(Minor::new(FEE), asset),
        parties: parties.commitment(),
        uetr: parties.identifiers.uetr,
        basis,
        record: sha256(b"the decision record"),
        mark: like.mark,
        decided_at: now,
        valid_until: now.plus(Duration::from_secs(60)),
        terms: None,
        limits: None,
    };
    let order = Signed::sign(&order, &world.stage.key("bank-nl.1", "permit")?);
    Ok(OutgoingRequest { layout: 1, order, parties, terms: None })
}

async fn pay(world: &World, order: &OutgoingRequest) -> Result<OutgoingStanding, String> {
    let request = Outgoing::post("/v1/outgoing-payments", api::wire::CBOR, to_canonical(order));
    match world.send("bank-nl.1", "core", request).await {
        Outcome::Answer(answer) => Ok(seal::from_canonical(&answer.body).unwrap()),
        other => Err(format!("{other:?}")),
    }
}

async fn ended(world: &World, order: &OutgoingRequest) -> anyhow::Result<Ending> {
    until("the payment has an end", || async {
        let said = pay(world, order).await.ok().and_then(|standing| standing.ended);
        Ok(said.map(|answer| answer.promise.read_unverified().unwrap().outcome))
    })
    .await
}

/// Payer and supervisor each have a receipt, and it verifies without any server.
async fn proven(world: &World, payment: PaymentId, kind: &str) -> anyhow::Result<()> {
    for reader in ["brightwater", "supervisor-nl"] {
        receipt_says(world, reader, payment, kind).await?;
    }
    Ok(())
}

#[test]
fn a_payment_out_over_a_stormy_rail_costs_the_payer_what_left_whoever_dies() {
    play(async {
        let mut world =
            World::changed("outgoing", |stage| with_simulator(stage, &stormy(), 120_000)).await?;
        let _rail = simulator(&world.stage).await?;
        open_way_out(&world).await?;
        let before = world.balance("brightwater").await?.units();
        let like = until("the core knows the way out", || async {
            // A client has so many open quotes and no more; and lists that change make permits old.
            tokio::time::sleep(Duration::from_millis(700)).await;
            let found = like(&world).await?;
            let said = pay(&world, &order(&world, &found)?).await;
            Ok(said.is_ok_and(|standing| standing.phase != "none").then_some(found))
        })
        .await?;
        // What the first one came to is told by the balances below, with the rail's own file.
        let (mut settled, mut refused) = (0_u128, 0_u128);
        for round in 0..5 {
            let mut orders = Vec::new();
            for _ in 0..3 {
                let order = order(&world, &like)?;
                let _ = pay(&world, &order).await;
                orders.push(order);
            }
            tokio::time::sleep(some_moment(400)).await;
            world.process("core").kill()?;
            world.process("core").start_again()?;
            world.process("core").ready().await?;
            for order in &orders {
                let payment = order.order.read_unverified()?.payment;
                let ending = ended(&world, order).await?;
                let said = executed(&world.stage)?;
                let at_rail = said.get(&seal::text::to_hex(&payment.bytes()));
                let times = at_rail.map_or(0, |(_, times)| *times);
                match &ending {
                    Ending::Settled => {
                        settled += 1;
                        assert_eq!(times, 1, "{payment} left once");
                        proven(&world, payment, "payment out").await?;
                    }
                    Ending::Refused(code) => {
                        refused += 1;
                        assert_eq!(times, 0, "{payment} was refused: {code}");
                        assert!(at_rail.is_none_or(|(last, _)| *last != Verdict::Executed));
                        let taken = code == "RailRefused" || code == "InstructionExpired";
                        let kind = if taken { "payment out" } else { "refused payment" };
                        proven(&world, payment, kind).await?;
                    }
                }
            }
            println!("round {round}: {settled} settled, {refused} refused so far");
        }
        all_agree(&world).await?;
        let all: u32 = executed(&world.stage)?.values().map(|(_, times)| *times).sum();
        let left = before - world.balance("brightwater").await?.units();
        assert_eq!(left, u128::from(all) * (SENT + FEE), "each that left, once, with its fee");
        assert!(settled > 0 && u128::from(all) >= settled);
        Ok(())
    });
}
