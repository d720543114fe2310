//! The ledger's binary protocol: frames of fixed layout, a server loop and a client.
//!
//! [`frame`], [`handshake`], [`request`], [`results`] and [`outcome`] are the codec: pure, every
//! length bounded before it is believed. [`server`] is one I/O thread for thousands of
//! connections; it knows nothing of ledgers and hands [`Request`]s to a [`Service`], which
//! answers through a [`Reply`] from whatever thread, whenever it can. [`client`] is one blocking,
//! pipelined connection. The bytes are described in `docs/formats/ledger-protocol.md`.
//!
//! Three outcomes are never merged: *refused*, *not done*, *unknown*. See [`outcome`].
#![expect(clippy::disallowed_methods, reason = "rank 5: the timeouts of connections live here")]

pub mod body;
mod bytes;
pub mod client;
pub mod codes;
pub mod follow;
pub mod frame;
pub mod handshake;
pub mod outcome;
pub mod request;
pub mod results;
pub mod server;
pub mod tls;
mod transport;

pub use client::{CallOptions, Client, Completion, ConnectError, Security, Target, Ticket};
pub use codes::{FaultCode, Field, NotDoneCode, RefusedCode, Rule, UnknownCode};
pub use follow::{Facts, FactsWriter, Follow, FollowedFact};
pub use frame::{BODY_BYTES_MAX, HEADER_BYTES, ITEMS_MAX, REPLY_BODY_BYTES_MAX};
pub use handshake::{ClientNumber, Limits};
pub use outcome::{NotDone, Refused, ReplyBody, Unknown};
pub use request::{Commands, Content, Lookup, Lookups, Request, RequestFlags, Transfer, Transfers};
pub use results::{Balance, Detail, Item, Quantity, Results, ResultsWriter, Status, Subject};
pub use server::{
    Books, FactStream, PlainPolicy, Pushed, RegisteredClient, Reply, Server, ServerConfig, Service,
    Timeouts,
};
