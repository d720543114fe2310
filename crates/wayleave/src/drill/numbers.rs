//! Whether the edges' instances account for every number that the payments' facts name.

use std::time::{Duration, Instant};

use record::DrillVerdict;
use serde_json::Value;

use super::scene::Scene;
use crate::demo::onboard::Calls;
use crate::load::mint::MINT;

const PAUSE: Duration = Duration::from_millis(200);

/// Asks until every number is accounted for as what the facts say, or for so long.
pub(super) async fn accounted_for(
    scene: &Scene,
    patience: Duration,
) -> anyhow::Result<DrillVerdict> {
    let begun = Instant::now();
    loop {
        let calls = Calls::new(&scene.rig.stage);
        let told = calls.get("operator", "core", "/v1/edge-instances").await?;
        match finding(&serde_json::from_slice(&told)?) {
            None => return Ok(DrillVerdict::Held),
            Some(why) if begun.elapsed() > patience => return Ok(DrillVerdict::Refuted(why)),
            Some(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The first instance whose numbers are not whole, in words.
fn finding(told: &Value) -> Option<String> {
    let Some(all) = told["instances"].as_array().filter(|all| !all.is_empty()) else {
        return Some("no edge instance is known".to_owned());
    };
    let minted = |name: &str| name.rsplit_once('.').is_some_and(|(_, last)| last == MINT);
    all.iter().find_map(|one| {
        let name = one["edge"].as_str().unwrap_or_default();
        let empty = |key: &str| one[key].as_array().is_some_and(Vec::is_empty);
        if minted(name) {
            None
        } else if !one["missing"].is_null() || !empty("unaccounted") {
            let (missing, waiting) = (&one["missing"], &one["unaccounted"]);
            Some(format!("`{name}` does not account for {missing}: {waiting}"))
        } else if !empty("differences") {
            Some(format!("`{name}` accounts otherwise than the facts: {}", one["differences"]))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_that_nobody_accounts_for_is_found_but_not_one_of_the_loads_own() {
        let whole = json!({
            "edge": "bank-nl.1", "missing": null, "unaccounted": [], "differences": []
        });
        let with = |edge: &str, key: &str, value: Value| {
            let mut one = whole.clone();
            one["edge"] = edge.into();
            one[key] = value;
            json!({ "instances": [whole.clone(), one] })
        };
        let missing = || json!({ "from": 3, "to": 4 });
        assert_eq!(finding(&json!({ "instances": [whole.clone()] })), None);
        assert!(finding(&json!({ "instances": [] })).is_some());
        assert!(finding(&json!({})).is_some());
        assert!(finding(&with("bank-nl.2", "missing", missing())).unwrap().contains("bank-nl.2"));
        assert_eq!(finding(&with("bank-nl.mint", "missing", missing())), None);
        let one = json!([{ "number": 3 }]);
        assert!(finding(&with("bank-nl.2", "unaccounted", one.clone())).is_some());
        assert!(finding(&with("bank-nl.2", "differences", one)).unwrap().contains("otherwise"));
        assert!(finding(&with("bank-nl.2", "differences", Value::Null)).is_some(), "not told");
    }
}
