//! What the accounts of a book come to: facts folded again.

use anyhow::Context;
use bookkeeping::LedgerBook;
use clearing::settlement::SettlementConfig;
use clearing::{CustomersBook, SettlementBook};
use journal::{Batch, Tip, book::apply_all};
use ledger::Account;
use seal::digest::{DigestStream, Domain};
use store::backup::{AssetTotal, Trial};
use terms::BookName;

use super::folder::{Kind, core_config};

/// Domain of the digest of all accounts' counters.
const BALANCES: Domain = Domain::new("wayleave/backup/balances/v1");

/// A book's state, as far as its facts were folded.
pub(super) struct Folded {
    state: State,
    pub(super) tip: Tip,
}

enum State {
    Ledger(Box<LedgerBook>),
    Settlement(Box<SettlementBook>),
    Customers(Box<CustomersBook>),
}

impl Folded {
    /// A book before its first fact.
    pub(super) fn begun(kind: Kind, config: &[u8], book: BookName) -> anyhow::Result<Self> {
        let state = match kind {
            Kind::Ledger => State::Ledger(Box::default()),
            Kind::Core => core_state(config, book)?,
        };
        Ok(Self { state, tip: Tip::GENESIS })
    }

    /// Folds the next batch.
    pub(super) fn apply(&mut self, batch: &Batch) -> anyhow::Result<()> {
        match &mut self.state {
            State::Ledger(state) => apply_all(state.as_mut(), batch)?,
            State::Settlement(state) => apply_all(state.as_mut(), batch)?,
            State::Customers(state) => apply_all(state.as_mut(), batch)?,
        }
        self.tip = batch.tip();
        Ok(())
    }

    /// The trial balance here.
    pub(super) fn trial(&self) -> Trial {
        match &self.state {
            State::Ledger(state) => trial(state.ledger().accounts()),
            State::Settlement(state) => trial(state.ledger().accounts()),
            State::Customers(state) => trial(state.ledger().accounts()),
        }
    }
}

fn core_state(config: &[u8], book: BookName) -> anyhow::Result<State> {
    let config = core_config(config).context("the core's configuration does not read")?;
    if config.book == book {
        let environment = config
            .common
            .environment
            .parse()
            .map_err(|error| anyhow::anyhow!("environment: {error}"))?;
        let genesis = SettlementBook::new(SettlementConfig {
            environment,
            book: config.book,
            operator: config.operator,
            roots: config.root_keys().map_err(anyhow::Error::msg)?,
        });
        return Ok(State::Settlement(Box::new(genesis)));
    }
    let hosted = config.hosted.iter().find(|hosted| hosted.book == book);
    let hosted = hosted.with_context(|| format!("the configuration names no book `{book}`"))?;
    Ok(State::Customers(Box::new(CustomersBook::new(book, hosted.institution))))
}

/// Sums by asset, and one digest of every account: its id, its asset and its four counters.
fn trial(accounts: impl Iterator<Item = Account>) -> Trial {
    let mut digest = DigestStream::new(BALANCES);
    let (mut count, mut sums) = (0_u64, std::collections::BTreeMap::<String, [u128; 4]>::new());
    for account in accounts {
        let balances = account.balances();
        let counters = [
            balances.debits_posted.units(),
            balances.credits_posted.units(),
            balances.debits_pending.units(),
            balances.credits_pending.units(),
        ];
        let asset = balances.asset.to_string();
        digest.update(&balances.account.bytes());
        digest.update(asset.as_bytes());
        digest.update(&[0]);
        for counter in counters {
            digest.update(&counter.to_be_bytes());
        }
        let sums = sums.entry(asset).or_default();
        for (sum, counter) in sums.iter_mut().zip(counters) {
            *sum = sum.saturating_add(counter);
        }
        count = count.saturating_add(1);
    }
    let total = |(asset, sums): (String, [u128; 4])| {
        let [debits, credits, debits_held, credits_held] = sums.map(|sum| sum.to_string());
        AssetTotal { asset, debits, credits, debits_held, credits_held }
    };
    Trial {
        accounts: count,
        totals: sums.into_iter().map(total).collect(),
        balances: digest.finish(),
    }
}
