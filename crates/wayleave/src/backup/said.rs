//! What was done, in words and as JSON.

use serde_json::{Value, json};
use store::backup::{BookPart, Manifest, Trial};

use super::pass::{Sent, size};
use crate::command::{say, say_json, tell};

/// Says what one look copied.
pub(super) fn sent(sent: &Sent, as_json: bool) {
    let later: u64 = sent.books.iter().map(|(_, copied)| copied.later).sum();
    if as_json {
        let books = sent.books.iter().map(|(book, copied)| {
            json!({
                "book": book.to_string(),
                "facts": sent.manifest.book(book).map_or(0, |part| part.next.number()),
                "copied_facts": copied.facts,
                "copied_bytes": copied.bytes,
                "objects": copied.objects,
                "later_facts": copied.later,
            })
        });
        say_json(&json!({
            "manifest": sent.manifest.number,
            "cut": sent.manifest.cut,
            "changed": sent.is_new,
            "books": books.collect::<Vec<_>>(),
            "checkpoint": sent.manifest.log.as_ref().and_then(|log| size(&log.checkpoint)),
            "sealed": sent.manifest.sealed.is_some(),
            "not_removed": sent.not_removed,
        }));
        return;
    }
    let number = sent.manifest.number;
    say(&match sent.is_new {
        true => format!("backed up  manifest {number}"),
        false => format!("nothing new  manifest {number}"),
    });
    for (book, copied) in &sent.books {
        let facts = sent.manifest.book(book).map_or(0, |part| part.next.number());
        let (new, objects) = (copied.facts, copied.objects);
        say(&format!("           {book}: {facts} facts, {new} of them new in {objects} objects"));
    }
    if sent.manifest.sealed.is_none() {
        say("           without keys: a restored book could not go on as itself (--seal-to)");
    }
    if later > 0 {
        tell(&format!("{later} facts came meanwhile: run it again"));
    }
    if sent.not_removed > 0 {
        let count = sent.not_removed;
        tell(&format!(
            "{count} boxes of older keys could not be removed: what was erased since \
                       can still be opened with the recovery key"
        ));
    }
}

/// A trial balance, one line an asset.
pub(super) fn trial(trial: &Trial) -> Vec<String> {
    let line = |total: &store::backup::AssetTotal| {
        let store::backup::AssetTotal { asset, debits, credits, .. } = total;
        format!("{asset}: debits {debits}, credits {credits} minor units")
    };
    trial.totals.iter().map(line).collect()
}

/// The books of a manifest as JSON.
pub(super) fn books(manifest: &Manifest) -> Vec<Value> {
    let one = |part: &BookPart| {
        json!({
            "book": part.book.to_string(),
            "facts": part.next.number(),
            "digest": part.digest.to_string(),
            "stamp": part.stamp,
            "trial_balance": part.trial.as_ref().map(trial_json),
        })
    };
    manifest.books.iter().map(one).collect()
}

fn trial_json(trial: &Trial) -> Value {
    let total = |total: &store::backup::AssetTotal| {
        json!({
            "asset": total.asset,
            "debits": total.debits,
            "credits": total.credits,
            "debits_held": total.debits_held,
            "credits_held": total.credits_held,
        })
    };
    json!({
        "accounts": trial.accounts,
        "balances": trial.balances.to_string(),
        "totals": trial.totals.iter().map(total).collect::<Vec<_>>(),
    })
}
