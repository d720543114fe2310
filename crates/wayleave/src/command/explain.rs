//! `wayleave explain`: every code that a refusal, a receipt or an answer may carry, in words.

use std::process::ExitCode;

use clearing::rule::RuleName;
use clearing::status::{EdgeReason, Reason, State};
use serde_json::{Value, json};
use wallet::CommandResult;

use super::annotations::policies;
use super::{say, say_json, show, tell};
use crate::cli::check::ExplainArgs;

/// One code.
struct Explained {
    code: String,
    /// Where it comes from.
    by: String,
    what: String,
    mend: Option<String>,
    /// ISO 20022 external status reason.
    iso: Option<&'static str>,
    /// The law or agreement.
    reference: Option<String>,
}

/// Explains a code, or lists them all.
pub(crate) fn command(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let all = all();
    let Some(code) = &args.code else {
        for one in &all {
            if args.json {
                say_json(&one.json());
            } else {
                say(&format!("{:<32} {}", one.code, one.what));
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let found: Vec<&Explained> = all.iter().filter(|one| plain(&one.code) == plain(code)).collect();
    for one in &found {
        show(*one, args.json);
    }
    if !found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let shown: String = code.chars().filter(|c| !c.is_control()).take(64).collect();
    let hint = nearest(&all, code).map_or_else(
        || "`wayleave explain` lists all".to_owned(),
        |near| format!("did you mean `{near}`? `wayleave explain` lists all"),
    );
    tell(&format!("wayleave: no code `{shown}` is known; {hint}"));
    Ok(ExitCode::FAILURE)
}

impl CommandResult for Explained {
    fn text(&self) -> String {
        let mut lines = vec![format!("{}   {}", self.code, self.by), sentence(&self.what)];
        lines.extend(self.mend.iter().map(|mend| format!("mend      {}", sentence(mend))));
        lines.extend(self.iso.iter().map(|iso| format!("ISO 20022 {iso}")));
        lines.extend(self.reference.iter().map(|reference| format!("reference {reference}")));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        json!({
            "code": self.code,
            "by": self.by,
            "what": self.what,
            "mend": self.mend,
            "iso_20022": self.iso,
            "reference": self.reference,
        })
    }
}

fn all() -> Vec<Explained> {
    let core = RuleName::ALL.iter().map(|rule| {
        let (what, mend) = rule.for_people().split_once("; ").unzip();
        Explained {
            code: rule.as_str().to_owned(),
            by: "a rule of the core".to_owned(),
            what: what.unwrap_or(rule.for_people()).to_owned(),
            mend: mend.map(str::to_owned),
            iso: Some(rule.iso_20022()),
            reference: None,
        }
    });
    let edges = EdgeReason::ALL.iter().map(|reason| Explained {
        code: reason.as_str().to_owned(),
        by: "an institution's edge".to_owned(),
        what: reason.for_people().to_owned(),
        mend: Some(reason.mend().to_owned()),
        iso: Some(reason.iso_20022()),
        reference: None,
    });
    let states = State::ALL.iter().map(|state| Explained {
        code: state.iso_20022().to_owned(),
        by: format!("the status of a payment, `{}`", state.as_str()),
        what: state.for_people().to_owned(),
        mend: None,
        iso: Some(state.iso_20022()),
        reference: None,
    });
    let wire = api::problem::REGISTRY.iter().map(|kind| Explained {
        code: kind.code.to_owned(),
        by: format!("an answer of any role, HTTP status {}", kind.status),
        what: kind.title.to_owned(),
        mend: mend_of_status(kind.status).map(str::to_owned),
        iso: None,
        reference: None,
    });
    core.chain(edges).chain(packs()).chain(states).chain(wire).collect()
}

/// The reasons of the packs that come with this build.
fn packs() -> Vec<Explained> {
    let mut reasons = Vec::new();
    for policy::shipped::Proved { name: pack, files, .. } in policy::shipped::PACKS {
        for chapter in [files.decide, files.oblige, files.gate] {
            for policy in policies(chapter) {
                let text = |name| policy.annotation(name).map(str::to_owned);
                let Some(what) = text("reason").or_else(|| duty(text("kind"))) else { continue };
                let hidden = match policy.annotation("visibility") {
                    Some("restricted") => ", shown to compliance and supervisor only",
                    Some(_) | None => "",
                };
                reasons.push(Explained {
                    code: policy.id().to_owned(),
                    by: format!("a rule of pack {pack}{hidden}"),
                    what,
                    mend: text("mend"),
                    iso: iso_of_reason(policy.id()),
                    reference: text("ref"),
                });
            }
        }
    }
    reasons
}

/// What a rule of `oblige` says.
fn duty(kind: Option<String>) -> Option<String> {
    let kind = kind?;
    Some(match kind.as_str() {
        "limit" => "A limit on the total of a period applies; the core checks it.".to_owned(),
        other => format!("The institution must do this because of the payment: {other}."),
    })
}

/// The external status reason nearest to a pack's rule, where there is one. Restricted reasons
/// have none: their code would tell.
fn iso_of_reason(id: &str) -> Option<&'static str> {
    match Reason::of(id) {
        Reason::Untold => None,
        known @ (Reason::Rule(_) | Reason::Edge(_) | Reason::Pack(_)) => Some(known.iso_20022()),
    }
}

fn mend_of_status(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => "sign the request with the key that the server knows, by a clock that is right",
        403 => "call with the key of a role that may do this",
        408 | 429 | 503 => "nothing was done: ask again later",
        500 | 504 => "what was done is unknown: ask by id, or send the same request again",
        400 | 404 | 405 | 413 | 415 | 421 => {
            "correct the request; its answer says what was expected"
        }
        409 => "read what is recorded, and do not repeat with other content under the same id",
        _ => return None,
    })
}

