//! Payments out: what a customer orders to an account whose bank takes no part.
//!
//! The institution names the payment, so nobody can use up an id that is another's; it decides by
//! the pack of a corridor with one side, and what it signs goes to the core by the outbox.

use core::time::Duration;

use admission::{OUT_TERMS_SECONDS, OpenOut, OutRefused, open_out_consent, prepare_out};
use api::messages::{DecisionAnswer, MissingThing};
use api::outgoing::{OutgoingAsk, OutgoingConsent, OutgoingPreparation};
use api::{Caller, Problem, problem, wire};
use axum::Extension;
use axum::extract::State;
use bytes::Bytes;
use record::{OutgoingPayment, OutgoingTerms, Side, Signed};
use seal::text::to_base64url;
use terms::{Amount, CorridorName, Instant, PaymentId};

use super::routes::{
    Answer, Shared, blank_answer, cbor, consent_refused, customer_of, only_owner, refused,
};
use super::state::Edge;
use super::ways::Way;
use crate::system;
use crate::web::Refuse;

/// `POST /v1/outgoing-preparations`.
pub(super) async fn preparation(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let asked: OutgoingAsk = wire::read_cbor(&body)?;
    edge.look.notify_one();
    let way = edge.way(asked.corridor, Side::Debtor)?;
    if way.other.is_some() {
        let detail = format!("somebody stands for the payee on `{}`", way.corridor);
        return Err(refused(&problem::REFUSED, &detail, "pay a request to pay of the payee's"));
    }
    sound(&asked).map_err(|wrong| {
        refused(&problem::REFUSED, &wrong, "check name, account, bank and address with the payee")
    })?;
    let lists = edge.lists()?;
    let account = edge.account(asked.debited_account).await?;
    only_owner(&caller, account.client_key)?;
    let customer = customer_of(&edge, account.owner)?;
    let desk = edge.desk(way, &lists);
    let id = system::time_ordered_bytes().map_err(|_| Problem::of(&problem::FAULT))?;
    let end = desk.now.plus(Duration::from_secs(OUT_TERMS_SECONDS));
    let terms = OutgoingTerms {
        payment: PaymentId::from_bytes(id),
        environment: desk.environment,
        book: desk.book,
        corridor: way.corridor,
        debited_account: asked.debited_account,
        amount: asked.amount,
        fee: Amount::new(way.fee, asked.amount.asset),
        to: asked.to,
        address: asked.address,
        end_to_end_id: asked.end_to_end_id,
        purpose: asked.purpose,
        expires_at: Instant::from_seconds(end.seconds()),
    };
    let prepared =
        prepare_out(&desk, &terms, &account, customer).map_err(|error| not_prepared(&error))?;
    let missing = prepared.missing.into_iter().map(|one| MissingThing {
        code: one.reason.code,
        what: one.reason.sentence,
        mend: one.reason.mend,
    });
    Ok(cbor(&OutgoingPreparation {
        layout: 1,
        terms: prepared.terms,
        ticket: prepared.ticket.into(),
        ask: prepared.ask.to_json().to_string(),
        missing: missing.collect(),
        rules: way.rules(),
    }))
}

/// A consent to a payment out, by the owner of the account, and the way that decides it.
pub(super) fn opened(
    edge: &Edge,
    caller: &Caller,
    consent: &OutgoingConsent,
) -> Result<(OpenOut, (CorridorName, Side)), Refuse> {
    let corridor = OutgoingTerms::from_terms_string(&consent.terms)
        .map_err(|error| consent_refused(&error.into()))?
        .corridor;
    let way = edge.way(corridor, Side::Debtor)?;
    let lists = edge.lists()?;
    let open = open_out_consent(&edge.desk(way, &lists), &consent.ticket, &consent.terms)
        .map_err(|error| consent_refused(&error))?;
    only_owner(caller, open.ticket().client_key)?;
    Ok((open, (way.corridor, way.side)))
}

/// What the wallet gets for an order: the order itself, which is on its way to the core.
pub(super) fn answer(way: &Way, order: &Signed<OutgoingPayment>) -> DecisionAnswer {
    let own = way.packs.own().digest();
    let pack = order.read_unverified().map_or(own, |order| order.basis.pack);
    let mut answer = blank_answer(way.rules(), pack);
    "permit".clone_into(&mut answer.outcome);
    answer.document = Some(to_base64url(&order.to_bytes()));
    answer
}

/// What no rail would carry is refused before anybody is asked for anything.
fn sound(asked: &OutgoingAsk) -> Result<(), String> {
    let text = |field: &str, error: &dyn core::fmt::Display| format!("`{field}`: {error}");
    let number = asked.to.account.as_str();
    let like_iban = number.bytes().take(2).all(|b| b.is_ascii_uppercase())
        && number.bytes().skip(2).take(2).all(|b| b.is_ascii_digit());
    if like_iban {
        number.parse::<iso20022::Iban>().map_err(|error| text("account", &error))?;
    } else if number.is_empty() || number.len() > ACCOUNT_CHARACTERS_MAX {
        return Err(format!("`account`: expected at most {ACCOUNT_CHARACTERS_MAX} characters"));
    }
    asked.to.bic.parse::<iso20022::Bic>().map_err(|error| text("bic", &error))?;
    let country = asked.address.country.as_str();
    let two = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    if asked.address.town.trim().is_empty() || !two {
        return Err("`address`: expected a town and a country of two letters".to_owned());
    }
    // The corridor says where to: the rules of one country are not asked for another.
    let to = asked.corridor.as_str().rsplit('-').next().unwrap_or_default();
    if !to.eq_ignore_ascii_case(country) {
        return Err(format!("`country`: expected that of `{}`, got `{country}`", asked.corridor));
    }
    Ok(())
}

fn not_prepared(error: &OutRefused) -> Refuse {
    refused(&problem::REFUSED, &error.to_string(), "correct the order")
}

/// Of an account that has no IBAN: ISO 20022 `Max34Text`.
const ACCOUNT_CHARACTERS_MAX: usize = 34;
