//! Several commands that are done together or not at all, and what a command would do.

use terms::{HoldId, Instant, TransactionId};
use thiserror::Error;

use crate::change::{Checked, Outcome};
use crate::command::{Command, SWEEP_MAX};
use crate::hold::Hold;
use crate::past::{MemoryPast, Past, Posted};
use crate::refusal::Refusal;
use crate::state::Ledger;
use crate::velocity::VelocityLimit;

/// Most commands that are done together: what one batch of a journal takes. They are checked on a
/// copy of what they touch.
pub const TOGETHER_MAX: usize = 4096;

/// Why several commands were not done together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BulkRefusal {
    /// More than [`TOGETHER_MAX`] commands.
    #[error("expected at most {TOGETHER_MAX} commands together, got `{got}`")]
    TooMany {
        /// How many there are.
        got: usize,
    },
    /// One of them is refused, with those before it done.
    #[error("command {item}: {refusal}")]
    Item {
        /// Which one, from 0.
        item: usize,
        /// Why.
        refusal: Refusal,
    },
}

/// The past of a ledger with what was done since.
struct Since<'a, P> {
    before: &'a P,
    since: MemoryPast,
}

impl<P: Past> Past for Since<'_, P> {
    fn transaction(&self, id: TransactionId) -> Option<&Posted> {
        self.since.transaction(id).or_else(|| self.before.transaction(id))
    }

    fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.since.hold(id).or_else(|| self.before.hold(id))
    }
}

impl Ledger {
    /// What `command` would lead to, exactly, if it came now. Nothing is changed, and no id is
    /// used.
    pub fn dry_run(
        &self,
        past: &impl Past,
        stamp: Instant,
        command: &Command,
    ) -> Result<Outcome, Refusal> {
        self.check(past, stamp, command).map(|checked| checked.into_parts().1)
    }

    /// Checks commands that are done together or not at all: each as if those before it were done.
    /// All their changes stand in one batch, in order. `past` knows what [`Self::plan`] names for
    /// each of them at this state.
    pub fn check_all(
        &self,
        past: &impl Past,
        stamp: Instant,
        commands: &[Command],
    ) -> Result<Vec<Checked>, BulkRefusal> {
        if commands.len() > TOGETHER_MAX {
            return Err(BulkRefusal::TooMany { got: commands.len() });
        }
        let mut scratch = self.excerpt(past, stamp, commands);
        let mut past = Since { before: past, since: MemoryPast::new() };
        let mut all = Vec::with_capacity(commands.len());
        for (item, command) in commands.iter().enumerate() {
            let checked = scratch.check(&past, stamp, command);
            let checked = checked.map_err(|refusal| BulkRefusal::Item { item, refusal })?;
            for change in checked.changes() {
                scratch.apply_remembering(stamp, change, &mut past.since);
            }
            all.push(checked);
        }
        Ok(all)
    }

    /// A ledger of what `commands` may touch, under the same totals. Each row is copied once.
    // INVARIANT (ExcerptIsEnough): every row, hold and counter that checking or applying one of
    // the commands looks for stands in the excerpt or nowhere. Guarded by a property test against
    // a clone of the whole ledger; without it a command could be refused for an account that
    // exists.
    fn excerpt(&self, past: &impl Past, stamp: Instant, commands: &[Command]) -> Self {
        let mut scratch = Self::new();
        for (asset, total) in self.assets.iter().zip(&self.totals) {
            scratch.add_asset(*asset, *total);
        }
        for command in commands {
            self.copy_touched(&mut scratch, past, stamp, command);
        }
        self.copy_due(&mut scratch, stamp, commands);
        scratch
    }

