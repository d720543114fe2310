//! The routes: parse, call one use case of `admission`, map the outcome.

use std::collections::BTreeSet;
use std::sync::Arc;

use admission::raw::RawInputs;
use admission::{
    Answered, AskedToTell, ConsentRefused, Consented, Decided, Desk, ExchangeEntropy,
    ExchangeRefused, Inputs, Lists, Onboarding, OpenConsent, OpenOut, PayeeRefused, Reply, Stated,
    Told, TravelRefused, Travelled, Untrusted, Verdict, Wanted, accept_payee, answer_statement,
    ask_payee, corridor_of_state, decide_creditor, decide_debtor, decide_out, lists_seen,
    open_creditor_consent, open_debtor_consent, prepare, sealed_record, state_payer,
};
use api::messages::{
    Consent, DecisionAnswer, MissingThing, Preparation, PreparationRequest, StatementExchange,
    StatementReply,
};
use api::outgoing::{OutgoingConsent, OutgoingRequest};
use api::{Caller, Kind, Problem, Role, problem, wire};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use minicbor::bytes::ByteVec;
use record::{EdgeMark, Invoice, Parcel, PartyStatement, PaymentTerms, Side, Signed, SpentOn};
use seal::text::{from_base64url, to_base64url};
use seal::{DataKey, Digest, Domain, open_with, seal_with, to_canonical};
use terms::{CompanyId, CorridorName, DecisionId, PaymentId, Sequence};

use super::exchange::{Heard, TRAVEL_RULE_MESSAGE_MISSING, TRAVEL_RULE_NOT_SPOKEN, exchange};
use super::form::read_form;
use super::outbox::{Item, STATEMENTS, TRAVELLED};
use super::referrals;
use super::state::{Edge, disk_fault};
use super::statuses::{AtHand, lists_named_by};
use super::ways::{Way, rules_of};
use crate::system;
use crate::web::{Gate, Refuse};

/// The other side's institution does not count here.
pub(super) const NOT_RECOGNISED: Kind = Kind {
    code: "institution-not-recognised",
    status: 422,
    title: "The other side's institution does not count here",
};
/// Domain of what travelled by the travel rule, sealed under the payment's data key.
const SEALED_TRAVELLED: Domain = Domain::new("wayleave/sealed-travelled/v1");
/// Domain of both statements of a payment, sealed under its data key.
const SEALED_STATEMENTS: Domain = Domain::new("wayleave/sealed-statements/v1");

pub(super) type Shared = State<Arc<Edge>>;
pub(super) type Answer = Result<Response, Refuse>;

/// The routes of the sides that this edge decides, guarded.
pub(super) fn routes(edge: &Arc<Edge>, gate: &Gate) -> Router {
    let wallets = Router::new().route("/v1/decisions", post(decide));
    let has = |side| edge.ways.of(side).next().is_some();
    let wallets = if has(Side::Debtor) {
        let wallets = wallets.route("/v1/preparations", post(preparation));
        wallets.route("/v1/outgoing-preparations", post(super::out::preparation))
    } else {
        wallets
    };
    let (wallets, edges) = if has(Side::Creditor) {
        let statements = Router::new().route("/v1/statements", post(statements));
        let wallets = wallets
            .route("/v1/invoices", post(invoice))
            .route("/v1/invoices/presentations", post(payee_presents));
        (wallets, gate.only(&[Role::Edge], statements.with_state(Arc::clone(edge))))
    } else {
        (wallets, Router::new())
    };
    let operators = Router::new()
        .route("/v1/decisions/{payment}/record", get(record_of))
        .route("/v1/decisions/{payment}/inputs", get(super::kept::replay_file))
        .route("/v1/referrals", get(referrals::list))
        .route("/v1/referrals/{case}", get(referrals::show))
        .route("/v1/referrals/{case}/acts", post(referrals::act));
    edges
        .merge(gate.only(&[Role::Wallet], wallets.with_state(Arc::clone(edge))))
        .merge(gate.only(&[Role::Operator], operators.with_state(Arc::clone(edge))))
}

