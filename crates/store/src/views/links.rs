//! Which transactions name a payment, a quote or another transaction.

use redb::WriteTransaction;

use super::buffer::{Buffer, LinkKey};
use super::bytes::{self, Reader};
use super::error::{StoreFault, Table};
use super::tables::{LINKS, Reading, fault};

/// Bytes of one link: kind, id, position, transaction.
const LINK_BYTES: usize = 1 + 16 + 8 + 16;

/// A transaction that names something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Linked {
    pub(super) position: u64,
    pub(super) transaction: [u8; 16],
}

fn table_key(run: u32, link: LinkKey) -> [u8; 21] {
    let mut key = [0; 21];
    let bytes = run.to_be_bytes().into_iter().chain([link.kind]).chain(link.id);
    for (place, byte) in key.iter_mut().zip(bytes) {
        *place = byte;
    }
    key
}

/// What a block's check covers of its key: run, kind and id in 16 bytes.
fn check_key(key: &[u8; 21]) -> u128 {
    key.iter().fold(0, |folded: u128, byte| folded.rotate_left(8) ^ u128::from(*byte))
}

/// Writes the links of a run, sorted.
pub(super) fn write(
    writing: &WriteTransaction,
    run: u32,
    buffer: &Buffer,
    block_bytes: usize,
) -> Result<(), StoreFault> {
    let mut table = writing.open_table(LINKS).map_err(fault)?;
    let mut links = buffer.links.clone();
    links.sort_unstable();
    links.dedup();
    let most = block_bytes.checked_div(LINK_BYTES).unwrap_or(1).max(1);
    let mut rest = links.as_slice();
    while let Some((first, _)) = rest.first() {
        // One link's transactions are never cut in two, so that its block is the last to begin at
        // it or before it.
        let most = rest.len().min(most);
        let last = most.checked_sub(1).and_then(|at| rest.get(at)).map(|(link, _)| *link);
        let whole = rest.iter().skip(most).take_while(|(link, _)| Some(*link) == last).count();
        let (here, later) =
            rest.split_at_checked(most.saturating_add(whole)).unwrap_or((rest, &[]));
        let mut block = bytes::block(here.len().saturating_mul(LINK_BYTES));
        for (link, event) in here {
            let Some((id, position)) = buffer.event_id(*event) else { continue };
            block.push(link.kind);
            block.extend_from_slice(&link.id);
            block.extend_from_slice(&position.to_le_bytes());
            block.extend_from_slice(&id);
        }
        let key = table_key(run, *first);
        bytes::seal(Table::Links, check_key(&key), &mut block);
        table.insert(&key, block.as_slice()).map_err(fault)?;
        rest = later;
    }
    Ok(())
}

/// The transactions of a run that name `link`, oldest first.
pub(super) fn stored(
    reading: &Reading,
    run: u32,
    link: LinkKey,
) -> Result<Vec<Linked>, StoreFault> {
    let table = reading.table(LINKS)?;
    let from = table_key(run, LinkKey { kind: 0, id: [0; 16] });
    let until = table_key(run, link);
    let found = table.range::<&[u8; 21]>(&from..=&until).map_err(fault)?.next_back();
    let Some(found) = found else { return Ok(Vec::new()) };
    let (key, block) = found.map_err(fault)?;
    let mut reader = bytes::open(Table::Links, check_key(key.value()), block.value())?;
    let mut linked = Vec::new();
    while !reader.is_empty() {
        let (here, one) = take(&mut reader)?;
        if here == link {
            linked.push(one);
        }
    }
    linked.sort_unstable();
    Ok(linked)
}

fn take(reader: &mut Reader<'_>) -> Result<(LinkKey, Linked), StoreFault> {
    let link = LinkKey { kind: reader.byte()?, id: reader.array()? };
    let position = u64::from_le_bytes(reader.array()?);
    Ok((link, Linked { position, transaction: reader.array()? }))
}
