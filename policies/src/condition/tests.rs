use super::*;
use crate::pattern::Side;

fn query(allow: &[&str], deny: &[&str], max_length: Option<usize>) -> QueryConditions {
    let read = |list: &[&str], side| {
        list.iter().map(|text| PairPattern::query(text, side).unwrap()).collect::<Vec<_>>()
    };
    let allow = (!allow.is_empty()).then(|| read(allow, Side::Allow));
    QueryConditions { allow, deny: read(deny, Side::Deny), max_length }
}

fn headers(require: &[&str], deny: &[&str]) -> HeaderConditions {
    let read =
        |list: &[&str], side| list.iter().map(|text| PairPattern::field(text, side).unwrap()).collect();
    HeaderConditions { require: read(require, Side::Allow), deny: read(deny, Side::Deny) }
}

#[test]
fn every_parameter_must_be_allowed() {
    let condition = query(&["q", "count=1*", "sort=up"], &[], None);
    for (text, answer) in [
        ("", Answer::Allowed),
        ("q=", Answer::Allowed),
        ("q=a&count=10&sort=up", Answer::Allowed),
        ("q=a&count=20", Answer::NotAllowed),
        ("q=a&sort=UP", Answer::NotAllowed),
        ("q=a&x=1", Answer::NotAllowed),
        ("q=a;x=1", Answer::NotAllowed),
        ("Q=a", Answer::NotAllowed),
        ("q=a&&", Answer::Allowed),
        ("%71=a", Answer::Allowed),
        ("q=a&q=b", Answer::Allowed),
        ("q%3Da", Answer::NotAllowed),
        ("=", Answer::NotAllowed),
    ] {
        assert_eq!(condition.answer(text), answer, "{text}");
    }
}

#[test]
fn a_denied_parameter_is_denied_however_it_is_written() {
    let condition = query(&[], &["token", "private_token", "scope=*push*"], None);
    for text in [
        "token=1",
        "token",
        "TOKEN=1",
        "%74oken=1",
        "a=1&token=1",
        "a=1;token=1",
        "+token=1",
        "%20token%09=1",
        "token[]=1",
        "token%5B0%5D=1",
        "private.token=1",
        "private-token=1",
        "private+token=1",
        "scope=repository:x:pull,push",
        "scope=repository%3Ax%3Apull%2CPUSH",
        "scope=a&scope=push",
    ] {
        assert_eq!(condition.answer(text), Answer::Denied, "{text}");
    }
    for text in ["", "tokens=1", "scope=pull", "x=token"] {
        assert_eq!(condition.answer(text), Answer::Allowed, "{text}");
    }
}

#[test]
fn the_length_is_that_of_the_query_as_it_is_sent() {
    assert_eq!(query(&[], &[], Some(3)).answer("%41"), Answer::Allowed);
    assert_eq!(query(&[], &[], Some(3)).answer("%41b"), Answer::NotAllowed);
    assert_eq!(query(&[], &[], Some(0)).answer(""), Answer::Allowed);
    assert_eq!(query(&[], &[], Some(0)).answer("a"), Answer::NotAllowed);
}

#[test]
fn fields_are_required_and_denied_value_by_value() {
    let condition = headers(&["accept: application/*", "x-team"], &["x-forwarded-*", "prefer: *async*"]);
    let ask = |fields: &[(&str, &str)]| condition.answer(&fields);
    let good = [("accept", "application/json"), ("x-team", "a")];
    assert_eq!(ask(&good), Answer::Allowed);
    assert_eq!(ask(&good[..1]), Answer::NotAllowed);
    assert_eq!(ask(&[good[0], good[1], ("accept", "text/html")]), Answer::NotAllowed);
    assert_eq!(ask(&[good[0], good[1], ("x-forwarded-for", "1")]), Answer::Denied);
    assert_eq!(ask(&[good[0], good[1], ("x_forwarded-for", "1")]), Answer::Denied);
    assert_eq!(ask(&[good[0], good[1], ("x.forwarded_for", "1")]), Answer::Denied);
    assert_eq!(ask(&[good[0], ("x_team", "a")]), Answer::NotAllowed, "what is required has one name");
    assert_eq!(ask(&[good[0], good[1], ("prefer", "respond-ASYNC")]), Answer::Denied);
    assert_eq!(ask(&[good[0], good[1], ("prefer", "wait=1")]), Answer::Allowed);
    assert_eq!(condition.answer(&NoHeaders), Answer::NotAllowed);
}

#[test]
fn what_names_nothing_is_no_entry() {
    assert!(PairPattern::query("=1", Side::Allow).is_err());
    assert!(PairPattern::query("", Side::Deny).is_err());
    assert!(PairPattern::field("x y", Side::Deny).is_err());
    assert!(PairPattern::field("x-*", Side::Allow).is_err());
    assert!(PairPattern::query(&"*".repeat(17), Side::Deny).is_err());
}
