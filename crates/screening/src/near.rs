//! Texts of a list at most a few edits from a given one, without comparing each of them.
//!
//! Texts of one length lie in a trie. A walk through it keeps, for each count of edits, the places
//! of the asked text that so many edits lead to, as bits (Wu and Manber's agrep, with swaps of
//! neighbours), and leaves a branch as soon as no place is left from which the end can be reached.
//!
//! Most branches are left after two or three letters, by halves: of two parts of a listed text
//! with a letter between them no edit changes both, so one part is met with at most half of all
//! edits. The walk forward asks that of the first part, and a second trie, of the same texts read
//! backwards, asks it of the last. (A swap over the end of a part counts there as one edit.)
//!
//! INVARIANT (NearIsAll): every text of at most [`LONGEST`] letters that is near enough is found,
//! and of longer ones every text whose length is. Guard: `the_walk_finds_what_a_scan_finds`.
//! Without it a listed party could come out clear.

use std::collections::BTreeMap;

/// Longest text in tries: with [`EDITS_MAX`] on either side its places fit into 128 bits.
const LONGEST: usize = 96;
/// Most edits that any text of [`LONGEST`] letters may have.
const EDITS_MAX: usize = 12;
/// Longest text whose places fit into 64 bits, with [`FEW_EDITS`] on either side.
const SHORT: usize = 50;
/// Edits that are few: words have at most three, names of up to 47 letters these.
const FEW_EDITS: usize = 5;
/// Letters, digits, and one for all else.
const ALPHABET: usize = 37;

/// Texts, each with its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Near {
    by_length: BTreeMap<usize, Both>,
    /// Numbers of longer texts, by length: rare, and all are looked at.
    long: BTreeMap<usize, Vec<u32>>,
    /// Numbers of all texts by length, for an asked text that is longer.
    all: BTreeMap<usize, Vec<u32>>,
}

/// Texts of one length, forwards and backwards.
#[derive(Clone, Debug, Default)]
struct Both {
    forth: Trie,
    back: Trie,
}

/// Nodes in the order of a walk.
#[derive(Clone, Debug, Default)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The node after all that lie under this one; of a last letter the text's number.
    next: u32,
    letter: u8,
    depth: u8,
}

impl Near {
    /// Of distinct texts; their places are their numbers.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut by_length: BTreeMap<usize, Vec<(Vec<u8>, u32)>> = BTreeMap::new();
        for (number, text) in (0_u32..).zip(texts) {
            let letters: Vec<u8> = text.bytes().map(letter_of).collect();
            by_length.entry(letters.len()).or_default().push((letters, number));
        }
        let mut near = Self::default();
        for (length, mut texts) in by_length {
            let numbers: Vec<u32> = texts.iter().map(|(_, number)| *number).collect();
            if length > LONGEST {
                near.long.insert(length, numbers.clone());
            } else {
                let forth = Trie::of(&mut texts);
                texts.iter_mut().for_each(|(letters, _)| letters.reverse());
                near.by_length.insert(length, Both { forth, back: Trie::of(&mut texts) });
            }
            near.all.insert(length, numbers);
        }
        near
    }

    /// Numbers of texts that may be as few edits from `asked` as `allowed` says of the longer one's
    /// length; some more than once.
    pub(crate) fn find(&self, asked: &str, allowed: fn(usize) -> usize, found: &mut Vec<u32>) {
        let length = asked.len();
        let in_reach = |other: &usize| other.abs_diff(length) <= allowed(length.max(*other));
        let lists = if length > LONGEST { &self.all } else { &self.long };
        let far = lists.iter().filter(|(other, _)| in_reach(other));
        found.extend(far.flat_map(|(_, numbers)| numbers));
        if length > LONGEST {
            return;
        }
        let near = self.by_length.iter().filter(|(other, _)| in_reach(other));
        let (mut few, mut many) = (None, None);
        for (other, both) in near {
            let edits = allowed(length.max(*other)).min(EDITS_MAX);
            if edits <= FEW_EDITS && length <= SHORT {
                both.find::<u64>(few.get_or_insert_with(|| Ways::of(asked)), *other, edits, found);
            } else {
                both.find::<u128>(
                    many.get_or_insert_with(|| Ways::of(asked)),
                    *other,
                    edits,
                    found,
                );
            }
        }
    }
}

/// What is asked for, forwards and backwards.
struct Ways<P> {
    forth: Asked<P>,
    back: Asked<P>,
}

impl<P: Places> Ways<P> {
    fn of(text: &str) -> Self {
        Self { forth: Asked::of(text.bytes()), back: Asked::of(text.bytes().rev()) }
    }
}

