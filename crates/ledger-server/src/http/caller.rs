//! Who asks: `Authorization: Bearer <name>.<secret>`, and what stands behind the `?`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use seal::text::from_hex_array;

use super::problem::{BAD_REQUEST, FORBIDDEN, Problem, UNAUTHENTICATED};
use super::shares::Slot;
use super::{App, Options};
use crate::clients::{Client, May};
use crate::figures::count;

/// A client that showed its API key, and what it says beside the body.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) number: u32,
    pub(super) options: Options,
    name: String,
    may: Vec<May>,
}

impl Caller {
    /// Who shows the key, without options.
    pub(super) fn known(parts: &Parts, app: &App) -> Result<Self, Problem> {
        count(&app.interface.questions.figures().http_requests);
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let shown = values.next().and_then(|value| value.to_str().ok());
        let client = match values.next() {
            None => shown.and_then(|text| known(app, text)),
            Some(_) => None,
        };
        let Some(client) = client else {
            return Err(Problem::of(&UNAUTHENTICATED)
                .expected("`Authorization: Bearer <name>.<64 hex digits>`")
                .mend("make a key for the client, start the book again, send the key"));
        };
        let Client { number, name, may, .. } = client.clone();
        let share = app.shares.request(number);
        let share = share.inspect_err(|_| count(&app.interface.questions.figures().turned_away))?;
        if let Some(slot) = parts.extensions.get::<Slot>() {
            slot.keep(share);
        }
        Ok(Self { number, options: Options::default(), name, may })
    }

    /// Its number, when it may read.
    pub(super) fn reads(&self) -> Result<u32, Problem> {
        self.needs(May::Read).map(|()| self.number)
    }

    /// Whether it may.
    pub(super) fn needs(&self, what: May) -> Result<(), Problem> {
        if self.may.contains(&what) {
            return Ok(());
        }
        let all: Vec<&str> = self.may.iter().map(|one| word(*one)).collect();
        Err(Problem::of(&FORBIDDEN)
            .detail(format!("client `{}` may not", self.name))
            .expected(word(what))
            .got(all.join(", "))
            .mend("have it allowed, or ask as another client"))
    }

    /// Refuses options that have no meaning for a request.
    pub(super) fn plain(&self) -> Result<(), Problem> {
        if self.options == Options::default() {
            return Ok(());
        }
        Err(Problem::of(&BAD_REQUEST).detail("this resource takes no options after `?`"))
    }
}

const fn word(may: May) -> &'static str {
    match may {
        May::Read => "read",
        May::Post => "post",
        May::Manage => "manage",
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Self::known(parts, app)?;
        let options = options(parts.uri.query().unwrap_or_default())?;
        Ok(Self { options, ..caller })
    }
}

/// Nothing tells a wrong name from a wrong secret, or from a key whose time is over.
fn known<'a>(app: &'a App, text: &str) -> Option<&'a Client> {
    let (name, secret) = text.strip_prefix("Bearer ")?.split_once('.')?;
    let secret: [u8; 32] = from_hex_array(secret)?;
    let client = app.interface.clients.with_api_key(name, &secret)?;
    client.api_key_is_good(client::system::now()).then_some(client)
}

fn options(query: &str) -> Result<Options, Problem> {
    let mut options = Options::default();
    let mut seen = [false; 2];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let [dry_run, mode] = &mut seen;
        let first = match pair {
            "dry_run=true" | "dry_run=false" => {
                options.dry_run = pair == "dry_run=true";
                !std::mem::replace(dry_run, true)
            }
            "mode=independent" | "mode=all_or_nothing" => {
                options.all_or_nothing = pair == "mode=all_or_nothing";
                !std::mem::replace(mode, true)
            }
            _ => false,
        };
        if !first {
            let expected = "`dry_run=true|false`, `mode=independent|all_or_nothing`, each once";
            return Err(Problem::of(&BAD_REQUEST).expected(expected).got(pair));
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_strictly() {
        let of = |dry_run, all_or_nothing| Some(Options { dry_run, all_or_nothing });
        for (query, expected) in [
            ("", of(false, false)),
            ("dry_run=true", of(true, false)),
            ("dry_run=false&mode=independent", of(false, false)),
            ("mode=all_or_nothing&dry_run=true", of(true, true)),
            ("dry_run=1", None),
            ("dry_run", None),
            ("dry_run=true&dry_run=true", None),
            ("dryrun=true", None),
            ("mode=", None),
        ] {
            assert_eq!(options(query).ok(), expected, "{query}");
        }
    }
}