/// Along which corridor the payee wants to be paid; absent where there is one only.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Along {
    corridor: Option<String>,
}

async fn invoice(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    Query(along): Query<Along>,
    body: Bytes,
) -> Answer {
    edge.may_ask(&caller)?;
    let way = paid_along(&edge, along.corridor.as_deref())?;
    let signed = signed_invoice(&body)?;
    let claimed = signed.read_unverified().map_err(|e| bad_document(&e.to_string()))?;
    let lists = edge.lists()?;
    let account = edge.account(claimed.account).await?;
    only_owner(&caller, account.client_key)?;
    let pack = way.packs.of(account.owner, edge.now())?;
    let desk = edge.desk(way, &lists, &pack);
    let request = ask_payee(&desk, &signed, &account).map_err(|error| payee_refused(&error))?;
    Ok(Json(request.to_json()).into_response())
}

fn paid_along<'a>(edge: &'a Edge, corridor: Option<&str>) -> Result<&'a Way, Refuse> {
    if let Some(corridor) = corridor {
        return edge.way(wire::read_text("corridor", corridor)?, Side::Creditor);
    }
    let mut ways = edge.ways.of(Side::Creditor);
    match (ways.next(), ways.next()) {
        (Some(way), None) => Ok(way),
        _ => {
            let known = edge.ways.of(Side::Creditor).map(|way| way.corridor.to_string());
            let known = known.collect::<Vec<_>>().join(", ");
            Err(Problem::of(&problem::BAD_FIELD)
                .detail("say along which corridor you want to be paid")
                .expected(format!("`?corridor=` one of {known}"))
                .into())
        }
    }
}

async fn payee_presents(State(edge): Shared, body: Bytes) -> Answer {
    let [vp_token, state] = read_form(&body, ["vp_token", "state"])?;
    let (vp_token, state) = (needed("vp_token", vp_token)?, needed("state", state)?);
    let lists = edge.lists()?;
    let named = lists_named_by(&vp_token);
    let at_hand = edge.statuses.fresh(&edge.client, &named, edge.now()).await;
    let statuses = at_hand.statuses();
    let corridor = corridor_of_state(edge.secret(), &state, edge.now());
    let corridor = corridor.map_err(|error| payee_refused(&error))?;
    let way = edge.way(corridor, Side::Creditor)?;
    let pack = way.packs.in_force()?;
    let desk = edge.desk(way, &lists, &pack);
    // Whatever comes of the presentation: a list that was seen is never older again.
    let seen = lists_seen(&desk, &vp_token, statuses);
    edge.statuses.raise(&seen).map_err(|error| disk_fault(&error))?;
    let (ticket, _) =
        accept_payee(&desk, &state, &vp_token, statuses).map_err(|error| payee_refused(&error))?;
    Ok(Json(serde_json::json!({ "ticket": to_base64url(&ticket) })).into_response())
}

async fn preparation(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    edge.may_ask(&caller)?;
    let asked: PreparationRequest = wire::read_cbor(&body)?;
    edge.look.notify_one();
    let lists = edge.lists()?;
    let account = edge.account(asked.debited_account).await?;
    only_owner(&caller, account.client_key)?;
    let customer = customer_of(&edge, account.owner)?;
    let refund_of = asked.refund_of;
    let wanted = Wanted { request: &asked.request, quote: &asked.quote, refund_of };
    let way = edge.way(corridor_of(&asked.quote)?, Side::Debtor)?;
    let other = way.other.as_ref().ok_or_else(|| nobody_stands_there(way))?;
    let pack = way.packs.of(account.owner, edge.now())?;
    let desk = edge.desk(way, &lists, &pack);
    let state = |asked| {
        state_payer(&desk, wanted, &account, (customer, asked), entropy()?)
            .map_err(|error| exchange_refused(&error))
    };
    let mut stated = state(AskedToTell::No)?;
    let reply = match exchange(&edge, other, &asked, &stated).await? {
        Heard::Reply(reply) => *reply,
        // The payee's rules ask where ours do not: told once, and it is their word from here on.
        Heard::AsksToTell(_) if stated.told.is_none() => {
            stated = state(AskedToTell::Yes)?;
            match exchange(&edge, other, &asked, &stated).await? {
                Heard::Reply(reply) => *reply,
                Heard::AsksToTell(refusal) => return Err((*refusal).into()),
            }
        }
        Heard::AsksToTell(refusal) => return Err((*refusal).into()),
    };
    let said = Reply {
        sealed: &reply.sealed,
        acceptance: &reply.acceptance,
        travel: reply.travel.as_ref(),
    };
    let desk = edge.desk(way, &lists, &pack);
    let prepared = prepare(&desk, wanted, &account, &stated, said)
        .map_err(|error| exchange_refused(&error))?;
    let missing = prepared.missing.iter().map(|one| missing_thing(&pack, &one.reason));
    let answer = Preparation {
        layout: 1,
        terms: stated.terms,
        acceptance: reply.acceptance,
        creditor_edge: other.url.clone(),
        debtor_ticket: prepared.ticket.into(),
        creditor_ticket: reply.ticket,
        ask: prepared.ask.map(|ask| ask.to_json().to_string()).unwrap_or_default(),
        missing: missing.collect(),
        rules: rules_of(&pack),
    };
    Ok(cbor(&answer))
}