/// Places of a text as bits. Place 0 is the bit [`Places::ORIGIN`]: a band around the diagonal
/// reaches as many places before it as there may be edits, and the diagonal as many again.
trait Places:
    Copy
    + Default
    + PartialEq
    + core::ops::BitAnd<Output = Self>
    + core::ops::BitOr<Output = Self>
    + core::ops::Shl<usize, Output = Self>
{
    const ORIGIN: usize;
    /// So many ones from the lowest bit on.
    fn ones(count: usize) -> Self;
}

impl Places for u64 {
    const ORIGIN: usize = 2 * FEW_EDITS;
    fn ones(count: usize) -> Self {
        (1_u64 << count).saturating_sub(1)
    }
}

impl Places for u128 {
    const ORIGIN: usize = 2 * EDITS_MAX;
    fn ones(count: usize) -> Self {
        (1_u128 << count).saturating_sub(1)
    }
}

impl Both {
    fn find<P: Places>(&self, ways: &Ways<P>, length: usize, edits: usize, found: &mut Vec<u32>) {
        let part = length.saturating_sub(1) / 2;
        // A part of fewer letters than edits leaves nothing out, and one walk is enough.
        let halved = edits > 0 && part >= edits;
        let depth = if halved { part } else { 0 };
        let way = Way { length, edits, part: depth };
        walk_by_edits(&self.forth, &ways.forth, way, found);
        if halved {
            walk_by_edits(&self.back, &ways.back, way, found);
        }
    }
}

impl Trie {
    fn of(texts: &mut [(Vec<u8>, u32)]) -> Self {
        texts.sort_unstable();
        let mut nodes: Vec<Node> = Vec::new();
        // Nodes on the way to the last text, whose ends are not known yet.
        let mut open: Vec<usize> = Vec::new();
        let mut before: &[u8] = &[];
        for (letters, number) in texts.iter() {
            let same = letters.iter().zip(before).take_while(|(a, b)| a == b).count();
            close(&mut nodes, &mut open, same);
            for (depth, letter) in letters.iter().enumerate().skip(same) {
                open.push(nodes.len());
                let depth = u8::try_from(depth.saturating_add(1)).unwrap_or(u8::MAX);
                nodes.push(Node { next: *number, letter: *letter, depth });
            }
            // The last letter's `next` is the text's number and stays.
            open.pop();
            before = letters.get(..letters.len().saturating_sub(1)).unwrap_or_default();
        }
        close(&mut nodes, &mut open, 0);
        Self { nodes }
    }
}

/// Ends all nodes deeper than `depth` here.
fn close(nodes: &mut [Node], open: &mut Vec<usize>, depth: usize) {
    let next = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    for at in open.drain(depth.min(open.len())..) {
        if let Some(node) = nodes.get_mut(at) {
            node.next = next;
        }
    }
}

/// What is asked for: at which places each letter stands.
struct Asked<P> {
    length: usize,
    places: [P; ALPHABET],
}

impl<P: Places> Asked<P> {
    fn of(text: impl Iterator<Item = u8>) -> Self {
        let mut asked = Self { length: 0, places: [P::default(); ALPHABET] };
        for byte in text {
            asked.length = asked.length.saturating_add(1);
            if let Some(places) = asked.places.get_mut(usize::from(letter_of(byte))) {
                *places = *places | place(asked.length);
            }
        }
        asked
    }

    fn at(&self, letter: u8) -> P {
        self.places.get(usize::from(letter)).copied().unwrap_or_default()
    }
}

/// The bit of the place after so many letters.
fn place<P: Places>(letters: usize) -> P {
    P::ones(1) << letters.saturating_add(P::ORIGIN)
}

/// A walk through texts of one length.
#[derive(Clone, Copy)]
struct Way {
    length: usize,
    edits: usize,
    /// Up to this depth half of the edits are allowed; nowhere when 0.
    part: usize,
}

/// Few edits are the rule, and their places lie in a few registers.
fn walk_by_edits<P: Places>(trie: &Trie, asked: &Asked<P>, way: Way, found: &mut Vec<u32>) {
    match way.edits {
        0..=1 => walk::<P, 2>(trie, asked, way, found),
        2 => walk::<P, 3>(trie, asked, way, found),
        3 => walk::<P, 4>(trie, asked, way, found),
        4..=FEW_EDITS => walk::<P, { FEW_EDITS + 1 }>(trie, asked, way, found),
        _ => walk::<P, { EDITS_MAX + 1 }>(trie, asked, way, found),
    }
}