    fn copy_touched(
        &self,
        scratch: &mut Self,
        past: &impl Past,
        stamp: Instant,
        command: &Command,
    ) {
        match command {
            Command::OpenAccount(opening) => self.copy_account(scratch, opening.id),
            Command::SetLimits { account, .. }
            | Command::SetFreeze { account, .. }
            | Command::SetBlocked { account, .. }
            | Command::CloseAccount { account } => self.copy_account(scratch, *account),
            Command::PlaceHold(placement) => {
                self.copy_account(scratch, placement.account);
                self.copy_hold(scratch, placement.id);
                self.copy_counters(scratch, &placement.limits, placement.business_date, stamp);
            }
            Command::PinHold { hold } | Command::VoidHold { hold, .. } => {
                self.copy_hold(scratch, *hold);
                // Pinning looks at the account of a hold, ended ones too.
                if let Some(hold) = past.hold(*hold) {
                    self.copy_account(scratch, hold.placement.account);
                }
            }
            // Copied once for all of them.
            Command::ExpireHolds { .. } => {}
            Command::Post(transaction) => {
                for entry in &transaction.entries {
                    self.copy_account(scratch, entry.account);
                    entry.hold.iter().for_each(|hold| self.copy_hold(scratch, *hold));
                }
                let limits = transaction.claims.iter().map(|claim| &claim.limit);
                self.copy_counters(scratch, limits, transaction.business_date, stamp);
            }
            Command::PostDraft(draft) => {
                for line in &draft.lines {
                    self.copy_account(scratch, line.account);
                    line.part.iter().for_each(|part| self.copy_hold(scratch, part.hold));
                }
                let limits = draft.claims.iter().map(|claim| &claim.limit);
                self.copy_counters(scratch, limits, draft.business_date, stamp);
            }
        }
    }

    /// The holds that sweeps among `commands` may expire. Other commands may end some of the
    /// earliest before, one each but for posts.
    fn copy_due(&self, scratch: &mut Self, stamp: Instant, commands: &[Command]) {
        let most = usize::try_from(SWEEP_MAX).unwrap_or(usize::MAX);
        let of = |command: &Command| match command {
            Command::ExpireHolds { .. } => most,
            Command::Post(transaction) => transaction.entries.len(),
            Command::PostDraft(draft) => draft.lines.len(),
            Command::OpenAccount(_)
            | Command::SetLimits { .. }
            | Command::SetFreeze { .. }
            | Command::SetBlocked { .. }
            | Command::CloseAccount { .. }
            | Command::PlaceHold(_)
            | Command::PinHold { .. }
            | Command::VoidHold { .. } => 1,
        };
        if commands.iter().any(|command| matches!(command, Command::ExpireHolds { .. })) {
            let most = commands.iter().map(of).fold(0, usize::saturating_add);
            let due = self.deadlines.iter().take_while(|(at, _)| *at <= stamp);
            due.take(most).for_each(|(_, hold)| self.copy_hold(scratch, *hold));
        }
    }

    fn copy_account(&self, scratch: &mut Self, id: terms::AccountId) {
        if scratch.slot(id).is_none()
            && let Some(account) = self.account(id)
        {
            scratch.restore_account(&account);
        }
    }

    fn copy_hold(&self, scratch: &mut Self, id: HoldId) {
        if scratch.hold_slot(id).is_none()
            && let Some(hold) = self.open_hold(id)
        {
            self.copy_account(scratch, hold.placement.account);
            let (date, at) = (hold.placement.business_date, hold.placed_at);
            self.copy_counters(scratch, &hold.placement.limits, date, at);
            scratch.add_hold(hold.clone());
        }
    }

    fn copy_counters<'a>(
        &self,
        scratch: &mut Self,
        limits: impl IntoIterator<Item = &'a VelocityLimit>,
        date: terms::BusinessDate,
        at: Instant,
    ) {
        for bucket in limits.into_iter().flat_map(|limit| limit.bucket(date, at).window()) {
            if scratch.counter_slot(&bucket).is_none()
                && let Some(row) = self.counter_slot(&bucket).and_then(|s| self.counter_at(s))
            {
                scratch.add_counter(&bucket, row.asset, row.counter);
            }
        }
    }
}
