//! `wayleave explain`: every code that a refusal, a receipt or an answer may carry, in words.

use std::process::ExitCode;

use clearing::rule::RuleName;
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
    let edges = EDGES.iter().map(|(code, iso, what, mend)| Explained {
        code: (*code).to_owned(),
        by: "an institution's edge".to_owned(),
        what: (*what).to_owned(),
        mend: Some((*mend).to_owned()),
        iso: Some(iso),
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
    core.chain(edges).chain(packs()).chain(wire).collect()
}

/// The reasons of the packs that come with this build.
fn packs() -> Vec<Explained> {
    let shipped = [("nl-sg", policy::shipped::NL_SG), ("sg-in", policy::shipped::SG_IN)];
    let mut reasons = Vec::new();
    for (pack, files) in shipped {
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
    Some(match id {
        "owner-differs" => "AC01",
        "account-not-debitable" | "account-not-creditable" => "AC06",
        "terms-unsigned" | "invoice-unsigned" => "DS0H",
        "mandate-not-for-this" => "AG01",
        "mandate-limit-exceeded" | "corridor-limit-exceeded" | "credit-band-limit-exceeded" => {
            "AM02"
        }
        "amount-not-positive" => "AM01",
        "currency-differs" => "AM03",
        "payer-name-missing" | "payer-address-unstructured" => "RR02",
        "payee-name-missing" => "RR03",
        "payee-name-differs" => "BE01",
        "purpose-not-allowed" | "jurisdiction-sanctioned" | "tax-standing-not-good" => "RR04",
        _ => return None,
    })
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

/// Reasons that an edge has of its own, beside those of its pack: code, ISO 20022, what, mend.
const EDGES: &[(&str, &str, &str, &str)] = &[
    (
        record::NEUTRAL_CODE,
        "NARR",
        "the institution does not execute this payment, and may not say why",
        "ask your institution; compliance there can read the reason",
    ),
    (
        "StatusRevoked",
        "RR04",
        "the issuer has revoked a credential",
        "ask the issuer for a new credential",
    ),
    (
        "StatusSuspended",
        "RR04",
        "the issuer has suspended a credential",
        "ask the issuer why the credential is suspended",
    ),
    (
        "StatusUnavailable",
        "RR04",
        "the issuer's status list could not be fetched",
        "try again shortly; the list is fetched anew",
    ),
    (
        "StatusTooOld",
        "RR04",
        "the newest status list of the issuer is older than the rules allow",
        "try again shortly; the list is fetched anew",
    ),
    (
        "StatusNotReadable",
        "RR04",
        "the issuer's status list is not what it should be",
        "ask the issuer to publish its status list properly",
    ),
    (
        "CredentialExpired",
        "RR04",
        "a credential has expired since it was shown",
        "ask the payee for a new request to pay",
    ),
    (
        "IssuerNotTrusted",
        "RR04",
        "an issuer is not on the trust list for what it says",
        "present a credential of an issuer on the trust list",
    ),
    (
        "SubjectsDiffer",
        "RR04",
        "the credentials are not all about one company",
        "present credentials that carry the same company identifier",
    ),
    (
        "PresentationIncomplete",
        "RR04",
        "more or less was presented than was asked for",
        "present exactly the claims that were asked for",
    ),
    (
        "PresentationRefused",
        "RR04",
        "a presentation does not verify",
        "present again, to this edge, with live credentials",
    ),
    (
        "SignatureOverOtherTerms",
        "DS0H",
        "what was signed are not the terms of this payment",
        "open the order in the wallet again and sign it",
    ),
    (
        "MandateMissing",
        "AG01",
        "no mandate was presented that allows to pay",
        "present a mandate that allows to pay",
    ),
    (
        "InstitutionNotRecognised",
        "RR04",
        "the other side's institution is not recognised here",
        "ask the other side's institution",
    ),
    (
        "Referred",
        "NARR",
        "the institution decides later, or with a person",
        "nothing; the answer says when it is decided anew",
    ),
];
