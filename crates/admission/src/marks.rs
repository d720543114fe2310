//! Which editions of status lists were seen, whatever came of the request.
//!
//! A list that says *revoked* must be remembered just when it makes a decision refuse: else the
//! list from before could be shown again, validly signed, and the next decision would permit.

use credential::sd_jwt_vc::Presentation;
use credential::status::{StatusCheck, claimed_signature};
use credential::trust::SignatureClaim;
use credential::{CheckedStatusList, HighWater};
use serde_json::Value;

use crate::desk::{Desk, Statuses};
use crate::payee::STATUS_AGE_MAX;
use crate::ticket::InvoiceTicket;

/// The marks after looking at every status list that a response names, its own fate aside. A list
/// counts if the named issuer signed it; the credential beside it need not be genuine.
#[must_use]
pub fn lists_seen(desk: &Desk<'_>, vp_token: &str, statuses: Statuses<'_>) -> HighWater {
    let mut marks = statuses.high_water.clone();
    let token: Value = serde_json::from_str(vp_token).unwrap_or_default();
    let presentations = token.as_object().into_iter().flat_map(|token| token.values());
    for presentation in presentations.take(credential::query::CREDENTIALS_MAX) {
        let text = presentation.get(0).and_then(Value::as_str).unwrap_or_default();
        let Ok(presentation) = Presentation::read(text) else { continue };
        let claimed = presentation.claimed();
        if let Some(status) = &claimed.status {
            let of = (claimed.issuer.as_str(), claimed.credential_type.as_str());
            raise(desk, of, &status.uri, (statuses, &mut marks));
        }
    }
    marks
}

/// The same for what a payee presented earlier.
pub(crate) fn lists_seen_again(
    desk: &Desk<'_>,
    payee: &InvoiceTicket,
    statuses: Statuses<'_>,
) -> HighWater {
    let mut marks = statuses.high_water.clone();
    for shown in &payee.shown {
        if let Some(status) = &shown.status {
            let of = (shown.relied_on.issuer.as_str(), shown.credential_type.as_str());
            raise(desk, of, &status.uri, (statuses, &mut marks));
        }
    }
    marks
}

fn raise(
    desk: &Desk<'_>,
    (issuer, credential_type): (&str, &str),
    uri: &str,
    (statuses, marks): (Statuses<'_>, &mut HighWater),
) {
    let Some(token) = statuses.tokens.get(uri) else { return };
    let Ok((key_id, signed_at)) = claimed_signature(token) else { return };
    let claim = SignatureClaim { issuer, key_id: key_id.as_deref(), credential_type, signed_at };
    let Ok(key) = desk.lists.trust().key_for(&claim, desk.now) else { return };
    let check = StatusCheck {
        uri,
        key: &key.key,
        now: desk.now,
        age_max: STATUS_AGE_MAX,
        high_water: marks,
    };
    if let Ok(list) = CheckedStatusList::check(token, &check) {
        marks.raise(&list);
    }
}