async fn statements(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let asked: StatementExchange = wire::read_cbor(&body)?;
    // One edge speaks for its own institution only: `bank-nl.1` for `bank-nl`.
    let speaks_for = caller.name().rsplit_once('.').map(|(institution, _)| institution);
    if speaks_for != Some(asked.from.as_str()) {
        return Err(Problem::of(&problem::FORBIDDEN)
            .detail(format!("`{}` does not speak for `{}`", caller.name(), asked.from))
            .into());
    }
    if asked.layout != if asked.travel.is_some() { 2 } else { 1 } {
        let layout = asked.layout;
        return Err(bad_document(&format!("a statement's request of layout {layout} is unknown")));
    }
    edge.look.notify_one();
    let claimed = asked.request.invoice.read_unverified();
    let claimed = claimed.map_err(|e| bad_document(&e.to_string()))?;
    let lists = edge.lists()?;
    let account = edge.account(claimed.account).await?;
    let refund_of = asked.refund_of;
    let wanted = Wanted { request: &asked.request, quote: &asked.quote, refund_of };
    let way = edge.way(corridor_of(&asked.quote)?, Side::Creditor)?;
    let travel = asked.travel.as_ref().map(|sealed| sealed.as_slice());
    let said = Stated { wanted, sealed: &asked.sealed, terms: &asked.terms, travel };
    let pack = way.packs.of(account.owner, edge.now())?;
    let desk = edge.desk(way, &lists, &pack);
    let Answered { sealed, acceptance, ticket, travel } =
        answer_statement(&desk, said, asked.from, &account, entropy()?)
            .map_err(|error| exchange_refused(&error))?;
    let (sealed, ticket) = (sealed.into(), ticket.into());
    let layout = if travel.is_some() { 2 } else { 1 };
    Ok(cbor(&StatementReply { layout, sealed, acceptance, ticket, travel }))
}