/// A code without case, hyphens and underscores.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The code that shares the longest piece with what was asked; none when that is short.
fn nearest<'a>(all: &'a [Explained], asked: &str) -> Option<&'a str> {
    let asked = plain(&asked.chars().take(64).collect::<String>());
    let shared = |one: &Explained| longest_shared(&plain(&one.code), &asked);
    let best = all.iter().max_by_key(|one| shared(one))?;
    (shared(best) >= 5).then_some(best.code.as_str())
}

fn longest_shared(a: &str, b: &str) -> usize {
    let pieces =
        (0..a.len()).flat_map(|from| (from..=a.len()).filter_map(move |to| a.get(from..to)));
    pieces.filter(|piece| b.contains(piece)).map(str::len).max().unwrap_or(0)
}

/// A sentence with a capital and a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let Some(first) = letters.next() else { return String::new() };
    let stop = if words.ends_with('.') { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use clearing::status::Linked;

    use super::*;

    #[test]
    fn an_open_reason_of_a_shipped_pack_has_a_code_and_a_restricted_one_has_none() {
        let mut open = 0;
        for policy::shipped::Proved { name, files, .. } in policy::shipped::PACKS {
            for policy in policies(files.decide) {
                if policy.annotation("reason").is_none() {
                    continue;
                }
                let restricted = policy.annotation("visibility") == Some("restricted");
                let code = iso_of_reason(policy.id());
                assert_eq!(code.is_none(), restricted, "{name}: {}", policy.id());
                open += usize::from(!restricted);
            }
        }
        assert!(open > 20, "{open}");
    }

    #[test]
    fn the_page_of_codes_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/status.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (head, _) = page.split_once("## States").unwrap();
        let made = format!("{head}{}", tables());
        if std::env::var_os("WAYLEAVE_BLESS").is_some() {
            std::fs::write(&path, made).unwrap();
            return;
        }
        assert_eq!(page, made, "`WAYLEAVE_BLESS=1` writes docs/formats/status.md anew");
    }

    fn tables() -> String {
        let mut page = "## States\n\n| state | code | what it means |\n|---|---|---|\n".to_owned();
        for state in State::ALL {
            let (name, code, words) = (state.as_str(), state.iso_20022(), state.for_people());
            writeln!(page, "| `{name}` | {code} | {words} |").unwrap();
        }
        page.push_str("\n## Linked payments\n\n| what | message |\n|---|---|\n");
        for linked in Linked::ALL {
            writeln!(page, "| {} | {} |", linked.for_people(), linked.message()).unwrap();
        }
        let head = "| reason | code | what happened |\n|---|---|---|\n";
        write!(page, "\n## Refusals of the core, in precedence\n\n{head}").unwrap();
        for rule in RuleName::ALL {
            let (code, words) = (rule.iso_20022(), rule.for_people());
            writeln!(page, "| `{rule}` | {code} | {words} |").unwrap();
        }
        write!(page, "\n## Refusals of an edge\n\n{head}").unwrap();
        for edge in EdgeReason::ALL {
            let (name, code, words) = (edge.as_str(), edge.iso_20022(), edge.for_people());
            writeln!(page, "| `{name}` | {code} | {words} |").unwrap();
        }
        page.push_str("\n## Open rules of the shipped packs\n\n| code | rules |\n|---|---|\n");
        for (code, ids) in clearing::status::PACKS {
            let ids = ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>();
            writeln!(page, "| {code} | {} |", ids.join(", ")).unwrap();
        }
        page
    }
}
