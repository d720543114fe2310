//! The HTTP floor of every role: limits, caller checks, problem documents, signed answers.
//!
//! A role builds an axum [`Router`](axum::Router), guards its routes with [`Gate::only`], and
//! hands it to [`serve`]. A request's body is read whole, within size and time, before a handler
//! starts; a started handler is not cancelled when its client goes away.

mod gate;
mod health;
mod port;
mod refuse;
mod serve;

pub use gate::Gate;
pub use health::{Readiness, health_routes, when_ready};
pub use port::listen_near;
pub use refuse::{AsIs, Refuse};
pub use serve::{LIMITS, Limits, Site, serve};
