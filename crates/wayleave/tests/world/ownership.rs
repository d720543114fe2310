//! Whose account, whose credentials, whose presentation: one chain, or nothing moves.

use api::messages::{NewCustomer, PreparationRequest};
use client::{Outcome, Outgoing};
use credential::claims::Standing;
use credential::{MANDATE, Mandate, TAX_STANDING, TaxStanding};
use record::{AccountProfile, Ending, PaymentTerms, Permit, SettleOrder, Signed};
use seal::{SigningKey, sha256, to_canonical};
use server::roles::issuer::{self, Subject};
use terms::{AccountId, Amount, BusinessDate, Minor};
use wallet::OrderSent;
use wayleave::demo::acts::permitted;
use wayleave::demo::onboard::{Calls, receive};
use wayleave::demo::setup::Stage;
use wayleave::demo::subjects::{FIRMS, MANDATE_LIMIT_MINOR, subjects};

use super::form::{FORM, form};
use super::stage::{World, play};

/// Another company, of which the firms of the demo know nothing.
const OTHER: &str = "nl-kvk:12345678";

/// The tax office and the register would say of another company what they say of Brightwater.
fn with_subjects_of_another(stage: &Stage) -> anyhow::Result<()> {
    let today = server::system::now().date();
    let tax = TaxStanding {
        company: OTHER.parse()?,
        standing: Standing::Good,
        as_of: BusinessDate::from_days(today.days() - 1),
        residence: "NL".parse()?,
        tax_number: "NL111111111B01".into(),
    };
    let mandate = Mandate {
        mandate_id: "other-clerk-1".into(),
        company: OTHER.parse()?,
        person: "clerk-1".into(),
        role: "payments clerk".into(),
        limit: Amount::new(Minor::new(MANDATE_LIMIT_MINOR), "EUR.2@tcb-sandbox".parse()?),
        approvals_required: 1,
        valid_until: BusinessDate::from_days(today.days() + 365),
    };
    let mut all = subjects(stage)?;
    all.subjects.push(Subject::of("brightwater-othertax", "tax-nl", &tax));
    all.subjects.push(Subject::of("brightwater-othermandate", "register-nl", &mandate));
    let config = issuer::example_config(stage.common("issuers"), "operator");
    issuer::write_example(&stage.folder("issuers"), &config, &all)?;
    Ok(())
}

#[test]
fn a_registration_with_anothers_tax_standing_or_mandate_is_refused() {
    play(async {
        let world = World::changed("subjects", with_subjects_of_another).await?;
        let before = world.balance("brightwater").await?;
        let calls = Calls::new(&world.stage);
        let wallet = world.players.payer.folder();
        let cases = [
            (TAX_STANDING, "tax-nl", "tax", "othertax"),
            (MANDATE, "register-nl", "mandate", "othermandate"),
        ];
        for (credential_type, issuer, own, others) in cases {
            assert_eq!(wallet.forget_credentials(credential_type)?, 1);
            receive(&world.stage, &calls, &FIRMS[0], others, issuer).await?;
            let refused = world.refused("SD-1", 10_000).await?;
            assert_eq!(refused.code, "SubjectsDiffer", "{others}: {}", refused.words);
            assert!(refused.receipt.is_some(), "{others}: a refusal has a receipt");
            assert_eq!(world.balance("brightwater").await?, before);
            wallet.forget_credentials(credential_type)?;
            receive(&world.stage, &calls, &FIRMS[0], own, issuer).await?;
        }
        world.settled("SD-2", 10_000).await?;
        Ok(())
    });
}

#[test]
fn an_order_from_anothers_account_is_refused_by_the_edge() {
    play(async {
        let world = World::new("others-account").await?;
        let request = world.invoice("OA-1", 10_000).await?;
        let payer = &world.players.payer;
        let quote = payer.quote(&request, payer.new_payment()?).await?;
        let debited_account = world.stage.account("brightwater")?;
        let refund_of = None;
        let asked = PreparationRequest { layout: 1, request, quote, debited_account, refund_of };
        let post = || Outgoing::post("/v1/preparations", api::wire::CBOR, to_canonical(&asked));
        // The owner may; another customer with a key of its own, and a bank's key, may not.
        assert!(matches!(world.send("brightwater", "bank-nl.1", post()).await, Outcome::Answer(_)));
        for other in ["lim", "blacktide", "bank-sg.1", "operator"] {
            match world.send(other, "bank-nl.1", post()).await {
                Outcome::Refused(problem) => {
                    assert_eq!(problem.status, 403, "{other}: {problem:?}")
                }
                outcome => panic!("{other}: {outcome:?}"),
            }
        }
        Ok(())
    });
}

