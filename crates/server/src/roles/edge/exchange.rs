//! What the debtor's edge says to the creditor's before consent, and what it makes of the answer.

use admission::StatedPayer;
use api::messages::{PreparationRequest, StatementExchange, StatementReply};
use api::{Kind, Problem, problem, wire};
use client::{Outcome, Outgoing};

use super::routes::NOT_RECOGNISED;
use super::state::{Edge, unreachable_peer};
use super::ways::Other;
use crate::web::Refuse;

/// The payee's side asks for a travel-rule message that did not come.
pub(super) const TRAVEL_RULE_MESSAGE_MISSING: Kind = Kind {
    code: "travel-rule-message-missing",
    status: 422,
    title: "Rules here ask for a travel-rule message with the statement",
};
/// The payee's side does not speak of the travel rule at all.
pub(super) const TRAVEL_RULE_NOT_SPOKEN: Kind = Kind {
    code: "travel-rule-not-spoken",
    status: 422,
    title: "The other side's institution takes no travel-rule message",
};
/// What the other side's edge answered to a statement.
#[derive(Debug)]
pub(super) enum Heard {
    /// Its own statement, its acceptance, and the receipt of what was told.
    Reply(Box<StatementReply>),
    /// Its rules ask for a travel-rule message, and it got none; the refusal says so.
    AsksToTell(Box<Problem>),
}

/// Sends our statement, and what the travel rule wants told with it.
pub(super) async fn exchange(
    edge: &Edge,
    other: &Other,
    asked: &PreparationRequest,
    stated: &StatedPayer,
) -> Result<Heard, Refuse> {
    let travel = stated.told.as_ref().map(|told| told.sealed.clone().into());
    let tells = travel.is_some();
    let message = StatementExchange {
        layout: if tells { 2 } else { 1 },
        from: edge.settings.institution,
        sealed: stated.sealed.clone().into(),
        request: asked.request.clone(),
        quote: asked.quote.clone(),
        terms: stated.terms.clone(),
        refund_of: asked.refund_of,
        travel,
    };
    let body = wire::write_cbor(&message);
    match edge.to_other(other, Outgoing::post("/v1/statements", wire::CBOR, body)).await {
        Outcome::Answer(answer) => Ok(Heard::Reply(Box::new(wire::read_cbor(&answer.body)?))),
        Outcome::Refused(theirs) => refused_by_other(theirs, tells).map_err(|ours| (*ours).into()),
        Outcome::NotDone(why) => Err(unreachable_peer(&other.name, &why.to_string())),
        Outcome::Unknown(why) => Err(unreachable_peer(&other.name, &why.to_string())),
    }
}

fn refused_by_other(theirs: Problem, tells: bool) -> Result<Heard, Box<Problem>> {
    if tells && theirs.status == problem::BAD_REQUEST.status {
        // An edge of a build that knows no such message cannot read the request that holds it.
        let ours = Problem::of(&TRAVEL_RULE_NOT_SPOKEN)
            .detail("the payee's institution does not read a statement with a travel-rule message")
            .mend("ask the payee's institution to bring its edge to this version");
        return Err(Box::new(ours));
    }
    let known = [NOT_RECOGNISED, TRAVEL_RULE_MESSAGE_MISSING];
    let kind = known.into_iter().find(|kind| kind.code == theirs.code).unwrap_or(problem::REFUSED);
    let detail = theirs.detail.unwrap_or(theirs.title);
    let ours = Problem::of(&kind)
        .detail(format!("the payee's institution refuses: {detail}"))
        .mend(theirs.mend.unwrap_or_else(|| "ask the payee".to_owned()));
    if kind == TRAVEL_RULE_MESSAGE_MISSING {
        return Ok(Heard::AsksToTell(Box::new(ours)));
    }
    Err(Box::new(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: Kind) -> Problem {
        Problem::of(&kind).detail("as it was said")
    }

    fn code(answer: Result<Heard, Box<Problem>>) -> String {
        match answer {
            Ok(Heard::AsksToTell(ours)) => format!("asks: {}", ours.code),
            Ok(Heard::Reply(_)) => "a reply".to_owned(),
            Err(ours) => ours.code,
        }
    }

    #[test]
    fn an_edge_of_an_older_build_is_told_from_one_that_refuses() {
        let missing = TRAVEL_RULE_MESSAGE_MISSING;
        let rows = [
            (problem::BAD_REQUEST, true, "travel-rule-not-spoken"),
            (problem::BAD_REQUEST, false, problem::REFUSED.code),
            (problem::REFUSED, true, problem::REFUSED.code),
            (NOT_RECOGNISED, true, NOT_RECOGNISED.code),
            (missing, false, "asks: travel-rule-message-missing"),
        ];
        for (kind, tells, expected) in rows {
            assert_eq!(code(refused_by_other(said(kind), tells)), expected);
        }
    }
}
