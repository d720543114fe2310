//! Everything here needs the server: `cargo xtask test workspace` leaves this module out by its
//! name, the suite `postgres` runs it.

mod contract;
mod cut;
mod damage;
mod faults;
mod writers;
