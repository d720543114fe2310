//! What is asked, and what is chosen to answer it.

use super::*;
use crate::claims::{MANDATE, TAX_STANDING, steps};
use crate::fixtures::{REGISTER, requirement, wallet};

#[test]
fn a_query_asks_for_the_company_and_for_what_is_required_only() {
    let query = build_query(&[requirement("mandate", MANDATE, &["limit", "company_id"])]).unwrap();
    assert_eq!(query.paths("mandate"), [steps("company_id"), steps("limit")]);
    assert_eq!(query.ids(), ["mandate"]);
    assert_eq!(query.paths("other"), Vec::<Vec<PathStep>>::new());
}

#[test]
fn the_choice_is_the_least_that_answers() {
    let held = wallet();
    let query = build_query(&[requirement("mandate", MANDATE, &["limit"])]).unwrap();
    let choices = query.choose(&held).unwrap();
    assert_eq!(choices.len(), 1);
    assert_eq!(choices[0].held_index, 1);
    let disclosed = held[1].disclosed_by(&choices[0].paths);
    assert_eq!(disclosed.len(), 2, "of {}", held[1].selective_count());
}

#[test]
fn what_is_not_held_or_not_from_that_issuer_is_no_match() {
    let held = wallet();
    let unknown = build_query(&[requirement("x", "urn:x", &["a"])]).unwrap();
    assert!(matches!(unknown.choose(&held), Err(QueryError::NoMatch { .. })));
    let missing = build_query(&[requirement("tax", TAX_STANDING, &["shoe_size"])]).unwrap();
    assert!(matches!(missing.choose(&held), Err(QueryError::NoMatch { .. })));
    let mut from = requirement("tax", TAX_STANDING, &["good_standing"]);
    from.issuers = vec![REGISTER.to_owned()];
    assert!(build_query(core::slice::from_ref(&from)).unwrap().choose(&held).is_ok());
    from.issuers = vec!["https://other.example".to_owned()];
    let query = build_query(&[from]).unwrap();
    assert!(matches!(query.choose(&held), Err(QueryError::NoMatch { .. })));
}

#[test]
fn malformed_queries_are_refused() {
    assert!(matches!(build_query(&[]), Err(QueryError::Malformed { .. })));
    let two = requirement("a", MANDATE, &["limit"]);
    assert!(build_query(&[two.clone(), two]).is_err(), "one id twice");
    let many: Vec<_> = (0..=CREDENTIALS_MAX)
        .map(|number| requirement(&format!("q{number}"), MANDATE, &["limit"]))
        .collect();
    assert!(matches!(build_query(&many), Err(QueryError::Size { .. })));
}