async fn decide(State(edge): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let [vp_token, state] = read_form(&body, ["vp_token", "state"])?;
    let state = needed("state", state)?;
    let consent = from_base64url(&state).ok_or_else(|| bad_document("`state` is not base64url"))?;
    if let Ok(consent) = wire::read_cbor::<OutgoingConsent>(&consent) {
        let vp_token = needed("vp_token", vp_token)?;
        let (open, way) = super::out::opened(&edge, &caller, &consent)?;
        let uris = lists_named_by(&vp_token);
        return decide_opened(edge, Opened::Out(open, vp_token), way, uris).await;
    }
    let consent: Consent = wire::read_cbor(&consent)?;
    let lists = edge.lists()?;
    let consented = Consented {
        ticket: &consent.ticket,
        terms: &consent.terms,
        quote: &consent.quote,
        invoice: &consent.invoice,
        acceptance: &consent.acceptance,
    };
    let terms = PaymentTerms::from_terms_string(&consent.terms);
    let corridor = terms.map_err(|error| bad_document(&error.to_string()))?.corridor;
    let way = decided_here(&edge, corridor, vp_token.is_some())?;
    let pack = way.packs.in_force()?;
    let desk = edge.desk(way, &lists, &pack);
    let (open, uris) = match way.side {
        Side::Debtor => {
            let open =
                open_debtor_consent(&desk, &consented).map_err(|error| consent_refused(&error))?;
            only_owner(&caller, open.ticket().client_key)?;
            let vp_token = needed("vp_token", vp_token)?;
            let uris = lists_named_by(&vp_token);
            (Opened::Debtor(open, vp_token), uris)
        }
        Side::Creditor if vp_token.is_some() => {
            // Its payee presented with the request to pay. Whatever comes here was made for
            // somebody else, and what nobody asked for is not even looked at.
            return Err(bad_document("field `vp_token` came, and nothing was asked for"));
        }
        Side::Creditor => {
            let open = open_creditor_consent(&desk, &consented)
                .map_err(|error| consent_refused(&error))?;
            let shown = &open.ticket().payee.shown;
            let uris = shown.iter().filter_map(|one| Some(one.status.as_ref()?.uri.clone()));
            let uris: BTreeSet<String> = uris.collect();
            (Opened::Creditor(open), uris)
        }
    };
    let place = (way.corridor, way.side);
    decide_opened(edge, open, place, uris).await
}

async fn decide_opened(
    edge: Arc<Edge>,
    open: Opened,
    (corridor, side): (CorridorName, Side),
    uris: BTreeSet<String>,
) -> Answer {
    let at_hand = edge.statuses.fresh(&edge.client, &uris, edge.now()).await;
    // Files are waited for outside of the runtime's own threads.
    let decided = tokio::task::spawn_blocking(move || {
        let way = edge.way(corridor, side)?;
        conclude(&edge, way, &open, &at_hand)
    });
    let answer = decided.await.map_err(|_| Refuse::from(Problem::of(&problem::FAULT)))??;
    Ok(Json(answer).into_response())
}

/// The way of a consent. A payer presents with its consent, a payee did so with its request to pay:
/// where an edge decides both sides of a corridor, that tells which it is asked for.
fn decided_here(edge: &Edge, corridor: CorridorName, presents: bool) -> Result<&Way, Refuse> {
    let likely = if presents { Side::Debtor } else { Side::Creditor };
    match edge.ways.find(corridor, likely) {
        Some(way) => Ok(way),
        None => edge.way(corridor, likely.other()),
    }
}

fn corridor_of(quote: &Signed<record::Quote>) -> Result<CorridorName, Refuse> {
    let quote = quote.read_unverified().map_err(|error| bad_document(&error.to_string()))?;
    Ok(quote.corridor)
}

fn nobody_stands_there(way: &Way) -> Refuse {
    let detail = format!("nobody stands for the payee on `{}`", way.corridor);
    refused(&problem::REFUSED, &detail, "order a payment out")
}

/// A consent that is to be decided.
enum Opened {
    Debtor(OpenConsent<admission::DebtorTicket>, String),
    Creditor(OpenConsent<admission::CreditorTicket>),
    Out(OpenOut, String),
}

impl Opened {
    const fn payment(&self) -> PaymentId {
        match self {
            Self::Debtor(open, _) => open.terms().payment,
            Self::Creditor(open) => open.terms().payment,
            Self::Out(open, _) => open.terms().payment,
        }
    }

    /// Whose payment it is on this side.
    const fn owner(&self) -> CompanyId {
        match self {
            Self::Debtor(open, _) => open.ticket().owner,
            Self::Creditor(open) => open.ticket().owner,
            Self::Out(open, _) => open.ticket().owner,
        }
    }

    const fn statements(&self) -> Option<(&Signed<PartyStatement>, &Signed<PartyStatement>)> {
        match self {
            Self::Debtor(open, _) => Some((&open.ticket().sent, &open.ticket().received)),
            Self::Creditor(open) => Some((&open.ticket().sent, &open.ticket().received)),
            // Nobody stands for the payee: none were exchanged.
            Self::Out(..) => None,
        }
    }

