//! The planted bugs, each with the weather or the fault that brings it out, and the seeds within
//! which the oracle must see it.

use super::{Call, Canary, NetFault, NetPlan, Setting, run};

/// A planted bug and where to look for it.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// The bug.
    pub canary: Canary,
    /// One fault at one call; `None`: the weather of the seed.
    pub plan: Option<NetPlan>,
    /// It must be caught in one of the seeds from 0 to below this.
    pub within: u64,
}

/// What the oracle made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// In how many worlds it was seen.
    pub found: u64,
    /// Where first, and what the oracle said.
    pub first: Option<(u64, String)>,
}

const fn anywhere(canary: Canary, within: u64) -> Planted {
    Planted { canary, plan: None, within }
}

const fn at(canary: Canary, fault: NetFault, call: Call, within: u64) -> Planted {
    Planted { canary, plan: Some(NetPlan { fault, call }), within }
}

/// All of them.
pub const PLANTED: [Planted; 9] = [
    anywhere(Canary::ReleaseOnUnknown, 40),
    anywhere(Canary::CreditTwice, 40),
    anywhere(Canary::PromiseEarly, 20),
    anywhere(Canary::FencedIsDone, 40),
    at(Canary::LooksOnce, NetFault::AskerDiesLate, Call::Hold, 60),
    at(Canary::OutboxForgets, NetFault::Lost, Call::Parcel, 10),
    at(Canary::NewMessageId, NetFault::Late, Call::Send, 20),
    at(Canary::WitnessForgets, NetFault::DiesAfter, Call::Cosign, 10),
    anywhere(Canary::NoRecovery, 60),
];

impl Planted {
    /// World `seed` with the bug in it, or with none.
    #[must_use]
    pub const fn world(&self, seed: u64, canary: Canary) -> Setting {
        let payments = if self.plan.is_some() { 7 } else { 24 };
        Setting { seed, payments, plan: self.plan, canary }
    }

    /// The first world in which the oracle sees it, with what it says.
    #[must_use]
    pub fn first(&self) -> Option<(u64, String)> {
        let see = |seed: u64| Some((seed, run(self.world(seed, self.canary)).verdict.err()?));
        (0..self.within).find_map(see)
    }

    /// In how many of `worlds` the oracle sees it.
    #[must_use]
    pub fn measure(&self, worlds: u64) -> Catch {
        let mut catch = Catch { found: 0, first: None };
        for seed in 0..worlds {
            if let Err(what) = run(self.world(seed, self.canary)).verdict {
                catch.found += 1;
                catch.first.get_or_insert((seed, what));
            }
        }
        catch
    }
}
