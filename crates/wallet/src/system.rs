//! Clock and randomness, through the client's one door.

pub(crate) use client::system::{NoEntropy, now, random};