    const fn travelled(&self) -> Option<&Travelled> {
        match self {
            Self::Debtor(open, _) => open.ticket().travelled.as_ref(),
            Self::Creditor(open) => open.ticket().travelled.as_ref(),
            // What must travel stands in the order's parties.
            Self::Out(..) => None,
        }
    }
}

/// Decides, with everything durable in its order. If we stop after the number is spent, its gap
/// stands in the outbox; if after the record, the record is delivered and the wallet asks again.
fn conclude(
    edge: &Edge,
    way: &Way,
    open: &Opened,
    at_hand: &AtHand,
) -> Result<DecisionAnswer, Refuse> {
    let payment = open.payment();
    let lists = edge.lists()?;
    if edge.outbox().is_closed() {
        return Err(Problem::of(&problem::NOT_READY).detail("this instance has left").into());
    }
    if let Opened::Out(..) = open
        && let Some(first) = edge.outbox().order(payment).map_err(|error| disk_fault(&error))?
    {
        // Decided before, and on its way: another order for the same payment would be another.
        return Ok(super::out::answer(way, &first.order, &first.parties));
    }
    let sequence = edge.outbox().take(payment).map_err(|error| disk_fault(&error))?;
    let answer = numbered((edge, way), open, sequence, &lists, at_hand);
    if answer.is_err() {
        // Nobody holds an answer under this number.
        edge.outbox().came_to_nothing(sequence).map_err(|error| disk_fault(&error))?;
    }
    answer
}

fn numbered(
    (edge, way): (&Edge, &Way),
    open: &Opened,
    sequence: Sequence,
    lists: &Lists,
    at_hand: &AtHand,
) -> Result<DecisionAnswer, Refuse> {
    let disk = |error: std::io::Error| disk_fault(&error);
    let payment = open.payment();
    let data_key = edge.data_keys().of(payment, random()?).map_err(disk)?;
    let pack = way.packs.of(open.owner(), edge.now())?;
    let desk = edge.desk(way, lists, &pack);
    let mark = EdgeMark { edge: edge.settings.edge, sequence };
    let (decided, raw) = decided(edge, &desk, open, (mark, &data_key), at_hand)?;
    if decided.alarm {
        tracing::error!(%payment, errors = ?decided.record.errors, "the rules themselves failed");
    }
    way.packs.shadow(&decided.record);
    edge.statuses.raise(&decided.high_water).map_err(disk)?;
    edge.kept.keep_statuses(at_hand.statuses()).map_err(disk)?;
    // In one turn: two consents to one payment at the same time would both be the first, and the
    // core would keep one record of the two.
    let mut outbox = edge.outbox();
    if let Opened::Out(..) = open
        && let Some(first) = outbox.order(payment).map_err(disk)?
    {
        // The other consent was first after all: there is one order, and this number has none.
        outbox.came_to_nothing(sequence).map_err(disk)?;
        return Ok(super::out::answer(way, &first.order, &first.parties));
    }
    let kind = outbox.decision_kind(payment, decided.record.edge.sequence);
    let items = leave_behind((edge, way.side), open, (&data_key, kind), (&decided, &raw))?;
    outbox.keep((sequence, spent_on(&decided.verdict)), items).map_err(disk)?;
    drop(outbox);
    edge.deliver.notify_waiters();
    Ok(answer_of(way, &pack, decided))
}