/// Places that 0, 1, 2 … edits lead to.
type Row<P, const N: usize> = [P; N];

/// What a step needs of the way: the bands of the first part and of the rest, and all places.
struct Bounds<P, const N: usize> {
    first: Row<P, N>,
    rest: Row<P, N>,
    inside: P,
}

/// Places and letter at one depth.
type At<P, const N: usize> = (Row<P, N>, u8);

fn walk<P: Places, const N: usize>(trie: &Trie, asked: &Asked<P>, way: Way, found: &mut Vec<u32>) {
    let nothing = [P::default(); N];
    let bounds = Bounds {
        first: bands(asked.length, way, way.edits / 2),
        rest: bands(asked.length, way, way.edits),
        inside: P::ones(asked.length.saturating_add(1)) << P::ORIGIN,
    };
    // Two rows more than depths: what lies before the first letter, and nothing before that.
    let mut rows: Vec<At<P, N>> = vec![(nothing, OTHER); way.length.saturating_add(2)];
    if let Some((start, _)) = rows.get_mut(1) {
        // Before the first letter so many letters of the asked text may have been left out.
        for (edits, (places, band)) in start.iter_mut().zip(&bounds.rest).enumerate() {
            *places = (P::ones(edits.saturating_add(1)) << P::ORIGIN) & *band & bounds.inside;
        }
    }
    let end = place(asked.length);
    let mut at = 0_usize;
    while let Some(node) = trie.nodes.get(at) {
        let depth = usize::from(node.depth);
        let Some([two, before, slot]) = window(&mut rows, depth) else { return };
        let bands = if depth <= way.part { &bounds.first } else { &bounds.rest };
        slot.1 = node.letter;
        step((two, before), slot, asked, (bands, bounds.inside, depth));
        let any = slot.0.iter().fold(P::default(), |any, places| any | *places);
        if depth >= way.length {
            if any & end != P::default() {
                found.push(node.next);
            }
            at = at.saturating_add(1);
        } else if any != P::default() {
            at = at.saturating_add(1);
        } else {
            at = usize::try_from(node.next).unwrap_or(usize::MAX);
        }
    }
}

/// The rows of a depth and of the two before it.
fn window<T>(rows: &mut [T], depth: usize) -> Option<&mut [T; 3]> {
    rows.get_mut(depth.saturating_sub(1)..)?.first_chunk_mut()
}

/// From which places, after no letter of the listed text, the end can be reached: those not
/// further from the diagonal to it than edits are left. No place when more than `most` were made.
fn bands<P: Places, const N: usize>(asked: usize, way: Way, most: usize) -> Row<P, N> {
    let mut bands = [P::default(); N];
    for (edits, band) in bands.iter_mut().enumerate().take(most.saturating_add(1)) {
        let left = way.edits.saturating_sub(edits);
        let lowest = P::ORIGIN.saturating_add(asked).saturating_sub(way.length);
        let width = left.saturating_mul(2).saturating_add(1);
        *band = P::ones(width) << lowest.saturating_sub(left);
    }
    bands
}

/// One letter of the listed text further.
fn step<P: Places, const N: usize>(
    (two, before): (&At<P, N>, &At<P, N>),
    (row, letter): &mut At<P, N>,
    asked: &Asked<P>,
    (bands, inside, depth): (&Row<P, N>, P, usize),
) {
    let here = asked.at(*letter);
    let swapped = (here << 1) & asked.at(before.1);
    // The places of one edit less: before this letter, two letters before, and after it.
    let (mut fewer_before, mut fewer_two, mut fewer_after) =
        (P::default(), P::default(), P::default());
    let rows = before.0.iter().zip(&two.0).zip(bands);
    for (after, ((before, two), band)) in row.iter_mut().zip(rows) {
        let met = (*before << 1) & here;
        // A letter too many here, another one, one too few, two swapped.
        let edited =
            fewer_before | ((fewer_before | fewer_after) << 1) | ((fewer_two << 2) & swapped);
        *after = (met | edited) & (*band << depth) & inside;
        (fewer_before, fewer_two, fewer_after) = (*before, *two, *after);
    }
}

/// What names are made of, as small numbers.
fn letter_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => byte.saturating_sub(b'a'),
        b'0'..=b'9' => byte.saturating_sub(b'0').saturating_add(26),
        _ => OTHER,
    }
}

/// Any other letter: all of them are taken for the same, which only finds more.
const OTHER: u8 = 36;

#[cfg(test)]
mod tests;