/// The bank opens an account for another company and credits it.
async fn account_of_another(world: &World) -> anyhow::Result<AccountId> {
    let account = AccountId::from_bytes([7; 16]);
    let new = NewCustomer {
        layout: 1,
        profile: AccountProfile {
            account,
            owner: OTHER.parse()?,
            name: "Another B.V.".into(),
            client_key: SigningKey::from_seed(&[9; 32]).public_key(),
        },
        asset: FIRMS[0].asset.parse()?,
    };
    let calls = Calls::new(&world.stage);
    let body = to_canonical(&new);
    calls.post("bank-nl.1", "core", "/v1/customers", api::wire::CBOR, body).await?;
    Ok(account)
}

/// The permit with something changed, signed with the institution's own key.
fn signed_anew(
    world: &World,
    edge: &str,
    permit: &Signed<Permit>,
    change: impl FnOnce(&mut Permit),
) -> anyhow::Result<Signed<Permit>> {
    let mut content = permit.read_unverified()?;
    change(&mut content);
    Ok(Signed::sign(&content, &world.stage.key(edge, "permit")?))
}

#[test]
fn a_dishonest_edge_signs_a_permit_on_anothers_account_and_the_core_refuses() {
    play(async {
        let world = World::new("dishonest").await?;
        let others = account_of_another(&world).await?;
        let payer = &world.players.payer;
        let request = world.invoice("DE-1", 10_000).await?;
        let ready = permitted(payer, &request, 60).await?.expect("permitted");
        let honest = payer.order(&ready.hand, &ready.permits)?;
        let mut terms = PaymentTerms::from_terms_string(&honest.terms)?;
        terms.debited_account = others;
        let terms = terms.to_terms_string();
        let digest = sha256(terms.as_bytes());
        // All that signatures can make right is right: only the book knows whose account it is.
        let on = |permit: &mut Permit| permit.terms = digest;
        let order = SettleOrder {
            debtor_permit: signed_anew(&world, "bank-nl.1", &honest.debtor_permit, on)?,
            creditor_permit: signed_anew(&world, "bank-sg.1", &honest.creditor_permit, on)?,
            terms,
            ..honest.clone()
        };
        let OrderSent::Answered(promise) = payer.send_order(&order).await? else {
            anyhow::bail!("no answer");
        };
        assert_eq!(promise.promise.outcome, Ending::Refused("OwnersDiffer".into()));

        // An account of another institution's customer: not this institution's to debit.
        let request = world.invoice("DE-2", 10_000).await?;
        let ready = permitted(payer, &request, 60).await?.expect("permitted");
        let honest = payer.order(&ready.hand, &ready.permits)?;
        let mut terms = PaymentTerms::from_terms_string(&honest.terms)?;
        terms.debited_account = world.stage.account("blacktide")?;
        let terms = terms.to_terms_string();
        let digest = sha256(terms.as_bytes());
        let on = |permit: &mut Permit| permit.terms = digest;
        let order = SettleOrder {
            debtor_permit: signed_anew(&world, "bank-nl.1", &honest.debtor_permit, on)?,
            creditor_permit: signed_anew(&world, "bank-sg.1", &honest.creditor_permit, on)?,
            terms,
            ..honest
        };
        let OrderSent::Answered(promise) = payer.send_order(&order).await? else {
            anyhow::bail!("no answer");
        };
        assert!(matches!(promise.promise.outcome, Ending::Refused(_)), "{promise:?}");
        Ok(())
    });
}

#[test]
fn a_presentation_made_for_one_edge_is_worth_nothing_at_the_other_or_for_another_payment() {
    play(async {
        let world = World::new("handed-on").await?;
        let payer = &world.players.payer;
        let first = world.prepared(&world.invoice("PH-1", 10_000).await?).await?;
        let second = world.prepared(&world.invoice("PH-2", 10_000).await?).await?;
        let (first, second) = (payer.present(&first)?, payer.present(&second)?);
        // To B's decision: it asked for nothing, and takes nothing that it did not ask for.
        let token = Some(first.vp_token.as_str());
        let at_b = world.decision("bank-sg.1", &first.creditor, token).await;
        let problem = at_b.expect_err("a presentation that nobody asked for");
        assert_eq!((problem.status, problem.code.as_str()), (400, "bad-request"), "{problem:?}");
        // To where B lets its payees present: with any state of its own or of ours.
        let state = seal::text::to_base64url(&to_canonical(&first.creditor));
        let invoice = world.players.payee.config().account;
        let body = form(&[("vp_token", &first.vp_token), ("state", &state)]);
        let request = Outgoing::post("/v1/invoices/presentations", FORM, body);
        let at_payees = world.send("lim", "bank-sg.1", request).await;
        assert!(matches!(at_payees, Outcome::Refused(_)), "{invoice}: {at_payees:?}");
        // To its own edge, for another payment: another nonce, other terms.
        let crossed = world.decision("bank-nl.1", &second.debtor, token).await.unwrap();
        assert_eq!(crossed.outcome, "refusal", "{crossed:?}");
        assert!(crossed.permit().is_none());
        Ok(())
    });
}