/// Decides, with what the referral queue knows, and lets the queue know before anybody else. A
/// release that was used or taken back meanwhile has it decided anew.
fn decided(
    edge: &Edge,
    desk: &Desk<'_>,
    open: &Opened,
    (mark, data_key): (EdgeMark, &DataKey),
    at_hand: &AtHand,
) -> Result<(Decided, RawInputs), Refuse> {
    for _ in 0..DECIDED_ANEW_MAX {
        let decision = DecisionId::from_bytes(random()?);
        let queue = edge.referrals.as_ref().map(referrals::Desk::read);
        let inputs = Inputs {
            mark,
            decision,
            data_key,
            statuses: at_hand.statuses(),
            referrals: queue.as_ref().map(referrals::ReadQueue::referrals),
        };
        let (decided, raw) = match open {
            Opened::Debtor(open, vp_token) => (
                decide_debtor(desk, open, vp_token, &inputs),
                RawInputs::of_debtor(desk, open, vp_token, &inputs),
            ),
            Opened::Creditor(open) => {
                (decide_creditor(desk, open, &inputs), RawInputs::of_creditor(desk, open, &inputs))
            }
            Opened::Out(open, vp_token) => (
                decide_out(desk, open, vp_token, &inputs),
                RawInputs::of_out(desk, open, vp_token, &inputs),
            ),
        };
        drop(queue);
        match (&edge.referrals, decided.referral.clone()) {
            (Some(referrals), Some(asked)) => {
                if referrals.settle(asked, (decision, data_key), desk.now)? {
                    return Ok((decided, raw));
                }
            }
            _ => return Ok((decided, raw)),
        }
    }
    Err(Problem::of(&problem::NOT_READY).detail("too much happens at once").into())
}

/// How often a decision is taken anew because persons acted meanwhile: once is rare.
const DECIDED_ANEW_MAX: usize = 4;

const fn spent_on(verdict: &Verdict) -> SpentOn {
    match verdict {
        Verdict::Permit(_) | Verdict::Order { .. } => SpentOn::Permit,
        Verdict::Refusal { .. } => SpentOn::Refusal,
        Verdict::Referral { .. } => SpentOn::Referral,
    }
}

/// What is on its way to the institution's book and to the core before the answer leaves.
fn leave_behind(
    (edge, side): (&Edge, Side),
    open: &Opened,
    (data_key, kind): (&DataKey, String),
    (decided, raw): (&Decided, &RawInputs),
) -> Result<Vec<Item>, Refuse> {
    let unsealed = |_| Refuse::from(Problem::of(&problem::FAULT).detail("sealing failed"));
    let payment = open.payment();
    let parcel_with = |kind: String, sealed: Vec<u8>, duties| {
        Item::Parcel(Parcel { payment, side, kind, sealed: sealed.into(), duties })
    };
    let parcel = |kind, sealed| parcel_with(kind, sealed, None);
    let sealed = sealed_record(data_key, &decided.record).map_err(unsealed)?;
    let first = kind == super::outbox::DECISION;
    let inputs = kind.replacen(super::outbox::DECISION, super::outbox::INPUTS, 1);
    let duties = super::duties::notice(edge, data_key, decided, open.travelled());
    let mut items = vec![parcel_with(kind, sealed, duties)];
    items.push(parcel(inputs, raw.sealed(data_key).map_err(unsealed)?));
    if let Some((sent, received)) = open.statements().filter(|_| first) {
        let both: [ByteVec; 2] = [sent.to_bytes().into(), received.to_bytes().into()];
        let plain = to_canonical(&both);
        let sealed = seal_with(data_key, SEALED_STATEMENTS, &payment.bytes(), &plain);
        items.push(parcel(STATEMENTS.to_owned(), sealed.map_err(unsealed)?));
    }
    if let Some(travelled) = open.travelled().filter(|_| first) {
        let plain = to_canonical(travelled);
        let sealed = seal_with(data_key, SEALED_TRAVELLED, &payment.bytes(), &plain);
        items.push(parcel(TRAVELLED.to_owned(), sealed.map_err(unsealed)?));
    }
    match &decided.verdict {
        Verdict::Refusal { document, .. } => {
            items.push(Item::Refusal(Box::new(document.clone())));
        }
        Verdict::Order { order, parties } => {
            let Opened::Out(out, _) = open else {
                return Err(Problem::of(&problem::FAULT)
                    .detail("an order of no payment out")
                    .into());
            };
            let (order, parties) = (order.clone(), (**parties).clone());
            let terms = Some(out.terms().to_terms_string());
            items.push(Item::Order(Box::new(OutgoingRequest { layout: 1, order, parties, terms })));
        }
        Verdict::Permit(_) | Verdict::Referral { .. } => {}
    }
    Ok(items)
}

