//! The books behind one server, and how many connections each client of theirs has.

use std::collections::BTreeMap;
use std::sync::Arc;

use terms::BookName;

use crate::handshake::ClientNumber;

/// The books that a server keeps, each with a service of its own.
///
/// A connection is of one book, from its hello on: what it says reaches no other book's service.
#[derive(Debug)]
pub struct Books<S>(Vec<(BookName, Option<S>)>);

impl<S> Books<S> {
    /// One book.
    #[must_use]
    pub fn one(book: BookName, service: S) -> Self {
        Self(vec![(book, Some(service))])
    }

    /// These books. `None` stands for a book that is this server's and cannot be served: its
    /// clients are told so, rather than that it is another server's.
    #[must_use]
    pub const fn these(books: Vec<(BookName, Option<S>)>) -> Self {
        Self(books)
    }

    /// Which book this is; what is known of it otherwise, in words.
    pub(super) fn find(&self, book: &BookName) -> Result<BookNumber, NotKept> {
        match self.0.iter().position(|(name, _)| name == book) {
            Some(number) if self.0.get(number).is_some_and(|(_, kept)| kept.is_some()) => {
                Ok(BookNumber(number))
            }
            Some(_) => Err(NotKept::Unavailable),
            None => Err(NotKept::Elsewhere(match self.0.as_slice() {
                [(only, _)] => format!("expected book `{only}`, got `{book}`"),
                all => format!("expected one of `{}` other books, got `{book}`", all.len()),
            })),
        }
    }

    pub(super) fn service(&mut self, of: BookNumber) -> Option<&mut S> {
        self.0.get_mut(of.0)?.1.as_mut()
    }

    pub(super) fn each(&mut self, act: impl FnMut(&mut S)) {
        self.0.iter_mut().filter_map(|(_, service)| service.as_mut()).for_each(act);
    }
}

/// Why a hello's book has no service here.
#[derive(Debug)]
pub(super) enum NotKept {
    /// It is none of this server's.
    Elsewhere(String),
    /// It is, and is not served.
    Unavailable,
}

/// Which of the server's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BookNumber(usize);

/// A client of one of the books.
pub(super) type Member = (BookNumber, ClientNumber);

/// A connection's place among those of its client. Dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) member: Member,
    /// It is counted, and not looked at.
    _held: Arc<()>,
}

/// How many connections each client has: a client is registered, so there are few.
#[derive(Debug, Default)]
pub(super) struct Seats(BTreeMap<Member, Arc<()>>);

impl Seats {
    /// A place for one more connection of this client; `None` when it has `most`.
    pub(super) fn take(&mut self, member: Member, most: usize) -> Option<Seat> {
        let seats = self.0.entry(member).or_default();
        // One is the map's own.
        (Arc::strong_count(seats) <= most).then(|| Seat { member, _held: Arc::clone(seats) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_of_each_book_has_places_of_its_own() {
        let mut seats = Seats::default();
        let member = |book, client| (BookNumber(book), ClientNumber(client));
        let held: Vec<Seat> = (0..2).map(|_| seats.take(member(0, 1), 2).unwrap()).collect();
        assert!(seats.take(member(0, 1), 2).is_none(), "it has both of its places");
        assert!(seats.take(member(0, 2), 2).is_some(), "another client");
        assert!(seats.take(member(1, 1), 2).is_some(), "the same number in another book");
        drop(held);
        assert!(seats.take(member(0, 1), 2).is_some(), "places come back");
    }
}
