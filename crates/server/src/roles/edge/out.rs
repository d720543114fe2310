//! Payments out: what a customer orders to an account whose bank takes no part.
//!
//! The institution names the payment, so nobody can use up an id that is another's; it decides by
//! the pack of a corridor with one side, and what it signs goes to the core by the outbox.

use core::time::Duration;

use admission::{OUT_TERMS_SECONDS, OpenOut, OutRefused, open_out_consent, prepare_out};
use api::messages::DecisionAnswer;
use api::outgoing::{OutgoingAsk, OutgoingConsent, OutgoingPreparation};
use api::{Caller, Problem, problem, wire};
use axum::Extension;
use axum::extract::State;
use bytes::Bytes;
use record::{OutgoingParties, OutgoingPayment, OutgoingTerms, Side, Signed};
use seal::text::to_base64url;
use terms::{Amount, CorridorName, Instant, PaymentId};

use super::routes::{
    Answer, Shared, blank_answer, cbor, consent_refused, customer_of, missing_thing, only_owner,
    refused,
};
use super::state::Edge;
use super::ways::{Way, rules_of};
use crate::system;
use crate::web::Refuse;

/// `POST /v1/outgoing-preparations`.
pub(super) async fn preparation(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    edge.may_ask(&caller)?;
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
    let pack = way.packs.of(account.owner, edge.now())?;
    let desk = edge.desk(way, &lists, &pack);
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
    let missing = prepared.missing.iter().map(|one| missing_thing(&pack, &one.reason));
    Ok(cbor(&OutgoingPreparation {
        layout: 1,
        terms: prepared.terms,
        ticket: prepared.ticket.into(),
        ask: prepared.ask.to_json().to_string(),
        missing: missing.collect(),
        rules: rules_of(&pack),
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
    let pack = way.packs.in_force()?;
    let open = open_out_consent(&edge.desk(way, &lists, &pack), &consent.ticket, &consent.terms)
        .map_err(|error| consent_refused(&error))?;
    only_owner(caller, open.ticket().client_key)?;
    Ok((open, (way.corridor, way.side)))
}

/// What the wallet gets for an order: the order itself, which is on its way to the core.
pub(super) fn answer(
    way: &Way,
    order: &Signed<OutgoingPayment>,
    parties: &OutgoingParties,
) -> DecisionAnswer {
    let own = way.packs.own().digest();
    let pack = order.read_unverified().map_or(own, |order| order.basis.pack);
    let mut answer = blank_answer(way.rules(), pack);
    "permit".clone_into(&mut answer.outcome);
    answer.document = Some(to_base64url(&order.to_bytes()));
    answer.parties = Some(to_base64url(&seal::to_canonical(parties)));
    answer
}

/// What no rail would carry is refused before anybody is asked for anything.
fn sound(asked: &OutgoingAsk) -> Result<(), String> {
    let text = |field: &str, error: &dyn core::fmt::Display| format!("`{field}`: {error}");
    // The corridor says where to: the rules of one country are not asked for another. What the
    // payer says of the country is not enough: the money goes where account and bank are.
    let to = asked.corridor.as_str().rsplit('-').next().unwrap_or_default().to_ascii_uppercase();
    let in_country = |field: &str, got: &str| {
        if got == to {
            return Ok(());
        }
        Err(format!("`{field}`: expected the country of `{}`, got `{got}`", asked.corridor))
    };
    let number = asked.to.account.as_str();
    if like_iban(number) {
        number.parse::<iso20022::Iban>().map_err(|error| text("account", &error))?;
        in_country("account", number.get(..2).unwrap_or_default())?;
    } else if number.is_empty() || number.len() > ACCOUNT_CHARACTERS_MAX {
        return Err(format!("`account`: expected at most {ACCOUNT_CHARACTERS_MAX} characters"));
    }
    asked.to.bic.parse::<iso20022::Bic>().map_err(|error| text("bic", &error))?;
    in_country("bic", asked.to.bic.get(4..6).unwrap_or_default())?;
    let country = asked.address.country.as_str();
    let two = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    if asked.address.town.trim().is_empty() || !two {
        return Err("`address`: expected a town and a country of two letters".to_owned());
    }
    in_country("country", country)
}

/// Two letters and two digits, in whatever case and after whatever spaces: then it must be an IBAN
/// as written on paper, and is no number of another kind.
fn like_iban(number: &str) -> bool {
    let mut shown = number.bytes().filter(|b| !b.is_ascii_whitespace());
    let letters = shown.by_ref().take(2).filter(u8::is_ascii_alphabetic).count();
    letters == 2 && shown.take(2).filter(u8::is_ascii_digit).count() == 2
}

fn not_prepared(error: &OutRefused) -> Refuse {
    refused(&problem::REFUSED, &error.to_string(), "correct the order")
}

/// Of an account that has no IBAN: ISO 20022 `Max34Text`.
const ACCOUNT_CHARACTERS_MAX: usize = 34;

#[cfg(test)]
mod tests {
    use record::{OutsideAddress, OutsideParty};
    use terms::AccountId;

    use super::*;

    fn asked(account: &str, bic: &str, country: &str) -> OutgoingAsk {
        OutgoingAsk {
            layout: 1,
            corridor: "nl-ch".parse().unwrap(),
            debited_account: AccountId::from_bytes([1; 16]),
            amount: Amount::new(terms::Minor::new(1), "EUR.2@tcb-sandbox".parse().unwrap()),
            to: OutsideParty {
                name: "Werkhof AG".into(),
                account: account.into(),
                bic: bic.into(),
            },
            address: OutsideAddress {
                street: String::new(),
                building: String::new(),
                post_code: String::new(),
                town: "Basel".into(),
                country: country.into(),
            },
            end_to_end_id: "INV-7".into(),
            purpose: "SUPP".into(),
        }
    }

    #[test]
    fn account_bank_and_address_are_all_in_the_corridors_country() {
        let (iban, bic) = ("CH9300762011623852957", "POFICHBEXXX");
        assert_eq!(sound(&asked(iban, bic, "CH")), Ok(()));
        assert_eq!(sound(&asked("01-162-8", bic, "CH")), Ok(()), "a number of another kind");
        for (account, bic, country, field) in [
            ("NL91ABNA0417164300", bic, "CH", "`account`"),
            ("ch9300762011623852957", bic, "CH", "`account`"),
            ("CH93 0076 2011 6238 5295 8", bic, "CH", "`account`"),
            (" nl91ABNA0417164300", bic, "CH", "`account`"),
            (iban, "ABNANL2A", "CH", "`bic`"),
            (iban, bic, "NL", "`country`"),
            ("", bic, "CH", "`account`"),
        ] {
            let told = sound(&asked(account, bic, country)).unwrap_err();
            assert!(told.starts_with(field), "{account} {bic} {country}: {told}");
        }
    }
}
