//! Packs and their stages at the core: an institution's steps, and what they came to.

use std::sync::Arc;

use api::messages::{StagedPack, StagedPacks};
use api::{Caller, Role, wire};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use clearing::{SettlementBook, SettlementWork};
use record::PackStep;
use terms::CorridorName;

use super::admin;
use super::routes::{
    Answer, Core, Shared, by_institution, cbor, done, failed, not_done, own, same_environment,
    side_named, signed,
};
use crate::web::Gate;

/// The routes: an institution's edges only.
pub(super) fn routes(core: &Arc<Core>, gate: &Gate) -> Router {
    let edges = Router::new()
        .route("/v1/pack-steps", post(step))
        .route("/v1/packs/{corridor}/{side}", get(staged));
    gate.only(&[Role::Edge], edges.with_state(Arc::clone(core)))
}

async fn step(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<PackStep>(&body)?;
    let document = by_institution(&core, &caller, &signed, |s: &PackStep| s.institution)?;
    same_environment(&core, document.environment)?;
    let (pack, stage) = (document.pack, document.stage.word());
    tracing::info!(%pack, stage, by = caller.name(), "a pack takes a step");
    let work = SettlementWork::StagePack(Box::new(signed));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

/// What is staged on a side of a corridor by the caller's institution.
async fn staged(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path((corridor, side)): Path<(String, String)>,
) -> Answer {
    let corridor: CorridorName = wire::read_text("corridor", &corridor)?;
    let (own, side) = (own(&caller)?, side_named(&side)?);
    let look = move |book: &SettlementBook| book.staged(own, corridor, side);
    let seen = core.clearing.books.settlement.look(look).await.map_err(failed)?.outcome;
    let packs = seen
        .packs
        .into_iter()
        .map(|(pack, one)| StagedPack { pack, schema: one.schema, stage: one.stage })
        .collect();
    Ok(cbor(&StagedPacks { layout: 1, step: seen.step, packs }))
}
