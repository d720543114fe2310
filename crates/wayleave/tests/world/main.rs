//! The whole system as processes of the binary, on loopback, in a folder of its own: what a toy
//! of it would fail. One file per question; [`stage`] sets the scene.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop where something is not as it must be, measure time and print tables"
)]

mod after;
mod backup;
mod bad_input;
mod bank;
mod callers;
mod clock;
mod crash;
mod crossing;
mod duties;
mod edges;
mod form;
mod freshness;
mod funding;
mod guide;
mod keys;
mod lease;
mod links;
mod on_cluster;
mod operations;
mod outgoing;
mod own_money;
mod own_returns;
mod ownership;
mod packs;
mod pay_out;
mod pseudonyms;
mod rails;
mod receipts;
mod referrals;
mod refund;
mod refusals;
mod replayed_list;
mod replays;
mod rounds;
mod rules;
mod stage;
mod statements;
mod trust;
mod two_persons;