pub(super) fn blank_answer(rules: u32, pack: Digest) -> DecisionAnswer {
    DecisionAnswer {
        outcome: String::new(),
        document: None,
        code: None,
        sentence: None,
        mend: None,
        reference: None,
        sentence_zh: None,
        mend_zh: None,
        rules,
        pack: pack.to_string(),
        next: None,
        parties: None,
    }
}

fn answer_of(way: &Way, pack: &policy::Pack, decided: Decided) -> DecisionAnswer {
    let mut answer = blank_answer(rules_of(pack), pack.digest());
    let (outcome, told) = match decided.verdict {
        Verdict::Permit(permit) => {
            answer.document = Some(to_base64url(&permit.to_bytes()));
            ("permit", None)
        }
        Verdict::Order { order, parties } => return super::out::answer(way, &order, &parties),
        Verdict::Refusal { document, told } => {
            answer.document = Some(to_base64url(&document.to_bytes()));
            ("refusal", Some(told))
        }
        Verdict::Referral { told, next } => {
            answer.next = next.map(|next| next.to_string());
            ("referral", Some(told))
        }
    };
    outcome.clone_into(&mut answer.outcome);
    if let Some(told) = told {
        tell(&mut answer, *told);
    }
    answer
}

fn tell(answer: &mut DecisionAnswer, told: Told) {
    answer.code = Some(told.code);
    answer.reference = told.reference;
    (answer.sentence, answer.sentence_zh) =
        (Some(told.sentence.english), Some(told.sentence.chinese));
    (answer.mend, answer.mend_zh) = (Some(told.mend.english), Some(told.mend.chinese));
}

/// What an open rule misses, for the customer.
pub(super) fn missing_thing(pack: &policy::Pack, why: &record::Reason) -> MissingThing {
    let told = Told::of_reason(pack, why);
    MissingThing {
        code: told.code,
        what: told.sentence.english,
        mend: told.mend.english,
        reference: told.reference.unwrap_or_default(),
        what_zh: told.sentence.chinese,
        mend_zh: told.mend.chinese,
    }
}

/// The whole record of a payment's newest decision here: what `wayleave replay` reads.
async fn record_of(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    Path(payment): Path<String>,
) -> Answer {
    only_operator(&edge, &caller)?;
    let payment: PaymentId = wire::read_text("payment", &payment)?;
    let nothing = || Refuse::from(Problem::of(&problem::NOT_FOUND));
    let sealed = edge.outbox().decision(payment).map_err(|error| disk_fault(&error))?;
    let sealed = sealed.ok_or_else(nothing)?;
    let key = edge.data_keys().find(payment).ok_or_else(nothing)?;
    let plain = open_with(&key, admission::decide::SEALED_RECORD, &payment.bytes(), &sealed)
        .map_err(|_| Problem::of(&problem::FAULT).detail("the sealed record does not open"))?;
    Ok(([("content-type", wire::CBOR)], plain).into_response())
}

/// Cases, opened records and presentations are for the institution's own operator alone.
pub(super) fn only_operator(edge: &Edge, caller: &Caller) -> Result<(), Refuse> {
    if caller.name() == edge.operator {
        return Ok(());
    }
    Err(Problem::of(&problem::FORBIDDEN)
        .detail(format!("`{}` does not operate this edge", caller.name()))
        .expected(edge.operator.clone())
        .got(caller.name())
        .into())
}

pub(super) fn customer_of(edge: &Edge, owner: terms::CompanyId) -> Result<&Onboarding, Refuse> {
    edge.settings.customers.iter().find(|customer| customer.company == owner).ok_or_else(|| {
        Problem::of(&problem::REFUSED)
            .detail(format!("`{owner}` has an account, and no onboarding data here"))
            .mend("ask your institution to complete the onboarding")
            .into()
    })
}

pub(super) fn only_owner(caller: &Caller, key: seal::PublicKey) -> Result<(), Refuse> {
    if caller.key() == key {
        return Ok(());
    }
    Err(Problem::of(&problem::FORBIDDEN)
        .detail(format!("`{}` does not speak for the owner of this account", caller.name()))
        .mend("call with the key that the account's owner registered")
        .into())
}

fn signed_invoice(body: &[u8]) -> Result<Signed<Invoice>, Refuse> {
    Signed::from_bytes(body).map_err(|error| bad_document(&error.to_string()))
}

fn needed(name: &str, field: Option<String>) -> Result<String, Refuse> {
    field.ok_or_else(|| bad_document(&format!("field `{name}` is missing")))
}

fn bad_document(reason: &str) -> Refuse {
    let problem = Problem::of(&problem::BAD_REQUEST).detail(reason);
    problem.mend("send the documents exactly as they were signed").into()
}

fn payee_refused(error: &PayeeRefused) -> Refuse {
    let mend = match error {
        PayeeRefused::NotSignedByOwner(_) => "sign with the key registered for the account",
        PayeeRefused::Differs { .. } => "correct the invoice",
        PayeeRefused::Presentation(_) | PayeeRefused::Claim { .. } => {
            "present what was asked for, with live credentials"
        }
        PayeeRefused::State(_) => "submit the invoice again",
        PayeeRefused::NotCreditable
        | PayeeRefused::Overdue { .. }
        | PayeeRefused::Query(_)
        | PayeeRefused::OtherOwner { .. }
        | PayeeRefused::OtherAccount => "name an account of your own that takes credits",
    };
    refused(&problem::REFUSED, &error.to_string(), mend)
}

fn exchange_refused(error: &ExchangeRefused) -> Refuse {
    match error {
        ExchangeRefused::Untrusted(Untrusted::NotRecognised { .. }) => {
            refused(&NOT_RECOGNISED, &error.to_string(), "pay through a recognised institution")
        }
        ExchangeRefused::Travel(TravelRefused::Missing) => {
            let mend = "send the message sealed beside the statement; an edge of an older version \
                        cannot, bring it to this one";
            refused(&TRAVEL_RULE_MESSAGE_MISSING, &error.to_string(), mend)
        }
        ExchangeRefused::Travel(TravelRefused::NoReceipt) => {
            let mend = "ask the payee's institution to bring its edge to this version";
            refused(&TRAVEL_RULE_NOT_SPOKEN, &error.to_string(), mend)
        }
        ExchangeRefused::Travel(
            TravelRefused::Data { .. } | TravelRefused::Lei(_) | TravelRefused::Constraints(_),
        ) => {
            let mend = "ask your institution to complete what it knows of you";
            refused(&problem::REFUSED, &error.to_string(), mend)
        }
        ExchangeRefused::Ticket(_) => {
            refused(&problem::REFUSED, &error.to_string(), "ask the payee for a new request to pay")
        }
        ExchangeRefused::Document(_)
        | ExchangeRefused::QuoteNotTrusted { .. }
        | ExchangeRefused::Untrusted(_)
        | ExchangeRefused::Differs { .. }
        | ExchangeRefused::Expired { .. }
        | ExchangeRefused::Box
        | ExchangeRefused::NotCreditable
        | ExchangeRefused::Invoice(_)
        | ExchangeRefused::Query(_)
        | ExchangeRefused::Travel(_) => {
            refused(&problem::REFUSED, &error.to_string(), "fetch a new quote and prepare again")
        }
    }
}

pub(super) fn consent_refused(error: &ConsentRefused) -> Refuse {
    refused(&problem::REFUSED, &error.to_string(), "prepare the payment again")
}

pub(super) fn refused(kind: &Kind, detail: &str, mend: &str) -> Refuse {
    Problem::of(kind).detail(detail).mend(mend).into()
}

fn entropy() -> Result<ExchangeEntropy, Refuse> {
    Ok(ExchangeEntropy {
        statement: random()?,
        blind: random()?,
        box_bytes: random()?,
        travel_blind: random()?,
        travel_box: random()?,
    })
}

fn random<const N: usize>() -> Result<[u8; N], Refuse> {
    system::random().map_err(|_| Problem::of(&problem::FAULT).detail("no randomness").into())
}

pub(super) fn cbor<T: minicbor::Encode<()>>(document: &T) -> Response {
    ([("content-type", wire::CBOR)], wire::write_cbor(document)).into_response()
}
